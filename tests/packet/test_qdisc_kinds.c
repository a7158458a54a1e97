/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * htb and fq_codel with routed packets: who gets what share of a link, which frames are marked or dropped, and what a
 * packet that may go has to do with others that may not. And what qdiscs may hold of all packet buffers.
 */
#include "kit_qdisc.h"

#include <stdlib.h>

#include "base/mem.h"

enum { N_MBUFS = 16384 };

/* Packets of 1000 bytes to a port each. */
static void feed(struct bench *b, uint16_t dport, unsigned int n)
{
	struct frame frame;

	for (unsigned int i = 0; i < n; i++) {
		numbered_spec(&frame, (uint16_t)i,
			&(struct ip4_spec){ .payload_len = 958, .dport = dport });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
}

/* Runs for that time; n[i]: how many came out to port 2000 + i. */
static void count_for(struct bench *b, uint64_t ns, unsigned int *n)
{
	uint64_t end = qdisc_now + qdisc_cycles(b, ns);
	struct frame frame;

	while (b->dp->workers[0]->due <= end && qdisc_step(b))
		;
	qdisc_now = end;
	bench_run(b);
	while (bench_receive(b, WAN, &frame))
		if (frame_ether(&frame)->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
			n[(frame_l4(&frame)[2] << 8 | frame_l4(&frame)[3]) - 2000]++;
}

/* htb */

#define FLOW_FILTERS                                                                               \
	"filters = ( { proto = \"udp\"; dport = 2001; class = \"a\"; }, { proto = \"udp\"; dport " \
	"= 2002; class = \"b\"; } ); }"
/* 1000 packets of 1000 bytes a second. */
#define SHARED                                                                                     \
	"{ link = \"wan\"; kind = \"htb\"; default = \"a\"; classes = ( { name = \"all\"; rate = " \
	"\"8mbit\"; },\n"                                                                          \
	"  { name = \"a\"; parent = \"all\"; rate = \"2mbit\"; ceil = \"8mbit\"; child = { kind "  \
	"= "                                                                                       \
	"\"pfifo\"; limit = 3000; }; },\n"                                                         \
	"  { name = \"b\"; parent = \"all\"; rate = \"6mbit\"; ceil = \"7mbit\"; child = { kind "  \
	"= "                                                                                       \
	"\"pfifo\"; limit = 3000; }; } );\n" FLOW_FILTERS

static const struct {
	const char *name;
	unsigned int n_a, n_b;	   /* packets that wait at the start */
	unsigned int got_a, got_b; /* that leave within a second */
} shares[] = {
	{ "both", 1500, 1500, 250, 750 },
	{ "a alone borrows all", 2000, 0, 1000, 0 },
	{ "b alone borrows up to its ceil", 0, 2000, 0, 875 },
};

START_TEST(classes_share_a_link_by_their_rates)
{
	struct bench *b = qdisc_start_with(NULL, SHARED, 1, N_MBUFS);
	unsigned int n[3] = { 0 };

	feed(b, 2001, shares[_i].n_a);
	feed(b, 2002, shares[_i].n_b);
	/* Bursts of 10 ms and 1600 bytes go first. */
	count_for(b, 500000000, n);
	memset(n, 0, sizeof(n));
	count_for(b, 1000000000, n);
	ck_assert_uint_le(abs((int)n[1] - (int)shares[_i].got_a), 8);
	ck_assert_uint_le(abs((int)n[2] - (int)shares[_i].got_b), 8);
	ck_assert_int_eq(
		class_figure(b, "wan", "all", "stats.qlen"), qdisc_figure(b, "wan", "1:", "qlen"));
	bench_destroy(b);
}
END_TEST

/* The burst of a class holds the longest frame of the link, unless something else is said; also when that grows. */
START_TEST(a_class_lets_every_frame_of_its_link_pass)
{
	static const char jumbo[] =
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mtu = 9000; mac = \"" LAN_MAC
		"\"; "
		"addresses = [ \"192.0.2.1/24\" ]; },\n"
		"  { name = \"wan\"; device = \"net_ring_p1\"; mtu = 5000; mac = \"" WAN_MAC "\"; "
		"addresses = [ \"198.51.100.1/24\" ]; } );\n"
		"neighbors = ( { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC
		"\"; dev = \"wan\"; } );\n";
	struct bench *b = qdisc_start(jumbo,
		"{ link = \"wan\"; kind = \"prio\"; classes = ( { band = 1; child = { kind = "
		"\"htb\"; "
		"default = \"a\"; classes = ( { name = \"a\"; rate = \"8kbit\"; } ); }; } ); }");
	struct drops drops = drops_take(b);

	numbered_send(b, 1, 5014);
	bench_run(b);
	numbered_expect(b, WAN, 1, 1);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 9000}"));
	numbered_send(b, 2, 9014);
	bench_run(b);
	qdisc_run_dry(b);
	numbered_expect(b, WAN, 2, 2);
	drops_expect_none(b, &drops);
	/* As burst or cburst is said, it has to be enough. */
	bench_expect_error(b, "class.change",
		"{\"dev\": \"wan\", \"name\": \"a\", \"burst\": 9013}",
		"classes[0].child.classes[0].burst: must be 9014 bytes at least: a frame of the "
		"link's MTU");
	bench_destroy(b);
}
END_TEST

/* In a class there is a slow band and a fast one: what comes for the fast one does not wait for the slow one's time. */
START_TEST(what_can_go_does_not_wait_for_what_cannot)
{
	static const char *const trees[] = {
		"kind = \"htb\"; default = \"a\"; classes = ( { name = \"a\"; rate = \"8mbit\"; "
		"child = "
		"{ %s }; } );",
		"kind = \"tbf\"; rate = \"8mbit\"; burst = \"4kb\"; limit = 100000; child = { %s "
		"};",
		"kind = \"prio\"; default_band = 1; classes = ( { band = 1; child = { %s }; } );",
		"kind = \"htb\"; default = \"a\"; classes = ( { name = \"a\"; rate = \"8mbit\"; "
		"child = "
		"{ kind = \"htb\"; default = \"b\"; classes = ( { name = \"b\"; rate = \"8mbit\"; "
		"child "
		"= { %s }; } ); }; } );",
	};
	static const char bands[] = "kind = \"prio\"; bands = 2; default_band = 0; filters = ( { "
				    "proto = \"udp\"; dport = "
				    "2001; band = 0; }, { proto = \"udp\"; dport = 2002; band = 1; "
				    "} ); classes = ( { band = "
				    "1; child = { kind = \"tbf\"; rate = \"8kbit\"; burst = 1514; "
				    "limit = 100000; }; } );";
	char *inner = mem_printf(trees[_i], bands);
	char *qdiscs = mem_printf("{ link = \"wan\"; %s }", inner);
	struct bench *b = qdisc_start(NULL, qdiscs);
	unsigned int n[3] = { 0 };

	feed(b, 2002, 5);
	count_for(b, 0, n);
	ck_assert_uint_eq(n[2], 1);
	for (unsigned int i = 1; i <= 3; i++) {
		feed(b, 2001, 1);
		count_for(b, 0, n);
		ck_assert_uint_eq(n[1], i);
		count_for(b, 10000000, n);
	}
	ck_assert_uint_eq(n[2], 1);
	/* And the others at their time: 486 bytes are missing, of 1000 a second. */
	count_for(b, 440000000, n);
	ck_assert_uint_eq(n[2], 1);
	count_for(b, 20000000, n);
	ck_assert_uint_eq(n[2], 2);
	qdisc_run_dry(b);
	ck_assert_int_eq(qdisc_held(b), 0);
	free(inner);
	free(qdiscs);
	bench_destroy(b);
}
END_TEST

/* fq_codel */

#define FAIR(settings)                                                                             \
	"{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = \"4kb\"; limit = 10000000; "  \
	"child = { kind = \"fq_codel\"; " settings " }; }"

START_TEST(flows_share_a_link_evenly_and_a_sparse_one_goes_first)
{
	struct bench *b = qdisc_start_with(
		NULL, FAIR("flows = 65536; target = \"9s\"; interval = \"9s\";"), 1, N_MBUFS);
	unsigned int n[4] = { 0 };

	feed(b, 2001, 1500);
	feed(b, 2002, 500);
	memset(n, 0, sizeof(n));
	count_for(b, 400000000, n);
	/* 4 of the burst, and one every millisecond. */
	ck_assert_uint_le(abs((int)n[1] - (int)n[2]), 8);
	ck_assert_uint_ge(n[1] + n[2], 403);
	feed(b, 2003, 1);
	count_for(b, 2000000, n);
	ck_assert_uint_eq(n[3], 1);
	bench_destroy(b);
}
END_TEST

START_TEST(the_hosts_of_a_link_share_it_evenly_whatever_their_flows)
{
	struct bench *b = qdisc_start_with(NULL,
		FAIR("flows = 65536; target = \"9s\"; interval = \"9s\"; per = \"source\";"), 1,
		N_MBUFS);
	unsigned int n[4] = { 0 };
	struct frame frame;

	/* Ten flows of one host, then one of another. */
	for (unsigned int i = 0; i < 1100; i++) {
		numbered_spec(&frame, 0,
			&(struct ip4_spec){ .src = i < 1000 ? "192.0.2.10" : "192.0.2.11",
				.payload_len = 958,
				.sport = (uint16_t)(1000 + i % 10),
				.dport = i < 1000 ? 2001 : 2002 });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	count_for(b, 150000000, n);
	ck_assert_uint_ge(n[2], 70);
	ck_assert_uint_le(n[2], 80);
	bench_destroy(b);
}
END_TEST

/* All fragments of a datagram go the same way: they come out in their order. */
START_TEST(fragments_of_a_datagram_stay_in_order)
{
	struct bench *b = qdisc_start_with(NULL, FAIR("flows = 65536;"), 1, N_MBUFS);
	struct frame frame;
	uint16_t last = 0;

	for (uint16_t i = 0; i < 60; i++) {
		uint16_t field = (uint16_t)(i % 3 * 120 | (i % 3 < 2 ? RTE_IPV4_HDR_MF_FLAG : 0));

		numbered_spec(&frame, (uint16_t)(i / 3),
			&(struct ip4_spec){ .payload_len = 952, .fragment = field });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	qdisc_run_dry(b);
	for (uint16_t i = 0; i < 60; i++) {
		bench_expect(b, WAN, &frame);
		last = rte_be_to_cpu_16(frame_ip(&frame)->packet_id);
		ck_assert_uint_eq(last, i / 3);
		ck_assert_uint_eq(
			rte_be_to_cpu_16(frame_ip(&frame)->fragment_offset) & 0x1fff, i % 3 * 120);
	}
	bench_destroy(b);
}
END_TEST

/* What has waited too long for too long: marked if both ends know of that, else dropped by name. */
START_TEST(codel_marks_who_understands_it_and_drops_others)
{
	for (unsigned int ecn = 0; ecn < 4; ecn++) {
		struct bench *b = qdisc_start_with(NULL, FAIR(""), 1, N_MBUFS);
		unsigned int n_marked = 0, n_out = 0;
		struct frame frame;
		uint64_t n_dropped;

		for (uint16_t i = 0; i < 600; i++) {
			numbered_spec(&frame, i, &(struct ip4_spec){ .payload_len = 958 });
			frame_ip(&frame)->type_of_service = (uint8_t)(0xb8 | ecn);
			frame_fix_ip(&frame);
			bench_send(b, LAN, &frame);
		}
		bench_run(b);
		qdisc_run_dry(b);
		for (; bench_receive(b, WAN, &frame); n_out++) {
			frame_check_ip4(&frame);
			ck_assert_uint_eq(frame_ip(&frame)->type_of_service >> 2, 0xb8 >> 2);
			n_marked += (frame_ip(&frame)->type_of_service & 3) == 3;
		}
		n_dropped = bench_drops(b, "qdisc_codel");
		ck_assert_uint_eq(n_out + n_dropped, 600);
		/* 600 ms: one after the first 100, then ever more. */
		if (ecn == 0)
			ck_assert_uint_ge(n_dropped, 10);
		else
			ck_assert_uint_eq(n_dropped, 0);
		if (ecn == 1 || ecn == 2) {
			ck_assert_uint_ge(n_marked, 10);
			ck_assert_int_eq(
				qdisc_figure(b, "wan", "2:", "ecn_mark"), (int64_t)n_marked);
		}
		if (ecn == 0)
			ck_assert_int_eq(qdisc_figure(b, "wan", "2:", "drops"), (int64_t)n_dropped);
		bench_destroy(b);
	}
}
END_TEST

START_TEST(a_full_fq_codel_drops_of_its_longest_queue)
{
	struct bench *b = qdisc_start_with(NULL,
		FAIR("flows = 65536; limit = 100; target = \"9s\"; interval = \"9s\";"), 1,
		N_MBUFS);
	struct drops drops = drops_take(b);
	unsigned int n[3] = { 0 };
	uint64_t n_dropped;

	feed(b, 2002, 10);
	feed(b, 2001, 300);
	ck_assert_int_le(qdisc_held(b), 100);
	n_dropped = bench_drops(b, "qdisc_overlimit");
	drops_expect(b, &drops, "qdisc_overlimit", n_dropped);
	qdisc_run_dry(b);
	count_for(b, 1, n);
	ck_assert_uint_eq(n[2], 10);
	ck_assert_uint_eq(n[1], 300 - n_dropped);
	bench_destroy(b);
}
END_TEST

/* Buffers */

/* A quarter of all buffers, shared by those who own any qdiscs: more are not held, whatever limits are configured. */
START_TEST(qdiscs_hold_a_share_of_all_buffers_and_no_more)
{
	struct bench *b = qdisc_start_with(NULL,
		"{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; burst = 1514; limit = "
		"100000000; }",
		1, 2048);
	struct drops drops = drops_take(b);

	feed(b, 2001, 600);
	ck_assert_int_eq(qdisc_held(b), 512);
	drops_expect(b, &drops, "qdisc_pool", 600 - 1 - 512);
	qdisc_run_dry(b);
	feed(b, 2001, 100);
	drops_expect(b, &drops, "qdisc_pool", 600 - 1 - 512);
	bench_destroy(b);
}
END_TEST

/* The end of the daemon with packets in all places is no leak; who had them says so. */
START_TEST(what_waits_at_the_end_is_counted_as_stopped)
{
	struct bench *b = qdisc_start(NULL, SHARED ",\n{ link = \"dmz\"; kind = \"pfifo\"; }");
	struct frame frame;
	int64_t n_held;

	feed(b, 2001, 100);
	feed(b, 2002, 100);
	device_fill(b, DMZ, 0);
	for (uint16_t i = 0; i < 40; i++) {
		numbered_spec(&frame, i, &(struct ip4_spec){ .dst = "10.1.1.1" });
		bench_send(b, LAN, &frame);
	}
	bench_run(b);
	n_held = qdisc_held(b);
	ck_assert_int_gt(n_held, 200);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), n_held);
}
END_TEST

PACKET_MAIN("qdisc_kinds", LOOP_TEST(classes_share_a_link_by_their_rates, shares),
	PLAIN_TEST(a_class_lets_every_frame_of_its_link_pass),
	{ what_can_go_does_not_wait_for_what_cannot, 4 },
	PLAIN_TEST(flows_share_a_link_evenly_and_a_sparse_one_goes_first),
	PLAIN_TEST(the_hosts_of_a_link_share_it_evenly_whatever_their_flows),
	PLAIN_TEST(fragments_of_a_datagram_stay_in_order),
	PLAIN_TEST(codel_marks_who_understands_it_and_drops_others),
	PLAIN_TEST(a_full_fq_codel_drops_of_its_longest_queue),
	PLAIN_TEST(qdiscs_hold_a_share_of_all_buffers_and_no_more),
	PLAIN_TEST(what_waits_at_the_end_is_counted_as_stopped))
