/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The commands, served as a client would be, on a running router: every one of them, what they
 * answer, what they refuse. And the configuration that they show, which must be a configuration.
 * The protocol itself is tested in tests/unit.
 */
#include "kit.h"

#include <unistd.h>

#include "base/mem.h"

/* Every command in a form that works, in an order that works. */
static const struct {
	const char *method, *params;
} calls[] = {
	{ "rpc.list", NULL },
	{ "graph.show", NULL },
	{ "graph.dot", NULL },
	{ "worker.show", NULL },
	{ "worker.rebalance", NULL },
	{ "worker.rebalance", "{\"bucket\": 3, \"worker\": 0}" },
	{ "drop.show", NULL },
	{ "stats.show", NULL },
	{ "sysctl.show", NULL },
	{ "sysctl.get", "{\"name\": \"ipv4.default_ttl\"}" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"63\"}" },
	{ "link.show", NULL },
	{ "link.show", "{\"dev\": \"lan\", \"statistics\": true}" },
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": 1400}" },
	{ "link.set", "{\"dev\": \"lan\", \"state\": \"up\"}" },
	{ "link.add",
		"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7}" },
	{ "link.del", "{\"dev\": \"lan.7\"}" },
	{ "link.add", "{\"name\": \"bond0\", \"type\": \"bond\"}" },
	{ "bond.show", NULL },
	{ "bond.show", "{\"dev\": \"bond0\"}" },
	{ "link.del", "{\"dev\": \"bond0\"}" },
	{ "link.add", "{\"name\": \"br0\", \"type\": \"bridge\", \"members\": [\"dmz\"]}" },
	{ "fdb.show", NULL },
	{ "fdb.show", "{\"dev\": \"dmz\"}" },
	{ "fdb.add", "{\"mac\": \"2:0:0:0:a:a\", \"dev\": \"dmz\"}" },
	{ "fdb.flush", "{\"dev\": \"br0\"}" },
	{ "fdb.del", "{\"mac\": \"2:0:0:0:a:a\", \"dev\": \"dmz\"}" },
	{ "link.set", "{\"dev\": \"dmz\", \"isolated\": true}" },
	{ "link.set", "{\"dev\": \"dmz\", \"nomaster\": true}" },
	{ "link.set", "{\"dev\": \"dmz\", \"master\": \"br0\"}" },
	{ "link.del", "{\"dev\": \"br0\"}" },
	{ "policer.add", "{\"dev\": \"lan\", \"rate\": \"1gbit\", \"burst\": \"1mb\"}" },
	{ "policer.replace", "{\"dev\": \"lan\", \"rate\": \"2gbit\", \"burst\": \"1mb\", "
			     "\"peakrate\": \"3gbit\", \"peakburst\": \"1mb\"}" },
	{ "policer.show", NULL },
	{ "policer.show", "{\"dev\": \"lan\"}" },
	{ "policer.del", "{\"dev\": \"lan\"}" },
	{ "xstats.show", "{\"dev\": \"lan\"}" },
	{ "addr.show", NULL },
	{ "addr.show", "{\"dev\": \"lan\"}" },
	{ "addr.add", "{\"local\": \"192.0.2.9/24\", \"dev\": \"lan\"}" },
	{ "addr.del", "{\"local\": \"192.0.2.9/24\", \"dev\": \"lan\"}" },
	{ "neigh.show", NULL },
	{ "neigh.show", "{\"dev\": \"lan\", \"nud\": \"permanent\"}" },
	{ "neigh.add", "{\"to\": \"192.0.2.5\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"lan\"}" },
	{ "neigh.replace", "{\"to\": \"192.0.2.5\", \"lladdr\": \"2:0:0:0:1:6\", \"dev\": \"lan\", "
			   "\"nud\": \"reachable\"}" },
	{ "neigh.del", "{\"to\": \"192.0.2.5\", \"dev\": \"lan\"}" },
	{ "neigh.flush", NULL },
	{ "route.show", NULL },
	{ "route.add", "{\"to\": \"172.16.0.0/12\", \"via\": \"192.0.2.10\"}" },
	{ "route.replace", "{\"to\": \"172.16.0.0/12\", \"via\": \"198.51.100.10\"}" },
	{ "route.summary", NULL },
	{ "route.get", "{\"to\": \"172.16.1.1\"}" },
	{ "route.del", "{\"to\": \"172.16.0.0/12\"}" },
	{ "config.show", NULL },
	{ "netns.list", NULL },
	{ "conntrack.list", "{\"proto\": \"tcp\", \"src\": \"192.0.2.0/24\"}" },
	{ "conntrack.count", NULL },
	{ "conntrack.stats", NULL },
	{ "conntrack.del", "{\"dport\": 80}" },
	{ "conntrack.flush", NULL },
	{ "firewall.show", NULL },
	{ "firewall.show", "{\"hook\": \"input\"}" },
	{ "firewall.reset", NULL },
	{ "nat.show", NULL },
	{ "qdisc.add",
		"{\"dev\": \"lan\", \"kind\": \"htb\", \"classes\": [{\"name\": \"a\", \"rate\": "
		"\"1mbit\"}]}" },
	{ "qdisc.show", NULL },
	{ "qdisc.show", "{\"dev\": \"lan\"}" },
	{ "qdisc.replace", "{\"dev\": \"lan\", \"parent\": \"a\", \"kind\": \"fq_codel\"}" },
	{ "qdisc.change",
		"{\"dev\": \"lan\", \"parent\": \"a\", \"kind\": \"fq_codel\", \"flows\": 7}" },
	{ "class.add", "{\"dev\": \"lan\", \"name\": \"b\", \"rate\": \"1mbit\"}" },
	{ "class.replace", "{\"dev\": \"lan\", \"name\": \"b\", \"rate\": \"2mbit\"}" },
	{ "class.change", "{\"dev\": \"lan\", \"name\": \"b\", \"prio\": 1}" },
	{ "class.show", NULL },
	{ "class.show", "{\"dev\": \"lan\"}" },
	{ "filter.add", "{\"dev\": \"lan\", \"class\": \"b\", \"dscp\": \"ef\"}" },
	{ "filter.show", NULL },
	{ "filter.show", "{\"dev\": \"lan\"}" },
	{ "filter.del", "{\"dev\": \"lan\", \"index\": 0}" },
	{ "class.del", "{\"dev\": \"lan\", \"name\": \"b\"}" },
	{ "qdisc.del", "{\"dev\": \"lan\"}" },
	{ "explain.packet", "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", "
			    "\"proto\": \"tcp\"}" },
};

