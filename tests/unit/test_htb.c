/* SPDX-License-Identifier: BSD-3-Clause */

/* Rates, borrowing, and the order of classes of an htb (lib/qos/htb.c). */
#include "htb_fixture.h"

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

/* a and b together use all of the parent, each at least its own. */
START_TEST(excess_is_shared_by_quanta)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 100 * MBIT },
		{ .name = "a",
			.parent = "top",
			.rate = 1 * MBIT,
			.ceil = 100 * MBIT,
			.quantum = 2000 },
		{ .name = "b",
			.parent = "top",
			.rate = 1 * MBIT,
			.ceil = 100 * MBIT,
			.quantum = 6000 },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	feed("b", 64, 1500);
	run(SEC);
	counts_reset();
	run(10 * SEC);
	MUST_BE_NEAR(rate_since("a", 10 * SEC), 1e6 + 98e6 / 4, 0.01);
	MUST_BE_NEAR(rate_since("b", 10 * SEC), 1e6 + 98e6 * 3 / 4, 0.01);
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

SUITE_MAIN("htb", LOOP_TEST(leaf_gets_its_rate_to_a_thousandth, rates),
	LOOP_TEST(borrower_gets_the_ceil_to_a_thousandth, rates),
	PLAIN_TEST(excess_is_shared_by_quanta),
	PLAIN_TEST(idle_rate_is_lent_and_comes_back_within_a_burst),
	PLAIN_TEST(lowest_prio_takes_the_excess_and_leaves_others_their_rate))
