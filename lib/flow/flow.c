/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The module: tunables, the clock of connections, the tables' life, and the source `flow_age`, which ends
 * connections whose time is over, and gives away those whose bucket has moved, a few in each pass. Tables are
 * made when the first namespace begins to track, by the control thread, before any worker is told of it.
 */
#include <rte_random.h>

#include "base/log.h"
#include "dp/trace.h"
#include "flow/flow_priv.h"
#include "flow/flow_walk.h"

enum { SCRATCH_FLOWS = 16 }; /* one is needed */

void flow_first_of(const struct flow_table *table, uint32_t index, struct flow_first *f)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, index);

	*f = (struct flow_first){ .family = table->family,
		.proto = verdict->proto,
		.ns = verdict->ns,
		.status = verdict->status };
	flow_tuple_at(table, index, FLOW_ORIG, &f->orig);
	flow_tuple_at(table, index, FLOW_REPLY, &f->reply);
}

void flow_forget(struct flow_worker *fw, struct flow_table *table, uint32_t index)
{
	struct flow_first f;

	if ((flow_verdict_at(table, index)->status & FLOW_NAT) && fw->state->observer != NULL) {
		flow_first_of(table, index, &f);
		fw->state->observer->ended(fw->w, &f);
	}
	flow_source_put(fw, table->cold[index].source);
	flow_table_del(table, index);
}

void flow_end(struct flow_worker *fw, struct flow_table *table, uint32_t index)
{
	flow_tell(fw, table, index, true);
	flow_forget(fw, table, index);
	fw->n_ended++;
}

struct flow_fragments *flow_fragments(const struct worker *w)
{
	return &flow_worker(w)->fragments;
}

void flow_first_end(struct worker *w, const struct flow_first *f)
{
	struct flow_worker *fw = flow_worker(w);
	struct flow_table *table = &fw->table[f->family == AF_INET6 ? FLOW_IP6 : FLOW_IP4];
	uint32_t ref = flow_table_lookup(table, &f->orig, f->proto, f->ns);

	if (ref != FLOW_NONE)
		flow_end(fw, table, ref >> 1);
}

void flow_observe(struct dp *dp, const struct flow_observer *observer)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	state->observer = observer;
}

/* flow_age */

static void age_end(void *ctx, struct flow_table *table, uint32_t index)
{
	flow_end(ctx, table, index);
}

static void age_run(struct worker *w, struct stage_node *node)
{
	struct flow_worker *fw = flow_worker(w);
	uint32_t now = flow_now(fw);

	if (unlikely(flow_is_giving(fw)))
		flow_give(fw);
	for (unsigned int i = 0; i < FLOW_N_FAMILIES; i++)
		if (flow_table_is_due(&fw->table[i], now))
			flow_table_age(&fw->table[i], now, age_end, fw);
}

/* Sleeps short while there is something to do; what is due later waits for who wakes it anyway. */
static bool age_arm(struct worker *w)
{
	const struct flow_worker *fw = flow_worker(w);
	uint32_t now = flow_now(fw);

	return !flow_is_giving(fw) && !flow_table_is_due(&fw->table[FLOW_IP4], now) &&
	       !flow_table_is_due(&fw->table[FLOW_IP6], now);
}

static void age_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "no packets come from here");
}

const struct stage flow_age_stage = {
	.name = "flow_age",
	.help = "ends connections whose time is over, gives away those whose bucket has moved",
	.run = age_run,
	.is_source = true,
	.arm = age_arm,
	.format = age_format,
};

/* Tables */

static void worker_tables_fini(struct flow_worker *fw)
{
	for (unsigned int family = 0; family < FLOW_N_FAMILIES; family++)
		flow_table_fini(&fw->table[family]);
}

int flow_scratch_init(struct worker *w)
{
	struct flow_worker *fw = flow_worker(w);
	const struct flow_times *times = &fw->state->times;
	struct hash_seed seed = { .word = { rte_rand() | 1, rte_rand() | 1 } };
	uint32_t now = flow_now(fw);

	if (flow_table_init(&fw->table[FLOW_IP4], AF_INET, SCRATCH_FLOWS, times, &seed, now) == 0 &&
		flow_table_init(&fw->table[FLOW_IP6], AF_INET6, SCRATCH_FLOWS, times, &seed, now) ==
			0)
		return 0;
	worker_tables_fini(fw);
	return -ENOMEM;
}

