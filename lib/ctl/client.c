/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One connection: bytes in, lines served, answers out, and its end.
 *
 * Input is read up to one line of the longest allowed; more stays in the kernel, so a client that
 * is not served (its output is not read, its calls are unfinished) is slowed down, not buffered.
 * Answers go to the output buffer at once while little waits there; else they queue, and a long
 * array is printed row by row as the client reads it. Notifications of a stream cannot wait for
 * the reader: a client that lets CTL_EVENTS_MAX bytes pile up is cut off.
 *
 * A client that only closed its sending side (`echo ... | socat`) still gets its answers; one
 * that is gone has what it had sent executed, without answers. It is destroyed only in its own
 * turn, from the tick or with the whole, never while a command runs. Control thread only.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ctl/ctl_priv.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

static struct evbuffer *client_input(const struct client *client)
{
	return bufferevent_get_input(client->bev);
}

static size_t client_output_len(const struct client *client)
{
	return client->is_deaf ? 0 : evbuffer_get_length(bufferevent_get_output(client->bev));
}

void client_mark_ready(struct client *client)
{
	const struct timeval at_once = { 0, 0 };
	struct ctl *ctl = client->ctl;

	if (client->is_ready)
		return;
	client->is_ready = true;
	TAILQ_INSERT_TAIL(&ctl->ready, client, ready_link);
	if (ctl->n_ready++ == 0)
		event_add(ctl->turn, &at_once);
}

/* Answers */

static void answer_pop(struct client *client)
{
	struct answer *answer = STAILQ_FIRST(&client->answers);

	STAILQ_REMOVE_HEAD(&client->answers, link);
	if (answer->text != NULL)
		client->n_waiting -= strlen(answer->text);
	free(answer->text);
	json_decref(answer->rows);
	if (answer->source != NULL)
		answer->source->destroy(answer->source);
	free(answer);
}

static void answers_drop(struct client *client)
{
	while (!STAILQ_EMPTY(&client->answers))
		answer_pop(client);
}

static void client_cut(struct client *client)
{
	client->is_deaf = true;
	client->is_doomed = true;
	client_mark_ready(client);
}

static void client_write(struct client *client, const char *text, size_t len)
{
	if (!client->is_deaf && bufferevent_write(client->bev, text, len) < 0)
		client_cut(client);
}

static void answer_write_row(struct client *client, struct answer *answer, const json_t *row)
{
	char *text = json_dumps(row, DUMP_FLAGS);

	if (answer->next_row > 0)
		client_write(client, ",", 1);
	if (text != NULL)
		client_write(client, text, strlen(text));
	free(text);
}

/* Prints rows as they are made. True when there are no more. */
static bool answer_write_source(struct client *client, struct answer *answer)
{
	size_t end = answer->next_row + CTL_ROWS_SLICE;

	for (; answer->next_row < end; answer->next_row++) {
		bool is_busy = false;
		json_t *row = answer->source->next(answer->source, &is_busy);

		if (row == NULL && is_busy)
			return false;
		if (row == NULL) {
			client_write(client, "]}\n", 3);
			return true;
		}
		answer_write_row(client, answer, row);
		json_decref(row);
	}
	return false;
}

/* Prints the next rows of a long array. True when it is complete. */
static bool answer_write_rows(struct client *client, struct answer *answer)
{
	size_t end = answer->next_row + CTL_ROWS_SLICE, n = json_array_size(answer->rows);

	for (; answer->next_row < n && answer->next_row < end; answer->next_row++) {
		answer_write_row(client, answer, json_array_get(answer->rows, answer->next_row));
		/* Freed as it goes: a million rows at once would take too long at the end. */
		if (answer->rows->refcount == 1)
			json_array_set_new(answer->rows, answer->next_row, json_null());
	}
	if (answer->next_row < n)
		return false;
	client_write(client, "]}\n", 3);
	return true;
}

/* Moves queued answers to the output as far as the reader keeps up; one slice of rows a turn. */
static void answers_flush(struct client *client)
{
	struct answer *answer;

	while ((answer = STAILQ_FIRST(&client->answers)) != NULL &&
		client_output_len(client) < CTL_BACKLOG_PAUSE) {
		if (answer->text != NULL) {
			client_write(client, answer->text, strlen(answer->text));
			client->n_waiting -= strlen(answer->text);
			free(answer->text);
			answer->text = NULL;
		}
		if (answer->rows != NULL && !answer_write_rows(client, answer))
			return;
		if (answer->source != NULL && !answer_write_source(client, answer))
			return;
		answer_pop(client);
	}
}

