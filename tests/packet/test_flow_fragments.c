/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fragments through an appliance that tracks connections (lib/flow/fragments.h): they belong to the
 * connection of their datagram, in whatever order they come.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10, default
 *	                        dmz (p2) --- 203.0.113.10, 10.0.0.0/8
 */
#include "kit6.h"

#include <rte_cycles.h>

#include "base/mem.h"
#include "flow/flow.h"
#include "link/steer.h"

enum { MF = RTE_IPV4_HDR_MF_FLAG, N_PIECES = 3, PAYLOAD_LEN = 2992, BURST = 40 };

static const struct {
	uint16_t first, end;
} pieces[N_PIECES] = { { 0, 1400 }, { 1400, 2000 }, { 2000, PAYLOAD_LEN + 8 } };

static const unsigned int orders[6][N_PIECES] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
	{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

static const bool is_ip6_of[] = { false, true };

static struct bench *track_start(bool is_ip6)
{
	struct bench *b = bench_start(is_ip6 ? router6_config : router_config);

	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	return b;
}

/* The same with two workers, to whom weir itself steers packets, and with rules. */
static struct bench *track_start_two(bool is_ip6, const char *rules)
{
	static const char device[] = "device = ", steered[] = "steering = \"software\"; device = ";
	const char *from = is_ip6 ? router6_config : router_config, *next;
	char config[8192] = "";
	struct bench *b;

	for (; (next = strstr(from, device)) != NULL; from = next + strlen(device)) {
		strncat(config, from, (size_t)(next - from));
		strcat(config, steered);
	}
	strcat(config, from);
	strcat(config, rules);
	b = bench_create(config, 2, 8192);
	bench_discard(b);
	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	return b;
}

static uint64_t stage_packets(const struct bench *b, const char *name)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		n += b->dp->workers[i]->nodes[dp_stage_index(b->dp, name)].packets;
	return n;
}

/* A datagram of UDP (port 1000 to 2000) or ICMP echo, there from lan to wan or back. */
struct datagram {
	bool is_ip6, is_back, is_icmp;
	uint16_t sport; /* 0: 1000; there */
	uint16_t id;
};

static void make_whole4(struct frame *frame, const struct datagram *d)
{
	struct ip4_spec spec = { .src = "192.0.2.10",
		.dst = "8.8.8.8",
		.proto = d->is_icmp ? IPPROTO_ICMP : IPPROTO_UDP,
		.icmp_type = 8,
		.sport = d->sport,
		.payload_len = PAYLOAD_LEN };

	if (d->is_back) {
		spec.src_mac = PEER_MAC;
		spec.dst_mac = WAN_MAC;
		spec.src = "8.8.8.8";
		spec.dst = "192.0.2.10";
		spec.icmp_type = 0;
		if (!d->is_icmp) {
			spec.sport = 2000;
			spec.dport = d->sport != 0 ? d->sport : 1000;
		}
	}
	frame_ip4(frame, &spec);
}

static void make_whole6(struct frame *frame, const struct datagram *d)
{
	struct ip6_spec spec = { .proto = d->is_icmp ? IPPROTO_ICMPV6 : IPPROTO_UDP,
		.icmp_type = 128,
		.sport = d->sport,
		.payload_len = PAYLOAD_LEN };

	if (d->is_back) {
		spec.src_mac = PEER_MAC;
		spec.dst_mac = WAN_MAC;
		spec.src = FAR6;
		spec.dst = HOST6;
		spec.icmp_type = 129;
		if (!d->is_icmp) {
			spec.sport = 2000;
			spec.dport = d->sport != 0 ? d->sport : 1000;
		}
	}
	frame_ip6(frame, &spec);
}

static void make_whole(struct frame *frame, const struct datagram *d)
{
	if (d->is_ip6)
		make_whole6(frame, d);
	else
		make_whole4(frame, d);
}

