/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Longest prefix match for both families: a trie of direct tables (the idea of DIR-24-8; Gupta, Lin,
 * McKeown 1998) whose first level is taken by 16 bits of the address and every further one by 8.
 * The first level is 256 KiB: it stays in the second cache and needs few TLB entries, where a first
 * level of 24 bits (64 MiB) costs most packets a page walk. Further levels are groups of 256 entries
 * from one pool that all tables share, and exist only where routes are longer than the level above
 * can tell: an IPv4 /24 is found in two loads, a host route in three.
 *
 * One writer, the control thread; any number of lock-free readers. Every entry changes in one
 * store, so a reader gets the old or the new value of an address, never a third. A group is filled
 * before it is published and reused only after a grace period (the retire hook).
 *
 * The default route is kept beside the table, so that it does not touch all of it. A lookup may
 * then touch two places that change at different times: the slot, and the default where the slot is
 * empty. To pair an old slot with a later default would be a third value, one that the address
 * never had (default, then a /8 is added, then the default removed: "no route"). So the default
 * carries a generation, and a reader that needs it takes it only if it did not change around the
 * load of the slot. Slots and default are stored with release, loaded with acquire.
 */
#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_prefetch.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	LPM_VALUE_BITS = 23,
	LPM_VALUE_MAX = (1 << LPM_VALUE_BITS) - 1,
	LPM_ROOT_SLOTS = 1 << 16,
	LPM_GROUP_SLOTS = 256,
};

/* Entry: bit 31 group, bits 30..23 depth + 1 (0: no route but the default), 22..0 value or group. */
#define LPM_IS_GROUP UINT32_C(0x80000000)
#define LPM_VALUE    UINT32_C(0x007fffff)

struct lpm_pool; /* memory of all tables of a process */

struct lpm {
	uint32_t *root;	  /* LPM_ROOT_SLOTS entries */
	uint32_t *groups; /* the pool's groups, LPM_GROUP_SLOTS entries each; never moves */
	/* What an all-zero entry stands for, in the low half; the high half counts its changes. */
	uint64_t default_entry;
	struct lpm_pool *pool;
	uint8_t bits; /* of an address: 32 or 128 */
};

