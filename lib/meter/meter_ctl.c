/* SPDX-License-Identifier: BSD-3-Clause */

/* The commands of `policer`. Control thread. */
#include "meter/meter_priv.h"

#include "link/link_kind.h"

/* policer show */

struct dev_args {
	struct object_head head;
	char *dev;
};

#define DEV_FIELD(extra_flags, text)                                                               \
	{                                                                                          \
		.name = "dev", .type = FIELD_STRING, .flags = FIELD_POSITIONAL | (extra_flags),    \
		.offset = offsetof(struct dev_args, dev), .complete = "policer.show:dev",          \
		.help = (text)                                                                     \
	}

static const struct object show_object = {
	.name = "policer",
	.size = sizeof(struct dev_args),
	.fields = (const struct field[]){ DEV_FIELD(0, "only that of this link"),
		{ .type = FIELD_END } },
};

static const struct object del_object = {
	.name = "policer",
	.size = sizeof(struct dev_args),
	.fields = (const struct field[]){ DEV_FIELD(FIELD_REQUIRED, "the link"),
		{ .type = FIELD_END } },
};

#define COLOR_COUNTERS(of, text)                                                                   \
	{ .name = "packets",                                                                       \
		.help = "packets that were " text,                                                 \
		.offset = offsetof(struct meter_counters, color[of].packets) },                    \
		{ .name = "bytes",                                                                 \
			.help = "bytes of these, Ethernet headers included",                       \
			.offset = offsetof(struct meter_counters, color[of].bytes) },              \
	{                                                                                          \
		.name = NULL                                                                       \
	}

static const struct counter green_counters[] = { COLOR_COUNTERS(
	COLOR_GREEN, "within the rate and its burst") };
static const struct counter yellow_counters[] = { COLOR_COUNTERS(
	COLOR_YELLOW, "beyond these, within the excess burst or the peak rate") };
static const struct counter red_counters[] = { COLOR_COUNTERS(COLOR_RED, "beyond all of that") };
static const struct counter show_counters[] = {
	{ .name = "dropped",
		.help = "packets of any colour that were dropped for it",
		.offset = offsetof(struct meter_counters, dropped) },
	{ .name = NULL },
};

const struct counter_table meter_counter_tables[] = {
	{ .command = "policer show", .path = "green", .counters = green_counters },
	{ .command = "policer show", .path = "yellow", .counters = yellow_counters },
	{ .command = "policer show", .path = "red", .counters = red_counters },
	{ .command = "policer show", .counters = show_counters },
	{ .command = NULL },
};

static const char *const kind_names[] = {
	[METER_POLICE] = "police",
	[METER_SRTCM] = "srtcm",
	[METER_TRTCM] = "trtcm",
};

static json_t *policer_row(const struct dp *dp, const struct link *link)
{
	const struct policer_conf *conf = meter_state(dp)->links[link->ifindex]->conf;
	json_t *row = json_pack(
		"{s:s, s:s}", "dev", link->name, "kind", kind_names[meter_conf_kind(conf)]);
	struct meter_counters c;

	meter_sum_counters(dp, link, &c);
	json_object_update_new(row, schema_to_json(&policer_object, conf));
	if (meter_conf_kind(conf) == METER_POLICE)
		json_object_del(row, "yellow_action");
	json_object_set_new(row, "green", counters_json(green_counters, &c));
	json_object_set_new(row, "yellow", counters_json(yellow_counters, &c));
	json_object_set_new(row, "red", counters_json(red_counters, &c));
	json_object_update_new(row, counters_json(show_counters, &c));
	return row;
}

struct show_walk {
	const struct dp *dp;
	json_t *rows;
};

static void show_link(struct link *link, void *ctx)
{
	struct show_walk *walk = ctx;

	if (meter_state(walk->dp)->links[link->ifindex] != NULL)
		json_array_append_new(walk->rows, policer_row(walk->dp, link));
}

