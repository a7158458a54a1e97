/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets in pieces: cut where the next link's MTU is smaller (RFC 791 3.2, RFC 1812 5.2.6), made
 * whole where they are for us (RFC 791 3.2, RFC 1122 3.3.2, RFC 5722).
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit.h"

#include <netinet/ip.h>
#include <rte_cycles.h>

#include "base/mem.h"

enum { PAYLOAD_MAX = 65515, MF = RTE_IPV4_HDR_MF_FLAG, DF = RTE_IPV4_HDR_DF_FLAG };

/* The payload of an IP packet, whole or on its way to be. */
struct datagram {
	uint32_t len; /* 0: the last piece was not seen */
	uint32_t have;
	uint32_t first, end; /* of what was seen */
	uint8_t bytes[PAYLOAD_MAX + 1500];
};

static void set_mtu(struct bench *b, const char *dev, unsigned int mtu)
{
	char *params = mem_printf("{\"dev\": \"%s\", \"mtu\": %u}", dev, mtu);

	json_decref(bench_call(b, "link.set", params));
	free(params);
}

static struct datagram *datagram_new(void)
{
	struct datagram *d = mem_zalloc(sizeof(*d));

	d->first = UINT32_MAX;
	return d;
}

/* One frame of it: every header right by itself, no byte twice. */
static void datagram_take(struct datagram *d, struct frame *frame, uint16_t mtu)
{
	const struct rte_ipv4_hdr *ip = frame_ip(frame);
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t first = (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
	uint32_t len = rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip);

	REQUIRE(rte_raw_cksum(ip, rte_ipv4_hdr_len(ip)) == 0xffff);
	REQUIRE(rte_be_to_cpu_16(ip->total_length) <= mtu);
	REQUIRE(frame->len == RTE_ETHER_HDR_LEN + (uint32_t)rte_be_to_cpu_16(ip->total_length));
	REQUIRE(len > 0 && first + len <= sizeof(d->bytes));
	if (field & MF)
		REQUIRE(len % 8 == 0);
	else
		d->len = first + len;
	memcpy(d->bytes + first, frame_l4(frame), len);
	d->have += len;
	d->first = RTE_MIN(d->first, first);
	d->end = RTE_MAX(d->end, first + len);
}

/* All that left by a port as one payload; returns how many frames that were. */
static unsigned int datagram_collect(
	struct bench *b, unsigned int port, uint16_t mtu, struct datagram *d, struct frame *first)
{
	struct frame frame;
	unsigned int n = 0;

	while (bench_receive(b, port, &frame)) {
		if (n++ == 0)
			*first = frame;
		REQUIRE(frame_ip(&frame)->packet_id == frame_ip(first)->packet_id);
		datagram_take(d, &frame, mtu);
	}
	REQUIRE(n > 0);
	REQUIRE(d->have == d->end - d->first);
	return n;
}

/* Cutting */

/* A copied option, one that is not, a copied one, and the end. */
#define OPTIONS "\x94\x04\x00\x00\x07\x0b\x0c_2345678\x88\x04\x12\x34\x00"
enum { OPTIONS_LEN = 20, OPTIONS_COPIED_LEN = 8 };

static const struct {
	const char *name;
	uint16_t mtu;
	struct ip4_spec spec;
} cuts[] = {
	{ "one byte too many", 1499, { .payload_len = 1472 } },
	{ "into two", 1000, { .payload_len = 1400 } },
	{ "into as many as there can be", 68, { .payload_len = 1472 } },
	{ "at an mtu that is no multiple of eight", 573, { .payload_len = 1472 } },
	{ "tcp", 600, { .proto = IPPROTO_TCP, .payload_len = 1460 } },
	{ "icmp", 600, { .proto = IPPROTO_ICMP, .icmp_type = 8, .payload_len = 1472 } },
	{ "a protocol that weir does not know", 576, { .proto = 253, .payload_len = 1480 } },
	{ "options", 576, { .options = OPTIONS, .options_len = OPTIONS_LEN, .payload_len = 1400 } },
	{ "options, at the smallest mtu", 68,
		{ .options = OPTIONS, .options_len = OPTIONS_LEN, .payload_len = 1400 } },
	{ "a first fragment", 576, { .fragment = MF, .payload_len = 1472 } },
	{ "a fragment in the middle", 576, { .fragment = MF | 100, .payload_len = 1472 } },
	{ "a last fragment", 576, { .fragment = 185, .payload_len = 777 } },
	{ "the highest offset", 300, { .fragment = 8191 - 62, .proto = 253, .payload_len = 503 } },
};

