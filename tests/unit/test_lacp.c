/* SPDX-License-Identifier: BSD-3-Clause */

/* LACP between two systems: the Receive, Periodic, Mux and Transmit machines of lib/link/lacp.h. */
#include "lacp_fixture.h"

#include <errno.h>

static const struct {
	bool a_is_active, a_is_fast, b_is_active, b_is_fast;
	unsigned int n_ports;
} up_rows[] = {
	{ true, true, true, true, 1 },
	{ true, true, true, true, 4 },
	{ true, false, true, false, 2 },
	{ true, true, true, false, 2 },
	{ true, false, false, false, 2 },
	{ false, false, true, false, 2 },
	{ false, true, true, false, 4 },
};

START_TEST(two_systems_come_up_within_the_wait_time)
{
	unsigned int n = up_rows[_i].n_ports, all = (1u << n) - 1;
	struct lacp_conf a = conf_of(A, up_rows[_i].a_is_active, up_rows[_i].a_is_fast);
	struct lacp_conf b = conf_of(B, up_rows[_i].b_is_active, up_rows[_i].b_is_fast);
	uint64_t ms;

	world_init(true);
	lacp_group_configure(&world.groups[A], &a, world.now_ns);
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	wire_pair(n);
	ms = run_until(A, all, 3000);
	ck_assert_uint_ge(ms, 2000); /* wait_while */
	ck_assert_uint_le(ms, 2500); /* and perhaps a PDU that has to wait for its turn */
	run_until(B, all, 500);
	ck_assert(lacp_group_take_changed(&world.groups[A]));
	ck_assert(!lacp_group_take_changed(&world.groups[A]));
	for (unsigned int i = 0; i < n; i++) {
		ck_assert_uint_eq(port_of(A, i)->actor.state,
			0x3c | up_rows[_i].a_is_active | up_rows[_i].a_is_fast << 1);
		ck_assert_int_eq(port_of(A, i)->mux, LACP_MUX_COLLECTING_DISTRIBUTING);
	}
	/* And stay: nobody expires, nobody flaps. */
	for (unsigned int i = 0; i < 10000; i++) {
		world_step();
		require(distributing(A) == all && distributing(B) == all, "stays up");
	}
	ck_assert(!lacp_group_take_changed(&world.groups[A]));
	ck_assert_uint_eq(port_of(A, 0)->counters.n_expired, 0);
	ck_assert_uint_eq(port_of(A, 0)->counters.n_rx, port_of(B, 0)->counters.n_tx);
}
END_TEST

START_TEST(two_passive_systems_never_speak)
{
	struct lacp_conf a = conf_of(A, false, true), b = conf_of(B, false, true);

	world_init(true);
	lacp_group_configure(&world.groups[A], &a, world.now_ns);
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	wire_pair(2);
	world_run(200000);
	ck_assert_uint_eq(end_of(A, 0)->n_sent + end_of(B, 1)->n_sent, 0);
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_DEFAULTED);
	ck_assert_int_eq(port_of(A, 0)->periodic, LACP_NO_PERIODIC);
	ck_assert_uint_eq(distributing(A), 0);
	/* One that begins to speak is enough. */
	a.is_active = true;
	lacp_group_configure(&world.groups[A], &a, world.now_ns);
	run_until(A, 3, 2500);
}
END_TEST

static const struct {
	bool b_is_fast;
	unsigned int min, max; /* LACPDUs in five minutes */
} period_rows[] = { { true, 299, 301 }, { false, 9, 11 } };

START_TEST(partner_says_how_often_it_is_told)
{
	struct lacp_conf b = conf_of(B, true, period_rows[_i].b_is_fast);
	unsigned int before;

	world_init(true);
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	wire_pair(1);
	world_run(10000);
	before = end_of(A, 0)->n_sent;
	world_run(300000);
	ck_assert_uint_ge(end_of(A, 0)->n_sent - before, period_rows[_i].min);
	ck_assert_uint_le(end_of(A, 0)->n_sent - before, period_rows[_i].max);
	/* And when it changes its mind that is obeyed at once. */
	b.is_fast = !b.is_fast;
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	world_run(1000);
	ck_assert_int_eq(
		port_of(A, 0)->periodic, b.is_fast ? LACP_FAST_PERIODIC : LACP_SLOW_PERIODIC);
	ck_assert_uint_eq(distributing(A), 1);
}
END_TEST

