/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_input: who may send, and where a packet may go, by the scopes of its addresses (RFC 4291 2.5 to
 * 2.7, RFC 4007 9). Run by the owning worker on packets whose headers parse has accepted, that is, on
 * what `plain` left for a closer look. Link-local destinations and groups are ours or nobody's: they
 * are decided here and never looked up for forwarding. For all others the route's cache line is asked
 * for here.
 */
#include "ip/ip_priv.h"

enum { INPUT_FORWARD = 1, INPUT_LOCAL, INPUT_REASSEMBLE, INPUT_FLOW };

/* Sources that begin as the special ones do. IP_N_DROPS: nothing is wrong with it. */
static enum ip_drop input_check_source(
	struct pkt_meta *meta, const uint8_t *src, const uint8_t *dst)
{
	if (ip6_is_multicast(src) || ip6_is_loopback(src) || ip6_is_v4_mapped(src) ||
		ip6_is_bad_link_local(src))
		return IP6_DROP_MARTIAN_SOURCE;
	/* Who has no address yet may only talk to its link (RFC 4291 2.5.2). */
	if (ip6_is_unspecified(src) && !ip6_is_link_multicast(dst))
		return IP6_DROP_UNSPECIFIED_SOURCE;
	if (ip6_is_link_local(src))
		meta->flags |= PKT_LINK_SCOPE;
	return IP_N_DROPS;
}

static unsigned int input_local(struct pkt_meta *meta, uint32_t adj)
{
	meta->adj = adj;
	return meta->flags & PKT_FRAGMENT ? INPUT_REASSEMBLE : INPUT_LOCAL;
}

/*
 * Groups that we are in. Interface-local ones never come from outside (RFC 4291 2.7). Who speaks for
 * an address of ours there is heard, if it is ICMPv6: neighbour discovery must notice.
 */
static unsigned int input_multicast(
	const struct ns_own6 *own, struct pkt_meta *meta, const struct rte_ipv6_hdr *ip)
{
	if (!ns_own6_has_group(own, ip->dst_addr, meta->in_link))
		return ip_drop(meta, IP6_DROP_MULTICAST);
	if (meta->proto != IPPROTO_ICMPV6 && ns_own6_has(own, ip->src_addr, meta->in_link))
		return ip_drop(meta, IP6_DROP_SOURCE_IS_OURS);
	return input_local(meta, ADJ_BROADCAST);
}

/* Destinations that begin as the special ones do. INPUT_FORWARD: an ordinary one. */
static unsigned int input_special(
	const struct ns_own6 *own, struct pkt_meta *meta, const struct rte_ipv6_hdr *ip)
{
	const uint8_t *dst = ip->dst_addr;

	if (ip6_is_unspecified(dst) || ip6_is_loopback(dst) || ip6_is_v4_mapped(dst))
		return ip_drop(meta, IP6_DROP_MARTIAN_DEST);
	if (!ip6_is_link_local(dst))
		return INPUT_FORWARD;
	if (ns_own6_find(own, dst, meta->in_link) == NULL)
		return ip_drop(meta, IP6_DROP_LINK_LOCAL);
	return input_local(meta, ADJ_LOCAL);
}

static unsigned int input_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	unsigned int exit = INPUT_FORWARD;
	const struct ns_own6 *own;
	enum ip_drop reason;

	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	own = __atomic_load_n(&ip_worker->own6[meta->ns], __ATOMIC_RELAXED);
	if (ns_own6_class(own, ip->src_addr) & NS_FIRST_MARTIAN) {
		reason = input_check_source(meta, ip->src_addr, ip->dst_addr);
		if (reason != IP_N_DROPS)
			return ip_drop(meta, reason);
	}
	if (ip6_is_multicast(ip->dst_addr))
		return input_multicast(own, meta, ip);
	if (ns_own6_has(own, ip->src_addr, meta->in_link))
		return ip_drop(meta, IP6_DROP_SOURCE_IS_OURS);
	if (ns_own6_class(own, ip->dst_addr) & NS_FIRST_MARTIAN)
		exit = input_special(own, meta, ip);
	if (exit == INPUT_FORWARD)
		lpm_prefetch(ip_worker->fib6[meta->ns], lpm6_first(ip->dst_addr));
	return exit;
}

static bool input_is_link_control(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	return meta->proto == IPPROTO_ICMPV6 && !(meta->flags & PKT_FRAGMENT_LATER) &&
	       parse_has(m, meta->l4_off + 1u) &&
	       ip6_is_link_control(*(const uint8_t *)pkt_l4(m, meta));
}

static unsigned int input_tracked_or_not(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	unsigned int exit = input_one(w, ctx, m, meta);

	if (exit == STAGE_DROP || likely(!ip_is_tracked(ctx, meta)))
		return exit;
	if (exit != INPUT_FORWARD && input_is_link_control(m, meta))
		return exit;
	return INPUT_FLOW;
}

static void input_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, INPUT_FORWARD, input_tracked_or_not, worker_slot(w, &ip_module));
}

const struct stage ip6_input_stage = {
	.name = "ip6_input",
	.help = "checks IPv6 addresses and their scopes",
	.run = input_run,
	.exits = { [INPUT_FORWARD] = { "forward", "ip6_forward" },
		[INPUT_LOCAL] = { "local", "ip6_local" },
		[INPUT_REASSEMBLE] = { "local fragment", "ip6_reassemble" },
		[INPUT_FLOW] = { "tracked", "flow6" } },
	.format = ip6_format_packet,
};
