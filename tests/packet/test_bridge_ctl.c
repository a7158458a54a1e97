/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bridges while they are changed: members that join, leave and get other settings, bridges and entries that
 * are made and deleted, what is refused, what is shown. The topology is that of kit_bridge.h.
 */
#include "kit_bridge.h"

#include <rte_ethdev.h>

#include "base/mem.h"

#define MORE                                                                                       \
	"addresses = [ \"192.0.2.1/24\" ]; }, { name = \"br0.10\"; type = \"vlan\"; parent = "     \
	"\"br0\"; vid = 10; },\n"                                                                  \
	"{ name = \"br1\"; type = \"bridge\"; members = ( { name = \"e2\"; pvid = 10; } ); "

static struct bench *start_two(void)
{
	return bridge_start("\"e0\", \"e1\"", MORE, NULL);
}

static char *show_config(struct bench *b)
{
	json_t *answer = bench_call(b, "config.show", NULL);
	char *text = mem_strdup(json_string_value(answer));

	json_decref(answer);
	return text;
}

/* Answers */

START_TEST(a_bridge_and_its_members_are_shown_as_iproute2_does)
{
	struct bench *b = bridge_start("\"e0\", { name = \"e1\"; vlans = \"10,20-30\"; isolated = "
				       "true; fdb_max = 5; }",
		"ageing = \"60s\"; fdb_max = 100;", NULL);
	json_t *rows = bench_call(b, "link.show", "{\"dev\": \"br0\"}");

	ck_assert_str_eq(json_text_at(rows, "0.linkinfo.info_kind"), "bridge");
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_data.ageing_time"), 6000);
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_data.vlan_filtering"), 1);
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_data.vlan_default_pvid"), 1);
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_data.fdb_max_learned"), 100);
	ck_assert_str_eq(json_text_at(rows, "0.address"), E0_MAC);
	ck_assert_str_eq(json_text_at(rows, "0.operstate"), "UP");
	ck_assert_ptr_null(json_object_get(json_array_get(rows, 0), "master"));
	json_decref(rows);
	rows = bench_call(b, "link.show", "{\"dev\": \"e1\"}");
	ck_assert_str_eq(json_text_at(rows, "0.master"), "br0");
	ck_assert_str_eq(json_text_at(rows, "0.linkinfo.info_slave_kind"), "bridge");
	ck_assert_str_eq(json_text_at(rows, "0.linkinfo.info_slave_data.vlans"), "10,20-30");
	ck_assert(json_is_true(json_at(rows, "0.linkinfo.info_slave_data.isolated")));
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_slave_data.fdb_max"), 5);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(entries_are_shown_by_kind_and_place)
{
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	json_t *rows;
	char *got;

	station_says(b, E1, STATION_B, ANY_MAC, TO_E0 | TO_E2 | TO_E3);
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"" STATION_A "\", \"dev\": \"e1\"}"));
	bench_advance(b, 3000);
	got = bench_answer(b, "fdb.show", "{\"dev\": \"e1\"}");
	ck_assert_ptr_nonnull(strstr(got, "{\"ifname\": \"e1\", \"mac\": \"" STATION_A
					  "\", \"master\": \"br0\", \"state\": \"static\"}"));
	ck_assert_ptr_nonnull(
		strstr(got, "{\"ifname\": \"e1\", \"mac\": \"" STATION_B
			    "\", \"master\": \"br0\", \"state\": \"\", \"used\": 3}"));
	ck_assert_ptr_null(strstr(got, "permanent"));
	free(got);
	got = bench_answer(b, "fdb.show", NULL);
	ck_assert_ptr_nonnull(strstr(got, "{\"ifname\": \"br0\", \"mac\": \"" E3_MAC
					  "\", \"master\": \"br0\", \"state\": \"permanent\"}"));
	free(got);
	got = bench_answer(b, "fdb.show", "{\"dev\": \"e2\"}");
	ck_assert_str_eq(got, "[]");
	free(got);
	rows = bench_call(b, "link.show", "{\"dev\": \"br0\"}");
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_data.fdb_n_learned"), 1);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

