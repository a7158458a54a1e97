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

/* worker.c: the least that two looks at the clock are apart */
uint32_t worker_sample_cost(void);

/* handover.c */
int handover_create(struct worker *w, unsigned int n_workers);
void handover_destroy(struct worker *w);
void handover_empty(struct worker *w);
void handover_publish(struct worker *w);

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
