/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The Receive machine of LACP (IEEE 802.1AX-2008 5.4.12), and the Marker Responder (5.5). On the
 * control thread; the essay and the picture are in lacp.c. Everything that others say comes in
 * here, through lacp_port_input() or lacp_port_receive().
 */
#include "link/lacp_priv.h"

#include <string.h>

#define SHORT_TIMEOUT_NS (3 * LACP_SECOND_NS)
#define LONG_TIMEOUT_NS	 (90 * LACP_SECOND_NS)

static const struct lacp_info partner_admin = { .state = LACP_STATE_TIMEOUT };

static void rx_record_default(struct lacp_port *port)
{
	port->partner = partner_admin;
	lacp_state_set(&port->actor, LACP_STATE_DEFAULTED);
}

void lacp_rx_disable(struct lacp_port *port)
{
	port->rx = LACP_RX_PORT_DISABLED;
	port->current_while_ns = LACP_NEVER;
	lacp_state_clear(&port->partner, LACP_STATE_SYNCHRONIZATION);
}

void lacp_rx_initialize(struct lacp_port *port)
{
	port->selected = LACP_UNSELECTED;
	rx_record_default(port);
	lacp_state_clear(&port->actor, LACP_STATE_EXPIRED);
	lacp_rx_disable(port);
}

static void rx_enter_expired(struct lacp_port *port, uint64_t now_ns)
{
	port->rx = LACP_RX_EXPIRED;
	lacp_state_clear(&port->partner, LACP_STATE_SYNCHRONIZATION);
	lacp_state_set(&port->partner, LACP_STATE_TIMEOUT);
	port->current_while_ns = now_ns + SHORT_TIMEOUT_NS;
	lacp_state_set(&port->actor, LACP_STATE_EXPIRED);
}

static void rx_enter_lacp_disabled(struct lacp_port *port)
{
	port->rx = LACP_RX_LACP_DISABLED;
	port->selected = LACP_UNSELECTED;
	rx_record_default(port);
	lacp_state_clear(&port->actor, LACP_STATE_EXPIRED);
}

static void rx_enter_defaulted(struct lacp_port *port)
{
	port->rx = LACP_RX_DEFAULTED;
	port->current_while_ns = LACP_NEVER;
	/* update_Default_Selected */
	if (!lacp_info_is_same(&port->partner, &partner_admin, LACP_STATE_AGGREGATION))
		port->selected = LACP_UNSELECTED;
	rx_record_default(port);
	lacp_state_clear(&port->actor, LACP_STATE_EXPIRED);
}

/* Out of PORT_DISABLED, when the line is up. */
void lacp_rx_enable(struct lacp_port *port, uint64_t now_ns)
{
	if (port->line.is_full_duplex)
		rx_enter_expired(port, now_ns);
	else
		rx_enter_lacp_disabled(port);
}

void lacp_rx_expire(struct lacp_port *port, uint64_t now_ns)
{
	if (port->rx == LACP_RX_CURRENT) {
		rx_enter_expired(port, now_ns);
		port->counters.n_expired++;
	} else {
		rx_enter_defaulted(port);
	}
}

/* Is the partner in Synchronization, by what it says of itself and of us? */
static bool pdu_is_in_sync(const struct lacp_port *port, const struct lacp_pdu *pdu)
{
	bool is_matched = lacp_info_is_same(&pdu->partner, &port->actor, LACP_STATE_AGGREGATION) ||
			  !(pdu->actor.state & LACP_STATE_AGGREGATION);
	/* Somebody must keep the link alive. */
	bool is_maintained = (pdu->actor.state & LACP_STATE_ACTIVITY) ||
			     (port->actor.state & pdu->partner.state & LACP_STATE_ACTIVITY);

	return is_matched && is_maintained && (pdu->actor.state & LACP_STATE_SYNCHRONIZATION);
}

