/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flow4, flow6: the quick way of packets whose connection is known, and nothing else. A burst is looked up
 * in three passes, so that no packet waits for a cache line alone: the first hashes every tuple and asks
 * for its bucket, the second reads tags and asks for the entries, the third does the packets. What
 * is the least bit unusual leaves for `track` untouched, which also does all of this, only slower.
 * Run by the owning worker.
 *
 * The two families are one body with a constant argument.
 */
#include "dp/trace.h"
#include "flow/flow_priv.h"
#include "link/link.h"
#include "neigh/rewrite.h"

enum { FLOW_TX = 1, FLOW_TRACK, FLOW_FRAGMENT };

/* So much of the L4 header is there, or all of it: l4_is_quick() has seen to that. */
enum { L4_CHECKED = sizeof(struct rte_tcp_hdr) };

/* A burst between its passes. */
struct flow_burst {
	struct flow_table *table;
	char *entries; /* of table */
	const struct adj *adjs;
	uint64_t gen[2]; /* what flow_verdict.gen has to say, by direction */
	uint32_t now;
	uint64_t hash[LANE_SIZE]; /* of its tuple; 0: not for the quick way */
};

/* Of such a packet the tuple is in the first bytes of its headers, and nothing else is unusual about it. */
static __rte_always_inline bool is_simple(const struct pkt_meta *meta)
{
	const uint16_t unusual = PKT_FRAGMENT | PKT_OPTIONS | PKT_ORIGINATED | PKT_LINK_BROADCAST |
				 PKT_LINK_MULTICAST | PKT_LINK_SCOPE;

	return !(meta->flags & unusual);
}

/* Of its tuple; 0, which is nobody's: not for the quick way. */
static __rte_always_inline uint64_t hash_of(
	const struct flow_burst *b, const struct pkt_meta *meta, const bool is_ip6)
{
	const uint8_t proto = meta->proto, *l3 = meta->l3;
	const uint8_t *l4 =
		l3 + (is_ip6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	const uint64_t common = UINT64_C(1) << IPPROTO_TCP | UINT64_C(1) << IPPROTO_UDP;
	uint32_t scope = flow_scope(proto, meta->ns), ports = 0;
	uint64_t addrs;

	if (unlikely(!is_simple(meta)))
		return 0;
	/* A bit, not two comparisons: which of them it is cannot be predicted. */
	if ((likely(proto < 64) && likely(common >> proto & 1)) || parse_has_ports(proto))
		memcpy(&ports, l4, sizeof(ports));
	else if (flow_is_icmp(proto))
		return 0;
	if (is_ip6)
		return flow6_hash(&b->table->seed, l3 + offsetof(struct rte_ipv6_hdr, src_addr),
			ports, scope);
	memcpy(&addrs, l3 + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(addrs));
	return flow4_hash(&b->table->seed, addrs, ports, scope);
}

/*
 * Puts TCP in front of all else while it is at it: which protocol comes next cannot be predicted, and
 * every wrong guess in the third pass costs as much as half a packet. The order within a connection stays.
 */
static __rte_always_inline void burst_hash(
	struct flow_burst *b, struct stage_node *node, const bool is_ip6)
{
	struct rte_mbuf *others[LANE_SIZE];
	uint64_t others_hash[LANE_SIZE];
	uint32_t n_tcp = 0, n_others;

	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		const struct pkt_meta *meta = pkt_meta(m);
		uint64_t hash = hash_of(b, meta, is_ip6);

		rte_prefetch0(flow_bucket_of(b->table, hash));
		/* Written to both, kept in one: no branch. */
		node->pkts[n_tcp] = m;
		b->hash[n_tcp] = hash;
		others[i - n_tcp] = m;
		others_hash[i - n_tcp] = hash;
		n_tcp += meta->proto == IPPROTO_TCP;
	}
	n_others = node->n - n_tcp;
	memcpy(&node->pkts[n_tcp], others, n_others * sizeof(others[0]));
	memcpy(&b->hash[n_tcp], others_hash, n_others * sizeof(others_hash[0]));
}

/*
 * Notes in each packet's metadata whose it may be: the first of its bucket that has its tag. Whether it is shows when
 * its line has come; what has none is compared with entry 0, which is nobody's. So there is no branch.
 */
