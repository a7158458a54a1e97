/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The list of problems: the line format of the contract, order, text taken from hostile input, and
 * many entries.
 */
#include "base/diag.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static char *printed(const struct diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	diag_print(diag, out);
	fclose(out);
	return text;
}

static const struct format_row {
	const char *file;
	int line;
	const char *path;
	const char *text;
	const char *want;
} format_rows[] = {
	{ "weir.conf", 12, "links[1].mtu", "99 is not in 68..9600",
		"weir.conf:12: links[1].mtu: 99 is not in 68..9600" },
	{ "weir.conf", 12, "", "syntax error", "weir.conf:12: syntax error" },
	{ "weir.conf", 12, NULL, "syntax error", "weir.conf:12: syntax error" },
	{ "weir.conf", 0, "links", "is missing", "weir.conf: links: is missing" },
	{ "weir.conf", 0, NULL, "cannot be read", "weir.conf: cannot be read" },
	{ "weir.conf", -1, NULL, "cannot be read", "weir.conf: cannot be read" },
	{ NULL, 0, "mtu", "is missing", "mtu: is missing" },
	{ NULL, 0, NULL, "is no object", "is no object" },
	{ NULL, 3, "mtu", "is missing", "line 3: mtu: is missing" },
	{ "100%s.conf", 1, "%n", "%s%n", "100%s.conf:1: %n: %s%n" },
	{ "weir.conf", 1, "a\nb", "\"c\nweir.conf:2: d\t\x1b[0m\x7f\"",
		"weir.conf:1: a?b: \"c?weir.conf:2: d??[0m?\"" },
	{ "weir.conf", 1, "gr\xc3\xbc\xc3\x9f", "e\xcc\x81",
		"weir.conf:1: gr\xc3\xbc\xc3\x9f: e\xcc\x81" },
	{ "weir.conf", 1, "", "", "weir.conf:1: " },
};

START_TEST(problem_is_one_line_with_its_place)
{
	const struct format_row *row = &format_rows[_i];
	struct diag diag;
	char *lines;
	char *text;

	diag_init(&diag, row->file);
	ck_assert_int_eq(diag_error(&diag, row->line, row->path, "%s", row->text), -EINVAL);
	ck_assert_uint_eq(diag.n_entries, 1);
	ck_assert_ptr_nonnull(diag.entries[0].path);
	text = diag_text(&diag);
	ck_assert_str_eq(text, row->want);
	lines = printed(&diag);
	ck_assert_int_eq(strncmp(lines, text, strlen(text)), 0);
	ck_assert_str_eq(lines + strlen(text), "\n");
	free(lines);
	free(text);
	diag_fini(&diag);
}
END_TEST

START_TEST(nothing_wrong_says_nothing)
{
	struct diag diag;
	char *text;

	diag_init(&diag, "weir.conf");
	ck_assert_uint_eq(diag.n_entries, 0);
	text = diag_text(&diag);
	ck_assert_str_eq(text, "");
	free(text);
	text = printed(&diag);
	ck_assert_str_eq(text, "");
	free(text);
	diag_fini(&diag);
}
END_TEST

START_TEST(problems_are_told_in_the_order_of_lines)
{
	struct diag diag;
	char *text;

	diag_init(&diag, "f");
	diag_error(&diag, 9, "a", "first of %d", 9);
	diag_error(&diag, 2, "b", "two");
	diag_error(&diag, 9, "c", "second of 9");
	diag_error(&diag, 0, NULL, "whole file");
	diag_error(&diag, 9, "a", "third of 9");
	text = printed(&diag);
	ck_assert_str_eq(text, "f: whole file\n"
			       "f:2: b: two\n"
			       "f:9: a: first of 9\n"
			       "f:9: c: second of 9\n"
			       "f:9: a: third of 9\n");
	free(text);
	text = diag_text(&diag);
	ck_assert_str_eq(text, "f: whole file; f:2: b: two; f:9: a: first of 9; "
			       "f:9: c: second of 9; f:9: a: third of 9");
	free(text);
	/* Telling does not change what was found. */
	ck_assert_int_eq(diag.entries[0].line, 9);
	ck_assert_str_eq(diag.entries[1].text, "two");
	diag_fini(&diag);
	ck_assert_uint_eq(diag.n_entries, 0);
}
END_TEST

START_TEST(problem_outlives_the_strings_it_was_made_of)
{
	char path[] = "links[0]";
	char word[] = "red";
	struct diag diag;
	char *text;

	diag_init(&diag, NULL);
	diag_error(&diag, 0, path, "no such namespace \"%s\"", word);
	memset(path, 'x', sizeof(path) - 1);
	memset(word, 'x', sizeof(word) - 1);
	text = diag_text(&diag);
	ck_assert_str_eq(text, "links[0]: no such namespace \"red\"");
	free(text);
	diag_fini(&diag);
}
END_TEST

START_TEST(thousands_of_problems_are_all_kept)
{
	enum { N = 5000 };
	struct diag diag;
	char *lines;
	char *line;
	char *rest;

	diag_init(&diag, "f");
	/* Every line twice, from the last to the first. */
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(diag_error(&diag, (N - i + 1) / 2, "p", "%d", i), -EINVAL);
	ck_assert_uint_eq(diag.n_entries, N);
	lines = printed(&diag);
	rest = lines;
	for (int i = 0; i < N; i++) {
		char want[32];

		line = strsep(&rest, "\n");
		ck_assert_ptr_nonnull(line);
		snprintf(want, sizeof(want), "f:%d: p: %d", i / 2 + 1, N - 2 * (i / 2 + 1) + i % 2);
		ck_assert_str_eq(line, want);
	}
	ck_assert_str_eq(rest, "");
	free(lines);
	diag_fini(&diag);
}
END_TEST

START_TEST(long_text_is_not_cut)
{
	enum { LEN = 100000 };
	char *word = calloc(1, LEN + 1);
	struct diag diag;
	char *text;

	ck_assert_ptr_nonnull(word);
	memset(word, 'w', LEN);
	diag_init(&diag, NULL);
	diag_error(&diag, 0, word, "%s", word);
	text = diag_text(&diag);
	ck_assert_uint_eq(strlen(text), 2 * LEN + strlen(": "));
	free(text);
	diag_fini(&diag);
	free(word);
}
END_TEST

SUITE_MAIN("diag", LOOP_TEST(problem_is_one_line_with_its_place, format_rows),
	PLAIN_TEST(nothing_wrong_says_nothing), PLAIN_TEST(problems_are_told_in_the_order_of_lines),
	PLAIN_TEST(problem_outlives_the_strings_it_was_made_of),
	PLAIN_TEST(thousands_of_problems_are_all_kept), PLAIN_TEST(long_text_is_not_cut))
