/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two workers: links that each polls, packets that one hands to the other, neighbours that both
 * wait for, counters of both; then both on threads of their own, with the control plane changing
 * everything under them.
 *
 *	lan (p0, worker 0)   wan (p1, worker 1)   dmz (p2, worker 0)
 *
 * A ring port has one transmit queue, worker 0's: worker 1 hands over what it wants to send.
 */
#include "kit.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

static struct bench *bench_two(void)
{
	struct bench *b = bench_create(router_config, 2, 8192);

	bench_discard(b);
	return b;
}

static void make_packet(struct frame *frame, unsigned int port, const char *dst, uint16_t number)
{
	static const char *const src[] = { "192.0.2.10", "198.51.100.10", "203.0.113.10" };
	static const char *const src_mac[] = { HOST_MAC, PEER_MAC, DMZ_HOST };
	static const char *const dst_mac[] = { LAN_MAC, WAN_MAC, DMZ_MAC };

	frame_ip4(frame, &(struct ip4_spec){ .src = src[port],
				 .dst = dst,
				 .src_mac = src_mac[port],
				 .dst_mac = dst_mac[port],
				 .payload_len = 20 });
	frame_ip(frame)->packet_id = rte_cpu_to_be_16(number);
	frame_fix_ip(frame);
}

static void send_packet(struct bench *b, unsigned int port, const char *dst, uint16_t number)
{
	struct frame frame;

	make_packet(&frame, port, dst, number);
	bench_send(b, port, &frame);
}

START_TEST(what_another_worker_may_send_is_handed_over_in_order)
{
	struct bench *b = bench_two();
	struct drops drops = drops_take(b);
	struct frame frame;

	for (uint16_t i = 0; i < 1000; i++) {
		send_packet(b, WAN, "192.0.2.10", i);
		send_packet(b, LAN, "8.8.8.8", i);
	}
	bench_run(b);
	for (uint16_t i = 0; i < 1000; i++) {
		make_packet(&frame, WAN, "192.0.2.10", i);
		frame_forward(&frame, LAN_MAC, HOST_MAC);
		bench_expect_bytes(b, LAN, &frame);
		make_packet(&frame, LAN, "8.8.8.8", i);
		frame_forward(&frame, WAN_MAC, PEER_MAC);
		bench_expect_bytes(b, WAN, &frame);
	}
	bench_expect_nothing(b);
	ck_assert_uint_eq(b->dp->workers[0]->stats.rx, 1000);
	ck_assert_uint_eq(b->dp->workers[1]->stats.rx, 1000);
	ck_assert_uint_eq(b->dp->workers[0]->handed_over, 0);
	ck_assert_uint_eq(b->dp->workers[1]->handed_over, 1000);
	ck_assert_uint_eq(b->dp->workers[1]->stats.tx, 0);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_worker_that_does_not_run_costs_drops_by_name_only)
{
	struct bench *b = bench_two();
	struct dp_totals totals;
	unsigned int n;

	for (unsigned int i = 0; i < 2; i++) {
		for (uint16_t k = 0; k < 2500; k++)
			send_packet(b, WAN, "192.0.2.10", k);
		while (worker_pass(b->dp->workers[1]) > 0)
			;
	}
	dp_totals(b->dp, &totals);
	ck_assert_int_eq(totals.difference, 0);
	ck_assert_int_eq(totals.stats.held, WORKER_HANDOVER_SIZE);
	ck_assert_uint_eq(bench_drops(b, "handover_full"), 5000 - WORKER_HANDOVER_SIZE);
	/* The wire has room for fewer: taken in between. */
	worker_pass(b->dp->workers[0]);
	n = bench_count(b, LAN);
	while (worker_pass(b->dp->workers[0]) > 0)
		;
	ck_assert_uint_eq(n + bench_count(b, LAN), WORKER_HANDOVER_SIZE);
	bench_destroy(b);
}
END_TEST

START_TEST(an_answer_releases_the_packets_of_both_workers)
{
	struct bench *b = bench_two();
	struct frame frame;

	for (uint16_t i = 0; i < 5; i++) {
		send_packet(b, LAN, "203.0.113.20", i);
		send_packet(b, WAN, "203.0.113.20", i);
	}
	bench_run(b);
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 5);
	ck_assert_int_eq(b->dp->workers[1]->stats.held, 5);
	ck_assert_uint_eq(bench_count(b, DMZ), 1); /* one question */
	frame_arp(&frame, DMZ_HOST, DMZ_MAC, RTE_ARP_OP_REPLY, DMZ_HOST, "203.0.113.20", DMZ_MAC,
		"203.0.113.1");
	bench_push(b, DMZ, &frame);
	ck_assert_int_eq(b->dp->workers[0]->stats.held, 0);
	ck_assert_int_eq(b->dp->workers[1]->stats.held, 0);
	ck_assert_uint_eq(bench_count(b, DMZ), 10);
	bench_destroy(b);
}
END_TEST

