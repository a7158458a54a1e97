/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Look-ups while routes change: readers on threads of their own, which report quiescent points as
 * workers do, ask for fixed addresses of both families as fast as they can. Meanwhile random
 * overlapping routes are added, replaced and deleted through the whole control plane, so that groups
 * of the LPM are freed and used again after real grace periods. DPDK's rte_rib and rte_rib6 say what
 * each address has after every change; a reader may find what it had at any moment while it looked,
 * never anything else. Being interrupted in the middle of a look-up is what makes a reader see a
 * group that was used again too early, so all that an address had is remembered for long.
 */
#include <pthread.h>
#include <rte_rib.h>
#include <rte_rib6.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "fib/fib.h"
#include "kit.h"

enum {
	N_READERS = 2,
	N_ASKED = 128,	    /* addresses of each family */
	N_CHANGES = 150000, /* at least */
	N_HISTORY = 4096,   /* changes that are remembered */
	N_BASES = 24,	    /* that prefixes are made from */
	N_GATEWAYS = 200,
	N_LOOKUPS_MIN = 100000,
};

/* An address that is asked for, and what it had after each change. */
struct asked {
	struct ip_addr addr;
	uint32_t now;
	_Atomic uint32_t history[N_HISTORY]; /* by number of the change */
};

static struct {
	const struct lpm *lpm[2];
	struct asked asked[2][N_ASKED];
	struct rte_rib *rib4;
	struct rte_rib6 *rib6;
	struct rte_rcu_qsbr *rcu;
	_Atomic uint64_t n_changes; /* begun; what the last one brings is in the histories */
	_Atomic uint64_t n_lookups, n_judged;
	_Atomic bool stop, is_wrong;
	char wrong[256];
	struct ip_addr bases[2][N_BASES];
	struct gateway {
		struct nexthop_spec hop;
		uint32_t adj;
	} gateways[N_GATEWAYS];
} churn;

static uint64_t random_state = 88172645463325252u;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

/* Readers */

static uint32_t look_up(unsigned int family, const struct ip_addr *addr)
{
	return family == 0 ? lpm4_lookup(churn.lpm[0], rte_be_to_cpu_32(addr->v4_be))
			   : fib6_lookup(churn.lpm[1], addr->bytes, 0);
}

static bool is_allowed(const struct asked *asked, uint32_t value, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++)
		if (atomic_load_explicit(&asked->history[n % N_HISTORY], memory_order_relaxed) ==
			value)
			return true;
	return false;
}

static void ask(unsigned int family, struct asked *asked)
{
	uint64_t n_before = atomic_load(&churn.n_changes), n_after;
	uint32_t value = look_up(family, &asked->addr);
	char text[IP_ADDR_TEXT_MAX];

	atomic_thread_fence(memory_order_seq_cst);
	n_after = atomic_load(&churn.n_changes);
	/* Change n_before may not have been made yet. */
	if (is_allowed(asked, value, n_before - 1, n_after)) {
		atomic_fetch_add_explicit(&churn.n_judged, 1, memory_order_relaxed);
		return;
	}
	/* Interrupted for so long that its history is overwritten: nobody can tell. */
	if (atomic_load(&churn.n_changes) > n_before + N_HISTORY - 2 ||
		atomic_exchange(&churn.is_wrong, true))
		return;
	snprintf(churn.wrong, sizeof(churn.wrong),
		"%s: got %u during changes %" PRIu64 " to %" PRIu64,
		ip_addr_text(&asked->addr, text), value, n_before, n_after);
}

static void *reader_run(void *arg)
{
	unsigned int id = (unsigned int)(uintptr_t)arg, i = id;

	rte_rcu_qsbr_thread_register(churn.rcu, id);
	rte_rcu_qsbr_thread_online(churn.rcu, id);
	while (!atomic_load(&churn.stop)) {
		for (unsigned int n = 0; n < 64; n++, i = (i + 7) % (2 * N_ASKED))
			ask(i & 1, &churn.asked[i & 1][i / 2]);
		atomic_fetch_add_explicit(&churn.n_lookups, 64, memory_order_relaxed);
		rte_rcu_qsbr_quiescent(churn.rcu, id);
	}
	rte_rcu_qsbr_thread_offline(churn.rcu, id);
	rte_rcu_qsbr_thread_unregister(churn.rcu, id);
	return NULL;
}

/* The oracle */

static uint32_t oracle_lookup(unsigned int family, const struct ip_addr *addr)
{
	struct rte_rib_node *node4;
	struct rte_rib6_node *node6;
	uint64_t value = ADJ_NONE;

	if (family == 0) {
		node4 = rte_rib_lookup(churn.rib4, rte_be_to_cpu_32(addr->v4_be));
		if (node4 != NULL)
			rte_rib_get_nh(node4, &value);
	} else {
		node6 = rte_rib6_lookup(churn.rib6, addr->bytes);
		if (node6 != NULL)
			rte_rib6_get_nh(node6, &value);
	}
	return (uint32_t)value;
}