/* These need a connection or a file: see below. */
static const char *const elsewhere[] = { "trace.start", "monitor.start", "config.check",
	"rpc.sequence", "firewall.load" };

static bool is_called(const char *method)
{
	for (unsigned int i = 0; i < RTE_DIM(calls); i++)
		if (strcmp(calls[i].method, method) == 0)
			return true;
	for (unsigned int i = 0; i < RTE_DIM(elsewhere); i++)
		if (strcmp(elsewhere[i], method) == 0)
			return true;
	return false;
}

START_TEST(every_command_is_listed_and_called_here)
{
	struct bench *b = bench_start(router_config);
	json_t *list = bench_call(b, "rpc.list", NULL), *row;
	unsigned int n = 2; /* rpc.list, rpc.sequence */
	char method[64];
	size_t i;

	for (unsigned int k = 0; b->tables[k] != NULL; k++)
		for (const struct command *c = b->tables[k]; c->object != NULL; c++)
			n++;
	ck_assert_uint_eq(json_array_size(list), n);
	json_array_foreach(list, i, row) {
		snprintf(method, sizeof(method), "%s.%s", json_text_at(row, "object"),
			json_text_at(row, "verb"));
		ck_assert_msg(strlen(json_text_at(row, "help")) > 0, "%s has no help", method);
		ck_assert(json_is_array(json_at(row, "args")));
		if (json_is_true(json_at(row, "available")))
			ck_assert_msg(is_called(method), "nothing here calls %s", method);
		else
			ck_assert_msg(!is_called(method), "%s is not available", method);
	}
	json_decref(list);
	bench_destroy(b);
}
END_TEST

START_TEST(every_command_works)
{
	struct bench *b = bench_start(router_config);

	for (unsigned int i = 0; i < RTE_DIM(calls); i++)
		json_decref(bench_call(b, calls[i].method, calls[i].params));
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_yet_to_come_is_refused_in_so_many_words)
{
	struct bench *b = bench_start(router_config);
	unsigned int n = 0;
	char method[64];

	for (const struct command *c = pending_module.commands; c->object != NULL; c++, n++) {
		snprintf(method, sizeof(method), "%s.%s", c->object, c->verb);
		bench_expect_error(b, method, NULL, "is in the contract but not yet in weir");
	}
	ck_assert_uint_gt(n, 0);
	bench_destroy(b);
}
END_TEST

/* 55 bytes of a filter */
#define OR_PORTS " or port 10001 or port 10002 or port 10003 or port 10004"

