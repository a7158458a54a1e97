/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl: the command line client. It has no table of commands: the daemon describes them over
 * the control socket (rpc.list), grammar.c matches words against that, print.c prints answers by
 * their shape and the described columns. This file is the command line, one command, and -w.
 *
 * Interrupting a stream or -w is how they end, so ^C exits with 0; output is flushed after each
 * piece, and the handler can leave at once.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "grammar.h"
#include "print.h"
#include "text.h"
#include "weirctl.h"

static const char usage[] =
	"usage: weirctl [-j] [-p] [-s] [-n NETNS] [-S SOCKET] [-w SECONDS] OBJECT [VERB] "
	"[ARGS...]\n"
	"       weirctl [-j] [-p] [-s] [-n NETNS] [-S SOCKET] -b FILE\n"
	"  -j          answer as JSON on one line\n"
	"  -p          with -j: indented\n"
	"  -s          statistics: more columns\n"
	"  -n NETNS    in this namespace\n"
	"  -S SOCKET   control socket (default: $WEIR_SOCKET, else /run/weir/control.sock)\n"
	"  -w SECONDS  again and again until ^C\n"
	"  -b FILE     one command a line ('-': standard input), '#' begins a comment;\n"
	"              stops at the first error\n"
	"  --version, --help\n"
	"Words may be shortened as long as they are not ambiguous. The commands are those of the\n"
	"running daemon: weirctl help [OBJECT [VERB]]\n"
	"Exit codes: 0 done, 1 failed while running, 2 bad usage\n";

/* Errors */

void print_error(const char *where, const char *fmt, ...)
{
	char *text = NULL, *line;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	line = mem_printf("%s: %s", where != NULL ? where : "weirctl", n < 0 ? fmt : text);
	if (n >= 0)
		free(text);
	fflush(stdout);
	/* One line, unless the daemon has several things to say, as about a whole configuration. */
	text_put_lines(stderr, line);
	free(line);
}

enum exit_code print_rpc_error(const char *where, const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	/* What is wrong in a file is told as FILE:LINE, as weir --check does. */
	if (where == NULL && message != NULL && message[0] == '/') {
		fflush(stdout);
		text_put_lines(stderr, message);
	} else {
		print_error(where, "%s", message != NULL ? message : "the command failed");
	}
	return code == -32602 ? EXIT_USAGE : EXIT_FAILED;
}

enum exit_code print_broken(const char *where, int err, const json_t *message)
{
	const json_t *error = json_object_get(message, "error");

	if (err == 0 && error != NULL)
		return print_rpc_error(where, error);
	if (err == -EPIPE || err == -ECONNRESET)
		print_error(where, "the daemon closed the connection");
	else if (err == 0 || err == -EBADMSG)
		print_error(where, "the daemon sent what is no answer");
	else
		print_error(where, "connection to the daemon: %s", strerror(-err));
	return EXIT_FAILED;
}

/* One command */

/* Waits for the answer to id (new reference), printing notifications of command meanwhile. */
static enum exit_code session_wait(
	struct session *session, const json_t *command, json_int_t id, json_t **result)
{
	enum exit_code code = EXIT_DONE;
	json_t *message = NULL;
	bool is_done = false;

	while (!is_done) {
		int err = conn_recv(&session->conn, &message);

		if (err < 0)
			return print_broken(NULL, err, NULL);
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

static void on_interrupt(int signal)
{
	_exit(EXIT_DONE);
}

static bool is_stream(const json_t *command)
{
	return json_is_true(json_object_get(command, "stream"));
}

static enum exit_code run_wish(struct session *session, const struct wish *wish)
{
	json_t *result = NULL;
	json_int_t id = conn_send(&session->conn, wish->method, json_incref(wish->params));
	enum exit_code code;

	if (is_stream(wish->command))
		signal(SIGINT, on_interrupt);
	code = session_wait(session, wish->command, id, &result);
	if (!is_stream(wish->command))
		print_result(&session->options, wish->command, result);
	fflush(stdout);
	json_decref(result);
	return code;
}

static enum exit_code run_repeated(struct session *session, const struct wish *wish)
{
	double seconds = session->options.repeat_s;
	const struct timespec pause = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};
	enum exit_code code;

	signal(SIGINT, on_interrupt);
	for (;;) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		code = run_wish(session, wish);
		if (code != EXIT_DONE || ferror(stdout))
			return code;
		nanosleep(&pause, NULL);
	}
}

static enum exit_code run_words(struct session *session, char *const *words, int n)
{
	struct wish wish;
	enum exit_code code = EXIT_DONE;
	char *why;

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

/* The command line */

static enum exit_code session_start(struct session *session)
{
	const char *path = session->options.socket;
	int err = conn_open(&session->conn, path);
	enum exit_code code;
	json_int_t id;

	if (err < 0) {
		print_error(NULL, "cannot reach the daemon at %s: %s", path, strerror(-err));
		return EXIT_FAILED;
	}
	id = conn_send(&session->conn, "rpc.list", NULL);
	code = session_wait(session, NULL, id, &session->list);
	if (code != EXIT_DONE || json_is_array(session->list))
		return code;
	print_error(NULL, "the daemon does not say what it can do");
	return EXIT_FAILED;
}

static enum exit_code session_run(struct session *session, char *const *words, int n)
{
	enum exit_code code = session_start(session);

	if (code == EXIT_DONE)
		code = session->options.batch != NULL ? batch_run(session)
						      : run_words(session, words, n);
	if (code == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
		print_error(NULL, "cannot write the output");
		code = EXIT_FAILED;
	}
	conn_close(&session->conn);
	json_decref(session->list);
	return code;
}

static int parse_seconds(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out > 0 && *out < 1e9 ? 0 : -EINVAL;
}

/* One option; EXIT_DONE to go on. */
static enum exit_code take_option(struct options *options, int option)
{
	switch (option) {
	case 'j':
		options->is_json = true;
		break;
	case 'p':
		options->is_pretty = true;
		break;
	case 's':
		options->has_statistics = true;
		break;
	case 'n':
		options->netns = optarg;
		break;
	case 'S':
		options->socket = optarg;
		break;
	case 'b':
		options->batch = optarg;
		break;
	case 'w':
		if (parse_seconds(optarg, &options->repeat_s) == 0)
			break;
		print_error(NULL, "-w %s: not a number of seconds above 0", optarg);
		return EXIT_USAGE;
	case ':':
		print_error(NULL, "-%c needs a value; see weirctl --help", optopt);
		return EXIT_USAGE;
	default:
		print_error(NULL, "unknown option; see weirctl --help");
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ .name = "help", .val = 'h' },
		{ .name = "version", .val = 'V' },
		{ .name = NULL },
	};
	const char *socket = getenv("WEIR_SOCKET");
	struct session session = {
		.options.socket =
			socket != NULL && socket[0] != '\0' ? socket : "/run/weir/control.sock",
		.conn.fd = -1,
	};
	int option;

	while ((option = getopt_long(argc, argv, "+:jpsn:S:w:b:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			fputs(option == 'h' ? usage : "weirctl " WEIR_VERSION "\n", stdout);
			return EXIT_DONE;
		}
		if (take_option(&session.options, option) != EXIT_DONE)
			return EXIT_USAGE;
	}
	if ((optind < argc) == (session.options.batch != NULL) ||
		(session.options.batch != NULL && session.options.repeat_s > 0)) {
		print_error(NULL, "either OBJECT [VERB] [ARGS...] or -b FILE; see weirctl --help");
		return EXIT_USAGE;
	}
	return session_run(&session, argv + optind, argc - optind);
}
