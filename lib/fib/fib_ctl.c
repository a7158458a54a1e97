/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The commands of `route`: words, answers and errors as ip-route(8) has them. Control thread.
 */
#include "fib/fib_priv.h"

#include <string.h>

static const struct field_enum all_types[] = {
	{ "unicast", ROUTE_UNICAST, "to a gateway or on the link" },
	{ "local", ROUTE_LOCAL, "to an address of this router" },
	{ "broadcast", ROUTE_BROADCAST, "to a broadcast address" },
	{ "blackhole", ROUTE_BLACKHOLE, "dropped silently" },
	{ "unreachable", ROUTE_UNREACHABLE, "dropped and answered" },
	{ "prohibit", ROUTE_PROHIBIT, "dropped and answered" },
	{ 0 },
};

static const struct field_enum families[] = {
	{ "inet", AF_INET, "IPv4" },
	{ "inet6", AF_INET6, "IPv6" },
	{ 0 },
};

static const struct field_enum tables[] = {
	{ "main", FIB_SHOW_MAIN, "all routes but local and broadcast ones" },
	{ "local", FIB_SHOW_LOCAL, "local and broadcast routes" },
	{ "all", FIB_SHOW_ALL, "both" },
	{ 0 },
};

/* Rows */

/* Sets what iproute2 shows in both `route show` and `route get`: a string unless empty. */
static void row_set_addr(json_t *row, const char *key, const struct ip_addr *addr)
{
	char text[IP_ADDR_TEXT_MAX];

	if (addr->family != 0)
		json_object_set_new(row, key, json_string(ip_addr_text(addr, text)));
}

static void row_set_type(json_t *row, const struct route *route)
{
	if (route->type != ROUTE_UNICAST)
		json_object_set_new(row, "type", json_string(route_type_name(route->type)));
}

static void row_set_link(json_t *row, const struct dp *dp, uint16_t ifindex)
{
	const struct link *link = link_by_index(dp, ifindex);

	if (link != NULL)
		json_object_set_new(row, "dev", json_string(link->name));
}

static void flags_add(json_t *flags, bool is_set, const char *name)
{
	if (is_set)
		json_array_append_new(flags, json_string(name));
}

static json_t *hop_flags(const struct nexthop *hop)
{
	json_t *flags = json_array();

	flags_add(flags, hop->is_dead, "dead");
	flags_add(flags, hop->is_linkdown && hop->set->type != ROUTE_LOCAL, "linkdown");
	flags_add(flags, hop->is_failed, "failed");
	flags_add(flags, hop->spec.is_onlink, "onlink");
	flags_add(flags, hop->spec.is_recursive, "recursive");
	flags_add(flags, hop->spec.is_recursive && hop->via == NULL, "unresolved");
	return flags;
}

static void row_set_hop(json_t *row, const struct dp *dp, const struct nexthop *hop)
{
	row_set_addr(row, "gateway", &hop->spec.gateway);
	if (!hop->is_dead)
		row_set_link(row, dp, hop->spec.link);
}

static json_t *hop_row(const struct dp *dp, const struct nexthop *hop)
{
	json_t *row = json_object();

	row_set_hop(row, dp, hop);
	json_object_set_new(row, "weight", json_integer(hop->spec.weight));
	json_object_set_new(row, "flags", hop_flags(hop));
	return row;
}

/* As in iproute2: the only next hop is part of the row, several are a list. */
static void row_set_hops(json_t *row, const struct dp *dp, const struct nexthops *set)
{
	json_t *rows;

	if (set->n == 1)
		row_set_hop(row, dp, &set->hop[0]);
	if (set->n <= 1)
		return;
	rows = json_array();
	for (unsigned int i = 0; i < set->n; i++)
		json_array_append_new(rows, hop_row(dp, &set->hop[i]));
	json_object_set_new(row, "nexthops", rows);
}

static json_t *route_flags(const struct route *route)
{
	return route->nexthops->n == 1 ? hop_flags(&route->nexthops->hop[0]) : json_array();
}

