/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The writer's side of the LPM (lpm.h): sets and clears prefixes. Called by the control thread
 * only, while any number of readers look up.
 *
 * Every slot holds the depth of the prefix that owns it, so that a change of prefix P touches
 * exactly the slots of P that no longer prefix owns: setting overwrites slots of equal or shorter
 * depth, clearing gives slots of equal depth to the parent. There is no other bookkeeping; what
 * lies under a prefix is the caller's knowledge (rib.h).
 *
 * A group is made for the first prefix that is longer than the level above can tell, and goes when
 * the last one has gone, which the depths in it show. It then reads like the single entry that
 * replaces it, and stays so until the retire hook says that no reader can be in it: that is when it
 * may be filled anew.
 */
#include "fib/lpm.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_debug.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

enum {
	DEPTH_SHIFT = LPM_VALUE_BITS,
	DEPTH_MASK = 0xff,
	LEVELS_MAX = 15, /* of an IPv6 address: 16 bits, then 14 times 8 */
	HUGE_PAGE = 2 << 20,
};

struct lpm_pool {
	uint32_t *roots;       /* max_tables * LPM_ROOT_SLOTS */
	uint32_t *groups;      /* max_groups * LPM_GROUP_SLOTS */
	uint32_t *free_groups; /* stack of groups that may be used again */
	uint32_t *free_tables; /* the same of tables, all zero */
	unsigned int n_free_groups, n_fresh_groups, max_groups;
	unsigned int n_free_tables, n_fresh_tables, max_tables;
	lpm_retire_fn *retire;
	void *ctx;
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
	/* Pairs with the loads of lookups: what a group holds is seen before the group is. */
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

/* Memory */

/* Address space without memory, in huge pages where there are some. NULL: none. */
static void *space_reserve(size_t size)
{
	size_t offset, total = RTE_ALIGN_CEIL(size, (size_t)HUGE_PAGE) + HUGE_PAGE;
	char *base = mmap(NULL, total, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	offset = (size_t)(-(uintptr_t)base & (HUGE_PAGE - 1));
	if (offset > 0)
		munmap(base, offset);
	munmap(base + total - HUGE_PAGE + offset, HUGE_PAGE - offset);
	(void)madvise(
		base + offset, total - HUGE_PAGE, MADV_HUGEPAGE); /* only speed depends on it */
	return base + offset;
}

static void space_release(void *base, size_t size)
{
	if (base != NULL)
		munmap(base, RTE_ALIGN_CEIL(size, (size_t)HUGE_PAGE));
}

static size_t roots_size(const struct lpm_pool *pool)
{
	return (size_t)pool->max_tables * LPM_ROOT_SLOTS * sizeof(uint32_t);
}

static size_t groups_size(const struct lpm_pool *pool)
{
	return (size_t)pool->max_groups * LPM_GROUP_SLOTS * sizeof(uint32_t);
}

int lpm_pool_create(unsigned int max_tables, unsigned int max_groups, lpm_retire_fn *retire,
	void *ctx, struct lpm_pool **out)
{
	struct lpm_pool *pool;

	if (max_tables == 0 || max_groups == 0 || max_groups > LPM_VALUE_MAX + 1)
		return -EINVAL;
	pool = mem_zalloc(sizeof(*pool));
	pool->max_tables = max_tables;
	pool->max_groups = max_groups;
	pool->retire = retire;
	pool->ctx = ctx;
	pool->roots = space_reserve(roots_size(pool));
	pool->groups = space_reserve(groups_size(pool));
	pool->free_groups = calloc(max_groups, sizeof(*pool->free_groups));
	pool->free_tables = calloc(max_tables, sizeof(*pool->free_tables));
	if (pool->roots == NULL || pool->groups == NULL || pool->free_groups == NULL ||
		pool->free_tables == NULL) {
		lpm_pool_destroy(pool);
		return -ENOMEM;
	}
	*out = pool;
	return 0;
}

void lpm_pool_destroy(struct lpm_pool *pool)
{
	if (pool == NULL)
		return;
	space_release(pool->roots, roots_size(pool));
	space_release(pool->groups, groups_size(pool));
	free(pool->free_groups);
	free(pool->free_tables);
	free(pool);
}

unsigned int lpm_pool_used(const struct lpm_pool *pool)
{
	return pool->n_fresh_groups - pool->n_free_groups;
}

static unsigned int pool_available(const struct lpm_pool *pool)
{
	return pool->max_groups - lpm_pool_used(pool);
}

/* A group with all slots set to entry, seen by nobody yet. One must be available. */
static uint32_t group_get(struct lpm_pool *pool, uint32_t entry)
{
	uint32_t group = pool->n_free_groups > 0 ? pool->free_groups[--pool->n_free_groups]
						 : pool->n_fresh_groups++;

	RTE_ASSERT(group < pool->max_groups);
	for (unsigned int i = 0; i < LPM_GROUP_SLOTS; i++)
		pool->groups[(size_t)group * LPM_GROUP_SLOTS + i] = entry;
	return group;
}

/* Runs when the grace period is over. */
static void group_free(void *ptr, uint64_t arg)
{
	struct lpm_pool *pool = ptr;

	pool->free_groups[pool->n_free_groups++] = (uint32_t)arg;
}

static uint32_t *group_slots(const struct lpm_pool *pool, uint32_t entry)
{
	return &pool->groups[(size_t)(entry & LPM_VALUE) * LPM_GROUP_SLOTS];
}

/* Tables */

int lpm_create(struct lpm_pool *pool, uint8_t bits, struct lpm **out)
{
	struct lpm *lpm;
	uint32_t table;

	if (pool->n_free_tables > 0)
		table = pool->free_tables[--pool->n_free_tables];
	else if (pool->n_fresh_tables < pool->max_tables)
		table = pool->n_fresh_tables++;
	else
		return -ENOSPC;
	lpm = mem_zalloc(sizeof(*lpm));
	lpm->root = &pool->roots[(size_t)table * LPM_ROOT_SLOTS];
	lpm->groups = pool->groups;
	lpm->pool = pool;
	lpm->bits = bits;
	*out = lpm;
	return 0;
}

/* Gives all groups that these slots refer to back to the pool, and those below them. */
static void slots_free_groups(struct lpm_pool *pool, const uint32_t *slots, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!(slots[i] & LPM_IS_GROUP))
			continue;
		slots_free_groups(pool, group_slots(pool, slots[i]), LPM_GROUP_SLOTS);
		group_free(pool, slots[i] & LPM_VALUE);
	}
}