static __rte_always_inline void burst_find(
	const struct flow_burst *b, const struct stage_node *node, const bool is_ip6)
{
	const size_t size = flow_entry_size(is_ip6);

	for (uint32_t i = 0; i < node->n; i++) {
		uint64_t hash = b->hash[i];
		const struct flow_bucket *bucket = flow_bucket_of(b->table, hash);
		unsigned int match =
			flow_bucket_match(bucket, flow_tag(hash)) | 1u << 2 * FLOW_BUCKET_REFS;
		uint32_t ref = bucket->ref[(unsigned int)__builtin_ctz(match) / 2];
		const char *entry = b->entries + (ref >> 1) * size;

		pkt_meta(node->pkts[i])->flow = ref;
		for (size_t line = 0; line < size; line += RTE_CACHE_LINE_SIZE)
			rte_prefetch0(entry + line);
	}
}

static __rte_always_inline bool is_scope(
	const struct flow_verdict *verdict, const struct pkt_meta *meta)
{
	uint32_t scope;

	memcpy(&scope, verdict, sizeof(scope));
	return scope == flow_scope(meta->proto, meta->ns);
}

/* Addresses, ports and four bytes more of a packet that is_simple(), or of one direction of an entry. */
static __rte_always_inline __m128i load_tuple4(const void *src)
{
	return _mm_loadu_si128(src);
}

/* Is the entry found really this packet's? */
static __rte_always_inline bool is_flow4(
	const struct flow4 *flow, unsigned int dir, const struct pkt_meta *meta, const uint8_t *l3)
{
	__m128i packet = load_tuple4(l3 + offsetof(struct rte_ipv4_hdr, src_addr));
	__m128i same = _mm_cmpeq_epi32(packet, load_tuple4(&flow->tuple[dir]));
	unsigned int mask = (unsigned int)_mm_movemask_ps(_mm_castsi128_ps(same));
	const unsigned int addrs = 3, all = 7;

	if (unlikely(!is_scope(&flow->verdict, meta)))
		return false;
	return likely((mask & all) == all) ||
	       ((mask & addrs) == addrs && !parse_has_ports(meta->proto));
}

static __rte_always_inline bool is_flow6(
	const struct flow6 *flow, unsigned int dir, const struct pkt_meta *meta, const uint8_t *l3)
{
	uint32_t ports, have = 0;

	memcpy(&ports, &flow->ports[dir], sizeof(ports));
	if (likely(parse_has_ports(meta->proto)))
		memcpy(&have, l3 + sizeof(struct rte_ipv6_hdr), sizeof(have));
	return is_scope(&flow->verdict, meta) && ports == have &&
	       memcmp(&flow->tuple[dir], l3 + offsetof(struct rte_ipv6_hdr, src_addr),
		       sizeof(flow->tuple[dir])) == 0;
}

/* Time to live and, if it is translated, all the rest. */
static __rte_always_inline void flow4_rewrite(
	const struct flow4 *flow, unsigned int dir, uint8_t proto, uint8_t *l3)
{
	/* Source and destination change places; what is behind them is the packet's. */
	const __m128i swap = _mm_setr_epi8(4, 5, 6, 7, 0, 1, 2, 3, 10, 11, 8, 9, -1, -1, -1, -1);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	uint8_t *l4 = l3 + sizeof(*ip);
	uint16_t add = 0xfffe, l4_delta; /* one less in the first byte of a word */
	__m128i to;

	ip->time_to_live--;
	if (unlikely(!(flow->verdict.status & FLOW_NAT))) {
		checksum_add(&ip->hdr_checksum, add);
		return;
	}
	l4_delta = flow_delta_of(flow->verdict.l4_delta, dir);
	add = checksum_sum(add, flow_delta_of(flow->verdict.ip_delta, dir));
	checksum_add(&ip->hdr_checksum, add);
	to = _mm_shuffle_epi8(load_tuple4(&flow->tuple[!dir]), swap);
	if (unlikely(proto != IPPROTO_TCP) && unlikely(proto != IPPROTO_UDP)) {
		_mm_storel_epi64((__m128i *)(void *)&ip->src_addr, to);
		flow_translate_ports(
			proto, l4, L4_CHECKED, (uint32_t)_mm_extract_epi32(to, 2), l4_delta);
		return;
	}
	to = _mm_blend_epi16(to, load_tuple4(&ip->src_addr), 0xc0);
	_mm_storeu_si128((__m128i *)(void *)&ip->src_addr, to);
	if (likely(proto == IPPROTO_TCP))
		checksum_add(l4 + offsetof(struct rte_tcp_hdr, cksum), l4_delta);
	else
		checksum_add_udp(l4 + offsetof(struct rte_udp_hdr, dgram_cksum), l4_delta);
}

