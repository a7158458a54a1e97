/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A neutral tree of settings, built from libconfig text or from JSON, with the line each value
 * stands on. Everything above (validation, decoding) sees only this tree, so that a file and a
 * request are judged by the same rules. Control thread, or any single thread.
 *
 * The libconfig reader refuses what libconfig 1.5 accepts and mangles: integers outside int32
 * without an L, @include, and a file over 64 MiB. Syntax errors and duplicate keys come from
 * libconfig itself, with their line.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STRING, NODE_LIST, NODE_GROUP };

struct node {
	enum node_kind kind;
	int line;   /* 1..; 0 when it came from JSON */
	char *name; /* key within a group; NULL otherwise */
	union {
		bool boolean;
		int64_t integer;
		double real;
		char *string;
	};
	struct node *child; /* first member of a list or group */
	struct node *next;  /* sibling, in the order of the text */
};

/* NULL when the text cannot be read; what is wrong is in diag. */
struct node *node_read_file(const char *path, struct diag *diag);
struct node *node_read_text(const char *text, size_t len, struct diag *diag);
struct node *node_from_json(const json_t *json);
void node_destroy(struct node *node);

/* Child of a group by name, or NULL. */
const struct node *node_child(const struct node *group, const char *name);
/*
 * The line of what stands at a path such as "links[2].mtu"; of the nearest thing above it that
 * exists when that itself is not written down. Lets checks across objects name the right line.
 */
int node_line(const struct node *root, const char *path);
