/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of weirctl share: the options of its command line and its exit codes. */
#include <stdbool.h>

#include "conn.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	bool is_json, is_pretty, has_statistics;
	const char *netns;  /* NULL: not given */
	const char *socket; /* path */
	const char *batch;  /* file, "-" is stdin; NULL: none */
	double repeat_s;    /* 0: run once */
};

/* A running weirctl. */
struct session {
	struct options options;
	struct conn conn;
	json_t *list; /* what the daemon said to rpc.list */
};

/* Prints one line on stderr, control characters made visible. `where` may be NULL. */
void print_error(const char *where, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints the error member of an answer; returns the exit code that it means. */
enum exit_code print_rpc_error(const char *where, const json_t *error);
/* A message that says that the connection broke: one without id, or none at all (err < 0). */
enum exit_code print_broken(const char *where, int err, const json_t *message);

/* batch.c: runs options.batch line by line. */
enum exit_code batch_run(struct session *session);
