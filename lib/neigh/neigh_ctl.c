/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of neighbours: the section `neighbors`, the sysctl group `neigh` and the commands
 * `neigh ...`, with the words and JSON of ip-neighbour(8). Control thread.
 *
 * Entries of the configuration file and of `neigh add` are the same thing, PERMANENT entries, and
 * config show prints both.
 */
#include "neigh/neigh_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

static const char *const state_names[] = {
	[NEIGH_NONE] = "NONE",
	[NEIGH_INCOMPLETE] = "INCOMPLETE",
	[NEIGH_REACHABLE] = "REACHABLE",
	[NEIGH_STALE] = "STALE",
	[NEIGH_DELAY] = "DELAY",
	[NEIGH_PROBE] = "PROBE",
	[NEIGH_FAILED] = "FAILED",
	[NEIGH_PERMANENT] = "PERMANENT",
};

/* All entries, in the order of listings: link, then address. */
struct neigh_list {
	const struct neigh **items;
	unsigned int n;
};

static void list_add(const struct neigh *neigh, void *ctx)
{
	struct neigh_list *list = ctx;

	/* In steps of 64, so that reallocation stays cheap without another counter. */
	if (list->n % 64 == 0)
		list->items = mem_realloc(list->items, list->n + 64, sizeof(*list->items));
	list->items[list->n++] = neigh;
}

static int list_compare(const void *a, const void *b)
{
	const struct neigh *x = *(const struct neigh *const *)a;
	const struct neigh *y = *(const struct neigh *const *)b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));

	if (x->link != y->link)
		return x->link < y->link ? -1 : 1;
	if (x->addr.family != y->addr.family)
		return x->addr.family < y->addr.family ? -1 : 1;
	return order;
}

static struct neigh_list list_make(const struct dp *dp)
{
	struct neigh_list list = { 0 };

	neigh_each(dp, list_add, &list);
	if (list.n > 0)
		qsort(list.items, list.n, sizeof(*list.items), list_compare);
	return list;
}

/* Section `neighbors`. */

struct neighbor_conf {
	struct object_head head;
	struct ip_addr to;
	struct mac_addr lladdr;
	char *dev;
};

static const struct field neighbor_fields[] = {
	{ .name = "to",
		.type = FIELD_ADDR,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct neighbor_conf, to),
		.help = "address of the neighbour" },
	{ .name = "lladdr",
		.type = FIELD_MAC,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct neighbor_conf, lladdr),
		.help = "its link-layer address" },
	{ .name = "dev",
		.type = FIELD_STRING,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct neighbor_conf, dev),
		.help = "link on which it is reached",
		.example = "lan" },
	{ 0 },
};

static const struct object neighbor_object = {
	.name = "neighbor",
	.help = "a permanent neighbour entry",
	.size = sizeof(struct neighbor_conf),
	.fields = neighbor_fields,
};

/* Unicast and not zero. */
static bool mac_is_host(const struct mac_addr *mac)
{
	return !(mac->bytes[0] & 1) && !mac_addr_is_zero(mac);
}

static void neighbor_check_one(const struct config *config, const struct conf_section *section,
	unsigned int i, struct diag *diag)
{
	const struct neighbor_conf *conf = section->objects[i];
	const char *why;
	char path[48];
	int err;

	why = neigh_refuse(&conf->to, &err);
	snprintf(path, sizeof(path), "neighbors[%u].to", i);
	if (why != NULL)
		conf_error(config, diag, path, "%s", why);
	for (unsigned int k = 0; k < i; k++) {
		const struct neighbor_conf *other = section->objects[k];

		if (ip_addr_is_equal(&conf->to, &other->to) && strcmp(conf->dev, other->dev) == 0)
			conf_error(config, diag, path, "is already given by neighbors[%u]", k);
	}
	snprintf(path, sizeof(path), "neighbors[%u].lladdr", i);
	if (!mac_is_host(&conf->lladdr))
		conf_error(config, diag, path, "must be a unicast address and not zero");
	snprintf(path, sizeof(path), "neighbors[%u].dev", i);
	if (!link_is_configured(config, conf->dev))
		conf_error(config, diag, path, "there is no link \"%s\"", conf->dev);
}

