/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is known of a packet's connection, where it leaves: the class that a rule has given it, in both directions and
 * behind translations; and where it came from before it was translated, by which hosts share a link.
 */
#include "kit_qdisc.h"

#include <string.h>

#include "base/mem.h"

static const char htbs[] =
	"{ link = \"wan\"; kind = \"htb\"; default = \"bulk\"; classes = (\n"
	"  { name = \"voice\"; rate = \"2mbit\"; }, { name = \"bulk\"; rate = \"8mbit\"; } ); },\n"
	"{ link = \"lan\"; kind = \"htb\"; default = \"rest\"; classes = (\n"
	"  { name = \"rest\"; rate = \"2mbit\"; }, { name = \"voice\"; rate = \"8mbit\"; } ); }\n";

#define VOICE_RULE "{ proto = \"udp\"; dport = 5060; action = \"class\"; to = \"voice\"; }"

static const struct ip4_spec call = {
	.src = "192.0.2.10", .dst = "198.51.100.10", .sport = 4000, .dport = 5060
};
static const struct ip4_spec answer = { .src_mac = PEER_MAC,
	.dst_mac = WAN_MAC,
	.src = "198.51.100.10",
	.dst = "192.0.2.10",
	.sport = 5060,
	.dport = 4000 };

static void push(struct bench *b, unsigned int port, const struct ip4_spec *spec)
{
	struct frame frame;

	frame_ip4(&frame, spec);
	bench_push(b, port, &frame);
}

/* It leaves by that class. */
static void push_to(struct bench *b, unsigned int port, const struct ip4_spec *spec,
	const char *dev, const char *class)
{
	int64_t before = class_figure(b, dev, class, "stats.packets");

	push(b, port, spec);
	ck_assert_int_eq(class_figure(b, dev, class, "stats.packets"), before + 1);
}

static struct bench *start(const char *forward, const char *more)
{
	char *config = mem_printf("%sfirewall: { forward: { rules = ( %s ); }; %s };\n",
		router_config, forward, more);
	struct bench *b = qdisc_start(config, htbs);

	free(config);
	return b;
}

START_TEST(a_rule_chooses_the_class_of_both_directions)
{
	struct bench *b = start(VOICE_RULE, "");
	struct ip4_spec other = call;

	push_to(b, LAN, &call, "wan", "1:1");
	push_to(b, WAN, &answer, "lan", "1:2");
	/* Known by now: the quick way. */
	push_to(b, LAN, &call, "wan", "1:1");
	push_to(b, WAN, &answer, "lan", "1:2");
	other.dport = 5061;
	push_to(b, LAN, &other, "wan", "1:2");
	bench_destroy(b);
}
END_TEST

START_TEST(the_class_is_found_behind_a_translation)
{
	struct bench *b = start(VOICE_RULE,
		"postrouting: { rules = ( { out = \"wan\"; action = \"masquerade\"; } ); };");
	struct ip4_spec back = answer;

	push_to(b, LAN, &call, "wan", "1:1");
	back.dst = "198.51.100.1";
	push_to(b, WAN, &back, "lan", "1:2");
	bench_destroy(b);
}
END_TEST

