/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * See classify.h. A classifier has a node for each qdisc of its tree: a leaf's number, or how one of the children is
 * found. A packet goes down from the root, or from the node of the class that a firewall rule has named.
 */
#include "qos/classify.h"

#include "flow/flow.h"
#include "match/class_names.h"
#include "qos/qos_priv.h"
#include "qos/classify_quick.h"
#include "qos/view.h"

#include <stdlib.h>

enum { V4, V6, N_FAMILIES };

struct classify_filter {
	uint32_t node;	 /* where it leads */
	int8_t pcp;	 /* -1: any */
	bool is_for_all; /* asks for nothing that only IP has, as `in` and `mark` are not */
};

struct classify_node {
	enum qdisc_kind kind;
	uint16_t leaf;
	uint8_t per;			       /* enum qdisc_per */
	uint32_t *children;		       /* nodes, by slot; NULL: a leaf */
	struct match_table *table[N_FAMILIES]; /* of filters; NULL: has none */
	struct classify_filter *filters;
	uint32_t n_filters;
	bool has_filters_below;
	uint32_t fallback; /* slot of what no filter names; UINT32_MAX: by priomap */
	uint8_t priomap[QDISC_PRIORITIES];
};

struct classifier {
	uint32_t n_nodes, n_leaves;
	uint16_t generation;
	enum qos_depth depth;
	bool wants_source; /* of connections, before translation */
	struct classify_ids ids;
	bool is_by_tos; /* nothing but that is looked at, unless rules name classes */
	uint16_t leaf_of[QDISC_PRIORITIES]; /* then: by the TOS field's bits 1 to 4 */
	uint32_t n_filtering;		    /* nodes with filters */
	uint32_t quick_at;		    /* where that is, if it is one, above all branches */
	struct quick_filters quick;	    /* its filters */
	struct hash_seed seed;
	uint32_t n_numbers;
	uint32_t *by_number; /* node + 1 by class number; 0: none */
	struct classify_node nodes[];
};

/*
 * What Linux (and all who follow it) makes of the TOS field's bits 1 to 4: priorities 0 best effort, 1 filler,
 * 2 bulk, 4 interactive bulk, 6 interactive.
 */
static const uint8_t tos_priority[16] = { 0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4 };
static const uint8_t default_priomap[QDISC_PRIORITIES] = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1,
	1, 1 };

uint8_t classify_priomap(unsigned int priority)
{
	return default_priomap[priority];
}

/* Datapath */

static void set_sent(const struct match_key *key, struct flow_sent *sent)
{
	*sent = (struct flow_sent){
		.family = key->family,
		.proto = key->proto,
		.sport_be = rte_cpu_to_be_16(key->sport),
		.dport_be = rte_cpu_to_be_16(key->dport),
		.has_ports = key->has_l4 && parse_has_ports(key->proto),
	};
	if (key->family == AF_INET) {
		sent->src.v4_be = rte_cpu_to_be_32(key->src.v4);
		sent->dst.v4_be = rte_cpu_to_be_32(key->dst.v4);
	} else {
		memcpy(sent->src.bytes, key->src.v6, sizeof(key->src.v6));
		memcpy(sent->dst.bytes, key->dst.v6, sizeof(key->dst.v6));
	}
}

/*
 * The node of the filter that matches first; UINT32_MAX: none does. Of what is no IP the IPv4 table tells whether its
 * link and mark are asked for; filters that ask for more are not for it.
 */
static uint32_t find_filtered(const struct classify_node *node, const struct qos_view *view)
{
	const struct match_table *table = node->table[view->key.family == AF_INET6 ? V6 : V4];

	for (uint32_t i = 0; (i = match_first(table, &view->key, i)) < node->n_filters; i++) {
		const struct classify_filter *filter = &node->filters[i];

		if ((view->key.family != 0 || filter->is_for_all) &&
			(filter->pcp < 0 || filter->pcp == view->pcp))
			return filter->node;
	}
	return UINT32_MAX;
}

/* What no filter names. */
static inline uint32_t find_fallback(const struct classify_node *node, uint8_t tos)
{
	uint32_t slot = node->fallback;

	if (slot == UINT32_MAX)
		slot = node->priomap[tos_priority[tos >> 1 & 15]];
	return node->children[slot];
}

