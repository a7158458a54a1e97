/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links of kind bridge, and their members: what workers read of them is published here. Control thread.
 *
 * A bridge filters by VLAN when it is told to, or once one of its members has VLANs of its own; a member that has
 * none is then in VLAN 1, untagged, as in Linux. Its MAC address is that of its first member unless one is
 * given, and stays. Everything that workers may still be reading when a bridge or member goes is retired.
 */
#include "bridge/bridge_priv.h"

#include <rte_malloc.h>
#include <rte_random.h>

#include "base/mem.h"

struct bridge *bridge_of(const struct link *link)
{
	return link->ops == &bridge_ops ? link->own : NULL;
}

static void rte_memory_free(void *ptr, uint64_t arg)
{
	(void)arg;
	rte_free(ptr);
}

/* The forwarding database */

enum {
	FDB_START = 1024, /* entries that the first table of a bridge is for */
	FDB_GROWN =
		32768, /* the last size but one: to copy more would take the control thread too long */
	FDB_GROW_MAX =
		131072, /* tables for more are made whole at once: to clear them takes as long */
};

static void fdb_free(void *ptr, uint64_t arg)
{
	(void)arg;
	fdb_fini(ptr);
	free(ptr);
}

/* -ENOMEM. */
static int bridge_make_fdb(struct bridge *bridge, uint32_t max)
{
	bridge->fdb_max = max;
	bridge->fdb_size = max > FDB_GROW_MAX ? max : RTE_MIN(max, (uint32_t)FDB_START);
	bridge->fdb = mem_zalloc(sizeof(*bridge->fdb));
	if (fdb_init(bridge->fdb, bridge->fdb_size, &bridge->state->seed) < 0) {
		free(bridge->fdb);
		return -ENOMEM;
	}
	bridge->fdb->max = max;
	return 0;
}

/* The same entries in a larger table. Those of a small one lie together, which makes looking them up fast. */
static void bridge_grow(struct dp *dp, struct bridge *bridge)
{
	uint32_t size = bridge->fdb_size >= FDB_GROWN
				? bridge->fdb_max
				: RTE_MIN(2 * bridge->fdb_size, bridge->fdb_max);
	struct fdb *old = bridge->fdb, *fdb = mem_zalloc(sizeof(*fdb));

	if (fdb_copy(old, fdb, size) < 0) {
		free(fdb);
		return;
	}
	bridge->fdb = fdb;
	bridge->fdb_size = size;
	/* Pairs with the acquire in bridge_fdb(). */
	__atomic_store_n(&bridge->dp->fdb, fdb, __ATOMIC_RELEASE);
	dp_retire(dp, fdb_free, old, 0);
}

int bridge_put(struct dp *dp, struct bridge *bridge, uint64_t key, const struct fdb_value *value)
{
	int err = fdb_put(bridge->fdb, key, value);

	if (err != -ENOSPC || bridge->fdb->n == bridge->fdb_max ||
		bridge->fdb_size == bridge->fdb_max)
		return err;
	bridge_grow(dp, bridge);
	return fdb_put(bridge->fdb, key, value);
}

/* Our own addresses */

struct mac_search {
	const struct link *bottom, *but;
	const struct mac_addr *mac;
	bool is_found;
};

static void mac_compare(struct link *link, void *ctx)
{
	struct mac_search *search = ctx;
	bool is_ours = link->master == search->bottom;

	for (const struct link *below = link; below != NULL; below = below->lower)
		is_ours = is_ours || below == search->bottom;
	if (is_ours && link != search->but &&
		memcmp(&link->mac, search->mac, sizeof(link->mac)) == 0)
		search->is_found = true;
}

/* Who has the address but that link: the bridge, a member, or a link on the bridge? */
static bool mac_is_used(struct dp *dp, const struct link *master, const struct link *but,
	const struct mac_addr *mac)
{
	struct mac_search search = { .bottom = master, .but = but, .mac = mac };

	link_each(dp, mac_compare, &search);
	return search.is_found;
}

static void mac_put(struct dp *dp, const struct link *master, const struct mac_addr *mac)
{
	const struct fdb_value local = { .ifindex = master->ifindex, .flags = FDB_LOCAL };

	bridge_forget_mac(bridge_state(dp), bridge_of(master), bridge_mac_word(mac));
	/* There is room for 64 at least; and one that finds none is taken for a stranger's. */
	(void)bridge_put(
		dp, bridge_of(master), fdb_key(bridge_mac_word(mac), BRIDGE_VID_ANY), &local);
}

