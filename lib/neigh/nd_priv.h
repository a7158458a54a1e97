/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Neighbour Discovery for IPv6 (RFC 4861), between the files of lib/neigh: the messages as they lie
 * in packets, and what worker and control thread tell each other about them.
 */
#include <netinet/icmp6.h>
#include <rte_ip.h>

#include "neigh/neigh_priv.h"

enum { ND_HOP_LIMIT = 255 }; /* what no router has let through (RFC 4861 3.1) */

/* Solicitation and advertisement alike (RFC 4861 4.3, 4.4). */
struct nd_message {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags; /* of an advertisement: enum nd_flag */
	uint8_t reserved[3];
	uint8_t target[16];
} __rte_packed;
static_assert(sizeof(struct nd_message) == 24, "as on the wire");

enum nd_flag { ND_ROUTER = 0x80, ND_SOLICITED = 0x40, ND_OVERRIDE = 0x20 };

/* Source or target link-layer address of Ethernet (RFC 4861 4.6.1, RFC 2464 6). */
struct nd_lladdr_option {
	uint8_t type, len; /* len: in units of 8 bytes */
	struct mac_addr mac;
};
static_assert(sizeof(struct nd_lladdr_option) == 8, "as on the wire");

enum {
	ND_L3_OFF = sizeof(struct rte_ether_hdr),
	ND_L4_OFF = ND_L3_OFF + sizeof(struct rte_ipv6_hdr),
	ND_FRAME_LEN = ND_L4_OFF + sizeof(struct nd_message), /* without the option */
	ND_FRAME_MAX = ND_FRAME_LEN + sizeof(struct nd_lladdr_option),
};

/* A message of ours. Its link-layer destination follows from dst when that is multicast. */
struct nd_packet {
	uint8_t type;  /* ND_NEIGHBOR_SOLICIT or ND_NEIGHBOR_ADVERT */
	uint8_t flags; /* enum nd_flag */
	bool has_lladdr;
	struct mac_addr from, to;
	uint8_t src[16], dst[16], target[16];
};

/*
 * nd_packet.c, any thread: writes the frame to `at`, which has room for ND_FRAME_MAX bytes, and
 * returns its length; the second makes m that packet, with its metadata. m has an empty buffer.
 */
uint16_t nd_packet_write(uint8_t *at, const struct nd_packet *packet);
void nd_packet_make(struct rte_mbuf *m, const struct nd_packet *packet, uint16_t link, uint16_t ns);

/* What a worker has heard; key.addr is the sender of a solicitation, the target of an advertisement. */
enum nd_heard_flag {
	ND_HEARD_ADVERT = 1 << 0,
	ND_HEARD_ROUTER = 1 << 1,
	ND_HEARD_SOLICITED = 1 << 2,
	ND_HEARD_OVERRIDE = 1 << 3,
	ND_HEARD_LLADDR = 1 << 4,   /* mac was in the message */
	ND_HEARD_CONFLICT = 1 << 5, /* somebody else has, or probes for, an address of ours */
};

/* nd.c. Control thread. */
void nd_solicit(struct dp *dp, const struct neigh *neigh, bool is_unicast);
/* To all nodes: this address is ours (RFC 4861 7.2.6), or all of the link's. */
void nd_announce(struct dp *dp, const struct link *link, const struct ip_addr *addr);
void nd_announce_link(struct dp *dp, const struct link *link);
/* The same, if sysctl neigh.ndisc_notify says so. */
void nd_notify(struct dp *dp, const struct link *link, const struct ip_addr *addr);
/* A probe for an address of ours that is tentative (RFC 4862 5.4.2). */
void nd_probe(struct dp *dp, const struct link *link, const struct ip_addr *addr);
void nd_mail_heard(void *dp, const struct mail *mail);

/* dad.c: duplicate address detection. Control thread. */
void dad_start(struct dp *dp, const struct link *link, const struct ip_addr *addr);
void dad_start_link(struct dp *dp, const struct link *link);
void dad_stop(struct dp *dp, uint16_t link, const struct ip_addr *addr);
void dad_stop_link(struct dp *dp, uint16_t link);
/* Somebody else has the address. False: it was not being probed for, we have had it for long. */
bool dad_conflict(struct dp *dp, const struct link *link, const struct ip_addr *addr);
void dad_tick(struct dp *dp, uint64_t now_ns);
void dad_fini(struct dp *dp);
