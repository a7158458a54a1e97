/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Completion in bash. The script knows nothing but how to ask: at each TAB it hands the words up to
 * the cursor to `weirctl --complete`, which asks the daemon. bash itself splits words at colons, so
 * the script splits the line anew and takes from each answer what bash holds for earlier words.
 */
#include "bash.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "complete.h"
#include "options.h"
#include "session.h"

static const char script[] =
	"# Completion of weirctl for bash, printed by `weirctl completion bash`.\n"
	"_weirctl() {\n"
	"	local line=${COMP_LINE:0:COMP_POINT} cur words\n"
	"	read -ra words <<<\"$line\"\n"
	"	[[ $line == *[[:space:]] ]] && words+=('')\n"
	"	cur=${words[-1]}\n"
	"	mapfile -t COMPREPLY < <(\"${words[0]}\" --complete \"${words[@]:1}\" "
	"2>/dev/null)\n"
	"	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n"
	"		COMPREPLY=(\"${COMPREPLY[@]#\"${cur%\"${cur##*:}\"}\"}\")\n"
	"	fi\n"
	"	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then\n"
	"		compopt -o nospace 2>/dev/null\n"
	"	fi\n"
	"	return 0\n"
	"}\n"
	"complete -F _weirctl weirctl\n";

enum exit_code bash_print(struct session *session, char *const *words, int n)
{
	if (n != 2 || strcmp(words[1], "bash") != 0) {
		print_error(NULL, "completion: for which shell? there is: bash");
		return EXIT_USAGE;
	}
	fputs(script, stdout);
	return EXIT_DONE;
}

enum exit_code bash_complete(struct session *session, char **words, int n)
{
	struct candidates found = { .n = 0 };
	char option;
	int n_used;

	/* Nothing may appear between the user's words. */
	if (n == 0 || freopen("/dev/null", "w", stderr) == NULL)
		return EXIT_DONE;
	session->conn.timeout_ms = COMPLETE_WAIT_MS;
	option = options_skip(&session->options, words, n - 1, &n_used);
	if (option == '\0' && n_used == n - 1 && words[n - 1][0] == '-')
		complete_option(words[n - 1], &found);
	else if (option != '\0')
		complete_option_value(session, option, words[n - 1], &found);
	else if (session_open(session) == EXIT_DONE)
		complete_words(session, words + n_used, n - 1 - n_used, words[n - 1], &found);
	for (size_t i = 0; i < found.n; i++)
		if (found.items[i].word != NULL)
			puts(found.items[i].word);
	candidates_fini(&found);
	return EXIT_DONE;
}
