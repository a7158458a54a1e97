/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of routes of a namespace and its image in the LPM. Control thread; workers read what
 * lpm.c stores.
 *
 * An entry holds all that leads to one prefix: routes by preference, and for hosts the adjacency
 * of the neighbour with that address. Its value is that of the first usable route, else of the
 * neighbour, else it is not in the LPM. entry_sync() brings the LPM in line after any change, with
 * at most one set or clear: a route is replaced without a gap because the list is changed first.
 *
 * A neighbour's entry must not be reached where a route leads elsewhere: it exists only while the
 * longest match of its address is a glean route of its own link. So whoever changes a route inside
 * a glean route's prefix looks at the neighbours in it again (hosts_update()).
 */
#include "fib/fib_priv.h"

#include "base/log.h"
#include "base/mem.h"

struct ip_addr fib_key(const struct ip_addr *addr, uint16_t link)
{
	struct ip_addr key = *addr;

	if (fib_is_link_local(addr)) {
		key.bytes[2] = (uint8_t)(link >> 8);
		key.bytes[3] = (uint8_t)link;
	}
	return key;
}

struct ip_prefix fib_key_prefix(const struct ip_prefix *prefix, uint16_t link)
{
	return (struct ip_prefix){ .addr = fib_key(&prefix->addr, link), .len = prefix->len };
}

struct ip_prefix fib_key_route(const struct route *route)
{
	return fib_key_prefix(&route->prefix, route_link(route));
}

static struct ip_prefix host_key(const struct ip_addr *addr, uint16_t link)
{
	return (struct ip_prefix){ .addr = fib_key(addr, link),
		.len = ip_family_bits(addr->family) };
}

struct fib_entry *fib_entry_lookup(const struct fib *fib, const struct ip_prefix *key)
{
	return (struct fib_entry *)rib_lookup(&fib->rib, key);
}

static struct fib_entry *entry_parent(const struct fib *fib, const struct fib_entry *entry)
{
	return (struct fib_entry *)rib_parent(&fib->rib, &entry->node.prefix);
}

static int entry_get(struct fib *fib, const struct ip_prefix *key, struct fib_entry **out)
{
	struct fib_entry *entry = fib_entry_lookup(fib, key);
	int err;

	if (entry == NULL) {
		entry = calloc(1, sizeof(*entry));
		if (entry == NULL)
			return -ENOMEM;
		entry->node.prefix = *key;
		err = rib_insert(&fib->rib, &entry->node);
		if (err < 0) {
			free(entry);
			return err;
		}
	}
	*out = entry;
	return 0;
}

/* Frees an entry that nothing is left of. */
static void entry_put(struct fib *fib, struct fib_entry *entry)
{
	if (entry->routes != NULL || entry->host_adj != 0)
		return;
	RTE_ASSERT(!entry->is_published);
	rib_remove(&fib->rib, &entry->node);
	free(entry);
}

struct route *fib_entry_best(const struct fib_entry *entry)
{
	struct route *route = entry->routes;

	while (route != NULL && !route->nexthops->is_usable)
		route = route->next;
	return route;
}

static struct lpm *entry_lpm(const struct fib *fib, const struct fib_entry *entry)
{
	return fib->lpm[fib_family(entry->node.prefix.addr.family)];
}

static void entry_clear(struct fib *fib, struct fib_entry *entry)
{
	const struct ip_prefix *prefix = &entry->node.prefix;
	const struct fib_entry *parent = entry_parent(fib, entry);

	while (parent != NULL && !parent->is_published)
		parent = entry_parent(fib, parent);
	lpm_clear(entry_lpm(fib, entry), prefix->addr.bytes, prefix->len, parent != NULL,
		parent != NULL ? parent->node.prefix.len : 0, parent != NULL ? parent->value : 0);
	entry->is_published = false;
	fib_has_changed(fib_state(fib->dp));
}

