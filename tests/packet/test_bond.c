/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which member of a bond a packet leaves by, in every mode and by every hash policy. Who the members are at
 * a time is in test_bond_members.c, what LACP has to say in test_bond_lacp.c.
 */
#include "kit_bond.h"

#include "base/mem.h"

#define XOR(policy) "mode = \"balance-xor\"; xmit_hash_policy = \"" policy "\"; "

START_TEST(packets_leave_by_each_member_in_turn)
{
	struct bench *b =
		bond_start(&(struct bond_spec){ .settings = "mode = \"balance-rr\"; " ALL_FOUR });
	struct drops drops = drops_take(b);
	struct frame frame, want, got;
	unsigned int first;

	bond_packet(&frame, "10.0.0.1", 1000);
	want = frame;
	frame_forward(&want, BOND_MAC, HOST_MAC);
	first = bond_leaves_by(b, &frame, &got);
	for (unsigned int i = 1; i < 3 * N_MEMBERS; i++) {
		ck_assert_uint_eq(bond_leaves_by(b, &frame, &got), (first + i) % N_MEMBERS);
		ck_assert_uint_eq(got.len, want.len);
		ck_assert_mem_eq(got.bytes, want.bytes, want.len);
	}
	/* A burst of one conversation as well. */
	for (unsigned int i = 0; i < 32; i++)
		bench_send(b, UPLINK, &frame);
	bench_run(b);
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		ck_assert_uint_eq(bench_count(b, i), 8);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* The k-th conversation of a pattern, as frames that the uplink receives. */
struct pattern {
	const char *name, *policy;
	void (*make)(struct frame *frame, unsigned int k, unsigned int step);
	unsigned int step;
	bool is_bridged;
};

static void make_ip4(
	struct frame *frame, unsigned int src, unsigned int dst, unsigned int sport, uint8_t proto)
{
	char from[32], to[32];

	snprintf(from, sizeof(from), "203.0.%u.%u", src / 256, src % 256);
	snprintf(to, sizeof(to), "10.1.%u.%u", dst / 256, dst % 256);
	frame_ip4(frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = from,
				 .dst = to,
				 .proto = proto,
				 .sport = (uint16_t)(1024 + sport),
				 .payload_len = 64 });
}

static void make_hosts(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1, 1 + k * step, 0, IPPROTO_UDP);
}

static void make_clients(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1 + k * step, 1, 0, IPPROTO_UDP);
}

static void make_networks(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1, 256 * (k * step % 256) + 1, 0, IPPROTO_UDP);
}

static void make_pairs(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1 + k * step, 1 + k * step, 0, IPPROTO_TCP);
}

static void make_ports(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1, 1, k * step, IPPROTO_TCP);
}

static void make_icmp(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip4(frame, 1, 1 + k * step, 0, IPPROTO_ICMP);
}

static void make_ip6(struct frame *frame, unsigned int src, unsigned int dst, unsigned int sport)
{
	char from[40], to[40];

	snprintf(from, sizeof(from), "2001:db8:2::%x", src);
	snprintf(to, sizeof(to), "2001:db8:aaaa::%x", dst);
	frame_ip6(frame, &(struct ip6_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = from,
				 .dst = to,
				 .sport = (uint16_t)(1024 + sport),
				 .payload_len = 64 });
}

static void make_hosts6(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip6(frame, 0x10, 1 + k * step, 0);
}

static void make_clients6(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip6(frame, 0x10 + k * step, 1, 0);
}

static void make_ports6(struct frame *frame, unsigned int k, unsigned int step)
{
	make_ip6(frame, 0x10, 1, k * step);
}

/* Of a bridge: the frames of many stations, which are no IP. */
static void make_stations(struct frame *frame, unsigned int k, unsigned int step)
{
	frame_ether_type(frame, 0x88b5, 64);
	frame->bytes[4] = (uint8_t)(k * step / 256 + 0x50);
	frame->bytes[5] = (uint8_t)(k * step);
}

static void make_senders(struct frame *frame, unsigned int k, unsigned int step)
{
	frame_ether_type(frame, 0x88b5, 64);
	frame->bytes[10] = (uint8_t)(k * step / 256 + 0x50);
	frame->bytes[11] = (uint8_t)(k * step);
}

