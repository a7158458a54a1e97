/* SPDX-License-Identifier: BSD-3-Clause */

/* Handing packets over to other workers, and taking what they give. Run by workers; queues come and go with them. */
#include "dp/handover.h"

#include <smmintrin.h>

#include "dp/dp_priv.h"
#include "dp/trace.h"

/* Queues */

static struct handover_queue *queue_create(uint32_t n_slots, uint16_t taker)
{
	struct handover_queue *queue = rte_zmalloc(
		"handover", sizeof(*queue) + n_slots * sizeof(queue->slots[0]), HANDOVER_APART);

	if (queue != NULL) {
		queue->n_slots = n_slots;
		queue->taker = taker;
	}
	return queue;
}

int handover_create(struct worker *w, unsigned int n_workers)
{
	uint32_t n_slots = rte_align32prevpow2(WORKER_HANDOVER_SIZE / RTE_MAX(n_workers - 1, 1u));

	n_slots = RTE_MAX(n_slots, (uint32_t)WORKER_HANDOVER_LEAST);
	w->handover = rte_zmalloc("handover", n_workers * sizeof(struct handover_queue *), 0);
	if (w->handover == NULL)
		return -ENOMEM;
	w->n_givers = (uint16_t)n_workers;
	for (unsigned int i = 0; i < n_workers; i++) {
		if (i == w->id)
			continue;
		w->handover[i] = queue_create(n_slots, w->id);
		if (w->handover[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

void handover_destroy(struct worker *w)
{
	for (unsigned int i = 0; i < w->n_givers; i++)
		rte_free(w->handover[i]);
	rte_free(w->handover);
}

uint32_t worker_waiting(const struct worker *w)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < w->n_givers; i++)
		if (w->handover[i] != NULL)
			n += handover_count(w->handover[i]);
	return n;
}

/* Frees what waits, as dropped; no worker runs. */
void handover_empty(struct worker *w)
{
	for (unsigned int i = 0; i < w->n_givers; i++) {
		struct handover_queue *queue = w->handover[i];

		if (queue == NULL)
			continue;
		for (; handover_count(queue) > 0; queue->taken++) {
			const struct handover *slot = handover_slot(queue, queue->taken);

			worker_free_dropped(w, slot->frame_len > 0 ? NULL : slot->m, &dp_module,
				DP_DROP_STOPPED, 0);
		}
	}
}

/* Giving */

/* May its bytes go instead of it, and its buffer straight back to the pool? Not if it is empty. */
static inline bool handover_is_small(const struct worker *from, const struct rte_mbuf *m)
{
	return m->pkt_len - 1 < HANDOVER_FRAME_MAX && m->nb_segs == 1 && m->ol_flags == 0 &&
	       rte_mbuf_refcnt_read(m) == 1 && m->pool == from->pool;
}

/*
 * Past the caches: all of the line is written, and another core is to have it; this one would only fetch it
 * from there first. handover_publish() has the fence.
 */
static inline void handover_put_frame(
	struct handover *slot, const struct rte_mbuf *m, unsigned int stage)
{
	/* There are as many bytes in any packet buffer. */
	const __m128i *bytes = rte_pktmbuf_mtod(m, const __m128i *);
	uint32_t rest = m->port | m->pkt_len << 16 | stage << 24;
	__m128i *line = (__m128i *)slot;

	_mm_stream_si128(&line[0], _mm_loadu_si128(&bytes[0]));
	_mm_stream_si128(&line[1], _mm_loadu_si128(&bytes[1]));
	_mm_stream_si128(&line[2], _mm_loadu_si128(&bytes[2]));
	_mm_stream_si128(&line[3], _mm_insert_epi32(_mm_loadu_si128(&bytes[3]), (int)rest, 3));
}
static_assert(offsetof(struct handover, port) == 60 && offsetof(struct handover, frame_len) == 62 &&
		      offsetof(struct handover, stage) == 63,
	"the last word of a line");

/* Returns how many found room. */
static __rte_always_inline unsigned int hand_over(struct worker *to, struct worker *from,
	unsigned int stage, struct rte_mbuf **pkts, unsigned int n, const bool are_frames)
{
	struct handover_queue *queue;
	void *freed[LANE_ROOM];
	unsigned int sent, n_freed = 0;

	/* A stand-in shares its number with a real one, which alone may write there. */
	if (unlikely(from->is_scratch))
		return 0;
	queue = to->handover[from->id];
	sent = handover_room(queue, n);
	for (unsigned int i = 0; i < sent; i++) {
		struct handover *slot = handover_slot(queue, queue->written + i);

		if (are_frames && likely(handover_is_small(from, pkts[i]))) {
			handover_put_frame(slot, pkts[i], stage);
			freed[n_freed++] = pkts[i];
		} else {
			slot->m = pkts[i];
			slot->frame_len = 0;
			slot->stage = (uint8_t)stage;
		}
	}
	if (n_freed > 0)
		rte_mempool_put_bulk(from->pool, freed, n_freed);
	if (sent > 0)
		from->given |= UINT64_C(1) << queue->taker;
	queue->written += sent;
	from->handed_over += sent;
	return sent;
}

void handover_publish(struct worker *w)
{
	uint64_t left;

	for (left = w->told; left != 0; left &= left - 1)
		worker_wake(w->dp->workers[__builtin_ctzll(left)]);
	_mm_sfence(); /* the frames are not kept in order with other stores */
	for (left = w->given; left != 0; left &= left - 1) {
		struct handover_queue *queue =
			w->dp->workers[__builtin_ctzll(left)]->handover[w->id];

		atomic_store_explicit(&queue->published, queue->written, memory_order_release);
	}
	w->told = w->given;
	w->given = 0;
}

static inline void drop_unsent(const struct worker *to, struct worker *from, unsigned int stage,
	struct rte_mbuf **pkts, unsigned int n)
{
	if (likely(n == 0))
		return;
	from->refused_by[to->id] += n;
	for (unsigned int i = 0; i < n; i++)
		worker_free_dropped(from, pkts[i], &dp_module, DP_DROP_HANDOVER_FULL, stage);
}

void worker_hand_over(struct worker *to, struct worker *from, unsigned int stage,
	struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int sent = hand_over(to, from, stage, pkts, n, false);

	drop_unsent(to, from, stage, pkts + sent, n - sent);
}

bool worker_try_hand_over(
	struct worker *to, struct worker *from, unsigned int stage, struct rte_mbuf *m)
{
	return hand_over(to, from, stage, &m, 1, false) == 1;
}

void worker_hand_over_frames(struct worker *to, struct worker *from, unsigned int stage,
	struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int sent;

	/* A trace needs the metadata to go along. */
	if (unlikely(from->trace != NULL)) {
		worker_hand_over(to, from, stage, pkts, n);
		return;
	}
	sent = hand_over(to, from, stage, pkts, n, true);
	drop_unsent(to, from, stage, pkts + sent, n - sent);
}

/* Taking */

static __rte_noinline void handover_trace(
	struct worker *w, const struct stage_node *node, struct rte_mbuf *m)
{
	trace_note_all(w, node, STAGE_CONSUMED, &m, 1);
}

/* The small frames among them get buffers of this worker. */
static void handover_fill(struct rte_mbuf *m, const struct handover *slot)
{
	memcpy(rte_pktmbuf_mtod(m, void *), slot->frame, sizeof(slot->frame));
	m->data_len = slot->frame_len;
	m->pkt_len = slot->frame_len;
	m->port = slot->port;
	pkt_meta(m)->trace = 0; /* what is traced comes as a packet */
}

/* A packet that comes as it is: all of it lies in another core's cache. */
static void handover_ask_for(const struct rte_mbuf *m)
{
	rte_prefetch0(m);
	rte_prefetch0((const char *)m + RTE_CACHE_LINE_SIZE);
	pkt_prefetch(m);
}

static unsigned int handover_count_frames(
	struct handover_queue *queue, uint32_t taken, unsigned int n)
{
	unsigned int n_frames = 0;

	for (unsigned int i = 0; i < n; i++)
		n_frames += handover_slot(queue, taken + i)->frame_len > 0;
	return n_frames;
}

/* What cannot have a buffer now stays in the queue; when that is full, it is dropped there by name. */
static unsigned int handover_take(
	struct worker *w, struct stage_node *node, struct handover_queue *queue, unsigned int max)
{
	uint32_t taken = atomic_load_explicit(&queue->taken, memory_order_relaxed);
	struct rte_mbuf *fresh[WORKER_HANDOVER_BURST], **next = fresh;
	unsigned int n = handover_ready(queue, max), n_frames;

	if (n == 0)
		return 0;
	n_frames = handover_count_frames(queue, taken, n);
	if (n_frames > 0 && rte_pktmbuf_alloc_bulk(w->pool, fresh, n_frames) != 0)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		const struct handover *slot = handover_slot(queue, taken + i);
		struct rte_mbuf *m = slot->m;

		if (likely(slot->frame_len > 0)) {
			m = *next++;
			handover_fill(m, slot);
		} else {
			handover_ask_for(m);
		}
		if (unlikely(w->trace != NULL))
			handover_trace(w, node, m);
		stage_push(&w->pending, &w->nodes[slot->stage], m);
	}
	atomic_store_explicit(&queue->taken, taken + n, memory_order_release);
	return n;
}

/* Another giver is the first in each pass: none has to wait for others to have nothing. */
static void handover_run(struct worker *w, struct stage_node *node)
{
	unsigned int n = 0, max = RTE_MIN(w->room, (uint32_t)WORKER_HANDOVER_BURST);
	unsigned int giver = w->first_giver;

	for (unsigned int i = 0; i < w->n_givers; i++) {
		if (w->handover[giver] != NULL)
			n += handover_take(w, node, w->handover[giver], max - n);
		giver = giver + 1 < w->n_givers ? giver + 1 : 0;
	}
	w->first_giver = w->first_giver + 1 < w->n_givers ? w->first_giver + 1 : 0;
	w->room -= n;
	w->taken_over += n;
	node->packets += n;
}

static void handover_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "worker %u takes it over", record->w->id);
}

const struct stage handover_stage = {
	.name = "handover",
	.help = "takes in packets that other workers hand over",
	.run = handover_run,
	.is_source = true,
	.format = handover_format,
};
