/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which worker a packet belongs to. One table of STEER_BUCKETS buckets is the only truth of it; the
 * bucket of a packet is in the low bits of the Toeplitz hash (Microsoft RSS) of its addresses and
 * ports with the key 6d5a repeated (Woo, Park 2012), so that both directions of a plain flow are one
 * bucket. Hardware that takes our key, hash and table puts packets into the right queues by
 * itself; elsewhere the stage `steer` does the same in software and hands packets over.
 *
 * With that key the hash of a packet depends only on the XOR of its 16-bit words: 16 bits of
 * entropy, predictable by anybody. It steers, nothing else; every other hash is net/hash.h's.
 */
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <stdint.h>

enum {
	STEER_BUCKETS = 128,
	STEER_KEY_MAX = 64,	   /* bytes; drivers want 40 or 52 */
	STEER_BUCKET_NONE = 0xffff /* no IP: belongs to whoever received it */
};

/* Control thread writes owner[] in single stores, workers read. */
struct steer {
	uint8_t hash[2][256]; /* the hash's low bits, for the first and the second byte of a word */
	uint8_t owner[STEER_BUCKETS]; /* worker */
};

void steer_init(struct steer *steer, unsigned int n_workers);
/* The key, as long as a driver wants it (STEER_KEY_MAX at most). */
void steer_key(uint8_t *key, unsigned int len);

/* The bucket of a packet whose 16-bit words have this XOR, in network order. */
static inline unsigned int steer_bucket_of_xor(const struct steer *steer, uint16_t words)
{
	return steer->hash[0][words & 0xff] ^ steer->hash[1][words >> 8];
}

static inline uint16_t steer_fold(uint64_t words)
{
	words ^= words >> 32;
	words ^= words >> 16;
	return (uint16_t)words;
}

/* Source and destination port, where a protocol has them: the first four bytes of its header. */
static inline uint32_t steer_ports(uint8_t proto, const uint8_t *l4)
{
	uint32_t ports = 0;

	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		memcpy(&ports, l4, sizeof(ports));
	return ports;
}

/*
 * The bucket of a frame that nobody has checked yet. Reads up to 78 bytes of it, which are there in
 * any packet buffer, though perhaps not in this packet: for what is cut off or wrong any bucket is
 * right. STEER_BUCKET_NONE: not IP.
 */
static inline unsigned int steer_bucket(const struct steer *steer, const uint8_t *frame)
{
	const uint8_t *ip = frame + RTE_ETHER_HDR_LEN;
	uint64_t words, more[4];
	uint16_t type, fragment;

	memcpy(&type, frame + 12, sizeof(type));
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4))) {
		memcpy(&words, ip + 12, sizeof(words));
		memcpy(&fragment, ip + 6, sizeof(fragment));
		/* All fragments of a datagram belong together, also those without ports. */
		if (likely(!(fragment & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))))
			words ^= steer_ports(ip[9], ip + 4 * (ip[0] & 15));
		return steer_bucket_of_xor(steer, steer_fold(words));
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		memcpy(more, ip + 8, sizeof(more));
		words = more[0] ^ more[1] ^ more[2] ^ more[3] ^ steer_ports(ip[6], ip + 40);
		return steer_bucket_of_xor(steer, steer_fold(words));
	}
	return STEER_BUCKET_NONE;
}