static const struct {
	const char *method, *params, *text;
} refused[] = {
	{ "no.such", NULL, "no such method" },
	{ "link.show", "{\"name\": \"lan\"}", "name" },
	{ "link.show", "{\"dev\": 5}", "dev" },
	{ "link.show", "{\"dev\": \"nil\"}", "does not exist" },
	{ "link.show", "{\"statistics\": \"perhaps\"}", "statistics" },
	{ "link.set", NULL, "dev" },
	{ "link.set", "{\"dev\": \"lan\"}", "nothing to set" },
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": 67}", "mtu" },
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": 9601}", "mtu" },
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": -1}", "mtu" },
	{ "link.set", "{\"dev\": \"lan\", \"state\": \"sideways\"}", "state" },
	{ "link.set", "{\"dev\": \"nil\", \"state\": \"up\"}", "Cannot find device" },
	{ "link.add", NULL, "name" },
	{ "link.add", "{\"name\": \"a\", \"type\": \"vlan\"}", "parent: a vlan needs a parent" },
	{ "link.add", "{\"name\": \"a\", \"type\": \"veth\"}", "not yet in weir" },
	{ "link.add", "{\"name\": \"a\", \"device\": \"net_null0\"}", "ports come with" },
	{ "link.add", "{\"name\": \"lan\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7}",
		"there is a link" },
	{ "link.add", "{\"name\": \"a\", \"type\": \"vlan\", \"parent\": \"nil\", \"vid\": 7}",
		"there is no link" },
	{ "link.add",
		"{\"name\": \"a\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7, "
		"\"mtu\": 1501}",
		"larger than the 1500" },
	{ "link.del", "{\"dev\": \"lan\"}", "a port goes with" },
	{ "link.del", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "link.set", "{\"dev\": \"lan\", \"master\": \"br0\"}", "Cannot find device" },
	{ "link.set", "{\"dev\": \"lan\", \"nomaster\": true}", "is no member of a link" },
	{ "fdb.add", "{\"mac\": \"2:0:0:0:a:a\", \"dev\": \"lan\"}", "is no member of a bridge" },
	{ "xstats.show", "{\"dev\": \"nil\"}", "does not exist" },
	{ "graph.show", "{\"deep\": true}", "deep" },
	{ "neigh.add", "{\"to\": \"192.0.2.5\", \"dev\": \"lan\"}", "lladdr" },
	{ "neigh.add", "{\"to\": \"192.0.2.10\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"lan\"}",
		"exists" },
	{ "neigh.add", "{\"to\": \"192.0.2.5\", \"lladdr\": \"3:0:0:0:1:5\", \"dev\": \"lan\"}",
		"unicast" },
	{ "neigh.add", "{\"to\": \"224.0.0.5\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"lan\"}",
		"unicast" },
	{ "neigh.add", "{\"to\": \"ff02::1\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"lan\"}",
		"unicast" },
	{ "neigh.add", "{\"to\": \"192.0.2.5\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"nil\"}",
		"no link" },
	{ "neigh.del", "{\"to\": \"192.0.2.5\", \"dev\": \"lan\"}", "no neighbour" },
	{ "neigh.flush", "{\"nud\": \"asleep\"}", "nud" },
	{ "sysctl.get", "{\"name\": \"ipv4.nil\"}", "no such sysctl" },
	{ "sysctl.get", "{\"name\": \"nil\"}", "no such sysctl" },
	{ "sysctl.get", "{\"name\": \"ipv6.icmp\"}", "no such sysctl" },
	{ "sysctl.get", "{\"name\": \"ipv6.icmp.nil\"}", "no such sysctl" },
	{ "sysctl.get", "{\"name\": \"ipv6.icmp_ratelimit\"}", "no such sysctl" },
	{ "sysctl.set", "{\"name\": \"ipv6.icmp\", \"value\": \"1\"}", "no such sysctl" },
	{ "sysctl.set", "{\"name\": \"ipv6.icmp.ratelimit\", \"value\": \"-1\"}",
		"ipv6.icmp.ratelimit: -1 is" },
	{ "sysctl.set", "{\"name\": \"ipv6.icmp.ratemask\", \"value\": \"0-256\"}",
		"ipv6.icmp.ratemask: must be ranges of 0 to 255" },
	{ "sysctl.set", "{\"name\": \"ipv6.icmp.ratemask\", \"value\": \"3-1\"}",
		"ipv6.icmp.ratemask: must be ranges of 0 to 255" },
	{ "sysctl.get", "{\"name\": \"\"}", "no such sysctl" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"0\"}",
		"ipv4.default_ttl: 0 is" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"256\"}", "default_ttl" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"many\"}", "default_ttl" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"\"}", "default_ttl" },
	{ "sysctl.set", "{\"name\": \"ipv4.icmp_echo_ignore_all\", \"value\": \"2\"}",
		"icmp_echo_ignore_all" },
	{ "sysctl.set", "{\"name\": \"neigh.retrans_time\", \"value\": \"5ms\"}", "retrans_time" },
	{ "sysctl.set", "{\"name\": \"neigh.retrans_time\", \"value\": \"-1s\"}", "retrans_time" },
	{ "sysctl.set", "{\"name\": \"neigh.retrans_time\", \"value\": \"2days\"}",
		"neigh.retrans_time: " },
	{ "sysctl.set", "{\"name\": \"neigh.unres_qlen\", \"value\": \"129\"}", "unres_qlen" },
	{ "trace.start", "{\"count\": 0}", "count" },
	{ "trace.start", "{\"filter\": \"udp and and\"}", "filter" },
	{ "trace.start", "{\"filter\": \"host no.such.name.example\"}", "unknown host" },
	{ "trace.start", "{\"filter\": \"tcp" OR_PORTS OR_PORTS OR_PORTS OR_PORTS OR_PORTS "\"}",
		"at most 256" },
	{ "trace.start", NULL, "needs a connection" },
	{ "rpc.sequence", NULL, "needs a connection" },
	{ "config.check", "{\"file\": \"/nonexistent.conf\"}", "/nonexistent.conf" },
};

START_TEST(a_bad_command_is_refused_and_changes_nothing)
{
	struct bench *b = bench_start(router_config);
	char *before = bench_answer(b, "config.show", NULL), *after;

	bench_expect_error(b, refused[_i].method, refused[_i].params, refused[_i].text);
	bench_run(b);
	after = bench_answer(b, "config.show", NULL);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	bench_destroy(b);
}
END_TEST

/* Answers */

