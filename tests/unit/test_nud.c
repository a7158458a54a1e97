/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The neighbour state machine under a clock of the test's own, turned in steps of 10 ms. Times are
 * Linux's defaults: three probes a second apart, 5 s of DELAY, 15 to 45 s of REACHABLE.
 */
#include "suite.h"

#include "neigh/nud.h"

#define MS(n)	 ((uint64_t)(n)*1000000)
#define START_NS MS(1000000)
#define LOG_MAX	 64
#define MAC_A                                                                                      \
	{                                                                                          \
		{                                                                                  \
			2, 0, 0, 0, 0, 0xa                                                         \
		}                                                                                  \
	}
#define MAC_B                                                                                      \
	{                                                                                          \
		{                                                                                  \
			2, 0, 0, 0, 0, 0xb                                                         \
		}                                                                                  \
	}
#define AS_BIT(st) (1u << (st))

static const struct mac_addr mac_a = MAC_A;

/* One neighbour, its machine, and what the machine's callbacks were told. */
struct fixture {
	struct neigh_sysctl conf;
	struct nud nud;
	struct nud_entry entry;
	unsigned int n_probes, n_unicast, n_changes;
	uint64_t probe_ms[LOG_MAX]; /* since the start */
	enum neigh_state states[LOG_MAX];
};

static void on_probe(void *ctx, const struct nud_entry *entry, bool is_unicast)
{
	struct fixture *f = ctx;

	ck_assert_uint_lt(f->n_probes, LOG_MAX);
	f->probe_ms[f->n_probes++] = (f->nud.now_ns - START_NS) / MS(1);
	f->n_unicast += is_unicast;
}

static void on_change(void *ctx, struct nud_entry *entry, enum neigh_state old)
{
	struct fixture *f = ctx;

	ck_assert_uint_lt(f->n_changes, LOG_MAX);
	f->states[f->n_changes++] = entry->neigh.state;
}

static const struct nud_ops ops = { .send_probe = on_probe, .changed = on_change };

static void fixture_init(struct fixture *f, uint64_t seed)
{
	*f = (struct fixture){
		.conf = {
			.base_reachable_time = MS(30000),
			.delay_first_probe_time = MS(5000),
			.retrans_time = MS(1000),
			.gc_stale_time = MS(60000),
			.locktime = MS(1000),
			.mcast_solicit = 3,
			.ucast_solicit = 3,
		},
	};
	nud_init(&f->nud, &f->conf, &ops, f, START_NS, seed);
}

static void run_ms(struct fixture *f, unsigned int ms)
{
	for (uint64_t end = f->nud.now_ns + MS(ms); f->nud.now_ns < end;)
		nud_advance(&f->nud, f->nud.now_ns + NUD_TICK_NS);
}

/* Puts the neighbour into a state, by the way that leads there. */
static void go_to(struct fixture *f, enum neigh_state state)
{
	switch (state) {
	case NEIGH_NONE:
		return;
	case NEIGH_INCOMPLETE:
		nud_use(&f->nud, &f->entry);
		return;
	case NEIGH_REACHABLE:
	case NEIGH_STALE:
	case NEIGH_PERMANENT:
		ck_assert(nud_update(&f->nud, &f->entry, &mac_a, state, NUD_ADMIN));
		return;
	case NEIGH_DELAY:
		go_to(f, NEIGH_STALE);
		nud_use(&f->nud, &f->entry);
		return;
	case NEIGH_PROBE:
		go_to(f, NEIGH_DELAY);
		run_ms(f, 5000);
		return;
	case NEIGH_FAILED:
		go_to(f, NEIGH_INCOMPLETE);
		run_ms(f, 3000);
		return;
	}
}

START_TEST(unanswered_neighbour_fails_after_three_probes)
{
	static const uint64_t want_ms[] = { 0, 1000, 2000 };
	struct fixture f;

	fixture_init(&f, 1);
	nud_use(&f.nud, &f.entry);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_INCOMPLETE);
	run_ms(&f, 2990);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_INCOMPLETE);
	run_ms(&f, 10);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_FAILED);
	ck_assert_uint_eq(f.n_probes, 3);
	ck_assert_uint_eq(f.n_unicast, 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(f.probe_ms[i], want_ms[i]);
	ck_assert_uint_eq(f.n_changes, 2);
	run_ms(&f, 60000);
	ck_assert_uint_eq(f.n_probes, 3);
}
END_TEST