/* How far away destinations are, as Linux derives it. NULL: anywhere, which is not shown. */
static const char *route_scope(const struct route *route)
{
	/* IPv6 routes have no scope. */
	if (route->prefix.addr.family == AF_INET6)
		return NULL;
	if (route->type == ROUTE_LOCAL)
		return "host";
	if (route->type == ROUTE_BROADCAST || route_is_glean(route))
		return "link";
	return NULL;
}

json_t *fib_route_row(const struct dp *dp, const struct route *route, enum fib_show_table table)
{
	const char *scope = route_scope(route);
	bool is_ip6 = route->prefix.addr.family == AF_INET6;
	char text[IP_PREFIX_TEXT_MAX];
	json_t *row = json_object();

	row_set_type(row, route);
	json_object_set_new(row, "dst", json_string(ip_prefix_text(&route->prefix, text)));
	row_set_hops(row, dp, route->nexthops);
	if (table == FIB_SHOW_ALL && route_is_in_local(route))
		json_object_set_new(row, "table", json_string("local"));
	json_object_set_new(row, "protocol", json_string(route_protocol_name(route->protocol)));
	if (scope != NULL)
		json_object_set_new(row, "scope", json_string(scope));
	row_set_addr(row, "prefsrc", &route->nexthops->prefsrc);
	if (route->metric != 0 || is_ip6)
		json_object_set_new(row, "metric", json_integer(route->metric));
	json_object_set_new(row, "flags", route_flags(route));
	if (is_ip6)
		json_object_set_new(row, "pref", json_string("medium"));
	return row;
}

json_t *route_to_json(const struct dp *dp, const struct route *route)
{
	return fib_route_row(dp, route, FIB_SHOW_ALL);
}

/* route show */

struct show_args {
	struct object_head head;
	struct ip_prefix to;
	char *dev;
	int type;
	int table;
	int family; /* 0: both */
};

static const struct object show_object = {
	.name = "route",
	.size = sizeof(struct show_args),
	.fields =
		(const struct field[]){
			{ .name = "to",
				.type = FIELD_PREFIX,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct show_args, to),
				.complete = "route.show:dst",
				.help = "only routes to exactly this prefix" },
			{ .name = "dev",
				.type = FIELD_STRING,
				.offset = offsetof(struct show_args, dev),
				.complete = "link.show:ifname",
				.help = "only routes over this link" },
			{ .name = "type",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct show_args, type),
				.enums = all_types,
				.help = "only routes of this type" },
			{ .name = "table",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct show_args, table),
				.enums = tables,
				.def = "main",
				.help = "which routes" },
			{ .name = "family",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct show_args, family),
				.enums = families,
				.help = "only routes of this address family" },
			{ .type = FIELD_END },
		},
};

