/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * l2: finds the link that a frame belongs to, on ports that other links stand on, and takes the tags off
 * that say so. In front of all that looks at packets (steer, plain), which then find an untagged frame of
 * that link; frames of a bridge's members go to the bridge, with the tags that no link of their own takes.
 * Ports that nothing stands on do not come here. Run by the worker that polls the queue.
 *
 * Priority and DEI of the last tag stay in the mbuf (net/vlan.h).
 */
#include "dp/trace.h"
#include "link/link_priv.h"
#include "net/vlan.h"

enum { L2_OWN = 1, L2_STEER, L2_BRIDGE, L2_SLOW, L2_METER };

/* What leads to anything but plain. */
enum { L2_ASIDE = LINK_STEERED | LINK_BRIDGED | LINK_METERED };

/* 0: what a frame has that is dropped. */
static uint16_t l2_refuse(
	struct link_worker *lw, struct pkt_meta *meta, uint16_t ifindex, enum link_drop reason)
{
	*meta = (struct pkt_meta){ .in_link = ifindex, .ns = lw->table[ifindex].ns };
	(void)link_drop_received(lw, meta, reason);
	return 0;
}

/* The link of the VLAN, or 0. Without an id it is the link itself. */
static __rte_always_inline uint16_t l2_upper(
	const struct link_dp *link, uint16_t ifindex, uint16_t type_be, uint16_t vid)
{
	/* Pairs with the release in vlan.c. */
	const struct vlan_table *vlans = __atomic_load_n(&link->vlans, __ATOMIC_ACQUIRE);

	if (unlikely(vid == 0))
		return ifindex;
	return vlans == NULL ? 0
			     : __atomic_load_n(&vlans->link[vlan_tpid_index(type_be)][vid],
				       __ATOMIC_RELAXED);
}

/* A frame comes in by a link above the one that it came by before. */
static __rte_always_inline void l2_count(
	struct link_worker *lw, struct rte_mbuf *m, uint16_t ifindex)
{
	m->port = link_stacked_input(ifindex);
	lw->counters[ifindex].rx_packets++;
	lw->counters[ifindex].rx_bytes += m->pkt_len;
}

static __rte_always_inline void l2_enter(
	struct link_worker *lw, struct rte_mbuf *m, uint16_t ifindex, uint16_t tci)
{
	vlan_pop(m, tci);
	l2_count(lw, m, ifindex);
}

/*
 * The device has taken a customer tag off: the link of that VLAN. There is none: the tag is put back, for who
 * looks at it next. 0: the frame was dropped.
 */
static uint16_t l2_take_stripped(
	struct link_worker *lw, struct rte_mbuf *m, struct pkt_meta *meta, uint16_t ifindex)
{
	const struct link_dp *link = &lw->table[ifindex];
	uint16_t upper =
		l2_upper(link, ifindex, RTE_BE16(RTE_ETHER_TYPE_VLAN), m->vlan_tci & VLAN_VID_MASK);

	m->ol_flags &= ~RTE_MBUF_F_RX_VLAN_STRIPPED;
	if (unlikely(!(link->flags & LINK_UP)))
		return l2_refuse(lw, meta, ifindex, LINK_DROP_DOWN);
	if (upper == 0 &&
		(!pkt_writable(m) || !vlan_push(m, vlan_tag_be(RTE_ETHER_TYPE_VLAN, m->vlan_tci))))
		return l2_refuse(lw, meta, ifindex, LINK_DROP_VLAN_NO_ROOM);
	if (upper == 0 || upper == ifindex)
		return ifindex;
	l2_count(lw, m, upper);
	return upper;
}

/*
 * Takes tags off, one by one, going up from that link; n_tags have gone before. The link that the frame belongs to;
 * 0: it was dropped.
 */
static uint16_t l2_ascend(struct link_worker *lw, struct rte_mbuf *m, struct pkt_meta *meta,
	uint16_t ifindex, unsigned int n_tags)
{
	const struct link_dp *link = &lw->table[ifindex];
	uint16_t type_be, tci, upper;

	/* Of a frame shorter than its header there is nothing to be known: parse says so. */
	for (; parse_has(m, RTE_ETHER_HDR_LEN) && vlan_is_tag(type_be = pkt_ether(m)->ether_type);
		n_tags++) {
		if (unlikely(!(link->flags & LINK_UP)))
			return l2_refuse(lw, meta, ifindex, LINK_DROP_DOWN);
		if (unlikely(n_tags == VLAN_TAGS_MAX))
			return l2_refuse(lw, meta, ifindex, LINK_DROP_VLAN_TOO_MANY);
		if (unlikely(!parse_has(m, VLAN_HEADER_LEN)))
			return l2_refuse(lw, meta, ifindex, LINK_DROP_VLAN_TRUNCATED);
		tci = vlan_tci(m);
		upper = l2_upper(link, ifindex, type_be, tci & VLAN_VID_MASK);
		if ((link->flags & LINK_BRIDGED) && (upper == 0 || upper == ifindex))
			break;
		if (unlikely(!pkt_writable(m)))
			return l2_refuse(lw, meta, ifindex, LINK_DROP_VLAN_SHARED);
		if (unlikely(upper == 0))
			return l2_refuse(lw, meta, ifindex, LINK_DROP_VLAN_UNKNOWN);
		if (upper == ifindex) {
			vlan_pop(m, tci);
			continue;
		}
		ifindex = upper;
		link = &lw->table[ifindex];
		l2_enter(lw, m, ifindex, tci);
	}
	return ifindex;
}

