/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The datapath's side of qdiscs:
 *
 *     tx > qdisc_classify > (hand-over to the owner) > qdisc > the device
 *     qdisc_due > the device, or > tx_queued > tx ...
 *
 * `qdisc_classify` runs on the worker that has the packet's connection. `qdisc` queues, and lets at once out what may
 * go; what may only go later is let out by the source `qdisc_due`, when it is time. By a port packets are sent right
 * away, and what its device has no room for waits here, in order, so that queues form where they are managed. By links
 * that stand on others they go on through `tx_queued`; that is above `qdisc`, so `qdisc_due` does it.
 *
 * Run by each worker; a root is touched by its owner alone.
 */
#include "dp/trace.h"
#include "qos/qos_priv.h"

enum { DUE_TX = 1 };
enum { CLASSIFY_QUEUE = 1 };

enum {
	QOS_PULL_MAX = 256,  /* packets of one link in a pass */
	QOS_DOWN_MAX = 256,  /* of all links together that stand on others */
	QOS_RETRY_NS = 2000, /* until a device is asked again for room */
	QOS_TOLD_LEFT = 1,   /* in traces: comes out */
};

static_assert((int)QDISC_PASS_MAX <= (int)QOS_BURST, "what passes at once may get stuck at once");

static bool root_is_port(const struct qos_worker *qw, const struct qos_root *root)
{
	return !(qw->table[root->ifindex].flags & LINK_STACKED);
}

/* What waits, and is due when? */

static inline void root_list(struct qos_worker *qw, struct qos_root *root)
{
	if (likely(root->is_listed))
		return;
	root->is_listed = true;
	qw->roots[qw->n_roots++] = root;
}

static void worker_set_due(struct worker *w, const struct qos_worker *qw)
{
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < qw->n_roots; i++)
		due = RTE_MIN(due, qw->roots[i]->next_at);
	w->due = due;
}

static void count_held(struct worker *w, struct qos_worker *qw, int n)
{
	qw->n_held = (uint32_t)((int)qw->n_held + n);
	w->stats.held += n;
}

void qos_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason)
{
	struct worker *w = tree->ctx;
	struct qos_worker *qw = qos_worker(w);

	count_held(w, qw, -1);
	link_count_tx_drop(w, pkt_meta(m)->out_link);
	worker_free_dropped(w, m, &qos_module, reason, qw->stage);
}

/* Out of the qdiscs */

/* stage: the qdisc's, at which their way ends, or that of `qdisc_due`, from which they go on. */
static __rte_noinline void trace_left(
	struct worker *w, unsigned int stage, struct rte_mbuf *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t waited = w->now - qdisc_pkt(pkts[i])->queued_at;
		uint64_t us = waited * 1000000 / w->dp->tsc_hz;
		const struct trace_extra extra = {
			.to = TRACE_NO_WORKER,
			.arg = { QOS_TOLD_LEFT, (uint16_t)(us >> 16), (uint16_t)us },
		};

		trace_note_extra(w, stage, STAGE_CONSUMED, pkts[i], &extra);
	}
}

/* False: there are still some that the device has no room for. */
static bool root_send(struct worker *w, struct qos_worker *qw, struct stage_node *node,
	struct qos_root *root, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t sent = link_send(w, node, root->ifindex, pkts, n);

	count_held(w, qw, -(int)sent);
	if (likely(sent == n)) {
		root->n_stuck = 0;
		return true;
	}
	root->requeues += root->n_stuck == 0 ? n - sent : 0;
	root->n_stuck = n - sent;
	memmove(root->stuck, pkts + sent, root->n_stuck * sizeof(*pkts));
	return false;
}

/* As many as may go now, up to n. They still count as held. */
static uint32_t root_take(
	struct worker *w, const struct qos_root *root, struct rte_mbuf **pkts, uint32_t n)
{
	struct qdisc *q = root->tree->root;
	uint32_t n_taken = 0;

	while (n_taken < n && q->n_packets > 0) {
		struct rte_mbuf *m = qdisc_dequeue(q, w->now);

		if (m == NULL)
			break;
		pkts[n_taken++] = m;
	}
	return n_taken;
}

/* When to ask again, if n more could have gone. */
static void root_set_next(const struct worker *w, struct qos_root *root, uint32_t n)
{
	const struct qdisc *q = root->tree->root;

	if (unlikely(root->n_stuck > 0))
		root->next_at = w->now + w->dp->tsc_hz * QOS_RETRY_NS / 1000000000;
	else if (q->n_packets == 0)
		root->next_at = UINT64_MAX;
	else
		root->next_at = n == 0 ? w->now : q->next_at;
}

