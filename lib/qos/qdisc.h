/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Queueing disciplines. A link that is shaped has a tree of them, of which one worker, its owner, runs all. Leaves
 * hold packets (pfifo, bfifo, fq_codel); those above decide whose turn it is, and when (tbf, prio, htb). One folder,
 * and for each kind a file with a struct qdisc_ops; kinds know of each other by that alone.
 *
 * Packets go in at a leaf, which the classifier has chosen: qdisc_enqueue() asks the limits from there up to the root,
 * and tells a parent that a child of it has something. They come out at the root: qdisc_dequeue() asks down. Limits,
 * backlogs and statistics are counted there, once for all kinds.
 *
 * Times are TSC cycles, given by the caller: these functions ask no clock, so that tests run on one of their own.
 * They wait for nothing and allocate nothing; create and destroy (control thread) do.
 */
#include <rte_mbuf.h>

#include "net/hash.h"
#include "qos/qos_conf.h"
#include "qos/rate.h"

struct qdisc;
struct qdisc_tree;

/* What a packet carries while it waits: in the mbuf's dynamic fields, of one meaning each. */
struct qdisc_pkt {
	struct rte_mbuf *next; /* behind it in its queue; that queue's alone */
	uint64_t queued_at;    /* set by qdisc_enqueue() */
	uint32_t hash; /* set by the classifier: of the flow, or of the host, for fq_codel */
	uint16_t leaf; /* set by the classifier: number of the leaf in its tree */
	uint16_t tree; /* set by the classifier: generation of the tree */
};
static_assert(sizeof(struct qdisc_pkt) == 24, "what drivers leave of the dynamic fields");

extern int qdisc_pkt_offset; /* in struct rte_mbuf; set at start */

static inline struct qdisc_pkt *qdisc_pkt(const struct rte_mbuf *m)
{
	return (struct qdisc_pkt *)((uintptr_t)m + (uintptr_t)qdisc_pkt_offset);
}

/* Packets in order. */
struct qdisc_list {
	struct rte_mbuf *first, *last; /* last: valid when there is a first */
};

static inline void qdisc_list_put(struct qdisc_list *list, struct rte_mbuf *m)
{
	qdisc_pkt(m)->next = NULL;
	if (list->first == NULL)
		list->first = m;
	else
		qdisc_pkt(list->last)->next = m;
	list->last = m;
}

static inline struct rte_mbuf *qdisc_list_take(struct qdisc_list *list)
{
	struct rte_mbuf *m = list->first;

	if (m != NULL)
		list->first = qdisc_pkt(m)->next;
	return m;
}

/* All of `more` behind what is there; `more` is empty then. */
static inline void qdisc_list_join(struct qdisc_list *list, struct qdisc_list *more)
{
	if (more->first == NULL)
		return;
	if (list->first == NULL)
		*list = *more;
	else
		qdisc_pkt(list->last)->next = more->first;
	list->last = more->last;
	more->first = NULL;
}

#define QDISC_DROPS(X)                                                                             \
	X(QDISC_DROP_LIMIT, "qdisc_limit", "the queue, or one above it, is full")                  \
	X(QDISC_DROP_OVERSIZE, "qdisc_oversize", "larger than the burst that its qdisc lets pass") \
	X(QDISC_DROP_CODEL, "qdisc_codel", "waited too long for too long (CoDel)")                 \
	X(QDISC_DROP_OVERLIMIT, "qdisc_overlimit",                                                 \
		"of the longest queue of an fq_codel that was full")                               \
	X(QDISC_DROP_POOL, "qdisc_pool", "qdiscs hold as many packet buffers as they may")         \
	X(QDISC_DROP_GONE, "qdisc_gone", "waited in a qdisc, or for one, that is no longer there")

#define QDISC_DROP_ENUM(member, name, help) member,
enum qdisc_drop { QDISC_DROPS(QDISC_DROP_ENUM) QDISC_N_DROPS };
#undef QDISC_DROP_ENUM

/* Written by the owner, read by the control thread (relaxed). As tc(8) has them. */
struct qdisc_stats {
	uint64_t bytes, packets; /* that came out */
	uint64_t drops;		 /* of it and of those below it */
	uint64_t overlimits;	 /* times that it had something and had to wait */
};