static int policer_show(struct call *call, const void *args)
{
	const struct dev_args *a = args;
	struct show_walk walk = { .dp = call->ctx };
	struct link *link = a->dev != NULL ? link_by_name(call->ctx, a->dev) : NULL;

	if (a->dev != NULL && link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	walk.rows = json_array();
	if (link != NULL)
		show_link(link, &walk);
	else
		link_each(call->ctx, show_link, &walk);
	call->result = walk.rows;
	return 0;
}

/* policer add, replace, del */

/* What is wrong with it, as one line of the answer; 0: nothing. */
static int judge(struct call *call, struct link *link, const struct policer_conf *conf)
{
	const char *refusal = meter_refuse_kind(link->ops->kind, link_bottom(link)->ops->kind);
	struct diag found;
	int err = 0;

	if (refusal != NULL)
		return call_refuse(call, "dev: \"%s\" %s", conf->link, refusal);
	diag_init(&found, NULL);
	meter_conf_judge(conf, link->mtu, &found);
	if (found.n_entries > 0) {
		char *text = diag_text(&found);

		err = call_refuse(call, "%s", text);
		free(text);
	}
	diag_fini(&found);
	return err;
}

static int set(struct call *call, const struct policer_conf *conf, bool is_new)
{
	struct link *link = link_by_name(call->ctx, conf->link);
	int err;

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", conf->link);
	if (is_new && meter_state(call->ctx)->links[link->ifindex] != NULL)
		return call_fail(call, -EEXIST, "\"%s\" has a policer already", conf->link);
	err = judge(call, link, conf);
	if (err == 0 && meter_set(call->ctx, link, conf) < 0)
		err = call_fail(call, -ENOMEM, "there is no memory for it");
	return err;
}

static int policer_add(struct call *call, const void *args)
{
	return set(call, args, true);
}

static int policer_replace(struct call *call, const void *args)
{
	return set(call, args, false);
}

static int policer_del(struct call *call, const void *args)
{
	const struct dev_args *a = args;
	struct link *link = link_by_name(call->ctx, a->dev);

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (meter_state(call->ctx)->links[link->ifindex] == NULL)
		return call_fail(call, -ENOENT, "\"%s\" has no policer", a->dev);
	meter_del(call->ctx, link);
	return 0;
}

static const struct column policer_columns[] = {
	{ .path = "dev", .title = "DEV" },
	{ .path = "kind", .title = "KIND" },
	{ .path = "rate", .title = "RATE" },
	{ .path = "burst", .title = "BURST" },
	{ .path = "excess_burst", .title = "EXCESS" },
	{ .path = "peakrate", .title = "PEAKRATE" },
	{ .path = "peakburst", .title = "PEAKBURST" },
	{ .path = "yellow_action", .title = "ON YELLOW" },
	{ .path = "yellow_dscp", .title = "DSCP" },
	{ .path = "red_action", .title = "ON RED" },
	{ .path = "red_dscp", .title = "DSCP" },
	{ .path = "green.packets", .title = "GREEN" },
	{ .path = "yellow.packets", .title = "YELLOW" },
	{ .path = "red.packets", .title = "RED" },
	{ .path = "dropped", .title = "DROPPED" },
	{ .path = "green.bytes", .title = "GREEN BYTES", .is_detail = true },
	{ .path = "yellow.bytes", .title = "YELLOW BYTES", .is_detail = true },
	{ .path = "red.bytes", .title = "RED BYTES", .is_detail = true },
	{ .title = NULL },
};

const struct command meter_commands[] = {
	{ .object = "policer",
		.verb = "show",
		.help = "policers of links, with what they have seen",
		.args = &show_object,
		.columns = policer_columns,
		.run = policer_show,
		.is_read_only = true },
	{ .object = "policer",
		.verb = "add",
		.help = "holds what a link receives to a rate",
		.args = &policer_args_object,
		.run = policer_add },
	{ .object = "policer",
		.verb = "replace",
		.help = "the same, also where there is a policer: its counters go on, and what is "
			"in "
			"its buckets stays",
		.args = &policer_args_object,
		.run = policer_replace },
	{ .object = "policer",
		.verb = "del",
		.help = "takes a link's policer away",
		.args = &del_object,
		.run = policer_del },
	{ .object = NULL },
};
