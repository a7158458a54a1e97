/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Neighbour discovery in and out (RFC 4861) and duplicate address detection (RFC 4862): what is
 * answered, what is dropped by which name, what is learned from whom.
 *
 *	2001:db8:1::/64 --- lan (p0) weir wan (p1) --- 2001:db8:2::/64
 */
#include "kit6.h"

#define OTHER_MAC "02:00:00:00:01:99"
#define HOST6_NEW "2001:db8:1::20" /* a host on lan that weir does not know */
enum { ADVERT = ND_NEIGHBOR_ADVERT, R = 0x80, S = 0x40, O = 0x20 };

/* The answer to a host on lan that asked for LAN6. */
static void answer_of_lan(struct frame *frame, const char *mac, const char *dst)
{
	frame_nd(frame, &(struct nd_spec){ .src_mac = LAN_MAC,
				.dst_mac = mac,
				.src = LAN6,
				.dst = dst,
				.target = LAN6,
				.type = ADVERT,
				.flags = R | S | O,
				.lladdr = LAN_MAC });
}

/* Answering */

START_TEST(rfc4861_7_2_4_a_solicitation_is_answered)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame, reply;

	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	answer_of_lan(&reply, HOST_MAC, HOST6);
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	/* In segments. */
	for (uint16_t first = 1; first < frame.len; first += 5) {
		bench_push_split(b, LAN, &frame, first);
		bench_expect_bytes(b, LAN, &reply);
	}
	/* To our own address, without a link-layer address: a neighbour makes sure of us. */
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .dst_mac = LAN_MAC, .dst = LAN6 });
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	/* To the link-layer address that it gives, not to that of the frame. */
	frame_nd(
		&frame, &(struct nd_spec){ .src = HOST6_NEW, .target = LAN6, .lladdr = OTHER_MAC });
	answer_of_lan(&reply, OTHER_MAC, HOST6_NEW);
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(rfc4861_7_2_4_a_probe_is_answered_to_all_nodes)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, reply;

	frame_nd(&frame, &(struct nd_spec){ .src = "::", .target = LAN6_LINK });
	frame_nd(&reply, &(struct nd_spec){ .src_mac = LAN_MAC,
				 .src = LAN6_LINK,
				 .dst = "ff02::1",
				 .target = LAN6_LINK,
				 .type = ADVERT,
				 .flags = R | O,
				 .lladdr = LAN_MAC });
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_solicitation_in_a_shared_buffer_is_answered_from_another)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, reply;
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);

	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	answer_of_lan(&reply, HOST_MAC, HOST6);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame.len), frame.bytes, frame.len);
	rte_mbuf_refcnt_update(m, 1);
	ck_assert_int_eq(rte_ring_enqueue(b->rx[LAN], m), 0);
	bench_run(b);
	bench_expect_bytes(b, LAN, &reply);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, void *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	bench_destroy(b);
}
END_TEST

