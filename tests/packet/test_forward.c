/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Forwarding, byte for byte: what goes in by one link comes out of another with new MAC addresses,
 * one less TTL and a right checksum, and nothing else changed.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit.h"

static const struct {
	const char *name;
	struct ip4_spec spec;
} forwarded[] = {
	{ "udp", { .payload_len = 100 } },
	{ "udp without payload", { .payload_len = 0 } },
	{ "udp of the largest size", { .payload_len = 1472 } },
	{ "tcp", { .proto = IPPROTO_TCP, .payload_len = 512 } },
	{ "icmp echo request", { .proto = IPPROTO_ICMP, .icmp_type = 8, .payload_len = 56 } },
	{ "icmp error", { .proto = IPPROTO_ICMP, .icmp_type = 3, .payload_len = 28 } },
	{ "a protocol that weir does not know", { .proto = 253, .payload_len = 33 } },
	{ "no payload at all", { .proto = 253 } },
	{ "the lowest ttl that is forwarded", { .ttl = 2, .payload_len = 8 } },
	{ "the highest ttl", { .ttl = 255, .payload_len = 8 } },
	{ "may not be fragmented", { .fragment = RTE_IPV4_HDR_DF_FLAG, .payload_len = 8 } },
	{ "a first fragment", { .fragment = RTE_IPV4_HDR_MF_FLAG, .payload_len = 64 } },
	{ "a later fragment", { .fragment = 185, .proto = 253, .payload_len = 64 } },
	{ "options", { .options = "\x01\x01\x94\x04\x00\x00\x00\x00", .options_len = 8 } },
	{ "as many options as there can be",
		{ .options = "\x5e\x28\x05\x00_2345678_2345678_2345678_2345678_234",
			.options_len = 40,
			.payload_len = 20 } },
	{ "l4 lengths are not ours to judge", { .sport = 1, .dport = 1, .payload_len = 1 } },
};

/* Sends it in by lan and expects it out of a link as it must be. */
static void check_forwarded(struct bench *b, struct frame *frame, unsigned int port)
{
	static const char *const own[] = { LAN_MAC, WAN_MAC, DMZ_MAC };
	static const char *const next_hop[] = { HOST_MAC, PEER_MAC, DMZ_HOST };

	bench_push(b, LAN, frame);
	frame_forward(frame, own[port], next_hop[port]);
	bench_expect_bytes(b, port, frame);
	bench_expect_nothing(b);
}

START_TEST(packets_are_forwarded_with_new_macs_ttl_and_checksum)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct ip4_spec spec = forwarded[_i].spec;
	struct frame frame;

	spec.src = "192.0.2.10";
	spec.dst = "198.51.100.10"; /* a host on the link */
	frame_ip4(&frame, &spec);
	check_forwarded(b, &frame, WAN);
	spec.dst = "8.8.8.8"; /* behind the default gateway */
	frame_ip4(&frame, &spec);
	check_forwarded(b, &frame, WAN);
	spec.dst = "10.1.2.3"; /* behind another */
	frame_ip4(&frame, &spec);
	check_forwarded(b, &frame, DMZ);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_packet_may_leave_by_the_link_that_it_came_in_by)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.9.0.0/16\", \"via\": \"192.0.2.10\"}"));
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.77",
				  .src_mac = "02:00:00:00:01:77",
				  .dst = "10.9.8.7",
				  .payload_len = 9 });
	check_forwarded(b, &frame, LAN);
	bench_destroy(b);
}
END_TEST

/* The wire's order of a one's complement sum. */
static uint16_t ones_add(uint16_t a, uint16_t b)
{
	uint32_t sum = (uint32_t)a + b;

	return (uint16_t)(sum + (sum >> 16));
}

