/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every reason for which weir drops a packet is caused here, once, by name. The first test walks
 * over the lists of all modules: a reason without a row below fails it.
 *
 * A row says what to send; what cannot be said that way has a function. Both run on the router of
 * kit.h, or on a configuration of their own.
 */
#include "kit6.h"

#include "flow/flow.h"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "base/mem.h"
#include "dp/handover.h"

enum { REQUEST = RTE_ARP_OP_REQUEST, REPLY = RTE_ARP_OP_REPLY };

/* The usual packet: from the host on lan to the default gateway's side. */
static void send_ip4(struct bench *b, const struct ip4_spec *with)
{
	struct ip4_spec spec = *with;
	struct frame frame;

	if (spec.src == NULL)
		spec.src = "192.0.2.10";
	if (spec.dst == NULL)
		spec.dst = "8.8.8.8";
	frame_ip4(&frame, &spec);
	bench_push(b, LAN, &frame);
}

/* dp */

static void inject_full(struct bench *b)
{
	unsigned int tx = dp_stage_index(b->dp, "tx");
	struct worker *w = b->dp->workers[0];
	unsigned int n = rte_ring_free_count(w->inject);

	/* What is held and handed over enters by this function; here it is done n times at once. */
	for (unsigned int i = 0; i <= n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);

		REQUIRE(m != NULL);
		rte_pktmbuf_append(m, 60);
		*pkt_meta(m) = (struct pkt_meta){ .out_link = 1 };
		w->stats.originated++;
		worker_inject(w, w, m, tx);
	}
	for (unsigned int i = 0; i < 100; i++) {
		bench_run(b);
		bench_discard(b);
	}
}

/* A queue without slots, to itself: there is only one worker. */
static void handover_full(struct bench *b)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);
	struct worker *w = b->dp->workers[0];

	REQUIRE(m != NULL);
	rte_pktmbuf_append(m, 60);
	*pkt_meta(m) = (struct pkt_meta){ .out_link = 1 };
	w->handover[0] = rte_zmalloc(NULL, sizeof(struct handover_queue), HANDOVER_APART);
	REQUIRE(w->handover[0] != NULL);
	w->stats.originated++;
	worker_hand_over(w, w, dp_stage_index(b->dp, "tx"), &m, 1);
}

/*
 * A neighbour that is forgotten again between its answer and the packet's next try: the packet
 * goes round, until it has done so too often.
 */
static void inject_loop(struct bench *b)
{
	struct frame answer;

	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
	frame_arp(&answer, PEER_MAC, WAN_MAC, REPLY, PEER_MAC, "198.51.100.20", WAN_MAC,
		"198.51.100.1");
	for (unsigned int i = 0; i <= WORKER_INJECTS_MAX; i++) {
		bench_send(b, WAN, &answer);
		worker_pass(b->dp->workers[0]);
		dp_drain_mail(b->dp); /* the release is on its way to the worker */
		json_decref(bench_call(b, "neigh.flush", "{\"dev\": \"wan\"}"));
	}
}

static void stopped(struct bench *b)
{
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
}

/* link */

static void eth_truncated(struct bench *b)
{
	struct frame frame = { .len = 13 };

	bench_push(b, LAN, &frame);
}

static void ip4_truncated(struct bench *b)
{
	struct frame frame;

	frame_ether_type(&frame, RTE_ETHER_TYPE_IPV4, 19);
	bench_push(b, LAN, &frame);
}

static void link_down(struct bench *b)
{
	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"state\": \"down\"}"));
	send_ip4(b, &(struct ip4_spec){ 0 });
}

static void link_tx_full(struct bench *b)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	for (unsigned int i = rte_ring_free_count(b->tx[WAN]); i > 0; i--) {
		bench_send(b, LAN, &frame);
		if (i % 1000 == 0)
			bench_run(b);
	}
	bench_push(b, LAN, &frame);
}

static void eth_type_unknown(struct bench *b)
{
	struct frame frame;

	frame_ether_type(&frame, 0x88cc, 46);
	bench_push(b, LAN, &frame);
}

/* neigh */

static void arp_truncated(struct bench *b)
{
	struct frame frame;

	frame_ether_type(&frame, RTE_ETHER_TYPE_ARP, 27);
	bench_push(b, LAN, &frame);
}

/* A frame that somebody else still reads, when no buffer is left for a copy. */
static void send_shared(struct bench *b, const struct frame *frame, bool has_buffers)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool), **buffers = NULL;
	unsigned int n = 0;

	memcpy(rte_pktmbuf_append(m, (uint16_t)frame->len), frame->bytes, frame->len);
	rte_mbuf_refcnt_update(m, 1);
	if (!has_buffers)
		buffers = bench_take_buffers(b, &n);
	REQUIRE(rte_ring_enqueue(b->rx[LAN], m) == 0);
	bench_run(b);
	rte_pktmbuf_free(m);
	if (!has_buffers)
		bench_give_buffers(buffers, n);
}

static void arp_no_buffer(struct bench *b)
{
	struct frame frame;

	frame_arp(&frame, HOST_MAC, ANY_MAC, REQUEST, HOST_MAC, "192.0.2.10", NO_MAC, "192.0.2.1");
	send_shared(b, &frame, false);
}

static void neigh_queue_full(struct bench *b)
{
	for (unsigned int i = 0; i < 102; i++)
		send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
}