/* Refusing: RFC 4861 7.1.1 and 7.1.2, and what a router has no use for. */
static const struct {
	const char *name, *reason;
	struct nd_spec spec;
	struct {
		uint16_t at; /* in the message */
		uint8_t n;
		const char *bytes;
	} patch;
	uint16_t payload_len; /* 0: as it is */
} refused[] = {
	{ "hop limit 254", "nd_bad_hop_limit", { .target = LAN6, .hop_limit = 254 } },
	{ "code 1", "nd_bad_code", { .target = LAN6 }, { 1, 1, "\x01" } },
	{ "23 bytes", "nd_truncated", { .target = LAN6 }, .payload_len = 23 },
	{ "an advertisement of 23 bytes", "nd_truncated", { .target = LAN6, .type = ADVERT },
		.payload_len = 23 },
	{ "an option of no length", "nd_bad_option", { .target = LAN6, .lladdr = HOST_MAC },
		{ 25, 1, "\0" } },
	{ "an unknown option of no length", "nd_bad_option", { .target = LAN6, .lladdr = HOST_MAC },
		{ 24, 2, "\x0e\x00" } },
	{ "an option beyond the end", "nd_bad_option", { .target = LAN6, .lladdr = HOST_MAC },
		{ 25, 1, "\2" } },
	{ "half an option", "nd_bad_option", { .target = LAN6, .lladdr = HOST_MAC },
		.payload_len = 28 },
	{ "a long link-layer address", "nd_bad_option", { .target = LAN6, .lladdr = HOST_MAC },
		{ 24, 10, "\x01\x02\x02\0\0\0\x01\x01\0\0" }, .payload_len = 40 },
	{ "no link-layer address", "nd_bad_lladdr",
		{ .target = LAN6, .lladdr = "00:00:00:00:00:00" } },
	{ "a group's link-layer address", "nd_bad_lladdr",
		{ .target = LAN6, .lladdr = "33:33:00:00:00:01" } },
	{ "a multicast target", "nd_bad_target", { .target = "ff02::1", .dst = LAN6 } },
	{ "a multicast target advertised", "nd_bad_target",
		{ .target = "ff02::1", .dst = LAN6, .type = ADVERT } },
	{ "solicited, to a group", "nd_bad_solicited",
		{ .target = HOST6, .dst = "ff02::1", .type = ADVERT, .flags = S } },
	{ "a probe with a link-layer address", "nd_bad_probe",
		{ .src = "::", .target = LAN6, .lladdr = HOST_MAC } },
	{ "a probe to all nodes", "nd_bad_probe",
		{ .src = "::", .target = LAN6, .dst = "ff02::1" } },
	{ "our address advertised", "nd_conflict",
		{ .target = LAN6,
			.dst = "ff02::1",
			.type = ADVERT,
			.flags = O,
			.lladdr = OTHER_MAC } },
	{ "our address as a sender", "nd_conflict", { .src = LAN6, .target = LAN6_LINK } },
	{ "our own frame", "nd_own", { .src_mac = LAN_MAC, .target = LAN6, .lladdr = LAN_MAC } },
	{ "for somebody else", "nd_not_for_us", { .target = "2001:db8:1:0:9::1" } },
	{ "for our address on another link", "nd_not_for_us", { .target = WAN6, .dst = LAN6 } },
	{ "a wrong checksum", "icmp6_bad_checksum", { .target = LAN6 }, { 2, 2, "\0\0" } },
	{ "RFC 4861 6.2.6: a host looks for routers", "nd_router_solicitation",
		{ .target = "::", .dst = "ff02::2", .type = ND_ROUTER_SOLICIT } },
	{ "RFC 4861 6.2.7: another router", "nd_router_advertisement",
		{ .src = HOST6_LINK, .target = "::", .dst = "ff02::1", .type = ND_ROUTER_ADVERT } },
	{ "RFC 4861 8.2: a redirect", "nd_redirect",
		{ .src = HOST6_LINK, .target = FAR6, .dst = LAN6, .type = ND_REDIRECT } },
};

START_TEST(rfc4861_7_1_what_is_not_right_is_dropped_by_name)
{
	struct bench *b = bench_start(router6_config);
	struct drops drops = drops_take(b);
	struct frame frame;
	uint8_t *message = (uint8_t *)frame_icmp6(&frame);

	memset(&frame, 0, sizeof(frame));
	frame_nd(&frame, &refused[_i].spec);
	memcpy(message + refused[_i].patch.at,
		refused[_i].patch.n > 0 ? refused[_i].patch.bytes : "", refused[_i].patch.n);
	if (refused[_i].payload_len != 0) {
		frame.len = 54u + refused[_i].payload_len;
		frame_ip6_hdr(&frame)->payload_len = rte_cpu_to_be_16(refused[_i].payload_len);
	}
	if (strcmp(refused[_i].reason, "icmp6_bad_checksum") != 0)
		frame_fix_ip6(&frame);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, refused[_i].reason, 1);
	/* Only who claims an address of ours makes us speak. */
	ck_assert_uint_eq(bench_count(b, LAN), strcmp(refused[_i].reason, "nd_conflict") == 0);
	bench_expect_nothing(b);
	ck_assert_str_eq(bench_neigh(b, HOST6), "PERMANENT");
	ck_assert_str_eq(bench_neigh(b, LAN6), "");
	bench_destroy(b);
}
END_TEST

