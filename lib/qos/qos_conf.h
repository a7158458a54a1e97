/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The section `qdiscs` as decoded: settings of qdiscs, their classes and filters. One object for all kinds. */
#include "match/match_conf.h"
#include "schema/schema.h"

enum qdisc_kind {
	QDISC_PFIFO,
	QDISC_BFIFO,
	QDISC_TBF,
	QDISC_PRIO,
	QDISC_HTB,
	QDISC_FQ_CODEL,
	QDISC_N_KINDS
};

enum {
	QDISC_BANDS_MAX = 16,
	QDISC_PRIORITIES = 16,
	QDISC_LIMIT = 1000,  /* packets, of a queue for which nothing is said */
	QDISC_DEPTH_MAX = 8, /* qdiscs within each other */
	QDISC_LEAVES_MAX = 65535,
	QDISC_CLASS_NAME_MAX = 31,
};

/* What queues of an fq_codel are of. */
enum qdisc_per { QDISC_PER_FLOW, QDISC_PER_SOURCE, QDISC_PER_DESTINATION };

struct qdisc_conf {
	struct object_head head;
	char *link; /* of the root; NULL below */
	int kind;   /* enum qdisc_kind */
	/* pfifo, fq_codel: packets. bfifo, tbf: bytes. 0: the kind's default */
	uint64_t limit;
	/* tbf; htb's classes have theirs */
	uint64_t rate, peakrate; /* bit/s; 0: none */
	uint64_t burst, mtu;	 /* bytes; mtu: the burst of the peak rate */
	uint64_t latency_ns;	 /* in place of limit */
	/* tbf, htb: what a frame is on the link below */
	int64_t overhead, mpu;
	int is_atm; /* 0, 1 */
	/* prio */
	int64_t bands;
	int64_t default_band;	   /* -1: by priomap */
	struct field_list priomap; /* int64_t, QDISC_PRIORITIES; n 0: Linux's */
	/* htb */
	char *default_class; /* NULL: what no filter names passes unshaped */
	/* prio, htb */
	struct field_list classes; /* struct qdisc_class_conf */
	struct field_list filters; /* struct qdisc_filter_conf */
	/* fq_codel */
	int64_t flows, quantum;				  /* quantum 0: 1514 */
	uint64_t target_ns, interval_ns, ce_threshold_ns; /* ce_threshold 0: none */
	uint64_t memory_limit;				  /* bytes */
	bool has_ecn;
	int per; /* enum qdisc_per */
	/* tbf */
	struct field_list child; /* struct qdisc_conf: one, or none */
	uint32_t frame_len;	 /* no setting: the longest frame of its link; 0: not known */
};

/* Of htb: a class. Of prio: what a band has of its own. */
struct qdisc_class_conf {
	struct object_head head;
	char *name;		 /* of htb required; of prio the band's number when left out */
	char *parent;		 /* htb: the class that it borrows from; NULL: a top one */
	int64_t band;		 /* prio */
	uint64_t rate, ceil;	 /* bit/s; ceil 0: rate */
	uint64_t burst, cburst;	 /* bytes; 0: what rate and ceil take in 10 ms, and a packet */
	int64_t prio;		 /* 0..7: the lowest is served first */
	int64_t quantum;	 /* bytes; 0: by rate */
	struct field_list child; /* struct qdisc_conf: one, or none */
	/* htb: of the class that has the slot of this one's place in the list, its place + 1. htb fills it in. */
	uint32_t slot_class;
};

struct qdisc_filter_conf {
	struct object_head head;
	struct match_conf match;
	int64_t vlan_priority; /* PCP, -1: any */
	char *class;	       /* name of a class */
	int64_t band;	       /* prio: -1: by class */
};

extern const struct object qdisc_object;       /* of a link */
extern const struct object qdisc_child_object; /* the same without `link` */
extern const struct object qdisc_class_object, qdisc_filter_object;
extern const struct field_enum qdisc_kinds[], qdisc_pers[]; /* by value */

/* Items of the lists above. */
static inline const struct qdisc_class_conf *qdisc_class_conf(
	const struct qdisc_conf *conf, unsigned int i)
{
	return field_list_item(&qdisc_class_object, &conf->classes, i);
}

static inline const struct qdisc_filter_conf *qdisc_filter_conf(
	const struct qdisc_conf *conf, unsigned int i)
{
	return field_list_item(&qdisc_filter_object, &conf->filters, i);
}

/* NULL: has none of its own. */
static inline const struct qdisc_conf *qdisc_child_conf(const struct field_list *child)
{
	return child->n > 0 ? child->items : NULL;
}

/* The link that a command is about, as a row of its arguments. */
#define QDISC_DEV_ROW(owner, flags_)                                                               \
	{                                                                                          \
		.name = "dev", .type = FIELD_STRING, .flags = (flags_),                            \
		.offset = offsetof(owner, dev), .example = "wan", .help = "the link",              \
		.complete = "link.show:ifname"                                                     \
	}

/* Arguments of commands about qdiscs begin with the same settings. */
struct qdisc_args {
	struct qdisc_conf conf;
	char *parent; /* class, or handle; NULL: the root */
	bool is_root;
};
extern const struct object qdisc_args_object;

/* Is there a class, or a band, of that name right in it? */
bool qdisc_conf_has_class(const struct qdisc_conf *conf, const char *name);
/*
 * Finds what is wrong with a qdisc, decoded by that object, and all below it, at a path such as "qdiscs[0]"; mtu: of
 * its link. Lines are for who hands it on to find.
 */
void qdisc_conf_check(const struct qdisc_conf *conf, const struct object *object, uint16_t mtu,
	const char *path, struct diag *found);
