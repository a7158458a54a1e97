/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The parts of the checked parser that most packets do not need: pulling headers together that
 * lie in several segments, cutting off padding, L4 headers. Pure functions, any thread.
 */
#include "net/parse.h"

bool parse_pull(struct rte_mbuf *m, uint16_t len)
{
	uint16_t missing = (uint16_t)(len - m->data_len);
	struct rte_mbuf *next;

	/* Bytes are written, so the segment must be ours alone and must have room behind its data. */
	if (len <= m->data_len)
		return true;
	if (len > m->pkt_len || !pkt_writable(m) || rte_pktmbuf_tailroom(m) < missing)
		return false;
	while (missing > 0) {
		uint16_t n;

		next = m->next;
		n = RTE_MIN(missing, next->data_len);
		memcpy(rte_pktmbuf_mtod_offset(m, char *, m->data_len),
			rte_pktmbuf_mtod(next, const char *), n);
		m->data_len += n;
		missing -= n;
		next->data_off += n;
		next->data_len -= n;
		if (next->data_len == 0) {
			m->next = next->next;
			m->nb_segs--;
			next->next = NULL;
			next->nb_segs = 1;
			rte_pktmbuf_free_seg(next);
		}
	}
	return true;
}

void parse_trim(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *seg = m;
	uint32_t before = 0;
	uint16_t n_segs = 1;

	while (before + seg->data_len < len) {
		before += seg->data_len;
		seg = seg->next;
		n_segs++;
	}
	seg->data_len = (uint16_t)(len - before);
	m->pkt_len = len;
	if (seg->next != NULL) {
		rte_pktmbuf_free(seg->next);
		seg->next = NULL;
		m->nb_segs = n_segs;
	}
}

enum parse_error parse_ip4(struct rte_mbuf *m, struct pkt_meta *meta)
{
	uint16_t l3_off = meta->l3_off;
	const struct rte_ipv4_hdr *ip;
	unsigned int ihl;
	uint32_t len;

	if (!parse_has(m, l3_off + sizeof(*ip)))
		return PARSE_IP4_TRUNCATED;
	ip = pkt_ip4(m, meta);
	if (ip->version_ihl >> 4 != 4)
		return PARSE_IP4_BAD_VERSION;
	ihl = ip->version_ihl & 15;
	if (ihl < 5 || !parse_has(m, l3_off + 4 * ihl))
		return PARSE_IP4_BAD_HEADER_LEN;
	len = rte_be_to_cpu_16(ip->total_length);
	if (len < 4 * ihl || l3_off + len > m->pkt_len)
		return PARSE_IP4_BAD_TOTAL_LEN;
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
		!checksum_ip4_is_valid(ip, ihl))
		return PARSE_IP4_BAD_CHECKSUM;
	if (l3_off + len != m->pkt_len)
		parse_trim(m, l3_off + len);
	meta->l4_off = (uint16_t)(l3_off + 4 * ihl);
	meta->l3_len = (uint16_t)len;
	meta->proto = ip->next_proto_id;
	if (ihl > 5)
		meta->flags |= PKT_OPTIONS;
	meta->flags |= parse_ip4_fragment_flags(ip->fragment_offset);
	return PARSE_OK;
}

/* Goes over the extension headers from l4_off on, until proto and l4_off are the upper layer's. */
static enum parse_error ip6_walk(struct rte_mbuf *m, struct pkt_meta *meta)
{
	uint32_t end = (uint32_t)meta->l3_off + meta->l3_len;
	uint32_t first = meta->l4_off, off = first, len;

	/* What follows the header of a later fragment is no header, but the middle of a packet. */
	for (unsigned int n = 0;
		!(meta->flags & PKT_FRAGMENT_LATER) && parse_is_ip6_ext(meta->proto); n++) {
		const uint8_t *ext = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);

		if (meta->proto == IPPROTO_HOPOPTS && n > 0)
			return PARSE_IP6_HOP_BY_HOP;
		if (end - off < 8 || !parse_has(m, off + 8))
			return PARSE_IP6_EXT_TRUNCATED;
		len = parse_ip6_ext_len(meta->proto, ext);
		if (n == PARSE_EXT_MAX || off - first + len > PARSE_EXT_BYTES_MAX)
			return PARSE_IP6_EXT_TOO_MANY;
		if (end - off < len || !parse_has(m, off + len))
			return PARSE_IP6_EXT_TRUNCATED;
		if (meta->proto == IPPROTO_FRAGMENT)
			meta->flags |= parse_ip6_fragment_flags(ext);
		meta->flags |= PKT_OPTIONS;
		meta->proto = ext[0];
		off += len;
	}
	meta->l4_off = (uint16_t)off;
	return PARSE_OK;
}

