/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The field tables as JSON: what rpc.list tells clients, what completion and the reference pages
 * are made of. Any single thread.
 */
#include "schema/schema_priv.h"

static const char *type_name(enum field_type type)
{
	switch (type) {
	case FIELD_BOOL:
		return "bool";
	case FIELD_INT:
		return "int";
	case FIELD_STRING:
		return "string";
	case FIELD_ENUM:
		return "enum";
	case FIELD_ADDR:
		return "address";
	case FIELD_PREFIX:
		return "prefix";
	case FIELD_MAC:
		return "mac";
	case FIELD_TIME:
		return "time";
	case FIELD_SIZE:
		return "size";
	case FIELD_RATE:
		return "rate";
	case FIELD_CPUS:
		return "cpus";
	case FIELD_GROUP:
		return "group";
	case FIELD_LIST:
		return "list";
	case FIELD_REST:
		return "rest";
	case FIELD_PENDING:
		return "pending";
	case FIELD_END:
		break;
	}
	return "none";
}

static json_t *describe_enum(const struct field_enum *e)
{
	json_t *names = json_array();

	for (; e->name != NULL; e++)
		json_array_append_new(names, json_string(e->name));
	return names;
}

static json_t *describe_field(const struct field *field)
{
	json_t *json = json_pack("{s:s, s:s, s:b, s:b, s:b}", "name", field->name, "type",
		type_name(field->type), "required", (field->flags & FIELD_REQUIRED) != 0,
		"positional", (field->flags & FIELD_POSITIONAL) != 0, "named",
		(field->flags & FIELD_NAMED) != 0);

	if (field->help != NULL)
		json_object_set_new(json, "help", json_string(field->help));
	if (field->def != NULL)
		json_object_set_new(json, "default", json_string(field->def));
	if (field->min != 0 || field->max != 0) {
		json_object_set_new(json, "min", json_integer(field->min));
		json_object_set_new(json, "max", json_integer(field->max));
	}
	if (field->enums != NULL)
		json_object_set_new(json, "enum", describe_enum(field->enums));
	if (field->type == FIELD_LIST && field->object == NULL)
		json_object_set_new(json, "item", json_string(type_name(field->item)));
	if (field->object != NULL)
		json_object_set_new(json, "fields", schema_describe(field->object));
	return json;
}

json_t *schema_describe(const struct object *object)
{
	json_t *fields = json_array();

	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at))
		json_array_append_new(fields, describe_field(at.field));
	return fields;
}
