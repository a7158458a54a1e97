/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the files of lib/monitor; nobody else includes this. */
#include <jansson.h>
#include <stdbool.h>

enum monitor_kind { MONITOR_LINK, MONITOR_ADDR, MONITOR_NEIGH, MONITOR_ROUTE, MONITOR_CONNTRACK };

/* An event, but one of a connection, as a line in the words of `ip monitor`. Caller frees. */
char *monitor_text(enum monitor_kind kind, const json_t *row);