static void neighbor_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *section = conf_section(config, "neighbors");

	for (unsigned int i = 0; i < section->n_objects; i++)
		neighbor_check_one(config, section, i, diag);
}

static int neighbor_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct neighbor_conf *conf = object;
	const struct link *link = link_by_name(dp, conf->dev);
	int err;

	if (link == NULL) {
		diag_error(diag, conf->head.line, path, "there is no link \"%s\"", conf->dev);
		return -ENODEV;
	}
	err = neigh_set(dp, link, &conf->to, &conf->lladdr, NEIGH_PERMANENT);
	if (err < 0)
		diag_error(diag, conf->head.line, path, "cannot be set: %s", strerror(-err));
	return err;
}

static void neighbor_print(struct dp *dp, FILE *out)
{
	struct neigh_list list = list_make(dp);
	char addr[IP_ADDR_TEXT_MAX], mac[MAC_ADDR_TEXT_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < list.n; i++) {
		const struct neigh *neigh = list.items[i];
		const struct link *link = link_by_index(dp, neigh->link);

		if (neigh->state != NEIGH_PERMANENT || link == NULL)
			continue;
		fprintf(out, "%s\t{ to = \"%s\"; lladdr = \"%s\"; dev = \"%s\"; }",
			n++ == 0 ? "neighbors = (\n" : ",\n", ip_addr_text(&neigh->addr, addr),
			mac_addr_text(&neigh->lladdr, mac), link->name);
	}
	if (n > 0)
		fputs("\n);\n", out);
	free(list.items);
}

const struct section neigh_sections[] = {
	{
		.key = "neighbors",
		.object = &neighbor_object,
		.is_list = true,
		.check = neighbor_check,
		.apply = neighbor_apply,
		.print = neighbor_print,
	},
	{ 0 },
};

/* Sysctl group `neigh`. */

#define SYSCTL_TIME(field, low, high, value, text)                                                 \
	{                                                                                          \
		.name = #field, .type = FIELD_TIME, .flags = FIELD_RUNTIME,                        \
		.offset = offsetof(struct neigh_sysctl, field), .min = (low), .max = (high),       \
		.def = (value), .help = (text)                                                     \
	}
#define SYSCTL_INT(field, low, high, value, text)                                                  \
	{                                                                                          \
		.name = #field, .type = FIELD_INT, .flags = FIELD_RUNTIME,                         \
		.offset = offsetof(struct neigh_sysctl, field), .min = (low), .max = (high),       \
		.def = (value), .help = (text)                                                     \
	}
#define SECONDS(n) (INT64_C(1000000000) * (n))

static const struct field sysctl_fields[] = {
	SYSCTL_TIME(base_reachable_time, SECONDS(1), SECONDS(86400), "30s",
		"how long a neighbour counts as reachable after a proof (times 0.5 to 1.5)"),
	SYSCTL_TIME(delay_first_probe_time, NUD_TICK_NS, SECONDS(3600), "5s",
		"how long a stale neighbour is used before it is probed"),
	SYSCTL_TIME(retrans_time, NUD_TICK_NS, SECONDS(3600), "1s", "time between two probes"),
	SYSCTL_TIME(gc_stale_time, SECONDS(1), SECONDS(86400), "60s",
		"how long a stale neighbour nobody uses is kept at least"),
	SYSCTL_TIME(locktime, 0, SECONDS(3600), "1s",
		"how long a neighbour's new address is protected from being replaced"),
	SYSCTL_INT(mcast_solicit, 0, 100, "3", "broadcast requests before a neighbour is failed"),
	SYSCTL_INT(ucast_solicit, 0, 100, "3", "unicast requests before a neighbour is failed"),
	SYSCTL_INT(gc_thresh1, 0, ADJ_MAX / 2, "128",
		"number of neighbours up to which none is removed"),
	SYSCTL_INT(gc_thresh3, 1, ADJ_MAX / 2, "1024",
		"number of learned neighbours that is never exceeded"),
	SYSCTL_INT(unres_qlen, 1, HOLD_QUEUE_MAX, "101",
		"packets that wait for one unresolved neighbour, per worker"),
	{ .name = "arp_notify",
		.type = FIELD_BOOL,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct neigh_sysctl, arp_notify),
		.def = "true",
		.help = "announce addresses by gratuitous ARP when they or their link come up" },
	{ .name = "ndisc_notify",
		.type = FIELD_BOOL,
		.flags = FIELD_RUNTIME,
		.offset = offsetof(struct neigh_sysctl, ndisc_notify),
		.def = "true",
		.help = "announce IPv6 addresses by unsolicited advertisements, likewise" },
	{ 0 },
};

