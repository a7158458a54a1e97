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

static inline struct rte_mbuf *handover_packet(uintptr_t entry)
{
	return (struct rte_mbuf *)(entry & ~(uintptr_t)(STAGE_MAX - 1));
}

static inline unsigned int handover_stage_of(uintptr_t entry)
{
	return (unsigned int)(entry & (STAGE_MAX - 1));
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
void mailbox_tick(struct dp *dp);
bool mailbox_is_sent(const struct dp *dp); /* nothing waits in the backlog */
