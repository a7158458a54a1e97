/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which class a packet waits in: what filters see of it, what rules have said of its connection, and what is left to its
 * TOS field, with the bands that tc-prio(8) has for each of its values.
 */
#include "kit_qdisc.h"

#include "kit6.h"

#include <stdlib.h>

#include "base/mem.h"

/* The class that the frame has hit, when it is sent. */
static const char *hit_of(struct bench *b, unsigned int port, const struct frame *frame)
{
	class_hit(b, "wan");
	bench_push(b, port, frame);
	return class_hit(b, "wan");
}

/* TOS */

/* tc-prio(8), "TOS": the field's bits 1 to 4, priority of Linux, and band. */
static const struct {
	uint8_t tos, priority, band;
} tos_rows[] = {
	{ 0x00, 0, 1 },
	{ 0x02, 0, 1 },
	{ 0x04, 0, 1 },
	{ 0x06, 0, 1 },
	{ 0x08, 2, 2 },
	{ 0x0a, 2, 2 },
	{ 0x0c, 2, 2 },
	{ 0x0e, 2, 2 },
	{ 0x10, 6, 0 },
	{ 0x12, 6, 0 },
	{ 0x14, 6, 0 },
	{ 0x16, 6, 0 },
	{ 0x18, 4, 1 },
	{ 0x1a, 4, 1 },
	{ 0x1c, 4, 1 },
	{ 0x1e, 4, 1 },
};

static void expect_band(const char *hit, unsigned int band)
{
	char want[16];

	snprintf(want, sizeof(want), "1:%x", band + 1);
	ck_assert_str_eq(hit, want);
}

/* Bits 0 and 5 to 7 mean nothing. */
START_TEST(tos_means_what_it_means_to_linux)
{
	static const uint8_t others[] = { 0, 1, 0xe0, 0xe1 };
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"prio\"; }");
	struct frame frame;

	for (unsigned int i = 0; i < RTE_DIM(others); i++) {
		numbered_frame(&frame, 1, 100);
		frame_ip(&frame)->type_of_service = tos_rows[_i].tos | others[i];
		frame_fix_ip(&frame);
		expect_band(hit_of(b, LAN, &frame), tos_rows[_i].band);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_priomap_gives_each_priority_its_band)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"prio\"; bands = 16; "
					    "priomap = [ 15, 14, 13, 12, 11, 10, 9, "
					    "8, 7, 6, 5, 4, 3, 2, 1, 0 ]; }");
	struct frame frame;

	numbered_frame(&frame, 1, 100);
	frame_ip(&frame)->type_of_service = tos_rows[_i].tos;
	frame_fix_ip(&frame);
	expect_band(hit_of(b, LAN, &frame), 15 - tos_rows[_i].priority);
	bench_destroy(b);
}
END_TEST

START_TEST(two_bands_have_the_last_one_for_what_has_none)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"prio\"; bands = 2; }");
	struct frame frame;

	numbered_frame(&frame, 1, 100);
	frame_ip(&frame)->type_of_service = tos_rows[_i].tos;
	frame_fix_ip(&frame);
	expect_band(hit_of(b, LAN, &frame), RTE_MIN(tos_rows[_i].band, 1));
	bench_destroy(b);
}
END_TEST

START_TEST(a_traffic_class_counts_as_a_tos_field)
{
	char *config =
		mem_printf("%s qdiscs = ( { link = \"wan\"; kind = \"prio\"; } );", router6_config);
	struct bench *b = bench_start(config);
	struct frame frame;

	qdisc_take_clock(b);
	for (unsigned int i = 0; i < RTE_DIM(tos_rows); i++) {
		frame_ip6(&frame, &(struct ip6_spec){ 0 });
		frame_ip6_hdr(&frame)->vtc_flow =
			rte_cpu_to_be_32(0x60000000 | (uint32_t)tos_rows[i].tos << 20);
		expect_band(hit_of(b, LAN, &frame), tos_rows[i].band);
	}
	free(config);
	bench_destroy(b);
}
END_TEST

/* Filters */

