/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages between and behind the hooks: `flow_route` finds where a packet goes once its destination
 * is settled, `flow_commit` makes the connection of what the hooks have accepted, or takes note of how
 * one that was judged anew fared, and `flow_forward` does to a packet what its connection says and
 * sends it on to be forwarded like any other. Both families. Run by the owning worker.
 */
#include "dp/trace.h"
#include "flow/flow_priv.h"

/* flow_route */

enum { ROUTE_FORWARD = 1, ROUTE_INPUT, ROUTE_OUTPUT, ROUTE_IP4, ROUTE_IP6, ROUTE_OUT4, ROUTE_OUT6 };

static uint32_t route_lookup(const struct flow_worker *fw, uint8_t family, uint16_t ns,
	uint16_t in_link, const struct flow_tuple *sent)
{
	uint32_t value;

	if (family == AF_INET6) {
		value = fib6_lookup(fw->fib6[ns], sent->dst.bytes, in_link);
		if (fib_value_is_multipath(value))
			value = multipath_bucket(&fw->multipath, value,
				multipath_hash6(
					&fw->multipath, sent->src.bytes, sent->dst.bytes, 0));
		return value;
	}
	value = lpm4_lookup(fw->fib4[ns], rte_be_to_cpu_32(sent->dst.v4_be));
	if (fib_value_is_multipath(value))
		value = multipath_bucket(&fw->multipath, value,
			multipath_hash4(&fw->multipath, sent->src.v4_be, sent->dst.v4_be, 0));
	return value;
}

void flow_find_route(const struct worker *w, struct flow_first *f)
{
	const struct flow_worker *fw = flow_worker(w);
	struct flow_tuple sent = flow_invert(&f->reply);

	f->adj = route_lookup(fw, f->family, f->ns, f->scope, &sent);
	f->out_link = f->adj >= ADJ_FIRST_DYNAMIC ? fw->adjs[f->adj].link : 0;
}

static bool is_expired(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	return (flow_is_ip6(meta) ? pkt_ip6(m, meta)->hop_limits
				  : pkt_ip4(m, meta)->time_to_live) <= 1;
}

/* A router finds that out before it asks anybody: `ip4_forward` and `ip6_forward` tell the sender. */
static unsigned int route_expired(struct pkt_meta *meta, const struct flow_first *f)
{
	meta->flags |= PKT_ROUTED;
	return f->family == AF_INET6 ? ROUTE_IP6 : ROUTE_IP4;
}

/* A packet of the reply direction, in whose place its connection's first one is judged anew. */
static bool is_answer(const struct flow_first *f)
{
	return f->is_again && f->dir == FLOW_REPLY;
}

static unsigned int route_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_first *f = flow_first(w, meta);

	/* What was made of a packet to a broadcast address still has its adjacency. */
	if (meta->adj == ADJ_BROADCAST && !(f->status & FLOW_ORIGINATED)) {
		/* To a group or broadcast address that we take. */
		f->adj = ADJ_BROADCAST;
		return ROUTE_INPUT;
	}
	flow_find_route(w, f);
	meta->adj = f->adj;
	if (unlikely(f->adj == ADJ_BROADCAST) && !is_answer(f) &&
		!(f->status & (FLOW_ORIGINATED | FLOW_DST_NAT))) {
		/* The broadcast address of a network here: `ip4_forward` takes it or not. */
		f->state = FLOW_STATE_UNTRACKED;
		f->adj = ADJ_LOCAL;
		return ROUTE_INPUT;
	}
	if (f->adj >= ADJ_FIRST_DYNAMIC) {
		if (f->status & FLOW_ORIGINATED)
			return ROUTE_OUTPUT;
		if (unlikely(is_expired(m, meta)))
			return route_expired(meta, f);
		/* Likewise what may not leave its link. */
		if (unlikely(meta->flags & PKT_LINK_SCOPE) && !(f->status & FLOW_DST_NAT))
			return ROUTE_IP6;
		return ROUTE_FORWARD;
	}
	if (f->status & FLOW_ORIGINATED)
		return f->family == AF_INET6 ? ROUTE_OUT6 : ROUTE_OUT4;
	if (f->adj == ADJ_LOCAL)
		return ROUTE_INPUT;
	if (f->status & FLOW_DST_NAT)
		return pkt_drop(meta, &flow_module, FLOW_DROP_NO_ROUTE);
	/* The other direction's way is gone, this packet's is not: only the rules can stop it. */
	if (is_answer(f))
		return ROUTE_FORWARD;
	/* There it gets the error that any such packet gets. */
	return f->family == AF_INET6 ? ROUTE_IP6 : ROUTE_IP4;
}

