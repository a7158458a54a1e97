/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A line of a batch or of the shell as words. */
enum { WORDS_MAX = 256 };

/*
 * Splits a line in place: blanks divide, '#' at the beginning of a word ends the line, quotes of
 * both kinds keep blanks, a backslash the next character (not within '...'). The number of words,
 * or -1 for an open quote or too many.
 */
int words_split(char *line, char **words);
