/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rates, sizes and times in the units of tc(8), for settings and for what is shown of them. Pure
 * functions, called on any thread.
 *
 * The arithmetic is exact, tc's is not: it goes through a double and loses bits above 2^53. What
 * remains below the smallest unit is cut off, as tc does ("0.1k" is 102 bytes). Unit names are
 * taken in any case, a blank before the unit is not, nor are signs, exponents and hex numbers,
 * which tc takes by accident of strtod(3).
 */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor; /* of bit/s, bytes or nanoseconds */
	bool is_printed;
};

/* A number as written: both runs of digits may be empty, not both at once. */
struct decimal {
	const char *whole;
	size_t n_whole;
	const char *fraction;
	size_t n_fraction;
};

static const struct unit rate_units[] = {
	{ "bit", 1, true },
	{ "kbit", 1000, true },
	{ "mbit", 1000000, true },
	{ "gbit", 1000000000, true },
	{ "tbit", 1000000000000, true },
	{ "kibit", 1ULL << 10, false },
	{ "mibit", 1ULL << 20, false },
	{ "gibit", 1ULL << 30, false },
	{ "tibit", 1ULL << 40, false },
	{ "bps", 8, false },
	{ "kbps", 8000, false },
	{ "mbps", 8000000, false },
	{ "gbps", 8000000000, false },
	{ "tbps", 8000000000000, false },
	{ "kibps", 8ULL << 10, false },
	{ "mibps", 8ULL << 20, false },
	{ "gibps", 8ULL << 30, false },
	{ "tibps", 8ULL << 40, false },
	{ "", 1, false },
	{ NULL },
};

static const struct unit size_units[] = {
	{ "b", 1, true },
	{ "k", 1ULL << 10, true },
	{ "m", 1ULL << 20, true },
	{ "g", 1ULL << 30, true },
	{ "kb", 1ULL << 10, false },
	{ "mb", 1ULL << 20, false },
	{ "gb", 1ULL << 30, false },
	{ "kbit", (1ULL << 10) / 8, false },
	{ "mbit", (1ULL << 20) / 8, false },
	{ "gbit", (1ULL << 30) / 8, false },
	{ "", 1, false },
	{ NULL },
};

static const struct unit time_units[] = {
	{ "ns", 1, true },
	{ "us", 1000, true },
	{ "ms", 1000000, true },
	{ "s", 1000000000, true },
	{ "m", 60 * 1000000000ULL, true },
	{ "h", 3600 * 1000000000ULL, true },
	{ "d", 86400 * 1000000000ULL, true },
	{ "nsec", 1, false },
	{ "nsecs", 1, false },
	{ "usec", 1000, false },
	{ "usecs", 1000, false },
	{ "msec", 1000000, false },
	{ "msecs", 1000000, false },
	{ "sec", 1000000000, false },
	{ "secs", 1000000000, false },
	{ "", 1000000000, false },
	{ NULL },
};

static const char *decimal_read(const char *text, struct decimal *number)
{
	static const char digits[] = "0123456789";

	*number = (struct decimal){ .whole = text, .n_whole = strspn(text, digits) };
	text += number->n_whole;
	if (*text != '.')
		return text;
	number->fraction = ++text;
	number->n_fraction = strspn(text, digits);
	return text + number->n_fraction;
}

/* The number times factor, rounded down; -ERANGE beyond 64 bits. */
static int decimal_scale(const struct decimal *number, uint64_t factor, uint64_t *out)
{
	uint64_t value = 0;
	uint64_t part = 0;

	for (size_t i = 0; i < number->n_whole; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(number->whole[i] - '0'), &value))
			return -ERANGE;
	}
	/*
	 * From the last digit to the first, part stays below factor. Rounding down at each digit
	 * gives the same as once at the end, since floor((n + x) / 10) = floor((n + floor(x)) / 10).
	 */
	for (size_t i = number->n_fraction; i > 0; i--)
		part = ((uint64_t)(number->fraction[i - 1] - '0') * factor + part) / 10;
	if (__builtin_mul_overflow(value, factor, &value) ||
		__builtin_add_overflow(value, part, &value))
		return -ERANGE;
	*out = value;
	return 0;
}

static int parse(const struct unit *units, const char *text, uint64_t *out)
{
	struct decimal number;
	const char *name = decimal_read(text, &number);

	if (number.n_whole + number.n_fraction == 0)
		return -EINVAL;
	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		if (strcasecmp(name, unit->name) == 0)
			return decimal_scale(&number, unit->factor, out);
	}
	return -EINVAL;
}

/* Writes value in this unit when that takes less than room characters, and returns how many. */
static size_t unit_print(const struct unit *unit, uint64_t value, char *buf, size_t room)
{
	uint64_t rest = value % unit->factor;
	size_t name_len = strlen(unit->name);
	size_t len = (size_t)snprintf(buf, room, "%" PRIu64, value / unit->factor);

	if (rest > 0 && len < room)
		buf[len++] = '.';
	/* A third of a minute never ends: it runs out of room. */
	for (; rest > 0 && len < room; rest = rest * 10 % unit->factor)
		buf[len++] = (char)('0' + rest * 10 / unit->factor);
	if (rest > 0 || len + name_len >= room)
		return 0;
	strcpy(buf + len, unit->name);
	return len + name_len;
}

/*
 * The shortest of all units, the smaller unit when two are as short. Always with a unit, since a
 * bare number does not say what it counts, and never below one ("100ms", not "0.1s").
 */
static const char *print(const struct unit *units, uint64_t value, char *buf)
{
	size_t best_len = UNITS_TEXT_MAX;

	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		char text[UNITS_TEXT_MAX];
		size_t len;

		if (!unit->is_printed || (value > 0 && value < unit->factor))
			continue;
		len = unit_print(unit, value, text, best_len);
		if (len == 0)
			continue;
		memcpy(buf, text, len + 1);
		best_len = len;
	}
	return buf;
}

int units_parse_rate(const char *text, uint64_t *out_bps)
{
	return parse(rate_units, text, out_bps);
}

int units_parse_size(const char *text, uint64_t *out_bytes)
{
	return parse(size_units, text, out_bytes);
}

int units_parse_time(const char *text, uint64_t *out_ns)
{
	return parse(time_units, text, out_ns);
}

const char *units_rate_text(uint64_t bps, char buf[static UNITS_TEXT_MAX])
{
	return print(rate_units, bps, buf);
}

const char *units_size_text(uint64_t bytes, char buf[static UNITS_TEXT_MAX])
{
	return print(size_units, bytes, buf);
}

const char *units_time_text(uint64_t ns, char buf[static UNITS_TEXT_MAX])
{
	return print(time_units, ns, buf);
}