/* Chooses the identification so that the header's checksum comes out as wanted. */
static void set_checksum(struct rte_ipv4_hdr *ip, uint16_t want)
{
	ip->hdr_checksum = 0;
	ip->packet_id = 0;
	ip->packet_id = ones_add((uint16_t)~want, (uint16_t)~rte_raw_cksum(ip, sizeof(*ip)));
	ip->hdr_checksum = want;
}

static void random_header(struct frame *frame, unsigned int i)
{
	static const uint16_t edges[] = { 0x0000, 0x0001, 0x0100, 0xfeff, 0xfefe, 0xff00, 0xfffe,
		0xff, 0xfdff, 0xffff };
	struct rte_ipv4_hdr *ip = frame_ip(frame);

	ip->type_of_service = (uint8_t)rand();
	ip->packet_id = (uint16_t)rand();
	ip->fragment_offset = rand() & 1 ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0;
	ip->time_to_live = (uint8_t)(2 + rand() % 254);
	ip->next_proto_id = (uint8_t)rand();
	ip->src_addr = rte_cpu_to_be_32(0x0b000000 + (uint32_t)rand() % 0x10000000);
	ip->dst_addr = rte_cpu_to_be_32(0x20000000 + (uint32_t)rand() % 0x10000000);
	frame_fix_ip(frame);
	if (i % 2 == 0)
		set_checksum(ip, rte_cpu_to_be_16(edges[i / 2 % RTE_DIM(edges)]));
}

START_TEST(the_updated_checksum_is_that_of_the_whole_header)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, got;

	srand(1);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	for (unsigned int i = 0; i < 20000; i++) {
		bool is_plain;

		random_header(&frame, i);
		/* Zero and all ones are the same number: a sender may have written either. */
		is_plain = frame_ip(&frame)->hdr_checksum != 0xffff;
		bench_push(b, LAN, &frame);
		bench_expect(b, WAN, &got);
		ck_assert_uint_eq(
			rte_raw_cksum(frame_ip(&got), sizeof(struct rte_ipv4_hdr)), 0xffff);
		frame_ip(&frame)->time_to_live--;
		frame_fix_ip(&frame);
		if (is_plain)
			ck_assert_mem_eq(
				frame_ip(&got), frame_ip(&frame), sizeof(struct rte_ipv4_hdr));
	}
	bench_destroy(b);
}
END_TEST

START_TEST(what_lies_behind_the_ip_packet_is_cut_off)
{
	static const uint32_t paddings[] = { 1, 2, 17, 18, 64, 300 };
	struct bench *b = bench_start(router_config);

	for (unsigned int i = 0; i < RTE_DIM(paddings); i++) {
		for (uint16_t seg_len = 20; seg_len < 512; seg_len = (uint16_t)(seg_len + 7)) {
			struct frame frame;

			frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
						  .dst = "8.8.8.8",
						  .payload_len = (uint16_t)(i * 40) });
			memset(frame.bytes + frame.len, 0xee, paddings[i]);
			frame.len += paddings[i];
			bench_send_segs(b, LAN, &frame, seg_len);
			bench_run(b);
			frame_forward(&frame, WAN_MAC, PEER_MAC);
			bench_expect_bytes(b, WAN, &frame);
		}
	}
	bench_destroy(b);
}
END_TEST

static const struct ip4_spec segmented[] = {
	{ .payload_len = 50 },
	{ .proto = IPPROTO_TCP, .payload_len = 50 },
	{ .options = "\x5e\x28\x05\x00_2345678_2345678_2345678_2345678_234",
		.options_len = 40,
		.payload_len = 5 },
};

START_TEST(headers_may_be_split_over_segments_anywhere)
{
	struct bench *b = bench_start(router_config);
	struct ip4_spec spec = segmented[_i];
	struct frame frame, want;

	spec.src = "192.0.2.10";
	spec.dst = "8.8.8.8";
	frame_ip4(&frame, &spec);
	want = frame;
	frame_forward(&want, WAN_MAC, PEER_MAC);
	for (uint16_t first = 1; first < frame.len; first++) {
		bench_push_split(b, LAN, &frame, first);
		bench_expect_bytes(b, WAN, &want);
		bench_send_segs(b, LAN, &frame, first);
		bench_run(b);
		bench_expect_bytes(b, WAN, &want);
	}
	bench_destroy(b);
}
END_TEST

