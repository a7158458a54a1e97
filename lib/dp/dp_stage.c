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

static __rte_noinline void handover_trace(
	struct worker *w, const struct stage_node *node, struct rte_mbuf *m)
{
	trace_note_all(w, node, STAGE_CONSUMED, &m, 1);
}

/* The small frames among them get buffers of this worker. */
static void handover_fill(struct rte_mbuf *m, const struct handover *slot)
{
	memcpy(rte_pktmbuf_mtod(m, void *), slot->frame, sizeof(slot->frame));
	m->data_len = slot->frame_len;
	m->pkt_len = slot->frame_len;
	m->port = slot->port;
	pkt_meta(m)->trace = 0; /* what is traced comes as a packet */
}

/* A packet that comes as it is: all of it lies in another core's cache. */
static void handover_ask_for(const struct rte_mbuf *m)
{
	rte_prefetch0(m);
	rte_prefetch0((const char *)m + RTE_CACHE_LINE_SIZE);
	pkt_prefetch(m);
}

static unsigned int handover_count_frames(const struct rte_ring_zc_data *zc, unsigned int n)
{
	unsigned int n_frames = 0;

	for (unsigned int i = 0; i < n; i++)
		n_frames += handover_slot(zc, i)->frame_len > 0;
	return n_frames;
}

/* What cannot have a buffer now stays in the ring; when that is full, it is dropped there by name. */
static void handover_run(struct worker *w, struct stage_node *node)
{
	struct rte_mbuf *fresh[WORKER_HANDOVER_BURST], **next = fresh;
	unsigned int n, n_frames, max = RTE_MIN(w->room, (uint32_t)WORKER_HANDOVER_BURST);
	struct rte_ring_zc_data zc;

	if (rte_ring_empty(w->handover))
		return;
	n = rte_ring_dequeue_zc_burst_elem_start(
		w->handover, sizeof(struct handover), max, &zc, NULL);
	n_frames = handover_count_frames(&zc, n);
	if (n_frames > 0 && rte_pktmbuf_alloc_bulk(w->pool, fresh, n_frames) != 0)
		n = 0;
	for (unsigned int i = 0; i < n; i++) {
		const struct handover *slot = handover_slot(&zc, i);
		struct rte_mbuf *m = slot->m;

		if (likely(slot->frame_len > 0)) {
			m = *next++;
			handover_fill(m, slot);
		} else {
			handover_ask_for(m);
		}
		if (unlikely(w->trace != NULL))
			handover_trace(w, node, m);
		stage_push(&w->pending, &w->nodes[slot->stage], m);
	}
	rte_ring_dequeue_zc_elem_finish(w->handover, n);
	w->room -= n;
	w->taken_over += n;
	node->packets += n;
}

static void handover_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "worker %u takes it over", record->w->id);
}

const struct stage handover_stage = {
	.name = "handover",
	.help = "takes in packets that other workers hand over",
	.run = handover_run,
	.is_source = true,
	.format = handover_format,
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
