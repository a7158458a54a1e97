/* SPDX-License-Identifier: BSD-3-Clause */

/* fq_codel: CoDel, turns of flows, limits and ECN (lib/qos). */
#include "ecn_fixture.h"

#include <math.h>

#include "qos/codel.h"

enum { FLOWS = 1024 };

/* In which flow of FLOWS it ends up. */
static uint32_t hash_of(uint32_t flow)
{
	return flow * (uint32_t)((UINT64_C(1) << 32) / FLOWS) + 17;
}

static bool put_in(uint32_t flow, uint32_t len)
{
	return put(packet_new(0, len, hash_of(flow)));
}

static uint32_t flow_of(const struct rte_mbuf *m)
{
	return (uint32_t)((uint64_t)qdisc_pkt(m)->hash * FLOWS >> 32);
}

static struct fq_codel_xstats xstats(void)
{
	struct fq_codel_xstats out;

	fq_codel_xstats_get(world.tree->root, &out);
	return out;
}

/* Of queues that never wait too long: turns alone. */
static const struct qdisc_conf patient = { .kind = QDISC_FQ_CODEL,
	.target_ns = UINT64_C(3600000000000) };

/* CoDel */

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

/* Milliseconds for which so many packets come for each 100 that leave, one a millisecond. */
static const struct {
	uint32_t ms, percent;
} phases[] = {
	{ 3000, 130 },
	{ 200, 0 },
	{ 3000, 200 },
	{ 1500, 20 },
	{ 500, 140 },
	{ 100, 0 },
	{ 500, 150 },
	{ 3000, 30 },
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
	ck_assert_uint_gt(reference.n_drops, 2000);
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

/* Turns */

START_TEST(flows_get_the_same_bytes_whatever_their_sizes)
{
	static const uint32_t sizes[] = { 64, 300, 1000, 1500, 1514, 700 };
	uint64_t n_bytes[RTE_DIM(sizes)] = { 0 };
	uint32_t n_waiting[RTE_DIM(sizes)] = { 0 };

	world_init(&patient);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t least = UINT64_MAX, most = 0;
		struct rte_mbuf *m;

		for (uint32_t f = 0; f < RTE_DIM(sizes); f++)
			for (; n_waiting[f] < 3; n_waiting[f]++)
				put_in(f * 100, sizes[f]);
		m = take();
		n_bytes[flow_of(m) / 100] += m->pkt_len;
		n_waiting[flow_of(m) / 100]--;
		packet_free(m);
		for (uint32_t f = 0; f < RTE_DIM(sizes); f++) {
			least = RTE_MIN(least, n_bytes[f]);
			most = RTE_MAX(most, n_bytes[f]);
		}
		MUST(most - least <= FQ_CODEL_QUANTUM + 1514);
	}
	world_fini();
}
END_TEST

START_TEST(new_flow_goes_before_those_that_wait)
{
	world_init(&patient);
	for (uint32_t i = 0; i < 20; i++)
		for (uint32_t flow = 0; flow < 10; flow++)
			put_in(flow, 1500);
	for (uint32_t i = 0; i < 30; i++)
		packet_free(take());
	ck_assert_uint_eq(xstats().new_flows_len, 0);
	ck_assert_uint_eq(xstats().old_flows_len, 10);
	put_in(500, 100);
	put_in(501, 100);
	ck_assert_uint_eq(xstats().new_flows_len, 2);
	ck_assert_uint_eq(xstats().new_flow_count, 12);
	ck_assert_uint_eq(take_id(), 200);
	/* Its turn is over, but it has not yet left the list: no new one until it has been through the others. */
	put_in(500, 100);
	ck_assert_uint_eq(take_id(), 202);
	ck_assert_uint_eq(take_id(), 201);
	ck_assert_uint_lt(take_id(), 200);
	put_in(501, 100);
	ck_assert_uint_eq(xstats().new_flow_count, 12);
	ck_assert_uint_lt(take_id(), 200);
	world_fini();
}
END_TEST

START_TEST(new_flow_is_first_for_a_quantum_only)
{
	world_init(&patient);
	for (uint32_t i = 0; i < 20; i++)
		put_in(1, 1000);
	for (uint32_t i = 0; i < 6; i++)
		packet_free(take());
	for (uint32_t i = 0; i < 20; i++)
		put_in(2, 1000);
	ck_assert_uint_eq(take_id(), 20);
	ck_assert_uint_eq(take_id(), 21);
	ck_assert_uint_lt(take_id(), 20);
	world_fini();
}
END_TEST

