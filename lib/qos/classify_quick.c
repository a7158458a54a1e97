/* SPDX-License-Identifier: BSD-3-Clause */

/* classify_quick.h: which filters are simple. Control thread. */
#include "qos/classify_quick.h"

/* One range of values, or any. False: it is more than that. */
static bool range_of(const struct match_list *list, uint16_t max, struct quick_range *out)
{
	const struct match_range *range = list->ranges;

	*out = (struct quick_range){ 0, max };
	if (list->n == 0)
		return true;
	if (list->n > 1 || list->is_negated)
		return false;
	*out = (struct quick_range){ (uint16_t)range->first,
		(uint16_t)(range->last - range->first) };
	return true;
}

/* Ports mean nothing in other protocols; so a filter that asks for some must name one, or a range of those. */
static bool has_ports(const struct quick_range *proto)
{
	for (uint32_t i = 0; i <= proto->width; i++)
		if (!parse_has_ports((uint8_t)(proto->first + i)))
			return false;
	return true;
}

static void put(struct quick_filters *quick, uint32_t at, const struct quick_range *ranges)
{
	struct quick_pair *pair = &quick->pairs[at / 2];

	for (unsigned int lane = 0; lane < QUICK_LANES; lane++) {
		pair->first[at % 2 * QUICK_LANES + lane] = ranges[lane].first;
		pair->width[at % 2 * QUICK_LANES + lane] = ranges[lane].width;
	}
}

bool quick_add(struct quick_filters *quick, const struct match_spec *spec, uint32_t node)
{
	static const struct {
		enum match_key_id key;
		uint16_t max;
	} lanes[QUICK_LANES] = {
		[QUICK_PROTO] = { MATCH_PROTO, UINT8_MAX },
		[QUICK_DSCP] = { MATCH_DSCP, 63 },
		[QUICK_DPORT] = { MATCH_DPORT, UINT16_MAX },
		[QUICK_SPORT] = { MATCH_SPORT, UINT16_MAX },
	};
	/* No frame has such a protocol. */
	static const struct quick_range never[QUICK_LANES] = { [QUICK_PROTO] = { UINT16_MAX, 0 } };
	struct quick_range ranges[QUICK_LANES];
	uint32_t n_asked = 0;

	if (quick->n == QUICK_FILTERS_MAX)
		return false;
	for (unsigned int lane = 0; lane < QUICK_LANES; lane++) {
		const struct match_list *list = &spec->lists[lanes[lane].key];

		n_asked += list->n > 0;
		if (!range_of(list, lanes[lane].max, &ranges[lane]))
			return false;
	}
	for (unsigned int i = 0; i < MATCH_N_LISTS; i++)
		n_asked -= spec->lists[i].n > 0;
	/* Something else is asked for, too. */
	if (n_asked != 0)
		return false;
	if ((spec->lists[MATCH_SPORT].n > 0 || spec->lists[MATCH_DPORT].n > 0) &&
		!has_ports(&ranges[QUICK_PROTO]))
		return false;
	/* Of another family it matches no plain frame. */
	put(quick, quick->n, spec->has_v4 ? ranges : never);
	if (quick->n % 2 == 0)
		put(quick, quick->n + 1, never);
	quick->node[quick->n++] = node;
	return true;
}
