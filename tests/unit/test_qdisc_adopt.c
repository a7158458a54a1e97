/* SPDX-License-Identifier: BSD-3-Clause */

/* Trees of queueing disciplines that take the place of others (lib/qos/qdisc_adopt.c). */
#include "qdisc_fixture.h"

#define TEXT(text) ((char *)(uintptr_t)(text))

static const struct qdisc_conf pfifo = { .kind = QDISC_PFIFO };
static const struct qdisc_conf bfifo = { .kind = QDISC_BFIFO };
static const struct qdisc_conf fq_codel = { .kind = QDISC_FQ_CODEL, .has_ecn = true };
static const struct qdisc_conf fq_codel_few = { .kind = QDISC_FQ_CODEL, .flows = 16 };
static const struct qdisc_conf three_bands = { .kind = QDISC_PRIO, .bands = 3 };
static const struct qdisc_conf five_bands = { .kind = QDISC_PRIO, .bands = 5 };
static const struct qdisc_conf two_bands = { .kind = QDISC_PRIO, .bands = 2 };

static const struct {
	const char *name;
	const struct qdisc_conf *conf;
} leaf_rows[] = {
	{ "pfifo", &pfifo },
	{ "bfifo", &bfifo },
	{ "fq_codel", &fq_codel },
	{ "fq_codel of few flows", &fq_codel_few },
};
enum { N_PAIRS = RTE_DIM(leaf_rows) * RTE_DIM(leaf_rows) };

/* Packets of several flows, some of which have left already: none is lost, flows keep their order and their times. */
START_TEST(every_leaf_goes_over_to_every_other)
{
	const struct qdisc_conf *from = leaf_rows[(size_t)_i / RTE_DIM(leaf_rows)].conf;
	const struct qdisc_conf *to = leaf_rows[(size_t)_i % RTE_DIM(leaf_rows)].conf;
	uint32_t next[5] = { 0, 1, 2, 3, 4 };
	uint64_t queued_at[100];

	world_init(from);
	for (uint32_t i = 0; i < 100; i++) {
		world.now += 1000;
		queued_at[i] = world.now;
		put(packet_new(0, 100 + i, i % 5 * 0x31111111));
	}
	for (uint32_t i = 0; i < 20; i++) {
		struct rte_mbuf *m = take();

		ck_assert_uint_eq(packet_of(m)->id, next[packet_of(m)->id % 5]);
		next[packet_of(m)->id % 5] += 5;
		packet_free(m);
	}
	ck_assert_ptr_nonnull(qdisc_peek(world.tree->root, world.now));
	adopt(to);
	ck_assert_uint_eq(world.tree->root->n_packets, 80);
	ck_assert_uint_eq(world.tree->root->stats.packets, from->kind == to->kind ? 20 : 0);
	for (uint32_t i = 0; i < 80; i++) {
		struct rte_mbuf *m = take();
		uint32_t id = packet_of(m)->id;

		ck_assert_uint_eq(id, next[id % 5]);
		ck_assert_uint_eq(qdisc_pkt(m)->queued_at, queued_at[id]);
		next[id % 5] += 5;
		packet_free(m);
	}
	ck_assert_ptr_null(take());
	world_fini();
}
END_TEST

START_TEST(fifo_keeps_all_when_its_limit_is_lower)
{
	const struct qdisc_conf small = { .kind = QDISC_PFIFO, .limit = 5 };

	world_init(&pfifo);
	for (uint32_t i = 0; i < 10; i++)
		put_new(0, 100);
	adopt(&small);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert(!put_new(0, 100));
		ck_assert_uint_eq(take_id(), i);
	}
	ck_assert(put_new(0, 100));
	ck_assert_uint_eq(world.tree->root->stats.packets, 6);
	ck_assert_uint_eq(world.tree->root->stats.drops, 6);
	world_fini();
}
END_TEST

START_TEST(queue_of_another_kind_holds_its_limit)
{
	const struct qdisc_conf small = { .kind = QDISC_BFIFO, .limit = 500 };

	world_init(&pfifo);
	for (uint32_t i = 0; i < 10; i++)
		put_new(0, 100);
	adopt(&small);
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_LIMIT], 5);
	ck_assert_uint_eq(world.tree->root->stats.drops, 5);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(take_id(), i);
	world_fini();
}
END_TEST

