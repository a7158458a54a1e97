/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What trees and their adoption share. */
#include "qos/qdisc.h"

/* Control thread, while a tree is made: the path of a node whose parent has its own. -ENOMEM. */
int qdisc_path_make(struct qdisc *q, const char *slot_name);
/* All nodes have theirs. -ENOMEM. */
int qdisc_paths_sort(struct qdisc_tree *tree);

/* As qdisc_enqueue(), but at that leaf, and it has been waiting since queued_at. */
bool qdisc_leaf_put(struct qdisc *leaf, struct rte_mbuf *m, uint64_t now, enum qdisc_drop *reason);
/* A packet out of a leaf, by no rule, with all counts. NULL: it is empty. */
struct rte_mbuf *qdisc_leaf_evict(struct qdisc *leaf);
