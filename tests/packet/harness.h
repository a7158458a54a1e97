/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A whole appliance inside a test: the real configuration reader, modules, pipeline and workers,
 * driven by hand on one thread, with net_ring ports and a clock that only the test moves. Frames
 * go in by bytes and come out by bytes.
 *
 * Ports are named p0, p1, ... and exist before the configuration is applied: their device is
 * "net_ring_pN". bench_create(NULL, ...) uses the topology of `bench_default_config`: p0 is link
 * "lan" 192.0.2.1/24 (02:00:00:00:00:01), p1 is link "wan" 198.51.100.1/24 (02:00:00:00:00:02).
 * Links give themselves link-local addresses only if the configuration has an IPv6 address or the
 * word addrconf in it.
 */
#include <check.h>
#include <inttypes.h>
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "app.h"
#include "ctl/ctl.h"
#include "dp/dp.h"

/*
 * As ck_assert(), but silent while all is well: quick in loops, and fuzzers and main() are no
 * running test.
 */
#define REQUIRE_MSG(expr, ...) ((expr) ? (void)0 : ck_abort_msg(__VA_ARGS__))
#define REQUIRE(expr)	       REQUIRE_MSG(expr, "%s", #expr)

enum { BENCH_PORTS = 9, BENCH_RING_SIZE = 4096, BENCH_FRAME_MAX = 9700 };

struct bench {
	struct config *config;
	struct dp *dp;
	struct event_base *events; /* for clients of ctl; nothing else needs it to turn */
	struct ctl *ctl;
	const struct command *tables[MODULE_MAX + 1]; /* of all modules */
	bool is_launched;			      /* workers run on threads of their own */
	uint64_t now_ns;
	uint16_t ports[BENCH_PORTS];
	struct rte_ring *rx[BENCH_PORTS], *tx[BENCH_PORTS];
	unsigned int n_forbidden; /* allocations, locks, log lines inside worker_pass() */
};

struct frame {
	uint32_t len;
	uint8_t bytes[BENCH_FRAME_MAX];
};

extern const char bench_default_config[];

/* config: libconfig text, NULL for the default. Fails the test when it is not accepted. */
struct bench *bench_create(const char *config, unsigned int n_workers, unsigned int n_mbufs);
/* Fails the test when packets leaked or the accounting difference is not zero. */
void bench_destroy(struct bench *b);
/* Packets that the last bench_destroy() dropped because they were still held. */
uint64_t bench_stopped(void);

/*
 * Gives the workers (two at most) to threads. Until bench_join(), bench_run() is one turn of the
 * control plane, with the real clock; at the end the test's clock goes on from there.
 */
void bench_launch(struct bench *b);
void bench_join(struct bench *b);

/* Puts a frame on the receive side of a port; bench_send_segs: in mbufs of seg_len bytes each. */
void bench_send(struct bench *b, unsigned int port, const struct frame *frame);
void bench_send_segs(
	struct bench *b, unsigned int port, const struct frame *frame, uint16_t seg_len);
/* Runs all workers and the control plane until nothing moves. Does not advance the clock. */
void bench_run(struct bench *b);
/* Moves the clock forward in ticks of 10 ms, running everything after each. */
void bench_advance(struct bench *b, unsigned int ms);
/* Takes the next frame that left by a port; false: there is none. */
bool bench_receive(struct bench *b, unsigned int port, struct frame *frame);
/* Throws away everything that left by all ports. */
void bench_discard(struct bench *b);

/* Packets dropped for a reason since start; fails the test when there is no such reason. */
uint64_t bench_drops(const struct bench *b, const char *reason);
/* Packets that a stage has had on the first worker. */
uint64_t bench_node_packets(const struct bench *b, const char *stage);
/* One command as a client would send it, such as ("route.add", "{...}"). Fails on an error answer. */
json_t *bench_call(struct bench *b, const char *method, const char *params);
/* The same, but no worker has run since. */
json_t *bench_call_only(struct bench *b, const char *method, const char *params);
/* The same, expecting an error; returns its text (heap). */
char *bench_call_error(struct bench *b, const char *method, const char *params);

/* Frames */
struct ip4_spec {
	const char *src_mac, *dst_mac; /* NULL: a neighbour's and lan's */
	const char *src, *dst;
	uint8_t ttl;	   /* 0: 64 */
	uint8_t proto;	   /* 0: UDP */
	uint16_t fragment; /* flags and offset, host order */
	const void *options;
	uint8_t options_len;   /* multiple of 4 */
	uint16_t payload_len;  /* bytes behind the L4 header, a counting pattern */
	uint16_t sport, dport; /* UDP, TCP; 0: 1000, 2000 */
	uint8_t icmp_type, icmp_code;
};
/* Ethernet + IPv4 + UDP, TCP (a SYN), ICMP or nothing; checksums right. */
void frame_ip4(struct frame *frame, const struct ip4_spec *spec);
void frame_arp(struct frame *frame, const char *eth_src, const char *eth_dst, uint16_t op,
	const char *sender_mac, const char *sender, const char *target_mac, const char *target);
static inline struct rte_ether_hdr *frame_ether(struct frame *frame)
{
	return (struct rte_ether_hdr *)frame->bytes;
}
static inline struct rte_ipv4_hdr *frame_ip(struct frame *frame)
{
	return (struct rte_ipv4_hdr *)(frame->bytes + RTE_ETHER_HDR_LEN);
}
/* Makes the IPv4 header checksum right again after a test has changed the header. */
void frame_fix_ip(struct frame *frame);
/* Fails the test unless the frame is IPv4 with a right header (and ICMP) checksum. */
void frame_check_ip4(struct frame *frame);

/* Teaches weir a neighbour by letting it answer: as an ARP reply to a request it was sent. */
void bench_learn(struct bench *b, unsigned int port, const char *addr, const char *mac);

/* The EAL, once per process: no huge pages, no PCI, lcores 1 and 2 for workers. For main(). */
void bench_init_eal(void);
