/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * VLANs on a port and on each other: what is routed between them and untagged links, byte for byte, what
 * becomes of priorities, tags that are wrong, links that go down, and links that come and go. Run a second
 * time with a device that takes tags off and puts them on (vlan_device.c).
 *
 *	192.0.2.10 --------- lan (p0) ------- weir wan (p1) --- 198.51.100.10, default
 *	10.7.0.10  -- 7 ---- lan.7            10.7.0.1
 *	10.8.0.10  -- 8 ---- lan.8            10.8.0.1, own MAC
 *	10.9.0.10  -- 802.1ad 100, 9 - svc.9  10.9.0.1, on svc, on lan
 */
#include "kit.h"
#include "vlan_device.h"

#define OWN_MAC	 "02:00:00:00:00:08"
#define VLAN_MAC "02:00:00:00:01:07" /* the hosts in VLANs */

#define LINKS                                                                                      \
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"           \
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"                                               \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"                   \
	"    addresses = [ \"198.51.100.1/24\" ]; },\n"                                            \
	"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7;\n"                      \
	"    addresses = [ \"10.7.0.1/24\" ]; },\n"                                                \
	"  { name = \"lan.8\"; type = \"vlan\"; parent = \"lan\"; vid = 8; mac = \"" OWN_MAC       \
	"\";\n"                                                                                    \
	"    addresses = [ \"10.8.0.1/24\" ]; },\n"                                                \
	"  { name = \"svc\"; type = \"vlan\"; parent = \"lan\"; vid = 100; protocol = "            \
	"\"802.1ad\"; },\n"                                                                        \
	"  { name = \"svc.9\"; type = \"vlan\"; parent = \"svc\"; vid = 9;\n"                      \
	"    addresses = [ \"10.9.0.1/24\" ]; } );\n"                                              \
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"      \
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"               \
	"  { to = \"10.7.0.10\"; lladdr = \"" VLAN_MAC "\"; dev = \"lan.7\"; },\n"                 \
	"  { to = \"10.8.0.10\"; lladdr = \"" VLAN_MAC "\"; dev = \"lan.8\"; },\n"                 \
	"  { to = \"10.9.0.10\"; lladdr = \"" VLAN_MAC "\"; dev = \"svc.9\"; } );\n"               \
	"routes = ( { to = \"default\"; via = \"198.51.100.10\"; } );\n"

#define TRACKED "firewall: { forward: { rules = ( { action = \"accept\"; } ); }; };\n"

static const char vlan_config[] = LINKS;
static const char tracked_config[] = LINKS TRACKED;

/* Where a frame comes from or goes to: its tags, outermost last. */
struct place {
	const char *name, *host, *mac;
	const char *own_mac;
	unsigned int port;
	struct {
		uint16_t tpid, vid;
	} tags[2];
};

static const struct place places[] = {
	{ "lan", "192.0.2.10", HOST_MAC, LAN_MAC, LAN, { { 0 } } },
	{ "wan", "198.51.100.10", PEER_MAC, WAN_MAC, WAN, { { 0 } } },
	{ "lan.7", "10.7.0.10", VLAN_MAC, LAN_MAC, LAN, { { 0x8100, 7 } } },
	{ "lan.8", "10.8.0.10", VLAN_MAC, OWN_MAC, LAN, { { 0x8100, 8 } } },
	{ "svc.9", "10.9.0.10", VLAN_MAC, LAN_MAC, LAN, { { 0x8100, 9 }, { 0x88a8, 100 } } },
};

static void place_tag(struct frame *frame, const struct place *place, uint16_t priority)
{
	for (unsigned int i = 0; i < RTE_DIM(place->tags) && place->tags[i].tpid != 0; i++)
		frame_tag(frame, place->tags[i].tpid, place->tags[i].vid | priority);
}

static void make_packet(struct frame *frame, const struct place *from, const struct place *to)
{
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = from->mac,
				 .dst_mac = from->own_mac,
				 .src = from->host,
				 .dst = to->host,
				 .payload_len = 100 });
}

