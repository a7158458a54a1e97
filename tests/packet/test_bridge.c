/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bridges as stations see them: who gets which frame, byte for byte, what is learned and forgotten, and what
 * bridges do not pass on. Without VLANs (test_bridge_vlan.c) and without what weir itself says in them
 * (test_bridge_own.c). The topology is that of kit_bridge.h.
 */
#include "kit_bridge.h"

#include <rte_cycles.h>

#include "dp/worker.h"

enum { OTHERS = TO_E1 | TO_E2 | TO_E3 };

/* Learning */

START_TEST(a_station_is_asked_for_everywhere_until_it_is_known)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct drops drops = drops_take(b);

	station_says(b, E0, STATION_A, STATION_B, OTHERS);
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "e0");
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "");
	station_says(b, E1, STATION_B, STATION_A, TO_E0);
	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	station_says(b, E3, STATION_D, STATION_B, TO_E1);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(groups_reach_everybody_always)
{
	static const char *const groups[] = { ANY_MAC, "01:00:5e:00:00:fb", "33:33:00:00:00:01",
		"01:80:c2:00:00:10", "03:00:00:00:00:00" };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < RTE_DIM(groups); i++)
		station_says(b, E0, STATION_A, groups[i], OTHERS);
	/* The bridge's own link has nobody who takes them. */
	drops_expect(b, &drops, "eth_type_unknown", RTE_DIM(groups));
	bench_destroy(b);
}
END_TEST

START_TEST(a_station_that_moves_is_found_where_it_is)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);

	station_says(b, E0, STATION_A, STATION_B, OTHERS);
	station_says(b, E2, STATION_A, STATION_B, TO_E0 | TO_E1 | TO_E3);
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "e2");
	station_says(b, E0, STATION_B, STATION_A, TO_E2);
	ck_assert_uint_eq(fdb_count(b, "e0"), 1);
	ck_assert_uint_eq(fdb_count(b, "e2"), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_silent_station_is_forgotten_and_one_that_talks_is_not)
{
	struct bench *b = bridge_start(ALL_MEMBERS, "ageing = \"3s\"; fdb_max = 64;", NULL);

	station_says(b, E0, STATION_A, STATION_C, OTHERS);
	station_says(b, E1, STATION_B, STATION_A, TO_E0);
	for (unsigned int i = 0; i < 3; i++) {
		bench_advance(b, 2000);
		station_says(b, E1, STATION_B, STATION_C, TO_E0 | TO_E2 | TO_E3);
	}
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "");
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "e1");
	station_says(b, E2, STATION_C, STATION_A, TO_E0 | TO_E1 | TO_E3);
	station_says(b, E2, STATION_C, STATION_B, TO_E1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_static_station_stays_where_it_was_put)
{
	struct bench *b = bridge_start(ALL_MEMBERS, "ageing = \"1s\"; fdb_max = 64;",
		"fdb = ( { mac = \"" STATION_A "\"; dev = \"e1\"; } );");

	station_says(b, E0, STATION_B, STATION_A, TO_E1);
	/* It claims to be elsewhere: it may talk, and stays where it is. */
	station_says(b, E2, STATION_A, STATION_B, TO_E0);
	bench_advance(b, 5000);
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "e1");
	station_says(b, E0, STATION_B, STATION_A, TO_E1);
	json_decref(bench_call(b, "fdb.flush", "{\"dev\": \"br0\"}"));
	station_says(b, E0, STATION_B, STATION_A, TO_E1);
	json_decref(bench_call(b, "fdb.del", "{\"mac\": \"" STATION_A "\", \"dev\": \"e1\"}"));
	station_says(b, E0, STATION_B, STATION_A, OTHERS);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_with_learning_off_teaches_nothing)
{
	struct bench *b = bridge_start(
		"{ name = \"e0\"; learning = false; }, \"e1\", \"e2\", \"e3\"", NULL, NULL);

	station_says(b, E0, STATION_A, STATION_B, OTHERS);
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "");
	station_says(b, E1, STATION_B, STATION_A, TO_E0 | TO_E2 | TO_E3);
	/* Nor does it take over what is known elsewhere. */
	station_says(b, E0, STATION_B, STATION_C, OTHERS);
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "e1");
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_with_flood_off_is_not_asked)
{
	struct bench *b = bridge_start(
		"\"e0\", { name = \"e1\"; flood = false; }, \"e2\", \"e3\"", NULL, NULL);

	station_says(b, E0, STATION_A, STATION_B, TO_E2 | TO_E3);
	station_says(b, E0, STATION_A, ANY_MAC, OTHERS);
	station_says(b, E1, STATION_B, STATION_A, TO_E0);
	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	bench_destroy(b);
}
END_TEST

