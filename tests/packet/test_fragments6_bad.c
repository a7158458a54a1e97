/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IPv6 fragments to us that do not become a packet: what is wrong with them and who is told (RFC 8200 4.5,
 * 5722, 6980, 7112), and what bounds those that wait.
 */
#include <rte_cycles.h>

#include "base/mem.h"
#include "kit_fragments6.h"

/* Refusing */

static const struct {
	const char *name, *reason;
	struct piece6 pieces[4];
	uint64_t n; /* dropped for it */
	bool is_answered;
} refused[] = {
	{ "a duplicate of the first", "ip6_fragment_duplicate",
		{ { 0, 1000 }, { 0, 1000 }, { 1000, 2000, true } }, 1, true },
	{ "a duplicate of the last", "ip6_fragment_duplicate",
		{ { 1000, 2000, true }, { 1000, 2000, true }, { 0, 1000 } }, 1, true },
	{ "overlap from the front", "ip6_fragment_overlap", { { 0, 1000 }, { 992, 2000, true } }, 2,
		false },
	{ "overlap from behind", "ip6_fragment_overlap", { { 1000, 2000, true }, { 0, 1008 } }, 2,
		false },
	{ "overlap by containment", "ip6_fragment_overlap", { { 0, 1000 }, { 8, 16 } }, 2, false },
	{ "overlap that begins alike", "ip6_fragment_overlap", { { 0, 1000 }, { 0, 16 } }, 2,
		false },
	{ "overlap in the middle of others", "ip6_fragment_overlap",
		{ { 0, 800 }, { 1600, 2000, true }, { 792, 1600 } }, 3, false },
	{ "a second end before the first", "ip6_fragment_overlap",
		{ { 1000, 2000, true }, { 800, 1000, true } }, 2, false },
	{ "something behind the end", "ip6_fragment_overlap",
		{ { 800, 1000, true }, { 1000, 1496 } }, 2, false },
	{ "an empty last one", "ip6_fragment_bad", { { 1000, 1000, true } }, 1, false },
	/* The next two are fragments once more behind their fragment header. */
	{ "a fragment of a first fragment", "ip6_fragment_bad",
		{ { 0, 800, .before = "\x2c\x00\x00\x01\0\0\0\x05", .before_len = 8,
			.before_proto = IPPROTO_FRAGMENT } },
		1, false },
	{ "a fragment of a later fragment", "ip6_fragment_bad",
		{ { 800, 1000, true, .before = "\x2c\x00\x00\x01\0\0\0\x05", .before_len = 8,
			.before_proto = IPPROTO_FRAGMENT } },
		1, false },
};

/* RFC 5722, RFC 8200 4.5: nobody is told. */
START_TEST(rfc5722_ip6_fragments_that_contradict_each_other_are_refused)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(2000);

	for (unsigned int i = 0; i < 4 && refused[_i].pieces[i].end > 0; i++)
		piece6_send(b, d, &refused[_i].pieces[i]);
	drops_expect(b, &drops, refused[_i].reason, refused[_i].n);
	if (refused[_i].is_answered)
		datagram6_expect_reply(b, d);
	bench_expect_nothing(b);
	ck_assert_int_eq(bench_held(b), 0);
	free(d);
	bench_destroy(b);
}
END_TEST

#define UNKNOWN_OPTION "\x2c\x00\x9e\x04\0\0\0\0"

static const struct {
	const char *name, *reason;
	struct piece6 piece;
	uint8_t code;
	uint32_t pointer;
} told[] = {
	{ "uneven", "ip6_fragment_bad", { 0, 1001, .next = IPPROTO_UDP }, 0, 4 },
	{ "uneven, not the first", "ip6_fragment_bad", { 1000, 1012 }, 0, 4 },
	{ "beyond 65,535", "ip6_fragment_bad", { 65528, 65536 + 8, true }, 0, 42 },
	{ "beyond 65,535 by the headers in front", "ip6_fragment_bad",
		{ 65520, 65528, true, .before = HOP_BY_HOP(FRAGMENT),
			.before_proto = IPPROTO_HOPOPTS, .before_len = 8 },
		0, 50 },
	{ "RFC 7112: half a UDP header", "ip6_fragment_tiny", { 0, 0, .next = IPPROTO_UDP }, 3, 0 },
	{ "RFC 7112: half a TCP header", "ip6_fragment_tiny", { 0, 16, .next = IPPROTO_TCP }, 3,
		0 },
	{ "RFC 7112: nothing", "ip6_fragment_tiny", { 0, 0, .next = 253 }, 3, 0 },
	{ "an unknown option in front of a later one", "ip6_unknown_option",
		{ 1000, 1008, .before = UNKNOWN_OPTION, .before_proto = IPPROTO_DSTOPTS,
			.before_len = 8 },
		2, 42 },
};

