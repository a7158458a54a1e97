/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What changes links while weir runs: `link add|del|set`. Control thread.
 *
 * A link that was added owns its settings, which for others are the configuration's; `config show` prints
 * both alike.
 */
#include "base/mem.h"
#include "link/link_priv.h"

/* link set */

enum link_set_state { LINK_SET_KEEP, LINK_SET_UP, LINK_SET_DOWN };

struct link_set_args {
	struct object_head head;
	char *dev;
	int state;
	int64_t mtu;
	char *master;
	bool is_leaving;
};

static struct object_ext *link_set_exts;

const struct object link_set_object = {
	.name = "link",
	.size = sizeof(struct link_set_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct link_set_args, dev),
				.complete = "link.show:ifname",
				.help = "the link" },
			{ .name = "state",
				.type = FIELD_ENUM,
				.offset = offsetof(struct link_set_args, state),
				.enums =
					(const struct field_enum[]){
						{ "up", LINK_SET_UP, "let packets pass" },
						{ "down", LINK_SET_DOWN, "drop all packets" },
						{ 0 },
					},
				.help = "administrative state" },
			{ .name = "mtu",
				.type = FIELD_INT,
				.offset = offsetof(struct link_set_args, mtu),
				.min = LINK_MTU_MIN,
				.max = LINK_MTU_MAX,
				.help = "largest IP packet in bytes" },
			{ .name = "master",
				.type = FIELD_STRING,
				.offset = offsetof(struct link_set_args, master),
				.complete = "link.show:ifname",
				.help = "bridge or bond to join" },
			{ .name = "nomaster",
				.type = FIELD_BOOL,
				.offset = offsetof(struct link_set_args, is_leaving),
				.help = "leave the bridge or bond" },
			{ .type = FIELD_END },
		},
	.exts = &link_set_exts,
};

/* What is left to do of `link set` once the MTU is changed. */
struct link_set_rest {
	struct dp *dp;
	struct call *call; /* NULL: the client has left */
	int state;
	uint16_t mtu;
};

static void link_set_state(struct dp *dp, struct link *link, int state)
{
	if (state != LINK_SET_KEEP)
		link_set_up(dp, link, state == LINK_SET_UP);
}

static int link_set_answer(struct call *call, const struct link *link, uint16_t mtu, int err)
{
	uint16_t min, max;

	link->ops->mtu_range(call->ctx, link, &min, &max);
	if (err == -ERANGE)
		return call_fail(call, err, "the %s takes MTUs of %u to %u",
			link->ops == &port_ops ? "device" : "link", min, max);
	if (err == -EALREADY)
		return call_fail(call, err, "the MTU of this link is being changed");
	if (err < 0)
		return call_fail(
			call, err, "the device does not take MTU %u: %s", mtu, strerror(-err));
	return 0;
}

static void link_set_on_mtu(void *ctx, struct link *link, int err)
{
	struct link_set_rest *rest = ctx;

	if (err == 0)
		link_set_state(rest->dp, link, rest->state);
	if (rest->call != NULL)
		call_finish(rest->call, link_set_answer(rest->call, link, rest->mtu, err));
	free(rest);
}

static void link_set_on_cancel(struct call *call, void *owner)
{
	((struct link_set_rest *)owner)->call = NULL;
}

static int link_set_mtu_first(
	struct call *call, struct link *link, const struct link_set_args *args)
{
	struct link_set_rest *rest = mem_zalloc(sizeof(*rest));
	int err;

	*rest = (struct link_set_rest){
		.dp = call->ctx,
		.call = call,
		.state = args->state,
		.mtu = (uint16_t)args->mtu,
	};
	err = link_set_mtu(call->ctx, link, rest->mtu, link_set_on_mtu, rest);
	if (err == -EINPROGRESS) {
		call_defer(call, link_set_on_cancel, rest);
		return 0;
	}
	free(rest);
	if (err == 0)
		link_set_state(call->ctx, link, args->state);
	return link_set_answer(call, link, (uint16_t)args->mtu, err);
}

/* Is a field given that is not `link set`'s own, but one of members? */
static bool has_member_settings(const void *args)
{
	const struct object_head *head = args;
	unsigned int n = 0;

	while (link_set_object.fields[n].type != FIELD_END)
		n++;
	return head->given >> n != 0;
}

