/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The machines of LACP, per port: Receive (lacp_rx.c), Periodic Transmission, Mux and Transmit.
 * Section numbers, here and in the other files, are those of IEEE 802.1AX-2008 5.4; later editions
 * have the same machines in 6.4. Called by the bond on the control thread, and by unit tests with a
 * clock of their own.
 *
 * What a partner says goes through Receive into port->partner; when it names another system, key
 * or port than before, Selected becomes UNSELECTED, Mux takes the port down to DETACHED, and the
 * Selection Logic (lacp_select.c) finds it a new aggregator:
 *
 *   Receive
 *     PORT_DISABLED --up--> EXPIRED --3 s--> DEFAULTED        half duplex: LACP_DISABLED
 *      ^                     | ^                 |
 *      | down, from          | | 3 s or 90 s     | LACPDU
 *      | anywhere     LACPDU v | of silence      v
 *      +------------------- CURRENT <------------+
 *
 *   Mux                2 s, and its                    partner in
 *             selected aggregator active               Synchronization
 *     DETACHED ----> WAITING -------------> ATTACHED ----------------> COLLECTING_DISTRIBUTING
 *      ^ ^              | unselected         |    ^                       |
 *      | +--------------+                    |    +-----------------------+
 *      +-------------------------------------+      not in Synchronization, or
 *            unselected, or not the active one      unselected, or not the active one
 *
 *   Periodic
 *     NO_PERIODIC: down, LACP off, or both ends passive. Else by the partner's Timeout bit:
 *     FAST_PERIODIC (1 s) or SLOW_PERIODIC (30 s)
 *
 * Each call ends in lacp_group_run(), which lets all ports move as far as they can. So a port whose
 * line is cut, or whose partner leaves Synchronization, is out of may_distribute when the call
 * returns. Its work is bounded by the number of ports, whatever a PDU says, and answers by Transmit's
 * limit of three a second; a PDU can change what a port knows, never how much.
 *
 * Where the standard leaves room: unless told otherwise a partner is taken to be passive, on a
 * Short Timeout (so an active port calls once a second until it is heard), individual, and not in
 * Synchronization, so a port without LACP behind it carries nothing. A port that begins to speak
 * does so at once. LACPDUs with our own system in them are our own: counted and left alone, so that
 * a port looped back, or to another of the bond, stays without a partner.
 *
 * Not here: churn detection (5.4.17), independent control, the Marker Generator, and what came
 * with version 2 (long LACPDUs, conversations).
 */
#include "link/lacp_priv.h"

#include <errno.h>
#include <string.h>

#define FAST_PERIODIC_NS  (1 * LACP_SECOND_NS) /* constants of 5.4.4 */
#define SLOW_PERIODIC_NS  (30 * LACP_SECOND_NS)
#define AGGREGATE_WAIT_NS (2 * LACP_SECOND_NS)

/* Mux machine */

static void mux_enter_detached(struct lacp_port *port)
{
	port->mux = LACP_MUX_DETACHED;
	lacp_state_clear(&port->actor,
		LACP_STATE_SYNCHRONIZATION | LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING);
	port->wait_while_ns = LACP_NEVER;
	port->is_ready_n = false;
	port->ntt = true;
}

static void mux_enter_waiting(struct lacp_port *port, uint64_t now_ns)
{
	port->mux = LACP_MUX_WAITING;
	port->wait_while_ns = now_ns + AGGREGATE_WAIT_NS;
}

static void mux_enter_attached(struct lacp_port *port)
{
	port->mux = LACP_MUX_ATTACHED;
	lacp_state_set(&port->actor, LACP_STATE_SYNCHRONIZATION);
	lacp_state_clear(&port->actor, LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING);
	port->ntt = true;
}

static void mux_enter_collecting_distributing(struct lacp_port *port)
{
	port->mux = LACP_MUX_COLLECTING_DISTRIBUTING;
	lacp_state_set(&port->actor, LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING);
	port->ntt = true;
}

/* One transition of 5.4.15. False: none is open. */
static bool mux_step(struct lacp_port *port, uint64_t now_ns)
{
	bool is_selected = port->selected == LACP_SELECTED;
	bool is_in_sync = port->partner.state & LACP_STATE_SYNCHRONIZATION;

	switch (port->mux) {
	case LACP_MUX_DETACHED:
		if (port->selected == LACP_UNSELECTED)
			return false;
		mux_enter_waiting(port, now_ns);
		return true;
	case LACP_MUX_WAITING:
		if (port->selected == LACP_UNSELECTED)
			mux_enter_detached(port);
		else if (is_selected && lacp_select_is_ready(port->group, port->aggregator))
			mux_enter_attached(port);
		else
			return false;
		return true;
	case LACP_MUX_ATTACHED:
		if (!is_selected)
			mux_enter_detached(port);
		else if (is_in_sync)
			mux_enter_collecting_distributing(port);
		else
			return false;
		return true;
	case LACP_MUX_COLLECTING_DISTRIBUTING:
		if (is_selected && is_in_sync)
			return false;
		mux_enter_attached(port);
		return true;
	}
	return false;
}

