/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IPv6 packets through weir (RFC 8200, 4291, 4443): what is forwarded and how, what scopes allow,
 * what is answered. Neighbour discovery is in test_nd.c, every drop's name in test_drops.c.
 *
 *	2001:db8:1::/64 --- lan (p0) weir wan (p1) --- 2001:db8:2::/64, everything else
 *	                              dmz (p2) ------- 2001:db8:3::/64, 2001:db8:f::/48
 */
#include "kit6.h"

#define GROUP_MAC "33:33:00:00:00:01"
#define RH0	  "\x11\x02\x00\x01\0\0\0\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" /* 24 bytes */

/* Forwarding */

static const struct {
	const char *name, *dst;
	unsigned int port;
	const char *src_mac, *dst_mac;
} ways[] = {
	{ "default route", FAR6, WAN, WAN_MAC, PEER_MAC },
	{ "a prefix of its own", "2001:db8:f:1::1", DMZ, DMZ_MAC, DMZ_HOST },
	{ "its last address", "2001:db8:f:ffff:ffff:ffff:ffff:ffff", DMZ, DMZ_MAC, DMZ_HOST },
	{ "the one behind it", "2001:db8:10::", WAN, WAN_MAC, PEER_MAC },
	{ "a neighbour", "2001:db8:3::10", DMZ, DMZ_MAC, DMZ_HOST },
	{ "a unique local address", "fd00::1", WAN, WAN_MAC, PEER_MAC },
	{ "what was site-local once", "fec0::1", WAN, WAN_MAC, PEER_MAC },
	{ "NAT64's prefix", "64:ff9b::c000:201", WAN, WAN_MAC, PEER_MAC },
};

/* Also those whose headers lie in two segments: the long way, through parse and ip6_input. */
START_TEST(a_packet_goes_where_the_longest_prefix_leads)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	for (unsigned int split = 0; split < 2; split++) {
		frame_ip6(&frame, &(struct ip6_spec){ .dst = ways[_i].dst, .payload_len = 30 });
		want = frame;
		frame_forward6(&want, ways[_i].src_mac, ways[_i].dst_mac);
		if (split)
			bench_push_split(b, LAN, &frame, 30);
		else
			bench_push(b, LAN, &frame);
		bench_expect_bytes(b, ways[_i].port, &want);
		bench_expect_nothing(b);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(padding_is_cut_off)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, want;

	frame_ip6(&frame, &(struct ip6_spec){ .proto = IPPROTO_NONE });
	want = frame;
	frame_forward6(&want, WAN_MAC, PEER_MAC);
	memset(frame.bytes + frame.len, 0xee, 60);
	frame.len = 60;
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, WAN, &want);
	bench_push_split(b, LAN, &frame, 20);
	bench_expect_bytes(b, WAN, &want);
	bench_destroy(b);
}
END_TEST

/* RFC 8200 4: extension headers are the destination's business, also those that we would refuse. */
static const struct {
	const char *name;
	uint8_t ext_proto, proto;
	uint16_t ext_len;
	const char *ext;
} carried[] = {
	{ "hop-by-hop options", IPPROTO_HOPOPTS, IPPROTO_UDP, 8, "\x11\x00\x05\x02\0\0\x01\0" },
	{ "an unknown option", IPPROTO_HOPOPTS, IPPROTO_UDP, 8, "\x11\x00\xde\x04\0\0\0\0" },
	{ "destination options", IPPROTO_DSTOPTS, IPPROTO_TCP, 8, "\x06\x00\x01\x04\0\0\0\0" },
	{ "a routing header of type 0 at its end", IPPROTO_ROUTING, IPPROTO_UDP, 8,
		"\x11\x00\x00\x00\0\0\0\0" },
	{ "a routing header of type 0 on its way", IPPROTO_ROUTING, IPPROTO_UDP, 24, RH0 },
	{ "a first fragment", IPPROTO_FRAGMENT, IPPROTO_UDP, 8, "\x11\x00\x00\x01\0\0\0\x07" },
	{ "a later fragment", IPPROTO_FRAGMENT, 253, 8, "\x11\x00\x05\x28\0\0\0\x07" },
	{ "a protocol nobody knows", 0, 253, 0, "" },
	{ "no next header", 0, IPPROTO_NONE, 0, "" },
	{ "ESP", 0, IPPROTO_ESP, 0, "" },
	{ "four of them", IPPROTO_HOPOPTS, IPPROTO_UDP, 32,
		"\x3c\x00\x01\x04\0\0\0\0\x2b\x00\x01\x04\0\0\0\0"
		"\x2c\x00\x00\x00\0\0\0\0\x11\x00\x00\x01\0\0\0\x07" },
};

