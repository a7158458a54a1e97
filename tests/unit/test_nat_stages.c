/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stages of lib/nat on connections that are made up here: what they do to the reply tuple. The
 * table of connections, who owns which bucket, and the addresses of links are this file's; whole packets
 * go through the real ones in tests/packet/test_nat.c.
 */
#include "dp/dp.h"
#include "link/steer.h"
#include "nat/nat.h"
#include "neigh/neigh.h"
#include "suite.h"

#include <netinet/ip_icmp.h>
#include <rte_byteorder.h>
#include <stdlib.h>

enum { LAN = 1, WAN, BARE, USED_MAX = 4096, FIRSTS_MAX = 4 };

/* What flow, ns and neigh would know. */
static struct lab {
	struct dp dp;
	struct worker *w;
	struct adj adjs[ADJ_FIRST_DYNAMIC + 4];
	struct {
		struct flow_tuple tuple;
		uint8_t proto;
	} used[USED_MAX];
	unsigned int n_used;
	struct flow_first firsts[FIRSTS_MAX];
	struct steer steer;
	struct ns_own6 *own6[NS_MAX];
	bool has_global6;
	uint32_t fallback4;
} lab;

static const struct {
	const char *prefix;
	uint16_t link;
} lab_addrs[] = {
	{ "192.0.2.1/24", LAN },
	{ "198.51.100.1/24", WAN },
	{ "203.0.113.1/24", WAN },
};

static union flow_addr addr_of(const char *text)
{
	union flow_addr addr = { 0 };
	struct ip_addr parsed;

	ck_assert_int_eq(ip_addr_parse(text, &parsed), 0);
	memcpy(addr.bytes, parsed.bytes, sizeof(addr.bytes));
	return addr;
}

/* Stand-ins */

struct flow_first *flow_first(const struct worker *w, const struct pkt_meta *meta)
{
	return &lab.firsts[meta->first];
}

bool flow_tuple_is_used(const struct worker *w, uint8_t family, uint16_t ns, uint8_t proto,
	const struct flow_tuple *tuple)
{
	for (unsigned int i = 0; i < lab.n_used; i++)
		if (lab.used[i].proto == proto &&
			memcmp(&lab.used[i].tuple, tuple, 2 * 16 + 4) == 0)
			return true;
	return false;
}

unsigned int flow_bucket(const struct worker *w, uint8_t proto, const struct flow_tuple *tuple)
{
	uint16_t words = steer_fold(tuple->src.words[0] ^ tuple->src.words[1] ^
				    tuple->dst.words[0] ^ tuple->dst.words[1]);

	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		words ^= tuple->sport_be ^ tuple->dport_be;
	return steer_bucket_of_xor(&lab.steer, words);
}

bool flow_bucket_is_mine(const struct worker *w, unsigned int bucket)
{
	return lab.steer.owner[bucket] == w->id;
}

void flow_find_route(const struct worker *w, struct flow_first *f)
{
	f->adj = ADJ_NONE;
	if (f->reply.src.v4_be == addr_of("198.51.100.10").v4_be) {
		f->adj = ADJ_FIRST_DYNAMIC;
		f->out_link = WAN;
	}
}

static unsigned int n_ended;

void flow_first_end(struct worker *w, const struct flow_first *f)
{
	n_ended++;
}

void flow_policy_changed(struct dp *dp)
{
}

static const struct flow_observer *observer;

void flow_observe(struct dp *dp, const struct flow_observer *given)
{
	observer = given;
}

void firewall_each_nat(const struct dp *dp, uint16_t ns,
	void (*fn)(const struct firewall_nat_rule *rule, void *ctx), void *ctx)
{
}

const struct adj *__wrap_adj_table(const struct dp *dp);
const struct adj *__wrap_adj_table(const struct dp *dp)
{
	return lab.adjs;
}

struct ns_own6 *const *__wrap_ns_own6_tables(const struct dp *dp);
struct ns_own6 *const *__wrap_ns_own6_tables(const struct dp *dp)
{
	return lab.own6;
}

static bool lab_addr(unsigned int i, uint16_t link, struct ip_prefix *prefix)
{
	ck_assert_int_eq(ip_prefix_parse(lab_addrs[i].prefix, prefix), 0);
	return lab_addrs[i].link == link;
}

uint32_t __wrap_ns_source4_select(const struct dp *dp, uint16_t link, uint32_t peer_be);
uint32_t __wrap_ns_source4_select(const struct dp *dp, uint16_t link, uint32_t peer_be)
{
	struct ip_prefix prefix;
	uint32_t first_be = 0;

	for (unsigned int i = 0; i < RTE_DIM(lab_addrs); i++) {
		if (!lab_addr(i, link, &prefix))
			continue;
		/* All of them are /24. */
		if (((prefix.addr.v4_be ^ peer_be) & RTE_BE32(0xffffff00)) == 0)
			return prefix.addr.v4_be;
		first_be = first_be == 0 ? prefix.addr.v4_be : first_be;
	}
	return first_be == 0 ? lab.fallback4 : first_be;
}

bool __wrap_ns_source4_has(const struct dp *dp, uint16_t link, uint32_t addr_be);
bool __wrap_ns_source4_has(const struct dp *dp, uint16_t link, uint32_t addr_be)
{
	struct ip_prefix prefix;

	for (unsigned int i = 0; i < RTE_DIM(lab_addrs); i++)
		if (lab_addr(i, link, &prefix) && prefix.addr.v4_be == addr_be)
			return true;
	return false;
}

bool __wrap_ns_own6_select(
	const struct ns_own6 *own, uint16_t link, const uint8_t *dst, uint8_t out[static 16]);
bool __wrap_ns_own6_select(
	const struct ns_own6 *own, uint16_t link, const uint8_t *dst, uint8_t out[static 16])
{
	union flow_addr addr = addr_of(lab.has_global6 ? "2001:db8::1" : "fe80::1");

	memcpy(out, addr.bytes, 16);
	return link == WAN;
}

const struct ns_own6_row *__wrap_ns_own6_search(
	const struct ns_own6 *own, const uint8_t *addr, uint16_t link);
const struct ns_own6_row *__wrap_ns_own6_search(
	const struct ns_own6 *own, const uint8_t *addr, uint16_t link)
{
	static struct ns_own6_row row = { .link = WAN };
	union flow_addr ours = addr_of("2001:db8::1");

	return memcmp(addr, ours.bytes, 16) == 0 ? &row : NULL;
}

