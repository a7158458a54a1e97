/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors: which are sent, about what, how many, and about what none (RFC 792, RFC 1122 3.2.2,
 * RFC 1812 4.3).
 *
 *	192.0.2.10, 10.66.0.0/16 --- lan (p0) weir wan (p1) --- 198.51.100.10, 8.0.0.0/8, MTU 576
 */
#include "kit.h"

#include <rte_cycles.h>

enum { ERROR_MAX_LEN = 576, QUOTE_MAX = ERROR_MAX_LEN - 20 - 8 };

static const char error_config[] =
	"links = (\n"
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\", \"192.0.2.2/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\"; mtu = 576;\n"
	"    addresses = [ \"198.51.100.1/24\" ]; }\n"
	");\n"
	"neighbors = (\n"
	"  { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"8.0.0.0/8\"; via = \"198.51.100.10\"; },\n"
	"  { to = \"172.16.1.0/24\"; type = \"unreachable\"; },\n"
	"  { to = \"172.16.2.0/24\"; type = \"prohibit\"; },\n"
	"  { to = \"172.16.3.0/24\"; type = \"blackhole\"; },\n"
	"  { to = \"10.66.0.0/16\"; via = \"192.0.2.10\"; } );\n";

static const struct {
	const char *name, *dst;
	struct ip4_spec spec;
	uint8_t type, code;
	uint32_t info; /* second word of the ICMP header */
	const char *from, *reason;
} errors[] = {
	{ "ttl of one", "8.8.8.8", { .ttl = 1 }, 11, 0, 0, "192.0.2.1", "ip4_ttl_exceeded" },
	{ "ttl of one, to a host on a link", "198.51.100.99", { .ttl = 1 }, 11, 0, 0, "192.0.2.1",
		"ip4_ttl_exceeded" },
	{ "no route", "9.9.9.9", { 0 }, 3, 0, 0, "192.0.2.1", "ip4_no_route" },
	{ "unreachable", "172.16.1.1", { 0 }, 3, 1, 0, "192.0.2.1", "ip4_unreachable" },
	{ "prohibited", "172.16.2.1", { 0 }, 3, 13, 0, "192.0.2.1", "ip4_prohibited" },
	{ "too big", "8.8.8.8", { .payload_len = 600, .fragment = RTE_IPV4_HDR_DF_FLAG }, 3, 4, 576,
		"192.0.2.1", "ip4_frag_needed" },
	{ "udp to us", "192.0.2.1", { 0 }, 3, 3, 0, "192.0.2.1", "ip4_no_listener" },
	{ "another protocol to us", "192.0.2.1", { .proto = 253 }, 3, 2, 0, "192.0.2.1",
		"ip4_no_protocol" },
	{ "to the second address", "192.0.2.2", { 0 }, 3, 3, 0, "192.0.2.2", "ip4_no_listener" },
	{ "to the other link's address", "198.51.100.1", { .proto = 132 }, 3, 2, 0, "198.51.100.1",
		"ip4_no_protocol" },
	{ "ttl of one is enough for us", "192.0.2.1", { .ttl = 1 }, 3, 3, 0, "192.0.2.1",
		"ip4_no_listener" },
	{ "about an echo request", "9.9.9.9", { .proto = IPPROTO_ICMP, .icmp_type = 8 }, 3, 0, 0,
		"192.0.2.1", "ip4_no_route" },
	{ "about an echo reply", "9.9.9.9", { .proto = IPPROTO_ICMP }, 3, 0, 0, "192.0.2.1",
		"ip4_no_route" },
	{ "about a first fragment", "9.9.9.9",
		{ .fragment = RTE_IPV4_HDR_MF_FLAG, .payload_len = 24 }, 3, 0, 0, "192.0.2.1",
		"ip4_no_route" },
#define OPTIONS(bytes) .options = (bytes), .options_len = sizeof(bytes) - 1
	/* RFC 792: the pointer names the byte; which one is as with Linux. */
	{ "an option beyond the header", "8.8.8.8", { OPTIONS("\x01\x07\x04\x04") }, 12, 0,
		21u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "an option without length", "8.8.8.8", { OPTIONS("\x01\x01\x01\x07") }, 12, 0, 23u << 24,
		"192.0.2.1", "ip4_bad_options" },
	{ "an option of length one", "8.8.8.8", { OPTIONS("\x5e\x01\x00\x00") }, 12, 0, 20u << 24,
		"192.0.2.1", "ip4_bad_options" },
	{ "a bad option to us", "198.51.100.1", { OPTIONS("\x5e\x01\x00\x00") }, 12, 0, 20u << 24,
		"198.51.100.1", "ip4_bad_options" },
	{ "record route too short", "8.8.8.8", { OPTIONS("\x07\x02\x00\x00") }, 12, 0, 21u << 24,
		"192.0.2.1", "ip4_bad_options" },
	{ "record route with a bad pointer", "8.8.8.8", { OPTIONS("\x07\x07\x03\0\0\0\0\0") }, 12,
		0, 22u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "record route without room for an address", "8.8.8.8",
		{ OPTIONS("\x07\x06\x04\0\0\0\0\0") }, 12, 0, 22u << 24, "192.0.2.1",
		"ip4_bad_options" },
	{ "timestamp too short", "8.8.8.8", { OPTIONS("\x44\x03\x05\x00") }, 12, 0, 21u << 24,
		"192.0.2.1", "ip4_bad_options" },
	{ "timestamp with a bad pointer", "8.8.8.8", { OPTIONS("\x44\x08\x04\0\0\0\0\0") }, 12, 0,
		22u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "timestamp of an unknown kind", "8.8.8.8", { OPTIONS("\x44\x08\x05\2\0\0\0\0") }, 12, 0,
		23u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "timestamp with too little room", "8.8.8.8", { OPTIONS("\x44\x08\x05\1\0\0\0\0") }, 12, 0,
		22u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "timestamp that has overflowed", "8.8.8.8", { OPTIONS("\x44\x08\x09\xf0\0\0\0\0") }, 12,
		0, 23u << 24, "192.0.2.1", "ip4_bad_options" },
	{ "router alert too short", "8.8.8.8", { OPTIONS("\x94\x03\0\0") }, 12, 0, 21u << 24,
		"192.0.2.1", "ip4_bad_options" },
	/* RFC 1812 5.2.7.1 */
	{ "loose source route", "8.8.8.8", { OPTIONS("\x83\x07\x04\x09\x09\x09\x09\x00") }, 3, 5, 0,
		"192.0.2.1", "ip4_source_route" },
	{ "strict source route", "8.8.8.8", { OPTIONS("\x89\x07\x04\x09\x09\x09\x09\x00") }, 3, 5,
		0, "192.0.2.1", "ip4_source_route" },
	{ "about options", "9.9.9.9", { .options = "\x01\x01\x01\x00", .options_len = 4 }, 3, 0, 0,
		"192.0.2.1", "ip4_no_route" },
};

