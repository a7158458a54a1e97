/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Colours by rate and burst: against rte_meter packet by packet, over random traffic; how exact
 * rates are; bursts that are taken as a whole; buckets that threads share; what is left in buckets
 * whose rate becomes another one. Time is the test's own.
 */
#include "meter/color.h"

#include <inttypes.h>
#include <pthread.h>
#include <rte_meter.h>
#include <string.h>

#include "suite.h"

#define TSC_HZ UINT64_C(2600000000)

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % n;
}

/* A meter as one worker has it. */
struct meter {
	struct meter_profile profile;
	struct meter_buckets buckets;
	struct meter_fractions owed;
};

static enum color ask(struct meter *m, uint64_t now, uint32_t len)
{
	return meter_color(&m->buckets, &m->profile, &m->owed, now, len);
}

static struct meter make_police(uint64_t bps, uint64_t burst)
{
	struct meter m = { .profile = { .kind = METER_POLICE } };

	meter_rate_init(&m.profile.committed, bps, burst, TSC_HZ);
	return m;
}

/* The oracle */

/*
 * Rates as rte_meter counts them, so many bytes in so many cycles, chosen so that it counts
 * exactly: its own way from a rate to these numbers rounds by up to 1 %.
 */
struct pace {
	uint64_t period, bytes;
};

static const enum color of_rte[] = {
	[RTE_COLOR_GREEN] = COLOR_GREEN,
	[RTE_COLOR_YELLOW] = COLOR_YELLOW,
	[RTE_COLOR_RED] = COLOR_RED,
};

static struct meter_rate rate_of(const struct pace *pace, uint64_t burst)
{
	struct meter_rate rate;

	/*
	 * With that many cycles in a second a second has eight periods: the rate is a whole number.
	 */
	meter_rate_init(&rate, 64 * pace->bytes, burst, 8 * pace->period);
	return rate;
}

struct oracle {
	enum meter_kind kind;
	struct rte_meter_srtcm_profile sr;
	struct rte_meter_trtcm_profile tr;
	struct rte_meter_srtcm sr_state;
	struct rte_meter_trtcm tr_state;
};

static struct oracle oracle_make(enum meter_kind kind, const struct pace *committed, uint64_t burst,
	const struct pace *second, uint64_t second_burst)
{
	return (struct oracle){
		.kind = kind,
		.sr = { .cbs = burst,
			.ebs = second_burst,
			.cir_period = committed->period,
			.cir_bytes_per_period = committed->bytes },
		.tr = { .cbs = burst,
			.pbs = second_burst,
			.cir_period = committed->period,
			.cir_bytes_per_period = committed->bytes,
			.pir_period = second->period,
			.pir_bytes_per_period = second->bytes },
		.sr_state = { .tc = burst, .te = second_burst },
		.tr_state = { .tc = burst, .tp = second_burst },
	};
}

static enum color oracle_ask(struct oracle *o, uint64_t now, uint32_t len)
{
	if (o->kind == METER_TRTCM)
		return of_rte[rte_meter_trtcm_color_blind_check(&o->tr_state, &o->tr, now, len)];
	return of_rte[rte_meter_srtcm_color_blind_check(&o->sr_state, &o->sr, now, len)];
}

/*
 * Is a bucket so near to the length that rounding may decide? rte_meter counts in lumps of so many
 * bytes.
 */
static bool oracle_is_close(const struct oracle *o, uint32_t len)
{
	bool is_trtcm = o->kind == METER_TRTCM;
	uint64_t lump =
		1 + RTE_MAX(o->sr.cir_bytes_per_period, is_trtcm ? o->tr.pir_bytes_per_period : 0);
	uint64_t tokens[] = { is_trtcm ? o->tr_state.tc : o->sr_state.tc,
		is_trtcm ? o->tr_state.tp : o->sr_state.te };

	for (unsigned int i = 0; i < RTE_DIM(tokens); i++)
		if (tokens[i] + lump >= len && tokens[i] <= len + lump)
			return true;
	return false;
}

static void take(uint64_t *tokens, uint32_t len)
{
	*tokens -= RTE_MIN(*tokens, (uint64_t)len);
}

/*
 * Takes what that colour takes: so that a doubtful decision has no consequences for the next ones.
 */
static void oracle_follow(struct oracle *o, enum color color, uint32_t len)
{
	if (o->kind == METER_TRTCM) {
		if (color != COLOR_RED)
			take(&o->tr_state.tp, len);
		if (color == COLOR_GREEN)
			take(&o->tr_state.tc, len);
		return;
	}
	if (color == COLOR_GREEN)
		take(&o->sr_state.tc, len);
	else if (color == COLOR_YELLOW)
		take(&o->sr_state.te, len);
}

struct compared {
	uint64_t n[COLOR_N], want[COLOR_N], n_close;
};

