/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_local: whole packets to one of our own addresses. Echo requests are answered here, in place
 * (RFC 792, RFC 1122 3.2.2.6); nothing else listens yet, so other packets get the ICMP error that
 * says so. Run by the owning worker.
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum { LOCAL_OUTPUT = 1, LOCAL_ERROR, LOCAL_RESET };

/* RFC 1122 3.2.2.6: these are sent back, filled in on the way; others are not. */
static bool reply_keeps_option(uint8_t type)
{
	return type == IPOPT_RR || type == IPOPT_TS;
}

/* The header moves up against the data. */
static void reply_set_options(struct worker *w, const struct ip_worker *ip_worker,
	struct rte_mbuf *m, struct pkt_meta *meta)
{
	uint8_t *header = (uint8_t *)pkt_ip4(m, meta);
	uint16_t len = (uint16_t)(meta->l4_off - meta->l3_off);
	uint16_t kept, cut;

	if (!(meta->flags & PKT_OPTIONS))
		return;
	/* Here the request has arrived; where the reply leaves, ip4_output records again. */
	ip4_options_arrive(w, ip_worker, m, meta);
	kept = ip4_options_keep(header + sizeof(struct rte_ipv4_hdr),
		(uint8_t)(len - sizeof(struct rte_ipv4_hdr)), reply_keeps_option);
	kept = (uint16_t)(kept + sizeof(struct rte_ipv4_hdr));
	cut = (uint16_t)(len - kept);
	memmove(header + cut, header, kept);
	meta->l3_off += cut;
	meta->l3 = header + cut;
	meta->l3_len -= cut;
	pkt_ip4(m, meta)->version_ihl = (uint8_t)(IPVERSION << 4 | kept / 4);
	pkt_ip4(m, meta)->total_length = rte_cpu_to_be_16(meta->l3_len);
	if (kept == sizeof(struct rte_ipv4_hdr))
		meta->flags &= (uint16_t)~PKT_OPTIONS;
}

/* Whatever the request was like, the reply may be fragmented on its way, as Linux's. */
static unsigned int local_echo(
	struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct rte_icmp_hdr *icmp = pkt_l4(m, meta);
	struct rte_ipv4_hdr *ip;
	uint32_t addr;

	if (ip_worker->sysctl->icmp_echo_ignore_all)
		return ip_drop(meta, ICMP_DROP_ECHO_IGNORED);
	if (!icmp4_rate_allow(
		    w, ip_worker, ICMP_ECHOREPLY, 0, pkt_ip4(m, meta)->src_addr, meta->ns))
		return ip_drop(meta, ICMP_DROP_ECHO_LIMITED);
	if (!pkt_writable(m))
		return ip_drop(meta, IP_DROP_SHARED);
	reply_set_options(w, ip_worker, m, meta);
	ip = pkt_ip4(m, meta);
	addr = ip->src_addr;
	/* A broadcast address is nobody's: then ip4_output chooses. */
	ip->src_addr = meta->adj == ADJ_BROADCAST ? 0 : ip->dst_addr;
	ip->dst_addr = addr;
	ip->time_to_live = (uint8_t)ip_worker->sysctl->default_ttl;
	ip->fragment_offset = 0;
	ip->packet_id = rte_cpu_to_be_16(ip_worker->ip_id++);
	icmp->icmp_cksum = checksum_update16(icmp->icmp_cksum,
		RTE_BE16(RTE_IP_ICMP_ECHO_REQUEST << 8), RTE_BE16(RTE_IP_ICMP_ECHO_REPLY << 8));
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	meta->flags |= PKT_ORIGINATED;
	return ip_leave_own(w, ip_worker, m, meta, LOCAL_OUTPUT);
}

static unsigned int local_icmp(
	struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct rte_icmp_hdr *icmp = pkt_l4(m, meta);
	uint32_t len = pkt_l4_len(meta);

	if (checksum_mbuf_sum(m, meta->l4_off, len) != 0xffff)
		return ip_drop(meta, ICMP_DROP_BAD_CHECKSUM);
	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0)
		return ip_drop(meta, ICMP_DROP_UNHANDLED);
	return local_echo(w, ip_worker, m, meta);
}

static unsigned int local_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct ip_worker *ip_worker = ctx;
	enum parse_error err = parse_l4(m, meta);

	if (err != PARSE_OK)
		return ip_drop(meta,
			err == PARSE_L4_TRUNCATED ? IP4_DROP_L4_TRUNCATED : IP4_DROP_L4_BAD_LEN);
	switch (meta->proto) {
	case IPPROTO_ICMP:
		return local_icmp(w, ip_worker, m, meta);
	case IPPROTO_TCP:
		(void)ip_drop(meta, IP4_DROP_NO_LISTENER);
		return LOCAL_RESET;
	case IPPROTO_UDP:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, IP4_DROP_NO_LISTENER);
		return LOCAL_ERROR;
	default:
		ip4_set_error(meta, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0, IP4_DROP_NO_PROTOCOL);
		return LOCAL_ERROR;
	}
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
	else if (record->exit != STAGE_DROP)
		snprintf(buf, size, "nothing listens here");
}

const struct stage ip4_local_stage = {
	.name = "ip4_local",
	.help = "packets to our own addresses",
	.run = local_run,
	.exits = { [LOCAL_OUTPUT] = { "reply", "ip4_output" },
		[LOCAL_ERROR] = { "error", "ip4_error" },
		[LOCAL_RESET] = { "closed port", "tcp_reset" } },
	.format = local_format,
};
