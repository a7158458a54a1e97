/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is refused of the section `qdiscs`: each mistake is told once, with its line and its path, also within classes
 * and within qdiscs of qdiscs. And what is taken, is shown, and read back as the same.
 */
#include "kit_qdisc.h"

#include <stdlib.h>

#include "base/mem.h"

/* All that is wrong with these qdiscs, "LINE PATH: TEXT" each; "" nothing. Lines count from that of `qdiscs`. Heap. */
static char *mistakes(const char *qdiscs)
{
	char *config = mem_printf("%sqdiscs = (\n%s);\n", router_config, qdiscs);
	char *text = mem_strdup("");
	int first = 0;
	struct config *read;
	struct diag diag;

	for (const char *at = router_config; *at != '\0'; at++)
		first += *at == '\n';
	diag_init(&diag, "test.conf");
	read = conf_read_text(modules, config, strlen(config), &diag);
	for (unsigned int i = 0; i < diag.n_entries; i++) {
		char *more = mem_printf("%s%s%d %s: %s", text, i > 0 ? "\n" : "",
			diag.entries[i].line - first, diag.entries[i].path, diag.entries[i].text);

		free(text);
		text = more;
	}
	REQUIRE((read == NULL) == (diag.n_entries > 0));
	conf_destroy(read);
	diag_fini(&diag);
	free(config);
	return text;
}

#define TBF	   "{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; burst = \"32kbit\";\n"
#define PRIO	   "{ link = \"wan\"; kind = \"prio\"; bands = 3;\n"
#define HTB	   "{ link = \"wan\"; kind = \"htb\";\n"
#define CLASS(...) "{ name = " __VA_ARGS__ " }"

