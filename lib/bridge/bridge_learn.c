/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How bridges learn (IEEE 802.1D 7.8) without locks: a worker that sees a station it does not find behind the
 * member it came from tells the control thread through a ring of its own; that alone writes the database. A
 * worker does not tell the same thing again for a while, and the ring is bounded, so that a flood of invented
 * addresses costs the control thread a bounded part of its time; what finds no room is told by a later frame.
 *
 * Ageing goes through the tables in small parts.
 */
#include "bridge/bridge_priv.h"

#include "link/link.h"

enum {
	TELL_AGAIN_MS = 20,
	LEARN_AT_ONCE =
		1024, /* news that one wake-up takes from each worker; the rest is for the tick */
	AGE_LINES = 256, /* looked at in one tick */
};

/* The worker's side */

static void learn_on_mail(void *receiver, const struct mail *mail)
{
	struct dp *dp = receiver;

	(void)mail;
	bridge_learn(dp, LEARN_AT_ONCE);
}

void bridge_tell(struct worker *w, struct bridge_worker *bw, uint64_t key, uint16_t in_link)
{
	struct bridge_told *told =
		&bw->told[hash_mix(key, UINT64_C(0x9e3779b97f4a7c15)) % BRIDGE_TOLD];
	const struct bridge_news news = { .key = key, .ifindex = in_link };
	const struct mail mail = { .fn = learn_on_mail };

	if (told->key == key && told->ifindex == in_link && w->now - told->at < bw->told_for)
		return;
	if (w->is_scratch)
		return;
	if (rte_ring_sp_enqueue_elem(bw->news, (void *)(uintptr_t)&news, sizeof(news)) != 0)
		return;
	*told = (struct bridge_told){ .key = key, .at = w->now, .ifindex = in_link };
	/* Pairs with the exchange in learn_from(). Without room for the mail the tick will look. */
	if (!atomic_exchange_explicit(&bw->is_awaited, true, memory_order_acq_rel) &&
		!worker_tell(w, &mail))
		atomic_store_explicit(&bw->is_awaited, false, memory_order_relaxed);
}

/* The control thread's side */

/* An entry goes: its member has one less. */
void bridge_forget_one(
	struct bridge_state *state, struct fdb *fdb, uint64_t key, const struct fdb_value *value)
{
	struct bridge_member *member = state->members[value->ifindex];

	if (member != NULL && value->flags == 0)
		member->n_learned--;
	fdb_remove(fdb, key);
}

static bool member_is_full(const struct bridge_member *member)
{
	return member->n_max != 0 && member->n_learned >= member->n_max;
}

static void learn_one(struct dp *dp, const struct bridge_news *news)
{
	struct bridge_state *state = bridge_state(dp);
	struct bridge_member *member = state->members[news->ifindex], *before;
	const struct fdb_value now = { .ifindex = (uint16_t)news->ifindex, .seen_s = state->now_s };
	struct fdb_value known;
	struct bridge *bridge;

	/* It may have left since. */
	if (member == NULL || !member->link->is_up)
		return;
	bridge = bridge_of(member->link->master);
	known = fdb_get(bridge->fdb, news->key);
	if (known.ifindex == news->ifindex || known.flags != 0)
		return;
	if (member_is_full(member) || bridge_put(dp, bridge, news->key, &now) < 0)
		return;
	before = state->members[known.ifindex];
	if (known.ifindex != 0 && before != NULL)
		before->n_learned--;
	member->n_learned++;
}

static void learn_from(struct dp *dp, struct bridge_worker *bw, unsigned int max)
{
	struct bridge_news news;

	/* First: what comes behind the last one read is told anew. Pairs with bridge_tell(). */
	atomic_exchange_explicit(&bw->is_awaited, false, memory_order_acq_rel);
	for (unsigned int i = 0; i < max; i++) {
		if (rte_ring_sc_dequeue_elem(bw->news, &news, sizeof(news)) != 0)
			return;
		learn_one(dp, &news);
	}
	/* There may be more, which the tick takes: nobody need tell of them. */
	atomic_store_explicit(&bw->is_awaited, true, memory_order_relaxed);
}

