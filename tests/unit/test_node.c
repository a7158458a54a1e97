/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Trees of settings: what libconfig text and JSON become, the lines that values stand on, and
 * everything that is refused, with the whole line that the operator reads.
 */
#include "schema/node.h"
#include "suite.h"

#include <string.h>
#include <unistd.h>

/* A tree as one line: [..] list, {..} group, names before values. */
static void tree_print(FILE *out, const struct node *node)
{
	switch (node->kind) {
	case NODE_NULL:
		fputs("null", out);
		break;
	case NODE_BOOL:
		fputs(node->boolean ? "true" : "false", out);
		break;
	case NODE_INT:
		fprintf(out, "%lld", (long long)node->integer);
		break;
	case NODE_FLOAT:
		fprintf(out, "%g", node->real);
		break;
	case NODE_STRING:
		fprintf(out, "'%s'", node->string);
		break;
	case NODE_LIST:
	case NODE_GROUP:
		fputc(node->kind == NODE_LIST ? '[' : '{', out);
		for (const struct node *child = node->child; child != NULL; child = child->next) {
			if (child->name != NULL)
				fprintf(out, "%s=", child->name);
			tree_print(out, child);
			fputs(child->next != NULL ? " " : "", out);
		}
		fputc(node->kind == NODE_LIST ? ']' : '}', out);
		break;
	}
}

static char *tree_text(const struct node *node)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	tree_print(out, node);
	fclose(out);
	return text;
}

/* What diag_print() prints. */
static char *diag_lines(const struct diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	diag_print(diag, out);
	fclose(out);
	return text;
}

static const struct read_row {
	const char *text;
	const char *want;
} read_rows[] = {
	{ "", "{}" },
	{ "# nothing", "{}" },
	{ "a = 1;", "{a=1}" },
	{ "a : 1, b = 2", "{a=1 b=2}" },
	{ "a = 1; # last line without an end", "{a=1}" },
	{ "a = 1; // the same", "{a=1}" },
	{ "a = 1; /* b = 2; */ c = 3;", "{a=1 c=3}" },
	{ "a = true; b = FALSE;", "{a=true b=false}" },
	{ "a = 2147483647; b = -2147483648;", "{a=2147483647 b=-2147483648}" },
	{ "a = 4294968796L; b = -2147483649L;", "{a=4294968796 b=-2147483649}" },
	{ "a = 9223372036854775807L;", "{a=9223372036854775807}" },
	{ "a = 0x7fffffff; b = 0xffffffffL;", "{a=2147483647 b=4294967295}" },
	{ "a = 1.5; b = 5000000000.0; c = 5e9;", "{a=1.5 b=5e+09 c=5e+09}" },
	{ "a = \"x\"; b = \"\"; c = \"y\" \"z\";", "{a='x' b='' c='yz'}" },
	{ "a = \"4294968796 @include ( /* # \\\" \";", "{a='4294968796 @include ( /* # \" '}" },
	{ "a = 1; # @include 4294968796 \" (", "{a=1}" },
	{ "a = 1; /* @include 4294968796 \" ( */", "{a=1}" },
	{ "a4294968796 = 1; b-4294968796 = 2;", "{a4294968796=1 b-4294968796=2}" },
	{ "a = [ ]; b = ( ); c = { };", "{a=[] b=[] c={}}" },
	{ "a = ( 1, \"x\", [ 2, 3 ], { b = 4; } );", "{a=[1 'x' [2 3] {b=4}]}" },
	{ "a = ( { b = 1; }, { b = 1; } ); b = { b = 1; };", "{a=[{b=1} {b=1}] b={b=1}}" },
	{ "a = \"gr\xc3\xbc\xc3\x9f\";", "{a='gr\xc3\xbc\xc3\x9f'}" },
};

START_TEST(text_becomes_a_tree)
{
	const struct read_row *row = &read_rows[_i];
	struct diag diag;
	struct node *node;
	char *text;

	diag_init(&diag, "f");
	node = node_read_text(row->text, strlen(row->text), &diag);
	text = diag_lines(&diag);
	ck_assert_str_eq(text, "");
	free(text);
	ck_assert_ptr_nonnull(node);
	text = tree_text(node);
	ck_assert_str_eq(text, row->want);
	free(text);
	node_destroy(node);
	diag_fini(&diag);
}
END_TEST

#define TOO_WIDE " is beyond 32 bits: write it with L at its end, or as a string\n"

