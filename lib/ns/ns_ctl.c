/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What users see of addresses: the field `addresses` of a link, `addr show|add|del` in the shapes
 * of `ip -j addr`, and the checks across links. Control thread.
 */
#include "ns/ns_priv.h"

static const struct field ns_link_fields[] = {
	{ .name = "addresses",
		.type = FIELD_LIST,
		.item = FIELD_PREFIX,
		.offset = offsetof(struct ns_link_conf, addresses),
		.help = "addresses with prefix length of either family, the first is the primary "
			"one" },
	{ .type = FIELD_END },
};

static bool addr_is_link_local(const struct ip_addr *addr)
{
	return addr->family == AF_INET6 && ip6_is_link_local(addr->bytes);
}

static const char *addr6_problem(const struct ip_prefix *prefix)
{
	const uint8_t *bytes = prefix->addr.bytes;

	if (prefix->len == 0)
		return "an address needs a prefix length of 1 to 128";
	if (ip6_is_unspecified(bytes) || ip6_is_loopback(bytes) || ip6_is_multicast(bytes) ||
		ip6_is_v4_mapped(bytes))
		return "not a unicast address that a link can have";
	if (ip6_is_bad_link_local(bytes))
		return "a link-local address begins with fe80:0";
	if (ip6_is_link_local(bytes) && prefix->len < 10)
		return "a link-local address needs a prefix length of 10 to 128";
	return NULL;
}

/* Why an address cannot be a link's; NULL: it can. */
static const char *addr_problem(const struct ip_prefix *prefix)
{
	struct ip_prefix network = ip_prefix_network(prefix);
	uint32_t addr = rte_be_to_cpu_32(prefix->addr.v4_be);

	if (prefix->addr.family == AF_INET6)
		return addr6_problem(prefix);
	if (prefix->len == 0)
		return "an address needs a prefix length of 1 to 32";
	if (addr >> 24 == 0 || addr >> 24 == 127 || addr >= 0xe0000000)
		return "not a unicast address that a link can have";
	if (prefix->len < 31 && ip_addr_is_equal(&network.addr, &prefix->addr))
		return "this is the network's own address, not one of a host in it";
	if (ns_prefix_broadcast4(prefix) == prefix->addr.v4_be && prefix->len < 31)
		return "this is the network's broadcast address, not one of a host in it";
	return NULL;
}

/* Is the address already used by an earlier link (unless link-local), or earlier on this one? */
static bool addr_is_earlier(const struct conf_section *links, unsigned int i, unsigned int j,
	const struct ip_prefix *prefix)
{
	for (unsigned int k = addr_is_link_local(&prefix->addr) ? i : 0; k <= i; k++) {
		const struct ns_link_conf *conf = object_ext_of(links->objects[k], &ns_link_ext);
		const struct ip_prefix *prefixes = conf->addresses.items;
		unsigned int n = k < i ? conf->addresses.n : j;

		for (unsigned int l = 0; l < n; l++)
			if (ip_addr_is_equal(&prefixes[l].addr, &prefix->addr))
				return true;
	}
	return false;
}

static const char addr_is_used[] = "this address is already used in this namespace";

static void ns_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *links = conf_section(config, "links");
	char path[64];

	for (unsigned int i = 0; i < links->n_objects; i++) {
		const struct ns_link_conf *conf = object_ext_of(links->objects[i], &ns_link_ext);
		const struct ip_prefix *prefixes = conf->addresses.items;

		for (unsigned int j = 0; j < conf->addresses.n; j++) {
			const char *problem = addr_problem(&prefixes[j]);

			snprintf(path, sizeof(path), "links[%u].addresses[%u]", i, j);
			if (problem != NULL)
				conf_error(config, diag, path, "%s", problem);
			else if (addr_is_earlier(links, i, j, &prefixes[j]))
				conf_error(config, diag, path, "%s", addr_is_used);
		}
	}
}

/* The same for a link that is added to those that run. */
static void ns_link_judge(void *ctx, const void *object, struct diag *found)
{
	const struct ns_link_conf *conf = object_ext_of(object, &ns_link_ext);
	const struct ip_prefix *prefixes = conf->addresses.items;
	void *objects[] = { (void *)(uintptr_t)object };
	const struct conf_section link = { .objects = objects, .n_objects = 1 };
	char path[32];

	for (unsigned int i = 0; i < conf->addresses.n; i++) {
		const char *problem = addr_problem(&prefixes[i]);
		bool is_used = addr_is_earlier(&link, 0, i, &prefixes[i]) ||
			       (!addr_is_link_local(&prefixes[i].addr) &&
				       ns_addr_lookup(ctx, NS_DEFAULT, &prefixes[i].addr) != NULL);

		if (problem == NULL && is_used)
			problem = addr_is_used;
		snprintf(path, sizeof(path), "addresses[%u]", i);
		if (problem != NULL)
			diag_error(found, 0, path, "%s", problem);
	}
}

struct object_ext ns_link_ext = {
	.fields = ns_link_fields,
	.size = sizeof(struct ns_link_conf),
	.judge = ns_link_judge,
};

const struct section ns_sections[] = {
	{ .key = "namespaces",
		.help = "further network stacks",
		.is_pending = true,
		.check = ns_check },
	{ .key = NULL },
};

/* addr show */

