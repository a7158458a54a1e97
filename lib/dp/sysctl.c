/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tunables as one section of the configuration and three commands, made from the modules' groups.
 * Control thread only. A group's values are copied as bytes, so groups hold scalars and other such groups,
 * no strings.
 */
#include "dp/sysctl.h"

#include "base/mem.h"
#include "dp/conf.h"
#include "dp/dp_priv.h"

static void *sysctl_values(
	const struct dp *dp, const struct module *module, const struct sysctl_group *group)
{
	return (char *)dp->slot[module->id] + group->offset;
}

typedef int sysctl_visit_fn(const struct sysctl_group *group, void *values, void *ctx);

/* Calls fn for every group of every module until one does not return 0. */
static int sysctl_each(const struct dp *dp, sysctl_visit_fn *fn, void *ctx)
{
	int err = 0;

	for (unsigned int i = 0; i < dp->n_modules; i++) {
		const struct sysctl_group *g = dp->modules[i]->sysctls;

		for (; g != NULL && g->name != NULL && err == 0; g++)
			err = g->object == NULL ? 0
						: fn(g, sysctl_values(dp, dp->modules[i], g), ctx);
	}
	return err;
}

static int sysctl_set_default(const struct sysctl_group *group, void *values, void *ctx)
{
	struct diag diag;
	void *defaults;

	diag_init(&diag, NULL);
	defaults = schema_decode(group->object, NULL, group->name, &diag);
	if (defaults != NULL) {
		memcpy(values, defaults, group->object->size);
		schema_free(group->object, defaults);
	}
	diag_fini(&diag);
	return defaults != NULL ? 0 : -EINVAL;
}

int sysctl_init(struct dp *dp)
{
	return sysctl_each(dp, sysctl_set_default, NULL);
}

/* The configuration section */

struct sysctl_apply {
	struct dp *dp;
	const struct object *object; /* the section's */
	const char *decoded;
	struct diag *diag;
};

/* Puts new values in the place of those that are there, if their owner can do with them. */
static int sysctl_put(struct dp *dp, const struct sysctl_group *group, void *values,
	const void *wanted, struct diag *diag)
{
	int err = group->apply != NULL ? group->apply(dp, wanted, diag) : 0;

	if (err == 0)
		memcpy(values, wanted, group->object->size);
	return err;
}

static int sysctl_apply_group(const struct sysctl_group *group, void *values, void *ctx)
{
	const struct sysctl_apply *apply = ctx;

	for (const struct field *f = apply->object->fields; f->type != FIELD_END; f++)
		if (strcmp(f->name, group->name) == 0)
			return sysctl_put(
				apply->dp, group, values, apply->decoded + f->offset, apply->diag);
	return 0;
}

static int sysctl_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct conf_section *cs = conf_section(dp->config, "sysctl");
	struct sysctl_apply apply = {
		.dp = dp, .object = cs->section->object, .decoded = object, .diag = diag
	};

	return sysctl_each(dp, sysctl_apply_group, &apply);
}

static int sysctl_print_group(const struct sysctl_group *group, void *values, void *ctx)
{
	FILE *out = ctx;

	fprintf(out, "\t%s: {\n", group->name);
	schema_print(out, group->object, values, 2);
	fprintf(out, "\t};\n");
	return 0;
}

static void sysctl_print(struct dp *dp, FILE *out)
{
	fprintf(out, "sysctl: {\n");
	sysctl_each(dp, sysctl_print_group, out);
	fprintf(out, "};\n");
}

struct section *sysctl_section_create(struct module *const *modules)
{
	struct section *section = mem_zalloc(sizeof(*section));
	struct object *object = mem_zalloc(sizeof(*object));
	struct field *fields = mem_zalloc(sizeof(*fields));
	unsigned int n = 0;

	object->name = "sysctl";
	object->help = "tunables";
	object->size = (sizeof(struct object_head) + 15) & ~(size_t)15;
	for (; *modules != NULL; modules++) {
		const struct sysctl_group *g = (*modules)->sysctls;

		for (; g != NULL && g->name != NULL; g++) {
			fields = mem_realloc(fields, n + 2, sizeof(*fields));
			fields[n++] = (struct field){
				.name = g->name,
				.type = g->object != NULL ? FIELD_GROUP : FIELD_PENDING,
				.offset = object->size,
				.object = g->object,
				.help = g->object != NULL ? g->object->help : NULL,
			};
			fields[n] = (struct field){ .type = FIELD_END };
			if (g->object != NULL)
				object->size += (g->object->size + 15) & ~(size_t)15;
		}
	}
	object->fields = fields;
	*section = (struct section){
		.key = "sysctl", .object = object, .apply = sysctl_apply, .print = sysctl_print
	};
	return section;
}

void sysctl_section_destroy(struct section *section)
{
	if (section == NULL)
		return;
	free((void *)(uintptr_t)section->object->fields);
	free((void *)(uintptr_t)section->object);
	free(section);
}

/* Commands */

struct sysctl_args {
	struct object_head head;
	char *name, *value;
};

static const struct object sysctl_get_args = {
	.name = "sysctl",
	.size = sizeof(struct sysctl_args),
	.fields =
		(const struct field[]){
			{ .name = "name",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct sysctl_args, name),
				.complete = "sysctl.show:name",
				.help = "GROUP.NAME, such as ipv4.default_ttl or "
					"ipv6.icmp.ratelimit" },
			{ .type = FIELD_END },
		},
};

