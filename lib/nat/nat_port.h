/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The choice of a port for a translated connection (RFC 4787 4.2, RFC 6056 3.3.3), also of an ICMP
 * identifier. No state and no table: who calls says which ports are in use. Bounded work: at most
 * NAT_PORT_TRIES questions and two more, whatever is in use. Any thread.
 *
 * Where packets are steered to workers, a port also decides which worker the replies come to. The
 * steering hash is linear: the bucket of a tuple is the bucket of the tuple with port 0, XOR that of
 * the port's two bytes. So the ports of a bucket are listed, not tried for. And what a translation of
 * the source adds does not depend on the destination: a port with which replies have the bucket of the
 * connection's own packets towards one peer has that towards all of them.
 */
#include "link/steer.h"

#include <stdbool.h>

enum { NAT_PORT_TRIES = 192 };

/* Ports, host order, both ends included. */
struct nat_port_range {
	uint16_t min, max;
};

/* What a byte of a port adds to the bucket, and which lower bytes add how much. */
struct nat_buckets {
	uint8_t hash[2][256]; /* of the upper byte, of the lower */
	uint16_t first[STEER_BUCKETS + 1];
	uint8_t low
		[256]; /* low[first[b]] up to low[first[b + 1] - 1]: the lower bytes that add b */
};

void nat_buckets_init(struct nat_buckets *buckets);

/* What a port in host order adds to the bucket. */
static inline unsigned int nat_bucket_of_port(const struct nat_buckets *buckets, uint16_t port)
{
	return (unsigned int)(buckets->hash[0][port >> 8] ^ buckets->hash[1][port & 0xff]);
}

/*
 * The ports among which one for this port is looked for when no rule says it (RFC 4787 REQ-3, and as
 * Linux has them): 1-511, 512-1023, 1024-65535.
 */
struct nat_port_range nat_port_class(uint16_t port);

struct nat_port_choice {
	uint16_t mapped;   /* what the endpoint has towards others: taken if it can be had */
	uint16_t original; /* else this one */
	struct nat_port_range range;
	bool has_parity;      /* odd for odd and even for even, if possible (RFC 4787 REQ-4) */
	bool suits_all_peers; /* original only where it would do for any destination */
	uint64_t start; /* where the search begins: secret, of the inside endpoint (RFC 6056) */
	const struct nat_buckets *buckets; /* NULL: replies come here in any case */
	uint8_t rest;			   /* the bucket of the reply with port 0 */
	uint8_t wanted;			   /* the bucket that is best */
	bool (*is_mine)(const void *ctx, unsigned int bucket);
	bool (*is_free)(const void *ctx, uint16_t port);
	const void *ctx;
};

/*
 * A port of the range that is free and whose replies come here. False: none was found. *n_used is the number of
 * ports that were not free.
 */
bool nat_port_choose(const struct nat_port_choice *choice, uint16_t *port, unsigned int *n_used);
