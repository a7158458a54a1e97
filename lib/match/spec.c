/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From the keys of a rule as text to what they ask for. Every value becomes a range of numbers (a
 * prefix is one, so is an ICMP type with all its codes; TCP flags are a number of 8 bits, of which
 * all that fit are listed), so that the compiler knows ranges only. Names of links stay names.
 *
 * Called for configurations and requests, by the control thread or any single thread; there is no
 * state. What keys mean together is checked here, too: which need a proto, which contradict each
 * other. Whether a rule can ever be reached is not.
 */
#include <errno.h>
#include <stdarg.h>

#include "base/mem.h"
#include "match/match_priv.h"

struct parse {
	const struct match_source *source;
	struct match_spec *spec;
	enum match_key_id id;
	const struct match_key_row *row;
	const struct match_name *names;
	char *path;	    /* of the value that is looked at */
	uint16_t wrong;	    /* keys that something is wrong with, one bit each */
	bool has_mark_mask; /* spec->mark_mask is that of an earlier value */
};

static int __attribute__((format(printf, 2, 3))) parse_error(struct parse *p, const char *fmt, ...)
{
	const struct match_source *source = p->source;
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->wrong |= (uint16_t)(1u << p->id);
	return diag_error(source->diag, node_line(source->root, p->path), p->path, "%s", text);
}

static int not_allowed(struct parse *p)
{
	return parse_error(p, "must be %s", p->row->allowed);
}

/* Protocols that other keys ask about; 0 closes a list. */
static const uint8_t only_tcp[] = { IPPROTO_TCP, 0 }, only_icmp[] = { IPPROTO_ICMP, 0 },
		     only_icmpv6[] = { IPPROTO_ICMPV6, 0 },
		     with_ports[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE,
			     IPPROTO_DCCP, 0 };

static bool protos_have(const uint8_t *protos, unsigned __int128 proto)
{
	while (*protos != 0 && *protos != proto)
		protos++;
	return *protos != 0;
}

/* Does the rule name protocols, and none but these? */
static bool proto_is(const struct match_spec *spec, const uint8_t *protos)
{
	const struct match_list *list = &spec->lists[MATCH_PROTO];

	for (unsigned int i = 0; i < list->n; i++)
		for (unsigned __int128 v = list->ranges[i].first; v <= list->ranges[i].last; v++)
			if (!protos_have(protos, v))
				return false;
	return list->n > 0 && !list->is_negated;
}

static void list_add(struct match_list *list, unsigned __int128 first, unsigned __int128 last)
{
	list->ranges = mem_realloc(list->ranges, list->n + 1, sizeof(*list->ranges));
	list->ranges[list->n++] = (struct match_range){ .first = first, .last = last };
}

