/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The array of adjacencies: handing out indexes, and the one store that changes what packets get.
 * Called by neigh.c on the control thread, the only writer; workers read the array.
 *
 * An index is published by a route or by mail, both of which order the stores that filled the rest
 * of the line before it. It comes back in three steps: the caller takes it out of every table, a
 * grace period passes (dp_retire), and then it waits for a second at the end of the list of free
 * ones. That second is for packets that carry the index in their metadata through an inject ring:
 * they outlive a pass, and so a grace period, but not for long.
 */
#include "neigh/neigh_priv.h"

#include <errno.h>
#include <rte_vect.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"

#define ADJ_REUSE_NS  UINT64_C(1000000000)
#define ADJ_HUGE_PAGE (UINT64_C(2) << 20)

/* The first 16 bytes of an adjacency, as they are stored. */
typedef xmm_t adj_vec __attribute__((may_alias));

union adj_front {
	adj_vec vec;
	struct {
		struct rte_ether_hdr ether;
		uint8_t state;
		uint8_t reserved;
	};
};
static_assert(sizeof(union adj_front) == 16, "one aligned store");
static_assert(offsetof(struct adj, state) == offsetof(union adj_front, state), "same layout");
static_assert(offsetof(struct adj, header) == 0, "aligned");

int adj_init(struct neigh_table *table)
{
	size_t size = ADJ_MAX * sizeof(struct adj);
	uintptr_t start;

	table->slots = calloc(ADJ_MAX, sizeof(*table->slots));
	if (table->slots == NULL)
		return -ENOMEM;
	/* Aligned by hand to what the kernel can back with huge pages. */
	table->adj_map = mmap(NULL, size + ADJ_HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table->adj_map == MAP_FAILED) {
		free(table->slots);
		return -ENOMEM;
	}
	start = RTE_ALIGN_CEIL((uintptr_t)table->adj_map, ADJ_HUGE_PAGE);
	table->adjs = (struct adj *)start;
	(void)madvise(table->adjs, size, MADV_HUGEPAGE); /* only speed depends on it */
	table->n_adjs = ADJ_FIRST_DYNAMIC;
	for (uint32_t i = ADJ_NONE; i <= ADJ_PROHIBIT; i++)
		table->adjs[i].kind = (uint8_t)i;
	return 0;
}

void adj_fini(struct neigh_table *table)
{
	munmap(table->adj_map, ADJ_MAX * sizeof(struct adj) + ADJ_HUGE_PAGE);
	free(table->slots);
	table->adjs = NULL;
	table->slots = NULL;
}

static uint32_t adj_take_index(struct neigh_table *table, uint64_t now_ns)
{
	uint32_t head = table->free_head;

	/* Long-free ones first, so that the array stays small; short-free ones only at the end. */
	if (head != 0 && (now_ns >= table->slots[head].freed_ns + ADJ_REUSE_NS)) {
		table->free_head = table->slots[head].next_free;
		if (table->free_head == 0)
			table->free_tail = 0;
		return head;
	}
	return table->n_adjs < ADJ_MAX ? table->n_adjs++ : 0;
}

int adj_alloc(struct dp *dp, enum adj_kind kind, const struct link *link,
	const struct neigh_key *key, struct neigh_entry *owner, uint32_t *out)
{
	struct neigh_table *table = neigh_table(dp);
	uint32_t index = adj_take_index(table, dp->now_ns);
	struct adj *adj;

	if (index == 0) {
		log_err("neigh", "out of adjacencies max=%u", (unsigned int)ADJ_MAX);
		return -ENOSPC;
	}
	adj = &table->adjs[index];
	*adj = (struct adj){
		.kind = (uint8_t)kind,
		.family = key->addr.family,
		.link = link->ifindex,
		.mtu = link->mtu,
		.ns = link->ns,
	};
	if (kind == ADJ_KIND_NEIGH)
		adj->next_hop = key->addr;
	table->slots[index] = (struct adj_slot){ .owner = owner };
	*out = index;
	return 0;
}

static void adj_free_index(void *ptr, uint64_t arg)
{
	struct dp *dp = ptr;
	struct neigh_table *table = neigh_table(dp);
	uint32_t index = (uint32_t)arg;

	if (table->slots == NULL)
		return; /* the end of the dataplane: modules go before what is retired */
	table->slots[index].freed_ns = dp->now_ns;
	table->slots[index].next_free = 0;
	if (table->free_tail != 0)
		table->slots[table->free_tail].next_free = index;
	else
		table->free_head = index;
	table->free_tail = index;
}

void adj_retire(struct dp *dp, uint32_t index)
{
	neigh_table(dp)->slots[index].owner = NULL;
	dp_retire(dp, adj_free_index, dp, index);
}

void adj_publish(struct neigh_table *table, const struct neigh *neigh, const struct link *link)
{
	union adj_front front;

	memset(&front, 0, sizeof(front));
	if (neigh_is_valid(neigh)) {
		memcpy(&front.ether.dst_addr, &neigh->lladdr, sizeof(neigh->lladdr));
		memcpy(&front.ether.src_addr, &link->mac, sizeof(link->mac));
		front.ether.ether_type = rte_cpu_to_be_16(
			neigh->addr.family == AF_INET ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
		front.state = ADJ_RESOLVED;
		if (neigh->state == NEIGH_STALE)
			front.state |= ADJ_TELL_USE;
	}
	*(volatile adj_vec *)&table->adjs[neigh->adj] = front.vec;
}

void adj_set_mtu(struct neigh_table *table, uint32_t index, uint16_t mtu)
{
	__atomic_store_n(&table->adjs[index].mtu, mtu, __ATOMIC_RELAXED);
}

const struct adj *adj_table(const struct dp *dp)
{
	return neigh_table(dp)->adjs;
}
