/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_route: the route lookup of received packets. Run by the owning worker. Special destinations
 * have adjacency indexes of their own, so the adjacency's line is only prefetched here, and read by
 * ip4_forward.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { ROUTE_FORWARD = 1, ROUTE_TO_US, ROUTE_ERROR };

/* Destinations without a next hop: ours, and what routes refuse. */
static __rte_noinline unsigned int route_special(struct pkt_meta *meta)
{
	switch (meta->adj) {
	case ADJ_LOCAL:
		return ROUTE_TO_US;
	case ADJ_BROADCAST:
		return ip_drop(meta, IP4_DROP_BROADCAST);
	case ADJ_BLACKHOLE:
		return ip_drop(meta, IP4_DROP_BLACKHOLE);
	case ADJ_UNREACHABLE:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, IP4_DROP_UNREACHABLE);
		return ROUTE_ERROR;
	case ADJ_PROHIBIT:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0, IP4_DROP_PROHIBITED);
		return ROUTE_ERROR;
	default:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0, IP4_DROP_NO_ROUTE);
		return ROUTE_ERROR;
	}
}

static __rte_always_inline unsigned int route_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);

	meta->adj = lpm4_lookup(ip_worker->fib4[meta->ns], rte_be_to_cpu_32(ip->dst_addr));
	if (unlikely(meta->adj < ADJ_FIRST_DYNAMIC))
		return route_special(meta);
	if (unlikely(meta->flags & (PKT_LINK_BROADCAST | PKT_LINK_MULTICAST)))
		return ip_drop(meta, IP4_DROP_LINK_BROADCAST);
	rte_prefetch0(&ip_worker->adjs[meta->adj]);
	return ROUTE_FORWARD;
}

static void route_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, ROUTE_FORWARD, route_one, worker_slot(w, &ip_module));
}

static void route_format(const struct trace_record *record, char *buf, size_t size)
{
	static const char *const special[] = {
		[ADJ_NONE] = "no route",
		[ADJ_LOCAL] = "one of our addresses",
		[ADJ_BROADCAST] = "broadcast of a network here",
		[ADJ_BLACKHOLE] = "blackhole route",
		[ADJ_UNREACHABLE] = "unreachable route",
		[ADJ_PROHIBIT] = "prohibit route",
	};

	if (record->meta.adj < RTE_DIM(special))
		snprintf(buf, size, "%s", special[record->meta.adj]);
	else
		snprintf(buf, size, "adjacency %u", record->meta.adj);
}

const struct stage ip4_route_stage = {
	.name = "ip4_route",
	.help = "looks up the route",
	.run = route_run,
	.exits = { [ROUTE_FORWARD] = { "forward", "ip4_forward" },
		[ROUTE_TO_US] = { "local", "ip4_local" },
		[ROUTE_ERROR] = { "error", "ip4_error" } },
	.format = route_format,
};