static const struct {
	bool is_fast;
	uint64_t timeout_ms;
} silence_rows[] = { { true, 3000 }, { false, 90000 } };

START_TEST(silent_partner_expires_and_is_forgotten)
{
	struct lacp_port *port = port_of(A, 0);
	uint64_t left_ms;

	world_init(silence_rows[_i].is_fast);
	wire_pair(2);
	run_until(A, 3, 3000);
	world_run(5000);
	end_of(B, 0)->is_mute = true;
	left_ms = (port->current_while_ns - world.now_ns) / MS(1);
	ck_assert_uint_le(left_ms, silence_rows[_i].timeout_ms);
	ck_assert_uint_gt(left_ms, silence_rows[_i].timeout_ms - (_i == 0 ? 1100 : 30100));
	world_run(left_ms - 10);
	ck_assert_uint_eq(distributing(A), 3);
	lacp_group_take_changed(&world.groups[A]);
	world_run(20);
	ck_assert_int_eq(port->rx, LACP_RX_EXPIRED);
	ck_assert_uint_eq(port->counters.n_expired, 1);
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert(lacp_group_take_changed(&world.groups[A]));
	ck_assert(port->actor.state & LACP_STATE_EXPIRED);
	world_run(2960);
	ck_assert_int_eq(port->rx, LACP_RX_EXPIRED);
	world_run(40);
	ck_assert_int_eq(port->rx, LACP_RX_DEFAULTED);
	ck_assert(port->actor.state & LACP_STATE_DEFAULTED);
	ck_assert(!(port->actor.state & (LACP_STATE_EXPIRED | LACP_STATE_SYNCHRONIZATION)));
	ck_assert(mac_addr_is_zero(&port->partner.system));
	/* It goes on calling, and comes back when it is answered. */
	end_of(B, 0)->is_mute = false;
	run_until(A, 3, silence_rows[_i].is_fast ? 4000 : 34000);
}
END_TEST

START_TEST(partner_with_another_key_is_joined_anew)
{
	struct lacp_conf b = conf_of(B, true, true);
	uint64_t ms;

	world_init(true);
	wire_pair(2);
	run_until(A, 3, 3000);
	b.user_key = 5;
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	ck_assert_uint_eq(distributing(B), 0);
	ms = run_until(A, 0, 1000);
	ck_assert_uint_le(ms, STEP_MS);
	ms = run_until(A, 3, 4000);
	ck_assert_uint_ge(ms, 2000);
	ck_assert_uint_eq(port_of(A, 0)->partner.key, 5 << 6 | 15);
	/* The same with another system. */
	b.system.bytes[5] = 0x77;
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	ck_assert_uint_le(run_until(A, 0, 1000), STEP_MS);
	run_until(A, 3, 4000);
	ck_assert_uint_eq(world.groups[A].active->partner_system.bytes[5], 0x77);
}
END_TEST

START_TEST(cut_line_leaves_in_the_same_call)
{
	world_init(false);
	wire_pair(2);
	run_until(A, 3, 3000);
	run_until(B, 3, 500);
	world_run(5000);
	lacp_group_take_changed(&world.groups[A]);
	set_line(end_of(A, 0), &no_line);
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert(lacp_group_take_changed(&world.groups[A]));
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_PORT_DISABLED);
	ck_assert(!(port_of(A, 0)->actor.state & LACP_STATE_DISTRIBUTING));
	unwire(end_of(A, 0));
	world_run(100000);
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert_uint_eq(distributing(B), 2);
	/* The same partner on the same port: nothing to wait for. */
	wire(end_of(A, 0), end_of(B, 0), &ten_gbit);
	ck_assert_uint_le(run_until(A, 3, 3000), 1000);
	ck_assert_uint_le(run_until(B, 3, 3000), 1000);
	/* A line that comes up with another speed has another key, and is alone. */
	unwire(end_of(A, 0));
	wire(end_of(A, 0), end_of(B, 0), &one_gbit);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert_int_eq(port_of(A, 0)->selected, LACP_STANDBY);
}
END_TEST