struct addr_args {
	struct object_head head;
	struct ip_prefix prefix;
	char *dev;
};

static const struct object addr_show_object = {
	.name = "addr",
	.size = sizeof(struct addr_args),
	.fields =
		(const struct field[]){
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct addr_args, dev),
				.complete = "link.show:ifname",
				.help = "only this link" },
			{ .type = FIELD_END },
		},
};

static const struct object addr_change_object = {
	.name = "addr",
	.size = sizeof(struct addr_args),
	.fields =
		(const struct field[]){
			{ .name = "local",
				.type = FIELD_PREFIX,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct addr_args, prefix),
				.complete = "addr.show:addr_info.local/prefixlen",
				.help = "address with prefix length" },
			{ .name = "dev",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct addr_args, dev),
				.complete = "link.show:ifname",
				.help = "the link" },
			{ .type = FIELD_END },
		},
};

json_t *ns_addr_to_json(const struct ns_addr *addr)
{
	char text[IP_ADDR_TEXT_MAX], broadcast[IP_ADDR_TEXT_MAX];
	struct ip_addr bcast = ip_addr_v4(addr->broadcast_be);
	json_t *row = json_pack("{s:s, s:s, s:i, s:s}", "family",
		addr->prefix.addr.family == AF_INET6 ? "inet6" : "inet", "local",
		ip_addr_text(&addr->prefix.addr, text), "prefixlen", addr->prefix.len, "scope",
		addr_is_link_local(&addr->prefix.addr) ? "link" : "global");

	if (addr->broadcast_be != 0)
		json_object_set_new(row, "broadcast", json_string(ip_addr_text(&bcast, broadcast)));
	if (addr->flags & NS_ADDR_TENTATIVE)
		json_object_set_new(row, "tentative", json_true());
	if (addr->flags & NS_ADDR_DADFAILED)
		json_object_set_new(row, "dadfailed", json_true());
	return row;
}

static void addr_show_one(const struct ns_addr *addr, void *ctx)
{
	json_array_append_new(ctx, ns_addr_to_json(addr));
}

struct addr_show {
	const struct dp *dp;
	const char *dev;
	json_t *rows;
};

static void addr_show_link(struct link *link, void *ctx)
{
	struct addr_show *show = ctx;
	json_t *row, *info;

	if (show->dev != NULL && strcmp(show->dev, link->name) != 0)
		return;
	row = link_to_json(link);
	info = json_array();
	ns_addr_each_kept(show->dp, link->ifindex, addr_show_one, info);
	json_object_set_new(row, "addr_info", info);
	json_array_append_new(show->rows, row);
}

static int addr_show(struct call *call, const void *args)
{
	const struct addr_args *a = args;
	struct addr_show show = { .dp = call->ctx, .dev = a->dev };

	if (a->dev != NULL && link_by_name(call->ctx, a->dev) == NULL)
		return call_fail(call, -ENODEV, "Device \"%s\" does not exist.", a->dev);
	show.rows = json_array();
	link_each(call->ctx, addr_show_link, &show);
	call->result = show.rows;
	return 0;
}

/* addr add, addr del */

static int addr_add(struct call *call, const void *args)
{
	const struct addr_args *a = args;
	struct link *link = link_by_name(call->ctx, a->dev);
	const char *problem = addr_problem(&a->prefix);
	int err;

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (problem != NULL)
		return call_fail(call, -EINVAL, "%s", problem);
	err = ns_addr_add(call->ctx, link, &a->prefix);
	if (err == -EEXIST)
		return call_fail(call, err, "%s", addr_is_used);
	return err;
}

static int addr_del(struct call *call, const void *args)
{
	const struct addr_args *a = args;
	struct link *link = link_by_name(call->ctx, a->dev);

	if (link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	if (ns_addr_del(call->ctx, link, &a->prefix) < 0)
		return call_fail(call, -EADDRNOTAVAIL, "the link does not have this address");
	return 0;
}

/* netns list */

static int netns_list(struct call *call, const void *args)
{
	call->result = json_pack("[{s:s, s:i}]", "name", "default", "id", NS_DEFAULT);
	return 0;
}

static const struct column netns_columns[] = {
	{ .path = "name", .title = "NAME" },
	{ .path = "id", .title = "ID" },
	{ .title = NULL },
};

static const struct column addr_columns[] = {
	{ .path = "ifindex", .title = "INDEX" },
	{ .path = "ifname", .title = "LINK" },
	{ .path = "operstate", .title = "STATE" },
	{ .path = "addr_info.local/prefixlen", .title = "ADDRESSES" },
	{ .title = NULL },
};

const struct command ns_commands[] = {
	{ .object = "addr",
		.verb = "show",
		.help = "links with their addresses",
		.args = &addr_show_object,
		.columns = addr_columns,
		.run = addr_show,
		.is_read_only = true },
	{ .object = "addr",
		.verb = "add",
		.help = "gives a link an address",
		.args = &addr_change_object,
		.run = addr_add },
	{ .object = "addr",
		.verb = "del",
		.help = "takes an address from a link",
		.args = &addr_change_object,
		.run = addr_del },
	{ .object = "netns",
		.verb = "list",
		.help = "namespaces",
		.columns = netns_columns,
		.run = netns_list,
		.is_read_only = true },
	{ .object = NULL },
};
