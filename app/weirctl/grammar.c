/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * OBJECT and VERB: finding the row of rpc.list that is meant. Without a verb `show` is meant, else
 * `list`, else the only one there is; an object with a single verb also takes its arguments
 * directly (`explain iif lan ...`). `list` is accepted for `show`, as ip(8) does. Methods of the
 * protocol itself (rpc.*) are never meant by a prefix. Pure functions of the list and the words.
 */
#include "grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "base/mem.h"
#include "local.h"
#include "text.h"

static const char *row_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

/* The words to choose from, in the order of the list, each once. */
struct choice {
	const char **words;
	unsigned int n;
};

static void choice_add(struct choice *choice, const char *word)
{
	for (unsigned int i = 0; i < choice->n; i++)
		if (strcmp(choice->words[i], word) == 0)
			return;
	choice->words = mem_realloc(choice->words, choice->n + 1, sizeof(*choice->words));
	choice->words[choice->n++] = word;
}

/* The objects (object NULL) or the verbs of one. */
static struct choice choice_of(const json_t *list, const char *object)
{
	struct choice choice = { .n = 0 };
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		if (object == NULL)
			choice_add(&choice, row_text(row, "object"));
		else if (strcmp(row_text(row, "object"), object) == 0)
			choice_add(&choice, row_text(row, "verb"));
	}
	return choice;
}

static bool choice_has(const struct choice *choice, const char *word)
{
	for (unsigned int i = 0; i < choice->n; i++)
		if (strcmp(choice->words[i], word) == 0)
			return true;
	return false;
}

/* Exact wins, else the only one that begins with word. NULL: none, or several (*n_found > 1). */
static const char *choice_find(const struct choice *choice, const char *word, unsigned int *n_found)
{
	const char *found = NULL;

	*n_found = 0;
	for (unsigned int i = 0; i < choice->n; i++) {
		const char *candidate = choice->words[i];

		if (strcmp(candidate, word) == 0) {
			*n_found = 1;
			return candidate;
		}
		if (strncmp(candidate, word, strlen(word)) != 0 || strcmp(candidate, "rpc") == 0)
			continue;
		found = candidate;
		++*n_found;
	}
	return *n_found == 1 ? found : NULL;
}

/* "unknown object 'x'; there are a, b, c". Of an ambiguous word only those it may mean. */
static char *choice_refusal(
	const struct choice *choice, const char *what, const char *word, unsigned int n_found)
{
	const char *separator = " ";
	char *text;

	if (word[0] == '\0')
		text = mem_printf("a %s is missing; there are", what);
	else if (n_found > 1)
		text = mem_printf("ambiguous %s '%s'; it may mean", what, word);
	else
		text = mem_printf("unknown %s '%s'; there are", what, word);

	for (unsigned int i = 0; i < choice->n; i++) {
		char *longer;

		if (n_found > 1 && strncmp(choice->words[i], word, strlen(word)) != 0)
			continue;
		longer = mem_printf("%s%s%s", text, separator, choice->words[i]);
		free(text);
		text = longer;
		separator = ", ";
	}
	return text;
}

static const char *default_verb(const struct choice *verbs)
{
	if (choice_has(verbs, "show"))
		return "show";
	if (choice_has(verbs, "list"))
		return "list";
	return verbs->n == 1 ? verbs->words[0] : NULL;
}

static bool is_list_word(const char *word)
{
	return strcmp(word, "list") == 0 || strcmp(word, "lst") == 0 || strcmp(word, "ls") == 0;
}

/* The verb that words[0] means (n > 0) or that is meant without it; *n_used words are its own. */
static const char *verb_find(
	const struct choice *verbs, char *const *words, int n, int *n_used, char **why)
{
	const char *verb = default_verb(verbs);
	unsigned int n_found = 0;

	*n_used = 0;
	if (n == 0) {
		if (verb == NULL)
			*why = choice_refusal(verbs, "verb", "", 0);
		return verb;
	}
	if (choice_find(verbs, words[0], &n_found) != NULL) {
		*n_used = 1;
		return choice_find(verbs, words[0], &n_found);
	}
	if (is_list_word(words[0]) && verb != NULL && verbs->n > 1) {
		*n_used = 1;
		return verb;
	}
	if (verbs->n == 1)
		return verb;
	*why = choice_refusal(verbs, "verb", words[0], n_found);
	return NULL;
}

static const json_t *row_find(const json_t *list, const char *object, const char *verb)
{
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
		if (strcmp(row_text(row, "object"), object) == 0 &&
			strcmp(row_text(row, "verb"), verb) == 0)
			return row;
	return NULL;
}

const char *grammar_object(const json_t *list, const char *word)
{
	struct choice objects = choice_of(list, NULL);
	unsigned int n_found;
	const char *object = choice_find(&objects, word, &n_found);

	free(objects.words);
	return object;
}

const json_t *grammar_command(
	const json_t *list, const char *object, char *const *words, int n, int *n_used)
{
	struct choice verbs = choice_of(list, object);
	const char *verb = NULL;
	char *why = NULL;

	*n_used = 0;
	if (n > 0 || verbs.n == 1)
		verb = verb_find(&verbs, words, n, n_used, &why);
	free(why);
	free(verbs.words);
	return verb != NULL ? row_find(list, object, verb) : NULL;
}

static bool has_flag(const json_t *fields, const char *name)
{
	const json_t *field = args_field(fields, name);

	return field != NULL && args_is_type(field, "bool");
}

