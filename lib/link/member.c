/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links with members (bridge, bond): who is a member of whom, joining and leaving while packets pass, and
 * what a master has from its members. Control thread. What the kinds do with members is theirs
 * (link_ops.join and leave).
 *
 * The settings of a link with members (link_conf.members) follow every change, so they are what
 * `config show` prints.
 */
#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

struct member_walk {
	const struct link *master;
	void (*fn)(struct link *link, void *ctx);
	void *ctx;
};

static void visit_member(struct link *link, void *ctx)
{
	const struct member_walk *walk = ctx;

	if (link->master == walk->master)
		walk->fn(link, walk->ctx);
}

void link_each_member(const struct dp *dp, const struct link *master,
	void (*fn)(struct link *link, void *ctx), void *ctx)
{
	struct member_walk walk = { .master = master, .fn = fn, .ctx = ctx };

	if (master->n_members > 0)
		link_each(dp, visit_member, &walk);
}

/* Traits of all members */

static void lower_mtu(struct link *link, void *ctx)
{
	uint16_t *max = ctx;

	*max = RTE_MIN(*max, link->mtu);
}

void link_members_mtu_range(
	const struct dp *dp, const struct link *link, uint16_t *min, uint16_t *max)
{
	*min = LINK_MTU_MIN;
	*max = LINK_MTU_MAX;
	link_each_member(dp, link, lower_mtu, max);
}

static void note_carrier(struct link *link, void *ctx)
{
	bool *has_carrier = ctx;

	*has_carrier = *has_carrier || (link->is_up && link->is_running);
}

bool link_members_have_carrier(const struct dp *dp, const struct link *link)
{
	bool has_carrier = false;

	link_each_member(dp, link, note_carrier, &has_carrier);
	return has_carrier;
}

struct promiscuous_walk {
	struct dp *dp;
	int by;
};

static void want_promiscuous_member(struct link *link, void *ctx)
{
	const struct promiscuous_walk *walk = ctx;

	link_want_promiscuous(walk->dp, link, walk->by);
}

void link_want_promiscuous(struct dp *dp, struct link *link, int by)
{
	struct promiscuous_walk walk = { .dp = dp, .by = by };

	link->n_promiscuous += by;
	if (link->ops == &port_ops)
		port_follow_promiscuous(link);
	else if (link->lower != NULL)
		link_want_promiscuous(dp, link->lower, by);
	else
		link_each_member(dp, link, want_promiscuous_member, &walk);
}

/* Joining and leaving */

struct stand_walk {
	const struct dp *dp;
	const struct link *wanted;
	bool is_found;
};

static void look_below(struct link *link, void *ctx)
{
	struct stand_walk *walk = ctx;
	struct link *lower = link->lower;

	walk->is_found = walk->is_found || link == walk->wanted;
	if (lower != NULL)
		look_below(lower, ctx);
	else
		link_each_member(walk->dp, link, look_below, ctx);
}

/* Is wanted the link itself, or one that it stands on? */
static bool link_stands_on(const struct dp *dp, struct link *link, const struct link *wanted)
{
	struct stand_walk walk = { .dp = dp, .wanted = wanted };

	look_below(link, &walk);
	return walk.is_found;
}

static int member_join(struct dp *dp, struct link *master, struct link *link,
	const struct link_member_conf *conf, struct diag *diag)
{
	bool is_new = link->master == NULL;
	int err;

	if (link->master != NULL && link->master != master)
		return diag_error(diag, 0, "", "\"%s\" is a member of \"%s\" already", link->name,
			link->master->name);
	if (link_stands_on(dp, link, master))
		return diag_error(diag, 0, "", "\"%s\" stands on \"%s\"", link->name, master->name);
	err = master->ops->join(dp, master, link, conf, diag);
	if (err < 0 || !is_new)
		return err;
	link->master = master;
	master->n_members++;
	link_publish(dp, link);
	port_follow_exit(dp, link);
	link_follow_mtu(dp, master);
	link_follow_carrier(dp, master);
	return 0;
}

static void member_leave(struct dp *dp, struct link *link)
{
	struct link *master = link->master;

	link->master = NULL;
	master->n_members--;
	link_publish(dp, link);
	port_follow_exit(dp, link);
	master->ops->leave(dp, master, link);
	link_follow_carrier(dp, master);
}

static void leave_one(struct link *link, void *ctx)
{
	member_leave(ctx, link);
}

void link_leave_all(struct dp *dp, struct link *master)
{
	link_each_member(dp, master, leave_one, dp);
}

/* Making a link with members */

/* As it is made: nobody is a member twice. */
static int join_by_name(
	struct dp *dp, struct link *master, const struct link_member_conf *conf, struct diag *diag)
{
	struct link *link = link_by_name(dp, conf->name);