/* Every piece but the first: the header fields of the whole, and only options to be copied. */
static void check_piece(struct frame *piece, struct frame *whole, bool has_options)
{
	struct rte_ipv4_hdr *ip = frame_ip(piece), *of = frame_ip(whole);

	ck_assert_mem_eq(frame_ether(piece)->src_addr.addr_bytes, "\x02\x00\x00\x00\x00\x02", 6);
	ck_assert_mem_eq(frame_ether(piece)->dst_addr.addr_bytes, "\x02\x00\x00\x00\x02\x01", 6);
	ck_assert_uint_eq(ip->packet_id, of->packet_id);
	ck_assert_uint_eq(ip->src_addr, of->src_addr);
	ck_assert_uint_eq(ip->dst_addr, of->dst_addr);
	ck_assert_uint_eq(ip->next_proto_id, of->next_proto_id);
	ck_assert_uint_eq(ip->time_to_live, of->time_to_live - 1);
	ck_assert_uint_eq(ip->type_of_service, of->type_of_service);
	if (!has_options)
		return;
	ck_assert_uint_eq(rte_ipv4_hdr_len(ip), 20 + OPTIONS_COPIED_LEN);
	ck_assert_mem_eq(ip + 1, "\x94\x04\x00\x00\x88\x04\x12\x34", OPTIONS_COPIED_LEN);
}

