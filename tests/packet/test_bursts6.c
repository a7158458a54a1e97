/* SPDX-License-Identifier: BSD-3-Clause */

/* IPv6 packets that come together: they keep their order, whatever is the matter with one of them. */
#include "kit6.h"

START_TEST(a_burst_with_fragments_keeps_its_order)
{
	struct bench *b = bench_start(router6_config);
	struct frame frames[3], got;

	frame_ip6(&frames[0], &(struct ip6_spec){ .ext = "\x11\x00\x00\x01\0\0\0\x07",
				      .ext_proto = IPPROTO_FRAGMENT,
				      .ext_len = 8,
				      .payload_len = 8 });
	frame_ip6(&frames[1], &(struct ip6_spec){ .ext = "\x11\x00\x00\x10\0\0\0\x07",
				      .ext_proto = IPPROTO_FRAGMENT,
				      .ext_len = 8,
				      .proto = 253,
				      .payload_len = 9 });
	frame_ip6(&frames[2], &(struct ip6_spec){ .payload_len = 7 });
	for (unsigned int i = 0; i < 3; i++)
		bench_send(b, LAN, &frames[i]);
	bench_run(b);
	for (unsigned int i = 0; i < 3; i++) {
		bench_expect(b, WAN, &got);
		ck_assert_uint_eq(got.len, frames[i].len);
	}
	bench_destroy(b);
}
END_TEST

/* Whichever comes first, and from whichever link: `plain` sets itself up for the first packet. */
START_TEST(a_burst_of_both_families_goes_both_ways)
{
	struct bench *b = bench_start(router6_config);
	struct frame ip4, ip6, back;

	json_decref(bench_call(b, "route.add", "{\"to\": \"10.0.0.0/8\", \"dev\": \"dmz\"}"));
	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"10.0.0.9\", \"lladdr\": \"" DMZ_HOST "\", \"dev\": \"dmz\"}"));
	frame_ip4(&ip4, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "10.0.0.9" });
	frame_ip6(&ip6, &(struct ip6_spec){ .payload_len = 1 });
	frame_ip6(&back,
		&(struct ip6_spec){
			.src = PEER6, .dst = HOST6, .src_mac = PEER_MAC, .dst_mac = WAN_MAC });
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < 6; i++) {
			bench_send(b, LAN, (i + round) % 2 ? &ip4 : &ip6);
			if (round >= 2)
				bench_send(b, WAN, &back);
		}
		bench_run(b);
		ck_assert_uint_eq(bench_count(b, DMZ), 3);
		ck_assert_uint_eq(bench_count(b, WAN), 3);
		ck_assert_uint_eq(bench_count(b, LAN), round >= 2 ? 6 : 0);
	}
	bench_destroy(b);
}
END_TEST

/* A packet that has its number in its flow label. */
static void send_one(struct bench *b, unsigned int i, const struct ip6_spec *spec)
{
	struct frame frame;

	frame_ip6(&frame, spec);
	frame_ip6_hdr(&frame)->vtc_flow = rte_cpu_to_be_32(0x60000000 | i);
	bench_send(b, LAN, &frame);
}

static void send_numbered(struct bench *b, unsigned int begin, unsigned int end)
{
	static const char *const dst[] = { FAR6, "2001:db8:f::1" };

	for (unsigned int i = begin; i < end; i++)
		send_one(b, i, &(struct ip6_spec){ .dst = dst[i % 2], .payload_len = 8 });
}

/* What keeps a packet from being sent on at once, in the middle of a burst. */
static const struct {
	const char *name;
	struct ip6_spec spec;
	unsigned int n_behind; /* it and what comes after it take the long way */
} obstacles[] = {
	{ "nothing", { .dst = FAR6 }, 0 },
	{ "hop limit", { .dst = FAR6, .hop_limit = 1 }, 21 },
	{ "to us", { .dst = LAN6 }, 21 },
	{ "no route", { .dst = "2001:db8:bad::1" }, 21 },
	{ "a neighbour that is not known", { .dst = "2001:db8:3::99" }, 21 },
	{ "too large", { .dst = "2001:db8:f::1", .payload_len = 1300 }, 21 },
	{ "two next hops", { .dst = "2001:db8:2e::1" }, 0 },
	{ "a host route", { .dst = "2001:db8:1057::1" }, 0 },
	/* Not plain, and so no obstacle to others. */
	{ "options",
		{ .dst = FAR6,
			.ext_proto = IPPROTO_HOPOPTS,
			.ext = "\x11\x00\x05\x02\0\0\x01\0",
			.ext_len = 8 },
		1 },
};

