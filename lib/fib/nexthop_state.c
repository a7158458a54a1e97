/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What becomes of next hops: their link goes down or away, their neighbour does not answer, the
 * route to their gateway changes. Control thread.
 *
 * Every change ends in nexthops_update(): it fills the buckets of a set anew and goes on to the sets
 * that lead through it. Recursion is a graph without cycles: a gateway whose route would lead back
 * counts as not reached, and so does one that FIB_DEPTH_MAX others lead to.
 *
 * Whether routes to a set are used (is_usable) is another matter than where its packets go. It
 * depends on links and routes alone, as in Linux; a set of which no neighbour answers stays in use
 * and refuses packets. When it changes, all routes of the set follow, perhaps a million: in slices,
 * one at once and one with every tick. The set keeps those that are yet to follow at the head of its
 * list. Meanwhile packets are dropped for the link itself or by the buckets.
 */
#include "fib/fib_priv.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

#define RETRY_NS UINT64_C(1000000000)

/* Judging */

static bool hop_is_usable(const struct nexthop *hop)
{
	if (hop->is_dead)
		return false;
	if (hop->spec.is_recursive)
		return hop->via != NULL && hop->via->is_usable;
	/* Local routes outlive their link's carrier, as in Linux: the address is still ours. */
	return !hop->is_linkdown || hop->set->type == ROUTE_LOCAL;
}

bool nexthop_is_good(const struct nexthop *hop)
{
	if (!hop_is_usable(hop) || hop->is_failed)
		return false;
	return !hop->spec.is_recursive || hop->via->is_good;
}

uint32_t nexthop_bucket(const struct fib_state *state, const struct nexthop *hop, unsigned int b)
{
	if (hop->adj != 0)
		return hop->adj;
	return hop->via->group == NULL ? hop->via->value
				       : multipath_buckets(state, hop->via->value)[b];
}

static void set_judge(struct nexthops *set)
{
	set->is_usable = !set->is_doomed && set->n == 0;
	set->is_good = set->is_usable;
	set->depth = 0;
	for (unsigned int i = 0; i < set->n; i++) {
		const struct nexthop *hop = &set->hop[i];

		set->is_usable |= !set->is_doomed && hop_is_usable(hop);
		set->is_good |= nexthop_is_good(hop);
		if (hop->via != NULL)
			set->depth = RTE_MAX(set->depth, (uint8_t)(hop->via->depth + 1));
	}
}

static void set_mark_stale(struct fib_state *state, struct nexthops *set)
{
	set->n_stale = set->n_routes;
	if (set->n_stale == 0 || set->is_listed)
		return;
	TAILQ_INSERT_TAIL(&state->stale, set, of_stale);
	set->is_listed = true;
}

static void dependents_update(struct dp *dp, struct nexthops *set)
{
	struct nexthop *hop;

	if (set->depth >= FIB_DEPTH_MAX) {
		while ((hop = TAILQ_FIRST(&set->dependents)) != NULL) {
			nexthop_unlink_via(hop);
			nexthops_update(dp, hop->set);
		}
		return;
	}
	TAILQ_FOREACH(hop, &set->dependents, of)
		nexthops_update(dp, hop->set);
}

void nexthops_update(struct dp *dp, struct nexthops *set)
{
	struct fib_state *state = fib_state(dp);
	bool was_usable = set->is_usable, was_good = set->is_good, has_changed;
	uint8_t old_depth = set->depth;

	set_judge(set);
	has_changed = set->group != NULL && multipath_update(state, set);
	if (set->is_usable != was_usable)
		set_mark_stale(state, set);
	if (has_changed || set->is_usable != was_usable || set->is_good != was_good ||
		set->depth != old_depth)
		dependents_update(dp, set);
}

/* Recursion */

/* Each set is looked at once: there may be many ways to it. */
static bool set_visit(struct nexthops *from, const struct nexthops *to, uint32_t visit)
{
	if (from == to)
		return true;
	from->visit = visit;
	for (unsigned int i = 0; i < from->n; i++) {
		struct nexthops *via = from->hop[i].via;

		if (via != NULL && via->visit != visit && set_visit(via, to, visit))
			return true;
	}
	return false;
}

/* Does the way through a set lead through another? */
static bool set_reaches(const struct fib *fib, struct nexthops *from, const struct nexthops *to)
{
	return set_visit(from, to, ++fib_state(fib->dp)->visit);
}

void nexthop_unlink_via(struct nexthop *hop)
{
	if (hop->via != NULL)
		TAILQ_REMOVE(&hop->via->dependents, hop, of);
	hop->via = NULL;
}

