/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The table of prefixes as the control plane knows them, both families in one: exact look-up, the
 * prefix that covers another, the longest match of an address. Grows as needed, in small steps, so
 * that adding to a million prefixes never stalls the control thread. Single thread: the owner's.
 *
 * Nodes are embedded in what the caller keeps per prefix. Prefixes have no host bits.
 */
#include <stddef.h>

#include "base/addr.h"

struct rib_node {
	struct ip_prefix prefix; /* the key: constant while in the table */
};

struct rib_part; /* rib.c */

enum { RIB_PARTS = 256 };

struct rib {
	struct rib_part *parts;
	size_t n_nodes;
	size_t n_by_len[2][129]; /* IPv4, IPv6: prefixes of each length */
};

void rib_init(struct rib *rib);
/* The nodes themselves are the caller's. */
void rib_fini(struct rib *rib);
size_t rib_size(const struct rib *rib); /* bytes, without the nodes */

/* -EEXIST: the prefix is there already; -ENOMEM. Changes nothing then. */
int rib_insert(struct rib *rib, struct rib_node *node);
/* node must be in the table. */
void rib_remove(struct rib *rib, const struct rib_node *node);

/* Exactly this prefix. NULL: absent. */
struct rib_node *rib_lookup(const struct rib *rib, const struct ip_prefix *prefix);
/* The longest prefix shorter than this one that covers it. NULL: none. */
struct rib_node *rib_parent(const struct rib *rib, const struct ip_prefix *prefix);
/* The longest prefix that covers the address. NULL: none. */
struct rib_node *rib_match(const struct rib *rib, const struct ip_addr *addr);

/* Calls fn for the nodes of one of RIB_PARTS parts: a prefix never moves to another. */
void rib_part_each(const struct rib *rib, unsigned int part,
	void (*fn)(struct rib_node *node, void *ctx), void *ctx);

/*
 * The next node in no particular order; start with *cursor 0; NULL at the end. The table may not
 * change meanwhile.
 */
struct rib_node *rib_next(const struct rib *rib, size_t *cursor);
