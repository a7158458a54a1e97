/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Connections ("flows"). The table of them (table.h) is the fast path: the first packet of a
 * connection walks the hooks, is translated and routed, and what came out of that is kept in the
 * flow's entry; later packets find it there (`flow4`, `flow6`).
 *
 * What is not that simple goes to `track`, which does what nf_conntrack does when a packet comes in:
 * finds the connection, judges the packet by it, tells ICMP errors about a connection from others. A
 * packet without a connection, or whose connection has to be judged anew because the rules have
 * changed, is given a struct flow_first and walks the hooks:
 *
 *     track > prerouting > nat_dst > flow_route > input ---------------------------------> flow_commit
 *                                               > forward -----------> postrouting > nat_src > ...
 *                                               > output > nat_output > ... (packets made here)
 *
 * The packet itself stays as it came until flow_commit: what hooks decide is written into the
 * flow_first. Stages of lib/firewall and lib/nat are between those of this module.
 */
#include <string.h>

#include "base/addr.h"
#include "dp/dp.h"
#include "net/hash.h"
#include "net/parse.h"

/* An address of either family; IPv4 in the first four bytes, the rest zero. */
union flow_addr {
	uint8_t bytes[16];
	uint32_t v4_be;
	uint64_t words[2];
};

/*
 * One direction of a connection as its packets come in. TCP and UDP (and others that have them): ports.
 * ICMP queries: sport is the identifier, dport type and code (icmp_kind_be()). All others: zero.
 */
struct flow_tuple {
	union flow_addr src, dst;
	uint16_t sport_be, dport_be;
};
/* Without what alignment adds at the end. */
enum { FLOW_TUPLE_LEN = offsetof(struct flow_tuple, dport_be) + 2 };

enum flow_dir { FLOW_ORIG, FLOW_REPLY };

/* What nf_conntrack calls IPS_*, as far as it means something here. */
enum flow_status {
	FLOW_SEEN_REPLY = 1 << 0,
	FLOW_ASSURED = 1 << 1,	  /* is never dropped early */
	FLOW_SRC_NAT = 1 << 2,	  /* source of the original direction is translated */
	FLOW_DST_NAT = 1 << 3,	  /* destination of it */
	FLOW_ORIGINATED = 1 << 4, /* the original direction begins here */
	FLOW_POLICED = 1 << 5,	  /* a rule's `rate` limits all its packets */
	FLOW_DSCP = 1 << 6,	  /* packets are given a DSCP */
	FLOW_NAT = FLOW_SRC_NAT | FLOW_DST_NAT,
	FLOW_REWRITE = FLOW_NAT | FLOW_DSCP,
};

/* State of a packet that walks the hooks, as rules ask for it. One bit each. */
enum flow_state {
	FLOW_STATE_NEW = 1 << 0,
	FLOW_STATE_ESTABLISHED = 1 << 1,
	FLOW_STATE_RELATED = 1 << 2,
	FLOW_STATE_INVALID = 1 << 3,
	FLOW_STATE_UNTRACKED = 1 << 4,
};

enum { FLOW_HOOKS = 5, FLOW_NO_RULE = 0xffff };

/*
 * A packet on its way through the hooks. Lives until the end of the pass; meta->first is its index.
 * orig is the tuple that the rules' first packet came with; reply is what the other side will answer
 * with, so that its inverse is how the packet will leave: translations change reply only. It begins as
 * the inverse of orig, also when a connection is judged anew: what that has is in `now` then.
 */
struct flow_first {
	struct flow_tuple orig, reply;
	struct flow_tuple now; /* judged anew: the reply tuple that the connection has */
	uint8_t family;	       /* AF_INET, AF_INET6 */
	uint8_t proto;
	uint8_t state; /* enum flow_state: one */
	uint8_t dir;   /* of the packet in its connection (a connection that is judged anew) */
	uint16_t ns;
	uint16_t in_link;  /* of the original direction's first packet; 0: made here */
	uint16_t scope;	   /* link that link-local addresses are of, also of what is made here */
	uint16_t out_link; /* set by flow_route; 0: ends here */
	uint16_t class;	   /* of the rule action `class`; 0: none */
	uint16_t policer;  /* of a rule's `rate`; 0: none */
	uint16_t status;   /* enum flow_status: translations, originated */
	uint16_t
		invalid; /* drop reason (of all of weir) that says what is invalid; 0: nothing is */
	uint16_t rule
		[FLOW_HOOKS]; /* that decided, by hook; FLOW_NO_RULE: the policy, or not asked */
	uint8_t tcp_flags, icmp_type, icmp_code, dscp;
	uint8_t came_as;   /* state when the first hook was asked */
	bool is_later;	   /* a fragment behind the first, of no connection: no limits or logs */
	bool has_l4;	   /* tcp_flags, icmp_* and ports are the packet's */
	bool is_again;	   /* a connection that is judged anew: no limits, logs or rule counters */
	bool is_explained; /* made up by `explain`: the same, and nothing is kept */
	bool has_dscp;	   /* a rule set it: to be written */
	uint32_t mark;
	uint32_t flow; /* judged anew: its index; else FLOW_NONE */
	uint32_t adj;  /* of the original direction, set by flow_route */
	/* The rule whose translation is to be made next, set by prerouting, postrouting and output. */
	const void *nat;
};

enum { FLOW_NONE = UINT32_MAX };

/*
 * The route of a packet as it will leave, translations of the destination included: sets f->adj,
 * an adjacency or one of the special ones (neigh.h), and out_link. Worker.
 */
void flow_find_route(const struct worker *w, struct flow_first *f);

/* The packet's flow_first. Valid until the end of the pass. */
struct flow_first *flow_first(const struct worker *w, const struct pkt_meta *meta);

