/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Events as lines for people, in the words and the order of `ip monitor`, made from the same JSON
 * that programs get: what is not in the object is not in the line. Pure functions.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/monitor_priv.h"

/* A member of the object with what stands before and behind it. */
struct word {
	const char *before, *key, *after;
	bool is_glued; /* no blank in front */
};

static const struct word link_words[] = {
	{ "", "ifindex", ":" },
	{ "", "ifname", ":" },
	{ "<", "flags", ">" },
	{ "mtu ", "mtu", "" },
	{ "master ", "master", "" },
	{ "state ", "operstate", "" },
	{ "link/", "link_type", "" },
	{ "", "address", "" },
	{ "brd ", "broadcast", "" },
	{ NULL },
};

static const struct word addr_words[] = {
	{ "", "index", ":" },
	{ "", "dev", "" },
	{ "", "family", "" },
	{ "", "local", "" },
	{ "/", "prefixlen", "", .is_glued = true },
	{ "brd ", "broadcast", "" },
	{ "scope ", "scope", "" },
	{ NULL },
};

static const struct word neigh_words[] = {
	{ "", "dst", "" },
	{ "dev ", "dev", "" },
	{ "lladdr ", "lladdr", "" },
	{ "", "state", "" },
	{ NULL },
};

static const struct word route_words[] = {
	{ "", "type", "" },
	{ "", "dst", "" },
	{ "via ", "gateway", "" },
	{ "dev ", "dev", "" },
	{ "table ", "table", "" },
	{ "proto ", "protocol", "" },
	{ "scope ", "scope", "" },
	{ "src ", "prefsrc", "" },
	{ "metric ", "metric", "" },
	{ "", "flags", "" },
	{ NULL },
};

static const struct word *const kind_words[] = {
	[MONITOR_LINK] = link_words,
	[MONITOR_ADDR] = addr_words,
	[MONITOR_NEIGH] = neigh_words,
	[MONITOR_ROUTE] = route_words,
};

static void put_value(FILE *out, const json_t *value)
{
	const char *separator = "";
	json_t *item;
	size_t i;

	if (json_is_string(value))
		fputs(json_string_value(value), out);
	else if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	json_array_foreach(value, i, item) {
		fputs(separator, out);
		put_value(out, item);
		separator = ",";
	}
}

static void put_word(FILE *out, const struct word *word, const json_t *value)
{
	fputs(word->before, out);
	put_value(out, value);
	fputs(word->after, out);
}

char *monitor_text(enum monitor_kind kind, const json_t *row)
{
	bool is_deleted = json_is_true(json_object_get(row, "deleted")), has_text = is_deleted;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return mem_strdup("");
	if (is_deleted)
		fputs("Deleted", out);
	for (const struct word *word = kind_words[kind]; word->before != NULL; word++) {
		const json_t *value = json_object_get(row, word->key);

		if (value == NULL || (json_is_array(value) && json_array_size(value) == 0))
			continue;
		if (has_text && !word->is_glued)
			fputc(' ', out);
		put_word(out, word, value);
		has_text = true;
	}
	fclose(out);
	return text;
}
