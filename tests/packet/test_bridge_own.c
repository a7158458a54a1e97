/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bridges as links of weir: what is sent to them is routed and answered, what leaves by them finds its member;
 * traces; links that are down; and what a storm does to the rest. The topology is that of kit_bridge.h.
 */
#include "kit_bridge.h"

#include "dp/worker.h"
#include "kit6.h"

enum { ALL = TO_E0 | TO_E1 | TO_E2 | TO_E3, OTHERS = TO_E1 | TO_E2 | TO_E3 };

#define NEIGHBORS                                                                                  \
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" STATION_A "\"; dev = \"br0\"; },\n"     \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"

/* A packet from station A, behind e0, to the peer behind wan. */
static void packet_out(struct frame *frame, const char *dst_mac)
{
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = STATION_A,
				 .dst_mac = dst_mac,
				 .src = "192.0.2.10",
				 .dst = "198.51.100.10",
				 .payload_len = 100 });
}

static void packet_in(struct frame *frame, const char *dst)
{
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = "198.51.100.10",
				 .dst = dst,
				 .payload_len = 100 });
}

START_TEST(what_is_sent_to_the_bridge_or_a_member_is_routed)
{
	static const char *const ours[] = { E0_MAC, E1_MAC, E2_MAC, E3_MAC };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	for (unsigned int i = 0; i < RTE_DIM(ours); i++) {
		packet_out(&frame, ours[i]);
		want = frame;
		frame_forward(&want, WAN_MAC, PEER_MAC);
		bench_push(b, E0, &frame);
		bench_expect_bytes(b, UPLINK, &want);
		bench_expect_nothing(b);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_routed_to_the_bridge_finds_its_station)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	packet_in(&frame, "192.0.2.10");
	want = frame;
	frame_forward(&want, E0_MAC, STATION_A);
	/* Its neighbour is known, the member that it is behind is not. */
	bench_push(b, UPLINK, &frame);
	for (unsigned int port = E0; port <= E3; port++)
		bench_expect_bytes(b, port, &want);
	bench_expect_nothing(b);
	station_says(b, E2, STATION_A, STATION_B, TO_E0 | TO_E1 | TO_E3);
	bench_push(b, UPLINK, &frame);
	bench_expect_bytes(b, E2, &want);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(neighbours_are_asked_for_by_all_members)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct frame frame, want, answer;

	packet_in(&frame, "192.0.2.11");
	bench_push(b, UPLINK, &frame);
	frame_arp(&want, E0_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, E0_MAC, "192.0.2.1", NO_MAC,
		"192.0.2.11");
	for (unsigned int port = E0; port <= E3; port++)
		bench_expect_bytes(b, port, &want);
	bench_expect_nothing(b);
	frame_arp(&answer, STATION_B, E0_MAC, RTE_ARP_OP_REPLY, STATION_B, "192.0.2.11", E0_MAC,
		"192.0.2.1");
	bench_push(b, E3, &answer);
	frame_forward(&frame, E0_MAC, STATION_B);
	bench_expect_bytes(b, E3, &frame);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(packets_in_pieces_find_the_station_too)
{
	struct bench *b = bridge_start(
		ALL_MEMBERS, "mtu = 1000; addresses = [ \"192.0.2.1/24\" ];", NEIGHBORS);
	struct frame frame, got;
	unsigned int n = 0;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = "198.51.100.10",
				  .dst = "192.0.2.10",
				  .payload_len = 1400 });
	bench_push(b, UPLINK, &frame);
	for (unsigned int port = E0; port <= E3; port++)
		ck_assert_uint_eq(bench_count(b, port), 2);
	station_says(b, E2, STATION_A, STATION_B, TO_E0 | TO_E1 | TO_E3);
	bench_push(b, UPLINK, &frame);
	for (; bench_receive(b, E2, &got); n++)
		frame_check_ip4(&got);
	ck_assert_uint_eq(n, 2);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bridge_without_members_waits_for_some)
{
	struct bench *b = bridge_start("", NULL, NEIGHBORS);
	struct frame frame, got;

	packet_in(&frame, "192.0.2.10");
	/* It has no carrier, so its network is nowhere. */
	bench_push(b, UPLINK, &frame);
	bench_expect(b, UPLINK, &got);
	ck_assert_uint_eq(frame_ip(&got)->next_proto_id, IPPROTO_ICMP);
	bench_expect_nothing(b);
	link_set_to(b, "e2", "\"master\": \"br0\"");
	bench_discard(b);
	bench_push(b, UPLINK, &frame);
	bench_expect(b, E2, &got);
	ck_assert_uint_eq(got.len, frame.len);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_packet_from_a_bridge_is_explained)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	char *answer = bench_answer(b, "explain.packet",
		"{\"iif\": \"br0\", \"src\": \"192.0.2.10\", \"dst\": \"198.51.100.10\", "
		"\"proto\": \"udp\"}");

	ck_assert_msg(strstr(answer, "wan") != NULL, "%s", answer);
	free(answer);
	bench_expect_error(b, "explain.packet",
		"{\"iif\": \"e0\", \"src\": \"192.0.2.10\", \"dst\": \"198.51.100.10\", "
		"\"proto\": \"udp\"}",
		"e0 is a member of br0");
	bench_destroy(b);
}
END_TEST

