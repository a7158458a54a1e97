/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What rules say in words of their own: limits, and the `to` of each action. And the bucket of a limit,
 * with a clock that only the test moves. What rules do to packets is tested in the packet ring.
 */
#include "firewall/limit.h"
#include "firewall/target.h"
#include "suite.h"

#include <string.h>

#define HZ UINT64_C(1000000000)

/* Limits */

static const struct limit_row {
	const char *in;
	uint64_t interval, burst;
	bool is_over;
} limit_rows[] = {
	{ "10/second", HZ / 10, 5, false },
	{ "1/minute", HZ * 60, 5, false },
	{ "5/minute burst 20", HZ * 12, 20, false },
	{ "5/minute burst 20 packets", HZ * 12, 20, false },
	{ "5/minute burst 1 packet", HZ * 12, 1, false },
	{ "3600/hour", HZ, 5, false },
	{ "24/day", HZ * 3600, 5, false },
	{ "7/week", HZ * 86400, 5, false },
	{ "over 100/second", HZ / 100, 5, true },
	{ "over 100/second burst 3", HZ / 100, 3, true },
	{ "1000000000/second burst 1000000", 1, 1000000, false },
};

START_TEST(a_limit_is_read_as_nft_does)
{
	const struct limit_row *row = &limit_rows[_i];
	struct limit limit;

	ck_assert_int_eq(limit_parse(row->in, HZ, &limit), 0);
	ck_assert_uint_eq(limit.interval, row->interval);
	ck_assert_uint_eq(limit.tolerance, row->interval * (row->burst - 1));
	ck_assert_int_eq(limit.is_over, row->is_over);
}
END_TEST

static const char *const no_limits[] = { "", "10", "10/", "/second", "0/second", "10/fortnight",
	"10/seconds", "-1/second", "10 / second", "10/second ", "10/second burst",
	"10/second burst 0", "10/second burst 5 bytes", "10/second burst 1000001",
	"10000000000/second", "99999999999999999999/second", "over", "over10/second",
	"10/second over", "1.5/second", "10/second burst 5 packets 6", "10kbytes/second" };

START_TEST(what_is_no_limit_is_refused)
{
	struct limit limit;

	ck_assert_int_lt(limit_parse(no_limits[_i], HZ, &limit), 0);
}
END_TEST

static unsigned int take_all(struct limit_bucket *bucket, const struct limit *limit, uint64_t now)
{
	unsigned int n = 0;

	while (n < 1000 && limit_take(bucket, limit, now))
		n++;
	return n;
}

START_TEST(a_bucket_gives_its_burst_and_then_the_rate)
{
	static struct limit_bucket bucket;
	struct limit limit;
	uint64_t now = 1000 * HZ;

	atomic_store(&bucket.full_at, 0);
	ck_assert_int_eq(limit_parse("10/second burst 20", HZ, &limit), 0);
	ck_assert_uint_eq(take_all(&bucket, &limit, now), 20);
	ck_assert_uint_eq(take_all(&bucket, &limit, now + HZ / 10 - 1), 0);
	ck_assert_uint_eq(take_all(&bucket, &limit, now + HZ / 10), 1);
	ck_assert_uint_eq(take_all(&bucket, &limit, now + HZ), 9);
	/* It fills up no further than its burst, and a clock a little behind takes nothing extra. */
	ck_assert_uint_eq(take_all(&bucket, &limit, now + 1000 * HZ), 20);
	ck_assert_uint_eq(take_all(&bucket, &limit, now + 1000 * HZ - 5), 0);
}
END_TEST

START_TEST(a_huge_burst_does_not_wrap)
{
	static struct limit_bucket bucket;
	struct limit limit;

	ck_assert_int_eq(limit_parse("1/week burst 1000000", UINT64_C(5000000000), &limit), 0);
	ck_assert_uint_eq(limit.tolerance, INT64_MAX);
	ck_assert_uint_gt(take_all(&bucket, &limit, HZ), 900);
}
END_TEST

/* Translations */

