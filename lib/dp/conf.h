/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A configuration as read: every section decoded and checked, nothing applied. The grammar of the
 * file is the sum of the modules' sections. Control thread.
 */
#include "dp/dp.h"

struct conf_section {
	const struct section *section;
	void **objects; /* decoded objects; a group section has exactly one; scalars: none */
	unsigned int n_objects;
	const struct field_list *scalars; /* of a list of scalars */
};

struct config {
	struct node *root; /* for lines */
	char *file;
	struct object object; /* the file as one object, made from all sections */
	struct field *fields;
	void *instance;
	struct conf_section *sections;
	unsigned int n_sections;
	struct section *sysctl; /* made from all modules' groups */
	unsigned int n_wrong;	/* settings that are wrong by themselves: the first in diag */
};

/* Reads, decodes and checks. NULL when anything was wrong: all of it is in diag. */
struct config *conf_read_file(struct module *const *modules, const char *path, struct diag *diag);
struct config *conf_read_text(
	struct module *const *modules, const char *text, size_t len, struct diag *diag);
void conf_destroy(struct config *config);

/* The decoded objects of a section, for checks across sections. Never NULL for a known key. */
const struct conf_section *conf_section(const struct config *config, const char *key);
/* Adds a problem at a path such as "routes[1].dev"; finds the line by itself. Returns -EINVAL. */
int conf_error(const struct config *config, struct diag *diag, const char *path, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

/*
 * Is the setting at this path wrong by itself, or something in it, or what it is in? Checks run all
 * the same, on defaults in place of what is wrong; conf_error() says nothing more of such settings,
 * and a check that needs one for its verdict on another asks here.
 */
bool conf_is_wrong(const struct config *config, const struct diag *diag, const char *path);

/* A path that the configuration names: a relative one counts from its file. Caller frees. */
char *conf_path(const struct config *config, const char *file);

/* Applies every section, in the order of the modules. Stops at the first failure. */
int conf_apply(struct dp *dp, const struct config *config, struct diag *diag);
/* The running configuration as text that conf_read_text() accepts. Caller frees. */
char *conf_print(struct dp *dp);