/* One node of a tree; the first member of the struct of its kind. */
struct qdisc {
	const struct qdisc_ops *ops;
	struct qdisc_tree *tree;
	struct qdisc *parent;	 /* NULL: the root */
	struct qdisc **children; /* by slot; never NULL for those that have any */
	uint32_t n_children;
	uint32_t slot;	      /* in parent->children */
	uint32_t n_packets;   /* that wait in it and below it */
	uint64_t n_bytes;     /* of these */
	uint32_t max_packets; /* more find no room; UINT32_MAX: no such limit */
	uint64_t max_bytes;   /* the same */
	/*
	 * After a dequeue or peek that gave nothing though something waits: when to ask again. It may be
	 * early, never late. Packets that come meanwhile are a reason to ask at once.
	 */
	uint64_t next_at;
	struct qdisc_stats stats;
	uint16_t handle; /* tc's major number */
	uint16_t leaf;	 /* of leaves: the number by which packets name it */
	/* For adoption. path: names of slots from the root to here, heap. */
	char *path;
	struct qdisc *heir; /* of a tree that is being replaced: who has its path in the new one */
};

struct qdisc_ops {
	const char *name;
	enum qdisc_kind kind;
	size_t size; /* of its struct, which begins with a struct qdisc; zeroed before init */
	/* Children that one of that configuration has (0: a leaf), and what is configured for each; NULL: nothing. */
	uint32_t (*n_slots)(const struct qdisc_conf *conf);
	const struct qdisc_conf *(*slot_conf)(const struct qdisc_conf *conf, uint32_t slot);
	/* Its name, as filters and rules have it; NULL: slots go by number. Valid as long as the configuration. */
	const char *(*slot_name)(const struct qdisc_conf *conf, uint32_t slot);
	/* What a child is without one of its own; NULL: a pfifo of QDISC_LIMIT packets. */
	void (*slot_default)(const struct qdisc_conf *conf, struct qdisc_conf *child);
	/* Control thread. The configuration has been checked. q is filled in but for limits. -ENOMEM. */
	int (*init)(struct qdisc *q, const struct qdisc_conf *conf);
	void (*fini)(struct qdisc *q); /* packets are out. NULL: nothing to do */

	/* The rest: the owner. Counters of q are the caller's to keep, except where qdisc_drop() does it. */

	/* Leaves only. Keeps m, which is counted already; may drop this one, or others, by qdisc_drop(). */
	void (*enqueue)(struct qdisc *q, struct rte_mbuf *m, uint64_t now);
	/* Could a frame of that length ever get out? NULL: any could. */
	bool (*can_pass)(const struct qdisc *q, uint32_t slot, uint32_t len);
	/*
	 * A child of it has its first packet, or one that may go before others that have to wait there. NULL: it finds
	 * out by itself.
	 */
	void (*filled)(struct qdisc *q, uint32_t slot, uint64_t now);
	/*
	 * Nothing waits in it. May n packets of so many bytes in all go at once, if they come now? Then they count
	 * as having gone, in its own buckets. NULL: ask by dequeue; qdisc_tree_pass() knows of the others.
	 */
	bool (*pass)(struct qdisc *q, uint32_t n, uint64_t n_bytes, uint64_t now);
	/* The next packet that may go now. NULL: none, and next_at is set if any waits. */
	struct rte_mbuf *(*dequeue)(struct qdisc *q, uint64_t now);
	/*
	 * What dequeue would give at that time, without taking it: nothing that a user can see changes. What comes
	 * in between may change the answer. NULL: as dequeue.
	 */
	const struct rte_mbuf *(*peek)(struct qdisc *q, uint64_t now);
	/* Leaves only: any packet, at any time, in order as far as there is one. NULL: it is empty. */
	struct rte_mbuf *(*evict)(struct qdisc *q);
	/*
	 * q, new and empty, takes the place of old, of the same kind, whose settings may be others: what it knows of
	 * rates and turns goes over. Of leaves also what waits, if that can be done at once; true: it has been, and
	 * old is empty. Counters and statistics are the caller's to move; it also calls filled() for children that
	 * have packets then. NULL: nothing goes over.
	 */
	bool (*adopt)(struct qdisc *q, struct qdisc *old, uint64_t now);
};

/* The name of a slot; NULL: it goes by number. Control thread, as is the next one. */
static inline const char *qdisc_slot_name(
	const struct qdisc *q, const struct qdisc_conf *conf, uint32_t slot)
{
	return q->ops->slot_name != NULL ? q->ops->slot_name(conf, slot) : NULL;
}

