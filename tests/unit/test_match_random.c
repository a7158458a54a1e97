/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Compiled tables of rule keys against a linear scan with the plain evaluator, over random rules and
 * packets at the edges of their values; and text made of pieces of values.
 */
#include "match_fixture.h"

#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"

/* Random rules and packets */

static uint64_t random_state = 88172645463325252;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % n;
}

static void conf_add(struct field_list *list, char *text)
{
	list->items = mem_realloc(list->items, list->n + 1, sizeof(char *));
	((char **)list->items)[list->n++] = text;
}

/* Values near to each other, so that rules overlap; some from anywhere. */
static char *random_address(uint8_t family, const char *bang)
{
	unsigned int kind = random_below(4), a = random_below(4), b = random_below(256);

	if (family == AF_INET6 && kind == 0)
		return mem_printf("%s2001:db8:%u::/%u", bang, a, 33 + random_below(16));
	if (family == AF_INET6 && kind == 1)
		return mem_printf("%s2001:db8::%x-2001:db8::%x", bang, b, b + random_below(300));
	if (family == AF_INET6)
		return mem_printf("%s2001:db8::%x", bang, b);
	if (kind == 0)
		return mem_printf("%s10.%u.0.0/%u", bang, a, 8 + random_below(17));
	if (kind == 1)
		return mem_printf("%s10.0.0.%u-10.0.%u.255", bang, b, random_below(3));
	return kind == 2 ? mem_printf("%s10.0.0.%u", bang, b)
			 : mem_printf("%s%u.%u.%u.0/24", bang, random_below(256), a, b);
}

static char *random_value(enum match_key_id id, uint8_t family, const char *bang)
{
	static const char *const names[] = { "wan", "lan", "eth0", "eth*", "lan*", "gone" };
	static const char *const flags[] = { "syn", "ack", "syn/syn,ack", "none/all", "fin,rst" };
	static const char *const states[] = { "new", "established", "related", "invalid",
		"untracked" };

	switch (id) {
	case MATCH_IN:
	case MATCH_OUT:
		return mem_printf("%s%s", bang, names[random_below(6)]);
	case MATCH_SRC:
	case MATCH_DST:
		return random_address(family, bang);
	case MATCH_SPORT:
	case MATCH_DPORT:
		if (random_below(3) == 0)
			return mem_printf(
				"%s%u-%u", bang, random_below(100), 100 + random_below(65000));
		return mem_printf("%s%u", bang, random_below(200));
	case MATCH_ICMP_TYPE:
		return random_below(2)
			       ? mem_printf("%s%u", bang, random_below(12))
			       : mem_printf("%s%u/%u", bang, random_below(12), random_below(4));
	case MATCH_TCP_FLAGS:
		return mem_printf("%s%s", bang, flags[random_below(5)]);
	case MATCH_STATE:
		return mem_printf("%s%s", bang, states[random_below(5)]);
	case MATCH_DSCP:
		return mem_printf("%s%u", bang, random_below(64));
	case MATCH_PROTO:
	case MATCH_MARK:
	case MATCH_N_KEYS:
		break;
	}
	return mem_printf("%s%u", bang, IPPROTO_ICMPV6 + 1 + random_below(197));
}

static void random_list(struct field_list *list, enum match_key_id id, uint8_t family)
{
	const char *bang = random_below(4) == 0 ? "!" : "";
	unsigned int n = random_below(3) == 0 ? 1 + random_below(6) : 1;

	for (unsigned int i = 0; i < n; i++)
		conf_add(list, random_value(id, family, bang));
}

/* One mask for the whole list. */
static void random_marks(struct field_list *list)
{
	static const char *const masks[] = { "", "/0xf", "/15", "/0x3f" };
	const char *bang = random_below(4) == 0 ? "!" : "", *mask = masks[random_below(4)];

	for (unsigned int i = 1 + random_below(3); i > 0; i--)
		conf_add(list, mem_printf("%s%u%s", bang, random_below(16), mask));
}

