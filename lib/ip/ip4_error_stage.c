/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip4_error: tells the sender by ICMP why its packet goes no further, then drops the packet under
 * the reason it came with. Run by the owning worker.
 *
 * RFC 1812 4.3.2: no error about an ICMP error, a broadcast or multicast, a fragment other than the
 * first, or to a source that is no single host; as much of the packet as fits into 576 bytes is
 * quoted (4.3.2.3), TOS is the packet's with precedence internetwork control (4.3.2.5), and the rate is
 * limited (4.3.2.8, icmp_rate.c).
 */
#include "dp/trace.h"
#include "ip/ip_priv.h"

enum {
	ERROR_OUTPUT = 1,
	ERROR_TOS_MASK = 0x1c,
	ERROR_PRECEDENCE = 0xc0, /* internetwork control */
};

static const struct ip_error_form error_form = {
	.ethertype = RTE_ETHER_TYPE_IPV4,
	.ip_header_len = sizeof(struct rte_ipv4_hdr),
	.max_len = 576,
	.proto = IPPROTO_ICMP,
};

static bool is_icmp_error_type(uint8_t type)
{
	/* The queries and their answers (RFC 792, 950); everything else may be an error. */
	return !(type == 0 || type == 8 || type == 9 || type == 10 || (type >= 13 && type <= 18));
}

/* May an error be sent about this packet at all? */
static bool error_is_allowed(
	const struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct rte_ipv4_hdr *ip = pkt_ip4(m, meta);
	uint32_t src = rte_be_to_cpu_32(ip->src_addr);
	const uint8_t *type;

	/* A rule may have refused it before anybody asked for its route. */
	if (meta->adj == ADJ_BROADCAST || lpm4_lookup(ip_worker->fib4[meta->ns],
						  rte_be_to_cpu_32(ip->dst_addr)) == ADJ_BROADCAST)
		return false;
	if (meta->flags &
		(PKT_ORIGINATED | PKT_FRAGMENT_LATER | PKT_LINK_BROADCAST | PKT_LINK_MULTICAST))
		return false;
	if (src - UINT32_C(0x01000000) >= UINT32_C(0xdf000000) || src >> 24 == 127)
		return false;
	if (meta->proto != IPPROTO_ICMP)
		return true;
	if (meta->l3_len <= meta->l4_off - meta->l3_off || !parse_has(m, meta->l4_off + 1u))
		return false;
	type = pkt_l4(m, meta);
	return !is_icmp_error_type(*type);
}

/*
 * RFC 1812 4.3.2.4, and what Linux does: from the address that was asked, or from one of the link
 * that the error leaves by (0: ip4_output chooses it), or of the link that the packet came in by.
 */
static uint32_t error_source(const struct worker *w, const struct ip_worker *ip_worker,
	const struct rte_ipv4_hdr *failed, const struct pkt_meta *meta)
{
	if (meta->adj == ADJ_LOCAL)
		return failed->dst_addr;
	return ip_worker->sysctl->icmp_errors_use_inbound_ifaddr
		       ? ns_source4_select(w->dp, meta->in_link, failed->src_addr)
		       : 0;
}

/* The answer, complete but for the source address, which depends on the route back. */
static struct rte_mbuf *error_build(struct worker *w, struct ip_worker *ip_worker,
	const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_ipv4_hdr *failed = pkt_ip4(m, meta);
	struct rte_mbuf *error = ip_error_new(w, &error_form, m, meta);
	struct rte_icmp_hdr *icmp;
	struct rte_ipv4_hdr *ip;
	uint16_t len;

	if (error == NULL)
		return NULL;
	len = pkt_meta(error)->l3_len;
	ip = pkt_ip4(error, pkt_meta(error));
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = (failed->type_of_service & ERROR_TOS_MASK) | ERROR_PRECEDENCE,
		.total_length = rte_cpu_to_be_16(len),
		.packet_id = rte_cpu_to_be_16(ip_worker->ip_id++),
		.time_to_live = (uint8_t)ip_worker->sysctl->default_ttl,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = error_source(w, ip_worker, failed, meta),
		.dst_addr = failed->src_addr,
	};
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	*icmp = (struct rte_icmp_hdr){
		.icmp_type = meta->icmp_type,
		.icmp_code = meta->icmp_code,
		/* The second word: next-hop MTU (RFC 1191), or pointer in the first byte (RFC 792). */
		.icmp_ident = rte_cpu_to_be_16((uint16_t)(meta->icmp_info >> 16)),
		.icmp_seq_nb = rte_cpu_to_be_16((uint16_t)meta->icmp_info),
	};
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, len - sizeof(*ip));
	return error;
}

static enum ip_error_end error_answer(
	struct worker *w, struct ip_worker *ip_worker, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct rte_mbuf *error;

	if (!error_is_allowed(ip_worker, m, meta))
		return IP_ERROR_FORBIDDEN;
	if (!icmp4_rate_allow(w, ip_worker, meta->icmp_type, meta->icmp_code,
		    pkt_ip4(m, meta)->src_addr, meta->ns))
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
	ip_format_error(record, "ICMP", buf, size);
}

const struct stage ip4_error_stage = {
	.name = "ip4_error",
	.help = "sends an ICMP error about a packet and drops it",
	.run = error_run,
	.exits = { [ERROR_OUTPUT] = { "error", "ip4_output" } },
	.format = error_format,
};
