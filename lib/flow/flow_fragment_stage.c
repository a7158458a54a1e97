/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flow_fragment: gives every fragment in a namespace that tracks the ports of its datagram, so that
 * `track` finds the connection by them (fragments.h). Both families. Run by the owning worker, which
 * alone touches its tables.
 *
 * The first fragment goes on at once. Its connection is made at the end of the pass, so others of
 * the same pass enter again at `track`, and so do those that have waited for it. The packets are not
 * written to: a translation is done on each fragment as it passes.
 *
 * Steering goes by addresses alone for fragments, for other packets by ports as well: when the ports are
 * known, fragments are handed over to the worker that has the connection.
 *
 * A first fragment must hold its whole L4 header (RFC 1858, RFC 3128: else the rest of it would come
 * where no rule looks; RFC 7112 demands it of IPv6). A fragment that would write over it later overlaps
 * it, and is refused for that.
 *
 * IPv6: what is fragmented may begin with extension headers, which only the first fragment's parser
 * can walk over. The fragment headers of the others then name the first of those headers, or anything
 * (RFC 8200 4.5: only the first one's counts); they are given the protocol of the first. A fragment
 * whose payload is a later fragment of something else has no L4 header anywhere, and is refused.
 *
 * What waits is dropped when its time is over: the control thread has the workers look by mail, once
 * a second while there is anything. All of a family wait equally long, so only the oldest are looked at.
 */
#include <rte_random.h>

#include "dp/trace.h"
#include "flow/flow_priv.h"
#include "ip/fragment.h"

enum { FRAGMENT_TRACK = 1 };

enum {
	FRAGMENT_TICK_NS = 1000000000,
	FRAGMENT_POOL_SHARE = 32 /* of all buffers, for each family of all workers */
};

/*
 * Ports, or what stands for them, of a first fragment: as `track` will read them. false: its L4 header is
 * not whole, or wrong. Of ICMP that is no query only type and code, which no connection has.
 */
static bool fragment_read_ports(struct rte_mbuf *m, struct pkt_meta *meta, uint32_t *ports_be)
{
	struct flow_first f = { .dir = FLOW_ORIG };
	enum flow_drop reason;
	bool is_error;

	reason = flow_read_packet(m, meta, &f, &is_error);
	if (reason == FLOW_DROP_TRUNCATED || reason == FLOW_DROP_LENGTH)
		return false;
	if (is_error || reason == FLOW_DROP_ICMP)
		f.orig.dport_be = flow_icmp_kind_be(f.icmp_type, f.icmp_code);
	*ports_be = f.orig.sport_be | (uint32_t)f.orig.dport_be << 16;
	return true;
}

/* Who has the connection of a datagram: its packets in one piece are steered there. */
static struct worker *fragment_owner(const struct worker *w, const struct reassembly_key *key,
	const struct flow_fragment_out *out)
{
	struct flow_tuple tuple = { .sport_be = (uint16_t)out->ports_be,
		.dport_be = (uint16_t)(out->ports_be >> 16) };

	memcpy(tuple.src.bytes, key->src, sizeof(key->src));
	memcpy(tuple.dst.bytes, key->dst, sizeof(key->dst));
	return w->dp
		->workers[flow_bucket_owner(flow_worker(w), flow_bucket(w, out->proto, &tuple))];
}

/* It enters track in a later pass of its owner, with its datagram's ports. */
static void fragment_send(struct worker *w, struct worker *owner,
	const struct flow_fragments *fragments, struct rte_mbuf *m,
	const struct flow_fragment_out *out)
{
	pkt_meta(m)->ports_be = out->ports_be;
	pkt_meta(m)->proto = out->proto;
	trace_tell(w, (uint16_t)(owner->id + 1), 0, 0);
	if (likely(owner == w))
		worker_inject(w, w, m, fragments->track_stage);
	else
		worker_hand_over(owner, w, fragments->track_stage, &m, 1);
}

/* A first fragment goes on at once, and what has waited follows it. */
static unsigned int fragment_pass(struct worker *w, const struct flow_fragments *fragments,
	const struct flow_fragment *fragment, struct pkt_meta *meta, struct flow_fragment_out *out)
{
	struct worker *owner = fragment_owner(w, &fragment->key, out);

	meta->ports_be = out->ports_be;
	meta->proto = out->proto;
	if (owner != w)
		fragment_send(w, owner, fragments, fragment->m, out);
	for (unsigned int i = 0; i < out->n; i++)
		fragment_send(w, owner, fragments, out->pkts[i], out);
	w->stats.held -= out->n;
	return owner == w ? FRAGMENT_TRACK : STAGE_CONSUMED;
}

static void fragment_drop_held(struct worker *w, const struct flow_fragments *fragments,
	struct flow_fragment_out *out, const struct module *module, unsigned int reason)
{
	for (unsigned int i = 0; i < out->n; i++)
		worker_free_dropped(w, out->pkts[i], module, reason, fragments->stage);
	w->stats.held -= out->n;
}

static unsigned int fragment_refuse(struct worker *w, const struct flow_fragments *fragments,
	struct pkt_meta *meta, struct flow_fragment_out *out, enum flow_drop reason)
{
	fragment_drop_held(w, fragments, out, &flow_module, reason);
	return pkt_drop(meta, &flow_module, reason);
}

static unsigned int fragment_leave(struct worker *w, struct flow_fragments *fragments,
	const struct flow_fragment *fragment, struct pkt_meta *meta)
{
	struct flow_fragment_out out;

	switch (flow_fragments_add(fragments, fragment, w->now, w->passes, &out)) {
	case FLOW_FRAGMENT_PASS:
		return fragment_pass(w, fragments, fragment, meta, &out);
	case FLOW_FRAGMENT_AFTER:
		fragment_send(
			w, fragment_owner(w, &fragment->key, &out), fragments, fragment->m, &out);
		return STAGE_CONSUMED;
	case FLOW_FRAGMENT_HELD:
		w->stats.held++;
		return STAGE_CONSUMED;
	case FLOW_FRAGMENT_DUPLICATE:
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_DUPLICATE);
	case FLOW_FRAGMENT_FULL:
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_FULL);
	case FLOW_FRAGMENT_REFUSED:
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_REFUSED);
	case FLOW_FRAGMENT_OVERLAP:
		return fragment_refuse(w, fragments, meta, &out, FLOW_DROP_FRAGMENT_OVERLAP);
	case FLOW_FRAGMENT_TOO_MANY:
		break;
	}
	return fragment_refuse(w, fragments, meta, &out, FLOW_DROP_FRAGMENTS_TOO_MANY);
}

