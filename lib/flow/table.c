/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of connections: buckets, entries, the wheel of time. Run by the owning worker, but for init
 * and fini. Index 0 is never used for entries and chained buckets, so that zero means none in memory
 * that comes zeroed from the kernel.
 *
 * Memory is mapped at once and touched at once, so that no packet ever waits for a page.
 */
#include "flow/table.h"

#include <errno.h>
#include <sys/mman.h>

enum {
	REFS_PER_BUCKET_MAX = 4, /* at capacity, on average: then few buckets overflow */
	CHAINED_SHARE = 8,	 /* one chained bucket for so many others */
	AGE_BATCH = 16,		 /* entries looked at in one go */
	HUGE_PAGE = 2 << 20,
};

/* Memory */

void *flow_map(size_t size, size_t *memory)
{
	size_t rounded = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	void *ptr = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ptr == MAP_FAILED)
		return NULL;
	(void)madvise(ptr, rounded, MADV_HUGEPAGE);
	(void)madvise(ptr, rounded, MADV_POPULATE_WRITE);
	*memory += rounded;
	return ptr;
}

void flow_unmap(void *ptr, size_t size)
{
	if (ptr != NULL)
		munmap(ptr, (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1));
}

static size_t entry_size(uint8_t family)
{
	return flow_entry_size(family == AF_INET6);
}

static size_t buckets_size(const struct flow_table *table)
{
	return (size_t)table->n_buckets * sizeof(*table->buckets);
}

int flow_table_init(struct flow_table *table, uint8_t family, uint32_t capacity,
	const struct flow_times *times, const struct hash_seed *seed, uint32_t now)
{
	uint32_t n = 8;

	while ((uint64_t)n * REFS_PER_BUCKET_MAX < 2 * (uint64_t)capacity)
		n *= 2;
	*table = (struct flow_table){
		.family = family,
		.capacity = capacity,
		.limit = capacity,
		.bucket_mask = n - 1,
		.n_buckets = n + n / CHAINED_SHARE,
		.n_fresh_buckets = n,
		.n_fresh = 1,
		.times = times,
		.seed = *seed,
		.wheel_now = now,
	};
	table->buckets = flow_map(buckets_size(table), &table->memory);
	table->entries = flow_map((capacity + 1) * entry_size(family), &table->memory);
	table->cold = flow_map((capacity + 1) * sizeof(*table->cold), &table->memory);
	table->wheel = flow_map(FLOW_WHEEL_SLOTS * sizeof(*table->wheel), &table->memory);
	if (table->buckets == NULL || table->entries == NULL || table->cold == NULL ||
		table->wheel == NULL) {
		flow_table_fini(table);
		return -ENOMEM;
	}
	/* Entry 0, where whoever has found none looks, too, is not that of any flow_scope(). */
	flow_verdict_at(table, 0)->pad = 1;
	return 0;
}

void flow_table_fini(struct flow_table *table)
{
	flow_unmap(table->buckets, buckets_size(table));
	flow_unmap(table->entries, (table->capacity + 1) * entry_size(table->family));
	flow_unmap(table->cold, (table->capacity + 1) * sizeof(*table->cold));
	flow_unmap(table->wheel, FLOW_WHEEL_SLOTS * sizeof(*table->wheel));
	*table = (struct flow_table){ 0 };
}

/* Tuples */

void flow_tuple_at(
	const struct flow_table *table, uint32_t index, unsigned int dir, struct flow_tuple *out)
{
	*out = (struct flow_tuple){ 0 };
	if (table->family == AF_INET) {
		const struct flow_tuple4 *tuple = &flow4_at(table, index)->tuple[dir];

		out->src.v4_be = tuple->src_be;
		out->dst.v4_be = tuple->dst_be;
		out->sport_be = tuple->sport_be;
		out->dport_be = tuple->dport_be;
	} else {
		const struct flow6 *flow = flow6_at(table, index);

		memcpy(out->src.bytes, flow->tuple[dir].src, sizeof(out->src.bytes));
		memcpy(out->dst.bytes, flow->tuple[dir].dst, sizeof(out->dst.bytes));
		out->sport_be = flow->ports[dir].sport_be;
		out->dport_be = flow->ports[dir].dport_be;
	}
}

