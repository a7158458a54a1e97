/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fq_codel (RFC 8290): packets are hashed into queues that are served in turn, a quantum of bytes each, those that
 * have just begun before the others; and each queue is kept short by CoDel (codel.h), which marks or drops at its head.
 * When all of them together are too long the longest one is cut, so that who floods pays for it. init and fini are the
 * control thread's, xstats are for any thread, the rest is the owner's. See qdisc.h; semantics are those of
 * tc-fq_codel(8), but that CoDel asks whether more than one packet waits in the queue (RFC 8289), not in all queues.
 *
 * A queue is a cache line. The longest one is found without walking them all: they stand in blocks, and of each block a
 * length is kept that none in it exceeds. Only the block with the greatest such bound is looked through; if what is
 * found is shorter the bound was out of date, is set right and the next is tried. A bound gets out of date when a packet
 * leaves, so that this work is paid for by packets. There are four times as many blocks as flows in one: bounds stand
 * side by side and are cheaper to look at.
 *
 * A packet that has been peeked at is set aside, since CoDel may have dropped others to get at it: it still counts as
 * waiting, and is what the next dequeue gives.
 */
#include "qos/qdisc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qos/codel.h"
#include "qos/ecn.h"
#include "qos/qdisc_kinds.h"

enum { FQ_DROP_BATCH = 64, FQ_BLOCKS_PER_FLOW = 4 };

struct fq_flow {
	struct qdisc_list packets;
	uint32_t n_bytes;
	int32_t deficit; /* bytes; less than one: not its turn any more */
	uint32_t next;	 /* number of the one behind it in its list */
	bool is_listed;
	struct codel codel;
};
static_assert(sizeof(struct fq_flow) == RTE_CACHE_LINE_SIZE, "one for each packet");

/* Numbers of flows. */
struct fq_list {
	uint32_t first, last; /* valid if there are any */
	uint32_t n;
};

struct fq_codel {
	struct qdisc q;
	struct fq_flow *flows;
	uint32_t *bounds; /* of each block: n_bytes of no flow in it are more */
	uint32_t n_flows, n_blocks, block_shift;
	uint32_t limit; /* packets */
	int32_t quantum;
	int per; /* enum qdisc_per */
	bool has_ecn, has_ce_threshold;
	struct fq_list new_flows, old_flows;
	struct rte_mbuf *peeked;
	uint64_t memory, memory_limit;
	struct codel_params codel;
	uint64_t ce_threshold; /* cycles */
	struct {
		uint64_t maxpacket, drop_overlimit, new_flow_count, ecn_mark, drop_overmemory,
			ce_mark;
	} counters;
};

static inline struct fq_codel *fq_of(struct qdisc *q)
{
	return (struct fq_codel *)q;
}

static uint32_t fq_codel_n_slots(const struct qdisc_conf *conf)
{
	(void)conf;
	return 0;
}

static uint64_t to_cycles(uint64_t ns, uint64_t tsc_hz)
{
	unsigned __int128 cycles = (unsigned __int128)ns * tsc_hz / UINT64_C(1000000000);

	return cycles > INT64_MAX / 64 ? INT64_MAX / 64 : (uint64_t)cycles;
}

static uint64_t value_or(uint64_t value, uint64_t fallback)
{
	return value != 0 ? value : fallback;
}

static void configure(struct fq_codel *fq, const struct qdisc_conf *conf)
{
	const uint64_t ms = 1000000, hz = fq->q.tree->tsc_hz;

	fq->limit = (uint32_t)RTE_MIN(value_or(conf->limit, FQ_CODEL_LIMIT), UINT32_MAX);
	fq->quantum = (int32_t)RTE_MIN(
		value_or((uint64_t)conf->quantum, FQ_CODEL_QUANTUM), (uint64_t)INT32_MAX / 2);
	fq->quantum = RTE_MAX(fq->quantum, FQ_CODEL_QUANTUM_MIN);
	/* So that n_bytes of a flow cannot overflow. */
	fq->memory_limit = RTE_MIN(value_or(conf->memory_limit, FQ_CODEL_MEMORY), UINT32_MAX / 2);
	fq->has_ecn = conf->has_ecn;
	fq->per = conf->per;
	fq->codel.target = to_cycles(value_or(conf->target_ns, FQ_CODEL_TARGET_MS * ms), hz);
	fq->codel.interval = to_cycles(value_or(conf->interval_ns, FQ_CODEL_INTERVAL_MS * ms), hz);
	fq->has_ce_threshold = conf->ce_threshold_ns != 0;
	fq->ce_threshold = to_cycles(conf->ce_threshold_ns, hz);
}