static unsigned int n_told;
static struct mail told;

bool __wrap_worker_tell(struct worker *w, const struct mail *mail);
bool __wrap_worker_tell(struct worker *w, const struct mail *mail)
{
	n_told++;
	told = *mail;
	return true;
}

/* The lab */

static void lab_setup_workers(unsigned int n_workers)
{
	memset(&lab, 0, sizeof(lab));
	n_told = n_ended = 0;
	nat_module.id = 0;
	lab.dp.n_workers = n_workers;
	lab.dp.tsc_hz = 1000;
	lab.dp.slot[0] = calloc(1, nat_module.state_size);
	lab.w = aligned_alloc(64, sizeof(*lab.w));
	memset(lab.w, 0, sizeof(*lab.w));
	lab.w->dp = &lab.dp;
	lab.w->now = 1;
	lab.w->slot[0] = calloc(1, nat_module.worker_state_size);
	lab.own6[0] = calloc(1, sizeof(struct ns_own6) + 64);
	memset(lab.own6[0]->bits, 0xff, sizeof(lab.own6[0]->bits));
	lab.has_global6 = true;
	lab.adjs[ADJ_FIRST_DYNAMIC] = (struct adj){ .kind = ADJ_KIND_GLEAN, .link = WAN };
	lab.adjs[ADJ_FIRST_DYNAMIC + 1] = (struct adj){ .kind = ADJ_KIND_NEIGH, .link = WAN };
	ip_addr_parse("203.0.113.254", &lab.adjs[ADJ_FIRST_DYNAMIC + 1].next_hop);
	steer_init(&lab.steer, n_workers);
	ck_assert_int_eq(nat_module.init(&lab.dp), 0);
	ck_assert_int_eq(nat_module.worker_init(&lab.dp, lab.w), 0);
}

static void lab_setup(void)
{
	lab_setup_workers(1);
}

static void lab_teardown(void)
{
	free(lab.dp.slot[0]);
	free(lab.w->slot[0]);
	free(lab.own6[0]);
	free(lab.w);
}

/* As flow_reply_tuple() has it. */
static struct flow_tuple reply_of(uint8_t proto, const struct flow_tuple *orig)
{
	struct flow_tuple reply = flow_invert(orig);

	if (flow_is_icmp(proto)) {
		reply.sport_be = orig->sport_be;
		reply.dport_be = 0;
	}
	return reply;
}

/* A first packet from lan to wan. */
static struct flow_first first_of(
	uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_first f = { .proto = proto,
		.family = strchr(src, ':') != NULL ? AF_INET6 : AF_INET,
		.orig = { .src = addr_of(src), .dst = addr_of(dst) },
		.state = FLOW_STATE_NEW,
		.in_link = LAN,
		.out_link = WAN,
		.adj = ADJ_FIRST_DYNAMIC };

	if (parse_has_ports(proto) || flow_is_icmp(proto)) {
		f.orig.sport_be = rte_cpu_to_be_16(sport);
		f.orig.dport_be = rte_cpu_to_be_16(flow_is_icmp(proto) ? ICMP_ECHO << 8 : dport);
	}
	f.reply = reply_of(proto, &f.orig);
	return f;
}

/* Runs a stage over firsts[0] to [n - 1] at once. NULL: all went on; else the reason of the last drop. */
static const char *lab_run(const struct stage *stage, unsigned int n)
{
	static struct stage_node node, next, drop;
	static struct {
		struct rte_mbuf m;
		struct pkt_meta meta;
	} pkts[FIRSTS_MAX];
	const char *reason = NULL;

	node = next = drop = (struct stage_node){ 0 };
	memset(pkts, 0, sizeof(pkts));
	node.next[STAGE_DROP] = &drop;
	node.next[1] = &next;
	node.n = n;
	for (unsigned int i = 0; i < n; i++) {
		pkts[i].meta.first = (uint16_t)i;
		node.pkts[i] = &pkts[i].m;
	}
	lab.w->n_passes++;
	stage->run(lab.w, &node);
	ck_assert_uint_eq(next.n + drop.n, n);
	for (unsigned int i = 0; i < drop.n; i++)
		reason = nat_module.drops[pkt_meta(drop.pkts[i])->drop_reason].name;
	return reason;
}

static void lab_commit(const struct flow_first *f)
{
	ck_assert_uint_lt(lab.n_used + 1, USED_MAX);
	lab.used[lab.n_used].proto = f->proto;
	lab.used[lab.n_used++].tuple = f->orig;
	lab.used[lab.n_used].proto = f->proto;
	lab.used[lab.n_used++].tuple = f->reply;
	if (f->status & FLOW_NAT)
		observer->made(lab.w, f);
}

/* The connection that was committed last is no more. */
static void lab_end(const struct flow_first *f)
{
	lab.n_used -= 2;
	ck_assert_mem_eq(&lab.used[lab.n_used].tuple, &f->orig, 2 * 16 + 4);
	observer->ended(lab.w, f);
}

/* One first packet through both stages, and into the table. NULL: it went on. */
static const char *lab_walk(
	struct flow_first *f, const struct firewall_nat *dst, const struct firewall_nat *src)
{
	const char *reason;

	lab.firsts[0] = *f;
	lab.firsts[0].nat = dst;
	reason = lab_run(&nat_dst_stage, 1);
	ck_assert_ptr_null(lab.firsts[0].nat);
	lab.firsts[0].nat = src;
	if (reason == NULL)
		reason = lab_run(&nat_src_stage, 1);
	*f = lab.firsts[0];
	if (reason == NULL && !f->is_again)
		lab_commit(f);
	return reason;
}

static struct firewall_nat rule_of(enum firewall_nat_kind kind, const char *min, const char *max,
	uint16_t port_min, uint16_t port_max)
{
	struct firewall_nat nat = { .kind = (uint8_t)kind,
		.hook = kind == NAT_DNAT || kind == NAT_REDIRECT ? HOOK_PREROUTING
								 : HOOK_POSTROUTING,
		.has_ports = port_max != 0,
		.port_min = port_min,
		.port_max = port_max };

	if (min != NULL) {
		nat.family = strchr(min, ':') != NULL ? AF_INET6 : AF_INET;
		nat.min = addr_of(min);
		nat.max = addr_of(max);
	}
	return nat;
}

static const struct firewall_nat masquerade = { .kind = NAT_MASQUERADE, .hook = HOOK_POSTROUTING };