static void tuple_store(
	struct flow_table *table, uint32_t index, unsigned int dir, const struct flow_tuple *tuple)
{
	if (table->family == AF_INET) {
		flow4_at(table, index)->tuple[dir] = (struct flow_tuple4){
			.src_be = tuple->src.v4_be,
			.dst_be = tuple->dst.v4_be,
			.sport_be = tuple->sport_be,
			.dport_be = tuple->dport_be,
		};
	} else {
		struct flow6 *flow = flow6_at(table, index);

		memcpy(flow->tuple[dir].src, tuple->src.bytes, sizeof(tuple->src.bytes));
		memcpy(flow->tuple[dir].dst, tuple->dst.bytes, sizeof(tuple->dst.bytes));
		flow->ports[dir].sport_be = tuple->sport_be;
		flow->ports[dir].dport_be = tuple->dport_be;
	}
}

static uint64_t tuple_hash(
	const struct flow_table *table, const struct flow_tuple *tuple, uint32_t scope)
{
	uint32_t ports_be = tuple->sport_be | (uint32_t)tuple->dport_be << 16;

	if (table->family == AF_INET)
		return flow4_hash(&table->seed, tuple->src.v4_be | (uint64_t)tuple->dst.v4_be << 32,
			ports_be, scope);
	return flow6_hash(&table->seed, tuple->src.bytes, ports_be, scope);
}

static uint64_t entry_hash(const struct flow_table *table, uint32_t index, unsigned int dir)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, index);
	struct flow_tuple tuple;

	flow_tuple_at(table, index, dir, &tuple);
	return tuple_hash(table, &tuple, flow_scope(verdict->proto, verdict->ns));
}

/* Buckets */

static bool ref_is(const struct flow_table *table, uint32_t ref, const struct flow_tuple *tuple,
	uint32_t scope)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	struct flow_tuple have;

	if (flow_scope(verdict->proto, verdict->ns) != scope)
		return false;
	flow_tuple_at(table, ref >> 1, ref & 1, &have);
	return memcmp(&have, tuple, FLOW_TUPLE_LEN) == 0;
}

uint32_t flow_table_lookup(
	const struct flow_table *table, const struct flow_tuple *tuple, uint8_t proto, uint16_t ns)
{
	uint32_t scope = flow_scope(proto, ns);
	uint64_t hash = tuple_hash(table, tuple, scope);
	const struct flow_bucket *bucket = flow_bucket_of(table, hash);

	for (;;) {
		unsigned int match = flow_bucket_match(bucket, flow_tag(hash));

		for (; match != 0; match &= match - 1, match &= match - 1) {
			uint32_t ref = bucket->ref[__builtin_ctz(match) / 2];

			if (ref_is(table, ref, tuple, scope))
				return ref;
		}
		if (bucket->next == 0)
			return FLOW_NONE;
		bucket = &table->buckets[bucket->next];
	}
}

/* A chained bucket. 0: there are none left. */
static uint32_t bucket_alloc(struct flow_table *table)
{
	uint32_t index = table->free_bucket;

	if (index != 0) {
		table->free_bucket = table->buckets[index].next;
		table->buckets[index].next = 0;
		return index;
	}
	return table->n_fresh_buckets < table->n_buckets ? table->n_fresh_buckets++ : 0;
}

static bool ref_insert(struct flow_table *table, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *bucket = flow_bucket_of(table, hash);
	unsigned int empty;

	while ((empty = flow_bucket_match(bucket, 0)) == 0) {
		if (bucket->next == 0)
			bucket->next = bucket_alloc(table);
		if (bucket->next == 0)
			return false;
		bucket = &table->buckets[bucket->next];
	}
	bucket->tag[__builtin_ctz(empty) / 2] = flow_tag(hash);
	bucket->ref[__builtin_ctz(empty) / 2] = ref;
	return true;
}

