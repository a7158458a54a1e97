/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The timer wheel: every distance at which a timer changes level, from every alignment of the
 * clock; what fire may do; and long random runs against an oracle that looks at all timers, each
 * time, for the one that is due first.
 */
#include "base/timer_wheel.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define LEVEL_1 (1ULL << 6)
#define LEVEL_2 (1ULL << 12)
#define LEVEL_3 (1ULL << 18)
#define REACH	(1ULL << 24)

static const uint64_t starts[] = { 0, 1, 62, 63, 64, 4095, 4096, LEVEL_3 - 1, LEVEL_3, REACH - 1,
	REACH, REACH + 12345, 0x123456789abcdefULL, (1ULL << 63) - 3 };

static const uint64_t deltas[] = { 1, 2, LEVEL_1 - 1, LEVEL_1, LEVEL_1 + 1, 2 * LEVEL_1,
	LEVEL_2 - 1, LEVEL_2, LEVEL_2 + 1, 5 * LEVEL_2 + 17, LEVEL_3 - 1, LEVEL_3, LEVEL_3 + 1,
	REACH - LEVEL_3, REACH - 1, REACH, REACH + 1, 7 * REACH + 3 };

enum { N_DELTAS = sizeof(deltas) / sizeof(deltas[0]) };

static void fire_count(void *ctx, struct timer *timer)
{
	unsigned int *n_fired = ctx;

	ck_assert(!timer_is_pending(timer));
	(*n_fired)++;
}

START_TEST(timer_fires_at_its_tick_and_not_before)
{
	uint64_t start = starts[_i];

	for (unsigned int i = 0; i < N_DELTAS; i++) {
		struct timer timer = { 0 };
		struct timer_wheel wheel;
		unsigned int n_fired = 0;

		timer_wheel_init(&wheel, start);
		timer_add(&wheel, &timer, start + deltas[i]);
		ck_assert(timer_is_pending(&timer));
		timer_wheel_advance(&wheel, start + deltas[i] / 2, fire_count, &n_fired);
		timer_wheel_advance(&wheel, start + deltas[i] - 1, fire_count, &n_fired);
		ck_assert_uint_eq(n_fired, 0);
		ck_assert_uint_eq(wheel.n_pending, 1);
		timer_wheel_advance(&wheel, start + deltas[i], fire_count, &n_fired);
		ck_assert_uint_eq(n_fired, 1);
		ck_assert_uint_eq(wheel.n_pending, 0);
		ck_assert_uint_eq(wheel.now, start + deltas[i]);
		timer_wheel_advance(&wheel, start + deltas[i] + REACH, fire_count, &n_fired);
		ck_assert_uint_eq(n_fired, 1);
	}
}
END_TEST

struct order {
	struct timer_wheel *wheel;
	uint64_t last;
	unsigned int n_fired;
};

static void fire_in_order(void *ctx, struct timer *timer)
{
	struct order *order = ctx;

	ck_assert_uint_ge(timer->expires, order->last);
	ck_assert_uint_eq(order->wheel->now, timer->expires);
	order->last = timer->expires;
	order->n_fired++;
}

START_TEST(one_long_advance_fires_all_in_order)
{
	struct timer timers[N_DELTAS] = { 0 };
	struct timer_wheel wheel;
	struct order order = { .wheel = &wheel };

	timer_wheel_init(&wheel, starts[_i]);
	for (unsigned int i = 0; i < N_DELTAS; i++)
		timer_add(&wheel, &timers[N_DELTAS - 1 - i], starts[_i] + deltas[i]);
	timer_wheel_advance(&wheel, starts[_i] + 8 * REACH, fire_in_order, &order);
	ck_assert_uint_eq(order.n_fired, N_DELTAS);
	ck_assert_uint_eq(wheel.n_pending, 0);
}
END_TEST

