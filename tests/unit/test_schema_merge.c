/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Field tables of what is a member of something: lists whose items may be a name alone (FIELD_SHORT), and
 * settings of one object put in place of those of another (schema_merge()).
 */
#include "schema_fixture.h"

#include <errno.h>

struct member {
	struct object_head head;
	char *name;
	int64_t level;
	bool is_loud;
	char *note;
};

static const struct object member_object = {
	.name = "member",
	.size = sizeof(struct member),
	.fields =
		(const struct field[]){
			{ .name = "name",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct member, name),
				.max = 4 },
			{ .name = "level",
				.type = FIELD_INT,
				.offset = offsetof(struct member, level),
				.max = 9,
				.def = "3" },
			{ .name = "loud",
				.type = FIELD_BOOL,
				.offset = offsetof(struct member, is_loud) },
			{ .name = "note",
				.type = FIELD_STRING,
				.offset = offsetof(struct member, note) },
			{ .type = FIELD_END },
		},
};

struct team {
	struct object_head head;
	struct field_list members, others;
};

static const struct object team_object = {
	.name = "team",
	.size = sizeof(struct team),
	.fields =
		(const struct field[]){
			{ .name = "members",
				.type = FIELD_LIST,
				.flags = FIELD_SHORT,
				.offset = offsetof(struct team, members),
				.object = &member_object },
			{ .name = "others",
				.type = FIELD_LIST,
				.offset = offsetof(struct team, others),
				.object = &member_object },
			{ .type = FIELD_END },
		},
};

/* Boxes within boxes. */
struct box {
	struct object_head head;
	char *label;
	struct field_list inner;
};

static const struct object box_object = {
	.name = "box",
	.size = sizeof(struct box),
	.fields =
		(const struct field[]){
			{ .name = "label",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct box, label) },
			{ .name = "inner",
				.type = FIELD_LIST,
				.flags = FIELD_ONE,
				.offset = offsetof(struct box, inner),
				.object = &box_object },
			{ .type = FIELD_END },
		},
};

/* As the arguments of a command have them: others besides, and a range that is wider. */
struct change {
	struct object_head head;
	char *who;
	int64_t level;
	char *note;
	bool is_loud;
};

static const struct object change_object = {
	.name = "change",
	.size = sizeof(struct change),
	.fields =
		(const struct field[]){
			{ .name = "who",
				.type = FIELD_STRING,
				.offset = offsetof(struct change, who) },
			{ .name = "level",
				.type = FIELD_INT,
				.offset = offsetof(struct change, level),
				.max = 99 },
			{ .name = "note",
				.type = FIELD_STRING,
				.offset = offsetof(struct change, note) },
			{ .name = "loud",
				.type = FIELD_BOOL,
				.offset = offsetof(struct change, is_loud) },
			{ .type = FIELD_END },
		},
};

#define MEMBER(name, level) "{\"level\":" #level ",\"name\":\"" name "\"}"

static const struct {
	const char *text, *want; /* the members; or the problem */
} shorts[] = {
	{ "members = ();", "[]" },
	{ "members = ( \"a\", \"b\" );", "[" MEMBER("a", 3) "," MEMBER("b", 3) "]" },
	{ "members = [ \"a\", \"b\" ];", "[" MEMBER("a", 3) "," MEMBER("b", 3) "]" },
	{ "members = \"a\";", "[" MEMBER("a", 3) "]" },
	{ "members = ( { name = \"a\"; level = 5; }, \"b\" );",
		"[" MEMBER("a", 5) "," MEMBER("b", 3) "]" },
	{ "members = ( { name = \"a\"; loud = true; } );",
		"[{\"level\":3,\"loud\":true,\"name\":\"a\"}]" },
	{ "members = ( \"a\", \"longer\" );", "f:1: members[1].name: " },
	{ "members = \"longer\";", "f:1: members" },
	{ "members = ( \"a\", 5 );", "f:1: members[1]" },
	{ "members = ( { level = 5; } );", "f:1: members[0].name: " },
	{ "members = 5;", "f:1: members: " },
	{ "members = { name = \"a\"; };", "f:1: members: " },
	/* Only where a field says so. */
	{ "others = ( \"a\" );", "f:1: others[0]" },
	{ "others = \"a\";", "f:1: others: " },
};

