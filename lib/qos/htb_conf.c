/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the classes of an htb's configuration are to each other. Leaves, those that no class has for its parent, have
 * the slots, in their order; behind them is one more for what no filter names, unless there is a default class. Which
 * class has a slot is asked for each of many thousands: it is found for all at once, and noted in the configuration.
 * Control thread.
 */
#include "qos/htb_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct named {
	const char *name;
	uint32_t i;
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->i > y->i) - (x->i < y->i);
}

/* The first of that name. */
static int32_t named_find(const struct named *names, uint32_t n, const char *name)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (strcmp(names[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && strcmp(names[low].name, name) == 0 ? (int32_t)names[low].i
							     : HTB_UNKNOWN_PARENT;
}

static struct named *names_sorted(const struct qdisc_conf *conf)
{
	uint32_t n = conf->classes.n;
	struct named *names = mem_zalloc((n + 1) * sizeof(*names));

	for (uint32_t i = 0; i < n; i++)
		names[i] = (struct named){ .name = htb_conf_class(conf, i)->name, .i = i };
	qsort(names, n, sizeof(*names), named_compare);
	return names;
}

void htb_conf_parents(const struct qdisc_conf *conf, int32_t *parents)
{
	struct named *names = names_sorted(conf);

	for (uint32_t i = 0; i < conf->classes.n; i++) {
		const char *parent = htb_conf_class(conf, i)->parent;

		parents[i] =
			parent == NULL ? HTB_NO_PARENT : named_find(names, conf->classes.n, parent);
	}
	free(names);
}

void htb_conf_firsts(const struct qdisc_conf *conf, int32_t *firsts)
{
	struct named *names = names_sorted(conf);

	for (uint32_t i = 0; i < conf->classes.n; i++)
		firsts[i] = named_find(names, conf->classes.n, htb_conf_class(conf, i)->name);
	free(names);
}

/* Notes which class has which slot; how many have. */
static uint32_t slots_assign(const struct qdisc_conf *conf)
{
	struct qdisc_class_conf *classes = conf->classes.items;
	uint32_t n = conf->classes.n, n_leaves = 0;
	int32_t *parents = mem_zalloc((n + 1) * sizeof(*parents));
	bool *is_inner = mem_zalloc((n + 1) * sizeof(*is_inner));

	htb_conf_parents(conf, parents);
	for (uint32_t i = 0; i < n; i++)
		if (parents[i] >= 0)
			is_inner[parents[i]] = true;
	for (uint32_t i = 0; i < n; i++)
		if (!is_inner[i])
			classes[n_leaves++].slot_class = i + 1;
	for (uint32_t i = n_leaves; i < n; i++)
		classes[i].slot_class = 0;
	free(is_inner);
	free(parents);
	return n_leaves;
}

uint32_t htb_conf_n_slots(const struct qdisc_conf *conf)
{
	return slots_assign(conf) + (conf->default_class == NULL);
}

/* NULL: no class has that slot. */
static const struct qdisc_class_conf *slot_class(const struct qdisc_conf *conf, uint32_t slot)
{
	if (conf->classes.n > 0 && htb_conf_class(conf, 0)->slot_class == 0)
		slots_assign(conf);
	if (slot >= conf->classes.n || htb_conf_class(conf, slot)->slot_class == 0)
		return NULL;
	return htb_conf_class(conf, htb_conf_class(conf, slot)->slot_class - 1);
}

const struct qdisc_conf *htb_conf_slot(const struct qdisc_conf *conf, uint32_t slot)
{
	const struct qdisc_class_conf *class = slot_class(conf, slot);

	return class == NULL || class->child.n == 0 ? NULL : class->child.items;
}

const char *htb_conf_slot_name(const struct qdisc_conf *conf, uint32_t slot)
{
	const struct qdisc_class_conf *class = slot_class(conf, slot);

	return class == NULL ? "direct" : class->name;
}
