/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * `explain ...`: what would happen to a packet, and why. The packet is made up and goes through the
 * real stages on a worker of its own; nothing of it is counted, kept or sent.
 */
#include "dp/dp.h"

extern struct module explain_module;
