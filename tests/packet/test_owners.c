/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections on several workers: each belongs to one, wherever its packets come in. Links have one queue, so
 * lan's packets all come to worker 0 and wan's to worker 1; half of them, and more with translation, are
 * another worker's.
 */
#include "kit6.h"

#include "base/mem.h"
#include "flow/flow.h"

enum { HOSTS = 60 };

static const char gateway_config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; conntrack: { max = 4096; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\", \"" WAN6 "/64\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"10.0.0.0/8\"; via = \"192.0.2.10\"; },\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; } );\n"
	"firewall: { forward: { policy = \"drop\"; rules = ( { in = \"lan\"; action = \"accept\"; "
	"} ); };\n"
	"  postrouting: { rules = ( { out = \"wan\"; action = \"masquerade\"; } ); }; };\n";

static const char *host(unsigned int i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.%u.7.%u", i % 5, 10 + i);
	return text;
}

static void send_out(struct bench *b, unsigned int i, uint8_t proto, uint16_t payload_len)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = HOST_MAC,
				  .src = host(i),
				  .dst = "8.8.8.8",
				  .proto = proto,
				  .sport = 4000,
				  .dport = 53,
				  .icmp_type = 8,
				  .payload_len = payload_len });
	bench_send(b, LAN, &frame);
}

/* The answer to what came out of wan. */
static void answer(struct frame *frame)
{
	struct rte_ipv4_hdr *ip = frame_ip(frame);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_l4(frame);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)udp;
	uint32_t addr = ip->src_addr;
	uint16_t port = udp->src_port;

	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	frame_ether(frame)->src_addr = frame_ether(frame)->dst_addr;
	rte_ether_unformat_addr(WAN_MAC, &frame_ether(frame)->dst_addr);
	if (ip->next_proto_id == IPPROTO_ICMP) {
		icmp->icmp_type = 0;
		icmp->icmp_cksum = (uint16_t)(icmp->icmp_cksum + RTE_BE16(0x0800) +
					      (icmp->icmp_cksum + RTE_BE16(0x0800) > UINT16_MAX));
	} else {
		udp->src_port = udp->dst_port;
		udp->dst_port = port;
	}
}

/* An ICMP error about what came out of wan, from a router on the way. */
static void complain(struct frame *error, const struct frame *about)
{
	const struct rte_ipv4_hdr *failed =
		(const struct rte_ipv4_hdr *)(about->bytes + RTE_ETHER_HDR_LEN);
	struct rte_icmp_hdr *icmp;
	char to[32];

	snprintf(to, sizeof(to), "198.51.100.1");
	frame_ip4(error, &(struct ip4_spec){ .src_mac = PEER_MAC,
				 .dst_mac = WAN_MAC,
				 .src = "198.51.100.10",
				 .dst = to,
				 .proto = IPPROTO_ICMP,
				 .icmp_type = 11,
				 .payload_len = 28 });
	icmp = (struct rte_icmp_hdr *)frame_l4(error);
	memcpy(icmp + 1, failed, 28);
	icmp->icmp_ident = icmp->icmp_seq_nb = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp) + 28);
}

static uint64_t handed_over(const struct bench *b)
{
	return b->dp->workers[0]->handed_over + b->dp->workers[1]->handed_over;
}

/* How many of the hosts the frames out of lan are for; each must be right. */
static unsigned int count_hosts(struct bench *b, uint8_t proto)
{
	unsigned int n = 0;
	struct frame got;

	while (bench_receive(b, LAN, &got)) {
		frame_check_ip4(&got);
		ck_assert_uint_eq(
			frame_ip(&got)->dst_addr & RTE_BE32(0xff000000), RTE_BE32(0x0a000000));
		ck_assert_uint_eq(frame_ip(&got)->next_proto_id, proto);
		n++;
	}
	return n;
}

static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_ICMP };

