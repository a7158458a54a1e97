/* SPDX-License-Identifier: BSD-3-Clause */

/* See text.h. Pure functions. */
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The character at text and its length in bytes; 0 for a byte that begins no valid one. */
static size_t decode(const unsigned char *text, uint32_t *out)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = text[0] < 0x80   ? 1
		     : text[0] < 0xc2 ? 0
		     : text[0] < 0xe0 ? 2
		     : text[0] < 0xf0 ? 3
		     : text[0] < 0xf5 ? 4
				      : 0;
	uint32_t c = len < 2 ? text[0] : text[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	*out = c;
	return len > 0 && c >= smallest[len] ? len : 0;
}

static bool is_hostile(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *text_safe(const char *text, bool keeps_lines)
{
	const unsigned char *p = (const unsigned char *)text;
	/* The longest escape of one byte is \xNN. */
	char *safe = mem_zalloc(4 * strlen(text) + 1), *out = safe;

	while (*p != '\0') {
		uint32_t c = 0;
		size_t len = decode(p, &c);

		if (len == 0 || (is_hostile(c) && c < 0x100)) {
			len = len == 0 ? 1 : len;
			if (keeps_lines && (*p == '\n' || *p == '\t'))
				*out++ = (char)*p;
			else
				out += sprintf(out, "\\x%02x", len > 1 ? (unsigned int)c : *p);
		} else if (is_hostile(c)) {
			out += sprintf(out, "\\u%04x", (unsigned int)c);
		} else {
			memcpy(out, p, len);
			out += len;
		}
		p += len;
	}
	return safe;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void text_put_line(FILE *out, const char *text)
{
	char *safe = text_safe(text, false);

	fprintf(out, "%s\n", safe);
	free(safe);
}

void text_put_lines(FILE *out, const char *text)
{
	char *safe = text_safe(text, true);
	size_t len = strlen(safe);

	fputs(safe, out);
	if (len > 0 && safe[len - 1] != '\n')
		fputc('\n', out);
	free(safe);
}
