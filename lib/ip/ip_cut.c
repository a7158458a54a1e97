/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What ip4_fragment and ip6_fragment share: each fragment is a copy in buffers of its own, with header
 * and metadata of its own: whoever comes later may write to it. Run by the owning worker.
 *
 * DPDK's rte_ip_frag leaves checksums and metadata to the caller, and its fragments refer to the
 * original's bytes.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

static uint16_t cut_room(const struct ip_cut *cut)
{
	return (uint16_t)RTE_ALIGN_FLOOR(cut->mtu - cut->header_len, IP_CUT_UNIT);
}

/* At most this many; the first one's header is the longest. */
static unsigned int cut_count_max(const struct ip_cut *cut)
{
	return (cut->payload_len + cut_room(cut) - 1u) / cut_room(cut);
}

/* The next fragment, ready to be sent. NULL: out of buffers. */
static struct rte_mbuf *cut_next(struct worker *w, struct ip_cut *cut)
{
	const struct pkt_meta *meta = cut->meta;
	uint16_t len = RTE_MIN(cut_room(cut), (uint16_t)(cut->payload_len - cut->done));
	struct rte_mbuf *piece =
		rte_pktmbuf_copy(cut->m, w->pool, meta->l4_off + (uint32_t)cut->done, len);
	uint16_t l2l3_len = (uint16_t)(RTE_ETHER_HDR_LEN + cut->header_len);
	struct pkt_meta *piece_meta;

	if (piece == NULL)
		return NULL;
	piece_meta = pkt_meta(piece);
	*piece_meta = *meta;
	piece_meta->flags |= cut->form->write(cut, len);
	memcpy(rte_pktmbuf_prepend(piece, l2l3_len), cut->header, l2l3_len);
	piece_meta->l3_off = RTE_ETHER_HDR_LEN;
	piece_meta->l3 = rte_pktmbuf_mtod_offset(piece, void *, RTE_ETHER_HDR_LEN);
	piece_meta->l4_off = l2l3_len;
	piece_meta->l3_len = (uint16_t)(cut->header_len + len);
	if (cut->done == 0 && cut->form->shorten != NULL)
		cut->form->shorten(cut);
	cut->done += len;
	return piece;
}

bool ip_cut_all(struct worker *w, const struct ip_worker *ip_worker, struct ip_cut *cut)
{
	unsigned int n_max = cut_count_max(cut);
	bool has_room = w->spare >= n_max;
	struct rte_mbuf *piece;

	if (has_room)
		w->spare -= n_max;
	while (cut->done < cut->payload_len) {
		piece = cut_next(w, cut);
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

void ip_cut_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;

	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "%s, adjacency %u",
			record->exit == STAGE_CONSUMED ? "cut into fragments" : "not cut",
			meta->adj);
}
