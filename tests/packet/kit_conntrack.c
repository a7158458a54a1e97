/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections and questions about them. See kit_conntrack.h. */
#include "kit_conntrack.h"

#include "flow/flow.h"

struct bench *track_start(const char *max)
{
	struct bench *b = bench_start(router_config);

	bench_sysctl(b, "conntrack.max", max);
	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	return b;
}

void track_send_udp(struct bench *b, const char *src, uint16_t sport, uint16_t dport)
{
	const struct ip4_spec spec = {
		.src = src, .dst = "10.1.2.3", .sport = sport, .dport = dport
	};
	struct frame frame;

	frame_ip4(&frame, &spec);
	bench_send(b, LAN, &frame);
}

void track_send_many(struct bench *b, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		track_send_udp(b, "192.0.2.10", (uint16_t)(first + i), 2000);
		if (i % 1024 == 1023 || i == n - 1) {
			bench_run(b);
			bench_discard(b);
		}
	}
}

void track_send_tcp(
	struct bench *b, bool is_reply, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack)
{
	const struct ip4_spec there = { .src = "192.0.2.10",
		.dst = "10.1.2.3",
		.proto = IPPROTO_TCP,
		.sport = port,
		.dport = 80 };
	const struct ip4_spec back = { .src_mac = DMZ_HOST,
		.dst_mac = DMZ_MAC,
		.src = "10.1.2.3",
		.dst = "192.0.2.10",
		.proto = IPPROTO_TCP,
		.sport = 80,
		.dport = port };
	struct rte_tcp_hdr *tcp;
	struct frame frame;

	frame_ip4(&frame, is_reply ? &back : &there);
	tcp = (struct rte_tcp_hdr *)(void *)frame_l4(&frame);
	tcp->tcp_flags = flags;
	tcp->sent_seq = rte_cpu_to_be_32(seq);
	tcp->recv_ack = rte_cpu_to_be_32(ack);
	tcp->rx_win = rte_cpu_to_be_16(8192);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(frame_ip(&frame), tcp);
	bench_send(b, is_reply ? DMZ : LAN, &frame);
}

void track_establish(struct bench *b, uint16_t port)
{
	track_send_tcp(b, false, port, RTE_TCP_SYN_FLAG, 100, 0);
	bench_run(b);
	track_send_tcp(b, true, port, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 900, 101);
	bench_run(b);
	track_send_tcp(b, false, port, RTE_TCP_ACK_FLAG, 101, 901);
	bench_run(b);
	bench_discard(b);
}

void client_ask(struct client *client, const char *method, const char *params)
{
	char line[512];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}", method,
		params);
	bench_write(client, line);
}

json_t *client_answer(struct bench *b, struct client *client)
{
	json_t *message = bench_read(b, client), *result = json_object_get(message, "result");

	ck_assert_msg(result != NULL, "%s", json_text_at(message, "error.message"));
	json_incref(result);
	json_decref(message);
	return result;
}

json_t *client_call(struct bench *b, struct client *client, const char *method, const char *params)
{
	client_ask(client, method, params);
	return client_answer(b, client);
}

size_t track_count(struct bench *b, struct client *client, const char *params)
{
	json_t *rows = client_call(b, client, "conntrack.list", params);
	size_t n = json_array_size(rows);

	json_decref(rows);
	return n;
}

int64_t track_del(struct bench *b, struct client *client, const char *params)
{
	json_t *result = client_call(b, client, "conntrack.del", params);
	int64_t n = json_int_at(result, "deleted");

	json_decref(result);
	return n;
}

int64_t track_stat(struct bench *b, const char *key)
{
	json_t *rows = bench_call(b, "conntrack.stats", NULL);
	char path[64];
	int64_t value;

	snprintf(path, sizeof(path), "0.%s", key);
	value = json_int_at(rows, path);
	json_decref(rows);
	return value;
}
