/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/firewall; nobody else includes this. */
#include "base/log.h"
#include "firewall/firewall.h"
#include "firewall/limit.h"
#include "firewall/target.h"
#include "ip/ip.h"
#include "match/match.h"
#include "ns/ns.h"

/* A reason for each hook, in the order of enum firewall_hook. */
#define FIREWALL_DROPS(X)                                                                          \
	X(FIREWALL_DROP_PREROUTING, "firewall_drop_prerouting",                                    \
		"a rule or the policy of prerouting says drop")                                    \
	X(FIREWALL_DROP_INPUT, "firewall_drop_input", "a rule or the policy of input says drop")   \
	X(FIREWALL_DROP_FORWARD, "firewall_drop_forward",                                          \
		"a rule or the policy of forward says drop")                                       \
	X(FIREWALL_DROP_OUTPUT, "firewall_drop_output",                                            \
		"a rule or the policy of output says drop")                                        \
	X(FIREWALL_DROP_POSTROUTING, "firewall_drop_postrouting",                                  \
		"a rule or the policy of postrouting says drop")                                   \
	X(FIREWALL_REJECT_PREROUTING, "firewall_reject_prerouting",                                \
		"a rule of prerouting says reject")                                                \
	X(FIREWALL_REJECT_INPUT, "firewall_reject_input", "a rule of input says reject")           \
	X(FIREWALL_REJECT_FORWARD, "firewall_reject_forward", "a rule of forward says reject")     \
	X(FIREWALL_REJECT_OUTPUT, "firewall_reject_output", "a rule of output says reject")        \
	X(FIREWALL_RATE, "firewall_rate",                                                          \
		"beyond the rate of the rule that decided its connection")                         \
	X(FIREWALL_LINK_UNKNOWN, "firewall_link_unknown",                                          \
		"its link has come since the rules were compiled, or has gone")

#define FIREWALL_DROP_ENUM(member, name, help) member,
enum firewall_drop { FIREWALL_DROPS(FIREWALL_DROP_ENUM) FIREWALL_N_DROPS };
#undef FIREWALL_DROP_ENUM

/* Settings, as decoded */

#define FIREWALL_RATE_MIN INT64_C(8000) /* bit/s */
#define FIREWALL_RATE_MAX INT64_C(400000000000)

struct rule_conf {
	struct object_head head;
	char *name;
	struct match_conf match;
	char *limit;
	uint64_t rate; /* bit/s; 0: none */
	char *log; /* what lines begin with; "true": with nothing more; NULL, "false": no lines */
	int action;
	char *to;
};

struct hook_conf {
	struct object_head head;
	int policy;		 /* ACTION_ACCEPT, ACTION_DROP */
	struct field_list rules; /* struct rule_conf */
};

struct firewall_conf {
	struct object_head head;
	struct hook_conf hooks[HOOK_N];
};

extern const struct object rule_object, firewall_object;
extern const struct section firewall_sections[];

static inline const struct rule_conf *firewall_conf_rule(
	const struct firewall_conf *conf, enum firewall_hook hook, unsigned int i)
{
	return field_list_item(&rule_object, &conf->hooks[hook].rules, i);
}

const char *firewall_hook_name(enum firewall_hook hook);
const char *firewall_action_name(enum firewall_action action);

/* Names that rules may use: those of links and of traffic classes. */
struct firewall_known {
	bool (*has_link)(void *ctx, const char *name);
	bool (*has_class)(void *ctx, const char *name);
};

/*
 * Every problem of the rules that lie at `path` ("firewall", or "": the hooks are at the top). config: for
 * lines, and for what is wrong by itself.
 */
void firewall_conf_check(const struct config *config, struct diag *diag, const char *path,
	const struct firewall_conf *conf, const struct firewall_known *known, void *ctx);

/* Rules, as workers see them */