void flow_scratch_fini(struct worker *w)
{
	worker_tables_fini(flow_worker(w));
}

static void tables_fini(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->n_workers; i++)
		if (flow_worker(dp->workers[i]) != NULL)
			worker_tables_fini(flow_worker(dp->workers[i]));
}

static uint32_t share_of(int64_t max, unsigned int n_workers)
{
	return (uint32_t)((max + n_workers - 1) / n_workers);
}

static int64_t max6_of(const struct flow_sysctl *sysctl)
{
	return sysctl->max_ipv6 != 0 ? sysctl->max_ipv6
				     : RTE_MAX(sysctl->max / FLOW_IP6_SHARE, INT64_C(1));
}

/* Memory that the limit of sources needs, and the limit. */
static int sources_follow(struct dp *dp, const struct flow_sysctl *sysctl)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	int err = sysctl->max_per_source != 0 ? flow_sources_init(dp) : 0;

	if (err < 0)
		return err;
	__atomic_store_n(&state->source_limit, share_of(sysctl->max_per_source, dp->n_workers),
		__ATOMIC_RELAXED);
	return 0;
}

static int tables_init(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	int64_t max6 = max6_of(&state->sysctl);
	struct hash_seed seed = { .word = { rte_rand() | 1, rte_rand() | 1 } };
	size_t memory = 0;
	int err = 0;

	for (unsigned int i = 0; i < dp->n_workers && err == 0; i++) {
		struct flow_worker *fw = flow_worker(dp->workers[i]);

		err = flow_table_init(&fw->table[FLOW_IP4], AF_INET,
			share_of(state->sysctl.max, dp->n_workers), &state->times, &seed,
			state->now);
		if (err == 0)
			err = flow_table_init(&fw->table[FLOW_IP6], AF_INET6,
				share_of(max6, dp->n_workers), &state->times, &seed, state->now);
		memory += fw->table[FLOW_IP4].memory + fw->table[FLOW_IP6].memory;
	}
	if (err == 0)
		err = sources_follow(dp, &state->sysctl);
	if (err < 0) {
		flow_sources_fini(dp);
		tables_fini(dp);
		return err;
	}
	log_info("flow", "connection tables ipv4=%" PRId64 " ipv6=%" PRId64 " memory=%zuMB",
		state->sysctl.max, max6, memory >> 20);
	return 0;
}

int flow_set_tracking(struct dp *dp, uint16_t ns, bool is_tracked)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	int err;

	if (is_tracked && !state->has_tables) {
		err = tables_init(dp);
		if (err < 0)
			return err;
		state->has_tables = true;
	}
	if (state->is_tracked[ns] != is_tracked) {
		state->is_tracked[ns] = is_tracked;
		/* The release with which links are published makes the tables visible as well. */
		link_set_tracked(dp, ns, is_tracked);
	}
	return 0;
}

void flow_policy_changed(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	/* Pairs with the acquire of workers: the new rules are published before. */
	__atomic_store_n(&state->policy_gen, state->policy_gen + 1, __ATOMIC_RELEASE);
}

uint64_t flow_n_tracked(const struct dp *dp)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < dp->n_workers; i++)
		for (unsigned int family = 0; family < FLOW_N_FAMILIES; family++)
			n += __atomic_load_n(&flow_worker(dp->workers[i])->table[family].n_used,
				__ATOMIC_RELAXED);
	return n;
}

/* Tunables */

#define TIMEOUT_FIELD(member, name_, def_)                                                         \
	{ .name = #name_,                                                                          \
		.type = FIELD_TIME,                                                                \
		.offset = offsetof(struct flow_sysctl, timeout_ns[member]),                        \
		.min = INT64_C(1000000000),                                                        \
		.max = INT64_C(2000000000000000),                                                  \
		.def = def_,                                                                       \
		.help = "how long a connection in that state may be silent" },

