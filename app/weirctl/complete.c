/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See complete.h. Which words are complete and what they leave open is said by grammar.c and args.c,
 * the same that read the finished line. Names are asked for when they are wanted; a daemon that does
 * not answer within the session's time-out gives none.
 */
#include "complete.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "base/mem.h"
#include "grammar.h"
#include "local.h"
#include "options.h"
#include "path.h"
#include "session.h"
#include "text.h"

/* What is being collected. */
struct collect {
	struct session *session;
	const char *partial;
	struct candidates *out;
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

/* Neither quotes nor escapes are needed to write it, nor may it harm a terminal. */
static bool word_is_plain(const char *word)
{
	char *safe = text_safe(word, false);
	bool is_plain = word[0] != '\0' && strcmp(safe, word) == 0 &&
			strpbrk(word, " '\"\\#$`&;|<>()*?[]{}!~") == NULL;

	free(safe);
	return is_plain;
}

static bool has_word(const struct candidates *out, const char *word)
{
	return json_object_get(out->seen, word) != NULL;
}

/* word NULL: a hint. Text is made safe here. */
static void add(
	const struct collect *collect, const char *word, const char *usage, const char *help)
{
	struct candidates *out = collect->out;

	if (word != NULL && (strncmp(word, collect->partial, strlen(collect->partial)) != 0 ||
				    !word_is_plain(word) || has_word(out, word)))
		return;
	if (out->seen == NULL)
		out->seen = json_object();
	if (word != NULL)
		json_object_set_new(out->seen, word, json_true());
	/* In steps of 64, so that reallocation stays cheap without another counter. */
	if (out->n % 64 == 0)
		out->items = mem_realloc(out->items, out->n + 64, sizeof(*out->items));
	out->items[out->n++] = (struct candidate){
		.word = word != NULL ? mem_strdup(word) : NULL,
		.usage = text_safe(usage, false),
		.help = text_safe(help, false),
	};
}

void complete_add(struct candidates *out, const char *partial, const char *word, const char *help)
{
	const struct collect collect = { .partial = partial, .out = out };

	add(&collect, word, word, help);
}

/* Values */

/* Each of the texts that stand at path in a row. */
static void add_at_path(const struct collect *collect, const json_t *row, const char *path)
{
	char *text = path_text(row, path), *save = NULL;

	for (char *t = text != NULL ? strtok_r(text, ",", &save) : NULL; t != NULL;
		t = strtok_r(NULL, ",", &save))
		add(collect, t, t, "");
	free(text);
}

/* source: "METHOD:PATH". */
static void add_from_method(const struct collect *collect, const char *source)
{
	const char *colon = strchr(source, ':');
	char *method;
	json_t *rows, *row;
	size_t i;

	if (colon == NULL || session_open(collect->session) != EXIT_DONE)
		return;
	method = mem_printf("%.*s", (int)(colon - source), source);
	rows = session_call(collect->session, method, NULL);
	json_array_foreach(rows, i, row)
		add_at_path(collect, row, colon + 1);
	json_decref(rows);
	free(method);
}

static void add_files(const struct collect *collect)
{
	char *pattern;
	glob_t found;

	if (collect->partial[0] != '\0' && !word_is_plain(collect->partial))
		return;
	pattern = mem_printf("%s*", collect->partial);
	if (glob(pattern, GLOB_MARK, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			add(collect, found.gl_pathv[i], found.gl_pathv[i], "");
		globfree(&found);
	}
	free(pattern);
}

static void add_enum(const struct collect *collect, const json_t *field)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(field, "enum"), i, item)
		add(collect, args_enum_word(item), args_enum_word(item), text_of(item, "help"));
}

static void add_values(const struct collect *collect, const json_t *field)
{
	const char *source = json_string_value(json_object_get(field, "complete"));

	if (source != NULL)
		add_from_method(collect, source);
	if (args_is_type(field, "enum"))
		add_enum(collect, field);
	if (json_is_true(json_object_get(field, "file")))
		add_files(collect);
}

static void add_hint(const struct collect *collect, const json_t *field)
{
	bool is_required = json_is_true(json_object_get(field, "required"));
	char *usage = args_usage(field);
	char *help = mem_printf("%s%s", text_of(field, "help"), is_required ? " (required)" : "");

	add(collect, NULL, usage, help);
	free(usage);
	free(help);
}

/* Arguments */

/* The names that are open among fields, and the bare words of enumerations. */
static void add_names(const struct collect *collect, const json_t *fields, const json_t *out)
{
	json_t *field;
	size_t i;

	json_array_foreach(fields, i, field) {
		const char *name = text_of(field, "name");
		char *usage;

		if (!args_is_open(field, out) || args_is_type(field, "pending"))
			continue;
		if (args_is_bare(field))
			add_enum(collect, field);
		usage = args_usage(field);
		if (!args_is_bare(field) || collect->partial[0] != '\0')
			add(collect, name, usage, text_of(field, "help"));
		free(usage);
	}
}

