/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From a tree of settings to C structs, by the field tables. Every problem is reported, with its
 * line and path; an object comes out only if there was none. Any single thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "schema/schema_priv.h"

/* Scalars from text. Each says in *why what is allowed. */

static const char *const type_words[] = {
	[FIELD_BOOL] = "true or false",
	[FIELD_INT] = "an integer",
	[FIELD_STRING] = "a string",
	[FIELD_REST] = "a string",
	[FIELD_ENUM] = "a word",
	[FIELD_ADDR] = "an IP address",
	[FIELD_PREFIX] = "an IP prefix such as \"192.0.2.0/24\"",
	[FIELD_MAC] = "a MAC address such as \"02:00:00:00:00:01\"",
	[FIELD_TIME] = "a time such as \"400ms\"",
	[FIELD_SIZE] = "a size such as \"32kb\"",
	[FIELD_RATE] = "a rate such as \"10mbit\"",
	[FIELD_SET] = "ranges of 0 to 255 such as \"1-3,5\"",
	[FIELD_GROUP] = "a group { ... }",
	[FIELD_LIST] = "a list",
};

struct place {
	struct diag *diag;
	int line;
	const char *path;
};

static int wrong_type(const struct place *place, const struct field *field, enum field_type type)
{
	char *words;
	size_t len;
	FILE *out;

	if (type != FIELD_ENUM || field->enums == NULL)
		return diag_error(
			place->diag, place->line, place->path, "must be %s", type_words[type]);
	out = open_memstream(&words, &len);
	for (const struct field_enum *e = field->enums; e->name != NULL; e++)
		fprintf(out, "%s%s", e == field->enums ? "" : ", ", e->name);
	fclose(out);
	diag_error(place->diag, place->line, place->path, "must be one of: %s", words);
	free(words);
	return -EINVAL;
}

static int not_yet(const struct place *place)
{
	return diag_error(
		place->diag, place->line, place->path, "is in the contract but not yet in weir");
}

/* text: the value as written, since it may be beyond what an integer holds. */
static int out_of_range(const struct place *place, const struct field *field, const char *text)
{
	int64_t min = field->min, max = field->max == 0 && min == 0 ? INT64_MAX : field->max;

	if (max == INT64_MAX)
		return diag_error(place->diag, place->line, place->path,
			"%.40s is out of range: at least %" PRId64, text, min);
	return diag_error(place->diag, place->line, place->path,
		"%.40s is out of range: %" PRId64 " to %" PRId64, text, min, max);
}

static int check_range(const struct place *place, const struct field *field, int64_t value)
{
	int64_t min = field->min, max = field->max == 0 && min == 0 ? INT64_MAX : field->max;
	char text[24];

	if (value >= min && value <= max)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, value);
	return out_of_range(place, field, text);
}

/* Units have their own range, told in their own words. */
static int check_unit_range(
	const struct place *place, const struct field *field, enum field_type type, uint64_t value)
{
	char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];
	const char *(*text)(uint64_t, char *) = type == FIELD_TIME   ? units_time_text
						: type == FIELD_SIZE ? units_size_text
								     : units_rate_text;

	if (field->min == 0 && field->max == 0)
		return 0;
	if (value >= (uint64_t)field->min && value <= (uint64_t)field->max)
		return 0;
	return diag_error(place->diag, place->line, place->path, "is out of range: %s to %s",
		text((uint64_t)field->min, min), text((uint64_t)field->max, max));
}

static int parse_int(const char *text, int64_t *out)
{
	bool is_hex = strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0;
	const char *digits = text + (is_hex ? 2 : *text == '-');
	size_t len = strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
	long long value;

	/* Nothing else of what strtoll() takes: blanks, a plus, "0x" after a minus. */
	if (len == 0 || digits[len] != '\0')
		return -EINVAL;
	errno = 0;
	value = strtoll(text, NULL, is_hex ? 16 : 10);
	if (errno == ERANGE)
		return -ERANGE;
	*out = value;
	return 0;
}

static int parse_set(const char *text, struct number_set *out)
{
	struct number_set set = { 0 };
	unsigned long first, last;
	char *end;

	while (true) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			text = end + 1;
			if (*text < '0' || *text > '9')
				return -EINVAL;
			last = strtoul(text, &end, 10);
		}
		if (first > last || last > 255)
			return -EINVAL;
		for (unsigned long i = first; i <= last; i++)
			set.mask[i / 64] |= UINT64_C(1) << (i % 64);
		if (*end == '\0')
			break;
		if (*end != ',')
			return -EINVAL;
		text = end + 1;
	}
	*out = set;
	return 0;
}

