/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The live view: asks, waits, draws. The terminal is put in order on every way out: keys and ^C end
 * the loop, so do SIGTERM, SIGHUP and a daemon that goes away; ^Z leaves the screen before it stops.
 */
#include "top.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "print.h"
#include "rates.h"
#include "session.h"
#include "signals.h"
#include "top_draw.h"

#define DEFAULT_PERIOD_S 1.0
#define FIRST_PERIOD_S	 0.25

enum { MIN_COLUMNS = 20, MIN_LINES = 12 };

/* The terminal as it was. */
struct screen {
	struct termios saved;
	bool has_keys; /* stdin is a terminal */
};

static void screen_enter(struct screen *screen)
{
	struct termios keys;

	screen->has_keys = tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	if (screen->has_keys) {
		keys = screen->saved;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	}
	/* The other screen, without a cursor. */
	fputs("\033[?1049h\033[?25l", stdout);
	signals_catch_suspend(true);
}

static void screen_leave(const struct screen *screen)
{
	signals_catch_suspend(false);
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (screen->has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->saved);
}

static struct page screen_page(void)
{
	struct winsize size = { .ws_col = 80, .ws_row = 24 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return (struct page){
		.columns = size.ws_col < MIN_COLUMNS ? MIN_COLUMNS : size.ws_col,
		.lines = size.ws_row < MIN_LINES ? MIN_LINES : size.ws_row,
	};
}

static void screen_draw(const json_t *rates)
{
	struct page page = screen_page();

	top_draw(stdout, rates, &page);
	fflush(stdout);
}

static void screen_suspend(struct screen *screen)
{
	screen_leave(screen);
	raise(SIGSTOP);
	screen_enter(screen);
}

/* What came while waiting. */
enum wish_kind { WISH_NEXT, WISH_REDRAW, WISH_END };

static enum wish_kind take_signals(struct screen *screen)
{
	enum wish_kind kind = WISH_NEXT;
	int signal;

	while ((signal = signals_take()) != 0) {
		if (signal != SIGTSTP)
			return WISH_END;
		screen_suspend(screen);
		kind = WISH_REDRAW;
	}
	return signals_take_redraw() ? WISH_REDRAW : kind;
}

static enum wish_kind take_key(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	return n == 0 || (n == 1 && (key == 'q' || key == 'Q')) ? WISH_END : WISH_NEXT;
}

/* Waits until a period is over, or for what comes before that. */
static enum wish_kind screen_wait(struct screen *screen, int stop_fd, int ms)
{
	struct pollfd pfds[] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = screen->has_keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int n = signals_poll(pfds, 2, ms);
	enum wish_kind kind = take_signals(screen);

	if (kind != WISH_NEXT || n <= 0)
		return kind;
	return pfds[1].revents != 0 ? take_key() : WISH_NEXT;
}

static int period_ms(const struct session *session, bool is_first)
{
	double seconds =
		session->options.repeat_s > 0 ? session->options.repeat_s : DEFAULT_PERIOD_S;

	if (is_first && seconds > FIRST_PERIOD_S)
		seconds = FIRST_PERIOD_S;
	return (int)(seconds * 1000);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Shows rates (NULL: none yet) until it is time for others. False: the end. */
static bool screen_pause(struct screen *screen, struct session *session, const json_t *rates)
{
	long end_ms = now_ms() + period_ms(session, rates == NULL);

	for (;;) {
		long left_ms = end_ms - now_ms();

		if (left_ms <= 0)
			return true;
		switch (screen_wait(screen, session->conn.stop_fd, (int)left_ms)) {
		case WISH_END:
			return false;
		case WISH_REDRAW:
			screen_draw(rates);
			break;
		case WISH_NEXT:
			break;
		}
	}
}

/* True: ended as wished; false: the connection broke. */
static bool screen_run(struct screen *screen, struct session *session)
{
	struct sample old = { .links = NULL }, now = { .links = NULL };
	json_t *rates = NULL;
	bool is_well = sample_take(session, &old);

	while (is_well && !ferror(stdout) && screen_pause(screen, session, rates)) {
		is_well = sample_take(session, &now);
		if (!is_well)
			break;
		json_decref(rates);
		rates = rates_between(&old, &now);
		sample_fini(&old);
		old = now;
		now = (struct sample){ .links = NULL };
		screen_draw(rates);
	}
	json_decref(rates);
	sample_fini(&old);
	sample_fini(&now);
	/* A signal may have come while the daemon was asked. */
	return is_well || signals_take() != 0;
}

static enum exit_code top_live(struct session *session)
{
	struct screen screen;
	bool is_well;
	int fd = signals_init();

	if (fd < 0) {
		print_error(NULL, "top: %s", strerror(-fd));
		return EXIT_FAILED;
	}
	session->conn.stop_fd = fd;
	screen_enter(&screen);
	is_well = screen_run(&screen, session);
	screen_leave(&screen);
	return is_well ? EXIT_DONE : print_broken(NULL, -EPIPE, NULL);
}

static enum exit_code top_once(struct session *session)
{
	struct pollfd stop = { .fd = session->conn.stop_fd, .events = POLLIN };
	struct sample old = { .links = NULL }, now = { .links = NULL };
	static const struct page endless;
	bool is_well = sample_take(session, &old);
	json_t *rates;

	if (is_well) {
		poll(&stop, 1, period_ms(session, false));
		is_well = sample_take(session, &now);
	}
	if (is_well) {
		rates = rates_between(&old, &now);
		if (session->options.is_json)
			print_result(&session->options, NULL, rates);
		else
			top_draw(stdout, rates, &endless);
		json_decref(rates);
	}
	sample_fini(&old);
	sample_fini(&now);
	return is_well ? EXIT_DONE : print_broken(NULL, -EPIPE, NULL);
}

enum exit_code top_run(struct session *session, char *const *words, int n)
{
	enum exit_code code;

	if (n > 1) {
		print_error(NULL, "top: unknown argument '%s'; it takes none", words[1]);
		return EXIT_USAGE;
	}
	code = session_open(session);
	if (code != EXIT_DONE)
		return code;
	return session->options.is_json || !isatty(STDOUT_FILENO) ? top_once(session)
								  : top_live(session);
}
