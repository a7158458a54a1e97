/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The commands `conntrack ...`, in the words of conntrack(8), and the counters. A list's rows are fetched
 * from the workers as the client reads them, one slice at a time; deletions are done one after the
 * other, each answered when it is over. A client that leaves ends what it asked for; of a deletion the
 * part that was done stays done. Control thread.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "flow/flow_priv.h"
#include "flow/flow_walk.h"

/* Filters */

struct filter_args {
	struct object_head head;
	char *proto;
	int state, status, family;
	struct ip_prefix src, dst, reply_src, reply_dst;
	int64_t sport, dport, reply_sport, reply_dport;
	int64_t mark;
};

/* What `status` asks for that is the lack of a bit. */
enum { STATUS_UNREPLIED = 1 << 16 };

static const struct field_enum tcp_states[] = {
	{ "SYN_SENT", TCP_STATE_SYN_SENT, NULL },
	{ "SYN_RECV", TCP_STATE_SYN_RECV, NULL },
	{ "ESTABLISHED", TCP_STATE_ESTABLISHED, NULL },
	{ "FIN_WAIT", TCP_STATE_FIN_WAIT, NULL },
	{ "CLOSE_WAIT", TCP_STATE_CLOSE_WAIT, NULL },
	{ "LAST_ACK", TCP_STATE_LAST_ACK, NULL },
	{ "TIME_WAIT", TCP_STATE_TIME_WAIT, NULL },
	{ "CLOSE", TCP_STATE_CLOSE, NULL },
	{ "SYN_SENT2", TCP_STATE_SYN_SENT2, NULL },
	{ 0 },
};

static const struct field_enum statuses[] = {
	{ "UNREPLIED", STATUS_UNREPLIED, "nobody has answered yet" },
	{ "SEEN_REPLY", FLOW_SEEN_REPLY, "somebody has" },
	{ "ASSURED", FLOW_ASSURED, "never gives way to others" },
	{ "SRC_NAT", FLOW_SRC_NAT, "its source is translated" },
	{ "DST_NAT", FLOW_DST_NAT, "its destination is translated" },
	{ 0 },
};

static const struct field_enum families[] = {
	{ "inet", AF_INET, "IPv4" },
	{ "inet6", AF_INET6, "IPv6" },
	{ 0 },
};

#define FILTER_ADDR(name_, help_)                                                                  \
	{                                                                                          \
		.name = #name_, .type = FIELD_PREFIX,                                              \
		.offset = offsetof(struct filter_args, name_), .example = "192.0.2.0/24",          \
		.help = (help_)                                                                    \
	}
#define FILTER_PORT(name_, help_)                                                                  \
	{                                                                                          \
		.name = #name_, .type = FIELD_INT, .offset = offsetof(struct filter_args, name_),  \
		.max = UINT16_MAX, .example = "80", .help = (help_)                                \
	}

static const struct object filter_object = {
	.name = "conntrack",
	.help = "only connections of which all of this is true",
	.size = sizeof(struct filter_args),
	.fields =
		(const struct field[]){
			{ .name = "proto",
				.type = FIELD_STRING,
				.offset = offsetof(struct filter_args, proto),
				.example = "tcp",
				.help = "a protocol's name, or its number" },
			FILTER_ADDR(src, "source of the original direction"),
			FILTER_ADDR(dst, "destination of the original direction"),
			FILTER_PORT(sport, "source port of the original direction"),
			FILTER_PORT(dport, "destination port of the original direction"),
			FILTER_ADDR(reply_src, "source of the answers"),
			FILTER_ADDR(reply_dst, "destination of the answers"),
			FILTER_PORT(reply_sport, "source port of the answers"),
			FILTER_PORT(reply_dport, "destination port of the answers"),
			{ .name = "state",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct filter_args, state),
				.enums = tcp_states,
				.help = "state of TCP connections" },
			{ .name = "status",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct filter_args, status),
				.enums = statuses,
				.help = "what is so of the connection" },
			{ .name = "mark",
				.type = FIELD_INT,
				.offset = offsetof(struct filter_args, mark),
				.max = UINT32_MAX,
				.help = "mark that a rule has given it" },
			{ .name = "family",
				.type = FIELD_ENUM,
				.flags = FIELD_NAMED,
				.offset = offsetof(struct filter_args, family),
				.enums = families,
				.help = "address family" },
			{ .type = FIELD_END },
		},
};

