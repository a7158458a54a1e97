/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/fib; nobody else includes this. Control thread. */
#include <errno.h>
#include <stdlib.h>

#include "fib/fib.h"
#include "fib/multipath.h"
#include "fib/rib.h"

enum {
	FIB_TABLES_MAX = 2 * NS_MAX + 2, /* 256 KiB of address space each */
	FIB_GROUPS_MAX = 1 << 20,	 /* of the LPM; 1 GiB of address space */
	FIB_SLICE_US = 4000,		 /* for routes that follow their next hops, in each tick */
	FIB_SLICE_ROUTES = 32,		 /* between two looks at the clock */
	FIB_METRIC6_KERNEL = 256,	 /* Linux: IP6_RT_PRIO_ADDRCONF */
	FIB_METRIC6_USER = 1024,	 /* Linux: IP6_RT_PRIO_USER */
	FIB_DEPTH_MAX = 8,		 /* of routes that lead to each other's gateways */
	FIB_SETS_HASH = 4096,
	FIB_PROTOCOLS_MAX = 8, /* behind the highest enum route_protocol */
};

/* The index of a family in tables by family. */
enum fib_family { FIB_IP4, FIB_IP6, FIB_N_FAMILIES };

static inline enum fib_family fib_family(uint8_t family)
{
	return family == AF_INET6 ? FIB_IP6 : FIB_IP4;
}

static inline bool fib_is_link_local(const struct ip_addr *addr)
{
	return addr->family == AF_INET6 && ip6_is_link_local(addr->bytes);
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
	struct nexthop **watched;	     /* recursive next hops, sorted by gateway */
	size_t n_watched, n_watched_max;
};

/* The next hops over a link. */
struct fib_link {
	struct nexthop_list single, several; /* by themselves, and of sets of several */
	bool is_usable;			     /* up and has a carrier */
};

struct fib_state {
	struct lpm *tables[FIB_N_FAMILIES][NS_MAX]; /* for workers; `none` where there is no fib */
	struct fib *fibs[NS_MAX];
	struct lpm_pool *pool;
	struct lpm *none[FIB_N_FAMILIES];
	struct fib_link *links;	      /* by ifindex */
	TAILQ_HEAD(, nexthops) stale; /* have routes that are yet to follow */
	TAILQ_HEAD(, nexthops) all;   /* sets */
	struct nexthops *sets[FIB_SETS_HASH];
	size_t n_sets;
	size_t n_routes[FIB_N_FAMILIES][FIB_PROTOCOLS_MAX];
	uint64_t retry_ns;     /* when failed next hops were last asked for */
	int64_t slice_left_ns; /* for routes to follow until the next tick */
	uint32_t visit;	       /* of the last search among sets */

	uint32_t *buckets; /* of multipath groups; workers */
	uint64_t seed[2];
	uint32_t *free_groups;
	uint32_t n_free_groups, n_fresh_groups, n_groups;
	uint32_t generation; /* fib_generation() */
};

static inline struct fib_state *fib_state(const struct dp *dp)
{
	return dp_slot(dp, &fib_module);
}

/* What lookups answer has changed. */
static inline void fib_has_changed(struct fib_state *state)
{
	/* Pairs with the acquire of whoever keeps answers: he looks up after he has read it. */
	__atomic_store_n(&state->generation, state->generation + 1, __ATOMIC_RELEASE);
}

/* fib.c */
int fib_get(struct dp *dp, uint16_t ns, struct fib **out); /* made if need be */
void fib_destroy(struct fib *fib);
struct fib_entry *fib_entry_lookup(const struct fib *fib, const struct ip_prefix *key);
/* fib_key() of a prefix: the key of its entry. */
struct ip_prefix fib_key_prefix(const struct ip_prefix *prefix, uint16_t link);
struct ip_prefix fib_key_route(const struct route *route);
/* The route in use. NULL: none is usable. */
struct route *fib_entry_best(const struct fib_entry *entry);
/*
 * Puts add (NULL: none) in the place that its metric gives it, or of old, and takes old (NULL:
 * none) out: one step for workers. -ENOSPC, -ENOMEM: nothing changed. Neither is freed.
 */
int fib_change(struct fib *fib, struct route *add, struct route *old);
/* Makes the LPM follow a change of the usability of a route's next hops. */
int fib_refresh(struct fib *fib, struct route *route);
/* Installs or removes the entry of a neighbour, as its state and the routes demand. */
void fib_host_update(struct fib *fib, const struct neigh *neigh);
/* The longest glean route to addr over a link (0: any), usable or not. */
const struct route *fib_glean_match(
	const struct fib *fib, const struct ip_addr *addr, uint16_t link);
/* Is there a route to a gateway on no link, usable or not? */
bool fib_gateway_is_known(const struct fib *fib, const struct ip_addr *gateway);
/* The route that it is reached by now. NULL: none. */
struct route *fib_gateway_match(const struct fib *fib, const struct ip_addr *gateway);

/* nexthop.c: sets of next hops */
struct nexthops_key {
	uint16_t ns;
	uint8_t family;
	uint8_t type;
	struct ip_addr prefsrc;
	unsigned int n;
	const struct nexthop_spec *hops; /* complete: links and is_recursive are known */
};
/*
 * The set of that description, made if need be. It lives as long as it has routes: give it one, or
 * call nexthops_put(). -EINVAL: a gateway that can be no neighbour; -ENOSPC, -ENOBUFS, -ENODEV.
 */
