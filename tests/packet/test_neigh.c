/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Neighbours over time: packets that wait for one, probes, the states of RFC 4861 7.3.2 as the
 * operator sees them, and what full tables do to them. The clock is the test's.
 *
 *	192.0.2.0/24 --- lan (p0) weir wan (p1) --- 198.51.100.0/24
 */
#include "kit.h"

#include <rte_cycles.h>

enum { REQUEST = RTE_ARP_OP_REQUEST, REPLY = RTE_ARP_OP_REPLY };

static const char peer[] = "198.51.100.10";

/* A packet of the known host on lan to an address on wan, with a number to know it by. */
static void make_packet(struct frame *frame, const char *dst, uint16_t number)
{
	frame_ip4(frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = dst, .payload_len = 10 });
	frame_ip(frame)->packet_id = rte_cpu_to_be_16(number);
	frame_fix_ip(frame);
}

static void push_packet(struct bench *b, const char *dst, uint16_t number)
{
	struct frame frame;

	make_packet(&frame, dst, number);
	bench_push(b, LAN, &frame);
}

/* weir's question for an address on wan. */
static void make_probe(struct frame *frame, const char *target, bool is_unicast)
{
	frame_arp(frame, WAN_MAC, is_unicast ? PEER_MAC : ANY_MAC, REQUEST, WAN_MAC, "198.51.100.1",
		is_unicast ? PEER_MAC : NO_MAC, target);
}

static void push_answer(struct bench *b, const char *addr)
{
	struct frame frame;

	frame_arp(&frame, PEER_MAC, WAN_MAC, REPLY, PEER_MAC, addr, WAN_MAC, "198.51.100.1");
	bench_push(b, WAN, &frame);
}

static void expect_numbered(struct bench *b, const char *dst, uint16_t number)
{
	struct frame want;

	make_packet(&want, dst, number);
	frame_forward(&want, WAN_MAC, PEER_MAC);
	bench_expect_bytes(b, WAN, &want);
}

/* Workers repeat themselves only after 100 ms of the real clock. */
static void let_real_time_pass(void)
{
	rte_delay_us_block(110000);
}

static struct bench *neigh_bench(void)
{
	struct bench *b = bench_start(NULL);

	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"192.0.2.10\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"lan\"}"));
	return b;
}

/* Packets that wait */

START_TEST(packets_wait_for_the_answer_and_leave_in_order)
{
	struct bench *b = neigh_bench();
	struct drops drops = drops_take(b);
	struct frame probe;

	make_probe(&probe, peer, false);
	for (uint16_t i = 0; i < 8; i++)
		push_packet(b, peer, i);
	bench_expect_bytes(b, WAN, &probe); /* one question for all of them */
	bench_expect_nothing(b);
	ck_assert_str_eq(bench_neigh(b, peer), "INCOMPLETE");
	push_answer(b, peer);
	for (uint16_t i = 0; i < 8; i++)
		expect_numbered(b, peer, i);
	ck_assert_str_eq(bench_neigh(b, peer), "REACHABLE");
	push_packet(b, peer, 8);
	expect_numbered(b, peer, 8);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* In each pass there is a packet more, also in that which lets go of those that wait. */
START_TEST(packets_that_wait_are_not_overtaken_when_they_are_released)
{
	struct bench *b = neigh_bench();
	struct drops drops = drops_take(b);
	struct frame frame;

	push_packet(b, peer, 0);
	bench_discard(b);
	frame_arp(&frame, PEER_MAC, WAN_MAC, REPLY, PEER_MAC, peer, WAN_MAC, "198.51.100.1");
	bench_send(b, WAN, &frame);
	for (uint16_t i = 1; i < 7; i++) {
		make_packet(&frame, peer, i);
		bench_send(b, LAN, &frame);
		worker_pass(b->dp->workers[0]);
		dp_tick(b->dp, b->now_ns);
	}
	bench_run(b);
	for (uint16_t i = 0; i < 7; i++)
		expect_numbered(b, peer, i);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_full_queue_loses_its_oldest_packets)
{
	struct bench *b = neigh_bench();
	struct drops drops = drops_take(b);

	for (uint16_t i = 0; i < 104; i++)
		push_packet(b, peer, i);
	drops_expect(b, &drops, "neigh_queue_full", 3);
	bench_discard(b);
	push_answer(b, peer);
	for (uint16_t i = 3; i < 104; i++)
		expect_numbered(b, peer, i);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "neigh_queue_full", 3);
	bench_destroy(b);
}
END_TEST

