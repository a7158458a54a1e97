/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many connections each source has with a worker, for conntrack.max_per_source. There are as many
 * counters as the worker has room for connections, so there is always one left; made by the control
 * thread when a limit is first set, from then on the worker's. Connections of before are not counted,
 * nor are those that weir begins itself.
 */
#include "flow/flow_priv.h"

static uint64_t source_hash(
	const struct flow_sources *sources, const union flow_addr *addr, uint32_t scope)
{
	return hash_two(&sources->seed, addr->words[0], addr->words[1]) ^
	       hash_mix(scope ^ sources->seed.word[0], sources->seed.word[1]);
}

static uint32_t source_scope(const struct flow_first *f)
{
	return f->ns | (uint32_t)f->family << 16;
}

static uint32_t *head_of(
	const struct flow_sources *sources, const union flow_addr *addr, uint32_t scope)
{
	return &sources->heads[source_hash(sources, addr, scope) & sources->mask];
}

/* 0: it has none. */
static uint32_t source_find(const struct flow_sources *sources, const struct flow_first *f)
{
	uint32_t scope = source_scope(f);
	uint32_t index = *head_of(sources, &f->orig.src, scope);

	for (; index != 0; index = sources->rows[index].next) {
		const struct flow_source *row = &sources->rows[index];

		if (row->scope == scope && memcmp(&row->addr, &f->orig.src, sizeof(row->addr)) == 0)
			return index;
	}
	return 0;
}

static uint32_t source_add(struct flow_sources *sources, const struct flow_first *f)
{
	uint32_t scope = source_scope(f), index = sources->free;
	uint32_t *head = head_of(sources, &f->orig.src, scope);

	if (index != 0)
		sources->free = sources->rows[index].next;
	else
		index = sources->n_fresh++;
	RTE_ASSERT(index <= sources->capacity);
	sources->rows[index] =
		(struct flow_source){ .addr = f->orig.src, .scope = scope, .next = *head };
	*head = index;
	return index;
}

static struct flow_sources *sources_of(const struct flow_worker *fw)
{
	/* Pairs with the release in flow_sources_init(). */
	return __atomic_load_n(&fw->sources, __ATOMIC_ACQUIRE);
}

bool flow_source_is_allowed(const struct flow_worker *fw, const struct flow_first *f)
{
	uint32_t limit = __atomic_load_n(&fw->state->source_limit, __ATOMIC_RELAXED);
	const struct flow_sources *sources = sources_of(fw);

	if (likely(limit == 0 || sources == NULL) || (f->status & FLOW_ORIGINATED))
		return true;
	/* Index 0 counts nothing. */
	return sources->rows[source_find(sources, f)].n < limit;
}

uint32_t flow_source_get(struct flow_worker *fw, const struct flow_first *f)
{
	struct flow_sources *sources = sources_of(fw);
	uint32_t index;

	if (likely(sources == NULL) || (f->status & FLOW_ORIGINATED))
		return 0;
	index = source_find(sources, f);
	if (index == 0)
		index = source_add(sources, f);
	sources->rows[index].n++;
	return index;
}

void flow_source_put(struct flow_worker *fw, uint32_t index)
{
	struct flow_sources *sources = sources_of(fw);
	struct flow_source *row;
	uint32_t *link;

	if (index == 0)
		return;
	row = &sources->rows[index];
	if (--row->n > 0)
		return;
	link = head_of(sources, &row->addr, row->scope);
	while (*link != index)
		link = &sources->rows[*link].next;
	*link = row->next;
	row->next = sources->free;
	sources->free = index;
}

/* Control thread */

static size_t heads_size(const struct flow_sources *sources)
{
	return ((size_t)sources->mask + 1) * sizeof(*sources->heads);
}

static size_t rows_size(const struct flow_sources *sources)
{
	return ((size_t)sources->capacity + 1) * sizeof(*sources->rows);
}

static int sources_create(struct flow_worker *fw)
{
	struct flow_sources *sources = &fw->sources_memory;
	uint32_t capacity = fw->table[FLOW_IP4].capacity + fw->table[FLOW_IP6].capacity;

	*sources = (struct flow_sources){
		.capacity = capacity,
		.mask = rte_align32pow2(capacity) - 1,
		.n_fresh = 1,
		.seed = fw->table[FLOW_IP4].seed,
	};
	sources->heads = flow_map(heads_size(sources), &sources->memory);
	sources->rows = flow_map(rows_size(sources), &sources->memory);
	if (sources->heads == NULL || sources->rows == NULL) {
		flow_unmap(sources->heads, heads_size(sources));
		flow_unmap(sources->rows, rows_size(sources));
		return -ENOMEM;
	}
	__atomic_store_n(&fw->sources, sources, __ATOMIC_RELEASE);
	return 0;
}

int flow_sources_init(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct flow_worker *fw = flow_worker(dp->workers[i]);
		int err = fw->sources == NULL ? sources_create(fw) : 0;

		if (err < 0)
			return err;
	}
	return 0;
}

void flow_sources_fini(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct flow_worker *fw = flow_worker(dp->workers[i]);

		/* A worker that could not be made has nothing of ours. */
		if (fw == NULL || fw->sources == NULL)
			continue;
		flow_unmap(fw->sources->heads, heads_size(fw->sources));
		flow_unmap(fw->sources->rows, rows_size(fw->sources));
		fw->sources = NULL;
	}
}
