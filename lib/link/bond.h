/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Bonds (IEEE 802.1AX, and the modes of Linux): several ports as one link. Here is what workers do: choosing
 * the member that a packet leaves by. bond.c decides which members there are to choose from.
 */
#include "link/link_priv.h"
#include "net/vlan.h"

enum bond_mode { BOND_BALANCE_RR, BOND_ACTIVE_BACKUP, BOND_BALANCE_XOR, BOND_802_3AD };
enum bond_policy { BOND_LAYER2, BOND_LAYER2_3, BOND_LAYER3_4 };

enum {
	BOND_MEMBERS_MAX = 32,
	BOND_SLOTS = 256,     /* hashes are dealt out among the active members in so many parts */
	BOND_HEADER_MAX = 58, /* bytes of a frame that are read, if it has no tags */
};

/* As workers see it. Immutable once published, replaced as a whole. */
struct bond_dp {
	uint16_t n; /* active members; 0: nothing can leave */
	uint8_t mode, policy;
	uint8_t slot[BOND_SLOTS];	   /* which member, by hash */
	uint16_t member[BOND_MEMBERS_MAX]; /* ifindex */
};

/* Where the IP header of a frame begins, behind tags; its EtherType in *type_be. */
static __rte_always_inline const uint8_t *bond_l3(const uint8_t *frame, uint16_t *type_be)
{
	memcpy(type_be, frame + 12, sizeof(*type_be));
	for (unsigned int n = 0; unlikely(vlan_is_tag(*type_be)) && n < VLAN_TAGS_MAX; n++) {
		frame += VLAN_TAG_LEN;
		memcpy(type_be, frame + 12, sizeof(*type_be));
	}
	return frame + RTE_ETHER_HDR_LEN;
}

static __rte_always_inline uint64_t bond_word(const void *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static __rte_always_inline uint32_t bond_word32(const void *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/*
 * Both addresses; with ports where the packet has them whole: all fragments of a datagram go one way. Flags, offset
 * and protocol are looked at as one little-endian word.
 */
static __rte_always_inline uint64_t bond_mix_ip4(const uint8_t *ip, bool has_ports)
{
	uint32_t offset_proto = bond_word32(ip + 6) & 0xff00ff3f;
	uint64_t mix = bond_word(ip + 12);

	if (has_ports &&
		likely((offset_proto == IPPROTO_TCP << 24) | (offset_proto == IPPROTO_UDP << 24)))
		mix ^= (uint64_t)bond_word32(ip + 20) << 16;
	return mix;
}

static __rte_always_inline uint64_t bond_mix_ip6(const uint8_t *ip, bool has_ports)
{
	uint64_t mix = bond_word(ip + 8) ^ bond_word(ip + 16) * 3 ^ bond_word(ip + 24) * 5 ^
		       bond_word(ip + 32) * 7;
	if (has_ports && (ip[6] == IPPROTO_TCP || ip[6] == IPPROTO_UDP))
		mix ^= (uint64_t)bond_word32(ip + 40) << 16;
	return mix;
}

/* Of frames that are not as simple as most: with tags, with options, IPv6, anything else. */
static __rte_noinline uint64_t bond_mix_any(const uint8_t *frame, uint64_t macs, uint8_t policy)
{
	uint64_t mix = policy == BOND_LAYER2_3 ? macs : 0;
	uint16_t type_be;
	const uint8_t *ip = bond_l3(frame, &type_be);

	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return mix ^ bond_mix_ip4(ip, policy == BOND_LAYER3_4 && ip[0] == 0x45);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return mix ^ bond_mix_ip6(ip, policy == BOND_LAYER3_4);
	return macs;
}

/*
 * What tells the frames of one conversation from those of others, spread over its low byte. All headers
 * that are read lie in the first segment of what weir sends; a frame that ends before has none of these types.
 */
static __rte_always_inline uint8_t bond_hash(const struct rte_mbuf *m, const uint8_t policy)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	/* One of both directions is the other: without what lies behind the first address. */
	uint64_t mix = (bond_word(frame) ^ bond_word(frame + 4) >> 16) & UINT64_MAX >> 16;

	/* Copies that a bridge makes have a header segment that ends before; they go by their addresses. */
	if (policy != BOND_LAYER2 && likely(m->nb_segs == 1 || m->data_len > BOND_HEADER_MAX)) {
		/* EtherType, version and header length at once. */
		if (likely((bond_word32(frame + 12) & 0xffffff) == 0x450008))
			mix = (policy == BOND_LAYER2_3 ? mix : 0) ^
			      bond_mix_ip4(frame + RTE_ETHER_HDR_LEN, policy == BOND_LAYER3_4);
		else
			mix = bond_mix_any(frame, mix, policy);
	}
	return (uint8_t)(mix * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* balance-rr: whose turn it is. */
static __rte_always_inline unsigned int bond_next(const struct bond_dp *bond, uint16_t *next)
{
	*next = (uint16_t)(*next + 1 < bond->n ? *next + 1 : 0);
	return *next;
}

/* Which of the members a packet leaves by. There is one at least. */
static inline unsigned int bond_choose(
	const struct bond_dp *bond, uint16_t *next, const struct rte_mbuf *m)
{
	return bond->mode == BOND_BALANCE_RR ? bond_next(bond, next)
					     : bond->slot[bond_hash(m, bond->policy)];
}

/*
 * Deals n packets out: each is written where its member's end is, which moves on. Between two members that needs
 * no memory to go through for whose turn it is: each packet is written to both, and one of them moves on.
 */
static __rte_always_inline void bond_deal_by(const struct bond_dp *bond, struct rte_mbuf **pkts,
	unsigned int n, struct rte_mbuf ***end, const uint8_t policy)
{
	struct rte_mbuf **first = end[0], **second = end[1];

	if (likely(bond->n == 2)) {
		for (unsigned int i = 0; i < n; i++) {
			unsigned int slot = bond->slot[bond_hash(pkts[i], policy)];

			*first = *second = pkts[i];
			first += slot ^ 1;
			second += slot;
		}
		end[0] = first;
		end[1] = second;
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		*end[bond->slot[bond_hash(pkts[i], policy)]]++ = pkts[i];
}

static inline void bond_deal(const struct bond_dp *bond, uint16_t *next, struct rte_mbuf **pkts,
	unsigned int n, struct rte_mbuf ***end)
{
	if (bond->mode == BOND_BALANCE_RR) {
		uint16_t turn = *next;

		for (unsigned int i = 0; i < n; i++)
			*end[bond_next(bond, &turn)]++ = pkts[i];
		*next = turn;
	} else if (bond->policy == BOND_LAYER2) {
		bond_deal_by(bond, pkts, n, end, BOND_LAYER2);
	} else if (bond->policy == BOND_LAYER2_3) {
		bond_deal_by(bond, pkts, n, end, BOND_LAYER2_3);
	} else {
		bond_deal_by(bond, pkts, n, end, BOND_LAYER3_4);
	}
}
