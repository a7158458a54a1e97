/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Service tags (802.1ad) and bridges: a service VLAN on a bridge with a customer VLAN on it, service tags as payload of
 * what is switched, tags that would lead where they must not, and a service VLAN as a member.
 *
 *	svc    802.1ad 100 on br0		br0.20	10.20.0.1/24, on br0
 *	svc.9  10.9.0.1/24, 802.1Q 9 on svc
 */
#include "kit_bridge.h"

#define SETTINGS                                                                                   \
	"}, { name = \"svc\"; type = \"vlan\"; parent = \"br0\"; vid = 100;\n"                     \
	"    protocol = \"802.1ad\"; },\n"                                                         \
	"  { name = \"svc.9\"; type = \"vlan\"; parent = \"svc\"; vid = 9;\n"                      \
	"    addresses = [ \"10.9.0.1/24\" ]; },\n"                                                \
	"  { name = \"br0.20\"; type = \"vlan\"; parent = \"br0\"; vid = 20;\n"                    \
	"    addresses = [ \"10.20.0.1/24\" ]; "
#define NEIGHBORS                                                                                  \
	"neighbors = ( { to = \"10.9.0.10\"; lladdr = \"" STATION_B "\"; dev = \"svc.9\"; },\n"    \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );"

enum { C = RTE_ETHER_TYPE_VLAN, S = RTE_ETHER_TYPE_QINQ, TAGS_MAX = 6 };

/* Outermost first; the end is a type of 0. */
struct tags {
	uint16_t tag[TAGS_MAX][2];
};

static void put_tags(struct frame *frame, const struct tags *tags, uint16_t priority)
{
	unsigned int n = 0;

	while (n < TAGS_MAX && tags->tag[n][0] != 0)
		n++;
	while (n-- > 0)
		frame_tag(frame, tags->tag[n][0], tags->tag[n][1] | priority);
}

/* Members, and the tags in front of the two of svc.9 that each has. */
static const struct {
	const char *members, *settings;
	struct tags outer[4];
	unsigned int reached; /* members that are in the VLAN of br0 itself */
} bridges[] = {
	{ ALL_MEMBERS, SETTINGS, { { { { 0 } } } }, TO_E0 | TO_E1 | TO_E2 | TO_E3 },
	{ ALL_MEMBERS, "vlan_filtering = true; " SETTINGS, { { { { 0 } } } },
		TO_E0 | TO_E1 | TO_E2 | TO_E3 },
	{ "\"e0\", { name = \"e1\"; vlans = \"1,10\"; }, { name = \"e2\"; pvid = 10; }, { name = "
	  "\"e3\"; vlans "
	  "= \"1\"; }",
		SETTINGS, { { { { 0 } } }, { { { C, 1 } } }, { { { 0 } } }, { { { C, 1 } } } },
		TO_E0 | TO_E1 | TO_E3 },
	{ "{ name = \"e0\"; pvid = 10; }, { name = \"e1\"; vlans = \"10,20\"; }, { name = \"e2\"; "
	  "pvid = 20; }, "
	  "{ name = \"e3\"; vlans = \"10\"; pvid = 20; }",
		"vlan_default_pvid = 10; " SETTINGS,
		{ { { { 0 } } }, { { { C, 10 } } }, { { { 0 } } }, { { { C, 10 } } } },
		TO_E0 | TO_E1 | TO_E3 },
};

static const struct tags svc_9 = { { { S, 100 }, { C, 9 } } };

static struct bench *start(unsigned int i)
{
	return bridge_start(bridges[i].members, bridges[i].settings, NEIGHBORS);
}

/* A frame of svc.9 as it is on the line of that member. */
static void tag_svc(struct frame *frame, unsigned int i, unsigned int port, uint16_t priority)
{
	put_tags(frame, &svc_9, priority);
	put_tags(frame, &bridges[i].outer[port], priority);
}