int nexthops_get(struct fib *fib, const struct nexthops_key *key, struct nexthops **out);
void nexthops_put(struct fib *fib, struct nexthops *set);
/* When weir stops: nobody is left to hear of it. */
void nexthops_free_all(struct fib_state *state);
void nexthops_add_route(struct nexthops *set, struct route *route);
/* Also puts the set. */
void nexthops_del_route(struct fib *fib, struct nexthops *set, struct route *route);
/* No more routes may join. */
void nexthops_unhash(struct dp *dp, struct nexthops *set);

/* nexthop_state.c: what becomes of them */
bool nexthop_is_good(const struct nexthop *hop);
/* What a bucket holds that is a next hop's. */
uint32_t nexthop_bucket(const struct fib_state *state, const struct nexthop *hop, unsigned int b);
/* Usability, buckets and all that depends on them, after any change of a next hop. */
void nexthops_update(struct dp *dp, struct nexthops *set);
/* Finds the way to a recursive next hop's gateway anew. */
void nexthop_resolve(struct fib *fib, struct nexthop *hop);
/* After a change of routes to a key: gateways in it may be reached in another way. */
void nexthops_follow_routes(struct fib *fib, const struct ip_prefix *key);
/* Would routes to a prefix with these next hops lead to themselves? */
bool nexthops_would_loop(const struct fib *fib, struct nexthops *set, const struct ip_prefix *key);
void nexthop_watch(struct fib *fib, struct nexthop *hop);
void nexthop_unwatch(struct fib *fib, struct nexthop *hop);
void nexthop_unlink_via(struct nexthop *hop);
bool nexthops_link_is_usable(const struct dp *dp, uint16_t ifindex);
void nexthops_follow_link(struct dp *dp, const struct link *link);
void nexthops_follow_neigh(struct dp *dp, const struct neigh *neigh);
/* The link, or its last address of a family (0: all), is gone: so are routes that have no other. */
void nexthops_bury(struct dp *dp, uint16_t ifindex, uint8_t family);
/* Brings routes that are yet to follow in line: for FIB_SLICE_US at most until the next tick. */
void nexthops_slice(struct dp *dp);
void nexthops_retry(struct dp *dp, uint64_t now_ns);

/* multipath.c */
int multipath_init(struct fib_state *state);
void multipath_fini(struct fib_state *state);
int multipath_create(struct fib_state *state, struct nexthops *set);
void multipath_destroy(struct dp *dp, struct nexthops *set);
/* Fills the buckets by what is good. Did any change? */
bool multipath_update(struct fib_state *state, struct nexthops *set);
uint32_t *multipath_buckets(const struct fib_state *state, uint32_t value);
/* The next hop that has a bucket. NULL: none is good. */
const struct nexthop *multipath_owner(const struct nexthops *set, unsigned int bucket);

/* route.c */
/*
 * Puts a route into the table that leads to a set of next hops, in the place of old if given, which
 * stays the caller's to free. On failure puts the set.
 */
int route_install(
	struct fib *fib, const struct route_spec *spec, struct nexthops *set, struct route *old);
void route_remove(struct dp *dp, struct route *route);
/* After it has left the table. */
void route_free(struct dp *dp, struct route *route);

/* fib_conf.c */
struct nexthop_conf {
	struct object_head head;
	struct ip_addr via;
	char *dev;
	int64_t weight;
	bool onlink;
};
struct route_conf {
	struct object_head head;
	struct ip_prefix to;
	struct ip_addr via;
	char *dev;
	int64_t metric;
	int type; /* enum route_type */
	bool onlink;
	struct field_list nexthops; /* of struct nexthop_conf */
};
extern const struct object route_object;
/* The prefix that is meant: "default" is that of the gateway's family. */
struct ip_prefix route_conf_prefix(const struct route_conf *conf);
/*
 * What was asked for, with links by name. hops: room for ROUTE_HOPS_MAX. -ENODEV: there is no link
 * of the name *why; -EINVAL: *why says what is wrong.
 */
int route_conf_spec(const struct dp *dp, const struct route_conf *conf, struct nexthop_spec *hops,
	struct route_spec *out, const char **why);
extern const struct field_enum route_conf_types[];
extern const struct section fib_sections[];

/* fib_show.c */
enum fib_show_table { FIB_SHOW_MAIN, FIB_SHOW_LOCAL, FIB_SHOW_ALL };

struct fib_show_filter {
	uint16_t ns;
	uint16_t link;	     /* 0: any */
	uint8_t type;	     /* ROUTE_TYPE_ANY: any */
	uint8_t family;	     /* 0: both */
	struct ip_prefix to; /* family 0: any */
	enum fib_show_table table;
};
struct row_source *fib_show(const struct dp *dp, const struct fib_show_filter *filter);
/* Is any of its next hops on that link? */
bool route_is_over(const struct route *route, uint16_t ifindex);

/* fib_ctl.c */
json_t *fib_route_row(const struct dp *dp, const struct route *route, enum fib_show_table table);
extern const struct command fib_commands[];