static bool oracle_has(unsigned int family, const struct ip_prefix *prefix)
{
	return family == 0
		       ? rte_rib_lookup_exact(churn.rib4, rte_be_to_cpu_32(prefix->addr.v4_be),
				 prefix->len) != NULL
		       : rte_rib6_lookup_exact(churn.rib6, prefix->addr.bytes, prefix->len) != NULL;
}

static void oracle_del(unsigned int family, const struct ip_prefix *prefix)
{
	if (family == 0)
		rte_rib_remove(churn.rib4, rte_be_to_cpu_32(prefix->addr.v4_be), prefix->len);
	else
		rte_rib6_remove(churn.rib6, prefix->addr.bytes, prefix->len);
}

static void oracle_set(unsigned int family, const struct ip_prefix *prefix, uint32_t value)
{
	oracle_del(family, prefix);
	if (family == 0)
		rte_rib_set_nh(rte_rib_insert(churn.rib4, rte_be_to_cpu_32(prefix->addr.v4_be),
				       prefix->len),
			value);
	else
		rte_rib6_set_nh(
			rte_rib6_insert(churn.rib6, prefix->addr.bytes, prefix->len), value);
}

/* Tells readers what the change that comes now will bring. */
static void change_begin(unsigned int family, const struct ip_prefix *prefix)
{
	uint64_t n = churn.n_changes + 1;

	for (unsigned int i = 0; i < N_ASKED; i++) {
		struct asked *asked = &churn.asked[family][i];
		struct asked *other = &churn.asked[!family][i];

		if (ip_prefix_contains(prefix, &asked->addr))
			asked->now = oracle_lookup(family, &asked->addr);
		atomic_store_explicit(
			&asked->history[n % N_HISTORY], asked->now, memory_order_relaxed);
		atomic_store_explicit(
			&other->history[n % N_HISTORY], other->now, memory_order_relaxed);
	}
	atomic_store(&churn.n_changes, n);
}

/* It must be there now. */
static void change_end(unsigned int family, const struct ip_prefix *prefix)
{
	for (unsigned int i = 0; i < N_ASKED; i++) {
		struct asked *asked = &churn.asked[family][i];

		if (ip_prefix_contains(prefix, &asked->addr) &&
			look_up(family, &asked->addr) != asked->now)
			ck_abort_msg("address %u after change %" PRIu64, i, churn.n_changes);
	}
}

/* Changes */

static struct ip_addr random_addr(unsigned int family)
{
	struct ip_addr addr = { .family = family == 0 ? AF_INET : AF_INET6 };
	/* Few networks, so that routes lie within each other; outside of those of the router. */
	static const uint8_t values[] = { 0, 1, 127, 128, 255 };

	for (unsigned int i = 0; i < (family == 0 ? 4u : 16u); i++)
		addr.bytes[i] = values[random_u32() % RTE_DIM(values)];
	addr.bytes[0] = family == 0 ? 50 : 0x20;
	return addr;
}

static struct ip_prefix random_prefix(unsigned int family)
{
	struct ip_prefix prefix = { .addr = churn.bases[family][random_u32() % N_BASES] };
	unsigned int bits = family == 0 ? 32 : 128;

	prefix.len = (uint8_t)(random_u32() % 16 == 0 ? 0 : 8 + random_u32() % (bits - 7));
	return ip_prefix_network(&prefix);
}

static const struct {
	enum route_type type;
	uint32_t adj;
} types[] = {
	{ ROUTE_BLACKHOLE, ADJ_BLACKHOLE },
	{ ROUTE_UNREACHABLE, ADJ_UNREACHABLE },
	{ ROUTE_PROHIBIT, ADJ_PROHIBIT },
};

/*
 * What a route leads to: so many gateways for IPv4 that what belongs to another prefix is noticed.
 * The number of those for IPv6 is that of the special types.
 */
static uint32_t random_target(unsigned int family, struct route_spec *spec)
{
	const struct gateway *gateway = &churn.gateways[random_u32() % N_GATEWAYS];
	unsigned int type = random_u32() % RTE_DIM(types);

	if (family == 0 && random_u32() % 8 != 0) {
		spec->type = ROUTE_UNICAST;
		spec->n_hops = 1;
		spec->hops = &gateway->hop;
		return gateway->adj;
	}
	spec->type = (uint8_t)types[type].type;
	return types[type].adj;
}

