/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What connection tracking takes and what not: limits of sources, what a full table does, packets that
 * begin a connection together, and those that are invalid, each dropped by name.
 */
#include "kit_conntrack.h"

#include "base/mem.h"
#include "flow/flow.h"

/* Limits */

START_TEST(a_source_has_no_more_than_its_limit)
{
	struct bench *b = track_start("1024");
	struct drops before = drops_take(b);

	bench_sysctl(b, "conntrack.max_per_source", "10");
	for (unsigned int i = 0; i < 13; i++)
		track_send_udp(b, "192.0.2.10", (uint16_t)(1000 + i), 2000);
	bench_run(b);
	drops_expect(b, &before, "flow_source_limit", 3);
	ck_assert_int_eq(track_stat(b, "source_limit"), 3);
	before = drops_take(b);
	/* Those that it has go on, others have their own. */
	track_send_udp(b, "192.0.2.10", 1009, 2000);
	track_send_udp(b, "192.0.2.11", 1000, 2000);
	bench_run(b);
	drops_expect_none(b, &before);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 11);
	bench_advance(b, 31000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	for (unsigned int i = 0; i < 10; i++)
		track_send_udp(b, "192.0.2.10", (uint16_t)(2000 + i), 2000);
	bench_run(b);
	drops_expect_none(b, &before);
	bench_sysctl(b, "conntrack.max_per_source", "0");
	track_send_udp(b, "192.0.2.10", 3000, 2000);
	bench_run(b);
	drops_expect_none(b, &before);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(many_sources_come_and_go)
{
	struct bench *b = track_start("4096");
	struct drops before = drops_take(b);
	char src[32];

	bench_sysctl(b, "conntrack.max_per_source", "2");
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 1000; i++) {
			snprintf(src, sizeof(src), "172.16.%u.%u", i / 250, 1 + i % 250);
			track_send_udp(b, src, 1000, 2000);
			track_send_udp(b, src, 1001, 2000);
			if (i % 250 == 249) {
				bench_run(b);
				bench_discard(b);
			}
		}
		ck_assert_uint_eq(flow_n_tracked(b->dp), 2000);
		bench_advance(b, 31000);
		ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	}
	drops_expect_none(b, &before);
	bench_destroy(b);
}
END_TEST

START_TEST(a_full_table_drops_the_oldest_that_nobody_has_answered)
{
	struct bench *b = track_start("64");
	struct client *client = bench_connect(b);
	struct drops before = drops_take(b);

	for (unsigned int i = 0; i < 10; i++)
		track_establish(b, (uint16_t)(5000 + i));
	track_send_many(b, 10000, 54);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 64);
	track_send_many(b, 20000, 3);
	drops_expect_none(b, &before);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 64);
	ck_assert_int_eq(track_stat(b, "early_drop"), 3);
	ck_assert_uint_eq(track_count(b, client, "{\"sport\": 10002}"), 0);
	ck_assert_uint_eq(track_count(b, client, "{\"sport\": 10003}"), 1);
	ck_assert_uint_eq(track_count(b, client, "{\"status\": \"ASSURED\"}"), 10);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* An ACK for a SYN may be a challenge: it passes and proves nothing, in however many pieces. */