/* Sends from n invented addresses, in bursts. */
static void send_invented(struct bench *b, unsigned int port, unsigned int n)
{
	struct frame frame;
	char mac[32];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(mac, sizeof(mac), "06:00:00:%02x:%02x:%02x", port, i >> 8, i & 255);
		station_frame(&frame, mac, STATION_B, 50);
		bench_send(b, port, &frame);
		if (i % 100 == 99) {
			bench_run(b);
			bench_discard(b);
		}
	}
	bench_run(b);
	bench_discard(b);
}

START_TEST(invented_stations_evict_nobody)
{
	struct bench *b = bridge_start(
		"{ name = \"e0\"; fdb_max = 10; }, \"e1\", \"e2\", \"e3\"", "fdb_max = 64;", NULL);
	uint64_t end;
	unsigned int n_local = 4; /* addresses of the bridge and of its members */

	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	send_invented(b, E0, 1000);
	ck_assert_uint_eq(fdb_count(b, "e0"), 10);
	send_invented(b, E2, 5000);
	ck_assert_uint_eq(fdb_count(b, "br0") + n_local, 64);
	ck_assert_uint_eq(fdb_count(b, "e0") + fdb_count(b, "e1"), 11);
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "e1");
	/* Who finds no room is flooded. */
	station_says(b, E3, STATION_C, STATION_B, TO_E1);
	ck_assert_str_eq(fdb_place(b, STATION_C, 0), "");
	station_says(b, E1, STATION_B, STATION_C, TO_E0 | TO_E2 | TO_E3);
	/* When there is room again it is learned, once its worker tells of it again. */
	json_decref(bench_call(b, "fdb.flush", "{\"dev\": \"e2\"}"));
	end = rte_rdtsc() + 10 * rte_get_tsc_hz();
	while (fdb_place(b, STATION_C, 0)[0] == '\0') {
		REQUIRE_MSG(rte_rdtsc() < end, "it is never told again");
		station_says(b, E3, STATION_C, STATION_B, TO_E1);
	}
	station_says(b, E1, STATION_B, STATION_C, TO_E3);
	bench_destroy(b);
}
END_TEST

/* Who may talk to whom */

/* The table of a bridge begins small: what was known before it grew is known after that. */
START_TEST(a_table_grows_with_its_stations)
{
	const unsigned int n = 20000;
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);

	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	send_invented(b, E0, n);
	ck_assert_uint_eq(fdb_count(b, "e0"), n);
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "e1");
	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	for (unsigned int i = 0; i < n; i += 97) {
		char mac[32];

		snprintf(mac, sizeof(mac), "06:00:00:%02x:%02x:%02x", E0, i >> 8, i & 255);
		station_says(b, E1, STATION_B, mac, TO_E0);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(isolated_members_talk_to_the_others_only)
{
	struct bench *b = bridge_start(
		"{ name = \"e0\"; isolated = true; }, { name = \"e1\"; isolated = true; "
		"}, \"e2\", \"e3\"",
		NULL, NULL);
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, TO_E2 | TO_E3);
	station_says(b, E1, STATION_B, ANY_MAC, TO_E2 | TO_E3);
	station_says(b, E2, STATION_C, ANY_MAC, TO_E0 | TO_E1 | TO_E3);
	station_frame(&frame, STATION_A, STATION_B, 50);
	station_fails(b, E0, &frame, "bridge_isolated");
	station_says(b, E0, STATION_A, STATION_C, TO_E2);
	station_says(b, E2, STATION_C, STATION_A, TO_E0);
	bench_destroy(b);
}
END_TEST