START_TEST(the_length_of_the_queue_is_a_setting)
{
	struct bench *b = neigh_bench();

	bench_sysctl(b, "neigh.unres_qlen", "128");
	for (uint16_t i = 0; i < 128; i++)
		push_packet(b, peer, i);
	ck_assert_uint_eq(bench_drops(b, "neigh_queue_full"), 0);
	bench_sysctl(b, "neigh.unres_qlen", "2");
	push_packet(b, peer, 128); /* makes room down to the new length */
	ck_assert_uint_eq(bench_drops(b, "neigh_queue_full"), 127);
	bench_discard(b);
	push_answer(b, peer);
	expect_numbered(b, peer, 127);
	expect_numbered(b, peer, 128);
	bench_destroy(b);
}
END_TEST

START_TEST(neighbours_wait_apart_from_each_other)
{
	struct bench *b = neigh_bench();

	push_packet(b, peer, 1);
	push_packet(b, "198.51.100.20", 2);
	push_packet(b, peer, 3);
	ck_assert_uint_eq(bench_count(b, WAN), 2);
	push_answer(b, "198.51.100.20");
	expect_numbered(b, "198.51.100.20", 2);
	bench_expect_nothing(b);
	push_answer(b, peer);
	expect_numbered(b, peer, 1);
	expect_numbered(b, peer, 3);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(packets_to_a_gateway_wait_for_the_gateway)
{
	struct bench *b = neigh_bench();
	struct frame probe;

	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.10\"}"));
	make_probe(&probe, peer, false);
	push_packet(b, "10.1.1.1", 1);
	push_packet(b, "10.2.2.2", 2);
	bench_expect_bytes(b, WAN, &probe);
	bench_expect_nothing(b);
	push_answer(b, peer);
	expect_numbered(b, "10.1.1.1", 1);
	expect_numbered(b, "10.2.2.2", 2);
	bench_destroy(b);
}
END_TEST

START_TEST(an_echo_reply_waits_like_any_packet)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, probe;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = peer,
				  .dst = "198.51.100.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8,
				  .options = "\x01\x01\x01\x01",
				  .options_len = 4,
				  .payload_len = 10 });
	make_probe(&probe, peer, false);
	bench_push(b, WAN, &frame);
	bench_expect_bytes(b, WAN, &probe);
	bench_expect_nothing(b);
	push_answer(b, peer);
	bench_expect(b, WAN, &frame);
	frame_check_ip4(&frame);
	ck_assert_uint_eq(frame_l4(&frame)[0], 0);
	ck_assert_uint_eq(frame.len, 14 + 20 + 8 + 10);
	bench_destroy(b);
}
END_TEST

START_TEST(a_neighbour_set_by_hand_releases_what_waits)
{
	struct bench *b = neigh_bench();

	push_packet(b, peer, 1);
	bench_discard(b);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.10\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	expect_numbered(b, peer, 1);
	ck_assert_str_eq(bench_neigh(b, peer), "PERMANENT");
	bench_destroy(b);
}
END_TEST

/* Failure */

