/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The IPv4 LPM (lib/fib/lpm.h): its results against DPDK's rte_rib, which shares neither code nor
 * idea with it; the life of groups; what concurrent readers get to see; and what a table costs.
 */
#include "fib/lpm.h"

#include <errno.h>
#include <pthread.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>
#include <rte_pause.h>
#include <rte_rib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

enum {
	N_CHANGES = 3000,
	N_CLUSTERS = 2,
	CLUSTER_BITS = 14 /* host bits */,
	N_RETIRED_MAX = 64,
	N_ROUNDS = 200000
};

/* All routes lie in or over these, so that they share groups and cover each other. */
static const uint32_t clusters[N_CLUSTERS] = { 0x0a010000, 0xc0a80000 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static uint32_t mask_of(uint8_t len)
{
	return len == 0 ? 0 : UINT32_MAX << (32 - len);
}

/* What the table has retired and the test has not let go yet. */
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

static void retire_at_once(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg)
{
	fn(ptr, arg);
}

static void retire_run(void)
{
	for (unsigned int i = 0; i < n_retired; i++)
		retired[i].fn(retired[i].ptr, retired[i].arg);
	n_retired = 0;
}

static int set4(struct lpm *lpm, uint32_t addr, uint8_t len, uint32_t value)
{
	uint32_t addr_be = rte_cpu_to_be_32(addr);

	return lpm_set(lpm, (const uint8_t *)&addr_be, len, value);
}

static int clear4(struct lpm *lpm, uint32_t addr, uint8_t len, bool has_parent, uint8_t parent_len,
	uint32_t parent_value)
{
	uint32_t addr_be = rte_cpu_to_be_32(addr);

	return lpm_clear(lpm, (const uint8_t *)&addr_be, len, has_parent, parent_len, parent_value);
}

struct tables {
	struct lpm_pool *pool;
	struct lpm *lpm;
};

static struct tables tables_create(unsigned int max_groups, lpm_retire_fn *retire)
{
	struct tables t;

	ck_assert_int_eq(lpm_pool_create(2, max_groups, retire, NULL, &t.pool), 0);
	ck_assert_int_eq(lpm_create(t.pool, 32, &t.lpm), 0);
	return t;
}

static void tables_destroy(struct tables *t)
{
	retire_run();
	lpm_destroy(t->lpm);
	ck_assert_uint_eq(lpm_pool_used(t->pool), 0);
	lpm_pool_destroy(t->pool);
}

/* Against rte_rib */

static struct rte_rib *oracle_create(void)
{
	static char *args[] = { "test_lpm", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level", "error", "-l", "0" };
	struct rte_rib_conf conf = { .max_nodes = 1 << 16 };
	struct rte_rib *rib;

	ck_assert_int_ge(rte_eal_init(RTE_DIM(args), args), 0);
	rib = rte_rib_create("oracle", SOCKET_ID_ANY, &conf);
	ck_assert_ptr_nonnull(rib);
	return rib;
}

static uint32_t oracle_lookup(struct rte_rib *rib, uint32_t addr)
{
	struct rte_rib_node *node = rte_rib_lookup(rib, addr);
	uint64_t value = 0;

	if (node != NULL)
		rte_rib_get_nh(node, &value);
	return (uint32_t)value;
}

static void oracle_set(struct rte_rib *rib, uint32_t addr, uint8_t len, uint32_t value)
{
	struct rte_rib_node *node = rte_rib_lookup_exact(rib, addr, len);

	if (node == NULL)
		node = rte_rib_insert(rib, addr, len);
	ck_assert_ptr_nonnull(node);
	rte_rib_set_nh(node, value);
}

/* Removes from both; what lies under the prefix is the oracle's knowledge. */
static void both_clear(struct rte_rib *rib, struct lpm *lpm, uint32_t addr, uint8_t len)
{
	struct rte_rib_node *node = rte_rib_lookup_exact(rib, addr, len);
	struct rte_rib_node *parent = rte_rib_lookup_parent(node);
	uint64_t value = 0;
	uint8_t parent_len = 0;

	if (parent != NULL) {
		rte_rib_get_depth(parent, &parent_len);
		rte_rib_get_nh(parent, &value);
	}
	ck_assert_int_eq(clear4(lpm, addr, len, parent != NULL, parent_len, (uint32_t)value), 0);
	rte_rib_remove(rib, addr, len);
}

/* The lookup in steps. */
static uint32_t take(const struct lpm *lpm, uint32_t addr)
{
	uint64_t begin = lpm_begin(lpm);

	return lpm4_take(lpm, lpm_seek(lpm, addr), addr, begin);
}

static void check_addr(struct rte_rib *rib, const struct lpm *lpm, uint32_t addr)
{
	uint32_t got = lpm4_lookup(lpm, addr), want = oracle_lookup(rib, addr);

	if (got != want) /* an assertion per address would take longer than the lookups */
		ck_abort_msg("%08x: got %u, want %u", addr, got, want);
	if (take(lpm, addr) != want)
		ck_abort_msg("%08x: took %u, want %u", addr, take(lpm, addr), want);
}

/* Every address of the prefix that lies in a cluster, and some of the others. */
static void check_prefix(struct rte_rib *rib, const struct lpm *lpm, uint32_t addr, uint8_t len)
{
	uint32_t first = addr & mask_of(len), last = first | ~mask_of(len);

	for (unsigned int i = 0; i < N_CLUSTERS; i++) {
		uint32_t from = RTE_MAX(first, clusters[i]);
		uint32_t to = RTE_MIN(last, clusters[i] | ~mask_of(32 - CLUSTER_BITS));

		for (uint32_t a = from; from <= to && a <= to; a++)
			check_addr(rib, lpm, a);
	}
	check_addr(rib, lpm, first);
	check_addr(rib, lpm, last);
	check_addr(rib, lpm, first - 1);
	check_addr(rib, lpm, last + 1);
	for (unsigned int i = 0; i < 16; i++)
		check_addr(rib, lpm, first | (random_u32() & ~mask_of(len)));
}

static uint8_t random_len(void)
{
	uint32_t r = random_u32() % 100;

	if (r < 3)
		return (uint8_t)(random_u32() % 9); /* the default is among them */
	if (r < 20)
		return (uint8_t)(9 + random_u32() % 12);
	return (uint8_t)(21 + random_u32() % 12);
}

START_TEST(random_changes_agree_with_rte_rib)
{
	struct tables t = tables_create(1 << 10, retire_at_once);
	struct rte_rib *rib = oracle_create();
	unsigned int n_cleared = 0, n_changed = 0;

	for (unsigned int i = 0; i < N_CHANGES; i++) {
		uint32_t addr = clusters[random_u32() % N_CLUSTERS] |
				(random_u32() & ~mask_of(32 - CLUSTER_BITS));
		uint8_t len = random_len();
		uint32_t value = random_u32() & LPM_VALUE_MAX;
		bool is_there;

		addr &= mask_of(len);
		is_there = rte_rib_lookup_exact(rib, addr, len) != NULL;
		if (is_there && random_u32() % 4 != 0) {
			both_clear(rib, t.lpm, addr, len);
			n_cleared++;
		} else {
			oracle_set(rib, addr, len, value);
			ck_assert_int_eq(
				set4(t.lpm, addr | (random_u32() & ~mask_of(len)), len, value), 0);
			n_changed += is_there;
		}
		check_prefix(rib, t.lpm, addr, len);
	}
	ck_assert_uint_gt(n_cleared, N_CHANGES / 50);
	ck_assert_uint_gt(n_changed, N_CHANGES / 200);
	check_prefix(rib, t.lpm, 0, 0);
	rte_rib_free(rib);
	tables_destroy(&t);
}
END_TEST

START_TEST(emptied_table_is_as_it_was_made)
{
	struct tables t = tables_create(1 << 10, retire_at_once);
	struct rte_rib *rib = oracle_create();
	struct rte_rib_node *node;

	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t addr = clusters[0] | (random_u32() & 0xffff);
		uint8_t len = random_len();

		oracle_set(rib, addr & mask_of(len), len, i + 1);
		ck_assert_int_eq(set4(t.lpm, addr, len, i + 1), 0);
	}
	/* All networks that can be there, the longest first. */
	for (unsigned int len = 33; len-- > 0;) {
		for (uint32_t a = 0; a <= 0xffff; a += len <= 16 ? 1 << 16 : 1u << (32 - len)) {
			uint32_t addr = (clusters[0] | a) & mask_of((uint8_t)len);

			node = rte_rib_lookup_exact(rib, addr, (uint8_t)len);
			if (node != NULL)
				both_clear(rib, t.lpm, addr, (uint8_t)len);
		}
	}
	ck_assert_uint_eq(lpm_pool_used(t.pool), 0);
	for (uint32_t a = 0; a < LPM_ROOT_SLOTS; a++)
		if (t.lpm->root[a] != 0)
			ck_abort_msg("slot %04x holds %08x", a, t.lpm->root[a]);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, clusters[0]), 0);
	rte_rib_free(rib);
	tables_destroy(&t);
}
END_TEST

