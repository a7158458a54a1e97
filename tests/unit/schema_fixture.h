/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of field tables share: a table with a field of each kind, reading text by it, and
 * the values, problems and answers of it as text to compare.
 */
#include "schema/schema.h"
#include "suite.h"

#include <stddef.h>
#include <string.h>

enum colour { RED, GREEN = 7, BLUE };

struct inner {
	struct object_head head;
	int64_t depth;
	char *note;
};

static const struct object inner_object = {
	.name = "inner",
	.size = sizeof(struct inner),
	.fields =
		(const struct field[]){
			{ .name = "depth",
				.type = FIELD_INT,
				.offset = offsetof(struct inner, depth),
				.min = 1,
				.max = 9,
				.def = "3" },
			{ .name = "note",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct inner, note) },
			{ .type = FIELD_END },
		},
};

struct plain {
	struct object_head head;
	int64_t level;
};

static const struct object plain_object = {
	.name = "plain",
	.size = sizeof(struct plain),
	.fields =
		(const struct field[]){
			{ .name = "level",
				.type = FIELD_INT,
				.offset = offsetof(struct plain, level),
				.max = 5 },
			{ .type = FIELD_END },
		},
};

/* One field of each kind; f_ is free, d_ has a default, r_ a range. */
struct all {
	struct object_head head;
	char *name;
	bool f_bool, d_bool;
	int64_t f_int, d_int, r_int;
	char *f_string, *d_string, *s_string, *rest;
	int f_enum, d_enum;
	struct ip_addr f_addr, d_addr;
	struct ip_prefix f_prefix, d_prefix;
	struct mac_addr f_mac, d_mac;
	uint64_t f_time, d_time, r_time, f_size, d_size, f_rate, d_rate;
	struct number_set f_cpus, d_cpus;
	struct inner group;
	struct plain plain;
	struct field_list objects, ints, strings, bools, enums, macs, prefixes, addrs, times, cpus,
		d_list;
};

static const struct field_enum colours[] = {
	{ "red", RED, "as blood" },
	{ "green", GREEN, "as grass" },
	{ "blue", BLUE, "as the sky" },
	{ NULL },
};

#define AT(member) .offset = offsetof(struct all, member)