/* Each key is asked for with a chance of one in `rarity`. */
static void random_conf(struct match_conf *conf, unsigned int rarity)
{
	uint8_t family = random_below(2) ? AF_INET : AF_INET6;
	unsigned int proto = random_below(6);

	if (random_below(rarity) == 0)
		random_list(&conf->in, MATCH_IN, family);
	if (random_below(rarity) == 0)
		random_list(&conf->out, MATCH_OUT, family);
	if (random_below(rarity) == 0)
		random_list(&conf->src, MATCH_SRC, family);
	if (random_below(rarity) == 0)
		random_list(&conf->dst, MATCH_DST, family);
	if (random_below(rarity) == 0)
		random_list(&conf->state, MATCH_STATE, family);
	if (random_below(rarity) == 0)
		random_marks(&conf->mark);
	if (random_below(rarity) == 0)
		random_list(&conf->dscp, MATCH_DSCP, family);
	if (proto == 0)
		random_list(&conf->proto, MATCH_PROTO, family);
	if (proto == 1)
		conf_add(&conf->proto, mem_strdup(family == AF_INET6 ? "icmpv6" : "icmp"));
	if (proto == 1 && random_below(2))
		random_list(&conf->icmp_type, MATCH_ICMP_TYPE, family);
	if (proto >= 2 && proto <= 4)
		conf_add(&conf->proto, mem_strdup(proto == 2 ? "udp" : "tcp"));
	if (proto == 4 && random_below(2))
		random_list(&conf->tcp_flags, MATCH_TCP_FLAGS, family);
	if (proto >= 2 && proto <= 4 && random_below(2))
		random_list(&conf->sport, MATCH_SPORT, family);
	if (proto >= 2 && proto <= 4 && random_below(2))
		random_list(&conf->dport, MATCH_DPORT, family);
}

static void conf_fini(struct match_conf *conf)
{
	struct field_list *lists = (struct field_list *)conf;

	for (size_t k = 0; k < sizeof(*conf) / sizeof(*lists); k++) {
		for (unsigned int i = 0; i < lists[k].n; i++)
			free(((char **)lists[k].items)[i]);
		free(lists[k].items);
	}
}

struct rules {
	struct match_spec *own;
	const struct match_spec **specs;
	unsigned int n;
};

static void rules_add(struct rules *rules, const struct match_conf *conf)
{
	struct match_source source = { .path = "" };
	struct diag diag;

	diag_init(&diag, NULL);
	source.diag = &diag;
	if (match_spec_parse(conf, &source, &rules->own[rules->n]) < 0)
		ck_abort_msg("%s", diag_text(&diag));
	rules->specs[rules->n] = &rules->own[rules->n];
	rules->n++;
	diag_fini(&diag);
}

static struct rules rules_init(unsigned int n_max)
{
	return (struct rules){ .own = mem_zalloc(n_max * sizeof(struct match_spec)),
		.specs = mem_zalloc(n_max * sizeof(struct match_spec *)) };
}

static struct rules random_rules(unsigned int n, unsigned int rarity)
{
	struct rules rules = rules_init(n);

	while (rules.n < n) {
		struct match_conf conf = { 0 };

		random_conf(&conf, rarity);
		rules_add(&rules, &conf);
		conf_fini(&conf);
	}
	return rules;
}

static void rules_fini(struct rules *rules)
{
	for (unsigned int i = 0; i < rules->n; i++)
		match_spec_fini(&rules->own[i]);
	free(rules->own);
	free(rules->specs);
}

/* A value at or next to the end of a range that a rule asks for; else one from anywhere. */
static unsigned __int128 random_edge(const struct match_list *list, uint32_t bound)
{
	const struct match_range *range;

	if (list->n == 0)
		return random_below(bound);
	range = &list->ranges[random_below(list->n)];
	return (random_below(2) ? range->first : range->last) + random_below(3) - 1;
}

