/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The writer's side of the IPv4 LPM (lpm4.h): sets and clears prefixes. Called by the control
 * thread only, while any number of readers look up.
 *
 * Every slot holds the depth of the prefix that owns it, so that a change of prefix P touches
 * exactly the slots of P that no longer prefix owns: setting overwrites slots of equal or shorter
 * depth, clearing gives slots of equal depth to the parent. There is no other bookkeeping; what
 * lies under a prefix is the caller's knowledge (rib.h).
 *
 * A group is made for the first prefix longer than /24 of its 256 addresses and goes when the last
 * one has gone, which the depths in it show. It then reads like the single entry that replaces it,
 * and stays so until the retire hook says that no reader can be in it: that is when it may be
 * filled anew.
 *
 * Memory: both arrays are reserved at full size and touched as used. tbl24 starts with small pages,
 * since one route must not cost 2 MB in every namespace; a 2 MB block of which a quarter is in use
 * becomes one huge page, because a random lookup over small pages pays for a TLB miss as well.
 */
#include "fib/lpm4.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_debug.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

enum {
	GROUP_SLOTS = 256,
	TBL24_SLOTS = 1 << 24,
	DEPTH_SHIFT = 24,
	DEPTH_MASK = 0x7f,
	PAGE_SLOTS = 4096 / sizeof(uint32_t),
	BLOCK_SIZE = 2 << 20,
	BLOCK_PAGES = BLOCK_SIZE / 4096,
	BLOCK_SLOTS = BLOCK_SIZE / sizeof(uint32_t),
	N_BLOCKS = TBL24_SLOTS / BLOCK_SLOTS,
	N_PAGES = TBL24_SLOTS / PAGE_SLOTS,
	HUGE_FROM_PAGES = BLOCK_PAGES / 4,
};

/* Which 4 KiB pages of tbl24 hold entries, or once did. */
struct lpm4_map {
	uint64_t pages[N_PAGES / 64];
	uint16_t n_touched[N_BLOCKS];
	bool is_huge[N_BLOCKS];
};

struct lpm4_pool {
	uint32_t *slots; /* max_groups * GROUP_SLOTS */
	uint32_t *free;	 /* stack of groups that may be used again */
	unsigned int n_free, n_fresh, max_groups;
	unsigned int n_huge; /* groups in blocks that were made huge */
	lpm4_retire_fn *retire;
	void *ctx;
};

/* A range of one array: the slots that a prefix covers in it. */
struct range {
	uint32_t first, n;
};

static uint32_t entry_make(uint8_t len, uint32_t value)
{
	return (uint32_t)(len + 1) << DEPTH_SHIFT | value;
}

/* Length of the owning prefix plus one; 0 for an empty slot. Not for a reference to a group. */
static unsigned int entry_depth(uint32_t entry)
{
	return entry >> DEPTH_SHIFT & DEPTH_MASK;
}

