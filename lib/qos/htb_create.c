/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes an htb of its configuration, which has been checked; ends it; and takes over what another one knew. Classes
 * of two htbs are the same when they have the same name. Control thread; adoption is the owner's.
 *
 * What is not configured: ceil is the rate; burst is what the rate gives in 10 ms and a frame of 1600 bytes more (or of
 * what the link's MTU makes it), so that it holds one at any rate and an owner may be late by that time; cburst is so of the ceil;
 * quantum is a tenth (tc's r2q) of the rate in bytes, within 1000 and 200000.
 */
#include "qos/htb_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { DEBT_MAX_S = 60, FRAME_MAX = 65535 };

static uint64_t burst_default(const struct rate *rate, uint32_t frame_len)
{
	return rate->bps / 8 / HTB_BURST_PER_S +
	       rate_bytes(rate, RTE_MAX(frame_len, (uint32_t)HTB_BURST_MIN));
}

static uint32_t quantum_of(const struct qdisc_class_conf *conf)
{
	uint64_t quantum = conf->rate / 8 / HTB_R2Q;

	if (conf->quantum > 0)
		return (uint32_t)RTE_MIN(conf->quantum, INT32_MAX);
	if (quantum < HTB_QUANTUM_MIN)
		return HTB_QUANTUM_MIN;
	return quantum > HTB_QUANTUM_MAX ? HTB_QUANTUM_MAX : (uint32_t)quantum;
}

/* A bucket, and how much it holds: burst bytes, or without a size as tc would compute it. */
static uint64_t class_bucket_init(struct htb *h, const struct qdisc_conf *conf,
	struct htb_bucket *bucket, uint64_t bps, uint64_t burst)
{
	rate_init(&bucket->rate, RTE_MAX(bps, (uint64_t)RATE_BPS_MIN), h->q.tree->tsc_hz);
	bucket->rate.overhead = (int32_t)conf->overhead;
	bucket->rate.mpu = (uint32_t)conf->mpu;
	bucket->rate.is_atm = conf->is_atm;
	if (burst == 0)
		burst = burst_default(&bucket->rate, conf->frame_len);
	bucket_init(&bucket->bucket, &bucket->rate, burst, h->q.tree->made_at);
	return burst;
}

static void class_init(struct htb *h, const struct qdisc_conf *conf,
	const struct qdisc_class_conf *class_conf, struct htb_class *class)
{
	uint64_t ceil = class_conf->ceil != 0 ? class_conf->ceil : class_conf->rate;

	class->burst =
		class_bucket_init(h, conf, &class->rate, class_conf->rate, class_conf->burst);
	class->cburst = class_bucket_init(h, conf, &class->ceil, ceil, class_conf->cburst);
	class->quantum = quantum_of(class_conf);
	class->prio = (uint8_t)class_conf->prio;
	class->is_lending = true;
	class->slot = HTB_NO_SLOT;
	class->name = mem_strdup(class_conf->name);
}

/* Below another class, or on top. */
static void class_attach(struct htb *h, struct htb_class *class, int32_t parent)
{
	class->parent = parent >= 0 ? &h->classes[parent] : h->top;
	class->next_sibling = class->parent->first_child;
	class->parent->first_child = class;
}

static int inner_init(struct htb_class *class)
{
	class->rings = calloc(HTB_KEYS, sizeof(*class->rings));
	class->links = calloc(HTB_KEYS, sizeof(*class->links));
	if (class->rings == NULL || class->links == NULL)
		return -ENOMEM;
	for (unsigned int key = 0; key < HTB_KEYS; key++)
		class->links[key].class = class;
	class->level = HTB_TOP - 1;
	for (struct htb_class *up = class->parent; up->level != HTB_TOP; up = up->parent)
		class->level--;
	return 0;
}

static void leaf_init(struct htb *h, struct htb_class *class)
{
	class->links = class->leaf_links;
	class->links[0].class = class->links[1].class = class;
	class->slot = h->n_slots;
	h->slots[h->n_slots++] = class;
}

static bool frame_can_pass(const struct htb_class *class, uint32_t len)
{
	for (; class->level != HTB_TOP; class = class->parent)
		if (!bucket_holds(&class->rate.bucket, &class->rate.rate, len) ||
			!bucket_holds(&class->ceil.bucket, &class->ceil.rate, len))
			return false;
	return true;
}

/* The longest frame that can pass. A longer one never costs less. */
static uint32_t frame_max(const struct htb_class *class)
{
	uint32_t low = 0, high = FRAME_MAX + 1;

	while (high - low > 1) {
		uint32_t mid = (low + high) / 2;

		if (frame_can_pass(class, mid))
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* How far those above may be used ahead: by all bursts that are below them. */
static void debts_init(struct htb *h)
{
	uint64_t max = DEBT_MAX_S * h->q.tree->tsc_hz;

	for (uint32_t i = 0; i < h->n_classes; i++) {
		struct htb_class *class = &h->classes[i];

		for (struct htb_class *up = class->parent; up->level != HTB_TOP; up = up->parent) {
			struct bucket add;

			bucket_init(&add, &up->rate.rate, class->burst, 0);
			up->debt_max += RTE_MIN(add.depth, max);
			up->debt_max = RTE_MIN(up->debt_max, max);
		}
	}
}

static int by_name_compare(const void *a, const void *b)
{
	const struct htb_class *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/*
 * Top classes that may have more than their rate borrow from one that is above them all and has what they are sure of
 * together: otherwise a ceil above the rate would mean nothing without a class for the whole link.
 */
static void root_init(struct htb *h, const struct qdisc_conf *conf, const int32_t *parents)
{
	struct qdisc_class_conf root = { .name = (char *)(uintptr_t) "" };
	struct htb_class *class = &h->classes[h->n_classes - 1];

	for (uint32_t i = 0; i < conf->classes.n; i++)
		if (parents[i] < 0)
			root.rate += htb_conf_class(conf, i)->rate;
	root.rate = RTE_MIN(root.rate, RATE_BPS_MAX);
	class_init(h, conf, &root, class);
	class_attach(h, class, HTB_NO_PARENT);
	h->by_name[h->n_classes - 1] = class;
}

static int classes_init(struct htb *h, const struct qdisc_conf *conf, int32_t *parents)
{
	int err = 0;

	if (h->has_root)
		root_init(h, conf, parents);
	for (uint32_t i = 0; i < conf->classes.n; i++) {
		if (parents[i] < 0 && h->has_root)
			parents[i] = (int32_t)conf->classes.n;
		class_init(h, conf, htb_conf_class(conf, i), &h->classes[i]);
		class_attach(h, &h->classes[i], parents[i]);
		h->by_name[i] = &h->classes[i];
	}
	qsort(h->by_name, h->n_classes, sizeof(*h->by_name), by_name_compare);
	for (uint32_t i = 0; i < h->n_classes && err == 0; i++) {
		if (h->classes[i].first_child == NULL)
			leaf_init(h, &h->classes[i]);
		else
			err = inner_init(&h->classes[i]);
	}
	for (uint32_t i = 0; i < h->n_slots; i++)
		h->slots[i]->max_len = frame_max(h->slots[i]);
	debts_init(h);
	return err;
}

/* How many classes stand above each other at most. */
static unsigned int conf_depth(const struct qdisc_conf *conf, const int32_t *parents)
{
	unsigned int deepest = 0;

	for (uint32_t i = 0; i < conf->classes.n; i++) {
		unsigned int depth = 1;

		for (int32_t up = parents[i]; up >= 0; up = parents[up])
			depth++;
		deepest = RTE_MAX(deepest, depth);
	}
	return deepest;
}

static bool conf_wants_root(const struct qdisc_conf *conf, const int32_t *parents)
{
	unsigned int n_tops = 0, n_borrowers = 0;

	for (uint32_t i = 0; i < conf->classes.n; i++) {
		n_tops += parents[i] < 0;
		n_borrowers += parents[i] < 0 &&
			       htb_conf_class(conf, i)->ceil > htb_conf_class(conf, i)->rate;
	}
	return n_tops > 1 && n_borrowers > 0 && conf_depth(conf, parents) < HTB_LEVELS;
}

static int arrays_alloc(struct htb *h)
{
	size_t size = (h->n_classes + 1) * sizeof(*h->classes);

	h->heap = calloc(h->n_classes + 1, sizeof(*h->heap));
	h->slots = calloc(h->n_classes + 1, sizeof(*h->slots));
	h->by_name = calloc(h->n_classes + 1, sizeof(*h->by_name));
	h->classes = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (h->heap == NULL || h->slots == NULL || h->by_name == NULL || h->classes == NULL)
		return -ENOMEM;
	memset(h->classes, 0, size);
	h->top = &h->classes[h->n_classes];
	h->top->level = HTB_TOP;
	h->top->is_lending = true;
	h->top->rings = calloc(HTB_KEYS, sizeof(*h->top->rings));
	return h->top->rings == NULL ? -ENOMEM : 0;
}

int htb_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	int32_t *parents = mem_zalloc((conf->classes.n + 1) * sizeof(*parents));
	struct htb *h = htb_of(q);
	int err;

	htb_conf_parents(conf, parents);
	h->has_root = conf_wants_root(conf, parents);
	h->n_classes = conf->classes.n + h->has_root;
	err = arrays_alloc(h);
	if (err == 0)
		err = classes_init(h, conf, parents);
	free(parents);
	if (err < 0) {
		htb_fini(q);
		return err;
	}
	if (h->n_slots < q->n_children)
		h->direct = &q->children[h->n_slots];
	return 0;
}

/* Children do not exist yet when the classes are made: they are found when the first packet comes. */
void htb_fini(struct qdisc *q)
{
	struct htb *h = htb_of(q);

	for (uint32_t i = 0; h->classes != NULL && i <= h->n_classes; i++) {
		struct htb_class *class = &h->classes[i];

		if (class->links != class->leaf_links)
			free(class->links);
		free(class->rings);
		free(class->name);
	}
	free(h->classes);
	free(h->by_name);
	free(h->slots);
	free(h->heap);
}

/* How far it was used stays; more than the new burst a bucket never has, however long ago that was. */
static void bucket_adopt(
	struct bucket *bucket, const struct bucket *old, uint64_t debt_max, uint64_t now)
{
	bool is_too_far = (int64_t)(old->used_to - now - debt_max) > 0;

	bucket->used_to = is_too_far ? now + debt_max : old->used_to;
	bucket->frac = 0;
}

static void class_adopt(struct htb_class *class, const struct htb_class *old, uint64_t now)
{
	bucket_adopt(&class->rate.bucket, &old->rate.bucket, class->debt_max, now);
	bucket_adopt(&class->ceil.bucket, &old->ceil.bucket, 0, now);
	class->stats = old->stats;
}

/* Both lists of names are sorted: one walk along them. Nothing that waits goes over. */
bool htb_adopt(struct qdisc *q, struct qdisc *old, uint64_t now)
{
	struct htb *h = htb_of(q), *from = htb_of(old);

	for (uint32_t i = 0, k = 0; i < h->n_classes && k < from->n_classes;) {
		int order = strcmp(h->by_name[i]->name, from->by_name[k]->name);

		if (order == 0)
			class_adopt(h->by_name[i], from->by_name[k], now);
		i += order <= 0;
		k += order >= 0;
	}
	return false;
}
