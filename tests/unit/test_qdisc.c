/* SPDX-License-Identifier: BSD-3-Clause */

/* Queueing disciplines: pfifo, bfifo, prio, and trees of them with tbf and fq_codel (lib/qos). */
#include "qdisc_fixture.h"

/* fifo */

static const struct {
	struct qdisc_conf conf;
	uint32_t len, want;
} fifo_rows[] = {
	{ { .kind = QDISC_PFIFO }, 64, 1000 },
	{ { .kind = QDISC_PFIFO, .limit = 3 }, 1500, 3 },
	{ { .kind = QDISC_BFIFO }, 1514, 1000 },
	{ { .kind = QDISC_BFIFO, .limit = 4499 }, 1500, 2 },
	{ { .kind = QDISC_BFIFO, .limit = 4500 }, 1500, 3 },
};

START_TEST(fifo_keeps_order_up_to_its_limit)
{
	world_init(&fifo_rows[_i].conf);
	for (uint32_t i = 0; i < 1200; i++)
		ck_assert_int_eq(put_new(0, fifo_rows[_i].len), i < fifo_rows[_i].want);
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_LIMIT], 1200 - fifo_rows[_i].want);
	ck_assert_uint_eq(world.tree->root->stats.drops, 1200 - fifo_rows[_i].want);
	for (uint32_t i = 0; i < fifo_rows[_i].want; i++) {
		const struct rte_mbuf *m = qdisc_peek(world.tree->root, world.now);

		ck_assert_uint_eq(packet_of(m)->id, i);
		ck_assert_uint_eq(take_id(), i);
	}
	ck_assert_ptr_null(qdisc_peek(world.tree->root, world.now));
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->stats.packets, fifo_rows[_i].want);
	ck_assert_uint_eq(world.tree->root->stats.bytes, fifo_rows[_i].want * fifo_rows[_i].len);
	world_fini();
}
END_TEST

/* prio */

static const struct qdisc_conf three_bands = { .kind = QDISC_PRIO, .bands = 3 };

START_TEST(lower_bands_wait_for_higher_ones)
{
	world_init(&three_bands);
	ck_assert_uint_eq(world.tree->n_leaves, 3);
	put_new(2, 100);
	put_new(1, 100);
	put_new(2, 100);
	put_new(0, 100);
	put_new(1, 100);
	ck_assert_uint_eq(take_id(), 3);
	ck_assert_uint_eq(take_id(), 1);
	put_new(0, 100);
	ck_assert_uint_eq(take_id(), 5);
	ck_assert_uint_eq(take_id(), 4);
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_uint_eq(take_id(), 2);
	ck_assert_ptr_null(take());
	world_fini();
}
END_TEST

START_TEST(looked_at_packet_is_overtaken)
{
	world_init(&three_bands);
	put_new(2, 100);
	ck_assert_uint_eq(packet_of(qdisc_peek(world.tree->root, world.now))->id, 0);
	put_new(0, 100);
	ck_assert_uint_eq(packet_of(qdisc_peek(world.tree->root, world.now))->id, 1);
	ck_assert_uint_eq(take_id(), 1);
	ck_assert_uint_eq(take_id(), 0);
	world_fini();
}
END_TEST

START_TEST(each_band_has_a_limit_of_its_own)
{
	world_init(&three_bands);
	for (uint32_t i = 0; i < 1100; i++)
		ck_assert_int_eq(put_new(1, 100), i < 1000);
	ck_assert(put_new(2, 100));
	ck_assert_uint_eq(world.tree->root->stats.drops, 100);
	ck_assert_uint_eq(world.tree->leaves[1]->stats.drops, 100);
	ck_assert_uint_eq(world.tree->leaves[2]->stats.drops, 0);
	world_fini();
}
END_TEST

static struct qdisc_conf slow_tbf = {
	.kind = QDISC_TBF, .rate = 1000000, .burst = 1500, .limit = 100000
};
static struct qdisc_conf slower_tbf = {
	.kind = QDISC_TBF, .rate = 500000, .burst = 1500, .limit = 100000
};
static struct qdisc_class_conf voice_and_video[] = {
	{ .name = (char *)(uintptr_t) "voice", .band = 0, .child = ONE(&slow_tbf) },
	{ .name = (char *)(uintptr_t) "video", .band = 2, .child = ONE(&slower_tbf) },
};
static const struct qdisc_conf shaped_bands = {
	.kind = QDISC_PRIO, .bands = 4, .classes = LIST_OF(voice_and_video)
};

START_TEST(bands_are_named_by_their_class)
{
	world_init(&shaped_bands);
	ck_assert_str_eq(prio_ops.slot_name(&shaped_bands, 0), "voice");
	ck_assert_ptr_null(prio_ops.slot_name(&shaped_bands, 1));
	ck_assert_str_eq(prio_ops.slot_name(&shaped_bands, 2), "video");
	ck_assert_ptr_eq(world.tree->root->children[0]->ops, &tbf_ops);
	ck_assert_ptr_eq(world.tree->root->children[1]->ops, &pfifo_ops);
	ck_assert_ptr_eq(world.tree->root->children[2]->ops, &tbf_ops);
	world_fini();
}
END_TEST