/* RFC 8200 4.5, 4.2: by a parameter problem that points to what is wrong. */
START_TEST(rfc8200_what_is_wrong_with_a_fragment_is_told)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = mem_zalloc(sizeof(*d));
	struct frame frame, error;
	uint32_t quoted;

	frame_piece6(&frame, d, &told[_i].piece);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, told[_i].reason, 1);
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, LAN6, HOST6, ICMP6_PARAM_PROB, told[_i].code);
	ck_assert_uint_eq(rte_be_to_cpu_32(frame_icmp6(&error)->info_be), told[_i].pointer);
	quoted = RTE_MIN(frame.len - RTE_ETHER_HDR_LEN, 1280u - 48);
	ck_assert_mem_eq(error.bytes + 62, frame.bytes + RTE_ETHER_HDR_LEN, quoted);
	bench_expect_nothing(b);
	ck_assert_int_eq(bench_held(b), 0);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(an_ip6_datagram_cannot_become_longer_than_65535_bytes)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(PAYLOAD6_MAX);

	/* Not by the headers in front of its first fragment, which the others do not have. */
	for (uint32_t first = 0; first < d->len; first += 1400)
		piece6_send(b, d,
			&(struct piece6){ first, RTE_MIN(first + 1400, d->len),
				.is_last = first + 1400 >= d->len, .before = HOP_BY_HOP(FRAGMENT),
				.before_proto = IPPROTO_HOPOPTS,
				.before_len = first == 0 ? 8 : 0 });
	drops_expect(b, &drops, "ip6_fragment_bad", 47);
	bench_expect_nothing(b);
	ck_assert_int_eq(bench_held(b), 0);
	free(d);
	bench_destroy(b);
}
END_TEST

/* Offsets of an error count from the header of the whole packet, which has no fragment header. */
START_TEST(what_is_wrong_behind_the_fragment_header_is_told_about_the_whole_packet)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d =
		datagram6_request_between(HOST6, LAN6, "\x3a\x00\x9e\x04\0\0\0\0", 8, 1600);
	struct frame error;
	uint8_t *quote;

	datagram6_send(b, d,
		&(struct piece6){ .next = IPPROTO_DSTOPTS,
			.before = HOP_BY_HOP(FRAGMENT),
			.before_proto = IPPROTO_HOPOPTS,
			.before_len = 8 },
		1000);
	drops_expect(b, &drops, "ip6_unknown_option", 1);
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, LAN6, HOST6, ICMP6_PARAM_PROB, ICMP6_PARAMPROB_OPTION);
	ck_assert_uint_eq(rte_be_to_cpu_32(frame_icmp6(&error)->info_be), 40 + 8 + 2);
	quote = error.bytes + 62;
	/* Payload length, next headers, and what was behind the fragment header. */
	ck_assert_uint_eq(quote[4] << 8 | quote[5], 8 + 1608);
	ck_assert_uint_eq(quote[6], IPPROTO_HOPOPTS);
	ck_assert_uint_eq(quote[40], IPPROTO_DSTOPTS);
	ck_assert_mem_eq(quote + 48, d->bytes, 1280 - 48 - 48);
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(nobody_listens_to_an_ip6_datagram_in_fragments_either)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = mem_zalloc(sizeof(*d));
	struct frame whole, error;

	frame_ip6(&whole, &(struct ip6_spec){ .dst = LAN6, .payload_len = 2000 - 8 });
	d->len = 2000;
	memcpy(d->bytes, whole.bytes + 54, d->len);
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .next = IPPROTO_UDP });
	piece6_send(b, d, &(struct piece6){ 0, 1000, .next = IPPROTO_UDP });
	drops_expect(b, &drops, "ip6_no_listener", 1);
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, LAN6, HOST6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT);
	/* The whole packet is quoted, as if it had come so. */
	ck_assert_mem_eq(error.bytes + 62, whole.bytes + RTE_ETHER_HDR_LEN, 1280 - 48);
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

