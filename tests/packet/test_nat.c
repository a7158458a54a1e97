/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Translation on a running router: the way there and back, what happens when ports run out or rules change
 * under live connections. That packets come out as Linux would send them is shown in the net ring
 * (test_like_nft.py), the choice of ports in tests/unit/test_nat.c.
 */
#include "kit6.h"

#include <unistd.h>

#include "base/mem.h"
#include "flow/flow.h"

#define MASQUERADE "postrouting: { rules = ( { out = \"dmz\"; action = \"masquerade\"; } ); };"

static struct bench *nat_start(const char *rules)
{
	char *config = mem_printf("%sfirewall: { %s };\n", router_config, rules);
	struct bench *b = bench_start(config);

	free(config);
	return b;
}

/* Other rules, as a client would load them. */
static void nat_load(struct bench *b, struct client *client, const char *rules)
{
	char *text = mem_printf("firewall: { %s };\n", rules);
	json_t *message = rules_load(b, client, text);

	ck_assert_ptr_null(json_object_get(message, "error"));
	json_decref(message);
	free(text);
}

static const struct ip4_spec out_spec = {
	.src = "192.0.2.10", .dst = "10.1.2.3", .payload_len = 20
};

static void push(struct bench *b, const char *src, uint16_t sport, uint8_t proto)
{
	struct ip4_spec spec = out_spec;
	struct frame frame;

	spec.src = src;
	spec.sport = sport;
	spec.proto = proto;
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
}

/* The next frame out of dmz: from the router's address there; its source port. */
static uint16_t expect_translated(struct bench *b)
{
	struct frame got;

	bench_expect(b, DMZ, &got);
	frame_check_ip4(&got);
	ck_assert_uint_eq(frame_ip(&got)->src_addr, ip4_be("203.0.113.1"));
	ck_assert_int_eq(rte_ipv4_udptcp_cksum_verify(frame_ip(&got), frame_l4(&got)), 0);
	return rte_be_to_cpu_16(((struct rte_udp_hdr *)frame_l4(&got))->src_port);
}

START_TEST(an_answer_finds_its_way_back)
{
	struct bench *b = nat_start(MASQUERADE);
	struct frame frame, got;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(expect_translated(b), 4000);
	for (unsigned int i = 0; i < 3; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = DMZ_HOST,
					  .dst_mac = DMZ_MAC,
					  .src = "10.1.2.3",
					  .dst = "203.0.113.1",
					  .sport = 2000,
					  .dport = 4000,
					  .payload_len = 20 });
		bench_push(b, DMZ, &frame);
		bench_expect(b, LAN, &got);
		frame_check_ip4(&got);
		ck_assert_uint_eq(frame_ip(&got)->dst_addr, ip4_be("192.0.2.10"));
		ck_assert_int_eq(rte_ipv4_udptcp_cksum_verify(frame_ip(&got), frame_l4(&got)), 0);
	}
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Both in one burst: the second does not see the first in the table yet. */
START_TEST(two_hosts_of_one_burst_get_ports_of_their_own)
{
	struct bench *b = nat_start(MASQUERADE);
	struct ip4_spec spec = out_spec;
	struct frame frame;
	uint16_t first;

	spec.sport = 4000;
	frame_ip4(&frame, &spec);
	bench_send(b, LAN, &frame);
	spec.src = "192.0.2.11";
	frame_ip4(&frame, &spec);
	bench_send(b, LAN, &frame);
	bench_run(b);
	first = expect_translated(b);
	ck_assert_uint_ne(expect_translated(b), first);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 2);
	bench_destroy(b);
}
END_TEST

START_TEST(one_port_is_for_one_connection)
{
	struct bench *b =
		nat_start("postrouting: { rules = ( { out = \"dmz\"; action = \"snat\"; to = "
			  "\"203.0.113.1:5000\"; proto = \"udp\"; } ); };");
	struct drops drops;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(expect_translated(b), 5000);
	drops = drops_take(b);
	push(b, "192.0.2.11", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "nat_no_port", 1);
	/* The one that was first goes on. */
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(expect_translated(b), 5000);
	bench_destroy(b);
}
END_TEST

