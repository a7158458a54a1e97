/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * VLANs in bridges: who is sent what with which tag, what is refused, links of VLANs on a bridge, and members
 * that are links of VLANs themselves. The topology is that of kit_bridge.h with
 *
 *	e0  access, VLAN 10		e2  access, VLAN 20
 *	e1  trunk, VLANs 10 and 20	e3  VLAN 10 without, 20 with a tag
 *	br0.10  10.10.0.1/24		br0.20  10.20.0.1/24
 */
#include "kit_bridge.h"

#include "dp/worker.h"

#define MEMBERS                                                                                    \
	"{ name = \"e0\"; pvid = 10; }, { name = \"e1\"; vlans = \"10,20\"; },\n"                  \
	"{ name = \"e2\"; pvid = 20; }, { name = \"e3\"; pvid = 10; vlans = \"20\"; }"
#define UPPER(vid, addr)                                                                           \
	"}, { name = \"br0." vid "\"; type = \"vlan\"; parent = \"br0\"; vid = " vid ";\n"         \
	"addresses = [ \"" addr "\" ]; "
#define UPPERS UPPER("10", "10.10.0.1/24") UPPER("20", "10.20.0.1/24")
#define NEIGHBORS                                                                                  \
	"neighbors = ( { to = \"10.10.0.10\"; lladdr = \"" STATION_A "\"; dev = \"br0.10\"; },\n"  \
	"  { to = \"10.20.0.10\"; lladdr = \"" STATION_B "\"; dev = \"br0.20\"; },\n"              \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );"

/* In place of a TCI: */
enum { BARE = 1 << 16, NONE = 1 << 17 }; /* no tag; no frame */

static void tag_with(struct frame *frame, uint32_t tci)
{
	if (tci < BARE)
		frame_tag(frame, RTE_ETHER_TYPE_VLAN, (uint16_t)tci);
}

