/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Compiles rules to a table by aggregated bit vectors (T. V. Lakshman, D. Stiliadis: High-Speed
 * Policy-based Packet Forwarding, SIGCOMM 1998; F. Baboescu, G. Varghese: Scalable Packet
 * Classification, SIGCOMM 2001). Each key that any rule asks for is a dimension. The bounds of all its
 * ranges cut the values of a dimension into intervals in which the same rules match: a vector with a bit
 * for each rule. The first bit that is set in the vectors of all dimensions is the answer. Lists,
 * negations and ranges need no multiplication of rules.
 *
 * A full vector for each interval would take memory by the square of the number of rules. So a
 * dimension has one base vector: the rules that do not ask for it, and those that ask negated. An
 * interval has the difference from that, which are the rules whose values it lies in: mostly few,
 * and of those only the words that are not zero are kept, behind a bitmap of them (the aggregate).
 * Equal vectors are kept once.
 *
 * The table is built by one sweep over the bounds of each dimension in order, toggling the bit of the
 * rule whose range begins or ends there. Any thread may build; the table is constant after that.
 * How many rules there are is up to the operator, so running out of memory is an error and not
 * the end of the process.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "match/match_priv.h"

enum { WORD_BITS = 64, GROUP_WORDS = 64, INDEX_BITS_MAX = 16 };

/* Where the bit of a rule changes. */
struct bound {
	unsigned __int128 value;
	uint32_t rule;
};

/* An array that grows. */
struct array {
	void *items;
	size_t n, n_max;
};

struct build {
	struct match_table *table;
	const struct match_spec *const *specs;
	const struct match_links *links;
	unsigned int n_links; /* the highest ifindex that has a name, and one */
	uint8_t family;
	struct array bounds; /* struct bound: of one dimension */
	struct array groups; /* struct match_group */
	struct array pool;   /* uint64_t */
	uint32_t *slots;     /* hash of vectors: the number of one, plus 1; 0: free */
	uint32_t n_slots;    /* a power of two */
	uint32_t n_vectors;
	uint64_t *delta, *delta_words; /* the vector of the interval where the sweep is */
};

/* Room for n more items, NULL: out of memory. */
static void *array_add(struct array *array, size_t n, size_t size)
{
	size_t want = array->n + n, n_max = array->n_max;
	void *items;

	if (want > n_max || array->items == NULL) {
		n_max = RTE_MAX(RTE_MAX(want, n_max * 2), 64u);
		items = realloc(array->items, n_max * size);
		if (items == NULL)
			return NULL;
		array->items = items;
		array->n_max = n_max;
	}
	array->n = want;
	return (char *)array->items + (want - n) * size;
}

/* Gives back what was allocated too much. */
static void *array_take(struct array *array, size_t size)
{
	size_t len = array->n * size;
	void *items = realloc(array->items, len > 0 ? len : 1);

	return items != NULL ? items : array->items;
}

/* Vectors */

static void vector_set(uint64_t *bits, uint64_t *words, uint32_t rule)
{
	uint32_t word = rule / WORD_BITS;

	bits[word] |= UINT64_C(1) << (rule % WORD_BITS);
	words[word / GROUP_WORDS] |= UINT64_C(1) << (word % GROUP_WORDS);
}

static void delta_toggle(struct build *b, uint32_t rule)
{
	uint32_t word = rule / WORD_BITS;
	uint64_t *words = &b->delta_words[word / GROUP_WORDS];
	uint64_t bit = UINT64_C(1) << (word % GROUP_WORDS);

	b->delta[word] ^= UINT64_C(1) << (rule % WORD_BITS);
	*words = b->delta[word] != 0 ? *words | bit : *words & ~bit;
}

static void delta_clear(struct build *b)
{
	memset(b->delta, 0, b->table->n_words * sizeof(*b->delta));
	memset(b->delta_words, 0, b->table->n_groups * sizeof(*b->delta_words));
}

