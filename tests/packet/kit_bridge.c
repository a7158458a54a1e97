/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of bridges share. See kit_bridge.h. */
#include "kit_bridge.h"

#include "base/mem.h"

#define PORT(i)                                                                                    \
	"  { name = \"e" #i "\"; device = \"net_ring_p" #i "\"; mac = \"02:00:00:00:e0:0" #i       \
	"\"; },\n"

static const char config_format[] =
	"memory: { hugepages = \"off\"; };\n"
	"links = (\n" PORT(0) PORT(1) PORT(2)
		PORT(3) "  { name = \"wan\"; device = \"net_ring_p4\"; mac = \"" WAN_MAC "\";\n"
			"    addresses = [ \"198.51.100.1/24\" ]; },\n"
			"  { name = \"br0\"; type = \"bridge\"; members = ( %s ); %s }\n"
			");\n"
			"%s\n";

struct bench *bridge_start_with(const char *members, const char *settings, const char *sections,
	unsigned int n_workers, unsigned int n_mbufs)
{
	char *config = mem_printf(config_format, members,
		settings != NULL ? settings : "addresses = [ \"192.0.2.1/24\" ];",
		sections != NULL ? sections : "");
	struct bench *b = bench_create(config, n_workers, n_mbufs);

	free(config);
	bench_discard(b);
	return b;
}

struct bench *bridge_start(const char *members, const char *settings, const char *sections)
{
	return bridge_start_with(members, settings, sections, 1, 8192);
}

void station_frame(struct frame *frame, const char *src, const char *dst, uint32_t n)
{
	frame_ether_type(frame, STATION_TYPE, n);
	REQUIRE(rte_ether_unformat_addr(src, &frame_ether(frame)->src_addr) == 0);
	REQUIRE(rte_ether_unformat_addr(dst, &frame_ether(frame)->dst_addr) == 0);
}

void station_send(struct bench *b, unsigned int port, const struct frame *frame, unsigned int to)
{
	bench_push(b, port, frame);
	for (unsigned int i = 0; i < BENCH_PORTS; i++)
		if (to >> i & 1)
			bench_expect_bytes(b, i, frame);
	bench_expect_nothing(b);
}

struct rte_mbuf *station_send_shared(struct bench *b, unsigned int port, const struct frame *frame)
{
	struct rte_mbuf *m, *clone;

	bench_send(b, port, frame);
	REQUIRE(rte_ring_dequeue(b->rx[port], (void **)&m) == 0);
	clone = rte_pktmbuf_clone(m, b->dp->pool);
	REQUIRE(clone != NULL);
	REQUIRE(rte_ring_enqueue(b->rx[port], clone) == 0);
	bench_run(b);
	return m;
}

void station_says(
	struct bench *b, unsigned int port, const char *src, const char *dst, unsigned int to)
{
	struct frame frame;

	station_frame(&frame, src, dst, 50);
	station_send(b, port, &frame, to);
}

void station_fails(
	struct bench *b, unsigned int port, const struct frame *frame, const char *reason)
{
	struct drops drops = drops_take(b);

	bench_push(b, port, frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, reason, 1);
}

const char *fdb_place(struct bench *b, const char *mac, unsigned int vlan)
{
	json_t *rows = bench_call(b, "fdb.show", NULL), *row;
	static char place[32];
	size_t i;

	place[0] = '\0';
	json_array_foreach(rows, i, row) {
		json_t *in = json_object_get(row, "vlan");

		if (strcmp(json_text_at(row, "mac"), mac) != 0 ||
			(vlan != 0 && json_integer_value(in) != vlan))
			continue;
		ck_assert_msg(place[0] == '\0', "%s is known twice", mac);
		snprintf(place, sizeof(place), "%s", json_text_at(row, "ifname"));
	}
	json_decref(rows);
	return place;
}

unsigned int fdb_count(struct bench *b, const char *member)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", member);
	json_t *rows = bench_call(b, "fdb.show", params), *row;
	unsigned int n = 0;
	size_t i;

	json_array_foreach(rows, i, row)
		n += json_text_at(row, "state")[0] == '\0';
	json_decref(rows);
	free(params);
	return n;
}

void link_set_to(struct bench *b, const char *dev, const char *rest)
{
	char *params = mem_printf("{\"dev\": \"%s\", %s}", dev, rest);

	json_decref(bench_call(b, "link.set", params));
	free(params);
}
