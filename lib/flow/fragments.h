/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Virtual reassembly: what connection tracking needs to know of datagrams in fragments. Only the
 * first fragment has ports; they are learned from it and given to all others, which go on as they
 * are. A fragment that comes before the first waits for it. Nothing is put together: the packets
 * leave as they came, but what overlaps is refused as in lib/ip (RFC 5722), so that the ports that
 * rules have seen are those that the receiver will see.
 *
 * The bookkeeping of bytes is ip/reassembly.h's; IPv4 and IPv6 have a table each, because they
 * wait differently long. Per worker; steering brings all fragments of a datagram to one. Fixed memory,
 * nothing allocated on the way. What finds no room is refused, what is there never makes way.
 */
#include "dp/dp.h"
#include "ip/fragment.h"

#define FLOW_FRAGMENT_DROPS(X)                                                                     \
	X(FLOW_DROP_FRAGMENT_BAD, "flow_fragment_bad",                                             \
		"a fragment that is empty, uneven, ends beyond 65,535 bytes or is one of a "       \
		"fragment")                                                                        \
	X(FLOW_DROP_FRAGMENT_TINY, "flow_fragment_tiny",                                           \
		"a first fragment without a whole and sound L4 header")                            \
	X(FLOW_DROP_FRAGMENT_DUPLICATE, "flow_fragment_duplicate",                                 \
		"a fragment of a tracked datagram came twice")                                     \
	X(FLOW_DROP_FRAGMENT_OVERLAP, "flow_fragment_overlap",                                     \
		"fragments of a tracked datagram overlap, or disagree about its end")              \
	X(FLOW_DROP_FRAGMENTS_TOO_MANY, "flow_fragments_too_many",                                 \
		"of a tracked datagram in more than 64 fragments")                                 \
	X(FLOW_DROP_FRAGMENT_REFUSED, "flow_fragment_refused",                                     \
		"of a datagram that was refused for an earlier fragment, or whose first one was")  \
	X(FLOW_DROP_FRAGMENT_FULL, "flow_fragment_full",                                           \
		"too many datagrams are in fragments, or too many buffers wait for a first one")   \
	X(FLOW_DROP_FRAGMENT_TIMEOUT, "flow_fragment_timeout",                                     \
		"the first fragment of its datagram did not come in time")

enum { FLOW_FRAGMENT_DATAGRAMS = 1024 }; /* in fragments at once, per worker and family */

/* A fragment, as its headers tell. */
struct flow_fragment {
	struct reassembly_key key;
	struct rte_mbuf *m;
	uint16_t first, end; /* bytes of the datagram's payload */
	bool is_last;
	/* Of the L4 header, known if first is 0. For IPv6 the others may name another protocol. */
	uint8_t proto;
	uint32_t ports_be; /* as in struct pkt_meta */
};

enum flow_fragment_verdict {
	FLOW_FRAGMENT_PASS,  /* goes on at once */
	FLOW_FRAGMENT_AFTER, /* goes on in a later pass: the first fragment came in this one */
	FLOW_FRAGMENT_HELD,  /* kept until the first has come */
	/* Not kept. */
	FLOW_FRAGMENT_DUPLICATE,
	FLOW_FRAGMENT_FULL,
	FLOW_FRAGMENT_REFUSED, /* its datagram is refused already */
	/* Not kept, and the datagram is refused from now on, with what waits of it. */
	FLOW_FRAGMENT_OVERLAP,
	FLOW_FRAGMENT_TOO_MANY,
};

/* What comes out of the table besides the verdict. */
struct flow_fragment_out {
	uint32_t ports_be; /* PASS, AFTER: of the datagram */
	uint8_t proto;
	unsigned int n; /* packets that have waited until now, in the order in which they came */
	struct rte_mbuf *pkts[REASSEMBLY_FRAGMENTS];
};

