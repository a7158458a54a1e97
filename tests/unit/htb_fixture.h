/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of htb share: a tree of it with queues of packets that have no pool behind them, a clock that stands
 * still unless it is turned, and a note of every packet that left. Leaves that are fed have packets at all times.
 */
#include "suite.h"

#include <string.h>

#include "qos/htb.h"

#define TSC_HZ	      UINT64_C(2893000000) /* of no round relation to any rate */
#define CYCLES_MS(ms) ((uint64_t)(ms)*TSC_HZ / 1000)
#define SEC	      TSC_HZ
#define KBIT	      UINT64_C(1000)
#define MBIT	      UINT64_C(1000000)
#define GBIT	      UINT64_C(1000000000)

/* An assertion that costs nothing when it holds (those of Check write to a file each time): for what runs often. */
#define MUST(claim)                                                                                \
	do {                                                                                       \
		if (!(claim))                                                                      \
			ck_abort_msg("not so: " #claim);                                           \
	} while (0)

enum { FEED_DEPTH = 3 };

struct packet {
	struct rte_mbuf m;
	struct qdisc_pkt queued;
};

/* What a leaf is fed with: lengths between these, at random. 0: it is not. */
struct feed {
	uint32_t min, max;
};

struct departure {
	uint64_t at;
	uint32_t leaf, len;
};

struct world {
	struct qdisc_conf conf;
	struct qdisc_tree *tree;
	uint64_t now, random;
	uint64_t link_bps; /* of what is below; 0: takes no time */
	struct feed *feeds;
	uint64_t *bytes; /* that left, by leaf */
	uint64_t n_left, n_asked;
	struct departure *log; /* the first of them; NULL: not kept */
	uint32_t n_log, log_size;
};

static struct world world;

static inline uint32_t random_between(uint32_t min, uint32_t max)
{
	world.random = world.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return min + (uint32_t)(((world.random >> 32) * (max - min + 1)) >> 32);
}

static inline struct rte_mbuf *packet_new(uint32_t leaf, uint32_t len)
{
	struct packet *p = aligned_alloc(64, RTE_ALIGN(sizeof(*p), 64));

	MUST(p != NULL);
	memset(p, 0, sizeof(*p));
	p->m.pkt_len = len;
	qdisc_pkt(&p->m)->leaf = (uint16_t)leaf;
	return &p->m;
}

static inline void world_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason)
{
	(void)tree, (void)reason;
	free(m);
}

static inline struct qdisc_tree *tree_new(const struct qdisc_conf *conf)
{
	const struct hash_seed seed = { .word = { 1, 3 } };
	struct qdisc_tree *tree;

	ck_assert_int_eq(qdisc_tree_create(conf, TSC_HZ, &seed, world.now, &tree), 0);
	tree->drop = world_drop;
	return tree;
}

/* Of what the configuration is now, which the caller may have changed. */
static inline void world_remake(void)
{
	world.tree = tree_new(&world.conf);
	world.feeds = calloc(world.tree->n_leaves, sizeof(*world.feeds));
	world.bytes = calloc(world.tree->n_leaves, sizeof(*world.bytes));
}

/* A tree of these classes. What no filter names has a class, so that all leaves are of classes. */
static inline void world_init(struct qdisc_class_conf *classes, unsigned int n)
{
	qdisc_pkt_offset = offsetof(struct packet, queued);
	memset(&world, 0, sizeof(world));
	world.conf = (struct qdisc_conf){
		.kind = QDISC_HTB,
		.default_class = classes[n - 1].name,
		.classes = { .items = classes, .n = n },
	};
	world.random = 1;
	world.now = UINT64_MAX - SEC / 2; /* it wraps before long */
	world_remake();
}
#define WORLD(classes) world_init((classes), RTE_DIM(classes))

static inline void world_fini(void)
{
	struct rte_mbuf *m;

	while ((m = qdisc_tree_evict(world.tree)) != NULL)
		free(m);
	qdisc_tree_destroy(world.tree);
	free(world.feeds);
	free(world.bytes);
	free(world.log);
	world.log = NULL;
}

