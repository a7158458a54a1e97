/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What stays behind when buckets move (flow/move.c), and what looks for it: workers are asked one after the
 * other, and that ends. Here one connection is chosen, and only those buckets move that matter to it.
 */
#include "kit_gateway.h"

#include "flow/flow.h"
#include <rte_random.h>

#include "flow/flow.h"
#include "link/link.h"
#include "link/steer.h"

enum { MF = RTE_IPV4_HDR_MF_FLAG, PIECE_LEN = 1400, N_IN_FRONT = 150 };

/* A connection of worker 0 whose two directions are steered by two of its buckets. */
struct pair {
	struct frame out, sent;	  /* its first packet, as it came and as it left */
	unsigned int there, back; /* buckets */
};

static void packet_out(struct frame *frame, unsigned int i, uint8_t proto, uint16_t payload_len)
{
	char text[32];

	snprintf(text, sizeof(text), "10.8.%u.7", i);
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = HOST_MAC,
				 .src = text,
				 .dst = "8.8.8.8",
				 .proto = proto,
				 .sport = (uint16_t)(4000 + i),
				 .dport = 53,
				 .payload_len = payload_len });
}

static unsigned int bucket_of(const struct bench *b, const struct frame *frame)
{
	return steer_bucket(link_steer(b->dp), frame->bytes);
}

static unsigned int owner_of(const struct bench *b, unsigned int bucket)
{
	return link_steer(b->dp)->owner[bucket];
}

static struct bench *gateway_start(unsigned int n_workers)
{
	struct bench *b = bench_create(gateway_config, n_workers, 8192);

	bench_advance(b, 2000);
	bench_discard(b);
	return b;
}

/* The port is kept where that brings the answers to the same worker. */
static void pair_begin(struct bench *b, struct pair *pair, uint8_t proto)
{
	for (unsigned int i = 0; i < 250; i++) {
		struct frame answer;

		packet_out(&pair->out, i, proto, 0);
		pair->there = bucket_of(b, &pair->out);
		answer = pair->out;
		frame_ip(&answer)->src_addr = ip4_be("198.51.100.1");
		gateway_answer(&answer);
		pair->back = bucket_of(b, &answer);
		if (owner_of(b, pair->there) != 0 || owner_of(b, pair->back) != 0 ||
			pair->back == pair->there)
			continue;
		bench_push(b, LAN, &pair->out);
		bench_expect(b, WAN, &pair->sent);
		answer = pair->sent;
		gateway_answer(&answer);
		ck_assert_uint_eq(bucket_of(b, &answer), pair->back);
		return;
	}
	ck_abort_msg("no such host");
}

/* Answers to ICMP queries go to the worker that gives their identifiers away, and no further. */
START_TEST(answers_to_queries_that_nobody_knows_are_dropped)
{
	struct bench *b = gateway_start(3);
	struct drops drops = drops_take(b);
	struct frame frame;
	char text[32];

	for (unsigned int bucket = 0; bucket < STEER_BUCKETS; bucket++)
		move_bucket(b, bucket, (owner_of(b, bucket) + 1) % 3);
	for (unsigned int i = 0; i < HOSTS; i++) {
		struct rte_icmp_hdr *icmp;

		snprintf(text, sizeof(text), "203.0.113.%u", i);
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
					  .dst_mac = WAN_MAC,
					  .src = text,
					  .dst = "10.1.2.3",
					  .proto = IPPROTO_ICMP });
		icmp = (struct rte_icmp_hdr *)frame_l4(&frame);
		icmp->icmp_ident = rte_cpu_to_be_16((uint16_t)(i * 1000));
		icmp->icmp_cksum = 0;
		icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp));
		bench_push(b, WAN, &frame);
	}
	drops_expect(b, &drops, "flow_invalid_icmp", HOSTS);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/*
 * The bucket of the answers has moved long ago, that of the other direction is moving, and the connection is in
 * a ring that is full of other things when an answer comes straight to the new owner.
 */