static const struct object sysctl_object = {
	.name = "neigh",
	.help = "neighbour discovery",
	.size = sizeof(struct neigh_sysctl),
	.fields = sysctl_fields,
};

const struct sysctl_group neigh_sysctls[] = {
	{ .name = "neigh",
		.object = &sysctl_object,
		.offset = offsetof(struct neigh_table, sysctl) },
	{ 0 },
};

/* Commands. */

enum { NUD_FILTER_NONE = -1, NUD_FILTER_ALL = -2 };

static const struct field_enum filter_states[] = {
	{ "incomplete", NEIGH_INCOMPLETE, "being resolved" },
	{ "reachable", NEIGH_REACHABLE, "known to be there" },
	{ "stale", NEIGH_STALE, "known, but without recent proof" },
	{ "delay", NEIGH_DELAY, "used while stale, about to be probed" },
	{ "probe", NEIGH_PROBE, "being probed" },
	{ "failed", NEIGH_FAILED, "does not answer" },
	{ "permanent", NEIGH_PERMANENT, "entered by the operator" },
	{ "none", NEIGH_NONE, "only held by a route" },
	{ "all", NUD_FILTER_ALL, "every state" },
	{ NULL },
};

struct filter_args {
	struct object_head head;
	struct ip_prefix to;
	char *dev;
	int nud;
};

static const struct field filter_fields[] = {
	{ .name = "to",
		.type = FIELD_PREFIX,
		.flags = FIELD_POSITIONAL,
		.offset = offsetof(struct filter_args, to),
		.complete = "neigh.show:dst",
		.help = "only neighbours with an address in this prefix" },
	{ .name = "dev",
		.type = FIELD_STRING,
		.offset = offsetof(struct filter_args, dev),
		.complete = "link.show:ifname",
		.help = "only neighbours on this link" },
	{ .name = "nud",
		.type = FIELD_ENUM,
		.flags = FIELD_NAMED,
		.offset = offsetof(struct filter_args, nud),
		.enums = filter_states,
		.help = "only neighbours in this state" },
	{ 0 },
};

static const struct object filter_object = {
	.name = "neigh_filter",
	.help = "which neighbours",
	.size = sizeof(struct filter_args),
	.fields = filter_fields,
};

static const struct field_enum set_states[] = {
	{ "permanent", NEIGH_PERMANENT, "stays until it is deleted" },
	{ "reachable", NEIGH_REACHABLE, "as if it had just answered" },
	{ "stale", NEIGH_STALE, "to be verified when it is used" },
	{ NULL },
};

struct set_args {
	struct object_head head;
	struct ip_addr to;
	struct mac_addr lladdr;
	char *dev;
	int nud;
};

#define SET_FIELD_TO                                                                               \
	{                                                                                          \
		.name = "to", .type = FIELD_ADDR, .flags = FIELD_REQUIRED | FIELD_POSITIONAL,      \
		.offset = offsetof(struct set_args, to), .complete = "neigh.show:dst",             \
		.help = "address of the neighbour"                                                 \
	}
#define SET_FIELD_DEV                                                                              \
	{                                                                                          \
		.name = "dev", .type = FIELD_STRING, .flags = FIELD_REQUIRED,                      \
		.offset = offsetof(struct set_args, dev), .complete = "link.show:ifname",          \
		.help = "link on which it is reached"                                              \
	}

