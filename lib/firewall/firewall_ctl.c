/* SPDX-License-Identifier: BSD-3-Clause */

/* The commands of `firewall`. Control thread. */
#include "firewall/firewall_priv.h"

#include <stdlib.h>

#include "base/mem.h"

/* firewall show: one row for each rule, and behind those of a hook its policy */

struct show {
	struct row_source source;
	struct ruleset *ruleset; /* held: rules that are replaced meanwhile are shown to the end */
	enum firewall_hook hook, last; /* the next row's, and the last to be shown */
	unsigned int index;	       /* the next row's */
};

static void row_set(json_t *row, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(row, key, json_string(text));
}

static json_t *row_make(const struct ruleset *ruleset, enum firewall_hook hook, unsigned int index,
	const char *name, const char *spec, const char *action)
{
	struct rule_counter count = ruleset_count(ruleset, ruleset_slot(ruleset, hook, index));

	return json_pack("{s:s, s:i, s:s?, s:s, s:s, s:I, s:I}", "hook", firewall_hook_name(hook),
		"index", (int)index, "name", name, "spec", spec, "action", action, "packets",
		(json_int_t)count.packets, "bytes", (json_int_t)count.bytes);
}

static json_t *rule_row(const struct ruleset *ruleset, enum firewall_hook hook, unsigned int index)
{
	const struct rule_conf *conf = firewall_conf_rule(ruleset->origin->conf, hook, index);
	json_t *row = row_make(ruleset, hook, index, conf->name,
		ruleset->specs[ruleset_slot(ruleset, hook, index)],
		firewall_action_name((enum firewall_action)conf->action));

	row_set(row, "to", conf->to);
	row_set(row, "limit", conf->limit);
	row_set(row, "log", conf->log);
	if (conf->head.line > 0)
		json_object_set_new(row, "line", json_integer(conf->head.line));
	return row;
}

static json_t *policy_row(const struct ruleset *ruleset, enum firewall_hook hook)
{
	unsigned int n = ruleset->hooks[hook].n;

	return row_make(ruleset, hook, n, "policy", "",
		firewall_action_name((enum firewall_action)ruleset->hooks[hook].policy));
}

json_t *firewall_rule_json(const struct dp *dp, uint16_t ns, enum firewall_hook hook, uint16_t rule)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[ns];
	const char *file;
	json_t *row;
	int line;

	if (ruleset == NULL)
		return json_pack("{s:s, s:s, s:s}", "hook", firewall_hook_name(hook), "name",
			"policy", "action", "accept");
	row = rule < ruleset->hooks[hook].n ? rule_row(ruleset, hook, rule)
					    : policy_row(ruleset, hook);
	json_object_del(row, "packets");
	json_object_del(row, "bytes");
	file = firewall_rule_place(dp, ns, hook, rule, &line);
	row_set(row, "file", file);
	if (line > 0)
		json_object_set_new(row, "line", json_integer(line));
	return row;
}

static json_t *show_next(struct row_source *source, bool *is_busy)
{
	struct show *show = (struct show *)source;
	json_t *row;

	if (show->ruleset == NULL || show->hook > show->last)
		return NULL;
	if (show->index < show->ruleset->hooks[show->hook].n)
		return rule_row(show->ruleset, show->hook, show->index++);
	row = policy_row(show->ruleset, show->hook++);
	show->index = 0;
	return row;
}

static void show_destroy(struct row_source *source)
{
	struct show *show = (struct show *)source;

	if (show->ruleset != NULL)
		ruleset_put(show->ruleset);
	free(show);
}

struct show_args {
	struct object_head head;
	int hook; /* HOOK_N: all */
};

static const struct field_enum hooks[] = {
	{ "prerouting", HOOK_PREROUTING, "packets that come in" },
	{ "input", HOOK_INPUT, "packets to this router" },
	{ "forward", HOOK_FORWARD, "packets that go on" },
	{ "output", HOOK_OUTPUT, "packets made here" },
	{ "postrouting", HOOK_POSTROUTING, "packets that leave" },
	{ "all", HOOK_N, "every hook" },
	{ 0 },
};

static const struct object show_object = {
	.name = "firewall",
	.size = sizeof(struct show_args),
	.fields =
		(const struct field[]){
			{ .name = "hook",
				.type = FIELD_ENUM,
				.offset = offsetof(struct show_args, hook),
				.enums = hooks,
				.def = "all",
				.help = "only the rules of this hook" },
			{ .type = FIELD_END },
		},
};

static int show(struct call *call, const void *args)
{
	const struct show_args *a = args;
	struct show *show = mem_zalloc(sizeof(*show));

	*show = (struct show){
		.source = { .next = show_next, .destroy = show_destroy },
		.ruleset = firewall_state(call->ctx)->rulesets[NS_DEFAULT],
		.hook = a->hook == HOOK_N ? 0 : (enum firewall_hook)a->hook,
		.last = a->hook == HOOK_N ? HOOK_N - 1 : (enum firewall_hook)a->hook,
	};
	if (show->ruleset != NULL)
		ruleset_get(show->ruleset);
	call->rows = &show->source;
	return 0;
}

/* firewall reset */

static int reset(struct call *call, const void *args)
{
	struct ruleset *ruleset = firewall_state(call->ctx)->rulesets[NS_DEFAULT];

	if (ruleset != NULL)
		ruleset_reset(ruleset);
	return 0;
}

/* firewall load */

struct load_args {
	struct object_head head;
	char *file;
};

static const struct object load_object = {
	.name = "firewall",
	.size = sizeof(struct load_args),
	.fields =
		(const struct field[]){
			{ .name = "file",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL | FIELD_FILE,
				.offset = offsetof(struct load_args, file),
				.max = 4095,
				.example = "/etc/weir/rules.conf",
				.help = "holds `firewall: { ... }`, or the hooks at its top; a "
					"relative path counts from the running configuration" },
			{ .type = FIELD_END },
		},
};

static int load(struct call *call, const void *args)
{
	const struct load_args *a = args;
	const struct dp *dp = call->ctx;
	char *path = conf_path(dp->config, a->file);
	int err = firewall_load(call, path);

	free(path);
	return err;
}

static const struct column show_columns[] = {
	{ .path = "hook", .title = "HOOK" },
	{ .path = "index", .title = "INDEX" },
	{ .path = "name", .title = "NAME" },
	{ .path = "spec", .title = "SPEC" },
	{ .path = "limit", .title = "LIMIT" },
	{ .path = "log", .title = "LOG" },
	{ .path = "action", .title = "ACTION" },
	{ .path = "to", .title = "TO" },
	{ .path = "packets", .title = "PACKETS" },
	{ .path = "bytes", .title = "BYTES" },
	{ .title = NULL },
};

const struct command firewall_commands[] = {
	{ .object = "firewall",
		.verb = "show",
		.help = "the rules of each hook in their order, then its policy, with how many "
			"packets they decided and the bytes of those",
		.args = &show_object,
		.columns = show_columns,
		.run = show,
		.is_read_only = true },
	{ .object = "firewall",
		.verb = "reset",
		.help = "sets the counters of all rules to zero",
		.run = reset },
	{ .object = "firewall",
		.verb = "load",
		.help = "replaces all rules by those of a file, or none if anything is wrong with "
			"it",
		.args = &load_object,
		.run = load },
	{ .object = NULL },
};
