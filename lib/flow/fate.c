/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What became of first fragments. See fragments.h. Called by `track`, `flow_commit` and `flow_forward` on the
 * worker that has judged them; fixed memory, no lock.
 */
#include "flow/fragments.h"

static unsigned int fate_set(const struct flow_fates *fates, const struct reassembly_key *key)
{
	return reassembly_hash(key, fates->seed) % FLOW_FATE_SETS;
}

/* FLOW_FATE_WAYS: it is not there. */
static unsigned int set_find(const struct flow_fate_set *set, const struct reassembly_key *key)
{
	unsigned int way = 0;

	while (way < FLOW_FATE_WAYS && memcmp(&set->ways[way].key, key, sizeof(*key)) != 0)
		way++;
	return way;
}

void flow_fate_begin(struct flow_fates *fates, const struct reassembly_key *key, uint64_t pass)
{
	struct flow_fate_set *set = &fates->sets[fate_set(fates, key)];
	unsigned int way = set_find(set, key);

	/* If the identification is used again: what became of the datagram before does not count. */
	if (way == FLOW_FATE_WAYS)
		way = set->next++ % FLOW_FATE_WAYS;
	set->ways[way] = (struct flow_fate){ .key = *key, .pass = pass };
}

void flow_fate_accept(struct flow_fates *fates, const struct reassembly_key *key, uint8_t state,
	uint8_t tcp_flags)
{
	struct flow_fate_set *set = &fates->sets[fate_set(fates, key)];
	unsigned int way = set_find(set, key);

	if (way == FLOW_FATE_WAYS)
		return;
	set->ways[way].state = state;
	set->ways[way].tcp_flags = tcp_flags;
}

const struct flow_fate *flow_fate_find(
	const struct flow_fates *fates, const struct reassembly_key *key)
{
	const struct flow_fate_set *set = &fates->sets[fate_set(fates, key)];
	unsigned int way = set_find(set, key);

	return way == FLOW_FATE_WAYS ? NULL : &set->ways[way];
}
