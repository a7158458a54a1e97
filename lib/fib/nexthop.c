/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sets of next hops: made for the first route that needs one, shared by all that say the same, gone
 * with the last. Control thread.
 *
 * The value of a set with one next hop on a link is that neighbour's adjacency. All others have a
 * group of buckets (multipath.c), whose index never changes while the set lives: what becomes of
 * their next hops (nexthop_state.c) concerns no route and no entry of the LPM.
 */
#include "fib/fib_priv.h"

#include <rte_jhash.h>
#include <string.h>

#include "base/mem.h"

static uint32_t key_hash(const struct nexthops_key *key)
{
	uint32_t seed = (uint32_t)key->ns << 16 | (uint32_t)key->family << 8 | key->type;

	seed = rte_jhash(&key->prefsrc, sizeof(key->prefsrc), seed);
	return key->n == 0 ? seed
			   : rte_jhash(key->hops, key->n * (uint32_t)sizeof(*key->hops), seed);
}

static bool set_is(const struct nexthops *set, const struct nexthops_key *key)
{
	if (set->ns != key->ns || set->family != key->family || set->type != key->type ||
		set->n != key->n || !ip_addr_is_equal(&set->prefsrc, &key->prefsrc))
		return false;
	for (unsigned int i = 0; i < key->n; i++)
		if (memcmp(&set->hop[i].spec, &key->hops[i], sizeof(key->hops[i])) != 0)
			return false;
	return true;
}

static struct nexthops *set_find(
	const struct fib_state *state, const struct nexthops_key *key, uint32_t hash)
{
	struct nexthops *set = state->sets[hash % FIB_SETS_HASH];

	while (set != NULL && (set->hash != hash || !set_is(set, key)))
		set = set->hash_next;
	return set;
}

void nexthops_unhash(struct dp *dp, struct nexthops *set)
{
	struct nexthops **at = &fib_state(dp)->sets[set->hash % FIB_SETS_HASH];

	if (!set->is_hashed)
		return;
	while (*at != set)
		at = &(*at)->hash_next;
	*at = set->hash_next;
	set->is_hashed = false;
}

/* Adjacencies */

static uint32_t special_adj(uint8_t type)
{
	switch ((enum route_type)type) {
	case ROUTE_LOCAL:
		return ADJ_LOCAL;
	case ROUTE_BROADCAST:
		return ADJ_BROADCAST;
	case ROUTE_BLACKHOLE:
		return ADJ_BLACKHOLE;
	case ROUTE_PROHIBIT:
		return ADJ_PROHIBIT;
	case ROUTE_UNREACHABLE:
	case ROUTE_UNICAST:
	case ROUTE_TYPE_ANY:
		break;
	}
	return ADJ_UNREACHABLE;
}

static int hop_hold(struct dp *dp, const struct nexthops *set, struct nexthop *hop)
{
	const struct link *link = link_by_index(dp, hop->spec.link);

	if (set->type != ROUTE_UNICAST) {
		hop->adj = special_adj(set->type);
		return 0;
	}
	if (hop->spec.is_recursive)
		return 0;
	if (link == NULL)
		return -ENODEV;
	if (hop->spec.gateway.family == 0)
		return neigh_get_glean(dp, link, set->family, &hop->adj);
	return neigh_get(dp, link, &hop->spec.gateway, &hop->adj);
}

static void hops_put(struct dp *dp, struct nexthops *set)
{
	for (unsigned int i = 0; i < set->n; i++)
		if (set->hop[i].adj != 0)
			neigh_put(dp, set->hop[i].adj);
}

static bool set_needs_group(const struct nexthops *set)
{
	return set->n > 1 || (set->n == 1 && set->hop[0].spec.is_recursive);
}

static int set_hold(struct dp *dp, struct nexthops *set)
{
	int err = 0;

	for (unsigned int i = 0; i < set->n && err == 0; i++)
		err = hop_hold(dp, set, &set->hop[i]);
	if (err == 0 && set_needs_group(set))
		err = multipath_create(fib_state(dp), set);
	else if (err == 0)
		set->value = set->n == 0 ? special_adj(set->type) : set->hop[0].adj;
	if (err < 0)
		hops_put(dp, set);
	return err;
}

