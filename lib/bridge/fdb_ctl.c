/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of forwarding databases: the section `fdb` of static entries, and `fdb show|add|del|flush`
 * with the words and JSON of bridge(8). Control thread.
 */
#include "bridge/bridge_priv.h"

#include "base/mem.h"

/* One entry, as in the section and as arguments of `fdb add` and `fdb del`. */
struct fdb_entry {
	struct object_head head;
	struct mac_addr mac;
	char *dev;
	int64_t vid; /* 0: not given */
};

static const struct object fdb_object = {
	.name = "fdb entry",
	.help = "a station that is known to be behind a member of a bridge, whoever claims its "
		"address",
	.size = sizeof(struct fdb_entry),
	.fields =
		(const struct field[]){
			{ .name = "mac",
				.type = FIELD_MAC,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct fdb_entry, mac),
				.complete = "fdb.show:mac",
				.help = "MAC address of the station",
				.example = "02:00:00:00:00:0a" },
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct fdb_entry, dev),
				.complete = "link.show:ifname",
				.help = "member that it is behind",
				.example = "eth2",
				.json = "ifname" },
			{ .name = "vlan",
				.type = FIELD_INT,
				.offset = offsetof(struct fdb_entry, vid),
				.min = 1,
				.max = LINK_VID_MAX,
				.help = "its VLAN, where the bridge filters; that of the member's "
					"untagged frames when left out" },
			{ .type = FIELD_END },
		},
};

static const char *entry_problem(const struct fdb_entry *entry)
{
	if ((entry->mac.bytes[0] & 1) || mac_addr_is_zero(&entry->mac))
		return "must be a unicast address and not zero";
	return NULL;
}

/* The key of an entry, and the member that it names. -errno with the reason in diag. */
static int entry_find(struct dp *dp, const struct fdb_entry *entry, struct diag *diag,
	struct link **link, uint64_t *key)
{
	const struct bridge_port *port;
	uint16_t vid = (uint16_t)entry->vid;

	*link = link_by_name(dp, entry->dev);
	if (*link == NULL)
		return diag_error(diag, 0, "dev", "there is no link \"%s\"", entry->dev) ? -ENODEV
											 : 0;
	port = &bridge_state(dp)->ports[(*link)->ifindex];
	if ((*link)->master == NULL || port->bridge == NULL)
		return diag_error(diag, 0, "dev", "\"%s\" is no member of a bridge", entry->dev);
	if (!port->bridge->is_filtering) {
		if (vid != 0)
			return diag_error(diag, 0, "vlan", "the bridge does not filter by VLAN");
	} else if (vid == 0) {
		vid = port->pvid;
	}
	if (port->bridge->is_filtering && !bridge_vlans_have(port->vlans, vid))
		return diag_error(diag, 0, "vlan", "\"%s\" is not in VLAN %u", entry->dev, vid);
	*key = fdb_key(bridge_mac_word(&entry->mac), vid);
	return 0;
}

static int entry_add(struct dp *dp, const struct fdb_entry *entry, struct diag *diag)
{
	struct bridge_state *state = bridge_state(dp);
	struct fdb_value known, value = { .flags = FDB_STATIC };
	struct bridge *bridge;
	struct link *link;
	uint64_t key;
	int err = entry_find(dp, entry, diag, &link, &key);

	if (err < 0)
		return err;
	bridge = bridge_of(link->master);
	if (fdb_get(bridge->fdb, fdb_key(bridge_mac_word(&entry->mac), BRIDGE_VID_ANY)).ifindex !=
		0)
		return diag_error(diag, 0, "mac", "is the bridge's own, or a member's");
	known = fdb_get(bridge->fdb, key);
	if (known.ifindex != 0 && known.flags != 0)
		return diag_error(diag, 0, "mac", "there is such an entry already") ? -EEXIST : 0;
	value.ifindex = link->ifindex;
	err = bridge_put(dp, bridge, key, &value);
	if (err < 0)
		return diag_error(diag, 0, "mac", "there is no room for it");
	if (known.ifindex != 0)
		state->members[known.ifindex]->n_learned--;
	return 0;
}

/* The section */

/* Where the configuration has an entry. */
struct entry_place {
	const struct link_conf *bridge; /* NULL: dev is no member of one */
	const struct link_member_conf *member;
	uint16_t vid; /* 0: the bridge does not filter */
	bool is_filtering;
};

static bool place_is_filtering(const struct link_conf *conf)
{
	bool is_filtering = bridge_conf_of(conf)->is_filtering;

	for (unsigned int i = 0; i < conf->members.n; i++)
		is_filtering = is_filtering || bridge_member_has_vlans(field_list_item(
						       &link_member_object, &conf->members, i));
	return is_filtering;
}

