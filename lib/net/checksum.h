/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Internet checksums: RFC 1071, incremental update RFC 1624 (eqn. 3). All values are as they lie
 * in the packet (network order); one's complement sums do not care.
 */
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Sum over an IPv4 header of ihl 32-bit words (5..15), checksum field included, not folded. */
static inline uint64_t checksum_ip4_raw(const void *header, unsigned int ihl)
{
	const uint8_t *p = header;
	uint64_t a, b, sum;
	uint32_t word;

	memcpy(&a, p, 8);
	memcpy(&b, p + 8, 8);
	memcpy(&word, p + 16, 4);
	sum = (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + word;
	for (unsigned int i = 5; unlikely(i < ihl); i++) {
		memcpy(&word, p + 4 * i, 4);
		sum += word;
	}
	return sum;
}

static inline uint16_t checksum_ip4_sum(const void *header, unsigned int ihl)
{
	return checksum_fold(checksum_ip4_raw(header, ihl));
}

/*
 * A header with a right checksum folds to all ones (RFC 1071), that is, its sum is a multiple of
 * 65535: one multiplication instead of four dependent folds. A sum of zero needs an all-zero header.
 */
static inline bool checksum_ip4_is_valid(const void *header, unsigned int ihl)
{
	uint64_t sum = checksum_ip4_raw(header, ihl);

	return sum % 65535 == 0 && sum != 0;
}

/* The checksum after one 16-bit word of the covered data changed (RFC 1624, eqn. 3). */
static inline uint16_t checksum_update16(uint16_t checksum, uint16_t old_word, uint16_t new_word)
{
	uint32_t sum = (uint16_t)~checksum + (uint16_t)~old_word + new_word;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* One's complement sum of two. */
static inline uint16_t checksum_sum(uint16_t a, uint16_t b)
{
	uint16_t sum;
	bool carry = __builtin_add_overflow(a, b, &sum);

	return (uint16_t)(sum + carry);
}

/*
 * A checksum in the packet, after the sum of the covered data has grown by add: ~(~checksum + add), which is
 * checksum - add with the borrow taken off as well (RFC 1624, eqn. 3 and 4): two instructions.
 */
static inline void checksum_add(void *at, uint16_t add)
{
	uint16_t checksum;
	bool borrow;

	memcpy(&checksum, at, sizeof(checksum));
	borrow = __builtin_sub_overflow(checksum, add, &checksum);
	checksum = (uint16_t)(checksum - borrow);
	memcpy(at, &checksum, sizeof(checksum));
}

/* That of UDP: zero says that there is none (RFC 768); one that becomes zero is sent as ones. */
static inline void checksum_add_udp(void *at, uint16_t add)
{
	uint16_t checksum;

	memcpy(&checksum, at, sizeof(checksum));
	if (unlikely(checksum == 0))
		return;
	checksum_add(&checksum, add);
	checksum = checksum == 0 ? 0xffff : checksum;
	memcpy(at, &checksum, sizeof(checksum));
}

/* Folded sum of the pseudo header in front of len bytes of an IPv4 upper layer (RFC 768, 9293). */
static inline uint16_t checksum_ip4_pseudo(
	const struct rte_ipv4_hdr *ip, uint32_t len, uint8_t proto)
{
	return checksum_fold((uint64_t)ip->src_addr + ip->dst_addr +
			     rte_cpu_to_be_16((uint16_t)len) + rte_cpu_to_be_16(proto));
}

/* Folded sum of the pseudo header in front of len bytes of an IPv6 upper layer (RFC 8200 8.1). */
static inline uint16_t checksum_ip6_pseudo(
	const struct rte_ipv6_hdr *ip, uint32_t len, uint8_t proto)
{
	uint64_t sum = (uint64_t)rte_cpu_to_be_32(len) + rte_cpu_to_be_32(proto);
	uint32_t words[8];

	memcpy(words, ip->src_addr, sizeof(words));
	for (unsigned int i = 0; i < RTE_DIM(words); i++)
		sum += words[i];
	return checksum_fold(sum);
}

/*
 * Folded sum over len bytes from off on, over all segments; the packet must have them. (DPDK's
 * rte_raw_cksum_mbuf() loses carries where a segment ends at an odd byte.)
 */
uint16_t checksum_mbuf_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len);