static const struct {
	unsigned int port;
	uint32_t tci, want[4];
	const char *reason; /* when it is dropped */
} passes[] = {
	{ E0, BARE, { NONE, 10, NONE, BARE }, NULL },
	{ E0, 0xa000, { NONE, 0xa00a, NONE, BARE }, NULL },
	{ E0, 0x1000, { NONE, 0x100a, NONE, BARE }, NULL },
	{ E0, 0, { NONE, 10, NONE, BARE }, NULL },
	{ E0, 0x600a, { NONE, 0x600a, NONE, BARE }, NULL },
	{ E0, 20, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E0, 1, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E0, 4095, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E1, BARE, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E1, 0xa000, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E1, 10, { BARE, NONE, NONE, BARE }, NULL },
	{ E1, 0xf014, { NONE, NONE, BARE, 0xf014 }, NULL },
	{ E1, 30, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E1, 4095, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E2, BARE, { NONE, 20, NONE, 20 }, NULL },
	{ E2, 10, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
	{ E3, BARE, { BARE, 10, NONE, NONE }, NULL },
	{ E3, 0xe000, { BARE, 0xe00a, NONE, NONE }, NULL },
	{ E3, 0x2014, { NONE, 0x2014, BARE, NONE }, NULL },
	{ E3, 30, { NONE, NONE, NONE, NONE }, "bridge_vlan_denied" },
};

static void expect_tagged(struct bench *b, const struct frame *bare, const uint32_t *want)
{
	for (unsigned int port = E0; port <= E3; port++) {
		struct frame frame = *bare;

		tag_with(&frame, want[port]);
		if (want[port] != NONE)
			bench_expect_bytes(b, port, &frame);
	}
	bench_expect_nothing(b);
}

START_TEST(a_flooded_frame_has_the_tag_that_each_member_wants)
{
	static const char *const to[] = { STATION_C, ANY_MAC };
	static const uint16_t pieces[] = { 2000, 18, 40 };
	struct bench *b = bridge_start(MEMBERS, NULL, NULL);

	for (unsigned int i = 0; i < RTE_DIM(to) * RTE_DIM(pieces); i++) {
		struct drops drops = drops_take(b);
		struct frame bare, frame;

		station_frame(&bare, STATION_A, to[i % 2], 100);
		frame = bare;
		tag_with(&frame, passes[_i].tci);
		bench_send_segs(b, passes[_i].port, &frame, pieces[i / 2]);
		bench_run(b);
		expect_tagged(b, &bare, passes[_i].want);
		drops_expect(b, &drops, passes[_i].reason, passes[_i].reason != NULL);
	}
	bench_destroy(b);
}
END_TEST

/* The same when the station is known: one member at a time. */
START_TEST(a_known_station_gets_the_tag_that_its_member_wants)
{
	for (unsigned int port = E0; port <= E3 && passes[_i].reason == NULL; port++) {
		uint32_t want[] = { NONE, NONE, NONE, NONE };
		struct frame frame, bare;
		struct bench *b;

		want[port] = passes[_i].want[port];
		if (want[port] == NONE)
			continue;
		b = bridge_start(MEMBERS, NULL, NULL);
		station_frame(&frame, STATION_C, ANY_MAC, 50);
		tag_with(&frame, want[port]);
		bench_push(b, port, &frame);
		bench_discard(b);
		station_frame(&bare, STATION_A, STATION_C, 100);
		frame = bare;
		tag_with(&frame, passes[_i].tci);
		bench_push(b, passes[_i].port, &frame);
		expect_tagged(b, &bare, want);
		bench_destroy(b);
	}
}
END_TEST

START_TEST(each_vlan_has_stations_of_its_own)
{
	struct bench *b = bridge_start(MEMBERS, NULL, NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, ANY_MAC, 50);
	bench_push(b, E0, &frame);
	bench_push(b, E2, &frame);
	bench_discard(b);
	ck_assert_str_eq(fdb_place(b, STATION_A, 10), "e0");
	ck_assert_str_eq(fdb_place(b, STATION_A, 20), "e2");
	station_frame(&frame, STATION_B, STATION_A, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	bench_push(b, E1, &frame);
	ck_assert_uint_eq(bench_count(b, E0), 1);
	bench_expect_nothing(b);
	station_frame(&frame, STATION_B, STATION_A, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 20);
	bench_push(b, E1, &frame);
	ck_assert_uint_eq(bench_count(b, E2), 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(no_tag_of_a_stranger_counts_behind_one_that_goes)
{
	struct bench *b = bridge_start(MEMBERS, NULL, NULL);
	struct frame frame, bare;

	station_frame(&frame, STATION_A, STATION_B, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 20);
	bare = frame;
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	station_fails(b, E0, &frame, "bridge_double_tag");
	station_fails(b, E3, &frame, "bridge_double_tag");
	frame = bare;
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 0xa000);
	station_fails(b, E0, &frame, "bridge_double_tag");
	/* A trunk may carry what it likes in a VLAN that it tags. */
	frame = bare;
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	bench_push(b, E1, &frame);
	expect_tagged(b, &bare, (const uint32_t[]){ BARE, NONE, NONE, BARE });
	/* One that is cut off says nothing. */
	frame.len = 16;
	station_fails(b, E0, &frame, "bridge_truncated");
	bench_destroy(b);
}
END_TEST

START_TEST(a_frame_to_us_reaches_the_link_of_its_own_vlan_only)
{
	struct bench *b = bridge_start("{ name = \"e0\"; vlans = \"1,10\"; }, \"e1\"",
		"addresses = [ \"192.0.2.1/24\" ];" UPPERS, NEIGHBORS);
	struct drops drops;
	struct frame frame;

	/* In VLAN 1, which is br0 itself, claiming to be of VLAN 20 behind that tag. */
	for (unsigned int i = 0; i < 2; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
					  .dst_mac = i == 0 ? E0_MAC : E1_MAC,
					  .src = "10.20.0.99",
					  .dst = "198.51.100.10" });
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 20);
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 1);
		station_fails(b, E0, &frame, "bridge_double_tag");
	}
	/* A broadcast of that kind is none of ours; members get it as it is. */
	drops = drops_take(b);
	station_frame(&frame, STATION_A, ANY_MAC, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 20);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 1);
	bench_push(b, E0, &frame);
	ck_assert_uint_eq(bench_count(b, E1), 1);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "bridge_double_tag", 1);
	bench_destroy(b);
}
END_TEST