static const struct {
	const char *qdiscs, *want;
} rows[] = {
	/* any */
	{ "{ link = \"wan\"; }\n", "2 qdiscs[0].kind: is missing: a qdisc needs it" },
	{ "{ kind = \"pfifo\"; }\n", "2 qdiscs[0].link: is missing: a qdisc needs it" },
	{ "{ link = \"wan\"; kind = \"red\"; }\n",
		"2 qdiscs[0].kind: must be one of: pfifo, bfifo, tbf, prio, htb, fq_codel" },
	{ "{ link = \"eth9\"; kind = \"pfifo\"; }\n",
		"2 qdiscs[0].link: there is no link \"eth9\"" },
	{ "{ link = \"wan\"; kind = \"pfifo\"; },\n{ link = \"wan\"; kind = \"bfifo\"; }\n",
		"3 qdiscs[1].link: qdiscs[0] is of the same link" },
	{ "{ link = \"wan\"; kind = \"pfifo\";\nrate = \"1mbit\"; }\n",
		"3 qdiscs[0].rate: is no setting of pfifo" },
	{ "{ link = \"wan\"; kind = \"pfifo\";\nbands = 4; }\n",
		"3 qdiscs[0].bands: is no setting of pfifo" },
	{ "{ link = \"wan\"; kind = \"fq_codel\";\nchild = { kind = \"pfifo\"; }; }\n",
		"3 qdiscs[0].child: is no setting of fq_codel" },
	/* tbf */
	{ "{ link = \"wan\"; kind = \"tbf\"; burst = \"32kbit\"; limit = 9000; }\n",
		"2 qdiscs[0].rate: is missing: a tbf needs it" },
	{ "{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; limit = 9000; }\n",
		"2 qdiscs[0].burst: is missing: a tbf needs it" },
	{ TBF "}\n", "2 qdiscs[0].latency: is missing: a tbf needs either this or limit" },
	{ TBF "latency = \"1s\"; limit = 9000; }\n",
		"3 qdiscs[0].latency: is one too many: a tbf needs either this or limit" },
	{ TBF "limit = 9000;\nmtu = 2000; }\n",
		"2 qdiscs[0].peakrate: is missing: peakrate and mtu belong together" },
	{ TBF "limit = 9000;\npeakrate = \"2mbit\"; }\n",
		"2 qdiscs[0].mtu: is missing: peakrate and mtu belong together" },
	{ TBF "limit = 9000; mtu = 2000;\npeakrate = \"1mbit\"; }\n",
		"4 qdiscs[0].peakrate: must be above rate" },
	{ TBF "limit = 9000; peakrate = \"2mbit\";\nmtu = 1513; }\n",
		"4 qdiscs[0].mtu: must be 1514 bytes at least: a frame of the link's MTU" },
	{ "{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; limit = 9000;\nburst = 1513; }\n",
		"3 qdiscs[0].burst: must be 1514 bytes at least: a frame of the link's MTU" },
	/* On the link below it is longer: 1514 and 10, in cells. */
	{ "{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; limit = 9000; linklayer = \"atm\"; "
	  "overhead = 10;\nburst = 1600; }\n",
		"3 qdiscs[0].burst: must be 1696 bytes at least: a frame of the link's MTU" },
	{ TBF "limit = 9000;\nclasses = ( ); default_band = 1; }\n",
		"4 qdiscs[0].default_band: is no setting of tbf\n"
		"4 qdiscs[0].classes: is no setting of tbf" },
	/* prio */
	{ PRIO "default_band = 3; }\n", "3 qdiscs[0].default_band: there are bands 0 to 2 only" },
	{ PRIO "priomap = [ 1, 2 ]; }\n",
		"3 qdiscs[0].priomap: must name a band for each of 16 priorities" },
	{ PRIO "priomap = [ 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 3 ]; }\n",
		"3 qdiscs[0].priomap: there are bands 0 to 2 only" },
	{ PRIO "filters = ( {\nband = 3; } ); }\n",
		"4 qdiscs[0].filters[0].band: there are bands 0 to 2 only" },
	{ PRIO "filters = ( { proto = \"tcp\"; } ); }\n",
		"3 qdiscs[0].filters[0].class: is missing: a filter needs one, or of prio a band" },
	{ PRIO "filters = ( { class = \"x\"; band = 0; } ); }\n",
		"3 qdiscs[0].filters[0].class: and band are two ways of saying it: give one" },
	{ PRIO "filters = ( { class = \"x\"; } ); }\n",
		"3 qdiscs[0].filters[0].class: there is no class \"x\"" },
	{ PRIO "filters = ( { class = \"3\"; } ); }\n",
		"3 qdiscs[0].filters[0].class: there is no class \"3\"" },
	{ PRIO "filters = ( { band = 0; state = \"new\"; } ); }\n",
		"3 qdiscs[0].filters[0].state: is not known any more where packets leave" },
	{ PRIO "filters = ( { band = 0; dport = 22; } ); }\n",
		"3 qdiscs[0].filters[0].dport: needs proto, which must be tcp, udp, sctp, "
		"udplite or dccp" },
	{ PRIO "classes = ( { name = \"x\"; } ); }\n",
		"3 qdiscs[0].classes[0].band: must say which of the bands 0 to 2" },
	{ PRIO "classes = ( { band = 3; } ); }\n",
		"3 qdiscs[0].classes[0].band: must say which of the bands 0 to 2" },
	{ PRIO "classes = ( { band = 1; },\n{ band = 1; } ); }\n",
		"4 qdiscs[0].classes[1].band: classes[0] is about the same band" },
	{ PRIO "classes = ( { band = 1; name = \"x\"; },\n{ band = 2; name = \"x\"; } ); }\n",
		"4 qdiscs[0].classes[1].name: classes[0] has the same name" },
	/* Bands go by number, too. */
	{ PRIO "classes = ( { band = 1; name = \"0\"; } ); }\n",
		"3 qdiscs[0].classes[0].name: \"0\" is a number, and not this band's" },
	{ PRIO "classes = ( { band = 1; rate = \"1mbit\"; } ); }\n",
		"3 qdiscs[0].classes[0].rate: is a setting of classes of htb" },
	/* htb */
	{ HTB "classes = ( { rate = \"1mbit\"; } ); }\n",
		"3 qdiscs[0].classes[0].name: is missing: a class of htb needs it" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; },\n{ rate = \"1mbit\"; } ); }\n",
		"4 qdiscs[0].classes[1].name: is missing: a class of htb needs it" },
	{ HTB "classes = ( { name = \"a\"; } ); }\n",
		"3 qdiscs[0].classes[0].rate: a class needs a rate" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; band = 0; } ); }\n",
		"3 qdiscs[0].classes[0].band: only a prio has bands" },
	{ HTB "classes = ( { name = \"a\"; rate = \"2mbit\"; ceil = \"1mbit\"; } ); }\n",
		"3 qdiscs[0].classes[0].ceil: 1000000 bit/s are less than the rate of 2000000 "
		"bit/s" },
	{ HTB "classes = ( { name = \"a\"; rate = \"2mbit\";\nparent = \"b\"; } ); }\n",
		"4 qdiscs[0].classes[0].parent: there is no class \"b\"" },
	{ HTB "classes = ( { name = \"a\"; rate = \"2mbit\"; parent = \"a\"; } ); }\n",
		"3 qdiscs[0].classes[0].parent: \"a\" borrows from this class itself" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; },\n{ name = \"a\"; rate = \"1mbit\"; "
	      "} "
	      "); }\n",
		"4 qdiscs[0].classes[1].name: \"a\" is already the name of classes[0]" },
	{ HTB "default = \"x\"; classes = ( { name = \"a\"; rate = \"1mbit\"; } ); }\n",
		"3 qdiscs[0].default: \"x\": there is no such class" },
	{ HTB "default = \"a\";\nclasses = ( { name = \"a\"; rate = \"1mbit\"; },\n{ name = \"b\"; "
	      "rate = \"1mbit\"; parent = \"a\"; } ); }\n",
		"3 qdiscs[0].default: \"a\": others borrow from this class, it has no queue" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; child = { kind = \"pfifo\"; }; },\n"
	      "{ name = \"b\"; rate = \"1mbit\"; parent = \"a\"; } ); }\n",
		"3 qdiscs[0].classes[0].child: a class that others borrow from has no queue of its "
		"own" },
	{ HTB "filters = ( { class = \"a\"; } );\nclasses = ( { name = \"a\"; rate = \"1mbit\"; }, "
	      "{ name = \"b\"; rate = \"2mbit\"; parent = \"a\"; } ); }\n",
		"4 qdiscs[0].classes[0].rate: the rates of its children sum up to 2000000 bit/s, "
		"more than its ceil of 1000000 bit/s\n"
		"3 qdiscs[0].filters[0].class: \"a\" only lends to classes: no packets of its own "
		"go there" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; burst = 1513; } ); }\n",
		"3 qdiscs[0].classes[0].burst: must hold a frame: at least 1514 bytes" },
	{ HTB "filters = ( { band = 0; } ); }\n",
		"3 qdiscs[0].filters[0].band: only a prio has bands" },
	{ HTB "rate = \"1mbit\"; }\n", "3 qdiscs[0].rate: is no setting of htb" },
	/* A class cannot be told from a handle. */
	{ HTB "classes = ( { name = \"1:2\"; rate = \"1mbit\"; } ); }\n",
		"3 qdiscs[0].classes[0].name: \"1:2\": may not contain a colon: handles do" },
	{ HTB "classes = ( { name = \"\"; rate = \"1mbit\"; },\n{ name = \"direct\"; rate = "
	      "\"1mbit\"; } ); }\n",
		"3 qdiscs[0].classes[0].name: is empty\n"
		"4 qdiscs[0].classes[1].name: \"direct\" is what no class shapes" },
	/* Within others */
	{ TBF "limit = 9000; child = { kind = \"tbf\";\nrate = \"1mbit\"; limit = 9000; burst = "
	      "1000; "
	      "}; }\n",
		"4 qdiscs[0].child.burst: must be 1514 bytes at least: a frame of the link's MTU" },
	{ PRIO "classes = ( { band = 0;\nchild = { kind = \"pfifo\"; flows = 3; }; } ); }\n",
		"4 qdiscs[0].classes[0].child.flows: is no setting of pfifo" },
	{ HTB "classes = ( { name = \"a\"; rate = \"1mbit\"; child = { kind = \"prio\";\nclasses = "
	      "( "
	      "{ band = 1; child = { kind = \"htb\";\nclasses = ( { name = \"b\"; } ); }; } ); }; "
	      "} "
	      "); }\n",
		"5 qdiscs[0].classes[0].child.classes[0].child.classes[0].rate: a class needs a "
		"rate" },
	{ TBF "limit = 9000; child = { kind = \"pfifo\"; link = \"lan\"; }; }\n",
		"3 qdiscs[0].child.link: is not a setting of qdisc; allowed: kind, rate, burst, "
		"latency, limit, peakrate, mtu, overhead, mpu, linklayer, bands, priomap, "
		"default_band, default, classes, filters, flows, target, interval, quantum, ecn, "
		"ce_threshold, memory_limit, per, child" },
};

