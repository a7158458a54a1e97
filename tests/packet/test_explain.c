/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * explain: what it says about packets is what happens to them, and it leaves no trace: every case is asked
 * between two pictures of all that a packet could have changed.
 */
#include "kit6.h"

#include <string.h>

#include "base/mem.h"
#include "flow/flow.h"

/* Each rule on a line of its own: the lines are asked for. */
static const char rules[] =
	"firewall: {\n"
	"  prerouting: { rules = (\n"
	"    { name = \"web in\"; in = \"wan\"; proto = \"tcp\"; dport = 8080;"
	" action = \"dnat\"; to = \"192.0.2.10:80\"; },\n"
	"    { proto = \"udp\"; dport = 7; mark = 5; action = \"mark\"; to = \"7\"; } ); };\n"
	"  input: { policy = \"drop\"; rules = (\n"
	"    { proto = \"icmp\"; limit = \"1/day\"; action = \"accept\"; },\n"
	"    { proto = \"tcp\"; dport = 22; action = \"accept\"; } ); };\n"
	"  forward: { policy = \"drop\"; rules = (\n"
	"    { name = \"no smtp\"; proto = \"tcp\"; dport = 25; action = \"reject\";"
	" to = \"tcp-reset\"; },\n"
	"    { name = \"no dns\"; proto = \"udp\"; dport = 53; action = \"reject\"; },\n"
	"    { name = \"outward\"; in = \"lan\"; log = \"out\"; rate = \"8kbit\"; action = "
	"\"accept\"; },\n"
	"    { name = \"published\"; in = \"wan\"; proto = \"tcp\"; dport = 80;"
	" action = \"accept\"; } ); };\n"
	"  postrouting: { rules = (\n"
	"    { out = \"wan\"; action = \"masquerade\"; } ); };\n"
	"};\n";

static char *config_text;
static struct client *client; /* of the bench that runs */

static struct bench *start(const char *config)
{
	struct bench *b = bench_start(config);

	client = bench_connect(b);
	return b;
}

static void stop(struct bench *b)
{
	client_close(client);
	bench_destroy(b);
}

static struct bench *ruled_start(const char *router)
{
	struct bench *b;

	free(config_text);
	config_text = mem_printf("%s%s", router, rules);
	b = start(config_text);
	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.66.0.0/16\", \"type\": \"blackhole\"}"));
	json_decref(bench_call(
		b, "route.add", "{\"to\": \"10.67.0.0/16\", \"type\": \"unreachable\"}"));
	return b;
}

/* In the configuration, where that text begins. */
static int line_of(const char *text)
{
	const char *at = strstr(config_text, text);
	int line = 1;

	ck_assert_ptr_nonnull(at);
	for (const char *p = config_text; p < at; p++)
		line += *p == '\n';
	return line;
}

/* Everything that a packet could change, as text. */
static char *picture(struct bench *b)
{
	static const char *const commands[][2] = {
		{ "firewall.show", "{}" },
		{ "conntrack.stats", "{}" },
		{ "nat.show", "{}" },
		{ "neigh.show", "{\"nud\": \"all\"}" },
		{ "link.show", "{}" },
		{ "drop.show", "{}" },
	};
	struct dp_totals totals;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	dp_totals(b->dp, &totals);
	fprintf(out,
		"%u buffers, %" PRIu64 " connections, %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64
		" %" PRId64 "\n",
		rte_mempool_in_use_count(b->dp->pool), flow_n_tracked(b->dp),
		totals.stats.originated, totals.stats.tx, totals.dropped, totals.stats.held,
		totals.difference);
	for (unsigned int w = 0; w < b->dp->n_workers; w++)
		for (unsigned int i = 0; i < b->dp->n_stages; i++)
			fprintf(out, "%s %" PRIu64 "\n", b->dp->stages[i]->name,
				b->dp->workers[w]->nodes[i].packets);
	for (unsigned int i = 0; i < RTE_DIM(commands); i++) {
		char *answer = bench_answer(b, commands[i][0], commands[i][1]);

		fprintf(out, "%s\n", answer);
		free(answer);
	}
	fclose(out);
	return text;
}

