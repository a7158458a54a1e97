/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Routes (lib/fib/fib.h) over made-up lower floors: links, addresses, neighbours and dataplane are
 * the few functions below, so that every state of theirs can be brought about. What packets would
 * find is read from the LPM.
 */
#include "fib/fib.h"
#include "fib/multipath.h"

#include <arpa/inet.h>
#include <errno.h>
#include <rte_common.h>

#include "suite.h"

enum {
	N_LINKS = 4,
	N_ADDRS = 16,
	N_NEIGHS = 16,
	ADJ_GLEAN = 100,
	ADJ_GLEAN6 = 110,
	ADJ_FIRST_NEIGH = 200
};

static struct dp dp;
static struct link links[N_LINKS];
static struct ns_addr addrs[N_ADDRS];
static unsigned int n_addrs;
static struct neigh neighs[N_NEIGHS];
static unsigned int n_neighs;
static int n_refs[ADJ_FIRST_NEIGH + N_NEIGHS]; /* by adjacency */
static unsigned int n_new, n_deleted;
static void (*on_route_new)(const struct route *route);

/* The lower floors */

const struct object link_object;

struct link *link_by_index(const struct dp *d, uint16_t ifindex)
{
	return ifindex > 0 && ifindex < N_LINKS && links[ifindex].ifindex != 0 ? &links[ifindex]
									       : NULL;
}

struct link *link_by_name(const struct dp *d, const char *name)
{
	return NULL;
}

bool link_is_configured(const struct config *config, const char *name)
{
	return false;
}

void ns_addr_each(
	const struct dp *d, uint16_t link, void (*fn)(const struct ns_addr *, void *ctx), void *ctx)
{
	for (unsigned int i = 0; i < n_addrs; i++)
		if (link == 0 || addrs[i].link == link)
			fn(&addrs[i], ctx);
}

const struct ns_addr *ns_addr_lookup(const struct dp *d, uint16_t ns, const struct ip_addr *addr)
{
	return NULL;
}

bool ns_addr_select(const struct dp *d, uint16_t ns, uint16_t link, const struct ip_addr *dst,
	struct ip_addr *out)
{
	return false;
}

static struct neigh *neigh_make(uint16_t link, const struct ip_addr *addr)
{
	struct neigh *neigh = (struct neigh *)(uintptr_t)neigh_lookup(&dp, link, addr);

	if (neigh != NULL)
		return neigh;
	ck_assert_uint_lt(n_neighs, N_NEIGHS);
	neigh = &neighs[n_neighs];
	*neigh = (struct neigh){ .addr = *addr, .link = link, .adj = ADJ_FIRST_NEIGH + n_neighs++ };
	return neigh;
}

int neigh_get(struct dp *d, const struct link *link, const struct ip_addr *addr, uint32_t *adj)
{
	*adj = neigh_make(link->ifindex, addr)->adj;
	n_refs[*adj]++;
	return 0;
}

int neigh_get_glean(struct dp *d, const struct link *link, uint8_t family, uint32_t *adj)
{
	*adj = (family == AF_INET6 ? ADJ_GLEAN6 : ADJ_GLEAN) + link->ifindex;
	n_refs[*adj]++;
	return 0;
}

static uint32_t n_asked[ADJ_FIRST_NEIGH + N_NEIGHS]; /* by adjacency */

void neigh_use(struct dp *d, uint32_t adj)
{
	n_asked[adj]++;
}

void neigh_put(struct dp *d, uint32_t adj)
{
	if (adj >= ADJ_FIRST_DYNAMIC)
		ck_assert_int_gt(n_refs[adj]--, 0);
}

const struct neigh *neigh_lookup(const struct dp *d, uint16_t link, const struct ip_addr *addr)
{
	for (unsigned int i = 0; i < n_neighs; i++)
		if (neighs[i].link == link && ip_addr_is_equal(&neighs[i].addr, addr))
			return &neighs[i];
	return NULL;
}

void neigh_each(const struct dp *d, void (*fn)(const struct neigh *neigh, void *ctx), void *ctx)
{
	for (unsigned int i = 0; i < n_neighs; i++)
		fn(&neighs[i], ctx);
}

void dp_publish(struct dp *d, enum event_kind kind, const void *subject)
{
	n_new += kind == EVENT_ROUTE_NEW;
	n_deleted += kind == EVENT_ROUTE_DELETED;
	if (kind == EVENT_ROUTE_NEW && on_route_new != NULL)
		on_route_new(subject);
}

void dp_retire(struct dp *d, rcu_free_fn *fn, void *ptr, uint64_t arg)
{
	fn(ptr, arg);
}

bool conf_is_wrong(const struct config *config, const struct diag *diag, const char *path)
{
	return false;
}

int conf_error(
	const struct config *config, struct diag *diag, const char *path, const char *fmt, ...)
{
	return -EINVAL;
}

const struct conf_section *conf_section(const struct config *config, const char *key)
{
	return NULL;
}

json_t *schema_to_json(const struct object *object, const void *instance)
{
	return NULL;
}

bool object_has(const struct object *object, const void *instance, const char *name)
{
	return false;
}

void *field_list_item(const struct object *object, const struct field_list *list, unsigned int i)
{
	return NULL;
}

int call_fail(struct call *call, int err, const char *fmt, ...)
{
	return err;
}

/* What happens */

static struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix prefix;

	ck_assert_int_eq(ip_prefix_parse(text, &prefix), 0);
	return prefix;
}

static struct ip_addr addr_of(const char *text)
{
	return prefix_of(text).addr;
}

