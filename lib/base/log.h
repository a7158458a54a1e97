/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The log: one line on stderr per event, "LEVEL module: text key=value ...". Control thread only,
 * workers never log. Each call site lets at most LOG_BURST lines a second through; what was held
 * back is counted and told with the next line of that site.
 *
 * ERR: something the operator asked for did not happen. WARN: degraded. NOTICE: state changed.
 * INFO and DEBUG are off unless asked for.
 */
#include <stdint.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_BURST = 10 };

struct log_site {
	uint64_t second;     /* monotonic second that n_lines counts in */
	uint32_t n_lines;    /* lines let through in it */
	uint32_t n_withheld; /* lines held back since the last one printed */
};

extern enum log_level log_threshold; /* set once at start; NOTICE by default */

void log_write(struct log_site *site, enum log_level level, const char *module, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

#define LOG_AT(level, module, ...)                                                                 \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		if ((level) <= log_threshold)                                                      \
			log_write(&log_site_, (level), (module), __VA_ARGS__);                     \
	} while (0)

#define log_err(module, ...)	LOG_AT(LOG_LEVEL_ERR, module, __VA_ARGS__)
#define log_warn(module, ...)	LOG_AT(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define log_notice(module, ...) LOG_AT(LOG_LEVEL_NOTICE, module, __VA_ARGS__)
#define log_info(module, ...)	LOG_AT(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_debug(module, ...)	LOG_AT(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
