/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/qos; nobody else includes this. */
#include "link/link.h"
#include "qos/classify.h"
#include "qos/qdisc.h"
#include "qos/qos.h"

enum { QOS_BURST = 32 };

/* The qdiscs of a link, at the worker that owns them. Control thread makes it; then it is the owner's. */
struct qos_root {
	/* Both are exchanged together when settings change; written by the owner (release), read by control. */
	struct qdisc_tree *tree;
	const struct classifier *classifier;
	uint16_t ifindex;
	uint16_t owner;	  /* worker */
	bool is_listed;	  /* among those that the owner looks after */
	bool is_gone;	  /* written by the owner (release): it will not touch this again */
	uint64_t next_at; /* TSC, when to ask it again; UINT64_MAX: not before something comes */
	/* Packets that the device had no room for, in order: they are out of the tree already. */
	uint32_t n_stuck;
	struct rte_mbuf *stuck[QOS_BURST];
	uint64_t requeues; /* packets that were stuck */
};

/* What any worker knows of a shaped link. Immutable once published. */
struct qos_link {
	struct qos_root *root;
	const struct classifier
		*classifier; /* of the newest tree, which the owner may not have yet */
	uint16_t owner;
};

/* Per worker. */
struct qos_worker {
	struct qos_link *const *links; /* by ifindex: control writes (release) */
	const struct link_dp *table;
	unsigned int stage, tx_stage;	  /* of qdisc, and where unshaped packets go on */
	uint32_t n_held;		  /* packets in the roots below */
	uint32_t n_held_max;		  /* written by control (relaxed) */
	unsigned int n_roots, turn;	  /* turn: of them the first in the last pass */
	struct qos_root *roots[LINK_MAX]; /* that have been used */
};

/* A shaped link, as the control thread knows it. */
struct qos_shaped {
	struct qdisc_conf *conf;
	struct qos_link *link;
	struct qos_root *root;
	struct qdisc_tree *tree; /* the newest */
	struct classifier *classifier;
};

/* What the owner is to let go of before it can be freed. */
struct qos_leaving {
	struct qos_leaving *next;
	struct qos_root *root;
	struct qdisc_tree *tree;
	struct classifier *classifier;
	bool is_root; /* all of it goes; else only tree and classifier */
};

struct qos_state {
	struct qos_link *links[LINK_MAX]; /* what workers read */
	struct qos_shaped *shaped[LINK_MAX];
	struct qos_leaving *leaving;
	struct hash_seed seed;
	uint16_t generation;
	uint16_t n_ids; /* given to classifiers since connections last forgot all */
};

static inline struct qos_state *qos_state(const struct dp *dp)
{
	return dp_slot(dp, &qos_module);
}

static inline struct qos_worker *qos_worker(const struct worker *w)
{
	return worker_slot(w, &qos_module);
}

/* qos_stage.c. Mail: arg[0] root, arg[1] tree, arg[2] classifier: these take the place of what is there. */
void qos_mail_replace(void *ptr, const struct mail *mail);
/* Mail: arg[0] root. What waits there is dropped; is_gone is set at the end. */
void qos_mail_remove(void *ptr, const struct mail *mail);
/* For trees: their drop. ctx is the owner's struct worker. */
void qos_drop(struct qdisc_tree *tree, struct rte_mbuf *m, enum qdisc_drop reason);
/* The worker no longer runs: frees what waits. */
void qos_worker_empty(struct worker *w);

/* qos.c */

/*
 * Gives a link the qdiscs of that configuration, in place of those that it has. Takes conf, which was decoded by
 * qdisc_object. -errno with the reason in diag: nothing has changed, and conf is still the caller's.
 */
int qos_set(struct dp *dp, struct link *link, struct qdisc_conf *conf, const char *path,
	struct diag *diag);
/* The link has no qdisc any more; what waits is dropped. */
void qos_unset(struct dp *dp, struct link *link);

/* qos_ctl.c */
extern const struct section qos_sections[];
extern const struct command qos_commands[];
