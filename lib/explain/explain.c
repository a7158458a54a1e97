/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs a made-up packet through the real pipeline. The worker that does it is made for this one packet
 * (dp_scratch_create()): it reads the tables that every worker reads, and all that it writes is its own and
 * goes with it: counters, limits, connections, what it would tell the control thread. Rules know such a
 * packet and neither count nor limit it (flow_first.is_explained).
 *
 * Where a packet would leave that worker the stages have doubles, which note it and end it: sent, held for
 * a neighbour, cut into fragments, answered. Each step is read from the worker's trace.
 *
 * The packet begins where a receive queue would have brought it, on the worker that owns its bucket, so
 * that a port is chosen from those which that worker would choose from. Connections of real workers are
 * not known here: the packet is the first of a new one; whether there is one explain_ctl.c asks that worker
 * by mail. Control thread.
 */
#include "explain/explain_priv.h"

#include "base/mem.h"
#include "link/steer.h"
#include "qos/qos.h"

enum { TRACE_ID = 1 };

/* Whatever lies beyond these is another packet, or another's. */
static const char *const end_stages[] = { "ip4_error", "ip6_error", "tcp_reset", "ip4_output",
	"ip4_fragment", "ip6_output", "neigh_hold", "tx" };

static void end_run(struct worker *w, struct stage_node *node)
{
	trace_note_all(w, node, STAGE_CONSUMED, node->pkts, node->n);
	rte_pktmbuf_free_bulk(node->pkts, node->n);
}

/* The queues that it would wait in are found out while there is a packet. */
static void end_tx_run(struct worker *w, struct stage_node *node)
{
	struct explain_worker *end = worker_slot(w, &explain_module);

	if (end->queues == NULL)
		end->queues = qos_queues_json(w->dp, w, node->pkts[0]);
	end_run(w, node);
}

static void put_doubles(const struct dp *dp, struct worker *w)
{
	for (unsigned int i = 0; i < RTE_DIM(end_stages); i++)
		w->nodes[dp_stage_index(dp, end_stages[i])].run = end_run;
	w->nodes[dp_stage_index(dp, "tx")].run = end_tx_run;
}

static unsigned int owner_of(const struct dp *dp, const struct rte_mbuf *m)
{
	const struct steer *steer = link_steer(dp);
	unsigned int bucket = steer_bucket(steer, rte_pktmbuf_mtod(m, const uint8_t *));

	return bucket == STEER_BUCKET_NONE ? 0 : steer->owner[bucket];
}

static void pass(struct explain_run *run, struct rte_mbuf *m)
{
	struct worker *w = run->w;

	put_doubles(run->dp, w);
	run->trace = mem_zalloc(sizeof(*run->trace));
	w->trace = run->trace;
	*pkt_meta(m) = (struct pkt_meta){ .trace = TRACE_ID };
	stage_push(&w->pending, &w->nodes[dp_stage_index(run->dp, "plain")], m);
	worker_pass(w);
	w->trace = NULL;
}

int explain_run(struct dp *dp, const struct explain_packet *packet, struct explain_run *run)
{
	struct rte_mbuf *m = explain_frame(dp, packet);
	int err;

	*run = (struct explain_run){ .dp = dp, .packet = *packet };
	if (m == NULL)
		return -ENOBUFS;
	err = dp_scratch_create(dp, owner_of(dp, m), &run->w);
	if (err < 0)
		goto err_frame;
	err = flow_scratch_init(run->w);
	if (err < 0)
		goto err_worker;
	pass(run, m);
	return 0;

err_worker:
	dp_scratch_destroy(dp, run->w);
err_frame:
	rte_pktmbuf_free(m);
	return err;
}

void explain_fini(struct explain_run *run)
{
	json_decref(((struct explain_worker *)worker_slot(run->w, &explain_module))->queues);
	free(run->trace);
	flow_scratch_fini(run->w);
	dp_scratch_destroy(run->dp, run->w);
}

struct module explain_module = {
	.name = "explain",
	.commands = explain_commands,
	.worker_state_size = sizeof(struct explain_worker),
};