enum { COMPARED = 100000 };

/* step: times are multiples of it. */
static struct compared compare(
	struct oracle *o, struct meter *m, uint64_t step, uint32_t max_gap, bool is_exact)
{
	struct compared c = { .n_close = 0 };
	struct oracle free_running = *o;
	uint64_t now = 0;

	for (unsigned int i = 0; i < COMPARED; i++) {
		uint32_t len = 60 + random_below(1455);
		struct oracle alone;
		enum color want, got;
		bool is_close;

		/* Now and then a pause that fills all buckets. */
		now += step *
		       (random_below(1000) == 0 ? 100 * (uint64_t)max_gap : random_below(max_gap));
		(void)oracle_ask(o, now, 0);
		alone = *o;
		want = oracle_ask(&alone, now, len);
		got = ask(m, now, len);
		is_close = oracle_is_close(o, len);
		if (is_exact || !is_close)
			ck_assert_msg(got == want, "packet %u of %u bytes: %d, not %d", i, len, got,
				want);
		c.n_close += is_close;
		c.n[got] += len;
		c.want[oracle_ask(&free_running, now, len)] += len;
		oracle_follow(o, got, len);
	}
	return c;
}

static const struct {
	enum meter_kind kind;
	struct pace committed, second;
	uint64_t burst, second_burst;
} compared[] = {
	{ METER_SRTCM, { 100, 1 }, { 100, 1 }, 1514, 3028 },
	{ METER_SRTCM, { 260, 1 }, { 260, 1 }, 64000, 4000 },
	{ METER_SRTCM, { 100, 33 }, { 100, 33 }, 9000, 20000 },
	{ METER_SRTCM, { 160000, 1 }, { 160000, 1 }, 3000, 3000 },
	/* Packets that are larger than the committed burst. */
	{ METER_SRTCM, { 100, 1 }, { 100, 1 }, 1000, 3028 },
	{ METER_TRTCM, { 200, 1 }, { 100, 1 }, 1514, 1514 },
	{ METER_TRTCM, { 1000, 1 }, { 100, 1 }, 16000, 3000 },
	{ METER_TRTCM, { 200, 60 }, { 100, 41 }, 9000, 9000 },
	{ METER_TRTCM, { 320000, 1 }, { 160000, 1 }, 3000, 5000 },
};

/* At times when both count whole bytes there is nothing to round. */
static void compare_row(int row, bool is_in_step)
{
	const struct pace *committed = &compared[row].committed, *second = &compared[row].second;
	uint64_t burst = compared[row].burst, second_burst = compared[row].second_burst;
	struct oracle o = oracle_make(compared[row].kind, committed, burst, second, second_burst);
	struct meter m = { .profile = { .kind = compared[row].kind,
				   .committed = rate_of(committed, burst),
				   .second = rate_of(second, second_burst) } };
	uint64_t step = is_in_step ? RTE_MAX(committed->period, second->period) : 1;
	/* Twice what the committed rate has room for. */
	uint32_t gap = (uint32_t)(787 * committed->period / committed->bytes / step) + 2;
	struct compared c = compare(&o, &m, step, gap, step > 1 && committed->bytes == 1);

	uint64_t n_offered = c.n[COLOR_GREEN] + c.n[COLOR_YELLOW] + c.n[COLOR_RED];

	for (unsigned int i = 0; i < COLOR_N; i++) {
		uint64_t off = c.n[i] > c.want[i] ? c.n[i] - c.want[i] : c.want[i] - c.n[i];

		ck_assert_uint_gt(c.n[i], 0);
		ck_assert_uint_le(off * 1000, n_offered);
	}
	ck_assert_uint_lt(c.n_close, COMPARED / 8);
}

START_TEST(colours_are_those_of_rte_meter_packet_by_packet)
{
	compare_row(_i, true);
}
END_TEST

START_TEST(colours_are_those_of_rte_meter_at_any_time)
{
	compare_row(_i, false);
}
END_TEST

/* Rates */

static const uint64_t exact_rates[] = { 1000, 64000, 1000000, 33333333, 100000000, 1000000000,
	9999999999, 40000000000, 100000000000, 400000000000, 1000000000000 };

/*
 * Two workers take turns, with twice of what the rate allows. What gets through is the burst, and
 * the rate times time.
 */
