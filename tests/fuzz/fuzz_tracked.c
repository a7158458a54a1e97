/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fuzz target: packets through a firewall with translation: small tables, so that they fill up, and short
 * times, so that connections end.
 */
#include "packet_input.h"

static const char config[] = PACKET_CONFIG
	"firewall: {\n"
	"  prerouting: { rules = ( { proto = \"tcp\"; dport = 2; action = \"dnat\"; to = "
	"\"192.0.2.9:80\"; },\n"
	"    { proto = \"udp\"; dport = 3; action = \"redirect\"; }, { proto = \"udp\"; dport = 4; "
	"action = \"notrack\"; },\n"
	"    { dscp = 1; action = \"mark\"; to = \"7\"; } ); };\n"
	"  input: { rules = ( { proto = \"tcp\"; action = \"reject\"; to = \"tcp-reset\"; } ); };\n"
	"  forward: { policy = \"drop\"; rules = ( { proto = \"udp\"; dport = 5; action = "
	"\"reject\"; },\n"
	"    { mark = 7; rate = \"1mbit\"; action = \"accept\"; }, { limit = \"1000/second\"; "
	"action = \"dscp\"; to = \"ef\"; },\n"
	"    { action = \"accept\"; } ); };\n"
	"  postrouting: { rules = ( { proto = [ \"tcp\", \"udp\", \"icmp\" ]; src = "
	"\"192.0.2.0/24\"; action = \"masquerade\"; },\n"
	"    { src = \"2001:db8:1::/64\"; action = \"masquerade\"; }, { src = \"10.0.0.0/8\"; "
	"action = \"snat\"; to = "
	"\"198.51.100.1:5000-5007\"; proto = \"udp\"; } ); };\n"
	"};\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	packet_input(config, data, size);
	return 0;
}