/* What is remembered of a datagram besides the bytes that have come. */
struct flow_datagram {
	uint64_t pass; /* in which the first fragment came */
	uint32_t ports_be;
	uint8_t proto;
	bool has_ports, is_refused;
};

struct flow_fragments {
	struct flow_fragment_family {
		struct reassembly table;
		struct reassembly_datagram datagrams[FLOW_FRAGMENT_DATAGRAMS];
		struct flow_datagram flows[FLOW_FRAGMENT_DATAGRAMS]; /* by the same index */
	} ip4, ip6;
	uint8_t stage, track_stage; /* of the pipeline */
};

/* n_segs_max: packet buffers that may wait, for each family. Control thread, at start. */
void flow_fragments_init(struct flow_fragments *fragments, uint32_t n_segs_max, uint32_t seed);
/*
 * Judges a fragment. now: TSC. pass: the number of this pass. With PASS for a first fragment the
 * packets in out are to follow it in a later pass, with OVERLAP and TOO_MANY to be dropped with it.
 * Worker.
 */
enum flow_fragment_verdict flow_fragments_add(struct flow_fragments *fragments,
	const struct flow_fragment *fragment, uint64_t now, uint64_t pass,
	struct flow_fragment_out *out);
/*
 * Forgets the oldest datagram of a family if it is life TSC cycles old or older; out has the packets
 * that waited for its first fragment. False: there is none that old. Worker, or when it is at its end.
 */
bool flow_fragments_expire(struct flow_fragment_family *family, uint64_t now, uint64_t life,
	struct flow_fragment_out *out);

/*
 * What became of first fragments. To rules a datagram is one packet: when the first fragment was refused,
 * no other may pass, and when it was accepted without a connection, the others meet the rules with all that
 * it had to show. It is kept by the worker that has judged the first fragment, to which all others come as
 * well (flow_fragment_stage.c), and behind it. So no clock is needed: it is written before it is asked
 * for, and the oldest makes way for the newest.
 */
enum { FLOW_FATE_SETS = 256, FLOW_FATE_WAYS = 16 };

struct flow_fate {
	struct reassembly_key key; /* family 0: unused */
	/*
	 * As the first hook found it (enum flow_state); FLOW_STATE_ESTABLISHED: it is a connection's. 0:
	 * refused, or, in that pass, not yet decided.
	 */
	uint8_t state;
	uint8_t tcp_flags;
	uint8_t pad[2];
	uint64_t pass; /* in which the first fragment came to be judged */
};
static_assert(sizeof(struct flow_fate) == 56, "no padding of its own");

struct flow_fates {
	uint32_t seed;
	struct flow_fate_set {
		unsigned int next; /* way that makes way */
		struct flow_fate ways[FLOW_FATE_WAYS];
	} sets[FLOW_FATE_SETS];
};

/* A first fragment is about to be judged, in that pass. Worker. */
void flow_fate_begin(struct flow_fates *fates, const struct reassembly_key *key, uint64_t pass);
/* It was accepted. Worker. */
void flow_fate_accept(struct flow_fates *fates, const struct reassembly_key *key, uint8_t state,
	uint8_t tcp_flags);
/* NULL: none was judged here lately. Worker. */
const struct flow_fate *flow_fate_find(
	const struct flow_fates *fates, const struct reassembly_key *key);

/* The worker's; it lies in the slot of lib/flow (flow.c). */
struct flow_fragments *flow_fragments(const struct worker *w);

/* flow_fragment_stage.c, for lib/flow's worker_init, worker_fini and tick. Control thread. */
void flow_fragment_worker_init(struct dp *dp, struct worker *w);
/* Drops what waits. */
void flow_fragment_worker_fini(struct worker *w);
/*
 * Has workers drop what has waited for life4_ms or life6_ms milliseconds; once a second, as *next_ns tells
 * (the caller keeps it, 0 at first).
 */
void flow_fragment_tick(
	struct dp *dp, uint64_t now_ns, uint64_t *next_ns, uint64_t life4_ms, uint64_t life6_ms);
