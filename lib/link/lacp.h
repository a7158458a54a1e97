/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * LACP: which members of a bond may carry traffic (IEEE 802.1AX-2008 clause 5.4, 802.1AX-2020
 * clause 6.4). A group is one bond, a port one member; both lie in the caller's memory. Control
 * thread only. There is no clock and no socket here: time is what the caller says (monotonic ns,
 * never going back), PDUs are handed in and fetched. Nothing allocates.
 *
 * A round of the caller: hand in what was received, lacp_group_tick(), lacp_port_take_tx() for each
 * port, and if lacp_group_take_changed() says so, look at may_collect and may_distribute of all
 * ports. The order matters after a stall: a partner whose PDUs still wait in a queue has not been
 * silent. After lacp_port_set_link() look at once: a dead port has then already left.
 */
#include "link/lacp_pdu.h"

enum {
	LACP_PORTS_MAX = 32, /* members of a bond */
	LACP_TX_BURST = 3,   /* LACPDUs in any Fast_Periodic_Time; the same for marker responses */
};
#define LACP_NEVER UINT64_MAX /* a timer that does not run */

/* Receive machine (5.4.12). INITIALIZE is left at once and has no value. */
enum lacp_rx_state {
	LACP_RX_PORT_DISABLED,
	LACP_RX_LACP_DISABLED,
	LACP_RX_EXPIRED,
	LACP_RX_DEFAULTED,
	LACP_RX_CURRENT,
};

/* Periodic Transmission machine (5.4.13). PERIODIC_TX is left at once and has no value. */
enum lacp_periodic_state { LACP_NO_PERIODIC, LACP_FAST_PERIODIC, LACP_SLOW_PERIODIC };

/* Mux machine, coupled control (5.4.15). */
enum lacp_mux_state {
	LACP_MUX_DETACHED,
	LACP_MUX_WAITING,
	LACP_MUX_ATTACHED,
	LACP_MUX_COLLECTING_DISTRIBUTING,
};

/* The variable Selected (5.4.8). STANDBY: its aggregator is not the one that the bond uses. */
enum lacp_selected { LACP_UNSELECTED, LACP_SELECTED, LACP_STANDBY };

/* Which aggregator a bond uses, as Linux's ad_select says it. */
enum lacp_ad_select {
	LACP_AD_STABLE, /* the one in use as long as it has a partner, else that of most bandwidth */
	LACP_AD_BANDWIDTH, /* that of most bandwidth */
	LACP_AD_COUNT,	   /* that of most ports */
};

struct lacp_conf {
	struct mac_addr system;	  /* Actor_System: the bond's own address */
	uint16_t system_priority; /* lower is stronger */
	uint16_t user_key;	  /* upper 10 bits of all keys: Linux's ad_user_port_key, 0..1023 */
	bool is_active;		  /* speaks first; else only to partners that do */
	bool is_fast; /* lacp_rate: asks partners for a PDU each second, not each 30 s */
	enum lacp_ad_select ad_select;
};

/* What the caller knows of the line below a port. */
struct lacp_line {
	bool is_up;
	bool is_full_duplex; /* half duplex does not aggregate: LACP is off on such a port */
	uint32_t speed_mbps; /* 0: unknown */
};

struct lacp_counters {
	uint64_t n_rx;		     /* LACPDUs taken in */
	uint64_t n_tx;		     /* LACPDUs handed out */
	uint64_t n_bad;		     /* PDUs of either kind that failed a check */
	uint64_t n_looped;	     /* LACPDUs of our own that came back: not taken in */
	uint64_t n_ignored;	     /* on a port that is down or has LACP disabled */
	uint64_t n_markers;	     /* Marker Information taken in */
	uint64_t n_marker_answers;   /* responses to them; the rest came too fast */
	uint64_t n_marker_responses; /* Marker Responses received: we never ask */
	uint64_t n_expired;	     /* times that the partner fell silent */
};

/* No more than LACP_TX_BURST in any second. */
struct lacp_limit {
	uint64_t at_ns[LACP_TX_BURST];
	uint64_t n_taken;
};

/*
 * An aggregator (5.3.6, 5.4.14): the ports with one LAG ID. It has one as long as a port is
 * assigned to it. The counts are from the last selection.
 */
