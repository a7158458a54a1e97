/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The section `firewall`: its rows, what is wrong with it, and its text for `config show`. Control
 * thread; checks also run on the thread of `firewall load`.
 */
#include "firewall/firewall_priv.h"

#include <string.h>

#include "base/mem.h"
#include "qos/qos.h"

static const struct field_enum actions[] = {
	{ "accept", ACTION_ACCEPT, "lets the packet, and with it its connection, pass this hook" },
	{ "drop", ACTION_DROP, "drops it without a word" },
	{ "reject", ACTION_REJECT, "drops it and tells the sender: `to` says how" },
	{ "notrack", ACTION_NOTRACK, "makes no connection of it; goes on to the next rule" },
	{ "mark", ACTION_MARK, "sets the connection's mark to `to`; goes on" },
	{ "dscp", ACTION_DSCP, "sets the DSCP of its packets to `to`; goes on" },
	{ "class", ACTION_CLASS, "chooses the class of queueing disciplines; goes on" },
	{ "dnat", ACTION_DNAT, "translates the destination to `to`" },
	{ "redirect", ACTION_REDIRECT, "translates the destination to this router itself" },
	{ "snat", ACTION_SNAT, "translates the source to `to`" },
	{ "masquerade", ACTION_MASQUERADE,
		"translates the source to the address of the link that it leaves by" },
	{ 0 },
};

static const struct field_enum policies[] = {
	{ "accept", ACTION_ACCEPT, "what no rule decides passes" },
	{ "drop", ACTION_DROP, "what no rule decides is dropped" },
	{ 0 },
};

static const struct field rule_fields[] = {
	{ .name = "name",
		.type = FIELD_STRING,
		.offset = offsetof(struct rule_conf, name),
		.max = 63,
		.example = "web",
		.help = "what it is called in answers and logs; its counters go on when rules "
			"change" },
	MATCH_FIELDS(struct rule_conf, match),
	{ .name = "limit",
		.type = FIELD_STRING,
		.offset = offsetof(struct rule_conf, limit),
		.max = 63,
		.example = "10/second burst 20",
		.help = "matches at that rate only, as in nft: [over] N/second, minute, hour, day "
			"or "
			"week, then [burst N], which is 5" },
	{ .name = "rate",
		.type = FIELD_RATE,
		.offset = offsetof(struct rule_conf, rate),
		.min = FIREWALL_RATE_MIN,
		.max = FIREWALL_RATE_MAX,
		.example = "10mbit",
		.help = "drops what connections of this rule have beyond that rate, all of them "
			"together and both directions; IP packets are counted" },
	{ .name = "log",
		.type = FIELD_STRING,
		.flags = FIELD_SWITCH,
		.offset = offsetof(struct rule_conf, log),
		.max = 127,
		.example = "from outside",
		.help = "writes a line to the log for packets that match, ten a second at most; "
			"true, "
			"or what the line begins with" },
	{ .name = "action",
		.type = FIELD_ENUM,
		.offset = offsetof(struct rule_conf, action),
		.enums = actions,
		.example = "accept",
		.help = "what is done with packets that match; a rule that logs may do without" },
	{ .name = "to",
		.type = FIELD_STRING,
		.flags = FIELD_DIGITS,
		.offset = offsetof(struct rule_conf, to),
		.max = 127,
		.example = "192.168.1.10:80",
		.help = "dnat, snat: A, A-B, A/LEN, A:P, A:P-Q or [A6]:P; redirect, masquerade: P "
			"or "
			"P-Q; mark: N or N/MASK; dscp: its value; class: its name in `qdiscs`; "
			"reject: port-unreachable unless "
			"given, or another of nft's ICMP codes, or tcp-reset" },
	{ .type = FIELD_END },
};

const struct object rule_object = {
	.name = "rule",
	.help = "one rule of a hook",
	.size = sizeof(struct rule_conf),
	.fields = rule_fields,
};