START_TEST(band_that_has_to_wait_is_passed_over)
{
	world_init(&shaped_bands);
	put_new(0, 1500); /* 0: at once */
	put_new(0, 1500); /* 1: after 12 ms */
	put_new(2, 1500); /* 2: at once */
	put_new(2, 1500); /* 3: after 24 ms */
	put_new(1, 1500); /* 4 */
	put_new(3, 1500); /* 5 */
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_uint_eq(take_id(), 4);
	ck_assert_uint_eq(take_id(), 2);
	ck_assert_uint_eq(take_id(), 5);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->next_at, world.tree->root->children[0]->next_at);
	ck_assert_uint_le(world.tree->root->next_at - world.now - CYCLES_MS(12), 1);
	world.now = world.tree->root->next_at;
	ck_assert_uint_eq(take_id(), 1);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->next_at, world.tree->root->children[2]->next_at);
	world.now = world.tree->root->next_at;
	ck_assert_uint_eq(take_id(), 3);
	ck_assert_ptr_null(take());
	world_fini();
}
END_TEST

START_TEST(lower_band_may_be_the_first_that_can_go)
{
	world_init(&shaped_bands);
	put_new(2, 1500); /* 0: at once */
	put_new(2, 1500); /* 1: after 24 ms */
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	world.now += CYCLES_MS(20);
	put_new(0, 1500); /* 2: at once */
	put_new(0, 1500); /* 3: after 32 ms */
	ck_assert_uint_eq(take_id(), 2);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->next_at, world.tree->root->children[2]->next_at);
	world.now = world.tree->root->next_at;
	ck_assert_uint_eq(take_id(), 1);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->next_at, world.tree->root->children[0]->next_at);
	world_fini();
}
END_TEST

/* What comes in the meantime is a reason to ask before next_at: the low band is not what the tbf waits for. */
START_TEST(tbf_above_prio_decides_late)
{
	struct qdisc_conf prio = three_bands;
	const struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = 1000000,
		.burst = 1500,
		.limit = 100000,
		.child = ONE(&prio) };

	world_init(&conf);
	for (uint32_t i = 0; i < 10; i++)
		put_new(2, 1500);
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_ptr_null(take());
	world.now += CYCLES_MS(6);
	put_new(0, 700); /* half of the tokens are there */
	ck_assert_uint_eq(take_id(), 10);
	ck_assert_ptr_null(take());
	put_new(1, 1500);
	put_new(0, 1500);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t want[] = { 12, 11, 1 };
		struct rte_mbuf *m = take_next();

		ck_assert_uint_eq(packet_of(m)->id, want[i]);
		packet_free(m);
	}
	world_fini();
}
END_TEST

/* Trees */

/* The packets of each band in order, as numbers: the slow way to say which one is next. */
enum { MODEL_BANDS = 4, MODEL_ROOM = 32 };
static struct {
	uint32_t ids[MODEL_BANDS][MODEL_ROOM];
	uint32_t n[MODEL_BANDS];
} model;

static void model_put(uint32_t band, uint32_t id, bool is_taken)
{
	MUST(is_taken == (model.n[band] < MODEL_ROOM));
	if (is_taken)
		model.ids[band][model.n[band]++] = id;
}

static uint32_t model_take(void)
{
	for (uint32_t band = 0; band < MODEL_BANDS; band++) {
		uint32_t id = model.ids[band][0];

		if (model.n[band] == 0)
			continue;
		model.n[band]--;
		memmove(model.ids[band], model.ids[band] + 1,
			model.n[band] * sizeof(model.ids[band][0]));
		return id;
	}
	return UINT32_MAX;
}

static struct qdisc_conf room_pfifo = { .kind = QDISC_PFIFO, .limit = MODEL_ROOM };
static struct qdisc_class_conf room_classes[] = {
	{ .band = 0, .child = ONE(&room_pfifo) },
	{ .band = 1, .child = ONE(&room_pfifo) },
	{ .band = 3, .child = ONE(&room_pfifo) },
	{ .band = 2, .child = ONE(&room_pfifo) },
};
static struct qdisc_conf room_prio = {
	.kind = QDISC_PRIO, .bands = MODEL_BANDS, .classes = LIST_OF(room_classes)
};
static const struct qdisc_conf model_rows[] = {
	{ .kind = QDISC_PRIO, .bands = MODEL_BANDS, .classes = LIST_OF(room_classes) },
	{ .kind = QDISC_TBF,
		.rate = 100000000,
		.burst = 5000,
		.limit = 10000000,
		.child = ONE(&room_prio) },
};

