/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The way of most frames through a bridge: from a known station to a known station, with nothing to change. What does
 * not go this way is for bridge_stage.c, which begins anew and finds out why; so it is enough here that no frame goes
 * this way that should not. Most checks are the table's: addresses that are nobody's (groups, zero, our own) are never
 * in it, and who is found behind the member that the frame came by is no stranger.
 *
 * Frames that came by one member are gone through together, twice: first the lines of the table that their stations are
 * in are asked for, then they are read. Included by bridge_stage.c alone. Datapath.
 */
#include "bridge/bridge_priv.h"

/* What frames have in common that came by one member. */
struct bridge_way {
	const struct bridge_dp *bridge;
	const struct bridge_port *in;
	const struct fdb *fdb;
	uint16_t in_link;
	uint16_t vid; /* of frames without a tag; 0: none is taken, or VLANs are not filtered */
	bool is_filtering;
	/* The member that was sent to last, and up to which length; 0: it takes none from here. */
	uint16_t out_link;
	uint32_t out_len;
};

/* A frame between the two passes. */
struct bridge_seek {
	uint64_t src, dst;			    /* keys */
	struct fdb_bucket *src_bucket, *dst_bucket; /* src_bucket NULL: not this way */
};

/* False: nothing of that member goes the short way now. */
static inline bool bridge_way_find(
	const struct bridge_worker *bw, struct bridge_way *way, uint16_t in_link)
{
	const struct bridge_port *in = &bw->ports[in_link];
	const struct bridge_dp *bridge = __atomic_load_n(&in->bridge, __ATOMIC_ACQUIRE);

	*way = (struct bridge_way){ .bridge = bridge, .in = in, .in_link = in_link };
	if (unlikely(bridge == NULL) ||
		unlikely(!(bw->links[in_link].flags & bw->links[bridge->ifindex].flags & LINK_UP)))
		return false;
	way->fdb = bridge_fdb(bridge);
	way->is_filtering = bridge->is_filtering;
	if (way->is_filtering && bridge_vlans_have(in->vlans, in->pvid))
		way->vid = in->pvid;
	return true;
}

/* The VLAN of a frame where they are filtered. 0: it has to be looked at closely. */
static __rte_always_inline uint16_t bridge_quick_vid(
	const struct bridge_way *way, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint16_t vid;

	if (likely(!vlan_is_tag(ether->ether_type)))
		return way->vid;
	if (unlikely(m->data_len < VLAN_HEADER_LEN))
		return 0;
	vid = vlan_tci(m) & VLAN_VID_MASK;
	/* Payload; but one without an id may have a customer tag behind it. */
	if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ))
		return vid != 0 ? way->vid : 0;
	return vid != way->vid && bridge_vlans_have(way->in->vlans, vid) ? vid : 0;
}

static __rte_always_inline void bridge_seek(const struct bridge_way *way, const struct rte_mbuf *m,
	struct bridge_seek *seek, const bool is_filtering)
{
	const char *bytes = rte_pktmbuf_mtod(m, const char *);
	uint64_t dst, src;
	uint16_t vid = 0;

	seek->src_bucket = NULL;
	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return;
	if (is_filtering) {
		vid = bridge_quick_vid(way, m);
		if (unlikely(vid == 0))
			return;
	}
	memcpy(&dst, bytes, sizeof(dst));
	memcpy(&src, bytes + 4, sizeof(src));
	seek->src = fdb_key(src >> 16, vid);
	seek->dst = fdb_key(dst & LINK_MAC_MASK, vid);
	seek->src_bucket = fdb_first(way->fdb, fdb_hash(way->fdb, seek->src));
	seek->dst_bucket = fdb_first(way->fdb, fdb_hash(way->fdb, seek->dst));
	rte_prefetch0(seek->src_bucket);
	rte_prefetch0(seek->dst_bucket);
}

/* The longest frame that may go from here to that member as it is; 0: none. */
static inline uint32_t bridge_fit_len(
	const struct bridge_worker *bw, const struct bridge_way *way, uint16_t ifindex)
{
	const struct bridge_port *out = &bw->ports[ifindex];

	if (__atomic_load_n(&out->bridge, __ATOMIC_ACQUIRE) != way->bridge || out == way->in ||
		(out->flags & BRIDGE_ISOLATED))
		return 0;
	return (uint32_t)out->mtu + BRIDGE_OVERHEAD;
}

/* Does that member take the VLAN, and with a tag if and only if the frame has one? */
static __rte_always_inline bool bridge_vlan_fits(
	const struct bridge_port *out, const struct rte_mbuf *m, uint16_t vid)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	bool is_tagged = ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN);

	return bridge_vlans_have(out->vlans, vid) && (vid != out->pvid) == is_tagged;
}

/* The member that the frame leaves by; 0: not this way. */
static __rte_always_inline uint16_t bridge_quick(const struct bridge_worker *bw,
	struct bridge_way *way, const struct rte_mbuf *m, const struct bridge_seek *seek,
	uint32_t now_s, const bool is_filtering)
{
	struct fdb_value src, dst, *place, *unused;

	if (unlikely(seek->src_bucket == NULL))
		return 0;
	src = fdb_read(seek->src_bucket, seek->src, &place);
	dst = fdb_read(seek->dst_bucket, seek->dst, &unused);
	if (unlikely(dst.ifindex != way->out_link)) {
		if (dst.ifindex == 0)
			return 0;
		way->out_len = bridge_fit_len(bw, way, dst.ifindex);
		way->out_link = dst.ifindex;
	}
	if (unlikely(src.ifindex != way->in_link) || unlikely(m->pkt_len > way->out_len))
		return 0;
	if (is_filtering &&
		unlikely(!bridge_vlan_fits(&bw->ports[way->out_link], m, fdb_key_vid(seek->dst))))
		return 0;
	fdb_note_seen(place, &src, now_s);
	return way->out_link;
}
