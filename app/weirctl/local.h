/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The words that the client itself knows; all others are the daemon's. */
#include "weirctl.h"

struct local {
	const char *word; /* NULL closes the table */
	const char *help;
	const char *argument; /* the word that may follow; NULL: none */
	enum exit_code (*run)(struct session *session, char *const *words, int n);
};

extern const struct local locals[];

/* By its whole name; NULL: it is none of them. */
const struct local *local_find(const char *word);
