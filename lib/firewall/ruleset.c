/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * All rules of a namespace, compiled, with their counters. Built by any single thread, published and
 * retired by the control thread, read by workers.
 *
 * A rule with a name keeps its counters when the rules change, and so does one without whose text stays
 * the same, a policy, too. No count is lost on the way: until the grace period is over workers may still
 * count in the old ruleset, so the sum of a rule is what it has itself and what the one that it goes on
 * from has. Then the old one's counts are added to the new one's base. To set counters to zero the base
 * is made minus what they have counted: nobody but the worker writes them.
 *
 * Names of links are looked up here, once. When links come or go the same rules are compiled anew
 * (firewall_load.c); until then what passes by a link that is not in known_links is dropped by name.
 */
#include "firewall/firewall_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Making */

static void hook_free(struct ruleset_hook *hook)
{
	match_table_free(hook->tables[0]);
	match_table_free(hook->tables[1]);
	free(hook->rules);
}

static void texts_free(char **texts, unsigned int n)
{
	for (unsigned int i = 0; texts != NULL && i < n; i++)
		free(texts[i]);
	free(texts);
}

static void ruleset_free(struct ruleset *ruleset)
{
	for (unsigned int i = 0; i < HOOK_N; i++)
		hook_free(&ruleset->hooks[i]);
	for (unsigned int i = 0; i < ruleset->n_workers; i++)
		free(ruleset->counters[i]);
	texts_free(ruleset->specs, ruleset->n_slots);
	texts_free(ruleset->keys, ruleset->n_slots);
	free(ruleset->policers);
	free(ruleset->sites);
	free(ruleset->base);
	free(ruleset->from);
	free(ruleset->known);
	ruleset_origin_put(ruleset->origin);
	free(ruleset);
}

/* Zeroed memory of whole cache lines: what workers write shares none. NULL: there is none. */
static void *lines_alloc(size_t n, size_t size)
{
	size_t len = RTE_ALIGN_CEIL(n * size + 1, (size_t)RTE_CACHE_LINE_SIZE);
	void *lines = aligned_alloc(RTE_CACHE_LINE_SIZE, len);

	if (lines != NULL)
		memset(lines, 0, len);
	return lines;
}

/* One for each limit, each log and each rate. */
static unsigned int count_buckets(const struct firewall_conf *conf)
{
	unsigned int n = 0;

	for (enum firewall_hook hook = 0; hook < HOOK_N; hook++)
		for (unsigned int i = 0; i < conf->hooks[hook].rules.n; i++) {
			const struct rule_conf *rule = firewall_conf_rule(conf, hook, i);

			n += (rule->limit != NULL) + (rule->log != NULL) + (rule->rate != 0);
		}
	return n;
}

static bool asks_for_links(const struct firewall_conf *conf)
{
	for (enum firewall_hook hook = 0; hook < HOOK_N; hook++)
		for (unsigned int i = 0; i < conf->hooks[hook].rules.n; i++)
			if (match_asks_for_links(&firewall_conf_rule(conf, hook, i)->match))
				return true;
	return false;
}

struct ruleset_origin *ruleset_origin_create(const struct firewall_conf *conf, const char *file,
	void *own, const struct object *own_object)
{
	struct ruleset_origin *origin = mem_zalloc(sizeof(*origin));

	*origin = (struct ruleset_origin){
		.n_refs = 1,
		.conf = conf,
		.asks_for_links = asks_for_links(conf),
		.buckets = lines_alloc(count_buckets(conf), sizeof(*origin->buckets)),
		.own = own,
		.own_object = own_object,
		.file = mem_strdup(file),
	};
	if (origin->buckets != NULL)
		return origin;
	ruleset_origin_put(origin);
	return NULL;
}

struct ruleset_origin *ruleset_origin_get(struct ruleset_origin *origin)
{
	origin->n_refs++;
	return origin;
}

void ruleset_origin_put(struct ruleset_origin *origin)
{
	if (origin == NULL || --origin->n_refs > 0)
		return;
	if (origin->own != NULL)
		schema_free(origin->own_object, origin->own);
	free(origin->buckets);
	free(origin->file);
	free(origin);
}

