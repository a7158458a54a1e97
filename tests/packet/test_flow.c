/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connection tracking without any rule: packets of connections take the quick way, states and times
 * are nf_conntrack's, the table gives way where it may and nowhere else.
 */
#include "kit.h"

#include "base/mem.h"
#include "flow/flow.h"

static struct bench *track_start(const char *config)
{
	struct bench *b = bench_start(config);

	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	return b;
}

static uint64_t stage_packets(const struct bench *b, const char *name)
{
	return b->dp->workers[0]->nodes[dp_stage_index(b->dp, name)].packets;
}

static const struct ip4_spec there = { .src = "192.0.2.10", .dst = "10.1.2.3", .payload_len = 10 };
static const struct ip4_spec back = { .src_mac = DMZ_HOST,
	.dst_mac = DMZ_MAC,
	.src = "10.1.2.3",
	.dst = "192.0.2.10",
	.sport = 2000,
	.dport = 1000,
	.payload_len = 10 };

static void exchange(struct bench *b)
{
	struct frame frame, got;

	frame_ip4(&frame, &there);
	bench_push(b, LAN, &frame);
	bench_expect(b, DMZ, &got);
	frame_check_ip4(&got);
	frame_forward(&frame, DMZ_MAC, DMZ_HOST);
	ck_assert_mem_eq(frame.bytes, got.bytes, frame.len);
	frame_ip4(&frame, &back);
	bench_push(b, DMZ, &frame);
	bench_expect(b, LAN, &got);
	frame_forward(&frame, LAN_MAC, HOST_MAC);
	ck_assert_mem_eq(frame.bytes, got.bytes, frame.len);
}

