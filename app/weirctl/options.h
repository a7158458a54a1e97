/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The options of weirctl's own command line. */
#include "weirctl.h"

struct option_row {
	char letter;
	const char *value; /* what it takes; NULL: nothing */
	const char *help;
};

/* Closed by letter '\0'. */
extern const struct option_row option_rows[];

/* Everything else than the socket is off at first. */
void options_init(struct options *options);
/*
 * Reads the options in front of the words; *n_used is where those begin. EXIT_DONE to go on, with
 * *is_answered when all has been said (--help, --version); else it has been said what is wrong.
 */
enum exit_code options_parse(
	struct options *options, int argc, char **argv, int *n_used, bool *is_answered);
/*
 * The same for a line that is being written, without a word about what is wrong: takes the options
 * in front of words[n] and returns the letter of the one whose value words[n] is, or '\0'.
 */
char options_skip(struct options *options, char *const *words, int n, int *n_used);
