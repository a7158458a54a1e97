/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The appliance inside a test. See harness.h. One thread does everything: it runs the workers'
 * passes, the control plane's ticks, and plays the network on rings.
 *
 * While a worker's pass runs, calls of allocators, of pthread_mutex_lock() and of clock_gettime(),
 * with which a log line begins (all linked with --wrap), are counted: a worker may make none, so
 * bench_destroy() fails the test then.
 */
#include "harness.h"

#include <rte_bus_vdev.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

enum { RUN_TURNS_MAX = 1000, TICK_MS = 10 };

const char bench_default_config[] =
	"memory: { hugepages = \"off\"; };\n"
	"links = (\n"
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"02:00:00:00:00:01\";\n"
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"02:00:00:00:00:02\";\n"
	"    addresses = [ \"198.51.100.1/24\" ]; }\n"
	");\n";

/* Allocations, locks and log lines inside a pass */

static __thread unsigned int *forbidden_in_pass; /* NULL: not in a pass */

/* Counts a call of a function that no worker may make, then makes it. */
#define FORBIDDEN(type, name, parameters, arguments)                                               \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (forbidden_in_pass != NULL)                                                     \
			(*forbidden_in_pass)++;                                                    \
		return __real_##name arguments;                                                    \
	}

FORBIDDEN(void *, malloc, (size_t size), (size))
FORBIDDEN(void *, calloc, (size_t n, size_t size), (n, size))
FORBIDDEN(void *, realloc, (void *ptr, size_t size), (ptr, size))
FORBIDDEN(void *, rte_malloc, (const char *type, size_t size, unsigned int align),
	(type, size, align))
FORBIDDEN(void *, rte_zmalloc, (const char *type, size_t size, unsigned int align),
	(type, size, align))
FORBIDDEN(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
FORBIDDEN(int, clock_gettime, (clockid_t clock, struct timespec *now), (clock, now))

static unsigned int bench_pass(struct bench *b, struct worker *w)
{
	unsigned int n;

	forbidden_in_pass = &b->n_forbidden;
	n = worker_pass(w);
	forbidden_in_pass = NULL;
	return n;
}

/* Start and end */

/* "0@A,1@B,2@B": the test on the first CPU it may use, workers on the last. */
static void choose_lcores(const cpu_set_t *allowed, char *text, size_t size)
{
	int first = -1, last = -1;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed))
			continue;
		if (first < 0)
			first = cpu;
		last = cpu;
	}
	snprintf(text, size, "--lcores=0@%d,1@%d,2@%d", first, last, last);
}