START_TEST(extension_headers_are_carried_through)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	frame_ip6(&frame, &(struct ip6_spec){ .ext = carried[_i].ext,
				  .ext_len = carried[_i].ext_len,
				  .ext_proto = carried[_i].ext_proto,
				  .proto = carried[_i].proto,
				  .payload_len = 16 });
	want = frame;
	frame_forward6(&want, WAN_MAC, PEER_MAC);
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, WAN, &want);
	for (uint16_t first = 1; first < frame.len; first += 3) {
		bench_push_split(b, LAN, &frame, first);
		bench_expect_bytes(b, WAN, &want);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_packet_waits_for_its_neighbour_and_then_goes)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, asked, answer;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = "2001:db8:2::20", .payload_len = 9 });
	bench_push(b, LAN, &frame);
	frame_nd(&asked, &(struct nd_spec){ .src_mac = WAN_MAC,
				 .src = WAN6,
				 .target = "2001:db8:2::20",
				 .lladdr = WAN_MAC });
	bench_expect_bytes(b, WAN, &asked);
	frame_nd(&answer, &(struct nd_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = "2001:db8:2::20",
				  .dst = WAN6,
				  .target = "2001:db8:2::20",
				  .type = ND_NEIGHBOR_ADVERT,
				  .flags = 0x60,
				  .lladdr = PEER_MAC });
	bench_push(b, WAN, &answer);
	frame_forward6(&frame, WAN_MAC, PEER_MAC);
	bench_expect_bytes(b, WAN, &frame);
	ck_assert_str_eq(bench_neigh(b, "2001:db8:2::20"), "REACHABLE");
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Answers */

/* RFC 4443 4.2: the same data, from the address that was asked, or one of ours for a group. */
static const struct {
	const char *name, *src, *dst, *answers_from;
} echoes[] = {
	{ "the near address", HOST6, LAN6, LAN6 },
	{ "the far address", HOST6, WAN6, WAN6 },
	{ "link-local to link-local", HOST6_LINK, LAN6_LINK, LAN6_LINK },
	{ "link-local to global", HOST6_LINK, LAN6, LAN6 },
	{ "all nodes", HOST6, "ff02::1", LAN6 },
	{ "all routers, from link-local", HOST6_LINK, "ff02::2", LAN6_LINK },
	{ "all routers of the site", HOST6, "ff05::2", LAN6 },
	{ "a solicited-node group", HOST6, "ff02::1:ff00:1", LAN6 },
};

START_TEST(rfc4443_an_echo_request_is_answered)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame, reply;

	frame_ip6(&frame, &(struct ip6_spec){ .src = echoes[_i].src,
				  .dst = echoes[_i].dst,
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = ICMP6_ECHO_REQUEST,
				  .hop_limit = 1,
				  .payload_len = 57 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &reply);
	frame_check_icmp6(&reply, echoes[_i].answers_from, echoes[_i].src, ICMP6_ECHO_REPLY, 0);
	ck_assert_uint_eq(frame_ip6_hdr(&reply)->hop_limits, 64);
	ck_assert_mem_eq(reply.bytes + 58, frame.bytes + 58, frame.len - 58);
	/* Also when it comes in pieces. */
	bench_push_split(b, LAN, &frame, 60);
	bench_expect(b, LAN, &reply);
	frame_check_icmp6(&reply, echoes[_i].answers_from, echoes[_i].src, ICMP6_ECHO_REPLY, 0);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(an_echo_request_with_options_is_answered_without)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, reply;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = LAN6,
				  .ext = "\x3c\x00\x05\x02\0\0\x01\0\x3a\x01\x1e\x03\x01\x02\x03"
					 "\0\0\0\0\0\0\0\0\0",
				  .ext_proto = IPPROTO_HOPOPTS,
				  .ext_len = 24,
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = ICMP6_ECHO_REQUEST,
				  .payload_len = 5 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &reply);
	frame_check_icmp6(&reply, LAN6, HOST6, ICMP6_ECHO_REPLY, 0);
	ck_assert_uint_eq(reply.len, 54 + 8 + 5);
	bench_destroy(b);
}
END_TEST

START_TEST(echoes_can_be_switched_off)
{
	struct bench *b = bench_start(router6_config);
	struct ip6_spec spec = { .dst = "ff02::1", .proto = IPPROTO_ICMPV6, .icmp_type = 128 };
	struct frame frame;

	bench_sysctl(b, "ipv6.icmp.echo_ignore_multicast", "true");
	frame_ip6(&frame, &spec);
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	spec.dst = LAN6;
	frame_ip6(&frame, &spec);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_sysctl(b, "ipv6.icmp.echo_ignore_all", "true");
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "icmp6_echo_ignored"), 2);
	bench_destroy(b);
}
END_TEST