static const struct pattern patterns[] = {
	{ "hosts", "layer2+3", make_hosts, 1 },
	{ "every second host", "layer2+3", make_hosts, 2 },
	{ "every fourth host", "layer2+3", make_hosts, 4 },
	{ "every 16th host", "layer2+3", make_hosts, 16 },
	{ "clients", "layer2+3", make_clients, 1 },
	{ "every fourth client", "layer2+3", make_clients, 4 },
	{ "networks", "layer2+3", make_networks, 1 },
	{ "every fourth network", "layer2+3", make_networks, 4 },
	{ "pairs", "layer2+3", make_pairs, 1 },
	{ "hosts, ports the same", "layer3+4", make_hosts, 1 },
	{ "every fourth host, ports the same", "layer3+4", make_hosts, 4 },
	{ "ports", "layer3+4", make_ports, 1 },
	{ "even ports", "layer3+4", make_ports, 2 },
	{ "every 16th port", "layer3+4", make_ports, 16 },
	{ "no ports", "layer3+4", make_icmp, 1 },
	{ "IPv6 hosts", "layer2+3", make_hosts6, 1 },
	{ "every fourth IPv6 host", "layer3+4", make_hosts6, 4 },
	{ "IPv6 clients", "layer2+3", make_clients6, 1 },
	{ "every second IPv6 client", "layer2+3", make_clients6, 2 },
	{ "every fourth IPv6 client", "layer3+4", make_clients6, 4 },
	{ "IPv6 ports", "layer3+4", make_ports6, 1 },
	{ "even IPv6 ports", "layer3+4", make_ports6, 2 },
	{ "stations", "layer2", make_stations, 1, .is_bridged = true },
	{ "every fourth station", "layer2", make_stations, 4, .is_bridged = true },
	{ "stations, no IP", "layer3+4", make_stations, 1, .is_bridged = true },
	{ "senders", "layer2", make_senders, 1, .is_bridged = true },
	{ "every second sender", "layer2", make_senders, 2, .is_bridged = true },
};

static struct bench *start_pattern(const struct pattern *pattern, const char *members)
{
	char *settings =
		mem_printf("mode = \"balance-xor\"; xmit_hash_policy = \"%s\"; members = [ %s ];",
			pattern->policy, members);
	struct bench *b = bond_start(&(struct bond_spec){
		.settings = settings,
		.links = pattern->is_bridged ? ", { name = \"br0\"; type = \"bridge\"; "
					       "members = [ \"bond0\", \"wan\" ]; }"
					     : NULL,
		.sections =
			"sysctl: { addrconf: { dad_transmits = 0; addr_gen_mode = \"none\"; }; };",
	});

	if (!pattern->is_bridged) {
		json_decref(bench_call(
			b, "addr.add", "{\"local\": \"2001:db8:1::1/64\", \"dev\": \"bond0\"}"));
		json_decref(bench_call(b, "neigh.add",
			"{\"to\": \"2001:db8:1::10\", \"lladdr\": \"" HOST_MAC
			"\", \"dev\": \"bond0\"}"));
		json_decref(bench_call(b, "route.add",
			"{\"to\": \"2001:db8:aaaa::/48\", \"via\": \"2001:db8:1::10\"}"));
	}
	free(settings);
	bench_discard(b);
	return b;
}

/* 64 conversations over two to four members: none is without work, none has more than twice its part. */
START_TEST(conversations_are_spread_and_each_stays_where_it_is)
{
	static const char *const members[] = { "\"m0\", \"m1\"", "\"m0\", \"m1\", \"m2\"",
		"\"m0\", \"m1\", \"m2\", \"m3\"" };
	const struct pattern *pattern = &patterns[_i];
	enum { N = 64 };

	for (unsigned int n = 2; n <= N_MEMBERS; n++) {
		struct bench *b = start_pattern(pattern, members[n - 2]);
		struct drops drops = drops_take(b);
		unsigned int count[N_MEMBERS] = { 0 }, by;
		struct frame frame, got;

		for (unsigned int k = 0; k < N; k++) {
			pattern->make(&frame, k, pattern->step);
			by = bond_leaves_by(b, &frame, &got);
			ck_assert_uint_eq(bond_leaves_by(b, &frame, &got), by);
			count[by]++;
		}
		for (unsigned int i = 0; i < n; i++)
			ck_assert_msg(count[i] >= N / n / 2 && count[i] <= N / n * 2,
				"%s by %s: member %u of %u has %u of %u conversations",
				pattern->name, pattern->policy, i, n, count[i], N);
		drops_expect_none(b, &drops);
		bench_destroy(b);
	}
}
END_TEST

