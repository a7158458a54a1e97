/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Mail between the control thread and workers: small messages by value over one ring each way and
 * worker, so that nobody allocates or frees on a worker. Control thread side; the worker's side is
 * in worker.c.
 *
 * The control thread never waits for room: mail that finds a ring full goes to a backlog and is
 * sent by a later tick, in order.
 */
#include "dp/dp_priv.h"

#include "base/mem.h"

enum { MAIL_DRAIN_MAX = 4096 }; /* per turn, so that timers and clients get theirs */

struct mail_backlog {
	struct backlog_item {
		struct worker *w;
		struct mail mail;
	} * items;
	unsigned int n, n_max;
};

static bool mail_send(struct worker *w, const struct mail *mail)
{
	if (rte_ring_sp_enqueue_elem(w->mail_in, (void *)(uintptr_t)mail, sizeof(*mail)) != 0)
		return false;
	worker_wake(w);
	return true;
}

void dp_mail(struct dp *dp, struct worker *w, const struct mail *mail)
{
	struct mail_backlog *backlog = dp->backlog;

	if (backlog->n == 0 && mail_send(w, mail))
		return;
	if (backlog->n == backlog->n_max) {
		backlog->n_max = backlog->n_max == 0 ? 64 : 2 * backlog->n_max;
		backlog->items =
			mem_realloc(backlog->items, backlog->n_max, sizeof(*backlog->items));
	}
	backlog->items[backlog->n++] = (struct backlog_item){ .w = w, .mail = *mail };
}

void dp_mail_all(struct dp *dp, const struct mail *mail)
{
	for (unsigned int i = 0; i < dp->n_workers; i++)
		dp_mail(dp, dp->workers[i], mail);
}

void mailbox_tick(struct dp *dp)
{
	struct mail_backlog *backlog = dp->backlog;
	unsigned int n_sent = 0;

	if (backlog->n == 0)
		return;
	while (n_sent < backlog->n &&
		mail_send(backlog->items[n_sent].w, &backlog->items[n_sent].mail))
		n_sent++;
	backlog->n -= n_sent;
	memmove(backlog->items, backlog->items + n_sent, backlog->n * sizeof(*backlog->items));
}

bool mailbox_is_sent(const struct dp *dp)
{
	return dp->backlog->n == 0;
}

static void mail_receive(struct dp *dp)
{
	struct mail mail;

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct worker *w = dp->workers[i];

		for (unsigned int j = 0; j < MAIL_DRAIN_MAX / dp->n_workers; j++) {
			if (rte_ring_sc_dequeue_elem(w->mail_out, &mail, sizeof(mail)) != 0)
				break;
			mail.fn(dp, &mail);
		}
	}
}

void dp_drain_mail(struct dp *dp)
{
	uint64_t count;

	if (dp->wake_fd >= 0)
		(void)!read(dp->wake_fd, &count, sizeof(count));
	mail_receive(dp);
	/* Arm first, look again afterwards: pairs with the fence in worker_tell(). */
	atomic_store_explicit(&dp->is_wake_armed, true, memory_order_seq_cst);
	mail_receive(dp);
}

void mailbox_poll(struct dp *dp)
{
	/* Still armed: nobody has woken us, so there is nothing to read, though mail may be left. */
	if (atomic_load_explicit(&dp->is_wake_armed, memory_order_relaxed))
		mail_receive(dp);
	else
		dp_drain_mail(dp);
}

int mailbox_init(struct dp *dp)
{
	dp->backlog = mem_zalloc(sizeof(*dp->backlog));
	dp->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dp->wake_fd < 0)
		return -errno;
	atomic_store(&dp->is_wake_armed, true);
	return 0;
}

void mailbox_fini(struct dp *dp)
{
	if (dp->backlog == NULL)
		return;
	free(dp->backlog->items);
	free(dp->backlog);
	close(dp->wake_fd);
}