/* Errors. info: MTU or pointer. src: whom the error comes from. */
static const struct {
	const char *name, *reason;
	struct ip6_spec spec;
	uint8_t type, code;
	uint32_t info;
	const char *src;
} errors[] = {
	{ "RFC 4443 3.3: hop limit one", "ip6_hop_limit_exceeded", { .hop_limit = 1 },
		ICMP6_TIME_EXCEEDED, 0, 0, LAN6 },
	{ "RFC 4443 3.2: larger than the next MTU", "ip6_too_big",
		{ .dst = "2001:db8:f::1", .payload_len = 1233 }, ICMP6_PACKET_TOO_BIG, 0, 1280,
		LAN6 },
	{ "RFC 4443 3.2: a later fragment as well", "ip6_too_big",
		{ .dst = "2001:db8:f::1",
			.ext = "\x11\x00\x05\x28\0\0\0\x07",
			.ext_proto = IPPROTO_FRAGMENT,
			.ext_len = 8,
			.proto = 253,
			.payload_len = 1240 },
		ICMP6_PACKET_TOO_BIG, 0, 1280, LAN6 },
	{ "RFC 4443 3.1: no route", "ip6_no_route", { .dst = "2001:db8:a::1" }, ICMP6_DST_UNREACH,
		0, 0, LAN6 },
	{ "RFC 4443 3.1: prohibited", "ip6_prohibited", { .dst = "2001:db8:b::1" },
		ICMP6_DST_UNREACH, 1, 0, LAN6 },
	{ "RFC 4443 3.1: reject route", "ip6_unreachable", { .dst = "2001:db8:c::1" },
		ICMP6_DST_UNREACH, 6, 0, LAN6 },
	{ "RFC 4291 2.5.6: a link-local source may not leave its link", "ip6_beyond_scope",
		{ .src = HOST6_LINK }, ICMP6_DST_UNREACH, 2, 0, LAN6_LINK },
	{ "RFC 4443 3.1: closed UDP port", "ip6_no_listener", { .dst = WAN6, .payload_len = 3 },
		ICMP6_DST_UNREACH, 4, 0, WAN6 },
	{ "closed port, link-local", "ip6_no_listener", { .src = HOST6_LINK, .dst = LAN6_LINK },
		ICMP6_DST_UNREACH, 4, 0, LAN6_LINK },
	{ "RFC 4443 3.4: unknown protocol", "ip6_no_protocol", { .dst = LAN6, .proto = 253 },
		ICMP6_PARAM_PROB, 1, 6, LAN6 },
	{ "RFC 4443 3.4: unknown protocol behind options", "ip6_no_protocol",
		{ .dst = LAN6,
			.proto = 253,
			.ext = "\x3c\x00\x01\x04\0\0\0\0\xfd\x00\x01\x04\0\0\0\0",
			.ext_proto = IPPROTO_HOPOPTS,
			.ext_len = 16 },
		ICMP6_PARAM_PROB, 1, 48, LAN6 },
	{ "RFC 5095: routing header type 0", "ip6_routing_header",
		{ .dst = LAN6, .ext = RH0, .ext_proto = IPPROTO_ROUTING, .ext_len = 24 },
		ICMP6_PARAM_PROB, 0, 42, LAN6 },
	{ "RFC 8200 4.2: option 10xxxxxx", "ip6_unknown_option",
		{ .dst = LAN6,
			.ext = "\x11\x00\x01\x00\x9e\x02\0\0",
			.ext_proto = IPPROTO_DSTOPTS,
			.ext_len = 8 },
		ICMP6_PARAM_PROB, 2, 44, LAN6 },
	{ "RFC 8200 4.2: option 10xxxxxx to a group", "ip6_unknown_option",
		{ .dst = "ff02::1",
			.ext = "\x11\x00\x9e\x04\0\0\0\0",
			.ext_proto = IPPROTO_HOPOPTS,
			.ext_len = 8 },
		ICMP6_PARAM_PROB, 2, 42, LAN6 },
	{ "RFC 8200 4.2: option 11xxxxxx", "ip6_unknown_option",
		{ .dst = LAN6,
			.ext = "\x11\x00\xde\x04\0\0\0\0",
			.ext_proto = IPPROTO_HOPOPTS,
			.ext_len = 8 },
		ICMP6_PARAM_PROB, 2, 42, LAN6 },
	{ "RFC 2675: a jumbo option beside a payload length", "ip6_unknown_option",
		{ .dst = LAN6,
			.ext = "\x11\x00\xc2\x04\0\x01\0\0",
			.ext_proto = IPPROTO_HOPOPTS,
			.ext_len = 8 },
		ICMP6_PARAM_PROB, 2, 42, LAN6 },
};

