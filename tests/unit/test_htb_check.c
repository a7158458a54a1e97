/* SPDX-License-Identifier: BSD-3-Clause */

/* What is wrong with classes is told, once, and where it stands (lib/qos/htb_check.c). */
#include <string.h>

#include "qos/htb.h"
#include "suite.h"

enum { CLASSES = 11 };
#define MBIT UINT64_C(1000000)

static const struct {
	struct qdisc_class_conf classes[CLASSES];
	const char *default_class;
	int64_t overhead;
	bool is_atm;
	const char *want; /* entries, each "path: text", joined by "|"; of the text its beginning */
} rows[] = {
	{ .classes = { { .name = "a", .rate = MBIT } }, .want = "" },
	{ .classes = { { .name = "a", .rate = MBIT },
		  { .name = "b", .parent = "a", .rate = MBIT } },
		.default_class = "b",
		.want = "" },
	/* The child may stand first. */
	{ .classes = { { .name = "b", .parent = "a", .rate = MBIT },
		  { .name = "a", .rate = MBIT } },
		.want = "" },
	{ .classes = { { .name = "a" } }, .want = "q.classes[0].rate: a class needs a rate" },
	{ .classes = { { .name = "a", .rate = MBIT, .parent = "b" } },
		.want = "q.classes[0].parent: there is no class \"b\"" },
	{ .classes = { { .name = "a", .rate = MBIT, .parent = "a" } },
		.want = "q.classes[0].parent: \"a\" borrows from this class itself" },
	{ .classes = { { .name = "a", .rate = MBIT, .parent = "b" },
		  { .name = "b", .rate = MBIT, .parent = "c" },
		  { .name = "c", .rate = MBIT, .parent = "a" },
		  { .name = "below", .rate = MBIT / 2, .parent = "a", .ceil = MBIT } },
		.want = "q.classes[0].parent: \"b\" borrows from this class itself|"
			"q.classes[0].rate: the rates of its children sum up to 1500000 bit/s" },
	{ .classes = { { .name = "a", .rate = MBIT }, { .name = "b", .rate = MBIT },
		  { .name = "a", .rate = MBIT }, { .name = "a", .rate = MBIT } },
		.want = "q.classes[2].name: \"a\" is already the name of classes[0]|"
			"q.classes[3].name: \"a\" is already the name of classes[0]" },
	{ .classes = { { .name = "1", .rate = MBIT }, { .name = "2", .rate = MBIT, .parent = "1" },
		  { .name = "3", .rate = MBIT, .parent = "2" },
		  { .name = "4", .rate = MBIT, .parent = "3" },
		  { .name = "5", .rate = MBIT, .parent = "4" },
		  { .name = "6", .rate = MBIT, .parent = "5" },
		  { .name = "7", .rate = MBIT, .parent = "6" },
		  { .name = "8", .rate = MBIT, .parent = "7" } },
		.want = "" },
	{ .classes = { { .name = "10", .rate = MBIT, .parent = "9" }, { .name = "1", .rate = MBIT },
		  { .name = "2", .rate = MBIT, .parent = "1" },
		  { .name = "3", .rate = MBIT, .parent = "2" },
		  { .name = "4", .rate = MBIT, .parent = "3" },
		  { .name = "5", .rate = MBIT, .parent = "4" },
		  { .name = "6", .rate = MBIT, .parent = "5" },
		  { .name = "7", .rate = MBIT, .parent = "6" },
		  { .name = "8", .rate = MBIT, .parent = "7" },
		  { .name = "9", .rate = MBIT, .parent = "8" } },
		.want = "q.classes[9].parent: at most 8 classes" },
	{ .classes = { { .name = "a", .rate = 2 * MBIT, .ceil = MBIT } },
		.want = "q.classes[0].ceil: 1000000 bit/s are less than the rate" },
	/* Above the rate of the parent they may be. */
	{ .classes = { { .name = "a", .rate = MBIT, .ceil = 2 * MBIT },
		  { .name = "b", .parent = "a", .rate = MBIT },
		  { .name = "c", .parent = "a", .rate = MBIT } },
		.want = "" },
	{ .classes = { { .name = "a", .rate = MBIT, .ceil = 2 * MBIT },
		  { .name = "b", .parent = "a", .rate = MBIT },
		  { .name = "c", .parent = "a", .rate = MBIT + 1 } },
		.want = "q.classes[0].ceil: the rates of its children sum up to 2000001 bit/s" },
	{ .classes = { { .name = "a", .rate = MBIT, .burst = 1514, .cburst = 1514 } }, .want = "" },
	{ .classes = { { .name = "a", .rate = MBIT, .burst = 1513, .cburst = 1 } },
		.want = "q.classes[0].burst: must hold a frame: at least 1514 bytes|"
			"q.classes[0].cburst: must hold a frame: at least 1514 bytes" },
	/* 1514 + 18 bytes are 32 cells. */
	{ .classes = { { .name = "a", .rate = MBIT, .burst = 1695, .cburst = 1696 } },
		.overhead = 18,
		.is_atm = true,
		.want = "q.classes[0].burst: must hold a frame: at least 1696 bytes" },
	{ .classes = { { .name = "a", .rate = MBIT } },
		.default_class = "b",
		.want = "q.default: \"b\": there is no such class" },
	{ .classes = { { .name = "a", .rate = MBIT },
		  { .name = "b", .parent = "a", .rate = MBIT } },
		.default_class = "a",
		.want = "q.default: \"a\": others borrow from this class" },
	{ .classes = { { .name = "a", .rate = MBIT, .child = { .n = 1 } },
		  { .name = "b", .parent = "a", .rate = MBIT } },
		.want = "q.classes[0].child: a class that others borrow from has no queue" },
};