struct lacp_aggregator {
	uint16_t actor_key;
	uint16_t partner_key;
	uint16_t partner_system_priority;
	struct mac_addr partner_system;
	bool is_individual; /* of a port that one of both ends does not let aggregate */
	unsigned int n_ports;
	unsigned int n_live;	 /* in CURRENT: with a partner */
	unsigned int n_attached; /* ATTACHED or more */
	uint64_t speed_mbps;	 /* of the live ones */
};

struct lacp_port;

struct lacp_group {
	struct lacp_conf conf;
	struct lacp_port *ports[LACP_PORTS_MAX];
	unsigned int n_ports;
	struct lacp_aggregator aggregators[LACP_PORTS_MAX];
	struct lacp_aggregator *active; /* NULL: none */
	uint64_t due_ns;		/* no timer of any port ends before */
	bool has_changed;
};

/* Read it freely; only the functions below write. Names are the standard's. */
struct lacp_port {
	struct lacp_group *group;	    /* NULL: in none */
	struct lacp_aggregator *aggregator; /* NULL: none */
	struct lacp_info actor, partner;    /* Actor_Oper_*, Partner_Oper_* */
	enum lacp_rx_state rx;
	enum lacp_periodic_state periodic;
	enum lacp_mux_state mux;
	enum lacp_selected selected;
	struct lacp_line line;
	uint64_t current_while_ns, periodic_ns, wait_while_ns; /* when these timers end */
	bool is_ready_n;				       /* Ready_N */
	bool ntt;					       /* Need To Transmit */
	bool may_collect, may_distribute;
	struct lacp_limit tx_limit, marker_limit;
	struct lacp_counters counters;
};

void lacp_group_init(struct lacp_group *group, const struct lacp_conf *conf);
/* Changes what was set. Another system or key begins anew on all ports: partners must agree first. */
void lacp_group_configure(struct lacp_group *group, const struct lacp_conf *conf, uint64_t now_ns);
/* Does what timers are due. Cheap when none is; every 10 ms is often enough. */
void lacp_group_tick(struct lacp_group *group, uint64_t now_ns);
/* Has may_collect or may_distribute of any port, or the active aggregator, changed since asked? */
bool lacp_group_take_changed(struct lacp_group *group);
/* 1..LACP_PORTS_MAX for people to read, 0 for NULL. */
unsigned int lacp_aggregator_id(
	const struct lacp_group *group, const struct lacp_aggregator *aggregator);

/*
 * Puts a port, down at first, into a group. number and priority are Actor_Port and
 * Actor_Port_Priority. -EINVAL: number 0; -EEXIST: the number is taken; -ENOSPC: the group is full.
 */
int lacp_port_add(
	struct lacp_group *group, struct lacp_port *port, uint16_t number, uint16_t priority);
/*
 * Takes it out. True: *last is a farewell that the caller should send, so that the partner stops
 * using the port now and not after its timeout.
 */
bool lacp_port_remove(struct lacp_port *port, uint64_t now_ns, struct lacp_pdu *last);
/* The line came up, went down or is another now. */
void lacp_port_set_link(struct lacp_port *port, const struct lacp_line *line, uint64_t now_ns);

/* Takes an LACPDU in. */
void lacp_port_receive(struct lacp_port *port, const struct lacp_pdu *pdu, uint64_t now_ns);

enum lacp_input {
	LACP_INPUT_DONE, /* taken in or ignored */
	LACP_INPUT_ANSWER, /* the payload is now a marker response: send its first LACP_PDU_LEN bytes */
	LACP_INPUT_BAD,	    /* *error says why */
	LACP_INPUT_FOREIGN, /* another Slow Protocol (OAM, OSSP): not ours to judge */
};

/* Takes in a frame's payload of EtherType 0x8809: LACPDU or Marker PDU. */
enum lacp_input lacp_port_input(struct lacp_port *port, uint8_t *payload, size_t len,
	uint64_t now_ns, enum lacp_error *error);
/* Transmit machine (5.4.16). True: *pdu is to be sent now from this port. */
bool lacp_port_take_tx(struct lacp_port *port, uint64_t now_ns, struct lacp_pdu *pdu);

/* The names of states, as the standard writes them in lower case. */
const char *lacp_rx_text(enum lacp_rx_state state);
const char *lacp_periodic_text(enum lacp_periodic_state state);
const char *lacp_mux_text(enum lacp_mux_state state);
