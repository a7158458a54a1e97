/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/bridge; nobody else includes this. */
#include <rte_ring.h>

#include "bridge/bridge.h"
#include "bridge/bridge_vlans.h"
#include "bridge/fdb.h"
#include "dp/worker.h"
#include "link/link_kind.h"
#include "net/vlan.h"

enum {
	BRIDGE_VID_ANY = 4095, /* in the forwarding database: our own addresses, in every VLAN */
	BRIDGE_PVID_DEFAULT =
		1,	    /* of members without VLANs of their own, where their bridge filters */
	BRIDGE_NEWS = 4096, /* stations per worker that wait to be learned; a power of two */
	BRIDGE_TOLD = 256,  /* stations that a worker knows to have told of lately */
	/* Of a frame, beyond what an MTU counts: with one tag, as in Linux, whether it has one or not. */
	BRIDGE_OVERHEAD = 18,
};

/* A MAC address as keys and frames have it: the first six bytes of a little-endian word. */
static inline uint64_t bridge_mac_word(const struct mac_addr *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac->bytes, sizeof(mac->bytes));
	return word;
}

enum bridge_port_flag {
	BRIDGE_ISOLATED = 1 << 0, /* sends nothing to other isolated ones */
	BRIDGE_LEARNING = 1 << 1,
	BRIDGE_FLOOD = 1 << 2, /* is sent what nobody knows the station of */
};

/* A member as workers see it: by ifindex, one line each. Control writes in single stores, bridge last. */
struct bridge_port {
	const struct bridge_dp *bridge;	  /* NULL: no member of one */
	const struct bridge_vlans *vlans; /* that it takes and sends, if its bridge filters */
	uint16_t pvid;			  /* VLAN of its untagged frames; 0: takes none */
	uint16_t flags;			  /* enum bridge_port_flag */
	uint16_t mtu;
} __rte_cache_aligned;
static_assert(sizeof(struct bridge_port) == RTE_CACHE_LINE_SIZE, "one cache line");

/* Immutable once published. */
struct bridge_members {
	unsigned int n;
	uint16_t ifindex[];
};

/* A bridge as workers see it. */
struct bridge_dp {
	uint64_t mac; /* its own, as the first six bytes of a little-endian word */
	const struct fdb *
		fdb; /* published with release; an old one has what was known when it was replaced */
	const struct bridge_members *members; /* published with release */
	uint16_t ifindex;
	uint16_t pvid; /* VLAN of frames that are its own without a tag */
	bool is_filtering;
};

/* The table of now: pairs with the release in bridge.c. */
static inline const struct fdb *bridge_fdb(const struct bridge_dp *bridge)
{
	return __atomic_load_n(&bridge->fdb, __ATOMIC_ACQUIRE);
}

/* A station that a worker has seen for the first time, or behind another member than before. */
struct bridge_news {
	uint64_t key;
	uint64_t ifindex; /* of the member */
};
static_assert(sizeof(struct bridge_news) == 16, "a size that rings take");

struct bridge_told {
	uint64_t key;
	uint64_t at; /* TSC */
	uint16_t ifindex;
};

/* Copies that a bridge has had in a pass. */
struct bridge_flooded {
	uint32_t pass; /* worker->n_passes then */
	uint32_t n;
};

/* Per worker. */
struct bridge_worker {
	const struct bridge_port *ports; /* by ifindex */
	const struct link_dp *links;
	const uint16_t *input_link;
	const uint32_t *now_s;	 /* the module's clock, written by control every tick */
	uint64_t told_for;	 /* TSC cycles for which one telling is enough */
	struct rte_ring *news;	 /* struct bridge_news, to control */
	_Atomic bool is_awaited; /* control knows that there are some; it clears this, then reads */
	struct bridge_told told[BRIDGE_TOLD];
	struct bridge_flooded flooded[LINK_MAX]; /* by ifindex of the bridge */
};

/* Control state. */

struct bridge_member {
	struct link *link;
	uint32_t n_learned, n_max; /* entries; n_max 0: as many as the bridge has room for */
	bool has_vlans;		   /* of its own */
};

