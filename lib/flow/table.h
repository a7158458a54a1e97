/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The table of connections of one worker and one family: fixed, made before the first packet, written by
 * that worker alone. docs/decisions/0010 says why it looks like this.
 *
 *   buckets   one line each: eight tags and references; what finds no room goes to a chained bucket
 *   entries   struct flow4 (two lines) or flow6 (three): what a hit reads and writes
 *   cold      one line each, same index: lists, first packet, what is seldom needed
 *
 * A reference is index << 1 | direction. The families share code by a constant argument.
 *
 * Time is counted in ticks of FLOW_TICK_MS. An entry is on the wheel at a tick not later than its end;
 * when that comes its last packet decides: it is ended, or put further on. So a packet writes one word
 * of time and no list.
 */
#include <emmintrin.h>
#include <rte_prefetch.h>

#include "flow/flow.h"
#include "flow/tcp_track.h"
#include "link/steer.h"

enum {
	FLOW_TICK_MS = 100,
	FLOW_WHEEL_SLOTS = 4096, /* ticks ahead that the wheel reaches */
	FLOW_BUCKET_REFS = 8,
};

struct flow_tuple4 {
	uint32_t src_be, dst_be;
	uint16_t sport_be, dport_be;
};
static_assert(sizeof(struct flow_tuple4) == 12, "two of them in an entry's first line");

struct flow_tuple6 {
	uint8_t src[16], dst[16];
};

/* What became of the first packet. By direction: 0 original, 1 reply. */
struct flow_verdict {
	uint8_t proto;
	uint8_t pad;
	uint16_t ns;
	uint16_t status; /* enum flow_status */
	uint16_t class;
	uint32_t adj[2];
	/*
	 * [2 * direction]: adj is the answer of that generation of routes. [1]: that of the rules that have
	 * judged it. So who asks for both reads one word, gen[direction] and what is behind it.
	 */
	uint32_t gen[3];
	uint32_t mark;
	/* What translation adds to checksums of the original direction, in network order (RFC 1624). */
	uint16_t ip_delta, l4_delta;
	uint16_t queue[2]; /* what traffic control has found out (flow_queues()); 0: nothing */
};
static_assert(sizeof(struct flow_verdict) == 40, "with two IPv4 tuples one line");

enum { FLOW_GEN_POLICY = 1 };

static inline unsigned int flow_gen_route(unsigned int dir)
{
	return 2 * dir;
}

/* What packets write. */
struct flow_hot {
	uint64_t count[2];  /* packets << 32 | bytes, lower halves; the upper ones are cold */
	uint32_t last_seen; /* tick */
	union {
		struct tcp_track tcp;
		uint32_t udp_stream_at; /* tick from which on a stream is one */
	};
};
static_assert(sizeof(struct flow_hot) == 64, "one cache line");

struct flow4 {
	struct flow_tuple4 tuple[2];
	struct flow_verdict verdict;
	struct flow_hot hot;
} __rte_cache_aligned;
static_assert(sizeof(struct flow4) == 128, "two cache lines");

struct flow6 {
	struct flow_tuple6 tuple[2];
	struct {
		uint16_t sport_be, dport_be;
	} ports[2];
	uint64_t pad[2];
	struct flow_verdict verdict;
	struct flow_hot hot;
} __rte_cache_aligned;
static_assert(sizeof(struct flow6) == 192, "three cache lines");

static __rte_always_inline size_t flow_entry_size(const bool is_ip6)
{
	return is_ip6 ? sizeof(struct flow6) : sizeof(struct flow4);
}

/*
 * Connections by steering bucket of their original direction, for the day when that moves to another
 * worker; and those that could not go along then.
 */
enum flow_list { FLOW_LIST_LEFT = STEER_BUCKETS, FLOW_N_LISTS };

struct flow_cold {
	uint32_t wheel_next, wheel_prev; /* of its slot; free entries: wheel_next is the next one */
	uint32_t list_next, list_prev;	 /* of its enum flow_list */
	uint32_t early_next, early_prev; /* of those that may be dropped early, oldest first */
	uint32_t expires;		 /* tick of its slot */
	uint32_t source;		 /* of the count of its source; 0: not counted */
	uint16_t packets_high[2], bytes_high[2];
	struct tcp_track_rare tcp;
	uint16_t in_link; /* the first packet's */
	uint16_t policer;
	uint8_t timeout;	 /* enum flow_timeout */
	uint8_t tcp_flags, dscp; /* the first packet's */
	bool is_used;		 /* it is in the table */
	uint8_t bucket[2];	 /* of either direction: link/steer.h */
	uint8_t list;		 /* in which it is */
	uint8_t new_dscp;	 /* FLOW_DSCP: what its packets are given */
};
static_assert(sizeof(struct flow_cold) == 64, "one cache line");