static int32_t port_of(const struct filter_args *a, const char *name, int64_t port)
{
	return object_has(&filter_object, a, name) ? (int32_t)port : -1;
}

static int filter_read(struct call *call, const struct filter_args *a, struct flow_filter *filter)
{
	int proto = -1;

	flow_filter_init(filter);
	if (a->proto != NULL) {
		proto = flow_proto_parse(a->proto);
		if (proto < 0)
			return call_refuse(
				call, "proto: %s: must be a protocol's name or 0 to 255", a->proto);
	}
	filter->proto = (int16_t)proto;
	filter->addr[FLOW_ORIG][0] = a->src;
	filter->addr[FLOW_ORIG][1] = a->dst;
	filter->addr[FLOW_REPLY][0] = a->reply_src;
	filter->addr[FLOW_REPLY][1] = a->reply_dst;
	filter->port[FLOW_ORIG][0] = port_of(a, "sport", a->sport);
	filter->port[FLOW_ORIG][1] = port_of(a, "dport", a->dport);
	filter->port[FLOW_REPLY][0] = port_of(a, "reply_sport", a->reply_sport);
	filter->port[FLOW_REPLY][1] = port_of(a, "reply_dport", a->reply_dport);
	if (a->state != 0)
		filter->tcp_state = (int8_t)a->state;
	filter->status_mask =
		(uint16_t)(a->status == STATUS_UNREPLIED ? FLOW_SEEN_REPLY : a->status);
	filter->status = a->status == STATUS_UNREPLIED ? 0 : (uint16_t)a->status;
	filter->has_mark = object_has(&filter_object, a, "mark");
	filter->mark = (uint32_t)a->mark;
	filter->family = (uint8_t)a->family;
	return 0;
}

/* conntrack list */

struct list {
	struct row_source source;
	struct flow_walk *walk;
	unsigned int n_given; /* of the walk's rows */
};

static void list_answered(struct flow_walk *walk)
{
	struct list *list = walk->owner;

	row_source_wake(&list->source);
}

static json_t *list_next(struct row_source *source, bool *is_busy)
{
	struct list *list = (struct list *)source;
	struct flow_walk *walk = list->walk;

	if (!walk->is_mailed && list->n_given < walk->n)
		return flow_to_json(&walk->rows[list->n_given++]);
	if (!walk->is_mailed) {
		list->n_given = 0;
		if (!flow_walk_step(walk))
			return NULL;
	}
	source->is_waiting = true;
	*is_busy = true;
	return NULL;
}

static void list_destroy(struct row_source *source)
{
	struct list *list = (struct list *)source;

	flow_walk_destroy(list->walk);
	free(list);
}

static int conntrack_list(struct call *call, const void *args)
{
	struct flow_filter filter;
	struct list *list;
	int err = filter_read(call, args, &filter);

	if (err < 0)
		return err;
	list = mem_zalloc(sizeof(*list));
	list->source = (struct row_source){ .next = list_next, .destroy = list_destroy };
	list->walk = flow_walk_create(call->ctx, &filter, list_answered, list);
	call->rows = &list->source;
	return 0;
}

/* conntrack flush, conntrack del */

struct deletion {
	TAILQ_ENTRY(deletion) link;
	struct call *call;
	struct flow_walk *walk;
};

static struct flow_control *control_of(const struct dp *dp)
{
	return dp_slot(dp, &flow_module);
}

static void deletion_destroy(struct dp *dp, struct deletion *deletion)
{
	TAILQ_REMOVE(&control_of(dp)->deletions, deletion, link);
	flow_walk_destroy(deletion->walk);
	free(deletion);
}

/* Goes on with the first; what is over is answered. What is on its way would be missed: that comes first. */
void flow_deletions_go_on(struct dp *dp)
{
	struct deletion *first;

	while ((first = TAILQ_FIRST(&control_of(dp)->deletions)) != NULL) {
		struct call *call = first->call;

		if (first->walk->is_mailed || flow_are_moving(dp) || flow_walk_step(first->walk))
			return;
		call->result = json_pack("{s:I}", "deleted", (json_int_t)first->walk->n_deleted);
		deletion_destroy(dp, first);
		call_finish(call, 0);
	}
}

static void deletion_answered(struct flow_walk *walk)
{
	flow_deletions_go_on(walk->dp);
}

