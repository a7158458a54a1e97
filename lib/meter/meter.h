/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Ingress policers: what comes in by a link is held to a rate and burst, or to two of them, before
 * anything else is done with it. At most one for each link. Nothing above needs to know more.
 */
#include "dp/dp.h"

extern struct module meter_module;
extern const struct stage meter_port_stage, meter_stage;
