/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What address and port translation does to a packet: a packet of one direction becomes what the inverse of
 * the other direction's tuple says. Checksums are counted on (RFC 1624), by deltas worked out once
 * for a connection; those of the reply direction are the complement. Run by the owning worker.
 */
#include "flow/flow_priv.h"

#include "net/dscp.h"

/* Sum of 16-bit words in network order, folded. */
static uint16_t sum_words(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return checksum_fold(sum);
}

/* What has to be added to the one's complement sum when a is replaced by b. */
static uint16_t delta(const void *a, const void *b, size_t len, uint16_t before)
{
	/* ~a + b, word by word. */
	return checksum_fold((uint64_t)before + sum_words(b, len) + (uint16_t)~sum_words(a, len));
}

void flow_set_deltas(struct flow_table *table, uint32_t index)
{
	size_t len = table->family == AF_INET ? 4 : 16;
	struct flow_verdict *verdict = flow_verdict_at(table, index);
	struct flow_tuple in, reply, out;

	flow_tuple_at(table, index, FLOW_ORIG, &in);
	flow_tuple_at(table, index, FLOW_REPLY, &reply);
	out = flow_invert(&reply);
	verdict->ip_delta = delta(&in.src, &out.src, len, 0);
	verdict->ip_delta = delta(&in.dst, &out.dst, len, verdict->ip_delta);
	verdict->l4_delta = verdict->ip_delta;
	if (flow_is_icmp(verdict->proto)) {
		/* The identifier is the source port of either direction; ICMP has no pseudo-header. */
		if (verdict->proto == IPPROTO_ICMP)
			verdict->l4_delta = 0;
		verdict->l4_delta = delta(&in.sport_be, &reply.sport_be, 2, verdict->l4_delta);
		return;
	}
	verdict->l4_delta = delta(&in.sport_be, &out.sport_be, 2, verdict->l4_delta);
	verdict->l4_delta = delta(&in.dport_be, &out.dport_be, 2, verdict->l4_delta);
}

/*
 * Ports or identifier become those of the tuple; of the header at least QUOTE_L4_MIN bytes are there,
 * of a checksum behind them perhaps none.
 */
static void translate_l4(
	uint8_t proto, uint8_t *l4, uint32_t len, const struct flow_tuple *to, uint16_t add)
{
	uint32_t ports;

	if (flow_is_icmp(proto)) {
		checksum_add(l4 + offsetof(struct rte_icmp_hdr, icmp_cksum), add);
		memcpy(l4 + offsetof(struct rte_icmp_hdr, icmp_ident), &to->sport_be,
			sizeof(to->sport_be));
		return;
	}
	memcpy(&ports, &to->sport_be, sizeof(ports));
	flow_translate_ports(proto, l4, len, ports, add);
}

static void translate_l3(uint8_t family, void *l3, const struct flow_tuple *to, uint16_t add)
{
	if (family == AF_INET) {
		struct rte_ipv4_hdr *ip = l3;

		ip->src_addr = to->src.v4_be;
		ip->dst_addr = to->dst.v4_be;
		checksum_add(&ip->hdr_checksum, add);
	} else {
		struct rte_ipv6_hdr *ip = l3;

		memcpy(ip->src_addr, to->src.bytes, sizeof(ip->src_addr));
		memcpy(ip->dst_addr, to->dst.bytes, sizeof(ip->dst_addr));
	}
}

void flow_translate(const struct flow_table *table, uint32_t ref, struct rte_mbuf *m,
	const struct pkt_meta *meta)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	unsigned int dir = ref & 1;
	struct flow_tuple other, to;

	if (!(verdict->status & FLOW_NAT))
		return;
	RTE_ASSERT(pkt_writable(m));
	flow_tuple_at(table, ref >> 1, !dir, &other);
	to = flow_invert(&other);
	/* The identifier of a query is the source port of both directions. */
	if (flow_is_icmp(verdict->proto))
		to.sport_be = other.sport_be;
	if (!(meta->flags & PKT_FRAGMENT_LATER))
		translate_l4(verdict->proto, pkt_l4(m, meta), m->data_len - (uint32_t)meta->l4_off,
			&to, flow_delta_of(verdict->l4_delta, dir));
	translate_l3(table->family, meta->l3, &to, flow_delta_of(verdict->ip_delta, dir));
}

void flow_set_dscp(struct rte_mbuf *m, const struct pkt_meta *meta, uint8_t dscp)
{
	if (flow_is_ip6(meta))
		ip6_set_dscp(meta->l3, dscp);
	else
		ip4_set_dscp(meta->l3, dscp);
}

void flow_translate_quote(
	const struct flow_table *table, uint32_t ref, void *l3, uint8_t *l4, uint32_t l4_len)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	unsigned int dir = ref & 1;
	struct flow_tuple sent;

	/* It was sent in the other direction, and is now as it was before it came here. */
	flow_tuple_at(table, ref >> 1, !dir, &sent);
	translate_l4(verdict->proto, l4, l4_len, &sent, flow_delta_of(verdict->l4_delta, dir));
	translate_l3(table->family, l3, &sent, flow_delta_of(verdict->ip_delta, dir));
}