static void add_routes(struct bench *b)
{
	json_decref(bench_call(b, "route.del", "{\"to\": \"::/0\"}"));
	json_decref(bench_call(
		b, "route.add", "{\"to\": \"2001:db8:b::/48\", \"type\": \"prohibit\"}"));
	json_decref(bench_call(
		b, "route.add", "{\"to\": \"2001:db8:c::/48\", \"type\": \"unreachable\"}"));
	json_decref(bench_call(
		b, "route.add", "{\"to\": \"2001:db8:8888::/48\", \"via\": \"" PEER6 "\"}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1280}"));
}

/* RFC 9293 3.10.7.1 */
START_TEST(a_closed_tcp_port_answers_by_a_reset)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	const struct rte_tcp_hdr *said;
	struct frame frame, reset;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = LAN6, .proto = IPPROTO_TCP });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &reset);
	said = (const struct rte_tcp_hdr *)(reset.bytes + RTE_ETHER_HDR_LEN +
					    sizeof(struct rte_ipv6_hdr));
	ck_assert_uint_eq(frame_ip6_hdr(&reset)->proto, IPPROTO_TCP);
	ck_assert_uint_eq(said->tcp_flags, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	ck_assert_int_eq(rte_ipv6_udptcp_cksum_verify(frame_ip6_hdr(&reset), said), 0);
	drops_expect(b, &drops, "ip6_no_listener", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(an_error_says_what_was_wrong_and_quotes_the_packet)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops;
	struct frame frame, error;
	uint32_t quoted;

	add_routes(b);
	drops = drops_take(b);
	frame_ip6(&frame, &errors[_i].spec);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, errors[_i].src,
		errors[_i].spec.src != NULL ? errors[_i].spec.src : HOST6, errors[_i].type,
		errors[_i].code);
	ck_assert_uint_eq(rte_be_to_cpu_32(frame_icmp6(&error)->info_be), errors[_i].info);
	/* RFC 4443 2.4 (c): as much of the packet as fits into 1280 bytes, unchanged. */
	quoted = RTE_MIN(frame.len - RTE_ETHER_HDR_LEN, 1280u - 48);
	ck_assert_uint_eq(error.len, 54 + 8 + quoted);
	ck_assert_mem_eq(error.bytes + 62, frame.bytes + RTE_ETHER_HDR_LEN, quoted);
	bench_expect_nothing(b);
	drops_expect(b, &drops, errors[_i].reason, 1);
	bench_destroy(b);
}
END_TEST

/* RFC 4443 2.4 (e): about these packets nobody is told. All of them with hop limit 1. */
static const struct {
	const char *name;
	struct ip6_spec spec;
} silent[] = {
	{ "(e.1) an error", { .proto = IPPROTO_ICMPV6, .icmp_type = ICMP6_TIME_EXCEEDED } },
	{ "(e.1) an error that nobody knows", { .proto = IPPROTO_ICMPV6, .icmp_type = 127 } },
	{ "(e.2) a redirect", { .proto = IPPROTO_ICMPV6, .icmp_type = ND_REDIRECT } },
	{ "(e.1) what may be one", { .ext = "\x3a\x00\x05\x28\0\0\0\x07",
					   .ext_proto = IPPROTO_FRAGMENT,
					   .ext_len = 8,
					   .proto = 253,
					   .payload_len = 8 } },
	{ "(e.3) to a group of ours", { .dst = "ff02::1", .payload_len = 1 } },
	{ "(e.3) option 11xxxxxx to a group", { .dst = "ff02::1",
						      .ext = "\x11\x00\xde\x04\0\0\0\0",
						      .ext_proto = IPPROTO_HOPOPTS,
						      .ext_len = 8 } },
	{ "(e.4) by link-layer multicast",
		{ .dst_mac = GROUP_MAC, .dst = LAN6, .payload_len = 1 } },
	{ "(e.5) by link-layer broadcast", { .dst_mac = ANY_MAC, .dst = LAN6, .payload_len = 1 } },
	{ "(e.6) from nobody", { .src = "::", .dst = "ff02::1" } },
	{ "(e.6) from a group", { .src = "ff02::1" } },
	{ "option 01xxxxxx", { .dst = LAN6,
				     .ext = "\x11\x00\x5e\x04\0\0\0\0",
				     .ext_proto = IPPROTO_HOPOPTS,
				     .ext_len = 8 } },
};

START_TEST(rfc4443_about_some_packets_nobody_is_told)
{
	struct bench *b = bench_start(router6_config);
	struct ip6_spec spec = silent[_i].spec;
	struct dp_totals before, after;
	struct frame frame;

	spec.hop_limit = 1;
	frame_ip6(&frame, &spec);
	dp_totals(b->dp, &before);
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	dp_totals(b->dp, &after);
	ck_assert_uint_eq(after.dropped - before.dropped, 1);
	bench_destroy(b);
}
END_TEST

