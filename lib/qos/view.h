/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The headers of a frame that is about to be sent, as far as classifiers ask for them. It may have been bridged and
 * never looked at, so nothing in it is trusted; what does not lie whole in the first segment is not there. Pure
 * functions, any thread.
 */
#include "match/match.h"

struct qos_view {
	struct match_key key; /* family 0: no IP */
	uint8_t tos;	      /* or traffic class */
	bool is_fragment;     /* of a datagram: the others of it have no ports */
	uint8_t pcp;	      /* of the VLAN tag that it has or came with; 0: none */
};

/* How much of it is wanted. */
enum qos_depth { QOS_VIEW_TOS, QOS_VIEW_ALL };

void qos_view(const struct rte_mbuf *m, enum qos_depth depth, struct qos_view *out);
