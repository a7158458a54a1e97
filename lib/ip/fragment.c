/* SPDX-License-Identifier: BSD-3-Clause */

/* What the headers of a fragment say. See fragment.h. Called on workers; touches nothing but the packet. */
#include "ip/fragment.h"

#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "net/parse.h"

/* in_front: bytes that count with the payload in the length of the whole. */
static enum ip_fragment_fault fragment_set_bytes(
	struct ip_fragment *fragment, uint32_t in_front, uint32_t first, uint32_t len)
{
	if (in_front + first + len > UINT16_MAX)
		return IP_FRAGMENT_BEYOND;
	if (!fragment->is_last && len % 8 != 0)
		return IP_FRAGMENT_UNEVEN;
	if (len == 0)
		return IP_FRAGMENT_EMPTY;
	fragment->piece.first = (uint16_t)first;
	fragment->piece.end = (uint16_t)(first + len);
	return IP_FRAGMENT_SOUND;
}

static enum ip_fragment_fault fragment_read4(
	const struct rte_mbuf *m, const struct pkt_meta *meta, struct ip_fragment *fragment)
{
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);

	memcpy(fragment->key.src, &ip->src_addr, sizeof(ip->src_addr));
	memcpy(fragment->key.dst, &ip->dst_addr, sizeof(ip->dst_addr));
	fragment->key.id = ip->packet_id;
	fragment->key.proto = ip->next_proto_id;
	fragment->key.family = AF_INET;
	fragment->is_last = !(field & RTE_IPV4_HDR_MF_FLAG);
	return fragment_set_bytes(
		fragment, sizeof(*ip), (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u, pkt_l4_len(meta));
}

/* RFC 4007 6: the same address on another link is somebody else. */
static bool fragment_is_of_link(const struct rte_ipv6_hdr *ip)
{
	return ip6_is_link_local(ip->src_addr) || ip6_is_link_local(ip->dst_addr) ||
	       ip6_is_multicast(ip->dst_addr);
}

/* Does another fragment header, behind the one at off, say once more that this is not all? */
static bool fragment_is_nested(
	const struct rte_mbuf *m, const struct pkt_meta *meta, uint32_t off, const uint8_t *ext)
{
	uint8_t proto = ext[0];

	if (parse_ip6_fragment_flags(ext) & PKT_FRAGMENT_LATER)
		return false; /* nothing was walked over behind this one */
	for (off += IP6_FRAGMENT_HEADER_LEN; off < meta->l4_off; proto = ext[0]) {
		ext = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
		if (proto == IPPROTO_FRAGMENT && parse_ip6_fragment_flags(ext) != 0)
			return true;
		off += parse_ip6_ext_len(proto, ext);
	}
	return false;
}

static enum ip_fragment_fault fragment_read6(
	const struct rte_mbuf *m, const struct pkt_meta *meta, struct ip_fragment *fragment)
{
	const struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	uint32_t named_at, off = parse_ip6_fragment(m, meta, &named_at);
	const uint8_t *ext = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
	uint32_t end = (uint32_t)meta->l3_off + meta->l3_len;

	RTE_ASSERT(off != 0);
	fragment->header_off = off;
	memcpy(fragment->key.src, ip->src_addr, sizeof(ip->src_addr));
	memcpy(fragment->key.dst, ip->dst_addr, sizeof(ip->dst_addr));
	memcpy(&fragment->key.id, ext + 4, sizeof(fragment->key.id));
	fragment->key.family = AF_INET6;
	if (fragment_is_of_link(ip))
		fragment->key.link = meta->in_link;
	fragment->is_last = !(ext[3] & RTE_IPV6_EHDR_MF_MASK);
	if (fragment_is_nested(m, meta, off, ext))
		return IP_FRAGMENT_NESTED;
	return fragment_set_bytes(fragment, off - meta->l3_off - (uint32_t)sizeof(*ip),
		(uint32_t)(ext[2] << 8 | ext[3]) & RTE_IPV6_EHDR_FO_MASK,
		end - (off + IP6_FRAGMENT_HEADER_LEN));
}

enum ip_fragment_fault ip_fragment_read(
	struct rte_mbuf *m, const struct pkt_meta *meta, struct ip_fragment *fragment)
{
	memset(fragment, 0, sizeof(*fragment));
	fragment->piece.m = m;
	fragment->key.ns = meta->ns;
	return meta->ethertype == RTE_ETHER_TYPE_IPV4 ? fragment_read4(m, meta, fragment)
						      : fragment_read6(m, meta, fragment);
}
