/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * tx: the end of the pipeline. Packets go down from the link that they leave by, step by step, to a port: a tag for
 * each VLAN, a member for each bond; a bridge has a stage of its own for that (lib/bridge), and `tx_member` sends
 * what that has decided. Packets of one link go down together. Run by the owning worker, which alone writes the
 * counters; the table of links is the control thread's.
 *
 * A worker without a transmit queue of its own on a port hands packets to the worker that owns one.
 *
 * Links that are shaped have a qdisc (lib/qos): packets go there on their way down, and those that come out of it
 * go on by link_send() or, by links that stand on others, through `tx_queued`.
 */
#include "dp/trace.h"
#include "link/bond.h"
#include "link/link_priv.h"
#include "net/vlan.h"

enum {
	TX_SHAPED = 1,
	TX_BRIDGE,
	TX_TX = 1,  /* of tx_queued, in place of TX_SHAPED */
	TX_RUN = 8, /* packets of one link that are worth a burst of their own */
};

static void tx_drop(struct worker *w, struct stage_node *node, struct rte_mbuf *m, uint16_t link,
	unsigned int reason)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->counters[link].tx_dropped++;
	stage_leave(w, node, m, pkt_drop(pkt_meta(m), &link_module, reason));
}

static void tx_drop_all(struct worker *w, struct stage_node *node, struct rte_mbuf **pkts,
	unsigned int n, uint16_t link, unsigned int reason)
{
	for (unsigned int i = 0; i < n; i++)
		tx_drop(w, node, pkts[i], link, reason);
}

/*
 * Sends by a port's queue of this worker and counts what went. The driver may free packets: n_bytes, their lengths, was
 * summed before. How many it took, the first ones.
 */
static inline unsigned int tx_burst(struct worker *w, struct link_worker *lw, uint16_t ifindex,
	struct rte_mbuf **pkts, unsigned int n, uint64_t n_bytes)
{
	uint16_t port = lw->table[ifindex].port;
	struct link_counters *counters = &lw->counters[ifindex];
	unsigned int sent = rte_eth_tx_burst(port, lw->tx[port].queue, pkts, (uint16_t)n);

	for (unsigned int i = sent; unlikely(i < n); i++)
		n_bytes -= pkts[i]->pkt_len;
	counters->tx_packets += sent;
	counters->tx_bytes += n_bytes;
	w->stats.tx += sent;
	return sent;
}

/*
 * Sends packets that all leave by the same link, with n_bytes in all.
 */
static void tx_send(struct worker *w, struct stage_node *node, struct link_worker *lw,
	uint16_t ifindex, struct rte_mbuf **pkts, unsigned int n, uint64_t n_bytes)
{
	const struct link_dp *link = &lw->table[ifindex];
	const struct link_tx *tx = &lw->tx[link->port];
	unsigned int sent;

	if (unlikely(!(link->flags & LINK_UP))) {
		tx_drop_all(w, node, pkts, n, ifindex, LINK_DROP_DOWN);
		return;
	}
	if (unlikely(tx->queue == LINK_NO_QUEUE)) {
		/* They may still have the link above, whose way down they have gone. */
		for (unsigned int i = 0; i < n; i++)
			pkt_meta(pkts[i])->out_link = ifindex;
		worker_hand_over(w->dp->workers[tx->owner], w, lw->tx_stage, pkts, n);
		return;
	}
	sent = tx_burst(w, lw, ifindex, pkts, n, n_bytes);
	tx_drop_all(w, node, pkts + sent, n - sent, ifindex, LINK_DROP_TX_FULL);
}

/*
 * Puts a link's tag on, or lets the device of the port below do it (has_hardware). The link below; 0: the packet
 * was dropped.
 */
static __rte_always_inline uint16_t tx_tag(struct worker *w, struct stage_node *node,
	const struct link_dp *link, struct rte_mbuf *m, uint16_t ifindex, bool has_hardware)
{
	uint16_t tci = link->vid | vlan_priority(m);

	/* The outermost tag is the last one; behind it there is only the port. */
	if (has_hardware) {
		m->vlan_tci = tci;
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		pkt_meta(m)->out_link = link->lower;
		return link->lower;
	}
	/* A bridge sends what it has received as it is: others may read those bytes, too. */
	if (unlikely(!pkt_writable(m))) {
		tx_drop(w, node, m, ifindex, LINK_DROP_VLAN_SHARED);
		return 0;
	}
	if (unlikely(!vlan_push(m, vlan_tag_be(link->tpid, tci)))) {
		tx_drop(w, node, m, ifindex, LINK_DROP_VLAN_NO_ROOM);
		return 0;
	}
	pkt_meta(m)->out_link = link->lower;
	return link->lower;
}

