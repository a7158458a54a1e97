/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A rule's `limit`, as nft(8) has it: "10/second", "5/minute burst 20", "over 100/second". A bucket of
 * `burst` packets that fills up at that rate.
 *
 * All workers share the bucket, since what the operator allows is so many packets in all. It is one
 * word: the time at which the bucket would be full again (the generic cell rate algorithm, ITU-T I.371).
 * It is written only when a packet is allowed, so at most as often as the rate says; a flood beyond the
 * limit only reads it, and the line stays in every worker's cache.
 */
#include <rte_common.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct limit {
	uint64_t interval;  /* TSC cycles for each packet; 0: there is no limit */
	uint64_t tolerance; /* cycles that the bucket may be ahead of now */
	bool is_over;	    /* matches what is beyond the rate */
};

/* Written by whatever worker takes from it; a line of its own. */
struct limit_bucket {
	_Atomic uint64_t full_at; /* relaxed everywhere: it orders nothing else */
} __rte_cache_aligned;

/* -EINVAL: it is no limit. tsc_hz may be anything where only that is asked. Any thread. */
int limit_parse(const char *text, uint64_t tsc_hz, struct limit *out);
/* The limit of so many packets per second. */
struct limit limit_per_second(uint64_t n_packets, uint64_t burst, uint64_t tsc_hz);

/*
 * A rule's `rate`: a bucket of bytes. interval: TSC cycles for each byte, in units of 2^-LIMIT_SHIFT;
 * bursts of LIMIT_BURST_MS at that rate pass, and at least of LIMIT_BURST_BYTES.
 */
enum { LIMIT_SHIFT = 16, LIMIT_BURST_MS = 100, LIMIT_BURST_BYTES = 16384 };
struct limit limit_bytes(uint64_t rate_bps, uint64_t tsc_hz);

/* Takes what costs so many cycles out of the bucket. False: there is not so much in it. Worker. */
static inline bool limit_take_cost(
	struct limit_bucket *bucket, const struct limit *limit, uint64_t now, uint64_t cost)
{
	uint64_t old = atomic_load_explicit(&bucket->full_at, memory_order_relaxed), from;

	do {
		from = RTE_MAX(old, now);
		if (from - now > limit->tolerance)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&bucket->full_at, &old, from + cost, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* A packet's worth. Worker. */
static inline bool limit_take(struct limit_bucket *bucket, const struct limit *limit, uint64_t now)
{
	return limit_take_cost(bucket, limit, now, limit->interval);
}

/* As many bytes, of a limit that counts them. Worker. */
static inline bool limit_take_bytes(
	struct limit_bucket *bucket, const struct limit *limit, uint64_t now, uint32_t n_bytes)
{
	return limit_take_cost(bucket, limit, now, n_bytes * limit->interval >> LIMIT_SHIFT);
}
