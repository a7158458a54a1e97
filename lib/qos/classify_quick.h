/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Filters as most people have them: few, by protocol, ports and DSCP alone. For plain IPv4 they are asked two at a
 * time, straight from the frame, which is a fraction of what a table of all keys takes. Part of a classifier (classify.h);
 * what is not that simple, filter or frame, is for the rest of it.
 */
#include <smmintrin.h>

#include "match/match.h"
#include "net/parse.h"

enum {
	QUICK_FILTERS_MAX = 8,
	QUICK_TOS = 16, /* values of the TOS field's bits 1 to 4 */
	QUICK_FRAME_LEN = PARSE_PLAIN_LEN + 4,
};

/* What filters ask for, as lanes of 16 bits. */
enum quick_lane { QUICK_PROTO, QUICK_DSCP, QUICK_DPORT, QUICK_SPORT, QUICK_LANES };

struct quick_range {
	uint16_t first, width; /* of a single value: 0 */
};

/* Two of them, which are asked at once. */
struct quick_pair {
	uint16_t first[2 * QUICK_LANES], width[2 * QUICK_LANES];
};

struct quick_filters {
	uint32_t n; /* 0: there are none, or they are not that simple */
	struct quick_pair pairs[QUICK_FILTERS_MAX / 2] __rte_aligned(16);
	uint32_t node[QUICK_FILTERS_MAX]; /* where each leads */
	/* Which leaf that is, by TOS; last: of what none matches. Filled in by the classifier. */
	uint16_t leaf[QUICK_FILTERS_MAX + 1][QUICK_TOS];
};

/* Adds one that leads to a node. False: it, or the list, is not that simple. Control thread. */
bool quick_add(struct quick_filters *quick, const struct match_spec *spec, uint32_t node);

/* Untagged IPv4 without options, no later fragment, with the first four bytes behind its header. Datapath. */
static __rte_always_inline bool quick_is_plain(
	const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	return m->data_len >= QUICK_FRAME_LEN && parse_ip4_differs(words) == 0 &&
	       !(words->at20 & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK));
}

/* The lanes of such a frame. */
static __rte_always_inline uint64_t quick_key(
	const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	uint32_t proto = words->at20 >> 24 & 0xff, dscp = words->at12 >> 26 & 0x3f, ports_be;

	memcpy(&ports_be, rte_pktmbuf_mtod_offset(m, const char *, PARSE_PLAIN_LEN),
		sizeof(ports_be));
	return (uint64_t)rte_be_to_cpu_32(ports_be) << 32 | dscp << 16 | proto;
}
static_assert((int)QUICK_DPORT == 2 && (int)QUICK_SPORT == 3, "ports as one word in host order");

/* The leaf of such a frame. No branch depends on it. */
static __rte_always_inline uint16_t quick_leaf(const struct quick_filters *quick,
	const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	const __m128i key = _mm_set1_epi64x((int64_t)quick_key(m, words));
	unsigned int hits = 1u << QUICK_FILTERS_MAX;

	for (uint32_t i = 0; i < quick->n; i += 2) {
		const struct quick_pair *pair = &quick->pairs[i / 2];
		__m128i first = _mm_load_si128((const __m128i *)(const void *)pair->first);
		__m128i width = _mm_load_si128((const __m128i *)(const void *)pair->width);
		__m128i at = _mm_sub_epi16(key, first);
		__m128i is_in = _mm_cmpeq_epi16(_mm_min_epu16(at, width), at);
		__m128i are_all_in = _mm_cmpeq_epi64(is_in, _mm_set1_epi64x(-1));

		hits |= (unsigned int)_mm_movemask_pd(_mm_castsi128_pd(are_all_in)) << i;
	}
	return quick->leaf[__builtin_ctz(hits)][words->at12 >> 25 & (QUICK_TOS - 1)];
}
