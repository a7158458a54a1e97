/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packet trace: while armed, a worker picks packets at `plain` (by a pcap filter, up to a number)
 * and writes one record for each stage they pass. The control thread reads the records and lets
 * each stage format its own. One trace at a time; buffers are the control thread's.
 */
#include <stdatomic.h>

#include "dp/worker.h"

enum { TRACE_RECORDS = 4096, TRACE_BYTES = 96 };

struct trace_record {
	uint64_t tsc;
	uint16_t id;   /* packet within this trace, 1.. */
	uint8_t stage; /* index in the pipeline */
	uint8_t exit;  /* STAGE_CONSUMED: kept or freed here */
	uint32_t pkt_len;
	uint32_t bytes_len;   /* of bytes[]: the packet's start, after the stage */
	struct pkt_meta meta; /* as the stage left it */
	uint8_t bytes[TRACE_BYTES];
};

/* One per worker. Single producer (worker), single consumer (control thread). */
struct trace {
	struct worker *w;
	const void *program; /* struct bpf_program *, NULL: every packet */
	uint32_t n_left;     /* packets still to be picked */
	uint16_t last_id;
	uint16_t id_step;      /* number of workers: ids are unique over all of them */
	uint8_t pick_stage;    /* index of the stage that picks */
	uint64_t n_lost;       /* records that found the buffer full */
	_Atomic uint32_t head; /* written by the worker (release), read by control (acquire) */
	_Atomic uint32_t tail; /* written by control (release), read by the worker (acquire) */
	struct trace_record records[TRACE_RECORDS];
};

/* Worker: writes down what a stage did. m NULL: the packet is out of its hands, no bytes. */
void trace_note(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct pkt_meta *meta, uint16_t id);
/* Worker: notes every traced packet of a lane; for stages that do not use stage_each(). */
void trace_note_lane(struct worker *w, const struct stage_node *node, unsigned int exit);
/* Worker: the id under which this packet is traced from here on; 0: it is not. */
uint16_t trace_pick(struct worker *w, const struct rte_mbuf *m);

extern struct module trace_module;
