/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Pieces of the commented default configuration. Two kinds of comment: "# " begins a remark, a bare
 * "#" stands before a setting with its default, so that taking away all bare ones changes nothing.
 * Lists have no default: their fields are remarks, an example stands in the frame.
 */
#include "app.h"
#include "reference.h"

#include <errno.h>
#include <string.h>

enum { REMARK_COLUMN = 36 }; /* where the help of a list's field begins */

struct sample {
	FILE *out;
	unsigned int depth;
	const struct object **told; /* the list whose fields stand above */
};

static void sample_indent(const struct sample *sample)
{
	fputc('#', sample->out);
	for (unsigned int i = 0; i < sample->depth; i++)
		fputc('\t', sample->out);
}

/* Default, else an example, else nothing that could be meant. */
static void sample_value(const struct field *field, char *buf, size_t size)
{
	if (field->def != NULL)
		field_value_text(field, field->def, buf, size);
	else
		field_example_text(field, buf, size);
	if (buf[0] == '\0')
		snprintf(buf, size, "...");
}

static void sample_remark(const struct field *field, void *ctx);

/*
 * Its help, then the field itself; one without a default is a remark with an example. What a list has in it
 * follows as remarks, where the list comes for the first time.
 */
static void sample_field(const struct field *field, void *ctx)
{
	struct field_words words;
	struct sample *sample = ctx, inner = *sample;
	char value[256];

	if (field->type == FIELD_PENDING)
		return;
	field_words(field, &words);
	sample_indent(sample);
	fprintf(sample->out, words.range[0] != '\0' ? "# %s (%s)\n" : "# %s\n", field->help,
		words.range);
	sample_indent(sample);
	if (field->type == FIELD_GROUP) {
		inner.depth++;
		fprintf(sample->out, "%s: {\n", field->name);
		object_each_field(field->object, sample_field, &inner);
		sample_indent(sample);
		fputs("};\n", sample->out);
		return;
	}
	if (field->type == FIELD_LIST && field->object != NULL)
		snprintf(value, sizeof(value), "( )");
	else
		sample_value(field, value, sizeof(value));
	fprintf(sample->out, "%s%s = %s;\n", field->def != NULL ? "" : "# ", field->name, value);
	if (field->object == NULL || field->object == *sample->told || (field->flags & FIELD_ONE))
		return;
	*sample->told = field->object;
	inner.depth += 2;
	object_each_field(field->object, sample_remark, &inner);
}

/* A field of a list, as a remark on one line; those of groups and lists in it below. */
static void sample_remark(const struct field *field, void *ctx)
{
	struct field_words words;
	struct sample *sample = ctx, inner = *sample;
	char value[256];
	int len;

	if (field->type == FIELD_PENDING)
		return;
	field_words(field, &words);
	sample_value(field, value, sizeof(value));
	len = fprintf(sample->out, "# %*s%s = %s;", 2 * (int)sample->depth, "", field->name, value);
	fprintf(sample->out, "%*s # %s%s%s%s%s\n", len < REMARK_COLUMN ? REMARK_COLUMN - len : 0,
		"", field->help, words.range[0] != '\0' ? " (" : "", words.range,
		words.range[0] != '\0' ? ")" : "",
		field->flags & FIELD_REQUIRED ? ", required" : "");
	inner.depth++;
	if (field->object != NULL && !(field->flags & FIELD_ONE))
		object_each_field(field->object, sample_remark, &inner);
}

static void sample_section(FILE *out, const struct section *section)
{
	const struct object *told = NULL;
	struct sample sample = { .out = out, .depth = 1, .told = &told };

	fprintf(out, "# %s: %s\n", section->key, section_help(section));
	if (section->object == NULL) {
		fprintf(out, "#%s = [ ];\n", section->key);
	} else if (section->is_list) {
		object_each_field(section->object, sample_remark, &sample);
	} else {
		fprintf(out, "#%s: {\n", section->key);
		object_each_field(section->object, sample_field, &sample);
		fprintf(out, "#};\n");
	}
}

static void sample_sysctls(FILE *out)
{
	const struct object *told = NULL;
	struct sample sample = { .out = out, .depth = 2, .told = &told };

	fprintf(out, "# sysctl: tunables, also changed at once by `weirctl sysctl set`\n"
		     "#sysctl: {\n");
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct sysctl_group *g = (*m)->sysctls; g != NULL && g->name != NULL;
			g++) {
			if (g->object == NULL)
				continue;
			fprintf(out, "#\t# %s\n#\t%s: {\n", g->object->help, g->name);
			object_each_field(g->object, sample_field, &sample);
			fprintf(out, "#\t};\n");
		}
	fprintf(out, "#};\n");
}

int part_section(FILE *out, const char *key)
{
	if (strcmp(key, "sysctl") == 0) {
		sample_sysctls(out);
		return 0;
	}
	for (struct module *const *m = modules; *m != NULL; m++)
		for (const struct section *s = (*m)->sections; s != NULL && s->key != NULL; s++)
			if (strcmp(s->key, key) == 0 && !s->is_pending) {
				sample_section(out, s);
				return 0;
			}
	return -ENOENT;
}
