/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections move with their bucket. The order of things makes it safe while packets come in:
 *
 *   control   says that the bucket has moved and who gives, then that it has a new owner, then tells the giver
 *   giver     a few in each pass: copies connections into a parcel, puts that into the new owner's hand-over
 *             ring and forgets them; last an empty parcel. Nothing is ever in two tables, or in none that
 *             is asked: who looks for one that is on its way goes through the same ring, behind it
 *   taker     the stage `flow_take`, above all that look up connections
 *   control   when all is taken, and packets that went to the old owner are through: all is settled
 *
 * A connection whose answers are steered by another bucket stays: a translation, mostly, whose port was
 * kept. Only the owner of the answers' bucket may have it, since only who knows all that is in use there
 * can give ports away. It is found by asking: a packet that the owner of a moved bucket does not know goes
 * round those workers that have connections in it (flow_table.n_in_bucket) or give any away, back to the
 * owner if nobody knows it. That ends, and the bucket is like any other again, when no other worker has
 * any. Until then no answers are translated into it (flow_bucket_is_mine()).
 *
 * What finds no room in the new owner's table stays, too.
 */
#include "dp/trace.h"
#include "flow/flow_priv.h"

enum {
	PARCEL_FLOWS = 8,	/* given in one pass */
	PARCELS_AHEAD = 8,	/* in a ring and not yet taken, by giver and taker */
	SETTLE_NS = 1000000000, /* by then rings and queues have been emptied many times */
};

/* In the data room of a packet buffer. */
struct parcel {
	uint8_t family; /* FLOW_IP4, FLOW_IP6 */
	uint8_t giver;
	uint8_t bucket;
	bool is_last;
	uint32_t n;
	char records[];
};

/* Asking */

/*
 * May it have connections of a bucket that it does not own? Or have had: what it gives away is steered by two
 * buckets, and only one of them needs to be moving.
 */
static bool has_some(const struct flow_worker *fw, const struct worker *other, unsigned int bucket)
{
	const struct flow_worker *that = flow_worker(other);

	if (__atomic_load_n(&fw->state->moves.n_giving[other->id], __ATOMIC_RELAXED) != 0)
		return true;
	for (unsigned int family = 0; family < FLOW_N_FAMILIES; family++)
		if (__atomic_load_n(&that->table[family].n_in_bucket[bucket], __ATOMIC_RELAXED) !=
			0)
			return true;
	return false;
}

bool flow_bucket_is_moved(const struct flow_worker *fw, unsigned int bucket)
{
	return __atomic_load_n(&fw->state->moves.is_moved[bucket], __ATOMIC_RELAXED) != 0;
}

unsigned int flow_ask(struct flow_worker *fw, struct pkt_meta *meta, unsigned int bucket)
{
	unsigned int owner = flow_bucket_owner(fw, bucket), self = fw->w->id, next = self + 1;

	if (fw->w->is_scratch)
		return self;
	if (!(meta->flags & PKT_ASKED)) {
		if (self != owner)
			return owner;
		if (!flow_bucket_is_moved(fw, bucket))
			return self;
		meta->flags |= PKT_ASKED;
		next = 0;
	} else if (self == owner) {
		return self;
	}
	for (; next < fw->w->dp->n_workers; next++)
		if (next != owner && has_some(fw, fw->w->dp->workers[next], bucket))
			return next;
	return owner;
}

/* Giving */

/* For what all others may have put into its ring, and as much again for new connections as one may. */
static bool has_room(const struct worker *to, unsigned int family)
{
	const struct flow_table *table = &flow_worker(to)->table[family];
	uint32_t room = to->dp->n_workers * PARCEL_FLOWS * PARCELS_AHEAD;

	return __atomic_load_n(&table->n_used, __ATOMIC_RELAXED) + room <
	       __atomic_load_n(&table->limit, __ATOMIC_RELAXED);
}

/* Answers to translated ICMP queries find this worker by the identifier that it has given away. */
static bool may_go(const struct flow_worker *fw, const struct flow_table *table, uint32_t index,
	unsigned int to)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, index);

	if (flow_is_icmp(verdict->proto) && (verdict->status & FLOW_NAT))
		return false;
	return flow_bucket_owner(fw, table->cold[index].bucket[FLOW_REPLY]) == to;
}

