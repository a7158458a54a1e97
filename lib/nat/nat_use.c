/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How much of each address is in use. Every worker counts its own connections as they are made and as they
 * end, in a table of fixed size that only it writes: a row once made stays, so that the control thread
 * can read it at any time, and sum it up with those of the others. An address that finds no room is
 * not counted; it is translated all the same.
 */
#include "base/log.h"
#include "nat/nat_addr.h"
#include "nat/nat_priv.h"

enum { USE_PROBES = 16, USE_WARN_PERCENT = 80, USE_FINE_PERCENT = 70 };

const char *const nat_proto_names[NAT_N_PROTOS] = {
	[NAT_TCP] = "tcp",
	[NAT_UDP] = "udp",
	[NAT_ICMP] = "icmp",
	[NAT_OTHER] = "other",
};

enum nat_proto nat_proto_of(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return NAT_TCP;
	if (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE)
		return NAT_UDP;
	return flow_is_icmp(proto) ? NAT_ICMP : NAT_OTHER;
}

static bool is_row_of(const struct nat_use *row, const struct nat_use *key)
{
	return row->ns == key->ns && row->family == key->family && row->side == key->side &&
	       nat_addr_is_equal(&row->addr, &key->addr);
}

struct nat_use *nat_use_get(struct nat_use_table *table, uint8_t family, uint16_t ns,
	enum nat_side side, const union flow_addr *addr)
{
	const struct nat_use key = {
		.addr = *addr, .ns = ns, .family = family, .side = (uint8_t)side
	};
	uint64_t hash = hash_two(
		&table->seed, addr->words[0] ^ (uint64_t)side << 32 ^ ns, addr->words[1] ^ family);

	for (unsigned int i = 0; i < USE_PROBES; i++) {
		struct nat_use *row = &table->rows[(hash + i) % NAT_USE_ROWS];

		if (!row->is_set) {
			*row = key;
			/* Pairs with nat_use_sum(): who sees it sees the address. */
			__atomic_store_n(&row->is_set, true, __ATOMIC_RELEASE);
			return row;
		}
		if (is_row_of(row, &key))
			return row;
	}
	return NULL;
}

/* Worker */

static void use_add(struct nat_worker *nw, const struct flow_first *f, enum nat_side side,
	const union flow_addr *addr, uint32_t add)
{
	struct nat_use *row = nat_use_get(&nw->use, f->family, f->ns, side, addr);
	uint32_t *n;

	if (row == NULL)
		return;
	n = &row->n[nat_proto_of(f->proto)];
	__atomic_store_n(n, *n + add, __ATOMIC_RELAXED);
}

static void use_change(struct worker *w, const struct flow_first *f, uint32_t add)
{
	struct nat_worker *nw = worker_slot(w, &nat_module);

	if (f->status & FLOW_SRC_NAT)
		use_add(nw, f, NAT_SOURCE, &f->reply.dst, add);
	if (f->status & FLOW_DST_NAT)
		use_add(nw, f, NAT_DESTINATION, &f->reply.src, add);
}

static void use_made(struct worker *w, const struct flow_first *f)
{
	use_change(w, f, 1);
	if (f->status & FLOW_SRC_NAT)
		nat_mapped_made(worker_slot(w, &nat_module), f);
}

static void use_ended(struct worker *w, const struct flow_first *f)
{
	use_change(w, f, UINT32_MAX);
	if (f->status & FLOW_SRC_NAT)
		nat_mapped_ended(worker_slot(w, &nat_module), f);
}

const struct flow_observer nat_observer = { .made = use_made, .ended = use_ended };

/* Control thread */

static void sum_row(struct nat_use_table *sums, const struct nat_use *row)
{
	struct nat_use *sum =
		nat_use_get(sums, row->family, row->ns, (enum nat_side)row->side, &row->addr);

	for (unsigned int i = 0; sum != NULL && i < NAT_N_PROTOS; i++) {
		sum->n[i] += __atomic_load_n(&row->n[i], __ATOMIC_RELAXED);
		sum->exhausted[i] += __atomic_load_n(&row->exhausted[i], __ATOMIC_RELAXED);
	}
}

