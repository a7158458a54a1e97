/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The two ways into a bridge: `bridge` takes what its members receive, `bridge_output` what leaves by the
 * bridge itself. Both find out by whom a frame goes on: one member, as the forwarding database knows it; all
 * of them (bridge_flood.c); or the bridge's own link. Run by the worker that received the frame, or made it.
 *
 * Most frames go the short way (bridge_quick.h), in groups; the rest, one by one, through bridge_one().
 *
 * VLANs (IEEE 802.1Q 8.6): the VLAN of a frame is that of its tag, or the member's own (PVID). Tags are only
 * put on, taken off or left as they are on the way out.
 */
#include "bridge/bridge_priv.h"

#include "bridge/bridge_quick.h"
#include "dp/trace.h"

enum { BRIDGE_GROUP = 32 };

/* 01:80:c2:00:00:00 to 0f, as the first six bytes of a little-endian word. */
static bool mac_is_reserved(uint64_t mac)
{
	return (mac & UINT64_C(0xf0ffffffffff)) == UINT64_C(0x000000c28001);
}

unsigned int bridge_drop(struct worker *w, struct pkt_meta *meta, const struct bridge_frame *f,
	enum bridge_drop reason)
{
	if (f->in_link != 0)
		link_count_rx_drop(w, f->in_link);
	else
		link_count_tx_drop(w, f->bridge->ifindex);
	return pkt_drop(meta, &bridge_module, reason);
}

/* The addresses, from the first 12 bytes of a frame of at least 14. */
static __rte_always_inline void frame_read_macs(struct bridge_frame *f, const struct rte_mbuf *m)
{
	const char *bytes = rte_pktmbuf_mtod(m, const char *);
	uint64_t dst, src;

	memcpy(&dst, bytes, sizeof(dst));
	memcpy(&src, bytes + 4, sizeof(src));
	f->dst = dst & LINK_MAC_MASK;
	f->src = src >> 16;
}

/*
 * Would a customer tag count that is no VLAN's here, once what is in front of it has gone: a tag of the frame's own
 * VLAN, and service tags without an id, which say a priority only and are taken off by whom the frame reaches?
 */
static bool frame_hides_tag(const struct bridge_frame *f, struct rte_mbuf *m)
{
	uint32_t at = RTE_ETHER_HDR_LEN + (f->is_tagged ? VLAN_TAG_LEN : 0);

	for (unsigned int n = 0; n < VLAN_TAGS_MAX; n++, at += VLAN_TAG_LEN) {
		uint16_t type_be = *rte_pktmbuf_mtod_offset(m, const unaligned_uint16_t *, at - 2);

		if (type_be == RTE_BE16(RTE_ETHER_TYPE_VLAN))
			return true;
		if (type_be != RTE_BE16(RTE_ETHER_TYPE_QINQ) || !parse_has(m, at + VLAN_TAG_LEN))
			return false;
		if ((rte_be_to_cpu_16(*rte_pktmbuf_mtod_offset(m, const unaligned_uint16_t *, at)) &
			    VLAN_VID_MASK) != 0)
			return false;
	}
	return true;
}

/* Finds the VLAN. BRIDGE_N_DROPS: the member takes it. */
static __rte_noinline enum bridge_drop frame_read_vlan(
	struct bridge_frame *f, struct rte_mbuf *m, const struct bridge_port *in)
{
	f->vid = in->pvid;
	f->is_tagged = false;
	if (pkt_ether(m)->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		if (!parse_has(m, VLAN_HEADER_LEN))
			return BRIDGE_DROP_TRUNCATED;
		f->is_tagged = true;
		if ((vlan_tci(m) & VLAN_VID_MASK) != 0)
			f->vid = vlan_tci(m) & VLAN_VID_MASK;
	}
	/* On the way out that tag goes, and what a stranger wrote behind it would count. */
	if (f->vid == in->pvid && frame_hides_tag(f, m))
		return BRIDGE_DROP_DOUBLE_TAG;
	return bridge_vlans_have(in->vlans, f->vid) ? BRIDGE_N_DROPS : BRIDGE_DROP_VLAN;
}