/* RFC 6980: neither in fragments nor in one. */
START_TEST(rfc6980_neighbour_discovery_with_a_fragment_header_is_not_heard)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = mem_zalloc(sizeof(*d));
	struct frame nd;

	frame_nd(&nd,
		&(struct nd_spec){ .target = LAN6, .dst = LAN6, .lladdr = "02:00:00:00:01:77" });
	memcpy(d->bytes, nd.bytes + 54, 32);
	for (unsigned int is_atomic = 0; is_atomic < 2; is_atomic++) {
		struct frame frame;

		frame_piece6(&frame, d, &(struct piece6){ 0, 32, is_atomic });
		frame_ip6_hdr(&frame)->hop_limits = 255;
		bench_push(b, LAN, &frame);
		drops_expect(b, &drops, "icmp6_nd_fragment", is_atomic + 1);
	}
	bench_expect_nothing(b);
	/* As it was meant it is answered. */
	bench_push(b, LAN, &nd);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	free(d);
	bench_destroy(b);
}
END_TEST

/* Bounds */

START_TEST(what_waits_of_ip6_is_bounded_in_datagrams)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(16);

	for (uint8_t id = 0; id < 130; id++)
		piece6_send(b, d, &(struct piece6){ 0, 8, .id = id });
	drops_expect(b, &drops, "ip6_reassembly_full", 2);
	/* One that is complete makes room for another. */
	piece6_send(b, d, &(struct piece6){ 8, 16, true, .id = 77 });
	free(datagram6_reply(b, LAN, d, 0, 1500));
	piece6_send(b, d, &(struct piece6){ 0, 8, .id = 200 });
	drops_expect(b, &drops, "ip6_reassembly_full", 2);
	ck_assert_int_eq(bench_held(b), 128);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(what_waits_of_ip6_is_bounded_in_buffers)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(8000);

	/* A sixteenth of 8,192 is 512. */
	for (uint32_t i = 0; i < 520; i++)
		piece6_send(b, d,
			&(struct piece6){ i / 20 * 16, i / 20 * 16 + 8, .id = (uint8_t)(i % 20) });
	drops_expect(b, &drops, "ip6_reassembly_full", 8);
	free(d);
	bench_destroy(b);
}
END_TEST

/* RFC 8200 4.5: the sender is told, if its first fragment has come. */
START_TEST(rfc8200_what_does_not_become_whole_in_time_is_dropped_and_told)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(2000);
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	struct frame first, error;

	bench_sysctl(b, "ipv6.ip6frag_time", "1");
	piece6_send(b, d, &(struct piece6){ 8, 1000 });
	frame_piece6(&first, d, &(struct piece6){ 0, 8 });
	bench_push(b, LAN, &first);
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .id = 1 });
	bench_advance(b, 2000);
	drops_expect_none(b, &drops); /* less than a second has passed by the TSC, or so */
	while (bench_held(b) > 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
	bench_run(b);
	drops_expect(b, &drops, "ip6_reassembly_timeout", 3);
	bench_expect(b, LAN, &error);
	frame_check_icmp6(&error, LAN6, HOST6, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY);
	ck_assert_uint_eq(frame_icmp6(&error)->info_be, 0);
	/* As it came: the fragment is quoted, not what it would have become. */
	ck_assert_uint_eq(error.len, 62 + first.len - RTE_ETHER_HDR_LEN);
	ck_assert_mem_eq(
		error.bytes + 62, first.bytes + RTE_ETHER_HDR_LEN, first.len - RTE_ETHER_HDR_LEN);
	bench_expect_nothing(b);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(ip6_fragments_that_wait_at_the_end_are_freed)
{
	struct bench *b = bench6_start("");
	struct datagram6 *d = datagram6_request(2000);

	piece6_send(b, d, &(struct piece6){ 0, 1000 });
	piece6_send(b, d, &(struct piece6){ 1000, 1480, .id = 1 });
	ck_assert_int_eq(bench_held(b), 2);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), 2);
	free(d);
}
END_TEST

PACKET_MAIN("fragments6_bad",
	LOOP_TEST(rfc5722_ip6_fragments_that_contradict_each_other_are_refused, refused),
	LOOP_TEST(rfc8200_what_is_wrong_with_a_fragment_is_told, told),
	PLAIN_TEST(an_ip6_datagram_cannot_become_longer_than_65535_bytes),
	PLAIN_TEST(what_is_wrong_behind_the_fragment_header_is_told_about_the_whole_packet),
	PLAIN_TEST(nobody_listens_to_an_ip6_datagram_in_fragments_either),
	PLAIN_TEST(rfc6980_neighbour_discovery_with_a_fragment_header_is_not_heard),
	PLAIN_TEST(what_waits_of_ip6_is_bounded_in_datagrams),
	PLAIN_TEST(what_waits_of_ip6_is_bounded_in_buffers),
	PLAIN_TEST(rfc8200_what_does_not_become_whole_in_time_is_dropped_and_told),
	PLAIN_TEST(ip6_fragments_that_wait_at_the_end_are_freed))
