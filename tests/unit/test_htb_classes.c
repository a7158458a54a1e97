/* SPDX-License-Identifier: BSD-3-Clause */

/* Classes of an htb as others see them: slots, defaults, statistics, adoption, and what lies below (lib/qos/htb*.c). */
#include "htb_fixture.h"

START_TEST(leaves_have_the_slots_in_their_order)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a1", .parent = "a", .rate = MBIT },
		{ .name = "a", .rate = 10 * MBIT },
		{ .name = "b", .rate = MBIT },
		{ .name = "a2", .parent = "a", .rate = MBIT },
	};
	static const char *const want[] = { "a1", "b", "a2" };

	WORLD(classes);
	ck_assert_uint_eq(world.tree->root->n_children, RTE_DIM(want));
	for (uint32_t slot = 0; slot < RTE_DIM(want); slot++) {
		ck_assert_str_eq(htb_ops.slot_name(&world.conf, slot), want[slot]);
		ck_assert_uint_eq(class_of(want[slot]).slot, slot);
		ck_assert_uint_eq(class_of(want[slot]).level, 0);
		ck_assert_ptr_eq(world.tree->root->children[slot]->ops, &pfifo_ops);
		ck_assert_uint_eq(world.tree->root->children[slot]->max_packets, 1000);
	}
	ck_assert_uint_eq(class_of("a").slot, HTB_NO_SLOT);
	ck_assert_uint_eq(class_of("a").level, 7);
	ck_assert_str_eq(class_of("a2").parent, "a");
	ck_assert_ptr_null(class_of("a").parent);
	world_fini();
}
END_TEST

START_TEST(packets_without_a_class_go_first_and_unshaped)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "a", .rate = 64 * KBIT, .burst = 2000 },
	};
	WORLD(classes);
	world_fini();
	world.conf.default_class = NULL;
	world_remake();
	ck_assert_uint_eq(world.tree->root->n_children, 2);
	ck_assert_str_eq(htb_ops.slot_name(&world.conf, 1), "direct");
	ck_assert_uint_eq(world.tree->root->children[1]->max_packets, 1000);
	for (unsigned int i = 0; i < 500; i++) {
		MUST(put(0, i < 10 ? 1500 : 100));
		MUST(put(1, 9000));
	}
	for (unsigned int i = 0; i < 500; i++) {
		struct rte_mbuf *m = take();

		MUST(m != NULL && qdisc_pkt(m)->leaf == 1);
		packet_left(m);
	}
	packet_left(take());
	ck_assert_uint_eq(world.bytes[0], 1500);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(class_of("a").stats.packets, 1);
	world_fini();
}
END_TEST

static const struct {
	struct qdisc_class_conf conf;
	uint64_t ceil, burst, cburst;
	uint32_t quantum;
} defaults[] = {
	{ { .rate = 64 * KBIT }, 64 * KBIT, 80 + 1600, 80 + 1600, 1000 },
	{ { .rate = MBIT, .ceil = 8 * MBIT }, 8 * MBIT, 1250 + 1600, 10000 + 1600, 12500 },
	{ { .rate = GBIT, .burst = 5000 }, GBIT, 5000, 1250000 + 1600, 200000 },
	{ { .rate = GBIT, .cburst = 5000, .quantum = 300 }, GBIT, 1250000 + 1600, 5000, 300 },
};

START_TEST(what_is_not_given_is_computed)
{
	struct qdisc_class_conf class = defaults[_i].conf;
	struct htb_class_info info;

	class.name = "a";
	world_init(&class, 1);
	info = class_of("a");
	ck_assert_uint_eq(info.rate, class.rate);
	ck_assert_uint_eq(info.ceil, defaults[_i].ceil);
	ck_assert_uint_eq(info.burst, defaults[_i].burst);
	ck_assert_uint_eq(info.cburst, defaults[_i].cburst);
	ck_assert_uint_eq(info.quantum, defaults[_i].quantum);
	ck_assert_int_le((int64_t)info.burst - info.stats.tokens, 1);
	ck_assert_int_le((int64_t)info.cburst - info.stats.ctokens, 1);
	world_fini();
}
END_TEST

static const struct {
	uint64_t burst, cburst, top_burst, top_cburst;
	int64_t overhead, mpu;
	bool is_atm;
	uint32_t max;
} frames[] = {
	{ 2000, 3000, 4000, 5000, 0, 0, false, 2000 },
	{ 3000, 2001, 4000, 5000, 0, 0, false, 2001 },
	{ 3000, 3000, 2002, 5000, 0, 0, false, 2002 },
	{ 3000, 3000, 4000, 2003, 0, 0, false, 2003 },
	{ 100000, 100000, 100000, 100000, 0, 0, false, 65535 },
	{ 2000, 3000, 4000, 5000, 18, 64, false, 1982 },
	{ 2120, 3000, 4000, 5000, 10, 0, true, 1910 },
};

