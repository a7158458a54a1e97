/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One rule of the configuration becomes one that workers read. What is wrong with it is all found here:
 * for `weir --check` the result is thrown away. Any single thread.
 */
#include "firewall/firewall_priv.h"

#include "match/class_names.h"

#include <stdarg.h>
#include <string.h>

#define HOOK(hook) (1u << (hook))
enum {
	HOOKS_ALL = HOOK(HOOK_N) - 1,
	/* Where a packet's way is still open. */
	HOOKS_EARLY = HOOK(HOOK_PREROUTING) | HOOK(HOOK_OUTPUT),
	HOOKS_REJECT = HOOKS_ALL & ~HOOK(HOOK_POSTROUTING),
};

/* Where an action makes sense, and whether it says something more in `to`. */
static const struct action_row {
	uint8_t hooks;
	bool takes_to;
	const char *where; /* hooks in words */
} action_rows[ACTION_N] = {
	[ACTION_NONE] = { HOOKS_ALL, false, "" },
	[ACTION_ACCEPT] = { HOOKS_ALL, false, "" },
	[ACTION_DROP] = { HOOKS_ALL, false, "" },
	[ACTION_REJECT] = { HOOKS_REJECT, true, "prerouting, input, forward and output" },
	[ACTION_NOTRACK] = { HOOKS_EARLY, false, "prerouting and output" },
	[ACTION_MARK] = { HOOKS_ALL, true, "" },
	[ACTION_DSCP] = { HOOKS_ALL, true, "" },
	[ACTION_CLASS] = { HOOKS_ALL, true, "" },
	[ACTION_DNAT] = { HOOKS_EARLY, true, "prerouting and output" },
	[ACTION_REDIRECT] = { HOOKS_EARLY, true, "prerouting and output" },
	[ACTION_SNAT] = { HOOK(HOOK_POSTROUTING), true, "postrouting" },
	[ACTION_MASQUERADE] = { HOOK(HOOK_POSTROUTING), true, "postrouting" },
};

static const uint8_t nat_kinds[ACTION_N] = {
	[ACTION_DNAT] = NAT_DNAT,
	[ACTION_REDIRECT] = NAT_REDIRECT,
	[ACTION_SNAT] = NAT_SNAT,
	[ACTION_MASQUERADE] = NAT_MASQUERADE,
};

struct making {
	const struct rule_conf *conf;
	enum firewall_hook hook;
	const struct match_source *source;
	struct rule *rule;
	struct match_spec *spec;
};

static void __attribute__((format(printf, 3, 4)))
rule_error(const struct making *making, const char *key, const char *fmt, ...)
{
	char path[128], text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s.%s", making->source->path, key);
	diag_error(making->source->diag, node_line(making->source->root, path), path, "%s", text);
}

/* Links that are known only behind a hook, or only before it. */
static void make_links(const struct making *making)
{
	const struct match_conf *match = &making->conf->match;

	if (match->out.n > 0 && making->hook <= HOOK_INPUT)
		rule_error(making, "out",
			"is not known in %s: allowed in forward, output and postrouting",
			firewall_hook_name(making->hook));
	if (match->in.n > 0 && making->hook == HOOK_OUTPUT)
		rule_error(making, "in",
			"is not known in output, whose packets are made here: allowed in the other "
			"hooks");
}

static void make_limit(const struct making *making)
{
	/* The clock's rate is put in when the ruleset is built; any will do to judge the text. */
	if (making->conf->limit != NULL &&
		limit_parse(making->conf->limit, 1000000000, &making->rule->limit) < 0)
		rule_error(making, "limit",
			"must be [over] N/second, minute, hour, day or week [burst N], such as "
			"\"10/second\" or \"5/minute burst 20\"");
}

/* Do all packets of the rule have ports? */
static bool has_ports(const struct match_spec *spec)
{
	const struct match_list *proto = &spec->lists[MATCH_PROTO];

	if (proto->n == 0 || proto->is_negated)
		return false;
	for (unsigned int i = 0; i < proto->n; i++)
		for (unsigned __int128 p = proto->ranges[i].first; p <= proto->ranges[i].last; p++)
			if (!parse_has_ports((uint8_t)p))
				return false;
	return true;
}

static bool is_tcp_only(const struct match_spec *spec)
{
	const struct match_list *proto = &spec->lists[MATCH_PROTO];

	return proto->n == 1 && !proto->is_negated && proto->ranges[0].first == IPPROTO_TCP &&
	       proto->ranges[0].last == IPPROTO_TCP;
}

