/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the checked parser refuses, and under which name: one row per malformed frame. Then frames
 * cut off everywhere and frames of noise, which must end somewhere, whatever they are.
 */
#include "kit.h"

/* What is done to a good frame: some bytes replaced, its end moved. */
struct row {
	const char *name;
	const char *reason; /* NULL: it passes */
	struct {
		uint16_t at;
		uint8_t n;
		const char *bytes;
	} patch[2];
	uint32_t len;	      /* of the frame; 0: as it is */
	bool is_left_unfixed; /* the header's checksum stays as it was */
};

#define IP(n) (RTE_ETHER_HDR_LEN + (n))

/* Ethernet, 20 bytes of IPv4, 8 of UDP, 100 of payload; to 8.8.8.8. */
static const struct row malformed[] = {
	/* Ethernet */
	{ .name = "802.3 length",
		.reason = "eth_not_ethernet2",
		.patch = { { 12, 2, "\x00\x80" } } },
	{ .name = "802.3 zero", .reason = "eth_not_ethernet2", .patch = { { 12, 2, "\x00\x00" } } },
	{ .name = "802.3 highest",
		.reason = "eth_not_ethernet2",
		.patch = { { 12, 2, "\x05\xff" } } },
	{ .name = "lowest type", .reason = "eth_type_unknown", .patch = { { 12, 2, "\x06\x00" } } },
	{ .name = "vlan tag", .reason = "vlan_unknown", .patch = { { 12, 2, "\x81\x00" } } },
	{ .name = "mpls", .reason = "eth_type_unknown", .patch = { { 12, 2, "\x88\x47" } } },
	{ .name = "last type", .reason = "eth_type_unknown", .patch = { { 12, 2, "\xff\xff" } } },
	{ .name = "ipv6", .reason = "ip6_bad_version", .patch = { { 12, 2, "\x86\xdd" } } },
	{ .name = "to another station",
		.reason = "eth_not_for_us",
		.patch = { { 0, 6, "\x02\x00\x00\x00\x00\x09" } } },
	{ .name = "to an address that differs in its first byte",
		.reason = "eth_not_for_us",
		.patch = { { 0, 1, "\x06" } } },
	{ .name = "from a multicast address",
		.reason = "eth_bad_source",
		.patch = { { 6, 6, "\x03\x00\x00\x00\x01\x01" } } },
	{ .name = "from the broadcast address",
		.reason = "eth_bad_source",
		.patch = { { 6, 6, "\xff\xff\xff\xff\xff\xff" } } },
	{ .name = "from multicast to another station",
		.reason = "eth_bad_source",
		.patch = { { 0, 12, "\x02\x00\x00\x00\x00\x09\x01\x00\x00\x00\x01\x01" } } },
	{ .name = "from an odd second byte", .patch = { { 7, 1, "\xff" } } },
	/* version and header length */
	{ .name = "version 6", .reason = "ip4_bad_version", .patch = { { IP(0), 1, "\x65" } } },
	{ .name = "version 0", .reason = "ip4_bad_version", .patch = { { IP(0), 1, "\x05" } } },
	{ .name = "version 15", .reason = "ip4_bad_version", .patch = { { IP(0), 1, "\xf5" } } },
	{ .name = "header of 0 words",
		.reason = "ip4_bad_header_len",
		.patch = { { IP(0), 1, "\x40" } } },
	{ .name = "header of 1 word",
		.reason = "ip4_bad_header_len",
		.patch = { { IP(0), 1, "\x41" } } },
	{ .name = "header of 4 words",
		.reason = "ip4_bad_header_len",
		.patch = { { IP(0), 1, "\x44" } } },
	{ .name = "header beyond the frame",
		.reason = "ip4_bad_header_len",
		.patch = { { IP(0), 1, "\x4f" } },
		.len = IP(59) },
	{ .name = "header of a word more than the frame",
		.reason = "ip4_bad_header_len",
		.patch = { { IP(0), 1, "\x46" }, { IP(2), 2, "\x00\x14" } },
		.len = IP(20) },
	/* total length */
	{ .name = "total length 0",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(2), 2, "\x00\x00" } } },
	{ .name = "total length 19",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(2), 2, "\x00\x13" } } },
	{ .name = "total length below a header with options",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(0), 1, "\x46" }, { IP(2), 2, "\x00\x17" } } },
	{ .name = "total length one beyond",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(2), 2, "\x00\x81" } } },
	{ .name = "total length 65535",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(2), 2, "\xff\xff" } } },
	{ .name = "total length bytes swapped",
		.reason = "ip4_bad_total_len",
		.patch = { { IP(2), 2, "\x80\x00" } } },
	{ .name = "total length of the header alone", .patch = { { IP(2), 2, "\x00\x14" } } },
	/* checksum */
	{ .name = "checksum zero",
		.reason = "ip4_bad_checksum",
		.patch = { { IP(10), 2, "\x00\x00" } },
		.is_left_unfixed = true },
	{ .name = "checksum of another ttl",
		.reason = "ip4_bad_checksum",
		.patch = { { IP(8), 1, "\x3f" } },
		.is_left_unfixed = true },
	{ .name = "checksum without the options",
		.reason = "ip4_bad_checksum",
		.patch = { { IP(0), 1, "\x46" } },
		.is_left_unfixed = true },
	/* runts and padding */
	{ .name = "60 bytes with padding", .patch = { { IP(2), 2, "\x00\x1c" } }, .len = 60 },
	{ .name = "42 bytes without", .patch = { { IP(2), 2, "\x00\x1c" } }, .len = 42 },
};