static void deletion_cancel(struct call *call, void *owner)
{
	deletion_destroy(call->ctx, owner);
	flow_deletions_go_on(call->ctx);
}

static int deletion_start(struct call *call, const struct flow_filter *filter)
{
	struct deletion *deletion = mem_zalloc(sizeof(*deletion));

	deletion->call = call;
	deletion->walk = flow_walk_create(call->ctx, filter, deletion_answered, deletion);
	deletion->walk->is_deleting = true;
	call_defer(call, deletion_cancel, deletion);
	TAILQ_INSERT_TAIL(&control_of(call->ctx)->deletions, deletion, link);
	flow_deletions_go_on(call->ctx);
	return 0;
}

static int conntrack_flush(struct call *call, const void *args)
{
	struct flow_filter filter;

	flow_filter_init(&filter);
	return deletion_start(call, &filter);
}

static int conntrack_del(struct call *call, const void *args)
{
	const struct filter_args *a = args;
	struct flow_filter filter;
	int err = filter_read(call, a, &filter);

	if (err < 0)
		return err;
	if (a->head.given == 0)
		return call_refuse(
			call, "del needs a filter; conntrack flush forgets all connections");
	return deletion_start(call, &filter);
}

/* conntrack count */

static int conntrack_count(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;
	size_t memory = 0;

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct flow_worker *fw = flow_worker(dp->workers[i]);

		memory += fw->table[FLOW_IP4].memory + fw->table[FLOW_IP6].memory +
			  fw->sources_memory.memory;
	}
	call->result = json_pack("{s:I, s:I, s:I}", "count", (json_int_t)flow_n_tracked(dp), "max",
		(json_int_t)control_of(dp)->sysctl.max, "memory", (json_int_t)memory);
	return 0;
}

/* conntrack stats */

struct flow_figures {
	uint64_t worker, entries, found, invalid, insert, insert_failed, drop, early_drop,
		source_limit, deleted, given, taken, lost, events_lost;
};

#define FLOW_FIGURE(field, text)                                                                   \
	{                                                                                          \
		.name = #field, .help = (text), .offset = offsetof(struct flow_figures, field)     \
	}

static const struct counter stats_counters[] = {
	FLOW_FIGURE(worker, "number of the worker, from 0"),
	FLOW_FIGURE(entries, "connections in its tables now"),
	FLOW_FIGURE(found, "packets whose connection `track` has found; what takes the quick way "
			   "through flow4 and flow6 is not among them"),
	FLOW_FIGURE(invalid, "packets that no connection can have"),
	FLOW_FIGURE(insert, "connections made"),
	FLOW_FIGURE(insert_failed,
		"connections not made since their answers would look like another's"),
	FLOW_FIGURE(drop, "connections not made since the table was full"),
	FLOW_FIGURE(early_drop, "connections that gave way to a new one in a full table"),
	FLOW_FIGURE(source_limit, "connections not made since their source had as many as "
				  "conntrack.max_per_source allows"),
	FLOW_FIGURE(deleted, "connections that have ended, in whatever way"),
	FLOW_FIGURE(given, "connections that went to another worker with their bucket"),
	FLOW_FIGURE(taken, "connections that came from another worker with their bucket"),
	FLOW_FIGURE(lost, "connections that came so and found the table full"),
	FLOW_FIGURE(
		events_lost, "events of connections that found no room on their way to monitor"),
	{ .name = NULL },
};

static uint64_t entries_of(const struct flow_worker *fw)
{
	uint64_t n = 0;

	for (unsigned int family = 0; family < FLOW_N_FAMILIES; family++)
		n += __atomic_load_n(&fw->table[family].n_used, __ATOMIC_RELAXED);
	return n;
}

static json_t *stats_row(const struct worker *w)
{
	const struct flow_worker *fw = flow_worker(w);
	const struct flow_figures figures = {
		.worker = w->id,
		.entries = entries_of(fw),
		.found = fw->n_found,
		.invalid = fw->n_invalid,
		.insert = fw->n_new,
		.insert_failed = fw->n_clashes,
		.drop = fw->n_full,
		.early_drop = fw->n_early_drops,
		.source_limit = fw->n_refused,
		.deleted = fw->n_ended,
		.given = fw->n_given,
		.taken = fw->n_taken,
		.lost = fw->n_lost,
		.events_lost = fw->n_events_lost,
	};

	return counters_json(stats_counters, &figures);
}

