/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of qdiscs share: the router of kit.h with qdiscs, whose workers live by a clock that only the test
 * moves, and packets that can be told from each other when they come out.
 */
#include "kit.h"

/* qdiscs: items of the section. config NULL: router_config. */
struct bench *qdisc_start(const char *config, const char *qdiscs);
struct bench *qdisc_start_with(
	const char *config, const char *qdiscs, unsigned int n_workers, unsigned int n_mbufs);

/* Workers are given this in place of the TSC: qdisc_start() does it, well ahead of the real one. */
extern uint64_t qdisc_now;
void qdisc_take_clock(struct bench *b);
/* Cycles of a time. */
uint64_t qdisc_cycles(const struct bench *b, uint64_t ns);
/* Moves the clock, and runs everything. */
void qdisc_wait(struct bench *b, uint64_t ns);
/* Moves it to when the first worker has something to do, and runs everything. False: there is nothing to wait for. */
bool qdisc_step(struct bench *b);
/* The same until nothing waits any more; fails the test when that never comes. */
void qdisc_run_dry(struct bench *b);

/* From the host on lan to the peer on wan, of that length on the wire; id is in its IP header. */
void numbered_frame(struct frame *frame, uint16_t id, uint32_t len);
/* The same with what else is in spec; lengths are those of its payload. */
void numbered_spec(struct frame *frame, uint16_t id, const struct ip4_spec *spec);
void numbered_send(struct bench *b, uint16_t id, uint32_t len);
/* The number of the next IPv4 packet out of a port; -1: there is none. */
int numbered_next(struct bench *b, unsigned int port);
/* Fails the test unless those from `first` to `last` come out of a port, in order, and no others. */
void numbered_expect(struct bench *b, unsigned int port, uint16_t first, uint16_t last);

/* A figure of `qdisc show dev L`, by handle such as "1:" and path such as "options.rate". */
int64_t qdisc_figure(struct bench *b, const char *dev, const char *handle, const char *path);
/* Of `class show dev L`, by handle such as "1:2" or name. */
int64_t class_figure(struct bench *b, const char *dev, const char *class, const char *path);
/* Which class has had one packet more since the last time it was asked, by handle; "" none, "many". */
const char *class_hit(struct bench *b, const char *dev);
/* Packets that weir holds. */
int64_t qdisc_held(struct bench *b);

/* Fills what a port's device sends to with frames of the test, until there is room for so many packets only. */
void device_fill(struct bench *b, unsigned int port, unsigned int room);
/* Takes so many of those frames away again; all of them come before other ones, and numbered_next() skips them. */
void device_drain(struct bench *b, unsigned int port, unsigned int n);