START_TEST(three_probes_a_second_apart_then_host_unreachable)
{
	struct bench *b = neigh_bench();
	struct drops drops;
	struct frame probe, error, frame;

	make_probe(&probe, peer, false);
	for (uint16_t i = 0; i < 3; i++)
		push_packet(b, peer, i);
	drops = drops_take(b);
	for (unsigned int i = 0; i < 3; i++) {
		bench_expect_bytes(b, WAN, &probe);
		bench_expect_nothing(b);
		ck_assert_str_eq(bench_neigh(b, peer), "INCOMPLETE");
		bench_advance(b, 990);
		bench_expect_nothing(b);
		bench_advance(b, 10);
	}
	ck_assert_str_eq(bench_neigh(b, peer), "FAILED");
	drops_expect(b, &drops, "neigh_failed", 3);
	for (uint16_t i = 0; i < 3; i++) {
		bench_expect(b, LAN, &error);
		frame_check_ip4(&error);
		ck_assert_mem_eq(frame_l4(&error), "\x03\x01", 2);
		make_packet(&frame, peer, i);
		ck_assert_mem_eq(frame_l4(&error) + 8, frame_ip(&frame), frame.len - 14);
	}
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(how_often_and_how_fast_is_a_setting)
{
	struct bench *b = neigh_bench();
	struct frame probe;

	bench_sysctl(b, "neigh.retrans_time", "250ms");
	bench_sysctl(b, "neigh.mcast_solicit", "5");
	make_probe(&probe, peer, false);
	push_packet(b, peer, 0);
	for (unsigned int i = 0; i < 5; i++) {
		bench_expect_bytes(b, WAN, &probe);
		bench_expect_nothing(b);
		bench_advance(b, 250);
	}
	ck_assert_str_eq(bench_neigh(b, peer), "FAILED");
	bench_destroy(b);
}
END_TEST

START_TEST(our_own_packets_are_dropped_without_an_error)
{
	struct bench *b = bench_start(NULL);
	struct drops drops;
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	bench_push(b, LAN, &frame);
	drops = drops_take(b);
	bench_advance(b, 3000);
	drops_expect(b, &drops, "neigh_failed", 1);
	ck_assert_uint_eq(bench_count(b, LAN), 3); /* the probes */
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_failed_neighbour_is_asked_again_by_the_next_packet)
{
	struct bench *b = neigh_bench();

	push_packet(b, peer, 0);
	bench_advance(b, 3000);
	bench_discard(b);
	ck_assert_str_eq(bench_neigh(b, peer), "FAILED");
	push_packet(b, peer, 1);
	ck_assert_str_eq(bench_neigh(b, peer), "INCOMPLETE");
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	push_answer(b, peer);
	expect_numbered(b, peer, 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* States over time */

START_TEST(a_neighbour_goes_through_its_states)
{
	struct bench *b = neigh_bench();
	struct frame probe;

	push_packet(b, peer, 0);
	push_answer(b, peer);
	ck_assert_str_eq(bench_neigh(b, peer), "REACHABLE");
	bench_advance(b, 14990); /* 0.5 to 1.5 times 30 s */
	ck_assert_str_eq(bench_neigh(b, peer), "REACHABLE");
	bench_advance(b, 30020);
	ck_assert_str_eq(bench_neigh(b, peer), "STALE");
	bench_discard(b);
	/* Used: it is trusted for 5 s more. */
	push_packet(b, peer, 1);
	expect_numbered(b, peer, 1);
	ck_assert_str_eq(bench_neigh(b, peer), "DELAY");
	bench_advance(b, 4990);
	ck_assert_str_eq(bench_neigh(b, peer), "DELAY");
	bench_expect_nothing(b);
	bench_advance(b, 20);
	ck_assert_str_eq(bench_neigh(b, peer), "PROBE");
	make_probe(&probe, peer, true);
	bench_expect_bytes(b, WAN, &probe);
	/* Packets still go there. */
	push_packet(b, peer, 2);
	expect_numbered(b, peer, 2);
	push_answer(b, peer);
	ck_assert_str_eq(bench_neigh(b, peer), "REACHABLE");
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(three_unicast_probes_then_failed)
{
	struct bench *b = bench_start(NULL);
	struct frame probe;

	bench_learn(b, WAN, peer, PEER_MAC);
	ck_assert_str_eq(bench_neigh(b, peer), "STALE");
	bench_advance(b, 4000); /* nobody uses it: nothing happens */
	ck_assert_str_eq(bench_neigh(b, peer), "STALE");
	push_packet(b, peer, 0);
	bench_discard(b);
	bench_advance(b, 5000);
	make_probe(&probe, peer, true);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_str_eq(bench_neigh(b, peer), "PROBE");
		bench_expect_bytes(b, WAN, &probe);
		bench_expect_nothing(b);
		bench_advance(b, 1000);
	}
	ck_assert_str_eq(bench_neigh(b, peer), "FAILED");
	bench_expect_nothing(b);
	/* The next packet asks everybody again. */
	push_packet(b, peer, 1);
	make_probe(&probe, peer, false);
	bench_expect_bytes(b, WAN, &probe);
	bench_destroy(b);
}
END_TEST

START_TEST(a_neighbour_in_use_is_verified_again_and_again)
{
	struct bench *b = neigh_bench();
	struct drops drops;

	bench_sysctl(b, "neigh.base_reachable_time", "2s");
	push_packet(b, peer, 0);
	push_answer(b, peer);
	bench_discard(b);
	drops = drops_take(b);
	for (uint16_t round = 1; round < 4; round++) {
		bench_advance(b, 3010);
		ck_assert_str_eq(bench_neigh(b, peer), "STALE");
		let_real_time_pass();
		push_packet(b, peer, round);
		expect_numbered(b, peer, round);
		ck_assert_str_eq(bench_neigh(b, peer), "DELAY");
		bench_advance(b, 5000);
		ck_assert_uint_eq(bench_count(b, WAN), 1);
		push_answer(b, peer);
		ck_assert_str_eq(bench_neigh(b, peer), "REACHABLE");
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* By hand */

START_TEST(a_permanent_neighbour_listens_to_operators_only)
{
	struct bench *b = neigh_bench();
	struct frame frame;

	frame_arp(&frame, "02:00:00:00:01:99", ANY_MAC, REQUEST, "02:00:00:00:01:99", "192.0.2.10",
		NO_MAC, "192.0.2.1");
	bench_push(b, LAN, &frame);
	bench_discard(b);
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"), "PERMANENT");
	bench_advance(b, 100000);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "198.51.100.9",
				  .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .dst = "192.0.2.10" });
	bench_push(b, WAN, &frame);
	frame_forward(&frame, LAN_MAC, HOST_MAC);
	bench_expect_bytes(b, LAN, &frame);
	bench_expect_nothing(b);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"192.0.2.10\", \"lladdr\": \"02:00:00:00:01:55\", \"dev\": \"lan\"}"));
	frame_ip4(&frame, &(struct ip4_spec){ .src = "198.51.100.9",
				  .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .dst = "192.0.2.10" });
	bench_push(b, WAN, &frame);
	frame_forward(&frame, LAN_MAC, "02:00:00:00:01:55");
	bench_expect_bytes(b, LAN, &frame);
	json_decref(bench_call(b, "neigh.del", "{\"to\": \"192.0.2.10\", \"dev\": \"lan\"}"));
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"), "");
	bench_destroy(b);
}
END_TEST

START_TEST(a_deleted_neighbour_is_resolved_anew)
{
	struct bench *b = neigh_bench();

	push_packet(b, peer, 0);
	push_answer(b, peer);
	bench_discard(b);
	json_decref(bench_call(b, "neigh.del", "{\"to\": \"198.51.100.10\", \"dev\": \"wan\"}"));
	push_packet(b, peer, 1);
	ck_assert_str_eq(bench_neigh(b, peer), "INCOMPLETE");
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	push_answer(b, peer);
	expect_numbered(b, peer, 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_neighbour_deleted_while_packets_wait_is_unreachable)
{
	struct bench *b = neigh_bench();
	struct drops drops;

	push_packet(b, peer, 0);
	bench_discard(b);
	drops = drops_take(b);
	json_decref(bench_call(b, "neigh.flush", "{\"dev\": \"wan\"}"));
	drops_expect(b, &drops, "neigh_failed", 1);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* Limits */

START_TEST(a_full_table_takes_no_more_neighbours_and_recovers)
{
	struct bench *b = neigh_bench();
	struct drops drops;

	bench_sysctl(b, "neigh.gc_thresh3", "2");
	push_packet(b, peer, 0);
	push_packet(b, "198.51.100.20", 1);
	bench_discard(b);
	drops = drops_take(b);
	push_packet(b, "198.51.100.30", 2);
	drops_expect(b, &drops, "neigh_table_full", 1);
	bench_expect_nothing(b);
	/* The others fail, and make room. */
	bench_advance(b, 3000);
	bench_discard(b);
	push_packet(b, "198.51.100.30", 3);
	push_answer(b, "198.51.100.30");
	ck_assert_str_eq(bench_neigh(b, "198.51.100.30"), "REACHABLE");
	bench_destroy(b);
}
END_TEST

START_TEST(a_full_table_has_room_for_operators_and_routes)
{
	struct bench *b = neigh_bench();

	bench_sysctl(b, "neigh.gc_thresh3", "1");
	push_packet(b, peer, 0);
	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"198.51.100.20\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.30\"}"));
	bench_discard(b);
	push_packet(b, "198.51.100.20", 1);
	expect_numbered(b, "198.51.100.20", 1);
	push_packet(b, "10.1.1.1", 2);
	push_answer(b, "198.51.100.30");
	ck_assert_uint_eq(bench_count(b, WAN), 2); /* probe and packet */
	bench_destroy(b);
}
END_TEST

START_TEST(old_unused_neighbours_are_forgotten)
{
	struct bench *b = bench_start(NULL);

	bench_sysctl(b, "neigh.gc_thresh1", "0");
	bench_learn(b, WAN, peer, PEER_MAC);
	bench_advance(b, 59000);
	ck_assert_str_eq(bench_neigh(b, peer), "STALE");
	bench_advance(b, 7000);
	ck_assert_str_eq(bench_neigh(b, peer), "");
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("neigh", PLAIN_TEST(packets_wait_for_the_answer_and_leave_in_order),
	PLAIN_TEST(packets_that_wait_are_not_overtaken_when_they_are_released),
	PLAIN_TEST(a_full_queue_loses_its_oldest_packets),
	PLAIN_TEST(the_length_of_the_queue_is_a_setting),
	PLAIN_TEST(neighbours_wait_apart_from_each_other),
	PLAIN_TEST(packets_to_a_gateway_wait_for_the_gateway),
	PLAIN_TEST(an_echo_reply_waits_like_any_packet),
	PLAIN_TEST(a_neighbour_set_by_hand_releases_what_waits),
	PLAIN_TEST(three_probes_a_second_apart_then_host_unreachable),
	PLAIN_TEST(how_often_and_how_fast_is_a_setting),
	PLAIN_TEST(our_own_packets_are_dropped_without_an_error),
	PLAIN_TEST(a_failed_neighbour_is_asked_again_by_the_next_packet),
	PLAIN_TEST(a_neighbour_goes_through_its_states),
	PLAIN_TEST(three_unicast_probes_then_failed),
	PLAIN_TEST(a_neighbour_in_use_is_verified_again_and_again),
	PLAIN_TEST(a_permanent_neighbour_listens_to_operators_only),
	PLAIN_TEST(a_deleted_neighbour_is_resolved_anew),
	PLAIN_TEST(a_neighbour_deleted_while_packets_wait_is_unreachable),
	PLAIN_TEST(a_full_table_takes_no_more_neighbours_and_recovers),
	PLAIN_TEST(a_full_table_has_room_for_operators_and_routes),
	PLAIN_TEST(old_unused_neighbours_are_forgotten))
