/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Qdiscs and several workers: each link's are one worker's, the others hand it what they have classified. Ports here have
 * one transmit queue, the first worker's; what comes in by lan, wan and dmz are the first, second and third one's.
 */
#include "kit_qdisc.h"

#include <rte_cycles.h>

#include "dp/handover.h"
#define UNLIMITED                                                                                  \
	"{ link = \"dmz\"; kind = \"fq_codel\"; limit = 3000; target = \"9s\"; interval = "        \
	"\"9s\"; }"

/* To the host on dmz, from those on lan and wan: a flow for each sport. */
static void send_flow(struct bench *b, unsigned int port, uint16_t flow, uint16_t id)
{
	struct frame frame;

	numbered_spec(&frame, id,
		&(struct ip4_spec){ .dst_mac = port == WAN ? WAN_MAC : LAN_MAC,
			.src = port == WAN ? "198.51.100.10" : "192.0.2.10",
			.dst = "203.0.113.10",
			.payload_len = 100,
			.sport = (uint16_t)(3000 + flow) });
	bench_send(b, port, &frame);
}

enum { FLOWS = 8 };

/* Takes what came out: each flow in order, and how many there were in all. next[]: ids to come. */
static unsigned int take_flows(struct bench *b, uint16_t *next)
{
	struct frame frame;
	unsigned int n = 0;

	while (bench_receive(b, DMZ, &frame)) {
		const uint8_t *l4 = frame_l4(&frame);
		unsigned int flow;

		if (frame_ether(&frame)->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4))
			continue;
		flow = (unsigned int)(l4[0] << 8 | l4[1]) - 3000;
		REQUIRE(flow < FLOWS);
		REQUIRE_MSG(rte_be_to_cpu_16(frame_ip(&frame)->packet_id) == next[flow],
			"packet %u of flow %u in place of %u",
			rte_be_to_cpu_16(frame_ip(&frame)->packet_id), flow, next[flow]);
		next[flow]++;
		n++;
	}
	return n;
}

static const unsigned int n_workers[] = { 2, 3, 4 };

