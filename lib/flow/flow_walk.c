/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Walks over the tables (flow_walk.h) and copies of connections. The worker's half, which reads and ends
 * entries, runs from mail: at most FLOW_SLICE_ENTRIES are looked at in one go, so that packets wait no
 * longer than for one of the usual passes. The answer is a flag in the walk; the mail that follows it
 * carries nothing, so that one that finds the ring full is not missed.
 *
 * The other half is the control thread's. A walk is in one place only: with its owner, or with a worker.
 */
#include "flow/flow_walk.h"

#include <stdlib.h>

#include "base/mem.h"
#include "flow/flow_priv.h"

/* The worker's half */

static uint64_t wide(uint32_t low, uint16_t high)
{
	return low | (uint64_t)high << 32;
}

void flow_info_read(
	const struct flow_table *table, uint32_t index, uint32_t now, struct flow_info *info)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, index);
	const struct flow_hot *hot = flow_hot_at(table, index);
	const struct flow_cold *cold = &table->cold[index];

	*info = (struct flow_info){
		.left_ms = flow_table_left(table, index, now) * UINT64_C(100),
		.mark = verdict->mark,
		.ns = verdict->ns,
		.status = verdict->status,
		.family = table->family,
		.proto = verdict->proto,
		.tcp_state = verdict->proto == IPPROTO_TCP ? hot->tcp.state : TCP_STATE_NONE,
	};
	static_assert(FLOW_TICK_MS == 100, "left_ms");
	for (unsigned int dir = 0; dir < 2; dir++) {
		flow_tuple_at(table, index, dir, &info->tuple[dir]);
		info->packets[dir] =
			wide((uint32_t)(hot->count[dir] >> 32), cold->packets_high[dir]);
		info->bytes[dir] = wide((uint32_t)hot->count[dir], cold->bytes_high[dir]);
	}
}

static bool addr_is_in(const union flow_addr *addr, const struct ip_prefix *prefix)
{
	unsigned int n_bytes = prefix->len / 8, n_bits = prefix->len % 8;

	if (memcmp(addr->bytes, prefix->addr.bytes, n_bytes) != 0)
		return false;
	return n_bits == 0 ||
	       ((addr->bytes[n_bytes] ^ prefix->addr.bytes[n_bytes]) >> (8 - n_bits)) == 0;
}

static bool tuple_matches(
	const struct flow_info *info, const struct flow_filter *filter, enum flow_dir dir)
{
	const struct flow_tuple *tuple = &info->tuple[dir];
	const union flow_addr *addrs[2] = { &tuple->src, &tuple->dst };
	uint16_t ports_be[2] = { tuple->sport_be, tuple->dport_be };

	for (unsigned int i = 0; i < 2; i++) {
		const struct ip_prefix *prefix = &filter->addr[dir][i];
		int32_t port = filter->port[dir][i];

		if (prefix->addr.family != 0 &&
			(prefix->addr.family != info->family || !addr_is_in(addrs[i], prefix)))
			return false;
		if (port >= 0 &&
			(!parse_has_ports(info->proto) || rte_be_to_cpu_16(ports_be[i]) != port))
			return false;
	}
	return true;
}

static bool info_matches(const struct flow_info *info, const struct flow_filter *filter)
{
	if (filter->family != 0 && filter->family != info->family)
		return false;
	if (filter->proto >= 0 && filter->proto != info->proto)
		return false;
	if (filter->tcp_state >= 0 &&
		(info->proto != IPPROTO_TCP || filter->tcp_state != info->tcp_state))
		return false;
	if (filter->has_mark && filter->mark != info->mark)
		return false;
	if ((info->status & filter->status_mask) != filter->status)
		return false;
	return tuple_matches(info, filter, FLOW_ORIG) && tuple_matches(info, filter, FLOW_REPLY);
}

static void walk_one(struct flow_worker *fw, struct flow_walk *walk, struct flow_table *table)
{
	struct flow_info *info = &walk->rows[walk->n];

	flow_info_read(table, walk->next, flow_now(fw), info);
	if (!info_matches(info, &walk->filter))
		return;
	walk->n++;
	if (walk->is_deleting)
		flow_end(fw, table, walk->next);
}

static void walk_slice(struct flow_worker *fw, struct flow_walk *walk)
{
	struct flow_table *table = &fw->table[walk->family];
	uint32_t end = RTE_MIN(table->n_fresh, walk->next + FLOW_SLICE_ENTRIES);

	for (; walk->next < end && walk->n < FLOW_SLICE_ROWS; walk->next++)
		if (table->cold[walk->next].is_used)
			walk_one(fw, walk, table);
	if (walk->next < table->n_fresh)
		return;
	/* On with the next table; 0 is no entry. */
	walk->next = 1;
	walk->family++;
}

