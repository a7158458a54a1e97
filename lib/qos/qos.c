/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control side of traffic control: which links are shaped, by what, and at which worker.
 *
 * Settings never change in place. A new tree of qdiscs and its classifier are made here, then the classifier is
 * published to all workers and the tree mailed to the owner, which lets what waits go over; packets that were
 * classified by the old one are classified anew there. Old ones are freed when the owner has let go of them, and no
 * worker can still see them.
 *
 * The owner of a link's qdiscs stays the same as long as it has any: the worker with the fewest of those that can
 * send by the link's port.
 */
#include "qos/qos_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "flow/flow.h"

#include <rte_errno.h>
#include <rte_mbuf_dyn.h>
#include <rte_random.h>

enum { QOS_POOL_SHARE = 4 }; /* qdiscs hold that part of all packet buffers at most */

/* Workers share what qdiscs may hold: those that own any. */
static void share_pool(struct dp *dp)
{
	const struct qos_state *state = qos_state(dp);
	bool is_owner[WORKER_MAX] = { false };
	unsigned int n_owners = 0;

	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (state->shaped[i] != NULL && !is_owner[state->shaped[i]->root->owner]) {
			is_owner[state->shaped[i]->root->owner] = true;
			n_owners++;
		}
	for (unsigned int i = 0; i < dp->n_workers; i++)
		__atomic_store_n(&qos_worker(dp->workers[i])->n_held_max,
			dp->pool->size / QOS_POOL_SHARE / RTE_MAX(n_owners, 1u), __ATOMIC_RELAXED);
}

static uint16_t choose_owner(const struct dp *dp, const struct link *link)
{
	const struct qos_state *state = qos_state(dp);
	unsigned int n_roots[WORKER_MAX] = { 0 }, best = WORKER_MAX;

	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (state->shaped[i] != NULL)
			n_roots[state->shaped[i]->root->owner]++;
	for (unsigned int i = 0; i < dp->n_workers; i++)
		if (link_is_sent_by(link, dp->workers[i]) &&
			(best == WORKER_MAX || n_roots[i] < n_roots[best]))
			best = i;
	return best == WORKER_MAX ? link_worker(dp, link)->id : (uint16_t)best;
}

/* What is to be freed */

static void tree_destroy(void *ptr, uint64_t arg)
{
	(void)arg;
	qdisc_tree_destroy(ptr);
}

static void classifier_destroy(void *ptr, uint64_t arg)
{
	(void)arg;
	classifier_free(ptr);
}

static void leave(struct qos_state *state, struct qos_root *root, struct qdisc_tree *tree,
	struct classifier *classifier, bool is_root)
{
	struct qos_leaving *leaving = mem_zalloc(sizeof(*leaving));

	*leaving = (struct qos_leaving){
		.next = state->leaving,
		.root = root,
		.tree = tree,
		.classifier = classifier,
		.is_root = is_root,
	};
	state->leaving = leaving;
}

/* Has the owner let go of it? Of several that came one after the other it may not have got this one yet. */
static bool has_left(const struct qos_leaving *leaving)
{
	const struct qdisc_tree *tree;

	if (__atomic_load_n(&leaving->root->is_gone, __ATOMIC_ACQUIRE))
		return true;
	if (leaving->is_root)
		return false;
	/* Freed by this thread alone, and not before it is left. */
	tree = __atomic_load_n(&leaving->root->tree, __ATOMIC_ACQUIRE);
	return (int16_t)(tree->generation - leaving->tree->generation) > 0;
}

static void qos_tick(struct dp *dp, uint64_t now_ns)
{
	struct qos_state *state = qos_state(dp);
	struct qos_leaving *leaving, **at = &state->leaving;

	(void)now_ns;
	while ((leaving = *at) != NULL) {
		/* Trees of a root go before it, and they came before it into the list. */
		if (!has_left(leaving)) {
			at = &leaving->next;
			continue;
		}
		*at = leaving->next;
		dp_retire(dp, tree_destroy, leaving->tree, 0);
		dp_retire(dp, classifier_destroy, leaving->classifier, 0);
		if (leaving->is_root)
			dp_retire_heap(dp, leaving->root);
		free(leaving);
	}
}

/* What connections remember */