static void check_cut(struct bench *b, struct frame *whole, uint16_t mtu, uint16_t seg_len)
{
	uint16_t field = rte_be_to_cpu_16(frame_ip(whole)->fragment_offset);
	bool has_options = rte_ipv4_hdr_len(frame_ip(whole)) > 20, is_first = true;
	uint32_t len = whole->len - RTE_ETHER_HDR_LEN - rte_ipv4_hdr_len(frame_ip(whole));
	struct datagram *d = datagram_new();
	struct frame piece;

	bench_send_segs(b, LAN, whole, seg_len);
	bench_run(b);
	while (bench_receive(b, WAN, &piece)) {
		datagram_take(d, &piece, mtu);
		check_piece(&piece, whole, has_options && !is_first);
		if (is_first)
			ck_assert_uint_eq(rte_ipv4_hdr_len(frame_ip(&piece)),
				rte_ipv4_hdr_len(frame_ip(whole)));
		is_first = false;
	}
	ck_assert_uint_eq(d->first, (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u);
	ck_assert_uint_eq(d->end, d->first + len);
	ck_assert_uint_eq(d->have, len);
	/* The end of the datagram is where it was: nowhere, if this was not its last fragment. */
	ck_assert_uint_eq(d->len, field & MF ? 0 : d->end);
	ck_assert_mem_eq(d->bytes + d->first, frame_l4(whole), len);
	bench_expect_nothing(b);
	free(d);
}

/* RFC 791 3.2, RFC 1812 5.2.6. */
START_TEST(what_is_larger_than_the_mtu_goes_on_in_fragments)
{
	static const uint16_t seg_lens[] = { 1, 33, 34, 35, 77, 512, 2048 };
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct ip4_spec spec = cuts[_i].spec;
	struct frame frame;

	set_mtu(b, "wan", cuts[_i].mtu);
	spec.src = "192.0.2.10";
	spec.dst = "8.8.8.8";
	frame_ip4(&frame, &spec);
	for (unsigned int i = 0; i < RTE_DIM(seg_lens); i++)
		check_cut(b, &frame, cuts[_i].mtu, seg_lens[i]);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(packets_of_any_size_are_cut_for_any_mtu)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	set_mtu(b, "lan", 9000);
	for (uint16_t mtu = 68; mtu < 9000; mtu = (uint16_t)(mtu + 1 + mtu / 7)) {
		set_mtu(b, "wan", mtu);
		for (uint16_t len = mtu + 1; len < 9000; len = (uint16_t)(len + 1 + len / 3)) {
			frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
						  .dst = "8.8.8.8",
						  .payload_len = (uint16_t)(len - 28) });
			check_cut(b, &frame, mtu, 2048);
		}
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_fragment_beyond_the_largest_datagram_is_not_cut)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame;

	/* Its pieces would need offsets that run over into the flags. */
	set_mtu(b, "wan", 300);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .fragment = 8191 - 62,
				  .proto = 253,
				  .payload_len = 504 });
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "ip4_fragment_bad", 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* RFC 791: fragments are as large as they can be. */
START_TEST(no_more_fragments_are_made_than_needed)
{
	struct bench *b = bench_start(router_config);
	struct frame frame;

	set_mtu(b, "wan", 1500);
	set_mtu(b, "lan", 9000);
	frame_ip4(&frame,
		&(struct ip4_spec){
			.src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 3 * 1480 - 8 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 3);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_are_accounted_for)
{
	struct bench *b = bench_start(router_config);
	json_t *before = bench_call(b, "stats.show", NULL), *after;
	struct frame frame;

	set_mtu(b, "wan", 576);
	frame_ip4(&frame,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 1472 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 3);
	after = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(after, "rx") - json_int_at(before, "rx"), 1);
	ck_assert_int_eq(json_int_at(after, "fragments") - json_int_at(before, "fragments"), 3);
	ck_assert_int_eq(json_int_at(after, "consumed") - json_int_at(before, "consumed"), 1);
	ck_assert_int_eq(json_int_at(after, "tx") - json_int_at(before, "tx"), 3);
	ck_assert_int_eq(json_int_at(after, "difference"), 0);
	json_decref(before);
	json_decref(after);
	bench_destroy(b);
}
END_TEST

/* More than a pass holds: they leave in several, and nothing is lost. */
START_TEST(bursts_that_multiply_beyond_a_lane_lose_nothing)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame;
	unsigned int n;

	set_mtu(b, "wan", 68);
	frame_ip4(&frame,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 1472 });
	for (unsigned int i = 0; i < 48; i++)
		bench_send(b, LAN, &frame);
	for (n = 0; n < 20; n++)
		bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 48 * 31);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(one_packet_may_become_more_than_a_lane)
{
	static char nops[40];
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();
	struct frame frame, first;

	/* Options that every fragment must carry leave room for eight bytes in each. */
	memset(nops, IPOPT_NOP, sizeof(nops));
	memcpy(nops, "\x88\x28", 2);
	set_mtu(b, "lan", 9000);
	set_mtu(b, "wan", 68);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .options = nops,
				  .options_len = 40,
				  .payload_len = 8900 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(datagram_collect(b, WAN, 68, d, &first), (8908 + 7) / 8);
	ck_assert_uint_eq(d->len, 8908);
	ck_assert_mem_eq(d->bytes, frame_l4(&frame), 8908);
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(what_must_be_cut_waits_whole_for_its_next_hop)
{
	struct bench *b = bench_start(router_config);
	struct datagram *d = datagram_new();
	struct frame frame, answer, first;
	json_t *stats;

	set_mtu(b, "wan", 576);
	frame_ip4(
		&frame, &(struct ip4_spec){
				.src = "192.0.2.10", .dst = "198.51.100.20", .payload_len = 1472 });
	bench_push(b, LAN, &frame);
	stats = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(stats, "held"), 1);
	json_decref(stats);
	bench_discard(b); /* the question */
	frame_arp(&answer, PEER_MAC, WAN_MAC, RTE_ARP_OP_REPLY, PEER_MAC, "198.51.100.20", WAN_MAC,
		"198.51.100.1");
	bench_push(b, WAN, &answer);
	ck_assert_uint_eq(datagram_collect(b, WAN, 576, d, &first), 3);
	ck_assert_uint_eq(frame_ip(&first)->time_to_live, 63);
	ck_assert_mem_eq(d->bytes, frame_l4(&frame), 1480);
	free(d);
	bench_destroy(b);
}
END_TEST

