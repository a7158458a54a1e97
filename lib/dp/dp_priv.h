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
 * What lies in a hand-over ring: the packet, and in the low bits, which are free, the index of the
 * stage, so that who takes it need not wait for the packet's cache lines to know where it goes.
 */
static inline uintptr_t handover_entry(struct rte_mbuf *m, unsigned int stage)
{
	static_assert(STAGE_MAX <= RTE_CACHE_LINE_SIZE, "mbufs are aligned to cache lines");

	return (uintptr_t)m | stage;
}

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
