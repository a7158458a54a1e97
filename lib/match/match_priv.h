/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/match; nobody else includes this. */
#include "match/match.h"

/* A word for a value, and the reverse. */
struct match_name {
	const char *name; /* NULL closes the list */
	uint32_t value;
};

/* All that the parser, the printer and the compiler have to know about a key. */
struct match_key_row {
	const char *name;
	const char *allowed; /* "a port ..., or a range ...": what an error says */
	const struct match_name *names;
	size_t conf_offset; /* of its field_list in struct match_conf */
	size_t key_offset;  /* of its value in struct match_key */
	uint32_t max;	    /* the highest value; numbers only */
	uint8_t bits;	    /* of the value */
	bool is_l4;	    /* unknown without an L4 header */
	bool has_ranges;    /* FIRST-LAST may be written */
};

extern const struct match_key_row match_keys[MATCH_N_KEYS];
extern const struct match_name match_icmp_names[], match_icmpv6_names[];

/* The value of a key that is a number, not an address. */
uint32_t match_key_value(const struct match_key *key, enum match_key_id id);
/* -1: no such name. */
int64_t match_name_value(const struct match_name *names, const char *text, size_t len);
/* NULL: the value has no name. */
const char *match_name_of(const struct match_name *names, uint32_t value);
/* Of both families' addresses and of all other keys the list that packets of a family are held to. */
const struct match_list *match_spec_list(
	const struct match_spec *spec, enum match_key_id id, uint8_t family);
bool match_link_is(const char *pattern, const char *name);
/* Does the rule ask for icmpv6 and nothing else? */
bool match_spec_is_icmpv6(const struct match_spec *spec);

/* What a compiled table is made of; table.c says how it works. */

struct match_group {	/* of 64 words of a vector, which are 4096 rules */
	uint64_t words; /* bit i: word i is not zero, and kept */
	uint64_t start; /* of the kept words, in the table's pool */
};

struct match_dimension {
	uint8_t id;	 /* enum match_key_id */
	uint8_t shift;	 /* of a value, to its place in index */
	bool is_l4;	 /* unknown without an L4 header */
	bool is_v6;	 /* addresses: bounds6 and no index */
	uint16_t offset; /* of the value in struct match_key */
	uint32_t mask;	 /* of the 32 bits there */
	uint32_t n_bounds;
	uint32_t *index; /* by the upper bits of a value: the first bound that is not below them */
	/* Sorted: where another vector begins. The first is 0. */
	union {
		uint32_t *bounds;
		unsigned __int128 *bounds6;
	};
	uint32_t *vectors;    /* by bound */
	uint32_t absent;      /* the vector of packets without the value */
	uint64_t *base;	      /* n_words: rules that do not ask, or are negated */
	uint64_t *base_words; /* n_groups: a bit for each word of base that is not zero */
};

enum { MATCH_MASKS_MAX = 32, MATCH_DIMENSIONS_MAX = MATCH_N_KEYS - 1 + MATCH_MASKS_MAX };

struct match_table {
	unsigned int n_rules, n_words, n_groups, n_dimensions;
	struct match_group *groups; /* n_groups for each vector */
	uint64_t *pool;
	uint64_t *live;	      /* n_words: rules that may match packets of this family */
	uint64_t *live_words; /* n_groups, as for base */
	struct match_stats stats;
	struct match_dimension dimensions[MATCH_DIMENSIONS_MAX];
};
