/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * track: everything that `flow4` and `flow6` leave aside. Finds the connection of a packet, judges the
 * packet by it (track.c), tells ICMP errors about connections from others (related.c), and sends what
 * belongs to no connection, or to one that older rules have judged, through the hooks with a
 * struct flow_first. Both families; also packets made here, which enter again at this stage. Run by
 * the owning worker.
 *
 * Fragments come here with the ports of their datagram (flow_fragment_stage.c). The first one is judged, the
 * others fare as it did (fragments.h).
 *
 * Packets that are judged by no connection, because they can have none: to groups, and those made here
 * without an address yet, or in answer to what had no connection.
 */
#include "dp/trace.h"
#include "flow/flow_priv.h"

enum {
	TRACK_KNOWN = 1,
	TRACK_FIRST,	/* received: to the first hook */
	TRACK_OWN,	/* made here: its route comes before its first hook */
	TRACK_RELATED4, /* ICMP errors about a connection need no hook */
	TRACK_RELATED6,
	TRACK_OUTPUT4, /* and so do packets made here about what has none */
	TRACK_OUTPUT6,
};

struct flow_first *flow_first(const struct worker *w, const struct pkt_meta *meta)
{
	return &flow_worker(w)->firsts[meta->first];
}

static struct flow_first *first_new(struct flow_worker *fw, struct pkt_meta *meta)
{
	struct flow_first *f = &fw->firsts[fw->n_firsts];

	RTE_ASSERT(fw->n_firsts < LANE_SIZE);
	meta->first = (uint16_t)fw->n_firsts++;
	*f = (struct flow_first){
		.family = flow_is_ip6(meta) ? AF_INET6 : AF_INET,
		.ns = meta->ns,
		.in_link = meta->flags & PKT_ORIGINATED ? 0 : meta->in_link,
		.scope = meta->in_link,
		.flow = FLOW_NONE,
		.is_explained = fw->w->is_scratch,
		.status = meta->flags & PKT_ORIGINATED ? FLOW_ORIGINATED : 0,
	};
	for (unsigned int hook = 0; hook < FLOW_HOOKS; hook++)
		f->rule[hook] = FLOW_NO_RULE;
	return f;
}

static unsigned int to_hooks(const struct pkt_meta *meta, struct flow_first *f)
{
	f->came_as = f->state;
	return meta->flags & PKT_ORIGINATED ? TRACK_OWN : TRACK_FIRST;
}

static unsigned int to_output(const struct pkt_meta *meta)
{
	return flow_is_ip6(meta) ? TRACK_OUTPUT6 : TRACK_OUTPUT4;
}

static unsigned int related(
	const struct flow_worker *fw, const struct rte_mbuf *m, struct pkt_meta *meta)
{
	if (meta->flags & PKT_ORIGINATED)
		return to_output(meta);
	if (!flow_is_ip6(meta))
		return TRACK_RELATED4;
	flow_keep_local6(
		meta, fib6_lookup(fw->fib6[meta->ns], pkt_ip6(m, meta)->dst_addr, meta->in_link));
	return TRACK_RELATED6;
}

/* What it is about nobody knows: the rules say what becomes of it. */
static unsigned int invalid(struct flow_worker *fw, const struct pkt_meta *meta,
	struct flow_first *f, unsigned int reason)
{
	fw->n_invalid++;
	f->state = FLOW_STATE_INVALID;
	f->reply = flow_invert(&f->orig);
	if (reason != FLOW_N_DROPS)
		f->invalid = (uint16_t)(fw->drop_base + reason);
	return to_hooks(meta, f);
}

/* Wrong sums begin no connection. Later packets of it are the receiver's to check. */
static bool checksum_is_wrong(
	const struct flow_worker *fw, const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	if (!fw->state->sysctl.checksum || (meta->flags & (PKT_ORIGINATED | PKT_FRAGMENT)) ||
		!(meta->flags & PKT_L4_PRESENT))
		return false;
	/* Of either family: IPv6 has tunnels without (RFC 6935). */
	if (meta->proto == IPPROTO_UDP &&
		((const struct rte_udp_hdr *)pkt_l4(m, meta))->dgram_cksum == 0)
		return false;
	return !parse_l4_checksum_is_right(m, meta);
}

static unsigned int first(struct flow_worker *fw, const struct rte_mbuf *m,
	const struct pkt_meta *meta, struct flow_first *f)
{
	struct flow_begin begin;
	enum flow_drop reason;

	if (checksum_is_wrong(fw, m, meta))
		return invalid(fw, meta, f, FLOW_DROP_CHECKSUM);
	reason = flow_begin(fw, m, meta, f, &begin);
	if (reason != FLOW_N_DROPS)
		return invalid(fw, meta, f, reason);
	f->state = FLOW_STATE_NEW;
	f->reply = flow_reply_tuple(f->proto, &f->orig);
	return to_hooks(meta, f);
}

