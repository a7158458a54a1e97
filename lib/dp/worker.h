/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A worker runs the whole pipeline, to completion, on bursts from its own RX queues. It is an
 * object, not a thread: tests, fuzzers and the daemon's lcores all call worker_pass() on one.
 * Everything in it is written by whoever runs it and by nobody else; other threads read counters,
 * send mail and inject packets.
 */
#include <rte_cycles.h>
#include <rte_ring.h>
#include <stdatomic.h>
#include <unistd.h>

#include "dp/module.h"
#include "dp/stage.h"

enum {
	WORKER_MAX = 64,
	MODULE_MAX = 32,
	WORKER_INJECTS_MAX = 16,    /* times that one packet may re-enter */
	WORKER_INJECT_BURST = 64,   /* re-entering packets taken per pass */
	WORKER_HANDOVER_BURST = 64, /* packets of other workers taken per pass */
	WORKER_RING_SIZE = 4096,    /* inject */
	/* Slots of all hand-over queues of a worker, but no fewer than the least in each: what it may be away for. */
	WORKER_HANDOVER_SIZE = 4096,
	WORKER_HANDOVER_LEAST = 256,
	WORKER_MAIL_SIZE = 1024,  /* mails each way */
	WORKER_SAMPLE_EVERY = 64, /* passes between two that measure every stage */
};

/* A message by value, so that nobody has to free it. fn runs on the receiving side. */
struct mail {
	void (*fn)(void *receiver, const struct mail *mail); /* struct worker * or struct dp * */
	uint64_t arg[7];
};
static_assert(sizeof(struct mail) == 64, "one cache line");

/* Packet accounting: rx + originated + cloned + fragments = tx + punted + consumed + held + drops. */
struct worker_stats {
	uint64_t rx, originated, cloned, fragments;
	uint64_t tx, punted, consumed;
	int64_t held; /* a gauge: in this worker's neighbour queues and qdiscs */
};

struct handover_queue; /* handover.h */
struct trace;

struct worker {
	uint64_t pending; /* bit i: the lane of stage i has packets */
	uint64_t given;	  /* bit i: something for worker i is written and not yet published */
	uint64_t told;	  /* bit i: it is, and worker i may sleep */
	uint64_t now;	  /* TSC at the start of the pass */
	uint64_t
		due; /* TSC when something that waits here has to go on; UINT64_MAX: nothing has to */
	const uint64_t *clock;	      /* in place of the TSC, for tests; NULL */
	uint32_t room;		      /* packets that sources may still bring into this pass */
	uint32_t spare;		      /* packets that stages may still make in it, for tx only */
	uint32_t n_passes;	      /* low bits choose the passes that measure */
	struct trace *trace;	      /* non-NULL while a trace is armed */
	uint64_t *drops;	      /* [reason * n_stages + stage] */
	uint16_t n_stages, n_sources; /* the sources come first */
	uint16_t id;		      /* index in dp->workers */
	uint16_t drop_index;	      /* of the stage "drop" */
	uint16_t first_giver; /* whose hand-over queue is looked at first in the next pass */
	uint8_t is_sampling;  /* this pass measures */
	uint32_t sample_cost; /* TSC cycles that measuring takes by itself */
	struct dp *dp;	      /* read-only here: tables published by the control thread */
	struct rte_mempool *pool;
	struct rte_ring *inject;   /* packets that enter at meta->start_stage; many producers */
	struct rte_ring *mail_in;  /* control thread to worker */
	struct rte_ring *mail_out; /* worker to control thread */
	struct worker_stats stats;
	uint64_t busy_cycles; /* in passes that had packets */
	uint64_t loop_cycles; /* in all passes, sleeping included */
	uint64_t passes, sleeps, mail_lost;
	uint64_t handed_over;		 /* to other workers, without what found no room there */
	uint64_t taken_over;		 /* from other workers */
	uint64_t refused_by[WORKER_MAX]; /* what found no room there, by worker */
	unsigned int lcore;		 /* EAL lcore that runs it; LCORE_ID_ANY: driven by hand */
	int cpu;			 /* for display; -1 not known */
	bool is_adaptive;		 /* may sleep when idle */
	bool is_scratch;   /* a stand-in (dp_scratch_create()): nothing real may change */
	int epoll_fd;	   /* what it sleeps on: its wake_fd, and receive queues that interrupt */
	_Atomic bool stop; /* set by the control thread, read by the loop (relaxed both) */
	/* Read by others for every burst that they hand over: a line of its own, seldom written. */
	_Atomic bool is_asleep __rte_cache_aligned; /* cleared by itself or by who wakes it */
	int wake_fd;				    /* eventfd: written by worker_wake() */
	uint16_t n_givers;			    /* workers, itself included */
	/* What each of them gives it; NULL: itself. */
	struct handover_queue **handover;
	void *slot[MODULE_MAX] __rte_cache_aligned; /* by module id */
	struct stage_node nodes[];
} __rte_cache_aligned;

/* Has it given something that others do not see yet, or that they may sleep through? The next passes see to that. */
static inline bool worker_owes(const struct worker *w)
{
	return (w->given | w->told) != 0;
}

/* Runs the pipeline once over what the sources have. Returns the packets that entered. */
unsigned int worker_pass(struct worker *w);

/* A stage's loop over its lane; only with tracing armed. Out of line on purpose. */
void stage_each_traced(struct worker *w, struct stage_node *node, stage_pkt_fn *fn, void *ctx);

