/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections through a router that translates: the part of the traffic source (gen.c) that answers. Of
 * two net_null ports the first is the inside, where clients begin connections, TCP and UDP, and
 * the second the outside, where their servers answer to whatever address and port the router has given
 * them. Those are read off what it sends out there in the first phase:
 *
 *   OPEN     SYNs, and first datagrams, from the inside; a packet's number is in its bytes
 *   ANSWER   from the outside
 *   ACK      from the inside
 *   TRAFFIC  data in both directions, every flow once in each round, in an order that has nothing to do
 *            with the one they were opened in; sequence numbers go on with the rounds
 *
 * A router that does not translate is learnt in the same way, so that it gets the same packets. The
 * outside never gets ahead of the inside, and is half a round away from it, so that the two directions of
 * a flow do not come together. First packets of ever new flows can be mixed in.
 *
 * L4 checksums are right in the first three phases; in the last they are a constant that is not zero: it
 * costs the router what any other would. All queues are polled by one thread.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "gen.h"

enum flows_phase { FLOWS_OPEN, FLOWS_ANSWER, FLOWS_ACK, FLOWS_TRAFFIC };

enum {
	FRAME_LEN = 60,
	L3_LEN = FRAME_LEN - RTE_ETHER_HDR_LEN,
	SEGMENT_LEN = L3_LEN - 40, /* payload of a TCP segment */
	L4_AT = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr),
	HUGE_PAGE = 2 << 20,
	ANSWER_ISN = 0x40000000, /* sequence number of a server, to that of its client */
	AHEAD = 8,
};

struct flow {
	uint32_t src_be, dst_be;
	uint16_t sport_be, dport_be;
	uint32_t out_be; /* how it looks outside: 0 until that is known */
	uint16_t out_port_be;
	uint16_t sum, answer_sum; /* of IP headers of data */
	uint16_t is_tcp;
	uint32_t id; /* its first sequence number as well */
};
static_assert(sizeof(struct flow) == 28, "a few bytes for a packet");

/* The two sides' places in the table. */
struct side {
	uint64_t n_sent; /* of data */
	uint32_t at, round;
};

/* Of the one thread. */
static struct {
	struct gen_state *state;
	struct flow *flows;
	uint32_t n, n_known;
	uint32_t next; /* of the phases before data */
	struct side in, out;
	uint64_t seed;
	uint64_t start; /* TSC of the first packet of an ever new flow */
	uint64_t last;	/* of the last call */
	uint64_t n_resets;
	long n_switches;
	/* Frames of data, by direction and protocol (is_tcp). */
	uint8_t frame[2][2][64] __rte_cache_aligned;
} g;

/* Vigna's splitmix64: numbers without a pattern. */
static uint64_t draw(void)
{
	uint64_t x = g.seed += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* A client in 100.64.0.0/10, and a server anywhere between 11 and 99. */
static void flow_draw(struct flow *flow, uint32_t id)
{
	uint64_t a = draw(), b = draw();

	*flow = (struct flow){ .id = id,
		.is_tcp = (b >> 56) < g.state->tcp_share,
		.src_be = rte_cpu_to_be_32(0x64400000 | (uint32_t)(a & 0x3fffff)),
		.dst_be = rte_cpu_to_be_32(
			(uint32_t)(11 + (a >> 32) % 89) << 24 | (uint32_t)(a >> 40)),
		.sport_be = rte_cpu_to_be_16((uint16_t)(1024 + (b & 0xffff) % 64512)),
		.dport_be = rte_cpu_to_be_16((uint16_t)(1 + (b >> 16 & 0xffff) % 65535)) };
}

/* Frames */

static void frame_init(uint8_t *at, bool is_tcp, uint8_t to)
{
	const uint8_t ether[14] = { 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, 0xaa, 8, 0 };
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(at + sizeof(ether));
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memcpy(at, ether, sizeof(ether));
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(L3_LEN),
		.time_to_live = 64,
		.next_proto_id = is_tcp ? IPPROTO_TCP : IPPROTO_UDP };
	if (is_tcp)
		*tcp = (struct rte_tcp_hdr){ .data_off = 5 << 4,
			.tcp_flags = RTE_TCP_ACK_FLAG,
			.rx_win = 0xffff,
			.cksum = 0x1234 };
	else
		*udp = (struct rte_udp_hdr){ .dgram_len = RTE_BE16(L3_LEN - sizeof(*ip)),
			.dgram_cksum = 0x1234 };
}