/* The leaf of a class. */
static inline uint32_t leaf_of(const char *name)
{
	const struct qdisc *root = world.tree->root;

	for (uint32_t slot = 0; slot < root->n_children; slot++)
		if (strcmp(root->ops->slot_name(&world.conf, slot), name) == 0)
			return root->children[slot]->leaf;
	ck_abort_msg("no class %s", name);
}

static inline struct htb_class_info class_of(const char *name)
{
	struct htb_class_info info;

	for (uint32_t i = 0; i < htb_n_classes(world.tree->root); i++) {
		htb_class_get(world.tree->root, i, world.now, &info);
		if (strcmp(info.name, name) == 0)
			return info;
	}
	ck_abort_msg("no class %s", name);
}

static inline bool put(uint32_t leaf, uint32_t len)
{
	struct rte_mbuf *m = packet_new(leaf, len);
	enum qdisc_drop reason;

	if (qdisc_enqueue(world.tree, m, world.now, &reason))
		return true;
	free(m);
	return false;
}

static inline void put_next(uint32_t leaf)
{
	MUST(put(leaf, random_between(world.feeds[leaf].min, world.feeds[leaf].max)));
}

static inline void feed_leaf(uint32_t leaf, uint32_t min, uint32_t max)
{
	world.feeds[leaf] = (struct feed){ min, max };
	for (unsigned int i = 0; max != 0 && i < FEED_DEPTH; i++)
		put_next(leaf);
}

static inline void feed(const char *name, uint32_t min, uint32_t max)
{
	feed_leaf(leaf_of(name), min, max);
}

/* What waits goes, and nothing comes. */
static inline void starve(const char *name)
{
	feed(name, 0, 0);
}

/* Notes the next so many that leave. */
static inline void log_start(uint32_t size)
{
	free(world.log);
	world.log = calloc(size, sizeof(*world.log));
	world.log_size = size;
	world.n_log = 0;
}

static inline void packet_left(struct rte_mbuf *m)
{
	uint32_t leaf = qdisc_pkt(m)->leaf;

	world.bytes[leaf] += m->pkt_len;
	world.n_left++;
	if (world.n_log < world.log_size)
		world.log[world.n_log++] = (struct departure){ world.now, leaf, m->pkt_len };
	if (world.link_bps != 0)
		world.now += m->pkt_len * 8 * TSC_HZ / world.link_bps;
	free(m);
	if (world.feeds[leaf].max != 0)
		put_next(leaf);
}

static inline struct rte_mbuf *take(void)
{
	world.n_asked++;
	return qdisc_dequeue(world.tree->root, world.now);
}

/* Until that time, asking for packets just when it says. */
static inline void run_until(uint64_t end)
{
	struct qdisc *root = world.tree->root;

	while ((int64_t)(end - world.now) > 0) {
		struct rte_mbuf *m = take();

		if (m != NULL) {
			packet_left(m);
			continue;
		}
		if (root->n_packets == 0 || (int64_t)(root->next_at - end) > 0) {
			world.now = end;
			return;
		}
		MUST((int64_t)(root->next_at - world.now) > 0);
		world.now = root->next_at;
	}
}

static inline void run(uint64_t cycles)
{
	run_until(world.now + cycles);
}

/* Bit/s of a leaf, or of those of that prefix, while the clock runs for so long. */
static inline double measure_leaf(uint32_t leaf, uint64_t cycles)
{
	uint64_t bytes = world.bytes[leaf];

	run(cycles);
	return (double)(world.bytes[leaf] - bytes) * 8 * (double)TSC_HZ / (double)cycles;
}

static inline void counts_reset(void)
{
	memset(world.bytes, 0, world.tree->n_leaves * sizeof(*world.bytes));
}

/* Bit/s of a class since counts_reset(), so long ago. */
static inline double rate_since(const char *name, uint64_t cycles)
{
	return (double)world.bytes[leaf_of(name)] * 8 * (double)TSC_HZ / (double)cycles;
}

#define MUST_BE_NEAR(value, want, part)                                                            \
	ck_assert_double_eq_tol((double)(value), (double)(want), (double)(want) * (part))
