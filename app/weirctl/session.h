/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The connection with what the daemon says it can do, and one command over it. */
#include "weirctl.h"

/* Connects unless it is connected, and asks for the list; says why it cannot. */
enum exit_code session_open(struct session *session);
/* The list stays: what words mean is known without a daemon. */
void session_close(struct session *session);
void session_fini(struct session *session);
/* The result of a method, or NULL for any kind of failure, without a word. New reference. */
json_t *session_call(struct session *session, const char *method, json_t *params);
/* Does what words ask for, and prints what comes of it. */
enum exit_code session_run(struct session *session, char *const *words, int n);
