/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stage "nd_input" (RFC 4861): ip6_local sends it every ICMPv6 message of Neighbour Discovery to
 * us or to a group of ours, its checksum checked. Runs on workers; reads the published table of our
 * addresses, writes only its worker's state.
 *
 * A solicitation for an address of the link is answered here at once, in its own buffer, so that
 * answers do not depend on the control thread. What a message says about its sender or target goes
 * to the control thread by mail, which decides what is learned (nd.c). The answer goes to the
 * link-layer address that the solicitation gives, or else to the one that the frame came from.
 *
 * weir is a router: solicitations of hosts for routers are not answered yet, advertisements of other
 * routers and redirects are not for us (RFC 4861 6.2.7, 8.3).
 */
#include "neigh/nd_priv.h"

#include "dp/trace.h"
#include "net/parse.h"

enum { ND_EXIT_TX = 1 };

/* What a pass over the lane needs. */
struct nd_run {
	struct stage_node *node;
	const struct link_dp *links;
	struct ns_own6 *const *own6; /* by namespace, published pointers */
};

/* A checked solicitation or advertisement, out of its packet. */
struct nd_fields {
	uint8_t src[16], dst[16], target[16];
	struct mac_addr mac; /* of the option, else of the frame's source */
	uint8_t flags;	     /* of an advertisement: enum nd_flag */
	bool is_advert;
	bool has_lladdr; /* mac is of the option */
};

/*
 * Walks the options (RFC 4861 4.6) for the link-layer address. NEIGH_N_DROPS: all well. Options
 * that we do not know are passed over, one without length condemns the packet (7.1.1, 7.1.2).
 */
static enum neigh_drop nd_read_options(const uint8_t *options, uint32_t left, struct nd_fields *out)
{
	uint8_t wanted = out->is_advert ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR;

	while (left > 0) {
		uint32_t len = left < 8 ? 0 : 8u * options[1];

		if (len == 0 || len > left)
			return NEIGH_DROP_ND_BAD_OPTION;
		if (options[0] == wanted) {
			if (len != sizeof(struct nd_lladdr_option))
				return NEIGH_DROP_ND_BAD_OPTION;
			memcpy(&out->mac, options + 2, sizeof(out->mac));
			out->has_lladdr = true;
		}
		options += len;
		left -= len;
	}
	if ((out->mac.bytes[0] & 1) || mac_addr_is_zero(&out->mac))
		return NEIGH_DROP_ND_BAD_LLADDR;
	return NEIGH_N_DROPS;
}

/* RFC 4861 7.1.1, 7.1.2: what depends on source and destination. */
static enum neigh_drop nd_check_addresses(const struct nd_fields *nd)
{
	uint8_t group[16];

	if (ip6_is_multicast(nd->target))
		return NEIGH_DROP_ND_BAD_TARGET;
	if (nd->is_advert)
		return ip6_is_multicast(nd->dst) && (nd->flags & ND_SOLICITED)
			       ? NEIGH_DROP_ND_BAD_SOLICITED
			       : NEIGH_N_DROPS;
	if (!ip6_is_unspecified(nd->src))
		return NEIGH_N_DROPS;
	/* A probe: to the solicited-node group, and nothing in it that could be learned. */
	ns_solicited_node(nd->target, group);
	if (memcmp(nd->dst, group, sizeof(group)) != 0 || nd->has_lladdr)
		return NEIGH_DROP_ND_BAD_PROBE;
	return NEIGH_N_DROPS;
}

/* Reads and checks a solicitation or advertisement. */
static enum neigh_drop nd_read(
	struct rte_mbuf *m, const struct pkt_meta *meta, struct nd_fields *out)
{
	const struct rte_ipv6_hdr *ip = pkt_ip6(m, meta);
	uint32_t len = pkt_l4_len(meta);
	const struct nd_message *message;
	enum neigh_drop reason;