static int route_show(struct call *call, const void *args)
{
	const struct show_args *a = args;
	const struct link *link = a->dev == NULL ? NULL : link_by_name(call->ctx, a->dev);
	struct fib_show_filter filter = {
		.ns = NS_DEFAULT,
		.link = link == NULL ? 0 : link->ifindex,
		.type = (uint8_t)a->type,
		.family = (uint8_t)a->family,
		.to = a->to,
		.table = (enum fib_show_table)a->table,
	};

	if (a->dev != NULL && link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", a->dev);
	call->rows = fib_show(call->ctx, &filter);
	return 0;
}

/* route add, replace, del */

static int route_put(struct call *call, const struct route_conf *conf,
	int (*put)(struct dp *dp, const struct route_spec *want, const char **why))
{
	struct nexthop_spec hops[ROUTE_HOPS_MAX];
	struct route_spec spec;
	const char *why = "";
	int err = route_conf_spec(call->ctx, conf, hops, &spec, &why);

	if (err == -ENODEV)
		return call_fail(call, err, "Cannot find device \"%s\"", why);
	spec.protocol = ROUTE_PROTOCOL_BOOT;
	if (err == 0)
		err = put(call->ctx, &spec, &why);
	return err < 0 ? call_fail(call, err, "%s", why) : 0;
}

static int route_add(struct call *call, const void *args)
{
	return route_put(call, args, fib_route_add);
}

static int route_replace(struct call *call, const void *args)
{
	return route_put(call, args, fib_route_replace);
}

static int route_del(struct call *call, const void *args)
{
	const struct route_conf *conf = args;
	const struct link *link = conf->dev == NULL ? NULL : link_by_name(call->ctx, conf->dev);
	struct route_match match = {
		.ns = NS_DEFAULT,
		.prefix = conf->to,
		.gateway = conf->via,
		.link = link == NULL ? 0 : link->ifindex,
		.type = object_has(&route_object, conf, "type") ? (enum route_type)conf->type
								: ROUTE_TYPE_ANY,
		.metric = object_has(&route_object, conf, "metric") ? conf->metric : -1,
	};

	if (conf->dev != NULL && link == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", conf->dev);
	if (fib_route_del(call->ctx, &match) < 0)
		return call_fail(call, -ESRCH, "No such process: there is no such route");
	return 0;
}

/* route get */

struct get_args {
	struct object_head head;
	struct ip_addr to;
	struct ip_addr from;
	char *iif;
	char *oif;
};

static const struct object get_object = {
	.name = "route",
	.size = sizeof(struct get_args),
	.fields =
		(const struct field[]){
			{ .name = "to",
				.type = FIELD_ADDR,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
				.offset = offsetof(struct get_args, to),
				.complete = "neigh.show:dst",
				.help = "destination" },
			{ .name = "from",
				.type = FIELD_ADDR,
				.offset = offsetof(struct get_args, from),
				.complete = "addr.show:addr_info.local",
				.help = "source; one of our own unless iif is given" },
			{ .name = "iif",
				.type = FIELD_STRING,
				.offset = offsetof(struct get_args, iif),
				.complete = "link.show:ifname",
				.help = "link that the packet came in by; it is forwarded" },
			{ .name = "oif",
				.type = FIELD_STRING,
				.offset = offsetof(struct get_args, oif),
				.help = "link that it is to leave by; a link-local destination "
					"needs it, or iif" },
			{ .type = FIELD_END },
		},
};

static int get_check(struct call *call, const struct get_args *args)
{
	if (args->from.family != 0 && args->from.family != args->to.family)
		return call_fail(call, -EINVAL,
			"Invalid argument: to and from are of different address families");
	if (fib_is_link_local(&args->to) && args->iif == NULL && args->oif == NULL)
		return call_fail(call, -EINVAL,
			"Invalid argument: a link-local destination needs oif or iif");
	if (args->oif != NULL && link_by_name(call->ctx, args->oif) == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", args->oif);
	if (args->iif != NULL && link_by_name(call->ctx, args->iif) == NULL)
		return call_fail(call, -ENODEV, "Cannot find device \"%s\"", args->iif);
	if (args->iif == NULL && args->from.family != 0 &&
		ns_addr_lookup(call->ctx, NS_DEFAULT, &args->from) == NULL)
		return call_fail(call, -ENETUNREACH,
			"Network is unreachable: from is no address of this router");
	return 0;
}

/* What a sender would be told. */
static int get_refuse(struct call *call, const struct route *route)
{
	if (route == NULL)
		return call_fail(call, -ENETUNREACH, "Network is unreachable: no route");
	switch ((enum route_type)route->type) {
	case ROUTE_BLACKHOLE:
		return call_fail(call, -EINVAL, "Invalid argument: blackhole route");
	case ROUTE_UNREACHABLE:
		return call_fail(call, -EHOSTUNREACH, "No route to host: unreachable route");
	case ROUTE_PROHIBIT:
		return call_fail(call, -EACCES, "Permission denied: prohibit route");
	case ROUTE_TYPE_ANY:
	case ROUTE_UNICAST:
	case ROUTE_LOCAL:
	case ROUTE_BROADCAST:
		break;
	}
	return 0;
}

/* The source of a packet that leaves by a route. Family 0: none is known. */
static struct ip_addr get_source(const struct dp *dp, const struct get_args *args,
	const struct route *route, const struct nexthop_choice *hop)
{
	struct ip_addr source = { 0 };

	if (args->from.family != 0)
		return args->from;
	if (route->nexthops->prefsrc.family != 0)
		return route->nexthops->prefsrc;
	ns_addr_select(dp, NS_DEFAULT, hop->link,
		hop->gateway.family != 0 ? &hop->gateway : &args->to, &source);
	return source;
}

/* The route that the packet takes; with oif, only if that leads there. */
static const struct route *get_lookup(const struct dp *dp, const struct get_args *args)
{
	const char *name = args->oif != NULL ? args->oif : args->iif;
	const struct link *link = name == NULL ? NULL : link_by_name(dp, name);
	uint16_t ifindex = link == NULL ? 0 : link->ifindex;
	const struct route *route = fib_lookup(dp, NS_DEFAULT, &args->to, ifindex);

	if (args->oif != NULL && route != NULL && !route_is_over(route, ifindex))
		return NULL;
	return route;
}

static json_t *get_cache(const struct route *route)
{
	json_t *cache = json_array();

	flags_add(cache, route_is_in_local(route), "local");
	flags_add(cache, route->type == ROUTE_BROADCAST, "brd");
	return cache;
}

static json_t *get_row(const struct dp *dp, const struct get_args *args, const struct route *route)
{
	struct nexthop_choice hop = fib_route_choice(dp, route, &args->from, &args->to);
	struct ip_addr source = get_source(dp, args, route, &hop);
	json_t *row = json_object();

	/* Which of several is taken depends on the source, and that on which is taken. */
	hop = fib_route_choice(dp, route, &source, &args->to);
	row_set_type(row, route);
	row_set_addr(row, "dst", &args->to);
	row_set_addr(row, "gateway", &hop.gateway);
	/* There is no "lo" here: a local address is shown with its link. */
	row_set_link(row, dp, hop.link);
	/* A forwarded packet brings its own source. */
	row_set_addr(row, args->iif != NULL ? "from" : "prefsrc",
		args->iif != NULL ? &args->from : &source);
	json_object_set_new(row, "flags", route_flags(route));
	json_object_set_new(row, "cache", get_cache(route));
	if (args->iif != NULL)
		json_object_set_new(row, "iif", json_string(args->iif));
	return row;
}

static int route_get(struct call *call, const void *args)
{
	const struct get_args *a = args;
	const struct route *route;
	int err = get_check(call, a);

	if (err < 0)
		return err;
	route = get_lookup(call->ctx, a);
	err = get_refuse(call, route);
	if (err < 0)
		return err;
	call->result = json_array();
	json_array_append_new(call->result, get_row(call->ctx, a, route));
	return 0;
}

/* route summary */

static json_t *summary_family(const struct fib_state *state, enum fib_family family)
{
	json_t *protocols = json_object();
	size_t n_all = 0;

	for (uint8_t i = 0; i < FIB_PROTOCOLS_MAX; i++) {
		size_t n = state->n_routes[family][i];

		n_all += n;
		if (n > 0)
			json_object_set_new(
				protocols, route_protocol_name(i), json_integer((json_int_t)n));
	}
	return json_pack("{s:s, s:I, s:o}", "family", family == FIB_IP6 ? "inet6" : "inet",
		"routes", (json_int_t)n_all, "protocols", protocols);
}

/* Bytes as they are allocated, without what malloc() adds. */
static json_t *summary_memory(const struct fib_state *state)
{
	json_int_t n_prefixes = 0, n_slots = 0, n_routes = 0, n_tables = FIB_N_FAMILIES;

	for (unsigned int i = 0; i < NS_MAX; i++) {
		const struct fib *fib = state->fibs[i];

		if (fib == NULL)
			continue;
		n_tables += FIB_N_FAMILIES;
		n_prefixes += (json_int_t)fib->rib.n_nodes;
		n_slots += (json_int_t)rib_size(&fib->rib);
	}
	for (unsigned int i = 0; i < FIB_N_FAMILIES * FIB_PROTOCOLS_MAX; i++)
		n_routes +=
			(json_int_t)state->n_routes[i / FIB_PROTOCOLS_MAX][i % FIB_PROTOCOLS_MAX];
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "prefixes", n_prefixes, "nexthops",
		(json_int_t)state->n_sets, "multipath_groups", (json_int_t)state->n_groups,
		"lpm_groups", (json_int_t)lpm_pool_used(state->pool), "lpm_groups_max",
		(json_int_t)FIB_GROUPS_MAX, "lpm_bytes",
		n_tables * LPM_ROOT_SLOTS * (json_int_t)sizeof(uint32_t) +
			(json_int_t)lpm_pool_used(state->pool) * LPM_GROUP_SLOTS *
				(json_int_t)sizeof(uint32_t),
		"route_bytes",
		n_slots + n_prefixes * (json_int_t)sizeof(struct fib_entry) +
			n_routes * (json_int_t)sizeof(struct route));
}

static int route_summary(struct call *call, const void *args)
{
	const struct fib_state *state = fib_state(call->ctx);

	call->result = summary_memory(state);
	json_object_set_new(call->result, "families",
		json_pack(
			"[o, o]", summary_family(state, FIB_IP4), summary_family(state, FIB_IP6)));
	return 0;
}

static const struct column summary_columns[] = {
	{ .path = "families.family", .title = "FAMILIES" },
	{ .path = "families.routes", .title = "ROUTES" },
	{ .path = "prefixes", .title = "PREFIXES" },
	{ .path = "nexthops", .title = "NEXTHOPS" },
	{ .path = "multipath_groups", .title = "MULTIPATH" },
	{ .path = "lpm_groups", .title = "LPM GROUPS" },
	{ .path = "lpm_bytes", .title = "LPM BYTES" },
	{ .path = "route_bytes", .title = "ROUTE BYTES" },
	{ .title = NULL },
};

static const struct column route_columns[] = {
	{ .path = "type", .title = "TYPE" },
	{ .path = "dst", .title = "DESTINATION" },
	{ .path = "gateway", .title = "GATEWAY" },
	{ .path = "dev", .title = "LINK" },
	{ .path = "nexthops.gateway", .title = "NEXTHOPS" },
	{ .path = "protocol", .title = "PROTOCOL" },
	{ .path = "scope", .title = "SCOPE" },
	{ .path = "prefsrc", .title = "SOURCE" },
	{ .path = "metric", .title = "METRIC" },
	{ .path = "flags", .title = "FLAGS" },
	{ .title = NULL },
};

const struct command fib_commands[] = {
	{ .object = "route",
		.verb = "show",
		.help = "routes",
		.args = &show_object,
		.columns = route_columns,
		.run = route_show,
		.is_read_only = true },
	{ .object = "route",
		.verb = "add",
		.help = "adds a route",
		.args = &route_object,
		.run = route_add,
		.bulk = "routes" },
	{ .object = "route",
		.verb = "replace",
		.help = "adds a route, in place of one to the same prefix with the same metric",
		.args = &route_object,
		.run = route_replace,
		.bulk = "routes" },
	{ .object = "route",
		.verb = "del",
		.help = "deletes the first route that matches",
		.args = &route_object,
		.run = route_del,
		.bulk = "routes" },
	{ .object = "route",
		.verb = "get",
		.help = "the route that packets to an address take",
		.args = &get_object,
		.columns = route_columns,
		.run = route_get,
		.is_read_only = true },
	{ .object = "route",
		.verb = "summary",
		.help = "how many routes there are, and the memory they take",
		.columns = summary_columns,
		.run = route_summary,
		.is_read_only = true },
	{ .object = NULL },
};