/* Does the link below put customer tags on by itself? */
static bool tx_has_hardware(const struct link_worker *lw, const struct link_dp *link)
{
	return (lw->table[link->lower].flags & LINK_INSERTS) && link->tpid == RTE_ETHER_TYPE_VLAN;
}

/* To the qdisc of that link. */
static void tx_shape(struct worker *w, struct stage_node *node, struct rte_mbuf **pkts, uint32_t n,
	uint16_t ifindex)
{
	const struct link_worker *lw = worker_slot(w, &link_module);
	bool is_up = lw->table[ifindex].flags & LINK_UP;

	if (unlikely(!is_up) || unlikely(node->next[TX_SHAPED] == NULL)) {
		tx_drop_all(w, node, pkts, n, ifindex, LINK_DROP_DOWN);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		pkt_meta(pkts[i])->out_link = ifindex;
		stage_leave(w, node, pkts[i], TX_SHAPED);
	}
}

/* By a port that may be shaped. */
static inline void tx_send_port(struct worker *w, struct stage_node *node, struct link_worker *lw,
	uint16_t ifindex, struct rte_mbuf **pkts, uint32_t n, uint64_t n_bytes)
{
	if (unlikely(lw->table[ifindex].flags & LINK_SHAPED))
		tx_shape(w, node, pkts, n, ifindex);
	else
		tx_send(w, node, lw, ifindex, pkts, n, n_bytes);
}

/* A bridge finds out by whom to send; what it sends on stands on no bridge. */
static void tx_bridge(
	struct worker *w, struct stage_node *node, struct rte_mbuf *m, uint16_t ifindex)
{
	if (unlikely(node->next[TX_BRIDGE] == NULL))
		tx_drop(w, node, m, ifindex, LINK_DROP_DOWN);
	else
		stage_leave(w, node, m, TX_BRIDGE);
}

/* The member of a bond; 0: the packet was dropped. */
static uint16_t tx_member(struct worker *w, struct stage_node *node, struct link_worker *lw,
	struct rte_mbuf *m, uint16_t ifindex)
{
	/* Pairs with the release in link_publish(). */
	const struct bond_dp *bond = __atomic_load_n(&lw->table[ifindex].bond, __ATOMIC_ACQUIRE);

	if (unlikely(bond == NULL) || unlikely(bond->n == 0)) {
		tx_drop(w, node, m, ifindex, LINK_DROP_BOND_NO_MEMBER);
		return 0;
	}
	ifindex = bond->member[bond_choose(bond, &lw->bond_next, m)];
	pkt_meta(m)->out_link = ifindex;
	return ifindex;
}

static uint64_t tx_count_bytes(struct rte_mbuf *const *pkts, unsigned int n)
{
	uint64_t n_bytes = 0;

	for (unsigned int i = 0; i < n; i++) {
		n_bytes += pkts[i]->pkt_len;
		/* One after the other: to gather a few lengths as a vector takes longer. */
		__asm__ volatile("" : "+r"(n_bytes));
	}
	return n_bytes;
}

/* All packets leave by the same bond: they are dealt out to its members. */
static void tx_send_bond(struct worker *w, struct stage_node *node, struct link_worker *lw,
	uint16_t ifindex, struct rte_mbuf **pkts, unsigned int n, uint64_t n_bytes)
{
	const struct bond_dp *bond = __atomic_load_n(&lw->table[ifindex].bond, __ATOMIC_ACQUIRE);
	struct link_counters *counters = &lw->counters[ifindex];
	struct rte_mbuf **end[BOND_MEMBERS_MAX];

	if (unlikely(bond == NULL) || unlikely(bond->n == 0)) {
		tx_drop_all(w, node, pkts, n, ifindex, LINK_DROP_BOND_NO_MEMBER);
		return;
	}
	counters->tx_packets += n;
	counters->tx_bytes += n_bytes;
	if (bond->n == 1) {
		tx_send_port(w, node, lw, bond->member[0], pkts, n, n_bytes);
		return;
	}
	for (unsigned int k = 0; k < bond->n; k++)
		end[k] = lw->tx[lw->table[bond->member[k]].port].pkts;
	bond_deal(bond, &lw->bond_next, pkts, n, end);
	for (unsigned int k = 0; k < bond->n; k++) {
		struct rte_mbuf **begin = lw->tx[lw->table[bond->member[k]].port].pkts;
		unsigned int n_here = (unsigned int)(end[k] - begin);
		/* The last ones have what is left. */
		uint64_t bytes = n_here == n ? n_bytes : tx_count_bytes(begin, n_here);

		n -= n_here;
		n_bytes -= bytes;
		if (n_here > 0)
			tx_send_port(w, node, lw, bond->member[k], begin, n_here, bytes);
	}
}