/* What hooks ask of an ICMP header, from the tuple: flow_icmp_kind_be(). */
static void set_icmp_kind(struct flow_first *f, uint8_t proto)
{
	uint16_t kind = rte_be_to_cpu_16(f->orig.dport_be);

	if (!flow_is_icmp(proto))
		return;
	f->icmp_type = (uint8_t)(kind >> 8);
	f->icmp_code = (uint8_t)kind;
}

/*
 * The link that the connection came in by. When that is gone, perhaps to come back as another one: what it
 * comes in by now, which for answers is where they go.
 */
static uint16_t came_in_by(const struct flow_worker *fw, const struct flow_cold *cold,
	const struct pkt_meta *meta, const struct flow_first *f)
{
	struct flow_first back = {
		.family = f->family, .ns = f->ns, .scope = cold->in_link, .reply = f->orig
	};

	/* All links of a namespace with connections have that flag; what is none any more has not. */
	if (cold->in_link == 0 || (fw->links[cold->in_link].flags & LINK_TRACKED))
		return cold->in_link;
	if (f->dir == FLOW_ORIG)
		return meta->in_link;
	flow_find_route(fw->w, &back);
	return back.out_link != 0 ? back.out_link : cold->in_link;
}

/* The connection's first packet walks the hooks once more, with this packet in its place. */
static unsigned int judge_anew(const struct flow_worker *fw, struct flow_table *table, uint32_t ref,
	const struct pkt_meta *meta, struct flow_first *f)
{
	const struct flow_cold *cold = &table->cold[ref >> 1];
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);

	flow_tuple_at(table, ref >> 1, FLOW_ORIG, &f->orig);
	flow_tuple_at(table, ref >> 1, FLOW_REPLY, &f->now);
	f->reply = flow_reply_tuple(verdict->proto, &f->orig);
	f->dir = ref & 1;
	f->flow = ref >> 1;
	f->is_again = true;
	f->state = FLOW_STATE_NEW;
	f->in_link = f->scope = came_in_by(fw, cold, meta, f);
	f->status = verdict->status & FLOW_ORIGINATED;
	f->tcp_flags = cold->tcp_flags;
	f->dscp = cold->dscp;
	f->has_l4 = true;
	set_icmp_kind(f, verdict->proto);
	return f->status & FLOW_ORIGINATED ? TRACK_OWN : TRACK_FIRST;
}

static bool is_to_group(const struct flow_first *f)
{
	return f->family == AF_INET6 ? f->orig.dst.bytes[0] == 0xff
				     : rte_be_to_cpu_32(f->orig.dst.v4_be) >= UINT32_C(0xe0000000);
}

static bool has_source(const struct flow_first *f)
{
	return (f->orig.src.words[0] | f->orig.src.words[1]) != 0;
}

static uint8_t dscp_of(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	if (flow_is_ip6(meta))
		return (uint8_t)(rte_be_to_cpu_32(pkt_ip6(m, meta)->vtc_flow) >> 22 & 0x3f);
	return pkt_ip4(m, meta)->type_of_service >> 2;
}

static unsigned int untracked(const struct pkt_meta *meta, struct flow_first *f)
{
	f->state = FLOW_STATE_UNTRACKED;
	f->reply = flow_invert(&f->orig);
	return to_hooks(meta, f);
}

/* ND and MLD of the link: to us they are no rule's business, elsewhere no connection's. */
static unsigned int link_control(
	const struct flow_worker *fw, const struct pkt_meta *meta, struct flow_first *f)
{
	if (fib6_lookup(fw->fib6[f->ns], f->orig.dst.bytes, meta->in_link) == ADJ_LOCAL)
		return TRACK_RELATED6;
	return untracked(meta, f);
}

/*
 * An answer to an ICMP query of which nothing is known here: the worker that has perhaps given its
 * identifier away gets it. That one does not pass it on, the identifier being its own.
 */
static bool is_others_answer(
	const struct worker *w, const struct pkt_meta *meta, const struct flow_first *f)
{
	return flow_is_icmp(f->proto) && !(meta->flags & PKT_ORIGINATED) &&
	       !flow_may_begin(f->proto, &f->orig) &&
	       flow_icmp_worker(f->orig.sport_be, w->dp->n_workers) != w->id;
}

