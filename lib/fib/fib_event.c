/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What addresses, links and neighbours do to routes: connected, local and broadcast routes are
 * made from addresses as Linux makes them (no broadcast ones for IPv6); routes follow their link;
 * neighbours get and lose their entries. And the module itself. Control thread.
 */
#include "fib/fib_priv.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* Routes of addresses */

static bool route_is_alike(const struct route *a, const struct route *b)
{
	return a->link == b->link && a->type == b->type && a->protocol == b->protocol;
}

/* The route to that prefix of the same link, type and protocol. */
static struct route *kernel_route_find(const struct dp *dp, const struct route *want)
{
	const struct fib *fib = fib_state(dp)->fibs[want->ns];
	struct ip_prefix key = fib_key_prefix(&want->prefix, want->link);
	const struct fib_entry *entry = fib == NULL ? NULL : fib_entry_lookup(fib, &key);
	struct route *route = entry == NULL ? NULL : entry->routes;

	while (route != NULL && !route_is_alike(route, want))
		route = route->next;
	return route;
}

static int kernel_route_adj(struct dp *dp, struct route *route)
{
	route->adj = route->type == ROUTE_LOCAL ? ADJ_LOCAL : ADJ_BROADCAST;
	if (route->type != ROUTE_UNICAST)
		return 0;
	return neigh_get_glean(
		dp, link_by_index(dp, route->link), route->prefix.addr.family, &route->adj);
}

/* Adds a route of an address unless an earlier address of the link has brought it. */
static void kernel_route_add(struct dp *dp, struct route *route)
{
	char text[IP_PREFIX_TEXT_MAX];
	int err;

	if (kernel_route_find(dp, route) != NULL)
		return;
	err = kernel_route_adj(dp, route);
	if (err == 0) {
		err = route_install(dp, route, NULL);
		if (err < 0)
			neigh_put(dp, route->adj);
	}
	if (err < 0)
		log_err("fib", "no route for an address type=%s prefix=%s error=%s",
			route_type_name(route->type), ip_prefix_text(&route->prefix, text),
			strerror(-err));
}

struct heir {
	const struct ns_addr *gone;
	const struct ns_addr *heir; /* an address of the same link and network */
	bool has_any;		    /* of the same family on the link */
};

static void heir_find(const struct ns_addr *addr, void *ctx)
{
	struct heir *heir = ctx;
	const struct ns_addr *gone = heir->gone;

	if (addr->prefix.addr.family != gone->prefix.addr.family ||
		ip_addr_is_equal(&addr->prefix.addr, &gone->prefix.addr))
		return;
	heir->has_any = true;
	if (heir->heir == NULL && addr->prefix.len == gone->prefix.len &&
		ip_prefix_contains(&gone->prefix, &addr->prefix.addr))
		heir->heir = addr;
}

/* Removes a route of an address, or leaves it to another address of the same network. */
static void kernel_route_del(struct dp *dp, const struct route *want, const struct ns_addr *heir)
{
	struct route *route = kernel_route_find(dp, want);

	if (route == NULL)
		return;
	if (heir == NULL)
		route_remove(dp, route);
	else if (route->prefsrc.family != 0)
		route->prefsrc = heir->prefix.addr;
}

/* The routes that an address brings; how many. */
static unsigned int addr_routes(const struct ns_addr *addr, struct route routes[static 4])
{
	bool is_ip6 = addr->prefix.addr.family == AF_INET6;
	uint8_t bits = ip_family_bits(addr->prefix.addr.family);
	struct route base = {
		.prefsrc = is_ip6 ? (struct ip_addr){ 0 } : addr->prefix.addr,
		.ns = addr->ns,
		.link = addr->link,
		.protocol = ROUTE_PROTOCOL_KERNEL,
	};
	struct ip_prefix network = ip_prefix_network(&addr->prefix);
	unsigned int n = 0;

	routes[n] = base;
	routes[n].type = ROUTE_LOCAL;
	routes[n++].prefix = (struct ip_prefix){ .addr = addr->prefix.addr, .len = bits };
	if (addr->prefix.len < bits) {
		routes[n] = base;
		routes[n].type = ROUTE_UNICAST;
		routes[n].metric = is_ip6 ? FIB_METRIC6_KERNEL : 0;
		routes[n++].prefix = network;
	}
	if (addr->broadcast_be == 0)
		return n;
	/* RFC 1122 3.3.6: the network's own address was a broadcast address once; still no host. */
	routes[n] = base;
	routes[n].type = ROUTE_BROADCAST;
	routes[n++].prefix = (struct ip_prefix){ .addr = network.addr, .len = 32 };
	routes[n] = base;
	routes[n].type = ROUTE_BROADCAST;
	routes[n++].prefix =
		(struct ip_prefix){ .addr = ip_addr_v4(addr->broadcast_be), .len = 32 };
	return n;
}

