/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reads a configuration: the sections of all modules are joined into one table, which lib/schema
 * decodes; then every section's check looks at the whole, also when settings were wrong by
 * themselves, so that the operator hears of everything at once. Applying goes through the sections in
 * the order of the modules. Control thread only; nothing here is kept between calls.
 */
#include "dp/conf.h"

#include <libgen.h>
#include <stdarg.h>

#include "base/mem.h"
#include "dp/sysctl.h"

/* Where the values of a section lie in the decoded file. */
static size_t section_size(const struct section *section)
{
	if (section->is_pending)
		return 0;
	if (section->is_list || section->object == NULL)
		return sizeof(struct field_list);
	return (object_size(section->object) + 15) & ~(size_t)15;
}

static void config_add_section(struct config *config, const struct section *section)
{
	unsigned int i = config->n_sections++;
	struct field *field;

	config->sections =
		mem_realloc(config->sections, config->n_sections, sizeof(*config->sections));
	config->fields =
		mem_realloc(config->fields, config->n_sections + 1, sizeof(*config->fields));
	config->sections[i] = (struct conf_section){ .section = section };
	field = &config->fields[i];
	*field = (struct field){
		.name = section->key,
		.type = section->is_pending			      ? FIELD_PENDING
			: section->is_list || section->object == NULL ? FIELD_LIST
								      : FIELD_GROUP,
		.offset = config->object.size,
		.object = section->object,
		.item = section->item,
	};
	config->fields[i + 1] = (struct field){ .type = FIELD_END };
	config->object.size += section_size(section);
}

static struct config *config_create(struct module *const *modules, const char *file)
{
	struct config *config = mem_zalloc(sizeof(*config));

	config->file = mem_strdup(file);
	config->object = (struct object){
		.name = "configuration",
		.size = (sizeof(struct object_head) + 15) & ~(size_t)15,
	};
	/* First: what is made from the other sections already behaves as tuned. */
	config->sysctl = sysctl_section_create(modules);
	config_add_section(config, config->sysctl);
	for (; *modules != NULL; modules++)
		for (const struct section *s = (*modules)->sections; s != NULL && s->key != NULL;
			s++)
			config_add_section(config, s);
	config->object.fields = config->fields;
	return config;
}

/* Points every section at its decoded objects. */
static void config_index(struct config *config)
{
	for (unsigned int i = 0; i < config->n_sections; i++) {
		struct conf_section *cs = &config->sections[i];
		char *value = (char *)config->instance + config->fields[i].offset;
		const struct field_list *list = (const struct field_list *)value;

		if (cs->section->is_pending)
			continue;
		if (cs->section->object == NULL) {
			cs->scalars = list;
			continue;
		}
		cs->n_objects = cs->section->is_list ? list->n : 1;
		cs->objects = mem_zalloc((cs->n_objects + 1) * sizeof(*cs->objects));
		for (unsigned int j = 0; j < cs->n_objects; j++)
			cs->objects[j] = cs->section->is_list
						 ? field_list_item(cs->section->object, list, j)
						 : value;
	}
}

/* More than this are enough to mend first: each is compared with what the checks find. */
enum { WRONG_MAX = 1000 };

/* Takes root. */
static struct config *config_decode(
	struct module *const *modules, const char *file, struct node *root, struct diag *diag)
{
	struct config *config;

	if (root == NULL)
		return NULL;
	config = config_create(modules, file);
	config->root = root;
	config->instance = schema_decode_loose(&config->object, root, "", diag);
	config->n_wrong = diag->n_entries;
	config_index(config);
	for (unsigned int i = 0; i < config->n_sections && config->n_wrong <= WRONG_MAX; i++)
		if (config->sections[i].section->check != NULL)
			config->sections[i].section->check(config, diag);
	if (diag->n_entries > 0) {
		conf_destroy(config);
		return NULL;
	}
	return config;
}

struct config *conf_read_file(struct module *const *modules, const char *path, struct diag *diag)
{
	return config_decode(modules, path, node_read_file(path, diag), diag);
}

struct config *conf_read_text(
	struct module *const *modules, const char *text, size_t len, struct diag *diag)
{
	return config_decode(modules, "-", node_read_text(text, len, diag), diag);
}

void conf_destroy(struct config *config)
{
	if (config == NULL)
		return;
	if (config->instance != NULL)
		schema_free(&config->object, config->instance);
	for (unsigned int i = 0; i < config->n_sections; i++)
		free(config->sections[i].objects);
	free(config->sections);
	free(config->fields);
	sysctl_section_destroy(config->sysctl);
	node_destroy(config->root);
	free(config->file);
	free(config);
}

const struct conf_section *conf_section(const struct config *config, const char *key)
{
	for (unsigned int i = 0; i < config->n_sections; i++)
		if (strcmp(config->sections[i].section->key, key) == 0)
			return &config->sections[i];
	return NULL;
}

bool conf_is_wrong(const struct config *config, const struct diag *diag, const char *path)
{
	size_t len = strlen(path);

	for (unsigned int i = 0; i < config->n_wrong; i++) {
		const char *wrong = diag->entries[i].path;
		size_t wrong_len = strlen(wrong), min_len = RTE_MIN(len, wrong_len);
		const char *rest = len > min_len ? path + min_len : wrong + min_len;

		if (strncmp(path, wrong, min_len) == 0 && strchr(".[", *rest) != NULL)
			return true;
	}
	return false;
}

int conf_error(
	const struct config *config, struct diag *diag, const char *path, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (conf_is_wrong(config, diag, path))
		return -EINVAL;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	diag_error(diag, node_line(config->root, path), path, "%s", text);
	free(text);
	return -EINVAL;
}

char *conf_path(const struct config *config, const char *file)
{
	char *copy, *path;

	if (file[0] == '/' || config == NULL)
		return mem_strdup(file);
	copy = mem_strdup(config->file);
	path = mem_printf("%s/%s", dirname(copy), file);
	free(copy);
	return path;
}

static int config_apply_section(struct dp *dp, const struct config *config,
	const struct conf_section *cs, struct diag *diag)
{
	unsigned int n_before = diag->n_entries;
	char *path;
	int err = 0;

	if (cs->section->apply == NULL)
		return 0;
	for (unsigned int i = 0; i < cs->n_objects && err == 0; i++) {
		path = cs->section->is_list ? mem_printf("%s[%u]", cs->section->key, i)
					    : mem_strdup(cs->section->key);
		err = cs->section->apply(dp, cs->objects[i], path, diag);
		free(path);
	}
	/* The modules know the path; the line is found here, once for all. */
	for (unsigned int i = n_before; i < diag->n_entries; i++)
		if (diag->entries[i].line == 0 && diag->entries[i].path != NULL)
			diag->entries[i].line = node_line(config->root, diag->entries[i].path);
	return err;
}

int conf_apply(struct dp *dp, const struct config *config, struct diag *diag)
{
	int err = 0;

	for (unsigned int i = 0; i < config->n_sections && err == 0; i++)
		err = config_apply_section(dp, config, &config->sections[i], diag);
	return err;
}

char *conf_print(struct dp *dp)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct section *sysctl;

	if (out == NULL)
		return NULL;
	for (unsigned int i = 0; i < dp->n_modules; i++) {
		const struct section *s = dp->modules[i]->sections;

		for (; s != NULL && s->key != NULL; s++)
			if (s->print != NULL)
				s->print(dp, out);
	}
	sysctl = sysctl_section_create(dp->modules);
	sysctl->print(dp, out);
	sysctl_section_destroy(sysctl);
	fclose(out);
	return text;
}
