/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What is wrong with an input: a list of problems, each with the place it was found at. One diag
 * belongs to one change (a configuration file, a request). Control thread, or any single thread.
 *
 * Printed as the contract says, a line each: `FILE:LINE: path.to.setting: what is wrong`.
 */
#include <stdio.h>

struct diag_entry {
	int line;   /* 1.. ; 0: not known */
	char *path; /* "links[1].mtu"; "" for the file as a whole */
	char *text; /* what is wrong and what is allowed */
};

struct diag {
	const char *file; /* borrowed; NULL for a request */
	struct diag_entry *entries;
	unsigned int n_entries;
};

void diag_init(struct diag *diag, const char *file);
void diag_fini(struct diag *diag);
/* Adds one problem. path may be NULL. Always returns -EINVAL, so that callers can return it. */
int diag_error(struct diag *diag, int line, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints every entry, one line each, in the order of their lines. */
void diag_print(const struct diag *diag, FILE *out);
/* All entries as one string, joined by "; ". Caller frees. */
char *diag_text(const struct diag *diag);
