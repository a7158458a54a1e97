/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP echo (RFC 792, RFC 1122 3.2.2.6), and the options of IPv4 that are filled in on the way (RFC 791 3.1).
 * Errors are in test_icmp_errors.c.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit.h"

#include <time.h>

/* Echo */

static void echo_request(struct frame *frame, const char *dst, uint16_t payload_len)
{
	frame_ip4(frame, &(struct ip4_spec){ .src = "192.0.2.10",
				 .dst = dst,
				 .proto = IPPROTO_ICMP,
				 .icmp_type = 8,
				 .payload_len = payload_len,
				 .sport = 0x4321,
				 .dport = 7 });
}

/* Turns a request without options into its reply. */
static void make_reply(struct frame *frame, const char *own_mac, const char *host_mac)
{
	struct rte_ipv4_hdr *ip = frame_ip(frame);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)frame_l4(frame);
	uint32_t src = ip->src_addr;
	uint16_t len = (uint16_t)(rte_be_to_cpu_16(ip->total_length) - sizeof(*ip));

	ip->src_addr = ip->dst_addr;
	ip->dst_addr = src;
	icmp->icmp_type = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, len);
	ip->time_to_live = 65; /* frame_forward() takes one */
	frame_forward(frame, own_mac, host_mac);
}

/* The reply is numbered by weir: what number it has is not told here. */
static void expect_reply(struct bench *b, struct frame *want)
{
	struct frame got;

	bench_expect(b, LAN, &got);
	frame_ip(want)->packet_id = frame_ip(&got)->packet_id;
	frame_fix_ip(want);
	REQUIRE(got.len == want->len);
	ck_assert_mem_eq(got.bytes, want->bytes, want->len);
}

START_TEST(an_echo_request_of_any_size_is_answered)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	for (uint16_t len = 0; len <= 1472; len++) {
		echo_request(&frame, "192.0.2.1", len);
		bench_push(b, LAN, &frame);
		make_reply(&frame, LAN_MAC, HOST_MAC);
		expect_reply(b, &frame);
	}
	drops_expect_none(b, &drops);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(an_echo_request_in_segments_is_answered)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, reply;

	echo_request(&frame, "192.0.2.1", 333);
	reply = frame;
	make_reply(&reply, LAN_MAC, HOST_MAC);
	for (uint16_t seg_len = 1; seg_len <= frame.len; seg_len++) {
		bench_send_segs(b, LAN, &frame, seg_len);
		bench_run(b);
		expect_reply(b, &reply);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(any_of_our_addresses_answers_whatever_the_link)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	echo_request(&frame, "203.0.113.1", 56);
	bench_push(b, LAN, &frame);
	make_reply(&frame, LAN_MAC, HOST_MAC);
	expect_reply(b, &frame);
	bench_destroy(b);
}
END_TEST

START_TEST(options_are_not_sent_back)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, reply;

	for (uint8_t len = 4; len <= 40; len = (uint8_t)(len + 4)) {
		static const uint8_t nops[40] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

		echo_request(&reply, "192.0.2.1", 100);
		make_reply(&reply, LAN_MAC, HOST_MAC);
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "192.0.2.1",
					  .proto = IPPROTO_ICMP,
					  .icmp_type = 8,
					  .payload_len = 100,
					  .sport = 0x4321,
					  .dport = 7,
					  .options = nops,
					  .options_len = len });
		bench_push(b, LAN, &frame);
		expect_reply(b, &reply);
		bench_push_split(b, LAN, &frame, 40);
		expect_reply(b, &reply);
	}
	bench_destroy(b);
}
END_TEST

/* As Linux: a reply may be fragmented on its way, whatever the request allowed. */
START_TEST(the_tos_of_a_request_is_kept_but_not_its_df)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	echo_request(&frame, "192.0.2.1", 10);
	frame_ip(&frame)->type_of_service = 0xb8;
	frame_ip(&frame)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
	frame_ip(&frame)->fragment_offset = 0;
	make_reply(&frame, LAN_MAC, HOST_MAC);
	expect_reply(b, &frame);
	bench_destroy(b);
}
END_TEST

