/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What classifiers find out about a connection's first packet is kept in its entry: later packets go the same way, as
 * long as neither filters nor rules change, and only where packets of one connection can not differ.
 */
#include "kit_qdisc.h"
#include "kit6.h"

#include <string.h>

#include "base/mem.h"
#include "flow/flow.h"

#define TRACKED                                                                                    \
	"firewall: { forward: { rules = ( { proto = \"udp\"; action = \"accept\"; } ); }; };\n"

/* bands: of all but the last two filters of the same address. */
#define PORT_FILTERS                                                                               \
	"filters = ( { proto = \"udp\"; dport = 5001; band = 0; }, { src = \"192.0.2.0/24\"; "     \
	"dport = \"5002-5003\"; proto = \"udp\"; band = 3; } );"

static struct bench *start(const char *more, const char *qdiscs)
{
	char *config = mem_printf("%s%s", router_config, more);
	struct bench *b = qdisc_start(config, qdiscs);

	free(config);
	return b;
}

static void send_udp(struct bench *b, uint16_t dport, uint8_t tos)
{
	const struct ip4_spec spec = {
		.src = "192.0.2.10", .dst = "198.51.100.10", .sport = 4000, .dport = dport
	};
	struct frame frame;

	frame_ip4(&frame, &spec);
	frame_ip(&frame)->type_of_service = tos;
	frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
}

/* What the connection of a frame that leaves keeps; NULL: nothing. */
static uint16_t *kept_by(struct bench *b, const struct frame *frame, uint32_t flow, uint32_t mark)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);
	uint16_t *queue = NULL;

	REQUIRE(m != NULL);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame->len), frame->bytes, frame->len);
	pkt_meta(m)->flow = flow;
	pkt_meta(m)->mark = mark;
	REQUIRE(flow_queues(b->dp->workers[0], &m, 1, &queue));
	rte_pktmbuf_free(m);
	return queue;
}

/* Of the connection that send_udp() has made, by direction. number: they are counted from 1 on. */
static uint16_t *kept(struct bench *b, uint32_t number, uint16_t dport, enum flow_dir dir)
{
	const struct ip4_spec orig = {
		.src = "192.0.2.10", .dst = "198.51.100.10", .sport = 4000, .dport = dport
	};
	const struct ip4_spec reply = {
		.src = "198.51.100.10", .dst = "192.0.2.10", .sport = dport, .dport = 4000
	};
	struct frame frame;
	uint16_t *queue;

	frame_ip4(&frame, dir == FLOW_ORIG ? &orig : &reply);
	queue = kept_by(b, &frame, number << 1 | dir, 0);
	REQUIRE(queue != NULL);
	return queue;
}

/* Where the packet went, of the qdisc on wan. */
static const char *hit(struct bench *b, uint16_t dport, uint8_t tos)
{
	send_udp(b, dport, tos);
	return class_hit(b, "wan");
}

START_TEST(a_connection_remembers_its_queue)
{
	struct bench *b = start(TRACKED, "{ link = \"wan\"; kind = \"prio\"; bands = 4; "
					 "default_band = 1; " PORT_FILTERS " }");
	uint16_t fourth;

	class_hit(b, "wan");
	ck_assert_str_eq(hit(b, 5002, 0), "1:4");
	fourth = *kept(b, 1, 5002, FLOW_ORIG);
	ck_assert_uint_ne(fourth, 0);
	ck_assert_uint_eq(*kept(b, 1, 5002, FLOW_REPLY), 0);
	ck_assert_str_eq(hit(b, 5001, 0), "1:1");
	ck_assert_uint_ne(*kept(b, 2, 5001, FLOW_ORIG), fourth);
	/* Nobody asks the filters again. */
	*kept(b, 2, 5001, FLOW_ORIG) = fourth;
	ck_assert_str_eq(hit(b, 5001, 0), "1:4");
	/* What no filter names, too. */
	ck_assert_str_eq(hit(b, 80, 0), "1:2");
	*kept(b, 3, 80, FLOW_ORIG) = fourth;
	ck_assert_str_eq(hit(b, 80, 0), "1:4");
	/* It may be a number of another link. */
	*kept(b, 3, 80, FLOW_ORIG) = UINT16_MAX;
	ck_assert_str_eq(hit(b, 80, 0), "1:2");
	bench_destroy(b);
}
END_TEST