static void break_frame(struct frame *frame, const struct row *row)
{
	for (unsigned int i = 0; i < RTE_DIM(row->patch); i++)
		if (row->patch[i].n > 0)
			memcpy(frame->bytes + row->patch[i].at, row->patch[i].bytes,
				row->patch[i].n);
	if (!row->is_left_unfixed && rte_ipv4_hdr_len(frame_ip(frame)) >= 20)
		frame_fix_ip(frame);
	if (row->len != 0)
		frame->len = row->len;
}

static const struct ip4_spec good = { .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 100 };

START_TEST(a_malformed_frame_is_dropped_by_name)
{
	struct bench *b = bench_start(router_config);
	struct frame frame = { 0 };
	struct drops drops;

	frame_ip4(&frame, &good);
	break_frame(&frame, &malformed[_i]);
	for (uint16_t seg_len = 200; seg_len > 10; seg_len = (uint16_t)(seg_len - 23)) {
		drops = drops_take(b);
		bench_send_segs(b, LAN, &frame, seg_len);
		bench_run(b);
		drops_expect(b, &drops, malformed[_i].reason, malformed[_i].reason != NULL);
		ck_assert_uint_eq(bench_count(b, WAN), malformed[_i].reason == NULL);
		bench_expect_nothing(b);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_frame_cut_off_anywhere_is_dropped_by_name)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;
	struct drops drops;

	frame_ip4(&frame, &good);
	for (uint32_t len = frame.len; len-- > 0;) {
		const char *reason = len < RTE_ETHER_HDR_LEN ? "eth_truncated"
				     : len < IP(20)	     ? "ip4_truncated"
							     : "ip4_bad_total_len";

		drops = drops_take(b);
		frame.len = len;
		bench_push(b, LAN, &frame);
		drops_expect(b, &drops, reason, 1);
		if (len < 2)
			continue;
		drops = drops_take(b);
		bench_push_split(b, LAN, &frame, (uint16_t)(len / 2));
		drops_expect(b, &drops, reason, 1);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_header_with_any_bit_flipped_is_dropped)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	for (unsigned int bit = 0; bit < 160; bit++) {
		struct drops drops = drops_take(b);
		struct dp_totals before, after;

		dp_totals(b->dp, &before);
		frame_ip4(&frame, &good);
		frame.bytes[IP(bit / 8)] ^= (uint8_t)(1 << bit % 8);
		bench_push(b, LAN, &frame);
		bench_expect_nothing(b);
		dp_totals(b->dp, &after);
		REQUIRE(after.dropped == before.dropped + 1);
		/* Version, header length and total length are looked at before the checksum. */
		if (bit >= 32)
			drops_expect(b, &drops, "ip4_bad_checksum", 1);
	}
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name;
	uint16_t mtu, len;
	uint16_t type;
	const char *reason;
} sizes[] = {
	{ "ip of exactly the mtu", 1500, 1500, RTE_ETHER_TYPE_IPV4, NULL },
	{ "ip of one byte more", 1500, 1501, RTE_ETHER_TYPE_IPV4, "link_oversize" },
	{ "jumbo on a standard link", 1500, 9000, RTE_ETHER_TYPE_IPV4, "link_oversize" },
	{ "jumbo", 9600, 9600, RTE_ETHER_TYPE_IPV4, NULL },
	{ "jumbo of one byte more", 9600, 9601, RTE_ETHER_TYPE_IPV4, "link_oversize" },
	{ "smallest mtu", 68, 68, RTE_ETHER_TYPE_IPV4, NULL },
	{ "one more than the smallest mtu", 68, 69, RTE_ETHER_TYPE_IPV4, "link_oversize" },
	{ "another protocol of the mtu", 1500, 1500, 0x88b5, "eth_type_unknown" },
	{ "another protocol of one byte more", 1500, 1501, 0x88b5, "link_oversize" },
	{ "arp with a page of padding", 1500, 1501, RTE_ETHER_TYPE_ARP, "link_oversize" },
};

