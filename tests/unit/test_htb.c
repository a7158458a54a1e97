/* SPDX-License-Identifier: BSD-3-Clause */

/* Classes of an htb have their rates, and no more than their ceils (lib/qos/htb.c). */
#include "htb_fixture.h"

#include <math.h>

static const struct {
	uint64_t bps;
	uint32_t min, max; /* lengths */
	uint64_t ms;
} rates[] = {
	{ 64 * KBIT, 64, 64, 100000 },
	{ 64 * KBIT, 1500, 1500, 1000000 },
	{ 64 * KBIT, 64, 1500, 1000000 },
	{ 1 * MBIT, 64, 1500, 100000 },
	{ 100 * MBIT, 64, 64, 500 },
	{ 100 * MBIT, 1500, 1500, 2000 },
	{ 1 * GBIT, 64, 1500, 500 },
	{ 10 * GBIT, 64, 1500, 50 },
	{ 40 * GBIT, 64, 64, 5 },
	{ 40 * GBIT, 1500, 1500, 50 },
};

START_TEST(leaf_gets_its_rate_to_a_thousandth)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a", .rate = rates[_i].bps, .burst = 3000, .cburst = 3000 },
	};
	WORLD(classes);
	feed("a", rates[_i].min, rates[_i].max);
	run(CYCLES_MS(1));
	MUST_BE_NEAR(measure_leaf(0, CYCLES_MS(rates[_i].ms)), rates[_i].bps, 0.001);
	world_fini();
}
END_TEST

START_TEST(borrower_gets_the_ceil_to_a_thousandth)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 3 * rates[_i].bps, .burst = 6000, .cburst = 6000 },
		{ .name = "a",
			.parent = "top",
			.rate = rates[_i].bps / 3,
			.ceil = rates[_i].bps,
			.burst = 3000,
			.cburst = 3000 },
	};
	WORLD(classes);
	feed("a", rates[_i].min, rates[_i].max);
	run(CYCLES_MS(1));
	MUST_BE_NEAR(measure_leaf(0, CYCLES_MS(rates[_i].ms)), rates[_i].bps, 0.001);
	world_fini();
}
END_TEST

/* What a does not use is lent to b; when a comes back it has all of its rate at once. */
START_TEST(idle_rate_is_lent_and_comes_back_within_a_burst)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 100 * MBIT, .burst = 10000, .cburst = 10000 },
		{ .name = "a", .parent = "top", .rate = 60 * MBIT, .ceil = 100 * MBIT },
		{ .name = "b", .parent = "top", .rate = 40 * MBIT, .ceil = 100 * MBIT },
	};
	WORLD(classes);
	feed("b", 1000, 1500);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(leaf_of("b"), 5 * SEC), 100 * MBIT, 0.001);
	feed("a", 64, 1500);
	counts_reset();
	run(CYCLES_MS(20));
	ck_assert_double_ge(rate_since("a", CYCLES_MS(20)), 60e6);
	run(SEC);
	counts_reset();
	run(5 * SEC);
	MUST_BE_NEAR(rate_since("a", 5 * SEC), 60 * MBIT, 0.002);
	MUST_BE_NEAR(rate_since("b", 5 * SEC), 40 * MBIT, 0.002);
	world_fini();
}
END_TEST

START_TEST(lowest_prio_takes_the_excess_and_leaves_others_their_rate)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 10 * MBIT },
		{ .name = "a", .parent = "top", .rate = 1 * MBIT, .ceil = 10 * MBIT, .prio = 3 },
		{ .name = "b", .parent = "top", .rate = 2 * MBIT, .ceil = 10 * MBIT, .prio = 1 },
		{ .name = "c", .parent = "top", .rate = 3 * MBIT, .ceil = 10 * MBIT, .prio = 7 },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	feed("b", 64, 1500);
	feed("c", 64, 1500);
	run(SEC);
	counts_reset();
	run(20 * SEC);
	MUST_BE_NEAR(rate_since("a", 20 * SEC), 1 * MBIT, 0.003);
	MUST_BE_NEAR(rate_since("b", 20 * SEC), 6 * MBIT, 0.003);
	MUST_BE_NEAR(rate_since("c", 20 * SEC), 3 * MBIT, 0.003);
	world_fini();
}
END_TEST

