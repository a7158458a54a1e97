/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control thread's half of ARP (RFC 826): sending requests and announcements, learning from
 * what workers heard, and publishing which addresses workers answer for.
 *
 * What is learned follows Linux with arp_accept=0. A request to us makes or updates an entry as
 * STALE: the sender will be talked to. Anything else only updates an entry that exists: a unicast
 * reply makes it REACHABLE, all else STALE; a different MAC is believed unless the last change is
 * younger than locktime (gratuitous ARP always). One rule is stricter than Linux's: an entry is
 * only made for a sender inside a network connected on that link, because a neighbour becomes a
 * host route here and must not draw traffic that belongs elsewhere.
 *
 * When somebody else claims an address of ours we warn and, as RFC 5227 2.4 (b) has it, announce
 * it once in ten seconds at most. Addresses are not probed for before they are used.
 */
#include "neigh/neigh_priv.h"

#include <rte_ether.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

#define DEFEND_INTERVAL_NS UINT64_C(10000000000) /* RFC 5227 1.1 */

static const struct mac_addr mac_broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct mac_addr mac_zero;

/* One request; sent to `to`, or to everybody. */
static void arp_send_request(struct dp *dp, const struct link *link, const struct mac_addr *to,
	uint32_t sender_be, uint32_t target_be)
{
	const uint16_t len = sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr);
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);
	char *data = m == NULL ? NULL : rte_pktmbuf_append(m, len);
	bool is_broadcast = memcmp(to, &mac_broadcast, sizeof(*to)) == 0;
	struct rte_ether_hdr *ether;
	struct rte_arp_hdr *arp;

	if (data == NULL) {
		log_warn("neigh", "no packet buffer for an ARP request dev=%s", link->name);
		rte_pktmbuf_free(m);
		return;
	}
	ether = (struct rte_ether_hdr *)data;
	arp = (struct rte_arp_hdr *)(ether + 1);
	memset(data, 0, len);
	memcpy(&ether->dst_addr, to, sizeof(*to));
	memcpy(&ether->src_addr, &link->mac, sizeof(link->mac));
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	memcpy(&arp->arp_data.arp_sha, &link->mac, sizeof(link->mac));
	arp->arp_data.arp_sip = sender_be;
	memcpy(&arp->arp_data.arp_tha, is_broadcast ? &mac_zero : to, sizeof(*to));
	arp->arp_data.arp_tip = target_be;
	*pkt_meta(m) = (struct pkt_meta){
		.out_link = link->ifindex,
		.ns = link->ns,
		.flags = PKT_ORIGINATED,
		.l3_off = sizeof(*ether),
		.ethertype = RTE_ETHER_TYPE_ARP,
	};
	dp_originate(dp, link_worker(dp, link), m, dp_stage_index(dp, "tx"));
}

void arp_solicit(struct dp *dp, const struct neigh *neigh, bool is_unicast)
{
	const struct link *link = link_by_index(dp, neigh->link);
	struct ip_addr source;

	if (link == NULL || !link->is_up)
		return;
	/* Without an address of our own the sender is 0.0.0.0, which is answered all the same. */
	if (!ns_addr_select(dp, neigh->ns, neigh->link, &neigh->addr, &source))
		source = ip_addr_v4(0);
	arp_send_request(dp, link, is_unicast ? &neigh->lladdr : &mac_broadcast, source.v4_be,
		neigh->addr.v4_be);
}

/* RFC 5227 2.3: a request for the address, from the address. */
static void arp_announce(struct dp *dp, const struct link *link, uint32_t addr_be)
{
	arp_send_request(dp, link, &mac_broadcast, addr_be, addr_be);
}

struct announce_ctx {
	struct dp *dp;
	const struct link *link;
};

static void announce_one(const struct ns_addr *addr, void *ctx)
{
	const struct announce_ctx *announce = ctx;

	if (addr->prefix.addr.family == AF_INET)
		arp_announce(announce->dp, announce->link, addr->prefix.addr.v4_be);
}

void arp_announce_link(struct dp *dp, const struct link *link)
{
	struct announce_ctx ctx = { .dp = dp, .link = link };

	ns_addr_each(dp, link->ifindex, announce_one, &ctx);
}

/* Our addresses, as workers see them. */

struct own_ctx {
	struct arp_own *own; /* NULL: only count */
	const struct ns_addr *except;
	uint32_t n;
};

static bool own_is_same(const struct ns_addr *a, const struct ns_addr *b)
{
	return a->link == b->link && a->ns == b->ns &&
	       ip_addr_is_equal(&a->prefix.addr, &b->prefix.addr);
}

static void own_add(const struct ns_addr *addr, void *ctx)
{
	struct own_ctx *own = ctx;

	if (addr->prefix.addr.family != AF_INET)
		return;
	if (own->except != NULL && own_is_same(addr, own->except))
		return;
	if (own->own != NULL)
		own->own->rows[own->n] = (struct arp_own_row){
			.addr_be = addr->prefix.addr.v4_be,
			.link = addr->link,
			.ns = addr->ns,
		};
	own->n++;
}

static int own_compare(const void *a, const void *b)
{
	const struct arp_own_row *x = a, *y = b;

	return x->addr_be < y->addr_be ? -1 : x->addr_be > y->addr_be;
}