START_TEST(a_frame_beyond_the_mtu_is_dropped)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;
	struct drops drops;
	char params[64];

	snprintf(params, sizeof(params), "{\"dev\": \"lan\", \"mtu\": %u}", sizes[_i].mtu);
	json_decref(bench_call(b, "link.set", params));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 9600}"));
	if (sizes[_i].type == RTE_ETHER_TYPE_IPV4)
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "8.8.8.8",
					  .payload_len = (uint16_t)(sizes[_i].len - 28) });
	else
		frame_ether_type(&frame, sizes[_i].type, sizes[_i].len);
	drops = drops_take(b);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, sizes[_i].reason, sizes[_i].reason != NULL);
	ck_assert_uint_eq(bench_count(b, WAN), sizes[_i].reason == NULL);
	bench_destroy(b);
}
END_TEST

START_TEST(a_promiscuous_link_takes_frames_to_others)
{
	struct bench *b = bench_start(
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; promiscuous = true;\n"
		"    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\" ]; },\n"
		"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
		"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );\n");
	struct drops drops = drops_take(b);
	struct ip4_spec spec = { .src = "192.0.2.10", .dst = "198.51.100.10" };
	struct frame frame;

	spec.dst_mac = "02:aa:bb:cc:dd:ee";
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	drops_expect_none(b, &drops);
	/* A forged source is refused all the same. */
	spec.src_mac = "03:00:00:00:00:01";
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "eth_bad_source", 1);
	/* The other link is not promiscuous. */
	drops = drops_take(b);
	spec.src_mac = PEER_MAC;
	frame_ip4(&frame, &spec);
	bench_push(b, WAN, &frame);
	drops_expect(b, &drops, "eth_not_for_us", 1);
	bench_destroy(b);
}
END_TEST

/* Frames of every kind that weir looks into. */
static unsigned int make_frames(struct frame frames[static 7])
{
	struct ip4_spec spec = { .src = "192.0.2.10", .dst = "192.0.2.1", .payload_len = 20 };
	unsigned int n = 0;

	frame_ip4(&frames[n++], &spec);
	spec.proto = IPPROTO_TCP;
	frame_ip4(&frames[n++], &spec);
	spec.proto = IPPROTO_ICMP;
	spec.icmp_type = 8;
	frame_ip4(&frames[n++], &spec);
	spec.options = "\x83\x07\x04\x08\x08\x08\x08\x00";
	spec.options_len = 8;
	frame_ip4(&frames[n++], &spec);
	spec.ttl = 1;
	spec.dst = "8.8.8.8";
	spec.options = "\x07\x07\x04\x00\x00\x00\x00\x00";
	frame_ip4(&frames[n++], &spec);
	frame_arp(&frames[n++], HOST_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, HOST_MAC, "192.0.2.10",
		NO_MAC, "192.0.2.1");
	frame_arp(&frames[n++], HOST_MAC, LAN_MAC, RTE_ARP_OP_REPLY, HOST_MAC, "192.0.2.10",
		LAN_MAC, "192.0.2.1");
	return n;
}

static void check_accounts(struct bench *b)
{
	struct dp_totals totals;

	bench_run(b);
	bench_discard(b);
	dp_totals(b->dp, &totals);
	REQUIRE_MSG(totals.difference == 0, "difference %" PRId64, totals.difference);
}

/* Makes lengths inside the header match a cut, so that what lies deeper is reached. */
static void shorten(struct frame *frame, uint32_t len)
{
	frame->len = len;
	if (frame_ether(frame)->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || len < IP(20))
		return;
	frame_ip(frame)->total_length = rte_cpu_to_be_16((uint16_t)(len - RTE_ETHER_HDR_LEN));
	if (len >= RTE_ETHER_HDR_LEN + rte_ipv4_hdr_len(frame_ip(frame)))
		frame_fix_ip(frame);
}

START_TEST(every_cut_of_every_kind_is_accounted_for)
{
	static const uint16_t seg_lens[] = { 2048, 61, 20, 14, 7, 1 };
	struct bench *b = bench_start(router_config);
	struct frame frames[7];
	unsigned int n = make_frames(frames);

	for (unsigned int i = 0; i < n; i++) {
		for (uint32_t len = 0; len <= frames[i].len; len++) {
			struct frame honest = frames[i], lying = frames[i];

			shorten(&honest, len);
			lying.len = len;
			for (unsigned int s = 0; s < RTE_DIM(seg_lens); s++) {
				bench_send_segs(b, LAN, &honest, seg_lens[s]);
				bench_send_segs(b, LAN, &lying, seg_lens[s]);
				check_accounts(b);
			}
		}
	}
	bench_destroy(b);
}
END_TEST

