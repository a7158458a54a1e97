/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_input: the checks of a router on addresses (RFC 1812 5.3.7, RFC 2644) and the route lookup.
 * Run by the owning worker on packets whose header parse has accepted.
 *
 * Two passes over the lane: the first prefetches every packet's entry of the lookup table, because
 * with many routes each is a cache miss; the second decides. Special destinations have adjacency
 * indexes of their own, so the adjacency's line is only prefetched here and read by ip4_forward.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { INPUT_FORWARD = 1, INPUT_LOCAL, INPUT_ERROR };

/* Unicast addresses are 1.0.0.0 to 223.255.255.255 without 127/8. */
static inline bool ip4_is_unusual(uint32_t addr)
{
	return addr - UINT32_C(0x01000000) >= UINT32_C(0xdf000000) || addr >> 24 == 127;
}

static __rte_noinline unsigned int input_unusual_destination(struct pkt_meta *meta, uint32_t dst)
{
	if (dst >> 28 == 0xe)
		return ip_drop(meta, IP4_DROP_MULTICAST);
	if (dst == UINT32_MAX)
		return ip_drop(meta, IP4_DROP_BROADCAST);
	return ip_drop(meta, IP4_DROP_MARTIAN_DEST);
}

/* Walks the options (RFC 791 3.1). IP_N_DROPS: nothing is wrong with them. */
static __rte_noinline enum ip_drop input_check_options(
	const struct rte_ipv4_hdr *ip, const struct pkt_meta *meta)
{
	const uint8_t *option = (const uint8_t *)(ip + 1);
	unsigned int left = meta->l4_off - meta->l3_off - (unsigned int)sizeof(*ip);

	while (left > 0) {
		unsigned int len;

		if (option[0] == 0) /* end of list */
			return IP_N_DROPS;
		if (option[0] == 1) { /* no operation */
			option++;
			left--;
			continue;
		}
		len = left > 1 ? option[1] : 0;
		if (len < 2 || len > left)
			return IP4_DROP_BAD_OPTIONS;
		if (option[0] == 131 || option[0] == 137) /* loose, strict source route */
			return IP4_DROP_SOURCE_ROUTE;
		option += len;
		left -= len;
	}
	return IP_N_DROPS;
}

/* Destinations without a next hop: ours, and what routes refuse. */
static __rte_noinline unsigned int input_special(struct pkt_meta *meta)
{
	switch (meta->adj) {
	case ADJ_LOCAL:
		return INPUT_LOCAL;
	case ADJ_BROADCAST:
		return ip_drop(meta, IP4_DROP_BROADCAST);
	case ADJ_BLACKHOLE:
		return ip_drop(meta, IP4_DROP_BLACKHOLE);
	case ADJ_UNREACHABLE:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, IP4_DROP_UNREACHABLE);
		return INPUT_ERROR;
	case ADJ_PROHIBIT:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0, IP4_DROP_PROHIBITED);
		return INPUT_ERROR;
	default:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0, IP4_DROP_NO_ROUTE);
		return INPUT_ERROR;
	}
}

static inline unsigned int input_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint32_t src = rte_be_to_cpu_32(ip->src_addr);
	uint32_t dst = rte_be_to_cpu_32(ip->dst_addr);
	const struct ns_own4 *own;
	enum ip_drop reason;

	if (unlikely(ip4_is_unusual(src)))
		return ip_drop(meta, IP4_DROP_MARTIAN_SOURCE);
	if (unlikely(ip4_is_unusual(dst)))
		return input_unusual_destination(meta, dst);
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	own = __atomic_load_n(&ip_worker->own4[meta->ns], __ATOMIC_RELAXED);
	if (unlikely(ns_own4_has(own, ip->src_addr)))
		return ip_drop(meta, IP4_DROP_SOURCE_IS_OURS);
	if (unlikely(meta->flags & PKT_OPTIONS)) {
		reason = input_check_options(ip, meta);
		if (reason != IP_N_DROPS)
			return ip_drop(meta, reason);
	}
	meta->adj = lpm4_lookup(ip_worker->fib4[meta->ns], dst);
	if (unlikely(meta->adj < ADJ_FIRST_DYNAMIC))
		return input_special(meta);
	if (unlikely(meta->flags & (PKT_LINK_BROADCAST | PKT_LINK_MULTICAST)))
		return ip_drop(meta, IP4_DROP_LINK_BROADCAST);
	rte_prefetch0(&ip_worker->adjs[meta->adj]);
	return INPUT_FORWARD;
}

static void input_run(struct worker *w, struct stage_node *node)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);

	for (uint32_t i = 0; i < node->n; i++) {
		const struct pkt_meta *meta = pkt_meta(node->pkts[i]);
		const struct rte_ipv4_hdr *ip = pkt_ip4(node->pkts[i], meta);

		lpm4_prefetch(ip_worker->fib4[meta->ns], rte_be_to_cpu_32(ip->dst_addr));
	}
	stage_each(w, node, INPUT_FORWARD, input_one, ip_worker);
}

static void input_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "adjacency %u", record->meta.adj);
}

const struct stage ip4_input_stage = {
	.name = "ip4_input",
	.help = "checks addresses, looks up the route",
	.run = input_run,
	.exits = { [INPUT_FORWARD] = { "forward", "ip4_forward" },
		[INPUT_LOCAL] = { "local", "ip4_local" },
		[INPUT_ERROR] = { "error", "ip4_error" } },
	.format = input_format,
};
