/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addresses and their text: what is taken, what is refused and leaves the result alone, what is
 * printed, and prefix arithmetic against a bit by bit oracle.
 */
#include "base/addr.h"
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static const char long_text[] = "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd";

static const struct addr_row {
	const char *in;
	const char *want; /* as printed; NULL: refused */
} addr_rows[] = {
	{ "0.0.0.0", "0.0.0.0" },
	{ "192.0.2.1", "192.0.2.1" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "2001:DB8::A", "2001:db8::a" },
	{ "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
	{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "", NULL },
	{ " ", NULL },
	{ "1.2.3", NULL },
	{ "1.2.3.4.5", NULL },
	{ "1.2.3.", NULL },
	{ ".1.2.3", NULL },
	{ "1..2.3", NULL },
	{ "1.2.3.256", NULL },
	{ "1.2.3.4294967300", NULL },
	{ "01.2.3.4", NULL },
	{ "0x1.2.3.4", NULL },
	{ "-1.2.3.4", NULL },
	{ "+1.2.3.4", NULL },
	{ " 1.2.3.4", NULL },
	{ "1.2.3.4 ", NULL },
	{ "1.2.3.4\n", NULL },
	{ "1.2.3.4/32", NULL },
	{ "16909060", NULL },
	{ "localhost", NULL },
	{ "default", NULL },
	{ "none", NULL },
	{ ":", NULL },
	{ ":::", NULL },
	{ "1::2::3", NULL },
	{ "12345::", NULL },
	{ "g::", NULL },
	{ "1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ ":1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:", NULL },
	{ "::1%lo", NULL },
	{ "[::1]", NULL },
	{ "::1.2.3", NULL },
	{ "::1.2.3.256", NULL },
	{ long_text, NULL },
};

START_TEST(address_is_parsed_as_inet_pton_does)
{
	const struct addr_row *row = &addr_rows[_i];
	int family = strchr(row->in, ':') != NULL ? AF_INET6 : AF_INET;
	uint8_t want[16] = { 0 };
	int is_valid = inet_pton(family, row->in, want);
	struct ip_addr addr;
	struct ip_addr before;
	char text[IP_ADDR_TEXT_MAX];

	memset(&addr, 0xa5, sizeof(addr));
	before = addr;
	ck_assert_int_eq(is_valid, row->want != NULL);
	if (row->want == NULL) {
		ck_assert_int_eq(ip_addr_parse(row->in, &addr), -EINVAL);
		ck_assert_mem_eq(&addr, &before, sizeof(addr));
		return;
	}
	ck_assert_int_eq(ip_addr_parse(row->in, &addr), 0);
	ck_assert_uint_eq(addr.family, family);
	/* All sixteen bytes and the padding: the struct is hashed as a whole. */
	ck_assert_mem_eq(addr.bytes, want, sizeof(want));
	ck_assert_int_eq(addr.pad[0] | addr.pad[1] | addr.pad[2], 0);
	ck_assert_ptr_eq(ip_addr_text(&addr, text), text);
	ck_assert_str_eq(text, row->want);
}
END_TEST

static const struct prefix_row {
	const char *in;
	const char *want; /* as printed; NULL: refused */
	uint8_t len;
	const char *network; /* as printed */
} prefix_rows[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", 8, "10.0.0.0/8" },
	{ "192.0.2.1/24", "192.0.2.1/24", 24, "192.0.2.0/24" },
	{ "192.0.2.255/25", "192.0.2.255/25", 25, "192.0.2.128/25" },
	{ "192.0.2.3/31", "192.0.2.3/31", 31, "192.0.2.2/31" },
	{ "192.0.2.1", "192.0.2.1", 32, "192.0.2.1" },
	{ "192.0.2.1/32", "192.0.2.1", 32, "192.0.2.1" },
	{ "255.255.255.255/1", "255.255.255.255/1", 1, "128.0.0.0/1" },
	{ "0.0.0.0/0", "default", 0, "default" },
	{ "192.0.2.1/0", "default", 0, "default" },
	{ "default", "default", 0, "default" },
	{ "2001:db8::1/32", "2001:db8::1/32", 32, "2001:db8::/32" },
	{ "2001:db8:ffff::/33", "2001:db8:ffff::/33", 33, "2001:db8:8000::/33" },
	{ "2001:db8::1", "2001:db8::1", 128, "2001:db8::1" },
	{ "2001:db8::1/127", "2001:db8::1/127", 127, "2001:db8::/127" },
	{ "2001:db8::1/128", "2001:db8::1", 128, "2001:db8::1" },
	{ "::/0", "default", 0, "default" },
	{ "::ffff:255.255.255.255/127", "::ffff:255.255.255.255/127", 127,
		"::ffff:255.255.255.254/127" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/99",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/99", 99,
		"ffff:ffff:ffff:ffff:ffff:ffff:e000:0/99" },
	{ "", NULL },
	{ "/", NULL },
	{ "/24", NULL },
	{ "10.0.0.0/", NULL },
	{ "10.0.0.0/33", NULL },
	{ "10.0.0.0/-1", NULL },
	{ "10.0.0.0/+8", NULL },
	{ "10.0.0.0/08", NULL },
	{ "10.0.0.0/00", NULL },
	{ "10.0.0.0/ 8", NULL },
	{ "10.0.0.0/8 ", NULL },
	{ "10.0.0.0 /8", NULL },
	{ " 10.0.0.0/8", NULL },
	{ "10.0.0.0/8/8", NULL },
	{ "10.0.0.0/0x8", NULL },
	{ "10.0.0.0/8.0", NULL },
	{ "10.0.0.0/264", NULL },
	{ "10.0.0.0/4294967304", NULL },
	{ "10.0.0.0/18446744073709551624", NULL },
	{ "10.0.0.0/255.0.0.0", NULL },
	{ "10/8", NULL },
	{ "10.0.0/24", NULL },
	{ "::/129", NULL },
	{ "::1%lo/64", NULL },
	{ "Default", NULL },
	{ "default/0", NULL },
	{ "defaul", NULL },
	{ "any", NULL },
	{ long_text, NULL },
};

START_TEST(prefix_is_parsed_and_printed_as_iproute2_does)
{
	const struct prefix_row *row = &prefix_rows[_i];
	struct ip_prefix prefix;
	struct ip_prefix before;
	char text[IP_PREFIX_TEXT_MAX];

	memset(&prefix, 0xa5, sizeof(prefix));
	before = prefix;
	if (row->want == NULL) {
		ck_assert_int_eq(ip_prefix_parse(row->in, &prefix), -EINVAL);
		ck_assert_mem_eq(&prefix, &before, sizeof(prefix));
		return;
	}
	ck_assert_int_eq(ip_prefix_parse(row->in, &prefix), 0);
	ck_assert_uint_eq(prefix.len, row->len);
	ck_assert_int_eq(prefix.pad[0] | prefix.pad[1] | prefix.pad[2], 0);
	ck_assert_str_eq(ip_prefix_text(&prefix, text), row->want);
	prefix = ip_prefix_network(&prefix);
	ck_assert_str_eq(ip_prefix_text(&prefix, text), row->network);
}
END_TEST

static const struct mac_row {
	const char *in;
	const char *want; /* as printed; NULL: refused */
} mac_rows[] = {
	{ "02:00:00:00:00:01", "02:00:00:00:00:01" },
	{ "AA:bb:Cc:dD:eE:fF", "aa:bb:cc:dd:ee:ff" },
	{ "02-00-5e-00-53-af", "02:00:5e:00:53:af" },
	{ "2:0:0:0:0:1", "02:00:00:00:00:01" },
	{ "0:0:0:0:0:0", "00:00:00:00:00:00" },
	{ "", NULL },
	{ ":", NULL },
	{ "02", NULL },
	{ "02:00:00:00:00", NULL },
	{ "02:00:00:00:00:", NULL },
	{ "02:00:00:00:00:01:", NULL },
	{ "02:00:00:00:00:01:02", NULL },
	{ ":02:00:00:00:00:01", NULL },
	{ "02::00:00:00:01", NULL },
	{ "02:00:00:00:00:001", NULL },
	{ "102:00:00:00:00:01", NULL },
	{ "02:00:00:00:00:0g", NULL },
	{ "0x:00:00:00:00:01", NULL },
	{ "-2:00:00:00:00:01", NULL },
	{ "02:00-00:00:00:01", NULL },
	{ "02-00-00-00-00:01", NULL },
	{ "02.00.00.00.00.01", NULL },
	{ "0200.0000.0001", NULL },
	{ "020000000001", NULL },
	{ " 02:00:00:00:00:01", NULL },
	{ "02:00:00:00:00:01 ", NULL },
	{ "02:00:00:00:00:01\n", NULL },
};

START_TEST(mac_address_is_six_groups_with_one_separator)
{
	const struct mac_row *row = &mac_rows[_i];
	struct mac_addr mac;
	struct mac_addr before;
	char text[MAC_ADDR_TEXT_MAX];

	memset(&mac, 0xa5, sizeof(mac));
	before = mac;
	if (row->want == NULL) {
		ck_assert_int_eq(mac_addr_parse(row->in, &mac), -EINVAL);
		ck_assert_mem_eq(&mac, &before, sizeof(mac));
		return;
	}
	ck_assert_int_eq(mac_addr_parse(row->in, &mac), 0);
	ck_assert_str_eq(mac_addr_text(&mac, text), row->want);
}
END_TEST

static const struct contains_row {
	const char *prefix;
	const char *addr;
	bool want;
} contains_rows[] = {
	{ "10.0.0.0/8", "10.255.255.255", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "192.0.2.77/24", "192.0.2.1", true },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.1/32", "192.0.2.1", true },
	{ "192.0.2.1/32", "192.0.2.0", false },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "::", false },
	{ "::/0", "0.0.0.0", false },
	{ "::/0", "ffff::", true },
	{ "2001:db8::/33", "2001:db8:7fff::", true },
	{ "2001:db8::/33", "2001:db8:8000::", false },
	{ "::1/128", "::1", true },
	{ "::1/128", "::", false },
};

START_TEST(prefix_contains_what_shares_its_bits_and_family)
{
	const struct contains_row *row = &contains_rows[_i];
	struct ip_prefix prefix;
	struct ip_addr addr;

	ck_assert_int_eq(ip_prefix_parse(row->prefix, &prefix), 0);
	ck_assert_int_eq(ip_addr_parse(row->addr, &addr), 0);
	ck_assert_int_eq(ip_prefix_contains(&prefix, &addr), row->want);
}
END_TEST

static bool bit_of(const struct ip_addr *addr, unsigned int i)
{
	return (addr->bytes[i / 8] >> (7 - i % 8)) & 1;
}

static struct ip_addr random_addr(uint8_t family)
{
	struct ip_addr addr = { .family = family };

	for (unsigned int i = 0; i < ip_family_bits(family) / 8u; i++)
		addr.bytes[i] = (uint8_t)random();
	return addr;
}

START_TEST(prefix_arithmetic_equals_a_walk_over_the_bits)
{
	srandom(20240501);
	for (unsigned int round = 0; round < 5000; round++) {
		uint8_t family = random() % 2 ? AF_INET : AF_INET6;
		unsigned int bits = ip_family_bits(family);
		struct ip_prefix prefix = { .addr = random_addr(family),
			.len = (uint8_t)(random() % (bits + 1)) };
		struct ip_prefix network = ip_prefix_network(&prefix);
		struct ip_addr addr = prefix.addr;
		unsigned int flipped = (unsigned int)random() % bits;
		unsigned int n_wrong = 0;

		for (unsigned int i = 0; i < bits; i++)
			n_wrong += bit_of(&network.addr, i) !=
				   (i < prefix.len && bit_of(&prefix.addr, i));
		ck_assert_uint_eq(n_wrong, 0);
		addr.bytes[flipped / 8] ^= (uint8_t)(0x80 >> flipped % 8);
		ck_assert_int_eq(ip_prefix_contains(&prefix, &addr), flipped >= prefix.len);
		ck_assert(ip_prefix_contains(&prefix, &network.addr));
	}
}
END_TEST

START_TEST(printed_text_reads_back_to_the_same_value)
{
	srandom(7);
	for (unsigned int round = 0; round < 5000; round++) {
		uint8_t family = random() % 2 ? AF_INET : AF_INET6;
		struct ip_prefix prefix = { .addr = random_addr(family),
			.len = (uint8_t)(1 + random() % ip_family_bits(family)) };
		struct mac_addr mac = { { (uint8_t)random(), (uint8_t)random(), (uint8_t)random(),
			(uint8_t)random(), (uint8_t)random(), (uint8_t)random() } };
		struct mac_addr mac_back;
		struct ip_prefix back;
		char text[IP_PREFIX_TEXT_MAX];

		/* Runs of zeros are what IPv6 text shortens. */
		for (unsigned int i = (unsigned int)random() % 16; i < 16 && family == AF_INET6;
			i += 1 + (unsigned int)random() % 2)
			prefix.addr.bytes[i] = 0;
		ck_assert_int_eq(ip_prefix_parse(ip_prefix_text(&prefix, text), &back), 0);
		ck_assert_mem_eq(&back, &prefix, sizeof(back));
		ck_assert_int_eq(mac_addr_parse(mac_addr_text(&mac, text), &mac_back), 0);
		ck_assert_mem_eq(&mac_back, &mac, sizeof(mac));
	}
}
END_TEST

static const char *const sorted_prefixes[] = {
	"0.0.0.0/0",
	"9.255.255.255/32",
	"10.0.0.0/8",
	"10.0.0.0/16",
	"10.0.0.1/8",
	"200.0.0.0/8",
	"::/0",
	"::/128",
	"2001:db8::/32",
	"ff00::/8",
};

START_TEST(prefixes_sort_by_family_address_and_length)
{
	int n = (int)(sizeof(sorted_prefixes) / sizeof(sorted_prefixes[0]));
	struct ip_prefix a;

	ck_assert_int_eq(ip_prefix_parse(sorted_prefixes[_i], &a), 0);
	for (int j = 0; j < n; j++) {
		struct ip_prefix b;
		int order;

		ck_assert_int_eq(ip_prefix_parse(sorted_prefixes[j], &b), 0);
		order = ip_prefix_compare(&a, &b);
		ck_assert_int_eq((order > 0) - (order < 0), (_i > j) - (_i < j));
	}
}
END_TEST

static const struct multicast_row {
	const char *addr;
	bool want;
} multicast_rows[] = {
	{ "223.255.255.255", false },
	{ "224.0.0.0", true },
	{ "239.255.255.255", true },
	{ "240.0.0.0", false },
	{ "255.255.255.255", false },
	{ "feff::", false },
	{ "ff00::", true },
	{ "ff02::1", true },
	{ "e000::", false },
};

START_TEST(multicast_is_told_from_unicast)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_addr_parse(multicast_rows[_i].addr, &addr), 0);
	ck_assert_int_eq(ip_addr_is_multicast(&addr), multicast_rows[_i].want);
}
END_TEST