#define LINKS_WITH_VLAN                                                                            \
	"links = (\n"                                                                              \
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"                   \
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"                                               \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"                   \
	"    addresses = [ \"198.51.100.1/24\" ]; },\n"                                            \
	"  { name = \"dmz\"; device = \"net_ring_p2\"; mac = \"" DMZ_MAC "\";\n"                   \
	"    addresses = [ \"203.0.113.1/24\" ]; },\n"                                             \
	"  { name = \"lan.5\"; type = \"vlan\"; parent = \"lan\"; vid = 5; addresses = [ "         \
	"\"192.0.5.1/24\" ]; } );\n"                                                               \
	"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n" \
	"firewall: { forward: { rules = (\n"                                                       \
	"  { proto = \"udp\"; dport = 2010; action = \"mark\"; to = \"0x10\"; },\n"                \
	"  { proto = \"udp\"; dport = 2011; action = \"mark\"; to = \"0x30\"; },\n"                \
	"  { proto = \"udp\"; dport = 2016; action = \"dscp\"; to = \"ef\"; } ); }; };\n"

#define PRIO(filters)                                                                              \
	"{ link = \"wan\"; kind = \"prio\"; bands = 4; default_band = 1; filters = ( " filters     \
	" ); }"
/* "dsl" of the contract. */
#define DSL                                                                                        \
	"{ link = \"wan\"; kind = \"htb\"; default = \"bulk\";\n"                                  \
	"  classes = ( { name = \"voice\"; rate = \"2mbit\"; ceil = \"20mbit\"; prio = 0; },\n"    \
	"              { name = \"bulk\"; rate = \"18mbit\"; ceil = \"20mbit\"; prio = 1; child "  \
	"= "                                                                                       \
	"{ kind = \"fq_codel\"; }; } );\n"                                                         \
	"  filters = ( { dscp = \"ef\"; class = \"voice\"; } ); }"
#define SSH                                                                                        \
	"{ link = \"wan\"; kind = \"prio\"; bands = 3; filters = ( { proto = \"tcp\"; dport = "    \
	"22; band = 0; } ); default_band = 1; }"
/* A prio in a class of an htb in a band of a prio. */
#define NESTED                                                                                     \
	"{ link = \"wan\"; kind = \"prio\"; classes = ( { band = 1; name = \"middle\"; child = "   \
	"{\n"                                                                                      \
	"  kind = \"htb\"; default = \"other\"; classes = ( { name = \"other\"; rate = "           \
	"\"1mbit\"; },\n"                                                                          \
	"    { name = \"voice\"; rate = \"1mbit\"; child = { kind = \"prio\"; classes = ( { band " \
	"= 2; name = "                                                                             \
	"\"deep\"; } ); filters = ( { dport = 2002; proto = \"udp\"; class = \"deep\"; } ); }; } " \
	");\n"                                                                                     \
	"  filters = ( { dport = \"2001-2002\"; proto = \"udp\"; class = \"voice\"; } ); }; } "    \
	");\n"                                                                                     \
	"  filters = ( { proto = \"udp\"; class = \"middle\"; }, { proto = \"icmp\"; band = 2; } " \
	"); }"

static const struct {
	const char *qdiscs;
	struct ip4_spec spec;
	uint16_t tci; /* 0: untagged */
	uint8_t tos;
	unsigned int port;
	const char *want;
} filter_rows[] = {
	{ SSH, { .proto = IPPROTO_TCP, .dport = 22 }, .want = "1:1" },
	{ SSH, { .proto = IPPROTO_TCP, .dport = 23 }, .want = "1:2" },
	{ SSH, { .proto = IPPROTO_UDP, .dport = 22 }, .want = "1:2" },
	{ SSH, { .proto = IPPROTO_TCP, .dport = 23 }, .tos = 0x10, .want = "1:2" },
	{ SSH, { .proto = IPPROTO_TCP, .dport = 22 }, .tci = 0xa005, .want = "1:1" },
	{ SSH, { .proto = IPPROTO_TCP, .dport = 22, .options = "\1\1\1", .options_len = 4 },
		.want = "1:1" },
	{ DSL, { 0 }, .want = "1:2" },
	{ DSL, { 0 }, .tos = 0xb8, .want = "1:1" },
	{ DSL, { 0 }, .tos = 0xbb, .want = "1:1" },
	{ DSL, { 0 }, .tos = 0xb0, .want = "1:2" },
	{ DSL, { .dport = 2016 }, .want = "1:1" },
	{ PRIO("{ in = \"lan\"; band = 2; }, { in = \"dmz\"; band = 3; }"), { 0 }, .want = "1:3" },
	{ PRIO("{ in = \"lan\"; band = 2; }, { in = \"dmz\"; band = 3; }"),
		{ .dst_mac = DMZ_MAC, .src = "203.0.113.10" }, .port = DMZ, .want = "1:4" },
	{ PRIO("{ in = \"lan\"; band = 2; }, { in = \"lan.*\"; band = 3; }"), { 0 }, .tci = 5,
		.want = "1:4" },
	{ PRIO("{ in = \"nowhere\"; band = 2; }"), { 0 }, .want = "1:2" },
	{ PRIO("{ out = \"wan\"; band = 2; }"), { 0 }, .want = "1:3" },
	{ PRIO("{ out = \"lan\"; band = 2; }"), { 0 }, .want = "1:2" },
	{ PRIO("{ vlan_priority = 5; band = 2; }"), { 0 }, .tci = 0xa005, .want = "1:3" },
	{ PRIO("{ vlan_priority = 5; band = 2; }"), { 0 }, .tci = 0x8005, .want = "1:2" },
	{ PRIO("{ vlan_priority = 5; band = 2; }"), { 0 }, .want = "1:2" },
	{ PRIO("{ vlan_priority = 0; band = 2; }"), { 0 }, .want = "1:3" },
	/* The first one that matches in all it says. */
	{ PRIO("{ vlan_priority = 5; proto = \"udp\"; band = 2; }, { proto = \"udp\"; band = 3; }"),
		{ 0 }, .want = "1:4" },
	{ PRIO("{ vlan_priority = 5; proto = \"udp\"; band = 2; }, { proto = \"udp\"; band = 3; }"),
		{ 0 }, .tci = 0xa005, .want = "1:3" },
	{ PRIO("{ mark = \"0x10\"; band = 2; }"), { .dport = 2010 }, .want = "1:3" },
	{ PRIO("{ mark = \"0x10\"; band = 2; }"), { .dport = 2011 }, .want = "1:2" },
	{ PRIO("{ mark = \"0x10/0x10\"; band = 2; }"), { .dport = 2011 }, .want = "1:3" },
	{ PRIO("{ mark = \"0\"; band = 2; }"), { 0 }, .want = "1:3" },
	{ PRIO("{ dscp = \"ef\"; band = 2; }"), { .dport = 2016 }, .want = "1:3" },
	{ PRIO("{ src = \"192.0.2.0/24\"; dst = \"!10.0.0.0/8\"; band = 2; }"), { 0 },
		.want = "1:3" },
	{ PRIO("{ sport = 1000; proto = \"udp\"; band = 2; }"), { 0 }, .want = "1:3" },
	{ PRIO("{ icmp_type = \"echo-request\"; proto = \"icmp\"; band = 2; }"),
		{ .proto = IPPROTO_ICMP, .icmp_type = 8 }, .want = "1:3" },
	{ PRIO("{ tcp_flags = \"syn\"; proto = \"tcp\"; band = 2; }"), { .proto = IPPROTO_TCP },
		.want = "1:3" },
	{ PRIO("{ band = 0; }, { band = 2; }"), { 0 }, .want = "1:1" },
	/* Of a later fragment nobody knows the port. */
	{ PRIO("{ dport = 2000; proto = \"udp\"; band = 2; }, { proto = \"udp\"; band = 3; }"),
		{ .fragment = RTE_IPV4_HDR_MF_FLAG, .payload_len = 24 }, .want = "1:3" },
	{ NESTED, { 0 }, .want = "3:1" },
	{ NESTED, { .dport = 2001 }, .want = "5:2" },
	{ NESTED, { .dport = 2001 }, .tos = 0x10, .want = "5:1" },
	{ NESTED, { .dport = 2002 }, .want = "5:3" },
	{ NESTED, { .proto = IPPROTO_ICMP, .icmp_type = 8 }, .want = "1:3" },
	{ NESTED, { .proto = IPPROTO_TCP }, .tos = 0x10, .want = "1:1" },
};

START_TEST(a_packet_waits_in_the_class_that_filters_say)
{
	struct bench *b = qdisc_start(LINKS_WITH_VLAN, filter_rows[_i].qdiscs);
	struct frame frame;

	numbered_spec(&frame, 1, &filter_rows[_i].spec);
	frame_ip(&frame)->type_of_service = filter_rows[_i].tos;
	frame_fix_ip(&frame);
	if (filter_rows[_i].tci != 0)
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, filter_rows[_i].tci);
	ck_assert_str_eq(hit_of(b, filter_rows[_i].port, &frame), filter_rows[_i].want);
	bench_destroy(b);
}
END_TEST

