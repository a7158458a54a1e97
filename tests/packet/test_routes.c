/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Routes as packets take them and as operators see them: the longest match decides, changes count
 * from the next packet on, and answers have the shapes of `ip -j route`. Next hops are in test_nexthops.c.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit6.h"

#include "base/mem.h"

static const char via_wan[] = "\"via\": \"198.51.100.10\"";
static const char via_dmz[] = "\"via\": \"203.0.113.10\"";

static void route(struct bench *b, const char *verb, const char *to, const char *with)
{
	char *method = mem_printf("route.%s", verb);
	char *params = mem_printf("{\"to\": \"%s\"%s%s}", to, with[0] != '\0' ? ", " : "", with);

	json_decref(bench_call(b, method, params));
	free(method);
	free(params);
}

/* Where a packet of the host on lan goes, of either family: the port, or -1. */
static int way_of(struct bench *b, const char *dst)
{
	struct frame frame;
	int way = -1;

	if (strchr(dst, ':') == NULL)
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = dst });
	else
		frame_ip6(&frame, &(struct ip6_spec){ .dst = dst });
	bench_push(b, LAN, &frame);
	for (int port = WAN; port <= DMZ; port++)
		if (bench_count(b, (unsigned int)port) > 0)
			way = port;
	bench_discard(b);
	return way;
}

/* Longest match */

START_TEST(the_longest_prefix_decides)
{
	struct bench *b = bench_start(router_config);
	char prefix[32];

	/* 10.77.0.0/8 to /32 in turn by wan and dmz, and back again. */
	for (unsigned int len = 9; len <= 32; len++) {
		uint32_t mask = UINT32_MAX << (32 - len), addr = 0x0a4d5aa5 & mask;

		snprintf(prefix, sizeof(prefix), "%u.%u.%u.%u/%u", addr >> 24, addr >> 16 & 255,
			addr >> 8 & 255, addr & 255, len);
		route(b, "add", prefix, len % 2 ? via_wan : via_dmz);
		ck_assert_int_eq(way_of(b, "10.77.90.165"), len % 2 ? WAN : DMZ);
	}
	for (unsigned int len = 32; len >= 9; len--) {
		uint32_t mask = UINT32_MAX << (32 - len), addr = 0x0a4d5aa5 & mask;

		snprintf(prefix, sizeof(prefix), "%u.%u.%u.%u/%u", addr >> 24, addr >> 16 & 255,
			addr >> 8 & 255, addr & 255, len);
		ck_assert_int_eq(way_of(b, "10.77.90.165"), len % 2 ? WAN : DMZ);
		route(b, "del", prefix, "");
	}
	ck_assert_int_eq(way_of(b, "10.77.90.165"), DMZ);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *dst;
	int way;
} lookups[] = {
	{ "10.0.0.0", DMZ },
	{ "10.255.255.255", DMZ },
	{ "9.255.255.255", WAN },
	{ "11.0.0.0", WAN },
	{ "20.0.0.127", WAN },
	{ "20.0.0.128", DMZ }, /* 20.0.0.128/25 */
	{ "20.0.0.255", DMZ },
	{ "20.0.1.0", WAN },
	{ "20.0.0.130", WAN }, /* 20.0.0.130/32 */
	{ "20.0.0.131", DMZ },
	{ "21.0.0.1", DMZ }, /* 20.0.0.0/7 but for 20.0.0.0/8 */
	{ "1.0.0.0", WAN },
	{ "223.255.255.255", WAN },
};

START_TEST(prefixes_end_where_they_end)
{
	struct bench *b = bench_start(router_config);

	route(b, "add", "20.0.0.0/7", via_dmz);
	route(b, "add", "20.0.0.0/8", via_wan);
	route(b, "add", "20.0.0.128/25", via_dmz);
	route(b, "add", "20.0.0.130/32", via_wan);
	ck_assert_int_eq(way_of(b, lookups[_i].dst), lookups[_i].way);
	bench_destroy(b);
}
END_TEST

/* Changes */

