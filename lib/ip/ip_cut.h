/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Between ip4_fragment, ip6_fragment and what they share (ip_cut.c): how a packet becomes fragments.
 * Included through ip_priv.h.
 */
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "net/pkt_meta.h"

struct ip_worker;
struct ip_cut;

/* What tells the two families apart. */
struct ip_cut_form {
	/*
	 * Makes the header at hand that of the next fragment, with len bytes of payload. Returns its
	 * fragment flags (enum pkt_flag).
	 */
	uint16_t (*write)(struct ip_cut *cut, uint16_t len);
	/* Takes out of the header what only the first one needs. NULL: nothing. */
	void (*shorten)(struct ip_cut *cut);
};

enum {
	IP_CUT_HEADER_MAX = RTE_ETHER_HDR_LEN + 60,
	IP_CUT_UNIT =
		8, /* bytes: what offsets count, and all payloads but the last a multiple of */
};

/* A packet on its way to pieces. Nothing but the fragments' own fields is still to change. */
struct ip_cut {
	const struct ip_cut_form *form;
	struct rte_mbuf *m;
	const struct pkt_meta *meta;
	uint16_t header_len; /* of the next fragment's IP headers */
	uint16_t mtu;
	uint16_t payload_len, done; /* of the packet, in bytes */
	uint16_t offset;	    /* IPv4: flags and offset of the packet itself, host order */
	/* Ethernet and IP headers of the next fragment. At start the first one's. */
	uint8_t header[IP_CUT_HEADER_MAX] __rte_aligned(2);
};
static_assert(IP_CUT_HEADER_MAX <= RTE_PKTMBUF_HEADROOM, "there is room in front of a payload");

/*
 * Cuts and sends; the packet itself stays. Each fragment is a copy in buffers of its own. Those that do not
 * fit into this pass enter with the next ones, at tx. false: ran out of buffers, what was made is on
 * its way all the same. Worker.
 */
bool ip_cut_all(struct worker *w, const struct ip_worker *ip_worker, struct ip_cut *cut);
/* What ip4_fragment or ip6_fragment did, for a trace. */
void ip_cut_format(const struct trace_record *record, char *buf, size_t size);