static uint32_t hash_words(const struct classifier *c, uint64_t a, uint64_t b)
{
	return (uint32_t)(hash_two(&c->seed, a, b) >> 32);
}

static uint32_t hash_addr(const struct classifier *c, const union flow_addr *addr)
{
	return hash_words(c, addr->words[0], addr->words[1]);
}

/* Of what has no IP header: who it is from and to. */
static uint32_t hash_macs(const struct classifier *c, const struct rte_mbuf *m)
{
	uint64_t words[2] = { 0 };

	if (m->data_len >= RTE_ETHER_HDR_LEN)
		memcpy(words, rte_pktmbuf_mtod(m, const void *), 2 * RTE_ETHER_ADDR_LEN);
	return hash_words(c, words[0], words[1]);
}

/*
 * Which queue of an fq_codel. All fragments of a datagram go to the same one. known NULL: nothing is known of the
 * connection.
 */
static uint32_t hash_of(const struct classifier *c, enum qdisc_per per, const struct rte_mbuf *m,
	const struct qos_view *view, const struct flow_known *known)
{
	const struct match_key *key = &view->key;
	uint64_t ports =
		view->is_fragment ? 0 : (uint64_t)key->sport << 32 | (uint64_t)key->dport << 16;
	struct flow_sent sent;

	if (key->family == 0)
		return hash_macs(c, m);
	set_sent(key, &sent);
	switch (per) {
	case QDISC_PER_FLOW:
		break;
	case QDISC_PER_SOURCE:
		return hash_addr(c, known != NULL ? &known->src : &sent.src);
	case QDISC_PER_DESTINATION:
		return hash_addr(c, &sent.dst);
	}
	return hash_words(c,
		hash_two(&c->seed, sent.src.words[0], sent.src.words[1]) ^ sent.dst.words[0],
		hash_two(&c->seed, sent.dst.words[1], ports | key->proto));
}

/* What was found out about a packet on the way to its leaf. */
struct found {
	struct qos_view view;
	struct flow_known known;
	bool is_known;	 /* its connection is */
	bool is_bridged; /* its metadata says nothing */
};

/*
 * What rules ask for besides headers. Who bridges a frame does not reset its metadata, so that of such a frame, which
 * has come in by a member of a bridge, it says nothing.
 */
static void set_outside(const struct worker *w, struct rte_mbuf *m, struct found *found)
{
	uint16_t in = m->port < LINK_INPUTS ? link_of_inputs(w)[m->port] : 0;
	const struct pkt_meta *meta = pkt_meta(m);
	struct match_key *key = &found->view.key;

	found->is_bridged = qos_worker(w)->table[in].flags & LINK_BRIDGED;
	key->mark = found->is_bridged ? 0 : meta->mark;
	/* 0: made here, though it may be in the buffer of what it answers. */
	key->in = found->is_bridged || !(meta->flags & PKT_ORIGINATED) ? in : 0;
	key->out = meta->out_link;
	key->state = MATCH_UNTRACKED;
}

static void find_out(const struct worker *w, const struct classifier *c, struct rte_mbuf *m,
	bool has_classes, struct found *found)
{
	enum qos_depth depth = has_classes ? QOS_VIEW_ALL : c->depth;
	struct flow_sent sent;

	qos_view(m, depth, &found->view);
	if (depth == QOS_VIEW_ALL)
		set_outside(w, m, found);
	found->is_known = false;
	if ((c->wants_source || has_classes) && found->view.key.family != 0) {
		set_sent(&found->view.key, &sent);
		found->is_known = flow_of_sent(w, pkt_meta(m), &sent, &found->known);
	}
}

/* Where the way down begins: at the root, or where a rule has said. */
static inline uint32_t find_top(const struct classifier *c, const struct found *found)
{
	uint16_t class = found->is_known ? found->known.class : CLASS_NONE;

	return class < c->n_numbers && c->by_number[class] != 0 ? c->by_number[class] - 1 : 0;
}

/*
 * The way down. *common: the node up to which all packets of a connection go the same way, below which TOS alone
 * decides; UINT32_MAX: filters do, too.
 */