START_TEST(address_not_given_is_none_and_nowhere)
{
	struct ip_addr none = { 0 };
	struct ip_prefix prefix = { 0 };
	struct mac_addr mac = { { 0 } };
	char text[IP_PREFIX_TEXT_MAX];

	ck_assert_str_eq(ip_addr_text(&none, text), "none");
	ck_assert_str_eq(ip_prefix_text(&prefix, text), "none");
	ck_assert(!ip_prefix_contains(&prefix, &none));
	ck_assert(!ip_addr_is_multicast(&none));
	ck_assert(mac_addr_is_zero(&mac));
	mac.bytes[5] = 1;
	ck_assert(!mac_addr_is_zero(&mac));
}
END_TEST

START_TEST(address_from_a_word_equals_the_one_from_text)
{
	struct ip_addr word = ip_addr_v4(htonl(0xc0000201));
	struct ip_addr text;

	ck_assert_int_eq(ip_addr_parse("192.0.2.1", &text), 0);
	ck_assert(ip_addr_is_equal(&word, &text));
	ck_assert_int_eq(ip_addr_parse("192.0.2.2", &text), 0);
	ck_assert(!ip_addr_is_equal(&word, &text));
}
END_TEST

SUITE_MAIN("addr", LOOP_TEST(address_is_parsed_as_inet_pton_does, addr_rows),
	LOOP_TEST(prefix_is_parsed_and_printed_as_iproute2_does, prefix_rows),
	LOOP_TEST(mac_address_is_six_groups_with_one_separator, mac_rows),
	LOOP_TEST(prefix_contains_what_shares_its_bits_and_family, contains_rows),
	PLAIN_TEST(prefix_arithmetic_equals_a_walk_over_the_bits),
	PLAIN_TEST(printed_text_reads_back_to_the_same_value),
	LOOP_TEST(prefixes_sort_by_family_address_and_length, sorted_prefixes),
	LOOP_TEST(multicast_is_told_from_unicast, multicast_rows),
	PLAIN_TEST(address_not_given_is_none_and_nowhere),
	PLAIN_TEST(address_from_a_word_equals_the_one_from_text))