struct rule {
	uint8_t action; /* enum firewall_action */
	uint8_t reject; /* index in reject_kinds */
	uint8_t dscp;
	uint16_t class; /* class_number() */
	uint32_t mark, mark_mask;
	struct limit limit;
	struct limit_bucket *limit_bucket; /* NULL: there is no limit */
	struct limit_bucket *log_bucket;   /* NULL: no log */
	uint16_t policer;		   /* index in the ruleset's; 0: it has no rate */
	struct firewall_nat nat;
};

/*
 * Makes one rule of a checked or unchecked configuration: what is wrong goes into source->diag, -EINVAL.
 * spec is to be given back by match_spec_fini() in any case.
 */
int firewall_rule_make(const struct rule_conf *conf, enum firewall_hook hook, unsigned int index,
	const struct match_source *source, struct rule *rule, struct match_spec *spec);
/* Rules make lines in the log at this rate at most, each: more would only hide the others. */
enum { FIREWALL_LOGS_PER_SECOND = 10, FIREWALL_LOGS_BURST = 10 };

struct rule_counter {
	uint64_t packets, bytes;
};

enum { RULESET_NO_SLOT = UINT32_MAX };

/*
 * What a ruleset is compiled from, and what stays the same when that is done once more because links have
 * come or gone. Counted by the control thread; constant, but workers take from the buckets.
 */
struct ruleset_origin {
	unsigned int n_refs;
	const struct firewall_conf *conf; /* checked */
	bool asks_for_links;		  /* a rule does */
	struct limit_bucket *buckets; /* of each limit, log and rate, in the order of the rules */
	void *own; /* what conf lies in, to be freed with this; NULL: it belongs to the boot ladder */
	const struct object *own_object;
	char *file; /* where it comes from */
};

/*
 * Takes own in any case. NULL: no memory. One reference, the caller's. Any single thread; afterwards, and
 * all that is below, control thread.
 */
struct ruleset_origin *ruleset_origin_create(const struct firewall_conf *conf, const char *file,
	void *own, const struct object *own_object);
struct ruleset_origin *ruleset_origin_get(struct ruleset_origin *origin);
void ruleset_origin_put(struct ruleset_origin *origin); /* NULL is fine */

/* The links that a ruleset is compiled for. */
struct known_links {
	struct match_links names; /* constant */
	/*
	 * By ifindex: it is still the link of that name. Once it is not, rules have no say on packets of
	 * that index. Control thread clears (relaxed: whoever publishes the next link of that index
	 * releases), workers read. [0], which is no link, is always known.
	 */
	bool is_known[LINK_MAX];
	bool is_behind; /* control thread: links have come or gone since */
};

/* All that there are now. Heap. Control thread. */
struct known_links *known_links_create(const struct dp *dp);
/* That one has come, or goes. Control thread. */
void known_links_forget(struct known_links *known, uint16_t ifindex);

/*
 * All rules of a namespace (ruleset.c). Hooks and what they point to are constant once it is published;
 * counters and buckets are written by workers; the rest belongs to the control thread.
 *
 * A slot is the place of a rule's counters; that of a hook's policy is behind those of its rules.
 */
struct ruleset {
	struct ruleset_hook {
		struct match_table *tables[2]; /* IPv4, IPv6; NULL: there are no rules */
		struct rule *rules;
		unsigned int n;
		uint32_t first_slot;
		uint8_t policy; /* ACTION_ACCEPT, ACTION_DROP */
	} hooks[HOOK_N];
	struct rule_counter *counters[WORKER_MAX]; /* by slot; each written by one worker */
	uint32_t generation;			   /* written in mail about its rules */
	struct limit log_limit;			   /* of each rule that logs */
	struct policer {
		struct limit limit;
		struct limit_bucket *bucket;
	} * policers; /* of rules with a rate, from 1 on */
	unsigned int n_policers;
	struct known_links *known; /* its own */
	bool asks_for_links;	   /* if not, it need not know any */

