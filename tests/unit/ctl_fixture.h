/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A control socket in this process, with commands made for testing, for the tests of lib/ctl and
 * of weirctl. The server runs in a thread of its own on a socket in a fresh directory; what its
 * commands count is read by other commands, over the socket, so nothing is shared.
 *
 *	thing show [dev] [statistics]	two rows; the second has what must not reach a terminal
 *	thing set dev [up|down] ...	gives back its arguments
 *	note add REST			gives back the text
 *	slow wait | slow finish		a deferred call; finished by the other, from any client
 *	slow state			{waiting, cancelled, notes}
 *	watch ticks | watch idle	streams: three ticks and an end; ticks without end
 *	watch flood			a stream of 1 MiB each millisecond
 *	big show count			that many rows
 *	lump show			a text of 1.5 MiB
 *	place show			addresses and numbers
 *	netns list			the namespaces default and red
 *	fail now | text show | sync finish | planned show
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "suite.h"

struct world {
	struct event_base *base;
	struct call *waiting; /* the newest `slow wait` */
	unsigned int n_waiting, n_cancelled, n_notes;
};

struct server {
	struct world world;
	struct ctl *ctl;
	struct event *stop;
	pthread_t thread;
	int stop_pipe[2];
	char dir[64], path[96];
};

/* thing */

struct thing_args {
	struct object_head head;
	char *dev, *master, *netns, *file;
	bool statistics, nomaster;
	int state;
	int64_t mtu;
	struct field_list tags, hops;
};

struct hop {
	struct object_head head;
	char *via;
	int64_t weight;
};

enum { STATE_NONE, STATE_UP, STATE_DOWN };

static const struct field_enum state_words[] = {
	{ .name = "up", .value = STATE_UP },
	{ .name = "down", .value = STATE_DOWN },
	{ .name = NULL },
};

#define THING(name_, type_, ...)                                                                   \
	{                                                                                          \
		.name = #name_, .type = (type_), .offset = offsetof(struct thing_args, name_),     \
		__VA_ARGS__                                                                        \
	}

static const struct object thing_show_args = {
	.name = "thing",
	.size = sizeof(struct thing_args),
	.fields =
		(const struct field[]){
			THING(dev, FIELD_STRING, .flags = FIELD_POSITIONAL,
				.complete = "thing.show:ifname"),
			THING(netns, FIELD_STRING),
			THING(statistics, FIELD_BOOL),
			{ .type = FIELD_END },
		},
};

static const struct object hop_object = {
	.name = "hop",
	.size = sizeof(struct hop),
	.fields =
		(const struct field[]){
			{ .name = "via",
				.type = FIELD_STRING,
				.offset = offsetof(struct hop, via) },
			{ .name = "weight",
				.type = FIELD_INT,
				.offset = offsetof(struct hop, weight) },
			{ .type = FIELD_END },
		},
};

static const struct object thing_set_args = {
	.name = "thing",
	.size = sizeof(struct thing_args),
	.fields =
		(const struct field[]){
			THING(dev, FIELD_STRING, .flags = FIELD_POSITIONAL | FIELD_REQUIRED),
			THING(state, FIELD_ENUM, .enums = state_words),
			THING(mtu, FIELD_INT, .min = 68, .max = 9000),
			THING(master, FIELD_STRING),
			THING(nomaster, FIELD_BOOL),
			THING(tags, FIELD_LIST, .item = FIELD_STRING),
			THING(hops, FIELD_LIST, .object = &hop_object),
			THING(file, FIELD_STRING, .flags = FIELD_FILE),
			{ .name = "later", .type = FIELD_PENDING },
			{ .type = FIELD_END },
		},
};

static int thing_show(struct call *call, const void *args)
{
	const struct thing_args *a = args;

	call->result = json_pack("[{s:s, s:i, s:[s,s], s:{s:{s:i}}}, {s:s, s:i, s:[]}]", "ifname",
		a->dev != NULL ? a->dev : "lan", "mtu", 1500, "flags", "UP", "LOWER_UP", "stats64",
		"rx", "packets", a->statistics ? 7 : 0, "ifname", "w\033[2Jn\u202e\xc2\x9b", "mtu",
		68, "flags");
	return call->result != NULL ? 0 : call_fail(call, -EINVAL, "cannot show that");
}

static int thing_set(struct call *call, const void *args)
{
	call->result = schema_to_json(&thing_set_args, args);
	return 0;
}