START_TEST(arp_is_answered_in_a_service_vlan_on_a_bridge)
{
	struct bench *b = start(_i);

	for (unsigned int port = E0; port <= E3; port++) {
		static const uint16_t priorities[] = { 0, 0xb000 };

		for (unsigned int k = 0; k < 2 && (bridges[_i].reached >> port & 1); k++) {
			struct drops drops = drops_take(b);
			struct frame frame, want;

			/* A broadcast, so that it is known where the station is; then a question to us alone. */
			station_frame(&frame, STATION_A, ANY_MAC, 50);
			tag_svc(&frame, _i, port, 0);
			bench_push(b, port, &frame);
			bench_discard(b);
			drops_expect(b, &drops, "eth_type_unknown", 1);
			drops = drops_take(b);
			frame_arp(&frame, STATION_A, E0_MAC, RTE_ARP_OP_REQUEST, STATION_A,
				"10.9.0.11", NO_MAC, "10.9.0.1");
			frame_arp(&want, E0_MAC, STATION_A, RTE_ARP_OP_REPLY, E0_MAC, "10.9.0.1",
				STATION_A, "10.9.0.11");
			tag_svc(&frame, _i, port, priorities[k]);
			tag_svc(&want, _i, port, priorities[k]);
			bench_push(b, port, &frame);
			bench_expect_bytes(b, port, &want);
			bench_expect_nothing(b);
			drops_expect_none(b, &drops);
		}
	}
	bench_destroy(b);
}
END_TEST

/* Full-size packets, both ways, the station known and not. */
START_TEST(packets_are_routed_between_a_service_vlan_on_a_bridge_and_a_port)
{
	static const uint16_t priority = 0xb000;

	for (unsigned int port = E0; port <= E3; port++) {
		struct frame in, out, want;
		struct drops drops;
		struct bench *b;

		if (!(bridges[_i].reached >> port & 1))
			continue;
		b = start(_i);
		drops = drops_take(b);
		frame_ip4(&in, &(struct ip4_spec){ .src_mac = PEER_MAC,
				       .dst_mac = WAN_MAC,
				       .src = "198.51.100.10",
				       .dst = "10.9.0.10",
				       .payload_len = 1472 });
		out = in;
		frame_tag(&in, C, priority);
		frame_forward(&out, E0_MAC, STATION_B);
		bench_push(b, UPLINK, &in);
		for (unsigned int to = E0; to <= E3; to++) {
			want = out;
			tag_svc(&want, _i, to, priority);
			if (bridges[_i].reached >> to & 1)
				bench_expect_bytes(b, to, &want);
		}
		bench_expect_nothing(b);

		frame_ip4(&in, &(struct ip4_spec){ .src_mac = STATION_B,
				       .dst_mac = E0_MAC,
				       .src = "10.9.0.10",
				       .dst = "198.51.100.10",
				       .payload_len = 1472 });
		want = in;
		tag_svc(&in, _i, port, priority);
		frame_forward(&want, WAN_MAC, PEER_MAC);
		bench_push(b, port, &in);
		bench_expect_bytes(b, UPLINK, &want);
		bench_expect_nothing(b);

		frame_ip4(&in, &(struct ip4_spec){ .src_mac = PEER_MAC,
				       .dst_mac = WAN_MAC,
				       .src = "198.51.100.10",
				       .dst = "10.9.0.10",
				       .payload_len = 1472 });
		bench_push(b, UPLINK, &in);
		tag_svc(&out, _i, port, 0);
		bench_expect_bytes(b, port, &out);
		bench_expect_nothing(b);
		drops_expect_none(b, &drops);
		bench_destroy(b);
	}
}
END_TEST