/* What the policy does not look at makes no difference. */
START_TEST(a_policy_looks_at_nothing_else)
{
	static const struct {
		const char *settings;
		bool is_by_hosts, is_by_ports;
	} rows[] = {
		{ XOR("layer2") ALL_FOUR, false, false },
		{ XOR("layer2+3") ALL_FOUR, true, false },
		{ XOR("layer3+4") ALL_FOUR, true, true },
	};

	for (unsigned int r = 0; r < RTE_DIM(rows); r++) {
		struct bench *b = bond_start(&(struct bond_spec){ .settings = rows[r].settings });
		unsigned int seen_by_hosts = 0, seen_by_ports = 0;
		struct frame frame, got;

		for (unsigned int k = 0; k < 32; k++) {
			make_hosts(&frame, k, 1);
			seen_by_hosts |= 1u << bond_leaves_by(b, &frame, &got);
			make_ports(&frame, k, 1);
			seen_by_ports |= 1u << bond_leaves_by(b, &frame, &got);
		}
		ck_assert_int_eq(seen_by_hosts == 0xf, rows[r].is_by_hosts);
		ck_assert_int_eq(rte_is_power_of_2(seen_by_hosts), !rows[r].is_by_hosts);
		ck_assert_int_eq(seen_by_ports == 0xf, rows[r].is_by_ports);
		ck_assert_int_eq(rte_is_power_of_2(seen_by_ports), !rows[r].is_by_ports);
		bench_destroy(b);
	}
}
END_TEST

START_TEST(fragments_of_a_datagram_go_one_way)
{
	static const uint16_t fragments[] = { RTE_IPV4_HDR_MF_FLAG, RTE_IPV4_HDR_MF_FLAG | 10, 20 };
	struct bench *b = bond_start(&(struct bond_spec){ .settings = XOR("layer3+4") ALL_FOUR });
	struct frame frame, got;

	for (unsigned int k = 0; k < 16; k++) {
		unsigned int by = N_MEMBERS;

		for (unsigned int i = 0; i < RTE_DIM(fragments); i++) {
			struct ip4_spec spec = { .src_mac = PEER_MAC,
				.dst_mac = WAN_MAC,
				.src = "198.51.100.10",
				.dst = "10.0.0.1",
				.sport = (uint16_t)(1000 + 7 * k + i),
				.fragment = fragments[i],
				.payload_len = 72 };
			unsigned int way;

			frame_ip4(&frame, &spec);
			way = bond_leaves_by(b, &frame, &got);
			ck_assert(i == 0 || way == by);
			by = way;
		}
	}
	bench_destroy(b);
}
END_TEST

/* A full packet to a VLAN of the bond with a smaller MTU: weir makes the fragments. */
START_TEST(fragments_that_weir_makes_go_one_way_with_their_tags)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = XOR("layer3+4") ALL_FOUR,
		.links = ", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; "
			 "mtu = 600; addresses = [ \"172.16.0.1/24\" ]; }" });
	unsigned int n_used = 0;
	struct frame frame;

	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"172.16.0.10\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"bond0.7\"}"));
	bench_discard(b);
	for (unsigned int k = 0; k < 32; k++) {
		struct ip4_spec spec = { .src_mac = PEER_MAC,
			.dst_mac = WAN_MAC,
			.src = mem_printf("198.51.100.%u", 10 + k),
			.dst = "172.16.0.10",
			.payload_len = 1400 };
		unsigned int n = 0;

		frame_ip4(&frame, &spec);
		bench_push(b, UPLINK, &frame);
		for (unsigned int i = 0; i < N_MEMBERS; i++) {
			unsigned int count = 0;

			while (bench_receive(b, i, &frame)) {
				count++;
				ck_assert_uint_eq(frame.bytes[12] << 8 | frame.bytes[13], 0x8100);
				ck_assert_uint_eq(frame.bytes[15], 7);
			}
			ck_assert_msg(count == 0 || count == 3, "%u of 3 fragments", count);
			n += count;
			n_used |= count > 0 ? 1u << i : 0;
		}
		ck_assert_uint_eq(n, 3);
		free((void *)(uintptr_t)spec.src);
	}
	ck_assert_uint_eq(n_used, 0xf);
	bench_destroy(b);
}
END_TEST