/* One packet each to n hosts of 172.20.0.0/16, which is on wan. */
static void send_to_hosts(struct bench *b, unsigned int n, unsigned int n_each)
{
	char dst[32];

	json_decref(bench_call(b, "route.add", "{\"to\": \"172.20.0.0/16\", \"dev\": \"wan\"}"));
	for (unsigned int i = 0; i < n * n_each; i++) {
		unsigned int host = 1 + i / n_each;

		snprintf(dst, sizeof(dst), "172.20.%u.%u", host / 250, host % 250 + 1);
		send_ip4(b, &(struct ip4_spec){ .dst = dst });
	}
}

static void neigh_no_slot(struct bench *b)
{
	send_to_hosts(b, 257, 1); /* HOLD_SLOTS and one */
}

static void neigh_held_max(struct bench *b)
{
	/* A quarter of the 8192 buffers: 16 hosts of 128 packets, and one packet more. */
	bench_sysctl(b, "neigh.unres_qlen", "128");
	send_to_hosts(b, 16, 128);
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
}

static void neigh_failed(struct bench *b)
{
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
	bench_advance(b, 3010);
}

static void neigh_table_full(struct bench *b)
{
	bench_sysctl(b, "neigh.gc_thresh3", "1");
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.21" });
}

static void neigh_link_down(struct bench *b)
{
	send_ip4(b, &(struct ip4_spec){ .dst = "198.51.100.20" });
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"state\": \"down\"}"));
}

/* ip */

static void ip4_no_route(struct bench *b)
{
	json_decref(bench_call(b, "route.del", "{\"to\": \"default\"}"));
	send_ip4(b, &(struct ip4_spec){ 0 });
}

static void add_route(struct bench *b, const char *type)
{
	char *params = mem_printf("{\"to\": \"8.8.8.0/24\", \"type\": \"%s\"}", type);

	json_decref(bench_call(b, "route.add", params));
	free(params);
	send_ip4(b, &(struct ip4_spec){ 0 });
}

static void ip4_blackhole(struct bench *b)
{
	add_route(b, "blackhole");
}

static void ip4_unreachable(struct bench *b)
{
	add_route(b, "unreachable");
}

static void ip4_prohibited(struct bench *b)
{
	add_route(b, "prohibit");
}

static void ip4_frag_needed(struct bench *b)
{
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 600}"));
	send_ip4(b, &(struct ip4_spec){ .payload_len = 573, .fragment = RTE_IPV4_HDR_DF_FLAG });
}

/* Its fragments would need two buffers, and the request itself has taken the last. */
static void ip4_fragment_no_buffer(struct bench *b)
{
	struct rte_mbuf **buffers;
	struct frame frame;
	unsigned int n;

	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 600}"));
	frame_ip4(&frame,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 573 });
	bench_send(b, LAN, &frame);
	buffers = bench_take_buffers(b, &n);
	bench_run(b);
	bench_give_buffers(buffers, n);
}

/* Fragments of one datagram to us: length of the payload, and where it lies. */
static void send_fragment(struct bench *b, uint16_t field, uint16_t len)
{
	send_ip4(b, &(struct ip4_spec){ .dst = "192.0.2.1",
			    .proto = IPPROTO_ESP,
			    .fragment = field,
			    .payload_len = len });
}

static void ip4_fragment_duplicate(struct bench *b)
{
	send_fragment(b, RTE_IPV4_HDR_MF_FLAG, 8);
	send_fragment(b, RTE_IPV4_HDR_MF_FLAG, 8);
}

/* A new one that overlaps takes the others with it. */
static void ip4_fragment_overlap(struct bench *b)
{
	send_fragment(b, RTE_IPV4_HDR_MF_FLAG, 16);
	send_fragment(b, RTE_IPV4_HDR_MF_FLAG | 1, 16);
}

static void ip4_fragments_too_many(struct bench *b)
{
	for (uint16_t i = 0; i <= 64; i++)
		send_fragment(b, (uint16_t)(RTE_IPV4_HDR_MF_FLAG | 2 * i), 8);
}

static void ip4_reassembly_full(struct bench *b)
{
	struct frame frame;

	for (uint16_t i = 0; i <= 128; i++) {
		frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
					  .dst = "192.0.2.1",
					  .proto = IPPROTO_ESP,
					  .fragment = RTE_IPV4_HDR_MF_FLAG,
					  .payload_len = 8 });
		frame_ip(&frame)->packet_id = i;
		frame_fix_ip(&frame);
		bench_push(b, LAN, &frame);
	}
}

static void ip4_reassembly_timeout(struct bench *b)
{
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();

	bench_sysctl(b, "ipv4.ipfrag_time", "1");
	send_fragment(b, RTE_IPV4_HDR_MF_FLAG | 1, 8);
	while (bench_drops(b, "ip4_reassembly_timeout") == 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
}

/* Fragments of one datagram that passes through, where connections are tracked. */
static void send_tracked(struct bench *b, uint8_t proto, uint16_t id, uint16_t field, uint16_t len)
{
	struct frame frame;

	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "8.8.8.8",
				  .proto = IPPROTO_ESP,
				  .fragment = field,
				  .payload_len = len });
	frame_ip(&frame)->next_proto_id = proto;
	frame_ip(&frame)->packet_id = id;
	frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
}

static void flow_fragment_bad(struct bench *b)
{
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG | 1, 9);
}

