/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of links: the `links` section, `link show`, `xstats show`. Answers have the
 * shapes of `ip -j link`. Control thread. What changes links is in link_set_ctl.c.
 */
#include "base/mem.h"
#include "link/link_priv.h"

/* Configuration */

const struct field_enum link_kinds[] = {
	{ "port", LINK_KIND_PORT, "a device of DPDK" },
	{ "vlan", LINK_KIND_VLAN, "an 802.1Q tag on another link" },
	{ "bridge", LINK_KIND_BRIDGE, "a learning bridge over links" },
	{ "bond", LINK_KIND_BOND, "several links as one" },
	{ "veth", LINK_KIND_VETH, "one end of a pair between namespaces" },
	{ 0 },
};

static const struct field_enum link_steerings[] = {
	{ "auto", LINK_STEERING_AUTO,
		"the device if it can, else weir where connections are tracked" },
	{ "hardware", LINK_STEERING_HARDWARE, "packets come split into queues as they should" },
	{ "software", LINK_STEERING_SOFTWARE, "weir hands each packet to the worker that owns it" },
	{ 0 },
};

static const struct field_enum link_protocols[] = {
	{ "802.1Q", RTE_ETHER_TYPE_VLAN, "customer tags, EtherType 0x8100" },
	{ "802.1ad", RTE_ETHER_TYPE_QINQ,
		"service tags, EtherType 0x88a8: the outer ones of QinQ" },
	{ 0 },
};

static struct object_ext *link_member_exts;

const struct object link_member_object = {
	.name = "member",
	.help = "a link that a bridge or bond has taken",
	.size = sizeof(struct link_member_conf),
	.fields =
		(const struct field[]){
			{ .name = "name",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct link_member_conf, name),
				.max = LINK_NAME_MAX - 1,
				.help = "the link",
				.example = "eth2",
				.complete = "link.show:ifname" },
			{ .type = FIELD_END },
		},
	.exts = &link_member_exts,
};