static void mac_remove(const struct link *master, const struct mac_addr *mac)
{
	fdb_remove(bridge_of(master)->fdb, fdb_key(bridge_mac_word(mac), BRIDGE_VID_ANY));
}

static void bridge_accept_mac(
	struct dp *dp, struct link *link, const struct mac_addr *mac, bool is_wanted)
{
	struct mac_search member = { .bottom = link, .mac = mac };

	link_each_member(dp, link, mac_compare, &member);
	if (is_wanted)
		mac_put(dp, link, mac);
	else if (!member.is_found)
		mac_remove(link, mac);
}

/* Members */

static bool bridge_has(
	const struct bridge_state *state, const struct bridge *bridge, unsigned int ifindex)
{
	return state->members[ifindex] != NULL && state->ports[ifindex].bridge == bridge->dp;
}

static void bridge_publish_members(struct dp *dp, struct bridge *bridge)
{
	const struct bridge_state *state = bridge_state(dp);
	const struct bridge_members *old = bridge->dp->members;
	struct bridge_members *members =
		mem_zalloc(sizeof(*members) + LINK_MAX * sizeof(members->ifindex[0]));

	for (uint16_t i = 0; i < LINK_MAX; i++)
		if (bridge_has(state, bridge, i))
			members->ifindex[members->n++] = i;
	/* Pairs with the acquire in flood_find(). */
	__atomic_store_n(&bridge->dp->members, members, __ATOMIC_RELEASE);
	dp_retire_heap(dp, (void *)(uintptr_t)old);
}

