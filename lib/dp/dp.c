/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes and ends a dataplane: registers the modules, resolves the pipeline, allocates packets,
 * workers and states, starts worker threads and joins them. Control thread only.
 */
#include "dp/dp.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/mem.h"
#include "dp/dp_priv.h"
#include "dp/sysctl.h"
#include "dp/worker_loop.h"

static int dp_register_modules(struct dp *dp)
{
	unsigned int n = 0;

	while (dp->modules[dp->n_modules] != NULL) {
		struct module *module = dp->modules[dp->n_modules];

		module->id = dp->n_modules++;
		module->drop_base = dp->n_reasons;
		dp->n_reasons += module->n_drops;
	}
	RTE_ASSERT(dp->n_modules <= MODULE_MAX);
	dp->reasons = mem_zalloc((dp->n_reasons + 1) * sizeof(*dp->reasons));
	for (unsigned int i = 0; i < dp->n_modules; i++)
		for (unsigned int j = 0; j < dp->modules[i]->n_drops; j++)
			dp->reasons[n++] = &dp->modules[i]->drops[j];
	return 0;
}

static int stage_find(const struct dp *dp, const char *name)
{
	for (unsigned int i = 0; i < dp->n_stages; i++)
		if (strcmp(dp->stages[i]->name, name) == 0)
			return (int)i;
	return -1;
}

unsigned int dp_stage_index(const struct dp *dp, const char *name)
{
	int index = stage_find(dp, name);

	RTE_VERIFY(index >= 0);
	return (unsigned int)index;
}

/* Exits behind one that is not there would lead nowhere. */
static bool stage_has_gap(const struct stage *stage)
{
	for (unsigned int e = 2; e < STAGE_EXITS_MAX; e++)
		if (stage->exits[e].name != NULL && stage->exits[e - 1].name == NULL)
			return true;
	return false;
}

/* Every exit must exist and lead strictly down, sources come first, names are unique. */
static int dp_check_pipeline(struct dp *dp)
{
	while (dp->stages[dp->n_stages] != NULL)
		dp->n_stages++;
	if (dp->n_stages > STAGE_MAX || stage_find(dp, "drop") != (int)dp->n_stages - 1) {
		log_err("dp", "the pipeline has over %u stages or does not end in drop", STAGE_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < dp->n_stages; i++) {
		const struct stage *stage = dp->stages[i];

		if (stage_find(dp, stage->name) != (int)i ||
			(stage->is_source && i > 0 && !dp->stages[i - 1]->is_source)) {
			log_err("dp", "stage is twice in the pipeline, or a late source name=%s",
				stage->name);
			return -EINVAL;
		}
		for (unsigned int e = 1; e < STAGE_EXITS_MAX && stage->exits[e].name != NULL; e++) {
			if (stage_find(dp, stage->exits[e].target) <= (int)i) {
				log_err("dp", "exit does not lead down stage=%s exit=%s target=%s",
					stage->name, stage->exits[e].name, stage->exits[e].target);
				return -EINVAL;
			}
		}
		if (stage_has_gap(stage)) {
			log_err("dp", "exits are not numbered one after the other stage=%s",
				stage->name);
			return -EINVAL;
		}
	}
	return 0;
}

static void worker_link_nodes(struct dp *dp, struct worker *w)
{
	for (unsigned int i = 0; i < dp->n_stages; i++) {
		struct stage_node *node = &w->nodes[i];
		const struct stage *stage = dp->stages[i];

		w->n_sources += stage->is_source;
		node->stage = stage;
		node->run = stage->run;
		node->index = (uint8_t)i;
		node->next[STAGE_DROP] = &w->nodes[w->drop_index];
		for (unsigned int e = 1; e < STAGE_EXITS_MAX && stage->exits[e].name != NULL; e++)
			node->next[e] = &w->nodes[stage_find(dp, stage->exits[e].target)];
	}
}

struct rte_ring *worker_ring_create(const struct worker *w, const char *what, unsigned int esize,
	unsigned int size, unsigned int flags)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s_%s%u", what, w->is_scratch ? "scratch" : "", w->id);
	return rte_ring_create_elem(name, esize, size, (int)rte_socket_id(), flags);
}

