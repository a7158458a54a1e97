/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of this module share: tunables, state of both sides, the steps of tracking. */
#include "fib/fib.h"
#include "fib/multipath.h"
#include "flow/flow.h"
#include "flow/fragments.h"
#include "flow/table.h"
#include "ip/ip.h"
#include "net/checksum.h"

#define FLOW_DROPS(X)                                                                              \
	X(FLOW_DROP_TABLE_FULL, "flow_table_full",                                                 \
		"a new connection, but the table has no room and nothing that could give way")     \
	X(FLOW_DROP_SOURCE_LIMIT, "flow_source_limit",                                             \
		"a new connection of a source that has as many as conntrack.max_per_source "       \
		"allows")                                                                          \
	X(FLOW_DROP_CLASH, "flow_clash",                                                           \
		"a new connection whose answers would look like those of another one")             \
	X(FLOW_DROP_NO_ROUTE, "flow_no_route",                                                     \
		"no way to the destination that a rule has put in place of the packet's")          \
	X(FLOW_DROP_SHARED, "flow_shared",                                                         \
		"to be translated, but somebody else still reads its bytes")                       \
	X(FLOW_DROP_NAT_CHANGED, "flow_nat_changed",                                               \
		"of a connection whose translation the rules no longer have")                      \
	X(FLOW_DROP_TRUNCATED, "flow_invalid_truncated", "the packet ends within its L4 header")   \
	X(FLOW_DROP_LENGTH, "flow_invalid_length", "a length in the L4 header is wrong")           \
	X(FLOW_DROP_CHECKSUM, "flow_invalid_checksum",                                             \
		"the first packet of a connection has a wrong L4 checksum")                        \
	X(FLOW_DROP_TCP_FLAGS, "flow_invalid_tcp_flags", "TCP flags that no host sends together")  \
	X(FLOW_DROP_TCP_STATE, "flow_invalid_tcp_state",                                           \
		"a TCP segment that cannot come in this state of its connection")                  \
	X(FLOW_DROP_TCP_WINDOW, "flow_invalid_tcp_window",                                         \
		"a TCP segment outside of what its receiver has opened or acknowledged")           \
	X(FLOW_DROP_ICMP, "flow_invalid_icmp", "an ICMP answer to nothing, or of an unknown type") \
	X(FLOW_DROP_FRAGMENT_ALONE, "flow_invalid_fragment",                                       \
		"a fragment of a datagram that has no connection")                                 \
	X(FLOW_DROP_ICMP_ERROR, "flow_invalid_icmp_error",                                         \
		"an ICMP error about no connection that is known")                                 \
	FLOW_FRAGMENT_DROPS(X)

#define FLOW_DROP_ENUM(member, name, help) member,
enum flow_drop { FLOW_DROPS(FLOW_DROP_ENUM) FLOW_N_DROPS };
#undef FLOW_DROP_ENUM

/* Tunables `sysctl: { conntrack: {...} }`, with the names of net.netfilter.nf_conntrack_*. */
struct flow_sysctl {
	struct object_head head;
	int64_t max, max_ipv6, max_per_source;
	bool checksum;
	bool tcp_loose, tcp_be_liberal, tcp_ignore_invalid_rst;
	int64_t tcp_max_retrans;
	uint64_t frag6_timeout_ns;
	uint64_t timeout_ns[FLOW_N_TIMEOUTS];
};

/* Buckets that have moved (move.c). Control thread writes, workers read the first two (relaxed both). */
struct flow_moves {
	bool is_moved[STEER_BUCKETS]; /* others than the owner may have connections of it */
	uint8_t n_giving[WORKER_MAX]; /* buckets that a worker is giving away */
	uint8_t giver[STEER_BUCKETS]; /* worker + 1 that is giving them away; 0: nobody is */
	bool is_taken[STEER_BUCKETS]; /* written by the taker: it has all of them */
	uint64_t settled_ns[STEER_BUCKETS];
	unsigned int n; /* is_moved */
};

