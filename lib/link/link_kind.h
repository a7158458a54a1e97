/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a kind of link is: for the files of lib/link, and for modules above that have a kind of their own
 * (lib/bridge). Everything here runs on the control thread.
 *
 * A bridge or bond has members: links that it is the master of. What a member receives comes in by its
 * master, or is forwarded by it.
 */
#include <rte_ethdev.h>

#include "link/link.h"

enum link_kind {
	LINK_KIND_PORT,
	LINK_KIND_VLAN,
	LINK_KIND_BRIDGE,
	LINK_KIND_BOND,
	LINK_KIND_VETH,
	LINK_N_KINDS
};

/* Who brings a received packet to the worker that owns it. */
enum link_steering {
	LINK_STEERING_AUTO,	/* the hardware where it can, else weir where it matters */
	LINK_STEERING_HARDWARE, /* comes split as it should: weir takes it as it comes */
	LINK_STEERING_SOFTWARE, /* weir, always */
};

/* As decoded from the configuration. */
struct link_conf {
	struct object_head head;
	char *name;
	int kind; /* enum link_kind */
	char *device;
	struct mac_addr mac; /* zero: the device's own */
	int64_t mtu;	     /* 0: LINK_MTU_DEFAULT, or that of the links below */
	int64_t queues;
	int steering; /* enum link_steering */
	bool is_promiscuous;
	bool is_up;
	char *parent;
	int64_t vid;
	int tpid;		   /* EtherType of its tag */
	struct field_list members; /* struct link_member_conf; follows who joins and leaves */
	/* Of bonds. */
	int mode, policy, lacp_rate, ad_select; /* bond.h, lacp.h */
	bool is_lacp_active;
	char *primary;
	int64_t min_links;
	uint64_t miimon_ns, updelay_ns;
};

/* A member as its master's settings have it. Masters may add fields of their own. */
struct link_member_conf {
	struct object_head head;
	char *name;
};
extern const struct object link_member_object;
/* The settings that a master has for a member. NULL: none. */
const struct link_member_conf *link_member_conf_find(
	const struct link_conf *master, const char *name);
extern const struct object
	link_set_object; /* `link set`: its fields that members have, too, are set by it */

/* The link of that name among the first n of the section `links`; NULL: none. */
const struct link_conf *link_conf_find(
	const struct conf_section *links, unsigned int n, const char *name);
/* Of all of them; name may be NULL. */
const struct link_conf *link_conf_of(const struct config *config, const char *name);

/* What a kind of link does in its own way. Errors are told in diag, with the path of the setting. */
struct link_ops {
	const char *name;
	enum link_kind kind;
	uint16_t flags;	       /* enum link_dp_flag: what all links of that kind have */
	uint16_t member_flags; /* the same for members of one; 0: has none */
	/* Finds what is wrong with the settings by themselves; paths are names of settings. NULL: no more. */
	void (*judge)(const struct link_conf *conf, struct diag *found);
	int (*open)(struct dp *dp, struct link *link, const char *path, struct diag *diag);
	void (*close)(struct dp *dp, struct link *link);
	/* The MTUs that it can be set to, within those that weir allows. */
	void (*mtu_range)(
		const struct dp *dp, const struct link *link, uint16_t *min, uint16_t *max);
	/*
	 * NULL or -ENOTSUP is fine: the MTU then holds in software. -EBUSY: perhaps when the port is
	 * stopped.
	 */
	int (*set_mtu)(const struct dp *dp, const struct link *link, uint16_t mtu);
	bool (*has_carrier)(const struct dp *dp, const struct link *link);
	/* Frames to that address are for the link, too, or (is_wanted false) no longer. */
	void (*accept_mac)(
		struct dp *dp, struct link *link, const struct mac_addr *mac, bool is_wanted);
	/* Writes what came of opening it into the log. NULL: nothing. */
	void (*log)(const struct link *link);
	/* For linkinfo.info_data. New reference. */
	json_t *(*info)(const struct link *link);
	/* What the device itself has counted; NULL: there is none. */
	void (*hw_stats)(const struct link *link, struct rte_eth_stats *out);

	/* Kinds with members only. Takes one, or changes the settings of one that it has. */
	int (*join)(struct dp *dp, struct link *master, struct link *link,
		const struct link_member_conf *conf, struct diag *diag);
	/* What passes by it from now on is its own again. */
	void (*leave)(struct dp *dp, struct link *master, struct link *link);
	/* Its carrier, state or MTU are others now; they are published already. */
	void (*member_changed)(struct dp *dp, struct link *master, struct link *link);
	/* For linkinfo.info_slave_data of a member. New reference. */
	json_t *(*member_info)(const struct link *link);
};

/* Makes a kind known. Once per process, before anything is decoded (module->extend). */
void link_register_kind(const struct link_ops *ops);
/* NULL: there is none yet. */
const struct link_ops *link_kind_ops(enum link_kind kind);

void link_publish(struct dp *dp, const struct link *link); /* writes its link_dp */
/* The same, and tells everybody, those first that stand on it. */
void link_changed(struct dp *dp, struct link *link);
/* Its carrier is looked at again, and what follows from it. */
void link_follow_carrier(struct dp *dp, struct link *link);
/* Its MTU is no larger than it can be now. */
void link_follow_mtu(struct dp *dp, struct link *link);
/* Packets that come by a link are the worker's that owns them, as its namespace needs it. */
void link_follow_steering(struct dp *dp, struct link *link);

/* The one at the bottom: a port, or a link with members. */
struct link *link_bottom(struct link *link);

/* The MTU of a link with members: as much as all of them have. */
void link_members_mtu_range(
	const struct dp *dp, const struct link *link, uint16_t *min, uint16_t *max);
/* Has a carrier when a member is up and has one. */
bool link_members_have_carrier(const struct dp *dp, const struct link *link);
/* Its MAC address: the one that is given, that of its first member, or any. */
void link_choose_mac(const struct dp *dp, struct link *link);
/* The last part of ops->open: its members join, and what it has from them is known. */
int link_open_members(struct dp *dp, struct link *link, const char *path, struct diag *diag);
void link_leave_all(struct dp *dp, struct link *master);
/* Calls fn for each member. */
void link_each_member(const struct dp *dp, const struct link *master,
	void (*fn)(struct link *link, void *ctx), void *ctx);
/* Frames to anybody are wanted from the ports below it, or (by -1) not by this one any more. */
void link_want_promiscuous(struct dp *dp, struct link *link, int by);