/* Values and the default */

START_TEST(value_zero_hides_what_it_covers)
{
	struct tables t = tables_create(2, retire_at_once);

	ck_assert_int_eq(set4(t.lpm, 0, 0, LPM_VALUE_MAX), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000000, 8, 0), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000001, 32, 7), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x09ffffff), LPM_VALUE_MAX);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000000), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000001), 7);
	ck_assert_int_eq(clear4(t.lpm, 0, 0, false, 0, 0), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x09ffffff), 0);
	tables_destroy(&t);
}
END_TEST

/* Groups */

START_TEST(group_is_reused_only_after_the_retire_hook_ran)
{
	struct tables t = tables_create(3, retire_later);

	ck_assert_int_eq(set4(t.lpm, 0x0a000000, 24, 1), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000001, 32, 2), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000080, 25, 3), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000100, 30, 4), 0);
	ck_assert_uint_eq(lpm_pool_used(t.pool), 3);

	/* The /25 still needs the group. */
	ck_assert_int_eq(clear4(t.lpm, 0x0a000001, 32, true, 24, 1), 0);
	ck_assert_uint_eq(n_retired, 0);
	ck_assert_int_eq(clear4(t.lpm, 0x0a000080, 25, true, 24, 1), 0);
	ck_assert_uint_eq(n_retired, 1);
	ck_assert_uint_eq(*lpm_group_slot(t.lpm, t.lpm->root[0x0a00], 0) & LPM_IS_GROUP, 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000080), 1);

	ck_assert_uint_eq(lpm_pool_used(t.pool), 3);
	ck_assert_int_eq(set4(t.lpm, 0x0a000201, 32, 5), -ENOSPC);
	retire_run();
	ck_assert_uint_eq(lpm_pool_used(t.pool), 2);
	ck_assert_int_eq(set4(t.lpm, 0x0a000201, 32, 5), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000201), 5);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000200), 0);
	tables_destroy(&t);
}
END_TEST