static void route_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, ROUTE_FORWARD, route_one, NULL);
}

static void route_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == ROUTE_INPUT)
		snprintf(buf, size, "to us");
	else
		snprintf(buf, size, "adjacency %u", record->meta.adj);
}

const struct stage flow_route_stage = {
	.name = "flow_route",
	.help = "looks up where a packet goes whose destination is settled",
	.run = route_run,
	.exits = { [ROUTE_FORWARD] = { "forward", "forward" },
		[ROUTE_INPUT] = { "to us", "input" },
		[ROUTE_OUTPUT] = { "made here", "output" },
		[ROUTE_IP4] = { "no way ip4", "ip4_forward" },
		[ROUTE_IP6] = { "no way ip6", "ip6_forward" },
		[ROUTE_OUT4] = { "own without way ip4", "ip4_output" },
		[ROUTE_OUT6] = { "own without way ip6", "ip6_output" } },
	.format = route_format,
};

/* flow_commit */

enum {
	COMMIT_FORWARD = 1,
	COMMIT_IP4,
	COMMIT_IP6,
	COMMIT_OUT4,
	COMMIT_OUT6,
	COMMIT_LOCAL4,
	COMMIT_LOCAL6,
};

/* The first fragment of a datagram may go on, and so may the others. */
static void accept_fragment(struct flow_worker *fw, struct rte_mbuf *m, const struct pkt_meta *meta,
	uint8_t state, uint8_t tcp_flags)
{
	struct ip_fragment fragment;

	if (unlikely(flow_is_first_fragment(meta)) &&
		ip_fragment_read(m, meta, &fragment) == IP_FRAGMENT_SOUND)
		flow_fate_accept(&fw->fates, &fragment.key, state, tcp_flags);
}

/* Accepted, but no connection's. */
static unsigned int commit_none(struct flow_worker *fw, struct rte_mbuf *m, struct pkt_meta *meta,
	const struct flow_first *f)
{
	accept_fragment(fw, m, meta, f->came_as, f->tcp_flags);
	if (f->status & FLOW_ORIGINATED)
		return f->family == AF_INET6 ? COMMIT_OUT6 : COMMIT_OUT4;
	if (f->adj == ADJ_BROADCAST)
		return f->family == AF_INET6 ? COMMIT_LOCAL6 : COMMIT_LOCAL4;
	flow_keep_local6(meta, f->adj);
	return f->family == AF_INET6 ? COMMIT_IP6 : COMMIT_IP4;
}

/* The rules do not track it any more: its packets are judged each by itself, beginning with this one. */
static unsigned int commit_over(
	struct worker *w, struct flow_worker *fw, struct rte_mbuf *m, const struct flow_first *f)
{
	flow_first_end(w, f);
	worker_inject(w, w, m, fw->track_stage);
	return STAGE_CONSUMED;
}

static unsigned int commit_known(struct flow_worker *fw, struct flow_table *table, uint32_t ref,
	const struct rte_mbuf *m, struct pkt_meta *meta, struct flow_first *f)
{
	switch (flow_update(fw, table, ref, m, meta, f)) {
	case FLOW_PASS:
		meta->flow = ref;
		return COMMIT_FORWARD;
	case FLOW_INVALID:
		meta->drop_reason = f->invalid;
		return STAGE_DROP;
	case FLOW_OVER:
		break;
	}
	return pkt_drop(meta, &flow_module, FLOW_DROP_TCP_STATE);
}