/* Bytes first to end of it. */
static void make_piece(struct frame *frame, const struct datagram *d, uint16_t first, uint16_t end)
{
	uint16_t len = (uint16_t)(end - first);
	bool is_last = end == PAYLOAD_LEN + 8;
	struct frame whole;
	uint8_t *l4;

	make_whole(&whole, d);
	memcpy(frame->bytes, whole.bytes, 64);
	if (d->is_ip6) {
		struct rte_ipv6_hdr *ip = frame_ip6_hdr(frame);
		uint8_t ext[8] = { ip->proto, 0, (uint8_t)(first >> 8),
			(uint8_t)((first & 0xf8) | !is_last), 0, 0, (uint8_t)(d->id >> 8),
			(uint8_t)d->id };

		ip->proto = IPPROTO_FRAGMENT;
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(len + sizeof(ext)));
		memcpy(ip + 1, ext, sizeof(ext));
		l4 = (uint8_t *)(ip + 1) + sizeof(ext);
		memcpy(l4, (uint8_t *)(frame_ip6_hdr(&whole) + 1) + first, len);
	} else {
		struct rte_ipv4_hdr *ip = frame_ip(frame);

		ip->fragment_offset = rte_cpu_to_be_16((uint16_t)((is_last ? 0 : MF) | first / 8));
		ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));
		ip->packet_id = rte_cpu_to_be_16(d->id);
		frame_fix_ip(frame);
		l4 = frame_l4(frame);
		memcpy(l4, frame_l4(&whole) + first, len);
	}
	frame->len = (uint32_t)(l4 + len - frame->bytes);
}

static void send_piece(struct bench *b, const struct datagram *d, unsigned int i)
{
	struct frame frame;

	make_piece(&frame, d, pieces[i].first, pieces[i].end);
	bench_send(b, d->is_back ? WAN : LAN, &frame);
}

static void expect_piece(struct bench *b, const struct datagram *d, unsigned int i)
{
	const char *src_mac = d->is_back ? LAN_MAC : WAN_MAC;
	const char *dst_mac = d->is_back ? HOST_MAC : PEER_MAC;
	struct frame want;

	make_piece(&want, d, pieces[i].first, pieces[i].end);
	if (d->is_ip6)
		frame_forward6(&want, src_mac, dst_mac);
	else
		frame_forward(&want, src_mac, dst_mac);
	bench_expect_bytes(b, d->is_back ? LAN : WAN, &want);
}

/* All of it, each by itself or at once; the first leaves first, the others as they came. */
static void send_all(
	struct bench *b, const struct datagram *d, const unsigned int *order, bool is_at_once)
{
	for (unsigned int i = 0; i < N_PIECES; i++) {
		send_piece(b, d, order[i]);
		if (!is_at_once)
			bench_run(b);
	}
	bench_run(b);
	expect_piece(b, d, 0);
	for (unsigned int i = 0; i < N_PIECES; i++)
		if (order[i] != 0)
			expect_piece(b, d, order[i]);
	bench_expect_nothing(b);
}

static const struct way {
	bool is_ip6, is_icmp, is_at_once;
} ways[] = {
	{ false, false, false },
	{ false, false, true },
	{ false, true, false },
	{ false, true, true },
	{ true, false, false },
	{ true, false, true },
	{ true, true, false },
	{ true, true, true },
};

START_TEST(fragments_belong_to_the_connection_of_their_datagram_in_any_order)
{
	const struct way *way = &ways[_i];

	for (unsigned int o = 0; o < RTE_DIM(orders); o++) {
		struct bench *b = track_start(way->is_ip6);
		struct drops drops = drops_take(b);
		struct datagram d = { .is_ip6 = way->is_ip6, .is_icmp = way->is_icmp, .id = 1 };

		send_all(b, &d, orders[o], way->is_at_once);
		ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
		d.is_back = true;
		send_all(b, &d, orders[o], way->is_at_once);
		/* One packet has made the connection; no other has walked the hooks. */
		ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
		ck_assert_uint_eq(stage_packets(b, "flow_commit"), 1);
		ck_assert_int_eq(b->dp->workers[0]->stats.held, 0);
		drops_expect_none(b, &drops);
		bench_destroy(b);
	}
}
END_TEST