static const struct field flow_sysctl_fields[] = {
	{ .name = "max",
		.type = FIELD_INT,
		.offset = offsetof(struct flow_sysctl, max),
		.min = 64,
		.max = 64000000,
		.def = "262144",
		.help = "IPv4 connections at most, each worker its share; once tracking has begun "
			"it can be lowered, and raised to what it was then" },
	{ .name = "max_ipv6",
		.type = FIELD_INT,
		.offset = offsetof(struct flow_sysctl, max_ipv6),
		.min = 0,
		.max = 64000000,
		.def = "0",
		.help = "IPv6 connections at most; 0: a quarter of max" },
	{ .name = "max_per_source",
		.type = FIELD_INT,
		.offset = offsetof(struct flow_sysctl, max_per_source),
		.min = 0,
		.max = 64000000,
		.def = "0",
		.help = "connections of one source address at most, each worker allows its share, "
			"rounded up; 0: no limit" },
	{ .name = "checksum",
		.type = FIELD_BOOL,
		.offset = offsetof(struct flow_sysctl, checksum),
		.def = "true",
		.help = "a first packet with a wrong L4 checksum is invalid" },
	{ .name = "tcp_loose",
		.type = FIELD_BOOL,
		.offset = offsetof(struct flow_sysctl, tcp_loose),
		.def = "true",
		.help = "TCP connections may be picked up in the middle" },
	{ .name = "tcp_be_liberal",
		.type = FIELD_BOOL,
		.offset = offsetof(struct flow_sysctl, tcp_be_liberal),
		.def = "false",
		.help = "of segments out of window only resets are invalid" },
	{ .name = "tcp_ignore_invalid_rst",
		.type = FIELD_BOOL,
		.offset = offsetof(struct flow_sysctl, tcp_ignore_invalid_rst),
		.def = "false",
		.help = "a reset below what is acknowledged is not invalid" },
	{ .name = "tcp_max_retrans",
		.type = FIELD_INT,
		.offset = offsetof(struct flow_sysctl, tcp_max_retrans),
		.min = 1,
		.max = 255,
		.def = "3",
		.help = "so many equal segments without an answer: tcp_timeout_max_retrans" },
	{ .name = "frag6_timeout",
		.type = FIELD_TIME,
		.offset = offsetof(struct flow_sysctl, frag6_timeout_ns),
		.min = INT64_C(1000000000),
		.max = INT64_C(3600000000000),
		.def = "60s",
		.help = "how long IPv6 fragments wait for the others; IPv4: ipv4.ipfrag_time" },
	FLOW_TIMEOUTS(TIMEOUT_FIELD){ .type = FIELD_END },
};

static const struct object flow_sysctl_object = {
	.name = "conntrack",
	.help = "connection tracking",
	.size = sizeof(struct flow_sysctl),
	.fields = flow_sysctl_fields,
};

static int limit_check(
	const struct dp *dp, unsigned int family, const char *name, int64_t max, struct diag *diag)
{
	uint32_t capacity = flow_worker(dp->workers[0])->table[family].capacity;

	if (share_of(max, dp->n_workers) <= capacity)
		return 0;
	return diag_error(diag, 0, name,
		"the tables were made for %" PRIu64
		" connections when tracking began; a larger one "
		"in the configuration counts from the next start on",
		(uint64_t)capacity * dp->n_workers);
}

/* Tables never grow; a lower limit lets what is there be and refuses what is new. */
static int flow_sysctl_apply(struct dp *dp, const void *values, struct diag *diag)
{
	const struct flow_control *state = dp_slot(dp, &flow_module);
	const struct flow_sysctl *sysctl = values;
	int64_t max[FLOW_N_FAMILIES] = { sysctl->max, max6_of(sysctl) };

	if (!state->has_tables)
		return 0;
	if (limit_check(dp, FLOW_IP4, "max", max[FLOW_IP4], diag) < 0 ||
		limit_check(dp, FLOW_IP6, "max_ipv6", max[FLOW_IP6], diag) < 0)
		return -EINVAL;
	if (sources_follow(dp, sysctl) < 0) {
		diag_error(diag, 0, "max_per_source", "there is no memory for the counters");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < dp->n_workers; i++)
		for (unsigned int family = 0; family < FLOW_N_FAMILIES; family++)
			__atomic_store_n(&flow_worker(dp->workers[i])->table[family].limit,
				share_of(max[family], dp->n_workers), __ATOMIC_RELAXED);
	return 0;
}

