/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What is done to a packet that goes on, where nothing is in the way: for `plain`, `ip4_forward`, `ip6_forward`. Worker. */
#include "ip/ip_priv.h"

/*
 * Counts TTL and checksum on: both lie in one 32-bit word (TTL, protocol, checksum; little-endian).
 * RFC 1141: one less in the high byte of a 16-bit word is 0x0100 more in the complement of the sum,
 * with an end-around carry. As the checksum is kept in network order, that is 1 in its low byte.
 */
static __rte_always_inline void ip4_count_ttl(struct rte_ipv4_hdr *ip)
{
	uint32_t word;

	memcpy(&word, &ip->time_to_live, sizeof(word));
	word += 0x0000ffff + (word >= UINT32_C(0xfffe0000) ? 0x10000 : 0);
	memcpy(&ip->time_to_live, &word, sizeof(word));
}

/*
 * Sends a packet on by an adjacency (meta->l3_off is that of an Ethernet header): counts the TTL, writes the new
 * header. False, and nothing is changed: the TTL runs out, it is too large for the link, or the neighbour is
 * not simply known.
 */
static __rte_always_inline bool ip4_forward_quick(
	struct pkt_meta *meta, struct rte_ipv4_hdr *ip, const struct adj *adj)
{
	if (unlikely(ip->time_to_live <= 1) || unlikely(meta->l3_len > adj->mtu) ||
		unlikely(!adj_rewrite_known(meta, ip, adj)))
		return false;
	ip4_count_ttl(ip);
	return true;
}

/* The same for IPv6 and its hop limit. */
static __rte_always_inline bool ip6_forward_quick(
	struct pkt_meta *meta, struct rte_ipv6_hdr *ip, const struct adj *adj)
{
	if (unlikely(ip->hop_limits <= 1) || unlikely(meta->l3_len > adj->mtu) ||
		unlikely(!adj_rewrite_known(meta, ip, adj)))
		return false;
	ip->hop_limits--;
	return true;
}