static void add_args(
	const struct collect *collect, const json_t *command, char *const *words, int n)
{
	const json_t *fields = json_object_get(command, "args"), *positional;
	struct args_next next;

	if (args_next(fields, words, n, &next) == 0) {
		positional = args_next_positional(fields, next.out);
		if (next.value_of != NULL) {
			add_values(collect, next.value_of);
			add_hint(collect, next.value_of);
		} else {
			if (positional != NULL)
				add_values(collect, positional);
			add_names(collect, next.inner, next.inner_out);
			add_names(collect, fields, next.out);
		}
	}
	json_decref(next.out);
}

/* Objects and verbs */

static bool row_is_for_people(const json_t *row)
{
	return json_is_true(json_object_get(row, "available")) &&
	       strcmp(text_of(row, "object"), "rpc") != 0;
}

/* The verbs of an object, as help for it. */
static char *verbs_text(const json_t *list, const char *object)
{
	char *text = mem_strdup("");
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		char *longer;

		if (strcmp(text_of(row, "object"), object) != 0 || !row_is_for_people(row))
			continue;
		longer = mem_printf(
			"%s%s%s", text, text[0] != '\0' ? ", " : "", text_of(row, "verb"));
		free(text);
		text = longer;
	}
	return text;
}

static void add_objects(const struct collect *collect)
{
	const json_t *list = collect->session->list;
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		const char *object = text_of(row, "object");
		char *verbs;

		if (!row_is_for_people(row) || has_word(collect->out, object))
			continue;
		verbs = verbs_text(list, object);
		add(collect, object, object, verbs);
		free(verbs);
	}
	add(collect, "help", "help [OBJECT [VERB]]",
		"all commands, or these, with their arguments");
}

static void add_verbs(const struct collect *collect, const char *object)
{
	json_t *row;
	size_t i;

	json_array_foreach(collect->session->list, i, row)
		if (strcmp(text_of(row, "object"), object) == 0 && row_is_for_people(row))
			add(collect, text_of(row, "verb"), text_of(row, "verb"),
				text_of(row, "help"));
}

static void add_locals(const struct collect *collect)
{
	for (const struct local *local = locals; local->word != NULL; local++)
		add(collect, local->word, local->word, local->help);
}

void complete_words(struct session *session, char *const *words, int n, const char *partial,
	struct candidates *out)
{
	const struct collect collect = { .session = session, .partial = partial, .out = out };
	const struct local *local = n > 0 ? local_find(words[0]) : NULL;
	bool is_help = n > 0 && strcmp(words[0], "help") == 0;
	const json_t *command = NULL;
	const char *object;
	int n_used;

	if (local != NULL && n == 1 && local->argument != NULL)
		add(&collect, local->argument, local->argument, "");
	if (n == 0 || (is_help && n == 1))
		add_objects(&collect);
	if (n == 0)
		add_locals(&collect);
	if (local != NULL || n <= is_help)
		return;
	object = grammar_object(session->list, words[is_help]);
	if (object == NULL)
		return;
	if (n == 1 + is_help)
		add_verbs(&collect, object);
	if (!is_help)
		command = grammar_command(session->list, object, words + 1, n - 1, &n_used);
	if (command != NULL)
		add_args(&collect, command, words + 1 + n_used, n - 1 - n_used);
}

/* Options */

void complete_option(const char *partial, struct candidates *out)
{
	const struct collect collect = { .partial = partial, .out = out };

	for (const struct option_row *row = option_rows; row->letter != '\0'; row++) {
		const char word[] = { '-', row->letter, '\0' };

		add(&collect, word, word, row->help);
	}
}

void complete_option_value(
	struct session *session, char option, const char *partial, struct candidates *out)
{
	const struct collect collect = { .session = session, .partial = partial, .out = out };

	if (option == 'n')
		add_from_method(&collect, "netns.list:name");
	else if (option == 'S' || option == 'b')
		add_files(&collect);
}

/* What was found */

size_t candidates_common(const struct candidates *found)
{
	const char *first = NULL;
	size_t len = 0;

	for (size_t i = 0; i < found->n; i++) {
		const char *word = found->items[i].word;
		size_t k = 0;

		if (word == NULL)
			continue;
		if (first == NULL) {
			first = word;
			len = strlen(word);
		}
		while (k < len && word[k] == first[k])
			k++;
		len = k;
	}
	return len;
}

void candidates_fini(struct candidates *found)
{
	for (size_t i = 0; i < found->n; i++) {
		free(found->items[i].word);
		free(found->items[i].usage);
		free(found->items[i].help);
	}
	free(found->items);
	json_decref(found->seen);
	*found = (struct candidates){ .n = 0 };
}
