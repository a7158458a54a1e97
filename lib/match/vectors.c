/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The vectors of a table while it is built: a bit for each rule, of which only words that are not
 * zero are kept, behind a bitmap of them; equal vectors are kept once, found by a hash. There is
 * one vector that is not kept so but changes from bit to bit, that of the interval where the sweep
 * of table.c is.
 *
 * Whoever compiles a table has one struct vectors and is the only one to use it. How large it gets
 * is up to the operator, so running out of memory is an error.
 */
#include "match/vectors.h"

#include <errno.h>
#include <stdlib.h>

enum { WORD_BITS = 64, GROUP_WORDS = 64, SLOTS_MIN = 1024 };

void *array_add(struct array *array, size_t n, size_t size)
{
	size_t want = array->n + n, n_max = array->n_max;
	void *items;

	if (want > n_max || array->items == NULL) {
		n_max = RTE_MAX(RTE_MAX(want, n_max * 2), 64u);
		items = realloc(array->items, n_max * size);
		if (items == NULL)
			return NULL;
		array->items = items;
		array->n_max = n_max;
	}
	array->n = want;
	return (char *)array->items + (want - n) * size;
}

/* Gives back what was allocated too much. */
static void *array_take(struct array *array, size_t size)
{
	size_t len = array->n * size;
	void *items = realloc(array->items, len > 0 ? len : 1);

	return items != NULL ? items : array->items;
}

void vector_set_bit(uint64_t *bits, uint64_t *words, uint32_t rule)
{
	uint32_t word = rule / WORD_BITS;

	bits[word] |= UINT64_C(1) << (rule % WORD_BITS);
	words[word / GROUP_WORDS] |= UINT64_C(1) << (word % GROUP_WORDS);
}

void vectors_toggle(struct vectors *v, uint32_t rule)
{
	uint32_t word = rule / WORD_BITS;
	uint64_t *words = &v->delta_words[word / GROUP_WORDS];
	uint64_t bit = UINT64_C(1) << (word % GROUP_WORDS);

	v->delta[word] ^= UINT64_C(1) << (rule % WORD_BITS);
	*words = v->delta[word] != 0 ? *words | bit : *words & ~bit;
}

void vectors_clear(struct vectors *v)
{
	memset(v->delta, 0, v->n_words * sizeof(*v->delta));
	memset(v->delta_words, 0, v->n_groups * sizeof(*v->delta_words));
}

static struct match_group *vector_groups(const struct vectors *v, uint32_t vector)
{
	return (struct match_group *)v->groups.items + (size_t)vector * v->n_groups;
}

static bool vector_is_equal(const struct vectors *v, uint32_t a, uint32_t c)
{
	const struct match_group *x = vector_groups(v, a), *y = vector_groups(v, c);
	const uint64_t *pool = v->pool.items;

	for (unsigned int g = 0; g < v->n_groups; g++) {
		size_t len = (size_t)__builtin_popcountll(x[g].words) * sizeof(*pool);

		if (x[g].words != y[g].words ||
			memcmp(pool + x[g].start, pool + y[g].start, len) != 0)
			return false;
	}
	return true;
}

/* What the multiplication moves up is brought down again: slots are chosen by the lower bits. */
static uint64_t hash_add(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint64_t vector_hash(const struct vectors *v, uint32_t vector)
{
	const struct match_group *group = vector_groups(v, vector);
	const uint64_t *pool = v->pool.items;
	uint64_t hash = 0;

	for (unsigned int g = 0; g < v->n_groups; g++) {
		unsigned int n = (unsigned int)__builtin_popcountll(group[g].words);

		hash = hash_add(hash, group[g].words);
		for (unsigned int i = 0; i < n; i++)
			hash = hash_add(hash, pool[group[g].start + i]);
	}
	return hash;
}

/* The slot of a vector equal to this one, or a free one. */
static uint32_t *slot_find(const struct vectors *v, uint32_t vector)
{
	uint32_t i = (uint32_t)vector_hash(v, vector) & (v->n_slots - 1);

	while (v->slots[i] != 0 && !vector_is_equal(v, v->slots[i] - 1, vector))
		i = (i + 1) & (v->n_slots - 1);
	return &v->slots[i];
}

/* Keeps at least half of the slots free. */
static int slots_grow(struct vectors *v)
{
	uint32_t n_slots = v->n_slots * 2;
	uint32_t *slots;

	if (v->n < v->n_slots / 2)
		return 0;
	slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	free(v->slots);
	v->slots = slots;
	v->n_slots = n_slots;
	for (uint32_t i = 0; i < v->n; i++)
		*slot_find(v, i) = i + 1;
	return 0;
}

/* Copies the words of the sweep that are not zero to the end of the pool, as a vector. */
static int vector_append(struct vectors *v)
{
	struct match_group *group = array_add(&v->groups, v->n_groups, sizeof(*group));

	for (unsigned int g = 0; group != NULL && g < v->n_groups; g++) {
		uint64_t words = v->delta_words[g];
		unsigned int n = (unsigned int)__builtin_popcountll(words);
		uint64_t *out;

		group[g] = (struct match_group){ .words = words, .start = v->pool.n };
		out = array_add(&v->pool, n, sizeof(*out));
		if (out == NULL)
			return -ENOMEM;
		for (; words != 0; words &= words - 1)
			*out++ = v->delta[g * GROUP_WORDS + (unsigned int)__builtin_ctzll(words)];
	}
	return group != NULL ? 0 : -ENOMEM;
}

int vectors_keep(struct vectors *v, uint32_t *out)
{
	size_t pool_n = v->pool.n;
	uint32_t *slot;

	if (slots_grow(v) < 0 || vector_append(v) < 0)
		return -ENOMEM;
	slot = slot_find(v, v->n);
	if (*slot == 0) {
		*slot = ++v->n;
	} else {
		v->groups.n -= v->n_groups;
		v->pool.n = pool_n;
	}
	*out = *slot - 1;
	return 0;
}

int vectors_init(struct vectors *v, unsigned int n_words, unsigned int n_groups)
{
	*v = (struct vectors){
		.n_words = n_words,
		.n_groups = n_groups,
		.delta = calloc(n_words + 1, sizeof(*v->delta)),
		.delta_words = calloc(n_groups + 1, sizeof(*v->delta_words)),
		.n_slots = SLOTS_MIN,
		.slots = calloc(SLOTS_MIN, sizeof(*v->slots)),
	};
	return v->delta == NULL || v->delta_words == NULL || v->slots == NULL ? -ENOMEM : 0;
}

size_t vectors_size(const struct vectors *v)
{
	return v->groups.n * sizeof(struct match_group) + v->pool.n * sizeof(uint64_t);
}

void vectors_fini(struct vectors *v, struct match_group **groups, uint64_t **pool)
{
	*groups = array_take(&v->groups, sizeof(struct match_group));
	*pool = array_take(&v->pool, sizeof(uint64_t));
	free(v->slots);
	free(v->delta);
	free(v->delta_words);
}