struct bridge {
	struct link *link;
	const struct bridge_state *state;
	struct bridge_dp *dp;
	struct fdb *fdb; /* as large as it has to be, up to fdb_max entries */
	uint32_t fdb_max,
		fdb_size; /* entries that it may have, and that the table of now is made for */
	uint32_t ageing_s;
	uint32_t age_at; /* the next line to look at for old entries */
};

struct bridge_state {
	struct bridge_port *ports;		 /* what workers read */
	struct bridge_member *members[LINK_MAX]; /* by ifindex; NULL: no member of a bridge */
	uint32_t now_s;				 /* since start; read by workers */
	struct hash_seed seed;
};

#define BRIDGE_DROPS(X)                                                                            \
	X(BRIDGE_DROP_TRUNCATED, "bridge_truncated", "shorter than an Ethernet header")            \
	X(BRIDGE_DROP_BAD_SOURCE, "bridge_bad_source",                                             \
		"the source MAC address is multicast, zero, or the bridge's own")                  \
	X(BRIDGE_DROP_RESERVED, "bridge_reserved",                                                 \
		"to a link-local group (01:80:c2:00:00:00 to 0f), which bridges do not forward")   \
	X(BRIDGE_DROP_VLAN, "bridge_vlan_denied", "of a VLAN that the member does not take")       \
	X(BRIDGE_DROP_VLAN_OUT, "bridge_vlan_out",                                                 \
		"of a VLAN that the member which the station is behind does not send")             \
	X(BRIDGE_DROP_DOUBLE_TAG, "bridge_double_tag",                                             \
		"a customer tag behind that of the member's own untagged VLAN, or behind service " \
		"tags without an id")                                                              \
	X(BRIDGE_DROP_SAME_PORT, "bridge_same_port",                                               \
		"the station is behind the member that the frame came from")                       \
	X(BRIDGE_DROP_ISOLATED, "bridge_isolated", "from one isolated member to another")          \
	X(BRIDGE_DROP_TOO_BIG, "bridge_too_big", "larger than the MTU of the member to send by")   \
	X(BRIDGE_DROP_NOBODY, "bridge_nobody",                                                     \
		"nobody knows the station, and nobody is left to ask")                             \
	X(BRIDGE_DROP_FLOOD_FULL, "bridge_flood_full",                                             \
		"no room for the copies of a flood in this pass")                                  \
	X(BRIDGE_DROP_NO_BUFFER, "bridge_no_buffer", "no packet buffer for a copy or a tag")       \
	X(BRIDGE_DROP_DOWN, "bridge_down",                                                         \
		"the bridge, or its member that the frame came by, is administratively down")

#define BRIDGE_DROP_ENUM(member, name, help) member,
enum bridge_drop { BRIDGE_DROPS(BRIDGE_DROP_ENUM) BRIDGE_N_DROPS };
#undef BRIDGE_DROP_ENUM

/* Stages */

/* Exits of both stages, as far as they have them. */
enum bridge_exit { BRIDGE_TX = 1, BRIDGE_OWN, BRIDGE_STEER };

/* A frame on its way through a bridge. */
struct bridge_frame {
	const struct bridge_dp *bridge;
	const struct bridge_port *in; /* NULL: from the bridge itself */
	uint64_t dst, src;	      /* MAC addresses, as keys have them */
	uint16_t in_link;	      /* 0: from the bridge itself */
	uint16_t vid;		      /* 0 where VLANs are not filtered */
	bool is_tagged;		      /* has a tag with that id */
};

/* bridge_stage.c. By one member, to the bridge's own link, or to nobody: the exit. */
unsigned int bridge_send(struct worker *w, struct bridge_worker *bw, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct bridge_frame *f, uint16_t ifindex);
unsigned int bridge_deliver(struct worker *w, struct bridge_worker *bw, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct bridge_frame *f);
unsigned int bridge_drop(struct worker *w, struct pkt_meta *meta, const struct bridge_frame *f,
	enum bridge_drop reason);