START_TEST(frames_between_two_behind_one_member_stay_there)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	station_says(b, E0, STATION_A, ANY_MAC, OTHERS);
	station_frame(&frame, STATION_B, STATION_A, 50);
	station_fails(b, E0, &frame, "bridge_same_port");
	bench_destroy(b);
}
END_TEST

START_TEST(link_local_groups_are_not_forwarded)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;
	char group[32];

	for (unsigned int i = 0; i < 16; i++) {
		snprintf(group, sizeof(group), "01:80:c2:00:00:%02x", i);
		station_frame(&frame, STATION_A, group, 50);
		station_fails(b, E0, &frame, "bridge_reserved");
	}
	station_says(b, E0, STATION_A, "01:80:c2:00:01:00", OTHERS);
	bench_destroy(b);
}
END_TEST

START_TEST(sources_that_cannot_be_are_dropped)
{
	static const char *const sources[] = { ANY_MAC, "01:00:00:00:00:01", NO_MAC, E0_MAC, E1_MAC,
		E3_MAC };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	for (unsigned int i = 0; i < RTE_DIM(sources); i++) {
		station_frame(&frame, sources[i], STATION_B, 50);
		station_fails(b, E2, &frame, "bridge_bad_source");
		ck_assert_uint_eq(fdb_count(b, "e2"), 0);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_frame_without_a_header_is_dropped)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, STATION_B, 0);
	station_send(b, E0, &frame, OTHERS);
	frame.len = 13;
	station_fails(b, E0, &frame, "bridge_truncated");
	/* One in two pieces is one. */
	station_frame(&frame, STATION_A, STATION_B, 50);
	bench_push_split(b, E0, &frame, 10);
	for (unsigned int port = E1; port <= E3; port++)
		bench_expect_bytes(b, port, &frame);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(with_nobody_else_there_is_nobody_to_ask)
{
	struct bench *b = bridge_start("\"e0\"", NULL, NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, STATION_B, 50);
	station_fails(b, E0, &frame, "bridge_nobody");
	bench_destroy(b);
}
END_TEST

/* Sizes and buffers */

START_TEST(what_a_member_cannot_send_is_not_sent_by_it)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	link_set_to(b, "e1", "\"mtu\": 1400");
	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	/* As in Linux there is room for a tag. */
	station_frame(&frame, STATION_A, STATION_B, 1404);
	station_send(b, E0, &frame, TO_E1);
	station_frame(&frame, STATION_A, STATION_B, 1405);
	station_fails(b, E0, &frame, "bridge_too_big");
	station_frame(&frame, STATION_A, STATION_C, 1405);
	station_send(b, E0, &frame, TO_E2 | TO_E3);
	link_set_to(b, "e1", "\"mtu\": 1500");
	station_frame(&frame, STATION_A, STATION_B, 1405);
	station_send(b, E0, &frame, TO_E1);
	bench_destroy(b);
}
END_TEST

/* Tags do not count. Filtering or not, the station known or not. */
START_TEST(full_frames_are_switched_with_their_tags)
{
	static const uint16_t tags[] = { RTE_ETHER_TYPE_QINQ, RTE_ETHER_TYPE_VLAN,
		RTE_ETHER_TYPE_QINQ, RTE_ETHER_TYPE_QINQ }; /* innermost first */

	for (unsigned int i = 0; i < 2 * (RTE_DIM(tags) + 1); i++) {
		unsigned int n_tags = i / 2, n_spare = n_tags < 2 ? 4 - 4 * n_tags : 0;
		struct bench *b = bridge_start(
			ALL_MEMBERS, i % 2 == 0 ? NULL : "vlan_filtering = true;", NULL);
		struct frame frame, longer;

		station_frame(&frame, STATION_A, STATION_B, 1500);
		/* As in Linux there is room for a tag, also where there is none. */
		station_frame(&longer, STATION_A, STATION_B, 1501 + n_spare);
		/* Not that of a VLAN of the bridge. */
		for (unsigned int k = 0; k < n_tags; k++) {
			bool is_outer = k == n_tags - 1;

			frame_tag(&frame, is_outer ? RTE_ETHER_TYPE_QINQ : tags[k], 5);
			frame_tag(&longer, is_outer ? RTE_ETHER_TYPE_QINQ : tags[k], 5);
		}
		station_send(b, E0, &frame, TO_E1 | TO_E2 | TO_E3);
		station_fails(b, E0, &longer, "bridge_nobody");
		station_says(b, E1, STATION_B, STATION_A, TO_E0);
		station_send(b, E0, &frame, TO_E1);
		/* Both stations are known by now. */
		station_send(b, E0, &frame, TO_E1);
		station_fails(b, E0, &longer, "bridge_too_big");
		bench_destroy(b);
	}
}
END_TEST

