/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The list of receive queues that each worker polls: made anew for every change and published as a whole,
 * the old one retired. Queues with a descriptor wake their worker. Control thread; `rx` reads.
 */
#include <fcntl.h>
#include <rte_log.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "link/link_priv.h"

static struct link_polls *polls_alloc(unsigned int n)
{
	return mem_zalloc(
		sizeof(struct link_polls) + n * sizeof(((struct link_polls *)0)->poll[0]));
}

static void polls_publish(struct dp *dp, struct worker *w, struct link_polls *polls)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	struct link_polls *old = atomic_load_explicit(&lw->polls, memory_order_relaxed);

	/* Pairs with the acquire in rx_run(). */
	atomic_store_explicit(&lw->polls, polls, memory_order_release);
	/* Asleep it would wait for the queues of the old list. */
	worker_wake(w);
	dp_retire_heap(dp, old);
}

/* A worker sleeps on interrupts only if every queue that it polls has them. */
static void polls_count_interrupts(struct link_polls *polls)
{
	polls->can_interrupt = true;
	for (unsigned int i = 0; i < polls->n; i++)
		polls->can_interrupt = polls->can_interrupt && polls->poll[i].fd >= 0;
}

/* The descriptor of a receive queue, or -1. That most have none is no error: ethdev says it is. */
static int queue_fd(uint16_t port, uint16_t queue)
{
	int type = rte_log_register("lib.ethdev"), level = rte_log_get_level((uint32_t)type), fd;

	rte_log_set_level((uint32_t)type, RTE_LOG_EMERG);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port, queue);
	rte_log_set_level((uint32_t)type, (uint32_t)level);
	return fd;
}

/*
 * A driver may look at the queue only after a signal of its descriptor (net_tap; F_SETSIG in fcntl(2)). Any thread
 * takes it, on a busy machine late, so a worker that is woken sends itself one. Real-time signals are queued: when
 * too many wait, the kernel sends SIGIO in place of them, which then means the same and cannot fail.
 */
static bool fd_is_signalled(int fd)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
	struct sigaction action;

	return flags >= 0 && (flags & O_ASYNC) != 0 &&
	       sigaction(fcntl(fd, F_GETSIG), NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
	       sigaction(SIGIO, &action, NULL) == 0;
}

/*
 * Lets a queue wake the worker. An interrupt is an edge, and nothing has to be read for the next one.
 * Where there is none to switch, the descriptor is the queue itself (net_tap): level-triggered, since
 * that driver may show a packet later than its descriptor does. Its descriptor, or -1.
 */
static int poll_watch(const struct worker *w, uint16_t port, uint16_t queue)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd;

	if (!w->is_adaptive)
		return -1;
	fd = queue_fd(port, queue);
	event.data.fd = fd;
	if (rte_eth_dev_rx_intr_disable(port, queue) != -ENOTSUP)
		event.events |= EPOLLET;
	return fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? fd : -1;
}

enum link_way polls_way(const struct link *link)
{
	if (link->n_uppers > 0 || link->strips_vlans)
		return LINK_WAY_L2;
	if (link->master != NULL)
		return link->master->ops->member_flags & LINK_BRIDGED ? LINK_WAY_BRIDGE
								      : LINK_WAY_L2;
	return link->is_sw_steered ? LINK_WAY_STEER : LINK_WAY_PLAIN;
}

static uint8_t poll_exit(const struct link *link)
{
	return (uint8_t)(link->is_metered ? LINK_WAY_METER : polls_way(link));
}

void polls_add(
	struct dp *dp, struct worker *w, const struct link *link, uint16_t queue, bool is_unmarked)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *old = atomic_load_explicit(&lw->polls, memory_order_relaxed);
	unsigned int n = old == NULL ? 0 : old->n;
	struct link_polls *polls = polls_alloc(n + 1);
	int fd = poll_watch(w, link->port, queue);

	for (unsigned int i = 0; i < n; i++)
		polls->poll[i] = old->poll[i];
	polls->n = n + 1;
	polls->poll[n] = (struct link_poll){
		.port = link->port,
		.queue = queue,
		.ifindex = link->ifindex,
		.is_unmarked = is_unmarked,
		.exit = poll_exit(link),
		.fd = fd,
		.is_signalled = fd_is_signalled(fd),
	};
	polls_count_interrupts(polls);
	polls_publish(dp, w, polls);
}

void polls_remove(struct dp *dp, struct worker *w, const struct link *link)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *old = atomic_load_explicit(&lw->polls, memory_order_relaxed);
	struct link_polls *polls;

	if (old == NULL)
		return;
	polls = polls_alloc(old->n);
	for (unsigned int i = 0; i < old->n; i++) {
		if (old->poll[i].port != link->port)
			polls->poll[polls->n++] = old->poll[i];
		else if (old->poll[i].fd >= 0)
			(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, old->poll[i].fd, NULL);
	}
	polls_count_interrupts(polls);
	polls_publish(dp, w, polls);
}

/* The same list, with where packets of the link go now. */
void polls_follow_exit(struct dp *dp, struct worker *w, const struct link *link)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *old = atomic_load_explicit(&lw->polls, memory_order_relaxed);
	struct link_polls *polls;

	if (old == NULL)
		return;
	polls = polls_alloc(old->n);
	polls->n = old->n;
	for (unsigned int i = 0; i < old->n; i++) {
		polls->poll[i] = old->poll[i];
		if (polls->poll[i].ifindex == link->ifindex)
			polls->poll[i].exit = poll_exit(link);
	}
	polls_count_interrupts(polls);
	polls_publish(dp, w, polls);
}
