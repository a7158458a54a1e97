/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Qdiscs on a bridge and on its members. Frames that are bridged have been looked at by nobody, and copies of one share
 * its bytes.
 */
#include "kit_bridge.h"
#include "kit_qdisc.h"

#include <stdlib.h>

#include "base/mem.h"

static struct bench *bridge_shaped(const char *qdiscs, unsigned int n_workers)
{
	char *sections = mem_printf("qdiscs = ( %s );", qdiscs);
	struct bench *b = bridge_start_with(ALL_MEMBERS, NULL, sections, n_workers, 8192);

	free(sections);
	qdisc_take_clock(b);
	return b;
}

#define MEMBER(name, settings) "{ link = \"" name "\"; kind = " settings " }"
/* So slow that only the first frames pass. */
#define SLOW "\"tbf\"; rate = \"8kbit\"; burst = 1514; limit = 100000;"

/* The bridge's owner may be a worker that can send by none of the members. */
START_TEST(what_a_bridge_sends_by_itself_waits_in_its_qdisc)
{
	struct bench *b = bridge_shaped(
		MEMBER("e3", "\"pfifo\";") ", " MEMBER("br0", SLOW), (unsigned int)_i + 1);
	struct frame frame;

	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"192.0.2.10\", \"lladdr\": \"" STATION_A "\", \"dev\": \"br0\"}"));
	for (uint16_t i = 0; i < 10; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = WAN_MAC,
					  .src = "198.51.100.10",
					  .dst = "192.0.2.10",
					  .payload_len = 900 });
		frame_ip(&frame)->packet_id = rte_cpu_to_be_16(i);
		frame_fix_ip(&frame);
		bench_send(b, UPLINK, &frame);
	}
	bench_run(b);
	ck_assert_int_eq(qdisc_held(b), 9);
	/* Nobody knows where the station is: each one goes to all members. */
	qdisc_run_dry(b);
	for (unsigned int port = E0; port <= E3; port++)
		numbered_expect(b, port, 0, 9);
	/* What is bridged has nothing to do with it. */
	for (unsigned int i = 0; i < 10; i++)
		station_says(b, E0, STATION_A, STATION_B, TO_E1 | TO_E2 | TO_E3);
	bench_destroy(b);
}
END_TEST

/* Anything at all behind the MAC addresses, cut off anywhere: bridged as it is, in whatever class. */
START_TEST(bridged_frames_are_queued_whatever_they_are)
{
	struct bench *b = bridge_shaped(
		MEMBER("e1", "\"prio\"; filters = ( { proto = \"tcp\"; dport = 22; band = 0; }, { "
			     "vlan_priority = 5; band = 2; }, { src = \"2001:db8::/32\"; band = 0; "
			     "} );"),
		1);
	struct drops drops;
	struct frame frame;
	uint32_t seed = 7;

	station_frame(&frame, STATION_B, STATION_A, 50);
	bench_push(b, E1, &frame);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < 3000; i++) {
		static const uint16_t types[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806 };

		station_frame(&frame, STATION_A, STATION_B, i % 90);
		for (uint32_t k = 12; k < frame.len; k++) {
			seed = seed * 1103515245 + 12345;
			frame.bytes[k] = (uint8_t)(seed >> 16) & ((seed >> 28 & 1) ? 0xff : 0x2c);
		}
		frame.bytes[12] = (uint8_t)(types[i % RTE_DIM(types)] >> 8);
		frame.bytes[13] = (uint8_t)types[i % RTE_DIM(types)];
		bench_push(b, E0, &frame);
		bench_expect_bytes(b, E1, &frame);
	}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* Frames that are bridged have no mark, whatever a packet that was in the same buffer had. */
START_TEST(bridged_frames_have_no_mark)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL,
		"firewall: { forward: { rules = ( { action = \"mark\"; to = \"7\"; } ); }; };\n"
		"qdiscs = ( { link = \"e1\"; kind = \"prio\"; filters = ( { mark = \"7\"; band = "
		"0; } ); "
		"} );");
	struct frame frame, routed;

	qdisc_take_clock(b);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.10\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	frame_ip4(
		&routed, &(struct ip4_spec){
				 .dst_mac = E0_MAC, .src = "192.0.2.10", .dst = "198.51.100.10" });
	/* All buffers have seen a marked packet. */
	for (unsigned int i = 0; i < 9000; i++) {
		bench_send(b, E0, &routed);
		if (i % 100 == 99) {
			bench_run(b);
			ck_assert_uint_eq(bench_count(b, UPLINK), 100);
		}
	}
	station_frame(&frame, STATION_B, STATION_A, 50);
	bench_push(b, E1, &frame);
	bench_discard(b);
	class_hit(b, "e1");
	for (unsigned int i = 0; i < 50; i++) {
		station_frame(&frame, STATION_A, STATION_B, 50);
		bench_push(b, E0, &frame);
		ck_assert_str_eq(class_hit(b, "e1"), "1:2");
	}
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* Copies wait on each member by themselves, and are the same bytes. */
START_TEST(flooded_frames_wait_on_each_member_by_themselves)
{
	struct bench *b = bridge_shaped(MEMBER("e1", SLOW) ", " MEMBER("e3", "\"fq_codel\";"), 1);
	struct drops drops = drops_take(b);
	struct frame frame;

	for (unsigned int i = 0; i < 4; i++) {
		station_frame(&frame, STATION_A, STATION_B, 1000 + i);
		bench_push(b, E0, &frame);
		bench_expect_bytes(b, E2, &frame);
		bench_expect_bytes(b, E3, &frame);
	}
	ck_assert_int_eq(qdisc_held(b), 3);
	qdisc_run_dry(b);
	for (unsigned int i = 0; i < 4; i++) {
		station_frame(&frame, STATION_A, STATION_B, 1000 + i);
		bench_expect_bytes(b, E1, &frame);
	}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* A copy cannot be marked: others read its bytes. It is dropped in place of that, or goes as it is. */
START_TEST(a_copy_that_waits_is_never_written)
{
	struct bench *b =
		bridge_shaped(MEMBER("e1", "\"tbf\"; rate = \"800kbit\"; burst = 1514; limit = "
					   "1000000; child = { kind = \"fq_codel\"; target = "
					   "\"1ms\"; interval = \"1ms\"; };"),
			1);
	struct frame frame, got;
	unsigned int n = 0;

	for (unsigned int i = 0; i < 100; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
					  .dst_mac = STATION_B,
					  .src = "10.0.0.1",
					  .dst = "10.0.0.2",
					  .payload_len = 900 });
		frame_ip(&frame)->type_of_service = 2;
		frame_fix_ip(&frame);
		bench_send(b, E0, &frame);
	}
	bench_run(b);
	qdisc_run_dry(b);
	for (; bench_receive(b, E2, &got); n++)
		ck_assert_mem_eq(got.bytes, frame.bytes, frame.len);
	ck_assert_uint_eq(n, 100);
	while (bench_receive(b, E1, &got))
		ck_assert_mem_eq(got.bytes, frame.bytes, frame.len);
	ck_assert_uint_gt(bench_drops(b, "qdisc_codel"), 0);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_bridge", { what_a_bridge_sends_by_itself_waits_in_its_qdisc, 3 },
	PLAIN_TEST(bridged_frames_are_queued_whatever_they_are),
	PLAIN_TEST(bridged_frames_have_no_mark),
	PLAIN_TEST(flooded_frames_wait_on_each_member_by_themselves),
	PLAIN_TEST(a_copy_that_waits_is_never_written))
