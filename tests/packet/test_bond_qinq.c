/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A service VLAN (802.1ad) on a bond with a customer VLAN on it, in each mode that needs no partner: what leaves by which
 * member with which tags, what is refused, members that come, go and fail, and full frames.
 *
 *	svc    802.1ad 100 on bond0
 *	svc.9  10.9.0.1/24, 802.1Q 9 on svc
 */
#include "kit_bond.h"

#include "base/mem.h"

#define LINKS                                                                                      \
	", { name = \"svc\"; type = \"vlan\"; parent = \"bond0\"; vid = 100; protocol = "          \
	"\"802.1ad\"; },\n"                                                                        \
	"  { name = \"svc.9\"; type = \"vlan\"; parent = \"svc\"; vid = 9; addresses = [ "         \
	"\"10.9.0.1/24\" ]; }"
#define BACKUP "mode = \"active-backup\"; "
#define XOR    "mode = \"balance-xor\"; xmit_hash_policy = \"layer3+4\"; "

enum { C = RTE_ETHER_TYPE_VLAN, S = RTE_ETHER_TYPE_QINQ, TAGS_MAX = 5, ALL = 1 << M0 | 1 << M1 };
enum { PRIORITY = 0xb000 }; /* PCP 5, DEI */

/* receives, sends: sets of members; of those that send, all have a part of many flows. */
static const struct {
	const char *settings;
	unsigned int receives, sends;
} modes[] = {
	{ "mode = \"balance-rr\"; " ALL_TWO, ALL, ALL },
	{ BACKUP ALL_TWO, 1 << M0, 1 << M0 },
	{ BACKUP "primary = \"m1\"; " ALL_TWO, 1 << M1, 1 << M1 },
	{ XOR ALL_TWO, ALL, ALL },
	{ "mode = \"balance-xor\"; xmit_hash_policy = \"layer2+3\"; " ALL_TWO, ALL, ALL },
};

static struct bench *start(const char *settings)
{
	struct bench *b = bond_start(&(struct bond_spec){ settings, .links = LINKS });

	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"10.9.0.10\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"svc.9\"}"));
	json_decref(
		bench_call(b, "route.add", "{\"to\": \"10.10.0.0/16\", \"via\": \"10.9.0.10\"}"));
	bench_discard(b);
	return b;
}

static void tag_svc(struct frame *frame, uint16_t priority)
{
	frame_tag(frame, C, 9 | priority);
	frame_tag(frame, S, 100 | priority);
}

/* Takes the two tags off what came out of a member. */
static void untag_svc(struct frame *frame, uint16_t priority)
{
	const uint16_t want[] = { RTE_BE16(S), rte_cpu_to_be_16(100 | priority), RTE_BE16(C),
		rte_cpu_to_be_16(9 | priority) };

	ck_assert_uint_gt(frame->len, RTE_ETHER_HDR_LEN + sizeof(want));
	ck_assert_mem_eq(frame->bytes + 12, want, sizeof(want));
	frame->len -= sizeof(want);
	memmove(frame->bytes + 12, frame->bytes + 12 + sizeof(want), frame->len - 12);
}

static void ask(struct frame *frame, struct frame *want)
{
	frame_arp(frame, HOST_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, HOST_MAC, "10.9.0.10", NO_MAC,
		"10.9.0.1");
	frame_arp(want, BOND_MAC, HOST_MAC, RTE_ARP_OP_REPLY, BOND_MAC, "10.9.0.1", HOST_MAC,
		"10.9.0.10");
}

/* The next frame out of any member; fails the test when there is none. */
static unsigned int expect_member(struct bench *b, struct frame *got)
{
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		if (bench_receive(b, i, got))
			return i;
	ck_abort_msg("nothing left by a member");
	return N_MEMBERS;
}

START_TEST(arp_is_answered_with_both_tags_on_a_bond)
{
	struct bench *b = start(modes[_i].settings);

	for (unsigned int member = M0; member <= M1; member++)
		for (unsigned int k = 0; k < 2; k++) {
			uint16_t priority = k == 0 ? 0 : PRIORITY;
			struct drops drops = drops_take(b);
			struct frame frame, want, got;

			ask(&frame, &want);
			tag_svc(&frame, priority);
			bench_push(b, member, &frame);
			if (!(modes[_i].receives >> member & 1)) {
				bench_expect_nothing(b);
				drops_expect(b, &drops, "bond_inactive", 1);
				continue;
			}
			ck_assert(modes[_i].sends >> expect_member(b, &got) & 1);
			untag_svc(&got, priority);
			ck_assert_uint_eq(got.len, want.len);
			ck_assert_mem_eq(got.bytes, want.bytes, want.len);
			bench_expect_nothing(b);
			drops_expect_none(b, &drops);
		}
	bench_destroy(b);
}
END_TEST

