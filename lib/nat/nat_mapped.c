/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which port an inside endpoint has when it is not its own, so that further connections of it get the same
 * one (RFC 4787 REQ-1, RFC 5382 REQ-1): what a host has learned of its port from one peer, a STUN
 * server say, then holds for others. Endpoints that have kept their port need no row.
 *
 * A small table per worker, one place for each hash, that only its worker touches. A row lives as long as
 * it has connections. An endpoint whose place is another's goes without: its ports are then chosen by
 * the search alone, which mostly comes to the same one. Rows of which no connection came (the packet was
 * dropped behind nat_src) are anybody's.
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

static struct nat_mapped *mapped_at(struct nat_worker *nw, uint64_t key)
{
	return &nw->mapped[key % NAT_MAPPED];
}

/* The row that a connection is counted in. NULL: none. */
static struct nat_mapped *mapped_of(struct nat_worker *nw, const struct flow_first *f)
{
	uint64_t key = mapped_key(nw, f);
	struct nat_mapped *row = mapped_at(nw, key);

	return row->key == key && row->port_be == nat_source_port_be(f->proto, &f->reply) ? row
											  : NULL;
}

uint16_t nat_mapped_port(struct nat_worker *nw, const struct flow_first *f)
{
	uint64_t key = mapped_key(nw, f);
	const struct nat_mapped *row = mapped_at(nw, key);

	return row->key == key ? row->port_be : f->orig.sport_be;
}

void nat_mapped_keep(struct nat_worker *nw, const struct flow_first *f)
{
	uint64_t key = mapped_key(nw, f);
	struct nat_mapped *row = mapped_at(nw, key);

	if (row->n == 0)
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

	/* It may have been made while the place was another's. */
	if (row != NULL && row->n > 0 && --row->n == 0)
		*row = (struct nat_mapped){ 0 };
}
