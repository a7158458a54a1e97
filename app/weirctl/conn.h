/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The connection to the daemon: JSON-RPC requests out, answers and notifications in, one object a
 * line. Requests are only queued; conn_recv() writes them while it reads, so that a full pipe in
 * one direction never blocks the other.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct conn_buf {
	char *bytes;
	size_t begin, end; /* what is in use; begin moves on as it is used up */
	size_t size;
};

struct conn {
	int fd;
	int stop_fd;	/* when it is readable, waiting ends; -1: none */
	int timeout_ms; /* of conn_recv(); 0: waits for ever */
	json_int_t last_id;
	size_t n_scanned; /* bytes of in known to hold no newline */
	struct conn_buf in, out;
};

/* 0 or -errno. stop_fd and timeout_ms stay as they are. */
int conn_open(struct conn *conn, const char *path);
void conn_close(struct conn *conn);
/* Queues a request and returns its id. Steals params, which may be NULL. */
json_int_t conn_send(struct conn *conn, const char *method, json_t *params);
/*
 * Waits for the next message. 0 with a new reference, -EPIPE when the daemon has closed the
 * connection, -EBADMSG for what is not a JSON object, -EINTR: stop_fd, -ETIMEDOUT: timeout_ms, or
 * another -errno. After any of these the connection is good for nothing but conn_close().
 */
int conn_recv(struct conn *conn, json_t **out);
/* Is it open, and the daemon still there? For a connection on which nothing is awaited. */
bool conn_is_alive(const struct conn *conn);