/* An error as RFC 1812 4.3.2 wants it, about this frame. */
static void check_error(struct frame *error, struct frame *about, const char *from)
{
	struct rte_ipv4_hdr *ip = frame_ip(error);
	uint16_t about_len = rte_be_to_cpu_16(frame_ip(about)->total_length);
	uint16_t quoted = RTE_MIN(about_len, (uint16_t)QUOTE_MAX);

	frame_check_ip4(error);
	ck_assert_uint_eq(ip->version_ihl, 0x45);
	ck_assert_uint_eq(ip->type_of_service, 0xc0);
	ck_assert_uint_eq(rte_be_to_cpu_16(ip->total_length), 28 + quoted);
	ck_assert_uint_eq(ip->fragment_offset, 0);
	ck_assert_uint_eq(ip->time_to_live, 64);
	ck_assert_uint_eq(ip->next_proto_id, IPPROTO_ICMP);
	ck_assert_uint_eq(ip->src_addr, ip4_be(from));
	ck_assert_uint_eq(ip->dst_addr, frame_ip(about)->src_addr);
	ck_assert_mem_eq(frame_l4(error) + 8, frame_ip(about), quoted);
}

/* RFC 9293 3.10.7.1 */
START_TEST(a_closed_tcp_port_answers_by_a_reset)
{
	struct bench *b = bench_start(error_config);
	struct drops drops = drops_take(b);
	const struct rte_tcp_hdr *asked, *said;
	struct frame frame, reset;

	frame_ip4(&frame, &(struct ip4_spec){
				  .src = "192.0.2.10", .dst = "192.0.2.1", .proto = IPPROTO_TCP });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &reset);
	frame_check_ip4(&reset);
	asked = (const struct rte_tcp_hdr *)frame_l4(&frame);
	said = (const struct rte_tcp_hdr *)frame_l4(&reset);
	ck_assert_uint_eq(frame_ip(&reset)->next_proto_id, IPPROTO_TCP);
	ck_assert_uint_eq(frame_ip(&reset)->src_addr, ip4_be("192.0.2.1"));
	ck_assert_uint_eq(frame_ip(&reset)->dst_addr, ip4_be("192.0.2.10"));
	ck_assert_uint_eq(said->tcp_flags, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	ck_assert_uint_eq(said->src_port, asked->dst_port);
	ck_assert_uint_eq(said->dst_port, asked->src_port);
	ck_assert_uint_eq(rte_be_to_cpu_32(said->recv_ack), rte_be_to_cpu_32(asked->sent_seq) + 1);
	ck_assert_int_eq(rte_ipv4_udptcp_cksum_verify(frame_ip(&reset), said), 0);
	drops_expect(b, &drops, "ip4_no_listener", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(what_cannot_go_on_is_answered_with_an_error)
{
	struct bench *b = bench_start(error_config);
	struct drops drops = drops_take(b);
	struct ip4_spec spec = errors[_i].spec;
	uint32_t info = rte_cpu_to_be_32(errors[_i].info);
	struct frame frame, error;

	spec.src = "192.0.2.10";
	spec.dst = errors[_i].dst;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, errors[_i].reason, 1);
	bench_expect(b, LAN, &error);
	check_error(&error, &frame, errors[_i].from);
	ck_assert_mem_eq(frame_ether(&error)->src_addr.addr_bytes, "\x02\x00\x00\x00\x00\x01", 6);
	ck_assert_mem_eq(frame_ether(&error)->dst_addr.addr_bytes, "\x02\x00\x00\x00\x01\x01", 6);
	ck_assert_uint_eq(frame_l4(&error)[0], errors[_i].type);
	ck_assert_uint_eq(frame_l4(&error)[1], errors[_i].code);
	ck_assert_mem_eq(frame_l4(&error) + 4, &info, sizeof(info));
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(as_much_is_quoted_as_fits_into_576_bytes)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	bench_sysctl(b, "ipv4.icmp_msgs_burst", "10000");
	bench_sysctl(b, "ipv4.icmp_ratelimit", "0");
	for (uint16_t len = 0; len <= 1472; len = (uint16_t)(len + 13)) {
		frame_ip4(&frame,
			&(struct ip4_spec){
				.src = "192.0.2.10", .dst = "9.9.9.9", .payload_len = len });
		bench_push(b, LAN, &frame);
		bench_expect(b, LAN, &error);
		check_error(&error, &frame, "192.0.2.1");
		bench_send_segs(b, LAN, &frame, 37);
		bench_run(b);
		bench_expect(b, LAN, &error);
		check_error(&error, &frame, "192.0.2.1");
	}
	bench_destroy(b);
}
END_TEST

START_TEST(padding_is_not_quoted)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "9.9.9.9" });
	frame.len = 60;
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &error);
	check_error(&error, &frame, "192.0.2.1");
	bench_destroy(b);
}
END_TEST

