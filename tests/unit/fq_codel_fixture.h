/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the tests of fq_codel share: packets of a flow, and frames that can be told of congestion, or cannot. */
#include "qdisc_fixture.h"

#include "net/checksum.h"

enum { FLOWS = 1024 };

/* In which flow of FLOWS it ends up. */
static inline uint32_t hash_of(uint32_t flow)
{
	return flow * (uint32_t)((UINT64_C(1) << 32) / FLOWS) + 17;
}

static inline bool put_in(uint32_t flow, uint32_t len)
{
	return put(packet_new(0, len, hash_of(flow)));
}

static inline uint32_t flow_of(const struct rte_mbuf *m)
{
	return (uint32_t)((uint64_t)qdisc_pkt(m)->hash * FLOWS >> 32);
}

static inline struct fq_codel_xstats xstats(void)
{
	struct fq_codel_xstats out;

	fq_codel_xstats_get(world.tree->root, &out);
	return out;
}

/* Of queues that never wait too long: turns alone. */
static const struct qdisc_conf patient = { .kind = QDISC_FQ_CODEL,
	.target_ns = UINT64_C(3600000000000) };

enum { NOT_ECT, ECT_1, ECT_0, CE };
enum frame_kind { IP4, IP6, ARP, GARBLED };

/* Ethernet, tags, IP; all that is not ECN is of no meaning. Returns where IP begins. */
static inline uint32_t frame_write(
	struct rte_mbuf *m, enum frame_kind kind, uint8_t n_tags, uint8_t ecn, uint8_t ihl)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x0800 };
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t at = 12;

	for (uint32_t i = 0; i < PACKET_DATA; i++)
		frame[i] = (uint8_t)(i * 37 + 11);
	for (uint32_t i = 0; i < n_tags; i++, at += 4)
		memcpy(frame + at, i % 2 == 0 ? "\x81\x00\x12\x34" : "\x88\xa8\x43\x21", 4);
	frame[at++] = (uint8_t)(types[kind] >> 8);
	frame[at++] = (uint8_t)types[kind];
	if (kind == IP6) {
		frame[at] = 0x6a;
		frame[at + 1] = (uint8_t)(0x87 | ecn << 4);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + at);

		ip->version_ihl = (uint8_t)((kind == GARBLED ? 0x50 : 0x40) | ihl);
		ip->type_of_service = (uint8_t)(0xb8 | ecn);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, ihl);
	}
	return at;
}