/* Frames from a host in 10.9.0.0/24 or 10.20.0.0/24 to us: the uplink gets them, or they are dropped for that reason. */
static const struct {
	const char *name;
	unsigned int bridge, port;
	struct tags tags;
	const char *reason; /* NULL: routed */
} to_us[] = {
	{ "as it should", 0, E1, { { { S, 100 }, { C, 9 } } }, NULL },
	{ "another inner tag", 0, E1, { { { S, 100 }, { C, 8 } } }, "vlan_unknown" },
	{ "another outer tag", 0, E1, { { { S, 101 }, { C, 9 } } }, "vlan_unknown" },
	{ "a customer tag outside", 0, E1, { { { C, 100 }, { C, 9 } } }, "vlan_unknown" },
	{ "two of service", 0, E1, { { { S, 100 }, { S, 9 } } }, "vlan_unknown" },
	{ "three tags", 0, E1, { { { S, 100 }, { C, 9 }, { C, 9 } } }, "vlan_unknown" },
	{ "of service in a customer's", 0, E1, { { { C, 20 }, { S, 100 }, { C, 9 } } },
		"vlan_unknown" },
	{ "priorities around", 0, E1, { { { S, 0 }, { S, 100 }, { C, 0 }, { C, 9 } } }, NULL },
	{ "five tags", 0, E1, { { { S, 100 }, { C, 0 }, { C, 0 }, { C, 0 }, { C, 9 } } },
		"vlan_too_many" },
	{ "a priority of service, not filtering", 0, E1, { { { S, 0 }, { C, 20 } } }, NULL },
	{ "filtering", 1, E1, { { { S, 100 }, { C, 9 } } }, NULL },
	{ "filtering, another inner tag", 1, E1, { { { S, 100 }, { C, 8 } } }, "vlan_unknown" },
	{ "filtering, priorities around", 1, E1, { { { S, 0 }, { S, 100 }, { C, 0 }, { C, 9 } } },
		NULL },
	{ "filtering, with the VLAN's own tag", 1, E1, { { { C, 1 }, { S, 100 }, { C, 9 } } },
		NULL },
	{ "a customer tag outside where it is no VLAN", 1, E1, { { { C, 100 }, { C, 9 } } },
		"bridge_vlan_denied" },
	{ "another VLAN behind a priority of service", 1, E1, { { { S, 0 }, { C, 20 } } },
		"bridge_double_tag" },
	{ "behind two of them", 1, E1, { { { S, 0xe000 }, { S, 0 }, { C, 20 } } },
		"bridge_double_tag" },
	{ "behind one of each", 1, E1, { { { C, 0 }, { S, 0 }, { C, 20 } } }, "bridge_double_tag" },
	{ "behind more than are looked at", 1, E1,
		{ { { S, 0 }, { S, 0 }, { S, 0 }, { S, 0 }, { C, 20 } } }, "bridge_double_tag" },
	{ "by a trunk", 2, E1, { { { C, 1 }, { S, 100 }, { C, 9 } } }, NULL },
	{ "another VLAN by a trunk", 2, E1, { { { C, 1 }, { C, 20 } } }, "bridge_double_tag" },
	{ "the same, behind a priority of service", 2, E1, { { { C, 1 }, { S, 0 }, { C, 20 } } },
		"bridge_double_tag" },
	{ "in a VLAN that br0 is not in", 2, E2, { { { S, 100 }, { C, 9 } } }, "vlan_unknown" },
	{ "behind a priority of service there", 2, E2, { { { S, 0 }, { C, 20 } } },
		"bridge_double_tag" },
};

START_TEST(a_frame_reaches_the_link_of_its_tags_or_is_dropped_by_name)
{
	bool is_20 = _i > 0 && strstr(to_us[_i].name, "priority of service") != NULL;
	struct bench *b = start(to_us[_i].bridge);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
				  .dst_mac = E0_MAC,
				  .src = is_20 ? "10.20.0.10" : "10.9.0.10",
				  .dst = "198.51.100.10",
				  .payload_len = 64 });
	want = frame;
	frame_forward(&want, WAN_MAC, PEER_MAC);
	put_tags(&frame, &to_us[_i].tags, 0);
	bench_push(b, to_us[_i].port, &frame);
	if (to_us[_i].reason == NULL)
		bench_expect_bytes(b, UPLINK, &want);
	bench_expect_nothing(b);
	drops_expect(b, &drops, to_us[_i].reason, to_us[_i].reason != NULL);
	bench_destroy(b);
}
END_TEST

