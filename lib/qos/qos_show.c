/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See qos_show.h. Numbers have the units of tc's JSON: rates are bytes a second, times microseconds. What tc does not
 * have (names of classes) stands besides. Counters are the owner's, read as they are at the moment.
 */
#include "qos/qos_show.h"

#include "qos/htb.h"
#include "qos/qdisc_kinds.h"

#include <string.h>

/* Statistics are those of the tree that the owner has; it has the shape of the newest, or will soon. */
struct walk {
	const struct qos_shaped *shaped;
	const char *dev;
	json_t *rows;
};

static json_int_t bytes_per_s(uint64_t bps)
{
	return (json_int_t)(bps / 8);
}

static json_int_t us(uint64_t ns)
{
	return (json_int_t)(ns / 1000);
}

static json_t *tbf_options(const struct qdisc_conf *conf)
{
	json_t *options = json_pack(
		"{s:I, s:I}", "rate", bytes_per_s(conf->rate), "burst", (json_int_t)conf->burst);

	if (conf->peakrate != 0) {
		json_object_set_new(options, "peakrate", json_integer(bytes_per_s(conf->peakrate)));
		json_object_set_new(options, "mtu", json_integer((json_int_t)conf->mtu));
	}
	if (conf->latency_ns != 0)
		json_object_set_new(options, "lat", json_integer(us(conf->latency_ns)));
	json_object_set_new(options, "limit", json_integer((json_int_t)tbf_limit(conf)));
	return options;
}

static json_t *prio_options(const struct qdisc_conf *conf)
{
	json_t *options = json_pack("{s:I}", "bands", (json_int_t)conf->bands);
	const int64_t *band = conf->priomap.items;
	json_t *map = json_array();

	for (unsigned int i = 0; i < QDISC_PRIORITIES; i++)
		json_array_append_new(
			map, json_integer(conf->priomap.n > 0 ? band[i] : classify_priomap(i)));
	json_object_set_new(options, "priomap", map);
	if (conf->default_band >= 0)
		json_object_set_new(options, "default_band", json_integer(conf->default_band));
	return options;
}

static json_t *htb_options(const struct qdisc *q, const struct qdisc_conf *conf)
{
	json_t *options = json_pack("{s:i}", "r2q", HTB_R2Q);

	if (conf->default_class != NULL)
		json_object_set_new(options, "default", json_string(conf->default_class));
	else
		json_object_set_new(options, "direct_packets_stat",
			json_integer((json_int_t)q->children[q->n_children - 1]->stats.packets));
	return options;
}

static json_t *fq_codel_options(const struct qdisc_conf *conf)
{
	json_t *options = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "limit",
		(json_int_t)(conf->limit != 0 ? conf->limit : FQ_CODEL_LIMIT), "flows",
		(json_int_t)conf->flows, "quantum", (json_int_t)conf->quantum, "target",
		us(conf->target_ns), "interval", us(conf->interval_ns), "memory_limit",
		(json_int_t)conf->memory_limit, "ecn", conf->has_ecn, "per",
		qdisc_pers[conf->per].name);

	if (conf->ce_threshold_ns != 0)
		json_object_set_new(
			options, "ce_threshold", json_integer(us(conf->ce_threshold_ns)));
	return options;
}

/* conf NULL: one that nobody has configured. */
static json_t *options_of(const struct qdisc *q, const struct qdisc_conf *conf)
{
	switch (q->ops->kind) {
	case QDISC_TBF:
		return tbf_options(conf);
	case QDISC_PRIO:
		return prio_options(conf);
	case QDISC_HTB:
		return htb_options(q, conf);
	case QDISC_FQ_CODEL:
		return fq_codel_options(conf);
	case QDISC_PFIFO:
		return json_pack("{s:I}", "limit", (json_int_t)q->max_packets);
	case QDISC_BFIFO:
		return json_pack("{s:I}", "limit",
			(json_int_t)(q->max_bytes == UINT64_MAX ? BFIFO_LIMIT : q->max_bytes));
	case QDISC_N_KINDS:
		break;
	}
	return json_object();
}