/* A packet that has its number in its identification. */
static void send_one(struct bench *b, unsigned int i, const char *dst)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = dst });
	frame_ip(&frame)->packet_id = rte_cpu_to_be_16((uint16_t)i);
	frame_fix_ip(&frame);
	bench_send(b, LAN, &frame);
}

/* Sends n packets of two flows in turn. */
static void send_numbered(struct bench *b, unsigned int n, const char *const dst[2])
{
	for (unsigned int i = 0; i < n; i++)
		send_one(b, i, dst[i % 2]);
}

/* Every second of the numbers, in order. */
static void check_numbered(struct bench *b, unsigned int port, unsigned int first, unsigned int n)
{
	struct frame frame;

	for (unsigned int i = first; i < n; i += 2) {
		bench_expect(b, port, &frame);
		ck_assert_uint_eq(rte_be_to_cpu_16(frame_ip(&frame)->packet_id), i);
	}
}

START_TEST(a_burst_for_several_links_keeps_the_order_of_each_flow)
{
	static const char *const dst[] = { "8.8.8.8", "10.0.0.1" };
	struct bench *b = bench_start(router_config);

	send_numbered(b, 200, dst);
	bench_run(b);
	check_numbered(b, WAN, 0, 200);
	check_numbered(b, DMZ, 1, 200);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* What keeps a packet from being sent on at once, in the middle of a burst. */
static const struct {
	const char *name;
	struct ip4_spec spec;
	unsigned int n_behind; /* it and what comes after it take the long way */
} obstacles[] = {
	{ "nothing", { .dst = "10.0.0.2" }, 0 },
	{ "time to live", { .dst = "10.0.0.2", .ttl = 1 }, 21 },
	{ "to us", { .dst = "192.0.2.1" }, 21 },
	{ "no route", { .dst = "172.31.0.1" }, 21 },
	{ "a neighbour that is not known", { .dst = "203.0.113.99" }, 21 },
	{ "too large", { .dst = "10.0.0.2", .payload_len = 1200 }, 21 },
	{ "two next hops", { .dst = "172.16.0.1" }, 0 },
	/* Not plain, and so no obstacle to others. */
	{ "options", { .dst = "10.0.0.2", .options = "\x01\x01\x01\x01", .options_len = 4 }, 1 },
};

enum { OBSTACLE_ID = 999 };

/* Every second of the numbers, in order, whatever else there is. */
static void check_numbered_among(struct bench *b, unsigned int port, unsigned int first)
{
	struct frame frame;

	for (unsigned int i = first; i < 40;) {
		bench_expect(b, port, &frame);
		if (rte_be_to_cpu_16(frame_ip(&frame)->packet_id) == OBSTACLE_ID ||
			frame_ip(&frame)->next_proto_id == IPPROTO_ICMP)
			continue;
		ck_assert_uint_eq(rte_be_to_cpu_16(frame_ip(&frame)->packet_id), i);
		i += 2;
	}
}

START_TEST(a_burst_keeps_its_order_whatever_is_in_the_way_of_one)
{
	static const char *const dst[] = { "8.8.8.8", "10.0.0.1" };
	struct bench *b = bench_start(router_config);
	struct ip4_spec spec = obstacles[_i].spec;
	struct frame frame;
	uint64_t before;

	json_decref(bench_call(b, "route.del", "{\"to\": \"default\"}"));
	json_decref(
		bench_call(b, "route.add", "{\"to\": \"8.0.0.0/8\", \"via\": \"198.51.100.10\"}"));
	json_decref(bench_call(b, "route.add",
		"{\"to\": \"172.16.0.0/16\", \"nexthops\": [ { \"via\": \"198.51.100.10\" }, "
		"{ \"via\": \"203.0.113.10\" } ]}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1000}"));
	before = bench_node_packets(b, "ip4_forward");
	for (unsigned int i = 0; i < 20; i++)
		send_one(b, i, dst[i % 2]);
	spec.src = "192.0.2.10";
	frame_ip4(&frame, &spec);
	frame_ip(&frame)->packet_id = rte_cpu_to_be_16(OBSTACLE_ID);
	frame_fix_ip(&frame);
	bench_send(b, LAN, &frame);
	for (unsigned int i = 20; i < 40; i++)
		send_one(b, i, dst[i % 2]);
	worker_pass(b->dp->workers[0]);
	ck_assert_uint_eq(bench_node_packets(b, "ip4_forward") - before, obstacles[_i].n_behind);
	bench_run(b);
	check_numbered_among(b, WAN, 0);
	check_numbered_among(b, DMZ, 1);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(bursts_beyond_a_lane_take_several_passes_and_lose_nothing)
{
	static const char *const dst[] = { "8.8.8.8", "8.8.4.4" };
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	send_numbered(b, 3000, dst);
	bench_run(b);
	for (unsigned int i = 0; i < 3000; i++) {
		bench_expect(b, WAN, &frame);
		ck_assert_uint_eq(rte_be_to_cpu_16(frame_ip(&frame)->packet_id), i);
	}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name;
	uint16_t len; /* of the IP packet */
	uint16_t fragment;
	bool is_refused; /* else it passes as it is */
} mtus[] = {
	{ "exactly the mtu, df", 1000, RTE_IPV4_HDR_DF_FLAG, false },
	{ "exactly the mtu", 1000, 0, false },
	{ "one more, df", 1001, RTE_IPV4_HDR_DF_FLAG, true },
	{ "much more, df", 1500, RTE_IPV4_HDR_DF_FLAG, true },
	{ "a fragment, df", 1500, RTE_IPV4_HDR_DF_FLAG | RTE_IPV4_HDR_MF_FLAG, true },
};

START_TEST(packets_beyond_the_next_links_mtu_are_refused_with_df)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame, got;

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1000}"));
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .fragment = mtus[_i].fragment,
				  .payload_len = (uint16_t)(mtus[_i].len - 28) });
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "ip4_frag_needed", mtus[_i].is_refused);
	if (!mtus[_i].is_refused) {
		frame_forward(&frame, WAN_MAC, PEER_MAC);
		bench_expect_bytes(b, WAN, &frame);
	} else {
		bench_expect(b, LAN, &got);
		frame_check_ip4(&got);
		ck_assert_uint_eq(frame_l4(&got)[0], 3);
		ck_assert_uint_eq(frame_l4(&got)[1], 4);
		/* RFC 1191: the next hop's MTU in the last 16 bits of the second word. */
		ck_assert_mem_eq(frame_l4(&got) + 4, "\x00\x00\x03\xe8", 4);
	}
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(the_mtu_follows_the_link_while_packets_flow)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "10.1.1.1",
				  .fragment = RTE_IPV4_HDR_DF_FLAG,
				  .payload_len = 600 });
	for (unsigned int i = 0; i < 3; i++) {
		json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 500}"));
		bench_push(b, LAN, &frame);
		ck_assert_uint_eq(bench_count(b, DMZ), 0);
		ck_assert_uint_eq(bench_count(b, LAN), 1);
		json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 9000}"));
		bench_push(b, LAN, &frame);
		ck_assert_uint_eq(bench_count(b, DMZ), 1);
		ck_assert_uint_eq(bench_count(b, LAN), 0);
	}
	bench_destroy(b);
}
END_TEST

