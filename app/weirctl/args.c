/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Arguments by their description: `NAME VALUE`, a bare NAME for a flag or NAME on|off, the bare word of
 * an enumeration, positional values in the order of the table, `NAME FIELD VALUE ...` for an item of
 * a list of objects (`NAME VALUE,...` where a text stands for one), and all remaining words for a field of type rest. Values go to the daemon as
 * the strings they are; it alone knows what they mean.
 *
 * A word is, in this order: an exact name; the word of an enumeration; the beginning of a rest; the
 * only name or word that it is a prefix of; the value of the next positional field. One letter is
 * no prefix while a positional field is open: `link set a up` means the link a, not its address.
 */
#include "args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct words {
	char *const *word;
	int n, next;
	/* Where they end: */
	const json_t *waiting; /* this field's name was the last word */
	const json_t *inner;   /* or within an object of these fields */
	json_t *inner_out;
	bool is_over; /* or in a rest, which has no end */
};

/* What a word was recognised as. */
struct match {
	const json_t *field;
	const char *value;  /* an enumeration's bare word, already the value; NULL: keyword */
	bool is_positional; /* the word itself is the value */
};

static const char *field_name(const json_t *field)
{
	return json_string_value(json_object_get(field, "name"));
}

static bool field_is(const json_t *field, const char *flag)
{
	return json_is_true(json_object_get(field, flag));
}

bool args_is_type(const json_t *field, const char *type)
{
	const char *name = json_string_value(json_object_get(field, "type"));

	return name != NULL && strcmp(name, type) == 0;
}

bool args_is_bare(const json_t *field)
{
	return args_is_type(field, "enum") && !field_is(field, "named");
}

static bool field_has_items(const json_t *field)
{
	return args_is_type(field, "list") && json_array_size(json_object_get(field, "fields")) > 0;
}

bool args_is_open(const json_t *field, const json_t *out)
{
	return args_is_type(field, "list") || json_object_get(out, field_name(field)) == NULL;
}

const json_t *args_field(const json_t *fields, const char *name)
{
	size_t i;
	json_t *field;

	json_array_foreach(fields, i, field)
		if (strcmp(field_name(field), name) == 0)
			return field;
	return NULL;
}

const char *args_enum_word(const json_t *item)
{
	return json_string_value(json_is_object(item) ? json_object_get(item, "name") : item);
}

/* Matching */

static bool match_exact(const json_t *fields, const char *word, struct match *match)
{
	json_t *field, *item;
	size_t i, k;

	match->field = args_field(fields, word);
	if (match->field != NULL)
		return true;
	json_array_foreach(fields, i, field) {
		if (!args_is_bare(field))
			continue;
		json_array_foreach(json_object_get(field, "enum"), k, item) {
			if (strcmp(args_enum_word(item), word) == 0) {
				*match = (struct match){ .field = field,
					.value = args_enum_word(item) };
				return true;
			}
		}
	}
	return false;
}

/* How many open names and bare words begin with word; the last of them is in *match. */
static unsigned int match_prefix(
	const json_t *fields, const json_t *out, const char *word, struct match *match)
{
	size_t len = strlen(word), i, k;
	unsigned int n = 0;
	json_t *field, *item;

	json_array_foreach(fields, i, field) {
		if (!args_is_open(field, out))
			continue;
		if (strncmp(field_name(field), word, len) == 0) {
			*match = (struct match){ .field = field };
			n++;
		}
		if (!args_is_bare(field))
			continue;
		json_array_foreach(json_object_get(field, "enum"), k, item) {
			if (strncmp(args_enum_word(item), word, len) == 0) {
				*match = (struct match){ .field = field,
					.value = args_enum_word(item) };
				n++;
			}
		}
	}
	return n;
}

const json_t *args_next_positional(const json_t *fields, const json_t *out)
{
	json_t *field;
	size_t i;

	json_array_foreach(fields, i, field)
		if (field_is(field, "positional") &&
			json_object_get(out, field_name(field)) == NULL)
			return field;
	return NULL;
}

/* `-c 5` and `--count 5` are `count 5`. */
static const char *without_dashes(const char *word)
{
	const char *name = word + strspn(word, "-");

	return name > word && name - word <= 2 && isalpha((unsigned char)name[0]) ? name : word;
}