static void worker_destroy(struct dp *dp, struct worker *w)
{
	if (w == NULL)
		return;
	for (unsigned int i = dp->n_modules; i-- > 0;) {
		if (w->slot[i] != NULL && dp->modules[i]->worker_fini != NULL)
			dp->modules[i]->worker_fini(dp, w);
		rte_free(w->slot[i]);
	}
	rte_ring_free(w->inject);
	handover_destroy(w);
	rte_ring_free(w->mail_in);
	rte_ring_free(w->mail_out);
	rte_free(w->drops);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	rte_free(w);
}

static int worker_init_modules(struct dp *dp, struct worker *w)
{
	int err;

	for (unsigned int i = 0; i < dp->n_modules; i++) {
		const struct module *module = dp->modules[i];

		if (module->worker_state_size == 0)
			continue;
		w->slot[i] =
			rte_zmalloc(module->name, module->worker_state_size, RTE_CACHE_LINE_SIZE);
		if (w->slot[i] == NULL)
			return -ENOMEM;
		if (module->worker_init == NULL)
			continue;
		err = module->worker_init(dp, w);
		if (err < 0)
			return err;
	}
	return 0;
}

/* What a worker sleeps on, and how others wake it. */
static int worker_init_sleep(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN };

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	event.data.fd = w->wake_fd;
	if (w->epoll_fd < 0 || w->wake_fd < 0 ||
		epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) < 0)
		return -errno;
	return 0;
}

static struct worker *worker_new(struct dp *dp, unsigned int id)
{
	size_t size = sizeof(struct worker) + dp->n_stages * sizeof(struct stage_node);
	struct worker *w = rte_zmalloc("worker", size, RTE_CACHE_LINE_SIZE);

	if (w == NULL)
		return NULL;
	w->epoll_fd = w->wake_fd = -1;
	w->id = (uint16_t)id;
	w->dp = dp;
	w->pool = dp->pool;
	w->due = UINT64_MAX;
	w->n_stages = (uint16_t)dp->n_stages;
	w->drop_index = (uint16_t)(dp->n_stages - 1);
	w->lcore = LCORE_ID_ANY;
	w->cpu = -1;
	return w;
}

