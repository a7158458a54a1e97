/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Writes the Ethernet header of an adjacency in front of a packet. Worker. */
#include <emmintrin.h>

#include "neigh/neigh.h"
#include "net/parse.h"

/* 14 bytes as two overlapping words: bytes 0..7 and 6..13. */
static inline void adj_store_header(
	struct pkt_meta *meta, void *l3, const struct adj *adj, __m128i header)
{
	uint8_t *ether = (uint8_t *)l3 - RTE_ETHER_HDR_LEN;

	_mm_storel_epi64((__m128i *)(void *)ether, header);
	_mm_storel_epi64((__m128i *)(void *)(ether + 6), _mm_srli_si128(header, 6));
	meta->out_link = adj->link;
}

/*
 * Writes the Ethernet header of an adjacency in front of the IP header of a packet that has one of the same length
 * (meta->l3_off), where nothing is in the way: the neighbour is known and nobody need be told. l3: as in meta,
 * which need not be asked again. False: nothing was written, ask adj_rewrite().
 */
static __rte_always_inline bool adj_rewrite_known(
	struct pkt_meta *meta, void *l3, const struct adj *adj)
{
	__m128i header = _mm_load_si128((const __m128i *)(const void *)adj);

	if (unlikely(_mm_extract_epi8(header, offsetof(struct adj, state)) != ADJ_RESOLVED))
		return false;
	adj_store_header(meta, l3, adj, header);
	return true;
}

/* The same for a packet that may have any header in front. */
static __rte_always_inline bool adj_rewrite_quick(
	struct pkt_meta *meta, void *l3, const struct adj *adj)
{
	return likely(meta->l3_off == RTE_ETHER_HDR_LEN) && adj_rewrite_known(meta, l3, adj);
}

/*
 * Writes the Ethernet header of an adjacency in front of the IP header: one load, so that it is
 * the neighbour's old or new MAC address, never half of each. Returns the state (enum adj_state)
 * that was loaded along; without ADJ_RESOLVED nothing was written.
 */
static inline unsigned int adj_rewrite(
	struct rte_mbuf *m, struct pkt_meta *meta, const struct adj *adj)
{
	__m128i header = _mm_load_si128((const __m128i *)(const void *)adj);
	unsigned int state = (unsigned int)_mm_extract_epi8(header, offsetof(struct adj, state));

	if (unlikely(!(state & ADJ_RESOLVED)))
		return state;
	if (unlikely(meta->l3_off != RTE_ETHER_HDR_LEN)) {
		/* The L2 header in front had another length: there is always room for this one. */
		rte_pktmbuf_adj(m, (uint16_t)(meta->l3_off - RTE_ETHER_HDR_LEN));
		meta->l4_off = (uint16_t)(meta->l4_off - meta->l3_off + RTE_ETHER_HDR_LEN);
		meta->l3_off = RTE_ETHER_HDR_LEN;
	}
	adj_store_header(meta, meta->l3, adj, header);
	return state;
}