START_TEST(exhausted_pool_leaves_the_table_unchanged)
{
	struct tables t = tables_create(3, retire_at_once);
	static uint32_t before[512];

	ck_assert_int_eq(set4(t.lpm, 0x0a000000, 8, 1), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000010, 28, 2), 0);
	for (unsigned int i = 0; i < RTE_DIM(before); i++)
		before[i] = lpm4_lookup(t.lpm, 0x0a000000 + i);
	/* Two levels are missing, one group is left. */
	ck_assert_int_eq(set4(t.lpm, 0x0b000010, 28, 3), -ENOSPC);
	ck_assert_uint_eq(t.lpm->root[0x0b00], 0);
	ck_assert_uint_eq(lpm_pool_used(t.pool), 2);
	ck_assert_int_eq(set4(t.lpm, 0x0a000210, 28, 3), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000110, 28, 3), -ENOSPC);
	ck_assert_uint_eq(*lpm_group_slot(t.lpm, t.lpm->root[0x0a00], 1) & LPM_IS_GROUP, 0);
	for (unsigned int i = 0; i < RTE_DIM(before); i++)
		ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000000 + i), before[i]);
	/* The group that exists still takes more. */
	ck_assert_int_eq(set4(t.lpm, 0x0a0000ff, 32, 4), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a0000ff), 4);
	tables_destroy(&t);
}
END_TEST

START_TEST(tables_of_a_pool_do_not_see_each_other)
{
	struct tables t = tables_create(4, retire_at_once);
	struct lpm *other;

	ck_assert_int_eq(lpm_create(t.pool, 32, &other), 0);
	ck_assert_int_eq(set4(t.lpm, 0x0a000001, 32, 1), 0);
	ck_assert_int_eq(set4(other, 0x0a000002, 32, 2), 0);
	ck_assert_uint_eq(lpm4_lookup(t.lpm, 0x0a000002), 0);
	ck_assert_uint_eq(lpm4_lookup(other, 0x0a000001), 0);
	ck_assert_int_eq(lpm_create(t.pool, 32, &(struct lpm *){ NULL }), -ENOSPC);
	lpm_destroy(other);
	/* Its memory is given to the next one, which begins empty. */
	ck_assert_int_eq(lpm_create(t.pool, 32, &other), 0);
	ck_assert_uint_eq(lpm4_lookup(other, 0x0a000002), 0);
	lpm_destroy(other);
	ck_assert_uint_eq(lpm_pool_used(t.pool), 2);
	tables_destroy(&t);
}
END_TEST

