/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_forward: the route of received packets, and for those that go on: time to live, MTU, and the
 * new Ethernet header (RFC 1812 5.3.1, RFC 1191). Run by the owning worker; also on packets released
 * from a neighbour queue, which leave here before anything of theirs was changed, as do packets that
 * must be fragmented first.
 *
 * Special destinations have adjacency indexes of their own, below ADJ_FIRST_DYNAMIC; groups of
 * several next hops lie above all indexes. One comparison asks for both.
 */
#include "dp/trace.h"
#include "ip/forward_quick.h"

enum {
	FORWARD_TX = 1,
	FORWARD_TO_US,
	FORWARD_REASSEMBLE,
	FORWARD_HOLD,
	FORWARD_ERROR,
	FORWARD_FRAGMENT,
};

/* Destinations without a next hop: ours, and what routes refuse. */
static __rte_noinline unsigned int forward_special(
	const struct ip_worker *ip_worker, struct pkt_meta *meta)
{
	switch (meta->adj) {
	case ADJ_LOCAL:
		return meta->flags & PKT_FRAGMENT ? FORWARD_REASSEMBLE : FORWARD_TO_US;
	case ADJ_BROADCAST:
		return ip4_takes_broadcast(ip_worker, meta) ? FORWARD_TO_US
							    : ip_drop(meta, IP4_DROP_BROADCAST);
	case ADJ_BLACKHOLE:
		return ip_drop(meta, IP4_DROP_BLACKHOLE);
	case ADJ_UNREACHABLE:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, IP4_DROP_UNREACHABLE);
		return FORWARD_ERROR;
	case ADJ_PROHIBIT:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0, IP4_DROP_PROHIBITED);
		return FORWARD_ERROR;
	default:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0, IP4_DROP_NO_ROUTE);
		return FORWARD_ERROR;
	}
}

static __rte_noinline unsigned int forward_too_big(
	const struct rte_ipv4_hdr *ip, struct pkt_meta *meta, const struct adj *adj)
{
	if (!(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)))
		return FORWARD_FRAGMENT;
	ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, adj->mtu, IP4_DROP_FRAG_NEEDED);
	return FORWARD_ERROR;
}

static __rte_noinline unsigned int forward_hold(
	const struct ip_worker *ip_worker, const struct rte_ipv4_hdr *ip, struct pkt_meta *meta)
{
	meta->next_hop_be = ip->dst_addr;
	meta->start_stage = ip_worker->forward_stage;
	return FORWARD_HOLD;
}

#define FORWARD_REFUSED UINT32_MAX /* no value of the LPM */

/*
 * What most packets need not be asked, in one bit test: released, or link-layer broadcast. What the
 * lookup gave, or what takes its place.
 */
static __rte_noinline uint32_t forward_check_flags(struct pkt_meta *meta, uint32_t index)
{
	if (meta->flags & PKT_ROUTED) {
		/* Who released it from a queue knows its adjacency. */
		meta->flags &= (uint16_t)~PKT_ROUTED;
		return meta->adj;
	}
	return index < ADJ_FIRST_DYNAMIC ? index : FORWARD_REFUSED;
}

/* What ip4_forward_quick() has left, and why. FORWARD_TX: it is done now. */
static __rte_noinline unsigned int forward_careful(struct worker *w,
	const struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct adj *adj = &ip_worker->adjs[meta->adj];
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	unsigned int state;

	if (ip->time_to_live <= 1) {
		ip4_set_error(meta, ICMP_TIME_EXCEEDED, 0, 0, IP4_DROP_TTL_EXCEEDED);
		return FORWARD_ERROR;
	}
	if (meta->l3_len > adj->mtu)
		return forward_too_big(ip, meta, adj);
	state = adj_rewrite(m, meta, adj);
	if (!(state & ADJ_RESOLVED))
		return forward_hold(ip_worker, ip, meta);
	if (state & ADJ_TELL_USE)
		neigh_tell_use(w, meta->adj);
	ip4_count_ttl(ip);
	return FORWARD_TX;
}

static __rte_always_inline unsigned int forward_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	const uint16_t flags = meta->flags;
	uint32_t index;

	index = lpm4_lookup(ip_worker->fib4[meta->ns], rte_be_to_cpu_32(ip->dst_addr));
	if (unlikely(flags & (PKT_ROUTED | PKT_LINK_BROADCAST | PKT_LINK_MULTICAST)))
		index = forward_check_flags(meta, index);
	if (unlikely(!fib_value_is_adj(index))) {
		if (index == FORWARD_REFUSED)
			return ip_drop(meta, IP4_DROP_LINK_BROADCAST);
		if (fib_value_is_multipath(index))
			index = ip4_multipath_select(ip_worker, index, m);
		meta->adj = index;
		if (index < ADJ_FIRST_DYNAMIC)
			return forward_special(ip_worker, meta);
	}
	meta->adj = index;
	if (unlikely(meta->l3_off != RTE_ETHER_HDR_LEN) ||
		unlikely(!ip4_forward_quick(meta, ip, &ip_worker->adjs[index]))) {
		unsigned int exit = forward_careful(w, ip_worker, m, meta);

		if (exit != FORWARD_TX)
			return exit;
	}
	RTE_ASSERT(pkt_writable(m));
	if (unlikely(flags & PKT_OPTIONS))
		ip4_options_leave(w, ip_worker, m, meta);
	return FORWARD_TX;
}

static void forward_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FORWARD_TX, forward_one, worker_slot(w, &ip_module));
}

static void forward_format(const struct trace_record *record, char *buf, size_t size)
{
	ip_format_route(record, record->exit == FORWARD_TX, buf, size);
}

const struct stage ip4_forward_stage = {
	.name = "ip4_forward",
	.help = "looks up the route, counts the TTL down, checks the MTU, writes the Ethernet "
		"header",
	.run = forward_run,
	.exits = { [FORWARD_TX] = { "tx", "tx" },
		[FORWARD_TO_US] = { "local", "ip4_local" },
		[FORWARD_REASSEMBLE] = { "local fragment", "ip4_reassemble" },
		[FORWARD_HOLD] = { "unresolved", "neigh_hold" },
		[FORWARD_ERROR] = { "error", "ip4_error" },
		[FORWARD_FRAGMENT] = { "too big", "ip4_fragment" } },
	.format = forward_format,
};