START_TEST(a_conflict_is_answered_once_in_ten_seconds)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, announcement;
	char mac[] = "02:00:00:00:01:a0";

	frame_nd(&announcement, &(struct nd_spec){ .src_mac = LAN_MAC,
					.src = LAN6,
					.dst = "ff02::1",
					.target = LAN6,
					.type = ADVERT,
					.flags = R | O,
					.lladdr = LAN_MAC });
	for (unsigned int second = 0; second < 22; second++) {
		mac[16] = (char)('0' + second % 10);
		frame_nd(&frame, &(struct nd_spec){ .src_mac = mac,
					 .src = LAN6,
					 .dst = "ff02::1",
					 .target = LAN6,
					 .type = ADVERT,
					 .flags = O,
					 .lladdr = mac });
		bench_push(b, LAN, &frame);
		if (second % 10 == 0)
			bench_expect_bytes(b, LAN, &announcement);
		bench_expect_nothing(b);
		bench_advance(b, 1000);
	}
	ck_assert_uint_eq(bench_drops(b, "nd_conflict"), 22);
	bench_destroy(b);
}
END_TEST

/* Learning */

/* What `neigh show` says of an address, as "STATE MAC". */
static const char *learned(struct bench *b, const char *addr)
{
	static char text[64];
	json_t *rows = bench_call(b, "neigh.show", NULL), *row;
	size_t i;

	snprintf(text, sizeof(text), "nothing");
	json_array_foreach(rows, i, row) {
		if (strcmp(json_text_at(row, "dst"), addr) != 0)
			continue;
		snprintf(text, sizeof(text), "%s %s%s", json_text_at(row, "state.0"),
			json_object_get(row, "lladdr") != NULL ? json_text_at(row, "lladdr") : "-",
			json_object_get(row, "router") != NULL ? " router" : "");
	}
	json_decref(rows);
	return text;
}

/* RFC 4861 7.2.3 */
static const struct {
	const char *name;
	struct nd_spec spec;
	const char *sender, *want;
} solicitors[] = {
	{ "of the network", { .src = HOST6_NEW, .target = LAN6, .lladdr = OTHER_MAC }, HOST6_NEW,
		"STALE " OTHER_MAC },
	{ "link-local", { .src = "fe80::77", .target = LAN6, .lladdr = OTHER_MAC }, "fe80::77",
		"STALE " OTHER_MAC },
	{ "without a link-layer address", { .src = HOST6_NEW, .target = LAN6 }, HOST6_NEW,
		"nothing" },
	{ "of no network here", { .src = FAR6, .target = LAN6, .lladdr = OTHER_MAC }, FAR6,
		"nothing" },
	{ "asking for somebody else",
		{ .src = HOST6_NEW,
			.dst = "ff02::1",
			.target = "2001:db8:1::99",
			.lladdr = OTHER_MAC },
		HOST6_NEW, "nothing" },
};

START_TEST(rfc4861_7_2_3_who_asks_for_us_is_learned_as_stale)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame;

	frame_nd(&frame, &solicitors[_i].spec);
	bench_push(b, LAN, &frame);
	ck_assert_str_eq(learned(b, solicitors[_i].sender), solicitors[_i].want);
	bench_destroy(b);
}
END_TEST

enum start { NOTHING, INCOMPLETE, REACHABLE, STALE };