START_TEST(a_mistake_is_told_once_with_its_line_and_path)
{
	char *got = mistakes(rows[_i].qdiscs);

	ck_assert_str_eq(got, rows[_i].want);
	free(got);
}
END_TEST

/* Eight within each other are taken, nine are not. */
START_TEST(qdiscs_do_not_nest_without_end)
{
	for (unsigned int n = 8; n <= 9; n++) {
		char *text = mem_strdup("kind = \"pfifo\";"), *more, *got;

		for (unsigned int i = 1; i < n; i++) {
			more = mem_printf(
				"kind = \"prio\"; classes = ( { band = 0; child = { %s }; } );",
				text);
			free(text);
			text = more;
		}
		more = mem_printf("{ link = \"wan\"; %s }\n", text);
		got = mistakes(more);
		if (n == 8)
			ck_assert_str_eq(got, "");
		else
			ck_assert_ptr_nonnull(
				strstr(got, ".child.kind: qdiscs nest deeper than 8"));
		free(got);
		free(more);
		free(text);
	}
}
END_TEST

/* 16 bands of 16 bands of 16 bands of 16 bands are one more than a packet can name. */
START_TEST(queues_are_not_more_than_packets_can_name)
{
	char *text = mem_strdup(""), *more, *got;

	for (unsigned int depth = 0; depth < 4; depth++) {
		char *classes = mem_strdup("");

		for (unsigned int i = 0; i < 16 && depth > 0; i++) {
			more = mem_printf("%s%s{ band = %u; child = { %s }; }", classes,
				i > 0 ? ", " : "", i, text);
			free(classes);
			classes = more;
		}
		more = mem_printf("kind = \"prio\"; bands = 16; classes = ( %s );", classes);
		free(classes);
		free(text);
		text = more;
	}
	more = mem_printf("{ link = \"wan\"; %s }\n", text);
	got = mistakes(more);
	ck_assert_str_eq(got, "2 qdiscs[0].kind: has 69905 qdiscs with those below it, 65535 are "
			      "possible");
	free(got);
	free(more);
	free(text);
}
END_TEST