static struct match_group *vector_groups(const struct build *b, uint32_t vector)
{
	return (struct match_group *)b->groups.items + (size_t)vector * b->table->n_groups;
}

static bool vector_is_equal(const struct build *b, uint32_t a, uint32_t c)
{
	const struct match_group *x = vector_groups(b, a), *y = vector_groups(b, c);
	const uint64_t *pool = b->pool.items;

	for (unsigned int g = 0; g < b->table->n_groups; g++) {
		size_t len = (size_t)__builtin_popcountll(x[g].words) * sizeof(*pool);

		if (x[g].words != y[g].words ||
			memcmp(pool + x[g].start, pool + y[g].start, len) != 0)
			return false;
	}
	return true;
}

/* Multiply and rotate; the upper half has seen all bits. Only this table's own words are hashed. */
static uint64_t hash_add(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint64_t vector_hash(const struct build *b, uint32_t vector)
{
	const struct match_group *group = vector_groups(b, vector);
	const uint64_t *pool = b->pool.items;
	uint64_t hash = 0;

	for (unsigned int g = 0; g < b->table->n_groups; g++) {
		unsigned int n = (unsigned int)__builtin_popcountll(group[g].words);

		hash = hash_add(hash, group[g].words);
		for (unsigned int i = 0; i < n; i++)
			hash = hash_add(hash, pool[group[g].start + i]);
	}
	return hash;
}

/* The slot of a vector equal to this one, or a free one. */
static uint32_t *slot_find(const struct build *b, uint32_t vector)
{
	uint32_t i = (uint32_t)vector_hash(b, vector) & (b->n_slots - 1);

	while (b->slots[i] != 0 && !vector_is_equal(b, b->slots[i] - 1, vector))
		i = (i + 1) & (b->n_slots - 1);
	return &b->slots[i];
}

/* Keeps at least half of the slots free. */
static int slots_grow(struct build *b)
{
	uint32_t n_slots = b->n_slots * 2;
	uint32_t *slots;

	if (b->n_vectors < b->n_slots / 2)
		return 0;
	slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	free(b->slots);
	b->slots = slots;
	b->n_slots = n_slots;
	for (uint32_t v = 0; v < b->n_vectors; v++)
		*slot_find(b, v) = v + 1;
	return 0;
}

/* Copies the words of the sweep that are not zero to the end of the pool, as a vector. */
static int vector_append(struct build *b)
{
	const struct match_table *t = b->table;
	struct match_group *group = array_add(&b->groups, t->n_groups, sizeof(*group));

	for (unsigned int g = 0; group != NULL && g < t->n_groups; g++) {
		uint64_t words = b->delta_words[g];
		unsigned int n = (unsigned int)__builtin_popcountll(words);
		uint64_t *out;

		group[g] = (struct match_group){ .words = words, .start = b->pool.n };
		out = array_add(&b->pool, n, sizeof(*out));
		if (out == NULL)
			return -ENOMEM;
		for (; words != 0; words &= words - 1)
			*out++ = b->delta[g * GROUP_WORDS + (unsigned int)__builtin_ctzll(words)];
	}
	return group != NULL ? 0 : -ENOMEM;
}

/* The vector of the interval where the sweep is. */
static int vector_get(struct build *b, uint32_t *out)
{
	size_t pool_n = b->pool.n;
	uint32_t *slot;

	if (slots_grow(b) < 0 || vector_append(b) < 0)
		return -ENOMEM;
	slot = slot_find(b, b->n_vectors);
	if (*slot == 0) {
		*slot = ++b->n_vectors;
	} else {
		b->groups.n -= b->table->n_groups;
		b->pool.n = pool_n;
	}
	*out = *slot - 1;
	return 0;
}

/* What rules ask of a dimension */

static int add_range(
	struct build *b, uint32_t rule, const struct match_range *range, unsigned __int128 max)
{
	bool has_end = range->last < max;
	struct bound *bound = array_add(&b->bounds, 1u + has_end, sizeof(*bound));

	if (bound == NULL)
		return -ENOMEM;
	bound[0] = (struct bound){ .value = range->first, .rule = rule };
	if (has_end)
		bound[1] = (struct bound){ .value = range->last + 1, .rule = rule };
	return 0;
}

/* Is any of the names that of this link? */
static bool link_is_listed(
	const struct build *b, const struct match_list *list, unsigned int ifindex)
{
	for (unsigned int i = 0; ifindex < b->n_links && i < list->n; i++)
		if (match_link_is(list->links[i], b->links->names[ifindex]))
			return true;
	return false;
}

/* Indexes in a row are one range. */
static int add_links(struct build *b, uint32_t rule, const struct match_list *list)
{
	struct match_range range;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < b->n_links; i++) {
		if (!link_is_listed(b, list, i))
			continue;
		range.first = i;
		while (link_is_listed(b, list, i + 1))
			i++;
		range.last = i;
		err = add_range(b, rule, &range, LINK_MAX - 1);
	}
	return err;
}

