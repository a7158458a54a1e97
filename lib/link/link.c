/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links: the table of struct link, its mirror for workers, administrative state, MTU, carrier.
 * Control thread; workers see link_dp, whose fields change by single stores.
 */
#include "link/link.h"

#include <rte_malloc.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

enum { CARRIER_POLL_MS = 500 };

struct link *link_by_name(const struct dp *dp, const char *name)
{
	const struct link_state *state = link_state(dp);

	for (unsigned int i = 1; i <= state->n_links; i++)
		if (state->links[i] != NULL && strcmp(state->links[i]->name, name) == 0)
			return state->links[i];
	return NULL;
}

struct link *link_by_index(const struct dp *dp, uint16_t ifindex)
{
	return ifindex < LINK_MAX ? link_state(dp)->links[ifindex] : NULL;
}

const char *link_name(const struct dp *dp, uint16_t ifindex)
{
	const struct link *link = link_by_index(dp, ifindex);

	return link != NULL ? link->name : "(gone)";
}

void link_each(const struct dp *dp, void (*fn)(struct link *link, void *ctx), void *ctx)
{
	const struct link_state *state = link_state(dp);

	for (unsigned int i = 1; i <= state->n_links; i++)
		if (state->links[i] != NULL)
			fn(state->links[i], ctx);
}

uint16_t link_input(const struct link *link)
{
	return link->ops == &port_ops ? link->port : link_stacked_input(link->ifindex);
}

struct worker *link_worker(const struct dp *dp, const struct link *link)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct link_worker *lw = worker_slot(dp->workers[i], &link_module);

		if (link->port == LINK_NO_PORT || lw->tx[link->port].queue != LINK_NO_QUEUE)
			return dp->workers[i];
	}
	return dp->workers[0];
}

bool link_is_sent_by(const struct link *link, const struct worker *w)
{
	const struct link_worker *lw = worker_slot(w, &link_module);

	return link->port == LINK_NO_PORT || lw->tx[link->port].queue != LINK_NO_QUEUE;
}

void link_set_shaped(struct dp *dp, struct link *link, bool is_shaped)
{
	link->is_shaped = is_shaped;
	link_publish(dp, link);
}

const struct link_dp *link_dp_table(const struct dp *dp)
{
	return link_state(dp)->table;
}

const uint16_t *link_of_inputs(const struct worker *w)
{
	const struct link_worker *lw = worker_slot(w, &link_module);

	return lw->input_link;
}

const struct link_conf *link_conf_of(const struct config *config, const char *name)
{
	const struct conf_section *links = conf_section(config, "links");

	return name != NULL ? link_conf_find(links, links->n_objects, name) : NULL;
}

bool link_is_configured(const struct config *config, const char *name)
{
	return link_conf_of(config, name) != NULL;
}

const char *link_conf_device(const void *object)
{
	return ((const struct link_conf *)object)->device;
}

/* Ports' depends on more than their flags. */
static enum link_way link_way_of(const struct link *link, uint16_t flags)
{
	if (link->ops == &port_ops)
		return polls_way(link);
	if (flags & LINK_BRIDGED)
		return LINK_WAY_BRIDGE;
	return flags & LINK_STEERED ? LINK_WAY_STEER : LINK_WAY_PLAIN;
}

void link_publish(struct dp *dp, const struct link *link)
{
	struct link_dp *entry = &link_state(dp)->table[link->ifindex];
	uint16_t flags = 0;
	uint64_t match = 0;

	memcpy(&match, link->mac.bytes, sizeof(link->mac.bytes));
	if (link->is_up && !link->is_paused)
		flags |= LINK_UP;
	else
		match |= LINK_NO_MATCH;
	if (link->is_running)
		flags |= LINK_RUNNING;
	if (link->conf->is_promiscuous)
		flags |= LINK_PROMISCUOUS;
	if (link_state(dp)->is_tracked[link->ns])
		flags |= LINK_TRACKED;
	if (link->is_sw_steered)
		flags |= LINK_STEERED;
	flags |= link->ops->flags;
	if (link->master != NULL) {
		flags |= link->master->ops->member_flags;
		__atomic_store_n(&entry->master, link->master->ifindex, __ATOMIC_RELAXED);
	}
	if (link->inserts_vlans)
		flags |= LINK_INSERTS;
	if (link->is_collecting)
		flags |= LINK_COLLECTING;
	if (link->is_shaped)
		flags |= LINK_SHAPED;
	if (link->is_metered && link->ops != &port_ops)
		flags |= LINK_METERED;
	__atomic_store_n(&entry->way, (uint16_t)link_way_of(link, flags), __ATOMIC_RELAXED);
	if (link->ops == &bond_ops)
		__atomic_store_n(&entry->bond, bond_members(link), __ATOMIC_RELEASE);
	if (link->lower != NULL)
		__atomic_store_n(&entry->lower, link->lower->ifindex, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->tpid, (uint16_t)link->conf->tpid, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->vid, (uint16_t)link->conf->vid, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->vlans, link->vlans, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->match, match, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->mtu, link->mtu, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->ns, link->ns, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->port, link->port, __ATOMIC_RELAXED);
	/* Last: a worker that sees the link up sees the rest. */
	__atomic_store_n(&entry->flags, flags, __ATOMIC_RELEASE);
}