/* By a port. */
static void root_pull(
	struct worker *w, struct qos_worker *qw, struct stage_node *node, struct qos_root *root)
{
	uint32_t budget = QOS_PULL_MAX;
	bool is_open =
		root->n_stuck == 0 || root_send(w, qw, node, root, root->stuck, root->n_stuck);

	while (is_open && budget > 0) {
		struct rte_mbuf *pkts[QOS_BURST];
		uint32_t n = root_take(w, root, pkts, RTE_MIN(budget, (uint32_t)QOS_BURST));

		if (n == 0)
			break;
		if (unlikely(w->trace != NULL))
			trace_left(w, qw->stage, pkts, n);
		budget -= n;
		is_open = root_send(w, qw, node, root, pkts, n);
		if (n < QOS_BURST)
			break;
	}
	root_set_next(w, root, budget);
}

/* By a link that stands on others: n packets at most. How many there were. */
static uint32_t root_pull_down(struct worker *w, struct qos_worker *qw, struct stage_node *node,
	struct qos_root *root, uint32_t n_max)
{
	uint32_t n_left = n_max;

	while (n_left > 0) {
		struct rte_mbuf *pkts[QOS_BURST];
		uint32_t n_now = RTE_MIN(n_left, (uint32_t)QOS_BURST);
		uint32_t n = root_take(w, root, pkts, n_now);

		if (unlikely(w->trace != NULL))
			trace_left(w, node->index, pkts, n);
		for (uint32_t i = 0; i < n; i++) {
			pkt_meta(pkts[i])->out_link = root->ifindex;
			stage_leave(w, node, pkts[i], DUE_TX);
		}
		n_left -= n;
		if (n < n_now)
			break;
	}
	count_held(w, qw, -(int)(n_max - n_left));
	root_set_next(w, root, n_left);
	return n_max - n_left;
}

/*
 * What goes down enters this pass on top of what other sources bring, else these would find no room while much waits,
 * or it would be let out more slowly than it comes. When it is too much for one pass, links take turns to be the first.
 */
static void due_run(struct worker *w, struct stage_node *node)
{
	struct qos_worker *qw = qos_worker(w);
	uint32_t room, n;

	if (likely(w->now < w->due) || qw->n_roots == 0)
		return;
	room = RTE_MIN(w->spare, (uint32_t)QOS_DOWN_MAX);
	if (++qw->turn >= qw->n_roots)
		qw->turn = 0;
	for (unsigned int i = 0, at = qw->turn; i < qw->n_roots; i++) {
		struct qos_root *root = qw->roots[at];

		if (++at == qw->n_roots)
			at = 0;
		if (w->now < root->next_at)
			continue;
		if (root_is_port(qw, root)) {
			root_pull(w, qw, node, root);
			continue;
		}
		n = root_pull_down(w, qw, node, root, RTE_MIN(room, (uint32_t)QOS_PULL_MAX));
		room -= n;
		w->spare -= n;
		node->packets += n;
	}
	worker_set_due(w, qw);
}

static void left_format(const struct trace_record *record, char *buf, size_t size)
{
	const uint16_t *arg = record->extra.arg;

	if (arg[0] == QOS_TOLD_LEFT)
		snprintf(buf, size, "leaves the qdisc of link %s after %u us",
			link_name(record->w->dp, record->meta.out_link),
			(uint32_t)arg[1] << 16 | arg[2]);
}

const struct stage qdisc_due_stage = {
	.name = "qdisc_due",
	.help = "lets out of qdiscs what had to wait for its time",
	.run = due_run,
	.is_source = true,
	.exits = { [DUE_TX] = { "down", "tx_queued" } },
	.format = left_format,
};

/* Into the qdiscs */

static const struct qos_link *find_link(const struct qos_worker *qw, uint16_t ifindex)
{
	/* Pairs with the release in qos_set(). */
	return __atomic_load_n(&qw->links[ifindex], __ATOMIC_ACQUIRE);
}

/* Its qdisc has gone since `tx` saw it: that sends it now. */
static void send_unshaped(struct worker *w, const struct qos_worker *qw, struct rte_mbuf *m)
{
	worker_inject(w, w, m, qw->tx_stage);
}

/*
 * The short way: nothing waits at the link, and nothing would have to. How many of the first ones went by it. Others that
 * come for the same link in this pass are behind them.
 */
