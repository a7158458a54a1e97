/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Printing by the shape of the answer: an array of objects is a table with the command's columns
 * (or, if it names none, with all keys of its rows), an object is its `text`, or
 * `key value` lines if it has none, text is text.
 * Cells are made twice, once to measure and once to print, so that a dump of a million rows needs
 * no memory beyond the answer itself. All goes to stdout.
 */
#include "print.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "path.h"
#include "text.h"

struct table_column {
	const char *path, *title;
	bool is_path; /* dots in path lead into objects */
	size_t width;
	bool is_numeric; /* every cell is a number: aligned to the right */
};

struct table {
	struct table_column *columns;
	size_t n;
};

/* Values as text */

/* Non-ASCII text is escaped, so no control character of any kind is left, but for DEL. */
static void put_json(const json_t *json, size_t flags)
{
	char *text = json_dumps(
		json, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	if (text == NULL)
		return;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else
			putchar(*p);
	}
	putchar('\n');
	free(text);
}

static char *cell_text(const json_t *row, const struct table_column *column)
{
	char *text = column->is_path ? path_text(row, column->path)
				     : path_text(json_object_get(row, column->path), "");

	if (text != NULL && text[0] != '\0')
		return text;
	free(text);
	return mem_strdup("-");
}

/* Tables */

static void table_add(struct table *table, const char *path, const char *title, bool is_path)
{
	table->columns = mem_realloc(table->columns, table->n + 1, sizeof(*table->columns));
	table->columns[table->n++] = (struct table_column){
		.path = path,
		.title = title,
		.is_path = is_path,
		.is_numeric = true,
	};
}

static void table_add_keys(struct table *table, const json_t *row)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)row, key, value) {
		size_t i = 0;

		while (i < table->n && strcmp(table->columns[i].path, key) != 0)
			i++;
		if (i == table->n)
			table_add(table, key, key, false);
	}
}

static struct table table_create(
	const struct options *options, const json_t *command, const json_t *rows)
{
	struct table table = { .n = 0 };
	json_t *column, *row;
	size_t i;

	json_array_foreach(json_object_get(command, "columns"), i, column) {
		const char *path = json_string_value(json_object_get(column, "path"));
		const char *title = json_string_value(json_object_get(column, "title"));

		if (path == NULL || title == NULL)
			continue;
		if (options->has_statistics || !json_is_true(json_object_get(column, "detail")))
			table_add(&table, path, title, true);
	}
	if (table.n == 0)
		json_array_foreach(rows, i, row)
			table_add_keys(&table, row);
	return table;
}

/* A number, or the dash of a cell without a value. An address is none. */
static bool is_number(const char *text)
{
	char *end;

	if (strspn(text, "0123456789.-") != strlen(text))
		return false;
	strtod(text, &end);
	return *end == '\0' || strcmp(text, "-") == 0;
}

static void table_measure(struct table *table, const json_t *rows)
{
	json_t *row;
	size_t i;

	for (size_t c = 0; c < table->n; c++) {
		struct table_column *column = &table->columns[c];

		column->width = text_width(column->title);
		json_array_foreach(rows, i, row) {
			char *text = cell_text(row, column);
			size_t width = text_width(text);

			column->width = width > column->width ? width : column->width;
			column->is_numeric = column->is_numeric && is_number(text);
			free(text);
		}
	}
}

/* The last column is not padded: no line ends in spaces. Steals text. */
static void put_cell(const struct table *table, size_t c, char *text)
{
	const struct table_column *column = &table->columns[c];
	size_t width = text_width(text);
	int pad = (int)(column->width > width ? column->width - width : 0);

	if (c > 0)
		fputs("  ", stdout);
	if (column->is_numeric)
		printf("%*s%s", pad, "", text);
	else if (c + 1 < table->n)
		printf("%s%*s", text, pad, "");
	else
		fputs(text, stdout);
	if (c + 1 == table->n)
		putchar('\n');
	free(text);
}

static void print_table(const struct options *options, const json_t *command, const json_t *rows)
{
	struct table table = table_create(options, command, rows);
	json_t *row;
	size_t i;

	table_measure(&table, rows);
	for (size_t c = 0; c < table.n; c++)
		put_cell(&table, c, text_safe(table.columns[c].title, false));
	json_array_foreach(rows, i, row)
		for (size_t c = 0; c < table.n; c++)
			put_cell(&table, c, cell_text(row, &table.columns[c]));
	free(table.columns);
}

/* Objects */

static bool has_only_scalars(const json_t *array)
{
	json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
		if (json_is_object(item) || json_is_array(item))
			return false;
	return true;
}

/* `key value` for every value within, with the whole path as the key. end: what follows each. */
static void put_flat(const char *path, const json_t *json, char end)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		json_object_foreach((json_t *)(uintptr_t)json, key, value) {
			char *inner = mem_printf("%s%s%s", path, path[0] != '\0' ? "." : "", key);

			put_flat(inner, value, end);
			free(inner);
		}
	} else if (json_is_array(json) && !has_only_scalars(json)) {
		json_array_foreach(json, i, value) {
			char *inner = mem_printf("%s[%zu]", path, i);

			put_flat(inner, value, end);
			free(inner);
		}
	} else {
		char *name = text_safe(path, false), *text = path_text(json, "");

		printf("%s %s%c", name, text != NULL ? text : "-", end);
		free(name);
		free(text);
	}
}

static void print_scalar(const json_t *json)
{
	char *text;

	if (json_is_string(json)) {
		text_put_lines(stdout, json_string_value(json));
		return;
	}
	text = scalar_text(json);
	printf("%s\n", text);
	free(text);
}

static void print_array(const struct options *options, const json_t *command, const json_t *rows)
{
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	if (json_is_object(json_array_get(rows, 0))) {
		print_table(options, command, rows);
		return;
	}
	json_array_foreach(rows, i, row)
		print_scalar(row);
}

static bool print_as_json(const struct options *options, const json_t *json)
{
	if (options->is_json)
		put_json(json, options->is_pretty ? JSON_INDENT(4) : 0);
	return options->is_json;
}

void print_result(const struct options *options, const json_t *command, const json_t *result)
{
	const char *text;

	if (result == NULL || json_is_null(result) || print_as_json(options, result))
		return;
	text = json_string_value(json_object_get(result, "text"));
	if (json_is_array(result))
		print_array(options, command, result);
	else if (text != NULL)
		text_put_lines(stdout, text);
	else if (json_is_object(result))
		put_flat("", result, '\n');
	else
		print_scalar(result);
}

/* As the cells of a row without a table, since the width of what is still to come is not known. */
static void print_event_row(
	const struct options *options, const json_t *command, const json_t *event)
{
	struct table table = table_create(options, command, NULL);

	for (size_t c = 0; c < table.n; c++) {
		char *text = cell_text(event, &table.columns[c]);

		printf("%s%s", c > 0 ? "  " : "", text);
		free(text);
	}
	if (table.n == 0)
		put_flat("", event, ' ');
	putchar('\n');
	free(table.columns);
}

void print_event(const struct options *options, const json_t *command, const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "text"));

	if (!print_as_json(options, event)) {
		if (text != NULL)
			text_put_lines(stdout, text);
		else if (json_is_object(event))
			print_event_row(options, command, event);
		else
			print_scalar(event);
	}
	/* Whoever reads a stream through a pipe wants it as it happens. */
	fflush(stdout);
}