static uint32_t find_leaf(const struct classifier *c, const struct found *found, uint32_t *common)
{
	uint32_t at = find_top(c, found), by_tos = UINT32_MAX;

	while (c->nodes[at].children != NULL) {
		const struct classify_node *node = &c->nodes[at];
		uint32_t next = UINT32_MAX;

		if (node->n_filters > 0)
			next = find_filtered(node, &found->view);
		if (next == UINT32_MAX && node->fallback == UINT32_MAX && by_tos == UINT32_MAX)
			by_tos = at;
		at = next != UINT32_MAX ? next : find_fallback(node, found->view.tos);
	}
	*common = at;
	if (by_tos != UINT32_MAX)
		*common = c->nodes[by_tos].has_filters_below ? UINT32_MAX : by_tos;
	return at;
}

/* The same, for the first packet of its connection; others find it in *queue. */
static uint32_t find_first(const struct classifier *c, const struct found *found, uint16_t *queue)
{
	uint32_t common, leaf = find_leaf(c, found, &common);

	if (queue != NULL && common != UINT32_MAX && !found->is_bridged)
		*queue = (uint16_t)(c->ids.first + common);
	return leaf;
}

/* The node that is remembered; UINT32_MAX: none is, or one of another link. */
static inline uint32_t find_remembered(const struct classifier *c, const uint16_t *queue)
{
	uint32_t at = queue != NULL ? (uint32_t)*queue - c->ids.first : UINT32_MAX;

	return at < c->ids.n ? at : UINT32_MAX;
}

/* Where TOS alone decides. */
static inline uint32_t find_by_tos(const struct classifier *c, uint32_t at, uint8_t tos)
{
	while (unlikely(c->nodes[at].children != NULL))
		at = find_fallback(&c->nodes[at], tos);
	return at;
}

/* Of an untagged frame. */
static __rte_always_inline uint8_t tos_of(const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct qos_view view;
	uint32_t word;

	/* EtherType and the first two bytes behind it: there are as many in any packet buffer. */
	memcpy(&word, frame + RTE_ETHER_HDR_LEN - 2, sizeof(word));
	if (likely((word & 0xffff) == RTE_BE16(RTE_ETHER_TYPE_IPV4)) &&
		likely(m->data_len >= RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr)))
		return (uint8_t)(word >> 24);
	qos_view(m, QOS_VIEW_TOS, &view);
	return view.tos;
}

/* Is there more to find out about a connection than each packet's TOS says? */
static inline bool do_remember(const struct classifier *c, bool has_classes)
{
	return c->ids.first != 0 && (c->n_filtering > 0 || has_classes);
}

/* What its connection remembers; NULL: nothing. */
static inline uint16_t *queue_of(
	const struct worker *w, const struct classifier *c, struct rte_mbuf *m, bool has_classes)
{
	uint16_t *queue = NULL;

	if (do_remember(c, has_classes))
		flow_queues(w, &m, 1, &queue);
	return queue;
}

static __rte_noinline uint16_t leaf_found(const struct worker *w, const struct classifier *c,
	struct rte_mbuf *m, bool has_classes, uint16_t *queue)
{
	struct found found;

	find_out(w, c, m, has_classes, &found);
	return c->nodes[find_first(c, &found, queue)].leaf;
}

static __rte_always_inline uint16_t leaf_of(const struct worker *w, const struct classifier *c,
	struct rte_mbuf *m, bool has_classes, uint16_t *queue)
{
	uint32_t at = find_remembered(c, queue);

	if (unlikely(at == UINT32_MAX))
		return leaf_found(w, c, m, has_classes, queue);
	if (unlikely(c->nodes[at].children != NULL))
		at = find_by_tos(c, at, tos_of(m));
	return c->nodes[at].leaf;
}

/* Simple filters of plain frames take no longer than what a connection remembers. */
static void leaves_quick(const struct worker *w, const struct classifier *c,
	struct rte_mbuf *const *pkts, uint32_t n, uint16_t *leaf)
{
	for (uint32_t i = 0; i < n; i++) {
		struct parse_ip4_words words =
			parse_ip4_load(rte_pktmbuf_mtod(pkts[i], const void *));

		leaf[i] = likely(quick_is_plain(pkts[i], &words))
				  ? quick_leaf(&c->quick, pkts[i], &words)
				  : leaf_of(w, c, pkts[i], false, queue_of(w, c, pkts[i], false));
	}
}

