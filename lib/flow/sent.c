/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who sends by a link asks what is known of a packet's connection: on the worker that has it, in the pass in which the
 * packet went through the stages of this module. The metadata says which connection that was, or, of a frame that was
 * bridged, nothing to be relied on: so the packet as it leaves is compared with the connection.
 */
#include "flow/flow_priv.h"

static bool is_same_addr(uint8_t family, const union flow_addr *a, const union flow_addr *b)
{
	return a->words[0] == b->words[0] && (family == AF_INET || a->words[1] == b->words[1]);
}

bool flow_of_sent(const struct worker *w, const struct pkt_meta *meta, const struct flow_sent *sent,
	struct flow_known *known)
{
	const struct flow_worker *fw = flow_worker(w);
	const struct flow_table *table = &fw->table[sent->family == AF_INET6 ? FLOW_IP6 : FLOW_IP4];
	uint32_t index = meta->flow >> 1;
	const struct flow_verdict *verdict;
	struct flow_tuple tuple, back;

	if (index >= table->n_fresh)
		return false;
	verdict = flow_verdict_at(table, index);
	flow_tuple_at(table, index, !(meta->flow & 1), &back);
	if (verdict->proto != sent->proto || !is_same_addr(sent->family, &back.dst, &sent->src) ||
		!is_same_addr(sent->family, &back.src, &sent->dst))
		return false;
	if (sent->has_ports && (back.dport_be != sent->sport_be || back.sport_be != sent->dport_be))
		return false;
	flow_tuple_at(table, index, meta->flow & 1, &tuple);
	*known = (struct flow_known){ .src = tuple.src, .class = verdict->class };
	return true;
}
