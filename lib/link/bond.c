/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links of kind bond: several ports as one link. Which of them packets leave by, and which may receive, is decided
 * here whenever a member comes, goes, loses its carrier, or LACP says so (bond_lacp.c), and published as a whole.
 * Workers choose among those (bond.h). Control thread.
 *
 * As in Linux: active-backup uses one member, the primary whenever it is there; balance-rr and balance-xor use
 * all; 802.3ad those of one aggregator that the partner agrees to. A bond has a carrier when min_links
 * members, one at least, are active. Members keep their MAC addresses and take frames to that of the bond,
 * which is that of its first member unless one is given.
 */
#include "base/log.h"
#include "base/mem.h"
#include "link/bond_priv.h"

struct bond *bond_of(const struct link *link)
{
	return link->ops == &bond_ops ? link->own : NULL;
}

const struct bond_dp *bond_members(const struct link *link)
{
	const struct bond *bond = bond_of(link);

	return bond != NULL ? bond->dp : NULL;
}

struct bond_member *bond_member_of(const struct bond *bond, const struct link *link)
{
	for (unsigned int i = 0; i < bond->n_members; i++)
		if (bond->members[i]->link == link)
			return bond->members[i];
	return NULL;
}

/* Who is active */

static bool bond_is_primary(const struct bond *bond, const struct bond_member *member)
{
	const char *primary = bond->link->conf->primary;

	return primary != NULL && strcmp(member->link->name, primary) == 0;
}

/* The primary if it can be; else who is in use as long as it can be; else the first that can. NULL: none. */
static struct bond_member *bond_choose_current(const struct bond *bond)
{
	struct bond_member *best = NULL;

	for (unsigned int i = 0; i < bond->n_members; i++) {
		struct bond_member *member = bond->members[i];

		if (!member->is_usable)
			continue;
		if (bond_is_primary(bond, member))
			return member;
		if (best == NULL || member == bond->current)
			best = member;
	}
	return best;
}

static bool bond_wants(const struct bond *bond, const struct bond_member *member)
{
	switch ((enum bond_mode)bond->link->conf->mode) {
	case BOND_ACTIVE_BACKUP:
		return member == bond->current;
	case BOND_BALANCE_RR:
	case BOND_BALANCE_XOR:
		return member->is_usable;
	case BOND_802_3AD:
		return member->is_usable && member->lacp.may_distribute;
	}
	return false;
}

static bool bond_collects(const struct bond *bond, const struct bond_member *member)
{
	return bond->link->conf->mode == BOND_802_3AD
		       ? member->is_usable && member->lacp.may_collect
		       : member->is_active;
}

static void bond_publish(struct dp *dp, struct bond *bond)
{
	struct bond_dp *members = mem_zalloc(sizeof(*members)), *old = bond->dp;

	members->mode = (uint8_t)bond->link->conf->mode;
	members->policy = (uint8_t)bond->link->conf->policy;
	for (unsigned int i = 0; i < bond->n_members; i++)
		if (bond->members[i]->is_active)
			members->member[members->n++] = bond->members[i]->link->ifindex;
	/* In ranges: it is the upper bits of the hash that all bits of a packet's addresses have a part in. */
	for (unsigned int i = 0; i < BOND_SLOTS; i++)
		members->slot[i] = (uint8_t)(i * members->n / BOND_SLOTS);
	bond->n_active = members->n;
	bond->dp = members;
	link_publish(dp, bond->link);
	dp_retire_heap(dp, old);
}

static void bond_note_current(struct dp *dp, struct bond *bond, struct bond_member *current)
{
	const struct bond_member *before = bond->current;

	bond->current = current;
	log_notice("link", "active member bond=%s link=%s before=%s", bond->link->name,
		current != NULL ? current->link->name : "none",
		before != NULL ? before->link->name : "none");
}

/* Peers and switches are to look for our addresses behind another port. */
static void bond_tell_moved(struct link *link, void *ctx)
{
	dp_publish(ctx, EVENT_LINK_MOVED, link);
	link_each_upper(ctx, link, bond_tell_moved, ctx);
}

void bond_follow(struct dp *dp, struct bond *bond)
{
	struct bond_member *current =
		bond->link->conf->mode == BOND_ACTIVE_BACKUP ? bond_choose_current(bond) : NULL;
	bool has_moved = current != bond->current, is_other = false;

	if (has_moved)
		bond_note_current(dp, bond, current);
	for (unsigned int i = 0; i < bond->n_members; i++) {
		struct bond_member *member = bond->members[i];
		bool is_active = bond_wants(bond, member);

		is_other = is_other || is_active != member->is_active;
		member->is_active = is_active;
		if (member->link->is_collecting == bond_collects(bond, member))
			continue;
		member->link->is_collecting = bond_collects(bond, member);
		link_publish(dp, member->link);
	}
	if (is_other)
		bond_publish(dp, bond);
	link_follow_carrier(dp, bond->link);
	if (has_moved && current != NULL && bond->link->is_open)
		bond_tell_moved(bond->link, dp);
}

