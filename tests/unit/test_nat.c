/* SPDX-License-Identifier: BSD-3-Clause */

/* The choice of ports and addresses for translated connections (lib/nat), without a table. */
#include <rte_byteorder.h>
#include <rte_common.h>

#include "nat/nat_addr.h"
#include "nat/nat_port.h"
#include "net/hash.h"
#include "suite.h"

/* What is in use, whose buckets are whose, and how much was asked. */
struct world {
	bool is_used[65536];
	unsigned int n_workers, me;
	unsigned int n_asked;
	uint16_t asked[1024];
};

static struct world world;
static struct nat_buckets buckets;

static bool world_is_free(const void *ctx, uint16_t port)
{
	ck_assert_uint_lt(world.n_asked, RTE_DIM(world.asked));
	world.asked[world.n_asked++] = port;
	return !world.is_used[port];
}

static bool world_is_mine(const void *ctx, unsigned int bucket)
{
	ck_assert_uint_lt(bucket, STEER_BUCKETS);
	return bucket % world.n_workers == world.me;
}

static void world_clear(unsigned int n_workers, unsigned int me)
{
	memset(&world, 0, sizeof(world));
	world.n_workers = n_workers;
	world.me = me;
	nat_buckets_init(&buckets);
}

static void world_use(unsigned int min, unsigned int max)
{
	for (unsigned int port = min; port <= max; port++)
		world.is_used[port] = true;
}

static struct nat_port_choice choice_of(uint16_t original, uint16_t min, uint16_t max)
{
	return (struct nat_port_choice){
		.mapped = original,
		.original = original,
		.range = { min, max },
		.start = hash_mix(original + UINT64_C(0x9e3779b97f4a7c15), 0xd1342543de82ef95),
		.is_free = world_is_free,
		.is_mine = world_is_mine,
	};
}

/* The port chosen; -1: none. */
static int choose(const struct nat_port_choice *choice)
{
	unsigned int n_used;
	uint16_t port = 0;

	world.n_asked = 0;
	if (!nat_port_choose(choice, &port, &n_used)) {
		ck_assert_uint_eq(n_used, world.n_asked);
		return -1;
	}
	ck_assert_uint_eq(n_used, world.n_asked - 1);
	ck_assert(!world.is_used[port]);
	ck_assert_uint_ge(port, choice->range.min);
	ck_assert_uint_le(port, choice->range.max);
	return port;
}

START_TEST(rfc4787_req3_a_port_is_kept_when_it_is_free)
{
	world_clear(1, 0);
	for (unsigned int port = 1; port < 65536; port += 97) {
		struct nat_port_range range = nat_port_class((uint16_t)port);
		struct nat_port_choice choice = choice_of((uint16_t)port, range.min, range.max);

		ck_assert_int_eq(choose(&choice), (int)port);
		ck_assert_uint_eq(world.n_asked, 1);
	}
}
END_TEST

static const struct {
	uint16_t port, min, max;
} class_rows[] = {
	{ 0, 1, 511 },
	{ 1, 1, 511 },
	{ 511, 1, 511 },
	{ 512, 512, 1023 },
	{ 1023, 512, 1023 },
	{ 1024, 1024, 65535 },
	{ 65535, 1024, 65535 },
};

START_TEST(rfc4787_req3_another_port_is_of_the_same_class)
{
	struct nat_port_range range = nat_port_class(class_rows[_i].port);
	struct nat_port_choice choice;

	ck_assert_uint_eq(range.min, class_rows[_i].min);
	ck_assert_uint_eq(range.max, class_rows[_i].max);
	world_clear(1, 0);
	world.is_used[class_rows[_i].port] = true;
	choice = choice_of(class_rows[_i].port, range.min, range.max);
	ck_assert_int_gt(choose(&choice), 0);
}
END_TEST

