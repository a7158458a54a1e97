/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From C structs back to JSON and to libconfig text, by the field tables. Any single thread.
 * What schema_print() writes, schema_decode() reads back to the same values. So it prints what
 * differs from its default, what is required, and what was written down without having a default:
 * that it is there may mean something.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "schema/schema_priv.h"

enum { SCALAR_TEXT_MAX = 1024 };

static const char *enum_name(const struct field *field, int value)
{
	for (const struct field_enum *e = field->enums; e->name != NULL; e++)
		if (e->value == value)
			return e->name;
	return NULL;
}

static void set_text(const struct number_set *set, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int first = 0; first < 256; first++) {
		int last = first;

		if (!number_set_has(set, (uint8_t)first))
			continue;
		while (last + 1 < 256 && number_set_has(set, (uint8_t)(last + 1)))
			last++;
		len += (size_t)snprintf(buf + len, size - len, last > first ? "%s%d-%d" : "%s%d",
			len > 0 ? "," : "", first, last);
		first = last;
	}
}

/* "default" is 0.0.0.0/0 when it is read back: no other prefix of length 0 may be printed so. */
static const char *prefix_text(const struct ip_prefix *prefix, char *buf)
{
	static const struct ip_addr any = { .family = AF_INET };

	if (prefix->len > 0 || ip_addr_is_equal(&prefix->addr, &any))
		return ip_prefix_text(prefix, buf);
	ip_addr_text(&prefix->addr, buf);
	return strcat(buf, "/0");
}

/* The value as text in the field's own grammar; NULL: it is unset. */
static const char *scalar_text(
	const struct field *field, enum field_type type, const void *value, char *buf)
{
	switch (type) {
	case FIELD_BOOL:
		return *(const bool *)value ? "true" : "false";
	case FIELD_INT:
		snprintf(buf, SCALAR_TEXT_MAX, "%" PRId64, *(const int64_t *)value);
		return buf;
	case FIELD_STRING:
	case FIELD_REST:
		return *(char *const *)value;
	case FIELD_ENUM:
		return enum_name(field, *(const int *)value);
	case FIELD_ADDR:
		return ((const struct ip_addr *)value)->family == 0 ? NULL
								    : ip_addr_text(value, buf);
	case FIELD_PREFIX:
		return ((const struct ip_prefix *)value)->addr.family == 0
			       ? NULL
			       : prefix_text(value, buf);
	case FIELD_MAC:
		return mac_addr_text(value, buf);
	case FIELD_TIME:
		return units_time_text(*(const uint64_t *)value, buf);
	case FIELD_SIZE:
		return units_size_text(*(const uint64_t *)value, buf);
	case FIELD_RATE:
		return units_rate_text(*(const uint64_t *)value, buf);
	case FIELD_SET:
		set_text(value, buf, SCALAR_TEXT_MAX);
		return buf[0] == '\0' && field->def == NULL ? NULL : buf;
	case FIELD_END:
	case FIELD_GROUP:
	case FIELD_LIST:
	case FIELD_PENDING:
		break;
	}
	return NULL;
}

/* JSON */

static json_t *scalar_json(const struct field *field, enum field_type type, const void *value)
{
	char buf[SCALAR_TEXT_MAX];
	const char *text;

	if (type == FIELD_BOOL)
		return json_boolean(*(const bool *)value);
	if (type == FIELD_INT)
		return json_integer(*(const int64_t *)value);
	text = scalar_text(field, type, value, buf);
	return text != NULL ? json_string(text) : json_null();
}

static json_t *list_json(const struct field *field, const struct field_list *list)
{
	size_t size = field_item_size(field);
	json_t *array;

	if (field->flags & FIELD_ONE)
		return list->n == 0 ? json_null() : schema_to_json(field->object, list->items);
	array = json_array();
	for (unsigned int i = 0; i < list->n; i++) {
		const void *item = (const char *)list->items + i * size;

		json_array_append_new(array, field->object != NULL
						     ? schema_to_json(field->object, item)
						     : scalar_json(field, field->item, item));
	}
	return array;
}