static const struct refuse_row {
	const char *text;
	const char *want;
} refuse_rows[] = {
	/* Syntax, by libconfig */
	{ "a = ;", "f:1: syntax error\n" },
	{ "a = 1;\nb = ( 1,\n  2, );\n", "f:3: syntax error\n" },
	{ "a = 1;\nb = (", "f:2: syntax error\n" },
	{ "a = [ 1,\n \"x\" ];", "f:2: mismatched element type in array\n" },
	{ "_a = 1;", "f:1: syntax error\n" },
	{ ")", "f:1: syntax error\n" },
	{ "@", "f:1: @include: the configuration is one file\n" },
	/* Integers that libconfig would wrap */
	{ "a = 2147483648;", "f:1: a: integer 2147483648" TOO_WIDE },
	{ "a = -2147483649;", "f:1: a: integer -2147483649" TOO_WIDE },
	{ "a = +4294968796;", "f:1: a: integer +4294968796" TOO_WIDE },
	{ "a = 0x80000000;", "f:1: a: integer 0x80000000" TOO_WIDE },
	{ "a = 0Xffffffff;", "f:1: a: integer 0Xffffffff" TOO_WIDE },
	{ "a = 5000000000b = 1;", "f:1: a: integer 5000000000" TOO_WIDE },
	{ "a = 00000000000000000000000000000000000000000000000000000000000000000005000000000;",
		"f:1: a: integer 0000000000000000000000000000000000000000" TOO_WIDE },
	{ "a = 9223372036854775808L;", "f:1: a: 9223372036854775808L does not fit 64 bits\n" },
	{ "a = 0xffffffffffffffffL;", "f:1: a: 0xffffffffffffffffL does not fit 64 bits\n" },
	{ "a = 99999999999999999999999L;",
		"f:1: a: 99999999999999999999999L does not fit 64 bits\n" },
	{ "l = ( { m = 1; },\n { n = { o = [ 1, 2,\n 3000000000 ]; }; } );",
		"f:3: l[1].n.o[2]: integer 3000000000" TOO_WIDE },
	{ "a = 3000000000;\nb = 3000000001;\n",
		"f:1: a: integer 3000000000" TOO_WIDE "f:2: b: integer 3000000001" TOO_WIDE },
	/* Duplicates */
	{ "a = 1;\nb = 2;\na = 3;", "f:3: a: is a duplicate of the one in line 1\n" },
	{ "l = ( { m = 1; }, { m = 1;\n m = 2; } );",
		"f:2: l[1].m: is a duplicate of the one in line 1\n" },
	{ "a = { b = 1; };\na = { b = 1; b = 1; };",
		"f:2: a: is a duplicate of the one in line 1\n"
		"f:2: a.b: is a duplicate of the one in line 2\n" },
	/* What would vanish or pull in more */
	{ "a = 1;\n@include \"/etc/passwd\"\n", "f:2: @include: the configuration is one file\n" },
	{ "a = \"x\\x00y\";", "f:1: a: \\x00 and \\x80 to \\xff are not allowed\n" },
	{ "a = \"\\xff\";", "f:1: a: \\x00 and \\x80 to \\xff are not allowed\n" },
	{ "a = 1;\n/* b = 2;\n", "f:2: the comment is not closed\n" },
	{ "a = 1;\nb = \"x;\nc = 2;\n", "f:2: b: the string is not closed\n" },
	{ "a = 1;\nb = \"\xff\";\n", "f:2: holds a byte that is not UTF-8\n" },
	/* Lines are counted through strings and comments */
	{ "a = \"x\ny\\\nz\"; /*\n\n*/ b = 3000000000;", "f:5: b: integer 3000000000" TOO_WIDE },
};

START_TEST(bad_text_is_refused_with_its_line_and_path)
{
	const struct refuse_row *row = &refuse_rows[_i];
	struct diag diag;
	char *text;

	diag_init(&diag, "f");
	ck_assert_ptr_null(node_read_text(row->text, strlen(row->text), &diag));
	text = diag_lines(&diag);
	ck_assert_str_eq(text, row->want);
	free(text);
	diag_fini(&diag);
}
END_TEST

/* Reads n times `part` between head and tail, and says what comes of it. */
static char *read_repeated(const char *head, const char *part, size_t n, const char *tail)
{
	char *text = NULL, *lines;
	struct diag diag;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs(head, out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, part, (int)i);
	fputs(tail, out);
	fclose(out);
	diag_init(&diag, "f");
	node_destroy(node_read_text(text, len, &diag));
	lines = diag_lines(&diag);
	diag_fini(&diag);
	free(text);
	return lines;
}

