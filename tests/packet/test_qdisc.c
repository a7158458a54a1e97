/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Routed packets through qdiscs of a port: what leaves when, to the cycle, and in which order; what becomes of packets
 * that find no room, in a queue or in the device; and that other links have nothing to do with any of it.
 */
#include "kit_qdisc.h"

#include <rte_ethdev.h>
#include <stdlib.h>

#include "base/mem.h"

#define TBF_MBIT                                                                                   \
	"{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; burst = \"32kbit\"; latency = "       \
	"\"400ms\"; }"

/* tbf */

/* Time that so many bytes take at 1 Mbit/s, rounded up. */
static uint64_t mbit_cycles(const struct bench *b, uint64_t n_bytes)
{
	return (uint64_t)(((unsigned __int128)n_bytes * 8 * b->dp->tsc_hz + 999999) / 1000000);
}

/* A full bucket has 4096 bytes: each packet leaves when the bytes up to its end are there, not a cycle before. */
START_TEST(a_tbf_lets_packets_out_when_their_last_byte_is_paid_for)
{
	enum { N = 40, BURST = 4096 };
	static const uint32_t lens[] = { 1514, 64, 700, 1000, 60 };
	struct bench *b = qdisc_start(NULL, TBF_MBIT);
	uint64_t start = qdisc_now, bytes = 0;

	for (uint16_t i = 0; i < N; i++)
		numbered_send(b, i, lens[i % RTE_DIM(lens)]);
	bench_run(b);
	for (uint16_t i = 0; i < N; i++) {
		uint64_t at;

		bytes += lens[i % RTE_DIM(lens)];
		at = bytes <= BURST ? 0 : mbit_cycles(b, bytes - BURST);
		if (at > 2) {
			qdisc_now = start + at - 2;
			bench_run(b);
			REQUIRE_MSG(rte_ring_empty(b->tx[WAN]), "packet %u is early", i);
			qdisc_now = start + at + 2;
			bench_run(b);
		}
		ck_assert_int_eq(numbered_next(b, WAN), i);
		REQUIRE(at == 0 || qdisc_held(b) == N - i - 1);
	}
	/* And what the link has announced at its start. */
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "packets"), N + 1);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "bytes"), (int64_t)bytes + 42);
	bench_destroy(b);
}
END_TEST

/* The worker is told when to wake, and that time is right: nothing is lost of the rate by waiting for it. */
START_TEST(a_worker_that_sleeps_until_due_keeps_the_rate)
{
	struct bench *b = qdisc_start(NULL, TBF_MBIT);
	uint64_t start = qdisc_now, n_steps = 0;

	for (uint16_t i = 0; i < 35; i++)
		numbered_send(b, i, 1250);
	bench_run(b);
	numbered_expect(b, WAN, 0, 2);
	while (qdisc_step(b))
		n_steps++;
	numbered_expect(b, WAN, 3, 34);
	/* 10 ms each, one wake-up each. */
	ck_assert_uint_eq(n_steps, 32);
	ck_assert_uint_le(qdisc_now - start, mbit_cycles(b, 35 * 1250 - 4096) + 2);
	ck_assert_uint_ge(qdisc_now - start + 2, mbit_cycles(b, 35 * 1250 - 4096));
	ck_assert_uint_eq(b->dp->workers[0]->due, UINT64_MAX);
	bench_destroy(b);
}
END_TEST

/* 400 ms at 1 Mbit/s are 50000 bytes, behind a burst of 4096. */
START_TEST(what_would_wait_longer_than_the_latency_is_dropped)
{
	struct bench *b = qdisc_start(NULL, TBF_MBIT);
	struct drops drops = drops_take(b);
	json_t *link;
	uint64_t last;

	for (uint16_t i = 0; i < 100; i++)
		numbered_send(b, i, 1000);
	bench_run(b);
	/* 4 left at once, and of the rest 54 fit in 54096 bytes. */
	drops_expect(b, &drops, "qdisc_limit", 100 - 4 - 54);
	ck_assert_int_eq(qdisc_held(b), 54);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "backlog"), 54000);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "qlen"), 54);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "drops"), 42);
	link = bench_call(b, "link.show", "{\"dev\": \"wan\", \"statistics\": true}");
	ck_assert_int_eq(json_int_at(link, "0.stats64.tx.dropped"), 42);
	json_decref(link);
	last = qdisc_now + qdisc_cycles(b, 432768000);
	qdisc_run_dry(b);
	ck_assert_uint_le(qdisc_now, last + 60);
	numbered_expect(b, WAN, 0, 57);
	bench_destroy(b);
}
END_TEST