static json_t *value_json(const struct field *field, const void *value)
{
	if (field->type == FIELD_GROUP)
		return schema_to_json(field->object, value);
	if (field->type == FIELD_LIST)
		return list_json(field, value);
	/* Zero is a MAC like any in a list, but alone it means that none was given. */
	if (field->type == FIELD_MAC && mac_addr_is_zero(value))
		return json_null();
	return scalar_json(field, field->type, value);
}

json_t *schema_field_json(const struct field *field, const void *instance)
{
	return value_json(field, (const char *)instance + field->offset);
}

json_t *schema_to_json(const struct object *object, const void *instance)
{
	const struct object_head *head = instance;
	json_t *json = json_object();

	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		const struct field *field = at.field;
		bool is_given = (head->given >> at.index & 1) || field->def != NULL ||
				field->type == FIELD_GROUP;

		if (field->type == FIELD_PENDING || (field->flags & FIELD_NO_SHOW) || !is_given)
			continue;
		json_object_set_new(json, field->json != NULL ? field->json : field->name,
			value_json(field, (const char *)instance + at.base + field->offset));
	}
	return json;
}

/* What is written down of a value, as schema_decode() reads it: under the names of settings. */
static json_t *given_json(const struct field *field, const void *value)
{
	const struct field_list *list = value;
	json_t *array;

	if (field->object == NULL)
		return value_json(field, value);
	if (field->type == FIELD_GROUP)
		return schema_given(field->object, field->object, value);
	if (field->flags & FIELD_ONE)
		return schema_given(field->object, field->object, list->items);
	array = json_array();
	for (unsigned int i = 0; i < list->n; i++)
		json_array_append_new(array, schema_given(field->object, field->object,
						     field_list_item(field->object, list, i)));
	return array;
}

static void put_given(json_t *json, const struct object *wanted, const struct object *object,
	const void *instance)
{
	const struct object_head *head = instance;

	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		const struct field *field = at.field;

		if ((head->given >> at.index & 1) &&
			field_find(wanted, field->name).field->type != FIELD_END)
			json_object_set_new(json, field->name,
				given_json(
					field, (const char *)instance + at.base + field->offset));
	}
}

json_t *schema_given(const struct object *wanted, const struct object *object, const void *instance)
{
	json_t *json = json_object();

	put_given(json, wanted, object, instance);
	return json;
}

void *schema_merge(const struct object *object, const void *base, const struct object *from_object,
	const void *from, struct diag *diag)
{
	json_t *json = base != NULL ? schema_given(object, object, base) : json_object();
	struct node *node;
	void *merged;

	put_given(json, object, from_object, from);
	node = node_from_json(json);
	merged = schema_decode(object, node, "", diag);
	node_destroy(node);
	json_decref(json);
	return merged;
}

/* libconfig text */

/* Where fields are printed to. */
struct print {
	FILE *out;
	int indent;
	bool is_left_out; /* the group was not written down: nothing in it is required */
};

static void print_object(
	const struct print *print, const struct object *object, const void *instance);

static void print_indent(const struct print *print)
{
	for (int i = 0; i < print->indent; i++)
		fputc('\t', print->out);
}

static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_scalar(
	FILE *out, const struct field *field, enum field_type type, const void *value)
{
	char buf[SCALAR_TEXT_MAX];
	const char *text = scalar_text(field, type, value, buf);
	int64_t integer;

	if (type == FIELD_BOOL) {
		fputs(text, out);
	} else if (type == FIELD_INT) {
		integer = *(const int64_t *)value;
		fprintf(out, "%s%s", text, integer > INT32_MAX || integer < INT32_MIN ? "L" : "");
	} else {
		print_string(out, text);
	}
}

