/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The neighbour table. Control thread only; workers see the adjacencies that it publishes (adj.c)
 * and the mail that it sends. What becomes of it when links and addresses change is in neigh_events.c.
 *
 * An entry lives in a hash by (link, address) and in a list by age. Routes hold entries by
 * counting references on the adjacency (neigh_get), so that a gateway keeps its index while its
 * state comes and goes; what traffic creates is held by nobody and is removed again by age when
 * there are more than gc_thresh1, or at once when gc_thresh3 is reached. Nothing is removed while
 * somebody may be looking at it: neigh_put() only puts the entry on a list that the next tick
 * works off, because it is called from inside EVENT_NEIGH_CHANGED. A removed entry is published a
 * last time in state NONE.
 *
 * Resolution. A worker that has a packet for an unresolved next hop holds it and tells us
 * (hold_stage.c). When an answer comes, the order matters and is: store the adjacency, publish
 * EVENT_NEIGH_CHANGED (a host route is installed), mail the workers to release. A worker reads
 * mail between passes. So a packet that is held after the release was read has seen the old
 * adjacency in a pass that had begun before the store; its own message then finds the neighbour
 * valid here and is answered with a release for that worker. Nothing stays behind.
 */
#include "neigh/nd_priv.h"

#include <errno.h>
#include <rte_jhash.h>
#include <rte_random.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

#define FORCED_GC_PERIOD_NS UINT64_C(100000000)
#define FORCED_GC_AGE_NS    UINT64_C(5000000000) /* Linux: what changed since is spared */
#define SECOND_NS	    UINT64_C(1000000000)

struct neigh_key neigh_key_make(const struct link *link, const struct ip_addr *addr)
{
	struct neigh_key key;

	memset(&key, 0, sizeof(key));
	key.addr = *addr;
	key.link = link->ifindex;
	key.ns = link->ns;
	return key;
}

static struct neigh_key entry_key(const struct neigh_entry *entry)
{
	struct neigh_key key;

	memset(&key, 0, sizeof(key));
	key.addr = entry->nud.neigh.addr;
	key.link = entry->nud.neigh.link;
	key.ns = entry->nud.neigh.ns;
	return key;
}

static unsigned int key_bucket(const struct neigh_table *table, const struct neigh_key *key)
{
	return rte_jhash(key, sizeof(*key), table->hash_seed) % NEIGH_HASH_SIZE;
}

struct neigh_entry *neigh_find(const struct neigh_table *table, const struct neigh_key *key)
{
	struct neigh_entry *entry = table->hash[key_bucket(table, key)];

	for (; entry != NULL; entry = entry->hash_next) {
		struct neigh_key other = entry_key(entry);

		if (memcmp(&other, key, sizeof(other)) == 0)
			return entry;
	}
	return NULL;
}

static void entry_destroy(struct dp *dp, struct neigh_entry *entry)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_key key = entry_key(entry);
	struct neigh_entry **at = &table->hash[key_bucket(table, &key)];

	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	TAILQ_REMOVE(&table->all, entry, all);
	if (entry->is_counted)
		table->n_counted--;
	if (entry->is_reaped)
		SLIST_REMOVE(&table->reaped, entry, neigh_entry, reap);
	timer_del(&table->nud.wheel, &entry->nud.timer);
	adj_retire(dp, entry->nud.neigh.adj);
	free(entry);
}

void neigh_account(struct neigh_table *table, struct neigh_entry *entry)
{
	bool is_free = entry->nud.neigh.n_refs == 0;
	bool is_counted = is_free && entry->nud.neigh.state != NEIGH_PERMANENT;

	if (is_counted && !entry->is_counted)
		table->n_counted++;
	else if (!is_counted && entry->is_counted)
		table->n_counted--;
	entry->is_counted = is_counted;
	if (is_free && entry->nud.neigh.state == NEIGH_NONE && !entry->is_reaped) {
		entry->is_reaped = true;
		SLIST_INSERT_HEAD(&table->reaped, entry, reap);
	}
}

static void table_reap(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry;

	while ((entry = SLIST_FIRST(&table->reaped)) != NULL) {
		SLIST_REMOVE_HEAD(&table->reaped, reap);
		entry->is_reaped = false;
		if (entry->nud.neigh.n_refs == 0 && entry->nud.neigh.state == NEIGH_NONE)
			entry_destroy(dp, entry);
	}
}