/* Readers */

struct race {
	struct lpm *lpm;
	_Atomic bool stop;
	_Atomic uint64_t passes; /* of the reader: its quiescent points */
	uint32_t addr[4];
	uint32_t allowed[4][2]; /* values that addr[i] ever had */
	uint32_t wrong_addr, wrong_value;
	_Atomic bool is_wrong;
};

static bool race_judge(struct race *race, unsigned int a, uint32_t value)
{
	if (value == race->allowed[a][0] || value == race->allowed[a][1])
		return true;
	race->wrong_addr = race->addr[a];
	race->wrong_value = value;
	atomic_store(&race->is_wrong, true);
	return false;
}

/* One address after the other, between the steps of a lookup of all of them. */
static bool race_read(struct race *race)
{
	const uint32_t *slot[RTE_DIM(race->addr)];
	uint64_t begin = lpm_begin(race->lpm);
	bool is_right = true;

	for (unsigned int a = 0; a < RTE_DIM(race->addr); a++)
		slot[a] = lpm_seek(race->lpm, race->addr[a]);
	for (unsigned int a = 0; a < RTE_DIM(race->addr) && is_right; a++)
		is_right = race_judge(race, a, lpm4_lookup(race->lpm, race->addr[a]));
	for (unsigned int a = 0; a < RTE_DIM(race->addr) && is_right; a++)
		is_right = race_judge(race, a, lpm4_take(race->lpm, slot[a], race->addr[a], begin));
	return is_right;
}

static void *race_reader(void *arg)
{
	struct race *race = arg;

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		for (unsigned int i = 0; i < 512 / RTE_DIM(race->addr); i++)
			if (!race_read(race))
				return NULL;
		atomic_fetch_add_explicit(&race->passes, 1, memory_order_release);
	}
	return NULL;
}

/* Lets go of what is retired once the reader has passed two quiescent points. */
static void race_retire(struct race *race)
{
	uint64_t mark = atomic_load_explicit(&race->passes, memory_order_acquire);

	while (!race->is_wrong &&
		atomic_load_explicit(&race->passes, memory_order_acquire) < mark + 2)
		rte_pause();
	retire_run();
}

static void race_run(struct race *race, void (*churn)(struct lpm *lpm, unsigned int round))
{
	struct tables t = tables_create(N_RETIRED_MAX, retire_later);
	unsigned int round = 0;
	pthread_t thread;

	race->lpm = t.lpm;
	churn(t.lpm, round++);
	ck_assert_int_eq(pthread_create(&thread, NULL, race_reader, race), 0);
	while (!race->is_wrong && (round < N_ROUNDS || race->passes < 1000)) {
		churn(t.lpm, round++);
		if (n_retired > N_RETIRED_MAX - 4)
			race_retire(race);
	}
	atomic_store(&race->stop, true);
	pthread_join(thread, NULL);
	if (race->is_wrong)
		ck_abort_msg("%08x read as %u", race->wrong_addr, race->wrong_value);
	tables_destroy(&t);
}

/* A host route comes and goes in one /24, then in another, with the same group. */
static void churn_groups(struct lpm *lpm, unsigned int round)
{
	if (round == 0) {
		set4(lpm, 0x0a000000, 24, 1);
		set4(lpm, 0x0a000100, 24, 2);
		return;
	}
	set4(lpm, 0x0a000007, 32, 3);
	clear4(lpm, 0x0a000007, 32, true, 24, 1);
	set4(lpm, 0x0a000180, 25, 4);
	clear4(lpm, 0x0a000180, 25, true, 24, 2);
}

START_TEST(readers_see_old_or_new_while_groups_come_and_go)
{
	struct race race = {
		.addr = { 0x0a000007, 0x0a000008, 0x0a000107, 0x0a000187 },
		.allowed = { { 1, 3 }, { 1, 1 }, { 2, 2 }, { 2, 4 } },
	};

	race_run(&race, churn_groups);
}
END_TEST

/* At every moment either the default or the /24 is there. */
static void churn_default(struct lpm *lpm, unsigned int round)
{
	if (round == 0) {
		set4(lpm, 0, 0, 1);
		return;
	}
	set4(lpm, 0x0a000000, 24, 2);
	clear4(lpm, 0, 0, false, 0, 0);
	set4(lpm, 0, 0, 1);
	clear4(lpm, 0x0a000000, 24, true, 0, 1);
}