	if (link == NULL)
		return diag_error(diag, 0, "", "there is no link \"%s\"", conf->name);
	if (link->master == master)
		return diag_error(diag, 0, "", "\"%s\" is given twice", conf->name);
	return member_join(dp, master, link, conf, diag);
}

static int link_join_all(struct dp *dp, struct link *master, const char *path, struct diag *diag)
{
	const struct field_list *members = &master->conf->members;

	for (unsigned int i = 0; i < members->n; i++) {
		const struct link_member_conf *conf =
			field_list_item(&link_member_object, members, i);
		struct diag why;
		int err;

		diag_init(&why, NULL);
		err = join_by_name(dp, master, conf, &why);
		if (err < 0)
			diag_error(diag, 0, path, "members[%u]: %s", i, why.entries[0].text);
		diag_fini(&why);
		if (err < 0) {
			link_leave_all(dp, master);
			return err;
		}
	}
	return 0;
}

void link_choose_mac(const struct dp *dp, struct link *link)
{
	const struct field_list *members = &link->conf->members;
	const struct link_member_conf *first =
		members->n > 0 ? field_list_item(&link_member_object, members, 0) : NULL;
	const struct link *member = first != NULL ? link_by_name(dp, first->name) : NULL;

	link->mac = link->conf->mac;
	if (!mac_addr_is_zero(&link->mac))
		return;
	if (member != NULL)
		link->mac = member->mac;
	else
		rte_eth_random_addr(link->mac.bytes);
}

int link_open_members(struct dp *dp, struct link *link, const char *path, struct diag *diag)
{
	uint16_t min, max;
	int err = link_join_all(dp, link, path, diag);

	if (err < 0)
		return err;
	link->ops->mtu_range(dp, link, &min, &max);
	if (link->conf->mtu > max) {
		link_leave_all(dp, link);
		return diag_error(diag, 0, path, "MTU %u is larger than the %u of its members",
			(unsigned int)link->conf->mtu, max);
	}
	if (link->conf->mtu == 0 && link->n_members > 0)
		link->mtu = max;
	link->is_running = link->ops->has_carrier(dp, link);
	link->is_open = true;
	link_follow_steering(dp, link);
	return 0;
}

/* Settings of members, as they are now */

static struct field_list *member_list(const struct link *master)
{
	return (struct field_list *)(uintptr_t)&master->conf->members;
}

const struct link_member_conf *link_member_conf_find(
	const struct link_conf *master, const char *name)
{
	for (unsigned int i = 0; i < master->members.n; i++) {
		const struct link_member_conf *conf =
			field_list_item(&link_member_object, &master->members, i);

		if (strcmp(conf->name, name) == 0)
			return conf;
	}
	return NULL;
}

/* Frees one with all that it points to. */
static void member_remove(const struct link *master, const struct link_member_conf *conf)
{
	struct field_list *list = member_list(master);
	size_t size = object_size(&link_member_object);
	char *item = (char *)(uintptr_t)conf, *end = (char *)list->items + list->n * size;
	void *removed = mem_zalloc(size);

	memcpy(removed, item, size);
	schema_free(&link_member_object, removed);
	memmove(item, item + size, (size_t)(end - item) - size);
	list->n--;
}

/* Takes conf, in the place of what the list has of that link. */
static void member_put(const struct link *master, struct link_member_conf *conf)
{
	struct field_list *list = member_list(master);
	const struct link_member_conf *before = link_member_conf_find(master->conf, conf->name);
	size_t size = object_size(&link_member_object);

	if (before != NULL)
		member_remove(master, before);
	list->items = mem_realloc(list->items, list->n + 1, size);
	memcpy((char *)list->items + list->n++ * size, conf, size);
	free(conf);
}

int link_set_member(struct dp *dp, struct link *master, struct link *link, const void *set_args,
	struct diag *diag)
{
	const struct link_member_conf name = { .head = { .given = 1 }, .name = link->name };
	const struct link_member_conf *before = link_member_conf_find(master->conf, link->name);
	struct link_member_conf *conf = schema_merge(&link_member_object,
		before != NULL ? before : &name, &link_set_object, set_args, diag);
	bool is_new = link->master == NULL;
	int err;

	if (conf == NULL)
		return -EINVAL;
	err = member_join(dp, master, link, conf, diag);
	if (err < 0) {
		schema_free(&link_member_object, conf);
		return err;
	}
	member_put(master, conf);
	if (is_new)
		log_notice("link", "joined link=%s master=%s", link->name, master->name);
	link_changed(dp, link);
	return 0;
}

void link_leave(struct dp *dp, struct link *link)
{
	struct link *master = link->master;

	log_notice("link", "left link=%s master=%s", link->name, master->name);
	member_leave(dp, link);
	member_remove(master, link_member_conf_find(master->conf, link->name));
	link_changed(dp, link);
}
