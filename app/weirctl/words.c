/* SPDX-License-Identifier: BSD-3-Clause */

/* See words.h. A pure function. */
#include "words.h"

#include <string.h>

int words_split(char *line, char **words)
{
	char *in = line, *out = line, quote = '\0';
	int n = 0;

	for (;;) {
		in += strspn(in, " \t\r\n");
		if (*in == '\0' || *in == '#')
			return n;
		if (n == WORDS_MAX)
			return -1;
		words[n++] = out;
		while (*in != '\0' && (quote != '\0' || strchr(" \t\r\n", *in) == NULL)) {
			if (quote == '\0' && (*in == '"' || *in == '\'')) {
				quote = *in++;
			} else if (*in == quote) {
				quote = '\0';
				in++;
			} else {
				if (*in == '\\' && quote != '\'' && in[1] != '\0')
					in++;
				*out++ = *in++;
			}
		}
		if (quote != '\0')
			return -1;
		in += *in != '\0';
		*out++ = '\0';
	}
}