START_TEST(what_has_no_ports_is_not_mixed_up)
{
	struct bench *b = nat_start(MASQUERADE);
	struct drops drops;

	push(b, "192.0.2.10", 0, IPPROTO_GRE);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	drops = drops_take(b);
	push(b, "192.0.2.11", 0, IPPROTO_GRE);
	drops_expect(b, &drops, "nat_clash", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(without_an_address_nothing_is_masqueraded)
{
	struct bench *b = bench_start(
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\"; } );\n"
		"routes = ( { to = \"default\"; via = \"198.51.100.10\"; dev = \"wan\"; onlink = "
		"true; } );\n"
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );\n"
		"firewall: { postrouting: { rules = ( { action = \"masquerade\"; } ); }; };\n");
	struct drops drops = drops_take(b);

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "nat_no_address", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_mapping_lasts_as_long_as_the_rules_allow_it)
{
	struct bench *b = nat_start(MASQUERADE);
	struct client *client = bench_connect(b);
	struct drops drops;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	expect_translated(b);
	/* Other rules that still allow it: it stays. */
	nat_load(b, client,
		"forward: { rules = ( { in = \"lan\"; action = \"accept\"; } ); };" MASQUERADE);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(expect_translated(b), 4000);
	nat_load(b, client,
		"postrouting: { rules = ( { out = \"dmz\"; action = \"snat\"; to = "
		"\"203.0.113.77\"; } ); };");
	drops = drops_take(b);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "nat_mapping_gone", 1);
	/* It ended with that, and begins anew by the new rules. */
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_destination_that_no_rule_has_any_more_is_given_up)
{
	struct bench *b =
		nat_start("prerouting: { rules = ( { dst = \"10.1.2.3\"; action = \"dnat\"; to = "
			  "\"198.51.100.10\"; } ); };");
	struct client *client = bench_connect(b);
	struct drops drops;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	nat_load(b, client, "forward: { rules = ( { in = \"lan\"; action = \"accept\"; } ); };");
	drops = drops_take(b);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "flow_nat_changed", 1);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Rules that forbid a live connection stop its next packet, and let it go on when they are gone. */
START_TEST(rules_hold_for_live_connections)
{
	struct bench *b = nat_start(MASQUERADE);
	struct client *client = bench_connect(b);
	struct drops drops;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	expect_translated(b);
	nat_load(b, client, "forward: { policy = \"drop\"; };" MASQUERADE);
	drops = drops_take(b);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "firewall_drop_forward", 1);
	nat_load(b, client, MASQUERADE);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(expect_translated(b), 4000);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_route_that_changes_takes_live_connections_along)
{
	struct bench *b =
		nat_start("forward: { rules = ( { in = \"lan\"; action = \"accept\"; } ); };");

	for (unsigned int i = 0; i < 3; i++)
		push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, DMZ), 3);
	json_decref(bench_call(
		b, "route.add", "{\"to\": \"10.1.2.0/24\", \"via\": \"198.51.100.10\"}"));
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	json_decref(bench_call(b, "route.del", "{\"to\": \"10.1.2.0/24\"}"));
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_destination_without_a_way_is_refused_by_name)
{
	struct bench *b =
		nat_start("prerouting: { rules = ( { dst = \"10.1.2.3\"; action = \"dnat\"; to = "
			  "\"172.31.0.1\"; } ); };");
	struct drops drops;

	json_decref(
		bench_call(b, "route.add", "{\"to\": \"172.16.0.0/12\", \"type\": \"blackhole\"}"));
	drops = drops_take(b);
	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	drops_expect(b, &drops, "flow_no_route", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(bytes_that_others_read_are_not_changed)
{
	struct bench *b = nat_start(MASQUERADE);
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);
	struct drops drops = drops_take(b);
	struct frame frame;

	frame_ip4(&frame, &out_spec);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame.len), frame.bytes, frame.len);
	rte_mbuf_refcnt_update(m, 1);
	ck_assert_int_eq(rte_ring_enqueue(b->rx[LAN], m), 0);
	bench_run(b);
	rte_pktmbuf_free(m);
	drops_expect(b, &drops, "flow_shared", 1);
	bench_destroy(b);
}
END_TEST