/* How the packet leaves: source and destination, port included; of ICMP the identifier. */
static void check_leaves(const struct flow_first *f, const char *src, unsigned int sport,
	const char *dst, unsigned int dport)
{
	union flow_addr want_src = addr_of(src), want_dst = addr_of(dst);

	ck_assert_mem_eq(&f->reply.dst, &want_src, sizeof(want_src));
	ck_assert_mem_eq(&f->reply.src, &want_dst, sizeof(want_dst));
	if (flow_is_icmp(f->proto)) {
		ck_assert_uint_eq(rte_be_to_cpu_16(f->reply.sport_be), sport);
		return;
	}
	ck_assert_uint_eq(rte_be_to_cpu_16(f->reply.dport_be), sport);
	ck_assert_uint_eq(rte_be_to_cpu_16(f->reply.sport_be), dport);
}

/* Masquerade */

START_TEST(masquerade_takes_an_address_of_the_out_link)
{
	struct flow_first f = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "8.8.8.8", 80);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", 4000, "8.8.8.8", 80);
	ck_assert_uint_eq(f.status, FLOW_SRC_NAT);
	/* One in the network of the next hop, if there is one. */
	f = first_of(IPPROTO_TCP, "192.0.2.10", 4001, "8.8.8.8", 80);
	f.adj = ADJ_FIRST_DYNAMIC + 1;
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "203.0.113.1", 4001, "8.8.8.8", 80);
	/* Or of the destination, which then is the next hop. */
	f = first_of(IPPROTO_TCP, "192.0.2.10", 4002, "203.0.113.9", 80);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "203.0.113.1", 4002, "203.0.113.9", 80);
	lab_teardown();
}
END_TEST

START_TEST(a_link_without_an_address_borrows_one)
{
	struct flow_first f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);

	lab_setup();
	f.out_link = BARE;
	ck_assert_str_eq(lab_walk(&f, NULL, &masquerade), "nat_no_address");
	f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);
	f.out_link = BARE;
	lab.fallback4 = addr_of("192.0.2.1").v4_be;
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "192.0.2.1", 4000, "8.8.8.8", 53);
	lab_teardown();
}
END_TEST

START_TEST(ipv6_is_not_masqueraded_by_a_link_local_address)
{
	struct flow_first f = first_of(IPPROTO_TCP, "fd00::10", 4000, "2001:db8:1::5", 80);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "2001:db8::1", 4000, "2001:db8:1::5", 80);
	lab.has_global6 = false;
	f = first_of(IPPROTO_TCP, "fd00::10", 4001, "2001:db8:1::5", 80);
	ck_assert_str_eq(lab_walk(&f, NULL, &masquerade), "nat_no_address");
	lab_teardown();
}
END_TEST

/* Ports */

START_TEST(a_clash_gets_another_port_and_keeps_it_towards_all_peers)
{
	struct flow_first f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);
	unsigned int port;

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	f = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "8.8.8.8", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	port = rte_be_to_cpu_16(f.reply.dport_be);
	ck_assert_uint_ne(port, 4000);
	ck_assert_uint_ge(port, 1024);
	ck_assert_uint_eq(port % 2, 0);
	/* Towards another peer 4000 would be free. */
	f = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "8.8.4.4", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", port, "8.8.4.4", 53);
	/* So it is to other endpoints. */
	f = first_of(IPPROTO_TCP, "192.0.2.11", 4000, "8.8.4.4", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", 4000, "8.8.4.4", 53);
	f = first_of(IPPROTO_UDP, "192.0.2.12", 4000, "8.8.4.4", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", 4000, "8.8.4.4", 53);
	/* Where it is taken as well, the same other one takes its place. */
	f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "9.9.9.9", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	f = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "9.9.9.9", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", port, "9.9.9.9", 53);
	lab_teardown();
}
END_TEST

START_TEST(another_port_is_kept_while_there_is_a_connection_with_it)
{
	struct flow_first first = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "8.8.8.8", 53), f, g;
	uint16_t port_be;

	lab_setup();
	ck_assert_ptr_null(lab_walk(&first, NULL, &masquerade));
	f = g = first_of(IPPROTO_TCP, "192.0.2.11", 4000, "8.8.8.8", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	port_be = f.reply.dport_be;
	ck_assert_uint_ne(port_be, f.orig.sport_be);
	lab_end(&f);
	lab_end(&first);
	ck_assert_ptr_null(lab_walk(&g, NULL, &masquerade));
	ck_assert_uint_eq(g.reply.dport_be, g.orig.sport_be);
	/* One of two is left. */
	f = first_of(IPPROTO_TCP, "192.0.2.12", 4000, "8.8.8.8", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	port_be = f.reply.dport_be;
	g = first_of(IPPROTO_TCP, "192.0.2.12", 4000, "8.8.4.4", 53);
	ck_assert_ptr_null(lab_walk(&g, NULL, &masquerade));
	ck_assert_uint_eq(g.reply.dport_be, port_be);
	lab_end(&g);
	ck_assert_ptr_null(lab_walk(&g, NULL, &masquerade));
	ck_assert_uint_eq(g.reply.dport_be, port_be);
	lab_teardown();
}
END_TEST

START_TEST(what_is_only_explained_keeps_no_port)
{
	struct flow_first f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	lab.firsts[0] = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "8.8.8.8", 53);
	lab.firsts[0].is_explained = true;
	lab.firsts[0].nat = &masquerade;
	ck_assert_ptr_null(lab_run(&nat_src_stage, 1));
	ck_assert_uint_ne(lab.firsts[0].reply.dport_be, lab.firsts[0].orig.sport_be);
	f = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "8.8.4.4", 53);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", 4000, "8.8.4.4", 53);
	lab_teardown();
}
END_TEST

START_TEST(first_packets_of_one_burst_get_the_same_other_port)
{
	struct flow_first f = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	for (unsigned int i = 0; i < 2; i++) {
		lab.firsts[i] = first_of(
			IPPROTO_UDP, "192.0.2.11", 4000, i == 0 ? "8.8.8.8" : "8.8.4.4", 53);
		lab.firsts[i].nat = &masquerade;
	}
	ck_assert_ptr_null(lab_run(&nat_src_stage, 2));
	ck_assert_uint_ne(lab.firsts[0].reply.dport_be, lab.firsts[0].orig.sport_be);
	ck_assert_uint_eq(lab.firsts[0].reply.dport_be, lab.firsts[1].reply.dport_be);
	lab_teardown();
}
END_TEST

