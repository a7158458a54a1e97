/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a rule's `to` says, for each action that takes one. Pure functions on text, any single thread.
 * The parsers return what is wrong with the text and what is allowed, or NULL.
 */
#include "firewall/firewall.h"

enum firewall_action {
	ACTION_NONE, /* of a rule that only logs */
	ACTION_ACCEPT,
	ACTION_DROP,
	ACTION_REJECT,
	ACTION_NOTRACK,
	ACTION_MARK,
	ACTION_DSCP,
	ACTION_CLASS,
	ACTION_DNAT,
	ACTION_REDIRECT,
	ACTION_SNAT,
	ACTION_MASQUERADE,
	ACTION_N,
};

/* The translations are the last. */
static inline bool firewall_action_translates(enum firewall_action action)
{
	return action >= ACTION_DNAT;
}

/* How a packet is refused: ICMP destination unreachable (of both families type and code), or a reset. */
struct reject_kind {
	const char *name; /* of nft's icmp_code, icmpv6_code and icmpx_code */
	uint8_t code4, code6;
	bool is_reset; /* the codes are for what is not TCP and so is never seen */
};
extern const struct reject_kind reject_kinds[];
enum { REJECT_DEFAULT = 0 };

/* nat->kind says which forms are allowed; fills in what the text says. NULL: `to` was left out. */
const char *target_parse_nat(const char *text, struct firewall_nat *nat);
const char *target_parse_reject(const char *text, uint8_t *kind);
/* "16", "0x10/0xff": bits outside of the mask stay as they are. */
const char *target_parse_mark(const char *text, uint32_t *value, uint32_t *mask);
const char *target_parse_dscp(const char *text, uint8_t *dscp);
