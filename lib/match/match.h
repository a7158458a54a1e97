/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which rule is the first that a packet matches? A rule's keys are decoded to a struct match_spec
 * (spec.c), the specs of a list of rules are compiled to a struct match_table (table.c), and a
 * worker asks the table (lookup.c). Nothing here has state of its own.
 */
#include "link/link.h"
#include "match/match_conf.h"

enum match_key_id {
	MATCH_IN,
	MATCH_OUT,
	MATCH_SRC,
	MATCH_DST,
	MATCH_PROTO,
	MATCH_SPORT,
	MATCH_DPORT,
	MATCH_ICMP_TYPE,
	MATCH_TCP_FLAGS,
	MATCH_STATE,
	MATCH_MARK,
	MATCH_DSCP,
	MATCH_N_KEYS,
};

/* Lists of a spec: one for each key, of which those of addresses are the IPv4 ones, and these. */
enum { MATCH_SRC6 = MATCH_N_KEYS, MATCH_DST6, MATCH_N_LISTS };

/* One bit each, those of enum flow_state. */
enum match_state {
	MATCH_NEW = 1 << 0,
	MATCH_ESTABLISHED = 1 << 1,
	MATCH_RELATED = 1 << 2,
	MATCH_INVALID = 1 << 3,
	MATCH_UNTRACKED = 1 << 4,
};

enum { MATCH_RULES_MAX = 65535 };

/* A packet, as rules see it: filled by the caller, one cache line. Numbers are in host order. */
struct match_key {
	union {
		uint32_t v4;
		uint8_t v6[16];
	} src, dst;
	uint32_t mark;
	uint16_t in, out; /* ifindex; 0: made here, or ends here */
	uint16_t sport, dport;
	uint16_t icmp; /* type << 8 | code */
	uint8_t proto;
	uint8_t tcp_flags; /* as in the header */
	uint8_t state;	   /* enum match_state: one */
	uint8_t dscp;	   /* 0..63 */
	uint8_t family;	   /* AF_INET, AF_INET6 */
	/* Ports, ICMP type and TCP flags are known. If not, no rule matches that asks for one. */
	bool has_l4;
	uint8_t pad[12];
};
static_assert(sizeof(struct match_key) == 64, "one cache line");

/* Inclusive. Of addresses: IPv4 ones are numbers, too. */
struct match_range {
	unsigned __int128 first, last;
};

/* What a rule asks of one key: that the packet has any of these values; negated: none of them. */
struct match_list {
	union {
		struct match_range *ranges; /* sorted, none touches another */
		char **links;		    /* MATCH_IN, MATCH_OUT: names, maybe with a * */
	};
	unsigned int n; /* 0: the rule does not ask */
	bool is_negated;
};

/* What a rule asks. */
struct match_spec {
	struct match_list lists[MATCH_N_LISTS];
	uint32_t mark_mask;  /* that of all values of MATCH_MARK */
	bool has_v4, has_v6; /* of which families the packets are that can match */
	/* In one line, as written: "in lan proto tcp dport != { 22, 80-90 }"; "": asks nothing. */
	char *text;
};

/* Where the text comes from. */
struct match_source {
	const struct node *root; /* for lines; NULL: not known */
	const char *path;	 /* of the object: "firewall.input.rules[3]" */
	struct diag *diag;
	/* Is there such a link? NULL: any name will do. Names with a * are not asked for. */
	bool (*has_link)(void *ctx, const char *name);
	/* The same of traffic classes, for who has rules that name one. */
	bool (*has_class)(void *ctx, const char *name);
	void *ctx;
};

/*
 * Decodes the keys of a rule. Every value may begin with "!"; in a list all do or none does, and
 * then a packet must have none of the values. A comma may stand in place of a list. As in nft:
 *   - a key that the packet has no value for is not matched, also if it is negated;
 *   - an address, also a negated one, is asked for in packets of its own family only, icmp is IPv4
 *     and icmpv6 is IPv6 if that is all that proto names;
 *   - sport, dport, icmp_type and tcp_flags need a proto that has them.
 * What is wrong goes into source->diag, except what schema_decode_loose() has already said about a
 * value. 0, or -EINVAL with *spec all zero, which matches nothing. Any single thread.
 */
int match_spec_parse(
	const struct match_conf *conf, const struct match_source *source, struct match_spec *spec);
void match_spec_fini(struct match_spec *spec);
/* Do the keys ask for a link, by any name? And by this very name, without a *? Any thread. */
bool match_asks_for_links(const struct match_conf *conf);
bool match_names_link(const struct match_conf *conf, const char *name);

/* Names by ifindex, "" where there is no link: so that any thread can have its own. */
struct match_links {
	char names[LINK_MAX][LINK_NAME_MAX];
};

/* The meaning of a spec, key by key: for tests and for `explain`. Any thread. */
bool match_spec_matches(const struct match_spec *spec, const struct match_key *key,
	const struct match_links *links);

struct match_table;

struct match_stats {
	size_t size; /* bytes */
	uint64_t build_ns;
	unsigned int n_rules;
	unsigned int n_dimensions; /* keys that any rule asks for */
	unsigned int n_vectors;	   /* different ones, over all dimensions */
};

/*
 * Compiles n rules for packets of one family. A name that is no link's matches nothing, so a table
 * is to be compiled anew when links come or go. -E2BIG: more than MATCH_RULES_MAX rules, or more
 * than 32 different masks of marks; -ENOMEM. Any thread; the specs are only read, and not needed
 * afterwards.
 */
int match_compile(const struct match_spec *const *specs, unsigned int n, uint8_t family,
	const struct match_links *links, struct match_table **out);
void match_table_free(struct match_table *table);
const struct match_stats *match_table_stats(const struct match_table *table);

/*
 * The first rule that matches, of those from `from` on; n: none does. The key must be of the
 * table's family. Worker; the table is constant.
 */
unsigned int match_first(
	const struct match_table *table, const struct match_key *key, unsigned int from);