START_TEST(a_connection_that_follows_the_bucket_of_its_answers_is_waited_for)
{
	struct bench *b = gateway_start(2);
	struct drops drops;
	struct frame frame;
	struct pair pair;
	unsigned int n = 0;

	pair_begin(b, &pair, IPPROTO_UDP);
	move_bucket(b, pair.back, 1);
	bench_advance(b, 1100);
	drops = drops_take(b);
	for (unsigned int i = 0; n < N_IN_FRONT; i++) {
		packet_out(&frame, i % 250, IPPROTO_UDP, (uint16_t)(i / 250));
		if (owner_of(b, bucket_of(b, &frame)) != 1)
			continue;
		bench_send(b, LAN, &frame);
		n++;
	}
	while (worker_pass(b->dp->workers[0]) > 0)
		;
	move_bucket(b, pair.there, 1);
	for (unsigned int i = 0; i < 4; i++)
		worker_pass(b->dp->workers[0]);
	frame = pair.sent;
	gateway_answer(&frame);
	bench_send(b, WAN, &frame);
	worker_pass(b->dp->workers[1]);
	bench_run(b);
	ck_assert_uint_eq(gateway_count(b, IPPROTO_UDP), 1);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* Turns a SYN into another segment of its sender, one byte further on. */
static void tcp_go_on(struct frame *frame, uint8_t flags)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)frame_l4(frame);

	tcp->tcp_flags = flags;
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + 1);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(frame_ip(frame), tcp);
}

/* One that stayed behind is over; the same host begins another one from that port. */
START_TEST(what_begins_anew_belongs_to_the_owner)
{
	struct bench *b = gateway_start(2);
	unsigned int n, n_packets, n_of_new;
	struct frame frame;
	struct pair pair;

	pair_begin(b, &pair, IPPROTO_TCP);
	move_bucket(b, pair.there, 1);
	bench_run(b);
	frame = pair.out;
	tcp_go_on(&frame, RTE_TCP_RST_FLAG);
	bench_push(b, LAN, &frame);
	bench_expect(b, WAN, &frame);
	list_sum(b, 1, &n, &n_packets, &n_of_new);
	ck_assert_uint_eq(n_of_new, 0);
	bench_push(b, LAN, &pair.out);
	bench_expect(b, WAN, &frame);
	list_sum(b, 1, &n, &n_packets, &n_of_new);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(n_packets, 1);
	ck_assert_uint_eq(n_of_new, 1);
	bench_destroy(b);
}
END_TEST

/* One of two pieces of what frame is all of: UDP's header, and PIECE_LEN bytes in each. */
static void piece_of(struct frame *piece, const struct frame *whole, bool is_later, uint16_t id)
{
	struct rte_ipv4_hdr *ip = frame_ip(piece);
	uint16_t first = is_later ? PIECE_LEN + 8 : 0;
	uint16_t len = is_later ? PIECE_LEN : PIECE_LEN + 8;

	memcpy(piece->bytes, whole->bytes, 64);
	ip->fragment_offset = rte_cpu_to_be_16((uint16_t)((is_later ? 0 : MF) | first / 8));
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));
	memcpy(ip + 1, whole->bytes + RTE_ETHER_HDR_LEN + sizeof(*ip) + first, len);
	piece->len = (uint32_t)(RTE_ETHER_HDR_LEN + sizeof(*ip) + len);
	frame_fix_ip(piece);
}

/* More bytes behind UDP's header; of fragments nobody here reads the checksum. */
static void grow(struct frame *frame, uint16_t len)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_l4(frame);

	memset(udp + 1, 0x5a, len);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
}

/* Both pieces of a datagram come out of the other link, as the connection has them. */
static void push_pieces(struct bench *b, const struct pair *pair, const struct frame *whole,
	bool is_back, uint16_t id)
{
	struct frame piece;

	for (unsigned int order = 0; order < 4; order++) {
		bool is_at_once = order / 2;

		for (unsigned int i = 0; i < 2; i++) {
			piece_of(&piece, whole, i != order % 2, (uint16_t)(id + order));
			bench_send(b, is_back ? WAN : LAN, &piece);
			if (!is_at_once)
				bench_run(b);
		}
		bench_run(b);
		for (unsigned int i = 0; i < 2; i++) {
			bench_expect(b, is_back ? LAN : WAN, &piece);
			frame_check_ip4(&piece);
			if (is_back)
				ck_assert_uint_eq(frame_ip(&piece)->dst_addr,
					((const struct rte_ipv4_hdr *)(pair->out.bytes +
								       RTE_ETHER_HDR_LEN))
						->src_addr);
			else
				ck_assert_uint_eq(
					frame_ip(&piece)->src_addr, ip4_be("198.51.100.1"));
		}
		bench_expect_nothing(b);
	}
}