START_TEST(rfc4787_req4_parity_is_kept_while_it_can_be)
{
	world_clear(1, 0);
	for (unsigned int port = 2000; port < 2400; port++) {
		struct nat_port_choice choice = choice_of((uint16_t)port, 1024, 65535);

		world.is_used[port] = true;
		choice.has_parity = true;
		ck_assert_int_eq(choose(&choice) % 2, (int)port % 2);
	}
	/* Only odd ones are left: better than none. */
	for (unsigned int port = 3000; port <= 3040; port += 2)
		world.is_used[port] = true;
	for (unsigned int port = 3000; port <= 3040; port += 2) {
		struct nat_port_choice choice = choice_of((uint16_t)port, 3000, 3040);

		choice.has_parity = true;
		ck_assert_int_eq(choose(&choice) % 2, 1);
	}
}
END_TEST

START_TEST(rfc4787_req1_the_port_that_an_endpoint_has_already_goes_before_its_own)
{
	struct nat_port_choice choice = choice_of(5000, 1024, 65535);

	world_clear(1, 0);
	choice.mapped = 6000;
	ck_assert_int_eq(choose(&choice), 6000);
	/* Where somebody else has it, or the rule does not allow it, as if there were none. */
	world.is_used[6000] = true;
	ck_assert_int_eq(choose(&choice), 5000);
	choice.mapped = 6001;
	choice.range.max = 5999;
	ck_assert_int_eq(choose(&choice), 5000);
	world_clear(4, 0);
	choice = choice_of(5000, 1024, 65535);
	choice.buckets = &buckets;
	for (choice.mapped = 6002; choice.mapped < 6100; choice.mapped++)
		if (nat_bucket_of_port(&buckets, choice.mapped) % 4 != 0)
			ck_assert_int_ne(choose(&choice), choice.mapped);
		else
			ck_assert_int_eq(choose(&choice), choice.mapped);
}
END_TEST

START_TEST(rfc4787_req1_workers_choose_the_same_port_whatever_the_peer)
{
	unsigned int n_kept = 0;

	for (unsigned int port = 2000; port < 2100; port++) {
		struct nat_port_choice choice = choice_of((uint16_t)port, 1024, 65535);
		int chosen = -1;

		choice.buckets = &buckets;
		choice.suits_all_peers = true;
		/* What a peer adds is in both. */
		for (unsigned int peer = 0; peer < STEER_BUCKETS; peer++) {
			choice.wanted = (uint8_t)peer;
			choice.rest = (uint8_t)(peer ^ 77);
			world_clear(3, peer % 3);
			if (peer == 0)
				chosen = choose(&choice);
			ck_assert_int_eq(choose(&choice), chosen);
			choice.suits_all_peers = false;
			n_kept += choose(&choice) == (int)port;
			choice.suits_all_peers = true;
		}
	}
	/* Without asking for that, a port is kept where it happens to do. */
	ck_assert_uint_gt(n_kept, 100 * STEER_BUCKETS / 10);
}
END_TEST

START_TEST(a_port_outside_of_the_rules_range_is_not_kept)
{
	struct nat_port_choice choice = choice_of(5000, 6000, 6003);

	world_clear(1, 0);
	ck_assert_int_ne(choose(&choice), -1);
	choice.original = 6002;
	ck_assert_int_eq(choose(&choice), 6002);
}
END_TEST

START_TEST(a_small_range_is_used_up_to_the_last_port)
{
	static const unsigned int sizes[] = { 1, 2, 3, 64, 127, 128 };

	for (unsigned int s = 0; s < RTE_DIM(sizes); s++) {
		unsigned int max = 7000 + sizes[s] - 1;

		world_clear(1, 0);
		for (unsigned int i = 0; i < sizes[s]; i++) {
			struct nat_port_choice choice =
				choice_of((uint16_t)(20000 + i), 7000, (uint16_t)max);
			int port = choose(&choice);

			ck_assert_int_ge(port, 7000);
			world.is_used[port] = true;
		}
		for (unsigned int i = 0; i < 4; i++) {
			struct nat_port_choice choice =
				choice_of((uint16_t)(20000 + i), 7000, (uint16_t)max);

			choice.has_parity = i % 2;
			ck_assert_int_eq(choose(&choice), -1);
		}
	}
}
END_TEST

