/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/ns; nobody else includes this. */
#include "ns/ns.h"

/* Fields that this module adds to a link's configuration. */
struct ns_link_conf {
	struct field_list addresses; /* struct ip_prefix */
};

extern struct object_ext ns_link_ext;

/* Tunables `sysctl: { addrconf: {...} }`, with Linux's names and meanings. */
enum addr_gen_mode { ADDR_GEN_EUI64, ADDR_GEN_NONE };

struct ns_state {
	struct ns_addrconf addrconf;
	struct ns_addr *addrs; /* of all links, in the order they were added */
	unsigned int n_addrs;
	struct ns_own4 *own4[NS_MAX]; /* published: read by workers (acquire) */
	struct ns_own6 *own6[NS_MAX]; /* the same */
	struct ns_source4 *source4;   /* the same */
};

/* The mask of an IPv4 prefix length, host order. */
static inline uint32_t ns_mask4(uint8_t len)
{
	return len == 0 ? 0 : UINT32_MAX << (32 - len);
}

/* The directed broadcast address of an IPv4 network, network order; 0 where there is none. */
uint32_t ns_prefix_broadcast4(const struct ip_prefix *prefix);

/* ns.c: as ns_addr_each(), duplicate addresses as well. */
void ns_addr_each_kept(const struct dp *dp, uint16_t link,
	void (*fn)(const struct ns_addr *, void *ctx), void *ctx);
/* ns.c: an address with flags (NS_ADDR_GENERATED or 0); as ns_addr_add() otherwise. */
int ns_addr_insert(struct dp *dp, struct link *link, const struct ip_prefix *prefix, uint8_t flags);

/* source4.c: makes the table of IPv4 addresses by link anew and publishes it. */
void ns_source4_publish(struct dp *dp);

/* own6.c: makes the table of IPv6 addresses of a namespace anew and publishes it. */
void ns_own6_publish(struct dp *dp, uint16_t ns);

/* addrconf.c: gives a link its link-local address, or renews it when the MAC address has changed. */
void ns_addrconf_link(struct dp *dp, struct link *link, bool is_new);
extern const struct sysctl_group ns_sysctls[];

/* ns_ctl.c */
extern const struct section ns_sections[];
extern const struct command ns_commands[];
