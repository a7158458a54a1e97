/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * police: packets of connections that a rule with `rate` has decided. All connections of the rule share its
 * rate, over all workers. Run by the owning worker, on what `flow_forward` sends this way.
 *
 * A connection refers to its policer by number, and is judged anew before it comes here when the rules
 * have changed: the number is one of the ruleset that is published.
 */
#include "dp/trace.h"
#include "firewall/firewall_priv.h"

enum { POLICE_IP4 = 1, POLICE_IP6, POLICE_OUT4, POLICE_OUT6 };

static unsigned int police_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct firewall_worker *firewall = ctx;
	/* Pairs with the release in firewall_publish(). */
	const struct ruleset *ruleset =
		__atomic_load_n(&firewall->rulesets[meta->ns], __ATOMIC_ACQUIRE);
	uint16_t policer = flow_policer(w, meta);
	bool is_ip6 = meta->ethertype == RTE_ETHER_TYPE_IPV6;
	const struct policer *p;

	/* The rules may have changed since `track`. */
	if (ruleset != NULL && policer <= ruleset->n_policers && policer != 0) {
		p = &ruleset->policers[policer];
		if (!w->is_scratch && !limit_take_bytes(p->bucket, &p->limit, w->now, meta->l3_len))
			return pkt_drop(meta, &firewall_module, FIREWALL_RATE);
	}
	if (meta->flags & PKT_ORIGINATED)
		return is_ip6 ? POLICE_OUT6 : POLICE_OUT4;
	return is_ip6 ? POLICE_IP6 : POLICE_IP4;
}

static void police_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, POLICE_IP4, police_one, worker_slot(w, &firewall_module));
}

static void police_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "within the rate");
}

const struct stage police_stage = {
	.name = "police",
	.help = "drops what is beyond the rate of the rule that decided a connection",
	.run = police_run,
	.exits = { [POLICE_IP4] = { "ip4", "ip4_forward" },
		[POLICE_IP6] = { "ip6", "ip6_forward" },
		[POLICE_OUT4] = { "own ip4", "ip4_output" },
		[POLICE_OUT6] = { "own ip6", "ip6_output" } },
	.format = police_format,
};
