/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ecn.h: finds the IP header of an Ethernet frame behind up to two tags, and writes CE into it. All has to lie in the
 * first segment; each step is checked against its length, since a bridge queues frames that no router has looked at.
 * Not looked for: IP within anything else (MPLS, PPPoE, a third tag). Pure functions on one packet, any thread.
 */
#include "qos/ecn.h"

#include "net/dscp.h"
#include "net/pkt_meta.h"
#include "net/vlan.h"

enum { ECN_TAGS_MAX = 2, ECN_CE = 3 };

/* Not-ECT cannot be marked, CE is marked already. */
static bool is_settled(uint8_t ecn, bool *is_marked)
{
	*is_marked = (ecn & DSCP_ECN_MASK) == ECN_CE;
	return *is_marked || (ecn & DSCP_ECN_MASK) == 0;
}

static bool ip4_set_ce(struct rte_mbuf *m, uint32_t at)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, at);
	bool is_marked;

	if (at + sizeof(*ip) > m->data_len || ip->version_ihl >> 4 != 4)
		return false;
	if (is_settled(ip->type_of_service, &is_marked))
		return is_marked;
	if (!pkt_writable(m))
		return false;
	ip4_set_tos(ip, ip->type_of_service | ECN_CE);
	return true;
}

/* The traffic class begins in the second half of the first byte: ECN is bits 5 and 4 of the second one. */
static bool ip6_set_ce(struct rte_mbuf *m, uint32_t at)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	bool is_marked;

	if (at + sizeof(struct rte_ipv6_hdr) > m->data_len || ip[0] >> 4 != 6)
		return false;
	if (is_settled(ip[1] >> 4, &is_marked))
		return is_marked;
	if (!pkt_writable(m))
		return false;
	ip[1] |= ECN_CE << 4;
	return true;
}

bool ecn_set_ce(struct rte_mbuf *m)
{
	uint16_t type_be;
	uint32_t at = vlan_find_payload(m, ECN_TAGS_MAX, &type_be);

	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return ip4_set_ce(m, at);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return ip6_set_ce(m, at);
	return false;
}
