/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What can come next on a line, for the shell's TAB and `?` and for bash. All of it comes from
 * rpc.list: objects, verbs, arguments, words of enumerations, and for names the show command that
 * a field says it is completed from ("complete": "link.show:ifname").
 */
#include "weirctl.h"

enum { COMPLETE_WAIT_MS = 1000 }; /* longer nobody waits for names: then there are none */

struct candidate {
	char *word;  /* what would be written; NULL: only a hint of what is wanted */
	char *usage; /* how it is written, for people */
	char *help;
};

struct candidates {
	struct candidate *items;
	size_t n;
	json_t *seen; /* the words, as keys: each is there once */
};

/* What may stand behind n words in place of `partial`. Words that would need quotes are left out. */
void complete_words(struct session *session, char *const *words, int n, const char *partial,
	struct candidates *out);
/* weirctl's own options, and what may follow one of them. */
void complete_option(const char *partial, struct candidates *out);
void complete_option_value(
	struct session *session, char option, const char *partial, struct candidates *out);
/* Adds a word of the client's own if it begins with partial. */
void complete_add(struct candidates *out, const char *partial, const char *word, const char *help);
/* How many bytes all words have in common; 0: there are no words. */
size_t candidates_common(const struct candidates *found);
void candidates_fini(struct candidates *found);