START_TEST(use_while_incomplete_sends_nothing_more)
{
	struct fixture f;

	fixture_init(&f, 1);
	for (unsigned int i = 0; i < 50; i++)
		nud_use(&f.nud, &f.entry);
	ck_assert_uint_eq(f.n_probes, 1);
}
END_TEST

START_TEST(failed_neighbour_is_tried_again_when_used)
{
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, NEIGH_FAILED);
	nud_use(&f.nud, &f.entry);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_INCOMPLETE);
	ck_assert_uint_eq(f.n_probes, 4);
	ck_assert(nud_update(&f.nud, &f.entry, &mac_a, NEIGH_REACHABLE, 0));
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_REACHABLE);
}
END_TEST

START_TEST(no_probe_allowed_fails_at_once)
{
	struct fixture f;

	fixture_init(&f, 1);
	f.conf.mcast_solicit = 0;
	nud_use(&f.nud, &f.entry);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_FAILED);
	ck_assert_uint_eq(f.n_probes, 0);
}
END_TEST

START_TEST(answer_ends_probing)
{
	struct fixture f;

	fixture_init(&f, 1);
	nud_use(&f.nud, &f.entry);
	run_ms(&f, 1500);
	ck_assert(nud_update(&f.nud, &f.entry, &mac_a, NEIGH_REACHABLE, 0));
	run_ms(&f, 10000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_REACHABLE);
	ck_assert_mem_eq(&f.entry.neigh.lladdr, &mac_a, sizeof(mac_a));
	ck_assert_uint_eq(f.n_probes, 2);
}
END_TEST

static const uint64_t seeds[] = { 0, 1, 2, 3, 77, 12345, UINT64_MAX };

START_TEST(reachable_becomes_stale_between_half_and_one_and_a_half)
{
	struct fixture f;

	fixture_init(&f, seeds[_i]);
	go_to(&f, NEIGH_REACHABLE);
	run_ms(&f, 14980);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_REACHABLE);
	run_ms(&f, 30040);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_STALE);
	run_ms(&f, 100000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_STALE);
	ck_assert_uint_eq(f.n_probes, 0);
}
END_TEST

START_TEST(each_confirmation_prolongs_reachable)
{
	struct fixture f;

	fixture_init(&f, 5);
	go_to(&f, NEIGH_REACHABLE);
	for (unsigned int i = 0; i < 20; i++) {
		run_ms(&f, 10000);
		ck_assert(nud_update(&f.nud, &f.entry, &mac_a, NEIGH_REACHABLE, 0));
	}
	ck_assert_uint_eq(f.n_changes, 1);
	run_ms(&f, 45020);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_STALE);
}
END_TEST

START_TEST(used_stale_neighbour_is_probed_by_unicast_after_delay)
{
	static const uint64_t want_ms[] = { 5000, 6000, 7000 };
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, NEIGH_STALE);
	nud_use(&f.nud, &f.entry);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_DELAY);
	run_ms(&f, 4990);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_DELAY);
	run_ms(&f, 10);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_PROBE);
	run_ms(&f, 3000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_FAILED);
	ck_assert_uint_eq(f.n_probes, 3);
	ck_assert_uint_eq(f.n_unicast, 3);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(f.probe_ms[i], want_ms[i]);
}
END_TEST

START_TEST(answered_probe_makes_reachable_again)
{
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, NEIGH_PROBE);
	run_ms(&f, 500);
	ck_assert(nud_update(&f.nud, &f.entry, &mac_a, NEIGH_REACHABLE, 0));
	run_ms(&f, 10000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_REACHABLE);
	ck_assert_uint_eq(f.n_probes, 1);
}
END_TEST

START_TEST(permanent_has_no_timers_and_is_never_probed)
{
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, NEIGH_PROBE);
	ck_assert(nud_update(&f.nud, &f.entry, &mac_a, NEIGH_PERMANENT, NUD_ADMIN));
	ck_assert_uint_eq(f.nud.wheel.n_pending, 0);
	nud_use(&f.nud, &f.entry);
	run_ms(&f, 100000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_PERMANENT);
	ck_assert_uint_eq(f.n_probes, 1);
}
END_TEST

