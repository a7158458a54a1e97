/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Links: what Linux calls a net_device. A port (an ethdev), a VLAN on another link, a bridge over links; kinds
 * join in link_kind.h. The control thread owns struct link; workers see struct link_dp, one cache line in a
 * fixed array by ifindex, written by the control thread in single stores.
 *
 * Stacked links are not stacked stages: a received frame's tags are taken off and the link that it
 * belongs to is found in one go (stage `l2`), and `tx` puts them on. In between nothing knows the
 * difference: mbuf->port is the link's input (link_input()), the number of an ethdev or one above those.
 */
#include <rte_ether.h>

#include "base/addr.h"
#include "dp/conf.h"
#include "dp/dp.h"

struct bond_dp;	   /* bond.h */
struct link_conf;  /* link_kind.h */
struct link_ops;   /* link_kind.h */
struct mtu_change; /* link_mtu.c */

enum {
	LINK_MAX = 1024,
	LINK_NAME_MAX = 16,
	LINK_NS_MAX = 256,
	LINK_MTU_MIN = 68,
	LINK_MTU_MAX = 9600,
	LINK_MTU_DEFAULT = 1500,
	LINK_VID_MAX = 4094,
	LINK_INPUTS = RTE_MAX_ETHPORTS + LINK_MAX, /* what mbuf->port may be */
	LINK_NO_PORT = RTE_MAX_ETHPORTS,	   /* the port of links over several of them */
};

enum link_dp_flag {
	LINK_UP = 1 << 0,	   /* administratively up: packets pass */
	LINK_PROMISCUOUS = 1 << 1, /* every unicast frame counts as addressed to this link */
	LINK_RUNNING = 1 << 2,	   /* has a carrier */
	LINK_TRACKED = 1 << 3,	   /* connections of its namespace are tracked (lib/flow) */
	LINK_STACKED = 1 << 4,	   /* no port: what leaves by it goes down to other links */
	LINK_STEERED = 1 << 5,	   /* the stage steer handles what it receives */
	LINK_BRIDGE = 1 << 6,	   /* is a bridge */
	LINK_BRIDGED = 1 << 7,	   /* is a member of a bridge, which takes what it receives */
	LINK_BOND = 1 << 8,	   /* is a bond */
	LINK_BONDED = 1 << 9,	   /* is a member of a bond: what it receives comes in by that */
	LINK_COLLECTING = 1 << 10, /* and the bond takes it */
	LINK_INSERTS = 1 << 11,	   /* a port whose device puts customer tags on */
	LINK_SHAPED = 1 << 12,	   /* what leaves by it waits in a qdisc (lib/qos) before */
	LINK_METERED = 1 << 13,	   /* no port: what comes in by it is policed first (lib/meter) */
};

/*
 * Where frames of a link go first, once they are policed: exits of the stages that bring them
 * there. L2 is for ports only.
 */
enum link_way { LINK_WAY_PLAIN = 1, LINK_WAY_STEER, LINK_WAY_BRIDGE, LINK_WAY_L2, LINK_WAY_METER };

/* In the first eight bytes of a frame, as a little-endian word: */
#define LINK_MAC_MASK	UINT64_C(0x0000ffffffffffff) /* the destination address */
#define LINK_GROUP_BIT	UINT64_C(0x0001000000000000) /* the source's group bit */
#define LINK_MATCH_MASK (LINK_MAC_MASK | LINK_GROUP_BIT)
#define LINK_NO_MATCH	UINT64_C(0x8000000000000000) /* outside of that mask: no frame has it */
/* Unicast to anybody, from unicast: what a promiscuous link takes. */
#define LINK_UNICAST_MASK (LINK_GROUP_BIT | UINT64_C(1))

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the masks above");