/* -s, -n and the want of text for people become the arguments of these names. */
static int params_add_options(
	const struct session *session, const json_t *fields, json_t *params, char **why)
{
	const struct options *options = &session->options;

	if (options->has_statistics && has_flag(fields, "statistics"))
		json_object_set_new(params, "statistics", json_true());
	if (!options->is_json && has_flag(fields, "text"))
		json_object_set_new(params, "text", json_true());
	if (options->netns == NULL || json_object_get(params, "netns") != NULL)
		return 0;
	if (args_field(fields, "netns") == NULL && strcmp(options->netns, "default") == 0)
		return 0;
	if (args_field(fields, "netns") == NULL) {
		*why = mem_strdup("it has no namespaces (-n)");
		return -1;
	}
	if (json_object_set_new(params, "netns", json_string(options->netns)) == 0)
		return 0;
	*why = mem_strdup("the namespace's name is not UTF-8 text");
	return -1;
}

static int wish_fill(const struct session *session, const json_t *row, char *const *words, int n,
	struct wish *wish, char **why)
{
	const char *object = row_text(row, "object"), *verb = row_text(row, "verb");
	const json_t *fields = json_object_get(row, "args");
	char *reason = NULL;

	wish->params = json_object();
	/* What weir does not have yet has no arguments described either: let the daemon say so. */
	if (json_is_false(json_object_get(row, "available")))
		n = 0;
	if (args_parse(fields, words, n, wish->params, &reason) < 0 ||
		params_add_options(session, fields, wish->params, &reason) < 0) {
		*why = mem_printf("%s %s: %s", object, verb, reason);
		free(reason);
		wish_fini(wish);
		return -1;
	}
	wish->command = row;
	wish->method = mem_printf("%s.%s", object, verb);
	return 0;
}

static int parse_verb(const struct session *session, const char *object, char *const *words, int n,
	struct wish *wish, char **why)
{
	struct choice verbs = choice_of(session->list, object);
	const char *verb;
	int n_used, err = -1;

	if (n > 0 && strcmp(words[0], "help") == 0 && !choice_has(&verbs, "help")) {
		grammar_help(session->list, object, n > 1 ? words[1] : NULL);
		err = 0;
	} else {
		verb = verb_find(&verbs, words, n, &n_used, why);
		if (verb != NULL)
			err = wish_fill(session, row_find(session->list, object, verb),
				words + n_used, n - n_used, wish, why);
	}
	free(verbs.words);
	return err;
}

json_t *grammar_index(const json_t *list)
{
	json_t *rows = json_object(), *row;
	size_t i;

	json_array_foreach(list, i, row) {
		char *words = mem_printf("%s %s", row_text(row, "object"), row_text(row, "verb"));

		json_object_set(rows, words, row);
		free(words);
	}
	return rows;
}

/* Both words written out, as they are in scripts: a batch need not ask what else they might mean. */
static const json_t *row_exact(const struct session *session, char *const *words)
{
	char *key = mem_printf("%s %s", words[0], words[1]);
	const json_t *row = json_object_get(session->rows, key);

	free(key);
	return row;
}

int grammar_parse(
	const struct session *session, char *const *words, int n, struct wish *wish, char **why)
{
	const json_t *row = n > 1 ? row_exact(session, words) : NULL;
	struct choice objects;
	unsigned int n_found;
	const char *object;
	int err = -1;

	*wish = (struct wish){ .command = NULL };
	*why = NULL;
	if (row != NULL)
		return wish_fill(session, row, words + 2, n - 2, wish, why);
	objects = choice_of(session->list, NULL);
	object = choice_find(&objects, words[0], &n_found);
	if (object != NULL) {
		err = parse_verb(session, object, words + 1, n - 1, wish, why);
	} else if (strcmp(words[0], "help") == 0) {
		grammar_help(session->list, n > 1 ? words[1] : NULL, n > 2 ? words[2] : NULL);
		err = 0;
	} else {
		*why = choice_refusal(&objects, "object", words[0], n_found);
	}
	free(objects.words);
	return err;
}

void wish_fini(struct wish *wish)
{
	free(wish->method);
	json_decref(wish->params);
	*wish = (struct wish){ .command = NULL };
}

/* Help */

/* One line of help: what to write, padded, and what it means. Steals usage. */
static void help_line(int width, char *usage, const json_t *row, const char *note)
{
	char *text = mem_printf("%-*s %s%s", width, usage, row_text(row, "help"), note);

	text_put_line(stdout, text);
	free(text);
	free(usage);
}

static void help_args(const json_t *fields)
{
	json_t *field;
	size_t i;

	json_array_foreach(fields, i, field) {
		bool is_required = json_is_true(json_object_get(field, "required"));
		char *usage = args_usage(field);

		help_line(36, mem_printf("    %s", usage), field, is_required ? " (required)" : "");
		free(usage);
	}
}

void grammar_help(const json_t *list, const char *object, const char *verb)
{
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row) {
		const char *row_object = row_text(row, "object"), *row_verb = row_text(row, "verb");
		bool is_available = json_is_true(json_object_get(row, "available"));

		if (object != NULL && strncmp(row_object, object, strlen(object)) != 0)
			continue;
		if (verb != NULL && strncmp(row_verb, verb, strlen(verb)) != 0)
			continue;
		help_line(24, mem_printf("%s %s", row_object, row_verb), row,
			is_available ? "" : " (not yet in weir)");
		if (object != NULL)
			help_args(json_object_get(row, "args"));
	}
	for (const struct local *local = locals; local->word != NULL && verb == NULL; local++) {
		char *line;

		if (object != NULL && strncmp(local->word, object, strlen(object)) != 0)
			continue;
		line = mem_printf("%-24s %s", local->word, local->help);
		text_put_line(stdout, line);
		free(line);
	}
}
