/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Commands of qdiscs, classes and filters on a running router: what they refuse, and what they change. What becomes of
 * packets meanwhile is in test_qdisc_change.c.
 */
#include "kit_qdisc.h"

#include <stdlib.h>

#include "base/mem.h"

/* Classes a and b below all, and a prio in b. */
#define TREE                                                                                       \
	"{ link = \"wan\"; kind = \"htb\"; default = \"a\"; classes = ( "                          \
	"{ name = \"all\"; rate = \"8mbit\"; }, "                                                  \
	"{ name = \"a\"; parent = \"all\"; rate = \"4mbit\"; ceil = \"8mbit\"; }, "                \
	"{ name = \"b\"; parent = \"all\"; rate = \"4mbit\"; ceil = \"8mbit\"; "                   \
	"child = { kind = \"prio\"; bands = 3; classes = ( { band = 1; name = \"mid\"; } ); "      \
	"filters = ( { dport = 2001; proto = \"udp\"; band = 0; } ); }; } ); "                     \
	"filters = ( { dport = \"2001-2003\"; proto = \"udp\"; class = \"b\"; } ); }, "            \
	"{ link = \"lan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = \"2kb\"; limit = 9000; }"

/* What is refused */

static const struct {
	const char *method, *params, *want;
} refused[] = {
	{ "qdisc.show", "{\"dev\": \"eth9\"}", "there is no link \"eth9\"" },
	{ "class.show", "{\"dev\": \"eth9\"}", "there is no link \"eth9\"" },
	{ "filter.show", "{\"dev\": \"eth9\"}", "there is no link \"eth9\"" },
	{ "qdisc.add", "{\"dev\": \"eth9\", \"kind\": \"pfifo\"}", "there is no link \"eth9\"" },
	{ "qdisc.add", "{\"dev\": \"dmz\"}", "kind: is missing" },
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"red\"}", "kind: must be one of" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\"}",
		"there is one already: replace or change it" },
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"parent\": \"x\"}",
		"link \"dmz\" has no qdisc" },
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"parent\": \"x\", \"root\": true}",
		"root: is one too many: a parent is given" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"x\"}",
		"parent: there is no class \"x\"" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"1:\"}",
		"parent: there is no class \"1:\"" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"b\"}",
		"there is one already: replace or change it" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"all\"}",
		"classes[0].child: a class that others borrow from has no queue of its own" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"1:3\"}",
		"classes[0].child: a class that others borrow from has no queue of its own" },
	{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"1:6\"}",
		"parent: there is no class \"1:6\"" },
	{ "qdisc.add",
		"{\"dev\": \"dmz\", \"kind\": \"tbf\", \"rate\": \"1mbit\", \"burst\": 9000}",
		"latency: is missing: a tbf needs either this or limit" },
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"flows\": 9}",
		"flows: is no setting of pfifo" },
	{ "qdisc.add",
		"{\"dev\": \"dmz\", \"kind\": \"htb\", \"classes\": [{\"rate\": \"1mbit\"}]}",
		"classes[0].name: is missing: a class of htb needs it" },
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"htb\", \"default\": \"x\"}",
		"default: \"x\": there is no such class" },
	{ "qdisc.change", "{\"dev\": \"dmz\", \"kind\": \"pfifo\"}", "there is none to change" },
	{ "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"pfifo\"}", "kind: is htb: replace it" },
	{ "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"a\"}",
		"there is none to change" },
	{ "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"fq_codel\", \"parent\": \"b\"}",
		"kind: is prio: replace it" },
	{ "qdisc.change", "{\"dev\": \"lan\", \"kind\": \"tbf\", \"burst\": 1500}",
		"burst: must be 1514 bytes at least: a frame of the link's MTU" },
	{ "qdisc.replace",
		"{\"dev\": \"wan\", \"kind\": \"prio\", \"bands\": 2, \"parent\": \"b\", "
		"\"filters\": [{\"band\": 2}]}",
		"classes[2].child.filters[0].band: there are bands 0 to 1 only" },
	{ "qdisc.del", "{\"dev\": \"dmz\"}", "link \"dmz\" has no qdisc" },
	{ "qdisc.del", "{\"dev\": \"wan\", \"parent\": \"a\"}",
		"parent: class \"a\" has no qdisc of its own" },
	{ "qdisc.del", "{\"dev\": \"wan\", \"parent\": \"x\"}",
		"parent: class \"x\" has no qdisc of its own" },
	{ "class.add", "{\"dev\": \"dmz\", \"name\": \"c\"}", "link \"dmz\" has no qdisc" },
	{ "class.add", "{\"dev\": \"wan\"}", "name: is missing: or of a prio band" },
	{ "class.add", "{\"dev\": \"wan\", \"rate\": \"1mbit\"}",
		"name: is missing: or of a prio band" },
	{ "class.add", "{\"dev\": \"wan\", \"name\": \"a\", \"rate\": \"1mbit\"}",
		"there is such a class already" },
	{ "class.add", "{\"dev\": \"wan\", \"name\": \"c\"}",
		"classes[3].rate: a class needs a rate" },
	{ "class.add",
		"{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"1mbit\", \"parent\": \"x\"}",
		"there is no class or qdisc \"x\"" },
	{ "class.add",
		"{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"9mbit\", \"parent\": \"all\"}",
		"classes[0].rate: the rates of its children sum up to 17000000 bit/s" },
	{ "class.add", "{\"dev\": \"wan\", \"name\": \"1:9\", \"rate\": \"1mbit\"}",
		"there is no class or qdisc \"1:9\"" },
	{ "class.add", "{\"dev\": \"wan\", \"band\": 1, \"parent\": \"mid\"}",
		"there is such a class already" },
	{ "class.add", "{\"dev\": \"lan\", \"name\": \"c\", \"rate\": \"1mbit\"}",
		"classes: is no setting of tbf" },
	{ "class.change", "{\"dev\": \"lan\", \"name\": \"1:1\", \"rate\": \"1mbit\"}",
		"there is no class or qdisc \"1:1\"" },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"1mbit\"}",
		"there is no such class" },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"a\", \"ceil\": \"1mbit\"}",
		"classes[1].ceil: 1000000 bit/s are less than the rate of 4000000 bit/s" },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"mid\", \"rate\": \"1mbit\"}",
		"classes[2].child.classes[0].rate: is a setting of classes of htb" },
	{ "class.del", "{\"dev\": \"wan\", \"name\": \"c\"}", "there is no class \"c\"" },
	{ "class.del", "{\"dev\": \"wan\", \"name\": \"2\"}", "there is no class \"2\"" },
	{ "class.del", "{\"dev\": \"lan\", \"name\": \"1:1\"}", "there is no class \"1:1\"" },
	{ "class.del", "{\"dev\": \"wan\", \"name\": \"a\"}",
		"default: \"a\": there is no such class" },
	{ "class.del", "{\"dev\": \"wan\", \"name\": \"b\"}",
		"filters[0].class: there is no class \"b\"" },
	{ "class.del", "{\"dev\": \"wan\", \"name\": \"all\"}",
		"classes[0].parent: there is no class \"all\"; classes[1].parent: there is no "
		"class "
		"\"all\"" },
	{ "filter.add", "{\"dev\": \"wan\", \"band\": 0}",
		"filters[1].band: only a prio has bands" },
	{ "filter.add", "{\"dev\": \"wan\", \"parent\": \"x\", \"class\": \"a\"}",
		"parent: there is no qdisc \"x\"" },
	{ "filter.add", "{\"dev\": \"wan\", \"class\": \"a\", \"dport\": 22}",
		"filters[1].dport: needs proto" },
	{ "filter.add", "{\"dev\": \"wan\", \"class\": \"a\", \"index\": 0, \"dport\": 22}",
		"filters[0].dport: needs proto" },
	{ "filter.add", "{\"dev\": \"lan\", \"class\": \"a\"}", "filters: is no setting of tbf" },
	{ "filter.del", "{\"dev\": \"wan\", \"index\": 1}", "there is no such filter" },
	{ "filter.del", "{\"dev\": \"lan\", \"index\": 0}", "there is no such filter" },
	{ "filter.del", "{\"dev\": \"wan\", \"index\": -1}", "index: " },
	{ "filter.del", "{\"dev\": \"wan\", \"parent\": \"x\", \"index\": 0}",
		"there is no such filter" },
};

