/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control thread's side of the forwarding database: what writes it. See fdb.h. Twice as many places as
 * entries, two lines of four to choose from, and when both are full one of those that are in their first line
 * moves on to its second: so a table takes what it was made for. Should there be no place all the same, the
 * station is not learned, and frames to it are flooded.
 */
#include "bridge/fdb.h"

#include <errno.h>
#include <rte_malloc.h>

int fdb_init(struct fdb *fdb, uint32_t max, const struct hash_seed *seed)
{
	uint32_t n_buckets = rte_align32pow2(2 * max / FDB_WAYS);

	*fdb = (struct fdb){ .mask = n_buckets - 1, .seed = *seed, .max = max };
	fdb->buckets = rte_zmalloc("fdb", n_buckets * sizeof(*fdb->buckets), RTE_CACHE_LINE_SIZE);
	return fdb->buckets == NULL ? -ENOMEM : 0;
}

void fdb_fini(struct fdb *fdb)
{
	rte_free(fdb->buckets);
	fdb->buckets = NULL;
}

static struct fdb_value *fdb_find(const struct fdb *fdb, uint64_t key, struct fdb_bucket **bucket)
{
	uint64_t hash = fdb_hash(fdb, key);
	struct fdb_value *place;

	*bucket = fdb_first(fdb, hash);
	place = fdb_find_in(*bucket, key);
	if (place != NULL)
		return place;
	*bucket = fdb_second(fdb, hash);
	return fdb_find_in(*bucket, key);
}

struct fdb_value fdb_get(const struct fdb *fdb, uint64_t key)
{
	struct fdb_bucket *bucket;
	struct fdb_value *place = fdb_find(fdb, key, &bucket);

	return place != NULL ? *place : (struct fdb_value){ 0 };
}

static void fdb_write(struct fdb_value *place, const struct fdb_value *value, uint8_t turn)
{
	struct fdb_value written = *value;
	uint64_t word;

	written.turn = turn;
	__builtin_memcpy(&word, &written, sizeof(word));
	__atomic_store_n((uint64_t *)(void *)place, word, __ATOMIC_RELEASE);
}

static bool fdb_put_into(struct fdb_bucket *bucket, uint64_t key, const struct fdb_value *value)
{
	for (unsigned int i = 0; i < FDB_WAYS; i++) {
		if (bucket->key[i] != 0)
			continue;
		/* Who finds the key finds the value: pairs with the loads in fdb_read(). */
		fdb_write(&bucket->value[i], value, (uint8_t)(bucket->value[i].turn + 1));
		__atomic_store_n(&bucket->key[i], key, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

/*
 * Moves one entry of a full line on to its second. It is there before it goes here, so that whoever looks in
 * the first line, then in the second, finds it.
 */
static bool fdb_make_room(const struct fdb *fdb, struct fdb_bucket *bucket)
{
	for (unsigned int i = 0; i < FDB_WAYS; i++) {
		uint64_t hash = fdb_hash(fdb, bucket->key[i]);

		if (fdb_first(fdb, hash) != bucket || fdb_second(fdb, hash) == bucket)
			continue;
		if (!fdb_put_into(fdb_second(fdb, hash), bucket->key[i], &bucket->value[i]))
			continue;
		__atomic_store_n(&bucket->key[i], 0, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

static bool fdb_put_with_room(const struct fdb *fdb, struct fdb_bucket *bucket, uint64_t key,
	const struct fdb_value *value)
{
	return fdb_make_room(fdb, bucket) && fdb_put_into(bucket, key, value);
}

int fdb_put(struct fdb *fdb, uint64_t key, const struct fdb_value *value)
{
	uint64_t hash = fdb_hash(fdb, key);
	struct fdb_bucket *first = fdb_first(fdb, hash), *second = fdb_second(fdb, hash), *bucket;
	struct fdb_value *place = fdb_find(fdb, key, &bucket);

	if (place != NULL) {
		fdb_write(place, value, place->turn);
		return 0;
	}
	if (fdb->n >= fdb->max ||
		(!fdb_put_into(first, key, value) && !fdb_put_into(second, key, value) &&
			!fdb_put_with_room(fdb, first, key, value) &&
			!fdb_put_with_room(fdb, second, key, value)))
		return -ENOSPC;
	fdb->n++;
	return 0;
}

bool fdb_remove(struct fdb *fdb, uint64_t key)
{
	struct fdb_bucket *bucket;
	struct fdb_value *place = fdb_find(fdb, key, &bucket);

	if (place == NULL)
		return false;
	__atomic_store_n(&bucket->key[place - bucket->value], 0, __ATOMIC_RELEASE);
	fdb->n--;
	return true;
}

bool fdb_walk(struct fdb *fdb, uint32_t *at, uint32_t n, fdb_walk_fn *fn, void *ctx)
{
	for (uint32_t end = RTE_MIN(*at + n, fdb->mask + 1); *at < end; ++*at) {
		struct fdb_bucket *bucket = &fdb->buckets[*at];

		for (unsigned int i = 0; i < FDB_WAYS; i++) {
			struct fdb_value value = bucket->value[i];

			if (bucket->key[i] != 0)
				fn(fdb, bucket->key[i], &value, ctx);
		}
	}
	if (*at <= fdb->mask)
		return true;
	*at = 0;
	return false;
}

void fdb_each(struct fdb *fdb, fdb_walk_fn *fn, void *ctx)
{
	uint32_t at = 0;

	(void)fdb_walk(fdb, &at, fdb->mask + 1, fn, ctx);
}

static void fdb_copy_one(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	struct fdb *copy = ctx;

	(void)fdb_put(copy, key, value);
}

int fdb_copy(struct fdb *from, struct fdb *to, uint32_t size)
{
	int err = fdb_init(to, size, &from->seed);

	if (err < 0)
		return err;
	to->max = from->max;
	fdb_each(from, fdb_copy_one, to);
	if (to->n == from->n)
		return 0;
	fdb_fini(to);
	return -ENOSPC;
}