void bench_init_eal(void)
{
	char lcores[64];
	char *argv[] = { (char[]){ "test" }, (char[]){ "--no-huge" }, (char[]){ "--no-pci" },
		(char[]){ "--no-shconf" }, (char[]){ "-m" }, (char[]){ "512" },
		(char[]){ "--no-telemetry" }, lcores, (char[]){ "--log-level=*:warning" }, NULL };
	cpu_set_t allowed;

	REQUIRE(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	choose_lcores(&allowed, lcores, sizeof(lcores));
	REQUIRE(rte_eal_init(9, argv) >= 0);
	/* EAL has put us on one CPU: programs that run beside each other would all be on the same. */
	REQUIRE(sched_setaffinity(0, sizeof(allowed), &allowed) == 0);
	modules_extend();
}

/*
 * A module below all others: its worker_fini is the last, so it sees what became of the packets
 * that the others still held.
 */
static uint64_t n_stopped;

static void probe_worker_fini(struct dp *dp, struct worker *w)
{
	unsigned int reason = dp_module.drop_base + DP_DROP_STOPPED;

	for (unsigned int i = 0; i < dp->n_stages; i++)
		n_stopped += w->drops[reason * dp->n_stages + i];
	REQUIRE(w->stats.held == 0);
}

static struct module probe_module = {
	.name = "probe",
	.worker_state_size = 1,
	.worker_fini = probe_worker_fini,
};

uint64_t bench_stopped(void)
{
	return n_stopped;
}

static void bench_open_ports(struct bench *b)
{
	char name[32];

	for (unsigned int i = 0; i < BENCH_PORTS; i++) {
		int port;

		snprintf(name, sizeof(name), "rx%u", i);
		b->rx[i] = rte_ring_create(name, BENCH_RING_SIZE, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "tx%u", i);
		b->tx[i] = rte_ring_create(name, BENCH_RING_SIZE, 0, RING_F_SC_DEQ);
		REQUIRE(b->rx[i] != NULL);
		REQUIRE(b->tx[i] != NULL);
		snprintf(name, sizeof(name), "p%u", i);
		port = rte_eth_from_rings(name, &b->rx[i], 1, &b->tx[i], 1, 0);
		REQUIRE(port >= 0);
		b->ports[i] = (uint16_t)port;
	}
}

static void bench_close_ports(struct bench *b)
{
	char name[32];

	for (unsigned int i = 0; i < BENCH_PORTS; i++) {
		/* A port that no link used is still open. */
		if (rte_eth_dev_is_valid_port(b->ports[i])) {
			rte_eth_dev_stop(b->ports[i]);
			rte_eth_dev_close(b->ports[i]);
		}
		snprintf(name, sizeof(name), "net_ring_p%u", i);
		rte_vdev_uninit(name);
		rte_ring_free(b->rx[i]);
		rte_ring_free(b->tx[i]);
	}
}

/* Returns the number of packets that leaked. */
static int bench_free(struct bench *b)
{
	int n_leaked;

	bench_discard(b);
	ctl_destroy(b->ctl);
	if (b->events != NULL)
		event_base_free(b->events);
	n_stopped = 0;
	n_leaked = dp_destroy(b->dp);
	conf_destroy(b->config);
	bench_close_ports(b);
	free(b);
	return n_leaked;
}

/* What a failed test has left behind: without forks it would fail all tests after it. */
static struct bench *live;

static void bench_free_live(void)
{
	struct bench *b = live;

	live = NULL;
	forbidden_in_pass = NULL;
	if (b != NULL && b->is_launched)
		bench_join(b);
	if (b != NULL)
		bench_free(b);
}

/*
 * Unless a test speaks of IPv6 its links have no link-local addresses: their neighbour discovery
 * would come out of ports where a test of something else expects nothing.
 */
static char *bench_config_text(const char *config)
{
	static const char none[] = "addrconf: { addr_gen_mode = \"none\"; };";
	const char *sysctl = strstr(config, "sysctl: {");
	int before = sysctl == NULL ? 0 : (int)(sysctl - config) + (int)strlen("sysctl: {");

	if (strstr(config, "::") != NULL || strstr(config, "addrconf") != NULL)
		return mem_strdup(config);
	if (sysctl == NULL)
		return mem_printf("sysctl: { %s }; %s", none, config);
	return mem_printf("%.*s %s %s", before, config, none, config + before);
}

static void bench_apply(struct bench *b, const char *config)
{
	char *text = bench_config_text(config);
	struct diag diag;

	diag_init(&diag, "test.conf");
	b->config = conf_read_text(modules, text, strlen(text), &diag);
	diag_print(&diag, stderr);
	REQUIRE(b->config != NULL);
	b->dp->config = b->config;
	REQUIRE_MSG(conf_apply(b->dp, b->config, &diag) == 0, "%s", diag_text(&diag));
	diag_fini(&diag);
	free(text);
}

struct bench *bench_create(const char *config, unsigned int n_workers, unsigned int n_mbufs)
{
	static struct module *with_probe[MODULE_MAX + 1] = { &probe_module };
	struct dp_conf conf = {
		.modules = with_probe,
		.stages = pipeline,
		.n_workers = n_workers,
		.n_mbufs = n_mbufs,
	};
	unsigned int n_tables = 0;
	struct bench *b;

	bench_free_live();
	b = mem_zalloc(sizeof(*b));
	for (unsigned int i = 0; modules[i] != NULL; i++) {
		with_probe[i + 1] = modules[i];
		if (modules[i]->commands != NULL)
			b->tables[n_tables++] = modules[i]->commands;
	}
	bench_open_ports(b);
	REQUIRE(dp_create(&conf, &b->dp) == 0);
	live = b;
	b->now_ns = UINT64_C(1000000000000);
	b->dp->now_ns = b->now_ns;
	b->events = event_base_new();
	REQUIRE(b->events != NULL);
	REQUIRE(ctl_create(b->events, b->dp, b->tables, &b->ctl) == 0);
	bench_apply(b, config != NULL ? config : bench_default_config);
	bench_run(b);
	return b;
}

void bench_destroy(struct bench *b)
{
	struct dp_totals totals;

	bench_run(b);
	dp_totals(b->dp, &totals);
	REQUIRE_MSG(totals.difference == 0, "accounting difference %" PRId64, totals.difference);
	REQUIRE_MSG(b->n_forbidden == 0, "%u allocations, locks or log lines inside worker passes",
		b->n_forbidden);
	live = NULL;
	REQUIRE(bench_free(b) == 0);
}

/* Threads */

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void bench_launch(struct bench *b)
{
	b->is_launched = true;
	b->now_ns = RTE_MAX(b->now_ns, monotonic_ns());
	for (unsigned int i = 0; i < b->dp->n_workers; i++) {
		/* Both share a CPU: what has nothing to do must make room for the other. */
		b->dp->workers[i]->is_adaptive = true;
		atomic_store(&b->dp->workers[i]->stop, false);
		REQUIRE(dp_launch(b->dp, i, i + 1, -1) == 0);
	}
}

void bench_join(struct bench *b)
{
	dp_stop(b->dp);
	b->is_launched = false;
}

/* Driving */

void bench_run(struct bench *b)
{
	unsigned int n_idle = 0;

	if (b->is_launched) {
		b->now_ns = RTE_MAX(b->now_ns, monotonic_ns());
		dp_tick(b->dp, b->now_ns);
		return;
	}
	for (unsigned int turn = 0; turn < RUN_TURNS_MAX; turn++) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < b->dp->n_workers; i++)
			n += bench_pass(b, b->dp->workers[i]);
		dp_tick(b->dp, b->now_ns);
		/* Mail may start something: quiet means several turns without a packet. */
		n_idle = n == 0 ? n_idle + 1 : 0;
		if (n_idle == 4)
			return;
	}
	ck_abort_msg("packets move forever");
}

