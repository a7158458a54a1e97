/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rates as qdiscs count them: what a packet of so many bytes costs in time, and buckets that say when there
 * is that much. All times are TSC cycles, which wrap; fractions of a cycle are kept, so that nothing is lost
 * however fast packets are. Pure functions, any thread.
 *
 * The bytes of a packet are those of its frame without FCS, as for tc(8); `overhead`, `mpu` and `linklayer`
 * make of them what a link below takes for it (DSL, ATM).
 */
#include <assert.h>
#include <rte_branch_prediction.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	RATE_SHIFT = 20, /* fraction bits of a cycle */
	RATE_BPS_MIN = 1000,
	RATE_ATM_PAYLOAD = 48, /* of a cell */
	RATE_ATM_CELL = 53,
};
#define RATE_BPS_MAX UINT64_C(1000000000000)

/* Of a configured rate. */
struct rate {
	uint64_t per_byte; /* cycles, 2^-RATE_SHIFT */
	uint64_t bps;	   /* bit/s, as configured */
	uint32_t mpu;	   /* bytes: no packet counts for less */
	int32_t overhead;  /* bytes that each packet has more */
	bool is_atm;
};

/* Within RATE_BPS_MIN and RATE_BPS_MAX: nothing below can overflow, with packets of up to 64 KiB. */
void rate_init(struct rate *rate, uint64_t bps, uint64_t tsc_hz);

/* What the link below takes for a frame of that length. */
static inline uint32_t rate_bytes(const struct rate *rate, uint32_t len)
{
	int64_t bytes = (int64_t)len + rate->overhead;

	if (bytes < rate->mpu)
		bytes = rate->mpu;
	if (unlikely(rate->is_atm))
		bytes = (bytes + RATE_ATM_PAYLOAD - 1) / RATE_ATM_PAYLOAD * RATE_ATM_CELL;
	return bytes > 0 ? (uint32_t)bytes : 1;
}

/* In cycles, 2^-RATE_SHIFT, of a frame of that length. */
static inline uint64_t rate_cost(const struct rate *rate, uint32_t len)
{
	return rate_bytes(rate, len) * rate->per_byte;
}

/*
 * A token bucket (as the virtual scheduling algorithm of ITU-T I.371): `used_to` is the time up to which the rate
 * is used up. It is never further behind than the burst is long, so at no time scale does more than burst + rate *
 * time get through.
 */
struct bucket {
	uint64_t used_to; /* cycles */
	uint32_t frac;	  /* of a cycle, 2^-RATE_SHIFT */
	uint64_t depth;	  /* cycles that the burst takes at the rate */
};

/* Full. */
void bucket_init(
	struct bucket *bucket, const struct rate *rate, uint64_t burst_bytes, uint64_t now);

/* Is the burst long enough for such a frame, ever? */
static inline bool bucket_holds(const struct bucket *bucket, const struct rate *rate, uint32_t len)
{
	return rate_cost(rate, len) >> RATE_SHIFT <= bucket->depth;
}

/* When there is enough for such a frame: now or before, or later. Of one that bucket_holds(). */
static inline uint64_t bucket_ready_at(
	const struct bucket *bucket, const struct rate *rate, uint32_t len)
{
	uint64_t cost = rate_cost(rate, len) + bucket->frac;

	return bucket->used_to + (cost >> RATE_SHIFT) +
	       ((cost & ((UINT64_C(1) << RATE_SHIFT) - 1)) != 0);
}

static inline bool bucket_is_ready(
	const struct bucket *bucket, const struct rate *rate, uint32_t len, uint64_t now)
{
	return (int64_t)(now - bucket_ready_at(bucket, rate, len)) >= 0;
}

/*
 * Takes what n frames of so many bytes in all cost, if there is that much. Of rates that count frames as they are; at most
 * 512 KiB.
 */
static inline bool bucket_take_all(
	struct bucket *bucket, const struct rate *rate, uint32_t n, uint64_t n_bytes, uint64_t now)
{
	uint64_t from = bucket->used_to, cost;
	uint32_t frac = bucket->frac;

	if ((int64_t)(now - bucket->depth - from) > 0) {
		from = now - bucket->depth;
		frac = 0;
	}
	cost = (uint64_t)((int64_t)n_bytes + (int64_t)n * rate->overhead) * rate->per_byte + frac;
	if ((int64_t)(now - from - (cost >> RATE_SHIFT)) <= 0)
		return false;
	bucket->used_to = from + (cost >> RATE_SHIFT);
	bucket->frac = (uint32_t)(cost & ((UINT64_C(1) << RATE_SHIFT) - 1));
	return true;
}

/* Takes what the frame costs; what is there already is not more than the burst. */
static inline void bucket_take(
	struct bucket *bucket, const struct rate *rate, uint32_t len, uint64_t now)
{
	uint64_t cost;

	if ((int64_t)(now - bucket->depth - bucket->used_to) > 0) {
		bucket->used_to = now - bucket->depth;
		bucket->frac = 0;
	}
	cost = rate_cost(rate, len) + bucket->frac;
	bucket->used_to += cost >> RATE_SHIFT;
	bucket->frac = (uint32_t)(cost & ((UINT64_C(1) << RATE_SHIFT) - 1));
}
