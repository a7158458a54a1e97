/* SPDX-License-Identifier: BSD-3-Clause */

/* LACP: which ports share an aggregator, and which aggregator a bond uses (lib/link/lacp_select.c). */
#include "lacp_fixture.h"

static const struct lacp_line speedless = { .is_up = true, .is_full_duplex = true };
static const struct lacp_line *const lines[] = { &ten_gbit, &speedless };

START_TEST(only_one_of_two_partners_is_used)
{
	const struct lacp_line *line = lines[_i];

	world_init(true);
	wire(end_of(A, 0), end_of(B, 0), line);
	wire(end_of(A, 1), end_of(C, 0), line);
	wire(end_of(A, 2), end_of(B, 1), line);
	world_run(100);
	ck_assert(lacp_group_take_changed(&world.groups[A])); /* to which it will be */
	ck_assert_uint_eq(distributing(A), 0);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), 5);
	ck_assert_uint_eq(distributing(B), 3);
	ck_assert_uint_eq(distributing(C), 0);
	ck_assert_int_eq(port_of(A, 1)->rx, LACP_RX_CURRENT);
	ck_assert_int_eq(port_of(A, 1)->mux, LACP_MUX_WAITING);
	ck_assert_int_eq(port_of(A, 1)->selected, LACP_STANDBY);
	ck_assert(!(port_of(A, 1)->actor.state & LACP_STATE_SYNCHRONIZATION));
	/* As long as one port is left, B keeps the bond. Then C has it, in the same call. */
	unwire(end_of(A, 0));
	ck_assert_uint_eq(distributing(A), 4);
	lacp_group_take_changed(&world.groups[A]);
	unwire(end_of(A, 2));
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert(lacp_group_take_changed(&world.groups[A]));
	ck_assert_uint_le(run_until(C, 1, 1000), 100);
	/* Stable: B is back, and waits. */
	wire(end_of(A, 0), end_of(B, 0), line);
	wire(end_of(A, 2), end_of(B, 1), line);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), 2);
	/* C falls silent with its line up: B takes over when that is noticed. */
	end_of(C, 0)->is_mute = true;
	run_until(A, 5, 3100);
}
END_TEST

static const struct {
	enum lacp_ad_select ad_select;
	unsigned int want;
} select_rows[] = {
	{ LACP_AD_STABLE, 1 }, /* B came first */
	{ LACP_AD_BANDWIDTH, 1 },
	{ LACP_AD_COUNT, 6 },
};

START_TEST(ad_select_chooses_the_aggregator)
{
	struct lacp_conf a = conf_of(A, true, true);

	a.ad_select = select_rows[_i].ad_select;
	world_init(true);
	lacp_group_configure(&world.groups[A], &a, world.now_ns);
	wire(end_of(A, 0), end_of(B, 0), &ten_gbit);
	run_until(A, 1, 3000);
	wire(end_of(A, 1), end_of(C, 0), &one_gbit);
	wire(end_of(A, 2), end_of(C, 1), &one_gbit);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), select_rows[_i].want);
}
END_TEST

START_TEST(more_bandwidth_wins_unless_stable)
{
	struct lacp_conf a = conf_of(A, true, true);

	world_init(true);
	wire(end_of(A, 0), end_of(B, 0), &one_gbit);
	run_until(A, 1, 3000);
	wire(end_of(A, 1), end_of(C, 0), &ten_gbit);
	world_run(5000);
	ck_assert_uint_eq(distributing(A), 1);
	a.ad_select = LACP_AD_BANDWIDTH;
	lacp_group_configure(&world.groups[A], &a, world.now_ns);
	ck_assert_uint_le(run_until(A, 2, 1000), STEP_MS);
}
END_TEST

START_TEST(until_one_is_in_use_the_better_one_wins)
{
	world_init(true);
	wire(end_of(A, 0), end_of(B, 0), &one_gbit);
	world_run(500);
	wire(end_of(A, 1), end_of(C, 0), &ten_gbit);
	world_run(5000);
	ck_assert_uint_eq(distributing(A), 2);
}
END_TEST

START_TEST(port_that_finds_another_partner_leaves_the_aggregator)
{
	world_init(true);
	wire_pair(3);
	run_until(A, 7, 3000);
	/* Somebody plugs it over so fast that the line is never seen down. */
	end_of(B, 1)->peer = NULL;
	end_of(A, 1)->peer = end_of(C, 0);
	end_of(C, 0)->peer = end_of(A, 1);
	set_line(end_of(C, 0), &ten_gbit);
	world_run(20);
	ck_assert_uint_eq(distributing(A), 5);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), 5);
	ck_assert_int_eq(port_of(A, 1)->selected, LACP_STANDBY);
	ck_assert_ptr_ne(port_of(A, 1)->aggregator, port_of(A, 0)->aggregator);
	ck_assert_uint_eq(distributing(C), 0);
}
END_TEST

