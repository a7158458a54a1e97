/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Buckets that move from worker to worker (flow/move.c), under traffic: their connections go along or are
 * found where they stayed, no packet is lost, no connection is made twice.
 */
#include "kit_gateway.h"

#include <rte_random.h>

#include "base/mem.h"
#include "flow/flow.h"
#include "link/link.h"
#include "link/steer.h"

static const unsigned int workers[] = { 2, 3, 4 };
static const struct kind {
	uint8_t proto;
	unsigned int n_workers;
} kinds[] = {
	{ IPPROTO_UDP, 2 },
	{ IPPROTO_ICMP, 2 },
	{ IPPROTO_UDP, 4 },
	{ IPPROTO_ICMP, 4 },
	{ IPPROTO_UDP, 3 },
	{ IPPROTO_ICMP, 3 },
};

static void move_all(struct bench *b, unsigned int to)
{
	for (unsigned int bucket = 0; bucket < STEER_BUCKETS; bucket++)
		move_bucket(b, bucket, to);
}

/* A figure of `conntrack stats`. */
static int64_t stat_of(struct bench *b, unsigned int worker, const char *name)
{
	json_t *rows = bench_call_only(b, "conntrack.stats", NULL);
	int64_t n = json_int_at(json_array_get(rows, worker), name);

	json_decref(rows);
	return n;
}

static int64_t stat(struct bench *b, const char *name)
{
	int64_t n = 0;

	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		n += stat_of(b, i, name);
	return n;
}

enum { IN_BUCKET = 250 };

static const char accept_config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; conntrack: { max = 4096; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; } );\n"
	"firewall: { forward: { rules = ( { in = \"lan\"; action = \"accept\"; } ); policy = "
	"\"drop\"; "
	"}; };\n";

/* Of a host's connection with a peer behind wan. */
static void host_packet(struct frame *frame, const char *host, uint16_t port, bool is_answer)
{
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = is_answer ? PEER_MAC : HOST_MAC,
				 .dst_mac = is_answer ? WAN_MAC : LAN_MAC,
				 .src = is_answer ? "8.8.8.8" : host,
				 .dst = is_answer ? host : "8.8.8.8",
				 .sport = is_answer ? 53 : port,
				 .dport = is_answer ? port : 53,
				 .payload_len = 20 });
}

/* Packet of one of IN_BUCKET connections, all of one bucket: what the host adds the port takes away. */
static void bucket_packet(struct frame *frame, unsigned int i, bool is_answer)
{
	uint16_t port = (uint16_t)(0x1000 ^ (i + 1));
	char text[32];

	snprintf(text, sizeof(text), "10.7.0.%u", i + 1);
	host_packet(frame, text, port, is_answer);
}

static unsigned int the_bucket(const struct bench *b)
{
	struct frame frame;

	bucket_packet(&frame, 0, false);
	return steer_bucket(link_steer(b->dp), frame.bytes);
}

static const unsigned int interleavings[] = { 0, 1, 2 };

/*
 * Every turn is one pass of one worker, and one packet of some connection, in one direction or the other, while the
 * bucket moves. None may be lost, none may begin a connection of its own.
 */
START_TEST(connections_move_with_their_bucket_under_traffic)
{
	struct bench *b = bench_create(accept_config, 2, 8192);
	unsigned int bucket = the_bucket(b), n_sent = 0, n, n_packets, n_of_new, n_got = 0;
	unsigned int to = 1u - link_steer(b->dp)->owner[bucket];
	struct drops drops;
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < IN_BUCKET; i++, n_sent++) {
		bucket_packet(&frame, i, false);
		bench_push(b, LAN, &frame);
	}
	move_bucket(b, bucket, to);
	for (unsigned int turn = 0; turn < 400; turn++, n_sent++) {
		bool is_answer = (turn / 7) % 2;

		bucket_packet(&frame, (turn * 61) % IN_BUCKET, is_answer);
		bench_send(b, is_answer ? WAN : LAN, &frame);
		worker_pass(b->dp->workers[(turn + interleavings[_i]) % 3 == 0 ? to : 1 - to]);
		worker_pass(b->dp->workers[turn % 2]);
	}
	bench_run(b);
	drops_expect_none(b, &drops);
	while (bench_receive(b, LAN, &frame) || bench_receive(b, WAN, &frame))
		n_got++;
	ck_assert_uint_eq(n_got, n_sent);
	list_sum(b, to, &n, &n_packets, &n_of_new);
	ck_assert_uint_eq(n, IN_BUCKET);
	ck_assert_uint_eq(n_packets, n_sent);
	ck_assert_uint_eq(n_of_new, IN_BUCKET);
	ck_assert_int_eq(stat(b, "given"), IN_BUCKET);
	ck_assert_int_eq(stat(b, "taken"), IN_BUCKET);
	ck_assert_int_eq(stat(b, "insert"), IN_BUCKET);
	bench_destroy(b);
}
END_TEST