/*
 * Goes down from a link to its port, a tag at each step. The port's link; 0: the packet was dropped. Is it
 * up and what is it are one question: a link that is gone is neither, and its port no place to go to.
 */
static uint16_t tx_descend(struct worker *w, struct stage_node *node, struct link_worker *lw,
	struct rte_mbuf *m, uint16_t ifindex)
{
	for (;;) {
		const struct link_dp *link = &lw->table[ifindex];
		struct link_counters *counters = &lw->counters[ifindex];
		uint16_t flags = __atomic_load_n(&link->flags, __ATOMIC_ACQUIRE);
		uint32_t len = m->pkt_len;

		if (unlikely(!(flags & LINK_UP))) {
			tx_drop(w, node, m, ifindex, LINK_DROP_DOWN);
			return 0;
		}
		if (unlikely(flags & LINK_SHAPED)) {
			tx_shape(w, node, &m, 1, ifindex);
			return 0;
		}
		if (!(flags & LINK_STACKED))
			return ifindex;
		if (flags & LINK_BRIDGE) {
			tx_bridge(w, node, m, ifindex);
			return 0;
		}
		ifindex = flags & LINK_BOND
				  ? tx_member(w, node, lw, m, ifindex)
				  : tx_tag(w, node, link, m, ifindex, tx_has_hardware(lw, link));
		if (unlikely(ifindex == 0))
			return 0;
		counters->tx_packets++;
		counters->tx_bytes += len;
	}
}

/* All these leave by the same link, which stands on others or is shaped: down step by step together. */
static __rte_noinline void tx_send_stacked(struct worker *w, struct stage_node *node,
	struct link_worker *lw, uint16_t ifindex, struct rte_mbuf **pkts, uint32_t n,
	uint64_t n_bytes)
{
	const uint16_t kinds = LINK_STACKED | LINK_UP | LINK_BRIDGE | LINK_BOND | LINK_SHAPED;
	const struct link_dp *link;

	for (link = &lw->table[ifindex]; (link->flags & kinds) == (LINK_STACKED | LINK_UP);
		link = &lw->table[ifindex]) {
		bool has_hardware = tx_has_hardware(lw, link);
		struct link_counters *counters = &lw->counters[ifindex];
		uint32_t n_tagged = 0;

		for (uint32_t i = 0; i < n; i++) {
			struct rte_mbuf *m = pkts[i];
			uint32_t len = m->pkt_len;

			if (unlikely(tx_tag(w, node, link, m, ifindex, has_hardware) == 0))
				n_bytes -= len;
			else
				pkts[n_tagged++] = m;
		}
		n = n_tagged;
		counters->tx_packets += n;
		counters->tx_bytes += n_bytes;
		n_bytes += n * VLAN_TAG_LEN;
		ifindex = link->lower;
	}
	if (link->flags & LINK_SHAPED) {
		tx_shape(w, node, pkts, n, ifindex);
		return;
	}
	if (link->flags & LINK_BRIDGE) {
		for (uint32_t i = 0; i < n; i++)
			tx_bridge(w, node, pkts[i], ifindex);
		return;
	}
	if ((link->flags & (LINK_BOND | LINK_UP)) == (LINK_BOND | LINK_UP)) {
		tx_send_bond(w, node, lw, ifindex, pkts, n, n_bytes);
		return;
	}
	/* By the port; or one on the way is down, and so says this. */
	if (n > 0)
		tx_send(w, node, lw, ifindex, pkts, n, n_bytes);
}

/* All these leave by the same link. */
static __rte_always_inline void tx_send_all(struct worker *w, struct stage_node *node,
	struct link_worker *lw, uint16_t ifindex, struct rte_mbuf **pkts, uint32_t n,
	uint64_t n_bytes)
{
	if (unlikely(lw->table[ifindex].flags & (LINK_STACKED | LINK_SHAPED)))
		tx_send_stacked(w, node, lw, ifindex, pkts, n, n_bytes);
	else
		tx_send(w, node, lw, ifindex, pkts, n, n_bytes);
}

