/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The colour of what comes, by rate and burst: green, yellow or red. Three ways to find it, none of
 * which looks at a colour that a packet may have had before:
 *   - police: one rate and burst; green within them, red beyond;
 *   - srTCM (RFC 2697): what finds no green is yellow as far as the excess burst goes, which fills
 *     up while the other one is full;
 *   - trTCM (RFC 2698): red beyond the peak rate and its burst, yellow beyond the committed ones.
 *
 * Several workers receive from one link, so they share its buckets, without a lock: each is one
 * word, which is written by compare-and-swap and only when something is taken. The word is a time,
 * in TSC cycles: that at which the bucket will be full (the virtual scheduling algorithm of ITU-T
 * I.371); of the excess burst, how many cycles it lacks. So it lasts for as long as the TSC does.
 * What a packet costs is seldom a whole number of cycles; each worker keeps the rest and adds it to
 * the next one's cost, so that nothing is lost however fast the link is.
 *
 * Bytes are those of frames without FCS. These functions ask no clock: the caller says what time it
 * is. Any thread.
 */
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum color { COLOR_GREEN, COLOR_YELLOW, COLOR_RED, COLOR_N };

enum meter_kind { METER_POLICE, METER_SRTCM, METER_TRTCM };

enum { METER_SHIFT = 24 }; /* fraction bits of a cycle */
#define METER_BPS_MIN	UINT64_C(1000)
#define METER_BPS_MAX	UINT64_C(1000000000000)
#define METER_BURST_MAX UINT64_C(4294967296)

/* A rate and its burst. */
struct meter_rate {
	uint64_t per_byte; /* cycles, 2^-METER_SHIFT */
	uint64_t depth;	   /* cycles that the burst takes at the rate */
};

struct meter_profile {
	struct meter_rate committed;
	struct meter_rate second; /* srTCM: the same rate, with the excess burst; trTCM: the peak */
	uint8_t kind;		  /* enum meter_kind */
};

/* Shared by all workers that receive from the link. Relaxed everywhere: they order nothing else. */
struct meter_buckets {
	_Atomic uint64_t committed; /* full at that time */
	_Atomic uint64_t second;    /* peak: the same; excess: cycles that it lacks */
} __rte_cache_aligned;

/* What a worker still owes to each bucket, of a cycle, 2^-METER_SHIFT. */
struct meter_fractions {
	uint32_t committed, second;
};

/* bps within METER_BPS_MIN and METER_BPS_MAX, burst in bytes, up to METER_BURST_MAX. */
void meter_rate_init(struct meter_rate *rate, uint64_t bps, uint64_t burst, uint64_t tsc_hz);

/* Bytes that are in a bucket. Only a snapshot, where workers run. */
uint64_t meter_bytes_left(const struct meter_rate *rate, uint64_t cycles_lacking);

/*
 * How many cycles a bucket lacks that has so many bytes in it, or would have if it were deep
 * enough.
 */
uint64_t meter_cycles_lacking(const struct meter_rate *rate, uint64_t bytes_left);

/*
 * Buckets of a profile that takes the place of another one: as many bytes are in them as there
 * were.
 */
void meter_buckets_follow(struct meter_buckets *buckets, const struct meter_profile *profile,
	const struct meter_buckets *old, const struct meter_profile *old_profile, uint64_t now);

/*
 * In whole cycles; *fraction is what was owed before and is owed then. Any number of bytes of a
 * burst.
 */
static __rte_always_inline uint64_t meter_cost(
	const struct meter_rate *rate, uint64_t n_bytes, uint32_t *fraction)
{
	unsigned __int128 cost = (unsigned __int128)rate->per_byte * n_bytes + *fraction;

	*fraction = (uint32_t)cost & ((UINT32_C(1) << METER_SHIFT) - 1);
	return (uint64_t)(cost >> METER_SHIFT);
}

/*
 * Takes so many cycles out of a bucket if they are in it. *idle: for how long it had been full and
 * what came in ran over. Another worker's now may be a little ahead.
 */
static __rte_always_inline bool bucket_take(_Atomic uint64_t *full_at,
	const struct meter_rate *rate, uint64_t now, uint64_t cost, uint64_t *idle)
{
	uint64_t old = atomic_load_explicit(full_at, memory_order_relaxed), from;

	do {
		from = RTE_MAX(old, now);
		if (from - now + cost > rate->depth)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		full_at, &old, from + cost, memory_order_relaxed, memory_order_relaxed));
	*idle = from - old;
	return true;
}

