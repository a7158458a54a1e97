/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policers on ports, in front of routing and bridges: what passes, byte for byte, what is dropped
 * and by what name, what is counted. What stands on ports, and policers that change, are in
 * test_meter_links.c.
 */
#include "kit_meter.h"

#include "base/mem.h"
#include "dp/worker.h"
#include "kit_bridge.h"

static struct bench *router_with(const char *policers)
{
	char *config = mem_printf("%s\npolicers = ( %s );\n", router_config, policers);
	struct bench *b = bench_start(config);

	free(config);
	return b;
}

/* What becomes of each colour */

enum { LOST = -1, AS_IT_WAS = -2 }; /* else: with that DSCP */

static const struct {
	const char *policer;
	unsigned int n_green, n_yellow;
	int yellow, red;
	const char *kind;
} actions[] = {
	{ SLOW "burst = \"3kb\";", 3, 0, 0, LOST, "police" },
	{ SLOW "burst = \"3kb\"; red = \"pass\";", 3, 0, 0, AS_IT_WAS, "police" },
	{ SLOW "burst = \"3kb\"; red = \"dscp\"; red_dscp = \"af13\";", 3, 0, 0, 14, "police" },
	{ SLOW "burst = \"2kb\"; excess_burst = \"3kb\";", 2, 3, AS_IT_WAS, LOST, "srtcm" },
	{ SLOW "burst = \"2kb\"; excess_burst = \"2kb\"; yellow = \"drop\"; red = \"dscp\"; "
	       "red_dscp = 0;",
		2, 2, LOST, 0, "srtcm" },
	{ SLOW "burst = \"2kb\"; excess_burst = \"2kb\"; yellow = \"dscp\"; yellow_dscp = "
	       "\"af12\"; "
	       "red = \"dscp\"; red_dscp = \"63\";",
		2, 2, 12, 63, "srtcm" },
	{ SLOW "burst = \"2kb\"; peakrate = \"2kbit\"; peakburst = \"5kb\";", 2, 3, AS_IT_WAS, LOST,
		"trtcm" },
	{ SLOW "burst = \"4kb\"; peakrate = \"1kbit\"; peakburst = \"2kb\"; yellow = \"drop\";", 2,
		0, LOST, LOST, "trtcm" },
	{ SLOW "burst = \"2kb\"; peakrate = \"2kbit\"; peakburst = \"5kb\"; yellow = \"dscp\"; "
	       "yellow_dscp = \"cs1\"; red = \"pass\";",
		2, 3, 8, AS_IT_WAS, "trtcm" },
};

enum { SENT = 8 };

static int want_of(int row, unsigned int i)
{
	if (i < actions[row].n_green)
		return AS_IT_WAS;
	return i < actions[row].n_green + actions[row].n_yellow ? actions[row].yellow
								: actions[row].red;
}

/* How it comes out, to that host. False: it does not. */
static bool make_want(struct frame *want, int what, const char *src, const char *dst)
{
	if (what == LOST)
		return false;
	if (what != AS_IT_WAS) {
		frame_ip(want)->type_of_service =
			(uint8_t)(what << 2 | (frame_ip(want)->type_of_service & 3));
		frame_fix_ip(want);
	}
	frame_forward(want, src, dst);
	return true;
}

static void expect_counts(struct bench *b, int row)
{
	unsigned int n_red = SENT - actions[row].n_green - actions[row].n_yellow;
	unsigned int n_yellow_lost = actions[row].yellow == LOST ? actions[row].n_yellow : 0;
	unsigned int n_red_lost = actions[row].red == LOST ? n_red : 0;
	json_t *rows = bench_call(b, "policer.show", NULL);
	json_t *links = bench_call(b, "link.show", "{\"dev\": \"lan\", \"statistics\": true}");
	struct meter_seen seen = meter_look(b, "lan");

	meter_expect(b, "lan", actions[row].n_green, actions[row].n_yellow, n_red,
		n_yellow_lost + n_red_lost);
	ck_assert_int_eq(seen.green_bytes, seen.green * METER_LEN);
	ck_assert_int_eq(seen.yellow_bytes, seen.yellow * METER_LEN);
	ck_assert_int_eq(seen.red_bytes, seen.red * METER_LEN);
	ck_assert_uint_eq(bench_drops(b, "meter_yellow"), n_yellow_lost);
	ck_assert_uint_eq(bench_drops(b, "meter_red"), n_red_lost);
	ck_assert_str_eq(json_text_at(rows, "0.kind"), actions[row].kind);
	ck_assert_int_eq(json_int_at(links, "0.stats64.rx.dropped"), n_yellow_lost + n_red_lost);
	json_decref(rows);
	json_decref(links);
}

