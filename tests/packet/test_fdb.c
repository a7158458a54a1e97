/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The forwarding database by itself (lib/bridge/fdb.h): put, found, changed, removed, walked; as full as it
 * gets; lines that crowd; and looked up by a thread while another one changes it all the time.
 */
#include "bridge/fdb.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <stdatomic.h>

#include "kit.h"

static const struct hash_seed seed = { .word = { UINT64_C(0x243f6a8885a308d3),
					       UINT64_C(0x13198a2e03707345) } };

/* In a row, as vendors give addresses. */
static uint64_t station(uint32_t i)
{
	return fdb_key(UINT64_C(0x0000000a0002) | (uint64_t)rte_bswap32(i) << 16, 0);
}

/* As workers look. */
static struct fdb_value look_up(const struct fdb *fdb, uint64_t key)
{
	struct fdb_value *place;

	return fdb_lookup(fdb, key, fdb_hash(fdb, key), &place);
}

static int put(struct fdb *fdb, uint64_t key, uint16_t ifindex)
{
	const struct fdb_value value = { .ifindex = ifindex, .seen_s = 7 };

	return fdb_put(fdb, key, &value);
}

START_TEST(keys_hold_an_address_and_a_vlan)
{
	static const struct {
		uint64_t mac;
		uint16_t vid;
	} rows[] = {
		{ 0, 0 },
		{ UINT64_C(0xffffffffffff), 4095 },
		{ UINT64_C(0xffffffffffff), 0 },
		{ 1, 1 },
		{ UINT64_C(0x0a0000000002), 4094 },
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		uint64_t key = fdb_key(rows[i].mac, rows[i].vid);

		ck_assert_uint_ne(key, 0);
		ck_assert_uint_eq(fdb_key_mac(key), rows[i].mac);
		ck_assert_uint_eq(fdb_key_vid(key), rows[i].vid);
	}
}
END_TEST

START_TEST(a_station_is_put_changed_and_removed)
{
	uint64_t key = fdb_key(UINT64_C(0x0a0000000002), 10);
	struct fdb_value value, *place;
	struct fdb fdb;

	ck_assert_int_eq(fdb_init(&fdb, 64, &seed), 0);
	ck_assert_uint_eq(look_up(&fdb, key).ifindex, 0);
	ck_assert_uint_eq(fdb_get(&fdb, key).ifindex, 0);
	ck_assert(!fdb_remove(&fdb, key));
	ck_assert_int_eq(put(&fdb, key, 3), 0);
	ck_assert_uint_eq(look_up(&fdb, key).ifindex, 3);
	ck_assert_uint_eq(look_up(&fdb, fdb_key(UINT64_C(0x0a0000000002), 11)).ifindex, 0);
	ck_assert_int_eq(put(&fdb, key, 4), 0);
	ck_assert_uint_eq(fdb.n, 1);
	value = fdb_lookup(&fdb, key, fdb_hash(&fdb, key), &place);
	ck_assert_uint_eq(value.ifindex, 4);
	fdb_note_seen(place, &value, 9);
	ck_assert_uint_eq(fdb_get(&fdb, key).seen_s, 9);
	ck_assert_uint_eq(fdb_get(&fdb, key).ifindex, 4);
	ck_assert(fdb_remove(&fdb, key));
	ck_assert_uint_eq(look_up(&fdb, key).ifindex, 0);
	ck_assert_uint_eq(fdb.n, 0);
	fdb_fini(&fdb);
}
END_TEST

static const uint32_t sizes[] = { 64, 65, 1000, 4096, 131072 };

START_TEST(a_table_takes_as_many_as_it_was_made_for)
{
	uint32_t max = sizes[_i];
	struct fdb fdb;

	ck_assert_int_eq(fdb_init(&fdb, max, &seed), 0);
	for (uint32_t i = 0; i < max; i++)
		REQUIRE_MSG(put(&fdb, station(i), (uint16_t)(1 + i % 1000)) == 0,
			"number %u of %u finds no place", i, max);
	ck_assert_int_eq(put(&fdb, station(max), 1), -ENOSPC);
	/* What is there can be changed, and what was removed makes room. */
	ck_assert_int_eq(put(&fdb, station(0), 9), 0);
	ck_assert_int_eq(put(&fdb, station(0), 1), 0);
	for (uint32_t i = 0; i < max; i++) {
		REQUIRE(look_up(&fdb, station(i)).ifindex == 1 + i % 1000);
		REQUIRE(fdb_get(&fdb, station(i)).ifindex == 1 + i % 1000);
		REQUIRE(look_up(&fdb, station(max + i)).ifindex == 0);
	}
	ck_assert(fdb_remove(&fdb, station(max / 2)));
	ck_assert_int_eq(put(&fdb, station(max), 1), 0);
	fdb_fini(&fdb);
}
END_TEST

struct tour {
	uint32_t n, n_removed;
	bool is_removing;
	uint64_t sum;
};

static void visit(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	struct tour *tour = ctx;

	tour->n++;
	tour->sum += key ^ value->ifindex;
	if (tour->is_removing && value->ifindex % 2 == 0) {
		REQUIRE(fdb_remove(fdb, key));
		tour->n_removed++;
	}
}

static const uint32_t strides[] = { 1, 7, 256, UINT32_MAX / 2 };