START_TEST(rates_are_exact)
{
	const uint64_t bps = exact_rates[_i], burst = 3028;
	const uint32_t lens[] = { 64, 1514, 65, 799 };
	struct meter m = make_police(bps, burst);
	struct meter_fractions owed[2] = { { 0 } };
	uint64_t n_green = 0, n_offered = 0, now = 1000;
	double want;

	for (unsigned int i = 0; i < 1000000; i++) {
		uint32_t len = lens[i % RTE_DIM(lens)];

		now = 1000 + (uint64_t)((double)n_offered * 4 * TSC_HZ / (double)bps);
		if (meter_color(&m.buckets, &m.profile, &owed[i / 7 % 2], now, len) == COLOR_GREEN)
			n_green += len;
		n_offered += len;
	}
	want = (double)(now - 1000) / TSC_HZ * (double)bps / 8 + burst;
	/* What a rate comes to is rounded to the seventh digit. */
	ck_assert_double_le(n_green, want * 1.000001 + (double)(2 + bps / 8 / TSC_HZ));
	ck_assert_double_ge(n_green, want * 0.999);
}
END_TEST

/* The burst to the byte, also at the ends of what may be configured, and after a hundred years. */
START_TEST(bursts_are_exact)
{
	const uint64_t century = TSC_HZ * 86400 * 36525, bps = exact_rates[_i];
	const uint64_t bursts[] = { 1514, 200 * 1024, METER_BURST_MAX };

	for (unsigned int i = 0; i < RTE_DIM(bursts); i++) {
		struct meter m = make_police(bps, bursts[i]);

		for (uint64_t now = 1; now <= century + 1; now += century) {
			/* A cycle is some bytes, at high rates. */
			uint32_t grain = 2 + (uint32_t)(bps / 8 / TSC_HZ);

			ck_assert(!meter_all_green(
				&m.buckets, &m.profile, &m.owed, now, bursts[i] + grain));
			ck_assert(meter_all_green(
				&m.buckets, &m.profile, &m.owed, now, bursts[i] - grain));
			ck_assert_int_eq(ask(&m, now, 3 * grain), COLOR_RED);
		}
	}
}
END_TEST

/* Bursts */

static void expect_same(const struct meter *a, const struct meter *b)
{
	ck_assert_uint_eq(a->buckets.committed, b->buckets.committed);
	ck_assert_uint_eq(a->buckets.second, b->buckets.second);
	ck_assert_uint_eq(a->owed.committed, b->owed.committed);
	ck_assert_uint_eq(a->owed.second, b->owed.second);
}

static const enum meter_kind kinds[] = { METER_POLICE, METER_SRTCM, METER_TRTCM };

/* Taken as a whole or one by one, it comes to the same; and what is not taken changes nothing. */
START_TEST(a_burst_is_taken_as_its_packets_would_be)
{
	struct meter m = { .profile = { .kind = kinds[_i] } }, before, single;
	uint64_t now = 12345, sum;
	unsigned int n_whole = 0, n_split = 0;

	meter_rate_init(&m.profile.committed, 123456789, 50000, TSC_HZ);
	meter_rate_init(
		&m.profile.second, kinds[_i] == METER_TRTCM ? 223456789 : 123456789, 40000, TSC_HZ);
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int n = 1 + random_below(32), n_green = 0;
		uint32_t lens[32];

		now += random_below(4500000);
		sum = 0;
		before = single = m;
		for (unsigned int k = 0; k < n; k++) {
			lens[k] = 60 + random_below(1455);
			sum += lens[k];
		}
		for (unsigned int k = 0; k < n; k++)
			n_green += ask(&single, now, lens[k]) == COLOR_GREEN;
		if (meter_all_green(&m.buckets, &m.profile, &m.owed, now, sum)) {
			ck_assert_uint_eq(n_green, n);
			expect_same(&m, &single);
			n_whole++;
		} else {
			ck_assert_uint_lt(n_green, n);
			/* Only a bucket that was full may say so in another way. */
			before.buckets.committed =
				RTE_MAX(before.buckets.committed, m.buckets.committed);
			expect_same(&m, &before);
			ck_assert_uint_le(
				m.buckets.committed, RTE_MAX(now, single.buckets.committed));
			m = single;
			n_split++;
		}
	}
	ck_assert_uint_gt(n_whole, 1000);
	ck_assert_uint_gt(n_split, 1000);
}
END_TEST

/* Threads */

enum { THREADS = 4, TAKES = 200000 };

struct taker {
	struct meter *shared;
	uint64_t n_bytes[COLOR_N];
};

static void *taker_run(void *arg)
{
	struct taker *taker = arg;
	struct meter_fractions owed = { 0 };

	for (unsigned int i = 0; i < TAKES; i++)
		taker->n_bytes[meter_color(&taker->shared->buckets, &taker->shared->profile, &owed,
			1000000000, 100 + i % 3)] += 100 + i % 3;
	return NULL;
}

/*
 * Time stands still: all that there is to be had are the bursts, and no more of them, whoever
 * takes.
 */