void bench_advance(struct bench *b, unsigned int ms)
{
	for (unsigned int t = 0; t < ms; t += TICK_MS) {
		b->now_ns += TICK_MS * UINT64_C(1000000);
		bench_run(b);
	}
}

void bench_send(struct bench *b, unsigned int port, const struct frame *frame)
{
	bench_send_segs(
		b, port, frame, rte_pktmbuf_data_room_size(b->dp->pool) - RTE_PKTMBUF_HEADROOM);
}

void bench_send_segs(
	struct bench *b, unsigned int port, const struct frame *frame, uint16_t seg_len)
{
	struct rte_mbuf *m = NULL;
	uint32_t done = 0;

	do {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(b->dp->pool);
		uint16_t n = (uint16_t)RTE_MIN(frame->len - done, (uint32_t)seg_len);

		REQUIRE(seg != NULL);
		memcpy(rte_pktmbuf_append(seg, n), frame->bytes + done, n);
		done += n;
		if (m == NULL)
			m = seg;
		else
			REQUIRE(rte_pktmbuf_chain(m, seg) == 0);
	} while (done < frame->len);
	REQUIRE(rte_ring_enqueue(b->rx[port], m) == 0);
}

bool bench_receive(struct bench *b, unsigned int port, struct frame *frame)
{
	struct rte_mbuf *m;
	const void *bytes;

	if (rte_ring_dequeue(b->tx[port], (void **)&m) != 0)
		return false;
	REQUIRE(m->pkt_len <= sizeof(frame->bytes));
	frame->len = m->pkt_len;
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, frame->bytes);
	if (bytes != frame->bytes)
		memcpy(frame->bytes, bytes, m->pkt_len);
	rte_pktmbuf_free(m);
	return true;
}

