/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control thread's half of Neighbour Discovery (RFC 4861): sending solicitations and
 * advertisements, and learning from what workers heard (nd_stage.c answers and checks).
 *
 * What is learned: a solicitation makes or updates an entry as STALE (7.2.3); an advertisement only
 * updates one (7.2.5): solicited ones prove that the neighbour hears us, override says whether a
 * different link-layer address is believed. As for ARP, one rule is stricter: an entry is only made
 * for a sender that is link-local or in a network connected on that link, because a neighbour
 * becomes a host route here and must not draw traffic that belongs elsewhere.
 *
 * When somebody else claims an address that we have had for long we warn, and announce it once in
 * ten seconds at most, as for ARP; one that is still tentative is given up (dad.c).
 */
#include "neigh/nd_priv.h"

#include "base/log.h"

#define DEFEND_INTERVAL_NS UINT64_C(10000000000)

static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };

static void nd_send(struct dp *dp, const struct link *link, const struct nd_packet *packet)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);

	if (m == NULL) {
		log_warn("neigh", "no packet buffer for neighbour discovery dev=%s", link->name);
		return;
	}
	pkt_meta(m)->trace = 0;
	nd_packet_make(m, packet, link->ifindex, link->ns);
	dp_originate(dp, link_worker(dp, link), m, dp_stage_index(dp, "tx"));
}

void nd_solicit(struct dp *dp, const struct neigh *neigh, bool is_unicast)
{
	const struct link *link = link_by_index(dp, neigh->link);
	struct nd_packet packet = {
		.type = ND_NEIGHBOR_SOLICIT, .has_lladdr = true, .to = neigh->lladdr
	};
	struct ip_addr source;

	if (link == NULL || !link->is_up)
		return;
	/* While all our addresses are tentative nobody is asked: :: would be a probe for its own. */
	if (!ns_addr_select(dp, neigh->ns, neigh->link, &neigh->addr, &source))
		return;
	packet.from = link->mac;
	memcpy(packet.src, source.bytes, sizeof(packet.src));
	memcpy(packet.target, neigh->addr.bytes, sizeof(packet.target));
	if (is_unicast)
		memcpy(packet.dst, neigh->addr.bytes, sizeof(packet.dst));
	else
		ns_solicited_node(neigh->addr.bytes, packet.dst);
	nd_send(dp, link, &packet);
}

void nd_probe(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct nd_packet packet = { .type = ND_NEIGHBOR_SOLICIT, .from = link->mac };

	memcpy(packet.target, addr->bytes, sizeof(packet.target));
	ns_solicited_node(addr->bytes, packet.dst);
	nd_send(dp, link, &packet);
}

void nd_announce(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct nd_packet packet = {
		.type = ND_NEIGHBOR_ADVERT,
		.flags = ND_ROUTER | ND_OVERRIDE,
		.has_lladdr = true,
		.from = link->mac,
	};

	memcpy(packet.src, addr->bytes, sizeof(packet.src));
	memcpy(packet.dst, all_nodes, sizeof(packet.dst));
	memcpy(packet.target, addr->bytes, sizeof(packet.target));
	nd_send(dp, link, &packet);
}

struct announce_ctx {
	struct dp *dp;
	const struct link *link;
};

static void announce_one(const struct ns_addr *addr, void *ctx)
{
	const struct announce_ctx *announce = ctx;

	if (addr->prefix.addr.family == AF_INET6 && !(addr->flags & NS_ADDR_UNUSABLE))
		nd_announce(announce->dp, announce->link, &addr->prefix.addr);
}

void nd_announce_link(struct dp *dp, const struct link *link)
{
	struct announce_ctx ctx = { .dp = dp, .link = link };

	ns_addr_each(dp, link->ifindex, announce_one, &ctx);
}

void nd_notify(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	if (neigh_table(dp)->sysctl.ndisc_notify)
		nd_announce(dp, link, addr);
}

/* Learning. */

struct connected_ctx {
	const struct ip_addr *addr;
	bool is_there;
};

