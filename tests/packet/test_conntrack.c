/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The commands and events of connection tracking over the control socket, with hardly a rule: lists and
 * deletions in slices, events that fit and that do not. What is tracked, and what not, is in
 * test_conntrack_limits.c, what packets do to connections in test_flow.c.
 */
#include "kit_conntrack.h"

#include <unistd.h>

#include "base/mem.h"
#include "flow/flow.h"

static void reply_udp(struct bench *b, uint16_t sport, uint16_t dport)
{
	const struct ip4_spec spec = { .src_mac = DMZ_HOST,
		.dst_mac = DMZ_MAC,
		.src = "10.1.2.3",
		.dst = "192.0.2.10",
		.sport = sport,
		.dport = dport };
	struct frame frame;

	frame_ip4(&frame, &spec);
	bench_send(b, DMZ, &frame);
}

/* Lists */

START_TEST(a_connection_is_listed_with_all_that_is_known)
{
	struct bench *b = track_start("1024");
	struct client *client = bench_connect(b);
	json_t *rows, *want;

	track_send_udp(b, "192.0.2.10", 1000, 2000);
	bench_run(b);
	reply_udp(b, 2000, 1000);
	bench_run(b);
	rows = client_call(b, client, "conntrack.list", "{}");
	want = json_loads("[{\"proto\": \"udp\", \"state\": \"NONE\", \"timeout\": 30, "
			  "\"orig\": {\"src\": \"192.0.2.10\", \"dst\": \"10.1.2.3\", "
			  "\"sport\": 1000, \"dport\": 2000, \"packets\": 1, \"bytes\": 28}, "
			  "\"reply\": {\"src\": \"10.1.2.3\", \"dst\": \"192.0.2.10\", "
			  "\"sport\": 2000, \"dport\": 1000, \"packets\": 1, \"bytes\": 28}, "
			  "\"status\": [\"SEEN_REPLY\"], \"mark\": 0, \"namespace\": \"default\", "
			  "\"worker\": 0}]",
		0, NULL);
	ck_assert_msg(json_equal(rows, want), "%s", json_dumps(rows, JSON_SORT_KEYS));
	json_decref(rows);
	json_decref(want);
	client_close(client);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *params;
	size_t n;
} filters[] = {
	{ "{}", 5 },
	{ "{\"proto\": \"udp\"}", 2 },
	{ "{\"proto\": \"17\"}", 2 },
	{ "{\"proto\": \"tcp\"}", 2 },
	{ "{\"proto\": \"icmp\"}", 1 },
	{ "{\"proto\": \"icmpv6\"}", 0 },
	{ "{\"src\": \"192.0.2.10\"}", 4 },
	{ "{\"src\": \"192.0.2.8/29\"}", 4 },
	{ "{\"src\": \"192.0.2.0/28\"}", 5 },
	{ "{\"src\": \"10.1.2.3\"}", 0 },
	{ "{\"dst\": \"10.0.0.0/8\"}", 5 },
	{ "{\"dst\": \"2001:db8::/32\"}", 0 },
	{ "{\"sport\": 1000}", 1 },
	{ "{\"sport\": 0}", 0 },
	{ "{\"dport\": 80}", 2 },
	{ "{\"dport\": 80, \"sport\": 5000}", 1 },
	{ "{\"reply_src\": \"10.1.2.3\", \"reply_sport\": 2000}", 2 },
	{ "{\"reply_dst\": \"192.0.2.2\"}", 1 },
	{ "{\"reply_dport\": 5001}", 1 },
	{ "{\"state\": \"ESTABLISHED\"}", 1 },
	{ "{\"state\": \"SYN_SENT\"}", 1 },
	{ "{\"status\": \"ASSURED\"}", 1 },
	{ "{\"status\": \"UNREPLIED\"}", 4 },
	{ "{\"status\": \"SRC_NAT\"}", 0 },
	{ "{\"mark\": 0}", 5 },
	{ "{\"mark\": 1}", 0 },
	{ "{\"family\": \"inet\"}", 5 },
	{ "{\"family\": \"inet6\"}", 0 },
};

