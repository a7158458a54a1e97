/* SPDX-License-Identifier: BSD-3-Clause */

/* CoDel as fq_codel has it of each flow (lib/qos/codel.h). */
#include "fq_codel_fixture.h"

#include <math.h>

#include "qos/codel.h"

START_TEST(inverse_root_is_right_to_a_thousandth)
{
	struct codel c = { 0 };
	double worst = 0;

	for (uint32_t count = 1; count <= 200000; count++) {
		codel_set_count(&c, count);
		worst = fmax(worst, fabs(c.inv_sqrt / 0x1p32 * sqrt(count) - 1));
	}
	ck_assert_double_le(worst, 0.0015);
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t count = 1 + random_below(CODEL_COUNT_MAX >> random_below(24));

		codel_set_count(&c, count);
		worst = fmax(worst, fabs(c.inv_sqrt / 0x1p32 * sqrt(count) - 1));
	}
	ck_assert_double_le(worst, 0.0015);
}
END_TEST

START_TEST(count_does_not_overflow)
{
	struct codel c = { 0 };

	codel_set_count(&c, CODEL_COUNT_MAX);
	ck_assert_double_eq_tol(c.inv_sqrt / 0x1p32 * sqrt(CODEL_COUNT_MAX), 1, 0.01);
	for (uint32_t i = 0; i < 10; i++)
		codel_set_count(&c, c.count + 1 + i * 1000);
	ck_assert_uint_eq(c.count, CODEL_COUNT_MAX);
}
END_TEST

/* RFC 8289 as it stands there, in seconds and floating point, on a queue of numbers. */
struct reference {
	double queued[100000];
	uint32_t head, tail;
	double first_above, drop_next;
	uint32_t count, lastcount;
	bool is_dropping;
	uint32_t n_drops;
};
static struct reference reference;

static bool reference_take(struct reference *r, double now, bool *is_ok)
{
	*is_ok = false;
	if (r->head == r->tail) {
		r->first_above = 0;
		return false;
	}
	if (now - r->queued[r->head++] < 0.005 || r->tail - r->head <= 1)
		r->first_above = 0;
	else if (r->first_above == 0)
		r->first_above = now + 0.1;
	else
		*is_ok = now >= r->first_above;
	return true;
}

static void reference_dequeue(struct reference *r, double now)
{
	bool is_ok, has_one = reference_take(r, now, &is_ok);

	if (r->is_dropping) {
		if (!is_ok)
			r->is_dropping = false;
		while (r->is_dropping && now >= r->drop_next) {
			r->n_drops++;
			r->count++;
			has_one = reference_take(r, now, &is_ok);
			if (!is_ok)
				r->is_dropping = false;
			else
				r->drop_next += 0.1 / sqrt(r->count);
		}
	} else if (has_one && is_ok) {
		uint32_t delta = r->count - r->lastcount;

		r->n_drops++;
		reference_take(r, now, &is_ok);
		r->is_dropping = true;
		r->count = delta > 1 && now - r->drop_next < 16 * 0.1 ? delta : 1;
		r->drop_next = now + 0.1 / sqrt(r->count);
		r->lastcount = r->count;
	}
}

/* Milliseconds for which so many packets come for each 100 that leave, one a millisecond. Pauses are short and long. */
static const struct {
	uint32_t ms, percent;
} phases[] = {
	{ 1500, 120 },
	{ 1000, 0 },
	{ 600, 130 },
	{ 600, 0 },
	{ 600, 130 },
	{ 3500, 0 },
	{ 1500, 130 },
	{ 1000, 10 },
	{ 3000, 200 },
	{ 3000, 0 },
	{ 2000, 110 },
	{ 6000, 50 },
	{ 4000, 170 },
};

/* At each moment as many, but for what comes of roots that are right to a thousandth. */
START_TEST(codel_drops_when_the_reference_does)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL };
	const uint64_t start = UINT64_MAX - SEC / 2;
	uint32_t credit = 0, n_ms = 0;

	world_init(&conf);
	for (size_t i = 0; i < RTE_DIM(phases); i++) {
		for (uint32_t ms = 0; ms < phases[i].ms; ms++) {
			double seconds = 1 + ++n_ms / 1000.0, n_ours;
			struct rte_mbuf *m;

			world.now = start + CYCLES_MS(n_ms);
			for (credit += phases[i].percent; credit >= 100; credit -= 100) {
				reference.queued[reference.tail++] = seconds;
				put_in(3, 1000);
			}
			/* Between two milliseconds: no wait is a round number of them. */
			world.now += CYCLES_MS(3) / 10;
			reference_dequeue(&reference, seconds + 0.3 / 1000);
			m = take();
			if (m != NULL)
				packet_free(m);
			n_ours = world.n_dropped[QDISC_DROP_CODEL];
			if (fabs(n_ours - reference.n_drops) > 1 + reference.n_drops / 500.0)
				ck_abort_msg("%g drops in %u ms, not %u", n_ours, n_ms,
					reference.n_drops);
		}
	}
	ck_assert_uint_gt(reference.n_drops, 1500);
	ck_assert_uint_eq(world.tree->root->stats.drops, world.n_dropped[QDISC_DROP_CODEL]);
	world_fini();
}
END_TEST

START_TEST(short_queues_are_left_alone)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL };

	world_init(&conf);
	put_in(0, 1500);
	packet_free(take());
	/* A second late each, but there is only ever one more behind. */
	for (uint32_t i = 0; i < 100; i++) {
		put_in(1, 1500);
		put_in(1, 1500);
		world.now += SEC;
		for (uint32_t k = 0; k < 2; k++)
			packet_free(take());
	}
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_CODEL], 0);
	world_fini();
}
END_TEST

/* It had been above target; what is left of it is dropped; when it has packets again the interval begins anew. */
START_TEST(flow_cut_to_nothing_is_a_quiet_one)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .limit = 3, .flows = FLOWS };

	world_init(&conf);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 3; i++)
			put_in(0, 1000);
		world.now += CYCLES_MS(50);
		packet_free(take());
		ck_assert_uint_eq(world.n_dropped[QDISC_DROP_CODEL], 0);
		for (uint32_t flow = 1; flow <= 3; flow++)
			put_in(flow, 1000);
		ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 2 * (round + 1));
		for (uint32_t i = 0; i < 3; i++)
			packet_free(take());
		ck_assert_ptr_null(take());
		world.now += SEC;
	}
	world_fini();
}
END_TEST

/* Twice what leaves, for a second: CoDel alone would have dropped some twenty packets by then. */
START_TEST(codel_learns_from_what_the_limit_drops)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .limit = 100 };

	world_init(&conf);
	for (uint32_t ms = 0; ms < 1000; ms++) {
		put_in(0, 1000);
		put_in(0, 1000);
		world.now += CYCLES_MS(1);
		packet_free(take());
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_OVERLIMIT], 200);
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_CODEL], 60);
	world_fini();
}
END_TEST

SUITE_MAIN("codel", PLAIN_TEST(inverse_root_is_right_to_a_thousandth),
	PLAIN_TEST(count_does_not_overflow), PLAIN_TEST(codel_drops_when_the_reference_does),
	PLAIN_TEST(short_queues_are_left_alone), PLAIN_TEST(flow_cut_to_nothing_is_a_quiet_one),
	PLAIN_TEST(codel_learns_from_what_the_limit_drops))
