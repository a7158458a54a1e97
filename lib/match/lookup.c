/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Asks a compiled table for the first rule that a packet matches. Called by workers for the first packet
 * of a connection, several times when a rule does not end the search. The table is constant and its
 * owner keeps it until the next quiescent point. Nothing is allocated; the time grows with the number
 * of rules by one bit each at worst. How tables are made and why is told in table.c.
 */
#include <endian.h>

#include "match/match_priv.h"

/* The highest bound that is not above the value. */
static uint32_t find_bound(const struct match_dimension *d, uint32_t value)
{
	uint32_t low = d->index[value >> d->shift], high = d->index[(value >> d->shift) + 1];

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (d->bounds[middle] <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static uint32_t find_bound6(const struct match_dimension *d, const uint8_t *bytes)
{
	uint32_t low = 1, high = d->n_bounds;
	unsigned __int128 value;
	uint64_t half[2];

	memcpy(half, bytes, sizeof(half));
	value = (unsigned __int128)be64toh(half[0]) << 64 | be64toh(half[1]);
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (d->bounds6[middle] <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static uint32_t find_vector(const struct match_dimension *d, const struct match_key *key)
{
	const uint8_t *at = (const uint8_t *)key + d->offset;
	uint32_t value;

	if (d->is_l4 && !key->has_l4)
		return d->absent;
	if (d->is_v6)
		return d->vectors[find_bound6(d, at)];
	/* Whatever is behind a narrow value is masked off; there is always something. */
	memcpy(&value, at, sizeof(value));
	return d->vectors[find_bound(d, value & d->mask)];
}
static_assert(offsetof(struct match_key, has_l4) + sizeof(uint32_t) <= sizeof(struct match_key),
	"32 bits can be read at any value");

/* Bits of 64 rules that match as far as this dimension goes. i: the word's number in its group. */
static uint64_t dimension_word(const struct match_table *t, const struct match_dimension *d,
	const struct match_group *group, unsigned int word, unsigned int i)
{
	uint64_t bits = d->base[word], bit = UINT64_C(1) << i;

	if (group->words & bit)
		bits ^= t->pool[group->start +
				(unsigned int)__builtin_popcountll(group->words & (bit - 1))];
	return bits;
}

/* The words of a group in which there may be a match. */
static uint64_t group_words(
	const struct match_table *t, const struct match_group *const *vectors, unsigned int g)
{
	uint64_t words = t->live_words[g];

	for (unsigned int k = 0; k < t->n_dimensions; k++)
		words &= t->dimensions[k].base_words[g] | vectors[k][g].words;
	return words;
}

unsigned int match_first(
	const struct match_table *t, const struct match_key *key, unsigned int from)
{
	const struct match_group *vectors[MATCH_DIMENSIONS_MAX];

	for (unsigned int k = 0; k < t->n_dimensions; k++)
		vectors[k] = t->groups + (size_t)find_vector(&t->dimensions[k], key) * t->n_groups;
	for (unsigned int g = from / 4096; g < t->n_groups; g++) {
		uint64_t words = group_words(t, vectors, g);

		for (; words != 0; words &= words - 1) {
			unsigned int i = (unsigned int)__builtin_ctzll(words), word = g * 64 + i;
			uint64_t bits = t->live[word];

			if (word <= from / 64)
				bits = word < from / 64 ? 0 : bits & UINT64_MAX << from % 64;
			for (unsigned int k = 0; bits != 0 && k < t->n_dimensions; k++)
				bits &= dimension_word(
					t, &t->dimensions[k], &vectors[k][g], word, i);
			if (bits != 0)
				return word * 64 + (unsigned int)__builtin_ctzll(bits);
		}
	}
	return t->n_rules;
}
