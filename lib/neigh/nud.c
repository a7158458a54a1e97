/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The NUD state machine: RFC 4861 7.3.3 with Linux's answers where the RFC leaves room, for ARP
 * and ND. Called by neigh.c on the control thread, and by unit tests with a clock of
 * their own; there is no other clock here than the one given to nud_advance().
 *
 *              use                     answer
 *   NONE ------------> INCOMPLETE -------------> REACHABLE <-----------+
 *   FAILED --use-----------^  |                    | reachable time    | answer
 *     ^                       | no answer          v                   |
 *     +-----------------------+                  STALE --use--> DELAY --5 s--> PROBE
 *     +----------------------------------------- no answer ---------------------+
 *
 * STALE is also where an address lands that was heard without proof that the neighbour hears us
 * (its own request, a gratuitous ARP, an operator's word). PERMANENT has no timers and listens to
 * operators only. Packets are not seen here: that a STALE neighbour is used is told by nud_use(),
 * so a REACHABLE one that runs out becomes STALE even when in use, and its next packet makes it
 * DELAY.
 */
#include "neigh/nud.h"

#include <rte_debug.h>

static uint64_t ns_to_tick(uint64_t ns)
{
	/* Rounded up: a timer never fires early. */
	return (ns + NUD_TICK_NS - 1) / NUD_TICK_NS;
}

static void entry_arm(struct nud *nud, struct nud_entry *entry, uint64_t at_ns)
{
	timer_add(&nud->wheel, &entry->timer, ns_to_tick(at_ns));
}

static uint64_t nud_random(struct nud *nud)
{
	/* Marsaglia's xorshift64: spreads timers, guards nothing. */
	nud->random ^= nud->random << 13;
	nud->random ^= nud->random >> 7;
	nud->random ^= nud->random << 17;
	return nud->random;
}

/* RFC 4861 6.3.2: 0.5 to 1.5 times the base, so that neighbours do not probe in step. */
static uint64_t nud_reachable_time(struct nud *nud)
{
	uint64_t base = nud->conf->base_reachable_time;

	return base == 0 ? 0 : base / 2 + nud_random(nud) % base;
}

static void entry_confirm(struct nud *nud, struct nud_entry *entry)
{
	entry->confirmed_ns = nud->now_ns;
	entry->reachable_ns = nud_reachable_time(nud);
}

static void entry_set_state(struct nud *nud, struct nud_entry *entry, enum neigh_state state)
{
	enum neigh_state old = entry->neigh.state;

	if (old == state)
		return;
	entry->neigh.state = state;
	entry->updated_ns = nud->now_ns;
	nud->ops->changed(nud->ctx, entry, old);
}

/* In INCOMPLETE and PROBE: the next probe, or the end of patience. */
static void entry_probe(struct nud *nud, struct nud_entry *entry)
{
	bool is_unicast = entry->neigh.state == NEIGH_PROBE;
	int64_t max = is_unicast ? nud->conf->ucast_solicit : nud->conf->mcast_solicit;

	if (entry->n_probes >= max) {
		timer_del(&nud->wheel, &entry->timer);
		entry_set_state(nud, entry, NEIGH_FAILED);
		return;
	}
	entry->n_probes++;
	entry_arm(nud, entry, nud->now_ns + nud->conf->retrans_time);
	nud->ops->send_probe(nud->ctx, entry, is_unicast);
}

static void entry_start_probing(struct nud *nud, struct nud_entry *entry, enum neigh_state state)
{
	entry->n_probes = 0;
	entry_set_state(nud, entry, state);
	entry_probe(nud, entry);
}

static void entry_reachable_over(struct nud *nud, struct nud_entry *entry)
{
	uint64_t until_ns = entry->confirmed_ns + entry->reachable_ns;

	/* The timer is set once per stay in REACHABLE; confirmations since then moved the end. */
	if (nud->now_ns < until_ns)
		entry_arm(nud, entry, until_ns);
	else
		entry_set_state(nud, entry, NEIGH_STALE);
}

static void entry_timer_fired(void *ctx, struct timer *timer)
{
	struct nud *nud = ctx;
	struct nud_entry *entry =
		(struct nud_entry *)((char *)timer - offsetof(struct nud_entry, timer));

	switch (entry->neigh.state) {
	case NEIGH_REACHABLE:
		entry_reachable_over(nud, entry);
		return;
	case NEIGH_DELAY:
		entry_start_probing(nud, entry, NEIGH_PROBE);
		return;
	case NEIGH_INCOMPLETE:
	case NEIGH_PROBE:
		entry_probe(nud, entry);
		return;
	case NEIGH_NONE:
	case NEIGH_STALE:
	case NEIGH_FAILED:
	case NEIGH_PERMANENT:
		return;
	}
}

void nud_init(struct nud *nud, const struct neigh_sysctl *conf, const struct nud_ops *ops,
	void *ctx, uint64_t now_ns, uint64_t seed)
{
	*nud = (struct nud){
		.conf = conf,
		.ops = ops,
		.ctx = ctx,
		.now_ns = now_ns,
		.random = seed | 1,
	};
	timer_wheel_init(&nud->wheel, now_ns / NUD_TICK_NS);
}

void nud_advance(struct nud *nud, uint64_t now_ns)
{
	nud->now_ns = now_ns;
	/* An empty wheel need not be turned: the first tick may lie far from the start's zero. */
	if (nud->wheel.n_pending == 0)
		timer_wheel_init(&nud->wheel, now_ns / NUD_TICK_NS);
	else
		timer_wheel_advance(&nud->wheel, now_ns / NUD_TICK_NS, entry_timer_fired, nud);
}

void nud_use(struct nud *nud, struct nud_entry *entry)
{
	entry->used_ns = nud->now_ns;
	switch (entry->neigh.state) {
	case NEIGH_NONE:
	case NEIGH_FAILED:
		entry_start_probing(nud, entry, NEIGH_INCOMPLETE);
		return;
	case NEIGH_STALE:
		entry_arm(nud, entry, nud->now_ns + nud->conf->delay_first_probe_time);
		entry_set_state(nud, entry, NEIGH_DELAY);
		return;
	case NEIGH_INCOMPLETE:
	case NEIGH_REACHABLE:
	case NEIGH_DELAY:
	case NEIGH_PROBE:
	case NEIGH_PERMANENT:
		return;
	}
}

bool nud_update(struct nud *nud, struct nud_entry *entry, const struct mac_addr *lladdr,
	enum neigh_state state, unsigned int flags)
{
	enum neigh_state old = entry->neigh.state;
	bool was_valid = neigh_is_valid(&entry->neigh);
	bool is_moved = memcmp(lladdr, &entry->neigh.lladdr, sizeof(*lladdr)) != 0;

	RTE_ASSERT(state == NEIGH_STALE || state == NEIGH_REACHABLE || state == NEIGH_PERMANENT);
	if (old == NEIGH_PERMANENT && !(flags & NUD_ADMIN))
		return false;
	if (was_valid && is_moved && !(flags & NUD_OVERRIDE)) {
		if ((flags & NUD_WEAK_OVERRIDE) && old == NEIGH_REACHABLE) {
			timer_del(&nud->wheel, &entry->timer);
			entry_set_state(nud, entry, NEIGH_STALE);
		}
		return false;
	}
	if (state == NEIGH_REACHABLE)
		entry_confirm(nud, entry);
	else if (is_moved)
		entry->confirmed_ns = 0; /* what confirmed the old address says nothing of this */
	else if (was_valid && state == NEIGH_STALE && !(flags & NUD_ADMIN))
		state = old; /* the known address without proof is no reason to doubt it */

	if (state == old && !is_moved)
		return true;
	if (state != old)
		timer_del(&nud->wheel, &entry->timer);
	if (state != old && state == NEIGH_REACHABLE)
		entry_arm(nud, entry, nud->now_ns + entry->reachable_ns);
	entry->neigh.lladdr = *lladdr;
	entry->neigh.state = state;
	entry->updated_ns = nud->now_ns;
	nud->ops->changed(nud->ctx, entry, old);
	return true;
}

void nud_reset(struct nud *nud, struct nud_entry *entry)
{
	timer_del(&nud->wheel, &entry->timer);
	entry->neigh.state = NEIGH_NONE;
	entry->neigh.lladdr = (struct mac_addr){ 0 };
	entry->confirmed_ns = 0;
	entry->updated_ns = nud->now_ns;
}

bool nud_is_collectable(const struct nud *nud, const struct nud_entry *entry)
{
	uint64_t last = entry->used_ns > entry->confirmed_ns ? entry->used_ns : entry->confirmed_ns;

	if (last < entry->updated_ns)
		last = entry->updated_ns;
	switch (entry->neigh.state) {
	case NEIGH_NONE:
	case NEIGH_FAILED:
		return true;
	case NEIGH_STALE:
		return nud->now_ns >= last + nud->conf->gc_stale_time;
	case NEIGH_INCOMPLETE:
	case NEIGH_REACHABLE:
	case NEIGH_DELAY:
	case NEIGH_PROBE:
	case NEIGH_PERMANENT:
		return false;
	}
	return false;
}
