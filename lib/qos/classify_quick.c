/* SPDX-License-Identifier: BSD-3-Clause */

/* classify_quick.h: which filters are simple. Control thread. */
#include "qos/classify_quick.h"

/* One range of values, or any. False: it is more than that. */
static bool range_of(const struct match_list *list, uint16_t max, struct quick_range *out)
{
	*out = (struct quick_range){ 0, max };
	if (list->n == 0)
		return true;
	if (list->n > 1 || list->is_negated)
		return false;
	*out = (struct quick_range){ (uint16_t)list->ranges[0].first,
		(uint16_t)list->ranges[0].last };
	return true;
}

/* Ports mean nothing in other protocols; so a filter that asks for some must name one, or a range of those. */
static bool has_ports(const struct quick_filter *filter)
{
	for (uint32_t proto = filter->proto.first; proto <= filter->proto.last; proto++)
		if (!parse_has_ports((uint8_t)proto))
			return false;
	return true;
}

bool quick_add(struct quick_filters *quick, const struct match_spec *spec, uint32_t node)
{
	struct quick_filter *filter = &quick->filters[quick->n];

	if (quick->n == QUICK_FILTERS_MAX)
		return false;
	for (unsigned int i = 0; i < MATCH_N_LISTS; i++)
		if (spec->lists[i].n > 0 && i != MATCH_PROTO && i != MATCH_DSCP &&
			i != MATCH_SPORT && i != MATCH_DPORT)
			return false;
	if (!range_of(&spec->lists[MATCH_PROTO], UINT8_MAX, &filter->proto) ||
		!range_of(&spec->lists[MATCH_DSCP], 63, &filter->dscp) ||
		!range_of(&spec->lists[MATCH_SPORT], UINT16_MAX, &filter->sport) ||
		!range_of(&spec->lists[MATCH_DPORT], UINT16_MAX, &filter->dport))
		return false;
	if ((spec->lists[MATCH_SPORT].n > 0 || spec->lists[MATCH_DPORT].n > 0) &&
		!has_ports(filter))
		return false;
	/* Of another family it matches no plain frame. */
	if (!spec->has_v4)
		filter->proto = (struct quick_range){ UINT16_MAX, UINT16_MAX };
	filter->node = node;
	quick->n++;
	return true;
}