/* Connections of the parcel's bucket, n_max at most, and their entries. False: there are no more. */
static bool parcel_fill(struct flow_worker *fw, struct parcel *parcel, unsigned int n_max,
	const struct worker *to, uint32_t *indices)
{
	struct flow_table *table = &fw->table[parcel->family];
	size_t size = flow_record_size(table->family);
	bool is_room = has_room(to, parcel->family);
	uint32_t next, index = table->list[parcel->bucket];

	for (unsigned int i = 0; index != 0 && i < n_max; i++, index = next) {
		next = table->cold[index].list_next;
		if (!is_room || !may_go(fw, table, index, to->id)) {
			flow_table_leave(table, index);
			continue;
		}
		flow_table_read(table, index, parcel->records + parcel->n * size);
		indices[parcel->n++] = index;
	}
	return table->list[parcel->bucket] != 0;
}

/* What comes next of that bucket, if there is room in the ring: some connections, or the end. */
static void give_parcel(
	struct flow_worker *fw, struct rte_mbuf *m, unsigned int bucket, struct worker *to)
{
	struct parcel *parcel = m->buf_addr;
	unsigned int n, n_max = (m->buf_len - sizeof(*parcel)) / FLOW_RECORD_MAX;
	uint32_t indices[PARCEL_FLOWS];
	uint8_t family = FLOW_IP4;

	*pkt_meta(m) = (struct pkt_meta){ .flags = PKT_ORIGINATED };
	for (; family < FLOW_N_FAMILIES; family++) {
		*parcel = (struct parcel){
			.family = family, .giver = (uint8_t)fw->w->id, .bucket = (uint8_t)bucket
		};
		if (parcel_fill(
			    fw, parcel, RTE_MIN(n_max, (unsigned int)PARCEL_FLOWS), to, indices) ||
			parcel->n > 0)
			break;
	}
	n = parcel->n;
	parcel->is_last = family == FLOW_N_FAMILIES;
	if ((n == 0 && !parcel->is_last) || !worker_try_hand_over(to, fw->w, fw->take_stage, m)) {
		rte_pktmbuf_free(m);
		return;
	}
	/* From here on the parcel is the other's. */
	fw->w->stats.originated++;
	fw->giving.n_given[to->id]++;
	fw->n_given += n;
	for (unsigned int i = 0; i < n; i++)
		flow_forget(fw, &fw->table[family], indices[i]);
	if (family == FLOW_N_FAMILIES)
		fw->giving.buckets[bucket / 64] &= ~(UINT64_C(1) << bucket % 64);
}

bool flow_is_giving(const struct flow_worker *fw)
{
	return (fw->giving.buckets[0] | fw->giving.buckets[1]) != 0;
}

void flow_give(struct flow_worker *fw)
{
	struct flow_giving *giving = &fw->giving;
	unsigned int bucket = giving->buckets[0] != 0
				      ? (unsigned int)__builtin_ctzll(giving->buckets[0])
				      : 64 + (unsigned int)__builtin_ctzll(giving->buckets[1]);
	struct worker *to = fw->w->dp->workers[giving->to[bucket]];
	uint32_t n_taken =
		__atomic_load_n(&flow_worker(to)->n_taken_of[fw->w->id], __ATOMIC_RELAXED);
	struct rte_mbuf *m;

	if (giving->n_given[to->id] - n_taken >= PARCELS_AHEAD)
		return;
	m = rte_pktmbuf_alloc(fw->w->pool);
	if (m != NULL)
		give_parcel(fw, m, bucket, to);
}

static void on_give(void *receiver, const struct mail *mail)
{
	struct flow_giving *giving = &flow_worker(receiver)->giving;
	unsigned int bucket = (unsigned int)mail->arg[0];

	static_assert(STEER_BUCKETS == 128, "two words");
	giving->to[bucket] = (uint8_t)mail->arg[1];
	giving->buckets[bucket / 64] |= UINT64_C(1) << bucket % 64;
}

/* Taking: flow_take */

static void take_record(struct flow_worker *fw, struct flow_table *table, const void *record)
{
	uint32_t index = flow_alloc(fw, table);
	struct flow_first f;

	if (index != FLOW_NONE && !flow_table_write(table, index, record, flow_now(fw))) {
		flow_table_unalloc(table, index);
		index = FLOW_NONE;
	}
	if (index == FLOW_NONE) {
		fw->n_lost++;
		return;
	}
	flow_first_of(table, index, &f);
	table->cold[index].source = flow_source_get(fw, &f);
	if ((f.status & FLOW_NAT) && fw->state->observer != NULL)
		fw->state->observer->made(fw->w, &f);
	fw->n_taken++;
}

