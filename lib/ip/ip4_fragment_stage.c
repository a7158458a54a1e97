/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_fragment: packets that are larger than the MTU of the next link and may be fragmented (RFC 791
 * 3.2, RFC 1812 5.2.6). ip4_forward and ip4_output leave here with the adjacency chosen and nothing
 * changed; this stage does for them what those two do for packets that fit: Ethernet header, time to
 * live, and back to the neighbour queue, whole, while the next hop is not resolved. Run by the owning
 * worker.
 *
 * Each fragment is a copy in buffers of its own, with header and metadata of its own: whoever comes
 * later may write to it. The first one keeps all options, the others those with the copied flag; a
 * fragment is cut like a packet, its offset and "more fragments" are counted on. Fragments that do
 * not fit into this pass enter with the next ones, at tx.
 *
 * DPDK's rte_ip_frag leaves checksums and metadata to the caller, and its fragments refer to the
 * original's bytes.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { FRAGMENT_HOLD = 1, FRAGMENT_TX };

/* Bytes: what offsets count, and what the payload of all fragments but the last is a multiple of. */
enum { FRAGMENT_UNIT = 8 };

/* Ethernet and IP header as they lie in front of a fragment's payload. */
struct fragment_header {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	uint8_t options[40];
} __rte_packed __rte_aligned(2);

/* A packet on its way to pieces. */
struct fragment_cut {
	struct rte_mbuf *m;
	const struct pkt_meta *meta;
	struct fragment_header header; /* of the next fragment; the first one's at start */
	uint16_t header_len;	       /* of its IP header */
	uint16_t mtu;
	uint16_t payload_len, done; /* of the packet, in bytes */
	uint16_t offset;	    /* flags and offset of the packet itself, host order */
};

/* RFC 791 3.1: these every fragment must carry. */
static bool fragment_is_copied(uint8_t option)
{
	return IPOPT_COPIED(option) != 0;
}

static void fragment_keep_copied(struct fragment_cut *cut)
{
	uint8_t len = ip4_options_keep(cut->header.options,
		(uint8_t)(cut->header_len - sizeof(cut->header.ip)), fragment_is_copied);

	cut->header_len = (uint16_t)(sizeof(cut->header.ip) + len);
	cut->header.ip.version_ihl = (uint8_t)(IPVERSION << 4 | cut->header_len / 4);
}

static uint16_t fragment_room(const struct fragment_cut *cut)
{
	return (uint16_t)RTE_ALIGN_FLOOR(cut->mtu - cut->header_len, FRAGMENT_UNIT);
}

/* At most this many; the first one's header is the longest. */
static unsigned int fragment_count_max(const struct fragment_cut *cut)
{
	return (cut->payload_len + fragment_room(cut) - 1u) / fragment_room(cut);
}

/* Offsets count up to 65,535 bytes; what ends beyond has no fragments. */
static bool fragment_is_possible(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	uint16_t field = rte_be_to_cpu_16(pkt_ip4(m, meta)->fragment_offset);
	uint32_t first = (field & RTE_IPV4_HDR_OFFSET_MASK) * (uint32_t)FRAGMENT_UNIT;

	return first + meta->l3_len - (meta->l4_off - meta->l3_off) <= UINT16_MAX;
}

/* The packet's Ethernet and IP header are final, but for what each fragment has of its own. */
static void fragment_cut_init(struct fragment_cut *cut, struct rte_mbuf *m,
	const struct pkt_meta *meta, const struct adj *adj)
{
	uint16_t header_len = (uint16_t)(meta->l4_off - meta->l3_off);

	*cut = (struct fragment_cut){
		.m = m,
		.meta = meta,
		.header_len = header_len,
		.mtu = adj->mtu,
		.payload_len = (uint16_t)(meta->l3_len - header_len),
		.offset = rte_be_to_cpu_16(pkt_ip4(m, meta)->fragment_offset),
	};
	RTE_ASSERT(cut->mtu >= LINK_MTU_MIN);
	memcpy(&cut->header, pkt_ether(m), RTE_ETHER_HDR_LEN + header_len);
}

