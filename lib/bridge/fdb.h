/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The forwarding database of one bridge (IEEE 802.1Q 8.8): which member a station (MAC address and VLAN)
 * is behind. One line of memory holds four entries; a station has two lines that it may be in, chosen by
 * a seeded hash, so that nobody outside can choose stations that crowd one.
 *
 * Written by the control thread alone. Workers look up at any time, without locks, and note when they
 * last saw a station, once a second at most.
 */
#include <assert.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <smmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/hash.h"

enum {
	FDB_WAYS = 4,
	FDB_MAX_MIN = 64, /* entries that a table can be made for */
	FDB_MAX_MAX = 1 << 22,
};

/* A station: MAC address as the first six bytes of a little-endian word, the VLAN above, then FDB_KEY_USED. */
#define FDB_KEY_USED (UINT64_C(1) << 63)

static inline uint64_t fdb_key(uint64_t mac, uint16_t vid)
{
	return mac | (uint64_t)vid << 48 | FDB_KEY_USED;
}

static inline uint64_t fdb_key_mac(uint64_t key)
{
	return key & UINT64_C(0x0000ffffffffffff);
}

static inline uint16_t fdb_key_vid(uint64_t key)
{
	return (uint16_t)(key >> 48 & 0x7fff);
}

enum fdb_flag {
	FDB_STATIC = 1 << 0, /* neither ages nor moves */
	FDB_LOCAL = 1 << 1,  /* an address of the bridge itself or of a member: comes to us */
};

/* What is known of a station. Written as one word. */
struct fdb_value {
	uint16_t ifindex; /* of the member; 0: there is no such station */
	uint8_t flags;	  /* enum fdb_flag */
	uint8_t turn; /* of the place: one more when another station is given it; fdb_put()'s own */
	uint32_t
		seen_s; /* when it last sent, on the clock of the bridge module; written by workers, too */
};
static_assert(sizeof(struct fdb_value) == 8, "one word");
#define FDB_TURN_MASK UINT64_C(0xff000000)
static_assert(offsetof(struct fdb_value, turn) == 3, "what the mask says");

struct fdb_bucket {
	uint64_t key[FDB_WAYS]; /* 0: empty */
	struct fdb_value value[FDB_WAYS];
} __rte_cache_aligned;
static_assert(sizeof(struct fdb_bucket) == RTE_CACHE_LINE_SIZE, "one cache line");

struct fdb {
	struct fdb_bucket *buckets;
	uint32_t mask; /* buckets - 1 */
	struct hash_seed seed;
	uint32_t n; /* entries; control thread, as is max */
	uint32_t
		max; /* what it was made for; whoever makes it may allow more, as long as there is a place */
};

/* For max entries (FDB_MAX_MIN..FDB_MAX_MAX). -ENOMEM. Control thread. */
int fdb_init(struct fdb *fdb, uint32_t max, const struct hash_seed *seed);
void fdb_fini(struct fdb *fdb);
/* The same entries in lines for `size` of them. -ENOMEM, -ENOSPC. Control thread. */
int fdb_copy(struct fdb *from, struct fdb *to, uint32_t size);

static inline uint64_t fdb_hash(const struct fdb *fdb, uint64_t key)
{
	/* Once leaves addresses in a row, as vendors give them, crowded in few lines. */
	return hash_mix(hash_mix(key ^ fdb->seed.word[0], fdb->seed.word[1]), fdb->seed.word[1]);
}

/* The line that it is in first of all, and the one that it is in when that was full. */
static inline struct fdb_bucket *fdb_first(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[(uint32_t)hash & fdb->mask];
}

static inline struct fdb_bucket *fdb_second(const struct fdb *fdb, uint64_t hash)
{
	return &fdb->buckets[(uint32_t)(hash >> 32) & fdb->mask];
}

/* Its place in a line, or NULL. */
static __rte_always_inline struct fdb_value *fdb_find_in(struct fdb_bucket *bucket, uint64_t key)
{
	const __m128i *keys = (const __m128i *)(const void *)bucket->key;
	__m128i wanted = _mm_set1_epi64x((int64_t)key);
	int low = _mm_movemask_pd(_mm_castsi128_pd(_mm_cmpeq_epi64(keys[0], wanted)));
	int high = _mm_movemask_pd(_mm_castsi128_pd(_mm_cmpeq_epi64(keys[1], wanted)));
	int found = low | high << 2;

	return found == 0 ? NULL : &bucket->value[__builtin_ctz((unsigned int)found)];
}

/*
 * Any thread. The value of a station, ifindex 0 if it is not there, and in *place where it is, for
 * fdb_note_seen(). An entry that goes while it is read is found as it was or not at all: a place is only
 * given to another station after its key was cleared, and the key is read again behind the value. Behind that
 * the value's turn is: the place may have been another station's in between, and this one's again.
 */
static __rte_always_inline struct fdb_value fdb_read(
	struct fdb_bucket *bucket, uint64_t key, struct fdb_value **place)
{
	struct fdb_value value, *at = fdb_find_in(bucket, key);
	uint64_t word;

	if (at == NULL) {
		*place = NULL;
		return (struct fdb_value){ 0 };
	}
	/* Pairs with the release in fdb_put() and fdb_remove(). */
	word = __atomic_load_n((uint64_t *)(void *)at, __ATOMIC_ACQUIRE);
	if (unlikely(__atomic_load_n(&bucket->key[at - bucket->value], __ATOMIC_ACQUIRE) != key) ||
		unlikely((__atomic_load_n((uint64_t *)(void *)at, __ATOMIC_RELAXED) ^ word) &
			 FDB_TURN_MASK)) {
		*place = NULL;
		return (struct fdb_value){ 0 };
	}
	__builtin_memcpy(&value, &word, sizeof(value));
	*place = at;
	return value;
}

/* hash is fdb_hash() of the key, whose first line the caller may have asked for before. */
static __rte_always_inline struct fdb_value fdb_lookup(
	const struct fdb *fdb, uint64_t key, uint64_t hash, struct fdb_value **place)
{
	struct fdb_value value = fdb_read(fdb_first(fdb, hash), key, place);

	if (likely(value.ifindex != 0))
		return value;
	return fdb_read(fdb_second(fdb, hash), key, place);
}

/* Writes only when it changes, so that the line is shared for reading most of the time. */
static __rte_always_inline void fdb_note_seen(
	struct fdb_value *place, const struct fdb_value *value, uint32_t now_s)
{
	if (unlikely(value->seen_s != now_s))
		__atomic_store_n(&place->seen_s, now_s, __ATOMIC_RELAXED);
}

/* Adds a station or changes what is known of it. -ENOSPC: no room in its lines, or max reached. Control thread. */
int fdb_put(struct fdb *fdb, uint64_t key, const struct fdb_value *value);
/* False: there was none. Control thread. */
bool fdb_remove(struct fdb *fdb, uint64_t key);
/* What is known of a station; ifindex 0: nothing. */
struct fdb_value fdb_get(const struct fdb *fdb, uint64_t key);

/*
 * Calls fn for the entries of n lines from line *at on, which it moves on; false when that was the end, and
 * *at is 0 again. fn may remove the entry that it is called for.
 */
typedef void fdb_walk_fn(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx);
bool fdb_walk(struct fdb *fdb, uint32_t *at, uint32_t n, fdb_walk_fn *fn, void *ctx);
/* The same for all lines. */
void fdb_each(struct fdb *fdb, fdb_walk_fn *fn, void *ctx);