/* A table of all sizes, walked by a client that gets its rows in parts. */
START_TEST(every_entry_is_shown_once)
{
	enum { N = 3000 };
	struct bench *b = bridge_start(ALL_MEMBERS, NULL, NULL);
	bool *was_seen = mem_zalloc(N);
	json_t *rows, *row;
	unsigned int n = 0;
	size_t i;

	for (unsigned int k = 0; k < N; k++) {
		char params[96];

		snprintf(params, sizeof(params),
			"{\"mac\": \"06:00:00:00:%02x:%02x\", \"dev\": \"e%u\"}", k >> 8, k & 255,
			k % 4);
		json_decref(bench_call_only(b, "fdb.add", params));
	}
	rows = bench_call(b, "fdb.show", "{\"dev\": \"br0\"}");
	json_array_foreach(rows, i, row) {
		unsigned int high, low;

		if (sscanf(json_text_at(row, "mac"), "06:00:00:00:%x:%x", &high, &low) != 2)
			continue;
		ck_assert(!was_seen[high << 8 | low]);
		was_seen[high << 8 | low] = true;
		n++;
	}
	ck_assert_uint_eq(n, N);
	json_decref(rows);
	free(was_seen);
	bench_destroy(b);
}
END_TEST

/* Members */

START_TEST(a_link_joins_and_leaves)
{
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL, NULL);
	struct frame frame;

	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	station_frame(&frame, STATION_C, STATION_A, 50);
	station_fails(b, E2, &frame, "eth_not_for_us");
	link_set_to(b, "e2", "\"master\": \"br0\"");
	station_send(b, E2, &frame, TO_E0);
	ck_assert_str_eq(fdb_place(b, STATION_C, 0), "e2");
	ck_assert_str_eq(fdb_place(b, E2_MAC, 0), "br0");
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"" STATION_D "\", \"dev\": \"e2\"}"));
	link_set_to(b, "e2", "\"nomaster\": true");
	ck_assert_str_eq(fdb_place(b, STATION_C, 0), "");
	ck_assert_str_eq(fdb_place(b, STATION_D, 0), "");
	ck_assert_str_eq(fdb_place(b, E2_MAC, 0), "");
	station_fails(b, E2, &frame, "eth_not_for_us");
	station_says(b, E0, STATION_A, STATION_C, TO_E1);
	/* The first member leaves, whose address is that of the bridge. */
	link_set_to(b, "e0", "\"nomaster\": true");
	ck_assert_str_eq(fdb_place(b, E0_MAC, 0), "br0");
	link_set_to(b, "e3", "\"master\": \"br0\"");
	station_says(b, E1, STATION_B, STATION_A, TO_E3);
	bench_destroy(b);
}
END_TEST

START_TEST(a_link_that_was_a_member_has_its_addresses_again)
{
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL, NULL);
	struct frame frame, want;

	json_decref(bench_call(b, "addr.add", "{\"local\": \"10.0.0.1/24\", \"dev\": \"e1\"}"));
	bench_discard(b);
	link_set_to(b, "e1", "\"nomaster\": true");
	frame_arp(&frame, STATION_B, ANY_MAC, RTE_ARP_OP_REQUEST, STATION_B, "10.0.0.2", NO_MAC,
		"10.0.0.1");
	frame_arp(&want, E1_MAC, STATION_B, RTE_ARP_OP_REPLY, E1_MAC, "10.0.0.1", STATION_B,
		"10.0.0.2");
	bench_push(b, E1, &frame);
	bench_expect_bytes(b, E1, &want);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* As in Linux: what an interface of ours has is no station's. */