START_TEST(a_replaced_route_is_taken_by_the_next_packet_and_none_is_lost)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < 50; i++) {
		route(b, "replace", "10.0.0.0/8", via_wan);
		ck_assert_int_eq(way_of(b, "10.1.1.1"), WAN);
		route(b, "replace", "10.0.0.0/8", via_dmz);
		ck_assert_int_eq(way_of(b, "10.1.1.1"), DMZ);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_deleted_route_gives_way_to_what_lies_under_it)
{
	struct bench *b = bench_start(router_config);

	route(b, "del", "10.0.0.0/8", "");
	ck_assert_int_eq(way_of(b, "10.1.1.1"), WAN);
	route(b, "del", "default", "");
	ck_assert_int_eq(way_of(b, "10.1.1.1"), -1);
	ck_assert_uint_eq(bench_drops(b, "ip4_no_route"), 1);
	route(b, "add", "default", via_dmz);
	ck_assert_int_eq(way_of(b, "10.1.1.1"), DMZ);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *type, *reason, *get_error;
} refusing[] = {
	{ "blackhole", "ip4_blackhole", "Invalid argument" },
	{ "unreachable", "ip4_unreachable", "No route to host" },
	{ "prohibit", "ip4_prohibited", "Permission denied" },
};

START_TEST(routes_may_refuse)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	char type[64];

	snprintf(type, sizeof(type), "\"type\": \"%s\"", refusing[_i].type);
	route(b, "add", "10.5.0.0/16", type);
	ck_assert_int_eq(way_of(b, "10.5.1.1"), -1);
	drops_expect(b, &drops, refusing[_i].reason, 1);
	bench_expect_error(b, "route.get", "{\"to\": \"10.5.1.1\"}", refusing[_i].get_error);
	route(b, "replace", "10.5.0.0/16", via_wan);
	ck_assert_int_eq(way_of(b, "10.5.1.1"), WAN);
	bench_destroy(b);
}
END_TEST

START_TEST(a_route_without_gateway_asks_for_each_host)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	route(b, "add", "172.20.0.0/16", "\"dev\": \"wan\"");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "172.20.1.2" });
	bench_push(b, LAN, &frame);
	bench_expect(b, WAN, &frame);
	ck_assert_uint_eq(frame_arp_hdr(&frame)->arp_data.arp_tip, ip4_be("172.20.1.2"));
	bench_destroy(b);
}
END_TEST

START_TEST(a_known_neighbour_does_not_outdo_a_route_to_it)
{
	struct bench *b = bench_start(router_config);

	/* The neighbour 198.51.100.10 has an entry of its own below the connected route. */
	ck_assert_int_eq(way_of(b, "198.51.100.10"), WAN);
	route(b, "add", "198.51.100.10/32", via_dmz);
	ck_assert_int_eq(way_of(b, "198.51.100.10"), DMZ);
	route(b, "del", "198.51.100.10/32", "");
	ck_assert_int_eq(way_of(b, "198.51.100.10"), WAN);
	route(b, "add", "198.51.100.0/28", "\"type\": \"blackhole\"");
	ck_assert_int_eq(way_of(b, "198.51.100.10"), -1);
	route(b, "del", "198.51.100.0/28", "");
	ck_assert_int_eq(way_of(b, "198.51.100.10"), WAN);
	bench_destroy(b);
}
END_TEST

/* Lists, and what is shown */

static const char several_config[] =
	"links = (\n"
	"  { name = \"lan\"; device = \"net_ring_p0\"; addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; addresses = [ \"198.51.100.1/24\" ]; }\n"
	");\n"
	"routes = (\n"
	"  { to = \"::/0\"; type = \"prohibit\"; },\n"
	"  { to = \"2001:db8::/32\"; type = \"blackhole\"; metric = 7; },\n"
	"  { to = \"172.16.0.0/12\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"10.0.0.0/8\"; via = \"172.16.0.1\"; },\n"
	"  { to = \"9.0.0.0/8\"; via = \"10.0.0.1\"; },\n"
	"  { to = \"20.0.0.0/8\"; nexthops = ( { via = \"192.0.2.10\"; weight = 2; },\n"
	"      { via = \"100.64.0.1\"; dev = \"wan\"; onlink = true; } ); }\n"
	");\n";

START_TEST(what_config_show_prints_makes_the_same_routes)
{
	struct bench *b = bench_start(several_config);
	char *routes = bench_answer(b, "route.show", "{}"), *again;
	json_t *config = bench_call(b, "config.show", NULL);

	ck_assert_ptr_nonnull(strstr(routes, "\"weight\": 2"));
	bench_destroy(b);
	b = bench_start(json_string_value(config));
	again = bench_answer(b, "route.show", "{}");
	ck_assert_str_eq(routes, again);
	bench_destroy(b);
	json_decref(config);
	free(routes);
	free(again);
}
END_TEST