/* What is to be known before the database is asked. */
static __rte_always_inline enum bridge_drop frame_read(struct bridge_frame *f, struct rte_mbuf *m)
{
	const struct bridge_port *in = f->in;

	if (unlikely(!parse_has(m, RTE_ETHER_HDR_LEN)))
		return BRIDGE_DROP_TRUNCATED;
	frame_read_macs(f, m);
	f->vid = 0;
	f->is_tagged = false;
	if (unlikely(f->src & MAC_GROUP_BIT) || unlikely(f->src == 0) ||
		unlikely(f->src == f->bridge->mac))
		return BRIDGE_DROP_BAD_SOURCE;
	if (unlikely(mac_is_reserved(f->dst)))
		return BRIDGE_DROP_RESERVED;
	return f->bridge->is_filtering ? frame_read_vlan(f, m, in) : BRIDGE_N_DROPS;
}

/* Takes off a tag, or puts on one with the VLAN and the priority that the frame came with. */
static __rte_noinline enum bridge_drop frame_set_tag(
	const struct bridge_frame *f, struct rte_mbuf *m, bool wants_tag)
{
	if (!pkt_writable(m))
		return BRIDGE_DROP_NO_BUFFER;
	if (f->is_tagged)
		vlan_pop(m, vlan_tci(m));
	if (wants_tag && !vlan_push(m, vlan_tag_be(RTE_ETHER_TYPE_VLAN, f->vid | vlan_priority(m))))
		return BRIDGE_DROP_NO_BUFFER;
	return BRIDGE_N_DROPS;
}

/* By one member. */
unsigned int bridge_send(struct worker *w, struct bridge_worker *bw, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct bridge_frame *f, uint16_t ifindex)
{
	const struct bridge_port *out = &bw->ports[ifindex];
	enum bridge_drop drop;

	if (unlikely(ifindex == f->in_link))
		return bridge_drop(w, meta, f, BRIDGE_DROP_SAME_PORT);
	if (f->bridge->is_filtering && !bridge_vlans_have(out->vlans, f->vid))
		return bridge_drop(w, meta, f, BRIDGE_DROP_VLAN_OUT);
	if (unlikely(out->flags & BRIDGE_ISOLATED) && f->in != NULL &&
		(f->in->flags & BRIDGE_ISOLATED))
		return bridge_drop(w, meta, f, BRIDGE_DROP_ISOLATED);
	if (unlikely(!bridge_fits(m, out)))
		return bridge_drop(w, meta, f, BRIDGE_DROP_TOO_BIG);
	if (!bridge_keeps_tag(f, m, out)) {
		drop = frame_set_tag(f, m, bridge_wants_tag(f, out));
		if (unlikely(drop != BRIDGE_N_DROPS))
			return bridge_drop(w, meta, f, drop);
	}
	meta->out_link = ifindex;
	return BRIDGE_TX;
}

/* What was sent to a member's address is for the link that it reached, as in Linux. */
static enum bridge_drop frame_set_dst(
	const struct bridge_worker *bw, struct rte_mbuf *m, uint16_t ifindex)
{
	uint64_t mac = bw->links[ifindex].match & LINK_MAC_MASK;

	if (!pkt_writable(m))
		return BRIDGE_DROP_NO_BUFFER;
	memcpy(rte_pktmbuf_mtod(m, void *), &mac, RTE_ETHER_ADDR_LEN);
	return BRIDGE_N_DROPS;
}