/* Addresses, ports, and what is behind the ports: 8 bytes of sequence numbers, or the UDP header's rest. */
static __rte_always_inline void frame_write(struct rte_mbuf *m, const uint8_t *from, uint64_t addrs,
	uint32_t ports, uint64_t rest, uint16_t sum)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(at, from, 64);
	memcpy(at + 24, &sum, sizeof(sum));
	memcpy(at + 26, &addrs, sizeof(addrs));
	memcpy(at + L4_AT, &ports, sizeof(ports));
	memcpy(at + L4_AT + 4, &rest, sizeof(rest));
	m->data_len = FRAME_LEN;
	m->pkt_len = FRAME_LEN;
}

static __rte_always_inline uint64_t numbers(uint32_t seq, uint32_t ack)
{
	return rte_cpu_to_be_64((uint64_t)seq << 32 | ack);
}

/* Data of the given round; it acknowledges what the other side had sent two rounds ago. */
static __rte_always_inline void write_data(
	struct rte_mbuf *m, const struct flow *f, uint32_t round, const bool is_answer)
{
	const uint8_t *from = g.frame[is_answer][f->is_tcp];
	uint32_t seq = f->id + 1 + round * SEGMENT_LEN;
	uint32_t ack = f->id + 1 + (round == 0 ? 0 : round - 1) * SEGMENT_LEN;
	uint64_t addrs, rest, udp_rest;
	uint32_t ports;

	memcpy(&udp_rest, from + L4_AT + 4, sizeof(udp_rest));
	if (is_answer) {
		addrs = f->dst_be | (uint64_t)f->out_be << 32;
		ports = f->dport_be | (uint32_t)f->out_port_be << 16;
		rest = numbers(seq + ANSWER_ISN, ack);
	} else {
		addrs = f->src_be | (uint64_t)f->dst_be << 32;
		ports = f->sport_be | (uint32_t)f->dport_be << 16;
		rest = numbers(seq, ack + ANSWER_ISN);
	}
	frame_write(m, from, addrs, ports, f->is_tcp ? rest : udp_rest,
		is_answer ? f->answer_sum : f->sum);
}

