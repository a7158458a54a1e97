/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of this ring share on top of the harness: main(), a router with three links and
 * permanent neighbours, frames as they are expected back, drops, and paths into JSON answers.
 */
#include "../unit/suite.h"
#include "harness.h"

/*
 * lan (p0) 192.0.2.1/24, wan (p1) 198.51.100.1/24, dmz (p2) 203.0.113.1/24; on each a permanent
 * neighbour .10 with the MAC addresses below. default via wan's, 10.0.0.0/8 via dmz's.
 */
extern const char router_config[];
#define LAN_MAC	 "02:00:00:00:00:01"
#define WAN_MAC	 "02:00:00:00:00:02"
#define DMZ_MAC	 "02:00:00:00:00:03"
#define HOST_MAC "02:00:00:00:01:01" /* 192.0.2.10 */
#define PEER_MAC "02:00:00:00:02:01" /* 198.51.100.10 */
#define DMZ_HOST "02:00:00:00:03:01" /* 203.0.113.10 */
#define ANY_MAC	 "ff:ff:ff:ff:ff:ff"
#define NO_MAC	 "00:00:00:00:00:00"
enum { LAN, WAN, DMZ };

/* A bench whose announcements at start are out of the way. */
struct bench *bench_start(const char *config);

/* Sends one frame and lets everything happen. */
void bench_push(struct bench *b, unsigned int port, const struct frame *frame);
/* The same, the first `first` bytes in a segment of their own. */
void bench_push_split(
	struct bench *b, unsigned int port, const struct frame *frame, uint16_t first);
/* The next frame out of a port; fails the test when there is none. */
void bench_expect(struct bench *b, unsigned int port, struct frame *frame);
/* The next frame out of a port must be these bytes. */
void bench_expect_bytes(struct bench *b, unsigned int port, const struct frame *want);
/* Fails the test if anything is left to receive on any port. */
void bench_expect_nothing(struct bench *b);
/* Receives and counts everything out of a port. */
unsigned int bench_count(struct bench *b, unsigned int port);

/* Takes all free packet buffers, and gives them back. */
struct rte_mbuf **bench_take_buffers(struct bench *b, unsigned int *n);
void bench_give_buffers(struct rte_mbuf **buffers, unsigned int n);

void bench_sysctl(struct bench *b, const char *name, const char *value);
/* State of a neighbour as `neigh show nud all` tells it; "" when it is not there. */
const char *bench_neigh(struct bench *b, const char *addr);

/* What was dropped so far, by reason. */
struct drops {
	uint64_t n[256];
};
struct drops drops_take(const struct bench *b);
/* Fails unless since `before` exactly n packets more were dropped, all of them for this reason. */
void drops_expect(
	const struct bench *b, const struct drops *before, const char *reason, uint64_t n);
/* Fails unless nothing was dropped since. */
void drops_expect_none(const struct bench *b, const struct drops *before);

/* Ethernet of that type with n bytes of a counting pattern behind it. */
void frame_ether_type(struct frame *frame, uint16_t type, uint32_t n);
/* Puts a VLAN tag behind the MAC addresses. */
void frame_tag(struct frame *frame, uint16_t tpid, uint16_t tci);
/* Turns a frame into what it must be when it has been forwarded. */
void frame_forward(struct frame *frame, const char *src_mac, const char *dst_mac);
static inline uint8_t *frame_l4(struct frame *frame)
{
	return (uint8_t *)frame_ip(frame) + rte_ipv4_hdr_len(frame_ip(frame));
}
static inline struct rte_arp_hdr *frame_arp_hdr(struct frame *frame)
{
	return (struct rte_arp_hdr *)(frame->bytes + RTE_ETHER_HDR_LEN);
}
uint32_t ip4_be(const char *text);

/* What lies at a path such as "0.addr_info.1.local"; fails the test when nothing does. */
json_t *json_at(json_t *json, const char *path);
const char *json_text_at(json_t *json, const char *path);
int64_t json_int_at(json_t *json, const char *path);
/* The answer of a command as one line of sorted JSON. Heap. */
char *bench_answer(struct bench *b, const char *method, const char *params);
/* As `link show` has it. */
int64_t bench_link_mtu(struct bench *b, const char *dev);
/* Fails the test unless the command is refused with a text that contains `text`. */
void bench_expect_error(struct bench *b, const char *method, const char *params, const char *text);

/*
 * A client of the control socket, for streams: bench_connect() opens the socket (once per bench) and
 * connects; bench_read() lets everything run until a line has come. Fails the test after 10 s.
 */
struct client {
	int fd;
	size_t len;
	char buf[1 << 18];
};
struct client *bench_connect(struct bench *b);
void bench_write(struct client *client, const char *line);
json_t *bench_read(struct bench *b, struct client *client);
void client_close(struct client *client);

/* Asks for `firewall load` of a file with that text, which the caller unlinks and frees by its path. */
char *rules_load_begin(struct client *client, const char *text);
/* The same, and the answer. */
json_t *rules_load(struct bench *b, struct client *client, const char *text);

/* EAL state does not survive forks: these tests run in one process. */
#define PACKET_MAIN(name, ...)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		const struct suite_test tests[] = { __VA_ARGS__ };                                 \
                                                                                                   \
		setenv("CK_FORK", "no", 1);                                                        \
		bench_init_eal();                                                                  \
		return suite_run((name), tests, RTE_DIM(tests));                                   \
	}
