/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes connections out of packets that have walked the hooks. When the table is full the oldest one that
 * nobody has answered yet gives way; established ones never do. Run by the owning worker.
 */
#include "flow/flow_priv.h"

bool flow_tuple_is_used(const struct worker *w, uint8_t family, uint16_t ns, uint8_t proto,
	const struct flow_tuple *tuple)
{
	struct flow_worker *fw = flow_worker(w);

	return flow_table_lookup(&fw->table[family == AF_INET6 ? FLOW_IP6 : FLOW_IP4], tuple, proto,
		       ns) != FLOW_NONE;
}

/* The XOR of the 16-bit words that steering goes by (steer_bucket()). */
static uint16_t steer_words(uint8_t proto, const struct flow_tuple *tuple)
{
	uint64_t words = tuple->src.words[0] ^ tuple->src.words[1] ^ tuple->dst.words[0] ^
			 tuple->dst.words[1];

	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		words ^= (uint64_t)(tuple->sport_be ^ tuple->dport_be);
	return steer_fold(words);
}

unsigned int flow_bucket(const struct worker *w, uint8_t proto, const struct flow_tuple *tuple)
{
	return steer_bucket_of_xor(flow_worker(w)->steer, steer_words(proto, tuple));
}

bool flow_bucket_is_mine(const struct worker *w, unsigned int bucket)
{
	const struct flow_worker *fw = flow_worker(w);

	return flow_bucket_owner(fw, bucket) == w->id && !flow_bucket_is_moved(fw, bucket);
}

uint32_t flow_alloc(struct flow_worker *fw, struct flow_table *table)
{
	uint32_t limit = __atomic_load_n(&table->limit, __ATOMIC_RELAXED);
	uint32_t index = table->n_used < limit ? flow_table_alloc(table) : FLOW_NONE;

	if (index != FLOW_NONE || table->early_first == 0)
		return index;
	flow_end(fw, table, table->early_first);
	fw->n_early_drops++;
	return flow_table_alloc(table);
}

static void fill(struct worker *w, struct flow_worker *fw, struct flow_table *table,
	const struct pkt_meta *meta, const struct flow_first *f, uint32_t index)
{
	struct flow_cold *cold = &table->cold[index];

	*flow_verdict_at(table, index) = (struct flow_verdict){
		.proto = f->proto,
		.ns = f->ns,
		.status = (uint16_t)(f->status | flow_status_of(f)),
		.class = f->class,
		.gen[FLOW_GEN_POLICY] = __atomic_load_n(&fw->state->policy_gen, __ATOMIC_ACQUIRE),
		.mark = f->mark,
	};
	cold->in_link = f->in_link;
	cold->tcp_flags = f->tcp_flags;
	cold->dscp = f->dscp;
	cold->new_dscp = f->dscp;
	cold->policer = f->policer;
	cold->bucket[FLOW_ORIG] = (uint8_t)flow_bucket(w, f->proto, &f->orig);
	cold->bucket[FLOW_REPLY] = (uint8_t)flow_bucket(w, f->proto, &f->reply);
}

enum flow_drop flow_insert(
	struct worker *w, struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f)
{
	struct flow_worker *fw = flow_worker(w);
	struct flow_table *table = flow_table_of(fw, meta);
	struct flow_begin begin;
	enum flow_drop reason;
	uint32_t index;

	if (flow_table_lookup(table, &f->reply, f->proto, f->ns) != FLOW_NONE) {
		fw->n_clashes++;
		return FLOW_DROP_CLASH;
	}
	reason = flow_begin(fw, m, meta, f, &begin);
	if (reason != FLOW_N_DROPS)
		return reason;
	if (!flow_source_is_allowed(fw, f)) {
		fw->n_refused++;
		return FLOW_DROP_SOURCE_LIMIT;
	}
	index = flow_alloc(fw, table);
	if (index == FLOW_NONE) {
		fw->n_full++;
		return FLOW_DROP_TABLE_FULL;
	}
	fill(w, fw, table, meta, f, index);
	flow_begin_at(fw, table, index, f, &begin);
	if (!flow_table_add(table, index, &f->orig, &f->reply, begin.timeout, flow_now(fw))) {
		flow_table_unalloc(table, index);
		fw->n_full++;
		return FLOW_DROP_TABLE_FULL;
	}
	table->cold[index].source = flow_source_get(fw, f);
	flow_set_deltas(table, index);
	fw->n_new++;
	flow_tell(fw, table, index, false);
	f->flow = index;
	if ((f->status & FLOW_NAT) && fw->state->observer != NULL)
		fw->state->observer->made(w, f);
	return FLOW_N_DROPS;
}