static void rx_record_pdu(struct lacp_port *port, const struct lacp_pdu *pdu)
{
	bool is_in_sync = pdu_is_in_sync(port, pdu);

	port->partner = pdu->actor;
	if (!is_in_sync)
		lacp_state_clear(&port->partner, LACP_STATE_SYNCHRONIZATION);
	lacp_state_clear(&port->actor, LACP_STATE_DEFAULTED);
}

static void rx_enter_current(struct lacp_port *port, const struct lacp_pdu *pdu, uint64_t now_ns)
{
	bool is_short = port->actor.state & LACP_STATE_TIMEOUT;

	port->rx = LACP_RX_CURRENT;
	/* update_Selected */
	if (!lacp_info_is_same(&pdu->actor, &port->partner, LACP_STATE_AGGREGATION))
		port->selected = LACP_UNSELECTED;
	/* update_NTT */
	if (!lacp_info_is_same(
		    &pdu->partner, &port->actor, LACP_SETTINGS | LACP_STATE_SYNCHRONIZATION))
		port->ntt = true;
	rx_record_pdu(port, pdu);
	port->current_while_ns = now_ns + (is_short ? SHORT_TIMEOUT_NS : LONG_TIMEOUT_NS);
	lacp_state_clear(&port->actor, LACP_STATE_EXPIRED);
}

/* port_moved: a partner's port that is heard here cannot be behind a port of ours that is down. */
static void rx_forget_moved(const struct lacp_port *port, const struct lacp_pdu *pdu)
{
	for (unsigned int i = 0; i < port->group->n_ports; i++) {
		struct lacp_port *other = port->group->ports[i];

		if (other != port && other->rx == LACP_RX_PORT_DISABLED &&
			other->partner.port == pdu->actor.port &&
			memcmp(&other->partner.system, &pdu->actor.system,
				sizeof(pdu->actor.system)) == 0)
			lacp_rx_initialize(other);
	}
}

void lacp_port_receive(struct lacp_port *port, const struct lacp_pdu *pdu, uint64_t now_ns)
{
	if (!lacp_port_is_enabled(port)) {
		port->counters.n_ignored++;
		return;
	}
	if (memcmp(&pdu->actor.system, &port->actor.system, sizeof(port->actor.system)) == 0) {
		port->counters.n_looped++;
		return;
	}
	port->counters.n_rx++;
	rx_forget_moved(port, pdu);
	rx_enter_current(port, pdu, now_ns);
	lacp_group_run(port->group, now_ns);
}

static enum lacp_input input_marker(struct lacp_port *port, uint8_t *payload, size_t len,
	uint64_t now_ns, enum lacp_error *error)
{
	bool is_response;

	*error = lacp_marker_parse(payload, len, &is_response);
	if (*error != LACP_OK)
		return LACP_INPUT_BAD;
	if (is_response) {
		port->counters.n_marker_responses++;
		return LACP_INPUT_DONE;
	}
	port->counters.n_markers++;
	if (port->rx == LACP_RX_PORT_DISABLED || !lacp_limit_take(&port->marker_limit, now_ns))
		return LACP_INPUT_DONE;
	lacp_marker_respond(payload);
	port->counters.n_marker_answers++;
	return LACP_INPUT_ANSWER;
}

enum lacp_input lacp_port_input(struct lacp_port *port, uint8_t *payload, size_t len,
	uint64_t now_ns, enum lacp_error *error)
{
	enum lacp_input input = LACP_INPUT_DONE;
	struct lacp_pdu pdu;

	*error = LACP_OK;
	if (len >= 1 && payload[0] != LACP_SUBTYPE && payload[0] != LACP_SUBTYPE_MARKER)
		return LACP_INPUT_FOREIGN;
	if (len >= 1 && payload[0] == LACP_SUBTYPE_MARKER) {
		input = input_marker(port, payload, len, now_ns, error);
	} else {
		*error = lacp_pdu_parse(payload, len, &pdu);
		if (*error == LACP_OK)
			lacp_port_receive(port, &pdu, now_ns);
		else
			input = LACP_INPUT_BAD;
	}
	port->counters.n_bad += input == LACP_INPUT_BAD;
	return input;
}