/* To us by way of a redirect, and to us: the answers would look the same. */
START_TEST(answers_that_would_look_the_same_are_refused_by_name)
{
	struct bench *b =
		nat_start("prerouting: { rules = ( { dst = \"10.1.2.3\"; action = \"redirect\"; } "
			  "); };");
	struct ip4_spec spec = out_spec;
	struct drops drops;
	struct frame frame;

	push(b, "192.0.2.10", 4000, IPPROTO_UDP);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_discard(b);
	spec.dst = "192.0.2.1";
	spec.sport = 4000;
	frame_ip4(&frame, &spec);
	drops = drops_take(b);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "flow_clash", 1);
	bench_destroy(b);
}
END_TEST

/* RFC 3828: ports and checksum where UDP has them, but no length. The first packet, then the quick way. */
START_TEST(udp_lite_keeps_a_right_checksum)
{
	struct bench *b = nat_start(MASQUERADE);
	struct rte_udp_hdr *udp;
	struct frame frame, got;

	frame_ip4(&frame, &out_spec);
	udp = (struct rte_udp_hdr *)frame_l4(&frame);
	frame_ip(&frame)->next_proto_id = IPPROTO_UDPLITE;
	udp->dgram_len = 0; /* covers all of it */
	udp->dgram_cksum = 0;
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(frame_ip(&frame), udp);
	frame_fix_ip(&frame);
	for (unsigned int i = 0; i < 3; i++) {
		bench_push(b, LAN, &frame);
		bench_expect(b, DMZ, &got);
		frame_check_ip4(&got);
		ck_assert_uint_eq(frame_ip(&got)->src_addr, ip4_be("203.0.113.1"));
		ck_assert_int_eq(rte_ipv4_udptcp_cksum_verify(frame_ip(&got), frame_l4(&got)), 0);
	}
	bench_destroy(b);
}
END_TEST

/*
 * Link-local or not, who asked is answered from where it asked. By port: 90 is redirected, 92 untracked, 93
 * policed, 91 nothing of that.
 */
static const struct {
	const char *src, *dst;
	uint16_t dport;
} asked[] = {
	{ HOST6_LINK, LAN6_LINK, 90 },
	{ HOST6_LINK, LAN6_LINK, 91 },
	{ HOST6_LINK, LAN6_LINK, 92 },
	{ HOST6_LINK, LAN6_LINK, 93 },
	{ HOST6_LINK, LAN6, 90 },
	{ HOST6_LINK, LAN6, 91 },
	{ HOST6, LAN6_LINK, 90 },
	{ HOST6, LAN6_LINK, 91 },
	{ HOST6, LAN6_LINK, 92 },
	{ HOST6, LAN6_LINK, 93 },
	{ HOST6, LAN6, 91 },
	{ HOST6, FAR6, 90 },
};

START_TEST(a_segment_to_us_is_answered_by_who_was_asked)
{
	char *config = mem_printf(
		"%sfirewall: { prerouting: { rules = ( { proto = \"tcp\"; dport = 90; action = "
		"\"redirect\"; to = \"4090\"; }, { proto = \"tcp\"; dport = 92; action = "
		"\"notrack\"; } ); "
		"}; input: { rules = ( { proto = \"tcp\"; dport = 93; rate = \"8mbit\"; action = "
		"\"accept\"; } ); }; forward: { policy = \"drop\"; }; };\n",
		router6_config);
	const struct ip6_spec spec = { .src = asked[_i].src,
		.dst = asked[_i].dst,
		.proto = IPPROTO_TCP,
		.dport = asked[_i].dport };
	struct bench *b = bench_start(config);
	const struct rte_tcp_hdr *tcp;
	struct frame sent, got;

	frame_ip6(&sent, &spec);
	bench_push(b, LAN, &sent);
	bench_expect(b, LAN, &got);
	tcp = (const void *)(frame_ip6_hdr(&got) + 1);
	ck_assert_mem_eq(frame_ip6_hdr(&got)->src_addr, frame_ip6_hdr(&sent)->dst_addr, 16);
	ck_assert_mem_eq(frame_ip6_hdr(&got)->dst_addr, frame_ip6_hdr(&sent)->src_addr, 16);
	ck_assert_uint_eq(frame_ip6_hdr(&got)->proto, IPPROTO_TCP);
	ck_assert_uint_eq(rte_be_to_cpu_16(tcp->src_port), asked[_i].dport);
	ck_assert_uint_eq(rte_be_to_cpu_16(tcp->dst_port), 1000);
	ck_assert(tcp->tcp_flags & RTE_TCP_RST_FLAG);
	ck_assert_int_eq(rte_ipv6_udptcp_cksum_verify(frame_ip6_hdr(&got), tcp), 0);
	bench_expect_nothing(b);
	bench_destroy(b);
	free(config);
}
END_TEST