START_TEST(a_walk_in_parts_sees_everybody_once)
{
	enum { N = 5000 };
	struct tour tour = { .n = 0 };
	struct fdb fdb;
	uint64_t sum = 0;
	uint32_t at = 0;

	ck_assert_int_eq(fdb_init(&fdb, N, &seed), 0);
	for (uint32_t i = 0; i < N; i++) {
		REQUIRE(put(&fdb, station(i), (uint16_t)(1 + i % 1000)) == 0);
		sum += station(i) ^ (1 + i % 1000);
	}
	while (fdb_walk(&fdb, &at, strides[_i], visit, &tour))
		;
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(tour.n, N);
	ck_assert_uint_eq(tour.sum, sum);
	/* Who visits may remove whom it visits. */
	tour = (struct tour){ .is_removing = true };
	while (fdb_walk(&fdb, &at, strides[_i], visit, &tour))
		;
	ck_assert_uint_eq(tour.n, N);
	ck_assert_uint_eq(tour.n_removed, N / 2);
	ck_assert_uint_eq(fdb.n, N / 2);
	fdb_fini(&fdb);
}
END_TEST

/* The next station from *i on whose two lines are these. */
static uint64_t station_of_lines(const struct fdb *fdb, uint32_t *i, const struct fdb_bucket *first,
	const struct fdb_bucket *second)
{
	for (;; ++*i) {
		uint64_t key = fdb_key(*i, 1), hash = fdb_hash(fdb, key);

		if (fdb_first(fdb, hash) == first && fdb_second(fdb, hash) == second) {
			++*i;
			return key;
		}
	}
}

START_TEST(stations_that_crowd_two_lines_find_eight_places)
{
	uint64_t keys[2 * FDB_WAYS + 1];
	uint32_t i = 0;
	struct fdb fdb;

	ck_assert_int_eq(fdb_init(&fdb, 64, &seed), 0);
	for (unsigned int k = 0; k < RTE_DIM(keys); k++)
		keys[k] = station_of_lines(&fdb, &i, &fdb.buckets[3], &fdb.buckets[5]);
	for (unsigned int k = 0; k < 2 * FDB_WAYS; k++)
		ck_assert_int_eq(put(&fdb, keys[k], (uint16_t)(1 + k)), 0);
	ck_assert_int_eq(put(&fdb, keys[2 * FDB_WAYS], 100), -ENOSPC);
	ck_assert_uint_eq(look_up(&fdb, keys[2 * FDB_WAYS]).ifindex, 0);
	for (unsigned int k = 0; k < 2 * FDB_WAYS; k++)
		ck_assert_uint_eq(look_up(&fdb, keys[k]).ifindex, 1 + k);
	/* A place in the first line is free again: who is in the second is not put twice. */
	ck_assert(fdb_remove(&fdb, keys[0]));
	ck_assert_int_eq(put(&fdb, keys[7], 50), 0);
	ck_assert_uint_eq(look_up(&fdb, keys[7]).ifindex, 50);
	ck_assert_uint_eq(fdb.n, 7);
	ck_assert(fdb_remove(&fdb, keys[7]));
	ck_assert_uint_eq(look_up(&fdb, keys[7]).ifindex, 0);
	fdb_fini(&fdb);
}
END_TEST

/* Threads */

enum { N_CROWD = 24 };

static struct {
	struct fdb fdb;
	uint64_t keys[N_CROWD];
	_Atomic bool stop, is_wrong;
	_Atomic uint64_t n_lookups, n_found;
} churn;

/* What a station may have: its own number, or that and 100. */
static void *look_up_all(void *arg)
{
	uint64_t n = 0, n_found = 0;

	while (!atomic_load_explicit(&churn.stop, memory_order_relaxed)) {
		for (uint16_t k = 0; k < N_CROWD; k++, n++) {
			struct fdb_value *place, value;
			uint64_t key = churn.keys[k];

			value = fdb_lookup(&churn.fdb, key, fdb_hash(&churn.fdb, key), &place);
			n_found += value.ifindex != 0;
			if (value.ifindex != 0 && value.ifindex != 1 + k &&
				value.ifindex != 101 + k)
				atomic_store(&churn.is_wrong, true);
		}
	}
	atomic_store(&churn.n_lookups, n);
	atomic_store(&churn.n_found, n_found);
	return arg;
}

START_TEST(a_look_up_during_changes_finds_what_is_right_or_nothing)
{
	uint64_t end = rte_rdtsc() + 2 * rte_get_tsc_hz(), random = 88172645463325252u;
	pthread_t reader;
	uint32_t i = 0;

	memset(&churn, 0, sizeof(churn));
	ck_assert_int_eq(fdb_init(&churn.fdb, 64, &seed), 0);
	for (unsigned int k = 0; k < N_CROWD; k++)
		churn.keys[k] = station_of_lines(
			&churn.fdb, &i, &churn.fdb.buckets[3], &churn.fdb.buckets[5]);
	ck_assert_int_eq(pthread_create(&reader, NULL, look_up_all, NULL), 0);
	while (rte_rdtsc() < end) {
		uint16_t k;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		k = (uint16_t)(random >> 16) % N_CROWD;
		if (random & 1)
			fdb_remove(&churn.fdb, churn.keys[k]);
		else
			(void)put(
				&churn.fdb, churn.keys[k], (uint16_t)((random & 2 ? 1 : 101) + k));
	}
	atomic_store(&churn.stop, true);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	ck_assert(!atomic_load(&churn.is_wrong));
	ck_assert_uint_gt(atomic_load(&churn.n_lookups), 10000);
	ck_assert_uint_gt(atomic_load(&churn.n_found), 1000);
	fdb_fini(&churn.fdb);
}
END_TEST

PACKET_MAIN("fdb", PLAIN_TEST(keys_hold_an_address_and_a_vlan),
	PLAIN_TEST(a_station_is_put_changed_and_removed),
	LOOP_TEST(a_table_takes_as_many_as_it_was_made_for, sizes),
	LOOP_TEST(a_walk_in_parts_sees_everybody_once, strides),
	PLAIN_TEST(stations_that_crowd_two_lines_find_eight_places),
	PLAIN_TEST(a_look_up_during_changes_finds_what_is_right_or_nothing))