/* A neighbour known as MAC_A hears of a MAC. */
static const struct update_row {
	enum neigh_state from;
	struct mac_addr mac;
	enum neigh_state state;
	unsigned int flags;
	bool want_ok;
	enum neigh_state want;
	struct mac_addr want_mac;
} update_rows[] = {
	/* Nothing known yet: everything is news. */
	{ NEIGH_NONE, MAC_A, NEIGH_STALE, 0, true, NEIGH_STALE, MAC_A },
	{ NEIGH_INCOMPLETE, MAC_A, NEIGH_STALE, 0, true, NEIGH_STALE, MAC_A },
	{ NEIGH_INCOMPLETE, MAC_A, NEIGH_REACHABLE, 0, true, NEIGH_REACHABLE, MAC_A },
	{ NEIGH_FAILED, MAC_A, NEIGH_STALE, 0, true, NEIGH_STALE, MAC_A },
	/* The known address without proof changes nothing. */
	{ NEIGH_REACHABLE, MAC_A, NEIGH_STALE, NUD_OVERRIDE, true, NEIGH_REACHABLE, MAC_A },
	{ NEIGH_DELAY, MAC_A, NEIGH_STALE, NUD_OVERRIDE, true, NEIGH_DELAY, MAC_A },
	{ NEIGH_PROBE, MAC_A, NEIGH_STALE, NUD_OVERRIDE, true, NEIGH_PROBE, MAC_A },
	/* With proof it does. */
	{ NEIGH_STALE, MAC_A, NEIGH_REACHABLE, 0, true, NEIGH_REACHABLE, MAC_A },
	{ NEIGH_DELAY, MAC_A, NEIGH_REACHABLE, 0, true, NEIGH_REACHABLE, MAC_A },
	/* Another address needs permission. */
	{ NEIGH_REACHABLE, MAC_B, NEIGH_STALE, 0, false, NEIGH_REACHABLE, MAC_A },
	{ NEIGH_STALE, MAC_B, NEIGH_REACHABLE, 0, false, NEIGH_STALE, MAC_A },
	{ NEIGH_REACHABLE, MAC_B, NEIGH_STALE, NUD_OVERRIDE, true, NEIGH_STALE, MAC_B },
	{ NEIGH_STALE, MAC_B, NEIGH_STALE, NUD_OVERRIDE, true, NEIGH_STALE, MAC_B },
	{ NEIGH_REACHABLE, MAC_B, NEIGH_REACHABLE, NUD_OVERRIDE, true, NEIGH_REACHABLE, MAC_B },
	/* Without it, in ND, a reachable neighbour is doubted (RFC 4861 7.2.5), others are not. */
	{ NEIGH_REACHABLE, MAC_B, NEIGH_REACHABLE, NUD_WEAK_OVERRIDE, false, NEIGH_STALE, MAC_A },
	{ NEIGH_STALE, MAC_B, NEIGH_REACHABLE, NUD_WEAK_OVERRIDE, false, NEIGH_STALE, MAC_A },
	{ NEIGH_PROBE, MAC_B, NEIGH_STALE, NUD_WEAK_OVERRIDE, false, NEIGH_PROBE, MAC_A },
	{ NEIGH_DELAY, MAC_A, NEIGH_REACHABLE, NUD_WEAK_OVERRIDE, true, NEIGH_REACHABLE, MAC_A },
	/* PERMANENT listens to operators only. */
	{ NEIGH_PERMANENT, MAC_B, NEIGH_REACHABLE, NUD_OVERRIDE, false, NEIGH_PERMANENT, MAC_A },
	{ NEIGH_PERMANENT, MAC_A, NEIGH_STALE, NUD_OVERRIDE, false, NEIGH_PERMANENT, MAC_A },
	{ NEIGH_PERMANENT, MAC_B, NEIGH_PERMANENT, NUD_OVERRIDE | NUD_ADMIN, true, NEIGH_PERMANENT,
		MAC_B },
	{ NEIGH_REACHABLE, MAC_A, NEIGH_STALE, NUD_ADMIN, true, NEIGH_STALE, MAC_A },
};