/* RFC 4861 7.2.5 and appendix C: what an advertisement makes of an entry with HOST_MAC. */
static const struct {
	const char *name;
	enum start start;
	uint8_t flags;
	const char *lladdr;
	const char *want;
} adverts[] = {
	{ "of an unknown neighbour", NOTHING, S | O, OTHER_MAC, "nothing" },
	{ "solicited, to a question", INCOMPLETE, S, OTHER_MAC, "REACHABLE " OTHER_MAC },
	/* STALE, and in use at once: the packet that waited. */
	{ "unsolicited, to a question", INCOMPLETE, 0, OTHER_MAC, "DELAY " OTHER_MAC },
	{ "without address, to a question", INCOMPLETE, S | O, NULL, "INCOMPLETE -" },
	{ "solicited, the same", STALE, S, HOST_MAC, "REACHABLE " HOST_MAC },
	{ "solicited, of a router", STALE, R | S, HOST_MAC, "REACHABLE " HOST_MAC " router" },
	{ "solicited, without address", STALE, S, NULL, "REACHABLE " HOST_MAC },
	{ "unsolicited, the same", REACHABLE, 0, HOST_MAC, "REACHABLE " HOST_MAC },
	{ "unsolicited, without address", STALE, 0, NULL, "STALE " HOST_MAC },
	{ "another address, no override, reachable", REACHABLE, R | S, OTHER_MAC,
		"STALE " HOST_MAC },
	{ "another address, no override, stale", STALE, S, OTHER_MAC, "STALE " HOST_MAC },
	{ "another address, override, solicited", REACHABLE, S | O, OTHER_MAC,
		"REACHABLE " OTHER_MAC },
	{ "another address, override, unsolicited", REACHABLE, O, OTHER_MAC, "STALE " OTHER_MAC },
};

static void advertise(struct bench *b, uint8_t flags, const char *lladdr)
{
	struct frame frame;

	frame_nd(&frame, &(struct nd_spec){ .src = HOST6_NEW,
				 .dst = LAN6,
				 .target = HOST6_NEW,
				 .type = ADVERT,
				 .flags = flags,
				 .lladdr = lladdr });
	bench_push(b, LAN, &frame);
}

/* Brings the entry about by packets alone. */
static void start_entry(struct bench *b, enum start start)
{
	struct frame frame;

	if (start == STALE) {
		frame_nd(&frame,
			&(struct nd_spec){ .src = HOST6_NEW, .target = LAN6, .lladdr = HOST_MAC });
		bench_push(b, LAN, &frame);
	} else if (start != NOTHING) {
		frame_ip6(&frame,
			&(struct ip6_spec){ .src = PEER6, .dst = HOST6_NEW, .dst_mac = WAN_MAC });
		bench_push(b, WAN, &frame);
	}
	if (start == REACHABLE)
		advertise(b, S | O, HOST_MAC);
	bench_discard(b);
}

START_TEST(rfc4861_7_2_5_an_advertisement_updates_an_entry_by_its_flags)
{
	struct bench *b = bench_start(router6_config);

	start_entry(b, adverts[_i].start);
	advertise(b, adverts[_i].flags, adverts[_i].lladdr);
	ck_assert_str_eq(learned(b, HOST6_NEW), adverts[_i].want);
	bench_destroy(b);
}
END_TEST