START_TEST(answers_find_the_owner_wherever_they_come_in)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out));
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, protos[_i], 20);
	bench_run(b);
	drops_expect_none(b, &drops);
	for (unsigned int i = 0; i < HOSTS; i++) {
		bench_expect(b, WAN, &out[i]);
		ck_assert_uint_eq(frame_ip(&out[i])->src_addr, ip4_be("198.51.100.1"));
	}
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	for (unsigned int turn = 0; turn < 3; turn++) {
		for (unsigned int i = 0; i < HOSTS; i++) {
			struct frame frame = out[i];

			answer(&frame);
			bench_send(b, WAN, &frame);
		}
		bench_run(b);
		drops_expect_none(b, &drops);
		ck_assert_uint_eq(count_hosts(b, protos[_i]), HOSTS);
	}
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	ck_assert_uint_gt(handed_over(b), 0);
	free(out);
	bench_destroy(b);
}
END_TEST

START_TEST(errors_find_the_owner_of_what_they_quote)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct frame *out = mem_zalloc(HOSTS * sizeof(*out)), error;
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, protos[_i], 20);
	bench_run(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		bench_expect(b, WAN, &out[i]);
	for (unsigned int i = 0; i < HOSTS; i++) {
		complain(&error, &out[i]);
		bench_send(b, WAN, &error);
	}
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(count_hosts(b, IPPROTO_ICMP), HOSTS);
	free(out);
	bench_destroy(b);
}
END_TEST

/* Without ports one peer can have one connection with our address: nobody else gets its answers. */
START_TEST(what_has_no_ports_is_translated_by_the_worker_that_gets_the_answers)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		send_out(b, i, IPPROTO_GRE, 20);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	drops_expect(b, &drops, "nat_clash", HOSTS - 1);
	ck_assert_uint_eq(flow_n_tracked(b->dp), 1);
	bench_destroy(b);
}
END_TEST

/* Behind extension headers steering does not see the ports. */
START_TEST(packets_with_extension_headers_find_the_owner)
{
	static const char options[8] = { IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0 };
	char *config =
		mem_printf("%sfirewall: { forward: { policy = \"drop\"; rules = ( { in = \"lan\"; "
			   "action = \"accept\"; } ); }; };\n",
			router6_config);
	struct bench *b = bench_create(config, 2, 8192);
	struct frame frame;
	struct drops drops;

	bench_advance(b, 2000);
	bench_discard(b);
	drops = drops_take(b);
	for (unsigned int turn = 0; turn < 2; turn++) {
		for (unsigned int i = 0; i < HOSTS; i++) {
			struct ip6_spec there = { .sport = (uint16_t)(4000 + i), .dport = 53 };
			struct ip6_spec back = { .src_mac = PEER_MAC,
				.dst_mac = WAN_MAC,
				.src = FAR6,
				.dst = HOST6,
				.sport = 53,
				.dport = (uint16_t)(4000 + i),
				.ext = options,
				.ext_proto = IPPROTO_DSTOPTS,
				.ext_len = sizeof(options) };

			if (turn == 1) {
				there.ext = options;
				there.ext_proto = IPPROTO_DSTOPTS;
				there.ext_len = sizeof(options);
			}
			frame_ip6(&frame, &there);
			bench_push(b, LAN, &frame);
			frame_ip6(&frame, &back);
			bench_push(b, WAN, &frame);
		}
		drops_expect_none(b, &drops);
		ck_assert_uint_eq(bench_count(b, WAN), HOSTS);
		ck_assert_uint_eq(bench_count(b, LAN), HOSTS);
		ck_assert_uint_eq(flow_n_tracked(b->dp), HOSTS);
	}
	bench_destroy(b);
	free(config);
}
END_TEST

START_TEST(a_bucket_does_not_leave_its_connections_behind)
{
	struct bench *b = bench_create(gateway_config, 2, 8192);

	bench_expect_error(b, "worker.rebalance", "{\"bucket\": 3, \"worker\": 0}",
		"a bucket would move without its connections");
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("owners",
	PLAIN_TEST(what_has_no_ports_is_translated_by_the_worker_that_gets_the_answers),
	PLAIN_TEST(packets_with_extension_headers_find_the_owner),
	PLAIN_TEST(a_bucket_does_not_leave_its_connections_behind),
	LOOP_TEST(answers_find_the_owner_wherever_they_come_in, protos),
	LOOP_TEST(errors_find_the_owner_of_what_they_quote, protos))