/* Two links that are up. */
static void start(void)
{
	n_new = n_deleted = 0;
	dp.slot[0] = calloc(1, fib_module.state_size);
	fib_module.id = 0;
	ck_assert_int_eq(fib_module.init(&dp), 0);
	for (unsigned int i = 1; i <= 2; i++) {
		links[i] =
			(struct link){ .ifindex = (uint16_t)i, .is_up = true, .is_running = true };
		fib_module.event(&dp, EVENT_LINK_NEW, &links[i]);
	}
}

/* Until all routes have followed: long enough for a machine under sanitizers. */
static void follow(void)
{
	for (unsigned int i = 0; i < 10000; i++)
		fib_module.tick(&dp, 0);
}

/* Nobody may have kept an adjacency. */
static void stop(void)
{
	for (unsigned int i = 1; i <= 2; i++)
		fib_module.event(&dp, EVENT_LINK_DELETED, &links[i]);
	follow();
	for (unsigned int i = 0; i < RTE_DIM(n_refs); i++)
		ck_assert_msg(n_refs[i] == 0, "adjacency %u is still held", i);
	fib_module.fini(&dp);
	/* Links go after us. */
	fib_module.event(&dp, EVENT_LINK_DELETED, &links[1]);
	free(dp.slot[0]);
}

static void addr_add(uint16_t link, const char *text)
{
	struct ip_prefix prefix = prefix_of(text);
	uint32_t mask = prefix.len == 0 ? 0 : UINT32_MAX << (32 - prefix.len % 32) % 32;

	addrs[n_addrs] = (struct ns_addr){
		.prefix = prefix,
		.link = link,
		.broadcast_be = prefix.addr.family == AF_INET6 || prefix.len > 30
					? 0
					: prefix.addr.v4_be | ~htonl(mask),
	};
	fib_module.event(&dp, EVENT_ADDR_NEW, &addrs[n_addrs++]);
	follow();
}

static void addr_del(const char *text)
{
	struct ip_prefix prefix = prefix_of(text);
	struct ns_addr gone;
	unsigned int i = 0;

	while (!ip_addr_is_equal(&addrs[i].prefix.addr, &prefix.addr))
		ck_assert_uint_lt(++i, n_addrs);
	gone = addrs[i];
	memmove(&addrs[i], &addrs[i + 1], (--n_addrs - i) * sizeof(addrs[0]));
	fib_module.event(&dp, EVENT_ADDR_DELETED, &gone);
	follow();
}

static uint32_t neigh_change(uint16_t link, const char *text, enum neigh_state state)
{
	struct ip_addr addr = addr_of(text);
	struct neigh *neigh = neigh_make(link, &addr);

	neigh->state = state;
	fib_module.event(&dp, EVENT_NEIGH_CHANGED, neigh);
	follow();
	return neigh->adj;
}

static uint32_t neigh_adj(uint16_t link, const char *text)
{
	struct ip_addr addr = addr_of(text);
	const struct neigh *neigh = neigh_lookup(&dp, link, &addr);

	return neigh == NULL ? 0 : neigh->adj;
}

/* Routes follow in slices, of which it begins the first. */
static void link_change_begin(unsigned int i, bool is_up, bool is_running)
{
	links[i].is_up = is_up;
	links[i].is_running = is_running;
	fib_module.event(&dp, EVENT_LINK_CHANGED, &links[i]);
}

static void link_change(unsigned int i, bool is_up, bool is_running)
{
	link_change_begin(i, is_up, is_running);
	follow();
}

/* A description with one next hop, or none. */
struct wish {
	struct route_spec spec;
	struct nexthop_spec hop;
};

static void wish_fill(
	struct wish *wish, const char *prefix, const char *via, uint16_t link, uint32_t metric)
{
	memset(wish, 0, sizeof(*wish));
	if (via != NULL)
		wish->hop.gateway = addr_of(via);
	wish->hop.link = link;
	wish->hop.weight = 1;
	wish->spec = (struct route_spec){
		.prefix = prefix_of(prefix),
		.metric = metric,
		.type = ROUTE_UNICAST,
		.protocol = ROUTE_PROTOCOL_STATIC,
		.n_hops = via != NULL || link != 0,
		.hops = &wish->hop,
	};
}

static int add(const char *prefix, const char *via, uint16_t link, uint32_t metric)
{
	const char *why = NULL;
	struct wish wish;
	int err;

	wish_fill(&wish, prefix, via, link, metric);
	err = fib_route_add(&dp, &wish.spec, &why);
	ck_assert(err == 0 || why != NULL);
	return err;
}

static int add_type(const char *prefix, enum route_type type, const char *via)
{
	struct wish wish;
	const char *why;

	wish_fill(&wish, prefix, via, 0, 0);
	wish.spec.type = (uint8_t)type;
	return fib_route_add(&dp, &wish.spec, &why);
}

static int replace(const char *prefix, const char *via, uint16_t link, uint32_t metric)
{
	struct wish wish;
	const char *why;

	wish_fill(&wish, prefix, via, link, metric);
	return fib_route_replace(&dp, &wish.spec, &why);
}

static int del(const char *prefix, int64_t metric)
{
	struct route_match match = { .prefix = prefix_of(prefix), .metric = metric };

	return fib_route_del(&dp, &match);
}

/* The adjacency that a worker finds, on a link if that matters. */
static uint32_t found_on(const char *text, uint16_t link)
{
	struct ip_addr addr = addr_of(text);

	return fib6_lookup(fib6_table(&dp, NS_DEFAULT), addr.bytes, link);
}

static uint32_t found(const char *text)
{
	if (addr_of(text).family == AF_INET6)
		return found_on(text, 0);
	return lpm4_lookup(fib4_table(&dp, NS_DEFAULT), ntohl(addr_of(text).v4_be));
}

/* Tests */

