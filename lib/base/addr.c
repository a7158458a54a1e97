/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Text of addresses and prefixes, and the few questions everybody asks about them. Pure functions,
 * called on any thread, but with text never on a worker's packet path.
 *
 * The C library decides what an address looks like: its inet_pton(3) takes no octal, no leading
 * zeros and no zone ("%eth0"), its inet_ntop(3) prints IPv6 as RFC 5952 wants it. A prefix length
 * is plain decimal; dotted masks are not taken, "255.255.0.255" has no length.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(IP_ADDR_TEXT_MAX >= INET6_ADDRSTRLEN, "inet_ntop never truncates");
_Static_assert(sizeof(struct ip_prefix) == 24, "hashed without padding");

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decimal up to max, without sign, blanks or leading zeros. */
static int prefix_len_parse(const char *text, uint8_t max, uint8_t *out)
{
	unsigned int len = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (!is_digit(*text))
			return -EINVAL;
		len = len * 10 + (unsigned int)(*text - '0');
		if (len > max)
			return -EINVAL;
	}
	*out = (uint8_t)len;
	return 0;
}

/* The bits of byte i that belong to a prefix of this length. */
static uint8_t mask_byte(uint8_t prefix_len, unsigned int i)
{
	unsigned int first_bit = i * 8;

	if (prefix_len >= first_bit + 8)
		return 0xff;
	if (prefix_len <= first_bit)
		return 0;
	return (uint8_t)(0xff00 >> (prefix_len - first_bit));
}

int ip_addr_parse(const char *text, struct ip_addr *out)
{
	struct ip_addr addr = { 0 };

	addr.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(addr.family, text, addr.bytes) != 1)
		return -EINVAL;
	*out = addr;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t addr_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct ip_prefix prefix = { 0 };
	char addr_text[IP_ADDR_TEXT_MAX];

	if (strcmp(text, "default") == 0) {
		prefix.addr.family = AF_INET;
		*out = prefix;
		return 0;
	}
	if (addr_len >= sizeof(addr_text))
		return -EINVAL;
	memcpy(addr_text, text, addr_len);
	addr_text[addr_len] = '\0';
	if (ip_addr_parse(addr_text, &prefix.addr) < 0)
		return -EINVAL;
	prefix.len = ip_family_bits(prefix.addr.family);
	if (slash != NULL && prefix_len_parse(slash + 1, prefix.len, &prefix.len) < 0)
		return -EINVAL;
	*out = prefix;
	return 0;
}

int mac_addr_parse(const char *text, struct mac_addr *out)
{
	char separator = '\0';
	struct mac_addr mac;

	for (unsigned int i = 0; i < sizeof(mac.bytes); i++) {
		int high = hex_digit(*text);
		int low;

		if (high < 0)
			return -EINVAL;
		low = hex_digit(*++text);
		if (low >= 0)
			text++;
		mac.bytes[i] = (uint8_t)(low >= 0 ? high << 4 | low : high);
		if (i == sizeof(mac.bytes) - 1)
			break;
		if (*text != ':' && *text != '-')
			return -EINVAL;
		/* One kind throughout: a mixture is a slip of the pen. */
		if (i > 0 && *text != separator)
			return -EINVAL;
		separator = *text++;
	}
	if (*text != '\0')
		return -EINVAL;
	*out = mac;
	return 0;
}

const char *ip_addr_text(const struct ip_addr *addr, char buf[static IP_ADDR_TEXT_MAX])
{
	if (inet_ntop(addr->family, addr->bytes, buf, IP_ADDR_TEXT_MAX) == NULL)
		strcpy(buf, "none");
	return buf;
}

const char *ip_prefix_text(const struct ip_prefix *prefix, char buf[static IP_PREFIX_TEXT_MAX])
{
	size_t len;

	if (prefix->addr.family != 0 && prefix->len == 0)
		return strcpy(buf, "default");
	ip_addr_text(&prefix->addr, buf);
	if (prefix->addr.family == 0 || prefix->len == ip_family_bits(prefix->addr.family))
		return buf;
	len = strlen(buf);
	snprintf(buf + len, IP_PREFIX_TEXT_MAX - len, "/%u", prefix->len);
	return buf;
}

const char *mac_addr_text(const struct mac_addr *mac, char buf[static MAC_ADDR_TEXT_MAX])
{
	const uint8_t *b = mac->bytes;

	snprintf(buf, MAC_ADDR_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
		b[4], b[5]);
	return buf;
}

struct ip_prefix ip_prefix_network(const struct ip_prefix *prefix)
{
	struct ip_prefix network = *prefix;

	for (unsigned int i = 0; i < sizeof(network.addr.bytes); i++)
		network.addr.bytes[i] &= mask_byte(prefix->len, i);
	return network;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
	unsigned int n_bytes = ip_family_bits(addr->family) / 8;

	if (addr->family == 0 || prefix->addr.family != addr->family)
		return false;
	for (unsigned int i = 0; i < n_bytes; i++) {
		if ((prefix->addr.bytes[i] ^ addr->bytes[i]) & mask_byte(prefix->len, i))
			return false;
	}
	return true;
}

int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b)
{
	int order;

	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	order = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
	if (order != 0)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}

bool ip_addr_is_multicast(const struct ip_addr *addr)
{
	if (addr->family == AF_INET)
		return (addr->bytes[0] & 0xf0) == 0xe0;
	return addr->family == AF_INET6 && addr->bytes[0] == 0xff;
}