static inline uint32_t lpm_load(const uint32_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

/* The slot of a group for one byte of the address. */
static inline const uint32_t *lpm_group_slot(const struct lpm *lpm, uint32_t entry, uint8_t byte)
{
	return &lpm->groups[(size_t)(entry & LPM_VALUE) << 8 | byte];
}

/* The slot of the first level. first: 32 bits of the address, host order. */
static inline const uint32_t *lpm_root_slot(const struct lpm *lpm, uint32_t first)
{
	return &lpm->root[first >> 16];
}

/* Those bits of an IPv6 address. */
static inline uint32_t lpm6_first(const uint8_t *addr)
{
	uint32_t first;

	memcpy(&first, addr, sizeof(first));
	return rte_be_to_cpu_32(first);
}

/* From an entry on down, whose next byte of the address this is. */
static inline uint32_t lpm6_descend(const struct lpm *lpm, uint32_t entry, const uint8_t *next)
{
	for (; entry & LPM_IS_GROUP; next++)
		entry = lpm_load(lpm_group_slot(lpm, entry, *next));
	return entry;
}

/* The entry that decides about addr (host order); 0: the default does. */
static inline uint32_t lpm4_entry(const struct lpm *lpm, uint32_t addr)
{
	uint32_t entry = lpm_load(lpm_root_slot(lpm, addr));

	if (entry & LPM_IS_GROUP) {
		entry = lpm_load(lpm_group_slot(lpm, entry, (uint8_t)(addr >> 8)));
		if (unlikely(entry & LPM_IS_GROUP))
			entry = lpm_load(lpm_group_slot(lpm, entry, (uint8_t)addr));
	}
	return entry;
}

static inline uint32_t lpm6_entry(const struct lpm *lpm, const uint8_t *addr)
{
	return lpm6_descend(lpm, lpm_load(lpm_root_slot(lpm, lpm6_first(addr))), addr + 2);
}

/* The default, and how often it has changed: what a lookup compares with in the end. */
static inline uint64_t lpm_begin(const struct lpm *lpm)
{
	return __atomic_load_n(&lpm->default_entry, __ATOMIC_ACQUIRE);
}

/* What an entry says, the default where it says nothing. No branch: which packets take that cannot be predicted. */
static inline uint32_t lpm_answer(uint32_t entry, uint64_t default_entry)
{
	return (entry | ((uint32_t)default_entry & -(uint32_t)(entry == 0))) & LPM_VALUE;
}

/* The body of the two lookups below; the family is a constant. */
static inline __attribute__((always_inline)) uint32_t lpm_lookup(
	const struct lpm *lpm, uint32_t addr4, const uint8_t *addr6, const bool is_ip6)
{
	uint64_t before, after;
	uint32_t entry;

	after = lpm_begin(lpm);
	do {
		before = after;
		entry = is_ip6 ? lpm6_entry(lpm, addr6) : lpm4_entry(lpm, addr4);
		after = lpm_begin(lpm);
	} while (unlikely(after != before) && entry == 0);
	return lpm_answer(entry, after);
}

/* Value of the longest matching prefix; 0 (ADJ_NONE) when there is none. addr: host order. */
static inline uint32_t lpm4_lookup(const struct lpm *lpm, uint32_t addr)
{
	return lpm_lookup(lpm, addr, NULL, false);
}

/* The same for an IPv6 address of 16 bytes. */
static inline uint32_t lpm6_lookup(const struct lpm *lpm, const uint8_t *addr)
{
	return lpm_lookup(lpm, 0, addr, true);
}

/*
 * A lookup in three steps, for a burst whose cache lines are to come meanwhile: lpm_begin() before all of them,
 * lpm_approach() asks for the slot of the first level, lpm_seek() reads it and asks for the one that mostly has
 * the answer, lpm4_take() or lpm6_take() reads that. All in one pass, so that no group is used again meanwhile. The
 * answer is one that the address had in between, as with a plain lookup.
 */
static inline void lpm_approach(const struct lpm *lpm, uint32_t first)
{
	rte_prefetch0(lpm_root_slot(lpm, first));
}

static inline const uint32_t *lpm_seek(const struct lpm *lpm, uint32_t first)
{
	const uint32_t *slot = lpm_root_slot(lpm, first);
	uint32_t entry = lpm_load(slot);

	if (entry & LPM_IS_GROUP) {
		slot = lpm_group_slot(lpm, entry, (uint8_t)(first >> 8));
		rte_prefetch0(slot);
	}
	return slot;
}

static inline __attribute__((always_inline)) uint32_t lpm4_take(
	const struct lpm *lpm, const uint32_t *slot, uint32_t addr, uint64_t begin)
{
	uint32_t entry = lpm_load(slot);

	if (entry & LPM_IS_GROUP) {
		if (unlikely(slot == lpm_root_slot(lpm, addr)))
			return lpm4_lookup(lpm, addr); /* it has got a group since */
		entry = lpm_load(lpm_group_slot(lpm, entry, (uint8_t)addr));
	}
	if (unlikely(lpm_begin(lpm) != begin))
		return lpm4_lookup(lpm, addr);
	return lpm_answer(entry, begin);
}

static inline __attribute__((always_inline)) uint32_t lpm6_take(
	const struct lpm *lpm, const uint32_t *slot, const uint8_t *addr, uint64_t begin)
{
	uint32_t entry = lpm_load(slot);

	if (entry & LPM_IS_GROUP) {
		if (unlikely(slot == lpm_root_slot(lpm, lpm6_first(addr))))
			return lpm6_lookup(lpm, addr);
		entry = lpm6_descend(lpm, entry, addr + 3);
	}
	if (unlikely(lpm_begin(lpm) != begin))
		return lpm6_lookup(lpm, addr);
	return lpm_answer(entry, begin);
}

/* Asks for the cache line that a lookup will wait for: reads the first level, so not for free. */
static inline void lpm_prefetch(const struct lpm *lpm, uint32_t first)
{
	(void)lpm_seek(lpm, first);
}

/* Calls fn(ptr, arg) after a grace period; in tests, at once or when the test says so. */
typedef void lpm_retire_fn(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg);

/* Reserves address space, touched as used: 256 KiB for each table, 1 KiB for each group. */
int lpm_pool_create(unsigned int max_tables, unsigned int max_groups, lpm_retire_fn *retire,
	void *ctx, struct lpm_pool **out);
/* After all of its tables, and after the retire hook has run everything. */
void lpm_pool_destroy(struct lpm_pool *pool);
unsigned int lpm_pool_used(const struct lpm_pool *pool); /* groups in use or not yet reusable */

/* bits: 32 or 128. -ENOSPC: the pool has no table left. */
int lpm_create(struct lpm_pool *pool, uint8_t bits, struct lpm **out);
/* No reader may be left (call it from the retire hook): groups are free for reuse at once. */
void lpm_destroy(struct lpm *lpm);

/*
 * Sets or changes the value of prefix addr/len (addr in network order, bits / 8 bytes; host bits
 * ignored; value 0..LPM_VALUE_MAX). -ENOSPC: no group left, nothing changed.
 */
int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value);
/*
 * Removes addr/len; the caller knows what lies under it: the longest shorter prefix that covers it
 * (parent_len, parent_value), or has_parent = false. -ENOENT: there is none.
 */
int lpm_clear(struct lpm *lpm, const uint8_t *addr, uint8_t len, bool has_parent,
	uint8_t parent_len, uint32_t parent_value);
