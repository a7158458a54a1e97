/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Several next hops for a route (ECMP with weights, RFC 2992), as workers see them. A value of the
 * LPM from MULTIPATH_FIRST on is no adjacency but a group: MULTIPATH_BUCKETS adjacencies, of which
 * the hash of the packet's flow chooses one. Every next hop has buckets by its weight; the control
 * thread fills them (multipath.c) in single stores, so a packet finds the old or the new next hop.
 *
 * A bucket holds an adjacency, ADJ_UNREACHABLE when no next hop is left, never a group again.
 * Whoever looks a route up tests its value with fib_value_is_adj(), one comparison for both what is
 * special and what is a group, and asks multipath_select4() or 6 for the latter.
 */
#include <rte_ip.h>

#include "neigh/neigh.h"
#include "net/hash.h"
#include "net/parse.h"

enum {
	MULTIPATH_BUCKETS = 256,
	MULTIPATH_MAX = 1 << 14, /* groups; 1 KiB of address space each */
	MULTIPATH_FIRST = ADJ_MAX,
};

/* What a flow is (Linux: fib_multipath_hash_policy). */
enum multipath_policy {
	MULTIPATH_HASH_L3 = 0, /* the two addresses; for IPv6 also flow label and protocol */
	MULTIPATH_HASH_L4 = 1, /* addresses, protocol, and ports unless the packet is a fragment */
};

/* Constant for life: copied by workers. */
struct multipath {
	const uint32_t *buckets; /* MULTIPATH_BUCKETS of each group */
	uint64_t seed[2];	 /* nobody outside can tell which flows share a bucket */
};
struct multipath fib_multipath(const struct dp *dp); /* any thread */

/* Is it the index of a neighbour's or glean adjacency: neither special nor a group? */
static inline bool fib_value_is_adj(uint32_t value)
{
	return value - ADJ_FIRST_DYNAMIC < ADJ_MAX - ADJ_FIRST_DYNAMIC;
}

static inline bool fib_value_is_multipath(uint32_t value)
{
	return value >= MULTIPATH_FIRST;
}

static inline uint32_t multipath_bucket(const struct multipath *mp, uint32_t value, uint64_t hash)
{
	size_t i = (size_t)(value - MULTIPATH_FIRST) * MULTIPATH_BUCKETS + hash % MULTIPATH_BUCKETS;

	/* Pairs with the stores of multipath.c. */
	return __atomic_load_n(&mp->buckets[i], __ATOMIC_ACQUIRE);
}

/* Both ports at an offset into the packet; 0 when the first segment ends before. */
static inline uint32_t multipath_ports(const struct rte_mbuf *m, unsigned int off)
{
	uint32_t ports;

	if (unlikely(off + sizeof(ports) > m->data_len))
		return 0;
	memcpy(&ports, rte_pktmbuf_mtod_offset(m, const char *, off), sizeof(ports));
	return ports;
}

/* Once more: with one seed in a hundred what differs in one byte only would share its low bits. */
static inline uint64_t multipath_mix_again(const struct multipath *mp, uint64_t hash)
{
	return hash_mix(hash ^ mp->seed[1], mp->seed[0] | 1);
}

/* Addresses and protocol as they are in the packet, in network order. */
static inline uint64_t multipath_hash4(
	const struct multipath *mp, uint32_t src_be, uint32_t dst_be, uint64_t l4)
{
	uint64_t hash = hash_mix(((uint64_t)src_be << 32 | dst_be) ^ mp->seed[0], l4 ^ mp->seed[1]);

	return multipath_mix_again(mp, hash);
}

static inline uint64_t multipath_hash6(
	const struct multipath *mp, const uint8_t *src_addr, const uint8_t *dst_addr, uint64_t l4)
{
	uint64_t src[2], dst[2], hash;

	memcpy(src, src_addr, sizeof(src));
	memcpy(dst, dst_addr, sizeof(dst));
	hash = hash_mix(src[0] ^ mp->seed[0], src[1] ^ mp->seed[1]);
	hash = hash_mix(dst[0] ^ hash, dst[1] ^ mp->seed[1]);
	return multipath_mix_again(mp, hash_mix(l4 ^ hash, mp->seed[0]));
}

/* The adjacency that a group has for this packet. ip: its header, checked by parse. */
static inline uint32_t multipath_select4(const struct multipath *mp, enum multipath_policy policy,
	uint32_t value, const struct rte_mbuf *m, const struct pkt_meta *meta,
	const struct rte_ipv4_hdr *ip)
{
	unsigned int header_len = (ip->version_ihl & 0xfu) * 4;
	bool is_fragment = (ip->fragment_offset & RTE_BE16(0x3fff)) != 0;
	uint64_t l4 = 0;

	if (policy == MULTIPATH_HASH_L4) {
		l4 = ip->next_proto_id;
		/* All fragments go one way: only the first has ports. */
		if (!is_fragment && parse_has_ports(ip->next_proto_id) &&
			meta->l3_len >= header_len + 4)
			l4 |= (uint64_t)multipath_ports(m, meta->l3_off + header_len) << 32;
	}
	return multipath_bucket(mp, value, multipath_hash4(mp, ip->src_addr, ip->dst_addr, l4));
}

/* The same for IPv6. */
static inline uint32_t multipath_select6(const struct multipath *mp, enum multipath_policy policy,
	uint32_t value, const struct rte_mbuf *m, const struct pkt_meta *meta,
	const struct rte_ipv6_hdr *ip)
{
	uint64_t l4 = meta->proto;

	if (policy == MULTIPATH_HASH_L3)
		l4 |= (uint64_t)(ip->vtc_flow & RTE_BE32(RTE_IPV6_HDR_FL_MASK)) << 32;
	else if (!(meta->flags & PKT_FRAGMENT) && parse_has_ports(meta->proto) &&
		 meta->l3_off + meta->l3_len >= meta->l4_off + 4u)
		l4 |= (uint64_t)multipath_ports(m, meta->l4_off) << 32;
	return multipath_bucket(mp, value, multipath_hash6(mp, ip->src_addr, ip->dst_addr, l4));
}
