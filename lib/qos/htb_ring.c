/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rings of an htb: for each class, who of its children has something to send under which key, and whose turn it is.
 * See htb.c for what keys are. Owner only.
 *
 * Turns are those of deficit round robin. A leaf weighs its quantum, an inner class what those weigh together that
 * have something in the ring below it; so all leaves that borrow from one class share it by their quanta, no
 * matter how deep they are. Sums are kept up as links come and go.
 *
 * A turn may have to be skipped, when the quantum is less than the packet that was sent before. So that the work is
 * bounded, whoever is found after HTB_SKIPS_MAX of them sends without; it is a debt, and evens out.
 */
#include "qos/htb_priv.h"

enum { HTB_SKIPS_MAX = 32 };

static inline int64_t link_weight(const struct htb_link *link, unsigned int key)
{
	const struct htb_class *class = link->class;

	return class->rings == NULL ? class->quantum
				    : class->rings[htb_key_below(class, key)].weight;
}

/*
 * Whoever's turn it is in that ring, which is not empty. Asked again, it is the same one. What an inner class may yet
 * send is no more than what those below it weigh now: others of them may have gone since its turn began.
 */
struct htb_class *htb_ring_turn(struct htb_class *class, unsigned int key)
{
	struct htb_ring *ring = &class->rings[key];
	struct htb_link *link = ring->cur;
	int64_t weight = link_weight(link, key);

	for (unsigned int i = 0; link->deficit <= 0 && i < HTB_SKIPS_MAX; i++) {
		link->deficit += weight;
		link = link->next;
		weight = link_weight(link, key);
	}
	if (unlikely(link->deficit > weight))
		link->deficit = weight;
	ring->cur = link;
	return link->class;
}

/* A ring weighs more; so do those above that it is offered in. */
static void ring_weigh(struct htb_class *class, unsigned int key, int64_t more)
{
	class->rings[key].weight += more;
	if (class->linked >> key & 1)
		ring_weigh(class->parent, key, more);
	if (htb_key_level(key) == class->level && key + HTB_PRIOS < HTB_KEYS &&
		(class->linked >> (key + HTB_PRIOS) & 1))
		ring_weigh(class->parent, key + HTB_PRIOS, more);
}

/* Behind all others. */
static void ring_add(struct htb_class *class, unsigned int key, struct htb_link *link)
{
	struct htb_ring *ring = &class->rings[key];

	if (ring->cur == NULL) {
		ring->cur = link->next = link->prev = link;
		class->mask |= UINT64_C(1) << key;
	} else {
		link->next = ring->cur;
		link->prev = ring->cur->prev;
		link->prev->next = link->next->prev = link;
	}
	ring_weigh(class, key, link_weight(link, key));
}

/* It keeps its deficit: it may be back soon. */
static void ring_del(struct htb_class *class, unsigned int key, struct htb_link *link)
{
	struct htb_ring *ring = &class->rings[key];

	if (link->next == link) {
		ring->cur = NULL;
		class->mask &= ~(UINT64_C(1) << key);
	} else {
		link->prev->next = link->next;
		link->next->prev = link->prev;
		if (ring->cur == link)
			ring->cur = link->next;
	}
	ring_weigh(class, key, -link_weight(link, key));
}

/* Keys under which its parent is to have it. */
static uint64_t class_offers(const struct htb_class *class)
{
	uint64_t own = class->mask & htb_level_mask(class->level);

	if (class->is_blocked)
		return 0;
	if (class->rings == NULL)
		return class->mask;
	return (class->mask & ~own) | (class->is_lending ? own : 0) |
	       (class->level + 1 < HTB_TOP ? own << HTB_PRIOS : 0);
}

static inline uint64_t lowest_bit(uint64_t mask)
{
	return mask & -mask;
}

/* A class waits for enough for its next packet. That may be another one now, if it was not the first of this mask. */
static void class_reconsider(struct htb *h, struct htb_class *class, uint64_t had)
{
	uint64_t own = htb_level_mask(class->level);

	if ((class->is_blocked && lowest_bit(class->mask) != lowest_bit(had)) ||
		(!class->is_lending && lowest_bit(class->mask & own) != lowest_bit(had & own)))
		htb_class_wake(h, class);
}

/* Brings the links of a class, and of those above it, in line with what it has to offer. */
void htb_class_update(struct htb *h, struct htb_class *class)
{
	for (struct htb_class *parent; (parent = class->parent) != NULL; class = parent) {
		uint64_t had = parent->mask, offers = class_offers(class);
		uint64_t del = class->linked & ~offers, add = offers & ~class->linked;

		for (; del != 0; del &= del - 1) {
			unsigned int key = (unsigned int)__builtin_ctzll(del);

			ring_del(parent, key, htb_link_of(class, key));
		}
		for (; add != 0; add &= add - 1) {
			unsigned int key = (unsigned int)__builtin_ctzll(add);

			ring_add(parent, key, htb_link_of(class, key));
		}
		class->linked = offers;
		if (parent->mask == had)
			return;
		class_reconsider(h, parent, had);
	}
}

/* It waits no longer; who chooses it will find out whether it can send. The caller updates it. */
void htb_class_wake(struct htb *h, struct htb_class *class)
{
	htb_wait_cancel(h, class);
	class->is_blocked = false;
	class->is_lending = true;
	class->waits_for = NULL;
}

/* The leaf's packet is gone, or cannot be sent: those that wait for enough for it may have enough for another one. */
void htb_wake_above(struct htb *h, struct htb_class *class, const struct htb_class *leaf)
{
	for (class = class->parent; class->level != HTB_TOP; class = class->parent) {
		if (class->waits_for != leaf)
			continue;
		htb_class_wake(h, class);
		htb_class_update(h, class);
	}
}
