/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The section `routes` of the configuration: its fields, the checks that need the whole file,
 * applying and printing. The same fields are the arguments of `route add`. Control thread.
 */
#include "fib/fib_priv.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

const struct field_enum route_conf_types[] = {
	{ "unicast", ROUTE_UNICAST, "to a gateway, or to what is on the link itself" },
	{ "blackhole", ROUTE_BLACKHOLE, "drop silently" },
	{ "unreachable", ROUTE_UNREACHABLE, "drop and answer: host unreachable" },
	{ "prohibit", ROUTE_PROHIBIT, "drop and answer: administratively prohibited" },
	{ 0 },
};

static const struct field nexthop_fields[] = {
	{ .name = "via",
		.type = FIELD_ADDR,
		.offset = offsetof(struct nexthop_conf, via),
		.help = "gateway",
		.json = "gateway" },
	{ .name = "dev",
		.type = FIELD_STRING,
		.offset = offsetof(struct nexthop_conf, dev),
		.max = LINK_NAME_MAX - 1,
		.help = "link; found from via when left out" },
	{ .name = "weight",
		.type = FIELD_INT,
		.offset = offsetof(struct nexthop_conf, weight),
		.min = 1,
		.max = ROUTE_WEIGHT_MAX,
		.def = "1",
		.help = "share of the flows, relative to the others" },
	{ .name = "onlink",
		.type = FIELD_BOOL,
		.offset = offsetof(struct nexthop_conf, onlink),
		.def = "false",
		.help = "the gateway is on the link, whatever networks that has" },
	{ .type = FIELD_END },
};

static const struct object nexthop_object = {
	.name = "nexthop",
	.help = "one of several gateways",
	.size = sizeof(struct nexthop_conf),
	.fields = nexthop_fields,
};

static const struct field route_fields[] = {
	{ .name = "to",
		.type = FIELD_PREFIX,
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
		.offset = offsetof(struct route_conf, to),
		.complete = "route.show:dst",
		.example = "default",
		.help = "destination prefix, or \"default\": that of the gateway's family",
		.json = "dst" },
	{ .name = "via",
		.type = FIELD_ADDR,
		.offset = offsetof(struct route_conf, via),
		.complete = "neigh.show:dst",
		.help = "gateway; on a link, or reached by another route",
		.json = "gateway" },
	{ .name = "dev",
		.type = FIELD_STRING,
		.offset = offsetof(struct route_conf, dev),
		.complete = "link.show:ifname",
		.max = LINK_NAME_MAX - 1,
		.help = "link; found from via when left out",
		.example = "wan" },
	{ .name = "metric",
		.type = FIELD_INT,
		.offset = offsetof(struct route_conf, metric),
		.max = UINT32_MAX,
		.def = "0",
		.help = "among routes to the same prefix the lowest is used; 0 is 1024 for IPv6" },
	{ .name = "type",
		.type = FIELD_ENUM,
		.offset = offsetof(struct route_conf, type),
		.def = "unicast",
		.enums = route_conf_types,
		.help = "what is done with packets" },
	{ .name = "onlink",
		.type = FIELD_BOOL,
		.offset = offsetof(struct route_conf, onlink),
		.def = "false",
		.help = "the gateway is on the link, whatever networks that has" },
	{ .name = "nexthops",
		.type = FIELD_LIST,
		.offset = offsetof(struct route_conf, nexthops),
		.object = &nexthop_object,
		.help = "several gateways, in place of via and dev: flows are spread by weight" },
	{ .type = FIELD_END },
};

const struct object route_object = {
	.name = "route",
	.help = "a route",
	.size = sizeof(struct route_conf),
	.fields = route_fields,
};

/* The next hop i of a route: its own via and dev, or one of several. */
static struct nexthop_conf conf_hop(const struct route_conf *conf, unsigned int i)
{
	if (conf->nexthops.n == 0)
		return (struct nexthop_conf){
			.via = conf->via, .dev = conf->dev, .weight = 1, .onlink = conf->onlink
		};
	return *(const struct nexthop_conf *)field_list_item(&nexthop_object, &conf->nexthops, i);
}

static unsigned int conf_n_hops(const struct route_conf *conf)
{
	if (conf->nexthops.n == 0)
		return conf->via.family != 0 || conf->dev != NULL;
	return conf->nexthops.n;
}

struct ip_prefix route_conf_prefix(const struct route_conf *conf)
{
	struct ip_prefix prefix = conf->to;

	if (prefix.len == 0 && conf_n_hops(conf) > 0 && conf_hop(conf, 0).via.family == AF_INET6)
		prefix.addr.family = AF_INET6;
	return prefix;
}

