/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ARP frames in and out (RFC 826, RFC 5227): what is answered, what is dropped by which name, and
 * what is learned from whom. What time does to neighbours is in test_neigh.c.
 *
 *	192.0.2.0/24 --- lan (p0) weir wan (p1) --- 198.51.100.0/24
 */
#include "kit.h"

enum { REQUEST = RTE_ARP_OP_REQUEST, REPLY = RTE_ARP_OP_REPLY };

static const char other_mac[] = "02:00:00:00:01:99";

/* A request of a host on lan. */
static void ask(struct frame *frame, const char *sender, const char *target)
{
	frame_arp(frame, HOST_MAC, ANY_MAC, REQUEST, HOST_MAC, sender, NO_MAC, target);
}

static void answer_of_lan(struct frame *frame, const char *sender, const char *target)
{
	frame_arp(frame, LAN_MAC, HOST_MAC, REPLY, LAN_MAC, sender, HOST_MAC, target);
}

/* Answering */

START_TEST(a_request_for_our_address_is_answered)
{
	struct bench *b = bench_start(NULL);
	struct drops drops = drops_take(b);
	struct frame frame, reply;

	answer_of_lan(&reply, "192.0.2.1", "192.0.2.10");
	ask(&frame, "192.0.2.10", "192.0.2.1");
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	/* Padded to Ethernet's 60 bytes, as from a wire. */
	memset(frame.bytes + frame.len, 0xee, 60 - frame.len);
	frame.len = 60;
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	/* To our own MAC address: a neighbour makes sure of us. */
	frame_arp(&frame, HOST_MAC, LAN_MAC, REQUEST, HOST_MAC, "192.0.2.10", LAN_MAC, "192.0.2.1");
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	bench_expect_nothing(b);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_request_in_segments_is_answered)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, reply;

	answer_of_lan(&reply, "192.0.2.1", "192.0.2.10");
	ask(&frame, "192.0.2.10", "192.0.2.1");
	memset(frame.bytes + frame.len, 0xee, 60 - frame.len);
	frame.len = 60;
	for (uint16_t first = 1; first < frame.len; first++) {
		bench_push_split(b, LAN, &frame, first);
		bench_expect_bytes(b, LAN, &reply);
		bench_send_segs(b, LAN, &frame, first);
		bench_run(b);
		bench_expect_bytes(b, LAN, &reply);
	}
	bench_destroy(b);
}
END_TEST

START_TEST(a_probe_is_answered_to_the_prober)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, reply;

	ask(&frame, "0.0.0.0", "192.0.2.1");
	answer_of_lan(&reply, "192.0.2.1", "0.0.0.0");
	bench_push(b, LAN, &frame);
	bench_expect_bytes(b, LAN, &reply);
	/* Nothing is learned from somebody without an address. */
	ck_assert_str_eq(bench_neigh(b, "0.0.0.0/0"), "");
	bench_destroy(b);
}
END_TEST

START_TEST(a_request_in_a_shared_buffer_is_answered_from_another)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, reply;
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);

	ask(&frame, "192.0.2.10", "192.0.2.1");
	answer_of_lan(&reply, "192.0.2.1", "192.0.2.10");
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame.len), frame.bytes, frame.len);
	rte_mbuf_refcnt_update(m, 1);
	ck_assert_int_eq(rte_ring_enqueue(b->rx[LAN], m), 0);
	bench_run(b);
	bench_expect_bytes(b, LAN, &reply);
	ck_assert_mem_eq(rte_pktmbuf_mtod(m, void *), frame.bytes, frame.len);
	rte_pktmbuf_free(m);
	bench_destroy(b);
}
END_TEST

