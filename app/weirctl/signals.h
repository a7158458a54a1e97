/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Signals for what stays in the foreground: the shell and the live view. Those that end something
 * make a descriptor readable, so that a wait for the daemon or for a key ends, whenever they come.
 */
#include <poll.h>
#include <stdbool.h>

/* Catches SIGINT, SIGTERM, SIGHUP and SIGWINCH, SIGCONT. The descriptor, or -errno. */
int signals_init(void);
/* SIGTSTP too, for as long as it would leave the terminal in disorder. */
void signals_catch_suspend(bool is_caught);
/* The next of the signals that end something, or 0. */
int signals_take(void);
/* Has the terminal changed, or have we been away from it, since the last call? */
bool signals_take_redraw(void);
/* As poll(2), to wait for what a redraw must end too. Negative ms: for ever. */
int signals_poll(struct pollfd *pfds, unsigned int n, int ms);