static const char both_kinds[] = "nexthops stand in place of via, dev and onlink";
static const char too_many[] = "a route has 64 next hops at most";
static_assert(ROUTE_HOPS_MAX == 64, "as the text says");

/* What no next hop shows by itself. NULL: nothing. */
static const char *conf_refuse(const struct route_conf *conf)
{
	if (conf->nexthops.n > 0 && (conf->via.family != 0 || conf->dev != NULL || conf->onlink))
		return both_kinds;
	return conf->nexthops.n > ROUTE_HOPS_MAX ? too_many : NULL;
}

int route_conf_spec(const struct dp *dp, const struct route_conf *conf, struct nexthop_spec *hops,
	struct route_spec *out, const char **why)
{
	*why = conf_refuse(conf);
	if (*why != NULL)
		return -EINVAL;
	*out = (struct route_spec){
		.prefix = route_conf_prefix(conf),
		.metric = (uint32_t)conf->metric,
		.ns = NS_DEFAULT,
		.type = (uint8_t)conf->type,
		.line = conf->head.line,
		.n_hops = conf_n_hops(conf),
		.hops = hops,
	};
	for (unsigned int i = 0; i < out->n_hops; i++) {
		struct nexthop_conf hop = conf_hop(conf, i);
		const struct link *link = hop.dev == NULL ? NULL : link_by_name(dp, hop.dev);

		*why = hop.dev;
		if (hop.dev != NULL && link == NULL)
			return -ENODEV;
		memset(&hops[i], 0, sizeof(hops[i]));
		hops[i].gateway = hop.via;
		hops[i].link = link == NULL ? 0 : link->ifindex;
		hops[i].weight = (uint16_t)hop.weight;
		hops[i].is_onlink = hop.onlink;
	}
	return 0;
}

/* Checks */

struct route_check {
	const struct config *config;
	struct diag *diag;
	struct ip_prefix *connected; /* host bits kept */
	unsigned int n_connected;
	bool is_complete; /* all addresses are known: none was wrong by itself */
};

static void __attribute__((format(printf, 4, 5))) route_error(
	const struct route_check *check, unsigned int i, const char *field, const char *fmt, ...)
{
	char path[64], text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "routes[%u].%s", i, field);
	conf_error(check->config, check->diag, path, "%s", text);
}

/* The addresses of a configured link: a field of a lower floor, read by its name. */
static void check_add_link(struct route_check *check, const void *link)
{
	json_t *row = schema_to_json(&link_object, link);
	json_t *addresses = json_object_get(row, "addresses");
	struct ip_prefix prefix;
	json_t *item;
	size_t i;

	json_array_foreach(addresses, i, item) {
		if (!json_is_string(item) || ip_prefix_parse(json_string_value(item), &prefix) < 0)
			continue;
		check->connected = mem_realloc(
			check->connected, check->n_connected + 1, sizeof(*check->connected));
		check->connected[check->n_connected++] = prefix;
	}
	json_decref(row);
}

/* Is the gateway on some link or reached by an earlier route, though not by a default route? */
static bool gateway_is_known(const struct route_check *check, void *const *routes, unsigned int i,
	const struct ip_addr *via)
{
	for (unsigned int k = 0; k < check->n_connected; k++)
		if (ip_prefix_contains(&check->connected[k], via))
			return true;
	for (unsigned int k = 0; k < i; k++) {
		const struct route_conf *other = routes[k];

		if (other->type == ROUTE_UNICAST && other->to.len > 0 &&
			ip_prefix_contains(&other->to, via))
			return true;
	}
	return false;
}

static bool addr_is_own(const struct route_check *check, const struct ip_addr *addr)
{
	for (unsigned int k = 0; k < check->n_connected; k++)
		if (ip_addr_is_equal(&check->connected[k].addr, addr))
			return true;
	return false;
}

/* at: what the paths of its fields begin with, "" or "nexthops[0]." */
static void check_hop(const struct route_check *check, void *const *routes, unsigned int i,
	const struct nexthop_conf *hop, const char *at)
{
	char via[48], dev[48];

	snprintf(via, sizeof(via), "%svia", at);
	snprintf(dev, sizeof(dev), "%sdev", at);
	if (hop->dev != NULL && !link_is_configured(check->config, hop->dev))
		route_error(check, i, dev, "there is no link \"%s\"", hop->dev);
	if (hop->via.family == 0)
		return;
	if (hop->via.family != route_conf_prefix(routes[i]).addr.family)
		route_error(check, i, via, "must be of the same address family as to");
	else if (fib_is_link_local(&hop->via) && hop->dev == NULL)
		route_error(check, i, via, "is link-local: give dev as well");
	else if (addr_is_own(check, &hop->via))
		route_error(check, i, via, "is an address of this router itself");
	else if (hop->dev == NULL && hop->onlink)
		route_error(check, i, via, "is onlink: give dev as well");
	else if (hop->dev == NULL && check->is_complete &&
		 !gateway_is_known(check, routes, i, &hop->via))
		route_error(check, i, via,
			"is in no connected network and behind no route before this one: give a "
			"gateway that is, or dev");
}

