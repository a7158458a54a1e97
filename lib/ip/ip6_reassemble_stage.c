/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ip6_reassemble: fragments to our own IPv6 addresses and groups become whole packets for ip6_local (RFC
 * 8200 4.5). How they wait, and what is told to whom after ip6frag_time, is in ip_reassemble.c; here is
 * what can be wrong with one by itself. Run by the owning worker.
 *
 * The whole packet has the headers in front of the first one's fragment header, whose place is taken by
 * what it named; those of the others end here, when their options have been asked whether they stop the
 * packet. A first fragment must show what the packet is (RFC 7112). Neighbour discovery does not come
 * in fragments (RFC 6980).
 */
#include "ip/ip_priv.h"

enum { REASSEMBLE_LOCAL = 1, REASSEMBLE_ERROR };

enum {
	FRAGMENT_OFFSET_AT = 2,		  /* of the fragment header: offset and flags */
	PARAM_PROBLEM_FIRST_FRAGMENT = 3, /* RFC 7112; the system's headers end at 2 */
};

static uint32_t reassemble_header_len(const struct rte_mbuf *first, const struct pkt_meta *meta)
{
	uint32_t named_at;

	return parse_ip6_fragment(first, meta, &named_at) - meta->l3_off;
}

/*
 * Everything in front of the fragment header moves over it. What lies behind it parse has walked over
 * in the first fragment already.
 */
static void reassemble_finish(struct rte_mbuf *m, struct pkt_meta *meta, uint32_t payload_len)
{
	uint32_t named_at, off = parse_ip6_fragment(m, meta, &named_at);
	uint8_t *start = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv6_hdr *ip;

	start[named_at] = start[off];
	memmove(start + IP6_FRAGMENT_HEADER_LEN, start, off);
	rte_pktmbuf_adj(m, IP6_FRAGMENT_HEADER_LEN);
	meta->l3 = (uint8_t *)meta->l3 + IP6_FRAGMENT_HEADER_LEN;
	meta->l4_off -= IP6_FRAGMENT_HEADER_LEN;
	meta->l3_len = (uint16_t)(off - meta->l3_off + payload_len);
	ip = pkt_ip6(m, meta);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(meta->l3_len - sizeof(*ip)));
	if (pkt_l4_len(meta) == meta->l3_len - sizeof(*ip))
		meta->flags &= (uint16_t)~PKT_OPTIONS;
}

/* The pointer counts from the IPv6 header. */
static unsigned int reassemble_problem(
	struct pkt_meta *meta, uint8_t code, uint32_t at, enum ip_drop reason)
{
	ip6_set_error(meta, ICMP6_PARAM_PROB, code, at, reason);
	return REASSEMBLE_ERROR;
}

/* What must be seen in a first fragment. REASSEMBLE_LOCAL: nothing stands against it. */
static unsigned int reassemble_check_first(struct rte_mbuf *m, struct pkt_meta *meta)
{
	bool is_empty = pkt_l4_len(meta) == 0 && meta->proto != IPPROTO_NONE;

	/* A wrong length is for ip6_local to find: part of what it counts may come with the others. */
	if (is_empty || parse_l4(m, meta) == PARSE_L4_TRUNCATED)
		return reassemble_problem(
			meta, PARAM_PROBLEM_FIRST_FRAGMENT, 0, IP6_DROP_FRAGMENT_TINY);
	if (meta->proto == IPPROTO_ICMPV6 && ip6_is_nd(*(const uint8_t *)pkt_l4(m, meta)))
		return ip_drop(meta, ICMP6_DROP_ND_FRAGMENT);
	return REASSEMBLE_LOCAL;
}

/* REASSEMBLE_LOCAL: the fragment may wait, or make its datagram whole. */
static unsigned int reassemble_check(const struct ip_worker *ip_worker, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct ip_fragment *fragment, enum ip_fragment_fault fault)
{
	struct ip6_headers headers;

	switch (ip6_headers_check(ip_worker, meta, fragment->header_off - meta->l3_off, &headers)) {
	case IP6_HEADERS_DROP:
		return STAGE_DROP;
	case IP6_HEADERS_ERROR:
		return REASSEMBLE_ERROR;
	case IP6_HEADERS_PASS:
		break;
	}
	switch (fault) {
	case IP_FRAGMENT_BEYOND:
		return reassemble_problem(meta, ICMP6_PARAMPROB_HEADER,
			fragment->header_off - meta->l3_off + FRAGMENT_OFFSET_AT,
			IP6_DROP_FRAGMENT_BAD);
	case IP_FRAGMENT_UNEVEN:
		return reassemble_problem(meta, ICMP6_PARAMPROB_HEADER,
			offsetof(struct rte_ipv6_hdr, payload_len), IP6_DROP_FRAGMENT_BAD);
	case IP_FRAGMENT_NESTED:
		return ip_drop(meta, IP6_DROP_FRAGMENT_BAD);
	case IP_FRAGMENT_EMPTY:
	case IP_FRAGMENT_SOUND:
		break;
	}
	if (!(meta->flags & PKT_FRAGMENT_LATER)) {
		unsigned int exit = reassemble_check_first(m, meta);

		if (exit != REASSEMBLE_LOCAL)
			return exit;
	}
	return fault == IP_FRAGMENT_EMPTY ? ip_drop(meta, IP6_DROP_FRAGMENT_BAD) : REASSEMBLE_LOCAL;
}

static unsigned int reassemble_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct ip_worker *ip_worker = ctx;
	struct ip_fragment fragment;
	unsigned int exit;

	/* What connections are tracked for and goes to a group comes this way in any case. */
	if (!(meta->flags & PKT_FRAGMENT))
		return REASSEMBLE_LOCAL;
	exit = reassemble_check(
		ip_worker, m, meta, &fragment, ip_fragment_read(m, meta, &fragment));
	if (exit != REASSEMBLE_LOCAL)
		return exit;
	return ip_reassemble(w, &ip_worker->reassembly[IP_REASSEMBLY_6], &fragment);
}

static void reassemble_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, reassemble_one, worker_slot(w, &ip_module));
}

const struct ip_reassemble_form ip6_reassemble_form = {
	.stage = "ip6_reassemble",
	.local_stage = "ip6_local",
	.error_stage = "ip6_error",
	.bad = IP6_DROP_FRAGMENT_BAD,
	.duplicate = IP6_DROP_FRAGMENT_DUPLICATE,
	.overlap = IP6_DROP_FRAGMENT_OVERLAP,
	.too_many = IP6_DROP_FRAGMENTS_TOO_MANY,
	.full = IP6_DROP_REASSEMBLY_FULL,
	.timeout = IP6_DROP_REASSEMBLY_TIMEOUT,
	.time_exceeded = ICMP6_TIME_EXCEEDED,
	.header_len = reassemble_header_len,
	.finish = reassemble_finish,
};

const struct stage ip6_reassemble_stage = {
	.name = "ip6_reassemble",
	.help = "keeps fragments to our addresses and groups until they are whole",
	.run = reassemble_run,
	.exits = { [REASSEMBLE_LOCAL] = { "whole", "ip6_local" },
		[REASSEMBLE_ERROR] = { "refused or timed out", "ip6_error" } },
	.format = ip_reassemble_format,
};