/* Brings the LPM in line with the entry. -ENOSPC: the LPM is as before. */
static int entry_sync(struct fib *fib, struct fib_entry *entry)
{
	const struct ip_prefix *prefix = &entry->node.prefix;
	const struct route *best = fib_entry_best(entry);
	uint32_t value = best != NULL ? best->nexthops->value : entry->host_adj;
	int err;

	if (best == NULL && entry->host_adj == 0) {
		if (entry->is_published)
			entry_clear(fib, entry);
		return 0;
	}
	if (entry->is_published && entry->value == value)
		return 0;
	err = lpm_set(entry_lpm(fib, entry), prefix->addr.bytes, prefix->len, value);
	if (err < 0)
		return err;
	entry->value = value;
	entry->is_published = true;
	fib_has_changed(fib_state(fib->dp));
	return 0;
}

/* The route that packets to a key take. NULL: none. */
static struct route *fib_match(const struct fib *fib, const struct ip_addr *key)
{
	struct fib_entry *entry = (struct fib_entry *)rib_match(&fib->rib, key);

	for (; entry != NULL; entry = entry_parent(fib, entry))
		if (fib_entry_best(entry) != NULL)
			return fib_entry_best(entry);
	return NULL;
}

bool fib_gateway_is_known(const struct fib *fib, const struct ip_addr *gateway)
{
	struct fib_entry *entry = (struct fib_entry *)rib_match(&fib->rib, gateway);

	for (; entry != NULL && entry->node.prefix.len > 0; entry = entry_parent(fib, entry))
		for (const struct route *r = entry->routes; r != NULL; r = r->next)
			if (r->type == ROUTE_UNICAST && !r->nexthops->is_doomed)
				return true;
	return false;
}

struct route *fib_gateway_match(const struct fib *fib, const struct ip_addr *gateway)
{
	struct route *route = fib_match(fib, gateway);

	/* A mistyped gateway must not vanish into the default route. */
	return route != NULL && route->prefix.len > 0 ? route : NULL;
}

static bool is_glean_over(const struct route *route, uint16_t link)
{
	return route_is_glean(route) && !route->nexthops->is_doomed &&
	       (link == 0 || route_link(route) == link);
}

static const struct route *glean_match(
	const struct fib *fib, const struct ip_addr *key, uint16_t link)
{
	const size_t *n_glean = fib->n_glean[fib_family(key->family)];

	for (int len = ip_family_bits(key->family); len >= 0; len--) {
		struct ip_prefix prefix = { .addr = *key, .len = (uint8_t)len };
		const struct fib_entry *entry;

		if (n_glean[len] == 0)
			continue;
		prefix = ip_prefix_network(&prefix);
		entry = fib_entry_lookup(fib, &prefix);
		if (entry == NULL)
			continue;
		for (const struct route *r = entry->routes; r != NULL; r = r->next)
			if (is_glean_over(r, link))
				return r;
	}
	return NULL;
}

const struct route *fib_glean_match(
	const struct fib *fib, const struct ip_addr *addr, uint16_t link)
{
	struct ip_addr key = fib_key(addr, link);

	return glean_match(fib, &key, link);
}

/* Neighbours */

void fib_host_update(struct fib *fib, const struct neigh *neigh)
{
	const struct ip_prefix host = host_key(&neigh->addr, neigh->link);
	const struct route *route = fib_match(fib, &host.addr);
	struct fib_entry *entry = fib_entry_lookup(fib, &host);

	if (neigh_is_valid(neigh) && route != NULL && route_is_glean(route) &&
		route_link(route) == neigh->link) {
		if (entry_get(fib, &host, &entry) < 0)
			return;
		entry->host_adj = neigh->adj;
	} else if (entry != NULL && entry->host_adj == neigh->adj) {
		entry->host_adj = 0;
	} else {
		return;
	}
	if (entry_sync(fib, entry) < 0) {
		/* The glean route still leads there, by way of the hold queue. */
		log_warn("fib", "no room for hosts' entries groups=%u", FIB_GROUPS_MAX);
		entry->host_adj = 0;
	}
	entry_put(fib, entry);
}

