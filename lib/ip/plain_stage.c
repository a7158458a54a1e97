/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * plain: the short way for what nearly all packets are, before anything else looks at them: to our
 * MAC address, IP without options or extension headers, nothing wrong with header or addresses. All
 * checks of parse and of IP input are one run of comparisons here, the metadata is written, the
 * route's cache line asked for, and the packet goes straight on to be forwarded. Whatever is not
 * plain, good or bad, leaves for `parse` untouched: every drop and its name is found there and below,
 * so this stage refuses nothing. Where connections are tracked, plain packets go to `flow4` and `flow6`
 * instead. Run by the owning worker.
 *
 * What is only forwarded is even sent on from here, once all of the burst has asked for its routes: with what
 * `ip4_forward` and `ip6_forward` do as long as nothing is in the way. From the first packet on that needs more,
 * the rest of the burst goes there, in order.
 */
#include "dp/trace.h"
#include "ip/forward_quick.h"

enum { PLAIN_FORWARD4 = 1, PLAIN_NOT, PLAIN_FORWARD6, PLAIN_FLOW4, PLAIN_FLOW6, PLAIN_TX };

/* What packets of one port have in common; a burst is mostly from one. */
struct plain_port {
	const struct ip_worker *ip_worker;
	const struct ns_own4 *own4;
	const struct lpm *fib4;
	uint64_t mask, match; /* what the first eight bytes of a frame for the link are */
	struct pkt_meta fresh
		__rte_cache_aligned; /* metadata of a plain packet, but for what differs by packet */
	uint16_t max_payload;	     /* MTU without the IP header */
	uint16_t port;
	uint16_t mtu;
	const struct ns_own6 *own6;
	const struct lpm *fib6;
	bool is_tracked; /* the kind of port that this loop is for: connections are tracked */
	bool is_other;	 /* this port is of the other kind: none of its packets match here */
};

static __rte_always_inline void plain_set_port(struct plain_port *p, uint16_t port)
{
	uint16_t ifindex = p->ip_worker->input_link[port];
	const struct link_dp *link = &p->ip_worker->links[ifindex];

	p->port = port;
	p->mask = LINK_MATCH_MASK;
	p->match = link->match;
	if (link->flags & LINK_PROMISCUOUS) {
		p->mask = LINK_UNICAST_MASK;
		p->match &= LINK_NO_MATCH;
	}
	p->is_other = !!(link->flags & LINK_TRACKED) != p->is_tracked;
	if (unlikely(p->is_other))
		p->match = LINK_NO_MATCH;
	p->mtu = link->mtu;
	p->max_payload = (uint16_t)(link->mtu - sizeof(struct rte_ipv4_hdr));
	p->fresh = (struct pkt_meta){
		.in_link = ifindex,
		.ns = link->ns,
		.l3_off = RTE_ETHER_HDR_LEN,
		.l4_off = PARSE_PLAIN_LEN,
		.ethertype = RTE_ETHER_TYPE_IPV4,
	};
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	p->own4 = __atomic_load_n(&p->ip_worker->own4[link->ns], __ATOMIC_RELAXED);
	p->fib4 = p->ip_worker->fib4[link->ns];
	p->own6 = __atomic_load_n(&p->ip_worker->own6[link->ns], __ATOMIC_RELAXED);
	p->fib6 = p->ip_worker->fib6[link->ns];
}

/* May it come from there, and go there? Most answers are in the first bytes of the addresses. */
static __rte_always_inline bool plain_has_good_addresses4(
	const struct ns_own4 *own, uint32_t src_be, uint32_t dst_be)
{
	unsigned int class =
		ns_own4_class(own, src_be) | (ns_own4_class(own, dst_be) & NS_FIRST_MARTIAN);

	if (likely(class == 0))
		return true;
	return (class & NS_FIRST_MARTIAN) == 0 && !ns_own4_has(own, src_be);
}

