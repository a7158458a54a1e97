/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* From the words behind OBJECT VERB to the parameters of its method. */
#include <jansson.h>
#include <stdbool.h>

/*
 * Reads all words into out (an object) by the fields of a command (`args` of its row in rpc.list).
 * 0, or -1 with *why saying what is wrong.
 */
int args_parse(const json_t *fields, char *const *words, int n, json_t *out, char **why);

/* What may follow words that are complete so far. */
struct args_next {
	const json_t
		*value_of;   /* the value of this field and nothing else; NULL: the name of one */
	const json_t *inner; /* fields of the object within that was begun; NULL: none was */
	json_t *inner_out;   /* what is given of those; borrowed */
	json_t *out;	     /* what is given; the caller's */
};
/* 0, or -1: nothing can follow these words. */
int args_next(const json_t *fields, char *const *words, int n, struct args_next *next);
/* The field whose value may stand without its name now; NULL: none. */
const json_t *args_next_positional(const json_t *fields, const json_t *out);
/* May the field still be written (again)? */
bool args_is_open(const json_t *field, const json_t *out);
/* Is it an enumeration whose words stand alone, without the field's name? */
bool args_is_bare(const json_t *field);
const char *args_enum_word(const json_t *item);

/* The field of that exact name, or NULL. */
const json_t *args_field(const json_t *fields, const char *name);
/* "dev DEV", "up|down", "PREFIX": how a field is written. Caller frees. */
char *args_usage(const json_t *field);
bool args_is_type(const json_t *field, const char *type);
