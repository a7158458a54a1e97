/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Routes. The control thread keeps every route of a namespace by prefix; for each prefix the best
 * usable one is in the LPM table that workers look up (lpm.h), as the index of an adjacency.
 *
 * Several routes to a prefix differ by metric, the lowest wins. A route over a link that is down or
 * has no carrier stays, flagged "linkdown", and is not used. Connected, local and broadcast routes
 * come and go with the addresses of links. A neighbour with a known link-layer address that lies
 * in a connected network gets an entry of its own below any route to that host, so that packets
 * to it need no second look-up; it is no route and is not shown as one.
 *
 * Where a route leads is a set of next hops, shared by all routes that say the same: what changes
 * for a next hop is done once, not for each of a million routes. A set of several is a group of
 * buckets for workers (multipath.h), and so is one whose gateway is on no link but is reached by
 * another route (a recursive next hop): it follows that route by its buckets alone.
 *
 * Numbers of types and protocols are those of rtnetlink(7).
 *
 * Link-local addresses (fe80::/10) mean something on one link only. One table serves all links all
 * the same: there their bytes 2 and 3, which are zero in every such address, hold the ifindex of
 * the link (fib_key()). Who looks one up says on which link (fib6_lookup()).
 */
#include <sys/queue.h>

#include "fib/lpm.h"
#include "neigh/neigh.h"

enum route_type {
	ROUTE_TYPE_ANY = 0, /* in a match only */
	ROUTE_UNICAST = 1,
	ROUTE_LOCAL = 2,
	ROUTE_BROADCAST = 3,
	ROUTE_BLACKHOLE = 6,
	ROUTE_UNREACHABLE = 7,
	ROUTE_PROHIBIT = 8,
};

enum route_protocol {
	ROUTE_PROTOCOL_KERNEL = 2, /* made from an address */
	ROUTE_PROTOCOL_BOOT = 3,   /* by command */
	ROUTE_PROTOCOL_STATIC = 4, /* from the configuration file */
};

enum { ROUTE_HOPS_MAX = 64, ROUTE_WEIGHT_MAX = 256 };

/* A next hop as it is asked for. Compared and hashed as a whole: always built from zero. */
struct nexthop_spec {
	struct ip_addr gateway; /* family 0: none */
	uint16_t link;		/* ifindex; 0: found out by the gateway */
	uint16_t weight;	/* 1..ROUTE_WEIGHT_MAX */
	bool is_onlink;		/* the gateway is on the link, whatever networks that has */
	bool is_recursive;	/* found out: the gateway is reached by another route */
	uint8_t pad[2];
};
static_assert(sizeof(struct nexthop_spec) == 28, "hashed without padding");

struct nexthops;

struct nexthop {
	struct nexthop_spec spec;
	uint32_t adj;		 /* held, unless it is a special one; 0: it has none of its own */
	bool is_linkdown;	 /* its link is down or has no carrier */
	bool is_failed;		 /* one of several, and its neighbour does not answer */
	bool is_dead;		 /* its link, or the last address of that, is gone */
	struct nexthops *set;	 /* that it is in */
	struct nexthops *via;	 /* recursive: those of the route to the gateway; NULL: none */
	TAILQ_ENTRY(nexthop) of; /* of its link's list; recursive: of via->dependents */
};
TAILQ_HEAD(nexthop_list, nexthop);

struct multipath_group; /* multipath.c */

/* Where routes lead. Sets that are alike are one. */
struct nexthops {
	struct nexthops *hash_next;
	TAILQ_HEAD(, route) routes; /* those that have not followed its state yet at the head */
	TAILQ_ENTRY(nexthops) of_stale, of_all;
	struct nexthop_list dependents; /* recursive next hops that lead here */
	struct multipath_group
		*group; /* NULL: one next hop at most, whose adjacency is the value */
	uint32_t value; /* in the LPM */
	uint32_t n_routes;
	uint32_t n_stale; /* at most */
	uint32_t hash;
	uint32_t visit;
	struct ip_addr prefsrc; /* IPv4: of connected, local and broadcast routes */
	uint16_t ns;
	uint8_t family;
	uint8_t type;	/* enum route_type */
	uint8_t depth;	/* of recursion */
	bool is_hashed; /* routes that say the same may join */
	bool is_listed; /* as stale */
	bool is_doomed; /* its routes are on their way out and no longer shown */
	bool is_usable; /* routes to it are used */
	bool is_good;	/* has a next hop that packets get through to, as far as is known */
	uint8_t n;
	struct nexthop hop[];
};

struct route {
	struct ip_prefix prefix; /* without host bits */
	struct nexthops *nexthops;
	struct route *next; /* to the same prefix, in order of preference */
	TAILQ_ENTRY(route) of_nexthops;
	uint32_t metric;
	int line; /* in the configuration file; 0: not from there */
	uint16_t ns;
	uint8_t type;	  /* enum route_type */
	uint8_t protocol; /* enum route_protocol */
};