static const struct size_row {
	const char *head, *part;
	size_t n;
	const char *tail, *want; /* a part of what is said; "": accepted */
} size_rows[] = {
	{ "a = ", "(", 64, "))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))", "" },
	{ "a = ", "(", 65, "", "brackets nest deeper than 64" },
	{ "a = ", "(", 1000000, "", "brackets nest deeper than 64" },
	{ "a = ", "( /* ) */ ", 1000, "", "brackets nest deeper than 64" },
	{ "/*", " ( [ {", 1000, "*/ a = 1;", "" },
	{ "", "a%d = 1;", 256, "", "" },
	{ "", "a%d = 1;", 257, "", "a256: is one too many" },
	{ "a = ( 0", ", %d", 100000, " );", "" },
	{ "a = ( {}", ", { b = 1; }", 10000, " );", "" },
};

START_TEST(size_of_what_is_read_is_bounded)
{
	const struct size_row *row = &size_rows[_i];
	char *lines = read_repeated(row->head, row->part, row->n, row->tail);

	if (row->want[0] == '\0')
		ck_assert_str_eq(lines, "");
	else
		ck_assert_ptr_nonnull(strstr(lines, row->want));
	free(lines);
}
END_TEST

START_TEST(zero_byte_in_text_is_refused)
{
	static const char text[] = "a = 1;\0 b = 2;";
	struct diag diag;
	char *lines;

	diag_init(&diag, "f");
	ck_assert_ptr_null(node_read_text(text, sizeof(text) - 1, &diag));
	lines = diag_lines(&diag);
	ck_assert_str_eq(lines, "f: the text holds a zero byte\n");
	free(lines);
	diag_fini(&diag);
}
END_TEST

/* Every prefix of a text with all that the grammar has: none may crash, leak or pass in silence. */
START_TEST(every_prefix_of_a_text_is_read_or_refused_with_a_reason)
{
	static const char text[] =
		"a = ( 1, 0x1FL, -2.5e3, \"x\\\"\\x41\\q\", [ true ], { b : 1 } );"
		"/* c */ # d\n// e\n@include \"f\"\n9999999999";

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len > 0 ? len : 1); /* the end is where ASan sees it */
		struct diag diag;
		struct node *node;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		diag_init(&diag, "f");
		node = node_read_text(copy, len, &diag);
		ck_assert_int_eq(node == NULL, diag.n_entries > 0);
		node_destroy(node);
		diag_fini(&diag);
		free(copy);
	}
}
END_TEST

static const struct file_row {
	const char *path, *want;
} file_rows[] = {
	{ "/nonexistent/weir.conf", "f: cannot read: No such file or directory\n" },
	{ "/", "f: cannot read: Is a directory\n" },
	{ "/dev/zero", "f: cannot read: Operation not supported\n" },
};

START_TEST(file_that_cannot_be_read_is_told)
{
	struct diag diag;
	char *lines;

	diag_init(&diag, "f");
	ck_assert_ptr_null(node_read_file(file_rows[_i].path, &diag));
	lines = diag_lines(&diag);
	ck_assert_str_eq(lines, file_rows[_i].want);
	free(lines);
	diag_fini(&diag);
}
END_TEST

