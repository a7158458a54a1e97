/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Field tables, the way in: defaults, each problem as the line that the operator reads, parameters
 * of commands, single fields from text, and extensions. The way out is in test_schema_print.c.
 */
#include "schema_fixture.h"

#include <errno.h>

START_TEST(defaults_fill_what_is_not_given)
{
	struct all *all = decode_good(&all_object, "\nname = \"x\";");
	char *text = values_text(all);

	ck_assert_str_eq(text,
		"{\"addrs\":[],\"bools\":[],\"cpus\":[],\"d_addr\":\"::1\",\"d_bool\":true,"
		"\"d_cpus\":\"1-3\",\"d_enum\":\"blue\",\"d_int\":1500,\"d_list\":[\"one\"],"
		"\"d_mac\":\"02:00:00:00:00:01\",\"d_prefix\":\"default\",\"d_rate\":\"1mbit\","
		"\"d_size\":\"32k\",\"d_string\":\"def\",\"d_time\":\"5m\",\"enums\":[],"
		"\"f_addr\":null,\"f_bool\":false,\"f_cpus\":null,\"f_enum\":\"red\",\"f_int\":0,"
		"\"f_mac\":null,\"f_prefix\":null,\"f_rate\":\"0bit\",\"f_size\":\"0b\","
		"\"f_string\":null,\"f_time\":\"0s\",\"group\":{\"depth\":3},\"ints\":[],"
		"\"macs\":[],\"name\":\"x\",\"objects\":[],\"plain\":{},\"prefixes\":[],"
		"\"r_int\":0,\"r_time\":\"0s\",\"rest\":null,\"s_string\":null,\"strings\":[],"
		"\"times\":[]}");
	free(text);
	/* Nothing in a group that was left out is required. */
	ck_assert_ptr_null(all->group.note);
	ck_assert(object_has(&all_object, all, "name"));
	ck_assert(!object_has(&all_object, all, "d_int"));
	ck_assert(!object_has(&all_object, all, "nothing"));
	schema_free(&all_object, all);
}
END_TEST

START_TEST(lines_of_groups_and_items_are_kept)
{
	struct all *all = decode_good(&all_object, "name = \"x\";\n"
						   "group: { note = \"n\"; };\n"
						   "objects = ( { note = \"1\"; },\n"
						   "  { note = \"2\"; } );\n");
	const struct inner *last = field_list_item(&inner_object, &all->objects, 1);

	ck_assert_int_eq(all->head.line, 0);
	ck_assert_int_eq(all->group.head.line, 2);
	ck_assert_uint_eq(all->objects.n, 2);
	ck_assert_int_eq(last->head.line, 4);
	ck_assert_str_eq(last->note, "2");
	schema_free(&all_object, all);
}
END_TEST

#define THING_HAS                                                                                  \
	"is not a setting of thing; allowed: name, f_bool, d_bool, f_int, d_int, r_int, "          \
	"f_string, "                                                                               \
	"d_string, s_string, rest, f_enum, d_enum, f_addr, d_addr, f_prefix, d_prefix, f_mac, "    \
	"d_mac, f_time, d_time, r_time, f_size, d_size, f_rate, d_rate, f_cpus, d_cpus, group, "   \
	"plain, objects, ints, strings, bools, enums, macs, prefixes, addrs, times, cpus, d_list"