void neigh_forget(struct dp *dp, struct neigh_entry *entry)
{
	struct neigh_table *table = neigh_table(dp);

	atomic_fetch_add_explicit(&table->heard_epoch, 1, memory_order_relaxed);
	nud_reset(&table->nud, &entry->nud);
	adj_publish(table, &entry->nud.neigh, NULL);
	neigh_account(table, entry);
	dp_publish(dp, EVENT_NEIGH_CHANGED, &entry->nud.neigh);
}

void neigh_remove(struct dp *dp, struct neigh_entry *entry)
{
	struct neigh_key key = entry_key(entry);
	bool was_unresolved = entry->nud.neigh.state == NEIGH_INCOMPLETE;

	neigh_forget(dp, entry);
	if (was_unresolved)
		hold_mail_verdict(dp, NULL, &key, HOLD_FAILED, 0);
}

/* Every few seconds, when there are more than gc_thresh1. */
static void table_gc(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry;

	if (table->n_counted <= table->sysctl.gc_thresh1)
		return;
	TAILQ_FOREACH(entry, &table->all, all) {
		if (neigh_is_spare(entry) && nud_is_collectable(&table->nud, &entry->nud))
			neigh_remove(dp, entry);
	}
}

/* The table is full: whatever nobody holds, nobody waits for and has not changed for a while. */
static void table_forced_gc(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry;

	if (dp->now_ns < table->forced_gc_ns + FORCED_GC_PERIOD_NS)
		return;
	table->forced_gc_ns = dp->now_ns;
	TAILQ_FOREACH(entry, &table->all, all) {
		enum neigh_state state = entry->nud.neigh.state;

		if (!neigh_is_spare(entry))
			continue;
		if (state == NEIGH_FAILED ||
			(state == NEIGH_STALE &&
				dp->now_ns >= entry->nud.updated_ns + FORCED_GC_AGE_NS))
			neigh_remove(dp, entry);
	}
	table_reap(dp);
}

int neigh_create(struct dp *dp, const struct link *link, const struct neigh_key *key,
	bool is_limited, struct neigh_entry **out)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry;
	unsigned int bucket;
	int err;

	if (is_limited && table->n_counted >= table->sysctl.gc_thresh3)
		table_forced_gc(dp);
	if (is_limited && table->n_counted >= table->sysctl.gc_thresh3) {
		log_warn("neigh", "neighbour table full entries=%u gc_thresh3=%lld",
			table->n_counted, (long long)table->sysctl.gc_thresh3);
		return -ENOBUFS;
	}
	entry = mem_zalloc(sizeof(*entry));
	err = adj_alloc(dp, ADJ_KIND_NEIGH, link, key, entry, &entry->nud.neigh.adj);
	if (err < 0) {
		free(entry);
		return -ENOBUFS;
	}
	entry->nud.neigh.addr = key->addr;
	entry->nud.neigh.link = key->link;
	entry->nud.neigh.ns = key->ns;
	entry->nud.updated_ns = table->nud.now_ns;
	bucket = key_bucket(table, key);
	entry->hash_next = table->hash[bucket];
	table->hash[bucket] = entry;
	TAILQ_INSERT_TAIL(&table->all, entry, all);
	neigh_account(table, entry);
	*out = entry;
	return 0;
}

const char *neigh_refuse(const struct ip_addr *addr, int *err)
{
	bool is_host;

	*err = -EINVAL;
	if (addr->family == AF_INET6)
		is_host = !ip6_is_unspecified(addr->bytes) && !ip6_is_loopback(addr->bytes) &&
			  !ip6_is_v4_mapped(addr->bytes) && !ip6_is_bad_link_local(addr->bytes);
	else
		is_host = addr->family == AF_INET && addr->v4_be != 0 && addr->v4_be != UINT32_MAX;
	return is_host && !ip_addr_is_multicast(addr) ? NULL
						      : "must be the unicast address of one host";
}

int neigh_set(struct dp *dp, const struct link *link, const struct ip_addr *addr,
	const struct mac_addr *lladdr, enum neigh_state state)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_key key = neigh_key_make(link, addr);
	struct neigh_entry *entry = neigh_find(table, &key);
	int err = 0;

	if (neigh_refuse(addr, &err) != NULL)
		return err;
	if (rte_is_multicast_ether_addr((const struct rte_ether_addr *)lladdr) ||
		mac_addr_is_zero(lladdr))
		return -EINVAL;
	if (entry == NULL)
		err = neigh_create(dp, link, &key, false, &entry);
	else
		err = 0;
	if (err < 0)
		return err;
	nud_update(&table->nud, &entry->nud, lladdr, state, NUD_OVERRIDE | NUD_ADMIN);
	return 0;
}

