/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Explicit congestion notification (RFC 3168) in frames that wait, which nobody has parsed. Any thread. */
#include <rte_mbuf.h>
#include <stdbool.h>

/*
 * Tells whoever receives it that it has met congestion. False: that cannot be said in it; it is no IP packet, its
 * transport does not know of ECN, or its bytes are not ours to write.
 */
bool ecn_set_ce(struct rte_mbuf *m);
