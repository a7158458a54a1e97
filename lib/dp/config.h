/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A configuration as read: every section decoded and checked, nothing applied. Control thread.
 */
#include "dp/module.h"

struct config {
	struct node *root; /* for lines */
	const char *file;
	struct module *const *modules;
	struct config_section {
		const struct section *section;
		void **objects; /* a group section has exactly one */
		unsigned int n_objects;
	} *sections;
	unsigned int n_sections;
};

/* Reads, decodes and checks. NULL when anything was wrong: all of it is in diag. */
struct config *config_read_file(
	struct module *const *modules, const char *path, struct diag *diag);
struct config *config_read_text(
	struct module *const *modules, const char *text, size_t len, struct diag *diag);
void config_destroy(struct config *config);

/* The decoded objects of a section, for checks across sections. Never NULL for a known key. */
const struct config_section *config_section(const struct config *config, const char *key);
/* Adds a problem at a path such as "routes[1].dev"; finds the line by itself. Returns -EINVAL. */
int config_error(const struct config *config, struct diag *diag, const char *path, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

/* Applies every section, in the order of the modules. Stops at the first failure. */
int config_apply(struct dp *dp, const struct config *config, struct diag *diag);
/* The running configuration as text that config_read_text() accepts. Caller frees. */
char *config_print(struct dp *dp);