/* Control thread, unless stated otherwise. */
struct flow_control {
	struct flow_sysctl sysctl;
	bool is_tracked[NS_MAX];
	bool has_tables;
	TAILQ_HEAD(, flow_walk) walks;	  /* those that a worker has */
	TAILQ_HEAD(, deletion) deletions; /* the first of them is being done */
	unsigned int n_listeners;
	struct rte_ring *events[WORKER_MAX];
	uint64_t n_events_lost[WORKER_MAX]; /* as far as it was told */
	/* Written here in single stores, read by workers. */
	uint32_t now; /* tick */
	struct flow_times times;
	uint32_t policy_gen;
	uint64_t
		next_fragments_ns; /* when to have workers look for fragments that waited too long */
	const struct flow_observer *observer; /* NULL: there is none; set before workers run */
	uint32_t source_limit;		      /* max_per_source, of each worker */
	struct flow_moves moves;
};

enum {
	FLOW_IP4,
	FLOW_IP6,
	FLOW_N_FAMILIES,
	FLOW_IP6_SHARE = 4, /* of the connections of IPv4, unless max_ipv6 says how many */
};

/* How many connections a source has; a free one: next is the next free one. */
struct flow_source {
	union flow_addr addr;
	uint32_t scope; /* namespace and family */
	uint32_t n;
	uint32_t next; /* with the same hash */
	uint32_t pad;
};
static_assert(sizeof(struct flow_source) == 32, "two in a cache line");

struct flow_sources {
	struct flow_source *rows; /* from 1 on */
	uint32_t *heads;
	uint32_t mask, capacity;
	uint32_t free, n_fresh;
	struct hash_seed seed;
	size_t memory; /* bytes */
};

/* What a worker has yet to give away (move.c). */
struct flow_giving {
	uint64_t buckets[STEER_BUCKETS / 64]; /* bit set */
	uint8_t to[STEER_BUCKETS];	      /* worker, by bucket */
	uint32_t n_given[WORKER_MAX];	      /* parcels, by worker */
};

/* Per worker. */
struct flow_worker {
	/* Made by the control thread before packets are let in here; then the worker's. */
	struct flow_table table[FLOW_N_FAMILIES];
	const struct flow_control *state;
	const struct adj *adjs;
	const uint32_t *route_gen;
	const struct lpm *fib4[NS_MAX], *fib6[NS_MAX];
	struct multipath multipath;
	const struct steer *steer;
	const struct link_dp *links;
	struct worker *w; /* whose this is */
	unsigned int drop_base;
	uint8_t track_stage, take_stage;
	struct flow_giving giving;
	struct flow_moves *moves;	 /* of state, for is_taken */
	uint32_t n_taken_of[WORKER_MAX]; /* parcels, by giver; others read it (relaxed both) */
	/* Counters: `conntrack stats` says what they count. */
	uint64_t n_found, n_invalid, n_new, n_ended, n_clashes, n_full, n_early_drops, n_refused;
	uint64_t n_given, n_taken, n_lost;
	/* Control thread writes, NULL: nobody listens. */
	struct rte_ring *events;
	uint64_t n_events_lost;
	/* Control thread writes once; what it points to is the worker's. NULL: never limited. */
	struct flow_sources *sources, sources_memory;
	unsigned int n_firsts; /* in this pass */
	struct flow_first firsts[LANE_SIZE];
	struct flow_fragments fragments;
	struct flow_fates fates;
};

static inline struct flow_worker *flow_worker(const struct worker *w)
{
	return worker_slot(w, &flow_module);
}

static inline uint32_t flow_now(const struct flow_worker *fw)
{
	return __atomic_load_n(&fw->state->now, __ATOMIC_RELAXED);
}

/* What of a connection's status follows from what rules have said, apart from translations. */
static inline uint16_t flow_status_of(const struct flow_first *f)
{
	return (uint16_t)((f->policer != 0 ? FLOW_POLICED : 0) | (f->has_dscp ? FLOW_DSCP : 0));
}

/* The one that has the L4 header, of a datagram that has others. */
static inline bool flow_is_first_fragment(const struct pkt_meta *meta)
{
	return (meta->flags & (PKT_FRAGMENT | PKT_FRAGMENT_LATER)) == PKT_FRAGMENT;
}

static inline unsigned int flow_bucket_owner(const struct flow_worker *fw, unsigned int bucket)
{
	return __atomic_load_n(&fw->steer->owner[bucket], __ATOMIC_RELAXED);
}

static inline bool flow_is_ip6(const struct pkt_meta *meta)
{
	return meta->ethertype == RTE_ETHER_TYPE_IPV6;
}

static inline struct flow_table *flow_table_of(struct flow_worker *fw, const struct pkt_meta *meta)
{
	return &fw->table[flow_is_ip6(meta) ? FLOW_IP6 : FLOW_IP4];
}