/* By a client that waits: where connections are tracked a worker is asked. */
static json_t *ask(struct bench *b, const char *params)
{
	char *line = mem_printf("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": "
				"\"explain.packet\", \"params\": %s}",
		params);
	json_t *message, *result;

	bench_write(client, line);
	message = bench_read(b, client);
	result = json_incref(json_at(message, "result"));
	json_decref(message);
	free(line);
	return result;
}

/* Asks, and sees to it that all is as it was. */
static json_t *explain(struct bench *b, const char *params)
{
	char *before = picture(b), *after;
	json_t *answer = ask(b, params);

	bench_run(b);
	bench_expect_nothing(b);
	after = picture(b);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	return answer;
}

static void expect_rule(json_t *answer, const char *hook, const char *action, const char *at)
{
	json_t *rule;
	size_t i;

	json_array_foreach(json_at(answer, "rules"), i, rule) {
		if (strcmp(json_text_at(rule, "hook"), hook) != 0)
			continue;
		ck_assert_str_eq(json_text_at(rule, "action"), action);
		ck_assert_int_eq(json_int_at(rule, "line"), line_of(at));
		return;
	}
	ck_abort_msg("%s was not asked", hook);
}

static void expect_text(json_t *answer, const char *text)
{
	ck_assert_msg(strstr(json_text_at(answer, "text"), text) != NULL, "\"%s\" is not in:\n%s",
		text, json_text_at(answer, "text"));
}

/* What comes of a packet: verdict, and reason or (forwarded, held) link. */
static const struct verdict {
	const char *params, *verdict, *why;
} verdicts[] = {
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"203.0.113.10\", \"proto\": "
	  "\"udp\"}",
		"forwarded", "dmz" },
	{ "{\"iif\": \"dmz\", \"src\": \"203.0.113.10\", \"dst\": \"192.0.2.10\", \"proto\": "
	  "\"udp\"}",
		"dropped", "firewall_drop_forward" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": \"tcp\", "
	  "\"dport\": 25}",
		"rejected", "firewall_reject_forward" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": \"udp\", "
	  "\"dport\": 53}",
		"rejected", "firewall_reject_forward" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"10.66.1.1\", \"proto\": \"17\"}",
		"dropped", "ip4_blackhole" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"10.67.1.1\", \"proto\": \"udp\"}",
		"dropped", "ip4_unreachable" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": \"udp\", "
	  "\"ttl\": 1}",
		"dropped", "ip4_ttl_exceeded" },
	{ "{\"iif\": \"lan\", \"src\": \"127.0.0.1\", \"dst\": \"8.8.8.8\", \"proto\": \"udp\"}",
		"dropped", "ip4_martian_source" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"203.0.113.77\", \"proto\": "
	  "\"gre\"}",
		"held", "dmz" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"192.0.2.1\", \"proto\": \"tcp\", "
	  "\"dport\": 23}",
		"dropped", "firewall_drop_input" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"192.0.2.1\", \"proto\": \"tcp\", "
	  "\"dport\": 22}",
		"local", "ip4_no_listener" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": \"tcp\", "
	  "\"tcp_flags\": \"syn,fin\"}",
		"forwarded", "wan" },
	{ "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"224.0.0.5\", \"proto\": \"89\"}",
		"dropped", "ip4_multicast" },
};

START_TEST(packets_fare_as_it_says)
{
	struct bench *b = ruled_start(router_config);

	for (unsigned int i = 0; i < RTE_DIM(verdicts); i++) {
		const struct verdict *row = &verdicts[i];
		json_t *answer = explain(b, row->params);
		const char *why = json_string_value(json_object_get(answer, "reason"));

		if (why == NULL)
			why = json_text_at(answer, "out");
		ck_assert_msg(strcmp(json_text_at(answer, "verdict"), row->verdict) == 0 &&
				      strcmp(why, row->why) == 0,
			"%s: %s, %s\n%s", row->params, json_text_at(answer, "verdict"), why,
			json_text_at(answer, "text"));
		json_decref(answer);
	}
	stop(b);
}
END_TEST

