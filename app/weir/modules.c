/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What exists: every module, from the lowest floor up. Removing a line (and its stages from
 * pipeline.c) removes the feature with its settings, commands and drop reasons.
 */
#include "app.h"
#include "bridge/bridge.h"
#include "dp/dp.h"
#include "dp/sysctl.h"
#include "dp/trace.h"
#include "explain/explain.h"
#include "fib/fib.h"
#include "firewall/firewall.h"
#include "flow/flow.h"
#include "ip/ip.h"
#include "link/link.h"
#include "meter/meter.h"
#include "monitor/monitor.h"
#include "nat/nat.h"
#include "neigh/neigh.h"
#include "ns/ns.h"
#include "qos/qos.h"

struct module *const modules[] = {
	&boot_module,
	&dp_module,
	&trace_module,
	&sysctl_module,
	&link_module,
	&bridge_module,
	&meter_module,
	&ns_module,
	&neigh_module,
	&fib_module,
	&ip_module,
	&flow_module,
	&qos_module,
	&firewall_module,
	&nat_module,
	&explain_module,
	&monitor_module,
	&pending_module,
	NULL,
};

void modules_extend(void)
{
	for (struct module *const *module = modules; *module != NULL; module++)
		if ((*module)->extend != NULL)
			(*module)->extend();
}