START_TEST(readers_never_pair_an_old_slot_with_a_later_default)
{
	struct race race = {
		.addr = { 0x0a000007, 0x0a000017, 0x0a000080, 0x0a0000ff },
		.allowed = { { 1, 2 }, { 1, 2 }, { 1, 2 }, { 1, 2 } },
	};

	race_run(&race, churn_default);
}
END_TEST

/* A replaced value of a route that other routes cut holes into. */
static void churn_values(struct lpm *lpm, unsigned int round)
{
	if (round == 0)
		set4(lpm, 0x0a000140, 26, 9);
	set4(lpm, 0x0a000000, 22, 1 + round % 2);
	set4(lpm, 0x0a000200, 24, 5);
	clear4(lpm, 0x0a000200, 24, true, 22, 1 + round % 2);
}

START_TEST(readers_never_miss_a_route_that_is_replaced)
{
	struct race race = {
		.addr = { 0x0a000007, 0x0a000107, 0x0a000147, 0x0a000387 },
		.allowed = { { 1, 2 }, { 1, 2 }, { 9, 9 }, { 1, 2 } },
	};

	race_run(&race, churn_values);
}
END_TEST

/* Memory */

/* Bytes of the process that are nobody else's: pages that were written to. */
static size_t memory_used(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	size_t kib = 0;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Anonymous: %zu kB", &kib) == 1)
			break;
	fclose(file);
	ck_assert_uint_gt(kib, 0);
	return kib << 10;
}

/* Routes everywhere, in all slots of the first level, and gone again. Groups are the pool's. */
static void table_use(struct lpm *lpm)
{
	set4(lpm, 0, 0, 1);
	set4(lpm, 0, 1, 2);
	set4(lpm, 0x80000000, 1, 3);
	ck_assert_uint_eq(lpm4_lookup(lpm, 0), 2);
	ck_assert_uint_eq(lpm4_lookup(lpm, 0xffffffff), 3);
	clear4(lpm, 0x80000000, 1, true, 0, 1);
	clear4(lpm, 0, 1, true, 0, 1);
	clear4(lpm, 0, 0, false, 0, 0);
	for (uint32_t i = 0; i < 1 << 16; i++)
		if (lpm4_lookup(lpm, i << 16 | 0x7f7f) != 0)
			ck_abort_msg("something is left of its routes");
}

START_TEST(a_table_without_routes_costs_256_kib)
{
	enum {
		TABLE_COST = 256 << 10,
		N_TABLES = 64,
		/* What the process needs beside them: huge pages at their ends, and the sanitizer's shadow, an eighth. */
		SLACK = (4 << 20) + (512 << 10),
	};
	struct lpm_pool *pool;
	struct lpm *lpm[N_TABLES];
	size_t before, used;

	ck_assert_int_eq(lpm_pool_create(N_TABLES, 1 << 20, retire_at_once, NULL, &pool), 0);
	before = memory_used();
	for (unsigned int i = 0; i < N_TABLES; i++)
		ck_assert_int_eq(lpm_create(pool, 32, &lpm[i]), 0);
	used = memory_used() - before;
	ck_assert_msg(used <= SLACK, "%zu bytes for tables that nobody has used", used);
	for (unsigned int i = 0; i < N_TABLES; i++)
		table_use(lpm[i]);
	used = memory_used() - before;
	ck_assert_msg(used <= (size_t)N_TABLES * TABLE_COST + SLACK, "%zu bytes for %u tables",
		used, N_TABLES);
	for (unsigned int i = 0; i < N_TABLES; i++)
		lpm_destroy(lpm[i]);
	ck_assert_uint_eq(lpm_pool_used(pool), 0);
	lpm_pool_destroy(pool);
}
END_TEST

SUITE_MAIN("lpm4", PLAIN_TEST(random_changes_agree_with_rte_rib),
	PLAIN_TEST(emptied_table_is_as_it_was_made), PLAIN_TEST(value_zero_hides_what_it_covers),
	PLAIN_TEST(group_is_reused_only_after_the_retire_hook_ran),
	PLAIN_TEST(exhausted_pool_leaves_the_table_unchanged),
	PLAIN_TEST(tables_of_a_pool_do_not_see_each_other),
	PLAIN_TEST(readers_see_old_or_new_while_groups_come_and_go),
	PLAIN_TEST(readers_never_pair_an_old_slot_with_a_later_default),
	PLAIN_TEST(readers_never_miss_a_route_that_is_replaced),
	PLAIN_TEST(a_table_without_routes_costs_256_kib))
