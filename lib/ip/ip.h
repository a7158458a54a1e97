/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The IP layer: what happens to a packet between its link and the link it leaves by. IPv4: RFC 791,
 * 1122, 1812. IPv6: RFC 8200, 4291, 4443.
 */
#include "dp/dp.h"
#include "net/pkt_meta.h"

/*
 * A packet leaves for ip4_error or ip6_error: that tells the sender by ICMP, then drops it. info: MTU or
 * pointer. drop_reason: number of the reason in all of weir (module->drop_base + its own).
 */
static inline void ip_set_error(
	struct pkt_meta *meta, uint8_t type, uint8_t code, uint32_t info, unsigned int drop_reason)
{
	meta->icmp_type = type;
	meta->icmp_code = code;
	meta->icmp_info = info;
	meta->drop_reason = (uint16_t)drop_reason;
}

/*
 * Sends an IP packet made here: headers and metadata are complete but for source address (if zero) and
 * IPv4 header checksum. Takes it. One packet more than came into this pass: it may end in the
 * same lane as the one that it is about, so when the sources have left no room it enters with the next
 * pass. Where connections are tracked it always does: as a packet of its connection. Worker.
 */
void ip_send(struct worker *w, struct rte_mbuf *m);

/* Does an ICMPv6 type keep the link itself going: MLD or ND (RFC 3810, 4861)? Rules are not asked then. */
static inline bool ip6_is_link_control(uint8_t type)
{
	return (type >= 130 && type <= 137) || type == 143;
}

/* How long fragments of an IPv4 datagram may wait for each other (ipfrag_time). Control thread. */
uint64_t ip4_fragment_life_ms(const struct dp *dp);

/* The TTL or hop limit of packets made here, as tuned; by EtherType. Worker. */
uint8_t ip_hop_limit(const struct worker *w, uint16_t ethertype);

extern struct module ip_module;
extern const struct stage plain_stage, ip4_input_stage, ip4_local_stage, ip4_forward_stage,
	ip4_error_stage, ip4_output_stage, ip4_fragment_stage, ip4_reassemble_stage;
extern const struct stage ip6_input_stage, ip6_local_stage, ip6_forward_stage, ip6_error_stage,
	ip6_output_stage, ip6_fragment_stage, ip6_reassemble_stage;