/* max_packets is left alone: the limit is held by dropping others than the packet that comes. */
static int fq_codel_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	struct fq_codel *fq = fq_of(q);
	uint64_t n_flows = value_or((uint64_t)conf->flows, FQ_CODEL_FLOWS);
	size_t size;

	configure(fq, conf);
	fq->n_flows = (uint32_t)RTE_MIN(n_flows, (uint64_t)FQ_CODEL_FLOWS_MAX);
	while (fq->n_flows >> 2 * fq->block_shift > (uint32_t)FQ_BLOCKS_PER_FLOW)
		fq->block_shift++;
	fq->n_blocks = ((fq->n_flows - 1) >> fq->block_shift) + 1;
	size = fq->n_flows * sizeof(*fq->flows);
	fq->flows = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	fq->bounds = calloc(fq->n_blocks, sizeof(*fq->bounds));
	if (fq->flows == NULL || fq->bounds == NULL) {
		free(fq->flows);
		free(fq->bounds);
		return -ENOMEM;
	}
	memset(fq->flows, 0, size);
	return 0;
}

static void fq_codel_fini(struct qdisc *q)
{
	free(fq_of(q)->flows);
	free(fq_of(q)->bounds);
}

/* Lists of flows */

static inline void flow_put(struct fq_codel *fq, struct fq_list *list, uint32_t flow)
{
	if (list->n++ == 0)
		list->first = flow;
	else
		fq->flows[list->last].next = flow;
	list->last = flow;
}

static inline uint32_t flow_shift(struct fq_codel *fq, struct fq_list *list)
{
	uint32_t flow = list->first;

	list->n--;
	list->first = fq->flows[flow].next;
	return flow;
}

/* Packets of one flow */

static inline uint32_t memory_of(const struct rte_mbuf *m)
{
	return m->pkt_len + FQ_CODEL_PACKET_MEMORY;
}

static inline struct rte_mbuf *flow_take(struct fq_flow *flow)
{
	struct rte_mbuf *m = qdisc_list_take(&flow->packets);

	if (likely(m != NULL))
		flow->n_bytes -= m->pkt_len;
	return m;
}

/* One that has been taken out of its flow. */
static void packet_drop(struct fq_codel *fq, struct rte_mbuf *m, enum qdisc_drop reason)
{
	fq->memory -= memory_of(m);
	qdisc_drop(&fq->q, m, reason);
}

static bool packet_mark(struct fq_codel *fq, struct rte_mbuf *m)
{
	if (!fq->has_ecn || !ecn_set_ce(m))
		return false;
	fq->counters.ecn_mark++;
	return true;
}

/* Over the limit */

static uint32_t block_longest(const struct fq_codel *fq, uint32_t block)
{
	uint32_t first = block << fq->block_shift;
	uint32_t end = RTE_MIN(first + (UINT32_C(1) << fq->block_shift), fq->n_flows);
	uint32_t longest = first;

	for (uint32_t i = first + 1; i < end; i++)
		if (fq->flows[i].n_bytes > fq->flows[longest].n_bytes)
			longest = i;
	return longest;
}

/* NULL: all are empty. */
static struct fq_flow *find_longest(struct fq_codel *fq)
{
	for (;;) {
		uint32_t block = 0, most = 0;
		struct fq_flow *flow;

		/* In two steps: the first is one that compilers do in vectors. */
		for (uint32_t i = 0; i < fq->n_blocks; i++)
			most = fq->bounds[i] > most ? fq->bounds[i] : most;
		if (most == 0)
			return NULL;
		while (fq->bounds[block] != most)
			block++;
		flow = &fq->flows[block_longest(fq, block)];
		if (flow->n_bytes == most)
			return flow;
		fq->bounds[block] = flow->n_bytes;
	}
}