/*
 * A link-local address is one of ours on its link only: `ip6_forward`, which looks up by the address
 * alone, would send its packets elsewhere. It is told what is known here.
 */
static inline void flow_keep_local6(struct pkt_meta *meta, uint32_t adj)
{
	if (flow_is_ip6(meta) && adj == ADJ_LOCAL) {
		meta->adj = adj;
		meta->flags |= PKT_ROUTED;
	}
}

/* tuple.c: the tuple of a packet */

/* Type and code where a tuple has a destination port. */
static inline uint16_t flow_icmp_kind_be(uint8_t type, uint8_t code)
{
	return rte_cpu_to_be_16((uint16_t)(type << 8 | code));
}

/*
 * Reads a packet's tuple and what hooks may ask of its L4 header into f, which is otherwise untouched.
 * FLOW_N_DROPS: all is well; else why it is invalid. *is_error: an ICMP error.
 */
enum flow_drop flow_read_packet(
	struct rte_mbuf *m, struct pkt_meta *meta, struct flow_first *f, bool *is_error);
/* The tuple of the answers to packets of that tuple. */
struct flow_tuple flow_reply_tuple(uint8_t proto, const struct flow_tuple *orig);
/* Can a connection begin with it? Not with an answer to a query (ICMP). */
bool flow_may_begin(uint8_t proto, const struct flow_tuple *orig);

/* translate.c: what translation does to packets */

enum { DCCP_CHECKSUM_OFF = 6 };

/* Works out the checksum deltas of a connection whose tuples are in place. */
void flow_set_deltas(struct flow_table *table, uint32_t index);
/* Rewrites a packet of that direction as the other side knows it. */
void flow_translate(const struct flow_table *table, uint32_t ref, struct rte_mbuf *m,
	const struct pkt_meta *meta);

/* A delta of the original direction, as the given one needs it: of the other it is the complement. */
static __rte_always_inline uint16_t flow_delta_of(uint16_t delta, unsigned int dir)
{
	return delta ^ (uint16_t) - (uint16_t)dir;
}

/*
 * Ports and the checksum that covers them, of a header of which len bytes are there, 8 at least: ports
 * as they are to be, source first. Nothing for a protocol without ports.
 */
static __rte_always_inline void flow_translate_ports(
	uint8_t proto, uint8_t *l4, uint32_t len, uint32_t ports, uint16_t add)
{
	/* SCTP's checksum covers its ports, but no addresses: lib/nat leaves those ports alone. */
	if (proto == IPPROTO_TCP) {
		if (likely(len >= sizeof(struct rte_tcp_hdr)))
			checksum_add(l4 + offsetof(struct rte_tcp_hdr, cksum), add);
	} else if (likely(proto == IPPROTO_UDP) || proto == IPPROTO_UDPLITE) {
		checksum_add_udp(l4 + offsetof(struct rte_udp_hdr, dgram_cksum), add);
	} else if (proto == IPPROTO_DCCP) {
		checksum_add(l4 + DCCP_CHECKSUM_OFF, add);
	}
	if (likely(parse_has_ports(proto)))
		memcpy(l4, &ports, sizeof(ports));
}

/* Gives it a DSCP (RFC 2474); the two bits of ECN stay. */
void flow_set_dscp(struct rte_mbuf *m, const struct pkt_meta *meta, uint8_t dscp);
/*
 * The same for the packet that an ICMP error quotes, which is one of the other direction. Of its L4 header
 * l4_len bytes are there, 8 at least.
 */
void flow_translate_quote(
	const struct flow_table *table, uint32_t ref, void *l3, uint8_t *l4, uint32_t l4_len);

/*
 * related.c: is it an ICMP error about a connection that we know? If that is translated, the error is
 * now, too: its addresses, and the packet that it quotes.
 */
bool flow_relate(struct flow_worker *fw, struct rte_mbuf *m, struct pkt_meta *meta);

/* Which worker may know what an error is about that this one does not; this one: nobody else. */
unsigned int flow_related_worker(struct flow_worker *fw, struct rte_mbuf *m, struct pkt_meta *meta);

/* track.c: what a packet does to the state of its connection */

enum flow_verdict_of_packet {
	FLOW_PASS,
	FLOW_INVALID, /* f->invalid says why */
	FLOW_OVER,    /* the connection was over: it is to be ended, this is a first packet */
};
enum flow_verdict_of_packet flow_update(struct flow_worker *fw, struct flow_table *table,
	uint32_t ref, const struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f);

