/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Routes as an operator gives them: checked as Linux checks them, resolved to a link and an
 * adjacency, put into the table (fib.c) and taken out; and routes that follow the state of their
 * link. Control thread.
 *
 * A link may carry a million routes. When it goes down or comes back they follow in slices, a
 * slice at once and one with every tick: fib_link keeps those that are still stale at the head of
 * its list. Meanwhile packets are dropped for the link itself, so nothing goes wrong but later.
 */
#include "fib/fib_priv.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static const char bad_gateway[] = "Nexthop has invalid gateway";

/* Links */

static struct fib_link *route_link(const struct dp *dp, const struct route *route)
{
	return route->link == 0 ? NULL : &fib_state(dp)->links[route->link];
}

static bool link_is_usable(const struct link *link)
{
	return link->is_up && link->is_running;
}

/* Local routes outlive their link's carrier, as in Linux: the address is still ours. */
static bool route_is_linkdown(const struct dp *dp, const struct route *route)
{
	const struct link *link;

	if (route->link == 0 || route->type == ROUTE_LOCAL)
		return false;
	link = link_by_index(dp, route->link);
	return link == NULL || !link_is_usable(link);
}

/* Brings some of the stale routes of a link in line with its state. */
static void link_slice(struct dp *dp, struct fib_link *fl, size_t n)
{
	if (fl->n_stale > fl->n_routes)
		fl->n_stale = fl->n_routes;
	for (; n > 0 && fl->n_stale > 0; n--, fl->n_stale--) {
		struct route *route = TAILQ_FIRST(&fl->routes);
		bool is_linkdown = route_is_linkdown(dp, route);

		TAILQ_REMOVE(&fl->routes, route, of_link);
		TAILQ_INSERT_TAIL(&fl->routes, route, of_link);
		if (route->is_linkdown == is_linkdown)
			continue;
		route->is_linkdown = is_linkdown;
		if (fib_refresh(fib_state(dp)->fibs[route->ns], route) == 0)
			continue;
		/* Stays flagged: out of use, and the next change of the link tries again. */
		route->is_linkdown = true;
		log_err("fib", "route not used, the table is full link=%u groups=%u", route->link,
			FIB_GROUPS_MAX);
	}
}

void route_follow_link(struct dp *dp, const struct link *link)
{
	struct fib_link *fl = &fib_state(dp)->links[link->ifindex];

	if (fl->is_usable == link_is_usable(link))
		return;
	fl->is_usable = link_is_usable(link);
	fl->n_stale = fl->n_routes;
	link_slice(dp, fl, FIB_ROUTES_PER_TICK);
}

void route_follow_links_tick(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);

	for (unsigned int i = 1; i < LINK_MAX; i++)
		if (state->links[i].n_stale > 0)
			link_slice(dp, &state->links[i], FIB_ROUTES_PER_TICK);
}

/* Into and out of the table */

int route_install(struct dp *dp, const struct route *want, struct route *old)
{
	struct route *route = calloc(1, sizeof(*route));
	struct fib_link *fl = route_link(dp, want);
	struct fib *fib;
	int err;

	if (route == NULL)
		return -ENOMEM;
	*route = *want;
	route->is_linkdown = route_is_linkdown(dp, route);
	err = fib_get(dp, route->ns, &fib);
	if (err == 0)
		err = fib_change(fib, route, old);
	if (err < 0) {
		free(route);
		return err;
	}
	if (fl != NULL) {
		TAILQ_INSERT_TAIL(&fl->routes, route, of_link);
		fl->n_routes++;
	}
	dp_publish(dp, EVENT_ROUTE_NEW, route);
	return 0;
}

/* After it has left the table. */
static void route_free(struct dp *dp, struct route *route)
{
	struct fib_link *fl = route_link(dp, route);

	if (fl != NULL) {
		TAILQ_REMOVE(&fl->routes, route, of_link);
		fl->n_routes--;
	}
	neigh_put(dp, route->adj);
	free(route);
}

void route_remove(struct dp *dp, struct route *route)
{
	fib_change(fib_state(dp)->fibs[route->ns], NULL, route);
	dp_publish(dp, EVENT_ROUTE_DELETED, route);
	route_free(dp, route);
}