static void put_stats(json_t *row, const struct qdisc *q)
{
	json_object_set_new(row, "bytes", json_integer((json_int_t)q->stats.bytes));
	json_object_set_new(row, "packets", json_integer((json_int_t)q->stats.packets));
	json_object_set_new(row, "drops", json_integer((json_int_t)q->stats.drops));
	json_object_set_new(row, "overlimits", json_integer((json_int_t)q->stats.overlimits));
	json_object_set_new(row, "backlog", json_integer((json_int_t)q->n_bytes));
	json_object_set_new(row, "qlen", json_integer((json_int_t)q->n_packets));
}

static void put_fq_codel(json_t *row, const struct qdisc *q)
{
	struct fq_codel_xstats x;
	json_t *more;

	fq_codel_xstats_get(q, &x);
	more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "maxpacket",
		(json_int_t)x.maxpacket, "drop_overlimit", (json_int_t)x.drop_overlimit,
		"new_flow_count", (json_int_t)x.new_flow_count, "ecn_mark", (json_int_t)x.ecn_mark,
		"new_flows_len", (json_int_t)x.new_flows_len, "old_flows_len",
		(json_int_t)x.old_flows_len, "memory_used", (json_int_t)x.memory_usage,
		"drop_overmemory", (json_int_t)x.drop_overmemory, "ce_mark", (json_int_t)x.ce_mark);
	json_object_update(row, more);
	json_decref(more);
}

static void put_handle(json_t *row, const char *key, unsigned int major, unsigned int minor)
{
	char text[24];

	if (minor == 0)
		snprintf(text, sizeof(text), "%x:", major);
	else
		snprintf(text, sizeof(text), "%x:%x", major, minor);
	json_object_set_new(row, key, json_string(text));
}

typedef void visit_fn(
	const struct walk *walk, const struct qdisc *q, const struct qdisc_conf *conf);

static void walk_tree(const struct walk *walk, const struct qdisc *q, const struct qdisc_conf *conf,
	visit_fn *visit)
{
	visit(walk, q, conf);
	for (uint32_t slot = 0; slot < q->n_children; slot++)
		walk_tree(walk, q->children[slot], q->ops->slot_conf(conf, slot), visit);
}

static void visit_qdisc(
	const struct walk *walk, const struct qdisc *q, const struct qdisc_conf *conf)
{
	json_t *row = json_pack("{s:s}", "kind", q->ops->name);

	put_handle(row, "handle", q->handle, 0);
	json_object_set_new(row, "dev", json_string(walk->dev));
	if (q->parent == NULL)
		json_object_set_new(row, "root", json_true());
	else
		put_handle(row, "parent", q->parent->handle, q->slot + 1);
	json_object_set_new(row, "options", options_of(q, conf));
	put_stats(row, q);
	if (q->parent == NULL)
		json_object_set_new(
			row, "requeues", json_integer((json_int_t)walk->shaped->root->requeues));
	if (q->ops->kind == QDISC_FQ_CODEL)
		put_fq_codel(row, q);
	json_array_append_new(walk->rows, row);
}

/* Those of a link, or of all. */
static int show(struct call *call, const struct qos_show_args *args, visit_fn *visit)
{
	struct qos_state *state = qos_state(call->ctx);
	const struct link *link = args->dev != NULL ? link_by_name(call->ctx, args->dev) : NULL;
	struct walk walk = { .rows = json_array() };

	if (args->dev != NULL && link == NULL) {
		json_decref(walk.rows);
		return call_fail(call, -ENODEV, "there is no link \"%s\"", args->dev);
	}
	for (uint16_t i = 0; i < LINK_MAX; i++) {
		walk.shaped = state->shaped[i];
		if (walk.shaped == NULL || (link != NULL && link->ifindex != i))
			continue;
		walk.dev = link_by_index(call->ctx, i)->name;
		walk_tree(&walk, walk.shaped->tree->root, walk.shaped->conf, visit);
	}
	call->result = walk.rows;
	return 0;
}

int qdisc_show(struct call *call, const void *args)
{
	return show(call, args, visit_qdisc);
}

