/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Address and port translation, as Linux's nf_nat does it: rules say which connections, these stages choose
 * addresses and ports for the first packet of each. They change the reply tuple of its flow_first and
 * nothing else; lib/flow rewrites packets by what is kept of that. docs/nat.md says which RFC wants
 * what.
 *
 * A connection that is judged anew keeps its translation as long as the rules still allow it, and is
 * dropped (nat_mapping_gone) when they do not.
 */
#include "firewall/firewall.h"

extern struct module nat_module;
extern const struct stage nat_dst_stage, nat_output_stage, nat_src_stage;
