/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * pfifo and bfifo: packets leave in the order in which they came. They differ in what their limit counts, packets or
 * bytes; qdisc_enqueue() holds both against it, so that all that is left here is a list. init is the control thread's,
 * the rest the owner's, nobody else's. See qdisc.h.
 *
 * A limit that a new configuration has lowered keeps packets out until there is room again; what waits already stays.
 */
#include "qos/qdisc.h"
#include "qos/qdisc_kinds.h"

struct fifo {
	struct qdisc q;
	struct qdisc_list list;
};

static inline struct fifo *fifo_of(struct qdisc *q)
{
	return (struct fifo *)q;
}

static uint32_t fifo_n_slots(const struct qdisc_conf *conf)
{
	(void)conf;
	return 0;
}

static int pfifo_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	uint64_t limit = conf->limit != 0 ? conf->limit : QDISC_LIMIT;

	q->max_packets = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
	return 0;
}

static int bfifo_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	q->max_bytes = conf->limit != 0 ? conf->limit : BFIFO_LIMIT;
	return 0;
}

static void fifo_enqueue(struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	(void)now;
	qdisc_list_put(&fifo_of(q)->list, m);
}

static struct rte_mbuf *fifo_dequeue(struct qdisc *q, uint64_t now)
{
	(void)now;
	return qdisc_list_take(&fifo_of(q)->list);
}

static const struct rte_mbuf *fifo_peek(struct qdisc *q, uint64_t now)
{
	(void)now;
	return fifo_of(q)->list.first;
}

static struct rte_mbuf *fifo_evict(struct qdisc *q)
{
	return qdisc_list_take(&fifo_of(q)->list);
}

static bool fifo_adopt(struct qdisc *q, struct qdisc *old, uint64_t now)
{
	(void)now;
	qdisc_list_join(&fifo_of(q)->list, &fifo_of(old)->list);
	return true;
}

const struct qdisc_ops pfifo_ops = {
	.name = "pfifo",
	.kind = QDISC_PFIFO,
	.size = sizeof(struct fifo),
	.n_slots = fifo_n_slots,
	.init = pfifo_init,
	.enqueue = fifo_enqueue,
	.dequeue = fifo_dequeue,
	.peek = fifo_peek,
	.evict = fifo_evict,
	.adopt = fifo_adopt,
};

const struct qdisc_ops bfifo_ops = {
	.name = "bfifo",
	.kind = QDISC_BFIFO,
	.size = sizeof(struct fifo),
	.n_slots = fifo_n_slots,
	.init = bfifo_init,
	.enqueue = fifo_enqueue,
	.dequeue = fifo_dequeue,
	.peek = fifo_peek,
	.evict = fifo_evict,
	.adopt = fifo_adopt,
};
