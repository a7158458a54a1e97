/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of bonds: the shapes of `link show` and `bond show`, counters, the configuration that is shown, what
 * is refused, traces and `explain`.
 */
#include "kit_bond.h"

#include "base/mem.h"

#define BACKUP "mode = \"active-backup\"; "
#define VLAN_7                                                                                     \
	", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; "                   \
	"mac = \"02:00:00:00:00:77\"; addresses = [ \"10.7.0.1/24\" ]; }"

START_TEST(bonds_and_members_have_the_shapes_of_iproute2)
{
	struct bench *b = bond_start(&(struct bond_spec){
		.settings = BACKUP ALL_TWO "primary = \"m0\"; updelay = \"50ms\"; " });
	json_t *links = bench_call(b, "link.show", "{\"statistics\": true}"), *row;
	enum { BOND = 5 };

	ck_assert_str_eq(json_text_at(links, "5.ifname"), "bond0");
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_kind"), "bond");
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_data.mode"), "active-backup");
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_data.active_slave"), "m0");
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_data.primary"), "m0");
	ck_assert_int_eq(json_int_at(links, "5.linkinfo.info_data.miimon"), 10);
	ck_assert_int_eq(json_int_at(links, "5.linkinfo.info_data.updelay"), 50);
	ck_assert_int_eq(json_int_at(links, "5.linkinfo.info_data.min_links"), 0);
	ck_assert_str_eq(json_text_at(links, "5.linkinfo.info_data.xmit_hash_policy"), "layer2");
	ck_assert_str_eq(json_text_at(links, "1.master"), "bond0");
	ck_assert_str_eq(json_text_at(links, "1.linkinfo.info_kind"), "port");
	ck_assert_str_eq(json_text_at(links, "1.linkinfo.info_slave_kind"), "bond");
	ck_assert_str_eq(json_text_at(links, "0.linkinfo.info_slave_data.state"), "ACTIVE");
	ck_assert_str_eq(json_text_at(links, "1.linkinfo.info_slave_data.state"), "BACKUP");
	ck_assert_str_eq(json_text_at(links, "1.linkinfo.info_slave_data.mii_status"), "UP");
	ck_assert_int_eq(json_int_at(links, "1.linkinfo.info_slave_data.link_failure_count"), 0);
	ck_assert_ptr_null(json_object_get(json_array_get(links, 2), "master"));
	json_decref(links);

	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	row = bond_row(b);
	ck_assert_str_eq(json_text_at(row, "ifname"), "bond0");
	ck_assert_str_eq(json_text_at(row, "mode"), "active-backup");
	ck_assert_int_eq(json_int_at(row, "n_active"), 1);
	ck_assert_ptr_null(json_object_get(row, "active_aggregator"));
	ck_assert_str_eq(json_text_at(row, "members.0.ifname"), "m0");
	ck_assert_str_eq(json_text_at(row, "members.0.mii_status"), "down");
	ck_assert_int_eq(json_int_at(row, "members.0.link_failure_count"), 1);
	ck_assert(json_is_false(json_at(row, "members.0.active")));
	ck_assert(json_is_true(json_at(row, "members.1.active")));
	ck_assert_ptr_null(json_object_get(json_at(row, "members.1"), "lacp"));
	json_decref(row);
	bench_discard(b);
	bench_expect_error(b, "bond.show", "{\"dev\": \"m0\"}", "there is no bond \"m0\"");
	bench_expect_error(b, "bond.show", "{\"dev\": \"nil\"}", "there is no bond \"nil\"");
	bench_destroy(b);
}
END_TEST

START_TEST(packets_are_counted_by_the_bond_and_by_the_member)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO, .links = VLAN_7 });
	json_t *links = bench_call(b, "link.show", "{\"statistics\": true}"), *after;
	static const char *const counters[] = { "0.stats64.tx.packets", "0.stats64.rx.packets",
		"5.stats64.tx.packets", "5.stats64.rx.packets", "0.stats64.tx.bytes",
		"5.stats64.tx.bytes" };
	struct frame frame, got;

	for (unsigned int i = 0; i < 3; i++) {
		bond_packet(&frame, "10.0.0.1", 1000);
		(void)bond_leaves_by(b, &frame, &got);
		ck_assert(bond_receives(b, M0));
	}
	after = bench_call(b, "link.show", "{\"statistics\": true}");
	for (unsigned int i = 0; i < RTE_DIM(counters); i++)
		ck_assert_int_eq(json_int_at(after, counters[i]) - json_int_at(links, counters[i]),
			i < 4 ? 3 : 3 * frame.len);
	json_decref(links);
	json_decref(after);
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