static const struct field all_fields[] = {
	{ .name = "name",
		.type = FIELD_STRING,
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
		AT(name),
		.json = "ifname",
		.help = "what it is called" },
	{ .name = "f_bool", .type = FIELD_BOOL, AT(f_bool) },
	{ .name = "d_bool", .type = FIELD_BOOL, AT(d_bool), .def = "true" },
	{ .name = "f_int", .type = FIELD_INT, AT(f_int) },
	{ .name = "d_int", .type = FIELD_INT, AT(d_int), .def = "1500" },
	{ .name = "r_int", .type = FIELD_INT, AT(r_int), .min = -5, .max = 10 },
	{ .name = "f_string", .type = FIELD_STRING, AT(f_string) },
	{ .name = "d_string", .type = FIELD_STRING, AT(d_string), .def = "def" },
	{ .name = "s_string", .type = FIELD_STRING, AT(s_string), .max = 4 },
	{ .name = "rest", .type = FIELD_REST, AT(rest) },
	{ .name = "f_enum",
		.type = FIELD_ENUM,
		AT(f_enum),
		.enums = colours,
		.flags = FIELD_NAMED },
	{ .name = "d_enum", .type = FIELD_ENUM, AT(d_enum), .enums = colours, .def = "blue" },
	{ .name = "f_addr", .type = FIELD_ADDR, AT(f_addr) },
	{ .name = "d_addr", .type = FIELD_ADDR, AT(d_addr), .def = "::1" },
	{ .name = "f_prefix", .type = FIELD_PREFIX, AT(f_prefix) },
	{ .name = "d_prefix", .type = FIELD_PREFIX, AT(d_prefix), .def = "default" },
	{ .name = "f_mac", .type = FIELD_MAC, AT(f_mac) },
	{ .name = "d_mac", .type = FIELD_MAC, AT(d_mac), .def = "02:00:00:00:00:01" },
	{ .name = "f_time", .type = FIELD_TIME, AT(f_time) },
	{ .name = "d_time", .type = FIELD_TIME, AT(d_time), .def = "300s" },
	{ .name = "r_time", .type = FIELD_TIME, AT(r_time), .min = 1000000, .max = 5000000000 },
	{ .name = "f_size", .type = FIELD_SIZE, AT(f_size) },
	{ .name = "d_size", .type = FIELD_SIZE, AT(d_size), .def = "32kb" },
	{ .name = "f_rate", .type = FIELD_RATE, AT(f_rate) },
	{ .name = "d_rate",
		.type = FIELD_RATE,
		AT(d_rate),
		.def = "1mbit",
		.flags = FIELD_NO_SHOW },
	{ .name = "f_cpus", .type = FIELD_SET, AT(f_cpus) },
	{ .name = "d_cpus", .type = FIELD_SET, AT(d_cpus), .def = "1-3" },
	{ .name = "group", .type = FIELD_GROUP, AT(group), .object = &inner_object },
	{ .name = "plain", .type = FIELD_GROUP, AT(plain), .object = &plain_object },
	{ .name = "objects", .type = FIELD_LIST, AT(objects), .object = &inner_object },
	{ .name = "ints", .type = FIELD_LIST, AT(ints), .item = FIELD_INT },
	{ .name = "strings", .type = FIELD_LIST, AT(strings), .item = FIELD_STRING },
	{ .name = "bools", .type = FIELD_LIST, AT(bools), .item = FIELD_BOOL },
	{ .name = "enums", .type = FIELD_LIST, AT(enums), .item = FIELD_ENUM, .enums = colours },
	{ .name = "macs", .type = FIELD_LIST, AT(macs), .item = FIELD_MAC },
	{ .name = "prefixes", .type = FIELD_LIST, AT(prefixes), .item = FIELD_PREFIX },
	{ .name = "addrs", .type = FIELD_LIST, AT(addrs), .item = FIELD_ADDR },
	{ .name = "times", .type = FIELD_LIST, AT(times), .item = FIELD_TIME },
	{ .name = "cpus", .type = FIELD_LIST, AT(cpus), .item = FIELD_SET },
	{ .name = "d_list", .type = FIELD_LIST, AT(d_list), .item = FIELD_STRING, .def = "one" },
	{ .name = "later", .type = FIELD_PENDING, .def = "nothing" },
	{ .type = FIELD_END },
};

static const struct object all_object = {
	.name = "thing", .help = "all there is", .size = sizeof(struct all), .fields = all_fields
};

static inline char *diag_lines(const struct diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	diag_print(diag, out);
	fclose(out);
	return text;
}

/* NULL: what is wrong is in *lines, else that is "". */
static inline void *decode_object_text(const struct object *object, const char *text, char **lines)
{
	void *instance = NULL;
	struct diag diag;
	struct node *node;

	diag_init(&diag, "f");
	node = node_read_text(text, strlen(text), &diag);
	if (node != NULL)
		instance = schema_decode(object, node, "", &diag);
	node_destroy(node);
	*lines = diag_lines(&diag);
	diag_fini(&diag);
	return instance;
}

static inline void *decode_good(const struct object *object, const char *text)
{
	char *lines;
	void *instance = decode_object_text(object, text, &lines);

	ck_assert_str_eq(lines, "");
	ck_assert_ptr_nonnull(instance);
	free(lines);
	return instance;
}

static inline char *print_text(const struct object *object, const void *instance)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	schema_print(out, object, instance, 0);
	fclose(out);
	return text;
}

static inline char *json_text(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	ck_assert_ptr_nonnull(text);
	json_decref(json);
	return text;
}

/* Every value of a thing, also those that are not given, as JSON. */
static inline char *values_text(const struct all *all)
{
	json_t *json = json_object();

	for (const struct field *f = all_fields; f->type != FIELD_END; f++)
		if (f->type != FIELD_PENDING)
			json_object_set_new(json, f->name, schema_field_json(f, all));
	return json_text(json);
}