void bridge_learn(struct dp *dp, unsigned int max)
{
	for (unsigned int i = 0; i < dp->n_workers; i++)
		learn_from(dp, worker_slot(dp->workers[i], &bridge_module), max);
}

struct age_walk {
	struct bridge_state *state;
	uint32_t ageing_s;
};

static void age_one(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	const struct age_walk *walk = ctx;

	if (value->flags == 0 && walk->state->now_s - value->seen_s > walk->ageing_s)
		bridge_forget_one(walk->state, fdb, key, value);
}

void bridge_age(struct bridge_state *state, struct bridge *bridge)
{
	struct age_walk walk = { .state = state, .ageing_s = bridge->ageing_s };

	fdb_walk(bridge->fdb, &bridge->age_at, AGE_LINES, age_one, &walk);
}

struct forget_walk {
	struct bridge_state *state;
	uint16_t ifindex;
	bool is_static;
};

static void forget_one(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	const struct forget_walk *walk = ctx;

	if (value->ifindex == walk->ifindex && !(value->flags & FDB_LOCAL) &&
		(walk->is_static || value->flags == 0))
		bridge_forget_one(walk->state, fdb, key, value);
}

void bridge_forget(
	struct bridge_state *state, struct bridge *bridge, const struct link *link, bool is_static)
{
	struct forget_walk walk = {
		.state = state,
		.ifindex = link->ifindex,
		.is_static = is_static,
	};

	fdb_each(bridge->fdb, forget_one, &walk);
}

struct fit_walk {
	struct bridge_state *state;
	const struct bridge *bridge;
	uint16_t ifindex;
};

static void forget_unfit(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	const struct fit_walk *walk = ctx;
	const struct bridge_port *port = &walk->state->ports[walk->ifindex];
	uint16_t vid = fdb_key_vid(key);
	bool fits = walk->bridge->dp->is_filtering ? bridge_vlans_have(port->vlans, vid) : vid == 0;

	if (value->ifindex == walk->ifindex && !(value->flags & FDB_LOCAL) && !fits)
		bridge_forget_one(walk->state, fdb, key, value);
}

void bridge_forget_unfit(struct bridge_state *state, struct bridge *bridge, const struct link *link)
{
	struct fit_walk walk = { .state = state, .bridge = bridge, .ifindex = link->ifindex };

	fdb_each(bridge->fdb, forget_unfit, &walk);
}

struct mac_walk {
	struct bridge_state *state;
	uint64_t mac;
};

static void forget_mac(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	const struct mac_walk *walk = ctx;

	if (fdb_key_mac(key) == walk->mac && !(value->flags & FDB_LOCAL))
		bridge_forget_one(walk->state, fdb, key, value);
}

void bridge_forget_mac(struct bridge_state *state, struct bridge *bridge, uint64_t mac)
{
	struct mac_walk walk = { .state = state, .mac = mac };

	fdb_each(bridge->fdb, forget_mac, &walk);
}

int bridge_worker_init(struct dp *dp, struct worker *w)
{
	struct bridge_worker *bw = worker_slot(w, &bridge_module);
	struct bridge_state *state = bridge_state(dp);

	bw->news = worker_ring_create(w, "bridge_news", sizeof(struct bridge_news), BRIDGE_NEWS,
		RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (bw->news == NULL)
		return -ENOMEM;
	bw->ports = state->ports;
	bw->links = link_dp_table(dp);
	bw->input_link = link_of_inputs(w);
	bw->now_s = &state->now_s;
	bw->told_for = dp->tsc_hz / 1000 * TELL_AGAIN_MS;
	return 0;
}

void bridge_worker_fini(struct dp *dp, struct worker *w)
{
	struct bridge_worker *bw = worker_slot(w, &bridge_module);

	rte_ring_free(bw->news);
}