/*
 * Half of the longest flow, or a batch of it if that is less: more than one packet at a time, since finding it costs
 * more than dropping does. Its CoDel learns of them. False: there was nothing to drop.
 */
static bool drop_longest(struct fq_codel *fq)
{
	struct fq_flow *flow = find_longest(fq);
	bool is_for_memory = fq->memory > fq->memory_limit;
	uint32_t n = 0, n_bytes_left;

	if (flow == NULL)
		return false;
	n_bytes_left = flow->n_bytes - flow->n_bytes / 2;
	do {
		packet_drop(fq, flow_take(flow), QDISC_DROP_OVERLIMIT);
		n++;
	} while (n < FQ_DROP_BATCH && flow->n_bytes > n_bytes_left);
	codel_set_count(&flow->codel, flow->codel.count + n);
	fq->counters.drop_overlimit += n;
	if (is_for_memory)
		fq->counters.drop_overmemory += n;
	return true;
}

static inline bool is_over_limit(const struct fq_codel *fq)
{
	return fq->q.n_packets > fq->limit || fq->memory > fq->memory_limit;
}

static void fq_codel_enqueue(struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	struct fq_codel *fq = fq_of(q);
	uint32_t i = (uint32_t)((uint64_t)qdisc_pkt(m)->hash * fq->n_flows >> 32);
	uint32_t *bound = &fq->bounds[i >> fq->block_shift];
	struct fq_flow *flow = &fq->flows[i];

	(void)now;
	qdisc_list_put(&flow->packets, m);
	flow->n_bytes += m->pkt_len;
	if (flow->n_bytes > *bound)
		*bound = flow->n_bytes;
	if (unlikely(m->pkt_len > fq->counters.maxpacket))
		fq->counters.maxpacket = m->pkt_len;
	fq->memory += memory_of(m);
	if (!flow->is_listed) {
		flow->is_listed = true;
		flow->deficit = fq->quantum;
		flow_put(fq, &fq->new_flows, i);
		fq->counters.new_flow_count++;
	}
	while (unlikely(is_over_limit(fq)) && drop_longest(fq))
		;
}

/* The next one of a flow that CoDel lets pass. The last one it always does. NULL: it was empty. */
static inline struct rte_mbuf *flow_dequeue(struct fq_codel *fq, struct fq_flow *flow, uint64_t now)
{
	struct rte_mbuf *m;

	while ((m = flow_take(flow)) != NULL) {
		uint64_t waited = now - qdisc_pkt(m)->queued_at;
		bool is_late = codel_is_late(&flow->codel, &fq->codel, waited, flow->n_bytes,
			(uint32_t)fq->counters.maxpacket, now);

		if (likely(!codel_is_due(&flow->codel, &fq->codel, is_late, now)) ||
			packet_mark(fq, m)) {
			if (fq->has_ce_threshold && waited > fq->ce_threshold && ecn_set_ce(m))
				fq->counters.ce_mark++;
			return m;
		}
		packet_drop(fq, m, QDISC_DROP_CODEL);
	}
	codel_rest(&flow->codel);
	return NULL;
}

/* RFC 8290 4.2: a new flow that has sent its packets waits in turn once before it can be a new one again. */
static struct rte_mbuf *fq_next(struct fq_codel *fq, uint64_t now)
{
	for (;;) {
		struct fq_list *list = fq->new_flows.n != 0 ? &fq->new_flows : &fq->old_flows;
		struct fq_flow *flow = &fq->flows[list->first];
		struct rte_mbuf *m;

		if (list->n == 0)
			return NULL;
		if (flow->deficit <= 0) {
			flow->deficit += fq->quantum;
			flow_put(fq, &fq->old_flows, flow_shift(fq, list));
			continue;
		}
		m = flow_dequeue(fq, flow, now);
		if (likely(m != NULL)) {
			flow->deficit -= (int32_t)m->pkt_len;
			return m;
		}
		if (list == &fq->new_flows && fq->old_flows.n != 0) {
			flow_put(fq, &fq->old_flows, flow_shift(fq, list));
		} else {
			flow_shift(fq, list);
			flow->is_listed = false;
		}
	}
}

