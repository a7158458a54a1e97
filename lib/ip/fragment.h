/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the headers of a fragment say (RFC 791 3.2, RFC 8200 4.5), for who makes datagrams whole or
 * watches whether they could be: lib/ip and lib/flow. Pure functions, any thread.
 */
#include "ip/reassembly.h"
#include "net/pkt_meta.h"

enum { IP6_FRAGMENT_HEADER_LEN = 8 };

struct ip_fragment {
	struct reassembly_key key;
	struct reassembly_piece piece;
	uint32_t header_off; /* of the IPv6 fragment header in the packet; IPv4: 0 */
	bool is_last;
};

/* What can be wrong with a fragment by itself. */
enum ip_fragment_fault {
	IP_FRAGMENT_SOUND,
	IP_FRAGMENT_EMPTY,
	IP_FRAGMENT_NESTED, /* IPv6: its payload is a fragment once more */
	IP_FRAGMENT_UNEVEN, /* others are to follow, but not at a multiple of 8 bytes */
	IP_FRAGMENT_BEYOND, /* ends where no payload length reaches: 65,535 bytes */
};

/*
 * Reads a packet that parse found to be a fragment (PKT_FRAGMENT), of either family. Of IPv6 key and
 * header_off are right whatever is wrong.
 */
enum ip_fragment_fault ip_fragment_read(
	struct rte_mbuf *m, const struct pkt_meta *meta, struct ip_fragment *fragment);
