/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What `link show` counts of a bridge and its members: every frame once by each link that it passes, with the
 * bytes that it has there, and nothing by any other. The bridge itself counts what is for weir or from it, as in
 * Linux, and not what goes from member to member. The topology is that of kit_bridge.h.
 */
#include "kit_bridge.h"

enum { BR0 = UPLINK + 1, N_LINKS };

#define NEIGHBORS                                                                                  \
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" STATION_A "\"; dev = \"br0\"; },\n"     \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"

struct counts {
	int64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes, tx_dropped;
};
struct counted {
	struct counts link[N_LINKS];
};

static struct counted counted_take(struct bench *b)
{
	json_t *rows = bench_call(b, "link.show", "{\"statistics\": true}"), *row;
	static const char *const names[N_LINKS] = { "e0", "e1", "e2", "e3", "wan", "br0" };
	struct counted counted;
	size_t k;

	json_array_foreach(rows, k, row) {
		unsigned int i = 0;

		while (i < N_LINKS && strcmp(names[i], json_text_at(row, "ifname")) != 0)
			i++;
		REQUIRE(i < N_LINKS);
		counted.link[i] = (struct counts){
			.rx_packets = json_int_at(row, "stats64.rx.packets"),
			.rx_bytes = json_int_at(row, "stats64.rx.bytes"),
			.rx_dropped = json_int_at(row, "stats64.rx.dropped"),
			.tx_packets = json_int_at(row, "stats64.tx.packets"),
			.tx_bytes = json_int_at(row, "stats64.tx.bytes"),
			.tx_dropped = json_int_at(row, "stats64.tx.dropped"),
		};
	}
	ck_assert_uint_eq(k, N_LINKS);
	json_decref(rows);
	return counted;
}

/* Fails unless since `before`, which goes on to now, just that was counted. */
static void counted_expect(struct bench *b, struct counted *before, const struct counted *want)
{
	struct counted now = counted_take(b);

	for (unsigned int i = 0; i < N_LINKS; i++) {
		const struct counts *w = &want->link[i], *n = &now.link[i], *o = &before->link[i];

		ck_assert_msg(n->rx_packets - o->rx_packets == w->rx_packets &&
				      n->rx_bytes - o->rx_bytes == w->rx_bytes &&
				      n->rx_dropped - o->rx_dropped == w->rx_dropped &&
				      n->tx_packets - o->tx_packets == w->tx_packets &&
				      n->tx_bytes - o->tx_bytes == w->tx_bytes &&
				      n->tx_dropped - o->tx_dropped == w->tx_dropped,
			"link %u: rx %" PRId64 " %" PRId64 " %" PRId64 ", tx %" PRId64 " %" PRId64
			" %" PRId64,
			i, n->rx_packets - o->rx_packets, n->rx_bytes - o->rx_bytes,
			n->rx_dropped - o->rx_dropped, n->tx_packets - o->tx_packets,
			n->tx_bytes - o->tx_bytes, n->tx_dropped - o->tx_dropped);
	}
	*before = now;
}

/* n packets of len bytes each, received or sent. */
#define RX(n, len)                                                                                 \
	{                                                                                          \
		.rx_packets = (n), .rx_bytes = (int64_t)(n) * (len)                                \
	}
#define TX(n, len)                                                                                 \
	{                                                                                          \
		.tx_packets = (n), .tx_bytes = (int64_t)(n) * (len)                                \
	}
#define RX_DROPPED(n, len)                                                                         \
	{                                                                                          \
		.rx_packets = (n), .rx_bytes = (int64_t)(n) * (len), .rx_dropped = (n)             \
	}

START_TEST(forwarded_frames_are_counted_by_two_members)
{
	static const unsigned int sizes[] = { 46, 47, 100, 1500 };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct counted counted;
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, TO_E1 | TO_E2 | TO_E3);
	station_says(b, E1, STATION_B, STATION_A, TO_E0);
	counted = counted_take(b);
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		/* One, a group of them, more than a burst. */
		for (int n = 1; n <= 100; n += 33) {
			station_frame(&frame, STATION_A, STATION_B, sizes[i]);
			for (int k = 0; k < n; k++)
				bench_send(b, E0, &frame);
			bench_run(b);
			ck_assert_int_eq(bench_count(b, E1), n);
			counted_expect(b, &counted,
				&(struct counted){
					{ [E0] = RX(n, frame.len), [E1] = TX(n, frame.len) } });
		}
	}
	/* In segments it is as long. */
	station_frame(&frame, STATION_B, STATION_A, 1000);
	bench_send_segs(b, E1, &frame, 300);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, E0), 1);
	counted_expect(b, &counted,
		&(struct counted){ { [E1] = RX(1, frame.len), [E0] = TX(1, frame.len) } });
	bench_destroy(b);
}
END_TEST