static void route_between(struct bench *b, const struct place *from, const struct place *to)
{
	const uint16_t priority = 0xb000; /* PCP 5, DEI */
	bool is_tagged = from->tags[0].tpid != 0;
	struct frame frame, want;

	make_packet(&frame, from, to);
	want = frame;
	frame_forward(&want, to->own_mac, to->mac);
	place_tag(&frame, from, priority);
	place_tag(&want, to, is_tagged ? priority : 0);
	bench_push(b, from->port, &frame);
	bench_expect_bytes(b, to->port, &want);
	bench_expect_nothing(b);
}

static const char *const configs[] = { vlan_config, tracked_config };

START_TEST(packets_are_routed_between_all_links_with_their_priority)
{
	struct bench *b = bench_start(configs[_i]);
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < RTE_DIM(places); i++)
		for (unsigned int k = 0; k < RTE_DIM(places); k++)
			for (unsigned int n = 0; i != k && n < 2; n++)
				route_between(b, &places[i], &places[k]);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* One burst with packets of all links for all links: every one of them leaves as it should. */
START_TEST(a_mixed_burst_is_sorted_out)
{
	struct bench *b = bench_start(configs[_i]);
	struct drops drops = drops_take(b);
	struct frame frame, want[20], got;
	unsigned int n_want[2] = { 0 }, n = 0;

	for (unsigned int i = 0; i < RTE_DIM(places); i++)
		for (unsigned int k = 0; k < RTE_DIM(places); k++) {
			const struct place *from = &places[i], *to = &places[k];

			if (i == k)
				continue;
			make_packet(&frame, from, to);
			want[n] = frame;
			frame_forward(&want[n], to->own_mac, to->mac);
			place_tag(&frame, from, 0);
			place_tag(&want[n], to, 0);
			bench_send(b, from->port, &frame);
			n_want[to->port]++;
			n++;
		}
	bench_run(b);
	for (unsigned int port = 0; port < 2; port++)
		for (unsigned int i = 0; i < n_want[port]; i++) {
			unsigned int k = 0;

			bench_expect(b, port, &got);
			while (k < n && (want[k].len != got.len ||
						memcmp(want[k].bytes, got.bytes, got.len) != 0))
				k++;
			ck_assert_uint_lt(k, n);
			want[k].len = 0; /* each of them once */
		}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(arp_is_answered_with_the_tags_it_came_with)
{
	struct bench *b = bench_start(vlan_config);
	struct frame frame, want;

	frame_arp(&frame, VLAN_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, VLAN_MAC, "10.9.0.10", NO_MAC,
		"10.9.0.1");
	frame_arp(&want, LAN_MAC, VLAN_MAC, RTE_ARP_OP_REPLY, LAN_MAC, "10.9.0.1", VLAN_MAC,
		"10.9.0.10");
	place_tag(&frame, &places[4], 0x6000);
	place_tag(&want, &places[4], 0x6000);
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &want);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* On a port with VLANs, on one without, and within a VLAN: a tag without an id is only a priority. */
START_TEST(a_priority_tag_is_the_link_s_own)
{
	static const struct {
		unsigned int from, to, n_tags;
	} rows[] = { { 0, 1, 1 }, { 1, 0, 1 }, { 0, 1, 4 }, { 1, 0, 4 }, { 1, 2, 2 }, { 2, 1, 1 } };
	struct bench *b = bench_start(vlan_config);
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		const struct place *from = &places[rows[i].from], *to = &places[rows[i].to];
		struct frame frame, want;

		make_packet(&frame, from, to);
		want = frame;
		frame_forward(&want, to->own_mac, to->mac);
		for (unsigned int k = 0; k < rows[i].n_tags; k++)
			frame_tag(&frame, 0x8100, 0xe000);
		place_tag(&frame, from, 0);
		place_tag(&want, to, 0xe000);
		bench_push(b, from->port, &frame);
		bench_expect_bytes(b, to->port, &want);
	}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* Frames from lan, or from wan, that are refused, and why. tags: outermost first. */
static const struct {
	const char *name;
	unsigned int port;
	uint16_t tags[6][2];
	const char *reason;
} refused[] = {
	{ "nobody's", LAN, { { 0x8100, 9 } }, "vlan_unknown" },
	{ "another protocol", LAN, { { 0x88a8, 7 } }, "vlan_unknown" },
	{ "reserved", LAN, { { 0x8100, 4095 } }, "vlan_unknown" },
	{ "reserved, of service", LAN, { { 0x88a8, 4095 } }, "vlan_unknown" },
	{ "two, the inner is nobody's", LAN, { { 0x8100, 7 }, { 0x8100, 8 } }, "vlan_unknown" },
	{ "the inner alone", LAN, { { 0x8100, 9 } }, "vlan_unknown" },
	{ "of service and an unknown one", LAN, { { 0x88a8, 100 }, { 0x8100, 7 } },
		"vlan_unknown" },
	{ "on a link without", WAN, { { 0x8100, 7 } }, "vlan_unknown" },
	{ "too many priorities", LAN,
		{ { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 } },
		"vlan_too_many" },
	{ "and on a link without", WAN,
		{ { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 } },
		"vlan_too_many" },
	{ "other types of tag", LAN, { { 0x9100, 7 } }, "eth_type_unknown" },
};

START_TEST(a_wrong_tag_is_dropped_by_name)
{
	const struct place *from = &places[refused[_i].port];
	struct bench *b = bench_start(vlan_config);
	struct drops drops = drops_take(b);
	unsigned int n_tags = 0;
	struct frame frame;

	make_packet(&frame, from, &places[1 - refused[_i].port]);
	while (n_tags < RTE_DIM(refused[_i].tags) && refused[_i].tags[n_tags][0] != 0)
		n_tags++;
	while (n_tags-- > 0)
		frame_tag(&frame, refused[_i].tags[n_tags][0], refused[_i].tags[n_tags][1]);
	bench_push(b, refused[_i].port, &frame);
	bench_expect_nothing(b);
	drops_expect(b, &drops, refused[_i].reason, 1);
	bench_destroy(b);
}
END_TEST

/* Every way to end within tags, in one segment and with a byte in each of many. */
START_TEST(a_frame_that_ends_within_its_tags_is_dropped)
{
	struct bench *b = bench_start(vlan_config);
	struct frame whole, frame;
	struct drops drops;

	make_packet(&whole, &places[4], &places[1]);
	place_tag(&whole, &places[4], 0);
	for (unsigned int port = 0; port < 2; port++)
		for (uint32_t len = 14; len < 18; len++) {
			frame = whole;
			frame.len = len;
			drops = drops_take(b);
			bench_push(b, port, &frame);
			bench_send_segs(b, port, &frame, 1);
			bench_run(b);
			drops_expect(b, &drops, "vlan_truncated", 2);
		}
	for (uint32_t len = 18; len < 22; len++) {
		frame = whole;
		frame.len = len;
		drops = drops_take(b);
		bench_push(b, LAN, &frame);
		drops_expect(b, &drops, "vlan_truncated", 1);
	}
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Headers that are cut into segments anywhere are found all the same. */
START_TEST(a_tag_is_found_across_segments)
{
	struct bench *b = bench_start(configs[_i]);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	for (unsigned int i = 0; i < RTE_DIM(places); i++)
		for (uint16_t first = 1; first < 24; first++) {
			const struct place *to = &places[i == 1 ? 2 : 1];

			make_packet(&frame, &places[i], to);
			want = frame;
			frame_forward(&want, to->own_mac, to->mac);
			place_tag(&frame, &places[i], 0);
			place_tag(&want, to, 0);
			bench_push_split(b, places[i].port, &frame, first);
			bench_expect_bytes(b, to->port, &want);
		}
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* The bytes of a frame in a buffer made by hand, for a port's ring. */
static struct rte_mbuf *make_mbuf(struct bench *b, const struct frame *frame, uint16_t headroom)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);

	ck_assert_ptr_nonnull(m);
	m->data_off = headroom;
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame->len), frame->bytes, frame->len);
	return m;
}

