/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Writing the two messages of Neighbour Discovery that weir sends. Pure functions: workers answer
 * with them (nd_stage.c), the control thread asks and announces (nd.c).
 */
#include "neigh/nd_priv.h"
#include "net/parse.h"

/* RFC 2464 7: 33:33 and the last four bytes of the group. */
static struct mac_addr nd_dst_mac(const struct nd_packet *packet)
{
	const uint8_t *d = packet->dst;

	if (!ip6_is_multicast(d))
		return packet->to;
	return (struct mac_addr){ { 0x33, 0x33, d[12], d[13], d[14], d[15] } };
}

uint16_t nd_packet_write(uint8_t *at, const struct nd_packet *packet)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)at;
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(ether + 1);
	struct nd_message *message = (struct nd_message *)(ip + 1);
	struct nd_lladdr_option *option = (struct nd_lladdr_option *)(message + 1);
	struct mac_addr dst_mac = nd_dst_mac(packet);
	uint16_t len = sizeof(*message);

	memcpy(&ether->dst_addr, &dst_mac, sizeof(ether->dst_addr));
	memcpy(&ether->src_addr, &packet->from, sizeof(ether->src_addr));
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	*message = (struct nd_message){ .type = packet->type, .flags = packet->flags };
	memcpy(message->target, packet->target, sizeof(message->target));
	if (packet->has_lladdr) {
		option->type = packet->type == ND_NEIGHBOR_ADVERT ? ND_OPT_TARGET_LINKADDR
								  : ND_OPT_SOURCE_LINKADDR;
		option->len = 1;
		option->mac = packet->from;
		len += sizeof(*option);
	}
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16(len),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = ND_HOP_LIMIT,
	};
	memcpy(ip->src_addr, packet->src, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, packet->dst, sizeof(ip->dst_addr));
	message->checksum =
		(uint16_t)~checksum_fold((uint64_t)checksum_ip6_pseudo(ip, len, IPPROTO_ICMPV6) +
					 rte_raw_cksum(message, len));
	return (uint16_t)(ND_L4_OFF + len);
}

void nd_packet_make(struct rte_mbuf *m, const struct nd_packet *packet, uint16_t link, uint16_t ns)
{
	uint16_t trace = pkt_meta(m)->trace;

	m->data_len = nd_packet_write(rte_pktmbuf_mtod(m, uint8_t *), packet);
	m->pkt_len = m->data_len;
	*pkt_meta(m) = (struct pkt_meta){
		.out_link = link,
		.ns = ns,
		.flags = PKT_ORIGINATED | PKT_L4_PRESENT,
		.l3_off = ND_L3_OFF,
		.l4_off = ND_L4_OFF,
		.l3_len = (uint16_t)(m->pkt_len - ND_L3_OFF),
		.l3 = rte_pktmbuf_mtod_offset(m, void *, ND_L3_OFF),
		.ethertype = RTE_ETHER_TYPE_IPV6,
		.proto = IPPROTO_ICMPV6,
		.trace = trace,
	};
}
