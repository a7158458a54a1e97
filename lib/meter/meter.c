/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policers of links: what workers read of them is made and published here. Control thread.
 *
 * A port's policer sees all that the port receives, in the stage `meter_port`. Frames of other
 * links have been policed by their port before; those of a link above a policed bond, or above a
 * policed VLAN, meet all of these policers in the stage `meter`, one after the other. Their list is
 * published for each link (struct meter_way), made anew for all links at every change, and replaced
 * where it is another one.
 *
 * A setting that takes another one's place is a new object with new buckets, filled as those are
 * then: a word of the old ones means another number of bytes at the new rate. What a worker takes
 * of the old ones in the pass that is under way is not taken of the new ones: a burst for each
 * change at most.
 */
#include "meter/meter_priv.h"

#include <rte_malloc.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link_kind.h"

static void rte_memory_free(void *ptr, uint64_t arg)
{
	(void)arg;
	rte_free(ptr);
}

/* Ways */

/* The policers that frames of that link meet behind those of its port; those of a port: its own. */
static void way_make(const struct dp *dp, const struct link *link, struct meter_way *way)
{
	const struct meter_state *state = meter_state(dp);
	bool is_port = link->ops->kind == LINK_KIND_PORT;
	struct meter_step found[METER_STEPS_MAX];
	uint32_t n_tag_bytes = 0;
	unsigned int n = 0;

	for (; link != NULL && n < METER_STEPS_MAX; link = link->lower) {
		struct policer *policer = state->policers[link->ifindex];

		if (policer != NULL && (is_port || link->ops->kind != LINK_KIND_PORT))
			found[n++] = (struct meter_step){ policer, n_tag_bytes };
		n_tag_bytes += VLAN_TAG_LEN;
	}
	*way = (struct meter_way){ .n = n };
	for (unsigned int i = 0; i < n; i++)
		way->step[i] = found[n - 1 - i];
}

static bool way_is_same(const struct meter_way *a, const struct meter_way *b)
{
	if (a == NULL || b->n == 0)
		return a == NULL && b->n == 0;
	for (unsigned int i = 0; i < b->n; i++)
		if (a->n != b->n || a->step[i].policer != b->step[i].policer)
			return false;
	return true;
}

/* Publishes what frames of that link meet now. */
static void meter_follow(struct link *link, void *ctx)
{
	struct dp *dp = ctx;
	struct meter_way *old = meter_state(dp)->ways[link->ifindex], *fresh = NULL, way;

	way_make(dp, link, &way);
	if (way_is_same(old, &way))
		return;
	if (way.n > 0) {
		fresh = mem_zalloc(sizeof(*fresh));
		*fresh = way;
	}
	/* Pairs with the acquire in meter_find_way(). */
	__atomic_store_n(&meter_state(dp)->ways[link->ifindex], fresh, __ATOMIC_RELEASE);
	link_set_metered(dp, link, fresh != NULL);
	dp_retire_heap(dp, old);
}

/* Counters */

static void count_add(struct meter_counters *sum, const struct meter_counters *c)
{
	for (unsigned int i = 0; i < COLOR_N; i++) {
		sum->color[i].packets += c->color[i].packets;
		sum->color[i].bytes += c->color[i].bytes;
	}
	sum->dropped += c->dropped;
}

static void count_subtract(struct meter_counters *sum, const struct meter_counters *c)
{
	for (unsigned int i = 0; i < COLOR_N; i++) {
		sum->color[i].packets -= c->color[i].packets;
		sum->color[i].bytes -= c->color[i].bytes;
	}
	sum->dropped -= c->dropped;
}

static void sum_all(const struct dp *dp, uint16_t ifindex, struct meter_counters *out)
{
	*out = (struct meter_counters){ 0 };
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct meter_worker *mw = worker_slot(dp->workers[i], &meter_module);

		count_add(out, &mw->counters[ifindex]);
	}
}

void meter_sum_counters(const struct dp *dp, const struct link *link, struct meter_counters *out)
{
	sum_all(dp, link->ifindex, out);
	count_subtract(out, &meter_state(dp)->links[link->ifindex]->counted_before);
}

/* Policers */

static void policer_set_actions(struct policer *policer, const struct policer_conf *conf)
{
	policer->action[COLOR_YELLOW] = (uint8_t)conf->yellow;
	policer->action[COLOR_RED] = (uint8_t)conf->red;
	/* Without one there is nothing to be parsed, and none is needed. */
	(void)meter_parse_dscp(conf->yellow_dscp, &policer->dscp[COLOR_YELLOW]);
	(void)meter_parse_dscp(conf->red_dscp, &policer->dscp[COLOR_RED]);
}