START_TEST(any_order_of_calls_gives_what_the_model_gives)
{
	world_init(&model_rows[_i]);
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t band = random_below(MODEL_BANDS), id = world.n_made;
		struct rte_mbuf *m;

		world.now += random_below(TSC_HZ / 10000);
		if (random_below(1000) < 500 + 100 * (i / 5000 % 2))
			model_put(band, id, put_new(band, 64 + random_below(1400)));
		if (random_below(3) == 0)
			qdisc_peek(world.tree->root, world.now);
		if (random_below(2) == 0)
			continue;
		m = take();
		if (m == NULL) {
			MUST(world.tree->root->n_packets == 0 || _i == 1);
			continue;
		}
		MUST(packet_of(m)->id == model_take());
		packet_free(m);
	}
	ck_assert_uint_gt(world.tree->root->stats.packets, 30000);
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_LIMIT], 0);
	world_fini();
}
END_TEST

static struct qdisc_conf codel_child = { .kind = QDISC_FQ_CODEL };
static struct qdisc_class_conf codel_classes[] = {
	{ .band = 0, .child = ONE(&codel_child) },
	{ .band = 1, .child = ONE(&slow_tbf) },
	{ .band = 2, .child = ONE(&codel_child) },
};
static struct qdisc_conf codel_prio = {
	.kind = QDISC_PRIO, .bands = 3, .classes = LIST_OF(codel_classes)
};

static uint32_t n_filled;
static void count_filled(struct qdisc *q, uint32_t slot, uint64_t now)
{
	n_filled++;
	prio_ops.filled(q, slot, now);
}

START_TEST(parent_is_told_once_that_a_child_has_packets)
{
	static struct qdisc_conf one_packet = { .kind = QDISC_FQ_CODEL, .limit = 1 };
	static struct qdisc_class_conf classes[] = { { .band = 1, .child = ONE(&one_packet) } };
	const struct qdisc_conf conf = { .kind = QDISC_PRIO, .classes = LIST_OF(classes) };
	struct qdisc_ops counting = prio_ops;

	world_init(&conf);
	counting.filled = count_filled;
	world.tree->root->ops = &counting;
	for (uint32_t i = 0; i < 5; i++)
		put(packet_new(1, 100, i << 28));
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERLIMIT], 4);
	ck_assert_uint_eq(n_filled, 1);
	packet_free(take());
	put_new(1, 100);
	ck_assert_uint_eq(n_filled, 2);
	world_fini();
}
END_TEST

/*
 * Ten times of what goes through: the rate is used up to the byte whatever CoDel drops on the way, the band in the
 * middle has no more than its own tbf lets it, and the first one, which is sparse, loses and waits for nothing.
 */
START_TEST(tree_of_tbf_prio_and_fq_codel_is_worth_its_rate)
{
	const struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = 10000000,
		.burst = 3000,
		.limit = 2000000,
		.child = ONE(&codel_prio) };
	uint64_t n_bytes[3] = { 0 }, start, worst = 0;

	world_init(&conf);
	start = world.now;
	for (uint32_t ms = 0; ms < 10000; ms++) {
		struct rte_mbuf *m;
		uint64_t end = world.now + CYCLES_MS(1);

		if (ms % 10 == 0)
			put(packet_new(0, 200, ms));
		put_new(1, 1000);
		for (uint32_t i = 0; i < 11; i++)
			put(packet_new(2, 1000, i << 28));
		for (;;) {
			m = take();
			if (m == NULL && (int64_t)(world.tree->root->next_at - end) >= 0)
				break;
			if (m == NULL) {
				world.now = world.tree->root->next_at;
				continue;
			}
			n_bytes[qdisc_pkt(m)->leaf] += m->pkt_len;
			if (qdisc_pkt(m)->leaf == 0)
				worst = RTE_MAX(worst, world.now - qdisc_pkt(m)->queued_at);
			packet_free(m);
		}
		world.now = end;
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_CODEL], 1000);
	ck_assert_double_eq_tol((double)(n_bytes[0] + n_bytes[1] + n_bytes[2] - 3000) * 8 *
					(double)TSC_HZ / (double)(world.now - start),
		1e7, 1e7 / 1000);
	ck_assert_double_eq_tol(
		(double)(n_bytes[1] - 1500) * 8 * (double)TSC_HZ / (double)(world.now - start), 1e6,
		1e6 / 1000);
	ck_assert_uint_eq(n_bytes[0], 1000 * 200);
	/* Until the tbf has tokens for it: that of two large packets at most. */
	ck_assert_uint_le(worst, 2 * CYCLES_MS(1000 * 8) / 10000);
	world_fini();
}
END_TEST

SUITE_MAIN("qdisc", LOOP_TEST(fifo_keeps_order_up_to_its_limit, fifo_rows),
	PLAIN_TEST(lower_bands_wait_for_higher_ones), PLAIN_TEST(looked_at_packet_is_overtaken),
	PLAIN_TEST(each_band_has_a_limit_of_its_own), PLAIN_TEST(bands_are_named_by_their_class),
	PLAIN_TEST(band_that_has_to_wait_is_passed_over),
	PLAIN_TEST(lower_band_may_be_the_first_that_can_go),
	PLAIN_TEST(tbf_above_prio_decides_late),
	LOOP_TEST(any_order_of_calls_gives_what_the_model_gives, model_rows),
	PLAIN_TEST(parent_is_told_once_that_a_child_has_packets),
	PLAIN_TEST(tree_of_tbf_prio_and_fq_codel_is_worth_its_rate))
