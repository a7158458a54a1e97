/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The commands of weirctl and of the control socket, with arguments and columns. Those that weir
 * does not have yet are named at the end.
 */
#include "app.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "reference.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Synopsis: "weirctl link set [dev] DEV [up|down] [mtu MTU]" */

static void synopsis_value(FILE *out, const struct field *field)
{
	if (field->enums != NULL) {
		for (const struct field_enum *e = field->enums; e->name != NULL; e++)
			fprintf(out, "%s%s", e == field->enums ? "" : "|", e->name);
		return;
	}
	for (const char *c = field->name; *c != '\0'; c++)
		fputc(toupper((unsigned char)*c), out);
	if (field->type == FIELD_REST || field->type == FIELD_LIST)
		fputs(" ...", out);
}

static void synopsis_field(const struct field *field, void *ctx)
{
	bool is_optional = !(field->flags & FIELD_REQUIRED);
	FILE *out = ctx;

	if (field->type == FIELD_PENDING)
		return;
	fputs(is_optional ? " [" : " ", out);
	if (field->type == FIELD_BOOL) {
		fputs(field->name, out);
	} else if (field->type == FIELD_ENUM && !(field->flags & FIELD_NAMED)) {
		synopsis_value(out, field);
	} else {
		fprintf(out, field->flags & FIELD_POSITIONAL ? "[%s] " : "%s ", field->name);
		synopsis_value(out, field);
	}
	if (is_optional)
		fputc(']', out);
}

static void synopsis_print(struct doc *doc, const struct command *command)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	fprintf(out, "weirctl %s %s", command->object, command->verb);
	if (command->args != NULL)
		object_each_field(command->args, synopsis_field, out);
	fclose(out);
	doc_code(doc, text);
	free(text);
}

/* Arguments and columns */

static void argument_row(const struct field *field, void *ctx)
{
	struct field_words words;

	if (field->type == FIELD_PENDING)
		return;
	field_words(field, &words);
	doc_row(ctx,
		(const char *[]){ field->name, words.type, words.def, words.range, words.help });
}

static void arguments_print(struct doc *doc, const struct object *args)
{
	static const struct doc_column columns[] = {
		{ "argument", true },
		{ "type", false },
		{ "default", false },
		{ "range", false },
		{ "what it is", false },
		{ NULL, false },
	};

	doc_table(doc, columns);
	object_each_field(args, argument_row, doc);
	doc_table_end(doc);
}

static void columns_print(struct doc *doc, const struct column *column)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	fprintf(out, "Columns, with the member of the JSON answer that they show: ");
	for (const char *separator = ""; column->title != NULL; column++, separator = ", ")
		fprintf(out, "%s%s `%s`%s", separator, column->title, column->path,
			column->is_detail ? " (with -s)" : "");
	fprintf(out, ".");
	fclose(out);
	doc_text(doc, text);
	free(text);
}

static void command_print(struct doc *doc, const struct command *command)
{
	char *title = mem_printf("%s %s", command->object, command->verb);
	char *text = mem_printf("%c%s. %sMethod `%s.%s`.", toupper((unsigned char)command->help[0]),
		command->help + 1,
		command->is_stream	? "Goes on until it is interrupted. "
		: command->is_read_only ? ""
					: "Changes the running weir. ",
		command->object, command->verb);

	doc_heading(doc, 2, title);
	synopsis_print(doc, command);
	doc_text(doc, text);
	if (command->args != NULL)
		arguments_print(doc, command->args);
	if (command->columns != NULL)
		columns_print(doc, command->columns);
	free(title);
	free(text);
}

static void table_print(struct doc *doc, const struct command *table)
{
	for (; table != NULL && table->object != NULL; table++)
		if (table->run != NULL)
			command_print(doc, table);
}

static void table_print_pending(struct doc *doc, const struct command *table)
{
	for (; table != NULL && table->object != NULL; table++) {
		char *title;

		if (table->run != NULL)
			continue;
		title = mem_printf("%s %s", table->object, table->verb);
		doc_row(doc, (const char *[]){ title, table->help });
		free(title);
	}
}

void part_commands(struct doc *doc)
{
	static const struct doc_column pending_columns[] = { { "command", true },
		{ "what it will do", false }, { NULL, false } };

	for (struct module *const *m = modules; *m != NULL; m++)
		table_print(doc, (*m)->commands);
	table_print(doc, ctl_rpc_commands);
	doc_heading(doc, 2, "Not yet in weir");
	doc_text(doc, "These commands are known and refused with an error that says so.");
	doc_table(doc, pending_columns);
	for (struct module *const *m = modules; *m != NULL; m++)
		table_print_pending(doc, (*m)->commands);
	doc_table_end(doc);
}
