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

/*
 * What leaves has the addresses and ports that answers come with, the other way round; and the connection's mark, unless
 * it was held since before the rules have changed.
 */

/* Not of ICMP: an error has its own type, but may have the addresses of the connection that it is about. */
static __rte_always_inline bool has_ports_of(
	const void *answer_ports, const uint8_t *ports, uint8_t proto)
{
	uint32_t have, want;

	if (unlikely(!parse_has_ports(proto)))
		return !flow_is_icmp(proto);
	memcpy(&have, ports, sizeof(have));
	memcpy(&want, answer_ports, sizeof(want));
	return have == (want << 16 | want >> 16);
}

static __rte_always_inline uint16_t *queue4(const struct flow_table *table, uint32_t ref,
	uint32_t mark, const struct rte_mbuf *m, const struct parse_ip4_words *words)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct flow4 *flow = flow4_at(table, ref >> 1);
	const struct flow_tuple4 *answer = &flow->tuple[!(ref & 1)];
	uint8_t proto = (uint8_t)(words->at20 >> 24);
	uint64_t addrs;

	if (unlikely(m->data_len < PARSE_PLAIN_LEN + sizeof(uint32_t)) ||
		unlikely(words->at20 & PARSE_FRAGMENT))
		return NULL;
	memcpy(&addrs, answer, sizeof(addrs));
	if (unlikely(words->at26 != (addrs << 32 | addrs >> 32)) ||
		unlikely(proto != flow->verdict.proto) || unlikely(mark != flow->verdict.mark) ||
		unlikely(!has_ports_of(&answer->sport_be, frame + PARSE_PLAIN_LEN, proto)))
		return NULL;
	return &flow->verdict.queue[ref & 1];
}

static __rte_always_inline uint16_t *queue6(
	const struct flow_table *table, uint32_t ref, uint32_t mark, const struct rte_mbuf *m)
{
	const struct rte_ipv6_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, RTE_ETHER_HDR_LEN);
	struct flow6 *flow = flow6_at(table, ref >> 1);
	const struct flow_tuple6 *answer = &flow->tuple[!(ref & 1)];

	if (unlikely(m->data_len < PARSE_PLAIN6_LEN + sizeof(uint32_t)) ||
		unlikely(ip->proto != flow->verdict.proto) ||
		unlikely(mark != flow->verdict.mark) ||
		memcmp(ip->src_addr, answer->dst, sizeof(answer->dst)) != 0 ||
		memcmp(ip->dst_addr, answer->src, sizeof(answer->src)) != 0 ||
		unlikely(!has_ports_of(
			&flow->ports[!(ref & 1)], (const uint8_t *)(ip + 1), ip->proto)))
		return NULL;
	return &flow->verdict.queue[ref & 1];
}

bool flow_queues(const struct worker *w, struct rte_mbuf *const *pkts, uint32_t n, uint16_t **queue)
{
	const struct flow_table *ip4 = &flow_worker(w)->table[FLOW_IP4];
	const struct flow_table *ip6 = &flow_worker(w)->table[FLOW_IP6];

	if (ip4->n_fresh == 0 && ip6->n_fresh == 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct parse_ip4_words words =
			parse_ip4_load(rte_pktmbuf_mtod(pkts[i], const void *));
		const struct pkt_meta *meta = pkt_meta(pkts[i]);
		uint32_t ref = meta->flow;

		queue[i] = NULL;
		if (likely(parse_ip4_differs(&words) == 0) && likely(ref >> 1 < ip4->n_fresh))
			queue[i] = queue4(ip4, ref, meta->mark, pkts[i], &words);
		else if ((words.at12 & PARSE_PLAIN6_TYPE_MASK) == PARSE_PLAIN6_TYPE &&
			 ref >> 1 < ip6->n_fresh)
			queue[i] = queue6(ip6, ref, meta->mark, pkts[i]);
	}
	return true;
}
