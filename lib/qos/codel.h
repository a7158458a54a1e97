/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * CoDel (RFC 8289) of one queue: whether the packet at its head is to go. Packets and queues are the caller's; here is
 * what is known of how long packets have waited, and when the next one is due. Times are cycles, which wrap. Pure
 * functions on state that is its owner's.
 *
 * The control law divides the interval by the square root of a count. That root's inverse is kept, as a fraction of
 * 2^32, and improved by a step of Newton's method when the count goes up by one. That is good enough, to little more
 * than a thousandth, unless the count is small; where it is, or when it has jumped, the root is sought from the count's
 * magnitude, in a few steps.
 */
#include <stdbool.h>
#include <stdint.h>

enum {
	CODEL_COUNT_NEAR = 16,	      /* above, the next root is one step away */
	CODEL_COUNT_MAX = 1 << 22,    /* more have no better root in 32 bits */
	CODEL_STEPS = 4,	      /* from a first guess that is within a fifth */
	CODEL_REENTRY_INTERVALS = 16, /* RFC 8289 5.5: it has not been quiet for long */
};

struct codel_params {
	uint64_t target, interval; /* cycles */
};

struct codel {
	uint64_t first_above; /* end of an interval for which it has waited too long */
	uint64_t drop_next;   /* when the next packet is due */
	uint32_t count;	      /* packets since it is dropping */
	uint32_t lastcount;   /* at the beginning of that */
	uint32_t inv_sqrt;    /* of count, 2^-32 */
	bool is_dropping;
	bool has_been_above; /* first_above is valid */
};

/* Within a fifth of 1 / sqrt(count), of a count of at least 2. */
static inline uint32_t codel_guess(uint32_t count)
{
	uint32_t log2 = 31 - (uint32_t)__builtin_clz(count);

	return (log2 % 2 == 0 ? UINT32_C(0xd7000000) : UINT32_C(0x98000000)) >> log2 / 2;
}

/* x * (3 - count * x * x) / 2 */
static inline uint32_t codel_newton(uint32_t x, uint32_t count)
{
	uint64_t square = (uint64_t)x * x >> 32;
	uint64_t rest = (UINT64_C(3) << 32) - count * square;

	return (uint32_t)((rest >> 2) * x >> 31);
}

static inline void codel_set_count(struct codel *c, uint32_t count)
{
	bool is_next = count == c->count + 1 && count > CODEL_COUNT_NEAR;
	uint32_t n_steps = is_next ? 1 : CODEL_STEPS, x;

	if (count > CODEL_COUNT_MAX)
		return;
	c->count = count;
	if (count <= 1) {
		c->inv_sqrt = UINT32_MAX;
		return;
	}
	x = is_next ? c->inv_sqrt : codel_guess(count);
	while (n_steps-- > 0)
		x = codel_newton(x, count);
	c->inv_sqrt = x;
}

/* RFC 8289 5.6, control_law(). */
static inline uint64_t codel_control_law(
	const struct codel *c, const struct codel_params *p, uint64_t at)
{
	return at + (uint64_t)((unsigned __int128)p->interval * c->inv_sqrt >> 32);
}

/*
 * Of the packet just taken from the head: has the queue been above target for an interval? `behind` bytes wait still;
 * with no more than one large packet it is never too long. RFC 8289 5.6, dodequeue().
 */
static inline bool codel_is_late(struct codel *c, const struct codel_params *p, uint64_t waited,
	uint32_t behind, uint32_t maxpacket, uint64_t now)
{
	if (waited < p->target || behind <= maxpacket) {
		c->has_been_above = false;
		return false;
	}
	if (!c->has_been_above) {
		c->has_been_above = true;
		c->first_above = now + p->interval;
		return false;
	}
	return (int64_t)(now - c->first_above) >= 0;
}

static inline void codel_enter(struct codel *c, const struct codel_params *p, uint64_t now)
{
	uint32_t delta = c->count - c->lastcount;
	bool is_again =
		(int64_t)(now - c->drop_next) < (int64_t)(CODEL_REENTRY_INTERVALS * p->interval);

	codel_set_count(c, delta > 1 && is_again ? delta : 1);
	c->lastcount = c->count;
	c->is_dropping = true;
	c->drop_next = codel_control_law(c, p, now);
}

/*
 * Is the packet just taken to be dropped, or marked? After a drop ask again, with the next one. RFC 8289 5.5, dequeue(),
 * but for one point of order: drop_next moves on with the drop, not when the packet after it has been seen.
 */
static inline bool codel_is_due(
	struct codel *c, const struct codel_params *p, bool is_late, uint64_t now)
{
	if (!is_late) {
		c->is_dropping = false;
		return false;
	}
	if (!c->is_dropping) {
		codel_enter(c, p, now);
		return true;
	}
	if ((int64_t)(now - c->drop_next) < 0)
		return false;
	codel_set_count(c, c->count + 1);
	c->drop_next = codel_control_law(c, p, c->drop_next);
	return true;
}

/* The queue has been found empty. */
static inline void codel_rest(struct codel *c)
{
	c->has_been_above = false;
	c->is_dropping = false;
}