static void make_nat(const struct making *making)
{
	struct firewall_nat *nat = &making->rule->nat;
	struct match_spec *spec = making->spec;
	const char *why;

	nat->kind = nat_kinds[making->rule->action];
	why = target_parse_nat(making->conf->to, nat);
	if (why != NULL) {
		rule_error(making, "to", "%s", why);
		return;
	}
	if (nat->has_ports && !has_ports(spec))
		rule_error(making, "to", "has ports, so proto must name protocols that have them");
	if ((nat->family == AF_INET && !spec->has_v4) || (nat->family == AF_INET6 && !spec->has_v6))
		rule_error(making, "to", "must be an %s address: all packets of the rule are",
			spec->has_v4 ? "IPv4" : "IPv6");
	/* What has no address of that family cannot be translated to one. */
	spec->has_v4 = spec->has_v4 && nat->family != AF_INET6;
	spec->has_v6 = spec->has_v6 && nat->family != AF_INET;
}

static void make_class(const struct making *making)
{
	const struct match_source *source = making->source;
	const char *to = making->conf->to;

	if (to == NULL) {
		rule_error(making, "to", "is missing: the class, by its name in `qdiscs`");
		return;
	}
	if (source->has_class != NULL && !source->has_class(source->ctx, to)) {
		rule_error(making, "to", "no qdisc has a class \"%s\"", to);
		return;
	}
	class_use();
	making->rule->class = class_number(to);
	if (making->rule->class == CLASS_NONE)
		rule_error(making, "to", "there have been too many names of classes");
}

static void make_to(const struct making *making)
{
	const char *to = making->conf->to, *why = NULL;
	struct rule *rule = making->rule;

	switch ((enum firewall_action)rule->action) {
	case ACTION_REJECT:
		why = target_parse_reject(to, &rule->reject);
		if (why == NULL && reject_kinds[rule->reject].is_reset &&
			!is_tcp_only(making->spec))
			why = "tcp-reset needs proto = \"tcp\"";
		break;
	case ACTION_MARK:
		why = target_parse_mark(to, &rule->mark, &rule->mark_mask);
		break;
	case ACTION_DSCP:
		why = target_parse_dscp(to, &rule->dscp);
		break;
	case ACTION_DNAT:
	case ACTION_REDIRECT:
	case ACTION_SNAT:
	case ACTION_MASQUERADE:
		make_nat(making);
		return;
	case ACTION_CLASS:
		make_class(making);
		return;
	case ACTION_NONE:
	case ACTION_ACCEPT:
	case ACTION_DROP:
	case ACTION_NOTRACK:
	case ACTION_N:
		break;
	}
	if (why != NULL)
		rule_error(making, "to", "%s", why);
}

static bool log_is_wanted(const char *log)
{
	return log != NULL && strcmp(log, "false") != 0;
}

static void make_action(const struct making *making)
{
	enum firewall_action action = (enum firewall_action)making->conf->action;
	const struct action_row *row = &action_rows[action];
	const char *name = firewall_action_name(action);

	making->rule->action = (uint8_t)action;
	if (action == ACTION_NONE && !log_is_wanted(making->conf->log))
		rule_error(making, "action", "is missing: only a rule with log may do without");
	else if (!(row->hooks & HOOK(making->hook)))
		rule_error(making, "action", "%s is allowed in %s only", name, row->where);
	else if (making->conf->to != NULL && !row->takes_to)
		rule_error(making, "to",
			"is of no use to %s: reject, mark, dscp, class, dnat, redirect, snat and "
			"masquerade take it",
			action == ACTION_NONE ? "a rule without action" : name);
	else
		make_to(making);
}

int firewall_rule_make(const struct rule_conf *conf, enum firewall_hook hook, unsigned int index,
	const struct match_source *source, struct rule *rule, struct match_spec *spec)
{
	const struct making making = {
		.conf = conf, .hook = hook, .source = source, .rule = rule, .spec = spec
	};
	unsigned int n_before = source->diag->n_entries;

	*rule = (struct rule){
		.nat = { .rule = (uint16_t)index, .hook = (uint8_t)hook },
	};
	/* What follows from the keys cannot be judged when they are wrong. */
	if (match_spec_parse(&conf->match, source, spec) == 0)
		make_action(&making);
	make_links(&making);
	make_limit(&making);
	return source->diag->n_entries > n_before ? -EINVAL : 0;
}
