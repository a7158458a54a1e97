/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_forward: time to live, MTU, and the new Ethernet header (RFC 1812 5.3.1, RFC 1191). Run by
 * the owning worker on packets that have an adjacency; also on those released from a neighbour
 * queue, which leave here before anything of theirs was changed.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { FORWARD_TX = 1, FORWARD_HOLD, FORWARD_ERROR };

static __rte_noinline unsigned int forward_too_big(
	const struct rte_ipv4_hdr *ip, struct pkt_meta *meta, const struct adj *adj)
{
	if (!(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)))
		return ip_drop(meta, IP4_DROP_TOO_BIG);
	ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, adj->mtu, IP4_DROP_FRAG_NEEDED);
	return FORWARD_ERROR;
}

static __rte_noinline unsigned int forward_hold(
	const struct ip_worker *ip_worker, const struct rte_ipv4_hdr *ip, struct pkt_meta *meta)
{
	meta->next_hop_be = ip->dst_addr;
	meta->start_stage = ip_worker->forward_stage;
	return FORWARD_HOLD;
}

static __rte_always_inline unsigned int forward_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct adj *adj = &ip_worker->adjs[meta->adj];
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	unsigned int state;

	if (unlikely(ip->time_to_live <= 1)) {
		ip4_set_error(meta, ICMP_TIME_EXCEEDED, 0, 0, IP4_DROP_TTL_EXCEEDED);
		return FORWARD_ERROR;
	}
	if (unlikely(meta->l3_len > adj->mtu))
		return forward_too_big(ip, meta, adj);
	RTE_ASSERT(pkt_writable(m));
	state = adj_rewrite(m, meta, adj);
	if (unlikely(state != ADJ_RESOLVED)) {
		if (!(state & ADJ_RESOLVED))
			return forward_hold(ip_worker, ip, meta);
		neigh_tell_use(w, meta->adj);
	}
	/* RFC 1141: one less in the high byte of a word is 0x0100 more in the sum's complement. */
	ip->time_to_live--;
	ip->hdr_checksum = (uint16_t)(ip->hdr_checksum + RTE_BE16(0x0100) +
				      (ip->hdr_checksum >= RTE_BE16(0xffff - 0x0100)));
	return FORWARD_TX;
}

static void forward_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FORWARD_TX, forward_one, worker_slot(w, &ip_module));
}

static void forward_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;

	if (record->exit == FORWARD_TX)
		snprintf(buf, size, "adjacency %u, out of link %u", meta->adj, meta->out_link);
	else
		snprintf(buf, size, "adjacency %u", meta->adj);
}

const struct stage ip4_forward_stage = {
	.name = "ip4_forward",
	.help = "counts the TTL down, checks the MTU, writes the Ethernet header",
	.run = forward_run,
	.exits = { [FORWARD_TX] = { "tx", "tx" },
		[FORWARD_HOLD] = { "unresolved", "neigh_hold" },
		[FORWARD_ERROR] = { "error", "ip4_error" } },
	.format = forward_format,
};
