/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Neighbours and adjacencies, IPv4 (ARP) and IPv6 (ND). A neighbour is a control-plane entry: (link,
 * address), its NUD state (RFC 4861 7.3.2, for ARP as Linux does it) and timers. An adjacency is what the datapath needs to
 * send a packet on: one cache line, by index, in a fixed array. Every neighbour owns one; a few
 * indexes are special and mean "no route", "to us" and so on. Routes, and later flows, hold
 * adjacency indexes only, so a change of MAC or state touches none of them.
 *
 * The control thread is the only writer. header and state change together in one 16-byte aligned
 * store, which x86-64 with AVX and ARMv8.4 do atomically (Intel SDM 3A 9.1.1): a reader sees the
 * old or the new MAC, never half of each. An index is reused only after a grace period.
 */
#include "ns/ns.h"

enum adj_kind {
	ADJ_KIND_NONE = 0,  /* no route to the destination */
	ADJ_KIND_LOCAL,	    /* one of our addresses */
	ADJ_KIND_BROADCAST, /* directed broadcast of a connected network */
	ADJ_KIND_BLACKHOLE, /* routes of these types */
	ADJ_KIND_UNREACHABLE,
	ADJ_KIND_PROHIBIT,
	ADJ_KIND_GLEAN, /* connected network: the packet's destination is the next hop */
	ADJ_KIND_NEIGH, /* a neighbour */
};

enum {
	/* Special adjacencies have the index of their kind. */
	ADJ_NONE = ADJ_KIND_NONE,
	ADJ_LOCAL = ADJ_KIND_LOCAL,
	ADJ_BROADCAST = ADJ_KIND_BROADCAST,
	ADJ_BLACKHOLE = ADJ_KIND_BLACKHOLE,
	ADJ_UNREACHABLE = ADJ_KIND_UNREACHABLE,
	ADJ_PROHIBIT = ADJ_KIND_PROHIBIT,
	ADJ_FIRST_DYNAMIC = 16,
	ADJ_MAX = 1 << 16, /* 4 MiB of virtual memory, touched as used */
};

enum adj_state {
	ADJ_RESOLVED = 1 << 0, /* header is valid */
	ADJ_TELL_USE = 1 << 1, /* stale: tell the control thread that it is used */
};

struct adj {
	uint8_t header[14]; /* Ethernet: destination, source, type; with state: one 16-byte store */
	uint8_t state;	    /* enum adj_state */
	uint8_t reserved;
	uint8_t kind; /* enum adj_kind; constant while the index is in use */
	uint8_t family;
	uint16_t link; /* ifindex to send from; 0 for special ones */
	uint16_t mtu;  /* of that link */
	uint16_t ns;
	struct ip_addr next_hop; /* NEIGH: the neighbour's address; GLEAN: none */
} __rte_cache_aligned;
static_assert(sizeof(struct adj) == 64, "one cache line");

/* To whom an IPv4 packet to dst goes on that link. */
static inline uint32_t adj_peer4(const struct adj *adj, uint32_t dst_be)
{
	return adj->kind == ADJ_KIND_NEIGH && adj->next_hop.family == AF_INET ? adj->next_hop.v4_be
									      : dst_be;
}

/* NUD states, as Linux names them. */
enum neigh_state {
	NEIGH_NONE, /* only here because a route points to it */
	NEIGH_INCOMPLETE,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
	NEIGH_FAILED,
	NEIGH_PERMANENT,
};

struct neigh {
	struct ip_addr addr;
	uint16_t link; /* ifindex */
	uint16_t ns;
	enum neigh_state state;
	struct mac_addr lladdr; /* valid unless NONE, INCOMPLETE or FAILED */
	uint32_t adj;
	uint32_t n_refs; /* routes that hold it */
	bool is_router;	 /* IPv6: its last advertisement said so */
};

/* The array that workers read; ADJ_MAX entries. Any thread. */
const struct adj *adj_table(const struct dp *dp);

/* Control thread. The neighbour's adjacency, made if need be (state NONE), held for the caller. */
int neigh_get(struct dp *dp, const struct link *link, const struct ip_addr *addr, uint32_t *adj);
/* Gives a held adjacency back, glean ones too. */
void neigh_put(struct dp *dp, uint32_t adj);
/* Somebody wants to send to the neighbour of a held adjacency: it is asked for unless it is known. */
void neigh_use(struct dp *dp, uint32_t adj);
/* The glean adjacency of a link and family, held for the caller. */
int neigh_get_glean(struct dp *dp, const struct link *link, uint8_t family, uint32_t *adj);
/* NULL: not known. */
const struct neigh *neigh_lookup(const struct dp *dp, uint16_t link, const struct ip_addr *addr);
void neigh_each(const struct dp *dp, void (*fn)(const struct neigh *neigh, void *ctx), void *ctx);
/* A row of `ip -j neigh`. New reference. */
json_t *neigh_to_json(const struct dp *dp, const struct neigh *neigh);

/* Has the neighbour a link-layer address that packets may be sent to? */
static inline bool neigh_is_valid(const struct neigh *neigh)
{
	switch (neigh->state) {
	case NEIGH_REACHABLE:
	case NEIGH_STALE:
	case NEIGH_DELAY:
	case NEIGH_PROBE:
	case NEIGH_PERMANENT:
		return true;
	case NEIGH_NONE:
	case NEIGH_INCOMPLETE:
	case NEIGH_FAILED:
		return false;
	}
	return false;
}

extern struct module neigh_module;
extern const struct stage arp_stage, nd_stage, hold_stage;

/*
 * Datapath: tells the control thread, at most every 100 ms per adjacency and worker, that a stale
 * adjacency was used. Call when adj->state has ADJ_TELL_USE.
 */
void neigh_tell_use(struct worker *w, uint32_t adj);