START_TEST(a_tag_stays_on_bytes_that_others_read)
{
	struct bench *b = bench_start(vlan_config);
	static const unsigned int ports[] = { LAN, WAN };

	for (unsigned int i = 0; i < RTE_DIM(ports); i++) {
		struct drops drops = drops_take(b);
		struct frame frame;
		struct rte_mbuf *m;

		make_packet(&frame, &places[ports[i]], &places[1 - ports[i]]);
		frame_tag(&frame, 0x8100, 0);
		m = make_mbuf(b, &frame, RTE_PKTMBUF_HEADROOM);
		rte_mbuf_refcnt_update(m, 1);
		ck_assert_int_eq(rte_ring_enqueue(b->rx[ports[i]], m), 0);
		bench_run(b);
		drops_expect(b, &drops, "vlan_shared", 1);
		ck_assert_int_eq(memcmp(rte_pktmbuf_mtod(m, void *), frame.bytes, frame.len), 0);
		rte_pktmbuf_free(m);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_tag_that_has_no_room_drops_its_packet)
{
	struct bench *b = bench_start(vlan_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	make_packet(&frame, &places[WAN], &places[4]);
	/* Room for one of two. */
	ck_assert_int_eq(rte_ring_enqueue(b->rx[WAN], make_mbuf(b, &frame, 4)), 0);
	bench_run(b);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "vlan_no_room", 1);
	bench_destroy(b);
}
END_TEST

static void set_link(struct bench *b, const char *dev, const char *state)
{
	char params[64];

	snprintf(params, sizeof(params), "{\"dev\": \"%s\", \"state\": \"%s\"}", dev, state);
	json_decref(bench_call(b, "link.set", params));
}

static void push_between(struct bench *b, unsigned int from, unsigned int to)
{
	struct frame frame;

	make_packet(&frame, &places[from], &places[to]);
	place_tag(&frame, &places[from], 0);
	bench_push(b, places[from].port, &frame);
}

static const char *operstate(struct bench *b, const char *dev)
{
	static char text[32];
	json_t *links;

	snprintf(text, sizeof(text), "{\"dev\": \"%s\"}", dev);
	links = bench_call(b, "link.show", text);
	snprintf(text, sizeof(text), "%s", json_text_at(links, "0.operstate"));
	json_decref(links);
	return text;
}

START_TEST(a_vlan_goes_down_alone_and_with_its_link)
{
	struct bench *b = bench_start(vlan_config);
	struct drops drops;

	set_link(b, "lan.7", "down");
	drops = drops_take(b);
	push_between(b, 2, 1);
	drops_expect(b, &drops, "link_down", 1);
	ck_assert_str_eq(operstate(b, "lan.7"), "DOWN");
	ck_assert_str_eq(operstate(b, "lan.8"), "UP");
	push_between(b, 3, 1);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	set_link(b, "lan.7", "up");
	push_between(b, 2, 1);
	ck_assert_uint_eq(bench_count(b, WAN), 1);

	/* What it stands on: the tags of a frame are not even looked at. */
	set_link(b, "svc", "down");
	ck_assert_str_eq(operstate(b, "svc.9"), "LOWERLAYERDOWN");
	drops = drops_take(b);
	push_between(b, 4, 1);
	drops_expect(b, &drops, "link_down", 1);
	set_link(b, "lan", "down");
	ck_assert_str_eq(operstate(b, "lan.7"), "LOWERLAYERDOWN");
	drops = drops_take(b);
	push_between(b, 2, 1);
	drops_expect(b, &drops, "link_down", 1);
	/* Its network is gone with it, as that of a port without a carrier. */
	bench_discard(b);
	push_between(b, 1, 2);
	ck_assert_uint_eq(bench_count(b, LAN), 0);
	set_link(b, "lan", "up");
	set_link(b, "svc", "up");
	bench_discard(b);
	push_between(b, 1, 4);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(each_link_counts_its_own_packets)
{
	struct bench *b = bench_start(vlan_config);
	struct frame frame;
	json_t *links;

	make_packet(&frame, &places[4], &places[2]);
	push_between(b, 4, 2);
	links = bench_call(b, "link.show", "{\"statistics\": true}");
	/* lan, wan, lan.7, lan.8, svc, svc.9: bytes with the tags that are left. */
	ck_assert_int_eq(json_int_at(links, "0.stats64.rx.bytes"), frame.len + 8);
	ck_assert_int_eq(json_int_at(links, "4.stats64.rx.bytes"), frame.len + 4);
	ck_assert_int_eq(json_int_at(links, "5.stats64.rx.bytes"), frame.len);
	ck_assert_int_eq(json_int_at(links, "5.stats64.rx.packets"), 1);
	ck_assert_int_eq(json_int_at(links, "3.stats64.rx.packets"), 0);
	/* Announcements went out of each when it came up; this is one more. */
	ck_assert_int_eq(json_int_at(links, "2.stats64.tx.packets"), 2);
	ck_assert_int_eq(json_int_at(links, "2.stats64.tx.bytes"), frame.len + 42);
	ck_assert_str_eq(json_text_at(links, "5.link"), "svc");
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_kind"), "vlan");
	ck_assert_int_eq(json_int_at(links, "5.linkinfo.info_data.id"), 9);
	ck_assert_str_eq(json_text_at(links, "4.linkinfo.info_data.protocol"), "802.1ad");
	json_decref(links);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(an_mtu_is_at_most_that_of_the_link_below)
{
	struct bench *b = bench_start(vlan_config);

	bench_expect_error(b, "link.set", "{\"dev\": \"lan.7\", \"mtu\": 1501}",
		"the link takes MTUs of 68 to 1500");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan.7\", \"mtu\": 1300}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 1400}"));
	bench_run(b);
	ck_assert_int_eq(bench_link_mtu(b, "lan.7"), 1300);
	ck_assert_int_eq(bench_link_mtu(b, "lan.8"), 1400);
	ck_assert_int_eq(bench_link_mtu(b, "svc.9"), 1400);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 1500}"));
	ck_assert_int_eq(bench_link_mtu(b, "lan.8"), 1400);
	bench_destroy(b);
}
END_TEST

