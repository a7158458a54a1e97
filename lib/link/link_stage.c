/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The beginning of the pipeline and its gate: `rx` polls the queues that belong to this worker, `parse` checks
 * every frame that `plain` (lib/ip) did not take and resets its metadata. Run by the owning worker, which
 * alone writes the counters; the table of links and the poll list are the control thread's.
 */
#include <pthread.h>
#include <signal.h>

#include "dp/trace.h"
#include "link/link_priv.h"
#include "net/vlan.h"

enum { RX_BURST = 48 }; /* per queue and pass; 32, 48 and 64 measured, 48 is best by a little */

/* rx */

/* For drivers that leave the port in the packet as it was. */
static void rx_mark(struct rte_mbuf **pkts, uint16_t n, uint16_t port)
{
	for (uint16_t i = 0; i < n; i++)
		pkts[i]->port = port;
}

static __rte_noinline void rx_trace(struct worker *w, const struct stage_node *node,
	const struct link_poll *poll, struct rte_mbuf *const *pkts, unsigned int n)
{
	const struct trace_extra extra = {
		.to = TRACE_NO_WORKER,
		.arg = { poll->ifindex, poll->port, poll->queue },
	};

	trace_receive(w, node, poll->exit, pkts, n, &extra);
}

/* Asks one queue. Its packets go straight into the lane of their stage. */
static void rx_poll(struct worker *w, struct link_worker *lw, struct stage_node *node,
	const struct link_poll *poll)
{
	struct stage_node *next = node->next[poll->exit];
	struct link_counters *counters = &lw->counters[poll->ifindex];
	struct rte_mbuf **pkts = next->pkts + next->n;
	uint64_t n_bytes = 0;
	uint16_t n;

	n = rte_eth_rx_burst(
		poll->port, poll->queue, pkts, (uint16_t)RTE_MIN(w->room, (uint32_t)RX_BURST));
	if (n == 0)
		return;
	for (uint16_t i = 0; i < n; i++)
		n_bytes += pkts[i]->pkt_len;
	if (unlikely(poll->is_unmarked))
		rx_mark(pkts, n, poll->port);
	if (unlikely(w->trace != NULL))
		rx_trace(w, node, poll, pkts, n);
	counters->rx_packets += n;
	counters->rx_bytes += n_bytes;
	next->n += n;
	node->packets += n;
	w->room -= n;
	w->stats.rx += n;
	w->pending |= UINT64_C(1) << next->index;
}

static void rx_run(struct worker *w, struct stage_node *node)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	/* Pairs with the release in port.c: the list is whole. */
	const struct link_polls *polls = atomic_load_explicit(&lw->polls, memory_order_acquire);
	uint32_t room = w->room;

	if (unlikely(polls == NULL))
		return;
	/* The next queues have their turn in the next pass: more packets at once would not stay in the first cache. */
	for (unsigned int i = 0; i < polls->n && room - w->room < RX_BURST; i++) {
		if (lw->next_poll >= polls->n)
			lw->next_poll = 0;
		rx_poll(w, lw, node, &polls->poll[lw->next_poll++]);
	}
}

static bool rx_arm(struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *polls = atomic_load_explicit(&lw->polls, memory_order_acquire);
	int err = 0;

	if (polls == NULL || !polls->can_interrupt)
		return polls == NULL;
	for (unsigned int i = 0; i < polls->n && err == 0; i++) {
		err = rte_eth_dev_rx_intr_enable(polls->poll[i].port, polls->poll[i].queue);
		/* The descriptor of a tap is the queue itself: there is nothing to switch on. */
		err = err == -ENOTSUP ? 0 : err;
	}
	return err == 0;
}

static void rx_disarm(struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);
	const struct link_polls *polls = atomic_load_explicit(&lw->polls, memory_order_acquire);
	bool is_signalled = false;

	for (unsigned int i = 0; polls != NULL && i < polls->n; i++) {
		if (polls->can_interrupt)
			(void)rte_eth_dev_rx_intr_disable(
				polls->poll[i].port, polls->poll[i].queue);
		is_signalled = is_signalled || polls->poll[i].is_signalled;
	}
	/* Handled before this returns. */
	if (is_signalled)
		(void)pthread_kill(pthread_self(), SIGIO);
}

static void rx_format(const struct trace_record *record, char *buf, size_t size)
{
	const uint16_t *arg = record->extra.arg;

	snprintf(buf, size, "link %s, port %u, queue %u, worker %u",
		link_name(record->w->dp, arg[0]), arg[1], arg[2], record->w->id);
}

const struct stage rx_stage = {
	.name = "rx",
	.help = "polls this worker's receive queues",
	.run = rx_run,
	.is_source = true,
	.arm = rx_arm,
	.disarm = rx_disarm,
	.exits = { [LINK_WAY_PLAIN] = { "frames", "plain" },
		[LINK_WAY_STEER] = { "steer", "steer" },
		[LINK_WAY_BRIDGE] = { "bridged", "bridge" },
		[LINK_WAY_L2] = { "stacked", "l2" },
		[LINK_WAY_METER] = { "policed", "meter_port" } },
	.format = rx_format,
};

/* parse */

enum { PARSE_EXIT_IP4 = 1, PARSE_EXIT_ARP, PARSE_EXIT_IP6 };

