/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of policers: the answers of `policer`, the configuration that is shown, what is
 * refused and where, and what becomes of policers when links come and go.
 */
#include "kit_meter.h"

#include "base/mem.h"
#include "dp/conf.h"
#include "link/link.h"

#define LINKS                                                                                      \
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"           \
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"                                               \
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\"; mtu = 9000;\n"       \
	"    addresses = [ \"198.51.100.1/24\" ]; },\n"                                            \
	"  { name = \"e\"; device = \"net_ring_p2\"; },\n"                                         \
	"  { name = \"br0\"; type = \"bridge\"; members = ( \"e\" ); },\n"                         \
	"  { name = \"br0.5\"; type = \"vlan\"; parent = \"br0\"; vid = 5; },\n"                   \
	"  { name = \"wan.5\"; type = \"vlan\"; parent = \"wan\"; vid = 5; },\n"                   \
	"  { name = \"m\"; device = \"net_ring_p3\"; mtu = 4000; },\n"                             \
	"  { name = \"bond0\"; type = \"bond\"; members = [ \"m\" ]; } );\n"

static const char policed[] = LINKS
	"policers = ( { link = \"lan\"; rate = \"100mbit\"; burst = \"200kb\"; },\n"
	"  { link = \"wan\"; rate = \"10mbit\"; burst = \"100kb\"; excess_burst = \"200kb\";\n"
	"    yellow = \"dscp\"; yellow_dscp = \"af12\"; red = \"drop\"; },\n"
	"  { link = \"e\"; rate = \"10mbit\"; burst = \"64kb\"; peakrate = \"20mbit\"; peakburst = "
	"\"64kb\";\n"
	"    yellow = \"pass\"; red = \"dscp\"; red_dscp = 14; } );\n";

