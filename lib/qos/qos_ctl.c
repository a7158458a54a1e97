/* SPDX-License-Identifier: BSD-3-Clause */

/* The section `qdiscs`, and the rows of the commands `qdisc`, `class` and `filter`. Control thread. */
#include "qos/qos_edit.h"
#include "qos/qos_show.h"

#include "base/mem.h"
#include "link/link_kind.h"

#include <string.h>

/* The section */

static bool child_has_class(const struct field_list *child, const char *name);

/* In it, or in a qdisc below. */
static bool conf_has_class(const struct qdisc_conf *conf, const char *name)
{
	if (qdisc_conf_has_class(conf, name))
		return true;
	for (unsigned int i = 0; i < conf->classes.n; i++)
		if (child_has_class(&qdisc_class_conf(conf, i)->child, name))
			return true;
	return child_has_class(&conf->child, name);
}

static bool child_has_class(const struct field_list *child, const char *name)
{
	return child->n > 0 && conf_has_class(child->items, name);
}

bool qos_class_is_configured(const struct config *config, const char *name)
{
	const struct conf_section *section = conf_section(config, "qdiscs");

	for (unsigned int i = 0; i < section->n_objects; i++)
		if (conf_has_class(section->objects[i], name))
			return true;
	return false;
}

/* Hands on what is not said already. */
static void hand_on(const struct config *config, struct diag *diag, const struct diag *found)
{
	for (unsigned int i = 0; i < found->n_entries; i++)
		conf_error(config, diag, found->entries[i].path, "%s", found->entries[i].text);
}

static void check_one(const struct config *config, const struct conf_section *section,
	unsigned int i, struct diag *diag)
{
	const struct qdisc_conf *conf = section->objects[i];
	const struct link_conf *link = link_conf_of(config, conf->link);
	char *path = mem_printf("qdiscs[%u]", i), *path_link = mem_printf("%s.link", path);
	struct diag found;

	if (link == NULL)
		conf_error(config, diag, path_link, "there is no link \"%s\"", conf->link);
	for (unsigned int k = 0; k < i; k++)
		if (strcmp(((const struct qdisc_conf *)section->objects[k])->link, conf->link) == 0)
			conf_error(config, diag, path_link, "qdiscs[%u] is of the same link", k);
	diag_init(&found, NULL);
	qdisc_conf_check(conf, &qdisc_object,
		link != NULL && link->mtu != 0 ? (uint16_t)link->mtu : LINK_MTU_DEFAULT, path,
		&found);
	hand_on(config, diag, &found);
	diag_fini(&found);
	free(path_link);
	free(path);
}

static void section_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *section = conf_section(config, "qdiscs");

	for (unsigned int i = 0; i < section->n_objects; i++)
		check_one(config, section, i, diag);
}

static int section_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct qdisc_conf *conf = object;
	struct link *link = link_by_name(dp, conf->link);
	struct qdisc_conf *own;
	int err;

	if (link == NULL)
		return diag_error(diag, 0, path, "there is no link \"%s\"", conf->link);
	/* One that can be replaced later on. */
	own = schema_merge(&qdisc_object, NULL, &qdisc_object, conf, diag);
	if (own == NULL)
		return -EINVAL;
	err = qos_set(dp, link, own, path, diag);
	if (err < 0)
		schema_free(&qdisc_object, own);
	return err;
}

static void section_print(struct dp *dp, FILE *out)
{
	const char *begin = "qdiscs = (\n";

	for (unsigned int i = 0; i < LINK_MAX; i++) {
		const struct qos_shaped *shaped = qos_state(dp)->shaped[i];

		if (shaped == NULL)
			continue;
		fprintf(out, "%s\t{\n", begin);
		schema_print(out, &qdisc_object, shaped->conf, 2);
		fputs("\t}", out);
		begin = ",\n";
	}
	if (*begin == ',')
		fputs("\n);\n", out);
}

const struct section qos_sections[] = {
	{ .key = "qdiscs",
		.object = &qdisc_object,
		.is_list = true,
		.check = section_check,
		.apply = section_apply,
		.print = section_print },
	{ .key = NULL },
};

/* Arguments */