static bool bucket_is_empty(const struct flow_bucket *bucket)
{
	return flow_bucket_match(bucket, 0) == 0xffff;
}

static void ref_remove(struct flow_table *table, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *bucket = flow_bucket_of(table, hash), *before = NULL;

	for (;;) {
		for (unsigned int i = 0; i < FLOW_BUCKET_REFS; i++) {
			if (bucket->tag[i] == 0 || bucket->ref[i] != ref)
				continue;
			bucket->tag[i] = 0;
			bucket->ref[i] = 0;
			if (before == NULL || !bucket_is_empty(bucket))
				return;
			uint32_t index = before->next;

			before->next = bucket->next;
			bucket->next = table->free_bucket;
			table->free_bucket = index;
			return;
		}
		RTE_ASSERT(bucket->next != 0);
		before = bucket;
		bucket = &table->buckets[bucket->next];
	}
}

/* Lists: the wheel's slots, those of a steering bucket, those that may be dropped early */

static void wheel_link(struct flow_table *table, uint32_t index, uint32_t tick)
{
	struct flow_cold *cold = &table->cold[index];
	uint32_t *head = &table->wheel[tick % FLOW_WHEEL_SLOTS];

	cold->expires = tick;
	cold->wheel_prev = 0;
	cold->wheel_next = *head;
	if (*head != 0)
		table->cold[*head].wheel_prev = index;
	*head = index;
}

static void wheel_unlink(struct flow_table *table, uint32_t index)
{
	struct flow_cold *cold = &table->cold[index];

	if (cold->wheel_next != 0)
		table->cold[cold->wheel_next].wheel_prev = cold->wheel_prev;
	if (cold->wheel_prev != 0)
		table->cold[cold->wheel_prev].wheel_next = cold->wheel_next;
	else if (table->due == index)
		table->due = cold->wheel_next;
	else
		table->wheel[cold->expires % FLOW_WHEEL_SLOTS] = cold->wheel_next;
}

/* On the wheel by its last packet and timeout, but not beyond the wheel's reach. */
static void wheel_add(struct flow_table *table, uint32_t index, uint32_t now)
{
	uint32_t left = flow_table_left(table, index, now);
	/* Slots before wheel_now are done: what is due is looked at with the next one. */
	uint32_t from = (int32_t)(now - table->wheel_now) < 0 ? table->wheel_now : now;

	wheel_link(table, index,
		from + RTE_MIN(left, FLOW_WHEEL_SLOTS - 2u - (from - table->wheel_now)));
}

static void list_link(struct flow_table *table, uint32_t index, uint8_t list)
{
	struct flow_cold *cold = &table->cold[index];
	uint32_t *head = &table->list[list];

	cold->list = list;
	cold->list_prev = 0;
	cold->list_next = *head;
	if (*head != 0)
		table->cold[*head].list_prev = index;
	*head = index;
}

static void list_unlink(struct flow_table *table, uint32_t index)
{
	const struct flow_cold *cold = &table->cold[index];

	if (cold->list_next != 0)
		table->cold[cold->list_next].list_prev = cold->list_prev;
	if (cold->list_prev != 0)
		table->cold[cold->list_prev].list_next = cold->list_next;
	else
		table->list[cold->list] = cold->list_next;
}

void flow_table_leave(struct flow_table *table, uint32_t index)
{
	list_unlink(table, index);
	list_link(table, index, FLOW_LIST_LEFT);
}

/* Answers to ICMP queries are found by identifier, not by bucket: flow_icmp_worker(). */
static void count_in_buckets(struct flow_table *table, uint32_t index, int32_t one)
{
	unsigned int n_dirs = flow_is_icmp(flow_verdict_at(table, index)->proto) ? 1 : 2;

	for (unsigned int dir = 0; dir < n_dirs; dir++) {
		uint32_t *n = &table->n_in_bucket[table->cold[index].bucket[dir]];

		__atomic_store_n(n, *n + (uint32_t)one, __ATOMIC_RELAXED);
	}
}