/* The state machine's callbacks. */

static void entry_send_probe(void *ctx, const struct nud_entry *nud, bool is_unicast)
{
	struct dp *dp = ctx;

	atomic_fetch_add_explicit(&neigh_table(dp)->heard_epoch, 1, memory_order_relaxed);
	if (nud->neigh.addr.family == AF_INET6)
		nd_solicit(dp, &nud->neigh, is_unicast);
	else
		arp_solicit(dp, &nud->neigh, is_unicast);
}

static void entry_changed(void *ctx, struct nud_entry *nud, enum neigh_state old)
{
	struct dp *dp = ctx;
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = (struct neigh_entry *)nud;
	struct neigh_key key = entry_key(entry);
	struct neigh was = { .state = old };
	bool is_valid = neigh_is_valid(&nud->neigh);

	/* In this order: see above. */
	adj_publish(table, &nud->neigh, link_by_index(dp, nud->neigh.link));
	neigh_account(table, entry);
	dp_publish(dp, EVENT_NEIGH_CHANGED, &nud->neigh);
	if (is_valid && !neigh_is_valid(&was))
		hold_mail_verdict(dp, NULL, &key, HOLD_RELEASE, nud->neigh.adj);
	else if (nud->neigh.state == NEIGH_FAILED)
		hold_mail_verdict(dp, NULL, &key, HOLD_FAILED, 0);
}

static const struct nud_ops entry_ops = {
	.send_probe = entry_send_probe,
	.changed = entry_changed,
};

/* Mail from workers. */

void neigh_mail_resolve(void *ptr, const struct mail *mail)
{
	struct dp *dp = ptr;
	struct neigh_table *table = neigh_table(dp);
	struct worker *w = dp->workers[mail->arg[3]];
	struct neigh_entry *entry;
	struct neigh_key key;
	struct link *link;

	memcpy(&key, mail->arg, sizeof(key));
	link = link_by_index(dp, key.link);
	if (link == NULL || !link->is_up || !link->is_running) {
		hold_mail_verdict(dp, w, &key, HOLD_LINK_DOWN, 0);
		return;
	}
	entry = neigh_find(table, &key);
	if (entry == NULL && neigh_create(dp, link, &key, true, &entry) < 0) {
		hold_mail_verdict(dp, w, &key, HOLD_TABLE_FULL, 0);
		return;
	}
	if (neigh_is_valid(&entry->nud.neigh))
		hold_mail_verdict(dp, w, &key, HOLD_RELEASE, entry->nud.neigh.adj);
	nud_use(&table->nud, &entry->nud);
}

void neigh_mail_used(void *ptr, const struct mail *mail)
{
	struct neigh_table *table = neigh_table(ptr);
	struct neigh_entry *entry = table->slots[mail->arg[0] % ADJ_MAX].owner;

	/* The index may be another's by now, or the neighbour be gone: only a hint, then. */
	if (entry != NULL && neigh_is_valid(&entry->nud.neigh))
		nud_use(&table->nud, &entry->nud);
}

/* References. */

int neigh_get(struct dp *dp, const struct link *link, const struct ip_addr *addr, uint32_t *adj)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_key key = neigh_key_make(link, addr);
	struct neigh_entry *entry = neigh_find(table, &key);
	int err = 0;

	if (neigh_refuse(addr, &err) != NULL)
		return err;
	/* Not limited: a route of the operator's is not refused because of what peers did. */
	if (entry == NULL)
		err = neigh_create(dp, link, &key, false, &entry);
	else
		err = 0;
	if (err < 0)
		return err;
	entry->nud.neigh.n_refs++;
	neigh_account(table, entry);
	*adj = entry->nud.neigh.adj;
	return 0;
}

int neigh_get_glean(struct dp *dp, const struct link *link, uint8_t family, uint32_t *adj)
{
	struct neigh_link *nl = &neigh_table(dp)->links[link->ifindex];
	struct neigh_key key = { .addr = { .family = family } };
	enum neigh_family i = neigh_family(family);
	int err;

	if (nl->glean[i] == 0) {
		err = adj_alloc(dp, ADJ_KIND_GLEAN, link, &key, NULL, &nl->glean[i]);
		if (err < 0)
			return err;
	}
	nl->n_glean_refs[i]++;
	*adj = nl->glean[i];
	return 0;
}

