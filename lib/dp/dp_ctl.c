/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Commands that show the dataplane itself: stages, workers, drops, accounting. They only read
 * counters that workers write; a value may be a burst old, none is ever reset. Control thread.
 */
#include "dp/dp.h"

#include <inttypes.h>

#include "dp/dp_priv.h"

/* graph */

/* A stage's counters summed over the workers. */
struct node_sum {
	uint64_t calls, packets, sampled_packets, sampled_cycles;
};

static struct node_sum node_sum(const struct dp *dp, unsigned int stage)
{
	struct node_sum sum = { 0 };

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct stage_node *node = &dp->workers[i]->nodes[stage];

		sum.calls += node->calls;
		sum.packets += node->packets;
		sum.sampled_packets += node->sampled_packets;
		sum.sampled_cycles += node->sampled_cycles;
	}
	return sum;
}

static double ratio(uint64_t a, uint64_t b)
{
	return b == 0 ? 0.0 : (double)((uint64_t)(10.0 * (double)a / (double)b + 0.5)) / 10.0;
}

static int graph_show(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;

	call->result = json_array();
	for (unsigned int i = 0; i < dp->n_stages; i++) {
		const struct stage *stage = dp->stages[i];
		struct node_sum sum = node_sum(dp, i);
		json_t *exits = json_object();

		for (unsigned int e = 1; e < STAGE_EXITS_MAX && stage->exits[e].name != NULL; e++)
			json_object_set_new(
				exits, stage->exits[e].name, json_string(stage->exits[e].target));
		json_array_append_new(call->result,
			json_pack("{s:s, s:I, s:I, s:f, s:f, s:I, s:I, s:o, s:s}", "node",
				stage->name, "calls", (json_int_t)sum.calls, "packets",
				(json_int_t)sum.packets, "packets_per_call",
				ratio(sum.packets, sum.calls), "cycles",
				ratio(sum.sampled_cycles, sum.sampled_packets), "sampled_packets",
				(json_int_t)sum.sampled_packets, "sampled_cycles",
				(json_int_t)sum.sampled_cycles, "exits", exits, "help",
				stage->help));
	}
	return 0;
}

static int graph_dot(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return call_fail(call, -ENOMEM, "out of memory");
	fprintf(out, "digraph weir {\n\tnode [shape=box];\n");
	for (unsigned int i = 0; i < dp->n_stages; i++) {
		const struct stage *stage = dp->stages[i];

		fprintf(out, "\t%s [label=\"%s\\n%" PRIu64 " packets\"];\n", stage->name,
			stage->name, node_sum(dp, i).packets);
		for (unsigned int e = 1; e < STAGE_EXITS_MAX && stage->exits[e].name != NULL; e++)
			fprintf(out, "\t%s -> %s [label=\"%s\"];\n", stage->name,
				stage->exits[e].target, stage->exits[e].name);
	}
	fprintf(out, "}\n");
	fclose(out);
	call->result = json_string(text);
	free(text);
	return 0;
}

/* worker */

struct worker_figures {
	uint64_t worker, packets, passes, sleeps, inject_queue;
	uint64_t handover_queue, handed_over, taken_over, mail_lost, busy_cycles, loop_cycles;
	int64_t cpu, held;
	double busy_percent, cycles_per_packet;
};

#define WORKER_COUNTER(field, text)                                                                \
	{                                                                                          \
		.name = #field, .help = (text), .offset = offsetof(struct worker_figures, field)   \
	}
#define WORKER_RATIO(field, text)                                                                  \
	{                                                                                          \
		.name = #field, .help = (text), .offset = offsetof(struct worker_figures, field),  \
		.is_ratio = true                                                                   \
	}