START_TEST(timer_in_the_past_fires_at_the_next_advance)
{
	const uint64_t past[] = { 0, 1, 936, 999, 1000 };

	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
		for (uint64_t ahead = 0; ahead < 130; ahead += 1 + ahead / 3) {
			struct timer timer = { 0 };
			struct timer_wheel wheel;
			unsigned int n_fired = 0;

			timer_wheel_init(&wheel, 1000);
			timer_add(&wheel, &timer, past[i]);
			ck_assert_uint_eq(n_fired, 0);
			timer_wheel_advance(&wheel, 1000 + ahead, fire_count, &n_fired);
			ck_assert_uint_eq(n_fired, 1);
			timer_wheel_advance(&wheel, 2000, fire_count, &n_fired);
			ck_assert_uint_eq(n_fired, 1);
		}
	}
}
END_TEST

START_TEST(deleted_timer_never_fires)
{
	for (unsigned int i = 0; i < N_DELTAS; i++) {
		struct timer gone = { 0 };
		struct timer stays = { 0 };
		struct timer_wheel wheel;
		unsigned int n_fired = 0;

		timer_wheel_init(&wheel, starts[_i]);
		timer_del(&wheel, &gone);
		ck_assert_uint_eq(wheel.n_pending, 0);
		timer_add(&wheel, &gone, starts[_i] + deltas[i]);
		timer_add(&wheel, &stays, starts[_i] + deltas[i]);
		timer_wheel_advance(&wheel, starts[_i] + deltas[i] / 2, fire_count, &n_fired);
		timer_del(&wheel, &gone);
		timer_del(&wheel, &gone);
		ck_assert(!timer_is_pending(&gone));
		ck_assert_uint_eq(wheel.n_pending, 1);
		timer_wheel_advance(&wheel, starts[_i] + 8 * REACH, fire_count, &n_fired);
		ck_assert_uint_eq(n_fired, 1);
	}
}
END_TEST

START_TEST(timer_armed_again_fires_once_at_the_later_word)
{
	struct timer timer = { 0 };
	struct timer_wheel wheel;
	unsigned int n_fired = 0;

	timer_wheel_init(&wheel, starts[_i]);
	for (unsigned int i = 0; i < N_DELTAS; i++)
		timer_add(&wheel, &timer, starts[_i] + deltas[i]);
	timer_add(&wheel, &timer, starts[_i] + 100);
	ck_assert_uint_eq(wheel.n_pending, 1);
	timer_wheel_advance(&wheel, starts[_i] + 99, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 0);
	timer_wheel_advance(&wheel, starts[_i] + 8 * REACH, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 1);
}
END_TEST

START_TEST(timer_at_the_end_of_time_waits)
{
	struct timer timer = { 0 };
	struct timer_wheel wheel;
	unsigned int n_fired = 0;

	timer_wheel_init(&wheel, 5);
	timer_add(&wheel, &timer, UINT64_MAX);
	timer_wheel_advance(&wheel, 1ULL << 36, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 0);
	ck_assert(timer_is_pending(&timer));
	timer_del(&wheel, &timer);
	/* And at the end of time itself nothing wraps. */
	timer_wheel_init(&wheel, UINT64_MAX - 70);
	timer_add(&wheel, &timer, UINT64_MAX);
	timer_wheel_advance(&wheel, UINT64_MAX - 1, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 0);
	timer_wheel_advance(&wheel, UINT64_MAX, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 1);
}
END_TEST

START_TEST(clock_that_goes_back_stands_still)
{
	struct timer timer = { 0 };
	struct timer_wheel wheel;
	unsigned int n_fired = 0;

	timer_wheel_init(&wheel, 1000);
	timer_add(&wheel, &timer, 1001);
	timer_wheel_advance(&wheel, 900, fire_count, &n_fired);
	ck_assert_uint_eq(wheel.now, 1000);
	ck_assert_uint_eq(n_fired, 0);
	timer_wheel_advance(&wheel, 1001, fire_count, &n_fired);
	ck_assert_uint_eq(n_fired, 1);
}
END_TEST

