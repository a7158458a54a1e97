/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl's own options, from one table: getopt's string, --help and completion come from it.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_row option_rows[] = {
	{ 'j', NULL, "answer as JSON on one line" },
	{ 'p', NULL, "with -j: indented" },
	{ 's', NULL, "statistics: more columns" },
	{ 'n', "NETNS", "in this namespace" },
	{ 'S', "SOCKET", "control socket (default: $WEIR_SOCKET, else /run/weir/control.sock)" },
	{ 'w', "SECONDS", "again and again until ^C; of top: the period" },
	{ 'b', "FILE",
		"one command a line ('-': standard input), '#' begins a comment; stops at the "
		"first error" },
	{ '\0' },
};

static const char usage_head[] =
	"usage: weirctl [-j] [-p] [-s] [-n NETNS] [-S SOCKET] [-w SECONDS] OBJECT [VERB] "
	"[ARGS...]\n"
	"       weirctl [-j] [-p] [-s] [-n NETNS] [-S SOCKET] -b FILE\n"
	"       weirctl [-j] [-p] [-s] [-n NETNS] [-S SOCKET] [-w SECONDS]    (a shell, on a "
	"terminal)\n";

static const char usage_tail[] =
	"  --version, --help\n"
	"Words may be shortened as long as they are not ambiguous. The commands are those of the\n"
	"running daemon: weirctl help [OBJECT [VERB]]. Its own: weirctl top, weirctl completion "
	"bash\n"
	"Exit codes: 0 done, 1 failed while running, 2 bad usage\n";

static void usage_print(void)
{
	fputs(usage_head, stdout);
	for (const struct option_row *row = option_rows; row->letter != '\0'; row++)
		printf("  -%c %-8s %s\n", row->letter, row->value != NULL ? row->value : "",
			row->help);
	fputs(usage_tail, stdout);
}

void options_init(struct options *options)
{
	const char *socket = getenv("WEIR_SOCKET");

	*options = (struct options){
		.socket = socket != NULL && socket[0] != '\0' ? socket : "/run/weir/control.sock",
	};
}

static int parse_seconds(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out > 0 && *out < 1e6 ? 0 : -EINVAL;
}

/* 0, or -EINVAL for a value that makes no sense, or an option that there is not. */
static int option_set(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'j':
		options->is_json = true;
		return 0;
	case 'p':
		options->is_pretty = true;
		return 0;
	case 's':
		options->has_statistics = true;
		return 0;
	case 'n':
		options->netns = value;
		return 0;
	case 'S':
		options->socket = value;
		return 0;
	case 'b':
		options->batch = value;
		return 0;
	case 'w':
		return parse_seconds(value, &options->repeat_s);
	default:
		return -EINVAL;
	}
}

/* In the order of the table. */
static void getopt_text(char *out)
{
	out += sprintf(out, "+:");
	for (const struct option_row *row = option_rows; row->letter != '\0'; row++)
		out += sprintf(out, "%c%s", row->letter, row->value != NULL ? ":" : "");
}

enum exit_code options_parse(
	struct options *options, int argc, char **argv, int *n_used, bool *is_answered)
{
	static const struct option long_options[] = {
		{ .name = "help", .val = 'h' },
		{ .name = "version", .val = 'V' },
		{ .name = NULL },
	};
	char letters[32];
	int letter;

	getopt_text(letters);
	*is_answered = false;
	while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		*is_answered = letter == 'h' || letter == 'V';
		if (letter == 'h')
			usage_print();
		else if (letter == 'V')
			fputs("weirctl " WEIR_VERSION "\n", stdout);
		else if (letter == ':')
			print_error(NULL, "-%c needs a value; see weirctl --help", optopt);
		else if (letter == '?')
			print_error(NULL, "unknown option; see weirctl --help");
		else if (option_set(options, letter, optarg) < 0)
			print_error(NULL, "-w %s: not a number of seconds above 0", optarg);
		else
			continue;
		return *is_answered ? EXIT_DONE : EXIT_USAGE;
	}
	*n_used = optind;
	return EXIT_DONE;
}

static const struct option_row *option_find(char letter)
{
	const struct option_row *row = option_rows;

	while (row->letter != '\0' && row->letter != letter)
		row++;
	return row;
}

char options_skip(struct options *options, char *const *words, int n, int *n_used)
{
	int i = 0;

	*n_used = 0;
	while (i < n && words[i][0] == '-' && words[i][1] != '\0') {
		const char *letter = words[i++] + 1;

		while (*letter != '\0' && option_find(*letter)->value == NULL)
			option_set(options, *letter++, NULL);
		/* The value is the rest of this word, or the next one. */
		if (*letter != '\0' && letter[1] == '\0' && i == n)
			return *letter;
		if (*letter != '\0')
			option_set(options, *letter, letter[1] != '\0' ? letter + 1 : words[i++]);
	}
	*n_used = i;
	return '\0';
}