START_TEST(a_link_comes_and_goes_while_others_pass_packets)
{
	struct bench *b = bench_start(router_config);
	struct frame frame, want;
	struct drops drops;

	for (unsigned int round = 0; round < 3; round++) {
		drops = drops_take(b);
		push_between(b, 2, 1);
		drops_expect(b, &drops, "vlan_unknown", 1);
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": "
			"7, "
			"\"addresses\": [\"10.7.0.1/24\"]}"));
		json_decref(bench_call(
			b, "route.add", "{\"to\": \"172.16.0.0/12\", \"via\": \"10.7.0.10\"}"));
		bench_discard(b);
		drops = drops_take(b);
		push_between(b, 2, 1);
		ck_assert_uint_eq(bench_count(b, WAN), 1);
		/* The way back asks for the host, tagged. */
		push_between(b, 1, 2);
		frame_arp(&want, LAN_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, LAN_MAC, "10.7.0.1", NO_MAC,
			"10.7.0.10");
		place_tag(&want, &places[2], 0);
		bench_expect_bytes(b, LAN, &want);
		frame_arp(&frame, VLAN_MAC, LAN_MAC, RTE_ARP_OP_REPLY, VLAN_MAC, "10.7.0.10",
			LAN_MAC, "10.7.0.1");
		place_tag(&frame, &places[2], 0);
		bench_push(b, LAN, &frame);
		ck_assert_uint_eq(bench_count(b, LAN), 1);
		drops_expect_none(b, &drops);
		json_decref(bench_call(b, "link.del", "{\"dev\": \"lan.7\"}"));
		bench_run(b);
		/* Addresses, neighbours and routes went with it. */
		ck_assert_str_eq(bench_neigh(b, "10.7.0.10"), "");
		drops = drops_take(b);
		push_between(b, 1, 2);
		drops_expect_none(b, &drops);
		ck_assert_uint_eq(bench_count(b, LAN), 0);
		push_between(b, 0, 1);
		ck_assert_uint_eq(bench_count(b, WAN), 1);
		/* The one before went by the next shorter route. */
		ck_assert_uint_eq(bench_count(b, DMZ), 1);
	}
	bench_destroy(b);
}
END_TEST