static void flow_fragment_tiny(struct bench *b)
{
	send_tracked(b, IPPROTO_TCP, 0, RTE_IPV4_HDR_MF_FLAG, 16);
}

static void flow_fragment_duplicate(struct bench *b)
{
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG, 8);
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG, 8);
}

/* What waits goes with it. */
static void flow_fragment_overlap(struct bench *b)
{
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG | 2, 16);
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG | 1, 16);
}

static void flow_fragments_too_many(struct bench *b)
{
	for (uint16_t i = 1; i <= 65; i++)
		send_tracked(b, IPPROTO_ESP, 0, (uint16_t)(RTE_IPV4_HDR_MF_FLAG | 2 * i), 8);
}

static void flow_fragment_refused(struct bench *b)
{
	flow_fragment_overlap(b);
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG, 8);
}

static void flow_fragment_full(struct bench *b)
{
	for (uint16_t i = 0; i <= 1024; i++)
		send_tracked(b, IPPROTO_ESP, i, RTE_IPV4_HDR_MF_FLAG, 8);
}

static void flow_fragment_timeout(struct bench *b)
{
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();

	bench_sysctl(b, "ipv4.ipfrag_time", "1");
	send_tracked(b, IPPROTO_ESP, 0, RTE_IPV4_HDR_MF_FLAG | 1, 8);
	while (bench_drops(b, "flow_fragment_timeout") == 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
}

/* A router without any address has none to send errors from. */
static void ip4_no_source(struct bench *b)
{
	json_decref(bench_call(b, "addr.del", "{\"local\": \"192.0.2.1/24\", \"dev\": \"lan\"}"));
	json_decref(
		bench_call(b, "addr.del", "{\"local\": \"198.51.100.1/24\", \"dev\": \"wan\"}"));
	json_decref(bench_call(b, "addr.del", "{\"local\": \"203.0.113.1/24\", \"dev\": \"dmz\"}"));
	json_decref(bench_call(b, "route.add", "{\"to\": \"192.0.2.0/24\", \"dev\": \"lan\"}"));
	send_ip4(b, &(struct ip4_spec){ .dst = "192.0.2.20", .ttl = 1 });
}

static void ip_shared(struct bench *b)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	send_shared(b, &frame, true);
}

/* IPv6: on the router of kit6.h. */

static void send_ip6(struct bench *b, const struct ip6_spec *spec)
{
	struct frame frame;

	frame_ip6(&frame, spec);
	bench_push(b, LAN, &frame);
}

static void ip6_no_route(struct bench *b)
{
	json_decref(bench_call(b, "route.del", "{\"to\": \"::/0\"}"));
	send_ip6(b, &(struct ip6_spec){ 0 });
}

static void add_route6(struct bench *b, const char *type)
{
	char *params = mem_printf("{\"to\": \"2001:db8:8888::/48\", \"type\": \"%s\"}", type);

	json_decref(bench_call(b, "route.add", params));
	free(params);
	send_ip6(b, &(struct ip6_spec){ 0 });
}

static void ip6_blackhole(struct bench *b)
{
	add_route6(b, "blackhole");
}

static void ip6_unreachable(struct bench *b)
{
	add_route6(b, "unreachable");
}

static void ip6_prohibited(struct bench *b)
{
	add_route6(b, "prohibit");
}

static void ip6_too_big(struct bench *b)
{
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1280}"));
	send_ip6(b, &(struct ip6_spec){ .payload_len = 1233 });
}

/* The reply to an echo request that came whole from a link with a larger MTU. */
static void ip6_fragment_no_buffer(struct bench *b)
{
	struct rte_mbuf **buffers;
	struct frame frame;
	unsigned int n;

	json_decref(bench_call(b, "link.set", "{\"dev\": \"lan\", \"mtu\": 2000}"));
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1280}"));
	frame_ip6(&frame, &(struct ip6_spec){ .src = PEER6,
				  .dst = LAN6,
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = ICMP6_ECHO_REQUEST,
				  .payload_len = 1500 });
	bench_send(b, LAN, &frame);
	buffers = bench_take_buffers(b, &n);
	bench_run(b);
	bench_give_buffers(buffers, n);
}

/* Fragments of one datagram to us: where it lies in the payload, of that many bytes. */
static void send_fragment6(struct bench *b, uint16_t first, uint16_t len, uint8_t id)
{
	const uint8_t ext[] = { 253, 0, (uint8_t)(first >> 8), (uint8_t)(first | 1), 0, 0, 0, id };

	send_ip6(b, &(struct ip6_spec){ .dst = LAN6,
			    .proto = 253,
			    .ext = ext,
			    .ext_len = sizeof(ext),
			    .ext_proto = IPPROTO_FRAGMENT,
			    .payload_len = len });
}

static void ip6_fragment_duplicate(struct bench *b)
{
	send_fragment6(b, 0, 8, 0);
	send_fragment6(b, 0, 8, 0);
}

static void ip6_fragment_overlap(struct bench *b)
{
	send_fragment6(b, 0, 16, 0);
	send_fragment6(b, 8, 16, 0);
}

static void ip6_fragments_too_many(struct bench *b)
{
	for (uint16_t i = 0; i <= 64; i++)
		send_fragment6(b, (uint16_t)(16 * i), 8, 0);
}

static void ip6_reassembly_full(struct bench *b)
{
	for (uint8_t id = 0; id <= 128; id++)
		send_fragment6(b, 0, 8, id);
}

