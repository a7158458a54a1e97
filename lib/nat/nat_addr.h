/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which address of those that a rule names. Pure functions, both families, any thread.
 */
#include "firewall/firewall.h"

/*
 * The address that `old` becomes: of a network the one with its host part; of a range the one that
 * the hash falls on. The same hash gets the same one always (RFC 4787 REQ-2: the hash of
 * the inside address).
 */
union flow_addr nat_addr_pick(
	const struct firewall_nat *nat, const union flow_addr *old, uint64_t hash);
/* May `old` be translated to `new_addr` by that rule? */
bool nat_addr_allows(const struct firewall_nat *nat, const union flow_addr *old,
	const union flow_addr *new_addr);

static inline bool nat_addr_is_equal(const union flow_addr *a, const union flow_addr *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}