	if (len < sizeof(*message) || !parse_has(m, meta->l4_off + len))
		return NEIGH_DROP_ND_TRUNCATED;
	message = pkt_l4(m, meta);
	*out = (struct nd_fields){
		.is_advert = message->type == ND_NEIGHBOR_ADVERT,
		.flags = message->flags,
	};
	memcpy(out->src, ip->src_addr, sizeof(out->src));
	memcpy(out->dst, ip->dst_addr, sizeof(out->dst));
	memcpy(out->target, message->target, sizeof(out->target));
	memcpy(&out->mac, &pkt_ether(m)->src_addr, sizeof(out->mac));
	reason = nd_read_options(
		(const uint8_t *)(message + 1), len - (uint32_t)sizeof(*message), out);
	return reason != NEIGH_N_DROPS ? reason : nd_check_addresses(out);
}

static void nd_tell(struct worker *w, const struct pkt_meta *meta, const struct nd_fields *nd,
	const uint8_t *about, unsigned int flags)
{
	struct neigh_heard heard;

	memset(&heard, 0, sizeof(heard));
	heard.key.addr = ip_addr_v6(about);
	heard.key.link = meta->in_link;
	heard.key.ns = meta->ns;
	heard.mac = nd->mac;
	heard.flags = (uint8_t)(flags | (nd->has_lladdr ? ND_HEARD_LLADDR : 0));
	heard_tell(w, &heard, nd_mail_heard);
}

static unsigned int nd_consume(struct worker *w, struct rte_mbuf *m)
{
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

/* RFC 4861 7.2.4. The answer takes the solicitation's buffer, unless others still read that. */
static unsigned int nd_answer(struct worker *w, const struct nd_run *run, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct nd_fields *nd)
{
	struct nd_packet packet = {
		.type = ND_NEIGHBOR_ADVERT,
		.flags = ND_ROUTER | ND_OVERRIDE,
		.has_lladdr = true,
		.to = nd->mac,
	};
	uint16_t link = meta->in_link, ns = meta->ns;
	bool is_in_place = pkt_writable(m) && m->nb_segs == 1;
	struct rte_mbuf *reply = is_in_place ? m : rte_pktmbuf_alloc(w->pool);

	if (reply == NULL)
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ND_NO_BUFFER);
	w->stats.consumed++;
	w->stats.originated++;
	memcpy(&packet.from, &run->links[link].match, sizeof(packet.from));
	memcpy(packet.src, nd->target, sizeof(packet.src));
	memcpy(packet.target, nd->target, sizeof(packet.target));
	if (ip6_is_unspecified(nd->src)) {
		packet.dst[0] = 0xff; /* ff02::1, all nodes */
		packet.dst[1] = 0x02;
		packet.dst[15] = 1;
	} else {
		packet.flags |= ND_SOLICITED;
		memcpy(packet.dst, nd->src, sizeof(packet.dst));
	}
	if (is_in_place) {
		rte_pktmbuf_reset_headroom(m);
		nd_packet_make(m, &packet, link, ns);
		return ND_EXIT_TX;
	}
	pkt_meta(reply)->trace = 0;
	nd_packet_make(reply, &packet, link, ns);
	rte_pktmbuf_free(m);
	/* Not pushed: the loop keeps the end of that lane in a register. */
	worker_inject(w, w, reply, run->node->next[ND_EXIT_TX]->index);
	return STAGE_CONSUMED;
}

static unsigned int nd_solicitation(struct worker *w, const struct nd_run *run, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct nd_fields *nd, const struct ns_own6_row *own)
{
	bool is_probe = ip6_is_unspecified(nd->src);

	if (own == NULL || own->link != meta->in_link)
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ND_NOT_FOR_US);
	if (own->flags & NS_ADDR_TENTATIVE) {
		/* RFC 4862 5.4.3: who else probes for it means to use it; others wait. */
		if (is_probe)
			nd_tell(w, meta, nd, nd->target, ND_HEARD_CONFLICT);
		return pkt_drop(meta, &neigh_module,
			is_probe ? NEIGH_DROP_ND_CONFLICT : NEIGH_DROP_ND_TENTATIVE);
	}
	if (!is_probe)
		nd_tell(w, meta, nd, nd->src, 0);
	return nd_answer(w, run, m, meta, nd);
}