static void ip6_reassembly_timeout(struct bench *b)
{
	uint64_t end = rte_rdtsc() + 30 * rte_get_tsc_hz();

	bench_sysctl(b, "ipv6.ip6frag_time", "1");
	send_fragment6(b, 8, 8, 0);
	while (bench_drops(b, "ip6_reassembly_timeout") == 0 && rte_rdtsc() < end)
		bench_advance(b, 1000);
}

/* Without any address there is none to ask a neighbour from, or to send an error from. */
static void ip6_no_source(struct bench *b)
{
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"2001:db8:9::9\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"lan\"}"));
	json_decref(bench_call(b, "addr.del", "{\"local\": \"" LAN6 "/64\", \"dev\": \"lan\"}"));
	json_decref(bench_call(b, "addr.del", "{\"local\": \"" WAN6 "/64\", \"dev\": \"wan\"}"));
	json_decref(
		bench_call(b, "addr.del", "{\"local\": \"2001:db8:3::1/64\", \"dev\": \"dmz\"}"));
	json_decref(
		bench_call(b, "addr.del", "{\"local\": \"" LAN6_LINK "/64\", \"dev\": \"lan\"}"));
	json_decref(bench_call(b, "route.add", "{\"to\": \"2001:db8:9::/64\", \"dev\": \"lan\"}"));
	send_ip6(b, &(struct ip6_spec){
			    .src = "2001:db8:9::9", .dst = "2001:db8:9::8", .hop_limit = 1 });
}

static void ip6_tentative(struct bench *b)
{
	bench_sysctl(b, "addrconf.dad_transmits", "1");
	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::7/64\", \"dev\": \"lan\"}"));
	send_ip6(b, &(struct ip6_spec){ .dst = "2001:db8:1::7" });
}

static void nd_tentative(struct bench *b)
{
	struct frame frame;

	bench_sysctl(b, "addrconf.dad_transmits", "1");
	json_decref(
		bench_call(b, "addr.add", "{\"local\": \"2001:db8:1::7/64\", \"dev\": \"lan\"}"));
	frame_nd(&frame, &(struct nd_spec){ .target = "2001:db8:1::7", .lladdr = HOST_MAC });
	bench_push(b, LAN, &frame);
}

static void nd_no_buffer(struct bench *b)
{
	struct frame frame;

	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	send_shared(b, &frame, false);
}

static void icmp_echo_ignored(struct bench *b)
{
	bench_sysctl(b, "ipv4.icmp_echo_ignore_all", "true");
	send_ip4(
		b, &(struct ip4_spec){ .dst = "192.0.2.1", .proto = IPPROTO_ICMP, .icmp_type = 8 });
}

/* Linux limits echo replies, too, where the mask has them. */
static void icmp_echo_limited(struct bench *b)
{
	bench_sysctl(b, "ipv4.icmp_ratemask", "1");
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	send_ip4(
		b, &(struct ip4_spec){ .dst = "192.0.2.1", .proto = IPPROTO_ICMP, .icmp_type = 8 });
}

static void icmp6_echo_ignored(struct bench *b)
{
	bench_sysctl(b, "ipv6.icmp.echo_ignore_all", "true");
	send_ip6(
		b, &(struct ip6_spec){
			   .dst = LAN6, .proto = IPPROTO_ICMPV6, .icmp_type = ICMP6_ECHO_REQUEST });
}

static void icmp6_echo_limited(struct bench *b)
{
	bench_sysctl(b, "ipv6.icmp.ratemask", "129");
	bench_sysctl(b, "ipv4.icmp_msgs_per_sec", "0");
	send_ip6(
		b, &(struct ip6_spec){
			   .dst = LAN6, .proto = IPPROTO_ICMPV6, .icmp_type = ICMP6_ECHO_REQUEST });
}

/* Nine extension headers, and two of 264 bytes. */
static void ip6_ext_too_many(struct bench *b)
{
	uint8_t ext[72] = { 0 };

	for (unsigned int i = 0; i < sizeof(ext); i += 8)
		ext[i] = i + 8 < sizeof(ext) ? IPPROTO_DSTOPTS : IPPROTO_UDP;
	send_ip6(b, &(struct ip6_spec){
			    .ext = ext, .ext_len = sizeof(ext), .ext_proto = IPPROTO_DSTOPTS });
}

static void ip6_truncated(struct bench *b)
{
	struct frame frame;

	frame_ether_type(&frame, RTE_ETHER_TYPE_IPV6, 39);
	bench_push(b, LAN, &frame);
}

/* The stage is the one under which the drop is counted. */
#define IP4(reason, stage, ...)                                                                    \
	{                                                                                          \
#reason, (stage), .spec = { __VA_ARGS__ }                                          \
	}
#define ARP(reason, at, n, bytes)                                                                  \
	{                                                                                          \
#reason, "arp_input", .arp = {(at), (n), (bytes) }                                 \
	}
#define CAUSE(reason, stage, ...)                                                                  \
	{                                                                                          \
#reason, (stage), (reason), __VA_ARGS__                                            \
	}
#define BROKEN(reason, stage, ...)                                                                 \
	{                                                                                          \
#reason, (stage), .broken = { __VA_ARGS__ }                                        \
	}
#define ICMP .proto = IPPROTO_ICMP, .icmp_type
#define IP6(reason, stage, ...)                                                                    \
	{                                                                                          \
#reason, (stage), .spec6 = { __VA_ARGS__ }, .is_ip6 = true                         \
	}