static void walk_lookup(struct flow_worker *fw, struct flow_walk *walk)
{
	const struct flow_table *table = &fw->table[walk->family];
	uint32_t ref =
		flow_table_lookup(table, &walk->tuple, (uint8_t)walk->filter.proto, NS_DEFAULT);

	if (ref != FLOW_NONE)
		flow_info_read(table, ref >> 1, flow_now(fw), &walk->rows[walk->n++]);
}

static void on_answer(void *receiver, const struct mail *mail)
{
	flow_walks_collect(receiver);
}

static void on_walk(void *receiver, const struct mail *mail)
{
	struct worker *w = receiver;
	struct flow_walk *walk = (struct flow_walk *)(uintptr_t)mail->arg[0];
	const struct mail answer = { .fn = on_answer };

	if (walk->is_lookup)
		walk_lookup(flow_worker(w), walk);
	else
		walk_slice(flow_worker(w), walk);
	/* Pairs with the acquire in flow_walks_collect(): from here on it is not ours. */
	atomic_store_explicit(&walk->is_answered, true, memory_order_release);
	worker_tell(w, &answer);
}

/* The control thread's half */

void flow_filter_init(struct flow_filter *filter)
{
	*filter = (struct flow_filter){
		.port = { { -1, -1 }, { -1, -1 } }, .proto = -1, .tcp_state = -1
	};
}

struct flow_walk *flow_walk_create(struct dp *dp, const struct flow_filter *filter,
	void (*answered)(struct flow_walk *walk), void *owner)
{
	struct flow_walk *walk = mem_zalloc(sizeof(*walk));

	walk->dp = dp;
	walk->filter = *filter;
	walk->answered = answered;
	walk->owner = owner;
	walk->next = 1;
	return walk;
}

struct flow_walk *flow_lookup_create(struct dp *dp, unsigned int worker,
	const struct flow_first *sought, void (*answered)(struct flow_walk *walk), void *owner)
{
	const struct flow_filter filter = { .proto = sought->proto };
	struct flow_walk *walk = flow_walk_create(dp, &filter, answered, owner);

	walk->is_lookup = true;
	walk->tuple = sought->orig;
	walk->worker = (uint16_t)worker;
	walk->family = sought->family == AF_INET6 ? FLOW_IP6 : FLOW_IP4;
	return walk;
}

bool flow_walk_step(struct flow_walk *walk)
{
	struct flow_control *state = dp_slot(walk->dp, &flow_module);
	const struct mail mail = { .fn = on_walk, .arg = { (uintptr_t)walk } };

	RTE_ASSERT(!walk->is_mailed);
	walk->n = 0;
	if (walk->family == FLOW_N_FAMILIES) {
		walk->family = 0;
		walk->worker++;
	}
	if (!state->has_tables || walk->worker == walk->dp->n_workers)
		return false;
	walk->is_mailed = true;
	atomic_store_explicit(&walk->is_answered, false, memory_order_relaxed);
	TAILQ_INSERT_TAIL(&state->walks, walk, link);
	dp_mail(walk->dp, walk->dp->workers[walk->worker], &mail);
	return true;
}

void flow_walk_destroy(struct flow_walk *walk)
{
	if (walk == NULL)
		return;
	if (walk->is_mailed)
		walk->is_abandoned = true;
	else
		free(walk);
}

static void walk_take(struct flow_walk *walk, uint16_t worker)
{
	walk->is_mailed = false;
	if (walk->is_abandoned) {
		free(walk);
		return;
	}
	for (unsigned int i = 0; i < walk->n; i++)
		walk->rows[i].worker = worker;
	walk->n_deleted += walk->is_deleting ? walk->n : 0;
	walk->answered(walk);
}

void flow_walks_collect(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_walk *walk = TAILQ_FIRST(&state->walks);

	while (walk != NULL) {
		struct flow_walk *next = TAILQ_NEXT(walk, link);

		/* Pairs with the release in on_walk(). */
		if (atomic_load_explicit(&walk->is_answered, memory_order_acquire)) {
			TAILQ_REMOVE(&state->walks, walk, link);
			walk_take(walk, walk->worker);
		}
		walk = next;
	}
}

void flow_walks_fini(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_walk *walk;

	while ((walk = TAILQ_FIRST(&state->walks)) != NULL) {
		TAILQ_REMOVE(&state->walks, walk, link);
		free(walk);
	}
}