void link_follow_carrier(struct dp *dp, struct link *link)
{
	bool is_running;

	if (!link->is_open)
		return;
	is_running = link->ops->has_carrier(dp, link);
	if (is_running == link->is_running)
		return;
	link->is_running = is_running;
	log_notice("link", "carrier link=%s state=%s", link->name, is_running ? "up" : "down");
	link_changed(dp, link);
}

static void link_follow_carrier_below(struct link *link, void *ctx)
{
	link_follow_carrier(ctx, link);
}

struct link_upper_walk {
	const struct link *lower;
	void (*fn)(struct link *link, void *ctx);
	void *ctx;
};

static void link_visit_upper(struct link *link, void *ctx)
{
	const struct link_upper_walk *walk = ctx;

	if (link->lower == walk->lower)
		walk->fn(link, walk->ctx);
}

void link_each_upper(const struct dp *dp, const struct link *lower,
	void (*fn)(struct link *link, void *ctx), void *ctx)
{
	struct link_upper_walk walk = { .lower = lower, .fn = fn, .ctx = ctx };

	if (lower->n_uppers > 0)
		link_each(dp, link_visit_upper, &walk);
	if (lower->master != NULL)
		fn(lower->master, ctx);
}

struct depth_walk {
	const struct dp *dp;
	unsigned int depth;
};

static void find_depth(struct link *link, void *ctx)
{
	struct depth_walk *walk = ctx;

	walk->depth = RTE_MAX(walk->depth, 1 + link_depth(walk->dp, link));
}

unsigned int link_depth(const struct dp *dp, const struct link *link)
{
	struct depth_walk walk = { .dp = dp };

	if (link->lower != NULL)
		find_depth(link->lower, &walk);
	link_each_member(dp, link, find_depth, &walk);
	return walk.depth;
}

struct link *link_bottom(struct link *link)
{
	while (link->lower != NULL)
		link = link->lower;
	return link;
}

void link_changed(struct dp *dp, struct link *link)
{
	link_publish(dp, link);
	if (link->master != NULL)
		link->master->ops->member_changed(dp, link->master, link);
	link_each_upper(dp, link, link_follow_carrier_below, dp);
	dp_publish(dp, EVENT_LINK_CHANGED, link);
}

static void link_follow_tracking(struct link *link, void *ctx)
{
	link_follow_steering(ctx, link);
	link_publish(ctx, link);
}

void link_set_tracked(struct dp *dp, uint16_t ns, bool is_tracked)
{
	link_state(dp)->is_tracked[ns] = is_tracked;
	link_each(dp, link_follow_tracking, dp);
}

void link_set_metered(struct dp *dp, struct link *link, bool is_metered)
{
	if (link->is_metered == is_metered)
		return;
	link->is_metered = is_metered;
	link_publish(dp, link);
	port_follow_exit(dp, link);
}

const struct steer *link_steer(const struct dp *dp)
{
	return link_state(dp)->steer;
}

void link_set_up(struct dp *dp, struct link *link, bool is_up)
{
	if (link->is_up == is_up)
		return;
	link->is_up = is_up;
	log_notice(
		"link", "administrative state link=%s state=%s", link->name, is_up ? "up" : "down");
	link_changed(dp, link);
}

static void link_sum_all(const struct dp *dp, uint16_t ifindex, struct link_counters *out)
{
	*out = (struct link_counters){ 0 };
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct link_worker *lw = worker_slot(dp->workers[i], &link_module);
		const struct link_counters *c = &lw->counters[ifindex];

		out->rx_packets += c->rx_packets;
		out->rx_bytes += c->rx_bytes;
		out->tx_packets += c->tx_packets;
		out->tx_bytes += c->tx_bytes;
		out->rx_dropped += c->rx_dropped;
		out->tx_dropped += c->tx_dropped;
	}
}