/*
 * Packets of a link that is gone by the time they are sent go nowhere: neither untagged out of the port below,
 * nor do others of that port go with them. Announcements are under way here; of two links, in either order.
 */
START_TEST(packets_of_a_link_that_is_gone_do_not_leave_by_the_one_below)
{
	static const char add_link[] =
		"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7, "
		"\"addresses\": [\"10.7.0.1/24\"]}";
	static const char add_addr[] = "{\"local\": \"192.0.2.77/24\", \"dev\": \"lan\"}";
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame want;

	if (_i == 0)
		json_decref(bench_call_only(b, "addr.add", add_addr));
	json_decref(bench_call_only(b, "link.add", add_link));
	if (_i == 1)
		json_decref(bench_call_only(b, "addr.add", add_addr));
	json_decref(bench_call_only(b, "link.del", "{\"dev\": \"lan.7\"}"));
	bench_run(b);
	frame_arp(&want, LAN_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, LAN_MAC, "192.0.2.77", NO_MAC,
		"192.0.2.77");
	bench_expect_bytes(b, LAN, &want);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "link_down", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(what_others_stand_on_stays)
{
	struct bench *b = bench_start(vlan_config);

	bench_expect_error(b, "link.del", "{\"dev\": \"svc\"}", "links stand on it: svc.9");
	bench_expect_error(b, "link.add",
		"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7}",
		"VLAN 7 of \"lan\" is already link \"lan.7\"");
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc.9\"}"));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc\"}"));
	bench_run(b);
	push_between(b, 2, 1);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_destroy(b);
}
END_TEST