/* Gives back what bucket_take() took. */
static inline void bucket_untake(_Atomic uint64_t *full_at, uint64_t cost)
{
	atomic_fetch_sub_explicit(full_at, cost, memory_order_relaxed);
}

static inline bool excess_take(_Atomic uint64_t *lack, const struct meter_rate *rate, uint64_t cost)
{
	uint64_t old = atomic_load_explicit(lack, memory_order_relaxed);

	do {
		if (old + cost > rate->depth)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		lack, &old, old + cost, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/*
 * What ran over from the committed bucket. Mostly there is nothing to fill, and nothing is written.
 */
static inline void excess_fill(_Atomic uint64_t *lack, uint64_t cycles)
{
	uint64_t old = atomic_load_explicit(lack, memory_order_relaxed);

	while (old > 0 && cycles > 0 &&
		!atomic_compare_exchange_weak_explicit(lack, &old, old - RTE_MIN(old, cycles),
			memory_order_relaxed, memory_order_relaxed))
		;
}

/* Takes what so many bytes cost at a rate, and what its worker owed: *owed follows only if it was there. */
static __rte_always_inline bool rate_take(_Atomic uint64_t *full_at, const struct meter_rate *rate,
	uint32_t *owed, uint64_t now, uint64_t n_bytes, uint64_t *idle)
{
	uint32_t fraction = *owed;
	uint64_t cost = meter_cost(rate, n_bytes, &fraction);

	if (!bucket_take(full_at, rate, now, cost, idle))
		return false;
	*owed = fraction;
	return true;
}

static inline bool meter_take_committed(struct meter_buckets *buckets,
	const struct meter_profile *profile, struct meter_fractions *owed, uint64_t now,
	uint64_t n_bytes)
{
	uint64_t idle;

	if (!rate_take(&buckets->committed, &profile->committed, &owed->committed, now, n_bytes,
		    &idle))
		return false;
	if (profile->kind == METER_SRTCM)
		excess_fill(&buckets->second, idle);
	return true;
}

static inline bool meter_take_peak(struct meter_buckets *buckets,
	const struct meter_profile *profile, struct meter_fractions *owed, uint64_t now,
	uint64_t n_bytes)
{
	uint64_t idle;

	return rate_take(&buckets->second, &profile->second, &owed->second, now, n_bytes, &idle);
}

/* Of a frame that found too little in the committed bucket. */
static inline bool meter_take_excess(struct meter_buckets *buckets,
	const struct meter_profile *profile, struct meter_fractions *owed, uint64_t now,
	uint64_t n_bytes)
{
	uint32_t fraction = owed->committed;
	uint64_t cost = meter_cost(&profile->second, n_bytes, &fraction), idle;

	/*
	 * One that is larger than the burst finds it full, maybe: what has run over since counts.
	 */
	if (unlikely(cost > profile->committed.depth) &&
		bucket_take(&buckets->committed, &profile->committed, now, 0, &idle))
		excess_fill(&buckets->second, idle);
	if (!excess_take(&buckets->second, &profile->second, cost))
		return false;
	owed->committed = fraction;
	return true;
}

/* The colour of one frame, which has been taken out of the buckets then as far as it found room. */
static inline enum color meter_color(struct meter_buckets *buckets,
	const struct meter_profile *profile, struct meter_fractions *owed, uint64_t now,
	uint32_t n_bytes)
{
	if (profile->kind == METER_TRTCM && !meter_take_peak(buckets, profile, owed, now, n_bytes))
		return COLOR_RED;
	if (meter_take_committed(buckets, profile, owed, now, n_bytes))
		return COLOR_GREEN;
	if (profile->kind == METER_TRTCM)
		return COLOR_YELLOW;
	return profile->kind == METER_SRTCM &&
			       meter_take_excess(buckets, profile, owed, now, n_bytes)
		       ? COLOR_YELLOW
		       : COLOR_RED;
}

/*
 * Is a whole burst green? Then all of it has been taken, at once: each of its frames alone would
 * have been green, too. Else nothing has.
 */
static inline bool meter_all_green(struct meter_buckets *buckets,
	const struct meter_profile *profile, struct meter_fractions *owed, uint64_t now,
	uint64_t n_bytes)
{
	const struct meter_fractions before = *owed;
	uint32_t fraction = before.committed;

	if (!meter_take_committed(buckets, profile, owed, now, n_bytes))
		return false;
	if (profile->kind != METER_TRTCM || meter_take_peak(buckets, profile, owed, now, n_bytes))
		return true;
	bucket_untake(&buckets->committed, meter_cost(&profile->committed, n_bytes, &fraction));
	*owed = before;
	return false;
}
