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

static const struct field route_fields[] = {
	{ .name = "to",
		.type = FIELD_PREFIX,
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
		.offset = offsetof(struct route_conf, to),
		.complete = "route.show:dst",
		.help = "destination prefix, or \"default\"",
		.example = "default",
		.json = "dst" },
	{ .name = "via",
		.type = FIELD_ADDR,
		.offset = offsetof(struct route_conf, via),
		.complete = "neigh.show:dst",
		.help = "gateway",
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
		.help = "among routes to the same prefix the lowest is used" },
	{ .name = "type",
		.type = FIELD_ENUM,
		.offset = offsetof(struct route_conf, type),
		.def = "unicast",
		.enums = route_conf_types,
		.help = "what is done with packets" },
	{ .name = "nexthops", .type = FIELD_PENDING, .help = "several gateways with weights" },
	{ .type = FIELD_END },
};

const struct object route_object = {
	.name = "route",
	.help = "a route",
	.size = sizeof(struct route_conf),
	.fields = route_fields,
};

struct ip_prefix route_conf_prefix(const struct route_conf *conf)
{
	struct ip_prefix prefix = conf->to;

	if (prefix.len == 0 && conf->via.family == AF_INET6)
		prefix.addr.family = AF_INET6;
	return prefix;
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

/* Is the gateway on some link, by an address or by an earlier route that says so? */
static bool gateway_is_on_link(const struct route_check *check, void *const *routes, unsigned int i)
{
	const struct ip_addr *via = &((const struct route_conf *)routes[i])->via;

	for (unsigned int k = 0; k < check->n_connected; k++)
		if (ip_prefix_contains(&check->connected[k], via))
			return true;
	for (unsigned int k = 0; k < i; k++) {
		const struct route_conf *other = routes[k];

		if (other->type == ROUTE_UNICAST && other->via.family == 0 &&
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

static void check_unicast(const struct route_check *check, void *const *routes, unsigned int i)
{
	const struct route_conf *conf = routes[i];
	char path[32];

	if (conf->via.family == 0 && conf->dev == NULL) {
		/* What is wrong in it may have been meant to be one of them. */
		snprintf(path, sizeof(path), "routes[%u]", i);
		if (!conf_is_wrong(check->config, check->diag, path))
			route_error(check, i, "to", "a unicast route needs via or dev");
		return;
	}
	if (conf->dev != NULL && !link_is_configured(check->config, conf->dev))
		route_error(check, i, "dev", "there is no link \"%s\"", conf->dev);
	if (conf->via.family == 0)
		return;
	if (conf->via.family != route_conf_prefix(conf).addr.family)
		route_error(check, i, "via", "must be of the same address family as to");
	else if (fib_is_link_local(&conf->via) && conf->dev == NULL)
		route_error(check, i, "via", "is link-local: give dev as well");
	else if (addr_is_own(check, &conf->via))
		route_error(check, i, "via", "is an address of this router itself");
	else if (conf->dev == NULL && check->is_complete && !gateway_is_on_link(check, routes, i))
		route_error(check, i, "via",
			"is in no connected network: give a gateway that is, or dev");
}

static void check_one(const struct route_check *check, void *const *routes, unsigned int i)
{
	const struct route_conf *conf = routes[i];
	struct ip_prefix network = ip_prefix_network(&conf->to);

	if (!ip_addr_is_equal(&network.addr, &conf->to.addr))
		route_error(check, i, "to", "has bits set behind its length of %u", conf->to.len);
	else if (fib_is_link_local(&conf->to.addr) && !fib_is_link_local_prefix(&conf->to))
		route_error(check, i, "to", "is link-local and so must lie in fe80::/64");
	else if (fib_is_link_local(&conf->to.addr) && conf->dev == NULL &&
		 conf->type == ROUTE_UNICAST)
		route_error(check, i, "to", "is link-local: give dev as well");
	if (conf->type == ROUTE_UNICAST) {
		check_unicast(check, routes, i);
		return;
	}
	if (conf->via.family != 0)
		route_error(check, i, "via", "is for unicast routes only");
	if (conf->dev != NULL)
		route_error(check, i, "dev", "is for unicast routes only");
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
	const struct link *link = conf->dev == NULL ? NULL : link_by_name(dp, conf->dev);
	const char *why = "cannot be added";
	struct route want = {
		.prefix = conf->to,
		.gateway = conf->via,
		.metric = (uint32_t)conf->metric,
		.ns = NS_DEFAULT,
		.link = link == NULL ? 0 : link->ifindex,
		.type = (uint8_t)conf->type,
		.protocol = ROUTE_PROTOCOL_STATIC,
		.line = conf->head.line,
	};
	int err;

	if (conf->dev != NULL && link == NULL) {
		diag_error(diag, conf->head.line, path, "there is no link \"%s\"", conf->dev);
		return -ENODEV;
	}
	err = fib_route_add(dp, &want, &why);
	if (err < 0)
		diag_error(diag, conf->head.line, path, "%s", why);
	return err;
}

static void route_print(const struct dp *dp, const struct route *route, FILE *out)
{
	const struct link *link = link_by_index(dp, route->link);
	char prefix[IP_PREFIX_TEXT_MAX], gateway[IP_ADDR_TEXT_MAX];

	/* "default" alone is the IPv4 one. */
	fprintf(out, "\t{ to = \"%s\";",
		route->prefix.len == 0 && route->prefix.addr.family == AF_INET6
			? "::/0"
			: ip_prefix_text(&route->prefix, prefix));
	if (route->gateway.family != 0)
		fprintf(out, " via = \"%s\";", ip_addr_text(&route->gateway, gateway));
	if (link != NULL)
		fprintf(out, " dev = \"%s\";", link->name);
	if (route->type != ROUTE_UNICAST)
		fprintf(out, " type = \"%s\";", route_type_name(route->type));
	if (route->metric != 0) /* integers above 2^31 - 1 need the L */
		fprintf(out, " metric = %u%s;", route->metric,
			route->metric > INT32_MAX ? "L" : "");
	fputs(" }", out);
}

static void routes_print(struct dp *dp, FILE *out)
{
	const struct route **all;
	size_t n, n_printed = 0;

	all = fib_routes_all(dp, NS_DEFAULT, &n);
	/* Routes without gateway first: the others may need them. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			for (const struct route *r = all[i]; r != NULL; r = r->next) {
				if (r->protocol == ROUTE_PROTOCOL_KERNEL ||
					(r->gateway.family != 0) != (pass == 1))
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