/* Is there more to print, and room for it, and nobody else to wait for? */
static bool answers_may_go_on(const struct client *client)
{
	const struct answer *answer = STAILQ_FIRST(&client->answers);

	if (answer == NULL || client_output_len(client) >= CTL_BACKLOG_PAUSE)
		return false;
	return answer->source == NULL || !answer->source->is_waiting;
}

/* The text of a message; if its result is long, up to and with the '[': rows come later. */
static char *answer_head(json_t *message, struct answer *answer)
{
	json_t *result = json_object_get(message, "result");
	char *text;

	if (answer->source == NULL && json_array_size(result) <= CTL_ROWS_SLICE)
		return json_dumps(message, DUMP_FLAGS);
	if (answer->source == NULL)
		answer->rows = json_incref(result);
	json_object_set_new(message, "result", json_array());
	text = json_dumps(message, DUMP_FLAGS);
	/* The result is the last member: "...,"result":[]}". */
	if (text != NULL)
		text[strlen(text) - 2] = '\0';
	return text;
}

/* Beyond backlog_max the client is cut off. Steals message. */
static void client_queue(struct client *client, json_t *message, size_t backlog_max)
{
	struct answer *answer = mem_zalloc(sizeof(*answer));
	char *text = NULL;

	answer->source = client->rows;
	client->rows = NULL;
	if (answer->source != NULL)
		answer->source->reader = client;
	if (!client->is_deaf)
		text = answer_head(message, answer);
	json_decref(message);
	if (text == NULL) {
		json_decref(answer->rows);
		if (answer->source != NULL)
			answer->source->destroy(answer->source);
		free(answer);
		return;
	}
	answer->text =
		answer->rows != NULL || answer->source != NULL ? text : mem_printf("%s\n", text);
	if (answer->text != text)
		free(text);
	client->n_waiting += strlen(answer->text);
	STAILQ_INSERT_TAIL(&client->answers, answer, link);
	answers_flush(client);
	if (client_output_len(client) + client->n_waiting > backlog_max) {
		log_warn("ctl", "client does not read, cut off backlog=%zu", client->n_waiting);
		client_cut(client);
	} else if (answers_may_go_on(client)) {
		client_mark_ready(client);
	}
}

bool client_is_behind(const struct client *client)
{
	return client_output_len(client) + client->n_waiting >= CTL_BACKLOG_PAUSE;
}

void client_send(struct client *client, json_t *message)
{
	client_queue(client, message, CTL_BACKLOG_MAX);
}

void client_notify(struct client *client, json_t *message)
{
	client_queue(client, message, CTL_EVENTS_MAX);
}

/* Input */

static bool client_may_serve(const struct client *client)
{
	if (client->is_ended || client->is_doomed)
		return false;
	if (client->bulk != NULL || (client->is_sequence && client->n_requests > 0))
		return false;
	return client->n_requests < CTL_CALLS_MAX && STAILQ_EMPTY(&client->answers) &&
	       client_output_len(client) < CTL_BACKLOG_PAUSE;
}

/* No more requests are taken; what has been answered is still sent. */
static void client_end(struct client *client)
{
	struct evbuffer *input = client_input(client);

	client->is_ended = true;
	client->ended = (time_t)(ctl_now_us() / 1000000);
	bufferevent_disable(client->bev, EV_READ);
	evbuffer_drain(input, evbuffer_get_length(input));
}

/* Length of the next complete line without its newline, or -1; a line too long ends the client. */
static ssize_t client_next_line(struct client *client)
{
	struct evbuffer *input = client_input(client);
	size_t total = evbuffer_get_length(input), len = total;
	struct evbuffer_ptr from, end = { .pos = -1 };

	/* A line that trickles in byte by byte must not be searched from its start every time. */
	if (evbuffer_ptr_set(input, &from, client->n_scanned, EVBUFFER_PTR_SET) == 0)
		end = evbuffer_search(input, "\n", 1, &from);
	client->n_scanned = total;
	if (end.pos >= 0)
		len = (size_t)end.pos;
	if (len > CTL_LINE_MAX) {
		client_send(client,
			request_error(NULL, RPC_INVALID_REQUEST, "the request line is over 1 MiB"));
		client_end(client);
		return -1;
	}
	/* What a client left unfinished with its last bytes may well be all it wanted to say. */
	return end.pos >= 0 || (client->is_eof && total > 0) ? (ssize_t)len : -1;
}

static bool line_is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
			return false;
	return true;
}

