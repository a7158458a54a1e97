/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a spec means, key by key and value by value: the measure for the compiled tables, and the answer
 * where only one rule is asked. Pure functions, any thread; far too slow for a list of rules.
 */
#include <endian.h>

#include "match/match_priv.h"

bool match_link_is(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, name, len - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static unsigned __int128 v6_number(const uint8_t *bytes)
{
	uint64_t half[2];

	memcpy(half, bytes, sizeof(half));
	return (unsigned __int128)be64toh(half[0]) << 64 | be64toh(half[1]);
}

/* The value of a key that is no link. */
static unsigned __int128 key_value(
	const struct match_spec *spec, const struct match_key *key, enum match_key_id id)
{
	switch (id) {
	case MATCH_IN:
		return key->in;
	case MATCH_OUT:
		return key->out;
	case MATCH_SRC:
		return key->family == AF_INET6 ? v6_number(key->src.v6) : key->src.v4;
	case MATCH_DST:
		return key->family == AF_INET6 ? v6_number(key->dst.v6) : key->dst.v4;
	case MATCH_PROTO:
		return key->proto;
	case MATCH_SPORT:
		return key->sport;
	case MATCH_DPORT:
		return key->dport;
	case MATCH_ICMP_TYPE:
		return key->icmp;
	case MATCH_TCP_FLAGS:
		return key->tcp_flags;
	case MATCH_STATE:
		return key->state;
	case MATCH_MARK:
		return key->mark & spec->mark_mask;
	case MATCH_DSCP:
		return key->dscp;
	case MATCH_N_KEYS:
		break;
	}
	return 0;
}

static bool list_has_link(const struct match_list *list, const char *name)
{
	for (unsigned int i = 0; i < list->n; i++)
		if (match_link_is(list->links[i], name))
			return true;
	return false;
}

static bool list_has(const struct match_list *list, unsigned __int128 value)
{
	for (unsigned int i = 0; i < list->n; i++)
		if (list->ranges[i].first <= value && value <= list->ranges[i].last)
			return true;
	return false;
}

static bool key_matches(const struct match_spec *spec, const struct match_key *key,
	enum match_key_id id, const struct match_links *links)
{
	const struct match_list *list = match_spec_list(spec, id, key->family);

	if (list->n == 0)
		return true;
	if (match_keys[id].is_l4 && !key->has_l4)
		return false;
	if (id == MATCH_IN || id == MATCH_OUT) {
		uint16_t ifindex = id == MATCH_IN ? key->in : key->out;

		return list_has_link(list, links->names[ifindex]) != list->is_negated;
	}
	return list_has(list, key_value(spec, key, id)) != list->is_negated;
}

bool match_spec_matches(
	const struct match_spec *spec, const struct match_key *key, const struct match_links *links)
{
	if (!(key->family == AF_INET6 ? spec->has_v6 : spec->has_v4))
		return false;
	for (unsigned int id = 0; id < MATCH_N_KEYS; id++)
		if (!key_matches(spec, key, (enum match_key_id)id, links))
			return false;
	return true;
}