/* An error about the answer of a link-local address: it is for us, and goes nowhere. */
START_TEST(an_error_to_our_link_local_address_stays_here)
{
	char *config =
		mem_printf("%sfirewall: { forward: { policy = \"drop\"; }; };\n", router6_config);
	struct bench *b = bench_start(config);
	struct ip6_spec spec = { .src = HOST6,
		.dst = LAN6_LINK,
		.proto = IPPROTO_ICMPV6,
		.icmp_type = ICMP6_ECHO_REQUEST,
		.payload_len = 56 };
	struct frame frame, answer;
	struct rte_icmp_hdr *icmp;

	frame_ip6(&frame, &spec);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &answer);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	spec.icmp_type = ICMP6_DST_UNREACH;
	frame_ip6(&frame, &spec);
	icmp = (void *)(frame_ip6_hdr(&frame) + 1);
	memcpy(icmp + 1, frame_ip6_hdr(&answer), 56);
	icmp->icmp_ident = icmp->icmp_seq_nb = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = rte_ipv6_udptcp_cksum(frame_ip6_hdr(&frame), icmp);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "icmp6_unhandled"), 1);
	bench_expect_nothing(b);
	bench_destroy(b);
	free(config);
}
END_TEST

/* RFC 4443 3.1: a link-local source does not leave its link, whatever it would be translated to. */
START_TEST(a_link_local_source_is_not_masqueraded)
{
	char *config = mem_printf(
		"%sfirewall: { postrouting: { rules = ( { action = \"masquerade\"; } ); }; };\n",
		router6_config);
	struct bench *b = bench_start(config);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .src = HOST6_LINK });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	frame_check_icmp6(
		&frame, LAN6_LINK, HOST6_LINK, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE);
	bench_expect_nothing(b);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	bench_destroy(b);
	free(config);
}
END_TEST

/* An answer to a link-local address leaves by the link that the question came in by. */
START_TEST(an_untracked_answer_leaves_by_the_link_of_its_question)
{
	char *config = mem_printf(
		"%sfirewall: { prerouting: { rules = ( { action = \"notrack\"; } ); }; output: { "
		"policy "
		"= \"drop\"; rules = ( { out = \"lan\"; action = \"accept\"; } ); }; };\n",
		router6_config);
	struct bench *b = bench_start(config);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .src = HOST6_LINK,
				  .dst = LAN6_LINK,
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = ICMP6_ECHO_REQUEST });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	frame_check_icmp6(&frame, LAN6_LINK, HOST6_LINK, ICMP6_ECHO_REPLY, 0);
	bench_expect_nothing(b);
	bench_destroy(b);
	free(config);
}
END_TEST

PACKET_MAIN("nat", PLAIN_TEST(an_untracked_answer_leaves_by_the_link_of_its_question),
	PLAIN_TEST(a_link_local_source_is_not_masqueraded),
	PLAIN_TEST(an_error_to_our_link_local_address_stays_here),
	LOOP_TEST(a_segment_to_us_is_answered_by_who_was_asked, asked),
	PLAIN_TEST(an_answer_finds_its_way_back),
	PLAIN_TEST(two_hosts_of_one_burst_get_ports_of_their_own),
	PLAIN_TEST(udp_lite_keeps_a_right_checksum), PLAIN_TEST(one_port_is_for_one_connection),
	PLAIN_TEST(what_has_no_ports_is_not_mixed_up),
	PLAIN_TEST(without_an_address_nothing_is_masqueraded),
	PLAIN_TEST(a_mapping_lasts_as_long_as_the_rules_allow_it),
	PLAIN_TEST(a_destination_that_no_rule_has_any_more_is_given_up),
	PLAIN_TEST(rules_hold_for_live_connections),
	PLAIN_TEST(a_route_that_changes_takes_live_connections_along),
	PLAIN_TEST(a_destination_without_a_way_is_refused_by_name),
	PLAIN_TEST(bytes_that_others_read_are_not_changed),
	PLAIN_TEST(answers_that_would_look_the_same_are_refused_by_name))
