/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_input: the checks of a router on addresses and options (RFC 1812 5.3.7, RFC 2644, RFC 7126).
 * Run by the owning worker on packets whose header parse has accepted, that is, on what `plain` left
 * for a closer look: options, fragments, wrong addresses. The route's cache line is asked for here.
 */
#include "ip/ip_priv.h"

enum { INPUT_FORWARD = 1, INPUT_ERROR, INPUT_TO_US, INPUT_FLOW };

static unsigned int input_unusual_destination(
	const struct ip_worker *ip_worker, struct pkt_meta *meta, uint32_t dst)
{
	if (dst >> 28 == 0xe)
		return ip_drop(meta, IP4_DROP_MULTICAST);
	if (dst == UINT32_MAX) {
		meta->adj = ADJ_BROADCAST;
		if (!ip4_takes_broadcast(ip_worker, meta))
			return ip_drop(meta, IP4_DROP_BROADCAST);
		return ip_is_tracked(ip_worker, meta) ? INPUT_FLOW : INPUT_TO_US;
	}
	return ip_drop(meta, IP4_DROP_MARTIAN_DEST);
}

/*
 * RFC 1812 4.3.3.5, 5.2.7.1: who sent bad options is told where they are bad, and who asks for a
 * source route that there is none. The route is looked up here for the error's source address.
 */
static unsigned int input_bad_options(const struct ip_worker *ip_worker, struct pkt_meta *meta,
	uint32_t dst, enum ip_drop reason, uint8_t pointer)
{
	meta->adj = lpm4_lookup(ip_worker->fib4[meta->ns], dst);
	if (reason == IP4_DROP_SOURCE_ROUTE)
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0, reason);
	else
		ip4_set_error(meta, ICMP_PARAMETERPROB, 0, (uint32_t)pointer << 24, reason);
	return INPUT_ERROR;
}

static unsigned int input_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint32_t dst = rte_be_to_cpu_32(ip->dst_addr);
	const struct ns_own4 *own;
	enum ip_drop reason;
	uint8_t pointer;

	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	own = __atomic_load_n(&ip_worker->own4[meta->ns], __ATOMIC_RELAXED);
	if (ns_own4_class(own, ip->src_addr) & NS_FIRST_MARTIAN)
		return ip_drop(meta, IP4_DROP_MARTIAN_SOURCE);
	if (ns_own4_has(own, ip->src_addr))
		return ip_drop(meta, IP4_DROP_SOURCE_IS_OURS);
	if (ns_own4_class(own, ip->dst_addr) & NS_FIRST_MARTIAN)
		return input_unusual_destination(ip_worker, meta, dst);
	if (meta->flags & PKT_OPTIONS) {
		reason = ip4_options_check(ip, meta, &pointer);
		if (reason != IP_N_DROPS)
			return input_bad_options(ip_worker, meta, dst, reason, pointer);
	}
	if (ip_is_tracked(ip_worker, meta))
		return INPUT_FLOW;
	lpm_prefetch(ip_worker->fib4[meta->ns], dst);
	return INPUT_FORWARD;
}

static void input_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, INPUT_FORWARD, input_one, worker_slot(w, &ip_module));
}

const struct stage ip4_input_stage = {
	.name = "ip4_input",
	.help = "checks addresses and options",
	.run = input_run,
	.exits = { [INPUT_FORWARD] = { "forward", "ip4_forward" },
		[INPUT_ERROR] = { "error", "ip4_error" },
		[INPUT_TO_US] = { "broadcast", "ip4_local" },
		[INPUT_FLOW] = { "tracked", "flow4" } },
	.format = ip_format_packet,
};
