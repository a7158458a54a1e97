/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of bonds: words of their settings, and `bond show`, which tells what /proc/net/bonding does of
 * Linux. Control thread.
 */
#include "link/bond_priv.h"

const struct field_enum bond_modes[] = {
	{ "balance-rr", BOND_BALANCE_RR, "packet by packet, each by the next member" },
	{ "active-backup", BOND_ACTIVE_BACKUP, "one member, another one when that fails" },
	{ "balance-xor", BOND_BALANCE_XOR, "by hash, all members" },
	{ "802.3ad", BOND_802_3AD, "by hash, members that LACP has agreed on" },
	{ 0 },
};

const struct field_enum bond_policies[] = {
	{ "layer2", BOND_LAYER2, "MAC addresses" },
	{ "layer2+3", BOND_LAYER2_3, "MAC and IP addresses" },
	{ "layer3+4", BOND_LAYER3_4, "IP addresses and ports" },
	{ 0 },
};

const struct field_enum bond_rates[] = {
	{ "slow", 0, "partners are asked for an LACPDU each 30 s" },
	{ "fast", 1, "each second" },
	{ 0 },
};

const struct field_enum bond_selects[] = {
	{ "stable", LACP_AD_STABLE, "the aggregator in use as long as it has a partner" },
	{ "bandwidth", LACP_AD_BANDWIDTH, "that of most bandwidth" },
	{ "count", LACP_AD_COUNT, "that of most members" },
	{ 0 },
};

/* Settings that not every mode has. */
static const struct {
	const char *name;
	enum bond_mode mode;
} bond_special[] = {
	{ "primary", BOND_ACTIVE_BACKUP },
	{ "lacp_rate", BOND_802_3AD },
	{ "lacp_active", BOND_802_3AD },
	{ "ad_select", BOND_802_3AD },
};

void bond_judge(const struct link_conf *conf, struct diag *found)
{
	if (conf->kind != LINK_KIND_BOND)
		return;
	for (unsigned int i = 0; i < RTE_DIM(bond_special); i++)
		if (object_has(&link_object, conf, bond_special[i].name) &&
			conf->mode != (int)bond_special[i].mode)
			diag_error(found, 0, bond_special[i].name, "is for mode %s",
				bond_modes[bond_special[i].mode].name);
	if (conf->mode == BOND_ACTIVE_BACKUP && conf->min_links > 1)
		diag_error(found, 0, "min_links", "active-backup uses one member at a time");
}

/* As tcpdump and Linux abbreviate them. */
static json_t *state_json(uint8_t state)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} bits[] = {
		{ LACP_STATE_ACTIVITY, "active" },
		{ LACP_STATE_TIMEOUT, "short_timeout" },
		{ LACP_STATE_AGGREGATION, "aggregatable" },
		{ LACP_STATE_SYNCHRONIZATION, "in_sync" },
		{ LACP_STATE_COLLECTING, "collecting" },
		{ LACP_STATE_DISTRIBUTING, "distributing" },
		{ LACP_STATE_DEFAULTED, "defaulted" },
		{ LACP_STATE_EXPIRED, "expired" },
	};
	json_t *names = json_array();

	for (unsigned int i = 0; i < RTE_DIM(bits); i++)
		if (state & bits[i].bit)
			json_array_append_new(names, json_string(bits[i].name));
	return names;
}

static json_t *info_json(const struct lacp_info *info)
{
	char mac[MAC_ADDR_TEXT_MAX];

	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:o}", "system",
		mac_addr_text(&info->system, mac), "system_priority", info->system_priority, "key",
		info->key, "port", info->port, "port_priority", info->port_priority, "state",
		state_json(info->state));
}

static json_t *lacp_json(const struct lacp_group *group, const struct lacp_port *port)
{
	const struct lacp_counters *n = &port->counters;

	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I}}",
		"aggregator", (int)lacp_aggregator_id(group, port->aggregator), "receive",
		lacp_rx_text(port->rx), "periodic", lacp_periodic_text(port->periodic), "mux",
		lacp_mux_text(port->mux), "actor", info_json(&port->actor), "partner",
		info_json(&port->partner), "counters", "rx", (json_int_t)n->n_rx, "tx",
		(json_int_t)n->n_tx, "bad", (json_int_t)n->n_bad, "looped", (json_int_t)n->n_looped,
		"markers", (json_int_t)n->n_markers, "expired", (json_int_t)n->n_expired);
}

static json_t *member_json(const struct bond *bond, const struct bond_member *member)
{
	json_t *row = json_pack("{s:s, s:b, s:s, s:I}", "ifname", member->link->name, "active",
		member->is_active, "mii_status", member->is_usable ? "up" : "down",
		"link_failure_count", (json_int_t)member->n_failures);

	if (member->lacp.group != NULL)
		json_object_set_new(row, "lacp", lacp_json(&bond->lacp, &member->lacp));
	return row;
}

static json_t *bond_json(const struct bond *bond)
{
	const struct link_conf *conf = bond->link->conf;
	json_t *members = json_array(), *row;

	for (unsigned int i = 0; i < bond->n_members; i++)
		json_array_append_new(members, member_json(bond, bond->members[i]));
	row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "ifname", bond->link->name, "mode",
		bond_modes[conf->mode].name, "xmit_hash_policy", bond_policies[conf->policy].name,
		"min_links", (json_int_t)conf->min_links, "n_active", (json_int_t)bond->n_active,
		"members", members);
	if (conf->mode == BOND_802_3AD)
		json_object_set_new(row, "active_aggregator",
			json_integer(lacp_aggregator_id(&bond->lacp, bond->lacp.active)));
	return row;
}

struct bond_show {
	json_t *rows;
	const char *only; /* NULL: all */
};

static void show_one(struct link *link, void *ctx)
{
	const struct bond_show *show = ctx;
	const struct bond *bond = bond_of(link);

	if (bond != NULL && (show->only == NULL || strcmp(show->only, link->name) == 0))
		json_array_append_new(show->rows, bond_json(bond));
}

int bond_show(struct call *call, const void *args)
{
	const struct link_dev_args *a = args;
	const struct link *link = a->dev != NULL ? link_by_name(call->ctx, a->dev) : NULL;
	struct bond_show show = { .only = a->dev };

	if (a->dev != NULL && (link == NULL || bond_of(link) == NULL))
		return call_fail(call, -ENODEV, "there is no bond \"%s\"", a->dev);
	show.rows = json_array();
	link_each(call->ctx, show_one, &show);
	call->result = show.rows;
	return 0;
}

const struct column bond_columns[] = {
	{ .path = "ifname", .title = "BOND" },
	{ .path = "mode", .title = "MODE" },
	{ .path = "xmit_hash_policy", .title = "HASH" },
	{ .path = "n_active", .title = "ACTIVE" },
	{ .path = "active_aggregator", .title = "AGGREGATOR" },
	{ .path = "members.ifname", .title = "MEMBERS" },
	{ .path = "members.active", .title = "ARE ACTIVE" },
	{ .title = NULL },
};
