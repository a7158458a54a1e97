/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ownership on the control side: the table of buckets and moving them. Control thread.
 *
 * `worker rebalance` evens out how busy workers are. It takes buckets from the busiest worker for
 * the idlest one: as many packets as half of the difference is worth at what a packet costs there.
 * A worker whose hand-over ring had no room is busier than any: it loses buckets with half of what was refused.
 * Where hardware steers nobody counts packets by bucket; then all buckets of a worker count alike.
 * Packets that are on their way to the former owner may be overtaken by those that follow.
 */
#include "link/steer.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

enum { REFUSED_SHARE = 100 }; /* of all packets, one in so many */
#define SATURATED 0.95	      /* who is that busy takes no more: its own packets would suffer */

static const uint8_t key_pattern[2] = { 0x6d, 0x5a };

void steer_key(uint8_t *key, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		key[i] = key_pattern[i % 2];
}

/* The 32 bits of the repeated key from bit n on. */
static uint32_t key_window(unsigned int n)
{
	uint32_t key = (uint32_t)key_pattern[0] << 24 | (uint32_t)key_pattern[1] << 16 |
		       (uint32_t)key_pattern[0] << 8 | key_pattern[1];

	return n == 0 ? key : key << n | key >> (32 - n);
}

void steer_init(struct steer *steer, unsigned int n_workers)
{
	for (unsigned int half = 0; half < 2; half++)
		for (unsigned int value = 0; value < 256; value++) {
			uint32_t hash = 0;

			for (unsigned int bit = 0; bit < 8; bit++)
				if (value & 0x80u >> bit)
					hash ^= key_window(8 * half + bit);
			steer->hash[half][value] = (uint8_t)(hash % STEER_BUCKETS);
		}
	for (unsigned int i = 0; i < STEER_BUCKETS; i++)
		steer->owner[i] = (uint8_t)(i % n_workers);
}

/* Moving buckets */

void link_set_bucket_mover(struct dp *dp, const struct bucket_mover *mover)
{
	link_state(dp)->mover = mover;
}

void link_own_bucket(struct dp *dp, unsigned int bucket, unsigned int to)
{
	/* Workers read it relaxed, and act on packets that they get for it: on x86-64 that is enough. */
	__atomic_store_n(&link_state(dp)->steer->owner[bucket], (uint8_t)to, __ATOMIC_RELEASE);
}

static void steer_move(struct dp *dp, unsigned int bucket, unsigned int to)
{
	const struct link_state *state = link_state(dp);
	unsigned int from = state->steer->owner[bucket];

	log_info("link", "bucket moved bucket=%u from=%u to=%u", bucket, from, to);
	if (state->mover != NULL)
		state->mover->move(dp, bucket, from, to);
	else
		link_own_bucket(dp, bucket, to);
}

static bool steer_may_move(struct dp *dp, unsigned int bucket)
{
	const struct bucket_mover *mover = link_state(dp)->mover;

	return mover == NULL || mover->may_move(dp, bucket);
}

static void steer_moved_link(struct link *link, void *ctx)
{
	port_program_steering(ctx, link);
}

/* Packets by bucket since the last time, summed over the workers that steered them. */
static void bucket_loads(const struct dp *dp, uint64_t *seen, uint64_t *load)
{
	for (unsigned int b = 0; b < STEER_BUCKETS; b++) {
		uint64_t sum = 0;

		for (unsigned int i = 0; i < dp->n_workers; i++) {
			const struct link_worker *lw = worker_slot(dp->workers[i], &link_module);

			sum += lw->bucket_packets[b];
		}
		load[b] = sum - seen[b];
		seen[b] = sum;
	}
}

/* The bucket of a worker that carries most, but no more than max. STEER_BUCKETS: none does. */
static unsigned int bucket_find(
	const struct steer *steer, unsigned int owner, const uint64_t *load, uint64_t max)
{
	unsigned int best = STEER_BUCKETS;

	for (unsigned int b = 0; b < STEER_BUCKETS; b++)
		if (steer->owner[b] == owner && load[b] > 0 && load[b] <= max &&
			(best == STEER_BUCKETS || load[b] > load[best]))
			best = b;
	return best;
}

static json_t *move_row(unsigned int bucket, unsigned int from, unsigned int to)
{
	return json_pack("{s:i, s:i, s:i}", "bucket", bucket, "from", from, "to", to);
}

/* How many packets are worth half of the difference between the two workers. */
static uint64_t packets_to_move(
	const struct dp *dp, const uint64_t *load, unsigned int from, unsigned int to)
{
	const struct steer *steer = link_state(dp)->steer;
	double gap = (dp->load[from].busy - dp->load[to].busy) / 2;
	uint64_t n_from = 0, n_to = 0;

	for (unsigned int b = 0; b < STEER_BUCKETS; b++) {
		n_from += steer->owner[b] == from ? load[b] : 0;
		n_to += steer->owner[b] == to ? load[b] : 0;
	}
	/* A worker that has nothing yet tells nothing about costs: take the other's. */
	if (n_to > 0 && dp->load[to].busy > 0)
		return (uint64_t)(gap / dp->load[to].busy * (double)n_to);
	return dp->load[from].busy > 0 ? (uint64_t)(gap / dp->load[from].busy * (double)n_from) : 0;
}