/* The rules still accept it: do they still translate it as they did? */
static unsigned int commit_again(struct flow_worker *fw, const struct rte_mbuf *m,
	struct pkt_meta *meta, struct flow_first *f)
{
	struct flow_table *table = flow_table_of(fw, meta);
	struct flow_verdict *verdict = flow_verdict_at(table, f->flow);

	/* Another packet of this pass may have ended it, or a new connection has taken its entry. */
	if (flow_table_lookup(table, &f->orig, f->proto, f->ns) != (f->flow << 1 | FLOW_ORIG))
		return pkt_drop(meta, &flow_module, FLOW_DROP_NAT_CHANGED);
	if ((verdict->status & FLOW_NAT) != (f->status & FLOW_NAT)) {
		flow_end(fw, table, f->flow);
		return pkt_drop(meta, &flow_module, FLOW_DROP_NAT_CHANGED);
	}
	verdict->gen[FLOW_GEN_POLICY] = __atomic_load_n(&fw->state->policy_gen, __ATOMIC_ACQUIRE);
	verdict->mark = f->mark;
	verdict->class = f->class;
	verdict->queue[FLOW_ORIG] = verdict->queue[FLOW_REPLY] = 0;
	table->cold[f->flow].policer = f->policer;
	table->cold[f->flow].in_link = f->in_link;
	table->cold[f->flow].new_dscp = f->dscp;
	verdict->status &= (uint16_t) ~(FLOW_POLICED | FLOW_DSCP);
	verdict->status |= flow_status_of(f);
	return commit_known(fw, table, f->flow << 1 | f->dir, m, meta, f);
}

static unsigned int commit_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_worker *fw = ctx;
	struct flow_first *f = flow_first(w, meta);
	struct flow_table *table = flow_table_of(fw, meta);
	enum flow_drop reason;
	uint32_t ref;

	meta->mark = f->mark;
	if (unlikely(f->is_again) && f->state != FLOW_STATE_NEW)
		return commit_over(w, fw, m, f);
	if (f->state != FLOW_STATE_NEW) {
		if (f->has_dscp && pkt_writable(m))
			flow_set_dscp(m, meta, f->dscp);
		return commit_none(fw, m, meta, f);
	}
	if (unlikely(f->is_later))
		return pkt_drop(meta, &flow_module, FLOW_DROP_FRAGMENT_ALONE);
	if (f->is_again)
		return commit_again(fw, m, meta, f);
	/* Another packet of the same burst may have been first. */
	ref = flow_table_lookup(table, &f->orig, f->proto, f->ns);
	if (ref != FLOW_NONE)
		return commit_known(fw, table, ref, m, meta, f);
	reason = flow_insert(w, m, meta, f);
	if (reason != FLOW_N_DROPS)
		return pkt_drop(meta, &flow_module, reason);
	meta->flow = f->flow << 1 | FLOW_ORIG;
	return COMMIT_FORWARD;
}

static void commit_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, COMMIT_FORWARD, commit_one, flow_worker(w));
}

static void commit_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == COMMIT_FORWARD)
		snprintf(buf, size, "connection %u", record->meta.flow >> 1);
	else
		snprintf(buf, size, "no connection");
}

const struct stage flow_commit_stage = {
	.name = "flow_commit",
	.help = "makes the connection of a packet that the hooks have accepted",
	.run = commit_run,
	.exits = { [COMMIT_FORWARD] = { "connection", "flow_forward" },
		[COMMIT_IP4] = { "ip4", "ip4_forward" },
		[COMMIT_IP6] = { "ip6", "ip6_forward" },
		[COMMIT_LOCAL4] = { "group ip4", "ip4_local" },
		[COMMIT_LOCAL6] = { "group ip6", "ip6_reassemble" },
		[COMMIT_OUT4] = { "own ip4", "ip4_output" },
		[COMMIT_OUT6] = { "own ip6", "ip6_output" } },
	.format = commit_format,
};

/* flow_forward */

enum { FORWARD_IP4 = 1, FORWARD_IP6, FORWARD_OUT4, FORWARD_OUT6, FORWARD_POLICE };