/* Local and broadcast routes are in the table "local", all others in "main". */
static inline bool route_is_in_local(const struct route *route)
{
	return route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
}

/* A unicast route to what is on the link itself. */
static inline bool route_is_glean(const struct route *route)
{
	return route->type == ROUTE_UNICAST && route->nexthops->n == 1 &&
	       route->nexthops->hop[0].spec.gateway.family == 0;
}

/* The link of a route with one next hop; 0: it has none, or several, or a recursive one. */
static inline uint16_t route_link(const struct route *route)
{
	return route->nexthops->n == 1 ? route->nexthops->hop[0].spec.link : 0;
}

/*
 * Worker: the tables of a namespace. Never NULL. For NS_DEFAULT, and for any other namespace from
 * its first route on, the pointer stays the same for life; before that it is an empty table.
 */
const struct lpm *fib4_table(const struct dp *dp, uint16_t ns);
const struct lpm *fib6_table(const struct dp *dp, uint16_t ns);

/*
 * Goes up after every change of what a lookup may answer, in any table. Who keeps an answer reads it
 * before the lookup (acquire), and asks again when it has changed. Any thread.
 */
const uint32_t *fib_generation(const struct dp *dp);

/*
 * Worker: the adjacency of an IPv6 destination (16 bytes). link: the ifindex that a link-local one
 * is meant on: where the packet came in, or is to go out.
 */
static inline uint32_t fib6_lookup(const struct lpm *lpm, const uint8_t *addr, uint16_t link)
{
	uint8_t key[16];

	if (likely(!ip6_is_link_local(addr)))
		return lpm6_lookup(lpm, addr);
	memcpy(key, addr, sizeof(key));
	key[2] = (uint8_t)(link >> 8);
	key[3] = (uint8_t)link;
	return lpm6_lookup(lpm, key);
}

/* Everything below: control thread. */

/* What an address on a link is found by in the tables: the address itself unless link-local. */
struct ip_addr fib_key(const struct ip_addr *addr, uint16_t link);

/*
 * The route that packets to addr take, hosts' entries aside. NULL: none. Valid until a change.
 * link: as for fib6_lookup().
 */
const struct route *fib_lookup(
	const struct dp *dp, uint16_t ns, const struct ip_addr *addr, uint16_t link);

/* A route as it is asked for. */
struct route_spec {
	struct ip_prefix prefix;
	uint32_t metric; /* 0 is 1024 for IPv6, as in Linux */
	uint16_t ns;
	uint8_t type;	  /* enum route_type */
	uint8_t protocol; /* enum route_protocol */
	int line;
	unsigned int n_hops; /* of a unicast route, 1..ROUTE_HOPS_MAX; else 0 */
	const struct nexthop_spec *hops;
};

/*
 * Adds a route. A default route is one of its gateways' family, whatever prefix.addr.family says. On
 * failure says why (a constant text): -EEXIST: there is one of that prefix and metric; -EINVAL,
 * -ENETUNREACH, -ENODEV, -ELOOP, -EAFNOSUPPORT; -ENOSPC: a table of workers is full.
 */
int fib_route_add(struct dp *dp, const struct route_spec *want, const char **why);
/* The same, in place of a route of that prefix and metric if there is one: packets find either. */
int fib_route_replace(struct dp *dp, const struct route_spec *want, const char **why);

struct route_match {
	uint16_t ns;
	struct ip_prefix prefix;
	struct ip_addr gateway; /* of any of its next hops; family 0: any */
	uint16_t link;		/* the same; 0: any */
	enum route_type type;	/* ROUTE_TYPE_ANY: any of the table "main" */
	int64_t metric;		/* negative, and 0 for IPv6: any */
};
/* Deletes the first route that matches; -ESRCH: none does. */
int fib_route_del(struct dp *dp, const struct route_match *match);

/*
 * The routes to exactly this prefix, by preference (->next). NULL: none. link: of a link-local one.
 */
const struct route *fib_routes(
	const struct dp *dp, uint16_t ns, const struct ip_prefix *prefix, uint16_t link);
/* The same for every prefix, sorted by prefix: an array of n, to be freed. */
const struct route **fib_routes_all(const struct dp *dp, uint16_t ns, size_t *n);

/* A row of `ip -j route show table all`. New reference. */
json_t *route_to_json(const struct dp *dp, const struct route *route);
/* Which next hop of a route the packets from an address to another take, as the L3 hash has it. */
struct nexthop_choice {
	struct ip_addr gateway; /* family 0: the destination itself */
	uint16_t link;		/* 0: none is left */
};
struct nexthop_choice fib_route_choice(const struct dp *dp, const struct route *route,
	const struct ip_addr *from, const struct ip_addr *to);

/* A row of `ip -j route show table all`. New reference. */
json_t *route_to_json(const struct dp *dp, const struct route *route);
const char *route_type_name(uint8_t type);
const char *route_protocol_name(uint8_t protocol);

extern struct module fib_module;