struct flow_bucket {
	uint16_t tag[FLOW_BUCKET_REFS]; /* flow_tag(); 0: empty */
	uint32_t ref[FLOW_BUCKET_REFS +
		     1]; /* 0, a connection that is no packet's: empty, and the last one */
	uint32_t next;	 /* chained bucket; 0: none */
	uint32_t pad[2];
} __rte_cache_aligned;
static_assert(sizeof(struct flow_bucket) == 64, "one cache line");

/* Names and defaults of nf_conntrack_*_timeout_*. */
#define FLOW_TIMEOUTS(X)                                                                           \
	X(FLOW_TIMEOUT_TCP_SYN_SENT, tcp_timeout_syn_sent, "120s")                                 \
	X(FLOW_TIMEOUT_TCP_SYN_RECV, tcp_timeout_syn_recv, "60s")                                  \
	X(FLOW_TIMEOUT_TCP_ESTABLISHED, tcp_timeout_established, "432000s")                        \
	X(FLOW_TIMEOUT_TCP_FIN_WAIT, tcp_timeout_fin_wait, "120s")                                 \
	X(FLOW_TIMEOUT_TCP_CLOSE_WAIT, tcp_timeout_close_wait, "60s")                              \
	X(FLOW_TIMEOUT_TCP_LAST_ACK, tcp_timeout_last_ack, "30s")                                  \
	X(FLOW_TIMEOUT_TCP_TIME_WAIT, tcp_timeout_time_wait, "120s")                               \
	X(FLOW_TIMEOUT_TCP_CLOSE, tcp_timeout_close, "10s")                                        \
	X(FLOW_TIMEOUT_TCP_MAX_RETRANS, tcp_timeout_max_retrans, "300s")                           \
	X(FLOW_TIMEOUT_TCP_UNACKNOWLEDGED, tcp_timeout_unacknowledged, "300s")                     \
	X(FLOW_TIMEOUT_UDP, udp_timeout, "30s")                                                    \
	X(FLOW_TIMEOUT_UDP_STREAM, udp_timeout_stream, "120s")                                     \
	X(FLOW_TIMEOUT_ICMP, icmp_timeout, "30s")                                                  \
	X(FLOW_TIMEOUT_ICMPV6, icmpv6_timeout, "30s")                                              \
	X(FLOW_TIMEOUT_GENERIC, generic_timeout, "600s")

#define FLOW_TIMEOUT_ENUM(member, name, def) member,
enum flow_timeout { FLOW_TIMEOUTS(FLOW_TIMEOUT_ENUM) FLOW_N_TIMEOUTS };
#undef FLOW_TIMEOUT_ENUM
static_assert(
	(int)FLOW_TIMEOUT_UDP == (int)TCP_N_TIMEOUTS, "those of TCP come first, in its own order");

/* What tables need to know of the tunables. Control thread writes, in single stores. */
struct flow_times {
	uint32_t ticks[FLOW_N_TIMEOUTS];
	struct tcp_sysctl tcp;
};

struct flow_table {
	struct flow_bucket *buckets; /* those with a hash of their own, then the chained ones */
	uint32_t bucket_mask;
	uint32_t capacity;
	char *entries;
	struct flow_cold *cold;
	struct hash_seed seed;
	const struct flow_times *times;
	uint32_t n_used;  /* written by the worker (relaxed), read by control */
	uint32_t limit;	  /* of n_used, not above capacity; written by control (relaxed) */
	uint32_t free;	  /* first free entry, of those given back */
	uint32_t n_fresh; /* entries from this one on were never used */
	uint32_t free_bucket, n_fresh_buckets, n_buckets; /* the same for chained buckets */
	uint32_t early_first, early_last;
	uint32_t wheel_now; /* slots before this tick are done */
	uint32_t due;	    /* of the slot wheel_now - 1: entries not yet looked at */
	uint32_t *wheel;    /* first entry by slot */
	uint32_t list[FLOW_N_LISTS];
	size_t memory; /* bytes */
	uint8_t family;
	/*
	 * Directions of connections whose packets are steered here by that bucket, whoever owns it now.
	 * Written by the worker, read by others (relaxed both).
	 */
	uint32_t n_in_bucket[STEER_BUCKETS] __rte_cache_aligned;
};

/* A connection on its way from one worker's table to another's: entry and cold line. */
enum { FLOW_RECORD_MAX = sizeof(struct flow6) + sizeof(struct flow_cold) };

/* Control thread. capacity: connections. -ENOMEM. */
int flow_table_init(struct flow_table *table, uint8_t family, uint32_t capacity,
	const struct flow_times *times, const struct hash_seed *seed, uint32_t now);
void flow_table_fini(struct flow_table *table);
/* Zeroed memory, all of it touched, in huge pages where there are any; adds its bytes to *memory. */
void *flow_map(size_t size, size_t *memory);
void flow_unmap(void *ptr, size_t size);

/* Everything below: the worker. */

static inline struct flow4 *flow4_at(const struct flow_table *table, uint32_t index)
{
	return (struct flow4 *)(void *)table->entries + index;
}

