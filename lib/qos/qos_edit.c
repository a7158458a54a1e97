/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What changes qdiscs while they run: `qdisc`, `class` and `filter` with add, replace, change and del. Each takes what
 * is configured for the link as JSON, changes that, and gives it back to be decoded, checked and made like the file's:
 * so nothing can be set that the file could not have. Control thread.
 */
#include "qos/qos_edit.h"

#include "base/mem.h"
#include "link/link_kind.h"

#include <string.h>

/* Classes are known by name, or by the handles that `class show` prints: "1:2", or "1:" for a qdisc. */
struct handle {
	unsigned int major, minor;
};

static bool handle_parse(const char *text, struct handle *out)
{
	char *end;

	out->major = (unsigned int)strtoul(text, &end, 16);
	if (end == text || *end != ':')
		return false;
	text = end + 1;
	out->minor = (unsigned int)strtoul(text, &end, 16);
	return *end == '\0';
}

/* Where a class or a qdisc is among what is configured. Borrowed. */
struct place {
	json_t *qdisc;	       /* that has the class, or that it is */
	json_t *class;	       /* NULL: the qdisc itself */
	const struct qdisc *q; /* of qdisc */
};

static json_t *class_at(const json_t *qdisc, const char *name)
{
	json_t *classes = json_object_get(qdisc, "classes"), *class;
	size_t i;

	json_array_foreach(classes, i, class) {
		const char *have = json_string_value(json_object_get(class, "name"));

		if (have != NULL && strcmp(have, name) == 0)
			return class;
	}
	return NULL;
}

static json_t *array_of(json_t *object, const char *key)
{
	json_t *array = json_object_get(object, key);

	if (array == NULL) {
		array = json_array();
		json_object_set_new(object, key, array);
	}
	return array;
}

/* The settings of a band; NULL: it has none. */
static json_t *band_at(const json_t *qdisc, int64_t band)
{
	json_t *classes = json_object_get(qdisc, "classes"), *class;
	size_t i;

	json_array_foreach(classes, i, class)
		if (json_integer_value(json_object_get(class, "band")) == band)
			return class;
	return NULL;
}

/* The same, made if there are none yet. */
static json_t *band_entry(json_t *qdisc, uint32_t band)
{
	json_t *class = band_at(qdisc, band);

	if (class != NULL)
		return class;
	class = json_pack("{s:i}", "band", (int)band);
	json_array_append_new(array_of(qdisc, "classes"), class);
	return class;
}

/* What is configured for the child of a slot. conf NULL: nothing, it is a default. */
struct step {
	const struct qdisc *q;
	const struct qdisc_conf *conf;
	json_t *json;
};

/* The settings of a slot of a prio or htb. */
static json_t *slot_entry(const struct step *at, uint32_t slot)
{
	return at->conf->kind == QDISC_PRIO
		       ? band_entry(at->json, slot)
		       : class_at(at->json, qdisc_slot_name(at->q, at->conf, slot));
}

static struct step step_down(const struct step *from, uint32_t slot)
{
	struct step to = { .q = from->q->children[slot] };
	json_t *class;

	to.conf = from->conf == NULL ? NULL : from->q->ops->slot_conf(from->conf, slot);
	if (to.conf == NULL)
		return to;
	if (from->conf->kind == QDISC_TBF) {
		to.json = json_object_get(from->json, "child");
		return to;
	}
	class = slot_entry(from, slot);
	to.json = json_object_get(class, "child");
	return to;
}

static bool place_set(const struct step *at, uint32_t slot, struct place *out)
{
	*out = (struct place){ .qdisc = at->json, .q = at->q };
	out->class = at->conf->kind == QDISC_TBF ? at->json : slot_entry(at, slot);
	return out->class != NULL;
}

/* A class of htb that only lends has no slot: `class show` numbers it by its place in the list, behind these. */
static bool place_set_lender(const struct step *at, json_t *class, struct place *out)
{
	*out = (struct place){ .qdisc = at->json, .class = class, .q = at->q };
	return at->conf->kind == QDISC_HTB && class != NULL;
}

/* minor 0: the qdisc itself. */
static bool place_set_minor(const struct step *at, unsigned int minor, struct place *out)
{
	uint32_t n = at->q->n_children;

	*out = (struct place){ .qdisc = at->json, .q = at->q };
	if (minor == 0)
		return true;
	if (minor <= n)
		return place_set(at, minor - 1, out);
	return place_set_lender(
		at, json_array_get(json_object_get(at->json, "classes"), minor - n - 1), out);
}

