/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The interactive shell: lines from libedit, TAB and `?` from complete.c, each line done as if it
 * were weirctl's own words, with the options that weirctl was started with.
 *
 * Keys are waited for together with signals and with the end of the connection: ^C gives up the line
 * or what is running (a stream ends with its connection), SIGTERM and SIGHUP end the shell with the
 * terminal in order, and a daemon that goes away is told of at once; the next command connects
 * again. Nothing that the daemon says reaches the terminal but through text_safe().
 */
#include <ctype.h>
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "complete.h"
#include "history.h"
#include "session.h"
#include "signals.h"
#include "text.h"
#include "words.h"

enum { HELP_WIDTH_MAX = 36, HELP_LINES_MAX = 100 };

struct shell {
	struct session *session;
	EditLine *el;
	struct shell_history history;
	bool is_interrupted; /* the line that is being read has been given up */
	bool is_over;
};

static struct shell *shell_of(EditLine *el)
{
	void *shell = NULL;

	el_get(el, EL_CLIENTDATA, &shell);
	return shell;
}

static char *shell_prompt(EditLine *el)
{
	static char prompt[] = "weir> ";

	return prompt;
}

/* Signals */

static void shell_take_signals(struct shell *shell)
{
	int signal;

	while ((signal = signals_take()) != 0) {
		shell->is_interrupted = true;
		shell->is_over = shell->is_over || signal != SIGINT;
	}
}

/* After the terminal has changed its size, or after ^Z and fg. */
static void shell_redraw(EditLine *el)
{
	el_resize(el);
	el_set(el, EL_PREP_TERM, 1);
	el_set(el, EL_REFRESH);
}

static void shell_notice_end(struct shell *shell)
{
	session_close(shell->session);
	putchar('\n');
	print_error(NULL, "the daemon has gone away");
	el_set(shell->el, EL_REFRESH);
}

/* Keys */

/* Waits for a byte of the terminal. 1, 0 at its end, or -1 after a signal. */
static int key_read_byte(struct shell *shell, char *byte)
{
	struct session *session = shell->session;

	for (;;) {
		struct pollfd pfds[] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = session->conn.stop_fd, .events = POLLIN },
			{ .fd = session->conn.fd, .events = POLLIN },
		};

		if (signals_take_redraw())
			shell_redraw(shell->el);
		if (signals_poll(pfds, 3, -1) < 0 && errno != EINTR)
			return -1;
		shell_take_signals(shell);
		if (shell->is_interrupted) {
			errno = EINTR;
			return -1;
		}
		if (session->conn.fd >= 0 && !conn_is_alive(&session->conn))
			shell_notice_end(shell);
		if (pfds[0].revents != 0)
			return (int)read(STDIN_FILENO, byte, 1);
	}
}

/* libedit's way to ask for a character. */
static int key_read(EditLine *el, wchar_t *out)
{
	struct shell *shell = shell_of(el);
	mbstate_t state = { 0 };
	char byte;

	for (;;) {
		int n = key_read_byte(shell, &byte);
		size_t len;

		if (n <= 0)
			return n;
		len = mbrtowc(out, &byte, 1, &state);
		if (len <= 1)
			return 1;
		/* Half a character so far; what is none is as good as nothing. */
		if (len == (size_t)-1)
			state = (mbstate_t){ 0 };
	}
}

/* TAB and ? */

/* The line up to the cursor: complete words, and the one that is being written. */
struct cut {
	char *text;
	char *words[WORDS_MAX];
	int n;
	const char *partial;
	bool is_quoted; /* the cursor is within quotes */
};

static void cut_line(EditLine *el, struct cut *cut)
{
	const LineInfo *info = el_line(el);
	size_t len = (size_t)(info->cursor - info->buffer);
	bool is_new;

	cut->text = mem_printf("%.*s", (int)len, info->buffer);
	is_new = len == 0 || isblank((unsigned char)cut->text[len - 1]);
	cut->n = words_split(cut->text, cut->words);
	cut->is_quoted = cut->n < 0;
	cut->partial = is_new || cut->n <= 0 ? "" : cut->words[--cut->n];
}

static void show_candidates(const struct candidates *found)
{
	size_t width = 0;

	for (size_t i = 0; i < found->n; i++) {
		size_t w = text_width(found->items[i].usage);

		width = w > width ? w : width;
	}
	width = width < HELP_WIDTH_MAX ? width : HELP_WIDTH_MAX;
	putchar('\n');
	for (size_t i = 0; i < found->n && i < HELP_LINES_MAX; i++) {
		const struct candidate *c = &found->items[i];
		size_t w = text_width(c->usage);

		printf("  %s%*s  %s\n", c->usage, (int)(w < width ? width - w : 0), "", c->help);
	}
	if (found->n > HELP_LINES_MAX)
		printf("  and %zu more\n", found->n - HELP_LINES_MAX);
	if (found->n == 0)
		puts("  nothing: Enter runs it, if it is complete");
	fflush(stdout);
}

