/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packets on their way from one worker to another: a queue for each pair, so that it has one writer and
 * one reader, and neither needs more than loads and stores (Lamport 1977). What is left of the cost is the line
 * that travels: to wait for one takes hundreds of cycles where cores are far apart. So nobody does: what a pass
 * writes is published in the next one, when it has left the core, and who sleeps is woken in the one after that
 * (handover_publish()).
 *
 * A small frame that nobody has looked at yet lies in the queue itself: that is one cache line which goes
 * from core to core, where a packet is three there and three back. Its buffer stays with the worker that
 * received it; who takes it has buffers of its own.
 */
#include <rte_mbuf.h>
#include <stdalign.h>
#include <stdatomic.h>

enum {
	HANDOVER_FRAME_MAX = 60, /* the smallest Ethernet frame, without FCS */
	HANDOVER_APART = 128,	 /* bytes: two lines, since processors fetch the next one along */
};

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

/* Counts of slots since the beginning, modulo 2^32. */
struct handover_queue {
	/* Never change. */
	uint32_t n_slots; /* a power of two */
	uint16_t taker;	  /* the reader's id: its own is in a line that it writes in every pass */
	/* The writer's. */
	alignas(HANDOVER_APART) uint32_t written;
	uint32_t taken_seen;				    /* what it knows of `taken` */
	alignas(HANDOVER_APART) _Atomic uint32_t published; /* by the writer */
	alignas(HANDOVER_APART) _Atomic uint32_t taken;	    /* by the reader */
	alignas(HANDOVER_APART) struct handover slots[];
};

static inline struct handover *handover_slot(struct handover_queue *queue, uint32_t number)
{
	return &queue->slots[number & (queue->n_slots - 1)];
}

/* What lies in it, published or not. Exact for the writer and where nothing moves. */
static inline uint32_t handover_count(const struct handover_queue *queue)
{
	return queue->written - atomic_load_explicit(&queue->taken, memory_order_relaxed);
}

/* Writer: slots that are free, wanted at most; those from `written` on. */
static inline uint32_t handover_room(struct handover_queue *queue, uint32_t wanted)
{
	/* The reader's line only when what is known of it does not do. */
	if (queue->n_slots - (queue->written - queue->taken_seen) < wanted)
		queue->taken_seen = atomic_load_explicit(&queue->taken, memory_order_acquire);
	return RTE_MIN(queue->n_slots - (queue->written - queue->taken_seen), wanted);
}

/* Reader: slots to take, wanted at most; those from `taken` on. */
static inline uint32_t handover_ready(const struct handover_queue *queue, uint32_t wanted)
{
	uint32_t taken = atomic_load_explicit(&queue->taken, memory_order_relaxed);

	return RTE_MIN(
		atomic_load_explicit(&queue->published, memory_order_acquire) - taken, wanted);
}
