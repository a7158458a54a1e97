/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What all kinds of qdiscs have in common: trees of them, and the accounts of packets that go in, come out or are
 * dropped. Creating and destroying is the control thread's, the rest the owner's. See qdisc.h.
 */
#include "qos/qdisc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qos/qdisc_priv.h"

int qdisc_pkt_offset = -1;

static const struct qdisc_ops *const kinds[QDISC_N_KINDS] = {
	[QDISC_PFIFO] = &pfifo_ops,
	[QDISC_BFIFO] = &bfifo_ops,
	[QDISC_TBF] = &tbf_ops,
	[QDISC_PRIO] = &prio_ops,
	[QDISC_HTB] = &htb_ops,
	[QDISC_FQ_CODEL] = &fq_codel_ops,
};

/* Counts nodes and leaves of what would be made. */
static void conf_count(const struct qdisc_conf *conf, uint32_t *n_nodes, uint32_t *n_leaves)
{
	const struct qdisc_ops *ops = kinds[conf->kind];
	uint32_t n = ops->n_slots(conf);

	(*n_nodes)++;
	*n_leaves += n == 0;
	for (uint32_t slot = 0; slot < n; slot++) {
		const struct qdisc_conf *child = ops->slot_conf(conf, slot);

		if (child != NULL) {
			conf_count(child, n_nodes, n_leaves);
		} else {
			(*n_nodes)++;
			(*n_leaves)++;
		}
	}
}

uint32_t qdisc_count(const struct qdisc_conf *conf)
{
	uint32_t n_nodes = 0, n_leaves = 0;

	conf_count(conf, &n_nodes, &n_leaves);
	return n_nodes;
}

bool qdisc_slot_is_named(
	const struct qdisc *q, const struct qdisc_conf *conf, uint32_t slot, const char *name)
{
	const char *have = qdisc_slot_name(q, conf, slot);
	char number[12];

	if (have != NULL && strcmp(have, name) == 0)
		return true;
	snprintf(number, sizeof(number), "%u", slot);
	return conf->kind == QDISC_PRIO && strcmp(number, name) == 0;
}

static void child_default(
	const struct qdisc_ops *ops, const struct qdisc_conf *conf, struct qdisc_conf *child)
{
	*child = (struct qdisc_conf){ .kind = QDISC_PFIFO, .limit = QDISC_LIMIT };
	if (ops->slot_default != NULL)
		ops->slot_default(conf, child);
}

static int node_create(struct qdisc_tree *tree, const struct qdisc_conf *conf, struct qdisc *parent,
	uint32_t slot, struct qdisc **out)
{
	const struct qdisc_ops *ops = kinds[conf->kind];
	struct qdisc *q = calloc(1, ops->size);
	int err;

	if (q == NULL)
		return -ENOMEM;
	q->ops = ops;
	q->tree = tree;
	q->parent = parent;
	q->slot = slot;
	q->max_packets = UINT32_MAX;
	q->max_bytes = UINT64_MAX;
	q->n_children = ops->n_slots(conf);
	q->children = calloc(q->n_children + 1, sizeof(*q->children));
	err = q->children == NULL ? -ENOMEM : ops->init(q, conf);
	if (err < 0) {
		free(q->children);
		free(q);
		return err;
	}
	tree->nodes[tree->n_nodes++] = q;
	q->handle = (uint16_t)tree->n_nodes;
	if (q->n_children == 0) {
		q->leaf = (uint16_t)tree->n_leaves;
		tree->leaves[tree->n_leaves++] = q;
	}
	*out = q;
	return 0;
}

/* A node and all below it. name: of its slot; NULL: it goes by number. */
static int nodes_create(struct qdisc_tree *tree, const struct qdisc_conf *conf,
	struct qdisc *parent, uint32_t slot, const char *name, struct qdisc **out)
{
	int err = node_create(tree, conf, parent, slot, out);

