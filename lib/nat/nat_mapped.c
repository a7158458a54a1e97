/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which port an inside endpoint has when somebody else had the one that it should have got, so that
 * further connections of it get the same one (RFC 4787 REQ-1, RFC 5382 REQ-1): what a host has learned of
 * its port from one peer, a STUN server say, then holds for others. Endpoints that got the port which
 * is theirs by nat_port.c need no row.
 *
 * A small table per worker that only its worker touches: sets of four rows, about a cache line each. A
 * row lives as long as it has connections. An endpoint whose set is full of others goes without. Rows of
 * which no connection came (the packet was dropped behind nat_src) are anybody's.
 */
#include "nat/nat_priv.h"

/* Of the endpoint and the outside address that it has: elsewhere it may have another one. */
static uint64_t mapped_key(const struct nat_worker *nw, const struct flow_first *f)
{
	const struct hash_seed *seed = &nw->state->seed;
	uint64_t hash = hash_two(seed, f->orig.src.words[0], f->orig.src.words[1]);

	hash = hash_two(seed, hash ^ f->reply.dst.words[0], f->reply.dst.words[1]);
	return hash_two(
		seed, hash, (uint64_t)f->orig.sport_be << 32 | (uint64_t)f->ns << 8 | f->proto);
}

static struct nat_mapped *mapped_lookup(struct nat_worker *nw, uint64_t key)
{
	struct nat_mapped *set = nw->mapped[key % NAT_MAPPED_SETS];

	for (unsigned int i = 0; i < NAT_MAPPED_WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

/* Its row, or one that it may have. NULL: there is none. */
static struct nat_mapped *mapped_get(struct nat_worker *nw, uint64_t key)
{
	struct nat_mapped *set = nw->mapped[key % NAT_MAPPED_SETS];
	struct nat_mapped *row = mapped_lookup(nw, key);

	for (unsigned int i = 0; row == NULL && i < NAT_MAPPED_WAYS; i++)
		if (set[i].n == 0)
			row = &set[i];
	return row;
}

/* The row that a connection is counted in. NULL: none. */
static struct nat_mapped *mapped_of(struct nat_worker *nw, const struct flow_first *f)
{
	struct nat_mapped *row = mapped_lookup(nw, mapped_key(nw, f));

	if (row == NULL || row->port_be != nat_source_port_be(f->proto, &f->reply))
		return NULL;
	return row;
}

uint16_t nat_mapped_port(struct nat_worker *nw, const struct flow_first *f)
{
	const struct nat_mapped *row = mapped_lookup(nw, mapped_key(nw, f));

	return row != NULL ? row->port_be : f->orig.sport_be;
}

void nat_mapped_keep(struct nat_worker *nw, const struct flow_first *f)
{
	uint64_t key = mapped_key(nw, f);
	struct nat_mapped *row = mapped_get(nw, key);

	if (row != NULL && row->n == 0)
		*row = (struct nat_mapped){ .key = key,
			.port_be = nat_source_port_be(f->proto, &f->reply) };
}

void nat_mapped_made(struct nat_worker *nw, const struct flow_first *f)
{
	struct nat_mapped *row = mapped_of(nw, f);

	if (row != NULL)
		row->n++;
}

void nat_mapped_ended(struct nat_worker *nw, const struct flow_first *f)
{
	struct nat_mapped *row = mapped_of(nw, f);

	/* It may have been made while there was no row for it. */
	if (row != NULL && row->n > 0 && --row->n == 0)
		*row = (struct nat_mapped){ 0 };
}
