/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links of kind vlan: an 802.1Q or 802.1ad tag on another link, which may be a VLAN itself (QinQ). All
 * that a VLAN has of its own is a row in the table of the link that it stands on; the stages `l2` and `tx`
 * take tags off and put them on. Control thread.
 *
 * As in Linux: the MAC address is that of the link below unless one is given, the MTU at most that of the link
 * below and lowered with it, and the carrier is there when the link below is up and has one.
 */
#include <rte_malloc.h>

#include "link/link_priv.h"
#include "net/vlan.h"

static uint16_t *vlan_entry(const struct link *link)
{
	uint16_t tpid_be = rte_cpu_to_be_16((uint16_t)link->conf->tpid);

	return &link->lower->vlans->link[vlan_tpid_index(tpid_be)][link->conf->vid];
}

/* -ENOMEM. */
static int vlan_table_make(struct dp *dp, struct link *lower)
{
	if (lower->vlans != NULL)
		return 0;
	lower->vlans = rte_zmalloc("vlans", sizeof(*lower->vlans), 0);
	if (lower->vlans == NULL)
		return -ENOMEM;
	link_publish(dp, lower);
	return 0;
}

struct mac_user {
	struct link *link;
	bool is_there;
};

static void find_mac_user(struct link *other, void *ctx)
{
	struct mac_user *user = ctx;

	user->is_there = user->is_there ||
			 (other != user->link && link_bottom(other) == link_bottom(user->link) &&
				 memcmp(&other->mac, &user->link->mac, sizeof(other->mac)) == 0);
}

/* The link at the bottom, unless the VLAN has the address of another link on it. */
static void vlan_follow_mac(struct dp *dp, struct link *link, bool is_wanted)
{
	struct mac_user user = { .link = link };
	struct link *bottom = link_bottom(link);

	link_each(dp, find_mac_user, &user);
	if (user.is_there)
		return;
	bottom->ops->accept_mac(dp, bottom, &link->mac, is_wanted);
}

/* How many tags the frames of a link have. */
static unsigned int vlan_depth(const struct link *link)
{
	unsigned int n = 0;

	for (; link->lower != NULL; link = link->lower)
		n++;
	return n;
}

static int vlan_open(struct dp *dp, struct link *link, const char *path, struct diag *diag)
{
	const struct link_conf *conf = link->conf;
	struct link *lower = link_by_name(dp, conf->parent);

	if (lower == NULL)
		return diag_error(diag, 0, path, "there is no link \"%s\"", conf->parent);
	if (lower->master != NULL && lower->master->ops == &bond_ops)
		return diag_error(diag, 0, path,
			"\"%s\" is a member of \"%s\", which its frames are for", lower->name,
			lower->master->name);
	if (vlan_depth(lower) == VLAN_TAGS_MAX)
		return diag_error(
			diag, 0, path, "at most %u tags on a frame are possible", VLAN_TAGS_MAX);
	if (vlan_table_make(dp, lower) < 0)
		return diag_error(diag, 0, path, "no memory for the VLANs of \"%s\"", lower->name);
	link->mtu = conf->mtu != 0 ? (uint16_t)conf->mtu : lower->mtu;
	if (link->mtu > lower->mtu)
		return diag_error(diag, 0, path, "MTU %u is larger than the %u of \"%s\" below",
			link->mtu, lower->mtu, lower->name);
	link->lower = lower;
	if (*vlan_entry(link) != 0)
		return diag_error(diag, 0, path, "VLAN %u of \"%s\" is already link \"%s\"",
			(unsigned int)conf->vid, lower->name, link_name(dp, *vlan_entry(link)));
	lower->n_uppers++;
	link->port = lower->port;
	link->mac = mac_addr_is_zero(&conf->mac) ? lower->mac : conf->mac;
	vlan_follow_mac(dp, link, true);
	link->is_running = vlan_ops.has_carrier(dp, link);
	link->is_open = true;
	link_follow_steering(dp, link);
	link_publish(dp, link);
	/* Pairs with the acquire in l2_upper(): who finds it finds what it is. */
	__atomic_store_n(vlan_entry(link), link->ifindex, __ATOMIC_RELEASE);
	port_follow_exit(dp, lower);
	if (lower->ops == &port_ops && conf->tpid == RTE_ETHER_TYPE_VLAN)
		port_strip_vlans(dp, lower);
	return 0;
}

static void vlan_close(struct dp *dp, struct link *link)
{
	struct link *lower = link->lower;

	__atomic_store_n(vlan_entry(link), 0, __ATOMIC_RELAXED);
	vlan_follow_mac(dp, link, false);
	lower->n_uppers--;
	port_follow_exit(dp, lower);
}

static void vlan_mtu_range(
	const struct dp *dp, const struct link *link, uint16_t *min, uint16_t *max)
{
	(void)dp;
	*min = LINK_MTU_MIN;
	*max = link->lower->mtu;
}

static bool vlan_has_carrier(const struct dp *dp, const struct link *link)
{
	(void)dp;
	return link->lower->is_up && link->lower->is_running;
}

static json_t *vlan_info(const struct link *link)
{
	return json_pack("{s:s, s:i}", "protocol",
		link->conf->tpid == RTE_ETHER_TYPE_QINQ ? "802.1ad" : "802.1Q", "id",
		(int)link->conf->vid);
}

const struct link_ops vlan_ops = {
	.name = "vlan",
	.kind = LINK_KIND_VLAN,
	.flags = LINK_STACKED,
	.open = vlan_open,
	.close = vlan_close,
	.mtu_range = vlan_mtu_range,
	.has_carrier = vlan_has_carrier,
	.info = vlan_info,
};
