/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who of a bond's members is in use: carriers and states that come and go, primary, updelay, min_links, joining and
 * leaving; what peers are told when another one is. In modes without LACP, for that see test_bond_lacp.c.
 */
#include "kit_bond.h"

#include "base/mem.h"

#define BACKUP "mode = \"active-backup\"; "
#define XOR    "mode = \"balance-xor\"; xmit_hash_policy = \"layer3+4\"; "
#define VLAN_7                                                                                     \
	", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; "                   \
	"addresses = [ \"10.7.0.1/24\" ]; }"

static const struct bond_spec backup = { .settings = BACKUP ALL_TWO };

/* One packet out: the member that it leaves by. */
static unsigned int sends_by(struct bench *b)
{
	struct frame frame, got;

	bond_packet(&frame, "10.0.0.1", 1000);
	return bond_leaves_by(b, &frame, &got);
}

/* Which members some conversations leave by: a bit each. */
static unsigned int sends_by_all(struct bench *b)
{
	unsigned int seen = 0;
	struct frame frame, got;

	for (uint16_t i = 0; i < 32; i++) {
		bond_packet(&frame, "10.0.0.1", (uint16_t)(1000 + i));
		seen |= 1u << bond_leaves_by(b, &frame, &got);
	}
	return seen;
}

static void expect_active(struct bench *b, const char *name)
{
	ck_assert_str_eq(bond_link_text(b, "bond0", "linkinfo.info_data.active_slave"), name);
}

START_TEST(one_member_sends_and_receives_and_the_other_does_not)
{
	struct bench *b = bond_start(&backup);
	struct drops drops = drops_take(b);

	for (unsigned int i = 0; i < 8; i++) {
		ck_assert_uint_eq(sends_by(b), M0);
		ck_assert(bond_receives(b, M0));
	}
	drops_expect_none(b, &drops);
	ck_assert(!bond_receives(b, M1));
	bench_expect_nothing(b);
	drops_expect(b, &drops, "bond_inactive", 1);
	/* No member at all of the bond: its own. */
	ck_assert(!bond_receives(b, M2));
	ck_assert_uint_eq(bench_drops(b, "eth_not_for_us"), 1);
	bench_destroy(b);
}
END_TEST

/* What the peers of the bond, and of a VLAN on it, hear: by that member. Nothing else is said. */
static void expect_announcements(struct bench *b, unsigned int member)
{
	struct frame want, want_tagged;

	frame_arp(&want, BOND_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, BOND_MAC, "192.0.2.1", NO_MAC,
		"192.0.2.1");
	frame_arp(&want_tagged, BOND_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, BOND_MAC, "10.7.0.1", NO_MAC,
		"10.7.0.1");
	frame_tag(&want_tagged, 0x8100, 7);
	bench_expect_bytes(b, member, &want);
	bench_expect_bytes(b, member, &want_tagged);
	bench_expect_nothing(b);
}

START_TEST(the_next_tick_after_a_carrier_is_lost_fails_over_and_says_so)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO, .links = VLAN_7 });
	struct drops drops = drops_take(b);

	bench_advance(b, 1000);
	bench_expect_nothing(b);
	for (unsigned int round = 0; round < 3; round++) {
		unsigned int from = round % 2 == 0 ? M0 : M1, to = from == M0 ? M1 : M0;

		bond_carrier(b, from, false);
		bench_advance(b, 10);
		expect_announcements(b, to);
		expect_active(b, to == M0 ? "m0" : "m1");
		ck_assert_uint_eq(sends_by(b), to);
		ck_assert(bond_receives(b, to));
		ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "UP");
		/* It comes back, and is not needed. */
		bond_carrier(b, from, true);
		bench_advance(b, 1000);
		bench_expect_nothing(b);
		ck_assert_uint_eq(sends_by(b), to);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(neighbours_hear_of_it_in_ipv6_as_well)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO,
		.sections = "sysctl: { addrconf: { dad_transmits = 0; addr_gen_mode = \"none\"; "
			    "}; };" });
	unsigned int n_arp = 0, n_nd = 0;
	struct frame frame;

	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::1/64\", \"dev\": \"bond0\"}"));
	bench_advance(b, 2000);
	bench_discard(b);
	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	while (bench_receive(b, M1, &frame)) {
		if (frame_ether(&frame)->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
			n_arp++;
			continue;
		}
		frame_check_icmp6(&frame, "2001:db8:1::1", "ff02::1", 136, 0);
		/* Unsolicited, and to be believed (RFC 4861 7.2.6). */
		ck_assert_uint_eq(
			frame_icmp6(&frame)->info_be & RTE_BE32(0x60000000), RTE_BE32(0x20000000));
		n_nd++;
	}
	ck_assert_uint_eq(n_arp, 1);
	ck_assert_uint_eq(n_nd, 1);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_that_is_set_down_fails_over_at_once)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO, .links = VLAN_7 });
	struct drops drops = drops_take(b);

	bond_set(b, "m0", "down");
	expect_announcements(b, M1);
	ck_assert_uint_eq(sends_by(b), M1);
	drops_expect_none(b, &drops);
	ck_assert(!bond_receives(b, M0));
	drops_expect(b, &drops, "link_down", 1);
	bond_set(b, "m0", "up");
	bench_advance(b, 100);
	bench_expect_nothing(b);
	ck_assert_uint_eq(sends_by(b), M1);
	bench_destroy(b);
}
END_TEST