enum lie {
	LIE_NONE,
	LIE_SYSTEM,
	LIE_PRIORITY,
	LIE_KEY,
	LIE_PORT,
	LIE_AGGREGATION,
	LIE_OUT_OF_SYNC
};

static const struct {
	enum lie lie;
	bool is_used;
} sync_rows[] = {
	{ LIE_NONE, true },
	{ LIE_SYSTEM, false },
	{ LIE_PRIORITY, false },
	{ LIE_KEY, false },
	{ LIE_PORT, false },
	{ LIE_AGGREGATION, false },
	{ LIE_OUT_OF_SYNC, false },
};

/* 802.1AX-2008 5.4.9, recordPDU. */
START_TEST(partner_is_in_sync_only_if_it_knows_us)
{
	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	for (unsigned int i = 0; i < 50; i++) {
		struct lacp_pdu pdu = partner_pdu(0);

		pdu.partner.system.bytes[0] ^= sync_rows[_i].lie == LIE_SYSTEM ? 4 : 0;
		pdu.partner.system_priority ^= sync_rows[_i].lie == LIE_PRIORITY;
		pdu.partner.key ^= sync_rows[_i].lie == LIE_KEY;
		pdu.partner.port ^= sync_rows[_i].lie == LIE_PORT;
		pdu.partner.state ^=
			sync_rows[_i].lie == LIE_AGGREGATION ? LACP_STATE_AGGREGATION : 0;
		pdu.actor.state ^=
			sync_rows[_i].lie == LIE_OUT_OF_SYNC ? LACP_STATE_SYNCHRONIZATION : 0;
		deliver(end_of(A, 0), &pdu);
		world_run(100);
	}
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_CURRENT);
	ck_assert_uint_eq(distributing(A), sync_rows[_i].is_used);
}
END_TEST

START_TEST(partner_that_leaves_sync_is_left_at_once)
{
	struct lacp_pdu pdu;

	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	pdu = partner_pdu(0);
	deliver(end_of(A, 0), &pdu);
	world_run(2100);
	ck_assert_uint_eq(distributing(A), 1);
	pdu = partner_pdu(0);
	pdu.actor.state &= (uint8_t)~LACP_STATE_SYNCHRONIZATION;
	deliver(end_of(A, 0), &pdu);
	ck_assert_uint_eq(distributing(A), 0);
	ck_assert_int_eq(port_of(A, 0)->mux, LACP_MUX_ATTACHED);
	pdu = partner_pdu(0);
	deliver(end_of(A, 0), &pdu);
	ck_assert_uint_eq(distributing(A), 1);
}
END_TEST

START_TEST(half_duplex_disables_lacp)
{
	struct lacp_line half = one_gbit;

	half.is_full_duplex = false;
	world_init(true);
	wire(end_of(A, 0), end_of(B, 0), &half);
	world_run(10000);
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_LACP_DISABLED);
	ck_assert_uint_eq(end_of(A, 0)->n_sent, 0);
	/* It is negotiated again: the same line, both ways at a time. */
	set_line(end_of(A, 0), &one_gbit);
	world_run(1000);
	ck_assert_uint_gt(port_of(B, 0)->counters.n_ignored, 0);
	set_line(end_of(B, 0), &one_gbit);
	run_until(A, 1, 4000);
	set_line(end_of(A, 0), &half);
	ck_assert_uint_eq(distributing(A), 0);
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_LACP_DISABLED);
	ck_assert_uint_eq(lacp_aggregator_id(&world.groups[A], port_of(A, 0)->aggregator), 0);
}
END_TEST