/* Is that what filters, rules and commands call a slot? Bands go by number also if they have a name. */
bool qdisc_slot_is_named(
	const struct qdisc *q, const struct qdisc_conf *conf, uint32_t slot, const char *name);

/* A tree, of the settings of one link. Control thread makes it; then it is its owner's. */
struct qdisc_tree {
	struct qdisc *root;
	struct qdisc **leaves;	/* by number */
	struct qdisc **nodes;	/* all, parents before children */
	struct qdisc **by_path; /* all, sorted */
	uint32_t n_leaves, n_nodes;
	uint64_t tsc_hz;
	uint64_t made_at; /* time of its making: buckets are full then */
	struct hash_seed seed;
	uint16_t generation;
	bool can_pass; /* it is simple enough for qdisc_tree_pass() */
	/* Frees a packet that has been taken out, and counts it. The owner. */
	void (*drop)(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason);
	void *ctx; /* for drop */
	/*
	 * Sets leaf and hash of a packet of another tree as of one that comes now: else of those of a flow the later
	 * ones might pass by. NULL: nobody can. The owner.
	 */
	void (*classify)(struct qdisc_tree *tree, struct rte_mbuf *m);
	const void *classify_ctx;
};

/* Qdiscs that such a tree has, of a configuration that has been checked but for that. Control thread. */
uint32_t qdisc_count(const struct qdisc_conf *conf);
/* conf has been checked (qdisc_conf_check()). -ENOMEM. Control thread. */
int qdisc_tree_create(const struct qdisc_conf *conf, uint64_t tsc_hz, const struct hash_seed *seed,
	uint64_t now, struct qdisc_tree **out);
/* It is empty. */
void qdisc_tree_destroy(struct qdisc_tree *tree);

/* The owner, from here on. */

/*
 * Queues the packet at the leaf that it names. True: it waits, or the tree has dropped it or another one. False: it
 * found no room; it is still the caller's to drop, for *reason.
 */
bool qdisc_enqueue(
	struct qdisc_tree *tree, struct rte_mbuf *m, uint64_t now, enum qdisc_drop *reason);

/*
 * The short way of packets that have not to wait, up to QDISC_PASS_MAX of them: leaf[] is where each would wait. False:
 * they have to be queued. True: they count as having been, and may be sent.
 */
enum { QDISC_PASS_MAX = 32, QDISC_PASS_LEAVES = 16 };
bool qdisc_tree_pass(struct qdisc_tree *tree, struct rte_mbuf *const *pkts, const uint16_t *leaf,
	uint32_t n, uint64_t now);

/* For parents, and of the root for the owner: ops->dequeue with all accounts. */
static inline struct rte_mbuf *qdisc_dequeue(struct qdisc *q, uint64_t now)
{
	struct rte_mbuf *m = q->ops->dequeue(q, now);

	if (m != NULL) {
		q->n_packets--;
		q->n_bytes -= m->pkt_len;
		q->stats.packets++;
		q->stats.bytes += m->pkt_len;
	}
	return m;
}

static inline const struct rte_mbuf *qdisc_peek(struct qdisc *q, uint64_t now)
{
	return q->n_packets == 0 ? NULL : q->ops->peek(q, now);
}

/* Leaves: a packet that was counted goes without having been dequeued. Corrects all counts up to the root. */
void qdisc_drop(struct qdisc *q, struct rte_mbuf *m, enum qdisc_drop reason);

/* Any packet, of any leaf. NULL: the tree is empty. */
struct rte_mbuf *qdisc_tree_evict(struct qdisc_tree *tree);

/*
 * Tree, new and empty, takes the place of old: what waits there waits here, in the queue of the same name; or else
 * where its like goes now, if tree->classify knows that; or else in the first queue of that part of its path which is
 * there still. Nothing is lost unless a limit is lower now. Qdiscs of the same path and kind keep their statistics, and
 * what they know of rates and turns. Old is empty then.
 */
void qdisc_tree_adopt(struct qdisc_tree *tree, struct qdisc_tree *old, uint64_t now);

extern const struct qdisc_ops pfifo_ops, bfifo_ops, tbf_ops, prio_ops, htb_ops, fq_codel_ops;