/* Connections that live are judged anew when rules change, so their class changes with the rules. */
START_TEST(a_new_rule_gives_a_connection_its_class)
{
	struct bench *b = start(
		"{ proto = \"udp\"; mark = 7; action = \"class\"; to = \"voice\"; }",
		"prerouting: { rules = ( { dport = 9; proto = \"udp\"; action = \"mark\"; to = "
		"\"7\"; } ); };");
	struct client *client = bench_connect(b);
	json_t *message;

	push_to(b, LAN, &call, "wan", "1:2");
	message = rules_load(b, client, "forward: { rules = ( " VOICE_RULE " ); };\n");
	ck_assert_ptr_null(json_object_get(message, "error"));
	json_decref(message);
	push_to(b, LAN, &call, "wan", "1:1");
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* The class goes before filters, which go before the default. */
START_TEST(a_rule_goes_before_filters)
{
	char *config = mem_printf(
		"%sfirewall: { forward: { rules = ( { proto = \"udp\"; dport = 5060; action = "
		"\"class\"; to = \"2\"; } ); }; };\n",
		router_config);
	struct bench *b = qdisc_start(config, "{ link = \"wan\"; kind = \"prio\"; filters = ( { "
					      "proto = \"udp\"; band = 0; } ); }");

	free(config);
	push_to(b, LAN, &call, "wan", "1:3");
	push_to(b, LAN,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.10", .dport = 9 },
		"wan", "1:1");
	bench_destroy(b);
}
END_TEST

/*
 * One host has ten flows and another one flow, both behind the same address: queues of hosts share the link in halves,
 * those of flows in elevenths.
 */
static double share_of_the_single_flow(const char *per)
{
	enum { N = 150, FLOWS = 10, OUT = 250 };
	char *config = mem_printf("%sfirewall: { postrouting: { rules = ( { out = \"wan\"; action "
				  "= \"masquerade\"; } "
				  "); }; };\n",
		router_config);
	char *qdisc = mem_printf("{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = "
				 "\"2kb\"; limit = \"4mb\"; child = { kind = \"fq_codel\"; per = "
				 "\"%s\"; target = \"10s\"; interval = \"10s\"; }; }",
		per);
	struct bench *b = qdisc_start(config, qdisc);
	struct ip4_spec one = { .src = "192.0.2.20", .dst = "198.51.100.10", .payload_len = 958 };
	struct ip4_spec many = one;
	unsigned int n_single = 0;
	struct frame frame;

	free(config);
	free(qdisc);
	many.src = "192.0.2.10";
	one.sport = 7777;
	for (unsigned int i = 0; i < N; i++) {
		push(b, LAN, &one);
		for (uint16_t k = 0; k < FLOWS; k++) {
			many.sport = (uint16_t)(5000 + k);
			push(b, LAN, &many);
		}
	}
	/* What has come out so far, before anything had to wait for others. */
	while (bench_receive(b, WAN, &frame))
		;
	for (unsigned int n = 0; n < OUT;) {
		REQUIRE(qdisc_step(b));
		for (; bench_receive(b, WAN, &frame); n++)
			n_single += frame_l4(&frame)[0] == 7777 >> 8 &&
				    frame_l4(&frame)[1] == (7777 & 0xff);
	}
	bench_destroy(b);
	return (double)n_single / OUT;
}

START_TEST(hosts_share_a_link_by_their_inside_addresses)
{
	double by_host = share_of_the_single_flow("source");
	double by_flow = share_of_the_single_flow("flow");

	ck_assert_double_ge(by_host, 0.48);
	ck_assert_double_le(by_host, 0.52);
	/* Queues of two flows may be one. */
	ck_assert_double_ge(by_flow, 0.04);
	ck_assert_double_le(by_flow, 0.19);
}
END_TEST

/* Filters that ask for protocols, ports and DSCP alone, one of which no IPv4 packet matches, and one behind another. */
static const char simple_filters[] =
	"{ link = \"wan\"; kind = \"prio\"; bands = 6; filters = (\n"
	"  { proto = \"tcp\"; dport = 22; band = 0; }, { proto = \"icmpv6\"; band = 5; },\n"
	"  { proto = \"udp\"; sport = \"1000-1003\"; dscp = \"ef\"; band = 3; },\n"
	"  { proto = \"udp\"; dport = \"20-23\"; band = 4; }, { dscp = 8; band = 2; } ); }";

static void random_frame(struct frame *frame, unsigned int i)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_ICMP,
		IPPROTO_GRE };
	static const uint8_t options[4] = { 1, 1, 1, 0 };
	static const uint16_t fragments[] = { 0, 0, 0, RTE_IPV4_HDR_MF_FLAG, 64 };
	static const uint8_t dscps[] = { 0, 46, 8, 10 };
	struct ip4_spec spec = {
		.src = "192.0.2.10",
		.dst = "198.51.100.10",
		.proto = protos[i % 5],
		.sport = (uint16_t)(998 + i / 5 % 8),
		.dport = (uint16_t)(19 + i / 7 % 6),
		.payload_len = 64,
		.icmp_type = 8,
		.fragment = fragments[i / 11 % 5],
	};

	if (i / 13 % 4 == 0) {
		spec.options = options;
		spec.options_len = sizeof(options);
	}
	frame_ip4(frame, &spec);
	frame_ip(frame)->type_of_service = (uint8_t)(dscps[i / 3 % 4] << 2 | i % 3);
	frame_fix_ip(frame);
}