/* note, slow */

struct note_args {
	struct object_head head;
	char *text;
};

static const struct object note_args = {
	.name = "note",
	.size = sizeof(struct note_args),
	.fields =
		(const struct field[]){
			{ .name = "text",
				.type = FIELD_REST,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct note_args, text) },
			{ .type = FIELD_END },
		},
};

static int note_add(struct call *call, const void *args)
{
	const struct note_args *a = args;
	struct world *world = call->ctx;

	world->n_notes++;
	call->result = json_string(a->text != NULL ? a->text : "");
	return 0;
}

static void slow_cancel(struct call *call, void *owner)
{
	struct world *world = owner;

	world->n_cancelled++;
	world->n_waiting--;
	if (world->waiting == call)
		world->waiting = NULL;
}

static int slow_wait(struct call *call, const void *args)
{
	struct world *world = call->ctx;

	world->waiting = call;
	world->n_waiting++;
	call_defer(call, slow_cancel, world);
	return 0;
}

static int slow_finish(struct call *call, const void *args)
{
	struct world *world = call->ctx;
	struct call *waiting = world->waiting;

	if (waiting == NULL)
		return call_fail(call, -ENOENT, "nobody waits");
	world->waiting = NULL;
	world->n_waiting--;
	waiting->result = json_string("waited");
	call_finish(waiting, 0);
	return 0;
}

static int slow_state(struct call *call, const void *args)
{
	const struct world *world = call->ctx;

	call->result = json_pack("{s:i, s:i, s:i}", "waiting", world->n_waiting, "cancelled",
		world->n_cancelled, "notes", world->n_notes);
	return 0;
}

static int sync_finish(struct call *call, const void *args)
{
	call_defer(call, NULL, NULL);
	call->result = json_string("at once");
	call_finish(call, 0);
	return 0;
}

/* watch */

struct watch {
	struct call *call;
	struct event *timer;
	unsigned int n_sent, n_wanted; /* wanted 0: endless */
	char *load;
};

static void watch_end(struct watch *watch)
{
	event_free(watch->timer);
	free(watch->load);
	free(watch);
}

static void watch_cancel(struct call *call, void *owner)
{
	struct world *world = call->ctx;

	world->n_cancelled++;
	watch_end(owner);
}

static void watch_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	call_notify(watch->call, json_pack("{s:i, s:s}", "tick", ++watch->n_sent, "load",
					 watch->load != NULL ? watch->load : "-"));
	if (watch->n_wanted == 0 || watch->n_sent < watch->n_wanted)
		return;
	watch->call->result = json_integer(watch->n_sent);
	call_finish(watch->call, 0);
	watch_end(watch);
}

static int watch_start(struct call *call, unsigned int n_wanted, size_t load)
{
	const struct timeval millisecond = { 0, 1000 };
	struct world *world = call->ctx;
	struct watch *watch = calloc(1, sizeof(*watch));

	watch->call = call;
	watch->n_wanted = n_wanted;
	if (load > 0) {
		watch->load = calloc(1, load + 1);
		memset(watch->load, 'x', load);
	}
	watch->timer = event_new(world->base, -1, EV_PERSIST, watch_on_timer, watch);
	event_add(watch->timer, &millisecond);
	call_defer(call, watch_cancel, watch);
	return 0;
}

static int watch_ticks(struct call *call, const void *args)
{
	return watch_start(call, 3, 0);
}

static int watch_idle(struct call *call, const void *args)
{
	return watch_start(call, 0, 0);
}

static int watch_flood(struct call *call, const void *args)
{
	return watch_start(call, 0, 1 << 20);
}

/* big, fail, text */

struct big_args {
	struct object_head head;
	int64_t count;
};

static const struct object big_args = {
	.name = "big",
	.size = sizeof(struct big_args),
	.fields =
		(const struct field[]){
			{ .name = "count",
				.type = FIELD_INT,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct big_args, count),
				.max = 1000000,
				.def = "3" },
			{ .type = FIELD_END },
		},
};

static int big_show(struct call *call, const void *args)
{
	const struct big_args *a = args;

	call->result = json_array();
	for (int64_t i = 0; i < a->count; i++)
		json_array_append_new(call->result,
			json_pack("{s:I, s:s}", "row", (json_int_t)i, "text", "as wide as"));
	return 0;
}

