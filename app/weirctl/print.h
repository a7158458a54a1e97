/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the daemon answered, for people (tables, `key value` lines, plain text) or as JSON. */
#include "weirctl.h"

/* The answer to a command (a row of rpc.list). Nothing is printed for null. */
void print_result(const struct options *options, const json_t *command, const json_t *result);
/* One notification of a stream. */
void print_event(const struct options *options, const json_t *command, const json_t *event);