static unsigned int nd_advertisement(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta,
	const struct nd_fields *nd, const struct ns_own6_row *own)
{
	unsigned int flags = ND_HEARD_ADVERT;

	if (own != NULL && own->link == meta->in_link) {
		nd_tell(w, meta, nd, nd->target, ND_HEARD_CONFLICT);
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ND_CONFLICT);
	}
	if (nd->flags & ND_ROUTER)
		flags |= ND_HEARD_ROUTER;
	if (nd->flags & ND_SOLICITED)
		flags |= ND_HEARD_SOLICITED;
	if (nd->flags & ND_OVERRIDE)
		flags |= ND_HEARD_OVERRIDE;
	nd_tell(w, meta, nd, nd->target, flags);
	return nd_consume(w, m);
}

/* What all five messages have in common, and those that a router has no use for. */
static enum neigh_drop nd_check(struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_icmp_hdr *icmp = pkt_l4(m, meta);

	if (pkt_ip6(m, meta)->hop_limits != ND_HOP_LIMIT)
		return NEIGH_DROP_ND_BAD_HOP_LIMIT;
	if (icmp->icmp_code != 0)
		return NEIGH_DROP_ND_BAD_CODE;
	switch (icmp->icmp_type) {
	case ND_ROUTER_SOLICIT:
		return NEIGH_DROP_ND_ROUTER_SOLICITATION;
	case ND_ROUTER_ADVERT:
		return NEIGH_DROP_ND_ROUTER_ADVERTISEMENT;
	case ND_REDIRECT:
		return NEIGH_DROP_ND_REDIRECT;
	default:
		return NEIGH_N_DROPS;
	}
}

static unsigned int nd_pkt(struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct nd_run *run = ctx;
	uint64_t own_mac = run->links[meta->in_link].match;
	const struct ns_own6_row *target;
	const struct ns_own6 *own;
	struct nd_fields nd;
	enum neigh_drop reason = nd_check(m, meta);

	if (reason == NEIGH_N_DROPS)
		reason = nd_read(m, meta, &nd);
	/* RFC 7527: a probe of ours that a loop brought back is no sign of anybody else. */
	if (reason == NEIGH_N_DROPS &&
		memcmp(&pkt_ether(m)->src_addr, &own_mac, sizeof(struct mac_addr)) == 0)
		reason = NEIGH_DROP_ND_OWN;
	if (reason != NEIGH_N_DROPS)
		return pkt_drop(meta, &neigh_module, reason);
	/* Pairs with the release in lib/ns: the address dependency orders what it points to. */
	own = __atomic_load_n(&run->own6[meta->ns], __ATOMIC_RELAXED);
	if (!nd.is_advert && ns_own6_find(own, nd.src, meta->in_link) != NULL) {
		nd_tell(w, meta, &nd, nd.src, ND_HEARD_CONFLICT);
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ND_CONFLICT);
	}
	target = ns_own6_find(own, nd.target, meta->in_link);
	return nd.is_advert ? nd_advertisement(w, m, meta, &nd, target)
			    : nd_solicitation(w, run, m, meta, &nd, target);
}

static void nd_run(struct worker *w, struct stage_node *node)
{
	struct nd_run run = {
		.node = node,
		.links = link_dp_table(w->dp),
		.own6 = ns_own6_tables(w->dp),
	};

	stage_each(w, node, ND_EXIT_TX, nd_pkt, &run);
}

static void nd_format(const struct trace_record *record, char *buf, size_t size)
{
	uint32_t at = record->meta.l4_off;
	struct nd_message message;
	char text[IP_ADDR_TEXT_MAX];
	struct ip_addr target;

	if (at == 0 || record->bytes_len < at + sizeof(message)) {
		snprintf(buf, size, "%s", record->exit == STAGE_CONSUMED ? "noted" : "not in view");
		return;
	}
	memcpy(&message, record->bytes + at, sizeof(message));
	target = ip_addr_v6(message.target);
	snprintf(buf, size, "%s, target %s",
		record->exit == ND_EXIT_TX	      ? "answer"
		: message.type == ND_NEIGHBOR_SOLICIT ? "solicitation"
		: message.type == ND_NEIGHBOR_ADVERT  ? "advertisement"
						      : "of no use to a router",
		ip_addr_text(&target, text));
}

const struct stage nd_stage = {
	.name = "nd_input",
	.help = "checks neighbour discovery, answers for our addresses, tells what it heard",
	.run = nd_run,
	.exits = { [ND_EXIT_TX] = { "tx", "tx" } },
	.format = nd_format,
};
