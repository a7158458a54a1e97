/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of bonds share on top of kit.h.
 *
 *	192.0.2.10, 10.0.0.0/8 --- m0..m3 (p0..p3) = bond0 --- weir --- wan (p4) --- 198.51.100.10, default
 *	                                             192.0.2.1
 *
 * m0 has MEMBER_MAC "0", and so on; bond0 that of its first member. Which of m0..m3 are members the
 * settings say.
 */
#include "kit6.h"

enum { M0, M1, M2, M3, UPLINK, N_MEMBERS = 4 };
#define MEMBER_MAC "02:00:00:00:0b:0"
#define BOND_MAC   MEMBER_MAC "0"
#define ALL_FOUR   "members = [ \"m0\", \"m1\", \"m2\", \"m3\" ]; "
#define ALL_TWO	   "members = [ \"m0\", \"m1\" ]; "

/*
 * settings: of bond0, without its name, type and address. links: more of them, each with a comma in front. sections:
 * what else the configuration has.
 */
struct bond_spec {
	const char *settings, *links, *sections;
	unsigned int n_workers; /* 0: 1 */
};
struct bench *bond_start(const struct bond_spec *spec);

/* The carrier of a port's device, which is looked at in the next tick. */
void bond_carrier(struct bench *b, unsigned int port, bool is_up);
void bond_set(struct bench *b, const char *dev, const char *state);

/* A packet of the uplink's host into 10.0.0.0/8. */
void bond_packet(struct frame *frame, const char *dst, uint16_t sport);
/* Sends a frame into the uplink: the one port of a member that something left by; *got is that. */
unsigned int bond_leaves_by(struct bench *b, const struct frame *frame, struct frame *got);
/* A packet from the bond's host, received by a member. Does it come out of the uplink? */
bool bond_receives(struct bench *b, unsigned int member);

/* Text at a path in the row that `link show` has of a link; valid until the next call. */
const char *bond_link_text(struct bench *b, const char *dev, const char *path);
/* The row that `bond show` has of bond0. New reference. */
json_t *bond_row(struct bench *b);
int64_t bond_n_active(struct bench *b);