/* The same question; what is link-local, or goes to a group, is no plain packet. */
static __rte_always_inline bool plain_has_good_addresses6(
	const struct plain_port *p, const struct rte_ipv6_hdr *ip)
{
	unsigned int class = ns_own6_class(p->own6, ip->src_addr) |
			     (ns_own6_class(p->own6, ip->dst_addr) & NS_FIRST_MARTIAN);

	if (likely(class == 0))
		return true;
	return (class & NS_FIRST_MARTIAN) == 0 &&
	       !ns_own6_has(p->own6, ip->src_addr, p->fresh.in_link);
}

enum { FRAGMENT_LEN = 8 }; /* of its header */

/* Fragments are plain as well, so that a burst of them keeps its order: the only header there is. */
static bool plain_is_fragment6(
	const struct rte_mbuf *m, const struct rte_ipv6_hdr *ip, uint32_t len)
{
	const uint8_t *ext = (const uint8_t *)(ip + 1);

	if (ip->proto != IPPROTO_FRAGMENT || m->data_len < PARSE_PLAIN6_LEN + FRAGMENT_LEN ||
		len < sizeof(*ip) + FRAGMENT_LEN)
		return false;
	return (parse_ip6_fragment_flags(ext) & PKT_FRAGMENT_LATER) || !parse_is_ip6_ext(ext[0]);
}

static void plain_set_fragment6(struct pkt_meta *meta, const uint8_t *ext)
{
	meta->flags = PKT_OPTIONS | parse_ip6_fragment_flags(ext);
	meta->proto = ext[0];
	meta->l4_off += FRAGMENT_LEN;
}

/* Plain IPv6: to us, without extension headers but that of a fragment. first: as of plain_ip4(). */
static __rte_always_inline unsigned int plain_ip6(const struct plain_port *p, struct rte_mbuf *m,
	struct pkt_meta *meta, const bool is_tracked, uint32_t *first)
{
	const struct rte_ether_hdr *ether = pkt_ether(m);
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(ether + 1);
	uint32_t type, len;

	memcpy(&type, &ether->ether_type, sizeof(type));
	if ((((link_first8(ether) & p->mask) ^ p->match) |
		    ((type & PARSE_PLAIN6_TYPE_MASK) ^ PARSE_PLAIN6_TYPE)) != 0)
		return PLAIN_NOT;
	len = (uint32_t)sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (unlikely(m->data_len < PARSE_PLAIN6_LEN) || unlikely(len > p->mtu) ||
		unlikely(!plain_has_good_addresses6(p, ip)))
		return PLAIN_NOT;
	if (unlikely(parse_is_ip6_ext(ip->proto)) && !plain_is_fragment6(m, ip, len))
		return PLAIN_NOT;
	if (m->pkt_len != RTE_ETHER_HDR_LEN + len) {
		if (m->pkt_len < RTE_ETHER_HDR_LEN + len || m->nb_segs != 1)
			return PLAIN_NOT;
		parse_trim_single(m, RTE_ETHER_HDR_LEN + len);
	}
	*meta = p->fresh;
	meta->l4_off = PARSE_PLAIN6_LEN;
	meta->ethertype = RTE_ETHER_TYPE_IPV6;
	meta->l3_len = (uint16_t)len;
	meta->proto = ip->proto;
	meta->l3 = (void *)(uintptr_t)ip;
	if (unlikely(ip->proto == IPPROTO_FRAGMENT))
		plain_set_fragment6(meta, (const uint8_t *)(ip + 1));
	if (is_tracked)
		return PLAIN_FLOW6;
	*first = lpm6_first(ip->dst_addr);
	lpm_approach(p->fib6, *first);
	return PLAIN_FORWARD6;
}

/* What the first eight bytes say about the link, and whether the rest is IPv4 without options: zero. */
static __rte_always_inline uint64_t plain_differs4(const struct plain_port *p,
	const struct rte_ether_hdr *ether, const struct parse_ip4_words *words)
{
	return ((link_first8(ether) & p->mask) ^ p->match) | parse_ip4_differs(words);
}

/*
 * Plain IPv4, once plain_differs4() has said so much. first: when it is forwarded, the first 32 bits of the
 * address where it goes (host order).
 */
