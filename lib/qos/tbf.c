/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * tbf: what its child gives leaves at a rate, to the byte, with bursts; and none of these faster than a peak rate, if
 * there is one. Each of the two is a token bucket (rate.h), and a packet leaves when both hold all of it: it is peeked
 * at, and taken from the child only then, so that a child which decides itself what is next decides as late as it can.
 * init is the control thread's, the rest the owner's. See qdisc.h; semantics are those of tc-tbf(8).
 *
 * The limit is of the node itself, whatever the child is. A frame larger than a bucket is refused at the door: it would
 * stand in the way for ever.
 */
#include "qos/qdisc.h"
#include "qos/qdisc_kinds.h"

struct tbf {
	struct qdisc q;
	bool has_peak;
	struct rate rate, peakrate;
	struct bucket bucket, peak;
};

static inline struct tbf *tbf_of(struct qdisc *q)
{
	return (struct tbf *)q;
}

static uint32_t tbf_n_slots(const struct qdisc_conf *conf)
{
	(void)conf;
	return 1;
}

static const struct qdisc_conf *tbf_slot_conf(const struct qdisc_conf *conf, uint32_t slot)
{
	(void)slot;
	return conf->child.n != 0 ? conf->child.items : NULL;
}

/* The bytes that a rate carries within the latency, after a burst. */
static uint64_t latency_bytes(uint64_t bps, uint64_t latency_ns, uint64_t burst)
{
	unsigned __int128 bytes = (unsigned __int128)bps * latency_ns / (8 * UINT64_C(1000000000));

	return bytes > UINT64_MAX - burst ? UINT64_MAX : (uint64_t)bytes + burst;
}

uint64_t tbf_limit(const struct qdisc_conf *conf)
{
	uint64_t limit, at_peak;

	if (conf->limit != 0)
		return conf->limit;
	limit = latency_bytes(conf->rate, conf->latency_ns, conf->burst);
	if (conf->peakrate == 0)
		return limit;
	at_peak = latency_bytes(conf->peakrate, conf->latency_ns, conf->mtu);
	return at_peak < limit ? at_peak : limit;
}

static void tbf_slot_default(const struct qdisc_conf *conf, struct qdisc_conf *child)
{
	*child = (struct qdisc_conf){ .kind = QDISC_BFIFO, .limit = tbf_limit(conf) };
}

static void bucket_configure(struct bucket *bucket, struct rate *rate,
	const struct qdisc_conf *conf, uint64_t bps, uint64_t burst, const struct qdisc_tree *tree)
{
	rate_init(rate, bps, tree->tsc_hz);
	rate->overhead = (int32_t)conf->overhead;
	rate->mpu = (uint32_t)conf->mpu;
	rate->is_atm = conf->is_atm;
	bucket_init(bucket, rate, burst, tree->made_at);
}

static int tbf_init(struct qdisc *q, const struct qdisc_conf *conf)
{
	struct tbf *tbf = tbf_of(q);

	bucket_configure(&tbf->bucket, &tbf->rate, conf, conf->rate, conf->burst, q->tree);
	tbf->has_peak = conf->peakrate != 0;
	if (tbf->has_peak)
		bucket_configure(
			&tbf->peak, &tbf->peakrate, conf, conf->peakrate, conf->mtu, q->tree);
	q->max_bytes = tbf_limit(conf);
	return 0;
}

static bool tbf_can_pass(const struct qdisc *q, uint32_t slot, uint32_t len)
{
	const struct tbf *tbf = (const struct tbf *)q;

	(void)slot;
	return bucket_holds(&tbf->bucket, &tbf->rate, len) &&
	       (!tbf->has_peak || bucket_holds(&tbf->peak, &tbf->peakrate, len));
}

/* Where a peak rate, or cells, make it less simple, packets go one by one. */
static bool tbf_pass(struct qdisc *q, uint32_t n, uint64_t n_bytes, uint64_t now)
{
	struct tbf *tbf = tbf_of(q);

	if (tbf->has_peak || tbf->rate.is_atm || tbf->rate.mpu != 0 || tbf->rate.overhead < 0)
		return false;
	return bucket_take_all(&tbf->bucket, &tbf->rate, n, n_bytes, now);
}

/* When both buckets have that much. */
static inline uint64_t ready_at(const struct tbf *tbf, uint32_t len)
{
	uint64_t at = bucket_ready_at(&tbf->bucket, &tbf->rate, len), peak_at;

	if (!tbf->has_peak)
		return at;
	peak_at = bucket_ready_at(&tbf->peak, &tbf->peakrate, len);
	return (int64_t)(peak_at - at) > 0 ? peak_at : at;
}

/* What may leave now; else when something may. *has_waited: it is for tokens that there is none. */
static inline const struct rte_mbuf *tbf_next(struct tbf *tbf, uint64_t now, bool *has_waited)
{
	struct qdisc *child = tbf->q.children[0];
	const struct rte_mbuf *m = qdisc_peek(child, now);
	uint64_t at;

	*has_waited = false;
	if (m == NULL) {
		tbf->q.next_at = child->next_at;
		return NULL;
	}
	at = ready_at(tbf, m->pkt_len);
	if ((int64_t)(now - at) >= 0)
		return m;
	tbf->q.next_at = at;
	*has_waited = true;
	return NULL;
}

static const struct rte_mbuf *tbf_peek(struct qdisc *q, uint64_t now)
{
	bool has_waited;

	return tbf_next(tbf_of(q), now, &has_waited);
}

static struct rte_mbuf *tbf_dequeue(struct qdisc *q, uint64_t now)
{
	struct tbf *tbf = tbf_of(q);
	bool has_waited;
	const struct rte_mbuf *next = tbf_next(tbf, now, &has_waited);
	struct rte_mbuf *m;

	if (next == NULL) {
		q->stats.overlimits += has_waited;
		return NULL;
	}
	m = qdisc_dequeue(q->children[0], now);
	RTE_ASSERT(m == next);
	bucket_take(&tbf->bucket, &tbf->rate, m->pkt_len, now);
	if (tbf->has_peak)
		bucket_take(&tbf->peak, &tbf->peakrate, m->pkt_len, now);
	return m;
}

/* Time is what both have in common whatever their rates are: up to when it is used does not change. */
static void bucket_adopt(struct bucket *bucket, const struct bucket *old, uint64_t now)
{
	bucket->used_to = old->used_to;
	bucket->frac = old->frac;
	if ((int64_t)(now - bucket->depth - bucket->used_to) > 0) {
		bucket->used_to = now - bucket->depth;
		bucket->frac = 0;
	}
}

static bool tbf_adopt(struct qdisc *q, struct qdisc *old, uint64_t now)
{
	struct tbf *to = tbf_of(q), *from = tbf_of(old);

	bucket_adopt(&to->bucket, &from->bucket, now);
	if (to->has_peak && from->has_peak)
		bucket_adopt(&to->peak, &from->peak, now);
	return false;
}

const struct qdisc_ops tbf_ops = {
	.name = "tbf",
	.kind = QDISC_TBF,
	.size = sizeof(struct tbf),
	.n_slots = tbf_n_slots,
	.slot_conf = tbf_slot_conf,
	.slot_default = tbf_slot_default,
	.init = tbf_init,
	.can_pass = tbf_can_pass,
	.pass = tbf_pass,
	.dequeue = tbf_dequeue,
	.peek = tbf_peek,
	.adopt = tbf_adopt,
};