/* Links of VLANs on the bridge */

/* Sends a packet from a host in a VLAN, in the way of its member, and expects it where `want` says. */
static void route(struct bench *b, unsigned int port, uint32_t tci, const struct ip4_spec *spec,
	const char *from_mac, const char *to_mac, unsigned int to_ports, const uint32_t *want)
{
	struct frame frame, routed;

	frame_ip4(&frame, spec);
	routed = frame;
	frame_forward(&routed, from_mac, to_mac);
	tag_with(&frame, tci);
	bench_push(b, port, &frame);
	for (unsigned int i = 0; i < BENCH_PORTS; i++) {
		struct frame out = routed;

		if (!(to_ports >> i & 1))
			continue;
		tag_with(&out, i <= E3 ? want[i] : BARE);
		bench_expect_bytes(b, i, &out);
	}
	bench_expect_nothing(b);
}

START_TEST(packets_are_routed_between_vlans_of_a_bridge)
{
	static const uint32_t in20[] = { NONE, 20, BARE, 20 }, in10[] = { BARE, 10, NONE, BARE };
	static const struct ip4_spec there = { .src_mac = STATION_A,
		.dst_mac = E0_MAC,
		.src = "10.10.0.10",
		.dst = "10.20.0.10",
		.payload_len = 100 };
	static const struct ip4_spec back = { .src_mac = STATION_B,
		.dst_mac = E2_MAC,
		.src = "10.20.0.10",
		.dst = "10.10.0.10",
		.payload_len = 100 };
	static const struct ip4_spec out = { .src_mac = STATION_A,
		.dst_mac = E0_MAC,
		.src = "10.10.0.10",
		.dst = "198.51.100.10",
		.payload_len = 100 };
	struct bench *b = bridge_start(MEMBERS, UPPERS, NEIGHBORS);
	struct drops drops = drops_take(b);

	/* Nobody has heard of the other station yet. */
	route(b, E0, BARE, &there, E0_MAC, STATION_B, TO_E1 | TO_E2 | TO_E3, in20);
	route(b, E2, BARE, &back, E0_MAC, STATION_A, TO_E0, in10);
	route(b, E0, BARE, &there, E0_MAC, STATION_B, TO_E2, in20);
	/* They move behind the trunk. */
	route(b, E1, 10, &there, E0_MAC, STATION_B, TO_E2, in20);
	route(b, E1, 20, &back, E0_MAC, STATION_A, TO_E1, in10);
	route(b, E1, 10, &there, E0_MAC, STATION_B, TO_E1, in20);
	route(b, E1, 10, &out, WAN_MAC, PEER_MAC, 1 << UPLINK, NULL);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(priorities_stay_with_what_is_routed)
{
	static const struct ip4_spec there = {
		.src_mac = STATION_A, .dst_mac = E0_MAC, .src = "10.10.0.10", .dst = "10.20.0.10"
	};
	static const uint32_t want[] = { NONE, 0xa014, BARE, 0xa014 };
	struct bench *b = bridge_start(MEMBERS, UPPERS, NEIGHBORS);

	route(b, E1, 0xa00a, &there, E0_MAC, STATION_B, TO_E1 | TO_E2 | TO_E3, want);
	bench_destroy(b);
}
END_TEST

static void ask(struct frame *frame, const char *src, const char *from, const char *for_addr)
{
	frame_arp(frame, src, ANY_MAC, RTE_ARP_OP_REQUEST, src, from, NO_MAC, for_addr);
}

START_TEST(the_bridge_answers_in_its_vlans)
{
	static const struct {
		unsigned int port;
		uint32_t tci;
		const char *from, *addr;
		bool is_answered;
	} rows[] = {
		{ E0, BARE, "10.10.0.10", "10.10.0.1", true },
		{ E1, 10, "10.10.0.10", "10.10.0.1", true },
		{ E1, 20, "10.20.0.10", "10.20.0.1", true },
		{ E2, BARE, "10.20.0.10", "10.20.0.1", true },
		{ E3, 20, "10.20.0.10", "10.20.0.1", true },
		{ E0, BARE, "10.20.0.10", "10.20.0.1", false },
		{ E1, 20, "10.10.0.10", "10.10.0.1", false },
	};
	struct bench *b = bridge_start(MEMBERS, UPPERS, NULL);

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		unsigned int n = 0;
		struct frame frame;
		char mac[32];

		/* Everybody is new: who moves gets the answer to its first question where it was. */
		snprintf(mac, sizeof(mac), "02:00:00:00:0b:%02x", i);
		ask(&frame, mac, rows[i].from, rows[i].addr);
		tag_with(&frame, rows[i].tci);
		bench_push(b, rows[i].port, &frame);
		while (bench_receive(b, rows[i].port, &frame)) {
			struct frame want;

			frame_arp(&want, E0_MAC, mac, RTE_ARP_OP_REPLY, E0_MAC, rows[i].addr, mac,
				rows[i].from);
			tag_with(&want, rows[i].tci);
			ck_assert_uint_eq(frame.len, want.len);
			ck_assert_mem_eq(frame.bytes, want.bytes, want.len);
			n++;
		}
		ck_assert_msg(n == rows[i].is_answered, "row %u: %u answers", i, n);
		bench_discard(b);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(the_bridge_itself_is_in_its_default_vlan)
{
	struct bench *b = bridge_start(
		MEMBERS, "vlan_default_pvid = 20; addresses = [ \"192.0.2.1/24\" ];", NULL);
	struct frame frame;

	ask(&frame, STATION_A, "192.0.2.10", "192.0.2.1");
	bench_push(b, E2, &frame);
	bench_expect(b, E2, &frame);
	ck_assert_uint_eq(frame_ether(&frame)->ether_type, RTE_BE16(RTE_ETHER_TYPE_ARP));
	bench_discard(b);
	ask(&frame, STATION_B, "192.0.2.11", "192.0.2.1");
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 20);
	bench_push(b, E1, &frame);
	bench_expect(b, E1, &frame);
	ck_assert_uint_eq(frame_ether(&frame)->ether_type, RTE_BE16(RTE_ETHER_TYPE_VLAN));
	bench_discard(b);
	ask(&frame, STATION_C, "192.0.2.12", "192.0.2.1");
	bench_push(b, E0, &frame);
	ck_assert_uint_eq(bench_count(b, E0), 0);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(to_us_in_a_vlan_that_is_not_ours)
{
	struct bench *b = bridge_start(MEMBERS, UPPER("20", "10.20.0.1/24"), NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, E0_MAC, 50);
	station_fails(b, E0, &frame, "vlan_unknown");
	bench_destroy(b);
}
END_TEST

/* Filtering or not */

START_TEST(without_filtering_tags_are_bytes_like_others)
{
	static const uint32_t tcis[] = { 10, 0, 0xa000, 4095, 0xf014 };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);

	for (unsigned int i = 0; i < RTE_DIM(tcis); i++) {
		struct frame frame;

		station_frame(&frame, STATION_A, STATION_B, 50);
		tag_with(&frame, tcis[i]);
		station_send(b, E0, &frame, TO_E1 | TO_E2 | TO_E3);
		frame_tag(&frame, RTE_ETHER_TYPE_QINQ, 5);
		station_send(b, E0, &frame, TO_E1 | TO_E2 | TO_E3);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(vlan_links_on_a_bridge_that_does_not_filter)
{
	static const struct ip4_spec there = {
		.src_mac = STATION_A, .dst_mac = E0_MAC, .src = "10.10.0.10", .dst = "10.20.0.10"
	};
	static const uint32_t want[] = { 20, 20, 20, 20 };
	struct bench *b = bridge_start(ALL_MEMBERS, UPPERS, NEIGHBORS);

	route(b, E1, 10, &there, E0_MAC, STATION_B, TO_E0 | TO_E1 | TO_E2 | TO_E3, want);
	bench_destroy(b);
}
END_TEST

START_TEST(a_filtering_bridge_without_vlans_is_in_vlan_1)
{
	struct bench *b = bridge_start(
		ALL_MEMBERS, "vlan_filtering = true; addresses = [ \"192.0.2.1/24\" ];", NULL);
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, TO_E1 | TO_E2 | TO_E3);
	ck_assert_str_eq(fdb_place(b, STATION_A, 1), "e0");
	station_frame(&frame, STATION_A, STATION_B, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	station_fails(b, E0, &frame, "bridge_vlan_denied");
	ask(&frame, STATION_A, "192.0.2.10", "192.0.2.1");
	bench_push(b, E0, &frame);
	ck_assert_uint_eq(bench_count(b, E0), 1);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* What a VLAN's members become, and become no longer. */
START_TEST(stations_go_with_the_vlan_of_their_member)
{
	struct bench *b = bridge_start(MEMBERS, NULL, NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, ANY_MAC, 50);
	bench_push(b, E0, &frame);
	bench_discard(b);
	link_set_to(b, "e0", "\"pvid\": 20");
	/* Whoever asks in VLAN 10 must be heard everywhere there. */
	station_frame(&frame, STATION_B, STATION_A, 50);
	bench_push(b, E3, &frame);
	ck_assert_uint_eq(bench_count(b, E1), 1);
	bench_expect_nothing(b);
	ck_assert_str_eq(fdb_place(b, STATION_A, 0), "");
	bench_destroy(b);
}
END_TEST

START_TEST(a_station_learned_too_late_is_behind_a_member_that_does_not_send)
{
	struct bench *b = bridge_start(MEMBERS, NULL, NULL);
	struct frame frame;

	station_frame(&frame, STATION_A, ANY_MAC, 50);
	bench_send(b, E0, &frame);
	while (worker_pass(b->dp->workers[0]) > 0)
		;
	json_decref(bench_call_only(b, "link.set", "{\"dev\": \"e0\", \"pvid\": 20}"));
	bench_run(b);
	bench_discard(b);
	ck_assert_str_eq(fdb_place(b, STATION_A, 10), "e0");
	station_frame(&frame, STATION_B, STATION_A, 50);
	station_fails(b, E3, &frame, "bridge_vlan_out");
	bench_destroy(b);
}
END_TEST

/* Members that are links of VLANs */

static const char stacked_config[] =
	"links = ( { name = \"e0\"; device = \"net_ring_p0\"; mac = \"" E0_MAC "\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; mac = \"" E1_MAC "\"; },\n"
	"  { name = \"e0.7\"; type = \"vlan\"; parent = \"e0\"; vid = 7; },\n"
	"  { name = \"e0.8\"; type = \"vlan\"; parent = \"e0\"; vid = 8; },\n"
	"  { name = \"e1.5\"; type = \"vlan\"; parent = \"e1\"; vid = 5;\n"
	"    addresses = [ \"10.5.0.1/24\" ]; },\n"
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"e0.7\", \"e0.8\", \"e1\" );\n"
	"    addresses = [ \"192.0.2.1/24\" ]; } );\n";

static void send_stacked(struct bench *b, unsigned int port, const char *src, const char *dst,
	uint32_t tci, const uint32_t *want)
{
	struct frame bare, frame;

	station_frame(&bare, src, dst, 50);
	frame = bare;
	tag_with(&frame, tci);
	bench_push(b, port, &frame);
	for (unsigned int i = 0; i < 3; i++) {
		frame = bare;
		tag_with(&frame, want[i]);
		if (want[i] != NONE)
			bench_expect_bytes(b, i < 2 ? E0 : E1, &frame);
	}
	bench_expect_nothing(b);
}

#define WANT(a, b, c) ((const uint32_t[]){ (a), (b), (c) })

START_TEST(members_may_be_vlans)
{
	struct bench *b = bench_start(stacked_config);
	struct frame frame, tagged;

	send_stacked(b, E0, STATION_A, STATION_B, 7, WANT(NONE, 8, BARE));
	send_stacked(b, E1, STATION_B, STATION_A, BARE, WANT(7, NONE, NONE));
	send_stacked(b, E0, STATION_A, STATION_B, 0xa007, WANT(NONE, NONE, BARE));
	send_stacked(b, E0, STATION_C, STATION_D, 0xa008, WANT(0xa007, NONE, BARE));
	send_stacked(b, E0, STATION_C, STATION_A, 0x6008, WANT(0x6007, NONE, NONE));
	send_stacked(b, E1, STATION_B, ANY_MAC, BARE, WANT(7, 8, NONE));
	/* A tag behind is payload, unless a link stands there: that is none of the bridge's. */
	station_frame(&frame, STATION_B, STATION_A, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 3);
	tagged = frame;
	bench_push(b, E1, &frame);
	frame_tag(&tagged, RTE_ETHER_TYPE_VLAN, 7);
	bench_expect_bytes(b, E0, &tagged);
	ask(&frame, STATION_D, "10.5.0.10", "10.5.0.1");
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 5);
	bench_push(b, E1, &frame);
	ck_assert_uint_eq(bench_count(b, E1), 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* No tag is put on or taken off bytes that others read. */
START_TEST(shared_frames_are_not_tagged)
{
	struct bench *b = bench_start(stacked_config);
	struct drops drops;
	struct frame frame;
	struct rte_mbuf *m;

	send_stacked(b, E0, STATION_A, STATION_B, 7, WANT(NONE, 8, BARE));
	drops = drops_take(b);
	station_frame(&frame, STATION_B, STATION_A, 50);
	m = station_send_shared(b, E1, &frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "vlan_shared", 1);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, char *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	/* A flood has headers of its own. */
	station_frame(&frame, STATION_B, ANY_MAC, 50);
	m = station_send_shared(b, E1, &frame);
	ck_assert_uint_eq(bench_count(b, E0), 2);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, char *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	bench_destroy(b);
	b = bridge_start(MEMBERS, NULL, NULL);
	station_frame(&frame, STATION_A, ANY_MAC, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	bench_push(b, E1, &frame);
	bench_discard(b);
	drops = drops_take(b);
	station_frame(&frame, STATION_B, STATION_A, 50);
	m = station_send_shared(b, E0, &frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "bridge_no_buffer", 1);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, char *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge_vlan", LOOP_TEST(a_flooded_frame_has_the_tag_that_each_member_wants, passes),
	LOOP_TEST(a_known_station_gets_the_tag_that_its_member_wants, passes),
	PLAIN_TEST(each_vlan_has_stations_of_its_own),
	PLAIN_TEST(no_tag_of_a_stranger_counts_behind_one_that_goes),
	PLAIN_TEST(a_frame_to_us_reaches_the_link_of_its_own_vlan_only),
	PLAIN_TEST(packets_are_routed_between_vlans_of_a_bridge),
	PLAIN_TEST(priorities_stay_with_what_is_routed),
	PLAIN_TEST(the_bridge_answers_in_its_vlans),
	PLAIN_TEST(the_bridge_itself_is_in_its_default_vlan),
	PLAIN_TEST(to_us_in_a_vlan_that_is_not_ours),
	PLAIN_TEST(without_filtering_tags_are_bytes_like_others),
	PLAIN_TEST(vlan_links_on_a_bridge_that_does_not_filter),
	PLAIN_TEST(a_filtering_bridge_without_vlans_is_in_vlan_1),
	PLAIN_TEST(stations_go_with_the_vlan_of_their_member),
	PLAIN_TEST(a_station_learned_too_late_is_behind_a_member_that_does_not_send),
	PLAIN_TEST(members_may_be_vlans), PLAIN_TEST(shared_frames_are_not_tagged))
