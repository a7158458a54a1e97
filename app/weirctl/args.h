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
/* The field of that exact name, or NULL. */
const json_t *args_field(const json_t *fields, const char *name);
/* "dev DEV", "up|down", "PREFIX": how a field is written. Caller frees. */
char *args_usage(const json_t *field);
bool args_is_type(const json_t *field, const char *type);