START_TEST(flooded_frames_are_counted_by_all_who_send_them)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct counted counted = counted_take(b);
	struct frame frame;
	uint32_t len;

	station_frame(&frame, STATION_A, STATION_B, 200);
	len = frame.len;
	for (unsigned int i = 0; i < 40; i++)
		station_send(b, E0, &frame, TO_E1 | TO_E2 | TO_E3);
	counted_expect(b, &counted,
		&(struct counted){ { [E0] = RX(40, len),
			[E1] = TX(40, len),
			[E2] = TX(40, len),
			[E3] = TX(40, len) } });
	/* The bridge has a copy of what is for a group, and no use for it. */
	station_frame(&frame, STATION_A, ANY_MAC, 200);
	station_send(b, E0, &frame, TO_E1 | TO_E2 | TO_E3);
	counted_expect(b, &counted,
		&(struct counted){ { [E0] = RX(1, len),
			[E1] = TX(1, len),
			[E2] = TX(1, len),
			[E3] = TX(1, len),
			[BR0] = RX_DROPPED(1, len) } });
	/* Who is down or not asked counts nothing. */
	link_set_to(b, "e2", "\"state\": \"down\"");
	link_set_to(b, "e3", "\"flood\": false");
	station_frame(&frame, STATION_A, STATION_B, 200);
	station_send(b, E0, &frame, TO_E1);
	counted_expect(b, &counted, &(struct counted){ { [E0] = RX(1, len), [E1] = TX(1, len) } });
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_routed_is_counted_by_the_bridge_and_a_member)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct counted counted = counted_take(b);
	struct frame out, in;

	frame_ip4(&out, &(struct ip4_spec){ .src_mac = STATION_A,
				.dst_mac = E0_MAC,
				.src = "192.0.2.10",
				.dst = "198.51.100.10",
				.payload_len = 100 });
	frame_ip4(&in, &(struct ip4_spec){ .src_mac = PEER_MAC,
			       .dst_mac = WAN_MAC,
			       .src = "198.51.100.10",
			       .dst = "192.0.2.10",
			       .payload_len = 200 });
	/* Sent once by the bridge, and by all members as long as its station is unknown. */
	bench_push(b, UPLINK, &in);
	counted_expect(b, &counted,
		&(struct counted){ { [UPLINK] = RX(1, in.len),
			[BR0] = TX(1, in.len),
			[E0] = TX(1, in.len),
			[E1] = TX(1, in.len),
			[E2] = TX(1, in.len),
			[E3] = TX(1, in.len) } });
	for (unsigned int n = 1; n <= 70; n += 69) {
		for (unsigned int i = 0; i < n; i++)
			bench_send(b, E1, &out);
		bench_run(b);
		counted_expect(b, &counted,
			&(struct counted){ { [E1] = RX(n, out.len),
				[BR0] = RX(n, out.len),
				[UPLINK] = TX(n, out.len) } });
		for (unsigned int i = 0; i < n; i++)
			bench_send(b, UPLINK, &in);
		bench_run(b);
		counted_expect(b, &counted,
			&(struct counted){ { [UPLINK] = RX(n, in.len),
				[BR0] = TX(n, in.len),
				[E1] = TX(n, in.len) } });
	}
	bench_destroy(b);
}
END_TEST

START_TEST(what_the_bridges_address_answers_is_counted_both_ways)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct counted counted;
	struct frame frame, reply;

	station_says(b, E1, STATION_A, STATION_B, TO_E0 | TO_E2 | TO_E3);
	counted = counted_take(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
				  .dst_mac = E0_MAC,
				  .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8,
				  .payload_len = 300 });
	bench_push(b, E1, &frame);
	bench_expect(b, E1, &reply);
	ck_assert_uint_eq(reply.len, frame.len);
	bench_expect_nothing(b);
	counted_expect(b, &counted,
		&(struct counted){ { [E1] = { 1, frame.len, 0, 1, frame.len, 0 },
			[BR0] = { 1, frame.len, 0, 1, frame.len, 0 } } });
	/* A question to all is flooded, too. */
	frame_arp(&frame, STATION_A, ANY_MAC, RTE_ARP_OP_REQUEST, STATION_A, "192.0.2.10", NO_MAC,
		"192.0.2.1");
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E0, &frame);
	bench_expect(b, E1, &reply);
	counted_expect(b, &counted,
		&(struct counted){ { [E0] = TX(1, frame.len),
			[E1] = { 1, frame.len, 0, 1, reply.len, 0 },
			[E2] = TX(1, frame.len),
			[E3] = TX(1, frame.len),
			[BR0] = { 1, frame.len, 0, 1, reply.len, 0 } } });
	bench_destroy(b);
}
END_TEST

