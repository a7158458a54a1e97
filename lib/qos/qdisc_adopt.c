/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A tree takes the place of another one, of the same link and other settings, without a packet being lost or a rate
 * being had twice. Both are walked once, side by side, in the order of their nodes' paths; these are made and sorted by
 * the control thread when a tree is made. All else is the owner's, between two bursts: time goes by the number of
 * qdiscs and of packets that cannot go over with their queue.
 *
 * Qdiscs of the same path and kind hand over what they know, and leaves their packets, if they can at once
 * (ops->adopt). A packet that is left is classified anew, since its hash may be of no use in the new queue; but it stays
 * in the queue of the same path, as long as there is one. Its time of waiting goes on.
 */
#include "qos/qdisc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qos/qdisc_priv.h"

/* No name contains one: text of the configuration has no control characters. */
#define PATH_SEPARATOR "\n"

int qdisc_path_make(struct qdisc *q, const char *slot_name)
{
	char number[16];
	size_t size;

	if (q->parent == NULL) {
		q->path = strdup("");
		return q->path != NULL ? 0 : -ENOMEM;
	}
	snprintf(number, sizeof(number), "%u", q->slot);
	if (slot_name == NULL)
		slot_name = number;
	size = strlen(q->parent->path) + strlen(PATH_SEPARATOR) + strlen(slot_name) + 1;
	q->path = malloc(size);
	if (q->path == NULL)
		return -ENOMEM;
	snprintf(q->path, size, "%s" PATH_SEPARATOR "%s", q->parent->path, slot_name);
	return 0;
}

static int path_compare(const void *a, const void *b)
{
	return strcmp((*(struct qdisc *const *)a)->path, (*(struct qdisc *const *)b)->path);
}

int qdisc_paths_sort(struct qdisc_tree *tree)
{
	tree->by_path = malloc(tree->n_nodes * sizeof(*tree->by_path));
	if (tree->by_path == NULL)
		return -ENOMEM;
	memcpy(tree->by_path, tree->nodes, tree->n_nodes * sizeof(*tree->by_path));
	qsort(tree->by_path, tree->n_nodes, sizeof(*tree->by_path), path_compare);
	return 0;
}

/* The owner, from here on. */

static void find_heirs(struct qdisc_tree *tree, struct qdisc_tree *old)
{
	for (uint32_t i = 0, j = 0; i < old->n_nodes && j < tree->n_nodes;) {
		int order = path_compare(&old->by_path[i], &tree->by_path[j]);

		if (order == 0)
			old->by_path[i]->heir = tree->by_path[j];
		i += order <= 0;
		j += order >= 0;
	}
}

/* Packets that the leaf has taken over go with all counts. */
static void counts_move(struct qdisc *to, struct qdisc *from)
{
	uint32_t n_packets = from->n_packets;
	uint64_t n_bytes = from->n_bytes;

	for (; from != NULL; from = from->parent) {
		from->n_packets -= n_packets;
		from->n_bytes -= n_bytes;
	}
	for (; to != NULL; to = to->parent) {
		to->n_packets += n_packets;
		to->n_bytes += n_bytes;
	}
}

static void node_adopt(struct qdisc *q, struct qdisc *old, uint64_t now)
{
	q->stats = old->stats;
	if (q->ops->adopt != NULL && q->ops->adopt(q, old, now))
		counts_move(q, old);
}

/* Children before their parents, as when a packet comes. */
static void tell_parents(struct qdisc_tree *tree, uint64_t now)
{
	for (uint32_t i = tree->n_nodes; i-- > 0;) {
		struct qdisc *q = tree->nodes[i];

		if (q->n_packets != 0 && q->parent != NULL && q->parent->ops->filled != NULL)
			q->parent->ops->filled(q->parent, q->slot, now);
	}
}

/* The first leaf below what there is of that path. */
static struct qdisc *find_leaf(struct qdisc *old)
{
	struct qdisc *q;

	while (old->heir == NULL)
		old = old->parent;
	for (q = old->heir; q->n_children != 0;)
		q = q->children[0];
	return q;
}

static void packets_move(struct qdisc_tree *tree, struct qdisc *old, uint64_t now)
{
	bool has_heir = old->heir != NULL && old->heir->n_children == 0;
	uint16_t leaf = find_leaf(old)->leaf;
	struct rte_mbuf *m;

	while ((m = qdisc_leaf_evict(old)) != NULL) {
		enum qdisc_drop reason = QDISC_DROP_LIMIT;
		struct qdisc_pkt *pkt = qdisc_pkt(m);

		if (tree->classify != NULL)
			tree->classify(tree, m);
		if (tree->classify == NULL || has_heir)
			pkt->leaf = leaf;
		pkt->tree = tree->generation;
		if (!qdisc_leaf_put(tree->leaves[pkt->leaf], m, now, &reason))
			tree->drop(tree, m, reason);
	}
}

void qdisc_tree_adopt(struct qdisc_tree *tree, struct qdisc_tree *old, uint64_t now)
{
	find_heirs(tree, old);
	for (uint32_t i = 0; i < old->n_nodes; i++) {
		struct qdisc *from = old->nodes[i], *to = from->heir;

		if (to != NULL && to->ops == from->ops)
			node_adopt(to, from, now);
	}
	tell_parents(tree, now);
	for (uint32_t i = 0; i < old->n_leaves; i++)
		if (old->leaves[i]->n_packets != 0)
			packets_move(tree, old->leaves[i], now);
	RTE_ASSERT(old->root->n_packets == 0);
}
