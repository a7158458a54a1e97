/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The one checked parser: the only place that compares a length in a header with the real length
 * of the packet. What it accepts, later stages may use without looking again; what it refuses is
 * dropped under the name of the check that failed. Pure functions on one packet, any thread.
 *
 * Ethernet II (IEEE 802.3 3.2.6), IPv4 header (RFC 791, RFC 1812 5.2.2), minimal TCP, UDP and ICMP
 * headers. All headers are pulled into the first segment.
 */
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net/checksum.h"
#include "net/pkt_meta.h"

/* Every check that a frame can fail here: enum member, name of the drop, meaning. */
#define PARSE_ERRORS(X)                                                                            \
	X(PARSE_ETH_TRUNCATED, "eth_truncated", "shorter than an Ethernet header")                 \
	X(PARSE_ETH_NOT_ETHERNET2, "eth_not_ethernet2",                                            \
		"an IEEE 802.3 length where a type must be")                                       \
	X(PARSE_IP4_TRUNCATED, "ip4_truncated", "shorter than an IPv4 header")                     \
	X(PARSE_IP4_BAD_VERSION, "ip4_bad_version", "EtherType IPv4, but the version is not 4")    \
	X(PARSE_IP4_BAD_HEADER_LEN, "ip4_bad_header_len",                                          \
		"header length below 20 bytes or beyond the packet")                               \
	X(PARSE_IP4_BAD_TOTAL_LEN, "ip4_bad_total_len",                                            \
		"total length below the header length or beyond the frame")                        \
	X(PARSE_IP4_BAD_CHECKSUM, "ip4_bad_checksum", "IPv4 header checksum is wrong")

/* The L4 errors are named by who asks for that check: nobody does for packets that pass through. */
#define PARSE_ENUM(member, name, help) member,
enum parse_error {
	PARSE_ERRORS(PARSE_ENUM) PARSE_N_ERRORS,
	PARSE_L4_TRUNCATED = PARSE_N_ERRORS, /* the packet ends within its L4 header */
	PARSE_L4_BAD_LEN,		     /* a length in the L4 header is beyond the packet */
	PARSE_OK,
};
#undef PARSE_ENUM

static inline struct rte_ether_hdr *pkt_ether(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
}

static inline struct rte_ipv4_hdr *pkt_ip4(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	RTE_ASSERT(meta->l3 == rte_pktmbuf_mtod_offset(m, void *, meta->l3_off));
	return meta->l3;
}

static inline void *pkt_l4(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	return rte_pktmbuf_mtod_offset(m, void *, meta->l4_off);
}

/* Moves bytes from later segments until the first one holds len. false: the packet is shorter. */
bool parse_pull(struct rte_mbuf *m, uint16_t len);

/* Are the first len bytes in the first segment, or can they be brought there? */
static inline bool parse_has(struct rte_mbuf *m, uint32_t len)
{
	return likely(m->data_len >= len) || (len <= m->pkt_len && parse_pull(m, (uint16_t)len));
}

/* Removes what lies behind len bytes: link-layer padding. */
void parse_trim(struct rte_mbuf *m, uint32_t len);

/*
 * Checks an IPv4 header at meta->l3_off and fills in l3_len, l4_off, proto and the fragment and
 * option flags. Link-layer padding is cut off.
 */
enum parse_error parse_ip4(struct rte_mbuf *m, struct pkt_meta *meta);

/* In the first eight bytes of an IPv4 header, little-endian: version and IHL; MF and offset. */
#define PARSE_PLAIN_MASK                                                                           \
	(UINT64_C(0xff) | (uint64_t)RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK) << 48)
static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the mask above");

/*
 * The same for what nearly all packets are, without a branch for each check: an IPv4 header of 20
 * bytes right behind an untagged Ethernet header, all of it in the first segment, no padding, no
 * fragment, checksum right. True: meta is filled in as parse_ip4() would have done it. False: the
 * packet is something else, or wrong; nothing was decided, ask parse_ip4().
 */
static __rte_always_inline bool parse_plain_ip4(
	const struct rte_mbuf *m, struct pkt_meta *meta, uint16_t link, uint16_t ns)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	uint64_t first8;
	uint32_t len;

	if (unlikely(m->data_len < sizeof(*ether) + sizeof(*ip)))
		return false;
	/* Version, header length and fragment field in one comparison. */
	memcpy(&first8, ip, sizeof(first8));
	if (unlikely(ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) ||
		unlikely((first8 & PARSE_PLAIN_MASK) != RTE_IPV4_VHL_DEF))
		return false;
	/* The frame ends with the packet, so the total length is also at least 20. */
	len = rte_bswap16((uint16_t)(first8 >> 16));
	if (unlikely(sizeof(*ether) + len != m->pkt_len))
		return false;
	if (unlikely(!checksum_ip4_is_valid(ip, 5)))
		return false;
	*meta = (struct pkt_meta){
		.in_link = link,
		.ns = ns,
		.l3_off = sizeof(*ether),
		.l4_off = sizeof(*ether) + sizeof(*ip),
		.l3_len = (uint16_t)len,
		.ethertype = RTE_ETHER_TYPE_IPV4,
		.proto = ip->next_proto_id,
		.l3 = (void *)(uintptr_t)ip,
	};
	return true;
}

/*
 * Checks the L4 header of a packet that parse_ip4() took, for who reads beyond the IP header.
 * Sets PKT_L4_PRESENT for TCP, UDP and ICMP; others and later fragments pass without it.
 */
enum parse_error parse_l4(struct rte_mbuf *m, struct pkt_meta *meta);