START_TEST(removed_port_tells_its_partner)
{
	struct lacp_pdu last;
	struct end *end = end_of(A, 0);

	world_init(false);
	wire_pair(3);
	run_until(A, 7, 3000);
	run_until(B, 7, 1000);
	ck_assert(lacp_port_remove(&end->port, world.now_ns, &last));
	ck_assert_uint_eq(distributing(A), 6);
	ck_assert_ptr_null(end->port.group);
	deliver(end->peer, &last);
	ck_assert_uint_eq(distributing(B), 6);
	end->peer->peer = NULL;
	world_run(5000);
	ck_assert_uint_eq(distributing(A), 6);
	ck_assert_uint_eq(distributing(B), 6);
	/* One that is down has nobody to tell. */
	ck_assert(!lacp_port_remove(port_of(A, 3), world.now_ns, &last));
	ck_assert_uint_eq(world.groups[A].n_ports, 2);
	/* It can be put back. */
	ck_assert_int_eq(lacp_port_add(&world.groups[A], &end->port, 1, 255), 0);
	wire(end, end_of(B, 0), &ten_gbit);
	run_until(A, 7, 3500);
}
END_TEST

START_TEST(group_takes_ports_with_numbers_of_their_own)
{
	static struct lacp_port ports[LACP_PORTS_MAX + 1];
	struct lacp_conf conf = conf_of(A, true, true);
	struct lacp_group group;

	lacp_group_init(&group, &conf);
	ck_assert_uint_eq(group.due_ns, LACP_NEVER);
	ck_assert_int_eq(lacp_port_add(&group, &ports[0], 0, 1), -EINVAL);
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++)
		ck_assert_int_eq(lacp_port_add(&group, &ports[i], (uint16_t)(i + 1), 1), 0);
	ck_assert_int_eq(lacp_port_add(&group, &ports[LACP_PORTS_MAX], 1, 1), -EEXIST);
	ck_assert_int_eq(lacp_port_add(&group, &ports[LACP_PORTS_MAX], 99, 1), -ENOSPC);
	/* All of them alone: each has an aggregator. */
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++)
		lacp_port_set_link(&ports[i], &ten_gbit, START_NS);
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++)
		ck_assert_uint_eq(lacp_aggregator_id(&group, ports[i].aggregator), i + 1);
	ck_assert_ptr_null(group.active);
}
END_TEST

START_TEST(tick_does_nothing_before_a_timer_is_due)
{
	struct lacp_group *group = &world.groups[A];
	struct lacp_group before;

	world_init(false);
	wire_pair(2);
	run_until(A, 3, 3000);
	world_run(1000);
	ck_assert_uint_gt(group->due_ns, world.now_ns + MS(20000));
	before = *group;
	lacp_group_tick(group, group->due_ns - 1);
	ck_assert_mem_eq(group, &before, sizeof(before));
	ck_assert(!port_of(A, 0)->ntt);
	lacp_group_tick(group, group->due_ns);
	ck_assert_uint_gt(group->due_ns, before.due_ns);
}
END_TEST

START_TEST(states_have_names)
{
	ck_assert_str_eq(lacp_rx_text(LACP_RX_CURRENT), "current");
	ck_assert_str_eq(lacp_periodic_text(LACP_SLOW_PERIODIC), "slow_periodic");
	ck_assert_str_eq(
		lacp_mux_text(LACP_MUX_COLLECTING_DISTRIBUTING), "collecting_distributing");
}
END_TEST

SUITE_MAIN("lacp", LOOP_TEST(two_systems_come_up_within_the_wait_time, up_rows),
	PLAIN_TEST(two_passive_systems_never_speak),
	LOOP_TEST(partner_says_how_often_it_is_told, period_rows),
	LOOP_TEST(silent_partner_expires_and_is_forgotten, silence_rows),
	PLAIN_TEST(partner_with_another_key_is_joined_anew),
	PLAIN_TEST(cut_line_leaves_in_the_same_call),
	LOOP_TEST(partner_is_in_sync_only_if_it_knows_us, sync_rows),
	PLAIN_TEST(partner_that_leaves_sync_is_left_at_once), PLAIN_TEST(half_duplex_disables_lacp),
	PLAIN_TEST(removed_port_tells_its_partner),
	PLAIN_TEST(group_takes_ports_with_numbers_of_their_own),
	PLAIN_TEST(tick_does_nothing_before_a_timer_is_due), PLAIN_TEST(states_have_names))