enum { OBSTACLE = 999 };

/* Every second of the numbers, in order, whatever else there is. */
static void check_numbered(struct bench *b, unsigned int port, unsigned int first)
{
	struct frame frame;

	for (unsigned int i = first; i < 40;) {
		uint32_t label;

		bench_expect(b, port, &frame);
		label = rte_be_to_cpu_32(frame_ip6_hdr(&frame)->vtc_flow) & 0xfffff;
		if (label == OBSTACLE || frame_ip6_hdr(&frame)->proto == IPPROTO_ICMPV6)
			continue;
		ck_assert_uint_eq(label, i);
		i += 2;
	}
}

START_TEST(a_burst_keeps_its_order_whatever_is_in_the_way_of_one)
{
	static const char unreachable
		[] = "{\"to\": \"2001:db8:bad::/48\", \"type\": \"unreachable\"}",
     two_hops[] = "{\"to\": \"2001:db8:2e::/48\", \"nexthops\": [ { \"via\": \"2001:db8:2::10\" }, "
		  "{ \"via\": \"2001:db8:3::10\" } ]}",
     host[] = "{\"to\": \"2001:db8:1057::1\", \"via\": \"2001:db8:2::10\"}";
	struct bench *b = bench_start(router6_config);
	uint64_t before;

	json_decref(bench_call(b, "route.add", unreachable));
	json_decref(bench_call(b, "route.add", two_hops));
	json_decref(bench_call(b, "route.add", host));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1280}"));
	before = bench_node_packets(b, "ip6_forward");
	send_numbered(b, 0, 20);
	send_one(b, OBSTACLE, &obstacles[_i].spec);
	send_numbered(b, 20, 40);
	worker_pass(b->dp->workers[0]);
	ck_assert_uint_eq(bench_node_packets(b, "ip6_forward") - before, obstacles[_i].n_behind);
	bench_run(b);
	check_numbered(b, WAN, 0);
	check_numbered(b, DMZ, 1);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* In each pass there is a packet more, also in that which lets go of the one that waits. */
START_TEST(packets_that_wait_are_not_overtaken_when_they_are_released)
{
	struct bench *b = bench_start(router6_config);
	const struct ip6_spec spec = { .dst = "2001:db8:3::99", .payload_len = 8 };
	struct frame answer, frame;

	send_one(b, 0, &spec);
	bench_run(b);
	bench_discard(b);
	frame_nd(&answer, &(struct nd_spec){ .src_mac = DMZ_HOST,
				  .dst_mac = DMZ_MAC,
				  .src = "2001:db8:3::99",
				  .dst = "2001:db8:3::1",
				  .target = "2001:db8:3::99",
				  .type = ND_NEIGHBOR_ADVERT,
				  .flags = 0x60,
				  .lladdr = DMZ_HOST });
	bench_send(b, DMZ, &answer);
	for (unsigned int i = 1; i < 7; i++) {
		send_one(b, i, &spec);
		worker_pass(b->dp->workers[0]);
		dp_tick(b->dp, b->now_ns);
	}
	bench_run(b);
	for (unsigned int i = 0; i < 7; i++) {
		bench_expect(b, DMZ, &frame);
		ck_assert_uint_eq(rte_be_to_cpu_32(frame_ip6_hdr(&frame)->vtc_flow) & 0xfffff, i);
	}
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bursts6", PLAIN_TEST(a_burst_with_fragments_keeps_its_order),
	PLAIN_TEST(a_burst_of_both_families_goes_both_ways),
	LOOP_TEST(a_burst_keeps_its_order_whatever_is_in_the_way_of_one, obstacles),
	PLAIN_TEST(packets_that_wait_are_not_overtaken_when_they_are_released))
