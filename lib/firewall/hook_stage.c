/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The five hooks: prerouting, input, forward, output, postrouting. One body, made for each of them.
 * Run by the owning worker, for packets that have no connection yet, are no part of one, or whose
 * connection is to be judged anew; all others never come here.
 *
 * A rule sees the packet as it will be, with the translations that are decided so far; its bytes are
 * still those that came. A connection that is judged anew counts as new, whatever packet it is that
 * asks, and takes no tokens, writes no log and counts nowhere; so does what `explain` makes up.
 */
#include "dp/trace.h"
#include "firewall/firewall_priv.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

/* The exits of hooks. Numbers must leave no gap, and postrouting refuses nobody: its own are apart. */
enum { EXIT_ACCEPT = 1, EXIT_ERROR4, EXIT_ERROR6, EXIT_RESET, EXIT_NAT };
enum { POSTROUTING_NAT = EXIT_ACCEPT + 1 };
enum { RULE_GOES_ON = STAGE_EXITS_MAX };

static_assert((int)MATCH_NEW == (int)FLOW_STATE_NEW &&
		      (int)MATCH_ESTABLISHED == (int)FLOW_STATE_ESTABLISHED &&
		      (int)MATCH_RELATED == (int)FLOW_STATE_RELATED &&
		      (int)MATCH_INVALID == (int)FLOW_STATE_INVALID &&
		      (int)MATCH_UNTRACKED == (int)FLOW_STATE_UNTRACKED,
	"a packet's state goes into a key as it is");

/* A packet on its way through the rules of one hook. */
struct walk {
	struct worker *w;
	const struct ruleset *ruleset;
	struct rule_counter *counters; /* of this worker, by slot; NULL: it counts nowhere */
	struct flow_first *f;
	struct pkt_meta *meta;
	struct match_key key;
};

static inline void key_set_addr(void *to, const union flow_addr *addr, uint8_t family)
{
	if (family == AF_INET)
		*(uint32_t *)to = rte_be_to_cpu_32(addr->v4_be);
	else
		memcpy(to, addr->bytes, sizeof(addr->bytes));
}

static inline void walk_make_key(struct walk *walk)
{
	const struct flow_first *f = walk->f;
	const struct flow_tuple tuple = flow_invert(&f->reply);
	struct match_key *key = &walk->key;

	*key = (struct match_key){
		.mark = f->mark,
		.in = f->in_link,
		.out = f->out_link,
		.icmp = (uint16_t)(f->icmp_type << 8 | f->icmp_code),
		.proto = f->proto,
		.tcp_flags = f->tcp_flags,
		.state =
			f->is_again && f->state != FLOW_STATE_UNTRACKED ? FLOW_STATE_NEW : f->state,
		.dscp = f->dscp,
		.family = f->family,
		.has_l4 = f->has_l4,
	};
	key_set_addr(&key->src, &tuple.src, f->family);
	key_set_addr(&key->dst, &tuple.dst, f->family);
	if (parse_has_ports(f->proto)) {
		key->sport = rte_be_to_cpu_16(tuple.sport_be);
		key->dport = rte_be_to_cpu_16(tuple.dport_be);
	}
}

/* Does the rule count for this packet, whose key it matches? */
static inline bool rule_applies(const struct walk *walk, const struct rule *rule)
{
	bool is_within = true;

	/* Only a connection is translated, and as a whole. */
	if (firewall_action_translates((enum firewall_action)rule->action) &&
		walk->key.state != FLOW_STATE_NEW)
		return false;
	if (likely(rule->limit_bucket == NULL))
		return true;
	/* It takes datagrams, and the first fragment was within it. */
	if (walk->counters != NULL && !walk->f->is_later)
		is_within = limit_take(rule->limit_bucket, &rule->limit, walk->w->now);
	return is_within != rule->limit.is_over;
}

static inline void walk_count(const struct walk *walk, uint32_t slot)
{
	if (walk->counters == NULL)
		return;
	walk->counters[slot].packets++;
	walk->counters[slot].bytes += walk->meta->l3_len;
}

/* ICMP type: destination unreachable, of the packet's family. */
static inline unsigned int walk_reject(
	const struct walk *walk, const struct rule *rule, enum firewall_hook hook)
{
	const struct reject_kind *kind = &reject_kinds[rule->reject];
	unsigned int reason = FIREWALL_REJECT_PREROUTING + (unsigned int)hook;
	bool is_ip4 = walk->f->family == AF_INET;

	ip_set_error(walk->meta, is_ip4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH,
		is_ip4 ? kind->code4 : kind->code6, 0, firewall_module.drop_base + reason);
	if (kind->is_reset)
		return EXIT_RESET;
	return is_ip4 ? EXIT_ERROR4 : EXIT_ERROR6;
}