START_TEST(address_brings_connected_local_and_broadcast_routes)
{
	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_uint_eq(found("10.0.0.1"), ADJ_LOCAL);
	ck_assert_uint_eq(found("10.0.0.0"), ADJ_BROADCAST);
	ck_assert_uint_eq(found("10.0.0.255"), ADJ_BROADCAST);
	ck_assert_uint_eq(found("10.0.0.7"), ADJ_GLEAN + 1);
	ck_assert_uint_eq(found("10.0.1.0"), ADJ_NONE);
	ck_assert_uint_eq(n_new, 4);
	addr_del("10.0.0.1/24");
	for (const char **text =
			(const char *[]){ "10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.0.255", NULL };
		*text != NULL; text++)
		ck_assert_uint_eq(found(*text), ADJ_NONE);
	ck_assert_uint_eq(n_deleted, 4);
	stop();
}
END_TEST

START_TEST(point_to_point_address_has_no_broadcast)
{
	start();
	addr_add(1, "10.0.0.1/31");
	addr_add(2, "10.0.0.9/32");
	ck_assert_uint_eq(found("10.0.0.0"), ADJ_GLEAN + 1);
	ck_assert_uint_eq(found("10.0.0.1"), ADJ_LOCAL);
	ck_assert_uint_eq(found("10.0.0.9"), ADJ_LOCAL);
	ck_assert_uint_eq(n_new, 3);
	stop();
}
END_TEST

START_TEST(second_address_of_a_network_inherits_its_routes)
{
	struct ip_prefix network = prefix_of("10.0.0.0/24");
	struct ip_addr second = addr_of("10.0.0.2");

	start();
	addr_add(1, "10.0.0.1/24");
	addr_add(1, "10.0.0.2/24");
	ck_assert_ptr_null(fib_routes(&dp, NS_DEFAULT, &network, 0)->next);
	addr_del("10.0.0.1/24");
	ck_assert_uint_eq(found("10.0.0.1"), ADJ_GLEAN + 1);
	ck_assert_uint_eq(found("10.0.0.2"), ADJ_LOCAL);
	ck_assert_uint_eq(found("10.0.0.255"), ADJ_BROADCAST);
	ck_assert(ip_addr_is_equal(
		&fib_routes(&dp, NS_DEFAULT, &network, 0)->nexthops->prefsrc, &second));
	stop();
}
END_TEST

START_TEST(lowest_usable_metric_wins)
{
	uint32_t near, far;

	start();
	addr_add(1, "10.0.0.1/24");
	addr_add(2, "10.0.1.1/24");
	ck_assert_int_eq(add("default", "10.0.1.9", 0, 20), 0);
	ck_assert_int_eq(add("default", "10.0.0.9", 0, 10), 0);
	near = neigh_adj(1, "10.0.0.9");
	far = neigh_adj(2, "10.0.1.9");
	ck_assert_uint_eq(found("8.8.8.8"), near);
	link_change(1, true, false);
	ck_assert_uint_eq(found("8.8.8.8"), far);
	ck_assert_uint_eq(found("10.0.0.7"), far);
	ck_assert_uint_eq(found("10.0.0.1"), ADJ_LOCAL);
	link_change(2, false, true);
	ck_assert_uint_eq(found("8.8.8.8"), ADJ_NONE);
	link_change(1, true, true);
	ck_assert_uint_eq(found("8.8.8.8"), near);
	ck_assert_int_eq(del("default", -1), 0);
	ck_assert_uint_eq(found("8.8.8.8"), ADJ_NONE);
	link_change(2, true, true);
	ck_assert_uint_eq(found("8.8.8.8"), far);
	stop();
}
END_TEST

static uint32_t old_adj, new_seen;

static void check_old_is_held(const struct route *route)
{
	ck_assert_int_gt(n_refs[old_adj], 0);
	new_seen = found("172.16.0.1");
	ck_assert_uint_eq(new_seen, route->nexthops->value);
}

START_TEST(replaced_route_keeps_its_adjacency_until_the_new_one_is_in)
{
	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(replace("172.16.0.0/12", "10.0.0.8", 0, 0), 0);
	old_adj = found("172.16.0.1");
	ck_assert_uint_eq(old_adj, neigh_adj(1, "10.0.0.8"));
	on_route_new = check_old_is_held;
	ck_assert_int_eq(replace("172.16.0.0/12", "10.0.0.9", 0, 0), 0);
	ck_assert_uint_eq(new_seen, neigh_adj(1, "10.0.0.9"));
	ck_assert_int_eq(n_refs[old_adj], 0);
	ck_assert_int_eq(del("172.16.0.0/12", 5), -ESRCH);
	ck_assert_int_eq(del("172.16.0.0/12", 0), 0);
	ck_assert_uint_eq(found("172.16.0.1"), ADJ_NONE);
	stop();
}
END_TEST

START_TEST(known_neighbour_has_an_entry_below_routes)
{
	uint32_t host;

	start();
	addr_add(1, "10.0.0.1/24");
	addr_add(2, "10.0.1.1/24");
	host = neigh_change(1, "10.0.0.7", NEIGH_REACHABLE);
	ck_assert_uint_eq(found("10.0.0.7"), host);
	ck_assert_ptr_null(fib_routes(
		&dp, NS_DEFAULT, &(struct ip_prefix){ addr_of("10.0.0.7"), 32, { 0 } }, 0));

	/* A route to the host itself, and to a part of the network that it is in. */
	ck_assert_int_eq(add("10.0.0.7/32", "10.0.1.9", 0, 0), 0);
	ck_assert_uint_eq(found("10.0.0.7"), neigh_adj(2, "10.0.1.9"));
	ck_assert_int_eq(del("10.0.0.7/32", -1), 0);
	ck_assert_uint_eq(found("10.0.0.7"), host);
	ck_assert_int_eq(add("10.0.0.0/29", "10.0.1.9", 0, 0), 0);
	ck_assert_uint_eq(found("10.0.0.7"), neigh_adj(2, "10.0.1.9"));
	ck_assert_int_eq(del("10.0.0.0/29", -1), 0);
	ck_assert_uint_eq(found("10.0.0.7"), host);

	neigh_change(1, "10.0.0.7", NEIGH_FAILED);
	ck_assert_uint_eq(found("10.0.0.7"), ADJ_GLEAN + 1);
	stop();
}
END_TEST

