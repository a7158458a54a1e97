/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The retire list: memory and indexes that were unpublished wait here until every worker has
 * passed a quiescent point (end of a pass, rte_rcu_qsbr). Control thread only.
 *
 * One grace period serves a whole batch: what is retired while one is under way waits for the
 * next. Nobody ever blocks; dp_tick() looks whether the period is over.
 */
#include "dp/dp_priv.h"

#include "base/mem.h"

struct rcu_item {
	rcu_free_fn *fn;
	void *ptr;
	uint64_t arg;
};

struct rcu_batch {
	struct rcu_item *items;
	unsigned int n, n_max;
};

struct rcu_retired {
	struct rcu_batch waiting; /* for the grace period of token */
	struct rcu_batch next;	  /* retired since */
	uint64_t token;
};

static void batch_free(struct rcu_batch *batch)
{
	/* A callback may retire more, into the other batch: this one does not move meanwhile. */
	for (unsigned int i = 0; i < batch->n; i++)
		batch->items[i].fn(batch->items[i].ptr, batch->items[i].arg);
	batch->n = 0;
}

void dp_retire(struct dp *dp, rcu_free_fn *fn, void *ptr, uint64_t arg)
{
	struct rcu_batch *batch = &dp->retired->next;

	if (batch->n == batch->n_max) {
		batch->n_max = batch->n_max == 0 ? 64 : 2 * batch->n_max;
		batch->items = mem_realloc(batch->items, batch->n_max, sizeof(*batch->items));
	}
	batch->items[batch->n++] = (struct rcu_item){ .fn = fn, .ptr = ptr, .arg = arg };
}

static void heap_free(void *ptr, uint64_t arg)
{
	free(ptr);
}

void dp_retire_heap(struct dp *dp, void *ptr)
{
	if (ptr != NULL)
		dp_retire(dp, heap_free, ptr, 0);
}

void rcu_tick(struct dp *dp)
{
	struct rcu_retired *retired = dp->retired;
	struct rcu_batch done;

	if (retired->waiting.n > 0) {
		if (!rte_rcu_qsbr_check(dp->rcu, retired->token, false))
			return;
		batch_free(&retired->waiting);
	}
	/* Mail that announces what is being retired must be in the workers' rings first. */
	if (retired->next.n == 0 || !mailbox_is_sent(dp))
		return;
	done = retired->waiting;
	retired->waiting = retired->next;
	retired->next = done;
	retired->token = rte_rcu_qsbr_start(dp->rcu);
}

int rcu_init(struct dp *dp)
{
	size_t size = rte_rcu_qsbr_get_memsize(WORKER_MAX);

	dp->rcu = rte_zmalloc("rcu", size, RTE_CACHE_LINE_SIZE);
	if (dp->rcu == NULL)
		return -ENOMEM;
	rte_rcu_qsbr_init(dp->rcu, WORKER_MAX);
	dp->retired = mem_zalloc(sizeof(*dp->retired));
	return 0;
}

void rcu_fini(struct dp *dp)
{
	struct rcu_retired *retired = dp->retired;

	if (retired == NULL)
		return;
	/* No worker runs any more: everything is unreachable, also what callbacks add. */
	while (retired->waiting.n > 0 || retired->next.n > 0) {
		struct rcu_batch swap;

		batch_free(&retired->waiting);
		swap = retired->waiting;
		retired->waiting = retired->next;
		retired->next = swap;
	}
	free(retired->waiting.items);
	free(retired->next.items);
	free(retired);
	rte_free(dp->rcu);
}
