/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of qdiscs share: packets without a pool behind them, a clock that stands still unless it is turned, and
 * a tree of which every packet's whereabouts are known. After each step the counters of every node are compared with
 * what must wait there.
 */
#include "suite.h"

#include <string.h>

#include "qos/qdisc_kinds.h"

#define TSC_HZ	      UINT64_C(2893000000) /* of no round relation to any rate */
#define CYCLES_MS(ms) ((uint64_t)(ms)*TSC_HZ / 1000)
#define SEC	      TSC_HZ

/* Lists of settings: an array, or one of a kind. */
#define LIST_OF(array)                                                                             \
	{                                                                                          \
		.items = (array), .n = RTE_DIM(array)                                              \
	}
#define ONE(conf)                                                                                  \
	{                                                                                          \
		.items = (conf), .n = 1                                                            \
	}

/* An assertion that costs nothing when it holds (those of Check write to a file each time): for what runs often. */
#define MUST(claim)                                                                                \
	do {                                                                                       \
		if (!(claim))                                                                      \
			ck_abort_msg("not so: " #claim);                                           \
	} while (0)

enum { PACKET_DATA = 256, LEAVES = 64 };

/* The part of it behind the mbuf is what the dynamic fields are in real ones. */
struct packet {
	struct rte_mbuf m;
	struct qdisc_pkt queued;
	uint32_t id;
	uint8_t data[PACKET_DATA];
};

struct world {
	struct qdisc_tree *tree;
	uint64_t now;
	uint64_t random;
	uint32_t n_made, n_freed;
	/*
	 * Of each leaf: what waits there, as everything but the tree sees it. When a tree has taken the place
	 * of another one leaves are not those that packets name: of all together, in the first.
	 */
	bool has_moved;
	uint32_t n_packets[LEAVES];
	uint64_t n_bytes[LEAVES];
	uint32_t n_dropped[QDISC_N_DROPS];
	uint64_t n_dropped_bytes;
	uint32_t last_dropped; /* its id */
};

static struct world world;

static inline struct packet *packet_of(const struct rte_mbuf *m)
{
	return (struct packet *)(uintptr_t)m;
}

static inline uint32_t random_below(uint32_t n)
{
	world.random = world.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((world.random >> 32) * n) >> 32);
}

static inline struct rte_mbuf *packet_new(uint32_t leaf, uint32_t len, uint32_t hash)
{
	struct packet *p = aligned_alloc(64, RTE_ALIGN(sizeof(*p), 64));

	MUST(p != NULL);
	memset(p, 0, sizeof(*p));
	p->id = world.n_made++;
	p->m.buf_addr = p->data;
	p->m.buf_len = PACKET_DATA;
	p->m.nb_segs = 1;
	p->m.pkt_len = len;
	p->m.data_len = (uint16_t)(len < PACKET_DATA ? len : PACKET_DATA);
	rte_mbuf_refcnt_set(&p->m, 1);
	qdisc_pkt(&p->m)->leaf = (uint16_t)leaf;
	qdisc_pkt(&p->m)->hash = hash;
	return &p->m;
}

static inline void packet_free(struct rte_mbuf *m)
{
	world.n_freed++;
	free(packet_of(m));
}

static inline uint32_t ledger_of(uint32_t leaf)
{
	return world.has_moved ? 0 : leaf;
}

static inline void packet_left(const struct rte_mbuf *m)
{
	uint32_t leaf = ledger_of(qdisc_pkt(m)->leaf);

	MUST(world.n_packets[leaf] > 0);
	world.n_packets[leaf]--;
	world.n_bytes[leaf] -= m->pkt_len;
}

static inline void packet_dropped(struct rte_mbuf *m, enum qdisc_drop reason)
{
	world.n_dropped[reason]++;
	world.n_dropped_bytes += m->pkt_len;
	world.last_dropped = packet_of(m)->id;
	packet_free(m);
}

static inline void world_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason)
{
	MUST(tree->ctx == &world);
	packet_left(m);
	packet_dropped(m, reason);
}

static inline struct qdisc_tree *tree_new(const struct qdisc_conf *conf)
{
	const struct hash_seed seed = { .word = { 1, 3 } };
	struct qdisc_tree *tree;

	ck_assert_int_eq(qdisc_tree_create(conf, TSC_HZ, &seed, world.now, &tree), 0);
	ck_assert_uint_le(tree->n_leaves, LEAVES);
	tree->drop = world_drop;
	tree->ctx = &world;
	return tree;
}

