/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See signals.h. The handlers write the signal's number into a pipe, or set a flag; nothing else
 * happens in them. Writes to the terminal go on behind them (SA_RESTART), but poll(2), with which all
 * waiting is done, always comes back. What only sets the flag is blocked but while signals_poll()
 * waits: it cannot come between a look at the flag and the wait.
 */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int signal_pipe[2] = { -1, -1 };
static volatile sig_atomic_t wants_redraw;
static sigset_t outside_mask; /* as it was, but nothing of ours is blocked in it */

static void on_end(int signal)
{
	const char byte = (char)signal;
	int saved = errno;
	/* A full pipe says all there is to say. */
	ssize_t n = write(signal_pipe[1], &byte, 1);

	(void)n;
	errno = saved;
}

static void on_redraw(int signal)
{
	wants_redraw = 1;
}

static void catch_with(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

int signals_init(void)
{
	sigset_t redraw;

	if (signal_pipe[0] >= 0)
		return signal_pipe[0];
	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	catch_with(SIGINT, on_end);
	catch_with(SIGTERM, on_end);
	catch_with(SIGHUP, on_end);
	catch_with(SIGWINCH, on_redraw);
	catch_with(SIGCONT, on_redraw);
	sigemptyset(&redraw);
	sigaddset(&redraw, SIGWINCH);
	sigaddset(&redraw, SIGCONT);
	sigprocmask(SIG_BLOCK, &redraw, &outside_mask);
	sigdelset(&outside_mask, SIGWINCH);
	sigdelset(&outside_mask, SIGCONT);
	return signal_pipe[0];
}

void signals_catch_suspend(bool is_caught)
{
	catch_with(SIGTSTP, is_caught ? on_end : SIG_DFL);
}

int signals_take(void)
{
	char byte;

	return signal_pipe[0] >= 0 && read(signal_pipe[0], &byte, 1) == 1 ? byte : 0;
}

bool signals_take_redraw(void)
{
	bool had = wants_redraw;

	wants_redraw = 0;
	return had;
}

int signals_poll(struct pollfd *pfds, unsigned int n, int ms)
{
	const struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	return ppoll(pfds, n, ms < 0 ? NULL : &timeout, &outside_mask);
}
