/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between table.c and vectors.c; nobody else includes this. Any single thread. */
#include "match/match_priv.h"

/* An array that grows. */
struct array {
	void *items;
	size_t n, n_max;
};

/* Room for n more items; NULL: out of memory. */
void *array_add(struct array *array, size_t n, size_t size);

struct vectors {
	unsigned int n_words, n_groups; /* of each */
	struct array groups;		/* struct match_group */
	struct array pool;		/* uint64_t */
	uint32_t *slots;		/* hash: the number of a vector, plus 1; 0: free */
	uint32_t n_slots;		/* a power of two */
	uint32_t n;
	uint64_t *delta, *delta_words; /* the vector of the sweep, and which words are not zero */
};

/* All functions that can fail: 0 or -ENOMEM. After a failure, too, vectors_fini() is called. */
int vectors_init(struct vectors *v, unsigned int n_words, unsigned int n_groups);
/* Gives what was kept to the table; all else is freed. */
void vectors_fini(struct vectors *v, struct match_group **groups, uint64_t **pool);

/* The vector of the sweep: no rule; one rule more or less; its number among those kept. */
void vectors_clear(struct vectors *v);
void vectors_toggle(struct vectors *v, uint32_t rule);
int vectors_keep(struct vectors *v, uint32_t *out);
/* Of what is kept, in bytes. */
size_t vectors_size(const struct vectors *v);

/* Sets a bit in a vector of all words, and in its bitmap of words that are not zero. */
void vector_set_bit(uint64_t *bits, uint64_t *words, uint32_t rule);