/* To the bridge's own link, or to that of the VLAN on it. */
unsigned int bridge_deliver(struct worker *w, struct bridge_worker *bw, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct bridge_frame *f)
{
	bool is_own_vlan = f->vid == f->bridge->pvid;
	enum bridge_drop drop;

	/* Tags say there which VLAN's link it is: all but the bridge's own come with one. */
	if (f->bridge->is_filtering && (f->is_tagged || !is_own_vlan)) {
		/* Behind the tag of the bridge's own VLAN another one would count as that of a link on it. */
		if (is_own_vlan && frame_hides_tag(f, m))
			return bridge_drop(w, meta, f, BRIDGE_DROP_DOUBLE_TAG);
		drop = frame_set_tag(f, m, !is_own_vlan);
		if (drop != BRIDGE_N_DROPS)
			return bridge_drop(w, meta, f, drop);
	}
	if (!link_enter(w, m, meta, f->bridge->ifindex))
		return STAGE_DROP;
	if (unlikely(f->dst != f->bridge->mac) && !(f->dst & MAC_GROUP_BIT)) {
		drop = frame_set_dst(bw, m, meta->in_link);
		if (drop != BRIDGE_N_DROPS)
			return bridge_drop(w, meta, f, drop);
	}
	return bw->links[meta->in_link].flags & LINK_STEERED ? BRIDGE_STEER : BRIDGE_OWN;
}

/* Is it an address of ours, in whatever VLAN? */
static bool mac_is_local(const struct bridge_dp *bridge, uint64_t mac)
{
	uint64_t key = fdb_key(mac, BRIDGE_VID_ANY);
	const struct fdb *fdb = bridge_fdb(bridge);
	struct fdb_value *place;

	return fdb_lookup(fdb, key, fdb_hash(fdb, key), &place).ifindex != 0;
}

/* Notes who has sent from where. False: it claims to be one of us. */
static bool bridge_note_source(struct worker *w, struct bridge_worker *bw,
	const struct bridge_frame *f, uint64_t hash, uint32_t now_s)
{
	uint64_t key = fdb_key(f->src, f->vid);
	struct fdb_value value, *place;

	value = fdb_lookup(bridge_fdb(f->bridge), key, hash, &place);
	if (likely(value.ifindex == f->in_link)) {
		fdb_note_seen(place, &value, now_s);
		return true;
	}
	if (value.ifindex == 0 && mac_is_local(f->bridge, f->src))
		return false;
	if ((f->in->flags & BRIDGE_LEARNING) && !(value.flags & FDB_STATIC))
		bridge_tell(w, bw, key, f->in_link);
	return true;
}

/* Where to? */
static unsigned int bridge_decide(struct worker *w, struct bridge_worker *bw,
	struct stage_node *node, struct rte_mbuf *m, struct pkt_meta *meta,
	const struct bridge_frame *f, uint64_t hash)
{
	struct fdb_value value = { 0 }, *place;

	if (f->in != NULL && unlikely(f->dst == f->bridge->mac))
		return bridge_deliver(w, bw, m, meta, f);
	if (likely(!(f->dst & MAC_GROUP_BIT)))
		value = fdb_lookup(bridge_fdb(f->bridge), fdb_key(f->dst, f->vid), hash, &place);
	/* Its member may have left since. */
	if (likely(value.ifindex != 0) && likely(bw->ports[value.ifindex].bridge == f->bridge))
		return bridge_send(w, bw, m, meta, f, value.ifindex);
	if (!(f->dst & MAC_GROUP_BIT) && f->in != NULL && mac_is_local(f->bridge, f->dst))
		return bridge_deliver(w, bw, m, meta, f);
	return bridge_flood(w, bw, node, m, f);
}

/* What members receive */

/* The bridge, and the member that the frame came by. */
static bool bridge_is_up(const struct bridge_worker *bw, const struct bridge_frame *f)
{
	return (bw->links[f->in_link].flags & bw->links[f->bridge->ifindex].flags & LINK_UP) != 0;
}

/* Any frame that came by a member; *f is what was found out. */
static __rte_noinline unsigned int bridge_one(struct worker *w, struct bridge_worker *bw,
	struct stage_node *node, struct rte_mbuf *m, struct bridge_frame *f)
{
	uint32_t now_s = __atomic_load_n(bw->now_s, __ATOMIC_RELAXED);
	struct pkt_meta *meta = pkt_meta(m);
	const struct fdb *fdb;
	enum bridge_drop drop;

