/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_input: the checks of a router on addresses and options (RFC 1812 5.3.7, RFC 2644, RFC 7126).
 * Run by the owning worker on packets whose header parse has accepted, that is, on what `plain` left
 * for a closer look: options, fragments, wrong addresses. The route's cache line is asked for here.
 */
#include "ip/ip_priv.h"

enum { INPUT_FORWARD = 1 };

static unsigned int input_unusual_destination(struct pkt_meta *meta, uint32_t dst)
{
	if (dst >> 28 == 0xe)
		return ip_drop(meta, IP4_DROP_MULTICAST);
	if (dst == UINT32_MAX)
		return ip_drop(meta, IP4_DROP_BROADCAST);
	return ip_drop(meta, IP4_DROP_MARTIAN_DEST);
}

/* Walks the options (RFC 791 3.1). IP_N_DROPS: nothing is wrong with them. */
static enum ip_drop input_check_options(const struct rte_ipv4_hdr *ip, const struct pkt_meta *meta)
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

static unsigned int input_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint32_t dst = rte_be_to_cpu_32(ip->dst_addr);
	const struct ns_own4 *own;
	enum ip_drop reason;

	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	own = __atomic_load_n(&ip_worker->own4[meta->ns], __ATOMIC_RELAXED);
	if (ns_own4_class(own, ip->src_addr) & NS_FIRST_MARTIAN)
		return ip_drop(meta, IP4_DROP_MARTIAN_SOURCE);
	if (ns_own4_has(own, ip->src_addr))
		return ip_drop(meta, IP4_DROP_SOURCE_IS_OURS);
	if (ns_own4_class(own, ip->dst_addr) & NS_FIRST_MARTIAN)
		return input_unusual_destination(meta, dst);
	if (meta->flags & PKT_OPTIONS) {
		reason = input_check_options(ip, meta);
		if (reason != IP_N_DROPS)
			return ip_drop(meta, reason);
	}
	lpm4_prefetch(ip_worker->fib4[meta->ns], dst);
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
	.exits = { [INPUT_FORWARD] = { "forward", "ip4_forward" } },
	.format = ip_format_packet,
};
