/* SPDX-License-Identifier: BSD-3-Clause */

/* Which address of our own a masqueraded or redirected connection gets: lib/ns chooses. Worker. */
#include "nat/nat_priv.h"

bool nat_own_select(const struct worker *w, const struct nat_worker *nw, const struct flow_first *f,
	uint16_t link, const union flow_addr *peer, union flow_addr *out)
{
	*out = (union flow_addr){ 0 };
	if (f->family == AF_INET) {
		out->v4_be = ns_source4_select(w->dp, link, peer->v4_be);
		return out->v4_be != 0;
	}
	/* Beyond its link nobody could answer a link-local address. */
	return ns_own6_select(nw->own6[f->ns], link, peer->bytes, out->bytes) &&
	       (ip6_is_link_local(peer->bytes) || !ip6_is_link_local(out->bytes));
}

bool nat_own_is_on_link(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, uint16_t link, const union flow_addr *addr)
{
	const struct ns_own6_row *row;

	if (f->family == AF_INET)
		return ns_source4_has(w->dp, link, addr->v4_be);
	row = ns_own6_find(nw->own6[f->ns], addr->bytes, link);
	return row != NULL && row->link == link && !(row->flags & NS_ADDR_UNUSABLE);
}