START_TEST(filters_choose_what_they_say)
{
	const struct ip4_spec echo = { .src = "192.0.2.10",
		.dst = "10.1.2.3",
		.proto = IPPROTO_ICMP,
		.icmp_type = RTE_IP_ICMP_ECHO_REQUEST };
	struct bench *b = track_start("1024");
	struct client *client = bench_connect(b);
	struct frame frame;

	track_establish(b, 5000);
	track_send_tcp(b, false, 5001, RTE_TCP_SYN_FLAG, 100, 0);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	track_send_udp(b, "192.0.2.2", 1001, 2000);
	frame_ip4(&frame, &echo);
	bench_send(b, LAN, &frame);
	bench_run(b);
	bench_discard(b);
	for (unsigned int i = 0; i < RTE_DIM(filters); i++) {
		size_t n = track_count(b, client, filters[i].params);

		ck_assert_msg(n == filters[i].n, "%s: %zu", filters[i].params, n);
	}
	bench_expect_error(b, "conntrack.list", "{\"proto\": \"nil\"}", "proto");
	bench_expect_error(b, "conntrack.list", "{\"proto\": \"256\"}", "proto");
	bench_expect_error(b, "conntrack.list", "{\"state\": \"OPEN\"}", "state");
	bench_expect_error(b, "conntrack.list", "{\"sport\": 65536}", "sport");
	/* Nobody can wait here for what a worker has to tell. */
	bench_expect_error(b, "conntrack.list", "{}", "needs a connection");
	client_close(client);
	bench_destroy(b);
}
END_TEST

enum { N_MANY = 10000 };

/* Reads the answer to the end: its rows' original source ports, and how often each was there. */
static unsigned int read_ports(struct bench *b, struct client *client, uint8_t *seen)
{
	uint64_t end = rte_rdtsc() + 60 * rte_get_tsc_hz();
	size_t len = client->len, size = 8 << 20, i;
	char *text = mem_zalloc(size);
	json_t *json, *row;

	memcpy(text, client->buf, len);
	while (len == 0 || text[len - 1] != '\n') {
		ssize_t n = read(client->fd, text + len, RTE_MIN(size - len, (size_t)16384));

		len += n > 0 ? (size_t)n : 0;
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
		ck_assert(rte_rdtsc() < end);
	}
	json = json_loadb(text, len, 0, NULL);
	ck_assert(json != NULL);
	json_array_foreach(json_object_get(json, "result"), i, row)
		seen[json_int_at(row, "orig.sport")]++;
	i = json_array_size(json_object_get(json, "result"));
	json_decref(json);
	free(text);
	return (unsigned int)i;
}

static void expect_each_once(const uint8_t *seen)
{
	for (unsigned int i = 0; i < N_MANY; i++)
		ck_assert_uint_eq(seen[10000 + i], 1);
}

START_TEST(ten_thousand_are_listed_once_each)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);
	uint8_t *seen = mem_zalloc(1 << 16);

	track_send_many(b, 10000, N_MANY);
	client_ask(client, "conntrack.list", "{}");
	ck_assert_uint_eq(read_ports(b, client, seen), N_MANY);
	expect_each_once(seen);
	free(seen);
	client_close(client);
	bench_destroy(b);
}
END_TEST

static void turn(struct bench *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
}

START_TEST(a_list_is_made_no_faster_than_it_is_read)
{
	struct bench *b = track_start("32768");
	struct client *client = bench_connect(b);
	uint8_t *seen = mem_zalloc(1 << 16);
	unsigned int n;

	track_send_many(b, 10000, N_MANY);
	track_send_many(b, 20000, N_MANY);
	client_ask(client, "conntrack.list", "{}");
	turn(b, 500);
	/* All end; what has not been asked for yet is not there to be shown. */
	bench_advance(b, 45000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	n = read_ports(b, client, seen);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_lt(n, 2 * N_MANY - 1000);
	free(seen);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_client_that_goes_away_ends_its_list)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);

	track_send_many(b, 10000, N_MANY);
	client_ask(client, "conntrack.list", "{}");
	/* It has asked a worker and waits; the bench's run would answer. */
	event_base_loop(b->events, EVLOOP_NONBLOCK);
	client_close(client);
	turn(b, 20);
	ck_assert_uint_eq(flow_n_tracked(b->dp), N_MANY);
	bench_destroy(b);
}
END_TEST

/* Deletions */

