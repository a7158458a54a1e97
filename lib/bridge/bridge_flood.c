/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames for more than one: to groups, to all, and to stations that nobody knows. Every member that is to have
 * the frame gets a clone, which shares its bytes; where the tag has to be another one, the clone has a header
 * of its own. The bridge itself gets a copy, since what looks at it may write. Run by the worker that has the
 * frame.
 *
 * First it is found out who is to have it, then whether there is room for all in this pass, of which one bridge has
 * half at most. A storm of frames that go round in a loop ends there, by name, and leaves others theirs.
 */
#include "bridge/bridge_priv.h"

#include "dp/clone.h"

/* Who is to have a frame. */
struct bridge_targets {
	unsigned int n;
	bool is_ours; /* the bridge's own link, too */
	uint16_t ifindex[LINK_MAX];
};

static bool flood_reaches(const struct bridge_worker *bw, const struct bridge_frame *f,
	uint16_t ifindex, const struct rte_mbuf *m)
{
	const struct bridge_port *out = &bw->ports[ifindex];
	bool is_group = (f->dst & MAC_GROUP_BIT) != 0;

	if (ifindex == f->in_link || out->bridge != f->bridge)
		return false;
	if (!(bw->links[ifindex].flags & LINK_UP))
		return false;
	if (f->bridge->is_filtering && !bridge_vlans_have(out->vlans, f->vid))
		return false;
	if (!is_group && !(out->flags & BRIDGE_FLOOD))
		return false;
	if (f->in != NULL && (out->flags & f->in->flags & BRIDGE_ISOLATED))
		return false;
	return bridge_fits(m, out);
}

/* Groups reach the bridge's own link, if it has one in that VLAN. */
static bool flood_is_ours(
	struct worker *w, const struct bridge_worker *bw, const struct bridge_frame *f)
{
	const struct link_dp *link = &bw->links[f->bridge->ifindex];

	if (f->in == NULL || !(f->dst & MAC_GROUP_BIT) || !(link->flags & LINK_UP))
		return false;
	return !f->bridge->is_filtering || f->vid == f->bridge->pvid ||
	       link_has_vlan(w, f->bridge->ifindex, f->vid);
}

static void flood_find(struct worker *w, const struct bridge_worker *bw,
	const struct bridge_frame *f, const struct rte_mbuf *m, struct bridge_targets *targets)
{
	/* Pairs with the release in bridge.c. */
	const struct bridge_members *members =
		__atomic_load_n(&f->bridge->members, __ATOMIC_ACQUIRE);

	targets->n = 0;
	targets->is_ours = flood_is_ours(w, bw, f);
	for (unsigned int i = 0; i < members->n; i++)
		if (flood_reaches(bw, f, members->ifindex[i], m))
			targets->ifindex[targets->n++] = members->ifindex[i];
}

/* A clone with the Ethernet header as the member has it; links above others put tags of their own on that. */
static struct rte_mbuf *flood_clone_header(
	struct worker *w, struct rte_mbuf *m, const struct bridge_frame *f, bool wants_tag)
{
	uint16_t n_cut = (uint16_t)(2 * RTE_ETHER_ADDR_LEN + (f->is_tagged ? VLAN_TAG_LEN : 0));
	uint16_t priority = f->is_tagged ? vlan_tci(m) & VLAN_PRIORITY_MASK : vlan_priority(m);
	uint16_t header_len = 2 * RTE_ETHER_ADDR_LEN;
	uint8_t header[2 * RTE_ETHER_ADDR_LEN + VLAN_TAG_LEN];
	uint32_t tag_be = vlan_tag_be(RTE_ETHER_TYPE_VLAN, f->vid | priority);
	struct rte_mbuf *clone;

	memcpy(header, rte_pktmbuf_mtod(m, const void *), 2 * RTE_ETHER_ADDR_LEN);
	if (wants_tag) {
		memcpy(header + header_len, &tag_be, sizeof(tag_be));
		header_len += VLAN_TAG_LEN;
	}
	clone = pkt_clone_with_header(w, m, n_cut, header, header_len);
	if (clone != NULL && priority != 0) {
		clone->vlan_tci = priority;
		clone->ol_flags |= RTE_MBUF_F_RX_VLAN;
	}
	return clone;
}