/* A connection of one of many hosts, who all have the same port; nobody looks for room. */
static struct flow_first crowd_walk(unsigned int host, const char *dst, bool is_explained)
{
	char src[32];

	snprintf(src, sizeof(src), "10.0.%u.%u", host / 250, 1 + host % 250);
	lab.firsts[0] = first_of(IPPROTO_TCP, src, 4000, dst, 53);
	lab.firsts[0].nat = &masquerade;
	lab.firsts[0].is_explained = is_explained;
	ck_assert_ptr_null(lab_run(&nat_src_stage, 1));
	return lab.firsts[0];
}

enum { CROWD_MAX = 20000 };
static struct flow_first crowd[CROWD_MAX];

static unsigned int crowd_count_same(unsigned int n)
{
	unsigned int n_same = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct flow_first f = crowd_walk(i, "8.8.4.4", true);

		n_same += f.reply.dport_be == crowd[i].reply.dport_be;
		if (f.reply.dport_be != crowd[i].reply.dport_be)
			ck_assert_uint_eq(f.reply.dport_be, f.orig.sport_be);
	}
	return n_same;
}

static const struct {
	unsigned int n, min_same, max_same;
} crowd_rows[] = {
	{ 1000, 990, 1000 }, { CROWD_MAX, 8100, 8192 }, /* more than there is room for */
};

START_TEST(many_endpoints_keep_the_other_ports_that_they_have_got)
{
	struct flow_first f = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "8.8.8.8", 53);
	unsigned int n = crowd_rows[_i].n, n_same;

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	for (unsigned int i = 0; i < n; i++) {
		crowd[i] = crowd_walk(i, "8.8.8.8", false);
		ck_assert_uint_ne(crowd[i].reply.dport_be, crowd[i].orig.sport_be);
		observer->made(lab.w, &crowd[i]);
	}
	n_same = crowd_count_same(n);
	ck_assert_uint_ge(n_same, crowd_rows[_i].min_same);
	ck_assert_uint_le(n_same, crowd_rows[_i].max_same);
	for (unsigned int i = 0; i < n; i++)
		observer->ended(lab.w, &crowd[i]);
	/* Nothing is left behind. */
	ck_assert_uint_eq(crowd_count_same(n), 0);
	lab_teardown();
}
END_TEST

START_TEST(when_the_rules_ports_are_used_up_packets_are_dropped_and_it_is_told)
{
	struct firewall_nat nat = rule_of(NAT_SNAT, "203.0.113.7", "203.0.113.7", 7000, 7009);
	struct flow_first f;

	lab_setup();
	for (uint16_t i = 0; i < 10; i++) {
		f = first_of(IPPROTO_TCP, "192.0.2.10", (uint16_t)(5000 + i), "8.8.8.8", 80);
		ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
		ck_assert_uint_ge(rte_be_to_cpu_16(f.reply.dport_be), 7000);
		ck_assert_uint_le(rte_be_to_cpu_16(f.reply.dport_be), 7009);
	}
	/* Perhaps it was told that they run short. */
	lab.w->now += lab.dp.tsc_hz;
	n_told = 0;
	for (uint16_t i = 0; i < 3; i++) {
		f = first_of(IPPROTO_TCP, "192.0.2.10", (uint16_t)(6000 + i), "8.8.8.8", 80);
		ck_assert_str_eq(lab_walk(&f, NULL, &nat), "nat_no_port");
	}
	/* Once a second. */
	ck_assert_uint_eq(n_told, 1);
	ck_assert_mem_eq(told.arg, nat.min.bytes, 16);
	lab.w->now += lab.dp.tsc_hz;
	f = first_of(IPPROTO_TCP, "192.0.2.10", 6005, "8.8.8.8", 80);
	ck_assert_str_eq(lab_walk(&f, NULL, &nat), "nat_no_port");
	ck_assert_uint_eq(n_told, 2);
	/* Another peer, the same ports. */
	f = first_of(IPPROTO_TCP, "192.0.2.10", 6000, "8.8.4.4", 80);
	ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
	lab_teardown();
}
END_TEST

START_TEST(before_ports_run_out_it_is_told)
{
	struct firewall_nat nat = rule_of(NAT_SNAT, "203.0.113.7", "203.0.113.7", 7000, 7127);
	struct flow_first f;

	lab_setup();
	for (uint16_t i = 0; i < 127; i++) {
		f = first_of(IPPROTO_TCP, "192.0.2.10", (uint16_t)(7000 + i), "8.8.8.8", 80);
		ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
		check_leaves(&f, "203.0.113.7", 7000u + i, "8.8.8.8", 80);
	}
	ck_assert_uint_eq(n_told, 0);
	/* One is left; half of those who look for it look long. */
	for (uint16_t i = 0; i < 64; i++) {
		f = first_of(IPPROTO_TCP, "192.0.2.10", (uint16_t)(5000 + i), "8.8.8.8", 80);
		ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
		check_leaves(&f, "203.0.113.7", 7127, "8.8.8.8", 80);
		lab.n_used -= 2;
	}
	ck_assert_uint_eq(n_told, 1);
	lab_teardown();
}
END_TEST

START_TEST(an_icmp_identifier_is_translated_only_when_it_clashes)
{
	struct flow_first f = first_of(IPPROTO_ICMP, "192.0.2.10", 77, "8.8.8.8", 0);
	uint16_t id_be;

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	check_leaves(&f, "198.51.100.1", 77, "8.8.8.8", 0);
	f = first_of(IPPROTO_ICMP, "192.0.2.11", 77, "8.8.8.8", 0);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	ck_assert_uint_ne(f.reply.sport_be, f.orig.sport_be);
	ck_assert_uint_eq(f.status, FLOW_SRC_NAT);
	id_be = f.reply.sport_be;
	f = first_of(IPPROTO_ICMP, "192.0.2.11", 77, "8.8.4.4", 0);
	ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
	ck_assert_uint_eq(f.reply.sport_be, id_be);
	lab_teardown();
}
END_TEST

START_TEST(what_has_no_ports_is_translated_once_and_then_refused)
{
	static const uint8_t protos[] = { IPPROTO_GRE, IPPROTO_ESP, IPPROTO_SCTP };

	for (unsigned int i = 0; i < RTE_DIM(protos); i++) {
		struct flow_first f = first_of(protos[i], "192.0.2.10", 9, "8.8.8.8", 10);
		unsigned int sport = protos[i] == IPPROTO_SCTP ? 9 : 0;

		lab_setup();
		ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
		check_leaves(&f, "198.51.100.1", sport, "8.8.8.8", sport == 0 ? 0 : 10);
		f = first_of(protos[i], "192.0.2.11", 9, "8.8.8.8", 10);
		ck_assert_str_eq(lab_walk(&f, NULL, &masquerade), "nat_clash");
		lab_teardown();
	}
}
END_TEST