struct periodic {
	struct timer timer; /* first: fire finds the rest through it */
	struct timer_wheel *wheel;
	uint64_t period;
	unsigned int n_fired;
};

static void fire_periodic(void *ctx, struct timer *timer)
{
	struct periodic *periodic = (struct periodic *)timer;

	periodic->n_fired++;
	timer_add(periodic->wheel, timer, timer->expires + periodic->period);
}

START_TEST(timer_that_rearms_itself_fires_within_the_same_advance)
{
	struct timer_wheel wheel;
	struct periodic periodic = { .wheel = &wheel, .period = deltas[_i] };

	timer_wheel_init(&wheel, 77);
	timer_add(&wheel, &periodic.timer, 77 + periodic.period);
	timer_wheel_advance(&wheel, 77 + 10 * periodic.period, fire_periodic, NULL);
	ck_assert_uint_eq(periodic.n_fired, 10);
	ck_assert_uint_eq(periodic.timer.expires, 77 + 11 * periodic.period);
	ck_assert_uint_eq(wheel.n_pending, 1);
}
END_TEST

START_TEST(timer_that_rearms_itself_in_the_past_waits_for_the_next_advance)
{
	struct timer_wheel wheel;
	struct periodic periodic = { .wheel = &wheel, .period = 0 };

	timer_wheel_init(&wheel, 0);
	timer_add(&wheel, &periodic.timer, 10);
	timer_wheel_advance(&wheel, 1000, fire_periodic, NULL);
	ck_assert_uint_eq(periodic.n_fired, 1);
	timer_wheel_advance(&wheel, 1000, fire_periodic, NULL);
	ck_assert_uint_eq(periodic.n_fired, 2);
	timer_wheel_advance(&wheel, 1001, fire_periodic, NULL);
	ck_assert_uint_eq(periodic.n_fired, 3);
	timer_del(&wheel, &periodic.timer);
	timer_wheel_advance(&wheel, 2000, fire_periodic, NULL);
	ck_assert_uint_eq(periodic.n_fired, 3);
}
END_TEST

/* The random run: what the wheel should do, told by a walk over all timers. */
enum { N_TIMERS = 150, N_STEPS = 3000 };

struct model_timer {
	struct timer timer; /* first */
	uint64_t due;	    /* the tick it fires at */
	bool is_pending;
	bool is_held; /* armed by fire for a tick already past: not in this advance */
};

struct model {
	struct timer_wheel wheel;
	struct model_timer timers[N_TIMERS];
	uint64_t now;
	uint64_t target;
	uint32_t n_pending;
	bool is_firing;
	unsigned long n_fired;
};

static uint64_t random_bits(unsigned int n)
{
	uint64_t bits = (uint64_t)random() << 31 ^ (uint64_t)random();

	return bits & ((1ULL << n) - 1);
}

static uint64_t random_expiry(uint64_t now)
{
	static const unsigned int widths[] = { 1, 3, 6, 7, 12, 13, 18, 19, 24, 25, 30 };
	uint64_t delta = random_bits(widths[random() % 11]);

	switch (random() % 40) {
	case 0:
		return UINT64_MAX - delta;
	case 1:
	case 2:
		return now > delta ? now - delta : 0;
	case 3:
		/* Where the slots of all levels meet. */
		return (now | (LEVEL_3 - 1)) + 1 + random_bits(1);
	}
	return now + delta;
}

static void model_add(struct model *model, struct model_timer *timer)
{
	uint64_t expires = random_expiry(model->now);

	timer_add(&model->wheel, &timer->timer, expires);
	model->n_pending += !timer->is_pending;
	timer->is_pending = true;
	timer->is_held = model->is_firing && expires <= model->now;
	timer->due = expires > model->now ? expires : model->now;
}

static void model_del(struct model *model, struct model_timer *timer)
{
	timer_del(&model->wheel, &timer->timer);
	model->n_pending -= timer->is_pending;
	timer->is_pending = false;
}