static void slot_store(uint32_t *slot, uint32_t entry)
{
	/* Pairs with the loads in lpm4_slot(): what a group holds is seen before the group is. */
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

/* Address space without memory, aligned so that huge pages fit. NULL: none. */
static void *space_reserve(size_t size)
{
	size_t offset, total = size + BLOCK_SIZE;
	char *base = mmap(NULL, total, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	offset = (size_t)(-(uintptr_t)base & (BLOCK_SIZE - 1));
	if (offset > 0)
		munmap(base, offset);
	munmap(base + offset + size, total - offset - size);
	/* Small pages until asked otherwise. Where there are no huge ones this fails, and is fine. */
	(void)madvise(base + offset, size, MADV_NOHUGEPAGE);
	return base + offset;
}

static void space_make_huge(void *base, size_t size)
{
	/* Best effort, both: speed only. The second moves what is there already, at once. */
	if (madvise(base, size, MADV_HUGEPAGE) == 0)
		(void)madvise(base, size, MADV_COLLAPSE);
}

/* Groups */

static size_t pool_slots_size(unsigned int max_groups)
{
	return RTE_ALIGN_CEIL(
		(size_t)max_groups * GROUP_SLOTS * sizeof(uint32_t), (size_t)BLOCK_SIZE);
}

static size_t pool_free_size(unsigned int max_groups)
{
	return RTE_ALIGN_CEIL((size_t)max_groups * sizeof(uint32_t), (size_t)BLOCK_SIZE);
}

int lpm4_pool_create(
	unsigned int max_groups, lpm4_retire_fn *retire, void *ctx, struct lpm4_pool **out)
{
	struct lpm4_pool *pool;

	if (max_groups == 0 || max_groups > LPM4_VALUE_MAX + 1)
		return -EINVAL;
	pool = mem_zalloc(sizeof(*pool));
	pool->max_groups = max_groups;
	pool->retire = retire;
	pool->ctx = ctx;
	pool->slots = space_reserve(pool_slots_size(max_groups));
	pool->free = space_reserve(pool_free_size(max_groups));
	if (pool->slots == NULL || pool->free == NULL) {
		lpm4_pool_destroy(pool);
		return -ENOMEM;
	}
	*out = pool;
	return 0;
}

void lpm4_pool_destroy(struct lpm4_pool *pool)
{
	if (pool == NULL)
		return;
	if (pool->slots != NULL)
		munmap(pool->slots, pool_slots_size(pool->max_groups));
	if (pool->free != NULL)
		munmap(pool->free, pool_free_size(pool->max_groups));
	free(pool);
}

unsigned int lpm4_pool_used(const struct lpm4_pool *pool)
{
	return pool->n_fresh - pool->n_free;
}

/* Makes the pool's memory huge block by block, once the first is a quarter full. */
static void pool_extend_huge(struct lpm4_pool *pool)
{
	const unsigned int per_block = BLOCK_SIZE / (GROUP_SLOTS * sizeof(uint32_t));

	if (pool->n_fresh < per_block / 4 || pool->n_fresh < pool->n_huge)
		return;
	space_make_huge(&pool->slots[(size_t)pool->n_huge * GROUP_SLOTS], BLOCK_SIZE);
	pool->n_huge += per_block;
}

/* A group with all slots set to entry, seen by nobody yet. False: none is left. */
static bool group_get(struct lpm4_pool *pool, uint32_t entry, uint32_t *out)
{
	uint32_t group;

	if (pool->n_free > 0) {
		group = pool->free[--pool->n_free];
	} else if (pool->n_fresh < pool->max_groups) {
		pool_extend_huge(pool);
		group = pool->n_fresh++;
	} else {
		return false;
	}
	for (unsigned int i = 0; i < GROUP_SLOTS; i++)
		pool->slots[(size_t)group * GROUP_SLOTS + i] = entry;
	*out = group;
	return true;
}

/* Runs when the grace period is over. */
static void group_free(void *ptr, uint64_t arg)
{
	struct lpm4_pool *pool = ptr;

	pool->free[pool->n_free++] = (uint32_t)arg;
}

static uint32_t *group_slots(const struct lpm4 *lpm, uint32_t entry)
{
	return &lpm->tbl8[(size_t)(entry & LPM4_VALUE) * GROUP_SLOTS];
}

/* Turns a group that no prefix longer than /24 uses any more back into one entry of tbl24. */
static void group_collapse(struct lpm4 *lpm, uint32_t *slot)
{
	uint32_t entry = *slot;
	const uint32_t *slots = group_slots(lpm, entry);

	for (unsigned int i = 0; i < GROUP_SLOTS; i++)
		if (entry_depth(slots[i]) > 24 + 1)
			return;
	slot_store(slot, slots[0]);
	lpm->pool->retire(lpm->pool->ctx, group_free, lpm->pool, entry & LPM4_VALUE);
}

/* Tables */

int lpm4_create(struct lpm4_pool *pool, struct lpm4 **out)
{
	struct lpm4 *lpm = mem_zalloc(sizeof(*lpm));

	lpm->tbl24 = space_reserve(TBL24_SLOTS * sizeof(*lpm->tbl24));
	if (lpm->tbl24 == NULL) {
		free(lpm);
		return -ENOMEM;
	}
	lpm->tbl8 = pool->slots;
	lpm->pool = pool;
	lpm->map = mem_zalloc(sizeof(*lpm->map));
	*out = lpm;
	return 0;
}

/* Gives all groups that a page of tbl24 refers to back to the pool. */
static void page_free_groups(struct lpm4 *lpm, unsigned int page)
{
	const uint32_t *slots = &lpm->tbl24[page * PAGE_SLOTS];

	for (unsigned int i = 0; i < PAGE_SLOTS; i++)
		if (slots[i] & LPM4_IS_GROUP)
			group_free(lpm->pool, slots[i] & LPM4_VALUE);
}

void lpm4_destroy(struct lpm4 *lpm)
{
	if (lpm == NULL)
		return;
	for (unsigned int page = 0; page < N_PAGES; page++)
		if (lpm->map->pages[page / 64] & UINT64_C(1) << page % 64)
			page_free_groups(lpm, page);
	munmap(lpm->tbl24, TBL24_SLOTS * sizeof(*lpm->tbl24));
	free(lpm->map);
	free(lpm);
}

/* Notes which pages of tbl24 are about to be touched; gives those that fill up a huge one. */
static void map_touch(struct lpm4 *lpm, const struct range *range)
{
	struct lpm4_map *map = lpm->map;
	unsigned int last = (range->first + range->n - 1) / PAGE_SLOTS;

	for (unsigned int page = range->first / PAGE_SLOTS; page <= last; page++) {
		unsigned int block = page / BLOCK_PAGES;
		uint64_t bit = UINT64_C(1) << page % 64;

		if (map->pages[page / 64] & bit)
			continue;
		map->pages[page / 64] |= bit;
		map->n_touched[block]++;
		if (map->is_huge[block] || map->n_touched[block] < HUGE_FROM_PAGES)
			continue;
		map->is_huge[block] = true;
		space_make_huge(&lpm->tbl24[(size_t)block * BLOCK_SLOTS], BLOCK_SIZE);
	}
}

/* The slots of tbl24 that a prefix of 1 to 24 bits covers, or the one that a longer one lies in. */
static struct range range24(uint32_t addr, uint8_t len)
{
	uint32_t n = len >= 24 ? 1 : UINT32_C(1) << (24 - len);

	return (struct range){ .first = addr >> 8 & ~(n - 1), .n = n };
}

/* The slots of a group that a prefix longer than /24 covers. */
static struct range range8(uint32_t addr, uint8_t len)
{
	uint32_t n = UINT32_C(1) << (32 - len);

	return (struct range){ .first = addr & 0xff & ~(n - 1), .n = n };
}

/* Stores entry in all slots whose depth lies in min..max. */
static void slots_store(
	uint32_t *slots, unsigned int n, unsigned int min, unsigned int max, uint32_t entry)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int depth = entry_depth(slots[i]);

		if (depth >= min && depth <= max && slots[i] != entry)
			slot_store(&slots[i], entry);
	}
}