START_TEST(bytes_are_those_of_each_members_frames)
{
	struct bench *b = bridge_start(
		"{ name = \"e0\"; pvid = 10; }, { name = \"e1\"; vlans = \"10,20\"; },\n"
		"{ name = \"e2\"; pvid = 20; }, { name = \"e3\"; pvid = 10; }",
		NULL, NULL);
	struct counted counted = counted_take(b);
	struct frame frame;
	uint32_t len;

	station_frame(&frame, STATION_A, STATION_B, 100);
	len = frame.len;
	bench_push(b, E0, &frame);
	counted_expect(b, &counted,
		&(struct counted){ { [E0] = RX(1, len),
			[E1] = TX(1, len + RTE_VLAN_HLEN),
			[E3] = TX(1, len) } });
	station_frame(&frame, STATION_B, STATION_A, 100);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	bench_push(b, E1, &frame);
	counted_expect(b, &counted,
		&(struct counted){ { [E1] = RX(1, len + RTE_VLAN_HLEN), [E0] = TX(1, len) } });
	bench_destroy(b);
}
END_TEST

/* By the link that it came by, whichever one it was meant for. */
START_TEST(what_is_dropped_is_counted_where_it_came_in)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct counted counted;
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, TO_E1 | TO_E2 | TO_E3);
	station_says(b, E1, STATION_B, STATION_A, TO_E0);
	link_set_to(b, "e1", "\"mtu\": 1400");
	counted = counted_take(b);

	station_frame(&frame, STATION_C, STATION_A, 60);
	station_fails(b, E0, &frame, "bridge_same_port");
	station_frame(&frame, STATION_A, "01:80:c2:00:00:0e", 60);
	station_fails(b, E0, &frame, "bridge_reserved");
	station_frame(&frame, ANY_MAC, STATION_B, 60);
	station_fails(b, E0, &frame, "bridge_bad_source");
	counted_expect(b, &counted, &(struct counted){ { [E0] = RX_DROPPED(3, frame.len) } });
	station_frame(&frame, STATION_A, STATION_B, 1405);
	station_fails(b, E0, &frame, "bridge_too_big");
	counted_expect(b, &counted, &(struct counted){ { [E0] = RX_DROPPED(1, frame.len) } });
	/* Nobody takes it, though it is ours: the bridge has it already. */
	station_frame(&frame, STATION_A, E0_MAC, 60);
	station_fails(b, E0, &frame, "eth_type_unknown");
	counted_expect(b, &counted,
		&(struct counted){ { [E0] = RX(1, frame.len), [BR0] = RX_DROPPED(1, frame.len) } });
	link_set_to(b, "e0", "\"state\": \"down\"");
	station_frame(&frame, STATION_A, STATION_B, 60);
	station_fails(b, E0, &frame, "bridge_down");
	counted_expect(b, &counted, &(struct counted){ { [E0] = RX_DROPPED(1, frame.len) } });
	bench_destroy(b);
}
END_TEST

/* Its station is unknown, and nobody is asked for those. */
START_TEST(what_the_bridge_cannot_send_is_dropped_and_not_sent)
{
	static const char *const members[] = { "e0", "e1", "e2", "e3" };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct counted counted;
	struct frame frame;

	for (unsigned int i = E0; i <= E3; i++)
		link_set_to(b, members[i], "\"flood\": false");
	bench_discard(b);
	counted = counted_take(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = "198.51.100.10",
				  .dst = "192.0.2.10",
				  .payload_len = 200 });
	station_fails(b, UPLINK, &frame, "bridge_nobody");
	counted_expect(b, &counted,
		&(struct counted){ { [UPLINK] = RX(1, frame.len), [BR0] = { .tx_dropped = 1 } } });
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge counters", PLAIN_TEST(forwarded_frames_are_counted_by_two_members),
	PLAIN_TEST(flooded_frames_are_counted_by_all_who_send_them),
	PLAIN_TEST(what_is_routed_is_counted_by_the_bridge_and_a_member),
	PLAIN_TEST(what_the_bridges_address_answers_is_counted_both_ways),
	PLAIN_TEST(bytes_are_those_of_each_members_frames),
	PLAIN_TEST(what_is_dropped_is_counted_where_it_came_in),
	PLAIN_TEST(what_the_bridge_cannot_send_is_dropped_and_not_sent))