START_TEST(frame_that_no_bucket_could_ever_hold_is_refused)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top",
			.rate = MBIT,
			.burst = frames[_i].top_burst,
			.cburst = frames[_i].top_cburst },
		{ .name = "a",
			.parent = "top",
			.rate = MBIT,
			.burst = frames[_i].burst,
			.cburst = frames[_i].cburst },
	};
	WORLD(classes);
	world_fini();
	world.conf.overhead = frames[_i].overhead;
	world.conf.mpu = frames[_i].mpu;
	world.conf.is_atm = frames[_i].is_atm;
	world_remake();
	ck_assert(put(0, frames[_i].max));
	ck_assert(!put(0, frames[_i].max + 1));
	ck_assert_uint_eq(world.tree->root->stats.drops, 1);
	run(10 * SEC);
	ck_assert_uint_eq(world.bytes[0], frames[_i].max);
	world_fini();
}
END_TEST

/* A frame of 1000 bytes is 22 cells there, 1166 bytes. */
START_TEST(rates_are_those_of_the_link_below)
{
	struct qdisc_class_conf classes[] = { { .name = "a", .rate = MBIT } };

	WORLD(classes);
	world_fini();
	world.conf.overhead = 18;
	world.conf.is_atm = true;
	world_remake();
	feed("a", 1000, 1000);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(0, 10 * SEC), 1e6 * 1000 / 1166, 0.001);
	world_fini();
}
END_TEST

/* top lends what x has not; x pays for a twice; the rest is a's own. */
START_TEST(statistics_tell_who_paid)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = MBIT, .burst = 10000, .cburst = 10000 },
		{ .name = "x", .parent = "top", .rate = MBIT, .burst = 2500, .cburst = 9000 },
		{ .name = "a", .parent = "x", .rate = MBIT, .burst = 3500, .cburst = 9000 },
		{ .name = "b", .parent = "top", .rate = MBIT, .burst = 1514, .cburst = 9000 },
	};
	struct htb_class_stats a, x, top;
	struct rte_mbuf *m;

	WORLD(classes);
	for (unsigned int i = 0; i < 1000; i++)
		MUST(put(leaf_of("a"), 1000));
	MUST(!put(leaf_of("a"), 1000));
	while ((m = take()) != NULL)
		packet_left(m);
	a = class_of("a").stats;
	x = class_of("x").stats;
	top = class_of("top").stats;
	/* 3 by itself, which uses up what x has; then the top has 10000 - 3000, of which ceils leave 6000. */
	ck_assert_uint_eq(a.packets, 9);
	ck_assert_uint_eq(a.bytes, 9000);
	ck_assert_uint_eq(a.lended, 3);
	ck_assert_uint_eq(a.borrowed, 6);
	ck_assert_uint_eq(a.overlimits, 1);
	ck_assert_uint_eq(a.qlen, 991);
	ck_assert_uint_eq(a.backlog, 991000);
	ck_assert_uint_eq(a.drops, 1);
	ck_assert_int_eq(a.tokens, 500);
	ck_assert_int_le(labs(a.ctokens), 1);
	ck_assert_uint_eq(x.lended, 0);
	ck_assert_uint_eq(x.borrowed, 6);
	ck_assert_int_le(labs(x.tokens + 500), 1);
	ck_assert_uint_eq(x.packets, 9);
	ck_assert_uint_eq(top.lended, 6);
	ck_assert_uint_eq(top.borrowed, 0);
	ck_assert_uint_eq(top.bytes, 9000);
	ck_assert_uint_eq(top.qlen, 991);
	ck_assert_uint_eq(top.drops, 1);
	ck_assert_int_eq(top.tokens, 1000);
	ck_assert_uint_eq(class_of("b").stats.qlen, 0);
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 1);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 1);
	world_fini();
}
END_TEST

/* By name, wherever it stands now: tokens that were used stay used, and counters go on. */
START_TEST(new_settings_refill_no_bucket)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 10 * MBIT },
		{ .name = "a",
			.parent = "top",
			.rate = MBIT,
			.ceil = 2 * MBIT,
			.burst = 10000,
			.cburst = 10000 },
		{ .name = "gone", .parent = "top", .rate = MBIT },
	};
	struct qdisc_class_conf changed[] = {
		{ .name = "new", .parent = "top", .rate = MBIT, .burst = 5000 },
		{ .name = "a",
			.parent = "top",
			.rate = MBIT,
			.ceil = 2 * MBIT,
			.burst = 50000,
			.cburst = 4000 },
		{ .name = "top", .rate = 10 * MBIT },
	};
	struct qdisc_tree *old;
	struct htb_class_stats before;

	WORLD(classes);
	feed("a", 1000, 1000);
	run(CYCLES_MS(500));
	starve("a");
	run(CYCLES_MS(20));
	before = class_of("a").stats;
	ck_assert_int_lt(before.ctokens, 6000);
	old = world.tree;
	world.conf.classes = (struct field_list){ .items = changed, .n = RTE_DIM(changed) };
	world.tree = tree_new(&world.conf);
	ck_assert(!htb_ops.adopt(world.tree->root, old->root, world.now));
	ck_assert_int_le(labs(class_of("a").stats.tokens - before.tokens), 1);
	ck_assert_int_le(class_of("a").stats.ctokens, 4000);
	ck_assert_int_ge(class_of("a").stats.ctokens, RTE_MIN(before.ctokens, 4000) - 1);
	ck_assert_uint_eq(class_of("a").stats.bytes, before.bytes);
	ck_assert_uint_eq(class_of("a").stats.lended, before.lended);
	ck_assert_uint_eq(class_of("a").stats.borrowed, before.borrowed);
	ck_assert_uint_eq(class_of("a").stats.overlimits, before.overlimits);
	ck_assert_int_ge(class_of("new").stats.tokens, 4999);
	ck_assert_uint_eq(class_of("top").stats.bytes, before.bytes);
	qdisc_tree_destroy(old);
	run(SEC);
	feed("a", 1000, 1000);
	run(SEC);
	MUST_BE_NEAR(measure_leaf(leaf_of("a"), 10 * SEC), 2e6, 0.001);
	world_fini();
}
END_TEST