static const struct object show_object = {
	.name = "qdisc",
	.size = sizeof(struct qos_show_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct qos_show_args, FIELD_POSITIONAL),
			{ .type = FIELD_END },
		},
};

static const struct object qdisc_del_object = {
	.name = "qdisc",
	.size = sizeof(struct qdisc_del_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct qdisc_del_args, FIELD_REQUIRED | FIELD_POSITIONAL),
			{ .name = "parent",
				.type = FIELD_STRING,
				.offset = offsetof(struct qdisc_del_args, parent),
				.example = "voice",
				.help = "the class whose qdisc it is, by name or handle; that of "
					"the "
					"link unless given" },
			{ .type = FIELD_END },
		},
};

static const struct object class_del_object = {
	.name = "class",
	.size = sizeof(struct class_del_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct class_del_args, FIELD_REQUIRED),
			{ .name = "name",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct class_del_args, name),
				.complete = "class.show:name",
				.example = "voice",
				.help = "the class, by name or handle" },
			{ .type = FIELD_END },
		},
};

static const struct object filter_del_object = {
	.name = "filter",
	.size = sizeof(struct filter_del_args),
	.fields =
		(const struct field[]){
			QDISC_DEV_ROW(struct filter_del_args, FIELD_REQUIRED),
			{ .name = "parent",
				.type = FIELD_STRING,
				.offset = offsetof(struct filter_del_args, parent),
				.example = "1:",
				.help = "the qdisc, by handle or by a class of it; that of the "
					"link "
					"unless given" },
			{ .name = "index",
				.type = FIELD_INT,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct filter_del_args, index),
				.max = INT32_MAX,
				.help = "its place among the others, from 0 on" },
			{ .type = FIELD_END },
		},
};

const struct command qos_commands[] = {
	{ .object = "qdisc",
		.verb = "show",
		.help = "queueing disciplines and what they did, as `tc -s qdisc show` tells it",
		.args = &show_object,
		.columns = qdisc_columns,
		.run = qdisc_show,
		.is_read_only = true },
	{ .object = "qdisc",
		.verb = "add",
		.help = "gives a link, or a class, a qdisc",
		.args = &qdisc_args_object,
		.run = qdisc_add },
	{ .object = "qdisc",
		.verb = "replace",
		.help = "the same in place of one that may be there; the same kind is changed, and "
			"keeps what is not given",
		.args = &qdisc_args_object,
		.run = qdisc_replace },
	{ .object = "qdisc",
		.verb = "change",
		.help = "changes settings of a qdisc; what waits in it stays",
		.args = &qdisc_args_object,
		.run = qdisc_change },
	{ .object = "qdisc",
		.verb = "del",
		.help = "takes the qdisc away from a link, with what waits in it; that of a class "
			"gives way to a pfifo",
		.args = &qdisc_del_object,
		.run = qdisc_del },
	{ .object = "class",
		.verb = "show",
		.help = "classes of qdiscs and what they did, as `tc -s class show` tells it",
		.args = &show_object,
		.columns = class_columns,
		.run = class_show,
		.is_read_only = true },
	{ .object = "class",
		.verb = "add",
		.help = "gives a qdisc another class",
		.args = &class_args_object,
		.run = class_add },
	{ .object = "class",
		.verb = "replace",
		.help = "changes a class, or adds it if it is not there",
		.args = &class_args_object,
		.run = class_replace },
	{ .object = "class",
		.verb = "change",
		.help = "changes settings of a class; what waits in it stays",
		.args = &class_args_object,
		.run = class_change },
	{ .object = "class",
		.verb = "del",
		.help = "takes a class away; what waits in it goes to what is left of its qdisc",
		.args = &class_del_object,
		.run = class_del },
	{ .object = "filter",
		.verb = "show",
		.help = "which packets go to which class",
		.args = &show_object,
		.columns = filter_columns,
		.run = filter_show,
		.is_read_only = true },
	{ .object = "filter",
		.verb = "add",
		.help = "sends packets to a class; the first filter that matches decides",
		.args = &filter_args_object,
		.run = filter_add },
	{ .object = "filter",
		.verb = "del",
		.help = "takes a filter away",
		.args = &filter_del_object,
		.run = filter_del },
	{ .object = NULL },
};