static int64_t link_counter(struct bench *b, const char *params, const char *path)
{
	json_t *rows = bench_call(b, "link.show", params);
	int64_t value = json_int_at(rows, path);

	json_decref(rows);
	return value;
}

START_TEST(links_count_packets_bytes_and_drops)
{
	static const char lan[] = "{\"dev\": \"lan\", \"statistics\": true}";
	static const char wan[] = "{\"dev\": \"wan\", \"statistics\": true}";
	struct bench *b = bench_start(router_config);
	int64_t tx_before = link_counter(b, wan, "0.stats64.tx.packets");
	int64_t bytes_before = link_counter(b, wan, "0.stats64.tx.bytes");
	struct frame frame;

	frame_ip4(&frame,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 58 });
	for (unsigned int i = 0; i < 100; i++)
		bench_send(b, LAN, &frame);
	frame_ip(&frame)->hdr_checksum ^= 1;
	bench_send(b, LAN, &frame);
	bench_run(b);
	ck_assert_int_eq(link_counter(b, lan, "0.stats64.rx.packets"), 101);
	ck_assert_int_eq(link_counter(b, lan, "0.stats64.rx.bytes"), 101 * 100);
	ck_assert_int_eq(link_counter(b, lan, "0.stats64.rx.dropped"), 1);
	ck_assert_int_eq(link_counter(b, wan, "0.stats64.tx.packets") - tx_before, 100);
	ck_assert_int_eq(link_counter(b, wan, "0.stats64.tx.bytes") - bytes_before, 100 * 100);
	ck_assert_int_eq(link_counter(b, wan, "0.stats64.tx.dropped"), 0);
	ck_assert_int_eq(link_counter(b, wan, "0.stats64.rx.packets"), 0);
	ck_assert_uint_eq(bench_count(b, WAN), 100);
	bench_destroy(b);
}
END_TEST