/* RFC 8290 1: a flow of less than its share does not wait for those of more. */
START_TEST(sparse_flow_does_not_wait_for_the_others)
{
	world_init(&patient);
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t want, n_before = 0;
		struct rte_mbuf *m;

		while (world.tree->root->n_packets < 1000)
			put_in(random_below(50), 1500);
		for (uint32_t i = 0; i < 200; i++)
			packet_free(take());
		while (xstats().new_flows_len != 0)
			packet_free(take());
		want = world.n_made;
		put_in(700, 200);
		for (; m = take(), packet_of(m)->id != want; n_before++)
			packet_free(m);
		packet_free(m);
		MUST(n_before == 0);
	}
	world_fini();
}
END_TEST

START_TEST(peeked_packet_is_the_next_one_and_still_waits)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL };

	world_init(&conf);
	for (uint32_t i = 0; i < 30000; i++) {
		const struct rte_mbuf *next;
		uint64_t memory;

		world.now += random_below((uint32_t)CYCLES_MS(2));
		if (random_below(5) < 3)
			put_in(random_below(8), 64 + random_below(1400));
		if (random_below(3) != 0)
			continue;
		next = qdisc_peek(world.tree->root, world.now);
		check_counts();
		memory = xstats().memory_usage;
		MUST(memory == world.tree->root->n_bytes +
				       world.tree->root->n_packets * FQ_CODEL_PACKET_MEMORY);
		if (random_below(2) == 0)
			put_in(random_below(1000), 64);
		MUST(qdisc_peek(world.tree->root, world.now) == next || next == NULL);
		if (next != NULL) {
			struct rte_mbuf *m = take();

			MUST(m == next);
			packet_free(m);
		}
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_CODEL], 100);
	world_fini();
}
END_TEST

START_TEST(order_is_kept_within_a_flow)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .limit = 60, .flows = FLOWS };
	uint32_t last[16] = { 0 };

	world_init(&conf);
	for (uint32_t i = 0; i < 50000; i++) {
		struct rte_mbuf *m;

		world.now += random_below((uint32_t)CYCLES_MS(1));
		put_in(random_below(16), 64 + random_below(1400));
		m = random_below(4) != 0 ? take() : NULL;
		if (m == NULL)
			continue;
		MUST(packet_of(m)->id >= last[flow_of(m)]);
		last[flow_of(m)] = packet_of(m)->id;
		packet_free(m);
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_OVERLIMIT], 100);
	world_fini();
}
END_TEST

/* Limits */

START_TEST(longest_flow_pays_when_all_are_full)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .limit = 200, .flows = FLOWS };

	world_init(&conf);
	for (uint32_t i = 0; i < 100; i++)
		put_in(7, 1500);
	for (uint32_t i = 0; i < 100; i++)
		put_in(8 + i, 1500);
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 0);
	ck_assert(put_in(900, 64));
	/* Half of it, the oldest. */
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 50);
	ck_assert_uint_eq(world.last_dropped, 49);
	ck_assert_uint_eq(xstats().drop_overlimit, 50);
	ck_assert_uint_eq(xstats().drop_overmemory, 0);
	ck_assert_uint_eq(world.tree->root->stats.drops, 50);
	ck_assert_uint_eq(world.tree->root->n_packets, 151);
	world_fini();
}
END_TEST

START_TEST(no_more_than_a_batch_is_dropped_at_once)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .memory_limit = 1 << 30 };

	world_init(&conf);
	for (uint32_t i = 0; i <= 10240; i++)
		put_in(7, 1500);
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 64);
	ck_assert_uint_eq(world.tree->root->n_packets, 10240 + 1 - 64);
	world_fini();
}
END_TEST

/* Bytes by flow, as the test sees them; and of the first drop of a batch, whether its flow was the longest. */
static uint64_t flow_bytes[FLOWS];
static bool is_in_batch;
static void judged_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason)
{
	uint32_t flow = flow_of(m);

	for (uint32_t i = 0; !is_in_batch && i < FLOWS; i++)
		MUST(flow_bytes[i] <= flow_bytes[flow]);
	is_in_batch = true;
	flow_bytes[flow] -= m->pkt_len;
	world_drop(tree, m, reason);
}

static const uint32_t flow_counts[] = { 1, 2, 3, 33, 1000, 1024 };

START_TEST(flow_that_pays_is_exactly_the_longest)
{
	const uint32_t n = flow_counts[_i];
	struct qdisc_conf conf = patient;

	conf.limit = 500;
	world_init(&conf);
	world.tree->drop = judged_drop;
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t flow = random_below(n), len = 64 + random_below(1400);

		is_in_batch = false;
		flow_bytes[flow] += len;
		put_in(flow, len);
		MUST(world.tree->root->n_packets <= 500);
		if (random_below(10) < 3) {
			struct rte_mbuf *m = take();

			flow_bytes[flow_of(m)] -= m->pkt_len;
			packet_free(m);
		}
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_OVERLIMIT], 1000);
	world_fini();
}
END_TEST