	if (err == 0)
		err = qdisc_path_make(*out, name);
	for (uint32_t i = 0; err == 0 && i < (*out)->n_children; i++) {
		const struct qdisc_conf *child = (*out)->ops->slot_conf(conf, i);
		struct qdisc_conf fallback;

		if (child == NULL) {
			child_default((*out)->ops, conf, &fallback);
			child = &fallback;
		}
		err = nodes_create(
			tree, child, *out, i, qdisc_slot_name(*out, conf, i), &(*out)->children[i]);
	}
	return err;
}

/*
 * Only a root may say no, by its bucket: below it everybody lets pass at once what finds nobody waiting. An htb decides
 * by class, so it is not among these.
 */
static bool tree_can_pass(const struct qdisc_tree *tree)
{
	for (uint32_t i = 0; i < tree->n_nodes; i++) {
		enum qdisc_kind kind = tree->nodes[i]->ops->kind;

		if (kind == QDISC_HTB || (kind == QDISC_TBF && tree->nodes[i]->parent != NULL))
			return false;
	}
	return tree->n_leaves <= QDISC_PASS_LEAVES;
}

int qdisc_tree_create(const struct qdisc_conf *conf, uint64_t tsc_hz, const struct hash_seed *seed,
	uint64_t now, struct qdisc_tree **out)
{
	struct qdisc_tree *tree = calloc(1, sizeof(*tree));
	uint32_t n_nodes = 0, n_leaves = 0;
	int err = -ENOMEM;

	if (tree == NULL)
		return -ENOMEM;
	conf_count(conf, &n_nodes, &n_leaves);
	tree->nodes = calloc(n_nodes, sizeof(*tree->nodes));
	tree->leaves = calloc(n_leaves, sizeof(*tree->leaves));
	tree->tsc_hz = tsc_hz;
	tree->seed = *seed;
	tree->made_at = now;
	if (tree->nodes != NULL && tree->leaves != NULL)
		err = nodes_create(tree, conf, NULL, 0, NULL, &tree->root);
	if (err == 0)
		err = qdisc_paths_sort(tree);
	if (err < 0) {
		qdisc_tree_destroy(tree);
		return err;
	}
	tree->can_pass = tree_can_pass(tree);
	*out = tree;
	return 0;
}

void qdisc_tree_destroy(struct qdisc_tree *tree)
{
	if (tree == NULL)
		return;
	for (uint32_t i = tree->n_nodes; i-- > 0;) {
		struct qdisc *q = tree->nodes[i];

		if (q->ops->fini != NULL)
			q->ops->fini(q);
		free(q->path);
		free(q->children);
		free(q);
	}
	free(tree->by_path);
	free(tree->nodes);
	free(tree->leaves);
	free(tree);
}

/* The owner */

/* What goes out at once, by leaf. */
struct passed {
	uint32_t n;
	uint64_t n_bytes;
};

static void pass_count(struct qdisc *leaf, const struct passed *passed)
{
	for (struct qdisc *q = leaf; q != NULL; q = q->parent) {
		q->stats.packets += passed->n;
		q->stats.bytes += passed->n_bytes;
	}
}

bool qdisc_tree_pass(struct qdisc_tree *tree, struct rte_mbuf *const *pkts, const uint16_t *leaf,
	uint32_t n, uint64_t now)
{
	struct passed passed[QDISC_PASS_LEAVES] = { 0 };
	struct qdisc *root = tree->root;
	uint64_t n_bytes = 0, run_bytes = 0;
	uint32_t run = 0;

	/* Packets of one leaf lie together most of the time: they are summed up in registers. */
	for (uint32_t i = 0; i < n; i++) {
		run++;
		run_bytes += pkts[i]->pkt_len;
		if (likely(i + 1 < n) && likely(leaf[i + 1] == leaf[i]))
			continue;
		passed[leaf[i]].n += run;
		passed[leaf[i]].n_bytes += run_bytes;
		n_bytes += run_bytes;
		run = 0;
		run_bytes = 0;
	}
	if (root->ops->pass != NULL && unlikely(!root->ops->pass(root, n, n_bytes, now)))
		return false;
	for (uint32_t i = 0; i < tree->n_leaves; i++)
		if (passed[i].n > 0)
			pass_count(tree->leaves[i], &passed[i]);
	return true;
}