static const struct error_row {
	const char *text, *want;
} error_rows[] = {
	{ "f_int = 1;", "f: name: is missing: a thing needs it\n" },
	{ "name = 5;", "f:1: name: must be a string\n" },
	{ "name = [ \"x\" ];", "f:1: name: must be a string\n" },
	{ "name = \"x\";\ncolour = \"red\";", "f:2: colour: " THING_HAS "\n" },
	{ "name = \"x\";\nName = \"x\";", "f:2: Name: " THING_HAS "\n" },
	{ "name = \"x\"; later = 1;", "f:1: later: is in the contract but not yet in weir\n" },
	{ "name = \"x\"; later: { };", "f:1: later: is in the contract but not yet in weir\n" },
	{ "name = \"x\"; f_bool = 1;", "f:1: f_bool: must be true or false\n" },
	{ "name = \"x\"; f_bool = \"true\";", "f:1: f_bool: must be true or false\n" },
	{ "name = \"x\"; f_int = 1.5;", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = true;", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = \"\";", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = \"12x\";", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = \" 12\";", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = \"0x\";", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = \"-0x1\";", "f:1: f_int: must be an integer\n" },
	{ "name = \"x\"; f_int = -1;", "f:1: f_int: -1 is out of range: at least 0\n" },
	{ "name = \"x\"; f_int = \"9223372036854775808\";",
		"f:1: f_int: 9223372036854775808 is out of range: at least 0\n" },
	{ "name = \"x\"; r_int = 11;", "f:1: r_int: 11 is out of range: -5 to 10\n" },
	{ "name = \"x\"; r_int = -6;", "f:1: r_int: -6 is out of range: -5 to 10\n" },
	{ "name = \"x\"; r_int = \"11\";", "f:1: r_int: 11 is out of range: -5 to 10\n" },
	{ "name = \"x\"; r_int = \"-99999999999999999999\";",
		"f:1: r_int: -99999999999999999999 is out of range: -5 to 10\n" },
	{ "name = \"x\"; s_string = \"12345\";",
		"f:1: s_string: is 5 bytes long: at most 4 are allowed\n" },
	{ "name = \"a\nb\";", "f:1: name: holds a control character\n" },
	{ "name = \"\\x1b[0m\";", "f:1: name: holds a control character\n" },
	{ "name = \"\x7f\";", "f:1: name: holds a control character\n" },
	{ "name = \"\xc2\x9b\";", "f:1: name: holds a control character\n" },
	{ "name = \"x\"; f_enum = \"pink\";", "f:1: f_enum: must be one of: red, green, blue\n" },
	{ "name = \"x\"; f_enum = 1;", "f:1: f_enum: must be one of: red, green, blue\n" },
	{ "name = \"x\"; f_addr = \"10.0.0.256\";", "f:1: f_addr: must be an IP address\n" },
	{ "name = \"x\"; f_prefix = \"10.0.0.0/33\";",
		"f:1: f_prefix: must be an IP prefix such as \"192.0.2.0/24\"\n" },
	{ "name = \"x\"; f_mac = \"02:00:00:00:00\";",
		"f:1: f_mac: must be a MAC address such as \"02:00:00:00:00:01\"\n" },
	{ "name = \"x\"; f_time = \"5x\";", "f:1: f_time: must be a time such as \"400ms\"\n" },
	{ "name = \"x\"; f_time = -1;", "f:1: f_time: must be a time such as \"400ms\"\n" },
	{ "name = \"x\"; r_time = \"6s\";", "f:1: r_time: is out of range: 1ms to 5s\n" },
	{ "name = \"x\"; r_time = \"999us\";", "f:1: r_time: is out of range: 1ms to 5s\n" },
	{ "name = \"x\"; f_size = \"big\";", "f:1: f_size: must be a size such as \"32kb\"\n" },
	{ "name = \"x\"; f_rate = { };", "f:1: f_rate: must be a rate such as \"10mbit\"\n" },
	{ "name = \"x\"; f_cpus = \"256\";",
		"f:1: f_cpus: must be ranges of 0 to 255 such as \"1-3,5\"\n" },
	{ "name = \"x\"; f_cpus = \"3-1\";",
		"f:1: f_cpus: must be ranges of 0 to 255 such as \"1-3,5\"\n" },
	{ "name = \"x\"; f_cpus = \"0-99999999999999999999\";",
		"f:1: f_cpus: must be ranges of 0 to 255 such as \"1-3,5\"\n" },
	{ "name = \"x\"; f_cpus = \"\";",
		"f:1: f_cpus: must be ranges of 0 to 255 such as \"1-3,5\"\n" },
	{ "name = \"x\"; f_cpus = \"1,\";",
		"f:1: f_cpus: must be ranges of 0 to 255 such as \"1-3,5\"\n" },
	{ "name = \"x\"; group = 5;", "f:1: group: must be a group { ... }\n" },
	{ "name = \"x\"; group: { };", "f:1: group.note: is missing: a inner needs it\n" },
	{ "name = \"x\"; plain: {\n level = 6; };",
		"f:2: plain.level: 6 is out of range: 0 to 5\n" },
	{ "name = \"x\"; objects = { note = \"n\"; };", "f:1: objects: must be a list\n" },
	{ "name = \"x\"; objects = ( { note = \"n\"; },\n 5 );",
		"f:2: objects[1]: must be a group { ... }\n" },
	{ "name = \"x\"; objects = (\n{ depth = 1; } );",
		"f:2: objects[0].note: is missing: a inner needs it\n" },
	{ "name = \"x\"; ints = [ 1,\n -2 ];", "f:2: ints[1]: -2 is out of range: at least 0\n" },
	{ "name = \"x\"; ints = \"x\";", "f:1: ints[0]: must be an integer\n" },
	{ "name = \"x\"; strings = ( ( \"a\" ) );", "f:1: strings[0]: must be a string\n" },
	{ "name = \"x\";\ncolour = 1; shape = 2;",
		"f:2: colour: " THING_HAS "\nf:2: shape: is not a setting of thing\n" },
	{ "name = \"x\"; strings = ( \"a\", \"\x01\" );",
		"f:1: strings[1]: holds a control character\n" },
	/* All at once */
	{ "f_int = -1;\ngroup: { depth = 10;\n  x = 1; };\n"
	  "objects = ( { }, { note = 1; } );\ny = 2;\n",
		"f: name: is missing: a thing needs it\n"
		"f:1: f_int: -1 is out of range: at least 0\n"
		"f:2: group.depth: 10 is out of range: 1 to 9\n"
		"f:2: group.note: is missing: a inner needs it\n"
		"f:3: group.x: is not a setting of inner; allowed: depth, note\n"
		"f:4: objects[0].note: is missing: a inner needs it\n"
		"f:4: objects[1].note: must be a string\n"
		"f:5: y: " THING_HAS "\n" },
};