/* What came out of wan for each host, as it was when its connection began. */
static struct frame *begin_all(struct bench *b, uint8_t proto)
{
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out));

	for (unsigned int i = 0; i < HOSTS; i++) {
		gateway_send(b, i, proto, 20);
		bench_run(b);
		bench_expect(b, WAN, &out[i]);
	}
	return out;
}

/* Both directions of every connection, as they were. */
static void expect_all(struct bench *b, const struct frame *out, uint8_t proto)
{
	struct frame frame;

	for (unsigned int i = 0; i < HOSTS; i++) {
		frame = out[i];
		gateway_answer(&frame);
		bench_push(b, WAN, &frame);
	}
	ck_assert_uint_eq(gateway_count(b, proto), HOSTS);
	for (unsigned int i = 0; i < HOSTS; i++) {
		gateway_send(b, i, proto, 20);
		bench_run(b);
		bench_expect_bytes(b, WAN, &out[i]);
	}
}

/* Wherever the buckets go, and go again, both directions of what is translated are found. */
START_TEST(translated_connections_are_found_when_buckets_move)
{
	const struct kind *kind = &kinds[_i];
	struct bench *b = bench_create(gateway_config, kind->n_workers, 8192);
	struct frame *out, error;
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	out = begin_all(b, kind->proto);
	for (unsigned int to = 0; to < 4; to++) {
		move_all(b, to % kind->n_workers);
		expect_all(b, out, kind->proto);
		for (unsigned int i = 0; i < HOSTS; i++) {
			gateway_complain(&error, &out[i]);
			bench_push(b, WAN, &error);
		}
		ck_assert_uint_eq(gateway_count(b, IPPROTO_ICMP), HOSTS);
		bench_advance(b, 1100);
		expect_all(b, out, kind->proto);
	}
	drops_expect_none(b, &drops);
	ck_assert_int_eq(stat(b, "insert"), HOSTS);
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	free(out);
	bench_destroy(b);
}
END_TEST

/* Few ports, so that what one worker forgets another one soon gives away. */
static const char few_ports_config[] =
	"sysctl: { conntrack: { max = 4096; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; } );\n"
	"firewall: { postrouting: { rules = ( { out = \"wan\"; proto = \"udp\"; action = \"snat\"; "
	"to = \"198.51.100.1:5000-5159\"; } ); }; };\n";

/* The outside port of each new connection is one that nobody has, wherever buckets have gone. */
START_TEST(no_port_is_given_twice_when_buckets_have_moved)
{
	struct bench *b = bench_create(few_ports_config, workers[_i], 8192);
	bool is_given[UINT16_MAX + 1] = { false };
	unsigned int n_first = 0, n_second = 0;
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	for (unsigned int i = 0; i < 3 * HOSTS; i++) {
		if (i == HOSTS) {
			/* Each worker gets about a half of what another one had. */
			for (unsigned int k = 0; k < STEER_BUCKETS; k++)
				if (k / workers[_i] % 2 == 0)
					move_bucket(b, k, (k + 1) % workers[_i]);
			bench_run(b);
			bench_advance(b, 1100);
		}
		gateway_send(b, i, IPPROTO_UDP, 20);
		bench_run(b);
		if (!bench_receive(b, WAN, &frame))
			continue;
		uint16_t port = ((const struct rte_udp_hdr *)frame_l4(&frame))->src_port;
		ck_assert(!is_given[port]);
		is_given[port] = true;
		n_first += i < HOSTS;
		n_second += i >= HOSTS;
	}
	ck_assert_uint_eq(n_first, HOSTS);
	ck_assert_uint_gt(n_second, 10);
	ck_assert_uint_eq(bench_drops(b, "nat_no_port"), 3 * HOSTS - n_first - n_second);
	bench_destroy(b);
}
END_TEST

enum { N_ON_THE_WAY = 40, N_IN_FRONT = 150 };