/* Full-size packets, in one burst each way; more than one member has a part in it. */
START_TEST(packets_are_routed_between_a_service_vlan_on_a_bond_and_a_port)
{
	enum { N_FLOWS = 64 };
	struct bench *b = start(modes[_i].settings);
	struct drops drops = drops_take(b);
	struct frame frame, want, got;
	unsigned int by = 0;

	for (unsigned int i = 0; i < N_FLOWS; i++) {
		char dst[32];

		snprintf(dst, sizeof(dst), "10.10.0.%u", 1 + i);
		frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
					  .dst_mac = WAN_MAC,
					  .src = "198.51.100.10",
					  .dst = dst,
					  .sport = (uint16_t)(1000 + i),
					  .payload_len = 1472 });
		want = frame;
		frame_forward(&want, BOND_MAC, HOST_MAC);
		frame_tag(&frame, C, PRIORITY);
		bench_send(b, UPLINK, &frame);
	}
	bench_run(b);
	for (unsigned int i = 0; i < N_FLOWS; i++) {
		by |= 1 << expect_member(b, &got);
		untag_svc(&got, PRIORITY);
		ck_assert_uint_eq(got.len, want.len);
		ck_assert_mem_eq(got.bytes, want.bytes, RTE_ETHER_HDR_LEN);
	}
	ck_assert_uint_eq(by, modes[_i].sends);
	bench_expect_nothing(b);

	for (unsigned int member = M0; member <= M1; member++) {
		frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
					  .src = "10.9.0.10",
					  .dst = "198.51.100.10",
					  .payload_len = 1472 });
		want = frame;
		frame_forward(&want, WAN_MAC, PEER_MAC);
		tag_svc(&frame, PRIORITY);
		if (!(modes[_i].receives >> member & 1))
			continue;
		bench_push(b, member, &frame);
		bench_expect_bytes(b, UPLINK, &want);
		bench_expect_nothing(b);
	}
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* Packets of 10.9.0.10 to the uplink, by their tags, outermost first. */
static const struct {
	const char *name;
	uint16_t tags[TAGS_MAX][2];
	const char *reason; /* NULL: routed */
} rows[] = {
	{ "as it should", { { S, 100 }, { C, 9 } }, NULL },
	{ "another inner tag", { { S, 100 }, { C, 8 } }, "vlan_unknown" },
	{ "another outer tag", { { S, 101 }, { C, 9 } }, "vlan_unknown" },
	{ "a customer tag outside", { { C, 100 }, { C, 9 } }, "vlan_unknown" },
	{ "two of service", { { S, 100 }, { S, 9 } }, "vlan_unknown" },
	{ "the other way round", { { C, 9 }, { S, 100 } }, "vlan_unknown" },
	{ "the inner alone", { { C, 9 } }, "vlan_unknown" },
	{ "another type", { { 0x9100, 100 }, { C, 9 } }, "eth_type_unknown" },
	{ "three tags", { { S, 100 }, { C, 9 }, { C, 9 } }, "vlan_unknown" },
	{ "a reserved one", { { S, 4095 }, { C, 9 } }, "vlan_unknown" },
	{ "a priority of service around", { { S, 0 }, { S, 100 }, { C, 9 } }, NULL },
	{ "a customer's priority around", { { C, 0 }, { S, 100 }, { C, 9 } }, NULL },
	{ "priorities within", { { S, 100 }, { C, 0 }, { C, 9 }, { S, 0 } }, NULL },
	{ "five tags", { { S, 100 }, { C, 9 }, { C, 0 }, { C, 0 }, { C, 0 } }, "vlan_too_many" },
};

START_TEST(a_frame_reaches_the_link_of_its_tags_or_is_dropped_by_name)
{
	struct bench *b = start(XOR ALL_TWO);
	struct drops drops = drops_take(b);
	unsigned int n = 0;
	struct frame frame, want;

	frame_ip4(&frame, &(struct ip4_spec){ .dst_mac = BOND_MAC,
				  .src = "10.9.0.10",
				  .dst = "198.51.100.10",
				  .payload_len = 64 });
	want = frame;
	frame_forward(&want, WAN_MAC, PEER_MAC);
	while (n < TAGS_MAX && rows[_i].tags[n][0] != 0)
		n++;
	while (n-- > 0)
		frame_tag(&frame, rows[_i].tags[n][0], rows[_i].tags[n][1]);
	for (unsigned int member = M0; member <= M1; member++) {
		bench_push(b, member, &frame);
		if (rows[_i].reason == NULL)
			bench_expect_bytes(b, UPLINK, &want);
		bench_expect_nothing(b);
	}
	drops_expect(b, &drops, rows[_i].reason, rows[_i].reason != NULL ? 2 : 0);
	bench_destroy(b);
}
END_TEST