START_TEST(noise_is_accounted_for)
{
	struct bench *b = bench_start(router_config);
	struct frame frames[7], frame;
	unsigned int n = make_frames(frames);

	srand(2);
	for (unsigned int round = 0; round < 20000; round++) {
		frame = frames[(unsigned int)rand() % n];
		for (int k = rand() % 6; k > 0; k--)
			frame.bytes[(unsigned int)rand() % frame.len] = (uint8_t)rand();
		frame.len -= rand() % 4 == 0 ? (uint32_t)rand() % frame.len : 0;
		if (rand() % 2 == 0 && frame.len >= IP(60) &&
			rte_ipv4_hdr_len(frame_ip(&frame)) >= 20)
			frame_fix_ip(&frame);
		bench_send_segs(b, (unsigned int)rand() % 3, &frame, (uint16_t)(1 + rand() % 100));
		if (round % 16 == 0)
			check_accounts(b);
		if (round % 4096 == 0)
			bench_advance(b, 5000);
	}
	check_accounts(b);
	bench_destroy(b);
}
END_TEST

/* Sends a frame and tells what became of it: what left by wan, and which drops there were. */
static void outcome(struct bench *b, const struct frame *frame, bool is_split, struct frame *out,
	struct drops *drops)
{
	struct drops before = drops_take(b);

	out->len = 0;
	if (is_split)
		bench_push_split(b, LAN, frame, 20);
	else
		bench_push(b, LAN, frame);
	(void)bench_receive(b, WAN, out);
	bench_discard(b);
	*drops = drops_take(b);
	for (unsigned int i = 0; i < RTE_DIM(drops->n); i++)
		drops->n[i] -= before.n[i];
}

/* A packet whose IP header lies in two segments takes the road through parse and ip4_input. */
START_TEST(the_short_way_and_the_long_way_judge_alike)
{
	struct bench *b = bench_start(
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; promiscuous = true;\n"
		"    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\" ]; },\n"
		"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
		"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );\n"
		"routes = ( { to = \"default\"; via = \"198.51.100.10\"; } );\n");
	static const uint8_t interesting[] = { 0, 1, 10, 127, 192, 198, 224, 255 };
	static struct frame frame, out[2];
	unsigned int n_forwarded = 0, n_dropped = 0;
	struct drops drops[2];

	srand(3);
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	for (unsigned int round = 0; round < 20000; round++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "8.8.8.8",
					  .proto = round % 2 ? IPPROTO_TCP : IPPROTO_UDP,
					  .payload_len = (uint16_t)(rand() % 40) });
		for (int k = rand() % 3; k > 0; k--)
			frame.bytes[IP((unsigned int)rand() % 20)] =
				rand() % 2 ? (uint8_t)rand()
					   : interesting[(unsigned int)rand() % 8];
		if (rand() % 4 == 0)
			frame.bytes[12 + rand() % 2] = (uint8_t)rand();
		if (rand() % 4 != 0)
			frame_fix_ip(&frame);
		if (rand() % 4 == 0)
			frame.len = IP(20) + (uint32_t)rand() % 80;
		frame.bytes[5] ^= rand() % 4 == 0 ? 0x40 : 0;
		outcome(b, &frame, false, &out[0], &drops[0]);
		outcome(b, &frame, true, &out[1], &drops[1]);
		REQUIRE(out[0].len == out[1].len);
		REQUIRE(memcmp(out[0].bytes, out[1].bytes, out[0].len) == 0);
		REQUIRE(memcmp(&drops[0], &drops[1], sizeof(drops[0])) == 0);
		n_forwarded += out[0].len > 0;
		n_dropped += out[0].len == 0;
	}
	ck_assert_uint_gt(n_forwarded, 2000);
	ck_assert_uint_gt(n_dropped, 2000);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("parse", LOOP_TEST(a_malformed_frame_is_dropped_by_name, malformed),
	PLAIN_TEST(a_frame_cut_off_anywhere_is_dropped_by_name),
	PLAIN_TEST(a_header_with_any_bit_flipped_is_dropped),
	LOOP_TEST(a_frame_beyond_the_mtu_is_dropped, sizes),
	PLAIN_TEST(a_promiscuous_link_takes_frames_to_others),
	PLAIN_TEST(the_short_way_and_the_long_way_judge_alike),
	PLAIN_TEST(every_cut_of_every_kind_is_accounted_for), PLAIN_TEST(noise_is_accounted_for))