static const struct field set_fields[] = {
	SET_FIELD_TO,
	{ .name = "lladdr",
		.type = FIELD_MAC,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct set_args, lladdr),
		.help = "its link-layer address" },
	SET_FIELD_DEV,
	{ .name = "nud",
		.type = FIELD_ENUM,
		.flags = FIELD_NAMED,
		.offset = offsetof(struct set_args, nud),
		.def = "permanent",
		.enums = set_states,
		.help = "state that it is put into" },
	{ 0 },
};

static const struct object set_object = {
	.name = "neigh_set",
	.help = "a neighbour entry",
	.size = sizeof(struct set_args),
	.fields = set_fields,
};

static const struct field del_fields[] = {
	SET_FIELD_TO,
	{ .name = "lladdr",
		.type = FIELD_MAC,
		.offset = offsetof(struct set_args, lladdr),
		.help = "ignored, as ip-neighbour(8) does" },
	SET_FIELD_DEV,
	{ 0 },
};

static const struct object del_object = {
	.name = "neigh_del",
	.help = "a neighbour entry to delete",
	.size = sizeof(struct set_args),
	.fields = del_fields,
};

static bool filter_matches(
	const struct dp *dp, const struct filter_args *args, const struct neigh *neigh)
{
	const struct link *link = link_by_index(dp, neigh->link);

	if (link == NULL || (args->dev != NULL && strcmp(link->name, args->dev) != 0))
		return false;
	return args->to.addr.family == 0 || ip_prefix_contains(&args->to, &neigh->addr);
}

/* Everything but NONE unless asked for, as `ip neigh` does. */
static bool filter_has_state(const struct filter_args *args, enum neigh_state state)
{
	if (!object_has(&filter_object, args, "nud"))
		return state != NEIGH_NONE;
	return args->nud == NUD_FILTER_ALL || args->nud == (int)state;
}

static int filter_check(struct call *call, const struct filter_args *args)
{
	if (args->dev != NULL && link_by_name(call->ctx, args->dev) == NULL)
		return call_fail(call, -ENODEV, "there is no link \"%s\"", args->dev);
	return 0;
}

json_t *neigh_to_json(const struct dp *dp, const struct neigh *neigh)
{
	char addr[IP_ADDR_TEXT_MAX], mac[MAC_ADDR_TEXT_MAX];
	json_t *row = json_object();

	json_object_set_new(row, "dst", json_string(ip_addr_text(&neigh->addr, addr)));
	json_object_set_new(row, "dev", json_string(link_by_index(dp, neigh->link)->name));
	if (neigh_is_valid(neigh))
		json_object_set_new(row, "lladdr", json_string(mac_addr_text(&neigh->lladdr, mac)));
	if (neigh->is_router)
		json_object_set_new(row, "router", json_null()); /* as iproute2 has it */
	json_object_set_new(row, "state", json_pack("[s]", state_names[neigh->state]));
	return row;
}

static int neigh_show(struct call *call, const void *params)
{
	const struct filter_args *args = params;
	struct dp *dp = call->ctx;
	struct neigh_list list;
	int err = filter_check(call, args);

	if (err < 0)
		return err;
	call->result = json_array();
	list = list_make(dp);
	for (unsigned int i = 0; i < list.n; i++) {
		const struct neigh *neigh = list.items[i];

		if (filter_matches(dp, args, neigh) && filter_has_state(args, neigh->state))
			json_array_append_new(call->result, neigh_to_json(dp, neigh));
	}
	free(list.items);
	return 0;
}

/* Finds the link and, if there is one, the entry that add, replace and del are about. */
static int set_find(struct call *call, const struct set_args *args, struct link **link,
	struct neigh_entry **entry)
{
	struct neigh_key key;
	const char *why;
	int err;