START_TEST(the_source_is_an_address_of_the_link_that_the_error_leaves_by)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	/* Arrived on lan, but the way back to 8.1.2.3 is by wan. */
	frame_ip4(&frame, &(struct ip4_spec){ .src = "8.1.2.3", .dst = "9.9.9.9" });
	bench_push(b, LAN, &frame);
	bench_expect(b, WAN, &error);
	check_error(&error, &frame, "198.51.100.1");
	/* And the other way round. */
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = "10.66.1.1",
				  .dst = "9.9.9.9" });
	bench_push(b, WAN, &frame);
	bench_expect(b, LAN, &error);
	check_error(&error, &frame, "192.0.2.1");
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* The sender is in the second network of its link, or behind a gateway there: as with Linux. */
static const char *const in_second_network[] = { "172.16.5.9", "10.99.1.1" };

START_TEST(the_source_is_in_the_network_of_the_next_hop)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	json_decref(bench_call(b, "addr.add", "{\"local\": \"172.16.5.1/24\", \"dev\": \"wan\"}"));
	for (unsigned int host = 9; host <= 10; host++) {
		char params[128];

		snprintf(params, sizeof(params),
			"{\"to\": \"172.16.5.%u\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}",
			host);
		json_decref(bench_call(b, "neigh.add", params));
	}
	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.99.0.0/16\", \"via\": \"172.16.5.10\"}"));
	bench_discard(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = in_second_network[_i],
				  .dst = "9.9.9.9" });
	bench_push(b, WAN, &frame);
	bench_expect(b, WAN, &error);
	check_error(&error, &frame, "172.16.5.1");
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name, *src, *dst, *dst_mac;
	struct ip4_spec spec;
	const char *reason;
} silent[] = {
	{ "unreachable", NULL, "9.9.9.9", NULL, { .proto = IPPROTO_ICMP, .icmp_type = 3 },
		"ip4_no_route" },
	{ "source quench", NULL, "9.9.9.9", NULL, { .proto = IPPROTO_ICMP, .icmp_type = 4 },
		"ip4_no_route" },
	{ "redirect", NULL, "9.9.9.9", NULL, { .proto = IPPROTO_ICMP, .icmp_type = 5 },
		"ip4_no_route" },
	{ "time exceeded", NULL, "8.8.8.8", NULL,
		{ .proto = IPPROTO_ICMP, .icmp_type = 11, .ttl = 1 }, "ip4_ttl_exceeded" },
	{ "parameter problem", NULL, "9.9.9.9", NULL, { .proto = IPPROTO_ICMP, .icmp_type = 12 },
		"ip4_no_route" },
	{ "unknown icmp", NULL, "9.9.9.9", NULL, { .proto = IPPROTO_ICMP, .icmp_type = 42 },
		"ip4_no_route" },
	{ "a later fragment", NULL, "9.9.9.9", NULL,
		{ .fragment = 1, .proto = 253, .payload_len = 8 }, "ip4_no_route" },
	{ "a later fragment of icmp", NULL, "8.8.8.8", NULL,
		{ .fragment = 100, .proto = IPPROTO_ICMP, .icmp_type = 8, .ttl = 1 },
		"ip4_ttl_exceeded" },
	{ "link-layer broadcast", NULL, "192.0.2.1", ANY_MAC, { 0 }, "ip4_no_listener" },
	{ "link-layer multicast", NULL, "192.0.2.1", "01:00:5e:00:00:01", { .proto = 253 },
		"ip4_no_protocol" },
	{ "link-layer broadcast without a route", NULL, "9.9.9.9", ANY_MAC, { 0 }, "ip4_no_route" },
	{ "link-layer broadcast to elsewhere", NULL, "8.8.8.8", ANY_MAC, { .ttl = 1 },
		"ip4_link_broadcast" },
	{ "multicast", NULL, "224.0.0.5", "01:00:5e:00:00:05", { .ttl = 1 }, "ip4_multicast" },
	{ "broadcast", NULL, "255.255.255.255", ANY_MAC, { 0 }, "ip4_broadcast" },
	{ "directed broadcast", NULL, "198.51.100.255", NULL, { 0 }, "ip4_broadcast" },
	{ "a network's own address", NULL, "198.51.100.0", NULL, { 0 }, "ip4_broadcast" },
	{ "blackhole", NULL, "172.16.3.1", NULL, { 0 }, "ip4_blackhole" },
	{ "from 0.0.0.0", "0.0.0.0", "9.9.9.9", NULL, { 0 }, "ip4_martian_source" },
	{ "from a multicast address", "224.0.0.1", "9.9.9.9", NULL, { 0 }, "ip4_martian_source" },
	{ "from the broadcast address", "255.255.255.255", "9.9.9.9", NULL, { 0 },
		"ip4_martian_source" },
	{ "from loopback", "127.0.0.1", "9.9.9.9", NULL, { 0 }, "ip4_martian_source" },
	{ "from a reserved address", "240.0.0.1", "9.9.9.9", NULL, { 0 }, "ip4_martian_source" },
	{ "from a directed broadcast address", "192.0.2.255", "9.9.9.9", NULL, { 0 },
		"ip4_source_is_ours" },
	{ "from our own address", "192.0.2.1", "9.9.9.9", NULL, { 0 }, "ip4_source_is_ours" },
	{ "bad options to a broadcast address", NULL, "198.51.100.255", NULL,
		{ .options = "\x07\x09\x04\x00", .options_len = 4 }, "ip4_bad_options" },
	{ "bad options in a later fragment", NULL, "9.9.9.9", NULL,
		{ .options = "\x07\x09\x04\x00", .options_len = 4, .fragment = 1, .proto = 253 },
		"ip4_bad_options" },
	{ "a source route by link-layer broadcast", NULL, "9.9.9.9", ANY_MAC,
		{ .options = "\x83\x03\x04\x00", .options_len = 4 }, "ip4_source_route" },
};

