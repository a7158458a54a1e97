/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Between ip4_reassemble, ip6_reassemble and what they share (ip_reassemble.c): how fragments to our own
 * addresses wait for each other and become one packet. Included through ip_priv.h.
 */
#include "ip/fragment.h"

struct ip_worker;

/* What tells the two families apart. */
struct ip_reassemble_form {
	const char *stage, *local_stage, *error_stage; /* names */
	/* Drop reasons (enum ip_drop). */
	uint16_t bad, duplicate, overlap, too_many, full, timeout;
	uint8_t time_exceeded; /* type of the ICMP error; its code is 1 in both */
	/* Bytes of the headers that a first fragment puts in front of the whole payload. */
	uint32_t (*header_len)(const struct rte_mbuf *first, const struct pkt_meta *meta);
	/* Makes a first fragment's headers those of the whole packet, which it now is. */
	void (*finish)(struct rte_mbuf *m, struct pkt_meta *meta, uint32_t payload_len);
};
extern const struct ip_reassemble_form ip4_reassemble_form, ip6_reassemble_form;

enum { IP_REASSEMBLY_DATAGRAMS = 128 }; /* to us, on their way to be whole, per worker and family */

/* Of one family, on one worker, which alone touches it. */
struct ip_reassembly {
	const struct ip_reassemble_form *form;
	uint8_t stage, local_stage, error_stage;
	struct reassembly table;
	struct reassembly_datagram datagrams[IP_REASSEMBLY_DATAGRAMS];
};

enum { IP_REASSEMBLY_4, IP_REASSEMBLY_6, IP_N_REASSEMBLIES };

/*
 * Takes a sound fragment to us: it waits, or the packet that it completes goes on to local_stage, or it
 * is dropped. Returns the exit. Worker.
 */
unsigned int ip_reassemble(
	struct worker *w, struct ip_reassembly *reassembly, const struct ip_fragment *fragment);
/* What ip4_reassemble or ip6_reassemble did, for a trace. */
void ip_reassemble_format(const struct trace_record *record, char *buf, size_t size);

/* Control thread: at start, at the end, and about every 10 ms. */
void ip_reassemble_init(struct dp *dp, struct worker *w);
void ip_reassemble_fini(struct worker *w);
void ip_reassemble_tick(struct dp *dp, uint64_t now_ns);