START_TEST(neighbour_entry_needs_a_connected_route_of_its_link)
{
	uint32_t host;

	start();
	addr_add(1, "10.0.0.1/24");
	neigh_change(2, "10.0.0.7", NEIGH_REACHABLE);
	ck_assert_uint_eq(found("10.0.0.7"), ADJ_GLEAN + 1);
	neigh_change(1, "10.9.0.7", NEIGH_PERMANENT);
	ck_assert_uint_eq(found("10.9.0.7"), ADJ_NONE);

	/* It comes with the route, and goes with the link. */
	ck_assert_int_eq(add("10.9.0.0/16", NULL, 1, 0), 0);
	host = neigh_adj(1, "10.9.0.7");
	ck_assert_uint_eq(found("10.9.0.7"), host);
	link_change(1, true, false);
	ck_assert_uint_eq(found("10.9.0.7"), ADJ_NONE);
	link_change(1, true, true);
	ck_assert_uint_eq(found("10.9.0.7"), host);
	stop();
}
END_TEST

START_TEST(gateway_of_a_connected_network_is_also_a_host_in_it)
{
	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(add("default", "10.0.0.9", 0, 0), 0);
	ck_assert_uint_eq(neigh_change(1, "10.0.0.9", NEIGH_REACHABLE), found("8.8.8.8"));
	ck_assert_uint_eq(found("10.0.0.9"), found("8.8.8.8"));
	addr_del("10.0.0.1/24");
	ck_assert_uint_eq(found("10.0.0.9"), ADJ_NONE);
	ck_assert_uint_eq(found("8.8.8.8"), ADJ_NONE);
	stop();
}
END_TEST

START_TEST(route_types_lead_to_their_adjacencies)
{
	start();
	ck_assert_int_eq(add_type("10.1.0.0/16", ROUTE_BLACKHOLE, NULL), 0);
	ck_assert_int_eq(add_type("10.2.0.0/16", ROUTE_UNREACHABLE, NULL), 0);
	ck_assert_int_eq(add_type("10.3.0.0/16", ROUTE_PROHIBIT, NULL), 0);
	ck_assert_uint_eq(found("10.1.0.1"), ADJ_BLACKHOLE);
	ck_assert_uint_eq(found("10.2.0.1"), ADJ_UNREACHABLE);
	ck_assert_uint_eq(found("10.3.0.1"), ADJ_PROHIBIT);
	ck_assert_int_eq(add_type("10.4.0.0/16", ROUTE_BLACKHOLE, "10.0.0.9"), -EINVAL);
	ck_assert_int_eq(add_type("10.4.0.0/16", ROUTE_LOCAL, NULL), -EINVAL);
	stop();
}
END_TEST

static const struct refused {
	const char *prefix, *via;
	uint16_t link;
	int err;
} refused[] = {
	{ "10.9.0.0/16", "10.0.0.9", 0, -EEXIST },
	{ "10.8.0.0/16", "99.0.0.1", 0, -ENETUNREACH }, /* on no link */
	{ "10.9.0.0/24", "10.9.0.1", 0, -ELOOP },	/* behind itself */
	{ "10.8.0.0/16", "10.0.0.1", 0, -EINVAL },	/* ourselves */
	{ "10.8.0.0/16", "10.0.0.255", 0, -EINVAL },	/* a broadcast address */
	{ "10.8.0.0/16", "2001:db8::1", 1, -EINVAL },
	{ "10.8.0.1/16", "10.0.0.9", 0, -EINVAL }, /* host bits */
	{ "10.8.0.0/16", NULL, 0, -ENODEV },
	{ "10.8.0.0/16", NULL, 3, -ENODEV },
	{ "2001:db8::/32", "10.0.0.9", 0, -EINVAL },
	{ "2001:db8::/32", "fe80::9", 0, -EINVAL },	     /* on which link? */
	{ "2001:db8::/32", "2001:db9::1", 0, -ENETUNREACH }, /* on no link */
	{ "2001:db8::1/32", NULL, 1, -EINVAL },
	{ "fe80::/64", NULL, 0, -ENODEV },
	{ "fe80::/10", NULL, 1, -EINVAL },
	{ "fe80:0:0:1::/64", NULL, 1, -EINVAL },
};

START_TEST(impossible_route_is_refused)
{
	const struct refused *row = &refused[_i];

	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(add("10.9.0.0/16", "10.0.0.8", 0, 0), 0);
	ck_assert_int_eq(add(row->prefix, row->via, row->link, 0), row->err);
	ck_assert_uint_eq(found("10.8.0.1"), ADJ_NONE);
	ck_assert_uint_eq(found("10.9.0.1"), neigh_adj(1, "10.0.0.8"));
	stop();
}
END_TEST

START_TEST(gateway_outside_all_networks_is_taken_with_its_link)
{
	struct ip_prefix prefix = prefix_of("10.8.0.0/16");

	start();
	ck_assert_int_eq(add("10.8.0.0/16", "99.0.0.1", 2, 0), 0);
	ck_assert(fib_routes(&dp, NS_DEFAULT, &prefix, 0)->nexthops->hop[0].spec.is_onlink);
	ck_assert_uint_eq(found("10.8.0.1"), neigh_adj(2, "99.0.0.1"));
	stop();
}
END_TEST

