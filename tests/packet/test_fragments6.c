/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IPv6 in pieces: made whole where they are for us (RFC 8200 4.5, 6946), cut where an answer of ours is
 * larger than the next link's MTU. What is wrong with pieces is in test_fragments6_bad.c; those of
 * others pass as they are (test_ip6.c).
 *
 *	2001:db8:1::10 --- lan (p0) weir wan (p1) --- 2001:db8:2::10, default
 */
#include "kit_fragments6.h"

/* Making whole */

START_TEST(rfc8200_fragments_to_us_are_made_whole_in_any_order)
{
	static const struct piece6 pieces[] = { { 0, 1400 }, { 1400, 2000, .seg_len = 77 },
		{ 2000, 2008, .seg_len = 62 }, { 2008, 3008, true, .seg_len = 33 } };
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(3008);

	for (unsigned int i = 0; i < 24; i++) {
		datagram6_send_permuted(b, d, pieces, RTE_DIM(pieces), i);
		datagram6_expect_reply(b, d);
	}
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

/* Where rules are, the fragments have come through flow_fragment and the hooks one by one. */
START_TEST(fragments_to_us_are_made_whole_where_connections_are_tracked)
{
	static const struct piece6 pieces[] = { { 0, 1000 }, { 1000, 2000 }, { 2000, 2999, true } };
	struct bench *b = bench6_start(
		"firewall: { input: { policy = \"drop\"; rules = ( { proto = \"icmpv6\"; action = "
		"\"accept\"; } ); }; };\n");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(2999), *group, *reply;

	for (unsigned int i = 0; i < 6; i++) {
		datagram6_send_permuted(b, d, pieces, RTE_DIM(pieces), i);
		datagram6_expect_reply(b, d);
		free(d);
		d = datagram6_request(2999);
	}
	/* What goes to a group has no connection. */
	group = datagram6_request_between(HOST6, "ff02::1", "", 0, 1600);
	datagram6_send(b, group, &(struct piece6){ .dst = "ff02::1", .id = 9 }, 1000);
	reply = datagram6_reply(b, LAN, group, 0, 1500);
	drops_expect_none(b, &drops);
	free(reply);
	free(group);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(the_largest_ip6_datagram_is_made_whole_and_answered_in_fragments)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	json_t *before = bench_call(b, "stats.show", NULL), *after;
	struct datagram6 *d = datagram6_request(PAYLOAD6_MAX), *reply;

	datagram6_send(b, d, &(struct piece6){ 0 }, 1448);
	reply = datagram6_reply(b, LAN, d, 0, 1500);
	/* No more than needed: each carries 1232 bytes. */
	ck_assert_uint_eq(reply->n, (PAYLOAD6_MAX + 1231) / 1232);
	drops_expect_none(b, &drops);
	after = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(after, "fragments") - json_int_at(before, "fragments"), 54);
	ck_assert_int_eq(json_int_at(after, "held"), 0);
	ck_assert_int_eq(json_int_at(after, "difference"), 0);
	json_decref(before);
	json_decref(after);
	free(reply);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(an_ip6_datagram_made_whole_is_answered_in_one_frame_where_it_fits)
{
	struct bench *b = bench6_start("");
	struct datagram6 *d = datagram6_request(8000), *reply;

	bench_set_mtu(b, "lan", 9000);
	datagram6_send(b, d, &(struct piece6){ 0 }, 400);
	reply = datagram6_reply(b, LAN, d, 0, 9000);
	ck_assert_uint_eq(reply->n, 1);
	free(reply);
	free(d);
	bench_destroy(b);
}
END_TEST

/* RFC 8200 4.5: source, destination and identification; RFC 4007: link-local ones mean something on a link. */
START_TEST(fragments_of_different_ip6_datagrams_do_not_mix)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d = datagram6_request(2000);

	piece6_send(b, d, &(struct piece6){ 0, 1000 });
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .id = 1 });
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .src = "2001:db8:1::11" });
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .dst = WAN6 });
	bench_expect_nothing(b);
	/* The next header of later ones does not count. */
	piece6_send(b, d, &(struct piece6){ 1000, 2000, true, .next = IPPROTO_UDP });
	ck_assert_int_eq(bench_held(b), 3);
	free(datagram6_reply(b, LAN, d, 0, 1500));
	piece6_send(b, d, &(struct piece6){ 0, 1000, .dst = "ff02::1", .src = HOST6_LINK });
	piece6_send(b, d,
		&(struct piece6){
			1000, 2000, true, .dst = "ff02::1", .src = HOST6_LINK, .port = WAN });
	ck_assert_int_eq(bench_held(b), 5);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(interleaved_ip6_datagrams_are_all_answered)
{
	struct bench *b = bench6_start("");
	struct datagram6 *d[3];

	for (uint8_t id = 0; id < 3; id++)
		d[id] = datagram6_request(2500 + id);
	for (uint32_t first = 0; first < 2000; first += 1000)
		for (uint8_t id = 0; id < 3; id++)
			piece6_send(b, d[id], &(struct piece6){ first, first + 1000, .id = id });
	bench_expect_nothing(b);
	for (uint8_t id = 3; id-- > 0;) {
		piece6_send(b, d[id], &(struct piece6){ 2000, d[id]->len, true, .id = id });
		free(datagram6_reply(b, LAN, d[id], 0, 1500));
		free(d[id]);
	}
	ck_assert_int_eq(bench_held(b), 0);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *name;
	const char *before;
	uint8_t before_proto, before_len;
	const char *behind; /* the last of them names ICMPv6 */
	uint8_t behind_proto, behind_len;
} headers[] = {
	{ "hop-by-hop options in front", HOP_BY_HOP(FRAGMENT), IPPROTO_HOPOPTS, 8 },
	{ "hop-by-hop and destination options in front",
		HOP_BY_HOP(DST_OPTIONS) HOP_BY_HOP(FRAGMENT), IPPROTO_HOPOPTS, 16 },
	{ "a routing header that is used up in front", "\x2c\x00\x00\x00\0\0\0\0", IPPROTO_ROUTING,
		8 },
	{ "an atomic fragment header in front", "\x2c\x00\x00\x00\0\0\0\x63", IPPROTO_FRAGMENT, 8 },
	{ "destination options behind", "", 0, 0, "\x3a\x00\x01\x04\0\0\0\0", IPPROTO_DSTOPTS, 8 },
	{ "two of them behind", "", 0, 0,
		"\x3c\x01\x01\x0c\0\0\0\0\0\0\0\0\0\0\0\0\x3a\x00\x01\x04\0\0\0\0", IPPROTO_DSTOPTS,
		24 },
	{ "an atomic fragment header behind", "", 0, 0, "\x3a\x00\x00\x00\0\0\0\x63",
		IPPROTO_FRAGMENT, 8 },
	{ "on both sides", HOP_BY_HOP(DST_OPTIONS) HOP_BY_HOP(FRAGMENT), IPPROTO_HOPOPTS, 16,
		"\x3a\x00\x01\x04\0\0\0\0", IPPROTO_DSTOPTS, 8 },
};

