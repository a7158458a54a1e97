/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Completion in bash: the script, and the hidden call that it makes for each TAB. */
#include "weirctl.h"

/* `completion bash`: prints the script. Needs no daemon. */
enum exit_code bash_print(struct session *session, char *const *words, int n);
/*
 * `--complete WORDS...`: prints what the last word may be, one a line; words are those behind
 * "weirctl", options included. Without a daemon: nothing. Never an error.
 */
enum exit_code bash_complete(struct session *session, char **words, int n);
