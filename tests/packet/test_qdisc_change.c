/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Qdiscs that are changed, or taken away, while packets wait in them: a change loses none and lets none overtake another;
 * what is taken away takes its packets with it, by name. And links that go down.
 */
#include "kit_qdisc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "dp/handover.h"

#define SLOW_TBF                                                                                   \
	"{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = \"2kb\"; limit = 1000000; "

/* 100 packets of 1000 bytes wait, at 1 ms each. */
static struct bench *start_loaded(const char *more)
{
	char *qdiscs = mem_printf(SLOW_TBF "%s }", more);
	struct bench *b = qdisc_start(NULL, qdiscs);

	for (uint16_t i = 0; i < 102; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	numbered_expect(b, WAN, 0, 1);
	ck_assert_int_eq(qdisc_held(b), 100);
	free(qdiscs);
	return b;
}

/* What takes the place of a tbf with a bfifo while 100 packets wait: none is lost, and none overtaken by later ones. */
#define REPLACE_TBF(settings) "\"kind\": \"tbf\", \"limit\": 1000000, " settings
#define AT_8_MBIT	      "\"rate\": \"8mbit\", \"burst\": \"2kb\", "
#define PATIENT		      "\"kind\": \"fq_codel\", \"target\": \"9s\", \"interval\": \"9s\""
#define ONE_CLASS                                                                                  \
	"\"kind\": \"htb\", \"default\": \"a\", \"classes\": [{\"name\": \"a\", \"rate\": "        \
	"\"4mbit\"}]"
static const char *const replacements[] = {
	REPLACE_TBF("\"rate\": \"16mbit\", \"burst\": \"2kb\""),
	REPLACE_TBF("\"rate\": \"1mbit\", \"burst\": 1514"),
	REPLACE_TBF(AT_8_MBIT "\"child\": {\"kind\": \"prio\"}"),
	REPLACE_TBF(AT_8_MBIT "\"child\": {" PATIENT "}"),
	REPLACE_TBF(AT_8_MBIT "\"child\": {" PATIENT ", \"per\": \"source\"}"),
	REPLACE_TBF(AT_8_MBIT "\"child\": {" ONE_CLASS "}"),
	"\"kind\": \"pfifo\"",
	PATIENT,
	"\"kind\": \"prio\", \"default_band\": 0",
	"\"kind\": \"htb\"",
	ONE_CLASS,
};

START_TEST(a_replacement_under_load_loses_nothing_and_keeps_the_order)
{
	struct bench *b = start_loaded("");
	char *params = mem_printf("{\"dev\": \"wan\", %s}", replacements[_i]);
	struct drops drops = drops_take(b);

	json_decref(bench_call_only(b, "qdisc.replace", params));
	for (uint16_t i = 102; i < 150; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	qdisc_run_dry(b);
	drops_expect_none(b, &drops);
	ck_assert_int_eq(qdisc_held(b), 0);
	numbered_expect(b, WAN, 2, 149);
	free(params);
	bench_destroy(b);
}
END_TEST

/* And from each of them to each. */
START_TEST(any_qdisc_can_take_the_place_of_any_other)
{
	struct bench *b = start_loaded("");
	struct drops drops = drops_take(b);
	uint16_t next = 102;

	for (unsigned int i = 0; i < RTE_DIM(replacements); i++) {
		char *params = mem_printf("{\"dev\": \"wan\", %s}", replacements[_i]);

		/* So that what waits stays: the device takes nothing. */
		device_fill(b, WAN, 0);
		json_decref(bench_call(b, "qdisc.replace", params));
		numbered_send(b, next++, 100);
		bench_run(b);
		free(params);
		params = mem_printf("{\"dev\": \"wan\", %s}", replacements[i]);
		json_decref(bench_call(b, "qdisc.replace", params));
		numbered_send(b, next++, 100);
		bench_run(b);
		free(params);
	}
	ck_assert_int_eq(qdisc_held(b), 100 + 2 * RTE_DIM(replacements));
	device_drain(b, WAN, BENCH_RING_SIZE - 1);
	qdisc_run_dry(b);
	drops_expect_none(b, &drops);
	numbered_expect(b, WAN, 2, (uint16_t)(next - 1));
	bench_destroy(b);
}
END_TEST

/* What has been used of the time stays used: half a millisecond for each packet, from where the last one was paid. */
START_TEST(a_changed_rate_holds_from_the_change_on)
{
	struct bench *b = start_loaded("");

	/* There are 48 us left of the burst, and 552 to go: those are 52 of 500 then. */
	qdisc_wait(b, 400000);
	json_decref(bench_call(
		b, "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"tbf\", \"rate\": \"16mbit\"}"));
	qdisc_wait(b, 51500);
	ck_assert_int_eq(numbered_next(b, WAN), -1);
	qdisc_wait(b, 1000);
	numbered_expect(b, WAN, 2, 2);
	for (uint16_t i = 3; i < 13; i++) {
		qdisc_wait(b, 499000);
		ck_assert_int_eq(numbered_next(b, WAN), -1);
		qdisc_wait(b, 1000);
		numbered_expect(b, WAN, i, i);
	}
	bench_destroy(b);
}
END_TEST

/* The owner has not seen the first change when the second comes, and time goes by until it does. */
START_TEST(changes_that_follow_each_other_closely_come_one_after_the_other)
{
	struct bench *b = start_loaded("");

	for (unsigned int i = 1; i <= 8; i++) {
		char *params = mem_printf(
			"{\"dev\": \"wan\", \"kind\": \"tbf\", \"rate\": \"%umbit\"}", i);

		json_decref(bench_call_only(b, "qdisc.change", params));
		free(params);
		for (unsigned int k = 0; k < 4; k++)
			dp_tick(b->dp, b->now_ns);
	}
	bench_run(b);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "options.rate"), 1000000);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "qlen"), 100);
	json_decref(bench_call_only(
		b, "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"tbf\", \"rate\": \"9mbit\"}"));
	json_decref(bench_call_only(b, "qdisc.del", "{\"dev\": \"wan\"}"));
	for (unsigned int k = 0; k < 4; k++)
		dp_tick(b->dp, b->now_ns);
	bench_run(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	bench_destroy(b);
}
END_TEST

