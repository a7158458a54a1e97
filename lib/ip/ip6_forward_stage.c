/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_forward: the route of received IPv6 packets, and for those that go on: hop limit, MTU, and the
 * new Ethernet header (RFC 8200 3, 5). Run by the owning worker; also on packets released from a
 * neighbour queue, which leave here before anything of theirs was changed. Extension headers are not
 * looked at: that is for the destination to do (RFC 8200 4).
 *
 * Link-local destinations never come here (ip6_input); what comes from a link-local address may go to
 * us, but not on (RFC 4291 2.5.6). Special destinations have adjacency indexes of their own, below
 * ADJ_FIRST_DYNAMIC; groups of several next hops lie above all indexes.
 */
#include "dp/trace.h"
#include "ip/forward_quick.h"

enum { FORWARD_TX = 1, FORWARD_TO_US, FORWARD_REASSEMBLE, FORWARD_HOLD, FORWARD_ERROR };

enum { DST_UNREACH_REJECT_ROUTE = 6 }; /* the system's headers end at 4 */

/* What most packets need not be asked, in one bit test. */
enum { FORWARD_UNUSUAL = PKT_ROUTED | PKT_LINK_BROADCAST | PKT_LINK_MULTICAST | PKT_LINK_SCOPE };

/* Destinations without a next hop: ours, and what routes refuse (RFC 4443 3.1). */
static __rte_noinline unsigned int forward_special(struct pkt_meta *meta)
{
	switch (meta->adj) {
	case ADJ_LOCAL:
		return meta->flags & PKT_FRAGMENT ? FORWARD_REASSEMBLE : FORWARD_TO_US;
	case ADJ_BLACKHOLE:
		return ip_drop(meta, IP6_DROP_BLACKHOLE);
	case ADJ_UNREACHABLE:
		ip6_set_error(
			meta, ICMP6_DST_UNREACH, DST_UNREACH_REJECT_ROUTE, 0, IP6_DROP_UNREACHABLE);
		return FORWARD_ERROR;
	case ADJ_PROHIBIT:
		ip6_set_error(
			meta, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, 0, IP6_DROP_PROHIBITED);
		return FORWARD_ERROR;
	default:
		ip6_set_error(
			meta, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, 0, IP6_DROP_NO_ROUTE);
		return FORWARD_ERROR;
	}
}

/* FORWARD_TX: nothing stands against it. */
static __rte_noinline unsigned int forward_unusual(struct pkt_meta *meta, uint32_t *adj)
{
	if (meta->flags & PKT_ROUTED) {
		/* Who released it from a queue knows its adjacency. */
		meta->flags &= (uint16_t)~PKT_ROUTED;
		*adj = meta->adj;
		return FORWARD_TX;
	}
	if (*adj < ADJ_FIRST_DYNAMIC)
		return FORWARD_TX;
	meta->adj = *adj;
	if (meta->flags & (PKT_LINK_BROADCAST | PKT_LINK_MULTICAST))
		return ip_drop(meta, IP6_DROP_LINK_BROADCAST);
	ip6_set_error(meta, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE, 0, IP6_DROP_SCOPE);
	return FORWARD_ERROR;
}

/* What ip6_forward_quick() has left, and why. FORWARD_TX: it is done now. */
static __rte_noinline unsigned int forward_careful(struct worker *w,
	const struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct adj *adj = &ip_worker->adjs[meta->adj];
	struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	unsigned int state;

	if (ip->hop_limits <= 1) {
		ip6_set_error(meta, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 0,
			IP6_DROP_HOP_LIMIT);
		return FORWARD_ERROR;
	}
	if (meta->l3_len > adj->mtu) {
		ip6_set_error(meta, ICMP6_PACKET_TOO_BIG, 0, adj->mtu, IP6_DROP_TOO_BIG);
		return FORWARD_ERROR;
	}
	state = adj_rewrite(m, meta, adj);
	if (!(state & ADJ_RESOLVED)) {
		meta->start_stage = ip_worker->forward6_stage;
		return FORWARD_HOLD;
	}
	if (state & ADJ_TELL_USE)
		neigh_tell_use(w, meta->adj);
	ip->hop_limits--;
	return FORWARD_TX;
}

static __rte_always_inline unsigned int forward_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	uint32_t index = lpm6_lookup(ip_worker->fib6[meta->ns], ip->dst_addr);

	if (unlikely(meta->flags & FORWARD_UNUSUAL)) {
		unsigned int exit = forward_unusual(meta, &index);

		if (exit != FORWARD_TX)
			return exit;
	}
	if (unlikely(!fib_value_is_adj(index))) {
		if (fib_value_is_multipath(index))
			index = ip6_multipath_select(ip_worker, index, m);
		meta->adj = index;
		if (index < ADJ_FIRST_DYNAMIC)
			return forward_special(meta);
	}
	meta->adj = index;
	RTE_ASSERT(pkt_writable(m));
	if (unlikely(meta->l3_off != RTE_ETHER_HDR_LEN) ||
		unlikely(!ip6_forward_quick(meta, ip, &ip_worker->adjs[index])))
		return forward_careful(w, ip_worker, m, meta);
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

const struct stage ip6_forward_stage = {
	.name = "ip6_forward",
	.help = "looks up the IPv6 route, counts the hop limit down, checks the MTU, writes the "
		"Ethernet header",
	.run = forward_run,
	.exits = { [FORWARD_TX] = { "tx", "tx" },
		[FORWARD_TO_US] = { "local", "ip6_local" },
		[FORWARD_REASSEMBLE] = { "local fragment", "ip6_reassemble" },
		[FORWARD_HOLD] = { "unresolved", "neigh_hold" },
		[FORWARD_ERROR] = { "error", "ip6_error" } },
	.format = forward_format,
};
