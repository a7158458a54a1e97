/* SPDX-License-Identifier: BSD-3-Clause */

/* The tables of virtual reassembly by themselves: orders, overlaps, bounds, time. */
#include "flow/fragments.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

enum { PORTS = 0x12345678, LIFE = 1000 };

static struct flow_fragments *table_new(void)
{
	struct flow_fragments *f = calloc(1, sizeof(*f));

	ck_assert_ptr_nonnull(f);
	flow_fragments_init(f, 10000, 7);
	return f;
}

/* Fragment first..end of datagram id, which is never looked at behind its mbuf's nb_segs. */
struct step {
	uint16_t first, end;
	bool is_last;
	enum flow_fragment_verdict want;
	unsigned int n_out;
};

static struct flow_fragment fragment_of(uint8_t family, uint32_t id, const struct step *step)
{
	return (struct flow_fragment){
		.key = { .src = { 1 }, .dst = { 2 }, .id = id, .family = family },
		.first = step->first,
		.end = step->end,
		.is_last = step->is_last,
		.proto = step->first == 0 ? IPPROTO_UDP : IPPROTO_DSTOPTS,
		.ports_be = step->first == 0 ? PORTS + id : 0,
	};
}

static enum flow_fragment_verdict add(struct flow_fragments *f, uint32_t id,
	const struct step *step, struct rte_mbuf *m, uint64_t pass, struct flow_fragment_out *out)
{
	struct flow_fragment fragment = fragment_of(AF_INET, id, step);

	fragment.m = m;
	m->nb_segs = 1;
	return flow_fragments_add(f, &fragment, 0, pass, out);
}

static void expect_empty(const struct flow_fragments *f)
{
	ck_assert(reassembly_is_empty(&f->ip4.table));
	ck_assert(reassembly_is_empty(&f->ip6.table));
	ck_assert_uint_eq(f->ip4.table.n_segs, 0);
	ck_assert_uint_eq(f->ip6.table.n_segs, 0);
}

/* Orders */

enum { N_PIECES = 5, N_ORDERS = 120 };

static const struct step pieces[N_PIECES] = { { 0, 1480, false, FLOW_FRAGMENT_PASS, 0 },
	{ 1480, 2000, false, FLOW_FRAGMENT_PASS, 0 }, { 2000, 2008, false, FLOW_FRAGMENT_PASS, 0 },
	{ 2008, 4000, false, FLOW_FRAGMENT_PASS, 0 }, { 4000, 4001, true, FLOW_FRAGMENT_PASS, 0 } };

static void make_order(unsigned int permutation, unsigned int *order)
{
	unsigned int left[N_PIECES], n_left = N_PIECES;

	for (unsigned int i = 0; i < N_PIECES; i++)
		left[i] = i;
	for (unsigned int i = 0; n_left > 0; i++) {
		unsigned int k = permutation % n_left;

		permutation /= n_left;
		order[i] = left[k];
		memmove(left + k, left + k + 1, (--n_left - k) * sizeof(left[0]));
	}
}

/* Every fragment in that order; has_own_pass: each in a pass of its own, or all in one. */
static void check_order(struct flow_fragments *f, const unsigned int *order, bool has_own_pass)
{
	struct flow_fragment_out out;
	struct rte_mbuf pkts[N_PIECES];
	unsigned int first = 0;

	while (order[first] != 0)
		first++;
	for (unsigned int i = 0; i < N_PIECES; i++) {
		enum flow_fragment_verdict got =
			add(f, 1, &pieces[order[i]], &pkts[i], has_own_pass ? 10 + i : 10, &out);

		if (i < first) {
			ck_assert_int_eq(got, FLOW_FRAGMENT_HELD);
			ck_assert_uint_eq(out.n, 0);
			continue;
		}
		ck_assert_int_eq(
			got, i == first || has_own_pass ? FLOW_FRAGMENT_PASS : FLOW_FRAGMENT_AFTER);
		ck_assert_uint_eq(out.ports_be, PORTS + 1);
		ck_assert_uint_eq(out.proto, IPPROTO_UDP);
		ck_assert_uint_eq(out.n, i == first ? first : 0);
		for (unsigned int k = 0; k < out.n; k++)
			ck_assert_ptr_eq(out.pkts[k], &pkts[k]);
	}
	expect_empty(f);
}