START_TEST(a_list_of_routes_is_done_up_to_the_first_that_fails)
{
	struct bench *b = bench_start(router_config);
	json_t *done;

	done = bench_call(b, "route.add",
		"{\"routes\": [{\"to\": \"10.1.0.0/16\"}, {\"to\": \"10.2.0.0/16\"}], "
		"\"via\": \"198.51.100.10\"}");
	ck_assert_int_eq(json_int_at(done, "done"), 2);
	json_decref(done);
	ck_assert_int_eq(way_of(b, "10.1.1.1"), WAN);
	ck_assert_int_eq(way_of(b, "10.2.1.1"), WAN);
	bench_expect_error(b, "route.add",
		"{\"routes\": [{\"to\": \"10.3.0.0/16\"}, {\"to\": \"10.2.0.0/16\"}, "
		"{\"to\": \"10.4.0.0/16\"}], \"via\": \"198.51.100.10\"}",
		"routes[1]: File exists");
	ck_assert_int_eq(way_of(b, "10.3.1.1"), WAN);
	ck_assert_int_eq(way_of(b, "10.4.1.1"), DMZ);
	bench_expect_error(
		b, "route.add", "{\"routes\": [{\"to\": \"10.5.0.0/33\"}]}", "routes[0].to");
	bench_expect_error(b, "route.add", "{\"routes\": {}}", "must be a list");
	bench_expect_error(b, "route.add", "{\"routes\": [7]}", "must be an object");
	done = bench_call(b, "route.del",
		"{\"routes\": [{\"to\": \"10.1.0.0/16\"}, {\"to\": \"10.2.0.0/16\"}]}");
	json_decref(done);
	ck_assert_int_eq(way_of(b, "10.1.1.1"), DMZ);
	bench_destroy(b);
}
END_TEST

/* Both families in one list */

