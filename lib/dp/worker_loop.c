/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The thread that drives a worker on its lcore: passes, quiescent reports, and idling. It returns
 * when the control thread sets `stop`.
 *
 * Idle: after IDLE_SPINS passes without a packet it pauses between passes, after IDLE_PAUSES it
 * sleeps, first for IDLE_SLEEP_MIN_NS, then twice as long each time up to IDLE_SLEEP_MAX_NS. The
 * first packet takes it back to polling. A sleep is the only system call of a worker, and only an
 * idle one makes it.
 */
#include "dp/worker_loop.h"

#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include "dp/dp.h"

enum {
	IDLE_SPINS = 256,
	IDLE_PAUSES = 2048,
	IDLE_SLEEP_MIN_NS = 5000,
	IDLE_SLEEP_MAX_NS = 100000,
};

struct idle {
	uint32_t n_empty; /* passes without a packet, in a row */
	uint32_t sleep_ns;
};

static void idle_wait(struct worker *w, struct idle *idle)
{
	struct timespec ts = { 0 };

	idle->n_empty++;
	if (idle->n_empty < IDLE_SPINS)
		return;
	if (idle->n_empty < IDLE_PAUSES) {
		rte_pause();
		return;
	}
	ts.tv_nsec = idle->sleep_ns;
	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->id);
	nanosleep(&ts, NULL);
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->id);
	w->sleeps++;
	idle->sleep_ns = RTE_MIN(2 * idle->sleep_ns, (uint32_t)IDLE_SLEEP_MAX_NS);
}

int worker_loop(void *arg)
{
	struct idle idle = { .sleep_ns = IDLE_SLEEP_MIN_NS };
	struct worker *w = arg;
	uint64_t last = rte_rdtsc();
	bool was_busy = false;

	/* Without this the kernel rounds every sleep up by 50 us. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		unsigned int n = worker_pass(w);

		w->loop_cycles += w->now - last;
		if (was_busy)
			w->busy_cycles += w->now - last;
		last = w->now;
		was_busy = n > 0;
		rte_rcu_qsbr_quiescent(w->dp->rcu, w->id);
		if (likely(n > 0))
			idle = (struct idle){ .sleep_ns = IDLE_SLEEP_MIN_NS };
		else if (w->is_adaptive)
			idle_wait(w, &idle);
	}
	return 0;
}
