/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IPv6 side of the LPM (lib/fib/lpm.h): its results against DPDK's rte_rib6, and what readers
 * get to see of fifteen levels of groups that come and go. What both families share (the life of
 * groups, the default) is in test_lpm.c.
 */
#include "fib/lpm.h"

#include <errno.h>
#include <pthread.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>
#include <rte_pause.h>
#include <rte_rib6.h>
#include <stdatomic.h>

#include "suite.h"

enum { N_CHANGES = 6000, N_PROBES = 24, N_SEEN = 512, N_RETIRED_MAX = 256, N_ROUNDS = 10000 };

struct addr6 {
	uint8_t bytes[16];
};

static uint64_t random_state = 88172645463325252u;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static struct addr6 masked(struct addr6 addr, unsigned int len)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int n_bits = len > 8 * i ? RTE_MIN(len - 8 * i, 8u) : 0;

		addr.bytes[i] &= (uint8_t)(0xff00 >> n_bits);
	}
	return addr;
}

/* Few values for each byte, so that prefixes lie within each other. */
static struct addr6 random_addr(void)
{
	static const uint8_t values[] = { 0x00, 0x7f, 0x80, 0xff };
	struct addr6 addr;

	for (unsigned int i = 0; i < 16; i++)
		addr.bytes[i] = values[random_u32() % (i < 3 ? 2 : RTE_DIM(values))];
	return addr;
}

/* Addresses that routes were made from. */
static struct addr6 seen[N_SEEN];

/* One of them, with a bit turned. */
static struct addr6 random_near(void)
{
	struct addr6 addr = seen[random_u32() % N_SEEN];
	unsigned int bit = random_u32() % 160;

	if (bit < 128)
		addr.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	return addr;
}

static void retire_at_once(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg)
{
	fn(ptr, arg);
}

static struct rte_rib6 *oracle_create(void)
{
	static char *args[] = { "test_lpm6", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level", "error", "-l", "0" };
	struct rte_rib6_conf conf = { .max_nodes = 1 << 16 };
	struct rte_rib6 *rib;

	ck_assert_int_ge(rte_eal_init(RTE_DIM(args), args), 0);
	rib = rte_rib6_create("oracle", SOCKET_ID_ANY, &conf);
	ck_assert_ptr_nonnull(rib);
	return rib;
}

static uint32_t oracle_lookup(struct rte_rib6 *rib, const struct addr6 *addr)
{
	struct rte_rib6_node *node = rte_rib6_lookup(rib, addr->bytes);
	uint64_t value = 0;

	if (node != NULL)
		rte_rib6_get_nh(node, &value);
	return (uint32_t)value;
}

static void oracle_set(struct rte_rib6 *rib, const struct addr6 *addr, uint8_t len, uint32_t value)
{
	struct rte_rib6_node *node = rte_rib6_lookup_exact(rib, addr->bytes, len);

	if (node == NULL)
		node = rte_rib6_insert(rib, addr->bytes, len);
	ck_assert_ptr_nonnull(node);
	rte_rib6_set_nh(node, value);
}

/* Removes from both; what lies under the prefix is the oracle's knowledge. */
static void both_clear(struct rte_rib6 *rib, struct lpm *lpm, const struct addr6 *addr, uint8_t len)
{
	struct rte_rib6_node *node = rte_rib6_lookup_exact(rib, addr->bytes, len);
	struct rte_rib6_node *parent = rte_rib6_lookup_parent(node);
	uint64_t value = 0;
	uint8_t parent_len = 0;

	if (parent != NULL) {
		rte_rib6_get_depth(parent, &parent_len);
		rte_rib6_get_nh(parent, &value);
	}
	ck_assert_int_eq(
		lpm_clear(lpm, addr->bytes, len, parent != NULL, parent_len, (uint32_t)value), 0);
	rte_rib6_remove(rib, addr->bytes, len);
}

/* The lookup in steps. */
static uint32_t take(const struct lpm *lpm, const uint8_t *addr)
{
	uint64_t begin = lpm_begin(lpm);

	return lpm6_take(lpm, lpm_seek(lpm, lpm6_first(addr)), addr, begin);
}

static void check_addr(struct rte_rib6 *rib, const struct lpm *lpm, const struct addr6 *addr)
{
	uint32_t got = lpm6_lookup(lpm, addr->bytes), want = oracle_lookup(rib, addr);

	if (got != want)
		ck_abort_msg("%02x%02x:%02x%02x:..%02x: got %u, want %u", addr->bytes[0],
			addr->bytes[1], addr->bytes[2], addr->bytes[3], addr->bytes[15], got, want);
	got = take(lpm, addr->bytes);
	if (got != want)
		ck_abort_msg("%02x%02x:%02x%02x:..%02x: took %u, want %u", addr->bytes[0],
			addr->bytes[1], addr->bytes[2], addr->bytes[3], addr->bytes[15], got, want);
}

/* The ends of a prefix, what is in it, and what is near to other routes. */
static void check_prefix(
	struct rte_rib6 *rib, const struct lpm *lpm, const struct addr6 *network, uint8_t len)
{
	struct addr6 last = *network;