START_TEST(an_address_that_becomes_ours_is_no_stations_any_more)
{
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL,
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );");
	struct frame frame;

	station_says(b, E1, E3_MAC, STATION_A, TO_E0);
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"" E2_MAC "\", \"dev\": \"e1\"}"));
	link_set_to(b, "e3", "\"master\": \"br0\"");
	link_set_to(b, "e2", "\"master\": \"br0\"");
	ck_assert_str_eq(fdb_place(b, E3_MAC, 0), "br0");
	ck_assert_str_eq(fdb_place(b, E2_MAC, 0), "br0");
	ck_assert_uint_eq(fdb_count(b, "e1"), 0);
	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = STATION_A,
				  .dst_mac = E3_MAC,
				  .src = "192.0.2.10",
				  .dst = "198.51.100.10" });
	bench_push(b, E0, &frame);
	ck_assert_uint_eq(bench_count(b, UPLINK), 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(an_address_is_ours_as_long_as_somebody_has_it)
{
	static const struct {
		const char *method, *params;
		bool is_ours;
	} steps[] = {
		{ "link.add",
			"{\"name\": \"br0.10\", \"type\": \"vlan\", \"parent\": \"br0\", \"vid\": "
			"10, \"mac\": \"" E1_MAC "\"}",
			true },
		{ "link.del", "{\"dev\": \"br0.10\"}", true },
		{ "link.add",
			"{\"name\": \"br0.10\", \"type\": \"vlan\", \"parent\": \"br0\", \"vid\": "
			"10, \"mac\": \"" E1_MAC "\"}",
			true },
		{ "link.set", "{\"dev\": \"e1\", \"nomaster\": true}", true },
		{ "link.del", "{\"dev\": \"br0.10\"}", false },
		{ "link.set", "{\"dev\": \"e1\", \"master\": \"br0\"}", true },
		{ "link.set", "{\"dev\": \"e1\", \"nomaster\": true}", false },
	};
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL, NULL);

	for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
		json_decref(bench_call(b, steps[i].method, steps[i].params));
		ck_assert_msg(
			(fdb_place(b, E1_MAC, 0)[0] != '\0') == steps[i].is_ours, "step %u", i);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(ports_take_frames_to_anybody_while_a_bridge_needs_them)
{
	static const struct {
		const char *dev, *rest;
		int want;
	} steps[] = {
		{ "e3", "\"master\": \"br0\"", 1 },
		{ "e3", "\"isolated\": true", 1 },
		{ "e3.9", "\"master\": \"br0\"", 1 },
		{ "e3", "\"nomaster\": true", 1 },
		{ "e3.9", "\"nomaster\": true", 0 },
		{ "e3.9", "\"master\": \"br0\"", 1 },
	};
	struct bench *b = bridge_start("\"e0\"", NULL, NULL);

	json_decref(bench_call(b, "link.add",
		"{\"name\": \"e3.9\", \"type\": \"vlan\", \"parent\": \"e3\", \"vid\": 9}"));
	for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
		link_set_to(b, steps[i].dev, steps[i].rest);
		ck_assert_msg(rte_eth_promiscuous_get(b->ports[E3]) == steps[i].want, "step %u", i);
	}
	json_decref(bench_call(b, "link.del", "{\"dev\": \"br0\"}"));
	ck_assert_int_eq(rte_eth_promiscuous_get(b->ports[E3]), 0);
	ck_assert_int_eq(rte_eth_promiscuous_get(b->ports[E0]), 0);
	bench_destroy(b);
}
END_TEST