/* Steering sees ports only right behind the IPv6 header: this came here by its addresses alone. */
static bool is_behind_headers(const struct pkt_meta *meta, const struct flow_first *f)
{
	return unlikely(meta->flags & PKT_OPTIONS) && f->family == AF_INET6 &&
	       !(meta->flags & (PKT_FRAGMENT | PKT_ORIGINATED)) && meta->n_injects == 0;
}

/* Which worker may have the connection of a packet that this one has not. Itself: nobody. */
static unsigned int whose(
	struct worker *w, struct flow_worker *fw, struct pkt_meta *meta, const struct flow_first *f)
{
	unsigned int bucket = flow_bucket(w, f->proto, &f->orig), other = w->id;

	if (w->dp->n_workers == 1 || f->is_explained || (meta->flags & PKT_ASKED_LAST))
		return other;
	if (unlikely(flow_bucket_is_moved(fw, bucket)))
		other = flow_ask(fw, meta, bucket);
	if (other != w->id)
		return other;
	if (is_others_answer(w, meta, f)) {
		/* That one does not own the bucket: it would ask the owner, and so on. */
		meta->flags |= PKT_ASKED_LAST;
		other = flow_icmp_worker(f->orig.sport_be, w->dp->n_workers);
	} else if (is_behind_headers(meta, f)) {
		other = flow_bucket_owner(fw, bucket);
	}
	meta->n_injects += other != w->id;
	return other;
}

static unsigned int hand_over(
	struct worker *w, struct flow_worker *fw, struct rte_mbuf *m, unsigned int to)
{
	fw->n_firsts--;
	worker_hand_over(w->dp->workers[to], w, fw->track_stage, &m, 1);
	return STAGE_CONSUMED;
}

static unsigned int known(struct worker *w, struct flow_worker *fw, struct flow_table *table,
	uint32_t ref, struct rte_mbuf *m, struct pkt_meta *meta, struct flow_first *f)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	uint32_t policy = __atomic_load_n(&fw->state->policy_gen, __ATOMIC_ACQUIRE);
	unsigned int other;

	fw->n_found++;
	if (verdict->gen[FLOW_GEN_POLICY] != policy)
		return judge_anew(fw, table, ref, meta, f);
	switch (flow_update(fw, table, ref, m, meta, f)) {
	case FLOW_PASS:
		meta->flow = ref;
		fw->n_firsts--; /* no hook asks for it */
		return TRACK_KNOWN;
	case FLOW_INVALID:
		return invalid(fw, meta, f, FLOW_N_DROPS);
	case FLOW_OVER:
		flow_end(fw, table, ref >> 1);
		/* It stayed when its bucket moved, the next one is the owner's. */
		other = whose(w, fw, meta, f);
		return other != w->id ? hand_over(w, fw, m, other) : first(fw, m, meta, f);
	}
	return STAGE_DROP;
}

/* An ICMP error. */
static unsigned int error(struct worker *w, struct flow_worker *fw, struct rte_mbuf *m,
	struct pkt_meta *meta, struct flow_first *f)
{
	unsigned int other;

	if (flow_relate(fw, m, meta))
		return related(fw, m, meta);
	other = flow_related_worker(fw, m, meta);
	if (unlikely(other != w->id))
		return hand_over(w, fw, m, other);
	/* One made here is about a packet that was just refused. */
	return meta->flags & PKT_ORIGINATED ? to_output(meta)
					    : invalid(fw, meta, f, FLOW_DROP_ICMP_ERROR);
}

/* A fragment behind the first of a datagram that was accepted, but is no connection's. */
static unsigned int later_without_flow(struct flow_worker *fw, const struct pkt_meta *meta,
	struct flow_first *f, const struct flow_fate *fate)
{
	f->is_later = f->has_l4 = true;
	f->tcp_flags = fate->tcp_flags;
	set_icmp_kind(f, f->proto);
	if (fate->state == FLOW_STATE_INVALID)
		return invalid(fw, meta, f, FLOW_DROP_FRAGMENT_ALONE);
	if (fate->state == FLOW_STATE_UNTRACKED)
		return untracked(meta, f);
	/* A rule will say `notrack` of it as of the first; if none does, flow_commit drops it. */
	f->state = FLOW_STATE_NEW;
	f->reply = flow_reply_tuple(f->proto, &f->orig);
	return to_hooks(meta, f);
}