static const struct counter worker_counters[] = {
	WORKER_COUNTER(worker, "number of the worker, from 0"),
	WORKER_COUNTER(cpu, "CPU that it runs on; -1 when not known"),
	WORKER_RATIO(busy_percent, "share of its time spent on packets, over the last second"),
	WORKER_COUNTER(packets, "packets that it received or made"),
	WORKER_RATIO(cycles_per_packet, "TSC cycles per packet in passes that had packets"),
	WORKER_COUNTER(passes, "walks over the pipeline, with and without packets"),
	WORKER_COUNTER(sleeps, "times that it slept for want of packets"),
	WORKER_COUNTER(held, "packets that wait in its queues now"),
	WORKER_COUNTER(inject_queue, "packets that wait in its inject ring now"),
	WORKER_COUNTER(handover_queue, "packets that wait in its hand-over queues now"),
	WORKER_COUNTER(handed_over, "packets that it gave to another worker"),
	WORKER_COUNTER(taken_over, "packets that other workers gave to it"),
	WORKER_COUNTER(mail_lost, "messages to the control thread that found the ring full"),
	WORKER_COUNTER(busy_cycles, "TSC cycles in passes that had packets"),
	WORKER_COUNTER(loop_cycles, "TSC cycles in all passes and sleeps"),
	{ .name = NULL },
};

static json_t *worker_row(const struct dp *dp, const struct worker *w)
{
	uint64_t n = w->stats.rx + w->stats.originated;
	struct worker_figures figures = {
		.worker = w->id,
		.cpu = w->cpu,
		.busy_percent = ratio((uint64_t)(1e4 * dp->load[w->id].busy), 100),
		.packets = n,
		.cycles_per_packet = ratio(w->busy_cycles, n),
		.passes = w->passes,
		.sleeps = w->sleeps,
		.held = w->stats.held,
		.inject_queue = rte_ring_count(w->inject),
		.handover_queue = worker_waiting(w),
		.handed_over = w->handed_over,
		.taken_over = w->taken_over,
		.mail_lost = w->mail_lost,
		.busy_cycles = w->busy_cycles,
		.loop_cycles = w->loop_cycles,
	};
	json_t *row = counters_json(worker_counters, &figures);

	for (unsigned int i = 0; i < dp->n_modules; i++)
		if (dp->modules[i]->worker_show != NULL)
			dp->modules[i]->worker_show(dp, w, row);
	return row;
}

static int worker_show(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;

	call->result = json_array();
	for (unsigned int i = 0; i < dp->n_workers; i++)
		json_array_append_new(call->result, worker_row(dp, dp->workers[i]));
	return 0;
}

/* drop */

static int drop_show(struct call *call, const void *args)
{
	const struct dp *dp = call->ctx;

	call->result = json_array();
	for (unsigned int r = 0; r < dp->n_reasons; r++) {
		for (unsigned int s = 0; s < dp->n_stages; s++) {
			uint64_t sum = 0;

			for (unsigned int i = 0; i < dp->n_workers; i++)
				sum += dp->workers[i]->drops[r * dp->n_stages + s];
			if (sum == 0)
				continue;
			json_array_append_new(call->result,
				json_pack("{s:s, s:s, s:I, s:s}", "reason", dp->reasons[r]->name,
					"node", dp->stages[s]->name, "packets", (json_int_t)sum,
					"help", dp->reasons[r]->help));
		}
	}
	return 0;
}

/* stats */

#define STATS_COUNTER(key, member, text)                                                           \
	{                                                                                          \
		.name = (key), .help = (text), .offset = offsetof(struct dp_totals, member)        \
	}

static const struct counter stats_counters[] = {
	STATS_COUNTER("rx", stats.rx, "packets received from devices"),
	STATS_COUNTER("originated", stats.originated, "packets made by weir itself"),
	STATS_COUNTER("cloned", stats.cloned, "copies made of packets"),
	STATS_COUNTER("fragments", stats.fragments, "packets more by fragmentation"),
	STATS_COUNTER("tx", stats.tx, "packets taken by devices"),
	STATS_COUNTER("punted", stats.punted, "packets given to the operating system"),
	STATS_COUNTER(
		"consumed", stats.consumed, "packets that ended here because they were for weir"),
	STATS_COUNTER("held", stats.held, "packets that wait in queues now"),
	STATS_COUNTER("dropped", dropped, "packets dropped, the sum of all rows of `drop show`"),
	STATS_COUNTER("difference", difference,
		"what came in or was made, less what became of it; 0 when no packet is under way"),
	{ .name = NULL },
};