static const struct {
	struct feed sure, greedy;
} beside[] = {
	{ { 64, 64 }, { 1500, 1500 } },
	{ { 1500, 1500 }, { 64, 64 } },
	{ { 64, 1500 }, { 64, 1500 } },
};

/* In every 50 ms, once its burst is used up, and though it is of the last prio. */
START_TEST(sure_rate_is_kept_beside_a_borrower)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 10 * MBIT, .burst = 3000, .cburst = 3000 },
		{ .name = "sure", .parent = "top", .rate = 3 * MBIT, .burst = 3000, .prio = 7 },
		{ .name = "greedy", .parent = "top", .rate = 2 * MBIT, .ceil = 10 * MBIT },
	};
	WORLD(classes);
	feed("sure", beside[_i].sure.min, beside[_i].sure.max);
	feed("greedy", beside[_i].greedy.min, beside[_i].greedy.max);
	run(SEC);
	for (unsigned int i = 0; i < 200; i++) {
		counts_reset();
		run(CYCLES_MS(50));
		MUST(fabs(rate_since("sure", CYCLES_MS(50)) - 3e6) <= 2 * 1500 * 8 * 20);
		MUST(rate_since("sure", CYCLES_MS(50)) + rate_since("greedy", CYCLES_MS(50)) >=
			10e6 - 2 * 1500 * 8 * 20);
	}
	world_fini();
}
END_TEST

/* x has lent out all that it has, and takes part in what the top has; its child a sends at once all the same. */
START_TEST(sure_rate_is_kept_when_the_parent_has_lent_it_out)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 100 * MBIT },
		{ .name = "x", .parent = "top", .rate = 10 * MBIT, .ceil = 100 * MBIT },
		{ .name = "a", .parent = "x", .rate = 5 * MBIT, .burst = 3000 },
		{ .name = "b", .parent = "x", .rate = 5 * MBIT, .ceil = 100 * MBIT },
		{ .name = "y", .parent = "top", .rate = 90 * MBIT, .ceil = 100 * MBIT },
	};
	WORLD(classes);
	feed("b", 64, 1500);
	feed("y", 64, 1500);
	run(SEC);
	ck_assert_int_lt(class_of("x").stats.tokens, 1500);
	feed("a", 1500, 1500);
	for (unsigned int i = 0; i < 100; i++) {
		counts_reset();
		run(CYCLES_MS(30));
		MUST(rate_since("a", CYCLES_MS(30)) >= 5e6 - 1500 * 8 / 0.03);
		MUST(class_of("x").stats.tokens > -6000);
	}
	counts_reset();
	run(10 * SEC);
	MUST_BE_NEAR(rate_since("a", 10 * SEC), 5e6, 0.001);
	MUST_BE_NEAR(rate_since("b", 10 * SEC), 5e6, 0.001);
	MUST_BE_NEAR(rate_since("y", 10 * SEC), 90e6, 0.001);
	world_fini();
}
END_TEST

/* Bytes of the leaves of that prefix never exceed cburst + ceil * time, from any departure to any other one. */
static void check_spans(const char *prefix, uint64_t ceil, uint64_t cburst)
{
	double per_cycle = (double)ceil / 8 / (double)TSC_HZ;
	bool is_in[16];

	for (uint32_t slot = 0; slot < world.tree->root->n_children; slot++) {
		const char *name = world.tree->root->ops->slot_name(&world.conf, slot);

		is_in[world.tree->root->children[slot]->leaf] =
			strncmp(name, prefix, strlen(prefix)) == 0;
	}
	for (uint32_t i = 0; i < world.n_log; i++) {
		uint64_t bytes = 0;

		for (uint32_t k = i; k < world.n_log; k++) {
			bytes += is_in[world.log[k].leaf] ? world.log[k].len : 0;
			MUST((double)bytes <=
				(double)cburst + 1 +
					(double)(world.log[k].at - world.log[i].at) * per_cycle);
		}
	}
}

