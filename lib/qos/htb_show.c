/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What an htb tells of its classes. Control thread, beside the owner, which writes what is read here: words that are
 * read whole, of which one may be a packet newer than the other.
 */
#include "qos/htb_priv.h"

uint32_t htb_n_classes(const struct qdisc *q)
{
	return htb_of_const(q)->n_classes - htb_of_const(q)->has_root;
}

/* What a class could send at once, in bytes. */
static int64_t bucket_tokens(const struct htb_bucket *b, uint64_t now)
{
	int64_t cycles = (int64_t)(now - __atomic_load_n(&b->bucket.used_to, __ATOMIC_RELAXED));
	__int128 scaled = (__int128)RTE_MIN(cycles, (int64_t)b->bucket.depth) * (1 << RATE_SHIFT);

	return (int64_t)(scaled / (__int128)b->rate.per_byte);
}

/* Those of all queues below it. */
static void queues_sum(
	const struct qdisc *q, const struct htb_class *class, struct htb_class_stats *stats)
{
	if (class->slot != HTB_NO_SLOT) {
		const struct qdisc *child = q->children[class->slot];

		stats->drops += __atomic_load_n(&child->stats.drops, __ATOMIC_RELAXED);
		stats->backlog += __atomic_load_n(&child->n_bytes, __ATOMIC_RELAXED);
		stats->qlen += __atomic_load_n(&child->n_packets, __ATOMIC_RELAXED);
	}
	for (class = class->first_child; class != NULL; class = class->next_sibling)
		queues_sum(q, class, stats);
}

void htb_class_get(const struct qdisc *q, uint32_t i, uint64_t now, struct htb_class_info *info)
{
	const struct htb_class *class = &htb_of_const(q)->classes[i];

	*info = (struct htb_class_info){
		.name = class->name,
		.parent = class->parent->name != NULL && *class->parent->name != '\0'
				  ? class->parent->name
				  : NULL,
		.prio = class->prio,
		.level = class->level,
		.rate = class->rate.rate.bps,
		.ceil = class->ceil.rate.bps,
		.burst = class->burst,
		.cburst = class->cburst,
		.quantum = class->quantum,
		.slot = class->slot,
		.stats = {
			.bytes = __atomic_load_n(&class->stats.bytes, __ATOMIC_RELAXED),
			.packets = __atomic_load_n(&class->stats.packets, __ATOMIC_RELAXED),
			.overlimits = __atomic_load_n(&class->stats.overlimits, __ATOMIC_RELAXED),
			.lended = __atomic_load_n(&class->stats.lended, __ATOMIC_RELAXED),
			.borrowed = __atomic_load_n(&class->stats.borrowed, __ATOMIC_RELAXED),
			.tokens = bucket_tokens(&class->rate, now),
			.ctokens = bucket_tokens(&class->ceil, now),
		},
	};
	queues_sum(q, class, &info->stats);
}