static const struct field hook_fields[] = {
	{ .name = "policy",
		.type = FIELD_ENUM,
		.offset = offsetof(struct hook_conf, policy),
		.def = "accept",
		.enums = policies,
		.help = "what is done with packets that no rule decides" },
	{ .name = "rules",
		.type = FIELD_LIST,
		.offset = offsetof(struct hook_conf, rules),
		.object = &rule_object,
		.help = "asked in this order; the first with a final action that matches decides" },
	{ .type = FIELD_END },
};

static const struct object hook_object = {
	.name = "hook",
	.size = sizeof(struct hook_conf),
	.fields = hook_fields,
};

#define HOOK_FIELD(hook, name_, help_)                                                             \
	[hook] = {                                                                                 \
		.name = (name_),                                                                   \
		.type = FIELD_GROUP,                                                               \
		.offset =                                                                          \
			offsetof(struct firewall_conf, hooks) + (hook) * sizeof(struct hook_conf), \
		.object = &hook_object,                                                            \
		.help = (help_),                                                                   \
	}

/* In the order of enum firewall_hook. */
static const struct field firewall_fields[] = {
	HOOK_FIELD(HOOK_PREROUTING, "prerouting", "packets that come in, before they are routed"),
	HOOK_FIELD(HOOK_INPUT, "input", "packets to this router itself"),
	HOOK_FIELD(HOOK_FORWARD, "forward", "packets that go on to another link"),
	HOOK_FIELD(HOOK_OUTPUT, "output", "packets made here"),
	HOOK_FIELD(HOOK_POSTROUTING, "postrouting", "packets that leave, routed"),
	[HOOK_N] = { .type = FIELD_END },
};

const struct object firewall_object = {
	.name = "firewall",
	.help = "rules of the five hooks: which connections may be, and how they are translated",
	.size = sizeof(struct firewall_conf),
	.fields = firewall_fields,
};

const char *firewall_hook_name(enum firewall_hook hook)
{
	return firewall_fields[hook].name;
}

const char *firewall_action_name(enum firewall_action action)
{
	for (const struct field_enum *e = actions; e->name != NULL; e++)
		if (e->value == (int)action)
			return e->name;
	return "none";
}

/* Checks */

struct check {
	const struct config *config;
	struct diag *diag;
	const char *path;
	const struct firewall_conf *conf;
	const struct firewall_known *known;
	void *ctx;
};

/* Caller frees. */
static char *rule_path(const char *path, enum firewall_hook hook, unsigned int i)
{
	return mem_printf(
		"%s%s%s.rules[%u]", path, *path != '\0' ? "." : "", firewall_hook_name(hook), i);
}

/* Hands on what is not said already: about settings that are wrong by themselves all is. */
static void check_hand_on(const struct check *check, const char *path, const struct diag *found)
{
	char *proto = mem_printf("%s.proto", path);
	bool is_wrong = conf_is_wrong(check->config, check->diag, proto);

	for (unsigned int i = 0; i < found->n_entries; i++) {
		const struct diag_entry *entry = &found->entries[i];

		/* Some keys need a proto; it may have been meant to be right. */
		if (!is_wrong || strstr(entry->text, "proto") == NULL)
			conf_error(check->config, check->diag, entry->path, "%s", entry->text);
	}
	free(proto);
}

static void check_rule(const struct check *check, enum firewall_hook hook, unsigned int i)
{
	char *path = rule_path(check->path, hook, i);
	struct match_spec spec;
	struct diag found;
	const struct match_source source = {
		.root = check->config->root,
		.path = path,
		.diag = &found,
		.has_link = check->known->has_link,
		.has_class = check->known->has_class,
		.ctx = check->ctx,
	};
	struct rule rule;

	diag_init(&found, NULL);
	(void)firewall_rule_make(
		firewall_conf_rule(check->conf, hook, i), hook, i, &source, &rule, &spec);
	check_hand_on(check, path, &found);
	match_spec_fini(&spec);
	diag_fini(&found);
	free(path);
}

struct named {
	const char *name;
	unsigned int i;
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->i > y->i) - (x->i < y->i);
}