START_TEST(a_primary_is_used_whenever_it_is_there)
{
	struct bench *b =
		bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO "primary = \"m1\"; " });
	json_t *row;

	ck_assert_uint_eq(sends_by(b), M1);
	bond_carrier(b, M1, false);
	bench_advance(b, 10);
	bench_discard(b);
	ck_assert_uint_eq(sends_by(b), M0);
	bond_carrier(b, M1, true);
	bench_advance(b, 10);
	bench_discard(b);
	ck_assert_uint_eq(sends_by(b), M1);
	/* Also when it joins again. */
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"nomaster\": true}"));
	bench_discard(b);
	ck_assert_uint_eq(sends_by(b), M0);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"master\": \"bond0\"}"));
	bench_discard(b);
	ck_assert_uint_eq(sends_by(b), M1);
	row = bond_row(b);
	ck_assert_int_eq(json_int_at(row, "members.1.link_failure_count"), 0);
	json_decref(row);
	ck_assert_str_eq(bond_link_text(b, "bond0", "linkinfo.info_data.primary"), "m1");
	bench_destroy(b);
}
END_TEST

START_TEST(a_member_that_comes_back_waits_for_updelay)
{
	struct bench *b =
		bond_start(&(struct bond_spec){ .settings = XOR ALL_TWO "updelay = \"200ms\"; " });
	json_t *row;

	/* Not at start. */
	ck_assert_uint_eq(sends_by_all(b), 1u << M0 | 1u << M1);
	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	ck_assert_uint_eq(sends_by_all(b), 1u << M1);
	bond_carrier(b, M0, true);
	bench_advance(b, 190);
	ck_assert_uint_eq(sends_by_all(b), 1u << M1);
	/* A moment without begins it anew. */
	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	bond_carrier(b, M0, true);
	bench_advance(b, 200);
	ck_assert_uint_eq(sends_by_all(b), 1u << M1);
	bench_advance(b, 20);
	ck_assert_uint_eq(sends_by_all(b), 1u << M0 | 1u << M1);
	row = bond_row(b);
	ck_assert_int_eq(json_int_at(row, "members.0.link_failure_count"), 1);
	ck_assert_int_eq(json_int_at(row, "members.1.link_failure_count"), 0);
	json_decref(row);
	bench_destroy(b);
}
END_TEST

