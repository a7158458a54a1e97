/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Qdiscs on links that stand on others, and on several of a packet's way: a VLAN and its port, a bond and its members.
 * Bridges have a file of their own.
 */
#include "kit_qdisc.h"
#include "kit_bond.h"

#include <stdlib.h>

#include "base/mem.h"

#define VLAN_CONFIG                                                                                \
	"links = (\n"                                                                              \
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"                   \
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"                                               \
	"  { name = \"up\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\"; },\n"                 \
	"  { name = \"wan\"; type = \"vlan\"; parent = \"up\"; vid = 5; addresses = [ "            \
	"\"198.51.100.1/24\" ]; },\n"                                                              \
	"  { name = \"low\"; type = \"vlan\"; parent = \"up\"; vid = 6; addresses = [ "            \
	"\"203.0.113.1/24\" ]; } );\n"                                                             \
	"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"   \
	"  { to = \"203.0.113.10\"; lladdr = \"" DMZ_HOST "\"; dev = \"low\"; } );\n"

/* The number of the next tagged frame out of a port, and the tag's TCI; -1: there is none. */
static int tagged_next(struct bench *b, unsigned int port, uint16_t *tci)
{
	struct frame frame;

	do
		if (!bench_receive(b, port, &frame))
			return -1;
	while (frame.bytes[16] != 0x08 || frame.bytes[17] != 0);
	*tci = (uint16_t)(frame.bytes[14] << 8 | frame.bytes[15]);
	return frame.bytes[22] << 8 | frame.bytes[23];
}

/* VLAN */