/* Its errors may be between the same two hosts. */
START_TEST(icmp_is_looked_at_each_time)
{
	struct bench *b = start("firewall: { forward: { rules = ( { proto = \"icmp\"; action = "
				"\"accept\"; } ); }; };\n",
		"{ link = \"wan\"; kind = \"prio\"; filters = ( { proto = \"icmp\"; icmp_type "
		"= \"echo-request\"; band = 0; }, { proto = \"icmp\"; band = 2; } ); }");
	struct ip4_spec spec = {
		.src = "192.0.2.10", .dst = "198.51.100.10", .proto = IPPROTO_ICMP, .icmp_type = 8
	};
	struct frame frame;

	class_hit(b, "wan");
	frame_ip4(&frame, &spec);
	for (unsigned int i = 0; i < 2; i++) {
		bench_push(b, LAN, &frame);
		ck_assert_str_eq(class_hit(b, "wan"), "1:1");
	}
	/* It names a connection that is not there. */
	ck_assert_ptr_null(kept_by(b, &frame, 1 << 1, 0));
	ck_assert_ptr_null(kept_by(b, &frame, UINT32_MAX, 0));
	bench_destroy(b);
}
END_TEST

/* Without connections each packet is looked at: what comes of that is what is right. */
static const char *const trees[] = {
	"{ link = \"wan\"; kind = \"prio\"; bands = 4; default_band = 2; " PORT_FILTERS " }",
	/* Where no filter says anything, TOS does, packet by packet. */
	"{ link = \"wan\"; kind = \"prio\"; bands = 4; " PORT_FILTERS " }",
	"{ link = \"wan\"; kind = \"tbf\"; rate = \"1gbit\"; burst = \"1mb\"; limit = \"1mb\"; "
	"child = { kind = "
	"\"prio\"; bands = 4; " PORT_FILTERS " }; }",
	/* Packets of one connection may differ. */
	"{ link = \"wan\"; kind = \"prio\"; bands = 4; filters = ( { dscp = 4; band = 3; }, { "
	"proto = "
	"\"udp\"; dport = 5001; band = 0; } ); }",
	"{ link = \"wan\"; kind = \"prio\"; bands = 4; filters = ( { in = \"lan\"; band = 3; } ); "
	"}",
	/* A filter below a choice by TOS. */
	"{ link = \"wan\"; kind = \"prio\"; bands = 3; classes = ( { band = 1; child = { kind = "
	"\"prio\"; "
	"bands = 4; " PORT_FILTERS " }; } ); }",
	"{ link = \"wan\"; kind = \"htb\"; default = \"rest\"; classes = ( { name = \"rest\"; rate "
	"= \"100mbit\"; "
	"child = { kind = \"prio\"; }; }, { name = \"web\"; rate = \"100mbit\"; child = { kind = "
	"\"fq_codel\"; }; "
	"} ); filters = ( { proto = \"udp\"; dport = 5001; class = \"web\"; } ); }",
};