/* Has the value, which is no list or group, the field's default? */
static bool is_default(const struct field *field, const void *value)
{
	char buf[SCALAR_TEXT_MAX], def_buf[SCALAR_TEXT_MAX];
	const char *text, *def;
	struct diag diag;
	void *defaults;
	struct object one;
	struct field fields[2];
	bool is_same;

	text = scalar_text(field, field->type, value, buf);
	/* The default in the same spelling: decode it as an object of this one field. */
	fields[0] = *field;
	fields[0].offset = sizeof(struct object_head);
	fields[0].flags &= ~(unsigned int)FIELD_REQUIRED;
	fields[1] = (struct field){ .type = FIELD_END };
	one = (struct object){ .name = "default",
		.size = sizeof(struct object_head) + sizeof(struct number_set),
		.fields = fields };
	diag_init(&diag, NULL);
	defaults = schema_decode(&one, NULL, "", &diag);
	diag_fini(&diag);
	if (defaults == NULL)
		return false;
	def = scalar_text(field, field->type, (char *)defaults + fields[0].offset, def_buf);
	is_same = def != NULL && strcmp(text, def) == 0;
	schema_free(&one, defaults);
	return is_same;
}

/* A default of a list stands for a list of that one value. */
static bool list_is_default(const struct field *field, const struct field_list *list)
{
	struct field item = *field;

	if (field->def == NULL)
		return list->n == 0;
	item.type = field->item;
	return list->n == 1 && is_default(&item, list->items);
}

static bool is_printed(
	const struct print *print, const struct field *field, const void *value, bool is_given)
{
	char buf[SCALAR_TEXT_MAX];

	if (field->type == FIELD_PENDING)
		return false;
	if (field->type != FIELD_LIST && scalar_text(field, field->type, value, buf) == NULL)
		return false;
	if ((field->flags & FIELD_REQUIRED) && !print->is_left_out)
		return true;
	if (field->def == NULL && is_given)
		return true;
	return field->type == FIELD_LIST ? !list_is_default(field, value)
					 : !is_default(field, value);
}

static void print_list(
	const struct print *print, const struct field *field, const struct field_list *list)
{
	const struct print inner = { .out = print->out, .indent = print->indent + 1 };
	size_t size = field_item_size(field);
	bool is_objects = field->object != NULL;
	/* An array takes no mixture of integers with L and without. */
	bool is_array = !is_objects && field->item != FIELD_INT;
	FILE *out = print->out;

	if (field->flags & FIELD_ONE) {
		fputs("{\n", out);
		print_object(&inner, field->object, list->items);
		print_indent(print);
		fputc('}', out);
		return;
	}
	fputs(is_array ? "[" : "(", out);
	for (unsigned int i = 0; i < list->n; i++) {
		const void *item = (const char *)list->items + i * size;

		fputs(i > 0 ? ", " : " ", out);
		if (is_objects) {
			fputs("{\n", out);
			print_object(&inner, field->object, item);
			print_indent(print);
			fputc('}', out);
		} else {
			print_scalar(out, field, field->item, item);
		}
	}
	fputs(is_array ? " ]" : " )", out);
}

/* Printed if it was written down, or if anything in it is to be printed. */
static void print_group(
	const struct print *print, const struct field *field, const void *value, bool is_given)
{
	struct print inner = { .indent = print->indent + 1, .is_left_out = !is_given };
	char *text = NULL;
	size_t len;

	inner.out = open_memstream(&text, &len);
	print_object(&inner, field->object, value);
	fclose(inner.out);
	if (len > 0 || is_given) {
		print_indent(print);
		fprintf(print->out, "%s: {\n%s", field->name, text);
		print_indent(print);
		fputs("};\n", print->out);
	}
	free(text);
}

static void print_object(
	const struct print *print, const struct object *object, const void *instance)
{
	const struct object_head *head = instance;

	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		const struct field *field = at.field;
		const void *value = (const char *)instance + at.base + field->offset;
		bool is_given = head->given >> at.index & 1;

		if (field->type == FIELD_GROUP) {
			print_group(print, field, value, is_given);
			continue;
		}
		if (!is_printed(print, field, value, is_given))
			continue;
		print_indent(print);
		fprintf(print->out, "%s = ", field->name);
		if (field->type == FIELD_LIST)
			print_list(print, field, value);
		else
			print_scalar(print->out, field, field->type, value);
		fputs(";\n", print->out);
	}
}

void schema_print(FILE *out, const struct object *object, const void *instance, int indent)
{
	const struct print print = { .out = out, .indent = indent };

	print_object(&print, object, instance);
}