START_TEST(the_work_is_bounded_whatever_is_in_use)
{
	for (unsigned int n_workers = 1; n_workers <= 4; n_workers++) {
		struct nat_port_choice choice = choice_of(4000, 1024, 65535);

		world_clear(n_workers, 0);
		world_use(0, 65535);
		choice.has_parity = true;
		choice.buckets = &buckets;
		ck_assert_int_eq(choose(&choice), -1);
		ck_assert_uint_le(world.n_asked, NAT_PORT_TRIES + 1);
		ck_assert_uint_gt(world.n_asked, NAT_PORT_TRIES / 2);
	}
}
END_TEST

START_TEST(nearly_full_is_not_full)
{
	unsigned int n_missed = 0;

	world_clear(1, 0);
	/* 90 % in use, in long rows. */
	for (unsigned int port = 1024; port < 65536; port++)
		world.is_used[port] = port / 500 % 10 != 3;
	for (unsigned int i = 0; i < 1000; i++) {
		struct nat_port_choice choice = choice_of((uint16_t)(1024 + 61 * i), 1024, 65535);

		n_missed += choose(&choice) < 0;
	}
	/* Eight places and more, each free with 1/10. */
	ck_assert_uint_lt(n_missed, 550);
	for (unsigned int port = 1024; port < 65536; port++)
		world.is_used[port] = hash_mix(port + 1, 0x9e3779b97f4a7c15) % 10 != 3;
	n_missed = 0;
	for (unsigned int i = 0; i < 1000; i++) {
		struct nat_port_choice choice = choice_of((uint16_t)(1024 + 61 * i), 1024, 65535);

		n_missed += choose(&choice) < 0;
	}
	ck_assert_uint_le(n_missed, 1);
}
END_TEST

START_TEST(no_port_is_asked_for_whose_replies_go_elsewhere)
{
	for (unsigned int n_workers = 2; n_workers <= 5; n_workers++)
		for (unsigned int i = 0; i < 500; i++) {
			struct nat_port_choice choice =
				choice_of((uint16_t)(1024 + 127 * i), 1024, 65535);
			int port;

			world_clear(n_workers, i % n_workers);
			world.is_used[choice.original] = i % 3 == 0;
			choice.buckets = &buckets;
			choice.rest = (uint8_t)(i * 37 % STEER_BUCKETS);
			choice.wanted = (uint8_t)(i * 11 % STEER_BUCKETS);
			port = choose(&choice);
			ck_assert_int_ge(port, 1024);
			for (unsigned int k = 0; k < world.n_asked; k++)
				ck_assert(world_is_mine(NULL,
					choice.rest ^
						nat_bucket_of_port(&buckets, world.asked[k])));
		}
}
END_TEST

/* The bucket of a UDP frame with these ports, as the stage steer sees it. */
static unsigned int frame_bucket(const struct steer *steer, uint16_t sport, uint16_t dport)
{
	uint8_t frame[128] = { 0 };

	frame[12] = 0x08;
	frame[14] = 0x45;
	frame[14 + 9] = IPPROTO_UDP;
	memcpy(frame + 14 + 12, "\xc6\x33\x64\x0a\xcb\x00\x71\x01", 8);
	frame[34] = (uint8_t)(sport >> 8);
	frame[35] = (uint8_t)sport;
	frame[36] = (uint8_t)(dport >> 8);
	frame[37] = (uint8_t)dport;
	return steer_bucket(steer, frame);
}