/* With every setting, and after members have changed. */
START_TEST(the_configuration_that_is_shown_makes_the_same_bond)
{
	static const char *const settings[] = {
		BACKUP ALL_TWO "primary = \"m1\"; updelay = \"50ms\"; miimon = \"20ms\"; ",
		("mode = \"802.3ad\"; lacp_rate = \"fast\"; lacp_active = false; ad_select = "
		 "\"count\"; "
		 "min_links = 2; xmit_hash_policy = \"layer2+3\"; " ALL_TWO),
		"mode = \"balance-rr\"; mac = \"02:00:00:00:00:99\"; mtu = 1400; " ALL_TWO,
	};

	for (unsigned int i = 0; i < RTE_DIM(settings); i++) {
		struct bench *b = bond_start(&(struct bond_spec){ settings[i], .links = VLAN_7 });
		char *text, *again;

		json_decref(bench_call(b, "link.set", "{\"dev\": \"m0\", \"nomaster\": true}"));
		json_decref(bench_call(b, "link.set", "{\"dev\": \"m3\", \"master\": \"bond0\"}"));
		bond_set(b, "m3", "down");
		text = show_config(b);
		bench_destroy(b);
		b = bench_start(text);
		again = show_config(b);
		ck_assert_str_eq(text, again);
		ck_assert_str_eq(bond_link_text(b, "m3", "master"), "bond0");
		ck_assert_str_eq(bond_link_text(b, "m1", "linkinfo.info_slave_kind"), "bond");
		bench_destroy(b);
		free(text);
		free(again);
	}
}
END_TEST

/* What is refused at runtime; the configuration's part is in test_control.c. */
static const struct {
	const char *method, *params, *text;
} refused[] = {
	{ "link.set", "{\"dev\": \"m3.5\", \"master\": \"bond0\"}", "a bond takes ports only" },
	{ "link.set", "{\"dev\": \"bond1\", \"master\": \"bond0\"}", "a bond takes ports only" },
	{ "link.set", "{\"dev\": \"m3\", \"master\": \"bond0\"}", "links stand on \"m3\"" },
	{ "link.set", "{\"dev\": \"m0\", \"master\": \"bond1\"}", "is a member of \"bond0\"" },
	{ "link.set", "{\"dev\": \"m0\", \"master\": \"m2\"}", "a port has no members" },
	{ "link.set", "{\"dev\": \"bond0\", \"master\": \"bond0\"}", "\"bond0\" stands on" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"members\": [\"m0\"]}",
		"members[0]: \"m0\" is a member of \"bond0\" already" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"members\": [\"m2\", \"nil\"]}",
		"members[1]: there is no link \"nil\"" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"members\": [\"m2\", \"m2\"]}",
		"members[1]: \"m2\" is given twice" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"m0\", \"vid\": 5}",
		"\"m0\" is a member of \"bond0\"" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"device\": \"net_null0\"}",
		"a bond has no such setting" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"mode\": \"balance-tlb\"}", "mode" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"primary\": \"m2\"}",
		"primary: is for mode active-backup" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"lacp_rate\": \"fast\"}",
		"lacp_rate: is for mode 802.3ad" },
	{ "link.add",
		"{\"name\": \"x\", \"type\": \"bond\", \"mode\": \"active-backup\", "
		"\"min_links\": 2}",
		"min_links: active-backup uses one member at a time" },
	{ "link.add", "{\"name\": \"x\", \"type\": \"bond\", \"members\": [\"m2\"], \"mtu\": 1501}",
		"MTU 1501 is larger than the 1500 of its members" },
	{ "link.del", "{\"dev\": \"m0\"}", "a port goes with" },
	{ "link.del", "{\"dev\": \"bond0\"}", "links stand on it: bond0.7" },
};

START_TEST(what_cannot_be_is_refused_and_changes_nothing)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO,
		.links = VLAN_7 ", { name = \"m3.5\"; type = \"vlan\"; parent = \"m3\"; vid = 5; }"
				", { name = \"bond1\"; type = \"bond\"; }" });
	char *before = bench_answer(b, "config.show", NULL), *after;

	bench_expect_error(b, refused[_i].method, refused[_i].params, refused[_i].text);
	bench_run(b);
	after = bench_answer(b, "config.show", NULL);
	ck_assert_str_eq(before, after);
	ck_assert_str_eq(bond_link_text(b, "m0", "linkinfo.info_slave_data.state"), "ACTIVE");
	ck_assert(bond_receives(b, M0));
	/* Who was refused is still its own. */
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"master\": \"bond0\"}"));
	free(before);
	free(after);
	bench_destroy(b);
}
END_TEST

/* As in Linux: a member that may yet come. */
START_TEST(a_primary_need_not_be_a_member)
{
	struct bench *b =
		bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO "primary = \"m3\"; " });

	ck_assert(bond_receives(b, M0));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m3\", \"master\": \"bond0\"}"));
	bench_discard(b);
	ck_assert(bond_receives(b, M3));
	bench_destroy(b);
}
END_TEST

START_TEST(a_bond_is_added_and_deleted_under_its_members)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO });

	for (unsigned int i = 0; i < 3; i++) {
		json_decref(bench_call(b, "link.del", "{\"dev\": \"bond0\"}"));
		bench_discard(b);
		ck_assert_str_eq(bond_link_text(b, "m0", "operstate"), "UP");
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"bond0\", \"type\": \"bond\", \"mode\": \"active-backup\", "
			"\"members\": [\"m0\", \"m1\"], \"addresses\": [\"192.0.2.1/24\"]}"));
		bench_advance(b, 10);
		bench_discard(b);
		ck_assert(bond_receives(b, M0));
		ck_assert(!bond_receives(b, M1));
	}
	bench_destroy(b);
}
END_TEST