START_TEST(in_every_order_all_fragments_go_on_behind_the_first_one)
{
	struct flow_fragments *f = table_new();
	unsigned int order[N_PIECES];

	for (unsigned int i = 0; i < N_ORDERS; i++) {
		make_order(i, order);
		check_order(f, order, true);
		check_order(f, order, false);
	}
	free(f);
}
END_TEST

/* What is no proper datagram */

#define PASS	  FLOW_FRAGMENT_PASS
#define HELD	  FLOW_FRAGMENT_HELD
#define DUPLICATE FLOW_FRAGMENT_DUPLICATE
#define OVERLAP	  FLOW_FRAGMENT_OVERLAP
#define REFUSED	  FLOW_FRAGMENT_REFUSED

static const struct {
	const char *name;
	struct step steps[6];
	bool is_whole;
} refused[] = {
	{ "a duplicate of the first",
		{ { 0, 80, false, PASS, 0 }, { 0, 80, false, DUPLICATE, 0 },
			{ 80, 99, true, PASS, 0 } },
		true },
	{ "a duplicate of one that waits",
		{ { 80, 160, false, HELD, 0 }, { 80, 160, false, DUPLICATE, 0 },
			{ 0, 80, false, PASS, 1 }, { 160, 161, true, PASS, 0 } },
		true },
	{ "a duplicate of one that has gone on",
		{ { 0, 80, false, PASS, 0 }, { 80, 160, false, PASS, 0 },
			{ 80, 160, false, DUPLICATE, 0 }, { 160, 161, true, PASS, 0 } },
		true },
	{ "a duplicate of the last",
		{ { 80, 99, true, HELD, 0 }, { 80, 99, true, DUPLICATE, 0 },
			{ 0, 80, false, PASS, 1 } },
		true },
	{ "over the first, which has gone on",
		{ { 0, 80, false, PASS, 0 }, { 8, 88, false, OVERLAP, 0 },
			{ 80, 99, true, REFUSED, 0 } },
		false },
	{ "over the first's first half, later",
		{ { 0, 80, false, PASS, 0 }, { 0, 40, false, OVERLAP, 0 },
			{ 0, 80, false, REFUSED, 0 } },
		false },
	{ "the first over one that waits",
		{ { 8, 88, false, HELD, 0 }, { 88, 96, false, HELD, 0 },
			{ 0, 16, false, OVERLAP, 2 }, { 0, 8, false, REFUSED, 0 } },
		false },
	{ "two that wait over each other",
		{ { 8, 88, false, HELD, 0 }, { 80, 160, false, OVERLAP, 1 },
			{ 0, 8, false, REFUSED, 0 } },
		false },
	{ "a second end before the first",
		{ { 80, 99, true, HELD, 0 }, { 40, 48, true, OVERLAP, 1 },
			{ 0, 40, false, REFUSED, 0 } },
		false },
	{ "something behind the end",
		{ { 0, 8, false, PASS, 0 }, { 80, 99, true, PASS, 0 },
			{ 104, 112, false, OVERLAP, 0 }, { 8, 80, false, REFUSED, 0 } },
		false },
	{ "an end before something that waits",
		{ { 80, 160, false, HELD, 0 }, { 8, 80, true, OVERLAP, 1 },
			{ 0, 8, false, REFUSED, 0 } },
		false },
};

