/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of policers share. Rates are the lowest there are, 125 bytes in a second: what a
 * test has at its disposal are the bursts, which are full when it begins. Frames have METER_LEN
 * bytes, so "3kb" are three of them.
 */
#include "kit6.h"

enum { METER_LEN = 1000 };
#define SLOW "rate = \"1kbit\"; "

/* From lan's host to wan's, with that DSCP and ECN. */
void meter_frame(struct frame *frame, uint8_t tos);

/* What `policer show` has of a link: packets and bytes of each colour, and what was dropped. */
struct meter_seen {
	int64_t green, yellow, red, green_bytes, yellow_bytes, red_bytes, dropped;
};
struct meter_seen meter_look(struct bench *b, const char *dev);
/* Fails the test unless so many packets were green, yellow, red and dropped. */
void meter_expect(struct bench *b, const char *dev, int64_t green, int64_t yellow, int64_t red,
	int64_t dropped);
/* policer.VERB with these arguments as JSON, without the braces. */
void meter_do(struct bench *b, const char *verb, const char *args);
