/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * From words to a request, by nothing but the daemon's rpc.list. Words are matched as ip(8) does:
 * exactly, else by a prefix that fits only one.
 */
#include "weirctl.h"

/* What a line of words asks for. */
struct wish {
	const json_t *command; /* row of the list; NULL: help was printed, nothing is to be sent */
	char *method;
	json_t *params;
};

/* 0, or -1 with *why (heap, one line) saying what is wrong. words: n of them. */
int grammar_parse(
	const struct session *session, char *const *words, int n, struct wish *wish, char **why);
/* The rows of rpc.list by their exact words, for struct session. New reference. */
json_t *grammar_index(const json_t *list);
void wish_fini(struct wish *wish);
/* The object that word means; NULL: none, or several. */
const char *grammar_object(const json_t *list, const char *word);
/*
 * The row of an object's verb that words begin with; *n_used of them are the verb. NULL: none. An
 * object with a single verb does without it.
 */
const json_t *grammar_command(
	const json_t *list, const char *object, char *const *words, int n, int *n_used);
/* All commands, those of one object, or one command with its arguments. */
void grammar_help(const json_t *list, const char *object, const char *verb);