START_TEST(one_worker_has_the_qdiscs_of_a_link_and_others_hand_over)
{
	enum { EACH = 100 };
	struct bench *b = qdisc_start_with(NULL, UNLIMITED, n_workers[_i], 8192);
	unsigned int qdisc = dp_stage_index(b->dp, "qdisc"),
		     classify = dp_stage_index(b->dp, "qdisc_classify");
	struct worker *owner = b->dp->workers[0], *other = b->dp->workers[1];
	uint64_t before = other->handed_over, taken = owner->taken_over;
	uint16_t next[FLOWS] = { 0 };
	struct drops drops = drops_take(b);

	device_fill(b, DMZ, 0);
	for (uint16_t i = 0; i < EACH; i++) {
		send_flow(b, LAN, i % 4, i / 4);
		send_flow(b, WAN, 4 + i % 4, i / 4);
	}
	bench_run(b);
	ck_assert_uint_eq(other->handed_over - before, EACH);
	ck_assert_uint_eq(owner->taken_over - taken, EACH);
	ck_assert_int_eq(owner->stats.held, 2 * EACH);
	for (unsigned int i = 1; i < n_workers[_i]; i++) {
		ck_assert_int_eq(b->dp->workers[i]->stats.held, 0);
		ck_assert_uint_eq(b->dp->workers[i]->nodes[qdisc].packets, 0);
		ck_assert_uint_eq(b->dp->workers[i]->due, UINT64_MAX);
	}
	/* Each classifies its own. */
	ck_assert_uint_ge(other->nodes[classify].packets, EACH);
	device_drain(b, DMZ, BENCH_RING_SIZE - 1);
	qdisc_run_dry(b);
	ck_assert_uint_eq(take_flows(b, next), 2 * EACH);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* A ring of a worker that is away is full at some time: what it does not take is dropped by name, and counted. */
START_TEST(what_the_owner_has_no_room_for_is_dropped_by_name)
{
	struct bench *b = qdisc_start_with(NULL, UNLIMITED, 2, 16384);
	struct worker *owner = b->dp->workers[0], *other = b->dp->workers[1];
	struct drops drops = drops_take(b);
	unsigned int room = handover_room(owner->handover[other->id], UINT32_MAX), n = 0;

	while (n < room + 10) {
		for (unsigned int i = 0; i < 500 && n < room + 10; i++, n++)
			send_flow(b, WAN, 4, (uint16_t)n);
		while (worker_pass(other) > 0)
			;
	}
	drops_expect(b, &drops, "handover_full", 10);
	bench_run(b);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* Changes while packets of several workers are on their way to the owner: classified by the new tree before it has that. */
START_TEST(changes_lose_nothing_of_what_is_on_its_way)
{
	static const char *const changes[] = {
		"{\"dev\": \"dmz\", \"kind\": \"prio\"}",
		"{\"dev\": \"dmz\", \"kind\": \"fq_codel\", \"flows\": 16, \"limit\": 3000, "
		"\"target\": \"9s\", \"interval\": \"9s\"}",
		"{\"dev\": \"dmz\", \"kind\": \"htb\", \"default\": \"a\", \"classes\": "
		"[{\"name\": "
		"\"a\", \"rate\": \"100mbit\"}, {\"name\": \"b\", \"rate\": \"1mbit\"}]}",
		"{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"limit\": 3000}",
	};
	struct bench *b = qdisc_start_with(NULL, UNLIMITED, 3, 16384);
	uint16_t next[FLOWS] = { 0 }, sent = 0;
	struct drops drops = drops_take(b);
	unsigned int n = 0;

	device_fill(b, DMZ, 0);
	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int k = 0; k < 5; k++, sent++) {
			send_flow(b, LAN, 0, sent);
			send_flow(b, WAN, 4, sent);
		}
		/* The other one first, then the change, then the owner. */
		worker_pass(b->dp->workers[1]);
		json_decref(bench_call_only(b, "qdisc.replace", changes[round % RTE_DIM(changes)]));
		worker_pass(b->dp->workers[0]);
		send_flow(b, WAN, 4, sent);
		send_flow(b, LAN, 0, sent++);
		worker_pass(b->dp->workers[1]);
		bench_run(b);
	}
	device_drain(b, DMZ, BENCH_RING_SIZE - 1);
	qdisc_run_dry(b);
	n = take_flows(b, next);
	ck_assert_uint_eq(n, 2u * sent);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* The same with workers on threads, and the real clock. */
START_TEST(changes_lose_nothing_while_workers_run)
{
	static const char *const changes[] = { "{\"dev\": \"dmz\", \"kind\": \"htb\"}",
		"{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"limit\": 3000}" };
	enum { ROUNDS = 300 };
	struct bench *b = qdisc_start_with(NULL, UNLIMITED, 2, 16384);
	uint16_t next[FLOWS] = { 0 };
	struct drops drops = drops_take(b);
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	unsigned int n = 0;

	for (unsigned int i = 0; i < 2; i++)
		b->dp->workers[i]->clock = NULL;
	bench_launch(b);
	for (uint16_t i = 0; i < ROUNDS; i++) {
		for (uint16_t k = 0; k < 4; k++) {
			send_flow(b, LAN, k, i);
			send_flow(b, WAN, 4 + k, i);
		}
		json_decref(bench_call(b, "qdisc.replace", changes[i % 2]));
		n += take_flows(b, next);
	}
	while (n < 8 * ROUNDS && rte_rdtsc() < end) {
		bench_run(b);
		n += take_flows(b, next);
	}
	bench_join(b);
	ck_assert_uint_eq(n, 8 * ROUNDS);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_owner",
	LOOP_TEST(one_worker_has_the_qdiscs_of_a_link_and_others_hand_over, n_workers),
	PLAIN_TEST(what_the_owner_has_no_room_for_is_dropped_by_name),
	PLAIN_TEST(changes_lose_nothing_of_what_is_on_its_way),
	PLAIN_TEST(changes_lose_nothing_while_workers_run))
