/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * How the control thread sees connections: as copies that the worker who owns them has made. A walk goes
 * through the tables of all workers in slices; a connection that comes or goes meanwhile is met or not,
 * one that stays is met once, and none is seen half written.
 */
#include <sys/queue.h>

#include "flow/flow.h"

enum {
	FLOW_SLICE_ROWS = 64,	 /* copied, or ended, by one mail */
	FLOW_SLICE_ENTRIES = 512 /* looked at for that */
};

/* Which connections; all zero but those set to -1 by flow_filter_init(): any. */
struct flow_filter {
	struct ip_prefix addr[2][2]; /* by enum flow_dir: source, destination */
	int32_t port[2][2];	     /* the same; -1: any */
	int16_t proto;		     /* -1: any */
	int8_t tcp_state;	     /* enum tcp_state; -1: any */
	uint8_t family;		     /* 0: any */
	bool has_mark;
	uint16_t status, status_mask; /* enum flow_status: the bits of mask are those of status */
	uint32_t mark;
};

void flow_filter_init(struct flow_filter *filter);

struct flow_walk {
	TAILQ_ENTRY(flow_walk) link; /* in flow_control.walks, while a worker has it */
	struct dp *dp;
	/* Called when a slice has come: rows, or n_deleted more. Control thread. */
	void (*answered)(struct flow_walk *walk);
	void *owner;
	bool is_deleting; /* connections are ended, not copied */
	bool is_mailed;	  /* a worker has it: it is the worker's until is_answered */
	bool is_abandoned;
	_Atomic bool is_answered; /* the worker's release, the control thread's acquire */
	struct flow_filter filter;
	bool is_lookup; /* flow_lookup_create(): of one worker's table only this is wanted */
	struct flow_tuple tuple; /* of either direction */
	/* Where the next slice begins. */
	uint16_t worker;
	uint8_t family;
	uint32_t next;
	uint64_t n_deleted;
	unsigned int n;
	struct flow_info rows[FLOW_SLICE_ROWS];
};

/* Control thread, all of it. */
struct flow_walk *flow_walk_create(struct dp *dp, const struct flow_filter *filter,
	void (*answered)(struct flow_walk *walk), void *owner);
/*
 * One question in place of a walk: has that worker a connection one of whose directions is this? One
 * flow_walk_step() asks it; rows[0] is the answer, if n is 1.
 */
struct flow_walk *flow_lookup_create(struct dp *dp, unsigned int worker,
	const struct flow_first *sought, void (*answered)(struct flow_walk *walk), void *owner);
/* Asks for the next slice. False: there is none, the walk is over. */
bool flow_walk_step(struct flow_walk *walk);
/* Frees it now, or as soon as the worker that has it gives it back. */
void flow_walk_destroy(struct flow_walk *walk);
/* Takes what has come back; the mail of a worker only makes it happen sooner than the next tick. */
void flow_walks_collect(struct dp *dp);
/* Workers no longer run. */
void flow_walks_fini(struct dp *dp);