static void group_run_mux(struct lacp_group *group, uint64_t now_ns)
{
	for (unsigned int i = 0; i < group->n_ports; i++)
		while (mux_step(group->ports[i], now_ns))
			;
}

/* Periodic Transmission machine (5.4.13) */

static bool periodic_is_off(const struct lacp_port *port)
{
	return !lacp_port_is_enabled(port) ||
	       !((port->actor.state | port->partner.state) & LACP_STATE_ACTIVITY);
}

static void periodic_enter(struct lacp_port *port, enum lacp_periodic_state state, uint64_t now_ns)
{
	port->periodic = state;
	port->periodic_ns =
		now_ns + (state == LACP_FAST_PERIODIC ? FAST_PERIODIC_NS : SLOW_PERIODIC_NS);
}

static void periodic_run(struct lacp_port *port, uint64_t now_ns)
{
	enum lacp_periodic_state wanted =
		port->partner.state & LACP_STATE_TIMEOUT ? LACP_FAST_PERIODIC : LACP_SLOW_PERIODIC;

	if (periodic_is_off(port)) {
		port->periodic = LACP_NO_PERIODIC;
		port->periodic_ns = LACP_NEVER;
		port->ntt = false; /* 5.4.16 */
		return;
	}
	if (port->periodic == wanted && now_ns < port->periodic_ns)
		return;
	/* All but the change to longer waits is by way of PERIODIC_TX. */
	if (port->periodic != LACP_FAST_PERIODIC || now_ns >= port->periodic_ns)
		port->ntt = true;
	periodic_enter(port, wanted, now_ns);
}

/* All machines */

static void port_show(struct lacp_port *port)
{
	bool may = port->mux == LACP_MUX_COLLECTING_DISTRIBUTING;

	if (port->may_distribute != may)
		port->group->has_changed = true;
	port->may_collect = port->may_distribute = may;
}

static uint64_t port_due(const struct lacp_port *port)
{
	uint64_t due_ns = port->current_while_ns;

	if (port->periodic_ns < due_ns)
		due_ns = port->periodic_ns;
	if (port->wait_while_ns < due_ns)
		due_ns = port->wait_while_ns;
	return due_ns;
}

void lacp_group_run(struct lacp_group *group, uint64_t now_ns)
{
	/* Who is UNSELECTED must have detached before it is selected again (5.4.14). */
	group_run_mux(group, now_ns);
	if (lacp_select(group))
		group->has_changed = true;
	group_run_mux(group, now_ns);
	group->due_ns = LACP_NEVER;
	for (unsigned int i = 0; i < group->n_ports; i++) {
		struct lacp_port *port = group->ports[i];
		uint64_t due_ns;

		periodic_run(port, now_ns);
		port_show(port);
		due_ns = port_due(port);
		if (due_ns < group->due_ns)
			group->due_ns = due_ns;
	}
}

/* Transmit machine (5.4.16) */

bool lacp_port_take_tx(struct lacp_port *port, uint64_t now_ns, struct lacp_pdu *pdu)
{
	if (!port->ntt || port->periodic == LACP_NO_PERIODIC)
		return false;
	if (!lacp_limit_take(&port->tx_limit, now_ns))
		return false;
	*pdu = (struct lacp_pdu){ .actor = port->actor, .partner = port->partner };
	port->ntt = false;
	port->counters.n_tx++;
	return true;
}

/* Ports and groups */

/* What the group's settings and the line make of the actor. Returns whether its LAG ID changed. */
static bool port_set_actor(struct lacp_port *port)
{
	const struct lacp_conf *conf = &port->group->conf;
	struct lacp_info old = port->actor;

	port->actor.system = conf->system;
	port->actor.system_priority = conf->system_priority;
	port->actor.key = lacp_select_key(conf->user_key, &port->line);
	lacp_state_clear(&port->actor, LACP_SETTINGS);
	lacp_state_set(
		&port->actor, (conf->is_active ? LACP_STATE_ACTIVITY : 0) |
				      (conf->is_fast ? LACP_STATE_TIMEOUT : 0) |
				      (port->line.is_full_duplex ? LACP_STATE_AGGREGATION : 0));
	if (old.state != port->actor.state)
		port->ntt = true;
	return !lacp_info_is_same(&old, &port->actor, LACP_STATE_AGGREGATION);
}

/* All that is known of the partner was said to somebody we no longer are. */
static void port_restart(struct lacp_port *port, uint64_t now_ns)
{
	lacp_rx_initialize(port);
	if (port->line.is_up)
		lacp_rx_enable(port, now_ns);
}