static void edge_address(const struct match_list *v4, const struct match_list *v6, uint8_t family,
	uint8_t bytes[static 16])
{
	unsigned __int128 value = random_edge(family == AF_INET6 ? v6 : v4, UINT32_MAX);
	uint32_t word = (uint32_t)value;

	if (family == AF_INET)
		memcpy(bytes, &word, sizeof(word));
	for (int i = 15; family == AF_INET6 && i >= 0; i--, value >>= 8)
		bytes[i] = (uint8_t)value;
}

/* A packet that nearly, or just, matches that rule. */
static struct match_key random_key(const struct match_spec *spec, uint8_t family)
{
	const struct match_list *keys = spec->lists;
	struct match_key key = {
		.family = family,
		.in = (uint16_t)random_below(11),
		.out = (uint16_t)random_below(11),
		.sport = (uint16_t)random_edge(&keys[MATCH_SPORT], 65536),
		.dport = (uint16_t)random_edge(&keys[MATCH_DPORT], 65536),
		.icmp = (uint16_t)random_edge(&keys[MATCH_ICMP_TYPE], 4096),
		.proto = (uint8_t)random_edge(&keys[MATCH_PROTO], 256),
		.tcp_flags = (uint8_t)random_edge(&keys[MATCH_TCP_FLAGS], 256),
		.state = (uint8_t)(1 << random_below(5)),
		.mark = (uint32_t)random_edge(&keys[MATCH_MARK], 64),
		.dscp = (uint8_t)random_edge(&keys[MATCH_DSCP], 64) & 63,
		.has_l4 = random_below(8) > 0,
	};

	if (random_below(2) && keys[MATCH_PROTO].n > 0)
		key.proto = (uint8_t)keys[MATCH_PROTO].ranges[0].first;
	edge_address(&keys[MATCH_SRC], &keys[MATCH_SRC6], family, key.src.v6);
	edge_address(&keys[MATCH_DST], &keys[MATCH_DST6], family, key.dst.v6);
	return key;
}

static unsigned int scan(const struct rules *rules, const struct match_key *key, unsigned int from)
{
	while (from < rules->n && !match_spec_matches(rules->specs[from], key, &links))
		from++;
	return from;
}

/* Every rule that matches, one after the other. Returns how many. */
static unsigned int compare(
	const struct rules *rules, const struct match_table *table, const struct match_key *key)
{
	unsigned int n = 0;

	for (unsigned int from = 0; from <= rules->n; n++) {
		unsigned int want = scan(rules, key, from);

		ck_assert_uint_eq(match_first(table, key, from), want);
		from = want + 1;
	}
	return n - 1;
}

START_TEST(table_finds_what_a_linear_scan_finds)
{
	unsigned int n_matches = 0;

	for (unsigned int round = 0; round < 1500; round++) {
		uint8_t family = round % 2 ? AF_INET6 : AF_INET;
		struct rules rules =
			random_rules(1 + random_below(round % 10 ? 12 : 300), 1 + round % 7);
		struct match_table *table = compile(rules.specs, rules.n, family);

		for (unsigned int i = 0; i < 40; i++) {
			struct match_key key =
				random_key(rules.specs[random_below(rules.n)], family);

			n_matches += compare(&rules, table, &key);
		}
		match_table_free(table);
		rules_fini(&rules);
	}
	/* Or nothing was compared. */
	ck_assert_uint_gt(n_matches, 10000);
}
END_TEST

/* Pieces of values in any order: taken, or refused with a reason, and never both. */
static char *random_text(void)
{
	static const char *const pieces[] = { "!", ",", "-", "/", "*", "", "0", "8", "80", "0x",
		"255", "65535", "4294967296", "10.0.0.1", "::", "fe80::1", "128", "tcp", "icmp",
		"icmpv6", "syn", "none", "all", "new", "ef", "eth", "echo-request", " ", "\xff" };
	char *text = mem_strdup(""), *longer;

	for (unsigned int i = random_below(6); i > 0; i--) {
		longer = mem_printf(
			"%s%s", text, pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))]);
		free(text);
		text = longer;
	}
	return text;
}