static __rte_always_inline void flow6_rewrite(
	const struct flow6 *flow, unsigned int dir, uint8_t proto, uint8_t *l3)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	uint32_t ports;

	ip->hop_limits--;
	if (!(flow->verdict.status & FLOW_NAT))
		return;
	memcpy(ip->src_addr, flow->tuple[!dir].dst, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, flow->tuple[!dir].src, sizeof(ip->dst_addr));
	memcpy(&ports, &flow->ports[!dir], sizeof(ports));
	flow_translate_ports(proto, l3 + sizeof(*ip), L4_CHECKED, ports << 16 | ports >> 16,
		flow_delta_of(flow->verdict.l4_delta, dir));
}

/* Is nothing about to change in the connection's state by this packet of UDP or an unknown protocol? */
static __rte_always_inline bool is_steady(
	const struct flow_burst *b, uint16_t status, const struct flow_hot *hot, unsigned int dir)
{
	if (!(status & FLOW_SEEN_REPLY))
		return dir == FLOW_ORIG;
	return (int32_t)(b->now - hot->udp_stream_at) < 0;
}

/*
 * Lengths in the L4 header fit the packet, and the protocol's state goes on as it was; TCP knows by itself
 * whether its connection is assured.
 */
static __rte_always_inline bool l4_is_quick(const struct flow_burst *b, const uint8_t *l4,
	uint32_t l4_len, uint8_t proto, uint16_t status, struct flow_hot *hot, unsigned int dir)
{
	if (proto == IPPROTO_TCP)
		return tcp_track_quick(&hot->tcp, (const struct rte_tcp_hdr *)l4, l4_len, dir);
	if (likely(proto == IPPROTO_UDP)) {
		uint32_t len = rte_be_to_cpu_16(((const struct rte_udp_hdr *)l4)->dgram_len);

		if (unlikely(len > l4_len) || unlikely(len < sizeof(struct rte_udp_hdr)))
			return false;
	} else if (parse_has_ports(proto) && unlikely(l4_len < sizeof(struct rte_udp_hdr))) {
		return false;
	}
	return likely(status & FLOW_ASSURED) || is_steady(b, status, hot, dir);
}

static __rte_always_inline unsigned int flow_one(struct worker *w, struct flow_burst *b,
	struct rte_mbuf *m, struct pkt_meta *meta, const bool is_ip6)
{
	const uint32_t ref = meta->flow, l3_len = meta->l3_len;
	const uint8_t proto = meta->proto;
	const unsigned int dir = ref & 1;
	const unsigned int header_len =
		is_ip6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	char *entry = b->entries + (ref >> 1) * flow_entry_size(is_ip6);
	struct flow4 *flow4 = (struct flow4 *)(void *)entry;
	struct flow6 *flow6 = (struct flow6 *)(void *)entry;
	const struct flow_verdict *verdict = is_ip6 ? &flow6->verdict : &flow4->verdict;
	struct flow_hot *hot = is_ip6 ? &flow6->hot : &flow4->hot;
	uint8_t *l3 = meta->l3;
	const struct adj *adj;
	uint16_t status;
	uint64_t gen;
	uint8_t ttl;

