/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is wrong with the settings of qdiscs: keys of other kinds, classes and bands that do not exist, bursts that no
 * packet fits in. Used for the file, and before anything is changed at runtime. Control thread.
 */
#include "base/mem.h"
#include "match/match.h"
#include "qos/htb.h"
#include "qos/qdisc.h"

#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>

#define KIND(kind) (1u << (kind))

static const struct {
	const char *key;
	unsigned int kinds;
} keys[] = {
	{ "rate", KIND(QDISC_TBF) },
	{ "burst", KIND(QDISC_TBF) },
	{ "latency", KIND(QDISC_TBF) },
	{ "limit", KIND(QDISC_TBF) | KIND(QDISC_PFIFO) | KIND(QDISC_BFIFO) | KIND(QDISC_FQ_CODEL) },
	{ "peakrate", KIND(QDISC_TBF) },
	{ "mtu", KIND(QDISC_TBF) },
	{ "overhead", KIND(QDISC_TBF) | KIND(QDISC_HTB) },
	{ "mpu", KIND(QDISC_TBF) | KIND(QDISC_HTB) },
	{ "linklayer", KIND(QDISC_TBF) | KIND(QDISC_HTB) },
	{ "bands", KIND(QDISC_PRIO) },
	{ "priomap", KIND(QDISC_PRIO) },
	{ "default_band", KIND(QDISC_PRIO) },
	{ "default", KIND(QDISC_HTB) },
	{ "classes", KIND(QDISC_PRIO) | KIND(QDISC_HTB) },
	{ "filters", KIND(QDISC_PRIO) | KIND(QDISC_HTB) },
	{ "flows", KIND(QDISC_FQ_CODEL) },
	{ "target", KIND(QDISC_FQ_CODEL) },
	{ "interval", KIND(QDISC_FQ_CODEL) },
	{ "quantum", KIND(QDISC_FQ_CODEL) },
	{ "ecn", KIND(QDISC_FQ_CODEL) },
	{ "ce_threshold", KIND(QDISC_FQ_CODEL) },
	{ "memory_limit", KIND(QDISC_FQ_CODEL) },
	{ "per", KIND(QDISC_FQ_CODEL) },
	{ "child", KIND(QDISC_TBF) },
};

/* A qdisc that is being looked at. */
struct look {
	const struct qdisc_conf *conf;
	const struct object *object; /* that it was decoded by */
	const char *path;
	unsigned int depth;
	uint32_t frame_len; /* the longest of the link */
	struct diag *found;
};

