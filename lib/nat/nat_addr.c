/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addresses as numbers: those of a range are counted, of a network the front part is replaced. Called by
 * workers for first packets; no state.
 */
#include "nat/nat_addr.h"

#include <rte_byteorder.h>

typedef unsigned __int128 number;

static number to_number(uint8_t family, const union flow_addr *addr)
{
	if (family == AF_INET)
		return rte_be_to_cpu_32(addr->v4_be);
	return (number)rte_be_to_cpu_64(addr->words[0]) << 64 | rte_be_to_cpu_64(addr->words[1]);
}

static union flow_addr to_addr(uint8_t family, number value)
{
	union flow_addr addr = { 0 };

	if (family == AF_INET) {
		addr.v4_be = rte_cpu_to_be_32((uint32_t)value);
	} else {
		addr.words[0] = rte_cpu_to_be_64((uint64_t)(value >> 64));
		addr.words[1] = rte_cpu_to_be_64((uint64_t)value);
	}
	return addr;
}

/* The bits that are the host's. */
static number host_mask(uint8_t family, uint8_t prefix_len)
{
	unsigned int n_bits = ip_family_bits(family) - prefix_len;

	return n_bits == 128 ? ~(number)0 : ((number)1 << n_bits) - 1;
}

union flow_addr nat_addr_pick(
	const struct firewall_nat *nat, const union flow_addr *old, uint64_t hash)
{
	number min = to_number(nat->family, &nat->min), mask, span;

	if (nat->is_network) {
		mask = host_mask(nat->family, nat->prefix_len);
		return to_addr(nat->family, (min & ~mask) | (to_number(nat->family, old) & mask));
	}
	span = to_number(nat->family, &nat->max) - min;
	/* Of more addresses than the hash has values only the first are used. */
	if (span >= UINT64_MAX)
		return to_addr(nat->family, min + hash);
	return to_addr(nat->family, min + (((number)hash * (span + 1)) >> 64));
}

bool nat_addr_allows(
	const struct firewall_nat *nat, const union flow_addr *old, const union flow_addr *new_addr)
{
	number value = to_number(nat->family, new_addr);
	union flow_addr mapped;

	if (nat->is_network) {
		mapped = nat_addr_pick(nat, old, 0);
		return nat_addr_is_equal(&mapped, new_addr);
	}
	return value >= to_number(nat->family, &nat->min) &&
	       value <= to_number(nat->family, &nat->max);
}