START_TEST(partner_port_heard_elsewhere_is_forgotten_where_it_was)
{
	world_init(true);
	wire_pair(2);
	run_until(A, 3, 3000);
	unwire(end_of(A, 0));
	ck_assert_uint_eq(port_of(A, 0)->partner.port, 1);
	wire(end_of(A, 2), end_of(B, 0), &ten_gbit);
	world_run(100);
	ck_assert_uint_eq(port_of(A, 0)->partner.port, 0);
	ck_assert_int_eq(port_of(A, 0)->selected, LACP_UNSELECTED);
	run_until(A, 6, 3000);
}
END_TEST

/* Partners of ports 0 and 1 that differ in one thing. */
static const struct {
	uint8_t system;
	uint16_t priority, key;
	bool is_individual_0, is_individual_1;
	unsigned int want;
} lag_rows[] = {
	{ 0, 0, 0, false, false, 3 },
	{ 1, 0, 0, false, false, 1 },
	{ 0, 1, 0, false, false, 1 },
	{ 0, 0, 1, false, false, 1 },
	{ 0, 0, 0, true, false, 2 }, /* two could be more: the aggregate is preferred */
	{ 0, 0, 0, false, true, 1 },
	{ 0, 0, 0, true, true, 1 },
};

/* 802.1AX-2008 5.3.6, 5.4.14. */
START_TEST(ports_with_one_lag_id_are_used_together)
{
	world_init(true);
	for (unsigned int i = 0; i < 2; i++)
		set_line(end_of(A, i), &ten_gbit);
	for (unsigned int round = 0; round < 50; round++) {
		struct lacp_pdu pdu = partner_pdu(0);

		if (lag_rows[_i].is_individual_0)
			pdu.actor.state ^= LACP_STATE_AGGREGATION;
		deliver(end_of(A, 0), &pdu);
		pdu = partner_pdu(1);
		if (lag_rows[_i].is_individual_1)
			pdu.actor.state ^= LACP_STATE_AGGREGATION;
		pdu.actor.system.bytes[4] ^= lag_rows[_i].system;
		pdu.actor.system_priority ^= lag_rows[_i].priority;
		pdu.actor.key ^= lag_rows[_i].key;
		deliver(end_of(A, 1), &pdu);
		world_run(100);
	}
	ck_assert_uint_eq(distributing(A), lag_rows[_i].want);
	ck_assert_int_eq(
		port_of(A, 0)->aggregator == port_of(A, 1)->aggregator, lag_rows[_i].want == 3);
	ck_assert_int_eq(port_of(A, 0)->aggregator->is_individual, lag_rows[_i].is_individual_0);
	ck_assert_int_eq(port_of(A, 1)->aggregator->is_individual, lag_rows[_i].is_individual_1);
}
END_TEST

/* The keys that /proc/net/bonding shows for such links. */
static const struct {
	struct lacp_line line;
	uint16_t user_key, want;
} key_rows[] = {
	{ { true, true, 1000 }, 0, 9 },
	{ { true, true, 10000 }, 0, 15 },
	{ { true, false, 100 }, 0, 6 },
	{ { true, true, 1234 }, 0, 1 },
	{ { true, true, 10000 }, 1023, 0xffcf },
};

START_TEST(keys_are_those_of_linux)
{
	struct lacp_conf conf = conf_of(A, true, true);

	conf.user_key = key_rows[_i].user_key;
	world_init(true);
	system_init(A, &conf);
	set_line(end_of(A, 0), &key_rows[_i].line);
	ck_assert_uint_eq(port_of(A, 0)->actor.key, key_rows[_i].want);
}
END_TEST

SUITE_MAIN("lacp_select", LOOP_TEST(only_one_of_two_partners_is_used, lines),
	LOOP_TEST(ad_select_chooses_the_aggregator, select_rows),
	PLAIN_TEST(more_bandwidth_wins_unless_stable),
	PLAIN_TEST(until_one_is_in_use_the_better_one_wins),
	PLAIN_TEST(port_that_finds_another_partner_leaves_the_aggregator),
	PLAIN_TEST(partner_port_heard_elsewhere_is_forgotten_where_it_was),
	LOOP_TEST(ports_with_one_lag_id_are_used_together, lag_rows),
	LOOP_TEST(keys_are_those_of_linux, key_rows))