static void early_link(struct flow_table *table, uint32_t index)
{
	struct flow_cold *cold = &table->cold[index];

	cold->early_next = 0;
	cold->early_prev = table->early_last;
	if (table->early_last != 0)
		table->cold[table->early_last].early_next = index;
	else
		table->early_first = index;
	table->early_last = index;
}

static void early_unlink(struct flow_table *table, uint32_t index)
{
	const struct flow_cold *cold = &table->cold[index];

	if (cold->early_next != 0)
		table->cold[cold->early_next].early_prev = cold->early_prev;
	else
		table->early_last = cold->early_prev;
	if (cold->early_prev != 0)
		table->cold[cold->early_prev].early_next = cold->early_next;
	else
		table->early_first = cold->early_next;
}

/* Entries */

uint32_t flow_table_alloc(struct flow_table *table)
{
	uint32_t index = table->free;

	if (index != 0)
		table->free = table->cold[index].wheel_next;
	else if (table->n_fresh <= table->capacity)
		index = table->n_fresh++;
	else
		return FLOW_NONE;
	*flow_verdict_at(table, index) = (struct flow_verdict){ 0 };
	*flow_hot_at(table, index) = (struct flow_hot){ 0 };
	table->cold[index] = (struct flow_cold){ 0 };
	return index;
}

void flow_table_unalloc(struct flow_table *table, uint32_t index)
{
	table->cold[index].is_used = false;
	table->cold[index].wheel_next = table->free;
	table->free = index;
}

/* From now on it is in use: its tuples, timeout, buckets and last packet are in place. */
static bool entry_enter(struct flow_table *table, uint32_t index, uint32_t now)
{
	uint64_t hash = entry_hash(table, index, FLOW_ORIG);

	if (!ref_insert(table, hash, index << 1 | FLOW_ORIG))
		return false;
	if (!ref_insert(table, entry_hash(table, index, FLOW_REPLY), index << 1 | FLOW_REPLY)) {
		ref_remove(table, hash, index << 1 | FLOW_ORIG);
		return false;
	}
	table->cold[index].is_used = true;
	wheel_add(table, index, now);
	list_link(table, index, table->cold[index].bucket[FLOW_ORIG]);
	count_in_buckets(table, index, 1);
	if (!(flow_verdict_at(table, index)->status & FLOW_ASSURED))
		early_link(table, index);
	__atomic_store_n(&table->n_used, table->n_used + 1, __ATOMIC_RELAXED);
	return true;
}

bool flow_table_add(struct flow_table *table, uint32_t index, const struct flow_tuple *orig,
	const struct flow_tuple *reply, enum flow_timeout timeout, uint32_t now)
{
	tuple_store(table, index, FLOW_ORIG, orig);
	tuple_store(table, index, FLOW_REPLY, reply);
	table->cold[index].timeout = (uint8_t)timeout;
	flow_hot_at(table, index)->last_seen = now;
	return entry_enter(table, index, now);
}

void flow_table_del(struct flow_table *table, uint32_t index)
{
	ref_remove(table, entry_hash(table, index, FLOW_ORIG), index << 1 | FLOW_ORIG);
	ref_remove(table, entry_hash(table, index, FLOW_REPLY), index << 1 | FLOW_REPLY);
	wheel_unlink(table, index);
	list_unlink(table, index);
	count_in_buckets(table, index, -1);
	if (!(flow_verdict_at(table, index)->status & FLOW_ASSURED))
		early_unlink(table, index);
	flow_table_unalloc(table, index);
	__atomic_store_n(&table->n_used, table->n_used - 1, __ATOMIC_RELAXED);
}

/* A connection as a record: its cold line, then its entry */

size_t flow_record_size(uint8_t family)
{
	return sizeof(struct flow_cold) + entry_size(family);
}

void flow_table_read(const struct flow_table *table, uint32_t index, void *record)
{
	size_t size = entry_size(table->family);

	memcpy(record, &table->cold[index], sizeof(struct flow_cold));
	memcpy((char *)record + sizeof(struct flow_cold), table->entries + index * size, size);
}

