/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of LACP share: up to three systems with up to four ports each, wired to one another,
 * under a clock of the test's own that is turned in steps of 10 ms. PDUs go over the wires as bytes.
 * At each step it is asserted that nobody speaks more than three times a second, and that the
 * ports in use are all alive and of one aggregator.
 */
#include "suite.h"

#include "link/lacp.h"

enum { N_SYSTEMS = 3, N_PORTS = 4, STEP_MS = 10, N_SENT = 4096 };
#define MS(n)	 ((uint64_t)(n)*1000000)
#define START_NS MS(1000000)

/* One end of a wire. */
struct end {
	struct lacp_port port;
	struct end *peer; /* NULL: nobody. May be itself: a loop. */
	bool is_mute;	  /* what it sends is lost */
	unsigned int n_sent;
	uint64_t sent_ns[N_SENT];
};

struct world {
	uint64_t now_ns;
	struct lacp_group groups[N_SYSTEMS];
	struct end ends[N_SYSTEMS][N_PORTS];
};

enum { A, B, C };
static struct world world;

static const struct lacp_line ten_gbit = {
	.is_up = true, .is_full_duplex = true, .speed_mbps = 10000
};
static const struct lacp_line one_gbit = {
	.is_up = true, .is_full_duplex = true, .speed_mbps = 1000
};
static const struct lacp_line no_line = { .is_up = false };

static inline struct lacp_conf conf_of(unsigned int system, bool is_active, bool is_fast)
{
	return (struct lacp_conf){
		.system = { { 2, 0, 0, 0, 0, (uint8_t)(system + 1) } },
		.system_priority = 65535,
		.is_active = is_active,
		.is_fast = is_fast,
	};
}

static inline void system_init(unsigned int system, const struct lacp_conf *conf)
{
	lacp_group_init(&world.groups[system], conf);
	for (unsigned int i = 0; i < N_PORTS; i++)
		ck_assert_int_eq(lacp_port_add(&world.groups[system], &world.ends[system][i].port,
					 (uint16_t)(i + 1), 255),
			0);
}

/* Three systems, all active, ports down. */
static inline void world_init(bool is_fast)
{
	memset(&world, 0, sizeof(world));
	world.now_ns = START_NS;
	for (unsigned int system = 0; system < N_SYSTEMS; system++) {
		struct lacp_conf conf = conf_of(system, true, is_fast);

		system_init(system, &conf);
	}
}

static inline struct end *end_of(unsigned int system, unsigned int i)
{
	return &world.ends[system][i];
}

static inline struct lacp_port *port_of(unsigned int system, unsigned int i)
{
	return &world.ends[system][i].port;
}

static inline void set_line(struct end *end, const struct lacp_line *line)
{
	lacp_port_set_link(&end->port, line, world.now_ns);
}

static inline void wire(struct end *a, struct end *b, const struct lacp_line *line)
{
	a->peer = b;
	b->peer = a;
	set_line(a, line);
	set_line(b, line);
}

/* A wire is pulled out: both ends see it. */
static inline void unwire(struct end *end)
{
	struct end *peer = end->peer;

	end->peer = NULL;
	set_line(end, &no_line);
	if (peer == NULL || peer == end)
		return;
	peer->peer = NULL;
	set_line(peer, &no_line);
}

/* n wires between A and B. */
static inline void wire_pair(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		wire(end_of(A, i), end_of(B, i), &ten_gbit);
}

/* ck_assert() writes into a pipe each time: too slow for what is asked at every step. */
static inline void require(bool is_so, const char *what)
{
	if (!is_so)
		ck_abort_msg("%s", what);
}

static inline void deliver(struct end *end, const struct lacp_pdu *pdu)
{
	uint8_t bytes[LACP_PDU_LEN];
	enum lacp_error error;

	lacp_pdu_build(pdu, bytes);
	require(lacp_port_input(&end->port, bytes, sizeof(bytes), world.now_ns, &error) ==
			LACP_INPUT_DONE,
		"LACPDUs are taken in");
}

static inline void end_send(struct end *end)
{
	struct lacp_pdu pdu;

	if (!lacp_port_take_tx(&end->port, world.now_ns, &pdu))
		return;
	require(end->n_sent < N_SENT, "room to remember");
	end->sent_ns[end->n_sent++] = world.now_ns;
	/* 802.1AX-2008 5.4.16: three in a second are allowed, a fourth is not. */
	require(end->n_sent <= LACP_TX_BURST ||
			world.now_ns - end->sent_ns[end->n_sent - 1 - LACP_TX_BURST] >= MS(1000),
		"three LACPDUs a second");
	if (end->peer != NULL && !end->is_mute)
		deliver(end->peer, &pdu);
}

static inline void port_check(const struct lacp_port *port)
{
	const struct lacp_aggregator *active = port->group->active;

	require(port->may_collect == port->may_distribute, "both or none");
	if (!port->may_distribute)
		return;
	require(port->line.is_up, "no traffic on a dead line");
	require(port->rx == LACP_RX_CURRENT, "no traffic without a partner");
	require(port->aggregator == active, "traffic by the active aggregator only");
	require(port->actor.key == active->actor_key, "one actor key");
	require(port->partner.key == active->partner_key, "one partner key");
	require(memcmp(&port->partner.system, &active->partner_system,
			sizeof(active->partner_system)) == 0,
		"one partner");
}

static inline void group_check(const struct lacp_group *group)
{
	unsigned int n_assigned = 0, n_counted = 0;

	for (unsigned int i = 0; i < group->n_ports; i++) {
		n_assigned += group->ports[i]->aggregator != NULL;
		port_check(group->ports[i]);
	}
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++)
		n_counted += group->aggregators[i].n_ports;
	require(n_assigned == n_counted, "aggregators know their ports");
}

/* Ten milliseconds pass. */
static inline void world_step(void)
{
	world.now_ns += MS(STEP_MS);
	for (unsigned int system = 0; system < N_SYSTEMS; system++) {
		lacp_group_tick(&world.groups[system], world.now_ns);
		for (unsigned int i = 0; i < N_PORTS; i++)
			end_send(end_of(system, i));
	}
	for (unsigned int system = 0; system < N_SYSTEMS; system++)
		group_check(&world.groups[system]);
}

static inline void world_run(uint64_t ms)
{
	for (uint64_t passed = 0; passed < ms; passed += STEP_MS)
		world_step();
}

/* Which ports of a system may distribute, as bits. */
static inline unsigned int distributing(unsigned int system)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < N_PORTS; i++)
		bits |= (unsigned int)port_of(system, i)->may_distribute << i;
	return bits;
}

/* Runs until these ports of the system distribute, no others; how long that took. */
static inline uint64_t run_until(unsigned int system, unsigned int bits, uint64_t limit_ms)
{
	uint64_t ms = 0;

	while (distributing(system) != bits && ms < limit_ms) {
		world_step();
		ms += STEP_MS;
	}
	ck_assert_msg(distributing(system) == bits, "ports %#x after %u ms, not %#x",
		distributing(system), (unsigned int)ms, bits);
	return ms;
}

/* A partner made by hand, that knows port i of A and is in Synchronization. */
static inline struct lacp_pdu partner_pdu(unsigned int i)
{
	struct lacp_pdu pdu = {
		.actor = { .system = { { 2, 0, 0, 0, 0, 0x99 } },
			.key = 1,
			.port = (uint16_t)(100 + i),
			.state = LACP_STATE_ACTIVITY | LACP_STATE_AGGREGATION |
				 LACP_STATE_SYNCHRONIZATION },
		.partner = port_of(A, i)->actor,
	};

	return pdu;
}
