/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Field tables, the way out: values of every type as JSON and as libconfig text, what is printed
 * is read back to the same values, and the tables describe themselves.
 */
#include "schema_fixture.h"

/* Values that differ from all defaults: given, as JSON, and as printed (NULL: as given). */
static const struct value_row {
	const char *field, *text, *json, *printed;
} value_rows[] = {
	{ "f_bool", "true", "true", NULL },
	{ "f_bool", "false", "false", NULL },
	{ "d_bool", "false", "false", NULL },
	{ "d_bool", "true", "true", "" },
	{ "f_int", "0", "0", NULL },
	{ "f_int", "4294967295L", "4294967295", NULL },
	{ "f_int", "\"4294967295\"", "4294967295", "4294967295L" },
	{ "f_int", "\"0xffffffff\"", "4294967295", "4294967295L" },
	{ "f_int", "0x10", "16", "16" },
	{ "f_int", "9223372036854775807L", "9223372036854775807", NULL },
	{ "d_int", "9000", "9000", NULL },
	{ "d_int", "\"1500\"", "1500", "" },
	{ "r_int", "-5", "-5", NULL },
	{ "r_int", "\"-5\"", "-5", "-5" },
	{ "r_int", "10", "10", NULL },
	{ "f_string", "\"\"", "\"\"", NULL },
	{ "f_string", "\"a \\\"b\\\" \\\\ c\"", "\"a \\\"b\\\" \\\\ c\"", NULL },
	{ "f_string", "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\"", NULL },
	{ "d_string", "\"\"", "\"\"", NULL },
	{ "s_string", "\"1234\"", "\"1234\"", NULL },
	{ "rest", "\"tcp and port 80\"", "\"tcp and port 80\"", NULL },
	{ "f_enum", "\"green\"", "\"green\"", NULL },
	{ "f_enum", "\"red\"", "\"red\"", NULL },
	{ "d_enum", "\"blue\"", "\"blue\"", "" },
	{ "f_addr", "\"192.0.2.1\"", "\"192.0.2.1\"", NULL },
	{ "f_addr", "\"0.0.0.0\"", "\"0.0.0.0\"", NULL },
	{ "d_addr", "\"2001:db8::0:1\"", "\"2001:db8::1\"", "\"2001:db8::1\"" },
	{ "f_prefix", "\"192.0.2.1/24\"", "\"192.0.2.1/24\"", NULL },
	{ "f_prefix", "\"192.0.2.1/32\"", "\"192.0.2.1\"", "\"192.0.2.1\"" },
	{ "f_prefix", "\"default\"", "\"default\"", NULL },
	{ "f_prefix", "\"0.0.0.0/0\"", "\"default\"", "\"default\"" },
	{ "f_prefix", "\"192.0.2.1/0\"", "\"192.0.2.1/0\"", NULL },
	{ "f_prefix", "\"::/0\"", "\"::/0\"", NULL },
	{ "d_prefix", "\"::/0\"", "\"::/0\"", NULL },
	{ "f_mac", "\"02:00:00:00:00:0a\"", "\"02:00:00:00:00:0a\"", NULL },
	{ "f_mac", "\"00:00:00:00:00:00\"", "null", NULL },
	{ "d_mac", "\"00:00:00:00:00:00\"", "null", NULL },
	{ "f_time", "\"400ms\"", "\"400ms\"", NULL },
	{ "f_time", "5", "\"5s\"", "\"5s\"" },
	{ "d_time", "\"5m\"", "\"5m\"", "" },
	{ "r_time", "\"1ms\"", "\"1ms\"", NULL },
	{ "f_size", "\"15kb\"", "\"15k\"", "\"15k\"" },
	{ "f_size", "1500", "\"1500b\"", "\"1500b\"" },
	{ "d_size", "\"1b\"", "\"1b\"", NULL },
	{ "f_rate", "\"18446744073709551615bit\"", "\"18446744073709551615bit\"", NULL },
	{ "d_rate", "\"2gbit\"", NULL, NULL },
	{ "f_cpus", "\"0,2-4,255\"", "\"0,2-4,255\"", NULL },
	{ "f_cpus", "\"3,1,2\"", "\"1-3\"", "\"1-3\"" },
	{ "f_cpus", "63", "\"63\"", "\"63\"" },
	{ "d_cpus", "\"0-255\"", "\"0-255\"", NULL },
	{ "d_cpus", "\"\"", "\"\"", NULL },
	{ "ints", "( 1, 5000000000L, \"7\" )", "[1,5000000000,7]", "( 1, 5000000000L, 7 )" },
	{ "ints", "5", "[5]", "( 5 )" },
	{ "ints", "[ ]", "[]", "( )" },
	{ "strings", "[ \"a\", \"b\" ]", "[\"a\",\"b\"]", NULL },
	{ "strings", "\"a\"", "[\"a\"]", "[ \"a\" ]" },
	{ "strings", "( )", "[]", "[ ]" },
	{ "bools", "[ true, false ]", "[true,false]", NULL },
	{ "enums", "[ \"blue\", \"red\" ]", "[\"blue\",\"red\"]", NULL },
	{ "macs", "[ \"00:00:00:00:00:00\" ]", "[\"00:00:00:00:00:00\"]", NULL },
	{ "prefixes", "[ \"10.0.0.1/8\", \"::/0\" ]", "[\"10.0.0.1/8\",\"::/0\"]", NULL },
	{ "addrs", "[ \"10.0.0.1\", \"::\" ]", "[\"10.0.0.1\",\"::\"]", NULL },
	{ "times", "( 1, \"2ms\" )", "[\"1s\",\"2ms\"]", "[ \"1s\", \"2ms\" ]" },
	{ "cpus", "( 1, \"2-3\" )", "[\"1\",\"2-3\"]", "[ \"1\", \"2-3\" ]" },
	{ "d_list", "[ \"two\" ]", "[\"two\"]", NULL },
	{ "d_list", "[ ]", "[]", NULL },
};