START_TEST(classes_come_and_go_under_load)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"htb\"; default = \"a\"; "
					    "classes = ( { name = \"a\"; rate "
					    "= \"8mbit\"; burst = 2000; cburst = 2000; } ); }");
	struct drops drops = drops_take(b);
	struct frame frame;

	for (uint16_t i = 0; i < 20; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	json_decref(bench_call(b, "class.add",
		"{\"dev\": \"wan\", \"name\": \"b\", \"rate\": \"80kbit\", \"burst\": 1600}"));
	json_decref(bench_call(b, "filter.add",
		"{\"dev\": \"wan\", \"proto\": \"udp\", \"dport\": 2001, \"class\": \"b\"}"));
	for (uint16_t i = 100; i < 110; i++) {
		numbered_spec(&frame, i, &(struct ip4_spec){ .payload_len = 958, .dport = 2001 });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	ck_assert_int_eq(class_figure(b, "wan", "b", "stats.qlen"), 9);
	/* What waits in b goes to the first class that is left. */
	json_decref(bench_call(b, "filter.del", "{\"dev\": \"wan\", \"index\": 0}"));
	json_decref(bench_call(b, "class.del", "{\"dev\": \"wan\", \"name\": \"b\"}"));
	ck_assert_int_eq(class_figure(b, "wan", "a", "stats.qlen"), 18 + 9);
	qdisc_run_dry(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(bench_count(b, WAN), 30);
	bench_destroy(b);
}
END_TEST

/* Gone */

START_TEST(a_qdisc_that_is_taken_away_takes_what_waits_along)
{
	struct bench *b = start_loaded("");
	struct drops drops = drops_take(b);

	json_decref(bench_call(b, "qdisc.del", "{\"dev\": \"wan\"}"));
	drops_expect(b, &drops, "qdisc_gone", 100);
	ck_assert_int_eq(qdisc_held(b), 0);
	ck_assert_uint_eq(b->dp->workers[0]->due, UINT64_MAX);
	numbered_send(b, 500, 1000);
	bench_run(b);
	numbered_expect(b, WAN, 500, 500);
	json_decref(bench_call(b, "qdisc.add",
		"{\"dev\": \"wan\", \"kind\": \"tbf\", \"rate\": \"8mbit\", \"burst\": 1514, "
		"\"limit\": "
		"9000}"));
	numbered_send(b, 501, 1000);
	bench_run(b);
	numbered_expect(b, WAN, 501, 501);
	bench_destroy(b);
}
END_TEST

/* Those that the device had no room for, too. */
START_TEST(what_is_stuck_is_taken_away_as_well)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"pfifo\"; }");
	struct drops drops = drops_take(b);

	device_fill(b, WAN, 0);
	for (uint16_t i = 0; i < 50; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	ck_assert_int_eq(qdisc_held(b), 50);
	json_decref(bench_call(b, "qdisc.del", "{\"dev\": \"wan\"}"));
	drops_expect(b, &drops, "qdisc_gone", 50);
	bench_destroy(b);
}
END_TEST

/* Packets that have passed `tx` when the qdisc goes away are sent all the same. */
START_TEST(what_is_on_its_way_to_a_qdisc_that_goes_away_is_sent)
{
	struct bench *b = qdisc_start_with(NULL, "{ link = \"lan\"; kind = \"pfifo\"; }", 2, 8192);
	struct worker *owner = b->dp->workers[0], *other = b->dp->workers[1];
	struct drops drops = drops_take(b);
	struct frame frame;

	/* What comes in by wan is the second worker's, and only the first one can send by lan. */
	numbered_spec(&frame, 1,
		&(struct ip4_spec){
			.dst_mac = WAN_MAC, .src = "198.51.100.10", .dst = "192.0.2.10" });
	bench_send(b, WAN, &frame);
	worker_pass(other);
	ck_assert_uint_eq(handover_count(owner->handover[other->id]), 1);
	json_decref(bench_call_only(b, "qdisc.del", "{\"dev\": \"lan\"}"));
	bench_run(b);
	numbered_expect(b, LAN, 1, 1);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* A device that is stopped for a change takes nothing meanwhile. */
START_TEST(what_waits_outlasts_a_change_of_the_mtu)
{
	struct bench *b = start_loaded("");
	struct drops drops = drops_take(b);

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1400}"));
	qdisc_wait(b, 10000000);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1500}"));
	qdisc_run_dry(b);
	drops_expect_none(b, &drops);
	numbered_expect(b, WAN, 2, 101);
	bench_destroy(b);
}
END_TEST