/* Jumbo frames */

START_TEST(jumbo_frames_in_many_buffers_are_forwarded)
{
	static const uint16_t seg_lens[] = { 2048, 1500, 999, 100, 33 };
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct frame frame, want;

	set_mtu(b, "lan", 9000);
	set_mtu(b, "wan", 9000);
	for (unsigned int i = 0; i < RTE_DIM(seg_lens); i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "8.8.8.8",
					  .fragment = DF,
					  .payload_len = (uint16_t)(9000 - 28 - i) });
		bench_send_segs(b, LAN, &frame, seg_lens[i]);
		bench_run(b);
		want = frame;
		frame_forward(&want, WAN_MAC, PEER_MAC);
		bench_expect_bytes(b, WAN, &want);
	}
	drops_expect_none(b, &drops);
	/* RFC 1191: one byte more than the next link takes is told with that link's MTU. */
	set_mtu(b, "lan", 9001);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .fragment = DF,
				  .payload_len = 9001 - 28 });
	bench_push(b, LAN, &frame);
	bench_expect(b, LAN, &frame);
	ck_assert_mem_eq(frame_l4(&frame) + 4, "\x00\x00\x23\x28", 4);
	set_mtu(b, "lan", 9000);
	frame_ip4(
		&frame, &(struct ip4_spec){
				.src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 9001 - 28 });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "link_oversize"), 1);
	bench_destroy(b);
}
END_TEST

/* Making whole */

/* An echo request's ICMP message. */
static void make_request(struct datagram *d, uint32_t len)
{
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)d->bytes;

	for (uint32_t i = 0; i < len; i++)
		d->bytes[i] = (uint8_t)(i * 7 + i / 256);
	*icmp = (struct rte_icmp_hdr){ .icmp_type = 8, .icmp_ident = 1, .icmp_seq_nb = 2 };
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(d->bytes, len);
	d->len = len;
}

/* Fragment `first` to `end` of a datagram from the host on lan to us. */
struct piece {
	uint32_t first, end;
	bool is_last;
	uint16_t id;
	uint8_t proto, options_len;
	const char *src;
};

static void send_piece(struct bench *b, const struct datagram *d, const struct piece *piece)
{
	struct frame frame;
	uint32_t len = piece->end - piece->first;

	frame_ip4(&frame,
		&(struct ip4_spec){ .src = piece->src != NULL ? piece->src : "192.0.2.10",
			.dst = "192.0.2.1",
			.proto = 253,
			.fragment = (uint16_t)((piece->is_last ? 0 : MF) | piece->first / 8),
			.options = "\x01\x01\x01\x01\x01\x01\x01\x01",
			.options_len = piece->options_len,
			.payload_len = (uint16_t)len });
	frame_ip(&frame)->next_proto_id = piece->proto != 0 ? piece->proto : IPPROTO_ICMP;
	frame_ip(&frame)->packet_id = rte_cpu_to_be_16((uint16_t)(0x4000 + piece->id));
	frame_fix_ip(&frame);
	memcpy(frame_l4(&frame), d->bytes + piece->first, len);
	bench_send(b, LAN, &frame);
	bench_run(b);
}