/* A packet of the first phases: lengths, flags and checksums are put right. */
static void write_first(struct rte_mbuf *m, const struct flow *f, uint8_t flags, bool is_answer)
{
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	write_data(m, f, 0, is_answer);
	if (f->is_tcp) {
		tcp->tcp_flags = flags;
		/* A SYN is one before the data. */
		if (flags & RTE_TCP_SYN_FLAG)
			tcp->sent_seq = rte_cpu_to_be_32(f->id + (is_answer ? ANSWER_ISN : 0));
		if (!(flags & RTE_TCP_ACK_FLAG))
			tcp->recv_ack = 0;
		ip->total_length = RTE_BE16(sizeof(*ip) + sizeof(*tcp));
		m->data_len = RTE_ETHER_HDR_LEN + sizeof(*ip) + sizeof(*tcp);
		m->pkt_len = m->data_len;
		tcp->cksum = 0;
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	} else {
		memcpy(udp + 1, &f->id, sizeof(f->id));
		udp->dgram_cksum = 0;
		udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	}
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* What the router has made of a first packet. */
static void learn(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
	struct rte_ipv4_hdr head;
	struct flow *f;
	uint32_t id;

	/* It sends packets of its own, too: neighbours, groups. */
	if (rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->ether_type !=
		RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return;
	if (ip->next_proto_id == IPPROTO_TCP)
		id = rte_be_to_cpu_32(tcp->sent_seq);
	else
		memcpy(&id, (const struct rte_udp_hdr *)(const void *)tcp + 1, sizeof(id));
	if (id >= g.n || g.flows[id].out_be != 0)
		return;
	f = &g.flows[id];
	f->out_be = ip->src_addr;
	f->out_port_be = tcp->src_port;
	g.n_known++;
	memcpy(&head, g.frame[0][f->is_tcp] + RTE_ETHER_HDR_LEN, sizeof(head));
	head.src_addr = f->src_be;
	head.dst_addr = f->dst_be;
	f->sum = rte_ipv4_cksum(&head);
	head.src_addr = f->dst_be;
	head.dst_addr = f->out_be;
	f->answer_sum = rte_ipv4_cksum(&head);
}

/* Phases. Each fills what it can of the n packets and says how many those are. */

static void phase_set(enum flows_phase phase)
{
	g.next = 0;
	__atomic_store_n(&g.state->phase, phase, __ATOMIC_RELEASE);
}

/* First packets of those that are not known yet; round and round until all are. */
static uint16_t give_open(struct rte_mbuf *pkts[], uint16_t n)
{
	uint16_t given = 0;

	if (g.n_known == g.n) {
		phase_set(FLOWS_ANSWER);
		return 0;
	}
	while (given < n && g.next < g.n) {
		const struct flow *f = &g.flows[g.next++];

		if (f->out_be == 0)
			write_first(pkts[given++], f, RTE_TCP_SYN_FLAG, false);
	}
	if (g.next == g.n && given == 0)
		g.next = 0;
	return given;
}

static uint16_t give_answer(struct rte_mbuf *pkts[], uint16_t n)
{
	uint16_t given = 0;

	for (; given < n && g.next < g.n; g.next++)
		write_first(
			pkts[given++], &g.flows[g.next], RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, true);
	if (given == 0)
		phase_set(FLOWS_ACK);
	return given;
}

static void shuffle(void)
{
	for (uint32_t i = g.n; i > 1; i--) {
		uint32_t j = (uint32_t)((draw() >> 32) * i >> 32);
		struct flow other = g.flows[j];

		g.flows[j] = g.flows[i - 1];
		g.flows[i - 1] = other;
	}
	g.out.at = g.n / 2;
}

static uint16_t give_ack(struct rte_mbuf *pkts[], uint16_t n)
{
	uint16_t given = 0;

	for (; given < n && g.next < g.n; g.next++)
		write_first(pkts[given++], &g.flows[g.next], RTE_TCP_ACK_FLAG, false);
	if (given == 0) {
		shuffle();
		phase_set(FLOWS_TRAFFIC);
	}
	return given;
}

static __rte_always_inline uint16_t give_data(
	struct side *side, struct rte_mbuf *pkts[], uint16_t n, const bool is_answer)
{
	const struct flow *flows = g.flows;
	uint32_t at = side->at, round = side->round, half = is_answer ? g.n / 2 : 0;

	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(&flows[at + AHEAD]);
		write_data(pkts[i], &flows[at], round, is_answer);
		if (++at == g.n)
			at = 0;
		round += at == half;
	}
	side->at = at;
	side->round = round;
	side->n_sent += n;
	return n;
}

/* As many first packets of ever new flows as are due. */
static uint16_t give_new(struct rte_mbuf *pkts[], uint16_t n, uint64_t now)
{
	uint64_t due = n, rate = g.state->new_per_second;
	struct flow flow;

	if (g.start == 0)
		g.start = now;
	if (g.n > 0) {
		due = (uint64_t)((double)(now - g.start) * (double)rate / (double)g.state->hz);
		due = due > g.state->n_new ? due - g.state->n_new : 0;
		n = RTE_MIN(n / 2, (uint16_t)RTE_MIN(due, n));
	}
	for (uint16_t i = 0; i < n; i++) {
		flow_draw(&flow, UINT32_MAX);
		/* Nobody answers: a constant makes checksums of IP headers no worse than others'. */
		flow.is_tcp = 0;
		write_first(pkts[i], &flow, 0, false);
	}
	g.state->n_new += n;
	return n;
}

static uint16_t give_inside(struct rte_mbuf *pkts[], uint16_t n, uint64_t now)
{
	uint16_t n_new = 0;

	switch ((enum flows_phase)g.state->phase) {
	case FLOWS_OPEN:
		return give_open(pkts, n);
	case FLOWS_ANSWER:
		return 0;
	case FLOWS_ACK:
		return give_ack(pkts, n);
	case FLOWS_TRAFFIC:
		if (g.state->new_per_second > 0)
			n_new = give_new(pkts, n, now);
		if (g.n > 0)
			n_new += give_data(&g.in, pkts + n_new, n - n_new, false);
		return n_new;
	}
	return 0;
}

static uint16_t give_outside(struct rte_mbuf *pkts[], uint16_t n)
{
	if (g.state->phase == FLOWS_ANSWER)
		return give_answer(pkts, n);
	if (g.state->phase != FLOWS_TRAFFIC)
		return 0;
	return give_data(
		&g.out, pkts, (uint16_t)RTE_MIN((uint64_t)n, g.in.n_sent - g.out.n_sent), true);
}

/* Has the kernel taken the core away since this was asked the last time? */
static bool was_preempted(void)
{
	struct rusage usage;
	long n_before = g.n_switches;

	getrusage(RUSAGE_THREAD, &usage);
	g.n_switches = usage.ru_nivcsw;
	return g.n_switches != n_before;
}

static void note_gap(uint64_t now)
{
	uint64_t resets = __atomic_load_n(&g.state->n_resets, __ATOMIC_RELAXED);

	if (resets != g.n_resets) {
		g.n_resets = resets;
		g.state->longest_gap = 0;
	} else if (now - g.last > g.state->longest_gap && !was_preempted()) {
		g.state->longest_gap = now - g.last;
	}
	g.last = rte_rdtsc();
}

static uint16_t on_receive(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, uint16_t max, void *ctx)
{
	const bool is_outside = ctx != NULL;
	uint64_t start = rte_rdtsc();
	uint16_t given = 0;

	if (!is_outside)
		note_gap(start);
	if (likely(!__atomic_load_n(&g.state->is_quiet, __ATOMIC_RELAXED)))
		given = is_outside ? give_outside(pkts, n) : give_inside(pkts, n, start);
	if (unlikely(given < n))
		rte_pktmbuf_free_bulk(pkts + given, n - given);
	g.state->packets += given;
	g.state->cycles += rte_rdtsc() - start;
	return given;
}

static uint16_t on_transmit(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, void *ctx)
{
	if (likely(g.state->phase != FLOWS_OPEN))
		return n;
	for (uint16_t i = 0; i < n; i++)
		learn(pkts[i]);
	return n;
}

/* Setting up */

static void fail(const char *what)
{
	fprintf(stderr, "bench generator: %s\n", what);
	exit(1);
}

static void flows_init(void)
{
	int fd = open(getenv("BENCH_FLOWS"), O_RDWR | O_CLOEXEC);
	size_t size;

	if (fd < 0)
		fail("cannot open BENCH_FLOWS");
	g.state = mmap(NULL, sizeof(*g.state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (g.state == MAP_FAILED)
		fail("cannot map BENCH_FLOWS");
	g.n = (uint32_t)g.state->n_flows;
	size = (((size_t)g.n + AHEAD) * sizeof(*g.flows) + HUGE_PAGE) & ~(size_t)(HUGE_PAGE - 1);
	g.flows = aligned_alloc(HUGE_PAGE, size);
	if (g.flows == NULL)
		fail("no memory");
	(void)madvise(g.flows, size, MADV_HUGEPAGE);
	for (uint32_t i = 0; i < g.n; i++)
		flow_draw(&g.flows[i], i);
	for (int i = 0; i < 4; i++)
		frame_init(g.frame[i / 2][i % 2], i % 2, (uint8_t)(1 + i / 2));
	g.state->hz = rte_get_tsc_hz();
	g.last = rte_rdtsc();
	phase_set(g.n > 0 ? FLOWS_OPEN : FLOWS_TRAFFIC);
}

bool flows_are_wanted(void)
{
	return getenv("BENCH_FLOWS") != NULL;
}

void flows_add(uint16_t port)
{
	if (g.state == NULL) {
		flows_init();
		rte_eth_add_rx_callback(port, 0, on_receive, NULL);
		return;
	}
	rte_eth_add_rx_callback(port, 0, on_receive, &g);
	rte_eth_add_tx_callback(port, 0, on_transmit, NULL);
}