START_TEST(the_rule_that_decided_is_named_with_its_line)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"203.0.113.10\", "
			   "\"proto\": \"tcp\", \"dport\": 443}");

	expect_rule(answer, "forward", "accept", "{ name = \"outward\"");
	expect_text(answer, "rule 2 \"outward\": accept");
	expect_text(answer, "verdict: forwarded, out of link dmz");
	ck_assert_str_eq(json_text_at(answer, "state"), "new");
	ck_assert_str_eq(json_text_at(answer, "neighbour.lladdr"), DMZ_HOST);
	ck_assert_str_eq(json_text_at(answer, "route.dst"), "203.0.113.0/24");
	json_decref(answer);
	answer =
		explain(b, "{\"iif\": \"dmz\", \"src\": \"203.0.113.10\", \"dst\": \"192.0.2.10\", "
			   "\"proto\": \"udp\"}");
	expect_rule(answer, "forward", "drop", "forward: {");
	expect_text(answer, "policy: drop");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(rules_without_a_name_are_told_by_number)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"192.0.2.1\", "
			   "\"proto\": \"tcp\", \"dport\": 22}");

	expect_rule(answer, "input", "accept", "{ proto = \"tcp\"; dport = 22");
	expect_text(answer, "rule 1: accept");
	expect_text(answer, "for: proto tcp dport 22");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(what_no_connection_begins_with_is_invalid)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", "
			   "\"proto\": \"tcp\", \"tcp_flags\": \"syn,fin\"}");

	ck_assert_str_eq(json_text_at(answer, "state"), "invalid");
	expect_text(answer, "state invalid: TCP flags that no host sends together");
	expect_text(answer, "begins no connection");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(refusals_say_what_the_sender_would_be_told)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer = explain(b,
		"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": "
		"\"tcp\", \"dport\": 25}");

	expect_rule(answer, "forward", "reject", "{ name = \"no smtp\"");
	ck_assert_str_eq(json_text_at(answer, "answer.kind"), "tcp_reset");
	json_decref(answer);
	answer = explain(b,
		"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": "
		"\"udp\", \"ttl\": 1}");
	ck_assert_int_eq(json_int_at(answer, "answer.type"), 11);
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(translations_are_told_with_addresses)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer = explain(b,
		"{\"iif\": \"wan\", \"src\": \"8.8.8.8\", \"dst\": \"198.51.100.1\", \"proto\": "
		"\"tcp\", \"dport\": 8080, \"sport\": 555}");

	ck_assert_str_eq(json_text_at(answer, "verdict"), "forwarded");
	expect_rule(answer, "prerouting", "dnat", "{ name = \"web in\"");
	expect_rule(answer, "forward", "accept", "{ name = \"published\"");
	ck_assert_str_eq(json_text_at(answer, "nat.before.dst"), "198.51.100.1");
	ck_assert_int_eq(json_int_at(answer, "nat.before.dport"), 8080);
	ck_assert_str_eq(json_text_at(answer, "nat.after.dst"), "192.0.2.10");
	ck_assert_int_eq(json_int_at(answer, "nat.after.dport"), 80);
	ck_assert_str_eq(json_text_at(answer, "nat.after.src"), "8.8.8.8");
	ck_assert_str_eq(json_text_at(answer, "out"), "lan");
	expect_text(answer, "destination becomes 192.0.2.10:80");
	json_decref(answer);
	answer = explain(b,
		"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": "
		"\"udp\", \"sport\": 555, \"dport\": 123}");
	expect_rule(answer, "postrouting", "masquerade", "{ out = \"wan\"");
	ck_assert_str_eq(json_text_at(answer, "nat.before.src"), "192.0.2.10");
	ck_assert_str_eq(json_text_at(answer, "nat.after.src"), "198.51.100.1");
	ck_assert_str_eq(json_text_at(answer, "next_hop"), "198.51.100.10");
	ck_assert_str_eq(json_text_at(answer, "route.gateway"), "198.51.100.10");
	expect_text(answer, "source becomes 198.51.100.1:");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(pings_to_us_are_answered_and_limits_are_not_used_up)
{
	struct bench *b = ruled_start(router_config);
	const struct ip4_spec ping = { .src = "192.0.2.10",
		.dst = "192.0.2.1",
		.proto = IPPROTO_ICMP,
		.icmp_type = RTE_IP_ICMP_ECHO_REQUEST };
	struct frame frame;

	for (unsigned int i = 0; i < 3; i++) {
		json_t *answer = explain(b,
			"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"192.0.2.1\", "
			"\"proto\": \"icmp\"}");

		ck_assert_str_eq(json_text_at(answer, "verdict"), "local");
		ck_assert_str_eq(json_text_at(answer, "answer.kind"), "reply");
		json_decref(answer);
	}
	/* One a day: it is still there. */
	frame_ip4(&frame, &ping);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	stop(b);
}
END_TEST

