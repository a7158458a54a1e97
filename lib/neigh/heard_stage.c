/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How workers tell the control thread what ARP and Neighbour Discovery frames said, without telling
 * it the same all the time: not within a second, unless the control thread has since asked for
 * somebody or forgotten somebody (heard_epoch). A flood of frames costs the control thread little.
 */
#include "neigh/neigh_priv.h"

void heard_tell(struct worker *w, const struct neigh_heard *heard,
	void (*fn)(void *receiver, const struct mail *mail))
{
	const struct neigh_table *table = neigh_table(w->dp);
	uint32_t epoch = atomic_load_explicit(&table->heard_epoch, memory_order_relaxed);
	const uint32_t *words = heard->key.addr.words;
	uint32_t hash = (words[0] ^ words[1] ^ words[2] ^ words[3] ^ heard->key.link) *
			UINT32_C(0x9e3779b1);
	struct heard_told *told = &neigh_worker(w)->heard_told[hash >> 24];
	struct mail mail = { .fn = fn };

	static_assert(HEARD_TOLD_SIZE == 1 << 8, "the hash's high bits");
	if (told->at != 0 && told->epoch == epoch && w->now - told->at < w->dp->tsc_hz &&
		memcmp(&told->heard, heard, sizeof(*heard)) == 0)
		return;
	memcpy(mail.arg, heard, sizeof(*heard));
	if (!worker_tell(w, &mail))
		return;
	told->heard = *heard;
	told->epoch = epoch;
	told->at = w->now;
}