START_TEST(nobody_is_told_who_must_not_be_told)
{
	struct bench *b = bench_start(error_config);
	struct drops drops = drops_take(b);
	struct ip4_spec spec = silent[_i].spec;
	struct frame frame;

	spec.src = silent[_i].src != NULL ? silent[_i].src : "192.0.2.10";
	spec.dst = silent[_i].dst;
	spec.dst_mac = silent[_i].dst_mac;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, silent[_i].reason, 1);
	bench_destroy(b);
}
END_TEST

START_TEST(icmp_without_a_type_is_not_answered)
{
	struct bench *b = bench_start(error_config);
	struct frame frame;

	frame_ip4(
		&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "9.9.9.9", .proto = 253 });
	frame_ip(&frame)->next_proto_id = IPPROTO_ICMP;
	frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* The rate */

static unsigned int count_errors(struct bench *b, unsigned int n)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "9.9.9.9" });
	for (unsigned int i = 0; i < n; i++)
		bench_send(b, LAN, &frame);
	bench_run(b);
	return bench_count(b, LAN);
}

START_TEST(a_burst_of_errors_is_bounded)
{
	struct bench *b = bench_start(error_config);

	bench_sysctl(b, "ipv4.icmp_ratelimit", "0");
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "1");
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "5");
	ck_assert_uint_eq(count_errors(b, 300), 5);
	ck_assert_uint_eq(bench_drops(b, "ip4_no_route"), 300);
	bench_destroy(b);
}
END_TEST