/* VLAN of a member's untagged frames, as the settings have it. */
static uint16_t place_pvid(const struct link_member_conf *member)
{
	return bridge_member_has_vlans(member) ? (uint16_t)bridge_member_conf_of(member)->pvid
					       : BRIDGE_PVID_DEFAULT;
}

static struct entry_place place_find(const struct config *config, const struct fdb_entry *entry)
{
	const struct conf_section *links = conf_section(config, "links");
	struct entry_place place = { .vid = (uint16_t)entry->vid };

	for (unsigned int i = 0; i < links->n_objects && place.member == NULL; i++) {
		place.bridge = links->objects[i];
		if (place.bridge->kind == LINK_KIND_BRIDGE)
			place.member = link_member_conf_find(place.bridge, entry->dev);
	}
	if (place.member == NULL)
		return (struct entry_place){ 0 };
	place.is_filtering = place_is_filtering(place.bridge);
	if (place.is_filtering && place.vid == 0)
		place.vid = place_pvid(place.member);
	return place;
}

static bool place_has_vlan(const struct entry_place *place)
{
	struct bridge_vlans vlans;

	/* What is wrong with the list is told where it stands. */
	if (bridge_vlans_parse(bridge_member_conf_of(place->member)->vlans, &vlans) < 0)
		return true;
	return place->vid != 0 &&
	       (place->vid == place_pvid(place->member) || bridge_vlans_have(&vlans, place->vid));
}

static void fdb_check_place(const struct config *config, const struct fdb_entry *entry,
	unsigned int i, struct diag *diag)
{
	struct entry_place place = place_find(config, entry);
	char dev[48], vlan[48];

	snprintf(dev, sizeof(dev), "fdb[%u].dev", i);
	snprintf(vlan, sizeof(vlan), "fdb[%u].vlan", i);
	if (!link_is_configured(config, entry->dev))
		conf_error(config, diag, dev, "there is no link \"%s\"", entry->dev);
	else if (place.bridge == NULL)
		conf_error(config, diag, dev, "\"%s\" is no member of a bridge", entry->dev);
	else if (!place.is_filtering && place.vid != 0)
		conf_error(config, diag, vlan, "the bridge does not filter by VLAN");
	else if (place.is_filtering && !place_has_vlan(&place))
		conf_error(config, diag, vlan, "\"%s\" is not in VLAN %u", entry->dev, place.vid);
}

static bool entries_clash(
	const struct config *config, const struct fdb_entry *entry, const struct fdb_entry *other)
{
	struct entry_place place = place_find(config, entry), taken = place_find(config, other);

	return memcmp(&entry->mac, &other->mac, sizeof(entry->mac)) == 0 && place.bridge != NULL &&
	       place.bridge == taken.bridge && place.vid == taken.vid;
}

static void fdb_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *section = conf_section(config, "fdb");
	char path[48];

	for (unsigned int i = 0; i < section->n_objects; i++) {
		const struct fdb_entry *entry = section->objects[i];
		const char *problem = entry_problem(entry);

		snprintf(path, sizeof(path), "fdb[%u].mac", i);
		if (problem != NULL)
			conf_error(config, diag, path, "%s", problem);
		for (unsigned int k = 0; k < i; k++)
			if (entries_clash(config, entry, section->objects[k]))
				conf_error(config, diag, path, "is already given by fdb[%u]", k);
		fdb_check_place(config, entry, i, diag);
	}
}

static int fdb_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct fdb_entry *entry = object;
	struct diag why;
	int err;

	diag_init(&why, NULL);
	err = entry_add(dp, entry, &why);
	if (err < 0)
		diag_error(diag, entry->head.line, path, "%s: %s", why.entries[0].path,
			why.entries[0].text);
	diag_fini(&why);
	return err;
}

/* Static entries, as they are collected. */
struct fdb_print {
	struct static_entry {
		uint64_t key;
		uint16_t ifindex;
	} * entries;
	size_t n;
};

static void collect_static(struct fdb *fdb, uint64_t key, const struct fdb_value *value, void *ctx)
{
	struct fdb_print *print = ctx;

	(void)fdb;
	if (!(value->flags & FDB_STATIC))
		return;
	print->entries = mem_realloc(print->entries, print->n + 1, sizeof(*print->entries));
	print->entries[print->n++] = (struct static_entry){ .key = key, .ifindex = value->ifindex };
}

static void collect_bridge(struct link *link, void *ctx)
{
	if (bridge_of(link) != NULL)
		fdb_each(bridge_of(link)->fdb, collect_static, ctx);
}

