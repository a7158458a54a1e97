/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rates, sizes and times as text, in the units of tc(8). Pure functions, any thread.
 * Each returns 0, -EINVAL for text that is no number with a known unit, or -ERANGE when the
 * value does not fit 64 bits; *out is written on success only. A fraction ("1.5mbit") is fine.
 */
#include <stddef.h>
#include <stdint.h>

/* "1mbit" (10^6 bit/s), "1mbps" (bytes), "1kibit" (1024); a bare number is bit/s. Out: bit/s. */
int units_parse_rate(const char *text, uint64_t *out_bps);
/* "15kb" and "15k" (1024 bytes each), "32kbit" (k = 1024, divided by 8), "2mb", "100b". Out: bytes. */
int units_parse_size(const char *text, uint64_t *out_bytes);
/* "400ms", "10us", "300s", "5m" (minutes), "2h", "5d", "250ns"; a bare number is seconds. Out: ns. */
int units_parse_time(const char *text, uint64_t *out_ns);

enum { UNITS_TEXT_MAX = 32 };

/* The shortest exact text that the parser above reads back to the same value. Return buf. */
const char *units_rate_text(uint64_t bps, char buf[static UNITS_TEXT_MAX]);
const char *units_size_text(uint64_t bytes, char buf[static UNITS_TEXT_MAX]);
const char *units_time_text(uint64_t ns, char buf[static UNITS_TEXT_MAX]);
