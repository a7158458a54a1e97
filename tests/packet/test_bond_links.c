/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bonds among other links: MAC addresses and filters of devices, MTU, bridges and VLANs, several workers.
 */
#include "kit_bond.h"

#include <rte_ethdev.h>

#include "base/mem.h"

#define BACKUP "mode = \"active-backup\"; "
#define XOR    "mode = \"balance-xor\"; xmit_hash_policy = \"layer3+4\"; "
#define VLAN_7                                                                                     \
	", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; "                   \
	"mac = \"02:00:00:00:00:77\"; addresses = [ \"10.7.0.1/24\" ]; }"

/* MAC addresses. What a device that filters would pass, besides its own. */

enum { FILTER_MAX = 8 };
static struct rte_ether_addr filters[RTE_MAX_ETHPORTS][FILTER_MAX];
static unsigned int n_filters[RTE_MAX_ETHPORTS];
static bool is_filter_full, passes_all[RTE_MAX_ETHPORTS];

int __wrap_rte_eth_dev_mac_addr_add(uint16_t port, struct rte_ether_addr *addr, uint32_t pool);
int __wrap_rte_eth_dev_mac_addr_remove(uint16_t port, struct rte_ether_addr *addr);
int __wrap_rte_eth_promiscuous_enable(uint16_t port);
int __wrap_rte_eth_promiscuous_disable(uint16_t port);

static unsigned int filter_find(uint16_t port, const struct rte_ether_addr *addr)
{
	unsigned int i = 0;

	while (i < n_filters[port] && !rte_is_same_ether_addr(&filters[port][i], addr))
		i++;
	return i;
}

int __wrap_rte_eth_dev_mac_addr_add(uint16_t port, struct rte_ether_addr *addr, uint32_t pool)
{
	if (is_filter_full)
		return -ENOSPC;
	if (filter_find(port, addr) == n_filters[port] && n_filters[port] < FILTER_MAX)
		filters[port][n_filters[port]++] = *addr;
	return 0;
}

int __wrap_rte_eth_dev_mac_addr_remove(uint16_t port, struct rte_ether_addr *addr)
{
	unsigned int i = filter_find(port, addr);

	if (i < n_filters[port])
		filters[port][i] = filters[port][--n_filters[port]];
	return 0;
}

int __wrap_rte_eth_promiscuous_enable(uint16_t port)
{
	passes_all[port] = true;
	return 0;
}

int __wrap_rte_eth_promiscuous_disable(uint16_t port)
{
	passes_all[port] = false;
	return 0;
}

static void filters_reset(void)
{
	memset(n_filters, 0, sizeof(n_filters));
	memset(passes_all, 0, sizeof(passes_all));
	is_filter_full = false;
}

static bool passes(struct bench *b, unsigned int port, const char *mac)
{
	struct rte_ether_addr addr;

	ck_assert_int_eq(rte_ether_unformat_addr(mac, &addr), 0);
	return filter_find(b->ports[port], &addr) < n_filters[b->ports[port]];
}

START_TEST(devices_pass_the_addresses_of_a_bond_and_its_vlans_while_they_are_members)
{
	struct bench *b;

	filters_reset();
	b = bond_start(&(struct bond_spec){ XOR ALL_TWO, .links = VLAN_7 });
	for (unsigned int i = M0; i <= M1; i++) {
		ck_assert(passes(b, i, BOND_MAC));
		ck_assert(passes(b, i, "02:00:00:00:00:77"));
	}
	ck_assert(!passes(b, M2, BOND_MAC));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"master\": \"bond0\"}"));
	ck_assert(passes(b, M2, BOND_MAC));
	ck_assert(passes(b, M2, "02:00:00:00:00:77"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"nomaster\": true}"));
	ck_assert(!passes(b, M1, BOND_MAC));
	ck_assert(!passes(b, M1, "02:00:00:00:00:77"));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"bond0.7\"}"));
	ck_assert(!passes(b, M2, "02:00:00:00:00:77"));
	ck_assert(passes(b, M2, BOND_MAC));
	json_decref(bench_call(b, "link.del", "{\"dev\": \"bond0\"}"));
	ck_assert(!passes(b, M2, BOND_MAC));
	bench_destroy(b);
}
END_TEST

