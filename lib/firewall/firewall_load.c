/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Puts rules in the place of those that run: those of a file (`firewall load FILE`), all or nothing, or
 * the same ones once more when links have come or gone that they were not compiled for.
 *
 * Ten thousand rules take longer than the control thread may be away, so a thread of its own does everything
 * from reading to compiling, on what it is given: the names of links as they were and the rules that run,
 * of which it reads only what is constant. Nobody replaces those meanwhile, since one load is under way at
 * a time. The control thread looks at every tick whether it has finished, publishes and answers. When the
 * client has gone the rules are put in place all the same.
 *
 * Links may come and go meanwhile. A file is then read once more: what it says was held against links that are
 * no more. Rules that are only compiled anew are put in place, which is nearer to what is wanted than those that
 * run, and compiled again; a link that they name cannot have gone (firewall_judge()).
 */
#include "firewall/firewall_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "match/class_names.h"

struct load {
	/* Given to the thread, constant for it. */
	char *path;		      /* NULL: the rules that run, once more */
	struct ruleset_source source; /* origin: of a file it is filled in by the thread */
	pthread_t thread;
	struct call *call; /* control thread; NULL: nobody waits for an answer */
	/* What it hands back; the control thread reads it after is_done (acquire; release there). */
	_Atomic bool is_done;
	struct ruleset *ruleset; /* NULL: it failed */
	struct diag diag;
	int err;
};

/* A file with the section around the hooks. */
struct file_conf {
	struct object_head head;
	struct firewall_conf firewall;
};

static const struct object file_object = {
	.name = "file of rules",
	.size = sizeof(struct file_conf),
	.fields =
		(const struct field[]){
			{ .name = "firewall",
				.type = FIELD_GROUP,
				.offset = offsetof(struct file_conf, firewall),
				.object = &firewall_object },
			{ .type = FIELD_END },
		},
};

/* The thread */

static bool load_has_link(void *ctx, const char *name)
{
	const struct load *load = ctx;

	for (unsigned int i = 1; i < LINK_MAX; i++)
		if (strncmp(load->source.known->names.names[i], name, LINK_NAME_MAX) == 0)
			return true;
	return false;
}

/* Who has a class has asked for its number. */
static bool load_has_class(void *ctx, const char *name)
{
	(void)ctx;
	return class_find(name) != CLASS_NONE;
}

/* The rules in a file's tree, with all that is wrong with them in load->diag. Owned by *own. */
static const struct firewall_conf *load_decode(
	struct load *load, const struct node *root, void **own, const struct object **own_object)
{
	static const struct firewall_known known = {
		.has_link = load_has_link,
		.has_class = load_has_class,
	};
	bool is_wrapped = node_child(root, "firewall") != NULL;
	struct config config = { .root = (struct node *)(uintptr_t)root };
	const struct firewall_conf *conf;

	*own_object = is_wrapped ? &file_object : &firewall_object;
	*own = schema_decode_loose(*own_object, root, "", &load->diag);
	conf = is_wrapped ? &((const struct file_conf *)*own)->firewall : *own;
	config.n_wrong = load->diag.n_entries;
	/* An empty file is more likely an accident than the wish to let everything pass. */
	if (root->child == NULL)
		diag_error(&load->diag, 0, "",
			"holds no rules; \"firewall: {};\" would let everything pass");
	firewall_conf_check(&config, &load->diag, is_wrapped ? "firewall" : "", conf, &known, load);
	return conf;
}

static int load_read(struct load *load)
{
	struct node *root = node_read_file(load->path, &load->diag);
	const struct firewall_conf *conf;
	const struct object *own_object;
	void *own;

	if (root == NULL)
		return -EINVAL;
	conf = load_decode(load, root, &own, &own_object);
	node_destroy(root);
	load->source.origin = ruleset_origin_create(conf, load->path, own, own_object);
	if (load->source.origin == NULL)
		return -ENOMEM;
	return load->diag.n_entries > 0 ? -EINVAL : 0;
}

static int load_make(struct load *load)
{
	int err = load->path != NULL ? load_read(load) : 0;

	return err < 0 ? err : ruleset_build(&load->source, &load->ruleset);
}

static void *load_run(void *arg)
{
	struct load *load = arg;

	load->err = load_make(load);
	atomic_store_explicit(&load->is_done, true, memory_order_release);
	return NULL;
}

/* The control thread */

static void load_cancel(struct call *call, void *owner)
{
	struct load *load = owner;

	load->call = NULL;
}

static struct load *load_create(const char *path)
{
	struct load *load = mem_zalloc(sizeof(*load));

	if (path != NULL)
		load->path = mem_strdup(path);
	return load;
}

/* What it has made is let go; it could be started again. */
static void load_undo(struct load *load)
{
	if (load->ruleset != NULL) {
		ruleset_put(load->ruleset);
	} else {
		ruleset_origin_put(load->source.origin);
		free(load->source.known);
	}
	diag_fini(&load->diag);
	load->ruleset = NULL;
	load->source = (struct ruleset_source){ 0 };
}