/* What came out of lan must be the reply to it. */
static void expect_reply(struct bench *b, struct datagram *request, uint16_t mtu)
{
	struct datagram *reply = datagram_new();
	struct frame first;

	datagram_collect(b, LAN, mtu, reply, &first);
	ck_assert_uint_eq(frame_ip(&first)->src_addr, ip4_be("192.0.2.1"));
	ck_assert_uint_eq(frame_ip(&first)->dst_addr, ip4_be("192.0.2.10"));
	ck_assert_uint_eq(frame_ip(&first)->time_to_live, 64);
	ck_assert_uint_eq(reply->first, 0);
	ck_assert_uint_eq(reply->len, request->len);
	ck_assert_uint_eq(reply->bytes[0], 0);
	ck_assert_uint_eq(rte_raw_cksum(reply->bytes, reply->len), 0xffff);
	ck_assert_mem_eq(reply->bytes + 4, request->bytes + 4, request->len - 4);
	free(reply);
}

/* In the order of a permutation of n pieces, numbered from 0 to n! - 1. */
static void send_permuted(struct bench *b, const struct datagram *d, const struct piece *pieces,
	unsigned int n, unsigned int permutation)
{
	unsigned int left[8], n_left = n;

	for (unsigned int i = 0; i < n; i++)
		left[i] = i;
	while (n_left > 0) {
		unsigned int k = permutation % n_left;

		permutation /= n_left;
		send_piece(b, d, &pieces[left[k]]);
		left[k] = left[--n_left];
	}
}

/* RFC 791 3.2. */
START_TEST(fragments_to_us_are_made_whole_in_any_order)
{
	static const struct piece pieces[] = { { 0, 1480 }, { 1480, 2000 }, { 2000, 2008 },
		{ 2008, 3008, true } };
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, 3008);
	for (unsigned int i = 0; i < 24; i++) {
		send_permuted(b, d, pieces, RTE_DIM(pieces), i);
		expect_reply(b, d, 1500);
	}
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(headers_of_fragments_may_have_options_of_their_own)
{
	static const struct piece pieces[] = { { 0, 1000, .options_len = 8 }, { 1000, 1999, true },
		{ 0, 1000 }, { 1000, 1999, true, .options_len = 4 } };
	struct bench *b = bench_start(router_config);
	struct datagram *d = datagram_new();

	make_request(d, 1999);
	for (unsigned int i = 0; i < 4; i++) {
		send_permuted(b, d, &pieces[i & 2], 2, i);
		expect_reply(b, d, 1500);
	}
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(the_largest_datagram_is_made_whole_and_answered)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, PAYLOAD_MAX);
	for (uint32_t first = 0; first < d->len; first += 1480)
		send_piece(b, d,
			&(struct piece){ first, RTE_MIN(first + 1480, d->len),
				.is_last = first + 1480 >= d->len });
	expect_reply(b, d, 1500);
	drops_expect_none(b, &drops);
	/* Nothing of it stays. */
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 0);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(a_datagram_made_whole_leaves_in_one_frame_where_it_fits)
{
	struct bench *b = bench_start(router_config);
	struct datagram *d = datagram_new();

	set_mtu(b, "lan", 9000);
	make_request(d, 8000);
	for (uint32_t first = 0; first < d->len; first += 400)
		send_piece(b, d, &(struct piece){ first, first + 400, first == 7600 });
	expect_reply(b, d, 9000);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_of_different_datagrams_do_not_mix)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, 2000);
	send_piece(b, d, &(struct piece){ 0, 1000 });
	send_piece(b, d, &(struct piece){ 1000, 2000, true, .id = 1 });
	send_piece(b, d, &(struct piece){ 1000, 2000, true, .proto = IPPROTO_UDP });
	send_piece(b, d, &(struct piece){ 1000, 2000, true, .src = "192.0.2.11" });
	bench_expect_nothing(b);
	send_piece(b, d, &(struct piece){ 1000, 2000, true });
	expect_reply(b, d, 1500);
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name, *reason;
	struct piece pieces[4];
	uint64_t n; /* dropped for it */
	bool is_answered;
} refused[] = {
	{ "a duplicate of the first", "ip4_fragment_duplicate",
		{ { 0, 1000 }, { 0, 1000 }, { 1000, 2000, true } }, 1, true },
	{ "a duplicate of the last", "ip4_fragment_duplicate",
		{ { 1000, 2000, true }, { 1000, 2000, true }, { 0, 1000 } }, 1, true },
	{ "overlap from the front", "ip4_fragment_overlap", { { 0, 1000 }, { 992, 2000, true } }, 2,
		false },
	{ "overlap from behind", "ip4_fragment_overlap", { { 1000, 2000, true }, { 0, 1008 } }, 2,
		false },
	{ "overlap by containment", "ip4_fragment_overlap", { { 0, 1000 }, { 8, 16 } }, 2, false },
	{ "overlap that begins alike", "ip4_fragment_overlap", { { 0, 1000 }, { 0, 16 } }, 2,
		false },
	{ "overlap in the middle of others", "ip4_fragment_overlap",
		{ { 0, 800 }, { 1600, 2000, true }, { 792, 1600 } }, 3, false },
	{ "a second end before the first", "ip4_fragment_overlap",
		{ { 1000, 2000, true }, { 800, 1000, true } }, 2, false },
	{ "something behind the end", "ip4_fragment_overlap",
		{ { 800, 1000, true }, { 1000, 1496 } }, 2, false },
	{ "an end before something else", "ip4_fragment_overlap",
		{ { 1000, 1496 }, { 800, 1000, true } }, 2, false },
	{ "an uneven one", "ip4_fragment_bad", { { 0, 1001 } }, 1, false },
};

