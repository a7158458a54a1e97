/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The one checked parser: the only place that compares a length in a header with the real length
 * of the packet. What it accepts, later stages may use without looking again; what it refuses is
 * dropped under the name of the check that failed. Pure functions on one packet, any thread.
 *
 * Ethernet II (IEEE 802.3 3.2.6), IPv4 header (RFC 791, RFC 1812 5.2.2), IPv6 header and extension
 * headers (RFC 8200), minimal TCP, UDP, ICMP and ICMPv6 headers. All headers are pulled into the
 * first segment.
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
	X(PARSE_IP4_BAD_CHECKSUM, "ip4_bad_checksum", "IPv4 header checksum is wrong")             \
	X(PARSE_IP6_TRUNCATED, "ip6_truncated", "shorter than an IPv6 header")                     \
	X(PARSE_IP6_BAD_VERSION, "ip6_bad_version", "EtherType IPv6, but the version is not 6")    \
	X(PARSE_IP6_BAD_PAYLOAD_LEN, "ip6_bad_payload_len", "payload length beyond the frame")     \
	X(PARSE_IP6_JUMBO, "ip6_jumbo", "a jumbogram, or no payload but options (RFC 2675)")       \
	X(PARSE_IP6_EXT_TRUNCATED, "ip6_ext_truncated",                                            \
		"an IPv6 extension header is longer than the packet")                              \
	X(PARSE_IP6_EXT_TOO_MANY, "ip6_ext_too_many",                                              \
		"more IPv6 extension headers, or more bytes of them, than weir walks over")        \
	X(PARSE_IP6_HOP_BY_HOP, "ip6_hop_by_hop_late",                                             \
		"hop-by-hop options that do not follow the IPv6 header at once (RFC 8200 4.3)")

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

static inline struct rte_ipv6_hdr *pkt_ip6(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	RTE_ASSERT(meta->l3 == rte_pktmbuf_mtod_offset(m, void *, meta->l3_off));
	return meta->l3;
}

static inline void *pkt_l4(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	return rte_pktmbuf_mtod_offset(m, void *, meta->l4_off);
}

/* Bytes of an IP packet behind its IP headers. */
static inline uint32_t pkt_l4_len(const struct pkt_meta *meta)
{
	return meta->l3_len - (uint32_t)(meta->l4_off - meta->l3_off);
}

/* Does the protocol begin with two 16-bit ports, as TCP and UDP do? */
static inline bool parse_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_DCCP;
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

enum {
	PARSE_EXT_MAX = 8,	   /* IPv6 extension headers of a packet */
	PARSE_EXT_BYTES_MAX = 512, /* all of them together */
};

/*
 * Checks an IPv6 header at meta->l3_off and the extension headers behind it, and fills in l3_len
 * (40 and the payload), l4_off, proto and the fragment and option flags. proto is the first that is
 * no extension header: TCP, ESP, "no next header", one that nobody knows. A fragment that is the
 * whole packet (RFC 6946) is none. Link-layer padding is cut off.
 */
enum parse_error parse_ip6(struct rte_mbuf *m, struct pkt_meta *meta);

/* Does a next header value name an extension header that is walked over? */
static __rte_always_inline bool parse_is_ip6_ext(uint8_t proto)
{
	const uint64_t walked = UINT64_C(1) << IPPROTO_HOPOPTS | UINT64_C(1) << IPPROTO_ROUTING |
				UINT64_C(1) << IPPROTO_FRAGMENT | UINT64_C(1) << IPPROTO_DSTOPTS;

	return proto < 64 && (walked >> proto & 1);
}

/* The flags of a fragment header (RFC 8200 4.5); 0: the fragment is the whole packet. */
static inline uint16_t parse_ip6_fragment_flags(const uint8_t *ext)
{
	uint16_t word = (uint16_t)(ext[2] << 8 | ext[3]);

	if (word & RTE_IPV6_EHDR_FO_MASK)
		return PKT_FRAGMENT | PKT_FRAGMENT_LATER;
	return word & RTE_IPV6_EHDR_MF_MASK ? PKT_FRAGMENT : 0;
}

/* Bytes of an extension header of that kind. */
static inline uint32_t parse_ip6_ext_len(uint8_t proto, const uint8_t *ext)
{
	return proto == IPPROTO_FRAGMENT ? 8 : 8 + 8u * ext[1];
}

