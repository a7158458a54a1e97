/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which address of our own a masqueraded or redirected connection gets. IPv6 asks lib/ns. For IPv4 the
 * addresses of links are published here once more, by link: lib/ns has for workers only the first of
 * each. The control thread makes a new table whenever an address comes or goes; a worker's is
 * valid until the end of its pass.
 */
#include "base/mem.h"
#include "nat/nat_priv.h"

static void own_free(void *ptr, uint64_t arg)
{
	free(ptr);
}

static uint32_t mask_of(uint8_t len)
{
	return len == 0 ? 0 : rte_cpu_to_be_32(UINT32_MAX << (32 - len));
}

static void own_count(const struct ns_addr *addr, void *ctx)
{
	struct nat_own4 *own = ctx;

	if (addr->prefix.addr.family == AF_INET)
		own->first[addr->link + 1]++;
}

/* first[] of a link is where its next row goes. */
static void own_fill(const struct ns_addr *addr, void *ctx)
{
	struct nat_own4 *own = ctx;

	if (addr->prefix.addr.family == AF_INET)
		own->rows[own->first[addr->link]++] =
			(struct nat_own4_row){ .addr_be = addr->prefix.addr.v4_be,
				.mask_be = mask_of(addr->prefix.len) };
}

void nat_own_publish(struct dp *dp, struct nat_state *state)
{
	struct nat_own4 *old = state->own4, *own, counts = { 0 };

	ns_addr_each(dp, 0, own_count, &counts);
	for (unsigned int i = 0; i < LINK_MAX; i++)
		counts.first[i + 1] += counts.first[i];
	own = mem_zalloc(sizeof(*own) + counts.first[LINK_MAX] * sizeof(own->rows[0]));
	memcpy(own->first, counts.first, sizeof(own->first));
	ns_addr_each(dp, 0, own_fill, own);
	memcpy(own->first, counts.first, sizeof(own->first));
	/* Pairs with own4_table(). */
	__atomic_store_n(&state->own4, own, __ATOMIC_RELEASE);
	if (old != NULL)
		dp_retire(dp, own_free, old, 0);
}

static const struct nat_own4 *own4_table(const struct nat_worker *nw)
{
	return __atomic_load_n(&nw->state->own4, __ATOMIC_ACQUIRE);
}

/* One in whose network the peer is, else the first. 0: the link has none. */
static uint32_t own4_select(const struct nat_own4 *own, uint16_t link, uint32_t peer_be)
{
	uint32_t first = own->first[link], end = own->first[link + 1];

	for (uint32_t i = first; i < end; i++)
		if (((own->rows[i].addr_be ^ peer_be) & own->rows[i].mask_be) == 0)
			return own->rows[i].addr_be;
	return first < end ? own->rows[first].addr_be : 0;
}

bool nat_own_select(const struct worker *w, const struct nat_worker *nw, const struct flow_first *f,
	uint16_t link, const union flow_addr *peer, union flow_addr *out)
{
	*out = (union flow_addr){ 0 };
	if (f->family == AF_INET) {
		out->v4_be = own4_select(own4_table(nw), link, peer->v4_be);
		if (out->v4_be == 0)
			out->v4_be = ns_link_source4(w->dp, link);
		return out->v4_be != 0;
	}
	/* Beyond its link nobody could answer a link-local address. */
	return ns_own6_select(nw->own6[f->ns], link, peer->bytes, out->bytes) &&
	       (ip6_is_link_local(peer->bytes) || !ip6_is_link_local(out->bytes));
}

bool nat_own_is_on_link(const struct nat_worker *nw, const struct flow_first *f, uint16_t link,
	const union flow_addr *addr)
{
	const struct nat_own4 *own = own4_table(nw);
	const struct ns_own6_row *row;

	if (f->family == AF_INET6) {
		row = ns_own6_find(nw->own6[f->ns], addr->bytes, link);
		return row != NULL && row->link == link && !(row->flags & NS_ADDR_UNUSABLE);
	}
	for (uint32_t i = own->first[link]; i < own->first[link + 1]; i++)
		if (own->rows[i].addr_be == addr->v4_be)
			return true;
	return false;
}