START_TEST(questions_to_the_bridge_are_answered_and_flooded)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	frame_arp(&frame, STATION_B, ANY_MAC, RTE_ARP_OP_REQUEST, STATION_B, "192.0.2.11", NO_MAC,
		"192.0.2.1");
	frame_arp(&want, E0_MAC, STATION_B, RTE_ARP_OP_REPLY, E0_MAC, "192.0.2.1", STATION_B,
		"192.0.2.11");
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E0, &frame);
	bench_expect_bytes(b, E2, &frame);
	bench_expect_bytes(b, E3, &frame);
	bench_discard(b);
	/* Now that it is known the answer is for it alone. */
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E1, &want);
	ck_assert_uint_eq(bench_count(b, E1), 0);
	bench_discard(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(neighbour_discovery_passes_the_bridge)
{
	struct bench *b = bridge_start(ALL_MEMBERS,
		"addresses = [ \"2001:db8:1::1/64\" ]; }, { name = \"br0.5\"; type = \"vlan\"; "
		"parent = \"br0\"; vid = 5; ",
		"sysctl: { addrconf: { dad_transmits = 0; }; };");
	struct frame frame;

	bench_advance(b, 2000);
	station_frame(&frame, STATION_A, STATION_B, 50);
	bench_push(b, E1, &frame);
	bench_discard(b);
	frame_nd(&frame,
		&(struct nd_spec){
			.src_mac = STATION_A, .target = "2001:db8:1::1", .lladdr = STATION_A });
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E0, &frame);
	bench_expect_bytes(b, E2, &frame);
	bench_expect_bytes(b, E3, &frame);
	bench_expect(b, E1, &frame);
	frame_check_icmp6(&frame, "2001:db8:1::1", HOST6, 136, 0);
	ck_assert_mem_eq(&frame_ether(&frame)->src_addr, "\x02\x00\x00\x00\xe0\x00", 6);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* All flows come in by one queue, and are the workers' that own them. */
START_TEST(connections_through_the_bridge_are_tracked_by_their_owners)
{
	enum { N_FLOWS = 60 };
	struct bench *b = bridge_start_with(ALL_MEMBERS, NULL,
		NEIGHBORS "firewall: { forward: { policy = \"drop\";\n"
			  "  rules = ( { state = [ \"established\" ]; action = \"accept\"; },\n"
			  "    { in = \"br0\"; out = \"wan\"; action = \"accept\"; } ); }; };\n",
		2, 8192);
	struct drops drops;
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, OTHERS);
	drops = drops_take(b);
	for (unsigned int i = 0; i < N_FLOWS; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
					  .dst_mac = E0_MAC,
					  .src = "192.0.2.10",
					  .dst = "198.51.100.10",
					  .sport = (uint16_t)(3000 + i) });
		bench_send(b, E0, &frame);
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, UPLINK), N_FLOWS);
	ck_assert_uint_gt(b->dp->workers[1]->taken_over, N_FLOWS / 5);
	for (unsigned int i = 0; i < N_FLOWS; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
					  .dst_mac = WAN_MAC,
					  .src = "198.51.100.10",
					  .dst = "192.0.2.10",
					  .sport = 2000,
					  .dport = (uint16_t)(3000 + i) });
		bench_send(b, UPLINK, &frame);
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, E0), N_FLOWS);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	/* Nobody outside begins. */
	packet_in(&frame, "192.0.2.10");
	station_fails(b, UPLINK, &frame, "firewall_drop_forward");
	bench_destroy(b);
}
END_TEST