START_TEST(what_no_filter_names_passes_an_htb_without_a_default_unshaped)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"htb\"; classes = ( { name "
					    "= \"a\"; rate = \"8kbit\"; } ); "
					    "filters = ( { proto = \"tcp\"; class = \"a\"; } ); }");
	int64_t before = qdisc_figure(b, "wan", "1:", "options.direct_packets_stat");

	for (uint16_t i = 0; i < 50; i++)
		numbered_send(b, i, 1500);
	bench_run(b);
	numbered_expect(b, WAN, 0, 49);
	ck_assert_int_eq(qdisc_figure(b, "wan", "1:", "options.direct_packets_stat"), before + 50);
	bench_destroy(b);
}
END_TEST

/* What is no IP is asked what it can be asked, and is best effort otherwise. */
START_TEST(filters_see_arp_as_far_as_they_ask_for_nothing_that_only_ip_has)
{
	static const struct {
		const char *qdiscs, *want;
	} rows[] = {
		{ "{ link = \"wan\"; kind = \"prio\"; }", "1:2" },
		{ PRIO("{ band = 2; }"), "1:3" },
		{ PRIO("{ out = \"wan\"; band = 2; }"), "1:3" },
		{ PRIO("{ out = \"lan\"; band = 2; }"), "1:2" },
		{ PRIO("{ in = \"wan\"; band = 2; }"), "1:2" },
		{ PRIO("{ mark = 0; band = 2; }"), "1:3" },
		{ PRIO("{ vlan_priority = 5; band = 2; }, { vlan_priority = 0; band = 3; }"),
			"1:4" },
		{ PRIO("{ src = \"0.0.0.0/0\"; band = 2; }"), "1:2" },
		{ PRIO("{ dscp = \"be\"; band = 2; }, { proto = 0; band = 2; }"), "1:2" },
		{ PRIO("{ src = \"!10.0.0.0/8\"; band = 2; }, { out = \"w*\"; band = 3; }"),
			"1:4" },
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct bench *b = qdisc_start(NULL, rows[i].qdiscs);
		struct frame frame;

		class_hit(b, "wan");
		/* An answer to whom asks. */
		frame_arp(&frame, PEER_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, PEER_MAC, "198.51.100.10",
			NO_MAC, "198.51.100.1");
		bench_push(b, WAN, &frame);
		ck_assert_msg(strcmp(class_hit(b, "wan"), rows[i].want) == 0, "row %u", i);
		bench_destroy(b);
	}
}
END_TEST

