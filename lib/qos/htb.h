/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the control thread may ask of an htb: its classes, by their place in the configuration, and what they did.
 * Inner classes are no qdiscs, so they are seen here alone. How an htb works stands in htb.c.
 */
#include "base/diag.h"
#include "qos/qdisc.h"
#include "schema/node.h"

enum {
	HTB_LEVELS =
		8, /* of classes above each other; leaves are of level 0, top inner classes of 7 */
	HTB_PRIOS = 8, /* 0 is served first */
	HTB_R2Q = 10,  /* the quantum is the rate, in bytes, by this one */
	HTB_QUANTUM_MIN = 1000,
	HTB_QUANTUM_MAX = 200000,
	HTB_BURST_PER_S = 100, /* the burst is that part of the rate of a second ... */
	HTB_BURST_MIN = 1600,  /* ... and a frame of so many bytes, as the link below takes it */
	HTB_MTU = 1514,	       /* no burst is less: a frame of Ethernet */
};

#define HTB_NO_SLOT UINT32_MAX

/* As `tc -s class show` has them. Of an inner class: all that is below it. */
struct htb_class_stats {
	uint64_t bytes, packets;
	uint64_t
		drops; /* in the queue; frames too large for a class are counted at the htb alone */
	uint64_t overlimits; /* times that it had something and could neither send nor borrow */
	uint64_t
		lended; /* packets that it paid for: own ones of a leaf, others' of an inner class */
	uint64_t borrowed; /* packets that a class above paid for */
	uint64_t backlog;  /* bytes that wait */
	uint64_t qlen;	   /* packets that wait */
	int64_t tokens,
		ctokens; /* bytes in the buckets of rate and ceil; less than 0: used ahead */
};

struct htb_class_info {
	const char *name;
	const char *parent;	/* NULL: a top one */
	unsigned int prio;	/* of leaves */
	unsigned int level;	/* 0: a leaf */
	uint64_t rate, ceil;	/* bit/s */
	uint64_t burst, cburst; /* bytes */
	uint32_t quantum;	/* bytes */
	uint32_t slot;		/* HTB_NO_SLOT: an inner class */
	struct htb_class_stats stats;
};

/* Control thread. q is an htb; what is told is good as long as it. */
uint32_t htb_n_classes(const struct qdisc *q);
void htb_class_get(const struct qdisc *q, uint32_t i, uint64_t now, struct htb_class_info *info);

/*
 * Finds what is wrong with classes among each other, and with their rates. path is that of the qdisc
 * ("qdiscs[0]"), root the file's, for its lines; NULL: those of the objects. Changes nothing. Control thread.
 */
void htb_check(const struct qdisc_conf *conf, struct diag *diag, const struct node *root,
	const char *path);