/* RFC 5722, as Linux applies it to IPv4. */
START_TEST(fragments_that_contradict_each_other_are_refused)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, 2000);
	for (unsigned int i = 0; i < 4 && refused[_i].pieces[i].end > 0; i++)
		send_piece(b, d, &refused[_i].pieces[i]);
	drops_expect(b, &drops, refused[_i].reason, refused[_i].n);
	if (refused[_i].is_answered)
		expect_reply(b, d, 1500);
	bench_expect_nothing(b);
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 0);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(a_datagram_cannot_become_longer_than_65535_bytes)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	/* Not by its last fragment alone, and not by the options in front of its first. */
	send_piece(b, d, &(struct piece){ 65512, 65516, true });
	drops_expect(b, &drops, "ip4_fragment_bad", 1);
	make_request(d, PAYLOAD_MAX);
	for (uint32_t first = 0; first < d->len; first += 1400)
		send_piece(b, d,
			&(struct piece){ first, RTE_MIN(first + 1400, d->len),
				.is_last = first + 1400 >= d->len,
				.options_len = first == 0 ? 4 : 0 });
	drops_expect(b, &drops, "ip4_fragment_bad", 1 + 47);
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

/* Bounds */

START_TEST(what_waits_is_bounded_in_datagrams)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, 16);
	for (uint16_t id = 0; id < 130; id++)
		send_piece(b, d, &(struct piece){ 0, 8, .id = id });
	drops_expect(b, &drops, "ip4_reassembly_full", 2);
	/* One that is complete makes room for another. */
	send_piece(b, d, &(struct piece){ 8, 16, true, .id = 77 });
	expect_reply(b, d, 1500);
	send_piece(b, d, &(struct piece){ 0, 8, .id = 200 });
	drops_expect(b, &drops, "ip4_reassembly_full", 2);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(what_waits_is_bounded_in_buffers)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();

	make_request(d, 8000);
	/* A sixteenth of 8,192 is 512. */
	for (uint32_t i = 0; i < 520; i++)
		send_piece(b, d,
			&(struct piece){ i / 20 * 16, i / 20 * 16 + 8, .id = (uint16_t)(i % 20) });
	drops_expect(b, &drops, "ip4_reassembly_full", 8);
	free(d);
	bench_destroy(b);
}
END_TEST