static void fragment_write_header(struct fragment_cut *cut, uint16_t len)
{
	struct rte_ipv4_hdr *ip = &cut->header.ip;
	uint16_t field = (uint16_t)(cut->offset + cut->done / FRAGMENT_UNIT);

	if (cut->done + len < cut->payload_len)
		field |= RTE_IPV4_HDR_MF_FLAG;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(cut->header_len + len));
	ip->fragment_offset = rte_cpu_to_be_16(field);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, cut->header_len / 4u);
}

/* The next fragment, ready to be sent. NULL: out of buffers. */
static struct rte_mbuf *fragment_next(struct worker *w, struct fragment_cut *cut)
{
	const struct pkt_meta *meta = cut->meta;
	uint16_t len = RTE_MIN(fragment_room(cut), (uint16_t)(cut->payload_len - cut->done));
	struct rte_mbuf *piece =
		rte_pktmbuf_copy(cut->m, w->pool, meta->l4_off + (uint32_t)cut->done, len);
	uint16_t l2l3_len = (uint16_t)(RTE_ETHER_HDR_LEN + cut->header_len);
	struct pkt_meta *piece_meta;

	if (piece == NULL)
		return NULL;
	static_assert(sizeof(cut->header) <= RTE_PKTMBUF_HEADROOM, "there is room in front");
	fragment_write_header(cut, len);
	memcpy(rte_pktmbuf_prepend(piece, l2l3_len), &cut->header, l2l3_len);
	piece_meta = pkt_meta(piece);
	*piece_meta = *meta;
	piece_meta->l3_off = RTE_ETHER_HDR_LEN;
	piece_meta->l3 = rte_pktmbuf_mtod_offset(piece, void *, RTE_ETHER_HDR_LEN);
	piece_meta->l4_off = l2l3_len;
	piece_meta->l3_len = (uint16_t)(cut->header_len + len);
	piece_meta->flags |= parse_ip4_fragment_flags(cut->header.ip.fragment_offset);
	if (cut->done == 0)
		fragment_keep_copied(cut);
	cut->done += len;
	return piece;
}

/* Cuts and sends. false: ran out of buffers, what was made is on its way all the same. */
static bool fragment_all(
	struct worker *w, const struct ip_worker *ip_worker, struct fragment_cut *cut)
{
	unsigned int n_max = fragment_count_max(cut);
	bool has_room = w->room >= n_max;
	struct rte_mbuf *piece;

	if (has_room)
		w->room -= n_max;
	while (cut->done < cut->payload_len) {
		piece = fragment_next(w, cut);
		if (piece == NULL)
			return false;
		w->stats.fragments++;
		if (has_room)
			stage_push(&w->pending, &w->nodes[ip_worker->tx_stage], piece);
		else
			worker_inject(w, w, piece, ip_worker->tx_stage);
	}
	return true;
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
	struct fragment_cut cut;
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
	if (!fragment_all(w, ip_worker, &cut))
		return ip_drop(meta, IP4_DROP_FRAGMENT_NO_BUFFER);
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

static void fragment_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, FRAGMENT_HOLD, fragment_one, worker_slot(w, &ip_module));
}

static void fragment_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;

	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "%s, adjacency %u",
			record->exit == STAGE_CONSUMED ? "cut into fragments" : "not cut",
			meta->adj);
}

const struct stage ip4_fragment_stage = {
	.name = "ip4_fragment",
	.help = "cuts packets that are larger than the next link's MTU",
	.run = fragment_run,
	.exits = { [FRAGMENT_HOLD] = { "unresolved", "neigh_hold" },
		[FRAGMENT_TX] = { "fragments", "tx" } },
	.format = fragment_format,
};
