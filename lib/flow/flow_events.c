/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections made and ended, told to who listens: each worker copies them into a ring of its own, which
 * is not that of its mail, so that a flood of them keeps no other message from its way. The control
 * thread empties the rings a bounded part at a time, at every tick. What finds no room is counted, and
 * the count is told. While nobody listens a worker reads one pointer for each connection.
 */
#include "flow/flow_priv.h"

enum {
	EVENTS_RING = 4096,
	EVENTS_PER_TICK = 256, /* over all workers: milliseconds of the control thread's time */
};

/* Worker */

void flow_tell(
	struct flow_worker *fw, const struct flow_table *table, uint32_t index, bool is_ended)
{
	/* Pairs with the release in flow_listen(): the ring is complete. */
	struct rte_ring *ring = __atomic_load_n(&fw->events, __ATOMIC_ACQUIRE);
	struct flow_info info;

	if (likely(ring == NULL))
		return;
	flow_info_read(table, index, flow_now(fw), &info);
	info.is_ended = is_ended;
	if (rte_ring_sp_enqueue_elem(ring, &info, sizeof(info)) != 0)
		__atomic_store_n(&fw->n_events_lost, fw->n_events_lost + 1, __ATOMIC_RELAXED);
}

/* Control thread */

static int rings_create(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	char name[RTE_RING_NAMESIZE];

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		if (state->events[i] != NULL)
			continue;
		snprintf(name, sizeof(name), "flow_events_%u", i);
		state->events[i] = rte_ring_create_elem(name, sizeof(struct flow_info), EVENTS_RING,
			(int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (state->events[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* What was told after the last listener left is of no interest any more. */
static void rings_empty(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_info info;

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct flow_worker *fw = flow_worker(dp->workers[i]);

		while (rte_ring_sc_dequeue_elem(state->events[i], &info, sizeof(info)) == 0)
			;
		state->n_events_lost[i] = __atomic_load_n(&fw->n_events_lost, __ATOMIC_RELAXED);
	}
}

int flow_listen(struct dp *dp, bool is_listening)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	int err = is_listening ? rings_create(dp) : 0;

	if (err < 0)
		return err;
	if (is_listening && state->n_listeners++ > 0)
		return 0;
	if (!is_listening && --state->n_listeners > 0)
		return 0;
	if (is_listening)
		rings_empty(dp);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		__atomic_store_n(&flow_worker(dp->workers[i])->events,
			is_listening ? state->events[i] : NULL, __ATOMIC_RELEASE);
	return 0;
}

static void tell_lost(struct dp *dp, unsigned int worker)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	const struct flow_worker *fw = flow_worker(dp->workers[worker]);
	uint64_t n = __atomic_load_n(&fw->n_events_lost, __ATOMIC_RELAXED);
	uint64_t n_more = n - state->n_events_lost[worker];

	if (n_more == 0)
		return;
	state->n_events_lost[worker] = n;
	dp_publish(dp, EVENT_FLOW_LOST, &n_more);
}

void flow_events_tick(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);
	struct flow_info info;

	for (unsigned int i = 0; state->n_listeners > 0 && i < dp->n_workers; i++) {
		for (unsigned int n = 0; n < EVENTS_PER_TICK / dp->n_workers + 1; n++) {
			if (rte_ring_sc_dequeue_elem(state->events[i], &info, sizeof(info)) != 0)
				break;
			info.worker = (uint16_t)i;
			dp_publish(dp, info.is_ended ? EVENT_FLOW_ENDED : EVENT_FLOW_NEW, &info);
		}
		tell_lost(dp, i);
	}
}

void flow_events_fini(struct dp *dp)
{
	struct flow_control *state = dp_slot(dp, &flow_module);

	for (unsigned int i = 0; i < dp->n_workers; i++)
		rte_ring_free(state->events[i]);
}