static char *unknown_word(const json_t *fields, const char *word, unsigned int n_prefixes)
{
	char *text = mem_printf("%s argument '%s'", n_prefixes > 1 ? "ambiguous" : "unknown", word);
	const char *separator = "; it takes ";
	json_t *field;
	size_t i;

	if (json_array_size(fields) == 0) {
		free(text);
		return mem_printf("unknown argument '%s'; it takes none", word);
	}
	json_array_foreach(fields, i, field) {
		char *usage = args_usage(field), *longer;

		longer = mem_printf("%s%s%s", text, separator, usage);
		free(usage);
		free(text);
		text = longer;
		separator = ", ";
	}
	return text;
}

/* 1: *match is what the word means. 0: nothing here; *why says so. */
static int match_word(
	const json_t *fields, const json_t *out, const char *word, struct match *match, char **why)
{
	const json_t *open = args_next_positional(fields, out);
	const char *name = without_dashes(word);
	unsigned int n = 0;

	*match = (struct match){ .field = NULL };
	if (match_exact(fields, name, match))
		return 1;
	if (open == NULL || name != word || (!args_is_type(open, "rest") && strlen(word) > 1))
		n = match_prefix(fields, out, name, match);
	if (n == 1)
		return 1;
	if (open == NULL || name != word) {
		*why = unknown_word(fields, word, n);
		return 0;
	}
	*match = (struct match){ .field = open, .is_positional = true };
	return 1;
}

/* Values */

static int set_string(json_t *out, const json_t *field, const char *text, char **why)
{
	if (json_object_set_new(out, field_name(field), json_string(text)) == 0)
		return 0;
	*why = mem_printf("the value of '%s' is not UTF-8 text", field_name(field));
	return -1;
}

static json_t *list_of(json_t *out, const json_t *field)
{
	json_t *list = json_object_get(out, field_name(field));

	if (list == NULL) {
		list = json_array();
		json_object_set_new(out, field_name(field), list);
	}
	return list;
}