START_TEST(each_colour_meets_its_fate)
{
	char *policer = mem_printf("{ link = \"lan\"; %s }", actions[_i].policer);

	/* One by one, and all of them in one burst. */
	for (unsigned int n_at_once = 1; n_at_once <= SENT; n_at_once += SENT - 1) {
		struct bench *b = router_with(policer);
		struct frame frame, want;

		for (unsigned int i = 0; i < SENT; i++) {
			meter_frame(&frame, 0xb9); /* EF, and an ECN bit that stays */
			bench_send(b, LAN, &frame);
			if ((i + 1) % n_at_once == 0)
				bench_run(b);
		}
		for (unsigned int i = 0; i < SENT; i++) {
			want = frame;
			if (make_want(&want, want_of(_i, i), WAN_MAC, PEER_MAC))
				bench_expect_bytes(b, WAN, &want);
		}
		bench_expect_nothing(b);
		expect_counts(b, _i);
		bench_destroy(b);
	}
	free(policer);
}
END_TEST

START_TEST(links_without_a_policer_do_not_go_that_way)
{
	struct bench *b = router_with("{ link = \"wan\"; rate = \"1kbit\"; burst = \"2kb\"; }");
	const struct worker *w = b->dp->workers[0];
	struct frame frame;

	meter_frame(&frame, 0);
	for (unsigned int i = 0; i < SENT; i++)
		bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), SENT);
	ck_assert_uint_eq(w->nodes[worker_stage_index(w, "meter_port")].packets, 0);
	ck_assert_uint_eq(w->nodes[worker_stage_index(w, "meter")].packets, 0);
	meter_expect(b, "wan", 0, 0, 0, 0);
	bench_destroy(b);
}
END_TEST

/* DSCP in all that a bridge passes on */

enum { IP4, IP6, OTHER };

static const struct {
	const char *name;
	int family;
	unsigned int n_tags;
	uint32_t len; /* cut to; 0: not cut */
	uint16_t seg_len;
	bool is_shared, is_broken, is_left_alone;
} marked[] = {
	{ .name = "IPv4", .family = IP4 },
	{ .name = "IPv6", .family = IP6 },
	{ .name = "IPv4 behind a tag", .family = IP4, .n_tags = 1 },
	{ .name = "IPv6 behind two tags", .family = IP6, .n_tags = 2 },
	{ .name = "IPv4 behind three tags", .family = IP4, .n_tags = 3, .is_left_alone = true },
	{ .name = "no IP", .family = OTHER, .is_left_alone = true },
	{ .name = "an IPv4 header that is cut off",
		.family = IP4,
		.len = 33,
		.is_left_alone = true },
	{ .name = "an IPv4 header to its end", .family = IP4, .len = 34 },
	{ .name = "an IPv6 header that is cut off",
		.family = IP6,
		.len = 53,
		.is_left_alone = true },
	{ .name = "an IPv6 header to its end", .family = IP6, .len = 54 },
	{ .name = "tags up to the end",
		.family = IP4,
		.n_tags = 2,
		.len = 20,
		.is_left_alone = true },
	{ .name = "no IPv4, though its type says so",
		.family = IP4,
		.is_broken = true,
		.is_left_alone = true },
	{ .name = "no IPv6, though its type says so",
		.family = IP6,
		.is_broken = true,
		.is_left_alone = true },
	{ .name = "IPv4 in small segments", .family = IP4, .n_tags = 1, .seg_len = 16 },
	{ .name = "bytes that others read",
		.family = IP4,
		.is_shared = true,
		.is_left_alone = true },
};