/* False when there was nothing to serve. */
static bool client_serve_line(struct client *client)
{
	struct evbuffer *input = client_input(client);
	ssize_t len = client_next_line(client);
	json_t *answer;

	if (len < 0)
		return false;
	evbuffer_remove(input, client->ctl->line, (size_t)len);
	evbuffer_drain(input, 1);
	client->n_scanned = 0;
	if (line_is_blank(client->ctl->line, (size_t)len))
		return true;
	answer = request_serve(client->ctl, client, client->ctl->line, (size_t)len);
	if (answer != NULL)
		client_send(client, answer);
	return true;
}

/* The end */

static void requests_cancel(struct client *client)
{
	while (!LIST_EMPTY(&client->requests))
		request_cancel(LIST_FIRST(&client->requests));
}

/* Nobody listens any more. Its requests that still wait in the input are served all the same. */
static void client_deafen(struct client *client)
{
	struct evbuffer *output = bufferevent_get_output(client->bev);

	client->is_deaf = true;
	bufferevent_disable(client->bev, EV_WRITE);
	/* Its bufferevent lets nobody else take from it, but for this. */
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	answers_drop(client);
	requests_cancel(client);
}

void client_destroy(struct client *client)
{
	struct ctl *ctl = client->ctl;

	client->is_deaf = true;
	requests_cancel(client);
	answers_drop(client);
	bufferevent_free(client->bev);
	if (client->is_ready) {
		TAILQ_REMOVE(&ctl->ready, client, ready_link);
		ctl->n_ready--;
	}
	TAILQ_REMOVE(&ctl->clients, client, link);
	ctl->n_clients--;
	free(client);
}

static bool client_is_done(const struct client *client)
{
	bool is_sent = client->is_deaf ||
		       (client_output_len(client) == 0 && STAILQ_EMPTY(&client->answers));

	if (client->is_doomed)
		return true;
	if (client->is_ended)
		return is_sent;
	return client->is_eof && is_sent && client->n_requests == 0 &&
	       evbuffer_get_length(client_input(client)) == 0;
}

void client_serve(struct client *client, uint64_t deadline_us)
{
	unsigned int n = 0;

	if (!client->is_deaf)
		answers_flush(client);
	if (client->bulk != NULL && !request_continue(client->bulk, deadline_us)) {
		client_mark_ready(client);
		return;
	}
	while (n < CTL_SLICE && client_may_serve(client) && client_serve_line(client)) {
		n++;
		if (ctl_now_us() >= deadline_us)
			break;
	}
	if (client_is_done(client)) {
		client_destroy(client);
		return;
	}
	/* Else what it waits for calls: more input, room for output, or the end of a call. */
	if (n > 0 && client_may_serve(client))
		client_mark_ready(client);
	else if (answers_may_go_on(client))
		client_mark_ready(client);
}

/* Closed on both sides, as opposed to one that only has nothing more to say? */
static bool client_has_hung_up(const struct client *client)
{
	struct pollfd pfd = { .fd = bufferevent_getfd(client->bev) };

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR)) != 0;
}

void client_tick(struct client *client, time_t now)
{
	/* libevent no longer watches a descriptor that is at its end and has nothing to write. */
	if (client->is_eof && !client->is_deaf && client_has_hung_up(client)) {
		client_deafen(client);
		client_mark_ready(client);
	}
	if (client->is_ended && now > client->ended + CTL_CLOSE_MAX_S)
		client_destroy(client);
}

static void client_on_bytes(struct bufferevent *bev, void *arg)
{
	client_mark_ready(arg);
}

static void client_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	if ((what & BEV_EVENT_READING) != 0)
		client->is_eof = true;
	if ((what & BEV_EVENT_ERROR) != 0 || client_has_hung_up(client))
		client_deafen(client);
	client_mark_ready(client);
}

void client_create(struct ctl *ctl, evutil_socket_t fd)
{
	struct client *client = mem_zalloc(sizeof(*client));

	client->bev = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client->bev == NULL) {
		close(fd);
		free(client);
		return;
	}
	client->ctl = ctl;
	LIST_INIT(&client->requests);
	STAILQ_INIT(&client->answers);
	TAILQ_INSERT_TAIL(&ctl->clients, client, link);
	ctl->n_clients++;
	bufferevent_setcb(client->bev, client_on_bytes, client_on_bytes, client_on_event, client);
	/* One line of the longest kind and its newline must fit. */
	bufferevent_setwatermark(client->bev, EV_READ, 0, CTL_LINE_MAX + 1);
	bufferevent_setwatermark(client->bev, EV_WRITE, CTL_BACKLOG_PAUSE / 2, 0);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}
