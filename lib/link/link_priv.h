/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/link; nobody else includes this. */
#include "link/link_kind.h"
#include "link/steer.h"
#include "dp/worker.h"
#include "net/parse.h"

extern const struct link_ops port_ops, vlan_ops, bond_ops;

enum { VLAN_IDS = 4096 };

/*
 * The VLANs on a link, by outermost tag: control writes entries in single stores, workers read. The table
 * stays until its link goes.
 */
struct vlan_table {
	uint16_t link[2][VLAN_IDS]; /* by vlan_tpid_index() */
};

/* What `worker rebalance` remembers from one time to the next. */
struct rebalance {
	uint64_t bucket_seen[STEER_BUCKETS]; /* packets by bucket */
	uint64_t refused_seen[WORKER_MAX];   /* those that found no room with a worker */
	uint8_t owner[STEER_BUCKETS];	     /* the best division so far */
	double rate; /* packets a second by it, all workers; 0: it is not known or the present one */
	double step;	   /* part of all packets that may move at once, 0 to 1 */
	uint64_t moved_ns; /* when buckets were moved last */
};

/* Control state of the module. */
struct link_state {
	struct link *links[LINK_MAX]; /* by ifindex; [0] unused */
	struct link_dp *table;	      /* what workers read */
	uint16_t n_links;	      /* the highest ifindex so far */
	uint16_t last;		  /* ifindex that was given last: the longest free one is next */
	uint64_t next_carrier_ns; /* when to look for carriers again */
	struct steer *steer;	  /* what workers read */
	struct rebalance rebalance;
	const struct bucket_mover *mover; /* NULL: nobody keeps state by bucket */
	bool is_tracked[LINK_NS_MAX];	  /* by namespace */
};

/* What a worker polls. Immutable once published; replaced as a whole, the old one retired. */
struct link_polls {
	unsigned int n;
	bool can_interrupt; /* all of them have a descriptor */
	struct link_poll {
		uint16_t port, queue, ifindex;
		bool is_unmarked;  /* the driver does not write the port into packets */
		uint8_t exit;	   /* enum link_way: where its packets go first */
		int fd;		   /* readable when packets come; -1: there is none */
		bool is_signalled; /* the driver looks at `fd` only after a SIGIO */
	} poll[];
};

/* A frame of a Slow Protocol (LACP) that a member of a bond has received, for the control thread. */
struct link_slow {
	uint16_t ifindex, len; /* of the member; bytes of payload */
	uint8_t payload[124];
};
static_assert(sizeof(struct link_slow) == 128, "a size that rings take");

enum { LINK_NO_QUEUE = UINT16_MAX };

/* A port as one worker sends to it. */
struct link_tx {
	uint16_t queue;	  /* LINK_NO_QUEUE: hand over to owner */
	uint16_t owner;	  /* worker */
	uint16_t n;	  /* collected in this run */
	uint64_t n_bytes; /* of these */
	struct rte_mbuf *pkts[LANE_ROOM];
};

/* Packets for another worker, collected in one run of the stage steer. */
struct link_steered {
	unsigned int n;
	struct rte_mbuf *pkts[LANE_SIZE];
};

/* Per worker. polls, input_link, tx[].queue and owner: written by control; the rest by the worker. */
struct link_worker {
	_Atomic(struct link_polls *) polls;
	const struct link_dp *table;
	unsigned int next_poll; /* so that the first port is not always served first */
	unsigned int tx_stage;
	uint16_t input_link[LINK_INPUTS];
	const struct steer *steer;
	struct link_steered steered_to[WORKER_MAX]; /* by worker */
	uint64_t bucket_packets[STEER_BUCKETS];	    /* that this worker has steered */
	struct link_tx tx[RTE_MAX_ETHPORTS + 1];    /* LINK_NO_PORT: nothing is sent by it */
	uint16_t bond_next;			    /* balance-rr: whose turn it was */
	struct rte_ring *slow;			    /* struct link_slow, to control */
	uint32_t slow_put[LINK_MAX];   /* frames that went into it, by member's ifindex */
	uint32_t slow_taken[LINK_MAX]; /* and out of it: written by control */
	struct link_counters counters[LINK_MAX];
};