/* What is shown */

#define EVERYTHING                                                                                 \
	"{ link = \"wan\"; kind = \"htb\"; default = \"bulk\"; overhead = 22; mpu = 64; "          \
	"linklayer = "                                                                             \
	"\"atm\";\n"                                                                               \
	"  classes = ( { name = \"all\"; rate = \"20mbit\"; },\n"                                  \
	"    { name = \"voice\"; parent = \"all\"; rate = \"2mbit\"; ceil = \"20mbit\"; prio = "   \
	"0; burst = "                                                                              \
	"\"15kb\"; cburst = \"16kb\"; quantum = 3000; child = { kind = \"bfifo\"; limit = "        \
	"\"64kb\"; }; },\n"                                                                        \
	"    { name = \"bulk\"; parent = \"all\"; rate = \"8mbit\"; ceil = \"20mbit\"; prio = "    \
	"1;\n"                                                                                     \
	"      child = { kind = \"fq_codel\"; flows = 64; limit = 500; target = \"7ms\"; "         \
	"interval = \"70ms\"; "                                                                    \
	"quantum = 600; ecn = false; ce_threshold = \"1ms\"; memory_limit = \"1mb\"; per = "       \
	"\"source\"; }; } );\n"                                                                    \
	"  filters = ( { dscp = \"ef\"; class = \"voice\"; },\n"                                   \
	"    { in = \"lan\"; proto = ( \"tcp\", \"udp\" ); dport = ( 22, \"5000-5010\" ); "        \
	"vlan_priority = 5; class = \"voice\"; } ); },\n"                                          \
	"{ link = \"lan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = \"4kb\"; peakrate = "         \
	"\"16mbit\"; mtu = "                                                                       \
	"\"2kb\"; latency = \"5s\";\n"                                                             \
	"  child = { kind = \"prio\"; bands = 4; default_band = 2; priomap = [ 1, 2, 2, 2, 1, 2, " \
	"0, 0, 1, 1, 1, "                                                                          \
	"1, 1, 1, 1, 3 ];\n"                                                                       \
	"    classes = ( { band = 1; name = \"ssh\"; child = { kind = \"pfifo\"; limit = 10; }; "  \
	"}, { band = 0; } );\n"                                                                    \
	"    filters = ( { mark = \"0x10/0xff\"; class = \"ssh\"; }, { src = \"!10.0.0.0/8\"; "    \
	"band = 3; } ); }; },\n"                                                                   \
	"{ link = \"dmz\"; kind = \"fq_codel\"; }\n"