/* All are given, but the new owner's ring is full of other things when a packet of one comes straight to it. */
START_TEST(connections_on_their_way_are_waited_for)
{
	struct bench *b = bench_create(accept_config, 2, 8192);
	unsigned int bucket = the_bucket(b), n, n_packets, n_of_new;
	struct drops drops;
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	/* lan is polled by worker 0, wan by worker 1, which is to be the new owner. */
	move_bucket(b, bucket, 0);
	bench_advance(b, 1100);
	drops = drops_take(b);
	for (unsigned int i = 0; i < N_ON_THE_WAY; i++) {
		bucket_packet(&frame, i, false);
		bench_push(b, LAN, &frame);
	}
	move_bucket(b, bucket, 1);
	for (unsigned int i = 0; i < N_IN_FRONT; i++) {
		bucket_packet(&frame, i % N_ON_THE_WAY, false);
		bench_send(b, LAN, &frame);
	}
	while (worker_pass(b->dp->workers[0]) > 0 || stat_of(b, 0, "entries") > 0)
		;
	bucket_packet(&frame, 3, true);
	bench_send(b, WAN, &frame);
	worker_pass(b->dp->workers[1]);
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	ck_assert_uint_eq(bench_count(b, WAN), N_ON_THE_WAY + N_IN_FRONT);
	list_sum(b, 1, &n, &n_packets, &n_of_new);
	ck_assert_uint_eq(n, N_ON_THE_WAY);
	ck_assert_uint_eq(n_of_new, N_ON_THE_WAY);
	ck_assert_uint_eq(n_packets, N_ON_THE_WAY + N_IN_FRONT + 1);
	bench_destroy(b);
}
END_TEST

/* What finds no room where its bucket goes stays, and is found. */
START_TEST(a_full_table_takes_nothing_and_nothing_is_lost)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out;
	struct drops drops;

	bench_sysctl(b, "conntrack.max", "150");
	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	out = begin_all(b, IPPROTO_UDP);
	move_all(b, 1);
	expect_all(b, out, IPPROTO_UDP);
	ck_assert_int_eq(stat(b, "given"), 0);
	drops_expect_none(b, &drops);
	free(out);
	bench_destroy(b);
}
END_TEST

enum { GIVERS = 3, N_GIVEN = 70, N_OWN = 170, N_LIMIT = 300 };

/* n connections of a bucket of that worker; what the host adds the port takes away. */
static unsigned int fill_bucket(struct bench *b, unsigned int worker, unsigned int n)
{
	const struct steer *steer = link_steer(b->dp);
	unsigned int bucket = STEER_BUCKETS, dport = 0;
	struct frame frame;
	char text[32];

	for (unsigned int i = 0; i < n; i++) {
		do {
			dport += i == 0;
			snprintf(text, sizeof(text), "10.7.%u.%u", worker, i + 1);
			frame_ip4(&frame, &(struct ip4_spec){ .src_mac = HOST_MAC,
						  .src = text,
						  .dst = "8.8.8.8",
						  .sport = (uint16_t)(0x1000 ^ (i + 1)),
						  .dport = (uint16_t)dport });
			bucket = steer_bucket(steer, frame.bytes);
		} while (steer->owner[bucket] != worker);
		bench_push(b, LAN, &frame);
	}
	return bucket;
}

/* Several give all that they may before the taker looks: it has room for that, or they keep it. */
START_TEST(a_taker_has_room_for_what_all_of_the_others_give)
{
	struct bench *b = bench_create(accept_config, GIVERS + 1, 8192);
	unsigned int bucket[GIVERS], n, n_packets, n_of_taker;

	bench_sysctl(b, "conntrack.max", "1200");
	bench_advance(b, 2000);
	bench_discard(b);
	fill_bucket(b, GIVERS, N_OWN);
	for (unsigned int i = 0; i < GIVERS; i++)
		bucket[i] = fill_bucket(b, i, N_GIVEN);
	for (unsigned int i = 0; i < GIVERS; i++)
		move_bucket(b, bucket[i], GIVERS);
	for (unsigned int turn = 0; turn < 20; turn++)
		for (unsigned int i = 0; i < GIVERS; i++)
			worker_pass(b->dp->workers[i]);
	bench_run(b);
	list_sum(b, GIVERS, &n, &n_packets, &n_of_taker);
	ck_assert_uint_eq(n, N_OWN + GIVERS * N_GIVEN);
	ck_assert_uint_le(n_of_taker, N_LIMIT);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bucket_moves_again_when_it_has_settled)
{
	struct bench *b = bench_create(accept_config, 2, 8192);
	unsigned int bucket = the_bucket(b), n, n_packets, n_of_first;
	unsigned int first = link_steer(b->dp)->owner[bucket];
	char again[64];
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	for (unsigned int i = 0; i < IN_BUCKET; i++) {
		bucket_packet(&frame, i, false);
		bench_push(b, LAN, &frame);
	}
	move_bucket(b, bucket, 1 - first);
	bench_run(b);
	snprintf(again, sizeof(again), "{\"bucket\": %u, \"worker\": %u}", bucket, first);
	bench_expect_error(b, "worker.rebalance", again, "cannot move now");
	bench_advance(b, 1100);
	move_bucket(b, bucket, first);
	bench_run(b);
	list_sum(b, first, &n, &n_packets, &n_of_first);
	ck_assert_uint_eq(n, IN_BUCKET);
	ck_assert_uint_eq(n_of_first, IN_BUCKET);
	bench_destroy(b);
}
END_TEST