bool flow_table_write(struct flow_table *table, uint32_t index, const void *record, uint32_t now)
{
	size_t size = entry_size(table->family);

	memcpy(&table->cold[index], record, sizeof(struct flow_cold));
	memcpy(table->entries + index * size, (const char *)record + sizeof(struct flow_cold),
		size);
	table->cold[index].source = 0;
	return entry_enter(table, index, now);
}

void flow_table_assure(struct flow_table *table, uint32_t index)
{
	struct flow_verdict *verdict = flow_verdict_at(table, index);

	if (verdict->status & FLOW_ASSURED)
		return;
	verdict->status |= FLOW_ASSURED;
	early_unlink(table, index);
}

/* Time */

/* That of an established TCP connection depends on what came last: nobody writes that down. */
static enum flow_timeout timeout_of(const struct flow_table *table, uint32_t index)
{
	enum flow_timeout timeout = (enum flow_timeout)table->cold[index].timeout;

	if (timeout != FLOW_TIMEOUT_TCP_ESTABLISHED)
		return timeout;
	return (enum flow_timeout)tcp_track_timeout(
		&flow_hot_at(table, index)->tcp, &table->times->tcp);
}

uint32_t flow_table_left(const struct flow_table *table, uint32_t index, uint32_t now)
{
	uint32_t end =
		flow_hot_at(table, index)->last_seen +
		__atomic_load_n(&table->times->ticks[timeout_of(table, index)], __ATOMIC_RELAXED);

	return (int32_t)(end - now) < 0 ? 0 : end - now;
}

void flow_table_set_timeout(
	struct flow_table *table, uint32_t index, enum flow_timeout timeout, uint32_t now)
{
	struct flow_cold *cold = &table->cold[index];

	flow_hot_at(table, index)->last_seen = now;
	if (cold->timeout == timeout)
		return;
	cold->timeout = (uint8_t)timeout;
	/* A longer one is found out when the wheel comes there. */
	if (flow_table_left(table, index, now) >= cold->expires - now)
		return;
	wheel_unlink(table, index);
	wheel_add(table, index, now);
}

/* The next entries that are due, at most AGE_BATCH; their lines are asked for. */
static unsigned int age_collect(struct flow_table *table, uint32_t now, uint32_t *batch)
{
	unsigned int n = 0;

	for (;;) {
		while (table->due != 0 && n < AGE_BATCH) {
			batch[n] = table->due;
			rte_prefetch0(flow_hot_at(table, table->due));
			rte_prefetch0(flow_verdict_at(table, table->due));
			table->due = table->cold[table->due].wheel_next;
			n++;
		}
		if (n == AGE_BATCH || (int32_t)(now - table->wheel_now) < 0)
			return n;
		table->due = table->wheel[table->wheel_now % FLOW_WHEEL_SLOTS];
		table->wheel[table->wheel_now % FLOW_WHEEL_SLOTS] = 0;
		table->wheel_now++;
	}
}

/* Takes what was collected off its slot's list, whose first entries they are. */
static void age_detach(struct flow_table *table, const uint32_t *batch, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct flow_cold *cold = &table->cold[batch[i]];

		if (cold->wheel_next != 0)
			table->cold[cold->wheel_next].wheel_prev = 0;
	}
}

bool flow_table_age(struct flow_table *table, uint32_t now,
	void (*end)(void *ctx, struct flow_table *table, uint32_t index), void *ctx)
{
	uint32_t batch[AGE_BATCH];
	unsigned int n = age_collect(table, now, batch);

	age_detach(table, batch, n);
	for (unsigned int i = 0; i < n; i++) {
		/* All are put back first: end() takes them off as it does at any other time. */
		wheel_add(table, batch[i], now);
	}
	for (unsigned int i = 0; i < n; i++)
		if (flow_table_left(table, batch[i], now) == 0)
			end(ctx, table, batch[i]);
	return n == AGE_BATCH;
}