uint32_t parse_ip6_fragment(
	const struct rte_mbuf *m, const struct pkt_meta *meta, uint32_t *named_at)
{
	uint32_t off = meta->l3_off + (uint32_t)sizeof(struct rte_ipv6_hdr);
	uint8_t proto = pkt_ip6(m, meta)->proto;

	*named_at = meta->l3_off + (uint32_t)offsetof(struct rte_ipv6_hdr, proto);
	while (off < meta->l4_off && parse_is_ip6_ext(proto)) {
		const uint8_t *ext = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);

		if (proto == IPPROTO_FRAGMENT && parse_ip6_fragment_flags(ext) != 0)
			return off;
		*named_at = off;
		off += parse_ip6_ext_len(proto, ext);
		proto = ext[0];
	}
	return 0;
}

enum parse_error parse_ip6(struct rte_mbuf *m, struct pkt_meta *meta)
{
	uint16_t l3_off = meta->l3_off;
	const struct rte_ipv6_hdr *ip;
	uint32_t len;

	if (!parse_has(m, l3_off + sizeof(*ip)))
		return PARSE_IP6_TRUNCATED;
	ip = pkt_ip6(m, meta);
	if (*(const uint8_t *)ip >> 4 != 6)
		return PARSE_IP6_BAD_VERSION;
	if (ip->payload_len == 0 && ip->proto == IPPROTO_HOPOPTS)
		return PARSE_IP6_JUMBO;
	len = (uint32_t)sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (len > UINT16_MAX || l3_off + len > m->pkt_len)
		return PARSE_IP6_BAD_PAYLOAD_LEN;
	if (l3_off + len != m->pkt_len)
		parse_trim(m, l3_off + len);
	meta->l3_len = (uint16_t)len;
	meta->l4_off = (uint16_t)(l3_off + sizeof(*ip));
	meta->proto = ip->proto;
	return ip6_walk(m, meta);
}

enum parse_error parse_l4(struct rte_mbuf *m, struct pkt_meta *meta)
{
	uint32_t end = (uint32_t)meta->l3_off + meta->l3_len;
	uint32_t room = end - meta->l4_off;
	uint32_t min_len;
	const struct rte_tcp_hdr *tcp;
	const struct rte_udp_hdr *udp;

	if (meta->flags & PKT_FRAGMENT_LATER)
		return PARSE_OK;
	switch (meta->proto) {
	case IPPROTO_TCP:
		min_len = sizeof(*tcp);
		break;
	case IPPROTO_UDP:
		min_len = sizeof(*udp);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: /* every message that weir knows has as many bytes */
		min_len = sizeof(struct rte_icmp_hdr);
		break;
	default:
		return PARSE_OK;
	}
	if (room < min_len || !parse_has(m, meta->l4_off + min_len))
		return PARSE_L4_TRUNCATED;
	if (meta->proto == IPPROTO_TCP) {
		tcp = pkt_l4(m, meta);
		min_len = (tcp->data_off >> 4) * 4u;
		/* Options are read as well: they have to be in the first segment. */
		if (min_len < sizeof(*tcp) || min_len > room ||
			!parse_has(m, meta->l4_off + min_len))
			return PARSE_L4_BAD_LEN;
	} else if (meta->proto == IPPROTO_UDP) {
		udp = pkt_l4(m, meta);
		/* A first fragment holds less than the datagram: only the lower bound is known. */
		if (rte_be_to_cpu_16(udp->dgram_len) < sizeof(*udp) ||
			(!(meta->flags & PKT_FRAGMENT) && rte_be_to_cpu_16(udp->dgram_len) > room))
			return PARSE_L4_BAD_LEN;
	}
	meta->flags |= PKT_L4_PRESENT;
	return PARSE_OK;
}

uint16_t parse_l4_sum(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	uint32_t len = pkt_l4_len(meta);
	uint64_t sum = checksum_mbuf_sum(m, meta->l4_off, len);

	if (meta->ethertype == RTE_ETHER_TYPE_IPV6)
		sum += checksum_ip6_pseudo(pkt_ip6(m, meta), len, meta->proto);
	else if (meta->proto != IPPROTO_ICMP)
		sum += checksum_ip4_pseudo(pkt_ip4(m, meta), len, meta->proto);
	return checksum_fold(sum);
}

bool parse_l4_checksum_is_right(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	if (meta->proto == IPPROTO_UDP && meta->ethertype == RTE_ETHER_TYPE_IPV4 &&
		((const struct rte_udp_hdr *)pkt_l4(m, meta))->dgram_cksum == 0)
		return true;
	return parse_l4_sum(m, meta) == 0xffff;
}