struct hosts_update {
	struct fib *fib;
	const struct ip_prefix *key;
};

static void hosts_update_one(const struct neigh *neigh, void *ctx)
{
	const struct hosts_update *update = ctx;
	struct ip_addr key = fib_key(&neigh->addr, neigh->link);

	if (neigh->ns == update->fib->ns && ip_prefix_contains(update->key, &key))
		fib_host_update(update->fib, neigh);
}

/* After a change to a prefix: the neighbours in it may have lost or got their entries. */
static void hosts_update(struct fib *fib, const struct ip_prefix *key, bool is_glean)
{
	struct hosts_update update = { .fib = fib, .key = key };

	if (is_glean || glean_match(fib, &key->addr, 0) != NULL)
		neigh_each(fib->dp, hosts_update_one, &update);
}

/* Changes */

/* Where a new route belongs: after all that are preferred to it. */
static struct route **entry_place(struct fib_entry *entry, const struct route *route)
{
	struct route **at = &entry->routes;
	bool is_local = route_is_in_local(route);

	for (; *at != NULL; at = &(*at)->next) {
		bool is_other_local = route_is_in_local(*at);

		if (is_other_local != is_local ? is_local : (*at)->metric > route->metric)
			break;
	}
	return at;
}

static struct route **entry_place_of(struct fib_entry *entry, const struct route *route)
{
	struct route **at = &entry->routes;

	while (*at != route)
		at = &(*at)->next;
	return at;
}

/* Puts add in, or takes old out, or both in the same place. */
static void entry_link(struct fib_entry *entry, struct route *add, struct route *old)
{
	struct route **at = old != NULL ? entry_place_of(entry, old) : entry_place(entry, add);

	if (old != NULL)
		*at = old->next;
	if (add == NULL)
		return;
	add->next = *at;
	*at = add;
}

int fib_change(struct fib *fib, struct route *add, struct route *old)
{
	const struct route *any = add != NULL ? add : old;
	const struct ip_prefix key = fib_key_route(any);
	size_t *n_glean = &fib->n_glean[fib_family(key.addr.family)][key.len];
	bool was_glean = old != NULL && route_is_glean(old);
	bool is_glean = add != NULL && route_is_glean(add);
	struct fib_entry *entry;
	int err = entry_get(fib, &key, &entry);

	if (err < 0)
		return err;
	entry_link(entry, add, old);
	err = entry_sync(fib, entry);
	if (err < 0) {
		entry_link(entry, old, add);
		entry_put(fib, entry);
		return err;
	}
	entry_put(fib, entry);
	*n_glean += is_glean;
	*n_glean -= was_glean;
	hosts_update(fib, &key, is_glean || was_glean);
	nexthops_follow_routes(fib, &key);
	return 0;
}

int fib_refresh(struct fib *fib, struct route *route)
{
	struct ip_prefix key = fib_key_route(route);
	int err = entry_sync(fib, fib_entry_lookup(fib, &key));

	if (err == 0)
		hosts_update(fib, &key, route_is_glean(route));
	nexthops_follow_routes(fib, &key);
	return err;
}

/* Tables */

static int fib_create(struct dp *dp, uint16_t ns, struct fib **out)
{
	struct fib_state *state = fib_state(dp);
	struct fib *fib = mem_zalloc(sizeof(*fib));
	int err;

	fib->dp = dp;
	fib->ns = ns;
	err = lpm_create(state->pool, 32, &fib->lpm[FIB_IP4]);
	if (err < 0)
		goto err_fib;
	err = lpm_create(state->pool, 128, &fib->lpm[FIB_IP6]);
	if (err < 0)
		goto err_lpm;
	rib_init(&fib->rib);
	*out = fib;
	return 0;

err_lpm:
	lpm_destroy(fib->lpm[FIB_IP4]);
err_fib:
	free(fib);
	return err;
}