/* By member, VLAN and address: the order of the table is another one in each run. */
static int compare_static(const void *a, const void *b)
{
	const struct static_entry *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void print_static(const struct dp *dp, FILE *out, const struct static_entry *entry)
{
	char mac[MAC_ADDR_TEXT_MAX];
	struct mac_addr addr;

	memcpy(addr.bytes, &entry->key, sizeof(addr.bytes));
	fprintf(out, "\t{ mac = \"%s\"; dev = \"%s\";", mac_addr_text(&addr, mac),
		link_name(dp, entry->ifindex));
	if (fdb_key_vid(entry->key) != 0)
		fprintf(out, " vlan = %u;", fdb_key_vid(entry->key));
	fputs(" }", out);
}

static void fdb_print(struct dp *dp, FILE *out)
{
	struct fdb_print print = { .n = 0 };

	link_each(dp, collect_bridge, &print);
	if (print.n > 0)
		qsort(print.entries, print.n, sizeof(*print.entries), compare_static);
	for (size_t i = 0; i < print.n; i++) {
		fputs(i == 0 ? "fdb = (\n" : ",\n", out);
		print_static(dp, out, &print.entries[i]);
	}
	if (print.n > 0)
		fputs("\n);\n", out);
	free(print.entries);
}

const struct section bridge_sections[] = {
	{ .key = "fdb",
		.help = "stations that are known to be behind members of bridges",
		.object = &fdb_object,
		.is_list = true,
		.check = fdb_check,
		.apply = fdb_apply,
		.print = fdb_print },
	{ .key = NULL },
};

/* fdb show */

struct fdb_show_args {
	struct object_head head;
	char *dev;
};

static const struct object fdb_show_object = {
	.name = "fdb",
	.size = sizeof(struct fdb_show_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct fdb_show_args, dev),
				.complete = "link.show:ifname",
				.help = "only this bridge, or what is behind this member" },
			{ .type = FIELD_END },
		},
};

enum { SHOW_LINES = 4096 }; /* looked at before others get their turn */

/*
 * Entries of all bridges, while they change: what is there when its line is looked at is shown. When a table is
 * replaced by a larger one meanwhile, some may be missed or shown twice.
 */
struct fdb_show {
	struct row_source source;
	struct dp *dp;
	uint16_t only;	  /* ifindex; 0: all */
	uint16_t ifindex; /* of the bridge that is being looked at */
	uint32_t line, way;
};

static json_t *show_row(const struct fdb_show *show, const struct link *master, uint64_t key,
	struct fdb_value value)
{
	bool is_local = (value.flags & FDB_LOCAL) != 0;
	const char *state = is_local ? "permanent" : value.flags & FDB_STATIC ? "static" : "";
	char mac[MAC_ADDR_TEXT_MAX];
	struct mac_addr addr;
	json_t *row;

	memcpy(addr.bytes, &key, sizeof(addr.bytes));
	row = json_pack("{s:s, s:s, s:s, s:s}", "mac", mac_addr_text(&addr, mac), "ifname",
		link_name(show->dp, value.ifindex), "master", master->name, "state", state);
	if (fdb_key_vid(key) != 0 && !is_local)
		json_object_set_new(row, "vlan", json_integer(fdb_key_vid(key)));
	if (value.flags == 0)
		json_object_set_new(
			row, "used", json_integer(bridge_state(show->dp)->now_s - value.seen_s));
	return row;
}

/* The next entry of a bridge; NULL: no more in the lines that may be looked at. */
static json_t *show_next_of(struct fdb_show *show, const struct link *master, unsigned int *n_left)
{
	const struct fdb *fdb = bridge_of(master)->fdb;

	while (show->line <= fdb->mask && *n_left > 0) {
		const struct fdb_bucket *bucket = &fdb->buckets[show->line];

		for (; show->way < FDB_WAYS; show->way++) {
			struct fdb_value value = bucket->value[show->way];
			bool is_wanted = show->only == 0 || show->only == value.ifindex ||
					 show->only == master->ifindex;

			if (bucket->key[show->way] != 0 && is_wanted)
				return show_row(show, master, bucket->key[show->way++], value);
		}
		show->way = 0;
		show->line++;
		--*n_left;
	}
	return NULL;
}

