/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Log lines as they arrive on stderr, which is a pipe here: a pipe of packets (O_DIRECT), so that
 * one read(2) gives what one write(2) gave.
 */
#include "base/log.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { READ_MAX = 4096 };

static int stderr_pipe;

/* Every test runs in a process of its own: stderr is not put back. */
static void stderr_catch(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
	stderr_pipe = ends[0];
}

/* What one write brought, "" when there was none. */
static const char *stderr_read(void)
{
	static char text[READ_MAX];
	ssize_t len = read(stderr_pipe, text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static const struct line_row {
	enum log_level level;
	const char *text;
	const char *want;
} line_rows[] = {
	{ LOG_LEVEL_ERR, "no link=eth0", "ERR link: no link=eth0\n" },
	{ LOG_LEVEL_WARN, "", "WARN link: \n" },
	{ LOG_LEVEL_NOTICE, "up", "NOTICE link: up\n" },
	{ LOG_LEVEL_INFO, "%s%n", "INFO link: %s%n\n" },
	{ LOG_LEVEL_DEBUG, "a\nERR b\r\x1b[0m\x7f", "DEBUG link: a?ERR b??[0m?\n" },
};

START_TEST(event_is_one_line_in_one_write)
{
	struct log_site site = { 0 };

	stderr_catch();
	log_write(&site, line_rows[_i].level, "link", "%s", line_rows[_i].text);
	ck_assert_str_eq(stderr_read(), line_rows[_i].want);
	ck_assert_str_eq(stderr_read(), "");
}
END_TEST

START_TEST(long_text_is_cut_and_still_a_line)
{
	struct log_site site = { .n_withheld = UINT32_MAX };
	static char word[8000];
	const char *line;

	stderr_catch();
	memset(word, 'w', sizeof(word) - 1);
	log_write(&site, LOG_LEVEL_ERR, "link", "%s", word);
	line = stderr_read();
	ck_assert_uint_le(strlen(line), 1024);
	ck_assert_ptr_nonnull(strstr(line, "w... withheld=4294967295\n"));
	ck_assert_str_eq(stderr_read(), "");
}
END_TEST

/* Writes n lines within one second and returns how many came out. */
static unsigned int burst(struct log_site *site, unsigned int n)
{
	for (;;) {
		unsigned int n_lines = 0;
		uint64_t second;

		*site = (struct log_site){ 0 };
		log_write(site, LOG_LEVEL_ERR, "link", "first");
		second = site->second;
		for (unsigned int i = 1; i < n; i++)
			log_write(site, LOG_LEVEL_ERR, "link", "again");
		while (stderr_read()[0] != '\0')
			n_lines++;
		if (site->second == second)
			return n_lines;
	}
}

START_TEST(site_writes_a_burst_a_second_and_tells_what_it_withheld)
{
	struct log_site site;
	struct log_site other = { 0 };

	stderr_catch();
	ck_assert_uint_eq(burst(&site, LOG_BURST), LOG_BURST);
	ck_assert_uint_eq(site.n_withheld, 0);
	ck_assert_uint_eq(burst(&site, LOG_BURST + 15), LOG_BURST);
	ck_assert_uint_eq(site.n_withheld, 15);
	log_write(&other, LOG_LEVEL_ERR, "link", "another site");
	ck_assert_str_eq(stderr_read(), "ERR link: another site\n");
	/* As if the second had passed. */
	site.second--;
	log_write(&site, LOG_LEVEL_ERR, "link", "back");
	ck_assert_str_eq(stderr_read(), "ERR link: back withheld=15\n");
	log_write(&site, LOG_LEVEL_ERR, "link", "back");
	ck_assert_str_eq(stderr_read(), "ERR link: back\n");
}
END_TEST

START_TEST(levels_beyond_the_threshold_are_silent)
{
	stderr_catch();
	log_info("link", "off by default");
	log_debug("link", "off by default");
	ck_assert_str_eq(stderr_read(), "");
	log_notice("link", "on");
	ck_assert_str_eq(stderr_read(), "NOTICE link: on\n");
	log_threshold = LOG_LEVEL_ERR;
	log_warn("link", "off now");
	ck_assert_str_eq(stderr_read(), "");
	log_threshold = LOG_LEVEL_DEBUG;
	log_debug("link", "on now");
	ck_assert_str_eq(stderr_read(), "DEBUG link: on now\n");
}
END_TEST

START_TEST(errno_is_kept_and_a_full_pipe_is_no_trouble)
{
	struct log_site site = { 0 };
	ssize_t len;

	stderr_catch();
	errno = ENOENT;
	log_write(&site, LOG_LEVEL_ERR, "link", "error=%m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(stderr_read(), "ERR link: error=No such file or directory\n");
	do
		len = write(STDERR_FILENO, "x", 1);
	while (len == 1);
	errno = ENOENT;
	log_write(&site, LOG_LEVEL_ERR, "link", "lost");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

SUITE_MAIN("log", LOOP_TEST(event_is_one_line_in_one_write, line_rows),
	PLAIN_TEST(long_text_is_cut_and_still_a_line),
	PLAIN_TEST(site_writes_a_burst_a_second_and_tells_what_it_withheld),
	PLAIN_TEST(levels_beyond_the_threshold_are_silent),
	PLAIN_TEST(errno_is_kept_and_a_full_pipe_is_no_trouble))