/* Addresses that the configuration could not give it, and that addr add would refuse. */
static const struct {
	const char *addresses, *problem;
} bad_addresses[] = {
	{ "\"192.0.2.1/24\"", "addresses[0]: this address is already used in this namespace" },
	{ "\"10.9.0.1/24\", \"10.9.0.1/25\"",
		"addresses[1]: this address is already used in this namespace" },
	{ "\"10.9.0.1/24\", \"224.0.0.1/24\"",
		"addresses[1]: not a unicast address that a link can have" },
	{ "\"10.9.0.255/24\"", "addresses[0]: this is the network's broadcast address" },
	{ "\"ff02::1/64\"", "addresses[0]: not a unicast address that a link can have" },
	{ "\"fe80::1/64\", \"fe80::1/64\"",
		"addresses[1]: this address is already used in this namespace" },
};

START_TEST(a_link_is_not_added_with_wrong_addresses)
{
	struct bench *b = bench_start(router_config);
	char params[160];

	snprintf(params, sizeof(params),
		"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 9, "
		"\"addresses\": [%s]}",
		bad_addresses[_i].addresses);
	bench_expect_error(b, "link.add", params, bad_addresses[_i].problem);
	bench_expect_error(b, "link.show", "{\"dev\": \"x\"}", "does not exist");
	bench_destroy(b);
}
END_TEST

static const struct rte_ether_addr filtered_mac = { { 2, 0, 0, 0, 0, 0x33 } };
static bool filter_has_mac; /* as a device that has a filter would */

int __wrap_rte_eth_dev_mac_addr_add(uint16_t port, struct rte_ether_addr *addr, uint32_t pool);
int __wrap_rte_eth_dev_mac_addr_remove(uint16_t port, struct rte_ether_addr *addr);

