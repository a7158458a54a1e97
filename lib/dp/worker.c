/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One pass of the pipeline, and re-entering packets. Called by whoever drives the worker: its
 * lcore, a test, a fuzzer. Nothing here is shared for writing with other threads except the rings
 * (rte_ring) and the flag that wakes the control thread.
 *
 * A pass asks the sources first; they fill lanes until the pass's room is used up. Then the bit
 * set `pending` is walked from the lowest bit up: exits lead only to higher bits, so everything
 * that comes together for a stage is handled in one run. One pass in WORKER_SAMPLE_EVERY reads the
 * clock around every stage; the others do not pay for it.
 */
#include "dp/worker.h"

#include <unistd.h>

#include "dp/dp_priv.h"
#include "dp/handover.h"
#include "dp/trace.h"

static void node_run(struct worker *w, struct stage_node *node)
{
	uint64_t start, cycles, before = node->packets;

	/* Sources count by themselves what they bring; their own lane is empty. */
	if (likely(!w->is_sampling)) {
		node->run(w, node);
		node->packets += node->n;
	} else {
		start = rte_rdtsc();
		node->run(w, node);
		cycles = rte_rdtsc() - start;
		node->sampled_cycles += cycles - RTE_MIN(cycles, (uint64_t)w->sample_cost);
		node->packets += node->n;
		node->sampled_packets += node->packets - before;
	}
	node->calls++;
	node->n = 0;
}

static void worker_read_mail(struct worker *w)
{
	struct mail mail;

	while (rte_ring_sc_dequeue_elem(w->mail_in, &mail, sizeof(mail)) == 0)
		mail.fn(w, &mail);
}

uint32_t worker_sample_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t start = rte_rdtsc();

		least = RTE_MIN(least, rte_rdtsc() - start);
	}
	return (uint32_t)RTE_MIN(least, (uint64_t)UINT32_MAX);
}

unsigned int worker_pass(struct worker *w)
{
	unsigned int i, entered;

	w->now = likely(w->clock == NULL) ? rte_rdtsc() : *w->clock;
	w->room = LANE_SIZE;
	w->spare = LANE_ROOM - LANE_SIZE;
	w->is_sampling = (w->n_passes++ & (WORKER_SAMPLE_EVERY - 1)) == 0;
	if (unlikely(!rte_ring_empty(w->mail_in)))
		worker_read_mail(w);

	for (i = 0; i < w->n_sources; i++)
		node_run(w, &w->nodes[i]);
	if (worker_owes(w))
		handover_publish(w);
	entered = LANE_ROOM - w->room - w->spare;
	while (w->pending != 0) {
		i = (unsigned int)__builtin_ctzll(w->pending);
		w->pending &= w->pending - 1;
		node_run(w, &w->nodes[i]);
	}
	w->passes++;
	return entered;
}

void worker_inject(struct worker *to, struct worker *from, struct rte_mbuf *m, unsigned int stage)
{
	struct pkt_meta *meta = pkt_meta(m);

	RTE_ASSERT(stage < to->n_stages && !to->nodes[stage].stage->is_source);
	if (unlikely(meta->n_injects >= WORKER_INJECTS_MAX)) {
		worker_free_dropped(from, m, &dp_module, DP_DROP_INJECT_LOOP, stage);
		return;
	}
	meta->n_injects++;
	meta->start_stage = (uint8_t)stage;
	if (unlikely(rte_ring_enqueue(to->inject, m) != 0)) {
		worker_free_dropped(from, m, &dp_module, DP_DROP_INJECT_FULL, stage);
		return;
	}
	if (to != from)
		worker_wake(to);
}

void worker_free_dropped(struct worker *w, struct rte_mbuf *m, const struct module *module,
	unsigned int reason, unsigned int stage)
{
	w->drops[(module->drop_base + reason) * w->n_stages + stage]++;
	if (unlikely(w->trace != NULL))
		trace_note_dropped(w, m, module->drop_base + reason, stage);
	rte_pktmbuf_free(m);
}

bool worker_tell(struct worker *w, const struct mail *mail)
{
	static const uint64_t one = 1;

	if (unlikely(rte_ring_sp_enqueue_elem(
			     w->mail_out, (void *)(uintptr_t)mail, sizeof(*mail)) != 0)) {
		w->mail_lost++;
		return false;
	}
	/*
	 * One write per time that the control thread went to sleep, not per mail: it arms the flag
	 * (seq_cst) before it looks at the rings for the last time, we look at the flag after our
	 * mail is in the ring.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->dp->is_wake_armed, memory_order_relaxed) &&
		atomic_exchange_explicit(&w->dp->is_wake_armed, false, memory_order_relaxed))
		(void)!write(w->dp->wake_fd, &one, sizeof(one));
	return true;
}

unsigned int worker_stage_index(const struct worker *w, const char *name)
{
	return dp_stage_index(w->dp, name);
}

void stage_each_traced(struct worker *w, struct stage_node *node, stage_pkt_fn *fn, void *ctx)
{
	uint32_t n = node->n;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		struct pkt_meta *meta = pkt_meta(m);
		uint16_t id = meta->trace;
		struct pkt_meta before = *meta;
		unsigned int exit;

		w->trace->told = (struct trace_extra){ .to = TRACE_NO_WORKER };
		exit = fn(w, ctx, m, meta);
		if (exit == STAGE_CONSUMED) {
			/* It may be gone, or another thread's: only what it was is ours to tell. */
			if (id != 0)
				trace_note(w, node->index, exit, NULL, &before, id);
			continue;
		}
		meta->trace = id; /* plain and parse have reset the metadata */
		if (id != 0)
			trace_note(w, node->index, exit, m, meta, id);
		stage_leave(w, node, m, exit);
	}
}