/* It would not see a frame to the bond: the addresses of members are not the bond's. */
START_TEST(a_device_without_room_for_an_address_passes_all)
{
	struct bench *b;

	filters_reset();
	is_filter_full = true;
	b = bond_start(&(struct bond_spec){ .settings = XOR ALL_TWO });
	ck_assert(passes_all[b->ports[M1]]);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"master\": \"bond0\"}"));
	ck_assert(passes_all[b->ports[M2]]);
	ck_assert(!passes_all[b->ports[M3]]);
	bench_destroy(b);
	filters_reset();
}
END_TEST

START_TEST(a_bond_has_the_mac_address_of_its_first_member)
{
	static const struct {
		const char *settings, *want;
	} rows[] = {
		{ XOR ALL_TWO, MEMBER_MAC "0" },
		{ XOR "members = [ \"m2\", \"m0\" ]; ", MEMBER_MAC "2" },
		{ XOR ALL_TWO "mac = \"02:00:00:00:00:99\"; ", "02:00:00:00:00:99" },
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct bench *b = bond_start(&(struct bond_spec){ .settings = rows[i].settings });
		struct drops drops = drops_take(b);
		struct frame frame;

		ck_assert_str_eq(bond_link_text(b, "bond0", "address"), rows[i].want);
		/* Members keep theirs, which is not the bond's. */
		ck_assert_str_eq(bond_link_text(b, "m1", "address"), MEMBER_MAC "1");
		frame_ip4(&frame,
			&(struct ip4_spec){
				.dst_mac = MEMBER_MAC "1", .src = "192.0.2.10", .dst = "8.8.8.8" });
		bench_push(b, M0, &frame);
		drops_expect(b, &drops, "eth_not_for_us", 1);
		frame_ip4(&frame,
			&(struct ip4_spec){
				.dst_mac = rows[i].want, .src = "192.0.2.10", .dst = "8.8.8.8" });
		bench_push(b, M0, &frame);
		ck_assert_uint_eq(bench_count(b, UPLINK), 1);
		bench_destroy(b);
	}
}
END_TEST

START_TEST(a_bond_keeps_its_address_when_its_first_member_leaves)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = BACKUP ALL_TWO });

	json_decref(bench_call(b, "link.set", "{\"dev\": \"m0\", \"nomaster\": true}"));
	bench_discard(b);
	ck_assert_str_eq(bond_link_text(b, "bond0", "address"), BOND_MAC);
	ck_assert(bond_receives(b, M1));
	bench_destroy(b);
}
END_TEST

START_TEST(an_mtu_is_at_most_that_of_all_members)
{
	struct bench *b = bond_start(&(struct bond_spec){ XOR ALL_TWO, .links = VLAN_7 });

	bench_expect_error(b, "link.set", "{\"dev\": \"bond0\", \"mtu\": 1501}",
		"the link takes MTUs of 68 to 1500");
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m1\", \"mtu\": 1400}"));
	ck_assert_int_eq(bench_link_mtu(b, "bond0"), 1400);
	ck_assert_int_eq(bench_link_mtu(b, "bond0.7"), 1400);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"mtu\": 1300}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"m2\", \"master\": \"bond0\"}"));
	ck_assert_int_eq(bench_link_mtu(b, "bond0"), 1300);
	ck_assert_int_eq(bench_link_mtu(b, "bond0.7"), 1300);
	bench_destroy(b);
}
END_TEST