void lpm_destroy(struct lpm *lpm)
{
	struct lpm_pool *pool;

	if (lpm == NULL)
		return;
	pool = lpm->pool;
	slots_free_groups(pool, lpm->root, LPM_ROOT_SLOTS);
	memset(lpm->root, 0, LPM_ROOT_SLOTS * sizeof(*lpm->root));
	pool->free_tables[pool->n_free_tables++] =
		(uint32_t)((size_t)(lpm->root - pool->roots) / LPM_ROOT_SLOTS);
	free(lpm);
}

/* Levels: level 0 is the root, level l > 0 the groups for byte l + 1 of the address. */

/* Bits of the address that are used up when an entry of the level has been chosen. */
static unsigned int level_end(unsigned int level)
{
	return 16 + 8 * level;
}

/* The level whose slots a prefix of this length lies in. */
static unsigned int level_of(uint8_t len)
{
	return len <= 16 ? 0 : (len - 9u) / 8;
}

static unsigned int level_index(const uint8_t *addr, unsigned int level)
{
	return level == 0 ? (unsigned int)addr[0] << 8 | addr[1] : addr[level + 1];
}

/* A range of slots of one level: what a prefix covers there. */
struct range {
	unsigned int first, n;
};

static struct range range_of(const uint8_t *addr, uint8_t len)
{
	unsigned int level = level_of(len), n = 1u << (level_end(level) - len);

	return (struct range){ .first = level_index(addr, level) & ~(n - 1), .n = n };
}

/* The way from the root to a level. */
struct path {
	uint32_t *slot[LEVELS_MAX]; /* slot[l] lies on level l and leads to level l + 1 */
	uint32_t *slots;	    /* the slots of the last level that exists */
	unsigned int level;	    /* that one */
};

/* Follows addr down to the wanted level, or as far as there are groups. */
static struct path path_find(const struct lpm *lpm, const uint8_t *addr, unsigned int level)
{
	struct path path = { .slots = lpm->root };

	while (path.level < level) {
		uint32_t *slot = &path.slots[level_index(addr, path.level)];

		path.slot[path.level] = slot;
		if (!(*slot & LPM_IS_GROUP))
			break;
		path.slots = group_slots(lpm->pool, *slot);
		path.level++;
	}
	return path;
}