/* class show */

static json_t *class_row(const struct walk *walk, const struct qdisc *q, unsigned int minor)
{
	json_t *row = json_pack("{s:s, s:s}", "class", q->ops->name, "dev", walk->dev);

	put_handle(row, "handle", q->handle, minor);
	return row;
}

static void visit_htb_classes(const struct walk *walk, const struct qdisc *q)
{
	for (uint32_t i = 0; i < htb_n_classes(q); i++) {
		struct htb_class_info info;
		json_t *row;

		htb_class_get(q, i, rte_rdtsc(), &info);
		/* Inner classes have no slot: their numbers are those behind the slots. */
		row = class_row(
			walk, q, info.slot != HTB_NO_SLOT ? info.slot + 1 : q->n_children + 1 + i);
		json_object_set_new(row, "name", json_string(info.name));
		if (info.parent != NULL)
			json_object_set_new(row, "parent", json_string(info.parent));
		else
			json_object_set_new(row, "root", json_true());
		if (info.slot != HTB_NO_SLOT) {
			put_handle(row, "leaf", q->children[info.slot]->handle, 0);
			json_object_set_new(row, "prio", json_integer((json_int_t)info.prio));
			json_object_set_new(row, "quantum", json_integer((json_int_t)info.quantum));
		}
		json_object_set_new(row, "level", json_integer((json_int_t)info.level));
		json_object_set_new(row, "rate", json_integer(bytes_per_s(info.rate)));
		json_object_set_new(row, "ceil", json_integer(bytes_per_s(info.ceil)));
		json_object_set_new(row, "burst", json_integer((json_int_t)info.burst));
		json_object_set_new(row, "cburst", json_integer((json_int_t)info.cburst));
		json_object_set_new(row, "stats",
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "bytes",
				(json_int_t)info.stats.bytes, "packets",
				(json_int_t)info.stats.packets, "drops",
				(json_int_t)info.stats.drops, "overlimits",
				(json_int_t)info.stats.overlimits, "backlog",
				(json_int_t)info.stats.backlog, "qlen",
				(json_int_t)info.stats.qlen));
		json_object_set_new(row, "lended", json_integer((json_int_t)info.stats.lended));
		json_object_set_new(row, "borrowed", json_integer((json_int_t)info.stats.borrowed));
		json_object_set_new(row, "tokens", json_integer((json_int_t)info.stats.tokens));
		json_object_set_new(row, "ctokens", json_integer((json_int_t)info.stats.ctokens));
		json_array_append_new(walk->rows, row);
	}
}

static void visit_class(
	const struct walk *walk, const struct qdisc *q, const struct qdisc_conf *conf)
{
	if (q->ops->kind == QDISC_HTB) {
		visit_htb_classes(walk, q);
		return;
	}
	for (uint32_t slot = 0; slot < q->n_children; slot++) {
		const char *name = qdisc_slot_name(q, conf, slot);
		json_t *row = class_row(walk, q, slot + 1), *stats = json_object();

		if (name != NULL)
			json_object_set_new(row, "name", json_string(name));
		put_handle(row, "leaf", q->children[slot]->handle, 0);
		put_stats(stats, q->children[slot]);
		json_object_set_new(row, "stats", stats);
		json_array_append_new(walk->rows, row);
	}
}

int class_show(struct call *call, const void *args)
{
	return show(call, args, visit_class);
}

/* filter show */

static void visit_filter(
	const struct walk *walk, const struct qdisc *q, const struct qdisc_conf *conf)
{
	if (conf == NULL || (conf->kind != QDISC_PRIO && conf->kind != QDISC_HTB))
		return;
	for (unsigned int i = 0; i < conf->filters.n; i++) {
		const struct qdisc_filter_conf *filter = qdisc_filter_conf(conf, i);
		json_t *row = json_pack("{s:s, s:i}", "dev", walk->dev, "index", (int)i);
		json_t *given = schema_given(&qdisc_filter_object, &qdisc_filter_object, filter);
		const struct match_source source = { .path = "", .diag = &(struct diag){ 0 } };
		struct match_spec spec;

		put_handle(row, "parent", q->handle, 0);
		if (match_spec_parse(&filter->match, &source, &spec) == 0) {
			json_object_set_new(row, "spec", json_string(spec.text));
			match_spec_fini(&spec);
		}
		json_object_update(row, given);
		json_decref(given);
		json_array_append_new(walk->rows, row);
	}
}

