/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the sources of gen.c and gen_flows.c share. */
#include <stdbool.h>
#include <stdint.h>

/*
 * A file that the benchmark maps as well (lab.py, class Generator, knows the order). Each number is
 * written by one side only.
 */
struct gen_state {
	/* The benchmark: flows to set up, of 256 of them TCP, first packets a second of ever new ones. */
	uint64_t n_flows, tcp_share, new_per_second;
	uint64_t is_quiet; /* give no packets */
	uint64_t n_resets; /* another number: forget the longest gap */
	/* The generator. */
	uint64_t hz;
	uint64_t phase; /* enum flows_phase */
	uint64_t packets, cycles;
	uint64_t n_new;	      /* first packets of ever new flows so far */
	uint64_t longest_gap; /* TSC cycles between two calls: the longest pass of the worker */
};

/* Is the state file's generator of flows asked for (BENCH_FLOWS)? */
bool flows_are_wanted(void);
/* The first port is the inside of the router, the second one the outside. Control thread. */
void flows_add(uint16_t port);
