/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The module: which rules each namespace has now, and putting others in their place. Control thread;
 * workers read the published pointer.
 */
#include "firewall/firewall_priv.h"

#include <string.h>

#include "base/mem.h"

static void put_link(struct link *link, void *ctx)
{
	struct known_links *known = ctx;

	memcpy(known->names.names[link->ifindex], link->name, sizeof(link->name));
	known->is_known[link->ifindex] = true;
}

struct known_links *known_links_create(const struct dp *dp)
{
	struct known_links *known = mem_zalloc(sizeof(*known));

	known->is_known[0] = true;
	link_each(dp, put_link, known);
	return known;
}

void known_links_forget(struct known_links *known, uint16_t ifindex)
{
	__atomic_store_n(&known->is_known[ifindex], false, __ATOMIC_RELAXED);
	known->is_behind = true;
}

int firewall_publish(struct dp *dp, uint16_t ns, struct ruleset *ruleset)
{
	struct firewall_state *state = firewall_state(dp);
	struct ruleset *old = state->rulesets[ns];
	bool is_empty = ruleset_is_empty(ruleset);
	int err;

	/* Connections that begin before the rules are there are judged by them all the same. */
	err = is_empty ? 0 : flow_set_tracking(dp, ns, true);
	if (err < 0)
		return err;
	if (old != NULL)
		ruleset_succeed(ruleset, old);
	/* Pairs with the load in hook_stage.c: what the ruleset points to was written before. */
	__atomic_store_n(&state->rulesets[ns], ruleset, __ATOMIC_RELEASE);
	flow_policy_changed(dp);
	if (is_empty)
		(void)flow_set_tracking(dp, ns, false);
	if (old != NULL)
		dp_retire(dp, ruleset_retired, old, 0);
	return 0;
}

const char *firewall_rule_place(
	const struct dp *dp, uint16_t ns, enum firewall_hook hook, uint16_t rule, int *line)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[ns];

	*line = 0;
	if (ruleset == NULL)
		return NULL;
	*line = rule < ruleset->hooks[hook].n
			? firewall_conf_rule(ruleset->origin->conf, hook, rule)->head.line
			: ruleset->origin->conf->hooks[hook].head.line;
	return ruleset->origin->file;
}

void firewall_each_nat(const struct dp *dp, uint16_t ns,
	void (*fn)(const struct firewall_nat_rule *rule, void *ctx), void *ctx)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[ns];

	for (enum firewall_hook hook = 0; ruleset != NULL && hook < HOOK_N; hook++)
		for (unsigned int i = 0; i < ruleset->hooks[hook].n; i++) {
			const struct rule_conf *conf =
				firewall_conf_rule(ruleset->origin->conf, hook, i);
			const struct firewall_nat_rule row = {
				.nat = &ruleset->hooks[hook].rules[i].nat,
				.name = conf->name,
				.to = conf->to,
				.connections =
					ruleset_count(ruleset, ruleset_slot(ruleset, hook, i))
						.packets,
			};

			if (firewall_action_translates((enum firewall_action)conf->action))
				fn(&row, ctx);
		}
}

static void firewall_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	if (kind == EVENT_LINK_NEW || kind == EVENT_LINK_DELETED)
		firewall_load_follow(dp, subject);
}

/* Tells of the rule if it names the link: `config show` would print what cannot be read again. */
static bool judge_rule(const struct firewall_conf *conf, enum firewall_hook hook, unsigned int i,
	const struct link *link, struct diag *found)
{
	const struct rule_conf *rule = firewall_conf_rule(conf, hook, i);
	bool has_name = rule->name != NULL;

	if (!match_names_link(&rule->match, link->name))
		return false;
	diag_error(found, 0, "", "rules name it: %s %u%s%s%s", firewall_hook_name(hook), i,
		has_name ? " (" : "", has_name ? rule->name : "", has_name ? ")" : "");
	return true;
}

/* The first rule that names a link is enough to keep it. */
static void firewall_judge(
	struct dp *dp, enum event_kind kind, const void *subject, struct diag *found)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[NS_DEFAULT];

	if (kind != EVENT_LINK_DELETED || ruleset == NULL)
		return;
	for (enum firewall_hook hook = 0; hook < HOOK_N; hook++)
		for (unsigned int i = 0; i < ruleset->hooks[hook].n; i++)
			if (judge_rule(ruleset->origin->conf, hook, i, subject, found))
				return;
}

static int firewall_worker_init(struct dp *dp, struct worker *w)
{
	struct firewall_worker *firewall = worker_slot(w, &firewall_module);

	firewall->rulesets = firewall_state(dp)->rulesets;
	return 0;
}

static void firewall_fini(struct dp *dp)
{
	struct firewall_state *state = firewall_state(dp);

	firewall_load_fini(dp);
	/* Behind those that it replaced, which still hand their counts to it. */
	for (unsigned int i = 0; i < NS_MAX; i++)
		if (state->rulesets[i] != NULL)
			dp_retire(dp, ruleset_retired, state->rulesets[i], 0);
}

static void firewall_tick(struct dp *dp, uint64_t now_ns)
{
	firewall_load_tick(dp);
}

#define FIREWALL_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason firewall_drops[] = { FIREWALL_DROPS(FIREWALL_DROP_ROW) };
static_assert(RTE_DIM(firewall_drops) == FIREWALL_N_DROPS, "one row per reason");

struct module firewall_module = {
	.name = "firewall",
	.sections = firewall_sections,
	.commands = firewall_commands,
	.drops = firewall_drops,
	.n_drops = FIREWALL_N_DROPS,
	.state_size = sizeof(struct firewall_state),
	.worker_state_size = sizeof(struct firewall_worker),
	.worker_init = firewall_worker_init,
	.fini = firewall_fini,
	.event = firewall_event,
	.judge = firewall_judge,
	.tick = firewall_tick,
};
