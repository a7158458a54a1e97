/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * VLAN tags (IEEE 802.1Q 9): four bytes behind the MAC addresses, a type (TPID) and priority, DEI and VLAN
 * id (TCI). What was taken off a frame last stays in mbuf->vlan_tci, as a NIC that strips leaves it, so
 * that the priority can be written back. Pure functions on one packet, any thread.
 */
#include <rte_ether.h>
#include <string.h>

#include "net/parse.h"

enum {
	VLAN_TAG_LEN = 4,
	VLAN_HEADER_LEN = RTE_ETHER_HDR_LEN + VLAN_TAG_LEN,
	VLAN_VID_MASK = 0x0fff,
	VLAN_PRIORITY_MASK = 0xf000, /* PCP and DEI */
	VLAN_TAGS_MAX = 4,	     /* tags of a frame that are looked at */
};

/* Is this EtherType, in network order, that of a tag? */
static __rte_always_inline bool vlan_is_tag(uint16_t type_be)
{
	return type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type_be == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* 0 for customer tags (802.1Q), 1 for service tags (802.1ad). */
static __rte_always_inline unsigned int vlan_tpid_index(uint16_t type_be)
{
	return type_be == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

/* The TCI of a tagged frame of at least VLAN_HEADER_LEN bytes in its first segment. */
static __rte_always_inline uint16_t vlan_tci(const struct rte_mbuf *m)
{
	return rte_be_to_cpu_16(((const struct rte_vlan_hdr *)(pkt_ether(m) + 1))->vlan_tci);
}

/* Takes the tag off. The first segment has VLAN_HEADER_LEN bytes and is ours to write. */
static __rte_always_inline void vlan_pop(struct rte_mbuf *m, uint16_t tci)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint64_t low;
	uint32_t high;

	memcpy(&low, frame, sizeof(low));
	memcpy(&high, frame + sizeof(low), sizeof(high));
	memcpy(frame + VLAN_TAG_LEN, &low, sizeof(low));
	memcpy(frame + VLAN_TAG_LEN + sizeof(low), &high, sizeof(high));
	m->data_off += VLAN_TAG_LEN;
	m->data_len -= VLAN_TAG_LEN;
	m->pkt_len -= VLAN_TAG_LEN;
	m->vlan_tci = tci;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN;
}

/* The priority bits of the tag that a packet came with; 0: it had none. */
static __rte_always_inline uint16_t vlan_priority(const struct rte_mbuf *m)
{
	return m->ol_flags & RTE_MBUF_F_RX_VLAN ? m->vlan_tci & VLAN_PRIORITY_MASK : 0;
}

/* Puts a tag in front. False: there is no room. The frame is ours to write. */
static __rte_always_inline bool vlan_push(struct rte_mbuf *m, uint16_t tpid, uint16_t tci)
{
	uint32_t tag = rte_cpu_to_be_32((uint32_t)tpid << 16 | tci), high;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint64_t low;

	RTE_ASSERT(pkt_writable(m));
	if (unlikely(rte_pktmbuf_headroom(m) < VLAN_TAG_LEN))
		return false;
	memcpy(&low, frame, sizeof(low));
	memcpy(&high, frame + sizeof(low), sizeof(high));
	frame -= VLAN_TAG_LEN;
	memcpy(frame, &low, sizeof(low));
	memcpy(frame + sizeof(low), &high, sizeof(high));
	memcpy(frame + sizeof(low) + sizeof(high), &tag, sizeof(tag));
	m->data_off -= VLAN_TAG_LEN;
	m->data_len += VLAN_TAG_LEN;
	m->pkt_len += VLAN_TAG_LEN;
	return true;
}

/*
 * Takes tags without a VLAN id off, which say no more than a priority (IEEE 802.1Q 6.9.1): a frame of the
 * link itself. Stops at any other tag, at one that is cut off, and at bytes that are not ours to write.
 */
static inline void vlan_pop_priority(struct rte_mbuf *m)
{
	for (unsigned int n = 0; n < VLAN_TAGS_MAX; n++) {
		/* In that order: before, there may be what another frame left behind. */
		if (!parse_has(m, VLAN_HEADER_LEN) || !vlan_is_tag(pkt_ether(m)->ether_type) ||
			(vlan_tci(m) & VLAN_VID_MASK) != 0 || !pkt_writable(m))
			return;
		vlan_pop(m, vlan_tci(m));
	}
}
