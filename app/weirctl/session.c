/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One command after the other over one connection. A broken or interrupted connection is closed;
 * the next command opens a new one: that is how a running stream is ended, too.
 *
 * Outside the shell (no stop_fd) ^C is how streams and -w end, so it exits with 0; output is
 * flushed after each piece, and the handler can leave at once.
 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grammar.h"
#include "local.h"
#include "print.h"

/* The connection */

void session_close(struct session *session)
{
	conn_close(&session->conn);
}

void session_fini(struct session *session)
{
	session_close(session);
	json_decref(session->list);
	json_decref(session->rows);
	session->list = session->rows = NULL;
}

/*
 * Waits for the answer to id (new reference), printing notifications of command meanwhile. An
 * interrupt gives no answer and is no failure.
 */
static enum exit_code session_wait(
	struct session *session, const json_t *command, json_int_t id, json_t **result)
{
	enum exit_code code = EXIT_DONE;
	json_t *message = NULL;
	bool is_done = false;

	while (!is_done) {
		int err = conn_recv(&session->conn, &message);

		if (err < 0) {
			session_close(session);
			return err == -EINTR ? EXIT_DONE : print_broken(NULL, err, NULL);
		}
		is_done = json_object_get(message, "method") == NULL;
		if (!is_done)
			print_event(&session->options, command, json_object_get(message, "params"));
		else if (json_integer_value(json_object_get(message, "id")) != id)
			code = print_broken(NULL, 0, message);
		else if (json_object_get(message, "error") != NULL)
			code = print_rpc_error(NULL, json_object_get(message, "error"));
		else
			*result = json_incref(json_object_get(message, "result"));
		json_decref(message);
	}
	return code;
}

json_t *session_call(struct session *session, const char *method, json_t *params)
{
	json_int_t id = conn_send(&session->conn, method, params);
	json_t *message = NULL, *result = NULL;

	if (conn_recv(&session->conn, &message) < 0) {
		session_close(session);
		return NULL;
	}
	if (json_integer_value(json_object_get(message, "id")) == id)
		result = json_incref(json_object_get(message, "result"));
	json_decref(message);
	return result;
}

/* -n must name a namespace that there is; a daemon that does not list them has but one. */
static enum exit_code check_netns(struct session *session)
{
	const char *wanted = session->options.netns;
	enum exit_code code = EXIT_USAGE;
	json_t *rows, *row;
	size_t i;

	if (wanted == NULL || strcmp(wanted, "default") == 0)
		return EXIT_DONE;
	rows = session_call(session, "netns.list", NULL);
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));

		if (name != NULL && strcmp(name, wanted) == 0)
			code = EXIT_DONE;
	}
	json_decref(rows);
	if (code != EXIT_DONE)
		print_error(NULL, "-n %s: no namespace of that name", wanted);
	return code;
}

static enum exit_code session_ask(struct session *session)
{
	json_int_t id = conn_send(&session->conn, "rpc.list", NULL);
	json_t *list = NULL;
	enum exit_code code = session_wait(session, NULL, id, &list);

	if (code == EXIT_DONE && list != NULL && !json_is_array(list)) {
		print_error(NULL, "the daemon does not say what it can do");
		code = EXIT_FAILED;
	}
	if (code != EXIT_DONE || list == NULL) {
		json_decref(list);
		return code == EXIT_DONE ? EXIT_FAILED : code;
	}
	json_decref(session->list);
	json_decref(session->rows);
	session->list = list;
	session->rows = grammar_index(list);
	return check_netns(session);
}

enum exit_code session_open(struct session *session)
{
	const char *path = session->options.socket;
	enum exit_code code;
	int err;

	if (conn_is_alive(&session->conn))
		return EXIT_DONE;
	session_close(session);
	err = conn_open(&session->conn, path);
	if (err < 0) {
		print_error(NULL, "cannot reach the daemon at %s: %s", path, strerror(-err));
		return EXIT_FAILED;
	}
	code = session_ask(session);
	if (code != EXIT_DONE)
		session_close(session);
	return code;
}

/* One command */

static bool is_stream(const json_t *command)
{
	return json_is_true(json_object_get(command, "stream"));
}

static void on_interrupt(int signal)
{
	_exit(EXIT_DONE);
}

/* A shell catches ^C by itself. */
static void let_interrupt_end(const struct session *session)
{
	if (session->conn.stop_fd < 0)
		signal(SIGINT, on_interrupt);
}

static enum exit_code run_wish(struct session *session, const struct wish *wish)
{
	json_t *result = NULL;
	json_int_t id = conn_send(&session->conn, wish->method, json_incref(wish->params));
	enum exit_code code;

	if (is_stream(wish->command))
		let_interrupt_end(session);
	code = session_wait(session, wish->command, id, &result);
	if (!is_stream(wish->command))
		print_result(&session->options, wish->command, result);
	fflush(stdout);
	json_decref(result);
	return code;
}

static enum exit_code run_repeated(struct session *session, const struct wish *wish)
{
	struct pollfd stop = { .fd = session->conn.stop_fd, .events = POLLIN };
	enum exit_code code = EXIT_DONE;

	let_interrupt_end(session);
	do {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		code = run_wish(session, wish);
	} while (code == EXIT_DONE && !ferror(stdout) && session->conn.fd >= 0 &&
		 poll(&stop, 1, (int)(session->options.repeat_s * 1000)) <= 0);
	return code;
}

enum exit_code session_run(struct session *session, char *const *words, int n)
{
	const struct local *local = local_find(words[0]);
	enum exit_code code = EXIT_DONE;
	struct wish wish;
	char *why;

	if (local != NULL)
		return local->run(session, words, n);
	code = session_open(session);
	if (code != EXIT_DONE)
		return code;
	if (grammar_parse(session, words, n, &wish, &why) < 0) {
		print_error(NULL, "%s", why);
		free(why);
		return EXIT_USAGE;
	}
	if (wish.command != NULL)
		code = session->options.repeat_s > 0 ? run_repeated(session, &wish)
						     : run_wish(session, &wish);
	wish_fini(&wish);
	return code;
}