	f->in_link = bw->input_link[m->port];
	f->in = &bw->ports[f->in_link];
	f->bridge = __atomic_load_n(&f->in->bridge, __ATOMIC_ACQUIRE);
	/* It has left meanwhile: what it receives is its own. */
	if (unlikely(f->bridge == NULL))
		return BRIDGE_OWN;
	meta->in_link = f->in_link;
	meta->n_injects = 0;
	drop = frame_read(f, m);
	if (unlikely(!bridge_is_up(bw, f)))
		drop = BRIDGE_DROP_DOWN;
	if (unlikely(drop != BRIDGE_N_DROPS))
		return bridge_drop(w, meta, f, drop);
	fdb = bridge_fdb(f->bridge);
	if (unlikely(!bridge_note_source(w, bw, f, fdb_hash(fdb, fdb_key(f->src, f->vid)), now_s)))
		return bridge_drop(w, meta, f, BRIDGE_DROP_BAD_SOURCE);
	return bridge_decide(w, bw, node, m, meta, f, fdb_hash(fdb, fdb_key(f->dst, f->vid)));
}

/* Frames that came by one member, of a bridge that filters VLANs or not. A flood writes into the lane of `tx`, too. */
static __rte_always_inline void bridge_way_group(struct worker *w, struct bridge_worker *bw,
	struct stage_node *node, struct bridge_way *way, struct rte_mbuf **pkts, unsigned int n,
	const bool is_filtering)
{
	uint32_t now_s = __atomic_load_n(bw->now_s, __ATOMIC_RELAXED);
	struct stage_node *tx = node->next[BRIDGE_TX];
	struct rte_mbuf **out = tx->pkts + tx->n;
	struct bridge_seek seeks[BRIDGE_GROUP];
	struct bridge_frame f;

	for (unsigned int i = 0; i < n; i++) {
		if (i + STAGE_PREFETCH < n)
			pkt_prefetch(pkts[i + STAGE_PREFETCH]);
		bridge_seek(way, pkts[i], &seeks[i], is_filtering);
	}
	for (unsigned int i = 0; i < n; i++) {
		uint16_t to = bridge_quick(bw, way, pkts[i], &seeks[i], now_s, is_filtering);

		if (likely(to != 0)) {
			pkt_meta(pkts[i])->out_link = to;
			*out++ = pkts[i];
			continue;
		}
		tx->n = (uint32_t)(out - tx->pkts);
		stage_leave(w, node, pkts[i], bridge_one(w, bw, node, pkts[i], &f));
		out = tx->pkts + tx->n;
	}
	tx->n = (uint32_t)(out - tx->pkts);
	if (tx->n > 0)
		w->pending |= UINT64_C(1) << tx->index;
}

/* Frames that came by the first one's member, up to BRIDGE_GROUP of them; how many these are. */
static unsigned int bridge_group(struct worker *w, struct bridge_worker *bw,
	struct stage_node *node, struct rte_mbuf **pkts, unsigned int n)
{
	struct bridge_frame f;
	struct bridge_way way;
	unsigned int end = 1;

	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)STAGE_PREFETCH); i++)
		pkt_prefetch(pkts[i]);
	while (end < RTE_MIN(n, (unsigned int)BRIDGE_GROUP) && pkts[end]->port == pkts[0]->port)
		end++;
	if (unlikely(!bridge_way_find(bw, &way, bw->input_link[pkts[0]->port])))
		for (unsigned int i = 0; i < end; i++)
			stage_leave(w, node, pkts[i], bridge_one(w, bw, node, pkts[i], &f));
	else if (way.is_filtering)
		bridge_way_group(w, bw, node, &way, pkts, end, true);
	else
		bridge_way_group(w, bw, node, &way, pkts, end, false);
	return end;
}

/* One frame, whose way is told. */
static unsigned int bridge_traced(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct bridge_worker *bw = worker_slot(w, &bridge_module);
	struct bridge_frame f;
	unsigned int exit;

	(void)meta;
	exit = bridge_one(w, bw, ctx, m, &f);
	if (f.bridge != NULL)
		trace_tell(w, f.bridge->ifindex, f.in_link, f.vid);
	return exit;
}

