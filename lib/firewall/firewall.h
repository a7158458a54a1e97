/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rules of the five hooks of a namespace. Read from the configuration (`firewall: {...}`) or from a file at
 * runtime, compiled off the datapath and published as a whole; workers ask them for the first packet of
 * a connection only. A rule that translates says how in a struct firewall_nat; lib/nat does it.
 */
#include "flow/flow.h"

enum firewall_hook {
	HOOK_PREROUTING,
	HOOK_INPUT,
	HOOK_FORWARD,
	HOOK_OUTPUT,
	HOOK_POSTROUTING,
	HOOK_N,
};
static_assert((int)HOOK_N == (int)FLOW_HOOKS, "struct flow_first has one rule for each");

/* What a hook tells a trace of a packet that no rule and no policy was asked about: arg[1]. */
enum { FIREWALL_NOT_ASKED = 1 };

enum firewall_nat_kind {
	NAT_MASQUERADE, /* source: the address of the link that the packet leaves by */
	NAT_SNAT,
	NAT_DNAT,
	NAT_REDIRECT, /* destination: this host; the address of the link that the packet came in by */
};

/*
 * What a translating rule says, decoded from its `to`: "A", "A-B", "A:P", "A:P-Q", "P", "P-Q", "[A6]:P",
 * "A/LEN" (for snat and dnat: the network part is replaced, 1:1). Constant while it is published.
 */
struct firewall_nat {
	uint8_t kind;	/* enum firewall_nat_kind */
	uint8_t family; /* of the addresses; 0: none given */
	bool has_ports;
	bool is_network; /* 1:1: the first prefix_len bits are replaced */
	uint8_t prefix_len;
	uint16_t rule; /* index in its hook */
	uint8_t hook;
	uint16_t port_min, port_max; /* host order */
	union flow_addr min, max;    /* a single address: both the same */
};

/*
 * Where a rule is written: file and line; FLOW_NO_RULE: the hook. NULL: there are no rules. The line is 0
 * where none is known. For `explain`. Control thread.
 */
const char *firewall_rule_place(
	const struct dp *dp, uint16_t ns, enum firewall_hook hook, uint16_t rule, int *line);

/* The same as a row of `firewall show`, without counters; "line" and "file" where they are known. New reference. */
json_t *firewall_rule_json(
	const struct dp *dp, uint16_t ns, enum firewall_hook hook, uint16_t rule);

/* A rule that translates, for listings. */
struct firewall_nat_rule {
	const struct firewall_nat *nat;
	const char *name;     /* NULL: it has none */
	const char *to;	      /* as it was written; NULL: it says nothing */
	uint64_t connections; /* new ones that it has decided */
};
/* All of a namespace, hook by hook. Control thread. */
void firewall_each_nat(const struct dp *dp, uint16_t ns,
	void (*fn)(const struct firewall_nat_rule *rule, void *ctx), void *ctx);

extern struct module firewall_module;
extern const struct stage prerouting_stage, input_stage, forward_stage, output_stage,
	postrouting_stage, tcp_reset_stage, police_stage;
