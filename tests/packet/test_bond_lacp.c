/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bonds of mode 802.3ad: their partner is the test, which answers (or does not, or lies) on each member by itself. What
 * LACP's machines do in every case is tested in tests/unit; here is what comes of it for packets.
 */
#include "kit_bond.h"

#include "dp/worker.h"
#include "link/lacp.h"

#define LACP "mode = \"802.3ad\"; xmit_hash_policy = \"layer3+4\"; lacp_rate = \"fast\"; "

enum {
	STATE_UP = LACP_STATE_ACTIVITY | LACP_STATE_TIMEOUT | LACP_STATE_AGGREGATION |
		   LACP_STATE_SYNCHRONIZATION | LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING,
};

/* The other end of a member. */
struct partner {
	struct lacp_info self;
	struct lacp_pdu heard; /* the last that weir has said */
	unsigned int n_heard, n_other;
	bool is_silent;
	uint64_t next_ns; /* when to speak again */
};
static struct partner partners[N_MEMBERS];

/* All members lead to one system. */
static void partners_reset(void)
{
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		partners[i] = (struct partner){
			.self = { .system = { { 2, 0, 0, 0, 0x55, 1 } },
				.system_priority = 32768,
				.key = 77,
				.port_priority = 128,
				.port = (uint16_t)(100 + i),
				.state = STATE_UP },
		};
}

static void frame_slow(struct frame *frame, const uint8_t *payload, uint32_t len)
{
	struct rte_ether_hdr *ether = frame_ether(frame);

	memcpy(&ether->dst_addr, &lacp_destination, RTE_ETHER_ADDR_LEN);
	ether->src_addr = (struct rte_ether_addr){ { 2, 0, 0, 0, 0x55, 2 } };
	ether->ether_type = RTE_BE16(LACP_ETHER_TYPE);
	memcpy(ether + 1, payload, len);
	frame->len = RTE_ETHER_HDR_LEN + len;
}

static void frame_pdu(struct frame *frame, const struct lacp_pdu *pdu)
{
	uint8_t payload[LACP_PDU_LEN];

	lacp_pdu_build(pdu, payload);
	frame_slow(frame, payload, sizeof(payload));
}

/* What partner i would say now. */
static void frame_of_partner(struct frame *frame, unsigned int i)
{
	frame_pdu(frame, &(struct lacp_pdu){
				 .actor = partners[i].self, .partner = partners[i].heard.actor });
}

static void partner_hear(struct bench *b, unsigned int i)
{
	struct partner *partner = &partners[i];
	struct frame frame;

	while (bench_receive(b, i, &frame)) {
		if (frame_ether(&frame)->ether_type != RTE_BE16(LACP_ETHER_TYPE)) {
			partner->n_other++;
			continue;
		}
		REQUIRE(memcmp(&frame_ether(&frame)->dst_addr, &lacp_destination, 6) == 0);
		REQUIRE(frame.bytes[11] == i); /* the member's own address */
		REQUIRE(frame.len == RTE_ETHER_HDR_LEN + LACP_PDU_LEN);
		REQUIRE(lacp_pdu_parse(frame.bytes + RTE_ETHER_HDR_LEN, LACP_PDU_LEN,
				&partner->heard) == LACP_OK);
		partner->n_heard++;
	}
}

/* Partners listen each 10 ms, and speak each second. */
static void partners_run(struct bench *b, unsigned int ms)
{
	struct frame frame;

	for (unsigned int t = 0; t < ms; t += 10) {
		for (unsigned int i = 0; i < N_MEMBERS; i++) {
			partner_hear(b, i);
			if (partners[i].is_silent || b->now_ns < partners[i].next_ns)
				continue;
			partners[i].next_ns = b->now_ns + UINT64_C(1000000000);
			frame_of_partner(&frame, i);
			bench_send(b, i, &frame);
		}
		bench_advance(b, 10);
	}
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		partner_hear(b, i);
}

static struct bench *lacp_start(const char *settings)
{
	partners_reset();
	for (unsigned int i = M2; i <= M3; i++)
		partners[i].is_silent = strstr(settings, ALL_FOUR) == NULL;
	return bond_start(&(struct bond_spec){ .settings = settings });
}

