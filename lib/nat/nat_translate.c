/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a connection is translated to. Called by the stages of lib/nat, on the worker, for first packets
 * and for connections that are judged anew; everything is decided from the flow_first, the rule and the
 * worker's own table of connections.
 *
 * Destinations need nothing but the rule. A source is translated so that nobody else in this table has
 * the resulting reply tuple, and so that replies come to this worker: then nobody else at all has
 * it. That holds also where no rule says anything about the source (Linux's null binding): two
 * connections whose destinations became the same would be one to their replies, so the later one
 * gets another port. With several workers a translated destination alone may send replies to another worker;
 * then the source port is changed as well, for there is no other way to bring them back.
 *
 * Steering goes by ports for TCP and UDP only. ICMP queries have identifiers in place of ports; each worker has a
 * range of them (flow_icmp_worker()). What has neither keeps what it has, or is refused when that is not
 * enough to tell it apart.
 *
 * First packets of one pass do not see each other in the table yet. What the pass has given away is
 * kept in taken[], as hashes, by linear probing: what other passes have left there counts as empty.
 */
#include "nat/nat_addr.h"
#include "nat/nat_priv.h"

struct source {
	struct worker *w;
	struct nat_worker *nw;
	const struct flow_first *f;
	uint64_t orig_hash;
};

static uint64_t addr_hash(const struct nat_worker *nw, const struct flow_first *f, uint64_t more)
{
	const union flow_addr *src = &f->orig.src;

	return hash_two(&nw->state->seed, src->words[0] ^ f->ns, src->words[1] ^ more << 16);
}

/* The inside endpoint: address, port and protocol. */
static uint64_t endpoint_hash(const struct nat_worker *nw, const struct flow_first *f)
{
	return addr_hash(nw, f, (uint64_t)f->orig.sport_be << 8 | f->proto);
}

static uint64_t tuple_hash(
	const struct nat_worker *nw, const struct flow_first *f, const struct flow_tuple *tuple)
{
	const struct hash_seed *seed = &nw->state->seed;
	uint64_t hash = hash_two(seed, tuple->src.words[0], tuple->src.words[1]);

	hash = hash_two(seed, hash ^ tuple->dst.words[0], tuple->dst.words[1]);
	return hash_two(seed, hash,
		(uint64_t)tuple->sport_be << 48 | (uint64_t)tuple->dport_be << 32 |
			(uint64_t)f->ns << 8 | f->proto);
}

/* Is the rule about this packet's family? */
static bool rule_applies(const struct firewall_nat *nat, const struct flow_first *f)
{
	return nat != NULL && (nat->family == 0 || nat->family == f->family);
}

static bool is_port_allowed(const struct firewall_nat *nat, uint16_t port_be)
{
	uint16_t port = rte_be_to_cpu_16(port_be);

	return port >= nat->port_min && port <= nat->port_max;
}

/* Are ports translated? SCTP's are not: its checksum (CRC32c) is over the whole packet. */
static bool has_ports(uint8_t proto)
{
	return parse_has_ports(proto) && proto != IPPROTO_SCTP;
}

/* Destination */

static bool destination_address(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, const struct firewall_nat *nat, union flow_addr *out)
{
	/* A packet made here comes in by no link: then the one that it would have left by. */
	uint16_t link = f->in_link != 0 ? f->in_link : f->out_link;

	*out = f->orig.dst;
	if (nat->kind == NAT_REDIRECT)
		return nat_own_select(w, nw, f, link, &f->orig.src, out);
	if (nat->family != 0)
		*out = nat_addr_pick(nat, &f->orig.dst, addr_hash(nw, f, 0));
	return true;
}

/* The one it has if the rule allows that, else one by the inside endpoint. No division. */
static uint16_t destination_port(
	const struct nat_worker *nw, const struct flow_first *f, const struct firewall_nat *nat)
{
	uint32_t n = (uint32_t)nat->port_max - nat->port_min + 1;

	if (!nat->has_ports || !has_ports(f->proto) || is_port_allowed(nat, f->orig.dport_be))
		return f->orig.dport_be;
	return rte_cpu_to_be_16(
		(uint16_t)(nat->port_min + ((endpoint_hash(nw, f) >> 32) * n >> 32)));
}

/* May the connection keep the destination that it has? */
static bool is_destination_allowed(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, const struct firewall_nat *nat)
{
	const struct flow_tuple *orig = &f->orig, *reply = &f->now;
	uint16_t link = f->in_link != 0 ? f->in_link : f->out_link;

	if (nat != NULL && nat->kind == NAT_REDIRECT) {
		if (!nat_own_is_on_link(w, nw, f, link, &reply->src))
			return false;
	} else if (nat != NULL && nat->family != 0) {
		if (!nat_addr_allows(nat, &orig->dst, &reply->src))
			return false;
	} else if (!nat_addr_is_equal(&orig->dst, &reply->src)) {
		return false;
	}
	if (!has_ports(f->proto))
		return true;
	return nat != NULL && nat->has_ports ? is_port_allowed(nat, reply->sport_be)
					     : reply->sport_be == orig->dport_be;
}

enum nat_drop nat_translate_destination(struct worker *w, struct nat_worker *nw,
	struct flow_first *f, const struct firewall_nat *nat)
{
	nat = rule_applies(nat, f) ? nat : NULL;
	if (f->is_again) {
		if (!is_destination_allowed(w, nw, f, nat))
			return NAT_DROP_MAPPING_GONE;
		f->reply.src = f->now.src;
		f->reply.sport_be = f->now.sport_be;
	} else if (nat != NULL) {
		if (!destination_address(w, nw, f, nat, &f->reply.src))
			return NAT_DROP_NO_ADDRESS;
		if (has_ports(f->proto))
			f->reply.sport_be = destination_port(nw, f, nat);
	}
	f->status &= (uint16_t)~FLOW_DST_NAT;
	if (!nat_addr_is_equal(&f->reply.src, &f->orig.dst) ||
		(has_ports(f->proto) && f->reply.sport_be != f->orig.dport_be))
		f->status |= FLOW_DST_NAT;
	return NAT_N_DROPS;
}

/* Source */

/* What of the reply tells connections with the same addresses apart; of ICMP the identifier. */
static uint16_t *port_of(uint8_t proto, struct flow_tuple *reply)
{
	return flow_is_icmp(proto) ? &reply->sport_be : &reply->dport_be;
}

static bool has_port(uint8_t proto)
{
	return has_ports(proto) || flow_is_icmp(proto);
}

static bool is_tuple_free(const struct source *s, const struct flow_tuple *reply)
{
	const struct flow_first *f = s->f;
	uint64_t hash = tuple_hash(s->nw, f, reply), i = hash;
	const struct nat_taken *taken = &s->nw->taken[i % NAT_TAKEN];

	for (; taken->pass == s->w->n_passes; taken = &s->nw->taken[++i % NAT_TAKEN])
		if (taken->reply == hash && taken->orig != s->orig_hash)
			return false;
	return !flow_tuple_is_used(s->w, f->family, f->ns, f->proto, reply);
}

static void tuple_take(const struct source *s)
{
	uint64_t hash = tuple_hash(s->nw, s->f, &s->f->reply), i = hash;

	static_assert((int)NAT_TAKEN > (int)LANE_SIZE, "there is always an empty one");
	while (s->nw->taken[i % NAT_TAKEN].pass == s->w->n_passes)
		i++;
	s->nw->taken[i % NAT_TAKEN] =
		(struct nat_taken){ .reply = hash, .orig = s->orig_hash, .pass = s->w->n_passes };
}

static bool source_is_free(const void *ctx, uint16_t port)
{
	const struct source *s = ctx;
	struct flow_tuple reply = s->f->reply;

	*port_of(s->f->proto, &reply) = rte_cpu_to_be_16(port);
	return is_tuple_free(s, &reply);
}

static bool source_is_mine(const void *ctx, unsigned int bucket)
{
	const struct source *s = ctx;

	return flow_bucket_is_mine(s->w, bucket);
}

/* The identifiers that this worker may give away: answers are told apart by them. */
static struct nat_port_range icmp_range(const struct worker *w)
{
	unsigned int n = w->dp->n_workers;

	return (struct nat_port_range){
		.min = (uint16_t)flow_icmp_first_id(w->id, n),
		.max = (uint16_t)(flow_icmp_first_id(w->id + 1u, n) - 1),
	};
}

static struct nat_port_range source_range(
	const struct worker *w, const struct flow_first *f, const struct firewall_nat *nat)
{
	if (flow_is_icmp(f->proto))
		return icmp_range(w);
	if (nat != NULL && nat->has_ports)
		return (struct nat_port_range){ nat->port_min, nat->port_max };
	return nat_port_class(rte_be_to_cpu_16(f->orig.sport_be));
}

/* Do its ports decide which worker the replies come to? */
static bool is_steered(const struct worker *w, uint8_t proto)
{
	return w->dp->n_workers > 1 && (proto == IPPROTO_TCP || proto == IPPROTO_UDP);
}

/* Were more than half of those in use that could be asked for? */
static bool is_short(const struct nat_port_choice *choice, unsigned int n_used)
{
	unsigned int n = (unsigned int)choice->range.max - choice->range.min + 1;

	return n_used > RTE_MIN(n, (unsigned int)NAT_PORT_TRIES) / 2;
}

/*
 * With a power of two of workers what brings the answers of one peer to the right worker does so for all:
 * a bucket's worker is its lowest bits (steer_init()), and both its own and that of the answers have
 * the peer in them. So an endpoint can keep its port then; else that must be asked for.
 */
static enum nat_drop source_port(
	struct source *s, struct flow_first *f, const struct firewall_nat *nat)
{
	struct flow_tuple portless = f->reply;
	struct nat_port_choice choice = {
		.mapped = rte_be_to_cpu_16(nat_mapped_port(s->nw, f)),
		.original = rte_be_to_cpu_16(f->orig.sport_be),
		.range = source_range(s->w, f, nat),
		.has_parity = f->proto == IPPROTO_UDP || f->proto == IPPROTO_UDPLITE,
		.suits_all_peers = nat != NULL && !rte_is_power_of_2(s->w->dp->n_workers),
		.start = endpoint_hash(s->nw, f),
		.is_mine = source_is_mine,
		.is_free = source_is_free,
		.ctx = s,
	};
	unsigned int n_used;
	uint16_t port;
	bool is_found;

	if (is_steered(s->w, f->proto)) {
		portless.dport_be = 0;
		choice.buckets = &s->nw->state->buckets;
		choice.rest = (uint8_t)flow_bucket(s->w, f->proto, &portless);
		choice.wanted = (uint8_t)flow_bucket(s->w, f->proto, &f->orig);
	}
	is_found = nat_port_choose(&choice, &port, &n_used);
	if (is_short(&choice, n_used) || !is_found)
		nat_tell_short(s->w, s->nw, f, !is_found);
	if (!is_found)
		return NAT_DROP_NO_PORT;
	*port_of(f->proto, &f->reply) = rte_cpu_to_be_16(port);
	if (n_used > 0 && port != choice.original && !f->is_explained)
		nat_mapped_keep(s->nw, f);
	tuple_take(s);
	return NAT_N_DROPS;
}

/*
 * Of the addresses of the link one that suits the next hop, as Linux has it. Scope matters more to IPv6,
 * where routers mostly have link-local addresses: there the destination decides (RFC 6724).
 */
static bool masquerade_address(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, union flow_addr *out)
{
	union flow_addr peer = f->reply.src;

	if (f->family == AF_INET)
		peer.v4_be = adj_peer4(&nw->adjs[f->adj], peer.v4_be);
	return nat_own_select(w, nw, f, f->out_link, &peer, out);
}

static enum nat_drop source_new(struct worker *w, struct nat_worker *nw, struct flow_first *f,
	const struct firewall_nat *nat)
{
	struct source s = { .w = w, .nw = nw, .f = f, .orig_hash = tuple_hash(nw, f, &f->orig) };

	if (nat != NULL && nat->kind == NAT_MASQUERADE) {
		if (!masquerade_address(w, nw, f, &f->reply.dst))
			return NAT_DROP_NO_ADDRESS;
	} else if (nat != NULL && nat->family != 0) {
		f->reply.dst = nat_addr_pick(nat, &f->orig.src, addr_hash(nw, f, 0));
	}
	if (nat == NULL && !(f->status & FLOW_DST_NAT) && is_tuple_free(&s, &f->reply))
		return NAT_N_DROPS;
	/* Only who gets the answers can tell whether they would be mixed up. */
	if (w->dp->n_workers > 1 && !is_steered(w, f->proto) && !flow_is_icmp(f->proto) &&
		!flow_bucket_is_mine(w, flow_bucket(w, f->proto, &f->reply)))
		return NAT_DROP_CLASH;
	if (has_port(f->proto))
		return source_port(&s, f, nat);
	if (!is_tuple_free(&s, &f->reply))
		return NAT_DROP_CLASH;
	tuple_take(&s);
	return NAT_N_DROPS;
}

/* May the connection keep the source that it has? Any port will do where the rule names none. */
static bool is_source_allowed(const struct worker *w, const struct nat_worker *nw,
	const struct flow_first *f, const struct firewall_nat *nat)
{
	const union flow_addr *old = &f->orig.src, *now = &f->now.dst;

	if (nat != NULL && nat->kind == NAT_MASQUERADE) {
		if (!nat_own_is_on_link(w, nw, f, f->out_link, now))
			return false;
	} else if (nat != NULL && nat->family != 0) {
		if (!nat_addr_allows(nat, old, now))
			return false;
	} else if (!nat_addr_is_equal(old, now)) {
		return false;
	}
	return nat == NULL || !nat->has_ports || !has_ports(f->proto) ||
	       is_port_allowed(nat, f->now.dport_be);
}

static enum nat_drop source_again(const struct worker *w, const struct nat_worker *nw,
	struct flow_first *f, const struct firewall_nat *nat)
{
	if (!is_source_allowed(w, nw, f, nat))
		return NAT_DROP_MAPPING_GONE;
	f->reply.dst = f->now.dst;
	*port_of(f->proto, &f->reply) = *port_of(f->proto, &f->now);
	return NAT_N_DROPS;
}

enum nat_drop nat_translate_source(struct worker *w, struct nat_worker *nw, struct flow_first *f,
	const struct firewall_nat *nat)
{
	enum nat_drop drop;

	nat = rule_applies(nat, f) ? nat : NULL;
	drop = f->is_again ? source_again(w, nw, f, nat) : source_new(w, nw, f, nat);
	f->status &= (uint16_t)~FLOW_SRC_NAT;
	if (!nat_addr_is_equal(&f->reply.dst, &f->orig.src) ||
		(has_port(f->proto) && nat_source_port_be(f->proto, &f->reply) != f->orig.sport_be))
		f->status |= FLOW_SRC_NAT;
	return drop;
}
