/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A stage is one step of the pipeline: a name, a run function and named exits. The pipeline
 * (app/weir/pipeline.c) lists stages from top to bottom; at start every exit is resolved to a
 * stage further down, so that one walk over the list takes a whole burst to its end and runs each
 * stage at most once, on everything that came together for it.
 *
 * A stage's own code is one small function from packet to exit. stage_each() calls it for every
 * packet of the lane, inlined: it prefetches, moves the packet to the exit's lane, keeps the
 * likely exit's end in a register. Traced passes go through a copy of that loop out of line that
 * also writes down what each stage decided.
 *
 * Datapath: runs on the worker that owns the node. Nothing here may wait, allocate or log.
 */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "net/pkt_meta.h"

struct worker;
struct stage_node;
struct trace_record;

enum {
	STAGE_DROP = 0,	      /* the first exit of every stage leads to the stage "drop" */
	STAGE_EXITS_MAX = 8,  /* exits of one stage, STAGE_DROP among them */
	STAGE_MAX = 64,	      /* stages of a pipeline: one bit each in worker->pending */
	STAGE_CONSUMED = 255, /* not an exit: the stage kept or freed the packet, and counted it */
	LANE_SIZE = 256,      /* packets that one pass takes in; sources take no more */
	LANE_ROOM = 1024,     /* with those that stages make of them on the way to tx */
	STAGE_PREFETCH = 6,   /* packets ahead */
};

/* Exits of a stage by number; [0] stays empty, it is the drop stage. Targets by stage name. */
struct stage_exit {
	const char *name;
	const char *target;
};

struct stage {
	const char *name;
	const char *help;
	/* Handles all of node->pkts[0..n). Sources are called with an empty lane, once a pass. */
	void (*run)(struct worker *w, struct stage_node *node);
	bool is_source;
	bool is_end; /* what it keeps has left weir, though it has exits for some */
	/*
	 * Sources, or NULL: the worker is about to sleep. Arranges that what comes wakes it, and says
	 * whether that holds for everything; else the worker sleeps for a short time only. disarm
	 * is called when it is awake again, also after a short sleep that a device has ended. A pass
	 * follows arm before the worker really sleeps.
	 */
	bool (*arm)(struct worker *w);
	void (*disarm)(struct worker *w);
	struct stage_exit exits[STAGE_EXITS_MAX];
	/*
	 * Writes what the stage decided, from the record, for `weirctl trace`; of a packet that it
	 * drops, what there is to say besides the reason, or nothing: buf is empty before. Control
	 * thread.
	 */
	void (*format)(const struct trace_record *record, char *buf, size_t size);
};

/* A stage on one worker: its counters and its lane. */
struct stage_node {
	const struct stage *stage;
	void (*run)(struct worker *w, struct stage_node *node);
	uint32_t n;				  /* packets in the lane */
	uint8_t index;				  /* in the pipeline */
	uint64_t calls, packets;		  /* since start */
	uint64_t sampled_packets, sampled_cycles; /* in passes that measured (worker.h) */
	struct stage_node *next[STAGE_EXITS_MAX];
	struct rte_mbuf *pkts[LANE_ROOM] __rte_cache_aligned;
} __rte_cache_aligned;

/* One packet: decide, change what has to change, return an exit (or STAGE_CONSUMED). */
typedef unsigned int stage_pkt_fn(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta);

/*
 * Puts a packet into a lane of a later stage. Lanes cannot overflow: sources bound the pass, and who makes
 * packets takes from worker->spare.
 */
static inline void stage_push(uint64_t *pending, struct stage_node *to, struct rte_mbuf *m)
{
	RTE_ASSERT(to->n < LANE_ROOM);
	to->pkts[to->n++] = m;
	*pending |= UINT64_C(1) << to->index;
}