static int decode_string(
	const struct place *place, const struct field *field, const char *text, char **out)
{
	size_t len = strlen(text), max = field->max > 0 ? (size_t)field->max : 255;

	if (field->type == FIELD_REST && field->max == 0)
		max = 65535;
	if (len > max)
		return diag_error(place->diag, place->line, place->path,
			"is %zu bytes long: at most %zu are allowed", len, max);
	/* In UTF-8 c2 and a byte below a0 are U+0080 to U+009f, which terminals obey, too. */
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			return diag_error(
				place->diag, place->line, place->path, "holds a control character");
	free(*out);
	*out = mem_strdup(text);
	return 0;
}

static int decode_enum(
	const struct place *place, const struct field *field, const char *text, int *out)
{
	for (const struct field_enum *e = field->enums; e->name != NULL; e++) {
		if (strcmp(e->name, text) == 0) {
			*out = e->value;
			return 0;
		}
	}
	return wrong_type(place, field, FIELD_ENUM);
}

/* A value of a unit: parsed by fn, checked against the range. */
static int decode_unit(const struct place *place, const struct field *field, enum field_type type,
	const char *text, uint64_t *out)
{
	int (*parse)(const char *, uint64_t *) = type == FIELD_TIME   ? units_parse_time
						 : type == FIELD_SIZE ? units_parse_size
								      : units_parse_rate;
	uint64_t value;

	if (parse(text, &value) < 0)
		return wrong_type(place, field, type);
	if (check_unit_range(place, field, type, value) < 0)
		return -EINVAL;
	*out = value;
	return 0;
}

static int decode_text(const struct place *place, const struct field *field, enum field_type type,
	const char *text, void *out)
{
	int64_t integer;
	int err = 0;

	switch (type) {
	case FIELD_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return wrong_type(place, field, type);
		*(bool *)out = strcmp(text, "true") == 0;
		return 0;
	case FIELD_INT:
		err = parse_int(text, &integer);
		if (err == -ERANGE)
			return out_of_range(place, field, text);
		if (err == 0) {
			if (check_range(place, field, integer) < 0)
				return -EINVAL;
			*(int64_t *)out = integer;
		}
		break;
	case FIELD_STRING:
	case FIELD_REST:
		return decode_string(place, field, text, out);
	case FIELD_ENUM:
		return decode_enum(place, field, text, out);
	case FIELD_ADDR:
		err = ip_addr_parse(text, out);
		break;
	case FIELD_PREFIX:
		err = ip_prefix_parse(text, out);
		break;
	case FIELD_MAC:
		err = mac_addr_parse(text, out);
		break;
	case FIELD_TIME:
	case FIELD_SIZE:
	case FIELD_RATE:
		return decode_unit(place, field, type, text, out);
	case FIELD_SET:
		/* Where a default is, nothing is another value than none given. */
		if (*text == '\0' && field->def != NULL)
			*(struct number_set *)out = (struct number_set){ 0 };
		else
			err = parse_set(text, out);
		break;
	case FIELD_END:
	case FIELD_GROUP:
	case FIELD_LIST:
		err = -EINVAL;
		break;
	case FIELD_PENDING:
		return not_yet(place);
	}
	return err < 0 ? wrong_type(place, field, type) : 0;
}

/* Values from nodes */

/* Left out is a group that is not written down as a whole: nothing in it is required. */
static int decode_object(const struct object *object, const struct node *node, const char *path,
	bool is_left_out, struct diag *diag, void *instance);

static int decode_scalar(const struct place *place, const struct field *field, enum field_type type,
	const struct node *node, void *out)
{
	char text[32];

	switch (node->kind) {
	case NODE_STRING:
		if (type == FIELD_BOOL)
			break;
		return decode_text(place, field, type, node->string, out);
	case NODE_BOOL:
		if (type == FIELD_STRING && (field->flags & FIELD_SWITCH))
			return decode_text(
				place, field, type, node->boolean ? "true" : "false", out);
		if (type != FIELD_BOOL)
			break;
		*(bool *)out = node->boolean;
		return 0;
	case NODE_INT:
		if (type == FIELD_INT) {
			if (check_range(place, field, node->integer) < 0)
				return -EINVAL;
			*(int64_t *)out = node->integer;
			return 0;
		}
		/* A bare number has the base unit; a CPU may be one too. */
		if (type != FIELD_TIME && type != FIELD_SIZE && type != FIELD_RATE &&
			type != FIELD_SET && !(field->flags & FIELD_DIGITS))
			break;
		snprintf(text, sizeof(text), "%" PRId64, node->integer);
		return decode_text(place, field, type, text, out);
	case NODE_FLOAT:
	case NODE_NULL:
	case NODE_LIST:
	case NODE_GROUP:
		break;
	}
	return wrong_type(place, field, type);
}