/* RFC 4861 7.3: a neighbour in use is asked again, by unicast, and confirmed. */
START_TEST(rfc4861_7_3_a_stale_neighbour_in_use_is_probed)
{
	struct bench *b = bench_start(router6_config);
	struct frame frame, probe;

	start_entry(b, STALE);
	frame_ip6(&frame, &(struct ip6_spec){ .src = PEER6, .dst = HOST6_NEW, .dst_mac = WAN_MAC });
	bench_push(b, WAN, &frame);
	ck_assert_str_eq(bench_neigh(b, HOST6_NEW), "DELAY");
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_advance(b, 5010); /* DELAY_FIRST_PROBE_TIME */
	ck_assert_str_eq(bench_neigh(b, HOST6_NEW), "PROBE");
	frame_nd(&probe, &(struct nd_spec){ .src_mac = LAN_MAC,
				 .dst_mac = HOST_MAC,
				 .src = LAN6,
				 .dst = HOST6_NEW,
				 .target = HOST6_NEW,
				 .lladdr = LAN_MAC });
	bench_expect_bytes(b, LAN, &probe);
	advertise(b, S, NULL);
	ck_assert_str_eq(bench_neigh(b, HOST6_NEW), "REACHABLE");
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Duplicate address detection */

static const char new_config[] =
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"" LAN6 "/64\" ]; } );\n";

static void expect_probe(struct bench *b, const char *addr)
{
	struct frame probe;

	/* From nobody, to the address's group, without a link-layer address. */
	frame_nd(&probe, &(struct nd_spec){ .src_mac = LAN_MAC, .src = "::", .target = addr });
	bench_expect_bytes(b, LAN, &probe);
}

static void expect_announcement(struct bench *b, const char *addr)
{
	struct frame announcement;

	frame_nd(&announcement, &(struct nd_spec){ .src_mac = LAN_MAC,
					.src = addr,
					.dst = "ff02::1",
					.target = addr,
					.type = ADVERT,
					.flags = R | O,
					.lladdr = LAN_MAC });
	bench_expect_bytes(b, LAN, &announcement);
}

START_TEST(rfc4862_5_4_an_address_is_probed_for_and_then_announced)
{
	struct bench *b = bench_create(new_config, 1, 4096);
	struct frame frame;

	expect_probe(b, LAN6);
	expect_probe(b, LAN6_LINK);
	/* Meanwhile nobody is answered: not who asks for it, nor who sends to it. */
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	bench_push(b, LAN, &frame);
	frame_ip6(&frame,
		&(struct ip6_spec){ .dst = LAN6, .proto = IPPROTO_ICMPV6, .icmp_type = 128 });
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "nd_tentative"), 1);
	ck_assert_uint_eq(bench_drops(b, "ip6_tentative"), 1);
	bench_advance(b, 990);
	bench_expect_nothing(b);
	bench_advance(b, 20);
	expect_announcement(b, LAN6);
	expect_announcement(b, LAN6_LINK);
	bench_expect_nothing(b);
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(rfc4862_5_1_dad_transmits_says_how_often)
{
	struct bench *b = bench_create(new_config, 1, 4096);

	bench_sysctl(b, "addrconf.dad_transmits", "3");
	bench_advance(b, 2000);
	ck_assert_uint_eq(bench_count(b, LAN), 6);
	bench_advance(b, 1010);
	expect_announcement(b, LAN6);
	expect_announcement(b, LAN6_LINK);
	/* 0: used at once. */
	bench_sysctl(b, "addrconf.dad_transmits", "0");
	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::7/64\", \"dev\": \"lan\"}"));
	expect_announcement(b, "2001:db8:1::7");
	bench_sysctl(b, "neigh.ndisc_notify", "false");
	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::8/64\", \"dev\": \"lan\"}"));
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* RFC 4862 5.4.3, 5.4.4: the signs that somebody else has the address. */
static const struct {
	const char *name;
	struct nd_spec spec;
	const char *reason;
	bool is_duplicate;
} signs[] = {
	{ "its owner's advertisement",
		{ .src = LAN6,
			.dst = "ff02::1",
			.target = LAN6,
			.type = ADVERT,
			.flags = O,
			.lladdr = HOST_MAC },
		"nd_conflict", true },
	{ "another's probe", { .src = "::", .target = LAN6 }, "nd_conflict", true },
	{ "its owner's question", { .src = LAN6, .target = LAN6_LINK }, "nd_conflict", true },
	{ "our own probe, looped", { .src_mac = LAN_MAC, .src = "::", .target = LAN6 }, "nd_own",
		false },
	{ "somebody asks for it", { .target = LAN6, .lladdr = HOST_MAC }, "nd_tentative", false },
	{ "from beyond the link",
		{ .src = LAN6, .dst = "ff02::1", .target = LAN6, .type = ADVERT, .hop_limit = 64 },
		"nd_bad_hop_limit", false },
};

