/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Bytes of packets through the whole pipeline, on a real worker of a real appliance: what the packet targets
 * have in common.
 *
 * Input: the first byte chooses the port, the next two the length of the first frame; what is left
 * after it is the next packet, up to 8. Every few packets the clock moves on by some seconds, so
 * that timers run. After each input the accounting must be exact and no packet lost.
 */
#include <stddef.h>
#include <stdint.h>

#include "fuzz_eal.h"

enum { PACKETS_MAX = 8 };

/* Links, neighbours and routes; a target may add sections. */
#define PACKET_CONFIG                                                                              \
	"memory: { hugepages = \"off\"; };\n"                                                      \
	"sysctl: { addrconf: { dad_transmits = 0; }; conntrack: { max = 64; max_per_source = 40; " \
	"tcp_timeout_syn_sent = \"4s\"; }; };\n"                                                   \
	"links = (\n"                                                                              \
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"02:00:00:00:00:01\";\n"             \
	"    addresses = [ \"192.0.2.1/24\", \"10.0.0.1/8\", \"2001:db8:1::1/64\" ]; },\n"         \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"02:00:00:00:00:02\"; promiscuous "  \
	"= "                                                                                       \
	"true;\n"                                                                                  \
	"    mtu = 576; addresses = [ \"198.51.100.1/24\", \"2001:db8:2::1/64\" ]; }\n"            \
	");\n"                                                                                     \
	"neighbors = ( { to = \"198.51.100.2\"; lladdr = \"02:00:00:00:02:02\"; dev = \"wan\"; "   \
	"},\n"                                                                                     \
	"  { to = \"2001:db8:2::2\"; lladdr = \"02:00:00:00:02:02\"; dev = \"wan\"; } );\n"        \
	"routes = ( { to = \"default\"; via = \"198.51.100.2\"; },\n"                              \
	"  { to = \"::/0\"; via = \"2001:db8:2::2\"; },\n"                                         \
	"  { to = \"2001:db8:a::/48\"; type = \"unreachable\"; },\n"                               \
	"  { to = \"2001:db8:b::/48\"; type = \"blackhole\"; },\n"                                 \
	"  { to = \"203.0.113.0/24\"; type = \"unreachable\"; },\n"                                \
	"  { to = \"203.0.114.0/24\"; type = \"prohibit\"; },\n"                                   \
	"  { to = \"203.0.115.0/24\"; type = \"blackhole\"; } );\n"

/* One input; an appliance of that configuration is made with the first. */
static inline void packet_input(const char *config, const uint8_t *data, size_t size)
{
	static struct bench *b;
	static struct frame frame;
	static unsigned int n_inputs;
	struct dp_totals totals;

	if (b == NULL) {
		fuzz_init_eal();
		b = bench_create(config, 1, 4096);
	}
	for (unsigned int i = 0; i < PACKETS_MAX && size > 3; i++) {
		unsigned int port = data[0] & 1;
		size_t len = (size_t)(data[1] << 8 | data[2]) % 2000;
		uint16_t seg_len = data[0] & 2 ? (uint16_t)(1 + data[0] / 4) : 2048;

		data += 3;
		size -= 3;
		len = RTE_MIN(RTE_MAX(len, (size_t)1), size);
		memcpy(frame.bytes, data, len);
		frame.len = (uint32_t)len;
		data += len;
		size -= len;
		bench_send_segs(b, port, &frame, RTE_MAX(seg_len, (uint16_t)(len / 100 + 1)));
	}
	bench_run(b);
	if (++n_inputs % 64 == 0)
		bench_advance(b, 2000);
	dp_totals(b->dp, &totals);
	if (totals.difference != 0)
		abort();
	bench_discard(b);
	/* With nothing held, every buffer is back. */
	if (totals.stats.held == 0 && rte_mempool_avail_count(b->dp->pool) != b->dp->pool->size)
		abort();
}