START_TEST(what_is_remembered_is_what_filters_say)
{
	static const uint16_t ports[] = { 5001, 5002, 80 };
	static const uint8_t toses[] = { 0, 0x10, 0x08, 0, 0x10 };
	struct bench *b = start("", trees[_i]), *tracked;
	char wanted[RTE_DIM(toses)][RTE_DIM(ports)][16];

	class_hit(b, "wan");
	for (unsigned int i = 0; i < RTE_DIM(toses); i++)
		for (unsigned int k = 0; k < RTE_DIM(ports); k++)
			strcpy(wanted[i][k], hit(b, ports[k], toses[i]));
	bench_destroy(b);
	tracked = start(TRACKED, trees[_i]);
	class_hit(tracked, "wan");
	for (unsigned int i = 0; i < RTE_DIM(toses); i++)
		for (unsigned int k = 0; k < RTE_DIM(ports); k++)
			ck_assert_str_eq(hit(tracked, ports[k], toses[i]), wanted[i][k]);
	bench_destroy(tracked);
}
END_TEST

static const struct ip4_spec answer = { .src_mac = PEER_MAC,
	.dst_mac = WAN_MAC,
	.src = "198.51.100.10",
	.dst = "192.0.2.10",
	.sport = 5001,
	.dport = 4000 };

START_TEST(both_directions_have_a_queue_of_their_own)
{
	struct bench *b = start(TRACKED,
		"{ link = \"wan\"; kind = \"prio\"; bands = 4; default_band = 1; " PORT_FILTERS
		" }, { link = \"lan\"; kind = \"prio\"; bands = 4; default_band = 3; }");
	struct frame frame;

	frame_ip4(&frame, &answer);
	class_hit(b, "wan");
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_str_eq(hit(b, 5001, 0), "1:1");
		class_hit(b, "lan");
		bench_push(b, WAN, &frame);
		ck_assert_str_eq(class_hit(b, "lan"), "1:4");
		class_hit(b, "wan");
	}
	bench_destroy(b);
}
END_TEST

START_TEST(ip6_connections_remember_too)
{
	char *config = mem_printf("%s" TRACKED, router6_config);
	struct bench *b = qdisc_start(config, "{ link = \"wan\"; kind = \"prio\"; bands = 4; "
					      "default_band = 1; filters = ( { proto = \"udp\"; "
					      "dport = 5001; band = 3; } ); }");
	const struct ip6_spec named = { .sport = 4000, .dport = 5001 };
	const struct ip6_spec other = { .sport = 4000, .dport = 80 };
	struct frame frames[2];

	free(config);
	frame_ip6(&frames[0], &named);
	frame_ip6(&frames[1], &other);
	class_hit(b, "wan");
	for (unsigned int i = 0; i < 2; i++) {
		bench_push(b, LAN, &frames[0]);
		ck_assert_str_eq(class_hit(b, "wan"), "1:4");
		bench_push(b, LAN, &frames[1]);
		ck_assert_str_eq(class_hit(b, "wan"), "1:2");
	}
	*kept_by(b, &frames[1], 2 << 1, 0) = *kept_by(b, &frames[0], 1 << 1, 0);
	bench_push(b, LAN, &frames[1]);
	ck_assert_str_eq(class_hit(b, "wan"), "1:4");
	bench_destroy(b);
}
END_TEST

START_TEST(new_filters_hold_for_old_connections)
{
	struct bench *b = start(TRACKED, "{ link = \"wan\"; kind = \"prio\"; bands = 4; "
					 "default_band = 1; " PORT_FILTERS " }");

	class_hit(b, "wan");
	ck_assert_str_eq(hit(b, 5001, 0), "1:1");
	json_decref(bench_call(b, "qdisc.replace",
		"{\"dev\": \"wan\", \"kind\": \"prio\", \"bands\": 4, \"default_band\": 1, "
		"\"filters\": [{\"proto\": \"udp\", \"dport\": 5001, \"band\": 2}]}"));
	class_hit(b, "wan");
	ck_assert_str_eq(hit(b, 5001, 0), "1:3");
	ck_assert_str_eq(hit(b, 5001, 0), "1:3");
	bench_destroy(b);
}
END_TEST