static void hop_link_via(struct nexthop *hop, struct nexthops *via)
{
	nexthop_unlink_via(hop);
	hop->via = via;
	if (via != NULL)
		TAILQ_INSERT_TAIL(&via->dependents, hop, of);
}

/* The next hops of the route to a gateway, if it can be reached by them. */
static struct nexthops *hop_find_via(const struct fib *fib, const struct nexthop *hop)
{
	const struct route *route = fib_gateway_match(fib, &hop->spec.gateway);

	if (route == NULL || route->type != ROUTE_UNICAST ||
		route->nexthops->depth >= FIB_DEPTH_MAX ||
		set_reaches(fib, route->nexthops, hop->set))
		return NULL;
	return route->nexthops;
}

void nexthop_resolve(struct fib *fib, struct nexthop *hop)
{
	struct nexthops *via = hop_find_via(fib, hop);
	uint32_t adj = 0, old_adj = hop->adj;

	/* On a network that has been connected since: the gateway is a neighbour. */
	if (via != NULL && via->n == 1 && via->hop[0].spec.gateway.family == 0) {
		const struct link *link = link_by_index(fib->dp, via->hop[0].spec.link);

		if (link == NULL || neigh_get(fib->dp, link, &hop->spec.gateway, &adj) < 0) {
			via = NULL;
			adj = 0;
		}
	}
	if (via != hop->via || adj != old_adj) {
		hop_link_via(hop, via);
		hop->adj = adj;
		nexthops_update(fib->dp, hop->set);
	}
	/* Now that no bucket has it. */
	if (old_adj != 0)
		neigh_put(fib->dp, old_adj);
}