	/* For the control thread. */
	unsigned int n_refs, n_slots, n_workers;
	char **specs;		   /* by slot: what its rule asks, as text; NULL for policies */
	char **keys;		   /* by slot: what it is known by in the next ruleset */
	struct log_site *sites;	   /* by slot */
	struct rule_counter *base; /* by slot: what to add to the workers' counters, modulo 2^64 */
	struct ruleset *previous;  /* workers may still count in it; NULL: none can */
	struct ruleset *successor; /* whose previous this is */
	uint32_t *from;		   /* by slot: that of previous; RULESET_NO_SLOT: none */
	struct ruleset_origin *origin;
};

static inline uint32_t ruleset_slot(
	const struct ruleset *ruleset, enum firewall_hook hook, unsigned int index)
{
	return ruleset->hooks[hook].first_slot + index;
}

/* What a ruleset is made from. Any single thread, while nobody changes what is constant of it. */
struct ruleset_source {
	struct ruleset_origin *origin;
	struct known_links *known;
	unsigned int n_workers;
	uint64_t tsc_hz;
	uint32_t generation;
	const struct ruleset *previous; /* whose counters go on; NULL: there is none */
};

/*
 * -ENOMEM, -E2BIG. It belongs to the caller (one reference), and to it the caller's reference of origin, and
 * known; not so when it fails. Any single thread.
 */
int ruleset_build(const struct ruleset_source *source, struct ruleset **out);
bool ruleset_is_empty(const struct ruleset *ruleset);
/* May its rules decide about a packet of these links (0: none)? Worker. */
static inline bool ruleset_knows(const struct ruleset *ruleset, uint16_t in, uint16_t out)
{
	const bool *is_known = ruleset->known->is_known;

	return !ruleset->asks_for_links ||
	       (__atomic_load_n(&is_known[in], __ATOMIC_RELAXED) &&
		       __atomic_load_n(&is_known[out], __ATOMIC_RELAXED));
}
/* Control thread. */
void ruleset_get(struct ruleset *ruleset);
void ruleset_put(struct ruleset *ruleset);
/* Its counters go on from those of the one that it takes the place of. */
void ruleset_succeed(struct ruleset *ruleset, struct ruleset *previous);
/* No worker sees it any more: its last counts are handed on. Puts it. */
void ruleset_retired(void *ruleset, uint64_t arg);
struct rule_counter ruleset_count(const struct ruleset *ruleset, uint32_t slot);
void ruleset_reset(struct ruleset *ruleset);

/* Module */

struct load; /* firewall_load.c */

struct firewall_state {
	/* By namespace; written by the control thread (release), read by workers (acquire). */
	struct ruleset *rulesets[NS_MAX];
	uint32_t generation;
	struct load *load; /* under way; NULL: none */
	struct load *next; /* asked for, waits for that; NULL: none */
};

struct firewall_worker {
	struct ruleset *const *rulesets;
	uint16_t reset_tcp_id; /* identification of the next IPv4 reset */
};

static inline struct firewall_state *firewall_state(const struct dp *dp)
{
	return dp_slot(dp, &firewall_module);
}

/* Takes the ruleset; what it replaces is retired. -ENOMEM: no room to track connections, nothing is done. */
int firewall_publish(struct dp *dp, uint16_t ns, struct ruleset *ruleset);

/* firewall_load.c: the command `firewall load`; begins what is to be done, and sees what is. */
int firewall_load(struct call *call, const char *path);
void firewall_load_tick(struct dp *dp);
/* A link has come, or goes. */
void firewall_load_follow(struct dp *dp, const struct link *link);
void firewall_load_fini(struct dp *dp);

/* firewall_log.c: tells the control thread about a packet, if the rule's limit allows it. Worker. */
void firewall_log(struct worker *w, const struct ruleset *ruleset, enum firewall_hook hook,
	unsigned int index, const struct flow_first *f, const struct pkt_meta *meta);

/* firewall_ctl.c */
extern const struct command firewall_commands[];
