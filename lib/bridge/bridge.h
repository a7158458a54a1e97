/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Bridges (IEEE 802.1D, 802.1Q): links of kind bridge, which forward frames between their members by MAC
 * address and VLAN, and are links of this host themselves. A kind of link in the sense of
 * link/link_kind.h; nothing above needs to know more.
 */
#include "dp/dp.h"

extern struct module bridge_module;
extern const struct stage bridge_stage, bridge_output_stage;