void nat_use_sum(const struct dp *dp, struct nat_state *state)
{
	for (unsigned int i = 0; i < NAT_USE_ROWS; i++) {
		memset(state->sums.rows[i].n, 0, sizeof(state->sums.rows[i].n));
		memset(state->sums.rows[i].exhausted, 0, sizeof(state->sums.rows[i].exhausted));
	}
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		const struct nat_worker *nw = worker_slot(dp->workers[w], &nat_module);

		for (unsigned int i = 0; i < NAT_USE_ROWS; i++)
			if (__atomic_load_n(&nw->use.rows[i].is_set, __ATOMIC_ACQUIRE))
				sum_row(&state->sums, &nw->use.rows[i]);
	}
}

static struct ip_addr row_addr(const struct nat_use *row)
{
	struct ip_addr addr = { .family = row->family };

	memcpy(addr.bytes, row->addr.bytes, sizeof(addr.bytes));
	return addr;
}

bool nat_use_is_of(const struct dp *dp, const struct nat_use *row, const struct firewall_nat *nat)
{
	bool is_source = nat->kind == NAT_SNAT || nat->kind == NAT_MASQUERADE;
	struct ip_addr addr = row_addr(row);

	if (!row->is_set || is_source != (row->side == NAT_SOURCE))
		return false;
	/* Of those that name no address it is one of ours. */
	if (nat->family == 0)
		return ns_addr_lookup(dp, row->ns, &addr) != NULL;
	return nat->family == row->family && nat_addr_allows(nat, &row->addr, &row->addr);
}

/* Live connections that can be had towards one peer; to several there may be more. */
static uint32_t capacity_of(const struct firewall_nat *nat, enum nat_proto proto)
{
	if (proto == NAT_ICMP)
		return 65536;
	if (nat->has_ports)
		return (uint32_t)nat->port_max - nat->port_min + 1;
	return 65536 - 1024;
}

static void check_row(struct nat_use *row, const struct firewall_nat *nat, enum nat_proto proto)
{
	uint64_t used = (uint64_t)row->n[proto] * 100, capacity = capacity_of(nat, proto);
	uint8_t bit = (uint8_t)(1 << proto);
	struct ip_addr addr = row_addr(row);
	char text[IP_ADDR_TEXT_MAX];

	if (used < capacity * USE_FINE_PERCENT)
		row->is_warned &= (uint8_t)~bit;
	if (used < capacity * USE_WARN_PERCENT || (row->is_warned & bit))
		return;
	row->is_warned |= bit;
	log_warn("nat", "an address is nearly used up address=%s protocol=%s connections=%u of=%u",
		ip_addr_text(&addr, text), nat_proto_names[proto], row->n[proto],
		(unsigned int)capacity);
}

struct check_ctx {
	struct dp *dp;
	struct nat_state *state;
};

static void check_rule(const struct firewall_nat_rule *rule, void *ctx)
{
	struct check_ctx *check = ctx;

	if (rule->nat->kind != NAT_SNAT && rule->nat->kind != NAT_MASQUERADE)
		return;
	for (unsigned int i = 0; i < NAT_USE_ROWS; i++) {
		struct nat_use *row = &check->state->sums.rows[i];

		if (!nat_use_is_of(check->dp, row, rule->nat))
			continue;
		for (unsigned int proto = 0; proto < NAT_OTHER; proto++)
			check_row(row, rule->nat, (enum nat_proto)proto);
	}
}

void nat_use_check(struct dp *dp, struct nat_state *state)
{
	struct check_ctx ctx = { .dp = dp, .state = state };

	nat_use_sum(dp, state);
	firewall_each_nat(dp, NS_DEFAULT, check_rule, &ctx);
}
