/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policers on VLANs, bonds and what stands on those, and in front of steering; buckets that two
 * workers share; policers that change, also under traffic.
 */
#include "kit_meter.h"

#include <rte_cycles.h>

#include "dp/worker.h"
#include "kit_bond.h"

#define VLANS                                                                                      \
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"           \
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"                                               \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"                   \
	"    addresses = [ \"198.51.100.1/24\" ]; },\n"                                            \
	"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7; },\n"                   \
	"  { name = \"lan.8\"; type = \"vlan\"; parent = \"lan\"; vid = 8; },\n"                   \
	"  { name = \"lan.7.9\"; type = \"vlan\"; parent = \"lan.7\"; vid = 9; } );\n"             \
	"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"

static unsigned int send_tagged(struct bench *b, const uint16_t *vids, unsigned int n)
{
	struct frame frame;

	meter_frame(&frame, 0);
	for (unsigned int i = 0; i < 2 && vids[i] != 0; i++)
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, vids[i]);
	for (unsigned int i = 0; i < n; i++)
		bench_send(b, LAN, &frame);
	bench_run(b);
	return bench_count(b, WAN);
}

static const uint16_t untagged[2], in_7[2] = { 7 }, in_8[2] = { 8 }, in_7_9[2] = { 9, 7 };

/*
 * Bytes are those of frames as the link has them: without its own tag, with those of links above
 * it.
 */
START_TEST(a_vlan_is_policed_by_itself_and_below_others)
{
	struct bench *b = bench_start(
		VLANS "policers = ( { link = \"lan.7\"; rate = \"1kbit\"; burst = 4100; } );");
	struct drops drops = drops_take(b);

	ck_assert_uint_eq(send_tagged(b, untagged, 9), 9);
	ck_assert_uint_eq(send_tagged(b, in_8, 9), 9);
	ck_assert_uint_eq(send_tagged(b, in_7, 2), 2);
	ck_assert_int_eq(meter_look(b, "lan.7").green_bytes, 2 * METER_LEN);
	ck_assert_uint_eq(send_tagged(b, in_7_9, 2), 2);
	ck_assert_int_eq(meter_look(b, "lan.7").green_bytes, 4 * METER_LEN + 2 * 4);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(send_tagged(b, in_7_9, 1), 0);
	ck_assert_uint_eq(send_tagged(b, in_7, 1), 0);
	drops_expect(b, &drops, "meter_red", 2);
	meter_expect(b, "lan.7", 4, 0, 2, 2);
	bench_destroy(b);
}
END_TEST

/* Each of those on the way; what the lower one drops the upper one does not see. */
START_TEST(a_frame_meets_the_policers_of_all_links_that_it_comes_by)
{
	struct bench *b = bench_start(VLANS
		"policers = ( { link = \"lan\"; rate = \"1kbit\"; burst = 8100; },\n"
		"  { link = \"lan.7\"; rate = \"1kbit\"; burst = 6100; },\n"
		"  { link = \"lan.7.9\"; rate = \"1kbit\"; burst = 2100; red = \"pass\"; } );");

	ck_assert_uint_eq(send_tagged(b, in_7_9, 3), 3);
	meter_expect(b, "lan.7.9", 2, 0, 1, 0);
	ck_assert_uint_eq(send_tagged(b, in_7, 4), 3);
	meter_expect(b, "lan.7", 6, 0, 1, 1);
	ck_assert_uint_eq(send_tagged(b, untagged, 2), 1);
	meter_expect(b, "lan", 8, 0, 1, 1);
	ck_assert_int_eq(meter_look(b, "lan").green_bytes, 8 * METER_LEN + 3 * 8 + 4 * 4);
	ck_assert_uint_eq(bench_drops(b, "meter_red"), 2);
	bench_destroy(b);
}
END_TEST