static unsigned int fragment_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_fragment fragment;
	struct ip_fragment read;

	if (ip_fragment_read(m, meta, &read) != IP_FRAGMENT_SOUND)
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_BAD);
	fragment = (struct flow_fragment){
		.key = read.key,
		.m = m,
		.first = read.piece.first,
		.end = read.piece.end,
		.is_last = read.is_last,
	};
	if (fragment.first == 0 && !fragment_read_ports(m, meta, &fragment.ports_be))
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_TINY);
	fragment.proto = meta->proto;
	return fragment_leave(w, ctx, &fragment, meta);
}

static void fragment_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FRAGMENT_TRACK, fragment_one, flow_fragments(w));
}

static void fragment_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;

	if (record->exit == STAGE_DROP)
		return;
	if (record->exit == STAGE_CONSUMED && record->extra.arg[0] == 0)
		snprintf(buf, size, "waits for the first fragment");
	else if (record->exit == STAGE_CONSUMED)
		snprintf(buf, size, "goes on in a later pass of worker %u",
			record->extra.arg[0] - 1u);
	else if (flow_is_icmp(meta->proto))
		snprintf(buf, size, "%s fragment, identifier %u",
			meta->flags & PKT_FRAGMENT_LATER ? "later" : "first",
			rte_be_to_cpu_16((uint16_t)meta->ports_be));
	else
		snprintf(buf, size, "%s fragment, ports %u and %u",
			meta->flags & PKT_FRAGMENT_LATER ? "later" : "first",
			rte_be_to_cpu_16((uint16_t)meta->ports_be),
			rte_be_to_cpu_16((uint16_t)(meta->ports_be >> 16)));
}

/* Worker, between passes, or the control thread at the worker's end. */
static void fragment_expire(struct worker *w, struct flow_fragment_family *family, uint64_t life,
	const struct module *module, unsigned int reason)
{
	struct flow_fragments *fragments = flow_fragments(w);
	struct flow_fragment_out out;

	while (flow_fragments_expire(family, w->now, life, &out))
		fragment_drop_held(w, fragments, &out, module, reason);
}

static void fragment_mail_expire(void *receiver, const struct mail *mail)
{
	struct worker *w = receiver;
	struct flow_fragments *fragments = flow_fragments(w);

	fragment_expire(w, &fragments->ip4, mail->arg[0], &flow_module, FLOW_DROP_FRAGMENT_TIMEOUT);
	fragment_expire(w, &fragments->ip6, mail->arg[1], &flow_module, FLOW_DROP_FRAGMENT_TIMEOUT);
}

/* Control thread. */

void flow_fragment_tick(
	struct dp *dp, uint64_t now_ns, uint64_t *next_ns, uint64_t life4_ms, uint64_t life6_ms)
{
	uint64_t tsc_khz = dp->tsc_hz / 1000;
	struct mail mail = { .fn = fragment_mail_expire,
		.arg = { life4_ms * tsc_khz, life6_ms * tsc_khz } };

	if (now_ns < *next_ns)
		return;
	*next_ns = now_ns + FRAGMENT_TICK_NS;
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct flow_fragments *fragments = flow_fragments(dp->workers[i]);

		if (!reassembly_is_empty(&fragments->ip4.table) ||
			!reassembly_is_empty(&fragments->ip6.table))
			dp_mail(dp, dp->workers[i], &mail);
	}
}

void flow_fragment_worker_init(struct dp *dp, struct worker *w)
{
	struct flow_fragments *fragments = flow_fragments(w);
	uint32_t share = dp->pool->size / FRAGMENT_POOL_SHARE / dp->n_workers;

	flow_fragments_init(fragments, share, (uint32_t)rte_rand());
	flow_worker(w)->fates.seed = (uint32_t)rte_rand();
	fragments->stage = (uint8_t)worker_stage_index(w, "flow_fragment");
	fragments->track_stage = (uint8_t)worker_stage_index(w, "track");
	/* Divided among the workers made so far: the last one's turn leaves every share right. */
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		fragments = flow_fragments(dp->workers[i]);
		fragments->ip4.table.n_segs_max = fragments->ip6.table.n_segs_max = share;
	}
}

void flow_fragment_worker_fini(struct worker *w)
{
	struct flow_fragments *fragments = flow_fragments(w);

	fragment_expire(w, &fragments->ip4, 0, &dp_module, DP_DROP_STOPPED);
	fragment_expire(w, &fragments->ip6, 0, &dp_module, DP_DROP_STOPPED);
}

const struct stage flow_fragment_stage = {
	.name = "flow_fragment",
	.help = "gives fragments the ports of their datagram, in a namespace that tracks",
	.run = fragment_run,
	.exits = { [FRAGMENT_TRACK] = { "ports known", "track" } },
	.format = fragment_format,
};
