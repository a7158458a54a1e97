/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/ip; nobody else includes this. */
#include <netinet/ip_icmp.h>
#include <rte_vect.h>

#include "fib/fib.h"
#include "ip/ip.h"
#include "neigh/neigh.h"
#include "net/parse.h"

#define IP_DROPS(X)                                                                                \
	X(IP4_DROP_MARTIAN_SOURCE, "ip4_martian_source",                                           \
		"source address in 0/8, 127/8, multicast or reserved")                             \
	X(IP4_DROP_MARTIAN_DEST, "ip4_martian_destination",                                        \
		"destination address in 0/8, 127/8 or reserved")                                   \
	X(IP4_DROP_SOURCE_IS_OURS, "ip4_source_is_ours",                                           \
		"received with one of our own or a broadcast address as source")                   \
	X(IP4_DROP_MULTICAST, "ip4_multicast", "multicast, which is not routed")                   \
	X(IP4_DROP_BROADCAST, "ip4_broadcast",                                                     \
		"broadcast, or directed broadcast of a network here")                              \
	X(IP4_DROP_LINK_BROADCAST, "ip4_link_broadcast",                                           \
		"link-layer broadcast or multicast of a packet to a host elsewhere")               \
	X(IP4_DROP_SOURCE_ROUTE, "ip4_source_route", "asks to be source routed")                   \
	X(IP4_DROP_BAD_OPTIONS, "ip4_bad_options", "an option's length is beyond the header")      \
	X(IP4_DROP_NO_ROUTE, "ip4_no_route", "no route to the destination")                        \
	X(IP4_DROP_BLACKHOLE, "ip4_blackhole", "the route is a blackhole")                         \
	X(IP4_DROP_UNREACHABLE, "ip4_unreachable", "the route says unreachable")                   \
	X(IP4_DROP_PROHIBITED, "ip4_prohibited", "the route says prohibit")                        \
	X(IP4_DROP_TTL_EXCEEDED, "ip4_ttl_exceeded", "the time to live ran out here")              \
	X(IP4_DROP_FRAG_NEEDED, "ip4_frag_needed",                                                 \
		"larger than the MTU of the next link, and must not be fragmented")                \
	X(IP4_DROP_TOO_BIG, "ip4_too_big", "larger than the MTU of the next link")                 \
	X(IP4_DROP_FRAGMENT_TO_US, "ip4_fragment_to_us", "a fragment for one of our addresses")    \
	X(IP4_DROP_NO_PROTOCOL, "ip4_no_protocol", "a protocol that nothing here listens to")      \
	X(IP4_DROP_NO_LISTENER, "ip4_no_listener", "a port that nothing here listens to")          \
	X(IP4_DROP_NO_SOURCE, "ip4_no_source", "made here, but no address to send it from")        \
	X(IP4_DROP_L4_TRUNCATED, "l4_truncated", "to us, with a cut off L4 header")                \
	X(IP4_DROP_L4_BAD_LEN, "l4_bad_len", "to us, with a wrong L4 length")                      \
	X(ICMP_DROP_BAD_CHECKSUM, "icmp_bad_checksum", "ICMP to us with a wrong checksum")         \
	X(ICMP_DROP_UNHANDLED, "icmp_unhandled", "ICMP to us that asks for nothing")               \
	X(ICMP_DROP_SHARED, "icmp_shared", "an echo request whose bytes somebody else still reads")

#define IP_DROP_ENUM(member, name, help) member,
enum ip_drop { IP_DROPS(IP_DROP_ENUM) IP_N_DROPS };
#undef IP_DROP_ENUM

/* Tunables `sysctl: { ipv4: {...} }`, with Linux's names and meanings. */
struct ip4_sysctl {
	struct object_head head;
	int64_t default_ttl;
	int64_t icmp_msgs_per_sec; /* errors and rate-limited answers, whole appliance */
	int64_t icmp_msgs_burst;
	bool icmp_echo_ignore_all;
};

struct ip_state {
	struct ip4_sysctl ip4;
};

/* Per worker. */
struct ip_worker {
	const struct adj *adjs;
	const struct ip4_sysctl *sysctl;
	const struct link_dp *links;	/* by ifindex */
	const uint16_t *port_link;	/* ifindex by port */
	struct ns_own4 *const *own4;	/* by namespace, published pointers */
	const struct lpm *fib4[NS_MAX]; /* by namespace */
	uint64_t icmp_tokens_cycles;	/* bucket of ICMP errors, in TSC cycles of credit */
	uint64_t icmp_refilled;		/* TSC */
	uint16_t ip_id;			/* identification of the next packet made here */
	uint8_t forward_stage, output_stage;
};

/* Leaves with an error for the sender; the packet itself is dropped for reason. */
static inline void ip4_set_error(
	struct pkt_meta *meta, uint8_t type, uint8_t code, uint32_t info, enum ip_drop reason)
{
	meta->icmp_type = type;
	meta->icmp_code = code;
	meta->icmp_info = info;
	meta->drop_reason = (uint16_t)(ip_module.drop_base + reason);
}

/* What a stage saw: addresses and TTL, for a trace. */
void ip_format_packet(const struct trace_record *record, char *buf, size_t size);

static inline unsigned int ip_drop(struct pkt_meta *meta, enum ip_drop reason)
{
	return pkt_drop(meta, &ip_module, reason);
}

/*
 * Writes the Ethernet header of an adjacency in front of the IP header: one load, so that it is
 * the neighbour's old or new MAC address, never half of each. Returns the state (enum adj_state)
 * that was loaded along; without ADJ_RESOLVED nothing was written.
 */
static inline unsigned int adj_rewrite(
	struct rte_mbuf *m, struct pkt_meta *meta, const struct adj *adj)
{
	__m128i header = _mm_load_si128((const __m128i *)(const void *)adj);
	unsigned int state = (unsigned int)_mm_extract_epi8(header, offsetof(struct adj, state));
	uint8_t *ether;

	if (unlikely(!(state & ADJ_RESOLVED)))
		return state;
	if (unlikely(meta->l3_off != RTE_ETHER_HDR_LEN)) {
		/* The L2 header in front had another length: there is always room for this one. */
		rte_pktmbuf_adj(m, (uint16_t)(meta->l3_off - RTE_ETHER_HDR_LEN));
		meta->l4_off = (uint16_t)(meta->l4_off - meta->l3_off + RTE_ETHER_HDR_LEN);
		meta->l3_off = RTE_ETHER_HDR_LEN;
	}
	/* 14 bytes as two overlapping words: bytes 0..7 and 6..13. */
	ether = (uint8_t *)meta->l3 - RTE_ETHER_HDR_LEN;
	_mm_storel_epi64((__m128i *)(void *)ether, header);
	_mm_storel_epi64((__m128i *)(void *)(ether + 6), _mm_srli_si128(header, 6));
	meta->out_link = adj->link;
	return state;
}