START_TEST(what_is_heard_changes_state_as_linux_does)
{
	const struct update_row *row = &update_rows[_i];
	unsigned int n_before;
	struct fixture f;
	bool is_change;

	fixture_init(&f, 1);
	go_to(&f, row->from);
	ck_assert_int_eq(f.entry.neigh.state, row->from);
	n_before = f.n_changes;
	ck_assert_int_eq(
		nud_update(&f.nud, &f.entry, &row->mac, row->state, row->flags), row->want_ok);
	ck_assert_int_eq(f.entry.neigh.state, row->want);
	ck_assert_mem_eq(&f.entry.neigh.lladdr, &row->want_mac, sizeof(row->want_mac));
	is_change = row->want != row->from ||
		    (neigh_is_valid(&f.entry.neigh) && memcmp(&row->want_mac, &mac_a, 6) != 0);
	ck_assert_uint_eq(f.n_changes, n_before + is_change);
	/* Exactly the states with a timer have one. */
	ck_assert_int_eq(timer_is_pending(&f.entry.timer),
		(AS_BIT(row->want) & (AS_BIT(NEIGH_INCOMPLETE) | AS_BIT(NEIGH_REACHABLE) |
					     AS_BIT(NEIGH_DELAY) | AS_BIT(NEIGH_PROBE))) != 0);
}
END_TEST

static const struct collect_row {
	enum neigh_state state;
	unsigned int after_ms;
	bool want;
} collect_rows[] = {
	{ NEIGH_NONE, 0, true },
	{ NEIGH_FAILED, 0, true },
	{ NEIGH_STALE, 59980, false },
	{ NEIGH_STALE, 60000, true },
	{ NEIGH_INCOMPLETE, 0, false },
	{ NEIGH_REACHABLE, 0, false },
	{ NEIGH_DELAY, 0, false },
	{ NEIGH_PROBE, 0, false },
	{ NEIGH_PERMANENT, 1000000, false },
};

START_TEST(only_failed_and_long_stale_may_be_collected)
{
	const struct collect_row *row = &collect_rows[_i];
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, row->state);
	run_ms(&f, row->after_ms);
	ck_assert_int_eq(nud_is_collectable(&f.nud, &f.entry), row->want);
}
END_TEST

START_TEST(reset_forgets_address_and_timer)
{
	struct fixture f;

	fixture_init(&f, 1);
	go_to(&f, NEIGH_REACHABLE);
	nud_reset(&f.nud, &f.entry);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_NONE);
	ck_assert(mac_addr_is_zero(&f.entry.neigh.lladdr));
	ck_assert_uint_eq(f.nud.wheel.n_pending, 0);
	ck_assert_uint_eq(f.n_changes, 1);
}
END_TEST

START_TEST(first_tick_may_lie_far_from_the_start)
{
	struct fixture f;

	fixture_init(&f, 1);
	nud_init(&f.nud, &f.conf, &ops, &f, 0, 1);
	nud_advance(&f.nud, START_NS);
	nud_use(&f.nud, &f.entry);
	run_ms(&f, 3000);
	ck_assert_int_eq(f.entry.neigh.state, NEIGH_FAILED);
	ck_assert_uint_eq(f.n_probes, 3);
}
END_TEST

SUITE_MAIN("nud", PLAIN_TEST(unanswered_neighbour_fails_after_three_probes),
	PLAIN_TEST(use_while_incomplete_sends_nothing_more),
	PLAIN_TEST(failed_neighbour_is_tried_again_when_used),
	PLAIN_TEST(no_probe_allowed_fails_at_once), PLAIN_TEST(answer_ends_probing),
	LOOP_TEST(reachable_becomes_stale_between_half_and_one_and_a_half, seeds),
	PLAIN_TEST(each_confirmation_prolongs_reachable),
	PLAIN_TEST(used_stale_neighbour_is_probed_by_unicast_after_delay),
	PLAIN_TEST(answered_probe_makes_reachable_again),
	PLAIN_TEST(permanent_has_no_timers_and_is_never_probed),
	LOOP_TEST(what_is_heard_changes_state_as_linux_does, update_rows),
	LOOP_TEST(only_failed_and_long_stale_may_be_collected, collect_rows),
	PLAIN_TEST(reset_forgets_address_and_timer),
	PLAIN_TEST(first_tick_may_lie_far_from_the_start))
