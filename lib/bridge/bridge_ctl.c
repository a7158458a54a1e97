/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The settings of bridges and of their members, which are fields of the section `links` and of `link set`.
 * Control thread.
 */
#include "bridge/bridge_priv.h"

#define PORT_FIELDS                                                                                \
	{ .name = "pvid",                                                                          \
		.type = FIELD_INT,                                                                 \
		.offset = offsetof(struct bridge_member_conf, pvid),                               \
		.min = 1,                                                                          \
		.max = LINK_VID_MAX,                                                               \
		.help = "VLAN of untagged frames; 1 when neither this nor vlans is given, else "   \
			"none",                                                                    \
		.example = "10" },                                                                 \
		{ .name = "vlans",                                                                 \
			.type = FIELD_STRING,                                                      \
			.flags = FIELD_DIGITS,                                                     \
			.offset = offsetof(struct bridge_member_conf, vlans),                      \
			.help = "VLANs that a member takes and sends, all but pvid tagged",        \
			.example = "10,20-30" },                                                   \
		{ .name = "isolated",                                                              \
			.type = FIELD_BOOL,                                                        \
			.offset = offsetof(struct bridge_member_conf, is_isolated),                \
			.def = "false",                                                            \
			.help = "a member sends nothing to other isolated ones" },                 \
		{ .name = "learning",                                                              \
			.type = FIELD_BOOL,                                                        \
			.offset = offsetof(struct bridge_member_conf, is_learning),                \
			.def = "true",                                                             \
			.help = "stations behind a member are learned" },                          \
		{ .name = "flood",                                                                 \
			.type = FIELD_BOOL,                                                        \
			.offset = offsetof(struct bridge_member_conf, is_flooded),                 \
			.def = "true",                                                             \
			.help = "a member is sent frames to stations that nobody knows" },         \
		{ .name = "fdb_max",                                                               \
			.type = FIELD_INT,                                                         \
			.offset = offsetof(struct bridge_member_conf, fdb_max),                    \
			.min = 0,                                                                  \
			.max = FDB_MAX_MAX,                                                        \
			.def = "0",                                                                \
			.help = "stations that are learned behind a member at most; 0: as many "   \
				"as "                                                              \
				"the bridge has room for" },                                       \
	{                                                                                          \
		.type = FIELD_END                                                                  \
	}

static const struct field bridge_member_fields[] = { PORT_FIELDS };
static struct object_ext bridge_member_ext = {
	.fields = bridge_member_fields,
	.size = sizeof(struct bridge_member_conf),
};
static struct object_ext bridge_set_ext = {
	.fields = bridge_member_fields,
	.size = sizeof(struct bridge_member_conf),
};

static const struct field bridge_fields[] = {
	{ .name = "ageing",
		.type = FIELD_TIME,
		.offset = offsetof(struct bridge_conf, ageing_ns),
		.min = INT64_C(1000000000),
		.max = INT64_C(1000000) * 1000000000,
		.def = "300s",
		.help = "how long a bridge remembers a station that is silent" },
	{ .name = "vlan_filtering",
		.type = FIELD_BOOL,
		.offset = offsetof(struct bridge_conf, is_filtering),
		.def = "false",
		.help = "whether a bridge keeps VLANs apart; it does in any case when a member "
			"has pvid or vlans" },
	{ .name = "vlan_default_pvid",
		.type = FIELD_INT,
		.offset = offsetof(struct bridge_conf, pvid),
		.min = 1,
		.max = LINK_VID_MAX,
		.def = "1",
		.help = "VLAN of a filtering bridge's own untagged frames" },
	{ .name = "fdb_max",
		.type = FIELD_INT,
		.offset = offsetof(struct bridge_conf, fdb_max),
		.min = FDB_MAX_MIN,
		.max = FDB_MAX_MAX,
		.def = "131072",
		.help = "stations that a bridge has room for; 32 bytes each" },
	{ .type = FIELD_END },
};

static struct object_ext bridge_ext = {
	.fields = bridge_fields,
	.size = sizeof(struct bridge_conf),
};

const struct bridge_conf *bridge_conf_of(const struct link_conf *conf)
{
	return object_ext_of(conf, &bridge_ext);
}

const struct bridge_member_conf *bridge_member_conf_of(const struct link_member_conf *conf)
{
	return object_ext_of(conf, &bridge_member_ext);
}

bool bridge_member_has_vlans(const struct link_member_conf *conf)
{
	return object_has(&link_member_object, conf, "pvid") ||
	       object_has(&link_member_object, conf, "vlans");
}

static void judge_members(const struct link_conf *conf, struct diag *found)
{
	struct bridge_vlans vlans;
	char path[32];

	for (unsigned int i = 0; i < conf->members.n; i++) {
		const struct link_member_conf *member =
			field_list_item(&link_member_object, &conf->members, i);

		snprintf(path, sizeof(path), "members[%u].vlans", i);
		if (bridge_vlans_parse(bridge_member_conf_of(member)->vlans, &vlans) < 0)
			diag_error(found, 0, path, BRIDGE_VLANS_HELP);
	}
}

void bridge_judge(const struct link_conf *conf, struct diag *found)
{
	if (conf->kind == LINK_KIND_BRIDGE) {
		judge_members(conf, found);
		return;
	}
	for (const struct field *field = bridge_fields; field->type != FIELD_END; field++)
		if (object_has(&link_object, conf, field->name))
			diag_error(found, 0, field->name, "only a bridge has such a setting");
}

void bridge_extend(void)
{
	object_extend(&link_object, &bridge_ext);
	object_extend(&link_member_object, &bridge_member_ext);
	object_extend(&link_set_object, &bridge_set_ext);
	link_register_kind(&bridge_ops);
}