/* A fragment behind the first: it fares as that one did. */
static unsigned int later(struct worker *w, struct flow_worker *fw, struct rte_mbuf *m,
	struct pkt_meta *meta, struct flow_first *f)
{
	struct flow_table *table = flow_table_of(fw, meta);
	uint32_t ref = flow_table_lookup(table, &f->orig, f->proto, f->ns);
	unsigned int other = ref == FLOW_NONE ? whose(w, fw, meta, f) : w->id;
	const struct flow_fate *fate = NULL;
	struct ip_fragment fragment;

	if (other != w->id)
		return hand_over(w, fw, m, other);
	if (ip_fragment_read(m, meta, &fragment) == IP_FRAGMENT_SOUND)
		fate = flow_fate_find(&fw->fates, &fragment.key);
	if (fate == NULL)
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_REFUSED);
	/* The first one is in this very burst, handed over by another worker. */
	if (fate->state == 0 && fate->pass == w->passes) {
		worker_inject(w, w, m, fw->fragments.track_stage);
		return STAGE_CONSUMED;
	}
	if (fate->state == 0)
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_REFUSED);
	if (fate->state != FLOW_STATE_ESTABLISHED)
		return later_without_flow(fw, meta, f, fate);
	if (ref == FLOW_NONE)
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_ALONE);
	return known(w, fw, table, ref, m, meta, f);
}

static unsigned int track_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_worker *fw = ctx;
	struct flow_table *table = flow_table_of(fw, meta);
	struct flow_first *f = first_new(fw, meta);
	struct ip_fragment fragment;
	enum flow_drop reason;
	unsigned int other;
	bool is_error;
	uint32_t ref;

	reason = flow_read_packet(m, meta, f, &is_error);
	f->dscp = dscp_of(m, meta);
	if (unlikely(meta->flags & PKT_FRAGMENT_LATER))
		return later(w, fw, m, meta, f);
	if (unlikely(meta->flags & PKT_FRAGMENT) &&
		ip_fragment_read(m, meta, &fragment) == IP_FRAGMENT_SOUND)
		flow_fate_begin(&fw->fates, &fragment.key, w->passes);
	if (f->family == AF_INET6 && f->proto == IPPROTO_ICMPV6 && (meta->flags & PKT_L4_PRESENT) &&
		ip6_is_link_control(f->icmp_type))
		return link_control(fw, meta, f);
	if (reason != FLOW_N_DROPS)
		return invalid(fw, meta, f, reason);
	if (is_error)
		return error(w, fw, m, meta, f);
	ref = flow_table_lookup(table, &f->orig, f->proto, f->ns);
	if (ref != FLOW_NONE)
		return known(w, fw, table, ref, m, meta, f);
	other = whose(w, fw, meta, f);
	if (unlikely(other != w->id))
		return hand_over(w, fw, m, other);
	/* Resets are about a packet that was just refused: related to it, as ICMP errors are. */
	if ((meta->flags & PKT_ORIGINATED) && f->proto == IPPROTO_TCP)
		return to_output(meta);
	/* Answers made here to what had no connection, and what can have none. */
	if ((meta->flags & PKT_ORIGINATED) || meta->adj == ADJ_BROADCAST || is_to_group(f) ||
		!has_source(f))
		return untracked(meta, f);
	return first(fw, m, meta, f);
}

static void track_run(struct worker *w, struct stage_node *node)
{
	struct flow_worker *fw = flow_worker(w);

	fw->n_firsts = 0;
	stage_each(w, node, TRACK_KNOWN, track_one, fw);
}

static void track_format(const struct trace_record *record, char *buf, size_t size)
{
	switch (record->exit) {
	case TRACK_KNOWN:
		snprintf(buf, size, "connection %u, %s direction", record->meta.flow >> 1,
			record->meta.flow & 1 ? "reply" : "original");
		break;
	case TRACK_FIRST:
	case TRACK_OWN:
		snprintf(buf, size, "to the hooks");
		break;
	case TRACK_RELATED4:
	case TRACK_RELATED6:
		snprintf(buf, size, "an ICMP error about a connection");
		break;
	default:
		snprintf(buf, size, "made here, about no connection that goes on");
	}
}

const struct stage track_stage = {
	.name = "track",
	.help = "finds the connection of packets that are not plainly part of one",
	.run = track_run,
	.exits = { [TRACK_KNOWN] = { "known", "flow_forward" },
		[TRACK_FIRST] = { "first", "prerouting" },
		[TRACK_OWN] = { "own first", "flow_route" },
		[TRACK_RELATED4] = { "related ip4", "ip4_forward" },
		[TRACK_RELATED6] = { "related ip6", "ip6_forward" },
		[TRACK_OUTPUT4] = { "own ip4", "ip4_output" },
		[TRACK_OUTPUT6] = { "own ip6", "ip6_output" } },
	.format = track_format,
};