/* Stores entry in all slots whose depth lies in min..max, also in the groups that they refer to. */
static void slots_store(struct lpm_pool *pool, uint32_t *slots, unsigned int n, unsigned int min,
	unsigned int max, uint32_t entry)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int depth = entry_depth(slots[i]);

		if (slots[i] & LPM_IS_GROUP)
			slots_store(pool, group_slots(pool, slots[i]), LPM_GROUP_SLOTS, min, max,
				entry);
		else if (depth >= min && depth <= max && slots[i] != entry)
			slot_store(&slots[i], entry);
	}
}

static void default_store(struct lpm *lpm, uint32_t entry)
{
	uint64_t old = lpm->default_entry;

	if ((uint32_t)old == entry)
		return;
	/* Pairs with the loads in lpm_lookup(). */
	__atomic_store_n(&lpm->default_entry, ((old >> 32) + 1) << 32 | entry, __ATOMIC_RELEASE);
}

/* Makes the groups that are missing between the end of a path and the level of a prefix. */
static int set_with_groups(
	struct lpm *lpm, const struct path *path, const uint8_t *addr, uint8_t len, uint32_t entry)
{
	struct lpm_pool *pool = lpm->pool;
	unsigned int level = level_of(len);
	uint32_t *slot = path->slot[path->level];
	struct range range = range_of(addr, len);
	uint32_t before = *slot, group;

	if (pool_available(pool) < level - path->level)
		return -ENOSPC;
	/* From the bottom up, so that what is published is complete. */
	group = group_get(pool, before);
	slots_store(pool, group_slots(pool, group) + range.first, range.n, 0, entry_depth(entry),
		entry);
	while (--level > path->level) {
		uint32_t upper = group_get(pool, before);

		group_slots(pool, upper)[level_index(addr, level)] = LPM_IS_GROUP | group;
		group = upper;
	}
	slot_store(slot, LPM_IS_GROUP | group);
	return 0;
}

int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value)
{
	uint32_t entry = entry_make(len, value);
	struct range range;
	struct path path;

	RTE_ASSERT(len <= lpm->bits && value <= LPM_VALUE_MAX);
	if (len == 0) {
		default_store(lpm, entry);
		return 0;
	}
	path = path_find(lpm, addr, level_of(len));
	if (path.level < level_of(len))
		return set_with_groups(lpm, &path, addr, len, entry);
	range = range_of(addr, len);
	slots_store(lpm->pool, path.slots + range.first, range.n, 0, entry_depth(entry), entry);
	return 0;
}

/* Does any prefix need this group: one too long for the level above? */
static bool group_is_needed(const uint32_t *slots, unsigned int level)
{
	for (unsigned int i = 0; i < LPM_GROUP_SLOTS; i++)
		if (slots[i] & LPM_IS_GROUP || entry_depth(slots[i]) > level_end(level - 1) + 1)
			return true;
	return false;
}

/* Turns groups that are no longer needed back into one entry of the level above. */
static void path_collapse(struct lpm *lpm, const struct path *path)
{
	for (unsigned int level = path->level; level > 0; level--) {
		uint32_t *slot = path->slot[level - 1];
		uint32_t entry = *slot;
		const uint32_t *slots = group_slots(lpm->pool, entry);

		if (group_is_needed(slots, level))
			return;
		slot_store(slot, slots[0]);
		lpm->pool->retire(lpm->pool->ctx, group_free, lpm->pool, entry & LPM_VALUE);
	}
}

int lpm_clear(struct lpm *lpm, const uint8_t *addr, uint8_t len, bool has_parent,
	uint8_t parent_len, uint32_t parent_value)
{
	/* The default is what an empty slot means. */
	uint32_t entry = has_parent && parent_len > 0 ? entry_make(parent_len, parent_value) : 0;
	struct range range;
	struct path path;

	RTE_ASSERT(len <= lpm->bits && parent_value <= LPM_VALUE_MAX &&
		   (!has_parent || parent_len < len));
	if (len == 0) {
		default_store(lpm, 0);
		return 0;
	}
	path = path_find(lpm, addr, level_of(len));
	if (path.level < level_of(len))
		return -ENOENT;
	range = range_of(addr, len);
	slots_store(lpm->pool, path.slots + range.first, range.n, len + 1u, len + 1u, entry);
	path_collapse(lpm, &path);
	return 0;
}