/* A link as workers see it. ifindex 0 is no link: all zero, not up. */
struct link_dp {
	/*
	 * What the first eight bytes of a frame to us are under LINK_MATCH_MASK: our MAC address, and
	 * no group bit in the source. A link that is down has LINK_NO_MATCH set: nothing matches.
	 */
	uint64_t match;
	uint16_t flags; /* enum link_dp_flag */
	uint16_t mtu;	/* L3 */
	uint16_t ns;
	uint16_t port;		    /* ethdev port id, of the port at the bottom; or LINK_NO_PORT */
	uint16_t lower;		    /* VLAN: ifindex of the link that it stands on */
	uint16_t tpid;		    /* VLAN: EtherType of its tag */
	uint16_t vid;		    /* VLAN */
	uint16_t master;	    /* ifindex of the bridge or bond that it is a member of */
	uint16_t way;		    /* enum link_way, as if nothing were policed */
	const struct bond_dp *bond; /* bond: the members to send by */
	const struct vlan_table *vlans; /* links on this one; NULL: there were none yet */
} __rte_cache_aligned;
static_assert(sizeof(struct link_dp) == RTE_CACHE_LINE_SIZE, "one cache line");

/* The destination address of a frame, and the first two bytes of the source on top. */
static inline uint64_t link_first8(const struct rte_ether_hdr *ether)
{
	uint64_t word;

	memcpy(&word, ether, sizeof(word));
	return word;
}

/* Packets and bytes (whole frames without FCS), per worker and link. */
struct link_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped;
};

struct link {
	uint16_t ifindex; /* 1.. */
	uint16_t ns;
	char name[LINK_NAME_MAX];
	const struct link_ops *ops;
	struct link *lower;	/* VLAN: the link that it stands on */
	struct link *master;	/* bridge or bond that it is a member of; NULL: none */
	void *own;		/* its kind's */
	unsigned int n_uppers;	/* links that stand on it, its master not among them */
	unsigned int n_members; /* links that it is the master of */
	int n_promiscuous;	/* who wants frames to anybody from it */
	bool has_full_filter;	/* its device had no room for a MAC address, and passes all since */
	struct vlan_table *vlans; /* NULL: never had one on it */
	uint16_t port;		  /* ethdev, of the port at the bottom; or LINK_NO_PORT */
	uint16_t mtu;
	struct mac_addr mac;
	bool is_up;	 /* as configured: `link set dev L up|down` */
	bool is_running; /* carrier */
	bool is_open;
	uint64_t rss_types;	   /* RTE_ETH_RSS_*: asked of the driver; 0: no RSS */
	bool is_hw_steered;	   /* the port's hardware took our key, hash and table */
	bool is_sw_steered;	   /* the stage steer handles what it receives */
	bool strips_vlans;	   /* its device takes tags off, or will soon */
	bool inserts_vlans;	   /* its device puts tags on */
	bool is_collecting;	   /* member of a bond: may receive */
	bool is_paused;		   /* its device is stopped for a change: no packet passes */
	bool is_shaped;		   /* has a qdisc */
	bool is_metered;	   /* what comes in by it is policed first */
	struct mtu_change *change; /* under way; NULL: none */
	const struct link_conf
		*conf;	   /* as decoded; the configuration owns it and outlives the link */
	bool has_own_conf; /* added at runtime: it goes with the link */
	/* By workers, for links that had this index before: theirs alone to write, so it stays. */
	struct link_counters counted_before;
};

/* By name or index; NULL: no such link. Control thread. */
struct link *link_by_name(const struct dp *dp, const char *name);
struct link *link_by_index(const struct dp *dp, uint16_t ifindex);
/* For traces: its name, or what says that it is gone. Control thread. */
const char *link_name(const struct dp *dp, uint16_t ifindex);
/* Calls fn for every link in the order of their indexes. */
void link_each(const struct dp *dp, void (*fn)(struct link *link, void *ctx), void *ctx);
/* A worker that can send on this link by itself, for packets of the control plane. */
struct worker *link_worker(const struct dp *dp, const struct link *link);

