/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Errors, on stderr, made safe for a terminal, and the exit codes that they mean. */
#include <jansson.h>

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Prints one line, control characters made visible. `where` may be NULL. */
void print_error(const char *where, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints the error member of an answer; returns the exit code that it means. */
enum exit_code print_rpc_error(const char *where, const json_t *error);
/* A message that says that the connection broke: one without id, or none at all (err < 0). */
enum exit_code print_broken(const char *where, int err, const json_t *message);
