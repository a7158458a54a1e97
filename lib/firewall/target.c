/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reads a rule's `to`. Addresses and ports of translations are written as in nft(8):
 *
 *     A  A-B  A:P  A:P-Q  A-B:P-Q  A/LEN       [A6]:P  [A6]-[B6]:P-Q       P  P-Q  :P
 *
 * An IPv6 address without brackets is the whole text or up to '-' or '/', since nobody could tell its
 * last group from a port. Numbers and names of marks and DSCPs are those of a rule's keys, so lib/match
 * reads them. Pure functions, any single thread.
 */
#include "firewall/target.h"

#include <stdlib.h>
#include <string.h>

#include "match/match.h"

const struct reject_kind reject_kinds[] = {
	[REJECT_DEFAULT] = { "port-unreachable", 3, 4, false },
	{ "tcp-reset", 3, 4, true },
	{ "admin-prohibited", 13, 1, false },
	{ "host-unreachable", 1, 3, false },
	{ "addr-unreachable", 1, 3, false },
	{ "net-unreachable", 0, 0, false },
	{ "no-route", 0, 0, false },
	{ "prot-unreachable", 2, 4, false },
	{ "net-prohibited", 9, 1, false },
	{ "host-prohibited", 10, 1, false },
	{ "policy-fail", 13, 5, false },
	{ "reject-route", 13, 6, false },
};

static const char reject_allowed[] =
	"must be port-unreachable, admin-prohibited, host-unreachable, addr-unreachable, "
	"net-unreachable, no-route, prot-unreachable, net-prohibited, host-prohibited, "
	"policy-fail, "
	"reject-route or tcp-reset";
static const char address_allowed[] =
	"must be an address \"A\", a range \"A-B\", a network \"A/LEN\", and with ports \"A:P\", "
	"\"A:P-Q\" or \"[A6]:P\"";
static const char ports_allowed[] = "must be a port or a range \"P-Q\", each from 1 to 65535";
static const char order_wrong[] = "begins behind its end";
static const char families_differ[] = "must be addresses of one family";
static const char host_bits[] = "has bits set behind its length";
static const char no_host[] = "must be unicast addresses";

/* Translations */

/* Does a bare IPv6 address begin here? Only that has two colons before its end. */
static bool is_bare_ip6(const char *text)
{
	const char *colon = strchr(text, ':');
	const char *end = text + strcspn(text, "-/");

	if (colon == NULL || colon > end)
		return false;
	colon = strchr(colon + 1, ':');
	return colon != NULL && colon < end;
}

/* One address, and moves on behind it. */
static int take_addr(const char **text, struct ip_addr *out)
{
	bool is_bracketed = **text == '[';
	const char *from = *text + is_bracketed;
	size_t len = strcspn(from, is_bracketed ? "]" : is_bare_ip6(from) ? "-/" : "-/:");
	char buf[IP_ADDR_TEXT_MAX];

	if (len >= sizeof(buf) || (is_bracketed && from[len] != ']'))
		return -EINVAL;
	memcpy(buf, from, len);
	buf[len] = '\0';
	if (ip_addr_parse(buf, out) < 0 || (is_bracketed && out->family != AF_INET6))
		return -EINVAL;
	*text = from + len + is_bracketed;
	return 0;
}

static int take_port(const char **text, uint16_t *out)
{
	size_t n_digits = strspn(*text, "0123456789");
	unsigned long value = n_digits > 5 ? 0 : strtoul(*text, NULL, 10);

	if (n_digits == 0 || value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)value;
	*text += n_digits;
	return 0;
}

static const char *parse_ports(const char *text, struct firewall_nat *nat)
{
	if (take_port(&text, &nat->port_min) < 0)
		return ports_allowed;
	nat->port_max = nat->port_min;
	if (*text == '-') {
		text++;
		if (take_port(&text, &nat->port_max) < 0)
			return ports_allowed;
	}
	nat->has_ports = true;
	if (*text != '\0')
		return ports_allowed;
	return nat->port_min > nat->port_max ? order_wrong : NULL;
}

static union flow_addr flow_addr_of(const struct ip_addr *addr)
{
	union flow_addr out = { .words = { 0, 0 } };

	memcpy(out.bytes, addr->bytes, addr->family == AF_INET ? 4 : 16);
	return out;
}

