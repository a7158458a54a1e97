/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An htb of ten thousand classes: each gets its share, and the work for a packet is that of a hundred classes. What is
 * counted is how often children are asked what they have: every class that is considered is asked.
 */
#include "htb_fixture.h"

#include <math.h>

enum { MANY = 10000, GROUPS_MAX = 100, NAME_LEN = 16 };

static struct qdisc_class_conf classes[1 + GROUPS_MAX + MANY];
static char names[1 + GROUPS_MAX + MANY][NAME_LEN];

static uint64_t n_peeks;

static const struct rte_mbuf *counting_peek(struct qdisc *q, uint64_t now)
{
	n_peeks++;
	return pfifo_ops.peek(q, now);
}

static void class_add(unsigned int i, unsigned int parent, uint64_t rate, uint64_t ceil)
{
	snprintf(names[i], NAME_LEN, "%u", i);
	classes[i] = (struct qdisc_class_conf){
		.name = names[i],
		.parent = i == 0 ? NULL : names[parent],
		.rate = rate,
		.ceil = ceil,
	};
}

/* A top class, groups below it, and leaves by turns in these; the first leaf's rate is unit, the next's twice it ... */
static void many_init(unsigned int n_groups, unsigned int n, uint64_t unit, uint64_t top_rate)
{
	static struct qdisc_ops counting;
	uint64_t group_rates[GROUPS_MAX] = { 0 };

	for (unsigned int i = 0; i < n; i++)
		group_rates[i % n_groups] += unit * (1 + i % 7);
	class_add(0, 0, top_rate, top_rate);
	for (unsigned int i = 0; i < n_groups; i++)
		class_add(1 + i, 0, group_rates[i], top_rate);
	for (unsigned int i = 0; i < n; i++)
		class_add(1 + n_groups + i, 1 + i % n_groups, unit * (1 + i % 7), top_rate);
	for (unsigned int i = 0; i < n; i++)
		classes[1 + n_groups + i].quantum = 2000 * (1 + i % 7);
	world_init(classes, 1 + n_groups + n);
	counting = pfifo_ops;
	counting.peek = counting_peek;
	for (unsigned int i = 0; i < n; i++)
		world.tree->root->children[i]->ops = &counting;
}

static void feed_all(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		feed_leaf(i, 600, 1500);
}

/* Rates that sum up to what there is: 4 units on the average. */
START_TEST(each_of_ten_thousand_gets_its_rate)
{
	const uint64_t unit = 250 * KBIT;

	many_init(GROUPS_MAX, MANY, unit, 4 * unit * MANY);
	feed_all(MANY);
	run(SEC / 10);
	counts_reset();
	run(SEC);
	for (unsigned int i = 0; i < MANY; i++) {
		double want = (double)(unit * (1 + i % 7)), got = (double)world.bytes[i] * 8;

		MUST(fabs(got - want) <= want * 0.01 + 2 * 1500 * 8);
	}
	world_fini();
}
END_TEST

/* They are sure of next to nothing, and share what there is. */
START_TEST(each_of_ten_thousand_gets_its_share)
{
	uint64_t sum = 0;

	many_init(GROUPS_MAX, MANY, KBIT, 10 * GBIT);
	feed_all(MANY);
	run(SEC / 5);
	counts_reset();
	run(SEC);
	for (unsigned int i = 0; i < MANY; i++)
		sum += world.bytes[i];
	MUST_BE_NEAR(sum * 8, 10e9, 0.001);
	for (unsigned int i = 0; i < MANY; i++) {
		double want = (double)sum * (1 + i % 7) / (4.0 * MANY);
		/* Its own turn and its group's, which begin and end anywhere, and packets at both ends. */
		double turn = 2 * 2000.0 * (1 + i % 7) + 2 * 1500;

		MUST(fabs((double)world.bytes[i] - want) <= want * 0.005 + turn);
	}
	world_fini();
}
END_TEST

/* Of n classes, how often one is asked for each packet that leaves; the same load for all n. */
static double peeks_of(unsigned int n, uint64_t unit)
{
	double peeks;

	many_init(10, n, unit, 10 * GBIT);
	feed_all(n);
	run(SEC / 50);
	n_peeks = world.n_left = 0;
	run(SEC / 5);
	ck_assert_uint_gt(world.n_left, 100000);
	peeks = (double)n_peeks / (double)world.n_left;
	world_fini();
	return peeks;
}

static const uint64_t loads[] = { 2 * GBIT, 10 * GBIT };

START_TEST(work_for_a_packet_does_not_grow_with_classes)
{
	double few = peeks_of(100, loads[_i] / 400);
	double many = peeks_of(MANY, loads[_i] / (4 * MANY));

	ck_assert_double_le(few, 5);
	ck_assert_double_le(many, few * 1.3);
}
END_TEST

SUITE_MAIN("htb_many", PLAIN_TEST(each_of_ten_thousand_gets_its_rate),
	PLAIN_TEST(each_of_ten_thousand_gets_its_share),
	LOOP_TEST(work_for_a_packet_does_not_grow_with_classes, loads))