START_TEST(second_packets_take_the_quick_way)
{
	struct bench *b = track_start(router_config);
	uint64_t before;

	exchange(b);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	before = stage_packets(b, "track");
	for (unsigned int i = 0; i < 3; i++)
		exchange(b);
	/* The first reply changes the connection's state, and each direction's way is found once. */
	ck_assert_uint_eq(stage_packets(b, "track"), before);
	ck_assert_uint_eq(stage_packets(b, "flow4"), 8);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(silent_connections_end)
{
	struct bench *b = track_start(router_config);

	exchange(b);
	bench_advance(b, 29000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_advance(b, 2000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	bench_destroy(b);
}
END_TEST

/* Of 16,384 bytes at once 11 packets of 1,428 bytes pass, and one that the bucket still had a byte for. */
START_TEST(a_rate_polices_both_directions_of_its_connections)
{
	char *config = mem_printf("%s firewall: { forward: { rules = ( { in = \"lan\"; rate = "
				  "\"8kbit\"; action = \"accept\"; } ); }; };",
		router_config);
	struct bench *b = bench_start(config);
	struct ip4_spec to = there, from = back;
	struct drops drops;
	struct frame frame;

	to.payload_len = from.payload_len = 1400;
	for (unsigned int i = 0; i < 6; i++) {
		frame_ip4(&frame, &to);
		bench_push(b, LAN, &frame);
		frame_ip4(&frame, &from);
		bench_push(b, DMZ, &frame);
	}
	ck_assert_uint_eq(bench_count(b, DMZ), 6);
	ck_assert_uint_eq(bench_count(b, LAN), 6);
	drops = drops_take(b);
	frame_ip4(&frame, &to);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "firewall_rate", 1);
	frame_ip4(&frame, &from);
	bench_push(b, DMZ, &frame);
	drops_expect(b, &drops, "firewall_rate", 2);
	bench_destroy(b);
	free(config);
}
END_TEST

START_TEST(fragments_share_the_fate_of_the_first)
{
	char *config = mem_printf(
		"%s firewall: { forward: { rules = ( { state = \"new\"; proto = \"udp\"; dport = "
		"2000; action = \"drop\"; } ); }; };",
		router_config);
	struct bench *b = bench_start(config);
	struct drops drops = drops_take(b);
	struct ip4_spec spec = there;
	struct frame frame;

	spec.payload_len = 64;
	spec.fragment = RTE_IPV4_HDR_MF_FLAG;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "firewall_drop_forward", 1);
	drops = drops_take(b);
	spec.fragment = 9; /* behind the UDP header and 64 bytes */
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "flow_fragment_refused", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
	free(config);
}
END_TEST

START_TEST(a_fragment_whose_connection_has_ended_is_invalid)
{
	struct bench *b = track_start(router_config);
	struct ip4_spec spec = there;
	struct drops drops;
	struct frame frame;

	spec.payload_len = 64;
	spec.fragment = RTE_IPV4_HDR_MF_FLAG;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	bench_advance(b, 31000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	drops = drops_take(b);
	spec.fragment = 9;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "flow_invalid_fragment", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* A segment from there, or back, with options that scale windows by 128; in buffers of 56 bytes. */
static void push_scaled(struct bench *b, bool is_back, uint8_t flags, uint32_t seq, uint32_t ack)
{
	static const uint8_t options[12] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7 };
	struct ip4_spec spec = is_back ? back : there;
	struct frame frame;
	struct rte_tcp_hdr *tcp;

	spec.proto = IPPROTO_TCP;
	spec.payload_len = sizeof(options);
	frame_ip4(&frame, &spec);
	tcp = (struct rte_tcp_hdr *)(void *)frame_l4(&frame);
	if (flags & RTE_TCP_SYN_FLAG) {
		memcpy(tcp + 1, options, sizeof(options));
		tcp->data_off = (sizeof(*tcp) + sizeof(options)) / 4 << 4;
	}
	tcp->tcp_flags = flags;
	tcp->sent_seq = rte_cpu_to_be_32(seq);
	tcp->recv_ack = rte_cpu_to_be_32(ack);
	tcp->rx_win = RTE_BE16(1000);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(frame_ip(&frame), tcp);
	bench_send_segs(b, is_back ? DMZ : LAN, &frame, 56);
	bench_run(b);
}

/* RFC 1812 4.3.2.7: also when a rule refuses it before its route is known. */
START_TEST(nobody_is_told_of_a_refused_broadcast)
{
	char *config =
		mem_printf("%sfirewall: { prerouting: { rules = ( { proto = \"udp\"; action = "
			   "\"reject\"; } ); }; };\n",
			router_config);
	struct bench *b = bench_start(config);
	struct drops drops = drops_take(b);
	struct frame frame, got;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.255" });
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "firewall_reject_prerouting", 1);
	bench_expect_nothing(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.10" });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &got);
	bench_destroy(b);
	free(config);
}
END_TEST

START_TEST(options_in_another_buffer_are_read)
{
	enum { S = RTE_TCP_SYN_FLAG, A = RTE_TCP_ACK_FLAG };
	struct bench *b = track_start(router_config);

	push_scaled(b, false, S, 100, 0);
	push_scaled(b, true, S | A, 500, 101);
	push_scaled(b, false, A, 101, 501);
	push_scaled(b, true, A, 501, 113);
	ck_assert_uint_eq(stage_packets(b, "prerouting"), 1);
	/* Within windows of 128,000, far beyond those of 1,000. */
	push_scaled(b, false, A, 100000, 513);
	push_scaled(b, true, A, 100000, 100012);
	ck_assert_uint_eq(stage_packets(b, "prerouting"), 1);
	ck_assert_uint_eq(bench_count(b, DMZ), 3);
	ck_assert_uint_eq(bench_count(b, LAN), 3);
	bench_destroy(b);
}
END_TEST

/* The table is full: a new connection takes the entry of the oldest, whose first answer is in the same pass. */
START_TEST(an_answer_is_not_taken_for_the_connection_that_took_its_place)
{
	enum { ROOM = 64 };
	char *config = mem_printf(
		"sysctl: { conntrack: { max = %d; }; }; %s firewall: { postrouting: { rules = ( "
		"{ out = \"dmz\"; action = \"masquerade\"; } ); }; };",
		ROOM, router_config);
	struct bench *b = bench_start(config);
	struct ip4_spec to = there, from = back;
	struct drops drops;
	struct frame frame;

	for (unsigned int i = 0; i < ROOM; i++) {
		to.sport = (uint16_t)(3000 + i);
		frame_ip4(&frame, &to);
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(bench_count(b, DMZ), ROOM);
	ck_assert_uint_eq(flow_n_tracked(b->dp), ROOM);
	drops = drops_take(b);
	from.dst = "203.0.113.1";
	from.dport = 3000;
	frame_ip4(&frame, &from);
	bench_send(b, DMZ, &frame);
	to.src = "192.0.2.77";
	to.sport = 5000;
	frame_ip4(&frame, &to);
	bench_send(b, LAN, &frame);
	bench_run(b);
	drops_expect(b, &drops, "flow_table_full", 1);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	bench_expect_nothing(b);
	bench_destroy(b);
	free(config);
}
END_TEST

PACKET_MAIN("flow", PLAIN_TEST(nobody_is_told_of_a_refused_broadcast),
	PLAIN_TEST(second_packets_take_the_quick_way), PLAIN_TEST(silent_connections_end),
	PLAIN_TEST(an_answer_is_not_taken_for_the_connection_that_took_its_place),
	PLAIN_TEST(options_in_another_buffer_are_read),
	PLAIN_TEST(fragments_share_the_fate_of_the_first),
	PLAIN_TEST(a_fragment_whose_connection_has_ended_is_invalid),
	PLAIN_TEST(a_rate_polices_both_directions_of_its_connections))