START_TEST(workers_share_a_bucket_without_loss)
{
	const uint64_t burst = 20000000, excess = 10000000;
	struct meter shared = { .profile = { .kind = METER_SRTCM } };
	struct taker takers[THREADS] = { { 0 } };
	pthread_t threads[THREADS];
	uint64_t n_bytes[COLOR_N] = { 0 };

	meter_rate_init(&shared.profile.committed, 1000000000, burst, TSC_HZ);
	meter_rate_init(&shared.profile.second, 1000000000, excess, TSC_HZ);
	for (unsigned int i = 0; i < THREADS; i++) {
		takers[i].shared = &shared;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, taker_run, &takers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		for (unsigned int k = 0; k < COLOR_N; k++)
			n_bytes[k] += takers[i].n_bytes[k];
	}
	ck_assert_uint_le(n_bytes[COLOR_GREEN], burst + THREADS);
	ck_assert_uint_ge(n_bytes[COLOR_GREEN], burst - 102);
	ck_assert_uint_le(n_bytes[COLOR_YELLOW], excess + THREADS);
	ck_assert_uint_ge(n_bytes[COLOR_YELLOW], excess - 102);
}
END_TEST

/* Replaced */

static const struct {
	const char *name;
	uint64_t bps, burst, new_bps, new_burst, taken, want_left;
} replaced[] = {
	{ "the same", 1000000, 10000, 1000000, 10000, 4000, 6000 },
	{ "faster", 1000, 10000, 400000000000, 10000, 4000, 6000 },
	{ "slower", 400000000000, 10000, 1000, 10000, 4000, 6000 },
	{ "a larger burst", 1000000, 10000, 1000000, 20000, 4000, 6000 },
	{ "a smaller burst", 1000000, 10000, 1000000, 5000, 4000, 5000 },
	{ "full", 1000000, 10000, 1000000, 20000, 0, 20000 },
	{ "empty", 1000000, 10000, 2000000, 20000, 10000, 0 },
};

START_TEST(what_is_in_a_bucket_stays_when_it_is_replaced)
{
	const uint64_t now = 5000000;
	struct meter old = make_police(replaced[_i].bps, replaced[_i].burst);
	struct meter new = make_police(replaced[_i].new_bps, replaced[_i].new_burst);
	uint64_t grain = 2 + RTE_MAX(replaced[_i].bps, replaced[_i].new_bps) / 8 / TSC_HZ;
	uint64_t left;

	ck_assert(meter_all_green(&old.buckets, &old.profile, &old.owed, now, replaced[_i].taken));
	meter_buckets_follow(&new.buckets, &new.profile, &old.buckets, &old.profile, now);
	left = meter_bytes_left(&new.profile.committed, new.buckets.committed - now);
	ck_assert_msg(left <= replaced[_i].want_left && left + 2 * grain >= replaced[_i].want_left,
		"%s: %" PRIu64, replaced[_i].name, left);
}
END_TEST

static uint64_t second_left(const struct meter *m, uint64_t now)
{
	uint64_t lack = m->buckets.second;

	if (m->profile.kind == METER_TRTCM)
		lack = lack > now ? lack - now : 0;
	return meter_bytes_left(&m->profile.second, lack);
}

/* The second bucket goes along only where it means the same. */
START_TEST(the_second_bucket_stays_what_it_is)
{
	const uint64_t now = 5000000;

	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		struct meter old = { .profile = { .kind = kinds[i] } };
		struct meter new = { .profile = { .kind = kinds[_i] } };
		uint64_t left;

		meter_rate_init(&old.profile.committed, 1000000, 5000, TSC_HZ);
		meter_rate_init(&old.profile.second, 1000000, 8000, TSC_HZ);
		meter_rate_init(&new.profile.committed, 3000000, 5000, TSC_HZ);
		meter_rate_init(&new.profile.second, 3000000, 8000, TSC_HZ);
		for (unsigned int k = 0; k < 7; k++)
			(void)ask(&old, now, 1000);
		meter_buckets_follow(&new.buckets, &new.profile, &old.buckets, &old.profile, now);
		left = second_left(&new, now);
		if (kinds[_i] != kinds[i] || kinds[i] == METER_POLICE)
			ck_assert_uint_ge(left, 7999);
		else
			ck_assert_uint_le(left, kinds[i] == METER_SRTCM ? 6000 : 1000);
	}
}
END_TEST

SUITE_MAIN("meter", LOOP_TEST(colours_are_those_of_rte_meter_packet_by_packet, compared),
	LOOP_TEST(colours_are_those_of_rte_meter_at_any_time, compared),
	LOOP_TEST(rates_are_exact, exact_rates), LOOP_TEST(bursts_are_exact, exact_rates),
	LOOP_TEST(a_burst_is_taken_as_its_packets_would_be, kinds),
	PLAIN_TEST(workers_share_a_bucket_without_loss),
	LOOP_TEST(what_is_in_a_bucket_stays_when_it_is_replaced, replaced),
	LOOP_TEST(the_second_bucket_stays_what_it_is, kinds))