void classify_leaves(const struct worker *w, const struct classifier *c,
	struct rte_mbuf *const *pkts, uint32_t n, uint16_t *leaf)
{
	bool has_classes = class_is_used();
	uint16_t *queue[QDISC_PASS_MAX];

	if (c->n_leaves == 1) {
		memset(leaf, 0, n * sizeof(*leaf));
		return;
	}
	if (likely(c->is_by_tos) && likely(!has_classes)) {
		for (uint32_t i = 0; i < n; i++)
			leaf[i] = c->leaf_of[tos_of(pkts[i]) >> 1 & 15];
		return;
	}
	if (c->quick.n > 0 && !has_classes) {
		leaves_quick(w, c, pkts, n, leaf);
		return;
	}
	if (!do_remember(c, has_classes) || !flow_queues(w, pkts, n, queue))
		memset(queue, 0, n * sizeof(queue[0]));
	for (uint32_t i = 0; i < n; i++)
		leaf[i] = leaf_of(w, c, pkts[i], has_classes, queue[i]);
}

void classify(const struct worker *w, const struct classifier *c, struct rte_mbuf *m)
{
	bool has_classes = class_is_used();
	uint16_t *queue = queue_of(w, c, m, has_classes);
	uint32_t at = find_remembered(c, queue);
	struct qdisc_pkt *pkt = qdisc_pkt(m);
	const struct classify_node *leaf;
	struct found found;

	if (at != UINT32_MAX)
		at = find_by_tos(c, at, tos_of(m));
	if (at == UINT32_MAX || c->nodes[at].kind == QDISC_FQ_CODEL)
		find_out(w, c, m, has_classes, &found);
	if (at == UINT32_MAX)
		at = find_first(c, &found, queue);
	leaf = &c->nodes[at];
	pkt->leaf = leaf->leaf;
	pkt->tree = c->generation;
	pkt->hash = leaf->kind == QDISC_FQ_CODEL ? hash_of(c, leaf->per, m, &found.view,
							   found.is_known ? &found.known : NULL)
						 : 0;
}

/* Control thread */

/* What is being made: nodes have the numbers of those of the tree. */
struct making {
	struct classifier *c;
	const struct match_links *links;
};

static uint32_t node_of(const struct qdisc *q)
{
	return q->handle - 1u;
}

/* The child of a class or band of that name; UINT32_MAX: none. */
static uint32_t slot_named(const struct qdisc *q, const struct qdisc_conf *conf, const char *name)
{
	for (uint32_t slot = 0; slot < q->n_children; slot++)
		if (qdisc_slot_is_named(q, conf, slot, name))
			return slot;
	return UINT32_MAX;
}

/* Does it ask for nothing that only IP has? */
static bool is_for_all(const struct match_spec *spec)
{
	for (unsigned int i = 0; i < MATCH_N_LISTS; i++)
		if (spec->lists[i].n > 0 && i != MATCH_IN && i != MATCH_OUT && i != MATCH_MARK)
			return false;
	return true;
}

/* Does it ask for nothing that packets of one connection could differ in? */
static bool is_for_connections(const struct match_spec *spec)
{
	static const enum match_key_id per_packet[] = { MATCH_IN, MATCH_TCP_FLAGS, MATCH_DSCP };

	for (unsigned int i = 0; i < RTE_DIM(per_packet); i++)
		if (spec->lists[per_packet[i]].n > 0)
			return false;
	return true;
}

/* The filters of the only node that has any, and which all packets come by, are noted in a simple form, too. */
static void make_quick(struct classifier *c, const struct qdisc *q,
	const struct classify_node *node, const struct match_spec *specs)
{
	c->quick.n = 0;
	if (++c->n_filtering > 1)
		return;
	for (const struct qdisc *up = q->parent; up != NULL; up = up->parent)
		if (up->n_children != 1)
			return;
	c->quick_at = node_of(q);
	for (uint32_t i = 0; i < node->n_filters; i++)
		if (node->filters[i].pcp >= 0 ||
			!quick_add(&c->quick, &specs[i], node->filters[i].node)) {
			c->quick.n = 0;
			return;
		}
}

