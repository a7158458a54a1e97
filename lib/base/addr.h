/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Addresses of both families, and their text. No DPDK, no allocation, any thread.
 *
 * Text follows inet_pton(3)/inet_ntop(3) (RFC 4291, RFC 5952 for IPv6 output). Parsers return 0,
 * or -EINVAL and leave *out untouched; they take nothing before or after the address.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* An IPv4 or IPv6 address. All zero means "not given". Hashed as a whole: always built from zero. */
struct ip_addr {
	uint8_t family; /* AF_INET, AF_INET6, or 0 for none */
	uint8_t pad[3]; /* always zero */
	union {
		uint32_t v4_be; /* network order; the other twelve bytes are zero */
		uint8_t bytes[16];
		uint32_t words[4];
	};
};
_Static_assert(sizeof(struct ip_addr) == 20, "hashed without padding");

/* An address and a prefix length. Host bits may be set: an interface address is 192.0.2.1/24. */
struct ip_prefix {
	struct ip_addr addr;
	uint8_t len; /* 0..32 or 0..128 */
	uint8_t pad[3];
};

struct mac_addr {
	uint8_t bytes[6];
};

enum {
	IP_ADDR_TEXT_MAX = 46,	 /* with the final NUL */
	IP_PREFIX_TEXT_MAX = 50, /* with the final NUL */
	MAC_ADDR_TEXT_MAX = 18,	 /* with the final NUL */
};

int ip_addr_parse(const char *text, struct ip_addr *out);
/* "10.0.0.0/8", "2001:db8::/32"; a bare address is a host prefix; "default" is 0.0.0.0/0. */
int ip_prefix_parse(const char *text, struct ip_prefix *out);
/* "02:00:00:00:00:01", six groups of one or two hex digits divided by ':' or '-'. */
int mac_addr_parse(const char *text, struct mac_addr *out);

/* Write the text into buf (of the _TEXT_MAX size) and return buf. Family 0 gives "none". */
const char *ip_addr_text(const struct ip_addr *addr, char buf[static IP_ADDR_TEXT_MAX]);
/* As iproute2 prints it: "default" for length 0, no "/32" or "/128" on a host prefix. */
const char *ip_prefix_text(const struct ip_prefix *prefix, char buf[static IP_PREFIX_TEXT_MAX]);
const char *mac_addr_text(const struct mac_addr *mac, char buf[static MAC_ADDR_TEXT_MAX]);

/* The widest prefix length of a family: 32 or 128. */
static inline uint8_t ip_family_bits(uint8_t family)
{
	return family == AF_INET6 ? 128 : 32;
}

/* An address from an IPv4 word in network order. */
static inline struct ip_addr ip_addr_v4(uint32_t v4_be)
{
	struct ip_addr addr = { .family = AF_INET };

	addr.v4_be = v4_be;
	return addr;
}

/* The same from the 16 bytes of an IPv6 address. */
static inline struct ip_addr ip_addr_v6(const uint8_t *bytes)
{
	struct ip_addr addr = { .family = AF_INET6 };

	memcpy(addr.bytes, bytes, sizeof(addr.bytes));
	return addr;
}

static inline bool ip_addr_is_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool mac_addr_is_zero(const struct mac_addr *mac)
{
	static const struct mac_addr zero;

	return memcmp(mac, &zero, sizeof(zero)) == 0;
}

/* The address with its host bits cleared. */
struct ip_prefix ip_prefix_network(const struct ip_prefix *prefix);
/* Is addr inside prefix? False when the families differ. */
bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr);
/* Order for listings: family, then address as bytes, then length. As qsort(3) wants it. */
int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b);
/* Multicast (224.0.0.0/4, ff00::/8). */
bool ip_addr_is_multicast(const struct ip_addr *addr);

/* Questions about the 16 bytes of an IPv6 address. */

/* No address (::, RFC 4291 2.5.2). */
static inline bool ip6_is_unspecified(const uint8_t *bytes)
{
	static const uint8_t zero[16];

	return memcmp(bytes, zero, sizeof(zero)) == 0;
}
/* ::1 (RFC 4291 2.5.3): never on a wire. */
static inline bool ip6_is_loopback(const uint8_t *bytes)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	return memcmp(bytes, loopback, sizeof(loopback)) == 0;
}
/* An IPv4 address in IPv6 clothes (::ffff:0:0/96): for programs, never on a wire. */
static inline bool ip6_is_v4_mapped(const uint8_t *bytes)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}
static inline bool ip6_is_multicast(const uint8_t *bytes)
{
	return bytes[0] == 0xff;
}
/* Link-local unicast (fe80::/10, RFC 4291 2.5.6): means something on one link only. */
static inline bool ip6_is_link_local(const uint8_t *bytes)
{
	return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}
/*
 * One that is not formed as RFC 4291 2.5.6 has it: bytes 2 and 3 are zero in any other. lib/fib keeps
 * the link there, so such an address must not get in.
 */
static inline bool ip6_is_bad_link_local(const uint8_t *bytes)
{
	return ip6_is_link_local(bytes) && (bytes[2] | bytes[3]) != 0;
}
/* Multicast of a scope not wider than the link (RFC 4291 2.7). */
static inline bool ip6_is_link_multicast(const uint8_t *bytes)
{
	return bytes[0] == 0xff && (bytes[1] & 0xf) <= 2;
}
