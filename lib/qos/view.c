/* SPDX-License-Identifier: BSD-3-Clause */

/* view.h: a bounded walk over tags, IP header, extension headers of IPv6, and the first bytes of L4. */
#include "qos/view.h"

#include "net/parse.h"
#include "net/vlan.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <string.h>

enum { L4_PORTS = 4, L4_TCP_FLAGS = 13 };

/* Of the tag that the frame has outermost, else of that which it came with. */
static uint8_t pcp_of(const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type_be = 0;

	if (likely(m->data_len >= VLAN_HEADER_LEN))
		memcpy(&type_be, frame + RTE_ETHER_HDR_LEN - sizeof(type_be), sizeof(type_be));
	if (unlikely(vlan_is_tag(type_be)))
		return frame[RTE_ETHER_HDR_LEN] >> 5;
	return (uint8_t)(vlan_priority(m) >> 13);
}

/* Bytes between `at` and `end`, as far as the first segment has them. */
static uint32_t bytes_at(const struct rte_mbuf *m, uint32_t at, uint32_t end)
{
	end = RTE_MIN(end, (uint32_t)m->data_len);
	return at < end ? end - at : 0;
}

/* end: of the packet; what lies behind is padding. */
static void read_l4(const struct rte_mbuf *m, uint32_t at, uint32_t end, struct match_key *key)
{
	const uint8_t *l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);
	bool is_tcp = key->proto == IPPROTO_TCP;
	uint16_t ports_be[2];

	if (bytes_at(m, at, end) < (is_tcp ? L4_TCP_FLAGS + 1 : L4_PORTS))
		return;
	if (key->proto == IPPROTO_ICMP || key->proto == IPPROTO_ICMPV6) {
		key->icmp = (uint16_t)(l4[0] << 8 | l4[1]);
		key->has_l4 = true;
	} else if (parse_has_ports(key->proto)) {
		memcpy(ports_be, l4, sizeof(ports_be));
		key->sport = rte_be_to_cpu_16(ports_be[0]);
		key->dport = rte_be_to_cpu_16(ports_be[1]);
		key->tcp_flags = is_tcp ? l4[L4_TCP_FLAGS] : 0;
		key->has_l4 = true;
	}
}

static void read_ip4(
	const struct rte_mbuf *m, uint32_t at, enum qos_depth depth, struct qos_view *view)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, at);

	if (unlikely(m->data_len < at + sizeof(*ip)) || unlikely(ip->version_ihl >> 4 != 4) ||
		unlikely(rte_ipv4_hdr_len(ip) < sizeof(*ip)))
		return;
	view->tos = ip->type_of_service;
	view->key.dscp = ip->type_of_service >> 2;
	view->key.family = AF_INET;
	if (depth == QOS_VIEW_TOS)
		return;
	view->key.src.v4 = rte_be_to_cpu_32(ip->src_addr);
	view->key.dst.v4 = rte_be_to_cpu_32(ip->dst_addr);
	view->key.proto = ip->next_proto_id;
	view->is_fragment = ip->fragment_offset & PARSE_FRAGMENT;
	if (!(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
		read_l4(m, at + rte_ipv4_hdr_len(ip), at + rte_be_to_cpu_16(ip->total_length),
			&view->key);
}

/* Behind the extension headers; 0: there is no L4 header. */
static uint32_t skip_extensions(
	const struct rte_mbuf *m, uint32_t at, uint32_t end, struct qos_view *view)
{
	struct match_key *key = &view->key;

	for (unsigned int n = 0; parse_is_ip6_ext(key->proto) && n < PARSE_EXT_MAX; n++) {
		const uint8_t *ext = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);
		uint8_t proto = key->proto;
		uint16_t fragment;

		if (bytes_at(m, at, end) < 8)
			return 0;
		key->proto = ext[0];
		fragment = proto == IPPROTO_FRAGMENT ? parse_ip6_fragment_flags(ext) : 0;
		view->is_fragment |= fragment & PKT_FRAGMENT;
		if (fragment & PKT_FRAGMENT_LATER)
			return 0;
		at += parse_ip6_ext_len(proto, ext);
	}
	return at;
}

static void read_ip6(
	const struct rte_mbuf *m, uint32_t at, enum qos_depth depth, struct qos_view *view)
{
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, at);
	struct match_key *key = &view->key;
	uint32_t end;

	if (unlikely(m->data_len < at + sizeof(*ip)) ||
		unlikely(rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6))
		return;
	view->tos = (uint8_t)(rte_be_to_cpu_32(ip->vtc_flow) >> RTE_IPV6_HDR_TC_SHIFT);
	key->dscp = view->tos >> 2;
	key->family = AF_INET6;
	if (depth == QOS_VIEW_TOS)
		return;
	memcpy(key->src.v6, ip->src_addr, sizeof(key->src.v6));
	memcpy(key->dst.v6, ip->dst_addr, sizeof(key->dst.v6));
	key->proto = ip->proto;
	end = at + (uint32_t)sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	at = skip_extensions(m, at + (uint32_t)sizeof(*ip), end, view);
	if (at != 0)
		read_l4(m, at, end, key);
}

void qos_view(const struct rte_mbuf *m, enum qos_depth depth, struct qos_view *out)
{
	uint16_t type_be;
	uint32_t at = vlan_find_payload(m, VLAN_TAGS_MAX, &type_be);

	*out = (struct qos_view){ .pcp = pcp_of(m) };
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		read_ip4(m, at, depth, out);
	else if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		read_ip6(m, at, depth, out);
}
