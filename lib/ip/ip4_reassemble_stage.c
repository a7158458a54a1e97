/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_reassemble: fragments to our own addresses wait here until their datagram is whole, which then
 * goes on to ip4_local as one packet in many segments (RFC 791 3.2, RFC 1812 5.2.6.2). Fragments of
 * others pass through weir as they are. Run by the owning worker, which alone touches its table
 * (reassembly.h); fragments of a datagram that reach different workers do not find each other.
 *
 * What is not whole after ipfrag_time is dropped by ip4_reassemble_tick(), from the control thread
 * by mail once a second, and its sender is told (RFC 792: time exceeded, code 1) if the first fragment
 * is there (RFC 1122 3.3.2). All wait equally long, so only the oldest are looked at.
 *
 * Not DPDK's rte_ip_frag: it takes 8 fragments at most, does not see overlaps and forgets a datagram
 * without a word.
 */
#include <rte_random.h>

#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { REASSEMBLE_LOCAL = 1, REASSEMBLE_ERROR };

enum { REASSEMBLE_TICK_NS = 1000000000 };

static struct reassembly_key reassemble_key(
	const struct rte_ipv4_hdr *ip, const struct pkt_meta *meta)
{
	struct reassembly_key key;

	memset(&key, 0, sizeof(key));
	memcpy(key.src, &ip->src_addr, sizeof(ip->src_addr));
	memcpy(key.dst, &ip->dst_addr, sizeof(ip->dst_addr));
	key.id = ip->packet_id;
	key.ns = meta->ns;
	key.proto = ip->next_proto_id;
	key.family = AF_INET;
	return key;
}

/* Which bytes of which payload? false: no fragment can be like this. */
static bool reassemble_read(struct rte_mbuf *m, const struct rte_ipv4_hdr *ip,
	const struct pkt_meta *meta, struct reassembly_piece *piece, bool *is_last)
{
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t len = pkt_l4_len(meta);
	uint32_t first = (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u;

	*is_last = !(field & RTE_IPV4_HDR_MF_FLAG);
	if (len == 0 || (!*is_last && len % 8 != 0) || first + len > UINT16_MAX - sizeof(*ip))
		return false;
	*piece = (struct reassembly_piece){
		.m = m, .first = (uint16_t)first, .end = (uint16_t)(first + len)
	};
	return true;
}

/* Only the holder of the only reference may cut off a header. */
static bool reassemble_is_ours_alone(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (!pkt_writable(m))
			return false;
	return true;
}

/* The payload of a fragment, to be put behind another. */
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

/* All fragments as one packet, with the first one's header. */
static struct rte_mbuf *reassemble_join(struct reassembly_datagram *datagram)
{
	struct rte_mbuf *head = datagram->pieces[0].m;
	struct pkt_meta *meta = pkt_meta(head);
	uint16_t header_len = (uint16_t)(meta->l4_off - meta->l3_off);
	struct rte_ipv4_hdr *ip = pkt_ip4(head, meta);

	for (unsigned int i = 1; i < datagram->n; i++)
		rte_pktmbuf_chain(head, reassemble_payload(datagram->pieces[i].m));
	meta->l3_len = (uint16_t)(header_len + datagram->total);
	meta->flags &= (uint16_t) ~(PKT_FRAGMENT | PKT_FRAGMENT_LATER);
	ip->total_length = rte_cpu_to_be_16(meta->l3_len);
	ip->fragment_offset = 0;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, header_len / 4u);
	return head;
}

/* Ends the wait of a datagram's fragments for a reason. */
static void reassemble_drop(struct worker *w, struct ip_worker *ip_worker,
	struct reassembly_datagram *datagram, const struct module *module, unsigned int reason)
{
	for (unsigned int i = 0; i < datagram->n; i++)
		worker_free_dropped(
			w, datagram->pieces[i].m, module, reason, ip_worker->reassemble_stage);
	w->stats.held -= datagram->n;
	reassembly_release(&ip_worker->reassembly, datagram);
}

/* All are here. The packet goes on in place of the fragment that came last. */
static unsigned int reassemble_done(
	struct worker *w, struct ip_worker *ip_worker, struct reassembly_datagram *datagram)
{
	const struct pkt_meta *meta = pkt_meta(datagram->pieces[0].m);

	w->stats.held++; /* the last one, with the others */
	if (datagram->total + (meta->l4_off - meta->l3_off) > UINT16_MAX) {
		reassemble_drop(w, ip_worker, datagram, &ip_module, IP4_DROP_FRAGMENT_BAD);
		return STAGE_CONSUMED;
	}
	w->stats.held -= datagram->n;
	w->stats.consumed += datagram->n - 1;
	trace_tell(w, true, 0, 0);
	stage_push(&w->pending, &w->nodes[ip_worker->local_stage], reassemble_join(datagram));
	reassembly_release(&ip_worker->reassembly, datagram);
	return STAGE_CONSUMED;
}