static const struct object sysctl_set_args = {
	.name = "sysctl",
	.size = sizeof(struct sysctl_args),
	.fields =
		(const struct field[]){
			{ .name = "name",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct sysctl_args, name),
				.complete = "sysctl.show:name",
				.help = "GROUP.NAME, such as ipv4.default_ttl or "
					"ipv6.icmp.ratelimit" },
			{ .name = "value",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct sysctl_args, value),
				.help = "the new value, in the words of the configuration" },
			{ .type = FIELD_END },
		},
};

/* Looks for args->name in a group; found when it returns non-zero. */
struct sysctl_find {
	const char *name;
	const struct sysctl_group *group;
	void *values;		     /* the group's */
	const struct object *object; /* the group, or one within it */
	size_t offset;		     /* of that in the group */
	const struct field *field;
};

/* The rest of a name after that of an object; NULL: it is another's. */
static const char *sysctl_name_below(const char *name, const char *object)
{
	size_t len = strlen(object);

	return strncmp(name, object, len) == 0 && name[len] == '.' ? name + len + 1 : NULL;
}

static bool sysctl_find_field(
	struct sysctl_find *find, const struct object *object, size_t offset, const char *name)
{
	for (const struct field *f = object->fields; f->type != FIELD_END; f++) {
		const char *below = sysctl_name_below(name, f->name);

		if (f->type == FIELD_GROUP && below != NULL)
			return sysctl_find_field(find, f->object, offset + f->offset, below);
		if (f->type == FIELD_GROUP || strcmp(f->name, name) != 0)
			continue;
		find->object = object;
		find->offset = offset;
		find->field = f;
		return true;
	}
	return false;
}

static int sysctl_find_in(const struct sysctl_group *group, void *values, void *ctx)
{
	struct sysctl_find *find = ctx;
	const char *below = sysctl_name_below(find->name, group->name);

	find->group = group;
	find->values = values;
	return below != NULL && sysctl_find_field(find, group->object, 0, below);
}

static void sysctl_show_object(
	json_t *rows, const char *path, const struct object *object, const void *values)
{
	for (const struct field *f = object->fields; f->type != FIELD_END; f++) {
		char *name = mem_printf("%s.%s", path, f->name);

		if (f->type == FIELD_GROUP)
			sysctl_show_object(rows, name, f->object, (const char *)values + f->offset);
		else
			json_array_append_new(
				rows, json_pack("{s:s, s:o, s:s}", "name", name, "value",
					      schema_field_json(f, values), "help", f->help));
		free(name);
	}
}

static int sysctl_show_group(const struct sysctl_group *group, void *values, void *ctx)
{
	sysctl_show_object(ctx, group->name, group->object, values);
	return 0;
}

static int sysctl_show(struct call *call, const void *args)
{
	call->result = json_array();
	return sysctl_each(call->ctx, sysctl_show_group, call->result);
}

static int sysctl_get(struct call *call, const void *args)
{
	const struct sysctl_args *a = args;
	struct sysctl_find find = { .name = a->name };

	if (sysctl_each(call->ctx, sysctl_find_in, &find) == 0)
		return call_fail(call, -ENOENT, "%s: no such sysctl", a->name);
	call->result = json_pack("[{s:s, s:o}]", "name", a->name, "value",
		schema_field_json(find.field, (const char *)find.values + find.offset));
	return 0;
}

/* A value that cannot be is bad usage; whether one that can be is taken now is another matter. */
static int sysctl_fail(
	struct call *call, const struct sysctl_find *find, int err, bool is_bad, struct diag *diag)
{
	char *text = diag_text(diag);

	if (is_bad)
		err = call_refuse(call, "%.*s%s",
			(int)(strlen(find->name) - strlen(find->field->name)), find->name, text);
	else
		call_fail(call, err, "%s", text);
	free(text);
	return err;
}

static int sysctl_set(struct call *call, const void *args)
{
	const struct sysctl_args *a = args;
	struct sysctl_find find = { .name = a->name };
	struct diag diag;
	void *wanted;
	bool is_bad;
	int err;

	if (sysctl_each(call->ctx, sysctl_find_in, &find) == 0)
		return call_fail(call, -ENOENT, "%s: no such sysctl", a->name);
	diag_init(&diag, NULL);
	wanted = mem_zalloc(find.group->object->size);
	memcpy(wanted, find.values, find.group->object->size);
	err = schema_set_text(
		find.object, (char *)wanted + find.offset, find.field->name, a->value, &diag);
	is_bad = err < 0;
	if (!is_bad)
		err = sysctl_put(call->ctx, find.group, find.values, wanted, &diag);
	free(wanted);
	if (err < 0)
		err = sysctl_fail(call, &find, err, is_bad, &diag);
	diag_fini(&diag);
	return err;
}

static const struct column sysctl_columns[] = {
	{ .path = "name", .title = "NAME" },
	{ .path = "value", .title = "VALUE" },
	{ .path = "help", .title = "HELP", .is_detail = true },
	{ .title = NULL },
};

static const struct command sysctl_commands[] = {
	{ .object = "sysctl",
		.verb = "show",
		.help = "all tunables with their values",
		.columns = sysctl_columns,
		.run = sysctl_show,
		.is_read_only = true },
	{ .object = "sysctl",
		.verb = "get",
		.help = "one tunable",
		.args = &sysctl_get_args,
		.columns = sysctl_columns,
		.run = sysctl_get,
		.is_read_only = true },
	{ .object = "sysctl",
		.verb = "set",
		.help = "changes a tunable at once",
		.args = &sysctl_set_args,
		.run = sysctl_set },
	{ .object = NULL },
};

struct module sysctl_module = {
	.name = "sysctl",
	.commands = sysctl_commands,
};