START_TEST(what_matches_is_deleted_and_counted)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);
	json_t *result;

	track_send_many(b, 10000, 3000);
	ck_assert_int_eq(track_del(b, client, "{\"sport\": 10007}"), 1);
	ck_assert_int_eq(track_del(b, client, "{\"sport\": 10007}"), 0);
	ck_assert_int_eq(track_del(b, client, "{\"proto\": \"tcp\"}"), 0);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 2999);
	result = client_call(b, client, "conntrack.flush", "{}");
	ck_assert_int_eq(json_int_at(result, "deleted"), 2999);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	json_decref(result);
	bench_expect_error(b, "conntrack.del", "{}", "needs a filter");
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(connections_are_deleted_while_packets_come)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);
	struct drops before = drops_take(b);
	json_t *result;

	track_send_many(b, 10000, 3000);
	/* One after the other, both are answered. */
	client_ask(client, "conntrack.flush", "{}");
	client_ask(client, "conntrack.del", "{\"proto\": \"udp\"}");
	for (unsigned int i = 0; i < 30; i++) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		track_send_many(b, 10000 + 100 * i, 100);
	}
	result = client_answer(b, client);
	ck_assert_int_ge(json_int_at(result, "deleted"), 3000 - 100);
	json_decref(result);
	json_decref(client_answer(b, client));
	ck_assert_int_eq(
		track_stat(b, "insert"), track_stat(b, "deleted") + track_stat(b, "entries"));
	drops_expect_none(b, &before);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_deletion_whose_client_is_gone_lets_the_next_one_run)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);

	track_send_many(b, 10000, 3000);
	client_ask(client, "conntrack.flush", "{}");
	client_ask(client, "conntrack.flush", "{}");
	event_base_loop(b->events, EVLOOP_NONBLOCK);
	client_close(client);
	turn(b, 50);
	ck_assert_int_eq(
		track_stat(b, "insert"), track_stat(b, "deleted") + track_stat(b, "entries"));
	bench_destroy(b);
}
END_TEST

/* Events */

static json_t *next_event(struct bench *b, struct client *client)
{
	json_t *message = bench_read(b, client), *event = json_object_get(message, "params");

	ck_assert(event != NULL);
	json_incref(event);
	json_decref(message);
	return event;
}

static void expect_event(
	struct bench *b, struct client *client, const char *event, int64_t sport, const char *text)
{
	json_t *row = next_event(b, client);

	ck_assert_str_eq(json_text_at(row, "event"), event);
	ck_assert_int_eq(json_int_at(row, "orig.sport"), sport);
	ck_assert_str_eq(json_text_at(row, "text"), text);
	json_decref(row);
}

START_TEST(who_asks_hears_of_new_and_ended_connections)
{
	struct bench *b = track_start("1024");
	struct client *client = bench_connect(b);

	client_ask(client, "monitor.start", "{\"conntrack\": true, \"text\": true}");
	turn(b, 5);
	track_send_udp(b, "192.0.2.10", 1000, 2000);
	expect_event(b, client, "NEW", 1000,
		"    [NEW] udp      17 30 src=192.0.2.10 dst=10.1.2.3 sport=1000 dport=2000 "
		"[UNREPLIED] src=10.1.2.3 dst=192.0.2.10 sport=2000 dport=1000");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 1400}"));
	bench_advance(b, 31000);
	expect_event(b, client, "DESTROY", 1000,
		"[DESTROY] udp      17 src=192.0.2.10 dst=10.1.2.3 sport=1000 dport=2000 packets=1 "
		"bytes=28 [UNREPLIED] src=10.1.2.3 dst=192.0.2.10 sport=2000 dport=1000 packets=0 "
		"bytes=0");
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(who_does_not_ask_hears_of_no_connection)
{
	struct bench *b = track_start("1024");
	struct client *client = bench_connect(b);
	json_t *event;

	client_ask(client, "monitor.start", "{}");
	turn(b, 5);
	track_send_many(b, 10000, 10);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 1400}"));
	event = next_event(b, client);
	ck_assert_str_eq(json_text_at(event, "ifname"), "lan");
	json_decref(event);
	ck_assert_int_eq(track_stat(b, "events_lost"), 0);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Without the control plane: nobody takes events away. */
static void send_many_unheard(struct bench *b, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		track_send_udp(b, "192.0.2.10", (uint16_t)(first + i), 2000);
		if (i % 1024 != 1023 && i != n - 1)
			continue;
		while (worker_pass(b->dp->workers[0]) > 0)
			;
		bench_discard(b);
	}
}