static struct rte_mbuf *flood_clone(struct worker *w, const struct bridge_worker *bw,
	struct rte_mbuf *m, const struct bridge_frame *f, uint16_t ifindex)
{
	const struct bridge_port *out = &bw->ports[ifindex];

	/* What has tags put on by `tx` needs bytes that it may write. */
	if (bridge_keeps_tag(f, m, out) && !(bw->links[ifindex].flags & LINK_STACKED))
		return pkt_clone(w, m);
	return flood_clone_header(w, m, f, bridge_wants_tag(f, out));
}

static bool flood_to(struct worker *w, const struct bridge_worker *bw, struct stage_node *node,
	struct rte_mbuf *m, const struct bridge_frame *f, uint16_t ifindex)
{
	struct rte_mbuf *clone = flood_clone(w, bw, m, f, ifindex);

	if (clone == NULL)
		return false;
	pkt_meta(clone)->out_link = ifindex;
	stage_leave(w, node, clone, BRIDGE_TX);
	return true;
}

/* A copy of our own, which goes the way of what we receive. */
static bool flood_to_us(struct worker *w, struct bridge_worker *bw, struct stage_node *node,
	struct rte_mbuf *m, const struct bridge_frame *f)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);

	if (copy == NULL)
		return false;
	w->stats.cloned++;
	*pkt_meta(copy) = *pkt_meta(m);
	stage_leave(w, node, copy, bridge_deliver(w, bw, copy, pkt_meta(copy), f));
	return true;
}

/* All that are to have it. The exit of the frame itself. */
static unsigned int flood_all(struct worker *w, struct bridge_worker *bw, struct stage_node *node,
	struct rte_mbuf *m, const struct bridge_frame *f, const struct bridge_targets *targets)
{
	bool is_done = !targets->is_ours || flood_to_us(w, bw, node, m, f);

	for (unsigned int i = 0; i < targets->n && is_done; i++)
		is_done = flood_to(w, bw, node, m, f, targets->ifindex[i]);
	if (!is_done)
		return bridge_drop(w, pkt_meta(m), f, BRIDGE_DROP_NO_BUFFER);
	rte_pktmbuf_free(m);
	w->stats.consumed++;
	return STAGE_CONSUMED;
}

/* Takes room for so many copies. False: there is not enough left. */
static bool flood_reserve(
	struct worker *w, struct bridge_worker *bw, const struct bridge_dp *bridge, uint32_t n)
{
	const uint32_t share = (LANE_ROOM - LANE_SIZE) / 2;
	struct bridge_flooded *flooded = &bw->flooded[bridge->ifindex];

	if (flooded->pass != w->n_passes)
		*flooded = (struct bridge_flooded){ .pass = w->n_passes };
	if (flooded->n + n > share || n > w->spare)
		return false;
	flooded->n += n;
	w->spare -= n;
	return true;
}

unsigned int bridge_flood(struct worker *w, struct bridge_worker *bw, struct stage_node *node,
	struct rte_mbuf *m, const struct bridge_frame *f)
{
	struct pkt_meta *meta = pkt_meta(m);
	struct bridge_targets targets;

	flood_find(w, bw, f, m, &targets);
	if (targets.n == 0)
		return targets.is_ours ? bridge_deliver(w, bw, m, meta, f)
				       : bridge_drop(w, meta, f, BRIDGE_DROP_NOBODY);
	/* Of two members, the other one: the frame itself goes there. */
	if (targets.n == 1 && !targets.is_ours)
		return bridge_send(w, bw, m, meta, f, targets.ifindex[0]);
	if (unlikely(!flood_reserve(w, bw, f->bridge, targets.n)))
		return bridge_drop(w, meta, f, BRIDGE_DROP_FLOOD_FULL);
	return flood_all(w, bw, node, m, f, &targets);
}
