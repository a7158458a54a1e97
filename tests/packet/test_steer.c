/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who owns a packet: all of them come in by one queue, which worker 0 polls, and yet each flow is
 * handled by one worker, in order, whoever that is; buckets move; nobody is waited for.
 *
 *	lan (p0, worker 0, steered in software)   wan (p1, worker 1, likewise)
 */
#include "kit.h"

#include "dp/handover.h"
#include "link/link.h"
#include "link/steer.h"

enum { N_FLOWS = 40, N_PACKETS = 50 };

static const char steered_config[] =
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; steering = \"software\";\n"
	"    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; steering = \"software\"; mac = \"" WAN_MAC
	"\";\n    addresses = [ \"198.51.100.1/24\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"default\"; via = \"198.51.100.10\"; } );\n";

static struct bench *bench_steered(unsigned int n_workers)
{
	struct bench *b = bench_create(steered_config, n_workers, 16384);

	bench_discard(b);
	return b;
}

/* Packet `number` of a flow from lan to wan; ports tell the flow, the IP id the number. */
static void make_packet(struct frame *frame, unsigned int flow, uint16_t number)
{
	frame_ip4(frame, &(struct ip4_spec){ .src = "192.0.2.10",
				 .dst = "8.8.8.8",
				 .proto = flow % 2 ? IPPROTO_TCP : IPPROTO_UDP,
				 .sport = (uint16_t)(2000 + 7 * flow),
				 .dport = 53 });
	frame_ip(frame)->packet_id = rte_cpu_to_be_16(number);
	frame_fix_ip(frame);
}

static unsigned int flow_bucket(unsigned int flow)
{
	struct frame frame;
	struct steer steer;

	steer_init(&steer, 1);
	make_packet(&frame, flow, 0);
	return steer_bucket(&steer, frame.bytes);
}

static unsigned int flow_of_worker_1(void)
{
	unsigned int flow = 0;

	while (flow_bucket(flow) % 2 != 1)
		flow++;
	return flow;
}

static void send_flows(struct bench *b)
{
	struct frame frame;

	for (uint16_t number = 0; number < N_PACKETS; number++)
		for (unsigned int flow = 0; flow < N_FLOWS; flow++) {
			make_packet(&frame, flow, number);
			bench_send(b, LAN, &frame);
		}
}

/* All packets must have come out, those of each flow in order. */
static void expect_flows(struct bench *b)
{
	unsigned int next[N_FLOWS] = { 0 }, n = 0;
	struct frame frame;

	while (bench_receive(b, WAN, &frame)) {
		const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)frame_l4(&frame);
		unsigned int flow = (rte_be_to_cpu_16(udp->src_port) - 2000u) / 7;

		REQUIRE(flow < N_FLOWS);
		REQUIRE(rte_be_to_cpu_16(frame_ip(&frame)->packet_id) == next[flow]);
		next[flow]++;
		n++;
	}
	ck_assert_uint_eq(n, N_FLOWS * N_PACKETS);
}

