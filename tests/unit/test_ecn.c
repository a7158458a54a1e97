/* SPDX-License-Identifier: BSD-3-Clause */

/* Congestion told in frames that wait (lib/qos/ecn.c). */
#include "fq_codel_fixture.h"

#include "qos/ecn.h"

static const struct {
	enum frame_kind kind;
	uint8_t n_tags, ecn, ihl;
	uint16_t refcnt, cut; /* cut: bytes that are missing of headers in the first segment */
	bool is_indirect, want, is_changed;
} ecn_rows[] = {
	{ .kind = IP4, .ecn = ECT_0, .want = true, .is_changed = true },
	{ .kind = IP4, .ecn = ECT_1, .want = true, .is_changed = true },
	{ .kind = IP4, .ecn = ECT_1, .ihl = 15, .want = true, .is_changed = true },
	{ .kind = IP4, .ecn = ECT_0, .n_tags = 1, .want = true, .is_changed = true },
	{ .kind = IP4, .ecn = ECT_0, .n_tags = 2, .want = true, .is_changed = true },
	{ .kind = IP4, .ecn = ECT_0, .n_tags = 3 },
	{ .kind = IP4, .ecn = CE, .want = true },
	{ .kind = IP4, .ecn = NOT_ECT },
	{ .kind = IP4, .ecn = ECT_0, .refcnt = 2 },
	{ .kind = IP4, .ecn = ECT_0, .is_indirect = true },
	{ .kind = IP4, .ecn = CE, .refcnt = 2, .want = true },
	{ .kind = IP4, .ecn = ECT_0, .cut = 1 },
	{ .kind = IP4, .ecn = ECT_0, .cut = 20 },
	{ .kind = IP4, .ecn = ECT_0, .cut = 21 },
	{ .kind = IP4, .ecn = ECT_0, .cut = 34 },
	{ .kind = IP4, .ecn = ECT_0, .n_tags = 1, .cut = 22 },
	{ .kind = IP6, .ecn = ECT_0, .want = true, .is_changed = true },
	{ .kind = IP6, .ecn = ECT_1, .n_tags = 2, .want = true, .is_changed = true },
	{ .kind = IP6, .ecn = CE, .want = true },
	{ .kind = IP6, .ecn = NOT_ECT },
	{ .kind = IP6, .ecn = ECT_0, .refcnt = 2 },
	{ .kind = IP6, .ecn = ECT_0, .cut = 1 },
	{ .kind = ARP, .ecn = ECT_0 },
	{ .kind = GARBLED, .ecn = ECT_0 },
};

START_TEST(congestion_is_told_where_it_can_be)
{
	const uint8_t ihl = ecn_rows[_i].ihl != 0 ? ecn_rows[_i].ihl : 5;
	uint8_t before[PACKET_DATA], *frame;
	struct rte_mbuf *m;
	uint32_t at;

	world_init(&patient);
	m = packet_new(0, 200, 0);
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	at = frame_write(m, ecn_rows[_i].kind, ecn_rows[_i].n_tags, ecn_rows[_i].ecn, ihl);
	memcpy(before, frame, PACKET_DATA);
	if (ecn_rows[_i].refcnt != 0)
		rte_mbuf_refcnt_set(m, ecn_rows[_i].refcnt);
	if (ecn_rows[_i].is_indirect)
		m->ol_flags |= RTE_MBUF_F_INDIRECT;
	if (ecn_rows[_i].cut != 0)
		m->data_len =
			(uint16_t)(at + (ecn_rows[_i].kind == IP6 ? 40 : 20) - ecn_rows[_i].cut);
	ck_assert_int_eq(ecn_set_ce(m), ecn_rows[_i].want);
	if (ecn_rows[_i].is_changed && ecn_rows[_i].kind == IP4) {
		ck_assert_uint_eq(frame[at + 1], 0xb8 | CE);
		ck_assert(checksum_ip4_is_valid(frame + at, ihl));
		before[at + 1] = frame[at + 1];
		memcpy(before + at + 10, frame + at + 10, 2);
	} else if (ecn_rows[_i].is_changed) {
		ck_assert_uint_eq(frame[at + 1], before[at + 1] | CE << 4);
		before[at + 1] = frame[at + 1];
	}
	ck_assert_mem_eq(frame, before, PACKET_DATA);
	packet_free(m);
	world_fini();
}
END_TEST

/* Every checksum that can come before, and every DSCP, against the sum over all of the header. */
START_TEST(checksum_is_that_of_the_whole_header)
{
	struct rte_mbuf *m;

	world_init(&patient);
	m = packet_new(0, 200, 0);
	for (uint32_t i = 0; i < 1 << 17; i++) {
		uint32_t at = frame_write(m, IP4, 0, ECT_0, 5);
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, at);

		ip->packet_id = (uint16_t)i;
		ip->type_of_service = (uint8_t)((i >> 3 & 0xfc) | (i >> 16 != 0 ? ECT_0 : ECT_1));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, 5);
		MUST(ecn_set_ce(m));
		MUST(checksum_ip4_is_valid(ip, 5));
		MUST((ip->type_of_service & 3) == CE);
	}
	packet_free(m);
	world_fini();
}
END_TEST

SUITE_MAIN("ecn", LOOP_TEST(congestion_is_told_where_it_can_be, ecn_rows),
	PLAIN_TEST(checksum_is_that_of_the_whole_header))