static bool ids_meet(struct classifier *classifier, uint32_t first, uint32_t n)
{
	const struct classify_ids *ids = classifier_ids(classifier);

	return ids->first < first + n && first < (uint32_t)ids->first + ids->n;
}

/* A classifier that workers may still see, with any of these numbers; NULL: there is none. */
static struct classifier *find_holder(const struct qos_state *state, uint32_t first, uint32_t n)
{
	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (state->shaped[i] != NULL && ids_meet(state->shaped[i]->classifier, first, n))
			return state->shaped[i]->classifier;
	for (const struct qos_leaving *at = state->leaving; at != NULL; at = at->next)
		if (ids_meet(at->classifier, first, n))
			return at->classifier;
	return NULL;
}

/* The first of n numbers in a row, from that one on, that nobody holds. */
static uint32_t find_free_ids(const struct qos_state *state, uint32_t first, uint32_t n)
{
	struct classifier *holder;

	while (first + n <= UINT16_MAX && (holder = find_holder(state, first, n)) != NULL)
		first = (uint32_t)classifier_ids(holder)->first + classifier_ids(holder)->n;
	return first;
}

/*
 * A number is not given again before connections have forgotten it: that they do all at once, along with what rules said,
 * when there are no others left.
 */
static void give_ids(struct dp *dp, struct classify_ids *ids)
{
	struct qos_state *state = qos_state(dp);
	uint32_t first = find_free_ids(state, state->n_ids + 1u, ids->n);

	if (ids->n == 0)
		return;
	if (first + ids->n > UINT16_MAX) {
		first = find_free_ids(state, 1, ids->n);
		if (first + ids->n > UINT16_MAX) {
			ids->n = 0;
			return;
		}
		flow_policy_changed(dp);
	}
	ids->first = (uint16_t)first;
	state->n_ids = (uint16_t)(first + ids->n - 1);
}

/* Setting */

static void known_links(struct link *link, void *ctx)
{
	struct match_links *links = ctx;

	snprintf(links->names[link->ifindex], sizeof(links->names[0]), "%s", link->name);
}

static int make_classifier(struct dp *dp, const struct qdisc_conf *conf,
	const struct qdisc_tree *tree, struct classifier **out)
{
	struct match_links *links = mem_zalloc(sizeof(*links));
	int err;

	link_each(dp, known_links, links);
	err = classifier_create(conf, tree, links, out);
	free(links);
	return err;
}

static void reclassify(struct qdisc_tree *tree, struct rte_mbuf *m)
{
	classify(tree->ctx, tree->classify_ctx, m);
}

static int make(struct dp *dp, const struct qdisc_conf *conf, uint16_t owner,
	struct qdisc_tree **tree, struct classifier **classifier)
{
	struct qos_state *state = qos_state(dp);
	int err = qdisc_tree_create(conf, dp->tsc_hz, &state->seed, rte_rdtsc(), tree);

	if (err < 0)
		return err;
	(*tree)->generation = ++state->generation;
	(*tree)->drop = qos_drop;
	(*tree)->ctx = dp->workers[owner];
	err = make_classifier(dp, conf, *tree, classifier);
	if (err < 0) {
		qdisc_tree_destroy(*tree);
		return err;
	}
	give_ids(dp, classifier_ids(*classifier));
	(*tree)->classify = reclassify;
	(*tree)->classify_ctx = *classifier;
	return 0;
}

/* Workers see it from now on. */
static void publish(struct dp *dp, struct qos_shaped *shaped, uint16_t ifindex)
{
	struct qos_link *link = mem_zalloc(sizeof(*link)), *old = shaped->link;

	*link = (struct qos_link){
		.root = shaped->root,
		.classifier = shaped->classifier,
		.owner = shaped->root->owner,
	};
	shaped->link = link;
	__atomic_store_n(&qos_state(dp)->links[ifindex], link, __ATOMIC_RELEASE);
	dp_retire_heap(dp, old);
}

/* The owner is given what is made of the settings now, in place of what it has. */
static void replace(struct dp *dp, struct qos_shaped *shaped, struct qdisc_tree *tree,
	struct classifier *classifier)
{
	struct qos_root *root = shaped->root;
	const struct mail mail = {
		.fn = qos_mail_replace,
		.arg = { (uintptr_t)root, (uintptr_t)tree, (uintptr_t)classifier },
	};

