/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The dataplane as a whole: workers, pipeline, modules, and how the control thread talks to them.
 * One per process in the daemon; tests make as many as they like, one after the other.
 * All functions: control thread, unless stated otherwise.
 */
#include <event2/event.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>

#include "dp/module.h"
#include "dp/worker.h"

/* Takes what an RCU grace period has made unreachable. */
typedef void rcu_free_fn(void *ptr, uint64_t arg);

struct rcu_retired;  /* rcu.c */
struct mail_backlog; /* mailbox.c */

#define DP_LOAD_NS UINT64_C(1000000000)

/* What a worker did in the last DP_LOAD_NS, as the control thread sees it. */
struct worker_load {
	uint64_t busy_cycles, loop_cycles; /* the worker's counters then */
	uint64_t packets; /* received, without those that no other worker had room for */
	double busy;	  /* share of its time, 0 to 1 */
	double rate;	  /* packets a second */
};

struct dp {
	struct event_base *events;	   /* NULL in tests that drive everything by hand */
	struct module *const *modules;	   /* NULL-terminated */
	const struct stage *const *stages; /* NULL-terminated, top to bottom */
	unsigned int n_modules, n_inited, n_stages, n_workers, n_reasons;
	struct worker *workers[WORKER_MAX];
	struct worker_load load[WORKER_MAX];
	uint64_t load_ns; /* when load was last taken */
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *rcu; /* one thread id per worker */
	struct rcu_retired *retired;
	struct mail_backlog *backlog; /* mail that found a worker's ring full */
	int wake_fd;		      /* eventfd: a worker has mail for us */
	_Atomic bool is_wake_armed; /* set here after draining; cleared by the worker that wakes */
	uint64_t n_originated;	    /* packets made by the control thread */
	uint64_t
		n_not_originated; /* made, but no ring had room: freed at once, in no other counter */
	uint64_t tsc_hz;
	uint64_t now_ns; /* monotonic; set by dp_tick(): the control plane's only clock */
	const struct drop_reason **reasons; /* by id */
	struct config *config;	/* what was applied; owned by the boot ladder, NULL in tests */
	void *slot[MODULE_MAX]; /* control state by module id */
};

struct dp_conf {
	struct module *const *modules;
	const struct stage *const *stages;
	struct event_base *events;
	unsigned int n_workers;
	unsigned int n_mbufs;
	unsigned int mbuf_size; /* data room without headroom; 0: 2048 */
	bool is_adaptive;
};

/*
 * Registers modules, resolves the pipeline, makes the packet pool, the workers and all module
 * states. The EAL must be up. -EINVAL when an exit does not lead down or a name is unknown twice
 * (named in the log); -ENOMEM.
 */
int dp_create(const struct dp_conf *conf, struct dp **out);
/*
 * Stops nothing: call dp_stop() first. Frees all packets that are held; returns how many nobody
 * knows of any more (also in the log): 0 unless weir has a fault.
 */
int dp_destroy(struct dp *dp);

/*
 * A worker that nobody counts: it sees every published table as worker `id` does, has all its own state
 * from new, and receives nothing. Whoever makes it puts packets into its lanes and runs worker_pass().
 * What it tells the control thread is never read. Must be gone before dp_destroy(). -ENOMEM.
 */
int dp_scratch_create(struct dp *dp, unsigned int id, struct worker **out);
void dp_scratch_destroy(struct dp *dp, struct worker *w);

/* Gives worker i to an EAL lcore and launches it. */
int dp_launch(struct dp *dp, unsigned int i, unsigned int lcore, int cpu);
/* Stops and joins all launched workers. */
void dp_stop(struct dp *dp);

/* One turn of the control plane: clock, mail, retired memory, every module's tick. */
void dp_tick(struct dp *dp, uint64_t now_ns);
/* Mail only (called when wake_fd is readable). */
void dp_drain_mail(struct dp *dp);

/* Sends mail to one worker or to all; never fails: what finds a full ring is sent later, in order. */
void dp_mail(struct dp *dp, struct worker *w, const struct mail *mail);
void dp_mail_all(struct dp *dp, const struct mail *mail);

/* Calls fn(ptr, arg) once no worker can still see what was unpublished before this call. */
void dp_retire(struct dp *dp, rcu_free_fn *fn, void *ptr, uint64_t arg);
/* Frees what lies on the heap then. NULL is fine. */
void dp_retire_heap(struct dp *dp, void *ptr);

/* A packet from the control plane's own hands, to enter worker w at a stage. Takes m. */
void dp_originate(struct dp *dp, struct worker *w, struct rte_mbuf *m, unsigned int stage);

/* The sum of all workers' accounting; held includes what waits in rings. */
struct dp_totals {
	struct worker_stats stats;
	uint64_t dropped;
	int64_t difference;
};
void dp_totals(const struct dp *dp, struct dp_totals *out);
/* Packets dropped for one reason, by name, over all workers and stages. UINT64_MAX: no such name. */
uint64_t dp_drops(const struct dp *dp, const char *reason);

unsigned int dp_stage_index(const struct dp *dp, const char *name); /* asserts that it exists */

/* The dataplane's own drop reasons and commands. */
extern struct module dp_module;

enum dp_drop {
	DP_DROP_INJECT_FULL,
	DP_DROP_INJECT_LOOP,
	DP_DROP_HANDOVER_FULL,
	DP_DROP_STOPPED,
	DP_N_DROPS,
};

extern const struct stage inject_stage, handover_stage, drop_stage;

static inline void *dp_slot(const struct dp *dp, const struct module *module)
{
	return dp->slot[module->id];
}

static inline void *worker_slot(const struct worker *w, const struct module *module)
{
	return w->slot[module->id];
}
