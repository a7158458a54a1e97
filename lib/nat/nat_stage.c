/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages nat_dst and nat_src: between the hooks and what lib/flow does with their decisions. Run by the
 * worker for packets that walk the hooks. What becomes no connection is not translated: untracked and
 * invalid packets. nat_output is in a file of its own.
 */
#include "nat/nat_priv.h"

enum { NAT_NEXT = 1 };

enum nat_drop nat_walk(
	struct worker *w, struct nat_worker *nw, struct flow_first *f, nat_translate_fn *translate)
{
	const struct firewall_nat *nat = f->nat;
	enum nat_drop drop;

	/* The next hook begins without a rule. */
	f->nat = NULL;
	if (unlikely(f->state != FLOW_STATE_NEW))
		return NAT_N_DROPS;
	drop = translate(w, nw, f, nat);
	/* Its sender may come back, as a new connection by the new rules. */
	if (unlikely(drop == NAT_DROP_MAPPING_GONE))
		flow_first_end(w, f);
	return drop;
}

static inline unsigned int nat_exit(struct pkt_meta *meta, enum nat_drop drop)
{
	return likely(drop == NAT_N_DROPS) ? (unsigned int)NAT_NEXT
					   : pkt_drop(meta, &nat_module, drop);
}

static inline unsigned int destination_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return nat_exit(meta, nat_walk(w, ctx, flow_first(w, meta), nat_translate_destination));
}

static void destination_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, NAT_NEXT, destination_one, worker_slot(w, &nat_module));
}

const struct stage nat_dst_stage = {
	.name = "nat_dst",
	.help = "chooses where a new connection really goes, if a rule of prerouting says so",
	.run = destination_run,
	.exits = { [NAT_NEXT] = { "next", "flow_route" } },
};

static inline unsigned int source_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return nat_exit(meta, nat_walk(w, ctx, flow_first(w, meta), nat_translate_source));
}

static void source_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, NAT_NEXT, source_one, worker_slot(w, &nat_module));
}

const struct stage nat_src_stage = {
	.name = "nat_src",
	.help = "chooses the address and port that a new connection seems to come from, if a "
		"rule of "
		"postrouting says so or another connection looks the same",
	.run = source_run,
	.exits = { [NAT_NEXT] = { "next", "flow_commit" } },
};
