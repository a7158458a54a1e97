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

/* A route that an address brings. */
struct kernel_route {
	struct route_spec spec;
	struct ip_addr prefsrc;
	uint16_t link;
};

/* The route to that prefix of the same link, type and protocol. */
static struct route *kernel_route_find(const struct dp *dp, const struct kernel_route *want)
{
	const struct fib *fib = fib_state(dp)->fibs[want->spec.ns];
	struct ip_prefix key = fib_key_prefix(&want->spec.prefix, want->link);
	const struct fib_entry *entry = fib == NULL ? NULL : fib_entry_lookup(fib, &key);
	struct route *route = entry == NULL ? NULL : entry->routes;

	while (route != NULL &&
		(route->type != want->spec.type || route->protocol != want->spec.protocol ||
			route->nexthops->is_doomed || route_link(route) != want->link))
		route = route->next;
	return route;
}

/* Puts a route of an address in, in place of another. */
static int kernel_route_put(struct dp *dp, const struct kernel_route *want, struct route *old)
{
	struct nexthop_spec hop = { .link = want->link, .weight = 1 };
	struct nexthops_key key = {
		.ns = want->spec.ns,
		.family = want->spec.prefix.addr.family,
		.type = want->spec.type,
		.prefsrc = want->prefsrc,
		.n = 1,
		.hops = &hop,
	};
	struct nexthops *set;
	struct fib *fib;
	int err = fib_get(dp, want->spec.ns, &fib);

	if (err == 0)
		err = nexthops_get(fib, &key, &set);
	if (err == 0)
		err = route_install(fib, &want->spec, set, old);
	if (err == 0 && old != NULL)
		route_free(dp, old);
	return err;
}