int __wrap_rte_eth_dev_mac_addr_add(uint16_t port, struct rte_ether_addr *addr, uint32_t pool)
{
	filter_has_mac = filter_has_mac || rte_is_same_ether_addr(addr, &filtered_mac);
	return 0;
}

int __wrap_rte_eth_dev_mac_addr_remove(uint16_t port, struct rte_ether_addr *addr)
{
	filter_has_mac = filter_has_mac && !rte_is_same_ether_addr(addr, &filtered_mac);
	return 0;
}

START_TEST(a_device_passes_an_address_while_any_link_has_it)
{
	struct bench *b = bench_start(router_config);
	char params[128];

	ck_assert(!filter_has_mac);
	for (unsigned int i = 1; i < 3; i++) {
		snprintf(params, sizeof(params),
			"{\"name\": \"v%u\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": %u, "
			"\"mac\": \"02:00:00:00:00:33\"}",
			i, i);
		json_decref(bench_call(b, "link.add", params));
		ck_assert(filter_has_mac);
	}
	json_decref(bench_call(b, "link.del", "{\"dev\": \"v1\"}"));
	ck_assert(filter_has_mac);
	json_decref(bench_call(b, "link.del", "{\"dev\": \"v2\"}"));
	ck_assert(!filter_has_mac);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* As many as there are indexes, several times over. */
START_TEST(indexes_of_links_are_used_again)
{
	struct bench *b = bench_start(vlan_config);
	char params[96];

	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(params, sizeof(params),
			"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": %u}",
			1000 + i % 3000);
		json_decref(bench_call_only(b, "link.add", params));
		json_decref(bench_call_only(b, "link.del", "{\"dev\": \"x\"}"));
	}
	bench_run(b);
	push_between(b, 2, 1);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_destroy(b);
}
END_TEST

/* Adds x until it has that index. */
static void add_with_index(struct bench *b, int64_t ifindex)
{
	for (unsigned int i = 0; i < 2000; i++) {
		json_t *links;
		bool is_it;

		json_decref(bench_call(b, "link.add",
			"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 9}"));
		links = bench_call(b, "link.show", "{\"dev\": \"x\"}");
		is_it = json_int_at(links, "0.ifindex") == ifindex;
		json_decref(links);
		if (is_it)
			return;
		json_decref(bench_call(b, "link.del", "{\"dev\": \"x\"}"));
	}
	ck_abort_msg("no link got that index");
}

/* Also what was under way when that link went. */
START_TEST(a_link_does_not_count_what_another_of_its_index_had)
{
	struct bench *b = bench_start(router_config);
	int64_t ifindex;
	json_t *links;

	json_decref(bench_call_only(b, "link.add",
		"{\"name\": \"lan.7\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": 7, "
		"\"addresses\": [\"10.7.0.1/24\"]}"));
	links = bench_call_only(b, "link.show", "{\"dev\": \"lan.7\"}");
	ifindex = json_int_at(links, "0.ifindex");
	json_decref(links);
	json_decref(bench_call_only(b, "link.del", "{\"dev\": \"lan.7\"}"));
	bench_run(b); /* its announcement is dropped */
	add_with_index(b, ifindex);
	links = bench_call(b, "link.show", "{\"dev\": \"x\", \"statistics\": true}");
	ck_assert_int_eq(json_int_at(links, "0.stats64.tx.dropped"), 0);
	json_decref(links);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* Tagged packets, all in one queue: each flow is tracked by one worker, in both directions. */
START_TEST(connections_in_vlans_are_brought_to_their_owners)
{
	struct bench *b = bench_create(tracked_config, 2, 16384);
	struct drops drops;
	struct frame frame;

	bench_advance(b, 100);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < 64; i++) {
		struct ip4_spec spec = { .src_mac = VLAN_MAC,
			.dst_mac = LAN_MAC,
			.src = "10.7.0.10",
			.dst = "198.51.100.10",
			.sport = (uint16_t)(2000 + 7 * i),
			.dport = 53 };
		struct ip4_spec back = { .src_mac = PEER_MAC,
			.dst_mac = WAN_MAC,
			.src = "198.51.100.10",
			.dst = "10.7.0.10",
			.sport = 53,
			.dport = (uint16_t)(2000 + 7 * i) };

		frame_ip4(&frame, &spec);
		place_tag(&frame, &places[2], 0);
		bench_push(b, LAN, &frame);
		frame_ip4(&frame, &back);
		/* Only a priority: to the same owner. */
		if (i % 2 == 1)
			frame_tag(&frame, 0x8100, 0x2000);
		bench_push(b, WAN, &frame);
	}
	ck_assert_uint_eq(bench_count(b, WAN), 64);
	ck_assert_uint_eq(bench_count(b, LAN), 64);
	drops_expect_none(b, &drops);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_uint_gt(b->dp->workers[i]->handed_over, 0);
	json_t *count = bench_call(b, "conntrack.count", NULL);
	ck_assert_int_eq(json_int_at(count, "count"), 64);
	json_decref(count);
	bench_destroy(b);
}
END_TEST

