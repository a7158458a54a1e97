/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * prio: bands, each a child, of which the first that can give something does. Nothing is set aside beforehand: a peek
 * takes nothing out of a band, so a packet of a higher band that comes before the dequeue leaves first. A band that
 * has to wait (a tbf below) is passed over. init is the control thread's, the rest the owner's. See qdisc.h;
 * semantics are those of tc-prio(8).
 *
 * Bands that may have packets are bits of a mask, the first band the lowest: empty ones cost nothing, however many
 * there are. A bit too many is found when that band's turn comes; filled() is what no bit is missing by.
 */
#include "qos/qdisc.h"
#include "qos/qdisc_kinds.h"

struct prio {
	struct qdisc q;
	uint32_t has_packets; /* bit: band */
};
static_assert(QDISC_BANDS_MAX <= 32, "bits of has_packets");

static inline struct prio *prio_of(struct qdisc *q)
{
	return (struct prio *)q;
}

static uint32_t prio_n_slots(const struct qdisc_conf *conf)
{
	return conf->bands != 0 ? (uint32_t)conf->bands : PRIO_BANDS;
}

/* What is configured for a band. NULL: nothing. */
static const struct qdisc_class_conf *band_class(const struct qdisc_conf *conf, uint32_t band)
{
	const struct qdisc_class_conf *classes = conf->classes.items;

	for (unsigned int i = 0; i < conf->classes.n; i++)
		if (classes[i].band == band)
			return &classes[i];
	return NULL;
}

static const struct qdisc_conf *prio_slot_conf(const struct qdisc_conf *conf, uint32_t slot)
{
	const struct qdisc_class_conf *class = band_class(conf, slot);

	return class != NULL && class->child.n != 0 ? class->child.items : NULL;
}

static const char *prio_slot_name(const struct qdisc_conf *conf, uint32_t slot)
{
	const struct qdisc_class_conf *class = band_class(conf, slot);

	return class != NULL ? class->name : NULL;
}

static int prio_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	(void)q;
	(void)conf;
	return 0;
}

static void prio_filled(struct qdisc *q, uint32_t slot, uint64_t now)
{
	(void)now;
	prio_of(q)->has_packets |= UINT32_C(1) << slot;
}

/*
 * Of the first band that can give something: taken, or looked at. NULL: none can, and next_at is when the first of them
 * will, if any has packets.
 */
static inline const struct rte_mbuf *prio_next(struct prio *prio, uint64_t now, const bool is_taken)
{
	bool has_waiting = false;

	for (uint32_t left = prio->has_packets; left != 0; left &= left - 1) {
		struct qdisc *band = prio->q.children[__builtin_ctz(left)];
		const struct rte_mbuf *m = NULL;

		if (likely(band->n_packets != 0))
			m = is_taken ? qdisc_dequeue(band, now) : qdisc_peek(band, now);
		if (band->n_packets == 0)
			prio->has_packets &= ~(left & -left);
		if (likely(m != NULL))
			return m;
		if (band->n_packets == 0)
			continue;
		if (!has_waiting || (int64_t)(band->next_at - prio->q.next_at) < 0)
			prio->q.next_at = band->next_at;
		has_waiting = true;
	}
	return NULL;
}

static const struct rte_mbuf *prio_peek(struct qdisc *q, uint64_t now)
{
	return prio_next(prio_of(q), now, false);
}

static struct rte_mbuf *prio_dequeue(struct qdisc *q, uint64_t now)
{
	return (struct rte_mbuf *)(uintptr_t)prio_next(prio_of(q), now, true);
}

/* What waits, and where, is found in the children: filled() tells. Bands have no other state. */
const struct qdisc_ops prio_ops = {
	.name = "prio",
	.kind = QDISC_PRIO,
	.size = sizeof(struct prio),
	.n_slots = prio_n_slots,
	.slot_conf = prio_slot_conf,
	.slot_name = prio_slot_name,
	.init = prio_init,
	.filled = prio_filled,
	.dequeue = prio_dequeue,
	.peek = prio_peek,
};