/* An address that no host has: a translation to it would lead nowhere. */
static bool is_no_host(const struct ip_addr *addr)
{
	static const uint8_t zero[16];

	if (addr->family == AF_INET)
		return addr->bytes[0] == 0 || addr->bytes[0] == 127 || addr->bytes[0] >= 224;
	return memcmp(addr->bytes, zero, sizeof(zero)) == 0 || ip6_is_multicast(addr->bytes) ||
	       ip6_is_loopback(addr->bytes) || ip6_is_bad_link_local(addr->bytes);
}

/* "/LEN" behind an address: the network. */
static const char *parse_network(
	const char *text, const struct ip_addr *addr, struct firewall_nat *nat)
{
	struct ip_prefix prefix = { .addr = *addr };
	size_t n_digits = strspn(text, "0123456789");
	unsigned long len = n_digits > 3 ? 255 : strtoul(text, NULL, 10);

	if (n_digits == 0 || text[n_digits] != '\0' || len == 0 ||
		len > ip_family_bits(addr->family))
		return address_allowed;
	prefix.len = (uint8_t)len;
	prefix = ip_prefix_network(&prefix);
	if (!ip_addr_is_equal(&prefix.addr, addr))
		return host_bits;
	nat->is_network = true;
	nat->prefix_len = (uint8_t)len;
	return NULL;
}

static const char *parse_addresses(const char *text, struct firewall_nat *nat)
{
	struct ip_addr min, max;

	if (take_addr(&text, &min) < 0)
		return address_allowed;
	max = min;
	if (*text == '-') {
		text++;
		if (take_addr(&text, &max) < 0)
			return address_allowed;
	}
	if (min.family != max.family)
		return families_differ;
	if (memcmp(min.bytes, max.bytes, sizeof(min.bytes)) > 0)
		return order_wrong;
	if (is_no_host(&min) || is_no_host(&max))
		return no_host;
	nat->family = min.family;
	nat->min = flow_addr_of(&min);
	nat->max = flow_addr_of(&max);
	if (*text == '/' && ip_addr_is_equal(&min, &max))
		return parse_network(text + 1, &min, nat);
	if (*text == ':')
		return parse_ports(text + 1, nat);
	return *text == '\0' ? NULL : address_allowed;
}

const char *target_parse_nat(const char *text, struct firewall_nat *nat)
{
	bool needs_address = nat->kind == NAT_SNAT || nat->kind == NAT_DNAT;

	if (text == NULL)
		return needs_address ? address_allowed : NULL;
	if (needs_address)
		return parse_addresses(text, nat);
	return parse_ports(*text == ':' ? text + 1 : text, nat);
}

/* The others */

const char *target_parse_reject(const char *text, uint8_t *kind)
{
	*kind = REJECT_DEFAULT;
	if (text == NULL)
		return NULL;
	for (uint8_t i = 0; i < RTE_DIM(reject_kinds); i++) {
		if (strcmp(text, reject_kinds[i].name) == 0) {
			*kind = i;
			return NULL;
		}
	}
	return reject_allowed;
}

/* A value as rules ask for it. False: it is none, or more than one. */
static bool parse_key(
	const struct match_conf *conf, enum match_key_id id, uint32_t *value, uint32_t *mask)
{
	struct match_source source = { .path = "" };
	struct match_spec spec;
	struct diag diag;
	bool is_one;

	diag_init(&diag, NULL);
	source.diag = &diag;
	is_one = match_spec_parse(conf, &source, &spec) == 0 && spec.lists[id].n == 1 &&
		 !spec.lists[id].is_negated &&
		 spec.lists[id].ranges[0].first == spec.lists[id].ranges[0].last;
	if (is_one) {
		*value = (uint32_t)spec.lists[id].ranges[0].first;
		*mask = spec.mark_mask;
	}
	match_spec_fini(&spec);
	diag_fini(&diag);
	return is_one;
}

const char *target_parse_mark(const char *text, uint32_t *value, uint32_t *mask)
{
	struct match_conf conf = { .mark = { .items = &text, .n = text != NULL } };

	return parse_key(&conf, MATCH_MARK, value, mask) ? NULL
							 : "must be a mark such as 16 or \"0x10\", "
							   "with /MASK if other bits shall stay";
}

const char *target_parse_dscp(const char *text, uint8_t *dscp)
{
	struct match_conf conf = { .dscp = { .items = &text, .n = text != NULL } };
	uint32_t value, mask;

	if (!parse_key(&conf, MATCH_DSCP, &value, &mask))
		return "must be a DSCP such as \"ef\", \"cs1\", \"af11\" or 0 to 63";
	*dscp = (uint8_t)value;
	return NULL;
}