START_TEST(workers_share_the_burst)
{
	struct bench *b = bench_create(router_config, 2, 4096);
	struct frame frame;

	json_decref(
		bench_call(b, "route.add", "{\"to\": \"9.9.9.0/24\", \"type\": \"unreachable\"}"));
	bench_run(b);
	bench_discard(b);
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "1");
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "10");
	for (unsigned int i = 0; i < 40; i++) {
		bool is_lan = i % 2 == 0;

		frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = is_lan ? LAN_MAC : WAN_MAC,
					  .src = is_lan ? "192.0.2.10" : "198.51.100.10",
					  .dst = "9.9.9.9" });
		bench_send(b, is_lan ? LAN : WAN, &frame);
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, LAN), 5);
	ck_assert_uint_eq(bench_count(b, WAN), 5);
	ck_assert_uint_eq(bench_drops(b, "ip4_unreachable"), 40);
	bench_destroy(b);
}
END_TEST

START_TEST(the_bucket_refills_up_to_the_burst)
{
	struct bench *b = bench_start(error_config);

	bench_sysctl(b, "ipv4.icmp_ratelimit", "0");
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "10");
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "2");
	ck_assert_uint_eq(count_errors(b, 100), 2);
	/* Only a lower bound of the time is needed: after 200 ms the bucket is full again. */
	rte_delay_us_block(250000);
	ck_assert_uint_eq(count_errors(b, 100), 2);
	bench_destroy(b);
}
END_TEST

START_TEST(a_rate_of_zero_sends_no_errors_but_answers_echo)
{
	struct bench *b = bench_start(error_config);
	struct frame frame;

	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	ck_assert_uint_eq(count_errors(b, 10), 0);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8,
				  .payload_len = 10 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* Linux's icmp_ratelimit: a burst of six, then one in that time, to each. */
START_TEST(errors_to_one_destination_are_limited)
{
	struct bench *b = bench_start(error_config);
	struct frame frame;

	bench_sysctl(b, "ipv4.icmp_ratelimit", "100");
	ck_assert_uint_eq(count_errors(b, 20), 6);
	/* Another destination has its own. */
	frame_ip4(&frame, &(struct ip4_spec){ .src = "10.66.0.1", .dst = "9.9.9.9" });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	rte_delay_us_block(110000);
	ck_assert_uint_ge(count_errors(b, 1), 1);
	bench_sysctl(b, "ipv4.icmp_ratelimit", "0");
	ck_assert_uint_eq(count_errors(b, 20), 20);
	bench_destroy(b);
}
END_TEST

/* What one destination is refused is not taken from what all share. */
START_TEST(a_greedy_destination_does_not_use_up_the_common_limit)
{
	struct bench *b = bench_start(error_config);
	struct frame frame;

	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "1");
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "7");
	bench_sysctl(b, "ipv4.icmp_ratelimit", "3600000");
	ck_assert_uint_eq(count_errors(b, 100), 6);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "10.66.0.1", .dst = "9.9.9.9" });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* Linux's icmp_ratemask, and that path MTU discovery is never limited (RFC 1191 needs it). */