START_TEST(each_problem_is_told_with_its_line_and_path)
{
	char *lines;

	ck_assert_ptr_null(decode_object_text(&all_object, error_rows[_i].text, &lines));
	ck_assert_str_eq(lines, error_rows[_i].want);
	free(lines);
}
END_TEST

START_TEST(loosely_decoded_object_has_defaults_where_something_is_wrong)
{
	static const char text[] = "d_int = \"x\"; f_int = 7; d_string = 5; objects = ( 1, { } );";
	const struct inner *item;
	struct node *node;
	struct diag diag;
	struct all *all;

	diag_init(&diag, "f");
	node = node_read_text(text, strlen(text), &diag);
	all = schema_decode_loose(&all_object, node, "", &diag);
	ck_assert_uint_eq(diag.n_entries, 5);
	ck_assert_str_eq(all->name, "");
	ck_assert_int_eq(all->f_int, 7);
	ck_assert_int_eq(all->d_int, 1500);
	ck_assert_str_eq(all->d_string, "def");
	ck_assert_uint_eq(all->objects.n, 2);
	for (unsigned int i = 0; i < 2; i++) {
		item = field_list_item(&inner_object, &all->objects, i);
		ck_assert_str_eq(item->note, "");
	}
	schema_free(&all_object, all);
	node_destroy(node);
	diag_fini(&diag);
}
END_TEST