START_TEST(no_ceil_is_exceeded_in_any_span_of_time)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "x", .rate = 20 * MBIT, .cburst = 4000 },
		{ .name = "xa",
			.parent = "x",
			.rate = 8 * MBIT,
			.ceil = 12 * MBIT,
			.cburst = 2000 },
		{ .name = "xa1",
			.parent = "xa",
			.rate = 1 * MBIT,
			.ceil = 7 * MBIT,
			.prio = 1,
			.cburst = 6000 },
		{ .name = "xa2",
			.parent = "xa",
			.rate = 7 * MBIT,
			.ceil = 30 * MBIT,
			.cburst = 6000 },
		{ .name = "xb",
			.parent = "x",
			.rate = 6 * MBIT,
			.ceil = 20 * MBIT,
			.cburst = 1514 },
		{ .name = "xc", .parent = "x", .rate = 6 * MBIT, .burst = 100000, .cburst = 9000 },
	};
	static const char *const leaves[] = { "xa1", "xa2", "xb", "xc" };

	WORLD(classes);
	log_start(4000);
	while (world.n_log < world.log_size) {
		uint32_t min = random_between(60, 1500);

		feed(leaves[random_between(0, 3)], min, random_between(min, 1514));
		run(CYCLES_MS(random_between(1, 5)));
		starve(leaves[random_between(0, 3)]);
		run(CYCLES_MS(random_between(1, 5)));
	}
	for (unsigned int i = 0; i < RTE_DIM(classes); i++) {
		struct htb_class_info info = class_of(classes[i].name);

		check_spans(info.name, info.ceil, info.cburst);
	}
	world_fini();
}
END_TEST

/* As if one more class stood above them that has the sum of their rates. */
START_TEST(top_classes_with_a_ceil_above_their_rate_borrow)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a", .rate = 2 * MBIT, .ceil = 20 * MBIT },
		{ .name = "b", .rate = 18 * MBIT, .ceil = 20 * MBIT },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(leaf_of("a"), 10 * SEC), 20e6, 0.001);
	feed("b", 64, 1500);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(leaf_of("a"), 10 * SEC), 2e6, 0.01);
	MUST_BE_NEAR(measure_leaf(leaf_of("b"), 10 * SEC), 18e6, 0.01);
	ck_assert_uint_eq(htb_n_classes(world.tree->root), 2);
	ck_assert_ptr_null(class_of("a").parent);
	world_fini();
}
END_TEST

START_TEST(a_top_class_without_such_a_ceil_has_its_rate_alone)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a", .rate = 2 * MBIT },
		{ .name = "b", .rate = 18 * MBIT, .ceil = 20 * MBIT },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(leaf_of("a"), 10 * SEC), 2e6, 0.001);
	world_fini();
}
END_TEST

/* Packets that one class alone sends: it is asked once for each, and once when there is none. */
START_TEST(time_of_the_next_packet_is_exact)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 7 * MBIT },
		{ .name = "a", .parent = "top", .rate = 7 * MBIT },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	run(10 * SEC);
	ck_assert_uint_gt(world.n_left, 10000);
	ck_assert_uint_le(world.n_asked, 2 * world.n_left + 1);
	world_fini();
}
END_TEST

SUITE_MAIN("htb", LOOP_TEST(leaf_gets_its_rate_to_a_thousandth, rates),
	LOOP_TEST(borrower_gets_the_ceil_to_a_thousandth, rates),
	PLAIN_TEST(idle_rate_is_lent_and_comes_back_within_a_burst),
	PLAIN_TEST(lowest_prio_takes_the_excess_and_leaves_others_their_rate),
	LOOP_TEST(sure_rate_is_kept_beside_a_borrower, beside),
	PLAIN_TEST(sure_rate_is_kept_when_the_parent_has_lent_it_out),
	PLAIN_TEST(no_ceil_is_exceeded_in_any_span_of_time),
	PLAIN_TEST(top_classes_with_a_ceil_above_their_rate_borrow),
	PLAIN_TEST(a_top_class_without_such_a_ceil_has_its_rate_alone),
	PLAIN_TEST(time_of_the_next_packet_is_exact))
