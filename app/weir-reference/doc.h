/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A page as the generator sees it: headings, paragraphs and tables, written as Markdown or as roff
 * for man(1). A table becomes a list of terms in roff: the first column is the term, the last one
 * says what it is, those between stand below it with their titles.
 */
#include <stdbool.h>
#include <stdio.h>

enum doc_syntax { DOC_MARKDOWN, DOC_ROFF };

enum { DOC_COLUMNS_MAX = 8 };

struct doc_column {
	const char *title; /* NULL closes the list */
	bool is_code;
};

struct doc {
	FILE *out;
	enum doc_syntax syntax;
	const struct doc_column *columns; /* of the table that is open */
};

/* Level 1 is the page's title in Markdown and a section in roff. */
void doc_heading(struct doc *doc, unsigned int level, const char *text);
void doc_text(struct doc *doc, const char *text);
/* A line that is typed, or text as it is in a file. */
void doc_code(struct doc *doc, const char *text);
void doc_table(struct doc *doc, const struct doc_column *columns);
/* One cell for each column; NULL or "" leaves it empty. */
void doc_row(struct doc *doc, const char *const *cells);
void doc_table_end(struct doc *doc);
