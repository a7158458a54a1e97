/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * tcp_reset: answers a refused TCP segment with a reset, then drops it under the reason it came with. Run
 * by the owning worker.
 *
 * RFC 9293 3.10.7.1, for a connection that does not exist: what acknowledges something is reset with the
 * number that it acknowledges; else the reset acknowledges all that the segment has. No reset about a
 * reset, a segment with a wrong checksum, a fragment, what came as broadcast or multicast on its link, or
 * what was made here.
 */
#include "dp/trace.h"
#include "firewall/firewall_priv.h"

/* Of both families: where the parts of the answer are. */
enum {
	RESET_TCP4_OFF = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr),
	RESET_TCP6_OFF = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr),
	RESET_DATA_OFF = (sizeof(struct rte_tcp_hdr) / 4) << 4,
};

static bool reset_is_due(struct rte_mbuf *m, struct pkt_meta *meta)
{
	const uint16_t silent =
		PKT_FRAGMENT | PKT_LINK_BROADCAST | PKT_LINK_MULTICAST | PKT_ORIGINATED;
	const struct rte_tcp_hdr *tcp;

	if ((meta->flags & silent) || meta->proto != IPPROTO_TCP || parse_l4(m, meta) != PARSE_OK ||
		!(meta->flags & PKT_L4_PRESENT))
		return false;
	tcp = pkt_l4(m, meta);
	return !(tcp->tcp_flags & RTE_TCP_RST_FLAG) && parse_l4_checksum_is_right(m, meta);
}

/* The reset's TCP header, but for its checksum. */
static struct rte_tcp_hdr reset_tcp(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_tcp_hdr *tcp = pkt_l4(m, meta);
	uint8_t flags = tcp->tcp_flags;
	uint32_t len = pkt_l4_len(meta) - (uint32_t)(tcp->data_off >> 4) * 4 +
		       !!(flags & RTE_TCP_SYN_FLAG) + !!(flags & RTE_TCP_FIN_FLAG);
	struct rte_tcp_hdr reset = {
		.src_port = tcp->dst_port,
		.dst_port = tcp->src_port,
		.data_off = RESET_DATA_OFF,
		.tcp_flags = RTE_TCP_RST_FLAG,
	};

	if (flags & RTE_TCP_ACK_FLAG) {
		reset.sent_seq = tcp->recv_ack;
	} else {
		reset.tcp_flags |= RTE_TCP_ACK_FLAG;
		reset.recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + len);
	}
	return reset;
}

static void reset_set_ip4(const struct worker *w, struct rte_mbuf *reset, const struct rte_mbuf *m,
	const struct pkt_meta *meta)
{
	const struct rte_ipv4_hdr *failed = pkt_ip4(m, meta);

	*pkt_ip4(reset, pkt_meta(reset)) = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(pkt_meta(reset)->l3_len),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = ip_hop_limit(w, RTE_ETHER_TYPE_IPV4),
		.next_proto_id = IPPROTO_TCP,
		.src_addr = failed->dst_addr,
		.dst_addr = failed->src_addr,
	};
}

static void reset_set_ip6(const struct worker *w, struct rte_mbuf *reset, const struct rte_mbuf *m,
	const struct pkt_meta *meta)
{
	const struct rte_ipv6_hdr *failed = pkt_ip6(m, meta);
	struct rte_ipv6_hdr *ip = pkt_ip6(reset, pkt_meta(reset));

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = rte_cpu_to_be_32(UINT32_C(6) << 28),
		.payload_len = rte_cpu_to_be_16(sizeof(struct rte_tcp_hdr)),
		.proto = IPPROTO_TCP,
		.hop_limits = ip_hop_limit(w, RTE_ETHER_TYPE_IPV6),
	};
	memcpy(ip->src_addr, failed->dst_addr, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, failed->src_addr, sizeof(ip->dst_addr));
}

/* NULL: out of packets. */
static struct rte_mbuf *reset_build(
	const struct worker *w, const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	bool is_ip4 = meta->ethertype == RTE_ETHER_TYPE_IPV4;
	uint16_t l4_off = is_ip4 ? RESET_TCP4_OFF : RESET_TCP6_OFF;
	struct rte_mbuf *reset = rte_pktmbuf_alloc(w->pool);
	struct pkt_meta *to;
	struct rte_tcp_hdr *tcp;

	if (reset == NULL)
		return NULL;
	rte_pktmbuf_append(reset, (uint16_t)(l4_off + sizeof(*tcp)));
	to = pkt_meta(reset);
	*to = (struct pkt_meta){
		.in_link = meta->in_link,
		.ns = meta->ns,
		.flags = PKT_ORIGINATED | PKT_L4_PRESENT,
		.l3_off = RTE_ETHER_HDR_LEN,
		.l3 = rte_pktmbuf_mtod_offset(reset, void *, RTE_ETHER_HDR_LEN),
		.l4_off = l4_off,
		.l3_len = (uint16_t)(l4_off - RTE_ETHER_HDR_LEN + sizeof(*tcp)),
		.ethertype = meta->ethertype,
		.proto = IPPROTO_TCP,
		.trace = meta->trace,
	};
	if (is_ip4)
		reset_set_ip4(w, reset, m, meta);
	else
		reset_set_ip6(w, reset, m, meta);
	tcp = pkt_l4(reset, to);
	*tcp = reset_tcp(m, meta);
	tcp->cksum = (uint16_t)~parse_l4_sum(reset, to);
	return reset;
}

static unsigned int reset_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct rte_mbuf *reset;

	if (!reset_is_due(m, meta))
		return STAGE_DROP;
	reset = reset_build(w, m, meta);
	/* Out of packets: the drop's own reason stands. */
	if (reset != NULL)
		ip_send(w, reset);
	trace_tell(w, reset != NULL, 0, 0);
	return STAGE_DROP;
}

static void reset_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, reset_one, NULL);
}

static void reset_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "%s",
		record->extra.arg[0] ? "answered with a reset" : "no reset is due");
}

/* ip_send() may put the answer into this pass, so the stages that send must be below. */
const struct stage tcp_reset_stage = {
	.name = "tcp_reset",
	.help = "answers a refused TCP segment with a reset and drops it",
	.run = reset_run,
	.exits = { [1] = { "reset IPv4", "ip4_output" }, [2] = { "reset IPv6", "ip6_output" } },
	.format = reset_format,
};