static struct bench *lacp_start_up(const char *settings, int64_t n_active)
{
	struct bench *b = lacp_start(settings);

	partners_run(b, 4000);
	ck_assert_int_eq(bond_n_active(b), n_active);
	return b;
}

/* The members that conversations leave by: a bit each. */
static unsigned int sends_by_all(struct bench *b)
{
	unsigned int seen = 0;
	struct frame frame, got;

	for (uint16_t i = 0; i < 32; i++) {
		bond_packet(&frame, "10.0.0.1", (uint16_t)(1000 + i));
		seen |= 1u << bond_leaves_by(b, &frame, &got);
	}
	return seen;
}

static unsigned int receives_by_all(struct bench *b)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < N_MEMBERS; i++)
		seen |= bond_receives(b, i) ? 1u << i : 0;
	return seen;
}

static int64_t counter_of(struct bench *b, unsigned int member, const char *name)
{
	json_t *row = bond_row(b);
	char path[64];
	int64_t n;

	snprintf(path, sizeof(path), "members.%u.lacp.counters.%s", member, name);
	n = json_int_at(row, path);
	json_decref(row);
	return n;
}

START_TEST(a_bond_comes_up_with_its_partner)
{
	struct bench *b = lacp_start(LACP ALL_TWO);
	struct drops drops = drops_take(b);
	json_t *row;

	/* Alone it carries nothing. */
	partners[M0].is_silent = partners[M1].is_silent = true;
	partners_run(b, 10000);
	ck_assert_uint_ge(partners[M0].n_heard, 9);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	ck_assert(!bond_receives(b, M0));
	drops_expect(b, &drops, "bond_inactive", 1);

	partners[M0].is_silent = partners[M1].is_silent = false;
	partners_run(b, 4000);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "UP");
	ck_assert_uint_eq(sends_by_all(b), 3);
	ck_assert_uint_eq(receives_by_all(b), 3);
	for (unsigned int i = M0; i <= M1; i++) {
		const struct lacp_pdu *heard = &partners[i].heard;

		ck_assert_mem_eq(&heard->actor.system, ((uint8_t[]){ 2, 0, 0, 0, 0xb, 0 }), 6);
		ck_assert_uint_eq(heard->actor.key, partners[M0].heard.actor.key);
		ck_assert_uint_eq(heard->actor.state, STATE_UP);
		ck_assert_mem_eq(&heard->partner.system, &partners[i].self.system, 6);
		ck_assert_uint_eq(heard->partner.port, partners[i].self.port);
	}
	ck_assert_uint_ne(partners[M0].heard.actor.port, partners[M1].heard.actor.port);
	row = bond_row(b);
	ck_assert_int_eq(json_int_at(row, "active_aggregator"),
		json_int_at(row, "members.1.lacp.aggregator"));
	ck_assert_str_eq(json_text_at(row, "members.0.lacp.mux"), "collecting_distributing");
	ck_assert_str_eq(json_text_at(row, "members.0.lacp.receive"), "current");
	ck_assert_str_eq(json_text_at(row, "members.0.lacp.partner.system"), "02:00:00:00:55:01");
	ck_assert_int_eq(json_int_at(row, "members.1.lacp.partner.key"), 77);
	json_decref(row);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_whose_partner_falls_silent_leaves_and_comes_back)
{
	struct bench *b = lacp_start_up(LACP ALL_FOUR, 4);
	struct drops drops = drops_take(b);

	partners[M2].is_silent = true;
	partners_run(b, 1900);
	ck_assert_uint_eq(sends_by_all(b), 0xf);
	/* Three seconds after it was last heard. */
	partners_run(b, 1200);
	ck_assert_uint_eq(sends_by_all(b), 0xb);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(receives_by_all(b), 0xb);
	drops_expect(b, &drops, "bond_inactive", 1);
	ck_assert_int_eq(counter_of(b, M2, "expired"), 1);
	partners[M2].is_silent = false;
	partners_run(b, 4000);
	ck_assert_uint_eq(sends_by_all(b), 0xf);
	ck_assert_uint_eq(receives_by_all(b), 0xf);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_whose_line_is_cut_leaves_at_once)
{
	struct bench *b = lacp_start_up(LACP ALL_FOUR "min_links = 3; ", 4);

	bond_carrier(b, M1, false);
	partners_run(b, 10);
	ck_assert_uint_eq(sends_by_all(b), 0xd);
	bond_set(b, "m0", "down");
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	bond_carrier(b, M1, true);
	bond_set(b, "m0", "up");
	partners_run(b, 5000);
	ck_assert_uint_eq(sends_by_all(b), 0xf);
	bench_destroy(b);
}
END_TEST