static unsigned int reassemble_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct ip_worker *ip_worker = ctx;
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	struct reassembly *table = &ip_worker->reassembly;
	struct reassembly_key key = reassemble_key(ip, meta);
	struct reassembly_datagram *datagram;
	struct reassembly_piece piece;
	bool is_last;

	if (!reassemble_read(m, ip, meta, &piece, &is_last))
		return ip_drop(meta, IP4_DROP_FRAGMENT_BAD);
	if (!reassemble_is_ours_alone(m))
		return ip_drop(meta, IP_DROP_SHARED);
	datagram = reassembly_get(table, &key, w->now);
	if (datagram == NULL)
		return ip_drop(meta, IP4_DROP_REASSEMBLY_FULL);
	switch (reassembly_add(table, datagram, &piece, is_last)) {
	case REASSEMBLY_WAIT:
		w->stats.held++;
		return STAGE_CONSUMED;
	case REASSEMBLY_DONE:
		return reassemble_done(w, ip_worker, datagram);
	case REASSEMBLY_DUPLICATE:
		return ip_drop(meta, IP4_DROP_FRAGMENT_DUPLICATE);
	case REASSEMBLY_FULL:
		return ip_drop(meta, IP4_DROP_REASSEMBLY_FULL);
	case REASSEMBLY_OVERLAP:
		reassemble_drop(w, ip_worker, datagram, &ip_module, IP4_DROP_FRAGMENT_OVERLAP);
		return ip_drop(meta, IP4_DROP_FRAGMENT_OVERLAP);
	case REASSEMBLY_TOO_MANY:
		break;
	}
	reassemble_drop(w, ip_worker, datagram, &ip_module, IP4_DROP_FRAGMENTS_TOO_MANY);
	return ip_drop(meta, IP4_DROP_FRAGMENTS_TOO_MANY);
}

/* Tells the sender, if the fragment is there that says to whom. */
static void reassemble_tell(
	struct worker *w, const struct ip_worker *ip_worker, struct reassembly_datagram *datagram)
{
	struct rte_mbuf *first = datagram->pieces[0].m;

	if (datagram->pieces[0].first != 0)
		return;
	ip4_set_error(pkt_meta(first), ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0,
		IP4_DROP_REASSEMBLY_TIMEOUT);
	worker_inject(w, w, first, ip_worker->error_stage);
	w->stats.held--;
	datagram->n--;
	memmove(datagram->pieces, datagram->pieces + 1, datagram->n * sizeof(datagram->pieces[0]));
}

static void reassemble_mail_expire(void *receiver, const struct mail *mail)
{
	struct worker *w = receiver;
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	uint64_t life = mail->arg[0] * w->dp->tsc_hz;
	struct reassembly_datagram *datagram;

	while ((datagram = reassembly_oldest(&ip_worker->reassembly)) != NULL &&
		w->now - datagram->born >= life) {
		reassemble_tell(w, ip_worker, datagram);
		reassemble_drop(w, ip_worker, datagram, &ip_module, IP4_DROP_REASSEMBLY_TIMEOUT);
	}
}

static void reassemble_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, reassemble_one, worker_slot(w, &ip_module));
}

static void reassemble_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "%s",
			record->extra.arg[0] ? "the last one: goes on as a whole"
					     : "waits for the others");
}

/* Control thread. */

void ip4_reassemble_tick(struct dp *dp, struct ip_state *state, uint64_t now_ns)
{
	struct mail mail = { .fn = reassemble_mail_expire,
		.arg = { (uint64_t)state->ip4.ipfrag_time } };

	if (now_ns < state->next_expiry_ns)
		return;
	state->next_expiry_ns = now_ns + REASSEMBLE_TICK_NS;
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct ip_worker *ip_worker = worker_slot(dp->workers[i], &ip_module);

		if (!reassembly_is_empty(&ip_worker->reassembly))
			dp_mail(dp, dp->workers[i], &mail);
	}
}

void ip4_reassemble_init(struct dp *dp, struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);

	reassembly_init(&ip_worker->reassembly, ip_worker->datagrams, RTE_DIM(ip_worker->datagrams),
		(uint32_t)rte_rand());
	/*
	 * A sixteenth of the buffers for all, divided among the workers made so far: the last one's
	 * turn leaves every share right.
	 */
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		ip_worker = worker_slot(dp->workers[i], &ip_module);
		ip_worker->reassembly.n_segs_max = dp->pool->size / 16 / dp->n_workers;
	}
}

void ip4_reassemble_fini(struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	struct reassembly_datagram *datagram;

	while ((datagram = reassembly_oldest(&ip_worker->reassembly)) != NULL)
		reassemble_drop(w, ip_worker, datagram, &dp_module, DP_DROP_STOPPED);
}

const struct stage ip4_reassemble_stage = {
	.name = "ip4_reassemble",
	.help = "keeps fragments to our addresses until they are whole",
	.run = reassemble_run,
	.exits = { [REASSEMBLE_LOCAL] = { "whole", "ip4_local" },
		[REASSEMBLE_ERROR] = { "timed out", "ip4_error" } },
	.format = reassemble_format,
};