/* From the root down, parents before children. */
static bool place_find(const struct step *at, const char *text, struct place *out)
{
	struct handle handle = { 0 };
	bool is_handle = handle_parse(text, &handle);

	if (at->conf == NULL)
		return false;
	if (is_handle && handle.major == at->q->handle)
		return place_set_minor(at, handle.minor, out);
	for (uint32_t slot = 0; !is_handle && slot < at->q->n_children; slot++)
		if (qdisc_slot_is_named(at->q, at->conf, slot, text))
			return place_set(at, slot, out);
	if (!is_handle && place_set_lender(at, class_at(at->json, text), out))
		return true;
	for (uint32_t slot = 0; slot < at->q->n_children; slot++) {
		struct step below = step_down(at, slot);

		if (place_find(&below, text, out))
			return true;
	}
	return false;
}

/* A change under way. */
struct edit {
	struct call *call;
	struct dp *dp;
	struct link *link;
	struct qos_shaped *shaped; /* NULL: the link has no qdisc */
	json_t *json;		   /* of its configuration; owned */
};

static int edit_begin(struct edit *edit, struct call *call, const char *dev, bool needs_qdisc)
{
	*edit = (struct edit){ .call = call, .dp = call->ctx };
	edit->link = link_by_name(edit->dp, dev);
	if (edit->link == NULL)
		return call_fail(call, -ENODEV, "there is no link \"%s\"", dev);
	edit->shaped = qos_state(edit->dp)->shaped[edit->link->ifindex];
	if (edit->shaped != NULL)
		edit->json = schema_given(&qdisc_object, &qdisc_object, edit->shaped->conf);
	else if (needs_qdisc)
		return call_fail(call, -ENOENT, "link \"%s\" has no qdisc", dev);
	return 0;
}

static bool edit_find(const struct edit *edit, const char *text, struct place *out)
{
	const struct step root = {
		.q = edit->shaped->tree->root,
		.conf = edit->shaped->conf,
		.json = edit->json,
	};

	return place_find(&root, text, out);
}

/* Makes real what edit->json says. */
static int edit_commit(struct edit *edit)
{
	struct qdisc_conf *conf;
	struct node *node;
	struct diag diag;
	char *text;
	int err = 0;

	diag_init(&diag, NULL);
	node = node_from_json(edit->json);
	conf = schema_decode(&qdisc_object, node, "", &diag);
	node_destroy(node);
	if (conf != NULL)
		qdisc_conf_check(conf, &qdisc_object, edit->link->mtu, "", &diag);
	if (diag.n_entries == 0)
		err = qos_set(edit->dp, edit->link, conf, "", &diag);
	if (diag.n_entries > 0) {
		text = diag_text(&diag);
		err = err == 0 ? call_refuse(edit->call, "%s", text)
			       : call_fail(edit->call, err, "%s", text);
		free(text);
		schema_free(&qdisc_object, conf);
	}
	diag_fini(&diag);
	return err;
}

static int edit_end(struct edit *edit, int err)
{
	json_decref(edit->json);
	return err;
}

/* qdisc */

static const char *kind_of(const json_t *qdisc)
{
	const char *kind = json_string_value(json_object_get(qdisc, "kind"));

	return kind != NULL ? kind : "";
}

/* tc's rule: the same kind is changed, and keeps what is not given; another one takes its place. */
static json_t *qdisc_changed(json_t *old, json_t *new)
{
	json_t *merged;

	if (old == NULL || strcmp(kind_of(old), kind_of(new)) != 0)
		return json_incref(new);
	merged = json_copy(old);
	/* Two ways to say the same: the new one is meant. */
	if (json_object_get(new, "latency") != NULL)
		json_object_del(merged, "limit");
	if (json_object_get(new, "limit") != NULL)
		json_object_del(merged, "latency");
	json_object_update(merged, new);
	return merged;
}

enum how { HOW_ADD, HOW_REPLACE, HOW_CHANGE };

static int how_check(struct call *call, enum how how, const json_t *old, const json_t *new)
{
	if (how == HOW_ADD && old != NULL)
		return call_fail(call, -EEXIST, "there is one already: replace or change it");
	if (how == HOW_CHANGE && old == NULL)
		return call_fail(call, -ENOENT, "there is none to change");
	if (how == HOW_CHANGE && strcmp(kind_of(old), kind_of(new)) != 0)
		return call_refuse(call, "kind: is %s: replace it", kind_of(old));
	return 0;
}

