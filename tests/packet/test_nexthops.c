/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Next hops as packets take them, in both families: several with weights, what a flow is, links that go
 * down, neighbours that do not answer, gateways behind other routes, metrics. Every test is done with IPv4
 * and with IPv6; what differs is in `families`.
 *
 *	.10 --- lan (p0) weir wan (p1) --- .10, .20; default
 *	                      dmz (p2) --- .10
 */
#include "kit6.h"

#include "base/mem.h"

#define WAN_SECOND "02:00:00:00:02:02" /* the other neighbour on wan */

/* Next hops by the MAC address that a packet leaves to. */
enum { BY_WAN, BY_WAN_SECOND, BY_DMZ, N_WAYS, NOWHERE = N_WAYS };
static const char *const way_macs[N_WAYS] = { PEER_MAC, WAN_SECOND, DMZ_HOST };

static const struct family {
	const char *config;
	uint16_t ether_type;
	const char *wan, *wan_second, *wan_silent, *dmz; /* gateways */
	const char *many;				 /* where flows go to */
	const char *many_format;			 /* an address in it, from two numbers */
	const char *src_format;				 /* of a host behind lan, from one */
	const char *known, *known_addr;			 /* behind dmz by the configuration */
	const char *far, *far_addr;		   /* nowhere but behind the default route yet */
	const char *inner, *inner_host, *inner_gw; /* networks in `known` around a gateway */
	const char *any;
	const char *policy, *no_route;
	unsigned int metric; /* of routes without one */
} families[] = {
	{ .config = router_config,
		.ether_type = RTE_ETHER_TYPE_IPV4,
		.wan = "198.51.100.10",
		.wan_second = "198.51.100.20",
		.wan_silent = "198.51.100.99",
		.dmz = "203.0.113.10",
		.many = "10.7.0.0/16",
		.many_format = "10.7.%u.%u",
		.src_format = "192.0.2.%u",
		.known = "10.0.0.0/8",
		.known_addr = "10.1.1.1",
		.far = "172.16.0.0/12",
		.far_addr = "172.16.1.1",
		.inner = "10.9.0.0/16",
		.inner_host = "10.9.9.9/32",
		.inner_gw = "10.9.9.9",
		.any = "0.0.0.0/0",
		.policy = "ipv4.fib_multipath_hash_policy",
		.no_route = "ip4_no_route",
		.metric = 0 },
	{ .config = router6_config,
		.ether_type = RTE_ETHER_TYPE_IPV6,
		.wan = PEER6,
		.wan_second = "2001:db8:2::20",
		.wan_silent = "2001:db8:2::99",
		.dmz = "2001:db8:3::10",
		.many = "2001:db8:7::/48",
		.many_format = "2001:db8:7:%x::%x",
		.src_format = "2001:db8:1::%u",
		.known = "2001:db8:f::/48",
		.known_addr = "2001:db8:f:1::1",
		.far = "2001:db8:ac00::/40",
		.far_addr = "2001:db8:ac01::1",
		.inner = "2001:db8:f:9::/64",
		.inner_host = "2001:db8:f:9::9/128",
		.inner_gw = "2001:db8:f:9::9",
		.any = "::/0",
		.policy = "ipv6.fib_multipath_hash_policy",
		.no_route = "ip6_no_route",
		.metric = 1024 },
};

/* A router of that family that knows the second neighbour on wan, too. */
static struct bench *router_start(const struct family *f)
{
	struct bench *b = bench_start(f->config);
	char *params = mem_printf("{\"to\": \"%s\", \"lladdr\": \"%s\", \"dev\": \"wan\"}",
		f->wan_second, WAN_SECOND);

	json_decref(bench_call(b, "neigh.add", params));
	free(params);
	return b;
}

/* with: the rest of the arguments as JSON, from a format. */
__attribute__((format(printf, 4, 5))) static void route(
	struct bench *b, const char *verb, const char *to, const char *format, ...)
{
	char *method = mem_printf("route.%s", verb), *params, with[512] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(with, sizeof(with), format, args);
	va_end(args);
	params = mem_printf("{\"to\": \"%s\"%s%s}", to, with[0] != '\0' ? ", " : "", with);
	json_decref(bench_call(b, method, params));
	free(method);
	free(params);
}

/* What a packet is of. */
struct flow {
	unsigned int src;     /* host behind lan; 0: the tenth */
	unsigned int dst[2];  /* in `many` */
	const char *dst_addr; /* in place of that */
	uint16_t sport, dport;
	uint8_t proto, dscp;
	uint32_t label;	      /* IPv6 only */
	bool has_options;     /* in front of the ports */
	unsigned int pieces;  /* 0: whole; 1: a first fragment, 2: a later one */
	uint16_t payload_len; /* says nothing about the flow */
};