static uint64_t model_first_due(const struct model *model)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < N_TIMERS; i++) {
		const struct model_timer *timer = &model->timers[i];

		if (timer->is_pending && !timer->is_held && timer->due < first)
			first = timer->due;
	}
	return first;
}

static void model_fire(void *ctx, struct timer *fired)
{
	struct model *model = ctx;
	struct model_timer *timer = (struct model_timer *)fired;

	ck_assert(timer->is_pending);
	ck_assert(!timer->is_held);
	ck_assert(!timer_is_pending(fired));
	ck_assert_uint_le(timer->due, model->target);
	ck_assert_uint_eq(timer->due, model_first_due(model));
	ck_assert_uint_eq(timer->due, model->wheel.now);
	timer->is_pending = false;
	model->n_pending--;
	model->n_fired++;
	model->now = timer->due;
	ck_assert_uint_eq(model->wheel.n_pending, model->n_pending);
	if (random() % 2)
		model_add(model, timer);
	if (random() % 4 == 0)
		model_add(model, &model->timers[random() % N_TIMERS]);
	if (random() % 4 == 0)
		model_del(model, &model->timers[random() % N_TIMERS]);
}

static void model_advance(struct model *model)
{
	static const unsigned int widths[] = { 1, 2, 5, 7, 10, 13, 18, 20, 25 };
	unsigned int n_wrong = 0;

	model->target = model->now + random_bits(widths[random() % 9]);
	model->is_firing = true;
	timer_wheel_advance(&model->wheel, model->target, model_fire, model);
	model->is_firing = false;
	model->now = model->target;
	ck_assert_uint_eq(model->wheel.now, model->target);
	/* All that is left lies ahead, apart from those held, which are due from now on. */
	for (unsigned int i = 0; i < N_TIMERS; i++) {
		struct model_timer *timer = &model->timers[i];

		n_wrong += timer_is_pending(&timer->timer) != timer->is_pending;
		if (!timer->is_pending)
			continue;
		n_wrong += !timer->is_held && timer->due <= model->target;
		if (timer->is_held)
			timer->due = model->target;
		timer->is_held = false;
	}
	ck_assert_uint_eq(n_wrong, 0);
}

START_TEST(wheel_does_what_a_walk_over_all_timers_does)
{
	static struct model model;

	memset(&model, 0, sizeof(model));
	srandom((unsigned int)_i + 1);
	model.now = starts[_i];
	timer_wheel_init(&model.wheel, model.now);
	for (unsigned int step = 0; step < N_STEPS; step++) {
		struct model_timer *timer = &model.timers[random() % N_TIMERS];

		switch (random() % 4) {
		case 0:
			model_advance(&model);
			break;
		case 1:
			model_del(&model, timer);
			break;
		default:
			model_add(&model, timer);
			break;
		}
		ck_assert_uint_eq(model.wheel.n_pending, model.n_pending);
	}
	ck_assert_uint_gt(model.n_fired, N_STEPS / 4);
}
END_TEST

SUITE_MAIN("timer_wheel", LOOP_TEST(timer_fires_at_its_tick_and_not_before, starts),
	LOOP_TEST(one_long_advance_fires_all_in_order, starts),
	PLAIN_TEST(timer_in_the_past_fires_at_the_next_advance),
	LOOP_TEST(deleted_timer_never_fires, starts),
	LOOP_TEST(timer_armed_again_fires_once_at_the_later_word, starts),
	PLAIN_TEST(timer_at_the_end_of_time_waits), PLAIN_TEST(clock_that_goes_back_stands_still),
	LOOP_TEST(timer_that_rearms_itself_fires_within_the_same_advance, deltas),
	PLAIN_TEST(timer_that_rearms_itself_in_the_past_waits_for_the_next_advance),
	LOOP_TEST(wheel_does_what_a_walk_over_all_timers_does, starts))
