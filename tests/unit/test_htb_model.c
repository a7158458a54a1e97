/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An htb (lib/qos/htb.c) of random classes, with random packets at random times, against a model that is slow and
 * simple: it walks over all classes for each packet, and counts tokens in floating point. Whose turn it is among
 * equals the model does not know; whether a packet may leave, who pays, whether a better one was passed over, and
 * when the next one may go it does.
 */
#include "htb_fixture.h"

#include <math.h>

enum { CLASSES_MAX = 16, QUEUE_MAX = 64, OPS = 15000, LEN_MIN = 60, LEN_MAX = 1514 };

/* A bucket as a number of bytes. */
struct tokens {
	double per_cycle, burst, debt, n;
};

struct model_class {
	int parent; /* -1: none */
	bool is_leaf;
	unsigned int level, prio;
	struct tokens rate, ceil;
	uint64_t n_lended;
	/* Leaves. */
	uint32_t leaf, n;
	uint32_t queue[QUEUE_MAX];
};

static struct model_class model[CLASSES_MAX];
static struct qdisc_class_conf classes[CLASSES_MAX];
static char names[CLASSES_MAX][16];
static unsigned int n_classes;
static uint64_t model_now;
static uint32_t same_len; /* of all packets; 0: they differ */

/* What rounding to cycles may be off by. */
static double slack(const struct tokens *t)
{
	return 0.01 + 4 * t->per_cycle;
}

static bool has(const struct tokens *t, uint32_t len)
{
	return t->n >= len - slack(t);
}

static bool has_surely(const struct tokens *t, uint32_t len)
{
	return t->n >= len + slack(t);
}

/* Cycles until there is enough, a few more rather than less. */
static double cycles_until(const struct tokens *t, uint32_t len)
{
	return has_surely(t, len) ? 0 : (len + slack(t) - t->n) / t->per_cycle;
}

static void model_advance(void)
{
	double dt = (double)(world.now - model_now);

	model_now = world.now;
	for (unsigned int i = 0; i < n_classes; i++) {
		struct model_class *c = &model[i];

		c->rate.n = fmin(c->rate.burst, c->rate.n + dt * c->rate.per_cycle);
		c->ceil.n = fmin(c->ceil.burst, c->ceil.n + dt * c->ceil.per_cycle);
	}
}

static struct tokens tokens_of(uint64_t bps, uint64_t burst)
{
	double cycles = round((double)TSC_HZ * 8 * (1 << RATE_SHIFT) / (double)bps);

	return (struct tokens){
		.per_cycle = (1 << RATE_SHIFT) / cycles,
		.burst = (double)burst,
		.n = (double)burst,
	};
}

/* 64 kbit/s to 1 Gbit/s, each power of two as often as the next. */
static uint64_t random_rate(void)
{
	uint64_t base = 64 * KBIT << random_between(0, 13);

	return base + base * random_between(0, 1000) / 1000;
}

static void random_class(unsigned int i)
{
	uint64_t rate = random_rate();

	snprintf(names[i], sizeof(names[i]), "c%u", i);
	classes[i] = (struct qdisc_class_conf){
		.name = names[i],
		.rate = rate,
		.ceil = rate + rate * random_between(0, 1) * random_between(0, 800) / 100,
		.burst = random_between(LEN_MAX, 20000),
		.cburst = random_between(LEN_MAX, 20000),
		.prio = random_between(0, 3),
		.quantum = random_between(0, 1) * random_between(500, 8000),
	};
	model[i] = (struct model_class){
		.parent = -1,
		.is_leaf = true,
		.prio = (unsigned int)classes[i].prio,
		.level = 7,
		.rate = tokens_of(rate, classes[i].burst),
		.ceil = tokens_of(classes[i].ceil, classes[i].cburst),
	};
	/* Top ones have no more than their rate: otherwise there is another class above them. */
	if (i == 0 || random_between(0, 9) == 0) {
		classes[i].ceil = rate;
		model[i].ceil = tokens_of(rate, classes[i].cburst);
		return;
	}
	model[i].parent = (int)random_between(i > 6 ? i - 6 : 0, i - 1);
	if (model[model[i].parent].level <= 3)
		model[i].parent = 0;
	classes[i].parent = names[model[i].parent];
	model[i].level = model[model[i].parent].level - 1;
	model[model[i].parent].is_leaf = false;
}

