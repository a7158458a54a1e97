/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A row of a field table in words: its type, default, range, an example, and what its values mean.
 */
#include "reference.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static bool type_is_bare(enum field_type type)
{
	return type == FIELD_BOOL || type == FIELD_INT;
}

/* Of a list the items, else the field itself. */
static enum field_type value_type(const struct field *field)
{
	return field->type == FIELD_LIST ? field->item : field->type;
}

void field_value_text(const struct field *field, const char *value, char *buf, size_t size)
{
	enum field_type type = value_type(field);
	bool is_wide = type == FIELD_INT && llabs(atoll(value)) > INT32_MAX;
	const char *quote = type_is_bare(type) ? "" : "\"";
	bool is_list = field->type == FIELD_LIST;

	snprintf(buf, size, "%s%s%s%s%s%s", is_list ? "[ " : "", quote, value, quote,
		is_wide ? "L" : "", is_list ? " ]" : "");
}

/* A value that any field of the type would take, if in its range. */
static const char *type_example(const struct field *field, enum field_type type)
{
	switch (type) {
	case FIELD_BOOL:
		return "true";
	case FIELD_ENUM:
		return field->enums[0].name;
	case FIELD_ADDR:
		return "192.168.1.10";
	case FIELD_PREFIX:
		return "192.168.1.1/24";
	case FIELD_MAC:
		return "02:00:00:00:00:01";
	case FIELD_TIME:
		return "10s";
	case FIELD_SIZE:
		return "64kb";
	case FIELD_RATE:
		return "100mbit";
	case FIELD_SET:
		return "1-3";
	case FIELD_INT:
	case FIELD_STRING:
	case FIELD_REST:
	case FIELD_GROUP:
	case FIELD_LIST:
	case FIELD_PENDING:
	case FIELD_END:
		break;
	}
	return NULL;
}

void field_example_text(const struct field *field, char *buf, size_t size)
{
	enum field_type type = value_type(field);
	char number[24];
	const char *value = field->example;

	if (value == NULL)
		value = field->def;
	if (value == NULL && type == FIELD_INT) {
		snprintf(number, sizeof(number), "%" PRId64, field->min);
		value = number;
	}
	if (value == NULL)
		value = type_example(field, type);
	buf[0] = '\0';
	if (field->object != NULL)
		snprintf(buf, size,
			field->type == FIELD_LIST && !(field->flags & FIELD_ONE) ? "( { ... } )"
										 : "{ ... }");
	else if (value != NULL)
		field_value_text(field, value, buf, size);
}

static const char *bound_text(enum field_type type, int64_t bound, char *buf)
{
	switch (type) {
	case FIELD_TIME:
		return units_time_text((uint64_t)bound, buf);
	case FIELD_SIZE:
		return units_size_text((uint64_t)bound, buf);
	case FIELD_RATE:
		return units_rate_text((uint64_t)bound, buf);
	default:
		snprintf(buf, UNITS_TEXT_MAX, "%" PRId64, bound);
		return buf;
	}
}

static void range_text(const struct field *field, char *buf, size_t size)
{
	enum field_type type = value_type(field);
	char low[UNITS_TEXT_MAX], high[UNITS_TEXT_MAX];
	size_t len = 0;

	buf[0] = '\0';
	if (field->enums != NULL) {
		for (const struct field_enum *e = field->enums; e->name != NULL; e++)
			len += (size_t)snprintf(
				buf + len, size - len, "%s%s", len > 0 ? ", " : "", e->name);
	} else if (type == FIELD_STRING || type == FIELD_REST) {
		snprintf(buf, size, "up to %" PRId64 " bytes", field->max > 0 ? field->max : 255);
	} else if (field->min != 0 || field->max != 0) {
		snprintf(buf, size, "%s to %s", bound_text(type, field->min, low),
			bound_text(type, field->max, high));
	}
}

/* "what it is: `word` what that means; `word` ..." */
static void help_text(const struct field *field, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "%s", field->help != NULL ? field->help : "");

	for (const struct field_enum *e = field->enums; e != NULL && e->name != NULL; e++)
		if (e->help != NULL && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s `%s` %s",
				e == field->enums ? ":" : ";", e->name, e->help);
}

static void type_text(const struct field *field, char *buf, size_t size)
{
	const char *required = field->flags & FIELD_REQUIRED ? ", required" : "";

	if (field->flags & FIELD_ONE)
		snprintf(buf, size, "group%s", required);
	else if (field->type == FIELD_LIST)
		snprintf(buf, size, "list of %s%s",
			field->object != NULL ? "groups" : field_type_name(field->item), required);
	else
		snprintf(buf, size, "%s%s", field_type_name(field->type), required);
}

void field_words(const struct field *field, struct field_words *words)
{
	type_text(field, words->type, sizeof(words->type));
	snprintf(words->def, sizeof(words->def), "%s", field->def != NULL ? field->def : "");
	range_text(field, words->range, sizeof(words->range));
	field_example_text(field, words->example, sizeof(words->example));
	help_text(field, words->help, sizeof(words->help));
}

const char *section_help(const struct section *section)
{
	if (section->help != NULL)
		return section->help;
	return section->object != NULL ? section->object->help : "";
}
