/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Writes log lines, called through the macros of log.h on the control thread. A line is built in
 * a buffer on the stack and leaves in one write(2), so that lines of processes that share a stderr
 * do not mix. The only state is the caller's struct log_site, no lock is needed.
 *
 * What cannot be written (a full pipe, a closed stderr) is lost: the log never holds up or ends
 * the daemon. Text of others that finds its way into a line cannot forge a second one, control
 * characters become '?'.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	LOG_LINE_MAX = 1024, /* with the newline; longer text is cut and ends in "..." */
	LOG_TAIL_MAX = 32,   /* " withheld=4294967295" and the newline */
};

struct log_line {
	char text[LOG_LINE_MAX];
	size_t len;
};

enum log_level log_threshold = LOG_LEVEL_NOTICE;

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		return "ERR";
	case LOG_LEVEL_WARN:
		return "WARN";
	case LOG_LEVEL_NOTICE:
		return "NOTICE";
	case LOG_LEVEL_INFO:
		return "INFO";
	case LOG_LEVEL_DEBUG:
		return "DEBUG";
	}
	return "?";
}

/* May this site write another line in this second? */
static bool site_admit(struct log_site *site)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (site->second != (uint64_t)now.tv_sec) {
		site->second = (uint64_t)now.tv_sec;
		site->n_lines = 0;
	}
	if (site->n_lines >= LOG_BURST) {
		site->n_withheld++;
		return false;
	}
	site->n_lines++;
	return true;
}

/* Appends up to position limit, cutting what is longer. */
static void line_append(struct log_line *line, size_t limit, const char *fmt, va_list args)
{
	static const char cut[] = "...";
	size_t room = limit - line->len;
	int len = vsnprintf(line->text + line->len, room, fmt, args);

	if (len < 0)
		return;
	if ((size_t)len < room) {
		line->len += (size_t)len;
		return;
	}
	line->len = limit - 1;
	memcpy(line->text + line->len - strlen(cut), cut, strlen(cut));
}

__attribute__((format(printf, 3, 4))) static void line_printf(
	struct log_line *line, size_t limit, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_append(line, limit, fmt, args);
	va_end(args);
}

static void line_clean(struct log_line *line)
{
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->text[i];

		if (c < ' ' || c == 0x7f)
			line->text[i] = '?';
	}
}

void log_write(
	struct log_site *site, enum log_level level, const char *module, const char *fmt, ...)
{
	const size_t text_limit = LOG_LINE_MAX - LOG_TAIL_MAX;
	int saved_errno = errno;
	struct log_line line;
	va_list args;
	ssize_t ignored;

	if (!site_admit(site))
		return;
	line.len = 0;
	line_printf(&line, text_limit, "%s %s: ", level_name(level), module);
	/* "%m" in fmt means the caller's errno. */
	errno = saved_errno;
	va_start(args, fmt);
	line_append(&line, text_limit, fmt, args);
	va_end(args);
	if (site->n_withheld > 0)
		line_printf(&line, LOG_LINE_MAX, " withheld=%u", site->n_withheld);
	site->n_withheld = 0;
	line_clean(&line);
	line.text[line.len++] = '\n';
	ignored = write(STDERR_FILENO, line.text, line.len);
	(void)ignored;
	errno = saved_errno;
}
