/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From a packet to its tuple: the one place of tracking that looks into L4 headers of unknown packets.
 * Lengths are checked by parse_l4(); nothing here trusts what the packet says of itself. Run by the
 * owning worker.
 */
#include "flow/flow_priv.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

enum {
	PORTS_HEADER_MIN = 8, /* of those that have ports UDP's and UDP-Lite's is the shortest */
	PORTS_LEN = 4,	      /* also: type, code and checksum of ICMP */
	TCP_FLAGS_END = offsetof(struct rte_tcp_hdr, tcp_flags) + 1,
};

/* Queries and their answers, in pairs (RFC 792, 950, 4443, 4620). */
struct icmp_pair {
	uint8_t proto, query, answer;
};

static const struct icmp_pair icmp_pairs[] = {
	{ IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHOREPLY },
	{ IPPROTO_ICMP, ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY },
	{ IPPROTO_ICMP, ICMP_INFO_REQUEST, ICMP_INFO_REPLY },
	{ IPPROTO_ICMP, ICMP_ADDRESS, ICMP_ADDRESSREPLY },
	{ IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY },
	{ IPPROTO_ICMPV6, 139, 140 }, /* node information */
};

static const struct icmp_pair *icmp_pair_of(uint8_t proto, uint8_t type)
{
	for (unsigned int i = 0; i < RTE_DIM(icmp_pairs); i++)
		if (icmp_pairs[i].proto == proto &&
			(icmp_pairs[i].query == type || icmp_pairs[i].answer == type))
			return &icmp_pairs[i];
	return NULL;
}

static bool icmp_is_error(uint8_t proto, uint8_t type)
{
	if (proto == IPPROTO_ICMPV6)
		return type < 128;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static uint8_t icmp_type_of(const struct flow_tuple *tuple)
{
	return (uint8_t)(rte_be_to_cpu_16(tuple->dport_be) >> 8);
}

struct flow_tuple flow_reply_tuple(uint8_t proto, const struct flow_tuple *orig)
{
	struct flow_tuple reply = flow_invert(orig);
	const struct icmp_pair *pair;
	uint8_t type;

	if (!flow_is_icmp(proto))
		return reply;
	type = icmp_type_of(orig);
	pair = icmp_pair_of(proto, type);
	if (pair != NULL)
		type = type == pair->query ? pair->answer : pair->query;
	reply.sport_be = orig->sport_be;
	reply.dport_be = flow_icmp_kind_be(type, (uint8_t)rte_be_to_cpu_16(orig->dport_be));
	return reply;
}

bool flow_may_begin(uint8_t proto, const struct flow_tuple *orig)
{
	const struct icmp_pair *pair;

	if (!flow_is_icmp(proto))
		return true;
	pair = icmp_pair_of(proto, icmp_type_of(orig));
	return pair != NULL && icmp_type_of(orig) == pair->query;
}

static void read_addresses(
	const struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_tuple *tuple)
{
	*tuple = (struct flow_tuple){ 0 };
	if (flow_is_ip6(meta)) {
		const struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);

		memcpy(tuple->src.bytes, ip->src_addr, sizeof(tuple->src.bytes));
		memcpy(tuple->dst.bytes, ip->dst_addr, sizeof(tuple->dst.bytes));
	} else {
		tuple->src.v4_be = pkt_ip4(m, meta)->src_addr;
		tuple->dst.v4_be = pkt_ip4(m, meta)->dst_addr;
	}
}

static enum flow_drop read_icmp(
	const struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f, bool *is_error)
{
	const struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	f->icmp_type = icmp->icmp_type;
	f->icmp_code = icmp->icmp_code;
	f->has_l4 = true;
	*is_error = icmp_is_error(meta->proto, icmp->icmp_type);
	if (*is_error)
		return FLOW_N_DROPS;
	if (icmp_pair_of(meta->proto, icmp->icmp_type) == NULL)
		return FLOW_DROP_ICMP;
	f->orig.sport_be = icmp->icmp_ident;
	f->orig.dport_be = flow_icmp_kind_be(icmp->icmp_type, icmp->icmp_code);
	return FLOW_N_DROPS;
}

static bool is_icmp_of_family(const struct pkt_meta *meta)
{
	return meta->proto == (flow_is_ip6(meta) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Of fragments of which this is not the first, or of which the L4 header may lie elsewhere. */
static void read_fragment(const struct pkt_meta *meta, struct flow_first *f)
{
	f->orig.sport_be = (uint16_t)meta->ports_be;
	f->orig.dport_be = (uint16_t)(meta->ports_be >> 16);
}

/* Are these bytes of its L4 header there, whatever the header says? */
static bool has_l4_bytes(struct rte_mbuf *m, const struct pkt_meta *meta, uint32_t len)
{
	return pkt_l4_len(meta) >= len && parse_has(m, meta->l4_off + len);
}

/* A header that is cut short or wrong about its length hides nothing from rules that is there. */
static void read_broken(struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f)
{
	const uint8_t *l4;

	if (!has_l4_bytes(m, meta, PORTS_LEN))
		return;
	f->has_l4 = true;
	l4 = pkt_l4(m, meta);
	if (is_icmp_of_family(meta)) {
		f->icmp_type = l4[0];
		f->icmp_code = l4[1];
	} else if (parse_has_ports(meta->proto)) {
		memcpy(&f->orig.sport_be, l4, sizeof(f->orig.sport_be));
		memcpy(&f->orig.dport_be, l4 + 2, sizeof(f->orig.dport_be));
	}
	if (meta->proto == IPPROTO_TCP && has_l4_bytes(m, meta, TCP_FLAGS_END))
		f->tcp_flags = ((const struct rte_tcp_hdr *)pkt_l4(m, meta))->tcp_flags;
}

enum flow_drop flow_read_packet(
	struct rte_mbuf *m, struct pkt_meta *meta, struct flow_first *f, bool *is_error)
{
	enum parse_error err;

	*is_error = false;
	read_addresses(m, meta, &f->orig);
	f->proto = meta->proto;
	if (meta->flags & PKT_FRAGMENT_LATER) {
		read_fragment(meta, f);
		return FLOW_N_DROPS;
	}
	err = parse_l4(m, meta);
	if (err != PARSE_OK) {
		read_broken(m, meta, f);
		return err == PARSE_L4_BAD_LEN ? FLOW_DROP_LENGTH : FLOW_DROP_TRUNCATED;
	}
	if (is_icmp_of_family(meta))
		return read_icmp(m, meta, f, is_error);
	if (!parse_has_ports(meta->proto))
		return FLOW_N_DROPS;
	if (!has_l4_bytes(m, meta, PORTS_HEADER_MIN)) {
		read_broken(m, meta, f);
		return FLOW_DROP_TRUNCATED;
	}
	memcpy(&f->orig.sport_be, pkt_l4(m, meta), sizeof(f->orig.sport_be));
	memcpy(&f->orig.dport_be, (const uint8_t *)pkt_l4(m, meta) + 2, sizeof(f->orig.dport_be));
	f->has_l4 = true;
	if (meta->proto == IPPROTO_TCP)
		f->tcp_flags = ((const struct rte_tcp_hdr *)pkt_l4(m, meta))->tcp_flags;
	return FLOW_N_DROPS;
}