static __rte_always_inline unsigned int plain_ip4(const struct plain_port *p, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct parse_ip4_words *words, const bool is_tracked,
	uint32_t *first)
{
	uint16_t len = parse_ip4_total_len(words);
	uint32_t dst_be = (uint32_t)(words->at26 >> 32);

	/* From 20 bytes to the MTU, in one comparison; all of the header in the first segment. */
	if (unlikely((uint16_t)(len - sizeof(struct rte_ipv4_hdr)) > p->max_payload) ||
		unlikely(m->data_len < PARSE_PLAIN_LEN))
		return PLAIN_NOT;
	if (unlikely(!parse_ip4_checksum_is_valid(words)) ||
		unlikely(!plain_has_good_addresses4(p->own4, (uint32_t)words->at26, dst_be)))
		return PLAIN_NOT;
	if (m->pkt_len != RTE_ETHER_HDR_LEN + (uint32_t)len) {
		if (m->pkt_len < RTE_ETHER_HDR_LEN + (uint32_t)len || m->nb_segs != 1)
			return PLAIN_NOT;
		parse_trim_single(m, RTE_ETHER_HDR_LEN + (uint32_t)len);
	}
	*meta = p->fresh;
	if (unlikely(words->at20 & PARSE_FRAGMENT))
		meta->flags = parse_ip4_fragment_flags(words->at20);
	meta->l3_len = len;
	meta->proto = (uint8_t)(words->at20 >> 24);
	meta->l3 = (void *)(pkt_ether(m) + 1);
	if (is_tracked)
		return PLAIN_FLOW4;
	/* This is a cache miss often enough; it is read when the whole burst has been here. */
	*first = rte_be_to_cpu_32(dst_be);
	lpm_approach(p->fib4, *first);
	return PLAIN_FORWARD4;
}

static __rte_always_inline unsigned int plain_any(const struct plain_port *p, struct rte_mbuf *m,
	struct pkt_meta *meta, const bool is_tracked)
{
	const struct rte_ether_hdr *ether = pkt_ether(m);
	struct parse_ip4_words words;
	uint32_t first;

	if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return plain_ip6(p, m, meta, is_tracked, &first);
	words = parse_ip4_load(ether);
	if (plain_differs4(p, ether, &words) != 0)
		return PLAIN_NOT;
	return plain_ip4(p, m, meta, &words, is_tracked, &first);
}

/*
 * What is not of the family of the loop may be plain all the same, and so may what came in by a port of
 * the other kind. Out of line, so that the loops keep their registers.
 */
static __rte_noinline unsigned int plain_aside(
	const struct plain_port *p, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct plain_port other;

	if (unlikely(p->is_other)) {
		other = *p;
		other.is_tracked = !p->is_tracked;
		plain_set_port(&other, m->port);
		p = &other;
	}
	return p->is_tracked ? plain_any(p, m, meta, true) : plain_any(p, m, meta, false);
}

/* One packet of a loop for one family. first: of one that is forwarded, as above. */
static __rte_always_inline unsigned int plain_judge(const struct plain_port *p, struct rte_mbuf *m,
	struct pkt_meta *meta, const bool is_ip6, const bool is_tracked, uint32_t *first)
{
	const struct rte_ether_hdr *ether = pkt_ether(m);
	struct parse_ip4_words words;

	if (is_ip6) {
		if (unlikely(ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV6)) ||
			unlikely(p->is_other))
			return plain_aside(p, m, meta);
		return plain_ip6(p, m, meta, is_tracked, first);
	}
	words = parse_ip4_load(ether);
	if (unlikely(plain_differs4(p, ether, &words) != 0))
		return plain_aside(p, m, meta);
	return plain_ip4(p, m, meta, &words, is_tracked, first);
}

static __rte_always_inline unsigned int plain_loop(struct plain_port *p, struct rte_mbuf *m,
	struct pkt_meta *meta, const bool is_ip6, const bool is_tracked)
{
	uint32_t first;

