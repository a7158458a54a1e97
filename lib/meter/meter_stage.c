/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * meter_port and meter: hold what links receive to the rates of their policers. The one is where
 * frames of a policed port come before anything else; the other one, behind `l2`, is for links that
 * are no ports. Both do the same: frames of one link that came together meet its policers together.
 * When all of them are green, which is the usual case, that is one step on the shared bucket; else
 * it is asked for each frame. Run by the worker that received them, in front of `steer`: what is
 * dropped is never handed over.
 *
 * Nothing but a rate's own bucket is shared, and a frame that is refused writes nothing to it.
 * Links without a policer do not come here.
 */
#include "dp/trace.h"
#include "meter/meter_priv.h"
#include "net/dscp.h"
#include "net/parse.h"

/* DSCP */

enum { REMARK_TAGS_MAX = 2 };

/*
 * What is behind the tags of a frame, of which nothing has been checked yet: the EtherType there.
 * 0: it cannot be told.
 */
static uint16_t remark_find_l3(struct rte_mbuf *m, uint32_t *off)
{
	uint16_t type_be;

	*off = RTE_ETHER_HDR_LEN;
	for (unsigned int i = 0; i <= REMARK_TAGS_MAX; i++, *off += VLAN_TAG_LEN) {
		if (!parse_has(m, *off))
			return 0;
		type_be = *rte_pktmbuf_mtod_offset(m, unaligned_uint16_t *, *off - sizeof(type_be));
		if (!vlan_is_tag(type_be))
			return type_be;
	}
	return 0;
}

/* Writes the DSCP, if it is IP and the bytes are ours. */
static void remark(struct rte_mbuf *m, uint8_t dscp)
{
	struct rte_ipv4_hdr *ip4;
	struct rte_ipv6_hdr *ip6;
	uint16_t type_be;
	uint32_t off;

	if (!pkt_writable(m))
		return;
	type_be = remark_find_l3(m, &off);
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4) && parse_has(m, off + sizeof(*ip4))) {
		ip4 = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, off);
		if (ip4->version_ihl >> 4 == 4)
			ip4_set_dscp(ip4, dscp);
	} else if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6) && parse_has(m, off + sizeof(*ip6))) {
		ip6 = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, off);
		if (rte_be_to_cpu_32(ip6->vtc_flow) >> 28 == 6)
			ip6_set_dscp(ip6, dscp);
	}
}

/* Policing */

static const struct meter_way *meter_find_way(const struct meter_worker *mw, uint16_t ifindex)
{
	/* Pairs with the release in meter.c. */
	return __atomic_load_n(&mw->ways[ifindex], __ATOMIC_ACQUIRE);
}

/* Does what becomes of a frame of that colour. False: it is to be dropped. */
static bool meter_act(struct worker *w, struct meter_counters *c, const struct policer *policer,
	struct rte_mbuf *m, enum color color, uint32_t n_bytes)
{
	struct pkt_meta *meta = pkt_meta(m);

	c->color[color].packets++;
	c->color[color].bytes += n_bytes;
	if (policer->action[color] == METER_DSCP)
		remark(m, policer->dscp[color]);
	if (likely(policer->action[color] != METER_DROP))
		return true;
	c->dropped++;
	link_count_rx_drop(w, policer->ifindex);
	*meta = (struct pkt_meta){ .in_link = policer->ifindex };
	(void)pkt_drop(
		meta, &meter_module, color == COLOR_RED ? METER_DROP_RED : METER_DROP_YELLOW);
	return false;
}

static __rte_noinline unsigned int meter_each(struct worker *w, struct stage_node *node,
	struct meter_counters *c, const struct meter_step *step, struct rte_mbuf **pkts,
	unsigned int n)
{
	struct policer *policer = step->policer;
	unsigned int n_left = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t n_bytes = pkts[i]->pkt_len + step->n_tag_bytes;
		enum color color = meter_color(
			&policer->buckets, &policer->profile, &c->owed, w->now, n_bytes);

		if (likely(meter_act(w, c, policer, pkts[i], color, n_bytes)))
			pkts[n_left++] = pkts[i];
		else
			stage_leave(w, node, pkts[i], STAGE_DROP);
	}
	return n_left;
}

/* Frames that meet one policer: returns how many go on, which are the first ones of pkts then. */
static inline unsigned int meter_step(struct worker *w, struct stage_node *node,
	struct meter_worker *mw, const struct meter_step *step, struct rte_mbuf **pkts,
	unsigned int n)
{
	struct policer *policer = step->policer;
	struct meter_counters *c = &mw->counters[policer->ifindex];
	uint64_t n_bytes = (uint64_t)n * step->n_tag_bytes;

	for (unsigned int i = 0; i < n; i++)
		n_bytes += pkts[i]->pkt_len;
	if (unlikely(!meter_all_green(
		    &policer->buckets, &policer->profile, &c->owed, w->now, n_bytes)))
		return meter_each(w, node, c, step, pkts, n);
	c->color[COLOR_GREEN].packets += n;
	c->color[COLOR_GREEN].bytes += n_bytes;
	return n;
}

