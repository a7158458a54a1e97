/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Text from elsewhere, made fit for a terminal: control characters (C0, DEL, C1) and those that
 * turn the direction of writing are shown as escapes, never sent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* text may be any bytes; what is not UTF-8 is escaped too. Caller frees. */
char *text_safe(const char *text, bool keeps_lines);
/* Columns on a terminal, taking every character for one wide. */
size_t text_width(const char *text);
/* Prints the text, made safe, on a line of its own. */
void text_put_line(FILE *out, const char *text);
/* As above, but newlines and tabs within are kept. */
void text_put_lines(FILE *out, const char *text);
