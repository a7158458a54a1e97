/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_error: tells the sender by ICMPv6 why its packet goes no further, then drops the packet under
 * the reason it came with. Run by the owning worker.
 *
 * RFC 4443 2.4: no error about an ICMPv6 error or a redirect (e.1, e.2), nor about a packet to a
 * group or by link-layer multicast (e.3 to e.5) unless it is Packet Too Big or an unknown option,
 * nor to a source that is no single host (e.6). As much of the packet as fits into the minimum MTU is
 * quoted (c). The rate is limited (f) as icmp_rate.c has it.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum {
	ERROR_OUTPUT = 1,
};

static const struct ip_error_form error_form = {
	.ethertype = RTE_ETHER_TYPE_IPV6,
	.ip_header_len = sizeof(struct rte_ipv6_hdr),
	.max_len = 1280,
	.proto = IPPROTO_ICMPV6,
};

/* May this error be sent about packets to many? */
static bool error_suits_groups(const struct pkt_meta *meta)
{
	return meta->icmp_type == ICMP6_PACKET_TOO_BIG ||
	       (meta->icmp_type == ICMP6_PARAM_PROB && meta->icmp_code == ICMP6_PARAMPROB_OPTION);
}

static bool error_is_about_error(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const uint8_t *type;

	if (meta->proto != IPPROTO_ICMPV6)
		return false;
	/*
	 * What cannot be seen might be one. But errors are too small to be cut (RFC 4443 2.4 c): what is
	 * wrong with a fragment as such is told.
	 */
	if (meta->flags & PKT_FRAGMENT_LATER)
		return meta->icmp_type != ICMP6_PARAM_PROB;
	if (meta->l3_len <= meta->l4_off - meta->l3_off || !parse_has(m, meta->l4_off + 1u))
		return true;
	type = pkt_l4(m, meta);
	return !(*type & ICMP6_INFOMSG_MASK) || *type == ND_REDIRECT;
}

/* May an error be sent about this packet at all? */
static bool error_is_allowed(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);

	if (meta->flags & PKT_ORIGINATED)
		return false;
	if (ip6_is_unspecified(ip->src_addr) || ip6_is_multicast(ip->src_addr))
		return false;
	if (((meta->flags & (PKT_LINK_BROADCAST | PKT_LINK_MULTICAST)) ||
		    ip6_is_multicast(ip->dst_addr)) &&
		!error_suits_groups(meta))
		return false;
	return !error_is_about_error(m, meta);
}

/* The answer, complete but for checksum and perhaps source, which depends on the route back. */
static struct rte_mbuf *error_build(struct worker *w, struct ip_worker *ip_worker,
	const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_ipv6_hdr *failed = pkt_ip6(m, meta);
	struct rte_mbuf *error = ip_error_new(w, &error_form, m, meta);
	uint32_t info_be = rte_cpu_to_be_32(meta->icmp_info); /* MTU or pointer */
	struct rte_icmp_hdr *icmp;
	struct rte_ipv6_hdr *ip;

	if (error == NULL)
		return NULL;
	ip = pkt_ip6(error, pkt_meta(error));
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)(pkt_meta(error)->l3_len - sizeof(*ip))),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = (uint8_t)ip_worker->sysctl6->hop_limit,
	};
	memcpy(ip->dst_addr, failed->src_addr, sizeof(ip->dst_addr));
	/* RFC 4443 2.2 (a): what was addressed to us is answered from that address. */
	if (meta->adj == ADJ_LOCAL)
		memcpy(ip->src_addr, failed->dst_addr, sizeof(ip->src_addr));
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	*icmp = (struct rte_icmp_hdr){ .icmp_type = meta->icmp_type, .icmp_code = meta->icmp_code };
	memcpy(&icmp->icmp_ident, &info_be, sizeof(info_be));
	return error;
}

static enum ip_error_end error_answer(
	struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct rte_mbuf *error;

	if (!error_is_allowed(m, meta))
		return IP_ERROR_FORBIDDEN;
	if (!icmp6_rate_allow(w, ip_worker, meta->icmp_type, pkt_ip6(m, meta)->src_addr, meta->ns))
		return IP_ERROR_LIMITED;
	error = error_build(w, ip_worker, m, meta);
	if (error == NULL)
		return IP_ERROR_NO_BUFFER;
	ip_send(w, error);
	return IP_ERROR_SENT;
}

/* Sent or not, the packet's own reason stands. */
static unsigned int error_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	trace_tell(w, (uint16_t)error_answer(w, ctx, m, meta), 0, 0);
	return STAGE_DROP;
}

static void error_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, error_one, worker_slot(w, &ip_module));
}

static void error_format(const struct trace_record *record, char *buf, size_t size)
{
	ip_format_error(record, "ICMPv6", buf, size);
}

const struct stage ip6_error_stage = {
	.name = "ip6_error",
	.help = "sends an ICMPv6 error about a packet and drops it",
	.run = error_run,
	.exits = { [ERROR_OUTPUT] = { "error", "ip6_output" } },
	.format = error_format,
};
