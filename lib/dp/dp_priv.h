/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/dp; nobody else includes this. */
#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dp/dp.h"

enum { POOL_CACHE_SIZE = 256 }; /* mbufs each lcore keeps at hand: a few bursts */

/*
 * What lies in a hand-over ring. A small frame that nobody has looked at yet lies there itself: that
 * is one cache line which goes from core to core, where a packet is three there and three back. Its
 * buffer stays with the worker that received it; who takes it has buffers of its own.
 */
enum { HANDOVER_FRAME_MAX = 60 }; /* the smallest Ethernet frame, without FCS */

struct handover {
	union {
		struct rte_mbuf *m;
		uint8_t frame[HANDOVER_FRAME_MAX];
	} __rte_packed;	   /* or there were a gap behind it */
	uint16_t port;	   /* that it came in by */
	uint8_t frame_len; /* 0: it is a packet */
	uint8_t stage;	   /* where it goes on */
};
static_assert(sizeof(struct handover) == RTE_CACHE_LINE_SIZE, "one cache line");

/* A slot of those that were reserved in, or are about to leave, a ring. */
static inline struct handover *handover_slot(const struct rte_ring_zc_data *zc, unsigned int i)
{
	return i < zc->n1 ? (struct handover *)zc->ptr1 + i
			  : (struct handover *)zc->ptr2 + (i - zc->n1);
}

/* worker.c: the least that two looks at the clock are apart */
uint32_t worker_sample_cost(void);

/* rcu.c */
int rcu_init(struct dp *dp);
void rcu_fini(struct dp *dp);
void rcu_tick(struct dp *dp);

/* mailbox.c */
int mailbox_init(struct dp *dp);
void mailbox_fini(struct dp *dp);
/* The same as dp_drain_mail(), where nothing says that there is any: without a system call when there is none. */
void mailbox_poll(struct dp *dp);
void mailbox_tick(struct dp *dp);
bool mailbox_is_sent(const struct dp *dp); /* nothing waits in the backlog */
