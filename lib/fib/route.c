/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Routes as an operator gives them: checked as Linux checks them, led to a set of next hops, put into
 * the table (fib.c) and taken out. Control thread.
 *
 * Beyond Linux, a gateway may be on no link: then another route must lead to it, though no default
 * route, which would take every slip of the pen.
 */
#include "fib/fib_priv.h"

#include <string.h>

#include "base/mem.h"

static const char bad_gateway[] = "Nexthop has invalid gateway";

/* Into and out of the table */

static size_t *route_count(struct fib_state *state, const struct route *route)
{
	RTE_ASSERT(route->protocol < FIB_PROTOCOLS_MAX);
	return &state->n_routes[fib_family(route->prefix.addr.family)][route->protocol];
}

int route_install(
	struct fib *fib, const struct route_spec *spec, struct nexthops *set, struct route *old)
{
	struct fib_state *state = fib_state(fib->dp);
	struct route *route = calloc(1, sizeof(*route));
	int err = -ENOMEM;

	if (route == NULL)
		goto err_set;
	*route = (struct route){
		.prefix = spec->prefix,
		.nexthops = set,
		.metric = spec->metric,
		.line = spec->line,
		.ns = spec->ns,
		.type = spec->type,
		.protocol = spec->protocol,
	};
	err = fib_change(fib, route, old);
	if (err < 0)
		goto err_route;
	nexthops_add_route(set, route);
	(*route_count(state, route))++;
	dp_publish(fib->dp, EVENT_ROUTE_NEW, route);
	return 0;

err_route:
	free(route);
err_set:
	nexthops_put(fib, set);
	return err;
}

