/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Figures that weir shows: one row for each gives its name in answers and its line in the
 * reference. The values lie in a struct of the owner's, whose fields are 8 bytes wide.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct counter {
	const char *name; /* key in the answer; NULL closes a table */
	const char *help; /* one sentence, no final dot */
	size_t offset;	  /* of an int64_t or uint64_t, or of a double */
	bool is_ratio;	  /* a double */
};

/* Which answer holds which counters. */
struct counter_table {
	const char *command; /* "stats show"; NULL closes the list of a module's tables */
	const char *path; /* of the object that they are in, such as "stats64.rx"; NULL: the row */
	const struct counter *counters;
};

/* One member for each row. New reference. Any single thread. */
json_t *counters_json(const struct counter *table, const void *values);