START_TEST(frames_in_pieces_come_out_whole)
{
	static const uint16_t pieces[] = { 14, 15, 64, 700 };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	for (unsigned int i = 0; i < RTE_DIM(pieces); i++) {
		station_frame(&frame, STATION_A, STATION_C, 1000);
		bench_send_segs(b, E0, &frame, pieces[i]);
		bench_run(b);
		for (unsigned int port = E1; port <= E3; port++)
			bench_expect_bytes(b, port, &frame);
		station_frame(&frame, STATION_A, STATION_B, 1000);
		bench_send_segs(b, E0, &frame, pieces[i]);
		bench_run(b);
		bench_expect_bytes(b, E1, &frame);
		bench_expect_nothing(b);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(shared_frames_are_passed_on_and_not_written_to)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct rte_mbuf *m;
	struct frame frame;

	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	station_frame(&frame, STATION_A, STATION_B, 50);
	m = station_send_shared(b, E0, &frame);
	bench_expect_bytes(b, E1, &frame);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, char *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	station_frame(&frame, STATION_A, ANY_MAC, 50);
	m = station_send_shared(b, E0, &frame);
	for (unsigned int port = E1; port <= E3; port++)
		bench_expect_bytes(b, port, &frame);
	bench_expect_nothing(b);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, char *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	bench_destroy(b);
}
END_TEST

START_TEST(without_buffers_a_flood_ends_and_nothing_leaks)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	static const char *const to[] = { STATION_B, ANY_MAC };
	struct rte_mbuf **buffers;
	struct frame frame;
	unsigned int n;

	for (unsigned int left = 0; left < 4; left++) {
		station_frame(&frame, STATION_A, to[left % 2], 50);
		bench_send(b, E0, &frame);
		buffers = bench_take_buffers(b, &n);
		for (unsigned int i = 0; i < left / 2; i++)
			rte_pktmbuf_free(buffers[--n]);
		bench_run(b);
		ck_assert_uint_eq(bench_drops(b, "bridge_no_buffer"), left + 1);
		bench_give_buffers(buffers, n);
		bench_discard(b);
	}
	station_says(b, E0, STATION_A, STATION_B, OTHERS);
	bench_destroy(b);
}
END_TEST

/* Limits */