void bench_discard(struct bench *b)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < BENCH_PORTS; i++) {
		while (rte_ring_dequeue(b->tx[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		while (rte_ring_dequeue(b->rx[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
	}
}

uint64_t bench_node_packets(const struct bench *b, const char *stage)
{
	const struct worker *w = b->dp->workers[0];

	return w->nodes[worker_stage_index(w, stage)].packets;
}

uint64_t bench_drops(const struct bench *b, const char *reason)
{
	uint64_t n = dp_drops(b->dp, reason);

	REQUIRE_MSG(n != UINT64_MAX, "there is no drop reason %s", reason);
	return n;
}

static json_t *bench_request(struct bench *b, const char *method, const char *params)
{
	char *line =
		mem_printf("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}",
			method, params == NULL ? "{}" : params);
	char *answer = ctl_serve_line(b->ctl, line, strlen(line));
	json_t *json;

	REQUIRE(answer != NULL);
	json = json_loads(answer, 0, NULL);
	REQUIRE(json != NULL);
	free(line);
	free(answer);
	return json;
}

json_t *bench_call_only(struct bench *b, const char *method, const char *params)
{
	json_t *json = bench_request(b, method, params);
	json_t *error = json_object_get(json, "error");
	json_t *result;

	REQUIRE_MSG(error == NULL, "%s: %s", method,
		json_string_value(json_object_get(error, "message")));
	result = json_incref(json_object_get(json, "result"));
	json_decref(json);
	return result;
}

json_t *bench_call(struct bench *b, const char *method, const char *params)
{
	json_t *result = bench_call_only(b, method, params);

	bench_run(b);
	return result;
}

char *bench_call_error(struct bench *b, const char *method, const char *params)
{
	json_t *json = bench_request(b, method, params);
	json_t *error = json_object_get(json, "error");
	char *text;

	REQUIRE_MSG(error != NULL, "%s did not fail", method);
	text = mem_strdup(json_string_value(json_object_get(error, "message")));
	json_decref(json);
	return text;
}

/* Frames */

static void put_mac(struct rte_ether_addr *to, const char *text, const char *fallback)
{
	struct mac_addr mac;

	REQUIRE(mac_addr_parse(text != NULL ? text : fallback, &mac) == 0);
	memcpy(to->addr_bytes, mac.bytes, sizeof(to->addr_bytes));
}

static uint32_t get_ip4(const char *text)
{
	struct ip_addr addr;

	REQUIRE(ip_addr_parse(text, &addr) == 0);
	return addr.v4_be;
}

/* Writes the L4 header behind ip and returns its length. */
static uint16_t put_l4(
	const struct ip4_spec *spec, uint8_t proto, struct rte_ipv4_hdr *ip, uint8_t *at)
{
	uint16_t sport = rte_cpu_to_be_16(spec->sport != 0 ? spec->sport : 1000);
	uint16_t dport = rte_cpu_to_be_16(spec->dport != 0 ? spec->dport : 2000);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)at;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)at;
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)at;

	switch (proto) {
	case IPPROTO_UDP:
		*udp = (struct rte_udp_hdr){ sport, dport,
			rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + spec->payload_len)), 0 };
		return sizeof(*udp);
	case IPPROTO_TCP:
		*tcp = (struct rte_tcp_hdr){ .src_port = sport,
			.dst_port = dport,
			.data_off = 0x50,
			.tcp_flags = RTE_TCP_SYN_FLAG,
			.rx_win = 0xffff };
		return sizeof(*tcp);
	case IPPROTO_ICMP:
		*icmp = (struct rte_icmp_hdr){ .icmp_type = spec->icmp_type,
			.icmp_code = spec->icmp_code,
			.icmp_ident = sport,
			.icmp_seq_nb = dport };
		return sizeof(*icmp);
	default:
		return 0;
	}
}

