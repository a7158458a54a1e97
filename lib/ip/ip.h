/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The IP layer: what happens to a packet between its link and the link it leaves by. IPv4: RFC 791,
 * 1122, 1812. IPv6: RFC 8200, 4291, 4443.
 */
#include "dp/dp.h"

extern struct module ip_module;
extern const struct stage plain_stage, ip4_input_stage, ip4_local_stage, ip4_forward_stage,
	ip4_error_stage, ip4_output_stage, ip4_fragment_stage, ip4_reassemble_stage;
extern const struct stage ip6_input_stage, ip6_local_stage, ip6_forward_stage, ip6_error_stage,
	ip6_output_stage;