/* Which band each packet went to, as letters. */
static char *bands_of(struct bench *b, unsigned int n)
{
	char *bands = mem_zalloc(n + 1);
	int64_t before[6] = { 0 }, after;
	char handle[8];
	struct frame frame;

	for (unsigned int i = 0; i <= n; i++) {
		for (unsigned int band = 0; band < 6; band++) {
			snprintf(handle, sizeof(handle), "1:%u", band + 1);
			after = class_figure(b, "wan", handle, "stats.packets");
			if (i > 0 && after == before[band] + 1)
				bands[i - 1] = (char)(bands[i - 1] == 0 ? 'a' + band : '?');
			before[band] = after;
		}
		random_frame(&frame, i);
		if (i < n)
			bench_push(b, LAN, &frame);
	}
	bench_discard(b);
	return bands;
}

/* What is traced does not go the short way. */
START_TEST(simple_filters_mean_the_same_on_the_short_way)
{
	enum { N = 1000 };
	struct bench *b = qdisc_start(NULL, simple_filters);
	struct client *client = bench_connect(b);
	char *quick = bands_of(b, N), *closely;

	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"trace.start\", "
			    "\"params\": {\"count\": 100, \"filter\": \"arp\"}}");
	bench_run(b);
	for (unsigned int i = 0; b->dp->workers[0]->trace == NULL && i < 1000; i++) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
	ck_assert_ptr_nonnull(b->dp->workers[0]->trace);
	closely = bands_of(b, N);
	ck_assert_str_eq(quick, closely);
	for (const char *band = "abcde"; *band != '\0'; band++)
		ck_assert_ptr_nonnull(strchr(quick, *band));
	ck_assert_ptr_null(strchr(quick, '?'));
	free(quick);
	free(closely);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(explain_tells_the_queue)
{
	struct bench *b = start(VOICE_RULE, "");
	struct client *client = bench_connect(b);
	json_t *message;

	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"explain.packet\", "
			    "\"params\": {\"iif\": \"lan\", \"src\": \"192.0.2.10\", \"dst\": "
			    "\"198.51.100.10\", \"proto\": \"udp\", \"dport\": 5060}}");
	message = bench_read(b, client);
	ck_assert_str_eq(json_text_at(message, "result.queues.0.dev"), "wan");
	ck_assert_str_eq(json_text_at(message, "result.queues.0.kind"), "pfifo");
	ck_assert_ptr_nonnull(strstr(json_text_at(message, "result.queues.0.class"), "voice"));
	ck_assert_ptr_nonnull(strstr(json_text_at(message, "result.text"), "queue: of link wan"));
	json_decref(message);
	/* Nothing was queued. */
	ck_assert_int_eq(class_figure(b, "wan", "voice", "stats.packets"), 0);
	client_close(client);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_class", PLAIN_TEST(a_rule_chooses_the_class_of_both_directions),
	PLAIN_TEST(the_class_is_found_behind_a_translation),
	PLAIN_TEST(a_new_rule_gives_a_connection_its_class), PLAIN_TEST(a_rule_goes_before_filters),
	PLAIN_TEST(hosts_share_a_link_by_their_inside_addresses),
	PLAIN_TEST(simple_filters_mean_the_same_on_the_short_way),
	PLAIN_TEST(explain_tells_the_queue))