/* Adds a route of an address unless an earlier address of the link has brought it. */
static void kernel_route_add(struct dp *dp, const struct kernel_route *want)
{
	char text[IP_PREFIX_TEXT_MAX];
	int err;

	if (kernel_route_find(dp, want) != NULL)
		return;
	err = kernel_route_put(dp, want, NULL);
	if (err < 0)
		log_err("fib", "no route for an address type=%s prefix=%s error=%s",
			route_type_name(want->spec.type), ip_prefix_text(&want->spec.prefix, text),
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
static void kernel_route_del(
	struct dp *dp, const struct kernel_route *want, const struct ns_addr *heir)
{
	struct route *route = kernel_route_find(dp, want);
	struct kernel_route inherited = *want;

	if (route == NULL)
		return;
	if (heir == NULL) {
		route_remove(dp, route);
		return;
	}
	if (want->prefsrc.family == 0)
		return;
	inherited.prefsrc = heir->prefix.addr;
	if (kernel_route_put(dp, &inherited, route) < 0)
		log_err("fib", "a route keeps a source address that is gone link=%u", want->link);
}

static void routes_add(struct kernel_route *routes, unsigned int *n, enum route_type type,
	const struct ip_addr *addr, uint8_t len)
{
	/* The first one holds what they have in common. */
	routes[*n] = routes[0];
	routes[*n].spec.type = (uint8_t)type;
	routes[*n].spec.prefix = (struct ip_prefix){ .addr = *addr, .len = len };
	if (type == ROUTE_UNICAST && addr->family == AF_INET6)
		routes[*n].spec.metric = FIB_METRIC6_KERNEL;
	++*n;
}

/* The routes that an address brings; how many. */
static unsigned int addr_routes(const struct ns_addr *addr, struct kernel_route routes[static 4])
{
	struct ip_prefix network = ip_prefix_network(&addr->prefix);
	struct ip_addr broadcast = ip_addr_v4(addr->broadcast_be);
	uint8_t bits = ip_family_bits(network.addr.family);
	unsigned int n = 0;

	routes[0] = (struct kernel_route){
		.spec = { .ns = addr->ns, .protocol = ROUTE_PROTOCOL_KERNEL },
		.prefsrc = bits == 32 ? addr->prefix.addr : (struct ip_addr){ 0 },
		.link = addr->link,
	};
	routes_add(routes, &n, ROUTE_LOCAL, &addr->prefix.addr, bits);
	if (addr->prefix.len < bits)
		routes_add(routes, &n, ROUTE_UNICAST, &network.addr, addr->prefix.len);
	if (addr->broadcast_be == 0)
		return n;
	/* RFC 1122 3.3.6: the network's own address was a broadcast address once; still no host. */
	routes_add(routes, &n, ROUTE_BROADCAST, &network.addr, bits);
	routes_add(routes, &n, ROUTE_BROADCAST, &broadcast, bits);
	return n;
}

static void addr_new(struct dp *dp, const struct ns_addr *addr)
{
	struct kernel_route routes[4];
	unsigned int n = addr_routes(addr, routes);

	for (unsigned int i = 0; i < n; i++)
		kernel_route_add(dp, &routes[i]);
}

static void addr_keep(const struct ns_addr *addr, void *ctx)
{
	addr_new(ctx, addr);
}

static void addr_deleted(struct dp *dp, const struct ns_addr *addr)
{
	struct heir heir = { .gone = addr };
	struct kernel_route routes[4];
	unsigned int n = addr_routes(addr, routes);

	ns_addr_each(dp, addr->link, heir_find, &heir);
	/* As in Linux: without an address nothing can be asked for its link-layer address. */
	if (!heir.has_any) {
		nexthops_bury(dp, addr->link, addr->prefix.addr.family);
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
		break;
	case EVENT_ADDR_DELETED:
		addr_deleted(dp, addr);
		break;
	case EVENT_NEIGH_CHANGED:
		if (state->fibs[neigh->ns] != NULL)
			fib_host_update(state->fibs[neigh->ns], neigh);
		nexthops_follow_neigh(dp, neigh);
		break;
	case EVENT_LINK_NEW:
	case EVENT_LINK_CHANGED:
		nexthops_follow_link(dp, link);
		break;
	case EVENT_LINK_DELETED:
		nexthops_bury(dp, link->ifindex, 0);
		state->links[link->ifindex].is_usable = false;
		break;
	case EVENT_LINK_MOVED:
	case EVENT_ROUTE_NEW:
	case EVENT_ROUTE_DELETED:
	case EVENT_FLOW_NEW:
	case EVENT_FLOW_ENDED:
	case EVENT_FLOW_LOST:
		return;
	}
	/* Most changes concern few routes, and those follow at once. */
	nexthops_slice(dp);
}

static void fib_tick(struct dp *dp, uint64_t now_ns)
{
	fib_state(dp)->slice_left_ns = FIB_SLICE_US * 1000;
	nexthops_slice(dp);
	nexthops_retry(dp, now_ns);
}

static void fib_retire(void *ctx, void (*fn)(void *ptr, uint64_t arg), void *ptr, uint64_t arg)
{
	dp_retire(ctx, fn, ptr, arg);
}

/* Tables that namespaces have before their first route. */
static int none_create(struct fib_state *state)
{
	int err = lpm_create(state->pool, 32, &state->none[FIB_IP4]);

	if (err < 0)
		return err;
	err = lpm_create(state->pool, 128, &state->none[FIB_IP6]);
	if (err < 0) {
		lpm_destroy(state->none[FIB_IP4]);
		return err;
	}
	for (unsigned int family = 0; family < FIB_N_FAMILIES; family++)
		for (unsigned int ns = 0; ns < NS_MAX; ns++)
			state->tables[family][ns] = state->none[family];
	return 0;
}

static void none_destroy(struct fib_state *state)
{
	for (unsigned int family = 0; family < FIB_N_FAMILIES; family++)
		lpm_destroy(state->none[family]);
}

static int fib_init(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);
	struct fib *fib;
	int err;

	err = lpm_pool_create(FIB_TABLES_MAX, FIB_GROUPS_MAX, fib_retire, dp, &state->pool);
	if (err < 0)
		return err;
	err = none_create(state);
	if (err < 0)
		goto err_pool;
	err = multipath_init(state);
	if (err < 0)
		goto err_none;
	err = fib_get(dp, NS_DEFAULT, &fib);
	if (err < 0)
		goto err_multipath;
	TAILQ_INIT(&state->stale);
	TAILQ_INIT(&state->all);
	state->slice_left_ns = FIB_SLICE_US * 1000;
	state->links = mem_zalloc(LINK_MAX * sizeof(*state->links));
	for (unsigned int i = 0; i < LINK_MAX; i++) {
		TAILQ_INIT(&state->links[i].single);
		TAILQ_INIT(&state->links[i].several);
	}
	return 0;

err_multipath:
	multipath_fini(state);
err_none:
	none_destroy(state);
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
	nexthops_free_all(state);
	none_destroy(state);
	dp_retire(dp, pool_free, state->pool, 0);
	multipath_fini(state);
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