static void check_unicast(const struct route_check *check, void *const *routes, unsigned int i)
{
	const struct route_conf *conf = routes[i];
	unsigned int n = conf_n_hops(conf);
	char path[32];

	if (n == 0) {
		/* What is wrong in it may have been meant to be one of them. */
		snprintf(path, sizeof(path), "routes[%u]", i);
		if (!conf_is_wrong(check->config, check->diag, path))
			route_error(check, i, "to", "a unicast route needs via or dev");
		return;
	}
	for (unsigned int k = 0; k < n; k++) {
		struct nexthop_conf hop = conf_hop(conf, k);

		snprintf(path, sizeof(path), "nexthops[%u].", k);
		if (hop.via.family == 0 && hop.dev == NULL)
			route_error(check, i, "nexthops", "[%u] needs via or dev", k);
		else
			check_hop(check, routes, i, &hop, conf->nexthops.n == 0 ? "" : path);
	}
}

static void check_one(const struct route_check *check, void *const *routes, unsigned int i)
{
	const struct route_conf *conf = routes[i];
	struct ip_prefix network = ip_prefix_network(&conf->to);

	if (!ip_addr_is_equal(&network.addr, &conf->to.addr))
		route_error(check, i, "to", "has bits set behind its length of %u", conf->to.len);
	else if (fib_is_link_local(&conf->to.addr) && !fib_is_link_local_prefix(&conf->to))
		route_error(check, i, "to", "is link-local and so must lie in fe80::/64");
	else if (fib_is_link_local(&conf->to.addr) && conf->dev == NULL)
		route_error(check, i, "to", "is link-local: give dev as well, and only one");
	if (conf_refuse(conf) != NULL)
		route_error(check, i, "nexthops", "%s", conf_refuse(conf));
	else if (conf->type == ROUTE_UNICAST)
		check_unicast(check, routes, i);
	if (conf->type == ROUTE_UNICAST)
		return;
	if (conf->via.family != 0)
		route_error(check, i, "via", "is for unicast routes only");
	if (conf->dev != NULL)
		route_error(check, i, "dev", "is for unicast routes only");
	if (conf->nexthops.n > 0)
		route_error(check, i, "nexthops", "are for unicast routes only");
}

struct route_order {
	struct ip_prefix to;
	const char *dev; /* of a link-local prefix, which means another on each link */
	uint32_t metric;
	unsigned int i;
};

static struct route_order route_order(const struct route_conf *conf, unsigned int i)
{
	struct ip_prefix to = route_conf_prefix(conf);

	return (struct route_order){
		.to = to,
		.dev = fib_is_link_local(&to.addr) && conf->dev != NULL ? conf->dev : "",
		.metric = fib_metric(to.addr.family, (uint32_t)conf->metric),
		.i = i,
	};
}

static int order_compare(const void *a, const void *b)
{
	const struct route_order *x = a, *y = b;
	int order = ip_prefix_compare(&x->to, &y->to);

	if (order == 0)
		order = strcmp(x->dev, y->dev);
	if (order == 0)
		order = (x->metric > y->metric) - (x->metric < y->metric);
	return order != 0 ? order : (x->i > y->i) - (x->i < y->i);
}

/* Sorted, so that a million routes are no problem. */
static void check_duplicates(const struct route_check *check, void *const *routes, unsigned int n)
{
	struct route_order *order = mem_zalloc((n + 1) * sizeof(*order));

	for (unsigned int i = 0; i < n; i++)
		order[i] = route_order(routes[i], i);
	qsort(order, n, sizeof(*order), order_compare);
	for (unsigned int k = 1; k < n; k++) {
		const struct route_order *a = &order[k - 1], *b = &order[k];

		if (ip_prefix_compare(&a->to, &b->to) == 0 && strcmp(a->dev, b->dev) == 0 &&
			a->metric == b->metric)
			route_error(check, b->i, "to", "routes[%u] has the same prefix and metric",
				a->i);
	}
	free(order);
}

static void routes_check(const struct config *config, struct diag *diag)
{
	const struct conf_section *links = conf_section(config, "links");
	const struct conf_section *routes = conf_section(config, "routes");
	struct route_check check = { .config = config, .diag = diag, .is_complete = true };
	char path[48];

	for (unsigned int i = 0; i < links->n_objects; i++) {
		snprintf(path, sizeof(path), "links[%u].addresses", i);
		check.is_complete = check.is_complete && !conf_is_wrong(config, diag, path);
		check_add_link(&check, links->objects[i]);
	}
	for (unsigned int i = 0; i < routes->n_objects; i++)
		check_one(&check, routes->objects, i);
	check_duplicates(&check, routes->objects, routes->n_objects);
	free(check.connected);
}