/* Two workers poll the members of a bond: together they get what it may have. */
START_TEST(workers_share_the_bucket_of_a_bond)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = ALL_TWO,
		.links = ", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; }",
		.sections =
			"policers = ( { link = \"bond0\"; rate = \"1kbit\"; burst = \"20kb\"; },\n"
			"  { link = \"bond0.7\"; rate = \"1kbit\"; burst = \"6kb\"; } );",
		.n_workers = 2 });
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10",
				  .payload_len = METER_LEN - 42 });
	for (unsigned int i = 0; i < 15; i++) {
		bench_send(b, M0, &frame);
		bench_send(b, M1, &frame);
		if (i % 5 == 0)
			bench_run(b);
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, UPLINK), 20);
	meter_expect(b, "bond0", 20, 0, 10, 10);
	meter_expect(b, "bond0.7", 0, 0, 0, 0);
	ck_assert_uint_ge(b->dp->workers[0]->stats.rx, 15);
	ck_assert_uint_ge(b->dp->workers[1]->stats.rx, 15);
	bench_destroy(b);
}
END_TEST

START_TEST(a_vlan_on_a_bond_has_both_policers)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = ALL_TWO,
		.links = ", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; }",
		.sections = "policers = ( { link = \"bond0\"; rate = \"1kbit\"; burst = 5100; },\n"
			    "  { link = \"bond0.7\"; rate = \"1kbit\"; burst = 3000; } );" });
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10",
				  .payload_len = METER_LEN - 42 });
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
	for (unsigned int i = 0; i < 7; i++)
		bench_send(b, i % 2 == 0 ? M0 : M1, &frame);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, UPLINK), 3);
	meter_expect(b, "bond0", 5, 0, 2, 2);
	meter_expect(b, "bond0.7", 3, 0, 2, 2);
	ck_assert_int_eq(meter_look(b, "bond0").green_bytes, 5 * (METER_LEN + 4));
	bench_destroy(b);
}
END_TEST

/* What is dropped is never handed over; the rest comes to its owners. */
START_TEST(a_port_is_policed_in_front_of_steering)
{
	static const char steered[] =
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; steering = \"software\";\n"
		"    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\" ]; },\n"
		"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
		"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );\n"
		"policers = ( { link = \"lan\"; rate = \"1kbit\"; burst = \"40kb\"; } );\n";
	struct bench *b = bench_create(steered, 2, 8192);
	struct frame frame;

	bench_discard(b);
	for (uint16_t i = 0; i < 60; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "198.51.100.10",
					  .sport = (uint16_t)(1000 + i),
					  .payload_len = 1024 - 42 });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 40);
	meter_expect(b, "lan", 40, 0, 20, 20);
	ck_assert_uint_eq(b->dp->workers[1]->stats.rx, 0);
	ck_assert_uint_gt(b->dp->workers[1]->taken_over, 5);
	ck_assert_uint_lt(b->dp->workers[1]->taken_over, 35);
	bench_destroy(b);
}
END_TEST

/* Changes */

START_TEST(a_replaced_policer_keeps_what_it_has_counted_and_what_is_left)
{
	struct bench *b = bench_start(
		VLANS "policers = ( { link = \"lan\"; rate = \"1kbit\"; burst = 3000; } );");
	struct frame frame;

	meter_frame(&frame, 0);
	for (unsigned int i = 0; i < 2; i++)
		bench_push(b, LAN, &frame);
	/* One frame is left, of however many there could be. */
	meter_do(b, "replace", "\"dev\": \"lan\", \"rate\": \"2kbit\", \"burst\": \"9kb\"");
	for (unsigned int i = 0; i < 3; i++)
		bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 3);
	meter_expect(b, "lan", 3, 0, 2, 2);
	meter_do(b, "del", "\"dev\": \"lan\"");
	for (unsigned int i = 0; i < 9; i++)
		bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 9);
	/* A new one begins anew. */
	meter_do(b, "add", "\"dev\": \"lan\", \"rate\": \"1kbit\", \"burst\": 2000");
	meter_expect(b, "lan", 0, 0, 0, 0);
	for (unsigned int i = 0; i < 3; i++)
		bench_push(b, LAN, &frame);
	meter_expect(b, "lan", 2, 0, 1, 1);
	bench_destroy(b);
}
END_TEST

static unsigned int fill(struct bench *b, unsigned int port, const struct frame *frame)
{
	if (rte_ring_count(b->rx[port]) > 512)
		return 0;
	for (unsigned int i = 0; i < 256; i++)
		bench_send(b, port, frame);
	return 256;
}

#define REPLACE_TO(rest) "{\"dev\": \"bond0\", \"rate\": \"1mbit\", \"burst\": \"4kb\"" rest "}"