static int make_filters(const struct making *making, struct classify_node *node,
	const struct qdisc *q, const struct qdisc_conf *conf)
{
	struct match_spec *specs = calloc(conf->filters.n, sizeof(*specs));
	const struct match_spec **list = calloc(conf->filters.n, sizeof(*list));
	struct diag diag;
	int err = 0;

	node->filters = calloc(conf->filters.n, sizeof(*node->filters));
	if (specs == NULL || list == NULL || node->filters == NULL)
		err = -ENOMEM;
	diag_init(&diag, NULL);
	for (unsigned int i = 0; err == 0 && i < conf->filters.n; i++) {
		const struct qdisc_filter_conf *filter = qdisc_filter_conf(conf, i);
		const struct match_source source = { .path = "", .diag = &diag };
		uint32_t slot = filter->class != NULL ? slot_named(q, conf, filter->class)
						      : (uint32_t)filter->band;

		/* Both were checked before: only what is gone meanwhile could be missing. */
		if (match_spec_parse(&filter->match, &source, &specs[i]) < 0 ||
			slot >= q->n_children)
			err = -EINVAL;
		else
			node->filters[i] = (struct classify_filter){
				.node = node_of(q->children[slot]),
				.pcp = (int8_t)filter->vlan_priority,
				.is_for_all = is_for_all(&specs[i]),
			};
		list[i] = &specs[i];
		if (filter->vlan_priority >= 0 || !is_for_connections(&specs[i]))
			making->c->ids.n = 0;
	}
	diag_fini(&diag);
	if (err == 0)
		err = match_compile(
			list, conf->filters.n, AF_INET, making->links, &node->table[V4]);
	if (err == 0)
		err = match_compile(
			list, conf->filters.n, AF_INET6, making->links, &node->table[V6]);
	node->n_filters = conf->filters.n;
	if (err == 0)
		make_quick(making->c, q, node, specs);
	for (unsigned int i = 0; specs != NULL && i < conf->filters.n; i++)
		match_spec_fini(&specs[i]);
	free(specs);
	free(list);
	return err;
}

static void make_fallback(
	struct classify_node *node, const struct qdisc *q, const struct qdisc_conf *conf)
{
	const int64_t *priomap = conf->priomap.items;

	node->fallback = 0;
	if (conf->kind == QDISC_HTB)
		/* Without a default, the last one is for what no class shapes. */
		node->fallback = conf->default_class != NULL
					 ? slot_named(q, conf, conf->default_class)
					 : q->n_children - 1;
	if (conf->kind != QDISC_PRIO)
		return;
	node->fallback = conf->default_band >= 0 ? (uint32_t)conf->default_band : UINT32_MAX;
	for (unsigned int i = 0; i < QDISC_PRIORITIES; i++) {
		uint8_t band = conf->priomap.n > 0 ? (uint8_t)priomap[i] : default_priomap[i];

		node->priomap[i] = RTE_MIN(band, (uint8_t)(q->n_children - 1));
	}
}

