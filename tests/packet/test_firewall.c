/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of the five hooks on a running router: which packets they stop and what the sender hears, what
 * they count, and how they are shown, replaced and refused. What connections do with the verdict is in
 * test_flow.c, translations are in tests/unit, comparisons with nftables in the net ring.
 */
#include "kit6.h"

#include <unistd.h>

#include "base/mem.h"
#include "firewall/firewall.h"

static struct bench *rules_start_on(const char *router, const char *rules)
{
	char *config = mem_printf("%sfirewall: { %s };\n", router, rules);
	struct bench *b = bench_start(config);

	free(config);
	return b;
}

static struct bench *rules_start(const char *rules)
{
	return rules_start_on(router_config, rules);
}

/* Packets: from the host on lan, to the far side of dmz unless they are for the router itself. */

static const struct ip4_spec udp_on = { .src = "192.0.2.10", .dst = "10.1.2.3" };
static const struct ip4_spec ping_us = {
	.src = "192.0.2.10", .dst = "192.0.2.1", .proto = IPPROTO_ICMP, .icmp_type = 8
};

static void push_ip4(struct bench *b, const struct ip4_spec *spec)
{
	struct frame frame;

	frame_ip4(&frame, spec);
	bench_push(b, LAN, &frame);
}

static void push_udp(struct bench *b, uint16_t sport, uint16_t dport)
{
	struct ip4_spec spec = udp_on;

	spec.sport = sport;
	spec.dport = dport;
	push_ip4(b, &spec);
}

static struct rte_tcp_hdr *frame_tcp(struct frame *frame)
{
	return (struct rte_tcp_hdr *)(void *)frame_l4(frame);
}

static void tcp_make(struct frame *frame, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len)
{
	const struct ip4_spec spec = { .src = "192.0.2.10",
		.dst = "10.1.2.3",
		.proto = IPPROTO_TCP,
		.sport = 1000,
		.dport = 80,
		.payload_len = len };
	struct rte_tcp_hdr *tcp;

	frame_ip4(frame, &spec);
	tcp = frame_tcp(frame);
	tcp->tcp_flags = flags;
	tcp->sent_seq = rte_cpu_to_be_32(seq);
	tcp->recv_ack = rte_cpu_to_be_32(ack);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(frame_ip(frame), tcp);
}

/* Every reason */

static void push_ping(struct bench *b)
{
	push_ip4(b, &ping_us);
}

static void push_broadcast(struct bench *b)
{
	struct ip4_spec spec = ping_us;

	bench_sysctl(b, "ipv4.icmp_echo_ignore_broadcasts", "false");
	spec.dst = "192.0.2.255";
	push_ip4(b, &spec);
}

static void push_on(struct bench *b)
{
	push_ip4(b, &udp_on);
}

static void push_flood(struct bench *b)
{
	struct ip4_spec spec = udp_on;

	spec.payload_len = 1400;
	for (unsigned int i = 0; i < 100; i++)
		push_ip4(b, &spec);
	bench_discard(b);
}

/*
 * Straight into the hook, with what `track` would have said of it: only answers are made here, and those
 * that no connection has are untracked (docs/firewall.md).
 */
static void push_own(struct bench *b)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);
	struct worker *w = b->dp->workers[0];
	struct frame frame;
	struct pkt_meta *meta;
	struct flow_first *f;

	frame_ip4(&frame, &ping_us);
	ck_assert_ptr_nonnull(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame.len), frame.bytes, frame.len);
	meta = pkt_meta(m);
	*meta = (struct pkt_meta){
		.flags = PKT_ORIGINATED | PKT_L4_PRESENT,
		.l3_off = RTE_ETHER_HDR_LEN,
		.l3 = rte_pktmbuf_mtod_offset(m, void *, RTE_ETHER_HDR_LEN),
		.l4_off = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr),
		.l3_len = (uint16_t)(frame.len - RTE_ETHER_HDR_LEN),
		.ethertype = RTE_ETHER_TYPE_IPV4,
		.proto = IPPROTO_ICMP,
	};
	f = flow_first(w, meta);
	*f = (struct flow_first){
		.family = AF_INET,
		.proto = IPPROTO_ICMP,
		.state = FLOW_STATE_NEW,
		.status = FLOW_ORIGINATED,
		.flow = FLOW_NONE,
		.has_l4 = true,
	};
	dp_originate(b->dp, w, m, dp_stage_index(b->dp, "output"));
	bench_run(b);
}

