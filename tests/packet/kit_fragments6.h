/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the tests of IPv6 in fragments share on top of kit6.h: requests to weir in pieces, its replies. */
#include "kit6.h"

enum { PAYLOAD6_MAX = 65495, CUT6_MTU = 1280 };

/* What fragments carry: at first an echo request, perhaps with headers in front. */
struct datagram6 {
	uint32_t len;	/* 0: the last piece was not seen */
	uint32_t have;	/* bytes that were seen */
	uint32_t n;	/* frames */
	uint32_t id_be; /* of their fragment headers */
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	uint8_t hop_limit;
	uint8_t bytes[PAYLOAD6_MAX + 1500];
};

/* Fragment `first` to `end` of a datagram to us. */
struct piece6 {
	uint32_t first, end;
	bool is_last;
	uint8_t id;
	uint8_t next; /* 0: ICMPv6 */
	/* Headers in front of the fragment header; the first is of that kind. */
	const char *before;
	uint8_t before_proto, before_len;
	const char *src, *dst; /* NULL: HOST6, LAN6 */
	uint16_t seg_len;      /* 0: one segment */
	uint8_t port;
};

#define HOP_BY_HOP(next) next "\x00\x01\x04\0\0\0\0"
#define FRAGMENT	 "\x2c"
#define DST_OPTIONS	 "\x3c"

/* The router of kit6.h with more configuration behind. */
struct bench *bench6_start(const char *more);
void bench_set_mtu(struct bench *b, const char *dev, unsigned int mtu);
/* Packets that its only worker holds. */
int64_t bench_held(const struct bench *b);

/* An echo request of len bytes, behind n bytes of extension headers. Heap. */
struct datagram6 *datagram6_request_between(
	const char *src, const char *dst, const char *headers, uint32_t n, uint32_t len);
/* From HOST6 to LAN6, with nothing in front. */
struct datagram6 *datagram6_request(uint32_t len);
/* What an ICMPv6 checksum must be that is zero as yet (RFC 8200 8.1); 0: the one that is there is right. */
uint16_t icmp6_sum(const char *src, const char *dst, const void *message, uint32_t len);

void frame_piece6(struct frame *frame, const struct datagram6 *d, const struct piece6 *piece);
void piece6_send(struct bench *b, const struct datagram6 *d, const struct piece6 *piece);
/* All of it, in pieces of step bytes. */
void datagram6_send(
	struct bench *b, const struct datagram6 *d, const struct piece6 *like, uint32_t step);
/* In the order of a permutation of n pieces, numbered from 0 to n! - 1. */
void datagram6_send_permuted(struct bench *b, const struct datagram6 *d,
	const struct piece6 *pieces, unsigned int n, unsigned int permutation);

/*
 * All that left by the port, which must be the reply to the request, but for n bytes of headers in front
 * of that: whole, or in fragments that are no larger than they may be. Heap.
 */
struct datagram6 *datagram6_reply(struct bench *b, unsigned int port,
	const struct datagram6 *request, uint32_t n, uint16_t mtu);
/* The same from LAN6 to HOST6, and nothing waits any more. */
void datagram6_expect_reply(struct bench *b, const struct datagram6 *request);