START_TEST(packets_too_big_are_cut_or_refused)
{
	struct bench *b = ruled_start(router_config);
	json_t *answer;

	json_decref(bench_call(b, "link.set", "{\"dev\": \"dmz\", \"mtu\": 1000}"));
	answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"203.0.113.10\", "
			   "\"proto\": \"udp\", \"len\": 1400}");
	ck_assert_str_eq(json_text_at(answer, "verdict"), "forwarded");
	ck_assert(json_is_true(json_at(answer, "is_fragmented")));
	ck_assert_int_eq(json_int_at(answer, "mtu"), 1000);
	json_decref(answer);
	answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"203.0.113.10\", "
			   "\"proto\": \"udp\", \"len\": 1400, \"df\": true}");
	ck_assert_str_eq(json_text_at(answer, "reason"), "ip4_frag_needed");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(without_rules_there_are_no_hooks_and_all_else_is_told)
{
	struct bench *b = start(router_config);
	json_t *answer;

	json_decref(bench_call(b, "route.del", "{\"to\": \"default\"}"));
	answer = explain(b,
		"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": "
		"\"udp\"}");
	ck_assert_str_eq(json_text_at(answer, "reason"), "ip4_no_route");
	ck_assert_ptr_null(json_object_get(answer, "rules"));
	ck_assert(json_is_null(json_at(answer, "route")));
	json_decref(answer);
	answer = explain(b,
		"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"10.1.2.3\", \"proto\": "
		"\"sctp\", \"dport\": 9}");
	ck_assert_str_eq(json_text_at(answer, "out"), "dmz");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(ipv6_is_explained_alike)
{
	struct bench *b = ruled_start(router6_config);
	json_t *answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"" HOST6 "\", \"dst\": \"2001:db8:f::1\", "
			   "\"proto\": \"tcp\", \"dport\": 443}");

	ck_assert_str_eq(json_text_at(answer, "verdict"), "forwarded");
	expect_rule(answer, "forward", "accept", "{ name = \"outward\"");
	ck_assert_str_eq(json_text_at(answer, "next_hop"), "2001:db8:3::10");
	json_decref(answer);
	answer =
		explain(b, "{\"iif\": \"lan\", \"src\": \"" HOST6 "\", \"dst\": \"2001:db8:f::1\", "
			   "\"proto\": \"icmpv6\", \"ttl\": 1}");
	ck_assert_str_eq(json_text_at(answer, "reason"), "ip6_hop_limit_exceeded");
	ck_assert_int_eq(json_int_at(answer, "answer.type"), ICMP6_TIME_EXCEEDED);
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(a_connection_that_exists_is_told)
{
	struct bench *b = ruled_start(router_config);
	const char *params = "{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": "
			     "\"203.0.113.10\", \"proto\": \"udp\", \"sport\": 1000, "
			     "\"dport\": 2000}";
	json_t *answer = explain(b, params);
	struct frame frame;

	ck_assert_ptr_null(json_object_get(answer, "connection"));
	json_decref(answer);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "203.0.113.10" });
	bench_push(b, LAN, &frame);
	bench_discard(b);
	answer = explain(b, params);
	ck_assert_ptr_nonnull(json_object_get(answer, "connection"));
	expect_text(answer, "There is such a connection");
	expect_text(answer, "[UNREPLIED]");
	json_decref(answer);
	answer =
		explain(b, "{\"iif\": \"dmz\", \"src\": \"203.0.113.10\", \"dst\": \"192.0.2.10\", "
			   "\"proto\": \"udp\", \"sport\": 2000, \"dport\": 1000}");
	ck_assert_ptr_nonnull(json_object_get(answer, "connection"));
	ck_assert_str_eq(json_text_at(answer, "verdict"), "dropped");
	json_decref(answer);
	stop(b);
}
END_TEST

