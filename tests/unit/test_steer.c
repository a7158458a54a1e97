/* SPDX-License-Identifier: BSD-3-Clause */

/* The steering hash (lib/link/steer.h) against DPDK's Toeplitz in software. */
#include "link/steer.h"

#include <rte_thash.h>
#include <stdlib.h>

#include "suite.h"

struct packet {
	uint8_t bytes[128];
	uint8_t tuple[36]; /* addresses and ports, network order */
	unsigned int tuple_len;
};

static uint32_t toeplitz(const struct packet *packet)
{
	uint32_t words[9];
	uint8_t key[STEER_KEY_MAX];

	steer_key(key, sizeof(key));
	/* rte_softrss() wants the words of the tuple in host order. */
	for (unsigned int i = 0; i < packet->tuple_len / 4; i++) {
		memcpy(&words[i], packet->tuple + 4 * i, 4);
		words[i] = rte_be_to_cpu_32(words[i]);
	}
	return rte_softrss(words, packet->tuple_len / 4, key);
}

/* Random addresses and ports; swapped: the way back. */
static struct packet make_packet(bool is_ip6, uint8_t proto, bool has_options)
{
	struct packet p = { .tuple_len = is_ip6 ? 32 : 8 };
	uint8_t *ip = p.bytes + RTE_ETHER_HDR_LEN, *l4;

	for (unsigned int i = 0; i < sizeof(p.bytes); i++)
		p.bytes[i] = (uint8_t)rand();
	p.bytes[12] = is_ip6 ? 0x86 : 0x08;
	p.bytes[13] = is_ip6 ? 0xdd : 0x00;
	ip[0] = is_ip6 ? 0x60 : has_options ? 0x4f : 0x45;
	ip[is_ip6 ? 6 : 9] = proto;
	if (!is_ip6)
		ip[6] = ip[7] = 0;
	l4 = ip + (is_ip6 ? 40 : 4 * (ip[0] & 15));
	memcpy(p.tuple, ip + (is_ip6 ? 8 : 12), p.tuple_len);
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
		memcpy(p.tuple + p.tuple_len, l4, 4);
		p.tuple_len += 4;
	}
	return p;
}

static void swap_bytes(uint8_t *a, uint8_t *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void swap_ends(struct packet *p, bool is_ip6, bool has_ports)
{
	uint8_t *ip = p->bytes + RTE_ETHER_HDR_LEN;
	uint8_t *l4 = ip + (is_ip6 ? 40 : 4 * (ip[0] & 15));

	if (is_ip6)
		swap_bytes(ip + 8, ip + 24, 16);
	else
		swap_bytes(ip + 12, ip + 16, 4);
	if (has_ports)
		swap_bytes(l4, l4 + 2, 2);
}

START_TEST(bucket_is_in_the_low_bits_of_the_toeplitz_hash)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 47 };
	struct steer steer;

	steer_init(&steer, 1);
	srand(1);
	for (unsigned int i = 0; i < 4000; i++) {
		bool is_ip6 = i & 1, has_options = i & 2;
		uint8_t proto = protos[i / 4 % 4];
		struct packet p = make_packet(is_ip6, proto, has_options);
		unsigned int bucket = steer_bucket(&steer, p.bytes);

		ck_assert_uint_eq(bucket, toeplitz(&p) % STEER_BUCKETS);
		swap_ends(&p, is_ip6, proto == IPPROTO_TCP || proto == IPPROTO_UDP);
		ck_assert_uint_eq(steer_bucket(&steer, p.bytes), bucket);
	}
}
END_TEST

START_TEST(fragments_have_the_bucket_of_their_addresses)
{
	struct packet p = make_packet(false, IPPROTO_UDP, false);
	struct steer steer;

	steer_init(&steer, 1);
	p.tuple_len = 8;
	for (unsigned int field = 1; field < 0x4000; field++) {
		uint8_t *ip = p.bytes + RTE_ETHER_HDR_LEN;

		ip[6] = (uint8_t)(field >> 8);
		ip[7] = (uint8_t)field;
		ck_assert_uint_eq(steer_bucket(&steer, p.bytes), toeplitz(&p) % STEER_BUCKETS);
	}
}
END_TEST

START_TEST(buckets_are_dealt_out_evenly)
{
	struct steer steer;

	for (unsigned int n = 1; n <= 64; n++) {
		unsigned int owned[64] = { 0 };

		steer_init(&steer, n);
		for (unsigned int b = 0; b < STEER_BUCKETS; b++)
			owned[steer.owner[b]]++;
		for (unsigned int w = 0; w < n; w++)
			ck_assert(owned[w] == 128 / n || owned[w] == 128 / n + 1);
	}
}
END_TEST

SUITE_MAIN("steer", PLAIN_TEST(bucket_is_in_the_low_bits_of_the_toeplitz_hash),
	PLAIN_TEST(fragments_have_the_bucket_of_their_addresses),
	PLAIN_TEST(buckets_are_dealt_out_evenly))
