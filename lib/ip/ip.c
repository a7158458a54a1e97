/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IP module: its tunables, its drop reasons, and what its stages keep at hand per worker.
 * Control thread.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

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
		.help = "ICMP errors sent per second at most; 0 sends none" },
	{ .name = "icmp_msgs_burst",
		.type = FIELD_INT,
		.offset = offsetof(struct ip4_sysctl, icmp_msgs_burst),
		.min = 1,
		.max = 100000,
		.def = "50",
		.help = "ICMP errors sent at once at most" },
	{ .name = "icmp_echo_ignore_all",
		.type = FIELD_BOOL,
		.offset = offsetof(struct ip4_sysctl, icmp_echo_ignore_all),
		.def = "false",
		.help = "do not answer echo requests" },
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

static int ip_worker_init(struct dp *dp, struct worker *w)
{
	struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	const struct ip_state *state = dp_slot(dp, &ip_module);

	ip_worker->adjs = adj_table(dp);
	ip_worker->sysctl = &state->ip4;
	ip_worker->links = link_dp_table(dp);
	ip_worker->port_link = link_of_ports(w);
	ip_worker->own4 = ns_own4_tables(dp);
	ip_worker->fib4[NS_DEFAULT] = fib4_table(dp, NS_DEFAULT);
	ip_worker->forward_stage = (uint8_t)worker_stage_index(w, "ip4_forward");
	ip_worker->output_stage = (uint8_t)worker_stage_index(w, "ip4_output");
	ip_worker->icmp_tokens_cycles = UINT64_MAX / 2; /* cut down to the burst at first use */
	ip_worker->icmp_refilled = rte_rdtsc();
	return 0;
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
};