/* Who says no, of a leaf and all above it; NULL: nobody. */
static inline struct qdisc *find_refusal(
	struct qdisc *leaf, const struct rte_mbuf *m, enum qdisc_drop *reason)
{
	const struct qdisc *child = NULL;

	for (struct qdisc *q = leaf; q != NULL; child = q, q = q->parent) {
		if (unlikely(q->n_packets >= q->max_packets) ||
			unlikely(q->n_bytes + m->pkt_len > q->max_bytes)) {
			*reason = QDISC_DROP_LIMIT;
			return q;
		}
		if (q->ops->can_pass != NULL && child != NULL &&
			unlikely(!q->ops->can_pass(q, child->slot, m->pkt_len))) {
			*reason = QDISC_DROP_OVERSIZE;
			return q;
		}
	}
	return NULL;
}

/*
 * It is counted before the leaf sees it, so that the leaf may drop it by qdisc_drop() like any other one. A leaf that
 * has dropped down to one packet is not filled: it was not empty. All above one that is are told: what they have
 * besides may be packets that have to wait.
 */
static inline void leaf_enqueue(struct qdisc *leaf, struct rte_mbuf *m, uint64_t now)
{
	bool was_empty = leaf->n_packets == 0;

	for (struct qdisc *q = leaf; q != NULL; q = q->parent) {
		q->n_packets++;
		q->n_bytes += m->pkt_len;
	}
	leaf->ops->enqueue(leaf, m, now);
	if (!was_empty || leaf->n_packets == 0)
		return;
	for (struct qdisc *q = leaf; q->parent != NULL; q = q->parent)
		if (q->parent->ops->filled != NULL)
			q->parent->ops->filled(q->parent, q->slot, now);
}

static inline bool leaf_put(
	struct qdisc *leaf, struct rte_mbuf *m, uint64_t now, enum qdisc_drop *reason)
{
	struct qdisc *refusal = find_refusal(leaf, m, reason);

	if (unlikely(refusal != NULL)) {
		for (; refusal != NULL; refusal = refusal->parent)
			refusal->stats.drops++;
		return false;
	}
	leaf_enqueue(leaf, m, now);
	return true;
}

bool qdisc_leaf_put(struct qdisc *leaf, struct rte_mbuf *m, uint64_t now, enum qdisc_drop *reason)
{
	return leaf_put(leaf, m, now, reason);
}

bool qdisc_enqueue(
	struct qdisc_tree *tree, struct rte_mbuf *m, uint64_t now, enum qdisc_drop *reason)
{
	struct qdisc_pkt *pkt = qdisc_pkt(m);

	pkt->queued_at = now;
	return leaf_put(tree->leaves[pkt->leaf], m, now, reason);
}

void qdisc_drop(struct qdisc *q, struct rte_mbuf *m, enum qdisc_drop reason)
{
	struct qdisc_tree *tree = q->tree;

	for (; q != NULL; q = q->parent) {
		q->n_packets--;
		q->n_bytes -= m->pkt_len;
		q->stats.drops++;
	}
	tree->drop(tree, m, reason);
}

struct rte_mbuf *qdisc_leaf_evict(struct qdisc *leaf)
{
	struct rte_mbuf *m = leaf->n_packets == 0 ? NULL : leaf->ops->evict(leaf);

	for (struct qdisc *q = leaf; m != NULL && q != NULL; q = q->parent) {
		q->n_packets--;
		q->n_bytes -= m->pkt_len;
	}
	return m;
}

struct rte_mbuf *qdisc_tree_evict(struct qdisc_tree *tree)
{
	struct rte_mbuf *m = NULL;

	for (uint32_t i = 0; m == NULL && i < tree->n_leaves; i++)
		m = qdisc_leaf_evict(tree->leaves[i]);
	return m;
}