/* Everything but what only a thread needs. */
static int worker_init(struct dp *dp, struct worker *w)
{
	w->inject =
		worker_ring_create(w, "inject", sizeof(void *), WORKER_RING_SIZE, RING_F_SC_DEQ);
	w->mail_in = worker_ring_create(
		w, "mail_in", sizeof(struct mail), WORKER_MAIL_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->mail_out = worker_ring_create(w, "mail_out", sizeof(struct mail), WORKER_MAIL_SIZE,
		RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->drops = rte_zmalloc(
		"drops", dp->n_reasons * dp->n_stages * sizeof(*w->drops), RTE_CACHE_LINE_SIZE);
	if (w->inject == NULL || w->mail_in == NULL || w->mail_out == NULL || w->drops == NULL)
		return -ENOMEM;
	worker_link_nodes(dp, w);
	return worker_init_modules(dp, w);
}

static int worker_create(struct dp *dp, unsigned int id, const struct dp_conf *conf)
{
	struct worker *w = worker_new(dp, id);
	int err;

	if (w == NULL)
		return -ENOMEM;
	dp->workers[dp->n_workers++] = w;
	w->is_adaptive = conf->is_adaptive;
	w->sample_cost = worker_sample_cost();
	err = worker_init_sleep(w);
	if (err == 0)
		err = handover_create(w, conf->n_workers);
	return err < 0 ? err : worker_init(dp, w);
}

static int dp_init_modules(struct dp *dp)
{
	int err;

	/* All states first: a module may look at another's from its init. */
	for (unsigned int i = 0; i < dp->n_modules; i++)
		dp->slot[i] = mem_zalloc(dp->modules[i]->state_size + 1);
	err = sysctl_init(dp);
	for (unsigned int i = 0; i < dp->n_modules && err == 0; i++) {
		if (dp->modules[i]->init != NULL)
			err = dp->modules[i]->init(dp);
		if (err == 0)
			dp->n_inited++;
		else
			log_err("dp", "module does not start name=%s error=%s",
				dp->modules[i]->name, strerror(-err));
	}
	return err;
}

int dp_create(const struct dp_conf *conf, struct dp **out)
{
	struct dp *dp = mem_zalloc(sizeof(*dp));
	int err;

	dp->modules = conf->modules;
	dp->stages = conf->stages;
	dp->events = conf->events;
	dp->wake_fd = -1;
	dp->tsc_hz = rte_get_tsc_hz();
	dp_register_modules(dp);
	err = dp_check_pipeline(dp);
	if (err < 0)
		goto err_destroy;
	dp->pool = rte_pktmbuf_pool_create("packets", conf->n_mbufs, POOL_CACHE_SIZE,
		sizeof(struct pkt_meta),
		RTE_PKTMBUF_HEADROOM + (uint16_t)(conf->mbuf_size == 0 ? RTE_MBUF_DEFAULT_DATAROOM
								       : conf->mbuf_size),
		(int)rte_socket_id());
	if (dp->pool == NULL) {
		err = -rte_errno;
		log_err("dp", "no memory for packets mbufs=%u", conf->n_mbufs);
		goto err_destroy;
	}
	err = rcu_init(dp);
	if (err == 0)
		err = mailbox_init(dp);
	if (err == 0)
		err = dp_init_modules(dp);
	for (unsigned int i = 0; i < conf->n_workers && err == 0; i++)
		err = worker_create(dp, i, conf);
	if (err < 0)
		goto err_destroy;
	*out = dp;
	return 0;

err_destroy:
	dp_destroy(dp);
	return err;
}

/* Frees what waits in a worker's rings, as dropped. Nobody reads its trace any more. */
static void worker_empty_rings(struct worker *w)
{
	struct rte_mbuf *m;

	w->trace = NULL;
	while (w->inject != NULL && rte_ring_dequeue(w->inject, (void **)&m) == 0)
		worker_free_dropped(w, m, &dp_module, DP_DROP_STOPPED, 0);
	handover_empty(w);
}

int dp_scratch_create(struct dp *dp, unsigned int id, struct worker **out)
{
	struct worker *w = worker_new(dp, id);
	int err;

	if (w == NULL)
		return -ENOMEM;
	w->is_scratch = true;
	err = worker_init(dp, w);
	if (err < 0) {
		worker_destroy(dp, w);
		return err;
	}
	*out = w;
	return 0;
}

void dp_scratch_destroy(struct dp *dp, struct worker *w)
{
	worker_empty_rings(w);
	worker_destroy(dp, w);
}

int dp_destroy(struct dp *dp)
{
	unsigned int n_leaked = 0;

	if (dp == NULL)
		return 0;
	for (unsigned int i = 0; i < dp->n_workers; i++)
		worker_empty_rings(dp->workers[i]);
	for (unsigned int i = dp->n_inited; i-- > 0;)
		if (dp->modules[i]->fini != NULL)
			dp->modules[i]->fini(dp);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		worker_destroy(dp, dp->workers[i]);
	rcu_fini(dp);
	mailbox_fini(dp);
	for (unsigned int i = 0; i < dp->n_modules; i++)
		free(dp->slot[i]);
	if (dp->pool != NULL) {
		n_leaked = rte_mempool_in_use_count(dp->pool);
		if (n_leaked > 0)
			log_err("dp", "packets leaked n=%u", n_leaked);
		rte_mempool_free(dp->pool);
	}
	free(dp->reasons);
	free(dp);
	return (int)n_leaked;
}

int dp_launch(struct dp *dp, unsigned int i, unsigned int lcore, int cpu)
{
	struct worker *w = dp->workers[i];
	int err;

	w->lcore = lcore;
	w->cpu = cpu;
	rte_rcu_qsbr_thread_register(dp->rcu, w->id);
	rte_rcu_qsbr_thread_online(dp->rcu, w->id);
	err = rte_eal_remote_launch(worker_loop, w, lcore);
	if (err < 0) {
		rte_rcu_qsbr_thread_offline(dp->rcu, w->id);
		w->lcore = LCORE_ID_ANY;
	}
	return err;
}

void dp_stop(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		atomic_store_explicit(&dp->workers[i]->stop, true, memory_order_relaxed);
		worker_wake(dp->workers[i]);
	}
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct worker *w = dp->workers[i];

		if (w->lcore == LCORE_ID_ANY)
			continue;
		rte_eal_wait_lcore(w->lcore);
		rte_rcu_qsbr_thread_offline(dp->rcu, w->id);
		rte_rcu_qsbr_thread_unregister(dp->rcu, w->id);
		w->lcore = LCORE_ID_ANY;
	}
}