static void change_one(struct dp *dp)
{
	unsigned int family = random_u32() % 2;
	struct ip_prefix prefix = random_prefix(family);
	struct route_match match = { .prefix = prefix, .metric = -1 };
	struct route_spec spec = { .prefix = prefix, .protocol = ROUTE_PROTOCOL_STATIC };
	const char *why = "";

	/* Most prefixes are absent most of the time, so that groups come and go. */
	while (!oracle_has(family, &prefix) && random_u32() % 16 != 0)
		spec.prefix = match.prefix = prefix = random_prefix(family);
	if (oracle_has(family, &prefix) && random_u32() % 4 != 0) {
		oracle_del(family, &prefix);
		change_begin(family, &prefix);
		REQUIRE(fib_route_del(dp, &match) == 0);
	} else {
		oracle_set(family, &prefix, random_target(family, &spec));
		change_begin(family, &prefix);
		REQUIRE_MSG(fib_route_replace(dp, &spec, &why) == 0, "%s", why);
	}
	change_end(family, &prefix);
}

/* Gateways that keep their adjacency: a route to somewhere else holds each. */
static void gateways_init(struct dp *dp)
{
	const struct link *link = link_by_name(dp, "lan");
	const char *why = "";

	for (unsigned int i = 0; i < N_GATEWAYS; i++) {
		struct gateway *gateway = &churn.gateways[i];
		struct route_spec spec = {
			.prefix = { .addr = ip_addr_v4(rte_cpu_to_be_32(0x64400000 + i)),
				.len = 32 },
			.type = ROUTE_UNICAST,
			.n_hops = 1,
			.hops = &gateway->hop,
		};

		gateway->hop.gateway = ip_addr_v4(rte_cpu_to_be_32(0xc0000200 + 20 + i));
		gateway->hop.link = link->ifindex;
		gateway->hop.weight = 1;
		REQUIRE_MSG(fib_route_add(dp, &spec, &why) == 0, "%s", why);
		gateway->adj = neigh_lookup(dp, link->ifindex, &gateway->hop.gateway)->adj;
	}
}

static void churn_init(struct bench *b)
{
	struct rte_rib_conf conf4 = { .max_nodes = 1 << 14 };
	struct rte_rib6_conf conf6 = { .max_nodes = 1 << 14 };

	churn.rib4 = rte_rib_create("churn4", SOCKET_ID_ANY, &conf4);
	churn.rib6 = rte_rib6_create("churn6", SOCKET_ID_ANY, &conf6);
	REQUIRE(churn.rib4 != NULL && churn.rib6 != NULL);
	churn.rcu = b->dp->rcu;
	churn.lpm[0] = fib4_table(b->dp, NS_DEFAULT);
	churn.lpm[1] = fib6_table(b->dp, NS_DEFAULT);
	for (unsigned int family = 0; family < 2; family++) {
		for (unsigned int i = 0; i < N_BASES; i++)
			churn.bases[family][i] = random_addr(family);
		for (unsigned int i = 0; i < N_ASKED; i++) {
			struct asked *asked = &churn.asked[family][i];
			unsigned int bit = random_u32() % 64;

			asked->addr = churn.bases[family][i % N_BASES];
			/* Next to it, most of them. */
			if (bit < (family == 0 ? 24u : 64u))
				asked->addr.bytes[(family == 0 ? 1 : 8) + bit / 8] ^=
					(uint8_t)(1 << bit % 8);
		}
	}
}

START_TEST(readers_find_the_old_route_or_the_new_one)
{
	struct bench *b = bench_start(router_config);
	pthread_t readers[N_READERS];
	unsigned int n = 0;

	json_decref(bench_call(b, "route.del", "{\"to\": \"default\"}"));
	gateways_init(b->dp);
	churn_init(b);
	churn.n_changes = 1;
	for (unsigned int i = 0; i < N_READERS; i++)
		/* Ids behind those of the workers. */
		REQUIRE(pthread_create(&readers[i], NULL, reader_run,
				(void *)(uintptr_t)(WORKER_MAX - 1 - i)) == 0);
	while (!churn.is_wrong && (n < N_CHANGES || churn.n_judged < N_LOOKUPS_MIN)) {
		change_one(b->dp);
		if (++n % 8 == 0)
			dp_tick(b->dp, b->now_ns += 1000);
	}
	atomic_store(&churn.stop, true);
	for (unsigned int i = 0; i < N_READERS; i++)
		pthread_join(readers[i], NULL);
	REQUIRE_MSG(!churn.is_wrong, "%s", churn.wrong);
	/* Nearly all of what they found could be judged. */
	REQUIRE(churn.n_judged > churn.n_lookups / 10 * 9);
	rte_rib_free(churn.rib4);
	rte_rib6_free(churn.rib6);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("churn", PLAIN_TEST(readers_find_the_old_route_or_the_new_one))