/* Any fragment, sound or not; few datagrams, so that many meet. */
static void make_random(struct frame *frame, bool is_ip6)
{
	struct datagram d = { .is_ip6 = is_ip6,
		.is_icmp = rand() % 3 == 0,
		.is_back = rand() % 4 == 0,
		.id = (uint16_t)(rand() % 40) };
	uint16_t first = (uint16_t)(rand() % 40 * 8), end;
	uint8_t *ip = frame->bytes + RTE_ETHER_HDR_LEN;

	end = rand() % 8 == 0 ? PAYLOAD_LEN + 8 : (uint16_t)(first + 8 + rand() % 20 * 8);
	make_piece(frame, &d, end - first > 1400 ? (uint16_t)(end - 1400) : first, end);
	/* Bytes of the headers that fragments are about, and any. */
	if (rand() % 2 == 0)
		ip[is_ip6 ? 40 + rand() % 8 : 4 + rand() % 6] = (uint8_t)rand();
	if (rand() % 8 == 0)
		ip[rand() % 60] = (uint8_t)rand();
	if (!is_ip6)
		frame_fix_ip(frame);
}

START_TEST(whatever_comes_in_fragments_is_accounted_for)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct frame frame;

	srand((unsigned int)_i + 1);
	bench_sysctl(b, "ipv4.ipfrag_time", "1");
	bench_sysctl(b, "conntrack.frag6_timeout", "1s");
	for (unsigned int i = 0; i < 20000; i++) {
		make_random(&frame, is_ip6_of[_i]);
		bench_send_segs(b, LAN, &frame, rand() % 4 == 0 ? 33 : 2000);
		if (rand() % 16 == 0)
			bench_run(b);
		if (i % 1000 == 0) {
			bench_advance(b, 1000);
			bench_discard(b);
		}
	}
	bench_run(b);
	ck_assert_uint_gt(stage_packets(b, "flow_fragment"), 1000);
	ck_assert_uint_gt(stage_packets(b, "track"), 100);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_and_whole_packets_share_a_connection)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct datagram d = { .is_ip6 = is_ip6_of[_i], .id = 1 };
	struct frame frame;

	if (d.is_ip6)
		frame_ip6(&frame, &(struct ip6_spec){ .payload_len = 10 });
	else
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	send_all(b, &d, orders[4], true);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	ck_assert_uint_eq(stage_packets(b, "flow_commit"), 1);
	d.id++;
	d.sport = 1001;
	send_all(b, &d, orders[4], true);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 2);
	bench_destroy(b);
}
END_TEST

static unsigned int owner_of(struct frame *frame)
{
	struct steer steer;

	steer_init(&steer, 2);
	return steer.owner[steer_bucket(&steer, frame->bytes)];
}

/* A datagram whose fragments are steered to another worker than it would be in one piece. */
static void choose_owners(struct datagram *d, bool is_alike)
{
	struct frame whole, piece;

	/* Queries are steered by addresses, in however many pieces. */
	if (d->is_icmp)
		return;
	d->sport = 1000;
	do {
		d->sport++;
		make_whole(&whole, d);
		make_piece(&piece, d, 0, 1400);
	} while ((owner_of(&whole) == owner_of(&piece)) != is_alike);
}

/* The same connection, in whichever way its packets come to its owner. */
START_TEST(fragments_are_handed_to_the_worker_that_has_their_connection)
{
	for (unsigned int o = 0; o < 2 * RTE_DIM(orders); o++) {
		struct bench *b = track_start_two(ways[_i].is_ip6, "");
		struct datagram d = { .is_ip6 = ways[_i].is_ip6, .id = 1 };
		struct drops drops = drops_take(b);
		struct frame frame;

		choose_owners(&d, o >= RTE_DIM(orders));
		send_all(b, &d, orders[o % RTE_DIM(orders)], ways[_i].is_at_once);
		d.is_back = true;
		send_all(b, &d, orders[o % RTE_DIM(orders)], ways[_i].is_at_once);
		d.is_back = false;
		ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
		ck_assert_uint_eq(stage_packets(b, "flow_commit"), 1);
		json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 9000}"));
		json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 9000}"));
		make_whole(&frame, &d);
		bench_push(b, LAN, &frame);
		ck_assert_uint_eq(bench_count(b, WAN), 1);
		ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
		ck_assert_uint_eq(stage_packets(b, "flow_commit"), 1);
		drops_expect_none(b, &drops);
		bench_destroy(b);
	}
}
END_TEST

/* The pieces in that order, and how many of them leave. */
static unsigned int send_and_count(
	struct bench *b, const struct datagram *d, const unsigned int *order, bool is_at_once)
{
	for (unsigned int i = 0; i < N_PIECES; i++) {
		send_piece(b, d, order[i]);
		if (!is_at_once)
			bench_run(b);
	}
	bench_run(b);
	return bench_count(b, d->is_back ? LAN : WAN);
}

