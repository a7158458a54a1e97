/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A client of the control socket that does just what it is told, for the tests of lib/ctl. */
#include "ctl_fixture.h"

struct peer {
	int fd;
	char *buf;
	size_t len, size;
};

static inline void address_of(const char *path, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
}

static inline struct peer peer_open(const struct server *server)
{
	const struct timeval patience = { 30, 0 };
	struct peer peer = { .fd = socket(AF_UNIX, SOCK_STREAM, 0), .buf = malloc(1) };
	struct sockaddr_un sun;

	address_of(server->path, &sun);
	ck_assert_int_eq(connect(peer.fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return peer;
}

static inline void peer_close(struct peer *peer)
{
	close(peer->fd);
	free(peer->buf);
}

static inline void peer_send(struct peer *peer, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(peer->fd, text, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		text += n;
		len -= (size_t)n;
	}
}

/* The next line as JSON, or NULL at the end of the connection. */
static inline json_t *peer_recv(struct peer *peer)
{
	size_t scanned = 0;

	for (;;) {
		char *newline = memchr(peer->buf + scanned, '\n', peer->len - scanned);
		json_t *json;
		ssize_t n;

		if (newline != NULL) {
			size_t len = (size_t)(newline - peer->buf) + 1;

			json = json_loadb(peer->buf, len, 0, NULL);
			ck_assert_ptr_nonnull(json);
			memmove(peer->buf, peer->buf + len, peer->len - len);
			peer->len -= len;
			return json;
		}
		scanned = peer->len;
		if (peer->size - peer->len < 65536) {
			peer->size = 2 * peer->size + 65536;
			peer->buf = realloc(peer->buf, peer->size);
		}
		n = recv(peer->fd, peer->buf + peer->len, 65536, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		ck_assert_msg(n > 0, "no answer: %s", strerror(errno));
		peer->len += (size_t)n;
	}
}

static inline void peer_request(struct peer *peer, int id, const char *method, const char *params)
{
	char line[512];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}\n", id, method,
		params);
	peer_send(peer, line, strlen(line));
}

static inline json_int_t answer_id(const json_t *answer)
{
	return json_integer_value(json_object_get(answer, "id"));
}

static inline json_int_t answer_code(const json_t *answer)
{
	return json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

static inline json_int_t answer_errno(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	return json_integer_value(json_object_get(json_object_get(error, "data"), "errno"));
}

/* One request on an open connection, and its answer. */
static inline json_t *peer_ask(struct peer *peer, int id, const char *method, const char *params)
{
	json_t *answer;

	peer_request(peer, id, method, params);
	answer = peer_recv(peer);
	ck_assert_ptr_nonnull(answer);
	ck_assert_int_eq(answer_id(answer), id);
	return answer;
}

static inline json_int_t slow_state_of(struct peer *peer, const char *key)
{
	json_t *answer = peer_ask(peer, 4711, "slow.state", "{}");
	json_int_t value =
		json_integer_value(json_object_get(json_object_get(answer, "result"), key));

	json_decref(answer);
	return value;
}

/* Asks again until the state is as it should be; the test's own time limit ends it otherwise. */
static inline void wait_for_state(struct peer *peer, const char *key, json_int_t want)
{
	while (slow_state_of(peer, key) != want)
		poll(NULL, 0, 2);
}
