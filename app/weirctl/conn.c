/* SPDX-License-Identifier: BSD-3-Clause */

/* See conn.h. Plain poll(2) on one socket; the program is single-threaded. */
#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_BYTES = 64 << 10 };

int conn_open(struct conn *conn, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int err;

	*conn = (struct conn){ .fd = -1, .stop_fd = conn->stop_fd, .timeout_ms = conn->timeout_ms };
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return -errno;
	if (connect(conn->fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return 0;
	err = -errno;
	conn_close(conn);
	return err;
}

void conn_close(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	free(conn->in.bytes);
	free(conn->out.bytes);
	conn->in = conn->out = (struct conn_buf){ 0 };
}

/* Room for len more bytes at the end; what was used up at the front is given back first. */
static char *buf_room(struct conn_buf *buf, size_t len)
{
	if (buf->begin == buf->end)
		buf->begin = buf->end = 0;
	if (buf->size - buf->end < len && buf->begin > buf->size / 2) {
		memmove(buf->bytes, buf->bytes + buf->begin, buf->end - buf->begin);
		buf->end -= buf->begin;
		buf->begin = 0;
	}
	if (buf->size - buf->end < len) {
		buf->size = 2 * buf->size + len;
		buf->bytes = mem_realloc(buf->bytes, buf->size, 1);
	}
	return buf->bytes + buf->end;
}

json_int_t conn_send(struct conn *conn, const char *method, json_t *params)
{
	json_t *request = json_object();
	char *text;
	size_t len;

	json_object_set_new(request, "jsonrpc", json_string("2.0"));
	json_object_set_new(request, "id", json_integer(++conn->last_id));
	json_object_set_new(request, "method", json_string(method));
	if (params != NULL)
		json_object_set_new(request, "params", params);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	len = strlen(text);
	memcpy(buf_room(&conn->out, len + 1), text, len);
	conn->out.end += len + 1;
	conn->out.bytes[conn->out.end - 1] = '\n';
	free(text);
	return conn->last_id;
}

/* Takes one complete line from what has been read. 1: done, 0: there is none yet. */
static int conn_take(struct conn *conn, json_t **out)
{
	struct conn_buf *in = &conn->in;
	size_t len = in->end - in->begin;
	char *begin, *newline;

	if (len == conn->n_scanned)
		return 0;
	begin = in->bytes + in->begin;
	newline = memchr(begin + conn->n_scanned, '\n', len - conn->n_scanned);
	if (newline == NULL) {
		conn->n_scanned = len;
		return 0;
	}
	*out = json_loadb(begin, (size_t)(newline - begin), 0, NULL);
	in->begin += (size_t)(newline - begin) + 1;
	conn->n_scanned = 0;
	if (json_is_object(*out))
		return 1;
	json_decref(*out);
	return -EBADMSG;
}

static int conn_write(struct conn *conn)
{
	struct conn_buf *out = &conn->out;
	ssize_t n = send(conn->fd, out->bytes + out->begin, out->end - out->begin,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		out->begin += (size_t)n;
	else if (errno == EPIPE)
		out->begin = out->end; /* its last words may still be there to be read */
	else if (errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

static int conn_read(struct conn *conn)
{
	ssize_t n = recv(conn->fd, buf_room(&conn->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	conn->in.end += (size_t)n;
	return 0;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for the socket, writes and reads what is possible. */
static int conn_turn(struct conn *conn, int timeout_ms)
{
	struct pollfd pfds[] = {
		{ .fd = conn->fd,
			.events = POLLIN | (conn->out.begin < conn->out.end ? POLLOUT : 0) },
		{ .fd = conn->stop_fd, .events = POLLIN },
	};
	int n = poll(pfds, 2, timeout_ms), err = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (pfds[1].revents != 0)
		return -EINTR;
	if ((pfds[0].revents & POLLOUT) != 0)
		err = conn_write(conn);
	if (err == 0 && (pfds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		err = conn_read(conn);
	return err;
}

int conn_recv(struct conn *conn, json_t **out)
{
	long end_ms = now_ms() + conn->timeout_ms;

	if (conn->fd < 0)
		return -ENOTCONN;
	for (;;) {
		long left_ms = end_ms - now_ms();
		int err = conn_take(conn, out);

		if (err != 0)
			return err < 0 ? err : 0;
		left_ms = left_ms < 0 ? 0 : left_ms;
		err = conn_turn(conn, conn->timeout_ms == 0 ? -1 : (int)left_ms);
		if (err < 0)
			return err;
	}
}

bool conn_is_alive(const struct conn *conn)
{
	char byte;

	if (conn->fd < 0)
		return false;
	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}
