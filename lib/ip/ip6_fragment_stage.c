/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_fragment: packets made here that are larger than the MTU of the next link (RFC 8200 4.5). ip6_output
 * leaves here with everything done that it does for packets that fit, Ethernet header included. What is
 * forwarded is never cut: its sender is told. Run by the owning worker.
 *
 * Nobody remembers path MTUs here, so the fragments are no larger than what passes everywhere (RFC 8200 5).
 * They are numbered by chance (RFC 7739 5.2).
 */
#include <rte_random.h>

#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { FRAGMENT_TX = 1 };

enum { FRAGMENT_MTU_MAX = 1280 };

struct fragment_header {
	struct rte_ether_hdr ether;
	struct rte_ipv6_hdr ip;
	struct rte_ipv6_fragment_ext ext;
} __rte_packed __rte_aligned(2);
static_assert(sizeof(struct fragment_header) <= IP_CUT_HEADER_MAX, "it has a place");

static uint16_t fragment_write(struct ip_cut *cut, uint16_t len)
{
	struct fragment_header *header = (struct fragment_header *)cut->header;
	bool has_more = cut->done + len < cut->payload_len;

	header->ip.payload_len = rte_cpu_to_be_16((uint16_t)(sizeof(header->ext) + len));
	header->ext.frag_data =
		rte_cpu_to_be_16((uint16_t)(cut->done | (has_more ? RTE_IPV6_EHDR_MF_MASK : 0)));
	return PKT_OPTIONS | parse_ip6_fragment_flags((const uint8_t *)&header->ext);
}

static const struct ip_cut_form fragment_form = { .write = fragment_write };

static void fragment_cut_init(
	struct ip_cut *cut, struct rte_mbuf *m, const struct pkt_meta *meta, const struct adj *adj)
{
	struct fragment_header *header = (struct fragment_header *)cut->header;

	/* Packets made here have no extension headers. */
	RTE_ASSERT(meta->l4_off - meta->l3_off == sizeof(header->ip));
	*cut = (struct ip_cut){
		.form = &fragment_form,
		.m = m,
		.meta = meta,
		.header_len = sizeof(header->ip) + sizeof(header->ext),
		.mtu = RTE_MIN(adj->mtu, FRAGMENT_MTU_MAX),
		.payload_len = (uint16_t)pkt_l4_len(meta),
	};
	RTE_ASSERT(cut->mtu >= LINK_MTU_MIN);
	memcpy(header, pkt_ether(m), sizeof(header->ether) + sizeof(header->ip));
	header->ext = (struct rte_ipv6_fragment_ext){ .next_header = header->ip.proto,
		.id = (uint32_t)rte_rand() };
	header->ip.proto = IPPROTO_FRAGMENT;
}

static unsigned int fragment_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	struct ip_cut cut;

	fragment_cut_init(&cut, m, meta, &ip_worker->adjs[meta->adj]);
	if (!ip_cut_all(w, ip_worker, &cut))
		return ip_drop(meta, IP6_DROP_FRAGMENT_NO_BUFFER);
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

static void fragment_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, fragment_one, worker_slot(w, &ip_module));
}

const struct stage ip6_fragment_stage = {
	.name = "ip6_fragment",
	.help = "cuts packets made here that are larger than the next link's MTU",
	.run = fragment_run,
	.exits = { [FRAGMENT_TX] = { "fragments", "tx" } },
	.format = ip_cut_format,
};