START_TEST(policers_are_shown_with_their_settings_and_counters)
{
	static const struct {
		const char *path, *text;
	} texts[] = {
		{ "0.dev", "lan" },
		{ "0.kind", "police" },
		{ "0.rate", "100mbit" },
		{ "0.burst", "200k" },
		{ "0.red_action", "drop" },
		{ "1.dev", "wan" },
		{ "1.kind", "srtcm" },
		{ "1.excess_burst", "200k" },
		{ "1.yellow_action", "dscp" },
		{ "1.yellow_dscp", "af12" },
		{ "2.kind", "trtcm" },
		{ "2.peakrate", "20mbit" },
		{ "2.peakburst", "64k" },
		{ "2.yellow_action", "pass" },
		{ "2.red_dscp", "14" },
	};
	struct bench *b = bench_start(policed);
	json_t *rows = bench_call(b, "policer.show", NULL), *one;

	ck_assert_uint_eq(json_array_size(rows), 3);
	for (unsigned int i = 0; i < RTE_DIM(texts); i++)
		ck_assert_str_eq(json_text_at(rows, texts[i].path), texts[i].text);
	ck_assert_ptr_null(json_object_get(json_array_get(rows, 0), "yellow_action"));
	ck_assert_ptr_null(json_object_get(json_array_get(rows, 0), "peakrate"));
	ck_assert_int_eq(json_int_at(rows, "0.yellow.packets"), 0);
	one = bench_call(b, "policer.show", "{\"dev\": \"wan\"}");
	ck_assert_uint_eq(json_array_size(one), 1);
	ck_assert(json_equal(json_array_get(one, 0), json_array_get(rows, 1)));
	json_decref(one);
	one = bench_call(b, "policer.show", "{\"dev\": \"br0\"}");
	ck_assert_uint_eq(json_array_size(one), 0);
	json_decref(one);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

static char *show_config(struct bench *b)
{
	json_t *answer = bench_call(b, "config.show", NULL);
	char *text = mem_strdup(json_string_value(answer));

	json_decref(answer);
	return text;
}

/* Those of the file, and what an operator has changed. */
START_TEST(the_configuration_that_is_shown_makes_the_same_policers)
{
	struct bench *b = bench_start(policed);
	char *text, *again, *rows, *rows_again;

	meter_do(b, "add",
		"\"dev\": \"wan.5\", \"rate\": \"5gbit\", \"burst\": \"1mb\", \"excess_burst\": "
		"\"2mb\", \"yellow\": \"drop\", \"red\": \"dscp\", \"red_dscp\": 0");
	meter_do(b, "add", "\"dev\": \"bond0\", \"rate\": \"1500bit\", \"burst\": 5000");
	meter_do(b, "replace",
		"\"dev\": \"lan\", \"rate\": \"1kbit\", \"burst\": \"1mb\", \"red\": \"pass\"");
	meter_do(b, "del", "\"dev\": \"e\"");
	text = show_config(b);
	rows = bench_answer(b, "policer.show", NULL);
	ck_assert_ptr_nonnull(strstr(text, "link = \"bond0\""));
	ck_assert_ptr_null(strstr(text, "link = \"e\""));
	bench_destroy(b);
	b = bench_start(text);
	again = show_config(b);
	rows_again = bench_answer(b, "policer.show", NULL);
	ck_assert_str_eq(text, again);
	ck_assert_str_eq(rows, rows_again);
	bench_destroy(b);
	free(text);
	free(again);
	free(rows);
	free(rows_again);
}
END_TEST

/* What is wrong, in the file and in a command: the names of the settings are the same. */

static const struct {
	const char *settings, *want;
} wrong[] = {
	{ "rate = \"0\"; burst = \"9kb\";", ".rate: is out of range: 1kbit to 1tbit" },
	{ "rate = \"999\"; burst = \"9kb\";", ".rate: is out of range: 1kbit to 1tbit" },
	{ "rate = \"2tbit\"; burst = \"9kb\";", ".rate: is out of range: 1kbit to 1tbit" },
	{ "burst = \"9kb\";", ".rate: " },
	{ "rate = \"1mbit\";", ".burst: " },
	{ "rate = \"1mbit\"; burst = 0;", ".burst: is out of range: 1b to 4g" },
	{ "rate = \"1mbit\"; burst = 1513;",
		".burst: must hold a frame of the link's MTU, which is 1514" },
	{ "rate = \"1mbit\"; burst = 1514; excess_burst = 1513;",
		".excess_burst: must hold a frame" },
	{ "rate = \"1mbit\"; burst = 1514; peakrate = \"1mbit\"; peakburst = 1513;",
		".peakburst: must hold a frame" },
	{ "rate = \"1mbit\"; burst = 1514; peakrate = \"999kbit\"; peakburst = 1514;",
		".peakrate: must not be lower than the rate" },
	{ "rate = \"1mbit\"; burst = 1514; peakrate = \"1mbit\";", ".peakburst: is missing" },
	{ "rate = \"1mbit\"; burst = 1514; peakburst = 1514;", ".peakburst: is of no use" },
	{ "rate = \"1mbit\"; burst = 1514; peakrate = \"1mbit\"; peakburst = 1514; excess_burst = "
	  "1514;",
		".excess_burst: is of no use with a peakrate" },
	{ "rate = \"1mbit\"; burst = 1514; yellow = \"pass\";",
		".yellow: nothing is yellow without" },
	{ "rate = \"1mbit\"; burst = 1514; yellow = \"mark\";", ".yellow: " },
	{ "rate = \"1mbit\"; burst = 1514; red = \"dscp\";", ".red_dscp: is missing: red is" },
	{ "rate = \"1mbit\"; burst = 1514; red_dscp = \"ef\";",
		".red_dscp: is of no use unless red" },
	{ "rate = \"1mbit\"; burst = 1514; red = \"dscp\"; red_dscp = \"af14\";",
		".red_dscp: must be a DSCP" },
	{ "rate = \"1mbit\"; burst = 1514; red = \"dscp\"; red_dscp = 64;",
		".red_dscp: must be a DSCP" },
	{ "rate = \"1mbit\"; burst = 1514; red = \"dscp\"; red_dscp = \"!ef\";",
		".red_dscp: must be a DSCP" },
	{ "rate = \"1mbit\"; burst = 1514; excess_burst = 1514; yellow = \"dscp\";",
		".yellow_dscp: is missing" },
	{ "rate = \"1mbit\"; burst = 1514; excess_burst = 1514; yellow_dscp = 5;",
		".yellow_dscp: is of no use" },
	{ "rate = \"1mbit\"; burst = 1514; green = \"drop\";", ".green: " },
};

static void expect_wrong(const char *config, const char *want)
{
	struct config *read;
	struct diag diag;
	char *text;

	diag_init(&diag, "test.conf");
	read = conf_read_text(modules, config, strlen(config), &diag);
	text = diag_text(&diag);
	REQUIRE_MSG(read == NULL && strstr(text, want) != NULL, "wanted \"%s\", got \"%s\"", want,
		text);
	free(text);
	diag_fini(&diag);
}

START_TEST(settings_that_cannot_be_are_refused_with_their_place)
{
	char *config =
		mem_printf(LINKS "policers = (\n{ link = \"lan\"; %s } );\n", wrong[_i].settings);
	char *want = mem_printf("policers[0]%s", wrong[_i].want);

	expect_wrong(config, want);
	free(config);
	free(want);
}
END_TEST

static const struct {
	const char *policers, *want;
} misplaced[] = {
	{ "{ link = \"nil\"; " SLOW "burst = \"9kb\"; }",
		"12: policers[0].link: there is no link \"nil\"" },
	{ "{ link = \"lan\"; " SLOW "burst = \"9kb\"; },\n{ link = \"lan\"; " SLOW
	  "burst = \"9kb\"; }",
		"13: policers[1].link: \"lan\" has a policer already, policers[0]" },
	{ "{ link = \"br0\"; " SLOW "burst = \"9kb\"; }",
		"policers[0].link: \"br0\" is a bridge: its members can be policed" },
	{ "{ link = \"br0.5\"; " SLOW "burst = \"9kb\"; }",
		"policers[0].link: \"br0.5\" stands on a bridge" },
	/* The MTU of a VLAN is that of its link, that of a bond its members'. */
	{ "{ link = \"wan.5\"; " SLOW "burst = 9013; }", "policers[0].burst: must hold a frame" },
	{ "{ link = \"bond0\"; " SLOW "burst = 4013; }", "policers[0].burst: must hold a frame" },
};

START_TEST(links_that_cannot_be_policed_are_refused_with_their_place)
{
	char *config = mem_printf(LINKS "policers = (\n%s );\n", misplaced[_i].policers);

	expect_wrong(config, misplaced[_i].want);
	free(config);
}
END_TEST

static const struct {
	const char *method, *params, *text;
} refused[] = {
	{ "policer.show", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "policer.add", "{\"dev\": \"nil\", \"rate\": \"1mbit\", \"burst\": \"9kb\"}",
		"Cannot find device" },
	{ "policer.add", "{\"dev\": \"lan\", \"rate\": \"1mbit\", \"burst\": \"9kb\"}",
		"\"lan\" has a policer already" },
	{ "policer.add", "{\"dev\": \"br0\", \"rate\": \"1mbit\", \"burst\": \"9kb\"}",
		"dev: \"br0\" is a bridge" },
	{ "policer.replace", "{\"dev\": \"br0.5\", \"rate\": \"1mbit\", \"burst\": \"9kb\"}",
		"dev: \"br0.5\" stands on a bridge" },
	{ "policer.replace", "{\"dev\": \"lan\", \"rate\": \"1mbit\", \"burst\": 1513}",
		"burst: must hold a frame" },
	{ "policer.replace", "{\"dev\": \"bond0\", \"rate\": \"1mbit\", \"burst\": 4013}",
		"burst: must hold a frame" },
	{ "policer.replace", "{\"dev\": \"lan\", \"rate\": \"0\", \"burst\": \"9kb\"}",
		"rate: is out of range" },
	{ "policer.replace", "{\"rate\": \"1mbit\", \"burst\": \"9kb\"}", "dev" },
	{ "policer.replace",
		"{\"dev\": \"lan\", \"rate\": \"1mbit\", \"burst\": \"9kb\", \"yellow\": \"drop\"}",
		"yellow: nothing is yellow" },
	{ "policer.del", "{\"dev\": \"bond0\"}", "\"bond0\" has no policer" },
	{ "policer.del", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "policer.del", NULL, "dev" },
};

START_TEST(commands_that_cannot_be_change_nothing)
{
	struct bench *b = bench_start(policed);
	char *before = bench_answer(b, "policer.show", NULL), *after;

	bench_expect_error(b, refused[_i].method, refused[_i].params, refused[_i].text);
	after = bench_answer(b, "policer.show", NULL);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	bench_destroy(b);
}
END_TEST

/* Links that come and go */

static void add_vlan(struct bench *b, const char *name, const char *parent, unsigned int vid)
{
	char *params = mem_printf(
		"{\"name\": \"%s\", \"type\": \"vlan\", \"parent\": \"%s\", \"vid\": %u}", name,
		parent, vid);

	json_decref(bench_call(b, "link.add", params));
	free(params);
}

static unsigned int n_policers(struct bench *b)
{
	json_t *rows = bench_call(b, "policer.show", NULL);
	unsigned int n = (unsigned int)json_array_size(rows);

	json_decref(rows);
	return n;
}

START_TEST(a_policer_goes_with_its_link)
{
	struct bench *b = bench_start(LINKS);
	struct frame frame;

	meter_frame(&frame, 0);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
	for (unsigned int i = 0; i < 3; i++) {
		add_vlan(b, "lan.7", "lan", 7);
		ck_assert_uint_eq(n_policers(b), 0);
		meter_do(b, "add", "\"dev\": \"lan.7\", \"rate\": \"1kbit\", \"burst\": 2000");
		for (unsigned int k = 0; k < 3; k++)
			bench_push(b, LAN, &frame);
		meter_expect(b, "lan.7", 2, 0, 1, 1);
		json_decref(bench_call(b, "link.del", "{\"dev\": \"lan.7\"}"));
		ck_assert_uint_eq(n_policers(b), 0);
	}
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

/* Also in an index that another link with a policer had before: there are no more than so many. */
START_TEST(counters_are_those_of_the_link_that_is_there)
{
	struct bench *b = bench_start(LINKS);
	uint16_t first = 0, n = 0;
	struct frame frame;

	meter_frame(&frame, 0);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
	do {
		add_vlan(b, "lan.7", "lan", 7);
		if (first == 0) {
			first = link_by_name(b->dp, "lan.7")->ifindex;
			meter_do(b, "add",
				"\"dev\": \"lan.7\", \"rate\": \"1kbit\", \"burst\": 2000");
			bench_push(b, LAN, &frame);
			meter_expect(b, "lan.7", 1, 0, 0, 0);
		}
		json_decref(bench_call_only(b, "link.del", "{\"dev\": \"lan.7\"}"));
		bench_run(b);
		n++;
	} while (n < LINK_MAX - 9);
	for (unsigned int i = 0; i < 9; i++) {
		add_vlan(b, "lan.7", "lan", 7);
		if (link_by_name(b->dp, "lan.7")->ifindex == first)
			break;
		json_decref(bench_call(b, "link.del", "{\"dev\": \"lan.7\"}"));
	}
	ck_assert_uint_eq(link_by_name(b->dp, "lan.7")->ifindex, first);
	meter_do(b, "add", "\"dev\": \"lan.7\", \"rate\": \"1kbit\", \"burst\": 2000");
	meter_expect(b, "lan.7", 0, 0, 0, 0);
	bench_push(b, LAN, &frame);
	meter_expect(b, "lan.7", 1, 0, 0, 0);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_new_link_on_a_policed_one_is_policed_with_it)
{
	struct bench *b = bench_start(LINKS);
	struct frame frame;

	meter_do(b, "add", "\"dev\": \"wan.5\", \"rate\": \"1kbit\", \"burst\": 9100");
	add_vlan(b, "wan.5.6", "wan.5", 6);
	meter_frame(&frame, 0);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 6);
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 5);
	for (unsigned int i = 0; i < 10; i++)
		bench_push(b, WAN, &frame);
	meter_expect(b, "wan.5", 9, 0, 1, 1);
	meter_do(b, "del", "\"dev\": \"wan.5\"");
	for (unsigned int i = 0; i < 10; i++)
		bench_push(b, WAN, &frame);
	ck_assert_uint_eq(bench_drops(b, "meter_red"), 1);
	json_decref(bench_call(b, "link.del", "{\"dev\": \"wan.5.6\"}"));
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("meter_ctl", PLAIN_TEST(policers_are_shown_with_their_settings_and_counters),
	PLAIN_TEST(the_configuration_that_is_shown_makes_the_same_policers),
	LOOP_TEST(settings_that_cannot_be_are_refused_with_their_place, wrong),
	LOOP_TEST(links_that_cannot_be_policed_are_refused_with_their_place, misplaced),
	LOOP_TEST(commands_that_cannot_be_change_nothing, refused),
	PLAIN_TEST(a_policer_goes_with_its_link),
	PLAIN_TEST(counters_are_those_of_the_link_that_is_there),
	PLAIN_TEST(a_new_link_on_a_policed_one_is_policed_with_it))
