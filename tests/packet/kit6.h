/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the tests of IPv6 share on top of kit.h: a router with IPv6, and IPv6 frames. */
#include <netinet/icmp6.h>

#include "kit.h"

/*
 * The three links of kit.h with 2001:db8:1::1/64, 2001:db8:2::1/64 and 2001:db8:3::1/64 (usable at
 * once) and 192.0.2.1/24 on lan; on each the permanent neighbour ::10 of that network, on lan also
 * fe80::10. default via wan's, 2001:db8:f::/48 via dmz's. ICMPv6 errors are only limited together.
 */
extern const char router6_config[];
#define HOST6	   "2001:db8:1::10"
#define PEER6	   "2001:db8:2::10"
#define LAN6	   "2001:db8:1::1"
#define WAN6	   "2001:db8:2::1"
#define LAN6_LINK  "fe80::ff:fe00:1" /* the EUI-64 of LAN_MAC */
#define WAN6_LINK  "fe80::ff:fe00:2"
#define HOST6_LINK "fe80::10"
#define FAR6	   "2001:db8:8888::8" /* somewhere behind the default route */

struct ip6_spec {
	const char *src_mac, *dst_mac; /* NULL: HOST_MAC; LAN_MAC, or the group's */
	const char *src, *dst;	       /* NULL: HOST6, FAR6 */
	uint8_t hop_limit;	       /* 0: 64 */
	uint8_t proto;		       /* 0: UDP; of what follows ext */
	const void *ext;	       /* extension headers, as they lie in the packet */
	uint8_t ext_proto;	       /* of the first of them */
	uint16_t ext_len;
	uint16_t payload_len;  /* bytes behind the L4 header, a counting pattern */
	uint16_t sport, dport; /* UDP, TCP; 0: 1000, 2000 */
	uint8_t icmp_type, icmp_code;
};
/* Ethernet + IPv6 + UDP, TCP (a SYN), ICMPv6 or nothing; checksums right. */
void frame_ip6(struct frame *frame, const struct ip6_spec *spec);

/* A message of neighbour discovery. */
struct nd_spec {
	const char *src_mac, *dst_mac; /* NULL: HOST_MAC; LAN_MAC, or the group's */
	const char *src, *dst;	       /* NULL: HOST6; the target's solicited-node group */
	const char *target;
	const char *lladdr; /* of the option; NULL: none */
	uint8_t type;	    /* 0: solicitation */
	uint8_t flags;	    /* of an advertisement: R 0x80, S 0x40, O 0x20 */
	uint8_t hop_limit;  /* 0: 255 */
};
void frame_nd(struct frame *frame, const struct nd_spec *spec);

static inline struct rte_ipv6_hdr *frame_ip6_hdr(struct frame *frame)
{
	return (struct rte_ipv6_hdr *)(frame->bytes + RTE_ETHER_HDR_LEN);
}
struct frame_icmp6 {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t info_be; /* MTU, pointer */
} __rte_packed;
/* Of a frame without extension headers. */
static inline struct frame_icmp6 *frame_icmp6(struct frame *frame)
{
	return (struct frame_icmp6 *)(frame_ip6_hdr(frame) + 1);
}
/* Makes the checksum of ICMPv6, UDP or TCP without extension headers right again. */
void frame_fix_ip6(struct frame *frame);
/* Turns a frame into what it must be when it has been forwarded. */
void frame_forward6(struct frame *frame, const char *src_mac, const char *dst_mac);
/* Fails the test unless the frame is ICMPv6 of that type and code, between these, all well-formed. */
void frame_check_icmp6(
	struct frame *frame, const char *src, const char *dst, uint8_t type, uint8_t code);
/* The text of the source or destination address; valid until four more calls. */
const char *frame_src6(struct frame *frame);
const char *frame_dst6(struct frame *frame);