static void random_world(uint64_t seed)
{
	world.random = seed * 1000003;
	random_between(0, 1);
	n_classes = random_between(1, CLASSES_MAX);
	for (unsigned int i = 0; i < n_classes; i++) {
		random_class(i);
		for (int up = model[i].parent; up >= 0; up = model[up].parent)
			model[up].rate.debt += model[i].rate.burst;
	}
	world_init(classes, n_classes);
	world.random = seed;
	model_now = world.now;
	for (unsigned int i = 0; i < n_classes; i++) {
		if (!model[i].is_leaf)
			continue;
		model[i].level = 0;
		model[i].leaf = leaf_of(names[i]);
	}
}

/* The level of the nearest that has enough, when no ceil forbids it; -1: none. */
static int level_of(unsigned int i, uint32_t len)
{
	int level = -1;

	for (int c = (int)i; c >= 0; c = model[c].parent) {
		if (!has_surely(&model[c].ceil, len))
			return -1;
		if (level < 0 && has_surely(&model[c].rate, len))
			level = (int)model[c].level;
	}
	return level;
}

/* The lowest key of all that could go, all packets being of one length; INT32_MAX: none could. */
static int best_key_of_same(uint32_t len)
{
	int best = INT32_MAX;

	for (unsigned int i = 0; i < n_classes; i++) {
		int level = model[i].n == 0 ? -1 : level_of(i, len);

		if (level >= 0 && level * 8 + (int)model[i].prio < best)
			best = level * 8 + (int)model[i].prio;
	}
	return best;
}

/* Is there nobody that a leaf that can send by itself might have to wait for? */
static bool is_alone(unsigned int leaf)
{
	for (unsigned int i = 0; i < n_classes; i++)
		if (i != leaf && model[i].n > 0 && model[i].prio <= model[leaf].prio &&
			has(&model[i].rate, model[i].queue[0]))
			return false;
	return true;
}

/* The same with any lengths, where it is sure. */
static int best_key_of_any(void)
{
	for (unsigned int i = 0; i < n_classes; i++)
		if (model[i].n > 0 && level_of(i, model[i].queue[0]) == 0 && is_alone(i))
			return (int)model[i].prio;
	return INT32_MAX;
}

static int best_key(void)
{
	return same_len != 0 ? best_key_of_same(same_len) : best_key_of_any();
}

/* When at the latest one can go, of those of that length. */
static double cycles_until_any(uint32_t len)
{
	double first = INFINITY;

	for (unsigned int i = 0; i < n_classes; i++) {
		double rate = INFINITY, ceil = 0;

		for (int c = (int)i; model[i].n > 0 && c >= 0; c = model[c].parent) {
			rate = fmin(rate, cycles_until(&model[c].rate, len));
			ceil = fmax(ceil, cycles_until(&model[c].ceil, len));
		}
		first = fmin(first, fmax(rate, ceil));
	}
	return first;
}

static uint64_t n_lended(unsigned int i)
{
	struct htb_class_info info;

	htb_class_get(world.tree->root, i, world.now, &info);
	return info.stats.lended;
}

/* Who has paid for the packet that has just left: the level. Everybody on the way had enough; nobody nearer had. */
static int model_charge(unsigned int leaf, uint32_t len)
{
	int level = -1;

	for (int i = (int)leaf; i >= 0; i = model[i].parent) {
		struct model_class *c = &model[i];

		MUST(has(&c->ceil, len));
		c->ceil.n -= len;
		if (level >= 0) {
			c->rate.n = fmax(c->rate.n - len, -c->rate.debt);
		} else if (n_lended((unsigned int)i) == c->n_lended) {
			MUST(!has_surely(&c->rate, len));
		} else {
			MUST(has(&c->rate, len));
			c->rate.n -= len;
			c->n_lended++;
			level = (int)c->level;
		}
	}
	return level;
}

