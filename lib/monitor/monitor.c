/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients that want to hear of events, and telling them. An event is the object as its show command
 * prints it, as `ip -j monitor` does, with "deleted" where the object goes; who asks for `text` gets
 * a line for people with it. It is made once, and only when somebody wants its kind.
 *
 * Subscribers are deferred calls. One that leaves, or does not read and is cut off by lib/ctl, is
 * taken out by its cancel, never while events are told: lib/ctl only marks it then. Events come at
 * once and in the order in which they were published; a floor that reacts to one by another is
 * heard first (the routes of a new address come before the address).
 *
 * Connections are another matter: there may be more of them than anybody can print, so they are told to
 * those only who name them, and what a reader is too slow for is left out for it and counted, as is
 * what found no room on its way from the workers: {"lost": N}. Control thread.
 */
#include "monitor/monitor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "fib/fib.h"
#include "flow/flow.h"
#include "monitor/monitor_priv.h"

struct subscriber {
	TAILQ_ENTRY(subscriber) next;
	struct call *call;
	unsigned int kinds; /* bits: enum monitor_kind */
	bool wants_text;
	uint64_t n_lost; /* events of connections that it has not been told, nor told of */
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

/* In the words of `conntrack -E`. */
static json_t *flow_row(const struct dp *dp, const void *subject)
{
	const struct flow_info *info = subject;
	json_t *row = json_pack("{s:s}", "event", info->is_ended ? "DESTROY" : "NEW");
	json_t *rest = flow_to_json(info);

	json_object_update(row, rest);
	json_decref(rest);
	return row;
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
	[EVENT_FLOW_NEW] = { MONITOR_CONNTRACK, false, flow_row },
	[EVENT_FLOW_ENDED] = { MONITOR_CONNTRACK, false, flow_row },
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

static json_t *event_with_text(enum monitor_kind kind, const void *subject, json_t *row)
{
	char *text = kind == MONITOR_CONNTRACK ? flow_text(subject) : monitor_text(kind, row);
	json_t *copy = json_copy(row);

	json_object_set_new(copy, "text", json_string(text));
	free(text);
	return copy;
}

/* Telling */

static void add_lost(struct dp *dp, uint64_t n)
{
	struct subscriber *s;

	TAILQ_FOREACH(s, &monitor_state(dp)->subscribers, next)
		if (s->kinds & 1u << MONITOR_CONNTRACK)
			s->n_lost += n;
}

/* Is it left out for that reader? */
static bool is_too_much(struct subscriber *s, enum event_kind kind)
{
	if (events[kind].kind != MONITOR_CONNTRACK || !call_is_behind(s->call))
		return false;
	s->n_lost++;
	return true;
}

static void monitor_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	json_t *row = NULL, *with_text = NULL;
	struct subscriber *s;

	if (kind == EVENT_FLOW_LOST) {
		add_lost(dp, *(const uint64_t *)subject);
		return;
	}
	if (kind >= RTE_DIM(events) || events[kind].row == NULL)
		return;
	TAILQ_FOREACH(s, &monitor_state(dp)->subscribers, next) {
		if (!(s->kinds & 1u << events[kind].kind) || is_too_much(s, kind))
			continue;
		if (row == NULL)
			row = event_row(dp, kind, subject);
		if (s->wants_text && with_text == NULL)
			with_text = event_with_text(events[kind].kind, subject, row);
		call_notify(s->call, json_incref(s->wants_text ? with_text : row));
	}
	json_decref(row);
	json_decref(with_text);
}

static void tell_lost(struct subscriber *s)
{
	json_t *row = json_pack("{s:I}", "lost", (json_int_t)s->n_lost);

	if (s->wants_text)
		json_object_set_new(row, "text", json_sprintf("lost %" PRIu64, s->n_lost));
	s->n_lost = 0;
	call_notify(s->call, row);
}

static void monitor_tick(struct dp *dp, uint64_t now_ns)
{
	struct subscriber *s;

	TAILQ_FOREACH(s, &monitor_state(dp)->subscribers, next)
		if (s->n_lost > 0 && !call_is_behind(s->call))
			tell_lost(s);
}

/* The command */

struct monitor_args {
	struct object_head head;
	bool link, addr, neigh, route, conntrack, text;
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
			{ .name = "conntrack",
				.type = FIELD_BOOL,
				.offset = offsetof(struct monitor_args, conntrack),
				.help = "connections: new and ended; only if it is named" },
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
			     (unsigned int)args->route << MONITOR_ROUTE |
			     (unsigned int)args->conntrack << MONITOR_CONNTRACK;

	return kinds != 0 ? kinds : ~(1u << MONITOR_CONNTRACK);
}

static void monitor_cancel(struct call *call, void *owner)
{
	struct subscriber *s = owner;

	TAILQ_REMOVE(&monitor_state(call->ctx)->subscribers, s, next);
	if (s->kinds & 1u << MONITOR_CONNTRACK)
		flow_listen(call->ctx, false);
	free(s);
}

static int monitor_start(struct call *call, const void *args)
{
	const struct monitor_args *a = args;
	struct subscriber *s;
	int err = a->conntrack ? flow_listen(call->ctx, true) : 0;

	if (err < 0)
		return call_fail(call, err, "there is no memory for events of connections");
	s = mem_zalloc(sizeof(*s));
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
		.help = "events as they happen: of all kinds but conntrack, or of those that are "
			"named",
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
	.tick = monitor_tick,
};
