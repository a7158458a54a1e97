/* SPDX-License-Identifier: BSD-3-Clause */

/* tbf: rates, bursts, peak rates, limits, and what a frame costs (lib/qos/tbf.c). */
#include "qdisc_fixture.h"

/* Frames of one size, or of all sizes in turn (0). */
static uint32_t frame_len(uint32_t size, uint32_t i)
{
	static const uint32_t sizes[] = { 64, 1500, 576, 64, 128, 1500, 1024, 65, 999 };

	return size != 0 ? size : sizes[i % RTE_DIM(sizes)];
}

static const uint64_t rates_bps[] = { 64000, 1000000, 33333333, 100000000, 1000000000, 10000000000,
	40000000000 };
static const uint32_t frame_sizes[] = { 64, 333, 1500, 0 };

START_TEST(tbf_keeps_its_rate_to_a_thousandth)
{
	const uint64_t bps = rates_bps[_i];

	for (size_t s = 0; s < RTE_DIM(frame_sizes); s++) {
		const struct qdisc_conf conf = {
			.kind = QDISC_TBF, .rate = bps, .burst = 5000, .limit = 100000
		};
		uint64_t start, n_bytes = 0;

		world_init(&conf);
		start = world.now;
		for (uint32_t i = 0; i < 20000; i++) {
			struct rte_mbuf *m;

			while (world.tree->root->n_packets < 4)
				MUST(put_new(0, frame_len(frame_sizes[s], world.n_made)));
			m = take_next();
			n_bytes += m->pkt_len;
			packet_free(m);
		}
		ck_assert_double_eq_tol(
			(double)(n_bytes - 5000) * 8 * (double)TSC_HZ / (double)(world.now - start),
			(double)bps, (double)bps / 1000);
		world_fini();
	}
}
END_TEST

struct departure {
	uint64_t at, bytes_before, len;
};
enum { N_DEPARTURES = 6000 };
static struct departure departures[N_DEPARTURES];

/* Of no span of time, whenever it begins, more than burst + rate * time. */
static void check_spans(uint64_t bps, uint64_t burst)
{
	static const uint32_t spans_us[] = { 0, 100, 1000, 10000, 100000 };

	for (size_t s = 0; s < RTE_DIM(spans_us); s++) {
		uint64_t span = spans_us[s] * TSC_HZ / 1000000;
		double most =
			(double)burst + (double)bps / 8 * (double)span / (double)TSC_HZ * 1.000001;

		for (uint32_t i = 0, j = 0; i < N_DEPARTURES; i++) {
			uint64_t n_bytes;

			while (j + 1 < N_DEPARTURES &&
				departures[j + 1].at - departures[i].at <= span)
				j++;
			n_bytes = departures[j].bytes_before + departures[j].len -
				  departures[i].bytes_before;
			MUST((double)n_bytes <= most);
		}
	}
}

static const struct {
	uint64_t rate, burst, peakrate, mtu;
} span_rows[] = {
	{ 1000000, 1500, 0, 0 },
	{ 10000000, 20000, 0, 0 },
	{ 10000000, 20000, 30000000, 1500 },
	{ 100000000, 100000, 200000000, 3000 },
	{ 1000000000, 1000000, 0, 0 },
	{ 10000000000, 200000, 10100000000, 1600 },
};

/* Comes and goes at times of no order: bursts, pauses, and a worker that is late. */
START_TEST(no_span_of_time_has_more_than_burst_and_rate)
{
	const struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = span_rows[_i].rate,
		.burst = span_rows[_i].burst,
		.peakrate = span_rows[_i].peakrate,
		.mtu = span_rows[_i].mtu,
		.limit = 1000000 };
	uint64_t byte_cycles = 8 * TSC_HZ / conf.rate + 1, n_bytes = 0;

	world_init(&conf);
	for (uint32_t n = 0; n < N_DEPARTURES;) {
		struct rte_mbuf *m = random_below(4) != 0 ? take() : NULL;

		if (m != NULL) {
			departures[n++] = (struct departure){ world.now, n_bytes, m->pkt_len };
			n_bytes += m->pkt_len;
			packet_free(m);
			continue;
		}
		if (random_below(2) == 0)
			for (uint32_t i = random_below(20); i > 0; i--)
				put_new(0, 64 + random_below(1437));
		world.now += random_below(3) != 0 ? random_below(3000) * byte_cycles / 4 : 0;
		if (random_below(200) == 0)
			world.now += 3 * conf.burst * byte_cycles;
	}
	check_spans(conf.rate, conf.burst);
	if (conf.peakrate != 0)
		check_spans(conf.peakrate, conf.mtu);
	world_fini();
}
END_TEST

