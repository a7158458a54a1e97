/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addresses of links, and what is derived from them for workers: the tables of own addresses of a
 * namespace (published by pointer, the old retired; own6.c for IPv6) and the IPv4 source address of
 * each link (single stores). Control thread.
 *
 * The addresses of a link are kept where they were decoded to, in the field `addresses` of its
 * configuration, so that `config show` prints the running ones.
 */
#include "ns/ns.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ns/ns_priv.h"

static struct ns_state *ns_state(const struct dp *dp)
{
	return dp_slot(dp, &ns_module);
}

static struct ns_link_conf *ns_link_conf(const struct link *link)
{
	return object_ext_of(link->conf, &ns_link_ext);
}

uint32_t ns_prefix_broadcast4(const struct ip_prefix *prefix)
{
	if (prefix->addr.family != AF_INET || prefix->len > 30)
		return 0;
	return rte_cpu_to_be_32(rte_be_to_cpu_32(prefix->addr.v4_be) | ~ns_mask4(prefix->len));
}

/* Own addresses for workers */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

bool ns_own4_search(const struct ns_own4 *own, uint32_t addr_be)
{
	return bsearch(&addr_be, own->addr_be, own->n, sizeof(addr_be), compare_u32) != NULL;
}

static void own_add(struct ns_own4 *own, uint32_t addr_be)
{
	uint32_t hash = ns_own4_hash(addr_be);

	own->bits[hash >> 6] |= UINT64_C(1) << (hash & 63);
	own->first[addr_be & 0xff] |= NS_FIRST_OWN;
	own->addr_be[own->n++] = addr_be;
}

/* Makes the table of own addresses of a namespace anew and publishes it. */
static void ns_publish_own(struct dp *dp, uint16_t ns)
{
	struct ns_state *state = ns_state(dp);
	struct ns_own4 *own, *old = state->own4[ns];
	size_t size = sizeof(*own) + 2 * state->n_addrs * sizeof(own->addr_be[0]);

	own = mem_zalloc((size + RTE_CACHE_LINE_MASK) & ~(size_t)RTE_CACHE_LINE_MASK);
	own->first[0] = own->first[127] = NS_FIRST_MARTIAN;
	memset(&own->first[224], NS_FIRST_MARTIAN, 32);
	for (unsigned int i = 0; i < state->n_addrs; i++) {
		const struct ns_addr *addr = &state->addrs[i];

		if (addr->ns != ns || addr->prefix.addr.family != AF_INET)
			continue;
		own_add(own, addr->prefix.addr.v4_be);
		if (addr->broadcast_be != 0)
			own_add(own, addr->broadcast_be);
	}
	qsort(own->addr_be, own->n, sizeof(own->addr_be[0]), compare_u32);
	/* Pairs with the loads of lib/ip; the dependency through the pointer orders the rest. */
	__atomic_store_n(&state->own4[ns], own, __ATOMIC_RELEASE);
	dp_retire_heap(dp, old);
}

struct ns_own4 *const *ns_own4_tables(const struct dp *dp)
{
	return ns_state(dp)->own4;
}

/* Keeps the link's own list, which config show prints, equal to the table. */
static void ns_update_conf(const struct dp *dp, const struct link *link)
{
	const struct ns_state *state = ns_state(dp);
	struct field_list *list = &ns_link_conf(link)->addresses;
	struct ip_prefix *items;
	unsigned int n = 0;

	items = mem_zalloc((state->n_addrs + 1) * sizeof(*items));
	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (state->addrs[i].link == link->ifindex &&
			!(state->addrs[i].flags & NS_ADDR_GENERATED))
			items[n++] = state->addrs[i].prefix;
	free(list->items);
	list->items = items;
	list->n = n;
}

const struct ns_addr *ns_addr_lookup(const struct dp *dp, uint16_t ns, const struct ip_addr *addr)
{
	const struct ns_state *state = ns_state(dp);

	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (state->addrs[i].ns == ns &&
			ip_addr_is_equal(&state->addrs[i].prefix.addr, addr))
			return &state->addrs[i];
	return NULL;
}