/* Tells what was found, as a failure (err) or as a wrong request (0), and is done with it. */
static int link_refuse(struct call *call, struct diag *found, int err)
{
	char *text = diag_text(found);

	err = err < 0 ? call_fail(call, err, "%s", text) : call_refuse(call, "%s", text);
	free(text);
	diag_fini(found);
	return err;
}

/* Joins, leaves, or changes what the master has for it. */
static int link_set_master(struct call *call, struct link *link, const struct link_set_args *args)
{
	struct link *master = link->master;
	struct diag diag;
	int err;

	if (args->is_leaving) {
		if (master == NULL)
			return call_fail(
				call, -EINVAL, "\"%s\" is no member of a link", link->name);
		link_leave(call->ctx, link);
		return 0;
	}
	if (args->master != NULL)
		master = link_by_name(call->ctx, args->master);
	if (args->master != NULL && master == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", args->master);
	if (master == NULL)
		return call_fail(call, -EINVAL, "\"%s\" is no member of a link", link->name);
	if (master->ops->join == NULL)
		return call_fail(call, -EOPNOTSUPP, "a %s has no members", master->ops->name);
	diag_init(&diag, NULL);
	err = link_set_member(call->ctx, master, link, args, &diag);
	if (err < 0)
		return link_refuse(call, &diag, err);
	diag_fini(&diag);
	return 0;
}

int link_set(struct call *call, const void *args)
{
	const struct link_set_args *a = args;
	struct link *link = link_by_name(call->ctx, a->dev);
	bool is_about_master = a->master != NULL || a->is_leaving || has_member_settings(args);
	int err;

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (a->state == LINK_SET_KEEP && a->mtu == 0 && !is_about_master)
		return call_refuse(
			call, "nothing to set: up, down, mtu N, master LINK or nomaster");
	if (a->is_leaving && (a->master != NULL || has_member_settings(args)))
		return call_refuse(call, "nomaster excludes master and what members have");
	err = is_about_master ? link_set_master(call, link, a) : 0;
	if (err < 0)
		return err;
	if (a->mtu != 0)
		return link_set_mtu_first(call, link, a);
	link_set_state(call->ctx, link, a->state);
	return 0;
}

/* link add */

/* Finds what those above have against their part of it. */
static void link_judge_exts(struct dp *dp, const struct link_conf *conf, struct diag *found)
{
	for (const struct object_ext *ext = *link_object.exts; ext != NULL; ext = ext->next)
		if (ext->judge != NULL)
			ext->judge(dp, conf, found);
}

int link_add(struct call *call, const void *args)
{
	const struct link_conf *conf = args;
	struct link *link;
	struct diag diag;
	int err;

	diag_init(&diag, NULL);
	link_conf_judge(conf, &diag);
	if (diag.n_entries > 0)
		return link_refuse(call, &diag, 0);
	if (conf->kind == LINK_KIND_PORT)
		return call_fail(call, -EOPNOTSUPP, "type: ports come with the configuration");
	if (link_by_name(call->ctx, conf->name) != NULL)
		return call_fail(call, -EEXIST, "there is a link \"%s\" already", conf->name);
	link_judge_exts(call->ctx, conf, &diag);
	if (diag.n_entries > 0)
		return link_refuse(call, &diag, 0);
	err = link_create(call->ctx, conf, "", &diag, &link);
	if (err < 0)
		return link_refuse(call, &diag, err);
	link->has_own_conf = true;
	call->keeps_args = true;
	return 0;
}

/* link del */

struct upper_names {
	char text[128];
	size_t len;
};

static void put_upper_name(struct link *link, void *ctx)
{
	struct upper_names *names = ctx;

	if (names->len < sizeof(names->text))
		names->len +=
			(size_t)snprintf(names->text + names->len, sizeof(names->text) - names->len,
				"%s%s", names->len > 0 ? ", " : "", link->name);
}

int link_del(struct call *call, const void *args)
{
	const struct link_dev_args *a = args;
	struct link *link = link_by_name(call->ctx, a->dev);
	struct upper_names names = { .len = 0 };
	struct diag found;

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (link->ops == &port_ops)
		return call_fail(call, -EOPNOTSUPP, "a port goes with the configuration only");
	link_each_upper(call->ctx, link, put_upper_name, &names);
	if (names.len > 0)
		return call_fail(call, -EBUSY, "links stand on it: %s", names.text);
	diag_init(&found, NULL);
	dp_judge(call->ctx, EVENT_LINK_DELETED, link, &found);
	if (found.n_entries > 0)
		return link_refuse(call, &found, -EBUSY);
	link_delete(call->ctx, link);
	return 0;
}
