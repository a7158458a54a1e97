/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of weirctl share: the options of its command line and the running session. */
#include <stdbool.h>

#include "conn.h"
#include "report.h"

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
	json_t *list; /* what the daemon said to rpc.list; kept when it goes away */
	json_t *rows; /* those of list, by "OBJECT VERB" */
};

/* batch.c: runs options.batch line by line. */
enum exit_code batch_run(struct session *session);
/* shell.c: reads commands from the terminal until its end. */
enum exit_code shell_run(struct session *session);
