/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rates, sizes and times: the factors of tc(8), what is refused, the edges of 64 bits, and that
 * whatever is printed reads back to the same value.
 */
#include "base/units.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef int parse_fn(const char *text, uint64_t *out);
typedef const char *text_fn(uint64_t value, char buf[static UNITS_TEXT_MAX]);

static const struct kind {
	const char *name;
	parse_fn *parse;
	text_fn *text;
} kinds[] = {
	{ "rate", units_parse_rate, units_rate_text },
	{ "size", units_parse_size, units_size_text },
	{ "time", units_parse_time, units_time_text },
};

enum { N_KINDS = 3 };

static const struct parse_row {
	parse_fn *parse;
	const char *in;
	uint64_t want;
} parse_rows[] = {
	{ units_parse_rate, "0", 0 },
	{ units_parse_rate, "1", 1 },
	{ units_parse_rate, "1000", 1000 },
	{ units_parse_rate, "1bit", 1 },
	{ units_parse_rate, "1kbit", 1000 },
	{ units_parse_rate, "1mbit", 1000000 },
	{ units_parse_rate, "1gbit", 1000000000 },
	{ units_parse_rate, "1tbit", 1000000000000 },
	{ units_parse_rate, "1kibit", 1024 },
	{ units_parse_rate, "1mibit", 1048576 },
	{ units_parse_rate, "1gibit", 1073741824 },
	{ units_parse_rate, "1tibit", 1099511627776 },
	{ units_parse_rate, "1bps", 8 },
	{ units_parse_rate, "1kbps", 8000 },
	{ units_parse_rate, "1mbps", 8000000 },
	{ units_parse_rate, "1gbps", 8000000000 },
	{ units_parse_rate, "1tbps", 8000000000000 },
	{ units_parse_rate, "1kibps", 8192 },
	{ units_parse_rate, "1mibps", 8388608 },
	{ units_parse_rate, "1gibps", 8589934592 },
	{ units_parse_rate, "1tibps", 8796093022208 },
	{ units_parse_rate, "100Mbit", 100000000 },
	{ units_parse_rate, "1KiBps", 8192 },
	{ units_parse_rate, "1.5mbit", 1500000 },
	{ units_parse_rate, "0.5kibps", 4096 },
	{ units_parse_rate, ".5mbit", 500000 },
	{ units_parse_rate, "5.mbit", 5000000 },
	{ units_parse_rate, "007kbit", 7000 },
	{ units_parse_rate, "1.0000000000000000000000000000000000001kbit", 1000 },
	{ units_parse_rate, "1.9999999999999999999999999999999999999bit", 1 },
	{ units_parse_rate, "0.0000000000009094947017729282379150390625tibit", 1 },
	{ units_parse_rate, "9007199254740993bit", 9007199254740993 },
	{ units_parse_rate, "18446744073709551615", UINT64_MAX },
	{ units_parse_rate, "18446744.073709551615tbit", UINT64_MAX },
	{ units_parse_size, "0", 0 },
	{ units_parse_size, "100", 100 },
	{ units_parse_size, "100b", 100 },
	{ units_parse_size, "1k", 1024 },
	{ units_parse_size, "15kb", 15360 },
	{ units_parse_size, "15KB", 15360 },
	{ units_parse_size, "32kbit", 4096 },
	{ units_parse_size, "2m", 2097152 },
	{ units_parse_size, "2mb", 2097152 },
	{ units_parse_size, "1mbit", 131072 },
	{ units_parse_size, "1g", 1073741824 },
	{ units_parse_size, "1gb", 1073741824 },
	{ units_parse_size, "1gbit", 134217728 },
	{ units_parse_size, "1.5k", 1536 },
	{ units_parse_size, "0.1k", 102 },
	{ units_parse_size, "0.9b", 0 },
	{ units_parse_size, "17179869183.999999999g", 18446744073709551614ULL },
	{ units_parse_time, "0", 0 },
	{ units_parse_time, "3", 3000000000 },
	{ units_parse_time, "0.25", 250000000 },
	{ units_parse_time, "250ns", 250 },
	{ units_parse_time, "10us", 10000 },
	{ units_parse_time, "10usec", 10000 },
	{ units_parse_time, "400ms", 400000000 },
	{ units_parse_time, "400msecs", 400000000 },
	{ units_parse_time, "300s", 300000000000 },
	{ units_parse_time, "300sec", 300000000000 },
	{ units_parse_time, "1.000000001s", 1000000001 },
	{ units_parse_time, "5m", 300000000000 },
	{ units_parse_time, "2h", 7200000000000 },
	{ units_parse_time, "5d", 432000000000000 },
	{ units_parse_time, "1.5H", 5400000000000 },
	{ units_parse_time, "18446744073.709551615", UINT64_MAX },
};