#define LINK_DROPS(X)                                                                              \
	X(LINK_DROP_DOWN, "link_down", "the link is administratively down")                        \
	X(LINK_DROP_OVERSIZE, "link_oversize", "larger than the MTU of the link it came in by")    \
	X(LINK_DROP_TX_FULL, "link_tx_full", "the device's transmit queue had no room")            \
	X(LINK_DROP_BAD_SOURCE, "eth_bad_source", "the source MAC address is multicast")           \
	X(LINK_DROP_NOT_FOR_US, "eth_not_for_us", "unicast to another MAC address")                \
	X(LINK_DROP_TYPE_UNKNOWN, "eth_type_unknown", "nothing in weir takes this EtherType")      \
	X(LINK_DROP_VLAN_UNKNOWN, "vlan_unknown", "tagged for a VLAN that the link does not have") \
	X(LINK_DROP_VLAN_TRUNCATED, "vlan_truncated", "ends within a VLAN tag")                    \
	X(LINK_DROP_VLAN_TOO_MANY, "vlan_too_many", "more VLAN tags than weir takes off")          \
	X(LINK_DROP_VLAN_SHARED, "vlan_shared",                                                    \
		"a tag cannot be taken off, or put on, bytes that others read, too")               \
	X(LINK_DROP_VLAN_NO_ROOM, "vlan_no_room", "no room in front of the frame for a VLAN tag")  \
	X(LINK_DROP_BOND_INACTIVE, "bond_inactive",                                                \
		"came by a member that the bond does not take from")                               \
	X(LINK_DROP_BOND_NO_MEMBER, "bond_no_member", "the bond has no member to send by")         \
	X(LINK_DROP_SLOW_FULL, "lacp_full", "more frames of Slow Protocols than are looked at")

#define LINK_DROP_ENUM(member, name, help) member,
enum link_drop {
	LINK_DROP_PARSE, /* the first PARSE_N_ERRORS are those of net/parse.h */
	LINK_DROP_LAST_PARSE = PARSE_N_ERRORS - 1,
	LINK_DROPS(LINK_DROP_ENUM) LINK_N_DROPS
};
#undef LINK_DROP_ENUM

/* port.c: the ethdev side. */
/* Takes the port out of the poll lists; workers have let go of it one grace period later. */
void port_detach(struct dp *dp, const struct link *link);
/*
 * Stops a port that no worker uses, configures it for link->mtu and gives it back to the workers.
 * Takes as long as the driver does. On failure the port is stopped.
 */
int port_restart(struct dp *dp, struct link *link);
/* Fills the port's RSS table from the buckets, and sees whether it took that. */
void port_program_steering(struct dp *dp, struct link *link);
/* Its packets go first where its steering, and whether links stand on it, want them now. No port: nothing. */
void port_follow_exit(struct dp *dp, const struct link *link);
/*
 * The device takes tags off by itself, if it can (port_vlan.c). Once it does it goes on: frames that wait in its
 * queues would be taken for others.
 */
void port_strip_vlans(struct dp *dp, struct link *link);
/* Does the device do so by now? */
bool port_strips_vlans(const struct link *link);
/* Takes frames to anybody as long as somebody wants them. */
void port_follow_promiscuous(const struct link *link);

/* link.c. conf must live as long as the link: it is the configuration's. */
int link_create(struct dp *dp, const struct link_conf *conf, const char *path, struct diag *diag,
	struct link **out);
/*
 * Takes it away while workers run: who stands above forgets it (EVENT_LINK_DELETED), then it is closed and
 * freed. Nothing may stand on it.
 */