START_TEST(value_is_decoded_shown_and_printed)
{
	const struct value_row *row = &value_rows[_i];
	const char *printed = row->printed != NULL ? row->printed : row->text;
	char text[256], want[256] = "name = \"x\";\n";
	struct all *all;
	json_t *json;
	char *got;

	snprintf(text, sizeof(text), "name = \"x\"; %s = %s;", row->field, row->text);
	all = decode_good(&all_object, text);
	ck_assert(object_has(&all_object, all, row->field));
	json = schema_to_json(&all_object, all);
	if (row->json != NULL) {
		got = json_text(json_incref(json_object_get(json, row->field)));
		ck_assert_str_eq(got, row->json);
		free(got);
	} else {
		ck_assert_ptr_null(json_object_get(json, row->field));
	}
	json_decref(json);
	if (printed[0] != '\0')
		snprintf(want, sizeof(want), "name = \"x\";\n%s = %s;\n", row->field, printed);
	got = print_text(&all_object, all);
	ck_assert_ptr_nonnull(strstr(got, want));
	free(got);
	schema_free(&all_object, all);
}
END_TEST

/* The main promise of schema_print(). */
static void check_round_trip(const struct all *all)
{
	char *printed = print_text(&all_object, all), *values = values_text(all);
	struct all *again = decode_good(&all_object, printed);
	char *values_again = values_text(again), *printed_again = print_text(&all_object, again);

	ck_assert_str_eq(values_again, values);
	ck_assert_str_eq(printed_again, printed);
	schema_free(&all_object, again);
	free(values);
	free(printed);
	free(values_again);
	free(printed_again);
}

START_TEST(value_is_read_back_as_it_was_printed)
{
	char text[256];
	struct all *all;

	snprintf(text, sizeof(text), "name = \"x\"; %s = %s;", value_rows[_i].field,
		value_rows[_i].text);
	all = decode_good(&all_object, text);
	check_round_trip(all);
	schema_free(&all_object, all);
}
END_TEST

START_TEST(all_values_at_once_are_read_back_as_they_were_printed)
{
	char *text = NULL;
	struct all *all;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("name = \"x\"; group: { note = \"n\"; depth = 9; }; plain: { level = 2; };\n"
	      "objects = ( { note = \"1\"; }, { note = \"2\"; depth = 1; } );\n",
		out);
	for (size_t i = 0; i < sizeof(value_rows) / sizeof(value_rows[0]); i++)
		if (i == 0 || strcmp(value_rows[i].field, value_rows[i - 1].field) != 0)
			fprintf(out, "%s = %s;\n", value_rows[i].field, value_rows[i].text);
	fclose(out);
	all = decode_good(&all_object, text);
	check_round_trip(all);
	schema_free(&all_object, all);
	free(text);
}
END_TEST

START_TEST(defaults_are_not_printed)
{
	struct all *all = decode_good(&all_object, "name = \"x\";");
	char *text = print_text(&all_object, all);

	ck_assert_str_eq(text, "name = \"x\";\n");
	free(text);
	check_round_trip(all);
	schema_free(&all_object, all);
}
END_TEST

