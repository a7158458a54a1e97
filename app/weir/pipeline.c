/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens to a packet: every stage of the appliance, from top to bottom. An exit may only lead
 * further down this list; that is checked at start. Reorder weir here.
 */
#include "app.h"
#include "bridge/bridge.h"
#include "dp/dp.h"
#include "firewall/firewall.h"
#include "flow/flow.h"
#include "ip/ip.h"
#include "link/link.h"
#include "meter/meter.h"
#include "nat/nat.h"
#include "neigh/neigh.h"
#include "qos/qos.h"

const struct stage *const pipeline[] = {
	/* sources */
	&inject_stage,
	&handover_stage,
	&qdisc_due_stage,
	&rx_stage,
	&flow_age_stage,
	/* connections that come with their bucket */
	&flow_take_stage,
	/* what a port may receive */
	&meter_port_stage,
	/* which link it belongs to, of those on a port, and what that may receive */
	&l2_stage,
	&meter_stage,
	&lacp_input_stage,
	/* between the members of a bridge */
	&bridge_stage,
	/* to the worker that owns the flow */
	&steer_stage,
	/* the short way of most packets */
	&plain_stage,
	/* link layer */
	&parse_stage,
	&arp_stage,
	/* who may send, and where to */
	&ip4_input_stage,
	&ip6_input_stage,
	/* connections, where they are tracked */
	&flow4_stage,
	&flow6_stage,
	&flow_fragment_stage,
	&track_stage,
	/* what rules say to packets without one */
	&prerouting_stage,
	&nat_dst_stage,
	&flow_route_stage,
	&input_stage,
	&forward_stage,
	&output_stage,
	&nat_output_stage,
	&postrouting_stage,
	&nat_src_stage,
	&flow_commit_stage,
	&flow_forward_stage,
	&police_stage,
	/* where packets go, each family by itself */
	&ip4_forward_stage,
	&ip4_reassemble_stage,
	&ip4_local_stage,
	&ip6_forward_stage,
	&ip6_reassemble_stage,
	&ip6_local_stage,
	&nd_stage,
	/* what is said about those that go no further */
	&tcp_reset_stage,
	&ip4_error_stage,
	&ip6_error_stage,
	/* packets made here */
	&ip4_output_stage,
	&ip4_fragment_stage,
	&ip6_output_stage,
	&ip6_fragment_stage,
	/* out */
	&hold_stage,
	&tx_queued_stage,
	&tx_stage,
	&bridge_output_stage,
	&tx_member_stage,
	/* what has to wait for its turn */
	&qdisc_classify_stage,
	&qdisc_stage,
	&drop_stage,
	NULL,
};
