/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens to packets: reasons of drops, stages with their exits, counters.
 */
#include "app.h"
#include "base/mem.h"
#include "dp/stage.h"
#include "reference.h"

#include <stdlib.h>
#include <string.h>

void part_drops(struct doc *doc)
{
	static const struct doc_column columns[] = { { "reason", true }, { "module", true },
		{ "what the packet had", false }, { NULL, false } };

	doc_table(doc, columns);
	for (struct module *const *m = modules; *m != NULL; m++)
		for (unsigned int i = 0; i < (*m)->n_drops; i++)
			doc_row(doc, (const char *[]){ (*m)->drops[i].name, (*m)->name,
					     (*m)->drops[i].help });
	doc_table_end(doc);
}

static char *exits_text(const struct stage *stage)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);
	const char *separator = "";

	if (out == NULL)
		abort();
	for (unsigned int e = 1; e < STAGE_EXITS_MAX && stage->exits[e].name != NULL; e++) {
		fprintf(out, "%s`%s` to `%s`", separator, stage->exits[e].name,
			stage->exits[e].target);
		separator = ", ";
	}
	fclose(out);
	return text;
}

void part_stages(struct doc *doc)
{
	static const struct doc_column columns[] = { { "stage", true }, { "exits", false },
		{ "what it does", false }, { NULL, false } };

	doc_table(doc, columns);
	for (const struct stage *const *stage = pipeline; *stage != NULL; stage++) {
		char *exits = exits_text(*stage);

		doc_row(doc, (const char *[]){ (*stage)->name, exits, (*stage)->help });
		free(exits);
	}
	doc_table_end(doc);
}

/* Do both say what is in the same object of the same answer? */
static bool counters_are_together(const struct counter_table *a, const struct counter_table *b)
{
	return strcmp(a->command, b->command) == 0 &&
	       (a->path == NULL ? b->path == NULL
				: b->path != NULL && strcmp(a->path, b->path) == 0);
}

typedef void counters_fn(struct doc *doc, const struct counter_table *table, const void *arg);

static void counters_each(struct doc *doc, counters_fn *fn, const void *arg)
{
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct counter_table *t = (*m)->counters;
			t != NULL && t->command != NULL; t++)
			fn(doc, t, arg);
}

static void counters_rows(struct doc *doc, const struct counter_table *table, const void *arg)
{
	if (!counters_are_together(table, arg))
		return;
	for (const struct counter *counter = table->counters; counter->name != NULL; counter++)
		doc_row(doc, (const char *[]){ counter->name, counter->help });
}

/* A module may add to the answer of another: its rows stand with those of the first. */
static bool counters_are_first(const struct counter_table *table)
{
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct counter_table *t = (*m)->counters;
			t != NULL && t->command != NULL; t++)
			if (counters_are_together(t, table))
				return t == table;
	return true;
}

static void counters_print(struct doc *doc, const struct counter_table *table, const void *arg)
{
	static const struct doc_column columns[] = { { "counter", true },
		{ "what it counts", false }, { NULL, false } };
	char *title;

	if (!counters_are_first(table))
		return;
	title = mem_printf("%s%s%s", table->command, table->path != NULL ? ": " : "",
		table->path != NULL ? table->path : "");
	doc_heading(doc, 2, title);
	free(title);
	doc_table(doc, columns);
	counters_each(doc, counters_rows, table);
	doc_table_end(doc);
}

void part_counters(struct doc *doc)
{
	counters_each(doc, counters_print, NULL);
}