	if (unlikely(m->port != p->port))
		plain_set_port(p, m->port);
	return plain_judge(p, m, meta, is_ip6, is_tracked, &first);
}

static __rte_always_inline unsigned int plain_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return plain_loop(ctx, m, meta, false, false);
}

static __rte_always_inline unsigned int plain_tracked4(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return plain_loop(ctx, m, meta, false, true);
}

static __rte_always_inline unsigned int plain_tracked6(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return plain_loop(ctx, m, meta, true, true);
}

/* The tables of a family that a port's packets are looked up in. */
static __rte_always_inline const struct lpm *plain_fib(
	const struct plain_port *p, const bool is_ip6)
{
	return is_ip6 ? p->fib6 : p->fib4;
}

/* Looks a packet up to the end, and sends it on; false: that needs a closer look. */
static __rte_always_inline bool plain_forward_one(const struct ip_worker *ip_worker,
	const struct lpm *fib, const uint32_t *slot, uint32_t first, uint64_t begin,
	struct rte_mbuf *m, const bool is_ip6)
{
	struct pkt_meta *meta = pkt_meta(m);
	uint32_t index = is_ip6 ? lpm6_take(fib, slot, pkt_ip6(m, meta)->dst_addr, begin)
				: lpm4_take(fib, slot, first, begin);

	if (fib_value_is_multipath(index))
		index = is_ip6 ? ip6_multipath_select(ip_worker, index, m)
			       : ip4_multipath_select(ip_worker, index, m);
	if (unlikely(!fib_value_is_adj(index)))
		return false;
	RTE_ASSERT(pkt_writable(m));
	if (is_ip6)
		return ip6_forward_quick(meta, pkt_ip6(m, meta), &ip_worker->adjs[index]);
	return ip4_forward_quick(meta, pkt_ip4(m, meta), &ip_worker->adjs[index]);
}

/*
 * Sends on what was found to be plain, the first n of the lane; first: of their addresses. Behind what waits to be
 * forwarded already (released from a neighbour queue, or left by an earlier call) all goes there.
 */
static __rte_always_inline void plain_forward(struct worker *w, struct stage_node *node,
	const struct lpm *fib, uint64_t begin, const uint32_t *first, unsigned int n,
	const bool is_ip6)
{
	const struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	struct stage_node *forward = node->next[is_ip6 ? PLAIN_FORWARD6 : PLAIN_FORWARD4];
	struct stage_node *tx = node->next[PLAIN_TX];
	struct rte_mbuf **out = tx->pkts + tx->n;
	struct rte_mbuf **pkts = node->pkts;
	const uint32_t *slot[LANE_ROOM];
	unsigned int i, n_quick = forward->n == 0 ? n : 0;

	for (i = 0; i < n_quick; i++)
		slot[i] = lpm_seek(fib, first[i]);
	for (i = 0; i < n_quick; i++) {
		if (!plain_forward_one(ip_worker, fib, slot[i], first[i], begin, pkts[i], is_ip6))
			break;
		out[i] = pkts[i];
	}
	tx->n += i;
	if (i > 0)
		w->pending |= UINT64_C(1) << tx->index;
	for (; i < n; i++)
		stage_push(&w->pending, forward, pkts[i]);
}

/* Out of line, both, so that the first pass keeps its registers. */
static __rte_noinline void plain_forward4(struct worker *w, struct stage_node *node,
	const struct lpm *fib, uint64_t begin, const uint32_t *first, unsigned int n)
{
	plain_forward(w, node, fib, begin, first, n, false);
}

static __rte_noinline void plain_forward6(struct worker *w, struct stage_node *node,
	const struct lpm *fib, uint64_t begin, const uint32_t *first, unsigned int n)
{
	plain_forward(w, node, fib, begin, first, n, true);
}

/*
 * Both passes over a burst that is mostly of one family and to be forwarded. A second table begins with a
 * second pass.
 */