static int add_list(struct build *b, const struct match_dimension *d, uint32_t rule,
	const struct match_list *list)
{
	unsigned int bits = d->is_v6 ? 128 : match_keys[d->id].bits;
	unsigned __int128 max = ~(unsigned __int128)0 >> (128 - bits);
	int err = 0;

	if (d->id == MATCH_IN || d->id == MATCH_OUT)
		return add_links(b, rule, list);
	for (unsigned int i = 0; err == 0 && i < list->n; i++)
		err = add_range(b, rule, &list->ranges[i], max);
	return err;
}

/* What the rule asks of this dimension; NULL: nothing. Marks are one dimension for each mask. */
static const struct match_list *rule_list(
	const struct build *b, const struct match_dimension *d, uint32_t rule)
{
	const struct match_spec *spec = b->specs[rule];
	const struct match_list *list = match_spec_list(spec, (enum match_key_id)d->id, b->family);

	if (list->n == 0 || (d->id == MATCH_MARK && spec->mark_mask != d->mask))
		return NULL;
	return list;
}

static bool rule_is_live(const struct build *b, uint32_t rule)
{
	return b->family == AF_INET6 ? b->specs[rule]->has_v6 : b->specs[rule]->has_v4;
}

/* Fills base and bounds; in the sweep's vector remain the rules that are negated. */
static int collect(struct build *b, struct match_dimension *d)
{
	int err = 0;

	b->bounds.n = 0;
	delta_clear(b);
	for (uint32_t rule = 0; err == 0 && rule < b->table->n_rules; rule++) {
		const struct match_list *list = rule_list(b, d, rule);

		if (!rule_is_live(b, rule))
			continue;
		if (list == NULL || list->is_negated)
			vector_set(d->base, d->base_words, rule);
		if (list == NULL)
			continue;
		if (list->is_negated)
			delta_toggle(b, rule);
		err = add_list(b, d, rule, list);
	}
	return err;
}

/* The sweep */