/* 1000 bytes a millisecond on the VLAN; on the port, with the tag, no packet of which waits. */
START_TEST(a_vlan_and_its_port_are_shaped_one_after_the_other)
{
	struct bench *b = qdisc_start(VLAN_CONFIG, "{ link = \"wan\"; kind = \"tbf\"; rate = "
						   "\"8mbit\"; burst = 2000; limit = 100000; },\n"
						   "{ link = \"up\"; kind = \"prio\"; filters = ( "
						   "{ vlan_priority = 0; band = 2; } ); }");
	struct drops drops = drops_take(b);
	int64_t before = class_figure(b, "up", "1:3", "stats.packets");
	json_t *links;
	uint16_t tci;

	for (uint16_t i = 0; i < 20; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	for (uint16_t i = 0; i < 20; i++) {
		if (i >= 2) {
			ck_assert_int_eq(tagged_next(b, WAN, &tci), -1);
			ck_assert_int_eq(qdisc_held(b), 20 - i);
			ck_assert(qdisc_step(b));
		}
		ck_assert_int_eq(tagged_next(b, WAN, &tci), i);
		ck_assert_uint_eq(tci, 5);
	}
	ck_assert_int_eq(qdisc_held(b), 0);
	ck_assert_int_eq(class_figure(b, "up", "1:3", "stats.packets") - before, 20);
	drops_expect_none(b, &drops);
	/* Each link has sent them once, and what it has announced. */
	links = bench_call(b, "link.show", "{\"dev\": \"wan\", \"statistics\": true}");
	ck_assert_int_eq(json_int_at(links, "0.stats64.tx.packets"), 21);
	json_decref(links);
	bench_destroy(b);
}
END_TEST

/* The other way round: what the port lets out is the VLANs' together. */
START_TEST(a_port_shapes_all_that_stands_on_it)
{
	struct bench *b =
		qdisc_start(VLAN_CONFIG, "{ link = \"up\"; kind = \"tbf\"; rate = \"8mbit\"; "
					 "burst = 2008; limit = 100000; }");
	struct frame frame;
	uint16_t tci;

	for (uint16_t i = 0; i < 20; i++) {
		numbered_spec(&frame, i,
			&(struct ip4_spec){
				.dst = i % 2 == 0 ? NULL : "203.0.113.10", .payload_len = 958 });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	for (uint16_t i = 0; i < 20; i++) {
		if (i >= 2)
			ck_assert(qdisc_step(b));
		ck_assert_int_eq(tagged_next(b, WAN, &tci), i);
		ck_assert_uint_eq(tci, 5 + i % 2);
		if (i >= 1)
			ck_assert_int_eq(tagged_next(b, WAN, &tci), -1);
	}
	/* 1004 bytes each. */
	ck_assert_int_eq(qdisc_figure(b, "up", "1:", "backlog"), 0);
	bench_destroy(b);
}
END_TEST

/* As much leaves in a pass as comes in: a qdisc without a rate is no bottleneck, of a VLAN no more than of a port. */
START_TEST(what_may_go_goes_as_fast_as_it_comes)
{
	static const char *const links[] = { "wan", "up" };

	for (unsigned int k = 0; k < RTE_DIM(links); k++) {
		char *qdiscs = mem_printf("{ link = \"%s\"; kind = \"pfifo\"; }", links[k]);
		struct bench *b = qdisc_start(VLAN_CONFIG, qdiscs);
		struct drops drops = drops_take(b);
		uint16_t tci;

		for (uint16_t i = 0; i < 4000; i++)
			numbered_send(b, i, 100);
		bench_run(b);
		drops_expect_none(b, &drops);
		for (uint16_t i = 0; i < 4000; i++)
			ck_assert_int_eq(tagged_next(b, WAN, &tci), i);
		free(qdiscs);
		bench_destroy(b);
	}
}
END_TEST

/* Several VLANs with more than a pass can take: each gets its turn. */
START_TEST(vlans_take_turns_when_there_is_much_to_let_out)
{
	struct bench *b =
		qdisc_start(VLAN_CONFIG, "{ link = \"wan\"; kind = \"tbf\"; rate = \"8kbit\"; "
					 "burst = \"64kb\"; limit = 1000000; },\n"
					 "{ link = \"low\"; kind = \"tbf\"; rate = \"8kbit\"; "
					 "burst = \"64kb\"; limit = 1000000; }");
	unsigned int n[2] = { 0 };
	struct frame frame;
	uint16_t tci;

	/* Both bursts are used up first. */
	for (uint16_t i = 0; i < 88; i++) {
		numbered_spec(&frame, i,
			&(struct ip4_spec){
				.dst = i % 2 == 0 ? NULL : "203.0.113.10", .payload_len = 1472 });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	bench_discard(b);
	for (uint16_t i = 0; i < 1200; i++) {
		numbered_spec(
			&frame, i, &(struct ip4_spec){ .dst = i % 2 == 0 ? NULL : "203.0.113.10" });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	bench_discard(b);
	qdisc_now += qdisc_cycles(b, UINT64_C(100000000000));
	for (unsigned int pass = 0; pass < 2; pass++) {
		worker_pass(b->dp->workers[0]);
		while (tagged_next(b, WAN, &tci) >= 0)
			n[tci - 5]++;
	}
	ck_assert_uint_gt(n[0], 100);
	ck_assert_uint_gt(n[1], 100);
	bench_run(b);
	bench_destroy(b);
}
END_TEST

START_TEST(packets_of_a_vlan_that_is_down_are_dropped_when_they_are_due)
{
	struct bench *b = qdisc_start(VLAN_CONFIG, "{ link = \"wan\"; kind = \"tbf\"; rate = "
						   "\"8mbit\"; burst = 2000; limit = 100000; }");
	struct drops drops = drops_take(b);

	for (uint16_t i = 0; i < 20; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	ck_assert_int_eq(qdisc_held(b), 18);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"state\": \"down\"}"));
	qdisc_run_dry(b);
	drops_expect(b, &drops, "link_down", 18);
	bench_destroy(b);
}
END_TEST

/* And its index may be another link's then. */
START_TEST(packets_of_a_vlan_that_is_deleted_go_with_it)
{
	struct bench *b = qdisc_start(VLAN_CONFIG, "{ link = \"wan\"; kind = \"tbf\"; rate = "
						   "\"8mbit\"; burst = 2000; limit = 100000; }");
	struct drops drops = drops_take(b);
	json_t *qdiscs;

	for (uint16_t i = 0; i < 20; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	json_decref(bench_call_only(b, "link.del", "{\"dev\": \"wan\"}"));
	json_decref(bench_call_only(b, "link.add",
		"{\"name\": \"new\", \"type\": \"vlan\", \"parent\": \"up\", \"vid\": 7}"));
	bench_run(b);
	drops_expect(b, &drops, "qdisc_gone", 18);
	ck_assert_int_eq(qdisc_held(b), 0);
	qdiscs = bench_call(b, "qdisc.show", NULL);
	ck_assert_uint_eq(json_array_size(qdiscs), 0);
	json_decref(qdiscs);
	json_decref(bench_call(b, "qdisc.add", "{\"dev\": \"new\", \"kind\": \"fq_codel\"}"));
	bench_destroy(b);
}
END_TEST

/* Bond */

/* From the uplink, into 10.0.0.0/8. */
static void bond_feed(struct bench *b, unsigned int n)
{
	struct frame frame;

	for (unsigned int i = 0; i < n; i++) {
		bond_packet(&frame, "10.1.2.3", 1000);
		frame_ip(&frame)->packet_id = rte_cpu_to_be_16((uint16_t)i);
		frame_fix_ip(&frame);
		bench_send(b, 4, &frame);
	}
	bench_run(b);
}

static unsigned int bond_count(struct bench *b)
{
	unsigned int n = 0;

	for (unsigned int i = M0; i <= M3; i++)
		while (numbered_next(b, i) >= 0)
			n++;
	return n;
}

START_TEST(a_bond_is_shaped_before_its_members_are_chosen)
{
	struct bench *b = bond_start(&(struct bond_spec){
		.settings = ALL_TWO "mode = \"balance-rr\";",
		.sections =
			"qdiscs = ( { link = \"bond0\"; kind = \"tbf\"; rate = \"8mbit\"; burst = "
			"1514; limit = 100000; } );",
	});
	int64_t len;

	qdisc_take_clock(b);
	bond_feed(b, 100);
	bond_count(b);
	len = qdisc_figure(b, "bond0", "1:", "backlog");
	ck_assert_int_gt(len, 0);
	qdisc_run_dry(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	ck_assert_uint_gt(bench_count(b, M0), 10);
	ck_assert_uint_gt(bench_count(b, M1), 10);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_of_a_bond_is_shaped_by_itself)
{
	struct bench *b = bond_start(&(struct bond_spec){
		.settings = ALL_TWO "mode = \"balance-rr\";",
		.sections = "qdiscs = ( { link = \"m0\"; kind = \"tbf\"; rate = \"8kbit\"; burst = "
			    "1514; "
			    "limit = 100000; } );",
	});
	unsigned int n;

	qdisc_take_clock(b);
	bond_feed(b, 200);
	n = bench_count(b, M1);
	ck_assert_uint_eq(n, 100);
	ck_assert_uint_lt(bench_count(b, M0), 40);
	ck_assert_int_ge(qdisc_held(b), 60);
	qdisc_run_dry(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_links", PLAIN_TEST(a_vlan_and_its_port_are_shaped_one_after_the_other),
	PLAIN_TEST(a_port_shapes_all_that_stands_on_it),
	PLAIN_TEST(what_may_go_goes_as_fast_as_it_comes),
	PLAIN_TEST(vlans_take_turns_when_there_is_much_to_let_out),
	PLAIN_TEST(packets_of_a_vlan_that_is_down_are_dropped_when_they_are_due),
	PLAIN_TEST(packets_of_a_vlan_that_is_deleted_go_with_it),
	{ a_bond_is_shaped_before_its_members_are_chosen, 3 },
	PLAIN_TEST(a_member_of_a_bond_is_shaped_by_itself))