START_TEST(mistakes_are_told_where_they_stand)
{
	struct qdisc_class_conf classes[CLASSES];
	struct qdisc_conf conf = {
		.kind = QDISC_HTB,
		.default_class = (char *)(uintptr_t)rows[_i].default_class,
		.overhead = rows[_i].overhead,
		.is_atm = rows[_i].is_atm,
		.classes = { .items = classes },
	};
	const char *want = rows[_i].want;
	struct diag diag;

	memcpy(classes, rows[_i].classes, sizeof(classes));
	while (classes[conf.classes.n].name != NULL)
		conf.classes.n++;
	diag_init(&diag, NULL);
	htb_check(&conf, &diag, NULL, "q");
	for (unsigned int i = 0; i < diag.n_entries; i++) {
		size_t len = strcspn(want, "|");
		char found[512];

		snprintf(
			found, sizeof(found), "%s: %s", diag.entries[i].path, diag.entries[i].text);
		ck_assert_msg(len > 0 && strncmp(found, want, len) == 0, "%s", found);
		want += len + (want[len] == '|');
	}
	ck_assert_str_eq(want, "");
	diag_fini(&diag);
}
END_TEST

START_TEST(lines_are_those_of_the_file)
{
	static const char text[] = "qdiscs = (\n { classes = ( { name = \"a\"; rate = \"1mbit\";\n"
				   " parent = \"b\"; } ); }\n);\n";
	struct qdisc_class_conf class = {
		.head = { .line = 7 }, .name = "a", .parent = "b", .rate = MBIT
	};
	struct qdisc_conf conf = { .classes = { .items = &class, .n = 1 } };
	struct node *root;
	struct diag diag;

	diag_init(&diag, NULL);
	root = node_read_text(text, sizeof(text) - 1, &diag);
	ck_assert_ptr_nonnull(root);
	htb_check(&conf, &diag, root, "qdiscs[0]");
	htb_check(&conf, &diag, NULL, "qdiscs[0]");
	ck_assert_uint_eq(diag.n_entries, 2);
	ck_assert_int_eq(diag.entries[0].line, 3);
	ck_assert_int_eq(diag.entries[1].line, 7);
	node_destroy(root);
	diag_fini(&diag);
}
END_TEST

SUITE_MAIN("htb_check", LOOP_TEST(mistakes_are_told_where_they_stand, rows),
	PLAIN_TEST(lines_are_those_of_the_file))