/* What weir makes itself came in by no link, though it answers what did. */
START_TEST(packets_made_here_come_in_by_no_link)
{
	struct bench *b = qdisc_start(NULL, PRIO("{ in = \"wan\"; band = 2; }"));
	struct frame frame;

	frame_ip4(&frame,
		&(struct ip4_spec){
			.dst_mac = WAN_MAC, .src = "198.51.100.10", .dst = "10.1.1.1", .ttl = 1 });
	ck_assert_str_eq(hit_of(b, WAN, &frame), "1:2");
	/* An echo comes back as it came. */
	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = WAN_MAC,
				  .src = "198.51.100.10",
				  .dst = "198.51.100.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	ck_assert_str_eq(hit_of(b, WAN, &frame), "1:2");
	bench_destroy(b);
}
END_TEST

/* A filter that names a link follows it when it goes, and comes again. */
START_TEST(filters_follow_links)
{
	struct bench *b = qdisc_start(LINKS_WITH_VLAN,
		PRIO("{ in = \"lan.6\"; band = 2; }, { in = \"lan*\"; band = 3; }"));
	struct frame frame;

	for (unsigned int i = 0; i < 2; i++) {
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"lan.6\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": "
			"6}"));
		json_decref(bench_call(
			b, "addr.add", "{\"local\": \"192.0.6.1/24\", \"dev\": \"lan.6\"}"));
		numbered_frame(&frame, 1, 100);
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 6);
		ck_assert_str_eq(hit_of(b, LAN, &frame), "1:3");
		numbered_frame(&frame, 1, 100);
		ck_assert_str_eq(hit_of(b, LAN, &frame), "1:4");
		json_decref(bench_call(b, "link.del", "{\"dev\": \"lan.6\"}"));
		/* The next one has its index. */
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"other\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": "
			"7}"));
		json_decref(bench_call(
			b, "addr.add", "{\"local\": \"192.0.7.1/24\", \"dev\": \"other\"}"));
		numbered_frame(&frame, 1, 100);
		frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
		ck_assert_str_eq(hit_of(b, LAN, &frame), "1:2");
		json_decref(bench_call(b, "link.del", "{\"dev\": \"other\"}"));
	}
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_classify", LOOP_TEST(tos_means_what_it_means_to_linux, tos_rows),
	LOOP_TEST(a_priomap_gives_each_priority_its_band, tos_rows),
	LOOP_TEST(two_bands_have_the_last_one_for_what_has_none, tos_rows),
	PLAIN_TEST(a_traffic_class_counts_as_a_tos_field),
	LOOP_TEST(a_packet_waits_in_the_class_that_filters_say, filter_rows),
	PLAIN_TEST(what_no_filter_names_passes_an_htb_without_a_default_unshaped),
	PLAIN_TEST(filters_see_arp_as_far_as_they_ask_for_nothing_that_only_ip_has),
	PLAIN_TEST(packets_made_here_come_in_by_no_link), PLAIN_TEST(filters_follow_links))
