/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_local: IPv6 packets to one of our addresses or groups. Extension headers are processed (RFC 8200
 * 4, RFC 5095), checksums checked (RFC 8200 8.1), echo requests answered in place (RFC 4443 4.2),
 * neighbour discovery passed on; nothing else listens yet, so other packets get the ICMPv6 error that
 * says so. Run by the owning worker.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { LOCAL_OUTPUT = 1, LOCAL_ERROR, LOCAL_RESET, LOCAL_ND };

enum { LISTENER_REPORT_V2 = 143 }; /* RFC 3810; the system's headers do not know it */

/* Extension headers are not sent back: the IPv6 header moves up against the data. */
static void reply_strip_headers(struct pkt_meta *meta)
{
	uint16_t n = (uint16_t)(meta->l4_off - meta->l3_off - sizeof(struct rte_ipv6_hdr));
	uint8_t *header = meta->l3;
	struct rte_ipv6_hdr *ip;

	if (n == 0)
		return;
	memmove(header + n, header, sizeof(*ip));
	meta->l3_off += n;
	meta->l3 = header + n;
	meta->l3_len -= n;
	meta->flags &= (uint16_t)~PKT_OPTIONS;
	ip = meta->l3;
	ip->proto = IPPROTO_ICMPV6;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(meta->l3_len - sizeof(*ip)));
}

static unsigned int local_echo(
	struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct icmp6_sysctl *sysctl = &ip_worker->sysctl6->icmp;
	struct rte_icmp_hdr *icmp = pkt_l4(m, meta);
	struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	uint8_t addr[16];

	if (sysctl->echo_ignore_all ||
		(sysctl->echo_ignore_multicast && ip6_is_multicast(ip->dst_addr)))
		return ip_drop(meta, ICMP6_DROP_ECHO_IGNORED);
	if (!icmp6_rate_allow(w, ip_worker, ICMP6_ECHO_REPLY, ip->src_addr, meta->ns))
		return ip_drop(meta, ICMP6_DROP_ECHO_LIMITED);
	if (!pkt_writable(m))
		return ip_drop(meta, IP_DROP_SHARED);
	reply_strip_headers(meta);
	ip = pkt_ip6(m, meta);
	memcpy(addr, ip->dst_addr, sizeof(addr));
	memcpy(ip->dst_addr, ip->src_addr, sizeof(ip->dst_addr));
	/* For a group some address of ours answers: ip6_output chooses. */
	if (ip6_is_multicast(addr))
		memset(addr, 0, sizeof(addr));
	memcpy(ip->src_addr, addr, sizeof(ip->src_addr));
	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->hop_limits = (uint8_t)ip_worker->sysctl6->hop_limit;
	icmp->icmp_type = ICMP6_ECHO_REPLY;
	meta->flags |= PKT_ORIGINATED;
	return ip_leave_own(w, ip_worker, m, meta, LOCAL_OUTPUT);
}

static unsigned int local_icmp(struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct ip6_headers *headers)
{
	const struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	if (!parse_l4_checksum_is_right(m, meta))
		return ip_drop(meta, ICMP6_DROP_BAD_CHECKSUM);
	if (ip6_is_nd(icmp->icmp_type))
		return headers->has_fragment ? ip_drop(meta, ICMP6_DROP_ND_FRAGMENT) : LOCAL_ND;
	if (ip6_is_unspecified(pkt_ip6(m, meta)->src_addr))
		return ip_drop(meta, IP6_DROP_UNSPECIFIED_SOURCE);
	switch (icmp->icmp_type) {
	case ICMP6_ECHO_REQUEST:
		if (icmp->icmp_code != 0)
			return ip_drop(meta, ICMP6_DROP_UNHANDLED);
		return local_echo(w, ip_worker, m, meta);
	case MLD_LISTENER_QUERY:
	case MLD_LISTENER_REPORT:
	case MLD_LISTENER_REDUCTION:
	case LISTENER_REPORT_V2:
		return ip_drop(meta, ICMP6_DROP_MLD);
	default:
		return ip_drop(meta, ICMP6_DROP_UNHANDLED);
	}
}

/* UDP and TCP: nothing listens. In IPv6 a UDP checksum of zero is as bad as a wrong one. */
static unsigned int local_port(struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct rte_udp_hdr *udp = pkt_l4(m, meta);

	if (!parse_l4_checksum_is_right(m, meta) ||
		(meta->proto == IPPROTO_UDP && udp->dgram_cksum == 0))
		return ip_drop(meta, IP6_DROP_L4_BAD_CHECKSUM);
	if (meta->proto == IPPROTO_TCP) {
		(void)ip_drop(meta, IP6_DROP_NO_LISTENER);
		return LOCAL_RESET;
	}
	ip6_set_error(meta, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 0, IP6_DROP_NO_LISTENER);
	return LOCAL_ERROR;
}

static unsigned int local_upper_layer(struct worker *w, struct ip_worker *ip_worker,
	struct rte_mbuf *m, struct pkt_meta *meta, const struct ip6_headers *headers)
{
	enum parse_error err = parse_l4(m, meta);

	if (err != PARSE_OK)
		return ip_drop(meta,
			err == PARSE_L4_TRUNCATED ? IP4_DROP_L4_TRUNCATED : IP4_DROP_L4_BAD_LEN);
	if (meta->proto == IPPROTO_ICMPV6)
		return local_icmp(w, ip_worker, m, meta, headers);
	if (ip6_is_unspecified(pkt_ip6(m, meta)->src_addr))
		return ip_drop(meta, IP6_DROP_UNSPECIFIED_SOURCE);
	switch (meta->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return local_port(m, meta);
	case IPPROTO_NONE: /* RFC 8200 4.7 */
		return ip_drop(meta, IP6_DROP_NO_NEXT_HEADER);
	default: /* RFC 8200 4: unrecognized next header */
		ip6_set_error(meta, ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER,
			headers->next_header, IP6_DROP_NO_PROTOCOL);
		return LOCAL_ERROR;
	}
}

static unsigned int local_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct ip_worker *ip_worker = ctx;
	struct ip6_headers headers;

	switch (ip6_headers_check(ip_worker, meta, meta->l4_off - meta->l3_off, &headers)) {
	case IP6_HEADERS_DROP:
		return STAGE_DROP;
	case IP6_HEADERS_ERROR:
		return LOCAL_ERROR;
	case IP6_HEADERS_PASS:
		break;
	}
	RTE_ASSERT(!(meta->flags & PKT_FRAGMENT));
	return local_upper_layer(w, ip_worker, m, meta, &headers);
}

static void local_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, LOCAL_OUTPUT, local_one, worker_slot(w, &ip_module));
}

static void local_format(const struct trace_record *record, char *buf, size_t size)
{
	/* Where connections are tracked the reply enters again: consumed. */
	if (record->exit == LOCAL_OUTPUT || record->exit == STAGE_CONSUMED)
		snprintf(buf, size, "echo request, answered");
	else if (record->exit == LOCAL_ND)
		snprintf(buf, size, "neighbour discovery");
	else if (record->exit != STAGE_DROP)
		snprintf(buf, size, "nothing listens here");
}

const struct stage ip6_local_stage = {
	.name = "ip6_local",
	.help = "packets to our own IPv6 addresses and groups",
	.run = local_run,
	.exits = { [LOCAL_OUTPUT] = { "reply", "ip6_output" },
		[LOCAL_ERROR] = { "error", "ip6_error" },
		[LOCAL_RESET] = { "closed port", "tcp_reset" },
		[LOCAL_ND] = { "nd", "nd_input" } },
	.format = local_format,
};