#define EXT6(reason, stage, ext_dst, first, n, bytes, ...)                                         \
	IP6(reason, stage, .dst = (ext_dst), .ext = (bytes), .ext_len = (n), .ext_proto = (first), \
		__VA_ARGS__)
#define BROKEN6(reason, ext_dst, at, n, bytes)                                                     \
	{                                                                                          \
#reason, "parse",                                                                  \
			.spec6 = { .dst = (ext_dst) },                                             \
				.broken = { (at), (n), (bytes) }, .is_ip6 = true                   \
	}
#define CAUSE6(reason, stage, ...)                                                                 \
	{                                                                                          \
#reason, (stage), (reason), .is_ip6 = true, __VA_ARGS__                            \
	}
#define ND(reason, ...)                                                                            \
	{                                                                                          \
#reason, "nd_input", .nd = { __VA_ARGS__ }, .is_ip6 = true                         \
	}
#define ND_BROKEN(reason, n, at, bytes)                                                            \
	{                                                                                          \
#reason, "nd_input",                                                               \
			.nd = { .target = LAN6, .lladdr = HOST_MAC },                              \
				.broken = { (at), (n), (bytes) }, .is_ip6 = true                   \
	}
#define ICMP6 .proto = IPPROTO_ICMPV6, .icmp_type

/* Bytes to replace; offsets from the IP or ARP header. */
struct patch {
	int at;
	uint8_t n;
	const char *bytes;
	bool is_fixed;	 /* the header's checksum is made right again */
	const char *dst; /* NULL: elsewhere */
	uint8_t proto;
};