START_TEST(fq_codel_keeps_its_figures)
{
	struct fq_codel_xstats before, after;

	world_init(&fq_codel);
	for (uint32_t i = 0; i < 4000; i++) {
		put(packet_new(0, 1000, random_below(3) << 29));
		put(packet_new(0, 500, random_below(3) << 29));
		world.now += CYCLES_MS(1);
		packet_free(take());
	}
	ck_assert_uint_gt(world.n_dropped[QDISC_DROP_CODEL], 100);
	fq_codel_xstats_get(world.tree->root, &before);
	adopt(&fq_codel);
	fq_codel_xstats_get(world.tree->root, &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	adopt(&fq_codel_few);
	fq_codel_xstats_get(world.tree->root, &after);
	ck_assert_uint_eq(before.memory_usage, after.memory_usage);
	ck_assert_uint_eq(before.maxpacket, after.maxpacket);
	ck_assert_uint_eq(before.new_flow_count + 3, after.new_flow_count);
	world_fini();
}
END_TEST

START_TEST(fq_codel_drops_down_to_a_lower_limit)
{
	const struct qdisc_conf small = { .kind = QDISC_FQ_CODEL, .limit = 10 };

	world_init(&fq_codel);
	for (uint32_t i = 0; i < 500; i++)
		put(packet_new(0, 1000, i << 20));
	adopt(&small);
	ck_assert_uint_eq(world.tree->root->n_packets, 500);
	put_new(0, 100);
	ck_assert_uint_eq(world.tree->root->n_packets, 10);
	world_fini();
}
END_TEST

/* Each change is half a millisecond after the one before: if one gave tokens, there would be a hundred bursts. */
static const struct {
	uint64_t rate, burst, peakrate, mtu;
} change_rows[] = {
	{ 8000000, 15000, 0, 0 }, { 8000000, 15000, 16000000, 3000 },
	{ 8000000, 1000000, 16000000, 3000 }, /* it is the peak rate that counts */
};

START_TEST(change_gives_no_tokens)
{
	struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = change_rows[_i].rate,
		.burst = change_rows[_i].burst,
		.peakrate = change_rows[_i].peakrate,
		.mtu = change_rows[_i].mtu,
		.limit = 1000000 };
	uint64_t n_bytes = 0, start, want;

	world_init(&conf);
	start = world.now;
	for (uint32_t i = 0; i < 400; i++)
		put_new(0, 1000);
	for (uint32_t i = 0; i < 200; i++) {
		struct rte_mbuf *m;

		while ((m = take()) != NULL) {
			n_bytes += m->pkt_len;
			packet_free(m);
		}
		conf.burst = change_rows[_i].burst + i % 2;
		adopt(&conf);
		world.now += CYCLES_MS(1) / 2;
	}
	want = conf.burst + conf.rate / 8 * (world.now - start) / TSC_HZ;
	if (conf.peakrate != 0)
		want = RTE_MIN(want, conf.mtu + conf.peakrate / 8 * (world.now - start) / TSC_HZ);
	ck_assert_uint_le(n_bytes, want);
	ck_assert_uint_ge(n_bytes + 2001, want);
	world_fini();
}
END_TEST

/* How much a bucket has, in packets of 1000 bytes, right after a change. */
static const struct {
	uint32_t n_used, idle_ms;
	uint64_t rate, burst;
	uint32_t want;
} level_rows[] = {
	{ 10, 0, 8000000, 10000, 0 },
	{ 10, 0, 8000000, 20000, 0 }, /* a longer burst has to fill first */
	{ 10, 0, 80000000, 10000, 0 }, { 10, 5, 8000000, 20000, 5 }, { 4, 0, 8000000, 20000, 6 },
	{ 4, 0, 8000000, 3000, 3 }, /* never more than the new burst */
	{ 4, 100, 8000000, 20000, 20 },
	{ 10, 1, 80000000, 20000, 10 }, /* a millisecond is ten packets now */
};