static void look_error(const struct look *look, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void look_error(const struct look *look, const char *key, const char *fmt, ...)
{
	char *path = mem_printf("%s%s%s", look->path, *look->path != '\0' ? "." : "", key), *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	diag_error(look->found, 0, path, "%s", text);
	free(text);
	free(path);
}

static bool look_has(const struct look *look, const char *key)
{
	return object_has(look->object, look->conf, key);
}

static void check_keys(const struct look *look)
{
	for (unsigned int i = 0; i < RTE_DIM(keys); i++)
		if (look_has(look, keys[i].key) && !(keys[i].kinds & KIND(look->conf->kind)))
			look_error(look, keys[i].key, "is no setting of %s",
				qdisc_kinds[look->conf->kind].name);
}

/* As the link below takes it. */
static void check_burst(const struct look *look, const char *key, uint64_t burst)
{
	const struct rate rate = {
		.mpu = (uint32_t)look->conf->mpu,
		.overhead = (int32_t)look->conf->overhead,
		.is_atm = look->conf->is_atm,
	};
	uint32_t min = rate_bytes(&rate, look->frame_len);

	if (burst < min)
		look_error(look, key, "must be %u bytes at least: a frame of the link's MTU", min);
}

static void check_tbf(const struct look *look)
{
	const struct qdisc_conf *conf = look->conf;

	if (!look_has(look, "rate"))
		look_error(look, "rate", "is missing: a tbf needs it");
	if (!look_has(look, "burst"))
		look_error(look, "burst", "is missing: a tbf needs it");
	else
		check_burst(look, "burst", conf->burst);
	if (look_has(look, "limit") == look_has(look, "latency"))
		look_error(look, "latency", "%s: a tbf needs either this or limit",
			look_has(look, "limit") ? "is one too many" : "is missing");
	if (look_has(look, "peakrate") != look_has(look, "mtu"))
		look_error(look, look_has(look, "mtu") ? "peakrate" : "mtu",
			"is missing: peakrate and mtu belong together");
	if (look_has(look, "mtu"))
		check_burst(look, "mtu", conf->mtu);
	if (look_has(look, "peakrate") && conf->peakrate <= conf->rate)
		look_error(look, "peakrate", "must be above rate");
}

bool qdisc_conf_has_class(const struct qdisc_conf *conf, const char *name)
{
	char number[24];

	for (unsigned int i = 0; i < conf->classes.n; i++) {
		const char *have = qdisc_class_conf(conf, i)->name;

		if (have != NULL && strcmp(have, name) == 0)
			return true;
	}
	for (int64_t band = 0; conf->kind == QDISC_PRIO && band < conf->bands; band++) {
		snprintf(number, sizeof(number), "%" PRId64, band);
		if (strcmp(number, name) == 0)
			return true;
	}
	return false;
}

/* An htb's class that others borrow from has no packets of its own. */
static bool is_lender(const struct qdisc_conf *conf, const char *name)
{
	for (unsigned int i = 0; i < conf->classes.n; i++) {
		const char *parent = qdisc_class_conf(conf, i)->parent;

		if (parent != NULL && strcmp(parent, name) == 0)
			return true;
	}
	return false;
}

static void check_target(const struct look *look, const char *key, const char *name)
{
	if (!qdisc_conf_has_class(look->conf, name))
		look_error(look, key, "there is no class \"%s\"", name);
	else if (look->conf->kind == QDISC_HTB && is_lender(look->conf, name))
		look_error(look, key,
			"\"%s\" only lends to classes: no packets of its own go there", name);
}

static void check_filter(const struct look *look, unsigned int i)
{
	const struct qdisc_filter_conf *filter = qdisc_filter_conf(look->conf, i);
	char *path = mem_printf("%s%sfilters[%u]", look->path, *look->path != '\0' ? "." : "", i);
	const struct match_source source = { .path = path, .diag = look->found };
	struct look inner = *look;
	struct match_spec spec;

	if (match_spec_parse(&filter->match, &source, &spec) == 0)
		match_spec_fini(&spec);
	inner.path = path;
	if (filter->match.state.n > 0)
		look_error(&inner, "state", "is not known any more where packets leave");
	if ((filter->class != NULL) == (filter->band >= 0))
		look_error(&inner, "class", "%s",
			filter->class == NULL ? "is missing: a filter needs one, or of prio a band"
					      : "and band are two ways of saying it: give one");
	else if (filter->class != NULL)
		check_target(&inner, "class", filter->class);
	else if (look->conf->kind != QDISC_PRIO)
		look_error(&inner, "band", "only a prio has bands");
	else if (filter->band >= look->conf->bands)
		look_error(&inner, "band", "there are bands 0 to %" PRId64 " only",
			look->conf->bands - 1);
	free(path);
}

static bool is_number(const char *name)
{
	return *name != '\0' && name[strspn(name, "0123456789")] == '\0';
}

static void check_prio_class(const struct look *look, unsigned int i)
{
	static const char *const of_htb[] = { "parent", "rate", "ceil", "burst", "cburst", "prio",
		"quantum" };
	const struct qdisc_class_conf *class = qdisc_class_conf(look->conf, i);

	for (unsigned int k = 0; k < RTE_DIM(of_htb); k++)
		if (object_has(&qdisc_class_object, class, of_htb[k]))
			look_error(look, of_htb[k], "is a setting of classes of htb");
	if (class->band < 0 || class->band >= look->conf->bands)
		look_error(look, "band", "must say which of the bands 0 to %" PRId64,
			look->conf->bands - 1);
	if (class->name != NULL && is_number(class->name) && atoll(class->name) != class->band)
		look_error(look, "name", "\"%s\" is a number, and not this band's", class->name);
	for (unsigned int k = 0; k < i; k++) {
		const struct qdisc_class_conf *other = qdisc_class_conf(look->conf, k);

		if (other->band == class->band)
			look_error(look, "band", "classes[%u] is about the same band", k);
		if (class->name != NULL && other->name != NULL &&
			strcmp(class->name, other->name) == 0)
			look_error(look, "name", "classes[%u] has the same name", k);
	}
}

static void check_prio(const struct look *look)
{
	const struct qdisc_conf *conf = look->conf;

	if (conf->default_band >= conf->bands)
		look_error(look, "default_band", "there are bands 0 to %" PRId64 " only",
			conf->bands - 1);
	if (conf->priomap.n != 0 && conf->priomap.n != QDISC_PRIORITIES)
		look_error(look, "priomap", "must name a band for each of %u priorities",
			QDISC_PRIORITIES);
	for (unsigned int i = 0; i < conf->priomap.n; i++)
		if (((const int64_t *)conf->priomap.items)[i] >= conf->bands)
			look_error(look, "priomap", "there are bands 0 to %" PRId64 " only",
				conf->bands - 1);
}

/* htb_check() knows of frames of Ethernet; links may have longer ones. */
static void check_class_burst(const struct look *look, const char *key, uint64_t burst)
{
	if (burst >= HTB_MTU && look->frame_len > HTB_MTU)
		check_burst(look, key, burst);
}

/* What commands take for a handle, or an htb for what no class shapes, is no name of a class. */
static void check_name(const struct look *look, const char *name)
{
	bool is_htb = look->conf->kind == QDISC_HTB;

	if (name == NULL && is_htb)
		look_error(look, "name", "is missing: a class of htb needs it");
	if (name == NULL)
		return;
	if (*name == '\0')
		look_error(look, "name", "is empty");
	if (strchr(name, ':') != NULL)
		look_error(look, "name", "\"%s\": may not contain a colon: handles do", name);
	if (is_htb && strcmp(name, "direct") == 0)
		look_error(look, "name", "\"direct\" is what no class shapes");
}

static void look_at(const struct look *look);

static void look_into(const struct look *look, const char *path, const struct field_list *child)
{
	struct look inner = *look;

	if (child->n == 0)
		return;
	inner.conf = child->items;
	inner.object = &qdisc_child_object;
	inner.path = path;
	inner.depth++;
	look_at(&inner);
}

static void look_into_class(const struct look *look, unsigned int i)
{
	const struct qdisc_class_conf *class = qdisc_class_conf(look->conf, i);
	char *path = mem_printf("%s%sclasses[%u]", look->path, *look->path != '\0' ? "." : "", i);
	char *child = mem_printf("%s.child", path);
	struct look inner = *look;

	inner.path = path;
	check_name(&inner, class->name);
	if (look->conf->kind == QDISC_PRIO)
		check_prio_class(&inner, i);
	else if (class->band >= 0)
		look_error(&inner, "band", "only a prio has bands");
	check_class_burst(&inner, "burst", class->burst);
	check_class_burst(&inner, "cburst", class->cburst);
	look_into(look, child, &class->child);
	free(child);
	free(path);
}

static void look_at_classes(const struct look *look)
{
	for (unsigned int i = 0; i < look->conf->filters.n; i++)
		check_filter(look, i);
	for (unsigned int i = 0; i < look->conf->classes.n; i++)
		look_into_class(look, i);
}

static bool have_names(const struct qdisc_conf *conf)
{
	for (unsigned int i = 0; i < conf->classes.n; i++)
		if (qdisc_class_conf(conf, i)->name == NULL)
			return false;
	return true;
}

static void look_at(const struct look *look)
{
	const struct qdisc_conf *conf = look->conf;
	char *child;

	if (look->depth >= QDISC_DEPTH_MAX) {
		look_error(look, "kind", "qdiscs nest deeper than %u", QDISC_DEPTH_MAX);
		return;
	}
	check_keys(look);
	if (conf->kind == QDISC_TBF)
		check_tbf(look);
	if (conf->kind == QDISC_PRIO)
		check_prio(look);
	if (conf->kind == QDISC_HTB && have_names(conf))
		htb_check(conf, look->found, NULL, look->path);
	if (conf->kind == QDISC_PRIO || conf->kind == QDISC_HTB)
		look_at_classes(look);
	if (conf->kind != QDISC_TBF)
		return;
	child = mem_printf("%s%schild", look->path, *look->path != '\0' ? "." : "");
	look_into(look, child, &conf->child);
	free(child);
}

void qdisc_conf_check(const struct qdisc_conf *conf, const struct object *object, uint16_t mtu,
	const char *path, struct diag *found)
{
	const struct look look = {
		.conf = conf,
		.object = object,
		.path = path,
		.frame_len = (uint32_t)mtu + RTE_ETHER_HDR_LEN,
		.found = found,
	};

	/* Those below, for want of names and numbers, could not be counted if anything was wrong. */
	look_at(&look);
	if (found->n_entries == 0 && qdisc_count(conf) > QDISC_LEAVES_MAX)
		look_error(&look, "kind", "has %u qdiscs with those below it, %u are possible",
			qdisc_count(conf), QDISC_LEAVES_MAX);
}
