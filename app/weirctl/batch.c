/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * -b FILE: one command a line, over one connection. Lines are sent ahead of their answers, up to
 * BATCH_WINDOW of them; the daemon does them in order and none after the first that fails
 * (rpc.sequence), so what follows an error has not been done, as if each had been waited for. A
 * daemon without that method gets one line at a time.
 *
 * Input is read with read(2) and only waited for once all answers are there, so a program that
 * writes a line and waits for what it gives is not left waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "grammar.h"
#include "print.h"
#include "weirctl.h"
#include "words.h"

enum { BATCH_WINDOW = 512, BATCH_READ_BYTES = 64 << 10 };

/* A line that was sent and is not answered yet. */
struct batch_sent {
	json_int_t id;
	unsigned int line;
	const json_t *command;
};

struct batch {
	struct session *session;
	const char *name; /* of the file */
	int fd;
	bool is_eof;
	unsigned int line; /* number of the last line taken */
	char *text;	   /* what has been read and not been taken: begin..end */
	size_t begin, end, size;
	struct batch_sent sent[BATCH_WINDOW]; /* a ring: first, n_sent */
	unsigned int first, n_sent, window;
};

/* Input */

static bool input_is_readable(const struct batch *batch)
{
	struct pollfd pfd = { .fd = batch->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

static int input_read(struct batch *batch)
{
	ssize_t n;

	if (batch->begin > 0) {
		memmove(batch->text, batch->text + batch->begin, batch->end - batch->begin);
		batch->end -= batch->begin;
		batch->begin = 0;
	}
	if (batch->size - batch->end < BATCH_READ_BYTES + 1) {
		batch->size = 2 * batch->size + BATCH_READ_BYTES + 1;
		batch->text = mem_realloc(batch->text, batch->size, 1);
	}
	n = read(batch->fd, batch->text + batch->end, BATCH_READ_BYTES);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	batch->is_eof = n == 0;
	batch->end += (size_t)n;
	return 0;
}

/* The next line without its newline, or NULL: none is complete. The end of the file ends one. */
static char *input_line(struct batch *batch)
{
	size_t len = batch->end - batch->begin;
	char *line, *newline;

	if (len == 0)
		return NULL;
	line = batch->text + batch->begin;
	newline = memchr(line, '\n', len);
	if (newline == NULL && !batch->is_eof)
		return NULL;
	if (newline == NULL)
		newline = line + len; /* there is room: see input_read() */
	*newline = '\0';
	batch->begin = (size_t)(newline - batch->text) + 1;
	if (batch->begin > batch->end)
		batch->begin = batch->end;
	batch->line++;
	return line;
}

/* Sending and receiving */

/* Handles one message: the answer to the oldest line, or a notification of its stream. */
static enum exit_code batch_take(struct batch *batch, const json_t *message)
{
	const struct options *options = &batch->session->options;
	const struct batch_sent *sent = &batch->sent[batch->first];
	const json_t *error = json_object_get(message, "error");
	enum exit_code code = EXIT_DONE;
	char *where;

	if (json_object_get(message, "method") != NULL) {
		print_event(options, sent->command, json_object_get(message, "params"));
		return EXIT_DONE;
	}
	where = mem_printf("%s:%u", batch->name, sent->line);
	if (json_integer_value(json_object_get(message, "id")) != sent->id)
		code = print_broken(where, 0, message);
	else if (error != NULL)
		code = print_rpc_error(where, error);
	else if (!json_is_true(json_object_get(sent->command, "stream")))
		print_result(options, sent->command, json_object_get(message, "result"));
	free(where);
	batch->first = (batch->first + 1) % BATCH_WINDOW;
	batch->n_sent--;
	return code;
}

/* Receives until no more than n_left lines are unanswered. */
static enum exit_code batch_receive(struct batch *batch, unsigned int n_left)
{
	enum exit_code code = EXIT_DONE;
	json_t *message;
	int err;

	while (batch->n_sent > n_left && code == EXIT_DONE) {
		err = conn_recv(&batch->session->conn, &message);
		if (err < 0)
			return print_broken(batch->name, err, NULL);
		code = batch_take(batch, message);
		json_decref(message);
	}
	if (batch->n_sent == 0)
		fflush(stdout);
	return code;
}

/* A line that makes no sense. Those before it are still done, and their errors come first. */
static enum exit_code batch_error(struct batch *batch, const char *why)
{
	enum exit_code code = batch_receive(batch, 0);
	char *where;

	if (code != EXIT_DONE)
		return code;
	where = mem_printf("%s:%u", batch->name, batch->line);
	print_error(where, "%s", why);
	free(where);
	return EXIT_USAGE;
}

static enum exit_code batch_send(struct batch *batch, char *line)
{
	struct batch_sent *sent = &batch->sent[(batch->first + batch->n_sent) % BATCH_WINDOW];
	char *words[WORDS_MAX], *why = NULL;
	int n = words_split(line, words);
	enum exit_code code;
	struct wish wish;

	if (n < 0)
		return batch_error(batch, "a quote is not closed, or there are too many words");
	if (n == 0)
		return EXIT_DONE;
	if (grammar_parse(batch->session, words, n, &wish, &why) < 0) {
		code = batch_error(batch, why);
		free(why);
		return code;
	}
	if (wish.command == NULL)
		return EXIT_DONE;
	sent->line = batch->line;
	sent->command = wish.command;
	sent->id = conn_send(&batch->session->conn, wish.method, json_incref(wish.params));
	batch->n_sent++;
	wish_fini(&wish);
	return EXIT_DONE;
}

/* More input, once every answer that one may be waiting for is out. */
static enum exit_code batch_fill(struct batch *batch)
{
	enum exit_code code = EXIT_DONE;
	int err;

	if (batch->n_sent > 0 && !input_is_readable(batch))
		code = batch_receive(batch, 0);
	if (code != EXIT_DONE)
		return code;
	err = input_read(batch);
	if (err == 0)
		return EXIT_DONE;
	print_error(batch->name, "%s", strerror(-err));
	return EXIT_FAILED;
}

static enum exit_code batch_lines(struct batch *batch)
{
	enum exit_code code = EXIT_DONE;
	char *line;

	while (code == EXIT_DONE) {
		line = input_line(batch);
		if (line == NULL && batch->is_eof)
			return batch_receive(batch, 0);
		if (line == NULL) {
			code = batch_fill(batch);
			continue;
		}
		code = batch_receive(batch, batch->window - 1);
		if (code == EXIT_DONE)
			code = batch_send(batch, line);
	}
	return code;
}

/* Does the daemon keep the order and stop at an error by itself? */
static enum exit_code batch_begin(struct batch *batch)
{
	json_t *message;
	int err;

	conn_send(&batch->session->conn, "rpc.sequence", NULL);
	err = conn_recv(&batch->session->conn, &message);
	if (err < 0)
		return print_broken(batch->name, err, NULL);
	batch->window = json_object_get(message, "error") == NULL ? BATCH_WINDOW : 1;
	json_decref(message);
	return EXIT_DONE;
}

enum exit_code batch_run(struct session *session)
{
	const char *file = session->options.batch;
	bool is_stdin = strcmp(file, "-") == 0;
	struct batch *batch = mem_zalloc(sizeof(*batch));
	enum exit_code code = EXIT_FAILED;

	batch->session = session;
	batch->name = is_stdin ? "stdin" : file;
	batch->fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (batch->fd < 0)
		print_error(file, "%s", strerror(errno));
	else
		code = batch_begin(batch);
	if (code == EXIT_DONE)
		code = batch_lines(batch);
	if (batch->fd > STDIN_FILENO)
		close(batch->fd);
	free(batch->text);
	free(batch);
	return code;
}