START_TEST(level_of_a_bucket_goes_over_as_time)
{
	struct qdisc_conf conf = {
		.kind = QDISC_TBF, .rate = 8000000, .burst = 10000, .limit = 1000000
	};

	world_init(&conf);
	for (uint32_t i = 0; i < 50; i++)
		put_new(0, 1000);
	world.now += 2;
	for (uint32_t i = 0; i < level_rows[_i].n_used; i++)
		ck_assert_uint_eq(take_id(), i);
	world.now += CYCLES_MS(level_rows[_i].idle_ms) + 2;
	conf.rate = level_rows[_i].rate;
	conf.burst = level_rows[_i].burst;
	adopt(&conf);
	for (uint32_t i = 0; i < level_rows[_i].want; i++)
		ck_assert_uint_eq(take_id(), level_rows[_i].n_used + i);
	ck_assert_ptr_null(take());
	world_fini();
}
END_TEST

/* Packets, by the band that they were put in; want: in which order they leave. */
static const struct {
	const struct qdisc_conf *to;
	uint32_t want[5];
} band_rows[] = {
	{ &three_bands, { 3, 4, 1, 0, 2 } },
	{ &five_bands, { 3, 4, 1, 0, 2 } },
	/* The last band is gone, its packets wait behind those of the first. */
	{ &two_bands, { 3, 4, 0, 2, 1 } },
	/* Without bands they follow one another as bands. */
	{ &pfifo, { 3, 4, 1, 0, 2 } },
};

START_TEST(bands_keep_what_they_have)
{
	world_init(&three_bands);
	put_new(2, 100);
	put_new(1, 100);
	put_new(2, 100);
	put_new(0, 100);
	put_new(0, 100);
	adopt(band_rows[_i].to);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(take_id(), band_rows[_i].want[i]);
	ck_assert_ptr_null(take());
	put_new(0, 100);
	ck_assert_uint_eq(take_id(), 5);
	world_fini();
}
END_TEST

static struct qdisc_conf voice_tbf = {
	.kind = QDISC_TBF, .rate = 8000000, .burst = 3000, .limit = 100000
};
static struct qdisc_conf bulk_codel = { .kind = QDISC_FQ_CODEL };
static struct qdisc_class_conf voice_first[] = {
	{ .name = TEXT("voice"), .band = 0, .child = ONE(&voice_tbf) },
	{ .name = TEXT("bulk"), .band = 1, .child = ONE(&bulk_codel) },
};
static struct qdisc_class_conf bulk_first[] = {
	{ .name = TEXT("bulk"), .band = 0, .child = ONE(&bulk_codel) },
	{ .name = TEXT("voice"), .band = 2, .child = ONE(&voice_tbf) },
};
static struct qdisc_class_conf voice_plain[] = {
	{ .name = TEXT("voice"), .band = 1 },
};
static const struct qdisc_conf voice_first_prio = {
	.kind = QDISC_PRIO, .bands = 2, .classes = LIST_OF(voice_first)
};
static const struct qdisc_conf bulk_first_prio = {
	.kind = QDISC_PRIO, .bands = 3, .classes = LIST_OF(bulk_first)
};
static const struct qdisc_conf voice_plain_prio = {
	.kind = QDISC_PRIO, .bands = 3, .classes = LIST_OF(voice_plain)
};

START_TEST(packets_follow_the_name_of_their_class)
{
	world_init(&voice_first_prio);
	for (uint32_t i = 0; i < 6; i++)
		put_new(0, 1500);
	for (uint32_t i = 0; i < 3; i++)
		put_new(1, 1500);
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_uint_eq(take_id(), 1);
	adopt(&bulk_first_prio);
	ck_assert_uint_eq(world.tree->root->children[2]->n_packets, 4);
	ck_assert_uint_eq(world.tree->root->children[2]->stats.packets, 2);
	ck_assert_uint_eq(world.tree->root->children[0]->n_packets, 3);
	ck_assert_uint_eq(take_id(), 6);
	ck_assert_uint_eq(take_id(), 7);
	ck_assert_uint_eq(take_id(), 8);
	/* Its bucket is as empty as it was. */
	ck_assert_ptr_null(take());
	world.now = world.tree->root->next_at;
	ck_assert_uint_eq(take_id(), 2);
	/* A path that ends sooner is still its path; of one that goes on the first leaf is meant. */
	adopt(&voice_plain_prio);
	ck_assert_uint_eq(world.tree->root->children[1]->n_packets, 3);
	ck_assert_uint_eq(take_id(), 3);
	adopt(&bulk_first_prio);
	ck_assert_uint_eq(world.tree->root->children[2]->n_packets, 2);
	ck_assert_ptr_eq(world.tree->root->children[2]->ops, &tbf_ops);
	world_fini();
}
END_TEST

