/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The tables of virtual reassembly. See fragments.h. Called by flow_fragment_stage.c on the worker
 * that owns them; no lock, and no memory but the tables' own.
 *
 * A datagram is forgotten when all its bytes have come, so that its identification may be used again,
 * or when its time is over. One that is refused stays until then, so that what comes of it later is
 * refused as well. The first fragment that comes decides about the ports: another one with the same
 * bytes is a duplicate, whatever it says.
 */
#include "flow/fragments.h"

static void fragments_init_family(
	struct flow_fragment_family *family, uint32_t n_segs_max, uint32_t seed)
{
	reassembly_init(&family->table, family->datagrams, FLOW_FRAGMENT_DATAGRAMS, seed);
	family->table.n_segs_max = n_segs_max;
}

void flow_fragments_init(struct flow_fragments *fragments, uint32_t n_segs_max, uint32_t seed)
{
	fragments_init_family(&fragments->ip4, n_segs_max, seed);
	fragments_init_family(&fragments->ip6, n_segs_max, seed);
}

static struct flow_datagram *fragments_flow(
	struct flow_fragment_family *family, const struct reassembly_datagram *datagram)
{
	return &family->flows[datagram - family->datagrams];
}

/* What has gone on cannot be taken back, but the datagram will not be whole. */
static void fragments_refuse(struct flow_fragment_family *family,
	struct reassembly_datagram *datagram, struct flow_fragment_out *out)
{
	fragments_flow(family, datagram)->is_refused = true;
	out->n = reassembly_take(&family->table, datagram, out->pkts);
}

/* It is one more of its datagram, and may go on if the ports are known. */
static enum flow_fragment_verdict fragments_pass(struct flow_fragment_family *family,
	struct reassembly_datagram *datagram, const struct flow_fragment *fragment, uint64_t pass,
	struct flow_fragment_out *out)
{
	struct flow_datagram *flow = fragments_flow(family, datagram);
	enum flow_fragment_verdict verdict = FLOW_FRAGMENT_PASS;

	if (fragment->first == 0) {
		*flow = (struct flow_datagram){ .pass = pass,
			.ports_be = fragment->ports_be,
			.proto = fragment->proto,
			.has_ports = true };
		out->n = reassembly_take(&family->table, datagram, out->pkts);
	} else if (!flow->has_ports) {
		return FLOW_FRAGMENT_HELD;
	} else if (flow->pass == pass) {
		verdict = FLOW_FRAGMENT_AFTER;
	}
	out->ports_be = flow->ports_be;
	out->proto = flow->proto;
	return verdict;
}

enum flow_fragment_verdict flow_fragments_add(struct flow_fragments *fragments,
	const struct flow_fragment *fragment, uint64_t now, uint64_t pass,
	struct flow_fragment_out *out)
{
	struct flow_fragment_family *family =
		fragment->key.family == AF_INET6 ? &fragments->ip6 : &fragments->ip4;
	struct reassembly_datagram *datagram = reassembly_get(&family->table, &fragment->key, now);
	struct reassembly_piece piece = { .first = fragment->first, .end = fragment->end };
	enum flow_fragment_verdict verdict;
	enum reassembly_verdict added;
	struct flow_datagram *flow;

	out->n = 0;
	if (datagram == NULL)
		return FLOW_FRAGMENT_FULL;
	flow = fragments_flow(family, datagram);
	if (datagram->n == 0)
		*flow = (struct flow_datagram){ .has_ports = false };
	if (flow->is_refused)
		return FLOW_FRAGMENT_REFUSED;
	if (fragment->first != 0 && !flow->has_ports)
		piece.m = fragment->m;
	added = reassembly_add(&family->table, datagram, &piece, fragment->is_last);
	switch (added) {
	case REASSEMBLY_WAIT:
	case REASSEMBLY_DONE:
		break;
	case REASSEMBLY_DUPLICATE:
		return FLOW_FRAGMENT_DUPLICATE;
	case REASSEMBLY_FULL:
		return FLOW_FRAGMENT_FULL;
	case REASSEMBLY_OVERLAP:
		fragments_refuse(family, datagram, out);
		return FLOW_FRAGMENT_OVERLAP;
	case REASSEMBLY_TOO_MANY:
		fragments_refuse(family, datagram, out);
		return FLOW_FRAGMENT_TOO_MANY;
	}
	verdict = fragments_pass(family, datagram, fragment, pass, out);
	if (added == REASSEMBLY_DONE)
		reassembly_release(&family->table, datagram);
	return verdict;
}

bool flow_fragments_expire(struct flow_fragment_family *family, uint64_t now, uint64_t life,
	struct flow_fragment_out *out)
{
	struct reassembly_datagram *datagram = reassembly_oldest(&family->table);

	if (datagram == NULL || now - datagram->born < life)
		return false;
	out->n = reassembly_take(&family->table, datagram, out->pkts);
	reassembly_release(&family->table, datagram);
	return true;
}