/* Each tag of those that weir knows: the hash is of what is behind. Bridged, so that tags stay as they come. */
START_TEST(tags_are_looked_behind)
{
	struct pattern pattern = { .policy = "layer3+4", .is_bridged = true };
	struct bench *b = start_pattern(&pattern, "\"m0\", \"m1\", \"m2\", \"m3\"");
	unsigned int count[3][N_MEMBERS] = { 0 };
	struct frame frame, got;

	for (unsigned int k = 0; k < 64; k++)
		for (unsigned int n_tags = 0, by, first = 0; n_tags < 3; n_tags++) {
			make_ports(&frame, k, 1);
			frame.bytes[4] = 0x77; /* to nobody: flooded */
			for (unsigned int i = 0; i < n_tags; i++)
				frame_tag(&frame, i == 1 ? 0x88a8 : 0x8100, (uint16_t)(100 + i));
			by = bond_leaves_by(b, &frame, &got);
			ck_assert_uint_eq(got.len, frame.len);
			count[n_tags][by]++;
			ck_assert(n_tags == 0 || by == first);
			first = by;
		}
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		ck_assert_uint_gt(count[2][i], 7);
	bench_destroy(b);
}
END_TEST

/* Of two stations, who sends and who answers: the same member, as in Linux. */
START_TEST(both_directions_of_layer2_have_one_member)
{
	struct pattern pattern = { .policy = "layer2", .is_bridged = true };
	struct bench *b = start_pattern(&pattern, "\"m0\", \"m1\", \"m2\", \"m3\"");
	struct frame frame, got;

	for (unsigned int k = 0; k < 64; k++) {
		uint8_t macs[12] = { 0x02, (uint8_t)k, 1, 2, 3, 4, 0xfe, 7, (uint8_t)(5 * k), 8, 9,
			(uint8_t)k };
		unsigned int by;

		frame_ether_type(&frame, 0x88b5, 64);
		memcpy(frame.bytes, macs, 12);
		by = bond_leaves_by(b, &frame, &got);
		/* Without what the bridge has learned from that. */
		json_decref(bench_call(b, "link.del", "{\"dev\": \"br0\"}"));
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"br0\", \"type\": \"bridge\", \"members\": [\"bond0\", "
			"\"wan\"]}"));
		bench_discard(b);
		memcpy(frame.bytes, macs + 6, 6);
		memcpy(frame.bytes + 6, macs, 6);
		ck_assert_uint_eq(bond_leaves_by(b, &frame, &got), by);
		json_decref(bench_call(b, "link.del", "{\"dev\": \"br0\"}"));
		json_decref(bench_call(b, "link.add",
			"{\"name\": \"br0\", \"type\": \"bridge\", \"members\": [\"bond0\", "
			"\"wan\"]}"));
		bench_discard(b);
	}
	bench_destroy(b);
}
END_TEST

/* Packets to the bond, to a VLAN on it and to others in one lane: each is where it would be alone. */
START_TEST(a_mixed_burst_is_dealt_out_as_one_by_one)
{
	struct bench *b = bond_start(&(struct bond_spec){ .settings = XOR("layer3+4") ALL_FOUR,
		.links = ", { name = \"bond0.7\"; type = \"vlan\"; parent = \"bond0\"; vid = 7; "
			 "addresses = [ \"172.16.0.1/24\" ]; }" });
	struct drops drops;
	struct frame frame, got;
	unsigned int want[N_MEMBERS + 1] = { 0 };

	json_decref(bench_call(b, "neigh.add",
		"{\"to\": \"172.16.0.10\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"bond0.7\"}"));
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int is_burst = 0; is_burst < 2; is_burst++) {
		for (unsigned int k = 0; k < 30; k++) {
			bond_packet(&frame, k % 2 == 0 ? "10.0.0.1" : "172.16.0.10",
				(uint16_t)(1000 + k));
			if (is_burst)
				bench_send(b, UPLINK, &frame);
			else
				want[bond_leaves_by(b, &frame, &got)]++;
		}
	}
	/* And one that goes back where it came from. */
	bond_packet(&frame, "8.8.8.8", 1);
	bench_send(b, UPLINK, &frame);
	want[UPLINK] = 1;
	bench_run(b);
	for (unsigned int i = 0; i <= N_MEMBERS; i++)
		ck_assert_uint_eq(bench_count(b, i), want[i]);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("bond", PLAIN_TEST(packets_leave_by_each_member_in_turn),
	LOOP_TEST(conversations_are_spread_and_each_stays_where_it_is, patterns),
	PLAIN_TEST(a_policy_looks_at_nothing_else), PLAIN_TEST(fragments_of_a_datagram_go_one_way),
	PLAIN_TEST(fragments_that_weir_makes_go_one_way_with_their_tags),
	PLAIN_TEST(tags_are_looked_behind), PLAIN_TEST(both_directions_of_layer2_have_one_member),
	PLAIN_TEST(a_mixed_burst_is_dealt_out_as_one_by_one))
