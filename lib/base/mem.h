/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Heap memory for the control plane that cannot fail: running out of ordinary memory for a few
 * bytes of bookkeeping ends the process with one line. What is sized by a user or a peer uses
 * calloc(3) and handles the failure. Never called on a worker.
 */
#include <stddef.h>

void *mem_zalloc(size_t size);			     /* zeroed */
void *mem_realloc(void *ptr, size_t n, size_t size); /* n items of size bytes, checked product */
char *mem_strdup(const char *text);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