#define BOTH_CONFIG                                                                                \
	"sysctl: { addrconf: { dad_transmits = 0; }; };\n"                                         \
	"links = (\n"                                                                              \
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"                   \
	"    addresses = [ \"192.0.2.1/24\", \"2001:db8:1::1/64\" ]; },\n"                         \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"                   \
	"    addresses = [ \"198.51.100.1/24\", \"2001:db8:2::1/64\" ]; },\n"                      \
	"  { name = \"dmz\"; device = \"net_ring_p2\"; mac = \"" DMZ_MAC "\";\n"                   \
	"    addresses = [ \"203.0.113.1/24\", \"2001:db8:3::1/64\" ]; }\n"                        \
	");\n"                                                                                     \
	"neighbors = (\n"                                                                          \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"               \
	"  { to = \"2001:db8:2::10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"              \
	"  { to = \"203.0.113.10\"; lladdr = \"" DMZ_HOST "\"; dev = \"dmz\"; },\n"                \
	"  { to = \"2001:db8:3::10\"; lladdr = \"" DMZ_HOST "\"; dev = \"dmz\"; }\n"               \
	");\n"

static const struct {
	const char *to, *via, *addr; /* in it */
	int way;
} both[] = {
	{ "10.1.0.0/16", "198.51.100.10", "10.1.2.3", WAN },
	{ "2001:db8:a::/48", "2001:db8:3::10", "2001:db8:a::1", DMZ },
	{ "2001:db8:b::/48", "2001:db8:2::10", "2001:db8:b::1", WAN },
	{ "10.2.0.0/16", "203.0.113.10", "10.2.2.3", DMZ },
	{ "::/0", "2001:db8:3::10", "2001:db8:ffff::1", DMZ },
	{ "0.0.0.0/0", "198.51.100.10", "9.9.9.9", WAN },
};

/* All of `both` as items of a list, each made of a format with `to` and `via`. Heap. */
static char *both_list(const char *before, const char *item, const char *after)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs(before, out);
	for (unsigned int i = 0; i < RTE_DIM(both); i++) {
		char one[128];

		snprintf(one, sizeof(one), item, both[i].to, both[i].via);
		fprintf(out, "%s%s", i > 0 ? ", " : "", one);
	}
	fputs(after, out);
	fclose(out);
	return text;
}

static void both_expect(struct bench *b)
{
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < RTE_DIM(both); i++)
		ck_assert_int_eq(way_of(b, both[i].addr), both[i].way);
	drops_expect_none(b, &drops);
}

START_TEST(a_list_of_both_families_is_carried_by_both)
{
	char *config =
		both_list(BOTH_CONFIG "routes = (\n", "{ to = \"%s\"; via = \"%s\"; }", ");\n");
	char *list = both_list("{\"routes\": [", "{\"to\": \"%s\", \"via\": \"%s\"}", "]}");
	struct bench *b = bench_start(config);
	json_t *shown;

	both_expect(b);
	json_decref(bench_call(b, "route.del", list));
	for (unsigned int i = 0; i < RTE_DIM(both); i++)
		ck_assert_int_eq(way_of(b, both[i].addr), -1);
	json_decref(bench_call(b, "route.add", list));
	both_expect(b);
	json_decref(bench_call(b, "route.replace", list));
	both_expect(b);
	/* What stands beside the list counts for both, too; an address only for its own family. */
	json_decref(bench_call(b, "route.add",
		"{\"routes\": [{\"to\": \"10.3.0.0/16\"}, {\"to\": \"2001:db8:c::/48\"}], "
		"\"type\": \"blackhole\"}"));
	ck_assert_int_eq(way_of(b, "10.3.0.1"), -1);
	ck_assert_int_eq(way_of(b, "2001:db8:c::1"), -1);
	ck_assert_uint_eq(bench_drops(b, "ip4_blackhole"), 1);
	ck_assert_uint_eq(bench_drops(b, "ip6_blackhole"), 1);
	bench_expect_error(b, "route.add",
		"{\"routes\": [{\"to\": \"10.4.0.0/16\"}, {\"to\": \"2001:db8:d::/48\"}], "
		"\"via\": \"198.51.100.10\"}",
		"routes[1]");
	shown = bench_call(b, "config.show", NULL);
	bench_destroy(b);
	b = bench_start(json_string_value(shown));
	both_expect(b);
	bench_destroy(b);
	json_decref(shown);
	free(config);
	free(list);
}
END_TEST

/* What is refused, in the words that users of ip(8) know */

static const struct {
	const char *method, *params, *text;
} refused[] = {
	{ "route.add", "{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.10\"}", "File exists" },
	{ "route.add", "{\"to\": \"10.0.0.1/8\", \"via\": \"198.51.100.10\"}", "Invalid prefix" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"via\": \"100.64.0.1\"}", "invalid gateway" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"via\": \"192.0.2.1\"}", "invalid gateway" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"via\": \"192.0.2.255\"}", "invalid gateway" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"via\": \"224.0.0.1\", \"dev\": \"lan\"}",
		"invalid gateway" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"dev\": \"nil\"}",
		"Cannot find device \"nil\"" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\"}", "via or dev" },
	{ "route.add", "{\"to\": \"10.1.0.0/33\", \"dev\": \"lan\"}", "to" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"type\": \"blackhole\", \"dev\": \"lan\"}",
		"can not be specified" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"dev\": \"lan\", \"metric\": 4294967296}",
		"metric" },
	{ "route.add",
		"{\"to\": \"10.1.0.0/16\", \"dev\": \"lan\", \"nexthops\": [{\"dev\": \"wan\"}]}",
		"in place of" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"nexthops\": [{\"dev\": \"nil\"}]}",
		"Cannot find device \"nil\"" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"nexthops\": [{\"weight\": 2}]}", "via or dev" },
	{ "route.add",
		"{\"to\": \"10.1.0.0/16\", \"nexthops\": [{\"dev\": \"lan\", \"weight\": 257}]}",
		"1 to 256" },
	{ "route.add", "{\"to\": \"10.1.0.0/16\", \"via\": \"192.0.2.9\", \"onlink\": true}",
		"onlink needs dev" },
	{ "route.add", "{\"to\": \"10.0.0.0/16\", \"via\": \"10.0.0.1\"}", "its own gateway" },
	{ "route.del", "{\"to\": \"10.1.0.0/16\"}", "No such process" },
	{ "route.del", "{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.10\"}", "No such process" },
	{ "route.del", "{\"to\": \"10.0.0.0/8\", \"dev\": \"wan\"}", "No such process" },
	{ "route.del", "{\"to\": \"10.0.0.0/8\", \"metric\": 1}", "No such process" },
	{ "route.get", "{\"to\": \"10.1.1.1\", \"iif\": \"nil\"}", "Cannot find device" },
	{ "route.get", "{\"to\": \"10.1.1.1\", \"from\": \"100.64.0.1\"}", "unreachable" },
	{ "route.show", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "addr.add", "{\"local\": \"192.0.2.1/24\", \"dev\": \"wan\"}", "already used" },
	{ "addr.add", "{\"local\": \"100.64.0.0/24\", \"dev\": \"wan\"}", "network's own address" },
	{ "addr.add", "{\"local\": \"100.64.0.255/24\", \"dev\": \"wan\"}", "broadcast address" },
	{ "addr.add", "{\"local\": \"127.0.0.1/8\", \"dev\": \"wan\"}", "not a unicast address" },
	{ "addr.add", "{\"local\": \"100.64.0.1/0\", \"dev\": \"wan\"}", "prefix length" },
	{ "addr.add", "{\"local\": \"ff02::1/64\", \"dev\": \"wan\"}", "not a unicast address" },
	{ "addr.add", "{\"local\": \"100.64.0.1/24\", \"dev\": \"nil\"}", "Cannot find device" },
	{ "addr.del", "{\"local\": \"192.0.2.1/25\", \"dev\": \"lan\"}", "does not have" },
	{ "addr.del", "{\"local\": \"192.0.2.1/24\", \"dev\": \"wan\"}", "does not have" },
	{ "addr.show", "{\"dev\": \"nil\"}", "does not exist" },
};

START_TEST(what_cannot_be_is_refused_and_changes_nothing)
{
	struct bench *b = bench_start(router_config);
	char *before = bench_answer(b, "route.show", "{\"table\": \"all\"}"), *after;

	bench_expect_error(b, refused[_i].method, refused[_i].params, refused[_i].text);
	after = bench_answer(b, "route.show", "{\"table\": \"all\"}");
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	bench_destroy(b);
}
END_TEST

/* Answers */

static const struct {
	const char *method, *params, *answer; /* keys sorted */
} answers[] = {
	{ "route.show", "{}",
		"[{\"dst\": \"default\", \"dev\": \"wan\", \"flags\": [], \"gateway\": "
		"\"198.51.100.10\", \"protocol\": \"static\"}, "
		"{\"dst\": \"10.0.0.0/8\", \"dev\": \"dmz\", \"flags\": [], \"gateway\": "
		"\"203.0.113.10\", \"protocol\": \"static\"}, "
		"{\"dst\": \"192.0.2.0/24\", \"dev\": \"lan\", \"flags\": [], \"prefsrc\": "
		"\"192.0.2.1\", \"protocol\": \"kernel\", \"scope\": \"link\"}, "
		"{\"dst\": \"198.51.100.0/24\", \"dev\": \"wan\", \"flags\": [], \"prefsrc\": "
		"\"198.51.100.1\", \"protocol\": \"kernel\", \"scope\": \"link\"}, "
		"{\"dst\": \"203.0.113.0/24\", \"dev\": \"dmz\", \"flags\": [], \"prefsrc\": "
		"\"203.0.113.1\", \"protocol\": \"kernel\", \"scope\": \"link\"}]" },
	{ "route.show", "{\"dev\": \"dmz\", \"table\": \"local\"}",
		"[{\"dst\": \"203.0.113.0\", \"dev\": \"dmz\", \"flags\": [], \"prefsrc\": "
		"\"203.0.113.1\", \"protocol\": \"kernel\", \"scope\": \"link\", \"type\": "
		"\"broadcast\"}, "
		"{\"dst\": \"203.0.113.1\", \"dev\": \"dmz\", \"flags\": [], \"prefsrc\": "
		"\"203.0.113.1\", \"protocol\": \"kernel\", \"scope\": \"host\", \"type\": "
		"\"local\"}, "
		"{\"dst\": \"203.0.113.255\", \"dev\": \"dmz\", \"flags\": [], \"prefsrc\": "
		"\"203.0.113.1\", \"protocol\": \"kernel\", \"scope\": \"link\", \"type\": "
		"\"broadcast\"}]" },
	{ "route.get", "{\"to\": \"10.1.2.3\"}",
		"[{\"cache\": [], \"dev\": \"dmz\", \"dst\": \"10.1.2.3\", \"flags\": [], "
		"\"gateway\": \"203.0.113.10\", \"prefsrc\": \"203.0.113.1\"}]" },
	{ "route.get", "{\"to\": \"192.0.2.77\"}",
		"[{\"cache\": [], \"dev\": \"lan\", \"dst\": \"192.0.2.77\", \"flags\": [], "
		"\"prefsrc\": \"192.0.2.1\"}]" },
	{ "route.get", "{\"to\": \"192.0.2.1\"}",
		"[{\"cache\": [\"local\"], \"dev\": \"lan\", \"dst\": \"192.0.2.1\", \"flags\": "
		"[], "
		"\"prefsrc\": \"192.0.2.1\", \"type\": \"local\"}]" },
	{ "route.get", "{\"to\": \"192.0.2.255\"}",
		"[{\"cache\": [\"local\", \"brd\"], \"dev\": \"lan\", \"dst\": \"192.0.2.255\", "
		"\"flags\": [], \"prefsrc\": \"192.0.2.1\", \"type\": \"broadcast\"}]" },
	{ "route.get", "{\"to\": \"8.8.8.8\", \"from\": \"192.0.2.10\", \"iif\": \"lan\"}",
		"[{\"cache\": [], \"dev\": \"wan\", \"dst\": \"8.8.8.8\", \"flags\": [], \"from\": "
		"\"192.0.2.10\", \"gateway\": \"198.51.100.10\", \"iif\": \"lan\"}]" },
	{ "route.get", "{\"to\": \"8.8.8.8\", \"from\": \"192.0.2.1\"}",
		"[{\"cache\": [], \"dev\": \"wan\", \"dst\": \"8.8.8.8\", \"flags\": [], "
		"\"gateway\": \"198.51.100.10\", \"prefsrc\": \"192.0.2.1\"}]" },
};

START_TEST(answers_have_the_shapes_of_iproute2)
{
	struct bench *b = bench_start(router_config);
	json_t *got = bench_call(b, answers[_i].method, answers[_i].params);
	json_t *want = json_loads(answers[_i].answer, 0, NULL);
	char *text = json_dumps(got, JSON_SORT_KEYS);

	ck_assert_ptr_nonnull(want);
	ck_assert_msg(json_equal(got, want), "%s", text);
	free(text);
	json_decref(got);
	json_decref(want);
	bench_destroy(b);
}
END_TEST

START_TEST(a_route_by_command_is_shown_with_all_that_was_said)
{
	struct bench *b = bench_start(router_config);
	json_t *rows;

	route(b, "add", "10.5.0.0/16", "\"via\": \"100.64.0.1\", \"dev\": \"wan\", \"metric\": 7");
	rows = bench_call(b, "route.show", "{\"to\": \"10.5.0.0/16\"}");
	ck_assert_str_eq(json_text_at(rows, "0.gateway"), "100.64.0.1");
	ck_assert_str_eq(json_text_at(rows, "0.protocol"), "boot");
	ck_assert_int_eq(json_int_at(rows, "0.metric"), 7);
	ck_assert_str_eq(json_text_at(rows, "0.flags.0"), "onlink");
	json_decref(rows);
	route(b, "add", "10.6.0.0/16", "\"type\": \"prohibit\"");
	rows = bench_call(b, "route.show", "{\"type\": \"prohibit\"}");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_str_eq(json_text_at(rows, "0.dst"), "10.6.0.0/16");
	ck_assert_str_eq(json_text_at(rows, "0.type"), "prohibit");
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

/* Addresses */

START_TEST(an_address_brings_its_network_and_takes_it_away)
{
	struct bench *b = bench_start(router_config);
	static const char addr[] = "{\"local\": \"10.9.0.1/24\", \"dev\": \"wan\"}";
	struct frame frame;

	ck_assert_int_eq(way_of(b, "10.9.0.1"), DMZ);
	json_decref(bench_call(b, "addr.add", addr));
	bench_discard(b);
	/* The address is ours. */
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "10.9.0.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	/* The network is on wan. */
	ck_assert_int_eq(way_of(b, "10.9.0.7"), WAN);
	/* Its broadcast address is nobody's. */
	ck_assert_int_eq(way_of(b, "10.9.0.255"), -1);
	ck_assert_uint_eq(bench_drops(b, "ip4_broadcast"), 1);
	/* Nobody else may use it as a source. */
	frame_ip4(&frame, &(struct ip4_spec){ .src = "10.9.0.1", .dst = "8.8.8.8" });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "ip4_source_is_ours"), 1);
	json_decref(bench_call(b, "addr.del", addr));
	ck_assert_int_eq(way_of(b, "10.9.0.1"), DMZ);
	ck_assert_int_eq(way_of(b, "10.9.0.7"), DMZ);
	ck_assert_int_eq(way_of(b, "10.9.0.255"), DMZ);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "ip4_source_is_ours"), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_broadcast_address_of_two_networks_goes_with_the_last)
{
	struct bench *b = bench_start(router_config);

	json_decref(bench_call(b, "addr.add", "{\"local\": \"10.9.0.1/24\", \"dev\": \"wan\"}"));
	json_decref(bench_call(b, "addr.add", "{\"local\": \"10.9.0.129/25\", \"dev\": \"wan\"}"));
	json_decref(bench_call(b, "addr.del", "{\"local\": \"10.9.0.129/25\", \"dev\": \"wan\"}"));
	bench_discard(b);
	ck_assert_int_eq(way_of(b, "10.9.0.255"), -1);
	ck_assert_uint_eq(bench_drops(b, "ip4_broadcast"), 1);
	ck_assert_int_eq(way_of(b, "10.9.0.128"), WAN);
	json_decref(bench_call(b, "addr.del", "{\"local\": \"10.9.0.1/24\", \"dev\": \"wan\"}"));
	ck_assert_int_eq(way_of(b, "10.9.0.255"), DMZ);
	bench_destroy(b);
}
END_TEST