/*
 * To rules a datagram is one packet, whichever workers its fragments come to. No rule here names what the
 * fragments behind the first are by themselves.
 */
START_TEST(of_a_refused_datagram_nothing_passes)
{
	static const char rules[] =
		"firewall: { forward: { rules = ( { in = \"wan\"; state = \"new\"; action = "
		"\"drop\"; }, { in = \"wan\"; proto = \"icmp\"; icmp_type = \"echo-reply\"; action "
		"= "
		"\"drop\"; }, { in = \"wan\"; proto = \"icmpv6\"; icmp_type = \"echo-reply\"; "
		"action "
		"= \"drop\"; } ); }; };";
	const struct way *way = &ways[_i];
	struct bench *b = track_start_two(way->is_ip6, rules);
	struct datagram d = { .is_ip6 = way->is_ip6, .is_icmp = way->is_icmp };

	for (unsigned int o = 0; o < 2 * RTE_DIM(orders); o++) {
		choose_owners(&d, o >= RTE_DIM(orders));
		d.id = (uint16_t)o;
		d.is_back = true;
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once), 0);
		/* The other way they may, and so may what is then an answer, even if it looks the same. */
		d.is_back = false;
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once),
			N_PIECES);
		d.is_back = true;
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once),
			N_PIECES);
		bench_advance(b, 300000);
		ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once), 0);
	}
	bench_destroy(b);
}
END_TEST

/* What has no connection passes or not as the first fragment does, with all that this one shows. */
START_TEST(of_an_untracked_datagram_all_passes)
{
	static const char rules[] =
		"firewall: { prerouting: { rules = ( { action = \"notrack\"; } ); }; forward: { "
		"policy = \"drop\"; rules = ( { state = \"untracked\"; proto = \"udp\"; dport = "
		"2000; action = \"accept\"; }, { state = \"untracked\"; proto = \"icmp\"; "
		"icmp_type = \"echo-request\"; action = \"accept\"; }, { state = \"untracked\"; "
		"proto = \"icmpv6\"; icmp_type = \"echo-request\"; action = \"accept\"; } ); }; };";
	const struct way *way = &ways[_i];
	struct bench *b = track_start_two(way->is_ip6, rules);
	struct datagram d = { .is_ip6 = way->is_ip6, .is_icmp = way->is_icmp };

	for (unsigned int o = 0; o < 2 * RTE_DIM(orders); o++) {
		choose_owners(&d, o >= RTE_DIM(orders));
		d.id = (uint16_t)o;
		d.is_back = false;
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once),
			N_PIECES);
		d.is_back = true;
		ck_assert_uint_eq(
			send_and_count(b, &d, orders[o % RTE_DIM(orders)], way->is_at_once), 0);
	}
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	bench_destroy(b);
}
END_TEST

/* More packets are let go than enter again in one pass. */
START_TEST(bursts_of_datagrams_lose_nothing)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct drops drops = drops_take(b);
	struct datagram d = { .is_ip6 = is_ip6_of[_i] };

	for (unsigned int i = N_PIECES; i-- > 0;) {
		for (unsigned int k = 0; k < BURST; k++) {
			d.id = (uint16_t)k;
			d.sport = (uint16_t)(1000 + k);
			send_piece(b, &d, i);
		}
	}
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), N_PIECES * BURST);
	ck_assert_uint_eq(flow_n_tracked(b->dp), BURST);
	ck_assert_uint_eq(stage_packets(b, "flow_commit"), BURST);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* A large echo request to us: tracked in pieces, then made whole, then answered. */
START_TEST(fragments_to_us_are_tracked_and_made_whole)
{
	for (unsigned int o = 0; o < RTE_DIM(orders); o++) {
		struct bench *b = track_start(false);
		struct drops drops = drops_take(b);
		struct datagram d = { .is_icmp = true, .id = 1 };
		struct frame frame;

		for (unsigned int i = 0; i < N_PIECES; i++) {
			unsigned int k = orders[o][i];

			make_piece(&frame, &d, pieces[k].first, pieces[k].end);
			frame_ip(&frame)->dst_addr = ip4_be("192.0.2.1");
			frame_fix_ip(&frame);
			bench_send(b, LAN, &frame);
		}
		bench_run(b);
		/* The reply has to be cut as well. */
		ck_assert_uint_eq(bench_count(b, LAN), N_PIECES);
		ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
		drops_expect_none(b, &drops);
		bench_destroy(b);
	}
}
END_TEST