START_TEST(the_bucket_of_a_port_is_that_of_steering)
{
	struct steer steer;

	world_clear(1, 0);
	steer_init(&steer, 1);
	for (unsigned int port = 0; port < 65536; port++)
		ck_assert_uint_eq(
			frame_bucket(&steer, 443, 0) ^ nat_bucket_of_port(&buckets, (uint16_t)port),
			frame_bucket(&steer, 443, (uint16_t)port));
	ck_assert_uint_eq(buckets.first[STEER_BUCKETS], 256);
}
END_TEST

START_TEST(the_connections_own_bucket_comes_first)
{
	struct steer steer;

	world_clear(4, 1);
	steer_init(&steer, 4);
	for (unsigned int wanted = 1; wanted < STEER_BUCKETS; wanted += 4) {
		struct nat_port_choice choice = choice_of(4000, 1024, 65535);
		unsigned int rest = frame_bucket(&steer, 443, 0);

		world.is_used[4000] = true;
		choice.buckets = &buckets;
		choice.rest = (uint8_t)rest;
		choice.wanted = (uint8_t)wanted;
		ck_assert_uint_eq(frame_bucket(&steer, 443, (uint16_t)choose(&choice)), wanted);
	}
}
END_TEST

START_TEST(rfc6056_where_the_search_begins_is_spread_out)
{
	unsigned int n_upper = 0;

	world_clear(1, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		struct nat_port_choice choice = choice_of((uint16_t)(2000 + i), 1024, 65535);

		world.is_used[choice.original] = true;
		n_upper += choose(&choice) >= 1024 + 64512 / 2;
		world.is_used[choice.original] = false;
	}
	ck_assert_uint_gt(n_upper, 400);
	ck_assert_uint_lt(n_upper, 600);
}
END_TEST

static union flow_addr addr_of(const char *text)
{
	union flow_addr addr = { 0 };
	struct ip_addr parsed;

	ck_assert_int_eq(ip_addr_parse(text, &parsed), 0);
	memcpy(addr.bytes, parsed.bytes, sizeof(addr.bytes));
	return addr;
}

static struct firewall_nat rule_of(uint8_t family, const char *min, const char *max)
{
	return (struct firewall_nat){
		.kind = NAT_SNAT, .family = family, .min = addr_of(min), .max = addr_of(max)
	};
}

static const struct {
	uint8_t family;
	const char *net, *old, *want;
	uint8_t len;
} network_rows[] = {
	{ AF_INET, "203.0.113.0", "192.168.1.77", "203.0.113.77", 24 },
	{ AF_INET, "203.0.113.9", "192.168.1.77", "203.0.113.77", 24 },
	{ AF_INET, "10.64.0.0", "192.168.1.77", "10.104.1.77", 10 },
	{ AF_INET, "203.0.113.9", "192.168.1.77", "203.0.113.9", 32 },
	{ AF_INET, "203.0.113.9", "192.168.1.77", "192.168.1.77", 0 },
	{ AF_INET6, "2001:db8:1::", "fd00:0:0:1::7", "2001:db8:1:1::7", 48 },
	{ AF_INET6, "2001:db8:1:2::", "fd00::1:2:3:4", "2001:db8:1:2:1:2:3:4", 64 },
	{ AF_INET6, "2001:db8::9", "fd00::7", "2001:db8::9", 128 },
	{ AF_INET6, "2001:db8::9", "fd00::7", "fd00::7", 0 },
};

START_TEST(of_a_network_the_host_part_is_kept)
{
	struct firewall_nat nat =
		rule_of(network_rows[_i].family, network_rows[_i].net, network_rows[_i].net);
	union flow_addr old = addr_of(network_rows[_i].old), want = addr_of(network_rows[_i].want);
	union flow_addr got, other = want;

	nat.is_network = true;
	nat.prefix_len = network_rows[_i].len;
	got = nat_addr_pick(&nat, &old, UINT64_MAX);
	ck_assert_mem_eq(&got, &want, sizeof(got));
	ck_assert(nat_addr_allows(&nat, &old, &want));
	other.bytes[network_rows[_i].family == AF_INET ? 3 : 15] ^= 1;
	ck_assert(!nat_addr_allows(&nat, &old, &other));
}
END_TEST

