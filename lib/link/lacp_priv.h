/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the machines (lacp.c, lacp_rx.c) and the Selection Logic (lacp_select.c). */
#include <string.h>

#include "link/lacp.h"

#define LACP_SECOND_NS UINT64_C(1000000000)

/* Which of the actor's state bits are settings, and not what a machine has found out. */
enum { LACP_SETTINGS = LACP_STATE_ACTIVITY | LACP_STATE_TIMEOUT | LACP_STATE_AGGREGATION };

static inline void lacp_state_set(struct lacp_info *info, unsigned int bits)
{
	info->state = (uint8_t)(info->state | bits);
}

static inline void lacp_state_clear(struct lacp_info *info, unsigned int bits)
{
	info->state = (uint8_t)(info->state & ~bits);
}

static inline bool lacp_limit_take(struct lacp_limit *limit, uint64_t now_ns)
{
	uint64_t *oldest_ns = &limit->at_ns[limit->n_taken % LACP_TX_BURST];

	if (limit->n_taken >= LACP_TX_BURST && now_ns - *oldest_ns < LACP_SECOND_NS)
		return false;
	*oldest_ns = now_ns;
	limit->n_taken++;
	return true;
}

/* Do they name the same port and LAG? The bits count as well. */
static inline bool lacp_info_is_same(
	const struct lacp_info *a, const struct lacp_info *b, unsigned int state_bits)
{
	return a->port == b->port && a->port_priority == b->port_priority &&
	       memcmp(&a->system, &b->system, sizeof(a->system)) == 0 &&
	       a->system_priority == b->system_priority && a->key == b->key &&
	       ((a->state ^ b->state) & state_bits) == 0;
}

static inline bool lacp_port_is_enabled(const struct lacp_port *port)
{
	return port->rx != LACP_RX_PORT_DISABLED && port->rx != LACP_RX_LACP_DISABLED;
}

/* The key of a port on this line, as Linux makes it: 10 bits of user key, 5 of speed, duplex. */
uint16_t lacp_select_key(uint16_t user_key, const struct lacp_line *line);
/*
 * Assigns ports that are UNSELECTED and DETACHED to aggregators, chooses the active one, and makes
 * its ports SELECTED and all others STANDBY. Returns whether another one is active now.
 */
bool lacp_select(struct lacp_group *group);
/* Ready (5.4.8): nobody who waits for this aggregator still has wait_while running. */
bool lacp_select_is_ready(const struct lacp_group *group, const struct lacp_aggregator *aggregator);

/* Lets all ports move as far as they can. Every call from outside that may have moved one ends so. */
void lacp_group_run(struct lacp_group *group, uint64_t now_ns);

/* Transitions of the Receive machine: to INITIALIZE and PORT_DISABLED, to PORT_DISABLED, */
void lacp_rx_initialize(struct lacp_port *port);
void lacp_rx_disable(struct lacp_port *port);
/* out of it when the line is up, */
void lacp_rx_enable(struct lacp_port *port, uint64_t now_ns);
/* and when current_while has ended. */
void lacp_rx_expire(struct lacp_port *port, uint64_t now_ns);
