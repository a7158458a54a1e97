/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections on several workers: each belongs to one, wherever its packets come in. Links have one queue, so
 * lan's packets all come to worker 0 and wan's to worker 1; half of them, and more with translation, are
 * another worker's.
 */
#include "kit_gateway.h"

#include "base/mem.h"
#include "flow/flow.h"

static uint64_t handed_over(const struct bench *b)
{
	return b->dp->workers[0]->handed_over + b->dp->workers[1]->handed_over;
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
		gateway_send(b, i, protos[_i], 20);
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

			gateway_answer(&frame);
			bench_send(b, WAN, &frame);
		}
		bench_run(b);
		drops_expect_none(b, &drops);
		ck_assert_uint_eq(gateway_count(b, protos[_i]), HOSTS);
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
		gateway_send(b, i, protos[_i], 20);
	bench_run(b);
	for (unsigned int i = 0; i < HOSTS; i++)
		bench_expect(b, WAN, &out[i]);
	for (unsigned int i = 0; i < HOSTS; i++) {
		gateway_complain(&error, &out[i]);
		bench_send(b, WAN, &error);
	}
	bench_run(b);
	drops_expect_none(b, &drops);
	ck_assert_uint_eq(gateway_count(b, IPPROTO_ICMP), HOSTS);
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
		gateway_send(b, i, IPPROTO_GRE, 20);
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

PACKET_MAIN("owners",
	PLAIN_TEST(what_has_no_ports_is_translated_by_the_worker_that_gets_the_answers),
	PLAIN_TEST(packets_with_extension_headers_find_the_owner),
	LOOP_TEST(answers_find_the_owner_wherever_they_come_in, protos),
	LOOP_TEST(errors_find_the_owner_of_what_they_quote, protos))