/* Applying and printing */

static int routes_apply(struct dp *dp, const void *object, const char *path, struct diag *diag)
{
	const struct route_conf *conf = object;
	struct nexthop_spec hops[ROUTE_HOPS_MAX];
	const char *why = "cannot be added";
	struct route_spec spec;
	int err = route_conf_spec(dp, conf, hops, &spec, &why);

	if (err == -ENODEV) {
		diag_error(diag, conf->head.line, path, "there is no link \"%s\"", why);
		return err;
	}
	spec.protocol = ROUTE_PROTOCOL_STATIC;
	if (err == 0)
		err = fib_route_add(dp, &spec, &why);
	if (err < 0)
		diag_error(diag, conf->head.line, path, "%s", why);
	return err;
}

static void hop_print(const struct dp *dp, const struct nexthop *hop, FILE *out)
{
	const struct link *link = link_by_index(dp, hop->spec.link);
	char gateway[IP_ADDR_TEXT_MAX];

	if (hop->spec.gateway.family != 0)
		fprintf(out, " via = \"%s\";", ip_addr_text(&hop->spec.gateway, gateway));
	if (link != NULL && !hop->is_dead)
		fprintf(out, " dev = \"%s\";", link->name);
	if (hop->spec.is_onlink)
		fputs(" onlink = true;", out);
}

static void hops_print(const struct dp *dp, const struct nexthops *set, FILE *out)
{
	if (set->n == 1)
		hop_print(dp, &set->hop[0], out);
	if (set->n <= 1)
		return;
	fputs(" nexthops = (", out);
	for (unsigned int i = 0; i < set->n; i++) {
		fputs(i == 0 ? " {" : ", {", out);
		hop_print(dp, &set->hop[i], out);
		if (set->hop[i].spec.weight != 1)
			fprintf(out, " weight = %u;", set->hop[i].spec.weight);
		fputs(" }", out);
	}
	fputs(" );", out);
}

static void route_print(const struct dp *dp, const struct route *route, FILE *out)
{
	char prefix[IP_PREFIX_TEXT_MAX];

	/* "default" alone is the IPv4 one. */
	fprintf(out, "\t{ to = \"%s\";",
		route->prefix.len == 0 && route->prefix.addr.family == AF_INET6
			? "::/0"
			: ip_prefix_text(&route->prefix, prefix));
	hops_print(dp, route->nexthops, out);
	if (route->type != ROUTE_UNICAST)
		fprintf(out, " type = \"%s\";", route_type_name(route->type));
	if (route->metric != fib_metric(route->prefix.addr.family, 0))
		/* Integers above 2^31 - 1 need the L. */
		fprintf(out, " metric = %u%s;", route->metric,
			route->metric > INT32_MAX ? "L" : "");
	fputs(" }", out);
}

/* Routes need those that lead to their gateways before them: those without, on a link, behind. */
static unsigned int route_rank(const struct route *route)
{
	unsigned int rank = 0;

	for (unsigned int i = 0; i < route->nexthops->n; i++) {
		const struct nexthop_spec *hop = &route->nexthops->hop[i].spec;

		if (hop->gateway.family != 0)
			rank = RTE_MAX(rank, hop->is_recursive ? 2u : 1u);
	}
	return rank + route->nexthops->depth;
}

static void routes_print(struct dp *dp, FILE *out)
{
	unsigned int rank_max = 0;
	const struct route **all;
	size_t n, n_printed = 0;

	all = fib_routes_all(dp, NS_DEFAULT, &n);
	for (unsigned int rank = 0; rank <= rank_max; rank++) {
		for (size_t i = 0; i < n; i++) {
			for (const struct route *r = all[i]; r != NULL; r = r->next) {
				if (r->protocol == ROUTE_PROTOCOL_KERNEL || r->nexthops->is_doomed)
					continue;
				rank_max = RTE_MAX(rank_max, route_rank(r));
				if (route_rank(r) != rank)
					continue;
				fputs(n_printed++ == 0 ? "routes = (\n" : ",\n", out);
				route_print(dp, r, out);
			}
		}
	}
	if (n_printed > 0)
		fputs("\n);\n", out);
	free(all);
}

const struct section fib_sections[] = {
	{ .key = "routes",
		.object = &route_object,
		.is_list = true,
		.check = routes_check,
		.apply = routes_apply,
		.print = routes_print },
	{ .key = NULL },
};