/* Down */

START_TEST(a_member_that_is_down_neither_sends_nor_is_heard)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	struct frame frame;

	station_says(b, E2, STATION_C, STATION_B, TO_E0 | TO_E1 | TO_E3);
	link_set_to(b, "e2", "\"state\": \"down\"");
	station_says(b, E0, STATION_A, STATION_C, TO_E1 | TO_E3);
	station_frame(&frame, STATION_C, STATION_A, 50);
	station_fails(b, E2, &frame, "bridge_down");
	ck_assert_str_eq(fdb_place(b, STATION_C, 0), "");
	link_set_to(b, "e2", "\"state\": \"up\"");
	station_says(b, E0, STATION_A, STATION_C, OTHERS);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bridge_that_is_down_forwards_nothing)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NEIGHBORS);
	struct frame frame;

	station_says(b, E1, STATION_B, STATION_C, TO_E0 | TO_E2 | TO_E3);
	link_set_to(b, "br0", "\"state\": \"down\"");
	station_frame(&frame, STATION_A, STATION_B, 50);
	station_fails(b, E0, &frame, "bridge_down");
	station_frame(&frame, STATION_A, ANY_MAC, 50);
	station_fails(b, E0, &frame, "bridge_down");
	packet_out(&frame, E0_MAC);
	station_fails(b, E0, &frame, "bridge_down");
	link_set_to(b, "br0", "\"state\": \"up\"");
	bench_discard(b);
	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	bench_destroy(b);
}
END_TEST

/* Traces */

static void wait_for_trace(struct bench *b, bool is_on)
{
	for (unsigned int i = 0; (b->dp->workers[0]->trace != NULL) != is_on; i++) {
		REQUIRE_MSG(i < 100000, "the trace does not start or end");
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
}

/* Sends a frame under a trace: its steps must be `way`, and say `text`. */
static void trace_way(struct bench *b, struct client *client, unsigned int port,
	const struct frame *frame, const char *way, const char *text)
{
	char steps[256] = "";
	json_t *event, *step;
	size_t i, len = 0;

	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": \"trace.start\", "
			    "\"params\": {\"count\": 1}}");
	wait_for_trace(b, true);
	bench_push(b, port, frame);
	bench_advance(b, 2000);
	event = bench_read(b, client);
	json_array_foreach(json_at(event, "params.steps"), i, step)
		len += (size_t)snprintf(steps + len, sizeof(steps) - len, "%s%s", i > 0 ? " " : "",
			json_text_at(step, "node"));
	ck_assert_str_eq(steps, way);
	ck_assert_msg(strstr(json_text_at(event, "params.text"), text) != NULL, "%s",
		json_text_at(event, "params.text"));
	json_decref(event);
	json_decref(bench_read(b, client));
	wait_for_trace(b, false);
	bench_discard(b);
}

START_TEST(traces_tell_the_way_through_a_bridge)
{
	struct bench *b = bridge_start("{ name = \"e0\"; pvid = 10; }, { name = \"e1\"; vlans = "
				       "\"10\"; }, { name = \"e2\"; pvid = 10; }",
		"vlan_default_pvid = 10; addresses = [ \"192.0.2.1/24\" ];", NEIGHBORS);
	struct client *client = bench_connect(b);
	struct frame frame;

	station_frame(&frame, STATION_A, STATION_B, 50);
	trace_way(b, client, E0, &frame, "rx bridge", "bridge br0, VLAN 10, flooded");
	packet_in(&frame, "192.0.2.10");
	trace_way(b, client, UPLINK, &frame, "rx plain ip4_forward tx bridge_output tx_member",
		"to e0");
	station_frame(&frame, STATION_B, STATION_A, 50);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 10);
	trace_way(b, client, E1, &frame, "rx bridge tx", "bridge br0, VLAN 10, to e0");
	packet_out(&frame, E0_MAC);
	trace_way(b, client, E0, &frame, "rx bridge plain ip4_forward tx", "VLAN 10");
	station_frame(&frame, STATION_B, STATION_A, 50);
	trace_way(b, client, E1, &frame, "rx bridge drop", "bridge_vlan_denied");
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"192.0.2.12\", \"lladdr\": \"" STATION_C "\", \"dev\": \"br0\"}"));
	packet_in(&frame, "192.0.2.12");
	trace_way(b, client, UPLINK, &frame, "rx plain ip4_forward tx bridge_output", "flooded");
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Many copies */

