/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * `worker rebalance` evens out how busy workers are. It takes buckets from the busiest worker for
 * the idlest one: as many packets as half of the difference is worth at what a packet costs there.
 * A worker whose hand-over queue had no room is busier than any: it loses buckets with half of what was refused.
 * Where hardware steers nobody counts packets by bucket; then all buckets of a worker count alike.
 *
 * Who polls a queue for others may be busy all the time, and to hand a packet over may cost it more than to
 * forward it: busy time does not tell whether a move was good. While a worker has no time left, the packets that
 * all of them get done tell: if they are fewer than before, the buckets go back, and at most half as
 * many packets move the next time. Control thread.
 */
#include <string.h>

#include "link/link_priv.h"
#include "link/steer.h"

enum {
	REFUSED_SHARE = 100, /* of all packets, one in so many */
	TRY_SHARE = 16,	     /* likewise, what is moved to see whether more gets done */
};
#define SATURATED 0.95 /* who is that busy takes no more: its own packets would suffer */
#define HARM	  0.98 /* fewer packets than this part of those before: more than the noise */

/* What was seen since the last time. */
struct seen {
	uint64_t load[STEER_BUCKETS], total; /* packets */
	bool is_steered;		     /* by us, and so counted */
	uint64_t refused[WORKER_MAX];	     /* those that found no room with a worker */
};

/* Summed over the workers that steered them. One of each if none did: hardware steers. */
static void bucket_loads(const struct dp *dp, uint64_t *before, struct seen *seen)
{
	seen->total = 0;
	for (unsigned int b = 0; b < STEER_BUCKETS; b++) {
		uint64_t sum = 0;

		for (unsigned int i = 0; i < dp->n_workers; i++) {
			const struct link_worker *lw = worker_slot(dp->workers[i], &link_module);

			sum += lw->bucket_packets[b];
		}
		seen->load[b] = sum - before[b];
		seen->total += seen->load[b];
		before[b] = sum;
	}
	seen->is_steered = seen->total > 0;
	if (seen->is_steered)
		return;
	seen->total = STEER_BUCKETS;
	for (unsigned int b = 0; b < STEER_BUCKETS; b++)
		seen->load[b] = 1;
}

/* Few of them are no sign of anything. */
static void refused_loads(const struct dp *dp, uint64_t *before, struct seen *seen)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		uint64_t sum = 0, n;

		for (unsigned int k = 0; k < dp->n_workers; k++)
			sum += dp->workers[k]->refused_by[i];
		n = sum - before[i];
		seen->refused[i] = n > seen->total / REFUSED_SHARE ? n : 0;
		before[i] = sum;
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

static void rebalance_move(struct dp *dp, json_t *rows, unsigned int bucket, unsigned int to)
{
	unsigned int from = link_state(dp)->steer->owner[bucket];

	steer_move(dp, bucket, to);
	json_array_append_new(rows, move_row(bucket, from, to));
}

/* Has it time for more? Who finds something in each pass may have, if nothing queues up: it finds a little. */
static bool has_room(const struct dp *dp, const struct seen *seen, unsigned int worker)
{
	return dp->load[worker].busy < SATURATED ||
	       (seen->is_steered && worker_waiting(dp->workers[worker]) < WORKER_HANDOVER_SIZE / 8);
}

/* Evened out, or tried, when that makes no difference that busy time would show. */
static uint64_t packets_to_give(
	const struct dp *dp, const struct seen *seen, unsigned int from, unsigned int to)
{
	uint64_t n = packets_to_move(dp, seen->load, from, to);

	if (from == to || !has_room(dp, seen, to))
		return 0;
	if (seen->is_steered && dp->load[from].busy >= SATURATED)
		n = RTE_MAX(n, seen->total / TRY_SHARE);
	return n;
}

/* What all workers get done, packets a second; 0 while each of them has time left. */
static double rate_at_limit(const struct dp *dp)
{
	bool is_saturated = false;
	double sum = 0;

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		sum += dp->load[i].rate;
		is_saturated |= dp->load[i].busy >= SATURATED;
	}
	return is_saturated ? sum : 0;
}

/* Were moves since the best division so far for the worse? */
static bool was_harm(const struct dp *dp, struct rebalance *best, double rate)
{
	double before = best->rate;

	if (rate == 0) {
		best->rate = 0;
		best->step = 1;
		return false;
	}
	if (before == 0 || dp->load_ns < best->moved_ns + DP_LOAD_NS)
		return false;
	if (rate >= before) {
		best->rate = 0; /* it is no longer the best */
		best->step = RTE_MIN(2 * best->step, 1);
	}
	return rate < HARM * before;
}

static void take_back(struct dp *dp, struct rebalance *best, const struct seen *seen, json_t *rows)
{
	uint64_t taken = 0;

	for (unsigned int b = 0; b < STEER_BUCKETS; b++)
		if (link_state(dp)->steer->owner[b] != best->owner[b] && steer_may_move(dp, b)) {
			rebalance_move(dp, rows, b, best->owner[b]);
			taken += seen->load[b];
		}
	if (taken > 0)
		best->step = (double)taken / (double)seen->total / 2;
	best->rate = 0;
}

static void even_out(struct dp *dp, double step, struct seen *seen, json_t *rows)
{
	const uint64_t *refused = seen->refused;
	unsigned int from, to, bucket;
	uint64_t left = 0;

	workers_by_load(dp, refused, &from, &to);
	if (refused[from] > refused[to])
		left = (refused[from] - refused[to]) / 2;
	else
		left = packets_to_give(dp, seen, from, to);
	left = RTE_MIN(left, (uint64_t)(step * (double)seen->total));
	while ((bucket = bucket_find(link_state(dp)->steer, from, seen->load, left)) !=
		STEER_BUCKETS) {
		uint64_t carried = seen->load[bucket];

		seen->load[bucket] = 0; /* not again */
		if (!steer_may_move(dp, bucket))
			continue;
		left -= carried;
		rebalance_move(dp, rows, bucket, to);
	}
}

static void rebalance_auto(struct dp *dp, json_t *rows)
{
	struct rebalance *best = &link_state(dp)->rebalance;
	struct steer before = *link_state(dp)->steer;
	double rate = rate_at_limit(dp);
	struct seen seen;

	bucket_loads(dp, best->bucket_seen, &seen);
	refused_loads(dp, best->refused_seen, &seen);
	if (was_harm(dp, best, rate)) {
		take_back(dp, best, &seen, rows);
		return;
	}
	even_out(dp, best->step, &seen, rows);
	if (json_array_size(rows) == 0)
		return;
	best->moved_ns = dp->now_ns;
	if (best->rate == 0) {
		best->rate = rate;
		memcpy(best->owner, before.owner, sizeof(best->owner));
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

static void steer_moved_link(struct link *link, void *ctx)
{
	port_program_steering(ctx, link);
}

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
		link_state(dp)->rebalance.rate = 0; /* whatever comes of it was wanted */
		link_state(dp)->rebalance.step = 1;
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