START_TEST(packets_in_the_wrong_queue_reach_their_owner_in_order)
{
	struct bench *b = bench_steered(2);
	struct drops drops = drops_take(b);
	unsigned int n_of_1 = 0;

	for (unsigned int flow = 0; flow < N_FLOWS; flow++)
		n_of_1 += flow_bucket(flow) % 2 == 1;
	ck_assert_uint_gt(n_of_1, N_FLOWS / 5);
	ck_assert_uint_lt(n_of_1, N_FLOWS * 4 / 5);
	send_flows(b);
	bench_run(b);
	expect_flows(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(b->dp->workers[0]->stats.rx, N_FLOWS * N_PACKETS);
	ck_assert_uint_eq(b->dp->workers[1]->stats.rx, 0);
	/* To the owner, and back to worker 0, which has the ring's only transmit queue. */
	ck_assert_uint_eq(b->dp->workers[1]->taken_over, n_of_1 * N_PACKETS);
	ck_assert_uint_eq(b->dp->workers[1]->handed_over, n_of_1 * N_PACKETS);
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_not_ip_stays_where_it_came_in)
{
	struct bench *b = bench_steered(2);
	struct frame frame;

	frame_arp(&frame, HOST_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, HOST_MAC, "192.0.2.10", NO_MAC,
		"192.0.2.1");
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	for (uint32_t len = 0; len < 14; len++) {
		frame.len = len;
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(bench_drops(b, "eth_truncated"), 14);
	ck_assert_uint_eq(b->dp->workers[0]->handed_over, 0);
	bench_destroy(b);
}
END_TEST

START_TEST(a_link_that_comes_split_is_left_alone)
{
	struct bench *b = bench_create(router_config, 2, 8192);
	struct frame frame;

	bench_discard(b);
	for (unsigned int flow = 0; flow < N_FLOWS; flow++) {
		make_packet(&frame, flow, 0);
		bench_push(b, LAN, &frame);
	}
	ck_assert_uint_eq(b->dp->workers[1]->taken_over, 0);
	bench_destroy(b);
}
END_TEST

START_TEST(a_moved_bucket_is_the_other_workers_from_then_on)
{
	struct bench *b = bench_steered(2);
	unsigned int bucket = flow_bucket(0), owner = bucket % 2;
	struct frame frame;
	char params[64];
	json_t *rows;

	make_packet(&frame, 0, 0);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(b->dp->workers[1]->taken_over, owner);
	snprintf(params, sizeof(params), "{\"bucket\": %u, \"worker\": %u}", bucket, 1 - owner);
	rows = bench_call(b, "worker.rebalance", params);
	ck_assert_int_eq(json_int_at(rows, "0.from"), owner);
	ck_assert_int_eq(json_int_at(rows, "0.to"), 1 - owner);
	json_decref(rows);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(b->dp->workers[1]->taken_over, 1);
	rows = bench_call(b, "worker.show", NULL);
	ck_assert_int_eq(json_int_at(rows, "0.buckets") + json_int_at(rows, "1.buckets"), 128);
	ck_assert_int_eq(json_int_at(rows, "0.buckets"), owner == 0 ? 63 : 65);
	json_decref(rows);
	bench_expect_error(b, "worker.rebalance", "{\"bucket\": 1, \"worker\": 2}", "there are 2");
	bench_expect_error(b, "worker.rebalance", "{\"bucket\": 1}", "belong together");
	bench_destroy(b);
}
END_TEST

START_TEST(rebalancing_takes_load_from_the_busiest)
{
	struct bench *b = bench_steered(2);
	uint64_t n_before;
	size_t n_moved;
	json_t *rows;

	send_flows(b);
	bench_run(b);
	bench_discard(b);
	n_before = b->dp->workers[1]->taken_over;
	/* As if measured: no thread runs here. */
	b->dp->load[0].busy = 1.0;
	b->dp->load[1].busy = 0.5;
	rows = bench_call(b, "worker.rebalance", NULL);
	n_moved = json_array_size(rows);
	ck_assert_uint_gt(n_moved, 0);
	ck_assert_uint_lt(n_moved, 64);
	for (size_t i = 0; i < n_moved; i++) {
		ck_assert_int_eq(json_int_at(json_array_get(rows, i), "from"), 0);
		ck_assert_int_eq(json_int_at(json_array_get(rows, i), "to"), 1);
	}
	json_decref(rows);
	send_flows(b);
	bench_run(b);
	expect_flows(b);
	ck_assert_uint_gt(b->dp->workers[1]->taken_over - n_before, n_before);
	/* Even: nothing to do. */
	b->dp->load[0].busy = b->dp->load[1].busy = 0.7;
	rows = bench_call(b, "worker.rebalance", NULL);
	ck_assert_uint_eq(json_array_size(rows), 0);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

/* Both work all the time, but one of them cannot keep up with what it is given. */
START_TEST(rebalancing_takes_back_what_found_no_room)
{
	struct bench *b = bench_steered(2);
	json_t *rows;
	size_t n;

	for (unsigned int i = 0; i < 20; i++) {
		send_flows(b);
		while (worker_pass(b->dp->workers[0]) > 0)
			;
	}
	ck_assert_uint_gt(bench_drops(b, "handover_full"), 0);
	bench_run(b);
	bench_discard(b);
	b->dp->load[0].busy = b->dp->load[1].busy = 1.0;
	rows = bench_call(b, "worker.rebalance", NULL);
	n = json_array_size(rows);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, 64);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(json_int_at(json_array_get(rows, i), "to"), 0);
	json_decref(rows);
	/* That was then. */
	rows = bench_call(b, "worker.rebalance", NULL);
	ck_assert_uint_eq(json_array_size(rows), 0);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

/* As if both had been measured for a second: the poller has no time left, the other one has. */
static json_t *rebalance_at(struct bench *b, double rate)
{
	send_flows(b);
	bench_run(b);
	bench_discard(b);
	bench_advance(b, 2 * DP_LOAD_NS / 1000000);
	b->dp->load[0].busy = 1.0;
	b->dp->load[1].busy = 0.7;
	b->dp->load[0].rate = rate;
	return bench_call(b, "worker.rebalance", NULL);
}

static unsigned int buckets_of(const struct bench *b, unsigned int worker)
{
	const struct steer *steer = link_steer(b->dp);
	unsigned int n = 0;

	for (unsigned int i = 0; i < STEER_BUCKETS; i++)
		n += steer->owner[i] == worker;
	return n;
}

/* Returns how many buckets it moved, all of them to that worker. */
static unsigned int moved_to(json_t *rows, int worker)
{
	unsigned int n = (unsigned int)json_array_size(rows);

	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(json_int_at(json_array_get(rows, i), "to"), worker);
	json_decref(rows);
	return n;
}

/* The poller is busy whatever it gives away: what all get done tells whether that was good. */
START_TEST(rebalancing_takes_back_what_made_things_worse)
{
	struct bench *b = bench_steered(2);
	unsigned int had = buckets_of(b, 0), first, next;

	first = moved_to(rebalance_at(b, 1000000), 1);
	ck_assert_uint_gt(first, 1);
	/* Less, but that is noise: on. */
	next = moved_to(rebalance_at(b, 990000), 1);
	ck_assert_uint_gt(next, 0);
	ck_assert_uint_eq(buckets_of(b, 0), had - first - next);
	/* Worse: all that was given away since the best comes back. */
	ck_assert_uint_eq(moved_to(rebalance_at(b, 900000), 0), first + next);
	ck_assert_uint_eq(buckets_of(b, 0), had);
	/* In smaller steps from then on, until a bucket is too much. */
	do {
		first = next;
		next = moved_to(rebalance_at(b, 1000000), 1);
		ck_assert_uint_le(next, first);
		ck_assert_uint_eq(moved_to(rebalance_at(b, next > 0 ? 900000 : 1000000), 0), next);
		ck_assert_uint_eq(buckets_of(b, 0), had);
	} while (next > 0);
	/* A worker with time left: nothing is at its limit, as in the beginning. */
	send_flows(b);
	bench_run(b);
	bench_discard(b);
	b->dp->load[0].busy = 0.9;
	b->dp->load[1].busy = 0.1;
	ck_assert_uint_gt(moved_to(bench_call(b, "worker.rebalance", NULL), 1), 1);
	bench_destroy(b);
}
END_TEST

/* Who takes a little in each pass is always busy, and can do more, if nothing queues up. */
START_TEST(rebalancing_tries_who_is_busy_but_keeps_up)
{
	struct bench *b = bench_steered(2);
	struct handover_queue *queue = b->dp->workers[1]->handover[0];

	json_decref(rebalance_at(b, 1000000));
	send_flows(b);
	bench_run(b);
	bench_discard(b);
	b->dp->load[1].busy = 0.99;
	ck_assert_uint_gt(moved_to(bench_call(b, "worker.rebalance", NULL), 1), 0);
	send_flows(b);
	bench_run(b);
	bench_discard(b);
	queue->taken -= WORKER_HANDOVER_SIZE / 2;
	ck_assert_uint_eq(moved_to(bench_call_only(b, "worker.rebalance", NULL), 1), 0);
	queue->taken += WORKER_HANDOVER_SIZE / 2;
	bench_destroy(b);
}
END_TEST

START_TEST(rebalancing_goes_on_while_more_gets_done)
{
	struct bench *b = bench_steered(2);
	unsigned int had = buckets_of(b, 0), n;

	json_decref(rebalance_at(b, 1000000));
	json_decref(rebalance_at(b, 1100000));
	n = buckets_of(b, 0);
	json_decref(rebalance_at(b, 1200000));
	ck_assert_uint_lt(buckets_of(b, 0), n);
	n = buckets_of(b, 0);
	json_decref(rebalance_at(b, 1300000));
	/* The last step only was for the worse. */
	json_decref(rebalance_at(b, 1000000));
	ck_assert_uint_eq(buckets_of(b, 0), n);
	ck_assert_uint_lt(n, had);
	/* What is told by hand is not taken back. */
	json_decref(rebalance_at(b, 1300000));
	json_decref(bench_call(b, "worker.rebalance", "{\"bucket\": 3, \"worker\": 0}"));
	n = buckets_of(b, 0);
	json_decref(rebalance_at(b, 1000000));
	ck_assert_uint_le(buckets_of(b, 0), n);
	bench_destroy(b);
}
END_TEST

START_TEST(an_owner_that_does_not_run_costs_drops_by_name_only)
{
	struct bench *b = bench_steered(2);
	struct dp_totals totals;
	struct frame frame;
	unsigned int n;

	make_packet(&frame, flow_of_worker_1(), 0);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int k = 0; k < 2500; k++)
			bench_send(b, LAN, &frame);
		while (worker_pass(b->dp->workers[0]) > 0)
			;
	}
	dp_totals(b->dp, &totals);
	ck_assert_int_eq(totals.difference, 0);
	ck_assert_int_eq(totals.stats.held, WORKER_HANDOVER_SIZE);
	ck_assert_uint_eq(bench_drops(b, "handover_full"), 5000 - WORKER_HANDOVER_SIZE);
	/* The wire has room for fewer: taken in between. */
	for (unsigned int i = 0; i < 3; i++) {
		worker_pass(b->dp->workers[1]);
		worker_pass(b->dp->workers[0]);
	}
	n = bench_count(b, WAN);
	bench_run(b);
	ck_assert_uint_eq(n + bench_count(b, WAN), WORKER_HANDOVER_SIZE);
	bench_destroy(b);
}
END_TEST

enum { N_SIZES = 64 };

static void make_sized(struct frame *frame, unsigned int flow, uint16_t payload_len)
{
	frame_ip4(frame, &(struct ip4_spec){ .src = "192.0.2.10",
				 .dst = "8.8.8.8",
				 .proto = flow % 2 ? IPPROTO_TCP : IPPROTO_UDP,
				 .sport = (uint16_t)(2000 + 7 * flow),
				 .dport = 53,
				 .payload_len = payload_len });
}

/* Frames around the size up to which only the bytes are handed over, and larger ones, in turn. */
START_TEST(frames_of_all_sizes_keep_their_bytes_and_their_order)
{
	struct bench *b = bench_steered(2);
	unsigned int flow = flow_of_worker_1();
	struct frame frame;

	for (uint16_t len = 0; len < N_SIZES; len++) {
		make_sized(&frame, flow, len);
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	for (uint16_t len = 0; len < N_SIZES; len++) {
		make_sized(&frame, flow, len);
		frame_forward(&frame, WAN_MAC, PEER_MAC);
		bench_expect_bytes(b, WAN, &frame);
	}
	ck_assert_uint_eq(b->dp->workers[1]->taken_over, N_SIZES);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

enum { N_MBUFS = 2048, N_WAITING = 100 };

START_TEST(frames_wait_in_the_ring_while_their_owner_has_no_buffers)
{
	struct bench *b = bench_create(steered_config, 2, N_MBUFS);
	struct rte_mbuf *all[N_MBUFS + 1];
	unsigned int n = 0;
	struct frame frame;

	bench_discard(b);
	make_packet(&frame, flow_of_worker_1(), 0);
	for (unsigned int i = 0; i < N_WAITING; i++)
		bench_send(b, LAN, &frame);
	while (worker_pass(b->dp->workers[0]) > 0)
		;
	while ((all[n] = rte_pktmbuf_alloc(b->dp->pool)) != NULL)
		n++;
	ck_assert_uint_eq(worker_pass(b->dp->workers[1]), 0);
	ck_assert_uint_eq(handover_count(b->dp->workers[1]->handover[0]), N_WAITING);
	rte_pktmbuf_free_bulk(all, n);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), N_WAITING);
	bench_destroy(b);
}
END_TEST

/* Of all slots ever used only the low 32 bits are counted. */
START_TEST(a_queue_goes_on_when_its_counts_wrap)
{
	struct bench *b = bench_steered(2);

	for (unsigned int to = 0; to < 2; to++) {
		struct handover_queue *queue = b->dp->workers[to]->handover[1 - to];

		queue->written = queue->taken_seen = UINT32_MAX - N_PACKETS;
		queue->published = queue->taken = UINT32_MAX - N_PACKETS;
	}
	send_flows(b);
	bench_run(b);
	expect_flows(b);
	ck_assert_uint_lt(b->dp->workers[1]->handover[0]->written, N_FLOWS * N_PACKETS);
	bench_destroy(b);
}
END_TEST

/* Two workers give a third more than it takes in a pass: it takes from both. */
START_TEST(no_giver_waits_for_another_to_have_nothing)
{
	struct bench *b = bench_steered(3);
	struct worker *taker = b->dp->workers[2];
	struct frame frame;
	unsigned int flow = 0;

	while (flow_bucket(flow) % 3 != 2)
		flow++;
	make_packet(&frame, flow, 0);
	for (unsigned int i = 0; i < 4 * WORKER_HANDOVER_BURST; i++) {
		bench_send(b, LAN, &frame);
		bench_send(b, WAN, &frame);
	}
	for (unsigned int giver = 0; giver < 2; giver++)
		while (worker_pass(b->dp->workers[giver]) > 0)
			;
	ck_assert_uint_eq(handover_count(taker->handover[0]), 4 * WORKER_HANDOVER_BURST);
	ck_assert_uint_eq(handover_count(taker->handover[1]), 4 * WORKER_HANDOVER_BURST);
	ck_assert_uint_eq(worker_pass(taker), WORKER_HANDOVER_BURST);
	ck_assert_uint_eq(worker_pass(taker), WORKER_HANDOVER_BURST);
	ck_assert_uint_eq(worker_pass(taker), WORKER_HANDOVER_BURST);
	ck_assert_uint_lt(handover_count(taker->handover[0]), 4 * WORKER_HANDOVER_BURST);
	ck_assert_uint_lt(handover_count(taker->handover[1]), 4 * WORKER_HANDOVER_BURST);
	bench_run(b);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(one_worker_owns_everything)
{
	struct bench *b = bench_steered(1);
	json_t *rows = bench_call(b, "link.show", "{\"dev\": \"lan\"}");

	ck_assert_str_eq(json_text_at(rows, "0.linkinfo.info_data.steering"), "none");
	json_decref(rows);
	send_flows(b);
	bench_run(b);
	expect_flows(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("steer", PLAIN_TEST(packets_in_the_wrong_queue_reach_their_owner_in_order),
	PLAIN_TEST(what_is_not_ip_stays_where_it_came_in),
	PLAIN_TEST(a_link_that_comes_split_is_left_alone),
	PLAIN_TEST(a_moved_bucket_is_the_other_workers_from_then_on),
	PLAIN_TEST(rebalancing_takes_load_from_the_busiest),
	PLAIN_TEST(rebalancing_takes_back_what_found_no_room),
	PLAIN_TEST(rebalancing_takes_back_what_made_things_worse),
	PLAIN_TEST(rebalancing_tries_who_is_busy_but_keeps_up),
	PLAIN_TEST(rebalancing_goes_on_while_more_gets_done),
	PLAIN_TEST(an_owner_that_does_not_run_costs_drops_by_name_only),
	PLAIN_TEST(frames_of_all_sizes_keep_their_bytes_and_their_order),
	PLAIN_TEST(frames_wait_in_the_ring_while_their_owner_has_no_buffers),
	PLAIN_TEST(a_queue_goes_on_when_its_counts_wrap),
	PLAIN_TEST(no_giver_waits_for_another_to_have_nothing),
	PLAIN_TEST(one_worker_owns_everything))