static bool l2_is_slow_protocol(struct rte_mbuf *m)
{
	return parse_has(m, RTE_ETHER_HDR_LEN) &&
	       pkt_ether(m)->ether_type == RTE_BE16(RTE_ETHER_TYPE_SLOW);
}

/* The bond of a member that may receive; 0: it was dropped. */
static uint16_t l2_bond(
	struct link_worker *lw, struct rte_mbuf *m, struct pkt_meta *meta, uint16_t ifindex)
{
	const struct link_dp *link = &lw->table[ifindex];

	if (!(link->flags & LINK_UP))
		return l2_refuse(lw, meta, ifindex, LINK_DROP_DOWN);
	if (!(link->flags & LINK_COLLECTING))
		return l2_refuse(lw, meta, ifindex, LINK_DROP_BOND_INACTIVE);
	l2_count(lw, m, link->master);
	return link->master;
}

/* Any frame. */
static __rte_noinline unsigned int l2_slow(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct link_worker *lw = ctx;
	uint16_t ifindex = lw->input_link[m->port], flags = lw->table[ifindex].flags;
	unsigned int n_tags = 0;

	if ((flags & LINK_BONDED) && l2_is_slow_protocol(m)) {
		*meta = (struct pkt_meta){ .in_link = ifindex, .ns = lw->table[ifindex].ns };
		return L2_SLOW;
	}
	if (flags & LINK_BONDED) {
		ifindex = l2_bond(lw, m, meta, ifindex);
		if (ifindex == 0)
			return STAGE_DROP;
	}
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		ifindex = l2_take_stripped(lw, m, meta, ifindex);
		n_tags = 1;
	}
	if (ifindex != 0)
		ifindex = l2_ascend(lw, m, meta, ifindex, n_tags);
	if (unlikely(ifindex == 0))
		return STAGE_DROP;
	flags = lw->table[ifindex].flags;
	trace_tell(w, ifindex, 0, 0);
	if (flags & LINK_METERED)
		return L2_METER;
	if (flags & LINK_BRIDGED)
		return L2_BRIDGE;
	return unlikely(flags & LINK_STEERED) ? L2_STEER : L2_OWN;
}

bool link_has_vlan(const struct worker *w, uint16_t ifindex, uint16_t vid)
{
	const struct link_worker *lw = worker_slot(w, &link_module);

	return vid != 0 &&
	       l2_upper(&lw->table[ifindex], ifindex, RTE_BE16(RTE_ETHER_TYPE_VLAN), vid) != 0;
}

bool link_enter(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta, uint16_t ifindex)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	m->port = link_stacked_input(ifindex);
	lw->counters[ifindex].rx_packets++;
	lw->counters[ifindex].rx_bytes += m->pkt_len;
	meta->in_link = l2_ascend(lw, m, meta, ifindex, 0);
	return meta->in_link != 0;
}

/* What the frames of one port have in common; a burst is mostly from one. */
struct l2_port {
	struct link_worker *lw;
	const struct link_dp *table;
	const uint16_t *upper; /* links by customer VLAN */
	uint16_t port;
	uint16_t bond; /* ifindex of the bond that it is an active member of; 0: none */
	bool is_own;   /* what has no tag goes to plain */
	/* The link above that the last frames came in by, and how many: frames of one link come together. */
	uint16_t upper_link;
	uint32_t n;
	uint64_t n_bytes;
};

/* For ports that are down, or that nothing stands on any more. */
static const uint16_t l2_no_upper[VLAN_IDS];

static __rte_always_inline void l2_set_port(struct l2_port *p, uint16_t port)
{
	const struct link_dp *link = &p->lw->table[p->lw->input_link[port]];
	const uint16_t active = LINK_BONDED | LINK_COLLECTING | LINK_UP;
	const struct vlan_table *vlans;

	p->port = port;
	p->bond = (link->flags & active) == active ? link->master : 0;
	if (p->bond != 0)
		link = &p->lw->table[p->bond];
	/* Pairs with the release in vlan.c. */
	vlans = __atomic_load_n(&link->vlans, __ATOMIC_ACQUIRE);
	p->upper = link->flags & LINK_UP && vlans != NULL ? vlans->link[0] : l2_no_upper;
	p->is_own = (link->flags & (L2_ASIDE | LINK_BONDED)) == 0;
}

static __rte_always_inline void l2_flush(struct l2_port *p)
{
	struct link_counters *counters = &p->lw->counters[p->upper_link];

	counters->rx_packets += p->n;
	counters->rx_bytes += p->n_bytes;
	p->n = 0;
	p->n_bytes = 0;
}