START_TEST(first_packets_of_one_burst_do_not_get_the_same_port)
{
	struct flow_first *f = lab.firsts;

	lab_setup();
	f[0] = first_of(IPPROTO_UDP, "192.0.2.10", 4000, "8.8.8.8", 53);
	f[1] = first_of(IPPROTO_UDP, "192.0.2.11", 4000, "8.8.8.8", 53);
	/* The second packet of the first connection is treated like its first. */
	f[2] = f[0];
	for (unsigned int i = 0; i < 3; i++)
		f[i].nat = &masquerade;
	ck_assert_ptr_null(lab_run(&nat_src_stage, 3));
	check_leaves(&f[0], "198.51.100.1", 4000, "8.8.8.8", 53);
	ck_assert_uint_ne(f[1].reply.dport_be, f[0].reply.dport_be);
	check_leaves(&f[2], "198.51.100.1", 4000, "8.8.8.8", 53);
	lab_teardown();
}
END_TEST

/* Pools, networks, destinations */

START_TEST(rfc4787_req2_an_inside_host_has_one_address_of_the_pool)
{
	struct firewall_nat nat = rule_of(NAT_SNAT, "203.0.113.8", "203.0.113.15", 0, 0);
	unsigned int n_of[8] = { 0 };

	lab_setup();
	for (unsigned int host = 1; host < 200; host++) {
		uint32_t addr_be = 0;
		char src[32];

		snprintf(src, sizeof(src), "192.0.2.%u", host);
		for (unsigned int i = 0; i < 4; i++) {
			struct flow_first f = first_of(i % 2 ? IPPROTO_UDP : IPPROTO_TCP, src,
				(uint16_t)(3000 + i), i < 2 ? "8.8.8.8" : "8.8.4.4", 443);

			ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
			if (i > 0)
				ck_assert_uint_eq(f.reply.dst.v4_be, addr_be);
			addr_be = f.reply.dst.v4_be;
		}
		n_of[rte_be_to_cpu_32(addr_be) - 0xcb007108]++;
	}
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_uint_gt(n_of[i], 5);
	lab_teardown();
}
END_TEST

static const struct {
	enum firewall_nat_kind kind;
	const char *min, *max;
	uint8_t prefix_len; /* 0: a range */
	uint16_t port_min, port_max;
	uint8_t proto;
	const char *src, *dst;
	uint16_t dport;
	const char *want_dst;
	uint16_t want_min, want_max; /* destination port */
} dnat_rows[] = {
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 80, 80, IPPROTO_TCP, "8.8.8.8", "198.51.100.1", 8080,
		"10.0.0.5", 80, 80 },
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 0, 0, IPPROTO_TCP, "8.8.8.8", "198.51.100.1", 8080,
		"10.0.0.5", 8080, 8080 },
	{ NAT_DNAT, NULL, NULL, 0, 81, 81, IPPROTO_UDP, "8.8.8.8", "198.51.100.1", 8080,
		"198.51.100.1", 81, 81 },
	/* A port inside of the range is kept. */
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 8000, 8100, IPPROTO_TCP, "8.8.8.8", "198.51.100.1",
		8080, "10.0.0.5", 8080, 8080 },
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 9000, 9003, IPPROTO_TCP, "8.8.8.8", "198.51.100.1",
		8080, "10.0.0.5", 9000, 9003 },
	{ NAT_DNAT, "10.0.0.0", "10.0.0.0", 24, 0, 0, IPPROTO_TCP, "8.8.8.8", "198.51.100.77", 22,
		"10.0.0.77", 22, 22 },
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 0, 0, IPPROTO_GRE, "8.8.8.8", "198.51.100.1", 0,
		"10.0.0.5", 0, 0 },
	{ NAT_DNAT, "fd00::5", "fd00::5", 0, 80, 80, IPPROTO_TCP, "2001:db8::9", "2001:db8::1",
		8080, "fd00::5", 80, 80 },
	{ NAT_DNAT, "fd00:1::", "fd00:1::", 64, 0, 0, IPPROTO_TCP, "2001:db8::9", "2001:db8::7", 22,
		"fd00:1::7", 22, 22 },
	/* A rule of the other family says nothing. */
	{ NAT_DNAT, "10.0.0.5", "10.0.0.5", 0, 80, 80, IPPROTO_TCP, "2001:db8::9", "2001:db8::1",
		8080, "2001:db8::1", 8080, 8080 },
	/* To ourselves: an address of the link that it came in by. */
	{ NAT_REDIRECT, NULL, NULL, 0, 3128, 3128, IPPROTO_TCP, "192.0.2.10", "8.8.8.8", 80,
		"192.0.2.1", 3128, 3128 },
	{ NAT_REDIRECT, NULL, NULL, 0, 0, 0, IPPROTO_UDP, "192.0.2.10", "8.8.8.8", 53, "192.0.2.1",
		53, 53 },
};

START_TEST(a_destination_is_translated_as_the_rule_says)
{
	struct firewall_nat nat = rule_of(dnat_rows[_i].kind, dnat_rows[_i].min, dnat_rows[_i].max,
		dnat_rows[_i].port_min, dnat_rows[_i].port_max);
	struct flow_first f = first_of(dnat_rows[_i].proto, dnat_rows[_i].src, 40000,
		dnat_rows[_i].dst, dnat_rows[_i].dport);
	bool has_ports = parse_has_ports(dnat_rows[_i].proto);
	unsigned int dport;

	lab_setup();
	nat.is_network = dnat_rows[_i].prefix_len != 0;
	nat.prefix_len = dnat_rows[_i].prefix_len;
	ck_assert_ptr_null(lab_walk(&f, &nat, NULL));
	dport = rte_be_to_cpu_16(f.reply.sport_be);
	check_leaves(&f, dnat_rows[_i].src, has_ports ? 40000 : 0, dnat_rows[_i].want_dst, dport);
	ck_assert_uint_ge(dport, dnat_rows[_i].want_min);
	ck_assert_uint_le(dport, dnat_rows[_i].want_max);
	ck_assert_uint_eq(f.status, strcmp(dnat_rows[_i].want_dst, dnat_rows[_i].dst) == 0 &&
						    dport == dnat_rows[_i].dport
					    ? 0
					    : FLOW_DST_NAT);
	lab_teardown();
}
END_TEST

