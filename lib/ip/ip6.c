/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the IPv6 stages share: their tunables and what they keep at hand per worker (control thread),
 * the text of a packet for traces, and the two steps that any answer about another packet takes.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

static const struct field icmp6_sysctl_fields[] = {
	{ .name = "ratelimit",
		.type = FIELD_INT,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct icmp6_sysctl, ratelimit),
		.min = 0,
		.max = 3600000,
		.def = "1000",
		.help = "milliseconds between ICMPv6 messages to one destination, after a burst of "
			"six; 0: no limit" },
	{ .name = "ratemask",
		.type = FIELD_SET,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct icmp6_sysctl, ratemask),
		.def = "0-1,3-127",
		.help = "ICMPv6 types that are limited, by this and by ipv4.icmp_msgs_per_sec" },
	{ .name = "echo_ignore_all",
		.type = FIELD_BOOL,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct icmp6_sysctl, echo_ignore_all),
		.def = "false",
		.help = "do not answer echo requests" },
	{ .name = "echo_ignore_multicast",
		.type = FIELD_BOOL,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct icmp6_sysctl, echo_ignore_multicast),
		.def = "false",
		.help = "do not answer echo requests to groups" },
	{ .type = FIELD_END },
};

static const struct object icmp6_sysctl_object = {
	.name = "icmp",
	.help = "ICMPv6",
	.size = sizeof(struct icmp6_sysctl),
	.fields = icmp6_sysctl_fields,
};

static const struct field ip6_sysctl_fields[] = {
	{ .name = "hop_limit",
		.type = FIELD_INT,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct ip6_sysctl, hop_limit),
		.min = 1,
		.max = 255,
		.def = "64",
		.help = "hop limit of packets made here" },
	{ .name = "ip6frag_time",
		.type = FIELD_INT,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct ip6_sysctl, ip6frag_time),
		.min = 1,
		.max = 3600,
		.def = "60",
		.help = "seconds that fragments to us wait for the others" },
	{ .name = "fib_multipath_hash_policy",
		.type = FIELD_INT,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct ip6_sysctl, fib_multipath_hash_policy),
		.min = MULTIPATH_HASH_L3,
		.max = MULTIPATH_HASH_L4,
		.def = "0",
		.help = "what chooses among several next hops: 0 addresses, flow label and "
			"protocol, 1 addresses, protocol and ports" },
	{ .name = "icmp",
		.type = FIELD_GROUP,
		.offset = offsetof(struct ip6_sysctl, icmp),
		.object = &icmp6_sysctl_object,
		.help = "ICMPv6" },
	{ .type = FIELD_END },
};

const struct object ip6_sysctl_object = {
	.name = "ipv6",
	.help = "IPv6 and ICMPv6",
	.size = sizeof(struct ip6_sysctl),
	.fields = ip6_sysctl_fields,
};

void ip6_worker_init(struct dp *dp, struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	const struct ip_state *state = dp_slot(dp, &ip_module);

	ip_worker->sysctl6 = &state->ip6;
	ip_worker->own6 = ns_own6_tables(dp);
	ip_worker->fib6[NS_DEFAULT] = fib6_table(dp, NS_DEFAULT);
	ip_worker->forward6_stage = (uint8_t)worker_stage_index(w, "ip6_forward");
	ip_worker->output6_stage = (uint8_t)worker_stage_index(w, "ip6_output");
}

uint32_t ip6_multipath_select(const struct ip_worker *ip_worker, uint32_t value, struct rte_mbuf *m)
{
	const struct pkt_meta *meta = pkt_meta(m);

	return multipath_select6(&ip_worker->multipath,
		(enum multipath_policy)ip_worker->sysctl6->fib_multipath_hash_policy, value, m,
		meta, pkt_ip6(m, meta));
}

void ip6_format_packet(const struct trace_record *record, char *buf, size_t size)
{
	const struct rte_ipv6_hdr *ip =
		(const struct rte_ipv6_hdr *)(record->bytes + record->meta.l3_off);
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	struct ip_addr src_addr = ip_addr_v6(ip->src_addr), dst_addr = ip_addr_v6(ip->dst_addr);

	snprintf(buf, size, "%s to %s, hop limit %u", ip_addr_text(&src_addr, src),
		ip_addr_text(&dst_addr, dst), ip->hop_limits);
}
