/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IP module: its tunables, its drop reasons, and what its stages keep at hand per worker.
 * Control thread.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

#include <rte_random.h>
#include <time.h>

static const struct field ip4_sysctl_fields[] = {
	{ .name = "default_ttl",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, default_ttl),
		.min = 1,
		.max = 255,
		.def = "64",
		.help = "time to live of packets made here" },
	{ .name = "icmp_msgs_per_sec",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, icmp_msgs_per_sec),
		.min = 0,
		.max = 1000000,
		.def = "1000",
		.help = "ICMP and ICMPv6 errors sent per second at most; 0 sends none" },
	{ .name = "icmp_msgs_burst",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, icmp_msgs_burst),
		.min = 1,
		.max = 100000,
		.def = "50",
		.help = "ICMP and ICMPv6 errors sent at once at most" },
	{ .name = "icmp_ratelimit",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, icmp_ratelimit),
		.min = 0,
		.max = 3600000,
		.def = "1000",
		.help = "milliseconds between ICMP messages to one destination, after a burst of "
			"six; 0: no limit" },
	{ .name = "icmp_ratemask",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, icmp_ratemask),
		.min = 0,
		.max = UINT32_MAX,
		.def = "6168",
		.help = "ICMP types that are limited, 2^type each; fragmentation needed never is" },
	{ .name = "ipfrag_time",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, ipfrag_time),
		.min = 1,
		.max = 3600,
		.def = "30",
		.help = "seconds that fragments wait for the others" },
	{ .name = "icmp_echo_ignore_all",
		.type = FIELD_BOOL,
		.offset = offsetof(struct ip4_sysctl, icmp_echo_ignore_all),
		.def = "false",
		.help = "do not answer echo requests" },
	{ .name = "icmp_echo_ignore_broadcasts",
		.type = FIELD_BOOL,
		.offset = offsetof(struct ip4_sysctl, icmp_echo_ignore_broadcasts),
		.def = "true",
		.help = "do not answer echo requests to a broadcast address" },
	{ .name = "icmp_errors_use_inbound_ifaddr",
		.type = FIELD_BOOL,
		.offset = offsetof(struct ip4_sysctl, icmp_errors_use_inbound_ifaddr),
		.def = "false",
		.help = "send ICMP errors from an address of the link that the packet came in by, "
			"not of the one that the error leaves by" },
	{ .name = "fib_multipath_hash_policy",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, fib_multipath_hash_policy),
		.min = MULTIPATH_HASH_L3,
		.max = MULTIPATH_HASH_L4,
		.def = "0",
		.help = "what chooses among several next hops: 0 the two addresses, 1 also "
			"protocol "
			"and ports" },
	{ .type = FIELD_END },
};

static const struct object ip4_sysctl_object = {
	.name = "ipv4",
	.help = "IPv4 and ICMP",
	.size = sizeof(struct ip4_sysctl),
	.fields = ip4_sysctl_fields,
};

static const struct sysctl_group ip_sysctls[] = {
	{ .name = "ipv4", .object = &ip4_sysctl_object, .offset = offsetof(struct ip_state, ip4) },
	{ .name = "ipv6", .object = &ip6_sysctl_object, .offset = offsetof(struct ip_state, ip6) },
	{ .name = NULL },
};

void ip_format_packet(const struct trace_record *record, char *buf, size_t size)
{
	const struct rte_ipv4_hdr *ip =
		(const struct rte_ipv4_hdr *)(record->bytes + record->meta.l3_off);
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	struct ip_addr src_addr = ip_addr_v4(ip->src_addr), dst_addr = ip_addr_v4(ip->dst_addr);

	snprintf(buf, size, "%s to %s, TTL %u", ip_addr_text(&src_addr, src),
		ip_addr_text(&dst_addr, dst), ip->time_to_live);
}

uint32_t ip4_multipath_select(
	const struct ip_worker *ip_worker, uint32_t value, const struct rte_mbuf *m)
{
	const struct pkt_meta *meta = pkt_meta((struct rte_mbuf *)(uintptr_t)m);

	return multipath_select4(&ip_worker->multipath,
		(enum multipath_policy)ip_worker->sysctl->fib_multipath_hash_policy, value, m, meta,
		meta->l3);
}

