/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/explain; nobody else includes this. All of it: control thread. */
#include "dp/conf.h"
#include "dp/trace.h"
#include "explain/explain.h"
#include "flow/flow.h"
#include "link/link.h"

/* A packet as it was asked for, checked. */
struct explain_packet {
	const struct link *link; /* that it comes in by */
	struct ip_addr src, dst; /* of the same family */
	uint8_t proto;
	const char *proto_text; /* as it was asked for */
	uint8_t ttl, dscp;
	uint8_t tcp_flags, icmp_type, icmp_code;
	bool is_whole; /* IPv4: must not be fragmented */
	uint16_t sport, dport;
	uint16_t len; /* of the IP packet; 0: no more than its headers */
};

/* explain_frame.c */

/* Bytes of the IP and L4 headers of such a packet. */
uint32_t explain_headers_len(const struct explain_packet *packet);
/* The frame on the wire, checksums right. NULL: out of buffers, or it does not fit into one. */
struct rte_mbuf *explain_frame(const struct dp *dp, const struct explain_packet *packet);

/* What a packet met with. */
struct explain_run {
	struct dp *dp;
	struct explain_packet packet;
	struct worker *w;    /* scratch */
	struct trace *trace; /* its records, in order, from 0 to head */
};

/* Of scratch workers: what a stage's double has found out. */
struct explain_worker {
	json_t *queues; /* qos_queues_json() */
};

/* explain.c. -ENOMEM, -ENOBUFS; else explain_fini() gives back what it holds. */
int explain_run(struct dp *dp, const struct explain_packet *packet, struct explain_run *run);
void explain_fini(struct explain_run *run);

/* explain_report.c: the answer. New reference. */
json_t *explain_report(const struct explain_run *run);
/* What the packet's hooks have decided; NULL: none was asked. */
const struct flow_first *explain_first(const struct explain_run *run);
/* Adds the connection that a real packet like that is part of. NULL: there is none. */
void explain_add_connection(json_t *answer, const struct flow_info *info);

/* explain_ctl.c */
extern const struct command explain_commands[];
