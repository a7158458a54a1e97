/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Filters as most people have them: few, by protocol, ports and DSCP alone. For plain IPv4 they are gone through one by
 * one, straight from the frame, which is a fraction of what a table of all keys takes. Part of a classifier (classify.h);
 * what is not that simple, filter or frame, is for the rest of it.
 */
#include "match/match.h"
#include "net/parse.h"

enum { QUICK_FILTERS_MAX = 8, QUICK_FRAME_LEN = PARSE_PLAIN_LEN + 4 };

struct quick_range {
	uint16_t first, last;
};

struct quick_filter {
	struct quick_range proto, dscp, sport, dport;
	uint32_t node; /* where it leads */
};

struct quick_filters {
	uint32_t n; /* 0: there are none, or they are not that simple */
	struct quick_filter filters[QUICK_FILTERS_MAX];
};

/* Adds one that leads to a node. False: it, or the list, is not that simple. Control thread. */
bool quick_add(struct quick_filters *quick, const struct match_spec *spec, uint32_t node);

/* 1 or 0: several are asked without a branch between them. */
static inline unsigned int quick_has(const struct quick_range *range, uint32_t value)
{
	return value - range->first <= (uint32_t)(range->last - range->first);
}

/* Untagged IPv4 without options, no later fragment, with the first four bytes behind its header. Datapath. */
static __rte_always_inline bool quick_is_plain(
	const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	return m->data_len >= QUICK_FRAME_LEN && parse_ip4_differs(words) == 0 &&
	       !(words->at20 & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK));
}

/* The node of the first filter that matches a plain frame; UINT32_MAX: none does. */
static __rte_always_inline uint32_t quick_find(const struct quick_filters *quick,
	const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	uint32_t proto = words->at20 >> 24 & 0xff, dscp = words->at12 >> 26 & 0x3f, ports_be;
	uint32_t sport, dport;

	memcpy(&ports_be, rte_pktmbuf_mtod_offset(m, const char *, PARSE_PLAIN_LEN),
		sizeof(ports_be));
	sport = rte_be_to_cpu_16((uint16_t)ports_be);
	dport = rte_be_to_cpu_16((uint16_t)(ports_be >> 16));
	for (uint32_t i = 0; i < quick->n; i++) {
		const struct quick_filter *f = &quick->filters[i];

		if (quick_has(&f->proto, proto) & quick_has(&f->dscp, dscp) &
			quick_has(&f->sport, sport) & quick_has(&f->dport, dport))
			return f->node;
	}
	return UINT32_MAX;
}
