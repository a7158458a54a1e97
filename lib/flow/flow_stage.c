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

/* What of a packet the passes have to know: the hash of its tuple, and the part of that besides addresses. */
struct flow_seek {
	uint64_t hash; /* 0: to `track` */
	uint64_t key;  /* both ports as they lie in the packet, above them flow_scope() */
};

/* A burst between its passes. */
struct flow_burst {
	struct flow_worker *fw;
	struct flow_table *table;
	uint32_t route_gen, policy_gen;
	uint32_t now;
	unsigned int i;		 /* of the packet in the third pass */
	uint32_t ref[LANE_SIZE]; /* FLOW_NONE: to `track` */
	struct flow_seek seek[LANE_SIZE];
};

/* Of such a packet the tuple is in the first bytes of its headers, and nothing else is unusual about it. */
static __rte_always_inline bool is_simple(const struct pkt_meta *meta)
{
	const uint16_t unusual = PKT_FRAGMENT | PKT_OPTIONS | PKT_ORIGINATED | PKT_LINK_BROADCAST |
				 PKT_LINK_MULTICAST | PKT_LINK_SCOPE;

	return !(meta->flags & unusual) && !flow_is_icmp(meta->proto);
}

static __rte_always_inline struct flow_seek seek_of(
	const struct flow_burst *b, const struct pkt_meta *meta, const bool is_ip6)
{
	const uint8_t *l3 = meta->l3;
	const uint8_t *l4 =
		l3 + (is_ip6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	uint32_t scope = flow_scope(meta->proto, meta->ns), ports = 0;
	struct flow_seek seek;
	uint64_t addrs;

	if (unlikely(!is_simple(meta)))
		return (struct flow_seek){ 0 };
	if (likely(parse_has_ports(meta->proto)))
		memcpy(&ports, l4, sizeof(ports));
	seek.key = (uint64_t)scope << 32 | ports;
	if (is_ip6) {
		seek.hash = flow6_hash(&b->table->seed,
			l3 + offsetof(struct rte_ipv6_hdr, src_addr), ports, scope);
	} else {
		memcpy(&addrs, l3 + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(addrs));
		seek.hash = flow4_hash(&b->table->seed, addrs, ports, scope);
	}
	return seek;
}

/*
 * Puts TCP in front of all else while it is at it: which protocol comes next cannot be predicted, and
 * every wrong guess in the third pass costs as much as half a packet. The order within a connection stays.
 */
static __rte_always_inline void burst_hash(
	struct flow_burst *b, struct stage_node *node, const bool is_ip6)
{
	struct rte_mbuf *others[LANE_SIZE];
	struct flow_seek others_seek[LANE_SIZE];
	uint32_t n_tcp = 0, n_others = 0;

	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];
		const struct pkt_meta *meta = pkt_meta(m);
		struct flow_seek seek = seek_of(b, meta, is_ip6);
		bool is_tcp = meta->proto == IPPROTO_TCP;

		rte_prefetch0(flow_bucket_of(b->table, seek.hash));
		/* Written to both, kept in one: no branch. */
		node->pkts[n_tcp] = m;
		b->seek[n_tcp] = seek;
		others[n_others] = m;
		others_seek[n_others] = seek;
		n_tcp += is_tcp;
		n_others += !is_tcp;
	}
	memcpy(&node->pkts[n_tcp], others, n_others * sizeof(others[0]));
	memcpy(&b->seek[n_tcp], others_seek, n_others * sizeof(others_seek[0]));
}

static __rte_always_inline void burst_find(
	struct flow_burst *b, const struct stage_node *node, const bool is_ip6)
{
	const size_t size = is_ip6 ? sizeof(struct flow6) : sizeof(struct flow4);

	for (uint32_t i = 0; i < node->n; i++) {
		uint64_t hash = b->seek[i].hash;
		const struct flow_bucket *bucket = flow_bucket_of(b->table, hash);
		unsigned int match = flow_bucket_match(bucket, flow_tag(hash));
		const char *entry;

		/* The first that may be it; whether it is shows when its line has come. */
		b->ref[i] = FLOW_NONE;
		if (unlikely(match == 0) || unlikely(hash == 0))
			continue;
		b->ref[i] = bucket->ref[__builtin_ctz(match) / 2];
		entry = b->table->entries + (b->ref[i] >> 1) * size;
		for (size_t line = 0; line < size; line += RTE_CACHE_LINE_SIZE)
			rte_prefetch0(entry + line);
	}
}

