/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Between the files of the generator. A part is a piece of a page that is made from the tables of
 * the modules; a page is a part of its own or a frame in which parts are put.
 */
#include "doc.h"
#include "dp/module.h"

/* A field as words; "" for what it does not have. */
struct field_words {
	char type[64], def[128], range[256], example[256], help[1024];
};

void field_words(const struct field *field, struct field_words *words);
/* The value as it is written in the file; "" when there is none. */
void field_value_text(const struct field *field, const char *value, char *buf, size_t size);
/* An example of a field in the grammar of the file; "" when its type has none. */
void field_example_text(const struct field *field, char *buf, size_t size);
const char *section_help(const struct section *section);

/* Parts */
void part_settings(struct doc *doc);
void part_sysctls(struct doc *doc);
void part_commands(struct doc *doc);
void part_drops(struct doc *doc);
void part_stages(struct doc *doc);
void part_counters(struct doc *doc);
/* Commented settings for the file that is installed. -ENOENT: there is no such section. */
int part_section(FILE *out, const char *key);