static void connected_check(const struct ns_addr *own, void *ctx)
{
	struct connected_ctx *connected = ctx;

	connected->is_there |= ip_prefix_contains(&own->prefix, connected->addr);
}

static bool nd_is_connected(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct connected_ctx ctx = { .addr = addr, .is_there = ip6_is_link_local(addr->bytes) };

	ns_addr_each(dp, link->ifindex, connected_check, &ctx);
	return ctx.is_there;
}

static void nd_conflict(struct dp *dp, const struct link *link, const struct neigh_heard *heard)
{
	struct neigh_link *nl = &neigh_table(dp)->links[link->ifindex];
	const struct ns_addr *own = ns_addr_on_link(dp, link->ifindex, &heard->key.addr);
	char ip[IP_ADDR_TEXT_MAX], mac[MAC_ADDR_TEXT_MAX];

	/* Late mail: the address is gone. A tentative one that is not probed for waits for its link. */
	if (own == NULL || dad_conflict(dp, link, &heard->key.addr) ||
		(own->flags & NS_ADDR_UNUSABLE))
		return;
	log_warn("neigh", "somebody else uses our address addr=%s lladdr=%s dev=%s",
		ip_addr_text(&heard->key.addr, ip), mac_addr_text(&heard->mac, mac), link->name);
	if (nl->defended_ns != 0 && dp->now_ns < nl->defended_ns + DEFEND_INTERVAL_NS)
		return;
	nl->defended_ns = dp->now_ns;
	nd_notify(dp, link, &heard->key.addr);
}

/* RFC 4861 7.2.3. Without a link-layer address in it a solicitation teaches nothing. */
static void nd_learn_sender(struct dp *dp, const struct link *link, const struct neigh_heard *heard)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = neigh_find(table, &heard->key);

	if (!(heard->flags & ND_HEARD_LLADDR))
		return;
	if (entry == NULL && nd_is_connected(dp, link, &heard->key.addr))
		(void)neigh_create(dp, link, &heard->key, true, &entry); /* full: said there */
	if (entry != NULL)
		nud_update(&table->nud, &entry->nud, &heard->mac, NEIGH_STALE, NUD_OVERRIDE);
}

/* RFC 4861 7.2.5; appendix C has the same as a table. */
static void nd_learn_target(struct dp *dp, const struct neigh_heard *heard)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = neigh_find(table, &heard->key);
	enum neigh_state state = heard->flags & ND_HEARD_SOLICITED ? NEIGH_REACHABLE : NEIGH_STALE;
	const struct mac_addr *mac = &heard->mac;
	bool is_incomplete;

	/* In RFC 4861 an entry in these states is not there, and an answer to nobody is ignored. */
	if (entry == NULL || entry->nud.neigh.state == NEIGH_NONE ||
		entry->nud.neigh.state == NEIGH_FAILED)
		return;
	is_incomplete = entry->nud.neigh.state == NEIGH_INCOMPLETE;
	if (!(heard->flags & ND_HEARD_LLADDR)) {
		if (is_incomplete)
			return;
		mac = &entry->nud.neigh.lladdr;
	}
	if (nud_update(&table->nud, &entry->nud, mac, state,
		    is_incomplete || (heard->flags & ND_HEARD_OVERRIDE) ? NUD_OVERRIDE
									: NUD_WEAK_OVERRIDE))
		entry->nud.neigh.is_router = heard->flags & ND_HEARD_ROUTER;
}

void nd_mail_heard(void *ptr, const struct mail *mail)
{
	struct dp *dp = ptr;
	struct neigh_heard heard;
	struct link *link;

	memcpy(&heard, mail->arg, sizeof(heard));
	link = link_by_index(dp, heard.key.link);
	/* Late mail: the link has gone down, or its neighbours were flushed with the carrier. */
	if (link == NULL || link->ns != heard.key.ns || !link->is_up || !link->is_running)
		return;
	if (heard.flags & ND_HEARD_CONFLICT)
		nd_conflict(dp, link, &heard);
	else if (heard.flags & ND_HEARD_ADVERT)
		nd_learn_target(dp, &heard);
	else
		nd_learn_sender(dp, link, &heard);
}