START_TEST(a_bad_command_is_refused_and_changes_nothing)
{
	struct bench *b = qdisc_start(NULL, TREE);
	char *before = bench_answer(b, "config.show", NULL), *after, *error;

	error = bench_call_error(b, refused[_i].method, refused[_i].params);
	ck_assert_msg(strncmp(error, refused[_i].want, strlen(refused[_i].want)) == 0,
		"%s %s was refused with \"%s\", not \"%s\"", refused[_i].method, refused[_i].params,
		error, refused[_i].want);
	ck_assert_msg(strstr(error + strlen(refused[_i].want), "; ") == NULL, "%s", error);
	bench_run(b);
	after = bench_answer(b, "config.show", NULL);
	ck_assert_str_eq(before, after);
	free(error);
	free(before);
	free(after);
	bench_destroy(b);
}
END_TEST

/* What is changed */

static const struct {
	const char *method, *params;
	const char *show, *row, *path; /* a figure, and what it is then */
	int64_t want;
} changes[] = {
	{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"pfifo\", \"limit\": 7, \"root\": true}",
		"qdisc dmz", "1:", "options.limit", 7 },
	{ "qdisc.add",
		"{\"dev\": \"wan\", \"kind\": \"fq_codel\", \"parent\": \"a\", \"flows\": 5}",
		"qdisc wan", "2:", "options.flows", 5 },
	{ "qdisc.replace",
		"{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"b\", \"limit\": 5}",
		"qdisc wan", "3:", "options.limit", 5 },
	{ "qdisc.add",
		"{\"dev\": \"wan\", \"kind\": \"bfifo\", \"parent\": \"mid\", \"limit\": 5000}",
		"qdisc wan", "5:", "options.limit", 5000 },
	{ "qdisc.add",
		"{\"dev\": \"wan\", \"kind\": \"bfifo\", \"parent\": \"3:3\", \"limit\": 5000}",
		"qdisc wan", "6:", "options.limit", 5000 },
	{ "qdisc.add", "{\"dev\": \"lan\", \"kind\": \"pfifo\", \"parent\": \"1:1\", \"limit\": 9}",
		"qdisc lan", "2:", "options.limit", 9 },
	{ "qdisc.change", "{\"dev\": \"lan\", \"kind\": \"tbf\", \"rate\": \"16mbit\"}",
		"qdisc lan", "1:", "options.rate", 2000000 },
	/* limit gives way. */
	{ "qdisc.change", "{\"dev\": \"lan\", \"kind\": \"tbf\", \"latency\": \"10ms\"}",
		"qdisc lan", "1:", "options.limit", 10000 + 2048 },
	{ "qdisc.replace", "{\"dev\": \"lan\", \"kind\": \"tbf\", \"burst\": 3000}", "qdisc lan",
		"1:", "options.rate", 1000000 },
	{ "qdisc.change", "{\"dev\": \"wan\", \"kind\": \"prio\", \"bands\": 4, \"parent\": \"b\"}",
		"qdisc wan", "3:", "options.bands", 4 },
	{ "class.add", "{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"80kbit\"}", "class wan",
		"c", "rate", 10000 },
	{ "class.add",
		"{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"80kbit\", \"parent\": \"1:\"}",
		"class wan", "c", "rate", 10000 },
	{ "class.replace", "{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"80kbit\"}", "class wan",
		"c", "rate", 10000 },
	{ "class.replace", "{\"dev\": \"wan\", \"name\": \"a\", \"prio\": 3}", "class wan", "a",
		"rate", 500000 },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"a\", \"prio\": 3}", "class wan", "a",
		"prio", 3 },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"1:1\", \"prio\": 4}", "class wan", "a",
		"prio", 4 },
	/* An inner class, by name and by handle. */
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"all\", \"rate\": \"9mbit\"}", "class wan",
		"all", "rate", 1125000 },
	{ "class.change", "{\"dev\": \"wan\", \"name\": \"1:3\", \"rate\": \"9mbit\"}", "class wan",
		"all", "rate", 1125000 },
	/* A band gets a name, and another one. */
	{ "class.add", "{\"dev\": \"wan\", \"band\": 2, \"name\": \"low\", \"parent\": \"3:\"}",
		"class wan", "low", "stats.packets", 0 },
	{ "class.change", "{\"dev\": \"wan\", \"band\": 1, \"name\": \"low\", \"parent\": \"mid\"}",
		"class wan", "low", "stats.packets", 0 },
	{ "filter.add", "{\"dev\": \"wan\", \"class\": \"a\"}", "filter wan", "1", "index", 1 },
	{ "filter.add", "{\"dev\": \"wan\", \"class\": \"a\", \"index\": 7}", "filter wan", "1",
		"index", 1 },
	{ "filter.add", "{\"dev\": \"wan\", \"band\": 2, \"parent\": \"3:\", \"index\": 0}",
		"filter wan", "1", "band", 2 },
	{ "filter.add", "{\"dev\": \"wan\", \"band\": 2, \"parent\": \"mid\", \"index\": 0}",
		"filter wan", "1", "band", 2 },
};