/* Asks for what may come next; a daemon that is slow to say must not hold up the keys. */
static void shell_find(struct shell *shell, const struct cut *cut, struct candidates *found)
{
	struct session *session = shell->session;
	char *const *words = cut->words;

	*found = (struct candidates){ .n = 0 };
	session->conn.timeout_ms = COMPLETE_WAIT_MS;
	complete_words(session, words, cut->n, cut->partial, found);
	if (cut->n == 0) {
		complete_add(found, cut->partial, "exit", "leaves the shell, as ^D does");
		complete_add(found, cut->partial, "quit", "leaves the shell");
	}
	session->conn.timeout_ms = 0;
}

static unsigned char on_help(EditLine *el, int ch)
{
	struct shell *shell = shell_of(el);
	struct candidates found;
	struct cut cut;

	cut_line(el, &cut);
	if (cut.is_quoted) {
		free(cut.text);
		return el_insertstr(el, "?") == 0 ? CC_REFRESH : CC_ERROR;
	}
	shell_find(shell, &cut, &found);
	show_candidates(&found);
	candidates_fini(&found);
	free(cut.text);
	return CC_REDISPLAY;
}

/* Writes what all candidates have in common, and a blank behind the only one. */
static bool insert_common(EditLine *el, const struct candidates *found, const char *partial)
{
	size_t len = candidates_common(found), n_words = 0;
	const char *word = NULL;
	char *rest;
	bool is_only;

	for (size_t i = 0; i < found->n; i++) {
		if (found->items[i].word == NULL)
			continue;
		word = found->items[i].word;
		n_words++;
	}
	if (word == NULL)
		return false;
	is_only = n_words == 1 && word[len - 1] != '/';
	rest = mem_printf(
		"%.*s%s", (int)(len - strlen(partial)), word + strlen(partial), is_only ? " " : "");
	is_only = rest[0] != '\0' && el_insertstr(el, rest) == 0;
	free(rest);
	return is_only;
}

static unsigned char on_tab(EditLine *el, int ch)
{
	struct candidates found;
	unsigned char then = CC_REDISPLAY;
	struct cut cut;

	cut_line(el, &cut);
	if (cut.is_quoted) {
		free(cut.text);
		return CC_ERROR;
	}
	shell_find(shell_of(el), &cut, &found);
	if (insert_common(el, &found, cut.partial))
		then = CC_REFRESH;
	else if (found.n == 0)
		then = CC_ERROR;
	else
		show_candidates(&found);
	candidates_fini(&found);
	free(cut.text);
	return then;
}

/* Lines */

static bool is_end_word(const char *word)
{
	return strcmp(word, "exit") == 0 || strcmp(word, "quit") == 0;
}

static void shell_run_line(struct shell *shell, const char *line)
{
	char *copy = mem_strdup(line), *words[WORDS_MAX];
	int n;

	copy[strcspn(copy, "\n")] = '\0';
	if (copy[strspn(copy, " \t")] != '\0')
		history_add(&shell->history, copy);
	n = words_split(copy, words);
	if (n < 0)
		print_error(NULL, "a quote is not closed, or there are too many words");
	else if (n > 0 && is_end_word(words[0]))
		shell->is_over = true;
	else if (n > 0)
		session_run(shell->session, words, n);
	free(copy);
	shell_take_signals(shell);
	/* The terminal has shown the ^C, and the cursor stands behind it. */
	if (shell->is_interrupted)
		putchar('\n');
	fflush(stdout);
}

static void shell_loop(struct shell *shell)
{
	while (!shell->is_over) {
		const char *line;
		int n;

		shell->is_interrupted = false;
		line = el_gets(shell->el, &n);
		if (line != NULL && n > 0) {
			shell_run_line(shell, line);
			continue;
		}
		/* ^C and the end of input leave the cursor behind the prompt. */
		puts(shell->is_interrupted ? "^C" : "");
		shell->is_over = shell->is_over || !shell->is_interrupted;
	}
}

static void shell_bind(struct shell *shell)
{
	EditLine *el = shell->el;

	el_set(el, EL_CLIENTDATA, shell);
	el_set(el, EL_PROMPT, shell_prompt);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_HIST, history, shell->history.lines);
	el_set(el, EL_GETCFN, key_read);
	/* What is given to the narrow form of this leaks. */
	el_wset(el, EL_ADDFN, L"weirctl-help", L"what can come next", on_help);
	el_wset(el, EL_ADDFN, L"weirctl-complete", L"completes the word", on_tab);
	el_set(el, EL_BIND, "?", "weirctl-help", NULL);
	el_set(el, EL_BIND, "^I", "weirctl-complete", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	/* The user's own bindings (~/.editrc) come last. */
	el_source(el, NULL);
}

enum exit_code shell_run(struct session *session)
{
	struct shell shell = { .session = session };
	enum exit_code code = session_open(session);
	int fd;

	if (code != EXIT_DONE)
		return code;
	setlocale(LC_CTYPE, "");
	shell.el = el_init("weirctl", stdin, stdout, stderr);
	fd = signals_init();
	if (shell.el == NULL || fd < 0) {
		print_error(NULL, "the terminal cannot be used");
		return EXIT_FAILED;
	}
	session->conn.stop_fd = fd;
	history_open(&shell.history);
	shell_bind(&shell);
	puts("weirctl " WEIR_VERSION ": ? shows what can come next, TAB completes, ^D ends");
	shell_loop(&shell);
	history_close(&shell.history);
	el_end(shell.el);
	return EXIT_DONE;
}