static const struct field link_fields[] = {
	{ .name = "name",
		.type = FIELD_STRING,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct link_conf, name),
		.max = LINK_NAME_MAX - 1,
		.help = "name of the link, unique in its namespace",
		.example = "lan",
		.json = "ifname" },
	{ .name = "type",
		.type = FIELD_ENUM,
		.offset = offsetof(struct link_conf, kind),
		.def = "port",
		.enums = link_kinds,
		.help = "kind of link" },
	{ .name = "device",
		.type = FIELD_STRING,
		.offset = offsetof(struct link_conf, device),
		.max = 1023,
		.help = "DPDK device: a PCI address, or a driver and its arguments",
		.example = "net_tap0,iface=lan0" },
	{ .name = "mac",
		.type = FIELD_MAC,
		.offset = offsetof(struct link_conf, mac),
		.help = "MAC address; the device's own when left out",
		.json = "address" },
	{ .name = "mtu",
		.type = FIELD_INT,
		.offset = offsetof(struct link_conf, mtu),
		.min = LINK_MTU_MIN,
		.max = LINK_MTU_MAX,
		.help = "largest IP packet in bytes; 1500 when left out, or as much as the link "
			"below" },
	{ .name = "queues",
		.type = FIELD_INT,
		.offset = offsetof(struct link_conf, queues),
		.min = 1,
		.max = 64,
		.def = "1",
		.help = "receive queues, dealt out to the workers in turn" },
	{ .name = "steering",
		.type = FIELD_ENUM,
		.offset = offsetof(struct link_conf, steering),
		.def = "auto",
		.enums = link_steerings,
		.help = "who brings a received packet to the worker that owns its flow" },
	{ .name = "promiscuous",
		.type = FIELD_BOOL,
		.offset = offsetof(struct link_conf, is_promiscuous),
		.def = "false",
		.help = "take every unicast frame as addressed to this link" },
	{ .name = "up",
		.type = FIELD_BOOL,
		.offset = offsetof(struct link_conf, is_up),
		.def = "true",
		.help = "administrative state at start" },
	{ .name = "xdp", .type = FIELD_PENDING, .help = "an XDP program for received frames" },
	{ .name = "parent",
		.type = FIELD_STRING,
		.offset = offsetof(struct link_conf, parent),
		.max = LINK_NAME_MAX - 1,
		.help = "link below a vlan",
		.example = "lan",
		.complete = "link.show:ifname",
		.json = "link" },
	{ .name = "vid",
		.type = FIELD_INT,
		.offset = offsetof(struct link_conf, vid),
		.min = 1,
		.max = LINK_VID_MAX,
		.help = "VLAN id",
		.example = "100" },
	{ .name = "protocol",
		.type = FIELD_ENUM,
		.offset = offsetof(struct link_conf, tpid),
		.def = "802.1Q",
		.enums = link_protocols,
		.help = "which tag a vlan has" },
	{ .name = "members",
		.type = FIELD_LIST,
		.flags = FIELD_SHORT,
		.offset = offsetof(struct link_conf, members),
		.object = &link_member_object,
		.help = "links of a bridge or bond; a name alone is one with all defaults" },
	{ .name = "mode",
		.type = FIELD_ENUM,
		.offset = offsetof(struct link_conf, mode),
		.def = "balance-rr",
		.enums = bond_modes,
		.help = "which members a bond sends by" },
	{ .name = "xmit_hash_policy",
		.type = FIELD_ENUM,
		.flags = FIELD_NAMED,
		.offset = offsetof(struct link_conf, policy),
		.def = "layer2",
		.enums = bond_policies,
		.help = "what a bond's hash is of; other frames than IP go by MAC addresses" },
	{ .name = "primary",
		.type = FIELD_STRING,
		.offset = offsetof(struct link_conf, primary),
		.max = LINK_NAME_MAX - 1,
		.help = "member that active-backup uses whenever it is there",
		.example = "eth4",
		.complete = "link.show:ifname" },
	{ .name = "min_links",
		.type = FIELD_INT,
		.offset = offsetof(struct link_conf, min_links),
		.min = 0,
		.max = 32,
		.def = "0",
		.help = "active members that a bond needs to have a carrier; one at least" },
	{ .name = "miimon",
		.type = FIELD_TIME,
		.offset = offsetof(struct link_conf, miimon_ns),
		.min = INT64_C(10000000),
		.max = INT64_C(60000000000),
		.def = "10ms",
		.help = "how often a bond looks at its members' carriers" },
	{ .name = "updelay",
		.type = FIELD_TIME,
		.offset = offsetof(struct link_conf, updelay_ns),
		.min = 0,
		.max = INT64_C(3600000000000),
		.def = "0",
		.help = "how long a member must have a carrier before a bond uses it" },
	{ .name = "lacp_rate",
		.type = FIELD_ENUM,
		.flags = FIELD_NAMED,
		.offset = offsetof(struct link_conf, lacp_rate),
		.def = "slow",
		.enums = bond_rates,
		.help = "how often partners are asked to send LACPDUs" },
	{ .name = "lacp_active",
		.type = FIELD_BOOL,
		.offset = offsetof(struct link_conf, is_lacp_active),
		.def = "true",
		.help = "speak first, not only to partners that do" },
	{ .name = "ad_select",
		.type = FIELD_ENUM,
		.flags = FIELD_NAMED,
		.offset = offsetof(struct link_conf, ad_select),
		.def = "stable",
		.enums = bond_selects,
		.help = "which aggregator a bond uses" },
	{ .name = "peer", .type = FIELD_PENDING, .help = "other end of a veth" },
	{ .name = "peer_namespace", .type = FIELD_PENDING, .help = "namespace of the other end" },
	{ .type = FIELD_END },
};

static struct object_ext *link_exts;

const struct object link_object = {
	.name = "link",
	.help = "a network interface",
	.size = sizeof(struct link_conf),
	.fields = link_fields,
	.exts = &link_exts,
};