/* Down and up */

START_TEST(a_link_that_is_down_drops_what_is_due_and_shapes_again_when_it_is_up)
{
	struct bench *b = start_loaded("");
	struct drops drops = drops_take(b);

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"state\": \"down\"}"));
	qdisc_run_dry(b);
	drops_expect(b, &drops, "link_down", 100);
	ck_assert_int_eq(qdisc_held(b), 0);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"state\": \"up\"}"));
	bench_discard(b);
	qdisc_wait(b, 1000000000);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.10\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	for (uint16_t i = 0; i < 5; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	numbered_expect(b, WAN, 0, 1);
	ck_assert_int_eq(qdisc_held(b), 3);
	bench_destroy(b);
}
END_TEST

/* Links l0 (p0, 10.0.0.1/16) and so on, each with a neighbour .2, and a burst of 32 KiB that takes half a minute. */
static struct bench *start_links(unsigned int n)
{
	char *links = mem_strdup(""), *qdiscs = mem_strdup(""), *more;
	struct bench *b;

	for (unsigned int i = 0; i < n; i++) {
		more = mem_printf("%s%s{ name = \"l%u\"; device = \"net_ring_p%u\"; mac = "
				  "\"02:00:00:00:00:%02u\"; addresses = [ \"10.%u.0.1/16\" ]; }",
			links, i > 0 ? ",\n" : "", i, i, i, i);
		free(links);
		links = more;
		more = mem_printf("%s%s{ link = \"l%u\"; kind = \"tbf\"; rate = \"8kbit\"; burst = "
				  "\"32kb\"; limit = 1000000; }",
			qdiscs, i > 0 ? ",\n" : "", i);
		free(qdiscs);
		qdiscs = more;
	}
	more = mem_printf("links = (\n%s);\n", links);
	b = qdisc_start_with(more, qdiscs, 1, 8192);
	free(links);
	free(qdiscs);
	free(more);
	for (unsigned int i = 0; i < n; i++) {
		more = mem_printf("{\"to\": \"10.%u.0.2\", \"lladdr\": \"" PEER_MAC
				  "\", \"dev\": \"l%u\"}",
			i, i);
		json_decref(bench_call(b, "neigh.replace", more));
		free(more);
	}
	return b;
}

