/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * htb, the hierarchical token bucket: classes that are sure of a rate each, and lend each other what they do not use,
 * up to a ceil. As users know it from tc-htb(8). This file chooses packets, for the owner; htb_ring.c knows whose turn
 * it is, htb_wait.c who waits for a time, htb_create.c makes it.
 *
 * The model. Every class has two buckets, of its rate and of its ceil.
 * - A leaf whose rate bucket has enough for its next packet sends by itself. Otherwise it borrows from the nearest
 *   class above that has enough. Who pays is the lender; those between are asked nothing but their ceil.
 * - The ceil buckets of the leaf and of all above it must have enough in any case, and all of them pay. So in no span
 *   of time does more than cburst + ceil * time leave a class, leaf or not. Linux lets buckets go below zero by
 *   one packet, and does not ask the ceil of those above the lender.
 * - The rate bucket of the lender (of a leaf that sends by itself: its own) has enough and pays: no class pays for
 *   more than burst + rate * time. Rate buckets above it pay too, whether they have it or not: what children are sure
 *   of is theirs even when their parent has lent it out. Such a debt is at most what bursts below can amount to, as
 *   long as rates of children sum up to no more than their parent's; more than that is forgiven.
 * - A leaf that borrows does not pay with its own rate bucket, which fills meanwhile.
 * - Top classes of which one has a ceil above its rate stand below one more class, which nobody sees: its rate is the sum
 *   of theirs. In Linux they borrow from nobody, and such a ceil means nothing.
 *
 * The order. What may be sent has a key, level * 8 + prio: the lender's level (a leaf's own is 0, a top class's 7, one
 * less for each step down) and the leaf's prio; the lowest goes first. For each key that an inner class can reach by
 * its children it has a ring of them, and a bit in its mask. A child is in the parent's ring for
 * - every key of a level below its own: packets that need no more than a ceil of it;
 * - those of its own level, while it lends;
 * - those of the parent's level, in place of its own: its children, or the leaf itself, as borrowers. They stay there
 *   while they have a better key, which is chosen first: they keep their turn.
 * So the best of all is found from the top down by one bit search, and a ring for each step.
 *
 * Whether buckets have enough depends on the packet, so it is asked when its turn comes. A class that has not waits
 * for the exact time: a leaf leaves its rings (of the rate: that of level 0); an inner class that has not enough to
 * lend takes back its own level; one whose ceil forbids the packet leaves all rings, with what is below it. Nobody
 * of a worse key sends in its place with a smaller packet: that would starve large ones. When another packet becomes
 * the first of those that it waits for, it is asked again.
 *
 * For each packet that is a step for each level down and up, and O(log n) in the heap for each class that waits. Packets
 * that overtake others within a child (a prio below) are found when that child's turn comes, or at once if those others
 * may not go yet (a tbf below that).
 */
#include "qos/htb_priv.h"

/* What is to be sent next, and the level of who pays. */
struct pick {
	struct htb_class *leaf;
	const struct rte_mbuf *m;
	unsigned int level;
};

/* All keys that a leaf can have. */
static inline uint64_t leaf_keys(const struct htb_class *leaf)
{
	uint64_t own = UINT64_C(1) << htb_key(0, leaf->prio);

	return leaf->parent->level == HTB_TOP
		       ? own
		       : own | UINT64_C(1) << htb_key(leaf->parent->level, leaf->prio);
}

static void leaf_set(struct htb *h, struct htb_class *leaf, uint64_t keys)
{
	leaf->mask = keys;
	htb_class_update(h, leaf);
}

/* It can neither send nor borrow until then. */
static void leaf_stop(struct htb *h, struct htb_class *leaf, uint64_t until)
{
	htb_wait_until(h, leaf, until);
	leaf_set(h, leaf, 0);
}

/* Nothing that it could send now. */
static void leaf_idle(struct htb *h, struct htb_class *leaf, uint64_t now)
{
	uint64_t at = leaf->child->next_at;

	leaf->is_waiting = leaf->child->n_packets > 0;
	if (leaf->is_waiting) {
		leaf_stop(h, leaf, (int64_t)(at - now) > 0 ? at : now + 1);
		return;
	}
	htb_wait_cancel(h, leaf);
	leaf_set(h, leaf, 0);
}