/* The frame comes in by that link above, if it leads to plain. */
static __rte_always_inline bool l2_ascend_to(
	struct l2_port *p, struct rte_mbuf *m, uint16_t ifindex)
{
	if (unlikely(ifindex != p->upper_link)) {
		if (p->table[ifindex].flags & L2_ASIDE)
			return false;
		l2_flush(p);
		p->upper_link = ifindex;
	}
	p->n++;
	m->port = link_stacked_input(ifindex);
	return true;
}

/* The device has taken the tag off. False: there is more to find out. */
static __rte_always_inline bool l2_stripped(struct l2_port *p, struct rte_mbuf *m)
{
	uint16_t ifindex =
		__atomic_load_n(&p->upper[m->vlan_tci & VLAN_VID_MASK], __ATOMIC_RELAXED);

	if (unlikely(ifindex == 0) || unlikely(p->bond != 0) ||
		unlikely(vlan_is_tag(pkt_ether(m)->ether_type)) ||
		unlikely(!l2_ascend_to(p, m, ifindex)))
		return false;
	m->ol_flags &= ~RTE_MBUF_F_RX_VLAN_STRIPPED;
	p->n_bytes += m->pkt_len;
	return true;
}

/* An untagged frame, or one with one customer tag of a VLAN that is there, which takes it off. False: neither. */
static __rte_always_inline bool l2_quick(struct l2_port *p, struct rte_mbuf *m)
{
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(pkt_ether(m) + 1);
	uint16_t tci, ifindex;

	if (unlikely(m->port != p->port))
		l2_set_port(p, m->port);
	/* A type beyond the first segment cannot be read here. */
	if (unlikely(m->data_len < VLAN_HEADER_LEN))
		return false;
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		return l2_stripped(p, m);
	if (unlikely(!vlan_is_tag(pkt_ether(m)->ether_type))) {
		if (p->bond == 0)
			return p->is_own;
		if (unlikely(!p->is_own) ||
			unlikely(pkt_ether(m)->ether_type == RTE_BE16(RTE_ETHER_TYPE_SLOW)))
			return false;
		if (!l2_ascend_to(p, m, p->bond))
			return false;
		p->n_bytes += m->pkt_len;
		return true;
	}
	tci = rte_be_to_cpu_16(tag->vlan_tci);
	if (unlikely(pkt_ether(m)->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN)) ||
		unlikely(vlan_is_tag(tag->eth_proto)) || unlikely(!pkt_writable(m)))
		return false;
	ifindex = __atomic_load_n(&p->upper[tci & VLAN_VID_MASK], __ATOMIC_RELAXED);
	if (unlikely(ifindex == 0))
		return false;
	if (unlikely(!l2_ascend_to(p, m, ifindex)))
		return false;
	if (p->bond != 0) {
		p->lw->counters[p->bond].rx_packets++;
		p->lw->counters[p->bond].rx_bytes += m->pkt_len;
	}
	vlan_pop(m, tci);
	p->n_bytes += m->pkt_len;
	return true;
}

/*
 * A loop of its own, as stage_each_first() has it: what is known of the port and link stays in registers, since
 * nobody else knows where it is.
 */
static void l2_run(struct worker *w, struct stage_node *node)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	struct stage_node *own = node->next[L2_OWN];
	struct rte_mbuf **out = own->pkts + own->n;
	struct l2_port p = { .lw = lw, .table = lw->table };
	uint32_t n = node->n;

	if (unlikely(w->trace != NULL)) {
		/* The short way has nothing to tell. */
		stage_each_traced(w, node, l2_slow, lw);
		return;
	}
	l2_set_port(&p, node->pkts[0]->port);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = node->pkts[i];

		if (i + STAGE_PREFETCH < n)
			pkt_prefetch(node->pkts[i + STAGE_PREFETCH]);
		if (likely(l2_quick(&p, m))) {
			*out++ = m;
			continue;
		}
		own->n = (uint32_t)(out - own->pkts);
		stage_leave(w, node, m, l2_slow(w, lw, m, pkt_meta(m)));
		out = own->pkts + own->n;
	}
	l2_flush(&p);
	own->n = (uint32_t)(out - own->pkts);
	if (own->n > 0)
		w->pending |= UINT64_C(1) << own->index;
}

static void l2_format(const struct trace_record *record, char *buf, size_t size)
{
	if (record->exit == L2_SLOW)
		snprintf(buf, size, "link %s, a Slow Protocol",
			link_name(record->w->dp, record->meta.in_link));
	else if (record->exit != STAGE_DROP)
		snprintf(buf, size, "link %s", link_name(record->w->dp, record->extra.arg[0]));
}

const struct stage l2_stage = {
	.name = "l2",
	.help = "finds the link of a frame by its VLAN tags and takes them off",
	.run = l2_run,
	.exits = { [L2_OWN] = { "own", "plain" },
		[L2_STEER] = { "steer", "steer" },
		[L2_BRIDGE] = { "bridged", "bridge" },
		[L2_SLOW] = { "slow", "lacp_input" },
		[L2_METER] = { "policed", "meter" } },
	.format = l2_format,
};