/* Ports and scope of an entry, as flow_seek.key has them. */
static __rte_always_inline uint64_t key_of(const void *ports, const struct flow_verdict *verdict)
{
	uint32_t have, scope;

	memcpy(&have, ports, sizeof(have));
	memcpy(&scope, verdict, sizeof(scope));
	return (uint64_t)scope << 32 | have;
}

/* Is the entry found really this packet's? */
static __rte_always_inline bool is_flow4(
	const struct flow4 *flow, unsigned int dir, const uint8_t *l3, uint64_t key)
{
	uint64_t addrs, have;

	memcpy(&addrs, l3 + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(addrs));
	memcpy(&have, &flow->tuple[dir], sizeof(have));
	return ((addrs ^ have) | (key ^ key_of(&flow->tuple[dir].sport_be, &flow->verdict))) == 0;
}

static __rte_always_inline bool is_flow6(
	const struct flow6 *flow, unsigned int dir, const uint8_t *l3, uint64_t key)
{
	return key == key_of(&flow->ports[dir], &flow->verdict) &&
	       memcmp(&flow->tuple[dir], l3 + offsetof(struct rte_ipv6_hdr, src_addr),
		       sizeof(flow->tuple[dir])) == 0;
}

/* Time to live and, if it is translated, all the rest. */
static __rte_always_inline void flow4_rewrite(
	const struct flow4 *flow, unsigned int dir, uint8_t *l3)
{
	const struct flow_tuple4 *other = &flow->tuple[!dir];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	uint16_t add = 0xfffe; /* one less in the first byte of a word */
	uint64_t addrs;
	uint32_t ports;

	ip->time_to_live--;
	if (flow->verdict.status & FLOW_NAT) {
		memcpy(&addrs, &other->src_be, sizeof(addrs));
		addrs = addrs << 32 | addrs >> 32;
		memcpy(&ip->src_addr, &addrs, sizeof(addrs));
		memcpy(&ports, &other->sport_be, sizeof(ports));
		flow_translate_ports(flow->verdict.proto, l3 + sizeof(*ip), L4_CHECKED,
			ports << 16 | ports >> 16, flow_delta_of(flow->verdict.l4_delta, dir));
		add = checksum_sum(add, flow_delta_of(flow->verdict.ip_delta, dir));
	}
	checksum_add(&ip->hdr_checksum, add);
}

static __rte_always_inline void flow6_rewrite(
	const struct flow6 *flow, unsigned int dir, uint8_t *l3)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	uint32_t ports;

	ip->hop_limits--;
	if (!(flow->verdict.status & FLOW_NAT))
		return;
	memcpy(ip->src_addr, flow->tuple[!dir].dst, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, flow->tuple[!dir].src, sizeof(ip->dst_addr));
	memcpy(&ports, &flow->ports[!dir], sizeof(ports));
	flow_translate_ports(flow->verdict.proto, l3 + sizeof(*ip), L4_CHECKED,
		ports << 16 | ports >> 16, flow_delta_of(flow->verdict.l4_delta, dir));
}

/* Is nothing about to change in the connection's state by this packet of UDP or an unknown protocol? */
static __rte_always_inline bool is_steady(const struct flow_burst *b,
	const struct flow_verdict *verdict, const struct flow_hot *hot, unsigned int dir)
{
	if (likely(verdict->status & FLOW_ASSURED))
		return true;
	if (!(verdict->status & FLOW_SEEN_REPLY))
		return dir == FLOW_ORIG;
	return (int32_t)(b->now - hot->udp_stream_at) < 0;
}

