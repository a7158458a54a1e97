/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The search for a port. Called by the worker for the first packet of a connection; pure functions.
 *
 * The port that a connection has is kept if it can be: most are, so that to its peers an inside endpoint
 * looks the same from all sides. One that has got another port keeps that. Else ports are asked for in three
 * rounds, each better served than the next: in the bucket of the connection's own packets, so that the whole connection moves when
 * that bucket moves to another worker; in any bucket of this worker with the same parity; any that lands
 * here. The last round asks for every port of a range up to its limit, so that small ranges
 * are used up to the last one. In large ranges it jumps about: ports that are taken come in rows.
 *
 * All rounds begin at a place that only the inside endpoint and a secret decide. An endpoint that did
 * not get its own port therefore mostly gets the same other one towards all peers, also where each of its
 * connections is another worker's: the first round comes to the same port on all of them. For that its own
 * port is passed over, if so asked, where it would bring only some of the answers to the right worker.
 */
#include "nat/nat_port.h"

#include "net/hash.h"

enum {
	BUCKET_TRIES = 32,
	PARITY_TRIES = 32,
	LAST_TRIES = 128,
	WALK_MAX = 4096, /* ports looked at in a round, most of them other workers' */
	JUMP_EVERY = 16,
};
static_assert(BUCKET_TRIES + PARITY_TRIES + LAST_TRIES == NAT_PORT_TRIES, "what callers know");

struct search {
	const struct nat_port_choice *choice;
	unsigned int n_left; /* questions of this round */
	unsigned int n_used;
	uint16_t port;
	bool has_parity; /* this round asks for it */
};

void nat_buckets_init(struct nat_buckets *buckets)
{
	struct steer steer;
	uint16_t n = 0;

	steer_init(&steer, 1);
	memcpy(buckets->hash, steer.hash, sizeof(buckets->hash));
	for (unsigned int bucket = 0; bucket < STEER_BUCKETS; bucket++) {
		buckets->first[bucket] = n;
		for (unsigned int low = 0; low < 256; low++)
			if (buckets->hash[1][low] == bucket)
				buckets->low[n++] = (uint8_t)low;
	}
	buckets->first[STEER_BUCKETS] = n;
}

struct nat_port_range nat_port_class(uint16_t port)
{
	if (port < 512)
		return (struct nat_port_range){ 1, 511 };
	if (port < 1024)
		return (struct nat_port_range){ 512, 1023 };
	return (struct nat_port_range){ 1024, UINT16_MAX };
}

/* A number below n, as even as the hash is: no division. */
static uint32_t scale(uint64_t hash, uint32_t n)
{
	return (uint32_t)(((unsigned __int128)hash * n) >> 64);
}

static bool is_in_range(const struct nat_port_choice *choice, uint16_t port)
{
	return port >= choice->range.min && port <= choice->range.max;
}

static bool lands_here(const struct nat_port_choice *choice, uint16_t port)
{
	return choice->buckets == NULL ||
	       choice->is_mine(
		       choice->ctx, choice->rest ^ nat_bucket_of_port(choice->buckets, port));
}

/* Is it of the parity that this round asks for? */
static bool suits(const struct search *search, uint16_t port)
{
	return !search->has_parity || ((port ^ search->choice->original) & 1) == 0;
}

static bool try_port(struct search *search, uint16_t port)
{
	search->n_left--;
	search->port = port;
	if (search->choice->is_free(search->choice->ctx, port))
		return true;
	search->n_used++;
	return false;
}

/* The ports of the best bucket that have this upper byte. */
static bool try_high(struct search *search, uint16_t high)
{
	const struct nat_port_choice *choice = search->choice;
	const struct nat_buckets *buckets = choice->buckets;
	unsigned int rest = choice->wanted ^ choice->rest ^ buckets->hash[0][high];

	for (unsigned int i = buckets->first[rest]; i < buckets->first[rest + 1]; i++) {
		uint16_t port = (uint16_t)(high << 8 | buckets->low[i]);

		if (!is_in_range(choice, port) || !suits(search, port))
			continue;
		if (search->n_left == 0)
			return false;
		if (try_port(search, port))
			return true;
	}
	return false;
}

static bool search_bucket(struct search *search)
{
	const struct nat_port_choice *choice = search->choice;
	uint16_t min = choice->range.min >> 8, n = (uint16_t)((choice->range.max >> 8) - min + 1);
	uint16_t high = (uint16_t)scale(choice->start, n);

	for (unsigned int i = 0; i < n && search->n_left > 0; i++) {
		if (try_high(search, (uint16_t)(min + high)))
			return true;
		high = high + 1 == n ? 0 : (uint16_t)(high + 1);
	}
	return false;
}

static bool search_all(struct search *search)
{
	const struct nat_port_choice *choice = search->choice;
	uint32_t n = (uint32_t)choice->range.max - choice->range.min + 1;
	uint32_t at = scale(choice->start, n);
	bool is_large = n > LAST_TRIES;

	for (uint32_t i = 0; i < RTE_MIN(n, (uint32_t)WALK_MAX) && search->n_left > 0; i++) {
		uint16_t port = (uint16_t)(choice->range.min + at);

		at = at + 1 == n ? 0 : at + 1;
		if (!suits(search, port) || !lands_here(choice, port))
			continue;
		if (try_port(search, port))
			return true;
		if (is_large && search->n_left % JUMP_EVERY == 0)
			at = scale(hash_mix(choice->start, 2 * (uint64_t)i + 1), n);
	}
	return false;
}

static bool search_rounds(struct search *search)
{
	const struct nat_port_choice *choice = search->choice;

	search->has_parity = choice->has_parity;
	if (choice->buckets != NULL) {
		search->n_left = BUCKET_TRIES;
		if (choice->is_mine(choice->ctx, choice->wanted) && search_bucket(search))
			return true;
	}
	if (choice->has_parity) {
		search->n_left = PARITY_TRIES;
		if (search_all(search))
			return true;
	}
	search->has_parity = false;
	search->n_left = LAST_TRIES;
	return search_all(search);
}

/* Would it bring the answers of all peers to who has the connection? (nat_port.h) */
static bool is_for_all_peers(const struct nat_port_choice *choice, uint16_t port)
{
	return choice->buckets == NULL ||
	       (choice->rest ^ nat_bucket_of_port(choice->buckets, port)) == choice->wanted;
}

static bool try_known(struct search *search, uint16_t port)
{
	search->n_left = 1;
	return is_in_range(search->choice, port) && lands_here(search->choice, port) &&
	       try_port(search, port);
}

bool nat_port_choose(const struct nat_port_choice *choice, uint16_t *port, unsigned int *n_used)
{
	struct search search = { .choice = choice };
	bool is_found;

	is_found = (choice->mapped != choice->original && try_known(&search, choice->mapped)) ||
		   ((!choice->suits_all_peers || is_for_all_peers(choice, choice->original)) &&
			   try_known(&search, choice->original)) ||
		   search_rounds(&search);
	*n_used = search.n_used;
	if (is_found)
		*port = search.port;
	return is_found;
}