START_TEST(rfc4862_5_4_5_an_address_that_somebody_else_has_is_not_used)
{
	struct bench *b = bench_start(new_config);
	struct frame frame;
	json_t *rows;

	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::5/64\", \"dev\": \"lan\"}"));
	frame_nd(&frame, &signs[_i].spec);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, signs[_i].reason), 1);
	bench_advance(b, 3000);
	rows = bench_call(b, "addr.show", NULL);
	ck_assert_str_eq(json_text_at(rows, "0.addr_info.0.local"), LAN6);
	ck_assert(json_is_true(json_object_get(json_at(rows, "0.addr_info.0"), "dadfailed")) ==
		  signs[_i].is_duplicate);
	ck_assert_ptr_null(json_object_get(json_at(rows, "0.addr_info.0"), "tentative"));
	json_decref(rows);
	bench_discard(b);
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), !signs[_i].is_duplicate);
	/* Packets to it are its owner's. */
	if (signs[_i].is_duplicate) {
		frame_ip6(&frame, &(struct ip6_spec){ .dst = LAN6 });
		bench_push(b, LAN, &frame);
		ck_assert_uint_eq(bench_count(b, LAN), 1);
		ck_assert_str_eq(bench_neigh(b, LAN6), "INCOMPLETE");
	}
	/* The link's other address is not affected. */
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6_LINK, .lladdr = HOST_MAC });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(after_the_link_was_down_addresses_are_probed_for_again)
{
	struct bench *b = bench_start(new_config);

	bench_advance(b, 1010);
	bench_discard(b);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"state\": \"down\"}"));
	bench_advance(b, 2000);
	bench_expect_nothing(b);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"state\": \"up\"}"));
	expect_probe(b, LAN6);
	expect_probe(b, LAN6_LINK);
	json_decref(bench_call(b, "addr.del", "{\"local\": \"" LAN6 "/64\", \"dev\": \"lan\"}"));
	bench_advance(b, 1010);
	expect_announcement(b, LAN6_LINK);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* While no address can be sent from nobody is asked: that would look like a probe. */
START_TEST(questions_wait_until_an_address_is_usable)
{
	struct bench *b = bench_start(new_config);
	struct frame frame;

	frame_ip6(&frame, &(struct ip6_spec){ .dst = HOST6_NEW, .src = FAR6 });
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	bench_advance(b, 1010);
	expect_announcement(b, LAN6);
	expect_announcement(b, LAN6_LINK);
	frame_nd(&frame,
		&(struct nd_spec){
			.src_mac = LAN_MAC, .src = LAN6, .target = HOST6_NEW, .lladdr = LAN_MAC });
	bench_expect_bytes(b, LAN, &frame);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("nd", PLAIN_TEST(rfc4861_7_2_4_a_solicitation_is_answered),
	PLAIN_TEST(rfc4861_7_2_4_a_probe_is_answered_to_all_nodes),
	PLAIN_TEST(a_solicitation_in_a_shared_buffer_is_answered_from_another),
	LOOP_TEST(rfc4861_7_1_what_is_not_right_is_dropped_by_name, refused),
	PLAIN_TEST(a_conflict_is_answered_once_in_ten_seconds),
	LOOP_TEST(rfc4861_7_2_3_who_asks_for_us_is_learned_as_stale, solicitors),
	LOOP_TEST(rfc4861_7_2_5_an_advertisement_updates_an_entry_by_its_flags, adverts),
	PLAIN_TEST(rfc4861_7_3_a_stale_neighbour_in_use_is_probed),
	PLAIN_TEST(rfc4862_5_4_an_address_is_probed_for_and_then_announced),
	PLAIN_TEST(rfc4862_5_1_dad_transmits_says_how_often),
	LOOP_TEST(rfc4862_5_4_5_an_address_that_somebody_else_has_is_not_used, signs),
	PLAIN_TEST(after_the_link_was_down_addresses_are_probed_for_again),
	PLAIN_TEST(questions_wait_until_an_address_is_usable))