START_TEST(explain_knows_the_links)
{
	struct bench *b = bench_start(tracked_config);
	struct client *client = bench_connect(b);
	json_t *answer;

	bench_write(client,
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"explain.packet\", \"params\": "
		"{\"iif\": \"svc.9\", \"src\": \"10.9.0.10\", \"dst\": \"10.7.0.10\", "
		"\"proto\": \"udp\"}}");
	answer = bench_read(b, client);
	ck_assert_str_eq(json_text_at(answer, "result.out"), "lan.7");
	json_decref(answer);
	client_close(client);
	bench_destroy(b);
}
END_TEST

#if VLAN_DEVICE

START_TEST(the_device_has_done_its_part)
{
	ck_assert_uint_gt(vlan_device_n_stripped, 100);
	ck_assert_uint_gt(vlan_device_n_inserted, 100);
}
END_TEST

#define BY_DEVICE(test) , test
#else
#define BY_DEVICE(test)
#endif

PACKET_MAIN("vlan", LOOP_TEST(packets_are_routed_between_all_links_with_their_priority, configs),
	LOOP_TEST(a_mixed_burst_is_sorted_out, configs),
	PLAIN_TEST(arp_is_answered_with_the_tags_it_came_with),
	PLAIN_TEST(a_priority_tag_is_the_link_s_own),
	LOOP_TEST(a_wrong_tag_is_dropped_by_name, refused),
	PLAIN_TEST(a_frame_that_ends_within_its_tags_is_dropped),
	LOOP_TEST(a_tag_is_found_across_segments, configs),
	PLAIN_TEST(a_tag_stays_on_bytes_that_others_read),
	PLAIN_TEST(a_tag_that_has_no_room_drops_its_packet),
	PLAIN_TEST(a_vlan_goes_down_alone_and_with_its_link),
	PLAIN_TEST(each_link_counts_its_own_packets),
	PLAIN_TEST(an_mtu_is_at_most_that_of_the_link_below),
	PLAIN_TEST(a_link_comes_and_goes_while_others_pass_packets),
	LOOP_TEST(packets_of_a_link_that_is_gone_do_not_leave_by_the_one_below, configs),
	PLAIN_TEST(what_others_stand_on_stays),
	PLAIN_TEST(a_device_passes_an_address_while_any_link_has_it),
	LOOP_TEST(a_link_is_not_added_with_wrong_addresses, bad_addresses),
	PLAIN_TEST(indexes_of_links_are_used_again),
	PLAIN_TEST(a_link_does_not_count_what_another_of_its_index_had),
	PLAIN_TEST(connections_in_vlans_are_brought_to_their_owners),
	PLAIN_TEST(explain_knows_the_links) BY_DEVICE(PLAIN_TEST(the_device_has_done_its_part)))
