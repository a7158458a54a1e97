/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Shared by the files of htb; the model and its words stand in htb.c. */
#include "qos/htb.h"

enum {
	HTB_KEYS = HTB_LEVELS * HTB_PRIOS,
	HTB_TOP = HTB_LEVELS, /* level of what is above all classes */
};
static_assert(HTB_KEYS == 64, "keys are the bits of a word");

struct htb_class;

/* A class in one ring of its parent. */
struct htb_link {
	struct htb_link *next, *prev;
	struct htb_class *class;
	int64_t deficit; /* bytes it may yet send in this turn */
};

/* Those classes that have something to send under one key, in the order of their turns. */
struct htb_ring {
	struct htb_link *cur; /* whose turn it is; NULL: nobody's */
	int64_t weight;	      /* sum of the weights of all of them */
};

struct htb_bucket {
	struct rate rate;
	struct bucket bucket;
};

/* What is touched for each packet comes first. */
struct htb_class {
	struct htb_class *parent; /* never NULL, but of the top */
	struct qdisc *child;	  /* of a leaf, since its first packet */
	struct htb_link
		*links; /* in rings of the parent: by key; a leaf has two, see htb_link_of() */
	struct htb_ring *rings; /* by key; NULL: a leaf */
	uint64_t mask; /* keys of rings that are not empty. Of a leaf: of those that it can be in */
	uint64_t linked;	     /* keys under which the parent has it */
	struct htb_class *waits_for; /* inner: the leaf whose packet its bucket is too empty for */
	uint32_t heap_idx;	     /* 0: waits for no time */
	uint8_t level, prio;
	bool is_blocked; /* its ceil forbids it, and all below it, to send */
	bool is_lending; /* inner: its rate may have enough for others */
	bool is_waiting; /* leaf: its child has packets, and none that may go */
	/* Second line. */
	struct htb_bucket ceil, rate;
	uint64_t debt_max; /* inner: cycles that the rate may be used ahead */
	uint32_t quantum;
	uint32_t max_len; /* longest frame that all buckets on the way up hold */
	/* Written by the owner, read by the control thread. */
	struct {
		uint64_t bytes, packets, overlimits, lended, borrowed;
	} stats;
	struct htb_link leaf_links[2];
	/* The control thread's. */
	char *name;
	uint32_t slot;
	uint64_t burst, cburst;
	struct htb_class *first_child, *next_sibling; /* of the forest */
} __rte_cache_aligned;

struct htb_wait {
	uint64_t at;
	struct htb_class *class;
};

struct htb {
	struct qdisc q;
	struct htb_class *top; /* above all classes; has no buckets */
	struct htb_wait *heap; /* [0] is not used */
	uint32_t n_heap;
	struct qdisc **direct; /* child without a class; NULL: none */
	struct htb_class **slots;
	struct htb_class *
		classes; /* in the order of the configuration; behind them a root, if any, and the top */
	struct htb_class **by_name; /* sorted */
	uint32_t n_classes, n_slots;
	bool has_root;	  /* the last class is one that nobody has configured: see root_init() */
	uint64_t told_at; /* the next_at that was counted as an overlimit */
};

static inline struct htb *htb_of(struct qdisc *q)
{
	return (struct htb *)q;
}

static inline const struct htb *htb_of_const(const struct qdisc *q)
{
	return (const struct htb *)q;
}

static inline unsigned int htb_key(unsigned int level, unsigned int prio)
{
	return level * HTB_PRIOS + prio;
}

/* Of a key, its level. */
static inline unsigned int htb_key_level(unsigned int key)
{
	return key / HTB_PRIOS;
}

/* Keys of a level; 0 of the top. */
static inline uint64_t htb_level_mask(unsigned int level)
{
	return level >= HTB_LEVELS ? 0 : UINT64_C(0xff) << htb_key(level, 0);
}

static inline struct htb_link *htb_link_of(struct htb_class *class, unsigned int key)
{
	return &class->links[class->rings != NULL ? key : htb_key_level(key) != 0];
}

/* A class is in that ring of its parent: which of its own has what is to be sent? It borrows for those of its level. */
static inline unsigned int htb_key_below(const struct htb_class *class, unsigned int key)
{
	return htb_key_level(key) > class->level ? key - HTB_PRIOS : key;
}

static inline bool htb_bucket_is_ready(const struct htb_bucket *b, uint32_t len, uint64_t now)
{
	return bucket_is_ready(&b->bucket, &b->rate, len, now);
}

static inline uint64_t htb_bucket_ready_at(const struct htb_bucket *b, uint32_t len)
{
	return bucket_ready_at(&b->bucket, &b->rate, len);
}

/* htb_wait.c: classes that wait for a time. */
void htb_wait_until(struct htb *h, struct htb_class *class, uint64_t at);
void htb_wait_cancel(struct htb *h, struct htb_class *class);

/* htb_ring.c: whose turn it is. */
struct htb_class *htb_ring_turn(struct htb_class *class, unsigned int key);
void htb_class_update(struct htb *h, struct htb_class *class);
void htb_class_wake(struct htb *h, struct htb_class *class);
void htb_wake_above(struct htb *h, struct htb_class *class, const struct htb_class *leaf);

/* htb_conf.c: what classes of a configuration are to each other. */
enum { HTB_NO_PARENT = -1, HTB_UNKNOWN_PARENT = -2 };
/* The place of each one's parent. Of several of the same name the first is it. */
void htb_conf_parents(const struct qdisc_conf *conf, int32_t *parents);
/* The place of the first one that has the same name. */
void htb_conf_firsts(const struct qdisc_conf *conf, int32_t *firsts);
uint32_t htb_conf_n_slots(const struct qdisc_conf *conf);
const struct qdisc_conf *htb_conf_slot(const struct qdisc_conf *conf, uint32_t slot);
const char *htb_conf_slot_name(const struct qdisc_conf *conf, uint32_t slot);

/* htb_create.c */
int htb_init(struct qdisc *q, const struct qdisc_conf *conf);
void htb_fini(struct qdisc *q);
bool htb_adopt(struct qdisc *q, struct qdisc *old, uint64_t now);

static inline const struct qdisc_class_conf *htb_conf_class(
	const struct qdisc_conf *conf, uint32_t i)
{
	return &((const struct qdisc_class_conf *)conf->classes.items)[i];
}