static char *shown(struct bench *b)
{
	json_t *answer = bench_call(b, "config.show", NULL);
	char *text = mem_strdup(json_string_value(answer));

	json_decref(answer);
	return text;
}

START_TEST(what_is_shown_is_read_back_as_the_same)
{
	struct bench *b = qdisc_start(NULL, EVERYTHING);
	char *first = shown(b), *second, *figures = bench_answer(b, "filter.show", NULL), *again;

	bench_destroy(b);
	b = bench_start(first);
	second = shown(b);
	again = bench_answer(b, "filter.show", NULL);
	ck_assert_str_eq(first, second);
	ck_assert_str_eq(figures, again);
	ck_assert_ptr_nonnull(strstr(first, "ce_threshold"));
	ck_assert_ptr_nonnull(strstr(first, "peakrate"));
	ck_assert_ptr_nonnull(strstr(first, "\"!10.0.0.0/8\""));
	free(first);
	free(second);
	free(figures);
	free(again);
	bench_destroy(b);
}
END_TEST

/* The qdiscs of the contract, on the links of the router. */
START_TEST(the_examples_of_the_contract_are_taken)
{
	static const char *const examples[] = {
		"{ link = \"wan\"; kind = \"tbf\"; rate = \"1mbit\"; burst = \"32kbit\"; latency = "
		"\"400ms\"; }\n",
		"{ link = \"lan\"; kind = \"prio\"; bands = 3; filters = ( { proto = \"tcp\"; "
		"dport "
		"= 22; band = 0; } ); default_band = 1; }\n",
		"{ link = \"dmz\"; kind = \"htb\"; default = \"bulk\"; classes = ( { name = "
		"\"voice\"; "
		"rate = \"2mbit\"; ceil = \"20mbit\"; prio = 0; }, { name = \"bulk\"; rate = "
		"\"18mbit\"; ceil = \"20mbit\"; prio = 1; child = { kind = \"fq_codel\"; }; } ); "
		"filters = ( { dscp = \"ef\"; class = \"voice\"; } ); }\n",
		"{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = \"2kb\"; latency = "
		"\"5s\"; child = { kind = \"prio\"; bands = 3; }; }\n",
	};

	for (unsigned int i = 0; i < RTE_DIM(examples); i++) {
		char *got = mistakes(examples[i]);

		ck_assert_str_eq(got, "");
		free(got);
	}
}
END_TEST

PACKET_MAIN("qdisc_check", LOOP_TEST(a_mistake_is_told_once_with_its_line_and_path, rows),
	PLAIN_TEST(qdiscs_do_not_nest_without_end),
	PLAIN_TEST(queues_are_not_more_than_packets_can_name),
	PLAIN_TEST(what_is_shown_is_read_back_as_the_same),
	PLAIN_TEST(the_examples_of_the_contract_are_taken))