/* Parameters of a command. */
static const struct json_row {
	const char *json; /* NULL: none at all */
	const char *want; /* values, or "!" and what is wrong */
} json_rows[] = {
	{ NULL, "!name: is missing: a thing needs it" },
	{ "{}", "!name: is missing: a thing needs it" },
	{ "[]", "!must be a group of settings" },
	{ "{\"name\":null}", "!name: must be a string" },
	{ "{\"name\":\"x\",\"y\":{}}", "!y: " THING_HAS },
	{ "{\"name\":\"x\",\"f_int\":{}}", "!f_int: must be an integer" },
	{ "{\"name\":\"a\\u0000b\"}", "!name: holds a control character" },
	{ "{\"name\":\"a\\nb\"}", "!name: holds a control character" },
	{ "{\"name\":\"x\",\"f_addr\":\"10.0.0.1\\u0000\"}", "!f_addr: must be an IP address" },
	{ "{\"name\":\"x\",\"ints\":[1,[2]]}", "!ints[1]: must be an integer" },
	{ "{\"name\":\"x\",\"ints\":[5000000000],\"f_bool\":true}",
		"{\"f_bool\":true,\"ifname\":\"x\",\"ints\":[5000000000]}" },
	{ "{\"name\":\"x\",\"f_int\":\"12\",\"f_enum\":\"green\"}",
		"{\"f_enum\":\"green\",\"f_int\":12,\"ifname\":\"x\"}" },
	{ "{\"name\":\"x\",\"objects\":[{\"note\":\"1\"}]}",
		"{\"ifname\":\"x\",\"objects\":[{\"depth\":3,\"note\":\"1\"}]}" },
};

/* Only what was given. */
static char *given_text(const struct all *all)
{
	json_t *json = schema_to_json(&all_object, all);

	for (const struct field *f = all_fields; f->type != FIELD_END; f++)
		if (!object_has(&all_object, all, f->name))
			json_object_del(json, f->json != NULL ? f->json : f->name);
	return json_text(json);
}

START_TEST(parameters_of_a_command_are_judged_as_a_file_is)
{
	const struct json_row *row = &json_rows[_i];
	json_t *json = row->json != NULL ? json_loads(row->json, JSON_ALLOW_NUL, NULL) : NULL;
	struct node *node = json != NULL ? node_from_json(json) : NULL;
	struct diag diag;
	struct all *all;
	char *text;

	diag_init(&diag, NULL);
	all = schema_decode(&all_object, node, "", &diag);
	text = all != NULL ? given_text(all) : diag_text(&diag);
	ck_assert_int_eq(all == NULL, row->want[0] == '!');
	ck_assert_str_eq(text, row->want + (row->want[0] == '!'));
	free(text);
	diag_fini(&diag);
	schema_free(&all_object, all);
	node_destroy(node);
	json_decref(json);
}
END_TEST

START_TEST(path_of_the_object_is_put_in_front)
{
	struct diag diag;
	char *text;

	diag_init(&diag, NULL);
	ck_assert_ptr_null(schema_decode(&all_object, NULL, "links[1]", &diag));
	text = diag_text(&diag);
	ck_assert_str_eq(text, "links[1].name: is missing: a thing needs it");
	free(text);
	diag_fini(&diag);
}
END_TEST

static const struct set_row {
	const char *field, *text;
	const char *want; /* the value as JSON, or "!" and what is wrong */
} set_rows[] = {
	{ "f_bool", "true", "true" },
	{ "d_bool", "false", "false" },
	{ "f_bool", "yes", "!f_bool: must be true or false" },
	{ "f_int", "0x1f", "31" },
	{ "r_int", "99", "!r_int: 99 is out of range: -5 to 10" },
	{ "name", "new", "\"new\"" },
	{ "name", "\x1b", "!name: holds a control character" },
	{ "f_enum", "blue", "\"blue\"" },
	{ "d_time", "1s", "\"1s\"" },
	{ "f_cpus", "1", "\"1\"" },
	{ "later", "1", "!later: is in the contract but not yet in weir" },
	{ "nothing", "1", "!nothing: " THING_HAS },
	{ "group", "1", "!group: must be a group { ... }" },
	{ "strings", "1", "!strings: must be a list" },
};

START_TEST(field_is_set_from_text)
{
	const struct set_row *row = &set_rows[_i];
	struct all *all = decode_good(&all_object, "name = \"x\";");
	const struct field *f = all_fields;
	char *text, *before = values_text(all);
	struct diag diag;
	int err;

	diag_init(&diag, NULL);
	err = schema_set_text(&all_object, all, row->field, row->text, &diag);
	if (row->want[0] == '!') {
		ck_assert_int_eq(err, -EINVAL);
		text = diag_text(&diag);
		ck_assert_str_eq(text, row->want + 1);
		free(text);
		text = values_text(all);
		ck_assert_str_eq(text, before);
	} else {
		ck_assert_int_eq(err, 0);
		ck_assert(object_has(&all_object, all, row->field));
		while (strcmp(f->name, row->field) != 0)
			f++;
		text = json_text(schema_field_json(f, all));
		ck_assert_str_eq(text, row->want);
	}
	free(text);
	free(before);
	diag_fini(&diag);
	schema_free(&all_object, all);
}
END_TEST