static int conntrack_stats(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;

	call->result = json_array();
	for (unsigned int i = 0; i < dp->n_workers; i++)
		json_array_append_new(call->result, stats_row(dp->workers[i]));
	return 0;
}

struct worker_figures {
	uint64_t connections;
};

static const struct counter worker_counters[] = {
	{ .name = "connections",
		.help = "connections in its tables now",
		.offset = offsetof(struct worker_figures, connections) },
	{ .name = NULL },
};

void flow_worker_show(const struct dp *dp, const struct worker *w, json_t *row)
{
	const struct worker_figures figures = { .connections = entries_of(flow_worker(w)) };

	json_object_update_new(row, counters_json(worker_counters, &figures));
}

const struct counter_table flow_counters[] = {
	{ .command = "conntrack stats", .counters = stats_counters },
	{ .command = "worker show", .counters = worker_counters },
	{ .command = NULL },
};

static const struct column list_columns[] = {
	{ .path = "proto", .title = "PROTO" },
	{ .path = "timeout", .title = "TIMEOUT" },
	{ .path = "state", .title = "STATE" },
	{ .path = "orig.src", .title = "SRC" },
	{ .path = "orig.dst", .title = "DST" },
	{ .path = "orig.sport", .title = "SPORT" },
	{ .path = "orig.dport", .title = "DPORT" },
	{ .path = "orig.id", .title = "ID" },
	{ .path = "reply.src", .title = "REPLY SRC" },
	{ .path = "reply.dst", .title = "REPLY DST" },
	{ .path = "reply.sport", .title = "SPORT" },
	{ .path = "reply.dport", .title = "DPORT" },
	{ .path = "status", .title = "STATUS" },
	{ .path = "mark", .title = "MARK" },
	{ .path = "orig.packets", .title = "PACKETS", .is_detail = true },
	{ .path = "orig.bytes", .title = "BYTES", .is_detail = true },
	{ .path = "reply.packets", .title = "REPLY PACKETS", .is_detail = true },
	{ .path = "reply.bytes", .title = "REPLY BYTES", .is_detail = true },
	{ .path = "namespace", .title = "NAMESPACE", .is_detail = true },
	{ .path = "worker", .title = "WORKER", .is_detail = true },
	{ .title = NULL },
};

static const struct column count_columns[] = {
	{ .path = "count", .title = "COUNT" },
	{ .path = "max", .title = "MAX" },
	{ .path = "memory", .title = "MEMORY" },
	{ .title = NULL },
};

static const struct column deleted_columns[] = {
	{ .path = "deleted", .title = "DELETED" },
	{ .title = NULL },
};

static const struct column stats_columns[] = {
	{ .path = "worker", .title = "WORKER" },
	{ .path = "entries", .title = "ENTRIES" },
	{ .path = "found", .title = "FOUND" },
	{ .path = "invalid", .title = "INVALID" },
	{ .path = "insert", .title = "INSERT" },
	{ .path = "insert_failed", .title = "INSERT FAILED" },
	{ .path = "drop", .title = "DROP" },
	{ .path = "early_drop", .title = "EARLY DROP" },
	{ .path = "source_limit", .title = "SOURCE LIMIT" },
	{ .path = "deleted", .title = "DELETED" },
	{ .path = "events_lost", .title = "EVENTS LOST", .is_detail = true },
	{ .title = NULL },
};

const struct command flow_commands[] = {
	{ .object = "conntrack",
		.verb = "list",
		.help = "tracked connections, all or those that match",
		.args = &filter_object,
		.columns = list_columns,
		.run = conntrack_list,
		.is_read_only = true },
	{ .object = "conntrack",
		.verb = "count",
		.help = "how many connections are tracked, may be, and the memory of the tables",
		.columns = count_columns,
		.run = conntrack_count,
		.is_read_only = true },
	{ .object = "conntrack",
		.verb = "stats",
		.help = "what became of packets and connections, by worker",
		.columns = stats_columns,
		.run = conntrack_stats,
		.is_read_only = true },
	{ .object = "conntrack",
		.verb = "flush",
		.help = "forgets all connections",
		.columns = deleted_columns,
		.run = conntrack_flush },
	{ .object = "conntrack",
		.verb = "del",
		.help = "forgets the connections that match",
		.args = &filter_object,
		.columns = deleted_columns,
		.run = conntrack_del },
	{ .object = NULL },
};