START_TEST(fragments_assure_no_tcp_connection)
{
	struct ip4_spec spec = { .src_mac = DMZ_HOST,
		.dst_mac = DMZ_MAC,
		.src = "10.1.2.3",
		.dst = "192.0.2.10",
		.proto = IPPROTO_TCP,
		.fragment = RTE_IPV4_HDR_MF_FLAG,
		.sport = 80,
		.dport = 5000,
		.payload_len = 60 };
	struct bench *b = track_start("64");
	struct client *client = bench_connect(b);
	struct frame frame;

	track_send_tcp(b, false, 5000, RTE_TCP_SYN_FLAG, 100, 0);
	bench_run(b);
	frame_ip4(&frame, &spec);
	((struct rte_tcp_hdr *)(void *)frame_l4(&frame))->tcp_flags = RTE_TCP_ACK_FLAG;
	bench_push(b, DMZ, &frame);
	spec.fragment = (20 + 60) / 8;
	frame_ip4(&frame, &spec);
	bench_push(b, DMZ, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 2);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	ck_assert_uint_eq(track_count(b, client, "{\"state\": \"SYN_SENT\"}"), 1);
	ck_assert_uint_eq(track_count(b, client, "{\"status\": \"ASSURED\"}"), 0);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(established_connections_never_give_way)
{
	struct bench *b = track_start("64");
	struct drops before;

	for (unsigned int i = 0; i < 64; i++)
		track_establish(b, (uint16_t)(5000 + i));
	before = drops_take(b);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	track_send_tcp(b, false, 6000, RTE_TCP_SYN_FLAG, 100, 0);
	bench_run(b);
	drops_expect(b, &before, "flow_table_full", 2);
	ck_assert_int_eq(track_stat(b, "drop"), 2);
	ck_assert_int_eq(track_stat(b, "early_drop"), 0);
	before = drops_take(b);
	track_send_tcp(b, false, 5063, RTE_TCP_ACK_FLAG, 101, 901);
	bench_run(b);
	drops_expect_none(b, &before);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(the_limit_can_be_lowered_and_raised_to_what_there_is_room_for)
{
	struct bench *b = track_start("128");
	struct drops before;
	json_t *count;

	for (unsigned int i = 0; i < 100; i++)
		track_establish(b, (uint16_t)(5000 + i));
	bench_sysctl(b, "conntrack.max", "64");
	before = drops_take(b);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	bench_run(b);
	drops_expect(b, &before, "flow_table_full", 1);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 100);
	bench_expect_error(b, "sysctl.set", "{\"name\": \"conntrack.max\", \"value\": \"129\"}",
		"made for 128 connections");
	count = bench_call(b, "conntrack.count", NULL);
	ck_assert_int_eq(json_int_at(count, "count"), 100);
	ck_assert_int_eq(json_int_at(count, "max"), 64);
	ck_assert_int_gt(json_int_at(count, "memory"), 128 * 192);
	json_decref(count);
	bench_sysctl(b, "conntrack.max", "128");
	before = drops_take(b);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	bench_run(b);
	drops_expect_none(b, &before);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 101);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(flows_that_share_their_steering_hash_fill_the_table)
{
	struct bench *b = track_start("4096");
	struct client *client = bench_connect(b);
	struct drops before = drops_take(b);

	/* The XOR of both ports is the same for all. */
	for (unsigned int i = 0; i < 4096; i++) {
		track_send_udp(
			b, "192.0.2.10", (uint16_t)(10000 + i), (uint16_t)((10000 + i) ^ 0x1234));
		if (i % 1024 == 1023) {
			bench_run(b);
			bench_discard(b);
		}
	}
	drops_expect_none(b, &before);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 4096);
	ck_assert_int_eq(track_stat(b, "early_drop"), 0);
	ck_assert_int_eq(track_del(b, client, "{\"proto\": \"udp\"}"), 4096);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(two_first_packets_of_one_burst_make_one_connection)
{
	struct bench *b = track_start("1024");
	struct client *client = bench_connect(b);
	json_t *rows;

	track_send_udp(b, "192.0.2.10", 1000, 2000);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, DMZ), 2);
	rows = client_call(b, client, "conntrack.list", "{}");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_int_eq(json_int_at(rows, "0.orig.packets"), 2);
	json_decref(rows);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_second_packet_that_cannot_follow_the_first_is_dropped_by_name)
{
	struct bench *b = track_start("1024");
	struct drops before = drops_take(b);

	/* In one burst: both are first packets until the first of them has made the connection. */
	track_send_tcp(b, false, 5000, RTE_TCP_SYN_FLAG, 100, 0);
	track_send_tcp(b, false, 5000, RTE_TCP_ACK_FLAG, 101, 1);
	bench_run(b);
	drops_expect(b, &before, "flow_invalid_tcp_state", 1);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* What is invalid, dropped by a rule under the name of what is wrong with it */

static const struct {
	const char *reason;
	struct ip4_spec spec;
	uint16_t total_len; /* of the IP packet; 0: as it is */
	uint8_t at;	    /* in the L4 header: these bytes instead */
	uint8_t n;
	const char *bytes;
	bool is_summed; /* and its checksum right again */
} invalids[] = {
	{ .reason = "flow_invalid_truncated", .total_len = 24 },
	{ .reason = "flow_invalid_length", .at = 4, .n = 2, .bytes = "\x00\x07" },
	{ .reason = "flow_invalid_checksum", .at = 6, .n = 2, .bytes = "\x12\x34" },
	{ .reason = "flow_invalid_tcp_flags",
		.spec = { .proto = IPPROTO_TCP },
		.at = 13,
		.n = 1,
		.bytes = "\x03",
		.is_summed = true },
	{ .reason = "flow_invalid_tcp_state",
		.spec = { .proto = IPPROTO_TCP },
		.at = 13,
		.n = 1,
		.bytes = "\x12",
		.is_summed = true },
	{ .reason = "flow_invalid_icmp", .spec = { .proto = IPPROTO_ICMP, .icmp_type = 0 } },
	{ .reason = "flow_invalid_icmp_error",
		.spec = { .proto = IPPROTO_ICMP, .icmp_type = 3, .payload_len = 28 } },
};

static struct bench *invalid_start(void)
{
	char *config = mem_printf("%s\nfirewall: { forward: { rules = ( { state = \"invalid\"; "
				  "action = \"drop\"; } ); }; };\n",
		router_config);
	struct bench *b = bench_start(config);

	free(config);
	return b;
}

START_TEST(a_packet_of_no_connection_is_dropped_for_what_is_wrong_with_it)
{
	struct bench *b = invalid_start();
	struct drops before = drops_take(b);
	struct ip4_spec spec = invalids[_i].spec;
	struct frame frame;

	spec.src = "192.0.2.10";
	spec.dst = "10.1.2.3";
	frame_ip4(&frame, &spec);
	memcpy(frame_l4(&frame) + invalids[_i].at,
		invalids[_i].bytes != NULL ? invalids[_i].bytes : "", invalids[_i].n);
	if (invalids[_i].total_len != 0) {
		frame_ip(&frame)->total_length = rte_cpu_to_be_16(invalids[_i].total_len);
		frame_fix_ip(&frame);
	}
	if (invalids[_i].is_summed) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)frame_l4(&frame);

		tcp->cksum = 0;
		tcp->cksum = rte_ipv4_udptcp_cksum(frame_ip(&frame), tcp);
	}
	bench_push(b, LAN, &frame);
	drops_expect(b, &before, invalids[_i].reason, 1);
	ck_assert_int_eq(track_stat(b, "invalid"), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_segment_out_of_window_is_dropped_by_name)
{
	struct bench *b = invalid_start();
	struct drops before;

	track_establish(b, 5000);
	before = drops_take(b);
	track_send_tcp(b, false, 5000, RTE_TCP_ACK_FLAG, 10000000, 901);
	bench_run(b);
	drops_expect(b, &before, "flow_invalid_tcp_window", 1);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("conntrack limits", PLAIN_TEST(a_source_has_no_more_than_its_limit),
	PLAIN_TEST(many_sources_come_and_go),
	PLAIN_TEST(a_full_table_drops_the_oldest_that_nobody_has_answered),
	PLAIN_TEST(fragments_assure_no_tcp_connection),
	PLAIN_TEST(established_connections_never_give_way),
	PLAIN_TEST(the_limit_can_be_lowered_and_raised_to_what_there_is_room_for),
	PLAIN_TEST(flows_that_share_their_steering_hash_fill_the_table),
	PLAIN_TEST(two_first_packets_of_one_burst_make_one_connection),
	PLAIN_TEST(a_second_packet_that_cannot_follow_the_first_is_dropped_by_name),
	LOOP_TEST(a_packet_of_no_connection_is_dropped_for_what_is_wrong_with_it, invalids),
	PLAIN_TEST(a_segment_out_of_window_is_dropped_by_name))