static int stats_show(struct call *call, const void *args)
{
	struct dp_totals totals;

	dp_totals(call->ctx, &totals);
	call->result = counters_json(stats_counters, &totals);
	return 0;
}

static const struct counter_table dp_counters[] = {
	{ .command = "stats show", .counters = stats_counters },
	{ .command = "worker show", .counters = worker_counters },
	{ .command = NULL },
};

static const struct column graph_columns[] = {
	{ .path = "node", .title = "NODE" },
	{ .path = "calls", .title = "CALLS" },
	{ .path = "packets", .title = "PACKETS" },
	{ .path = "packets_per_call", .title = "PER CALL" },
	{ .path = "cycles", .title = "CYCLES/PACKET" },
	{ .path = "help", .title = "WHAT IT DOES", .is_detail = true },
	{ .title = NULL },
};

static const struct column worker_columns[] = {
	{ .path = "worker", .title = "WORKER" },
	{ .path = "cpu", .title = "CPU" },
	{ .path = "busy_percent", .title = "BUSY%" },
	{ .path = "packets", .title = "PACKETS" },
	{ .path = "cycles_per_packet", .title = "CYCLES/PACKET" },
	{ .path = "held", .title = "HELD" },
	{ .path = "inject_queue", .title = "INJECT" },
	{ .path = "handover_queue", .title = "HAND-OVER" },
	{ .path = "handed_over", .title = "HANDED OVER" },
	{ .path = "taken_over", .title = "TAKEN OVER" },
	{ .path = "buckets", .title = "BUCKETS" },
	{ .path = "queues", .title = "QUEUES" },
	{ .path = "connections", .title = "CONNECTIONS" },
	{ .path = "passes", .title = "PASSES", .is_detail = true },
	{ .path = "sleeps", .title = "SLEEPS", .is_detail = true },
	{ .path = "mail_lost", .title = "MAIL LOST", .is_detail = true },
	{ .title = NULL },
};

static const struct column drop_columns[] = {
	{ .path = "reason", .title = "REASON" },
	{ .path = "node", .title = "NODE" },
	{ .path = "packets", .title = "PACKETS" },
	{ .path = "help", .title = "MEANING", .is_detail = true },
	{ .title = NULL },
};

static const struct command dp_commands[] = {
	{ .object = "graph",
		.verb = "show",
		.help = "stages with their calls, packets and measured cycles",
		.columns = graph_columns,
		.run = graph_show,
		.is_read_only = true },
	{ .object = "graph",
		.verb = "dot",
		.help = "the pipeline as a graph for dot(1)",
		.run = graph_dot,
		.is_read_only = true },
	{ .object = "worker",
		.verb = "show",
		.help = "workers with their load and queues",
		.columns = worker_columns,
		.run = worker_show,
		.is_read_only = true },
	{ .object = "drop",
		.verb = "show",
		.help = "dropped packets by reason and stage",
		.columns = drop_columns,
		.run = drop_show,
		.is_read_only = true },
	{ .object = "stats",
		.verb = "show",
		.help = "what became of all packets; difference is zero when quiet",
		.run = stats_show,
		.is_read_only = true },
	{ .object = NULL },
};

static const struct drop_reason dp_reasons[] = {
	[DP_DROP_INJECT_FULL] = { "inject_full", "the worker's inject ring had no room" },
	[DP_DROP_INJECT_LOOP] = { "inject_loop", "the packet had entered again too many times" },
	[DP_DROP_HANDOVER_FULL] = { "handover_full",
		"the ring of the worker that the packet belongs to had no room" },
	[DP_DROP_STOPPED] = { "stopped", "weir was stopped while it held the packet" },
};

struct module dp_module = {
	.name = "dp",
	.commands = dp_commands,
	.counters = dp_counters,
	.drops = dp_reasons,
	.n_drops = DP_N_DROPS,
};
