/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What single kinds of qdiscs have beyond struct qdisc_ops: defaults, and figures to show. */
#include "qos/qdisc.h"

enum {
	BFIFO_LIMIT = QDISC_LIMIT * 1514, /* bytes */
	PRIO_BANDS = 3,
	FQ_CODEL_LIMIT = 10240, /* packets */
	FQ_CODEL_FLOWS = 1024,
	FQ_CODEL_FLOWS_MAX = 65536,
	FQ_CODEL_QUANTUM = 1514,
	FQ_CODEL_QUANTUM_MIN = 256, /* less has no use, and many rounds */
	FQ_CODEL_TARGET_MS = 5,
	FQ_CODEL_INTERVAL_MS = 100,
	FQ_CODEL_MEMORY = 32 << 20,
	/* What a packet takes of memory_limit besides its bytes: the mbuf and its headroom. */
	FQ_CODEL_PACKET_MEMORY = sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM,
};

/* What a tbf of that configuration holds at most, in bytes, as tc(8) computes it of a latency. */
uint64_t tbf_limit(const struct qdisc_conf *conf);

/* As tc(8) shows them. Lengths and memory_usage are of now, the others only go up. */
struct fq_codel_xstats {
	uint64_t maxpacket;	  /* bytes of the largest packet so far */
	uint64_t drop_overlimit;  /* packets of the longest queue, since all of them were full */
	uint64_t new_flow_count;  /* times that a packet found its queue idle */
	uint64_t ecn_mark;	  /* packets marked in place of being dropped */
	uint64_t new_flows_len;	  /* queues served first */
	uint64_t old_flows_len;	  /* queues served in turn */
	uint64_t memory_usage;	  /* bytes */
	uint64_t drop_overmemory; /* of drop_overlimit: those for memory */
	uint64_t ce_mark;	  /* packets marked for ce_threshold */
};

/* Of an fq_codel. Any thread. */
void fq_codel_xstats_get(const struct qdisc *q, struct fq_codel_xstats *out);
