/* SPDX-License-Identifier: BSD-3-Clause */

/* See local.h. */
#include "local.h"

#include <string.h>

#include "bash.h"
#include "top.h"

const struct local *local_find(const char *word)
{
	for (const struct local *local = locals; local->word != NULL; local++)
		if (strcmp(local->word, word) == 0)
			return local;
	return NULL;
}

const struct local locals[] = {
	{ .word = "top",
		.help = "a live view: rates of links, workers, drops and stages",
		.run = top_run },
	{ .word = "completion",
		.help = "prints the completion of weirctl for a shell",
		.argument = "bash",
		.run = bash_print },
	{ .word = NULL },
};