/* Packets that found no room with each worker since the last time; few of them are no sign of anything. */
static void refused_loads(const struct dp *dp, uint64_t *seen, uint64_t total, uint64_t *refused)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		uint64_t sum = 0;

		for (unsigned int k = 0; k < dp->n_workers; k++)
			sum += dp->workers[k]->refused_by[i];
		refused[i] = sum - seen[i] > total / REFUSED_SHARE ? sum - seen[i] : 0;
		seen[i] = sum;
	}
}

/* Is a worker busier than another one? Whose ring is full is, whatever part of its time it works. */
static bool is_busier(
	const struct dp *dp, const uint64_t *refused, unsigned int worker, unsigned int other)
{
	if (refused[worker] != refused[other])
		return refused[worker] > refused[other];
	return dp->load[worker].busy > dp->load[other].busy;
}

static void workers_by_load(
	const struct dp *dp, const uint64_t *refused, unsigned int *busiest, unsigned int *idlest)
{
	*busiest = *idlest = 0;
	for (unsigned int i = 1; i < dp->n_workers; i++) {
		if (is_busier(dp, refused, i, *busiest))
			*busiest = i;
		if (is_busier(dp, refused, *idlest, i))
			*idlest = i;
	}
}

static void rebalance_auto(struct dp *dp, json_t *rows)
{
	struct link_state *state = link_state(dp);
	uint64_t load[STEER_BUCKETS], refused[WORKER_MAX], total = 0, left = 0;
	unsigned int from, to, bucket;

	bucket_loads(dp, state->bucket_seen, load);
	for (unsigned int b = 0; b < STEER_BUCKETS; b++)
		total += load[b];
	refused_loads(dp, state->refused_seen, total, refused);
	for (unsigned int b = 0; total == 0 && b < STEER_BUCKETS; b++)
		load[b] = 1;
	workers_by_load(dp, refused, &from, &to);
	if (refused[from] > refused[to])
		left = (refused[from] - refused[to]) / 2;
	else if (dp->load[to].busy < SATURATED)
		left = packets_to_move(dp, load, from, to);
	while ((bucket = bucket_find(state->steer, from, load, left)) != STEER_BUCKETS) {
		uint64_t carried = load[bucket];

		load[bucket] = 0; /* not again */
		if (!steer_may_move(dp, bucket))
			continue;
		left -= carried;
		steer_move(dp, bucket, to);
		json_array_append_new(rows, move_row(bucket, from, to));
	}
}

struct rebalance_args {
	struct object_head head;
	int64_t bucket, worker;
};

const struct object steer_rebalance_object = {
	.name = "worker",
	.size = sizeof(struct rebalance_args),
	.fields =
		(const struct field[]){
			{ .name = "bucket",
				.type = FIELD_INT,
				.offset = offsetof(struct rebalance_args, bucket),
				.max = STEER_BUCKETS - 1,
				.help = "only this bucket" },
			{ .name = "worker",
				.type = FIELD_INT,
				.offset = offsetof(struct rebalance_args, worker),
				.max = WORKER_MAX - 1,
				.help = "where it goes" },
			{ .type = FIELD_END },
		},
};

int steer_rebalance(struct call *call, const void *args)
{
	bool has_bucket = object_has(&steer_rebalance_object, args, "bucket");
	bool has_worker = object_has(&steer_rebalance_object, args, "worker");
	const struct rebalance_args *a = args;
	struct dp *dp = call->ctx;
	unsigned int from;

	if (has_bucket != has_worker)
		return call_refuse(call, "bucket N and worker N belong together");
	if (has_worker && a->worker >= dp->n_workers)
		return call_refuse(call, "worker: there are %u, from 0 on", dp->n_workers);
	if (has_bucket && !steer_may_move(dp, (unsigned int)a->bucket))
		return call_refuse(call,
			"bucket %u cannot move now: connections are still on their way, or "
			"are being deleted",
			(unsigned int)a->bucket);
	call->result = json_array();
	if (has_bucket) {
		from = link_state(dp)->steer->owner[a->bucket];
		steer_move(dp, (unsigned int)a->bucket, (unsigned int)a->worker);
		json_array_append_new(call->result,
			move_row((unsigned int)a->bucket, from, (unsigned int)a->worker));
	} else {
		rebalance_auto(dp, call->result);
	}
	link_each(dp, steer_moved_link, dp);
	return 0;
}

const struct column steer_rebalance_columns[] = {
	{ .path = "bucket", .title = "BUCKET" },
	{ .path = "from", .title = "FROM" },
	{ .path = "to", .title = "TO" },
	{ .title = NULL },
};