static const struct sysctl_group flow_sysctls[] = {
	{ .name = "conntrack",
		.object = &flow_sysctl_object,
		.offset = offsetof(struct flow_control, sysctl),
		.apply = flow_sysctl_apply },
	{ .name = NULL },
};

/* What workers read of them, kept in step at every tick. */
static void times_follow(struct flow_control *state)
{
	struct tcp_sysctl *tcp = &state->times.tcp;

	for (unsigned int i = 0; i < FLOW_N_TIMEOUTS; i++)
		__atomic_store_n(&state->times.ticks[i],
			(uint32_t)(state->sysctl.timeout_ns[i] /
				   (FLOW_TICK_MS * UINT64_C(1000000))),
			__ATOMIC_RELAXED);
	for (unsigned int i = 0; i < TCP_N_TIMEOUTS; i++)
		tcp->timeout_ns[i] = state->sysctl.timeout_ns[i];
	tcp->max_retrans = state->sysctl.tcp_max_retrans;
	tcp->loose = state->sysctl.tcp_loose;
	tcp->be_liberal = state->sysctl.tcp_be_liberal;
	tcp->ignore_invalid_rst = state->sysctl.tcp_ignore_invalid_rst;
}

static void clock_follow(struct flow_control *state, uint64_t now_ns)
{
	times_follow(state);
	__atomic_store_n(&state->now, (uint32_t)(now_ns / (FLOW_TICK_MS * UINT64_C(1000000))),
		__ATOMIC_RELAXED);
}

static void flow_tick(struct dp *dp, uint64_t now_ns)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	clock_follow(state, now_ns);
	flow_fragment_tick(dp, now_ns, &state->next_fragments_ns, ip4_fragment_life_ms(dp),
		state->sysctl.frag6_timeout_ns / 1000000);
	flow_walks_collect(dp);
	flow_events_tick(dp);
	flow_moves_tick(dp);
	flow_deletions_go_on(dp);
}

static int flow_init(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	TAILQ_INIT(&state->walks);
	TAILQ_INIT(&state->deletions);
	link_set_bucket_mover(dp, &flow_bucket_mover);
	clock_follow(state, dp->now_ns);
	return 0;
}

static void flow_fini(struct dp *dp)
{
	flow_walks_fini(dp);
	flow_events_fini(dp);
	flow_sources_fini(dp);
	tables_fini(dp);
}

static int flow_worker_init(struct dp *dp, struct worker *w)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_worker *fw = flow_worker(w);

	fw->state = state;
	fw->moves = &state->moves;
	fw->adjs = adj_table(dp);
	fw->route_gen = fib_generation(dp);
	fw->fib4[NS_DEFAULT] = fib4_table(dp, NS_DEFAULT);
	fw->fib6[NS_DEFAULT] = fib6_table(dp, NS_DEFAULT);
	fw->multipath = fib_multipath(dp);
	fw->steer = link_steer(dp);
	fw->links = link_dp_table(dp);
	fw->w = w;
	fw->drop_base = flow_module.drop_base;
	flow_fragment_worker_init(dp, w);
	fw->track_stage = (uint8_t)worker_stage_index(w, "track");
	fw->take_stage = (uint8_t)worker_stage_index(w, "flow_take");
	return 0;
}

static void flow_worker_fini(struct dp *dp, struct worker *w)
{
	flow_fragment_worker_fini(w);
}

#define FLOW_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason flow_drops[] = { FLOW_DROPS(FLOW_DROP_ROW) };
static_assert(RTE_DIM(flow_drops) == FLOW_N_DROPS, "one row per reason");

struct module flow_module = {
	.name = "flow",
	.commands = flow_commands,
	.sysctls = flow_sysctls,
	.counters = flow_counters,
	.drops = flow_drops,
	.n_drops = FLOW_N_DROPS,
	.state_size = sizeof(struct flow_control),
	.worker_state_size = sizeof(struct flow_worker),
	.init = flow_init,
	.fini = flow_fini,
	.worker_init = flow_worker_init,
	.worker_fini = flow_worker_fini,
	.worker_show = flow_worker_show,
	.tick = flow_tick,
};