START_TEST(the_worker_that_owns_a_packet_is_asked)
{
	struct bench *b;

	free(config_text);
	config_text = mem_printf("%s%s", router_config, rules);
	b = bench_create(config_text, 2, 8192);
	bench_discard(b);
	client = bench_connect(b);
	for (unsigned int i = 0; i < 16; i++) {
		struct frame frame;
		json_t *answer;
		char *params = mem_printf(
			"{\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": \"198.51.100.10\", "
			"\"proto\": \"tcp\", \"sport\": %u, \"dport\": 80}",
			1000 + i);

		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "198.51.100.10",
					  .proto = IPPROTO_TCP,
					  .sport = (uint16_t)(1000 + i),
					  .dport = 80 });
		bench_push(b, LAN, &frame);
		bench_discard(b);
		answer = explain(b, params);
		ck_assert_ptr_nonnull(json_object_get(answer, "connection"));
		ck_assert_str_eq(json_text_at(answer, "nat.after.src"), "198.51.100.1");
		json_decref(answer);
		free(params);
	}
	ck_assert_uint_eq(flow_n_tracked(b->dp), 16);
	stop(b);
}
END_TEST

static const struct {
	const char *params, *error;
} wrongs[] = {
	{ "{}", "iif" },
	{ "{\"iif\": \"nolink\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"udp\"}",
		"iif: no link nolink" },
	{ "{\"iif\": \"lan\", \"src\": \"::1\", \"dst\": \"2.2.2.2\", \"proto\": \"udp\"}",
		"src: must be of the same family" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"upd\"}",
		"proto: upd: must be" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"icmpv6\"}",
		"proto: IPv4 has icmp" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"icmp\", "
	  "\"dport\": 5}",
		"dport: only of protocols with ports" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"udp\", "
	  "\"tcp_flags\": \"syn\"}",
		"tcp_flags: only of tcp" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"tcp\", "
	  "\"tcp_flags\": \"syn,sin\"}",
		"tcp_flags: sin: must be of" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"udp\", "
	  "\"len\": 20}",
		"len: such a packet has at least 28 bytes" },
	{ "{\"iif\": \"lan\", \"src\": \"1.1.1.1\", \"dst\": \"2.2.2.2\", \"proto\": \"udp\", "
	  "\"len\": 9000}",
		"no packet buffer" },
};

START_TEST(what_is_no_packet_is_refused)
{
	struct bench *b = bench_start(router_config);

	for (unsigned int i = 0; i < RTE_DIM(wrongs); i++)
		bench_expect_error(b, "explain.packet", wrongs[i].params, wrongs[i].error);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("explain", PLAIN_TEST(packets_fare_as_it_says),
	PLAIN_TEST(the_rule_that_decided_is_named_with_its_line),
	PLAIN_TEST(rules_without_a_name_are_told_by_number),
	PLAIN_TEST(what_no_connection_begins_with_is_invalid),
	PLAIN_TEST(a_connection_that_exists_is_told),
	PLAIN_TEST(the_worker_that_owns_a_packet_is_asked),
	PLAIN_TEST(refusals_say_what_the_sender_would_be_told),
	PLAIN_TEST(translations_are_told_with_addresses),
	PLAIN_TEST(pings_to_us_are_answered_and_limits_are_not_used_up),
	PLAIN_TEST(packets_too_big_are_cut_or_refused),
	PLAIN_TEST(without_rules_there_are_no_hooks_and_all_else_is_told),
	PLAIN_TEST(ipv6_is_explained_alike), PLAIN_TEST(what_is_no_packet_is_refused))