START_TEST(only_the_types_of_the_mask_are_limited)
{
	struct bench *b = bench_start(error_config);
	struct frame frame;

	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .payload_len = 600,
				  .fragment = RTE_IPV4_HDR_DF_FLAG });
	for (unsigned int i = 0; i < 20; i++)
		bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 20);
	ck_assert_uint_eq(count_errors(b, 20), 0);
	bench_sysctl(b, "ipv4.icmp_ratemask", "2048"); /* time exceeded alone */
	ck_assert_uint_eq(count_errors(b, 20), 20);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .ttl = 1 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 0);
	bench_destroy(b);
}
END_TEST

/* Sources and TOS of errors */

START_TEST(errors_may_come_from_the_link_that_the_packet_came_in_by)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	bench_sysctl(b, "ipv4.icmp_errors_use_inbound_ifaddr", "true");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "8.1.2.3", .dst = "9.9.9.9" });
	bench_push(b, LAN, &frame);
	bench_expect(b, WAN, &error);
	check_error(&error, &frame, "192.0.2.1");
	bench_destroy(b);
}
END_TEST

/* RFC 1812 4.3.2.5: the packet's TOS, but precedence 6; and no ECN (RFC 3168 5). */
START_TEST(an_error_has_the_tos_of_its_packet)
{
	struct bench *b = bench_start(error_config);
	struct frame frame, error;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "9.9.9.9" });
	frame_ip(&frame)->type_of_service = 0x2b;
	frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &error);
	ck_assert_uint_eq(frame_ip(&error)->type_of_service, 0xc8);
	bench_destroy(b);
}
END_TEST

START_TEST(errors_that_find_no_way_back_never_fill_a_lane)
{
	static char config[4096];
	struct bench *b;
	struct frame frame;
	size_t len = 0;

	/* As many ports as it takes to fill a pass, and no route back from any. */
	len += (size_t)snprintf(config, sizeof(config), "links = (");
	for (unsigned int i = 0; i < BENCH_PORTS; i++)
		len += (size_t)snprintf(config + len, sizeof(config) - len,
			"%s{ name = \"l%u\"; device = \"net_ring_p%u\"; mac = \"" LAN_MAC "\"; }",
			i > 0 ? ", " : " ", i, i);
	snprintf(config + len, sizeof(config) - len, " );");
	b = bench_start(config);
	bench_sysctl(b, "ipv4.icmp_msgs_burst", "100000");
	bench_sysctl(b, "ipv4.icmp_ratelimit", "0");
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "1000000");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "9.9.9.9" });
	for (unsigned int i = 0; i < 100; i++)
		for (unsigned int port = 0; port < BENCH_PORTS; port++)
			bench_send(b, port, &frame);
	bench_run(b);
	bench_expect_nothing(b);
	/* Each packet, and the error about it. */
	ck_assert_uint_eq(bench_drops(b, "ip4_no_route"), 2 * 100 * BENCH_PORTS);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("icmp errors", PLAIN_TEST(a_closed_tcp_port_answers_by_a_reset),
	LOOP_TEST(what_cannot_go_on_is_answered_with_an_error, errors),
	PLAIN_TEST(as_much_is_quoted_as_fits_into_576_bytes), PLAIN_TEST(padding_is_not_quoted),
	PLAIN_TEST(the_source_is_an_address_of_the_link_that_the_error_leaves_by),
	LOOP_TEST(the_source_is_in_the_network_of_the_next_hop, in_second_network),
	LOOP_TEST(nobody_is_told_who_must_not_be_told, silent),
	PLAIN_TEST(icmp_without_a_type_is_not_answered), PLAIN_TEST(a_burst_of_errors_is_bounded),
	PLAIN_TEST(workers_share_the_burst), PLAIN_TEST(the_bucket_refills_up_to_the_burst),
	PLAIN_TEST(a_rate_of_zero_sends_no_errors_but_answers_echo),
	PLAIN_TEST(errors_to_one_destination_are_limited),
	PLAIN_TEST(a_greedy_destination_does_not_use_up_the_common_limit),
	PLAIN_TEST(only_the_types_of_the_mask_are_limited),
	PLAIN_TEST(errors_may_come_from_the_link_that_the_packet_came_in_by),
	PLAIN_TEST(an_error_has_the_tos_of_its_packet),
	PLAIN_TEST(errors_that_find_no_way_back_never_fill_a_lane))