/* Life */

static struct nexthop_list *hop_list(const struct fib_state *state, const struct nexthop *hop)
{
	struct fib_link *fl = &state->links[hop->spec.link];

	return hop->set->n > 1 ? &fl->several : &fl->single;
}

static void hop_register(struct fib *fib, struct nexthop *hop)
{
	if (hop->spec.is_recursive) {
		nexthop_watch(fib, hop);
		nexthop_resolve(fib, hop);
		return;
	}
	hop->is_linkdown = !nexthops_link_is_usable(fib->dp, hop->spec.link);
	TAILQ_INSERT_TAIL(hop_list(fib_state(fib->dp), hop), hop, of);
}

static void hop_unregister(struct fib *fib, struct nexthop *hop)
{
	if (hop->spec.is_recursive) {
		nexthop_unwatch(fib, hop);
		nexthop_unlink_via(hop);
	} else if (!hop->is_dead) {
		TAILQ_REMOVE(hop_list(fib_state(fib->dp), hop), hop, of);
	}
}

static struct nexthops *set_alloc(const struct nexthops_key *key, uint32_t hash)
{
	struct nexthops *set = mem_zalloc(sizeof(*set) + key->n * sizeof(set->hop[0]));

	set->hash = hash;
	set->prefsrc = key->prefsrc;
	set->ns = key->ns;
	set->family = key->family;
	set->type = key->type;
	set->n = (uint8_t)key->n;
	TAILQ_INIT(&set->routes);
	TAILQ_INIT(&set->dependents);
	for (unsigned int i = 0; i < key->n; i++) {
		set->hop[i].spec = key->hops[i];
		set->hop[i].set = set;
	}
	return set;
}

int nexthops_get(struct fib *fib, const struct nexthops_key *key, struct nexthops **out)
{
	struct fib_state *state = fib_state(fib->dp);
	uint32_t hash = key_hash(key);
	struct nexthops *set = set_find(state, key, hash);
	int err;

	RTE_ASSERT(key->n <= ROUTE_HOPS_MAX);
	if (set != NULL) {
		*out = set;
		return 0;
	}
	set = set_alloc(key, hash);
	err = set_hold(fib->dp, set);
	if (err < 0) {
		free(set);
		return err;
	}
	set->hash_next = state->sets[hash % FIB_SETS_HASH];
	state->sets[hash % FIB_SETS_HASH] = set;
	set->is_hashed = true;
	TAILQ_INSERT_TAIL(&state->all, set, of_all);
	state->n_sets++;
	for (unsigned int i = 0; i < set->n; i++)
		hop_register(fib, &set->hop[i]);
	nexthops_update(fib->dp, set);
	*out = set;
	return 0;
}

void nexthops_put(struct fib *fib, struct nexthops *set)
{
	struct fib_state *state = fib_state(fib->dp);

	if (set->n_routes > 0)
		return;
	/* Whoever depended on its routes has looked for others when they went. */
	RTE_ASSERT(TAILQ_EMPTY(&set->dependents));
	nexthops_unhash(fib->dp, set);
	if (set->is_listed)
		TAILQ_REMOVE(&state->stale, set, of_stale);
	for (unsigned int i = 0; i < set->n; i++)
		hop_unregister(fib, &set->hop[i]);
	multipath_destroy(fib->dp, set);
	hops_put(fib->dp, set);
	TAILQ_REMOVE(&state->all, set, of_all);
	state->n_sets--;
	free(set);
}

void nexthops_free_all(struct fib_state *state)
{
	struct nexthops *set;

	while ((set = TAILQ_FIRST(&state->all)) != NULL) {
		TAILQ_REMOVE(&state->all, set, of_all);
		free(set->group);
		free(set);
	}
}

void nexthops_add_route(struct nexthops *set, struct route *route)
{
	TAILQ_INSERT_TAIL(&set->routes, route, of_nexthops);
	set->n_routes++;
}

void nexthops_del_route(struct fib *fib, struct nexthops *set, struct route *route)
{
	TAILQ_REMOVE(&set->routes, route, of_nexthops);
	set->n_routes--;
	nexthops_put(fib, set);
}