static inline struct flow6 *flow6_at(const struct flow_table *table, uint32_t index)
{
	return (struct flow6 *)(void *)table->entries + index;
}

static inline struct flow_verdict *flow_verdict_at(const struct flow_table *table, uint32_t index)
{
	return table->family == AF_INET ? &flow4_at(table, index)->verdict
					: &flow6_at(table, index)->verdict;
}

static inline struct flow_hot *flow_hot_at(const struct flow_table *table, uint32_t index)
{
	return table->family == AF_INET ? &flow4_at(table, index)->hot
					: &flow6_at(table, index)->hot;
}

void flow_tuple_at(
	const struct flow_table *table, uint32_t index, unsigned int dir, struct flow_tuple *out);

/* Protocol and namespace as the first word of a verdict has them. */
static inline uint32_t flow_scope(uint8_t proto, uint16_t ns)
{
	return proto | (uint32_t)ns << 16;
}

enum { FLOW_HASH_TAG = 1 }; /* in every hash, so that no tag is 0 */

static __rte_always_inline uint64_t flow4_hash(
	const struct hash_seed *seed, uint64_t addrs, uint32_t ports_be, uint32_t scope)
{
	return hash_two(seed, addrs, (uint64_t)scope << 32 | ports_be) | FLOW_HASH_TAG;
}

static __rte_always_inline uint64_t flow6_hash(
	const struct hash_seed *seed, const uint8_t *addrs, uint32_t ports_be, uint32_t scope)
{
	uint64_t word[4];

	memcpy(word, addrs, sizeof(word));
	return hash_two(seed, hash_two(seed, word[0], word[1]) ^ word[2],
		       hash_mix(word[3] ^ seed->word[0],
			       ((uint64_t)scope << 32 | ports_be) ^ seed->word[1])) |
	       FLOW_HASH_TAG;
}

static inline uint16_t flow_tag(uint64_t hash)
{
	return (uint16_t)hash;
}

static inline struct flow_bucket *flow_bucket_of(const struct flow_table *table, uint64_t hash)
{
	return &table->buckets[(uint32_t)(hash >> 32) & table->bucket_mask];
}

/* Two bits for each of the eight tags that is this one. */
static __rte_always_inline unsigned int flow_bucket_match(
	const struct flow_bucket *bucket, uint16_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket->tag);

	return (unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag)));
}

/* The reference of a tuple; FLOW_NONE: there is none. */
uint32_t flow_table_lookup(
	const struct flow_table *table, const struct flow_tuple *tuple, uint8_t proto, uint16_t ns);

/*
 * A free entry, all zero, limit or not. FLOW_NONE: there is none; then early_first, if not 0, is the one
 * to end. It is in use only after flow_table_add().
 */
uint32_t flow_table_alloc(struct flow_table *table);
/* Gives back what flow_table_alloc() gave and flow_table_add() never saw. */
void flow_table_unalloc(struct flow_table *table, uint32_t index);
/*
 * Makes an entry found by both its tuples; verdict.proto and ns and both cold.bucket are set. Until it
 * is assured it may be dropped early. False: a chain of buckets could not grow.
 */
bool flow_table_add(struct flow_table *table, uint32_t index, const struct flow_tuple *orig,
	const struct flow_tuple *reply, enum flow_timeout timeout, uint32_t now);
/* Ends a connection and frees its entry. */
void flow_table_del(struct flow_table *table, uint32_t index);
/* Copies a connection to where flow_record_size() bytes are. */
void flow_table_read(const struct flow_table *table, uint32_t index, void *record);
size_t flow_record_size(uint8_t family);
/*
 * Puts such a copy into a free entry: a connection that goes on as it was, its counts and its time
 * included, but for cold.source. False: a chain of buckets could not grow.
 */
bool flow_table_write(struct flow_table *table, uint32_t index, const void *record, uint32_t now);
/* Its bucket moved, but it stays. */
void flow_table_leave(struct flow_table *table, uint32_t index);
/* From now on ends after this time without a packet. */
void flow_table_set_timeout(
	struct flow_table *table, uint32_t index, enum flow_timeout timeout, uint32_t now);
/* It is not dropped early any more. */
void flow_table_assure(struct flow_table *table, uint32_t index);

static inline bool flow_table_is_due(const struct flow_table *table, uint32_t now)
{
	return table->due != 0 || (table->wheel != NULL && (int32_t)(now - table->wheel_now) >= 0);
}

/*
 * Looks at some of the entries whose time may be over, and hands those that are over to end(), which
 * has to call flow_table_del(). True: there are more.
 */
bool flow_table_age(struct flow_table *table, uint32_t now,
	void (*end)(void *ctx, struct flow_table *table, uint32_t index), void *ctx);

/* Ticks until it ends if no packet comes; 0: at once. */
uint32_t flow_table_left(const struct flow_table *table, uint32_t index, uint32_t now);