static void load_destroy(struct load *load)
{
	load_undo(load);
	free(load->path);
	free(load);
}

/* Fills in source and gives it to a thread. */
static int load_start(struct dp *dp, struct load *load)
{
	struct firewall_state *state = firewall_state(dp);
	struct ruleset *running = state->rulesets[NS_DEFAULT];
	sigset_t all, before;
	int err;

	diag_init(&load->diag, load->path);
	load->is_done = false;
	load->source = (struct ruleset_source){
		.origin = load->path == NULL ? ruleset_origin_get(running->origin) : NULL,
		.known = known_links_create(dp),
		.n_workers = dp->n_workers,
		.tsc_hz = dp->tsc_hz,
		.generation = ++state->generation,
		.previous = running,
	};
	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&load->thread, NULL, load_run, load);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int firewall_load(struct call *call, const char *path)
{
	struct firewall_state *state = firewall_state(call->ctx);

	if (state->next != NULL || (state->load != NULL && state->load->path != NULL))
		return call_fail(call, -EBUSY, "rules are being loaded already");
	state->next = load_create(path);
	state->next->call = call;
	call_defer(call, load_cancel, state->next);
	return 0;
}

void firewall_load_follow(struct dp *dp, const struct link *link)
{
	struct firewall_state *state = firewall_state(dp);
	struct ruleset *running = state->rulesets[NS_DEFAULT];

	if (running != NULL)
		known_links_forget(running->known, link->ifindex);
	if (state->load != NULL)
		known_links_forget(state->load->source.known, link->ifindex);
}

/* The lines that `weir --check` would print. */
static void load_refuse(struct call *call, const struct diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	diag_print(diag, out);
	fclose(out);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	call_refuse(call, "%s", text);
	free(text);
}

static void load_answer(struct load *load)
{
	struct call *call = load->call;

	if (call == NULL)
		return;
	if (load->err == 0)
		call->result = json_pack("{s:s}", "file", load->path);
	else if (load->diag.n_entries > 0)
		load_refuse(call, &load->diag);
	else
		call_fail(call, load->err, "%s cannot be compiled: %s", load->path,
			strerror(-load->err));
	call_finish(call, load->err);
}

static int load_publish(struct dp *dp, struct load *load)
{
	int err = firewall_publish(dp, NS_DEFAULT, load->ruleset);

	if (err < 0)
		return err;
	/* Not its own any more. */
	load->ruleset = NULL;
	load->source = (struct ruleset_source){ 0 };
	return 0;
}

/* Publishes what was made, or says why there is nothing. */
static void load_end(struct dp *dp, struct load *load)
{
	if (load->err == 0)
		load->err = load_publish(dp, load);
	if (load->err == 0 && load->path != NULL)
		log_notice("firewall", "rules were loaded file=%s", load->path);
	else if (load->err == 0)
		log_info("firewall", "rules were compiled for the links of now");
	else if (load->path == NULL)
		log_err("firewall", "rules cannot be compiled for the links of now: %s",
			strerror(-load->err));
	load_answer(load);
	load_destroy(load);
}

/* Has anything to be done? The rules of a file know the links as well, so they go first. */
static struct load *load_next(struct firewall_state *state)
{
	const struct ruleset *running = state->rulesets[NS_DEFAULT];
	struct load *next = state->next;

	state->next = NULL;
	if (next != NULL)
		return next;
	if (running == NULL || !running->asks_for_links || !running->known->is_behind)
		return NULL;
	return load_create(NULL);
}

static void load_begin(struct dp *dp, struct load *load)
{
	/* Once it has started, the thread's result is the thread's to write. */
	int err = load_start(dp, load);

	if (err == 0) {
		firewall_state(dp)->load = load;
		return;
	}
	load->err = err;
	load_end(dp, load);
}

static void load_look(struct dp *dp, struct load *load)
{
	if (!atomic_load_explicit(&load->is_done, memory_order_acquire))
		return;
	pthread_join(load->thread, NULL);
	firewall_state(dp)->load = NULL;
	if (load->path == NULL || !load->source.known->is_behind) {
		load_end(dp, load);
		return;
	}
	load_undo(load);
	load_begin(dp, load);
}

void firewall_load_tick(struct dp *dp)
{
	struct firewall_state *state = firewall_state(dp);
	struct load *next;

	if (state->load != NULL)
		load_look(dp, state->load);
	if (state->load != NULL)
		return;
	next = load_next(state);
	if (next != NULL)
		load_begin(dp, next);
}

void firewall_load_fini(struct dp *dp)
{
	struct firewall_state *state = firewall_state(dp);

	if (state->load != NULL) {
		pthread_join(state->load->thread, NULL);
		load_destroy(state->load);
	}
	if (state->next != NULL)
		load_destroy(state->next);
}