static int set_root(struct edit *edit, const struct qdisc_args *args, enum how how, json_t *new)
{
	json_t *changed;
	int err = how_check(edit->call, how, edit->json, new);

	if (err < 0)
		return err;
	json_object_set_new(new, "link", json_string(args->conf.link));
	changed = qdisc_changed(edit->json, new);
	json_decref(edit->json);
	edit->json = changed;
	return edit_commit(edit);
}

static int set_child(struct edit *edit, const struct qdisc_args *args, enum how how, json_t *new)
{
	struct place place;
	json_t *old;
	int err;

	if (edit->shaped == NULL)
		return call_fail(edit->call, -ENOENT, "link \"%s\" has no qdisc", args->conf.link);
	if (!edit_find(edit, args->parent, &place) || place.class == NULL)
		return call_fail(
			edit->call, -ENOENT, "parent: there is no class \"%s\"", args->parent);
	old = json_object_get(place.class, "child");
	err = how_check(edit->call, how, old, new);
	if (err < 0)
		return err;
	json_object_set_new(place.class, "child", qdisc_changed(old, new));
	return edit_commit(edit);
}

static int qdisc_set(struct call *call, const struct qdisc_args *args, enum how how)
{
	json_t *new;
	struct edit edit;
	int err;

	if (args->is_root && args->parent != NULL)
		return call_refuse(call, "root: is one too many: a parent is given");
	err = edit_begin(&edit, call, args->conf.link, false);
	if (err < 0)
		return err;
	new = schema_given(&qdisc_child_object, &qdisc_args_object, args);
	err = args->parent == NULL ? set_root(&edit, args, how, new)
				   : set_child(&edit, args, how, new);
	json_decref(new);
	return edit_end(&edit, err);
}

int qdisc_add(struct call *call, const void *args)
{
	return qdisc_set(call, args, HOW_ADD);
}

int qdisc_replace(struct call *call, const void *args)
{
	return qdisc_set(call, args, HOW_REPLACE);
}

int qdisc_change(struct call *call, const void *args)
{
	return qdisc_set(call, args, HOW_CHANGE);
}

int qdisc_del(struct call *call, const void *args)
{
	const struct qdisc_del_args *a = args;
	struct place place;
	struct edit edit;
	int err = edit_begin(&edit, call, a->dev, true);

	if (err < 0)
		return err;
	if (a->parent == NULL) {
		qos_unset(edit.dp, edit.link);
		return edit_end(&edit, 0);
	}
	if (!edit_find(&edit, a->parent, &place) || place.class == NULL ||
		json_object_del(place.class, "child") < 0)
		return edit_end(
			&edit, call_fail(call, -ENOENT,
				       "parent: class \"%s\" has no qdisc of its own", a->parent));
	return edit_end(&edit, edit_commit(&edit));
}

/* class */

/* The qdisc that a class or filter is to be of: that of `parent`, else the root. */
static json_t *qdisc_of(const struct edit *edit, const char *parent)
{
	struct place place;

	if (parent == NULL)
		return edit->json;
	return edit_find(edit, parent, &place) ? place.qdisc : NULL;
}

/* A class that has settings: a tbf, for which its child is one, has none. */
static bool edit_find_class(const struct edit *edit, const char *text, struct place *out)
{
	return edit_find(edit, text, out) && out->class != NULL && out->q->ops->kind != QDISC_TBF;
}

static bool is_handle(const char *text)
{
	return text != NULL && strchr(text, ':') != NULL;
}

/*
 * The class that is meant, and the qdisc that it is of or is to be of: by handle; by name, anywhere or where a parent
 * says; or by band. False: there is no such parent, or handle.
 */
static bool class_find(const struct edit *edit, const struct qdisc_class_conf *class,
	json_t **qdisc, json_t **entry)
{
	struct place place;

	*entry = NULL;
	*qdisc = qdisc_of(edit, class->parent);
	if (*qdisc == NULL)
		return false;
	if (is_handle(class->name) ||
		(class->name != NULL && class->parent == NULL && class->band < 0)) {
		if (edit_find_class(edit, class->name, &place)) {
			*qdisc = place.qdisc;
			*entry = place.class;
		}
		return *entry != NULL || !is_handle(class->name);
	}
	if (class->name != NULL)
		*entry = class_at(*qdisc, class->name);
	if (*entry == NULL && class->band >= 0)
		*entry = band_at(*qdisc, class->band);
	return true;
}