START_TEST(a_partner_that_is_not_in_sync_gets_nothing)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);

	partners[M1].self.state &= (uint8_t)~LACP_STATE_SYNCHRONIZATION;
	partners_run(b, 1100);
	ck_assert_uint_eq(sends_by_all(b), 1u << M0);
	ck_assert_uint_eq(receives_by_all(b), 1u << M0);
	partners[M1].self.state = STATE_UP;
	partners_run(b, 1100);
	ck_assert_uint_eq(sends_by_all(b), 3);
	bench_destroy(b);
}
END_TEST

/* Two systems at the other ends: one is used, and the other when that is gone. */
START_TEST(one_aggregator_is_used_at_a_time)
{
	struct bench *b = lacp_start(LACP ALL_FOUR);

	partners[M2].self.system.bytes[5] = partners[M3].self.system.bytes[5] = 9;
	partners_run(b, 4000);
	ck_assert_uint_eq(sends_by_all(b), 3);
	ck_assert_uint_eq(receives_by_all(b), 3);
	bond_carrier(b, M0, false);
	partners_run(b, 20);
	ck_assert_uint_eq(sends_by_all(b), 2);
	bond_carrier(b, M1, false);
	partners_run(b, 3000);
	ck_assert_uint_eq(sends_by_all(b), 0xc);
	ck_assert_uint_eq(receives_by_all(b), 0xc);
	bench_destroy(b);
}
END_TEST

START_TEST(another_key_is_another_aggregator)
{
	struct bench *b = lacp_start_up(LACP ALL_FOUR, 4);

	partners[M3].self.key = 78;
	partners_run(b, 4000);
	ck_assert_uint_eq(sends_by_all(b), 7);
	partners[M3].self.key = 77;
	partners_run(b, 4000);
	ck_assert_uint_eq(sends_by_all(b), 0xf);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_that_leaves_says_farewell)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);

	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"nomaster\": true}"));
	partner_hear(b, M1);
	ck_assert(!(partners[M1].heard.actor.state &
		    (LACP_STATE_AGGREGATION | LACP_STATE_SYNCHRONIZATION | LACP_STATE_COLLECTING |
			    LACP_STATE_DISTRIBUTING)));
	ck_assert_uint_eq(sends_by_all(b), 1);
	/* It is a port as others are, and LACPDUs are nothing to it. */
	partners[M1].n_heard = 0;
	partners_run(b, 3000);
	ck_assert_uint_eq(partners[M1].n_heard, 0);
	ck_assert_uint_ge(bench_drops(b, "eth_type_unknown"), 2);
	bench_destroy(b);
}
END_TEST

