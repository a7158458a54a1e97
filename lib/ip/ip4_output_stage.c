/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_output: IPv4 packets made here. Route lookup, source address (RFC 1122 3.3.4.3), header
 * checksum, Ethernet header. Run by the owning worker. No error is ever sent about such a packet.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { OUTPUT_TX = 1, OUTPUT_HOLD, OUTPUT_FRAGMENT };

static enum ip_drop output_special(uint32_t adj)
{
	switch (adj) {
	case ADJ_LOCAL:
	case ADJ_BROADCAST:
		return IP4_DROP_BROADCAST;
	case ADJ_BLACKHOLE:
		return IP4_DROP_BLACKHOLE;
	case ADJ_UNREACHABLE:
		return IP4_DROP_UNREACHABLE;
	case ADJ_PROHIBIT:
		return IP4_DROP_PROHIBITED;
	default:
		return IP4_DROP_NO_ROUTE;
	}
}

static unsigned int output_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	const struct adj *adj;
	unsigned int state;

	/* Released from a neighbour queue, it has an adjacency already. */
	if (!(meta->flags & PKT_ROUTED))
		meta->adj = lpm4_lookup(ip_worker->fib4[meta->ns], rte_be_to_cpu_32(ip->dst_addr));
	meta->flags &= (uint16_t)~PKT_ROUTED;
	if (fib_value_is_multipath(meta->adj))
		meta->adj = ip4_multipath_select(ip_worker, meta->adj, m);
	if (meta->adj < ADJ_FIRST_DYNAMIC)
		return ip_drop(meta, output_special(meta->adj));
	adj = &ip_worker->adjs[meta->adj];
	if (ip->src_addr == 0)
		ip->src_addr = ns_source4_select(w->dp, adj->link, adj_peer4(adj, ip->dst_addr));
	if (ip->src_addr == 0)
		return ip_drop(meta, IP4_DROP_NO_SOURCE);
	if (meta->l3_len > adj->mtu)
		return OUTPUT_FRAGMENT;
	state = adj_rewrite(m, meta, adj);
	if (!(state & ADJ_RESOLVED)) {
		meta->next_hop_be = ip->dst_addr;
		meta->start_stage = ip_worker->output_stage;
		return OUTPUT_HOLD;
	}
	if (state & ADJ_TELL_USE)
		neigh_tell_use(w, meta->adj);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, 5);
	if (meta->flags & PKT_OPTIONS)
		ip4_options_leave(w, ip_worker, m, meta);
	return OUTPUT_TX;
}

static void output_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, OUTPUT_TX, output_one, worker_slot(w, &ip_module));
}

static void output_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "adjacency %u", record->meta.adj);
}

const struct stage ip4_output_stage = {
	.name = "ip4_output",
	.help = "routes packets made here",
	.run = output_run,
	.exits = { [OUTPUT_TX] = { "tx", "tx" },
		[OUTPUT_HOLD] = { "unresolved", "neigh_hold" },
		[OUTPUT_FRAGMENT] = { "too big", "ip4_fragment" } },
	.format = output_format,
};