/* Is it up, and for long enough, or needed at once? True: that is another answer than before. */
static bool bond_look_at(
	struct dp *dp, const struct bond *bond, struct bond_member *member, bool is_needed)
{
	bool is_up = member->link->is_up && member->link->is_running && !member->link->is_paused;
	bool was_usable = member->is_usable;

	if (!is_up)
		member->up_since_ns = 0;
	else if (member->up_since_ns == 0)
		member->up_since_ns = RTE_MAX(dp->now_ns, UINT64_C(1));
	member->is_usable =
		is_up && (was_usable || is_needed ||
				 dp->now_ns - member->up_since_ns >= bond->link->conf->updelay_ns);
	if (was_usable && !member->is_usable)
		member->n_failures++;
	if (was_usable != member->is_usable)
		bond_lacp_follow_line(dp, member);
	return was_usable != member->is_usable;
}

static bool bond_has_usable(const struct bond *bond)
{
	for (unsigned int i = 0; i < bond->n_members; i++)
		if (bond->members[i]->is_usable)
			return true;
	return false;
}

/*
 * At all members. updelay is for who comes to others (as in Linux): nobody waits while the bond is being made,
 * nor when it has lost the last that it could use.
 */
static bool bond_look(struct dp *dp, const struct bond *bond)
{
	bool is_other = false;

	for (unsigned int i = 0; i < bond->n_members; i++)
		is_other =
			bond_look_at(dp, bond, bond->members[i], !bond->link->is_open) || is_other;
	if (bond_has_usable(bond))
		return is_other;
	for (unsigned int i = 0; i < bond->n_members; i++)
		is_other = bond_look_at(dp, bond, bond->members[i], true) || is_other;
	return is_other;
}

static void bond_member_changed(struct dp *dp, struct link *master, struct link *link)
{
	struct bond *bond = bond_of(master);

	(void)link;
	if (bond_look(dp, bond))
		bond_follow(dp, bond);
}

static void bond_tick_one(struct link *link, void *ctx)
{
	struct bond *bond = bond_of(link);
	struct dp *dp = ctx;

	if (bond == NULL)
		return;
	if (dp->now_ns >= bond->next_look_ns) {
		bond->next_look_ns = dp->now_ns + link->conf->miimon_ns;
		for (unsigned int i = 0; i < bond->n_members; i++)
			link_follow_carrier(dp, bond->members[i]->link);
		if (bond_look(dp, bond))
			bond_follow(dp, bond);
	}
	bond_lacp_tick(dp, bond);
}

void bond_tick(struct dp *dp, uint64_t now_ns)
{
	bond_lacp_read(dp);
	link_each(dp, bond_tick_one, dp);
}

/* Members */

struct mac_walk {
	struct dp *dp;
	struct link *bond, *member;
	bool is_wanted;
};

static void mac_accept(struct link *link, void *ctx)
{
	const struct mac_walk *walk = ctx;

	if (link_bottom(link) == walk->bond)
		walk->member->ops->accept_mac(walk->dp, walk->member, &link->mac, walk->is_wanted);
}

/* The addresses of the bond and of what stands on it. */
static void bond_pass_macs(struct dp *dp, struct link *bond, struct link *member, bool is_wanted)
{
	struct mac_walk walk = {
		.dp = dp,
		.bond = bond,
		.member = member,
		.is_wanted = is_wanted,
	};

	link_each(dp, mac_accept, &walk);
	/* While it is being made it is not in the table yet. */
	if (!bond->is_open)
		member->ops->accept_mac(dp, member, &bond->mac, is_wanted);
}

static void bond_accept_mac(
	struct dp *dp, struct link *link, const struct mac_addr *mac, bool is_wanted)
{
	const struct bond *bond = bond_of(link);

	for (unsigned int i = 0; i < bond->n_members; i++) {
		struct link *member = bond->members[i]->link;

		member->ops->accept_mac(dp, member, mac, is_wanted);
	}
}