static void bridge_run(struct worker *w, struct stage_node *node)
{
	struct bridge_worker *bw = worker_slot(w, &bridge_module);

	if (unlikely(w->trace != NULL)) {
		stage_each_traced(w, node, bridge_traced, node);
		return;
	}
	for (uint32_t i = 0; i < node->n;)
		i += bridge_group(w, bw, node, node->pkts + i, node->n - i);
}

static void bridge_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct dp *dp = record->w->dp;
	const uint16_t *arg = record->extra.arg;
	int n = snprintf(buf, size, "bridge %s", link_name(dp, arg[0]));

	if (arg[2] != 0)
		n += snprintf(buf + n, size - (size_t)n, ", VLAN %u", arg[2]);
	if (record->exit == BRIDGE_TX)
		snprintf(
			buf + n, size - (size_t)n, ", to %s", link_name(dp, record->meta.out_link));
	else if (record->exit == STAGE_CONSUMED)
		snprintf(buf + n, size - (size_t)n, ", flooded");
}

const struct stage bridge_stage = {
	.name = "bridge",
	.help = "forwards what members of bridges receive, and learns from it",
	.run = bridge_run,
	.is_end = true, /* what is flooded ends here, and its clones go on */
	.exits = { [BRIDGE_TX] = { "forward", "tx" },
		[BRIDGE_OWN] = { "own", "plain" },
		[BRIDGE_STEER] = { "steer", "steer" } },
	.format = bridge_format,
};

/* What leaves by the bridge itself */

static struct bridge_frame output_frame(const struct bridge_dp *bridge, const struct rte_mbuf *m)
{
	struct bridge_frame f = { .bridge = bridge };

	frame_read_macs(&f, m);
	if (!bridge->is_filtering)
		return f;
	f.is_tagged = pkt_ether(m)->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN);
	f.vid = f.is_tagged ? vlan_tci(m) & VLAN_VID_MASK : bridge->pvid;
	return f;
}

static unsigned int output_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct stage_node *node = ctx;
	struct bridge_worker *bw = worker_slot(w, &bridge_module);
	const struct bridge_port *own = &bw->ports[meta->out_link];
	const struct bridge_dp *bridge = __atomic_load_n(&own->bridge, __ATOMIC_ACQUIRE);
	struct bridge_frame f;
	unsigned int exit;
	uint32_t len;

	if (unlikely(bridge == NULL) || !(bw->links[meta->out_link].flags & LINK_UP)) {
		link_count_tx_drop(w, meta->out_link);
		return pkt_drop(meta, &bridge_module, BRIDGE_DROP_DOWN);
	}
	f = output_frame(bridge, m);
	len = m->pkt_len; /* a flood has freed it afterwards */
	exit = bridge_decide(
		w, bw, node, m, meta, &f, fdb_hash(bridge_fdb(bridge), fdb_key(f.dst, f.vid)));
	if (likely(exit != STAGE_DROP))
		link_count_tx(w, bridge->ifindex, 1, len);
	return exit;
}

/* Not by stage_each(): a flood puts its copies into the lane of the likely exit, too. */
static void output_run(struct worker *w, struct stage_node *node)
{
	if (unlikely(w->trace != NULL)) {
		stage_each_traced(w, node, output_one, node);
		return;
	}
	for (uint32_t i = 0; i < node->n; i++) {
		struct rte_mbuf *m = node->pkts[i];

		stage_leave(w, node, m, output_one(w, node, m, pkt_meta(m)));
	}
}

static void output_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == BRIDGE_TX)
		snprintf(buf, size, "to %s", link_name(record->w->dp, record->meta.out_link));
	else if (record->exit == STAGE_CONSUMED)
		snprintf(buf, size, "flooded");
}

const struct stage bridge_output_stage = {
	.name = "bridge_output",
	.help = "finds the member for what leaves by a bridge",
	.run = output_run,
	.is_end = true,
	.exits = { [BRIDGE_TX] = { "forward", "tx_member" } },
	.format = output_format,
};