START_TEST(memory_is_limited_too)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .memory_limit = 100000 };

	world_init(&conf);
	for (uint32_t i = 0; i < 10000; i++) {
		put_in(random_below(5), 64 + random_below(1400));
		MUST(xstats().memory_usage <= 100000);
	}
	ck_assert_uint_gt(xstats().drop_overmemory, 8000);
	ck_assert_uint_eq(xstats().drop_overmemory, xstats().drop_overlimit);
	ck_assert_uint_eq(xstats().memory_usage,
		world.tree->root->n_bytes + world.tree->root->n_packets * FQ_CODEL_PACKET_MEMORY);
	ck_assert_uint_le(xstats().maxpacket, 1463);
	ck_assert_uint_ge(xstats().maxpacket, 1400);
	evict_all(world.tree);
	ck_assert_uint_eq(xstats().memory_usage, 0);
	world_fini();
}
END_TEST

START_TEST(memory_for_no_packet_at_all_takes_none)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .memory_limit = 100 };

	world_init(&conf);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert(put_in(i, 100));
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 10);
	ck_assert_ptr_null(take());
	world_fini();
}
END_TEST

/* ECN */

static const struct {
	bool has_ecn;
	uint8_t ecn;
	bool want_marks;
} mark_rows[] = {
	{ true, ECT_0, true },
	{ true, NOT_ECT, false },
	{ false, ECT_0, false },
};

START_TEST(packets_that_can_be_marked_are_not_dropped)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .has_ecn = mark_rows[_i].has_ecn };
	uint32_t n_marked = 0;

	world_init(&conf);
	for (uint32_t i = 0; i < 2000; i++) {
		struct rte_mbuf *m = packet_new(0, 1000, 0);
		uint32_t at = frame_write(m, IP4, 0, mark_rows[_i].ecn, 5);

		put(m);
		if (i % 4 == 0)
			continue;
		world.now += CYCLES_MS(1);
		m = take();
		if (m == NULL)
			continue;
		n_marked += (packet_of(m)->data[at + 1] & 3) == CE;
		packet_free(m);
	}
	ck_assert_uint_eq(xstats().ecn_mark, n_marked);
	if (mark_rows[_i].want_marks) {
		ck_assert_uint_gt(n_marked, 20);
		ck_assert_uint_eq(world.n_dropped[QDISC_DROP_CODEL], 0);
	} else {
		ck_assert_uint_eq(n_marked, 0);
		ck_assert_uint_gt(world.n_dropped[QDISC_DROP_CODEL], 20);
	}
	ck_assert_uint_eq(xstats().ce_mark, 0);
	world_fini();
}
END_TEST

START_TEST(packets_above_the_threshold_are_marked)
{
	const struct qdisc_conf conf = { .kind = QDISC_FQ_CODEL, .ce_threshold_ns = 2000000 };

	world_init(&conf);
	for (uint32_t i = 0; i < 6; i++) {
		struct rte_mbuf *m = packet_new(0, 1000, 0);

		frame_write(m, IP6, 0, i == 5 ? NOT_ECT : ECT_0, 0);
		put(m);
	}
	for (uint32_t i = 0; i < 6; i++) {
		struct rte_mbuf *m = take();
		bool is_marked = (packet_of(m)->data[15] >> 4 & 3) == CE;

		ck_assert_int_eq(is_marked, i >= 3 && i < 5);
		packet_free(m);
		world.now += CYCLES_MS(1);
	}
	ck_assert_uint_eq(xstats().ce_mark, 2);
	ck_assert_uint_eq(xstats().ecn_mark, 0);
	world_fini();
}
END_TEST

SUITE_MAIN("fq_codel", PLAIN_TEST(inverse_root_is_right_to_a_thousandth),
	PLAIN_TEST(count_does_not_overflow), PLAIN_TEST(codel_drops_when_the_reference_does),
	PLAIN_TEST(short_queues_are_left_alone),
	PLAIN_TEST(flows_get_the_same_bytes_whatever_their_sizes),
	PLAIN_TEST(new_flow_goes_before_those_that_wait),
	PLAIN_TEST(new_flow_is_first_for_a_quantum_only),
	PLAIN_TEST(sparse_flow_does_not_wait_for_the_others),
	PLAIN_TEST(peeked_packet_is_the_next_one_and_still_waits),
	PLAIN_TEST(order_is_kept_within_a_flow), PLAIN_TEST(longest_flow_pays_when_all_are_full),
	PLAIN_TEST(no_more_than_a_batch_is_dropped_at_once),
	LOOP_TEST(flow_that_pays_is_exactly_the_longest, flow_counts),
	PLAIN_TEST(memory_is_limited_too), PLAIN_TEST(memory_for_no_packet_at_all_takes_none),
	LOOP_TEST(packets_that_can_be_marked_are_not_dropped, mark_rows),
	PLAIN_TEST(packets_above_the_threshold_are_marked))