void frame_ip4(struct frame *frame, const struct ip4_spec *spec)
{
	struct rte_ether_hdr *ether = frame_ether(frame);
	struct rte_ipv4_hdr *ip = frame_ip(frame);
	uint8_t proto = spec->proto != 0 ? spec->proto : IPPROTO_UDP;
	uint8_t *l4 = (uint8_t *)(ip + 1) + spec->options_len;
	uint16_t l4_len, len;

	put_mac(&ether->src_addr, spec->src_mac, "02:00:00:00:01:01");
	put_mac(&ether->dst_addr, spec->dst_mac, "02:00:00:00:00:01");
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	if (spec->options_len > 0)
		memcpy(ip + 1, spec->options, spec->options_len);
	l4_len = put_l4(spec, proto, ip, l4);
	for (uint16_t i = 0; i < spec->payload_len; i++)
		l4[l4_len + i] = (uint8_t)i;
	len = (uint16_t)(sizeof(*ip) + spec->options_len + l4_len + spec->payload_len);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = (uint8_t)(0x40 | (5 + spec->options_len / 4)),
		.total_length = rte_cpu_to_be_16(len),
		.packet_id = RTE_BE16(0x1234),
		.fragment_offset = rte_cpu_to_be_16(spec->fragment),
		.time_to_live = spec->ttl != 0 ? spec->ttl : 64,
		.next_proto_id = proto,
		.src_addr = get_ip4(spec->src),
		.dst_addr = get_ip4(spec->dst),
	};
	frame->len = RTE_ETHER_HDR_LEN + len;
	frame_fix_ip(frame);
	if (proto == IPPROTO_ICMP)
		((struct rte_icmp_hdr *)l4)->icmp_cksum =
			(uint16_t)~rte_raw_cksum(l4, (size_t)l4_len + spec->payload_len);
	else if (proto == IPPROTO_UDP)
		((struct rte_udp_hdr *)l4)->dgram_cksum = rte_ipv4_udptcp_cksum(ip, l4);
	else if (proto == IPPROTO_TCP)
		((struct rte_tcp_hdr *)l4)->cksum = rte_ipv4_udptcp_cksum(ip, l4);
}

void frame_fix_ip(struct frame *frame)
{
	struct rte_ipv4_hdr *ip = frame_ip(frame);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, rte_ipv4_hdr_len(ip));
}

void frame_check_ip4(struct frame *frame)
{
	const struct rte_ipv4_hdr *ip = frame_ip(frame);
	size_t header_len = rte_ipv4_hdr_len(ip), len = rte_be_to_cpu_16(ip->total_length);

	REQUIRE(frame->len >= RTE_ETHER_HDR_LEN + sizeof(*ip));
	REQUIRE(frame_ether(frame)->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4));
	REQUIRE(frame->len == RTE_ETHER_HDR_LEN + len);
	REQUIRE(rte_raw_cksum(ip, header_len) == 0xffff);
	if (ip->next_proto_id == IPPROTO_ICMP)
		REQUIRE(rte_raw_cksum((const uint8_t *)ip + header_len, len - header_len) ==
			0xffff);
}

void frame_arp(struct frame *frame, const char *eth_src, const char *eth_dst, uint16_t op,
	const char *sender_mac, const char *sender, const char *target_mac, const char *target)
{
	struct rte_ether_hdr *ether = frame_ether(frame);
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(ether + 1);

	put_mac(&ether->src_addr, eth_src, NULL);
	put_mac(&ether->dst_addr, eth_dst, NULL);
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(uint32_t),
		.arp_opcode = rte_cpu_to_be_16(op),
		.arp_data.arp_sip = get_ip4(sender),
		.arp_data.arp_tip = get_ip4(target),
	};
	put_mac(&arp->arp_data.arp_sha, sender_mac, NULL);
	put_mac(&arp->arp_data.arp_tha, target_mac, NULL);
	frame->len = sizeof(*ether) + sizeof(*arp);
}

void bench_learn(struct bench *b, unsigned int port, const char *addr, const char *mac)
{
	static const char *const own_addrs[] = { "192.0.2.1", "198.51.100.1" };
	struct frame frame;

	/* A request to us makes an entry, as on Linux. */
	frame_arp(&frame, mac, "ff:ff:ff:ff:ff:ff", RTE_ARP_OP_REQUEST, mac, addr,
		"00:00:00:00:00:00", own_addrs[port]);
	bench_send(b, port, &frame);
	bench_run(b);
	while (bench_receive(b, port, &frame))
		;
}