int fib_get(struct dp *dp, uint16_t ns, struct fib **out)
{
	struct fib_state *state = fib_state(dp);
	int err;

	if (state->fibs[ns] == NULL) {
		err = fib_create(dp, ns, &state->fibs[ns]);
		if (err < 0)
			return err;
		for (unsigned int i = 0; i < FIB_N_FAMILIES; i++) /* pairs with table_load() */
			__atomic_store_n(
				&state->tables[i][ns], state->fibs[ns]->lpm[i], __ATOMIC_RELEASE);
	}
	*out = state->fibs[ns];
	return 0;
}

const uint32_t *fib_generation(const struct dp *dp)
{
	return &fib_state(dp)->generation;
}

static void table_free(void *ptr, uint64_t arg)
{
	lpm_destroy(ptr);
}

void fib_destroy(struct fib *fib)
{
	struct rib_node *node;
	size_t cursor = 0;

	if (fib == NULL)
		return;
	while ((node = rib_next(&fib->rib, &cursor)) != NULL) {
		struct fib_entry *entry = (struct fib_entry *)node;

		while (entry->routes != NULL) {
			struct route *route = entry->routes;

			entry->routes = route->next;
			free(route);
		}
		free(entry);
	}
	rib_fini(&fib->rib);
	free(fib->watched);
	for (unsigned int i = 0; i < FIB_N_FAMILIES; i++)
		dp_retire(fib->dp, table_free, fib->lpm[i], 0);
	free(fib);
}

static const struct lpm *table_load(const struct dp *dp, enum fib_family family, uint16_t ns)
{
	return __atomic_load_n(&fib_state(dp)->tables[family][ns], __ATOMIC_ACQUIRE);
}

const struct lpm *fib4_table(const struct dp *dp, uint16_t ns)
{
	return table_load(dp, FIB_IP4, ns);
}

const struct lpm *fib6_table(const struct dp *dp, uint16_t ns)
{
	return table_load(dp, FIB_IP6, ns);
}

/* Views */

/* From here on, past those that are on their way out. */
static struct route *route_first_shown(struct route *route)
{
	while (route != NULL && route->nexthops->is_doomed)
		route = route->next;
	return route;
}

const struct route *fib_lookup(
	const struct dp *dp, uint16_t ns, const struct ip_addr *addr, uint16_t link)
{
	const struct fib *fib = fib_state(dp)->fibs[ns];
	struct ip_addr key = fib_key(addr, link);

	return fib != NULL ? fib_match(fib, &key) : NULL;
}

const struct route *fib_routes(
	const struct dp *dp, uint16_t ns, const struct ip_prefix *prefix, uint16_t link)
{
	const struct fib *fib = fib_state(dp)->fibs[ns];
	struct ip_prefix key = fib_key_prefix(prefix, link);
	const struct fib_entry *entry = fib == NULL ? NULL : fib_entry_lookup(fib, &key);

	return entry == NULL ? NULL : route_first_shown(entry->routes);
}

static int routes_compare(const void *a, const void *b)
{
	const struct route *const *x = a, *const *y = b;

	return ip_prefix_compare(&(*x)->prefix, &(*y)->prefix);
}

const struct route **fib_routes_all(const struct dp *dp, uint16_t ns, size_t *n)
{
	const struct fib *fib = fib_state(dp)->fibs[ns];
	const struct route **all, *first;
	struct rib_node *node;
	size_t cursor = 0;

	*n = 0;
	all = mem_zalloc(((fib == NULL ? 0 : fib->rib.n_nodes) + 1) * sizeof(*all));
	while (fib != NULL && (node = rib_next(&fib->rib, &cursor)) != NULL)
		if ((first = route_first_shown(((struct fib_entry *)node)->routes)) != NULL)
			all[(*n)++] = first;
	qsort(all, *n, sizeof(*all), routes_compare);
	return all;
}