/* RFC 792, RFC 1122 3.3.2: the sender is told, if its first fragment has come. */
START_TEST(what_does_not_become_whole_in_time_is_dropped_and_told)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	struct frame error;

	bench_sysctl(b, "ipv4.ipfrag_time", "1");
	make_request(d, 2000);
	send_piece(b, d, &(struct piece){ 8, 1000 });
	send_piece(b, d, &(struct piece){ 0, 8 });
	send_piece(b, d, &(struct piece){ 1000, 2000, true, .id = 1 });
	bench_advance(b, 2000);
	drops_expect_none(b, &drops); /* less than a second has passed by the TSC, or so */
	while (b->dp->workers[0]->stats.held > 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
	bench_run(b);
	drops_expect(b, &drops, "ip4_reassembly_timeout", 3);
	bench_expect(b, LAN, &error);
	frame_check_ip4(&error);
	ck_assert_uint_eq(frame_l4(&error)[0], 11);
	ck_assert_uint_eq(frame_l4(&error)[1], 1);
	ck_assert_uint_eq(frame_ip(&error)->src_addr, ip4_be("192.0.2.1"));
	/* As it came: the fragment is quoted, not what it would have become. */
	ck_assert_mem_eq(frame_l4(&error) + 8 + 20, d->bytes, 8);
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_that_wait_at_the_end_are_freed)
{
	struct bench *b = bench_start(router_config);
	struct datagram *d = datagram_new();

	make_request(d, 2000);
	send_piece(b, d, &(struct piece){ 0, 1000 });
	send_piece(b, d, &(struct piece){ 1000, 1480, .id = 1 });
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 2);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), 2);
	free(d);
}
END_TEST

/* RFC 1812 4.3.3.1: an error about a datagram, not about its pieces. */
START_TEST(nobody_listens_to_a_datagram_in_fragments_either)
{
	struct bench *b = bench_start(router_config);
	struct drops drops = drops_take(b);
	struct datagram *d = datagram_new();
	struct frame error;

	memcpy(d->bytes, "\x04\x00\x08\x00\x07\xd0\x00\x00", 8);
	send_piece(b, d, &(struct piece){ 1000, 2000, true, .proto = IPPROTO_UDP });
	send_piece(b, d, &(struct piece){ 0, 1000, .proto = IPPROTO_UDP });
	drops_expect(b, &drops, "ip4_no_listener", 1);
	bench_expect(b, LAN, &error);
	frame_check_ip4(&error);
	ck_assert_uint_eq(frame_l4(&error)[0], 3);
	ck_assert_uint_eq(frame_l4(&error)[1], 3);
	ck_assert_uint_eq(frame_ip(&error)->total_length, RTE_BE16(576));
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("fragments", LOOP_TEST(what_is_larger_than_the_mtu_goes_on_in_fragments, cuts),
	PLAIN_TEST(packets_of_any_size_are_cut_for_any_mtu),
	PLAIN_TEST(a_fragment_beyond_the_largest_datagram_is_not_cut),
	PLAIN_TEST(no_more_fragments_are_made_than_needed), PLAIN_TEST(fragments_are_accounted_for),
	PLAIN_TEST(bursts_that_multiply_beyond_a_lane_lose_nothing),
	PLAIN_TEST(one_packet_may_become_more_than_a_lane),
	PLAIN_TEST(what_must_be_cut_waits_whole_for_its_next_hop),
	PLAIN_TEST(jumbo_frames_in_many_buffers_are_forwarded),
	PLAIN_TEST(fragments_to_us_are_made_whole_in_any_order),
	PLAIN_TEST(headers_of_fragments_may_have_options_of_their_own),
	PLAIN_TEST(the_largest_datagram_is_made_whole_and_answered),
	PLAIN_TEST(a_datagram_made_whole_leaves_in_one_frame_where_it_fits),
	PLAIN_TEST(fragments_of_different_datagrams_do_not_mix),
	LOOP_TEST(fragments_that_contradict_each_other_are_refused, refused),
	PLAIN_TEST(a_datagram_cannot_become_longer_than_65535_bytes),
	PLAIN_TEST(what_waits_is_bounded_in_datagrams),
	PLAIN_TEST(what_waits_is_bounded_in_buffers),
	PLAIN_TEST(what_does_not_become_whole_in_time_is_dropped_and_told),
	PLAIN_TEST(fragments_that_wait_at_the_end_are_freed),
	PLAIN_TEST(nobody_listens_to_a_datagram_in_fragments_either))