static int ruleset_alloc(const struct ruleset_source *source, struct ruleset *ruleset)
{
	for (enum firewall_hook hook = 0; hook < HOOK_N; hook++) {
		struct ruleset_hook *h = &ruleset->hooks[hook];

		h->n = source->origin->conf->hooks[hook].rules.n;
		h->policy = (uint8_t)source->origin->conf->hooks[hook].policy;
		h->first_slot = ruleset->n_slots;
		ruleset->n_slots += h->n + 1;
		h->rules = calloc(h->n + 1, sizeof(*h->rules));
		if (h->rules == NULL)
			return -ENOMEM;
	}
	for (unsigned int i = 0; i < ruleset->n_workers; i++) {
		ruleset->counters[i] = lines_alloc(ruleset->n_slots, sizeof(struct rule_counter));
		if (ruleset->counters[i] == NULL)
			return -ENOMEM;
	}
	ruleset->policers =
		calloc(count_buckets(source->origin->conf) + 1, sizeof(*ruleset->policers));
	ruleset->specs = calloc(ruleset->n_slots, sizeof(*ruleset->specs));
	ruleset->keys = calloc(ruleset->n_slots, sizeof(*ruleset->keys));
	ruleset->sites = calloc(ruleset->n_slots, sizeof(*ruleset->sites));
	ruleset->base = calloc(ruleset->n_slots, sizeof(*ruleset->base));
	return ruleset->policers == NULL || ruleset->specs == NULL || ruleset->keys == NULL ||
			       ruleset->sites == NULL || ruleset->base == NULL
		       ? -ENOMEM
		       : 0;
}

static const char *text_of(const char *text)
{
	return text != NULL ? text : "";
}

/* What a rule is known by: its name, else all that it says. */
static char *rule_key(const struct rule_conf *conf, enum firewall_hook hook, const char *spec)
{
	if (conf->name != NULL)
		return mem_printf("%u name %s", hook, conf->name);
	return mem_printf("%u rule %s limit %s rate %" PRIu64 " log %s action %d to %s", hook, spec,
		text_of(conf->limit), conf->rate, text_of(conf->log), conf->action,
		text_of(conf->to));
}

static void rule_finish(const struct ruleset_source *source, const struct rule_conf *conf,
	struct ruleset *ruleset, struct rule *rule, struct limit_bucket **next_bucket)
{
	if (conf->rate != 0) {
		rule->policer = (uint16_t)++ruleset->n_policers;
		ruleset->policers[rule->policer] = (struct policer){
			.limit = limit_bytes(conf->rate, source->tsc_hz),
			.bucket = (*next_bucket)++,
		};
	}
	if (conf->limit != NULL) {
		(void)limit_parse(conf->limit, source->tsc_hz, &rule->limit);
		rule->limit_bucket = (*next_bucket)++;
	}
	if (conf->log != NULL && strcmp(conf->log, "false") != 0)
		rule->log_bucket = (*next_bucket)++;
}

static void specs_free(struct match_spec *specs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		match_spec_fini(&specs[i]);
	free(specs);
}

static int hook_compile(const struct ruleset_source *source, struct ruleset_hook *hook,
	const struct match_spec *specs)
{
	const struct match_spec **list = mem_zalloc((hook->n + 1) * sizeof(*list));
	int err = 0;

	for (unsigned int i = 0; i < hook->n; i++)
		list[i] = &specs[i];
	for (unsigned int i = 0; i < RTE_DIM(hook->tables) && err == 0 && hook->n > 0; i++)
		err = match_compile(list, hook->n, i == 0 ? AF_INET : AF_INET6,
			&source->known->names, &hook->tables[i]);
	free(list);
	return err;
}

static int hook_build(const struct ruleset_source *source, enum firewall_hook hook,
	struct ruleset *ruleset, struct limit_bucket **next_bucket)
{
	struct ruleset_hook *h = &ruleset->hooks[hook];
	struct match_spec *specs = mem_zalloc((h->n + 1) * sizeof(*specs));
	struct match_source match = { .path = "" };
	struct diag diag;
	int err = 0;

	diag_init(&diag, NULL);
	match.diag = &diag;
	for (unsigned int i = 0; i < h->n && err == 0; i++) {
		const struct rule_conf *conf = firewall_conf_rule(source->origin->conf, hook, i);
		uint32_t slot = h->first_slot + i;

		/* It has been checked; all that is left is to fail for want of memory. */
		err = firewall_rule_make(conf, hook, i, &match, &h->rules[i], &specs[i]);
		if (err < 0)
			break;
		rule_finish(source, conf, ruleset, &h->rules[i], next_bucket);
		ruleset->specs[slot] = mem_strdup(specs[i].text);
		ruleset->keys[slot] = rule_key(conf, hook, ruleset->specs[slot]);
	}
	ruleset->keys[h->first_slot + h->n] = mem_printf("%u policy", hook);
	if (err == 0)
		err = hook_compile(source, h, specs);
	specs_free(specs, h->n);
	diag_fini(&diag);
	return err;
}

/* Which counters go on */

struct keyed {
	const char *key;
	uint32_t slot;
};

static int keyed_compare(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->slot > y->slot) - (x->slot < y->slot);
}