/* RFC 5722, and RFC 1858, RFC 3128: over the first one's header nothing else is let through. */
START_TEST(rfc5722_what_overlaps_is_refused_and_so_is_all_of_its_datagram)
{
	struct flow_fragments *f = table_new();
	struct rte_mbuf pkts[6];
	struct flow_fragment_out out;

	for (unsigned int i = 0; i < 6 && refused[_i].steps[i].end > 0; i++) {
		const struct step *step = &refused[_i].steps[i];

		ck_assert_msg(add(f, 1, step, &pkts[i], i, &out) == step->want, "%s, step %u",
			refused[_i].name, i);
		ck_assert_uint_eq(out.n, step->n_out);
	}
	ck_assert_uint_eq(f->ip4.table.n_segs, 0);
	/* It is remembered for as long as a fragment may come. */
	ck_assert_uint_eq(f->ip4.table.n_datagrams, refused[_i].is_whole ? 0 : 1);
	ck_assert(!flow_fragments_expire(&f->ip4, LIFE - 1, LIFE, &out));
	ck_assert(flow_fragments_expire(&f->ip4, LIFE, LIFE, &out) != refused[_i].is_whole);
	ck_assert(refused[_i].is_whole || out.n == 0);
	expect_empty(f);
	/* Afterwards the identification is as good as any. */
	ck_assert_int_eq(add(f, 1, &pieces[0], &pkts[0], 9, &out), PASS);
	free(f);
}
END_TEST

START_TEST(a_datagram_of_too_many_fragments_is_refused)
{
	struct flow_fragments *f = table_new();
	struct rte_mbuf pkts[REASSEMBLY_FRAGMENTS + 2];
	struct flow_fragment_out out;
	struct step step = { 8, 16, false, HELD, 0 };
	unsigned int i;

	for (i = 0; i < REASSEMBLY_FRAGMENTS; i++, step.first += 8, step.end += 8)
		ck_assert_int_eq(add(f, 1, &step, &pkts[i], 1, &out), HELD);
	ck_assert_int_eq(add(f, 1, &pieces[0], &pkts[i], 1, &out), OVERLAP);
	ck_assert_uint_eq(out.n, REASSEMBLY_FRAGMENTS);
	for (i = 0; i < out.n; i++)
		ck_assert_ptr_eq(out.pkts[i], &pkts[i]);
	/* The same without an overlap: of as many fragments, and one more. */
	step = (struct step){ 8, 16, false, HELD, 0 };
	for (i = 0; i < REASSEMBLY_FRAGMENTS; i++, step.first += 8, step.end += 8)
		ck_assert_int_eq(add(f, 2, &step, &pkts[i], 1, &out), HELD);
	ck_assert_int_eq(add(f, 2, &(struct step){ 0, 8, false, PASS, 0 }, &pkts[i], 1, &out),
		FLOW_FRAGMENT_TOO_MANY);
	ck_assert_uint_eq(out.n, REASSEMBLY_FRAGMENTS);
	ck_assert_int_eq(add(f, 2, &step, &pkts[i], 1, &out), REFUSED);
	free(f);
}
END_TEST

/* Bounds */

START_TEST(a_full_table_refuses_new_datagrams_and_serves_old_ones)
{
	struct flow_fragments *f = table_new();
	struct flow_fragment_out out;
	struct rte_mbuf m;
	uint32_t id;

	for (id = 0; id < FLOW_FRAGMENT_DATAGRAMS; id++)
		ck_assert_int_eq(add(f, id, &pieces[0], &m, id, &out), PASS);
	ck_assert_int_eq(add(f, id, &pieces[0], &m, id, &out), FLOW_FRAGMENT_FULL);
	ck_assert_int_eq(add(f, id, &pieces[1], &m, id, &out), FLOW_FRAGMENT_FULL);
	for (id = 0; id < FLOW_FRAGMENT_DATAGRAMS; id++) {
		ck_assert_int_eq(add(f, id, &pieces[1], &m, id + 1, &out), PASS);
		ck_assert_uint_eq(out.ports_be, PORTS + id);
	}
	/* One that is whole makes room for another. */
	for (unsigned int i = 2; i < N_PIECES; i++)
		ck_assert_int_eq(add(f, 77, &pieces[i], &m, 1, &out), PASS);
	ck_assert_int_eq(add(f, id, &pieces[0], &m, id, &out), PASS);
	ck_assert_int_eq(add(f, id + 1, &pieces[0], &m, id, &out), FLOW_FRAGMENT_FULL);
	free(f);
}
END_TEST