/* Any of these after any other, under load. */
static struct qdisc_conf shaped_prio = {
	.kind = QDISC_PRIO, .bands = 3, .classes = LIST_OF(voice_first)
};
static struct qdisc_conf plain_prio = { .kind = QDISC_PRIO, .bands = 4 };
static const struct qdisc_conf any_tree[] = {
	{ .kind = QDISC_PFIFO },
	{ .kind = QDISC_BFIFO, .limit = 50000 },
	{ .kind = QDISC_FQ_CODEL, .limit = 100 },
	{ .kind = QDISC_FQ_CODEL, .flows = 7, .memory_limit = 300000 },
	{ .kind = QDISC_PRIO, .bands = 3 },
	{ .kind = QDISC_PRIO, .bands = 16 },
	{ .kind = QDISC_PRIO, .bands = 2, .classes = LIST_OF(voice_first) },
	{ .kind = QDISC_PRIO, .bands = 3, .classes = LIST_OF(bulk_first) },
	{ .kind = QDISC_TBF, .rate = 80000000, .burst = 3000, .limit = 200000 },
	{ .kind = QDISC_TBF,
		.rate = 20000000,
		.burst = 1600,
		.limit = 200000,
		.child = ONE(&bulk_codel) },
	{ .kind = QDISC_TBF,
		.rate = 50000000,
		.burst = 9000,
		.limit = 1000000,
		.child = ONE(&shaped_prio) },
	{ .kind = QDISC_TBF,
		.rate = 50000000,
		.burst = 1000,
		.limit = 1000000,
		.child = ONE(&plain_prio) },
};

START_TEST(nothing_is_lost_between_any_trees)
{
	uint32_t n_out = 0, n_drops = 0;
	struct rte_mbuf *m;

	world_init(&any_tree[0]);
	for (uint32_t i = 0; i < 60000; i++) {
		if (random_below(10) < 6)
			put(packet_new(random_below(world.tree->n_leaves), 64 + random_below(1450),
				random_below(20) * 0x0c111111));
		if (random_below(10) < 5 && (m = take()) != NULL) {
			packet_free(m);
			n_out++;
		}
		if (random_below(20) == 0)
			qdisc_peek(world.tree->root, world.now);
		if (random_below(100) == 0)
			adopt(&any_tree[random_below(RTE_DIM(any_tree))]);
		world.now += random_below((uint32_t)CYCLES_MS(1) / 3);
	}
	while ((m = take_next()) != NULL) {
		packet_free(m);
		n_out++;
	}
	for (uint32_t i = 0; i < QDISC_N_DROPS; i++)
		n_drops += world.n_dropped[i];
	ck_assert_uint_eq(n_out + n_drops, world.n_made);
	ck_assert_uint_gt(n_out, 20000);
	world_fini();
}
END_TEST

SUITE_MAIN("qdisc_adopt", { every_leaf_goes_over_to_every_other, N_PAIRS },
	PLAIN_TEST(fifo_keeps_all_when_its_limit_is_lower),
	PLAIN_TEST(queue_of_another_kind_holds_its_limit), PLAIN_TEST(fq_codel_keeps_its_figures),
	PLAIN_TEST(fq_codel_drops_down_to_a_lower_limit),
	LOOP_TEST(change_gives_no_tokens, change_rows),
	LOOP_TEST(level_of_a_bucket_goes_over_as_time, level_rows),
	LOOP_TEST(bands_keep_what_they_have, band_rows),
	PLAIN_TEST(packets_follow_the_name_of_their_class),
	PLAIN_TEST(nothing_is_lost_between_any_trees))