/* IPv6 */

START_TEST(ip6_address_brings_connected_and_local_routes)
{
	struct ip_prefix network = prefix_of("2001:db8::/64");

	start();
	addr_add(1, "2001:db8::1/64");
	addr_add(1, "10.0.0.1/24");
	ck_assert_uint_eq(found("2001:db8::1"), ADJ_LOCAL);
	ck_assert_uint_eq(found("2001:db8::"), ADJ_GLEAN6 + 1);
	ck_assert_uint_eq(found("2001:db8::ffff:ffff:ffff:ffff"), ADJ_GLEAN6 + 1);
	ck_assert_uint_eq(found("2001:db8:0:1::"), ADJ_NONE);
	ck_assert_uint_eq(fib_routes(&dp, NS_DEFAULT, &network, 0)->metric, 256);
	ck_assert_uint_eq(n_new, 2 + 4);
	/* The last IPv6 address: IPv4 routes stay. */
	addr_del("2001:db8::1/64");
	ck_assert_uint_eq(found("2001:db8::1"), ADJ_NONE);
	ck_assert_uint_eq(found("2001:db8::7"), ADJ_NONE);
	ck_assert_uint_eq(found("10.0.0.7"), ADJ_GLEAN + 1);
	ck_assert_uint_eq(n_deleted, 2);
	stop();
}
END_TEST

START_TEST(link_local_addresses_are_of_their_link)
{
	uint32_t on_1, on_2;

	start();
	addr_add(1, "fe80::1/64");
	addr_add(2, "fe80::2/64");
	ck_assert_uint_eq(found_on("fe80::1", 1), ADJ_LOCAL);
	ck_assert_uint_eq(found_on("fe80::1", 2), ADJ_GLEAN6 + 2);
	ck_assert_uint_eq(found_on("fe80::2", 1), ADJ_GLEAN6 + 1);
	ck_assert_uint_eq(found_on("fe80::2", 2), ADJ_LOCAL);
	ck_assert_uint_eq(found_on("fe80::1", 3), ADJ_NONE);
	/* The same address twice, of two neighbours. */
	on_1 = neigh_change(1, "fe80::9", NEIGH_REACHABLE);
	on_2 = neigh_change(2, "fe80::9", NEIGH_REACHABLE);
	ck_assert_uint_ne(on_1, on_2);
	ck_assert_uint_eq(found_on("fe80::9", 1), on_1);
	ck_assert_uint_eq(found_on("fe80::9", 2), on_2);
	link_change(1, true, false);
	ck_assert_uint_eq(found_on("fe80::9", 1), ADJ_NONE);
	ck_assert_uint_eq(found_on("fe80::9", 2), on_2);
	link_change(1, true, true);
	ck_assert_uint_eq(found_on("fe80::9", 1), on_1);
	/* Routes to the same prefix on both; shown without the link. */
	ck_assert_int_eq(add("fe80::/80", NULL, 1, 0), 0);
	ck_assert_int_eq(add("fe80::/80", NULL, 2, 0), 0);
	ck_assert_int_eq(add("fe80::/80", NULL, 2, 0), -EEXIST);
	addr_del("fe80::2/64");
	ck_assert_uint_eq(found_on("fe80::9", 2), ADJ_NONE);
	ck_assert_uint_eq(found_on("fe80::9", 1), on_1);
	stop();
}
END_TEST

START_TEST(ip6_default_is_meant_by_its_gateway)
{
	struct ip_prefix any6 = prefix_of("::/0"), any4 = prefix_of("default");
	struct route_match match = { .prefix = any4, .metric = -1 };

	start();
	addr_add(1, "2001:db8::1/64");
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(add("default", "2001:db8::9", 0, 0), 0);
	ck_assert_int_eq(add("default", "fe80::9", 1, 2000), 0);
	ck_assert_int_eq(add("default", "10.0.0.9", 0, 0), 0);
	ck_assert_int_eq(add("::/0", "2001:db8::8", 0, 1024), -EEXIST);
	ck_assert_uint_eq(found("2001:4860::8"), neigh_adj(1, "2001:db8::9"));
	ck_assert_uint_eq(found("8.8.8.8"), neigh_adj(1, "10.0.0.9"));
	ck_assert_uint_eq(fib_routes(&dp, NS_DEFAULT, &any6, 0)->metric, 1024);
	match.gateway = addr_of("2001:db8::9");
	ck_assert_int_eq(fib_route_del(&dp, &match), 0);
	ck_assert_uint_eq(found("2001:4860::8"), neigh_adj(1, "fe80::9"));
	ck_assert_uint_eq(found("8.8.8.8"), neigh_adj(1, "10.0.0.9"));
	stop();
}
END_TEST

START_TEST(ip6_neighbour_has_an_entry_below_routes)
{
	uint32_t host;

	start();
	addr_add(1, "2001:db8::1/64");
	addr_add(2, "2001:db8:0:1::1/64");
	host = neigh_change(1, "2001:db8::7", NEIGH_STALE);
	ck_assert_uint_eq(found("2001:db8::7"), host);
	ck_assert_int_eq(add("2001:db8::/112", "2001:db8:0:1::9", 0, 0), 0);
	ck_assert_uint_eq(found("2001:db8::7"), neigh_adj(2, "2001:db8:0:1::9"));
	ck_assert_int_eq(del("2001:db8::/112", 0), 0);
	ck_assert_uint_eq(found("2001:db8::7"), host);
	neigh_change(1, "2001:db8::7", NEIGH_FAILED);
	ck_assert_uint_eq(found("2001:db8::7"), ADJ_GLEAN6 + 1);
	stop();
}
END_TEST

/* Several next hops */

struct hop_row {
	const char *via;
	uint16_t link, weight;
};