START_TEST(what_waits_is_bounded_in_buffers_and_what_need_not_wait_is_not)
{
	struct flow_fragments *f = table_new();
	struct rte_mbuf pkts[5];
	struct flow_fragment_out out;

	f->ip4.table.n_segs_max = 3;
	for (uint32_t id = 0; id < 3; id++)
		ck_assert_int_eq(add(f, id, &pieces[1], &pkts[id], 1, &out), HELD);
	ck_assert_int_eq(add(f, 0, &pieces[2], &pkts[3], 1, &out), FLOW_FRAGMENT_FULL);
	ck_assert_int_eq(add(f, 3, &pieces[1], &pkts[3], 1, &out), FLOW_FRAGMENT_FULL);
	ck_assert_uint_eq(f->ip4.table.n_datagrams, 3);
	ck_assert_int_eq(add(f, 3, &pieces[0], &pkts[3], 1, &out), PASS);
	ck_assert_int_eq(add(f, 3, &pieces[1], &pkts[3], 2, &out), PASS);
	/* A first one lets go what has waited for it. */
	ck_assert_int_eq(add(f, 1, &pieces[0], &pkts[4], 3, &out), PASS);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_ptr_eq(out.pkts[0], &pkts[1]);
	ck_assert_int_eq(add(f, 0, &pieces[2], &pkts[3], 1, &out), HELD);
	free(f);
}
END_TEST

/* Time */

START_TEST(what_is_too_old_is_forgotten_oldest_first)
{
	struct flow_fragments *f = table_new();
	struct flow_fragment_out out;
	struct rte_mbuf pkts[2];

	for (unsigned int i = 0; i < 2; i++) {
		struct flow_fragment fragment = fragment_of(AF_INET, i, &pieces[1]);

		pkts[i].nb_segs = 1;
		fragment.m = &pkts[i];
		ck_assert_int_eq(flow_fragments_add(f, &fragment, 100 * i, i, &out), HELD);
	}
	ck_assert(!flow_fragments_expire(&f->ip6, UINT64_MAX, LIFE, &out));
	ck_assert(!flow_fragments_expire(&f->ip4, LIFE - 1, LIFE, &out));
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert(flow_fragments_expire(&f->ip4, LIFE + 100 * i, LIFE, &out));
		ck_assert_uint_eq(out.n, 1);
		ck_assert_ptr_eq(out.pkts[0], &pkts[i]);
		ck_assert(!flow_fragments_expire(&f->ip4, LIFE + 100 * i, LIFE, &out));
	}
	expect_empty(f);
	free(f);
}
END_TEST

START_TEST(datagrams_are_told_apart_by_every_part_of_their_key)
{
	struct flow_fragments *f = table_new();
	struct flow_fragment_out out;
	struct rte_mbuf m = { .nb_segs = 1 };
	struct flow_fragment others[8];

	ck_assert_int_eq(add(f, 1, &pieces[0], &m, 1, &out), PASS);
	for (unsigned int i = 0; i < RTE_DIM(others); i++) {
		others[i] = fragment_of(AF_INET, 1, &pieces[1]);
		others[i].m = &m;
	}
	others[0].key.src[0] ^= 1;
	others[1].key.src[15] ^= 1;
	others[2].key.dst[0] ^= 1;
	others[3].key.dst[15] ^= 1;
	others[4].key.id ^= 0x80000000;
	others[5].key.ns++;
	others[6].key.proto = IPPROTO_TCP;
	others[7].key.family = AF_INET6;
	for (unsigned int i = 0; i < RTE_DIM(others); i++)
		ck_assert_int_eq(flow_fragments_add(f, &others[i], 0, 2, &out), HELD);
	ck_assert_int_eq(add(f, 1, &pieces[1], &m, 2, &out), PASS);
	free(f);
}
END_TEST

/* Many datagrams at once, in any order: each packet comes out once, with its datagram's ports. */

enum { MIX_DATAGRAMS = 500, MIX_PACKETS = MIX_DATAGRAMS * N_PIECES };