static void take_parcel(struct flow_worker *fw, const struct parcel *parcel)
{
	struct flow_table *table = &fw->table[parcel->family];
	struct flow_moves *moves = fw->moves;
	uint32_t *n_taken = &fw->n_taken_of[parcel->giver];

	if (parcel->is_last) {
		/* Pairs with the acquire in settle(). */
		__atomic_store_n(&moves->is_taken[parcel->bucket], true, __ATOMIC_RELEASE);
	} else {
		for (uint32_t i = 0; i < parcel->n; i++)
			take_record(
				fw, table, parcel->records + i * flow_record_size(table->family));
	}
	__atomic_store_n(n_taken, *n_taken + 1, __ATOMIC_RELAXED);
}

static void take_run(struct worker *w, struct stage_node *node)
{
	for (uint32_t i = 0; i < node->n; i++)
		take_parcel(flow_worker(w), node->pkts[i]->buf_addr);
	w->stats.consumed += node->n;
	rte_pktmbuf_free_bulk(node->pkts, node->n);
}

static void take_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "connections of another worker");
}

const struct stage flow_take_stage = {
	.name = "flow_take",
	.help = "takes in connections whose bucket has moved here",
	.run = take_run,
	.format = take_format,
};

/* Control thread */

static void set_giving(struct flow_moves *moves, unsigned int worker, int one)
{
	static_assert(STEER_BUCKETS <= UINT8_MAX, "n_giving");
	__atomic_store_n(&moves->n_giving[worker], (uint8_t)(moves->n_giving[worker] + one),
		__ATOMIC_RELAXED);
}

static bool may_move(struct dp *dp, unsigned int bucket)
{
	const struct flow_control *state = dp_slot(dp, &flow_module);

	/* A deletion sees one worker's connections after the other's: none may change sides meanwhile. */
	return TAILQ_EMPTY(&state->deletions) && state->moves.giver[bucket] == 0 &&
	       dp->now_ns >= state->moves.settled_ns[bucket];
}

static void move(struct dp *dp, unsigned int bucket, unsigned int from, unsigned int to)
{
	const struct mail mail = { .fn = on_give, .arg = { bucket, to } };
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_moves *moves = &state->moves;

	if (!state->has_tables || from == to) {
		link_own_bucket(dp, bucket, to);
		return;
	}
	moves->n += !moves->is_moved[bucket];
	__atomic_store_n(&moves->is_taken[bucket], false, __ATOMIC_RELAXED);
	moves->giver[bucket] = (uint8_t)(from + 1);
	set_giving(moves, from, 1);
	__atomic_store_n(&moves->is_moved[bucket], true, __ATOMIC_RELAXED);
	/* Its release: who sees the new owner sees these. */
	link_own_bucket(dp, bucket, to);
	dp_mail(dp, dp->workers[from], &mail);
}

static bool is_left_behind(const struct dp *dp, unsigned int bucket)
{
	const struct flow_worker *first = flow_worker(dp->workers[0]);

	for (unsigned int i = 0; i < dp->n_workers; i++)
		if (i != flow_bucket_owner(first, bucket) &&
			has_some(first, dp->workers[i], bucket))
			return true;
	return false;
}

static void settle(struct dp *dp, struct flow_moves *moves, unsigned int bucket)
{
	if (moves->giver[bucket] != 0) {
		/* Pairs with the release in take_parcel(). */
		if (!__atomic_load_n(&moves->is_taken[bucket], __ATOMIC_ACQUIRE))
			return;
		set_giving(moves, moves->giver[bucket] - 1u, -1);
		moves->giver[bucket] = 0;
		moves->settled_ns[bucket] = dp->now_ns + SETTLE_NS;
	}
	if (dp->now_ns < moves->settled_ns[bucket] || is_left_behind(dp, bucket))
		return;
	__atomic_store_n(&moves->is_moved[bucket], false, __ATOMIC_RELAXED);
	moves->n--;
}

bool flow_are_moving(const struct dp *dp)
{
	const struct flow_control *state = dp_slot(dp, &flow_module);

	for (unsigned int i = 0; i < dp->n_workers; i++)
		if (state->moves.n_giving[i] != 0)
			return true;
	return false;
}

void flow_moves_tick(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	for (unsigned int bucket = 0; state->moves.n > 0 && bucket < STEER_BUCKETS; bucket++)
		if (state->moves.is_moved[bucket])
			settle(dp, &state->moves, bucket);
}

const struct bucket_mover flow_bucket_mover = { .may_move = may_move, .move = move };
