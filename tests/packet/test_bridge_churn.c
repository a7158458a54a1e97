/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bridges that change while two workers on threads of their own forward by them: members and VLANs come and go,
 * bridges, too. Every packet must be accounted for, and nobody may read what is gone. The topology is that of
 * kit_bridge.h.
 */
#include "kit_bridge.h"

#include <rte_cycles.h>

static void fill(struct bench *b, unsigned int port, uint16_t vid)
{
	struct frame frame;

	if (rte_ring_count(b->rx[port]) > 512)
		return;
	for (unsigned int i = 0; i < 256; i++) {
		station_frame(&frame, STATION_A, i % 4 == 0 ? ANY_MAC : STATION_B, 50);
		frame.bytes[11] = (uint8_t)(port << 6 | (i & 31));
		frame.bytes[5] = (uint8_t)((3 - port) << 6 | (i >> 2 & 31));
		if (vid != 0)
			frame_tag(&frame, RTE_ETHER_TYPE_VLAN, vid);
		bench_send(b, port, &frame);
	}
}

static const struct {
	const char *method, *params;
} churn[] = {
	{ "link.set", "{\"dev\": \"e1\", \"nomaster\": true}" },
	{ "link.set", "{\"dev\": \"e2\", \"vlans\": \"20\"}" },
	{ "link.set", "{\"dev\": \"e1\", \"master\": \"br0\", \"vlans\": \"10\"}" },
	{ "link.set", "{\"dev\": \"e2\", \"nomaster\": true}" },
	{ "link.set", "{\"dev\": \"e2\", \"master\": \"br0\", \"vlans\": \"10-20\"}" },
	{ "link.set", "{\"dev\": \"e0\", \"nomaster\": true}" },
	{ "link.set", "{\"dev\": \"e0\", \"master\": \"br0\", \"pvid\": 10}" },
	{ "link.set", "{\"dev\": \"e3\", \"state\": \"down\"}" },
	{ "link.set", "{\"dev\": \"e3\", \"state\": \"up\"}" },
	{ "fdb.flush", "{\"dev\": \"br0\"}" },
};

START_TEST(members_come_and_go_under_traffic)
{
	struct bench *b = bridge_start_with("{ name = \"e0\"; pvid = 10; }, { name = \"e1\"; vlans "
					    "= \"10\"; }, { name = \"e2\"; vlans = \"10-20\"; }, "
					    "{ name = \"e3\"; pvid = 10; }",
		"fdb_max = 1000;", NULL, 2, 32768);
	uint64_t end = rte_rdtsc() + 3 * rte_get_tsc_hz();
	unsigned int n = 0;

	bench_launch(b);
	while (rte_rdtsc() < end || n % RTE_DIM(churn) != 0) {
		fill(b, E0, 0);
		fill(b, E1, 10);
		fill(b, E2, 10);
		fill(b, E3, 0);
		json_decref(bench_call(
			b, churn[n % RTE_DIM(churn)].method, churn[n % RTE_DIM(churn)].params));
		n++;
		for (unsigned int port = E0; port <= E3; port++)
			bench_count(b, port);
	}
	bench_join(b);
	ck_assert_uint_gt(n, 100);
	bench_run(b);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *method, *params;
} remakes[] = {
	{ "link.del", "{\"dev\": \"br0\"}" },
	{ "link.add",
		"{\"name\": \"br0\", \"type\": \"bridge\", \"members\": [{\"name\": \"e0\", "
		"\"pvid\": "
		"10}, {\"name\": \"e1\", \"vlans\": \"10\"}, \"e2\", \"e3\"], \"fdb_max\": 1000}" },
	{ "link.del", "{\"dev\": \"br0\"}" },
	{ "link.add",
		"{\"name\": \"br0\", \"type\": \"bridge\", \"members\": [\"e0\", \"e1\", \"e2\"], "
		"\"fdb_max\": 1000}" },
};

START_TEST(bridges_come_and_go_under_traffic)
{
	struct bench *b = bridge_start_with(ALL_MEMBERS, "fdb_max = 1000;", NULL, 2, 32768);
	uint64_t end = rte_rdtsc() + 2 * rte_get_tsc_hz();
	unsigned int n = 0;

	bench_launch(b);
	while (rte_rdtsc() < end) {
		for (unsigned int port = E0; port <= E3; port++)
			fill(b, port, port == E1 ? 10 : 0);
		json_decref(bench_call(b, remakes[n % RTE_DIM(remakes)].method,
			remakes[n % RTE_DIM(remakes)].params));
		n++;
		for (unsigned int port = E0; port <= E3; port++)
			bench_count(b, port);
	}
	bench_join(b);
	ck_assert_uint_gt(n, 50);
	bench_run(b);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge_churn", PLAIN_TEST(members_come_and_go_under_traffic),
	PLAIN_TEST(bridges_come_and_go_under_traffic))
