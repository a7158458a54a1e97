/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_fragment: packets that are larger than the MTU of the next link and may be fragmented (RFC 791
 * 3.2, RFC 1812 5.2.6). ip4_forward and ip4_output leave here with the adjacency chosen and nothing
 * changed; this stage does for them what those two do for packets that fit: Ethernet header, time to
 * live, and back to the neighbour queue, whole, while the next hop is not resolved. Run by the owning
 * worker.
 *
 * The first fragment keeps all options, the others those with the copied flag; a fragment is cut like a
 * packet, its offset and "more fragments" are counted on. The cutting itself is in ip_cut.c.
 */
#include "ip/ip_priv.h"

enum { FRAGMENT_HOLD = 1, FRAGMENT_TX };

/* Ethernet and IP header as they lie in front of a fragment's payload. */
struct fragment_header {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	uint8_t options[40];
} __rte_packed __rte_aligned(2);

static_assert(sizeof(struct fragment_header) == IP_CUT_HEADER_MAX, "it fills its place");

/* RFC 791 3.1: these every fragment must carry. */
static bool fragment_is_copied(uint8_t option)
{
	return IPOPT_COPIED(option) != 0;
}

static void fragment_keep_copied(struct ip_cut *cut)
{
	struct fragment_header *header = (struct fragment_header *)cut->header;
	uint8_t len = ip4_options_keep(header->options,
		(uint8_t)(cut->header_len - sizeof(header->ip)), fragment_is_copied);

	cut->header_len = (uint16_t)(sizeof(header->ip) + len);
	header->ip.version_ihl = (uint8_t)(IPVERSION << 4 | cut->header_len / 4);
}

static uint16_t fragment_write(struct ip_cut *cut, uint16_t len)
{
	struct rte_ipv4_hdr *ip = &((struct fragment_header *)cut->header)->ip;
	uint16_t field = (uint16_t)(cut->offset + cut->done / IP_CUT_UNIT);

	if (cut->done + len < cut->payload_len)
		field |= RTE_IPV4_HDR_MF_FLAG;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(cut->header_len + len));
	ip->fragment_offset = rte_cpu_to_be_16(field);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, cut->header_len / 4u);
	return parse_ip4_fragment_flags(ip->fragment_offset);
}

static const struct ip_cut_form fragment_form = {
	.write = fragment_write,
	.shorten = fragment_keep_copied,
};

/* Offsets count up to 65,535 bytes; what ends beyond has no fragments. */
static bool fragment_is_possible(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	uint16_t field = rte_be_to_cpu_16(pkt_ip4(m, meta)->fragment_offset);
	uint32_t first = (field & RTE_IPV4_HDR_OFFSET_MASK) * (uint32_t)IP_CUT_UNIT;

	return first + meta->l3_len - (meta->l4_off - meta->l3_off) <= UINT16_MAX;
}

/* The packet's Ethernet and IP header are final, but for what each fragment has of its own. */
static void fragment_cut_init(
	struct ip_cut *cut, struct rte_mbuf *m, const struct pkt_meta *meta, const struct adj *adj)
{
	uint16_t header_len = (uint16_t)(meta->l4_off - meta->l3_off);

	*cut = (struct ip_cut){
		.form = &fragment_form,
		.m = m,
		.meta = meta,
		.header_len = header_len,
		.mtu = adj->mtu,
		.payload_len = (uint16_t)(meta->l3_len - header_len),
		.offset = rte_be_to_cpu_16(pkt_ip4(m, meta)->fragment_offset),
	};
	RTE_ASSERT(cut->mtu >= LINK_MTU_MIN);
	memcpy(cut->header, pkt_ether(m), RTE_ETHER_HDR_LEN + header_len);
}

/* What ip4_forward and ip4_output do with packets that fit. */
static void fragment_finish_header(const struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, const struct pkt_meta *meta)
{
	if (!(meta->flags & PKT_ORIGINATED))
		pkt_ip4(m, meta)->time_to_live--;
	if (meta->flags & PKT_OPTIONS)
		ip4_options_leave(w, ip_worker, m, meta);
}

static unsigned int fragment_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	const struct adj *adj = &ip_worker->adjs[meta->adj];
	struct ip_cut cut;
	unsigned int state;

	if (!fragment_is_possible(m, meta))
		return ip_drop(meta, IP4_DROP_FRAGMENT_BAD);
	RTE_ASSERT(pkt_writable(m));
	state = adj_rewrite(m, meta, adj);
	if (!(state & ADJ_RESOLVED)) {
		meta->next_hop_be = pkt_ip4(m, meta)->dst_addr;
		meta->start_stage = meta->flags & PKT_ORIGINATED ? ip_worker->output_stage
								 : ip_worker->forward_stage;
		return FRAGMENT_HOLD;
	}
	if (state & ADJ_TELL_USE)
		neigh_tell_use(w, meta->adj);
	fragment_finish_header(w, ip_worker, m, meta);
	fragment_cut_init(&cut, m, meta, adj);
	if (!ip_cut_all(w, ip_worker, &cut))
		return ip_drop(meta, IP4_DROP_FRAGMENT_NO_BUFFER);
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

static void fragment_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FRAGMENT_HOLD, fragment_one, worker_slot(w, &ip_module));
}

const struct stage ip4_fragment_stage = {
	.name = "ip4_fragment",
	.help = "cuts packets that are larger than the next link's MTU",
	.run = fragment_run,
	.exits = { [FRAGMENT_HOLD] = { "unresolved", "neigh_hold" },
		[FRAGMENT_TX] = { "fragments", "tx" } },
	.format = ip_cut_format,
};