void ip_format_error(const struct trace_record *record, const char *icmp, char *buf, size_t size)
{
	static const char *const unsent[] = {
		[IP_ERROR_FORBIDDEN] = "about such a packet",
		[IP_ERROR_LIMITED] = "beyond the rate limit",
		[IP_ERROR_NO_BUFFER] = "without a free buffer",
	};
	enum ip_error_end end = record->extra.arg[0];

	if (end == IP_ERROR_SENT)
		snprintf(buf, size, "%s type %u code %u sent", icmp, record->meta.icmp_type,
			record->meta.icmp_code);
	else
		snprintf(buf, size, "no %s error %s", icmp, unsent[end]);
}

void ip_format_route(const struct trace_record *record, bool is_sent, char *buf, size_t size)
{
	static const char *const special[] = {
		[ADJ_NONE] = "no route",
		[ADJ_LOCAL] = "one of our addresses",
		[ADJ_BROADCAST] = "broadcast of a network here, or a group",
		[ADJ_BLACKHOLE] = "blackhole route",
		[ADJ_UNREACHABLE] = "unreachable route",
		[ADJ_PROHIBIT] = "prohibit route",
	};
	const struct pkt_meta *meta = &record->meta;

	if (meta->adj < RTE_DIM(special))
		snprintf(buf, size, "%s", special[meta->adj]);
	else if (is_sent)
		snprintf(buf, size, "adjacency %u, out of link %s", meta->adj,
			link_name(record->w->dp, meta->out_link));
	else
		snprintf(buf, size, "adjacency %u", meta->adj);
}

uint64_t ip4_fragment_life_ms(const struct dp *dp)
{
	const struct ip_state *state = dp_slot(dp, &ip_module);

	return (uint64_t)state->ip4.ipfrag_time * 1000;
}

static int ip_worker_init(struct dp *dp, struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	const struct ip_state *state = dp_slot(dp, &ip_module);

	ip_worker->adjs = adj_table(dp);
	ip_worker->sysctl = &state->ip4;
	ip_worker->links = link_dp_table(dp);
	ip_worker->input_link = link_of_inputs(w);
	ip_worker->own4 = ns_own4_tables(dp);
	ip_worker->fib4[NS_DEFAULT] = fib4_table(dp, NS_DEFAULT);
	ip_worker->multipath = fib_multipath(dp);
	ip_worker->forward_stage = (uint8_t)worker_stage_index(w, "ip4_forward");
	ip_worker->output_stage = (uint8_t)worker_stage_index(w, "ip4_output");
	ip_worker->track_stage = (uint8_t)worker_stage_index(w, "track");
	ip_worker->tx_stage = (uint8_t)worker_stage_index(w, "tx");
	/* Workers number apart from each other, and not as before the last start. */
	ip_worker->ip_id = (uint16_t)rte_rand();
	ip_worker->utc_offset_ms = &state->utc_offset_ms;
	icmp_rate_init(&ip_worker->icmp_rate, (uint32_t)rte_rand());
	ip6_worker_init(dp, w);
	ip_reassemble_init(dp, w);
	return 0;
}

static void ip_worker_fini(struct dp *dp, struct worker *w)
{
	ip_reassemble_fini(w);
}

static void ip_tick(struct dp *dp, uint64_t now_ns)
{
	struct ip_state *state = dp_slot(dp, &ip_module);
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	/* May be below zero: what counts is the sum, by modular arithmetic. */
	__atomic_store_n(&state->utc_offset_ms,
		(uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 -
			rte_rdtsc() / (dp->tsc_hz / 1000),
		__ATOMIC_RELAXED);
	ip_reassemble_tick(dp, now_ns);
}

#define IP_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason ip_drops[] = { IP_DROPS(IP_DROP_ROW) };
static_assert(RTE_DIM(ip_drops) == IP_N_DROPS, "one row per reason");

struct module ip_module = {
	.name = "ip",
	.sysctls = ip_sysctls,
	.drops = ip_drops,
	.n_drops = IP_N_DROPS,
	.state_size = sizeof(struct ip_state),
	.worker_state_size = sizeof(struct ip_worker),
	.worker_init = ip_worker_init,
	.worker_fini = ip_worker_fini,
	.tick = ip_tick,
};
