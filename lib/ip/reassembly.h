/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A table of datagrams of which not all fragments have come yet, one per worker, for either IP
 * version (RFC 791 3.2, RFC 815, RFC 1122 3.3.2). It knows nothing of headers: a fragment is a packet
 * that carries bytes first..end of a payload. What overlaps another fragment is refused together
 * with all the others (RFC 5722), so that nobody can show a filter and a host different packets.
 *
 * It serves two: lib/ip keeps all packets until the datagram is whole, lib/flow lets packets go on
 * as soon as it can and needs to know what has come all the same, so a piece may be without a packet.
 *
 * Bounded in datagrams, in fragments of each, and in packet buffers altogether. Nothing is pushed
 * out by newer ones. All functions: the worker that owns it, unless stated otherwise.
 */
#include <rte_jhash.h>
#include <rte_mbuf.h>
#include <sys/queue.h>

enum {
	REASSEMBLY_FRAGMENTS = 64, /* 64 KiB over an MTU of 1500 are 45 */
	REASSEMBLY_BUCKETS = 1024,
};

/* Built from zero; IPv4 addresses in the first four bytes. */
struct reassembly_key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint32_t link; /* IPv6 addresses that mean something on one link only; else 0 */
	uint16_t ns;
	uint8_t proto; /* IPv6: 0, the identification alone decides */
	uint8_t family;
};
static_assert(
	sizeof(struct reassembly_key) == 44, "no padding: it is hashed and compared as bytes");

static inline uint32_t reassembly_hash(const struct reassembly_key *key, uint32_t seed)
{
	return rte_jhash_32b((const uint32_t *)key, sizeof(*key) / 4, seed);
}

struct reassembly_piece {
	struct rte_mbuf *m;  /* NULL: its bytes are known, the packet is elsewhere */
	uint16_t first, end; /* bytes of the payload: first of its own, first behind */
	uint16_t n_before;   /* pieces that had come before it; set by reassembly_add() */
};

struct reassembly_datagram {
	struct reassembly_key key;
	TAILQ_ENTRY(reassembly_datagram) by_age; /* the same for unused ones */
	LIST_ENTRY(reassembly_datagram) of_bucket;
	uint64_t born;	     /* TSC */
	uint32_t have;	     /* bytes */
	uint32_t total;	     /* 0: the last fragment has not come */
	unsigned int n_segs; /* packet buffers */
	unsigned int n;
	struct reassembly_piece pieces[REASSEMBLY_FRAGMENTS]; /* by offset */
};

TAILQ_HEAD(reassembly_ages, reassembly_datagram);
LIST_HEAD(reassembly_bucket, reassembly_datagram);

struct reassembly {
	struct reassembly_ages by_age; /* oldest first: all have the same time to live */
	struct reassembly_ages unused;
	uint32_t seed;
	uint32_t n_datagrams; /* written by the worker (relaxed), read by the control thread too */
	uint32_t n_segs;      /* packet buffers that are held */
	uint32_t n_segs_max;
	struct reassembly_datagram *datagrams; /* the owner's */
	struct reassembly_bucket buckets[REASSEMBLY_BUCKETS];
};

/* What became of a fragment. */
enum reassembly_verdict {
	REASSEMBLY_WAIT,      /* kept; others are missing */
	REASSEMBLY_DONE,      /* kept; the datagram is whole */
	REASSEMBLY_DUPLICATE, /* not kept: its bytes are there already */
	REASSEMBLY_FULL,      /* not kept: no buffer may wait any more */
	REASSEMBLY_OVERLAP,   /* not kept, and the datagram is spoilt */
	REASSEMBLY_TOO_MANY,  /* not kept, and the datagram can never be whole */
};

/* For n datagrams at once, whose memory is the caller's. Control thread, at start. */
void reassembly_init(struct reassembly *table, struct reassembly_datagram *datagrams,
	unsigned int n, uint32_t seed);

/* The datagram of that key, begun now (n == 0) if there was none. NULL: no room for one more. */
struct reassembly_datagram *reassembly_get(
	struct reassembly *table, const struct reassembly_key *key, uint64_t now);
/*
 * Adds a fragment to its datagram. With DONE, OVERLAP and TOO_MANY the caller takes the packets out
 * and releases it, or remembers never to let it be whole. FULL: a datagram without any fragment is
 * released.
 */
enum reassembly_verdict reassembly_add(struct reassembly *table,
	struct reassembly_datagram *datagram, const struct reassembly_piece *piece, bool is_last);
/*
 * Takes the packets out of a datagram, in the order in which they have come; their bytes stay known.
 * pkts has room for REASSEMBLY_FRAGMENTS. Returns how many they are.
 */
unsigned int reassembly_take(
	struct reassembly *table, struct reassembly_datagram *datagram, struct rte_mbuf **pkts);
/* Forgets a datagram; its packets are the caller's. */
void reassembly_release(struct reassembly *table, struct reassembly_datagram *datagram);
/* The oldest datagram, or NULL. */
static inline struct reassembly_datagram *reassembly_oldest(const struct reassembly *table)
{
	return TAILQ_FIRST(&table->by_age);
}
/* Any thread: does anything wait here? */
static inline bool reassembly_is_empty(const struct reassembly *table)
{
	return __atomic_load_n(&table->n_datagrams, __ATOMIC_RELAXED) == 0;
}