	if (unlikely(is_ip6 ? !is_flow6(flow6, dir, meta, l3) : !is_flow4(flow4, dir, meta, l3)))
		return meta->flags & PKT_FRAGMENT ? FLOW_FRAGMENT : FLOW_TRACK;
	memcpy(&gen, &verdict->gen[dir], sizeof(gen));
	status = verdict->status;
	if (unlikely(gen != b->gen[dir]) || unlikely(status & FLOW_POLICED))
		return FLOW_TRACK;
	adj = &b->adjs[verdict->adj[dir]];
	ttl = is_ip6 ? ((const struct rte_ipv6_hdr *)l3)->hop_limits
		     : ((const struct rte_ipv4_hdr *)l3)->time_to_live;
	if (unlikely(ttl <= 1) || unlikely(l3_len > adj->mtu))
		return FLOW_TRACK;
	/* The rest of a first segment that is shorter may be anywhere. */
	if (unlikely(m->nb_segs != 1) &&
		m->data_len < meta->l4_off + RTE_MIN(l3_len - header_len, 40u))
		return FLOW_TRACK;
	if (unlikely(!adj_rewrite_quick(meta, l3, adj)))
		return FLOW_TRACK;
	if (unlikely(
		    !l4_is_quick(b, l3 + header_len, l3_len - header_len, proto, status, hot, dir)))
		return FLOW_TRACK;
	hot->last_seen = b->now;
	if (unlikely(status & FLOW_DSCP))
		flow_set_dscp(m, meta, b->table->cold[ref >> 1].new_dscp);
	if (unlikely(!flow_hot_count(hot, dir, l3_len)))
		flow_count(b->table, ref, l3_len);
	meta->mark = verdict->mark;
	if (is_ip6)
		flow6_rewrite(flow6, dir, proto, l3);
	else
		flow4_rewrite(flow4, dir, proto, l3);
	return FLOW_TX;
}

static __rte_always_inline unsigned int flow4_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return flow_one(w, ctx, m, meta, false);
}

static __rte_always_inline unsigned int flow6_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	return flow_one(w, ctx, m, meta, true);
}

static __rte_always_inline void flow_run(
	struct worker *w, struct stage_node *node, const bool is_ip6)
{
	struct flow_worker *fw = flow_worker(w);
	uint64_t route_gen, policy_gen;
	struct flow_burst b;

	b.table = &fw->table[is_ip6 ? FLOW_IP6 : FLOW_IP4];
	b.entries = b.table->entries;
	b.adjs = fw->adjs;
	b.now = flow_now(fw);
	/* Pair with the releases of whoever changes routes and rules. */
	route_gen = __atomic_load_n(fw->route_gen, __ATOMIC_ACQUIRE);
	policy_gen = __atomic_load_n(&fw->state->policy_gen, __ATOMIC_ACQUIRE);
	b.gen[FLOW_ORIG] = policy_gen << 32 | route_gen;
	b.gen[FLOW_REPLY] = route_gen << 32 | policy_gen;
	burst_hash(&b, node, is_ip6);
	burst_find(&b, node, is_ip6);
	stage_each(w, node, FLOW_TX, is_ip6 ? flow6_one : flow4_one, &b);
}

static void flow4_run(struct worker *w, struct stage_node *node)
{
	flow_run(w, node, false);
}

static void flow6_run(struct worker *w, struct stage_node *node)
{
	flow_run(w, node, true);
}

static void flow_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == FLOW_TX)
		snprintf(buf, size, "connection %u, %s direction, out of link %s",
			record->meta.flow >> 1, record->meta.flow & 1 ? "reply" : "original",
			link_name(record->w->dp, record->meta.out_link));
	else
		snprintf(buf, size, "asks for a closer look");
}

const struct stage flow4_stage = {
	.name = "flow4",
	.help = "sends on IPv4 packets of established connections",
	.run = flow4_run,
	.exits = { [FLOW_TX] = { "tx", "tx" },
		[FLOW_TRACK] = { "closer look", "track" },
		[FLOW_FRAGMENT] = { "fragment", "flow_fragment" } },
	.format = flow_format,
};

const struct stage flow6_stage = {
	.name = "flow6",
	.help = "sends on IPv6 packets of established connections",
	.run = flow6_run,
	.exits = { [FLOW_TX] = { "tx", "tx" },
		[FLOW_TRACK] = { "closer look", "track" },
		[FLOW_FRAGMENT] = { "fragment", "flow_fragment" } },
	.format = flow_format,
};