	leave(qos_state(dp), root, shaped->tree, shaped->classifier, false);
	shaped->tree = tree;
	shaped->classifier = classifier;
	publish(dp, shaped, root->ifindex);
	dp_mail(dp, dp->workers[root->owner], &mail);
}

static void set_frame_len(struct qdisc_conf *conf, uint32_t len)
{
	struct qdisc_class_conf *classes = conf->classes.items;

	conf->frame_len = len;
	for (unsigned int i = 0; i < conf->classes.n; i++)
		if (classes[i].child.n > 0)
			set_frame_len(classes[i].child.items, len);
	if (conf->child.n > 0)
		set_frame_len(conf->child.items, len);
}

static uint32_t frame_len_of(const struct link *link)
{
	return (uint32_t)link->mtu + RTE_ETHER_HDR_LEN;
}

static struct qos_shaped *shaped_create(struct dp *dp, const struct link *link, uint16_t owner)
{
	struct qos_shaped *shaped = mem_zalloc(sizeof(*shaped));

	shaped->root = mem_zalloc(sizeof(*shaped->root));
	shaped->root->ifindex = link->ifindex;
	shaped->root->owner = owner;
	shaped->root->next_at = UINT64_MAX;
	qos_state(dp)->shaped[link->ifindex] = shaped;
	share_pool(dp);
	return shaped;
}

int qos_set(struct dp *dp, struct link *link, struct qdisc_conf *conf, const char *path,
	struct diag *diag)
{
	struct qos_shaped *shaped = qos_state(dp)->shaped[link->ifindex];
	uint16_t owner = shaped != NULL ? shaped->root->owner : choose_owner(dp, link);
	struct classifier *classifier;
	struct qdisc_tree *tree;
	int err;

	set_frame_len(conf, frame_len_of(link));
	err = make(dp, conf, owner, &tree, &classifier);
	if (err < 0) {
		diag_error(diag, 0, path, "cannot be made: %s", strerror(-err));
		return err;
	}
	if (shaped == NULL) {
		shaped = shaped_create(dp, link, owner);
		shaped->tree = shaped->root->tree = tree;
		shaped->root->classifier = shaped->classifier = classifier;
		publish(dp, shaped, link->ifindex);
		link_set_shaped(dp, link, true);
	} else {
		replace(dp, shaped, tree, classifier);
	}
	schema_free(&qdisc_object, shaped->conf);
	shaped->conf = conf;
	return 0;
}

void qos_unset(struct dp *dp, struct link *link)
{
	struct qos_state *state = qos_state(dp);
	struct qos_shaped *shaped = state->shaped[link->ifindex];
	const struct mail mail = { .fn = qos_mail_remove, .arg = { (uintptr_t)shaped->root } };

	link_set_shaped(dp, link, false);
	__atomic_store_n(&state->links[link->ifindex], NULL, __ATOMIC_RELEASE);
	state->shaped[link->ifindex] = NULL;
	dp_mail(dp, dp->workers[shaped->root->owner], &mail);
	leave(state, shaped->root, shaped->tree, shaped->classifier, true);
	dp_retire_heap(dp, shaped->link);
	schema_free(&qdisc_object, shaped->conf);
	free(shaped);
	share_pool(dp);
}

/* What follows from links */

static bool filters_ask_for_links(const struct qdisc_conf *conf)
{
	bool do_ask = false;

	for (unsigned int i = 0; i < conf->filters.n; i++)
		do_ask = do_ask || match_asks_for_links(&qdisc_filter_conf(conf, i)->match);
	for (unsigned int i = 0; i < conf->classes.n; i++) {
		const struct field_list *child = &qdisc_class_conf(conf, i)->child;

		do_ask = do_ask || (child->n > 0 && filters_ask_for_links(child->items));
	}
	return do_ask || (conf->child.n > 0 && filters_ask_for_links(conf->child.items));
}

/* The settings are the same, and mean something else. */
static void remake(struct dp *dp, struct qos_shaped *shaped)
{
	struct classifier *classifier;
	struct qdisc_tree *tree;

	if (make(dp, shaped->conf, shaped->root->owner, &tree, &classifier) < 0)
		log_err("qos", "no memory for qdiscs that follow links link=%s",
			link_by_index(dp, shaped->root->ifindex)->name);
	else
		replace(dp, shaped, tree, classifier);
}