static struct policer *policer_make(
	const struct dp *dp, uint16_t ifindex, const struct policer_conf *conf)
{
	struct policer *policer = rte_zmalloc("policer", sizeof(*policer), RTE_CACHE_LINE_SIZE);
	struct meter_profile *profile;

	if (policer == NULL)
		return NULL;
	profile = &policer->profile;
	profile->kind = (uint8_t)meter_conf_kind(conf);
	meter_rate_init(&profile->committed, conf->rate, conf->burst, dp->tsc_hz);
	if (profile->kind == METER_SRTCM)
		meter_rate_init(&profile->second, conf->rate, conf->excess_burst, dp->tsc_hz);
	if (profile->kind == METER_TRTCM)
		meter_rate_init(&profile->second, conf->peakrate, conf->peakburst, dp->tsc_hz);
	policer->ifindex = ifindex;
	policer_set_actions(policer, conf);
	return policer;
}

int meter_set(struct dp *dp, struct link *link, const struct policer_conf *conf)
{
	struct meter_state *state = meter_state(dp);
	struct policer *old = state->policers[link->ifindex];
	struct policer *policer = policer_make(dp, link->ifindex, conf);
	struct meter_link *here = state->links[link->ifindex];

	if (policer == NULL)
		return -ENOMEM;
	if (here == NULL) {
		here = mem_zalloc(sizeof(*here));
		sum_all(dp, link->ifindex, &here->counted_before);
		state->links[link->ifindex] = here;
	}
	meter_conf_free(here->conf);
	here->conf = meter_conf_copy(conf);
	if (old != NULL)
		meter_buckets_follow(&policer->buckets, &policer->profile, &old->buckets,
			&old->profile, rte_rdtsc());
	state->policers[link->ifindex] = policer;
	link_each(dp, meter_follow, dp);
	if (old != NULL)
		dp_retire(dp, rte_memory_free, old, 0);
	log_notice("meter", "policer link=%s rate=%" PRIu64 " burst=%" PRIu64, link->name,
		conf->rate, conf->burst);
	return 0;
}

static void meter_link_free(struct meter_link *here)
{
	if (here != NULL)
		meter_conf_free(here->conf);
	free(here);
}

void meter_del(struct dp *dp, struct link *link)
{
	struct meter_state *state = meter_state(dp);
	struct policer *old = state->policers[link->ifindex];

	state->policers[link->ifindex] = NULL;
	link_each(dp, meter_follow, dp);
	dp_retire(dp, rte_memory_free, old, 0);
	meter_link_free(state->links[link->ifindex]);
	state->links[link->ifindex] = NULL;
	log_notice("meter", "policer deleted link=%s", link->name);
}

/* The module */

/* Nothing stands on it any more, but it may stand on a link that has a policer. */
static void meter_forget_link(struct dp *dp, struct link *link)
{
	struct meter_state *state = meter_state(dp);
	struct meter_way *old;

	if (state->policers[link->ifindex] != NULL)
		meter_del(dp, link);
	old = state->ways[link->ifindex];
	__atomic_store_n(&state->ways[link->ifindex], NULL, __ATOMIC_RELEASE);
	link_set_metered(dp, link, false);
	dp_retire_heap(dp, old);
}

static void meter_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	const struct link *link = subject;

	if (kind == EVENT_LINK_NEW)
		meter_follow(link_by_index(dp, link->ifindex), dp);
	else if (kind == EVENT_LINK_DELETED)
		meter_forget_link(dp, link_by_index(dp, link->ifindex));
}

static void meter_fini(struct dp *dp)
{
	struct meter_state *state = meter_state(dp);

	for (unsigned int i = 0; i < LINK_MAX; i++) {
		meter_link_free(state->links[i]);
		rte_free(state->policers[i]);
		free(state->ways[i]);
	}
}

static int meter_worker_init(struct dp *dp, struct worker *w)
{
	struct meter_worker *mw = worker_slot(w, &meter_module);

	mw->ways = meter_state(dp)->ways;
	mw->input_link = link_of_inputs(w);
	mw->links = link_dp_table(dp);
	return 0;
}

#define METER_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason meter_drops[] = { METER_DROPS(METER_DROP_ROW) };
static_assert(RTE_DIM(meter_drops) == METER_N_DROPS, "one row per reason");

struct module meter_module = {
	.name = "meter",
	.sections = meter_sections,
	.commands = meter_commands,
	.counters = meter_counter_tables,
	.drops = meter_drops,
	.n_drops = METER_N_DROPS,
	.state_size = sizeof(struct meter_state),
	.worker_state_size = sizeof(struct meter_worker),
	.fini = meter_fini,
	.worker_init = meter_worker_init,
	.event = meter_event,
};