static int add_several(const char *prefix, const struct hop_row *rows, unsigned int n)
{
	struct nexthop_spec hops[4];
	struct wish wish;
	const char *why;

	wish_fill(&wish, prefix, NULL, 0, 0);
	memset(hops, 0, sizeof(hops));
	for (unsigned int i = 0; i < n; i++) {
		if (rows[i].via != NULL)
			hops[i].gateway = addr_of(rows[i].via);
		hops[i].link = rows[i].link;
		hops[i].weight = rows[i].weight;
	}
	wish.spec.hops = hops;
	wish.spec.n_hops = n;
	return fib_route_replace(&dp, &wish.spec, &why);
}

static uint32_t bucket(const char *text, unsigned int i)
{
	uint32_t value = found(text);

	ck_assert_uint_ge(value, MULTIPATH_FIRST);
	return fib_multipath(&dp).buckets[(value - MULTIPATH_FIRST) * MULTIPATH_BUCKETS + i];
}

/* How many buckets lead to an adjacency. */
static unsigned int share(const char *text, uint32_t adj)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		n += bucket(text, i) == adj;
	return n;
}

static const struct hop_row three[] = { { "10.0.0.7", 0, 2 }, { "10.0.0.8", 0, 1 },
	{ "10.0.1.9", 0, 1 } };

static void start_three(void)
{
	start();
	addr_add(1, "10.0.0.1/24");
	addr_add(2, "10.0.1.1/24");
	ck_assert_int_eq(add_several("20.0.0.0/8", three, 3), 0);
}

START_TEST(several_next_hops_share_by_weight)
{
	start_three();
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(1, "10.0.0.7")), 128);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(1, "10.0.0.8")), 64);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(2, "10.0.1.9")), 64);
	/* The same set again is the same group. */
	ck_assert_int_eq(add_several("21.0.0.0/8", three, 3), 0);
	ck_assert_uint_eq(found("20.0.0.1"), found("21.0.0.1"));
	/* However little, something. */
	ck_assert_int_eq(add_several("22.0.0.0/8",
				 (const struct hop_row[]){
					 { "10.0.0.7", 0, 1 },
					 { "10.0.0.8", 0, 256 },
				 },
				 2),
		0);
	ck_assert_uint_eq(share("22.0.0.1", neigh_adj(1, "10.0.0.7")), 1);
	ck_assert_uint_eq(share("22.0.0.1", neigh_adj(1, "10.0.0.8")), 255);
	stop();
}
END_TEST

START_TEST(lost_next_hop_moves_only_its_own_flows)
{
	uint32_t a, b, c, before[MULTIPATH_BUCKETS], n_other = 0;

	start_three();
	a = neigh_adj(1, "10.0.0.7");
	b = neigh_adj(1, "10.0.0.8");
	c = neigh_adj(2, "10.0.1.9");
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		before[i] = bucket("20.0.0.1", i);
	neigh_change(1, "10.0.0.8", NEIGH_FAILED);
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++) {
		uint32_t now = bucket("20.0.0.1", i);

		ck_assert_uint_ne(now, b);
		if (before[i] != b)
			ck_assert_uint_eq(now, before[i]);
	}
	ck_assert_uint_eq(share("20.0.0.1", a), 171);
	/* A second loss leaves alone what the first has moved elsewhere. */
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		n_other += before[i] == b && bucket("20.0.0.1", i) == a;
	link_change(2, true, false);
	ck_assert_uint_eq(share("20.0.0.1", a), MULTIPATH_BUCKETS);
	ck_assert_uint_gt(n_other, 0);
	/* Asked again, it is out until it answers. */
	neigh_change(1, "10.0.0.8", NEIGH_INCOMPLETE);
	ck_assert_uint_eq(share("20.0.0.1", b), 0);
	link_change(2, true, true);
	neigh_change(1, "10.0.0.8", NEIGH_REACHABLE);
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		ck_assert_uint_eq(bucket("20.0.0.1", i), before[i]);
	ck_assert_uint_eq(share("20.0.0.1", c), 64);
	stop();
}
END_TEST

START_TEST(without_any_next_hop_packets_are_refused)
{
	uint32_t failed;

	start_three();
	ck_assert_int_eq(add("20.0.0.0/8", "10.0.0.6", 0, 9), 0);
	neigh_change(1, "10.0.0.7", NEIGH_FAILED);
	neigh_change(1, "10.0.0.8", NEIGH_FAILED);
	failed = neigh_change(2, "10.0.1.9", NEIGH_FAILED);
	ck_assert_uint_eq(share("20.0.0.1", ADJ_UNREACHABLE), MULTIPATH_BUCKETS);
	/* Nobody else would ask for them. */
	fib_module.tick(&dp, UINT64_C(5000000000));
	fib_module.tick(&dp, UINT64_C(5010000000));
	ck_assert_uint_eq(n_asked[failed], 1);
	fib_module.tick(&dp, UINT64_C(6000000000));
	ck_assert_uint_eq(n_asked[failed], 2);
	/* Links are another matter: without them the route is not used. */
	link_change(1, true, false);
	ck_assert_uint_eq(share("20.0.0.1", ADJ_UNREACHABLE), MULTIPATH_BUCKETS);
	link_change(2, true, false);
	ck_assert_uint_eq(found("20.0.0.1"), ADJ_NONE);
	link_change(1, true, true);
	neigh_change(1, "10.0.0.7", NEIGH_NONE);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(1, "10.0.0.7")), MULTIPATH_BUCKETS);
	stop();
}
END_TEST