static int range_compare(const void *a, const void *b)
{
	const struct match_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts, and joins what overlaps or touches. */
static void list_normalize(struct match_list *list)
{
	struct match_range *out = list->ranges;

	if (list->n == 0)
		return;
	qsort(list->ranges, list->n, sizeof(*list->ranges), range_compare);
	for (struct match_range *r = list->ranges + 1; r < list->ranges + list->n; r++) {
		/* The difference instead of last + 1, which may not exist. */
		if (r->first <= out->last || r->first - out->last == 1)
			out->last = RTE_MAX(out->last, r->last);
		else
			*++out = *r;
	}
	list->n = (unsigned int)(out - list->ranges) + 1;
}

/* Values. Each may write into its text. */

static int parse_number(const char *text, uint32_t max, uint32_t *out)
{
	bool is_hex = strncmp(text, "0x", 2) == 0;
	const char *digits = text + (is_hex ? 2 : 0);
	size_t len = strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
	unsigned long long value;

	/* Nothing else of what strtoull() takes; so few digits that they cannot overflow it. */
	if (len == 0 || len > 10 || digits[len] != '\0')
		return -EINVAL;
	value = strtoull(digits, NULL, is_hex ? 16 : 10);
	if (value > max)
		return -ERANGE;
	*out = (uint32_t)value;
	return 0;
}

static int parse_word(const struct parse *p, const char *text, uint32_t *out)
{
	int64_t value = match_name_value(p->names, text, strlen(text));

	if (value < 0)
		return p->row->max > 0 ? parse_number(text, p->row->max, out) : -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

static int add_number(struct parse *p, struct match_list *list, char *text)
{
	char *dash = p->row->has_ranges ? strchr(text, '-') : NULL;
	uint32_t first, last;

	if (dash != NULL)
		*dash = '\0';
	if (parse_word(p, text, &first) < 0 ||
		parse_word(p, dash != NULL ? dash + 1 : text, &last) < 0)
		return not_allowed(p);
	if (first > last)
		return parse_error(p, "is a range that ends before it begins");
	list_add(list, first, last);
	return 0;
}

static unsigned __int128 addr_number(const struct ip_addr *addr)
{
	unsigned __int128 number = 0;

	if (addr->family == AF_INET)
		return ntohl(addr->v4_be);
	for (unsigned int i = 0; i < sizeof(addr->bytes); i++)
		number = number << 8 | addr->bytes[i];
	return number;
}

static int parse_addresses(char *text, struct ip_addr *addr, struct match_range *range)
{
	char *dash = strchr(text, '-');
	unsigned __int128 host_bits = 0;
	struct ip_prefix prefix;
	struct ip_addr last;

	if (dash != NULL) {
		*dash = '\0';
		if (ip_addr_parse(text, addr) < 0 || ip_addr_parse(dash + 1, &last) < 0 ||
			addr->family != last.family)
			return -EINVAL;
		range->first = addr_number(addr);
		range->last = addr_number(&last);
		return 0;
	}
	/* "default" is a word of routes, and would be IPv4 only. */
	if (strcmp(text, "default") == 0 || ip_prefix_parse(text, &prefix) < 0)
		return -EINVAL;
	prefix = ip_prefix_network(&prefix);
	*addr = prefix.addr;
	for (unsigned int i = prefix.len; i < ip_family_bits(addr->family); i++)
		host_bits = host_bits << 1 | 1;
	range->first = addr_number(addr);
	range->last = range->first | host_bits;
	return 0;
}

static int add_addresses(struct parse *p, char *text)
{
	struct match_range range;
	struct ip_addr addr;

	if (parse_addresses(text, &addr, &range) < 0)
		return not_allowed(p);
	if (range.first > range.last)
		return parse_error(p, "is a range that ends before it begins");
	list_add(&p->spec->lists[match_list_id(p->id, addr.family)], range.first, range.last);
	return 0;
}

static int add_link(struct parse *p, struct match_list *list, const char *text)
{
	const struct match_source *source = p->source;
	size_t len = strlen(text);
	const char *star = strchr(text, '*');

	if (len == 0 || len >= LINK_NAME_MAX || (star != NULL && star[1] != '\0'))
		return not_allowed(p);
	if (star == text)
		return parse_error(p, "asks for any link: leave the key out");
	if (star == NULL && source->has_link != NULL && !source->has_link(source->ctx, text))
		return parse_error(p, "there is no link \"%s\"", text);
	list->links = mem_realloc(list->links, list->n + 1, sizeof(*list->links));
	list->links[list->n++] = mem_strdup(text);
	return 0;
}

/* TYPE or TYPE/CODE */
static int add_icmp(struct parse *p, struct match_list *list, char *text)
{
	char *slash = strchr(text, '/');
	uint32_t type, code = 0;

	if (slash != NULL)
		*slash = '\0';
	if (parse_word(p, text, &type) < 0)
		return not_allowed(p);
	if (slash != NULL && parse_number(slash + 1, 255, &code) < 0)
		return not_allowed(p);
	list_add(list, type << 8 | code, slash != NULL ? (type << 8 | code) : (type << 8 | 255));
	return 0;
}

static int parse_flags(const struct parse *p, char *text, uint32_t *out)
{
	char *word;

	*out = 0;
	while ((word = strsep(&text, ",")) != NULL) {
		uint32_t flag;

		if (parse_word(p, word, &flag) < 0)
			return -EINVAL;
		*out |= flag;
	}
	return 0;
}

/* FLAG, or SET/MASK */
static int add_flags(struct parse *p, struct match_list *list, char *text)
{
	char *slash = strchr(text, '/');
	uint32_t set, mask;

	if (slash != NULL)
		*slash = '\0';
	if (parse_flags(p, text, &set) < 0)
		return not_allowed(p);
	mask = set;
	if (slash != NULL && parse_flags(p, slash + 1, &mask) < 0)
		return not_allowed(p);
	if (slash == NULL && __builtin_popcount(set) != 1)
		return parse_error(p, "none and all need the flags that are looked at: "
				      "\"none/syn,ack\"");
	if (mask == 0 || (set & ~mask) != 0)
		return parse_error(p, "asks for a flag that is not behind the /");
	for (uint32_t flags = 0; flags < 256; flags++)
		if ((flags & mask) == set)
			list_add(list, flags, flags);
	return 0;
}

/* VALUE, or VALUE/MASK */
static int add_mark(struct parse *p, struct match_list *list, char *text)
{
	char *slash = strchr(text, '/');
	uint32_t value, mask = UINT32_MAX;

	if (slash != NULL)
		*slash = '\0';
	if (parse_number(text, UINT32_MAX, &value) < 0)
		return not_allowed(p);
	if (slash != NULL && parse_number(slash + 1, UINT32_MAX, &mask) < 0)
		return not_allowed(p);
	if ((value & ~mask) != 0)
		return parse_error(p, "asks for a bit that its mask does not have");
	if (p->has_mark_mask && p->spec->mark_mask != mask)
		return parse_error(p, "must have the same mask as the value before it");
	p->has_mark_mask = true;
	p->spec->mark_mask = mask;
	list_add(list, value, value);
	return 0;
}

static int add_value(struct parse *p, struct match_list *list, char *text)
{
	switch (p->id) {
	case MATCH_IN:
	case MATCH_OUT:
		return add_link(p, list, text);
	case MATCH_SRC:
	case MATCH_DST:
		return add_addresses(p, text);
	case MATCH_PROTO:
	case MATCH_SPORT:
	case MATCH_DPORT:
	case MATCH_STATE:
	case MATCH_DSCP:
		return add_number(p, list, text);
	case MATCH_ICMP_TYPE:
		return add_icmp(p, list, text);
	case MATCH_TCP_FLAGS:
		return add_flags(p, list, text);
	case MATCH_MARK:
		return add_mark(p, list, text);
	case MATCH_N_KEYS:
		break;
	}
	return -EINVAL;
}

/* Keys */

/* One item of a list: values divided by commas, behind one "!". */
static int add_item(struct parse *p, struct match_list *list, const char *text)
{
	/* A comma within SET/MASK divides flags. */
	bool is_whole = p->id == MATCH_TCP_FLAGS && strchr(text, '/') != NULL;
	char *copy = mem_strdup(text), *rest = copy, *value;
	int err = 0;

	while (err == 0 && (value = is_whole ? rest : strsep(&rest, ",")) != NULL) {
		err = add_value(p, list, value);
		if (is_whole)
			break;
	}
	free(copy);
	return err;
}

static void set_path(struct parse *p, int item)
{
	const char *path = p->source->path, *dot = path[0] != '\0' ? "." : "";

	free(p->path);
	p->path = item < 0 ? mem_printf("%s%s%s", path, dot, p->row->name)
			   : mem_printf("%s%s%s[%d]", path, dot, p->row->name, item);
}

static void set_key(struct parse *p, enum match_key_id id)
{
	p->id = id;
	p->row = &match_keys[id];
	p->names = p->row->names;
	set_path(p, -1);
}

static const struct field_list *key_items(const struct match_conf *conf, enum match_key_id id)
{
	return (const void *)((const char *)conf + match_keys[id].conf_offset);
}

static void parse_items(struct parse *p, const struct field_list *items)
{
	struct match_list *list = &p->spec->lists[p->id];

	/* A list that was left out has no memory. */
	if (items->items != NULL && items->n == 0)
		parse_error(p, "is an empty list: leave the key out");
	for (unsigned int i = 0; i < items->n; i++) {
		const char *text = ((char **)items->items)[i];
		bool is_negated = text != NULL && text[0] == '!';

		if (items->n > 1)
			set_path(p, (int)i);
		if (i == 0)
			list->is_negated = is_negated;
		if (text == NULL)
			p->wrong |= (uint16_t)(1u << p->id);
		else if (is_negated != list->is_negated)
			parse_error(p, "is negated in part: either all values of a list begin with "
				       "\"!\" or none");
		else
			add_item(p, list, text + is_negated);
	}
}

static void parse_key(struct parse *p, const struct match_conf *conf, enum match_key_id id)
{
	unsigned int id6 = match_list_id(id, AF_INET6);
	struct match_list *lists = p->spec->lists;

	set_key(p, id);
	/* Which words there are depends on proto, which stands in front in enum match_key_id. */
	if (id == MATCH_ICMP_TYPE)
		p->names = proto_is(p->spec, only_icmpv6) ? match_icmpv6_names : match_icmp_names;
	parse_items(p, key_items(conf, id));
	if (id == MATCH_IN || id == MATCH_OUT)
		return;
	list_normalize(&lists[id]);
	list_normalize(&lists[id6]);
	lists[id6].is_negated = lists[id].is_negated;
}

/* What keys mean together */

static const struct need {
	enum match_key_id id;
	const uint8_t *protos, *or_protos;
	const char *words;
} needs[] = {
	{ MATCH_SPORT, with_ports, with_ports, "tcp, udp, sctp, udplite or dccp" },
	{ MATCH_DPORT, with_ports, with_ports, "tcp, udp, sctp, udplite or dccp" },
	{ MATCH_ICMP_TYPE, only_icmp, only_icmpv6, "either icmp or icmpv6" },
	{ MATCH_TCP_FLAGS, only_tcp, only_tcp, "tcp" },
};

static void check_needs(struct parse *p)
{
	for (size_t i = 0; i < RTE_DIM(needs); i++) {
		const struct need *need = &needs[i];

		if (p->spec->lists[need->id].n == 0 || proto_is(p->spec, need->protos) ||
			proto_is(p->spec, need->or_protos))
			continue;
		set_key(p, need->id);
		parse_error(p, "needs proto, which must be %s", need->words);
	}
}

static void check_families(struct parse *p)
{
	static const enum match_key_id ids[] = { MATCH_SRC, MATCH_DST, MATCH_PROTO };
	struct match_spec *spec = p->spec;

	spec->has_v4 = spec->has_v6 = true;
	for (size_t i = 0; i < RTE_DIM(ids); i++) {
		const struct match_list *v4 = &spec->lists[ids[i]];
		const struct match_list *v6 = &spec->lists[match_list_id(ids[i], AF_INET6)];
		bool is_proto = ids[i] == MATCH_PROTO;

		if (v4->n == 0 && v6->n == 0)
			continue;
		spec->has_v4 &= is_proto ? !proto_is(spec, only_icmpv6) : v4->n > 0;
		spec->has_v6 &= is_proto ? !proto_is(spec, only_icmp) : v6->n > 0;
		if (spec->has_v4 || spec->has_v6)
			continue;
		set_key(p, ids[i]);
		parse_error(p, is_proto ? "icmp is for IPv4 and icmpv6 for IPv6, unlike the address"
					: "is of another address family than src");
		return;
	}
}

/* Text */

static void print_items(FILE *out, const struct field_list *items)
{
	char *const *texts = items->items;

	if (texts[0][0] == '!')
		fputs(" !=", out);
	fputs(items->n > 1 ? " { " : " ", out);
	for (unsigned int i = 0; i < items->n; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", texts[i] + (texts[i][0] == '!'));
	fputs(items->n > 1 ? " }" : "", out);
}

static char *conf_text(const struct match_conf *conf)
{
	const char *separator = "";
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (unsigned int id = 0; id < MATCH_N_KEYS; id++) {
		const struct field_list *items = key_items(conf, (enum match_key_id)id);

		if (items->n == 0)
			continue;
		fprintf(out, "%s%s", separator, match_keys[id].name);
		print_items(out, items);
		separator = " ";
	}
	fclose(out);
	return text;
}

int match_spec_parse(
	const struct match_conf *conf, const struct match_source *source, struct match_spec *spec)
{
	struct parse p = { .source = source, .spec = spec };

	*spec = (struct match_spec){ 0 };
	for (unsigned int id = 0; id < MATCH_N_KEYS; id++)
		/* No words for types of what is not known. */
		if (id != MATCH_ICMP_TYPE || !(p.wrong & 1 << MATCH_PROTO))
			parse_key(&p, conf, (enum match_key_id)id);
	if (!(p.wrong & 1 << MATCH_PROTO))
		check_needs(&p);
	if (!(p.wrong & (1 << MATCH_PROTO | 1 << MATCH_SRC | 1 << MATCH_DST)))
		check_families(&p);
	free(p.path);
	if (p.wrong == 0) {
		spec->text = conf_text(conf);
		return 0;
	}
	match_spec_fini(spec);
	return -EINVAL;
}

static void list_fini(struct match_list *list, bool is_links)
{
	for (unsigned int i = 0; is_links && i < list->n; i++)
		free(list->links[i]);
	/* The same memory whatever it holds. */
	free(list->ranges);
}

void match_spec_fini(struct match_spec *spec)
{
	for (unsigned int id = 0; id < MATCH_N_LISTS; id++)
		list_fini(&spec->lists[id], id == MATCH_IN || id == MATCH_OUT);
	free(spec->text);
	*spec = (struct match_spec){ 0 };
}

/* Links */

bool match_asks_for_links(const struct match_conf *conf)
{
	return conf->in.n > 0 || conf->out.n > 0;
}

/* Is it one of the values of this item, "!A,B,C"? */
static bool item_has(const char *item, const char *name)
{
	size_t name_len = strlen(name);

	item += *item == '!';
	for (;;) {
		size_t len = strcspn(item, ",");

		if (len == name_len && memcmp(item, name, len) == 0)
			return true;
		if (item[len] == '\0')
			return false;
		item += len + 1;
	}
}

static bool items_have(const struct field_list *items, const char *name)
{
	char *const *texts = items->items;

	for (unsigned int i = 0; i < items->n; i++)
		if (item_has(texts[i], name))
			return true;
	return false;
}

bool match_names_link(const struct match_conf *conf, const char *name)
{
	return items_have(&conf->in, name) || items_have(&conf->out, name);
}