START_TEST(a_passive_bond_speaks_when_it_is_spoken_to)
{
	struct bench *b = lacp_start(LACP ALL_TWO "lacp_active = false; ");

	partners[M0].is_silent = partners[M1].is_silent = true;
	partners_run(b, 5000);
	ck_assert_uint_eq(partners[M0].n_heard, 0);
	partners[M0].is_silent = false;
	partners_run(b, 5000);
	ck_assert_uint_eq(partners[M1].n_heard, 0);
	ck_assert_uint_eq(sends_by_all(b), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(modes_without_lacp_take_no_part_in_it)
{
	struct bench *b = lacp_start("mode = \"balance-xor\"; " ALL_TWO);
	struct drops drops = drops_take(b);

	partners_run(b, 3000);
	ck_assert_uint_eq(partners[M0].n_heard + partners[M0].n_other, 0);
	ck_assert_int_eq(bond_n_active(b), 2);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* What came in between two looks of the control thread, which a test has in its hand. */
static void flood(struct bench *b, unsigned int member, const struct frame *frame, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		bench_send(b, member, frame);
	while (rte_ring_count(b->rx[member]) > 0)
		(void)worker_pass(b->dp->workers[0]);
}

/*
 * A thousand LACPDUs each 10 ms, by a member that nobody answers on. They are dropped by name, and neither the packets
 * nor the LACP of the other members suffers: their partners go on being heard.
 */
START_TEST(a_flood_of_lacpdus_concerns_nobody_else)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);
	struct frame frame, stray;

	frame_of_partner(&stray, M0);
	stray.bytes[RTE_ETHER_HDR_LEN + offsetof(struct lacp_pdu_wire, actor.system)] ^= 4;
	partners[M0].is_silent = partners[M1].is_silent = true;
	for (unsigned int t = 0; t < 1000; t++) {
		flood(b, M0, &stray, t < 20 ? 1000 : 300);
		if (t % 100 == 0) {
			frame_of_partner(&frame, M1);
			flood(b, M1, &frame, 1);
		}
		partners_run(b, 10);
	}
	ck_assert_uint_gt(bench_drops(b, "lacp_full"), 300 * 900);
	ck_assert_int_eq(counter_of(b, M1, "expired"), 0);
	ck_assert_uint_eq(sends_by_all(b), 1u << M1);
	ck_assert_uint_eq(receives_by_all(b), 1u << M1);
	/* And the end of it. */
	partners[M0].is_silent = partners[M1].is_silent = false;
	partners_run(b, 5000);
	ck_assert_uint_eq(sends_by_all(b), 3);
	bench_destroy(b);
}
END_TEST

/* One byte of an LACPDU that is wrong. */
static const struct {
	const char *name;
	size_t at;
	uint8_t byte;
} broken[] = {
	{ "no version", offsetof(struct lacp_pdu_wire, version), 0 },
	{ "not the actor", offsetof(struct lacp_pdu_wire, actor.type), 2 },
	{ "a short actor", offsetof(struct lacp_pdu_wire, actor.length), 19 },
	{ "an endless actor", offsetof(struct lacp_pdu_wire, actor.length), 255 },
	{ "not the partner", offsetof(struct lacp_pdu_wire, partner.type), 1 },
	{ "an empty partner", offsetof(struct lacp_pdu_wire, partner.length), 0 },
	{ "not the collector", offsetof(struct lacp_pdu_wire, collector_type), 4 },
	{ "a long collector", offsetof(struct lacp_pdu_wire, collector_length), 17 },
	{ "no terminator", offsetof(struct lacp_pdu_wire, terminator_type), 7 },
};

/* They claim to be of another system, so that who takes one in would fall out of the bond. */
START_TEST(broken_lacpdus_are_counted_and_change_nothing)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);
	struct drops drops = drops_take(b);
	struct frame stray, frame;

	frame_of_partner(&stray, M0);
	stray.bytes[RTE_ETHER_HDR_LEN + offsetof(struct lacp_pdu_wire, actor.system)] ^= 4;
	for (unsigned int i = 0; i < RTE_DIM(broken); i++) {
		frame = stray;
		frame.bytes[RTE_ETHER_HDR_LEN + broken[i].at] = broken[i].byte;
		bench_push(b, M0, &frame);
		bench_advance(b, 10);
		ck_assert_msg(counter_of(b, M0, "bad") == i + 1, "%s", broken[i].name);
	}
	/* Every length that is too short, in one segment and cut anywhere. */
	for (uint32_t len = RTE_ETHER_HDR_LEN; len < stray.len; len++) {
		frame = stray;
		frame.len = len;
		bench_push(b, M0, &frame);
		if (len > RTE_ETHER_HDR_LEN)
			bench_push_split(b, M0, &frame, (uint16_t)(len / 2));
	}
	bench_advance(b, 10);
	ck_assert_uint_eq(sends_by_all(b), 3);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(receives_by_all(b), 3);
	bench_destroy(b);
}
END_TEST

