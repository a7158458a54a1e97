/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of bridges share: a bridge over up to four ports, next to a port that is none of its members,
 * and stations.
 *
 *	e0 (p0) --+
 *	e1 (p1) --+
 *	e2 (p2) --+-- br0 192.0.2.1/24 -- weir -- wan (p4) 198.51.100.1/24
 *	e3 (p3) --+
 */
#include "kit.h"

#define E0_MAC	  "02:00:00:00:e0:00" /* and of br0, when e0 is its first member */
#define E1_MAC	  "02:00:00:00:e0:01"
#define E2_MAC	  "02:00:00:00:e0:02"
#define E3_MAC	  "02:00:00:00:e0:03"
#define STATION_A "02:00:00:00:0a:0a"
#define STATION_B "02:00:00:00:0a:0b"
#define STATION_C "02:00:00:00:0a:0c"
#define STATION_D "02:00:00:00:0a:0d"

enum { E0, E1, E2, E3, UPLINK, TO_E0 = 1 << E0, TO_E1 = 1 << E1, TO_E2 = 1 << E2, TO_E3 = 1 << E3 };

/* What nothing in weir takes: bridges pass it on, br0 drops its own copy as eth_type_unknown. */
enum { STATION_TYPE = 0x88b5 };

#define ALL_MEMBERS "\"e0\", \"e1\", \"e2\", \"e3\""

/*
 * members: as in the configuration. settings: others of br0, its address among them, and links that come after it, as in "mtu = 1400;" or
 * "}, { name = ...". sections: what follows the links.
 */
struct bench *bridge_start(const char *members, const char *settings, const char *sections);
/* The same with as many workers and buffers. */
struct bench *bridge_start_with(const char *members, const char *settings, const char *sections,
	unsigned int n_workers, unsigned int n_mbufs);

/* From one MAC address to another, of STATION_TYPE, with n bytes behind the header. */
void station_frame(struct frame *frame, const char *src, const char *dst, uint32_t n);
/* Sends it, and fails the test unless it comes out as it is by the ports of that set, and by no other. */
void station_send(struct bench *b, unsigned int port, const struct frame *frame, unsigned int to);
/* Sends a frame whose bytes somebody else reads, too: what is returned, to be freed. */
struct rte_mbuf *station_send_shared(struct bench *b, unsigned int port, const struct frame *frame);
/* station_send() for a frame of 50 bytes between two addresses. */
void station_says(
	struct bench *b, unsigned int port, const char *src, const char *dst, unsigned int to);
/* Sends it, and fails the test unless it comes out nowhere, and is dropped for that reason and no other. */
void station_fails(
	struct bench *b, unsigned int port, const struct frame *frame, const char *reason);

/* The member that a station is behind, as `fdb show` tells it; "" when it is unknown. vlan 0: in any. */
const char *fdb_place(struct bench *b, const char *mac, unsigned int vlan);
/* Learned stations behind a member. */
unsigned int fdb_count(struct bench *b, const char *member);
/* `link set` with the rest of its arguments as JSON, such as "\"master\": \"br0\"". */
void link_set_to(struct bench *b, const char *dev, const char *rest);