START_TEST(json_shows_what_is_given_or_has_a_default)
{
	struct all *all = decode_good(&all_object, "name = \"x\"; f_int = 1; strings = [ \"a\" ];");
	char *text = json_text(schema_to_json(&all_object, all));

	ck_assert_str_eq(text,
		"{\"d_addr\":\"::1\",\"d_bool\":true,\"d_cpus\":\"1-3\",\"d_enum\":\"blue\","
		"\"d_int\":1500,\"d_list\":[\"one\"],\"d_mac\":\"02:00:00:00:00:01\","
		"\"d_prefix\":\"default\",\"d_size\":\"32k\",\"d_string\":\"def\",\"d_time\":"
		"\"5m\","
		"\"f_int\":1,\"group\":{\"depth\":3},\"ifname\":\"x\",\"plain\":{},"
		"\"strings\":[\"a\"]}");
	free(text);
	schema_free(&all_object, all);
}
END_TEST

START_TEST(groups_and_lists_are_printed_with_indent)
{
	struct all *all =
		decode_good(&all_object, "name = \"x\"; group: { note = \"n\"; }; plain: { };"
					 "objects = ( { note = \"1\"; depth = 4; } );");
	char *text = print_text(&all_object, all);

	ck_assert_str_eq(text, "name = \"x\";\n"
			       "group: {\n\tnote = \"n\";\n};\n"
			       "plain: {\n};\n"
			       "objects = ( {\n\tdepth = 4;\n\tnote = \"1\";\n} );\n");
	free(text);
	schema_free(&all_object, all);
}
END_TEST

/* Values may change after decoding: sysctl, link set. */
START_TEST(changed_value_in_a_group_that_was_left_out_is_printed)
{
	struct all *again, *all = decode_good(&all_object, "name = \"x\";");
	char *text;

	all->plain.level = 4;
	text = print_text(&all_object, all);
	ck_assert_str_eq(text, "name = \"x\";\nplain: {\n\tlevel = 4;\n};\n");
	again = decode_good(&all_object, text);
	ck_assert_int_eq(again->plain.level, 4);
	schema_free(&all_object, again);
	free(text);
	schema_free(&all_object, all);
}
END_TEST

START_TEST(table_describes_itself)
{
	const struct field fields[] = {
		{ .name = "a",
			.type = FIELD_INT,
			.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
			.min = 1,
			.max = 9,
			.def = "3",
			.help = "a number" },
		{ .name = "b", .type = FIELD_ENUM, .enums = colours, .flags = FIELD_NAMED },
		{ .name = "c", .type = FIELD_LIST, .item = FIELD_PREFIX },
		{ .name = "d", .type = FIELD_GROUP, .object = &plain_object },
		{ .name = "e", .type = FIELD_PENDING },
		{ .type = FIELD_END },
	};
	const struct object object = { .name = "o", .size = sizeof(struct all), .fields = fields };
	char *text = json_text(schema_describe(&object));

	ck_assert_str_eq(text,
		"[{\"default\":\"3\",\"help\":\"a number\",\"max\":9,\"min\":1,\"name\":\"a\","
		"\"named\":false,\"positional\":true,\"required\":true,\"type\":\"int\"},"
		"{\"enum\":[\"red\",\"green\",\"blue\"],\"name\":\"b\",\"named\":true,"
		"\"positional\":false,\"required\":false,\"type\":\"enum\"},"
		"{\"item\":\"prefix\",\"name\":\"c\",\"named\":false,\"positional\":false,"
		"\"required\":false,\"type\":\"list\"},"
		"{\"fields\":[{\"max\":5,\"min\":0,\"name\":\"level\",\"named\":false,"
		"\"positional\":false,\"required\":false,\"type\":\"int\"}],\"name\":\"d\","
		"\"named\":false,\"positional\":false,\"required\":false,\"type\":\"group\"},"
		"{\"name\":\"e\",\"named\":false,\"positional\":false,\"required\":false,"
		"\"type\":\"pending\"}]");
	free(text);
}
END_TEST

START_TEST(every_type_has_a_name)
{
	json_t *json = schema_describe(&all_object), *field;
	size_t i;

	json_array_foreach(json, i, field)
		ck_assert_str_ne(json_string_value(json_object_get(field, "type")), "none");
	ck_assert_uint_eq(json_array_size(json), sizeof(all_fields) / sizeof(all_fields[0]) - 1);
	json_decref(json);
}
END_TEST

SUITE_MAIN("schema_print", LOOP_TEST(value_is_decoded_shown_and_printed, value_rows),
	LOOP_TEST(value_is_read_back_as_it_was_printed, value_rows),
	PLAIN_TEST(all_values_at_once_are_read_back_as_they_were_printed),
	PLAIN_TEST(defaults_are_not_printed), PLAIN_TEST(json_shows_what_is_given_or_has_a_default),
	PLAIN_TEST(groups_and_lists_are_printed_with_indent),
	PLAIN_TEST(changed_value_in_a_group_that_was_left_out_is_printed),
	PLAIN_TEST(table_describes_itself), PLAIN_TEST(every_type_has_a_name))