/* Extensions */

struct base {
	struct object_head head;
	char byte; /* an odd size, so that alignment is seen */
	int64_t mtu;
	bool tail;
};

struct more {
	char *colour;
	struct field_list sizes;
};

struct most {
	uint64_t life;
};

static struct object_ext *base_exts;
static const struct object base_object = {
	.name = "base",
	.size = sizeof(struct base),
	.fields =
		(const struct field[]){
			{ .name = "mtu",
				.type = FIELD_INT,
				.offset = offsetof(struct base, mtu),
				.def = "1500" },
			{ .type = FIELD_END },
		},
	.exts = &base_exts,
};
static struct object_ext more_ext = {
	.size = sizeof(struct more),
	.fields =
		(const struct field[]){
			{ .name = "colour",
				.type = FIELD_STRING,
				.offset = offsetof(struct more, colour),
				.def = "red" },
			{ .name = "sizes",
				.type = FIELD_LIST,
				.item = FIELD_SIZE,
				.offset = offsetof(struct more, sizes) },
			{ .type = FIELD_END },
		},
};
static struct object_ext empty_ext = { .fields = (const struct field[]){ { .type = FIELD_END } } };
static struct object_ext most_ext = {
	.size = sizeof(struct most),
	.fields =
		(const struct field[]){
			{ .name = "life",
				.type = FIELD_TIME,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct most, life) },
			{ .type = FIELD_END },
		},
};
static const struct object holder_object = {
	.name = "holder",
	.size = sizeof(struct object_head) + sizeof(struct field_list),
	.fields =
		(const struct field[]){
			{ .name = "bases",
				.type = FIELD_LIST,
				.object = &base_object,
				.offset = sizeof(struct object_head) },
			{ .type = FIELD_END },
		},
};

/* Each test runs in a process of its own, so the tables are fresh. Twice is as good as once. */
static void extend_base(void)
{
	for (int i = 0; i < 2; i++) {
		object_extend(&base_object, &more_ext);
		object_extend(&base_object, &empty_ext);
		object_extend(&base_object, &most_ext);
	}
}

START_TEST(extensions_have_fields_of_their_own)
{
	struct base *base;
	struct more *more;

	extend_base();
	ck_assert_uint_ge(more_ext.offset, sizeof(struct base));
	ck_assert_uint_ge(most_ext.offset, more_ext.offset + sizeof(struct more));
	ck_assert_uint_ge(object_size(&base_object), most_ext.offset + sizeof(struct most));
	base = decode_good(&base_object, "life = \"5s\"; sizes = [ \"1k\", \"2k\" ];");
	more = object_ext_of(base, &more_ext);
	ck_assert_int_eq(base->mtu, 1500);
	ck_assert_str_eq(more->colour, "red");
	ck_assert_uint_eq(more->sizes.n, 2);
	ck_assert_uint_eq(((uint64_t *)more->sizes.items)[1], 2048);
	ck_assert_uint_eq(((const struct most *)object_ext_of(base, &most_ext))->life, 5000000000);
	ck_assert(object_has(&base_object, base, "life"));
	ck_assert(object_has(&base_object, base, "sizes"));
	ck_assert(!object_has(&base_object, base, "colour"));
	schema_free(&base_object, base);
}
END_TEST

START_TEST(extensions_are_judged_shown_and_printed_with_the_object)
{
	struct base *base;
	char *text;

	extend_base();
	ck_assert_ptr_null(decode_object_text(&base_object, "sizes = [ \"x\" ];", &text));
	ck_assert_str_eq(text, "f: life: is missing: a base needs it\n"
			       "f:1: sizes[0]: must be a size such as \"32kb\"\n");
	free(text);
	base = decode_good(&base_object, "colour = \"blue\"; life = 1; mtu = 9000;");
	text = print_text(&base_object, base);
	ck_assert_str_eq(text, "mtu = 9000;\ncolour = \"blue\";\nlife = \"1s\";\n");
	free(text);
	text = json_text(schema_to_json(&base_object, base));
	ck_assert_str_eq(text, "{\"colour\":\"blue\",\"life\":\"1s\",\"mtu\":9000}");
	free(text);
	schema_free(&base_object, base);
}
END_TEST