START_TEST(events_that_find_no_room_are_counted_and_told)
{
	struct bench *b = track_start("16384");
	struct client *client = bench_connect(b);
	int64_t n_told = 0, n_lost = 0;

	client_ask(client, "monitor.start", "{\"conntrack\": true}");
	turn(b, 5);
	send_many_unheard(b, 10000, N_MANY);
	ck_assert_uint_eq(flow_n_tracked(b->dp), N_MANY);
	while (n_told + n_lost < N_MANY) {
		json_t *event = next_event(b, client);

		if (json_object_get(event, "lost") != NULL)
			n_lost += json_int_at(event, "lost");
		else
			n_told++;
		json_decref(event);
	}
	ck_assert_int_gt(n_told, 1000);
	ck_assert_int_gt(n_lost, 1000);
	ck_assert_int_eq(n_told + n_lost, N_MANY);
	/* More may be left out for a reader that is behind. */
	ck_assert_int_gt(track_stat(b, "events_lost"), 1000);
	ck_assert_int_le(track_stat(b, "events_lost"), n_lost);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_listener_that_does_not_read_is_not_cut_off)
{
	struct bench *b = track_start("65536");
	struct client *client = bench_connect(b);
	int64_t n_told = 0, n_lost = 0;

	client_ask(client, "monitor.start", "{\"conntrack\": true, \"text\": true}");
	turn(b, 5);
	for (unsigned int i = 0; i < 3; i++) {
		track_send_many(b, 10000 + i * N_MANY, N_MANY);
		turn(b, 20);
	}
	while (n_told + n_lost < 3 * N_MANY) {
		json_t *event = next_event(b, client);

		if (json_object_get(event, "lost") != NULL)
			n_lost += json_int_at(event, "lost");
		else
			n_told++;
		json_decref(event);
	}
	ck_assert_int_eq(n_told + n_lost, 3 * N_MANY);
	ck_assert_int_gt(n_lost, 0);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Several workers, on threads of their own */

/* The queue of wan is the second worker's. */
static void send_from_wan(struct bench *b, uint16_t sport)
{
	const struct ip4_spec spec = { .src_mac = PEER_MAC,
		.dst_mac = WAN_MAC,
		.src = "198.51.100.10",
		.dst = "10.1.2.3",
		.sport = sport };
	struct frame frame;

	frame_ip4(&frame, &spec);
	bench_send(b, WAN, &frame);
}

START_TEST(the_tables_of_all_workers_are_listed_and_emptied)
{
	struct bench *b = bench_create(router_config, 2, 16384);
	struct client *client = bench_connect(b);
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();
	uint8_t *seen = mem_zalloc(1 << 16);
	json_t *result;
	int64_t n = 0;

	bench_sysctl(b, "conntrack.max", "8192");
	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	bench_launch(b);
	/* The clock is another one from here on. */
	bench_run(b);
	for (uint16_t i = 0; i < 1000; i++) {
		track_send_udp(b, "192.0.2.10", 10000 + i, 2000);
		send_from_wan(b, 11000 + i);
	}
	while (flow_n_tracked(b->dp) < 2000) {
		ck_assert(rte_rdtsc() < end);
		bench_run(b);
	}
	for (unsigned int i = 0; i < 2; i++) {
		char params[64];

		result = bench_call(b, "conntrack.stats", NULL);
		snprintf(params, sizeof(params), "%u.entries", i);
		ck_assert_int_gt(json_int_at(result, params), 0);
		n += json_int_at(result, params);
		json_decref(result);
	}
	ck_assert_int_eq(n, 2000);
	client_ask(client, "conntrack.list", "{}");
	ck_assert_uint_eq(read_ports(b, client, seen), 2000);
	for (unsigned int i = 0; i < 2000; i++)
		ck_assert_uint_eq(seen[10000 + i], 1);
	result = client_call(b, client, "conntrack.flush", "{}");
	ck_assert_int_eq(json_int_at(result, "deleted"), 2000);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 0);
	json_decref(result);
	free(seen);
	client_close(client);
	bench_join(b);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("conntrack", PLAIN_TEST(a_connection_is_listed_with_all_that_is_known),
	PLAIN_TEST(filters_choose_what_they_say), PLAIN_TEST(ten_thousand_are_listed_once_each),
	PLAIN_TEST(a_list_is_made_no_faster_than_it_is_read),
	PLAIN_TEST(a_client_that_goes_away_ends_its_list),
	PLAIN_TEST(what_matches_is_deleted_and_counted),
	PLAIN_TEST(connections_are_deleted_while_packets_come),
	PLAIN_TEST(a_deletion_whose_client_is_gone_lets_the_next_one_run),
	PLAIN_TEST(who_asks_hears_of_new_and_ended_connections),
	PLAIN_TEST(who_does_not_ask_hears_of_no_connection),
	PLAIN_TEST(events_that_find_no_room_are_counted_and_told),
	PLAIN_TEST(a_listener_that_does_not_read_is_not_cut_off),
	PLAIN_TEST(the_tables_of_all_workers_are_listed_and_emptied))