START_TEST(new_addresses_are_announced_and_answered_gone_ones_are_not)
{
	struct bench *b = bench_create(NULL, 1, 4096);
	struct frame frame, announcement;

	/* RFC 5227 2.3: a request for the address, from the address. */
	frame_arp(&announcement, LAN_MAC, ANY_MAC, REQUEST, LAN_MAC, "192.0.2.1", NO_MAC,
		"192.0.2.1");
	bench_expect_bytes(b, LAN, &announcement);
	bench_discard(b);
	json_decref(bench_call(b, "addr.add", "{\"local\": \"192.0.2.7/24\", \"dev\": \"lan\"}"));
	frame_arp(&announcement, LAN_MAC, ANY_MAC, REQUEST, LAN_MAC, "192.0.2.7", NO_MAC,
		"192.0.2.7");
	bench_expect_bytes(b, LAN, &announcement);
	ask(&frame, "192.0.2.10", "192.0.2.7");
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	json_decref(bench_call(b, "addr.del", "{\"local\": \"192.0.2.7/24\", \"dev\": \"lan\"}"));
	bench_push(b, LAN, &frame);
	bench_expect_nothing(b);
	ck_assert_uint_eq(bench_drops(b, "arp_not_for_us"), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(announcements_can_be_switched_off)
{
	struct bench *b = bench_create("links = ( { name = \"lan\"; device = \"net_ring_p0\";\n"
				       "  addresses = [ \"192.0.2.1/24\" ]; } );\n"
				       "sysctl: { neigh: { arp_notify = false; }; };",
		1, 4096);

	bench_discard(b);
	json_decref(bench_call(b, "addr.add", "{\"local\": \"192.0.2.7/24\", \"dev\": \"lan\"}"));
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* Refusing */

#define ARP(n) (RTE_ETHER_HDR_LEN + (n))

static const struct {
	const char *name, *reason;
	struct {
		uint16_t at;
		uint8_t n;
		const char *bytes;
	} patch[2];
	uint32_t len;
} malformed[] = {
	{ "cut off after the Ethernet header", "arp_truncated", .len = ARP(0) },
	{ "cut off in the fixed fields", "arp_truncated", .len = ARP(7) },
	{ "cut off by a byte", "arp_truncated", .len = ARP(27) },
	{ "not Ethernet", "arp_bad_hardware", { { ARP(0), 2, "\x00\x06" } } },
	{ "not IPv4", "arp_bad_protocol", { { ARP(2), 2, "\x86\xdd" } } },
	{ "long hardware addresses", "arp_bad_length", { { ARP(4), 1, "\x08" } } },
	{ "short protocol addresses", "arp_bad_length", { { ARP(5), 1, "\x03" } } },
	{ "no lengths", "arp_bad_length", { { ARP(4), 2, "\x00\x00" } } },
	{ "opcode 0", "arp_bad_opcode", { { ARP(6), 2, "\x00\x00" } } },
	{ "reverse request", "arp_bad_opcode", { { ARP(6), 2, "\x00\x03" } } },
	{ "opcode in the wrong byte", "arp_bad_opcode", { { ARP(6), 2, "\x01\x00" } } },
	{ "sender without MAC", "arp_bad_sender_mac",
		{ { ARP(8), 6, "\x00\x00\x00\x00\x00\x00" } } },
	{ "broadcast sender MAC", "arp_bad_sender_mac",
		{ { ARP(8), 6, "\xff\xff\xff\xff\xff\xff" } } },
	{ "multicast sender MAC", "arp_bad_sender_mac",
		{ { ARP(8), 6, "\x01\x00\x5e\x00\x00\x01" } } },
	{ "multicast sender", "arp_bad_sender_ip", { { ARP(14), 4, "\xe0\x00\x00\x01" } } },
	{ "broadcast sender", "arp_bad_sender_ip", { { ARP(14), 4, "\xff\xff\xff\xff" } } },
	{ "loopback sender", "arp_bad_sender_ip", { { ARP(14), 4, "\x7f\x00\x00\x01" } } },
	{ "sender in this network", "arp_bad_sender_ip", { { ARP(14), 4, "\x00\x00\x00\x01" } } },
	{ "a reply from nobody", "arp_bad_sender_ip",
		{ { ARP(6), 2, "\x00\x02" }, { ARP(14), 4, "\x00\x00\x00\x00" } } },
	{ "for somebody else", "arp_not_for_us", { { ARP(24), 4, "\xc0\x00\x02\x02" } } },
	{ "for our address on another link", "arp_not_for_us",
		{ { ARP(24), 4, "\xc6\x33\x64\x01" } } },
	{ "a reply to somebody else", "arp_not_for_us",
		{ { ARP(6), 2, "\x00\x02" }, { ARP(24), 4, "\xc0\x00\x02\x02" } } },
	{ "our address with another MAC", "arp_conflict", { { ARP(14), 4, "\xc0\x00\x02\x01" } } },
	{ "our own frame", "arp_own",
		{ { ARP(8), 10, "\x02\x00\x00\x00\x00\x01\xc0\x00\x02\x01" } } },
};

START_TEST(an_arp_packet_that_is_not_for_us_is_dropped_by_name)
{
	struct bench *b = bench_start(NULL);
	struct drops drops = drops_take(b);
	struct frame frame;

	ask(&frame, "192.0.2.10", "192.0.2.1");
	for (unsigned int i = 0; i < RTE_DIM(malformed[_i].patch); i++)
		memcpy(frame.bytes + malformed[_i].patch[i].at,
			malformed[_i].patch[i].n > 0 ? malformed[_i].patch[i].bytes : "",
			malformed[_i].patch[i].n);
	if (malformed[_i].len != 0)
		frame.len = malformed[_i].len;
	bench_push(b, LAN, &frame);
	drops_expect(b, &drops, malformed[_i].reason, 1);
	ck_assert_str_eq(bench_neigh(b, "0.0.0.0/0"), "");
	/* Only a conflict makes us speak. */
	ck_assert_uint_eq(bench_count(b, LAN), strcmp(malformed[_i].reason, "arp_conflict") == 0);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

START_TEST(a_conflict_is_answered_once_in_ten_seconds)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, announcement;
	char mac[] = "02:00:00:00:01:a0";

	frame_arp(&announcement, LAN_MAC, ANY_MAC, REQUEST, LAN_MAC, "192.0.2.1", NO_MAC,
		"192.0.2.1");
	for (unsigned int second = 0; second < 22; second++) {
		mac[16] = (char)('0' + second % 10);
		frame_arp(&frame, mac, ANY_MAC, REQUEST, mac, "192.0.2.1", NO_MAC, "192.0.2.1");
		bench_push(b, LAN, &frame);
		if (second % 10 == 0)
			bench_expect_bytes(b, LAN, &announcement);
		bench_expect_nothing(b);
		bench_advance(b, 1000);
	}
	ck_assert_uint_eq(bench_drops(b, "arp_conflict"), 22);
	bench_destroy(b);
}
END_TEST

/* Learning */

/* What a host on lan with another MAC address says of 192.0.2.10. */
static const struct {
	const char *name;
	uint16_t op;
	const char *eth_dst, *target_mac, *target;
	const char *new_state; /* of an entry that was not there; "": none is made */
	const char *old_state; /* of one that was STALE with the host's MAC */
	bool is_believed;      /* the entry then has the new MAC, also within locktime */
} heard[] = {
	{ "a request to us", REQUEST, ANY_MAC, NO_MAC, "192.0.2.1", "STALE", "STALE", true },
	{ "a unicast request to us", REQUEST, LAN_MAC, NO_MAC, "192.0.2.1", "STALE", "STALE",
		true },
	{ "a request to somebody else", REQUEST, ANY_MAC, NO_MAC, "192.0.2.99", "", "STALE",
		false },
	{ "a reply to us", REPLY, LAN_MAC, LAN_MAC, "192.0.2.1", "", "STALE", false },
	{ "a reply to somebody else", REPLY, LAN_MAC, LAN_MAC, "192.0.2.99", "", "STALE", false },
	{ "a broadcast reply", REPLY, ANY_MAC, LAN_MAC, "192.0.2.1", "", "STALE", false },
	{ "a gratuitous request", REQUEST, ANY_MAC, NO_MAC, "192.0.2.10", "", "STALE", true },
	{ "a gratuitous reply", REPLY, ANY_MAC, other_mac, "192.0.2.10", "", "STALE", true },
	{ "half a gratuitous reply", REPLY, ANY_MAC, NO_MAC, "192.0.2.10", "", "STALE", false },
};

static void check_lladdr(struct bench *b, const char *addr, const char *want)
{
	json_t *rows = bench_call(b, "neigh.show", NULL), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (strcmp(json_text_at(row, "dst"), addr) != 0)
			continue;
		ck_assert_str_eq(json_text_at(row, "lladdr"), want);
		break;
	}
	ck_assert_uint_lt(i, json_array_size(rows));
	json_decref(rows);
}

static void say(struct bench *b, unsigned int row)
{
	struct frame frame;

	frame_arp(&frame, other_mac, heard[row].eth_dst, heard[row].op, other_mac, "192.0.2.10",
		heard[row].target_mac, heard[row].target);
	bench_push(b, LAN, &frame);
	bench_discard(b);
}

START_TEST(only_requests_to_us_make_entries)
{
	struct bench *b = bench_start(NULL);

	say(b, (unsigned int)_i);
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"), heard[_i].new_state);
	bench_destroy(b);
}
END_TEST

START_TEST(what_is_heard_updates_entries_unless_they_are_too_new)
{
	struct bench *b = bench_start(NULL);

	bench_learn(b, LAN, "192.0.2.10", HOST_MAC);
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"), "STALE");
	say(b, (unsigned int)_i); /* within neigh.locktime */
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"), heard[_i].old_state);
	check_lladdr(b, "192.0.2.10", heard[_i].is_believed ? other_mac : HOST_MAC);
	bench_destroy(b);
}
END_TEST

START_TEST(after_locktime_anything_updates_an_entry)
{
	struct bench *b = bench_start(NULL);

	bench_learn(b, LAN, "192.0.2.10", HOST_MAC);
	bench_advance(b, 1000);
	say(b, (unsigned int)_i);
	check_lladdr(b, "192.0.2.10", other_mac);
	ck_assert_str_eq(bench_neigh(b, "192.0.2.10"),
		heard[_i].op == REPLY && strcmp(heard[_i].eth_dst, LAN_MAC) == 0 ? "REACHABLE"
										 : "STALE");
	bench_destroy(b);
}
END_TEST

START_TEST(no_entry_is_made_for_an_address_of_no_connected_network)
{
	static const char *const senders[] = { "10.0.0.1", "192.0.2.0", "192.0.2.255",
		"198.51.100.9" };
	struct bench *b = bench_start(NULL);
	struct frame frame, reply;

	for (unsigned int i = 0; i < RTE_DIM(senders); i++) {
		ask(&frame, senders[i], "192.0.2.1");
		answer_of_lan(&reply, "192.0.2.1", senders[i]);
		bench_push(b, LAN, &frame);
		bench_expect_bytes(b, LAN, &reply);
		ck_assert_str_eq(bench_neigh(b, senders[i]), "");
	}
	bench_destroy(b);
}
END_TEST

START_TEST(packets_follow_a_neighbour_to_its_new_mac)
{
	struct bench *b = bench_start(NULL);
	struct frame frame, gratuitous;

	bench_learn(b, WAN, "198.51.100.10", PEER_MAC);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.10" });
	bench_push(b, LAN, &frame);
	frame_arp(&gratuitous, other_mac, ANY_MAC, REQUEST, other_mac, "198.51.100.10", NO_MAC,
		"198.51.100.10");
	bench_send(b, LAN, &frame);
	bench_send(b, WAN, &gratuitous);
	bench_run(b);
	bench_push(b, LAN, &frame);
	frame_forward(&frame, WAN_MAC, PEER_MAC);
	bench_expect_bytes(b, WAN, &frame);
	bench_expect_bytes(b, WAN, &frame);
	memcpy(frame_ether(&frame)->dst_addr.addr_bytes,
		frame_ether(&gratuitous)->src_addr.addr_bytes, RTE_ETHER_ADDR_LEN);
	bench_expect_bytes(b, WAN, &frame);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("arp", PLAIN_TEST(a_request_for_our_address_is_answered),
	PLAIN_TEST(a_request_in_segments_is_answered),
	PLAIN_TEST(a_probe_is_answered_to_the_prober),
	PLAIN_TEST(a_request_in_a_shared_buffer_is_answered_from_another),
	PLAIN_TEST(new_addresses_are_announced_and_answered_gone_ones_are_not),
	PLAIN_TEST(announcements_can_be_switched_off),
	LOOP_TEST(an_arp_packet_that_is_not_for_us_is_dropped_by_name, malformed),
	PLAIN_TEST(a_conflict_is_answered_once_in_ten_seconds),
	LOOP_TEST(only_requests_to_us_make_entries, heard),
	LOOP_TEST(what_is_heard_updates_entries_unless_they_are_too_new, heard),
	LOOP_TEST(after_locktime_anything_updates_an_entry, heard),
	PLAIN_TEST(no_entry_is_made_for_an_address_of_no_connected_network),
	PLAIN_TEST(packets_follow_a_neighbour_to_its_new_mac))
