/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Allocation for the control plane's own bookkeeping, called by all modules on the control thread.
 * There is no state here. A process that cannot get a few bytes has no way to serve its operator,
 * so it says so in one line and ends at once, without exit handlers that would need memory again;
 * a supervisor restarts it. Sizes chosen by users and peers do not come here.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void mem_die(void)
{
	static const char line[] = "ERR mem: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)ignored;
	_exit(EXIT_FAILURE);
}

void *mem_zalloc(size_t size)
{
	/* One byte for none: NULL from calloc(3) then always means failure. */
	void *ptr = calloc(1, size > 0 ? size : 1);

	if (ptr == NULL)
		mem_die();
	return ptr;
}

void *mem_realloc(void *ptr, size_t n, size_t size)
{
	size_t product;

	if (__builtin_mul_overflow(n, size, &product))
		mem_die();
	/* realloc(3) to zero bytes would free ptr. */
	ptr = realloc(ptr, product > 0 ? product : 1);
	if (ptr == NULL)
		mem_die();
	return ptr;
}

char *mem_strdup(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		mem_die();
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	char *text;
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = vasprintf(&text, fmt, args);
	va_end(args);
	if (rc < 0)
		mem_die();
	return text;
}