/* Where its next packet puts it. */
static void leaf_judge(struct htb *h, struct htb_class *leaf, uint64_t now)
{
	const struct rte_mbuf *m = qdisc_peek(leaf->child, now);
	uint64_t rate_at, ceil_at, keys = leaf_keys(leaf);

	htb_wake_above(h, leaf, leaf);
	if (m == NULL) {
		leaf_idle(h, leaf, now);
		return;
	}
	leaf->is_waiting = false;
	rate_at = htb_bucket_ready_at(&leaf->rate, m->pkt_len);
	ceil_at = htb_bucket_ready_at(&leaf->ceil, m->pkt_len);
	if ((int64_t)(ceil_at - now) > 0) {
		leaf->stats.overlimits++;
		leaf_stop(h, leaf, ceil_at);
	} else if ((int64_t)(rate_at - now) > 0) {
		keys &= ~htb_level_mask(0);
		leaf->stats.overlimits += keys == 0;
		htb_wait_until(h, leaf, rate_at);
		leaf_set(h, leaf, keys);
	} else {
		htb_wait_cancel(h, leaf);
		leaf_set(h, leaf, keys);
	}
}

/* An inner class has not enough for that leaf's packet. */
static void inner_wait(struct htb *h, struct htb_class *class, const struct htb_bucket *bucket,
	const struct pick *pick)
{
	if (bucket == &class->ceil) {
		class->is_blocked = true;
		class->is_lending = true;
		class->stats.overlimits++;
		htb_wake_above(h, class, pick->leaf);
	} else {
		class->is_lending = false;
	}
	class->waits_for = pick->leaf;
	htb_wait_until(h, class, htb_bucket_ready_at(bucket, pick->m->pkt_len));
	htb_class_update(h, class);
}

/* May it go? If not, then who forbids it waits, so that it is not chosen again. */
static bool pick_is_allowed(struct htb *h, const struct pick *pick, uint64_t now)
{
	uint32_t len = pick->m->pkt_len;

	for (struct htb_class *class = pick->leaf; class->level != HTB_TOP; class = class->parent) {
		const struct htb_bucket *lack = NULL;

		if (class->level == pick->level && !htb_bucket_is_ready(&class->rate, len, now))
			lack = &class->rate;
		else if (!htb_bucket_is_ready(&class->ceil, len, now))
			lack = &class->ceil;
		if (likely(lack == NULL))
			continue;
		if (class == pick->leaf)
			leaf_judge(h, class, now);
		else
			inner_wait(h, class, lack, pick);
		return false;
	}
	return true;
}

/* The leaf with the best key, whose turn it is everywhere on the way. There is one. */
static struct htb_class *find_best(struct htb *h, unsigned int *level)
{
	unsigned int key = (unsigned int)__builtin_ctzll(h->top->mask);
	struct htb_class *class = htb_ring_turn(h->top, key);

	*level = htb_key_level(key);
	while (class->rings != NULL) {
		key = htb_key_below(class, key);
		class = htb_ring_turn(class, key);
	}
	return class;
}

/* Those whose time has come. */
static void waits_end(struct htb *h, uint64_t now)
{
	while (h->n_heap > 0 && (int64_t)(now - h->heap[1].at) >= 0) {
		struct htb_class *class = h->heap[1].class;

		htb_class_wake(h, class);
		if (class->rings == NULL)
			class->mask = leaf_keys(class);
		htb_class_update(h, class);
	}
}

/* What goes next. The same at the same time, when asked again. */
static bool pick_next(struct htb *h, uint64_t now, struct pick *pick)
{
	waits_end(h, now);
	while (h->top->mask != 0) {
		pick->leaf = find_best(h, &pick->level);
		pick->m = qdisc_peek(pick->leaf->child, now);
		if (unlikely(pick->m == NULL))
			leaf_judge(h, pick->leaf, now);
		else if (pick_is_allowed(h, pick, now))
			return true;
	}
	if (h->n_heap > 0)
		h->q.next_at = h->heap[1].at;
	return false;
}

