/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Sets of VLANs, as the members of a bridge that filters have them. */
#include <stdbool.h>
#include <stdint.h>

enum { BRIDGE_VIDS = 4096 };

/* Immutable once workers read it. */
struct bridge_vlans {
	uint64_t bits[BRIDGE_VIDS / 64];
};

static inline bool bridge_vlans_have(const struct bridge_vlans *vlans, uint16_t vid)
{
	return vlans->bits[vid / 64] >> vid % 64 & 1;
}

#define BRIDGE_VLANS_HELP "must be VLANs of 1 to 4094 such as \"10,20-30\""
/* NULL or empty: none. -EINVAL: not as BRIDGE_VLANS_HELP says. Any thread. */
int bridge_vlans_parse(const char *text, struct bridge_vlans *out);
