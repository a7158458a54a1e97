/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of multipath groups (multipath.h): which next hop has which bucket. Control thread;
 * workers read the buckets.
 *
 * A group is resilient. Every bucket has a home, the next hop that has it while all are good, by
 * weight. When one is lost, only its own buckets move, to those of the others that have the fewest
 * by weight, and they stay there until their home is good again or that other one is lost too. So
 * a flow changes its way only when its next hop goes or its first one comes back.
 */
#include "fib/multipath.h"

#include <rte_random.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "fib/fib_priv.h"

enum { NOBODY = 0xff };
static_assert((int)ROUTE_HOPS_MAX < NOBODY, "an owner is a byte");
static_assert((int)ROUTE_HOPS_MAX <= (int)MULTIPATH_BUCKETS, "a bucket for each");

/* What the control thread knows of a group. */
struct multipath_group {
	uint8_t home[MULTIPATH_BUCKETS];  /* index of the next hop */
	uint8_t owner[MULTIPATH_BUCKETS]; /* NOBODY: none is good */
};

static size_t buckets_size(void)
{
	return (size_t)MULTIPATH_MAX * MULTIPATH_BUCKETS * sizeof(uint32_t);
}

int multipath_init(struct fib_state *state)
{
	void *map = mmap(NULL, buckets_size(), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -ENOMEM;
	state->buckets = map;
	state->seed[0] = rte_rand();
	state->seed[1] = rte_rand();
	return 0;
}

void multipath_fini(struct fib_state *state)
{
	munmap(state->buckets, buckets_size());
	free(state->free_groups);
}

struct multipath fib_multipath(const struct dp *dp)
{
	const struct fib_state *state = fib_state(dp);

	return (struct multipath){ .buckets = state->buckets,
		.seed = { state->seed[0], state->seed[1] } };
}

uint32_t *multipath_buckets(const struct fib_state *state, uint32_t value)
{
	return &state->buckets[(size_t)(value - MULTIPATH_FIRST) * MULTIPATH_BUCKETS];
}

/* How many buckets each of the chosen next hops is due: by weight, every one at least one. */
static void quota_count(const struct nexthops *set, const bool *is_chosen, unsigned int *quota)
{
	unsigned int total = 0, left = MULTIPATH_BUCKETS, n_chosen = 0;

	for (unsigned int i = 0; i < set->n; i++) {
		total += is_chosen[i] ? set->hop[i].spec.weight : 0;
		n_chosen += is_chosen[i];
		quota[i] = 0;
	}
	/* What is left after each is divided among the rest: no rounding adds up. */
	for (unsigned int i = 0; i < set->n; i++) {
		if (!is_chosen[i])
			continue;
		n_chosen--;
		quota[i] = (2 * left * set->hop[i].spec.weight + total) / (2 * total);
		quota[i] = RTE_MAX(1u, RTE_MIN(quota[i], left - n_chosen));
		left -= quota[i];
		total -= set->hop[i].spec.weight;
	}
}

/* The next hop that lacks most of what it is due. */
static uint8_t owner_pick(const struct nexthops *set, const unsigned int *quota,
	const unsigned int *n_owned, const bool *is_chosen)
{
	uint8_t best = NOBODY;
	int most = 0;

	for (unsigned int i = 0; i < set->n; i++) {
		int lack = (int)quota[i] - (int)n_owned[i];

		if (!is_chosen[i] || (best != NOBODY && lack <= most))
			continue;
		best = (uint8_t)i;
		most = lack;
	}
	return best;
}

static void group_set_homes(struct multipath_group *group, const struct nexthops *set)
{
	bool all[ROUTE_HOPS_MAX];
	unsigned int quota[ROUTE_HOPS_MAX], bucket = 0;

	memset(all, true, sizeof(all));
	quota_count(set, all, quota);
	for (unsigned int i = 0; i < set->n; i++)
		for (unsigned int k = 0; k < quota[i]; k++)
			group->home[bucket++] = (uint8_t)i;
	RTE_ASSERT(bucket == MULTIPATH_BUCKETS);
	memset(group->owner, NOBODY, sizeof(group->owner));
}

int multipath_create(struct fib_state *state, struct nexthops *set)
{
	if (state->n_free_groups > 0)
		set->value = state->free_groups[--state->n_free_groups];
	else if (state->n_fresh_groups < MULTIPATH_MAX)
		set->value = MULTIPATH_FIRST + state->n_fresh_groups++;
	else
		return -ENOSPC;
	state->n_groups++;
	set->group = mem_zalloc(sizeof(*set->group));
	group_set_homes(set->group, set);
	return 0;
}

/* After a grace period. */
static void group_reuse(void *ptr, uint64_t arg)
{
	struct dp *dp = ptr;
	struct fib_state *state = fib_state(dp);

	if (state->buckets == NULL)
		return; /* the end of the dataplane: modules go before what is retired */
	state->free_groups = mem_realloc(
		state->free_groups, state->n_free_groups + 1, sizeof(*state->free_groups));
	state->free_groups[state->n_free_groups++] = (uint32_t)arg;
}

void multipath_destroy(struct dp *dp, struct nexthops *set)
{
	if (set->group == NULL)
		return;
	fib_state(dp)->n_groups--;
	free(set->group);
	dp_retire(dp, group_reuse, dp, set->value);
}

static void owners_update(struct multipath_group *group, const struct nexthops *set)
{
	unsigned int quota[ROUTE_HOPS_MAX], n_owned[ROUTE_HOPS_MAX] = { 0 };
	bool is_good[ROUTE_HOPS_MAX];

	for (unsigned int i = 0; i < set->n; i++)
		is_good[i] = nexthop_is_good(&set->hop[i]);
	quota_count(set, is_good, quota);
	for (unsigned int b = 0; b < MULTIPATH_BUCKETS; b++) {
		if (is_good[group->home[b]])
			group->owner[b] = group->home[b];
		else if (group->owner[b] != NOBODY && !is_good[group->owner[b]])
			group->owner[b] = NOBODY;
		if (group->owner[b] != NOBODY)
			n_owned[group->owner[b]]++;
	}
	for (unsigned int b = 0; b < MULTIPATH_BUCKETS; b++) {
		if (group->owner[b] != NOBODY)
			continue;
		group->owner[b] = owner_pick(set, quota, n_owned, is_good);
		if (group->owner[b] != NOBODY)
			n_owned[group->owner[b]]++;
	}
}

const struct nexthop *multipath_owner(const struct nexthops *set, unsigned int bucket)
{
	uint8_t owner = set->group->owner[bucket];

	return owner == NOBODY ? NULL : &set->hop[owner];
}

bool multipath_update(struct fib_state *state, struct nexthops *set)
{
	uint32_t *buckets = multipath_buckets(state, set->value);
	bool has_changed = false;

	owners_update(set->group, set);
	for (unsigned int b = 0; b < MULTIPATH_BUCKETS; b++) {
		uint8_t owner = set->group->owner[b];
		uint32_t adj = owner == NOBODY ? ADJ_UNREACHABLE
					       : nexthop_bucket(state, &set->hop[owner], b);

		if (buckets[b] == adj)
			continue;
		has_changed = true;
		/* Pairs with the load in multipath_bucket(). */
		__atomic_store_n(&buckets[b], adj, __ATOMIC_RELEASE);
	}
	if (has_changed)
		fib_has_changed(state);
	return has_changed;
}
