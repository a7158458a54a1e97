/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors about connections (RFC 5508 REQ-3 to 5, RFC 7915): the packet that an error quotes is one
 * of ours as the other side knows it. Its inverse is a tuple of the table, and the error travels in
 * that tuple's direction. Where the connection is translated, so are the error's addresses and the quoted
 * packet, so that the receiver finds in it what it has sent. Run by the owning worker.
 */
#include "flow/flow_priv.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

/* The quoted packet: offsets into the packet, lengths within it. */
struct quote {
	uint16_t l3_off, l4_off;
	uint16_t l4_len; /* bytes of its L4 header and data that are there */
	uint8_t proto;
	struct flow_tuple tuple;
};

enum { QUOTE_L4_MIN = 8 }; /* RFC 792: at least so much of it is quoted */

static uint8_t *at(struct rte_mbuf *m, uint16_t off)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, off);
}

static bool quote_ip4(struct rte_mbuf *m, uint32_t end, struct quote *q)
{
	const struct rte_ipv4_hdr *ip;

	if (q->l3_off + sizeof(*ip) > end || !parse_has(m, (uint32_t)(q->l3_off + sizeof(*ip))))
		return false;
	ip = (const struct rte_ipv4_hdr *)at(m, q->l3_off);
	if (ip->version_ihl >> 4 != IPVERSION || rte_ipv4_hdr_len(ip) < sizeof(*ip) ||
		ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	q->l4_off = (uint16_t)(q->l3_off + rte_ipv4_hdr_len(ip));
	q->proto = ip->next_proto_id;
	q->tuple.src.v4_be = ip->src_addr;
	q->tuple.dst.v4_be = ip->dst_addr;
	return true;
}

static bool quote_ip6(struct rte_mbuf *m, uint32_t end, struct quote *q)
{
	uint32_t off = (uint32_t)(q->l3_off + sizeof(struct rte_ipv6_hdr));
	const struct rte_ipv6_hdr *ip;

	if (off > end || !parse_has(m, off))
		return false;
	ip = (const struct rte_ipv6_hdr *)at(m, q->l3_off);
	q->proto = ip->proto;
	memcpy(q->tuple.src.bytes, ip->src_addr, sizeof(q->tuple.src.bytes));
	memcpy(q->tuple.dst.bytes, ip->dst_addr, sizeof(q->tuple.dst.bytes));
	for (unsigned int n = 0; parse_is_ip6_ext(q->proto); n++) {
		const uint8_t *ext;

		if (n == PARSE_EXT_MAX || off + 8 > end || !parse_has(m, off + 8))
			return false;
		ext = at(m, (uint16_t)off);
		if (q->proto == IPPROTO_FRAGMENT &&
			(parse_ip6_fragment_flags(ext) & PKT_FRAGMENT_LATER))
			return false;
		off += parse_ip6_ext_len(q->proto, ext);
		q->proto = ext[0];
	}
	q->l4_off = (uint16_t)off;
	return off <= end;
}

static bool quote_read(struct rte_mbuf *m, const struct pkt_meta *meta, struct quote *q)
{
	uint32_t end = (uint32_t)meta->l3_off + meta->l3_len;
	const uint8_t *l4;

	*q = (struct quote){ .l3_off = (uint16_t)(meta->l4_off + sizeof(struct rte_icmp_hdr)) };
	if (!(flow_is_ip6(meta) ? quote_ip6(m, end, q) : quote_ip4(m, end, q)))
		return false;
	if (q->l4_off + QUOTE_L4_MIN > end || !parse_has(m, q->l4_off + QUOTE_L4_MIN))
		return false;
	q->l4_len = (uint16_t)(end - q->l4_off);
	l4 = at(m, q->l4_off);
	if (q->proto == IPPROTO_ICMP || q->proto == IPPROTO_ICMPV6) {
		q->tuple.dport_be = flow_icmp_kind_be(l4[0], l4[1]);
		memcpy(&q->tuple.sport_be, l4 + 4, sizeof(q->tuple.sport_be));
	} else if (parse_has_ports(q->proto)) {
		memcpy(&q->tuple.sport_be, l4, sizeof(q->tuple.sport_be));
		memcpy(&q->tuple.dport_be, l4 + 2, sizeof(q->tuple.dport_be));
	}
	return true;
}

static void icmp_checksum_set(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~parse_l4_sum(m, meta);
}

/* The error itself, sent as a packet of that direction would be. */
static void translate_outer(
	const struct flow_table *table, uint32_t ref, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);
	unsigned int dir = ref & 1;
	/* What source translation is to one direction, destination translation is to the other. */
	bool has_src = verdict->status & (dir == FLOW_ORIG ? FLOW_SRC_NAT : FLOW_DST_NAT);
	bool has_dst = verdict->status & (dir == FLOW_ORIG ? FLOW_DST_NAT : FLOW_SRC_NAT);
	struct flow_tuple other;

	flow_tuple_at(table, ref >> 1, !dir, &other);
	if (flow_is_ip6(meta)) {
		struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);

		if (has_src)
			memcpy(ip->src_addr, other.dst.bytes, sizeof(ip->src_addr));
		if (has_dst)
			memcpy(ip->dst_addr, other.src.bytes, sizeof(ip->dst_addr));
	} else {
		struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);

		if (has_src)
			ip->src_addr = other.dst.v4_be;
		if (has_dst)
			ip->dst_addr = other.src.v4_be;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~checksum_ip4_sum(ip, rte_ipv4_hdr_len(ip) / 4u);
	}
}

