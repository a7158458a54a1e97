/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hierarchical timing wheel of Varghese and Lauck (1987, scheme 7), as neighbours and flows
 * use it: hundreds of thousands of timers, most of which are moved before they fire. Everything
 * belongs to the thread that owns the wheel, workers may use one.
 *
 * Level 0 holds the next 63 ticks, a slot each; a slot of level n covers 64^n ticks and is dealt
 * out to the levels below when its first tick comes. The slot of level 0 that belongs to the
 * current tick holds what was armed for a time already past: it is first in the next advance.
 * Timers of one tick fire in no particular order. A clock that goes back is taken to stand still.
 *
 * An advance jumps from one occupied slot to the next, so a long pause costs by what is pending
 * and not by its length.
 */
#include "base/timer_wheel.h"

#include <assert.h>

enum {
	SLOT_BITS = 6,
	SLOT_MASK = TIMER_WHEEL_SLOTS - 1,
};

/* The furthest a timer can be put ahead; beyond it, it is put there and looked at again. */
static const uint64_t max_delta = (1ULL << (SLOT_BITS * TIMER_WHEEL_LEVELS)) - 1;

static_assert(1 << SLOT_BITS == TIMER_WHEEL_SLOTS, "slots are picked by bits of the tick");

static unsigned int slot_of(uint64_t tick, unsigned int level)
{
	return (tick >> (SLOT_BITS * level)) & SLOT_MASK;
}

static void list_push(struct timer **head, struct timer *timer)
{
	timer->next = *head;
	if (timer->next != NULL)
		timer->next->pprev = &timer->next;
	timer->pprev = head;
	*head = timer;
}

static void list_remove(struct timer *timer)
{
	*timer->pprev = timer->next;
	if (timer->next != NULL)
		timer->next->pprev = timer->pprev;
	timer->pprev = NULL;
	timer->next = NULL;
}

static void list_move(struct timer **to, struct timer **from)
{
	struct timer *timer;

	while ((timer = *from) != NULL) {
		list_remove(timer);
		list_push(to, timer);
	}
}

static struct timer **current_slot(struct timer_wheel *wheel)
{
	return &wheel->slots[0][slot_of(wheel->now, 0)];
}

static void timer_place(struct timer_wheel *wheel, struct timer *timer)
{
	uint64_t delta = timer->expires > wheel->now ? timer->expires - wheel->now : 0;
	unsigned int level = 0;
	uint64_t tick;

	if (delta > max_delta)
		delta = max_delta;
	tick = wheel->now + delta;
	while (delta >> (SLOT_BITS * (level + 1)) != 0)
		level++;
	list_push(&wheel->slots[level][slot_of(tick, level)], timer);
}

/* The first tick after now, and not after limit, at which a slot is due. */
static uint64_t next_tick(const struct timer_wheel *wheel, uint64_t limit)
{
	for (unsigned int level = 0; level < TIMER_WHEEL_LEVELS; level++) {
		unsigned int shift = SLOT_BITS * level;
		uint64_t base = wheel->now >> shift;
		uint64_t n_slots = (limit >> shift) - base;

		if (n_slots > TIMER_WHEEL_SLOTS)
			n_slots = TIMER_WHEEL_SLOTS;
		for (uint64_t i = 1; i <= n_slots; i++) {
			if (wheel->slots[level][(base + i) & SLOT_MASK] == NULL)
				continue;
			limit = (base + i) << shift;
			break;
		}
	}
	return limit;
}

/* Deals out the slots that begin with the current tick. */
static void wheel_cascade(struct timer_wheel *wheel)
{
	for (unsigned int level = TIMER_WHEEL_LEVELS - 1; level > 0; level--) {
		uint64_t slot_ticks = 1ULL << (SLOT_BITS * level);
		struct timer **slot = &wheel->slots[level][slot_of(wheel->now, level)];
		struct timer *timer;

		if ((wheel->now & (slot_ticks - 1)) != 0)
			continue;
		/* None comes back here: all that is placed lies within the next 63 slots. */
		while ((timer = *slot) != NULL) {
			list_remove(timer);
			timer_place(wheel, timer);
		}
	}
}

/*
 * Fires the current slot. What fire arms for now or earlier lands in that slot again and goes to
 * late, or a timer that re-arms itself in the past would never let the advance end.
 */
static void wheel_fire(
	struct timer_wheel *wheel, struct timer **late, timer_fire_fn *fire, void *ctx)
{
	struct timer *due = NULL;

	list_move(&due, current_slot(wheel));
	while (due != NULL) {
		struct timer *timer = due;

		list_remove(timer);
		wheel->n_pending--;
		fire(ctx, timer);
	}
	list_move(late, current_slot(wheel));
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now)
{
	*wheel = (struct timer_wheel){ .now = now };
}

void timer_add(struct timer_wheel *wheel, struct timer *timer, uint64_t expires)
{
	timer_del(wheel, timer);
	timer->expires = expires;
	timer_place(wheel, timer);
	wheel->n_pending++;
}

void timer_del(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer_is_pending(timer))
		return;
	list_remove(timer);
	wheel->n_pending--;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now, timer_fire_fn *fire, void *ctx)
{
	struct timer *late = NULL;

	wheel_fire(wheel, &late, fire, ctx);
	while (wheel->now < now) {
		wheel->now = wheel->n_pending > 0 ? next_tick(wheel, now) : now;
		wheel_cascade(wheel);
		wheel_fire(wheel, &late, fire, ctx);
	}
	list_move(current_slot(wheel), &late);
}