static inline unsigned int walk_drop(const struct walk *walk, enum firewall_hook hook)
{
	/* What is wrong with it says more than which hook had no use for it. */
	if (walk->f->invalid != 0) {
		walk->meta->drop_reason = walk->f->invalid;
		return STAGE_DROP;
	}
	return pkt_drop(
		walk->meta, &firewall_module, FIREWALL_DROP_PREROUTING + (unsigned int)hook);
}

/* What a rule does that matches: an exit, or RULE_GOES_ON. */
static inline unsigned int rule_act(
	struct walk *walk, const struct rule *rule, enum firewall_hook hook)
{
	struct flow_first *f = walk->f;

	switch ((enum firewall_action)rule->action) {
	case ACTION_ACCEPT:
		return EXIT_ACCEPT;
	case ACTION_DROP:
		return walk_drop(walk, hook);
	case ACTION_REJECT:
		return walk_reject(walk, rule, hook);
	case ACTION_NOTRACK:
		f->state = walk->key.state = FLOW_STATE_UNTRACKED;
		break;
	case ACTION_MARK:
		f->mark = walk->key.mark = (f->mark & ~rule->mark_mask) | rule->mark;
		break;
	case ACTION_DSCP:
		f->dscp = walk->key.dscp = rule->dscp;
		f->has_dscp = true;
		break;
	case ACTION_DNAT:
	case ACTION_REDIRECT:
	case ACTION_SNAT:
	case ACTION_MASQUERADE:
		f->nat = &rule->nat;
		return hook == HOOK_POSTROUTING ? POSTROUTING_NAT : EXIT_NAT;
	case ACTION_CLASS:
		f->class = rule->class;
		break;
	case ACTION_NONE:
	case ACTION_N:
		break;
	}
	return RULE_GOES_ON;
}

static inline unsigned int walk_policy(
	const struct walk *walk, const struct ruleset_hook *rules, enum firewall_hook hook)
{
	walk->f->rule[hook] = FLOW_NO_RULE;
	walk_count(walk, rules->first_slot + rules->n);
	return rules->policy == ACTION_DROP ? walk_drop(walk, hook) : EXIT_ACCEPT;
}

/*
 * A connection is policed as long as it lives; what is of none is here and now. False: it is beyond the
 * rate.
 */
static inline bool walk_police(const struct walk *walk, uint16_t policer)
{
	const struct policer *p = &walk->ruleset->policers[policer];

	if (walk->key.state == FLOW_STATE_NEW) {
		walk->f->policer = policer;
		return true;
	}
	return walk->counters == NULL ||
	       limit_take_bytes(p->bucket, &p->limit, walk->w->now, walk->meta->l3_len);
}

static inline unsigned int walk_rules(struct walk *walk, enum firewall_hook hook)
{
	const struct ruleset_hook *rules = &walk->ruleset->hooks[hook];
	const struct match_table *table = rules->tables[walk->f->family == AF_INET6];
	unsigned int exit;

	for (unsigned int i = 0; table != NULL; i++) {
		i = match_first(table, &walk->key, i);
		if (i >= rules->n)
			break;
		if (!rule_applies(walk, &rules->rules[i]))
			continue;
		walk_count(walk, rules->first_slot + i);
		if (unlikely(rules->rules[i].log_bucket != NULL) && walk->counters != NULL &&
			!walk->f->is_later)
			firewall_log(walk->w, walk->ruleset, hook, i, walk->f, walk->meta);
		if (unlikely(rules->rules[i].policer != 0) &&
			!walk_police(walk, rules->rules[i].policer))
			return pkt_drop(walk->meta, &firewall_module, FIREWALL_RATE);
		exit = rule_act(walk, &rules->rules[i], hook);
		if (exit == RULE_GOES_ON)
			continue;
		walk->f->rule[hook] = (uint16_t)i;
		return exit;
	}
	return walk_policy(walk, rules, hook);
}

static __rte_always_inline unsigned int hook_one(
	struct worker *w, void *ctx, struct pkt_meta *meta, const enum firewall_hook hook)
{
	const struct firewall_worker *firewall = ctx;
	struct walk walk = {
		.w = w,
		/* Pairs with the release in firewall_publish(). */
		.ruleset = __atomic_load_n(&firewall->rulesets[meta->ns], __ATOMIC_ACQUIRE),
		.f = flow_first(w, meta),
		.meta = meta,
	};
	unsigned int exit;

