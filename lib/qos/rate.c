/* SPDX-License-Identifier: BSD-3-Clause */

/* rate.h: what is done once for each configured rate. Pure functions, any thread. */
#include "qos/rate.h"

void rate_init(struct rate *rate, uint64_t bps, uint64_t tsc_hz)
{
	/* To the nearest: an error of one part in two million at 1 Tbit/s, less below. */
	unsigned __int128 scaled = ((unsigned __int128)tsc_hz * 8 << RATE_SHIFT) + bps / 2;

	*rate = (struct rate){ .per_byte = (uint64_t)(scaled / bps), .bps = bps };
}

void bucket_init(struct bucket *bucket, const struct rate *rate, uint64_t burst_bytes, uint64_t now)
{
	unsigned __int128 cycles = (unsigned __int128)burst_bytes * rate->per_byte >> RATE_SHIFT;
	uint64_t depth = cycles > INT64_MAX / 2 ? INT64_MAX / 2 : (uint64_t)cycles;

	*bucket = (struct bucket){ .used_to = now - depth, .depth = depth };
}