/* The lane holds packets for several links: they are sorted, so that each gets one burst. */
static void tx_send_mixed(struct worker *w, struct stage_node *node, struct link_worker *lw)
{
	uint16_t links[LANE_ROOM];
	unsigned int n_links = 0;

	for (uint32_t i = 0; i < node->n; i++) {
		uint16_t ifindex =
			tx_descend(w, node, lw, node->pkts[i], pkt_meta(node->pkts[i])->out_link);
		struct link_tx *tx = &lw->tx[lw->table[ifindex].port];

		if (unlikely(ifindex == 0))
			continue;
		if (tx->n == 0)
			links[n_links++] = ifindex;
		tx->n_bytes += node->pkts[i]->pkt_len;
		tx->pkts[tx->n++] = node->pkts[i];
	}
	for (unsigned int i = 0; i < n_links; i++) {
		struct link_tx *tx = &lw->tx[lw->table[links[i]].port];

		tx_send(w, node, lw, links[i], tx->pkts, tx->n, tx->n_bytes);
		tx->n = 0;
		tx->n_bytes = 0;
	}
}

/* The member that a packet will leave by, of the bond that this link is, or stands on; 0: none. next: as bond_choose(). */
static uint16_t tx_foresee_member(
	const struct link_worker *lw, uint16_t ifindex, uint16_t *next, const struct rte_mbuf *m)
{
	const uint16_t kinds = LINK_STACKED | LINK_UP | LINK_BRIDGE | LINK_BOND;
	const struct bond_dp *bond;

	while ((lw->table[ifindex].flags & kinds) == (LINK_STACKED | LINK_UP))
		ifindex = lw->table[ifindex].lower;
	if ((lw->table[ifindex].flags & (LINK_BOND | LINK_UP)) != (LINK_BOND | LINK_UP))
		return 0;
	bond = __atomic_load_n(&lw->table[ifindex].bond, __ATOMIC_ACQUIRE);
	return bond == NULL || bond->n == 0 ? 0 : bond->member[bond_choose(bond, next, m)];
}

static __rte_noinline void tx_trace(
	struct worker *w, const struct stage_node *node, const struct link_worker *lw)
{
	uint16_t next = lw->bond_next;

	for (uint32_t i = 0; i < node->n; i++) {
		uint16_t ifindex = pkt_meta(node->pkts[i])->out_link;
		uint16_t member = tx_foresee_member(lw, ifindex, &next, node->pkts[i]);
		const struct link_dp *link = &lw->table[member != 0 ? member : ifindex];
		const struct link_tx *tx = &lw->tx[link->port];
		bool is_ours = !(link->flags & LINK_UP) || tx->queue != LINK_NO_QUEUE;
		const struct trace_extra extra = {
			.to = is_ours ? TRACE_NO_WORKER : tx->owner,
			.arg = { member },
		};

		trace_note_extra(w, node->index, STAGE_CONSUMED, node->pkts[i], &extra);
	}
}

/* Many that leave by one link lie together, time and again: each run goes as it is. */
static __rte_noinline void tx_send_runs(
	struct worker *w, struct stage_node *node, struct link_worker *lw)
{
	for (uint32_t begin = 0, end; begin < node->n; begin = end) {
		uint16_t ifindex = pkt_meta(node->pkts[begin])->out_link;

		for (end = begin + 1; end < node->n; end++)
			if (pkt_meta(node->pkts[end])->out_link != ifindex)
				break;
		tx_send_all(w, node, lw, ifindex, node->pkts + begin, end - begin,
			tx_count_bytes(node->pkts + begin, end - begin));
	}
}

static void tx_run(struct worker *w, struct stage_node *node)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	uint16_t last = pkt_meta(node->pkts[0])->out_link;
	uint32_t n_turns = 0;
	uint64_t n_bytes = 0;

	for (uint32_t i = 0; i < node->n; i++) {
		uint16_t out_link = pkt_meta(node->pkts[i])->out_link;

		n_turns += out_link != last;
		n_bytes += node->pkts[i]->pkt_len;
		last = out_link;
	}
	if (unlikely(w->trace != NULL))
		tx_trace(w, node, lw);
	if (likely(n_turns == 0))
		tx_send_all(w, node, lw, last, node->pkts, node->n, n_bytes);
	else if (n_turns * TX_RUN <= node->n)
		tx_send_runs(w, node, lw);
	else
		tx_send_mixed(w, node, lw);
}