START_TEST(counters_are_those_of_both_workers)
{
	struct bench *b = bench_two();
	struct frame frame;
	json_t *rows;

	for (unsigned int port = LAN; port <= WAN; port++) {
		make_packet(&frame, port, "10.1.1.1", 0);
		frame_ip(&frame)->time_to_live = 1;
		frame_fix_ip(&frame);
		bench_push(b, port, &frame);
		make_packet(&frame, port, "203.0.113.10", 0);
		bench_push(b, port, &frame);
	}
	ck_assert_uint_eq(bench_drops(b, "ip4_ttl_exceeded"), 2);
	rows = bench_call(b, "drop.show", NULL);
	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_int_eq(json_int_at(rows, "0.packets"), 2);
	json_decref(rows);
	rows = bench_call(b, "link.show", "{\"dev\": \"dmz\", \"statistics\": true}");
	ck_assert_int_eq(json_int_at(rows, "0.stats64.tx.packets"), 3); /* announced itself */
	json_decref(rows);
	rows = bench_call(b, "worker.show", NULL);
	ck_assert_uint_eq(json_array_size(rows), 2);
	ck_assert_int_eq(json_int_at(rows, "0.worker"), 0);
	ck_assert_int_eq(json_int_at(rows, "1.worker"), 1);
	ck_assert_int_gt(json_int_at(rows, "1.handed_over"), 0);
	json_decref(rows);
	rows = bench_call(b, "stats.show", NULL);
	ck_assert_int_eq(json_int_at(rows, "rx"), 4);
	ck_assert_int_eq(json_int_at(rows, "difference"), 0);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(a_trace_sees_both_workers)
{
	struct bench *b = bench_two();
	struct client *client = bench_connect(b);
	bool was_seen[2] = { false, false };
	json_t *event;

	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"trace.start\", "
			    "\"params\": {\"count\": 2, \"filter\": \"udp\"}}");
	while (b->dp->workers[0]->trace == NULL || b->dp->workers[1]->trace == NULL) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
	send_packet(b, LAN, "8.8.8.8", 1);
	send_packet(b, WAN, "192.0.2.10", 2);
	for (unsigned int i = 0; i < 2; i++) {
		event = bench_read(b, client);
		ck_assert_str_eq(json_text_at(event, "method"), "trace.start");
		ck_assert_str_eq(json_text_at(event, "params.steps.0.node"), "rx");
		was_seen[json_int_at(event, "params.packet") % 2] = true;
		json_decref(event);
	}
	/* Had the ids of the two workers met, this would have been one. */
	ck_assert(was_seen[0] && was_seen[1]);
	event = bench_read(b, client);
	ck_assert_int_eq(json_int_at(event, "result.packets"), 2);
	json_decref(event);
	bench_run(b);
	ck_assert_ptr_null(b->dp->workers[0]->trace);
	ck_assert_ptr_null(b->dp->workers[1]->trace);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Memory that workers may still see */

static void count_free(void *ptr, uint64_t arg)
{
	*(unsigned int *)ptr += (unsigned int)arg;
}

/* What no worker may do, one of each. */
static void do_forbidden(void *receiver, const struct mail *mail)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	void *volatile block = malloc(1);

	block = realloc(block, 2);
	free(block);
	block = calloc(1, 1);
	free(block);
	rte_free(rte_malloc(NULL, 1, 0));
	rte_free(rte_zmalloc(NULL, 1, 0));
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	log_notice("test", "from a worker");
}

START_TEST(an_allocation_a_lock_and_a_log_line_on_a_worker_are_counted)
{
	struct bench *b = bench_two();
	struct mail mail = { .fn = do_forbidden };

	dp_mail(b->dp, b->dp->workers[0], &mail);
	bench_advance(b, 100);
	ck_assert_uint_eq(b->n_forbidden, 7);
	b->n_forbidden = 0;
	bench_destroy(b);
}
END_TEST