static void put_flow4(
	struct frame *frame, const struct flow *flow, const char *src, const char *dst)
{
	static const uint8_t nops[4] = { 1, 1, 1, 1 };

	frame_ip4(frame, &(struct ip4_spec){ .src = src,
				 .dst = dst,
				 .proto = flow->proto,
				 .sport = flow->sport,
				 .dport = flow->dport,
				 .options = nops,
				 .options_len = flow->has_options ? sizeof(nops) : 0,
				 .payload_len = flow->payload_len,
				 .fragment = flow->pieces == 0	 ? 0
					     : flow->pieces == 1 ? 0x2000
								 : 4 });
	frame_ip(frame)->type_of_service = (uint8_t)(flow->dscp << 2);
	frame_fix_ip(frame);
}

static void put_flow6(
	struct frame *frame, const struct flow *flow, const char *src, const char *dst)
{
	uint8_t proto = flow->proto != 0 ? flow->proto : IPPROTO_UDP;
	/* Destination options with padding, or a fragment header: of offset 0 with more to come, or 32. */
	uint8_t options[8] = { proto, 0, 1, 4 };
	uint8_t fragment[8] = { proto, 0, 0, flow->pieces == 1 ? 1 : 32, 0, 0, 0, 7 };
	const void *ext = flow->pieces != 0 ? fragment : options;

	frame_ip6(
		frame, &(struct ip6_spec){ .src = src,
			       .dst = dst,
			       .proto = proto,
			       .sport = flow->sport,
			       .dport = flow->dport,
			       .payload_len = flow->payload_len,
			       .ext = ext,
			       .ext_proto = flow->pieces != 0 ? IPPROTO_FRAGMENT : IPPROTO_DSTOPTS,
			       .ext_len = flow->has_options || flow->pieces != 0 ? 8 : 0 });
	frame_ip6_hdr(frame)->vtc_flow =
		rte_cpu_to_be_32(0x60000000u | (uint32_t)flow->dscp << 22 | flow->label);
}

/* By which next hop a packet leaves. The neighbours that weir asks for meanwhile are not counted. */
static unsigned int way_of(struct bench *b, const struct family *f, const struct flow *flow)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	unsigned int way = NOWHERE;
	struct frame frame;

	snprintf(src, sizeof(src), f->src_format, flow->src != 0 ? flow->src : 10);
	snprintf(dst, sizeof(dst), f->many_format, flow->dst[0], flow->dst[1]);
	(f->ether_type == RTE_ETHER_TYPE_IPV4 ? put_flow4 : put_flow6)(
		&frame, flow, src, flow->dst_addr != NULL ? flow->dst_addr : dst);
	bench_push(b, LAN, &frame);
	for (unsigned int port = WAN; port <= DMZ; port++) {
		while (bench_receive(b, port, &frame)) {
			for (unsigned int i = 0; i < N_WAYS; i++) {
				struct rte_ether_addr mac;

				rte_ether_unformat_addr(way_macs[i], &mac);
				if (!rte_is_same_ether_addr(&mac, &frame_ether(&frame)->dst_addr))
					continue;
				REQUIRE_MSG(way == NOWHERE, "it left twice");
				REQUIRE(port == (i == BY_DMZ ? DMZ : WAN));
				way = i;
			}
		}
	}
	bench_discard(b);
	return way;
}

static unsigned int way_to(struct bench *b, const struct family *f, const char *addr)
{
	return way_of(b, f, &(struct flow){ .dst_addr = addr });
}

enum { N_FLOWS = 1000 };

/* Where flows go, none of them nowhere. */
struct ways {
	uint8_t of[N_FLOWS];
	unsigned int n[N_WAYS];
};

static void ways_take(struct bench *b, const struct family *f, struct ways *ways)
{
	*ways = (struct ways){ 0 };
	for (unsigned int i = 0; i < N_FLOWS; i++) {
		unsigned int way = way_of(
			b, f, &(struct flow){ .dst = { i / 200, i % 200 }, .payload_len = 10 });

		REQUIRE_MSG(way != NOWHERE, "flow %u is lost", i);
		ways->of[i] = (uint8_t)way;
		ways->n[way]++;
	}
}