void link_delete(struct dp *dp, struct link *link);
/* How many links are below it. */
unsigned int link_depth(const struct dp *dp, const struct link *link);
/* Calls fn for those that stand on it, right above. */
void link_each_upper(const struct dp *dp, const struct link *lower,
	void (*fn)(struct link *link, void *ctx), void *ctx);
void link_set_up(struct dp *dp, struct link *link, bool is_up);
void link_sum_counters(const struct dp *dp, const struct link *link, struct link_counters *out);

/* link_mtu.c */
typedef void link_mtu_done_fn(void *ctx, struct link *link, int err);
/*
 * 0: done. -EINPROGRESS: the device has to be stopped for it; done() is called later, once, also
 * when the link goes first (-ECANCELED). -ERANGE: outside of port_mtu_range(). -EALREADY: another change of
 * this link is under way. After any error the old MTU holds.
 */
int link_set_mtu(struct dp *dp, struct link *link, uint16_t mtu, link_mtu_done_fn *done, void *ctx);
/* The link goes: ends a change that is under way. */
void link_cancel_mtu(struct link *link);

/* member.c */
/*
 * Makes a link a member or, when it is one, changes its settings to what `link set` was given. -errno with
 * the reason in diag: nothing has changed.
 */
int link_set_member(struct dp *dp, struct link *master, struct link *link, const void *set_args,
	struct diag *diag);
/* From its master. */
void link_leave(struct dp *dp, struct link *link);

/* bond.c */
const struct bond_dp *bond_members(const struct link *link); /* those to send by */
void bond_tick(struct dp *dp, uint64_t now_ns);
int bond_worker_init(struct worker *w);
void bond_worker_fini(struct worker *w);

/* bond_ctl.c */
int bond_show(struct call *call, const void *args);
extern const struct column bond_columns[];
extern const struct field_enum bond_modes[], bond_policies[], bond_rates[], bond_selects[];

/* link_check.c */
/* Finds what is wrong with a link by itself; the paths are names of settings. */
void link_conf_judge(const struct link_conf *conf, struct diag *found);
void link_check(const struct config *config, struct diag *diag); /* of the section `links` */

/* polls.c: what workers poll. */
void polls_add(
	struct dp *dp, struct worker *w, const struct link *link, uint16_t queue, bool is_unmarked);
void polls_remove(struct dp *dp, struct worker *w, const struct link *link);
/* Where packets of a port go first, as if nothing were policed. */
enum link_way polls_way(const struct link *link);
/* They go there from now on, or to be policed. */
void polls_follow_exit(struct dp *dp, struct worker *w, const struct link *link);

/* link_set_ctl.c */
int link_set(struct call *call, const void *args);
int link_add(struct call *call, const void *args);
int link_del(struct call *call, const void *args);

/* link_ctl.c */
struct link_dev_args {
	struct object_head head;
	char *dev;
};
extern const struct object link_dev_object;  /* of commands about one link */
extern const struct field_enum link_kinds[]; /* by enum link_kind */
extern const struct section link_sections[];
extern const struct command link_commands[];
extern const struct counter_table link_counter_tables[];
extern const struct counter link_worker_counters[]; /* link.c */

/* steer.c */
extern const struct object steer_rebalance_object;
extern const struct column steer_rebalance_columns[];
int steer_rebalance(struct call *call, const void *args);
bool steer_may_move(struct dp *dp, unsigned int bucket);
void steer_move(struct dp *dp, unsigned int bucket, unsigned int to);

/* Datapath: drops a received frame; meta->in_link is known. */
static inline unsigned int link_drop_received(
	struct link_worker *lw, struct pkt_meta *meta, unsigned int reason)
{
	lw->counters[meta->in_link].rx_dropped++;
	return pkt_drop(meta, &link_module, reason);
}

static inline struct link_state *link_state(const struct dp *dp)
{
	return dp_slot(dp, &link_module);
}