START_TEST(route_outlives_all_but_its_last_link)
{
	struct ip_prefix prefix = prefix_of("20.0.0.0/8");

	start_three();
	addr_del("10.0.1.1/24");
	ck_assert(fib_routes(&dp, NS_DEFAULT, &prefix, 0)->nexthops->hop[2].is_dead);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(2, "10.0.1.9")), 0);
	/* The same route anew is another set: its next hops live. */
	addr_add(2, "10.0.1.1/24");
	ck_assert_int_eq(add_several("21.0.0.0/8", three, 3), 0);
	ck_assert_uint_eq(share("21.0.0.1", neigh_adj(2, "10.0.1.9")), 64);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(2, "10.0.1.9")), 0);
	addr_del("10.0.0.1/24");
	ck_assert_ptr_null(fib_routes(&dp, NS_DEFAULT, &prefix, 0));
	ck_assert_uint_eq(found("20.0.0.1"), ADJ_NONE);
	ck_assert_uint_eq(share("21.0.0.1", neigh_adj(2, "10.0.1.9")), MULTIPATH_BUCKETS);
	stop();
}
END_TEST

/* Recursive next hops */

START_TEST(gateway_behind_a_route_follows_it)
{
	uint32_t near, far, group;

	start();
	addr_add(1, "10.0.0.1/24");
	addr_add(2, "10.0.1.1/24");
	ck_assert_int_eq(add("10.9.0.0/16", "10.0.0.9", 0, 0), 0);
	ck_assert_int_eq(add("20.0.0.0/8", "10.9.0.1", 0, 0), 0);
	ck_assert_int_eq(add("20.0.0.0/8", "10.0.0.7", 0, 5), 0);
	near = neigh_adj(1, "10.0.0.9");
	group = found("20.0.0.1");
	ck_assert_uint_eq(share("20.0.0.1", near), MULTIPATH_BUCKETS);
	/* A longer prefix, another next hop: the LPM stays as it is. */
	ck_assert_int_eq(add("10.9.0.0/24", "10.0.1.9", 0, 0), 0);
	far = neigh_adj(2, "10.0.1.9");
	ck_assert_uint_eq(share("20.0.0.1", far), MULTIPATH_BUCKETS);
	link_change(2, true, false);
	ck_assert_uint_eq(share("20.0.0.1", near), MULTIPATH_BUCKETS);
	link_change(2, true, true);
	ck_assert_uint_eq(share("20.0.0.1", far), MULTIPATH_BUCKETS);
	ck_assert_int_eq(del("10.9.0.0/24", -1), 0);
	ck_assert_int_eq(replace("10.9.0.0/16", "10.0.1.8", 0, 0), 0);
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(2, "10.0.1.8")), MULTIPATH_BUCKETS);
	ck_assert_uint_eq(found("20.0.0.1"), group);
	/* Without a way to the gateway it is not used. */
	ck_assert_int_eq(del("10.9.0.0/16", -1), 0);
	ck_assert_uint_eq(found("20.0.0.1"), neigh_adj(1, "10.0.0.7"));
	ck_assert_int_eq(add("10.9.0.0/16", "10.0.0.9", 0, 0), 0);
	ck_assert_uint_eq(found("20.0.0.1"), group);
	/* On a network of ours it is a neighbour. */
	addr_add(2, "10.9.0.7/24");
	ck_assert_uint_eq(share("20.0.0.1", neigh_adj(2, "10.9.0.1")), MULTIPATH_BUCKETS);
	addr_del("10.9.0.7/24");
	ck_assert_uint_eq(share("20.0.0.1", near), MULTIPATH_BUCKETS);
	stop();
}
END_TEST

START_TEST(gateway_behind_several_next_hops_spreads_as_they_do)
{
	start_three();
	ck_assert_int_eq(add("30.0.0.0/8", "20.0.0.1", 0, 0), 0);
	ck_assert_int_eq(add("40.0.0.0/8", "30.0.0.1", 0, 0), 0);
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		ck_assert_uint_eq(bucket("40.0.0.1", i), bucket("20.0.0.1", i));
	neigh_change(1, "10.0.0.7", NEIGH_FAILED);
	ck_assert_uint_eq(share("40.0.0.1", neigh_adj(1, "10.0.0.7")), 0);
	for (unsigned int i = 0; i < MULTIPATH_BUCKETS; i++)
		ck_assert_uint_eq(bucket("40.0.0.1", i), bucket("20.0.0.1", i));
	stop();
}
END_TEST

START_TEST(routes_never_lead_in_a_circle)
{
	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(add("20.0.0.0/8", "10.0.0.9", 0, 0), 0);
	ck_assert_int_eq(add("30.0.0.0/8", "20.0.0.1", 0, 0), 0);
	ck_assert_int_eq(add("40.0.0.0/8", "30.0.0.1", 0, 0), 0);
	ck_assert_int_eq(replace("20.0.0.0/8", "40.0.0.1", 0, 0), -ELOOP);
	ck_assert_int_eq(add("20.0.0.0/24", "40.0.0.1", 0, 0), -ELOOP);
	ck_assert_int_eq(add("20.0.1.0/24", "40.0.0.1", 0, 0), 0);
	ck_assert_uint_eq(share("20.0.1.1", neigh_adj(1, "10.0.0.9")), MULTIPATH_BUCKETS);
	/* Not by adding but by deleting: what is left would lead to itself. */
	ck_assert_int_eq(add("20.0.0.0/16", "10.0.0.8", 0, 0), 0);
	ck_assert_int_eq(replace("20.0.0.0/8", "40.0.0.1", 0, 0), 0);
	ck_assert_uint_eq(share("20.9.9.9", neigh_adj(1, "10.0.0.8")), MULTIPATH_BUCKETS);
	ck_assert_int_eq(del("20.0.0.0/16", -1), 0);
	ck_assert_uint_eq(found("20.9.9.9"), ADJ_NONE);
	ck_assert_uint_eq(found("40.0.0.1"), ADJ_NONE);
	ck_assert_int_eq(add("20.0.0.0/16", "10.0.0.8", 0, 0), 0);
	ck_assert_uint_eq(share("20.9.9.9", neigh_adj(1, "10.0.0.8")), MULTIPATH_BUCKETS);
	stop();
}
END_TEST