static int bound_compare(const void *a, const void *b)
{
	const struct bound *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

static void bound_set(struct match_dimension *d, uint32_t i, unsigned __int128 value)
{
	if (d->is_v6)
		d->bounds6[i] = value;
	else
		d->bounds[i] = (uint32_t)value;
}

static int sweep(struct build *b, struct match_dimension *d)
{
	struct bound *bound = b->bounds.items, *end = bound + b->bounds.n;
	unsigned __int128 value = 0;
	int err = 0;

	if (b->bounds.n > 0)
		qsort(bound, b->bounds.n, sizeof(*bound), bound_compare);
	delta_clear(b);
	while (err == 0) {
		for (; bound < end && bound->value == value; bound++)
			delta_toggle(b, bound->rule);
		bound_set(d, d->n_bounds, value);
		err = vector_get(b, &d->vectors[d->n_bounds]);
		d->n_bounds++;
		if (bound == end)
			break;
		value = bound->value;
	}
	return err;
}

/* Where to look in bounds, by the upper bits of a value: so many that few bounds share them. */
static int make_index(struct match_dimension *d)
{
	unsigned int bits = match_keys[d->id].bits, n_bits = 3;
	uint32_t bound = 0;
	size_t n;

	while ((UINT32_C(1) << n_bits) < d->n_bounds * 4 && n_bits < INDEX_BITS_MAX)
		n_bits++;
	n_bits = bits <= 10 ? bits : RTE_MIN(n_bits, bits);
	d->shift = (uint8_t)(bits - n_bits);
	n = (size_t)1 << n_bits;
	d->index = calloc(n + 1, sizeof(*d->index));
	if (d->index == NULL)
		return -ENOMEM;
	for (size_t i = 0; i <= n; i++) {
		while (bound < d->n_bounds && d->bounds[bound] < (uint64_t)i << d->shift)
			bound++;
		d->index[i] = bound;
	}
	return 0;
}

static int build_bounds(struct build *b, struct match_dimension *d)
{
	size_t n = b->bounds.n + 1;
	int err;

	d->bounds = calloc(n, d->is_v6 ? sizeof(*d->bounds6) : sizeof(*d->bounds));
	d->vectors = calloc(n, sizeof(*d->vectors));
	if (d->bounds == NULL || d->vectors == NULL)
		return -ENOMEM;
	err = sweep(b, d);
	if (err == 0 && !d->is_v6)
		err = make_index(d);
	return err;
}

/* The mask is of the value's bits; that of marks is the rules' own. */
static int build_dimension(struct build *b, enum match_key_id id, uint32_t mask)
{
	struct match_table *t = b->table;
	struct match_dimension *d = &t->dimensions[t->n_dimensions];

	*d = (struct match_dimension){
		.id = (uint8_t)id,
		.is_l4 = match_keys[id].is_l4,
		.is_v6 = b->family == AF_INET6 && (id == MATCH_SRC || id == MATCH_DST),
		.offset = (uint16_t)match_keys[id].key_offset,
		.mask = mask,
	};
	t->n_dimensions++;
	d->base = calloc(t->n_words + 1, sizeof(*d->base));
	d->base_words = calloc(t->n_groups + 1, sizeof(*d->base_words));
	if (d->base == NULL || d->base_words == NULL)
		return -ENOMEM;
	if (collect(b, d) < 0 || (d->is_l4 && vector_get(b, &d->absent) < 0))
		return -ENOMEM;
	return build_bounds(b, d);
}

/* A dimension for each mask. */
static int build_marks(struct build *b)
{
	uint32_t masks[MATCH_MASKS_MAX];
	unsigned int n = 0, k;
	int err = 0;

	for (uint32_t rule = 0; err == 0 && rule < b->table->n_rules; rule++) {
		uint32_t mask = b->specs[rule]->mark_mask;

		if (b->specs[rule]->keys[MATCH_MARK].n == 0 || !rule_is_live(b, rule))
			continue;
		for (k = 0; k < n && masks[k] != mask;)
			k++;
		if (k < n)
			continue;
		if (n == MATCH_MASKS_MAX)
			return -E2BIG;
		masks[n++] = mask;
		err = build_dimension(b, MATCH_MARK, mask);
	}
	return err;
}

static bool is_asked(const struct build *b, enum match_key_id id)
{
	for (uint32_t rule = 0; rule < b->table->n_rules; rule++)
		if (rule_is_live(b, rule) && match_spec_list(b->specs[rule], id, b->family)->n > 0)
			return true;
	return false;
}

static int build_dimensions(struct build *b)
{
	int err = build_marks(b);

	for (unsigned int i = 0; err == 0 && i < MATCH_N_KEYS; i++) {
		enum match_key_id id = (enum match_key_id)i;

		if (id != MATCH_MARK && is_asked(b, id))
			err = build_dimension(b, id, UINT32_MAX >> (32 - match_keys[id].bits));
	}
	return err;
}

/* The table as a whole */

static void set_stats(struct match_table *t, const struct build *b, uint64_t build_ns)
{
	size_t vector_size = t->n_words * sizeof(uint64_t) + t->n_groups * sizeof(uint64_t);
	size_t size = sizeof(*t) + vector_size;

	for (unsigned int i = 0; i < t->n_dimensions; i++) {
		const struct match_dimension *d = &t->dimensions[i];

		size += vector_size;
		size += d->n_bounds * (sizeof(*d->vectors) + (d->is_v6 ? sizeof(*d->bounds6)
								       : sizeof(*d->bounds)));
		if (!d->is_v6)
			size += ((size_t)1 << (match_keys[d->id].bits - d->shift)) *
				sizeof(*d->index);
	}
	size += b->groups.n * sizeof(struct match_group) + b->pool.n * sizeof(uint64_t);
	t->stats = (struct match_stats){
		.size = size,
		.build_ns = build_ns,
		.n_rules = t->n_rules,
		.n_dimensions = t->n_dimensions,
		.n_vectors = b->n_vectors,
	};
}

static unsigned int count_links(const struct match_links *links)
{
	unsigned int n = LINK_MAX;

	while (n > 0 && links->names[n - 1][0] == '\0')
		n--;
	return n;
}

static int build_init(struct build *b)
{
	struct match_table *t = b->table;

	t->live = calloc(t->n_words + 1, sizeof(*t->live));
	t->live_words = calloc(t->n_groups + 1, sizeof(*t->live_words));
	b->delta = calloc(t->n_words + 1, sizeof(*b->delta));
	b->delta_words = calloc(t->n_groups + 1, sizeof(*b->delta_words));
	b->n_slots = 1024;
	b->slots = calloc(b->n_slots, sizeof(*b->slots));
	if (t->live == NULL || t->live_words == NULL || b->delta == NULL ||
		b->delta_words == NULL || b->slots == NULL)
		return -ENOMEM;
	for (uint32_t rule = 0; rule < t->n_rules; rule++)
		if (rule_is_live(b, rule))
			vector_set(t->live, t->live_words, rule);
	return 0;
}

/* What only the building needs; the rest becomes the table's, also of one that failed. */
static void build_fini(struct build *b)
{
	b->table->groups = array_take(&b->groups, sizeof(struct match_group));
	b->table->pool = array_take(&b->pool, sizeof(uint64_t));
	free(b->bounds.items);
	free(b->slots);
	free(b->delta);
	free(b->delta_words);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int match_compile(const struct match_spec *const *specs, unsigned int n, uint8_t family,
	const struct match_links *links, struct match_table **out)
{
	struct build b = {
		.specs = specs, .links = links, .n_links = count_links(links), .family = family
	};
	uint64_t start_ns = now_ns();
	int err;

	if (n > MATCH_RULES_MAX)
		return -E2BIG;
	b.table = calloc(1, sizeof(*b.table));
	if (b.table == NULL)
		return -ENOMEM;
	b.table->n_rules = n;
	b.table->n_words = (n + WORD_BITS - 1) / WORD_BITS;
	b.table->n_groups = (b.table->n_words + GROUP_WORDS - 1) / GROUP_WORDS;
	err = build_init(&b);
	if (err == 0)
		err = build_dimensions(&b);
	if (err == 0)
		set_stats(b.table, &b, now_ns() - start_ns);
	build_fini(&b);
	if (err == 0)
		*out = b.table;
	else
		match_table_free(b.table);
	return err;
}

void match_table_free(struct match_table *table)
{
	if (table == NULL)
		return;
	for (unsigned int i = 0; i < table->n_dimensions; i++) {
		struct match_dimension *d = &table->dimensions[i];

		free(d->index);
		free(d->bounds);
		free(d->vectors);
		free(d->base);
		free(d->base_words);
	}
	free(table->groups);
	free(table->pool);
	free(table->live);
	free(table->live_words);
	free(table);
}

const struct match_stats *match_table_stats(const struct match_table *table)
{
	return &table->stats;
}