	walk.f->nat = NULL;
	walk.f->rule[hook] = FLOW_NO_RULE;
	trace_tell(w, FLOW_NO_RULE, 0, 0);
	if (walk.ruleset == NULL)
		return EXIT_ACCEPT;
	if (unlikely(!ruleset_knows(walk.ruleset, walk.f->in_link, walk.f->out_link))) {
		trace_tell(w, FLOW_NO_RULE, FIREWALL_NOT_ASKED, 0);
		return pkt_drop(meta, &firewall_module, FIREWALL_LINK_UNKNOWN);
	}
	if (!walk.f->is_again && !walk.f->is_explained)
		walk.counters = walk.ruleset->counters[w->id];
	walk_make_key(&walk);
	exit = walk_rules(&walk, hook);
	trace_tell(w, walk.f->rule[hook], 0, 0);
	return exit;
}

static void hook_format(const struct trace_record *record, char *buf, size_t size)
{
	const char *what = "accepted";
	char by[32];

	if (record->extra.arg[1] == FIREWALL_NOT_ASKED) {
		snprintf(buf, size, "no rule was asked");
		return;
	}
	if (record->extra.arg[0] == FLOW_NO_RULE)
		snprintf(by, sizeof(by), "policy");
	else
		snprintf(by, sizeof(by), "rule %u", record->extra.arg[0]);
	if (record->exit == STAGE_DROP)
		what = "dropped";
	else if (record->exit == EXIT_RESET)
		what = "reset";
	else if (record->exit == EXIT_ERROR4 || record->exit == EXIT_ERROR6)
		what = "rejected";
	else if (record->exit == EXIT_NAT)
		what = "translated";
	snprintf(buf, size, "%s by %s", what, by);
}

static void postrouting_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == POSTROUTING_NAT)
		snprintf(buf, size, "translated by rule %u", record->extra.arg[0]);
	else
		hook_format(record, buf, size);
}

#define HOOK_RUN(name, hook)                                                                       \
	static unsigned int name##_one(                                                            \
		struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)            \
	{                                                                                          \
		return hook_one(w, ctx, meta, hook);                                               \
	}                                                                                          \
                                                                                                   \
	static void name##_run(struct worker *w, struct stage_node *node)                          \
	{                                                                                          \
		stage_each(w, node, EXIT_ACCEPT, name##_one, worker_slot(w, &firewall_module));    \
	}

HOOK_RUN(prerouting, HOOK_PREROUTING)
HOOK_RUN(input, HOOK_INPUT)
HOOK_RUN(forward, HOOK_FORWARD)
HOOK_RUN(output, HOOK_OUTPUT)
HOOK_RUN(postrouting, HOOK_POSTROUTING)

#define HOOK_REJECTS                                                                               \
	[EXIT_ERROR4] = { "reject IPv4", "ip4_error" },                                            \
	[EXIT_ERROR6] = { "reject IPv6", "ip6_error" }, [EXIT_RESET] = { "reset", "tcp_reset" }

const struct stage prerouting_stage = {
	.name = "prerouting",
	.help = "asks the rules about packets that come in",
	.run = prerouting_run,
	.exits = { [EXIT_ACCEPT] = { "accept", "flow_route" },
		[EXIT_NAT] = { "translate", "nat_dst" },
		HOOK_REJECTS },
	.format = hook_format,
};

const struct stage input_stage = {
	.name = "input",
	.help = "asks the rules about packets to this router",
	.run = input_run,
	.exits = { [EXIT_ACCEPT] = { "accept", "flow_commit" }, HOOK_REJECTS },
	.format = hook_format,
};

const struct stage forward_stage = {
	.name = "forward",
	.help = "asks the rules about packets that go on",
	.run = forward_run,
	.exits = { [EXIT_ACCEPT] = { "accept", "postrouting" }, HOOK_REJECTS },
	.format = hook_format,
};

const struct stage output_stage = {
	.name = "output",
	.help = "asks the rules about packets made here",
	.run = output_run,
	.exits = { [EXIT_ACCEPT] = { "accept", "postrouting" },
		[EXIT_NAT] = { "translate", "nat_output" },
		HOOK_REJECTS },
	.format = hook_format,
};

const struct stage postrouting_stage = {
	.name = "postrouting",
	.help = "asks the rules about packets that leave",
	.run = postrouting_run,
	.exits = { [EXIT_ACCEPT] = { "accept", "nat_src" },
		[POSTROUTING_NAT] = { "translate", "nat_src" } },
	.format = postrouting_format,
};
