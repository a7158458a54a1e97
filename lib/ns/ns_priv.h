/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/ns; nobody else includes this. */
#include "ns/ns.h"

/* Fields that this module adds to a link's configuration. */
struct ns_link_conf {
	struct field_list addresses; /* struct ip_prefix */
};

extern struct object_ext ns_link_ext;

struct ns_state {
	struct ns_addr *addrs; /* of all links, in the order they were added */
	unsigned int n_addrs;
	struct ns_own4 *own4[NS_MAX]; /* published: read by workers (acquire) */
	uint32_t source4[LINK_MAX];   /* read by workers (relaxed), network order */
};

/* The directed broadcast address of an IPv4 network, network order; 0 where there is none. */
uint32_t ns_prefix_broadcast4(const struct ip_prefix *prefix);

/* ns_ctl.c */
extern const struct section ns_sections[];
extern const struct command ns_commands[];