/* Leaves through an exit that is not the likely one. */
static inline void stage_leave(
	struct worker *w, struct stage_node *node, struct rte_mbuf *m, unsigned int exit)
{
	if (exit == STAGE_CONSUMED)
		return;
	RTE_ASSERT(exit < STAGE_EXITS_MAX && node->next[exit] != NULL);
	if (exit == STAGE_DROP)
		pkt_meta(m)->drop_stage = node->index;
	stage_push(&w->pending, node->next[exit], m);
}

/* The body of the two loops below; all but w, node and ctx are compile-time constants. */
static __rte_always_inline void stage_loop(struct worker *w, struct stage_node *node,
	unsigned int likely_exit, stage_pkt_fn *fn, void *ctx, const bool is_first)
{
	struct stage_node *likely = node->next[likely_exit];
	struct rte_mbuf **out = likely->pkts + likely->n;
	struct rte_mbuf **in = node->pkts;
	unsigned int n = node->n;

	if (unlikely(w->trace != NULL)) {
		stage_each_traced(w, node, fn, ctx);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = in[i];
		unsigned int exit;

		if (is_first && i + STAGE_PREFETCH < n)
			pkt_prefetch(in[i + STAGE_PREFETCH]);
		exit = fn(w, ctx, m, pkt_meta(m));
		if (likely(exit == likely_exit)) {
			if (likely_exit == STAGE_DROP)
				pkt_meta(m)->drop_stage = node->index;
			*out++ = m;
			continue;
		}
		likely->n = (uint32_t)(out - likely->pkts);
		stage_leave(w, node, m, exit);
		out = likely->pkts + likely->n;
	}
	likely->n = (uint32_t)(out - likely->pkts);
	if (likely->n > 0)
		w->pending |= UINT64_C(1) << likely->index;
}

/* The loop of almost every stage: see stage.h. fn and likely_exit are compile-time constants. */
static __rte_always_inline void stage_each(struct worker *w, struct stage_node *node,
	unsigned int likely_exit, stage_pkt_fn *fn, void *ctx)
{
	stage_loop(w, node, likely_exit, fn, ctx, false);
}

/* The same for the first stage behind rx: it also prefetches metadata and packet bytes. */
static __rte_always_inline void stage_each_first(struct worker *w, struct stage_node *node,
	unsigned int likely_exit, stage_pkt_fn *fn, void *ctx)
{
	stage_loop(w, node, likely_exit, fn, ctx, true);
}

/* Marks a packet as dropped for a module's reason; the stage then returns STAGE_DROP. */
static inline unsigned int pkt_drop(
	struct pkt_meta *meta, const struct module *module, unsigned int reason)
{
	meta->drop_reason = (uint16_t)(module->drop_base + reason);
	return STAGE_DROP;
}

/*
 * Lets a packet enter again, at the top of a later pass of `to`, at the stage of that index. `from`
 * is the worker that runs this. Takes the packet in any case: when it has entered too often or the
 * ring is full it is dropped by name on `from`.
 */
void worker_inject(struct worker *to, struct worker *from, struct rte_mbuf *m, unsigned int stage);

/*
 * Gives packets to another worker, which takes them in order at that stage, in one of its next
 * passes. `from` is the worker that runs this. What finds no room in the ring is dropped by name on
 * `from`. Cheaper than worker_inject() by far, and no guard against loops: a stage that packets
 * reach again after a hand-over must not hand them over.
 */
void worker_hand_over(struct worker *to, struct worker *from, unsigned int stage,
	struct rte_mbuf **pkts, unsigned int n);

/*
 * The same for packets as a driver gave them, without metadata: of small ones only the bytes go over,
 * and their buffers are free for the next burst.
 */
void worker_hand_over_frames(struct worker *to, struct worker *from, unsigned int stage,
	struct rte_mbuf **pkts, unsigned int n);

/* What others have given it and it has not taken yet. Any thread; a burst old or not. */
uint32_t worker_waiting(const struct worker *w);

/* One packet; false: the ring has no room, and the packet is still the caller's. */
bool worker_try_hand_over(
	struct worker *to, struct worker *from, unsigned int stage, struct rte_mbuf *m);

/* Any thread: something was put into a ring of the worker; wakes it if it sleeps. */
static inline void worker_wake(struct worker *w)
{
	static const uint64_t one = 1;

	/* Pairs with idle_sleep(): it says that it sleeps, then looks at its rings once more. */
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&w->is_asleep, memory_order_relaxed)) &&
		atomic_exchange_explicit(&w->is_asleep, false, memory_order_relaxed))
		(void)!write(w->wake_fd, &one, sizeof(one));
}

/* Sends mail to the control thread. False when its ring is full (counted in mail_lost). */
bool worker_tell(struct worker *w, const struct mail *mail);

/* A ring of a worker's own, of elements of that size. NULL: no memory. Control thread, at start. */
struct rte_ring *worker_ring_create(const struct worker *w, const char *what, unsigned int esize,
	unsigned int size, unsigned int flags);

/* Index of a stage by name in the running pipeline. Control thread, at start. */
unsigned int worker_stage_index(const struct worker *w, const char *name);

/* Counts and frees a packet outside the pipeline (end of a worker, held packets of a dead link). */
void worker_free_dropped(struct worker *w, struct rte_mbuf *m, const struct module *module,
	unsigned int reason, unsigned int stage);
