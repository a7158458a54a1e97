/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Namespaces: the owner of one network stack's tables. Only the default one (id 0) exists now, but
 * its id is a parameter of every table. Holds the addresses of links (field `addresses` of a
 * link, `addr` commands) and tells the floors above about them; local and connected routes are
 * made from that by lib/fib. Control thread, except where stated.
 */
#include "link/link.h"

enum { NS_DEFAULT = 0, NS_MAX = LINK_NS_MAX, NS_OWN_WORDS = 16 };

enum ns_addr_flag {
	NS_ADDR_TENTATIVE = 1 << 0, /* IPv6: not yet known to be nobody else's (RFC 4862 5.4) */
	NS_ADDR_DADFAILED = 1 << 1, /* IPv6: somebody else has it: kept and shown, not used */
	NS_ADDR_GENERATED = 1 << 2, /* the link's own, not given by anybody */
	NS_ADDR_UNUSABLE = NS_ADDR_TENTATIVE | NS_ADDR_DADFAILED,
};

/* An address of a link. */
struct ns_addr {
	struct ip_prefix prefix; /* host bits kept: 192.0.2.1/24 */
	uint16_t link;		 /* ifindex */
	uint16_t ns;
	uint32_t broadcast_be; /* IPv4 directed broadcast; 0 for /31, /32 and IPv6 */
	uint8_t flags;	       /* enum ns_addr_flag */
};

/* Tunables of addresses that lib/neigh looks at, too: group `addrconf`, Linux's names. */
struct ns_addrconf {
	struct object_head head;
	int addr_gen_mode;     /* enum addr_gen_mode */
	int64_t dad_transmits; /* probes for an IPv6 address before it is used */
};
const struct ns_addrconf *ns_addrconf(const struct dp *dp);

int ns_addr_add(struct dp *dp, struct link *link, const struct ip_prefix *prefix);
int ns_addr_del(struct dp *dp, struct link *link, const struct ip_prefix *prefix);
/*
 * The addresses of a link (0: of all links) in the order they were added. A duplicate one counts as
 * deleted for whoever asks from above, and is published as that.
 */
void ns_addr_each(const struct dp *dp, uint16_t link, void (*fn)(const struct ns_addr *, void *ctx),
	void *ctx);
/* Who has this address, exactly? NULL: nobody in this namespace. A link-local one: the first. */
const struct ns_addr *ns_addr_lookup(const struct dp *dp, uint16_t ns, const struct ip_addr *addr);
/* A row of addr_info in `ip -j addr`. New reference. */
json_t *ns_addr_to_json(const struct ns_addr *addr);
/* The address of that link. NULL: it has no such one. */
const struct ns_addr *ns_addr_on_link(
	const struct dp *dp, uint16_t link, const struct ip_addr *addr);
/*
 * Tentative, failed (for good: until it is deleted and added again) or 0, usable: as duplicate address
 * detection in lib/neigh finds out.
 */
void ns_addr_set_dad(struct dp *dp, uint16_t link, const struct ip_addr *addr, uint8_t flags);
/*
 * The source address for packets sent out of a link to dst. IPv4: one in dst's subnet, else the
 * link's first, else any of the namespace (RFC 1122 3.3.4.3). IPv6: ns_own6_select(). false: none.
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

/*
 * Datapath: the IPv4 source address to talk to peer (the next hop, if there is one) from, out of a link: one in
 * whose network the peer is, else the link's first, else the first of its namespace, as Linux has it.
 * 0: there is none.
 */
uint32_t ns_source4_select(const struct dp *dp, uint16_t link, uint32_t peer_be);
/* Datapath: has the link that address? */
bool ns_source4_has(const struct dp *dp, uint16_t link, uint32_t addr_be);

/*
 * Datapath, IPv6: the same question, and which address of ours it is. A tentative address is in the
 * table, with that flag: it is the caller's to decide what that means to the packet. A duplicate one
 * is not there.
 */
struct ns_own6_row {
	uint8_t addr[16];
	uint16_t link;
	uint16_t order; /* the lower, the earlier it was added */
	uint8_t prefix_len;
	uint8_t flags; /* enum ns_addr_flag */
};

struct ns_own6 {
	uint8_t first[256];		   /* enum ns_first_byte; MARTIAN: look closer */
	uint64_t bits[NS_OWN_WORDS];	   /* of addresses, by hash */
	uint64_t group_bits[NS_OWN_WORDS]; /* of solicited-node groups, by hash */
	uint32_t n;
	struct ns_own6_row rows[]; /* sorted by address and link */
};

/* The published tables by namespace id, as those of IPv4. */
struct ns_own6 *const *ns_own6_tables(const struct dp *dp);
const struct ns_own6_row *ns_own6_search(
	const struct ns_own6 *own, const uint8_t *addr, uint16_t link);
/* Is it one of the groups that a router is in on that link: all nodes, all routers, solicited-node? */
bool ns_own6_has_group(const struct ns_own6 *own, const uint8_t *group, uint16_t link);
/* The solicited-node multicast address of an address (RFC 4291 2.7.1). */
void ns_solicited_node(const uint8_t *addr, uint8_t out[static 16]);
/*
 * The source address for packets out of a link to dst (RFC 6724, reduced): of dst's scope, of that
 * link, with the longest match, the first added. false: there is none.
 */
bool ns_own6_select(
	const struct ns_own6 *own, uint16_t link, const uint8_t *dst, uint8_t out[static 16]);

static inline uint32_t ns_own6_hash(const uint8_t *addr)
{
	uint64_t high, low;

	memcpy(&high, addr, sizeof(high));
	memcpy(&low, addr + 8, sizeof(low));
	high += low * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(high * UINT64_C(0x9e3779b97f4a7c15) >> 54); /* 0..1023 */
}

static inline uint32_t ns_own6_group_hash(const uint8_t *addr)
{
	uint32_t low;

	memcpy(&low, addr + 12, sizeof(low));
	return ns_own4_hash(low & RTE_BE32(0x00ffffff));
}

/* The class of an address by its first byte: enum ns_first_byte. */
static inline unsigned int ns_own6_class(const struct ns_own6 *own, const uint8_t *addr)
{
	return own->first[addr[0]];
}

/* The row of an address; of a link-local one, that of the link. NULL: not ours. */
static inline const struct ns_own6_row *ns_own6_find(
	const struct ns_own6 *own, const uint8_t *addr, uint16_t link)
{
	uint32_t hash = ns_own6_hash(addr);

	if (likely(!(own->bits[hash >> 6] & (UINT64_C(1) << (hash & 63)))))
		return NULL;
	return ns_own6_search(own, addr, link);
}

/* Is it an address that we use? Not a tentative one: that may be somebody else's. */
static inline bool ns_own6_has(const struct ns_own6 *own, const uint8_t *addr, uint16_t link)
{
	const struct ns_own6_row *row = ns_own6_find(own, addr, link);

	return unlikely(row != NULL) && !(row->flags & NS_ADDR_TENTATIVE);
}

extern struct module ns_module;
