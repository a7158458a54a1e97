/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Hierarchical timer wheel (Varghese and Lauck, 1987): O(1) add and delete, no allocation, the
 * timer is embedded in its owner. Four levels of 64 slots over ticks of a length the owner picks.
 * A timer fires at the first advance at or after its tick, never before; one that lies beyond the
 * wheel's reach waits on the last level and is put back until due. Single thread: the owner's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMER_WHEEL_LEVELS = 4, TIMER_WHEEL_SLOTS = 64 };

struct timer {
	struct timer *next, **pprev; /* pprev NULL: not pending */
	uint64_t expires;	     /* in ticks */
};

struct timer_wheel {
	uint64_t now; /* ticks up to which everything has fired */
	uint32_t n_pending;
	struct timer *slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

typedef void timer_fire_fn(void *ctx, struct timer *timer);

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now);
/* (Re)arms a timer for tick expires; one in the past fires at the next advance. */
void timer_add(struct timer_wheel *wheel, struct timer *timer, uint64_t expires);
/* Does nothing when the timer is not pending. */
void timer_del(struct timer_wheel *wheel, struct timer *timer);
/* Fires, in order of ticks, all timers due up to now. fire may add and delete timers, also its own. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now, timer_fire_fn *fire, void *ctx);

static inline bool timer_is_pending(const struct timer *timer)
{
	return timer->pprev != NULL;
}