uint16_t flow_policer(const struct worker *w, const struct pkt_meta *meta)
{
	return flow_table_of(flow_worker(w), meta)->cold[meta->flow >> 1].policer;
}

/* Keeps the way of this direction for flow4 and flow6. */
static void forward_keep_route(const struct flow_worker *fw, struct flow_table *table, uint32_t ref,
	const struct pkt_meta *meta)
{
	struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	/* Pairs with the release in lib/fib: what is looked up now is not older than this. */
	uint32_t generation = __atomic_load_n(fw->route_gen, __ATOMIC_ACQUIRE);
	uint32_t *known = &verdict->gen[flow_gen_route(ref & 1)];
	struct flow_tuple sent;

	if (verdict->adj[ref & 1] != ADJ_NONE && *known == generation)
		return;
	flow_tuple_at(table, ref >> 1, !(ref & 1), &sent);
	sent = flow_invert(&sent);
	verdict->adj[ref & 1] = route_lookup(fw, table->family, verdict->ns, meta->in_link, &sent);
	*known = generation;
}

/*
 * Is the entry still this packet's? Since `track` found it, a new connection of this pass may have taken it
 * over: where the table is full, unanswered ones give way.
 */
static bool forward_has_flow(
	const struct flow_table *table, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, meta->flow >> 1);
	struct flow_first f = { .ns = meta->ns };
	struct flow_tuple have;
	bool is_error;

	(void)flow_read_packet(m, meta, &f, &is_error);
	flow_tuple_at(table, meta->flow >> 1, meta->flow & 1, &have);
	return flow_scope(verdict->proto, verdict->ns) == flow_scope(f.proto, f.ns) &&
	       memcmp(&have, &f.orig, FLOW_TUPLE_LEN) == 0;
}

static unsigned int forward_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_worker *fw = ctx;
	struct flow_table *table = flow_table_of(fw, meta);
	const struct flow_verdict *verdict = flow_verdict_at(table, meta->flow >> 1);

	if (unlikely(!forward_has_flow(table, m, meta)))
		return pkt_drop(meta, &flow_module, FLOW_DROP_TABLE_FULL);
	flow_count(table, meta->flow, meta->l3_len);
	meta->mark = verdict->mark;
	if (unlikely(!pkt_writable(m)) && (verdict->status & FLOW_REWRITE))
		return pkt_drop(meta, &flow_module, FLOW_DROP_SHARED);
	accept_fragment(fw, m, meta, FLOW_STATE_ESTABLISHED, 0);
	flow_translate(table, meta->flow, m, meta);
	if (verdict->status & FLOW_DSCP)
		flow_set_dscp(m, meta, table->cold[meta->flow >> 1].new_dscp);
	if (!(meta->flags & PKT_ORIGINATED)) {
		forward_keep_route(fw, table, meta->flow, meta);
		flow_keep_local6(meta, verdict->adj[meta->flow & 1]);
	}
	if (unlikely(verdict->status & FLOW_POLICED))
		return FORWARD_POLICE;
	if (meta->flags & PKT_ORIGINATED)
		return flow_is_ip6(meta) ? FORWARD_OUT6 : FORWARD_OUT4;
	return flow_is_ip6(meta) ? FORWARD_IP6 : FORWARD_IP4;
}

static void forward_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FORWARD_IP4, forward_one, flow_worker(w));
}

static void forward_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "connection %u, %s direction", record->meta.flow >> 1,
		record->meta.flow & 1 ? "reply" : "original");
}

const struct stage flow_forward_stage = {
	.name = "flow_forward",
	.help = "counts and translates a packet of a connection",
	.run = forward_run,
	.exits = { [FORWARD_IP4] = { "ip4", "ip4_forward" },
		[FORWARD_IP6] = { "ip6", "ip6_forward" },
		[FORWARD_OUT4] = { "own ip4", "ip4_output" },
		[FORWARD_OUT6] = { "own ip6", "ip6_output" },
		[FORWARD_POLICE] = { "policed", "police" } },
	.format = forward_format,
};
