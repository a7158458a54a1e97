/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages nat_dst and nat_src: between the hooks and what lib/flow does with their decisions. Run by the
 * worker for packets that walk the hooks. What becomes no connection is not translated: untracked and
 * invalid packets. nat_output is in a file of its own.
 */
#include "dp/trace.h"
#include "nat/nat_priv.h"

enum { NAT_NEXT = 1 };

enum nat_drop nat_walk(
	struct worker *w, struct nat_worker *nw, struct flow_first *f, nat_translate_fn *translate)
{
	const struct firewall_nat *nat = f->nat;
	enum nat_drop drop;

	/* The next hook begins without a rule. */
	f->nat = NULL;
	if (unlikely(f->state != FLOW_STATE_NEW))
		return NAT_N_DROPS;
	drop = translate(w, nw, f, nat);
	/* Its sender may come back, as a new connection by the new rules. */
	if (unlikely(drop == NAT_DROP_MAPPING_GONE))
		flow_first_end(w, f);
	return drop;
}

/* Where it goes or seems to come from now; of an IPv6 address the last 32 bits are told. */
static void nat_tell(
	struct worker *w, uint8_t family, const union flow_addr *addr, uint16_t port_be)
{
	uint32_t word;

	memcpy(&word, addr->bytes + (family == AF_INET6 ? 12 : 0), sizeof(word));
	word = rte_be_to_cpu_32(word);
	trace_tell(w, (uint16_t)(word >> 16), (uint16_t)word, rte_be_to_cpu_16(port_be));
}

static void nat_format(const struct trace_record *record, char *buf, size_t size)
{
	const uint16_t *arg = record->extra.arg;

	if (record->exit == STAGE_DROP)
		return;
	if (record->meta.ethertype == RTE_ETHER_TYPE_IPV6)
		snprintf(buf, size, "..%x:%x port %u", arg[0], arg[1], arg[2]);
	else
		snprintf(buf, size, "%u.%u.%u.%u port %u", arg[0] >> 8, arg[0] & 255, arg[1] >> 8,
			arg[1] & 255, arg[2]);
}

static inline unsigned int nat_exit(struct pkt_meta *meta, enum nat_drop drop)
{
	return likely(drop == NAT_N_DROPS) ? (unsigned int)NAT_NEXT
					   : pkt_drop(meta, &nat_module, drop);
}

static inline unsigned int destination_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_first *f = flow_first(w, meta);
	enum nat_drop drop = nat_walk(w, ctx, f, nat_translate_destination);

	nat_tell(w, f->family, &f->reply.src, f->reply.sport_be);
	return nat_exit(meta, drop);
}

static void destination_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, NAT_NEXT, destination_one, worker_slot(w, &nat_module));
}

const struct stage nat_dst_stage = {
	.name = "nat_dst",
	.help = "chooses where a new connection really goes, if a rule of prerouting says so",
	.run = destination_run,
	.exits = { [NAT_NEXT] = { "next", "flow_route" } },
	.format = nat_format,
};

static inline unsigned int source_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct flow_first *f = flow_first(w, meta);
	enum nat_drop drop = nat_walk(w, ctx, f, nat_translate_source);

	nat_tell(w, f->family, &f->reply.dst, nat_source_port_be(f->proto, &f->reply));
	return nat_exit(meta, drop);
}

static void source_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, NAT_NEXT, source_one, worker_slot(w, &nat_module));
}

const struct stage nat_src_stage = {
	.name = "nat_src",
	.help = "chooses the address and port that a new connection seems to come from, if a "
		"rule of "
		"postrouting says so or another connection looks the same",
	.run = source_run,
	.exits = { [NAT_NEXT] = { "next", "flow_commit" } },
	.format = nat_format,
};