/* Switched frames: what a member sends with some tags, and which tags come out of each. Bridge 2 of the table above. */
static const struct {
	unsigned int port;
	struct tags in, out[4];
	unsigned int to; /* members */
	const char *reason;
} switched[] = {
	{ E0, { { { S, 5 } } },
		{ { { { 0 } } }, { { { C, 1 }, { S, 5 } } }, { { { 0 } } },
			{ { { C, 1 }, { S, 5 } } } },
		TO_E1 | TO_E3, NULL },
	{ E0, { { { S, 5 }, { C, 20 } } },
		{ { { { 0 } } }, { { { C, 1 }, { S, 5 }, { C, 20 } } }, { { { 0 } } },
			{ { { C, 1 }, { S, 5 }, { C, 20 } } } },
		TO_E1 | TO_E3, NULL },
	{ E0, { { { S, 0 } } },
		{ { { { 0 } } }, { { { C, 1 }, { S, 0 } } }, { { { 0 } } },
			{ { { C, 1 }, { S, 0 } } } },
		TO_E1 | TO_E3, NULL },
	{ E0, { { { C, 1 }, { S, 5 } } },
		{ { { { 0 } } }, { { { C, 1 }, { S, 5 } } }, { { { 0 } } },
			{ { { C, 1 }, { S, 5 } } } },
		TO_E1 | TO_E3, NULL },
	{ E1, { { { C, 1 }, { S, 5 } } },
		{ { { { S, 5 } } }, { { { 0 } } }, { { { 0 } } }, { { { C, 1 }, { S, 5 } } } },
		TO_E0 | TO_E3, NULL },
	{ E1, { { { C, 10 }, { S, 5 }, { C, 1 } } },
		{ { { { 0 } } }, { { { 0 } } }, { { { S, 5 }, { C, 1 } } }, { { { 0 } } } }, TO_E2,
		NULL },
	{ E1, { { { S, 5 } } }, { { { { 0 } } } }, 0, "bridge_vlan_denied" },
	{ E2, { { { S, 0 }, { C, 1 } } }, { { { { 0 } } } }, 0, "bridge_double_tag" },
	{ E2, { { { C, 10 }, { S, 0 }, { C, 1 } } }, { { { { 0 } } } }, 0, "bridge_double_tag" },
};

START_TEST(service_tags_are_payload_of_a_member_s_untagged_vlan)
{
	static const char *const to[] = { STATION_C, ANY_MAC };

	for (unsigned int i = 0; i < 2; i++) {
		struct bench *b = start(2);
		struct drops drops = drops_take(b);
		struct frame bare, frame;
		bool is_ours = i == 1 && switched[_i].reason == NULL && switched[_i].to != TO_E2;

		station_frame(&bare, STATION_A, to[i], 100);
		frame = bare;
		put_tags(&frame, &switched[_i].in, 0);
		bench_push(b, switched[_i].port, &frame);
		for (unsigned int port = E0; port <= E3; port++) {
			frame = bare;
			put_tags(&frame, &switched[_i].out[port], 0);
			if (switched[_i].to >> port & 1)
				bench_expect_bytes(b, port, &frame);
		}
		bench_expect_nothing(b);
		/* br0's own copy of a broadcast is in no VLAN of ours, or of no type that anybody takes. */
		if (switched[_i].reason != NULL)
			drops_expect(b, &drops, switched[_i].reason, 1);
		else if (is_ours && (switched[_i].in.tag[0][1] | switched[_i].in.tag[1][1]) != 0)
			drops_expect(b, &drops, "vlan_unknown", 1);
		else
			drops_expect(b, &drops, "eth_type_unknown", is_ours);
		bench_destroy(b);
	}
}
END_TEST

static const char provider_config[] =
	"links = ( { name = \"e0\"; device = \"net_ring_p0\"; mac = \"" E0_MAC "\"; },\n"
	"  { name = \"e1\"; device = \"net_ring_p1\"; mac = \"" E1_MAC "\"; },\n"
	"  { name = \"e2\"; device = \"net_ring_p2\"; mac = \"" E2_MAC "\"; },\n"
	"  { name = \"svc\"; type = \"vlan\"; parent = \"e0\"; vid = 100; protocol = "
	"\"802.1ad\"; },\n"
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"svc\", \"e1\", \"e2\" ); } );\n";

