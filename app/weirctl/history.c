/* SPDX-License-Identifier: BSD-3-Clause */

/* See history.h. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { HISTORY_LINES = 1000 };

/* The XDG base directory specification: a path that is not absolute counts as none. */
static char *state_dir(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state != NULL && state[0] == '/')
		return mem_printf("%s/weirctl", state);
	return home != NULL && home[0] == '/' ? mem_printf("%s/.local/state/weirctl", home) : NULL;
}

/* With all that are above it. */
static int dir_make(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

void history_open(struct shell_history *kept)
{
	char *dir = state_dir();
	HistEvent event;

	kept->path = NULL;
	kept->lines = history_init();
	history(kept->lines, &event, H_SETSIZE, HISTORY_LINES);
	history(kept->lines, &event, H_SETUNIQUE, 1);
	if (dir != NULL && dir_make(dir) == 0) {
		kept->path = mem_printf("%s/history", dir);
		history(kept->lines, &event, H_LOAD, kept->path);
	}
	free(dir);
}

static void history_save(const struct shell_history *kept)
{
	int fd = open(kept->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	HistEvent event;

	if (out == NULL)
		return;
	history(kept->lines, &event, H_SAVE_FP, out);
	fclose(out);
}

void history_add(struct shell_history *kept, const char *line)
{
	HistEvent event;

	history(kept->lines, &event, H_ENTER, line);
	if (kept->path != NULL)
		history_save(kept);
}

void history_close(struct shell_history *kept)
{
	history_end(kept->lines);
	free(kept->path);
}