void lacp_port_set_link(struct lacp_port *port, const struct lacp_line *line, uint64_t now_ns)
{
	bool was_up = port->line.is_up;

	port->line.is_up = line->is_up;
	if (line->is_up) {
		/* A line that is down has no speed: the port keeps the key that it had. */
		port->line = *line;
		if (port_set_actor(port))
			port_restart(port, now_ns);
		else if (!was_up)
			lacp_rx_enable(port, now_ns);
	} else {
		lacp_rx_disable(port);
	}
	lacp_group_run(port->group, now_ns);
}

int lacp_port_add(
	struct lacp_group *group, struct lacp_port *port, uint16_t number, uint16_t priority)
{
	if (number == 0)
		return -EINVAL;
	for (unsigned int i = 0; i < group->n_ports; i++)
		if (group->ports[i]->actor.port == number)
			return -EEXIST;
	if (group->n_ports == LACP_PORTS_MAX)
		return -ENOSPC;
	*port = (struct lacp_port){
		.group = group,
		.actor = { .port = number, .port_priority = priority },
		.periodic_ns = LACP_NEVER,
	};
	port_set_actor(port);
	lacp_rx_initialize(port);
	mux_enter_detached(port);
	group->ports[group->n_ports++] = port;
	return 0;
}

bool lacp_port_remove(struct lacp_port *port, uint64_t now_ns, struct lacp_pdu *last)
{
	struct lacp_group *group = port->group;
	bool is_speaking = port->periodic != LACP_NO_PERIODIC;
	unsigned int i = 0;

	/* A port that is rid of its aggregator moves no further; the rest does. */
	lacp_rx_initialize(port);
	lacp_group_run(group, now_ns);
	while (group->ports[i] != port)
		i++;
	memmove(&group->ports[i], &group->ports[i + 1],
		(--group->n_ports - i) * sizeof(group->ports[0]));
	port->group = NULL;
	*last = (struct lacp_pdu){ .actor = port->actor, .partner = port->partner };
	lacp_state_clear(&last->actor, LACP_STATE_AGGREGATION);
	return is_speaking;
}

void lacp_group_init(struct lacp_group *group, const struct lacp_conf *conf)
{
	*group = (struct lacp_group){ .conf = *conf, .due_ns = LACP_NEVER };
}

void lacp_group_configure(struct lacp_group *group, const struct lacp_conf *conf, uint64_t now_ns)
{
	group->conf = *conf;
	for (unsigned int i = 0; i < group->n_ports; i++)
		if (port_set_actor(group->ports[i]))
			port_restart(group->ports[i], now_ns);
	lacp_group_run(group, now_ns);
}

static void port_run_timers(struct lacp_port *port, uint64_t now_ns)
{
	if (now_ns >= port->wait_while_ns) {
		port->wait_while_ns = LACP_NEVER;
		port->is_ready_n = true;
	}
	if (now_ns >= port->current_while_ns)
		lacp_rx_expire(port, now_ns);
}

void lacp_group_tick(struct lacp_group *group, uint64_t now_ns)
{
	if (now_ns < group->due_ns)
		return;
	for (unsigned int i = 0; i < group->n_ports; i++)
		port_run_timers(group->ports[i], now_ns);
	lacp_group_run(group, now_ns);
}

bool lacp_group_take_changed(struct lacp_group *group)
{
	bool has_changed = group->has_changed;

	group->has_changed = false;
	return has_changed;
}

unsigned int lacp_aggregator_id(
	const struct lacp_group *group, const struct lacp_aggregator *aggregator)
{
	return aggregator == NULL ? 0 : (unsigned int)(aggregator - group->aggregators) + 1;
}

/* Names */

const char *lacp_rx_text(enum lacp_rx_state state)
{
	static const char *const texts[] = {
		[LACP_RX_PORT_DISABLED] = "port_disabled",
		[LACP_RX_LACP_DISABLED] = "lacp_disabled",
		[LACP_RX_EXPIRED] = "expired",
		[LACP_RX_DEFAULTED] = "defaulted",
		[LACP_RX_CURRENT] = "current",
	};

	return texts[state];
}

const char *lacp_periodic_text(enum lacp_periodic_state state)
{
	static const char *const texts[] = {
		[LACP_NO_PERIODIC] = "no_periodic",
		[LACP_FAST_PERIODIC] = "fast_periodic",
		[LACP_SLOW_PERIODIC] = "slow_periodic",
	};

	return texts[state];
}

const char *lacp_mux_text(enum lacp_mux_state state)
{
	static const char *const texts[] = {
		[LACP_MUX_DETACHED] = "detached",
		[LACP_MUX_WAITING] = "waiting",
		[LACP_MUX_ATTACHED] = "attached",
		[LACP_MUX_COLLECTING_DISTRIBUTING] = "collecting_distributing",
	};

	return texts[state];
}
