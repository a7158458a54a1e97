/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Our IPv6 addresses as workers see them: one immutable table per namespace, made anew by the
 * control thread whenever an address comes, goes or changes its state, published by pointer, the
 * old one retired. The questions that are asked of it are pure functions, any thread.
 *
 * A link-local address is found only together with its link: the same one may be on every link.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "ns/ns_priv.h"

static int row_compare(const void *a, const void *b)
{
	const struct ns_own6_row *x = a, *y = b;
	int order = memcmp(x->addr, y->addr, sizeof(x->addr));

	return order != 0 ? order : (x->link > y->link) - (x->link < y->link);
}

static void own6_set_bit(uint64_t *bits, uint32_t hash)
{
	bits[hash >> 6] |= UINT64_C(1) << (hash & 63);
}

static void own6_add(struct ns_own6 *own, const struct ns_addr *addr, uint16_t order)
{
	struct ns_own6_row *row = &own->rows[own->n++];

	*row = (struct ns_own6_row){
		.link = addr->link,
		.order = order,
		.prefix_len = addr->prefix.len,
		.flags = addr->flags,
	};
	memcpy(row->addr, addr->prefix.addr.bytes, sizeof(row->addr));
	own->first[row->addr[0]] |= NS_FIRST_OWN;
	own6_set_bit(own->bits, ns_own6_hash(row->addr));
	own6_set_bit(own->group_bits, ns_own6_group_hash(row->addr));
}

void ns_own6_publish(struct dp *dp, uint16_t ns)
{
	struct ns_state *state = dp_slot(dp, &ns_module);
	struct ns_own6 *own, *old = state->own6[ns];
	size_t size = sizeof(*own) + state->n_addrs * sizeof(own->rows[0]);

	own = mem_zalloc((size + RTE_CACHE_LINE_MASK) & ~(size_t)RTE_CACHE_LINE_MASK);
	/* Unspecified, loopback, link-local and multicast begin so, and little else does. */
	own->first[0x00] = own->first[0xfe] = own->first[0xff] = NS_FIRST_MARTIAN;
	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (state->addrs[i].ns == ns && state->addrs[i].prefix.addr.family == AF_INET6 &&
			!(state->addrs[i].flags & NS_ADDR_DADFAILED))
			own6_add(own, &state->addrs[i], (uint16_t)RTE_MIN(i, UINT16_MAX));
	qsort(own->rows, own->n, sizeof(own->rows[0]), row_compare);
	/* Pairs with the loads of lib/ip and lib/neigh; the pointer orders what it points to. */
	__atomic_store_n(&state->own6[ns], own, __ATOMIC_RELEASE);
	dp_retire_heap(dp, old);
}

struct ns_own6 *const *ns_own6_tables(const struct dp *dp)
{
	const struct ns_state *state = dp_slot(dp, &ns_module);

	return state->own6;
}

const struct ns_own6_row *ns_own6_search(
	const struct ns_own6 *own, const uint8_t *addr, uint16_t link)
{
	uint32_t low = 0, high = own->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(own->rows[middle].addr, addr, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < own->n && memcmp(own->rows[low].addr, addr, 16) == 0; low++)
		if (own->rows[low].link == link || !ip6_is_link_local(addr))
			return &own->rows[low];
	return NULL;
}

/* RFC 4291 2.7.1: ff02::1:ff00:0/104 and the last three bytes of the address. */
static const uint8_t solicited_node[13] = { 0xff, 0x02, [11] = 0x01, [12] = 0xff };

void ns_solicited_node(const uint8_t *addr, uint8_t out[static 16])
{
	memcpy(out, solicited_node, sizeof(solicited_node));
	memcpy(out + 13, addr + 13, 3);
}

bool ns_own6_has_group(const struct ns_own6 *own, const uint8_t *group, uint16_t link)
{
	uint32_t hash = ns_own6_group_hash(group);

	/* All nodes; all routers, of the link and of the site (RFC 4291 2.7.1, 2.8). */
	if (memcmp(group + 2, (const uint8_t[13]){ 0 }, 13) == 0)
		return (group[1] == 0x02 && (group[15] == 1 || group[15] == 2)) ||
		       (group[1] == 0x05 && group[15] == 2);
	if (memcmp(group, solicited_node, sizeof(solicited_node)) != 0 ||
		!(own->group_bits[hash >> 6] & (UINT64_C(1) << (hash & 63))))
		return false;
	for (uint32_t i = 0; i < own->n; i++)
		if (own->rows[i].link == link && memcmp(own->rows[i].addr + 13, group + 13, 3) == 0)
			return true;
	return false;
}

/* Leading bits that two addresses have in common. */
static unsigned int common_len(const uint8_t *a, const uint8_t *b)
{
	unsigned int i = 0;

	while (i < 16 && a[i] == b[i])
		i++;
	return i == 16 ? 128
		       : 8 * i + (unsigned int)__builtin_clz((unsigned int)(a[i] ^ b[i])) - 24;
}

/*
 * How well an address suits as the source of packets to dst out of a link; 0: not at all. RFC 6724 5
 * as far as it means something to a router: rule 2 (scope), 5 (the outgoing link), 8 (longest
 * match); an address of another link serves when the own one has none of that scope.
 */
static unsigned int source_rank(const struct ns_own6_row *row, uint16_t link, const uint8_t *dst)
{
	bool is_near = ip6_is_link_local(dst) || ip6_is_link_multicast(dst);
	bool has_scope = ip6_is_link_local(row->addr) == is_near;
	unsigned int match = common_len(row->addr, dst);

	if (row->flags & NS_ADDR_TENTATIVE)
		return 0;
	if (row->link != link && (is_near || ip6_is_link_local(row->addr)))
		return 0;
	return 1 + (has_scope ? 512 : 0) + (row->link == link ? 256 : 0) +
	       RTE_MIN(match, (unsigned int)row->prefix_len);
}

bool ns_own6_select(
	const struct ns_own6 *own, uint16_t link, const uint8_t *dst, uint8_t out[static 16])
{
	const struct ns_own6_row *best = NULL;
	unsigned int best_rank = 0;

	for (uint32_t i = 0; i < own->n; i++) {
		const struct ns_own6_row *row = &own->rows[i];
		unsigned int rank = source_rank(row, link, dst);

		if (rank < best_rank || rank == 0 ||
			(rank == best_rank && row->order > best->order))
			continue;
		best = row;
		best_rank = rank;
	}
	if (best == NULL)
		return false;
	memcpy(out, best->addr, sizeof(best->addr));
	return true;
}
