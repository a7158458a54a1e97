/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/fib; nobody else includes this. Control thread. */
#include <errno.h>
#include <stdlib.h>

#include "fib/fib.h"
#include "fib/rib.h"

enum {
	FIB_TABLES_MAX = 2 * NS_MAX + 2, /* 256 KiB of address space each */
	FIB_GROUPS_MAX = 1 << 20,	 /* of the LPM; 1 GiB of address space */
	FIB_ROUTES_PER_TICK = 8192,	 /* that follow their link's state: a few milliseconds */
	FIB_METRIC6_KERNEL = 256,	 /* Linux: IP6_RT_PRIO_ADDRCONF */
	FIB_METRIC6_USER = 1024,	 /* Linux: IP6_RT_PRIO_USER */
};

/* The index of a family in tables by family. */
enum fib_family { FIB_IP4, FIB_IP6, FIB_N_FAMILIES };

static inline enum fib_family fib_family(uint8_t family)
{
	return family == AF_INET6 ? FIB_IP6 : FIB_IP4;
}

static inline bool fib_is_link_local(const struct ip_addr *addr)
{
	return addr->family == AF_INET6 && fib6_is_link_local(addr->bytes);
}

/*
 * Shorter prefixes have no room for an ifindex in their key, and RFC 4291 2.5.6 knows no addresses
 * outside of fe80::/64.
 */
static inline bool fib_is_link_local_prefix(const struct ip_prefix *prefix)
{
	return prefix->len >= 64 && prefix->addr.words[0] == RTE_BE32(0xfe800000) &&
	       prefix->addr.words[1] == 0;
}

/* The metric of a route that was given one (0: none). */
static inline uint32_t fib_metric(uint8_t family, uint32_t metric)
{
	return metric == 0 && family == AF_INET6 ? FIB_METRIC6_USER : metric;
}

/* All that leads to one prefix. */
struct fib_entry {
	struct rib_node node; /* first: the table's key (fib_key()) */
	struct route *routes; /* by preference */
	uint32_t host_adj;    /* of the neighbour that has this address; 0: none */
	uint32_t value;	      /* in the LPM */
	bool is_published;    /* is in the LPM */
};

/* The routes of a namespace. */
struct fib {
	struct dp *dp;
	uint16_t ns;
	struct lpm *lpm[FIB_N_FAMILIES];
	struct rib rib;
	size_t n_glean[FIB_N_FAMILIES][129]; /* glean routes by length */
};

/* The routes over a link. While it has stale ones, they are at the head of the list. */
struct fib_link {
	TAILQ_HEAD(, route) routes;
	size_t n_routes;
	size_t n_stale; /* at most: routes that have not followed the link's state yet */
	bool is_usable; /* up and has a carrier */
};

struct fib_state {
	struct lpm *tables[FIB_N_FAMILIES][NS_MAX]; /* for workers; `none` where there is no fib */
	struct fib *fibs[NS_MAX];
	struct lpm_pool *pool;
	struct lpm *none[FIB_N_FAMILIES];
	struct fib_link *links; /* by ifindex */
};

static inline struct fib_state *fib_state(const struct dp *dp)
{
	return dp_slot(dp, &fib_module);
}

/* fib.c */
int fib_get(struct dp *dp, uint16_t ns, struct fib **out); /* made if need be */
void fib_destroy(struct fib *fib);
struct fib_entry *fib_entry_lookup(const struct fib *fib, const struct ip_prefix *key);
/* fib_key() of a prefix: the key of its entry. */
struct ip_prefix fib_key_prefix(const struct ip_prefix *prefix, uint16_t link);
/*
 * Puts add (NULL: none) in the place that its metric gives it, or of old, and takes old (NULL:
 * none) out: one step for workers. -ENOSPC, -ENOMEM: nothing changed. Neither is freed.
 */
int fib_change(struct fib *fib, struct route *add, struct route *old);
/* Makes the LPM follow a change of route->is_linkdown. */
int fib_refresh(struct fib *fib, struct route *route);
/* Installs or removes the entry of a neighbour, as its state and the routes demand. */
void fib_host_update(struct fib *fib, const struct neigh *neigh);
/* The longest glean route to addr over a link (0: any), usable or not. */
const struct route *fib_glean_match(
	const struct fib *fib, const struct ip_addr *addr, uint16_t link);

/* route.c */
/*
 * Puts a route whose adjacency is known and held into the table, in the place of old if given, which
 * stays the caller's to free. On failure the adjacency stays the caller's, too.
 */
int route_install(struct dp *dp, const struct route *want, struct route *old);
void route_remove(struct dp *dp, struct route *route);
void route_follow_link(struct dp *dp, const struct link *link);
void route_follow_links_tick(struct dp *dp);

/* fib_conf.c */
struct route_conf {
	struct object_head head;
	struct ip_prefix to;
	struct ip_addr via;
	char *dev;
	int64_t metric;
	int type; /* enum route_type */
};
extern const struct object route_object;
/* The prefix that is meant: "default" is that of the gateway's family. */
struct ip_prefix route_conf_prefix(const struct route_conf *conf);
extern const struct field_enum route_conf_types[];
extern const struct section fib_sections[];

/* fib_ctl.c */
extern const struct command fib_commands[];