START_TEST(a_redirect_needs_an_address)
{
	struct flow_first f = first_of(IPPROTO_TCP, "2001:db8::9", 4000, "2001:db8::5", 80);
	struct firewall_nat nat = rule_of(NAT_REDIRECT, NULL, NULL, 0, 0);

	lab_setup();
	f.in_link = BARE;
	ck_assert_str_eq(lab_walk(&f, &nat, NULL), "nat_no_address");
	lab_teardown();
}
END_TEST

START_TEST(a_source_goes_to_one_server_of_several)
{
	struct firewall_nat nat = rule_of(NAT_DNAT, "10.0.0.1", "10.0.0.3", 0, 0);
	unsigned int n_of[3] = { 0 };

	lab_setup();
	for (unsigned int host = 1; host < 100; host++) {
		uint32_t addr_be = 0;
		char src[32];

		snprintf(src, sizeof(src), "8.8.0.%u", host);
		for (unsigned int i = 0; i < 3; i++) {
			struct flow_first f = first_of(
				IPPROTO_TCP, src, (uint16_t)(3000 + i), "198.51.100.1", 80);

			ck_assert_ptr_null(lab_walk(&f, &nat, NULL));
			if (i > 0)
				ck_assert_uint_eq(f.reply.src.v4_be, addr_be);
			addr_be = f.reply.src.v4_be;
		}
		n_of[rte_be_to_cpu_32(addr_be) - 0x0a000001]++;
	}
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_gt(n_of[i], 10);
	lab_teardown();
}
END_TEST

START_TEST(two_ways_to_one_server_are_told_apart_by_the_port)
{
	struct firewall_nat nat = rule_of(NAT_DNAT, "10.0.0.5", "10.0.0.5", 80, 80);
	struct flow_first f = first_of(IPPROTO_TCP, "8.8.8.8", 4000, "198.51.100.1", 8080);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, &nat, NULL));
	check_leaves(&f, "8.8.8.8", 4000, "10.0.0.5", 80);
	/* No rule says that its source be translated. */
	f = first_of(IPPROTO_TCP, "8.8.8.8", 4000, "10.0.0.5", 80);
	ck_assert_ptr_null(lab_walk(&f, NULL, NULL));
	ck_assert_uint_ne(f.reply.dport_be, f.orig.sport_be);
	ck_assert_uint_eq(f.status, FLOW_SRC_NAT);
	f = first_of(IPPROTO_GRE, "8.8.8.8", 0, "198.51.100.1", 0);
	ck_assert_ptr_null(lab_walk(&f, &nat, NULL));
	f = first_of(IPPROTO_GRE, "8.8.8.8", 0, "10.0.0.5", 0);
	ck_assert_str_eq(lab_walk(&f, NULL, NULL), "nat_clash");
	lab_teardown();
}
END_TEST

START_TEST(what_becomes_no_connection_is_not_translated)
{
	static const uint8_t states[] = { FLOW_STATE_INVALID, FLOW_STATE_UNTRACKED };
	struct firewall_nat nat = rule_of(NAT_DNAT, "10.0.0.5", "10.0.0.5", 80, 80);

	lab_setup();
	for (unsigned int i = 0; i < RTE_DIM(states); i++) {
		struct flow_first f = first_of(IPPROTO_TCP, "8.8.8.8", 4000, "198.51.100.1", 8080);

		for (unsigned int k = 0; k < 3; k++) {
			lab.firsts[0] = f;
			lab.firsts[0].state = states[i];
			lab.firsts[0].nat = k == 1 ? &masquerade : &nat;
			ck_assert_ptr_null(lab_run(k == 0   ? &nat_dst_stage
						   : k == 1 ? &nat_src_stage
							    : &nat_output_stage,
				1));
			ck_assert_mem_eq(&lab.firsts[0].reply, &f.reply, 2 * 16 + 4);
			ck_assert_uint_eq(lab.firsts[0].status, 0);
		}
	}
	lab_teardown();
}
END_TEST

START_TEST(hairpin_is_a_rule_for_each_side)
{
	struct firewall_nat nat = rule_of(NAT_DNAT, "192.0.2.20", "192.0.2.20", 80, 80);
	struct flow_first f = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "198.51.100.1", 8080);

	lab_setup();
	f.out_link = LAN;
	ck_assert_ptr_null(lab_walk(&f, &nat, &masquerade));
	check_leaves(&f, "192.0.2.1", 4000, "192.0.2.20", 80);
	ck_assert_uint_eq(f.status, FLOW_NAT);
	lab_teardown();
}
END_TEST

START_TEST(a_packet_made_here_is_routed_anew)
{
	struct firewall_nat good = rule_of(NAT_DNAT, "198.51.100.10", "198.51.100.10", 0, 0);
	struct firewall_nat bad = rule_of(NAT_DNAT, "10.1.1.1", "10.1.1.1", 0, 0);

	lab_setup();
	lab.firsts[0] = first_of(IPPROTO_UDP, "192.0.2.1", 4000, "192.0.2.10", 53);
	lab.firsts[0].in_link = 0;
	lab.firsts[0].out_link = LAN;
	lab.firsts[0].nat = &good;
	ck_assert_ptr_null(lab_run(&nat_output_stage, 1));
	ck_assert_uint_eq(lab.firsts[0].out_link, WAN);
	lab.firsts[0].reply = flow_invert(&lab.firsts[0].orig);
	lab.firsts[0].nat = &bad;
	ck_assert_ptr_null(lab_run(&nat_output_stage, 1));
	ck_assert_uint_eq(lab.firsts[0].adj, ADJ_NONE);
	lab.firsts[0].reply = flow_invert(&lab.firsts[0].orig);
	lab.firsts[0].adj = ADJ_FIRST_DYNAMIC + 1;
	lab.firsts[0].nat = NULL;
	ck_assert_ptr_null(lab_run(&nat_output_stage, 1));
	ck_assert_uint_eq(lab.firsts[0].adj, ADJ_FIRST_DYNAMIC + 1);
	lab_teardown();
}
END_TEST

/* Several workers */

/* A connection that the stages have let through comes back here, and by the wanted bucket if it can. */
static void check_lands_here(const struct flow_first *f)
{
	ck_assert(flow_bucket_is_mine(lab.w, flow_bucket(lab.w, f->proto, &f->reply)));
}