/* Before the control thread has had its turn. */
static void push_by_a_new_link(struct bench *b)
{
	struct frame frame;

	json_decref(bench_call_only(b, "link.add",
		"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7}"));
	frame_ip4(&frame, &udp_on);
	frame_tag(&frame, 0x8100, 7);
	bench_push(b, LAN, &frame);
}

static const struct {
	const char *reason, *rules;
	void (*push)(struct bench *b);
	unsigned int n_answers; /* to the sender */
} reasons[] = {
	{ "firewall_drop_prerouting", "prerouting: { policy = \"drop\"; };", push_on, 0 },
	{ "firewall_drop_prerouting", "prerouting: { rules = ( { action = \"drop\"; } ); };",
		push_on, 0 },
	{ "firewall_drop_input", "input: { policy = \"drop\"; };", push_ping, 0 },
	{ "firewall_drop_input", "input: { policy = \"drop\"; };", push_broadcast, 0 },
	{ "firewall_drop_forward", "forward: { policy = \"drop\"; };", push_on, 0 },
	{ "firewall_drop_output", "output: { policy = \"drop\"; };", push_own, 0 },
	{ "firewall_drop_output", "output: { policy = \"drop\"; };", push_broadcast, 0 },
	{ "firewall_drop_output",
		"prerouting: { rules = ( { action = \"notrack\"; } ); }; output: { policy = "
		"\"drop\"; };",
		push_ping, 0 },
	{ "firewall_drop_postrouting", "postrouting: { policy = \"drop\"; };", push_on, 0 },
	{ "firewall_reject_prerouting", "prerouting: { rules = ( { action = \"reject\"; } ); };",
		push_on, 1 },
	{ "firewall_reject_input", "input: { rules = ( { action = \"reject\"; } ); };", push_ping,
		1 },
	{ "firewall_reject_forward", "forward: { rules = ( { action = \"reject\"; } ); };", push_on,
		1 },
	{ "firewall_reject_output", "output: { rules = ( { action = \"reject\"; } ); };", push_own,
		0 },
	{ "firewall_rate", "forward: { rules = ( { rate = \"8kbit\"; action = \"accept\"; } ); };",
		push_flood, 0 },
	{ "firewall_link_unknown",
		"input: { rules = ( { in = \"lan\"; action = \"accept\"; } ); };",
		push_by_a_new_link, 0 },
};

START_TEST(every_reason_has_a_cause_here)
{
	for (unsigned int i = 0; i < firewall_module.n_drops; i++) {
		unsigned int k = 0;

		while (k < RTE_DIM(reasons) &&
			strcmp(reasons[k].reason, firewall_module.drops[i].name) != 0)
			k++;
		ck_assert_msg(
			k < RTE_DIM(reasons), "nothing causes %s", firewall_module.drops[i].name);
	}
}
END_TEST

