/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The grammar of the configuration: sections and their fields, and the tunables below `sysctl`.
 * What is in the contract but not yet in weir is named at the end, not described.
 */
#include "app.h"
#include "base/mem.h"
#include "reference.h"

static const struct doc_column field_columns[] = {
	{ "field", true },
	{ "type", false },
	{ "default", false },
	{ "range", false },
	{ "example", true },
	{ "what it is", false },
	{ NULL, false },
};

struct fields_page {
	struct doc *doc;
	const char *path; /* of the object, such as "links[]" */
	unsigned int n_pending;
};

static void fields_row(const struct field *field, void *ctx)
{
	struct fields_page *page = ctx;
	struct field_words words;

	if (field->type == FIELD_PENDING) {
		page->n_pending++;
		return;
	}
	field_words(field, &words);
	doc_row(page->doc, (const char *[]){ field->name, words.type, words.def, words.range,
				   words.example, words.help });
}

static void fields_pending_row(const struct field *field, void *ctx)
{
	struct fields_page *page = ctx;

	if (field->type == FIELD_PENDING)
		doc_row(page->doc, (const char *[]){ field->name, field->help });
}

static void fields_table(struct doc *doc, const struct object *object, const char *path);

static void fields_nested(const struct field *field, void *ctx)
{
	struct fields_page *page = ctx;
	char *path;

	if (field->object == NULL || (field->flags & FIELD_ONE))
		return;
	path = mem_printf(
		"%s.%s%s", page->path, field->name, field->type == FIELD_LIST ? "[]" : "");
	doc_heading(page->doc, 3, path);
	if (field->help != NULL)
		doc_text(page->doc, field->help);
	fields_table(page->doc, field->object, path);
	free(path);
}

static void fields_table(struct doc *doc, const struct object *object, const char *path)
{
	static const struct doc_column pending_columns[] = { { "not yet in weir", true },
		{ "what it will be", false }, { NULL, false } };
	struct fields_page page = { .doc = doc, .path = path };

	doc_table(doc, field_columns);
	object_each_field(object, fields_row, &page);
	doc_table_end(doc);
	if (page.n_pending > 0) {
		doc_table(doc, pending_columns);
		object_each_field(object, fields_pending_row, &page);
		doc_table_end(doc);
	}
	object_each_field(object, fields_nested, &page);
}

static void section_print(struct doc *doc, const struct section *section)
{
	char *text, *path = mem_printf("%s%s", section->key, section->is_list ? "[]" : "");

	doc_heading(doc, 2, section->key);
	if (section->is_list && section->object != NULL)
		text = mem_printf("A list, `%s = ( { ... }, ... );`, of: %s.", section->key,
			section_help(section));
	else if (section->object == NULL)
		text = mem_printf("A list of values, `%s = [ ... ];`: %s.", section->key,
			section_help(section));
	else
		text = mem_printf(
			"A group, `%s: { ... };`: %s.", section->key, section_help(section));
	doc_text(doc, text);
	if (section->object != NULL)
		fields_table(doc, section->object, path);
	free(text);
	free(path);
}

static void sections_each(struct doc *doc, bool is_pending)
{
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct section *s = (*m)->sections; s != NULL && s->key != NULL; s++) {
			if (s->is_pending != is_pending)
				continue;
			if (is_pending)
				doc_row(doc, (const char *[]){ s->key, section_help(s) });
			else
				section_print(doc, s);
		}
}

void part_settings(struct doc *doc)
{
	static const struct doc_column pending_columns[] = { { "section", true },
		{ "what it will be", false }, { NULL, false } };

	sections_each(doc, false);
	doc_heading(doc, 2, "Not yet in weir");
	doc_text(doc, "These words are known and refused with an error that says so.");
	doc_table(doc, pending_columns);
	sections_each(doc, true);
	doc_table_end(doc);
}

static void sysctl_print(struct doc *doc, const struct sysctl_group *group)
{
	doc_heading(doc, 2, group->name);
	if (group->object->help != NULL)
		doc_text(doc, group->object->help);
	fields_table(doc, group->object, group->name);
}

void part_sysctls(struct doc *doc)
{
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct sysctl_group *g = (*m)->sysctls; g != NULL && g->name != NULL;
			g++)
			if (g->object != NULL)
				sysctl_print(doc, g);
}
