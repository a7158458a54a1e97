/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections on several workers: each belongs to one, wherever its packets come in. Links have one queue, so
 * lan's packets all come to worker 0 and wan's to worker 1; half of them, and more with translation, are
 * another worker's.
 */
#include "kit6.h"

#include <rte_random.h>

#include "base/mem.h"
#include "flow/flow_walk.h"
#include "link/link.h"
#include "link/steer.h"

enum { HOSTS = 60 };

static const char gateway_config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; conntrack: { max = 4096; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\", \"" WAN6 "/64\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; } );\n"
	"firewall: { forward: { policy = \"drop\"; rules = ( { in = \"lan\"; action = \"accept\"; "
	"} ); };\n"
	"  postrouting: { rules = ( { out = \"wan\"; action = \"masquerade\"; } ); }; };\n";

static const char *host(unsigned int i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.%u.7.%u", i % 5, 10 + i);
	return text;
}

static void send_out(struct bench *b, unsigned int i, uint8_t proto, uint16_t payload_len)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = HOST_MAC,
				  .src = host(i),
				  .dst = "8.8.8.8",
				  .proto = proto,
				  .sport = 4000,
				  .dport = 53,
				  .icmp_type = 8,
				  .payload_len = payload_len });
	bench_send(b, LAN, &frame);
}

/* The answer to what came out of wan. */
static void answer(struct frame *frame)
{
	struct rte_ipv4_hdr *ip = frame_ip(frame);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_l4(frame);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)udp;
	uint32_t addr = ip->src_addr;
	uint16_t port = udp->src_port;

	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	frame_ether(frame)->src_addr = frame_ether(frame)->dst_addr;
	rte_ether_unformat_addr(WAN_MAC, &frame_ether(frame)->dst_addr);
	if (ip->next_proto_id == IPPROTO_ICMP) {
		icmp->icmp_type = 0;
		icmp->icmp_cksum = (uint16_t)(icmp->icmp_cksum + RTE_BE16(0x0800) +
					      (icmp->icmp_cksum + RTE_BE16(0x0800) > UINT16_MAX));
	} else {
		udp->src_port = udp->dst_port;
		udp->dst_port = port;
	}
}

/* An ICMP error about what came out of wan, from a router on the way. */
static void complain(struct frame *error, const struct frame *about)
{
	const struct rte_ipv4_hdr *failed =
		(const struct rte_ipv4_hdr *)(about->bytes + RTE_ETHER_HDR_LEN);
	struct rte_icmp_hdr *icmp;
	char to[32];

	snprintf(to, sizeof(to), "198.51.100.1");
	frame_ip4(error, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = "198.51.100.10",
				 .dst = to,
				 .proto = IPPROTO_ICMP,
				 .icmp_type = 11,
				 .payload_len = 28 });
	icmp = (struct rte_icmp_hdr *)frame_l4(error);
	memcpy(icmp + 1, failed, 28);
	icmp->icmp_ident = icmp->icmp_seq_nb = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp) + 28);
}

static uint64_t handed_over(const struct bench *b)
{
	return b->dp->workers[0]->handed_over + b->dp->workers[1]->handed_over;
}

/* How many of the hosts the frames out of lan are for; each must be right. */
static unsigned int count_hosts(struct bench *b, uint8_t proto)
{
	unsigned int n = 0;
	struct frame got;

	while (bench_receive(b, LAN, &got)) {
		frame_check_ip4(&got);
		ck_assert_uint_eq(
			frame_ip(&got)->dst_addr & RTE_BE32(0xff000000), RTE_BE32(0x0a000000));
		ck_assert_uint_eq(frame_ip(&got)->next_proto_id, proto);
		n++;
	}
	return n;
}

static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_ICMP };

START_TEST(answers_find_the_owner_wherever_they_come_in)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out));
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, protos[_i], 20);
	bench_run(b);
	drops_expect_none(b, &drops);
	for (unsigned int i = 0; i < HOSTS; i++) {
		bench_expect(b, WAN, &out[i]);
		ck_assert_uint_eq(frame_ip(&out[i])->src_addr, ip4_be("198.51.100.1"));
	}
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	for (unsigned int turn = 0; turn < 3; turn++) {
		for (unsigned int i = 0; i < HOSTS; i++) {
			struct frame frame = out[i];

			answer(&frame);
			bench_send(b, WAN, &frame);
		}
		bench_run(b);
		drops_expect_none(b, &drops);
		ck_assert_uint_eq(count_hosts(b, protos[_i]), HOSTS);
	}
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	ck_assert_uint_gt(handed_over(b), 0);
	free(out);
	bench_destroy(b);
}
END_TEST

START_TEST(errors_find_the_owner_of_what_they_quote)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out)), error;
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, protos[_i], 20);
	bench_run(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		bench_expect(b, WAN, &out[i]);
	for (unsigned int i = 0; i < HOSTS; i++) {
		complain(&error, &out[i]);
		bench_send(b, WAN, &error);
	}
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(count_hosts(b, IPPROTO_ICMP), HOSTS);
	free(out);
	bench_destroy(b);
}
END_TEST

/* Without ports one peer can have one connection with our address: nobody else gets its answers. */
START_TEST(what_has_no_ports_is_translated_by_the_worker_that_gets_the_answers)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, IPPROTO_GRE, 20);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	drops_expect(b, &drops, "nat_clash", HOSTS - 1);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_destroy(b);
}
END_TEST

/* Moving buckets */

/* No worker has noticed yet. */
static void move_bucket(struct bench *b, unsigned int bucket, unsigned int to)
{
	char params[64];

	snprintf(params, sizeof(params), "{\"bucket\": %u, \"worker\": %u}", bucket, to);
	json_decref(bench_call_only(b, "worker.rebalance", params));
}

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
	return stat_of(b, 0, name) + stat_of(b, 1, name);
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