/* RFC 4443 2.4 (e.3): but a path's MTU must be known to senders to a group, too. */
START_TEST(rfc4443_packet_too_big_is_told_whatever_the_frame_was)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame;

	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1280}"));
	frame_ip6(&frame, &(struct ip6_spec){ .dst = "2001:db8:f::1", .payload_len = 1232 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, DMZ), 1); /* just fits */
	frame_ip6(&frame, &(struct ip6_spec){ .dst = "2001:db8:f::1", .payload_len = 1233 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* RFC 4443 2.4 (f) */
START_TEST(rfc4443_errors_to_one_destination_are_limited)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame;

	bench_sysctl(b, "ipv6.icmp.ratelimit", "1000");
	for (unsigned int i = 0; i < 20; i++) {
		frame_ip6(&frame, &(struct ip6_spec){ .hop_limit = 1 });
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(bench_count(b, LAN), 6);
	/* Another destination has credit of its own. */
	frame_ip6(&frame, &(struct ip6_spec){ .hop_limit = 1, .src = "2001:db8:1::11" });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1); /* asks for it */
	/* Packet Too Big is not held back, by neither limit. */
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1280}"));
	for (unsigned int i = 0; i < 20; i++) {
		frame_ip6(
			&frame, &(struct ip6_spec){ .dst = "2001:db8:f::1", .payload_len = 1300 });
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(bench_count(b, LAN), 20);
	bench_destroy(b);
}
END_TEST

/* How many errors 20 packets from src get, from whichever link it is on. */
static unsigned int count_errors6(struct bench *b, const char *src)
{
	struct frame frame;

	for (unsigned int i = 0; i < 20; i++) {
		frame_ip6(&frame, &(struct ip6_spec){ .hop_limit = 1, .src = src });
		bench_push(b, LAN, &frame);
	}
	return bench_count(b, DMZ);
}

/* Linux's icmp.ratemask: its types are limited, by both limits, and no others. */
static const struct {
	const char *mask;
	unsigned int n;
} masks[] = {
	{ "0-1,3-127", 6 },
	{ "3", 6 },
	{ "0-255", 6 },
	{ "0-2,4-255", 20 },
	{ "", 20 },
};

START_TEST(only_the_types_of_the_mask_are_limited)
{
	struct bench *b = bench_start(router6_config);

	bench_sysctl(b, "ipv6.icmp.ratelimit", "3600000");
	bench_sysctl(b, "ipv6.icmp.ratemask", masks[_i].mask);
	ck_assert_uint_eq(count_errors6(b, "2001:db8:f::1"), masks[_i].n);
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	ck_assert_uint_eq(count_errors6(b, "2001:db8:f::2"), masks[_i].n == 20 ? 20 : 0);
	bench_destroy(b);
}
END_TEST

START_TEST(packet_too_big_and_echo_replies_can_be_limited)
{
	struct bench *b = bench_start(router6_config);
	struct frame too_big, echo;

	bench_sysctl(b, "ipv6.icmp.ratelimit", "3600000");
	bench_sysctl(b, "ipv6.icmp.ratemask", "2,129");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1280}"));
	frame_ip6(&too_big, &(struct ip6_spec){ .dst = "2001:db8:f::1", .payload_len = 1300 });
	frame_ip6(&echo, &(struct ip6_spec){ .src = "2001:db8:1::11",
				 .dst = LAN6,
				 .proto = IPPROTO_ICMPV6,
				 .icmp_type = ICMP6_ECHO_REQUEST });
	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"2001:db8:1::11\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"lan\"}"));
	for (unsigned int i = 0; i < 20; i++)
		bench_push(b, LAN, &too_big);
	ck_assert_uint_eq(bench_count(b, LAN), 6);
	for (unsigned int i = 0; i < 20; i++)
		bench_push(b, LAN, &echo);
	ck_assert_uint_eq(bench_count(b, LAN), 6);
	ck_assert_uint_eq(bench_drops(b, "icmp6_echo_limited"), 14);
	bench_destroy(b);
}
END_TEST

START_TEST(rfc4443_errors_to_all_together_are_limited)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame;
	char src[IP_ADDR_TEXT_MAX];

	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "1");
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "5");
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(src, sizeof(src), "2001:db8:f::%x", i);
		frame_ip6(&frame, &(struct ip6_spec){ .hop_limit = 1, .src = src });
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(bench_count(b, DMZ), 5);
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* RFC 4861 7.2.2 */
START_TEST(rfc4861_a_neighbour_that_does_not_answer_is_unreachable)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, error;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = "2001:db8:2::20" });
	bench_push(b, LAN, &frame);
	bench_advance(b, 3010);
	ck_assert_uint_eq(bench_count(b, WAN), 3); /* MAX_MULTICAST_SOLICIT */
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, LAN6, HOST6, ICMP6_DST_UNREACH, 3);
	ck_assert_uint_eq(bench_drops(b, "neigh_failed"), 1);
	bench_destroy(b);
}
END_TEST

