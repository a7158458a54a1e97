/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens to links and addresses, and what that means for neighbours: which are forgotten, which
 * adjacencies carry another MTU, what is announced, where duplicate addresses are looked for. Called by
 * dp_publish() on the control thread, as the module's event.
 */
#include "neigh/nd_priv.h"

/* Linux: a lost carrier or `down` forgets all but what an operator entered by hand. */
static void link_flush(struct dp *dp, uint16_t ifindex, bool with_permanent)
{
	struct neigh_entry *entry;

	TAILQ_FOREACH(entry, &neigh_table(dp)->all, all) {
		enum neigh_state state = entry->nud.neigh.state;

		if (entry->nud.neigh.link != ifindex || state == NEIGH_NONE)
			continue;
		if (state != NEIGH_PERMANENT || with_permanent)
			neigh_forget(dp, entry);
	}
	hold_mail_link_down(dp, ifindex);
}

/* Our MAC address or MTU changed: every adjacency of the link carries them. */
static void link_republish(struct dp *dp, const struct link *link)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_link *nl = &table->links[link->ifindex];
	struct neigh_entry *entry;

	for (unsigned int i = 0; i < NEIGH_N_FAMILIES; i++)
		if (nl->glean[i] != 0)
			adj_set_mtu(table, nl->glean[i], link->mtu);
	TAILQ_FOREACH(entry, &table->all, all) {
		if (entry->nud.neigh.link != link->ifindex)
			continue;
		adj_set_mtu(table, entry->nud.neigh.adj, link->mtu);
		adj_publish(table, &entry->nud.neigh, link);
	}
}

static void link_changed(struct dp *dp, const struct link *link)
{
	struct neigh_link *nl = &neigh_table(dp)->links[link->ifindex];
	bool is_ready = link->is_up && link->is_running;
	bool is_moved = memcmp(&nl->mac, &link->mac, sizeof(nl->mac)) != 0;
	bool was_ready = nl->was_ready;

	nl->was_ready = is_ready;
	nl->mac = link->mac;
	link_republish(dp, link);
	if (was_ready && !is_ready) {
		link_flush(dp, link->ifindex, false);
		dad_stop_link(dp, link->ifindex);
	}
	if (is_ready && (!was_ready || is_moved) && neigh_table(dp)->sysctl.arp_notify)
		arp_announce_link(dp, link);
	if (is_ready && !was_ready)
		dad_start_link(dp, link);
	else if (is_ready && is_moved && neigh_table(dp)->sysctl.ndisc_notify)
		nd_announce_link(dp, link);
}

static void link_deleted(struct dp *dp, const struct link *link)
{
	struct neigh_link *nl = &neigh_table(dp)->links[link->ifindex];

	link_flush(dp, link->ifindex, true);
	dad_stop_link(dp, link->ifindex);
	/* The glean adjacency stays: routes hold it and give it back. */
	nl->was_ready = false;
	nl->mac = (struct mac_addr){ 0 };
	nl->defended_ns = 0;
}

/*
 * An address of ours is gone, and with it the reason to think that its network is on this link.
 * Neighbours that another address still covers are learned again.
 */
static void addr_flush(struct dp *dp, const struct ns_addr *addr)
{
	struct neigh_entry *entry;

	TAILQ_FOREACH(entry, &neigh_table(dp)->all, all) {
		struct neigh *neigh = &entry->nud.neigh;

		if (neigh->link == addr->link && neigh->state != NEIGH_PERMANENT &&
			neigh_is_spare(entry) && ip_prefix_contains(&addr->prefix, &neigh->addr))
			neigh_remove(dp, entry);
	}
}

/* What was a neighbour's address is now our own. */
static void addr_claim(struct dp *dp, const struct ns_addr *addr)
{
	struct neigh_key key = { .addr = addr->prefix.addr, .link = addr->link, .ns = addr->ns };
	struct neigh_entry *entry = neigh_find(neigh_table(dp), &key);

	if (entry != NULL && entry->nud.neigh.state != NEIGH_NONE)
		neigh_remove(dp, entry);
}

static void addr_new(struct dp *dp, const struct ns_addr *addr)
{
	const struct link *link = link_by_index(dp, addr->link);

	addr_claim(dp, addr);
	arp_addr_event(dp, addr, true);
	/* Those of a link that is only just being made begin when it is done. */
	if (addr->prefix.addr.family == AF_INET6 && neigh_table(dp)->links[addr->link].was_ready)
		dad_start(dp, link, &addr->prefix.addr);
}

static void addr_deleted(struct dp *dp, const struct ns_addr *addr)
{
	addr_flush(dp, addr);
	arp_addr_event(dp, addr, false);
	dad_stop(dp, addr->link, &addr->prefix.addr);
}

void neigh_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	/* Links go after us when the dataplane ends: nobody is left to be told. */
	if (neigh_table(dp)->adjs == NULL)
		return;
	switch (kind) {
	case EVENT_LINK_NEW:
	case EVENT_LINK_CHANGED:
		link_changed(dp, subject);
		return;
	case EVENT_LINK_DELETED:
		link_deleted(dp, subject);
		return;
	case EVENT_LINK_MOVED:
		arp_announce_link(dp, subject);
		nd_announce_link(dp, subject);
		return;
	case EVENT_ADDR_NEW:
		addr_new(dp, subject);
		return;
	case EVENT_ADDR_DELETED:
		addr_deleted(dp, subject);
		return;
	case EVENT_NEIGH_CHANGED:
	case EVENT_ROUTE_NEW:
	case EVENT_ROUTE_DELETED:
	case EVENT_FLOW_NEW:
	case EVENT_FLOW_ENDED:
	case EVENT_FLOW_LOST:
		return;
	}
}
