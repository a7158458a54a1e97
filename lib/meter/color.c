/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What rates and bursts come to in TSC cycles (color.h), and how full a bucket is when its rate or
 * burst becomes another one. Pure functions, any thread; what is asked of buckets that workers take
 * from may be a little old.
 */
#include "meter/color.h"

enum { BITS = 8 };

void meter_rate_init(struct meter_rate *rate, uint64_t bps, uint64_t burst, uint64_t tsc_hz)
{
	unsigned __int128 per_byte =
		(((unsigned __int128)tsc_hz * BITS << METER_SHIFT) + bps / 2) / bps;

	/* At 1 kbit/s a byte takes some 2^25 cycles, so the largest burst takes less than 2^58. */
	rate->per_byte = (uint64_t)per_byte;
	rate->depth = (uint64_t)(per_byte * burst >> METER_SHIFT);
}

uint64_t meter_bytes_left(const struct meter_rate *rate, uint64_t cycles_lacking)
{
	uint64_t left = rate->depth - RTE_MIN(rate->depth, cycles_lacking);

	return (uint64_t)(((unsigned __int128)left << METER_SHIFT) / rate->per_byte);
}

uint64_t meter_cycles_lacking(const struct meter_rate *rate, uint64_t bytes_left)
{
	unsigned __int128 left = (unsigned __int128)rate->per_byte * bytes_left >> METER_SHIFT;

	return left > rate->depth ? 0 : rate->depth - (uint64_t)left;
}

static uint64_t cycles_until(const _Atomic uint64_t *full_at, uint64_t now)
{
	uint64_t then = atomic_load_explicit(full_at, memory_order_relaxed);

	return then > now ? then - now : 0;
}

/* Full stays full, though it holds more or less then. */
static uint64_t lack_follow(
	const struct meter_rate *rate, const struct meter_rate *old, uint64_t cycles_lacking)
{
	if (cycles_lacking == 0)
		return 0;
	return meter_cycles_lacking(rate, meter_bytes_left(old, cycles_lacking));
}

void meter_buckets_follow(struct meter_buckets *buckets, const struct meter_profile *profile,
	const struct meter_buckets *old, const struct meter_profile *old_profile, uint64_t now)
{
	uint64_t lack = lack_follow(
		&profile->committed, &old_profile->committed, cycles_until(&old->committed, now));

	atomic_init(&buckets->committed, now + lack);
	lack = 0;
	if (profile->kind == METER_SRTCM && old_profile->kind == METER_SRTCM)
		lack = lack_follow(&profile->second, &old_profile->second,
			atomic_load_explicit(&old->second, memory_order_relaxed));
	if (profile->kind == METER_TRTCM && old_profile->kind == METER_TRTCM)
		lack = now + lack_follow(&profile->second, &old_profile->second,
				     cycles_until(&old->second, now));
	atomic_init(&buckets->second, lack);
}