START_TEST(a_name_alone_is_a_member_with_all_defaults)
{
	char *lines, *got = NULL;
	struct team *team = decode_object_text(&team_object, shorts[_i].text, &lines);

	if (shorts[_i].want[0] == '[') {
		json_t *json;

		ck_assert_str_eq(lines, "");
		json = schema_to_json(&team_object, team);
		got = json_dumps(json_object_get(json, "members"), JSON_SORT_KEYS | JSON_COMPACT);
		ck_assert_str_eq(got, shorts[_i].want);
		json_decref(json);
		free(got);
		schema_free(&team_object, team);
	} else {
		ck_assert_ptr_null(team);
		ck_assert_msg(strstr(lines, shorts[_i].want) != NULL, "%s", lines);
	}
	free(lines);
}
END_TEST

START_TEST(members_that_are_printed_can_be_read)
{
	struct team *team = decode_good(&team_object, "members = ( \"a\", { name = \"b\"; level = "
						      "3; }, { name = \"c\"; note = \"n\"; } );");
	char *text = print_text(&team_object, team), *again;
	struct team *second = decode_good(&team_object, text);

	again = print_text(&team_object, second);
	ck_assert_str_eq(again, text);
	ck_assert_uint_eq(second->members.n, 3);
	free(text);
	free(again);
	schema_free(&team_object, team);
	schema_free(&team_object, second);
}
END_TEST

static const struct {
	const char *text, *want; /* as JSON; or the problem */
} boxes[] = {
	{ "label = \"a\";", "{\"label\":\"a\"}" },
	{ "label = \"a\"; inner = { label = \"b\"; };",
		"{\"inner\":{\"label\":\"b\"},\"label\":\"a\"}" },
	{ "label = \"a\"; inner = { label = \"b\"; inner = { label = \"c\"; }; };",
		"{\"inner\":{\"inner\":{\"label\":\"c\"},\"label\":\"b\"},\"label\":\"a\"}" },
	{ "label = \"a\"; inner = ( { label = \"b\"; } );", "f:1: inner: " },
	{ "label = \"a\"; inner = \"b\";", "f:1: inner: " },
	{ "label = \"a\"; inner = { inner = { label = \"c\"; }; };", "f:1: inner.label: " },
	{ "label = \"a\"; inner = { label = \"b\"; inner = { lable = 1; }; };",
		"f:1: inner.inner.lable: " },
};

START_TEST(an_object_holds_one_of_its_own_kind)
{
	char *lines, *got;
	struct box *box = decode_object_text(&box_object, boxes[_i].text, &lines), *again;
	json_t *json;

	if (boxes[_i].want[0] != '{') {
		ck_assert_ptr_null(box);
		ck_assert_msg(strstr(lines, boxes[_i].want) != NULL, "%s", lines);
		free(lines);
		return;
	}
	ck_assert_str_eq(lines, "");
	free(lines);
	lines = print_text(&box_object, box);
	again = decode_good(&box_object, lines);
	json = schema_to_json(&box_object, again);
	got = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
	ck_assert_str_eq(got, boxes[_i].want);
	json_decref(json);
	free(got);
	free(lines);
	schema_free(&box_object, box);
	schema_free(&box_object, again);
}
END_TEST

/* One step down, so that a command line can name what is in it; and no further. */
START_TEST(descriptions_of_what_is_in_itself_end)
{
	json_t *json = schema_describe(&box_object), *inner = json_array_get(json, 1);

	ck_assert_str_eq(json_string_value(json_object_get(inner, "type")), "group");
	inner = json_array_get(json_object_get(inner, "fields"), 1);
	ck_assert_str_eq(json_string_value(json_object_get(inner, "name")), "inner");
	ck_assert_ptr_null(json_object_get(inner, "fields"));
	json_decref(json);
}
END_TEST