START_TEST(replies_come_to_the_worker_that_translated)
{
	struct firewall_nat dnat = rule_of(NAT_DNAT, "10.0.0.1", "10.0.0.9", 80, 80);
	struct firewall_nat snat = rule_of(NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 0);
	unsigned int n = 0;

	lab_setup_workers(4);
	for (uint16_t port = 2000; port < 2400; port++) {
		struct flow_first f = first_of(port % 2 ? IPPROTO_TCP : IPPROTO_UDP, "192.0.2.10",
			port, "198.51.100.10", 443);
		struct flow_first g = f;

		if (!flow_bucket_is_mine(lab.w, flow_bucket(lab.w, f.proto, &f.orig)))
			continue;
		ck_assert_ptr_null(lab_walk(&f, NULL, &snat));
		check_lands_here(&f);
		ck_assert_ptr_null(lab_walk(&g, &dnat, NULL));
		check_lands_here(&g);
		n++;
	}
	ck_assert_uint_gt(n, 50);
	lab_teardown();
}
END_TEST

static const unsigned int worker_rows[] = { 2, 3, 4, 5, 8 };

START_TEST(rfc4787_req1_an_endpoint_has_one_port_whichever_worker_has_its_connections)
{
	unsigned int n_workers = worker_rows[_i];
	uint32_t owners = 0;

	lab_setup_workers(n_workers);
	for (uint16_t port = 4000; port < 4040; port++) {
		uint16_t port_be = 0;

		for (unsigned int peer = 1; peer < 50; peer++) {
			struct flow_first f = first_of(port % 2 ? IPPROTO_TCP : IPPROTO_UDP,
				"192.0.2.10", port, "8.8.8.8", (uint16_t)(443 + peer * 7));

			f.orig.dst.bytes[2] = (uint8_t)(peer * 5);
			f.reply = reply_of(f.proto, &f.orig);
			/* Its owner, who knows nothing of the others. */
			lab.w->id = lab.steer.owner[flow_bucket(lab.w, f.proto, &f.orig)];
			memset(lab.w->slot[0], 0, nat_module.worker_state_size);
			ck_assert_int_eq(nat_module.worker_init(&lab.dp, lab.w), 0);
			owners |= 1U << lab.w->id;
			ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
			check_lands_here(&f);
			if (peer > 1)
				ck_assert_uint_eq(f.reply.dport_be, port_be);
			port_be = f.reply.dport_be;
		}
	}
	ck_assert_uint_eq(owners, (1U << n_workers) - 1);
	lab_teardown();
}
END_TEST

START_TEST(what_is_not_translated_is_left_alone)
{
	lab_setup_workers(4);
	for (uint16_t port = 2000; port < 2100; port++) {
		struct flow_first f =
			first_of(IPPROTO_TCP, "192.0.2.10", port, "198.51.100.10", 443);

		ck_assert_ptr_null(lab_walk(&f, NULL, NULL));
		check_leaves(&f, "192.0.2.10", port, "198.51.100.10", 443);
		ck_assert_uint_eq(f.status, 0);
	}
	lab_teardown();
}
END_TEST

START_TEST(each_worker_has_icmp_identifiers_of_its_own)
{
	for (unsigned int n = 1; n <= 7; n++) {
		lab_setup_workers(n);
		for (unsigned int id = 0; id < n; id++) {
			lab.w->id = (uint16_t)id;
			ck_assert_int_eq(nat_module.worker_init(&lab.dp, lab.w), 0);
			for (unsigned int i = 0; i < 100; i++) {
				struct flow_first f = first_of(IPPROTO_ICMP, "192.0.2.10",
					(uint16_t)(i * 655), "8.8.8.8", 0);

				ck_assert_ptr_null(lab_walk(&f, NULL, &masquerade));
				ck_assert_uint_eq(flow_icmp_worker(f.reply.sport_be, n), id);
			}
		}
		ck_assert_uint_eq(flow_icmp_first_id(0, n), 0);
		ck_assert_uint_eq(flow_icmp_first_id(n, n), 65536);
		for (unsigned int i = 0; i < 65536; i++) {
			unsigned int id = flow_icmp_worker(rte_cpu_to_be_16((uint16_t)i), n);

			ck_assert(i >= flow_icmp_first_id(id, n) &&
				  i < flow_icmp_first_id(id + 1, n));
		}
		lab_teardown();
	}
}
END_TEST

/* Judged anew */

static const struct {
	const char *name;
	bool is_source;
	enum firewall_nat_kind kind;
	const char *min, *max; /* NULL: no address */
	uint8_t prefix_len;
	uint16_t port_min, port_max;
	bool has_rule;
	const char *now; /* what the connection's address has become */
	uint16_t port;	 /* and its port: 4000 from source, 8080 to destination unless translated */
	bool is_kept;
} again_rows[] = {
	{ "same range", true, NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 0, 0, true, "203.0.113.8",
		4000, true },
	{ "any port without ports", true, NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 0, 0, true,
		"203.0.113.9", 51234, true },
	{ "another range", true, NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 0, 0, true,
		"203.0.113.10", 4000, false },
	{ "port in range", true, NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 5000, 5010, true,
		"203.0.113.7", 5010, true },
	{ "port out of range", true, NAT_SNAT, "203.0.113.7", "203.0.113.9", 0, 5000, 5010, true,
		"203.0.113.7", 5011, false },
	{ "network", true, NAT_SNAT, "203.0.113.0", "203.0.113.0", 24, 0, 0, true, "203.0.113.10",
		4000, true },
	{ "network, other host", true, NAT_SNAT, "203.0.113.0", "203.0.113.0", 24, 0, 0, true,
		"203.0.113.11", 4000, false },
	{ "masquerade", true, NAT_MASQUERADE, NULL, NULL, 0, 0, 0, true, "203.0.113.1", 4000,
		true },
	{ "masquerade, of another link", true, NAT_MASQUERADE, NULL, NULL, 0, 0, 0, true,
		"192.0.2.1", 4000, false },
	{ "masquerade, never translated", true, NAT_MASQUERADE, NULL, NULL, 0, 0, 0, true,
		"192.0.2.10", 4000, false },
	{ "rule gone", true, NAT_SNAT, NULL, NULL, 0, 0, 0, false, "203.0.113.7", 4000, false },
	{ "never translated, still not", true, NAT_SNAT, NULL, NULL, 0, 0, 0, false, "192.0.2.10",
		4000, true },
	{ "port without a rule", true, NAT_SNAT, NULL, NULL, 0, 0, 0, false, "192.0.2.10", 51234,
		true },
	{ "server in range", false, NAT_DNAT, "10.0.0.1", "10.0.0.9", 0, 0, 0, true, "10.0.0.4",
		8080, true },
	{ "server gone", false, NAT_DNAT, "10.0.0.1", "10.0.0.3", 0, 0, 0, true, "10.0.0.4", 8080,
		false },
	{ "server's port", false, NAT_DNAT, "10.0.0.4", "10.0.0.4", 0, 80, 81, true, "10.0.0.4", 81,
		true },
	{ "server's other port", false, NAT_DNAT, "10.0.0.4", "10.0.0.4", 0, 80, 80, true,
		"10.0.0.4", 81, false },
	{ "port no longer translated", false, NAT_DNAT, "10.0.0.4", "10.0.0.4", 0, 0, 0, true,
		"10.0.0.4", 81, false },
	{ "only the port", false, NAT_DNAT, NULL, NULL, 0, 80, 80, true, "198.51.100.1", 80, true },
	{ "redirected", false, NAT_REDIRECT, NULL, NULL, 0, 80, 80, true, "192.0.2.1", 80, true },
	{ "redirected, address gone", false, NAT_REDIRECT, NULL, NULL, 0, 80, 80, true, "192.0.2.2",
		80, false },
	{ "destination rule gone", false, NAT_DNAT, NULL, NULL, 0, 0, 0, false, "10.0.0.4", 8080,
		false },
	{ "destination rule new", false, NAT_DNAT, "10.0.0.4", "10.0.0.4", 0, 0, 0, true,
		"198.51.100.1", 8080, false },
};