START_TEST(one_setting_of_a_member_changes_and_the_others_stay)
{
	struct bench *b =
		bridge_start("\"e0\", { name = \"e1\"; flood = false; fdb_max = 7; }", NULL, NULL);
	json_t *rows;

	link_set_to(b, "e1", "\"isolated\": true");
	link_set_to(b, "e1", "\"fdb_max\": 9, \"mtu\": 1400");
	rows = bench_call(b, "link.show", "{\"dev\": \"e1\"}");
	ck_assert(json_is_true(json_at(rows, "0.linkinfo.info_slave_data.isolated")));
	ck_assert(json_is_false(json_at(rows, "0.linkinfo.info_slave_data.flood")));
	ck_assert(json_is_true(json_at(rows, "0.linkinfo.info_slave_data.learning")));
	ck_assert_int_eq(json_int_at(rows, "0.linkinfo.info_slave_data.fdb_max"), 9);
	ck_assert_int_eq(json_int_at(rows, "0.mtu"), 1400);
	json_decref(rows);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bridge_is_made_and_deleted)
{
	struct bench *b = bridge_start("\"e0\"", NULL, NULL);
	struct frame frame;
	char mac[32];

	for (unsigned int i = 0; i < 5; i++) {
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"br1\", \"type\": \"bridge\", \"members\": [\"e1\", "
			"{\"name\": \"e2\", \"pvid\": 10}, {\"name\": \"e3\", \"vlans\": "
			"\"10\"}]}"));
		bench_discard(b);
		/* A new one each time: what a worker has just told of it does not tell again. */
		snprintf(mac, sizeof(mac), "06:00:00:00:00:%02x", i);
		station_frame(&frame, mac, STATION_B, 50);
		bench_push(b, E2, &frame);
		ck_assert_uint_eq(bench_count(b, E3), 1);
		bench_expect_nothing(b);
		ck_assert_str_eq(fdb_place(b, mac, 10), "e2");
		json_decref(bench_call(b, "fdb.add",
			"{\"mac\": \"" STATION_B "\", \"dev\": \"e3\", \"vlan\": 10}"));
		json_decref(bench_call(b, "link.del", "{\"dev\": \"br1\"}"));
		ck_assert_str_eq(fdb_place(b, STATION_B, 0), "");
		station_fails(b, E2, &frame, "eth_not_for_us");
	}
	json_decref(bench_call(b, "link.del", "{\"dev\": \"br0\"}"));
	station_frame(&frame, STATION_A, STATION_B, 50);
	station_fails(b, E0, &frame, "eth_not_for_us");
	bench_destroy(b);
}
END_TEST

START_TEST(the_mtu_of_a_bridge_is_at_most_that_of_its_members)
{
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL, NULL);
	json_t *rows;

	link_set_to(b, "e2", "\"mtu\": 1300, \"master\": \"br0\"");
	rows = bench_call(b, "link.show", "{\"dev\": \"br0\"}");
	ck_assert_int_eq(json_int_at(rows, "0.mtu"), 1300);
	json_decref(rows);
	bench_expect_error(b, "link.set", "{\"dev\": \"br0\", \"mtu\": 1301}", "68 to 1300");
	link_set_to(b, "e2", "\"nomaster\": true");
	link_set_to(b, "br0", "\"mtu\": 1500");
	bench_destroy(b);
}
END_TEST

START_TEST(a_bridge_has_a_carrier_when_a_member_has)
{
	static const struct {
		const char *dev, *rest, *state;
	} steps[] = {
		{ "e0", "\"state\": \"down\"", "UP" },
		{ "e1", "\"state\": \"down\"", "DOWN" },
		{ "e2", "\"master\": \"br0\"", "UP" },
		{ "e2", "\"nomaster\": true", "DOWN" },
		{ "e0", "\"state\": \"up\"", "UP" },
	};
	struct bench *b = bridge_start("\"e0\", \"e1\"", NULL, NULL);

	for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
		json_t *rows;

		link_set_to(b, steps[i].dev, steps[i].rest);
		rows = bench_call(b, "link.show", "{\"dev\": \"br0\"}");
		ck_assert_msg(strcmp(json_text_at(rows, "0.operstate"), steps[i].state) == 0,
			"step %u: %s", i, json_text_at(rows, "0.operstate"));
		json_decref(rows);
	}
	bench_destroy(b);
}
END_TEST

/* What is refused */

#define LINK(rest)	 "{\"name\": \"x\", \"type\": \"bridge\", " rest "}"
#define ENTRY(mac, rest) "{\"mac\": \"" mac "\", " rest "}"

