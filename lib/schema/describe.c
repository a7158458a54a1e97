/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The field tables themselves: walking their fields with those of extensions, finding one by name,
 * sizes; and as JSON, which is what rpc.list tells clients, what completion and the reference pages
 * are made of. Tables are constant once object_extend() was called for all of them, which is before
 * anything is decoded; after that any single thread.
 */
#include "schema/schema_priv.h"

#include <assert.h>
#include <string.h>

/* Tables */

void object_extend(const struct object *object, struct object_ext *ext)
{
	struct object_ext **end = object->exts;

	for (; *end != NULL; end = &(*end)->next)
		if (*end == ext)
			return;
	ext->offset = object_size(object);
	ext->next = NULL;
	*end = ext;
}

size_t object_size(const struct object *object)
{
	size_t size = object->size;

	if (object->exts != NULL)
		for (const struct object_ext *ext = *object->exts; ext != NULL; ext = ext->next)
			size = ext->offset + ext->size;
	return (size + 15) & ~(size_t)15;
}

void *field_list_item(const struct object *object, const struct field_list *list, unsigned int i)
{
	return (char *)list->items + i * object_size(object);
}

static struct field_at field_settle(struct field_at at)
{
	while (at.field->type == FIELD_END && at.ext != NULL) {
		at.field = at.ext->fields;
		at.base = at.ext->offset;
		at.ext = at.ext->next;
	}
	/* object_head.given has a bit for each. */
	assert(at.field->type == FIELD_END || at.index < 64);
	return at;
}

struct field_at field_first(const struct object *object)
{
	struct field_at at = { .field = object->fields,
		.ext = object->exts != NULL ? *object->exts : NULL };

	return field_settle(at);
}

struct field_at field_next(struct field_at at)
{
	at.field++;
	at.index++;
	return field_settle(at);
}

struct field_at field_find(const struct object *object, const char *name)
{
	struct field_at at = field_first(object);

	while (at.field->type != FIELD_END && strcmp(at.field->name, name) != 0)
		at = field_next(at);
	return at;
}

void object_each_field(const struct object *object, object_field_fn *fn, void *ctx)
{
	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at))
		fn(at.field, ctx);
}

bool object_has(const struct object *object, const void *instance, const char *name)
{
	const struct object_head *head = instance;
	struct field_at at = field_find(object, name);

	return at.field->type != FIELD_END && (head->given >> at.index & 1);
}

size_t field_item_size(const struct field *field)
{
	if (field->object != NULL)
		return object_size(field->object);
	switch (field->item) {
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_INT:
		return sizeof(int64_t);
	case FIELD_STRING:
	case FIELD_REST:
		return sizeof(char *);
	case FIELD_ENUM:
		return sizeof(int);
	case FIELD_ADDR:
		return sizeof(struct ip_addr);
	case FIELD_PREFIX:
		return sizeof(struct ip_prefix);
	case FIELD_MAC:
		return sizeof(struct mac_addr);
	case FIELD_TIME:
	case FIELD_SIZE:
	case FIELD_RATE:
		return sizeof(uint64_t);
	case FIELD_SET:
		return sizeof(struct number_set);
	case FIELD_END:
	case FIELD_GROUP:
	case FIELD_LIST:
	case FIELD_PENDING:
		break;
	}
	return 0;
}

/* JSON */

const char *field_type_name(enum field_type type)
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
	case FIELD_SET:
		return "ranges";
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

static json_t *describe_object(const struct object *object, bool is_within);

/* is_within: of an object that a FIELD_ONE holds, which may be the one that is being described. */
static json_t *describe_field(const struct field *field, bool is_within)
{
	json_t *json = json_pack("{s:s, s:s, s:b, s:b, s:b}", "name", field->name, "type",
		field_type_name(field->flags & FIELD_ONE ? FIELD_GROUP : field->type), "required",
		(field->flags & FIELD_REQUIRED) != 0, "positional",
		(field->flags & FIELD_POSITIONAL) != 0, "named", (field->flags & FIELD_NAMED) != 0);

	if (field->flags & FIELD_FILE)
		json_object_set_new(json, "file", json_true());
	if (field->flags & FIELD_SHORT)
		json_object_set_new(json, "short", json_true());
	if (field->help != NULL)
		json_object_set_new(json, "help", json_string(field->help));
	if (field->complete != NULL)
		json_object_set_new(json, "complete", json_string(field->complete));
	if (field->def != NULL)
		json_object_set_new(json, "default", json_string(field->def));
	if (field->min != 0 || field->max != 0) {
		json_object_set_new(json, "min", json_integer(field->min));
		json_object_set_new(json, "max", json_integer(field->max));
	}
	if (field->enums != NULL)
		json_object_set_new(json, "enum", describe_enum(field->enums));
	if (field->type == FIELD_LIST && field->object == NULL)
		json_object_set_new(json, "item", json_string(field_type_name(field->item)));
	if (field->object != NULL && !(is_within && (field->flags & FIELD_ONE)))
		json_object_set_new(json, "fields",
			describe_object(field->object, is_within || (field->flags & FIELD_ONE)));
	return json;
}

static json_t *describe_object(const struct object *object, bool is_within)
{
	json_t *fields = json_array();

	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at))
		json_array_append_new(fields, describe_field(at.field, is_within));
	return fields;
}

json_t *schema_describe(const struct object *object)
{
	return describe_object(object, false);
}
