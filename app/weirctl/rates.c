/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See rates.h. A row of the newer sample is paired with the older one of the same key; a counter
 * that is new, or has become smaller because the daemon was started again, counts from zero.
 */
#include "rates.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "session.h"

/* Samples */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

bool sample_take(struct session *session, struct sample *out)
{
	out->links = session_call(session, "link.show", json_pack("{s:b}", "statistics", 1));
	out->workers = session_call(session, "worker.show", NULL);
	out->drops = session_call(session, "drop.show", NULL);
	out->graph = session_call(session, "graph.show", NULL);
	out->at_s = now_s();
	return out->links != NULL && out->workers != NULL && out->drops != NULL &&
	       out->graph != NULL;
}

void sample_fini(struct sample *sample)
{
	json_decref(sample->links);
	json_decref(sample->workers);
	json_decref(sample->drops);
	json_decref(sample->graph);
	*sample = (struct sample){ .links = NULL };
}

/* Counters */

/* Rows are the same when these members are; key2 may be NULL. */
static const json_t *row_like(
	const json_t *rows, const json_t *row, const char *key, const char *key2)
{
	json_t *other;
	size_t i;

	json_array_foreach(rows, i, other)
		if (json_equal(json_object_get(other, key), json_object_get(row, key)) &&
			(key2 == NULL || json_equal(json_object_get(other, key2),
						 json_object_get(row, key2))))
			return other;
	return NULL;
}

/* A number at a path of up to three members, such as "stats64.rx.packets". */
static double number_at(const json_t *row, const char *path)
{
	while (row != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");
		char *key = mem_printf("%.*s", (int)len, path);

		row = json_object_get(row, key);
		free(key);
		path += len + (path[len] == '.');
	}
	return json_number_value(row);
}

static double growth(const json_t *now, const json_t *old, const char *path)
{
	double a = number_at(old, path), b = number_at(now, path);

	return b >= a ? b - a : b;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

/* A share may exceed the whole by what a counter was read later than another. */
static double percent(double a, double b)
{
	double share = 100 * ratio(a, b);

	return share > 100 ? 100 : share;
}

static void set(json_t *row, const char *key, double value)
{
	json_object_set_new(row, key, json_real(value));
}

static void copy(json_t *row, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value != NULL)
		json_object_set(row, key, value);
}

/* Rows of the answer */

static json_t *link_rates(const json_t *now, const json_t *old, double seconds)
{
	json_t *row = json_object();

	copy(row, now, "ifname");
	copy(row, now, "operstate");
	set(row, "rx_pps", growth(now, old, "stats64.rx.packets") / seconds);
	set(row, "rx_bps", 8 * growth(now, old, "stats64.rx.bytes") / seconds);
	set(row, "rx_drops", growth(now, old, "stats64.rx.dropped") / seconds);
	set(row, "tx_pps", growth(now, old, "stats64.tx.packets") / seconds);
	set(row, "tx_bps", 8 * growth(now, old, "stats64.tx.bytes") / seconds);
	set(row, "tx_drops", growth(now, old, "stats64.tx.dropped") / seconds);
	return row;
}

static json_t *worker_rates(const json_t *now, const json_t *old, double seconds)
{
	double packets = growth(now, old, "packets"), busy = growth(now, old, "busy_cycles");
	json_t *row = json_object();

	copy(row, now, "worker");
	copy(row, now, "cpu");
	set(row, "busy_percent", percent(busy, growth(now, old, "loop_cycles")));
	set(row, "pps", packets / seconds);
	set(row, "cycles_per_packet", ratio(busy, packets));
	copy(row, now, "held");
	copy(row, now, "inject_queue");
	copy(row, now, "queues");
	return row;
}

static json_t *drop_rates(const json_t *now, const json_t *old, double seconds)
{
	json_t *row = json_object();

	copy(row, now, "reason");
	copy(row, now, "node");
	set(row, "pps", growth(now, old, "packets") / seconds);
	copy(row, now, "packets");
	return row;
}

/* Cycles are sampled: those of the period, else what the stage has taken on the whole. */
static json_t *stage_rates(const json_t *now, const json_t *old, double seconds)
{
	double n_sampled = growth(now, old, "sampled_packets");
	double cycles = n_sampled > 0 ? growth(now, old, "sampled_cycles") / n_sampled
				      : number_at(now, "cycles");
	double pps = growth(now, old, "packets") / seconds;
	json_t *row = json_object();

	copy(row, now, "node");
	set(row, "pps", pps);
	set(row, "cycles_per_packet", cycles);
	set(row, "share_percent", pps * cycles);
	return row;
}

/* Idle ones are of no interest. */
static void stages_drop_idle(json_t *rows)
{
	for (size_t i = json_array_size(rows); i-- > 0;)
		if (number_at(json_array_get(rows, i), "pps") == 0)
			json_array_remove(rows, i);
}

/* What stage_rates() left there is cycles a second. */
static void stages_share(json_t *rows)
{
	double sum = 0;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		sum += number_at(row, "share_percent");
	json_array_foreach(rows, i, row)
		set(row, "share_percent", percent(number_at(row, "share_percent"), sum));
}

/* Bubbles the greatest to the front: the rows are few. */
static void sort_by(json_t *rows, const char *key)
{
	size_t n = json_array_size(rows);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = n - 1; k > i; k--) {
			json_t *a = json_array_get(rows, k - 1), *b = json_array_get(rows, k);

			if (number_at(a, key) >= number_at(b, key))
				continue;
			json_incref(a);
			json_array_set(rows, k - 1, b);
			json_array_set_new(rows, k, a);
		}
	}
}

typedef json_t *rates_fn(const json_t *now, const json_t *old, double seconds);

static json_t *rates_of(const json_t *now, const json_t *old, const char *key, const char *key2,
	double seconds, rates_fn *fn)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach(now, i, row)
		json_array_append_new(rows, fn(row, row_like(old, row, key, key2), seconds));
	return rows;
}

json_t *rates_between(const struct sample *old, const struct sample *now)
{
	double seconds = now->at_s > old->at_s ? now->at_s - old->at_s : 1e-9;
	json_t *drops = rates_of(now->drops, old->drops, "reason", "node", seconds, drop_rates);
	json_t *stages = rates_of(now->graph, old->graph, "node", NULL, seconds, stage_rates);
	json_t *links = rates_of(now->links, old->links, "ifname", NULL, seconds, link_rates);
	json_t *workers =
		rates_of(now->workers, old->workers, "worker", NULL, seconds, worker_rates);

	stages_drop_idle(stages);
	stages_share(stages);
	sort_by(drops, "packets");
	sort_by(drops, "pps");
	sort_by(stages, "share_percent");
	return json_pack("{s:f, s:o, s:o, s:o, s:o}", "period", seconds, "links", links, "workers",
		workers, "drops", drops, "stages", stages);
}