static const struct {
	const char *method, *params, *text;
} refused[] = {
	{ "link.set", "{\"dev\": \"e3\", \"master\": \"wan\"}", "a port has no members" },
	{ "link.set", "{\"dev\": \"e3\", \"master\": \"nil\"}", "Cannot find device \"nil\"" },
	{ "link.set", "{\"dev\": \"e0\", \"master\": \"br1\"}",
		"\"e0\" is a member of \"br0\" already" },
	{ "link.set", "{\"dev\": \"br1\", \"master\": \"br0\"}", "a bridge takes none that is" },
	{ "link.set", "{\"dev\": \"br0\", \"master\": \"br0\"}", "\"br0\" stands on \"br0\"" },
	{ "link.set", "{\"dev\": \"br0.10\", \"master\": \"br0\"}", "\"br0.10\" stands on" },
	{ "link.set", "{\"dev\": \"br0.10\", \"master\": \"br1\"}", "or stands on, a bridge" },
	{ "link.set", "{\"dev\": \"wan\", \"nomaster\": true}", "\"wan\" is no member" },
	{ "link.set", "{\"dev\": \"wan\", \"isolated\": true}", "\"wan\" is no member" },
	{ "link.set", "{\"dev\": \"e0\", \"master\": \"br0\", \"nomaster\": true}", "exclude" },
	{ "link.set", "{\"dev\": \"e0\", \"nomaster\": true, \"isolated\": true}", "nomaster" },
	{ "link.set", "{\"dev\": \"e0\", \"vlans\": \"many\"}", "must be VLANs of 1 to 4094" },
	{ "link.set", "{\"dev\": \"e0\", \"vlans\": \"4095\"}", "must be VLANs of 1 to 4094" },
	{ "link.set", "{\"dev\": \"e3\", \"master\": \"br0\", \"vlans\": \"20-10\"}",
		"must be VLANs of 1 to 4094" },
	{ "link.set", "{\"dev\": \"e0\", \"pvid\": 0}", "pvid" },
	{ "link.set", "{\"dev\": \"e0\", \"pvid\": 4095}", "pvid" },
	{ "link.set", "{\"dev\": \"e0\", \"learning\": \"perhaps\"}", "learning" },
	{ "link.add", LINK("\"members\": [\"nil\"]"), "members[0]: there is no link \"nil\"" },
	{ "link.add", LINK("\"members\": [\"e3\", \"e3\"]"), "members[1]: \"e3\" is given twice" },
	{ "link.add", LINK("\"members\": [\"e3\", \"e0\"]"), "members[1]: \"e0\" is a member of" },
	{ "link.add", LINK("\"members\": [\"br0\"]"), "members[0]: a bridge takes none" },
	{ "link.add", LINK("\"members\": [\"x\"]"), "members[0]: there is no link" },
	{ "link.add", LINK("\"members\": [{\"name\": \"e3\", \"vlans\": \"0\"}]"),
		"members[0].vlans: must be" },
	{ "link.add", LINK("\"members\": [{\"name\": \"e3\", \"colour\": 5}]"), "colour" },
	{ "link.add", LINK("\"members\": [\"e3\"], \"mtu\": 1501"), "larger than the 1500" },
	{ "link.add", LINK("\"device\": \"net_null0\""), "a bridge has no such setting" },
	{ "link.add", LINK("\"fdb_max\": 63"), "fdb_max" },
	{ "link.add", LINK("\"ageing\": \"999ms\""), "ageing" },
	{ "link.add", LINK("\"vlan_default_pvid\": 4095"), "vlan_default_pvid" },
	{ "link.add",
		"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"e0\", \"vid\": 5, "
		"\"ageing\": \"5s\"}",
		"ageing: only a bridge" },
	{ "link.add",
		"{\"name\": \"x\", \"type\": \"vlan\", \"parent\": \"e0\", \"vid\": 5, "
		"\"members\": [\"e3\"]}",
		"members: a vlan has no such setting" },
	{ "link.del", "{\"dev\": \"br0\"}", "links stand on it: br0.10" },
	{ "link.del", "{\"dev\": \"e3.9\"}", "links stand on it: br1" },
	{ "fdb.show", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "fdb.add", NULL, "mac" },
	{ "fdb.add", ENTRY(ANY_MAC, "\"dev\": \"e0\""), "must be a unicast address" },
	{ "fdb.add", ENTRY(NO_MAC, "\"dev\": \"e0\""), "must be a unicast address" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"nil\""), "there is no link \"nil\"" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"wan\""), "\"wan\" is no member of a bridge" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"br0\""), "\"br0\" is no member of a bridge" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"e0\", \"vlan\": 10"), "does not filter" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"e2\", \"vlan\": 11"),
		"\"e2\" is not in VLAN 11" },
	{ "fdb.add", ENTRY(STATION_A, "\"dev\": \"e2\", \"vlan\": 4095"), "vlan" },
	{ "fdb.add", ENTRY(STATION_D, "\"dev\": \"e1\""), "there is such an entry already" },
	{ "fdb.add", ENTRY(E1_MAC, "\"dev\": \"e0\""), "the bridge's own" },
	{ "fdb.del", ENTRY(STATION_A, "\"dev\": \"e0\""), "there is no such entry" },
	{ "fdb.del", ENTRY(STATION_D, "\"dev\": \"e1\""), "there is no such entry" },
	{ "fdb.del", ENTRY(E1_MAC, "\"dev\": \"e1\""), "there is no such entry" },
	{ "fdb.flush", NULL, "dev: which bridge" },
	{ "fdb.flush", "{\"dev\": \"nil\"}", "Cannot find device" },
	{ "fdb.flush", "{\"dev\": \"wan\"}", "is no bridge and no member of one" },
};

