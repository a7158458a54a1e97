/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The TOS field of IPv4 and the traffic class of IPv6: six bits of DSCP (RFC 2474), two of ECN (RFC 3168). Pure
 * functions on a header that is all there, any thread.
 */
#include <rte_ip.h>
#include <string.h>

#include "net/checksum.h"

enum { DSCP_ECN_MASK = 3, DSCP_IP6_SHIFT = 22 };

/* The checksum follows (RFC 1624). */
static inline void ip4_set_tos(struct rte_ipv4_hdr *ip, uint8_t tos)
{
	uint16_t old_word, new_word;

	memcpy(&old_word, ip, sizeof(old_word));
	ip->type_of_service = tos;
	memcpy(&new_word, ip, sizeof(new_word));
	ip->hdr_checksum = checksum_update16(ip->hdr_checksum, old_word, new_word);
}

static inline void ip4_set_dscp(struct rte_ipv4_hdr *ip, uint8_t dscp)
{
	ip4_set_tos(ip, (uint8_t)(dscp << 2 | (ip->type_of_service & DSCP_ECN_MASK)));
}

static inline void ip6_set_dscp(struct rte_ipv6_hdr *ip, uint8_t dscp)
{
	ip->vtc_flow = (ip->vtc_flow & ~RTE_BE32(UINT32_C(0x3f) << DSCP_IP6_SHIFT)) |
		       rte_cpu_to_be_32((uint32_t)dscp << DSCP_IP6_SHIFT);
}