START_TEST(a_member_has_room_again_for_whom_it_lost)
{
	struct bench *b =
		bridge_start("{ name = \"e0\"; fdb_max = 1; }, \"e1\", \"e2\", \"e3\"", NULL, NULL);

	station_says(b, E0, STATION_A, STATION_D, OTHERS);
	station_says(b, E0, STATION_B, STATION_D, OTHERS);
	ck_assert_str_eq(fdb_place(b, STATION_B, 0), "");
	/* Put elsewhere for good; moved elsewhere; deleted. */
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"" STATION_A "\", \"dev\": \"e1\"}"));
	station_says(b, E0, STATION_C, STATION_D, OTHERS);
	ck_assert_str_eq(fdb_place(b, STATION_C, 0), "e0");
	station_says(b, E2, STATION_C, STATION_A, TO_E1);
	station_says(b, E0, "06:00:00:00:00:01", STATION_A, TO_E1);
	ck_assert_str_eq(fdb_place(b, "06:00:00:00:00:01", 0), "e0");
	json_decref(bench_call(b, "fdb.del", "{\"mac\": \"06:00:00:00:00:01\", \"dev\": \"e0\"}"));
	station_says(b, E0, "06:00:00:00:00:02", STATION_A, TO_E1);
	ck_assert_str_eq(fdb_place(b, "06:00:00:00:00:02", 0), "e0");
	/* A static one does not count, nor does it go when learned ones do. */
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"06:00:00:00:00:03\", \"dev\": \"e0\"}"));
	json_decref(bench_call(b, "fdb.flush", "{\"dev\": \"e0\"}"));
	station_says(b, E0, "06:00:00:00:00:04", STATION_A, TO_E1);
	ck_assert_str_eq(fdb_place(b, "06:00:00:00:00:04", 0), "e0");
	ck_assert_str_eq(fdb_place(b, "06:00:00:00:00:03", 0), "e0");
	bench_destroy(b);
}
END_TEST

/* Workers */

START_TEST(workers_forward_for_each_other)
{
	enum { N = 60 };
	static const char *const stations[] = { STATION_A, STATION_B, STATION_C, STATION_D };
	struct bench *b = bridge_start_with(ALL_MEMBERS, "mtu = 1500;", NULL, 2, 16384);
	struct drops drops;
	struct frame frame;

	for (unsigned int port = E0; port <= E3; port++) {
		station_frame(&frame, stations[port], "06:00:00:00:00:01", 50);
		bench_push(b, port, &frame);
	}
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < N; i++)
		for (unsigned int port = E0; port <= E3; port++) {
			station_frame(
				&frame, stations[port], stations[(port + 1 + i % 3) % 4], 40 + i);
			bench_send(b, port, &frame);
			station_frame(&frame, stations[port], "06:00:00:00:00:01", 40 + i);
			bench_send(b, port, &frame);
		}
	bench_run(b);
	for (unsigned int port = E0; port <= E3; port++)
		ck_assert_uint_eq(bench_count(b, port), N + 3 * N);
	drops_expect_none(b, &drops);
	ck_assert_uint_gt(b->dp->workers[0]->stats.tx, 0);
	ck_assert_uint_gt(b->dp->workers[0]->taken_over + b->dp->workers[1]->taken_over, N);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge", PLAIN_TEST(a_station_is_asked_for_everywhere_until_it_is_known),
	PLAIN_TEST(groups_reach_everybody_always),
	PLAIN_TEST(a_station_that_moves_is_found_where_it_is),
	PLAIN_TEST(a_silent_station_is_forgotten_and_one_that_talks_is_not),
	PLAIN_TEST(a_static_station_stays_where_it_was_put),
	PLAIN_TEST(a_member_with_learning_off_teaches_nothing),
	PLAIN_TEST(a_member_with_flood_off_is_not_asked),
	PLAIN_TEST(invented_stations_evict_nobody), PLAIN_TEST(a_table_grows_with_its_stations),
	PLAIN_TEST(isolated_members_talk_to_the_others_only),
	PLAIN_TEST(frames_between_two_behind_one_member_stay_there),
	PLAIN_TEST(link_local_groups_are_not_forwarded),
	PLAIN_TEST(sources_that_cannot_be_are_dropped),
	PLAIN_TEST(a_frame_without_a_header_is_dropped),
	PLAIN_TEST(with_nobody_else_there_is_nobody_to_ask),
	PLAIN_TEST(what_a_member_cannot_send_is_not_sent_by_it),
	PLAIN_TEST(full_frames_are_switched_with_their_tags),
	PLAIN_TEST(frames_in_pieces_come_out_whole),
	PLAIN_TEST(shared_frames_are_passed_on_and_not_written_to),
	PLAIN_TEST(without_buffers_a_flood_ends_and_nothing_leaks),
	PLAIN_TEST(a_member_has_room_again_for_whom_it_lost),
	PLAIN_TEST(workers_forward_for_each_other))
