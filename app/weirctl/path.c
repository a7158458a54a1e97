/* SPDX-License-Identifier: BSD-3-Clause */

/* See path.h. Pure functions. */
#include "path.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text.h"

char *scalar_text(const json_t *json)
{
	char *text, *safe;

	if (json_is_string(json))
		return text_safe(json_string_value(json), false);
	if (json == NULL || json_is_null(json))
		return mem_strdup("-");
	text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	safe = text_safe(text != NULL ? text : "-", false);
	free(text);
	return safe;
}

/* Adds text to a list joined by commas. Steals text; NULL stands for an empty list or nothing. */
static char *joined(char *list, char *text)
{
	char *longer;

	if (list == NULL || text == NULL)
		return list == NULL ? text : list;
	longer = mem_printf("%s,%s", list, text);
	free(list);
	free(text);
	return longer;
}

/* The members that "A/B" names, as one text with the slash; NULL: one is missing. */
static char *pair_text(const json_t *json, const char *key, size_t slash)
{
	char *name = mem_printf("%.*s", (int)slash, key);
	char *left = path_text(json_object_get(json, name), "");
	char *right = path_text(json_object_get(json, key + slash + 1), "");
	char *text = left == NULL || right == NULL ? NULL : mem_printf("%s/%s", left, right);

	free(name);
	free(left);
	free(right);
	return text;
}

char *path_text(const json_t *json, const char *path)
{
	char *text = NULL, *key;
	size_t len, slash, i;
	json_t *item;

	if (json_is_array(json)) {
		json_array_foreach(json, i, item)
			text = joined(text, path_text(item, path));
		return text;
	}
	if (path[0] == '\0')
		return json == NULL || json_is_null(json) ? NULL : scalar_text(json);
	len = strcspn(path, ".");
	slash = strcspn(path, "/");
	if (path[slash] == '/' && path[len] == '\0')
		return pair_text(json, path, slash);
	key = mem_printf("%.*s", (int)len, path);
	text = path_text(json_object_get(json, key), path + len + (path[len] == '.'));
	free(key);
	return text;
}