/*
 * Where the header of a fragment lies, by offset, among headers that parse_ip6() has walked over: the first
 * one that says that this is not all (RFC 6946: there may be others). named_at: offset of the next
 * header field that names it. 0: there is none.
 */
uint32_t parse_ip6_fragment(
	const struct rte_mbuf *m, const struct pkt_meta *meta, uint32_t *named_at);

/*
 * An untagged Ethernet II frame with an IPv4 header of 20 bytes, as three overlapping 8-byte words
 * (little-endian), so that many fields are judged in one comparison.
 */
struct parse_ip4_words {
	uint64_t at12; /* EtherType, version and IHL, TOS, total length, identification */
	uint64_t at20; /* flags and offset, TTL, protocol, checksum, upper half of the source */
	uint64_t at26; /* source, destination */
};
static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the masks below");

enum {
	PARSE_PLAIN_LEN = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr),
	PARSE_PLAIN_TYPE_MASK = 0xffffff,					    /* of at12 */
	PARSE_FRAGMENT = RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK), /* of at20 */
	PARSE_PLAIN_TYPE = RTE_IPV4_VHL_DEF << 16 | RTE_BE16(RTE_ETHER_TYPE_IPV4),  /* the same */
	/* The same for IPv6, whose version is the upper half of a byte. */
	PARSE_PLAIN6_LEN = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr),
	PARSE_PLAIN6_TYPE_MASK = 0xf0ffff,
	PARSE_PLAIN6_TYPE = 0x60 << 16 | RTE_BE16(RTE_ETHER_TYPE_IPV6),
};

/* Reads 34 bytes: there are as many in any packet buffer, though perhaps not in this packet. */
static __rte_always_inline struct parse_ip4_words parse_ip4_load(const void *frame)
{
	const uint8_t *bytes = frame;
	struct parse_ip4_words words;

	memcpy(&words.at12, bytes + 12, sizeof(words.at12));
	memcpy(&words.at20, bytes + 20, sizeof(words.at20));
	memcpy(&words.at26, bytes + 26, sizeof(words.at26));
	return words;
}

/* Zero for IPv4 without options. */
static __rte_always_inline uint64_t parse_ip4_differs(const struct parse_ip4_words *words)
{
	return (words->at12 & PARSE_PLAIN_TYPE_MASK) ^ PARSE_PLAIN_TYPE;
}

/* PKT_FRAGMENT and PKT_FRAGMENT_LATER, where they apply, from a word that begins with the field. */
static __rte_always_inline uint16_t parse_ip4_fragment_flags(uint64_t at20)
{
	if (at20 & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return PKT_FRAGMENT | PKT_FRAGMENT_LATER;
	return at20 & PARSE_FRAGMENT ? PKT_FRAGMENT : 0;
}

static __rte_always_inline uint16_t parse_ip4_total_len(const struct parse_ip4_words *words)
{
	return rte_bswap16((uint16_t)(words->at12 >> 32));
}

/*
 * A header with a right checksum sums up to a multiple of 65535 (RFC 1071); as 64-bit words with
 * end-around carry as well, since 65535 divides 2^64 - 1. One that begins with 0x45 is not zero.
 */
static __rte_always_inline bool parse_ip4_checksum_is_valid(const struct parse_ip4_words *words)
{
	uint64_t sum = (words->at12 >> 16) + (words->at26 >> 16);

	sum += words->at20;
	sum += sum < words->at20;
	return sum % 65535 == 0;
}

/* Cuts padding off a packet in one segment: short packets come in frames of at least 60 bytes. */
static inline void parse_trim_single(struct rte_mbuf *m, uint32_t len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/*
 * Checks the L4 header of a packet that parse_ip4() or parse_ip6() took, for who reads beyond the
 * IP headers. Sets PKT_L4_PRESENT for TCP, UDP, ICMP and ICMPv6; others and later fragments pass without it.
 */
enum parse_error parse_l4(struct rte_mbuf *m, struct pkt_meta *meta);

/*
 * Folded sum over a whole packet's L4 header and data and, but for ICMP over IPv4, the pseudo header. The
 * complement of it is the checksum to be written where there is zero as yet.
 */
uint16_t parse_l4_sum(const struct rte_mbuf *m, const struct pkt_meta *meta);

/*
 * Is the L4 checksum of a packet right that parse_l4() has set PKT_L4_PRESENT for? An absent one of UDP
 * over IPv4 is (RFC 768).
 */
bool parse_l4_checksum_is_right(const struct rte_mbuf *m, const struct pkt_meta *meta);