START_TEST(number_with_a_unit_has_the_value_tc_gives_it)
{
	const struct parse_row *row = &parse_rows[_i];
	uint64_t value = 0xdead;

	ck_assert_msg(row->parse(row->in, &value) == 0, "%s refused", row->in);
	ck_assert_msg(value == row->want, "%s is %llu", row->in, (unsigned long long)value);
}
END_TEST

static const struct refuse_row {
	const char *in;
	int want[N_KINDS]; /* rate, size, time */
} refuse_rows[] = {
	{ "", { -EINVAL, -EINVAL, -EINVAL } },
	{ " ", { -EINVAL, -EINVAL, -EINVAL } },
	{ ".", { -EINVAL, -EINVAL, -EINVAL } },
	{ "..5", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1.2.3", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1,5", { -EINVAL, -EINVAL, -EINVAL } },
	{ "-1", { -EINVAL, -EINVAL, -EINVAL } },
	{ "+1", { -EINVAL, -EINVAL, -EINVAL } },
	{ "-0", { -EINVAL, -EINVAL, -EINVAL } },
	{ " 1", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1 ", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1\n", { -EINVAL, -EINVAL, -EINVAL } },
	{ "0x10", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1e3", { -EINVAL, -EINVAL, -EINVAL } },
	{ "inf", { -EINVAL, -EINVAL, -EINVAL } },
	{ "nan", { -EINVAL, -EINVAL, -EINVAL } },
	{ "bit", { -EINVAL, -EINVAL, -EINVAL } },
	{ "k", { -EINVAL, -EINVAL, -EINVAL } },
	{ "s", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1 mbit", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1 s", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1%", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1mbitx", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1mbi", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1mbit/s", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1pbit", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1kib", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1t", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1min", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1w", { -EINVAL, -EINVAL, -EINVAL } },
	{ "1m2s", { -EINVAL, -EINVAL, -EINVAL } },
	{ "99999999999999999999parsec", { -EINVAL, -EINVAL, -EINVAL } },
	{ "18446744073709551616", { -ERANGE, -ERANGE, -ERANGE } },
	{ "18446744073709551615.5", { 0, 0, -ERANGE } },
	{ "99999999999999999999999999999999", { -ERANGE, -ERANGE, -ERANGE } },
	{ "18446744.073709551616tbit", { -ERANGE, -EINVAL, -EINVAL } },
	{ "2305843009213693952bps", { -ERANGE, -EINVAL, -EINVAL } },
	{ "17179869184g", { -EINVAL, -ERANGE, -EINVAL } },
	{ "18446744073.709551616", { 0, 0, -ERANGE } },
	{ "213504d", { -EINVAL, -EINVAL, -ERANGE } },
};

START_TEST(what_is_no_number_of_the_kind_is_refused)
{
	const struct refuse_row *row = &refuse_rows[_i];

	for (int i = 0; i < N_KINDS; i++) {
		uint64_t value = 0xdead;
		int rc = kinds[i].parse(row->in, &value);

		ck_assert_msg(rc == row->want[i], "%s \"%s\": %d", kinds[i].name, row->in, rc);
		if (rc < 0)
			ck_assert_uint_eq(value, 0xdead);
	}
}
END_TEST

static const struct text_row {
	text_fn *text;
	uint64_t value;
	const char *want;
} text_rows[] = {
	{ units_rate_text, 0, "0bit" },
	{ units_rate_text, 1, "1bit" },
	{ units_rate_text, 999, "999bit" },
	{ units_rate_text, 1000, "1kbit" },
	{ units_rate_text, 1001, "1001bit" },
	{ units_rate_text, 64000, "64kbit" },
	{ units_rate_text, 1500000, "1.5mbit" },
	{ units_rate_text, 100000000, "100mbit" },
	{ units_rate_text, 2500000000, "2.5gbit" },
	{ units_rate_text, 10000000000, "10gbit" },
	{ units_rate_text, 1000000000000, "1tbit" },
	{ units_rate_text, UINT64_MAX, "18446744073709551615bit" },
	{ units_size_text, 0, "0b" },
	{ units_size_text, 1500, "1500b" },
	{ units_size_text, 1024, "1k" },
	{ units_size_text, 1536, "1.5k" },
	{ units_size_text, 15360, "15k" },
	{ units_size_text, 2097152, "2m" },
	{ units_size_text, 1073741824, "1g" },
	{ units_size_text, UINT64_MAX, "18446744073709551615b" },
	{ units_time_text, 0, "0s" },
	{ units_time_text, 1, "1ns" },
	{ units_time_text, 1500, "1.5us" },
	{ units_time_text, 5000000, "5ms" },
	{ units_time_text, 100000000, "100ms" },
	{ units_time_text, 1500000000, "1.5s" },
	{ units_time_text, 30000000000, "30s" },
	{ units_time_text, 60000000000, "1m" },
	{ units_time_text, 90000000000, "90s" },
	{ units_time_text, 100000000000, "100s" },
	{ units_time_text, 300000000000, "5m" },
	{ units_time_text, 7200000000000, "2h" },
	{ units_time_text, 432000000000000, "5d" },
	{ units_time_text, UINT64_MAX, "18446744073709551615ns" },
};

START_TEST(value_is_printed_in_the_shortest_unit)
{
	const struct text_row *row = &text_rows[_i];
	char buf[UNITS_TEXT_MAX];

	ck_assert_ptr_eq(row->text(row->value, buf), buf);
	ck_assert_str_eq(buf, row->want);
}
END_TEST

static void check_round_trip(const struct kind *kind, uint64_t value)
{
	char buf[UNITS_TEXT_MAX];
	uint64_t back = ~value;

	memset(buf, 'x', sizeof(buf));
	kind->text(value, buf);
	ck_assert_ptr_nonnull(memchr(buf, '\0', sizeof(buf)));
	ck_assert_msg(kind->parse(buf, &back) == 0, "%s \"%s\" refused", kind->name, buf);
	ck_assert_msg(
		back == value, "%s \"%s\" of %llu", kind->name, buf, (unsigned long long)value);
}

static uint64_t random_value(void)
{
	uint64_t value = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ (uint64_t)random();

	/* All magnitudes, and often round numbers. */
	value >>= random() % 64;
	for (long i = random() % 6; i > 0; i--)
		value -= value % 1000 * (value % 3 != 0);
	return value;
}

START_TEST(printed_text_reads_back_to_the_same_value)
{
	const struct kind *kind = &kinds[_i];
	uint64_t factors[] = { 1, 8, 60, 1000, 1024, 3600, 86400 };

	srandom(11);
	for (unsigned int round = 0; round < 20000; round++)
		check_round_trip(kind, random_value());
	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		for (uint64_t scale = 1; scale < UINT64_MAX / 10 / 86400; scale *= 10) {
			check_round_trip(kind, factors[i] * scale - 1);
			check_round_trip(kind, factors[i] * scale);
			check_round_trip(kind, factors[i] * scale + 1);
		}
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		check_round_trip(kind, (1ULL << bit) - 1);
		check_round_trip(kind, 1ULL << bit);
		check_round_trip(kind, ~(1ULL << bit));
	}
}
END_TEST

SUITE_MAIN("units", LOOP_TEST(number_with_a_unit_has_the_value_tc_gives_it, parse_rows),
	LOOP_TEST(what_is_no_number_of_the_kind_is_refused, refuse_rows),
	LOOP_TEST(value_is_printed_in_the_shortest_unit, text_rows),
	LOOP_TEST(printed_text_reads_back_to_the_same_value, kinds))