/* The trace */

static void expect_step(json_t *event, unsigned int i, const char *node, const char *text)
{
	char path[48];

	snprintf(path, sizeof(path), "params.steps.%u.node", i);
	ck_assert_str_eq(json_text_at(event, path), node);
	snprintf(path, sizeof(path), "params.steps.%u.decision", i);
	ck_assert_msg(strstr(json_text_at(event, path), text) != NULL, "%s: \"%s\", not \"%s\"",
		node, json_text_at(event, path), text);
}

static void trace_start(struct bench *b, struct client *client, unsigned int count)
{
	char line[128];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"trace.start\", \"params\": "
		"{\"count\": %u}}",
		count);
	bench_write(client, line);
	while (b->dp->workers[0]->trace == NULL) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
}

START_TEST(a_trace_tells_the_way_through_a_bond)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO });
	struct client *client = bench_connect(b);
	json_t *event;
	struct frame frame, got;
	unsigned int last;

	trace_start(b, client, 3);
	ck_assert(bond_receives(b, M0));
	ck_assert(!bond_receives(b, M1));
	bond_packet(&frame, "10.0.0.1", 1000);
	ck_assert_uint_eq(bond_leaves_by(b, &frame, &got), M0);

	event = bench_read(b, client);
	expect_step(event, 0, "rx", "link m0");
	expect_step(event, 1, "l2", "link bond0");
	json_decref(event);
	event = bench_read(b, client);
	expect_step(event, 0, "rx", "link m1");
	expect_step(event, 1, "l2", "bond_inactive");
	json_decref(event);
	event = bench_read(b, client);
	last = (unsigned int)json_array_size(json_at(event, "params.steps")) - 1;
	expect_step(event, 0, "rx", "link wan");
	expect_step(event, last, "tx", "link bond0, 106 bytes, member m0");
	json_decref(event);
	json_decref(bench_read(b, client));
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* By each in turn: what is told is what is done, though it is told before. */
START_TEST(a_trace_names_the_member_that_a_packet_leaves_by)
{
	struct bench *b =
		bond_start(&(struct bond_spec){ .settings = "mode = \"balance-rr\"; " ALL_FOUR });
	struct client *client = bench_connect(b);
	struct frame frame, got;
	unsigned int by[6];

	trace_start(b, client, RTE_DIM(by));
	bond_packet(&frame, "10.0.0.1", 1000);
	for (unsigned int i = 0; i < RTE_DIM(by); i++)
		by[i] = bond_leaves_by(b, &frame, &got);
	for (unsigned int i = 0; i < RTE_DIM(by); i++) {
		json_t *event = bench_read(b, client);
		char want[16];

		snprintf(want, sizeof(want), "member m%u", by[i]);
		expect_step(event,
			(unsigned int)json_array_size(json_at(event, "params.steps")) - 1, "tx",
			want);
		json_decref(event);
	}
	json_decref(bench_read(b, client));
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* What members receive comes in by the bond, or not at all. */
START_TEST(explain_knows_bonds_and_members)
{
	static const struct {
		const char *iif, *src, *dst, *want;
	} rows[] = {
		{ "wan", "198.51.100.10", "10.0.0.1", "out of link bond0" },
		{ "bond0", "192.0.2.10", "8.8.8.8", "in by link bond0" },
		{ "m0", "192.0.2.10", "8.8.8.8", "in by link bond0" },
		{ "m2", "192.0.2.10", "8.8.8.8", "in by link m2" },
	};
	struct bench *b = bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO });

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		char *params = mem_printf("{\"iif\": \"%s\", \"src\": \"%s\", \"dst\": \"%s\", "
					  "\"proto\": \"udp\"}",
			rows[i].iif, rows[i].src, rows[i].dst);
		char *answer = bench_answer(b, "explain.packet", params);

		ck_assert_msg(strstr(answer, rows[i].want) != NULL, "%s: %s", rows[i].iif, answer);
		free(params);
		free(answer);
	}
	bench_expect_error(b, "explain.packet",
		"{\"iif\": \"m1\", \"src\": \"192.0.2.10\", \"dst\": \"8.8.8.8\", \"proto\": "
		"\"udp\"}",
		"bond0 takes nothing by its member m1 now");
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bond_ctl", PLAIN_TEST(bonds_and_members_have_the_shapes_of_iproute2),
	PLAIN_TEST(packets_are_counted_by_the_bond_and_by_the_member),
	PLAIN_TEST(the_configuration_that_is_shown_makes_the_same_bond),
	LOOP_TEST(what_cannot_be_is_refused_and_changes_nothing, refused),
	PLAIN_TEST(a_primary_need_not_be_a_member),
	PLAIN_TEST(a_bond_is_added_and_deleted_under_its_members),
	PLAIN_TEST(a_trace_tells_the_way_through_a_bond),
	PLAIN_TEST(a_trace_names_the_member_that_a_packet_leaves_by),
	PLAIN_TEST(explain_knows_bonds_and_members))