static const struct {
	uint8_t family;
	const char *min, *max, *below, *above;
	unsigned int n; /* 0: more than can be counted here */
} range_rows[] = {
	{ AF_INET, "203.0.113.7", "203.0.113.7", "203.0.113.6", "203.0.113.8", 1 },
	{ AF_INET, "203.0.113.254", "203.0.114.5", "203.0.113.253", "203.0.114.6", 8 },
	{ AF_INET, "0.0.0.0", "255.255.255.255", NULL, NULL, 0 },
	{ AF_INET6, "2001:db8::fffe", "2001:db8::1:2", "2001:db8::fffd", "2001:db8::1:3", 5 },
	{ AF_INET6, "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1",
		"2001:db8::ffff:ffff:ffff:fffe", "2001:db8:0:1::2", 3 },
	{ AF_INET6, "2001:db8::", "2001:db9::", "2001:db7::", "2001:db9::1", 0 },
};

START_TEST(of_a_range_every_address_is_used_and_no_other)
{
	struct firewall_nat nat =
		rule_of(range_rows[_i].family, range_rows[_i].min, range_rows[_i].max);
	union flow_addr old = addr_of(range_rows[_i].family == AF_INET ? "10.0.0.1" : "fd00::1");
	union flow_addr seen[16], addr;
	unsigned int n_seen = 0, k;

	for (unsigned int i = 0; i < 400; i++) {
		uint64_t hash = hash_mix(i + UINT64_C(0xa0761d6478bd642f), 0xe7037ed1a0b428db);

		addr = nat_addr_pick(&nat, &old, i == 0 ? 0 : i == 1 ? UINT64_MAX : hash);
		ck_assert(nat_addr_allows(&nat, &old, &addr));
		for (k = 0; k < n_seen && !nat_addr_is_equal(&seen[k], &addr); k++)
			;
		if (k == n_seen && n_seen < RTE_DIM(seen))
			seen[n_seen++] = addr;
	}
	ck_assert_uint_eq(n_seen, range_rows[_i].n == 0 ? RTE_DIM(seen) : range_rows[_i].n);
	for (k = 0; range_rows[_i].below != NULL && k < 2; k++) {
		addr = addr_of(k == 0 ? range_rows[_i].below : range_rows[_i].above);
		ck_assert(!nat_addr_allows(&nat, &old, &addr));
	}
}
END_TEST

SUITE_MAIN("nat", PLAIN_TEST(rfc4787_req3_a_port_is_kept_when_it_is_free),
	LOOP_TEST(rfc4787_req3_another_port_is_of_the_same_class, class_rows),
	PLAIN_TEST(rfc4787_req4_parity_is_kept_while_it_can_be),
	PLAIN_TEST(rfc4787_req1_the_port_that_an_endpoint_has_already_goes_before_its_own),
	PLAIN_TEST(rfc4787_req1_workers_choose_the_same_port_whatever_the_peer),
	PLAIN_TEST(a_port_outside_of_the_rules_range_is_not_kept),
	PLAIN_TEST(a_small_range_is_used_up_to_the_last_port),
	PLAIN_TEST(the_work_is_bounded_whatever_is_in_use), PLAIN_TEST(nearly_full_is_not_full),
	PLAIN_TEST(no_port_is_asked_for_whose_replies_go_elsewhere),
	PLAIN_TEST(the_bucket_of_a_port_is_that_of_steering),
	PLAIN_TEST(the_connections_own_bucket_comes_first),
	PLAIN_TEST(rfc6056_where_the_search_begins_is_spread_out),
	LOOP_TEST(of_a_network_the_host_part_is_kept, network_rows),
	LOOP_TEST(of_a_range_every_address_is_used_and_no_other, range_rows))