START_TEST(the_ttl_of_answers_is_a_setting)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	bench_sysctl(b, "ipv4.default_ttl", "7");
	echo_request(&frame, "192.0.2.1", 10);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	frame_check_ip4(&frame);
	ck_assert_uint_eq(frame_ip(&frame)->time_to_live, 7);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name, *reason;
	uint8_t type, code;
	bool is_ignored; /* icmp_echo_ignore_all */
	uint8_t broken;	 /* xored into the last byte */
} unanswered[] = {
	{ "wrong checksum", "icmp_bad_checksum", 8, 0, false, 1 },
	{ "echo with a code", "icmp_unhandled", 8, 1, false, 0 },
	{ "echo_ignore_all", "icmp_echo_ignored", 8, 0, true, 0 },
	{ "a wrong checksum comes first", "icmp_bad_checksum", 8, 0, true, 1 },
	{ "echo reply", "icmp_unhandled", 0, 0, false, 0 },
	{ "redirect", "icmp_unhandled", 5, 1, false, 0 },
	{ "unreachable", "icmp_unhandled", 3, 1, false, 0 },
	{ "time stamp", "icmp_unhandled", 13, 0, false, 0 },
	{ "address mask", "icmp_unhandled", 17, 0, false, 0 },
	{ "a type that nobody knows", "icmp_unhandled", 255, 255, false, 0 },
};

START_TEST(other_icmp_to_us_is_dropped_by_name)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	if (unanswered[_i].is_ignored)
		bench_sysctl(b, "ipv4.icmp_echo_ignore_all", "true");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = unanswered[_i].type,
				  .icmp_code = unanswered[_i].code,
				  .payload_len = 41 });
	frame.bytes[frame.len - 1] ^= unanswered[_i].broken;
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, unanswered[_i].reason, 1);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name, *dst, *dst_mac, *from;
	uint8_t type;
} broadcasts[] = {
	{ "of the link", "192.0.2.255", ANY_MAC, "192.0.2.1", 8 },
	{ "of all", "255.255.255.255", ANY_MAC, "192.0.2.1", 8 },
	{ "of another link", "198.51.100.255", LAN_MAC, "192.0.2.1", 8 },
	{ "no request", "192.0.2.255", ANY_MAC, NULL, 13 },
};

/* RFC 1122 3.2.2.6: may be answered; Linux's icmp_echo_ignore_broadcasts. */
START_TEST(an_echo_request_to_a_broadcast_address_is_answered_if_wanted)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, reply;

	/* Of two addresses the first answers. */
	json_decref(bench_call(b, "addr.add", "{\"local\": \"192.0.2.2/24\", \"dev\": \"lan\"}"));
	bench_run(b);
	bench_discard(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = broadcasts[_i].dst,
				  .dst_mac = broadcasts[_i].dst_mac,
				  .proto = IPPROTO_ICMP,
				  .icmp_type = broadcasts[_i].type });
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "ip4_broadcast"), 1);
	bench_sysctl(b, "ipv4.icmp_echo_ignore_broadcasts", "false");
	bench_push(b, LAN, &frame);
	if (broadcasts[_i].from == NULL) {
		bench_expect_nothing(b);
	} else {
		bench_expect(b, LAN, &reply);
		frame_check_ip4(&reply);
		ck_assert_uint_eq(frame_l4(&reply)[0], 0);
		ck_assert_uint_eq(frame_ip(&reply)->src_addr, ip4_be(broadcasts[_i].from));
	}
	bench_destroy(b);
}
END_TEST

/* Options that are filled in */

/* Sends an ICMP echo request with options to dst; what comes out of a port. */
static const uint8_t *push_options(struct bench *b, const char *dst, const void *options,
	uint8_t len, unsigned int port, struct frame *got)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = dst,
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8,
				  .options = options,
				  .options_len = len });
	bench_push(b, LAN, &frame);
	bench_expect(b, port, got);
	frame_check_ip4(got);
	return (const uint8_t *)(frame_ip(got) + 1);
}

/* RFC 791 3.1, RFC 1812 5.2.4.1: the address of the link that it leaves by. */
START_TEST(record_route_is_filled_in)
{
	struct bench *b = bench_start(router_config);
	const uint8_t *options;
	struct frame got;

	options = push_options(b, "8.8.8.8", "\x01\x07\x0b\x04\0\0\0\0\0\0\0\0", 12, WAN, &got);
	ck_assert_mem_eq(options, "\x01\x07\x0b\x08\xc6\x33\x64\x01\0\0\0\0", 12);
	ck_assert_uint_eq(frame_ip(&got)->time_to_live, 63);
	/* Full: it passes as it is. */
	options = push_options(b, "8.8.8.8", "\x01\x07\x07\x08\1\2\3\4", 8, WAN, &got);
	ck_assert_mem_eq(options, "\x01\x07\x07\x08\1\2\3\4", 8);
	bench_destroy(b);
}
END_TEST