START_TEST(a_refused_packet_is_counted_once_under_its_reason)
{
	struct bench *b = rules_start(reasons[_i].rules);
	struct drops drops = drops_take(b);
	uint64_t n;

	reasons[_i].push(b);
	n = bench_drops(b, reasons[_i].reason);
	if (reasons[_i].push == push_flood)
		ck_assert_uint_gt(n, 0);
	else
		ck_assert_uint_eq(n, 1);
	drops_expect(b, &drops, reasons[_i].reason, n);
	ck_assert_uint_eq(bench_count(b, LAN), reasons[_i].n_answers);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_broadcast_that_input_accepts_is_answered)
{
	struct bench *b = rules_start("input: { policy = \"drop\"; rules = ( { proto = \"icmp\"; "
				      "icmp_type = \"echo-request\"; action = \"accept\"; } ); };");

	struct drops drops = drops_take(b);

	push_broadcast(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

/* What the sender hears */

static const struct {
	const char *to;
	uint8_t code4, code6;
} kinds[] = {
	{ "", 3, 4 },
	{ "to = \"port-unreachable\";", 3, 4 },
	{ "to = \"admin-prohibited\";", 13, 1 },
	{ "to = \"host-unreachable\";", 1, 3 },
	{ "to = \"net-unreachable\";", 0, 0 },
	{ "to = \"no-route\";", 0, 0 },
};

START_TEST(a_rejected_packet_is_quoted_as_it_came)
{
	char *rules =
		mem_printf("forward: { rules = ( { action = \"reject\"; %s } ); };", kinds[_i].to);
	struct bench *b = rules_start(rules);
	struct frame sent, answer;
	const struct rte_icmp_hdr *icmp;

	frame_ip4(&sent, &udp_on);
	bench_push(b, LAN, &sent);
	bench_expect(b, LAN, &answer);
	frame_check_ip4(&answer);
	icmp = (const void *)frame_l4(&answer);
	ck_assert_uint_eq(frame_ip(&answer)->next_proto_id, IPPROTO_ICMP);
	ck_assert_uint_eq(frame_ip(&answer)->dst_addr, ip4_be("192.0.2.10"));
	ck_assert_uint_eq(icmp->icmp_type, 3);
	ck_assert_uint_eq(icmp->icmp_code, kinds[_i].code4);
	ck_assert_mem_eq(icmp + 1, frame_ip(&sent), sent.len - RTE_ETHER_HDR_LEN);
	free(rules);
	bench_destroy(b);
}
END_TEST

START_TEST(a_rejected_packet_of_ipv6_has_codes_of_its_own)
{
	char *rules =
		mem_printf("forward: { rules = ( { action = \"reject\"; %s } ); };", kinds[_i].to);
	struct bench *b = rules_start_on(router6_config, rules);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .proto = 0 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	frame_check_icmp6(&frame, LAN6, HOST6, ICMP6_DST_UNREACH, kinds[_i].code6);
	free(rules);
	bench_destroy(b);
}
END_TEST

#define RESET                                                                                      \
	"forward: { rules = ( { proto = \"tcp\"; action = \"reject\"; to = \"tcp-reset\"; } ); };"

static const struct {
	uint8_t flags;
	uint16_t len;
	uint8_t want_flags;
	uint32_t want_seq, want_ack; /* of a segment with number 1000 that acknowledges 5000 */
} segments[] = {
	/* RFC 9293 3.10.7.1 */
	{ RTE_TCP_SYN_FLAG, 0, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0, 1001 },
	{ RTE_TCP_SYN_FLAG, 10, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0, 1011 },
	{ RTE_TCP_ACK_FLAG, 10, RTE_TCP_RST_FLAG, 5000, 0 },
};

START_TEST(a_segment_is_answered_by_the_reset_that_ends_it)
{
	struct bench *b = rules_start(RESET);
	struct drops drops = drops_take(b);
	const struct rte_tcp_hdr *tcp;
	struct frame frame;

	tcp_make(&frame, segments[_i].flags, 1000, 5000, segments[_i].len);
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	frame_check_ip4(&frame);
	tcp = frame_tcp(&frame);
	ck_assert_uint_eq(frame_ip(&frame)->src_addr, ip4_be("10.1.2.3"));
	ck_assert_uint_eq(frame_ip(&frame)->dst_addr, ip4_be("192.0.2.10"));
	ck_assert_uint_eq(frame_ip(&frame)->time_to_live, 64);
	ck_assert_uint_eq(rte_be_to_cpu_16(tcp->src_port), 80);
	ck_assert_uint_eq(rte_be_to_cpu_16(tcp->dst_port), 1000);
	ck_assert_uint_eq(tcp->tcp_flags, segments[_i].want_flags);
	ck_assert_uint_eq(rte_be_to_cpu_32(tcp->sent_seq), segments[_i].want_seq);
	ck_assert_uint_eq(rte_be_to_cpu_32(tcp->recv_ack), segments[_i].want_ack);
	ck_assert_int_eq(rte_ipv4_udptcp_cksum_verify(frame_ip(&frame), tcp), 0);
	drops_expect(b, &drops, "firewall_reject_forward", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_reset_and_a_broken_segment_are_not_answered)
{
	struct bench *b = rules_start(RESET);
	struct frame frame;

	tcp_make(&frame, RTE_TCP_RST_FLAG, 1000, 0, 0);
	bench_push(b, LAN, &frame);
	tcp_make(&frame, RTE_TCP_SYN_FLAG, 1000, 0, 0);
	frame_tcp(&frame)->cksum ^= 1;
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Order, counters */

static json_t *row_of(json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (json_is_string(json_object_get(row, "name")) &&
			strcmp(json_text_at(row, "name"), name) == 0)
			return row;
	ck_abort_msg("there is no rule %s", name);
	return NULL;
}

/* Packets that a rule of forward has counted. */
static int64_t counted(struct bench *b, const char *name)
{
	json_t *rows = bench_call(b, "firewall.show", "{\"hook\": \"forward\"}");
	int64_t n = json_int_at(row_of(rows, name), "packets");

	json_decref(rows);
	return n;
}

START_TEST(the_first_final_rule_decides_and_others_go_on)
{
	struct bench *b = rules_start(
		"forward: { policy = \"drop\"; rules = (\n"
		"  { name = \"marked\"; dport = 53; proto = \"udp\"; action = \"mark\"; to = 7; "
		"},\n"
		"  { name = \"first\"; mark = 7; action = \"accept\"; },\n"
		"  { name = \"second\"; dport = 53; proto = \"udp\"; action = \"drop\"; } ); };");

	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	push_udp(b, 1000, 54);
	ck_assert_uint_eq(bench_count(b, DMZ), 0);
	ck_assert_int_eq(counted(b, "marked"), 1);
	ck_assert_int_eq(counted(b, "first"), 1);
	ck_assert_int_eq(counted(b, "second"), 0);
	ck_assert_int_eq(counted(b, "policy"), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(only_the_first_packet_of_a_connection_asks)
{
	struct bench *b =
		rules_start("forward: { rules = ( { name = \"all\"; action = \"accept\"; } ); };");
	json_t *rows;

	for (unsigned int i = 0; i < 5; i++)
		push_udp(b, 1000, 53);
	push_udp(b, 1001, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 6);
	rows = bench_call(b, "firewall.show", NULL);
	ck_assert_int_eq(json_int_at(row_of(rows, "all"), "packets"), 2);
	/* IP header and UDP header */
	ck_assert_int_eq(json_int_at(row_of(rows, "all"), "bytes"), 2 * 28);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(a_limit_lets_its_burst_pass_and_what_is_over_goes_on)
{
	struct bench *b = rules_start("forward: { policy = \"drop\"; rules = ( { name = \"few\"; "
				      "limit = \"1/hour burst 3\"; "
				      "action = \"accept\"; } ); };");

	for (uint16_t i = 0; i < 10; i++)
		push_udp(b, (uint16_t)(1000 + i), 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 3);
	ck_assert_int_eq(counted(b, "few"), 3);
	ck_assert_int_eq(counted(b, "policy"), 7);
	/* Those that have begun go on. */
	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(reset_sets_counters_to_zero_and_they_go_on_from_there)
{
	struct bench *b =
		rules_start("forward: { rules = ( { name = \"all\"; action = \"accept\"; } ); };");

	push_udp(b, 1000, 53);
	push_udp(b, 1001, 53);
	ck_assert_int_eq(counted(b, "all"), 2);
	json_decref(bench_call(b, "firewall.reset", NULL));
	ck_assert_int_eq(counted(b, "all"), 0);
	push_udp(b, 1002, 53);
	ck_assert_int_eq(counted(b, "all"), 1);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(show_has_a_row_for_each_rule_and_each_policy)
{
	struct bench *b = rules_start(
		"input: { policy = \"drop\"; rules = (\n"
		"  { name = \"ssh\"; in = \"lan\"; proto = \"tcp\"; dport = ( 22, \"80-90\" );\n"
		"    limit = \"5/second\"; log = \"ssh\"; action = \"accept\"; } ); };");
	json_t *rows = bench_call(b, "firewall.show", NULL);

	ck_assert_uint_eq(json_array_size(rows), 6);
	ck_assert_str_eq(json_text_at(rows, "0.hook"), "prerouting");
	ck_assert_str_eq(json_text_at(rows, "1.hook"), "input");
	ck_assert_int_eq(json_int_at(rows, "1.index"), 0);
	ck_assert_str_eq(json_text_at(rows, "1.spec"), "in lan proto tcp dport { 22, 80-90 }");
	ck_assert_str_eq(json_text_at(rows, "1.action"), "accept");
	ck_assert_str_eq(json_text_at(rows, "1.limit"), "5/second");
	ck_assert_int_gt(json_int_at(rows, "1.line"), 0);
	ck_assert_str_eq(json_text_at(rows, "2.name"), "policy");
	ck_assert_int_eq(json_int_at(rows, "2.index"), 1);
	ck_assert_str_eq(json_text_at(rows, "2.action"), "drop");
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(the_rules_that_are_shown_are_the_ones_that_run)
{
	struct bench *b = rules_start("forward: { policy = \"drop\"; rules = ( { name = \"dns\"; "
				      "proto = \"udp\"; dport = 53;"
				      " log = true; action = \"accept\"; }, { src = "
				      "\"!10.0.0.0/8\"; action = \"reject\"; } ); };");
	char *shown = bench_answer(b, "config.show", NULL), *again;
	json_t *text = json_loads(shown, JSON_DECODE_ANY, NULL);
	struct bench *b2;

	bench_destroy(b);
	b2 = bench_start(json_string_value(text));
	again = bench_answer(b2, "config.show", NULL);
	ck_assert_str_eq(shown, again);
	ck_assert_ptr_nonnull(strstr(shown, "dns"));
	push_udp(b2, 1000, 53);
	ck_assert_uint_eq(bench_count(b2, DMZ), 1);
	push_udp(b2, 1000, 54);
	ck_assert_uint_eq(bench_count(b2, DMZ), 0);
	json_decref(text);
	free(shown);
	free(again);
	bench_destroy(b2);
}
END_TEST

/* Loading */

static void load_well(struct bench *b, struct client *client, const char *text)
{
	json_t *message = rules_load(b, client, text);

	ck_assert_msg(json_object_get(message, "error") == NULL, "%s",
		json_object_get(message, "error") != NULL ? json_text_at(message, "error.message")
							  : "");
	json_decref(message);
}

#define ACCEPT_53                                                                                  \
	"policy = \"drop\"; rules = ( { name = \"dns\"; proto = \"udp\"; dport = 53; "             \
	"action = \"accept\"; } );"

/* The way that its connection took there is gone; what the new rules say of it is asked all the same. */
START_TEST(an_answer_from_nowhere_is_judged_by_new_rules)
{
	const struct ip4_spec answer = { .src_mac = DMZ_HOST,
		.dst_mac = DMZ_MAC,
		.src = "10.1.2.3",
		.dst = "192.0.2.10",
		.sport = 53,
		.dport = 1000 };
	struct bench *b = rules_start("forward: { " ACCEPT_53 " };");
	struct client *client = bench_connect(b);
	struct drops drops;
	struct frame frame;

	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	json_decref(bench_call(b, "route.del", "{\"to\": \"default\"}"));
	json_decref(bench_call(b, "route.del", "{\"to\": \"10.0.0.0/8\"}"));
	load_well(b, client, "forward: { " ACCEPT_53 " }; input: { policy = \"drop\"; };\n");
	frame_ip4(&frame, &answer);
	bench_push(b, DMZ, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	load_well(b, client, "forward: { policy = \"drop\"; };\n");
	drops = drops_take(b);
	bench_push(b, DMZ, &frame);
	drops_expect(b, &drops, "firewall_drop_forward", 1);
	bench_expect_nothing(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Without a connection an answer needs a rule of its own, also where there was one. */
START_TEST(what_new_rules_do_not_track_is_judged_by_itself)
{
	const struct ip4_spec answer = { .src_mac = DMZ_HOST,
		.dst_mac = DMZ_MAC,
		.src = "10.1.2.3",
		.dst = "192.0.2.10",
		.sport = 53,
		.dport = 1000 };
	struct bench *b = rules_start("forward: { " ACCEPT_53 " };");
	struct client *client = bench_connect(b);
	struct drops drops;
	struct frame frame;

	push_udp(b, 1000, 53);
	push_udp(b, 1001, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 2);
	load_well(b, client,
		"prerouting: { rules = ( { proto = \"udp\"; dport = 53; action = \"notrack\"; } ); "
		"}; forward: { " ACCEPT_53 " };\n");
	drops = drops_take(b);
	frame_ip4(&frame, &answer);
	bench_push(b, DMZ, &frame);
	drops_expect(b, &drops, "firewall_drop_forward", 1);
	push_udp(b, 1001, 53);
	push_udp(b, 1001, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 2);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	bench_expect_nothing(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(loaded_rules_take_the_place_of_the_others)
{
	struct bench *b = rules_start("forward: { " ACCEPT_53 " };");
	struct client *client = bench_connect(b);

	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	load_well(b, client, "forward: { policy = \"drop\"; };\n");
	/* Live connections are judged by them at their next packet, and counted nowhere. */
	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 0);
	ck_assert_uint_eq(bench_drops(b, "firewall_drop_forward"), 1);
	ck_assert_int_eq(counted(b, "policy"), 0);
	load_well(b, client, "firewall: { forward: { " ACCEPT_53 " }; };\n");
	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	load_well(b, client, "firewall: { };\n");
	push_udp(b, 1000, 54);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *text, *want;
} bad_files[] = {
	{ "", "holds no rules" },
	{ "forward: {\n  policy = \"maybe\";\n};",
		":2: forward.policy: must be one of: accept, drop" },
	{ "firewall: {\n forward: { rules = ( { in = \"nil\"; action = \"drop\"; } ); };\n};",
		":2: firewall.forward.rules[0].in" },
	{ "forward: { rules = (\n { action = \"drop\"; },\n { action = \"dnat\"; to = "
	  "\"10.0.0.1\"; } ); };",
		":3: forward.rules[1].action: dnat is allowed in prerouting and output only" },
	{ "firewall: { };\nroutes = ( );", ":2: routes: is not a setting" },
	{ "forwards: { };", ":1: forwards: is not a setting" },
	{ "forward: { rules = (", "syntax error" },
};

START_TEST(a_file_that_is_wrong_changes_nothing)
{
	struct bench *b = rules_start("forward: { " ACCEPT_53 " };");
	struct client *client = bench_connect(b);
	char *before, *after;
	json_t *message;

	push_udp(b, 1000, 53);
	before = bench_answer(b, "firewall.show", NULL);
	message = rules_load(b, client, bad_files[_i].text);
	ck_assert_ptr_nonnull(json_object_get(message, "error"));
	ck_assert_msg(strstr(json_text_at(message, "error.message"), bad_files[_i].want) != NULL,
		"%s", json_text_at(message, "error.message"));
	after = bench_answer(b, "firewall.show", NULL);
	ck_assert_str_eq(before, after);
	bench_discard(b);
	json_decref(message);
	free(before);
	free(after);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(counters_of_what_stays_survive_a_load)
{
	static const char first[] =
		"forward: { rules = ( { name = \"named\"; proto = \"udp\"; dport = 53; action = "
		"\"mark\"; to = 1; }, { proto = \"udp\"; action = \"mark\"; to = 2; }, { name = "
		"\"gone\"; action = \"accept\"; } ); };";
	static const char second[] =
		"forward: { rules = ( { name = \"new\"; action = \"mark\"; to = 3; }, { proto = "
		"\"udp\"; action = \"mark\"; to = 2; }, { name = \"named\"; proto = \"udp\"; "
		"action = "
		"\"accept\"; } ); };";
	struct bench *b = rules_start(first);
	struct client *client = bench_connect(b);
	json_t *rows;

	for (uint16_t i = 0; i < 4; i++)
		push_udp(b, (uint16_t)(1000 + i), 53);
	load_well(b, client, second);
	push_udp(b, 2000, 53);
	/* Long enough for the old rules to be retired: what they counted is still there. */
	bench_advance(b, 100);
	push_udp(b, 2001, 53);
	rows = bench_call(b, "firewall.show", "{\"hook\": \"forward\"}");
	ck_assert_int_eq(json_int_at(row_of(rows, "new"), "packets"), 2);
	ck_assert_int_eq(json_int_at(rows, "1.packets"), 6);
	ck_assert_int_eq(json_int_at(row_of(rows, "named"), "packets"), 6);
	json_decref(rows);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(ten_thousand_rules_are_loaded_and_the_last_decides)
{
	struct bench *b = rules_start("forward: { " ACCEPT_53 " };");
	struct client *client = bench_connect(b);
	char *text = NULL;
	json_t *rows;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("forward: { policy = \"drop\"; rules = (\n", out);
	for (unsigned int i = 0; i < 9999; i++)
		fprintf(out, "{ src = \"172.%u.%u.0/24\"; proto = \"udp\"; action = \"drop\"; },\n",
			i / 256, i % 256);
	fputs("{ name = \"last\"; proto = \"udp\"; dport = 53; action = \"accept\"; } ); };\n",
		out);
	fclose(out);
	load_well(b, client, text);
	push_udp(b, 1000, 53);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	rows = bench_call(b, "firewall.show", "{\"hook\": \"forward\"}");
	ck_assert_uint_eq(json_array_size(rows), 10001);
	ck_assert_int_eq(json_int_at(row_of(rows, "last"), "packets"), 1);
	json_decref(rows);
	free(text);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Log */

START_TEST(a_rule_that_logs_says_what_it_saw_and_not_too_often)
{
	struct bench *b = rules_start("forward: { rules = ( { name = \"seen\"; log = \"from lan\"; "
				      "action = \"accept\"; } ); };");
	FILE *file = tmpfile();
	int stderr_fd = dup(STDERR_FILENO);
	char line[512];
	unsigned int n = 0;

	ck_assert_ptr_nonnull(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	for (uint16_t i = 0; i < 100; i++)
		push_udp(b, (uint16_t)(1000 + i), 53);
	fflush(stderr);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "from lan") == NULL)
			continue;
		n++;
		ck_assert_msg(strstr(line, "hook=forward rule=0 name=seen in=lan out=dmz "
					   "src=192.0.2.10 dst=10.1.2.3") != NULL,
			"%s", line);
		ck_assert_ptr_nonnull(strstr(line, "dport=53"));
	}
	ck_assert_uint_ge(n, 1);
	ck_assert_uint_lt(n, 100);
	fclose(file);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* What cannot be */

#define RULE(hook, text) "firewall: { " hook ": { rules = ( { " text " } ); }; };"

static const struct {
	const char *text, *want;
} configs[] = {
	{ RULE("input", "in = \"lan\";"), "rules[0].action: is missing" },
	{ RULE("input", "action = \"snat\"; to = \"10.0.0.1\";"),
		"snat is allowed in postrouting only" },
	{ RULE("postrouting", "action = \"reject\";"), "reject is allowed in prerouting, input" },
	{ RULE("forward", "action = \"notrack\";"), "notrack is allowed in prerouting and output" },
	{ RULE("prerouting", "action = \"masquerade\";"), "masquerade is allowed in postrouting" },
	{ RULE("prerouting", "action = \"dnat\";"), "rules[0].to: must be an address" },
	{ RULE("prerouting", "src = \"10.0.0.1\"; action = \"dnat\"; to = \"2001:db8::1\";"),
		"rules[0].to: must be an IPv4 address" },
	{ RULE("prerouting", "action = \"dnat\"; to = \"10.0.0.1:80\";"),
		"rules[0].to: has ports, so proto must name" },
	{ RULE("input", "action = \"accept\"; to = \"x\";"),
		"rules[0].to: is of no use to accept" },
	{ RULE("input", "action = \"reject\"; to = \"x\";"),
		"rules[0].to: must be port-unreachable" },
	{ RULE("input", "action = \"reject\"; to = \"tcp-reset\";"), "tcp-reset needs proto" },
	{ RULE("input", "out = \"lan\"; action = \"drop\";"),
		"rules[0].out: is not known in input" },
	{ RULE("prerouting", "out = \"lan\"; action = \"drop\";"),
		"rules[0].out: is not known in prerouting" },
	{ RULE("output", "in = \"lan\"; action = \"drop\";"),
		"rules[0].in: is not known in output" },
	{ RULE("input", "limit = \"often\"; action = \"drop\";"), "rules[0].limit: must be" },
	{ RULE("input", "action = \"mark\"; to = \"red\";"), "rules[0].to: must be a mark" },
	{ RULE("input", "action = \"dscp\";"), "rules[0].to: must be a DSCP" },
	{ RULE("input", "in = \"nil\"; action = \"drop\";"), "rules[0].in" },
	{ RULE("input", "dport = 80; action = \"drop\";"), "rules[0].dport" },
	{ RULE("input", "name = \"policy\"; action = \"drop\";"), "rules[0].name" },
	{ RULE("input", "name = \"a\"; action = \"drop\"; }, { name = \"a\"; action = \"drop\";"),
		"rules[1].name: rules[0] of this hook has the same name" },
	{ "firewall: { input: { policy = \"reject\"; }; };", "input.policy: must be one of" },
	{ "firewall: { inputs: { }; };", "firewall.inputs: is not a setting" },
};

START_TEST(a_rule_that_cannot_be_is_refused_with_its_place)
{
	char *text = mem_printf("%s%s", router_config, configs[_i].text), *said;
	struct config *config;
	struct diag diag;

	diag_init(&diag, "test.conf");
	config = conf_read_text(modules, text, strlen(text), &diag);
	ck_assert_ptr_null(config);
	said = diag_text(&diag);
	ck_assert_msg(strstr(said, configs[_i].want) != NULL, "%s", said);
	free(said);
	free(text);
	diag_fini(&diag);
}
END_TEST

PACKET_MAIN("firewall", PLAIN_TEST(every_reason_has_a_cause_here),
	LOOP_TEST(a_refused_packet_is_counted_once_under_its_reason, reasons),
	PLAIN_TEST(a_broadcast_that_input_accepts_is_answered),
	LOOP_TEST(a_rejected_packet_is_quoted_as_it_came, kinds),
	LOOP_TEST(a_rejected_packet_of_ipv6_has_codes_of_its_own, kinds),
	LOOP_TEST(a_segment_is_answered_by_the_reset_that_ends_it, segments),
	PLAIN_TEST(a_reset_and_a_broken_segment_are_not_answered),
	PLAIN_TEST(the_first_final_rule_decides_and_others_go_on),
	PLAIN_TEST(only_the_first_packet_of_a_connection_asks),
	PLAIN_TEST(a_limit_lets_its_burst_pass_and_what_is_over_goes_on),
	PLAIN_TEST(reset_sets_counters_to_zero_and_they_go_on_from_there),
	PLAIN_TEST(show_has_a_row_for_each_rule_and_each_policy),
	PLAIN_TEST(the_rules_that_are_shown_are_the_ones_that_run),
	PLAIN_TEST(an_answer_from_nowhere_is_judged_by_new_rules),
	PLAIN_TEST(what_new_rules_do_not_track_is_judged_by_itself),
	PLAIN_TEST(loaded_rules_take_the_place_of_the_others),
	LOOP_TEST(a_file_that_is_wrong_changes_nothing, bad_files),
	PLAIN_TEST(counters_of_what_stays_survive_a_load),
	PLAIN_TEST(ten_thousand_rules_are_loaded_and_the_last_decides),
	PLAIN_TEST(a_rule_that_logs_says_what_it_saw_and_not_too_often),
	LOOP_TEST(a_rule_that_cannot_be_is_refused_with_its_place, configs))
