/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of rule keys share: links that rules name, packets in words, and what a rule says of
 * one by both ways of asking it.
 */
#include "match/match.h"
#include "suite.h"

#include <arpa/inet.h>

static const struct match_links links = {
	.names = { [1] = "wan",
		[2] = "lan",
		[3] = "eth0",
		[4] = "eth1",
		[7] = "eth10",
		[9] = "lan.100" },
};

static inline struct match_table *compile(
	const struct match_spec *const *specs, unsigned int n, uint8_t family)
{
	struct match_table *table = NULL;

	ck_assert_int_eq(match_compile(specs, n, family, &links, &table), 0);
	return table;
}

/* A packet in words: family from its addresses. */
static inline struct match_key key_of(const char *src, const char *dst)
{
	struct match_key key = { .has_l4 = true, .state = MATCH_NEW };
	struct ip_addr a, b;

	ck_assert_int_eq(ip_addr_parse(src, &a), 0);
	ck_assert_int_eq(ip_addr_parse(dst, &b), 0);
	key.family = a.family;
	if (a.family == AF_INET) {
		key.src.v4 = ntohl(a.v4_be);
		key.dst.v4 = ntohl(b.v4_be);
	} else {
		memcpy(key.src.v6, a.bytes, 16);
		memcpy(key.dst.v6, b.bytes, 16);
	}
	return key;
}

/* What one rule says of a packet: by the evaluator, and by a table of it alone. */
static inline bool rule_matches(const struct match_spec *spec, const struct match_key *key)
{
	struct match_table *table = compile(&spec, 1, key->family);
	bool is_match = match_first(table, key, 0) == 0;

	ck_assert_int_eq(match_spec_matches(spec, key, &links), is_match);
	ck_assert_uint_eq(match_first(table, key, 1), 1);
	match_table_free(table);
	return is_match;
}