static int bond_join(struct dp *dp, struct link *master, struct link *link,
	const struct link_member_conf *conf, struct diag *diag)
{
	struct bond *bond = bond_of(master);
	struct bond_member *member;
	int err;

	if (bond_member_of(bond, link) != NULL)
		return 0;
	if (link->ops != &port_ops)
		return diag_error(diag, 0, "", "a bond takes ports only");
	if (link->n_uppers > 0)
		return diag_error(diag, 0, "", "links stand on \"%s\"", link->name);
	if (bond->n_members == BOND_MEMBERS_MAX)
		return diag_error(diag, 0, "", "a bond has %u members at most", BOND_MEMBERS_MAX);
	member = mem_zalloc(sizeof(*member));
	member->link = link;
	err = bond_lacp_join(bond, member);
	if (err < 0) {
		free(member);
		return diag_error(diag, 0, "", "LACP has no place for it: %s", strerror(-err));
	}
	bond->members[bond->n_members++] = member;
	bond_pass_macs(dp, master, link, true);
	link_want_promiscuous(dp, link, master->n_promiscuous);
	(void)bond_look(dp, bond);
	bond_follow(dp, bond);
	return 0;
}

static void bond_leave(struct dp *dp, struct link *master, struct link *link)
{
	struct bond *bond = bond_of(master);
	struct bond_member *member = bond_member_of(bond, link);
	unsigned int i = 0;

	while (bond->members[i] != member)
		i++;
	bond->n_members--;
	memmove(bond->members + i, bond->members + i + 1,
		(bond->n_members - i) * sizeof(bond->members[0]));
	bond_lacp_leave(dp, bond, member);
	if (bond->current == member)
		bond->current = NULL;
	if (member->is_active)
		bond_publish(dp, bond);
	link->is_collecting = false;
	link_publish(dp, link);
	bond_pass_macs(dp, master, link, false);
	link_want_promiscuous(dp, link, -master->n_promiscuous);
	free(member);
	bond_follow(dp, bond);
}

static json_t *bond_member_info(const struct link *link)
{
	const struct bond_member *member = bond_member_of(bond_of(link->master), link);

	return json_pack("{s:s, s:s, s:I}", "state", member->is_active ? "ACTIVE" : "BACKUP",
		"mii_status", member->is_usable ? "UP" : "DOWN", "link_failure_count",
		(json_int_t)member->n_failures);
}

/* The bond as a link */

static void bond_free(struct dp *dp, struct link *link)
{
	struct bond *bond = link->own;

	link->own = NULL;
	dp_retire_heap(dp, bond->dp);
	free(bond);
}

static bool bond_has_carrier(const struct dp *dp, const struct link *link)
{
	return bond_of(link)->n_active >= (unsigned int)RTE_MAX(link->conf->min_links, 1);
}

static int bond_open(struct dp *dp, struct link *link, const char *path, struct diag *diag)
{
	struct bond *bond = mem_zalloc(sizeof(*bond));
	int err;

	link->port = LINK_NO_PORT;
	link->own = bond;
	bond->link = link;
	link_choose_mac(dp, link);
	bond_lacp_start(dp, bond);
	bond_publish(dp, bond);
	err = link_open_members(dp, link, path, diag);
	if (err < 0)
		bond_free(dp, link);
	return err;
}

static void bond_close(struct dp *dp, struct link *link)
{
	link->is_open = false;
	link_leave_all(dp, link);
	bond_free(dp, link);
}

static json_t *bond_info(const struct link *link)
{
	const struct link_conf *conf = link->conf;
	const struct bond *bond = bond_of(link);
	json_t *info = json_pack("{s:s, s:I, s:I, s:I, s:s}", "mode", bond_modes[conf->mode].name,
		"miimon", (json_int_t)(conf->miimon_ns / 1000000), "updelay",
		(json_int_t)(conf->updelay_ns / 1000000), "min_links", (json_int_t)conf->min_links,
		"xmit_hash_policy", bond_policies[conf->policy].name);

	if (bond->current != NULL)
		json_object_set_new(info, "active_slave", json_string(bond->current->link->name));
	if (conf->primary != NULL)
		json_object_set_new(info, "primary", json_string(conf->primary));
	return info;
}

const struct link_ops bond_ops = {
	.name = "bond",
	.kind = LINK_KIND_BOND,
	.flags = LINK_STACKED | LINK_BOND,
	.member_flags = LINK_BONDED,
	.judge = bond_judge,
	.open = bond_open,
	.close = bond_close,
	.mtu_range = link_members_mtu_range,
	.has_carrier = bond_has_carrier,
	.accept_mac = bond_accept_mac,
	.info = bond_info,
	.join = bond_join,
	.leave = bond_leave,
	.member_changed = bond_member_changed,
	.member_info = bond_member_info,
};