/* A class that rules may name. The first of that name, from the root down, is meant. */
static int make_named(struct classifier *c, const char *name, uint32_t node)
{
	uint16_t number = class_number(name);
	uint32_t *more;

	if (number == CLASS_NONE)
		return -E2BIG;
	if (number >= c->n_numbers) {
		more = realloc(c->by_number, (number + 1u) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		memset(more + c->n_numbers, 0, (number + 1u - c->n_numbers) * sizeof(*more));
		c->by_number = more;
		c->n_numbers = number + 1u;
	}
	if (c->by_number[number] == 0)
		c->by_number[number] = node + 1;
	return 0;
}

static int make_names(struct classifier *c, const struct qdisc *q, const struct qdisc_conf *conf)
{
	char number[12];
	int err = 0;

	for (uint32_t slot = 0; err == 0 && slot < q->n_children; slot++) {
		const char *name = qdisc_slot_name(q, conf, slot);

		snprintf(number, sizeof(number), "%u", slot);
		if (name != NULL)
			err = make_named(c, name, node_of(q->children[slot]));
		if (err == 0 && (name == NULL || conf->kind == QDISC_PRIO))
			err = make_named(c, number, node_of(q->children[slot]));
	}
	return err;
}

static int make_node(
	const struct making *making, const struct qdisc *q, const struct qdisc_conf *conf)
{
	struct classify_node *node = &making->c->nodes[node_of(q)];
	struct classifier *c = making->c;
	int err = 0;

	node->kind = q->ops->kind;
	node->leaf = q->leaf;
	if (conf != NULL && node->kind == QDISC_FQ_CODEL) {
		node->per = (uint8_t)conf->per;
		c->depth = QOS_VIEW_ALL;
		c->wants_source = c->wants_source || conf->per == QDISC_PER_SOURCE;
	}
	if (q->n_children == 0)
		return 0;
	node->children = calloc(q->n_children, sizeof(*node->children));
	if (node->children == NULL)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < q->n_children; slot++)
		node->children[slot] = node_of(q->children[slot]);
	make_fallback(node, q, conf);
	if (conf->filters.n > 0)
		err = make_filters(making, node, q, conf);
	if (err == 0 && (conf->kind == QDISC_PRIO || conf->kind == QDISC_HTB))
		err = make_names(c, q, conf);
	if (conf->filters.n > 0)
		c->depth = QOS_VIEW_ALL;
	for (uint32_t slot = 0; err == 0 && slot < q->n_children; slot++)
		err = make_node(making, q->children[slot], q->ops->slot_conf(conf, slot));
	for (uint32_t slot = 0; slot < q->n_children; slot++) {
		const struct classify_node *child = &c->nodes[node->children[slot]];

		node->has_filters_below |= child->n_filters > 0 || child->has_filters_below;
	}
	return err;
}

static void make_by_tos(struct classifier *c)
{
	for (unsigned int tos = 0; tos < QDISC_PRIORITIES; tos++)
		c->leaf_of[tos] = c->nodes[find_by_tos(c, 0, (uint8_t)(tos << 1))].leaf;
	c->is_by_tos = c->depth == QOS_VIEW_TOS;
}

/* Below the node with the filters TOS alone decides. */
static void make_quick_leaves(struct classifier *c)
{
	struct quick_filters *quick = &c->quick;

	for (unsigned int bits = 0; quick->n > 0 && bits < QUICK_TOS; bits++) {
		uint8_t tos = (uint8_t)(bits << 1);
		uint32_t none = find_fallback(&c->nodes[c->quick_at], tos);

		for (uint32_t i = 0; i < quick->n; i++)
			quick->leaf[i][bits] = c->nodes[find_by_tos(c, quick->node[i], tos)].leaf;
		quick->leaf[QUICK_FILTERS_MAX][bits] = c->nodes[find_by_tos(c, none, tos)].leaf;
	}
}

int classifier_create(const struct qdisc_conf *conf, const struct qdisc_tree *tree,
	const struct match_links *links, struct classifier **out)
{
	struct classifier *c = calloc(1, sizeof(*c) + tree->n_nodes * sizeof(c->nodes[0]));
	const struct making making = { .c = c, .links = links };
	int err;

	if (c == NULL)
		return -ENOMEM;
	c->n_nodes = tree->n_nodes;
	c->n_leaves = tree->n_leaves;
	c->generation = tree->generation;
	c->ids.n = c->n_leaves > 1 && c->n_nodes < UINT16_MAX ? (uint16_t)c->n_nodes : 0;
	c->seed = tree->seed;
	err = make_node(&making, tree->root, conf);
	if (err < 0) {
		classifier_free(c);
		return err;
	}
	make_by_tos(c);
	make_quick_leaves(c);
	*out = c;
	return 0;
}

struct classify_ids *classifier_ids(struct classifier *c)
{
	return &c->ids;
}

void classifier_free(struct classifier *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		match_table_free(c->nodes[i].table[V4]);
		match_table_free(c->nodes[i].table[V6]);
		free(c->nodes[i].filters);
		free(c->nodes[i].children);
	}
	free(c->by_number);
	free(c);
}