static const char wide_config[] =
	"links = ( { name = \"e0\"; device = \"net_ring_p0\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; }, { name = \"e2\"; device = "
	"\"net_ring_p2\"; },\n"
	"  { name = \"e3\"; device = \"net_ring_p3\"; }, { name = \"e4\"; device = "
	"\"net_ring_p4\"; },\n"
	"  { name = \"e5\"; device = \"net_ring_p5\"; }, { name = \"e6\"; device = "
	"\"net_ring_p6\"; },\n"
	"  { name = \"e7\"; device = \"net_ring_p7\"; },\n"
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"e0\", \"e1\", \"e2\", \"e3\", "
	"\"e4\", \"e5\", \"e6\", \"e7\" ); } );\n";

START_TEST(a_pass_makes_as_many_copies_as_it_has_room_for)
{
	enum { N_PORTS = 8, N_EACH = 40, N = N_PORTS * N_EACH };
	struct bench *b = bench_start(wide_config);
	struct drops drops;
	uint64_t n_full, n_out = 0;
	struct frame frame;

	drops = drops_take(b);
	for (unsigned int i = 0; i < N; i++) {
		station_frame(&frame, STATION_A, STATION_B, 50);
		frame.bytes[9] = (uint8_t)(1 + i % 200);
		bench_send(b, i % N_PORTS, &frame);
	}
	bench_run(b);
	n_full = bench_drops(b, "bridge_flood_full");
	drops_expect(b, &drops, "bridge_flood_full", n_full);
	ck_assert_uint_gt(n_full, 0);
	ck_assert_uint_lt(n_full, N);
	for (unsigned int port = 0; port < N_PORTS; port++)
		n_out += bench_count(b, port);
	ck_assert_uint_eq(n_out, (N - n_full) * (N_PORTS - 1));
	/* In the next pass there is room. */
	station_says(b, E0, STATION_A, STATION_B, 0xfe);
	bench_destroy(b);
}
END_TEST

/* Bridges next to each other */

static const char two_config[] =
	"links = ( { name = \"e0\"; device = \"net_ring_p0\"; mac = \"" E0_MAC "\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; mac = \"" E1_MAC "\"; },\n"
	"  { name = \"e2\"; device = \"net_ring_p2\"; mac = \"" E2_MAC "\"; },\n"
	"  { name = \"e3\"; device = \"net_ring_p3\"; mac = \"" E3_MAC "\"; },\n"
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"e0\", \"e1\" );\n"
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"br1\"; type = \"bridge\"; members = ( \"e2\", \"e3\" );\n"
	"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" STATION_A "\"; dev = \"br0\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" STATION_B "\"; dev = \"br1\"; } );\n";

START_TEST(two_bridges_know_nothing_of_each_other)
{
	struct bench *b = bench_start(two_config);
	struct frame frame, want;

	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	station_says(b, E2, STATION_B, STATION_A, TO_E3);
	/* One address in both. */
	station_says(b, E3, STATION_A, ANY_MAC, TO_E2);
	station_says(b, E1, STATION_C, STATION_A, TO_E0);
	station_says(b, E2, STATION_B, STATION_A, TO_E3);
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
				  .dst_mac = E1_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10" });
	want = frame;
	frame_forward(&want, E2_MAC, STATION_B);
	bench_push(b, E0, &frame);
	bench_expect_bytes(b, E2, &want);
	bench_expect_nothing(b);
	/* An address of the one is a stranger's to the other. */
	station_says(b, E0, STATION_A, E3_MAC, TO_E1);
	bench_destroy(b);
}
END_TEST

