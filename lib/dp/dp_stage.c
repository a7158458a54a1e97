/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages that belong to no protocol: `inject`, the source of packets that enter again or were made
 * here, `handover`, the source of what other workers give to this one, and `drop`, the end of
 * everything that goes nowhere. Run by the owning worker.
 */
#include <rte_mbuf.h>

#include "dp/dp_priv.h"
#include "dp/trace.h"

static void inject_run(struct worker *w, struct stage_node *node)
{
	struct rte_mbuf *pkts[WORKER_INJECT_BURST];
	unsigned int n, max = RTE_MIN(w->room, (uint32_t)WORKER_INJECT_BURST);

	if (likely(rte_ring_empty(w->inject)))
		return;
	n = rte_ring_sc_dequeue_burst(w->inject, (void **)pkts, max, NULL);
	for (unsigned int i = 0; i < n; i++)
		stage_push(&w->pending, &w->nodes[pkt_meta(pkts[i])->start_stage], pkts[i]);
	if (unlikely(w->trace != NULL))
		trace_note_all(w, node, STAGE_CONSUMED, pkts, n);
	w->room -= n;
	node->packets += n;
}

static void inject_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "enters again, time %u", record->meta.n_injects);
}

const struct stage inject_stage = {
	.name = "inject",
	.help = "takes in packets that enter again or were made here",
	.run = inject_run,
	.is_source = true,
	.format = inject_format,
};

static void drop_run(struct worker *w, struct stage_node *node)
{
	for (uint32_t i = 0; i < node->n; i++) {
		const struct pkt_meta *meta = pkt_meta(node->pkts[i]);

		w->drops[meta->drop_reason * w->n_stages + meta->drop_stage]++;
	}
	if (unlikely(w->trace != NULL))
		trace_note_all(w, node, STAGE_CONSUMED, node->pkts, node->n);
	rte_pktmbuf_free_bulk(node->pkts, node->n);
}

static void drop_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;
	const struct dp *dp = record->w->dp;

	snprintf(buf, size, "%s, at %s", dp->reasons[meta->drop_reason]->name,
		dp->stages[meta->drop_stage]->name);
}

const struct stage drop_stage = {
	.name = "drop",
	.help = "counts dropped packets by reason and stage, and frees them",
	.run = drop_run,
	.format = drop_format,
};