START_TEST(datagrams_that_are_mixed_come_apart)
{
	static struct rte_mbuf pkts[MIX_PACKETS];
	static unsigned int order[MIX_PACKETS], n_seen[MIX_PACKETS];
	struct flow_fragments *f = table_new();
	struct flow_fragment_out out;

	srand(1);
	for (unsigned int i = 0; i < MIX_PACKETS; i++) {
		unsigned int k = (unsigned int)rand() % (i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (unsigned int i = 0; i < MIX_PACKETS; i++) {
		unsigned int p = order[i], id = p / N_PIECES;

		if (add(f, id, &pieces[p % N_PIECES], &pkts[p], i / 64, &out) == HELD)
			continue;
		ck_assert_uint_eq(out.ports_be, PORTS + id);
		n_seen[p]++;
		for (unsigned int k = 0; k < out.n; k++) {
			ck_assert_uint_eq((size_t)(out.pkts[k] - pkts) / N_PIECES, id);
			n_seen[out.pkts[k] - pkts]++;
		}
	}
	for (unsigned int i = 0; i < MIX_PACKETS; i++)
		ck_assert_uint_eq(n_seen[i], 1);
	expect_empty(f);
	free(f);
}
END_TEST

/* What became of first fragments */

static struct reassembly_key fate_key(uint32_t id)
{
	return (struct reassembly_key){ .src = { 1 }, .dst = { 2 }, .id = id, .family = AF_INET };
}

START_TEST(a_fate_is_that_of_the_newest_datagram_with_the_key)
{
	struct flow_fates *fates = calloc(1, sizeof(*fates));
	struct reassembly_key key = fate_key(1), other = fate_key(2);

	ck_assert_ptr_nonnull(fates);
	ck_assert_ptr_null(flow_fate_find(fates, &key));
	/* Nobody has judged it here: whoever thinks so is not believed. */
	flow_fate_accept(fates, &key, 4, 5);
	ck_assert_ptr_null(flow_fate_find(fates, &key));
	flow_fate_begin(fates, &key, 7);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->state, 0);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->pass, 7);
	flow_fate_begin(fates, &other, 8);
	flow_fate_accept(fates, &key, 4, 5);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->state, 4);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->tcp_flags, 5);
	ck_assert_uint_eq(flow_fate_find(fates, &other)->state, 0);
	flow_fate_begin(fates, &key, 9);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->state, 0);
	ck_assert_uint_eq(flow_fate_find(fates, &key)->pass, 9);
	free(fates);
}
END_TEST

START_TEST(the_oldest_fates_make_way)
{
	enum { N = 20 * FLOW_FATE_SETS * FLOW_FATE_WAYS };
	struct flow_fates *fates = calloc(1, sizeof(*fates));
	struct reassembly_key key;
	unsigned int n = 0;

	ck_assert_ptr_nonnull(fates);
	for (uint32_t id = 0; id < N; id++) {
		key = fate_key(id);
		flow_fate_begin(fates, &key, id);
		flow_fate_accept(fates, &key, 1, 0);
	}
	for (uint32_t id = 0; id < N; id++) {
		key = fate_key(id);
		if (flow_fate_find(fates, &key) == NULL)
			continue;
		ck_assert_uint_gt(id, N - N / 5);
		n++;
	}
	ck_assert_uint_eq(n, FLOW_FATE_SETS * FLOW_FATE_WAYS);
	/* Of the last few hundred none is missing. */
	for (uint32_t id = N - 500; id < N; id++) {
		key = fate_key(id);
		ck_assert_ptr_nonnull(flow_fate_find(fates, &key));
	}
	free(fates);
}
END_TEST

SUITE_MAIN("flow_fragments", PLAIN_TEST(in_every_order_all_fragments_go_on_behind_the_first_one),
	LOOP_TEST(rfc5722_what_overlaps_is_refused_and_so_is_all_of_its_datagram, refused),
	PLAIN_TEST(a_datagram_of_too_many_fragments_is_refused),
	PLAIN_TEST(a_full_table_refuses_new_datagrams_and_serves_old_ones),
	PLAIN_TEST(what_waits_is_bounded_in_buffers_and_what_need_not_wait_is_not),
	PLAIN_TEST(what_is_too_old_is_forgotten_oldest_first),
	PLAIN_TEST(datagrams_are_told_apart_by_every_part_of_their_key),
	PLAIN_TEST(datagrams_that_are_mixed_come_apart),
	PLAIN_TEST(a_fate_is_that_of_the_newest_datagram_with_the_key),
	PLAIN_TEST(the_oldest_fates_make_way))
