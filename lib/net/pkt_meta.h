/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What weir knows about a packet: one cache line in the mbuf's private area, between the mbuf's
 * own two lines and its headroom. Reset by parse (or by whoever makes a packet); every field has
 * one meaning. Offsets count from the first byte of the packet's data and have been checked
 * against the real length, so nothing behind parse looks at a length twice.
 *
 * A packet that is held beyond the end of a pass (neighbour queue, ring) keeps its metadata; what
 * refers to a table is an index there, and is looked up again on return. l3 points into the packet
 * itself, whose bytes stay where they are; who copies a packet sets it anew.
 */
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

enum pkt_flag {
	PKT_LINK_BROADCAST = 1 << 0, /* arrived as link-layer broadcast */
	PKT_LINK_MULTICAST = 1 << 1, /* arrived as link-layer multicast (not broadcast) */
	PKT_FRAGMENT = 1 << 2,	     /* any fragment of an IP datagram */
	PKT_FRAGMENT_LATER = 1 << 3, /* a fragment without the L4 header */
	PKT_L4_PRESENT = 1 << 4,     /* a known L4 header lies whole within the packet */
	PKT_OPTIONS = 1 << 5,	     /* IPv4 options or IPv6 extension headers */
	PKT_ORIGINATED = 1 << 6,     /* made here, not received */
	PKT_ROUTED = 1 << 7,	     /* enters again with its adjacency: no lookup */
	PKT_LINK_SCOPE = 1 << 8,     /* from a link-local address: may not leave its link */
	PKT_ASKED = 1 << 9,	     /* workers are asked for its connection, one after the other */
	PKT_ASKED_LAST = 1 << 10,    /* who has it now is the last one to be asked */
};

struct pkt_meta {
	/*                         set by                     read by                              */
	uint16_t in_link;     /* parse, originators         neigh, ip, trace                     */
	uint16_t out_link;    /* who rewrites the L2 header tx, trace                            */
	uint16_t ns;	      /* parse, originators         every table lookup                   */
	uint16_t flags;	      /* parse: enum pkt_flag       ip, neigh                            */
	uint16_t l3_off;      /* parse, originators         every header accessor                */
	uint16_t l4_off;      /* parse, originators         ip (0: no L4 header here)            */
	uint16_t l3_len;      /* parse: IP total length     ip: MTU, quoting                     */
	uint16_t ethertype;   /* parse, host order          arp, trace                           */
	uint8_t proto;	      /* parse: IP protocol         ip                                   */
	uint8_t icmp_type;    /* who leaves to ip4_error    ip4_error                            */
	uint8_t icmp_code;    /* who leaves to ip4_error    ip4_error                            */
	uint8_t n_injects;    /* worker_inject()            worker_inject(): loop guard          */
	uint32_t icmp_info;   /* who leaves to ip4_error    ip4_error: MTU or pointer            */
	uint32_t adj;	      /* route lookup, not `plain`  forward, output, hold                */
	uint32_t hash;	      /* steering                   ECMP, flow                           */
	uint16_t drop_reason; /* pkt_drop()                 drop                                 */
	uint8_t drop_stage;   /* the shared stage loop      drop                                 */
	uint8_t start_stage;  /* worker_inject(), hold      inject, hold: where it goes on       */
	uint16_t trace;	      /* trace: id, 0 not traced    the shared stage loop                */
	uint16_t first;	      /* track: of the flow_first   hooks, nat, flow                     */
	uint32_t mark;	      /* rules (zero until then)    rules, classifiers                   */
	uint32_t next_hop_be; /* route lookup, IPv4         hold: address to resolve             */
	void *l3;	      /* parse, originators         pkt_ip4(): the IP header's bytes     */
	uint32_t flow;	      /* track, flow_commit         flow: index and direction            */
	uint32_t ports_be;    /* fragments: of the datagram track: where this one has none       */
};
static_assert(sizeof(struct pkt_meta) == 64, "one cache line");

static inline struct pkt_meta *pkt_meta(struct rte_mbuf *m)
{
	return (struct pkt_meta *)(m + 1);
}

/*
 * Asks for the lines of a packet that the first stage reads: metadata, and the headers where a received
 * packet has them, without waiting for the mbuf to say so. Only a hint.
 */
static inline void pkt_prefetch(const struct rte_mbuf *m)
{
	const char *start = (const char *)m;

	rte_prefetch0(start + sizeof(*m));
	rte_prefetch0(start + sizeof(*m) + sizeof(struct pkt_meta) + RTE_PKTMBUF_HEADROOM);
}

/* May this packet's bytes be written? Only the holder of the only reference may. */
static inline bool pkt_writable(const struct rte_mbuf *m)
{
	return rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m);
}