static void check_packet(struct rte_mbuf *m)
{
	int best = best_key();
	unsigned int i = 0;

	while (!model[i].is_leaf || model[i].leaf != qdisc_pkt(m)->leaf)
		i++;
	MUST(model[i].n > 0 && model[i].queue[0] == m->pkt_len);
	memmove(model[i].queue, model[i].queue + 1, --model[i].n * sizeof(model[i].queue[0]));
	MUST(model_charge(i, m->pkt_len) * 8 + (int)model[i].prio <= best);
	free(m);
}

/* Nothing may go. With packets of different lengths a small one may have to wait for a longest one. */
static void check_nothing(void)
{
	uint32_t len = same_len != 0 ? same_len : LEN_MAX;
	double until = cycles_until_any(len);

	MUST(best_key() == INT32_MAX && best_key_of_same(len) == INT32_MAX);
	if (isinf(until)) {
		MUST(world.tree->root->n_packets == 0);
		return;
	}
	MUST((int64_t)(world.tree->root->next_at - world.now) > 0);
	MUST((double)(world.tree->root->next_at - world.now) <= until + 2);
}

/* One packet, or none; a look before tells which. */
static bool step_take(void)
{
	struct qdisc *root = world.tree->root;
	bool looks = random_between(0, 3) == 0;
	const struct rte_mbuf *seen = looks ? qdisc_peek(root, world.now) : NULL;
	struct rte_mbuf *m = qdisc_dequeue(root, world.now);

	model_advance();
	MUST(!looks || seen == m);
	if (m == NULL)
		check_nothing();
	else
		check_packet(m);
	return m != NULL;
}

static void step_put(void)
{
	struct model_class *c = &model[random_between(0, n_classes - 1)];
	uint32_t len = same_len != 0 ? same_len : random_between(LEN_MIN, LEN_MAX);

	if (!c->is_leaf || c->n == QUEUE_MAX)
		return;
	MUST(put(c->leaf, len));
	c->queue[c->n++] = len;
}

/* To just before the time that it told, when nothing may go yet; to it; or by chance. */
static void step_clock(void)
{
	uint64_t left = world.tree->root->next_at - world.now;

	if (random_between(0, 2) == 0 || world.tree->root->n_packets == 0) {
		world.now += random_between(0, 1u << random_between(1, 24));
		return;
	}
	world.now += left - 1;
	MUST(qdisc_dequeue(world.tree->root, world.now) == NULL);
	world.now = world.tree->root->next_at;
}

static void run_random(uint64_t seed, uint32_t len)
{
	uint64_t n_left = 0;

	same_len = len;
	random_world(seed);
	for (unsigned int op = 0; op < OPS; op++) {
		for (uint32_t n = random_between(0, 4); n > 0; n--)
			step_put();
		while (random_between(0, 5) != 0) {
			if (step_take()) {
				n_left++;
			} else {
				step_clock();
				break;
			}
		}
	}
	ck_assert_uint_gt(n_left, OPS / 20);
	world_fini();
}

static const uint32_t lens[] = { 64, 300, 1000, 1514 };

START_TEST(nobody_better_is_passed_over_among_equal_packets)
{
	for (unsigned int i = 0; i < 12; i++)
		run_random(100 * (unsigned int)_i + i, lens[_i]);
}
END_TEST

static const uint64_t mixed[] = { 1000, 2000, 3000, 4000 };

START_TEST(buckets_are_kept_to_with_packets_of_all_lengths)
{
	for (unsigned int i = 0; i < 12; i++)
		run_random(mixed[_i] + i, 0);
}
END_TEST

SUITE_MAIN("htb_model", LOOP_TEST(nobody_better_is_passed_over_among_equal_packets, lens),
	LOOP_TEST(buckets_are_kept_to_with_packets_of_all_lengths, mixed))