static void make_marked(struct frame *frame, struct frame *want, unsigned int i)
{
	if (marked[i].family == IP4)
		frame_ip4(frame, &(struct ip4_spec){ .src_mac = STATION_A,
					 .dst_mac = STATION_B,
					 .src = "10.0.0.1",
					 .dst = "10.0.0.2",
					 .payload_len = 100 });
	else if (marked[i].family == IP6)
		frame_ip6(frame,
			&(struct ip6_spec){
				.src_mac = STATION_A, .dst_mac = STATION_B, .payload_len = 100 });
	else
		station_frame(frame, STATION_A, STATION_B, 100);
	if (marked[i].is_broken)
		frame->bytes[RTE_ETHER_HDR_LEN] ^= 0xf0;
	*want = *frame;
	if (!marked[i].is_left_alone && marked[i].family == IP4) {
		frame_ip(want)->type_of_service = 46 << 2;
		frame_fix_ip(want);
	} else if (!marked[i].is_left_alone) {
		frame_ip6_hdr(want)->vtc_flow = RTE_BE32(0x6b800000);
	}
	for (unsigned int k = 0; k < marked[i].n_tags; k++) {
		frame_tag(frame, k == 0 ? RTE_ETHER_TYPE_VLAN : RTE_ETHER_TYPE_QINQ, 20);
		frame_tag(want, k == 0 ? RTE_ETHER_TYPE_VLAN : RTE_ETHER_TYPE_QINQ, 20);
	}
	if (marked[i].len != 0)
		frame->len = want->len = marked[i].len;
}

START_TEST(dscp_is_written_where_there_is_one)
{
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL,
		"policers = ( { link = \"e0\"; rate = \"1kbit\"; burst = 1514; red = \"dscp\"; "
		"red_dscp = \"ef\"; } );");
	struct rte_mbuf *shared = NULL;
	struct frame frame, want;

	/* The burst is used up by one frame. */
	station_frame(&frame, STATION_A, STATION_B, 1500);
	station_send(b, E0, &frame, TO_E1);
	make_marked(&frame, &want, (unsigned int)_i);
	if (marked[_i].is_shared)
		shared = station_send_shared(b, E0, &frame);
	else
		bench_send_segs(b, E0, &frame, marked[_i].seg_len != 0 ? marked[_i].seg_len : 2000);
	bench_run(b);
	bench_expect_bytes(b, E1, &want);
	bench_expect_nothing(b);
	meter_expect(b, "e0", 1, 0, 1, 0);
	rte_pktmbuf_free(shared);
	bench_destroy(b);
}
END_TEST

START_TEST(members_of_a_bridge_are_policed)
{
	struct bench *b = bridge_start("\"e0\", \"e1\", \"e2\"", NULL,
		"policers = ( { link = \"e0\"; rate = \"1kbit\"; burst = 2000; } );");
	struct drops drops = drops_take(b);
	struct frame frame;

	station_frame(&frame, STATION_A, ANY_MAC, 986);
	station_send(b, E0, &frame, TO_E1 | TO_E2);
	station_send(b, E0, &frame, TO_E1 | TO_E2);
	drops_expect(b, &drops, "eth_type_unknown", 2); /* br0's own copies */
	drops = drops_take(b);
	station_send(b, E0, &frame, 0);
	drops_expect(b, &drops, "meter_red", 1);
	station_frame(&frame, STATION_B, STATION_C, 986);
	station_send(b, E1, &frame, TO_E0 | TO_E2);
	meter_expect(b, "e0", 2, 0, 1, 1);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("meter", LOOP_TEST(each_colour_meets_its_fate, actions),
	PLAIN_TEST(links_without_a_policer_do_not_go_that_way),
	LOOP_TEST(dscp_is_written_where_there_is_one, marked),
	PLAIN_TEST(members_of_a_bridge_are_policed))
