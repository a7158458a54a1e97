/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Duplicate address detection (RFC 4862 5.4): a new IPv6 address is tentative, nobody is answered
 * for it and nothing is sent from it, until addrconf.dad_transmits solicitations for it, one each
 * neigh.retrans_time, have brought no sign of somebody else who has or wants it. Control thread.
 *
 * It begins when the address and its link are there, and again whenever the link comes back: another
 * host may have come meanwhile. An address that somebody else has stays with the link, shown as
 * "dadfailed", but is not used, and packets to it go to its owner; the operator was told by an error
 * in the log and may add it again. The random delay of RFC
 * 4862 5.4.2 is left out: a router does not boot in step with a hundred others.
 */
#include "neigh/nd_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

/* An address that is being probed for. */
struct dad {
	TAILQ_ENTRY(dad) entry;
	struct ip_addr addr;
	uint16_t link;
	int64_t n_sent;
	uint64_t next_ns; /* when to send, or, after the last one, to be content */
};

static void dad_free(struct neigh_table *table, struct dad *dad)
{
	TAILQ_REMOVE(&table->dads, dad, entry);
	free(dad);
}

static struct dad *dad_find(
	const struct neigh_table *table, uint16_t link, const struct ip_addr *addr)
{
	struct dad *dad;

	TAILQ_FOREACH(dad, &table->dads, entry) {
		if (dad->link == link && ip_addr_is_equal(&dad->addr, addr))
			return dad;
	}
	return NULL;
}

/* Takes the next step, which may be the last. */
static void dad_step(struct dp *dp, const struct link *link, struct dad *dad)
{
	struct neigh_table *table = neigh_table(dp);
	struct ip_addr addr = dad->addr;

	if (dad->n_sent < ns_addrconf(dp)->dad_transmits) {
		dad->n_sent++;
		dad->next_ns = dp->now_ns + table->sysctl.retrans_time;
		nd_probe(dp, link, &addr);
		return;
	}
	dad_free(table, dad);
	ns_addr_set_dad(dp, link->ifindex, &addr, 0);
	nd_notify(dp, link, &addr);
}

void dad_start(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct neigh_table *table = neigh_table(dp);
	struct dad *dad = dad_find(table, link->ifindex, addr);

	if (dad == NULL) {
		dad = mem_zalloc(sizeof(*dad));
		dad->addr = *addr;
		dad->link = link->ifindex;
		TAILQ_INSERT_TAIL(&table->dads, dad, entry);
	}
	dad->n_sent = 0;
	if (ns_addrconf(dp)->dad_transmits > 0)
		ns_addr_set_dad(dp, link->ifindex, addr, NS_ADDR_TENTATIVE);
	dad_step(dp, link, dad);
}

/* The addresses of a link, copied: to start one may change the list. */
struct dad_list {
	struct ip_addr *addrs;
	unsigned int n;
};

static void list_addr(const struct ns_addr *addr, void *ctx)
{
	struct dad_list *list = ctx;

	if (addr->prefix.addr.family != AF_INET6)
		return;
	list->addrs = mem_realloc(list->addrs, list->n + 1, sizeof(*list->addrs));
	list->addrs[list->n++] = addr->prefix.addr;
}

void dad_start_link(struct dp *dp, const struct link *link)
{
	struct dad_list list = { 0 };

	ns_addr_each(dp, link->ifindex, list_addr, &list);
	for (unsigned int i = 0; i < list.n; i++)
		dad_start(dp, link, &list.addrs[i]);
	free(list.addrs);
}

void dad_stop(struct dp *dp, uint16_t link, const struct ip_addr *addr)
{
	struct dad *dad = dad_find(neigh_table(dp), link, addr);

	if (dad != NULL)
		dad_free(neigh_table(dp), dad);
}

void dad_stop_link(struct dp *dp, uint16_t link)
{
	struct neigh_table *table = neigh_table(dp);
	struct dad *dad, *next;

	for (dad = TAILQ_FIRST(&table->dads); dad != NULL; dad = next) {
		next = TAILQ_NEXT(dad, entry);
		if (dad->link == link)
			dad_free(table, dad);
	}
}

bool dad_conflict(struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	struct dad *dad = dad_find(neigh_table(dp), link->ifindex, addr);
	char text[IP_ADDR_TEXT_MAX];

	if (dad == NULL)
		return false;
	dad_free(neigh_table(dp), dad);
	ns_addr_set_dad(dp, link->ifindex, addr, NS_ADDR_DADFAILED);
	log_err("neigh", "somebody else has our new address, it is not used addr=%s dev=%s",
		ip_addr_text(addr, text), link->name);
	return true;
}

void dad_tick(struct dp *dp, uint64_t now_ns)
{
	struct neigh_table *table = neigh_table(dp);
	struct dad *dad, *next;

	for (dad = TAILQ_FIRST(&table->dads); dad != NULL; dad = next) {
		const struct link *link = link_by_index(dp, dad->link);

		next = TAILQ_NEXT(dad, entry);
		if (link != NULL && now_ns >= dad->next_ns)
			dad_step(dp, link, dad);
	}
}

void dad_fini(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	struct dad *dad;

	while ((dad = TAILQ_FIRST(&table->dads)) != NULL)
		dad_free(table, dad);
}
