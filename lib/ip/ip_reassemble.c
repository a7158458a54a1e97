/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What ip4_reassemble and ip6_reassemble share: fragments to our own addresses wait here until their
 * datagram is whole, which then goes on as one packet in many segments. Fragments of others pass through
 * weir as they are. Run by the owning worker, which alone touches its tables (reassembly.h), one for
 * each family; fragments of a datagram that reach different workers do not find each other.
 *
 * What is not whole in time is dropped at the word of ip_reassemble_tick(), by mail from the control
 * thread once a second, and its sender is told if the first fragment is there (RFC 1122 3.3.2, RFC
 * 8200 4.5). All of a family wait equally long, so only the oldest are looked at.
 *
 * Not DPDK's rte_ip_frag: it takes 8 fragments at most, does not see overlaps and forgets a datagram
 * without a word.
 */
#include <rte_random.h>

#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { REASSEMBLE_TICK_NS = 1000000000 };

/* Only the holder of the only reference may cut off a header. */
static bool reassemble_is_ours_alone(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (!pkt_writable(m))
			return false;
	return true;
}

/* The payload of a fragment that is not the first, to be put behind another. */
static struct rte_mbuf *reassemble_payload(struct rte_mbuf *m)
{
	struct rte_mbuf *next = m->next;

	rte_pktmbuf_adj(m, pkt_meta(m)->l4_off);
	if (m->data_len > 0)
		return m;
	/* The header had a segment of its own. */
	next->pkt_len = m->pkt_len;
	next->nb_segs = (uint16_t)(m->nb_segs - 1);
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
	return next;
}

/* All fragments as one packet, with the first one's headers. */
static struct rte_mbuf *reassemble_join(
	const struct ip_reassemble_form *form, struct reassembly_datagram *datagram)
{
	struct rte_mbuf *head = datagram->pieces[0].m;
	struct pkt_meta *meta = pkt_meta(head);

	for (unsigned int i = 1; i < datagram->n; i++)
		rte_pktmbuf_chain(head, reassemble_payload(datagram->pieces[i].m));
	meta->flags &= (uint16_t) ~(PKT_FRAGMENT | PKT_FRAGMENT_LATER);
	form->finish(head, meta, datagram->total);
	return head;
}

/* Ends the wait of a datagram's fragments for a reason. */
static void reassemble_drop(struct worker *w, struct ip_reassembly *reassembly,
	struct reassembly_datagram *datagram, const struct module *module, unsigned int reason)
{
	for (unsigned int i = 0; i < datagram->n; i++)
		worker_free_dropped(w, datagram->pieces[i].m, module, reason, reassembly->stage);
	w->stats.held -= datagram->n;
	reassembly_release(&reassembly->table, datagram);
}

/* All are here. The packet goes on in place of the fragment that came last. */
static unsigned int reassemble_done(
	struct worker *w, struct ip_reassembly *reassembly, struct reassembly_datagram *datagram)
{
	const struct ip_reassemble_form *form = reassembly->form;
	struct rte_mbuf *first = datagram->pieces[0].m;

	w->stats.held++; /* the last one, with the others */
	if (form->header_len(first, pkt_meta(first)) + datagram->total > UINT16_MAX) {
		reassemble_drop(w, reassembly, datagram, &ip_module, form->bad);
		return STAGE_CONSUMED;
	}
	w->stats.held -= datagram->n;
	w->stats.consumed += datagram->n - 1;
	trace_tell(w, true, 0, 0);
	stage_push(
		&w->pending, &w->nodes[reassembly->local_stage], reassemble_join(form, datagram));
	reassembly_release(&reassembly->table, datagram);
	return STAGE_CONSUMED;
}

/* A fragment that cannot be, beside those that are there: they all go. */
static unsigned int reassemble_spoil(struct worker *w, struct ip_reassembly *reassembly,
	struct reassembly_datagram *datagram, struct pkt_meta *meta, uint16_t reason)
{
	reassemble_drop(w, reassembly, datagram, &ip_module, reason);
	return ip_drop(meta, reason);
}

unsigned int ip_reassemble(
	struct worker *w, struct ip_reassembly *reassembly, const struct ip_fragment *fragment)
{
	const struct ip_reassemble_form *form = reassembly->form;
	struct pkt_meta *meta = pkt_meta(fragment->piece.m);
	struct reassembly_datagram *datagram;

	if (!reassemble_is_ours_alone(fragment->piece.m))
		return ip_drop(meta, IP_DROP_SHARED);
	datagram = reassembly_get(&reassembly->table, &fragment->key, w->now);
	if (datagram == NULL)
		return ip_drop(meta, form->full);
	switch (reassembly_add(&reassembly->table, datagram, &fragment->piece, fragment->is_last)) {
	case REASSEMBLY_WAIT:
		w->stats.held++;
		return STAGE_CONSUMED;
	case REASSEMBLY_DONE:
		return reassemble_done(w, reassembly, datagram);
	case REASSEMBLY_DUPLICATE:
		return ip_drop(meta, form->duplicate);
	case REASSEMBLY_FULL:
		return ip_drop(meta, form->full);
	case REASSEMBLY_OVERLAP:
		return reassemble_spoil(w, reassembly, datagram, meta, form->overlap);
	case REASSEMBLY_TOO_MANY:
		break;
	}
	return reassemble_spoil(w, reassembly, datagram, meta, form->too_many);
}