void link_sum_counters(const struct dp *dp, const struct link *link, struct link_counters *out)
{
	const struct link_counters *before = &link->counted_before;

	link_sum_all(dp, link->ifindex, out);
	out->rx_packets -= before->rx_packets;
	out->rx_bytes -= before->rx_bytes;
	out->tx_packets -= before->tx_packets;
	out->tx_bytes -= before->tx_bytes;
	out->rx_dropped -= before->rx_dropped;
	out->tx_dropped -= before->tx_dropped;
}

/* The index that has been free for longest: packets under way may still carry one that was in use. 0: none. */
static uint16_t link_choose_index(const struct link_state *state)
{
	for (unsigned int i = 1; i < LINK_MAX; i++) {
		unsigned int ifindex = (state->last + i - 1) % (LINK_MAX - 1) + 1;

		if (state->links[ifindex] == NULL)
			return (uint16_t)ifindex;
	}
	return 0;
}

static const struct link_ops *link_ops_by_kind[LINK_N_KINDS] = {
	[LINK_KIND_PORT] = &port_ops,
	[LINK_KIND_VLAN] = &vlan_ops,
	[LINK_KIND_BOND] = &bond_ops,
};

void link_register_kind(const struct link_ops *ops)
{
	link_ops_by_kind[ops->kind] = ops;
}

const struct link_ops *link_kind_ops(enum link_kind kind)
{
	return link_ops_by_kind[kind];
}

int link_create(struct dp *dp, const struct link_conf *conf, const char *path, struct diag *diag,
	struct link **out)
{
	struct link_state *state = link_state(dp);
	uint16_t ifindex = link_choose_index(state);
	struct link *link;
	int err;

	if (ifindex == 0)
		return diag_error(
			diag, 0, path, "there are %u links, more are not possible", LINK_MAX - 1);
	link = mem_zalloc(sizeof(*link));
	link->ifindex = ifindex;
	link->conf = conf;
	link->ops = link_kind_ops(conf->kind);
	link->mtu = conf->mtu != 0 ? (uint16_t)conf->mtu : LINK_MTU_DEFAULT;
	link->is_up = conf->is_up;
	snprintf(link->name, sizeof(link->name), "%s", conf->name);
	link_sum_all(dp, ifindex, &link->counted_before);
	err = link->ops->open(dp, link, path, diag);
	if (err < 0) {
		free(link);
		return err;
	}
	state->links[ifindex] = link;
	state->last = ifindex;
	state->n_links = RTE_MAX(state->n_links, ifindex);
	link_publish(dp, link);
	if (link->ops->log != NULL)
		link->ops->log(link);
	dp_publish(dp, EVENT_LINK_NEW, link);
	*out = link;
	return 0;
}

static void vlans_free(void *ptr, uint64_t arg)
{
	(void)arg;
	rte_free(ptr);
}

/* What workers read of it is as of no link. */
static void link_destroy(struct dp *dp, struct link *link)
{
	struct link_state *state = link_state(dp);
	struct link_dp *entry = &state->table[link->ifindex];

	link_cancel_mtu(link);
	link->ops->close(dp, link);
	__atomic_store_n(&entry->flags, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->match, LINK_NO_MATCH, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->vlans, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->bond, NULL, __ATOMIC_RELAXED);
	if (link->vlans != NULL)
		dp_retire(dp, vlans_free, link->vlans, 0);
	state->links[link->ifindex] = NULL;
	if (link->has_own_conf)
		schema_free(&link_object, (void *)(uintptr_t)link->conf);
	free(link);
}

static void link_free_member(struct link *link, void *ctx)
{
	link_leave(ctx, link);
}

void link_delete(struct dp *dp, struct link *link)
{
	link_each_member(dp, link, link_free_member, dp);
	log_notice("link", "deleted link=%s", link->name);
	dp_publish(dp, EVENT_LINK_DELETED, link);
	link_destroy(dp, link);
}

static void link_watch_carrier(struct link *link, void *ctx)
{
	/* The others follow those below. */
	if (!link->is_paused && link->ops == &port_ops)
		link_follow_carrier(ctx, link);
}

static void link_tick(struct dp *dp, uint64_t now_ns)
{
	struct link_state *state = link_state(dp);

	bond_tick(dp, now_ns);
	if (now_ns < state->next_carrier_ns)
		return;
	state->next_carrier_ns = now_ns + CARRIER_POLL_MS * UINT64_C(1000000);
	link_each(dp, link_watch_carrier, dp);
}