static const char *const martians[] = { "::1", "ff02::1", "::ffff:10.0.0.1", "fe80:2::10" };

START_TEST(rfc4291_what_is_no_source_address_is_dropped)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .src = martians[_i], .dst = LAN6 });
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "ip6_martian_source", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Source selection (RFC 6724): errors to whom, out of which link, from which address of ours. */
static const struct {
	const char *name, *add, *del, *src, *want;
} sources[] = {
	{ "of the destination's network", "2001:db8:7::1/64", NULL, HOST6, LAN6 },
	{ "rule 8: the longest match", "2001:db8:1:0:8000::1/80", NULL, "2001:db8:1:0:8000::77",
		"2001:db8:1:0:8000::1" },
	{ "rule 2: of the destination's scope", NULL, NULL, HOST6_LINK, LAN6_LINK },
	{ "of another link, rather than link-local", NULL, LAN6 "/64", HOST6, WAN6 },
};

START_TEST(rfc6724_the_source_of_an_error_suits_its_destination)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, error;
	char params[128];

	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"2001:db8:1:0:8000::77\", \"lladdr\": \"" HOST_MAC
		"\", \"dev\": \"lan\"}"));
	if (sources[_i].add != NULL) {
		snprintf(params, sizeof(params), "{\"local\": \"%s\", \"dev\": \"lan\"}",
			sources[_i].add);
		json_decref(bench_call(b, "addr.add", params));
	}
	if (sources[_i].del != NULL) {
		snprintf(params, sizeof(params), "{\"local\": \"%s\", \"dev\": \"lan\"}",
			sources[_i].del);
		json_decref(bench_call(b, "addr.del", params));
		json_decref(bench_call(
			b, "route.add", "{\"to\": \"2001:db8:1::/64\", \"dev\": \"lan\"}"));
		json_decref(bench_call(b, "neigh.replace",
			"{\"to\": \"" HOST6 "\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"lan\"}"));
	}
	bench_discard(b);
	/* A link-local source cannot cause one by its hop limit. */
	frame_ip6(&frame, &(struct ip6_spec){ .src = sources[_i].src, .hop_limit = 1 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &error);
	ck_assert_str_eq(frame_src6(&error), sources[_i].want);
	bench_destroy(b);
}
END_TEST

/* Addresses */

START_TEST(addresses_of_both_families_are_shown_with_scope_and_state)
{
	struct bench *b =
		bench_start("links = ( { name = \"lan\"; device = \"net_ring_p0\";\n"
			    "  mac = \"" LAN_MAC "\";\n"
			    "  addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; } );\n");
	json_t *rows = bench_call(b, "addr.show", NULL);

	ck_assert_str_eq(json_text_at(rows, "0.addr_info.0.local"), "192.0.2.1");
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.1.family"), "inet6");
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.1.local"), LAN6);
	ck_assert_int_eq(json_int_at(rows, "0.addr_info.1.prefixlen"), 64);
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.1.scope"), "global");
	ck_assert(json_is_true(json_at(rows, "0.addr_info.1.tentative")));
	/* RFC 4291 appendix A: the link's own, last. */
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.2.local"), LAN6_LINK);
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.2.scope"), "link");
	json_decref(rows);
	bench_advance(b, 1010);
	rows = bench_call(b, "addr.show", NULL);
	ck_assert_ptr_null(json_object_get(json_at(rows, "0.addr_info.1"), "tentative"));
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *local, *text;
} no_addresses[] = {
	{ "::/64", "not a unicast address" },
	{ "::1/128", "not a unicast address" },
	{ "ff02::5/64", "not a unicast address" },
	{ "::ffff:192.0.2.1/120", "not a unicast address" },
	{ "2001:db8::1/0", "prefix length" },
	{ "fe80::1/8", "prefix length" },
	{ "fe80:1::1/64", "begins with fe80:0" },
	{ LAN6 "/48", "already used" },
	{ LAN6_LINK "/64", "already used" },
};

START_TEST(what_is_no_address_for_a_link_is_refused)
{
	struct bench *b = bench_start(router6_config);
	char params[128];

	snprintf(params, sizeof(params), "{\"local\": \"%s\", \"dev\": \"lan\"}",
		no_addresses[_i].local);
	bench_expect_error(b, "addr.add", params, no_addresses[_i].text);
	bench_destroy(b);
}
END_TEST