static __rte_always_inline void plain_run_forward(
	struct worker *w, struct stage_node *node, struct plain_port *p, const bool is_ip6)
{
	const unsigned int forward_exit = is_ip6 ? PLAIN_FORWARD6 : PLAIN_FORWARD4;
	const struct lpm *fib = plain_fib(p, is_ip6);
	uint64_t begin = lpm_begin(fib);
	struct rte_mbuf **pkts = node->pkts;
	const unsigned int n_pkts = node->n;
	uint32_t first[LANE_ROOM];
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_pkts; i++) {
		struct rte_mbuf *m = pkts[i];
		unsigned int exit;

		if (i + STAGE_PREFETCH < n_pkts)
			pkt_prefetch(pkts[i + STAGE_PREFETCH]);
		if (unlikely(m->port != p->port)) {
			plain_set_port(p, m->port);
			if (plain_fib(p, is_ip6) != fib) {
				(is_ip6 ? plain_forward6 : plain_forward4)(
					w, node, fib, begin, first, n);
				n = 0;
				fib = plain_fib(p, is_ip6);
				begin = lpm_begin(fib);
			}
		}
		exit = plain_judge(p, m, pkt_meta(m), is_ip6, false, &first[n]);
		if (likely(exit == forward_exit))
			pkts[n++] = m;
		else
			stage_leave(w, node, m, exit);
	}
	(is_ip6 ? plain_forward6 : plain_forward4)(w, node, fib, begin, first, n);
}

static __rte_noinline void plain_run4(
	struct worker *w, struct stage_node *node, struct plain_port *p)
{
	plain_run_forward(w, node, p, false);
}

static __rte_noinline void plain_run6(
	struct worker *w, struct stage_node *node, struct plain_port *p)
{
	plain_run_forward(w, node, p, true);
}

static __rte_noinline void plain_run_tracked4(
	struct worker *w, struct stage_node *node, struct plain_port *p)
{
	stage_each_first(w, node, PLAIN_FLOW4, plain_tracked4, p);
}

static __rte_noinline void plain_run_tracked6(
	struct worker *w, struct stage_node *node, struct plain_port *p)
{
	stage_each_first(w, node, PLAIN_FLOW6, plain_tracked6, p);
}

/* A burst is mostly of one family and kind of port: its first packet says which way is the likely one. */
static void plain_run(struct worker *w, struct stage_node *node)
{
	bool is_ip6 = pkt_ether(node->pkts[0])->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6);
	struct plain_port p; /* not cleared first: that takes as long as to fill it */

	p.ip_worker = worker_slot(w, &ip_module);
	p.is_tracked = false;
	plain_set_port(&p, node->pkts[0]->port);
	if (unlikely(p.is_other)) {
		p.is_tracked = true;
		plain_set_port(&p, node->pkts[0]->port);
		if (is_ip6)
			plain_run_tracked6(w, node, &p);
		else
			plain_run_tracked4(w, node, &p);
	} else if (unlikely(w->trace != NULL)) {
		/* Either family: the traced loop writes down what becomes of each packet here. */
		stage_each_first(w, node, PLAIN_FORWARD4, plain_one, &p);
	} else if (is_ip6) {
		plain_run6(w, node, &p);
	} else {
		plain_run4(w, node, &p);
	}
}

static void plain_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == PLAIN_NOT)
		snprintf(buf, size, "asks for a closer look");
	else if (record->exit == PLAIN_FORWARD6 || record->exit == PLAIN_FLOW6)
		ip6_format_packet(record, buf, size);
	else
		ip_format_packet(record, buf, size);
}

const struct stage plain_stage = {
	.name = "plain",
	.help = "checks plain IP packets to us in one go, and sends them on if nothing is in the "
		"way",
	.run = plain_run,
	.exits = { [PLAIN_TX] = { "sent on", "tx" },
		[PLAIN_FORWARD4] = { "ip4", "ip4_forward" },
		[PLAIN_FORWARD6] = { "ip6", "ip6_forward" },
		[PLAIN_FLOW4] = { "tracked ip4", "flow4" },
		[PLAIN_FLOW6] = { "tracked ip6", "flow6" },
		[PLAIN_NOT] = { "other", "parse" } },
	.format = plain_format,
};