/* What was held since before the rules changed has a mark that its connection has no more: it is not for others. */
START_TEST(new_rules_hold_for_old_connections)
{
	struct bench *b = start("firewall: { forward: { rules = ( { proto = \"udp\"; action = "
				"\"mark\"; to = \"1\"; } ); }; };\n",
		"{ link = \"wan\"; kind = \"prio\"; bands = 4; default_band = 1; filters = ( { "
		"mark = 1; band = 0; }, { mark = 2; band = 3; } ); }");
	const struct ip4_spec spec = {
		.src = "192.0.2.10", .dst = "198.51.100.10", .sport = 4000, .dport = 80
	};
	struct client *client = bench_connect(b);
	struct frame frame;

	frame_ip4(&frame, &spec);
	class_hit(b, "wan");
	ck_assert_str_eq(hit(b, 80, 0), "1:1");
	ck_assert_ptr_nonnull(kept_by(b, &frame, 1 << 1, 1));
	json_decref(rules_load(b, client,
		"forward: { rules = ( { proto = \"udp\"; action = \"mark\"; to = \"2\"; } ); "
		"};\n"));
	ck_assert_str_eq(hit(b, 80, 0), "1:4");
	ck_assert_str_eq(hit(b, 80, 0), "1:4");
	ck_assert_ptr_null(kept_by(b, &frame, 1 << 1, 1));
	ck_assert_ptr_nonnull(kept_by(b, &frame, 1 << 1, 2));
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* The numbers that connections remember run out, and begin again: an old one then means something else. */
START_TEST(numbers_that_are_used_again_have_been_forgotten)
{
	struct bench *b = start(TRACKED,
		"{ link = \"wan\"; kind = \"prio\"; bands = 4; default_band = 1; " PORT_FILTERS
		" }, { link = \"lan\"; kind = \"prio\"; bands = 4; default_band = 3; }");
	char *classes = mem_printf("%s", ""), *params;
	struct frame frame;
	uint16_t ours, before, last = 0;
	bool have_begun_again = false;

	for (unsigned int i = 0; i < 1000; i++) {
		char *more = mem_printf("%s%s{\"name\": \"c%u\", \"rate\": \"1mbit\"}", classes,
			i == 0 ? "" : ", ", i);

		free(classes);
		classes = more;
	}
	params = mem_printf(
		"{\"dev\": \"lan\", \"kind\": \"htb\", \"default\": \"c0\", "
		"\"classes\": [%s], \"filters\": [{\"proto\": \"udp\", \"class\": \"c1\"}]}",
		classes);
	frame_ip4(&frame, &answer);
	class_hit(b, "wan");
	ck_assert_str_eq(hit(b, 5001, 0), "1:1");
	ours = *kept(b, 1, 5001, FLOW_ORIG);
	/* 1001 at a time. */
	for (unsigned int i = 0; i < 70; i++) {
		json_decref(bench_call(b, "qdisc.replace", params));
		bench_push(b, WAN, &frame);
		before = last;
		last = *kept(b, 1, 5001, FLOW_REPLY);
		have_begun_again |= last < before;
		ck_assert_uint_ne(last, before);
		ck_assert_str_eq(hit(b, 5001, 0), "1:1");
		/* Those of wan are in use all the time, and not given to others. */
		ck_assert_uint_eq(*kept(b, 1, 5001, FLOW_ORIG), ours);
	}
	ck_assert(have_begun_again);
	free(classes);
	free(params);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_remember", PLAIN_TEST(a_connection_remembers_its_queue),
	LOOP_TEST(what_is_remembered_is_what_filters_say, trees),
	PLAIN_TEST(icmp_is_looked_at_each_time),
	PLAIN_TEST(both_directions_have_a_queue_of_their_own),
	PLAIN_TEST(ip6_connections_remember_too), PLAIN_TEST(new_filters_hold_for_old_connections),
	PLAIN_TEST(new_rules_hold_for_old_connections),
	PLAIN_TEST(numbers_that_are_used_again_have_been_forgotten))