static inline void world_init(const struct qdisc_conf *conf)
{
	qdisc_pkt_offset = offsetof(struct packet, queued);
	memset(&world, 0, sizeof(world));
	world.random = 1;
	world.now = UINT64_MAX - SEC / 2; /* it wraps before long */
	world.tree = tree_new(conf);
}

/* Every node has what its children have, every leaf what was put there. */
static inline void check_counts(void)
{
	for (uint32_t i = 0; i < world.tree->n_nodes; i++) {
		const struct qdisc *q = world.tree->nodes[i];
		uint64_t n_packets = 0, n_bytes = 0;

		for (uint32_t slot = 0; slot < q->n_children; slot++) {
			n_packets += q->children[slot]->n_packets;
			n_bytes += q->children[slot]->n_bytes;
		}
		if (q->n_children == 0 && world.has_moved)
			continue;
		if (q->n_children == 0) {
			n_packets = world.n_packets[q->leaf];
			n_bytes = world.n_bytes[q->leaf];
		}
		MUST(q->n_packets == n_packets);
		MUST(q->n_bytes == n_bytes);
	}
	if (world.has_moved) {
		MUST(world.tree->root->n_packets == world.n_packets[0]);
		MUST(world.tree->root->n_bytes == world.n_bytes[0]);
	}
}

/* Gives a packet to the tree. False: refused, and freed. */
static inline bool put(struct rte_mbuf *m)
{
	enum qdisc_drop reason = QDISC_N_DROPS;
	uint32_t leaf = ledger_of(qdisc_pkt(m)->leaf), len = m->pkt_len;
	bool is_taken;

	world.n_packets[leaf]++;
	world.n_bytes[leaf] += len;
	is_taken = qdisc_enqueue(world.tree, m, world.now, &reason);
	if (!is_taken) {
		MUST(reason < QDISC_N_DROPS);
		packet_left(m);
		packet_dropped(m, reason);
	}
	check_counts();
	return is_taken;
}

static inline bool put_new(uint32_t leaf, uint32_t len)
{
	return put(packet_new(leaf, len, 0));
}

/* What the root gives now; NULL: nothing. The caller frees it. */
static inline struct rte_mbuf *take(void)
{
	struct rte_mbuf *m = qdisc_dequeue(world.tree->root, world.now);

	if (m != NULL)
		packet_left(m);
	check_counts();
	return m;
}

/* The same, waiting for it as long as the tree asks for. NULL: it is empty. */
static inline struct rte_mbuf *take_next(void)
{
	struct rte_mbuf *m;

	while ((m = take()) == NULL) {
		if (world.tree->root->n_packets == 0)
			return NULL;
		MUST((int64_t)(world.tree->root->next_at - world.now) > 0);
		world.now = world.tree->root->next_at;
	}
	return m;
}

/* Takes one, and says which it was. */
static inline uint32_t take_id(void)
{
	struct rte_mbuf *m = take();
	uint32_t id = UINT32_MAX;

	if (m != NULL) {
		id = packet_of(m)->id;
		packet_free(m);
	}
	return id;
}

static inline void evict_all(struct qdisc_tree *tree)
{
	struct rte_mbuf *m;

	while ((m = qdisc_tree_evict(tree)) != NULL) {
		packet_left(m);
		packet_free(m);
	}
}

/* Another tree takes the place of the one that is there. */
static inline void adopt(const struct qdisc_conf *conf)
{
	struct qdisc_tree *old = world.tree;

	for (uint32_t i = 1; i < LEAVES; i++) {
		world.n_packets[0] += world.n_packets[i];
		world.n_bytes[0] += world.n_bytes[i];
		world.n_packets[i] = 0;
		world.n_bytes[i] = 0;
	}
	world.has_moved = true;
	world.tree = tree_new(conf);
	qdisc_tree_adopt(world.tree, old, world.now);
	for (uint32_t i = 0; i < old->n_nodes; i++)
		MUST(old->nodes[i]->n_packets == 0 && old->nodes[i]->n_bytes == 0);
	MUST(qdisc_tree_evict(old) == NULL);
	qdisc_tree_destroy(old);
	check_counts();
}

/* Nothing is lost: what was made and has not come out is still inside. */
static inline void world_fini(void)
{
	evict_all(world.tree);
	check_counts();
	ck_assert_uint_eq(world.n_made, world.n_freed);
	qdisc_tree_destroy(world.tree);
}
