/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients that want to hear of events, and telling them. An event is the object as its show command
 * prints it, as `ip -j monitor` does, with "deleted" where the object goes; who asks for `text` gets
 * a line for people with it. It is made once, and only when somebody wants its kind.
 *
 * Subscribers are deferred calls. One that leaves, or does not read and is cut off by lib/ctl, is
 * taken out by its cancel, never while events are told: lib/ctl only marks it then. Events come at
 * once and in the order in which they were published; a floor that reacts to one by another is
 * heard first (the routes of a new address come before the address). Control thread.
 */
#include "monitor/monitor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "fib/fib.h"
#include "monitor/monitor_priv.h"

struct subscriber {
	TAILQ_ENTRY(subscriber) next;
	struct call *call;
	unsigned int kinds; /* bits: enum monitor_kind */
	bool wants_text;
};

struct monitor_state {
	TAILQ_HEAD(, subscriber) subscribers;
};

static struct monitor_state *monitor_state(const struct dp *dp)
{
	return dp_slot(dp, &monitor_module);
}

/* Events as rows */

static json_t *link_row(const struct dp *dp, const void *subject)
{
	return link_to_json(subject);
}

static json_t *addr_row(const struct dp *dp, const void *subject)
{
	const struct ns_addr *addr = subject;
	const struct link *link = link_by_index(dp, addr->link);
	json_t *row = json_pack("{s:i}", "index", addr->link), *info = ns_addr_to_json(addr);

	if (link != NULL)
		json_object_set_new(row, "dev", json_string(link->name));
	json_object_update(row, info);
	json_decref(info);
	return row;
}

static json_t *neigh_row(const struct dp *dp, const void *subject)
{
	return neigh_to_json(dp, subject);
}

static json_t *route_row(const struct dp *dp, const void *subject)
{
	return route_to_json(dp, subject);
}

/* By enum event_kind; without a row: not told. */
static const struct monitor_event {
	enum monitor_kind kind;
	bool is_deleted;
	json_t *(*row)(const struct dp *dp, const void *subject);
} events[] = {
	[EVENT_LINK_NEW] = { MONITOR_LINK, false, link_row },
	[EVENT_LINK_CHANGED] = { MONITOR_LINK, false, link_row },
	[EVENT_LINK_DELETED] = { MONITOR_LINK, true, link_row },
	[EVENT_ADDR_NEW] = { MONITOR_ADDR, false, addr_row },
	[EVENT_ADDR_DELETED] = { MONITOR_ADDR, true, addr_row },
	[EVENT_NEIGH_CHANGED] = { MONITOR_NEIGH, false, neigh_row },
	[EVENT_ROUTE_NEW] = { MONITOR_ROUTE, false, route_row },
	[EVENT_ROUTE_DELETED] = { MONITOR_ROUTE, true, route_row },
};

/* A neighbour that is known no longer has no state; only a route may still point to it. */
static bool is_deleted(enum event_kind kind, const void *subject)
{
	if (kind == EVENT_NEIGH_CHANGED)
		return ((const struct neigh *)subject)->state == NEIGH_NONE;
	return events[kind].is_deleted;
}

static json_t *event_row(const struct dp *dp, enum event_kind kind, const void *subject)
{
	json_t *row = json_object(), *rest = events[kind].row(dp, subject);

	/* In front, as ip(8) has it. */
	if (is_deleted(kind, subject))
		json_object_set_new(row, "deleted", json_true());
	json_object_update(row, rest);
	json_decref(rest);
	return row;
}

static json_t *event_with_text(enum monitor_kind kind, json_t *row)
{
	char *text = monitor_text(kind, row);
	json_t *copy = json_copy(row);

	json_object_set_new(copy, "text", json_string(text));
	free(text);
	return copy;
}

/* Telling */

static void monitor_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	json_t *row = NULL, *with_text = NULL;
	const struct subscriber *s;

	if (kind >= RTE_DIM(events) || events[kind].row == NULL)
		return;
	TAILQ_FOREACH(s, &monitor_state(dp)->subscribers, next) {
		if (!(s->kinds & 1u << events[kind].kind))
			continue;
		if (row == NULL)
			row = event_row(dp, kind, subject);
		if (s->wants_text && with_text == NULL)
			with_text = event_with_text(events[kind].kind, row);
		call_notify(s->call, json_incref(s->wants_text ? with_text : row));
	}
	json_decref(row);
	json_decref(with_text);
}

/* The command */

struct monitor_args {
	struct object_head head;
	bool link, addr, neigh, route, text;
};

static const struct object monitor_object = {
	.name = "monitor",
	.size = sizeof(struct monitor_args),
	.fields =
		(const struct field[]){
			{ .name = "link",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, link),
				.help = "links: new, changed, deleted" },
			{ .name = "addr",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, addr),
				.help = "addresses of links" },
			{ .name = "neigh",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, neigh),
				.help = "neighbours and their states" },
			{ .name = "route",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, route),
				.help = "routes" },
			{ .name = "text",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, text),
				.help = "with a line for people in each event" },
			{ .type = FIELD_END },
		},
};

static unsigned int wanted_kinds(const struct monitor_args *args)
{
	unsigned int kinds = (unsigned int)args->link << MONITOR_LINK |
			     (unsigned int)args->addr << MONITOR_ADDR |
			     (unsigned int)args->neigh << MONITOR_NEIGH |
			     (unsigned int)args->route << MONITOR_ROUTE;

	return kinds != 0 ? kinds : ~0u;
}

static void monitor_cancel(struct call *call, void *owner)
{
	struct subscriber *s = owner;

	TAILQ_REMOVE(&monitor_state(call->ctx)->subscribers, s, next);
	free(s);
}

static int monitor_start(struct call *call, const void *args)
{
	const struct monitor_args *a = args;
	struct subscriber *s = mem_zalloc(sizeof(*s));

	s->call = call;
	s->kinds = wanted_kinds(a);
	s->wants_text = a->text;
	TAILQ_INSERT_TAIL(&monitor_state(call->ctx)->subscribers, s, next);
	call_defer(call, monitor_cancel, s);
	return 0;
}

static const struct command monitor_commands[] = {
	{ .object = "monitor",
		.verb = "start",
		.help = "events as they happen: of all kinds, or of those that are named",
		.args = &monitor_object,
		.run = monitor_start,
		.is_read_only = true,
		.is_stream = true },
	{ .object = NULL },
};

static int monitor_init(struct dp *dp)
{
	TAILQ_INIT(&monitor_state(dp)->subscribers);
	return 0;
}

struct module monitor_module = {
	.name = "monitor",
	.commands = monitor_commands,
	.state_size = sizeof(struct monitor_state),
	.init = monitor_init,
	.event = monitor_event,
};
