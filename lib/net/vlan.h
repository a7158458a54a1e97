/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * VLAN tags (IEEE 802.1Q 9): four bytes behind the MAC addresses, a type (TPID) and priority, DEI and VLAN
 * id (TCI). What was taken off a frame last stays in mbuf->vlan_tci, as a NIC that strips leaves it, so
 * that the priority can be written back. Pure functions on one packet, any thread.
 */
#include <rte_ether.h>
#include <smmintrin.h>
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

/* Neighbours in the mbuf that change together, as one word each. */
static_assert(offsetof(struct rte_mbuf, data_len) == offsetof(struct rte_mbuf, pkt_len) + 4 &&
		      offsetof(struct rte_mbuf, vlan_tci) == offsetof(struct rte_mbuf, pkt_len) + 6,
	"pkt_len, data_len and vlan_tci are 8 bytes");

static __rte_always_inline void vlan_set_lens(struct rte_mbuf *m, uint64_t lens)
{
	memcpy((char *)m + offsetof(struct rte_mbuf, pkt_len), &lens, sizeof(lens));
}

static __rte_always_inline uint64_t vlan_lens(const struct rte_mbuf *m)
{
	uint64_t lens;

	memcpy(&lens, (const char *)m + offsetof(struct rte_mbuf, pkt_len), sizeof(lens));
	return lens;
}

/* Takes the tag off. The first segment has VLAN_HEADER_LEN bytes and is ours to write. */
static __rte_always_inline void vlan_pop(struct rte_mbuf *m, uint16_t tci)
{
	const uint64_t less = UINT64_C(1) << 32 | 1;
	__m128i *frame = rte_pktmbuf_mtod(m, __m128i *);
	uint64_t lens = vlan_lens(m) - less * VLAN_TAG_LEN;

	/* The addresses move up over the tag; what is left in front is no part of the frame any more. */
	_mm_storeu_si128(frame, _mm_slli_si128(_mm_loadu_si128(frame), VLAN_TAG_LEN));
	vlan_set_lens(m, (lens & UINT64_C(0x0000ffffffffffff)) | (uint64_t)tci << 48);
	m->data_off += VLAN_TAG_LEN;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN;
}

/* The priority bits of the tag that a packet came with; 0: it had none. */
static __rte_always_inline uint16_t vlan_priority(const struct rte_mbuf *m)
{
	return m->ol_flags & RTE_MBUF_F_RX_VLAN ? m->vlan_tci & VLAN_PRIORITY_MASK : 0;
}

/* A tag as it lies in a frame. */
static inline uint32_t vlan_tag_be(uint16_t tpid, uint16_t tci)
{
	return rte_cpu_to_be_32((uint32_t)tpid << 16 | tci);
}

/* Puts a tag in front of a frame of at least 14 bytes. False: there is no room. The frame is ours to write. */
static __rte_always_inline bool vlan_push(struct rte_mbuf *m, uint32_t tag_be)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	__m128i header = _mm_loadu_si128((const __m128i *)(const void *)frame);

	RTE_ASSERT(pkt_writable(m));
	if (unlikely(m->data_off < VLAN_TAG_LEN))
		return false;
	header = _mm_insert_epi32(header, (int)tag_be, 3);
	_mm_storeu_si128((__m128i *)(void *)(frame - VLAN_TAG_LEN), header);
	m->data_off -= VLAN_TAG_LEN;
	m->data_len += VLAN_TAG_LEN;
	m->pkt_len += VLAN_TAG_LEN;
	return true;
}

/*
 * What is behind the tags of a frame, max of them at most: its offset, and the EtherType that says what it is (that of a
 * tag, if there are more). *type_be 0: the first segment ends before. Any frame, nothing of it need be checked.
 */
static inline uint32_t vlan_find_payload(
	const struct rte_mbuf *m, unsigned int max, uint16_t *type_be)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = RTE_ETHER_HDR_LEN;

	for (unsigned int n = 0; m->data_len >= at; n++, at += VLAN_TAG_LEN) {
		memcpy(type_be, frame + at - sizeof(*type_be), sizeof(*type_be));
		if (likely(!vlan_is_tag(*type_be)) || n == max)
			return at;
	}
	*type_be = 0;
	return at;
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