/* Tells the sender, if the fragment is there that says to whom. */
static void reassemble_tell(
	struct worker *w, struct ip_reassembly *reassembly, struct reassembly_datagram *datagram)
{
	const struct ip_reassemble_form *form = reassembly->form;
	struct rte_mbuf *first = datagram->pieces[0].m;

	if (datagram->pieces[0].first != 0)
		return;
	static_assert(ICMP_EXC_FRAGTIME == ICMP6_TIME_EXCEED_REASSEMBLY, "one code for both");
	ip_set_error(pkt_meta(first), form->time_exceeded, ICMP_EXC_FRAGTIME, 0,
		ip_module.drop_base + form->timeout);
	worker_inject(w, w, first, reassembly->error_stage);
	w->stats.held--;
	datagram->n--;
	memmove(datagram->pieces, datagram->pieces + 1, datagram->n * sizeof(datagram->pieces[0]));
}

/* arg: which family, and how long its fragments may wait, in seconds. */
static void reassemble_mail_expire(void *receiver, const struct mail *mail)
{
	struct worker *w = receiver;
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	struct ip_reassembly *reassembly = &ip_worker->reassembly[mail->arg[0]];
	uint64_t life = mail->arg[1] * w->dp->tsc_hz;
	struct reassembly_datagram *datagram;

	while ((datagram = reassembly_oldest(&reassembly->table)) != NULL &&
		w->now - datagram->born >= life) {
		reassemble_tell(w, reassembly, datagram);
		reassemble_drop(w, reassembly, datagram, &ip_module, reassembly->form->timeout);
	}
}

void ip_reassemble_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "%s",
			record->extra.arg[0] ? "the last one: goes on as a whole"
					     : "waits for the others");
}

/* Control thread. */

static const struct ip_reassemble_form *const reassemble_forms[] = {
	[IP_REASSEMBLY_4] = &ip4_reassemble_form,
	[IP_REASSEMBLY_6] = &ip6_reassemble_form,
};
static_assert(RTE_DIM(reassemble_forms) == IP_N_REASSEMBLIES, "one for each family");

void ip_reassemble_tick(struct dp *dp, uint64_t now_ns)
{
	struct ip_state *state = dp_slot(dp, &ip_module);
	const int64_t life_s[] = {
		[IP_REASSEMBLY_4] = state->ip4.ipfrag_time,
		[IP_REASSEMBLY_6] = state->ip6.ip6frag_time,
	};

	if (now_ns < state->next_expiry_ns)
		return;
	state->next_expiry_ns = now_ns + REASSEMBLE_TICK_NS;
	for (unsigned int i = 0; i < dp->n_workers * IP_N_REASSEMBLIES; i++) {
		struct worker *w = dp->workers[i / IP_N_REASSEMBLIES];
		const struct ip_worker *ip_worker = worker_slot(w, &ip_module);
		unsigned int family = i % IP_N_REASSEMBLIES;
		struct mail mail = { .fn = reassemble_mail_expire,
			.arg = { family, (uint64_t)life_s[family] } };

		if (!reassembly_is_empty(&ip_worker->reassembly[family].table))
			dp_mail(dp, w, &mail);
	}
}

static void reassemble_init_one(
	struct worker *w, struct ip_reassembly *reassembly, const struct ip_reassemble_form *form)
{
	reassembly->form = form;
	reassembly->stage = (uint8_t)worker_stage_index(w, form->stage);
	reassembly->local_stage = (uint8_t)worker_stage_index(w, form->local_stage);
	reassembly->error_stage = (uint8_t)worker_stage_index(w, form->error_stage);
	reassembly_init(&reassembly->table, reassembly->datagrams, RTE_DIM(reassembly->datagrams),
		(uint32_t)rte_rand());
}

void ip_reassemble_init(struct dp *dp, struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	/*
	 * A sixteenth of the buffers for all of a family, divided among the workers made so far: the
	 * last one's turn leaves every share right.
	 */
	uint32_t share = dp->pool->size / 16 / dp->n_workers;

	for (unsigned int family = 0; family < IP_N_REASSEMBLIES; family++)
		reassemble_init_one(w, &ip_worker->reassembly[family], reassemble_forms[family]);
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		ip_worker = worker_slot(dp->workers[i], &ip_module);
		for (unsigned int family = 0; family < IP_N_REASSEMBLIES; family++)
			ip_worker->reassembly[family].table.n_segs_max = share;
	}
}

void ip_reassemble_fini(struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	struct reassembly_datagram *datagram;

	for (unsigned int family = 0; family < IP_N_REASSEMBLIES; family++) {
		struct ip_reassembly *reassembly = &ip_worker->reassembly[family];

		while ((datagram = reassembly_oldest(&reassembly->table)) != NULL)
			reassemble_drop(w, reassembly, datagram, &dp_module, DP_DROP_STOPPED);
	}
}
