/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One row per command. The control socket's method is "OBJECT.VERB", weirctl's words are
 * "OBJECT VERB"; parameters are a schema object, so both take the same names and are checked by
 * the same rows. Handlers run on the control thread and return quickly.
 *
 * This is only the table's shape; lib/ctl serves it, modules fill it.
 */
#include "schema/schema.h"

/* A column of the table that weirctl prints for people: a path into each JSON row. */
struct column {
	/* "ifname", "stats64.rx.packets"; "addr_info.local/prefixlen" (arrays are joined by ',') */
	const char *path;
	const char *title; /* NULL closes the list */
	bool is_detail;	   /* only with -s */
};

/*
 * Rows of an answer that are made while the client reads them, for what may be a million. Embedded in
 * what its maker keeps for it; the tables that it reads may change between two calls.
 */
struct row_source {
	/*
	 * The next row (new reference). NULL: all rows have been given, or (*is_busy) it has done a
	 * millisecond of other work and wants to be called again.
	 */
	json_t *(*next)(struct row_source *source, bool *is_busy);
	void (*destroy)(struct row_source *source);
	/* Set by next() with is_busy: it is for others to go on, next() is called after their wake. */
	bool is_waiting;
	void *reader; /* lib/ctl's own */
};

/* There may be more rows now. From anywhere but within next(). */
void row_source_wake(struct row_source *source);

struct call; /* one request that is being served; see below */

struct command {
	const char *object, *verb; /* object NULL closes a table */
	const char *help;
	const struct object *args; /* NULL: takes none */
	const struct column *columns;
	/* NULL: in the contract, not yet in weir; answered with an error that says so. */
	int (*run)(struct call *call, const void *args);
	/*
	 * A list of arguments, each for one run(): {"routes": [{...}, ...]} in place of a thousand
	 * requests. NULL: has none. Such a command answers from within run().
	 */
	const char *bulk;
	bool is_read_only;
	bool is_stream; /* answers with notifications until the client leaves or the call is finished */
};

/*
 * A call is answered exactly once: by returning from run() with call->result set (NULL gives null)
 * or a negative errno with a text from call_fail(), or, after call_defer(), later by call_finish().
 */
struct call {
	void *ctx;		 /* what ctl_create() was given: the struct dp */
	json_t *result;		 /* new reference, set by run() */
	struct row_source *rows; /* set by run() in place of result: an array of these */
	char *error;		 /* set by call_fail() */
	bool is_refused;	 /* set by call_refuse() */
	bool is_deferred;	 /* set by call_defer() */
	bool keeps_args; /* set by run(): args are its own now, to be freed by schema_free() */
	void (*cancel)(struct call *call, void *owner); /* client left; call is gone after this */
	void *owner;
};

/* Sets the error text (one line) and returns err, a negative errno. */
int call_fail(struct call *call, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * The same for what is wrong with the request itself or with the configuration it names: answered
 * as invalid params, for which weirctl's exit code is 2. Returns -EINVAL.
 */
int call_refuse(struct call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* run() returns 0 after this; call stays valid until call_finish() or until cancel was called. */
void call_defer(struct call *call, void (*cancel)(struct call *call, void *owner), void *owner);
/* Sends one notification of a stream ({"method": "OBJECT.VERB", "params": event}); steals event. */
void call_notify(struct call *call, json_t *event);
/*
 * Has the client of a stream so much to read that what can wait or be left out should? It is cut off only
 * far beyond that.
 */
bool call_is_behind(const struct call *call);
/* Answers a deferred call with err 0 and call->result, or with call->error. */
void call_finish(struct call *call, int err);
