/* SPDX-License-Identifier: BSD-3-Clause */

/* fq_codel: turns of flows, limits and marks (lib/qos/fq_codel.c). */
#include "fq_codel_fixture.h"

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

static const struct {
	int64_t quantum;
	uint32_t want; /* packets of 100 bytes in a turn */
} quantum_rows[] = {
	{ 0, 16 }, /* 1514 */
	{ 1, 3 },  /* 256 */
	{ 300, 3 },
	{ 301, 4 },
	{ 9000, 90 },
};

START_TEST(turn_is_as_long_as_its_quantum)
{
	struct qdisc_conf conf = patient;

	conf.quantum = quantum_rows[_i].quantum;
	world_init(&conf);
	for (uint32_t i = 0; i < 200; i++)
		put_in(i / 100, 100);
	for (uint32_t i = 0; i < quantum_rows[_i].want; i++)
		ck_assert_uint_eq(take_id(), i);
	ck_assert_uint_eq(take_id(), 100);
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
static uint32_t n_table;
static uint64_t flow_bytes[FQ_CODEL_FLOWS_MAX];
static bool is_in_batch;

static uint64_t *bytes_of(const struct rte_mbuf *m)
{
	return &flow_bytes[(uint64_t)qdisc_pkt(m)->hash * n_table >> 32];
}

static void judged_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason)
{
	for (uint32_t i = 0; !is_in_batch && i < n_table; i++)
		MUST(flow_bytes[i] <= *bytes_of(m));
	is_in_batch = true;
	*bytes_of(m) -= m->pkt_len;
	world_drop(tree, m, reason);
}

/* Tables of any size, and how many flows of them there are. */
static const struct {
	uint32_t n_table, n_flows;
} table_rows[] = {
	{ 1, 1 },
	{ 2, 2 },
	{ 3, 3 },
	{ 17, 17 },
	{ 1000, 999 },
	{ 1024, 5 },
	{ 1024, 1024 },
	{ 5000, 5000 },
	{ FQ_CODEL_FLOWS_MAX, 700 },
};

START_TEST(flow_that_pays_is_exactly_the_longest)
{
	struct qdisc_conf conf = patient;

	n_table = table_rows[_i].n_table;
	conf.flows = n_table;
	conf.limit = 500;
	world_init(&conf);
	world.tree->drop = judged_drop;
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t flow =
			random_below(table_rows[_i].n_flows) * (n_table / table_rows[_i].n_flows);
		uint32_t hash = (uint32_t)(((flow << 32) + n_table - 1) / n_table);
		struct rte_mbuf *m = packet_new(0, 64 + random_below(1400), hash);

		is_in_batch = false;
		*bytes_of(m) += m->pkt_len;
		MUST(bytes_of(m) == &flow_bytes[flow]);
		put(m);
		MUST(world.tree->root->n_packets <= 500);
		if (random_below(10) < 3) {
			m = take();
			*bytes_of(m) -= m->pkt_len;
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

SUITE_MAIN("fq_codel", LOOP_TEST(turn_is_as_long_as_its_quantum, quantum_rows),
	PLAIN_TEST(flows_get_the_same_bytes_whatever_their_sizes),
	PLAIN_TEST(new_flow_goes_before_those_that_wait),
	PLAIN_TEST(new_flow_is_first_for_a_quantum_only),
	PLAIN_TEST(sparse_flow_does_not_wait_for_the_others),
	PLAIN_TEST(peeked_packet_is_the_next_one_and_still_waits),
	PLAIN_TEST(order_is_kept_within_a_flow), PLAIN_TEST(longest_flow_pays_when_all_are_full),
	PLAIN_TEST(no_more_than_a_batch_is_dropped_at_once),
	LOOP_TEST(flow_that_pays_is_exactly_the_longest, table_rows),
	PLAIN_TEST(memory_is_limited_too), PLAIN_TEST(memory_for_no_packet_at_all_takes_none),
	LOOP_TEST(packets_that_can_be_marked_are_not_dropped, mark_rows),
	PLAIN_TEST(packets_above_the_threshold_are_marked))
