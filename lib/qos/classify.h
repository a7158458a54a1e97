/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which leaf of a link's qdiscs a packet waits in: by the class that a firewall rule has given its connection, by
 * filters, by the priority that its TOS field stands for. Made by the control thread along with a tree of qdiscs,
 * constant from then on; any worker reads it, that which has the packet's connection, before the packet goes to the
 * owner of the qdiscs.
 */
#include "match/match.h"
#include "qos/qdisc.h"

struct classifier;

/*
 * Of a tree that was made of conf. links: names that filters may ask for. -ENOMEM, -E2BIG. Control thread.
 */
int classifier_create(const struct qdisc_conf *conf, const struct qdisc_tree *tree,
	const struct match_links *links, struct classifier **out);
void classifier_free(struct classifier *classifier);

/*
 * Connections remember where their packets wait, by numbers that tell which node of which classifier that is: n of
 * them, from first on, which the caller sets once, before workers see the classifier. n 0: packets of one connection may
 * go different ways, or there are no numbers for it.
 */
struct classify_ids {
	uint16_t first, n;
};
struct classify_ids *classifier_ids(struct classifier *classifier);

/* Band of a priority in a prio that says nothing about it. */
uint8_t classify_priomap(unsigned int priority);

/* Only the leaves, of n packets that leave by one link, for those that need not wait. Datapath. */
void classify_leaves(const struct worker *w, const struct classifier *classifier,
	struct rte_mbuf *const *pkts, uint32_t n, uint16_t *leaf);

/* Writes leaf, hash and generation into the packet's struct qdisc_pkt. Datapath. */
void classify(const struct worker *w, const struct classifier *classifier, struct rte_mbuf *m);