START_TEST(headers_may_be_in_front_of_the_fragment_header_and_behind_it)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	uint8_t n = headers[_i].behind_len;
	struct datagram6 *d =
		datagram6_request_between(HOST6, LAN6, n > 0 ? headers[_i].behind : "", n, 2001);
	const struct piece6 with = { 0, 1000, .next = headers[_i].behind_proto,
		.before = headers[_i].before, .before_proto = headers[_i].before_proto,
		.before_len = headers[_i].before_len };
	/* RFC 8200 4.5: only the first one's count. */
	struct piece6 pieces[] = { with, with, { 2000, d->len, true, .next = IPPROTO_TCP } };

	pieces[1].first = 1000;
	pieces[1].end = 2000;
	for (unsigned int i = 0; i < 6; i++) {
		datagram6_send_permuted(b, d, pieces, RTE_DIM(pieces), i);
		free(datagram6_reply(b, LAN, d, n, 1500));
		ck_assert_int_eq(bench_held(b), 0);
	}
	drops_expect_none(b, &drops);
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(a_group_and_a_link_local_address_take_fragments_too)
{
	static const char *const dsts[] = { "ff02::1", LAN6_LINK };
	struct bench *b = bench6_start("");
	struct datagram6 *d, *reply;

	for (unsigned int i = 0; i < RTE_DIM(dsts); i++) {
		d = datagram6_request_between(HOST6_LINK, dsts[i], "", 0, 1800);
		datagram6_send(b, d, &(struct piece6){ .src = HOST6_LINK, .dst = dsts[i] }, 1000);
		reply = datagram6_reply(b, LAN, d, 0, 1500);
		ck_assert_str_eq(reply->src, LAN6_LINK);
		ck_assert_str_eq(reply->dst, HOST6_LINK);
		free(reply);
		free(d);
	}
	bench_destroy(b);
}
END_TEST

/* RFC 6946: whatever else waits under the same identification. */
START_TEST(rfc6946_an_atomic_fragment_is_taken_by_itself)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *large = datagram6_request(2000), *small = datagram6_request(100);

	piece6_send(b, large, &(struct piece6){ 0, 1000 });
	piece6_send(b, small, &(struct piece6){ 0, 100, true });
	free(datagram6_reply(b, LAN, small, 0, 1500));
	piece6_send(b, large, &(struct piece6){ 1000, 2000, true });
	datagram6_expect_reply(b, large);
	drops_expect_none(b, &drops);
	free(large);
	free(small);
	bench_destroy(b);
}
END_TEST