static const struct {
	const char *base, *from; /* base NULL: none */
	const char *want;	 /* as it is printed; or the problem */
	bool is_refused;
} merges[] = {
	{ "name = \"a\";", "level = 7;", "name = \"a\";\nlevel = 7;\n", false },
	{ "name = \"a\"; level = 5;", "level = 7;", "name = \"a\";\nlevel = 7;\n", false },
	{ "name = \"a\"; level = 5;", "note = \"n\";", "name = \"a\";\nlevel = 5;\nnote = \"n\";\n",
		false },
	{ "name = \"a\"; loud = true;", "loud = false; who = \"b\";",
		"name = \"a\";\nloud = false;\n", false },
	{ "name = \"a\"; note = \"n\";", "", "name = \"a\";\nnote = \"n\";\n", false },
	{ "name = \"a\"; note = \"n\";", "note = \"\";", "name = \"a\";\nnote = \"\";\n", false },
	{ "name = \"a\"; level = 5;", "level = 0;", "name = \"a\";\nlevel = 0;\n", false },
	{ "name = \"a\";", "level = 12;", "level: 12 is out of range", true },
	{ NULL, "level = 7;", "name: ", true },
};

START_TEST(what_is_given_stands_in_place_of_what_was)
{
	struct member *base =
		merges[_i].base != NULL ? decode_good(&member_object, merges[_i].base) : NULL;
	struct change *from = decode_good(&change_object, merges[_i].from);
	struct member *merged;
	struct diag diag;
	char *text;

	diag_init(&diag, NULL);
	merged = schema_merge(&member_object, base, &change_object, from, &diag);
	schema_free(&member_object, base);
	schema_free(&change_object, from);
	ck_assert((merged == NULL) == merges[_i].is_refused);
	text = merged != NULL ? print_text(&member_object, merged) : diag_lines(&diag);
	if (merged != NULL)
		ck_assert_str_eq(text, merges[_i].want);
	else
		ck_assert_msg(strstr(text, merges[_i].want) != NULL, "%s", text);
	ck_assert(merged == NULL || !object_has(&member_object, merged, "note") ||
		  strstr(merges[_i].want, "note") != NULL);
	free(text);
	schema_free(&member_object, merged);
	diag_fini(&diag);
}
END_TEST

/* Whatever kind a field is of, it comes out as it went in. */
START_TEST(fields_of_every_kind_survive)
{
	struct all
		*base = decode_good(&all_object,
			"name = \"x\"; f_bool = true; r_int = -5; f_string = \"s\"; f_enum = "
			"\"blue\";\n"
			"f_addr = \"192.0.2.1\"; f_prefix = \"10.0.0.0/8\"; f_mac = "
			"\"2:0:0:0:0:9\";\n"
			"f_time = \"1500ms\"; f_size = \"1000b\"; f_rate = \"1500bit\"; f_cpus = "
			"\"1,3\";\n"
			"ints = [ 1, 2 ]; strings = [ \"a\" ]; enums = [ \"red\" ]; times = [ "
			"\"7ms\" ];\n"
			"macs = [ \"2:0:0:0:0:9\" ]; objects = ( { note = \"n\"; depth = 4; } );\n"
			"group: { note = \"g\"; };"),
		*from = decode_good(&all_object, "name = \"y\"; d_int = 5;"), *merged;
	char *text, *want;
	struct diag diag;

	diag_init(&diag, NULL);
	merged = schema_merge(&all_object, base, &all_object, from, &diag);
	text = diag_lines(&diag);
	ck_assert_msg(merged != NULL, "%s", text);
	free(text);
	text = values_text(merged);
	ck_assert_ptr_nonnull(strstr(text, "\"name\":\"y\""));
	ck_assert_int_eq(merged->d_int, 5);
	ck_assert_int_eq(schema_set_text(&all_object, base, "name", "y", &diag), 0);
	ck_assert_int_eq(schema_set_text(&all_object, base, "d_int", "5", &diag), 0);
	want = values_text(base);
	ck_assert_str_eq(text, want);
	free(text);
	free(want);
	schema_free(&all_object, base);
	schema_free(&all_object, from);
	schema_free(&all_object, merged);
	diag_fini(&diag);
}
END_TEST

SUITE_MAIN("schema_merge", LOOP_TEST(a_name_alone_is_a_member_with_all_defaults, shorts),
	LOOP_TEST(an_object_holds_one_of_its_own_kind, boxes),
	PLAIN_TEST(descriptions_of_what_is_in_itself_end),
	PLAIN_TEST(members_that_are_printed_can_be_read),
	LOOP_TEST(what_is_given_stands_in_place_of_what_was, merges),
	PLAIN_TEST(fields_of_every_kind_survive))