static void tx_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct dp *dp = record->w->dp;
	int n = snprintf(buf, size, "link %s, %u bytes", link_name(dp, record->meta.out_link),
		record->pkt_len);

	if (record->extra.arg[0] != 0)
		n += snprintf(buf + n, size - (size_t)n, ", member %s",
			link_name(dp, record->extra.arg[0]));
	if (record->extra.to != TRACE_NO_WORKER)
		snprintf(buf + n, size - (size_t)n, ", handed over to worker %u", record->extra.to);
}

const struct stage tx_stage = {
	.name = "tx",
	.help = "sends, or hands over to the worker that owns a queue of the port",
	.run = tx_run,
	.is_end = true,
	.exits = { [TX_SHAPED] = { "shaped", "qdisc_classify" },
		[TX_BRIDGE] = { "bridge", "bridge_output" } },
	.format = tx_format,
};

const struct stage tx_member_stage = {
	.name = "tx_member",
	.help = "the same for what a bridge sends by its members",
	.run = tx_run,
	.is_end = true,
	.exits = { [TX_SHAPED] = { "shaped", "qdisc_classify" } },
	.format = tx_format,
};

/* tx_queued */

/* One step down from a link that stands on others, for what comes out of its qdisc: the rest is for `tx`. */
static unsigned int tx_queued_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	uint16_t ifindex = meta->out_link;
	const struct link_dp *link = &lw->table[ifindex];
	struct link_counters *counters = &lw->counters[ifindex];
	uint16_t flags = __atomic_load_n(&link->flags, __ATOMIC_ACQUIRE);
	struct stage_node *node = ctx;
	uint32_t len = m->pkt_len;

	if (unlikely((flags & (LINK_UP | LINK_STACKED)) != (LINK_UP | LINK_STACKED))) {
		tx_drop(w, node, m, ifindex, LINK_DROP_DOWN);
		return STAGE_CONSUMED;
	}
	if (flags & LINK_BRIDGE) {
		tx_bridge(w, node, m, ifindex);
		return STAGE_CONSUMED;
	}
	ifindex = flags & LINK_BOND ? tx_member(w, node, lw, m, ifindex)
				    : tx_tag(w, node, link, m, ifindex, tx_has_hardware(lw, link));
	if (unlikely(ifindex == 0))
		return STAGE_CONSUMED;
	counters->tx_packets++;
	counters->tx_bytes += len;
	return TX_TX;
}

static void tx_queued_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, TX_TX, tx_queued_one, node);
}

const struct stage tx_queued_stage = {
	.name = "tx_queued",
	.help = "goes on with what has waited in the qdisc of a link that stands on others",
	.run = tx_queued_run,
	.is_end = true, /* it leaves by itself with some */
	.exits = { [TX_TX] = { "tx", "tx" }, [TX_BRIDGE] = { "bridge", "bridge_output" } },
	.format = tx_format,
};

/* They may be more than came into this pass: lanes, that of `drop` too, are not for them. */
static __rte_noinline void send_drop_all(struct worker *w, const struct stage_node *node,
	struct rte_mbuf **pkts, unsigned int n, uint16_t ifindex)
{
	for (unsigned int i = 0; i < n; i++) {
		link_count_tx_drop(w, ifindex);
		worker_free_dropped(w, pkts[i], &link_module, LINK_DROP_DOWN, node->index);
	}
}

unsigned int link_send(struct worker *w, struct stage_node *node, uint16_t ifindex,
	struct rte_mbuf **pkts, unsigned int n)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	if (unlikely(!(lw->table[ifindex].flags & LINK_UP))) {
		send_drop_all(w, node, pkts, n, ifindex);
		return n;
	}
	return tx_burst(w, lw, ifindex, pkts, n, tx_count_bytes(pkts, n));
}

/* For stages of links above others. */

void link_count_tx(struct worker *w, uint16_t ifindex, unsigned int n, uint64_t n_bytes)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->counters[ifindex].tx_packets += n;
	lw->counters[ifindex].tx_bytes += n_bytes;
}

void link_count_rx_drop(struct worker *w, uint16_t ifindex)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->counters[ifindex].rx_dropped++;
}

void link_count_tx_drop(struct worker *w, uint16_t ifindex)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->counters[ifindex].tx_dropped++;
}