START_TEST(nothing_is_freed_before_every_worker_has_passed_on)
{
	struct bench *b = bench_two();
	struct rte_rcu_qsbr *rcu = b->dp->rcu;
	unsigned int n = 0;

	for (unsigned int i = 0; i < 2; i++) {
		rte_rcu_qsbr_thread_register(rcu, i);
		rte_rcu_qsbr_thread_online(rcu, i);
	}
	bench_advance(b, 100);
	dp_retire(b->dp, count_free, &n, 1);
	for (unsigned int i = 0; i < 2; i++) {
		bench_advance(b, 100);
		ck_assert_uint_eq(n, 0);
		rte_rcu_qsbr_quiescent(rcu, i);
	}
	bench_advance(b, 100);
	ck_assert_uint_eq(n, 1);
	/* One that sleeps holds nobody up. */
	rte_rcu_qsbr_thread_offline(rcu, 1);
	dp_retire(b->dp, count_free, &n, 1);
	bench_advance(b, 100);
	ck_assert_uint_eq(n, 1);
	rte_rcu_qsbr_quiescent(rcu, 0);
	bench_advance(b, 100);
	ck_assert_uint_eq(n, 2);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	for (unsigned int i = 0; i < 2; i++)
		rte_rcu_qsbr_thread_unregister(rcu, i);
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_retired_is_freed_while_threads_run)
{
	struct bench *b = bench_two();
	uint64_t end = rte_rdtsc() + 10 * rte_get_tsc_hz();
	unsigned int n = 0;

	bench_launch(b);
	for (unsigned int i = 0; i < 1000; i++) {
		dp_retire(b->dp, count_free, &n, 1);
		if (i % 10 == 0)
			bench_run(b);
	}
	while (n < 1000) {
		REQUIRE_MSG(rte_rdtsc() < end, "%u of 1000 freed", n);
		bench_run(b);
	}
	bench_join(b);
	bench_destroy(b);
}
END_TEST

/* Threads */

struct flow {
	unsigned int in;
	const char *dst;
	uint64_t n_sent, n_received;
};

struct stress {
	struct bench *b;
	struct flow flows[3];
	unsigned int n_changes;
};

/* What the control plane does meanwhile, one at a time. All of it leaves every flow a way. */
static const struct {
	const char *method, *params;
} changes[] = {
	{ "route.replace", "{\"to\": \"10.0.0.0/8\", \"via\": \"198.51.100.10\"}" },
	{ "route.replace", "{\"to\": \"default\", \"via\": \"203.0.113.10\"}" },
	{ "route.add", "{\"to\": \"8.8.0.0/16\", \"via\": \"198.51.100.10\"}" },
	{ "route.add", "{\"to\": \"8.8.8.8/32\", \"via\": \"203.0.113.10\"}" },
	{ "link.set", "{\"dev\": \"wan\", \"mtu\": 1400}" },
	{ "neigh.replace", "{\"to\": \"198.51.100.10\", \"lladdr\": \"02:ff:ff:ff:ff:fe\", "
			   "\"dev\": \"wan\"}" },
	{ "neigh.add", "{\"to\": \"203.0.113.77\", \"lladdr\": \"02:00:00:00:03:77\", "
		       "\"dev\": \"dmz\"}" },
	{ "addr.add", "{\"local\": \"10.1.1.2/24\", \"dev\": \"lan\"}" },
	{ "addr.add", "{\"local\": \"172.30.0.1/16\", \"dev\": \"dmz\"}" },
	{ "route.add", "{\"to\": \"172.31.0.0/16\", \"via\": \"172.30.0.9\"}" },
	{ "route.add", "{\"to\": \"8.8.8.0/25\", \"type\": \"blackhole\", \"metric\": 5}" },
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"32\"}" },
	/* and back */
	{ "sysctl.set", "{\"name\": \"ipv4.default_ttl\", \"value\": \"64\"}" },
	{ "route.del", "{\"to\": \"8.8.8.0/25\"}" },
	{ "route.del", "{\"to\": \"172.31.0.0/16\"}" },
	{ "addr.del", "{\"local\": \"172.30.0.1/16\", \"dev\": \"dmz\"}" },
	{ "addr.del", "{\"local\": \"10.1.1.2/24\", \"dev\": \"lan\"}" },
	{ "neigh.del", "{\"to\": \"203.0.113.77\", \"dev\": \"dmz\"}" },
	{ "neigh.replace", "{\"to\": \"198.51.100.10\", \"lladdr\": \"" PEER_MAC "\", "
			   "\"dev\": \"wan\"}" },
	{ "link.set", "{\"dev\": \"wan\", \"mtu\": 1500}" },
	{ "route.del", "{\"to\": \"8.8.8.8/32\"}" },
	{ "route.del", "{\"to\": \"8.8.0.0/16\"}" },
	{ "route.replace", "{\"to\": \"default\", \"via\": \"198.51.100.10\"}" },
	{ "route.replace", "{\"to\": \"10.0.0.0/8\", \"via\": \"203.0.113.10\"}" },
};

static void stress_change(struct stress *s)
{
	unsigned int i = s->n_changes++ % RTE_DIM(changes);

	json_decref(bench_call(s->b, changes[i].method, changes[i].params));
}

