/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Many hosts behind one address, on two workers. Links have one queue, so lan's packets all come to worker 0 and
 * wan's to worker 1; half of them, and more with translation, are another worker's.
 */
#include "kit6.h"

enum { HOSTS = 60 };

extern const char gateway_config[];

/* A packet of host i to a peer behind wan. */
void gateway_send(struct bench *b, unsigned int i, uint8_t proto, uint16_t payload_len);
/* Makes the answer to what came out of wan of it. */
void gateway_answer(struct frame *frame);
/* Makes an ICMP error about what came out of wan, from a router on the way. */
void gateway_complain(struct frame *error, const struct frame *about);
/* How many of the hosts the frames out of lan are for; each must be right. */
unsigned int gateway_count(struct bench *b, uint8_t proto);
/* Has a worker own a bucket; no worker has noticed yet. */
void move_bucket(struct bench *b, unsigned int bucket, unsigned int to);
/* Of the list: how many connections, packets that they have counted, and how many has that worker. */
void list_sum(struct bench *b, unsigned int worker, unsigned int *n, unsigned int *n_packets,
	unsigned int *n_of_worker);