/* A queue that keeps what it has until a time. */
static uint64_t gate_at;

static bool gate_is_shut(struct qdisc *q, uint64_t now)
{
	q->next_at = gate_at;
	return (int64_t)(gate_at - now) > 0;
}

static struct rte_mbuf *gated_dequeue(struct qdisc *q, uint64_t now)
{
	return gate_is_shut(q, now) ? NULL : pfifo_ops.dequeue(q, now);
}

static const struct rte_mbuf *gated_peek(struct qdisc *q, uint64_t now)
{
	return gate_is_shut(q, now) ? NULL : pfifo_ops.peek(q, now);
}

START_TEST(child_that_waits_holds_up_nobody_and_goes_on_time)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 10 * MBIT },
		{ .name = "a", .parent = "top", .rate = 5 * MBIT, .prio = 0 },
		{ .name = "b", .parent = "top", .rate = 1 * MBIT, .ceil = 10 * MBIT, .prio = 1 },
	};
	struct qdisc_ops gated = pfifo_ops;

	gated.dequeue = gated_dequeue;
	gated.peek = gated_peek;
	WORLD(classes);
	world.tree->root->children[0]->ops = &gated;
	gate_at = world.now + SEC;
	put(leaf_of("a"), 1000);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->next_at, gate_at);
	feed("b", 1000, 1000);
	run_until(gate_at);
	ck_assert_uint_eq(world.bytes[leaf_of("a")], 0);
	MUST_BE_NEAR(rate_since("b", SEC), 10e6, 0.03);
	/* It is the next one, as soon as the top's ceil has enough. */
	log_start(1);
	run(CYCLES_MS(2));
	ck_assert_uint_eq(world.n_log, 1);
	ck_assert_uint_eq(world.log[0].leaf, leaf_of("a"));
	world_fini();
}
END_TEST

/* A child may drop what it has without being asked for it. */
START_TEST(class_whose_queue_ran_empty_by_itself_is_passed_over)
{
	struct qdisc_class_conf classes[] = {
		{ .name = "top", .rate = 10 * MBIT },
		{ .name = "a", .parent = "top", .rate = 1 * MBIT, .prio = 0 },
		{ .name = "b", .parent = "top", .rate = 1 * MBIT, .prio = 1 },
	};
	struct qdisc *child;

	WORLD(classes);
	child = world.tree->root->children[0];
	for (unsigned int i = 0; i < 100; i++) {
		struct rte_mbuf *m;

		MUST(put(0, 1000));
		if (i % 3 == 0)
			MUST(qdisc_peek(world.tree->root, world.now) != NULL);
		qdisc_drop(child, child->ops->evict(child), QDISC_DROP_LIMIT);
		if (i % 2 == 0)
			MUST(take() == NULL);
		MUST(put(1, 100) && put(0, 100));
		MUST((m = take()) != NULL && qdisc_pkt(m)->leaf == 0);
		packet_left(m);
		MUST((m = take()) != NULL && qdisc_pkt(m)->leaf == 1);
		packet_left(m);
		MUST(take() == NULL && world.tree->root->n_packets == 0);
		world.now += CYCLES_MS(10);
	}
	ck_assert_uint_eq(class_of("a").stats.drops, 100);
	ck_assert_uint_eq(class_of("top").stats.drops, 100);
	world_fini();
}
END_TEST

SUITE_MAIN("htb_classes", PLAIN_TEST(leaves_have_the_slots_in_their_order),
	PLAIN_TEST(packets_without_a_class_go_first_and_unshaped),
	LOOP_TEST(what_is_not_given_is_computed, defaults),
	LOOP_TEST(frame_that_no_bucket_could_ever_hold_is_refused, frames),
	PLAIN_TEST(rates_are_those_of_the_link_below), PLAIN_TEST(statistics_tell_who_paid),
	PLAIN_TEST(new_settings_refill_no_bucket),
	PLAIN_TEST(child_that_waits_holds_up_nobody_and_goes_on_time),
	PLAIN_TEST(class_whose_queue_ran_empty_by_itself_is_passed_over))