static bool is_to(
	const struct rte_mbuf *m, const struct pkt_meta *meta, const union flow_addr *addr)
{
	if (flow_is_ip6(meta))
		return memcmp(pkt_ip6(m, meta)->dst_addr, addr->bytes, sizeof(addr->bytes)) == 0;
	return pkt_ip4(m, meta)->dst_addr == addr->v4_be;
}

/* The tuple of the connection that a right error is about, in the direction in which the error travels. */
static bool read_inverse(struct rte_mbuf *m, const struct pkt_meta *meta, struct quote *q,
	struct flow_tuple *inverse)
{
	/* What is made here gets its checksum when it leaves. */
	if (!(meta->flags & PKT_ORIGINATED) && !parse_l4_checksum_is_right(m, meta))
		return false;
	/* An error goes to who has sent what it quotes. */
	if (!quote_read(m, meta, q) || !is_to(m, meta, &q->tuple.src))
		return false;
	*inverse = flow_reply_tuple(q->proto, &q->tuple);
	return true;
}

bool flow_relate(struct flow_worker *fw, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct flow_table *table = flow_table_of(fw, meta);
	struct flow_tuple inverse;
	struct quote q;
	uint32_t ref;

	if (!read_inverse(m, meta, &q, &inverse))
		return false;
	ref = flow_table_lookup(table, &inverse, q.proto, meta->ns);
	if (ref == FLOW_NONE)
		return false;
	if (!(flow_verdict_at(table, ref >> 1)->status & FLOW_NAT))
		return true;
	flow_translate_quote(table, ref, at(m, q.l3_off), at(m, q.l4_off),
		RTE_MIN(q.l4_len, (uint16_t)(m->data_len - q.l4_off)));
	translate_outer(table, ref, m, meta);
	icmp_checksum_set(m, meta);
	return true;
}

/*
 * The steering of an error goes by its own addresses. The connection's owner has the bucket of what it is
 * about, and is asked first; of a translated query the identifier says whose it is. What that one does not
 * know nobody does.
 */
unsigned int flow_related_worker(struct flow_worker *fw, struct rte_mbuf *m, struct pkt_meta *meta)
{
	unsigned int self = fw->w->id, other;
	struct flow_tuple inverse;
	struct quote q;

	if (fw->w->dp->n_workers == 1 || fw->w->is_scratch || meta->n_injects > 0 ||
		!read_inverse(m, meta, &q, &inverse))
		return self;
	other = flow_ask(fw, meta, flow_bucket(fw->w, q.proto, &inverse));
	if (other != self || !flow_is_icmp(q.proto))
		return other;
	meta->n_injects++;
	return flow_icmp_worker(inverse.sport_be, fw->w->dp->n_workers);
}