/* bridge_flood.c */
unsigned int bridge_flood(struct worker *w, struct bridge_worker *bw, struct stage_node *node,
	struct rte_mbuf *m, const struct bridge_frame *f);

/* Is a frame no larger than what the member sends? Its tags do not count, however many these are. */
static inline bool bridge_fits(const struct rte_mbuf *m, const struct bridge_port *out)
{
	uint16_t type_be;

	return likely(m->pkt_len <= (uint32_t)out->mtu + BRIDGE_OVERHEAD) ||
	       m->pkt_len <= out->mtu + vlan_find_payload(m, VLAN_TAGS_MAX, &type_be);
}

#define MAC_GROUP_BIT UINT64_C(1) /* of an address as frames and keys have it */

/* Does the frame leave by that member with a tag? */
static inline bool bridge_wants_tag(const struct bridge_frame *f, const struct bridge_port *out)
{
	return f->bridge->is_filtering ? f->vid != out->pvid : f->is_tagged;
}

/* Is it the one that it has? A tag without an id, of a priority only, gets one or goes. */
static inline bool bridge_keeps_tag(
	const struct bridge_frame *f, const struct rte_mbuf *m, const struct bridge_port *out)
{
	return bridge_wants_tag(f, out) == f->is_tagged &&
	       (!f->is_tagged || (vlan_tci(m) & VLAN_VID_MASK) != 0);
}

/* bridge_learn.c */

/* A worker has seen a frame of a station that it does not find behind in_link. Datapath. */
void bridge_tell(struct worker *w, struct bridge_worker *bw, uint64_t key, uint16_t in_link);
/* Takes in what workers have told, so many at most. */
void bridge_learn(struct dp *dp, unsigned int max);
/* Forgets those that have been silent for too long, a part of the table each time. */
void bridge_age(struct bridge_state *state, struct bridge *bridge);
/* Forgets all that is known behind a member: what was learned, or (is_static) all. */
void bridge_forget(
	struct bridge_state *state, struct bridge *bridge, const struct link *link, bool is_static);
/* Forgets all, static ones too, of VLANs that a member does not have: no frame would find them. */
void bridge_forget_unfit(
	struct bridge_state *state, struct bridge *bridge, const struct link *link);
/* Forgets a station in all VLANs, wherever it was put: its address is ours now. */
void bridge_forget_mac(struct bridge_state *state, struct bridge *bridge, uint64_t mac);
/* fdb_put(), in a larger table if it must be. */
int bridge_put(struct dp *dp, struct bridge *bridge, uint64_t key, const struct fdb_value *value);
/* Forgets one. */
void bridge_forget_one(
	struct bridge_state *state, struct fdb *fdb, uint64_t key, const struct fdb_value *value);
int bridge_worker_init(struct dp *dp, struct worker *w);
void bridge_worker_fini(struct dp *dp, struct worker *w);

/* bridge.c */
extern const struct link_ops bridge_ops;
struct bridge *bridge_of(const struct link *link); /* NULL: it is none */

/* bridge_ctl.c */

/* Settings of a bridge, among those of a link. */
struct bridge_conf {
	uint64_t ageing_ns;
	int64_t fdb_max;
	int64_t pvid;
	bool is_filtering;
};

/* Settings of a member of one, among those of members. */
struct bridge_member_conf {
	int64_t pvid; /* 0: none */
	char *vlans;
	bool is_isolated, is_learning, is_flooded;
	int64_t fdb_max;
};

const struct bridge_conf *bridge_conf_of(const struct link_conf *conf);
const struct bridge_member_conf *bridge_member_conf_of(const struct link_member_conf *conf);
/* Has the member VLANs of its own? Then its bridge filters. */
bool bridge_member_has_vlans(const struct link_member_conf *conf);
void bridge_judge(const struct link_conf *conf, struct diag *found);
void bridge_extend(void);
extern const struct section bridge_sections[];
extern const struct command bridge_commands[];

static inline struct bridge_state *bridge_state(const struct dp *dp)
{
	return dp_slot(dp, &bridge_module);
}