/* Lengths in the L4 header fit the packet, and the protocol's state goes on as it was. */
static __rte_always_inline bool l4_is_quick(const struct flow_burst *b, const uint8_t *l4,
	uint32_t l4_len, const struct flow_verdict *verdict, struct flow_hot *hot, unsigned int dir)
{
	if (verdict->proto == IPPROTO_TCP)
		return tcp_track_quick(&hot->tcp, (const struct rte_tcp_hdr *)l4, l4_len, dir);
	if (verdict->proto == IPPROTO_UDP) {
		uint16_t len = rte_be_to_cpu_16(((const struct rte_udp_hdr *)l4)->dgram_len);

		if (unlikely(len > l4_len) || unlikely(len < sizeof(struct rte_udp_hdr)))
			return false;
	} else if (parse_has_ports(verdict->proto) &&
		   unlikely(l4_len < sizeof(struct rte_udp_hdr))) {
		return false;
	}
	return is_steady(b, verdict, hot, dir);
}

static __rte_always_inline unsigned int flow_one(struct worker *w, struct flow_burst *b,
	struct rte_mbuf *m, struct pkt_meta *meta, const bool is_ip6)
{
	const uint64_t key = b->seek[b->i].key;
	const uint32_t ref = b->ref[b->i++];
	const unsigned int dir = ref & 1;
	const unsigned int header_len =
		is_ip6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	struct flow_verdict *verdict;
	uint8_t *l3 = meta->l3;
	struct flow_hot *hot;
	const struct adj *adj;
	uint8_t *ttl;

	if (unlikely(ref == FLOW_NONE))
		return meta->flags & PKT_FRAGMENT ? FLOW_FRAGMENT : FLOW_TRACK;
	if (is_ip6) {
		struct flow6 *flow = flow6_at(b->table, ref >> 1);

		if (unlikely(!is_flow6(flow, dir, l3, key)))
			return FLOW_TRACK;
		verdict = &flow->verdict;
		hot = &flow->hot;
		ttl = l3 + offsetof(struct rte_ipv6_hdr, hop_limits);
	} else {
		struct flow4 *flow = flow4_at(b->table, ref >> 1);

		if (unlikely(!is_flow4(flow, dir, l3, key)))
			return FLOW_TRACK;
		verdict = &flow->verdict;
		hot = &flow->hot;
		ttl = l3 + offsetof(struct rte_ipv4_hdr, time_to_live);
	}
	if (unlikely(((verdict->route_gen[dir] ^ b->route_gen) |
			     (verdict->policy_gen ^ b->policy_gen)) != 0) ||
		unlikely(verdict->status & FLOW_POLICED))
		return FLOW_TRACK;
	adj = &b->fw->adjs[verdict->adj[dir]];
	if (unlikely(*ttl <= 1) || unlikely(meta->l3_len > adj->mtu))
		return FLOW_TRACK;
	/* The rest of a first segment that is shorter may be anywhere. */
	if (unlikely(m->nb_segs != 1) &&
		m->data_len < meta->l4_off + RTE_MIN(meta->l3_len - header_len, 40u))
		return FLOW_TRACK;
	if (unlikely(!adj_rewrite_quick(meta, l3, adj)))
		return FLOW_TRACK;
	if (unlikely(
		    !l4_is_quick(b, l3 + header_len, meta->l3_len - header_len, verdict, hot, dir)))
		return FLOW_TRACK;
	hot->last_seen = b->now;
	if (unlikely(verdict->status & FLOW_DSCP))
		flow_set_dscp(m, meta, b->table->cold[ref >> 1].new_dscp);
	if (unlikely(flow_hot_count(hot, dir, meta->l3_len)))
		flow_count_high(b->table, ref, meta->l3_len);
	meta->mark = verdict->mark;
	meta->flow = ref;
	if (is_ip6)
		flow6_rewrite(flow6_at(b->table, ref >> 1), dir, l3);
	else
		flow4_rewrite(flow4_at(b->table, ref >> 1), dir, l3);
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
	struct flow_burst b;

	b.fw = flow_worker(w);
	b.table = &b.fw->table[is_ip6 ? FLOW_IP6 : FLOW_IP4];
	b.now = flow_now(b.fw);
	b.i = 0;
	/* Pair with the releases of whoever changes routes and rules. */
	b.route_gen = __atomic_load_n(b.fw->route_gen, __ATOMIC_ACQUIRE);
	b.policy_gen = __atomic_load_n(&b.fw->state->policy_gen, __ATOMIC_ACQUIRE);
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
