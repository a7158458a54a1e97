/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Namespaces: the owner of one network stack's tables. Only the default one (id 0) exists now, but
 * its id is a parameter of every table. Holds the addresses of links (field `addresses` of a
 * link, `addr` commands) and tells the floors above about them; local and connected routes are
 * made from that by lib/fib. Control thread, except where stated.
 */
#include "link/link.h"

enum { NS_DEFAULT = 0, NS_MAX = 256, NS_OWN_WORDS = 16 };

/* An address of a link. */
struct ns_addr {
	struct ip_prefix prefix; /* host bits kept: 192.0.2.1/24 */
	uint16_t link;		 /* ifindex */
	uint16_t ns;
	uint32_t broadcast_be; /* IPv4 directed broadcast; 0 for /31, /32 and IPv6 */
};

int ns_addr_add(struct dp *dp, struct link *link, const struct ip_prefix *prefix);
int ns_addr_del(struct dp *dp, struct link *link, const struct ip_prefix *prefix);
/* The addresses of a link (0: of all links) in the order they were added. */
void ns_addr_each(const struct dp *dp, uint16_t link, void (*fn)(const struct ns_addr *, void *ctx),
	void *ctx);
/* Who has this address, exactly? NULL: nobody in this namespace. */
const struct ns_addr *ns_addr_lookup(const struct dp *dp, uint16_t ns, const struct ip_addr *addr);
/* A row of addr_info in `ip -j addr`. New reference. */
json_t *ns_addr_to_json(const struct ns_addr *addr);
/*
 * The source address for packets sent out of a link to dst: one in dst's subnet, else the link's
 * first of that family, else any of the namespace (RFC 1122 3.3.4.3). false: there is none.
 */
bool ns_addr_select(const struct dp *dp, uint16_t ns, uint16_t link, const struct ip_addr *dst,
	struct ip_addr *out);

/*
 * Datapath: may a received packet have this IPv4 source address? Not one of our own, nor a directed
 * broadcast of a connected network, nor one that is no unicast address. The class of its first byte
 * answers "yes" for most; by hash, a bitmap for nearly all; a sorted table for the rest.
 */
enum ns_first_byte {
	NS_FIRST_OWN = 1 << 0,	   /* an address of our own begins with it */
	NS_FIRST_MARTIAN = 1 << 1, /* no unicast address does: 0/8, 127/8, 224/3 (RFC 1812 5.3.7) */
};

struct ns_own4 {
	uint8_t first[256]; /* enum ns_first_byte */
	uint64_t bits[NS_OWN_WORDS];
	uint32_t n;
	uint32_t addr_be[]; /* sorted as integers */
};

/* The class of an address by its first byte: enum ns_first_byte. */
static inline unsigned int ns_own4_class(const struct ns_own4 *own, uint32_t addr_be)
{
	return own->first[addr_be & 0xff];
}

bool ns_own4_search(const struct ns_own4 *own, uint32_t addr_be);
/* The published tables by namespace id (NS_MAX pointers, never NULL); what a worker reads there is
 * valid until the end of its pass. */
struct ns_own4 *const *ns_own4_tables(const struct dp *dp);

static inline uint32_t ns_own4_hash(uint32_t addr_be)
{
	return (addr_be * UINT32_C(0x9e3779b1)) >> 22; /* 0..1023 */
}

static inline bool ns_own4_has(const struct ns_own4 *own, uint32_t addr_be)
{
	uint32_t hash = ns_own4_hash(addr_be);

	if (likely(!(own->bits[hash >> 6] & (UINT64_C(1) << (hash & 63)))))
		return false;
	return ns_own4_search(own, addr_be);
}

/* Datapath: the IPv4 source address for errors sent out of a link; 0: none. Single stores. */
uint32_t ns_link_source4(const struct dp *dp, uint16_t link);

extern struct module ns_module;