/* Packet of one of IN_BUCKET connections, all of one bucket: what the host adds the port takes away. */
static void bucket_packet(struct frame *frame, unsigned int i, bool is_answer)
{
	uint16_t port = (uint16_t)(0x1000 ^ (i + 1));
	char text[32];

	snprintf(text, sizeof(text), "10.7.0.%u", i + 1);
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = is_answer ? PEER_MAC : HOST_MAC,
				 .dst_mac = is_answer ? WAN_MAC : LAN_MAC,
				 .src = is_answer ? "8.8.8.8" : text,
				 .dst = is_answer ? text : "8.8.8.8",
				 .sport = is_answer ? 53 : port,
				 .dport = is_answer ? port : 53,
				 .payload_len = 20 });
}

static unsigned int the_bucket(const struct bench *b)
{
	struct frame frame;

	bucket_packet(&frame, 0, false);
	return steer_bucket(link_steer(b->dp), frame.bytes);
}

static void list_slice(struct flow_walk *walk)
{
}

/* Of the list: how many connections, packets that they have counted, and how many has that worker. */
static void list_sum(struct bench *b, unsigned int worker, unsigned int *n, unsigned int *n_packets,
	unsigned int *n_of_worker)
{
	struct flow_filter any;
	struct flow_walk *walk;

	flow_filter_init(&any);
	*n = *n_packets = *n_of_worker = 0;
	walk = flow_walk_create(b->dp, &any, list_slice, NULL);
	while (flow_walk_step(walk)) {
		bench_run(b);
		for (unsigned int i = 0; i < walk->n; i++) {
			const struct flow_info *info = &walk->rows[i];

			*n += 1;
			*n_packets += (unsigned int)(info->packets[0] + info->packets[1]);
			*n_of_worker += info->worker == worker;
		}
	}
	flow_walk_destroy(walk);
}

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
		worker_pass(b->dp->workers[(turn + _i) % 3 == 0 ? to : 1 - to]);
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

static const unsigned int interleavings[] = { 0, 1, 2 };

/* What came out of wan for each host, as it was when its connection began. */
static struct frame *begin_all(struct bench *b, uint8_t proto)
{
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out));

	for (unsigned int i = 0; i < HOSTS; i++) {
		send_out(b, i, proto, 20);
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
		answer(&frame);
		bench_push(b, WAN, &frame);
	}
	ck_assert_uint_eq(count_hosts(b, proto), HOSTS);
	for (unsigned int i = 0; i < HOSTS; i++) {
		send_out(b, i, proto, 20);
		bench_run(b);
		bench_expect_bytes(b, WAN, &out[i]);
	}
}

/* Wherever the buckets go, and go again, both directions of what is translated are found. */
START_TEST(translated_connections_are_found_when_buckets_move)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out, error;
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	out = begin_all(b, protos[_i]);
	for (unsigned int to = 0; to < 4; to++) {
		move_all(b, to % 2);
		expect_all(b, out, protos[_i]);
		for (unsigned int i = 0; i < HOSTS; i++) {
			complain(&error, &out[i]);
			bench_push(b, WAN, &error);
		}
		ck_assert_uint_eq(count_hosts(b, IPPROTO_ICMP), HOSTS);
		bench_advance(b, 1100);
		expect_all(b, out, protos[_i]);
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
	struct bench *b = bench_create(few_ports_config, 2, 8192);
	bool is_given[UINT16_MAX + 1] = { false };
	unsigned int n_first = 0, n_second = 0;
	struct frame frame;

	bench_advance(b, 2000);
	bench_discard(b);
	for (unsigned int i = 0; i < 3 * HOSTS; i++) {
		if (i == HOSTS) {
			/* Each worker gets a half of what the other had. */
			for (unsigned int k = 0; k < STEER_BUCKETS; k++)
				if (k % 4 < 2)
					move_bucket(b, k, 1 - k % 2);
			bench_run(b);
			bench_advance(b, 1100);
		}
		send_out(b, i, IPPROTO_UDP, 20);
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
	bench_expect_error(b, "worker.rebalance", again, "has just moved");
	bench_advance(b, 1100);
	move_bucket(b, bucket, first);
	bench_run(b);
	list_sum(b, first, &n, &n_packets, &n_of_first);
	ck_assert_uint_eq(n, IN_BUCKET);
	ck_assert_uint_eq(n_of_first, IN_BUCKET);
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
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = is_answer ? PEER_MAC : HOST_MAC,
				 .dst_mac = is_answer ? WAN_MAC : LAN_MAC,
				 .src = is_answer ? "8.8.8.8" : text,
				 .dst = is_answer ? text : "8.8.8.8",
				 .sport = is_answer ? 53 : port,
				 .dport = is_answer ? port : 53,
				 .payload_len = 20 });
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

PACKET_MAIN("owners",
	PLAIN_TEST(what_has_no_ports_is_translated_by_the_worker_that_gets_the_answers),
	PLAIN_TEST(no_port_is_given_twice_when_buckets_have_moved),
	PLAIN_TEST(connections_on_their_way_are_waited_for),
	PLAIN_TEST(no_packet_is_lost_while_buckets_move_between_threads),
	PLAIN_TEST(a_full_table_takes_nothing_and_nothing_is_lost),
	PLAIN_TEST(a_bucket_moves_again_when_it_has_settled),
	LOOP_TEST(connections_move_with_their_bucket_under_traffic, interleavings),
	LOOP_TEST(translated_connections_are_found_when_buckets_move, protos),
	LOOP_TEST(answers_find_the_owner_wherever_they_come_in, protos),
	LOOP_TEST(errors_find_the_owner_of_what_they_quote, protos))