START_TEST(a_bond_in_a_bridge_fails_over)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO,
		.links = ", { name = \"br0\"; type = \"bridge\"; members = [ \"bond0\", \"m3\" ]; "
			 "}" });
	struct drops drops = drops_take(b);
	struct frame frame, got, hello;

	/* For others that are where the bond leads: a bridge's own address moves with it. */
	json_decref(bench_call(b, "addr.add", "{\"local\": \"172.16.9.1/24\", \"dev\": \"br0\"}"));
	bench_discard(b);
	frame_arp(&hello, BOND_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, BOND_MAC, "172.16.9.1", NO_MAC,
		"172.16.9.1");

	for (unsigned int round = 0; round < 2; round++) {
		unsigned int by = round == 0 ? M0 : M1;

		frame_ether_type(&frame, 0x88b5, 64);
		bench_push(b, M3, &frame);
		bench_expect_bytes(b, by, &frame);
		bench_expect_nothing(b);
		bench_push(b, by, &frame);
		bench_receive(b, M3, &got);
		bench_expect_nothing(b);
		bond_carrier(b, M0, false);
		bench_advance(b, 10);
		while (round == 0 && memcmp(got.bytes, hello.bytes, hello.len) != 0)
			bench_expect(b, M1, &got);
		bench_discard(b);
	}
	drops_expect_none(b, &drops);
	bond_carrier(b, M1, false);
	bench_advance(b, 10);
	ck_assert_str_eq(bond_link_text(b, "bond0", "operstate"), "DOWN");
	ck_assert_str_eq(bond_link_text(b, "br0", "operstate"), "UP");
	bench_destroy(b);
}
END_TEST

START_TEST(a_bond_that_is_down_passes_and_says_nothing)
{
	struct bench *b = bond_start(&(struct bond_spec){ BACKUP ALL_TWO, .links = VLAN_7 });
	struct drops drops;
	struct frame frame;

	bond_set(b, "bond0", "down");
	bench_discard(b);
	drops = drops_take(b);
	ck_assert(!bond_receives(b, M0));
	drops_expect(b, &drops, "link_down", 1);
	ck_assert_str_eq(bond_link_text(b, "bond0.7", "operstate"), "LOWERLAYERDOWN");
	bond_carrier(b, M0, false);
	bench_advance(b, 1000);
	bench_expect_nothing(b);
	bond_set(b, "bond0", "up");
	bench_discard(b);
	ck_assert(bond_receives(b, M1));
	bond_packet(&frame, "10.0.0.1", 1000);
	ck_assert_uint_eq(bond_leaves_by(b, &frame, &frame), M1);
	bench_destroy(b);
}
END_TEST

/* Packets of 64 connections, all by one queue of members: each is tracked by one worker, in both directions. */
START_TEST(connections_over_a_bond_are_brought_to_their_owners)
{
	struct bench *b = bond_start(&(struct bond_spec){ XOR ALL_TWO,
		.sections = "firewall: { forward: { rules = ( { action = \"accept\"; } ); }; };",
		.n_workers = 2 });
	struct drops drops = drops_take(b);
	struct frame frame;
	json_t *count;

	for (uint16_t i = 0; i < 64; i++) {
		struct ip4_spec spec = { .dst_mac = BOND_MAC,
			.src = "192.0.2.10",
			.dst = "198.51.100.10",
			.sport = (uint16_t)(2000 + 7 * i),
			.dport = 53 };
		struct ip4_spec back = { .src_mac = PEER_MAC,
			.dst_mac = WAN_MAC,
			.src = "198.51.100.10",
			.dst = "192.0.2.10",
			.sport = 53,
			.dport = (uint16_t)(2000 + 7 * i) };

		frame_ip4(&frame, &spec);
		bench_push(b, i % 2 == 0 ? M0 : M1, &frame);
		frame_ip4(&frame, &back);
		bench_push(b, UPLINK, &frame);
	}
	ck_assert_uint_eq(bench_count(b, UPLINK), 64);
	ck_assert_uint_eq(bench_count(b, M0) + bench_count(b, M1), 64);
	drops_expect_none(b, &drops);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_uint_gt(b->dp->workers[i]->handed_over, 0);
	count = bench_call(b, "conntrack.count", NULL);
	ck_assert_int_eq(json_int_at(count, "count"), 64);
	json_decref(count);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bond_links",
	PLAIN_TEST(devices_pass_the_addresses_of_a_bond_and_its_vlans_while_they_are_members),
	PLAIN_TEST(a_device_without_room_for_an_address_passes_all),
	PLAIN_TEST(a_bond_has_the_mac_address_of_its_first_member),
	PLAIN_TEST(a_bond_keeps_its_address_when_its_first_member_leaves),
	PLAIN_TEST(an_mtu_is_at_most_that_of_all_members),
	PLAIN_TEST(a_bond_in_a_bridge_fails_over),
	PLAIN_TEST(a_bond_that_is_down_passes_and_says_nothing),
	PLAIN_TEST(connections_over_a_bond_are_brought_to_their_owners))