int filter_show(struct call *call, const void *args)
{
	return show(call, args, visit_filter);
}

/* explain */

static json_t *queue_json(const struct dp *dp, const struct qos_shaped *shaped,
	const struct worker *w, struct rte_mbuf *m)
{
	const struct qdisc *leaf;
	json_t *row;

	classify(w, shaped->classifier, m);
	leaf = shaped->tree->leaves[qdisc_pkt(m)->leaf];
	row = json_pack("{s:s, s:s, s:s, s:i}", "dev", link_name(dp, shaped->root->ifindex), "kind",
		leaf->ops->name, "class", leaf->path, "qlen", (int)leaf->n_packets);
	put_handle(row, "handle", leaf->handle, 0);
	return row;
}

json_t *qos_queues_json(const struct dp *dp, const struct worker *w, struct rte_mbuf *m)
{
	const struct link *link = link_by_index(dp, pkt_meta(m)->out_link);
	json_t *rows = NULL;

	for (; link != NULL; link = link->lower) {
		const struct qos_shaped *shaped = qos_state(dp)->shaped[link->ifindex];

		if (shaped == NULL)
			continue;
		if (rows == NULL)
			rows = json_array();
		json_array_append_new(rows, queue_json(dp, shaped, w, m));
	}
	return rows;
}

const struct column qdisc_columns[] = {
	{ .path = "dev", .title = "DEV" },
	{ .path = "kind", .title = "KIND" },
	{ .path = "handle", .title = "HANDLE" },
	{ .path = "parent", .title = "PARENT" },
	{ .path = "packets", .title = "PACKETS" },
	{ .path = "bytes", .title = "BYTES" },
	{ .path = "drops", .title = "DROPS" },
	{ .path = "overlimits", .title = "OVERLIMITS" },
	{ .path = "backlog", .title = "BACKLOG" },
	{ .path = "qlen", .title = "QLEN" },
	{ .path = "requeues", .title = "REQUEUES", .is_detail = true },
	{ .path = "options.rate", .title = "RATE", .is_detail = true },
	{ .path = "options.burst", .title = "BURST", .is_detail = true },
	{ .path = "options.limit", .title = "LIMIT", .is_detail = true },
	{ 0 },
};

const struct column class_columns[] = {
	{ .path = "dev", .title = "DEV" },
	{ .path = "class", .title = "KIND" },
	{ .path = "handle", .title = "HANDLE" },
	{ .path = "name", .title = "NAME" },
	{ .path = "parent", .title = "PARENT" },
	{ .path = "rate", .title = "RATE" },
	{ .path = "ceil", .title = "CEIL" },
	{ .path = "prio", .title = "PRIO" },
	{ .path = "stats.packets", .title = "PACKETS" },
	{ .path = "stats.bytes", .title = "BYTES" },
	{ .path = "stats.drops", .title = "DROPS" },
	{ .path = "stats.qlen", .title = "QLEN" },
	{ .path = "lended", .title = "LENDED", .is_detail = true },
	{ .path = "borrowed", .title = "BORROWED", .is_detail = true },
	{ .path = "tokens", .title = "TOKENS", .is_detail = true },
	{ .path = "ctokens", .title = "CTOKENS", .is_detail = true },
	{ 0 },
};

const struct column filter_columns[] = {
	{ .path = "dev", .title = "DEV" },
	{ .path = "parent", .title = "PARENT" },
	{ .path = "index", .title = "INDEX" },
	{ .path = "spec", .title = "MATCH" },
	{ .path = "vlan_priority", .title = "PCP" },
	{ .path = "class", .title = "CLASS" },
	{ .path = "band", .title = "BAND" },
	{ 0 },
};