/* As in Linux: with nobody left there is nothing to wait for, and the bond is not without a member between. */
START_TEST(updelay_is_not_waited_for_when_no_other_is_left)
{
	static const char *const modes[] = { BACKUP, XOR };

	for (unsigned int i = 0; i < RTE_DIM(modes); i++) {
		char *settings = mem_printf("%s %s updelay = \"5s\"; ", modes[i], ALL_TWO);
		struct bench *b = bond_start(&(struct bond_spec){ .settings = settings });
		struct drops drops = drops_take(b);

		bond_carrier(b, M1, false);
		bench_advance(b, 10);
		bond_carrier(b, M1, true);
		bench_advance(b, 100);
		ck_assert_uint_eq(sends_by_all(b), 1u << M0);
		/* Of both orders: m0 is looked at first, then last. */
		bond_set(b, "m0", "down");
		bench_discard(b);
		ck_assert_uint_eq(sends_by_all(b), 1u << M1);
		bond_set(b, "m0", "up");
		bench_advance(b, 100);
		ck_assert_uint_eq(sends_by_all(b), 1u << M1);
		bond_carrier(b, M1, false);
		bench_advance(b, 10);
		bench_discard(b);
		ck_assert_uint_eq(sends_by_all(b), 1u << M0);
		/* Both: the one that is back first. */
		bond_carrier(b, M0, false);
		bench_advance(b, 10);
		ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
		bond_carrier(b, M1, true);
		bench_advance(b, 10);
		bench_discard(b);
		ck_assert_uint_eq(sends_by_all(b), 1u << M1);
		drops_expect_none(b, &drops);
		bench_destroy(b);
		free(settings);
	}
}
END_TEST

START_TEST(a_bond_has_a_carrier_with_min_links_members)
{
	struct bench *b = bond_start(
		&(struct bond_spec){ .settings = XOR ALL_FOUR "min_links = 3; ", .links = VLAN_7 });
	struct frame frame;

	ck_assert_uint_eq(sends_by_all(b), 0xf);
	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	ck_assert_uint_eq(sends_by_all(b), 0xe);
	bond_carrier(b, M1, false);
	bench_advance(b, 10);
	ck_assert_int_eq(bond_n_active(b), 2);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	ck_assert_str_eq(bond_link_text(b, "bond0.7", "operstate"), "LOWERLAYERDOWN");
	/* Its routes are gone with it: the default route is left. */
	bond_packet(&frame, "10.0.0.1", 1000);
	bench_push(b, UPLINK, &frame);
	bench_expect(b, UPLINK, &frame);
	bench_expect_nothing(b);
	bond_carrier(b, M1, true);
	bench_advance(b, 10);
	bench_discard(b); /* announcements */
	ck_assert_str_eq(bond_link_text(b, "bond0.7", "operstate"), "UP");
	ck_assert_uint_eq(sends_by_all(b), 0xe);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bond_without_members_has_no_carrier_and_takes_some)
{
	struct bench *b = bond_start(&(struct bond_spec){
		.settings = "mode = \"balance-rr\"; mac = \"" BOND_MAC "\"; " });

	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	ck_assert_int_eq(bond_n_active(b), 0);
	ck_assert(!bond_receives(b, M1));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"master\": \"bond0\"}"));
	bench_discard(b);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "UP");
	ck_assert_uint_eq(sends_by(b), M1);
	ck_assert(bond_receives(b, M1));
	bench_destroy(b);
}
END_TEST

static const unsigned int n_lost[] = { 1, 2 };

/* An announcement is under way when the last member goes, alone or together with one for another link. */
START_TEST(what_no_member_is_left_for_is_dropped_by_name)
{
	struct bench *b = bond_start(&(struct bond_spec){ XOR ALL_TWO, .links = VLAN_7 });
	struct drops drops = drops_take(b);

	json_decref(bench_call_only(
		b, "addr.add", "{\"local\": \"192.0.2.77/24\", \"dev\": \"bond0\"}"));
	if (_i == 1)
		json_decref(bench_call_only(
			b, "addr.add", "{\"local\": \"10.7.0.77/24\", \"dev\": \"bond0.7\"}"));
	json_decref(bench_call_only(b, "link.set", "{\"dev\": \"m0\", \"state\": \"down\"}"));
	json_decref(bench_call_only(b, "link.set", "{\"dev\": \"m1\", \"state\": \"down\"}"));
	bench_run(b);
	bench_expect_nothing(b);
	drops_expect(b, &drops, "bond_no_member", n_lost[_i]);
	bench_destroy(b);
}
END_TEST

static void drain(struct bench *b, unsigned int *n)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i <= N_MEMBERS; i++)
		for (; rte_ring_dequeue(b->tx[i], (void **)&m) == 0; (*n)++)
			rte_pktmbuf_free(m);
}

static const char *const busy_modes[] = { BACKUP, XOR, "mode = \"balance-rr\"; " };

