/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * IPv4 longest prefix match: DIR-24-8 (Gupta, Lin, McKeown 1998). tbl24 is 16M entries of 4 bytes
 * of address space that is touched only where routes lie: a namespace with few routes costs
 * kilobytes. /25 and longer go to groups of 256 entries from one pool that all tables share. The
 * default route is kept beside the table, so that it does not touch all of it.
 *
 * One writer, the control thread; any number of lock-free readers. Every entry changes in one
 * store, so a reader gets the old or the new value of an address, never a third. A group is filled
 * before it is published and reused only after a grace period (the retire hook).
 *
 * A lookup may touch two places that change at different times: the slot, and the default where
 * the slot is empty. To pair an old slot with a later default would be a third value, one that the
 * address never had (default, then a /8 is added, then the default removed: "no route"). So the
 * default carries a generation, and a reader that needs it takes it only if it did not change
 * around the load of the slot. Slots and default are stored with release, loaded with acquire.
 */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	LPM4_VALUE_BITS = 24,
	LPM4_VALUE_MAX = (1 << LPM4_VALUE_BITS) - 1,
};

/* Entry: bit 31 group, bits 30..24 depth + 1 (0: no route but the default), 23..0 value or group. */
#define LPM4_IS_GROUP UINT32_C(0x80000000)
#define LPM4_VALUE    UINT32_C(0x00ffffff)

struct lpm4_pool; /* groups, shared by all tables of a process */

struct lpm4 {
	uint32_t *tbl24; /* 1 << 24 entries, mmap */
	uint32_t *tbl8;	 /* the pool's groups, 256 entries each; never moves */
	/* What an all-zero entry stands for, in the low half; the high half counts its changes. */
	uint64_t default_entry;
	struct lpm4_pool *pool;
	struct lpm4_map *map; /* which parts of tbl24 are in use; writer only */
};

/* The slot that decides about addr; 0: the default does. */
static inline uint32_t lpm4_slot(const struct lpm4 *lpm, uint32_t addr)
{
	uint32_t entry = __atomic_load_n(&lpm->tbl24[addr >> 8], __ATOMIC_ACQUIRE);

	if (unlikely(entry & LPM4_IS_GROUP))
		entry = __atomic_load_n(
			&lpm->tbl8[(entry & LPM4_VALUE) << 8 | (addr & 0xff)], __ATOMIC_ACQUIRE);
	return entry;
}

/* Value of the longest matching prefix; 0 (ADJ_NONE) when there is none. addr: host order. */
static inline uint32_t lpm4_lookup(const struct lpm4 *lpm, uint32_t addr)
{
	uint64_t before, after;
	uint32_t entry;

	after = __atomic_load_n(&lpm->default_entry, __ATOMIC_ACQUIRE);
	do {
		before = after;
		entry = lpm4_slot(lpm, addr);
		after = __atomic_load_n(&lpm->default_entry, __ATOMIC_ACQUIRE);
	} while (unlikely(after != before) && entry == 0);
	/* No branch: which packets take the default route cannot be predicted. */
	entry |= (uint32_t)after & -(uint32_t)(entry == 0);
	return entry & LPM4_VALUE;
}

static inline void lpm4_prefetch(const struct lpm4 *lpm, uint32_t addr)
{
	rte_prefetch0(&lpm->tbl24[addr >> 8]);
}

/* Calls fn(ptr, arg) after a grace period; in tests, at once or when the test says so. */
typedef void lpm4_retire_fn(
	void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg);

/* max_groups: reserves 1 KiB of address space each, touched as used. */
int lpm4_pool_create(
	unsigned int max_groups, lpm4_retire_fn *retire, void *ctx, struct lpm4_pool **out);
/* After all of its tables, and after the retire hook has run everything. */
void lpm4_pool_destroy(struct lpm4_pool *pool);
unsigned int lpm4_pool_used(const struct lpm4_pool *pool); /* groups in use or not yet reusable */

int lpm4_create(struct lpm4_pool *pool, struct lpm4 **out);
/* No reader may be left (call it from the retire hook): groups are free for reuse at once. */
void lpm4_destroy(struct lpm4 *lpm);

/*
 * Sets or changes the value of prefix addr/len (addr host order, host bits ignored, value
 * 0..LPM4_VALUE_MAX). -ENOSPC: no group left, nothing changed.
 */
int lpm4_set(struct lpm4 *lpm, uint32_t addr, uint8_t len, uint32_t value);
/*
 * Removes addr/len; the caller knows what lies under it: the longest shorter prefix that covers it
 * (parent_len, parent_value), or has_parent = false.
 */
int lpm4_clear(struct lpm4 *lpm, uint32_t addr, uint8_t len, bool has_parent, uint8_t parent_len,
	uint32_t parent_value);
