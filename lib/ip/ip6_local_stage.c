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

enum { LOCAL_GOES_ON = STAGE_EXITS_MAX }; /* no exit: nothing in the headers stops the packet */

enum { OPTION_PAD1 = 0, OPTION_PADN = 1 };

enum { LISTENER_REPORT_V2 = 143 }; /* RFC 3810; the system's headers do not know it */

static const uint8_t *local_header(const struct pkt_meta *meta, uint32_t at)
{
	return (const uint8_t *)meta->l3 + at;
}

/* Offsets in here count from the IPv6 header, as the pointer of a parameter problem does. */
static unsigned int local_problem(
	struct pkt_meta *meta, uint8_t code, uint32_t at, enum ip_drop reason)
{
	ip6_set_error(meta, ICMP6_PARAM_PROB, code, at, reason);
	return LOCAL_ERROR;
}

/* RFC 8200 4.2: the two high bits of the type of an option that we do not know say what to do. */
static unsigned int local_unknown_option(struct pkt_meta *meta, uint32_t at)
{
	const struct rte_ipv6_hdr *ip = meta->l3;

	switch (*local_header(meta, at) >> 6) {
	case 0: /* skip */
		return LOCAL_GOES_ON;
	case 1: /* discard silently */
		return ip_drop(meta, IP6_DROP_UNKNOWN_OPTION);
	case 3: /* discard, and tell unless it came to a group */
		if (ip6_is_multicast(ip->dst_addr))
			return ip_drop(meta, IP6_DROP_UNKNOWN_OPTION);
		break;
	}
	return local_problem(meta, ICMP6_PARAMPROB_OPTION, at, IP6_DROP_UNKNOWN_OPTION);
}

/* The options of a hop-by-hop or destination options header that ends at `end`. */
static unsigned int local_options(struct pkt_meta *meta, uint32_t at, uint32_t end)
{
	unsigned int exit = LOCAL_GOES_ON;

	while (at < end && exit == LOCAL_GOES_ON) {
		const uint8_t *option = local_header(meta, at);

		if (option[0] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < option[1])
			return ip_drop(meta, IP6_DROP_BAD_OPTIONS);
		if (option[0] != OPTION_PADN)
			exit = local_unknown_option(meta, at);
		at += 2u + option[1];
	}
	return exit;
}

/* One extension header, of len bytes. */
static unsigned int local_ext(struct pkt_meta *meta, uint8_t proto, uint32_t at, uint32_t len)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_DSTOPTS:
		return local_options(meta, at + 2, at + len);
	case IPPROTO_ROUTING:
		/* RFC 8200 4.4: no type is known here, type 0 is not to be (RFC 5095). */
		if (local_header(meta, at)[3] != 0)
			return local_problem(
				meta, ICMP6_PARAMPROB_HEADER, at + 2, IP6_DROP_ROUTING_HEADER);
		return LOCAL_GOES_ON;
	default:
		return LOCAL_GOES_ON;
	}
}

/*
 * Goes over the extension headers, whose lengths parse has checked. next_header: where the upper
 * layer's protocol is named.
 */
static unsigned int local_headers(struct pkt_meta *meta, uint32_t *next_header)
{
	const struct rte_ipv6_hdr *ip = meta->l3;
	uint32_t at = sizeof(*ip), end = meta->l4_off - meta->l3_off;
	unsigned int exit = LOCAL_GOES_ON;
	uint8_t proto = ip->proto;

	*next_header = offsetof(struct rte_ipv6_hdr, proto);
	while (at < end && exit == LOCAL_GOES_ON) {
		const uint8_t *ext = local_header(meta, at);
		uint32_t len = parse_ip6_ext_len(proto, ext);

		exit = local_ext(meta, proto, at, len);
		*next_header = at;
		proto = ext[0];
		at += len;
	}
	return exit;
}

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

static unsigned int local_echo(struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct rte_icmp_hdr *icmp = pkt_l4(m, meta);
	struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	uint8_t addr[16];

	if (ip6_is_multicast(ip->dst_addr) && ip_worker->sysctl6->icmp_echo_ignore_multicast)
		return ip_drop(meta, ICMP6_DROP_UNHANDLED);
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

static unsigned int local_icmp(struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	if (!parse_l4_checksum_is_right(m, meta))
		return ip_drop(meta, ICMP6_DROP_BAD_CHECKSUM);
	if (icmp->icmp_type >= ND_ROUTER_SOLICIT && icmp->icmp_type <= ND_REDIRECT)
		return LOCAL_ND;
	if (ip6_is_unspecified(pkt_ip6(m, meta)->src_addr))
		return ip_drop(meta, IP6_DROP_UNSPECIFIED_SOURCE);
	switch (icmp->icmp_type) {
	case ICMP6_ECHO_REQUEST:
		if (icmp->icmp_code != 0 || ip_worker->sysctl6->icmp_echo_ignore_all)
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

static unsigned int local_upper_layer(struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, struct pkt_meta *meta, uint32_t next_header)
{
	enum parse_error err = parse_l4(m, meta);

	if (err != PARSE_OK)
		return ip_drop(meta,
			err == PARSE_L4_TRUNCATED ? IP4_DROP_L4_TRUNCATED : IP4_DROP_L4_BAD_LEN);
	if (meta->proto == IPPROTO_ICMPV6)
		return local_icmp(w, ip_worker, m, meta);
	if (ip6_is_unspecified(pkt_ip6(m, meta)->src_addr))
		return ip_drop(meta, IP6_DROP_UNSPECIFIED_SOURCE);
	switch (meta->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return local_port(m, meta);
	case IPPROTO_NONE: /* RFC 8200 4.7 */
		return ip_drop(meta, IP6_DROP_NO_NEXT_HEADER);
	default: /* RFC 8200 4: unrecognized next header */
		return local_problem(
			meta, ICMP6_PARAMPROB_NEXTHEADER, next_header, IP6_DROP_NO_PROTOCOL);
	}
}

/* RFC 4862 5.4: to whom it belongs is not known yet. */
static bool local_is_tentative(
	const struct ip_worker *ip_worker, const struct pkt_meta *meta, const uint8_t *dst)
{
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	const struct ns_own6 *own = __atomic_load_n(&ip_worker->own6[meta->ns], __ATOMIC_RELAXED);
	const struct ns_own6_row *row = ns_own6_find(own, dst, meta->in_link);

	return row != NULL && (row->flags & NS_ADDR_TENTATIVE);
}

static unsigned int local_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct ip_worker *ip_worker = ctx;
	uint32_t next_header;
	unsigned int exit;

	if (local_is_tentative(ip_worker, meta, pkt_ip6(m, meta)->dst_addr))
		return ip_drop(meta, IP6_DROP_TENTATIVE);
	exit = local_headers(meta, &next_header);
	if (exit != LOCAL_GOES_ON)
		return exit;
	if (meta->flags & PKT_FRAGMENT)
		return ip_drop(meta, IP6_DROP_FRAGMENT_TO_US);
	return local_upper_layer(w, ip_worker, m, meta, next_header);
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