/* What an operator may want */

static int route_fail(const char **why, int err, const char *text)
{
	*why = text;
	return err;
}

static int route_resolve_special(struct route *route, const char **why)
{
	if (route->gateway.family != 0 || route->link != 0)
		return route_fail(why, -EINVAL,
			"Gateway, device and multipath can not be specified for this route type");
	switch ((enum route_type)route->type) {
	case ROUTE_BLACKHOLE:
		route->adj = ADJ_BLACKHOLE;
		return 0;
	case ROUTE_UNREACHABLE:
		route->adj = ADJ_UNREACHABLE;
		return 0;
	case ROUTE_PROHIBIT:
		route->adj = ADJ_PROHIBIT;
		return 0;
	case ROUTE_TYPE_ANY:
	case ROUTE_UNICAST:
	case ROUTE_LOCAL:
	case ROUTE_BROADCAST:
		break;
	}
	return route_fail(why, -EINVAL, "This route type is made from addresses only");
}

/* Is the address ours, or a broadcast address of a connected network? */
static bool addr_is_local(const struct fib *fib, const struct ip_addr *addr, uint16_t link)
{
	struct ip_prefix host = { .addr = fib_key(addr, link),
		.len = ip_family_bits(addr->family) };
	const struct fib_entry *entry = fib_entry_lookup(fib, &host);

	return entry != NULL && entry->routes != NULL && route_is_in_local(entry->routes);
}

/* Finds the link of a gateway, or checks it: the gateway must be reachable without another one. */
static int route_resolve_gateway(const struct fib *fib, struct route *route, const char **why)
{
	const struct route *on_link;

	if (route->gateway.family != route->prefix.addr.family)
		return route_fail(why, -EINVAL, "The gateway is of another address family");
	if (route->link == 0 && fib_is_link_local(&route->gateway))
		return route_fail(why, -EINVAL, "A link-local gateway needs dev");
	if (addr_is_local(fib, &route->gateway, route->link))
		return route_fail(why, -EINVAL, bad_gateway);
	on_link = fib_glean_match(fib, &route->gateway, route->link);
	if (on_link == NULL && route->link == 0)
		return route_fail(why, -ENETUNREACH, bad_gateway);
	route->is_onlink = on_link == NULL;
	if (route->link == 0)
		route->link = on_link->link;
	return 0;
}

/* Finds out what the description leaves open; on success the adjacency is held. */
static int route_resolve(
	struct dp *dp, const struct fib *fib, struct route *route, const char **why)
{
	const struct link *link;
	int err;

	if (route->type != ROUTE_UNICAST)
		return route_resolve_special(route, why);
	if (route->gateway.family == 0 && route->link == 0)
		return route_fail(why, -ENODEV, "A unicast route needs via or dev");
	if (route->gateway.family != 0) {
		err = route_resolve_gateway(fib, route, why);
		if (err < 0)
			return err;
	}
	link = link_by_index(dp, route->link);
	if (link == NULL)
		return route_fail(why, -ENODEV, "No such device");
	if (route->gateway.family == 0)
		err = neigh_get_glean(dp, link, route->prefix.addr.family, &route->adj);
	else
		err = neigh_get(dp, link, &route->gateway, &route->adj);
	if (err == -EINVAL)
		return route_fail(why, err, bad_gateway);
	return err < 0 ? route_fail(why, err, "No adjacency is left") : 0;
}

static int route_check_prefix(const struct route *want, const char **why)
{
	const struct ip_prefix *prefix = &want->prefix;
	struct ip_prefix network = ip_prefix_network(prefix);

	if (!ip_addr_is_equal(&network.addr, &prefix->addr))
		return route_fail(why, -EINVAL, "Invalid prefix for given prefix length");
	if (!fib_is_link_local(&prefix->addr))
		return 0;
	if (!fib_is_link_local_prefix(prefix))
		return route_fail(why, -EINVAL, "A link-local prefix lies in fe80::/64");
	return want->link == 0 ? route_fail(why, -ENODEV, "A link-local prefix needs dev") : 0;
}

