/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Values within an answer as text, made safe for a terminal. A path is "ifname", "stats64.rx.packets"
 * or "addr_info.local/prefixlen"; what arrays on the way hold is joined by commas.
 */
#include <jansson.h>

/* What stands at a path ("": the value itself); NULL: nothing. Caller frees. */
char *path_text(const json_t *json, const char *path);
/* A value that is no array or object; "-" for none. Caller frees. */
char *scalar_text(const json_t *json);
