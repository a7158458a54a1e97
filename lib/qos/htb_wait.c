/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Classes of an htb that wait for a time: a binary heap, the earliest first. A class is in it once, or not, and knows
 * where, so that it can leave. The array has room for all of them, its first place stays empty. Owner only.
 */
#include "qos/htb_priv.h"

static inline bool is_before(const struct htb_wait *a, const struct htb_wait *b)
{
	return (int64_t)(a->at - b->at) < 0;
}

static inline void heap_set(struct htb *h, uint32_t i, struct htb_wait wait)
{
	h->heap[i] = wait;
	wait.class->heap_idx = i;
}

/* Puts it at that place, or above. */
static uint32_t heap_rise(struct htb *h, uint32_t i, struct htb_wait wait)
{
	for (; i > 1 && is_before(&wait, &h->heap[i / 2]); i /= 2)
		heap_set(h, i, h->heap[i / 2]);
	heap_set(h, i, wait);
	return i;
}

/* Puts it at that place, or below. */
static void heap_sink(struct htb *h, uint32_t i, struct htb_wait wait)
{
	for (uint32_t child = 2 * i; child <= h->n_heap; i = child, child = 2 * i) {
		if (child < h->n_heap && is_before(&h->heap[child + 1], &h->heap[child]))
			child++;
		if (!is_before(&h->heap[child], &wait))
			break;
		heap_set(h, i, h->heap[child]);
	}
	heap_set(h, i, wait);
}

static void heap_place(struct htb *h, uint32_t i, struct htb_wait wait)
{
	if (heap_rise(h, i, wait) == i)
		heap_sink(h, i, wait);
}

void htb_wait_until(struct htb *h, struct htb_class *class, uint64_t at)
{
	struct htb_wait wait = { .at = at, .class = class };

	if (class->heap_idx == 0)
		heap_rise(h, ++h->n_heap, wait);
	else if (h->heap[class->heap_idx].at != at)
		heap_place(h, class->heap_idx, wait);
}

void htb_wait_cancel(struct htb *h, struct htb_class *class)
{
	uint32_t i = class->heap_idx;
	struct htb_wait last;

	if (i == 0)
		return;
	class->heap_idx = 0;
	last = h->heap[h->n_heap--];
	if (last.class != class)
		heap_place(h, i, last);
}