/* A whole one in several segments is taken in. */
START_TEST(an_lacpdu_may_come_in_segments)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);
	int64_t n = counter_of(b, M0, "rx");
	struct frame frame;

	frame_of_partner(&frame, M0);
	for (uint16_t first = 1; first < frame.len; first += 9)
		bench_push_split(b, M0, &frame, first);
	ck_assert_int_eq(counter_of(b, M0, "bad"), 0);
	ck_assert_int_eq(counter_of(b, M0, "rx") - n, (frame.len + 7) / 9);
	bench_destroy(b);
}
END_TEST

START_TEST(what_weir_says_itself_is_no_partner)
{
	struct bench *b = lacp_start(LACP ALL_TWO);
	struct frame frame;

	/* A cable from m0 to m1. */
	for (unsigned int t = 0; t < 600; t++) {
		for (unsigned int i = M0; i <= M1; i++)
			while (bench_receive(b, i, &frame))
				bench_send(b, i == M0 ? M1 : M0, &frame);
		bench_advance(b, 10);
	}
	ck_assert_int_gt(counter_of(b, M0, "looped"), 3);
	ck_assert_int_gt(counter_of(b, M1, "looped"), 3);
	ck_assert_int_eq(bond_n_active(b), 0);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* The marker protocol (802.1AX-2008 5.5), and slow protocols that are none of ours. */
START_TEST(a_marker_is_answered_by_the_member_that_received_it)
{
	struct bench *b = lacp_start_up(LACP ALL_TWO, 2);
	struct lacp_marker_wire marker = { .subtype = LACP_SUBTYPE_MARKER,
		.version = LACP_VERSION,
		.type = 1,
		.length = 16,
		.requester_port = { 0, 7 },
		.requester_system = { 2, 0, 0, 0, 0x55, 1 },
		.requester_transaction_id = { 1, 2, 3, 4 } };
	struct drops drops = drops_take(b);
	struct frame frame, answer;

	frame_slow(&frame, (const uint8_t *)&marker, sizeof(marker));
	bench_push(b, M1, &frame);
	bench_expect(b, M1, &answer);
	bench_expect_nothing(b);
	marker.type = 2;
	ck_assert_uint_eq(answer.len, frame.len);
	ck_assert_mem_eq(answer.bytes, frame.bytes, 6);
	ck_assert_uint_eq(answer.bytes[11], M1);
	ck_assert_mem_eq(answer.bytes + RTE_ETHER_HDR_LEN, &marker, sizeof(marker));
	/* An answer is not answered, and OAM (subtype 3) is not ours. */
	frame_slow(&frame, (const uint8_t *)&marker, sizeof(marker));
	bench_push(b, M1, &frame);
	marker.subtype = 3;
	frame_slow(&frame, (const uint8_t *)&marker, sizeof(marker));
	bench_push(b, M1, &frame);
	bench_expect_nothing(b);
	ck_assert_int_eq(counter_of(b, M1, "markers"), 1);
	ck_assert_int_eq(counter_of(b, M1, "bad"), 0);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bond_lacp", PLAIN_TEST(a_bond_comes_up_with_its_partner),
	PLAIN_TEST(a_member_whose_partner_falls_silent_leaves_and_comes_back),
	PLAIN_TEST(a_member_whose_line_is_cut_leaves_at_once),
	PLAIN_TEST(a_partner_that_is_not_in_sync_gets_nothing),
	PLAIN_TEST(one_aggregator_is_used_at_a_time), PLAIN_TEST(another_key_is_another_aggregator),
	PLAIN_TEST(a_member_that_leaves_says_farewell),
	PLAIN_TEST(a_passive_bond_speaks_when_it_is_spoken_to),
	PLAIN_TEST(modes_without_lacp_take_no_part_in_it),
	PLAIN_TEST(a_flood_of_lacpdus_concerns_nobody_else),
	PLAIN_TEST(broken_lacpdus_are_counted_and_change_nothing),
	PLAIN_TEST(an_lacpdu_may_come_in_segments), PLAIN_TEST(what_weir_says_itself_is_no_partner),
	PLAIN_TEST(a_marker_is_answered_by_the_member_that_received_it))
