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

START_TEST(aggregator_waits_for_all_that_wait)
{
	world_init(true);
	wire(end_of(A, 0), end_of(B, 0), &ten_gbit);
	world_run(1000);
	wire(end_of(A, 1), end_of(B, 1), &ten_gbit);
	world_run(1500);
	ck_assert_uint_eq(distributing(A), 0);
	ck_assert_uint_le(run_until(A, 3, 3000), 1000);
	/* Who comes later disturbs nobody. */
	wire(end_of(A, 2), end_of(B, 2), &ten_gbit);
	world_run(1900);
	ck_assert_uint_eq(distributing(A), 3);
	run_until(A, 7, 1000);
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

	world_init(false);
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	wire_pair(1);
	world_run(10000);
	before = end_of(A, 0)->n_sent;
	world_run(300000);
	ck_assert_uint_ge(end_of(A, 0)->n_sent - before, period_rows[_i].min);
	ck_assert_uint_le(end_of(A, 0)->n_sent - before, period_rows[_i].max);
	before = end_of(A, 0)->n_sent;
	ck_assert_uint_eq(end_of(A, 0)->sent_ns[before - 1] - end_of(A, 0)->sent_ns[before - 2],
		period_rows[_i].b_is_fast ? MS(1000) : MS(30000));
	/* When it changes its mind that is obeyed at once. Only an impatient one is told so. */
	b.is_fast = !b.is_fast;
	lacp_group_configure(&world.groups[B], &b, world.now_ns);
	world_run(20);
	ck_assert_uint_eq(end_of(A, 0)->n_sent - before, b.is_fast);
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
	ck_assert_int_eq(port->periodic, LACP_FAST_PERIODIC);
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
	ck_assert(!port_of(A, 0)->ntt);
	unwire(end_of(A, 0));
	world_run(100000);
	ck_assert_uint_eq(distributing(A), 2);
	ck_assert_uint_eq(distributing(B), 2);
	/* The same partner on the same port: nothing to wait for. */
	wire(end_of(A, 0), end_of(B, 0), &ten_gbit);
	ck_assert_uint_le(run_until(A, 3, 3000), 2 * STEP_MS);
	ck_assert_uint_le(run_until(B, 3, 3000), 2 * STEP_MS);
	/* Saying again what is known changes nothing. */
	set_line(end_of(A, 0), &ten_gbit);
	ck_assert_uint_eq(distributing(A), 3);
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
	LIE_SYSTEM_PRIORITY,
	LIE_KEY,
	LIE_PORT,
	LIE_PORT_PRIORITY,
};

/* Into what the partner says of us. */
static void lie(struct lacp_info *info, enum lie which)
{
	info->system.bytes[0] ^= which == LIE_SYSTEM ? 4 : 0;
	info->system_priority ^= which == LIE_SYSTEM_PRIORITY;
	info->key ^= which == LIE_KEY;
	info->port ^= which == LIE_PORT;
	info->port_priority ^= which == LIE_PORT_PRIORITY;
}

static const struct {
	enum lie lie;
	uint8_t actor, partner; /* bits that are the other way round */
	bool is_used;
} sync_rows[] = {
	{ LIE_NONE, 0, 0, true },
	{ LIE_SYSTEM, 0, 0, false },
	{ LIE_SYSTEM_PRIORITY, 0, 0, false },
	{ LIE_KEY, 0, 0, false },
	{ LIE_PORT, 0, 0, false },
	{ LIE_PORT_PRIORITY, 0, 0, false },
	{ LIE_NONE, 0, LACP_STATE_AGGREGATION, false },
	{ LIE_NONE, LACP_STATE_SYNCHRONIZATION, 0, false },
	/* An individual link need not know whom it is with. */
	{ LIE_PORT, LACP_STATE_AGGREGATION, 0, true },
	{ LIE_NONE, LACP_STATE_AGGREGATION | LACP_STATE_SYNCHRONIZATION, 0, false },
	/* A passive partner that takes us for passive would fall silent. */
	{ LIE_NONE, LACP_STATE_ACTIVITY, 0, true },
	{ LIE_NONE, 0, LACP_STATE_ACTIVITY, true },
	{ LIE_NONE, LACP_STATE_ACTIVITY, LACP_STATE_ACTIVITY, false },
};

/* 802.1AX-2008 5.4.9, recordPDU. */
START_TEST(partner_is_in_sync_only_if_it_knows_us)
{
	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	for (unsigned int i = 0; i < 50; i++) {
		struct lacp_pdu pdu = partner_pdu(0);

		lie(&pdu.partner, sync_rows[_i].lie);
		pdu.actor.state ^= sync_rows[_i].actor;
		pdu.partner.state ^= sync_rows[_i].partner;
		deliver(end_of(A, 0), &pdu);
		world_run(100);
	}
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_CURRENT);
	ck_assert_uint_eq(distributing(A), sync_rows[_i].is_used);
}
END_TEST