/* Filters that name links mean others now. */
static void follow_links(struct dp *dp)
{
	struct qos_state *state = qos_state(dp);

	for (unsigned int i = 0; i < LINK_MAX; i++)
		if (state->shaped[i] != NULL && filters_ask_for_links(state->shaped[i]->conf))
			remake(dp, state->shaped[i]);
}

/* Bursts for which nothing is said hold a frame. */
static void follow_mtu(struct dp *dp, const struct link *link)
{
	struct qos_shaped *shaped = qos_state(dp)->shaped[link->ifindex];

	if (shaped == NULL || shaped->conf->frame_len == frame_len_of(link))
		return;
	set_frame_len(shaped->conf, frame_len_of(link));
	remake(dp, shaped);
}

static void qos_event(struct dp *dp, enum event_kind kind, const void *subject)
{
	const struct link *link = subject;

	if (kind == EVENT_LINK_DELETED && qos_state(dp)->shaped[link->ifindex] != NULL)
		qos_unset(dp, link_by_index(dp, link->ifindex));
	if (kind == EVENT_LINK_NEW || kind == EVENT_LINK_DELETED)
		follow_links(dp);
	if (kind == EVENT_LINK_CHANGED)
		follow_mtu(dp, link);
}

/* Module */

static int find_place_in_packets(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "weir_qdisc",
		.size = sizeof(struct qdisc_pkt),
		.align = __alignof__(struct qdisc_pkt),
	};

	qdisc_pkt_offset = rte_mbuf_dynfield_register(&field);
	if (qdisc_pkt_offset >= 0)
		return 0;
	log_err("qos", "no place in packet buffers for qdiscs: %s", rte_strerror(rte_errno));
	return -rte_errno;
}

static int qos_init(struct dp *dp)
{
	struct qos_state *state = qos_state(dp);

	state->seed.word[0] = rte_rand() | 1;
	state->seed.word[1] = rte_rand() | 1;
	return find_place_in_packets();
}

static void qos_fini(struct dp *dp)
{
	struct qos_state *state = qos_state(dp);

	/* They do not run any more. */
	for (unsigned int i = 0; i < dp->n_workers; i++)
		qos_worker_empty(dp->workers[i]);
	for (unsigned int i = 0; i < LINK_MAX; i++) {
		struct qos_shaped *shaped = state->shaped[i];

		if (shaped == NULL)
			continue;
		leave(state, shaped->root, shaped->tree, shaped->classifier, true);
		schema_free(&qdisc_object, shaped->conf);
		free(shaped->link);
		free(shaped);
		state->shaped[i] = NULL;
	}
	for (struct qos_leaving *leaving; (leaving = state->leaving) != NULL;) {
		state->leaving = leaving->next;
		qdisc_tree_destroy(leaving->tree);
		classifier_free(leaving->classifier);
		if (leaving->is_root)
			free(leaving->root);
		free(leaving);
	}
}

static int qos_worker_init(struct dp *dp, struct worker *w)
{
	struct qos_worker *qw = qos_worker(w);

	qw->links = qos_state(dp)->links;
	qw->table = link_dp_table(dp);
	qw->stage = worker_stage_index(w, "qdisc");
	qw->tx_stage = worker_stage_index(w, "tx");
	qw->n_held_max = dp->pool->size / QOS_POOL_SHARE;
	return 0;
}

#define QDISC_DROP_ROW(member, name, help) { name, help },
static const struct drop_reason qos_drops[] = { QDISC_DROPS(QDISC_DROP_ROW) };
static_assert(RTE_DIM(qos_drops) == QDISC_N_DROPS, "one row per reason");

struct module qos_module = {
	.name = "qos",
	.sections = qos_sections,
	.commands = qos_commands,
	.drops = qos_drops,
	.n_drops = QDISC_N_DROPS,
	.state_size = sizeof(struct qos_state),
	.worker_state_size = sizeof(struct qos_worker),
	.init = qos_init,
	.fini = qos_fini,
	.worker_init = qos_worker_init,
	.event = qos_event,
	.tick = qos_tick,
};