START_TEST(a_frame_that_no_burst_lets_pass_is_dropped_by_name)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; "
					    "burst = 1514; limit = 20000; }");
	struct drops drops = drops_take(b);

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 2000}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 2000}"));
	numbered_send(b, 1, 1515);
	numbered_send(b, 2, 1514);
	bench_run(b);
	drops_expect(b, &drops, "qdisc_oversize", 1);
	numbered_expect(b, WAN, 2, 2);
	bench_destroy(b);
}
END_TEST

/* The others */

/* Packets of each stage, without those at its start. */
static void count_stages(struct bench *b, int64_t *counts)
{
	json_t *nodes = bench_call_only(b, "graph.show", NULL), *node;
	size_t i;

	json_array_foreach(nodes, i, node) {
		REQUIRE(i < STAGE_MAX);
		counts[i] = json_int_at(node, "packets") - counts[i];
	}
	json_decref(nodes);
}

/* What 20 packets leave behind, of the link dmz and of all stages. Heap. */
static char *world_text(const char *qdiscs, const char *dst)
{
	struct bench *b = qdisc_start(NULL, qdiscs);
	int64_t counts[STAGE_MAX] = { 0 };
	struct frame frame;
	json_t *link;
	char *text;

	count_stages(b, counts);
	for (uint16_t k = 0; k < 20; k++) {
		numbered_spec(&frame, k, &(struct ip4_spec){ .dst = dst });
		bench_push(b, LAN, &frame);
	}
	count_stages(b, counts);
	link = bench_call(b, "link.show", "{\"dev\": \"dmz\", \"statistics\": true}");
	text = mem_printf("dmz %" PRId64 " dropped %" PRId64,
		json_int_at(link, "0.stats64.tx.packets"),
		json_int_at(link, "0.stats64.tx.dropped"));
	json_decref(link);
	for (unsigned int i = 0; pipeline[i] != NULL; i++) {
		char *more = mem_printf("%s, %s %" PRId64, text, pipeline[i]->name, counts[i]);

		free(text);
		text = more;
	}
	bench_discard(b);
	bench_destroy(b);
	return text;
}

START_TEST(packets_of_other_links_go_as_if_there_were_no_qdisc)
{
	char *without = world_text(NULL, "10.1.1.1"), *with = world_text(TBF_MBIT, "10.1.1.1");

	ck_assert_str_eq(without, with);
	ck_assert_ptr_nonnull(strstr(with, "dmz 21 dropped 0"));
	ck_assert_ptr_nonnull(strstr(with, ", qdisc_classify 0, qdisc 0"));
	free(with);
	with = world_text(TBF_MBIT, "198.51.100.10");
	ck_assert_ptr_nonnull(strstr(with, ", qdisc_classify 20, qdisc "));
	free(without);
	free(with);
}
END_TEST

/* prio */