/* Takes from a rate that others have used, too. */
static inline void debt_take(struct htb_class *class, uint32_t len, uint64_t now)
{
	struct bucket *bucket = &class->rate.bucket;

	bucket_take(bucket, &class->rate.rate, len, now);
	if ((int64_t)(bucket->used_to - now - class->debt_max) > 0) {
		bucket->used_to = now + class->debt_max;
		bucket->frac = 0;
	}
}

/* All that a packet costs, on its way up. */
static void charge(const struct pick *pick, uint32_t len, uint64_t now)
{
	unsigned int prio = pick->leaf->prio;

	for (struct htb_class *class = pick->leaf; class->level != HTB_TOP; class = class->parent) {
		bool is_borrower = class->level < pick->level;
		unsigned int level = is_borrower ? class->parent->level : pick->level;

		htb_link_of(class, htb_key(level, prio))->deficit -= len;
		bucket_take(&class->ceil.bucket, &class->ceil.rate, len, now);
		if (class->level > pick->level)
			debt_take(class, len, now);
		else if (!is_borrower)
			bucket_take(&class->rate.bucket, &class->rate.rate, len, now);
		class->stats.borrowed += is_borrower;
		class->stats.lended += class->level == pick->level;
		class->stats.bytes += len;
		class->stats.packets++;
	}
}

/* Counts the times that it has to wait, however often it is asked meanwhile. */
static void count_wait(struct htb *h)
{
	if (h->q.n_packets == 0 || h->told_at == h->q.next_at)
		return;
	h->told_at = h->q.next_at;
	h->q.stats.overlimits++;
}

static struct rte_mbuf *htb_dequeue(struct qdisc *q, uint64_t now)
{
	struct htb *h = htb_of(q);
	struct rte_mbuf *m;
	struct pick pick;

	if (h->direct != NULL && (*h->direct)->n_packets > 0)
		return qdisc_dequeue(*h->direct, now);
	if (!pick_next(h, now, &pick)) {
		count_wait(h);
		return NULL;
	}
	m = qdisc_dequeue(pick.leaf->child, now);
	charge(&pick, m->pkt_len, now);
	leaf_judge(h, pick.leaf, now);
	return m;
}

static const struct rte_mbuf *htb_peek(struct qdisc *q, uint64_t now)
{
	struct htb *h = htb_of(q);
	struct pick pick;

	if (h->direct != NULL && (*h->direct)->n_packets > 0)
		return qdisc_peek(*h->direct, now);
	return pick_next(h, now, &pick) ? pick.m : NULL;
}

/* There are others, which have to wait in the child: it would be asked when their time has come. */
static void leaf_ask_again(struct htb *h, struct htb_class *leaf)
{
	if (!leaf->is_waiting)
		return;
	leaf->is_waiting = false;
	htb_wait_cancel(h, leaf);
	leaf_set(h, leaf, leaf_keys(leaf));
}

/* It may have been in rings before: what it had then was dropped, which nobody told. */
static void htb_filled(struct qdisc *q, uint32_t slot, uint64_t now)
{
	struct htb *h = htb_of(q);
	struct htb_class *leaf;

	(void)now;
	if (slot >= h->n_slots)
		return;
	leaf = h->slots[slot];
	if (leaf->child != NULL && leaf->child->n_packets > 1) {
		leaf_ask_again(h, leaf);
		return;
	}
	leaf->child = q->children[slot];
	leaf->leaf_links[0].deficit = leaf->leaf_links[1].deficit = leaf->quantum;
	htb_wait_cancel(h, leaf);
	leaf_set(h, leaf, leaf_keys(leaf));
}

static bool htb_can_pass(const struct qdisc *q, uint32_t slot, uint32_t len)
{
	const struct htb *h = htb_of_const(q);

	return slot >= h->n_slots || len <= h->slots[slot]->max_len;
}

const struct qdisc_ops htb_ops = {
	.name = "htb",
	.kind = QDISC_HTB,
	.size = sizeof(struct htb),
	.n_slots = htb_conf_n_slots,
	.slot_conf = htb_conf_slot,
	.slot_name = htb_conf_slot_name,
	.init = htb_init,
	.fini = htb_fini,
	.can_pass = htb_can_pass,
	.filled = htb_filled,
	.dequeue = htb_dequeue,
	.peek = htb_peek,
	.adopt = htb_adopt,
};