/*
 * Where frames of that link go on to: one that is just going, or has just come, to the usual way.
 */
static inline unsigned int meter_exit(
	const struct meter_worker *mw, const struct stage_node *node, uint16_t ifindex)
{
	unsigned int way = __atomic_load_n(&mw->links[ifindex].way, __ATOMIC_RELAXED);

	return way != STAGE_DROP && node->next[way] != NULL ? way : LINK_WAY_PLAIN;
}

/* Frames of one link. */
static inline void meter_group(
	struct worker *w, struct stage_node *node, struct rte_mbuf **pkts, unsigned int n)
{
	struct meter_worker *mw = worker_slot(w, &meter_module);
	uint16_t ifindex = mw->input_link[pkts[0]->port];
	const struct meter_way *way = meter_find_way(mw, ifindex);
	struct stage_node *next = node->next[meter_exit(mw, node, ifindex)];

	/* It has just been taken away. */
	for (unsigned int i = 0; likely(way != NULL) && i < way->n && n > 0; i++)
		n = meter_step(w, node, mw, &way->step[i], pkts, n);
	for (unsigned int i = 0; i < n; i++)
		stage_push(&w->pending, next, pkts[i]);
}

/* The same for one frame, of which the trace is told what it met last. */
static unsigned int meter_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct meter_worker *mw = worker_slot(w, &meter_module);
	uint16_t ifindex = mw->input_link[m->port];
	const struct meter_way *way = meter_find_way(mw, ifindex);

	for (unsigned int i = 0; way != NULL && i < way->n; i++) {
		struct policer *policer = way->step[i].policer;
		struct meter_counters *c = &mw->counters[policer->ifindex];
		uint32_t n_bytes = m->pkt_len + way->step[i].n_tag_bytes;
		enum color color = meter_color(
			&policer->buckets, &policer->profile, &c->owed, w->now, n_bytes);

		trace_tell(w, policer->ifindex, (uint16_t)color, policer->action[color]);
		if (!meter_act(w, c, policer, m, color, n_bytes))
			return STAGE_DROP;
	}
	return meter_exit(mw, ctx, ifindex);
}

static void meter_run(struct worker *w, struct stage_node *node)
{
	unsigned int n = node->n, n_group;

	if (unlikely(w->trace != NULL)) {
		stage_each_traced(w, node, meter_one, node);
		return;
	}
	for (unsigned int i = 0; i < n; i += n_group) {
		n_group = 1;
		while (i + n_group < n && node->pkts[i + n_group]->port == node->pkts[i]->port)
			n_group++;
		meter_group(w, node, node->pkts + i, n_group);
	}
}

static void meter_format(const struct trace_record *record, char *buf, size_t size)
{
	static const char *const colors[] = {
		[COLOR_GREEN] = "green",
		[COLOR_YELLOW] = "yellow",
		[COLOR_RED] = "red",
	};
	const uint16_t *arg = record->extra.arg;

	if (arg[0] == 0)
		snprintf(buf, size, "no policer any more");
	else if (record->exit == STAGE_DROP)
		snprintf(buf, size, "link %s", link_name(record->w->dp, arg[0]));
	else
		snprintf(buf, size, "%s for the policer of %s%s", colors[arg[1]],
			link_name(record->w->dp, arg[0]),
			arg[2] == METER_DSCP ? ", gets another DSCP" : "");
}

const struct stage meter_port_stage = {
	.name = "meter_port",
	.help = "holds what policed ports receive to their rates",
	.run = meter_run,
	.exits = { [LINK_WAY_PLAIN] = { "frames", "plain" },
		[LINK_WAY_STEER] = { "steer", "steer" },
		[LINK_WAY_BRIDGE] = { "bridged", "bridge" },
		[LINK_WAY_L2] = { "stacked", "l2" } },
	.format = meter_format,
};

const struct stage meter_stage = {
	.name = "meter",
	.help = "holds what policed VLANs and bonds receive to their rates",
	.run = meter_run,
	.exits = { [LINK_WAY_PLAIN] = { "own", "plain" },
		[LINK_WAY_STEER] = { "steer", "steer" },
		[LINK_WAY_BRIDGE] = { "bridged", "bridge" } },
	.format = meter_format,
};