START_TEST(stats_tell_what_became_of_every_packet)
{
	struct bench *b = bench_start(router_config);
	json_t *before = bench_call(b, "stats.show", NULL), *after;
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	for (unsigned int i = 0; i < 7; i++)
		bench_push(b, LAN, &frame);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .ttl = 1 });
	bench_push(b, LAN, &frame); /* dropped, an error originated */
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.77" });
	bench_push(b, LAN, &frame); /* held, an ARP request originated */
	after = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(after, "rx") - json_int_at(before, "rx"), 9);
	ck_assert_int_eq(json_int_at(after, "tx") - json_int_at(before, "tx"), 9);
	ck_assert_int_eq(json_int_at(after, "originated") - json_int_at(before, "originated"), 2);
	ck_assert_int_eq(json_int_at(after, "dropped") - json_int_at(before, "dropped"), 1);
	ck_assert_int_eq(json_int_at(after, "held"), 1);
	ck_assert_int_eq(json_int_at(after, "difference"), 0);
	json_decref(before);
	json_decref(after);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("forward", LOOP_TEST(packets_are_forwarded_with_new_macs_ttl_and_checksum, forwarded),
	PLAIN_TEST(a_packet_may_leave_by_the_link_that_it_came_in_by),
	PLAIN_TEST(the_updated_checksum_is_that_of_the_whole_header),
	PLAIN_TEST(what_lies_behind_the_ip_packet_is_cut_off),
	LOOP_TEST(headers_may_be_split_over_segments_anywhere, segmented),
	PLAIN_TEST(a_burst_for_several_links_keeps_the_order_of_each_flow),
	LOOP_TEST(a_burst_keeps_its_order_whatever_is_in_the_way_of_one, obstacles),
	PLAIN_TEST(bursts_beyond_a_lane_take_several_passes_and_lose_nothing),
	LOOP_TEST(packets_beyond_the_next_links_mtu_are_refused_with_df, mtus),
	PLAIN_TEST(the_mtu_follows_the_link_while_packets_flow),
	PLAIN_TEST(links_count_packets_bytes_and_drops),
	PLAIN_TEST(stats_tell_what_became_of_every_packet))