static struct keyed *keyed_make(const struct ruleset *ruleset)
{
	struct keyed *keyed = mem_zalloc((ruleset->n_slots + 1) * sizeof(*keyed));

	for (uint32_t i = 0; i < ruleset->n_slots; i++)
		keyed[i] = (struct keyed){ .key = ruleset->keys[i], .slot = i };
	qsort(keyed, ruleset->n_slots, sizeof(*keyed), keyed_compare);
	return keyed;
}

/* Of several rules with the same text the first goes on from the first, and so on. */
static void ruleset_match(struct ruleset *ruleset, const struct ruleset *previous)
{
	struct keyed *now = keyed_make(ruleset), *before = keyed_make(previous);
	uint32_t k = 0;

	ruleset->from = mem_zalloc((ruleset->n_slots + 1) * sizeof(*ruleset->from));
	for (uint32_t i = 0; i < ruleset->n_slots; i++) {
		int order = 1;

		while (k < previous->n_slots && (order = strcmp(before[k].key, now[i].key)) < 0)
			k++;
		ruleset->from[now[i].slot] =
			k < previous->n_slots && order == 0 ? before[k++].slot : RULESET_NO_SLOT;
	}
	free(now);
	free(before);
}

int ruleset_build(const struct ruleset_source *source, struct ruleset **out)
{
	struct ruleset *ruleset = mem_zalloc(sizeof(*ruleset));
	struct limit_bucket *next_bucket;
	int err;

	ruleset->n_refs = 1;
	ruleset->n_workers = source->n_workers;
	ruleset->generation = source->generation;
	ruleset->asks_for_links = source->origin->asks_for_links;
	ruleset->log_limit =
		limit_per_second(FIREWALL_LOGS_PER_SECOND, FIREWALL_LOGS_BURST, source->tsc_hz);
	err = ruleset_alloc(source, ruleset);
	next_bucket = source->origin->buckets;
	for (enum firewall_hook hook = 0; hook < HOOK_N && err == 0; hook++)
		err = hook_build(source, hook, ruleset, &next_bucket);
	if (err < 0) {
		ruleset_free(ruleset);
		return err;
	}
	if (source->previous != NULL)
		ruleset_match(ruleset, source->previous);
	ruleset->origin = source->origin;
	ruleset->known = source->known;
	*out = ruleset;
	return 0;
}

bool ruleset_is_empty(const struct ruleset *ruleset)
{
	for (unsigned int i = 0; i < HOOK_N; i++)
		if (ruleset->hooks[i].n > 0 || ruleset->hooks[i].policy != ACTION_ACCEPT)
			return false;
	return true;
}

/* Life */

void ruleset_get(struct ruleset *ruleset)
{
	ruleset->n_refs++;
}

void ruleset_put(struct ruleset *ruleset)
{
	if (--ruleset->n_refs == 0)
		ruleset_free(ruleset);
}

void ruleset_succeed(struct ruleset *ruleset, struct ruleset *previous)
{
	ruleset->previous = previous;
	previous->successor = ruleset;
}

void ruleset_retired(void *ptr, uint64_t arg)
{
	struct ruleset *ruleset = ptr, *successor = ruleset->successor;

	if (successor != NULL) {
		for (uint32_t i = 0; i < successor->n_slots; i++) {
			struct rule_counter last = { 0 };

			if (successor->from[i] != RULESET_NO_SLOT)
				last = ruleset_count(ruleset, successor->from[i]);
			successor->base[i].packets += last.packets;
			successor->base[i].bytes += last.bytes;
		}
		successor->previous = NULL;
	}
	ruleset_put(ruleset);
}

/* Counters */

struct rule_counter ruleset_count(const struct ruleset *ruleset, uint32_t slot)
{
	struct rule_counter sum = { 0 };

	for (; ruleset != NULL && slot != RULESET_NO_SLOT; ruleset = ruleset->previous) {
		sum.packets += ruleset->base[slot].packets;
		sum.bytes += ruleset->base[slot].bytes;
		for (unsigned int i = 0; i < ruleset->n_workers; i++) {
			const struct rule_counter *counter = &ruleset->counters[i][slot];

			sum.packets += __atomic_load_n(&counter->packets, __ATOMIC_RELAXED);
			sum.bytes += __atomic_load_n(&counter->bytes, __ATOMIC_RELAXED);
		}
		if (ruleset->previous != NULL)
			slot = ruleset->from[slot];
	}
	return sum;
}

void ruleset_reset(struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->n_slots; i++) {
		struct rule_counter sum = ruleset_count(ruleset, i);

		ruleset->base[i].packets -= sum.packets;
		ruleset->base[i].bytes -= sum.bytes;
	}
}
