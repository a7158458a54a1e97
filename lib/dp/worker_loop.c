/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The thread that drives a worker on its lcore: passes, quiescent reports, and idling. It returns
 * when the control thread sets `stop`.
 *
 * Idle: after IDLE_SPINS passes without a packet it pauses between passes, after IDLE_PAUSES it
 * sleeps, first for IDLE_SLEEP_MIN_NS, then twice as long each time up to IDLE_SLEEP_MAX_NS. Once
 * there, it asks the sources to wake it (rx interrupts, descriptors of taps): where all of them can
 * it sleeps until something comes, else it goes on with short sleeps. Mail, injected and handed-over
 * packets always wake it, through an eventfd. The first packet takes it back to polling. A sleep
 * is the only system call of a worker, and only an idle one makes it.
 *
 * Nothing is overlooked on the way to sleep: the worker first says that it sleeps and arms what
 * wakes it, then runs one more pass, and sleeps only if that found nothing and gave nothing. Who puts something into
 * a ring after that pass finds the flag (worker_wake()); a queue that interrupts was armed before.
 * Whether it does interrupt is not taken on trust: see idle_judge().
 */
#include "dp/worker_loop.h"

#include <rte_pause.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "dp/dp.h"

enum {
	IDLE_SPINS = 256,
	IDLE_PAUSES = 2048,
	IDLE_SLEEP_MIN_NS = 5000,
	IDLE_SLEEP_MAX_NS = 160000,
	IDLE_ARMED_NS = 100000000, /* with everything armed */
	IDLE_DUE_NS = 200000,	   /* what is due by time is waited for awake */
	IDLE_EVENTS = 16,
	IDLE_MISSES_MAX = 3,
};

struct loop {
	struct worker *w;
	uint64_t last; /* TSC at the start of the pass before */
	bool was_busy;
	uint32_t n_empty; /* passes without a packet, in a row */
	uint32_t sleep_ns;
	uint32_t n_missed; /* armed sleeps in a row that slept through packets */
};

/* One pass with its accounts. True: something came. */
static bool loop_pass(struct loop *loop)
{
	struct worker *w = loop->w;
	unsigned int n = worker_pass(w);

	w->loop_cycles += w->now - loop->last;
	if (loop->was_busy)
		w->busy_cycles += w->now - loop->last;
	loop->last = w->now;
	loop->was_busy = n > 0;
	rte_rcu_qsbr_quiescent(w->dp->rcu, w->id);
	return n > 0;
}

/* Asks every source; true: all that can come will wake us. */
static bool sources_arm(struct worker *w)
{
	bool is_armed = true;

	for (unsigned int i = 0; i < w->n_sources; i++)
		if (w->nodes[i].stage->arm != NULL)
			is_armed = w->nodes[i].stage->arm(w) && is_armed;
	return is_armed;
}

static void sources_disarm(struct worker *w)
{
	for (unsigned int i = 0; i < w->n_sources; i++)
		if (w->nodes[i].stage->disarm != NULL)
			w->nodes[i].stage->disarm(w);
}

/* What has ended a sleep. */
enum wake { WAKE_TIME, WAKE_RING, WAKE_DEVICE };

static enum wake worker_wait(struct worker *w, uint32_t ns)
{
	const struct timespec timeout = { .tv_nsec = ns };
	struct epoll_event events[IDLE_EVENTS];
	enum wake wake = WAKE_TIME;
	int n;

	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->id);
	n = epoll_pwait2(w->epoll_fd, events, IDLE_EVENTS, &timeout, NULL);
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->id);
	w->sleeps++;
	for (int i = 0; i < n && wake != WAKE_DEVICE; i++)
		wake = events[i].data.fd == w->wake_fd ? WAKE_RING : WAKE_DEVICE;
	return wake;
}

/*
 * Takes the flag back, and wake-ups. Also when nobody has taken the flag: who took it the last time
 * may only have written after that sleep was over, and what is left in there ends every later sleep.
 */
static void worker_say_awake(struct worker *w)
{
	uint64_t count;

	atomic_store_explicit(&w->is_asleep, false, memory_order_relaxed);
	(void)!read(w->wake_fd, &count, sizeof(count));
}

/*
 * Some drivers promise interrupts that never come (net_e1000_em with MSI-X). One that slept its time
 * out and then finds packets was not woken for them; when that happens again and again, and no device
 * ever wakes it, it sleeps short. True: it found some.
 */
static bool idle_judge(struct loop *loop, enum wake wake)
{
	if (wake == WAKE_DEVICE)
		loop->n_missed = 0;
	if (wake != WAKE_TIME || !loop_pass(loop))
		return false;
	loop->n_missed++;
	return true;
}

/* How long it may sleep for what is due by time; 0: not at all. */
static uint32_t idle_ns_to_due(const struct worker *w)
{
	int64_t cycles = (int64_t)(w->due - rte_rdtsc());
	double ns;

	if (likely(w->due == UINT64_MAX))
		return IDLE_ARMED_NS;
	ns = (double)cycles * 1e9 / (double)w->dp->tsc_hz - IDLE_DUE_NS;
	return ns <= 0 ? 0 : ns < IDLE_ARMED_NS ? (uint32_t)ns : IDLE_ARMED_NS;
}

/*
 * True: something has come, or is about to: a driver may show a packet later than its descriptor
 * says so (net_tap counts signals that another thread receives), so it is worth polling again.
 */
static bool idle_sleep(struct loop *loop)
{
	bool is_long = loop->sleep_ns >= IDLE_SLEEP_MAX_NS && loop->n_missed < IDLE_MISSES_MAX;
	bool is_armed = false, is_awake;
	enum wake wake = WAKE_RING;
	struct worker *w = loop->w;

	/* Pairs with the fence in worker_wake(). */
	atomic_store_explicit(&w->is_asleep, true, memory_order_seq_cst);
	if (is_long)
		is_armed = sources_arm(w);
	is_awake = loop_pass(loop) || worker_owes(w) ||
		   atomic_load_explicit(&w->stop, memory_order_relaxed);
	if (!is_awake)
		wake = worker_wait(w, RTE_MIN(is_armed ? (uint32_t)IDLE_ARMED_NS : loop->sleep_ns,
					      idle_ns_to_due(w)));
	worker_say_awake(w);
	if (is_long || wake == WAKE_DEVICE)
		sources_disarm(w);
	loop->sleep_ns = RTE_MIN(2 * loop->sleep_ns, (uint32_t)IDLE_SLEEP_MAX_NS);
	is_awake = is_awake || wake != WAKE_TIME;
	if (is_armed)
		is_awake = idle_judge(loop, wake) || is_awake;
	return is_awake;
}

static bool idle_step(struct loop *loop)
{
	loop->n_empty++;
	if (loop->n_empty < IDLE_SPINS)
		return false;
	if (loop->n_empty < IDLE_PAUSES || idle_ns_to_due(loop->w) == 0) {
		rte_pause();
		return false;
	}
	return idle_sleep(loop);
}

int worker_loop(void *arg)
{
	struct worker *w = arg;
	struct loop loop = { .w = w, .last = rte_rdtsc(), .sleep_ns = IDLE_SLEEP_MIN_NS };

	/* Without this the kernel rounds every sleep up by 50 us. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		if (likely(loop_pass(&loop)) || (w->is_adaptive && idle_step(&loop))) {
			loop.n_empty = 0;
			loop.sleep_ns = IDLE_SLEEP_MIN_NS;
		}
	}
	return 0;
}
