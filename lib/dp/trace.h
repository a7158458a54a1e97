/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packet trace: while armed, a worker picks packets in `rx` (by a pcap filter, up to a number) and
 * writes one record for each stage they pass. The control thread reads the records and lets each
 * stage format its own. One trace at a time; buffers are the control thread's.
 *
 * A packet carries its id in meta->trace, also to other workers and through the stages that reset
 * the metadata. What lies there in a packet just received is left over from another one: rx writes
 * all of them while armed, nobody picks before all workers are armed, and the control thread
 * believes the ids of the running trace only.
 */
#include <stdatomic.h>

#include "dp/worker.h"

enum { TRACE_RECORDS = 4096, TRACE_BYTES = 96 };

enum { TRACE_NO_WORKER = UINT16_MAX };

/* What a stage knows of a packet besides its metadata. */
struct trace_extra {
	uint16_t to;	 /* worker that the packet is handed over to, or TRACE_NO_WORKER */
	uint16_t arg[3]; /* one meaning per stage: see its format function */
};

struct trace_record {
	uint64_t tsc;		/* orders the records of all workers */
	const struct worker *w; /* that wrote it */
	uint16_t id;		/* packet */
	uint8_t stage;		/* index in the pipeline */
	uint8_t exit; /* STAGE_CONSUMED: kept, freed or handed over here, or from a source */
	struct trace_extra extra;
	uint32_t pkt_len;
	uint32_t bytes_len;   /* of bytes[]: the packet's start, after the stage */
	struct pkt_meta meta; /* as the stage left it; means nothing before plain and parse */
	uint8_t bytes[TRACE_BYTES];
};

/* One per worker. Single producer (worker), single consumer (control thread). */
struct trace {
	struct trace *first;	  /* that of worker 0 */
	_Atomic uint32_t n_armed; /* in first: workers that have it; any of them writes and reads */
	const void *program;	  /* struct bpf_insn *, NULL: every packet */
	uint32_t n_left;	  /* packets still to be picked */
	uint16_t next_id;
	uint16_t id_step; /* number of workers: ids are unique over all of them */
	struct trace_extra
		told;	 /* by the stage that runs, of the packet in its hands: trace_tell() */
	uint64_t n_lost; /* records that found the buffer full */
	_Atomic uint32_t head; /* written by the worker (release), read by control (acquire) */
	_Atomic uint32_t tail; /* written by control (release), read by the worker (acquire) */
	struct trace_record records[TRACE_RECORDS];
};

/* Worker: what a stage that uses stage_each() wants its format function to know of this packet. */
static inline void trace_tell(struct worker *w, uint16_t arg0, uint16_t arg1, uint16_t arg2)
{
	if (unlikely(w->trace != NULL)) {
		w->trace->told.arg[0] = arg0;
		w->trace->told.arg[1] = arg1;
		w->trace->told.arg[2] = arg2;
	}
}

/* Control thread: a record as `weirctl trace` tells it, {node, exit, decision}. New reference. */
json_t *trace_step_json(const struct dp *dp, const struct trace_record *record);

/* Worker: writes down what a stage did. m NULL: the packet is out of its hands, no bytes. */
void trace_note(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct pkt_meta *meta, uint16_t id);
/* The same with what only the stage knows. The record may be out before this returns. */
void trace_note_extra(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct trace_extra *extra);
/* Worker: notes the traced among these; for stages that do not use stage_each(). */
void trace_note_all(struct worker *w, const struct stage_node *node, unsigned int exit,
	struct rte_mbuf *const *pkts, unsigned int n);
/* Worker: notes the end of a packet that is freed without the way through the stage "drop". */
void trace_note_dropped(
	struct worker *w, struct rte_mbuf *m, unsigned int reason, unsigned int stage);
/* Worker: decides for packets just received whether they are traced, and notes those. */
void trace_receive(struct worker *w, const struct stage_node *node, unsigned int exit,
	struct rte_mbuf *const *pkts, unsigned int n, const struct trace_extra *extra);

extern struct module trace_module;