/* Those on their way as well, and none sets out meanwhile. */
START_TEST(a_flush_misses_nothing_that_moves)
{
	struct bench *b = bench_create(accept_config, 2, 8192);
	struct client *client = bench_connect(b);
	unsigned int bucket = the_bucket(b);
	struct frame frame;
	json_t *answer;

	bench_advance(b, 2000);
	bench_discard(b);
	/* Worker 0 is asked first: what comes to it from 1 afterwards would stay. */
	move_bucket(b, bucket, 1);
	bench_advance(b, 1100);
	for (unsigned int i = 0; i < IN_BUCKET; i++) {
		bucket_packet(&frame, i, false);
		bench_push(b, LAN, &frame);
	}
	move_bucket(b, bucket, 0);
	worker_pass(b->dp->workers[1]);
	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": "
			    "\"conntrack.flush\", \"params\": {}}");
	event_base_loop(b->events, EVLOOP_NONBLOCK);
	bench_expect_error(
		b, "worker.rebalance", "{\"bucket\": 0, \"worker\": 1}", "cannot move now");
	answer = bench_read(b, client);
	ck_assert_int_eq(json_int_at(answer, "result.deleted"), IN_BUCKET);
	json_decref(answer);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Connections of all buckets, on threads that really run beside each other. */
enum { N_SPREAD = 600, SPREAD_ROUNDS = 3 };

static void spread_packet(struct frame *frame, unsigned int i, bool is_answer)
{
	uint16_t port = (uint16_t)(2000 + 7 * i);
	char text[32];

	snprintf(text, sizeof(text), "10.9.%u.%u", i / 200, i % 200 + 1);
	host_packet(frame, text, port, is_answer);
}

/* Waits until so many packets have come out. */
static void spread_receive(struct bench *b, unsigned int n)
{
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	unsigned int n_got = 0;
	struct frame frame;

	while (n_got < n) {
		n_got += bench_receive(b, LAN, &frame) || bench_receive(b, WAN, &frame);
		ck_assert_msg(rte_rdtsc() < end, "%u of %u have come out", n_got, n);
		bench_run(b);
	}
}

static void spread_traffic(struct bench *b, unsigned int n)
{
	struct frame frame;

	for (unsigned int k = 0; k < n; k++) {
		bool is_answer = rte_rand() % 2;

		spread_packet(&frame, (unsigned int)(rte_rand() % N_SPREAD), is_answer);
		bench_send(b, is_answer ? WAN : LAN, &frame);
	}
	spread_receive(b, n);
}

START_TEST(no_packet_is_lost_while_buckets_move_between_threads)
{
	struct bench *b = bench_create(accept_config, 2, 16384);
	uint64_t next = 0;
	struct drops drops;
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	bench_launch(b);
	/* The clock is another one from here on. */
	bench_run(b);
	for (unsigned int i = 0; i < N_SPREAD; i++) {
		spread_packet(&frame, i, false);
		bench_send(b, LAN, &frame);
	}
	spread_receive(b, N_SPREAD);
	for (unsigned int round = 0; round < SPREAD_ROUNDS; round++) {
		while (b->now_ns < next)
			bench_run(b);
		for (unsigned int bucket = 0; bucket < STEER_BUCKETS; bucket++) {
			move_bucket(b, bucket, 1u - link_steer(b->dp)->owner[bucket]);
			spread_traffic(b, 40);
		}
		next = b->now_ns + UINT64_C(1100000000);
	}
	bench_join(b);
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_int_eq(stat(b, "insert"), N_SPREAD);
	ck_assert_int_eq(stat(b, "given"), N_SPREAD * SPREAD_ROUNDS);
	ck_assert_int_eq(stat(b, "taken"), N_SPREAD * SPREAD_ROUNDS);
	ck_assert_int_eq(stat(b, "lost"), 0);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("moves", LOOP_TEST(no_port_is_given_twice_when_buckets_have_moved, workers),
	PLAIN_TEST(connections_on_their_way_are_waited_for),
	PLAIN_TEST(no_packet_is_lost_while_buckets_move_between_threads),
	PLAIN_TEST(a_full_table_takes_nothing_and_nothing_is_lost),
	PLAIN_TEST(a_taker_has_room_for_what_all_of_the_others_give),
	PLAIN_TEST(a_bucket_moves_again_when_it_has_settled),
	PLAIN_TEST(a_flush_misses_nothing_that_moves),
	LOOP_TEST(connections_move_with_their_bucket_under_traffic, interleavings),
	LOOP_TEST(translated_connections_are_found_when_buckets_move, kinds))
