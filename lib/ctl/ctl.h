/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The control socket: JSON-RPC 2.0 objects, one a line, over a Unix stream socket (mode 0660).
 * Serves the command tables that modules hand in, and `rpc.list`, which describes them all with
 * their parameters, so that clients need no table of their own. Control thread only (libevent).
 *
 * Nobody can stall or kill the daemon through it: at most CTL_CLIENTS_MAX clients; a request line
 * over CTL_LINE_MAX is answered with an error and ends its connection; a client's requests are
 * served in slices of CTL_SLICE, so that ten thousand at once leave room for timers and others; a
 * client that does not read has its input left unread, and one whose answers still pile up beyond
 * CTL_BACKLOG_MAX, or the events of its streams beyond CTL_EVENTS_MAX, is cut off. Bad requests are answered with the standard codes: -32700 parse
 * error, -32600 invalid request, -32601 method not found, -32602 invalid params; a command that
 * fails: -32000 with {"errno": N} as data. Requests without an id are executed, never answered.
 *
 * `rpc.sequence` makes a connection a batch: its requests are done strictly one after the other,
 * and none after the first that fails (errno ECANCELED). Arrays of more than some hundred rows are
 * printed in slices as the client reads them; any other answer in one go.
 *
 * A command may take a list of arguments in one request (command->bulk): it runs for one after the
 * other, in slices, until one fails. What was done before stays done. Parameters beside the list
 * count for every item that does not have its own. The answer is {"done": N}; an error names the
 * item and has {"index": N}, how many were done, in its data.
 *
 * For commands: the decoded args live as long as the call, also while it is deferred, and a
 * deferred call may be finished from within its own run().
 */
#include "schema/command.h"

enum {
	CTL_CLIENTS_MAX = 256,
	CTL_LINE_MAX = 1 << 20,	     /* bytes, without the newline */
	CTL_BACKLOG_MAX = 64 << 20,  /* bytes of answers that wait for a slow reader */
	CTL_EVENTS_MAX = 16 << 20,   /* the same when what comes is an event of a stream */
	CTL_BACKLOG_PAUSE = 1 << 20, /* beyond this its further requests wait */
	CTL_SLICE = 32,		     /* requests of one client per turn of the event loop */
};

struct event_base;
struct ctl;

/* The protocol's own commands, rpc.list and the like; served beside those of the tables. */
extern const struct command ctl_rpc_commands[];

/*
 * Also makes the process ignore SIGPIPE. -EEXIST when two commands have the same words.
 * ctx is handed to every command as call->ctx. tables: NULL-terminated array of command tables.
 */
int ctl_create(
	struct event_base *base, void *ctx, const struct command *const *tables, struct ctl **out);
/*
 * Opens the socket at path and begins to serve. A dead socket file of an earlier run is replaced,
 * a live one is -EADDRINUSE. group may be NULL; an unknown one is -ENOENT. Missing directories of
 * the path are made (0755).
 */
int ctl_listen(struct ctl *ctl, const char *path, const char *group);
/* Cancels deferred calls, closes all clients, removes the socket file. */
void ctl_destroy(struct ctl *ctl);

/*
 * Serves one request line as if a client had sent it and returns the answer line (heap, without
 * newline), or NULL where none is due. Deferred calls are cancelled and answered with an error.
 * For fuzzers and in-process tests.
 */
char *ctl_serve_line(struct ctl *ctl, const char *line, size_t len);