/* What the operator leaves out. */
static struct route route_complete(const struct route *want)
{
	struct route route = *want;

	/* "default" is that of the gateway's family. */
	if (route.prefix.len == 0 && route.gateway.family == AF_INET6)
		route.prefix.addr.family = AF_INET6;
	route.metric = fib_metric(route.prefix.addr.family, route.metric);
	return route;
}

/* The route of the table "main" with the same metric. */
static struct route *route_same(const struct fib *fib, const struct route *want)
{
	struct ip_prefix key = fib_key_prefix(&want->prefix, want->link);
	const struct fib_entry *entry = fib_entry_lookup(fib, &key);
	struct route *route = entry == NULL ? NULL : entry->routes;

	while (route != NULL && (route_is_in_local(route) || route->metric != want->metric))
		route = route->next;
	return route;
}

static int route_put_in(
	struct dp *dp, const struct route *want, bool is_replacing, const char **why)
{
	struct route route = route_complete(want), *old;
	struct fib *fib;
	int err = route_check_prefix(&route, why);

	if (err < 0)
		return err;
	err = fib_get(dp, route.ns, &fib);
	if (err < 0)
		return route_fail(why, err, "No memory for the table");
	old = route_same(fib, &route);
	if (old != NULL && !is_replacing)
		return route_fail(why, -EEXIST, "File exists: a route with this prefix and metric");
	err = route_resolve(dp, fib, &route, why);
	if (err < 0)
		return err;
	err = route_install(dp, &route, old);
	if (err < 0) {
		neigh_put(dp, route.adj);
		return route_fail(why, err, "The routing table is full");
	}
	/* Only now: packets have found the old adjacency until the new one was in its place. */
	if (old != NULL)
		route_free(dp, old);
	return 0;
}

int fib_route_add(struct dp *dp, const struct route *want, const char **why)
{
	return route_put_in(dp, want, false, why);
}

int fib_route_replace(struct dp *dp, const struct route *want, const char **why)
{
	return route_put_in(dp, want, true, why);
}

static bool route_is_match(const struct route *route, const struct route_match *match)
{
	if (match->type == ROUTE_TYPE_ANY ? route_is_in_local(route) : route->type != match->type)
		return false;
	if (match->gateway.family != 0 && !ip_addr_is_equal(&match->gateway, &route->gateway))
		return false;
	if (match->link != 0 && match->link != route->link)
		return false;
	if (match->metric == 0 && route->prefix.addr.family == AF_INET6)
		return true;
	return match->metric < 0 || match->metric == route->metric;
}

int fib_route_del(struct dp *dp, const struct route_match *match)
{
	const struct fib *fib = fib_state(dp)->fibs[match->ns];
	struct ip_prefix key = fib_key_prefix(&match->prefix, match->link);
	struct fib_entry *entry;

	if (key.len == 0 && match->gateway.family == AF_INET6)
		key.addr.family = AF_INET6;
	entry = fib == NULL ? NULL : fib_entry_lookup(fib, &key);
	if (entry == NULL)
		return -ESRCH;
	for (struct route *route = entry->routes; route != NULL; route = route->next) {
		if (!route_is_match(route, match))
			continue;
		route_remove(dp, route);
		return 0;
	}
	return -ESRCH;
}

const char *route_type_name(uint8_t type)
{
	switch ((enum route_type)type) {
	case ROUTE_TYPE_ANY:
		break;
	case ROUTE_UNICAST:
		return "unicast";
	case ROUTE_LOCAL:
		return "local";
	case ROUTE_BROADCAST:
		return "broadcast";
	case ROUTE_BLACKHOLE:
		return "blackhole";
	case ROUTE_UNREACHABLE:
		return "unreachable";
	case ROUTE_PROHIBIT:
		return "prohibit";
	}
	return "unknown";
}

const char *route_protocol_name(uint8_t protocol)
{
	switch ((enum route_protocol)protocol) {
	case ROUTE_PROTOCOL_KERNEL:
		return "kernel";
	case ROUTE_PROTOCOL_BOOT:
		return "boot";
	case ROUTE_PROTOCOL_STATIC:
		return "static";
	}
	return "unknown";
}
