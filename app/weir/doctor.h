/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * weir --doctor: what this machine has for running weir well, and the command that mends what it
 * lacks. Changes nothing, needs no privileges, starts no EAL.
 */
#include <stdbool.h>
#include <stdio.h>

struct config;

struct doctor {
	const char *root;	     /* in front of every path that is read; "" on a real machine */
	const struct config *config; /* whose needs are looked at; may be an empty one */
	bool (*has_address)(const char *interface); /* beyond link-local ones */
	FILE *out;
};

/* Prints one line per finding. 0; -ENODEV: weir, or this configuration, cannot run here at all. */
int doctor_run(const struct doctor *doctor);
/* Asks this machine: for struct doctor. */
bool doctor_has_address(const char *interface);
