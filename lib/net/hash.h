/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The hash of everything but steering: two secret numbers, drawn at start, so that nobody outside can
 * choose packets that share a slot. Pure functions, any thread.
 */
#include <stdint.h>

struct hash_seed {
	uint64_t word[2]; /* odd */
};

/*
 * Both halves of a product depend on all bits of both factors (the mixing step of wyhash, a multiply
 * and fold).
 */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_two(const struct hash_seed *seed, uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a ^ seed->word[0], b ^ seed->word[1]), seed->word[1]);
}