START_TEST(lists_hold_extended_objects)
{
	char text[] = "bases = ( { life = 1; mtu = 1; }, { life = 2; mtu = 2; }, { life = 3; } );";
	const struct field_list *list;
	void *holder;
	char *printed;

	extend_base();
	holder = decode_good(&holder_object, text);
	list = (const struct field_list *)((char *)holder + sizeof(struct object_head));
	ck_assert_uint_eq(list->n, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct base *base = field_list_item(&base_object, list, i);
		const struct most *most = object_ext_of(base, &most_ext);

		ck_assert_int_eq(base->mtu, i < 2 ? i + 1 : 1500);
		ck_assert_uint_eq(most->life, (i + 1) * 1000000000ULL);
	}
	printed = print_text(&holder_object, holder);
	ck_assert_str_eq(printed,
		"bases = ( {\n\tmtu = 1;\n\tlife = \"1s\";\n}, "
		"{\n\tmtu = 2;\n\tlife = \"2s\";\n}, {\n\tlife = \"3s\";\n} );\n");
	free(printed);
	schema_free(&holder_object, holder);
}
END_TEST

struct digits {
	struct object_head head;
	char *one;
	struct field_list many;
};

static const struct object digits_object = {
	.name = "digits",
	.size = sizeof(struct digits),
	.fields =
		(const struct field[]){
			{ .name = "one",
				.type = FIELD_STRING,
				.flags = FIELD_DIGITS,
				.offset = offsetof(struct digits, one) },
			{ .name = "many",
				.type = FIELD_LIST,
				.item = FIELD_STRING,
				.flags = FIELD_DIGITS,
				.offset = offsetof(struct digits, many) },
			{ .type = FIELD_END },
		},
};

START_TEST(text_may_be_a_number_where_the_table_says_so)
{
	struct digits *digits =
		decode_good(&digits_object, "one = -7; many = ( 80, \"90-99\", 4294967295L );");
	char *text = print_text(&digits_object, digits);

	ck_assert_str_eq(text, "one = \"-7\";\nmany = [ \"80\", \"90-99\", \"4294967295\" ];\n");
	free(text);
	schema_free(&digits_object, digits);
	digits = decode_good(&digits_object, "many = 80;");
	ck_assert_uint_eq(digits->many.n, 1);
	ck_assert_str_eq(*(char **)digits->many.items, "80");
	schema_free(&digits_object, digits);
	ck_assert_ptr_null(decode_object_text(&digits_object, "one = 1.5;", &text));
	ck_assert_str_eq(text, "f:1: one: must be a string\n");
	free(text);
}
END_TEST

START_TEST(nothing_is_freed_without_complaint)
{
	schema_free(&all_object, NULL);
}
END_TEST

SUITE_MAIN("schema", PLAIN_TEST(defaults_fill_what_is_not_given),
	PLAIN_TEST(lines_of_groups_and_items_are_kept),
	LOOP_TEST(each_problem_is_told_with_its_line_and_path, error_rows),
	PLAIN_TEST(loosely_decoded_object_has_defaults_where_something_is_wrong),
	LOOP_TEST(parameters_of_a_command_are_judged_as_a_file_is, json_rows),
	PLAIN_TEST(path_of_the_object_is_put_in_front), LOOP_TEST(field_is_set_from_text, set_rows),
	PLAIN_TEST(extensions_have_fields_of_their_own),
	PLAIN_TEST(extensions_are_judged_shown_and_printed_with_the_object),
	PLAIN_TEST(lists_hold_extended_objects),
	PLAIN_TEST(text_may_be_a_number_where_the_table_says_so),
	PLAIN_TEST(nothing_is_freed_without_complaint))