static const struct move {
	bool is_of_answers;
	unsigned int n_workers;
} moves[] = { { false, 2 }, { true, 2 }, { false, 4 }, { true, 4 } };

START_TEST(fragments_find_a_translated_connection_that_stayed)
{
	struct bench *b = gateway_start(moves[_i].n_workers);
	unsigned int n, n_packets, n_of_first;
	struct frame whole, answer;
	struct drops drops;
	struct pair pair;

	pair_begin(b, &pair, IPPROTO_UDP);
	drops = drops_take(b);
	move_bucket(b, moves[_i].is_of_answers ? pair.back : pair.there, moves[_i].n_workers - 1);
	for (unsigned int round = 0; round < 2; round++) {
		uint16_t id = (uint16_t)(16 * round);

		whole = pair.out;
		grow(&whole, 2 * PIECE_LEN);
		push_pieces(b, &pair, &whole, false, id);
		answer = pair.sent;
		grow(&answer, 2 * PIECE_LEN);
		gateway_answer(&answer);
		push_pieces(b, &pair, &answer, true, id);
		/* While it settles, and when it has. */
		bench_advance(b, 1100);
	}
	drops_expect_none(b, &drops);
	list_sum(b, 0, &n, &n_packets, &n_of_first);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(n_of_first, 1);
	ck_assert_uint_eq(n_packets, 1 + 2 * 2 * 4 * 2);
	bench_destroy(b);
}
END_TEST

/* Waits until n packets have come out. */
static void wait_for(struct bench *b, unsigned int n)
{
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	struct frame frame;

	while (n > 0) {
		n -= bench_receive(b, LAN, &frame) || bench_receive(b, WAN, &frame);
		ck_assert_msg(rte_rdtsc() < end, "%u have not come out", n);
		bench_run(b);
	}
}

/* Both directions of what is translated, on threads that really run beside each other. */
START_TEST(translated_connections_are_found_between_threads)
{
	enum { ROUNDS = 3, BURST = 30 };
	struct bench *b = gateway_start(2);
	struct frame sent[HOSTS], frame;
	struct drops drops;
	uint64_t next = 0;

	drops = drops_take(b);
	bench_launch(b);
	/* The clock is another one from here on. */
	bench_run(b);
	for (unsigned int i = 0; i < HOSTS; i++) {
		gateway_send(b, i, IPPROTO_UDP, 20);
		while (!bench_receive(b, WAN, &sent[i]))
			bench_run(b);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		while (b->now_ns < next)
			bench_run(b);
		for (unsigned int bucket = 0; bucket < STEER_BUCKETS; bucket++) {
			move_bucket(b, bucket, 1 - owner_of(b, bucket));
			for (unsigned int k = 0; k < BURST; k++) {
				unsigned int i = (unsigned int)(rte_rand() % HOSTS);

				if (rte_rand() % 2) {
					gateway_send(b, i, IPPROTO_UDP, 20);
					continue;
				}
				frame = sent[i];
				gateway_answer(&frame);
				bench_send(b, WAN, &frame);
			}
			wait_for(b, BURST);
		}
		next = b->now_ns + UINT64_C(1100000000);
	}
	bench_join(b);
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("moves_left", PLAIN_TEST(answers_to_queries_that_nobody_knows_are_dropped),
	PLAIN_TEST(a_connection_that_follows_the_bucket_of_its_answers_is_waited_for),
	PLAIN_TEST(translated_connections_are_found_between_threads),
	PLAIN_TEST(what_begins_anew_belongs_to_the_owner),
	LOOP_TEST(fragments_find_a_translated_connection_that_stayed, moves))