const struct ns_addr *ns_addr_on_link(
	const struct dp *dp, uint16_t link, const struct ip_addr *addr)
{
	const struct ns_state *state = ns_state(dp);

	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (state->addrs[i].link == link &&
			ip_addr_is_equal(&state->addrs[i].prefix.addr, addr))
			return &state->addrs[i];
	return NULL;
}

static void ns_changed(struct dp *dp, const struct link *link)
{
	ns_publish_own(dp, link->ns);
	ns_own6_publish(dp, link->ns);
	ns_source4_publish(dp);
	ns_update_conf(dp, link);
}

void ns_addr_set_dad(struct dp *dp, uint16_t link, const struct ip_addr *addr, uint8_t flags)
{
	struct ns_state *state = ns_state(dp);
	const struct ns_addr *found = ns_addr_on_link(dp, link, addr);
	struct ns_addr gone;

	if (found == NULL)
		return;
	RTE_ASSERT((flags & ~NS_ADDR_UNUSABLE) == 0);
	gone = *found;
	state->addrs[found - state->addrs].flags =
		(uint8_t)((found->flags & ~NS_ADDR_UNUSABLE) | flags);
	ns_own6_publish(dp, gone.ns);
	if ((flags & NS_ADDR_DADFAILED) && !(gone.flags & NS_ADDR_DADFAILED))
		dp_publish(dp, EVENT_ADDR_DELETED, &gone);
}

/* Is the address taken? A link-local one may be on other links as well. */
static bool ns_addr_is_taken(
	const struct dp *dp, const struct link *link, const struct ip_addr *addr)
{
	if (addr->family == AF_INET6 && ip6_is_link_local(addr->bytes))
		return ns_addr_on_link(dp, link->ifindex, addr) != NULL;
	return ns_addr_lookup(dp, link->ns, addr) != NULL;
}

int ns_addr_insert(struct dp *dp, struct link *link, const struct ip_prefix *prefix, uint8_t flags)
{
	struct ns_state *state = ns_state(dp);
	struct ns_addr *addr;

	if (ns_addr_is_taken(dp, link, &prefix->addr))
		return -EEXIST;
	if (prefix->addr.family == AF_INET6 && state->addrconf.dad_transmits > 0)
		flags |= NS_ADDR_TENTATIVE;
	state->addrs = mem_realloc(state->addrs, state->n_addrs + 1, sizeof(*state->addrs));
	addr = &state->addrs[state->n_addrs++];
	*addr = (struct ns_addr){
		.prefix = *prefix,
		.link = link->ifindex,
		.ns = link->ns,
		.broadcast_be = ns_prefix_broadcast4(prefix),
		.flags = flags,
	};
	ns_changed(dp, link);
	dp_publish(dp, EVENT_ADDR_NEW, addr);
	return 0;
}

int ns_addr_add(struct dp *dp, struct link *link, const struct ip_prefix *prefix)
{
	return ns_addr_insert(dp, link, prefix, 0);
}

int ns_addr_del(struct dp *dp, struct link *link, const struct ip_prefix *prefix)
{
	struct ns_state *state = ns_state(dp);
	struct ns_addr gone;
	unsigned int i;

	for (i = 0; i < state->n_addrs; i++) {
		const struct ns_addr *addr = &state->addrs[i];

		if (addr->link == link->ifindex && addr->prefix.len == prefix->len &&
			ip_addr_is_equal(&addr->prefix.addr, &prefix->addr))
			break;
	}
	if (i == state->n_addrs)
		return -EADDRNOTAVAIL;
	gone = state->addrs[i];
	memmove(&state->addrs[i], &state->addrs[i + 1],
		(--state->n_addrs - i) * sizeof(*state->addrs));
	ns_changed(dp, link);
	/* Of a duplicate one that was said when it was found out. */
	if (!(gone.flags & NS_ADDR_DADFAILED))
		dp_publish(dp, EVENT_ADDR_DELETED, &gone);
	return 0;
}

void ns_addr_each_kept(const struct dp *dp, uint16_t link,
	void (*fn)(const struct ns_addr *, void *ctx), void *ctx)
{
	const struct ns_state *state = ns_state(dp);

	for (unsigned int i = 0; i < state->n_addrs; i++)
		if (link == 0 || state->addrs[i].link == link)
			fn(&state->addrs[i], ctx);
}