/* The protocol state that a connection begins with, and its first timeout. */
struct flow_begin {
	struct tcp_track tcp;
	struct tcp_track_rare rare;
	enum flow_timeout timeout;
};
/* May one begin with this packet? FLOW_N_DROPS: it may; else why not. */
enum flow_drop flow_begin(struct flow_worker *fw, const struct rte_mbuf *m,
	const struct pkt_meta *meta, const struct flow_first *f, struct flow_begin *begin);
/* Writes that into an entry. */
void flow_begin_at(struct flow_worker *fw, struct flow_table *table, uint32_t index,
	const struct flow_first *f, const struct flow_begin *begin);
/* Counts a packet and its bytes. */
void flow_count(struct flow_table *table, uint32_t ref, uint32_t bytes);

/*
 * insert.c: makes the connection of a packet that has walked the hooks. FLOW_N_DROPS: f->flow is its
 * index; FLOW_DROP_CLASH: somebody has one of its tuples. A packet of the same burst may have made
 * it meanwhile: look f->orig up first.
 */
enum flow_drop flow_insert(
	struct worker *w, struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f);

/* insert.c: a free entry, if need be that of a connection that gives way. FLOW_NONE: there is none. Worker. */
uint32_t flow_alloc(struct flow_worker *fw, struct flow_table *table);

/* flow_walk.c: a copy of a connection. Worker. */
void flow_info_read(
	const struct flow_table *table, uint32_t index, uint32_t now, struct flow_info *info);

/* flow_events.c */
/* A connection is made, or about to be gone: tells it if somebody listens. Worker. */
void flow_tell(
	struct flow_worker *fw, const struct flow_table *table, uint32_t index, bool is_ended);
void flow_events_tick(struct dp *dp);
void flow_events_fini(struct dp *dp);

/* flow_sources.c */
/* May its source have one more connection? Worker. */
bool flow_source_is_allowed(const struct flow_worker *fw, const struct flow_first *f);
/* Counts one, and one less. 0: it is not counted. Worker. */
uint32_t flow_source_get(struct flow_worker *fw, const struct flow_first *f);
void flow_source_put(struct flow_worker *fw, uint32_t index);
/* Tables are there, workers may run. -ENOMEM. Control thread. */
int flow_sources_init(struct dp *dp);
void flow_sources_fini(struct dp *dp);

/* flow.c. Worker. */
/* Ends a connection. */
void flow_end(struct flow_worker *fw, struct flow_table *table, uint32_t index);
/* It is not ours any more; nobody is told but who counts translations. */
void flow_forget(struct flow_worker *fw, struct flow_table *table, uint32_t index);
/* The part of a flow_first that says which connection it is. */
void flow_first_of(const struct flow_table *table, uint32_t index, struct flow_first *f);

/* move.c */
/* A part of what has to be given away. Only if there is any. Worker. */
void flow_give(struct flow_worker *fw);
bool flow_is_giving(const struct flow_worker *fw);
/* May others than its owner have connections of that bucket? Worker. */
bool flow_bucket_is_moved(const struct flow_worker *fw, unsigned int bucket);
/*
 * The next worker to ask for the connection of a packet of that bucket which this one does not know. Itself:
 * nobody knows it. Worker.
 */
unsigned int flow_ask(struct flow_worker *fw, struct pkt_meta *meta, unsigned int bucket);
/* Control thread */
void flow_moves_tick(struct dp *dp);
/* Is any connection on its way, or about to be? No more set out while some are being deleted. */
bool flow_are_moving(const struct dp *dp);
extern const struct bucket_mover flow_bucket_mover;

/* What flow_count() does, in the hot line alone. False: nothing is counted, as one of the halves would run over. */
static __rte_always_inline bool flow_hot_count(
	struct flow_hot *hot, unsigned int dir, uint32_t bytes)
{
	const uint64_t packet = UINT64_C(1) << 32;
	uint64_t sum = hot->count[dir] + (packet | bytes);

	if (unlikely((uint32_t)sum < bytes) || unlikely(sum < packet))
		return false;
	hot->count[dir] = sum;
	return true;
}

/* flow_ctl.c */
void flow_deletions_go_on(struct dp *dp); /* control thread */
void flow_worker_show(const struct dp *dp, const struct worker *w, json_t *row);
extern const struct command flow_commands[];
extern const struct counter_table flow_counters[];
