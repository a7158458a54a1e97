/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The module: which rules each namespace has now, and putting others in their place. Control thread;
 * workers read the published pointer.
 */
#include "firewall/firewall_priv.h"

#include <string.h>

#include "base/mem.h"

static void put_link_name(struct link *link, void *ctx)
{
	struct match_links *links = ctx;

	memcpy(links->names[link->ifindex], link->name, sizeof(links->names[0]));
}

void firewall_link_names(const struct dp *dp, struct match_links *links)
{
	memset(links, 0, sizeof(*links));
	link_each(dp, put_link_name, links);
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
			? firewall_conf_rule(ruleset->conf, hook, rule)->head.line
			: ruleset->conf->hooks[hook].head.line;
	return ruleset->file;
}

void firewall_each_nat(const struct dp *dp, uint16_t ns,
	void (*fn)(const struct firewall_nat_rule *rule, void *ctx), void *ctx)
{
	const struct ruleset *ruleset = firewall_state(dp)->rulesets[ns];

	for (enum firewall_hook hook = 0; ruleset != NULL && hook < HOOK_N; hook++)
		for (unsigned int i = 0; i < ruleset->hooks[hook].n; i++) {
			const struct rule_conf *conf = firewall_conf_rule(ruleset->conf, hook, i);
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
	.tick = firewall_tick,
};