static json_t *show_next(struct row_source *source, bool *is_busy)
{
	struct fdb_show *show = (struct fdb_show *)source;
	unsigned int n_left = SHOW_LINES;

	for (; show->ifindex < LINK_MAX; show->ifindex++) {
		const struct link *master = link_by_index(show->dp, show->ifindex);
		json_t *row = NULL;

		if (master != NULL && bridge_of(master) != NULL)
			row = show_next_of(show, master, &n_left);
		if (row != NULL)
			return row;
		if (n_left == 0) {
			*is_busy = true;
			return NULL;
		}
		show->line = 0;
		show->way = 0;
	}
	return NULL;
}

static void show_destroy(struct row_source *source)
{
	free(source);
}

static int fdb_show(struct call *call, const void *args)
{
	const struct fdb_show_args *a = args;
	const struct link *link = a->dev != NULL ? link_by_name(call->ctx, a->dev) : NULL;
	struct fdb_show *show;

	if (a->dev != NULL && link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	show = mem_zalloc(sizeof(*show));
	show->source = (struct row_source){ .next = show_next, .destroy = show_destroy };
	show->dp = call->ctx;
	show->only = link != NULL ? link->ifindex : 0;
	call->rows = &show->source;
	return 0;
}

/* fdb add, del, flush */

static int fail_with(struct call *call, struct diag *diag, int err)
{
	char *text = diag_text(diag);

	err = call_fail(call, err, "%s", text);
	free(text);
	return err;
}

static int fdb_add(struct call *call, const void *args)
{
	const char *problem = entry_problem(args);
	struct diag diag;
	int err;

	if (problem != NULL)
		return call_refuse(call, "mac: %s", problem);
	diag_init(&diag, NULL);
	err = entry_add(call->ctx, args, &diag);
	if (err < 0)
		err = fail_with(call, &diag, err);
	diag_fini(&diag);
	return err;
}

static int fdb_del(struct call *call, const void *args)
{
	struct bridge_state *state = bridge_state(call->ctx);
	struct fdb_value known = { 0 };
	struct link *link;
	struct diag diag;
	uint64_t key;
	int err;

	diag_init(&diag, NULL);
	err = entry_find(call->ctx, args, &diag, &link, &key);
	if (err < 0)
		err = fail_with(call, &diag, err);
	diag_fini(&diag);
	if (err < 0)
		return err;
	known = fdb_get(bridge_of(link->master)->fdb, key);
	if (known.ifindex != link->ifindex || (known.flags & FDB_LOCAL))
		return call_fail(call, -ENOENT, "there is no such entry");
	bridge_forget_one(state, bridge_of(link->master)->fdb, key, &known);
	return 0;
}

struct flush_walk {
	struct dp *dp;
	struct bridge *bridge;
};

static void flush_member(struct link *link, void *ctx)
{
	const struct flush_walk *walk = ctx;

	bridge_forget(bridge_state(walk->dp), walk->bridge, link, false);
}

static int fdb_flush(struct call *call, const void *args)
{
	const struct fdb_show_args *a = args;
	struct link *link = a->dev != NULL ? link_by_name(call->ctx, a->dev) : NULL;
	struct flush_walk walk = { .dp = call->ctx };

	if (link == NULL)
		return a->dev == NULL
			       ? call_refuse(call, "dev: which bridge, or which member of one?")
			       : call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (bridge_of(link) != NULL) {
		walk.bridge = bridge_of(link);
		link_each_member(call->ctx, link, flush_member, &walk);
		return 0;
	}
	if (link->master == NULL || bridge_of(link->master) == NULL)
		return call_fail(call, -EINVAL, "\"%s\" is no bridge and no member of one", a->dev);
	bridge_forget(bridge_state(call->ctx), bridge_of(link->master), link, false);
	return 0;
}

static const struct column fdb_columns[] = {
	{ .path = "mac", .title = "MAC" },
	{ .path = "vlan", .title = "VLAN" },
	{ .path = "ifname", .title = "LINK" },
	{ .path = "master", .title = "MASTER" },
	{ .path = "state", .title = "STATE" },
	{ .path = "used", .title = "USED" },
	{ .title = NULL },
};

const struct command bridge_commands[] = {
	{ .object = "fdb",
		.verb = "show",
		.help = "stations that bridges know",
		.args = &fdb_show_object,
		.columns = fdb_columns,
		.run = fdb_show,
		.is_read_only = true },
	{ .object = "fdb",
		.verb = "add",
		.help = "makes a station known for good",
		.args = &fdb_object,
		.run = fdb_add },
	{ .object = "fdb",
		.verb = "del",
		.help = "forgets a station",
		.args = &fdb_object,
		.run = fdb_del },
	{ .object = "fdb",
		.verb = "flush",
		.help = "forgets all stations that were learned on a bridge, or behind a member",
		.args = &fdb_show_object,
		.run = fdb_flush },
	{ .object = NULL },
};