static int link_init(struct dp *dp)
{
	struct link_state *state = link_state(dp);

	state->table = rte_zmalloc("links", LINK_MAX * sizeof(*state->table), RTE_CACHE_LINE_SIZE);
	state->steer = rte_zmalloc("steer", sizeof(*state->steer), RTE_CACHE_LINE_SIZE);
	if (state->table == NULL || state->steer == NULL) {
		rte_free(state->table);
		rte_free(state->steer);
		return -ENOMEM;
	}
	state->rebalance.step = 1;
	return 0;
}

static void link_fini(struct dp *dp)
{
	struct link_state *state = link_state(dp);

	/* Those on top first. */
	for (bool is_left = true; is_left;) {
		is_left = false;
		for (unsigned int i = state->n_links; i > 0; i--) {
			struct link *link = state->links[i];

			if (link != NULL && link->n_uppers == 0 && link->master == NULL)
				link_destroy(dp, link);
			is_left = is_left || state->links[i] != NULL;
		}
	}
	rte_free(state->table);
	rte_free(state->steer);
}

/* How many buckets of flows a worker owns. */
static unsigned int link_count_buckets(const struct dp *dp, const struct worker *w)
{
	const struct steer *steer = link_state(dp)->steer;
	unsigned int n = 0;

	for (unsigned int i = 0; i < STEER_BUCKETS; i++)
		n += steer->owner[i] == w->id;
	return n;
}

struct link_worker_figures {
	uint64_t buckets;
};

const struct counter link_worker_counters[] = {
	{ .name = "buckets",
		.help = "parts of all flows that it owns, of 128",
		.offset = offsetof(struct link_worker_figures, buckets) },
	{ .name = NULL },
};

/* The receive queues that a worker polls, as "LINK:QUEUE", and its figures. */
static void link_worker_show(const struct dp *dp, const struct worker *w, json_t *row)
{
	const struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *polls = atomic_load_explicit(&lw->polls, memory_order_relaxed);
	struct link_worker_figures figures = { .buckets = link_count_buckets(dp, w) };
	json_t *queues = json_array();

	for (unsigned int i = 0; polls != NULL && i < polls->n; i++)
		json_array_append_new(queues,
			json_sprintf("%s:%u", link_by_index(dp, polls->poll[i].ifindex)->name,
				polls->poll[i].queue));
	json_object_set_new(row, "queues", queues);
	json_object_update_new(row, counters_json(link_worker_counters, &figures));
}

static void worker_add_link(struct link *link, void *ctx)
{
	struct link_worker *lw = ctx;

	if (link->is_open)
		lw->input_link[link_input(link)] = link->ifindex;
}

static int link_worker_init(struct dp *dp, struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->table = link_state(dp)->table;
	lw->steer = link_state(dp)->steer;
	/* Dealt out among the workers made so far: the last one's turn leaves it right. */
	if (!w->is_scratch)
		steer_init(link_state(dp)->steer, dp->n_workers);
	lw->tx_stage = worker_stage_index(w, "tx");
	for (unsigned int i = 0; i < RTE_MAX_ETHPORTS; i++)
		lw->tx[i].queue = LINK_NO_QUEUE;
	for (uint16_t i = 0; i < LINK_MAX; i++)
		lw->input_link[link_stacked_input(i)] = i;
	link_each(dp, worker_add_link, lw);
	return bond_worker_init(w);
}

static void link_worker_fini(struct dp *dp, struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	free(atomic_load_explicit(&lw->polls, memory_order_relaxed));
	bond_worker_fini(w);
}

#define LINK_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason link_drops[] = { PARSE_ERRORS(LINK_DROP_ROW)
		LINK_DROPS(LINK_DROP_ROW) };
static_assert(RTE_DIM(link_drops) == LINK_N_DROPS, "one row per reason");

struct module link_module = {
	.name = "link",
	.sections = link_sections,
	.commands = link_commands,
	.counters = link_counter_tables,
	.drops = link_drops,
	.n_drops = LINK_N_DROPS,
	.state_size = sizeof(struct link_state),
	.worker_state_size = sizeof(struct link_worker),
	.init = link_init,
	.fini = link_fini,
	.worker_init = link_worker_init,
	.worker_fini = link_worker_fini,
	.worker_show = link_worker_show,
	.tick = link_tick,
};