/* A bridge of a provider, a customer behind e1 and e2 whose VLANs are nobody else's business. */
START_TEST(a_service_vlan_is_a_member_and_carries_customer_tags)
{
	static const struct tags rows[] = { { { { 0 } } }, { { { C, 7 } } }, { { { C, 0 } } },
		{ { { C, 100 }, { C, 9 } } }, { { { S, 100 } } } };
	struct bench *b = bench_start(provider_config);
	struct frame frame, outside;

	for (unsigned int i = 0; i < RTE_DIM(rows); i++)
		for (unsigned int k = 0; k < 2; k++) {
			char mac[32];

			snprintf(mac, sizeof(mac), "02:00:00:00:0b:%02x", i);
			station_frame(&frame, mac, k == 0 ? ANY_MAC : STATION_C, 1500);
			put_tags(&frame, &rows[i], 0);
			outside = frame;
			frame_tag(&outside, S, 100);
			bench_push(b, E1, &frame);
			bench_expect_bytes(b, E0, &outside);
			bench_expect_bytes(b, E2, &frame);
			bench_discard(b);
			/* And back; the priority of a service tag goes with it. */
			station_frame(&frame, STATION_B, mac, 1500);
			put_tags(&frame, &rows[i], 0);
			outside = frame;
			frame_tag(&outside, S, 0xb000 | 100);
			bench_push(b, E0, &outside);
			bench_expect_bytes(b, E1, &frame);
			bench_expect_nothing(b);
		}
	/* Of another provider, or with no service tag at all, it is no member's. */
	station_frame(&frame, STATION_B, ANY_MAC, 50);
	frame_tag(&frame, C, 100);
	station_fails(b, E0, &frame, "vlan_unknown");
	station_frame(&frame, STATION_B, ANY_MAC, 50);
	frame_tag(&frame, S, 101);
	station_fails(b, E0, &frame, "vlan_unknown");
	bench_destroy(b);
}
END_TEST

START_TEST(members_come_and_go_below_a_service_vlan)
{
	struct bench *b = start(1);
	struct frame frame, want;

	frame_arp(&frame, STATION_A, E0_MAC, RTE_ARP_OP_REQUEST, STATION_A, "10.9.0.11", NO_MAC,
		"10.9.0.1");
	frame_arp(&want, E0_MAC, STATION_A, RTE_ARP_OP_REPLY, E0_MAC, "10.9.0.1", STATION_A,
		"10.9.0.11");
	put_tags(&frame, &svc_9, 0);
	put_tags(&want, &svc_9, 0);
	for (unsigned int i = 0; i < 2; i++) {
		/* Flooded, or for e1 alone: a station that was forgotten just now is not learned at once. */
		bench_push(b, E1, &frame);
		bench_expect_bytes(b, E1, &want);
		bench_discard(b);
		link_set_to(b, "e1", "\"nomaster\": true");
		station_fails(b, E1, &frame, "vlan_unknown");
		link_set_to(b, "e1", "\"master\": \"br0\"");
		bench_discard(b);
	}
	/* The first one, whose address the bridge has. */
	link_set_to(b, "e0", "\"nomaster\": true");
	bench_discard(b);
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E1, &want);
	ck_assert_uint_eq(bench_count(b, E0), 0);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(what_links_stand_on_is_not_deleted)
{
	struct bench *b = start(0);

	bench_expect_error(b, "link.del", "{\"dev\": \"br0\"}", "links stand on it: svc, br0.20");
	bench_expect_error(b, "link.del", "{\"dev\": \"svc\"}", "links stand on it: svc.9");
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc.9\"}"));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc\"}"));
	bench_expect_error(b, "link.del", "{\"dev\": \"br0\"}", "links stand on it: br0.20");
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge_qinq", LOOP_TEST(arp_is_answered_in_a_service_vlan_on_a_bridge, bridges),
	LOOP_TEST(packets_are_routed_between_a_service_vlan_on_a_bridge_and_a_port, bridges),
	LOOP_TEST(a_frame_reaches_the_link_of_its_tags_or_is_dropped_by_name, to_us),
	LOOP_TEST(service_tags_are_payload_of_a_member_s_untagged_vlan, switched),
	PLAIN_TEST(a_service_vlan_is_a_member_and_carries_customer_tags),
	PLAIN_TEST(members_come_and_go_below_a_service_vlan),
	PLAIN_TEST(what_links_stand_on_is_not_deleted))
