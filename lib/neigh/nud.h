/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Neighbour unreachability detection as a state machine of its own (RFC 4861 7.3, with the rules
 * and defaults that Linux uses for ARP as well). It knows time and states; how a probe is sent and
 * who must hear of a change is told to it in two callbacks. Single thread: the owner's.
 */
#include "base/timer_wheel.h"
#include "neigh/neigh.h"
#include "schema/schema.h"

#define NUD_TICK_NS UINT64_C(10000000) /* 10 ms: how fine timers are */

/* Tunables of the group `neigh`, by Linux's names. Times in ns. */
struct neigh_sysctl {
	struct object_head head;
	uint64_t base_reachable_time;	 /* REACHABLE lasts 0.5 to 1.5 times this */
	uint64_t delay_first_probe_time; /* DELAY: time for a sign of life before probing */
	uint64_t retrans_time;		 /* between two probes */
	uint64_t gc_stale_time;		 /* STALE and unused for this long may be removed */
	uint64_t locktime;		 /* a new address is not replaced again before this */
	int64_t mcast_solicit;		 /* broadcast probes before FAILED */
	int64_t ucast_solicit;		 /* unicast probes before FAILED */
	int64_t gc_thresh1;		 /* below this many entries nothing is removed */
	int64_t gc_thresh3;		 /* no more entries than this */
	int64_t unres_qlen; /* packets held per neighbour; workers read it (one aligned load) */
	bool arp_notify;    /* announce addresses when they or their link come up */
	bool ndisc_notify;  /* the same for IPv6 */
};

/* A neighbour with what the machine remembers about it. Embedded in the owner's entry. */
struct nud_entry {
	struct neigh neigh;
	struct timer timer;
	uint32_t n_probes;     /* sent in this INCOMPLETE or PROBE */
	uint64_t reachable_ns; /* how long this confirmation lasts: drawn anew for each */
	uint64_t confirmed_ns; /* last proof that it is there */
	uint64_t used_ns;      /* last known use */
	uint64_t updated_ns;   /* last change of state or address */
};

struct nud_ops {
	/* Asks the neighbour: at its known address, or everybody. */
	void (*send_probe)(void *ctx, const struct nud_entry *entry, bool is_unicast);
	/* State or link-layer address have changed. May not remove the entry. */
	void (*changed)(void *ctx, struct nud_entry *entry, enum neigh_state old);
};

struct nud {
	struct timer_wheel wheel;
	const struct neigh_sysctl *conf; /* read at each use: a change counts from the next timer */
	const struct nud_ops *ops;
	void *ctx;
	uint64_t now_ns;
	uint64_t random; /* xorshift state, never 0 */
};

enum nud_flag {
	NUD_OVERRIDE = 1 << 0, /* may replace a different valid link-layer address */
	NUD_ADMIN = 1 << 1,    /* an operator's word: may change PERMANENT, may set STALE */
	/* A different address is not believed, but makes a REACHABLE neighbour STALE (RFC 4861
	   7.2.5). */
	NUD_WEAK_OVERRIDE = 1 << 2,
};

void nud_init(struct nud *nud, const struct neigh_sysctl *conf, const struct nud_ops *ops,
	void *ctx, uint64_t now_ns, uint64_t seed);
/* Moves the clock on and fires what is due. */
void nud_advance(struct nud *nud, uint64_t now_ns);

/*
 * Somebody wants to send to the neighbour: NONE and FAILED start resolution, STALE becomes DELAY.
 */
void nud_use(struct nud *nud, struct nud_entry *entry);
/*
 * A link-layer address was heard (or given) for the neighbour, and says that it is `state`: STALE,
 * REACHABLE or PERMANENT. False when the rules do not let it: PERMANENT, or a different address
 * without NUD_OVERRIDE.
 */
bool nud_update(struct nud *nud, struct nud_entry *entry, const struct mac_addr *lladdr,
	enum neigh_state state, unsigned int flags);
/* Forgets all that is known: NONE. The caller says who hears of it, changed is not called. */
void nud_reset(struct nud *nud, struct nud_entry *entry);
/* May the entry be removed if nobody refers to it: FAILED, NONE, or STALE and long unused? */
bool nud_is_collectable(const struct nud *nud, const struct nud_entry *entry);