/* Uses up the burst of link i, and has n packets wait there. */
static void load_link(struct bench *b, unsigned int i, unsigned int in, unsigned int n)
{
	struct ip4_spec spec = { .src = "10.99.0.2", .payload_len = 1472 };
	char mac[32], dst[32];
	struct frame frame;

	snprintf(mac, sizeof(mac), "02:00:00:00:00:%02u", in);
	snprintf(dst, sizeof(dst), "10.%u.0.2", i);
	spec.dst_mac = mac;
	spec.dst = dst;
	frame_ip4(&frame, &spec);
	for (unsigned int k = 0; k < 22; k++)
		bench_send(b, in, &frame);
	spec.payload_len = 10;
	frame_ip4(&frame, &spec);
	for (unsigned int k = 0; k < n; k++)
		bench_send(b, in, &frame);
	bench_run(b);
}

/* All at once: a pass has room for 1024 packets that are dropped, and there are more. */
START_TEST(all_links_can_go_down_with_full_queues)
{
	enum { LINKS = 8, EACH = 240 };
	struct bench *b = start_links(LINKS);
	struct drops drops;
	int64_t n;

	for (unsigned int i = 0; i < LINKS; i++)
		load_link(b, i, (i + 1) % LINKS, EACH);
	drops = drops_take(b);
	n = qdisc_held(b);
	ck_assert_int_ge(n, LINKS * EACH);
	for (unsigned int i = 0; i < LINKS; i++) {
		char *params = mem_printf("{\"dev\": \"l%u\", \"state\": \"down\"}", i);

		json_decref(bench_call_only(b, "link.set", params));
		free(params);
	}
	qdisc_wait(b, UINT64_C(60000000000));
	qdisc_run_dry(b);
	drops_expect(b, &drops, "link_down", (uint64_t)n);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_change",
	LOOP_TEST(a_replacement_under_load_loses_nothing_and_keeps_the_order, replacements),
	LOOP_TEST(any_qdisc_can_take_the_place_of_any_other, replacements),
	PLAIN_TEST(a_changed_rate_holds_from_the_change_on),
	PLAIN_TEST(changes_that_follow_each_other_closely_come_one_after_the_other),
	PLAIN_TEST(classes_come_and_go_under_load),
	PLAIN_TEST(a_qdisc_that_is_taken_away_takes_what_waits_along),
	PLAIN_TEST(what_is_stuck_is_taken_away_as_well),
	PLAIN_TEST(what_is_on_its_way_to_a_qdisc_that_goes_away_is_sent),
	PLAIN_TEST(what_waits_outlasts_a_change_of_the_mtu),
	PLAIN_TEST(a_link_that_is_down_drops_what_is_due_and_shapes_again_when_it_is_up),
	PLAIN_TEST(all_links_can_go_down_with_full_queues))