/* As its members' settings have it now. Entries are of no use any more when that changes: they have other VLANs. */
static void bridge_follow_filtering(struct dp *dp, struct bridge *bridge)
{
	struct bridge_state *state = bridge_state(dp);
	bool is_filtering = bridge_conf_of(bridge->link->conf)->is_filtering;

	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (bridge_has(state, bridge, i))
			is_filtering = is_filtering || state->members[i]->has_vlans;
	if (bridge->dp->is_filtering == is_filtering)
		return;
	__atomic_store_n(&bridge->dp->is_filtering, is_filtering, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (bridge_has(state, bridge, i))
			bridge_forget_unfit(state, bridge, state->members[i]->link);
}

/* Of links that are no members any more: workers may have found their bridge just before. */
static const struct bridge_vlans no_vlans;

static void bridge_retire_vlans(struct dp *dp, const struct bridge_vlans *vlans)
{
	if (vlans != &no_vlans)
		dp_retire_heap(dp, (void *)(uintptr_t)vlans);
}

/* Writes what workers read of a member; takes vlans. */
static void bridge_publish_port(struct dp *dp, struct bridge *bridge, const struct link *link,
	const struct bridge_member_conf *conf, bool has_vlans, struct bridge_vlans *vlans)
{
	struct bridge_port *port = &bridge_state(dp)->ports[link->ifindex];
	const struct bridge_vlans *old = port->vlans;
	uint16_t pvid = has_vlans ? (uint16_t)conf->pvid : BRIDGE_PVID_DEFAULT;
	uint16_t flags = (uint16_t)((conf->is_isolated ? BRIDGE_ISOLATED : 0) |
				    (conf->is_learning ? BRIDGE_LEARNING : 0) |
				    (conf->is_flooded ? BRIDGE_FLOOD : 0));

	vlans->bits[pvid / 64] |= UINT64_C(1) << pvid % 64;
	vlans->bits[0] &= ~UINT64_C(1); /* no PVID is no VLAN */
	__atomic_store_n(&port->vlans, vlans, __ATOMIC_RELEASE);
	__atomic_store_n(&port->pvid, pvid, __ATOMIC_RELAXED);
	__atomic_store_n(&port->flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&port->mtu, link->mtu, __ATOMIC_RELAXED);
	/* Last: who finds the bridge finds the rest. Pairs with the acquire in bridge_seek(). */
	__atomic_store_n(&port->bridge, bridge->dp, __ATOMIC_RELEASE);
	bridge_retire_vlans(dp, old);
}

static void bridge_take(struct dp *dp, struct link *master, struct link *link)
{
	struct bridge_member *member = mem_zalloc(sizeof(*member));

	member->link = link;
	bridge_state(dp)->members[link->ifindex] = member;
	mac_put(dp, master, &link->mac);
	link_want_promiscuous(dp, link, 1);
}

static int bridge_join(struct dp *dp, struct link *master, struct link *link,
	const struct link_member_conf *conf, struct diag *diag)
{
	const struct bridge_member_conf *settings = bridge_member_conf_of(conf);
	struct bridge_state *state = bridge_state(dp);
	struct bridge *bridge = bridge_of(master);
	struct bridge_vlans *vlans;

	if (bridge_of(link_bottom(link)) != NULL)
		return diag_error(
			diag, 0, "", "a bridge takes none that is, or stands on, a bridge");
	vlans = mem_zalloc(sizeof(*vlans));
	if (bridge_vlans_parse(settings->vlans, vlans) < 0) {
		free(vlans);
		return diag_error(diag, 0, "vlans", BRIDGE_VLANS_HELP);
	}
	if (state->members[link->ifindex] == NULL)
		bridge_take(dp, master, link);
	state->members[link->ifindex]->n_max = (uint32_t)settings->fdb_max;
	state->members[link->ifindex]->has_vlans = bridge_member_has_vlans(conf);
	bridge_publish_port(dp, bridge, link, settings, bridge_member_has_vlans(conf), vlans);
	bridge_publish_members(dp, bridge);
	bridge_follow_filtering(dp, bridge);
	bridge_forget_unfit(state, bridge, link);
	return 0;
}

static void bridge_leave(struct dp *dp, struct link *master, struct link *link)
{
	struct bridge_state *state = bridge_state(dp);
	struct bridge_port *port = &state->ports[link->ifindex];
	const struct bridge_vlans *old = port->vlans;
	struct bridge *bridge = bridge_of(master);

	__atomic_store_n(&port->bridge, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&port->vlans, &no_vlans, __ATOMIC_RELEASE);
	bridge_retire_vlans(dp, old);
	bridge_publish_members(dp, bridge);
	bridge_forget(state, bridge, link, true);
	free(state->members[link->ifindex]);
	state->members[link->ifindex] = NULL;
	if (!mac_is_used(dp, master, link, &link->mac))
		mac_remove(master, &link->mac);
	link_want_promiscuous(dp, link, -1);
	bridge_follow_filtering(dp, bridge);
}

static void bridge_member_changed(struct dp *dp, struct link *master, struct link *link)
{
	struct bridge_state *state = bridge_state(dp);

	__atomic_store_n(&state->ports[link->ifindex].mtu, link->mtu, __ATOMIC_RELAXED);
	/* What is behind it may come by another one now. */
	if (!link->is_up || !link->is_running)
		bridge_forget(state, bridge_of(master), link, false);
}

static json_t *bridge_member_info(const struct link *link)
{
	const struct link_member_conf *conf = link_member_conf_find(link->master->conf, link->name);
	json_t *info = conf != NULL ? schema_to_json(&link_member_object, conf) : json_object();

	json_object_del(info, "name");
	return info;
}

/* The bridge as a link */

static void bridge_free(void *ptr, uint64_t arg)
{
	struct bridge *bridge = ptr;

	(void)arg;
	fdb_free(bridge->fdb, 0);
	free((void *)(uintptr_t)bridge->dp->members);
	rte_free(bridge->dp);
	free(bridge);
}

/* -ENOMEM. */
static int bridge_make(struct dp *dp, struct link *link)
{
	const struct bridge_conf *conf = bridge_conf_of(link->conf);
	struct bridge *bridge = mem_zalloc(sizeof(*bridge));

	bridge->link = link;
	bridge->state = bridge_state(dp);
	bridge->ageing_s = (uint32_t)(conf->ageing_ns / UINT64_C(1000000000));
	bridge->dp = rte_zmalloc("bridge", sizeof(*bridge->dp), RTE_CACHE_LINE_SIZE);
	if (bridge->dp == NULL)
		goto err_free;
	if (bridge_make_fdb(bridge, (uint32_t)conf->fdb_max) < 0)
		goto err_free_dp;
	*bridge->dp = (struct bridge_dp){
		.mac = bridge_mac_word(&link->mac),
		.fdb = bridge->fdb,
		.members = mem_zalloc(sizeof(struct bridge_members)),
		.ifindex = link->ifindex,
		.pvid = (uint16_t)conf->pvid,
		.is_filtering = conf->is_filtering,
	};
	link->own = bridge;
	return 0;

err_free_dp:
	rte_free(bridge->dp);
err_free:
	free(bridge);
	return -ENOMEM;
}

/* Workers no longer find it. */
static void bridge_unmake(struct dp *dp, struct link *link)
{
	__atomic_store_n(&bridge_state(dp)->ports[link->ifindex].bridge, NULL, __ATOMIC_RELEASE);
	dp_retire(dp, bridge_free, link->own, 0);
	link->own = NULL;
}

static int bridge_open(struct dp *dp, struct link *link, const char *path, struct diag *diag)
{
	int err;

	link->port = LINK_NO_PORT;
	link_choose_mac(dp, link);
	if (bridge_make(dp, link) < 0)
		return diag_error(diag, 0, path,
			"no memory for a forwarding database of %u entries",
			(unsigned int)bridge_conf_of(link->conf)->fdb_max);
	mac_put(dp, link, &link->mac);
	err = link_open_members(dp, link, path, diag);
	if (err < 0) {
		bridge_unmake(dp, link);
		return err;
	}
	__atomic_store_n(&bridge_state(dp)->ports[link->ifindex].bridge, bridge_of(link)->dp,
		__ATOMIC_RELEASE);
	return 0;
}

static void bridge_close(struct dp *dp, struct link *link)
{
	link->is_open = false;
	link_leave_all(dp, link);
	bridge_unmake(dp, link);
}

static uint32_t bridge_count_learned(const struct bridge *bridge)
{
	const struct bridge_state *state = bridge->state;
	uint32_t n = 0;

	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (bridge_has(state, bridge, i))
			n += state->members[i]->n_learned;
	return n;
}

/* Names and units of ip-link(8). */
static json_t *bridge_info(const struct link *link)
{
	const struct bridge *bridge = bridge_of(link);

	return json_pack("{s:I, s:i, s:i, s:I, s:I}", "ageing_time",
		(json_int_t)bridge->ageing_s * 100, "vlan_filtering", bridge->dp->is_filtering,
		"vlan_default_pvid", bridge->dp->pvid, "fdb_n_learned",
		(json_int_t)bridge_count_learned(bridge), "fdb_max_learned",
		(json_int_t)bridge->fdb_max);
}

const struct link_ops bridge_ops = {
	.name = "bridge",
	.kind = LINK_KIND_BRIDGE,
	.flags = LINK_STACKED | LINK_BRIDGE,
	.member_flags = LINK_BRIDGED,
	.judge = bridge_judge,
	.open = bridge_open,
	.close = bridge_close,
	.mtu_range = link_members_mtu_range,
	.has_carrier = link_members_have_carrier,
	.accept_mac = bridge_accept_mac,
	.info = bridge_info,
	.join = bridge_join,
	.leave = bridge_leave,
	.member_changed = bridge_member_changed,
	.member_info = bridge_member_info,
};

/* The module */

static int bridge_init(struct dp *dp)
{
	struct bridge_state *state = bridge_state(dp);

	state->ports =
		rte_zmalloc("bridge_ports", LINK_MAX * sizeof(*state->ports), RTE_CACHE_LINE_SIZE);
	if (state->ports == NULL)
		return -ENOMEM;
	state->seed = (struct hash_seed){ .word = { rte_rand() | 1, rte_rand() | 1 } };
	return 0;
}

static void bridge_fini(struct dp *dp)
{
	/* Links go later than this module, and write there when they do. */
	dp_retire(dp, rte_memory_free, bridge_state(dp)->ports, 0);
}

static void bridge_age_one(struct link *link, void *ctx)
{
	if (bridge_of(link) != NULL)
		bridge_age(ctx, bridge_of(link));
}

static void bridge_tick(struct dp *dp, uint64_t now_ns)
{
	struct bridge_state *state = bridge_state(dp);

	__atomic_store_n(
		&state->now_s, (uint32_t)(now_ns / UINT64_C(1000000000)), __ATOMIC_RELAXED);
	bridge_learn(dp, BRIDGE_NEWS);
	link_each(dp, bridge_age_one, state);
}

#define BRIDGE_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason bridge_drops[] = { BRIDGE_DROPS(BRIDGE_DROP_ROW) };
static_assert(RTE_DIM(bridge_drops) == BRIDGE_N_DROPS, "one row per reason");

struct module bridge_module = {
	.name = "bridge",
	.sections = bridge_sections,
	.commands = bridge_commands,
	.drops = bridge_drops,
	.n_drops = BRIDGE_N_DROPS,
	.state_size = sizeof(struct bridge_state),
	.worker_state_size = sizeof(struct bridge_worker),
	.extend = bridge_extend,
	.init = bridge_init,
	.fini = bridge_fini,
	.worker_init = bridge_worker_init,
	.worker_fini = bridge_worker_fini,
	.tick = bridge_tick,
};