void route_free(struct dp *dp, struct route *route)
{
	struct fib_state *state = fib_state(dp);

	(*route_count(state, route))--;
	nexthops_del_route(state->fibs[route->ns], route->nexthops, route);
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

/* Is the address ours, or a broadcast address of a connected network? */
static bool addr_is_local(const struct fib *fib, const struct ip_addr *addr, uint16_t link)
{
	struct ip_prefix host = { .addr = fib_key(addr, link),
		.len = ip_family_bits(addr->family) };
	const struct fib_entry *entry = fib_entry_lookup(fib, &host);
	const struct route *best = entry == NULL ? NULL : fib_entry_best(entry);

	return best != NULL && route_is_in_local(best);
}

/* Finds the way to a gateway, or checks it. */
static int gateway_resolve(const struct fib *fib, struct nexthop_spec *hop, const char **why)
{
	const struct route *on_link;

	if (hop->link == 0 && fib_is_link_local(&hop->gateway))
		return route_fail(why, -EINVAL, "A link-local gateway needs dev");
	if (hop->link == 0 && hop->is_onlink)
		return route_fail(why, -EINVAL, "onlink needs dev");
	if (addr_is_local(fib, &hop->gateway, hop->link))
		return route_fail(why, -EINVAL, bad_gateway);
	on_link = fib_glean_match(fib, &hop->gateway, hop->link);
	if (on_link == NULL && hop->link == 0) {
		hop->is_recursive = true;
		return fib_gateway_is_known(fib, &hop->gateway)
			       ? 0
			       : route_fail(why, -ENETUNREACH, bad_gateway);
	}
	hop->is_onlink = hop->is_onlink || on_link == NULL;
	if (hop->link == 0)
		hop->link = route_link(on_link);
	return 0;
}

static int hop_resolve(
	const struct fib *fib, uint8_t family, struct nexthop_spec *hop, const char **why)
{
	if (hop->link != 0 && link_by_index(fib->dp, hop->link) == NULL)
		return route_fail(why, -ENODEV, "No such device");
	if (hop->weight == 0 || hop->weight > ROUTE_WEIGHT_MAX)
		return route_fail(why, -EINVAL, "The weight of a nexthop is 1 to 256");
	if (hop->gateway.family == 0)
		return hop->link == 0 ? route_fail(why, -ENODEV, "A unicast route needs via or dev")
				      : 0;
	if (hop->gateway.family != family)
		return route_fail(why, -EINVAL, "The gateway is of another address family");
	return gateway_resolve(fib, hop, why);
}

static int hops_resolve(const struct fib *fib, const struct route_spec *spec,
	struct nexthop_spec hops[static ROUTE_HOPS_MAX], const char **why)
{
	int err = 0;

	if (spec->type != ROUTE_UNICAST && spec->n_hops > 0)
		return route_fail(why, -EINVAL,
			"Gateway, device and multipath can not be specified for this route type");
	if (spec->type == ROUTE_LOCAL || spec->type == ROUTE_BROADCAST)
		return route_fail(why, -EINVAL, "This route type is made from addresses only");
	if (spec->type == ROUTE_UNICAST && spec->n_hops == 0)
		return route_fail(why, -ENODEV, "A unicast route needs via or dev");
	if (spec->n_hops > ROUTE_HOPS_MAX)
		return route_fail(why, -EINVAL, "A route has 64 next hops at most");
	for (unsigned int i = 0; i < spec->n_hops && err == 0; i++) {
		hops[i] = spec->hops[i];
		err = hop_resolve(fib, spec->prefix.addr.family, &hops[i], why);
	}
	return err;
}

static int route_check_prefix(const struct route_spec *spec, const char **why)
{
	const struct ip_prefix *prefix = &spec->prefix;
	struct ip_prefix network = ip_prefix_network(prefix);

	if (!ip_addr_is_equal(&network.addr, &prefix->addr))
		return route_fail(why, -EINVAL, "Invalid prefix for given prefix length");
	if (!fib_is_link_local(&prefix->addr))
		return 0;
	if (!fib_is_link_local_prefix(prefix))
		return route_fail(why, -EINVAL, "A link-local prefix lies in fe80::/64");
	if (spec->n_hops != 1 || spec->hops[0].link == 0)
		return route_fail(why, -ENODEV, "A link-local prefix needs dev, and only one");
	return 0;
}

/* What the operator leaves out. */
static struct route_spec spec_complete(const struct route_spec *want)
{
	struct route_spec spec = *want;

	if (spec.prefix.len == 0 && spec.n_hops > 0 && spec.hops[0].gateway.family != 0)
		spec.prefix.addr.family = spec.hops[0].gateway.family;
	spec.metric = fib_metric(spec.prefix.addr.family, spec.metric);
	return spec;
}

/* The route of the table "main" with the same metric. */
static struct route *route_same(const struct fib *fib, const struct route_spec *spec)
{
	struct ip_prefix key =
		fib_key_prefix(&spec->prefix, spec->n_hops == 1 ? spec->hops[0].link : 0);
	const struct fib_entry *entry = fib_entry_lookup(fib, &key);
	struct route *route = entry == NULL ? NULL : entry->routes;

	while (route != NULL && (route_is_in_local(route) || route->metric != spec->metric ||
					route->nexthops->is_doomed))
		route = route->next;
	return route;
}

static int set_find(
	struct fib *fib, const struct route_spec *spec, struct nexthops **out, const char **why)
{
	struct nexthop_spec hops[ROUTE_HOPS_MAX];
	struct nexthops_key key = {
		.ns = spec->ns,
		.family = spec->prefix.addr.family,
		.type = spec->type,
		.n = spec->n_hops,
		.hops = hops,
	};
	struct ip_prefix prefix = spec->prefix;
	int err = hops_resolve(fib, spec, hops, why);

	if (err < 0)
		return err;
	err = nexthops_get(fib, &key, out);
	if (err == -EINVAL)
		return route_fail(why, err, bad_gateway);
	if (err < 0)
		return route_fail(why, err, "No room for more next hops");
	prefix = fib_key_prefix(&prefix, spec->n_hops == 1 ? hops[0].link : 0);
	if (!nexthops_would_loop(fib, *out, &prefix))
		return 0;
	nexthops_put(fib, *out);
	return route_fail(why, -ELOOP, "The route would lead to its own gateway");
}

static int route_put_in(
	struct dp *dp, const struct route_spec *want, bool is_replacing, const char **why)
{
	struct route_spec spec = spec_complete(want);
	int err = route_check_prefix(&spec, why);
	struct nexthops *set;
	struct route *old;
	struct fib *fib;

	if (err < 0)
		return err;
	err = fib_get(dp, spec.ns, &fib);
	if (err < 0)
		return route_fail(why, err, "No memory for the table");
	old = route_same(fib, &spec);
	if (old != NULL && !is_replacing)
		return route_fail(why, -EEXIST, "File exists: a route with this prefix and metric");
	err = set_find(fib, &spec, &set, why);
	if (err < 0)
		return err;
	err = route_install(fib, &spec, set, old);
	if (err < 0)
		return route_fail(why, err, "The routing table is full");
	/* Only now: packets have found the old next hops until the new ones were in their place. */
	if (old != NULL)
		route_free(dp, old);
	/* Routes that are reached by this one. */
	nexthops_slice(dp);
	return 0;
}

int fib_route_add(struct dp *dp, const struct route_spec *want, const char **why)
{
	return route_put_in(dp, want, false, why);
}

int fib_route_replace(struct dp *dp, const struct route_spec *want, const char **why)
{
	return route_put_in(dp, want, true, why);
}

/* Has the set a next hop with that gateway and link? */
static bool set_is_match(const struct nexthops *set, const struct route_match *match)
{
	if (match->gateway.family == 0 && match->link == 0)
		return true;
	for (unsigned int i = 0; i < set->n; i++) {
		const struct nexthop_spec *hop = &set->hop[i].spec;

		if (match->gateway.family != 0 && !ip_addr_is_equal(&match->gateway, &hop->gateway))
			continue;
		if (match->link == 0 || match->link == hop->link)
			return true;
	}
	return false;
}

static bool route_is_match(const struct route *route, const struct route_match *match)
{
	if (match->type == ROUTE_TYPE_ANY ? route_is_in_local(route) : route->type != match->type)
		return false;
	if (route->nexthops->is_doomed || !set_is_match(route->nexthops, match))
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
		nexthops_slice(dp);
		return 0;
	}
	return -ESRCH;
}

/* Which way */

struct nexthop_choice fib_route_choice(const struct dp *dp, const struct route *route,
	const struct ip_addr *from, const struct ip_addr *to)
{
	struct multipath mp = fib_multipath(dp);
	uint64_t hash = to->family == AF_INET6 ? multipath_hash6(&mp, from->bytes, to->bytes, 0)
					       : multipath_hash4(&mp, from->v4_be, to->v4_be, 0);
	const struct nexthops *set = route->nexthops;
	const struct nexthop *hop = NULL;

	while (set != NULL && set->n > 0) {
		hop = set->group == NULL ? &set->hop[0]
					 : multipath_owner(set, hash % MULTIPATH_BUCKETS);
		if (hop == NULL || hop->via == NULL)
			break;
		/* A gateway on a network that has been connected since is the last one. */
		if (hop->adj != 0)
			return (struct nexthop_choice){ .gateway = hop->spec.gateway,
				.link = hop->via->hop[0].spec.link };
		set = hop->via;
	}
	if (hop == NULL)
		return (struct nexthop_choice){ 0 };
	return (struct nexthop_choice){ .gateway = hop->spec.gateway, .link = hop->spec.link };
}

/* Names */

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