START_TEST(what_cannot_be_is_refused_and_changes_nothing)
{
	struct bench *b = start_two();
	char *before, *after;

	json_decref(bench_call(b, "link.add",
		"{\"name\": \"e3.9\", \"type\": \"vlan\", \"parent\": \"e3\", \"vid\": 9}"));
	link_set_to(b, "e3.9", "\"master\": \"br1\", \"pvid\": 10");
	json_decref(bench_call(b, "fdb.add", "{\"mac\": \"" STATION_D "\", \"dev\": \"e0\"}"));
	bench_discard(b);
	before = show_config(b);
	bench_expect_error(b, refused[_i].method, refused[_i].params, refused[_i].text);
	bench_run(b);
	after = show_config(b);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	/* Nothing has become a member, and those that were are. */
	station_says(b, E0, STATION_A, STATION_B, TO_E1);
	bench_destroy(b);
}
END_TEST

/* The configuration */

static const struct {
	const char *method, *params;
} session[] = {
	{ "link.set", "{\"dev\": \"e3\", \"master\": \"br0\", \"isolated\": true}" },
	{ "link.set", "{\"dev\": \"e3\", \"fdb_max\": 12}" },
	{ "link.set", "{\"dev\": \"e0\", \"nomaster\": true}" },
	{ "link.set", "{\"dev\": \"e2\", \"vlans\": \"20,30-33\"}" },
	{ "link.add", "{\"name\": \"e0.4\", \"type\": \"vlan\", \"parent\": \"e0\", \"vid\": 4, "
		      "\"mtu\": 1400}" },
	{ "link.set", "{\"dev\": \"e0.4\", \"master\": \"br1\", \"pvid\": 20}" },
	{ "link.add",
		"{\"name\": \"br2\", \"type\": \"bridge\", \"mac\": \"2:0:0:0:9:9\", \"members\": "
		"[{\"name\": \"e0\", \"flood\": false}], \"fdb_max\": 500, \"ageing\": \"20s\", "
		"\"addresses\": [\"10.2.0.1/24\"]}" },
	{ "link.add",
		"{\"name\": \"br2.5\", \"type\": \"vlan\", \"parent\": \"br2\", \"vid\": 5}" },
	{ "fdb.add", "{\"mac\": \"" STATION_A "\", \"dev\": \"e3\"}" },
	{ "fdb.add", "{\"mac\": \"" STATION_A "\", \"dev\": \"e2\", \"vlan\": 20}" },
	{ "fdb.add", "{\"mac\": \"" STATION_B "\", \"dev\": \"e2\", \"vlan\": 31}" },
	{ "fdb.add", "{\"mac\": \"" STATION_C "\", \"dev\": \"e0.4\"}" },
};