static int class_check(
	struct call *call, const struct class_args *args, enum how how, const json_t *entry)
{
	if (args->class.name == NULL && args->class.band < 0)
		return call_refuse(call, "name: is missing: or of a prio band");
	if (entry != NULL && how == HOW_ADD)
		return call_fail(call, -EEXIST, "there is such a class already");
	if (entry == NULL && how == HOW_CHANGE)
		return call_fail(call, -ENOENT, "there is no such class");
	return 0;
}

/* Handles say where it goes, or which it is: they are no settings. Only classes of htb have a parent among them. */
static json_t *class_given(const struct class_args *args, const json_t *qdisc)
{
	json_t *new = schema_given(&qdisc_class_object, &class_args_object, args);

	if (is_handle(args->class.parent) || strcmp(kind_of(qdisc), htb_ops.name) != 0)
		json_object_del(new, "parent");
	if (is_handle(args->class.name))
		json_object_del(new, "name");
	return new;
}

static int class_set(struct call *call, const struct class_args *args, enum how how)
{
	json_t *qdisc, *entry, *new;
	struct edit edit;
	int err = edit_begin(&edit, call, args->dev, true);

	if (err < 0)
		return err;
	if (!class_find(&edit, &args->class, &qdisc, &entry))
		return edit_end(&edit, call_fail(call, -ENOENT, "there is no class or qdisc \"%s\"",
					       is_handle(args->class.name) ? args->class.name
									   : args->class.parent));
	err = class_check(call, args, how, entry);
	if (err < 0)
		return edit_end(&edit, err);
	new = class_given(args, qdisc);
	if (entry != NULL)
		json_object_update(entry, new);
	else
		json_array_append(array_of(qdisc, "classes"), new);
	json_decref(new);
	return edit_end(&edit, edit_commit(&edit));
}

int class_add(struct call *call, const void *args)
{
	return class_set(call, args, HOW_ADD);
}

int class_replace(struct call *call, const void *args)
{
	return class_set(call, args, HOW_REPLACE);
}

int class_change(struct call *call, const void *args)
{
	return class_set(call, args, HOW_CHANGE);
}

int class_del(struct call *call, const void *args)
{
	const struct class_del_args *a = args;
	struct place place;
	struct edit edit;
	json_t *classes;
	size_t i;
	int err = edit_begin(&edit, call, a->dev, true);

	if (err < 0)
		return err;
	/* Of a band that has nothing of its own there is nothing to take away. */
	if (!edit_find_class(&edit, a->name, &place) || json_object_size(place.class) == 1)
		return edit_end(
			&edit, call_fail(call, -ENOENT, "there is no class \"%s\"", a->name));
	classes = json_object_get(place.qdisc, "classes");
	for (i = 0; json_array_get(classes, i) != place.class;)
		i++;
	json_array_remove(classes, i);
	return edit_end(&edit, edit_commit(&edit));
}

/* filter */

int filter_add(struct call *call, const void *args)
{
	const struct filter_args *a = args;
	json_t *qdisc, *filters;
	struct edit edit;
	int err = edit_begin(&edit, call, a->dev, true);

	if (err < 0)
		return err;
	qdisc = qdisc_of(&edit, a->parent);
	if (qdisc == NULL)
		return edit_end(&edit,
			call_fail(call, -ENOENT, "parent: there is no qdisc \"%s\"", a->parent));
	filters = array_of(qdisc, "filters");
	json_array_insert_new(filters,
		a->index >= 0 ? RTE_MIN((size_t)a->index, json_array_size(filters))
			      : json_array_size(filters),
		schema_given(&qdisc_filter_object, &filter_args_object, a));
	return edit_end(&edit, edit_commit(&edit));
}

int filter_del(struct call *call, const void *args)
{
	const struct filter_del_args *a = args;
	struct edit edit;
	json_t *qdisc;
	int err = edit_begin(&edit, call, a->dev, true);

	if (err < 0)
		return err;
	qdisc = qdisc_of(&edit, a->parent);
	if (qdisc == NULL ||
		json_array_remove(json_object_get(qdisc, "filters"), (size_t)a->index) < 0)
		return edit_end(&edit, call_fail(call, -ENOENT, "there is no such filter"));
	return edit_end(&edit, edit_commit(&edit));
}
