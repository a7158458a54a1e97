/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Writes Markdown and roff. Text comes from the help strings of the tables, so what these syntaxes
 * would take for markup is escaped here and nowhere else. Words between backquotes are code in both.
 */
#include "doc.h"

#include <string.h>

/* Text */

static void roff_text(FILE *out, const char *text)
{
	bool is_code = false;

	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++) {
		if (*text == '`') {
			is_code = !is_code;
			fputs(is_code ? "\\fB" : "\\fR", out);
		} else if (*text == '\\') {
			fputs("\\e", out);
		} else if (*text == '-') {
			fputs("\\-", out);
		} else {
			fputc(*text, out);
		}
	}
}

static void markdown_text(FILE *out, const char *text)
{
	bool is_code = false;

	for (; *text != '\0'; text++) {
		if (*text == '`')
			is_code = !is_code;
		if (*text == '|' || (!is_code && strchr("*_<\\", *text) != NULL))
			fputc('\\', out);
		fputc(*text, out);
	}
}

void doc_heading(struct doc *doc, unsigned int level, const char *text)
{
	if (doc->syntax == DOC_ROFF) {
		fputs(level == 1 ? ".SH " : ".SS ", doc->out);
		roff_text(doc->out, text);
		fputc('\n', doc->out);
		return;
	}
	fprintf(doc->out, "%.*s ", (int)level, "######");
	markdown_text(doc->out, text);
	fputs("\n\n", doc->out);
}

void doc_text(struct doc *doc, const char *text)
{
	if (doc->syntax == DOC_ROFF) {
		fputs(".PP\n", doc->out);
		roff_text(doc->out, text);
		fputc('\n', doc->out);
		return;
	}
	markdown_text(doc->out, text);
	fputs("\n\n", doc->out);
}

void doc_code(struct doc *doc, const char *text)
{
	if (doc->syntax == DOC_ROFF) {
		fputs(".PP\n.nf\n.RS 4\n", doc->out);
		roff_text(doc->out, text);
		fputs("\n.RE\n.fi\n", doc->out);
		return;
	}
	fprintf(doc->out, "    %s\n\n", text);
}

/* Tables */

void doc_table(struct doc *doc, const struct doc_column *columns)
{
	doc->columns = columns;
	if (doc->syntax == DOC_ROFF)
		return;
	for (unsigned int i = 0; columns[i].title != NULL; i++)
		fprintf(doc->out, "| %s ", columns[i].title);
	fputs("|\n", doc->out);
	for (unsigned int i = 0; columns[i].title != NULL; i++)
		fputs("| --- ", doc->out);
	fputs("|\n", doc->out);
}

static void markdown_cell(FILE *out, const struct doc_column *column, const char *text)
{
	fputs("| ", out);
	if (text == NULL || *text == '\0')
		return;
	if (!column->is_code) {
		markdown_text(out, text);
	} else {
		fputc('`', out);
		for (; *text != '\0'; text++)
			fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
		fputc('`', out);
	}
	fputc(' ', out);
}

static void roff_row(FILE *out, const struct doc_column *columns, const char *const *cells)
{
	const char *separator = "";
	unsigned int last = 0;

	while (columns[last + 1].title != NULL)
		last++;
	fputs(".TP\n\\fB", out);
	roff_text(out, cells[0]);
	fputs("\\fR\n", out);
	if (cells[last] != NULL)
		roff_text(out, cells[last]);
	for (unsigned int i = 1; i < last; i++) {
		if (cells[i] == NULL || *cells[i] == '\0')
			continue;
		fprintf(out, "%s%s ", *separator != '\0' ? separator : "\n.br\n", columns[i].title);
		roff_text(out, cells[i]);
		separator = "; ";
	}
	fputc('\n', out);
}

void doc_row(struct doc *doc, const char *const *cells)
{
	if (doc->syntax == DOC_ROFF) {
		roff_row(doc->out, doc->columns, cells);
		return;
	}
	for (unsigned int i = 0; doc->columns[i].title != NULL; i++)
		markdown_cell(doc->out, &doc->columns[i], cells[i]);
	fputs("|\n", doc->out);
}

void doc_table_end(struct doc *doc)
{
	if (doc->syntax == DOC_MARKDOWN)
		fputc('\n', doc->out);
}