static uint32_t pass_run_of(struct worker *w, struct qos_worker *qw, struct stage_node *node,
	const struct qos_link *link, struct rte_mbuf **pkts, uint32_t n)
{
	struct qos_root *root = link->root;
	struct qdisc_tree *tree = root->tree;
	uint16_t leaf[QDISC_PASS_MAX];
	uint32_t n_passed = 0;

	if (!tree->can_pass || tree->root->n_packets > 0 || root->n_stuck > 0 ||
		node->next[CLASSIFY_QUEUE]->n > 0 || w->trace != NULL || !root_is_port(qw, root))
		return 0;
	while (n_passed < n) {
		uint32_t n_now = RTE_MIN(n - n_passed, (uint32_t)QDISC_PASS_MAX);

		classify_leaves(w, root->classifier, pkts + n_passed, n_now, leaf);
		if (!qdisc_tree_pass(tree, pkts + n_passed, leaf, n_now, w->now))
			break;
		count_held(w, qw, (int)n_now);
		n_passed += n_now;
		if (unlikely(!root_send(w, qw, node, root, pkts + n_passed - n_now, n_now))) {
			root_list(qw, root);
			root_set_next(w, root, 0);
			worker_set_due(w, qw);
			break;
		}
	}
	return n_passed;
}

static __rte_noinline void trace_classified(struct worker *w, const struct stage_node *node,
	uint16_t owner, struct rte_mbuf *const *pkts, uint32_t n)
{
	bool is_ours = owner == w->id;
	const struct trace_extra extra = { .to = is_ours ? TRACE_NO_WORKER : owner };

	for (uint32_t i = 0; i < n; i++)
		trace_note_extra(
			w, node->index, is_ours ? CLASSIFY_QUEUE : STAGE_CONSUMED, pkts[i], &extra);
}

static void classify_run_of(struct worker *w, struct qos_worker *qw, struct stage_node *node,
	struct rte_mbuf **pkts, uint32_t n)
{
	const struct qos_link *link = find_link(qw, pkt_meta(pkts[0])->out_link);

	if (unlikely(link == NULL)) {
		for (uint32_t i = 0; i < n; i++)
			send_unshaped(w, qw, pkts[i]);
		return;
	}
	if (link->owner == w->id) {
		uint32_t n_passed = pass_run_of(w, qw, node, link, pkts, n);

		pkts += n_passed;
		n -= n_passed;
	}
	for (uint32_t i = 0; i < n; i++)
		classify(w, link->classifier, pkts[i]);
	if (unlikely(w->trace != NULL))
		trace_classified(w, node, link->owner, pkts, n);
	if (unlikely(link->owner != w->id)) {
		worker_hand_over(w->dp->workers[link->owner], w, qw->stage, pkts, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		stage_leave(w, node, pkts[i], CLASSIFY_QUEUE);
}

/* Packets of one link lie together, most of the time: each run has one owner. */
static void classify_run(struct worker *w, struct stage_node *node)
{
	struct qos_worker *qw = qos_worker(w);

	for (uint32_t begin = 0, end; begin < node->n; begin = end) {
		uint16_t ifindex = pkt_meta(node->pkts[begin])->out_link;

		for (end = begin + 1; end < node->n; end++)
			if (pkt_meta(node->pkts[end])->out_link != ifindex)
				break;
		classify_run_of(w, qw, node, node->pkts + begin, end - begin);
	}
}

static void classify_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct dp *dp = record->w->dp;

	if (record->exit == STAGE_CONSUMED)
		snprintf(buf, size, "link %s, handed over to worker %u, the owner of its qdisc",
			link_name(dp, record->meta.out_link), record->extra.to);
	else
		snprintf(buf, size, "link %s", link_name(dp, record->meta.out_link));
}

const struct stage qdisc_classify_stage = {
	.name = "qdisc_classify",
	.help = "finds the queue of packets that leave by a shaped link, and brings them to its "
		"owner",
	.run = classify_run,
	.is_end = true,
	.exits = { [CLASSIFY_QUEUE] = { "queue", "qdisc" } },
	.format = classify_format,
};

static void queue_drop(
	struct worker *w, struct stage_node *node, struct rte_mbuf *m, enum qdisc_drop reason)
{
	link_count_tx_drop(w, pkt_meta(m)->out_link);
	stage_leave(w, node, m, pkt_drop(pkt_meta(m), &qos_module, reason));
}

static void queue_one(struct worker *w, struct qos_worker *qw, struct stage_node *node,
	struct qos_root *root, struct rte_mbuf *m)
{
	enum qdisc_drop reason;

