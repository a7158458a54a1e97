/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IPv4 addresses of links once more, by link, for workers that send something of their own or
 * translate to it. The control thread makes a new table whenever an address comes or goes; a worker's
 * is valid until the end of its pass.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "ns/ns_priv.h"

struct ns_source4 {
	uint32_t fallback_be[LINK_MAX]; /* the first of its namespace, for a link without any */
	uint32_t first[LINK_MAX + 1];	/* of a link's rows, by ifindex */
	struct {
		uint32_t addr_be, mask_be;
	} rows[]; /* grouped by link, in the order in which they were added */
};

static void count_rows(const struct ns_state *state, uint32_t *first)
{
	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (state->addrs[i].prefix.addr.family == AF_INET)
			first[state->addrs[i].link + 1]++;
	for (unsigned int i = 0; i < LINK_MAX; i++)
		first[i + 1] += first[i];
}

void ns_source4_publish(struct dp *dp)
{
	struct ns_state *state = dp_slot(dp, &ns_module);
	struct ns_source4 *source, *old = state->source4;
	uint32_t first[NS_MAX] = { 0 }, next[LINK_MAX];

	source = mem_zalloc(sizeof(*source) + state->n_addrs * sizeof(source->rows[0]));
	count_rows(state, source->first);
	memcpy(next, source->first, sizeof(next));
	for (unsigned int i = 0; i < state->n_addrs; i++) {
		const struct ns_addr *addr = &state->addrs[i];

		if (addr->prefix.addr.family != AF_INET)
			continue;
		source->rows[next[addr->link]].addr_be = addr->prefix.addr.v4_be;
		source->rows[next[addr->link]++].mask_be =
			rte_cpu_to_be_32(ns_mask4(addr->prefix.len));
		if (first[addr->ns] == 0)
			first[addr->ns] = addr->prefix.addr.v4_be;
	}
	for (unsigned int i = 1; i < LINK_MAX; i++) {
		const struct link *link = link_by_index(dp, (uint16_t)i);

		source->fallback_be[i] = link != NULL ? first[link->ns] : 0;
	}
	/* Pairs with source_table(). */
	__atomic_store_n(&state->source4, source, __ATOMIC_RELEASE);
	dp_retire_heap(dp, old);
}

static const struct ns_source4 *source_table(const struct dp *dp)
{
	const struct ns_state *state = dp_slot(dp, &ns_module);

	return __atomic_load_n(&state->source4, __ATOMIC_ACQUIRE);
}

uint32_t ns_source4_select(const struct dp *dp, uint16_t link, uint32_t peer_be)
{
	const struct ns_source4 *source = source_table(dp);
	uint32_t first = source->first[link], end = source->first[link + 1];

	for (uint32_t i = first; i < end; i++)
		if (((source->rows[i].addr_be ^ peer_be) & source->rows[i].mask_be) == 0)
			return source->rows[i].addr_be;
	return first < end ? source->rows[first].addr_be : source->fallback_be[link];
}

bool ns_source4_has(const struct dp *dp, uint16_t link, uint32_t addr_be)
{
	const struct ns_source4 *source = source_table(dp);

	for (uint32_t i = source->first[link]; i < source->first[link + 1]; i++)
		if (source->rows[i].addr_be == addr_be)
			return true;
	return false;
}