/* Builds the table anew. except: an address that is going but may still be listed. */
static void arp_own_publish(struct dp *dp, const struct ns_addr *except)
{
	struct neigh_table *table = neigh_table(dp);
	struct arp_own *old = atomic_load_explicit(&table->own, memory_order_relaxed);
	struct own_ctx ctx = { .except = except };
	struct arp_own *own;

	ns_addr_each(dp, 0, own_add, &ctx);
	own = mem_zalloc(sizeof(*own) + ctx.n * sizeof(own->rows[0]));
	own->n = ctx.n;
	ctx.own = own;
	ctx.n = 0;
	ns_addr_each(dp, 0, own_add, &ctx);
	qsort(own->rows, own->n, sizeof(own->rows[0]), own_compare);
	/* Pairs with the acquire in arp_run(). */
	atomic_store_explicit(&table->own, own, memory_order_release);
	dp_retire_heap(dp, old);
}

void arp_addr_event(struct dp *dp, const struct ns_addr *addr, bool is_new)
{
	const struct neigh_table *table = neigh_table(dp);
	const struct link *link = link_by_index(dp, addr->link);

	if (addr->prefix.addr.family != AF_INET)
		return;
	arp_own_publish(dp, is_new ? NULL : addr);
	/* A link that is only just being made announces all its addresses when it is done. */
	if (is_new && link != NULL && table->links[addr->link].was_ready &&
		table->sysctl.arp_notify)
		arp_announce(dp, link, addr->prefix.addr.v4_be);
}

void arp_fini(struct dp *dp)
{
	free(atomic_load_explicit(&neigh_table(dp)->own, memory_order_relaxed));
}

/* Learning. */

struct connected_ctx {
	const struct ip_addr *addr;
	bool is_host; /* addr is a host's in one of the link's networks */
};

static void connected_check(const struct ns_addr *own, void *ctx)
{
	struct connected_ctx *connected = ctx;
	struct ip_prefix network = ip_prefix_network(&own->prefix);
	uint32_t addr_be = connected->addr->v4_be;

	if (!ip_prefix_contains(&own->prefix, connected->addr))
		return;
	/* Not the broadcast address, nor the network's own; /31 and /32 have neither (RFC 3021). */
	if (own->broadcast_be != 0 &&
		(addr_be == own->broadcast_be || addr_be == network.addr.v4_be))
		return;
	connected->is_host = true;
}

static bool arp_is_connected(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct connected_ctx ctx = { .addr = addr };

	ns_addr_each(dp, link->ifindex, connected_check, &ctx);
	return ctx.is_host;
}

static void arp_conflict(struct dp *dp, const struct link *link, const struct neigh_heard *heard)
{
	struct neigh_link *nl = &neigh_table(dp)->links[link->ifindex];
	char ip[IP_ADDR_TEXT_MAX], mac[MAC_ADDR_TEXT_MAX];

	log_warn("neigh", "somebody else uses our address addr=%s lladdr=%s dev=%s",
		ip_addr_text(&heard->key.addr, ip), mac_addr_text(&heard->mac, mac), link->name);
	if (nl->defended_ns != 0 && dp->now_ns < nl->defended_ns + DEFEND_INTERVAL_NS)
		return;
	nl->defended_ns = dp->now_ns;
	arp_announce(dp, link, heard->key.addr.v4_be);
}

static void arp_learn(struct dp *dp, const struct link *link, const struct neigh_heard *heard)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = neigh_find(table, &heard->key);
	bool is_to_us = (heard->flags & (ARP_HEARD_FOR_US | ARP_HEARD_REPLY)) == ARP_HEARD_FOR_US;
	enum neigh_state state = NEIGH_STALE;
	unsigned int flags = 0;

	if (entry == NULL && is_to_us && arp_is_connected(dp, link, &heard->key.addr))
		(void)neigh_create(dp, link, &heard->key, true, &entry); /* full: said there */
	/* NONE: a route's gateway that nobody has asked for. A request to us is still welcome. */
	if (entry == NULL || (entry->nud.neigh.state == NEIGH_NONE && !is_to_us))
		return;
	if (is_to_us || (heard->flags & ARP_HEARD_GRATUITOUS) ||
		dp->now_ns >= entry->nud.updated_ns + table->sysctl.locktime)
		flags = NUD_OVERRIDE;
	if ((heard->flags & ARP_HEARD_REPLY) && (heard->flags & ARP_HEARD_UNICAST))
		state = NEIGH_REACHABLE;
	nud_update(&table->nud, &entry->nud, &heard->mac, state, flags);
}

void arp_mail_heard(void *ptr, const struct mail *mail)
{
	struct dp *dp = ptr;
	struct neigh_heard heard;
	struct link *link;

	memcpy(&heard, mail->arg, sizeof(heard));
	link = link_by_index(dp, heard.key.link);
	/* Late mail: the link has gone down, or its addresses were flushed with the carrier. */
	if (link == NULL || link->ns != heard.key.ns || !link->is_up || !link->is_running)
		return;
	if (heard.flags & ARP_HEARD_CONFLICT)
		arp_conflict(dp, link, &heard);
	else
		arp_learn(dp, link, &heard);
}
