/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Copies of a packet that share its bytes: the only way to clone. The private area goes along, which
 * rte_pktmbuf_attach() does not copy. Nobody may write to the bytes of a clone, nor to those of what it
 * was made of while there are clones (pkt_writable()). Workers; counted as cloned.
 */
#include <rte_mbuf.h>

struct worker;

/* The whole packet. NULL: no buffer is left. */
struct rte_mbuf *pkt_clone(struct worker *w, struct rte_mbuf *m);
/*
 * Without its first n_cut bytes (0 to 127, no more than it has), for which a header of header_len bytes (1 to 127) stands, in
 * a segment that may be written and has RTE_PKTMBUF_HEADROOM in front.
 */
struct rte_mbuf *pkt_clone_with_header(struct worker *w, struct rte_mbuf *m, uint16_t n_cut,
	const void *header, uint16_t header_len);
