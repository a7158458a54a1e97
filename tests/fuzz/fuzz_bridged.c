/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fuzz target: frames through a bridge that filters by VLAN, which has links of VLANs on it and one among its
 * members, and a table so small that it fills up; members and bridge have qdiscs, whose classifiers are the first to look
 * at what is in a bridged frame.
 */
#include "packet_input.h"

static const char config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; };\n"
	"links = (\n"
	"  { name = \"e0\"; device = \"net_ring_p0\"; mac = \"02:00:00:00:00:01\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; mac = \"02:00:00:00:00:02\"; mtu = 576; },\n"
	"  { name = \"e1.7\"; type = \"vlan\"; parent = \"e1\"; vid = 7; },\n"
	"  { name = \"br0\"; type = \"bridge\"; fdb_max = 64; ageing = \"5s\"; vlan_default_pvid = "
	"10;\n"
	"    members = ( { name = \"e0\"; pvid = 10; vlans = \"20\"; }, { name = \"e1\"; vlans = "
	"\"10,20\"; },\n"
	"      { name = \"e1.7\"; pvid = 20; } );\n"
	"    addresses = [ \"192.0.2.1/24\", \"2001:db8:1::1/64\" ]; },\n"
	"  { name = \"br0.20\"; type = \"vlan\"; parent = \"br0\"; vid = 20; mac = "
	"\"02:00:00:00:00:14\";\n"
	"    addresses = [ \"198.51.100.1/24\", \"2001:db8:2::1/64\" ]; }\n"
	");\n"
	"neighbors = ( { to = \"198.51.100.2\"; lladdr = \"02:00:00:00:02:02\"; dev = \"br0.20\"; "
	"},\n"
	"  { to = \"192.0.2.9\"; lladdr = \"02:00:00:00:01:01\"; dev = \"br0\"; } );\n"
	"fdb = ( { mac = \"02:00:00:00:02:02\"; dev = \"e1\"; vlan = 20; } );\n"
	"routes = ( { to = \"default\"; via = \"198.51.100.2\"; } );\n"
	"qdiscs = (\n"
	"  { link = \"e0\"; kind = \"prio\"; filters = ( { proto = \"tcp\"; dport = 22; band = 0; "
	"}, {"
	" vlan_priority = 5; band = 2; } );\n"
	"    classes = ( { band = 1; child = { kind = \"fq_codel\"; per = \"source\"; }; } ); },\n"
	"  { link = \"e1\"; kind = \"htb\"; default = \"b\"; classes = ( { name = \"a\"; rate = "
	"\"2gbit\";"
	" }, { name = \"b\"; rate = \"1gbit\"; child = { kind = \"fq_codel\"; }; } );\n"
	"    filters = ( { proto = \"udp\"; sport = \"1-100\"; class = \"a\"; }, { src = "
	"\"2001:db8::/32\"; class = \"a\"; } ); },\n"
	"  { link = \"br0\"; kind = \"tbf\"; rate = \"1gbit\"; burst = \"1mb\"; latency = "
	"\"10ms\"; } );\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	packet_input(config, data, size);
	return 0;
}