START_TEST(recursion_ends_somewhere)
{
	char prefix[32], via[32];
	unsigned int i;

	start();
	addr_add(1, "10.0.0.1/24");
	ck_assert_int_eq(add("20.0.0.0/16", "10.0.0.9", 0, 0), 0);
	for (i = 1; i < 20; i++) {
		snprintf(prefix, sizeof(prefix), "20.%u.0.0/16", i);
		snprintf(via, sizeof(via), "20.%u.0.1", i - 1);
		ck_assert_int_eq(add(prefix, via, 0, 0), 0);
	}
	ck_assert_uint_eq(share("20.8.0.1", neigh_adj(1, "10.0.0.9")), MULTIPATH_BUCKETS);
	ck_assert_uint_eq(found("20.9.0.1"), ADJ_NONE);
	ck_assert_uint_eq(found("20.19.0.1"), ADJ_NONE);
	stop();
}
END_TEST

START_TEST(many_routes_follow_their_link_in_slices)
{
	const struct lpm *table;
	unsigned int n_ticks = 0, n_left;

	start();
	addr_add(1, "10.0.0.1/24");
	for (unsigned int i = 0; i < 50000; i++) {
		struct wish wish;
		const char *why;

		wish_fill(&wish, "20.0.0.0/24", "10.0.0.9", 0, 0);
		wish.spec.prefix.addr.v4_be = htonl((20u << 24) + (i << 8));
		ck_assert_int_eq(fib_route_add(&dp, &wish.spec, &why), 0);
	}
	table = fib4_table(&dp, NS_DEFAULT);
	link_change_begin(1, true, false);
	do {
		fib_module.tick(&dp, 0);
		n_left = 0;
		for (unsigned int i = 0; i < 50000; i++)
			n_left += lpm4_lookup(table, (20u << 24) + (i << 8)) != ADJ_NONE;
		n_ticks++;
	} while (n_left > 0 && n_ticks < 10000);
	ck_assert_uint_eq(n_left, 0);
	ck_assert_uint_gt(n_ticks, 1);

	/* Back before all have followed: none may be left behind. */
	link_change_begin(1, true, true);
	link_change_begin(1, true, false);
	link_change_begin(1, true, true);
	follow();
	for (unsigned int i = 0; i < 50000; i++)
		ck_assert_uint_ne(lpm4_lookup(table, (20u << 24) + (i << 8)), ADJ_NONE);
	stop();
}
END_TEST

START_TEST(routes_are_listed_by_prefix_and_preference)
{
	const char *wants[] = { "default", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16" };
	char text[IP_PREFIX_TEXT_MAX];
	const struct route **all;
	size_t n;

	start();
	for (unsigned int i = RTE_DIM(wants); i-- > 0;) {
		ck_assert_int_eq(add(wants[i], NULL, 1, 7), 0);
		ck_assert_int_eq(add(wants[i], NULL, 2, 3), 0);
	}
	all = fib_routes_all(&dp, NS_DEFAULT, &n);
	ck_assert_uint_eq(n, RTE_DIM(wants));
	for (unsigned int i = 0; i < n; i++) {
		ck_assert_str_eq(ip_prefix_text(&all[i]->prefix, text), wants[i]);
		ck_assert_uint_eq(all[i]->metric, 3);
		ck_assert_uint_eq(all[i]->next->metric, 7);
		ck_assert_ptr_null(all[i]->next->next);
	}
	free(all);
	stop();
}
END_TEST

SUITE_MAIN("fib", PLAIN_TEST(address_brings_connected_local_and_broadcast_routes),
	PLAIN_TEST(point_to_point_address_has_no_broadcast),
	PLAIN_TEST(second_address_of_a_network_inherits_its_routes),
	PLAIN_TEST(lowest_usable_metric_wins),
	PLAIN_TEST(replaced_route_keeps_its_adjacency_until_the_new_one_is_in),
	PLAIN_TEST(known_neighbour_has_an_entry_below_routes),
	PLAIN_TEST(neighbour_entry_needs_a_connected_route_of_its_link),
	PLAIN_TEST(gateway_of_a_connected_network_is_also_a_host_in_it),
	PLAIN_TEST(route_types_lead_to_their_adjacencies),
	LOOP_TEST(impossible_route_is_refused, refused),
	PLAIN_TEST(gateway_outside_all_networks_is_taken_with_its_link),
	PLAIN_TEST(ip6_address_brings_connected_and_local_routes),
	PLAIN_TEST(link_local_addresses_are_of_their_link),
	PLAIN_TEST(ip6_default_is_meant_by_its_gateway),
	PLAIN_TEST(ip6_neighbour_has_an_entry_below_routes),
	PLAIN_TEST(several_next_hops_share_by_weight),
	PLAIN_TEST(lost_next_hop_moves_only_its_own_flows),
	PLAIN_TEST(without_any_next_hop_packets_are_refused),
	PLAIN_TEST(route_outlives_all_but_its_last_link),
	PLAIN_TEST(gateway_behind_a_route_follows_it),
	PLAIN_TEST(gateway_behind_several_next_hops_spreads_as_they_do),
	PLAIN_TEST(routes_never_lead_in_a_circle), PLAIN_TEST(recursion_ends_somewhere),
	PLAIN_TEST(many_routes_follow_their_link_in_slices),
	PLAIN_TEST(routes_are_listed_by_prefix_and_preference))