static int link_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	struct link *link;

	return link_create(dp, object, path, diag, &link);
}

struct link_print {
	const struct dp *dp;
	FILE *out;
	unsigned int depth; /* of those that are printed now */
	unsigned int n;
	bool is_deeper; /* there are others */
};

/* What it has when none is given. */
static uint16_t link_default_mtu(const struct dp *dp, const struct link *link)
{
	uint16_t min, max;

	link->ops->mtu_range(dp, link, &min, &max);
	if (link->lower != NULL)
		return max;
	return link->n_members > 0 ? max : LINK_MTU_DEFAULT;
}

static void link_print_one(struct link *link, void *ctx)
{
	struct link_conf *conf = (struct link_conf *)(uintptr_t)link->conf;
	struct link_print *print = ctx;
	unsigned int depth = link_depth(print->dp, link);

	print->is_deeper = print->is_deeper || depth > print->depth;
	if (depth != print->depth)
		return;
	/* The running values stand in for the configured ones. */
	conf->mtu = link->mtu != link_default_mtu(print->dp, link) ? link->mtu : 0;
	conf->is_up = link->is_up;
	fprintf(print->out, "%s\t{\n", print->n++ > 0 ? ",\n" : "");
	schema_print(print->out, &link_object, conf, 2);
	fprintf(print->out, "\t}");
}

static void link_print(struct dp *dp, FILE *out)
{
	struct link_print print = { .dp = dp, .out = out };

	fprintf(out, "links: (\n");
	/* Those below first, so that it can be read back. */
	do {
		print.is_deeper = false;
		link_each(dp, link_print_one, &print);
		print.depth++;
	} while (print.is_deeper);
	fprintf(out, "\n);\n");
}

const struct section link_sections[] = {
	{ .key = "links",
		.object = &link_object,
		.is_list = true,
		.check = link_check,
		.apply = link_apply,
		.print = link_print },
	{ .key = NULL },
};

/* link show */

struct link_show_args {
	struct object_head head;
	char *dev;
	bool statistics;
};

static const struct object link_show_object = {
	.name = "link",
	.size = sizeof(struct link_show_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct link_show_args, dev),
				.complete = "link.show:ifname",
				.help = "only this link" },
			{ .name = "statistics",
				.type = FIELD_BOOL,
				.offset = offsetof(struct link_show_args, statistics),
				.help = "with packet and byte counters" },
			{ .type = FIELD_END },
		},
};

struct link_show {
	const struct dp *dp;
	const struct link_show_args *args;
	json_t *rows;
};

/* As Linux has them (RFC 2863): bridges and bonds stand on nothing, in this sense. */
static const char *link_operstate(const struct link *link)
{
	if (link->is_up && link->is_running)
		return "UP";
	return link->is_up && link->lower != NULL ? "LOWERLAYERDOWN" : "DOWN";
}

static void link_put_master(json_t *row, const struct link *link)
{
	const struct link_ops *ops = link->master->ops;
	json_t *info = json_object_get(row, "linkinfo");

	json_object_set_new(row, "master", json_string(link->master->name));
	json_object_set_new(info, "info_slave_kind", json_string(ops->name));
	json_object_set_new(info, "info_slave_data", ops->member_info(link));
}

json_t *link_to_json(const struct link *link)
{
	const struct link_conf *conf = link->conf;
	char mac[MAC_ADDR_TEXT_MAX];
	json_t *flags = json_pack("[s, s]", "BROADCAST", "MULTICAST"), *row;

	if (link->is_up)
		json_array_append_new(flags, json_string("UP"));
	if (link->is_up && link->is_running)
		json_array_append_new(flags, json_string("LOWER_UP"));
	if (!link->is_running)
		json_array_append_new(flags, json_string("NO-CARRIER"));
	if (conf->is_promiscuous)
		json_array_append_new(flags, json_string("PROMISC"));
	row = json_pack("{s:i, s:s, s:o, s:i, s:s, s:s, s:s, s:s, s:{s:s, s:o}}", "ifindex",
		link->ifindex, "ifname", link->name, "flags", flags, "mtu", link->mtu, "operstate",
		link_operstate(link), "link_type", "ether", "address",
		mac_addr_text(&link->mac, mac), "broadcast", "ff:ff:ff:ff:ff:ff", "linkinfo",
		"info_kind", link->ops->name, "info_data", link->ops->info(link));
	if (link->lower != NULL)
		json_object_set_new(row, "link", json_string(link->lower->name));
	if (link->master != NULL)
		link_put_master(row, link);
	return row;
}

