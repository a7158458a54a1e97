/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The shell's history, kept in weirctl/history under $XDG_STATE_HOME (~/.local/state), readable by
 * its owner only. Without such a place it is forgotten at the end.
 */
#include <histedit.h>

struct shell_history {
	History *lines;
	char *path; /* NULL: not kept */
};

void history_open(struct shell_history *kept);
/* Adds a line and writes the file, so that a shell that is killed forgets nothing. */
void history_add(struct shell_history *kept, const char *line);
void history_close(struct shell_history *kept);