/* RFC 1122 3.2.2.6: our address once for the request and once for the reply, as Linux. */
START_TEST(an_echo_reply_brings_record_route_and_timestamp_back)
{
	struct bench *b = bench_start(router_config);
	const uint8_t *options;
	struct frame got;

	options = push_options(b, "198.51.100.1",
		"\x07\x0f\x04\0\0\0\0\0\0\0\0\0\0\0\0\x5e\x04\0\0\x01", 20, LAN, &got);
	ck_assert_uint_eq(rte_ipv4_hdr_len(frame_ip(&got)), 36);
	ck_assert_mem_eq(options, "\x07\x0f\x0c\xc6\x33\x64\x01\xc6\x33\x64\x01\0\0\0\0\0", 16);
	ck_assert_uint_eq(frame_l4(&got)[0], 0);
	options = push_options(b, "192.0.2.1", "\x44\x0c\x05\x00\0\0\0\0\0\0\0\0", 12, LAN, &got);
	ck_assert_mem_eq(options, "\x44\x0c\x0d\x00", 4);
	bench_destroy(b);
}
END_TEST

/* Milliseconds since midnight UT in a timestamp option must be about now. */
static void check_time(const uint8_t *at)
{
	uint32_t time_be, day = 86400000, now;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint32_t)((uint64_t)ts.tv_sec % 86400 * 1000 + (uint64_t)ts.tv_nsec / 1000000);
	memcpy(&time_be, at, sizeof(time_be));
	/* Within a minute, over midnight too. */
	ck_assert_uint_lt((rte_be_to_cpu_32(time_be) + 60000 + day - now) % day, 120000);
}

/* RFC 791 3.1, RFC 1812 5.2.4.3. */
START_TEST(timestamps_are_filled_in)
{
	struct bench *b = bench_start(router_config);
	const uint8_t *options;
	struct frame got;

	options = push_options(b, "8.8.8.8", "\x44\x0c\x05\x00\0\0\0\0\0\0\0\0", 12, WAN, &got);
	ck_assert_mem_eq(options, "\x44\x0c\x09\x00", 4);
	check_time(options + 4);
	/* With addresses: as Linux, that of the link that it came in by. */
	options = push_options(b, "8.8.8.8", "\x44\x0c\x05\x01\0\0\0\0\0\0\0\0", 12, WAN, &got);
	ck_assert_mem_eq(options, "\x44\x0c\x0d\x01\xc0\x00\x02\x01", 8);
	check_time(options + 8);
	/* At a named address: ours, and somebody else's. */
	options = push_options(
		b, "8.8.8.8", "\x44\x0c\x05\x03\xc0\x00\x02\x01\0\0\0\0", 12, WAN, &got);
	ck_assert_mem_eq(options, "\x44\x0c\x0d\x03\xc0\x00\x02\x01", 8);
	check_time(options + 8);
	options = push_options(
		b, "8.8.8.8", "\x44\x0c\x05\x03\xc0\x00\x02\x09\0\0\0\0", 12, WAN, &got);
	ck_assert_mem_eq(options, "\x44\x0c\x05\x03\xc0\x00\x02\x09\0\0\0\0", 12);
	/* Full: who finds no room is counted. */
	options = push_options(b, "8.8.8.8", "\x44\x08\x09\x20\1\2\3\4", 8, WAN, &got);
	ck_assert_mem_eq(options, "\x44\x08\x09\x30\1\2\3\4", 8);
	bench_destroy(b);
}
END_TEST

/* Nothing is written before the packet really leaves. */
START_TEST(options_are_filled_in_once_when_the_packet_has_waited)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, answer, got;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "198.51.100.20",
				  .options = "\x01\x07\x0b\x04\0\0\0\0\0\0\0\0",
				  .options_len = 12 });
	bench_push(b, LAN, &frame);
	bench_discard(b);
	frame_arp(&answer, PEER_MAC, WAN_MAC, RTE_ARP_OP_REPLY, PEER_MAC, "198.51.100.20", WAN_MAC,
		"198.51.100.1");
	bench_push(b, WAN, &answer);
	bench_expect(b, WAN, &got);
	frame_check_ip4(&got);
	ck_assert_mem_eq(frame_ip(&got) + 1, "\x01\x07\x0b\x08\xc6\x33\x64\x01\0\0\0\0", 12);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("icmp", PLAIN_TEST(an_echo_request_of_any_size_is_answered),
	PLAIN_TEST(an_echo_request_in_segments_is_answered),
	PLAIN_TEST(any_of_our_addresses_answers_whatever_the_link),
	PLAIN_TEST(options_are_not_sent_back),
	PLAIN_TEST(the_tos_of_a_request_is_kept_but_not_its_df),
	PLAIN_TEST(the_ttl_of_answers_is_a_setting),
	LOOP_TEST(other_icmp_to_us_is_dropped_by_name, unanswered),
	LOOP_TEST(an_echo_request_to_a_broadcast_address_is_answered_if_wanted, broadcasts),
	PLAIN_TEST(record_route_is_filled_in),
	PLAIN_TEST(an_echo_reply_brings_record_route_and_timestamp_back),
	PLAIN_TEST(timestamps_are_filled_in),
	PLAIN_TEST(options_are_filled_in_once_when_the_packet_has_waited))