/*
 * Workers on threads of their own, packets in both directions, and members that come and go in each way. Nothing
 * is lost but what is dropped by name, and nothing that is received is for nobody.
 */
START_TEST(members_come_and_go_under_traffic)
{
	static const char *const changes[][2] = {
		{ "link.set", "{\"dev\": \"m1\", \"nomaster\": true}" },
		{ "link.set", "{\"dev\": \"m2\", \"state\": \"down\"}" },
		{ "link.set", "{\"dev\": \"m3\", \"master\": \"bond0\"}" },
		{ "link.set", "{\"dev\": \"m2\", \"state\": \"up\"}" },
		{ "link.set", "{\"dev\": \"m1\", \"master\": \"bond0\"}" },
		{ "link.set", "{\"dev\": \"m3\", \"nomaster\": true}" },
	};
	char *settings = mem_printf("%s members = [ \"m0\", \"m1\", \"m2\" ]; ", busy_modes[_i]);
	struct bench *b = bond_start(&(struct bond_spec){ .settings = settings, .n_workers = 2 });
	unsigned int n_sent = 0, n_got = 0, n_own = 0;
	struct frame out, in;
	struct drops before = drops_take(b), now;
	uint64_t n_dropped = 0;

	frame_ip4(&in, &(struct ip4_spec){ .dst_mac = BOND_MAC,
			       .src = "192.0.2.10",
			       .dst = "8.8.8.8",
			       .payload_len = 64 });
	bench_launch(b);
	for (unsigned int i = 0; i < 600; i++) {
		for (uint16_t k = 0; k < 16; k++) {
			bond_packet(&out, "10.0.0.1", (uint16_t)(1000 + k));
			bench_send(b, UPLINK, &out);
			bench_send(b, M0, &in);
			n_sent += 2;
		}
		json_decref(bench_call(b, changes[i % 6][0], changes[i % 6][1]));
		drain(b, &n_got);
		while (rte_ring_count(b->rx[UPLINK]) + rte_ring_count(b->rx[M0]) > 1024)
			sched_yield();
	}
	for (unsigned int turn = 0; turn < 2; turn++) {
		bench_run(b);
		while (rte_ring_count(b->rx[UPLINK]) + rte_ring_count(b->rx[M0]) > 0)
			sched_yield();
	}
	bench_join(b);
	bench_run(b);
	now = drops_take(b);
	for (unsigned int i = 0; i < b->dp->n_reasons; i++) {
		const char *reason = b->dp->reasons[i]->name;
		uint64_t n = now.n[i] - before.n[i];

		n_dropped += n;
		/* That are members which had just gone down or had left, and packets for them. */
		ck_assert_msg(n == 0 || strcmp(reason, "link_down") == 0 ||
				      strcmp(reason, "bond_inactive") == 0,
			"%" PRIu64 " packets dropped as %s", n, reason);
	}
	drain(b, &n_got);
	/* What weir has announced: active-backup, when another member took over. */
	n_own = n_got + (unsigned int)n_dropped - n_sent;
	ck_assert_uint_le(n_own, _i == 0 ? 600 : 0);
	ck_assert_uint_gt(n_got, n_sent / 2);
	ck_assert(bond_receives(b, M0));
	bench_destroy(b);
	free(settings);
}
END_TEST

PACKET_MAIN("bond_members", PLAIN_TEST(one_member_sends_and_receives_and_the_other_does_not),
	PLAIN_TEST(the_next_tick_after_a_carrier_is_lost_fails_over_and_says_so),
	PLAIN_TEST(neighbours_hear_of_it_in_ipv6_as_well),
	PLAIN_TEST(a_member_that_is_set_down_fails_over_at_once),
	PLAIN_TEST(a_primary_is_used_whenever_it_is_there),
	PLAIN_TEST(a_member_that_comes_back_waits_for_updelay),
	PLAIN_TEST(updelay_is_not_waited_for_when_no_other_is_left),
	PLAIN_TEST(a_bond_has_a_carrier_with_min_links_members),
	PLAIN_TEST(a_bond_without_members_has_no_carrier_and_takes_some),
	LOOP_TEST(what_no_member_is_left_for_is_dropped_by_name, n_lost),
	LOOP_TEST(members_come_and_go_under_traffic, busy_modes))
