/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams on their way to be whole. See reassembly.h. Called by the stages that know headers, on
 * the worker that owns the table; no lock, and no memory but the table's own.
 */
#include "ip/reassembly.h"

void reassembly_init(struct reassembly *table, struct reassembly_datagram *datagrams,
	unsigned int n, uint32_t seed)
{
	TAILQ_INIT(&table->by_age);
	TAILQ_INIT(&table->unused);
	table->seed = seed;
	table->datagrams = datagrams;
	for (unsigned int i = 0; i < REASSEMBLY_BUCKETS; i++)
		LIST_INIT(&table->buckets[i]);
	for (unsigned int i = 0; i < n; i++)
		TAILQ_INSERT_TAIL(&table->unused, &datagrams[i], by_age);
}

static void reassembly_set_n(struct reassembly *table, uint32_t n)
{
	__atomic_store_n(&table->n_datagrams, n, __ATOMIC_RELAXED);
}

static struct reassembly_bucket *reassembly_bucket(
	struct reassembly *table, const struct reassembly_key *key)
{
	return &table->buckets[reassembly_hash(key, table->seed) % REASSEMBLY_BUCKETS];
}

static struct reassembly_datagram *reassembly_begin(struct reassembly *table,
	struct reassembly_bucket *bucket, const struct reassembly_key *key, uint64_t now)
{
	struct reassembly_datagram *datagram = TAILQ_FIRST(&table->unused);

	if (datagram == NULL)
		return NULL;
	TAILQ_REMOVE(&table->unused, datagram, by_age);
	TAILQ_INSERT_TAIL(&table->by_age, datagram, by_age);
	LIST_INSERT_HEAD(bucket, datagram, of_bucket);
	datagram->key = *key;
	datagram->born = now;
	datagram->have = datagram->total = 0;
	datagram->n_segs = datagram->n = 0;
	reassembly_set_n(table, table->n_datagrams + 1);
	return datagram;
}

struct reassembly_datagram *reassembly_get(
	struct reassembly *table, const struct reassembly_key *key, uint64_t now)
{
	struct reassembly_bucket *bucket = reassembly_bucket(table, key);
	struct reassembly_datagram *datagram;

	LIST_FOREACH(datagram, bucket, of_bucket) {
		if (memcmp(&datagram->key, key, sizeof(*key)) == 0)
			return datagram;
	}
	return reassembly_begin(table, bucket, key, now);
}

void reassembly_release(struct reassembly *table, struct reassembly_datagram *datagram)
{
	table->n_segs -= datagram->n_segs;
	LIST_REMOVE(datagram, of_bucket);
	TAILQ_REMOVE(&table->by_age, datagram, by_age);
	/* The last used is the one whose lines are still in the cache. */
	TAILQ_INSERT_HEAD(&table->unused, datagram, by_age);
	reassembly_set_n(table, table->n_datagrams - 1);
}

/* Do both agree about where the datagram ends? */
static bool reassembly_end_fits(const struct reassembly_datagram *datagram,
	const struct reassembly_piece *piece, bool is_last)
{
	uint32_t end = datagram->n > 0 ? datagram->pieces[datagram->n - 1].end : 0;

	if (datagram->total != 0)
		return is_last ? piece->end == datagram->total : piece->end <= datagram->total;
	return !is_last || piece->end >= end;
}

/* Where it goes: behind all that begin before it. Most fragments come in order. */
static unsigned int reassembly_position(
	const struct reassembly_datagram *datagram, const struct reassembly_piece *piece)
{
	unsigned int pos = datagram->n;

	while (pos > 0 && datagram->pieces[pos - 1].first > piece->first)
		pos--;
	return pos;
}

/* Against its neighbours, which do not overlap each other. WAIT: nothing is wrong. */
static enum reassembly_verdict reassembly_judge(const struct reassembly_datagram *datagram,
	unsigned int pos, const struct reassembly_piece *piece)
{
	const struct reassembly_piece *before = pos > 0 ? &datagram->pieces[pos - 1] : NULL;
	const struct reassembly_piece *behind = pos < datagram->n ? &datagram->pieces[pos] : NULL;

	if (before != NULL && before->first == piece->first && before->end == piece->end)
		return REASSEMBLY_DUPLICATE;
	if (before != NULL && before->end > piece->first)
		return REASSEMBLY_OVERLAP;
	if (behind != NULL && behind->first < piece->end)
		return REASSEMBLY_OVERLAP;
	return datagram->n == REASSEMBLY_FRAGMENTS ? REASSEMBLY_TOO_MANY : REASSEMBLY_WAIT;
}

static uint32_t reassembly_n_segs(const struct reassembly_piece *piece)
{
	return piece->m != NULL ? piece->m->nb_segs : 0;
}

static void reassembly_insert(struct reassembly *table, struct reassembly_datagram *datagram,
	unsigned int pos, const struct reassembly_piece *piece)
{
	struct reassembly_piece *at = &datagram->pieces[pos];

	memmove(at + 1, at, (datagram->n - pos) * sizeof(*at));
	*at = *piece;
	at->n_before = (uint16_t)datagram->n++;
	datagram->have += piece->end - piece->first;
	datagram->n_segs += reassembly_n_segs(piece);
	table->n_segs += reassembly_n_segs(piece);
}

enum reassembly_verdict reassembly_add(struct reassembly *table,
	struct reassembly_datagram *datagram, const struct reassembly_piece *piece, bool is_last)
{
	enum reassembly_verdict verdict;
	unsigned int pos;

	if (piece->m != NULL && table->n_segs + reassembly_n_segs(piece) > table->n_segs_max) {
		if (datagram->n == 0)
			reassembly_release(table, datagram);
		return REASSEMBLY_FULL;
	}
	if (!reassembly_end_fits(datagram, piece, is_last))
		return REASSEMBLY_OVERLAP;
	pos = reassembly_position(datagram, piece);
	verdict = reassembly_judge(datagram, pos, piece);
	if (verdict != REASSEMBLY_WAIT)
		return verdict;
	reassembly_insert(table, datagram, pos, piece);
	if (is_last)
		datagram->total = piece->end;
	/* Nothing overlaps and nothing lies behind the end: as many bytes as that are all of them. */
	return datagram->have == datagram->total ? REASSEMBLY_DONE : REASSEMBLY_WAIT;
}

unsigned int reassembly_take(
	struct reassembly *table, struct reassembly_datagram *datagram, struct rte_mbuf **pkts)
{
	struct rte_mbuf *by_arrival[REASSEMBLY_FRAGMENTS];
	unsigned int n = 0;

	for (unsigned int i = 0; i < datagram->n; i++) {
		by_arrival[datagram->pieces[i].n_before] = datagram->pieces[i].m;
		datagram->pieces[i].m = NULL;
	}
	for (unsigned int i = 0; i < datagram->n; i++)
		if (by_arrival[i] != NULL)
			pkts[n++] = by_arrival[i];
	table->n_segs -= datagram->n_segs;
	datagram->n_segs = 0;
	return n;
}