/* The same for a range of tbl24, and inside the groups that it refers to. */
static void tbl24_store(struct lpm4 *lpm, const struct range *range, unsigned int min,
	unsigned int max, uint32_t entry)
{
	uint32_t *slots = &lpm->tbl24[range->first];

	for (uint32_t i = 0; i < range->n; i++) {
		if (slots[i] & LPM4_IS_GROUP)
			slots_store(group_slots(lpm, slots[i]), GROUP_SLOTS, min, max, entry);
		else
			slots_store(&slots[i], 1, min, max, entry);
	}
}

static void default_store(struct lpm4 *lpm, uint32_t entry)
{
	uint64_t old = lpm->default_entry;

	if ((uint32_t)old == entry)
		return;
	/* Pairs with the loads in lpm4_lookup(). */
	__atomic_store_n(&lpm->default_entry, ((old >> 32) + 1) << 32 | entry, __ATOMIC_RELEASE);
}

static int set_long(struct lpm4 *lpm, uint32_t addr, uint8_t len, uint32_t entry)
{
	struct range in24 = range24(addr, len), in8 = range8(addr, len);
	uint32_t *slot = &lpm->tbl24[in24.first];
	uint32_t group;

	map_touch(lpm, &in24);
	if (*slot & LPM4_IS_GROUP) {
		slots_store(
			group_slots(lpm, *slot) + in8.first, in8.n, 0, entry_depth(entry), entry);
		return 0;
	}
	if (!group_get(lpm->pool, *slot, &group))
		return -ENOSPC;
	slots_store(group_slots(lpm, group) + in8.first, in8.n, 0, entry_depth(entry), entry);
	slot_store(slot, LPM4_IS_GROUP | group);
	return 0;
}

int lpm4_set(struct lpm4 *lpm, uint32_t addr, uint8_t len, uint32_t value)
{
	uint32_t entry = entry_make(len, value);
	struct range range;

	RTE_ASSERT(len <= 32 && value <= LPM4_VALUE_MAX);
	if (len == 0) {
		default_store(lpm, entry);
		return 0;
	}
	if (len > 24)
		return set_long(lpm, addr, len, entry);
	range = range24(addr, len);
	map_touch(lpm, &range);
	tbl24_store(lpm, &range, 0, entry_depth(entry), entry);
	return 0;
}

int lpm4_clear(struct lpm4 *lpm, uint32_t addr, uint8_t len, bool has_parent, uint8_t parent_len,
	uint32_t parent_value)
{
	/* The default is what an empty slot means. */
	uint32_t entry = has_parent && parent_len > 0 ? entry_make(parent_len, parent_value) : 0;
	struct range in24 = range24(addr, len), in8;
	uint32_t *slot = &lpm->tbl24[in24.first];

	RTE_ASSERT(
		len <= 32 && parent_value <= LPM4_VALUE_MAX && (!has_parent || parent_len < len));
	if (len == 0) {
		default_store(lpm, 0);
		return 0;
	}
	if (len <= 24) {
		tbl24_store(lpm, &in24, len + 1u, len + 1u, entry);
		return 0;
	}
	if (!(*slot & LPM4_IS_GROUP))
		return -ENOENT;
	in8 = range8(addr, len);
	slots_store(group_slots(lpm, *slot) + in8.first, in8.n, len + 1u, len + 1u, entry);
	group_collapse(lpm, slot);
	return 0;
}