START_TEST(peakrate_spreads_the_burst)
{
	const struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = 8000000,
		.burst = 100000,
		.peakrate = 80000000,
		.mtu = 1500,
		.limit = 1000000 };
	uint64_t start;

	world_init(&conf);
	start = world.now;
	for (uint32_t i = 0; i < 101; i++)
		put_new(0, 1000);
	for (uint32_t i = 0; i < 101; i++)
		packet_free(take_next());
	/* 101000 bytes but the first 1500, of 10 MB/s; the rate alone, 1 MB/s, has had them by then. */
	ck_assert_uint_le(world.now - start - 99500 * TSC_HZ / 10000000, 2);
	world_fini();
}
END_TEST

static const struct {
	struct qdisc_conf conf;
	uint64_t want;
} limit_rows[] = {
	{ { .limit = 4711, .rate = 1, .latency_ns = 1 }, 4711 },
	{ { .rate = 1000000, .burst = 10000, .latency_ns = 50000000 }, 16250 },
	{ { .rate = 1000000,
		  .burst = 10000,
		  .latency_ns = 50000000,
		  .peakrate = 2000000,
		  .mtu = 1500 },
		14000 },
	{ { .rate = 1000000,
		  .burst = 10000,
		  .latency_ns = 50000000,
		  .peakrate = 9000000,
		  .mtu = 1500 },
		16250 },
	{ { .rate = RATE_BPS_MAX, .burst = UINT64_MAX, .latency_ns = UINT64_MAX }, UINT64_MAX },
};

START_TEST(tbf_limit_is_what_tc_computes)
{
	ck_assert_uint_eq(tbf_limit(&limit_rows[_i].conf), limit_rows[_i].want);
}
END_TEST

static struct qdisc_conf small_pfifo = { .kind = QDISC_PFIFO, .limit = 5 };
static struct qdisc_conf large_pfifo = { .kind = QDISC_PFIFO, .limit = 5000 };
static const struct {
	struct qdisc_conf conf;
	uint32_t want;
} room_rows[] = {
	{ { .kind = QDISC_TBF }, 16 },
	{ { .kind = QDISC_TBF, .child = ONE(&large_pfifo) }, 16 },
	{ { .kind = QDISC_TBF, .child = ONE(&small_pfifo) }, 5 },
};

START_TEST(nothing_waits_longer_than_the_latency)
{
	struct qdisc_conf conf = room_rows[_i].conf;
	uint64_t start;

	conf.rate = 1000000;
	conf.burst = 10000;
	conf.latency_ns = 50000000;
	world_init(&conf);
	start = world.now;
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(put_new(0, 1000), i < room_rows[_i].want);
	for (uint32_t i = 0; i < room_rows[_i].want; i++)
		packet_free(take_next());
	ck_assert_uint_le(world.now - start, CYCLES_MS(50));
	if (room_rows[_i].want == 16)
		ck_assert_uint_ge(world.now - start, CYCLES_MS(47));
	world_fini();
}
END_TEST

static const struct {
	struct qdisc_conf conf;
	uint32_t len;
	bool want;
} size_rows[] = {
	{ { .burst = 1500 }, 1500, true },
	{ { .burst = 1500 }, 1501, false },
	{ { .burst = 1500, .overhead = 4 }, 1497, false },
	{ { .burst = 1500, .overhead = 4 }, 1496, true },
	{ { .burst = 1500, .overhead = -14 }, 1514, true },
	{ { .burst = 9000, .peakrate = 2000000, .mtu = 1500 }, 1500, true },
	{ { .burst = 9000, .peakrate = 2000000, .mtu = 1500 }, 1501, false },
	{ { .burst = 1590, .is_atm = true }, 1440, true },
	{ { .burst = 1590, .is_atm = true }, 1441, false },
	{ { .burst = 100, .mpu = 101 }, 64, false },
};

