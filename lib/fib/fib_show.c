/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * `route show`: rows in the order of prefixes, made while the client reads them. Control thread.
 *
 * The table of prefixes is a hash, a million of them cannot be sorted at once, and routes change
 * while the answer is under way. So the prefixes are copied, part by part of that table, put into
 * the order of a binary heap, some at a time, and then taken from its top one by one; the routes of
 * each are looked up only then. A prefix that was there all the time is shown once; one that came
 * or went meanwhile may be shown or not.
 */
#include "fib/fib_priv.h"

#include <string.h>

#include "base/mem.h"

enum { SORT_SLICE = 4096 };

enum show_phase { SHOW_COLLECT, SHOW_SORT, SHOW_GIVE };

struct show {
	struct row_source source;
	const struct dp *dp;
	struct fib_show_filter filter;
	enum show_phase phase;
	unsigned int part;	/* SHOW_COLLECT: the next one */
	struct ip_prefix *keys; /* SHOW_SORT on: a heap from `sorted` on */
	size_t n, n_max, sorted;
	struct ip_prefix key; /* SHOW_GIVE: whose routes are being shown */
	unsigned int n_given; /* of those; 0: take the next key */
};

static bool prefix_is_wanted(const struct fib_show_filter *filter, const struct ip_prefix *prefix)
{
	if (filter->family != 0 && filter->family != prefix->addr.family)
		return false;
	return filter->to.addr.family == 0 || ip_prefix_compare(&filter->to, prefix) == 0;
}

bool route_is_over(const struct route *route, uint16_t ifindex)
{
	for (unsigned int i = 0; i < route->nexthops->n; i++)
		if (route->nexthops->hop[i].spec.link == ifindex)
			return true;
	return false;
}

static bool route_is_wanted(const struct fib_show_filter *filter, const struct route *route)
{
	enum fib_show_table table = filter->table;

	if (route->nexthops->is_doomed ||
		(filter->family != 0 && filter->family != route->prefix.addr.family))
		return false;
	if (table != FIB_SHOW_ALL && route_is_in_local(route) != (table == FIB_SHOW_LOCAL))
		return false;
	if (filter->link != 0 && !route_is_over(route, filter->link))
		return false;
	return filter->type == ROUTE_TYPE_ANY || filter->type == route->type;
}

/* The wanted route to a key that comes after so many others. */
static const struct route *show_route(const struct show *show, unsigned int n_before)
{
	const struct fib *fib = fib_state(show->dp)->fibs[show->filter.ns];
	const struct fib_entry *entry = fib == NULL ? NULL : fib_entry_lookup(fib, &show->key);
	const struct route *route = entry == NULL ? NULL : entry->routes;

	for (; route != NULL; route = route->next)
		if (route_is_wanted(&show->filter, route) && n_before-- == 0)
			return route;
	return NULL;
}

static void collect_one(struct rib_node *node, void *ctx)
{
	const struct fib_entry *entry = (const struct fib_entry *)node;
	struct show *show = ctx;

	if (entry->routes == NULL || !prefix_is_wanted(&show->filter, &entry->routes->prefix))
		return;
	if (show->n == show->n_max) {
		show->n_max = show->n_max == 0 ? 64 : 2 * show->n_max;
		show->keys = mem_realloc(show->keys, show->n_max, sizeof(*show->keys));
	}
	show->keys[show->n++] = node->prefix;
}

static void show_collect(struct show *show)
{
	const struct fib *fib = fib_state(show->dp)->fibs[show->filter.ns];
	size_t n_before = show->n;

	while (fib != NULL && show->part < RIB_PARTS && show->n < n_before + SORT_SLICE)
		rib_part_each(&fib->rib, show->part++, collect_one, show);
	if (fib != NULL && show->part < RIB_PARTS)
		return;
	show->phase = SHOW_SORT;
	show->sorted = show->n / 2;
}

/* Restores the heap below place i. */
static void heap_sift(struct ip_prefix *keys, size_t n, size_t i)
{
	struct ip_prefix key = keys[i];

	for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
		if (child + 1 < n && ip_prefix_compare(&keys[child + 1], &keys[child]) < 0)
			child++;
		if (ip_prefix_compare(&key, &keys[child]) <= 0)
			break;
		keys[i] = keys[child];
		i = child;
	}
	keys[i] = key;
}

static void show_sort(struct show *show)
{
	for (unsigned int i = 0; i < SORT_SLICE && show->sorted > 0; i++)
		heap_sift(show->keys, show->n, --show->sorted);
	if (show->sorted == 0)
		show->phase = SHOW_GIVE;
}

/* Takes the least key. False: there is none. */
static bool show_take(struct show *show)
{
	if (show->n == 0)
		return false;
	show->key = show->keys[0];
	show->keys[0] = show->keys[--show->n];
	if (show->n > 0)
		heap_sift(show->keys, show->n, 0);
	return true;
}

static json_t *show_give(struct show *show, bool *is_busy)
{
	const struct route *route;

	/* Few keys have no route that is wanted, unless nearly all have. */
	for (unsigned int i = 0; i < SORT_SLICE / 4; i++) {
		if (show->n_given == 0 && !show_take(show))
			return NULL;
		route = show_route(show, show->n_given);
		if (route != NULL) {
			show->n_given++;
			return fib_route_row(show->dp, route, show->filter.table);
		}
		show->n_given = 0;
	}
	*is_busy = true;
	return NULL;
}

static json_t *show_next(struct row_source *source, bool *is_busy)
{
	struct show *show = (struct show *)source;

	switch (show->phase) {
	case SHOW_COLLECT:
		show_collect(show);
		break;
	case SHOW_SORT:
		show_sort(show);
		break;
	case SHOW_GIVE:
		return show_give(show, is_busy);
	}
	*is_busy = true;
	return NULL;
}

static void show_destroy(struct row_source *source)
{
	struct show *show = (struct show *)source;

	free(show->keys);
	free(show);
}

/* One prefix, if its key is known: a link-local one may be on any link. */
static void show_start_exact(struct show *show)
{
	const struct ip_prefix *to = &show->filter.to;

	if (to->addr.family == 0 || fib_is_link_local(&to->addr))
		return;
	show->keys = mem_zalloc(2 * sizeof(*show->keys));
	show->keys[show->n++] = *to;
	/* "default" is that of both families. */
	if (to->len == 0 && to->addr.family == AF_INET)
		show->keys[show->n++].addr.family = AF_INET6;
	show->phase = SHOW_GIVE;
}

struct row_source *fib_show(const struct dp *dp, const struct fib_show_filter *filter)
{
	struct show *show = mem_zalloc(sizeof(*show));

	show->source = (struct row_source){ .next = show_next, .destroy = show_destroy };
	show->dp = dp;
	show->filter = *filter;
	show_start_exact(show);
	return &show->source;
}
