/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The NAT module: its drop reasons, what its stages keep at hand per worker, and the warnings that workers
 * send. Control thread, except where stated.
 */
#include <rte_random.h>

#include "base/log.h"
#include "nat/nat_priv.h"

enum { SHORT_EXHAUSTED = 1 << 0, CHECK_EVERY_NS = 1000000000 };

/* Mail: arg[0..1] the address, arg[2] family, arg[3] protocol, arg[4] SHORT_EXHAUSTED or 0. */
static void heard_short(void *receiver, const struct mail *mail)
{
	struct ip_addr addr = { .family = (uint8_t)mail->arg[2] };
	char text[IP_ADDR_TEXT_MAX];

	memcpy(addr.bytes, mail->arg, sizeof(addr.bytes));
	log_warn("nat", "%s address=%s protocol=%s",
		mail->arg[4] & SHORT_EXHAUSTED ? "no port found, connections are dropped"
					       : "ports run short",
		ip_addr_text(&addr, text), nat_proto_names[mail->arg[3]]);
}

/* Worker. */
void nat_tell_short(
	struct worker *w, struct nat_worker *nw, const struct flow_first *f, bool is_exhausted)
{
	enum nat_proto proto = nat_proto_of(f->proto);
	struct mail mail = { .fn = heard_short,
		.arg = { [2] = f->family, [3] = proto, [4] = is_exhausted ? SHORT_EXHAUSTED : 0 } };
	struct nat_use *row;

	if (f->is_explained)
		return;
	row = nat_use_get(&nw->use, f->family, f->ns, NAT_SOURCE, &f->reply.dst);
	if (row != NULL && is_exhausted)
		row->exhausted[proto]++;
	if (nw->told != 0 && w->now - nw->told < w->dp->tsc_hz)
		return;
	memcpy(mail.arg, &f->reply.dst, sizeof(f->reply.dst));
	if (worker_tell(w, &mail))
		nw->told = w->now;
}

static void nat_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	/* What was masqueraded as that address cannot go on, as in Linux. */
	if (kind == EVENT_ADDR_DELETED)
		flow_policy_changed(dp);
}

static void nat_tick(struct dp *dp, uint64_t now_ns)
{
	struct nat_state *state = dp_slot(dp, &nat_module);

	if (now_ns < state->next_check_ns)
		return;
	state->next_check_ns = now_ns + CHECK_EVERY_NS;
	nat_use_check(dp, state);
}

static int nat_init(struct dp *dp)
{
	struct nat_state *state = dp_slot(dp, &nat_module);

	state->seed = (struct hash_seed){ .word = { rte_rand() | 1, rte_rand() | 1 } };
	state->sums.seed = state->seed;
	nat_buckets_init(&state->buckets);
	flow_observe(dp, &nat_observer);
	return 0;
}

static int nat_worker_init(struct dp *dp, struct worker *w)
{
	struct nat_worker *nw = worker_slot(w, &nat_module);

	nw->state = dp_slot(dp, &nat_module);
	nw->use.seed = nw->state->seed;
	nw->adjs = adj_table(dp);
	nw->own6 = ns_own6_tables(dp);
	return 0;
}

#define NAT_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason nat_drops[] = { NAT_DROPS(NAT_DROP_ROW) };
static_assert(RTE_DIM(nat_drops) == NAT_N_DROPS, "one row per reason");

struct module nat_module = {
	.name = "nat",
	.commands = nat_commands,
	.drops = nat_drops,
	.n_drops = NAT_N_DROPS,
	.state_size = sizeof(struct nat_state),
	.worker_state_size = sizeof(struct nat_worker),
	.init = nat_init,
	.worker_init = nat_worker_init,
	.event = nat_event,
	.tick = nat_tick,
};