/* "lab" of the contract, on wan: what waits in a lower band is passed by whatever comes in a higher one. */
START_TEST(a_higher_band_passes_a_full_lower_one)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; "
					    "burst = \"2kb\"; latency = \"5s\"; "
					    "child = { kind = \"prio\"; bands = 3; }; }");
	struct frame frame;

	for (uint16_t i = 0; i < 100; i++) {
		numbered_spec(&frame, i, &(struct ip4_spec){ .payload_len = 958 });
		frame_ip(&frame)->type_of_service = 0x08;
		frame_fix_ip(&frame);
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	numbered_expect(b, WAN, 0, 1);
	/* Half of the time that the next one takes. */
	qdisc_wait(b, 500000);
	for (uint16_t i = 200; i < 203; i++) {
		numbered_spec(&frame, i, &(struct ip4_spec){ .payload_len = 958 });
		frame_ip(&frame)->type_of_service = 0x10;
		frame_fix_ip(&frame);
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	qdisc_run_dry(b);
	for (uint16_t i = 200; i < 203; i++)
		ck_assert_int_eq(numbered_next(b, WAN), i);
	numbered_expect(b, WAN, 2, 99);
	ck_assert_int_eq(class_figure(b, "wan", "2:1", "stats.packets"), 3);
	ck_assert_int_eq(class_figure(b, "wan", "2:3", "stats.packets"), 100);
	bench_destroy(b);
}
END_TEST

START_TEST(bands_are_served_in_their_order)
{
	static const uint8_t tos[] = { 0x08, 0x00, 0x10 };
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; "
					    "burst = \"2kb\"; latency = \"5s\"; "
					    "child = { kind = \"prio\"; bands = 3; }; }");
	struct frame frame;

	/* Two of them use up the bucket. */
	numbered_send(b, 1000, 1024);
	numbered_send(b, 1001, 1024);
	bench_run(b);
	numbered_expect(b, WAN, 1000, 1001);
	for (uint16_t i = 0; i < 30; i++) {
		numbered_spec(&frame, (uint16_t)(10 * (2 - i % 3) + i / 3),
			&(struct ip4_spec){ .payload_len = 100 });
		frame_ip(&frame)->type_of_service = tos[i % 3];
		frame_fix_ip(&frame);
		bench_push(b, LAN, &frame);
	}
	qdisc_run_dry(b);
	numbered_expect(b, WAN, 0, 29);
	bench_destroy(b);
}
END_TEST

/* The device */

START_TEST(what_a_device_has_no_room_for_waits_in_order)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"pfifo\"; limit = 200; }");
	struct drops drops = drops_take(b);

	device_fill(b, WAN, 3);
	for (uint16_t i = 0; i < 150; i++)
		numbered_send(b, i, 100);
	bench_run(b);
	/* Three have gone, and the rest of their burst of 32 is out of the queue. */
	ck_assert_int_eq(qdisc_held(b), 147);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "qlen"), 118);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "requeues"), 29);
	for (unsigned int turn = 0; turn < 10; turn++)
		ck_assert(qdisc_step(b));
	ck_assert_int_eq(qdisc_held(b), 147);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "requeues"), 29);
	device_drain(b, WAN, 20);
	qdisc_step(b);
	ck_assert_int_eq(qdisc_held(b), 127);
	device_drain(b, WAN, BENCH_RING_SIZE - 1 - 3 - 20);
	qdisc_run_dry(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	drops_expect_none(b, &drops);
	numbered_expect(b, WAN, 0, 149);
	bench_destroy(b);
}
END_TEST

/* Also when nothing comes after it that would have the device asked. */
START_TEST(a_few_packets_that_the_device_had_no_room_for_are_tried_again)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"prio\"; }");

	device_fill(b, WAN, 1);
	for (uint16_t i = 0; i < 3; i++)
		numbered_send(b, i, 100);
	bench_run(b);
	ck_assert_int_eq(qdisc_held(b), 2);
	ck_assert_uint_ne(b->dp->workers[0]->due, UINT64_MAX);
	device_drain(b, WAN, 10);
	qdisc_run_dry(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	device_drain(b, WAN, BENCH_RING_SIZE - 1 - 1 - 10);
	numbered_expect(b, WAN, 0, 2);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc", PLAIN_TEST(a_tbf_lets_packets_out_when_their_last_byte_is_paid_for),
	PLAIN_TEST(a_worker_that_sleeps_until_due_keeps_the_rate),
	PLAIN_TEST(what_would_wait_longer_than_the_latency_is_dropped),
	PLAIN_TEST(a_frame_that_no_burst_lets_pass_is_dropped_by_name),
	PLAIN_TEST(packets_of_other_links_go_as_if_there_were_no_qdisc),
	PLAIN_TEST(a_higher_band_passes_a_full_lower_one),
	PLAIN_TEST(bands_are_served_in_their_order),
	PLAIN_TEST(what_a_device_has_no_room_for_waits_in_order),
	PLAIN_TEST(a_few_packets_that_the_device_had_no_room_for_are_tried_again))