/* Whom is the frame for? LINK_N_DROPS: us. */
static enum link_drop parse_ether_addresses(
	const struct link_dp *link, const struct rte_ether_hdr *ether, struct pkt_meta *meta)
{
	if (rte_is_multicast_ether_addr(&ether->src_addr))
		return LINK_DROP_BAD_SOURCE;
	if (rte_is_broadcast_ether_addr(&ether->dst_addr))
		meta->flags |= PKT_LINK_BROADCAST;
	else if (rte_is_multicast_ether_addr(&ether->dst_addr))
		meta->flags |= PKT_LINK_MULTICAST;
	else if ((link_first8(ether) & LINK_MAC_MASK) != (link->match & LINK_MAC_MASK) &&
		 !(link->flags & LINK_PROMISCUOUS))
		return LINK_DROP_NOT_FOR_US;
	return LINK_N_DROPS;
}

/* Why is this tag still there? Nothing stands on a link whose frames come here with one. */
static enum link_drop parse_tag_problem(struct rte_mbuf *m)
{
	if (!parse_has(m, VLAN_HEADER_LEN))
		return LINK_DROP_VLAN_TRUNCATED;
	if ((vlan_tci(m) & VLAN_VID_MASK) != 0)
		return LINK_DROP_VLAN_UNKNOWN;
	return pkt_writable(m) ? LINK_DROP_VLAN_TOO_MANY : LINK_DROP_VLAN_SHARED;
}

/* Takes tags off that only say a priority: the header that is in front then. */
static const struct rte_ether_hdr *parse_untag(struct rte_mbuf *m, struct pkt_meta *meta)
{
	vlan_pop_priority(m);
	meta->l3 = rte_pktmbuf_mtod_offset(m, void *, sizeof(struct rte_ether_hdr));
	return pkt_ether(m);
}

/* The reason of every drop is found here. */
static unsigned int parse_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct link_worker *lw = ctx;
	uint16_t ifindex = lw->input_link[m->port];
	const struct link_dp *link = &lw->table[ifindex];
	const struct rte_ether_hdr *ether;
	enum link_drop reason;
	enum parse_error err;

	*meta = (struct pkt_meta){
		.in_link = ifindex,
		.ns = link->ns,
		.l3_off = sizeof(*ether),
		.l3 = rte_pktmbuf_mtod_offset(m, void *, sizeof(*ether)),
	};
	if (!(link->flags & LINK_UP))
		return link_drop_received(lw, meta, LINK_DROP_DOWN);
	if (!parse_has(m, sizeof(*ether)))
		return link_drop_received(lw, meta, LINK_DROP_PARSE + PARSE_ETH_TRUNCATED);
	ether = pkt_ether(m);
	if (unlikely(vlan_is_tag(ether->ether_type))) {
		ether = parse_untag(m, meta);
		if (vlan_is_tag(ether->ether_type))
			return link_drop_received(lw, meta, parse_tag_problem(m));
	}
	reason = parse_ether_addresses(link, ether, meta);
	if (reason != LINK_N_DROPS)
		return link_drop_received(lw, meta, reason);
	meta->ethertype = rte_be_to_cpu_16(ether->ether_type);
	if (meta->ethertype == RTE_ETHER_TYPE_IPV4 || meta->ethertype == RTE_ETHER_TYPE_IPV6) {
		bool is_ip4 = meta->ethertype == RTE_ETHER_TYPE_IPV4;

		err = is_ip4 ? parse_ip4(m, meta) : parse_ip6(m, meta);
		if (err != PARSE_OK)
			return link_drop_received(lw, meta, LINK_DROP_PARSE + err);
		if (meta->l3_len > link->mtu)
			return link_drop_received(lw, meta, LINK_DROP_OVERSIZE);
		return is_ip4 ? PARSE_EXIT_IP4 : PARSE_EXIT_IP6;
	}
	if (m->pkt_len > (uint32_t)link->mtu + sizeof(*ether))
		return link_drop_received(lw, meta, LINK_DROP_OVERSIZE);
	if (meta->ethertype == RTE_ETHER_TYPE_ARP)
		return PARSE_EXIT_ARP;
	return link_drop_received(lw, meta,
		meta->ethertype < 0x600 ? LINK_DROP_PARSE + PARSE_ETH_NOT_ETHERNET2
					: (unsigned int)LINK_DROP_TYPE_UNKNOWN);
}

static void parse_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, PARSE_EXIT_IP4, parse_one, worker_slot(w, &link_module));
}

static void parse_format(const struct trace_record *record, char *buf, size_t size)
{
	const struct pkt_meta *meta = &record->meta;

	/* What it drops it has not read to the end. */
	if (record->exit == STAGE_DROP)
		return;
	if (record->exit == PARSE_EXIT_ARP)
		snprintf(buf, size, "link %s, ARP", link_name(record->w->dp, meta->in_link));
	else
		snprintf(buf, size, "link %s, EtherType 0x%04x, IP length %u, protocol %u%s%s",
			link_name(record->w->dp, meta->in_link), meta->ethertype, meta->l3_len,
			meta->proto, meta->flags & PKT_FRAGMENT ? ", fragment" : "",
			meta->flags & PKT_OPTIONS ? ", options" : "");
}

const struct stage parse_stage = {
	.name = "parse",
	.help = "checks Ethernet and IP headers, resets metadata",
	.run = parse_run,
	.exits = { [PARSE_EXIT_IP4] = { "ip4", "ip4_input" },
		[PARSE_EXIT_ARP] = { "arp", "arp_input" },
		[PARSE_EXIT_IP6] = { "ip6", "ip6_input" } },
	.format = parse_format,
};
