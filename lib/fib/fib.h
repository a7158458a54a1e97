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

struct route {
	struct ip_prefix prefix; /* without host bits */
	struct ip_addr gateway;	 /* family 0: none */
	struct ip_addr prefsrc;	 /* IPv4: of connected, local and broadcast routes */
	uint32_t metric;
	uint32_t adj; /* held, unless it is a special one */
	uint16_t ns;
	uint16_t link;	    /* ifindex; 0: none */
	uint8_t type;	    /* enum route_type */
	uint8_t protocol;   /* enum route_protocol */
	bool is_onlink;	    /* the gateway is in no connected network of the link */
	bool is_linkdown;   /* not used */
	int line;	    /* in the configuration file; 0: not from there */
	struct route *next; /* to the same prefix, in order of preference */
	TAILQ_ENTRY(route) of_link;
};

/* Local and broadcast routes are in the table "local", all others in "main". */
static inline bool route_is_in_local(const struct route *route)
{
	return route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
}

/* A unicast route to what is on the link itself. */
static inline bool route_is_glean(const struct route *route)
{
	return route->type == ROUTE_UNICAST && route->gateway.family == 0;
}

/*
 * Worker: the tables of a namespace. Never NULL. For NS_DEFAULT, and for any other namespace from
 * its first route on, the pointer stays the same for life; before that it is an empty table.
 */
const struct lpm *fib4_table(const struct dp *dp, uint16_t ns);
const struct lpm *fib6_table(const struct dp *dp, uint16_t ns);

/* Is it in fe80::/10 (RFC 4291 2.5.6)? addr: 16 bytes. */
static inline bool fib6_is_link_local(const uint8_t *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/*
 * Worker: the adjacency of an IPv6 destination (16 bytes). link: the ifindex that a link-local one
 * is meant on: where the packet came in, or is to go out.
 */
static inline uint32_t fib6_lookup(const struct lpm *lpm, const uint8_t *addr, uint16_t link)
{
	uint8_t key[16];

	if (likely(!fib6_is_link_local(addr)))
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

/*
 * Adds a route as described by prefix, gateway, link, metric, type, protocol, ns and line of
 * *want; the rest is found out. As in Linux, an IPv6 route without a metric gets 1024. On failure
 * says why (a constant text): -EEXIST: there is one of that prefix and metric; -EINVAL,
 * -ENETUNREACH, -ENODEV, -EAFNOSUPPORT; -ENOSPC: the LPM is full.
 */
int fib_route_add(struct dp *dp, const struct route *want, const char **why);
/* The same, in place of a route of that prefix and metric if there is one: packets find either. */
int fib_route_replace(struct dp *dp, const struct route *want, const char **why);

struct route_match {
	uint16_t ns;
	struct ip_prefix prefix;
	struct ip_addr gateway; /* family 0: any */
	uint16_t link;		/* 0: any */
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
const char *route_type_name(uint8_t type);
const char *route_protocol_name(uint8_t protocol);

extern struct module fib_module;