/* How a packet of the original direction will look, translations included. */
static inline struct flow_tuple flow_invert(const struct flow_tuple *tuple)
{
	return (struct flow_tuple){ .src = tuple->dst,
		.dst = tuple->src,
		.sport_be = tuple->dport_be,
		.dport_be = tuple->sport_be };
}

static inline bool flow_is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/*
 * Is there a connection one of whose directions is this? For the choice of ports: a tuple that is not
 * in use here, and whose packets belong to this worker, is in use nowhere. Worker.
 */
bool flow_tuple_is_used(const struct worker *w, uint8_t family, uint16_t ns, uint8_t proto,
	const struct flow_tuple *tuple);

/*
 * The bucket of a tuple's packets (link/steer.h), and whether all connections of that bucket are this
 * worker's; not when it has moved, and some are not yet over elsewhere. ICMP and what has no ports goes by
 * addresses alone.
 */
unsigned int flow_bucket(const struct worker *w, uint8_t proto, const struct flow_tuple *tuple);
bool flow_bucket_is_mine(const struct worker *w, unsigned int bucket);

/*
 * Who counts translated connections (FLOW_NAT): told when one is in the table, and when it is no longer.
 * On the worker that has it; of f orig, reply, family, proto, ns and status are filled in.
 */
struct flow_observer {
	void (*made)(struct worker *w, const struct flow_first *f);
	void (*ended)(struct worker *w, const struct flow_first *f);
};
/* Control thread, before workers run. One at most; it lives as long as the dataplane. */
void flow_observe(struct dp *dp, const struct flow_observer *observer);

/*
 * Ends the connection that is judged anew, if no other packet of this pass has done so: a later packet
 * begins one. Worker.
 */
void flow_first_end(struct worker *w, const struct flow_first *f);

/*
 * The answer to a translated ICMP query goes by its addresses, so it may come to another worker than the
 * one that translated. So each worker gives away identifiers of a range of its own only, and who does not
 * know the connection of an answer hands it to the worker that its identifier belongs to.
 */
static inline unsigned int flow_icmp_worker(uint16_t id_be, unsigned int n_workers)
{
	return rte_be_to_cpu_16(id_be) * n_workers >> 16;
}

/* The first identifier of a worker's range; that of the worker after the last is 65536. */
static inline unsigned int flow_icmp_first_id(unsigned int worker, unsigned int n_workers)
{
	return (worker * 65536 + n_workers - 1) / n_workers;
}

/*
 * Connections are tracked in that namespace from now on, or no longer. -ENOMEM: there is no memory for
 * as many as are configured. Control thread.
 */
int flow_set_tracking(struct dp *dp, uint16_t ns, bool is_tracked);
/*
 * New rules are published: all connections are judged anew at their next packet (also those of other
 * namespaces, which then fare as before). Control thread.
 */
void flow_policy_changed(struct dp *dp);

/* The policer of the connection that a packet is part of (meta->flow). Worker. */
uint16_t flow_policer(const struct worker *w, const struct pkt_meta *meta);

/* A packet as it is about to be sent; has_ports: both are known, and mean something. */
struct flow_sent {
	union flow_addr src, dst;
	uint16_t sport_be, dport_be;
	uint8_t family, proto;
	bool has_ports;
};

/* What is known of its connection. */
struct flow_known {
	union flow_addr src; /* where the packet came from, before it was translated */
	uint16_t class;	     /* of the rule action `class`; 0: none */
};

/* False: it is of no connection, or of one that this worker does not have. Worker. */
bool flow_of_sent(const struct worker *w, const struct pkt_meta *meta, const struct flow_sent *sent,
	struct flow_known *known);

/*
 * Where each of n packets' connections keeps, for that direction, what traffic control has found out; zero when nothing
 * is known, as after a change of rules. NULL: of this packet, which is none that flow4 or flow6 would look at, there is
 * no such place. False: of none of them, as this worker has no connections. Worker, in the same pass.
 */
bool flow_queues(
	const struct worker *w, struct rte_mbuf *const *pkts, uint32_t n, uint16_t **queue);

/*
 * Tables for the few connections of a scratch worker, apart from everybody's. -ENOMEM. They must be
 * given back before the worker is. Control thread.
 */
int flow_scratch_init(struct worker *w);
void flow_scratch_fini(struct worker *w);

/* The number of a protocol's name or number. Negative: there is none. */
int flow_proto_parse(const char *text);

/* Connections that are tracked now, of both families and all workers. Any thread. */
uint64_t flow_n_tracked(const struct dp *dp);

/* A connection as it was when its worker made this copy. */
struct flow_info {
	struct flow_tuple tuple[2]; /* by enum flow_dir, as their packets come in */
	uint64_t packets[2], bytes[2];
	uint64_t left_ms; /* until it ends if no packet comes */
	uint32_t mark;
	uint16_t ns;
	uint16_t status; /* enum flow_status */
	uint16_t worker;
	uint8_t family, proto;
	uint8_t tcp_state; /* enum tcp_state */
	bool is_ended;	   /* of an event */
};

/* The row of `conntrack list`. New reference. Control thread. */
json_t *flow_to_json(const struct flow_info *info);
/* The same as a line in the words of conntrack(8). Heap. */
char *flow_text(const struct flow_info *info);
/*
 * Somebody listens for EVENT_FLOW_NEW and EVENT_FLOW_ENDED from now on, or no longer: calls are counted.
 * -ENOMEM. Control thread.
 */
int flow_listen(struct dp *dp, bool is_listening);

extern struct module flow_module;
extern const struct stage flow_age_stage, flow_take_stage, flow4_stage, flow6_stage,
	flow_fragment_stage, track_stage, flow_route_stage, flow_commit_stage, flow_forward_stage;