/* A text that stands for an object: as if its first field were written down. */
static int decode_short(const struct object *object, const struct node *node, const char *path,
	struct diag *diag, void *out)
{
	struct node first = *node, group = { .kind = NODE_GROUP, .line = node->line };

	first.name = (char *)(uintptr_t)object->fields[0].name;
	first.next = NULL;
	group.child = &first;
	return decode_object(object, &group, path, false, diag, out);
}

static int decode_item(const struct field *field, const struct node *node, const char *path,
	struct diag *diag, void *out)
{
	struct place place = { .diag = diag, .line = node->line, .path = path };

	if (field->object == NULL)
		return decode_scalar(&place, field, field->item, node, out);
	if (node->kind == NODE_STRING && (field->flags & FIELD_SHORT))
		return decode_short(field->object, node, path, diag, out);
	if (node->kind != NODE_GROUP)
		return wrong_type(&place, field, FIELD_GROUP);
	return decode_object(field->object, node, path, false, diag, out);
}

static int decode_one(const struct place *place, const struct field *field, const struct node *node,
	struct field_list *list)
{
	if (node->kind != NODE_GROUP)
		return wrong_type(place, field, FIELD_GROUP);
	list->items = mem_zalloc(field_item_size(field));
	list->n = 1;
	return decode_object(field->object, node, place->path, false, place->diag, list->items);
}

static int decode_list(const struct place *place, const struct field *field,
	const struct node *node, struct field_list *list)
{
	bool is_single = node->kind == NODE_STRING
				 ? field->object == NULL || (field->flags & FIELD_SHORT)
				 : node->kind != NODE_LIST && field->object == NULL;
	size_t size = field_item_size(field);
	unsigned int n = 0;
	int err = 0;

	if (field->flags & FIELD_ONE)
		return decode_one(place, field, node, list);
	if (node->kind != NODE_LIST && !is_single)
		return wrong_type(place, field, FIELD_LIST);
	for (const struct node *item = node->child; item != NULL; item = item->next)
		n++;
	if (is_single)
		n = 1;
	/* How much is up to who wrote the text, so it may not end the process. */
	list->items = calloc(n > 0 ? n : 1, size);
	if (list->items == NULL)
		return diag_error(
			place->diag, place->line, place->path, "takes more memory than there is");
	for (const struct node *item = is_single ? node : node->child; list->n < n;
		item = item->next) {
		char *path = mem_printf("%s[%u]", place->path, list->n);

		if (decode_item(field, item, path, place->diag,
			    (char *)list->items + list->n * size) < 0)
			err = -EINVAL;
		free(path);
		list->n++;
	}
	return err;
}

static int decode_field(
	const struct place *place, const struct field *field, const struct node *node, void *value)
{
	switch (field->type) {
	case FIELD_PENDING:
		return not_yet(place);
	case FIELD_GROUP:
		if (node->kind != NODE_GROUP)
			return wrong_type(place, field, FIELD_GROUP);
		return decode_object(field->object, node, place->path, false, place->diag, value);
	case FIELD_LIST:
		return decode_list(place, field, node, value);
	case FIELD_END:
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_STRING:
	case FIELD_ENUM:
	case FIELD_ADDR:
	case FIELD_PREFIX:
	case FIELD_MAC:
	case FIELD_TIME:
	case FIELD_SIZE:
	case FIELD_RATE:
	case FIELD_SET:
	case FIELD_REST:
		break;
	}
	return decode_scalar(place, field, field->type, node, value);
}

static char *path_join(const char *path, const char *name)
{
	return path[0] == '\0' ? mem_strdup(name) : mem_printf("%s.%s", path, name);
}

/* A field that was not written down and need not be: its default. */
static int decode_default(const struct place *place, const struct field *field, void *value)
{
	struct node text = { .kind = NODE_STRING, .string = (char *)(uintptr_t)field->def };

	if (field->type == FIELD_GROUP)
		return decode_object(field->object, NULL, place->path, true, place->diag, value);
	if (field->def == NULL || field->type == FIELD_PENDING)
		return 0;
	if (field->type == FIELD_LIST)
		return decode_list(place, field, &text, value);
	return decode_text(place, field, field->type, field->def, value);
}

/* is_first: what is allowed is said once in a group, which may hold any number of such keys. */
static int not_a_setting(const struct place *place, const struct object *object, bool is_first)
{
	const char *separator = "; allowed:";
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "is not a setting of %s", object->name);
	for (struct field_at at = field_first(object); is_first && at.field->type != FIELD_END;
		at = field_next(at)) {
		if (at.field->type == FIELD_PENDING)
			continue;
		fprintf(out, "%s %s", separator, at.field->name);
		separator = ",";
	}
	fclose(out);
	diag_error(place->diag, place->line, place->path, "%s", text);
	free(text);
	return -EINVAL;
}

