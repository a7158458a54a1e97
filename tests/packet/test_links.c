/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links that go down and come back, by command and by carrier: what becomes of neighbours, routes
 * and packets meanwhile.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit.h"

#include <rte_ethdev.h>

/* The two ways a link can fail. */
static const bool by_carrier[] = { false, true };

static void set_link(struct bench *b, unsigned int port, bool is_up, bool is_carrier)
{
	static const char *const names[] = { "lan", "wan", "dmz" };
	char params[64];

	if (!is_carrier) {
		snprintf(params, sizeof(params), "{\"dev\": \"%s\", \"state\": \"%s\"}",
			names[port], is_up ? "up" : "down");
		json_decref(bench_call(b, "link.set", params));
		return;
	}
	if (is_up)
		rte_eth_dev_set_link_up(b->ports[port]);
	else
		rte_eth_dev_set_link_down(b->ports[port]);
	bench_advance(b, 1000); /* carriers are looked at twice a second */
}

/* A packet of the host on lan. */
static void push_to(struct bench *b, const char *dst)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = dst });
	bench_push(b, LAN, &frame);
}

static void push_answer(struct bench *b, const char *addr)
{
	struct frame frame;

	frame_arp(&frame, PEER_MAC, WAN_MAC, RTE_ARP_OP_REPLY, PEER_MAC, addr, WAN_MAC,
		"198.51.100.1");
	bench_push(b, WAN, &frame);
}

START_TEST(a_link_that_goes_down_forgets_its_neighbours)
{
	struct bench *b = bench_start(router_config);
	struct drops drops;

	bench_learn(b, WAN, "198.51.100.20", PEER_MAC);
	push_to(b, "198.51.100.30"); /* waits */
	ck_assert_str_eq(bench_neigh(b, "198.51.100.20"), "STALE");
	ck_assert_str_eq(bench_neigh(b, "198.51.100.30"), "INCOMPLETE");
	drops = drops_take(b);
	set_link(b, WAN, false, by_carrier[_i]);
	drops_expect(b, &drops, "neigh_link_down", 1);
	ck_assert_str_eq(bench_neigh(b, "198.51.100.20"), "");
	ck_assert_str_eq(bench_neigh(b, "198.51.100.30"), "");
	ck_assert_str_eq(bench_neigh(b, "198.51.100.10"), "PERMANENT");
	bench_discard(b);
	/* It comes back with the link, which announces itself. */
	set_link(b, WAN, true, by_carrier[_i]);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	push_to(b, "198.51.100.10");
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	push_to(b, "198.51.100.20");
	ck_assert_uint_eq(bench_count(b, WAN), 1); /* the question */
	push_answer(b, "198.51.100.20");
	ck_assert_uint_eq(bench_count(b, WAN), 1); /* the packet */
	ck_assert_str_eq(bench_neigh(b, "198.51.100.20"), "REACHABLE");
	bench_destroy(b);
}
END_TEST

START_TEST(routes_over_a_link_that_is_down_are_not_used)
{
	struct bench *b = bench_start(router_config);
	struct drops drops;

	json_decref(bench_call(b, "route.add",
		"{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.10\", \"metric\": 10}"));
	push_to(b, "10.1.1.1");
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	set_link(b, DMZ, false, by_carrier[_i]);
	push_to(b, "10.1.1.1"); /* the next best route */
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	push_to(b, "203.0.113.10"); /* the network itself: by the default route */
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	set_link(b, WAN, false, by_carrier[_i]);
	drops = drops_take(b);
	push_to(b, "10.1.1.1");
	push_to(b, "8.8.8.8");
	drops_expect(b, &drops, "ip4_no_route", 2);
	ck_assert_uint_eq(bench_count(b, LAN), 2); /* both are told */
	set_link(b, DMZ, true, by_carrier[_i]);
	set_link(b, WAN, true, by_carrier[_i]);
	bench_discard(b);
	push_to(b, "10.1.1.1");
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	push_to(b, "8.8.8.8");
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(show_tells_the_state_of_links_and_routes)
{
	struct bench *b = bench_start(router_config);
	json_t *rows;

	set_link(b, DMZ, false, by_carrier[_i]);
	rows = bench_call(b, "link.show", "{\"dev\": \"dmz\"}");
	ck_assert_str_eq(json_text_at(rows, "0.operstate"), "DOWN");
	json_decref(rows);
	rows = bench_call(b, "route.show", "{\"to\": \"10.0.0.0/8\"}");
	ck_assert_str_eq(json_text_at(rows, "0.flags.0"), "linkdown");
	json_decref(rows);
	set_link(b, DMZ, true, by_carrier[_i]);
	rows = bench_call(b, "link.show", "{\"dev\": \"dmz\"}");
	ck_assert_str_eq(json_text_at(rows, "0.operstate"), "UP");
	json_decref(rows);
	rows = bench_call(b, "route.show", "{\"to\": \"10.0.0.0/8\"}");
	ck_assert_uint_eq(json_array_size(json_at(rows, "0.flags")), 0);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(our_address_stays_ours_while_its_link_is_down)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	set_link(b, DMZ, false, by_carrier[_i]);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "203.0.113.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	ck_assert_uint_eq(frame_l4(&frame)[0], 0);
	bench_destroy(b);
}
END_TEST

START_TEST(what_arrives_on_a_link_that_is_down_is_dropped)
{
	struct bench *b = bench_start(router_config);
	struct drops drops;

	set_link(b, WAN, false, false);
	drops = drops_take(b);
	push_answer(b, "198.51.100.20");
	drops_expect(b, &drops, "link_down", 1);
	ck_assert_str_eq(bench_neigh(b, "198.51.100.20"), "");
	bench_destroy(b);
}
END_TEST

START_TEST(a_link_may_be_configured_down)
{
	struct bench *b =
		bench_start("links = ( { name = \"lan\"; device = \"net_ring_p0\"; up = false;\n"
			    "    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\" ]; } );");
	struct frame frame;

	frame_arp(&frame, HOST_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, HOST_MAC, "192.0.2.10", NO_MAC,
		"192.0.2.1");
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "link_down"), 1);
	set_link(b, LAN, true, false);
	ck_assert_uint_eq(bench_count(b, LAN), 1); /* announces itself */
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* The sender's group bit is what a link that is down is told by: it must not be a way in. */
START_TEST(a_link_that_is_down_takes_no_frame_from_a_group_address)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;
	struct drops drops;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = "03:00:00:00:01:01",
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10" });
	set_link(b, LAN, false, false);
	drops = drops_take(b);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "link_down", 1);
	set_link(b, LAN, true, false);
	bench_discard(b);
	drops = drops_take(b);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "eth_bad_source", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("links", LOOP_TEST(a_link_that_goes_down_forgets_its_neighbours, by_carrier),
	LOOP_TEST(routes_over_a_link_that_is_down_are_not_used, by_carrier),
	LOOP_TEST(show_tells_the_state_of_links_and_routes, by_carrier),
	LOOP_TEST(our_address_stays_ours_while_its_link_is_down, by_carrier),
	PLAIN_TEST(what_arrives_on_a_link_that_is_down_is_dropped),
	PLAIN_TEST(a_link_may_be_configured_down),
	PLAIN_TEST(a_link_that_is_down_takes_no_frame_from_a_group_address))