static const struct {
	const char *reason, *stage;
	void (*cause)(struct bench *b);
	struct ip4_spec spec;
	struct patch broken, arp;
	unsigned int n_others; /* packets that are dropped together with it */
	bool is_ip6;	       /* on the router of kit6.h */
	struct ip6_spec spec6;
	struct nd_spec nd;
} causes[] = {
	CAUSE(inject_full, "tx"),
	CAUSE(handover_full, "tx"),
	CAUSE(inject_loop, "ip4_forward"),
	CAUSE(stopped, NULL), /* only at the end */
	CAUSE(eth_truncated, "parse"),
	BROKEN(eth_not_ethernet2, "parse", -2, 2, "\x05\xdc"),
	CAUSE(ip4_truncated, "parse"),
	BROKEN(ip4_bad_version, "parse", 0, 1, "\x65"),
	BROKEN(ip4_bad_header_len, "parse", 0, 1, "\x44"),
	BROKEN(ip4_bad_total_len, "parse", 2, 2, "\x05\xdc", true),
	BROKEN(ip4_bad_checksum, "parse", 10, 2, "\x00\x00"),
	CAUSE(link_down, "parse"),
	IP4(link_oversize, "parse", .payload_len = 1473),
	CAUSE(link_tx_full, "tx"),
	IP4(eth_bad_source, "parse", .src_mac = "01:00:00:00:01:01"),
	IP4(eth_not_for_us, "parse", .dst_mac = "02:00:00:00:00:99"),
	CAUSE(eth_type_unknown, "parse"),
	CAUSE(arp_truncated, "arp_input"),
	ARP(arp_bad_hardware, 0, 2, "\x00\x02"),
	ARP(arp_bad_protocol, 2, 2, "\x08\x06"),
	ARP(arp_bad_length, 4, 1, "\x07"),
	ARP(arp_bad_opcode, 6, 2, "\x00\x09"),
	ARP(arp_bad_sender_mac, 8, 6, "\x01\x00\x00\x00\x00\x01"),
	ARP(arp_bad_sender_ip, 14, 4, "\xe0\x00\x00\x01"),
	ARP(arp_conflict, 14, 4, "\xc0\x00\x02\x01"),
	ARP(arp_own, 8, 10, "\x02\x00\x00\x00\x00\x01\xc0\x00\x02\x01"),
	ARP(arp_not_for_us, 24, 4, "\xc0\x00\x02\x63"),
	CAUSE(arp_no_buffer, "arp_input"),
	CAUSE(neigh_queue_full, "neigh_hold"),
	CAUSE(neigh_no_slot, "neigh_hold"),
	CAUSE(neigh_held_max, "neigh_hold"),
	CAUSE(neigh_failed, "ip4_error"),
	CAUSE(neigh_table_full, "neigh_hold"),
	CAUSE(neigh_link_down, "neigh_hold"),
	IP4(ip4_martian_source, "ip4_input", .src = "127.0.0.1"),
	IP4(ip4_martian_destination, "ip4_input", .dst = "240.0.0.1"),
	IP4(ip4_source_is_ours, "ip4_input", .src = "198.51.100.1"),
	IP4(ip4_multicast, "ip4_input", .dst = "239.1.1.1", .dst_mac = "01:00:5e:01:01:01"),
	IP4(ip4_broadcast, "ip4_forward", .dst = "198.51.100.255"),
	IP4(ip4_link_broadcast, "ip4_forward", .dst_mac = ANY_MAC),
	IP4(ip4_source_route, "ip4_error", .options = "\x83\x03\x04\x00", .options_len = 4),
	IP4(ip4_bad_options, "ip4_error", .options = "\x07\x09\x04\x00", .options_len = 4),
	CAUSE(ip4_no_route, "ip4_error"),
	CAUSE(ip4_blackhole, "ip4_forward"),
	CAUSE(ip4_unreachable, "ip4_error"),
	CAUSE(ip4_prohibited, "ip4_error"),
	IP4(ip4_ttl_exceeded, "ip4_error", .ttl = 1),
	CAUSE(ip4_frag_needed, "ip4_error"),
	CAUSE(ip4_fragment_no_buffer, "ip4_fragment"),
	IP4(ip4_fragment_bad, "ip4_reassemble", .dst = "192.0.2.1",
		.fragment = RTE_IPV4_HDR_MF_FLAG, .payload_len = 1),
	CAUSE(ip4_fragment_duplicate, "ip4_reassemble"),
	CAUSE(ip4_fragment_overlap, "ip4_reassemble", .n_others = 1),
	CAUSE(ip4_fragments_too_many, "ip4_reassemble", .n_others = 64),
	CAUSE(ip4_reassembly_full, "ip4_reassemble"),
	CAUSE(ip4_reassembly_timeout, "ip4_reassemble"),
	IP4(ip4_no_protocol, "ip4_error", .dst = "192.0.2.1", .proto = IPPROTO_ESP),
	IP4(ip4_no_listener, "ip4_error", .dst = "192.0.2.1", .dport = 53),
	CAUSE(ip4_no_source, "ip4_output"),
	BROKEN(l4_truncated, "ip4_local", 2, 2, "\x00\x1b", true, "192.0.2.1"),
	BROKEN(l4_bad_len, "ip4_local", 24, 2, "\x00\x09", true, "192.0.2.1"),
	BROKEN(icmp_bad_checksum, "ip4_local", 22, 2, "\x00\x00", true, "192.0.2.1", IPPROTO_ICMP),
	CAUSE(icmp_echo_ignored, "ip4_local"),
	CAUSE(icmp_echo_limited, "ip4_local"),
	IP4(icmp_unhandled, "ip4_local", .dst = "192.0.2.1", ICMP = 13),
	CAUSE(ip_shared, "ip4_local"),
	CAUSE(flow_fragment_bad, "flow_fragment"),
	CAUSE(flow_fragment_tiny, "flow_fragment"),
	CAUSE(flow_fragment_duplicate, "flow_fragment"),
	CAUSE(flow_fragment_overlap, "flow_fragment", .n_others = 1),
	CAUSE(flow_fragments_too_many, "flow_fragment", .n_others = 64),
	CAUSE(flow_fragment_refused, "flow_fragment"),
	CAUSE(flow_fragment_full, "flow_fragment"),
	CAUSE(flow_fragment_timeout, "flow_fragment"),
	CAUSE6(ip6_truncated, "parse"),
	BROKEN6(ip6_bad_version, FAR6, 0, 1, "\x40"),
	BROKEN6(ip6_bad_payload_len, FAR6, 4, 2, "\x00\x09"),
	BROKEN6(ip6_jumbo, FAR6, 4, 3, "\x00\x00\x00"),
	EXT6(ip6_ext_truncated, "parse", FAR6, IPPROTO_HOPOPTS, 8, "\x11\x02\x01\x04\0\0\0\0"),
	CAUSE6(ip6_ext_too_many, "parse"),
	EXT6(ip6_hop_by_hop_late, "parse", FAR6, IPPROTO_DSTOPTS, 16,
		"\x00\x00\x01\x04\0\0\0\0\x11\x00\x01\x04\0\0\0\0"),
	ND(nd_bad_hop_limit, .target = LAN6, .hop_limit = 254),
	ND_BROKEN(nd_bad_code, 1, 1, "\x01"),
	IP6(nd_truncated, "nd_input", .dst = LAN6, ICMP6 = ND_NEIGHBOR_SOLICIT, .hop_limit = 255),
	ND_BROKEN(nd_bad_option, 1, 25, "\x00"),
	ND(nd_bad_lladdr, .target = LAN6, .lladdr = ANY_MAC),
	ND(nd_bad_target, .target = "ff02::1", .dst = LAN6),
	ND(nd_bad_solicited, .target = HOST6, .dst = "ff02::1", .type = ND_NEIGHBOR_ADVERT,
		.flags = 0x40),
	ND(nd_bad_probe, .src = "::", .target = LAN6, .dst = "ff02::1"),
	ND(nd_conflict, .target = LAN6, .dst = "ff02::1", .type = ND_NEIGHBOR_ADVERT),
	CAUSE6(nd_tentative, "nd_input"),
	ND(nd_own, .src_mac = LAN_MAC, .target = LAN6),
	ND(nd_not_for_us, .target = "2001:db8:1::99", .dst = LAN6),
	CAUSE6(nd_no_buffer, "nd_input"),
	ND(nd_router_solicitation, .target = "::", .dst = "ff02::2", .type = ND_ROUTER_SOLICIT),
	ND(nd_router_advertisement, .target = "::", .dst = "ff02::1", .type = ND_ROUTER_ADVERT),
	ND(nd_redirect, .target = FAR6, .dst = LAN6, .type = ND_REDIRECT),
	IP6(ip6_martian_source, "ip6_input", .src = "::1"),
	IP6(ip6_martian_destination, "ip6_input", .dst = "::ffff:10.0.0.1"),
	IP6(ip6_unspecified_source, "ip6_input", .src = "::"),
	IP6(ip6_source_is_ours, "ip6_input", .src = WAN6),
	IP6(ip6_multicast, "ip6_input", .dst = "ff0e::101"),
	IP6(ip6_link_broadcast, "ip6_forward", .dst_mac = ANY_MAC),
	IP6(ip6_link_local, "ip6_input", .dst = "fe80::99"),
	IP6(ip6_beyond_scope, "ip6_error", .src = HOST6_LINK),
	CAUSE6(ip6_no_route, "ip6_error"),
	CAUSE6(ip6_blackhole, "ip6_forward"),
	CAUSE6(ip6_unreachable, "ip6_error"),
	CAUSE6(ip6_prohibited, "ip6_error"),
	IP6(ip6_hop_limit_exceeded, "ip6_error", .hop_limit = 1),
	CAUSE6(ip6_too_big, "ip6_error"),
	CAUSE6(ip6_tentative, "ip6_local"),
	CAUSE6(ip6_fragment_no_buffer, "ip6_fragment"),
	EXT6(ip6_fragment_bad, "ip6_error", LAN6, IPPROTO_FRAGMENT, 8, "\x11\x00\x00\x01\0\0\0\x07",
		.payload_len = 1),
	EXT6(ip6_fragment_tiny, "ip6_error", LAN6, IPPROTO_FRAGMENT, 8,
		"\x06\x00\x00\x01\0\0\0\x07", .proto = 253, .payload_len = 16),
	CAUSE6(ip6_fragment_duplicate, "ip6_reassemble"),
	CAUSE6(ip6_fragment_overlap, "ip6_reassemble", .n_others = 1),
	CAUSE6(ip6_fragments_too_many, "ip6_reassemble", .n_others = 64),
	CAUSE6(ip6_reassembly_full, "ip6_reassemble"),
	CAUSE6(ip6_reassembly_timeout, "ip6_reassemble"),
	EXT6(icmp6_nd_fragment, "ip6_reassemble", LAN6, IPPROTO_FRAGMENT, 8,
		"\x3a\x00\x00\x01\0\0\0\x07", .proto = IPPROTO_ICMPV6,
		.icmp_type = ND_NEIGHBOR_SOLICIT, .payload_len = 16),
	EXT6(ip6_bad_options, "ip6_local", LAN6, IPPROTO_HOPOPTS, 8, "\x11\x00\x1e\x05\0\0\0\0"),
	EXT6(ip6_unknown_option, "ip6_local", LAN6, IPPROTO_HOPOPTS, 8, "\x11\x00\x5e\x04\0\0\0\0"),
	EXT6(ip6_routing_header, "ip6_error", LAN6, IPPROTO_ROUTING, 8, "\x11\x00\x00\x01\0\0\0\0"),
	IP6(ip6_no_next_header, "ip6_local", .dst = LAN6, .proto = IPPROTO_NONE),
	IP6(ip6_no_protocol, "ip6_error", .dst = LAN6, .proto = 253),
	IP6(ip6_no_listener, "ip6_error", .dst = LAN6),
	CAUSE6(ip6_no_source, "ip6_output"),
	IP6(ip6_l4_bad_checksum, "ip6_local", .dst = LAN6),
	IP6(icmp6_bad_checksum, "ip6_local", .dst = LAN6, ICMP6 = ICMP6_ECHO_REQUEST),
	CAUSE6(icmp6_echo_ignored, "ip6_local"),
	CAUSE6(icmp6_echo_limited, "ip6_local"),
	IP6(icmp6_unhandled, "ip6_local", .dst = LAN6, ICMP6 = ICMP6_ECHO_REPLY),
	IP6(icmp6_mld, "ip6_local", .dst = "ff02::1", ICMP6 = MLD_LISTENER_QUERY),
};

