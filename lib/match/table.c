/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Compiles rules to a table by aggregated bit vectors (T. V. Lakshman, D. Stiliadis: High-Speed
 * Policy-based Packet Forwarding, SIGCOMM 1998; F. Baboescu, G. Varghese: Scalable Packet
 * Classification, SIGCOMM 2001). Each key that any rule asks for is a dimension. The bounds of all
 * its ranges cut the values of a dimension into intervals in which the same rules match: a vector
 * with a bit for each rule. The first bit that is set in the vectors of all dimensions is the
 * answer. Lists, negations and ranges need no multiplication of rules.
 *
 * A full vector for each interval would take memory by the square of the number of rules. So a
 * dimension has one base vector: the rules that do not ask for it, and those that ask negated. An
 * interval has the difference from that, which are the rules whose values it lies in: mostly few,
 * and of those only the words that are not zero are kept, behind a bitmap of them (the aggregate).
 * Equal vectors are kept once.
 *
 * The table is built by one sweep over the bounds of each dimension in order, toggling the bit of
 * the rule whose range begins or ends there. Any thread may build; the table is constant after
 * that. How many rules there are is up to the operator, so running out of memory is an error and
 * not the end of the process.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "match/vectors.h"

enum { INDEX_BITS_MAX = 16 };

/* Where the bit of a rule changes. */
struct bound {
	unsigned __int128 value;
	uint32_t rule;
};

struct build {
	struct match_table *table;
	const struct match_spec *const *specs;
	const struct match_links *links;
	unsigned int n_links; /* the highest ifindex that has a name, and one */
	uint8_t family;
	struct array bounds;	/* struct bound: of one dimension */
	struct vectors vectors; /* the sweep's, and those that came of it */
};

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
	const struct match_list *list =
		&spec->lists[match_list_id((enum match_key_id)d->id, b->family)];

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
	vectors_clear(&b->vectors);
	for (uint32_t rule = 0; err == 0 && rule < b->table->n_rules; rule++) {
		const struct match_list *list = rule_list(b, d, rule);

		if (!rule_is_live(b, rule))
			continue;
		if (list == NULL || list->is_negated)
			vector_set_bit(d->base, d->base_words, rule);
		if (list == NULL)
			continue;
		if (list->is_negated)
			vectors_toggle(&b->vectors, rule);
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
	struct bound *bounds = b->bounds.items;
	size_t i = 0, n = b->bounds.n;
	unsigned __int128 value = 0;
	int err = 0;

	if (n > 0)
		qsort(bounds, n, sizeof(*bounds), bound_compare);
	vectors_clear(&b->vectors);
	while (err == 0) {
		for (; i < n && bounds[i].value == value; i++)
			vectors_toggle(&b->vectors, bounds[i].rule);
		bound_set(d, d->n_bounds, value);
		err = vectors_keep(&b->vectors, &d->vectors[d->n_bounds]);
		d->n_bounds++;
		if (i == n)
			break;
		value = bounds[i].value;
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
	if (collect(b, d) < 0 || (d->is_l4 && vectors_keep(&b->vectors, &d->absent) < 0))
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

		if (b->specs[rule]->lists[MATCH_MARK].n == 0 || !rule_is_live(b, rule))
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
		if (rule_is_live(b, rule) &&
			b->specs[rule]->lists[match_list_id(id, b->family)].n > 0)
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
	size += vectors_size(&b->vectors);
	t->stats = (struct match_stats){
		.size = size,
		.build_ns = build_ns,
		.n_rules = t->n_rules,
		.n_dimensions = t->n_dimensions,
		.n_vectors = b->vectors.n,
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
	if (t->live == NULL || t->live_words == NULL ||
		vectors_init(&b->vectors, t->n_words, t->n_groups) < 0)
		return -ENOMEM;
	for (uint32_t rule = 0; rule < t->n_rules; rule++)
		if (rule_is_live(b, rule))
			vector_set_bit(t->live, t->live_words, rule);
	return 0;
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
	b.table->n_words = (n + 63) / 64;
	b.table->n_groups = (b.table->n_words + 63) / 64;
	err = build_init(&b);
	if (err == 0)
		err = build_dimensions(&b);
	if (err == 0)
		set_stats(b.table, &b, now_ns() - start_ns);
	free(b.bounds.items);
	vectors_fini(&b.vectors, &b.table->groups, &b.table->pool);
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