START_TEST(members_come_and_go_below_a_service_vlan)
{
	struct bench *b = start(XOR ALL_TWO);
	struct frame frame, want, got;

	ask(&frame, &want);
	tag_svc(&frame, 0);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"master\": \"bond0\"}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m0\", \"nomaster\": true}"));
	bench_discard(b);
	for (unsigned int member = M0; member <= M2; member++) {
		struct drops drops = drops_take(b);

		bench_push(b, member, &frame);
		if (member == M0) {
			bench_expect_nothing(b);
			drops_expect(b, &drops, "vlan_unknown", 1);
			continue;
		}
		ck_assert_uint_ne(expect_member(b, &got), M0);
		untag_svc(&got, 0);
		ck_assert_mem_eq(got.bytes, want.bytes, want.len);
		bench_expect_nothing(b);
		drops_expect_none(b, &drops);
	}
	/* Without any its networks are unreachable; with one again they are there. */
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"nomaster\": true}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"nomaster\": true}"));
	bench_discard(b);
	ck_assert_str_eq(bond_link_text(b, "svc.9", "operstate"), "LOWERLAYERDOWN");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m3\", \"master\": \"bond0\"}"));
	bench_discard(b);
	ck_assert_str_eq(bond_link_text(b, "svc.9", "operstate"), "UP");
	bench_push(b, M3, &frame);
	ck_assert_uint_eq(expect_member(b, &got), M3);
	untag_svc(&got, 0);
	ck_assert_mem_eq(got.bytes, want.bytes, want.len);
	bench_destroy(b);
}
END_TEST

START_TEST(a_fail_over_is_announced_with_both_tags)
{
	struct bench *b = start(BACKUP ALL_TWO);
	struct frame frame, want, got, hello;
	unsigned int n_hellos = 0;

	frame_arp(&hello, BOND_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, BOND_MAC, "10.9.0.1", NO_MAC,
		"10.9.0.1");
	tag_svc(&hello, 0);
	bond_carrier(b, M0, false);
	bench_advance(b, 10);
	while (bench_receive(b, M1, &got))
		n_hellos += got.len == hello.len && memcmp(got.bytes, hello.bytes, got.len) == 0;
	ck_assert_uint_eq(n_hellos, 1);
	bench_expect_nothing(b);
	ask(&frame, &want);
	tag_svc(&frame, PRIORITY);
	tag_svc(&want, PRIORITY);
	bench_push(b, M1, &frame);
	bench_expect_bytes(b, M1, &want);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(an_mtu_goes_up_through_both_vlans)
{
	struct bench *b = start(XOR ALL_TWO);

	bench_expect_error(b, "link.set", "{\"dev\": \"svc\", \"mtu\": 1501}", "68 to 1500");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"mtu\": 1400}"));
	ck_assert_int_eq(bench_link_mtu(b, "svc"), 1400);
	ck_assert_int_eq(bench_link_mtu(b, "svc.9"), 1400);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"svc\", \"mtu\": 1300}"));
	ck_assert_int_eq(bench_link_mtu(b, "svc.9"), 1300);
	ck_assert_int_eq(bench_link_mtu(b, "bond0"), 1400);
	bench_destroy(b);
}
END_TEST

START_TEST(what_links_stand_on_is_not_deleted)
{
	struct bench *b = start(XOR ALL_TWO);

	bench_expect_error(b, "link.del", "{\"dev\": \"bond0\"}", "links stand on it: svc");
	bench_expect_error(b, "link.del", "{\"dev\": \"svc\"}", "links stand on it: svc.9");
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc.9\"}"));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"svc\"}"));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"bond0\"}"));
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bond_qinq", LOOP_TEST(arp_is_answered_with_both_tags_on_a_bond, modes),
	LOOP_TEST(packets_are_routed_between_a_service_vlan_on_a_bond_and_a_port, modes),
	LOOP_TEST(a_frame_reaches_the_link_of_its_tags_or_is_dropped_by_name, rows),
	PLAIN_TEST(members_come_and_go_below_a_service_vlan),
	PLAIN_TEST(a_fail_over_is_announced_with_both_tags),
	PLAIN_TEST(an_mtu_goes_up_through_both_vlans),
	PLAIN_TEST(what_links_stand_on_is_not_deleted))