START_TEST(links_and_addresses_have_the_shapes_of_iproute2)
{
	struct bench *b = bench_start(router_config);
	json_t *rows = bench_call(b, "addr.show", NULL);

	ck_assert_uint_eq(json_array_size(rows), 3);
	ck_assert_int_eq(json_int_at(rows, "1.ifindex"), 2);
	ck_assert_str_eq(json_text_at(rows, "1.ifname"), "wan");
	ck_assert_str_eq(json_text_at(rows, "1.link_type"), "ether");
	ck_assert_str_eq(json_text_at(rows, "1.address"), WAN_MAC);
	ck_assert_str_eq(json_text_at(rows, "1.broadcast"), ANY_MAC);
	ck_assert_str_eq(json_text_at(rows, "1.operstate"), "UP");
	ck_assert_int_eq(json_int_at(rows, "1.mtu"), 1500);
	ck_assert_str_eq(json_text_at(rows, "1.linkinfo.info_kind"), "port");
	ck_assert_str_eq(json_text_at(rows, "1.flags.2"), "UP");
	ck_assert_str_eq(json_text_at(rows, "1.addr_info.0.family"), "inet");
	ck_assert_str_eq(json_text_at(rows, "1.addr_info.0.local"), "198.51.100.1");
	ck_assert_int_eq(json_int_at(rows, "1.addr_info.0.prefixlen"), 24);
	ck_assert_str_eq(json_text_at(rows, "1.addr_info.0.broadcast"), "198.51.100.255");
	ck_assert_str_eq(json_text_at(rows, "1.addr_info.0.scope"), "global");
	json_decref(rows);
	rows = bench_call(b, "link.show", "{\"dev\": \"dmz\"}");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_ptr_null(json_object_get(json_array_get(rows, 0), "stats64"));
	json_decref(rows);
	rows = bench_call(b, "neigh.show", "{\"dev\": \"dmz\"}");
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_str_eq(json_text_at(rows, "0.dst"), "203.0.113.10");
	ck_assert_str_eq(json_text_at(rows, "0.dev"), "dmz");
	ck_assert_str_eq(json_text_at(rows, "0.lladdr"), DMZ_HOST);
	ck_assert_str_eq(json_text_at(rows, "0.state.0"), "PERMANENT");
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(the_graph_counts_packets_where_they_went)
{
	struct bench *b = bench_start(router_config);
	json_t *rows, *row;
	struct frame frame;
	size_t i;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	for (unsigned int k = 0; k < 9; k++)
		bench_send(b, LAN, &frame);
	bench_run(b);
	bench_discard(b);
	rows = bench_call(b, "graph.show", NULL);
	json_array_foreach(rows, i, row) {
		const char *node = json_text_at(row, "node");
		if (strcmp(node, "rx") == 0 || strcmp(node, "plain") == 0)
			ck_assert_int_eq(json_int_at(row, "packets"), 9);
		if (strcmp(node, "tx") == 0) /* and neighbour discovery of our own */
			ck_assert_int_ge(json_int_at(row, "packets"), 9);
		if (strcmp(node, "ip4_forward") == 0 || strcmp(node, "ip4_local") == 0 ||
			strcmp(node, "drop") == 0)
			ck_assert_int_eq(json_int_at(row, "packets"), 0);
		ck_assert_str_eq(node, pipeline[i]->name);
	}
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

static int stage_at(const char *name, size_t len)
{
	for (int i = 0; pipeline[i] != NULL; i++)
		if (strlen(pipeline[i]->name) == len && strncmp(pipeline[i]->name, name, len) == 0)
			return i;
	ck_abort_msg("no stage %.*s", (int)len, name);
	return -1;
}

START_TEST(the_drawn_graph_points_down)
{
	struct bench *b = bench_start(router_config);
	json_t *dot = bench_call(b, "graph.dot", NULL);
	const char *at = json_string_value(dot), *arrow;
	unsigned int n = 0, n_exits = 0;

	ck_assert_ptr_nonnull(at);
	ck_assert(strncmp(at, "digraph weir {", 14) == 0);
	for (; (arrow = strstr(at, " -> ")) != NULL; at = arrow + 4, n++) {
		const char *from = arrow;

		while (from[-1] != '\t')
			from--;
		ck_assert_int_lt(stage_at(from, (size_t)(arrow - from)),
			stage_at(arrow + 4, strcspn(arrow + 4, " ")));
	}
	for (unsigned int i = 0; pipeline[i] != NULL; i++)
		for (unsigned int e = 1; e < STAGE_EXITS_MAX; e++)
			n_exits += pipeline[i]->exits[e].name != NULL;
	ck_assert_uint_eq(n, n_exits);
	json_decref(dot);
	bench_destroy(b);
}
END_TEST

START_TEST(a_sysctl_that_was_set_is_shown)
{
	static const char *const sets[][3] = {
		{ "ipv4.default_ttl", "77", "77" },
		{ "ipv4.icmp_msgs_per_sec", "0", "0" },
		{ "ipv4.icmp_echo_ignore_all", "true", "true" },
		{ "neigh.base_reachable_time", "90s", "\"90s\"" },
		{ "neigh.retrans_time", "250ms", "\"250ms\"" },
		{ "neigh.unres_qlen", "0x10", "16" },
		{ "ipv6.icmp.ratelimit", "250", "250" },
		{ "ipv6.icmp.ratemask", "127,3-126,129,0,1", "\"0-1,3-127,129\"" },
		{ "ipv6.icmp.ratemask", "", "\"\"" },
	};
	struct bench *b = bench_start(router_config);

	for (unsigned int i = 0; i < RTE_DIM(sets); i++) {
		char *params = mem_printf("{\"name\": \"%s\"}", sets[i][0]);
		char *want =
			mem_printf("[{\"name\": \"%s\", \"value\": %s}]", sets[i][0], sets[i][2]);
		char *got;

		bench_sysctl(b, sets[i][0], sets[i][1]);
		got = bench_answer(b, "sysctl.get", params);
		ck_assert_str_eq(got, want);
		free(got);
		free(want);
		free(params);
	}
	bench_destroy(b);
}
END_TEST

/* Traces */

static const char trace_all[] = "{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": \"trace.start\", "
				"\"params\": {\"count\": 3}}";

static void wait_for_trace(struct bench *b, bool is_on)
{
	for (unsigned int i = 0; (b->dp->workers[0]->trace != NULL) != is_on; i++) {
		REQUIRE_MSG(i < 100000, "the trace does not start or end");
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
}

/* Reads the event of a packet and checks the stages that it went through. */
static void check_steps(
	struct bench *b, struct client *client, const char *const *stages, const char *decision)
{
	json_t *event = bench_read(b, client), *steps = json_at(event, "params.steps");
	size_t n = 0;

	for (; stages[n] != NULL; n++)
		ck_assert_str_eq(json_text_at(json_array_get(steps, n), "node"), stages[n]);
	ck_assert_uint_eq(json_array_size(steps), n);
	ck_assert_ptr_nonnull(strstr(json_text_at(event, "params.text"), decision));
	json_decref(event);
}

START_TEST(a_trace_tells_each_packets_way)
{
	static const char *const forwarded[] = { "rx", "plain", "ip4_forward", "tx", NULL };
	static const char *const refused_way[] = { "rx", "plain", "parse", "drop", NULL };
	static const char *const held[] = { "rx", "plain", "ip4_forward", "neigh_hold", "inject",
		"ip4_forward", "tx", NULL };
	struct bench *b = bench_start(router_config);
	struct client *client = bench_connect(b);
	struct frame frame, answer;
	json_t *end;

	bench_write(client, trace_all);
	wait_for_trace(b, true);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	bench_push(b, LAN, &frame);
	check_steps(b, client, forwarded, "8.8.8.8");
	frame_ip(&frame)->hdr_checksum ^= 1;
	bench_push(b, LAN, &frame);
	check_steps(b, client, refused_way, "ip4_bad_checksum");
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame);
	/* Answered by a device that does not use up the trace: it is not parsed here. */
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.20\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	check_steps(b, client, held, "waits for next hop 198.51.100.20");
	end = bench_read(b, client);
	ck_assert_int_eq(json_int_at(end, "id"), 7);
	ck_assert_int_eq(json_int_at(end, "result.packets"), 3);
	json_decref(end);
	wait_for_trace(b, false);
	/* Packets go on as before. */
	bench_discard(b);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	bench_push(b, LAN, &frame);
	bench_expect(b, WAN, &answer);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_trace_ends_with_its_client)
{
	struct bench *b = bench_start(router_config);
	struct client *client = bench_connect(b);

	bench_write(client, trace_all);
	wait_for_trace(b, true);
	bench_expect_error(b, "trace.start", NULL, "another trace is running");
	client_close(client);
	wait_for_trace(b, false);
	bench_destroy(b);
}
END_TEST

START_TEST(a_trace_that_runs_at_the_end_leaves_nothing_behind)
{
	struct bench *b = bench_start(router_config);
	struct client *client = bench_connect(b);
	struct frame frame;

	bench_write(client, trace_all);
	wait_for_trace(b, true);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame); /* held, and traced */
	bench_destroy(b);
	client_close(client);
}
END_TEST

/* The configuration */

static char *show_config(struct bench *b)
{
	json_t *answer = bench_call(b, "config.show", NULL);
	char *text = mem_strdup(json_string_value(answer));

	json_decref(answer);
	return text;
}

/* What a session of an operator leaves behind. */
static const struct {
	const char *method, *params;
} session[] = {
	{ "link.set", "{\"dev\": \"lan\", \"mtu\": 9000}" },
	{ "link.set", "{\"dev\": \"dmz\", \"state\": \"down\"}" },
	{ "link.add", "{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7, "
		      "\"mtu\": 1500, \"addresses\": [\"10.66.0.1/24\"]}" },
	{ "link.add", "{\"name\": \"s\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7, "
		      "\"protocol\": \"802.1ad\"}" },
	{ "link.add", "{\"name\": \"s.9\", \"type\": \"vlan\", \"parent\": \"s\", \"vid\": 9}" },
	{ "link.add", "{\"name\": \"br0\", \"type\": \"bridge\", \"mac\": \"2:0:0:0:9:9\", "
		      "\"members\": [\"dmz\", {\"name\": \"s.9\", \"flood\": false}]}" },
	{ "link.set", "{\"dev\": \"dmz\", \"vlans\": \"5-9\"}" },
	{ "link.add",
		"{\"name\": \"br0.5\", \"type\": \"vlan\", \"parent\": \"br0\", \"vid\": 5}" },
	{ "fdb.add", "{\"mac\": \"2:0:0:0:a:a\", \"dev\": \"dmz\", \"vlan\": 7}" },
	{ "policer.add", "{\"dev\": \"lan.7\", \"rate\": \"10mbit\", \"burst\": \"20kb\", "
			 "\"excess_burst\": \"30kb\", \"yellow\": \"dscp\", \"yellow_dscp\": 8}" },
	{ "addr.add", "{\"local\": \"10.64.0.1/31\", \"dev\": \"wan\"}" },
	{ "addr.add", "{\"local\": \"10.65.0.1/32\", \"dev\": \"wan\"}" },
	{ "addr.del", "{\"local\": \"192.0.2.1/24\", \"dev\": \"lan\"}" },
	{ "addr.add", "{\"local\": \"192.0.2.2/25\", \"dev\": \"lan\"}" },
	{ "neigh.add", "{\"to\": \"192.0.2.5\", \"lladdr\": \"2:0:0:0:1:5\", \"dev\": \"lan\"}" },
	{ "neigh.del", "{\"to\": \"203.0.113.10\", \"dev\": \"dmz\"}" },
	{ "route.add", "{\"to\": \"172.16.0.0/12\", \"type\": \"blackhole\"}" },
	{ "route.add", "{\"to\": \"172.16.0.0/16\", \"via\": \"172.17.0.1\", \"dev\": \"wan\"}" },
	{ "route.add", "{\"to\": \"172.18.0.0/16\", \"dev\": \"lan\"}" },
	{ "route.add", "{\"to\": \"172.19.0.0/16\", \"via\": \"172.18.0.1\"}" },
	{ "route.add", "{\"to\": \"default\", \"via\": \"192.0.2.5\", \"metric\": 4294967295}" },
	{ "sysctl.set", "{\"name\": \"ipv4.icmp_msgs_burst\", \"value\": \"7\"}" },
	{ "sysctl.set", "{\"name\": \"neigh.base_reachable_time\", \"value\": \"90s\"}" },
	{ "sysctl.set", "{\"name\": \"neigh.arp_notify\", \"value\": \"false\"}" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"htb\", \"default\": \"a\", \"classes\": "
		       "[{\"name\": "
		       "\"a\", \"rate\": \"1mbit\"}]}" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"parent\": \"a\", \"kind\": \"fq_codel\", \"per\": "
		       "\"source\", \"ecn\": false}" },
	{ "filter.add",
		"{\"dev\": \"wan\", \"class\": \"a\", \"in\": [\"lan\"], \"vlan_priority\": 3}" },
	{ "qdisc.add", "{\"dev\": \"lan.7\", \"kind\": \"tbf\", \"rate\": \"1mbit\", \"burst\": "
		       "\"32kbit\", "
		       "\"latency\": \"400ms\"}" },
	{ "class.add",
		"{\"dev\": \"wan\", \"name\": \"b\", \"rate\": \"1mbit\", \"quantum\": 3000}" },
};

START_TEST(the_configuration_that_is_shown_is_the_one_that_runs)
{
	static const char *const views[] = { "link.show", "addr.show", "route.show", "sysctl.show",
		"neigh.show", "filter.show" };
	struct bench *b = bench_start(router_config);
	char *shown, *again, *answers[RTE_DIM(views)];

	for (unsigned int i = 0; i < RTE_DIM(session); i++)
		json_decref(bench_call(b, session[i].method, session[i].params));
	shown = show_config(b);
	for (unsigned int i = 0; i < RTE_DIM(views); i++)
		answers[i] = bench_answer(b, views[i], NULL);
	bench_destroy(b);
	/* A router started from it is the same router. */
	b = bench_start(shown);
	again = show_config(b);
	ck_assert_str_eq(again, shown);
	for (unsigned int i = 0; i < RTE_DIM(views); i++) {
		char *answer = bench_answer(b, views[i], NULL);

		/* Routes given by command are "boot", those of a file "static". */
		if (strcmp(views[i], "route.show") != 0)
			ck_assert_str_eq(answer, answers[i]);
		free(answer);
		free(answers[i]);
	}
	free(shown);
	free(again);
	bench_destroy(b);
}
END_TEST

START_TEST(config_check_judges_a_file)
{
	struct bench *b = bench_start(router_config);
	char path[] = "/tmp/weir-packet-XXXXXX", *params, *error;
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");

	fputs(router_config, out);
	fflush(out);
	params = mem_printf("{\"file\": \"%s\"}", path);
	json_decref(bench_call(b, "config.check", params));
	fputs("routes2 = ();\nnamespaces = ();\n", out);
	fclose(out);
	error = bench_call_error(b, "config.check", params);
	ck_assert_ptr_nonnull(strstr(error, "routes2"));
	ck_assert_ptr_nonnull(strstr(error, "namespaces"));
	ck_assert_ptr_nonnull(strstr(error, "not yet in weir"));
	unlink(path);
	free(error);
	free(params);
	bench_destroy(b);
}
END_TEST

#define PORT_D		"{ name = \"d\"; device = \"d\"; }"
#define VLAN(name, vid) "{ name = \"" name "\"; type = \"vlan\"; parent = \"d\"; vid = " vid "; }"
#define BOND(settings)	"{ name = \"o\"; type = \"bond\"; " settings " }"
#define BRIDGE(name, members)                                                                      \
	"{ name = \"" name "\"; type = \"bridge\"; members = ( " members " ); }"
#define ON(parent, name)                                                                           \
	"{ name = \"" name "\"; type = \"vlan\"; parent = \"" parent "\"; vid = 1; }"

static const struct {
	const char *name, *text, *want;
} configs[] = {
	{ "namespaces", "namespaces = ();", "namespaces: is in the contract but not yet in weir" },
	{ "metrics", "control: { metrics = \"127.0.0.1:1\"; };", "control.metrics: is in the" },
	{ "xdp", "links = ( { name = \"a\"; device = \"d\"; xdp = {}; } );",
		"links[0].xdp: is in" },
	{ "veth", "links = ( { name = \"a\"; type = \"veth\"; } );",
		"links[0].type: type \"veth\" is in the contract" },
	{ "a bond of a vlan",
		"links = ( " PORT_D ", " VLAN("a", "7") ", " BOND("members = [ \"a\" ];") " );",
		"links[2].members[0]: a bond takes ports only" },
	{ "a bond of a port with a vlan",
		"links = ( " PORT_D ", " VLAN("a", "7") ", " BOND("members = [ \"d\" ];") " );",
		"links[2].members[0]: links stand on \"d\"" },
	{ "a vlan on a member of a bond",
		"links = ( " PORT_D ", " BOND("members = [ \"d\" ];") ", " VLAN("a", "7") " );",
		"links[2].parent: \"d\" is a member of \"o\"" },
	{ "a bond of a bond",
		"links = ( { name = \"b\"; type = \"bond\"; }, " BOND("members = [ \"b\" ];") " );",
		"links[1].members[0]: a bond takes ports only" },
	{ "a bond of nothing", "links = ( " BOND("members = [ \"x\" ];") " );",
		"links[0].members[0]: there is no link \"x\"" },
	{ "a bond of what comes later", "links = ( " BOND("members = [ \"d\" ];") ", " PORT_D " );",
		"links[0].members[0]: link \"d\" must stand above" },
	{ "a member twice", "links = ( " PORT_D ", " BOND("members = [ \"d\", \"d\" ];") " );",
		"links[1].members[1]: \"d\" is a member of \"o\" already" },
	{ "a bond larger than its members",
		"links = ( " PORT_D ", " BOND("mtu = 1501; members = [ \"d\" ];") " );",
		"links[1].mtu: larger than the 1500 of what it stands on" },
	{ "a bond with a device", "links = ( " BOND("device = \"net_null0\";") " );",
		"links[0].device: a bond has no such setting" },
	{ "a port with a bond's mode",
		"links = ( { name = \"a\"; device = \"x\"; mode = \"balance-xor\"; } );",
		"links[0].mode: a port has no such setting" },
	{ "a mode that is none", "links = ( " BOND("mode = \"balance-alb\";") " );",
		"links[0].mode" },
	{ "a primary of another mode", "links = ( " BOND("primary = \"d\";") " );",
		"links[0].primary: is for mode active-backup" },
	{ "LACP's rate without LACP", "links = ( " BOND("lacp_rate = \"fast\";") " );",
		"links[0].lacp_rate: is for mode 802.3ad" },
	{ "looking too often", "links = ( " BOND("miimon = \"9ms\";") " );", "links[0].miimon" },
	{ "too many min_links", "links = ( " BOND("min_links = 33;") " );",
		"links[0].min_links: 33 is out of range" },
	{ "min_links of active-backup",
		"links = ( " BOND("mode = \"active-backup\"; min_links = 2;") " );",
		"links[0].min_links: active-backup uses one member" },
	{ "a bridge over nothing", "links = ( " BRIDGE("a", "\"b\"") " );",
		"links[0].members[0]: there is no link \"b\"" },
	{ "a bridge over itself", "links = ( " BRIDGE("a", "\"a\"") " );",
		"links[0].members[0]: link \"a\" must stand above this one" },
	{ "a bridge above its member", "links = ( " BRIDGE("a", "\"d\"") ", " PORT_D " );",
		"links[0].members[0]: link \"d\" must stand above this one" },
	{ "a member twice", "links = ( " PORT_D ", " BRIDGE("a", "\"d\", \"d\"") " );",
		"links[1].members[1]: \"d\" is a member of \"a\" already" },
	{ "a member of two",
		"links = ( " PORT_D ", " BRIDGE("a", "\"d\"") ", " BRIDGE("b", "\"d\"") " );",
		"links[2].members[0]: \"d\" is a member of \"a\" already" },
	{ "a bridge in a bridge",
		"links = ( " PORT_D ", " BRIDGE("a", "\"d\"") ", " BRIDGE("b", "\"a\"") " );",
		"links[2].members[0]: a bridge takes none that is, or stands on, a bridge" },
	{ "a vlan of a bridge in a bridge",
		"links = ( " PORT_D
		", " BRIDGE("a", "\"d\"") ", " ON("a", "c") ", " BRIDGE("b", "\"c\"") " );",
		"links[3].members[0]: a bridge takes none that is, or stands on, a bridge" },
	{ "a member in VLANs that cannot be",
		"links = ( " PORT_D ", " BRIDGE("a", "{ name = \"d\"; vlans = \"5-1\"; }") " );",
		"links[1].members[0].vlans: must be VLANs of 1 to 4094" },
	{ "a member with a setting of nobody",
		"links = ( " PORT_D ", " BRIDGE("a", "{ name = \"d\"; tagged = true; }") " );",
		"links[1].members[0].tagged: is not a setting of member" },
	{ "a member without a name", "links = ( " BRIDGE("a", "{ pvid = 5; }") " );",
		"links[0].members[0].name" },
	{ "a bridge larger than its members",
		"links = ( " PORT_D ", { name = \"a\"; type = \"bridge\"; members = ( \"d\" ); "
		"mtu = 1501; } );",
		"links[1].mtu: larger than the 1500 of what it stands on" },
	{ "a port with members",
		"links = ( " PORT_D ", { name = \"a\"; device = \"x\"; members = ( \"d\" ); } );",
		"links[1].members: a port has no such setting" },
	{ "a port that ages", "links = ( { name = \"a\"; device = \"x\"; ageing = \"5s\"; } );",
		"links[0].ageing: only a bridge has such a setting" },
	{ "a station behind no link", "fdb = ( { mac = \"2:0:0:0:0:1\"; dev = \"nil\"; } );",
		"fdb[0].dev" },
	{ "a group as a station",
		"links = ( " PORT_D
		", " BRIDGE("a", "\"d\"") " );\n"
					  "fdb = ( { mac = \"3:0:0:0:0:1\"; dev = \"d\"; } );",
		"2: fdb[0].mac: must be a unicast address" },
	{ "a station twice",
		"links = ( " PORT_D
		", " BRIDGE("a", "\"d\"") " );\n"
					  "fdb = ( { mac = \"2:0:0:0:0:1\"; dev = \"d\"; },\n"
					  "  { mac = \"2:0:0:0:0:1\"; dev = \"d\"; } );",
		"3: fdb[1].mac: is already given by fdb[0]" },
	{ "a vlan on nothing",
		"links = ( { name = \"a\"; type = \"vlan\"; parent = \"b\"; vid = 1; } );",
		"links[0].parent: there is no link \"b\"" },
	{ "a vlan on itself",
		"links = ( { name = \"a\"; type = \"vlan\"; parent = \"a\"; vid = 1; } );",
		"links[0].parent: link \"a\" must stand above this one" },
	{ "a vlan without a parent", "links = ( { name = \"a\"; type = \"vlan\"; vid = 1; } );",
		"links[0].parent: a vlan needs a parent" },
	{ "a vlan without an id",
		"links = ( " PORT_D ", { name = \"a\"; type = \"vlan\"; parent = \"d\"; } );",
		"links[1].vid: a vlan needs a vid" },
	{ "the reserved vlan", "links = ( " PORT_D ", " VLAN("a", "4095") " );",
		"links[1].vid: 4095 is out of range" },
	{ "the vlan that is none", "links = ( " PORT_D ", " VLAN("a", "0") " );",
		"links[1].vid: 0 is out of range" },
	{ "a vlan twice", "links = ( " PORT_D ", " VLAN("a", "7") ", " VLAN("b", "7") " );",
		"links[2].vid: VLAN 7 of \"d\" is already link \"a\"" },
	{ "a vlan larger than its link", "links = ( " PORT_D ", " VLAN("a", "7; mtu = 1501") " );",
		"links[1].mtu: larger than the 1500 of what it stands on" },
	{ "a vlan with a device", "links = ( " PORT_D ", " VLAN("a", "7; device = \"x\"") " );",
		"links[1].device: a vlan has no such setting" },
	{ "a port with a vlan id", "links = ( { name = \"a\"; device = \"x\"; vid = 7; } );",
		"links[0].vid: a port has no such setting" },
	{ "five tags",
		"links = ( " PORT_D ", " ON("d", "a") ", " ON("a", "b") ", " ON("b", "c") ", " ON(
			"c", "e") ", " ON("e", "f") " );",
		"links[5].parent: at most 4 tags" },
	{ "nexthops and via",
		"routes = ( { to = \"default\"; via = \"10.0.0.1\";\n"
		"  nexthops = ( { via = \"10.0.0.2\"; } ); } );",
		"2: routes[0].nexthops: nexthops stand in place of" },
	{ "a nexthop of another family",
		"routes = ( { to = \"10.0.0.0/8\"; nexthops = ( { via = \"2001:db8::1\"; } ); } );",
		"routes[0].nexthops[0].via: must be of the same" },
	{ "a weight of nothing",
		"routes = ( { to = \"10.0.0.0/8\"; nexthops = ( { weight = 0; } ); } );",
		"routes[0].nexthops[0].weight: 0 is out of range" },
	{ "a class that no qdisc has",
		"firewall: { input: { rules = ( { action = \"class\"; to = \"voice\"; } ); }; };",
		"firewall.input.rules[0].to: no qdisc has a class" },
	{ "a class without a name",
		"firewall: { input: { rules = ( { action = \"class\"; } ); }; };",
		"firewall.input.rules[0].to: is missing" },
	{ "a link-local prefix of no link",
		"routes = ( { to = \"fe80::/64\"; via = \"fe80::1\"; } );",
		"routes[0].to: is link-local" },
	{ "two of one name",
		"links = ( { name = \"a\"; device = \"d\"; }, { name = \"a\"; device = \"e\"; } );",
		"links[1].name" },
	{ "two of one device",
		"links = ( { name = \"a\"; device = \"d\"; }, { name = \"b\"; device = \"d\"; } );",
		"links[1].device" },
	{ "an address twice",
		"links = ( { name = \"a\"; device = \"d\"; addresses = [ \"10.0.0.1/8\" ]; },\n"
		"  { name = \"b\"; device = \"e\"; addresses = [ \"10.0.0.1/24\" ]; } );",
		"2: links[1].addresses[0]" },
	{ "a route over no link", "routes = ( { to = \"default\"; dev = \"nil\"; } );",
		"routes[0].dev" },
	{ "a neighbour on no link",
		"neighbors = ( { to = \"10.0.0.1\"; lladdr = \"2:0:0:0:0:1\"; dev = \"nil\"; } );",
		"neighbors[0].dev" },
	{ "an unknown key", "links = ();\nlinky = ();", "2: linky" },
	{ "a sysctl out of range", "sysctl: { ipv4: { default_ttl = 0; }; };",
		"sysctl.ipv4.default_ttl" },
};

START_TEST(a_configuration_that_cannot_be_is_refused_with_its_place)
{
	struct config *config;
	struct diag diag;
	char *text;

	diag_init(&diag, "test.conf");
	config = conf_read_text(modules, configs[_i].text, strlen(configs[_i].text), &diag);
	ck_assert_ptr_null(config);
	text = diag_text(&diag);
	ck_assert_msg(strstr(text, configs[_i].want) != NULL, "%s", text);
	free(text);
	diag_fini(&diag);
}
END_TEST

PACKET_MAIN("control", PLAIN_TEST(every_command_is_listed_and_called_here),
	PLAIN_TEST(every_command_works),
	PLAIN_TEST(what_is_yet_to_come_is_refused_in_so_many_words),
	LOOP_TEST(a_bad_command_is_refused_and_changes_nothing, refused),
	PLAIN_TEST(links_and_addresses_have_the_shapes_of_iproute2),
	PLAIN_TEST(the_graph_counts_packets_where_they_went),
	PLAIN_TEST(the_drawn_graph_points_down), PLAIN_TEST(a_sysctl_that_was_set_is_shown),
	PLAIN_TEST(a_trace_tells_each_packets_way), PLAIN_TEST(a_trace_ends_with_its_client),
	PLAIN_TEST(a_trace_that_runs_at_the_end_leaves_nothing_behind),
	PLAIN_TEST(the_configuration_that_is_shown_is_the_one_that_runs),
	PLAIN_TEST(config_check_judges_a_file),
	LOOP_TEST(a_configuration_that_cannot_be_is_refused_with_its_place, configs))
