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

static json_t *worker_row(const struct dp *dp, const struct worker *w)
{
	uint64_t n = w->stats.rx + w->stats.originated;
	json_t *row = json_pack(
		"{s:i, s:i, s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"worker", w->id, "cpu", w->cpu, "busy_percent",
		ratio((uint64_t)(1e4 * dp->load[w->id].busy), 100), "packets", (json_int_t)n,
		"cycles_per_packet", ratio(w->busy_cycles, n), "passes", (json_int_t)w->passes,
		"sleeps", (json_int_t)w->sleeps, "held", (json_int_t)w->stats.held, "inject_queue",
		(json_int_t)rte_ring_count(w->inject), "handover_queue",
		(json_int_t)rte_ring_count(w->handover), "handed_over", (json_int_t)w->handed_over,
		"taken_over", (json_int_t)w->taken_over, "mail_lost", (json_int_t)w->mail_lost,
		"busy_cycles", (json_int_t)w->busy_cycles, "loop_cycles",
		(json_int_t)w->loop_cycles);

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

static int stats_show(struct call *call, const void *args)
{
	struct dp_totals totals;

	dp_totals(call->ctx, &totals);
	call->result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx",
		(json_int_t)totals.stats.rx, "originated", (json_int_t)totals.stats.originated,
		"cloned", (json_int_t)totals.stats.cloned, "fragments",
		(json_int_t)totals.stats.fragments, "tx", (json_int_t)totals.stats.tx, "punted",
		(json_int_t)totals.stats.punted, "consumed", (json_int_t)totals.stats.consumed,
		"held", (json_int_t)totals.stats.held, "dropped", (json_int_t)totals.dropped,
		"difference", (json_int_t)totals.difference);
	return 0;
}

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
	.drops = dp_reasons,
	.n_drops = DP_N_DROPS,
};
