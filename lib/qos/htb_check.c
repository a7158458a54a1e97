/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What can be wrong with the classes of an htb, among each other and with their rates. What each setting may be by
 * itself is the schema's. A class whose parent cannot be right is taken for one without, so that a mistake is told
 * once. That children are sure of more than their parent's rate is no mistake: they get it as long as the ceil has it.
 * Changes nothing. Control thread.
 */
#include "qos/htb_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct check {
	const struct qdisc_conf *conf;
	struct diag *diag;
	const struct node *root;
	const char *path;
	int32_t *parents; /* place of each class's; HTB_NO_PARENT also when it cannot be right */
	bool *is_inner;
};

static inline uint64_t ceil_of(const struct qdisc_class_conf *class)
{
	return class->ceil != 0 ? class->ceil : class->rate;
}

/* Of a setting of a class. */
static __attribute__((format(printf, 4, 5))) void class_error(
	struct check *check, uint32_t i, const char *setting, const char *fmt, ...)
{
	char *path = mem_printf("%s%sclasses[%" PRIu32 "].%s", check->path,
		*check->path != '\0' ? "." : "", i, setting);
	int line = check->root != NULL ? node_line(check->root, path)
				       : htb_conf_class(check->conf, i)->head.line;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(check->diag, line, path, "%s", text);
	free(path);
}

static void check_names(struct check *check)
{
	uint32_t n = check->conf->classes.n;
	int32_t *first = mem_zalloc((n + 1) * sizeof(*first));

	htb_conf_firsts(check->conf, first);
	for (uint32_t i = 0; i < n; i++)
		if (first[i] != (int32_t)i)
			class_error(check, i, "name", "\"%s\" is already the name of classes[%d]",
				htb_conf_class(check->conf, i)->name, first[i]);
	free(first);
}

/* How many stand on the way up from a class, with it; more than HTB_LEVELS: too many, or a loop. */
static uint32_t depth_of(const struct check *check, int32_t i)
{
	uint32_t depth = 0;

	for (; i >= 0 && depth <= HTB_LEVELS; i = check->parents[i])
		depth++;
	return depth;
}

static bool is_in_loop(const struct check *check, uint32_t start)
{
	int32_t i = check->parents[start];

	for (uint32_t n = 0; i >= 0 && n < check->conf->classes.n; n++) {
		if (i == (int32_t)start)
			return true;
		i = check->parents[i];
	}
	return false;
}

static void check_parent(struct check *check, uint32_t i)
{
	const char *parent = htb_conf_class(check->conf, i)->parent;

	if (check->parents[i] == HTB_UNKNOWN_PARENT)
		class_error(check, i, "parent", "there is no class \"%s\"", parent);
	else if (depth_of(check, (int32_t)i) <= HTB_LEVELS)
		return;
	else if (is_in_loop(check, i))
		class_error(check, i, "parent", "\"%s\" borrows from this class itself", parent);
	else if (depth_of(check, check->parents[i]) <= HTB_LEVELS)
		class_error(check, i, "parent", "at most %u classes can stand above each other",
			HTB_LEVELS);
	else
		return;
	check->parents[i] = HTB_NO_PARENT;
}

/* A frame of Ethernet must fit, as it is on the link below. */
static void check_burst(struct check *check, uint32_t i, const char *setting, uint64_t burst)
{
	const struct rate rate = {
		.mpu = (uint32_t)check->conf->mpu,
		.overhead = (int32_t)check->conf->overhead,
		.is_atm = check->conf->is_atm,
	};
	uint32_t min = rate_bytes(&rate, HTB_MTU);

	if (burst != 0 && burst < min)
		class_error(
			check, i, setting, "must hold a frame: at least %" PRIu32 " bytes", min);
}

static void check_rates(struct check *check, uint32_t i)
{
	const struct qdisc_class_conf *class = htb_conf_class(check->conf, i);

	if (class->rate == 0)
		class_error(check, i, "rate", "a class needs a rate");
	else if (ceil_of(class) < class->rate)
		class_error(check, i, "ceil",
			"%" PRIu64 " bit/s are less than the rate of %" PRIu64 " bit/s",
			class->ceil, class->rate);
	check_burst(check, i, "burst", class->burst);
	check_burst(check, i, "cburst", class->cburst);
}

/* What children are sure of must be possible. */
static void check_sums(struct check *check)
{
	uint32_t n = check->conf->classes.n;
	uint64_t *sums = mem_zalloc((n + 1) * sizeof(*sums));

	for (uint32_t i = 0; i < n; i++)
		if (check->parents[i] >= 0)
			sums[check->parents[i]] += htb_conf_class(check->conf, i)->rate;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t ceil = ceil_of(htb_conf_class(check->conf, i));

		if (sums[i] > ceil)
			class_error(check, i,
				htb_conf_class(check->conf, i)->ceil != 0 ? "ceil" : "rate",
				"the rates of its children sum up to %" PRIu64
				" bit/s, more than its ceil of %" PRIu64 " bit/s",
				sums[i], ceil);
	}
	free(sums);
}

/* Inner classes have no queue. */
static void check_children(struct check *check)
{
	for (uint32_t i = 0; i < check->conf->classes.n; i++)
		if (check->parents[i] >= 0)
			check->is_inner[check->parents[i]] = true;
	for (uint32_t i = 0; i < check->conf->classes.n; i++)
		if (check->is_inner[i] && htb_conf_class(check->conf, i)->child.n > 0)
			class_error(check, i, "child",
				"a class that others borrow from has no queue of its own");
}

/* What is wrong with a class that gets what no filter names. NULL: nothing. */
static const char *default_problem(const struct check *check, const char *name)
{
	for (uint32_t i = 0; i < check->conf->classes.n; i++)
		if (strcmp(htb_conf_class(check->conf, i)->name, name) == 0)
			return check->is_inner[i] ? "others borrow from this class, it has no queue"
						  : NULL;
	return "there is no such class";
}

static void check_default(struct check *check)
{
	const char *name = check->conf->default_class, *problem;
	char *path;

	if (name == NULL || (problem = default_problem(check, name)) == NULL)
		return;
	path = mem_printf("%s%sdefault", check->path, *check->path != '\0' ? "." : "");
	diag_error(check->diag,
		check->root != NULL ? node_line(check->root, path) : check->conf->head.line, path,
		"\"%s\": %s", name, problem);
	free(path);
}

void htb_check(
	const struct qdisc_conf *conf, struct diag *diag, const struct node *root, const char *path)
{
	uint32_t n = conf->classes.n;
	struct check check = {
		.conf = conf,
		.diag = diag,
		.root = root,
		.path = path,
		.parents = mem_zalloc((n + 1) * sizeof(*check.parents)),
		.is_inner = mem_zalloc((n + 1) * sizeof(*check.is_inner)),
	};

	htb_conf_parents(conf, check.parents);
	check_names(&check);
	for (uint32_t i = 0; i < n; i++) {
		check_parent(&check, i);
		check_rates(&check, i);
	}
	check_sums(&check);
	check_children(&check);
	check_default(&check);
	free(check.is_inner);
	free(check.parents);
}