static void stress_send(struct stress *s)
{
	for (unsigned int i = 0; i < RTE_DIM(s->flows); i++) {
		struct flow *flow = &s->flows[i];

		for (unsigned int k = 0; k < 16 && flow->n_sent - flow->n_received < 500; k++)
			send_packet(s->b, flow->in, flow->dst, (uint16_t)flow->n_sent++);
	}
}

static bool is_known_mac(const struct rte_ether_addr *mac)
{
	static const char *const known[] = { HOST_MAC, PEER_MAC, DMZ_HOST, "02:ff:ff:ff:ff:fe" };
	struct mac_addr addr;

	for (unsigned int i = 0; i < RTE_DIM(known); i++) {
		REQUIRE(mac_addr_parse(known[i], &addr) == 0);
		if (memcmp(&addr, mac, sizeof(addr)) == 0)
			return true;
	}
	return false;
}

static void stress_receive(struct stress *s)
{
	struct frame frame;

	for (unsigned int port = LAN; port <= DMZ; port++) {
		while (bench_receive(s->b, port, &frame)) {
			if (frame_ether(&frame)->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
				continue;
			/* Never half an old and half a new address. */
			REQUIRE(is_known_mac(&frame_ether(&frame)->dst_addr));
			REQUIRE(rte_raw_cksum(frame_ip(&frame), 20) == 0xffff);
			REQUIRE(frame_ip(&frame)->time_to_live == 63);
			for (unsigned int i = 0; i < RTE_DIM(s->flows); i++)
				s->flows[i].n_received +=
					frame_ip(&frame)->dst_addr == ip4_be(s->flows[i].dst);
		}
	}
}

static bool stress_is_done(const struct stress *s)
{
	for (unsigned int i = 0; i < RTE_DIM(s->flows); i++)
		if (s->flows[i].n_received != s->flows[i].n_sent)
			return false;
	return true;
}

START_TEST(no_packet_is_lost_while_everything_changes)
{
	struct stress s = { .b = bench_two(),
		.flows = { { .in = LAN, .dst = "8.8.8.8" }, { .in = WAN, .dst = "192.0.2.10" },
			{ .in = LAN, .dst = "10.1.2.1" } } };
	struct drops drops = drops_take(s.b);
	uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + 2 * hz;

	bench_launch(s.b);
	while (rte_rdtsc() < end || s.n_changes % RTE_DIM(changes) != 0) {
		stress_send(&s);
		stress_change(&s);
		stress_receive(&s);
	}
	for (end += 10 * hz; !stress_is_done(&s) && rte_rdtsc() < end;) {
		bench_run(s.b);
		stress_receive(&s);
	}
	bench_join(s.b);
	drops_expect_none(s.b, &drops);
	for (unsigned int i = 0; i < RTE_DIM(s.flows); i++) {
		ck_assert_uint_eq(s.flows[i].n_received, s.flows[i].n_sent);
		ck_assert_uint_gt(s.flows[i].n_sent, 1000);
	}
	ck_assert_uint_gt(s.n_changes, 100);
	bench_destroy(s.b);
}
END_TEST

START_TEST(threads_stop_at_once_and_leave_nothing_behind)
{
	struct bench *b = bench_two();
	struct frame frame;

	for (unsigned int round = 0; round < 10; round++) {
		bench_launch(b);
		make_packet(&frame, LAN, "8.8.8.8", 1);
		for (unsigned int i = 0; i < 100; i++)
			bench_send(b, LAN, &frame);
		make_packet(&frame, WAN, "192.0.2.10", 1);
		for (unsigned int i = 0; i < 100; i++)
			bench_send(b, WAN, &frame);
		bench_join(b); /* wherever they are */
		bench_run(b);
		bench_discard(b);
	}
	send_packet(b, WAN, "203.0.113.99", 1);
	send_packet(b, LAN, "203.0.113.99", 1);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), 2); /* both were waiting for a neighbour */
}
END_TEST

PACKET_MAIN("workers", PLAIN_TEST(what_another_worker_may_send_is_handed_over_in_order),
	PLAIN_TEST(a_worker_that_does_not_run_costs_drops_by_name_only),
	PLAIN_TEST(an_answer_releases_the_packets_of_both_workers),
	PLAIN_TEST(counters_are_those_of_both_workers), PLAIN_TEST(a_trace_sees_both_workers),
	PLAIN_TEST(an_allocation_a_lock_and_a_log_line_on_a_worker_are_counted),
	PLAIN_TEST(nothing_is_freed_before_every_worker_has_passed_on),
	PLAIN_TEST(what_is_retired_is_freed_while_threads_run),
	PLAIN_TEST(no_packet_is_lost_while_everything_changes),
	PLAIN_TEST(threads_stop_at_once_and_leave_nothing_behind))
