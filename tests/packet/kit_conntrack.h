/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of connection tracking share on top of kit.h: the router with tracking on, packets of
 * connections between lan and 10.1.2.3 behind dmz, and what the control socket says of them.
 */
#include "kit.h"

/* max: of connections. */
struct bench *track_start(const char *max);

/* A packet each; bench_run() lets it happen. is_reply: from 10.1.2.3, port 80. */
void track_send_udp(struct bench *b, const char *src, uint16_t sport, uint16_t dport);
void track_send_tcp(
	struct bench *b, bool is_reply, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack);
/* n of UDP from ports first, first + 1, ...; whatever leaves is thrown away. */
void track_send_many(struct bench *b, unsigned int first, unsigned int n);
/* A TCP connection from this port, its handshake done. */
void track_establish(struct bench *b, uint16_t port);

/* A question, its answer's result (new reference), and both together. */
void client_ask(struct client *client, const char *method, const char *params);
json_t *client_answer(struct bench *b, struct client *client);
json_t *client_call(struct bench *b, struct client *client, const char *method, const char *params);

/* How many connections a filter lists, and how many it deletes. */
size_t track_count(struct bench *b, struct client *client, const char *params);
int64_t track_del(struct bench *b, struct client *client, const char *params);
/* A counter of the first worker's. */
int64_t track_stat(struct bench *b, const char *key);