/* A file in /tmp that is gone when it is closed; its name is good for node_read_file(). */
static int temp_file(char path[static 64])
{
	char name[] = "/tmp/test_node.XXXXXX";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	unlink(name);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

START_TEST(file_is_read_whole)
{
	static const char text[] = "a = 1;\nb = \"x\";\n";
	struct diag diag;
	struct node *node;
	char path[64];
	int fd = temp_file(path);

	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	diag_init(&diag, "f");
	node = node_read_file(path, &diag);
	ck_assert_ptr_nonnull(node);
	ck_assert_str_eq(node_child(node, "b")->string, "x");
	ck_assert_int_eq(node_child(node, "b")->line, 2);
	node_destroy(node);
	diag_fini(&diag);
	close(fd);
}
END_TEST

START_TEST(file_over_64_mib_is_refused_unread)
{
	struct diag diag;
	char path[64];
	char *lines;
	int fd = temp_file(path);

	ck_assert_int_eq(ftruncate(fd, (64 << 20) + 1), 0);
	diag_init(&diag, "f");
	ck_assert_ptr_null(node_read_file(path, &diag));
	lines = diag_lines(&diag);
	ck_assert_str_eq(lines, "f: cannot read: File too large\n");
	free(lines);
	diag_fini(&diag);
	close(fd);
}
END_TEST

static const struct json_row {
	const char *json;
	const char *want;
} json_rows[] = {
	{ "{}", "{}" },
	{ "{\"a\": 1, \"b\": -9223372036854775808}", "{a=1 b=-9223372036854775808}" },
	{ "{\"a\": [true, false, null, 1.5, \"x\"]}", "{a=[true false null 1.5 'x']}" },
	{ "{\"a\": {\"b\": {\"c\": []}}}", "{a={b={c=[]}}}" },
	{ "{\"a\": \"x\\u0000y\"}", "{a='x\001y'}" }, /* what follows must not vanish */
	{ "\"x\"", "'x'" },
};

START_TEST(json_becomes_a_tree)
{
	json_t *json = json_loads(json_rows[_i].json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct node *node;
	char *text;

	ck_assert_ptr_nonnull(json);
	node = node_from_json(json);
	text = tree_text(node);
	ck_assert_str_eq(text, json_rows[_i].want);
	ck_assert_int_eq(node->line, 0);
	free(text);
	node_destroy(node);
	json_decref(json);
}
END_TEST

START_TEST(depth_of_json_is_bounded)
{
	json_t *json = json_array();
	unsigned int depth = 0;
	struct node *node;

	for (unsigned int i = 0; i < 1000; i++)
		json = json_pack("[o]", json);
	node = node_from_json(json);
	for (const struct node *at = node; at != NULL; at = at->child)
		depth++;
	ck_assert_uint_le(depth, 66);
	node_destroy(node);
	json_decref(json);
}
END_TEST

static const char line_text[] = "a = 1;\n"
				"links = (\n"
				"  { name = \"x\"; },\n"
				"  { name = \"y\";\n"
				"    addresses = [ \"1\",\n"
				"      \"2\" ]; }\n"
				");\n"
				"group: {\n"
				"  b = 2;\n"
				"};\n";

static const struct line_row {
	const char *path;
	int want;
} line_rows[] = {
	{ "", 0 },
	{ "a", 1 },
	{ "nothing", 0 },
	{ "links", 2 },
	{ "links[0]", 3 },
	{ "links[0].name", 3 },
	{ "links[0].mtu", 3 },
	{ "links[1].name", 4 },
	{ "links[1].addresses", 5 },
	{ "links[1].addresses[0]", 5 },
	{ "links[1].addresses[1]", 6 },
	{ "links[1].addresses[2]", 5 },
	{ "links[2].name", 2 },

	{ "links[99999999999999999999]", 2 },
	{ "links.name", 2 },
	{ "group", 8 },
	{ "group.b", 9 },
	{ "group.b.c", 9 },
	{ "group[0]", 8 },
	{ "..", 0 },
};

START_TEST(path_leads_to_the_line_of_the_nearest_setting)
{
	struct diag diag;
	struct node *node;

	diag_init(&diag, "f");
	node = node_read_text(line_text, sizeof(line_text) - 1, &diag);
	ck_assert_ptr_nonnull(node);
	ck_assert_int_eq(node_line(node, line_rows[_i].path), line_rows[_i].want);
	node_destroy(node);
	diag_fini(&diag);
}
END_TEST

START_TEST(nothing_has_no_children_and_no_line)
{
	ck_assert_ptr_null(node_child(NULL, "a"));
	ck_assert_int_eq(node_line(NULL, "a[1].b"), 0);
	node_destroy(NULL);
}
END_TEST

SUITE_MAIN("node", LOOP_TEST(text_becomes_a_tree, read_rows),
	LOOP_TEST(bad_text_is_refused_with_its_line_and_path, refuse_rows),
	LOOP_TEST(size_of_what_is_read_is_bounded, size_rows),
	PLAIN_TEST(zero_byte_in_text_is_refused),
	PLAIN_TEST(every_prefix_of_a_text_is_read_or_refused_with_a_reason),
	LOOP_TEST(file_that_cannot_be_read_is_told, file_rows), PLAIN_TEST(file_is_read_whole),
	PLAIN_TEST(file_over_64_mib_is_refused_unread), LOOP_TEST(json_becomes_a_tree, json_rows),
	PLAIN_TEST(depth_of_json_is_bounded),
	LOOP_TEST(path_leads_to_the_line_of_the_nearest_setting, line_rows),
	PLAIN_TEST(nothing_has_no_children_and_no_line))