START_TEST(a_good_command_does_what_it_says)
{
	struct bench *b = qdisc_start(NULL, TREE);
	char object[8], dev[8], *method, *params;
	json_t *rows, *row = NULL;
	size_t i;

	json_decref(bench_call(b, changes[_i].method, changes[_i].params));
	REQUIRE(sscanf(changes[_i].show, "%7s %7s", object, dev) == 2);
	method = mem_printf("%s.show", object);
	params = mem_printf("{\"dev\": \"%s\"}", dev);
	rows = bench_call(b, method, params);
	json_array_foreach(rows, i, row) {
		const char *handle = json_string_value(json_object_get(row, "handle"));
		const char *name = json_string_value(json_object_get(row, "name"));

		if ((handle != NULL && strcmp(handle, changes[_i].row) == 0) ||
			(name != NULL && strcmp(name, changes[_i].row) == 0) ||
			(handle == NULL && (size_t)atoi(changes[_i].row) == i))
			break;
	}
	ck_assert_msg(i < json_array_size(rows), "there is no %s", changes[_i].row);
	ck_assert_int_eq(json_int_at(row, changes[_i].path), changes[_i].want);
	json_decref(rows);
	free(method);
	free(params);
	bench_destroy(b);
}
END_TEST

START_TEST(what_was_added_can_be_taken_away_again)
{
	static const struct {
		const char *add, *add_params, *del, *del_params;
	} rows[] = {
		{ "qdisc.add", "{\"dev\": \"dmz\", \"kind\": \"pfifo\"}", "qdisc.del",
			"{\"dev\": \"dmz\"}" },
		{ "qdisc.add", "{\"dev\": \"wan\", \"kind\": \"pfifo\", \"parent\": \"a\"}",
			"qdisc.del", "{\"dev\": \"wan\", \"parent\": \"a\"}" },
		{ "qdisc.add", "{\"dev\": \"lan\", \"kind\": \"pfifo\", \"parent\": \"1:1\"}",
			"qdisc.del", "{\"dev\": \"lan\", \"parent\": \"1:1\"}" },
		{ "class.add", "{\"dev\": \"wan\", \"name\": \"c\", \"rate\": \"1mbit\"}",
			"class.del", "{\"dev\": \"wan\", \"name\": \"c\"}" },
		{ "class.add",
			"{\"dev\": \"wan\", \"name\": \"low\", \"band\": 2, \"parent\": \"mid\"}",
			"class.del", "{\"dev\": \"wan\", \"name\": \"low\"}" },
		{ "filter.add", "{\"dev\": \"wan\", \"class\": \"a\", \"index\": 0}", "filter.del",
			"{\"dev\": \"wan\", \"index\": 0}" },
		{ "filter.add", "{\"dev\": \"wan\", \"parent\": \"3:\", \"band\": 1}", "filter.del",
			"{\"dev\": \"wan\", \"parent\": \"3:\", \"index\": 1}" },
	};
	struct bench *b = qdisc_start(NULL, TREE);
	char *before = bench_answer(b, "config.show", NULL), *after;

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		json_decref(bench_call(b, rows[i].add, rows[i].add_params));
		after = bench_answer(b, "config.show", NULL);
		ck_assert_str_ne(before, after);
		free(after);
		json_decref(bench_call(b, rows[i].del, rows[i].del_params));
		after = bench_answer(b, "config.show", NULL);
		ck_assert_str_eq(before, after);
		free(after);
	}
	free(before);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("qdisc_ctl", LOOP_TEST(a_bad_command_is_refused_and_changes_nothing, refused),
	LOOP_TEST(a_good_command_does_what_it_says, changes),
	PLAIN_TEST(what_was_added_can_be_taken_away_again))
