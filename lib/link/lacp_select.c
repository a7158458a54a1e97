/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Selection Logic (IEEE 802.1AX-2008 5.4.14). Called by the machines in
 * lacp.c, on the control thread, after everything that may have changed a port.
 *
 * Ports with the same LAG ID (5.3.6: our key, the partner's system and key) share an aggregator; a
 * port that either end calls Individual has one of its own. There are as many aggregators as there
 * can be ports, so a port always finds one, and nothing outside can make them more.
 *
 * The standard lets all aggregators carry traffic; a bond is one link and uses one. That is the
 * active one, chosen as Linux's ad_select says; the ports of all others are STANDBY, so the Mux
 * machine keeps them WAITING and out of Synchronization, and the partner sends nothing there.
 * They have waited by the time they are needed, and their partner is in Synchronization already:
 * the switch-over happens in the call that finds the active one dead.
 *
 * Only an aggregator with a live port (one that hears its partner) becomes active: a bond does not
 * fall back to a port without LACP. The active one is kept while no other is live, so that a
 * partner's short silence moves nothing.
 */
#include "link/lacp_priv.h"

#include <string.h>

struct speed_code {
	uint32_t mbps;
	uint8_t code;
};

/* Linux's numbers, so that keys mean the same in both. 0: none of these. */
static const struct speed_code speed_codes[] = { { 1, 1 }, { 10, 2 }, { 100, 3 }, { 1000, 4 },
	{ 2500, 5 }, { 5000, 6 }, { 10000, 7 }, { 14000, 8 }, { 20000, 9 }, { 25000, 10 },
	{ 40000, 11 }, { 50000, 12 }, { 56000, 13 }, { 100000, 14 }, { 200000, 15 }, { 400000, 16 },
	{ 800000, 17 } };

static uint8_t speed_code(uint32_t mbps)
{
	for (unsigned int i = 0; i < sizeof(speed_codes) / sizeof(speed_codes[0]); i++)
		if (speed_codes[i].mbps == mbps)
			return speed_codes[i].code;
	return 0;
}

uint16_t lacp_select_key(uint16_t user_key, const struct lacp_line *line)
{
	return (uint16_t)(user_key << 6 | speed_code(line->speed_mbps) << 1 | line->is_full_duplex);
}

static bool port_is_individual(const struct lacp_port *port)
{
	return !(port->actor.state & port->partner.state & LACP_STATE_AGGREGATION);
}

static bool aggregator_fits(const struct lacp_aggregator *aggregator, const struct lacp_port *port)
{
	return aggregator->n_ports > 0 && !aggregator->is_individual &&
	       aggregator->actor_key == port->actor.key &&
	       aggregator->partner_key == port->partner.key &&
	       aggregator->partner_system_priority == port->partner.system_priority &&
	       memcmp(&aggregator->partner_system, &port->partner.system,
		       sizeof(port->partner.system)) == 0;
}

static struct lacp_aggregator *aggregator_find(
	struct lacp_group *group, const struct lacp_port *port)
{
	struct lacp_aggregator *unused = NULL;

	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++) {
		struct lacp_aggregator *aggregator = &group->aggregators[i];

		if (!port_is_individual(port) && aggregator_fits(aggregator, port))
			return aggregator;
		if (unused == NULL && aggregator->n_ports == 0)
			unused = aggregator;
	}
	return unused;
}

static void port_assign(struct lacp_group *group, struct lacp_port *port)
{
	struct lacp_aggregator *aggregator = aggregator_find(group, port);

	if (aggregator->n_ports == 0)
		*aggregator = (struct lacp_aggregator){
			.actor_key = port->actor.key,
			.partner_key = port->partner.key,
			.partner_system_priority = port->partner.system_priority,
			.partner_system = port->partner.system,
			.is_individual = port_is_individual(port),
		};
	aggregator->n_ports++;
	port->aggregator = aggregator;
	port->selected = LACP_STANDBY;
}