/*
 * Connections of that namespace are tracked from now on, or no longer: its
 * links say so to workers (LINK_TRACKED). Control thread.
 */
void link_set_tracked(struct dp *dp, uint16_t ns, bool is_tracked);

/* What leaves by it goes to the stage `qdisc_classify` from now on, or no longer. Control thread. */
void link_set_shaped(struct dp *dp, struct link *link, bool is_shaped);
/* Can that worker send on the port at the bottom of the link by itself? Control thread. */
bool link_is_sent_by(const struct link *link, const struct worker *w);

/*
 * What comes in by that link is policed from now on, by the stages `meter_port` and `meter`, or no
 * longer. Not for bridges and what stands on them. Control thread.
 */
void link_set_metered(struct dp *dp, struct link *link, bool is_metered);

/* Which worker owns what: constant pointer, read by workers. */
const struct steer *link_steer(const struct dp *dp);

/*
 * Who keeps state by bucket: asked whether one may move now, then told to move it, which it does by
 * link_own_bucket(). One at most, before workers run. Control thread, all of it.
 */
struct bucket_mover {
	bool (*may_move)(struct dp *dp, unsigned int bucket);
	void (*move)(struct dp *dp, unsigned int bucket, unsigned int from, unsigned int to);
};
void link_set_bucket_mover(struct dp *dp, const struct bucket_mover *mover);
/* From now on packets of the bucket are steered to that worker. A release: what was written before is seen. */
void link_own_bucket(struct dp *dp, unsigned int bucket, unsigned int to);

/* What mbuf->port is of a packet that came in by a link that stands on another one. Any thread. */
static inline uint16_t link_stacked_input(uint16_t ifindex)
{
	return (uint16_t)(RTE_MAX_ETHPORTS + ifindex);
}

/* The same for any link. Control thread. */
uint16_t link_input(const struct link *link);

/* The array that workers read, by ifindex (LINK_MAX entries). */
const struct link_dp *link_dp_table(const struct dp *dp);

/* Datapath: the link of each input (LINK_INPUTS entries), as a worker knows them. */
const uint16_t *link_of_inputs(const struct worker *w);

/*
 * For frames that a stage above has decided to be for a link of its own: takes tags off and finds the link
 * that it belongs to, of those that stand on `ifindex`; m->port says which, meta->in_link too. False: it was
 * dropped (pkt_drop()). Datapath.
 */
bool link_enter(struct worker *w, struct rte_mbuf *m, struct pkt_meta *meta, uint16_t ifindex);
/*
 * Sends by a link that is a port, which this worker can do by itself, past its qdisc. Takes n at most and returns how
 * many it took: the first ones, sent or, if the link is down, dropped. Datapath.
 */
unsigned int link_send(struct worker *w, struct stage_node *node, uint16_t ifindex,
	struct rte_mbuf **pkts, unsigned int n);
/* Does a link with that customer VLAN stand on it? Datapath. */
bool link_has_vlan(const struct worker *w, uint16_t ifindex, uint16_t vid);
/* Counts packets that leave by a link above others. */
void link_count_tx(struct worker *w, uint16_t ifindex, unsigned int n, uint64_t n_bytes);
/* Counts a received packet that is dropped, and one that was about to be sent. */
void link_count_rx_drop(struct worker *w, uint16_t ifindex);
void link_count_tx_drop(struct worker *w, uint16_t ifindex);

/* A row of `ip -j link`; ns adds the addresses. New reference. */
json_t *link_to_json(const struct link *link);

extern struct module link_module;
extern const struct object link_object; /* for extensions: ns adds `addresses` */
extern const struct stage rx_stage, l2_stage, steer_stage, parse_stage, lacp_input_stage;
extern const struct stage tx_queued_stage, tx_stage, tx_member_stage;
/* Is there a link of this name in the configuration? For checks. */
bool link_is_configured(const struct config *config, const char *name);
/* The device string of a decoded object of the section `links`; NULL: has none. */
const char *link_conf_device(const void *object);