static const struct {
	enum lie lie;
	uint8_t partner;
	bool is_answered;
} ntt_rows[] = {
	{ LIE_NONE, 0, false },
	{ LIE_SYSTEM, 0, true },
	{ LIE_SYSTEM_PRIORITY, 0, true },
	{ LIE_KEY, 0, true },
	{ LIE_PORT, 0, true },
	{ LIE_PORT_PRIORITY, 0, true },
	{ LIE_NONE, LACP_STATE_ACTIVITY, true },
	{ LIE_NONE, LACP_STATE_TIMEOUT, true },
	{ LIE_NONE, LACP_STATE_AGGREGATION, true },
	{ LIE_NONE, LACP_STATE_SYNCHRONIZATION, true },
	{ LIE_NONE, LACP_STATE_COLLECTING, false },
	{ LIE_NONE, LACP_STATE_DISTRIBUTING, false },
	{ LIE_NONE, LACP_STATE_DEFAULTED, false },
	{ LIE_NONE, LACP_STATE_EXPIRED, false },
};

/* 802.1AX-2008 5.4.9, update_NTT. The partner is out of Synchronization: Mux has nothing to tell. */
START_TEST(partner_that_is_wrong_about_us_is_told)
{
	struct lacp_pdu pdu;

	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	for (unsigned int i = 0; i < 2; i++) {
		pdu = partner_pdu(0);
		pdu.actor.state ^= LACP_STATE_SYNCHRONIZATION;
		deliver(end_of(A, 0), &pdu);
		world_run(2500);
	}
	ck_assert(!port_of(A, 0)->ntt);
	pdu = partner_pdu(0);
	pdu.actor.state ^= LACP_STATE_SYNCHRONIZATION;
	lie(&pdu.partner, ntt_rows[_i].lie);
	pdu.partner.state ^= ntt_rows[_i].partner;
	deliver(end_of(A, 0), &pdu);
	ck_assert_int_eq(port_of(A, 0)->ntt, ntt_rows[_i].is_answered);
}
END_TEST

START_TEST(bond_without_partner_is_not_in_sync)
{
	world_init(true);
	wire_pair(1);
	run_until(A, 1, 3000);
	end_of(B, 0)->is_mute = true;
	run_until(A, 0, 3100);
	ck_assert_ptr_nonnull(world.groups[A].active);
	lacp_group_take_changed(&world.groups[A]);
	world_run(10000);
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_DEFAULTED);
	ck_assert_ptr_null(world.groups[A].active);
	ck_assert(lacp_group_take_changed(&world.groups[A]));
	ck_assert_int_eq(port_of(A, 0)->mux, LACP_MUX_WAITING);
	ck_assert(!(port_of(A, 0)->actor.state & LACP_STATE_SYNCHRONIZATION));
}
END_TEST

START_TEST(partner_that_leaves_sync_is_left_at_once)
{
	struct lacp_pdu pdu;

	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	pdu = partner_pdu(0);
	deliver(end_of(A, 0), &pdu);
	ck_assert_ptr_nonnull(world.groups[A].active);
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
	ck_assert_uint_eq(last.actor.port, 1);
	ck_assert_uint_eq(
		last.actor.state & (LACP_STATE_AGGREGATION | LACP_STATE_SYNCHRONIZATION |
					   LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING),
		0);
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
	struct lacp_pdu pdu;

	lacp_group_init(&group, &conf);
	ck_assert_uint_eq(group.due_ns, LACP_NEVER);
	ck_assert_int_eq(lacp_port_add(&group, &ports[0], 0, 1), -EINVAL);
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++)
		ck_assert_int_eq(lacp_port_add(&group, &ports[i], (uint16_t)(i + 1), 1), 0);
	ck_assert_int_eq(lacp_port_add(&group, &ports[LACP_PORTS_MAX], 1, 1), -EEXIST);
	ck_assert_int_eq(lacp_port_add(&group, &ports[LACP_PORTS_MAX], 99, 1), -ENOSPC);
	ck_assert(!lacp_port_take_tx(&ports[0], START_NS, &pdu));
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
	/* It looks at no port until then. */
	group->due_ns = LACP_NEVER;
	lacp_group_tick(group, world.now_ns + MS(1000000));
	ck_assert_int_eq(port_of(A, 0)->rx, LACP_RX_CURRENT);
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
	PLAIN_TEST(aggregator_waits_for_all_that_wait),
	PLAIN_TEST(bond_without_partner_is_not_in_sync),
	LOOP_TEST(partner_that_is_wrong_about_us_is_told, ntt_rows),
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