START_TEST(networks_of_two_hosts_have_no_broadcast_address)
{
	struct bench *b = bench_start(router_config);

	json_decref(bench_call(b, "addr.add", "{\"local\": \"10.9.0.0/31\", \"dev\": \"wan\"}"));
	ck_assert_int_eq(way_of(b, "10.9.0.1"), WAN); /* asks for the other one */
	ck_assert_uint_eq(bench_drops(b, "ip4_broadcast"), 0);
	bench_destroy(b);
}
END_TEST

START_TEST(the_last_address_takes_the_links_routes_along)
{
	struct bench *b = bench_start(router_config);

	json_decref(bench_call(b, "addr.add", "{\"local\": \"203.0.113.2/24\", \"dev\": \"dmz\"}"));
	json_decref(bench_call(b, "addr.del", "{\"local\": \"203.0.113.1/24\", \"dev\": \"dmz\"}"));
	ck_assert_int_eq(way_of(b, "10.1.1.1"), DMZ);
	json_decref(bench_call(b, "addr.del", "{\"local\": \"203.0.113.2/24\", \"dev\": \"dmz\"}"));
	ck_assert_int_eq(way_of(b, "10.1.1.1"), WAN);
	ck_assert_int_eq(way_of(b, "203.0.113.10"), WAN);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("routes", PLAIN_TEST(the_longest_prefix_decides),
	LOOP_TEST(prefixes_end_where_they_end, lookups),
	PLAIN_TEST(a_replaced_route_is_taken_by_the_next_packet_and_none_is_lost),
	PLAIN_TEST(a_deleted_route_gives_way_to_what_lies_under_it),
	LOOP_TEST(routes_may_refuse, refusing),
	PLAIN_TEST(a_route_without_gateway_asks_for_each_host),
	PLAIN_TEST(a_known_neighbour_does_not_outdo_a_route_to_it),
	LOOP_TEST(what_cannot_be_is_refused_and_changes_nothing, refused),
	LOOP_TEST(answers_have_the_shapes_of_iproute2, answers),
	PLAIN_TEST(a_route_by_command_is_shown_with_all_that_was_said),
	PLAIN_TEST(what_config_show_prints_makes_the_same_routes),
	PLAIN_TEST(a_list_of_routes_is_done_up_to_the_first_that_fails),
	PLAIN_TEST(a_list_of_both_families_is_carried_by_both),
	PLAIN_TEST(an_address_brings_its_network_and_takes_it_away),
	PLAIN_TEST(a_broadcast_address_of_two_networks_goes_with_the_last),
	PLAIN_TEST(networks_of_two_hosts_have_no_broadcast_address),
	PLAIN_TEST(the_last_address_takes_the_links_routes_along))