/* The first watched gateway that is not before addr. */
static size_t watch_find(const struct fib *fib, const struct ip_addr *addr)
{
	size_t low = 0, high = fib->n_watched;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memcmp(&fib->watched[middle]->spec.gateway, addr, sizeof(*addr)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void nexthop_watch(struct fib *fib, struct nexthop *hop)
{
	size_t at = watch_find(fib, &hop->spec.gateway);

	if (fib->n_watched == fib->n_watched_max) {
		fib->n_watched_max = fib->n_watched_max == 0 ? 16 : 2 * fib->n_watched_max;
		fib->watched = mem_realloc(fib->watched, fib->n_watched_max, sizeof(*fib->watched));
	}
	memmove(&fib->watched[at + 1], &fib->watched[at],
		(fib->n_watched++ - at) * sizeof(*fib->watched));
	fib->watched[at] = hop;
}

void nexthop_unwatch(struct fib *fib, struct nexthop *hop)
{
	size_t at = watch_find(fib, &hop->spec.gateway);

	while (fib->watched[at] != hop)
		at++;
	memmove(&fib->watched[at], &fib->watched[at + 1],
		(--fib->n_watched - at) * sizeof(*fib->watched));
}

void nexthops_follow_routes(struct fib *fib, const struct ip_prefix *key)
{
	size_t i =
		fib->n_watched == 0 || key->len == 0 ? fib->n_watched : watch_find(fib, &key->addr);

	for (; i < fib->n_watched; i++) {
		struct nexthop *hop = fib->watched[i];

		if (!ip_prefix_contains(key, &hop->spec.gateway))
			return;
		nexthop_resolve(fib, hop);
	}
}

bool nexthops_would_loop(const struct fib *fib, struct nexthops *set, const struct ip_prefix *key)
{
	/* No gateway is reached by a default route. */
	if (key->len == 0)
		return false;
	for (size_t i = watch_find(fib, &key->addr); i < fib->n_watched; i++) {
		const struct nexthop *hop = fib->watched[i];
		const struct route *now = fib_gateway_match(fib, &hop->spec.gateway);

		if (!ip_prefix_contains(key, &hop->spec.gateway))
			return false;
		/* A longer prefix than this one still leads there. */
		if (now != NULL && now->prefix.len > key->len)
			continue;
		if (set_reaches(fib, set, hop->set))
			return true;
	}
	return false;
}

/* Links and neighbours */

bool nexthops_link_is_usable(const struct dp *dp, uint16_t ifindex)
{
	const struct link *link = link_by_index(dp, ifindex);

	return link != NULL && link->is_up && link->is_running;
}

static void list_follow_link(struct dp *dp, const struct nexthop_list *list, bool is_linkdown)
{
	struct nexthop *hop;

	TAILQ_FOREACH(hop, list, of) {
		hop->is_linkdown = is_linkdown;
		nexthops_update(dp, hop->set);
	}
}

void nexthops_follow_link(struct dp *dp, const struct link *link)
{
	struct fib_link *fl = &fib_state(dp)->links[link->ifindex];
	bool is_usable = link->is_up && link->is_running;

	if (fl->is_usable == is_usable)
		return;
	fl->is_usable = is_usable;
	list_follow_link(dp, &fl->single, !is_usable);
	list_follow_link(dp, &fl->several, !is_usable);
}

void nexthops_follow_neigh(struct dp *dp, const struct neigh *neigh)
{
	struct nexthop *hop;

	TAILQ_FOREACH(hop, &fib_state(dp)->links[neigh->link].several, of) {
		bool is_failed = hop->is_failed;

		if (hop->adj != neigh->adj)
			continue;
		/* While it is asked again, nothing is known yet. */
		if (neigh->state == NEIGH_FAILED)
			is_failed = true;
		else if (neigh->state != NEIGH_INCOMPLETE)
			is_failed = false;
		if (is_failed == hop->is_failed)
			continue;
		hop->is_failed = is_failed;
		nexthops_update(dp, hop->set);
	}
}

/* Buckets give failed neighbours no packets that would make anybody ask for them. */
void nexthops_retry(struct dp *dp, uint64_t now_ns)
{
	struct fib_state *state = fib_state(dp);
	struct nexthop *hop;

	if (now_ns < state->retry_ns + RETRY_NS)
		return;
	state->retry_ns = now_ns;
	for (unsigned int i = 1; i < LINK_MAX; i++)
		TAILQ_FOREACH(hop, &state->links[i].several, of)
			if (hop->is_failed && !hop->is_linkdown)
				neigh_use(dp, hop->adj);
}

/* The end of next hops */

static bool set_is_dead(const struct nexthops *set)
{
	for (unsigned int i = 0; i < set->n; i++)
		if (!set->hop[i].is_dead)
			return false;
	return true;
}

static void list_bury(struct dp *dp, struct nexthop_list *list, uint8_t family)
{
	struct nexthop *hop, *next;

	for (hop = TAILQ_FIRST(list); hop != NULL; hop = next) {
		next = TAILQ_NEXT(hop, of);
		if (family != 0 && hop->set->family != family)
			continue;
		TAILQ_REMOVE(list, hop, of);
		hop->is_dead = true;
		nexthops_unhash(dp, hop->set);
		hop->set->is_doomed = set_is_dead(hop->set);
		nexthops_update(dp, hop->set);
		/* Also when they were out of use before. */
		if (hop->set->is_doomed)
			set_mark_stale(fib_state(dp), hop->set);
	}
}

void nexthops_bury(struct dp *dp, uint16_t ifindex, uint8_t family)
{
	struct fib_link *fl = &fib_state(dp)->links[ifindex];

	list_bury(dp, &fl->single, family);
	list_bury(dp, &fl->several, family);
}

/* Slices */

static void route_follow(struct dp *dp, struct nexthops *set, struct route *route)
{
	if (set->is_doomed) {
		route_remove(dp, route);
		return;
	}
	TAILQ_REMOVE(&set->routes, route, of_nexthops);
	TAILQ_INSERT_TAIL(&set->routes, route, of_nexthops);
	/* The next change tries again. */
	if (fib_refresh(fib_state(dp)->fibs[route->ns], route) < 0)
		log_err("fib", "route not used, the table is full groups=%u", FIB_GROUPS_MAX);
}

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* One route of the first set of the list. False: there is none. */
static bool stale_follow(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);
	struct nexthops *set = TAILQ_FIRST(&state->stale);

	if (set == NULL)
		return false;
	set->n_stale = RTE_MIN(set->n_stale, set->n_routes);
	if (set->n_stale <= 1) {
		/* Before the last one: with it a doomed set is gone. */
		TAILQ_REMOVE(&state->stale, set, of_stale);
		set->is_listed = false;
	}
	if (set->n_stale > 0) {
		set->n_stale--;
		route_follow(dp, set, TAILQ_FIRST(&set->routes));
	}
	return true;
}

void nexthops_slice(struct dp *dp)
{
	struct fib_state *state = fib_state(dp);
	int64_t last = 0, now;

	if (TAILQ_EMPTY(&state->stale) || state->slice_left_ns <= 0)
		return;
	last = clock_ns();
	for (unsigned int n = 0; state->slice_left_ns > 0 && stale_follow(dp); n++) {
		if (n % FIB_SLICE_ROUTES != 0)
			continue;
		now = clock_ns();
		state->slice_left_ns -= now - last;
		last = now;
	}
	state->slice_left_ns -= clock_ns() - last;
}
