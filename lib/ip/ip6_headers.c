/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the extension headers of an IPv6 packet to us say (RFC 8200 4, RFC 5095): asked by ip6_local about
 * all of them, by ip6_reassemble about those in front of a fragment header. Run by the owning worker on
 * headers whose lengths parse has checked.
 */
#include "ip/ip_priv.h"

enum { OPTION_PAD1 = 0, OPTION_PADN = 1 };

static const uint8_t *headers_at(const struct pkt_meta *meta, uint32_t at)
{
	return (const uint8_t *)meta->l3 + at;
}

static enum ip6_headers_verdict headers_drop(struct pkt_meta *meta, enum ip_drop reason)
{
	(void)ip_drop(meta, reason);
	return IP6_HEADERS_DROP;
}

/* Offsets in here count from the IPv6 header, as the pointer of a parameter problem does. */
static enum ip6_headers_verdict headers_problem(
	struct pkt_meta *meta, uint8_t code, uint32_t at, enum ip_drop reason)
{
	ip6_set_error(meta, ICMP6_PARAM_PROB, code, at, reason);
	return IP6_HEADERS_ERROR;
}

/* RFC 8200 4.2: the two high bits of the type of an option that we do not know say what to do. */
static enum ip6_headers_verdict headers_unknown_option(struct pkt_meta *meta, uint32_t at)
{
	const struct rte_ipv6_hdr *ip = meta->l3;

	switch (*headers_at(meta, at) >> 6) {
	case 0: /* skip */
		return IP6_HEADERS_PASS;
	case 1: /* discard silently */
		return headers_drop(meta, IP6_DROP_UNKNOWN_OPTION);
	case 3: /* discard, and tell unless it came to a group */
		if (ip6_is_multicast(ip->dst_addr))
			return headers_drop(meta, IP6_DROP_UNKNOWN_OPTION);
		break;
	}
	return headers_problem(meta, ICMP6_PARAMPROB_OPTION, at, IP6_DROP_UNKNOWN_OPTION);
}

/* The options of a hop-by-hop or destination options header that ends at `end`. */
static enum ip6_headers_verdict headers_options(struct pkt_meta *meta, uint32_t at, uint32_t end)
{
	enum ip6_headers_verdict verdict = IP6_HEADERS_PASS;

	while (at < end && verdict == IP6_HEADERS_PASS) {
		const uint8_t *option = headers_at(meta, at);

		if (option[0] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < option[1])
			return headers_drop(meta, IP6_DROP_BAD_OPTIONS);
		if (option[0] != OPTION_PADN)
			verdict = headers_unknown_option(meta, at);
		at += 2u + option[1];
	}
	return verdict;
}

/* One extension header, of len bytes. */
static enum ip6_headers_verdict headers_one(
	struct pkt_meta *meta, uint8_t proto, uint32_t at, uint32_t len)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_DSTOPTS:
		return headers_options(meta, at + 2, at + len);
	case IPPROTO_ROUTING:
		/* RFC 8200 4.4: no type is known here, type 0 is not to be (RFC 5095). */
		if (headers_at(meta, at)[3] != 0)
			return headers_problem(
				meta, ICMP6_PARAMPROB_HEADER, at + 2, IP6_DROP_ROUTING_HEADER);
		return IP6_HEADERS_PASS;
	default:
		return IP6_HEADERS_PASS;
	}
}

/* RFC 4862 5.4: to whom it belongs is not known yet. */
static bool headers_are_to_tentative(
	const struct ip_worker *ip_worker, const struct pkt_meta *meta, const uint8_t *dst)
{
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	const struct ns_own6 *own = __atomic_load_n(&ip_worker->own6[meta->ns], __ATOMIC_RELAXED);
	const struct ns_own6_row *row = ns_own6_find(own, dst, meta->in_link);

	return row != NULL && (row->flags & NS_ADDR_TENTATIVE);
}

enum ip6_headers_verdict ip6_headers_check(const struct ip_worker *ip_worker, struct pkt_meta *meta,
	uint32_t end, struct ip6_headers *headers)
{
	enum ip6_headers_verdict verdict = IP6_HEADERS_PASS;
	const struct rte_ipv6_hdr *ip = meta->l3;
	uint32_t at = sizeof(*ip);
	uint8_t proto = ip->proto;

	*headers = (struct ip6_headers){ .next_header = offsetof(struct rte_ipv6_hdr, proto) };
	if (headers_are_to_tentative(ip_worker, meta, ip->dst_addr))
		return headers_drop(meta, IP6_DROP_TENTATIVE);
	while (at < end && verdict == IP6_HEADERS_PASS) {
		const uint8_t *ext = headers_at(meta, at);
		uint32_t len = parse_ip6_ext_len(proto, ext);

		verdict = headers_one(meta, proto, at, len);
		headers->has_fragment |= proto == IPPROTO_FRAGMENT;
		headers->next_header = at;
		proto = ext[0];
		at += len;
	}
	return verdict;
}