void ns_addr_each(const struct dp *dp, uint16_t link, void (*fn)(const struct ns_addr *, void *ctx),
	void *ctx)
{
	const struct ns_state *state = ns_state(dp);

	for (unsigned int i = 0; i < state->n_addrs; i++)
		if ((link == 0 || state->addrs[i].link == link) &&
			!(state->addrs[i].flags & NS_ADDR_DADFAILED))
			fn(&state->addrs[i], ctx);
}

/* How well an address suits as the source of packets out of a link to dst; 0: not at all. */
static unsigned int source_rank(
	const struct ns_addr *addr, uint16_t ns, uint16_t link, const struct ip_addr *dst)
{
	if (addr->ns != ns || addr->prefix.addr.family != dst->family)
		return 0;
	if (addr->link != link)
		return 1;
	return ip_prefix_contains(&addr->prefix, dst) ? 3 : 2;
}

bool ns_addr_select(const struct dp *dp, uint16_t ns, uint16_t link, const struct ip_addr *dst,
	struct ip_addr *out)
{
	const struct ns_state *state = ns_state(dp);
	unsigned int best = 0;

	if (dst->family == AF_INET6) {
		*out = (struct ip_addr){ .family = AF_INET6 };
		return ns_own6_select(state->own6[ns], link, dst->bytes, out->bytes);
	}
	for (unsigned int i = 0; i < state->n_addrs; i++) {
		unsigned int rank = source_rank(&state->addrs[i], ns, link, dst);

		if (rank > best) {
			best = rank;
			*out = state->addrs[i].prefix.addr;
		}
	}
	return best > 0;
}

/* Takes over what the configuration gave a new link. */
static void ns_link_new(struct dp *dp, struct link *link)
{
	struct field_list *list = &ns_link_conf(link)->addresses;
	struct field_list configured = *list;
	const struct ip_prefix *prefixes = configured.items;

	*list = (struct field_list){ 0 };
	if (configured.n == 0)
		ns_source4_publish(dp);
	for (unsigned int i = 0; i < configured.n; i++)
		ns_addr_add(dp, link, &prefixes[i]);
	free(configured.items);
	ns_addrconf_link(dp, link, true);
}

static void ns_link_deleted(struct dp *dp, struct link *link)
{
	struct ns_state *state = ns_state(dp);
	unsigned int i = 0;

	while (i < state->n_addrs) {
		struct ip_prefix prefix = state->addrs[i].prefix;

		if (state->addrs[i].link != link->ifindex)
			i++;
		else
			ns_addr_del(dp, link, &prefix);
	}
}

static void ns_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	const struct link *link = subject;

	if (kind == EVENT_LINK_NEW)
		ns_link_new(dp, link_by_index(dp, link->ifindex));
	else if (kind == EVENT_LINK_CHANGED)
		ns_addrconf_link(dp, link_by_index(dp, link->ifindex), false);
	else if (kind == EVENT_LINK_DELETED)
		ns_link_deleted(dp, link_by_index(dp, link->ifindex));
}

static int ns_init(struct dp *dp)
{
	/* Workers always find a table, also before the first address. */
	for (unsigned int i = 0; i < NS_MAX; i++) {
		ns_publish_own(dp, (uint16_t)i);
		ns_own6_publish(dp, (uint16_t)i);
	}
	ns_source4_publish(dp);
	return 0;
}

static void ns_fini(struct dp *dp)
{
	struct ns_state *state = ns_state(dp);

	for (unsigned int i = 0; i < NS_MAX; i++) {
		free(state->own4[i]);
		free(state->own6[i]);
	}
	free(state->source4);
	free(state->addrs);
}

static void ns_extend(void)
{
	object_extend(&link_object, &ns_link_ext);
}

struct module ns_module = {
	.name = "ns",
	.sections = ns_sections,
	.commands = ns_commands,
	.sysctls = ns_sysctls,
	.state_size = sizeof(struct ns_state),
	.extend = ns_extend,
	.init = ns_init,
	.fini = ns_fini,
	.event = ns_event,
};