/* Cutting */

/* The request comes whole by lan, the reply leaves by wan. */
START_TEST(answers_of_any_size_are_cut_for_any_mtu)
{
	struct bench *b = bench6_start("");
	struct drops drops = drops_take(b);
	struct datagram6 *d, *reply;
	struct frame frame;

	bench_set_mtu(b, "lan", 9000);
	for (uint16_t mtu = 68; mtu < 9000; mtu = (uint16_t)(mtu + 1 + mtu / 3)) {
		bench_set_mtu(b, "wan", mtu);
		for (uint32_t len = 8; len <= 8960; len += 1 + len / 2) {
			d = datagram6_request_between(PEER6, LAN6, "", 0, len);
			frame_ip6(&frame, &(struct ip6_spec){ .src = PEER6,
						  .dst = LAN6,
						  .proto = 253,
						  .payload_len = (uint16_t)len });
			frame_ip6_hdr(&frame)->proto = IPPROTO_ICMPV6;
			memcpy(frame.bytes + 54, d->bytes, len);
			bench_push(b, LAN, &frame);
			for (unsigned int i = 0; i < 8; i++)
				bench_run(b);
			reply = datagram6_reply(b, WAN, d, 0, mtu);
			ck_assert(len + 40 > mtu || reply->n == 1);
			free(reply);
			free(d);
		}
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* RFC 7739: nobody can tell from one what the next will be, if only not by counting. */
START_TEST(rfc7739_fragments_of_answers_are_numbered_by_chance)
{
	struct bench *b = bench6_start("");
	struct datagram6 *d = datagram6_request(2000), *reply;
	uint32_t before = 0;

	for (unsigned int i = 0; i < 16; i++) {
		datagram6_send(b, d, &(struct piece6){ 0 }, 1000);
		reply = datagram6_reply(b, LAN, d, 0, 1500);
		ck_assert_uint_eq(reply->n, 2);
		/* Not more than 256 behind the one before, as a counter would be: one run in a million fails. */
		ck_assert_uint_gt(rte_be_to_cpu_32(reply->id_be) - before, 256);
		before = rte_be_to_cpu_32(reply->id_be);
		free(reply);
	}
	free(d);
	bench_destroy(b);
}
END_TEST

START_TEST(an_answer_to_be_cut_waits_whole_for_its_next_hop)
{
	struct bench *b = bench6_start("");
	struct datagram6 *d = datagram6_request_between("2001:db8:1::20", LAN6, "", 0, 3000),
			 *reply;
	struct frame answer;

	datagram6_send(b, d, &(struct piece6){ .src = "2001:db8:1::20" }, 1000);
	ck_assert_int_eq(bench_held(b), 1);
	bench_discard(b); /* the question */
	frame_nd(&answer, &(struct nd_spec){ .type = ND_NEIGHBOR_ADVERT,
				  .flags = 0x60,
				  .src = "2001:db8:1::20",
				  .dst = LAN6,
				  .target = "2001:db8:1::20",
				  .lladdr = "02:00:00:00:01:20" });
	bench_push(b, LAN, &answer);
	reply = datagram6_reply(b, LAN, d, 0, 1500);
	ck_assert_uint_eq(reply->n, 3);
	ck_assert_str_eq(reply->dst, "2001:db8:1::20");
	free(reply);
	free(d);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("fragments6", PLAIN_TEST(rfc8200_fragments_to_us_are_made_whole_in_any_order),
	PLAIN_TEST(fragments_to_us_are_made_whole_where_connections_are_tracked),
	PLAIN_TEST(the_largest_ip6_datagram_is_made_whole_and_answered_in_fragments),
	PLAIN_TEST(an_ip6_datagram_made_whole_is_answered_in_one_frame_where_it_fits),
	PLAIN_TEST(fragments_of_different_ip6_datagrams_do_not_mix),
	PLAIN_TEST(interleaved_ip6_datagrams_are_all_answered),
	LOOP_TEST(headers_may_be_in_front_of_the_fragment_header_and_behind_it, headers),
	PLAIN_TEST(a_group_and_a_link_local_address_take_fragments_too),
	PLAIN_TEST(rfc6946_an_atomic_fragment_is_taken_by_itself),
	PLAIN_TEST(answers_of_any_size_are_cut_for_any_mtu),
	PLAIN_TEST(rfc7739_fragments_of_answers_are_numbered_by_chance),
	PLAIN_TEST(an_answer_to_be_cut_waits_whole_for_its_next_hop))