START_TEST(the_same_link_local_address_may_be_on_every_link)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, reply;

	json_decref(bench_call(b, "addr.add", "{\"local\": \"fe80::1/64\", \"dev\": \"lan\"}"));
	json_decref(bench_call(b, "addr.add", "{\"local\": \"fe80::1/64\", \"dev\": \"wan\"}"));
	bench_expect_error(
		b, "addr.add", "{\"local\": \"fe80::1/64\", \"dev\": \"wan\"}", "already used");
	bench_discard(b);
	frame_ip6(&frame, &(struct ip6_spec){ .src = HOST6_LINK,
				  .dst = "fe80::1",
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = ICMP6_ECHO_REQUEST });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &reply);
	frame_check_icmp6(&reply, "fe80::1", HOST6_LINK, ICMP6_ECHO_REPLY, 0);
	/* Gone from lan it is still on wan. */
	json_decref(bench_call(b, "addr.del", "{\"local\": \"fe80::1/64\", \"dev\": \"lan\"}"));
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "ip6_link_local"), 1);
	bench_destroy(b);
}
END_TEST

/* RFC 8200 8.1: unlike in IPv4 there is no UDP without a checksum. */
START_TEST(rfc8200_udp_to_us_needs_a_checksum)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = LAN6, .payload_len = 4 });
	memset(frame.bytes + 60, 0, 2);
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "ip6_l4_bad_checksum"), 1);
	bench_destroy(b);
}
END_TEST

/* Robustness */