static const struct nat_row {
	uint8_t kind;
	const char *in, *min, *max; /* NULL: no address */
	uint16_t port_min, port_max;
	uint8_t prefix_len; /* 0: no network */
} nat_rows[] = {
	{ NAT_DNAT, "192.168.1.10", "192.168.1.10", "192.168.1.10", 0, 0, 0 },
	{ NAT_DNAT, "192.168.1.10:80", "192.168.1.10", "192.168.1.10", 80, 80, 0 },
	{ NAT_DNAT, "192.168.1.10:80-90", "192.168.1.10", "192.168.1.10", 80, 90, 0 },
	{ NAT_SNAT, "10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", 0, 0, 0 },
	{ NAT_SNAT, "10.0.0.1-10.0.0.9:1024-65535", "10.0.0.1", "10.0.0.9", 1024, 65535, 0 },
	{ NAT_SNAT, "10.1.0.0/16", "10.1.0.0", "10.1.0.0", 0, 0, 16 },
	{ NAT_SNAT, "10.1.0.1/32", "10.1.0.1", "10.1.0.1", 0, 0, 32 },
	{ NAT_DNAT, "2001:db8::1", "2001:db8::1", "2001:db8::1", 0, 0, 0 },
	{ NAT_DNAT, "2001:db8::1-2001:db8::9", "2001:db8::1", "2001:db8::9", 0, 0, 0 },
	{ NAT_DNAT, "[2001:db8::1]:80", "2001:db8::1", "2001:db8::1", 80, 80, 0 },
	{ NAT_DNAT, "[2001:db8::1]", "2001:db8::1", "2001:db8::1", 0, 0, 0 },
	{ NAT_DNAT, "[2001:db8::1]-[2001:db8::2]:80-81", "2001:db8::1", "2001:db8::2", 80, 81, 0 },
	{ NAT_DNAT, "2001:db8:1::/48", "2001:db8:1::", "2001:db8:1::", 0, 0, 48 },
	{ NAT_REDIRECT, NULL, NULL, NULL, 0, 0, 0 },
	{ NAT_REDIRECT, "8080", NULL, NULL, 8080, 8080, 0 },
	{ NAT_REDIRECT, ":8080", NULL, NULL, 8080, 8080, 0 },
	{ NAT_MASQUERADE, NULL, NULL, NULL, 0, 0, 0 },
	{ NAT_MASQUERADE, "1024-65535", NULL, NULL, 1024, 65535, 0 },
};

static void nat_expect_addr(const union flow_addr *got, uint8_t family, const char *text)
{
	struct ip_addr want;

	ck_assert_int_eq(ip_addr_parse(text, &want), 0);
	ck_assert_uint_eq(family, want.family);
	ck_assert_mem_eq(got->bytes, want.bytes, sizeof(got->bytes));
}

START_TEST(a_translation_is_read_as_nft_does)
{
	const struct nat_row *row = &nat_rows[_i];
	struct firewall_nat nat = { .kind = row->kind };
	const char *why = target_parse_nat(row->in, &nat);

	ck_assert_msg(why == NULL, "%s", why);
	if (row->min != NULL) {
		nat_expect_addr(&nat.min, nat.family, row->min);
		nat_expect_addr(&nat.max, nat.family, row->max);
	} else {
		ck_assert_uint_eq(nat.family, 0);
	}
	ck_assert_int_eq(nat.has_ports, row->port_min != 0);
	ck_assert_uint_eq(nat.port_min, row->port_min);
	ck_assert_uint_eq(nat.port_max, row->port_max);
	ck_assert_int_eq(nat.is_network, row->prefix_len != 0);
	ck_assert_uint_eq(nat.prefix_len, row->prefix_len);
}
END_TEST

static const struct {
	uint8_t kind;
	const char *in, *why; /* why: part of it */
} bad_nats[] = {
	{ NAT_DNAT, NULL, "must be an address" },
	{ NAT_SNAT, "", "must be an address" },
	{ NAT_SNAT, "8080", "must be an address" },
	{ NAT_SNAT, "host.example", "must be an address" },
	{ NAT_SNAT, "10.0.0.1:", "must be a port" },
	{ NAT_SNAT, "10.0.0.1:0", "must be a port" },
	{ NAT_SNAT, "10.0.0.1:65536", "must be a port" },
	{ NAT_SNAT, "10.0.0.1:80-", "must be a port" },
	{ NAT_SNAT, "10.0.0.1:80x", "must be a port" },
	{ NAT_SNAT, "10.0.0.1:90-80", "begins behind its end" },
	{ NAT_SNAT, "10.0.0.9-10.0.0.1", "begins behind its end" },
	{ NAT_SNAT, "10.0.0.1-", "must be an address" },
	{ NAT_SNAT, "10.0.0.1-2001:db8::1", "of one family" },
	{ NAT_SNAT, "10.0.0.1/24", "bits set" },
	{ NAT_SNAT, "10.0.0.0/33", "must be an address" },
	{ NAT_SNAT, "10.0.0.0/0", "must be an address" },
	{ NAT_SNAT, "10.0.0.0/", "must be an address" },
	{ NAT_SNAT, "10.0.0.0/24:80", "must be an address" },
	{ NAT_SNAT, "10.0.0.1-10.0.0.2/24", "must be an address" },
	{ NAT_SNAT, "[10.0.0.1]:80", "must be an address" },
	{ NAT_SNAT, "[2001:db8::1", "must be an address" },
	{ NAT_SNAT, "[2001:db8::1]80", "must be an address" },
	{ NAT_SNAT, "224.0.0.1", "unicast" },
	{ NAT_SNAT, "0.0.0.0", "unicast" },
	{ NAT_SNAT, "127.0.0.1", "unicast" },
	{ NAT_SNAT, "255.255.255.255", "unicast" },
	{ NAT_SNAT, "::", "unicast" },
	{ NAT_SNAT, "::1", "unicast" },
	{ NAT_SNAT, "ff02::1", "unicast" },
	{ NAT_REDIRECT, "10.0.0.1:80", "must be a port" },
	{ NAT_REDIRECT, "", "must be a port" },
	{ NAT_MASQUERADE, "10.0.0.1", "must be a port" },
	{ NAT_MASQUERADE, "-80", "must be a port" },
};