	for (unsigned int i = len; i < 128; i++)
		last.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	check_addr(rib, lpm, network);
	check_addr(rib, lpm, &last);
	for (unsigned int i = 0; i < N_PROBES; i++) {
		struct addr6 near = random_near(), inside = masked(near, 128);

		for (unsigned int bit = 0; bit < len; bit++) {
			uint8_t mask = (uint8_t)(0x80 >> bit % 8);

			inside.bytes[bit / 8] = (uint8_t)((inside.bytes[bit / 8] & ~mask) |
							  (network->bytes[bit / 8] & mask));
		}
		check_addr(rib, lpm, &inside);
		check_addr(rib, lpm, &near);
	}
}

static uint8_t random_len(void)
{
	uint32_t r = random_u32() % 100;

	if (r < 3)
		return (uint8_t)(random_u32() % 17); /* the default is among them */
	return r < 60 ? (uint8_t)(16 + random_u32() % 49) : (uint8_t)(64 + random_u32() % 65);
}

START_TEST(random_changes_agree_with_rte_rib6)
{
	struct rte_rib6 *rib = oracle_create();
	unsigned int n_cleared = 0, n_changed = 0;
	struct lpm_pool *pool;
	struct lpm *lpm;

	ck_assert_int_eq(lpm_pool_create(1, 1 << 16, retire_at_once, NULL, &pool), 0);
	ck_assert_int_eq(lpm_create(pool, 128, &lpm), 0);
	for (unsigned int i = 0; i < N_SEEN; i++)
		seen[i] = random_addr();
	for (unsigned int i = 0; i < N_CHANGES; i++) {
		struct addr6 addr = seen[random_u32() % N_SEEN];
		uint8_t len = random_len();
		struct addr6 network = masked(addr, len);

		if (rte_rib6_lookup_exact(rib, network.bytes, len) != NULL && i % 4 != 0) {
			both_clear(rib, lpm, &network, len);
			n_cleared++;
		} else {
			uint32_t value = random_u32() & LPM_VALUE_MAX;

			n_changed += rte_rib6_lookup_exact(rib, network.bytes, len) != NULL;
			oracle_set(rib, &network, len, value);
			ck_assert_int_eq(lpm_set(lpm, addr.bytes, len, value), 0);
		}
		check_prefix(rib, lpm, &network, len);
	}
	ck_assert_uint_gt(n_cleared, N_CHANGES / 50);
	ck_assert_uint_gt(n_changed, N_CHANGES / 200);
	/* Emptied, it is as it was made. */
	for (unsigned int len = 0; len <= 128; len++) {
		for (unsigned int i = 0; i < N_SEEN; i++) {
			struct addr6 network = masked(seen[i], len);

			if (rte_rib6_lookup_exact(rib, network.bytes, (uint8_t)len) != NULL)
				both_clear(rib, lpm, &network, (uint8_t)len);
		}
	}
	ck_assert_uint_eq(lpm_pool_used(pool), 0);
	for (uint32_t a = 0; a < LPM_ROOT_SLOTS; a++)
		if (lpm->root[a] != 0)
			ck_abort_msg("slot %04x holds %08x", a, lpm->root[a]);
	lpm_destroy(lpm);
	lpm_pool_destroy(pool);
	rte_rib6_free(rib);
}
END_TEST

/* Readers */

static struct {
	void (*fn)(void *ptr, uint64_t arg);
	void *ptr;
	uint64_t arg;
} retired[N_RETIRED_MAX];
static unsigned int n_retired;

static void retire_later(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg)
{
	ck_assert_uint_lt(n_retired, N_RETIRED_MAX);
	retired[n_retired].fn = fn;
	retired[n_retired].ptr = ptr;
	retired[n_retired++].arg = arg;
}

static void retire_run(void)
{
	for (unsigned int i = 0; i < n_retired; i++)
		retired[i].fn(retired[i].ptr, retired[i].arg);
	n_retired = 0;
}

/* What readers ask for, and the values that it ever has. */
static const struct {
	struct addr6 addr;
	uint32_t allowed[2];
} asked[] = {
	{ { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 1, 3 } },
	{ { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 } }, { 1, 1 } },
	{ { { 0x20, 1, 0xd, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 2, 4 } },
	{ { { 0x20, 1, 0xd, 0xb9, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 2, 2 } },
	{ { { 0x3f, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 5, 6 } },
	{ { { 0x3f, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 5, 5 } },
	{ { { 0x50, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, { 7, 8 } },
};

struct race {
	struct lpm *lpm;
	_Atomic bool stop, is_wrong;
	_Atomic uint64_t passes; /* of the reader: its quiescent points */
	unsigned int wrong;
	uint32_t wrong_value;
};

static bool race_judge(struct race *race, unsigned int a, uint32_t value)
{
	if (value == asked[a].allowed[0] || value == asked[a].allowed[1])
		return true;
	race->wrong = a;
	race->wrong_value = value;
	atomic_store(&race->is_wrong, true);
	return false;
}

/* One address after the other, between the steps of a lookup of all of them. */
static bool race_read(struct race *race)
{
	const uint32_t *slot[RTE_DIM(asked)];
	uint64_t begin = lpm_begin(race->lpm);
	bool is_right = true;

	for (unsigned int a = 0; a < RTE_DIM(asked); a++)
		slot[a] = lpm_seek(race->lpm, lpm6_first(asked[a].addr.bytes));
	for (unsigned int a = 0; a < RTE_DIM(asked) && is_right; a++)
		is_right = race_judge(race, a, lpm6_lookup(race->lpm, asked[a].addr.bytes));
	for (unsigned int a = 0; a < RTE_DIM(asked) && is_right; a++)
		is_right = race_judge(
			race, a, lpm6_take(race->lpm, slot[a], asked[a].addr.bytes, begin));
	return is_right;
}

static void *race_reader(void *arg)
{
	struct race *race = arg;

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		for (unsigned int i = 0; i < 256 / RTE_DIM(asked); i++)
			if (!race_read(race))
				return NULL;
		atomic_fetch_add_explicit(&race->passes, 1, memory_order_release);
	}
	return NULL;
}

static void race_retire(struct race *race)
{
	uint64_t mark = atomic_load_explicit(&race->passes, memory_order_acquire);

	while (!race->is_wrong &&
		atomic_load_explicit(&race->passes, memory_order_acquire) < mark + 2)
		rte_pause();
	retire_run();
}

/*
 * Host routes in one /32, then a /64 in another, out of the same groups; a slot of the first level that is a group
 * from time to time; a default that is away while a /24 covers the address.
 */
START_TEST(readers_see_old_or_new_while_deep_groups_come_and_go)
{
	static const uint8_t any[16];
	const uint8_t *first = asked[0].addr.bytes, *second = asked[2].addr.bytes;
	const uint8_t *shallow = asked[4].addr.bytes, *covered = asked[6].addr.bytes;
	struct race race = { .stop = false };
	struct lpm_pool *pool;
	pthread_t thread;

	ck_assert_int_eq(lpm_pool_create(1, 128, retire_later, NULL, &pool), 0);
	ck_assert_int_eq(lpm_create(pool, 128, &race.lpm), 0);
	lpm_set(race.lpm, first, 32, 1);
	lpm_set(race.lpm, second, 32, 2);
	lpm_set(race.lpm, shallow, 16, 5);
	lpm_set(race.lpm, any, 0, 7);
	ck_assert_int_eq(pthread_create(&thread, NULL, race_reader, &race), 0);
	for (unsigned int i = 0; !race.is_wrong && (i < N_ROUNDS || race.passes < 1000); i++) {
		ck_assert_int_eq(lpm_set(race.lpm, first, 128, 3), 0);
		ck_assert_int_eq(lpm_clear(race.lpm, first, 128, true, 32, 1), 0);
		ck_assert_int_eq(lpm_set(race.lpm, second, 64, 4), 0);
		ck_assert_int_eq(lpm_clear(race.lpm, second, 64, true, 32, 2), 0);
		ck_assert_int_eq(lpm_set(race.lpm, shallow, 24, 6), 0);
		ck_assert_int_eq(lpm_clear(race.lpm, shallow, 24, true, 16, 5), 0);
		ck_assert_int_eq(lpm_set(race.lpm, covered, 24, 8), 0);
		ck_assert_int_eq(lpm_clear(race.lpm, any, 0, false, 0, 0), 0);
		ck_assert_int_eq(lpm_set(race.lpm, any, 0, 7), 0);
		ck_assert_int_eq(lpm_clear(race.lpm, covered, 24, true, 0, 7), 0);
		if (n_retired > 64)
			race_retire(&race);
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	if (race.is_wrong)
		ck_abort_msg("address %u read as %u", race.wrong, race.wrong_value);
	retire_run();
	lpm_destroy(race.lpm);
	lpm_pool_destroy(pool);
}
END_TEST

SUITE_MAIN("lpm6", PLAIN_TEST(random_changes_agree_with_rte_rib6),
	PLAIN_TEST(readers_see_old_or_new_while_deep_groups_come_and_go))
