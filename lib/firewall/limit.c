/* SPDX-License-Identifier: BSD-3-Clause */

/* The text of a limit; limit.h says what it means. Pure functions, any thread. */
#include "firewall/limit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LIMIT_BURST = 5, /* that of nft(8) */
	LIMIT_PACKETS_MAX = 1000000000,
	LIMIT_BURST_MAX = 1000000,
};

static const struct {
	const char *name;
	uint64_t seconds;
} units[] = {
	{ "second", 1 },
	{ "minute", 60 },
	{ "hour", 3600 },
	{ "day", 86400 },
	{ "week", 604800 },
};

/* More than an allowance for decades makes no difference, and must not overflow. */
static uint64_t tolerance(uint64_t interval, uint64_t burst)
{
	uint64_t product;

	if (__builtin_mul_overflow(interval, burst - 1, &product) || product > INT64_MAX)
		return INT64_MAX;
	return product;
}

static struct limit limit_make(uint64_t n_packets, uint64_t seconds, uint64_t burst, uint64_t hz)
{
	uint64_t interval = RTE_MAX(hz * seconds / n_packets, UINT64_C(1));

	return (struct limit){ .interval = interval, .tolerance = tolerance(interval, burst) };
}

struct limit limit_per_second(uint64_t n_packets, uint64_t burst, uint64_t tsc_hz)
{
	return limit_make(n_packets, 1, burst, tsc_hz);
}

struct limit limit_bytes(uint64_t rate_bps, uint64_t tsc_hz)
{
	uint64_t interval = RTE_MAX((tsc_hz << LIMIT_SHIFT) / (rate_bps / 8), UINT64_C(1));

	return (struct limit){
		.interval = interval,
		.tolerance = RTE_MAX(tsc_hz * LIMIT_BURST_MS / 1000,
			LIMIT_BURST_BYTES * interval >> LIMIT_SHIFT),
	};
}

/* Reads a number from 1 to max and moves on behind it. */
static int take_number(const char **text, uint64_t max, uint64_t *out)
{
	size_t n_digits = strspn(*text, "0123456789");

	if (n_digits == 0 || n_digits > 10)
		return -EINVAL;
	*out = strtoull(*text, NULL, 10);
	*text += n_digits;
	return *out == 0 || *out > max ? -EINVAL : 0;
}

static bool take_word(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

static uint64_t take_unit(const char **text)
{
	for (unsigned int i = 0; i < RTE_DIM(units); i++)
		if (take_word(text, units[i].name))
			return units[i].seconds;
	return 0;
}

int limit_parse(const char *text, uint64_t tsc_hz, struct limit *out)
{
	bool is_over = take_word(&text, "over ");
	uint64_t n_packets, seconds, burst = LIMIT_BURST;

	if (take_number(&text, LIMIT_PACKETS_MAX, &n_packets) < 0 || !take_word(&text, "/"))
		return -EINVAL;
	seconds = take_unit(&text);
	if (seconds == 0)
		return -EINVAL;
	if (take_word(&text, " burst ")) {
		if (take_number(&text, LIMIT_BURST_MAX, &burst) < 0)
			return -EINVAL;
		(void)(take_word(&text, " packets") || take_word(&text, " packet"));
	}
	if (*text != '\0')
		return -EINVAL;
	*out = limit_make(n_packets, seconds, burst, tsc_hz);
	out->is_over = is_over;
	return 0;
}