struct link_figures {
	uint64_t bytes, packets, errors, dropped;
};

#define LINK_COUNTER(field, text)                                                                  \
	{                                                                                          \
		.name = #field, .help = (text), .offset = offsetof(struct link_figures, field)     \
	}

static const struct counter link_rx_counters[] = {
	LINK_COUNTER(bytes, "bytes received, Ethernet headers included"),
	LINK_COUNTER(packets, "packets received"),
	LINK_COUNTER(errors, "frames that the device found broken"),
	LINK_COUNTER(
		dropped, "packets lost in the device for want of room, or dropped by name here"),
	{ .name = NULL },
};

static const struct counter link_tx_counters[] = {
	LINK_COUNTER(bytes, "bytes sent, Ethernet headers included"),
	LINK_COUNTER(packets, "packets that the device took"),
	LINK_COUNTER(errors, "packets that the device failed to send"),
	LINK_COUNTER(dropped,
		"packets that the device's queue had no room for, or dropped by name here"),
	{ .name = NULL },
};

const struct counter_table link_counter_tables[] = {
	{ .command = "worker show", .counters = link_worker_counters },
	{ .command = "link show", .path = "stats64.rx", .counters = link_rx_counters },
	{ .command = "link show", .path = "stats64.tx", .counters = link_tx_counters },
	{ .command = NULL },
};

static json_t *link_stats_json(const struct dp *dp, const struct link *link)
{
	struct rte_eth_stats hw = { 0 };
	struct link_figures rx, tx;
	struct link_counters c;

	link_sum_counters(dp, link, &c);
	if (link->ops->hw_stats != NULL)
		link->ops->hw_stats(link, &hw);
	rx = (struct link_figures){
		.bytes = c.rx_bytes,
		.packets = c.rx_packets,
		.errors = hw.ierrors,
		.dropped = c.rx_dropped + hw.imissed + hw.rx_nombuf,
	};
	tx = (struct link_figures){
		.bytes = c.tx_bytes,
		.packets = c.tx_packets,
		.errors = hw.oerrors,
		.dropped = c.tx_dropped,
	};
	return json_pack("{s:o, s:o}", "rx", counters_json(link_rx_counters, &rx), "tx",
		counters_json(link_tx_counters, &tx));
}

static void link_show_one(struct link *link, void *ctx)
{
	struct link_show *show = ctx;
	json_t *row;

	if (show->args->dev != NULL && strcmp(show->args->dev, link->name) != 0)
		return;
	row = link_to_json(link);
	if (show->args->statistics)
		json_object_set_new(row, "stats64", link_stats_json(show->dp, link));
	json_array_append_new(show->rows, row);
}

static int link_show(struct call *call, const void *args)
{
	const struct link_show_args *a = args;
	struct link_show show = { .dp = call->ctx, .args = a };

	if (a->dev != NULL && link_by_name(call->ctx, a->dev) == NULL)
		return call_fail(call, -ENODEV, "Device \"%s\" does not exist.", a->dev);
	show.rows = json_array();
	link_each(call->ctx, link_show_one, &show);
	call->result = show.rows;
	return 0;
}

static const struct object bond_dev_object = {
	.name = "bond",
	.size = sizeof(struct link_dev_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct link_dev_args, dev),
				.complete = "bond.show:ifname",
				.help = "only this bond" },
			{ .type = FIELD_END },
		},
};

/* xstats show */