void neigh_put(struct dp *dp, uint32_t adj)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = table->slots[adj].owner;
	enum neigh_family i = neigh_family(table->adjs[adj].family);
	struct neigh_link *nl;

	if (adj < ADJ_FIRST_DYNAMIC)
		return;
	if (entry != NULL) {
		RTE_ASSERT(entry->nud.neigh.n_refs > 0);
		entry->nud.neigh.n_refs--;
		neigh_account(table, entry);
		return;
	}
	nl = &table->links[table->adjs[adj].link];
	RTE_ASSERT(nl->glean[i] == adj && nl->n_glean_refs[i] > 0);
	if (--nl->n_glean_refs[i] > 0)
		return;
	nl->glean[i] = 0;
	adj_retire(dp, adj);
}

void neigh_use(struct dp *dp, uint32_t adj)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry = table->slots[adj].owner;

	if (entry != NULL)
		nud_use(&table->nud, &entry->nud);
}

const struct neigh *neigh_lookup(const struct dp *dp, uint16_t link, const struct ip_addr *addr)
{
	const struct link *l = link_by_index(dp, link);
	struct neigh_entry *entry;
	struct neigh_key key;

	if (l == NULL)
		return NULL;
	key = neigh_key_make(l, addr);
	entry = neigh_find(neigh_table(dp), &key);
	return entry == NULL ? NULL : &entry->nud.neigh;
}

void neigh_each(const struct dp *dp, void (*fn)(const struct neigh *neigh, void *ctx), void *ctx)
{
	struct neigh_entry *entry;

	TAILQ_FOREACH(entry, &neigh_table(dp)->all, all)
		fn(&entry->nud.neigh, ctx);
}

static void neigh_tick(struct dp *dp, uint64_t now_ns)
{
	struct neigh_table *table = neigh_table(dp);

	/* First: what was only waiting for a usable address of ours can be asked now. */
	dad_tick(dp, now_ns);
	nud_advance(&table->nud, now_ns);
	if (now_ns >= table->gc_ns + NEIGH_GC_PERIOD_S * SECOND_NS) {
		table->gc_ns = now_ns;
		table_gc(dp);
	}
	if (now_ns >= table->hold_age_ns + SECOND_NS) {
		table->hold_age_ns = now_ns;
		hold_mail_age(dp);
	}
	table_reap(dp);
}

static int neigh_init(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	int err;

	err = adj_init(table);
	if (err < 0)
		return err;
	table->links = mem_zalloc(LINK_MAX * sizeof(*table->links));
	TAILQ_INIT(&table->all);
	SLIST_INIT(&table->reaped);
	TAILQ_INIT(&table->dads);
	table->hash_seed = (uint32_t)rte_rand();
	nud_init(&table->nud, &table->sysctl, &entry_ops, dp, dp->now_ns, rte_rand());
	return 0;
}

static void neigh_fini(struct dp *dp)
{
	struct neigh_table *table = neigh_table(dp);
	struct neigh_entry *entry;

	while ((entry = TAILQ_FIRST(&table->all)) != NULL) {
		TAILQ_REMOVE(&table->all, entry, all);
		free(entry);
	}
	arp_fini(dp);
	dad_fini(dp);
	free(table->links);
	adj_fini(table);
}

#define NEIGH_DROP_ROW(id, text, sentence) { .name = (text), .help = (sentence) },
static const struct drop_reason neigh_drops[] = { NEIGH_DROPS(NEIGH_DROP_ROW) };
static_assert(RTE_DIM(neigh_drops) == NEIGH_N_DROPS, "one row per reason");

struct module neigh_module = {
	.name = "neigh",
	.sections = neigh_sections,
	.commands = neigh_commands,
	.sysctls = neigh_sysctls,
	.drops = neigh_drops,
	.n_drops = NEIGH_N_DROPS,
	.state_size = sizeof(struct neigh_table),
	.worker_state_size = sizeof(struct neigh_worker),
	.init = neigh_init,
	.fini = neigh_fini,
	.worker_init = hold_worker_init,
	.worker_fini = hold_worker_fini,
	.event = neigh_event,
	.tick = neigh_tick,
};
