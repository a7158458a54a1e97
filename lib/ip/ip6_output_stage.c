/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_output: IPv6 packets made here. Route lookup (of a link-local destination: on the link that the
 * packet answers to), source address (RFC 6724), ICMPv6 checksum, which covers that address, Ethernet
 * header. Run by the owning worker. No error is ever sent about such a packet.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { OUTPUT_TX = 1, OUTPUT_HOLD, OUTPUT_FRAGMENT };

static enum ip_drop output_special(uint32_t adj)
{
	switch (adj) {
	case ADJ_LOCAL:
		return IP6_DROP_SOURCE_IS_OURS;
	case ADJ_BLACKHOLE:
		return IP6_DROP_BLACKHOLE;
	case ADJ_UNREACHABLE:
		return IP6_DROP_UNREACHABLE;
	case ADJ_PROHIBIT:
		return IP6_DROP_PROHIBITED;
	default:
		return IP6_DROP_NO_ROUTE;
	}
}

/* IP_N_DROPS: the packet has a source that may leave by that link. */
static enum ip_drop output_source(const struct ip_worker *ip_worker, const struct pkt_meta *meta,
	struct rte_ipv6_hdr *ip, uint16_t link)
{
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	const struct ns_own6 *own = __atomic_load_n(&ip_worker->own6[meta->ns], __ATOMIC_RELAXED);

	if (ip6_is_unspecified(ip->src_addr))
		return ns_own6_select(own, link, ip->dst_addr, ip->src_addr) ? IP_N_DROPS
									     : IP6_DROP_NO_SOURCE;
	if (ip6_is_link_local(ip->src_addr) && ns_own6_find(own, ip->src_addr, link) == NULL)
		return IP6_DROP_SCOPE;
	return IP_N_DROPS;
}

static void output_checksum(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~parse_l4_sum(m, meta);
}

static unsigned int output_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	const struct adj *adj;
	enum ip_drop reason;
	unsigned int state;

	/* Released from a neighbour queue, it has an adjacency already. */
	if (!(meta->flags & PKT_ROUTED))
		meta->adj = fib6_lookup(ip_worker->fib6[meta->ns], ip->dst_addr, meta->in_link);
	meta->flags &= (uint16_t)~PKT_ROUTED;
	if (fib_value_is_multipath(meta->adj))
		meta->adj = ip6_multipath_select(ip_worker, meta->adj, m);
	if (meta->adj < ADJ_FIRST_DYNAMIC)
		return ip_drop(meta, output_special(meta->adj));
	adj = &ip_worker->adjs[meta->adj];
	reason = output_source(ip_worker, meta, ip, adj->link);
	if (reason != IP_N_DROPS)
		return ip_drop(meta, reason);
	/* Others come with a source address, and a checksum. */
	if (meta->proto == IPPROTO_ICMPV6)
		output_checksum(m, meta);
	state = adj_rewrite(m, meta, adj);
	if (!(state & ADJ_RESOLVED)) {
		meta->start_stage = ip_worker->output6_stage;
		return OUTPUT_HOLD;
	}
	if (state & ADJ_TELL_USE)
		neigh_tell_use(w, meta->adj);
	return likely(meta->l3_len <= adj->mtu) ? OUTPUT_TX : OUTPUT_FRAGMENT;
}

static void output_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, OUTPUT_TX, output_one, worker_slot(w, &ip_module));
}

static void output_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "adjacency %u", record->meta.adj);
}

const struct stage ip6_output_stage = {
	.name = "ip6_output",
	.help = "routes IPv6 packets made here",
	.run = output_run,
	.exits = { [OUTPUT_TX] = { "tx", "tx" },
		[OUTPUT_HOLD] = { "unresolved", "neigh_hold" },
		[OUTPUT_FRAGMENT] = { "too big", "ip6_fragment" } },
	.format = output_format,
};