const struct object link_dev_object = {
	.name = "link",
	.size = sizeof(struct link_dev_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct link_dev_args, dev),
				.complete = "link.show:ifname",
				.help = "the link" },
			{ .type = FIELD_END },
		},
};

static int xstats_show(struct call *call, const void *args)
{
	const struct link_dev_args *a = args;
	const struct link *link = link_by_name(call->ctx, a->dev);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;
	int n;

	if (link == NULL)
		return call_fail(call, -ENODEV, "Device \"%s\" does not exist.", a->dev);
	if (link->ops != &port_ops)
		return call_fail(call, -EOPNOTSUPP, "a %s has no driver", link->ops->name);
	n = rte_eth_xstats_get_names(link->port, NULL, 0);
	if (n < 0)
		return call_fail(call, n, "the driver has no statistics: %s", strerror(-n));
	names = mem_zalloc((size_t)(n + 1) * sizeof(*names));
	values = mem_zalloc((size_t)(n + 1) * sizeof(*values));
	n = RTE_MIN(n, rte_eth_xstats_get_names(link->port, names, (unsigned int)n));
	n = RTE_MIN(n, rte_eth_xstats_get(link->port, values, (unsigned int)n));
	call->result = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(
			call->result, json_pack("{s:s, s:I}", "name", names[values[i].id].name,
					      "value", (json_int_t)values[i].value));
	free(names);
	free(values);
	return 0;
}

static const struct column link_columns[] = {
	{ .path = "ifindex", .title = "INDEX" },
	{ .path = "ifname", .title = "LINK" },
	{ .path = "linkinfo.info_kind", .title = "KIND" },
	{ .path = "operstate", .title = "STATE" },
	{ .path = "mtu", .title = "MTU" },
	{ .path = "master", .title = "MASTER" },
	{ .path = "address", .title = "ADDRESS" },
	{ .path = "flags", .title = "FLAGS" },
	{ .path = "stats64.rx.packets", .title = "RX PACKETS", .is_detail = true },
	{ .path = "stats64.rx.bytes", .title = "RX BYTES", .is_detail = true },
	{ .path = "stats64.rx.dropped", .title = "RX DROPPED", .is_detail = true },
	{ .path = "stats64.tx.packets", .title = "TX PACKETS", .is_detail = true },
	{ .path = "stats64.tx.bytes", .title = "TX BYTES", .is_detail = true },
	{ .path = "stats64.tx.dropped", .title = "TX DROPPED", .is_detail = true },
	{ .title = NULL },
};

static const struct column xstats_columns[] = {
	{ .path = "name", .title = "NAME" },
	{ .path = "value", .title = "VALUE" },
	{ .title = NULL },
};

const struct command link_commands[] = {
	{ .object = "link",
		.verb = "show",
		.help = "links with their state",
		.args = &link_show_object,
		.columns = link_columns,
		.run = link_show,
		.is_read_only = true },
	{ .object = "link",
		.verb = "set",
		.help = "changes a link while it runs",
		.args = &link_set_object,
		.run = link_set },
	{ .object = "link",
		.verb = "add",
		.help = "makes a link on another one",
		.args = &link_object,
		.run = link_add },
	{ .object = "link",
		.verb = "del",
		.help = "takes a link away that stands on another one",
		.args = &link_dev_object,
		.run = link_del },
	{ .object = "bond",
		.verb = "show",
		.help = "bonds with their members, and what LACP knows of them",
		.args = &bond_dev_object,
		.columns = bond_columns,
		.run = bond_show,
		.is_read_only = true },
	{ .object = "xstats",
		.verb = "show",
		.help = "the driver's own counters",
		.args = &link_dev_object,
		.columns = xstats_columns,
		.run = xstats_show,
		.is_read_only = true },
	{ .object = "worker",
		.verb = "rebalance",
		.help = "moves buckets of flows from the busiest worker to the idlest, or one as "
			"told",
		.args = &steer_rebalance_object,
		.columns = steer_rebalance_columns,
		.run = steer_rebalance },
	{ .object = NULL },
};
