/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes the frame that `explain` sends through the stages: as a neighbour would send it to the link,
 * in one buffer, with right lengths and checksums. What lies behind the headers is zero. Control thread.
 */
#include "explain/explain_priv.h"

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "net/checksum.h"

enum { OTHER_L4_LEN = 12, ICMP_ID = 1, ECHO_LEN = sizeof(struct rte_icmp_hdr) };

static uint32_t ip_len(const struct explain_packet *packet)
{
	return packet->dst.family == AF_INET6 ? sizeof(struct rte_ipv6_hdr)
					      : sizeof(struct rte_ipv4_hdr);
}

static uint32_t l4_len(const struct explain_packet *packet)
{
	switch (packet->proto) {
	case IPPROTO_TCP:
		return sizeof(struct rte_tcp_hdr);
	case IPPROTO_UDP:
		return sizeof(struct rte_udp_hdr);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ECHO_LEN;
	default:
		return OTHER_L4_LEN;
	}
}

uint32_t explain_headers_len(const struct explain_packet *packet)
{
	return ip_len(packet) + l4_len(packet);
}

/* RFC 1112 6.4, RFC 2464 7: what hosts send to a group goes to the group's own address. */
static void put_ether(struct rte_ether_hdr *ether, const struct explain_packet *packet)
{
	static const struct rte_ether_addr sender = { { 0x02, 0, 0, 0, 0, 0xfe } };
	const uint8_t *dst = packet->dst.bytes;
	bool is_ip6 = packet->dst.family == AF_INET6;

	ether->src_addr = sender;
	ether->ether_type = is_ip6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	if (packet->dst.family == AF_INET && packet->dst.v4_be == UINT32_MAX)
		memset(&ether->dst_addr, 0xff, sizeof(ether->dst_addr));
	else if (!ip_addr_is_multicast(&packet->dst))
		memcpy(&ether->dst_addr, packet->link->mac.bytes, sizeof(ether->dst_addr));
	else if (is_ip6)
		ether->dst_addr = (struct rte_ether_addr){ { 0x33, 0x33, dst[12], dst[13], dst[14],
			dst[15] } };
	else
		ether->dst_addr = (struct rte_ether_addr){ { 0x01, 0x00, 0x5e, dst[1] & 0x7f,
			dst[2], dst[3] } };
}

static void put_ip4(struct rte_ipv4_hdr *ip, const struct explain_packet *packet, uint16_t len)
{
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = (uint8_t)(packet->dscp << 2),
		.total_length = rte_cpu_to_be_16(len),
		.fragment_offset = packet->is_whole ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
		.time_to_live = packet->ttl,
		.next_proto_id = packet->proto,
		.src_addr = packet->src.v4_be,
		.dst_addr = packet->dst.v4_be,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void put_ip6(struct rte_ipv6_hdr *ip, const struct explain_packet *packet, uint16_t len)
{
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = rte_cpu_to_be_32(UINT32_C(6) << 28 | (uint32_t)packet->dscp << 22),
		.payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*ip))),
		.proto = packet->proto,
		.hop_limits = packet->ttl,
	};
	memcpy(ip->src_addr, packet->src.bytes, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, packet->dst.bytes, sizeof(ip->dst_addr));
}

/* All but the checksum; returns where in the header that belongs, 0: nowhere. */
static size_t put_l4(void *l4, const struct explain_packet *packet, uint16_t len)
{
	const rte_be16_t sport = rte_cpu_to_be_16(packet->sport);
	const rte_be16_t dport = rte_cpu_to_be_16(packet->dport);
	struct rte_tcp_hdr *tcp = l4;
	struct rte_udp_hdr *udp = l4;
	struct rte_icmp_hdr *icmp = l4;

	switch (packet->proto) {
	case IPPROTO_TCP:
		*tcp = (struct rte_tcp_hdr){ .src_port = sport,
			.dst_port = dport,
			.data_off = sizeof(*tcp) / 4 << 4,
			.tcp_flags = packet->tcp_flags,
			.rx_win = RTE_BE16(UINT16_MAX) };
		return offsetof(struct rte_tcp_hdr, cksum);
	case IPPROTO_UDP:
		*udp = (struct rte_udp_hdr){
			.src_port = sport, .dst_port = dport, .dgram_len = rte_cpu_to_be_16(len)
		};
		return offsetof(struct rte_udp_hdr, dgram_cksum);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		*icmp = (struct rte_icmp_hdr){ .icmp_type = packet->icmp_type,
			.icmp_code = packet->icmp_code,
			.icmp_ident = RTE_BE16(ICMP_ID) };
		return offsetof(struct rte_icmp_hdr, icmp_cksum);
	default:
		if (parse_has_ports(packet->proto)) {
			udp->src_port = sport;
			udp->dst_port = dport;
		}
		return 0;
	}
}

/* ICMP has no pseudo header in its sum (RFC 792); all others have. */
static uint16_t l4_checksum(const struct rte_mbuf *m, const void *ip,
	const struct explain_packet *packet, uint32_t off, uint16_t len)
{
	uint64_t sum = checksum_mbuf_sum(m, off, len);
	uint16_t checksum;

	if (packet->proto != IPPROTO_ICMP)
		sum += packet->dst.family == AF_INET6 ? checksum_ip6_pseudo(ip, len, packet->proto)
						      : checksum_ip4_pseudo(ip, len, packet->proto);
	checksum = (uint16_t)~checksum_fold(sum);
	return checksum == 0 && packet->proto == IPPROTO_UDP ? UINT16_MAX : checksum;
}

struct rte_mbuf *explain_frame(const struct dp *dp, const struct explain_packet *packet)
{
	uint16_t len = packet->len != 0 ? packet->len : (uint16_t)explain_headers_len(packet);
	uint32_t l4_off = RTE_ETHER_HDR_LEN + ip_len(packet);
	uint16_t payload_len = (uint16_t)(len - ip_len(packet));
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);
	size_t checksum_off;
	uint16_t checksum;
	char *frame;

	if (m == NULL)
		return NULL;
	frame = rte_pktmbuf_append(m, (uint16_t)(RTE_ETHER_HDR_LEN + len));
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(frame, 0, m->data_len);
	m->port = link_input(packet->link);
	put_ether((struct rte_ether_hdr *)frame, packet);
	if (packet->dst.family == AF_INET6)
		put_ip6((struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN), packet, len);
	else
		put_ip4((struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN), packet, len);
	checksum_off = put_l4(frame + l4_off, packet, payload_len);
	if (checksum_off == 0)
		return m;
	checksum = l4_checksum(m, frame + RTE_ETHER_HDR_LEN, packet, l4_off, payload_len);
	memcpy(frame + l4_off + checksum_off, &checksum, sizeof(checksum));
	return m;
}