static unsigned int make_frames(struct frame frames[static 7])
{
	struct ip6_spec spec = { .dst = LAN6,
		.proto = IPPROTO_ICMPV6,
		.icmp_type = ICMP6_ECHO_REQUEST,
		.ext = "\x3c\x00\x05\x02\0\0\x01\0\x3a\x00\x1e\x04\0\0\0\0",
		.ext_len = 16,
		.ext_proto = IPPROTO_HOPOPTS,
		.payload_len = 20 };
	unsigned int n = 0;

	frame_ip6(&frames[n++], &(struct ip6_spec){ .payload_len = 20 });
	frame_ip6(&frames[n++], &spec);
	frame_ip6(&frames[n++], &(struct ip6_spec){ .dst = LAN6,
					.ext = RH0,
					.ext_len = 24,
					.ext_proto = IPPROTO_ROUTING,
					.payload_len = 4 });
	frame_ip6(&frames[n++], &(struct ip6_spec){ .dst = LAN6,
					.ext = "\x11\x00\x00\x01\0\0\0\x07",
					.ext_len = 8,
					.ext_proto = IPPROTO_FRAGMENT,
					.payload_len = 8 });
	frame_ip6(&frames[n++], &(struct ip6_spec){ .hop_limit = 1, .payload_len = 1300 });
	frame_nd(&frames[n++], &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	frame_nd(&frames[n++], &(struct nd_spec){ .target = HOST6,
				       .dst = LAN6,
				       .type = ND_NEIGHBOR_ADVERT,
				       .flags = 0x60,
				       .lladdr = HOST_MAC });
	return n;
}

static void check_accounts(struct bench *b)
{
	struct dp_totals totals;

	bench_run(b);
	bench_discard(b);
	dp_totals(b->dp, &totals);
	REQUIRE_MSG(totals.difference == 0, "difference %" PRId64, totals.difference);
}

START_TEST(every_cut_of_every_kind_is_accounted_for)
{
	static const uint16_t seg_lens[] = { 2048, 61, 20, 7, 1 };
	struct bench *b = bench_start(router6_config);
	struct frame frames[7];
	unsigned int n = make_frames(frames);

	for (unsigned int i = 0; i < n; i++) {
		for (uint32_t len = 1; len <= RTE_MIN(frames[i].len, 150u); len++) {
			struct frame honest = frames[i], lying = frames[i];

			honest.len = lying.len = len;
			/* With a payload length that fits what lies deeper is reached. */
			if (len >= 54)
				frame_ip6_hdr(&honest)->payload_len =
					rte_cpu_to_be_16((uint16_t)(len - 54));
			for (unsigned int s = 0; s < RTE_DIM(seg_lens); s++) {
				bench_send_segs(b, LAN, &honest, seg_lens[s]);
				bench_send_segs(b, LAN, &lying, seg_lens[s]);
				check_accounts(b);
			}
		}
	}
	bench_destroy(b);
}
END_TEST

START_TEST(noise_is_accounted_for)
{
	struct bench *b = bench_start(router6_config);
	struct frame frames[7], frame;
	unsigned int n = make_frames(frames);

	srand(7);
	for (unsigned int round = 0; round < 10000; round++) {
		frame = frames[(unsigned int)rand() % n];
		for (int k = rand() % 6; k > 0; k--)
			frame.bytes[(unsigned int)rand() % RTE_MIN(frame.len, 110u)] =
				(uint8_t)rand();
		if (rand() % 2 == 0 && rte_be_to_cpu_16(frame_ip6_hdr(&frame)->payload_len) < 2000)
			frame_fix_ip6(&frame);
		bench_send_segs(b, (unsigned int)rand() % 3, &frame, (uint16_t)(20 + rand() % 100));
		if (round % 16 == 0)
			check_accounts(b);
		if (round % 2048 == 0)
			bench_advance(b, 5000);
	}
	check_accounts(b);
	bench_destroy(b);
}
END_TEST

/* The long way decides as the short one does. */
START_TEST(the_short_way_and_the_long_way_judge_ip6_alike)
{
	static const uint8_t interesting[] = { 0, 0x20, 0xfe, 0x80, 0xff, 1, 2, 58 };
	struct bench *b = bench_start(router6_config);
	unsigned int n_forwarded = 0, n_dropped = 0;
	struct frame frame, out[2];
	struct drops drops[3];

	srand(6);
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	for (unsigned int round = 0; round < 10000; round++) {
		frame_ip6(&frame, &(struct ip6_spec){ .payload_len = (uint16_t)(rand() % 40),
					  .proto = round % 4 == 0 ? 253 : 0,
					  .ext = "\x11\x00\x00\x01\0\0\0\x07",
					  .ext_len = round % 4 < 2 ? 8 : 0,
					  .ext_proto = IPPROTO_FRAGMENT });
		for (int k = rand() % 3; k > 0; k--)
			frame.bytes[14 + rand() % (round % 4 < 2 ? 48 : 40)] =
				rand() % 2 ? (uint8_t)rand() : interesting[rand() % 8];
		if (rand() % 8 == 0)
			frame.len = 54 + (uint32_t)rand() % 80;
		for (unsigned int way = 0; way < 2; way++) {
			drops[way] = drops_take(b);
			out[way].len = 0;
			if (way == 1)
				bench_push_split(b, LAN, &frame, 20);
			else
				bench_push(b, LAN, &frame);
			(void)bench_receive(b, WAN, &out[way]);
			bench_discard(b);
		}
		drops[2] = drops_take(b);
		for (unsigned int i = 0; i < RTE_DIM(drops[0].n); i++)
			REQUIRE(drops[1].n[i] - drops[0].n[i] == drops[2].n[i] - drops[1].n[i]);
		REQUIRE(out[0].len == out[1].len);
		REQUIRE(memcmp(out[0].bytes, out[1].bytes, out[0].len) == 0);
		n_forwarded += out[0].len > 0;
		n_dropped += out[0].len == 0;
	}
	ck_assert_uint_gt(n_forwarded, 1000);
	ck_assert_uint_gt(n_dropped, 1000);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("ip6", PLAIN_TEST(a_closed_tcp_port_answers_by_a_reset),
	LOOP_TEST(a_packet_goes_where_the_longest_prefix_leads, ways),
	PLAIN_TEST(padding_is_cut_off), LOOP_TEST(extension_headers_are_carried_through, carried),
	PLAIN_TEST(a_packet_waits_for_its_neighbour_and_then_goes),
	LOOP_TEST(rfc4443_an_echo_request_is_answered, echoes),
	PLAIN_TEST(an_echo_request_with_options_is_answered_without),
	PLAIN_TEST(echoes_can_be_switched_off),
	LOOP_TEST(an_error_says_what_was_wrong_and_quotes_the_packet, errors),
	LOOP_TEST(rfc4443_about_some_packets_nobody_is_told, silent),
	PLAIN_TEST(rfc4443_packet_too_big_is_told_whatever_the_frame_was),
	PLAIN_TEST(rfc4443_errors_to_one_destination_are_limited),
	LOOP_TEST(only_the_types_of_the_mask_are_limited, masks),
	PLAIN_TEST(packet_too_big_and_echo_replies_can_be_limited),
	PLAIN_TEST(rfc4443_errors_to_all_together_are_limited),
	PLAIN_TEST(rfc4861_a_neighbour_that_does_not_answer_is_unreachable),
	LOOP_TEST(rfc4291_what_is_no_source_address_is_dropped, martians),
	LOOP_TEST(rfc6724_the_source_of_an_error_suits_its_destination, sources),
	PLAIN_TEST(addresses_of_both_families_are_shown_with_scope_and_state),
	LOOP_TEST(what_is_no_address_for_a_link_is_refused, no_addresses),
	PLAIN_TEST(the_same_link_local_address_may_be_on_every_link),
	PLAIN_TEST(rfc8200_udp_to_us_needs_a_checksum),
	PLAIN_TEST(every_cut_of_every_kind_is_accounted_for), PLAIN_TEST(noise_is_accounted_for),
	PLAIN_TEST(the_short_way_and_the_long_way_judge_ip6_alike))