static int fail_now(struct call *call, const void *args)
{
	return call_fail(call, -ENETUNREACH, "no way\tto \033[1m\xff");
}

static int text_show(struct call *call, const void *args)
{
	call->result = json_string("first\nsecond\033[2J\n");
	return 0;
}

static int place_show(struct call *call, const void *args)
{
	call->result = json_pack("[{s:s, s:n, s:f}, {s:s, s:i, s:i}]", "at", "192.0.2.1", "cost",
		"ratio", 1.5, "at", "10.0.0.1", "cost", 7, "ratio", 10);
	return 0;
}

static int netns_list(struct call *call, const void *args)
{
	call->result = json_pack("[{s:s}, {s:s}]", "name", "default", "name", "red");
	return 0;
}

static int lump_show(struct call *call, const void *args)
{
	const size_t len = 3 << 19;
	char *text = malloc(len);

	memset(text, 'x', len);
	call->result = json_stringn(text, len);
	free(text);
	return 0;
}

static const struct column thing_columns[] = {
	{ .path = "ifname", .title = "NAME" },
	{ .path = "mtu", .title = "MTU" },
	{ .path = "flags", .title = "FLAGS" },
	{ .path = "stats64.rx.packets", .title = "RX", .is_detail = true },
	{ .title = NULL },
};

#define COMMAND(object_, verb_, run_, ...)                                                         \
	{                                                                                          \
		.object = (object_), .verb = (verb_), .help = "for tests", .run = (run_),          \
		__VA_ARGS__                                                                        \
	}

static const struct command fixture_commands[] = {
	COMMAND("thing", "show", thing_show, .args = &thing_show_args, .columns = thing_columns,
		.is_read_only = true),
	COMMAND("thing", "set", thing_set, .args = &thing_set_args),
	COMMAND("note", "add", note_add, .args = &note_args),
	COMMAND("slow", "wait", slow_wait),
	COMMAND("slow", "finish", slow_finish),
	COMMAND("slow", "state", slow_state, .is_read_only = true),
	COMMAND("sync", "finish", sync_finish),
	COMMAND("watch", "ticks", watch_ticks, .is_stream = true),
	COMMAND("watch", "idle", watch_idle, .is_stream = true),
	COMMAND("watch", "flood", watch_flood, .is_stream = true),
	COMMAND("big", "show", big_show, .args = &big_args, .is_read_only = true),
	COMMAND("place", "show", place_show, .is_read_only = true),
	COMMAND("netns", "list", netns_list, .is_read_only = true),
	COMMAND("lump", "show", lump_show, .is_read_only = true),
	COMMAND("fail", "now", fail_now),
	COMMAND("text", "show", text_show, .is_read_only = true),
	COMMAND("planned", "show", NULL),
	{ .object = NULL },
};

static const struct command *const fixture_tables[] = { fixture_commands, NULL };

/* The server */

static void server_on_stop(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static void *server_thread(void *arg)
{
	struct server *server = arg;

	event_base_dispatch(server->world.base);
	return NULL;
}

static inline void server_start(struct server *server)
{
	memset(server, 0, sizeof(*server));
	strcpy(server->dir, "/tmp/weir-ctl-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/sub/control.sock", server->dir);
	server->world.base = event_base_new();
	ck_assert_int_eq(
		ctl_create(server->world.base, &server->world, fixture_tables, &server->ctl), 0);
	ck_assert_int_eq(ctl_listen(server->ctl, server->path, NULL), 0);
	ck_assert_int_eq(pipe(server->stop_pipe), 0);
	server->stop = event_new(server->world.base, server->stop_pipe[0], EV_READ, server_on_stop,
		server->world.base);
	event_add(server->stop, NULL);
	ck_assert_int_eq(pthread_create(&server->thread, NULL, server_thread, server), 0);
}

static inline void server_stop(struct server *server)
{
	char sub[80];

	ck_assert_int_eq(write(server->stop_pipe[1], "", 1), 1);
	pthread_join(server->thread, NULL);
	ctl_destroy(server->ctl);
	event_free(server->stop);
	event_base_free(server->world.base);
	close(server->stop_pipe[0]);
	close(server->stop_pipe[1]);
	ck_assert_int_lt(access(server->path, F_OK), 0);
	snprintf(sub, sizeof(sub), "%s/sub", server->dir);
	ck_assert_int_eq(rmdir(sub), 0);
	ck_assert_int_eq(rmdir(server->dir), 0);
}