	*link = link_by_name(call->ctx, args->dev);
	if (*link == NULL)
		return call_fail(call, -ENODEV, "there is no link \"%s\"", args->dev);
	why = neigh_refuse(&args->to, &err);
	if (why != NULL)
		return call_fail(call, err, "to: %s", why);
	key = neigh_key_make(*link, &args->to);
	*entry = neigh_find(neigh_table(call->ctx), &key);
	/* What only a route points to is nothing that a user knows of. */
	if (*entry != NULL && (*entry)->nud.neigh.state == NEIGH_NONE)
		*entry = NULL;
	return 0;
}

static int neigh_write(struct call *call, const struct set_args *args, bool may_exist)
{
	struct neigh_entry *entry;
	struct link *link;
	char text[IP_ADDR_TEXT_MAX];
	int err = set_find(call, args, &link, &entry);

	if (err < 0)
		return err;
	if (entry != NULL && !may_exist)
		return call_fail(call, -EEXIST, "neighbour %s on %s exists",
			ip_addr_text(&args->to, text), link->name);
	if (!mac_is_host(&args->lladdr))
		return call_fail(call, -EINVAL, "lladdr: must be a unicast address and not zero");
	if (args->nud != NEIGH_PERMANENT && !(link->is_up && link->is_running))
		return call_fail(call, -ENETDOWN, "link %s is down", link->name);
	err = neigh_set(call->ctx, link, &args->to, &args->lladdr, (enum neigh_state)args->nud);
	if (err < 0)
		return call_fail(call, err, "neighbour %s: %s", ip_addr_text(&args->to, text),
			strerror(-err));
	return 0;
}

static int neigh_add(struct call *call, const void *params)
{
	return neigh_write(call, params, false);
}

static int neigh_replace(struct call *call, const void *params)
{
	return neigh_write(call, params, true);
}

static int neigh_del(struct call *call, const void *params)
{
	const struct set_args *args = params;
	struct neigh_entry *entry;
	struct link *link;
	char text[IP_ADDR_TEXT_MAX];
	int err = set_find(call, args, &link, &entry);

	if (err < 0)
		return err;
	if (entry == NULL)
		return call_fail(call, -ENOENT, "there is no neighbour %s on %s",
			ip_addr_text(&args->to, text), link->name);
	neigh_remove(call->ctx, entry);
	return 0;
}

/* As `ip neigh flush`: PERMANENT entries go only when named. */
static int neigh_flush(struct call *call, const void *params)
{
	const struct filter_args *args = params;
	struct neigh_table *table = neigh_table(call->ctx);
	bool has_nud = object_has(&filter_object, args, "nud");
	struct neigh_entry *entry;
	int err = filter_check(call, args);

	if (err < 0)
		return err;
	TAILQ_FOREACH(entry, &table->all, all) {
		enum neigh_state state = entry->nud.neigh.state;

		if (state == NEIGH_NONE || (state == NEIGH_PERMANENT && !has_nud))
			continue;
		if (filter_has_state(args, state) &&
			filter_matches(call->ctx, args, &entry->nud.neigh))
			neigh_remove(call->ctx, entry);
	}
	return 0;
}

static const struct column neigh_columns[] = {
	{ "dst", "ADDRESS" },
	{ "dev", "LINK" },
	{ "lladdr", "LLADDR" },
	{ "state", "STATE" },
	{ 0 },
};

const struct command neigh_commands[] = {
	{ .object = "neigh",
		.verb = "show",
		.help = "list neighbours",
		.args = &filter_object,
		.columns = neigh_columns,
		.run = neigh_show,
		.is_read_only = true },
	{ .object = "neigh",
		.verb = "add",
		.help = "add a neighbour",
		.args = &set_object,
		.run = neigh_add },
	{ .object = "neigh",
		.verb = "replace",
		.help = "add a neighbour or change it",
		.args = &set_object,
		.run = neigh_replace },
	{ .object = "neigh",
		.verb = "del",
		.help = "delete a neighbour",
		.args = &del_object,
		.run = neigh_del },
	{ .object = "neigh",
		.verb = "flush",
		.help = "forget learned neighbours",
		.args = &filter_object,
		.run = neigh_flush },
	{ 0 },
};
