/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * `firewall load FILE`: reads rules from a file, compiles them and puts them in the place of those that
 * run; all or nothing. Ten thousand rules take longer than the control thread may be away, so a thread
 * of its own does everything from reading to compiling, on what it is given: the names of links as they
 * were and the rules that run, of which it reads only what is constant. Nobody replaces those meanwhile,
 * since one load is under way at a time. The control thread looks at every tick whether it has finished,
 * publishes and answers. When the client has gone the rules are put in place all the same.
 */
#include "firewall/firewall_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct load {
	/* Given to the thread, constant for it. */
	char *path;
	struct match_links links;
	struct ruleset_source source; /* conf: filled in by the thread */
	pthread_t thread;
	struct call *call; /* control thread; NULL: the client has gone */
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
		if (strncmp(load->links.names[i], name, LINK_NAME_MAX) == 0)
			return true;
	return false;
}

/* The rules in a file's tree, with all that is wrong with them in load->diag. Owned by *own. */
static const struct firewall_conf *load_decode(
	struct load *load, const struct node *root, void **own, const struct object **own_object)
{
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
	firewall_conf_check(
		&config, &load->diag, is_wrapped ? "firewall" : "", conf, load_has_link, load);
	return conf;
}

static int load_make(struct load *load)
{
	struct node *root = node_read_file(load->path, &load->diag);
	const struct object *own_object;
	void *own;
	int err;

	if (root == NULL)
		return -EINVAL;
	load->source.conf = load_decode(load, root, &own, &own_object);
	node_destroy(root);
	err = load->diag.n_entries > 0 ? -EINVAL : ruleset_build(&load->source, &load->ruleset);
	if (err < 0) {
		schema_free(own_object, own);
		return err;
	}
	load->ruleset->own = own;
	load->ruleset->own_object = own_object;
	return 0;
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

static int load_start(struct load *load)
{
	sigset_t all, before;
	int err;

	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&load->thread, NULL, load_run, load);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void load_destroy(struct load *load)
{
	diag_fini(&load->diag);
	free(load->path);
	free(load);
}

int firewall_load(struct call *call, const char *path)
{
	struct dp *dp = call->ctx;
	struct firewall_state *state = firewall_state(dp);
	struct load *load;
	int err;

	if (state->load != NULL)
		return call_fail(call, -EBUSY, "rules are being loaded already");
	load = mem_zalloc(sizeof(*load));
	load->path = mem_strdup(path);
	diag_init(&load->diag, load->path);
	firewall_link_names(dp, &load->links);
	load->source = (struct ruleset_source){
		.file = load->path,
		.links = &load->links,
		.n_workers = dp->n_workers,
		.tsc_hz = dp->tsc_hz,
		.generation = ++state->generation,
		.previous = state->rulesets[NS_DEFAULT],
	};
	err = load_start(load);
	if (err < 0) {
		load_destroy(load);
		return call_fail(call, err, "no thread to compile with: %s", strerror(-err));
	}
	state->load = load;
	load->call = call;
	call_defer(call, load_cancel, load);
	return 0;
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
	if (load->ruleset != NULL)
		call->result = json_pack("{s:s}", "file", load->path);
	else if (load->diag.n_entries > 0)
		load_refuse(call, &load->diag);
	else
		call_fail(call, load->err, "%s cannot be compiled: %s", load->path,
			strerror(-load->err));
	call_finish(call, load->err);
}

void firewall_load_tick(struct dp *dp)
{
	struct firewall_state *state = firewall_state(dp);
	struct load *load = state->load;

	if (load == NULL || !atomic_load_explicit(&load->is_done, memory_order_acquire))
		return;
	pthread_join(load->thread, NULL);
	state->load = NULL;
	if (load->ruleset != NULL) {
		load->err = firewall_publish(dp, NS_DEFAULT, load->ruleset);
		if (load->err < 0) {
			ruleset_put(load->ruleset);
			load->ruleset = NULL;
		} else {
			log_notice("firewall", "rules were loaded file=%s", load->path);
		}
	}
	load_answer(load);
	load_destroy(load);
}

void firewall_load_fini(struct dp *dp)
{
	struct load *load = firewall_state(dp)->load;

	if (load == NULL)
		return;
	pthread_join(load->thread, NULL);
	if (load->ruleset != NULL)
		ruleset_put(load->ruleset);
	load_destroy(load);
}