START_TEST(what_is_no_translation_is_refused_with_what_is_allowed)
{
	struct firewall_nat nat = { .kind = bad_nats[_i].kind };
	const char *why = target_parse_nat(bad_nats[_i].in, &nat);

	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, bad_nats[_i].why) != NULL, "%s", why);
}
END_TEST

/* The others */

static const struct {
	const char *in;
	uint32_t value, mask;
} marks[] = {
	{ "16", 16, UINT32_MAX },
	{ "0x10", 16, UINT32_MAX },
	{ "0xffffffff", UINT32_MAX, UINT32_MAX },
	{ "0x10/0xff", 16, 0xff },
};

START_TEST(a_mark_may_have_a_mask)
{
	uint32_t value, mask;

	ck_assert_ptr_null(target_parse_mark(marks[_i].in, &value, &mask));
	ck_assert_uint_eq(value, marks[_i].value);
	ck_assert_uint_eq(mask, marks[_i].mask);
}
END_TEST

START_TEST(what_is_no_mark_no_dscp_and_no_refusal_is_refused)
{
	static const char *const bad_marks[] = { NULL, "", "x", "!1", "1,2", "1-2", "4294967296" };
	static const char *const bad_dscps[] = { NULL, "", "64", "no", "!ef", "ef,cs1" };
	uint32_t value, mask;
	uint8_t byte;

	for (unsigned int i = 0; i < RTE_DIM(bad_marks); i++)
		ck_assert_msg(target_parse_mark(bad_marks[i], &value, &mask) != NULL, "%u", i);
	for (unsigned int i = 0; i < RTE_DIM(bad_dscps); i++)
		ck_assert_msg(target_parse_dscp(bad_dscps[i], &byte) != NULL, "%u", i);
	ck_assert_ptr_nonnull(target_parse_reject("", &byte));
	ck_assert_ptr_nonnull(target_parse_reject("tcp reset", &byte));
}
END_TEST

START_TEST(a_dscp_has_a_name_or_a_number)
{
	uint8_t dscp;

	ck_assert_ptr_null(target_parse_dscp("ef", &dscp));
	ck_assert_uint_eq(dscp, 46);
	ck_assert_ptr_null(target_parse_dscp("0", &dscp));
	ck_assert_uint_eq(dscp, 0);
	ck_assert_ptr_null(target_parse_dscp("af11", &dscp));
	ck_assert_uint_eq(dscp, 10);
}
END_TEST

static const struct {
	const char *in;
	uint8_t code4, code6;
	bool is_reset;
} rejects[] = {
	{ NULL, 3, 4, false },
	{ "port-unreachable", 3, 4, false },
	{ "admin-prohibited", 13, 1, false },
	{ "host-unreachable", 1, 3, false },
	{ "net-unreachable", 0, 0, false },
	{ "no-route", 0, 0, false },
	{ "addr-unreachable", 1, 3, false },
	{ "net-prohibited", 9, 1, false },
	{ "tcp-reset", 3, 4, true },
};

START_TEST(a_refusal_has_a_code_in_both_families)
{
	uint8_t kind;

	ck_assert_ptr_null(target_parse_reject(rejects[_i].in, &kind));
	ck_assert_uint_eq(reject_kinds[kind].code4, rejects[_i].code4);
	ck_assert_uint_eq(reject_kinds[kind].code6, rejects[_i].code6);
	ck_assert_int_eq(reject_kinds[kind].is_reset, rejects[_i].is_reset);
}
END_TEST

SUITE_MAIN("firewall", LOOP_TEST(a_limit_is_read_as_nft_does, limit_rows),
	LOOP_TEST(what_is_no_limit_is_refused, no_limits),
	PLAIN_TEST(a_bucket_gives_its_burst_and_then_the_rate),
	PLAIN_TEST(a_huge_burst_does_not_wrap),
	LOOP_TEST(a_translation_is_read_as_nft_does, nat_rows),
	LOOP_TEST(what_is_no_translation_is_refused_with_what_is_allowed, bad_nats),
	LOOP_TEST(a_mark_may_have_a_mask, marks),
	PLAIN_TEST(what_is_no_mark_no_dscp_and_no_refusal_is_refused),
	PLAIN_TEST(a_dscp_has_a_name_or_a_number),
	LOOP_TEST(a_refusal_has_a_code_in_both_families, rejects))