/*
 * Three cables between two bridges. Station A is behind p0 of br0; p7 and p8 are links that weir routes
 * between.
 */
static const char loop_config[] =
	"links = ( { name = \"e0\"; device = \"net_ring_p0\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; }, { name = \"e2\"; device = "
	"\"net_ring_p2\"; },\n"
	"  { name = \"e3\"; device = \"net_ring_p3\"; }, { name = \"e4\"; device = "
	"\"net_ring_p4\"; },\n"
	"  { name = \"e5\"; device = \"net_ring_p5\"; }, { name = \"e6\"; device = "
	"\"net_ring_p6\"; },\n"
	"  { name = \"lan\"; device = \"net_ring_p7\"; mac = \"" LAN_MAC "\"; addresses = [ "
	"\"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p8\"; mac = \"" WAN_MAC "\"; addresses = [ "
	"\"198.51.100.1/24\" ]; },\n"
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"e0\", \"e1\", \"e2\", \"e3\" ); },\n"
	"  { name = \"br1\"; type = \"bridge\"; members = ( \"e4\", \"e5\", \"e6\" ); } );\n"
	"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n";

static void carry(struct bench *b, unsigned int from, unsigned int to)
{
	struct rte_mbuf *m;

	while (!rte_ring_full(b->rx[to]) && rte_ring_dequeue(b->tx[from], (void **)&m) == 0)
		REQUIRE(rte_ring_enqueue(b->rx[to], m) == 0);
}

START_TEST(a_loop_ends_in_named_drops_and_others_pass)
{
	enum { LOOP_LAN = 7, LOOP_WAN = 8, N_ROUNDS = 2000 };
	struct bench *b = bench_create(loop_config, 1, 65536);
	struct frame frame, other;
	unsigned int n_passed = 0;

	bench_discard(b);
	station_frame(&frame, STATION_A, ANY_MAC, 50);
	bench_send(b, E0, &frame);
	frame_ip4(&other, &(struct ip4_spec){ .src_mac = HOST_MAC,
				  .dst_mac = LAN_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10" });
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		bench_send(b, LOOP_LAN, &other);
		/* One pass: the storm is not let run dry. */
		worker_pass(b->dp->workers[0]);
		n_passed += bench_count(b, LOOP_WAN);
		for (unsigned int k = 1; k <= 3; k++) {
			carry(b, k, k + 3);
			carry(b, k + 3, k);
		}
		bench_count(b, E0);
	}
	ck_assert_uint_gt(bench_drops(b, "link_tx_full"), 0);
	/* Queues take turns. */
	ck_assert_uint_ge(n_passed, N_ROUNDS / 2);
	/* Somebody pulls the cables. */
	bench_run(b);
	ck_assert_uint_eq(n_passed + bench_count(b, LOOP_WAN), N_ROUNDS);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge_own", PLAIN_TEST(what_is_sent_to_the_bridge_or_a_member_is_routed),
	PLAIN_TEST(what_is_routed_to_the_bridge_finds_its_station),
	PLAIN_TEST(neighbours_are_asked_for_by_all_members),
	PLAIN_TEST(packets_in_pieces_find_the_station_too),
	PLAIN_TEST(a_bridge_without_members_waits_for_some),
	PLAIN_TEST(a_packet_from_a_bridge_is_explained),
	PLAIN_TEST(questions_to_the_bridge_are_answered_and_flooded),
	PLAIN_TEST(neighbour_discovery_passes_the_bridge),
	PLAIN_TEST(connections_through_the_bridge_are_tracked_by_their_owners),
	PLAIN_TEST(a_member_that_is_down_neither_sends_nor_is_heard),
	PLAIN_TEST(a_bridge_that_is_down_forwards_nothing),
	PLAIN_TEST(traces_tell_the_way_through_a_bridge),
	PLAIN_TEST(a_pass_makes_as_many_copies_as_it_has_room_for),
	PLAIN_TEST(two_bridges_know_nothing_of_each_other),
	PLAIN_TEST(a_loop_ends_in_named_drops_and_others_pass))