/* Five deviations at least from what a fair choice of flows gives. */
static void ways_expect(const struct ways *ways, const unsigned int want[N_WAYS])
{
	for (unsigned int i = 0; i < N_WAYS; i++)
		ck_assert_msg(want[i] == 0 ? ways->n[i] == 0
					   : ways->n[i] + 80 > want[i] && ways->n[i] < want[i] + 80,
			"%u of %u by next hop %u, and not %u", ways->n[i], N_FLOWS, i, want[i]);
}

/* Weights 4, 2 and 1. */
static void route_three_ways(struct bench *b, const struct family *f)
{
	route(b, "add", f->many,
		"\"nexthops\": [{\"via\": \"%s\", \"weight\": 4}, {\"via\": \"%s\", \"weight\": "
		"2}, "
		"{\"via\": \"%s\"}]",
		f->wan, f->wan_second, f->dmz);
}

static void route_two_ways(struct bench *b, const struct family *f)
{
	route(b, "add", f->many, "\"nexthops\": [{\"via\": \"%s\"}, {\"via\": \"%s\"}]", f->wan,
		f->dmz);
}

START_TEST(flows_are_spread_by_weight_and_stay_where_they_are)
{
	const struct family *f = &families[_i];
	struct bench *b = router_start(f);
	struct drops drops = drops_take(b);
	struct ways first, again;

	route_three_ways(b, f);
	ways_take(b, f, &first);
	ways_expect(&first, (unsigned int[]){ 571, 286, 143 });
	bench_advance(b, 1000);
	ways_take(b, f, &again);
	ck_assert_mem_eq(&first, &again, sizeof(first));
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

enum vary { SRC, DST, SPORT, DPORT, OPTIONS, PROTO, LABEL, DSCP, FRAGMENT };

/* As Linux has it: net/ipv4/route.c fib_multipath_hash(), net/ipv6/route.c rt6_multipath_hash(). */
static const struct {
	unsigned int family, policy;
	enum vary vary;
	bool is_spread;
} policies[] = {
	{ 0, 0, SRC, true },
	{ 0, 0, DST, true },
	{ 0, 0, SPORT, false },
	{ 0, 0, DPORT, false },
	{ 0, 0, OPTIONS, false },
	{ 0, 0, PROTO, false },
	{ 0, 0, DSCP, false },
	{ 0, 0, FRAGMENT, false },
	{ 0, 1, SRC, true },
	{ 0, 1, DST, true },
	{ 0, 1, SPORT, true },
	{ 0, 1, DPORT, true },
	{ 0, 1, OPTIONS, true },
	{ 0, 1, PROTO, true },
	{ 0, 1, DSCP, false },
	{ 0, 1, FRAGMENT, false },
	{ 1, 0, SRC, true },
	{ 1, 0, DST, true },
	{ 1, 0, SPORT, false },
	{ 1, 0, DPORT, false },
	{ 1, 0, OPTIONS, false },
	{ 1, 0, PROTO, true },
	{ 1, 0, LABEL, true },
	{ 1, 0, DSCP, false },
	{ 1, 0, FRAGMENT, false },
	{ 1, 1, SRC, true },
	{ 1, 1, DST, true },
	{ 1, 1, SPORT, true },
	{ 1, 1, DPORT, true },
	{ 1, 1, OPTIONS, true },
	{ 1, 1, PROTO, true },
	{ 1, 1, LABEL, false },
	{ 1, 1, DSCP, false },
	{ 1, 1, FRAGMENT, false },
};

/* The i-th flow that differs from the others in that only. */
static struct flow flow_make(enum vary vary, unsigned int i)
{
	struct flow flow = { .dst = { 0, 1 }, .payload_len = 24 };

	switch (vary) {
	case SRC:
		flow.src = 20 + i;
		break;
	case DST:
		flow.dst[1] += i;
		break;
	case OPTIONS:
		flow.has_options = true;
		flow.sport = (uint16_t)(1000 + i);
		break;
	case SPORT:
		flow.sport = (uint16_t)(1000 + i);
		break;
	case DPORT:
		flow.dport = (uint16_t)(2000 + i);
		break;
	case PROTO:
		flow.proto = (uint8_t)(150 + i); /* of nobody */
		break;
	case LABEL:
		flow.label = 0x10000 + i;
		break;
	case DSCP:
		flow.dscp = (uint8_t)(i % 64);
		break;
	case FRAGMENT:
		flow.pieces = 1 + i % 2;
		flow.sport = (uint16_t)(1000 + i); /* or what would be one */
		break;
	}
	return flow;
}

START_TEST(the_hash_policy_says_what_a_flow_is)
{
	enum { N = 100 };
	const struct family *f = &families[policies[_i].family];
	struct bench *b = router_start(f);
	struct drops drops = drops_take(b);
	unsigned int n_wan = 0;

	route_two_ways(b, f);
	bench_sysctl(b, f->policy, policies[_i].policy != 0 ? "1" : "0");
	for (unsigned int i = 0; i < N; i++) {
		struct flow flow = flow_make(policies[_i].vary, i);
		unsigned int way = way_of(b, f, &flow);

		ck_assert_uint_ne(way, NOWHERE);
		flow.payload_len += 8;
		ck_assert_uint_eq(way_of(b, f, &flow), way);
		n_wan += way == BY_WAN;
	}
	if (policies[_i].is_spread)
		ck_assert_msg(n_wan > 20 && n_wan < 80, "%u of %u by wan", n_wan, N);
	else
		ck_assert_msg(n_wan == 0 || n_wan == N, "%u of %u by wan", n_wan, N);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

/* One policy of a family is nothing to the other. */
START_TEST(each_family_has_a_policy_of_its_own)
{
	const struct family *f = &families[_i], *other = &families[!_i];
	struct bench *b = router_start(f);
	unsigned int n_wan = 0;

	route_two_ways(b, f);
	bench_sysctl(b, other->policy, "1");
	for (unsigned int i = 0; i < 100; i++) {
		struct flow flow = flow_make(SPORT, i);

		n_wan += way_of(b, f, &flow) == BY_WAN;
	}
	ck_assert(n_wan == 0 || n_wan == 100);
	bench_destroy(b);
}
END_TEST

static void set_link(struct bench *b, const char *dev, const char *state)
{
	char *params = mem_printf("{\"dev\": \"%s\", \"state\": \"%s\"}", dev, state);

	json_decref(bench_call(b, "link.set", params));
	free(params);
	bench_discard(b);
}

START_TEST(next_hops_over_a_link_that_goes_down_are_out_at_once)
{
	const struct family *f = &families[_i];
	struct bench *b = router_start(f);
	struct ways before, now;
	struct drops drops;

	route_three_ways(b, f);
	ways_take(b, f, &before);
	drops = drops_take(b);
	set_link(b, "dmz", "down");
	ways_take(b, f, &now);
	/* Flows of the others stay; the fewer are shared by weight, too. */
	for (unsigned int i = 0; i < N_FLOWS; i++)
		ck_assert(before.of[i] == BY_DMZ || now.of[i] == before.of[i]);
	ways_expect(&now, (unsigned int[]){ 667, 333, 0 });
	set_link(b, "dmz", "up");
	ways_take(b, f, &now);
	ck_assert_mem_eq(&now, &before, sizeof(now));
	/* Two next hops at once. */
	set_link(b, "wan", "down");
	ways_take(b, f, &now);
	ways_expect(&now, (unsigned int[]){ 0, 0, N_FLOWS });
	drops_expect_none(b, &drops);
	/* All: the route is not used, and the default is by wan, too. */
	set_link(b, "dmz", "down");
	ck_assert_uint_eq(way_of(b, f, &(struct flow){ 0 }), NOWHERE);
	drops_expect(b, &drops, f->no_route, 1);
	set_link(b, "wan", "up");
	set_link(b, "dmz", "up");
	ways_take(b, f, &now);
	ck_assert_mem_eq(&now, &before, sizeof(now));
	bench_destroy(b);
}
END_TEST

/* The silent one on wan says something. */
static void silent_answers(struct bench *b, const struct family *f)
{
	struct frame frame;

	if (f->ether_type == RTE_ETHER_TYPE_IPV4)
		bench_learn(b, WAN, f->wan_silent, WAN_SECOND);
	else {
		frame_nd(&frame, &(struct nd_spec){ .src_mac = WAN_SECOND,
					 .src = f->wan_silent,
					 .target = WAN6,
					 .lladdr = WAN_SECOND });
		bench_push(b, WAN, &frame);
	}
	bench_discard(b);
}

START_TEST(a_silent_next_hop_is_left_out_until_it_answers)
{
	const struct family *f = &families[_i];
	struct bench *b = bench_start(f->config);
	struct ways ways;

	route(b, "add", f->many, "\"nexthops\": [{\"via\": \"%s\"}, {\"via\": \"%s\"}]", f->dmz,
		f->wan_silent);
	/* Asked for in vain: what waited for it is dropped, the rest goes the other way. */
	for (unsigned int i = 0; i < 20 && strcmp(bench_neigh(b, f->wan_silent), "FAILED") != 0;
		i++) {
		for (unsigned int k = 0; k < 20; k++)
			(void)way_of(b, f, &(struct flow){ .dst = { 1, k } });
		bench_advance(b, 500);
	}
	bench_discard(b);
	ways_take(b, f, &ways);
	ways_expect(&ways, (unsigned int[]){ 0, 0, N_FLOWS });
	/* It is asked again without packets for it, and is back with its answer. */
	bench_discard(b);
	bench_advance(b, 1500);
	ck_assert_uint_gt(bench_count(b, WAN), 0);
	silent_answers(b, f);
	ways_take(b, f, &ways);
	ways_expect(&ways, (unsigned int[]){ 0, 500, 500 });
	bench_destroy(b);
}
END_TEST

START_TEST(a_gateway_behind_a_route_is_followed)
{
	const struct family *f = &families[_i];
	struct bench *b = router_start(f);

	route(b, "add", f->far, "\"via\": \"%s\"", f->inner_gw);
	ck_assert_uint_eq(way_to(b, f, f->far_addr), BY_DMZ);
	route(b, "add", f->inner, "\"via\": \"%s\"", f->wan_second);
	ck_assert_uint_eq(way_to(b, f, f->far_addr), BY_WAN_SECOND);
	route(b, "del", f->inner, "%s", "");
	route(b, "del", f->known, "%s", "");
	/* By no default route: this one is not used. */
	ck_assert_uint_eq(way_to(b, f, f->far_addr), BY_WAN);
	route(b, "replace", f->any, "\"via\": \"%s\"", f->dmz);
	ck_assert_uint_eq(way_to(b, f, f->far_addr), BY_DMZ);
	route(b, "add", f->inner_host, "\"via\": \"%s\"", f->wan);
	ck_assert_uint_eq(way_to(b, f, f->far_addr), BY_WAN);
	bench_destroy(b);
}
END_TEST

START_TEST(a_gateway_behind_several_next_hops_is_followed_by_all)
{
	const struct family *f = &families[_i];
	struct bench *b = router_start(f);
	unsigned int n[N_WAYS + 1] = { 0 };

	route(b, "add", f->inner, "\"nexthops\": [{\"via\": \"%s\"}, {\"via\": \"%s\"}]", f->wan,
		f->dmz);
	route(b, "add", f->many, "\"via\": \"%s\"", f->inner_gw);
	for (unsigned int i = 0; i < 100; i++)
		n[way_of(b, f, &(struct flow){ .dst = { 0, i } })]++;
	ck_assert_uint_eq(n[BY_WAN] + n[BY_DMZ], 100);
	ck_assert_msg(n[BY_WAN] > 20 && n[BY_DMZ] > 20, "%u and %u", n[BY_WAN], n[BY_DMZ]);
	set_link(b, "dmz", "down");
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_uint_eq(way_of(b, f, &(struct flow){ .dst = { 0, i } }), BY_WAN);
	bench_destroy(b);
}
END_TEST

START_TEST(the_lowest_metric_is_used)
{
	const struct family *f = &families[_i];
	struct bench *b = router_start(f);

	route(b, "add", f->known, "\"via\": \"%s\", \"metric\": %u", f->wan, f->metric + 50);
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_DMZ);
	route(b, "del", f->known, "\"metric\": %u", f->metric);
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_WAN);
	route(b, "add", f->known, "\"via\": \"%s\", \"metric\": %u", f->dmz, f->metric + 40);
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_DMZ);
	route(b, "del", f->known, "\"via\": \"%s\"", f->dmz);
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_WAN);
	route(b, "add", f->known, "\"via\": \"%s\", \"metric\": 4294967295", f->dmz);
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_WAN);
	/* The next best stands in while the link of the best is down. */
	set_link(b, "wan", "down");
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_DMZ);
	set_link(b, "wan", "up");
	ck_assert_uint_eq(way_to(b, f, f->known_addr), BY_WAN);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("nexthops", LOOP_TEST(flows_are_spread_by_weight_and_stay_where_they_are, families),
	LOOP_TEST(the_hash_policy_says_what_a_flow_is, policies),
	LOOP_TEST(each_family_has_a_policy_of_its_own, families),
	LOOP_TEST(next_hops_over_a_link_that_goes_down_are_out_at_once, families),
	LOOP_TEST(a_silent_next_hop_is_left_out_until_it_answers, families),
	LOOP_TEST(a_gateway_behind_a_route_is_followed, families),
	LOOP_TEST(a_gateway_behind_several_next_hops_is_followed_by_all, families),
	LOOP_TEST(the_lowest_metric_is_used, families))