static void decode_unknown(
	const struct object *object, const struct node *node, const char *path, struct diag *diag)
{
	bool is_first = true;

	for (const struct node *child = node->child; child != NULL; child = child->next) {
		struct place place = { .diag = diag, .line = child->line };
		char *child_path;

		if (child->name == NULL || field_find(object, child->name).field->type != FIELD_END)
			continue;
		child_path = path_join(path, child->name);
		place.path = child_path;
		not_a_setting(&place, object, is_first);
		is_first = false;
		free(child_path);
	}
}

static int decode_object(const struct object *object, const struct node *node, const char *path,
	bool is_left_out, struct diag *diag, void *instance)
{
	struct object_head *head = instance;
	unsigned int n_before = diag->n_entries;

	head->line = node != NULL ? node->line : 0;
	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		const struct node *child = node_child(node, at.field->name);
		void *value = (char *)instance + at.base + at.field->offset;
		char *child_path = path_join(path, at.field->name);
		struct place place = { .diag = diag,
			.line = child != NULL ? child->line : head->line,
			.path = child_path };

		if (child != NULL) {
			if (decode_field(&place, at.field, child, value) < 0 &&
				at.field->type != FIELD_LIST && at.field->type != FIELD_GROUP)
				decode_default(&place, at.field, value);
			head->given |= UINT64_C(1) << at.index;
		} else if ((at.field->flags & FIELD_REQUIRED) && !is_left_out) {
			diag_error(diag, head->line, child_path, "is missing: a %s needs it",
				object->name);
		} else {
			decode_default(&place, at.field, value);
		}
		free(child_path);
	}
	if (node != NULL)
		decode_unknown(object, node, path, diag);
	return diag->n_entries > n_before ? -EINVAL : 0;
}

/* Gives every required text that is missing an empty one. */
static void fill_text(const struct object *object, void *instance)
{
	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		void *value = (char *)instance + at.base + at.field->offset;
		const struct field_list *list = value;

		if (at.field->type == FIELD_STRING && (at.field->flags & FIELD_REQUIRED) &&
			*(char **)value == NULL)
			*(char **)value = mem_strdup("");
		if (at.field->type == FIELD_GROUP)
			fill_text(at.field->object, value);
		if (at.field->type != FIELD_LIST || at.field->object == NULL)
			continue;
		for (unsigned int i = 0; i < list->n; i++)
			fill_text(at.field->object, field_list_item(at.field->object, list, i));
	}
}

void *schema_decode_loose(
	const struct object *object, const struct node *node, const char *path, struct diag *diag)
{
	void *instance = mem_zalloc(object_size(object));

	if (node != NULL && node->kind != NODE_GROUP) {
		diag_error(diag, node->line, path, "must be a group of settings");
		fill_text(object, instance);
	} else if (decode_object(object, node, path, false, diag, instance) < 0) {
		fill_text(object, instance);
	}
	return instance;
}

void *schema_decode(
	const struct object *object, const struct node *node, const char *path, struct diag *diag)
{
	unsigned int n_before = diag->n_entries;
	void *instance = schema_decode_loose(object, node, path, diag);

	if (diag->n_entries == n_before)
		return instance;
	schema_free(object, instance);
	return NULL;
}

static void free_fields(const struct object *object, void *instance)
{
	for (struct field_at at = field_first(object); at.field->type != FIELD_END;
		at = field_next(at)) {
		void *value = (char *)instance + at.base + at.field->offset;
		struct field_list *list = value;

		if (at.field->type == FIELD_STRING || at.field->type == FIELD_REST)
			free(*(char **)value);
		if (at.field->type == FIELD_GROUP)
			free_fields(at.field->object, value);
		if (at.field->type != FIELD_LIST)
			continue;
		for (unsigned int i = 0; i < list->n; i++) {
			if (at.field->object != NULL)
				free_fields(at.field->object,
					field_list_item(at.field->object, list, i));
			else if (at.field->item == FIELD_STRING || at.field->item == FIELD_REST)
				free(((char **)list->items)[i]);
		}
		free(list->items);
	}
}

void schema_free(const struct object *object, void *instance)
{
	if (instance == NULL)
		return;
	free_fields(object, instance);
	free(instance);
}

int schema_set_text(const struct object *object, void *instance, const char *name, const char *text,
	struct diag *diag)
{
	struct field_at at = field_find(object, name);
	struct place place = { .diag = diag, .path = name };
	struct object_head *head = instance;
	int err;

	if (at.field->type == FIELD_END)
		return not_a_setting(&place, object, true);
	err = decode_text(&place, at.field, at.field->type, text,
		(char *)instance + at.base + at.field->offset);
	if (err == 0)
		head->given |= UINT64_C(1) << at.index;
	return err;
}
