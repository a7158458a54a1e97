/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of lib/ctl share. Everything here belongs to the control thread. */
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <time.h>

#include "ctl/ctl.h"

enum {
	CTL_TURN_MS = 5, /* requests are served for this long, then timers and ports have a turn */
	CTL_CALLS_MAX = 64,    /* unfinished calls of one client; beyond it its requests wait */
	CTL_STREAMS_MAX = 16,  /* unfinished streams of one client; beyond it they are refused */
	CTL_BULK_SLICE = 16,   /* items of a list between two looks at the clock */
	CTL_ROWS_SLICE = 256,  /* rows of a long answer that are printed in one go */
	CTL_CLOSE_MAX_S = 10,  /* how long a connection that we end waits to be read empty */
	CTL_PROBLEMS_MAX = 16, /* things wrong with the parameters that an error's text names */
	CTL_MESSAGE_MAX = 16 << 10, /* bytes of an error's text */
};

enum rpc_error {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_COMMAND_FAILED = -32000,
};

struct client;

/* A command that is being served. */
struct request {
	struct call call;
	struct ctl *ctl;
	struct client *client; /* NULL: ctl_serve_line() */
	const struct command *command;
	void *args;		  /* decoded; NULL when the command takes none */
	json_t *id;		  /* NULL: nobody wants an answer */
	int err;		  /* set with is_finished */
	json_t *bulk;		  /* items to run for; NULL: for args alone */
	json_t *common;		  /* what items without their own have; NULL: nothing */
	size_t next;		  /* item */
	bool is_running;	  /* inside command->run() */
	bool is_finished;	  /* call_finish() came while it was running, or the client left */
	LIST_ENTRY(request) link; /* in client->requests, once deferred */
};

/* An answer that waits for its turn on the wire: text, then rows of a long array one by one. */
struct answer {
	STAILQ_ENTRY(answer) link;
	char *text;
	json_t *rows; /* NULL: text only, or source */
	struct row_source *source;
	size_t next_row;
};

struct client {
	TAILQ_ENTRY(client) link;
	TAILQ_ENTRY(client) ready_link;
	struct ctl *ctl;
	struct bufferevent *bev;
	size_t n_scanned; /* bytes of its input known to hold no newline */
	size_t n_waiting; /* bytes of text in answers */
	LIST_HEAD(, request) requests;
	unsigned int n_requests, n_streams;
	struct request
		*bulk; /* the one of them that runs in slices; nothing else is begun meanwhile */
	STAILQ_HEAD(, answer) answers;
	struct row_source *rows; /* of the answer that is sent next */
	time_t ended;		 /* monotonic second in which is_ended was set */
	bool is_ready;		 /* on ctl->ready */
	bool is_eof;		 /* nothing more will come from it */
	bool is_deaf;  /* nothing can be sent to it; what it still asked for is done all the same */
	bool is_ended; /* closed as soon as its output is written */
	bool is_doomed;	  /* closed at its next turn, whatever is left */
	bool is_sequence; /* rpc.sequence: one at a time, none after the first that failed */
	bool has_failed;  /* a request of the sequence has */
};

struct method {
	char *name; /* OBJECT.VERB */
	const struct command *command;
};

struct ctl {
	struct event_base *base;
	void *ctx;
	const struct command *const *tables;
	struct method *methods; /* sorted by name */
	size_t n_methods;
	json_t *list; /* answer to rpc.list, made when first asked for */
	char *line;   /* room for the request line that is being served */
	struct event *turn, *tick;
	TAILQ_HEAD(, client) clients;
	TAILQ_HEAD(, client) ready;
	unsigned int n_clients, n_ready;
	struct evconnlistener *listener;
	char *path; /* of the socket; dev and ino tell whether the file is still ours */
	dev_t dev;
	ino_t ino;
};

/* ctl.c */
const struct command *ctl_command(const struct ctl *ctl, const char *method);
uint64_t ctl_now_us(void);

/* ctl_listen.c */
void ctl_listen_resume(struct ctl *ctl);
void ctl_listen_stop(struct ctl *ctl);

/* client.c */
void client_create(struct ctl *ctl, evutil_socket_t fd);
void client_destroy(struct client *client);
void client_mark_ready(struct client *client);
/* One turn: at most CTL_SLICE requests, none begun after deadline_us. May destroy the client. */
void client_serve(struct client *client, uint64_t deadline_us);
/* Sends an answer, or an event of a stream; steals it. */
void client_send(struct client *client, json_t *message);
void client_notify(struct client *client, json_t *message);
/* Does it have more to read than what makes its requests wait? */
bool client_is_behind(const struct client *client);
/* Once a second: has it gone away unseen, does it linger? May destroy the client. */
void client_tick(struct client *client, time_t now);

/* request.c */
/* Serves one line. The answer (new reference), or NULL: none is due, or not yet. */
json_t *request_serve(struct ctl *ctl, struct client *client, const char *line, size_t len);
json_t *request_error(json_t *id, int code, const char *message);
/* Goes on with a request that runs in slices. True: it is done and answered, and gone. */
bool request_continue(struct request *request, uint64_t deadline_us);
/* Its client has left: tells the command's owner and frees it. */
void request_cancel(struct request *request);
static inline struct request *request_of(struct call *call)
{
	return (struct request *)((char *)call - offsetof(struct request, call));
}