static const char *const replacements[] = {
	REPLACE_TO(", \"red\": \"pass\""),
	REPLACE_TO(", \"excess_burst\": \"9kb\", \"red\": \"dscp\", \"red_dscp\": \"cs1\""),
	REPLACE_TO(", \"peakrate\": \"9gbit\", \"peakburst\": \"64kb\""),
};

/*
 * Two workers, each on a thread of its own, receive from one bond. Each frame is counted by one
 * policer or the other.
 */
START_TEST(a_policer_is_replaced_under_traffic_and_misses_nothing)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = ALL_TWO,
		.sections =
			"policers = ( { link = \"bond0\"; rate = \"1mbit\"; burst = \"4kb\"; } );",
		.n_workers = 2 });
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz();
	unsigned int n = 0, n_sent = 0, n_out = 0;
	struct meter_seen seen;
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10",
				  .payload_len = 64 });
	bench_launch(b);
	while (rte_rdtsc() < end || n < 50) {
		n_sent += fill(b, M0, &frame);
		n_sent += fill(b, M1, &frame);
		json_decref(bench_call(
			b, "policer.replace", replacements[n++ % RTE_DIM(replacements)]));
		n_out += bench_count(b, UPLINK);
	}
	bench_join(b);
	bench_run(b);
	n_out += bench_count(b, UPLINK);
	seen = meter_look(b, "bond0");
	ck_assert_int_eq(seen.green + seen.yellow + seen.red, n_sent);
	ck_assert_int_eq(seen.dropped, bench_drops(b, "meter_red"));
	/* The uplink is slower than the test. */
	ck_assert_int_eq(n_out + seen.dropped + bench_drops(b, "link_tx_full") +
				 bench_drops(b, "handover_full"),
		n_sent);
	ck_assert_int_gt(seen.green, 0);
	ck_assert_int_gt(seen.yellow, 0);
	ck_assert_int_gt(seen.red, 0);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *method, *params;
} churn[] = {
	{ "policer.add", "{\"dev\": \"lan\", \"rate\": \"1mbit\", \"burst\": \"4kb\"}" },
	{ "policer.add", "{\"dev\": \"lan.7\", \"rate\": \"1mbit\", \"burst\": \"4kb\"}" },
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": 1400}" },
	{ "link.del", "{\"dev\": \"lan.7\"}" },
	{ "policer.replace", "{\"dev\": \"lan\", \"rate\": \"9mbit\", \"burst\": \"2kb\"}" },
	{ "link.add",
		"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7}" },
	{ "policer.add", "{\"dev\": \"lan.7\", \"rate\": \"1mbit\", \"burst\": \"4kb\"}" },
	{ "policer.del", "{\"dev\": \"lan\"}" },
	{ "policer.del", "{\"dev\": \"lan.7\"}" },
};

START_TEST(policers_and_links_come_and_go_under_traffic)
{
	struct bench *b = bench_create(
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7; } );\n",
		2, 16384);
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz();
	struct frame plain, tagged;
	unsigned int n = 0;

	meter_frame(&plain, 0);
	tagged = plain;
	frame_tag(&tagged, RTE_ETHER_TYPE_VLAN, 7);
	bench_launch(b);
	while (rte_rdtsc() < end || n < 5 * RTE_DIM(churn) || n % RTE_DIM(churn) != 0) {
		fill(b, LAN, n % 2 == 0 ? &plain : &tagged);
		json_decref(bench_call(
			b, churn[n % RTE_DIM(churn)].method, churn[n % RTE_DIM(churn)].params));
		n++;
	}
	bench_join(b);
	bench_run(b);
	ck_assert_uint_gt(bench_drops(b, "meter_red"), 0);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("meter_links", PLAIN_TEST(a_vlan_is_policed_by_itself_and_below_others),
	PLAIN_TEST(a_frame_meets_the_policers_of_all_links_that_it_comes_by),
	PLAIN_TEST(workers_share_the_bucket_of_a_bond),
	PLAIN_TEST(a_vlan_on_a_bond_has_both_policers),
	PLAIN_TEST(a_port_is_policed_in_front_of_steering),
	PLAIN_TEST(a_replaced_policer_keeps_what_it_has_counted_and_what_is_left),
	PLAIN_TEST(a_policer_is_replaced_under_traffic_and_misses_nothing),
	PLAIN_TEST(policers_and_links_come_and_go_under_traffic))