static void addr_new(struct dp *dp, const struct ns_addr *addr)
{
	struct route routes[4];
	unsigned int n = addr_routes(addr, routes);

	for (unsigned int i = 0; i < n; i++)
		kernel_route_add(dp, &routes[i]);
}

static void addr_keep(const struct ns_addr *addr, void *ctx)
{
	addr_new(ctx, addr);
}

/* Removes the routes over a link, of one family or (0) of all. */
static void link_remove_routes(struct dp *dp, uint16_t ifindex, uint8_t family)
{
	struct fib_link *fl = &fib_state(dp)->links[ifindex];
	struct route *route, *next;

	for (route = TAILQ_FIRST(&fl->routes); route != NULL; route = next) {
		next = TAILQ_NEXT(route, of_link);
		if (family == 0 || route->prefix.addr.family == family)
			route_remove(dp, route);
	}
}

static void addr_deleted(struct dp *dp, const struct ns_addr *addr)
{
	struct heir heir = { .gone = addr };
	struct route routes[4];
	unsigned int n = addr_routes(addr, routes);

	ns_addr_each(dp, addr->link, heir_find, &heir);
	/* As Linux: without an address nothing can be asked for its link-layer address. */
	if (!heir.has_any) {
		link_remove_routes(dp, addr->link, addr->prefix.addr.family);
		return;
	}
	kernel_route_del(dp, &routes[0], NULL);
	for (unsigned int i = 1; i < n; i++)
		kernel_route_del(dp, &routes[i], heir.heir);
	/* Networks of other lengths may end in the same broadcast address. */
	ns_addr_each(dp, addr->link, addr_keep, dp);
}

/* The module */

static void fib_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	const struct ns_addr *addr = subject;
	const struct neigh *neigh = subject;
	const struct link *link = subject;
	struct fib_state *state = fib_state(dp);

	/* Links go after us when weir stops: nothing is left to change. */
	if (state->pool == NULL)
		return;
	switch (kind) {
	case EVENT_ADDR_NEW:
		addr_new(dp, addr);
		return;
	case EVENT_ADDR_DELETED:
		addr_deleted(dp, addr);
		return;
	case EVENT_NEIGH_CHANGED:
		if (state->fibs[neigh->ns] != NULL)
			fib_host_update(state->fibs[neigh->ns], neigh);
		return;
	case EVENT_LINK_NEW:
	case EVENT_LINK_CHANGED:
		route_follow_link(dp, link);
		return;
	case EVENT_LINK_DELETED:
		link_remove_routes(dp, link->ifindex, 0);
		state->links[link->ifindex].is_usable = false;
		return;
	case EVENT_ROUTE_NEW:
	case EVENT_ROUTE_DELETED:
		return;
	}
}

static void fib_tick(struct dp *dp, uint64_t now_ns)
{
	route_follow_links_tick(dp);
}

static void fib_retire(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg)
{
	dp_retire(ctx, fn, ptr, arg);
}

static int fib_init(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);
	struct fib *fib;
	int err;

	err = lpm_pool_create(FIB_TABLES_MAX, FIB_GROUPS_MAX, fib_retire, dp, &state->pool);
	if (err < 0)
		return err;
	err = lpm_create(state->pool, 32, &state->none[FIB_IP4]);
	if (err < 0)
		goto err_pool;
	err = lpm_create(state->pool, 128, &state->none[FIB_IP6]);
	if (err < 0)
		goto err_none4;
	for (unsigned int i = 0; i < NS_MAX; i++)
		for (unsigned int k = 0; k < FIB_N_FAMILIES; k++)
			state->tables[k][i] = state->none[k];
	err = fib_get(dp, NS_DEFAULT, &fib);
	if (err < 0)
		goto err_none6;
	state->links = mem_zalloc(LINK_MAX * sizeof(*state->links));
	for (unsigned int i = 0; i < LINK_MAX; i++)
		TAILQ_INIT(&state->links[i].routes);
	return 0;

err_none6:
	lpm_destroy(state->none[FIB_IP6]);
err_none4:
	lpm_destroy(state->none[FIB_IP4]);
err_pool:
	lpm_pool_destroy(state->pool);
	state->pool = NULL;
	return err;
}

static void pool_free(void *ptr, uint64_t arg)
{
	lpm_pool_destroy(ptr);
}

/* Groups may still be on the retire list: tables and pool queue up behind them. */
static void fib_fini(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);

	for (unsigned int i = 0; i < NS_MAX; i++)
		fib_destroy(state->fibs[i]);
	for (unsigned int i = 0; i < FIB_N_FAMILIES; i++)
		lpm_destroy(state->none[i]);
	dp_retire(dp, pool_free, state->pool, 0);
	free(state->links);
	memset(state, 0, sizeof(*state));
}

struct module fib_module = {
	.name = "fib",
	.sections = fib_sections,
	.commands = fib_commands,
	.state_size = sizeof(struct fib_state),
	.init = fib_init,
	.fini = fib_fini,
	.event = fib_event,
	.tick = fib_tick,
};