	/* Settings have changed while it was on its way, or are about to. */
	if (unlikely(qdisc_pkt(m)->tree != root->tree->generation))
		classify(w, root->classifier, m);
	if (unlikely(qw->n_held >= __atomic_load_n(&qw->n_held_max, __ATOMIC_RELAXED))) {
		queue_drop(w, node, m, QDISC_DROP_POOL);
		return;
	}
	if (unlikely(w->trace != NULL)) {
		/* Here it goes on, in its time. */
		const struct trace_extra extra = {
			.to = w->id,
			.arg = { 0, qdisc_pkt(m)->leaf },
		};

		trace_note_extra(w, node->index, STAGE_CONSUMED, m, &extra);
	}
	count_held(w, qw, 1);
	if (likely(qdisc_enqueue(root->tree, m, w->now, &reason)))
		return;
	count_held(w, qw, -1);
	queue_drop(w, node, m, reason);
}

static void qdisc_run(struct worker *w, struct stage_node *node)
{
	struct qos_worker *qw = qos_worker(w);

	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		const struct qos_link *link = find_link(qw, pkt_meta(m)->out_link);

		if (unlikely(link == NULL) || unlikely(link->owner != w->id)) {
			send_unshaped(w, qw, m);
			continue;
		}
		root_list(qw, link->root);
		queue_one(w, qw, node, link->root, m);
		/* What was due before stays due. */
		link->root->next_at = w->now;
	}
	for (unsigned int i = 0; i < qw->n_roots; i++) {
		struct qos_root *root = qw->roots[i];

		if (root->next_at == w->now && root_is_port(qw, root))
			root_pull(w, qw, node, root);
	}
	worker_set_due(w, qw);
}

static void qdisc_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->extra.arg[0] == QOS_TOLD_LEFT)
		left_format(record, buf, size);
	else if (record->exit != STAGE_DROP)
		snprintf(buf, size, "link %s, queue %u",
			link_name(record->w->dp, record->meta.out_link), record->extra.arg[1]);
}

const struct stage qdisc_stage = {
	.name = "qdisc",
	.help = "queues packets of shaped links, and sends those that may go at once",
	.run = qdisc_run,
	.is_end = true,
	.format = qdisc_format,
};

/* What the control thread has changed */

void qos_mail_replace(void *ptr, const struct mail *mail)
{
	struct worker *w = ptr;
	struct qos_root *root = (struct qos_root *)(uintptr_t)mail->arg[0];
	struct qdisc_tree *tree = (struct qdisc_tree *)(uintptr_t)mail->arg[1];

	qdisc_tree_adopt(tree, root->tree, w->now);
	root->classifier = (const struct classifier *)(uintptr_t)mail->arg[2];
	/* Pairs with the acquire in qos_tick(): the old one is nobody's then. */
	__atomic_store_n(&root->tree, tree, __ATOMIC_RELEASE);
	root->next_at = w->now;
	worker_set_due(w, qos_worker(w));
}

static void root_empty(struct worker *w, struct qos_worker *qw, struct qos_root *root,
	const struct module *module, unsigned int reason)
{
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < root->n_stuck; i++) {
		count_held(w, qw, -1);
		worker_free_dropped(w, root->stuck[i], module, reason, qw->stage);
	}
	root->n_stuck = 0;
	while ((m = qdisc_tree_evict(root->tree)) != NULL) {
		count_held(w, qw, -1);
		worker_free_dropped(w, m, module, reason, qw->stage);
	}
}

void qos_mail_remove(void *ptr, const struct mail *mail)
{
	struct worker *w = ptr;
	struct qos_worker *qw = qos_worker(w);
	struct qos_root *root = (struct qos_root *)(uintptr_t)mail->arg[0];

	root_empty(w, qw, root, &qos_module, QDISC_DROP_GONE);
	for (unsigned int i = 0; i < qw->n_roots; i++)
		if (qw->roots[i] == root)
			qw->roots[i--] = qw->roots[--qw->n_roots];
	worker_set_due(w, qw);
	__atomic_store_n(&root->is_gone, true, __ATOMIC_RELEASE);
}

void qos_worker_empty(struct worker *w)
{
	struct qos_worker *qw = qos_worker(w);

	/* Of one that could not be made nothing is there. */
	if (qw == NULL)
		return;
	for (unsigned int i = 0; i < qw->n_roots; i++)
		root_empty(w, qw, qw->roots[i], &dp_module, DP_DROP_STOPPED);
	qw->n_roots = 0;
}