/* Counters of a running worker are a burst old or not: this one may go back by as much. */
static uint64_t packets_kept(const struct worker *w)
{
	uint64_t n = w->stats.rx;

	for (unsigned int i = 0; i < w->dp->n_workers; i++)
		n -= w->refused_by[i];
	return n;
}

static void dp_take_load(struct dp *dp)
{
	uint64_t ns = dp->now_ns - dp->load_ns;

	if (ns < DP_LOAD_NS)
		return;
	dp->load_ns = dp->now_ns;
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct worker *w = dp->workers[i];
		struct worker_load *load = &dp->load[i];
		uint64_t busy = w->busy_cycles - load->busy_cycles;
		uint64_t loop = w->loop_cycles - load->loop_cycles;
		uint64_t packets = RTE_MAX(packets_kept(w), load->packets) - load->packets;

		load->busy_cycles += busy;
		load->loop_cycles += loop;
		load->busy = loop > 0 ? (double)RTE_MIN(busy, loop) / (double)loop : 0;
		load->packets += packets;
		load->rate = 1e9 * (double)packets / (double)ns;
	}
}

void dp_tick(struct dp *dp, uint64_t now_ns)
{
	dp->now_ns = now_ns;
	mailbox_poll(dp);
	dp_take_load(dp);
	for (unsigned int i = 0; i < dp->n_modules; i++)
		if (dp->modules[i]->tick != NULL)
			dp->modules[i]->tick(dp, now_ns);
	mailbox_tick(dp);
	rcu_tick(dp);
}

void dp_publish(struct dp *dp, enum event_kind kind, const void *subject)
{
	for (unsigned int i = 0; i < dp->n_modules; i++)
		if (dp->modules[i]->event != NULL)
			dp->modules[i]->event(dp, kind, subject);
}

void dp_judge(struct dp *dp, enum event_kind kind, const void *subject, struct diag *found)
{
	for (unsigned int i = 0; i < dp->n_modules; i++)
		if (dp->modules[i]->judge != NULL)
			dp->modules[i]->judge(dp, kind, subject, found);
}

void dp_originate(struct dp *dp, struct worker *w, struct rte_mbuf *m, unsigned int stage)
{
	struct pkt_meta *meta = pkt_meta(m);

	meta->start_stage = (uint8_t)stage;
	meta->flags |= PKT_ORIGINATED;
	if (rte_ring_enqueue(w->inject, m) != 0) {
		dp->n_not_originated++;
		rte_pktmbuf_free(m);
		return;
	}
	dp->n_originated++;
	worker_wake(w);
}

void dp_totals(const struct dp *dp, struct dp_totals *out)
{
	struct worker_stats *sum = &out->stats;

	*out = (struct dp_totals){ .stats.originated = dp->n_originated };
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		const struct worker *w = dp->workers[i];

		sum->rx += w->stats.rx;
		sum->originated += w->stats.originated;
		sum->cloned += w->stats.cloned;
		sum->fragments += w->stats.fragments;
		sum->tx += w->stats.tx;
		sum->punted += w->stats.punted;
		sum->consumed += w->stats.consumed;
		sum->held += w->stats.held + rte_ring_count(w->inject) + worker_waiting(w);
		for (unsigned int j = 0; j < dp->n_reasons * dp->n_stages; j++)
			out->dropped += w->drops[j];
	}
	out->difference = (int64_t)(sum->rx + sum->originated + sum->cloned + sum->fragments -
				    sum->tx - sum->punted - sum->consumed - out->dropped) -
			  sum->held;
}

uint64_t dp_drops(const struct dp *dp, const char *reason)
{
	uint64_t sum = 0;
	unsigned int id;

	for (id = 0; id < dp->n_reasons && strcmp(dp->reasons[id]->name, reason) != 0; id++)
		;
	if (id == dp->n_reasons)
		return UINT64_MAX;
	for (unsigned int i = 0; i < dp->n_workers; i++)
		for (unsigned int s = 0; s < dp->n_stages; s++)
			sum += dp->workers[i]->drops[id * dp->n_stages + s];
	return sum;
}