static struct rte_mbuf *fq_codel_dequeue(struct qdisc *q, uint64_t now)
{
	struct fq_codel *fq = fq_of(q);
	struct rte_mbuf *m = fq->peeked;

	if (m != NULL)
		fq->peeked = NULL;
	else
		m = fq_next(fq, now);
	if (m != NULL)
		fq->memory -= memory_of(m);
	return m;
}

static const struct rte_mbuf *fq_codel_peek(struct qdisc *q, uint64_t now)
{
	struct fq_codel *fq = fq_of(q);

	if (fq->peeked == NULL)
		fq->peeked = fq_next(fq, now);
	return fq->peeked;
}

/* In the order of the lists; CoDel is not asked, and no turn ends. */
static struct rte_mbuf *fq_codel_evict(struct qdisc *q)
{
	struct fq_codel *fq = fq_of(q);
	struct rte_mbuf *m = fq->peeked;

	fq->peeked = NULL;
	while (m == NULL && fq->new_flows.n + fq->old_flows.n != 0) {
		struct fq_list *list = fq->new_flows.n != 0 ? &fq->new_flows : &fq->old_flows;
		struct fq_flow *flow = &fq->flows[list->first];

		m = flow_take(flow);
		if (m == NULL) {
			flow_shift(fq, list);
			flow->is_listed = false;
		}
	}
	if (m != NULL)
		fq->memory -= memory_of(m);
	return m;
}

/* A flow keeps its number if there are as many of them, of the same hash: then all of them go over at once. */
static bool fq_codel_adopt(struct qdisc *q, struct qdisc *old, uint64_t now)
{
	struct fq_codel *to = fq_of(q), *from = fq_of(old);

	(void)now;
	to->counters = from->counters;
	if (to->n_flows != from->n_flows || to->per != from->per)
		return false;
	RTE_SWAP(to->flows, from->flows);
	RTE_SWAP(to->bounds, from->bounds);
	RTE_SWAP(to->new_flows, from->new_flows);
	RTE_SWAP(to->old_flows, from->old_flows);
	RTE_SWAP(to->peeked, from->peeked);
	RTE_SWAP(to->memory, from->memory);
	return true;
}

static inline uint64_t count_read(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

void fq_codel_xstats_get(const struct qdisc *q, struct fq_codel_xstats *out)
{
	const struct fq_codel *fq = (const struct fq_codel *)q;

	*out = (struct fq_codel_xstats){
		.maxpacket = count_read(&fq->counters.maxpacket),
		.drop_overlimit = count_read(&fq->counters.drop_overlimit),
		.new_flow_count = count_read(&fq->counters.new_flow_count),
		.ecn_mark = count_read(&fq->counters.ecn_mark),
		.new_flows_len = __atomic_load_n(&fq->new_flows.n, __ATOMIC_RELAXED),
		.old_flows_len = __atomic_load_n(&fq->old_flows.n, __ATOMIC_RELAXED),
		.memory_usage = count_read(&fq->memory),
		.drop_overmemory = count_read(&fq->counters.drop_overmemory),
		.ce_mark = count_read(&fq->counters.ce_mark),
	};
}

const struct qdisc_ops fq_codel_ops = {
	.name = "fq_codel",
	.kind = QDISC_FQ_CODEL,
	.size = sizeof(struct fq_codel),
	.n_slots = fq_codel_n_slots,
	.init = fq_codel_init,
	.fini = fq_codel_fini,
	.enqueue = fq_codel_enqueue,
	.dequeue = fq_codel_dequeue,
	.peek = fq_codel_peek,
	.evict = fq_codel_evict,
	.adopt = fq_codel_adopt,
};
