/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * nat_output: the destination of what is made here, if a rule of output says so. Its route was looked up
 * before, so it is now looked up again; if there is none, ip4_output or ip6_output says so of the packet that
 * has its new destination by then. Run by the worker for packets that walk the hooks.
 */
#include "dp/trace.h"
#include "nat/nat_priv.h"

enum { OUTPUT_NEXT = 1 };

static inline unsigned int output_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_first *f = flow_first(w, meta);
	enum nat_drop drop = nat_walk(w, ctx, f, nat_translate_destination);

	if (drop != NAT_N_DROPS)
		return pkt_drop(meta, &nat_module, drop);
	if (f->status & FLOW_DST_NAT)
		flow_find_route(w, f);
	return OUTPUT_NEXT;
}

static void output_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, OUTPUT_NEXT, output_one, worker_slot(w, &nat_module));
}

static void output_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit != STAGE_DROP)
		snprintf(buf, size, "goes by the new destination");
}

const struct stage nat_output_stage = {
	.name = "nat_output",
	.help = "chooses where a new connection made here really goes, if a rule of output says so",
	.run = output_run,
	.exits = { [OUTPUT_NEXT] = { "next", "postrouting" } },
	.format = output_format,
};
