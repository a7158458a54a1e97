/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The IP layer: what happens to a packet between its link and the link it leaves by. Stages for
 * IPv4 now; IPv6 joins them. RFC 791, 1122, 1812.
 */
#include "dp/dp.h"

extern struct module ip_module;
extern const struct stage plain_stage, ip4_input_stage, ip4_local_stage, ip4_forward_stage,
	ip4_error_stage, ip4_output_stage, ip4_fragment_stage, ip4_reassemble_stage;
