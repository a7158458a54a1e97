/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/nat; nobody else includes this. */
#include "nat/nat.h"
#include "nat/nat_port.h"
#include "neigh/neigh.h"

/* What is counted by protocol. */
enum nat_proto { NAT_TCP, NAT_UDP, NAT_ICMP, NAT_OTHER, NAT_N_PROTOS };

enum nat_side { NAT_SOURCE, NAT_DESTINATION };

/*
 * How much an address is used that connections are translated to. Each worker has a table, which it
 * writes and control reads; control has one of sums.
 */
struct nat_use {
	union flow_addr addr; /* constant, as is all before n, once is_set (release, acquire) */
	uint16_t ns;
	uint8_t family;
	uint8_t side; /* enum nat_side */
	bool is_set;
	uint8_t is_warned;		  /* in the sums: bit for each protocol */
	uint32_t n[NAT_N_PROTOS];	  /* live connections */
	uint64_t exhausted[NAT_N_PROTOS]; /* connections for which no port was found */
};

enum {
	NAT_USE_ROWS = 1024, /* addresses that one worker can count for; a power of two */
	NAT_TAKEN = 512,
	NAT_MAPPED_SETS = 2048, /* a power of two */
	NAT_MAPPED_WAYS = 4,
};

/* A tuple that a first packet of this pass has been given, as a hash: the table does not know it yet. */
struct nat_taken {
	uint64_t reply, orig;
	uint32_t pass;
};

/* The port that an inside endpoint has because another one was taken. */
struct nat_mapped {
	uint64_t key; /* a hash; 0: empty */
	uint32_t n;   /* live connections */
	uint16_t port_be;
};

struct nat_use_table {
	struct hash_seed seed;
	struct nat_use rows[NAT_USE_ROWS];
};

/* Control thread writes; workers read the first two. */
struct nat_state {
	struct hash_seed seed; /* the same for all workers: an inside host has one address */
	struct nat_buckets buckets;
	struct nat_use_table sums; /* over all workers, of the last second or the last listing */
	uint64_t next_check_ns;
};

struct nat_worker {
	const struct nat_state *state;
	const struct adj *adjs;
	struct ns_own6 *const *own6;
	uint64_t told; /* TSC of the last warning */
	struct nat_use_table use;
	struct nat_taken taken[NAT_TAKEN];
	struct nat_mapped mapped[NAT_MAPPED_SETS][NAT_MAPPED_WAYS];
};

#define NAT_DROPS(X)                                                                               \
	X(NAT_DROP_NO_ADDRESS, "nat_no_address",                                                   \
		"the link has no address that the packet could be translated to")                  \
	X(NAT_DROP_NO_PORT, "nat_no_port",                                                         \
		"no port (or ICMP identifier) of those that the rule allows was found free")       \
	X(NAT_DROP_CLASH, "nat_clash",                                                             \
		"translated, it would be taken for another connection, and has no port to tell "   \
		"them apart")                                                                      \
	X(NAT_DROP_MAPPING_GONE, "nat_mapping_gone",                                               \
		"the rules no longer allow the translation that its connection has")

#define NAT_DROP_ENUM(member, name, help) member,
enum nat_drop { NAT_DROPS(NAT_DROP_ENUM) NAT_N_DROPS };
#undef NAT_DROP_ENUM

/* The source port that answers go to; of ICMP the identifier. */
static inline uint16_t nat_source_port_be(uint8_t proto, const struct flow_tuple *reply)
{
	return flow_is_icmp(proto) ? reply->sport_be : reply->dport_be;
}

/* nat_mapped.c. Worker; f->reply.dst is the address that it is translated to. */
/* The port that this endpoint has already; if it has none, its own. */
uint16_t nat_mapped_port(struct nat_worker *nw, const struct flow_first *f);
/* It was given the port in f->reply, because another one was taken. */
void nat_mapped_keep(struct nat_worker *nw, const struct flow_first *f);
/* A connection whose source is translated is in the table, or no longer. */
void nat_mapped_made(struct nat_worker *nw, const struct flow_first *f);
void nat_mapped_ended(struct nat_worker *nw, const struct flow_first *f);

/* nat_own.c */
/*
 * An address of ours on that link (or else any) to talk to peer from, in that namespace. False: there is none. Worker.
 */
bool nat_own_select(const struct worker *w, const struct nat_worker *nw, const struct flow_first *f,
	uint16_t link, const union flow_addr *peer, union flow_addr *out);
/* Has the link that address? Worker. */
bool nat_own_is_on_link(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, uint16_t link, const union flow_addr *addr);

/* nat_translate.c. Worker. NAT_N_DROPS: f->reply says how. nat NULL: no rule does. */
enum nat_drop nat_translate_destination(struct worker *w, struct nat_worker *nw,
	struct flow_first *f, const struct firewall_nat *nat);
enum nat_drop nat_translate_source(struct worker *w, struct nat_worker *nw, struct flow_first *f,
	const struct firewall_nat *nat);

/*
 * nat_stage.c. One packet, with the rule that a hook has left: NAT_N_DROPS, or why it goes no further.
 * Worker.
 */
typedef enum nat_drop nat_translate_fn(struct worker *w, struct nat_worker *nw,
	struct flow_first *f, const struct firewall_nat *nat);
enum nat_drop nat_walk(
	struct worker *w, struct nat_worker *nw, struct flow_first *f, nat_translate_fn *translate);

/* nat.c. Worker: tells the control thread, once a second at most, that ports run short. */
void nat_tell_short(
	struct worker *w, struct nat_worker *nw, const struct flow_first *f, bool is_exhausted);

/* nat_use.c. The row of an address, made if need be; NULL: there is no room for one more. */
struct nat_use *nat_use_get(struct nat_use_table *table, uint8_t family, uint16_t ns,
	enum nat_side side, const union flow_addr *addr);
enum nat_proto nat_proto_of(uint8_t proto);
extern const char *const nat_proto_names[NAT_N_PROTOS];
extern const struct flow_observer nat_observer;
/* Makes the sums anew. Control thread. */
void nat_use_sum(const struct dp *dp, struct nat_state *state);
/* Is it a row of connections that the rule may have translated? Control thread. */
bool nat_use_is_of(const struct dp *dp, const struct nat_use *row, const struct firewall_nat *nat);
/* Warns of what is nearly used up, once until it is better. Control thread. */
void nat_use_check(struct dp *dp, struct nat_state *state);

/* nat_ctl.c */
extern const struct command nat_commands[];