START_TEST(any_text_is_taken_or_refused_with_a_reason)
{
	static const char *const protos[] = { "tcp", "udp", "icmp", "icmpv6" };
	unsigned int n_taken = 0;

	for (unsigned int round = 0; round < 40000; round++) {
		struct match_source source = { .path = "rule" };
		struct match_conf conf = { 0 };
		struct field_list *lists = (struct field_list *)&conf;
		struct match_key key = key_of("10.0.0.1", "10.0.0.2");
		struct match_spec spec;
		struct diag diag;
		int err;

		diag_init(&diag, NULL);
		source.diag = &diag;
		if (random_below(4) > 0)
			conf_add(&conf.proto, mem_strdup(protos[random_below(4)]));
		for (unsigned int i = 1 + random_below(2); i > 0; i--)
			conf_add(&lists[random_below(MATCH_N_KEYS)], random_text());
		err = match_spec_parse(&conf, &source, &spec);
		ck_assert_int_eq(err, diag.n_entries == 0 ? 0 : -EINVAL);
		n_taken += err == 0;
		/* Nothing asked of a rule that was refused: it matches nothing. */
		ck_assert(err == 0 || !match_spec_matches(&spec, &key, &links));
		if (err == 0)
			rule_matches(&spec, &key);
		match_spec_fini(&spec);
		conf_fini(&conf);
		diag_fini(&diag);
	}
	ck_assert_uint_gt(n_taken, 1000);
}
END_TEST

enum { N_MANY = 10000 };

static void check_many(const char *what, const struct rules *rules, size_t size_max)
{
	for (unsigned int k = 0; k < 2; k++) {
		uint8_t family = k ? AF_INET6 : AF_INET;
		struct match_table *table = compile(rules->specs, rules->n, family);
		const struct match_stats *stats = match_table_stats(table);
		unsigned int n_matches = 0;

		printf("%s, IPv%c: %u rules, %zu KiB, %u vectors, %" PRIu64 " ms\n", what,
			k ? '6' : '4', stats->n_rules, stats->size / 1024, stats->n_vectors,
			stats->build_ns / 1000000);
		ck_assert_uint_lt(stats->size, size_max);
		for (unsigned int i = 0; i < 60; i++) {
			struct match_key key =
				random_key(rules->specs[random_below(rules->n)], family);

			n_matches += compare(rules, table, &key);
		}
		ck_assert(k == 1 || n_matches > 0);
		match_table_free(table);
	}
}

START_TEST(ten_thousand_random_rules)
{
	struct rules rules = random_rules(N_MANY, 3);

	check_many("random", &rules, 64 << 20);
	rules_fini(&rules);
}
END_TEST

START_TEST(ten_thousand_hosts_and_ports)
{
	struct rules rules = rules_init(N_MANY);

	for (unsigned int i = 0; i < N_MANY; i++) {
		struct match_conf conf = { 0 };

		conf_add(&conf.proto, mem_strdup("tcp"));
		conf_add(&conf.src, mem_printf("10.%u.%u.%u", i % 7, i / 256, i % 256));
		conf_add(&conf.dport, mem_printf("%u", 1 + i * 6));
		rules_add(&rules, &conf);
		conf_fini(&conf);
	}
	check_many("hosts and ports", &rules, 8 << 20);
	rules_fini(&rules);
}
END_TEST

SUITE_MAIN("match random", PLAIN_TEST(any_text_is_taken_or_refused_with_a_reason),
	PLAIN_TEST(table_finds_what_a_linear_scan_finds), PLAIN_TEST(ten_thousand_random_rules),
	PLAIN_TEST(ten_thousand_hosts_and_ports))