/* RFC 791: a fragment may have to be cut again. */
START_TEST(fragments_of_a_connection_are_cut_where_they_have_to_be)
{
	struct bench *b = track_start(false);
	struct datagram d = { .id = 1 };

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1000}"));
	for (unsigned int i = N_PIECES; i-- > 0;)
		send_piece(b, &d, i);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 5);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_destroy(b);
}
END_TEST

/* RFC 5722 */
START_TEST(overlapping_fragments_reach_nobody)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct drops drops = drops_take(b);
	struct datagram d = { .is_ip6 = is_ip6_of[_i], .id = 1 };
	struct frame frame;

	send_piece(b, &d, 2);
	make_piece(&frame, &d, 1992, PAYLOAD_LEN + 8);
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, "flow_fragment_overlap", 2);
	drops = drops_take(b);
	send_piece(b, &d, 0);
	bench_run(b);
	drops_expect(b, &drops, "flow_fragment_refused", 1);
	bench_expect_nothing(b);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	bench_destroy(b);
}
END_TEST

START_TEST(a_duplicate_is_dropped_and_its_datagram_is_not)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct drops drops = drops_take(b);
	struct datagram d = { .is_ip6 = is_ip6_of[_i], .id = 1 };

	send_piece(b, &d, 1);
	send_piece(b, &d, 1);
	bench_run(b);
	drops_expect(b, &drops, "flow_fragment_duplicate", 1);
	send_piece(b, &d, 2);
	send_piece(b, &d, 0);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), N_PIECES);
	drops_expect(b, &drops, "flow_fragment_duplicate", 1);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_wait_as_long_as_they_are_told_to)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct drops drops = drops_take(b);
	struct datagram d = { .is_ip6 = is_ip6_of[_i], .id = 1 };
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();

	bench_sysctl(b, "ipv4.ipfrag_time", d.is_ip6 ? "3600" : "1");
	bench_sysctl(b, "conntrack.frag6_timeout", d.is_ip6 ? "1s" : "3600s");
	send_piece(b, &d, 1);
	send_piece(b, &d, 2);
	bench_run(b);
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 2);
	bench_advance(b, 2000);
	while (b->dp->workers[0]->stats.held > 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
	drops_expect(b, &drops, "flow_fragment_timeout", 2);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(fragments_that_wait_are_told_and_freed_at_the_end)
{
	struct bench *b = track_start(is_ip6_of[_i]);
	struct datagram d = { .is_ip6 = is_ip6_of[_i], .id = 1 };
	json_t *stats;

	send_piece(b, &d, 1);
	send_piece(b, &d, 2);
	bench_run(b);
	stats = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(stats, "held"), 2);
	ck_assert_int_eq(json_int_at(stats, "difference"), 0);
	json_decref(stats);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), 2);
}
END_TEST

PACKET_MAIN("flow_fragments",
	LOOP_TEST(fragments_belong_to_the_connection_of_their_datagram_in_any_order, ways),
	LOOP_TEST(fragments_and_whole_packets_share_a_connection, is_ip6_of),
	LOOP_TEST(fragments_are_handed_to_the_worker_that_has_their_connection, ways),
	LOOP_TEST(of_a_refused_datagram_nothing_passes, ways),
	LOOP_TEST(of_an_untracked_datagram_all_passes, ways),
	LOOP_TEST(bursts_of_datagrams_lose_nothing, is_ip6_of),
	PLAIN_TEST(fragments_to_us_are_tracked_and_made_whole),
	PLAIN_TEST(fragments_of_a_connection_are_cut_where_they_have_to_be),
	LOOP_TEST(overlapping_fragments_reach_nobody, is_ip6_of),
	LOOP_TEST(a_duplicate_is_dropped_and_its_datagram_is_not, is_ip6_of),
	LOOP_TEST(fragments_wait_as_long_as_they_are_told_to, is_ip6_of),
	LOOP_TEST(fragments_that_wait_are_told_and_freed_at_the_end, is_ip6_of),
	LOOP_TEST(whatever_comes_in_fragments_is_accounted_for, is_ip6_of))