static void count_port(const struct lacp_port *port)
{
	struct lacp_aggregator *aggregator = port->aggregator;

	if (aggregator == NULL)
		return;
	aggregator->n_ports++;
	aggregator->n_attached += port->mux >= LACP_MUX_ATTACHED;
	if (port->rx != LACP_RX_CURRENT)
		return;
	aggregator->n_live++;
	aggregator->speed_mbps += port->line.speed_mbps;
}

static void count_ports(struct lacp_group *group)
{
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++) {
		struct lacp_aggregator *aggregator = &group->aggregators[i];

		aggregator->n_ports = aggregator->n_live = aggregator->n_attached = 0;
		aggregator->speed_mbps = 0;
	}
	for (unsigned int i = 0; i < group->n_ports; i++)
		count_port(group->ports[i]);
}

/* Both are live. Equals are not better: what is in use stays. */
static bool aggregator_is_better(const struct lacp_group *group, const struct lacp_aggregator *a,
	const struct lacp_aggregator *b)
{
	if (a->is_individual != b->is_individual)
		return b->is_individual;
	if (group->conf.ad_select == LACP_AD_COUNT && a->n_live != b->n_live)
		return a->n_live > b->n_live;
	return a->speed_mbps > b->speed_mbps;
}

static struct lacp_aggregator *aggregator_choose(struct lacp_group *group)
{
	struct lacp_aggregator *best = group->active;

	/* In use is what has a port attached: until then a better one may still come. */
	if (best != NULL && best->n_live > 0 && best->n_attached > 0 &&
		group->conf.ad_select == LACP_AD_STABLE)
		return best;
	for (unsigned int i = 0; i < LACP_PORTS_MAX; i++) {
		struct lacp_aggregator *aggregator = &group->aggregators[i];

		if (aggregator->n_live == 0)
			continue;
		if (best == NULL || best->n_live == 0 ||
			aggregator_is_better(group, aggregator, best))
			best = aggregator;
	}
	return best;
}

/* Whoever has detached leaves its aggregator (5.4.14). Returns whether that emptied the active one. */
static bool detached_ports_leave(struct lacp_group *group)
{
	for (unsigned int i = 0; i < group->n_ports; i++) {
		struct lacp_port *port = group->ports[i];

		if (port->selected == LACP_UNSELECTED && port->mux == LACP_MUX_DETACHED)
			port->aggregator = NULL;
	}
	count_ports(group);
	/* Before it is given away again: its next user has not been chosen. */
	if (group->active == NULL || group->active->n_ports > 0)
		return false;
	group->active = NULL;
	return true;
}

static void free_ports_assign(struct lacp_group *group)
{
	for (unsigned int i = 0; i < group->n_ports; i++) {
		struct lacp_port *port = group->ports[i];

		if (port->aggregator == NULL && lacp_port_is_enabled(port))
			port_assign(group, port);
	}
	count_ports(group);
}

bool lacp_select(struct lacp_group *group)
{
	bool has_left = detached_ports_leave(group);
	struct lacp_aggregator *old = group->active;

	free_ports_assign(group);
	group->active = aggregator_choose(group);
	for (unsigned int i = 0; i < group->n_ports; i++) {
		struct lacp_port *port = group->ports[i];

		if (port->selected == LACP_UNSELECTED)
			continue;
		port->selected = port->aggregator == group->active ? LACP_SELECTED : LACP_STANDBY;
	}
	return has_left || group->active != old;
}

bool lacp_select_is_ready(const struct lacp_group *group, const struct lacp_aggregator *aggregator)
{
	for (unsigned int i = 0; i < group->n_ports; i++) {
		const struct lacp_port *port = group->ports[i];

		/* Who is attached stays ready. Who is about to wait counts as well, in any order. */
		if (port->aggregator == aggregator && !port->is_ready_n)
			return false;
	}
	return true;
}