START_TEST(the_configuration_that_is_shown_makes_the_same_bridges)
{
	struct bench *b = start_two();
	char *shown, *again;

	for (unsigned int i = 0; i < RTE_DIM(session); i++)
		json_decref(bench_call(b, session[i].method, session[i].params));
	shown = show_config(b);
	bench_destroy(b);
	b = bench_start(shown);
	again = show_config(b);
	ck_assert_msg(strcmp(again, shown) == 0, "%s\nis not\n%s", again, shown);
	ck_assert_str_eq(fdb_place(b, STATION_A, 20), "e2");
	ck_assert_str_eq(fdb_place(b, STATION_B, 31), "e2");
	ck_assert_str_eq(fdb_place(b, STATION_C, 20), "e0.4");
	free(shown);
	free(again);
	bench_destroy(b);
}
END_TEST

/* Whatever became of a bridge's VLANs, what is shown can be read. */
static const struct {
	const char *dev, *rest;
} vlan_changes[] = {
	{ "e1", "\"nomaster\": true" }, /* the last that has VLANs: no filtering any more */
	{ "e1", "\"vlans\": \"30\"" },
	{ "e0", "\"pvid\": 30" },
	{ "e1", "\"pvid\": 10, \"vlans\": \"11\"" },
};

START_TEST(static_entries_go_with_their_vlan)
{
	struct bench *b =
		bridge_start("\"e0\", { name = \"e1\"; pvid = 10; vlans = \"20\"; }", NULL,
			"fdb = ( { mac = \"" STATION_A "\"; dev = \"e0\"; }, { mac = \"" STATION_A
			"\"; dev = \"e1\"; },\n"
			"  { mac = \"" STATION_B "\"; dev = \"e1\"; vlan = 20; } );");
	char *shown, *again;

	link_set_to(b, vlan_changes[_i].dev, vlan_changes[_i].rest);
	shown = show_config(b);
	bench_destroy(b);
	b = bench_start(shown);
	again = show_config(b);
	ck_assert_str_eq(again, shown);
	free(shown);
	free(again);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bridge_ctl", PLAIN_TEST(a_bridge_and_its_members_are_shown_as_iproute2_does),
	PLAIN_TEST(entries_are_shown_by_kind_and_place), PLAIN_TEST(every_entry_is_shown_once),
	PLAIN_TEST(a_link_joins_and_leaves),
	PLAIN_TEST(a_link_that_was_a_member_has_its_addresses_again),
	PLAIN_TEST(an_address_that_becomes_ours_is_no_stations_any_more),
	PLAIN_TEST(an_address_is_ours_as_long_as_somebody_has_it),
	PLAIN_TEST(ports_take_frames_to_anybody_while_a_bridge_needs_them),
	PLAIN_TEST(one_setting_of_a_member_changes_and_the_others_stay),
	PLAIN_TEST(a_bridge_is_made_and_deleted),
	PLAIN_TEST(the_mtu_of_a_bridge_is_at_most_that_of_its_members),
	PLAIN_TEST(a_bridge_has_a_carrier_when_a_member_has),
	LOOP_TEST(what_cannot_be_is_refused_and_changes_nothing, refused),
	PLAIN_TEST(the_configuration_that_is_shown_makes_the_same_bridges),
	LOOP_TEST(static_entries_go_with_their_vlan, vlan_changes))
