/* SPDX-License-Identifier: BSD-3-Clause */

/* How classes of an htb share what is left, and what is less than they are sure of (lib/qos/htb_ring.c). */
#include "htb_fixture.h"

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

/* Of two levels: x's children share what x lends by their quanta; the top's excess all leaves do, however deep. */
START_TEST(excess_is_shared_by_quanta_through_levels)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 100 * MBIT },
		{ .name = "x", .parent = "top", .rate = 10 * MBIT, .ceil = 100 * MBIT },
		{ .name = "x1",
			.parent = "x",
			.rate = 1 * MBIT,
			.ceil = 100 * MBIT,
			.quantum = 1600 },
		{ .name = "x2",
			.parent = "x",
			.rate = 1 * MBIT,
			.ceil = 100 * MBIT,
			.quantum = 4800 },
		{ .name = "y",
			.parent = "top",
			.rate = 1 * MBIT,
			.ceil = 100 * MBIT,
			.quantum = 3200 },
	};
	/* x lends 8 Mbit/s; of the top's 89 Mbit/s x1 has one sixth, x2 three, y two. */
	WORLD(classes);
	feed("x1", 64, 1500);
	feed("x2", 1500, 1500);
	feed("y", 64, 700);
	run(SEC);
	counts_reset();
	run(20 * SEC);
	MUST_BE_NEAR(rate_since("x1", 20 * SEC), 1e6 + 8e6 / 4 + 89e6 / 6, 0.01);
	MUST_BE_NEAR(rate_since("x2", 20 * SEC), 1e6 + 8e6 * 3 / 4 + 89e6 * 3 / 6, 0.01);
	MUST_BE_NEAR(rate_since("y", 20 * SEC), 1e6 + 89e6 * 2 / 6, 0.01);
	world_fini();
}
END_TEST

/* Of three, and one of those below takes no part. */
START_TEST(shares_of_an_idle_class_go_to_all_others)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 200 * MBIT },
		{ .name = "x", .parent = "top", .rate = 100 * KBIT, .ceil = 200 * MBIT },
		{ .name = "xx", .parent = "x", .rate = 100 * KBIT, .ceil = 200 * MBIT },
		{ .name = "a",
			.parent = "xx",
			.rate = 10 * KBIT,
			.ceil = 200 * MBIT,
			.quantum = 2000 },
		{ .name = "b",
			.parent = "xx",
			.rate = 10 * KBIT,
			.ceil = 200 * MBIT,
			.quantum = 50000 },
		{ .name = "c",
			.parent = "x",
			.rate = 10 * KBIT,
			.ceil = 200 * MBIT,
			.quantum = 4000 },
		{ .name = "d",
			.parent = "top",
			.rate = 10 * KBIT,
			.ceil = 200 * MBIT,
			.quantum = 10000 },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	feed("b", 64, 1500);
	feed("c", 64, 1500);
	feed("d", 64, 1500);
	run(SEC);
	starve("b");
	run(SEC);
	counts_reset();
	run(20 * SEC);
	MUST_BE_NEAR(rate_since("a", 20 * SEC), 200e6 * 2 / 16, 0.01);
	MUST_BE_NEAR(rate_since("c", 20 * SEC), 200e6 * 4 / 16, 0.01);
	MUST_BE_NEAR(rate_since("d", 20 * SEC), 200e6 * 10 / 16, 0.01);
	world_fini();
}
END_TEST

/* The turn of x was to be that of b, too, and long. */
START_TEST(turn_of_an_inner_class_ends_with_its_borrowers)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 100 * MBIT },
		{ .name = "x", .parent = "top", .rate = 100 * KBIT, .ceil = 100 * MBIT },
		{ .name = "a",
			.parent = "x",
			.rate = 10 * KBIT,
			.ceil = 100 * MBIT,
			.quantum = 2000 },
		{ .name = "b",
			.parent = "x",
			.rate = 10 * KBIT,
			.ceil = 100 * MBIT,
			.quantum = 50 * 1000 * 1000 },
		{ .name = "c",
			.parent = "top",
			.rate = 10 * KBIT,
			.ceil = 100 * MBIT,
			.quantum = 2000 },
	};
	WORLD(classes);
	feed("a", 64, 1500);
	feed("b", 64, 1500);
	feed("c", 64, 1500);
	run(CYCLES_MS(100));
	starve("b");
	run(CYCLES_MS(10));
	counts_reset();
	run(SEC);
	MUST_BE_NEAR(rate_since("a", SEC), 50e6, 0.01);
	MUST_BE_NEAR(rate_since("c", SEC), 50e6, 0.01);
	world_fini();
}
END_TEST

START_TEST(link_below_that_is_slower_is_shared_by_quanta)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a", .rate = 100 * MBIT, .quantum = 3000 },
		{ .name = "b", .rate = 100 * MBIT, .quantum = 9000 },
	};
	WORLD(classes);
	world.link_bps = 40 * MBIT;
	feed("a", 64, 1500);
	feed("b", 64, 1500);
	run(SEC);
	counts_reset();
	run(10 * SEC);
	MUST_BE_NEAR(rate_since("a", 10 * SEC), 10e6, 0.01);
	MUST_BE_NEAR(rate_since("b", 10 * SEC), 30e6, 0.01);
	world_fini();
}
END_TEST

SUITE_MAIN("htb_shares", PLAIN_TEST(excess_is_shared_by_quanta),
	PLAIN_TEST(excess_is_shared_by_quanta_through_levels),
	PLAIN_TEST(shares_of_an_idle_class_go_to_all_others),
	PLAIN_TEST(turn_of_an_inner_class_ends_with_its_borrowers),
	PLAIN_TEST(link_below_that_is_slower_is_shared_by_quanta))