static void send_broken(struct bench *b, const struct patch *patch)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = patch->dst != NULL ? patch->dst : "8.8.8.8",
				  .proto = patch->proto });
	memcpy(frame.bytes + RTE_ETHER_HDR_LEN + patch->at, patch->bytes, patch->n);
	if (patch->is_fixed)
		frame_fix_ip(&frame);
	bench_push(b, LAN, &frame);
}

static void send_arp(struct bench *b, const struct patch *patch)
{
	struct frame frame;

	frame_arp(&frame, HOST_MAC, ANY_MAC, REQUEST, HOST_MAC, "192.0.2.10", NO_MAC, "192.0.2.1");
	memcpy(frame.bytes + RTE_ETHER_HDR_LEN + patch->at, patch->bytes, patch->n);
	bench_push(b, LAN, &frame);
}

/* An IPv6 packet or a message of neighbour discovery, with bytes of it changed. */
static void send_ip6_cause(struct bench *b, unsigned int i)
{
	bool is_nd = causes[i].nd.target != NULL;
	const struct patch *patch = &causes[i].broken;
	struct frame frame;

	if (is_nd)
		frame_nd(&frame, &causes[i].nd);
	else
		frame_ip6(&frame, &causes[i].spec6);
	if (patch->n > 0)
		memcpy(frame.bytes + (is_nd ? 54 : 14) + patch->at, patch->bytes, patch->n);
	if (is_nd)
		frame_fix_ip6(&frame);
	if (strstr(causes[i].reason, "bad_checksum") != NULL)
		frame.bytes[frame.len - 1] ^= 1;
	bench_push(b, LAN, &frame);
}

