/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * steer: hands packets of a port whose hardware does not know our table to the workers that own
 * them (steer.h). Right behind rx and before anything else is done with a packet, so that the
 * owner does all of the work; it takes them at the stage where its own packets begin. Run by the
 * worker that polls the queue. What is not IP stays with it.
 *
 * Packets of one flow stay in order: they come through one queue, have one owner, and the ring
 * to it is first in, first out.
 */
#include "dp/trace.h"
#include "link/link_priv.h"
#include "net/vlan.h"

enum { STEER_OWN = 1 };

/* Once more, without tags that only say a priority. */
static __rte_noinline unsigned int steer_untagged(const struct steer *steer, struct rte_mbuf *m)
{
	vlan_pop_priority(m);
	return steer_bucket(steer, rte_pktmbuf_mtod(m, const uint8_t *));
}

static void steer_flush(struct worker *w, struct link_worker *lw, unsigned int stage)
{
	for (unsigned int i = 0; i < w->dp->n_workers; i++) {
		struct link_steered *steered = &lw->steered_to[i];

		if (steered->n == 0)
			continue;
		worker_hand_over_frames(w->dp->workers[i], w, stage, steered->pkts, steered->n);
		steered->n = 0;
	}
}

/* Before any of them is another worker's. */
static __rte_noinline void steer_trace(
	struct worker *w, const struct stage_node *node, const struct steer *steer)
{
	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		unsigned int bucket = steer_untagged(steer, m);
		unsigned int owner = w->id;
		struct trace_extra extra = { .to = TRACE_NO_WORKER };

		if (bucket != STEER_BUCKET_NONE)
			owner = __atomic_load_n(&steer->owner[bucket], __ATOMIC_RELAXED);
		if (owner != w->id)
			extra.to = (uint16_t)owner;
		extra.arg[0] = (uint16_t)bucket;
		trace_note_extra(
			w, node->index, owner == w->id ? STEER_OWN : STAGE_CONSUMED, m, &extra);
	}
}

static void steer_run(struct worker *w, struct stage_node *node)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	struct stage_node *own = node->next[STEER_OWN];
	const struct steer *steer = lw->steer;

	if (unlikely(w->trace != NULL))
		steer_trace(w, node, steer);
	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		struct link_steered *steered;
		unsigned int bucket, owner;

		if (i + STAGE_PREFETCH < node->n)
			pkt_prefetch(node->pkts[i + STAGE_PREFETCH]);
		bucket = steer_bucket(steer, rte_pktmbuf_mtod(m, const uint8_t *));
		if (unlikely(bucket == STEER_BUCKET_NONE))
			bucket = steer_untagged(steer, m);
		if (unlikely(bucket == STEER_BUCKET_NONE)) {
			stage_push(&w->pending, own, m);
			continue;
		}
		lw->bucket_packets[bucket]++;
		owner = __atomic_load_n(&steer->owner[bucket], __ATOMIC_RELAXED);
		if (owner == w->id) {
			stage_push(&w->pending, own, m);
			continue;
		}
		steered = &lw->steered_to[owner];
		steered->pkts[steered->n++] = m;
	}
	steer_flush(w, lw, own->index);
}

static void steer_format(const struct trace_record *record, char *buf, size_t size)
{
	unsigned int bucket = record->extra.arg[0], to = record->extra.to;

	if (bucket == STEER_BUCKET_NONE)
		snprintf(buf, size, "not IP, stays with worker %u", record->w->id);
	else if (to == TRACE_NO_WORKER)
		snprintf(buf, size, "bucket %u, owner is worker %u itself", bucket, record->w->id);
	else
		snprintf(buf, size, "bucket %u, handed over to its owner, worker %u", bucket, to);
}

const struct stage steer_stage = {
	.name = "steer",
	.help = "hands packets to the workers that own them",
	.run = steer_run,
	.exits = { [STEER_OWN] = { "own", "plain" } },
	.format = steer_format,
};