/* Sorted, so that ten thousand are no problem. */
static void check_names(const struct check *check, enum firewall_hook hook)
{
	unsigned int n_rules = check->conf->hooks[hook].rules.n, n = 0;
	struct named *named = mem_zalloc((n_rules + 1) * sizeof(*named));

	for (unsigned int i = 0; i < n_rules; i++) {
		const char *name = firewall_conf_rule(check->conf, hook, i)->name;

		if (name != NULL)
			named[n++] = (struct named){ .name = name, .i = i };
	}
	qsort(named, n, sizeof(*named), named_compare);
	for (unsigned int i = 0; i < n; i++) {
		char *rule = rule_path(check->path, hook, named[i].i);
		char *path = mem_printf("%s.name", rule);

		if (i > 0 && strcmp(named[i - 1].name, named[i].name) == 0)
			conf_error(check->config, check->diag, path,
				"rules[%u] of this hook has the same name", named[i - 1].i);
		else if (strcmp(named[i].name, "policy") == 0)
			conf_error(check->config, check->diag, path,
				"\"policy\" is what a hook's policy is called: give another");
		free(path);
		free(rule);
	}
	free(named);
}

static void check_hook(const struct check *check, enum firewall_hook hook)
{
	unsigned int n_rules = check->conf->hooks[hook].rules.n;
	char *path;

	if (n_rules >= FLOW_NO_RULE) {
		path = mem_printf("%s%s%s.rules", check->path, *check->path != '\0' ? "." : "",
			firewall_hook_name(hook));
		conf_error(check->config, check->diag, path, "%u rules are too many: at most %u",
			n_rules, FLOW_NO_RULE - 1);
		free(path);
		return;
	}
	for (unsigned int i = 0; i < n_rules; i++)
		check_rule(check, hook, i);
	check_names(check, hook);
}

void firewall_conf_check(const struct config *config, struct diag *diag, const char *path,
	const struct firewall_conf *conf, const struct firewall_known *known, void *ctx)
{
	const struct check check = {
		.config = config,
		.diag = diag,
		.path = path,
		.conf = conf,
		.known = known,
		.ctx = ctx,
	};

	for (enum firewall_hook hook = 0; hook < HOOK_N; hook++)
		check_hook(&check, hook);
}

static bool has_configured_link(void *ctx, const char *name)
{
	return link_is_configured(ctx, name);
}

static bool has_configured_class(void *ctx, const char *name)
{
	return qos_class_is_configured(ctx, name);
}

static void section_check(const struct config *config, struct diag *diag)
{
	static const struct firewall_known known = {
		.has_link = has_configured_link,
		.has_class = has_configured_class,
	};

	firewall_conf_check(config, diag, "firewall", conf_section(config, "firewall")->objects[0],
		&known, (void *)(uintptr_t)config);
}

/* Applying and printing */

static int section_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	struct firewall_state *state = firewall_state(dp);
	const struct ruleset_source source = {
		.origin = ruleset_origin_create(
			object, dp->config != NULL ? dp->config->file : "", NULL, NULL),
		.known = known_links_create(dp),
		.n_workers = dp->n_workers,
		.tsc_hz = dp->tsc_hz,
		.generation = ++state->generation,
		.previous = state->rulesets[NS_DEFAULT],
	};
	struct ruleset *ruleset;
	int err;

	err = source.origin != NULL ? ruleset_build(&source, &ruleset) : -ENOMEM;
	if (err < 0) {
		ruleset_origin_put(source.origin);
		free(source.known);
		diag_error(diag, 0, path, "cannot be compiled: %s", strerror(-err));
		return err;
	}
	err = firewall_publish(dp, NS_DEFAULT, ruleset);
	if (err < 0) {
		ruleset_put(ruleset);
		diag_error(diag, 0, path, "no memory for so many connections: see conntrack.max");
	}
	return err;
}

static void section_print(struct dp *dp, FILE *out)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[NS_DEFAULT];

	if (ruleset == NULL || ruleset_is_empty(ruleset))
		return;
	fputs("firewall: {\n", out);
	schema_print(out, &firewall_object, ruleset->origin->conf, 1);
	fputs("};\n", out);
}

const struct section firewall_sections[] = {
	{ .key = "firewall",
		.object = &firewall_object,
		.check = section_check,
		.apply = section_apply,
		.print = section_print },
	{ .key = NULL },
};