static void cause(struct bench *b, unsigned int i)
{
	if (causes[i].cause != NULL)
		causes[i].cause(b);
	else if (causes[i].is_ip6)
		send_ip6_cause(b, i);
	else if (causes[i].arp.n > 0)
		send_arp(b, &causes[i].arp);
	else if (causes[i].broken.n > 0)
		send_broken(b, &causes[i].broken);
	else
		send_ip4(b, &causes[i].spec);
}

static bool has_cause(const char *reason)
{
	for (unsigned int i = 0; i < RTE_DIM(causes); i++)
		if (strcmp(causes[i].reason, reason) == 0)
			return true;
	return false;
}

/*
 * Bonds, bridges, connections, policers, qdiscs, rules, translations and VLANs have tests of their own, which expect each
 * reason by its name.
 */
static bool is_caused_elsewhere(const char *reason)
{
	static const char *const files[] = { "bond_lacp", "bond_members", "bridge", "bridge_own",
		"bridge_vlan", "conntrack_limits", "firewall", "flow", "flow_fragments", "meter",
		"nat", "qdisc", "qdisc_change", "qdisc_kinds", "vlan" };
	char *quoted = mem_printf("\"%s\"", reason);
	bool is_found = false;

	for (unsigned int i = 0; i < RTE_DIM(files) && !is_found; i++) {
		char *path = mem_printf("%s/test_%s.c", PACKET_TESTS, files[i]), line[256];
		FILE *in = fopen(path, "re");

		ck_assert_msg(in != NULL, "%s", path);
		while (!is_found && fgets(line, sizeof(line), in) != NULL)
			is_found = strstr(line, quoted) != NULL;
		fclose(in);
		free(path);
	}
	free(quoted);
	return is_found;
}

START_TEST(every_drop_reason_has_a_cause_here)
{
	unsigned int n = 0;

	for (unsigned int i = 0; modules[i] != NULL; i++) {
		for (unsigned int k = 0; k < modules[i]->n_drops; k++) {
			const char *reason = modules[i]->drops[k].name;

			ck_assert_uint_gt(strlen(modules[i]->drops[k].help), 10);
			if (!has_cause(reason)) {
				ck_assert_msg(is_caused_elsewhere(reason),
					"no test causes a drop for %s", reason);
				continue;
			}
			n++;
		}
	}
	ck_assert_uint_eq(n, RTE_DIM(causes));
}
END_TEST

static int64_t shown_drops(struct bench *b, const char *reason, const char *stage)
{
	json_t *rows = bench_call(b, "drop.show", NULL), *row;
	int64_t n = 0;
	size_t i;

	json_array_foreach(rows, i, row)
		if (strcmp(json_text_at(row, "reason"), reason) == 0 &&
			strcmp(json_text_at(row, "node"), stage) == 0)
			n += json_int_at(row, "packets");
	json_decref(rows);
	return n;
}

START_TEST(a_packet_is_counted_once_under_its_reason_and_stage)
{
	struct bench *b = bench_start(causes[_i].is_ip6 ? router6_config : router_config);
	struct drops drops = drops_take(b);
	unsigned int n = 1 + causes[_i].n_others;

	cause(b, (unsigned int)_i);
	if (causes[_i].stage != NULL) {
		ck_assert_int_eq(shown_drops(b, causes[_i].reason, causes[_i].stage), n);
		ck_assert_uint_eq(bench_drops(b, causes[_i].reason), n);
	}
	/*
	 * An error that could not be sent drops two packets: it and the one that it was about. A datagram
	 * is refused for a fragment that is dropped for something else.
	 */
	if (strstr(causes[_i].reason, "no_source") == NULL &&
		strstr(causes[_i].reason, "fragment_refused") == NULL)
		drops_expect(b, &drops, causes[_i].reason, causes[_i].stage != NULL ? n : 0);
	bench_destroy(b);
	if (causes[_i].cause == stopped)
		ck_assert_uint_eq(bench_stopped(), 1);
}
END_TEST

/* Out of buffers */

START_TEST(without_buffers_no_error_is_sent)
{
	struct bench *b = bench_start(router_config);
	struct rte_mbuf **buffers;
	struct frame frame;
	unsigned int n;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .ttl = 1 });
	bench_send(b, LAN, &frame);
	buffers = bench_take_buffers(b, &n);
	bench_run(b);
	ck_assert_uint_eq(bench_drops(b, "ip4_ttl_exceeded"), 1);
	bench_expect_nothing(b);
	bench_give_buffers(buffers, n);
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	bench_destroy(b);
}
END_TEST

START_TEST(without_buffers_packets_pass_and_questions_are_asked_later)
{
	struct bench *b = bench_start(router_config);
	struct rte_mbuf **buffers;
	struct frame frame;
	unsigned int n;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8" });
	bench_send(b, LAN, &frame);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_send(b, LAN, &frame);
	buffers = bench_take_buffers(b, &n);
	bench_run(b);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_give_buffers(buffers, n);
	/* The question is asked with the next probe, and the packet that waits goes out. */
	bench_advance(b, 1000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	frame_arp(&frame, PEER_MAC, WAN_MAC, REPLY, PEER_MAC, "198.51.100.20", WAN_MAC,
		"198.51.100.1");
	bench_push(b, WAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("drops", PLAIN_TEST(every_drop_reason_has_a_cause_here),
	LOOP_TEST(a_packet_is_counted_once_under_its_reason_and_stage, causes),
	PLAIN_TEST(without_buffers_no_error_is_sent),
	PLAIN_TEST(without_buffers_packets_pass_and_questions_are_asked_later))
