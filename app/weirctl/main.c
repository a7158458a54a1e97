/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl: the command line client. It has no table of commands: the daemon describes them over
 * the control socket (rpc.list), grammar.c matches words against that, print.c prints answers by
 * their shape and the described columns. What the client knows by itself is in local.c. This file
 * says which of its forms is meant: one command, a batch, the shell, or a completion.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bash.h"
#include "options.h"
#include "session.h"

static enum exit_code usage_error(void)
{
	print_error(NULL, "either OBJECT [VERB] [ARGS...] or -b FILE; see weirctl --help");
	return EXIT_USAGE;
}

static enum exit_code run_batch(struct session *session)
{
	enum exit_code code = session_open(session);

	return code == EXIT_DONE ? batch_run(session) : code;
}

static enum exit_code run(struct session *session, char *const *words, int n)
{
	const struct options *options = &session->options;

	if (options->batch != NULL)
		return n > 0 || options->repeat_s > 0 ? usage_error() : run_batch(session);
	if (n > 0)
		return session_run(session, words, n);
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? shell_run(session) : usage_error();
}

int main(int argc, char **argv)
{
	struct session session = { .conn = { .fd = -1, .stop_fd = -1 } };
	bool is_answered;
	enum exit_code code;
	int n_used;

	options_init(&session.options);
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		code = bash_complete(&session, argv + 2, argc - 2);
	} else {
		code = options_parse(&session.options, argc, argv, &n_used, &is_answered);
		if (code == EXIT_DONE && !is_answered)
			code = run(&session, argv + n_used, argc - n_used);
	}
	if (code == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
		print_error(NULL, "cannot write the output");
		code = EXIT_FAILED;
	}
	session_fini(&session);
	return code;
}
