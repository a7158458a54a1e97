/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ownership on the control side: the table of buckets and moving them. Control thread.
 * Packets that are on their way to the former owner may be overtaken by those that follow.
 */
#include "link/steer.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

static const uint8_t key_pattern[2] = { 0x6d, 0x5a };

void steer_key(uint8_t *key, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		key[i] = key_pattern[i % 2];
}

/* The 32 bits of the repeated key from bit n on. */
static uint32_t key_window(unsigned int n)
{
	uint32_t key = (uint32_t)key_pattern[0] << 24 | (uint32_t)key_pattern[1] << 16 |
		       (uint32_t)key_pattern[0] << 8 | key_pattern[1];

	return n == 0 ? key : key << n | key >> (32 - n);
}

void steer_init(struct steer *steer, unsigned int n_workers)
{
	for (unsigned int half = 0; half < 2; half++)
		for (unsigned int value = 0; value < 256; value++) {
			uint32_t hash = 0;

			for (unsigned int bit = 0; bit < 8; bit++)
				if (value & 0x80u >> bit)
					hash ^= key_window(8 * half + bit);
			steer->hash[half][value] = (uint8_t)(hash % STEER_BUCKETS);
		}
	for (unsigned int i = 0; i < STEER_BUCKETS; i++)
		steer->owner[i] = (uint8_t)(i % n_workers);
}

/* Moving buckets */

void link_set_bucket_mover(struct dp *dp, const struct bucket_mover *mover)
{
	link_state(dp)->mover = mover;
}

void link_own_bucket(struct dp *dp, unsigned int bucket, unsigned int to)
{
	/* Workers read it relaxed, and act on packets that they get for it: on x86-64 that is enough. */
	__atomic_store_n(&link_state(dp)->steer->owner[bucket], (uint8_t)to, __ATOMIC_RELEASE);
}

void steer_move(struct dp *dp, unsigned int bucket, unsigned int to)
{
	const struct link_state *state = link_state(dp);
	unsigned int from = state->steer->owner[bucket];

	log_info("link", "bucket moved bucket=%u from=%u to=%u", bucket, from, to);
	if (state->mover != NULL)
		state->mover->move(dp, bucket, from, to);
	else
		link_own_bucket(dp, bucket, to);
}

bool steer_may_move(struct dp *dp, unsigned int bucket)
{
	const struct bucket_mover *mover = link_state(dp)->mover;

	return mover == NULL || mover->may_move(dp, bucket);
}