static int set_list(json_t *out, const json_t *field, const char *text, char **why)
{
	json_t *list = list_of(out, field);

	for (;;) {
		size_t len = strcspn(text, ",");

		if (json_array_append_new(list, json_stringn(text, len)) < 0) {
			*why = mem_printf("the value of '%s' is not UTF-8 text", field_name(field));
			return -1;
		}
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

/* `NAME`, or as in ip(8) `NAME on` and `NAME off`. */
static int set_bool(json_t *out, const json_t *field, struct words *words)
{
	static const char *const texts[] = { "off", "on", "false", "true" };
	bool value = true;

	for (unsigned int i = 0; i < 4 && words->next < words->n; i++) {
		if (strcmp(words->word[words->next], texts[i]) != 0)
			continue;
		words->next++;
		value = i & 1;
		break;
	}
	return json_object_set_new(out, field_name(field), json_boolean(value));
}

static int set_rest(json_t *out, const json_t *field, struct words *words, char **why)
{
	char *text = mem_strdup("");
	int err;

	words->is_over = true;
	while (words->next < words->n) {
		char *longer = mem_printf(
			"%s%s%s", text, text[0] != '\0' ? " " : "", words->word[words->next++]);

		free(text);
		text = longer;
	}
	err = set_string(out, field, text, why);
	free(text);
	return err;
}

/* The daemon stands in another directory. */
static int set_file(json_t *out, const json_t *field, const char *name, char **why)
{
	char *here = name[0] == '/' ? NULL : getcwd(NULL, 0);
	char *path = here == NULL ? mem_strdup(name) : mem_printf("%s/%s", here, name);
	int err = set_string(out, field, path, why);

	free(here);
	free(path);
	return err;
}

static int set_value(json_t *out, const json_t *field, struct words *words, char **why)
{
	const char *word;

	if (args_is_type(field, "rest"))
		return set_rest(out, field, words, why);
	if (words->next == words->n) {
		words->waiting = field;
		*why = mem_printf("'%s' needs a value", field_name(field));
		return -1;
	}
	word = words->word[words->next++];
	if (field_is(field, "file"))
		return set_file(out, field, word, why);
	return args_is_type(field, "list") ? set_list(out, field, word, why)
					   : set_string(out, field, word, why);
}

/* The fields of an object within: exact names only, up to the first word that is none of them. */
static int set_object(json_t *out, const json_t *field, struct words *words, char **why)
{
	const json_t *fields = json_object_get(field, "fields");
	json_t *object = json_object();
	int begin = words->next, err = 0;

	if (field_has_items(field))
		json_array_append_new(list_of(out, field), object);
	else
		json_object_set_new(out, field_name(field), object);
	while (words->next < words->n && err == 0) {
		struct match match = { .field = NULL };

		if (!match_exact(fields, words->word[words->next], &match) ||
			!args_is_open(match.field, object))
			break;
		words->next++;
		if (match.value != NULL)
			err = set_string(object, match.field, match.value, why);
		else if (args_is_type(match.field, "bool"))
			set_bool(object, match.field, words);
		else
			err = set_value(object, match.field, words, why);
	}
	if (words->next == words->n) {
		words->inner = fields;
		words->inner_out = object;
	}
	if (err < 0 || words->next > begin)
		return err;
	*why = mem_printf("'%s' needs what belongs to it: NAME VALUE ...", field_name(field));
	return -1;
}

/* Do texts follow, each of which stands for an object? */
static bool is_short_item(const json_t *field, const struct words *words)
{
	struct match match;

	return field_is(field, "short") && words->next < words->n &&
	       !match_exact(json_object_get(field, "fields"), words->word[words->next], &match);
}

static int set_matched(json_t *out, const struct match *match, struct words *words, char **why)
{
	const json_t *field = match->field;

	if (!args_is_open(field, out)) {
		*why = mem_printf("'%s' is given twice", field_name(field));
		return -1;
	}
	if (args_is_type(field, "pending")) {
		*why = mem_printf("'%s' is in the contract but not yet in weir", field_name(field));
		return -1;
	}
	if (match->value != NULL)
		return set_string(out, field, match->value, why);
	if (match->is_positional)
		return set_value(out, field, words, why);
	if (args_is_type(field, "bool"))
		return set_bool(out, field, words);
	if (is_short_item(field, words))
		return set_list(out, field, words->word[words->next++], why);
	if (field_has_items(field) || args_is_type(field, "group"))
		return set_object(out, field, words, why);
	return set_value(out, field, words, why);
}

static int read_words(const json_t *fields, struct words *words, json_t *out, char **why)
{
	while (words->next < words->n) {
		struct match match;

		if (match_word(fields, out, words->word[words->next], &match, why) == 0)
			return -1;
		words->next += !match.is_positional;
		if (set_matched(out, &match, words, why) < 0)
			return -1;
	}
	return 0;
}

int args_next(const json_t *fields, char *const *word, int n, struct args_next *next)
{
	struct words words = { .word = word, .n = n };
	char *why = NULL;
	int err;

	*next = (struct args_next){ .out = json_object() };
	err = read_words(fields, &words, next->out, &why);
	free(why);
	next->value_of = words.waiting;
	next->inner = words.inner;
	next->inner_out = words.inner_out;
	if (words.is_over || (err < 0 && words.waiting == NULL && words.inner == NULL))
		return -1;
	return 0;
}

int args_parse(const json_t *fields, char *const *word, int n, json_t *out, char **why)
{
	struct words words = { .word = word, .n = n };
	json_t *field;
	size_t i;

	if (read_words(fields, &words, out, why) < 0)
		return -1;
	json_array_foreach(fields, i, field) {
		if (field_is(field, "required") &&
			json_object_get(out, field_name(field)) == NULL) {
			*why = mem_printf("'%s' is missing", field_name(field));
			return -1;
		}
	}
	return 0;
}

/* Help */

static char *enum_usage(const json_t *field)
{
	char *text = mem_strdup("");
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(field, "enum"), i, item) {
		char *longer = mem_printf("%s%s%s", text, i > 0 ? "|" : "", args_enum_word(item));

		free(text);
		text = longer;
	}
	return text;
}

static char *value_usage(const json_t *field)
{
	char *text =
		args_is_type(field, "enum") ? enum_usage(field) : mem_strdup(field_name(field));

	if (!args_is_type(field, "enum"))
		for (char *p = text; *p != '\0'; p++)
			*p = (char)toupper((unsigned char)*p);
	return text;
}

char *args_usage(const json_t *field)
{
	char *value, *text;

	if (args_is_type(field, "bool"))
		return mem_strdup(field_name(field));
	value = value_usage(field);
	if (args_is_bare(field))
		return value;
	text = mem_printf(
		field_is(field, "positional") ? "[%s] %s" : "%s %s", field_name(field), value);
	free(value);
	return text;
}