START_TEST(a_live_connection_keeps_what_the_rules_still_allow)
{
	struct firewall_nat nat = rule_of(again_rows[_i].kind, again_rows[_i].min,
		again_rows[_i].max, again_rows[_i].port_min, again_rows[_i].port_max);
	const struct firewall_nat *rule = again_rows[_i].has_rule ? &nat : NULL;
	struct flow_first f = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "198.51.100.1", 8080);
	bool is_source = again_rows[_i].is_source;
	const char *reason;

	lab_setup();
	nat.is_network = again_rows[_i].prefix_len != 0;
	nat.prefix_len = again_rows[_i].prefix_len;
	f.is_again = true;
	f.now = f.reply;
	*(is_source ? &f.now.dst : &f.now.src) = addr_of(again_rows[_i].now);
	*(is_source ? &f.now.dport_be : &f.now.sport_be) = rte_cpu_to_be_16(again_rows[_i].port);
	/* Its own tuples are in the table: they are no clash. */
	lab_commit(&(struct flow_first){ .proto = f.proto, .orig = f.orig, .reply = f.now });
	reason = lab_walk(&f, is_source ? NULL : rule, is_source ? rule : NULL);
	if (again_rows[_i].is_kept) {
		ck_assert_msg(reason == NULL, "%s: %s", again_rows[_i].name, reason);
		ck_assert_mem_eq(&f.reply, &f.now, 2 * 16 + 4);
	} else {
		ck_assert_msg(reason != NULL, "%s", again_rows[_i].name);
		ck_assert_str_eq(reason, "nat_mapping_gone");
		ck_assert_uint_eq(n_ended, 1);
	}
	lab_teardown();
}
END_TEST

START_TEST(explaining_tells_nobody)
{
	struct firewall_nat nat = rule_of(NAT_SNAT, "203.0.113.7", "203.0.113.7", 7000, 7000);
	struct flow_first f = first_of(IPPROTO_TCP, "192.0.2.10", 4000, "8.8.8.8", 80);

	lab_setup();
	ck_assert_ptr_null(lab_walk(&f, NULL, &nat));
	f = first_of(IPPROTO_TCP, "192.0.2.11", 4000, "8.8.8.8", 80);
	f.is_explained = true;
	ck_assert_str_eq(lab_walk(&f, NULL, &nat), "nat_no_port");
	ck_assert_uint_eq(n_told, 0);
	lab_teardown();
}
END_TEST

SUITE_MAIN("nat stages", PLAIN_TEST(masquerade_takes_an_address_of_the_out_link),
	PLAIN_TEST(a_link_without_an_address_borrows_one),
	PLAIN_TEST(ipv6_is_not_masqueraded_by_a_link_local_address),
	PLAIN_TEST(a_clash_gets_another_port_and_keeps_it_towards_all_peers),
	PLAIN_TEST(another_port_is_kept_while_there_is_a_connection_with_it),
	PLAIN_TEST(what_is_only_explained_keeps_no_port),
	PLAIN_TEST(first_packets_of_one_burst_get_the_same_other_port),
	LOOP_TEST(many_endpoints_keep_the_other_ports_that_they_have_got, crowd_rows),
	PLAIN_TEST(when_the_rules_ports_are_used_up_packets_are_dropped_and_it_is_told),
	PLAIN_TEST(before_ports_run_out_it_is_told),
	PLAIN_TEST(an_icmp_identifier_is_translated_only_when_it_clashes),
	PLAIN_TEST(what_has_no_ports_is_translated_once_and_then_refused),
	PLAIN_TEST(first_packets_of_one_burst_do_not_get_the_same_port),
	PLAIN_TEST(rfc4787_req2_an_inside_host_has_one_address_of_the_pool),
	LOOP_TEST(a_destination_is_translated_as_the_rule_says, dnat_rows),
	PLAIN_TEST(a_redirect_needs_an_address), PLAIN_TEST(a_source_goes_to_one_server_of_several),
	PLAIN_TEST(two_ways_to_one_server_are_told_apart_by_the_port),
	PLAIN_TEST(what_becomes_no_connection_is_not_translated),
	PLAIN_TEST(hairpin_is_a_rule_for_each_side), PLAIN_TEST(a_packet_made_here_is_routed_anew),
	PLAIN_TEST(replies_come_to_the_worker_that_translated),
	LOOP_TEST(rfc4787_req1_an_endpoint_has_one_port_whichever_worker_has_its_connections,
		worker_rows),
	PLAIN_TEST(what_is_not_translated_is_left_alone),
	PLAIN_TEST(each_worker_has_icmp_identifiers_of_its_own),
	LOOP_TEST(a_live_connection_keeps_what_the_rules_still_allow, again_rows),
	PLAIN_TEST(explaining_tells_nobody))
