/* SPDX-License-Identifier: BSD-3-Clause */

/* See report.h. */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text.h"

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
