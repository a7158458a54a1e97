/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_reassemble: fragments to our own IPv4 addresses become whole packets for ip4_local (RFC 791 3.2, RFC
 * 1812 5.2.6.2). How they wait, and what is told to whom after ipfrag_time, is in ip_reassemble.c. Run by
 * the owning worker.
 */
#include "ip/ip_priv.h"

enum { REASSEMBLE_LOCAL = 1, REASSEMBLE_ERROR };

static uint32_t reassemble_header_len(const struct rte_mbuf *first, const struct pkt_meta *meta)
{
	return (uint32_t)(meta->l4_off - meta->l3_off);
}

static void reassemble_finish(struct rte_mbuf *m, struct pkt_meta *meta, uint32_t payload_len)
{
	struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint16_t header_len = (uint16_t)(meta->l4_off - meta->l3_off);

	meta->l3_len = (uint16_t)(header_len + payload_len);
	ip->total_length = rte_cpu_to_be_16(meta->l3_len);
	ip->fragment_offset = 0;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, header_len / 4u);
}

static unsigned int reassemble_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct ip_worker *ip_worker = ctx;
	struct ip_fragment fragment;

	if (ip_fragment_read(m, meta, &fragment) != IP_FRAGMENT_SOUND)
		return ip_drop(meta, IP4_DROP_FRAGMENT_BAD);
	return ip_reassemble(w, &ip_worker->reassembly[IP_REASSEMBLY_4], &fragment);
}

static void reassemble_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, reassemble_one, worker_slot(w, &ip_module));
}

const struct ip_reassemble_form ip4_reassemble_form = {
	.stage = "ip4_reassemble",
	.local_stage = "ip4_local",
	.error_stage = "ip4_error",
	.bad = IP4_DROP_FRAGMENT_BAD,
	.duplicate = IP4_DROP_FRAGMENT_DUPLICATE,
	.overlap = IP4_DROP_FRAGMENT_OVERLAP,
	.too_many = IP4_DROP_FRAGMENTS_TOO_MANY,
	.full = IP4_DROP_REASSEMBLY_FULL,
	.timeout = IP4_DROP_REASSEMBLY_TIMEOUT,
	.time_exceeded = ICMP_TIME_EXCEEDED,
	.header_len = reassemble_header_len,
	.finish = reassemble_finish,
};

const struct stage ip4_reassemble_stage = {
	.name = "ip4_reassemble",
	.help = "keeps fragments to our addresses until they are whole",
	.run = reassemble_run,
	.exits = { [REASSEMBLE_LOCAL] = { "whole", "ip4_local" },
		[REASSEMBLE_ERROR] = { "timed out", "ip4_error" } },
	.format = ip_reassemble_format,
};