START_TEST(frame_larger_than_a_bucket_is_refused)
{
	struct qdisc_conf conf = size_rows[_i].conf;

	conf.kind = QDISC_TBF;
	conf.rate = 1000000;
	conf.limit = 100000;
	world_init(&conf);
	ck_assert_int_eq(put_new(0, size_rows[_i].len), size_rows[_i].want);
	ck_assert_uint_eq(world.n_dropped[QDISC_DROP_OVERSIZE], !size_rows[_i].want);
	ck_assert_uint_eq(world.tree->root->stats.drops, !size_rows[_i].want);
	/* Neither does it leave too late: what a full bucket holds leaves at once. */
	world.now++;
	ck_assert_int_eq(take_id() == 0, size_rows[_i].want);
	world_fini();
}
END_TEST

static const struct {
	struct qdisc_conf conf;
	uint32_t len, want;
} cost_rows[] = {
	{ { .mpu = 0 }, 1000, 1000 },
	{ { .overhead = 24 }, 1000, 1024 },
	{ { .overhead = -14 }, 1000, 986 },
	{ { .mpu = 84 }, 60, 84 },
	{ { .mpu = 84, .overhead = 20 }, 60, 84 },
	{ { .mpu = 84, .overhead = 20 }, 70, 90 },
	{ { .is_atm = true }, 48, 53 },
	{ { .is_atm = true, .overhead = 8 }, 64, 106 },
};

START_TEST(frame_costs_what_the_link_below_makes_of_it)
{
	struct qdisc_conf conf = cost_rows[_i].conf;
	uint64_t start;

	conf.kind = QDISC_TBF;
	conf.rate = 8000000;
	conf.burst = 2000;
	conf.limit = 10000000;
	world_init(&conf);
	start = world.now;
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert(put_new(0, cost_rows[_i].len));
	for (uint32_t i = 0; i < 1000; i++)
		packet_free(take_next());
	/* One byte is a microsecond. */
	ck_assert_double_eq_tol((double)(world.now - start) * 1000000 / (double)TSC_HZ,
		1000.0 * cost_rows[_i].want - 2000, 1);
	world_fini();
}
END_TEST

START_TEST(waits_are_counted_and_peeks_are_not)
{
	const struct qdisc_conf conf = {
		.kind = QDISC_TBF, .rate = 1000000, .burst = 1500, .limit = 10000
	};
	uint64_t at;

	world_init(&conf);
	for (uint32_t i = 0; i < 2; i++)
		put_new(0, 1500);
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_ptr_null(qdisc_peek(world.tree->root, world.now));
	at = world.tree->root->next_at;
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 0);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 1);
	ck_assert_uint_eq(world.tree->root->next_at, at);
	world.now = at - 1;
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 2);
	world.now = at;
	ck_assert_ptr_nonnull(qdisc_peek(world.tree->root, world.now));
	ck_assert_uint_eq(take_id(), 1);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(world.tree->root->stats.overlimits, 2);
	world_fini();
}
END_TEST

static struct qdisc_conf slow_child = {
	.kind = QDISC_TBF, .rate = 1000000, .burst = 1500, .limit = 100000
};

/* It is the child that waits: that is its overlimit, and its time. */
START_TEST(tbf_waits_for_a_slower_child)
{
	const struct qdisc_conf conf = { .kind = QDISC_TBF,
		.rate = 100000000,
		.burst = 3000,
		.limit = 100000,
		.child = ONE(&slow_child) };
	const struct qdisc *root, *child;

	world_init(&conf);
	root = world.tree->root;
	child = root->children[0];
	for (uint32_t i = 0; i < 2; i++)
		put_new(0, 1500);
	world.now++;
	ck_assert_uint_eq(take_id(), 0);
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(root->next_at, child->next_at);
	ck_assert_uint_le(root->next_at - world.now - CYCLES_MS(12), 1);
	ck_assert_uint_eq(root->stats.overlimits, 0);
	world.now = root->next_at;
	ck_assert_uint_eq(take_id(), 1);
	world_fini();
}
END_TEST

SUITE_MAIN("tbf", LOOP_TEST(tbf_keeps_its_rate_to_a_thousandth, rates_bps),
	LOOP_TEST(no_span_of_time_has_more_than_burst_and_rate, span_rows),
	PLAIN_TEST(peakrate_spreads_the_burst),
	LOOP_TEST(tbf_limit_is_what_tc_computes, limit_rows),
	LOOP_TEST(nothing_waits_longer_than_the_latency, room_rows),
	LOOP_TEST(frame_larger_than_a_bucket_is_refused, size_rows),
	LOOP_TEST(frame_costs_what_the_link_below_makes_of_it, cost_rows),
	PLAIN_TEST(waits_are_counted_and_peeks_are_not), PLAIN_TEST(tbf_waits_for_a_slower_child))
