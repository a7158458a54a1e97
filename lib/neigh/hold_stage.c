/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stage "neigh_hold": packets whose next hop has no link-layer address yet wait here, per
 * worker and neighbour, until the control thread says what becomes of them. Also how workers tell
 * it that a stale adjacency is used. Stage and mail handlers run on the worker that owns the
 * state, mail between two passes; functions marked so in neigh_priv.h run on the control thread.
 *
 * A slot holds up to unres_qlen packets for one (link, next hop); the newest are kept, as Linux
 * does (RFC 1122 2.3.2.2 asks for at least one). The control thread is told once when a slot is
 * made. It answers with a verdict: release (with the adjacency), failed, table full or link down,
 * which empties the slot. Should the message be lost because the ring is full, the next packet, or
 * the reminder that the control thread sends once a second to workers with slots, repeats it. Why
 * no packet stays behind when resolution and arrival cross is told in neigh.c.
 *
 * Released packets enter again at the stage that sent them here. The adjacency's index came by
 * mail and could in theory have been given to another neighbour since: it is compared with what
 * the slot waits for, and if it differs the slot goes on waiting and asks again.
 */
#include "neigh/neigh_priv.h"

#include <rte_jhash.h>
#include <rte_random.h>

#include "dp/trace.h"
#include "net/parse.h"

enum { HOLD_INDEX_MASK = HOLD_INDEX_SIZE - 1 };

/* What a pass over the lane needs. */
struct hold_run {
	struct hold *hold;
	const struct adj *adjs;
	unsigned int queue_len;
};

static unsigned int hold_home(const struct hold *hold, const struct neigh_key *key)
{
	return rte_jhash_32b((const uint32_t *)key, sizeof(*key) / 4, hold->seed) & HOLD_INDEX_MASK;
}

/* Position in the index of the slot with that key, or of the empty one where it would go. */
static unsigned int hold_position(const struct hold *hold, const struct neigh_key *key)
{
	unsigned int pos = hold_home(hold, key);

	/* Ends: at most a quarter of the index is used. */
	while (hold->index[pos] != 0 &&
		memcmp(&hold->slots[hold->index[pos] - 1].key, key, sizeof(*key)) != 0)
		pos = (pos + 1) & HOLD_INDEX_MASK;
	return pos;
}

/* Linear probing without tombstones (Knuth 6.4, algorithm R): later ones move up. */
static void hold_unindex(struct hold *hold, unsigned int pos)
{
	unsigned int next = (pos + 1) & HOLD_INDEX_MASK;

	for (; hold->index[next] != 0; next = (next + 1) & HOLD_INDEX_MASK) {
		unsigned int home = hold_home(hold, &hold->slots[hold->index[next] - 1].key);

		if (((next - home) & HOLD_INDEX_MASK) < ((next - pos) & HOLD_INDEX_MASK))
			continue;
		hold->index[pos] = hold->index[next];
		pos = next;
	}
	hold->index[pos] = 0;
}

static void hold_set_n_slots(struct hold *hold, uint32_t n)
{
	__atomic_store_n(&hold->n_slots, n, __ATOMIC_RELAXED);
}

static struct hold_slot *hold_slot_new(
	struct hold *hold, const struct neigh_key *key, unsigned int pos)
{
	uint16_t i = hold->free[HOLD_SLOTS - 1 - hold->n_slots];
	struct hold_slot *slot = &hold->slots[i];

	slot->key = *key;
	slot->told = 0;
	slot->head = 0;
	slot->n = 0;
	hold->index[pos] = (uint16_t)(i + 1);
	hold_set_n_slots(hold, hold->n_slots + 1);
	return slot;
}

static void hold_slot_free(struct hold *hold, struct hold_slot *slot)
{
	hold_unindex(hold, hold_position(hold, &slot->key));
	slot->key.link = 0;
	hold_set_n_slots(hold, hold->n_slots - 1);
	hold->free[HOLD_SLOTS - 1 - hold->n_slots] = (uint16_t)(slot - hold->slots);
}

static struct rte_mbuf *hold_pop(struct worker *w, struct hold *hold, struct hold_slot *slot)
{
	struct rte_mbuf *m = slot->pkts[slot->head];

	slot->head = (uint8_t)((slot->head + 1) % HOLD_QUEUE_MAX);
	slot->n--;
	hold->n_held--;
	w->stats.held--;
	return m;
}

static void hold_push(
	struct worker *w, struct hold *hold, struct hold_slot *slot, struct rte_mbuf *m)
{
	slot->pkts[(slot->head + slot->n) % HOLD_QUEUE_MAX] = m;
	slot->n++;
	hold->n_held++;
	w->stats.held++;
}

/* Asks the control thread for a verdict, at most once a second per slot. */
static void hold_tell(struct worker *w, struct hold_slot *slot)
{
	struct mail mail = { .fn = neigh_mail_resolve };

	if (slot->told != 0 && w->now - slot->told < w->dp->tsc_hz)
		return;
	memcpy(mail.arg, &slot->key, sizeof(slot->key));
	mail.arg[3] = w->id;
	slot->told = worker_tell(w, &mail) ? w->now : 0;
}

static void hold_drop(
	struct worker *w, struct hold *hold, struct rte_mbuf *m, enum neigh_drop reason)
{
	worker_free_dropped(w, m, &neigh_module, reason, hold->stage);
}

/* On a connected network the next hop is the packet's destination. */
static struct ip_addr hold_next_hop(
	const struct adj *adj, const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	if (adj->kind != ADJ_KIND_GLEAN)
		return adj->next_hop;
	return adj->family == AF_INET6 ? ip_addr_v6(pkt_ip6(m, meta)->dst_addr)
				       : ip_addr_v4(meta->next_hop_be);
}

static struct neigh_key hold_key(
	const struct adj *adj, const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	struct neigh_key key;

	memset(&key, 0, sizeof(key));
	key.addr = hold_next_hop(adj, m, meta);
	key.link = adj->link;
	key.ns = adj->ns;
	return key;
}

static unsigned int hold_pkt(struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct hold_run *run = ctx;
	struct hold *hold = run->hold;
	struct neigh_key key = hold_key(&run->adjs[meta->adj], m, meta);
	unsigned int pos = hold_position(hold, &key);
	struct hold_slot *slot = hold->index[pos] != 0 ? &hold->slots[hold->index[pos] - 1] : NULL;

	RTE_ASSERT(meta->adj >= ADJ_FIRST_DYNAMIC && meta->adj < ADJ_MAX);
	while (slot != NULL && slot->n >= run->queue_len)
		hold_drop(w, hold, hold_pop(w, hold, slot), NEIGH_DROP_NEIGH_QUEUE_FULL);
	if (hold->n_held >= hold->n_held_max)
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_NEIGH_HELD_MAX);
	if (slot == NULL) {
		if (hold->n_slots == HOLD_SLOTS)
			return pkt_drop(meta, &neigh_module, NEIGH_DROP_NEIGH_NO_SLOT);
		slot = hold_slot_new(hold, &key, pos);
	}
	hold_push(w, hold, slot, m);
	hold_tell(w, slot);
	return STAGE_CONSUMED;
}

static void hold_run(struct worker *w, struct stage_node *node)
{
	const struct neigh_table *table = neigh_table(w->dp);
	int64_t len = __atomic_load_n(&table->sysctl.unres_qlen, __ATOMIC_RELAXED);
	struct hold_run run = {
		.hold = &neigh_worker(w)->hold,
		.adjs = table->adjs,
		.queue_len = len < 1		    ? 1
			     : len > HOLD_QUEUE_MAX ? HOLD_QUEUE_MAX
						    : (unsigned int)len,
	};

	run.hold->stage = node->index;
	stage_each(w, node, STAGE_DROP, hold_pkt, &run);
}

/* Index of a stage that another floor brings; -1: this pipeline has none. */
static int hold_find_stage(const struct dp *dp, const char *name)
{
	for (unsigned int i = 0; i < dp->n_stages; i++) {
		if (strcmp(dp->stages[i]->name, name) == 0)
			return (int)i;
	}
	return -1;
}

/*
 * RFC 1812 5.2.7.1: host unreachable, RFC 4861 7.2.2: address unreachable, for what we forward; what
 * is our own is just dropped.
 */
static void hold_pkt_failed(struct worker *w, struct hold *hold, struct rte_mbuf *m, int error)
{
	struct pkt_meta *meta = pkt_meta(m);

	if (error < 0 || (meta->flags & PKT_ORIGINATED)) {
		hold_drop(w, hold, m, NEIGH_DROP_NEIGH_FAILED);
		return;
	}
	pkt_drop(meta, &neigh_module, NEIGH_DROP_NEIGH_FAILED);
	meta->icmp_type = meta->ethertype == RTE_ETHER_TYPE_IPV6 ? 1 : 3;
	meta->icmp_code = meta->ethertype == RTE_ETHER_TYPE_IPV6 ? 3 : 1;
	meta->icmp_info = 0;
	worker_inject(w, w, m, (unsigned int)error);
}

static void hold_finish(struct worker *w, struct hold *hold, struct hold_slot *slot,
	enum hold_verdict verdict, uint32_t adj)
{
	const char *name = slot->key.addr.family == AF_INET6 ? "ip6_error" : "ip4_error";
	int error = verdict == HOLD_FAILED ? hold_find_stage(w->dp, name) : -1;

	while (slot->n > 0) {
		struct rte_mbuf *m = hold_pop(w, hold, slot);

		switch (verdict) {
		case HOLD_RELEASE:
			pkt_meta(m)->adj = adj;
			pkt_meta(m)->flags |= PKT_ROUTED;
			worker_inject(w, w, m, pkt_meta(m)->start_stage);
			break;
		case HOLD_FAILED:
			hold_pkt_failed(w, hold, m, error);
			break;
		case HOLD_TABLE_FULL:
			hold_drop(w, hold, m, NEIGH_DROP_NEIGH_TABLE_FULL);
			break;
		case HOLD_LINK_DOWN:
			hold_drop(w, hold, m, NEIGH_DROP_NEIGH_LINK_DOWN);
			break;
		}
	}
	hold_slot_free(hold, slot);
}

static void hold_mail_finish(void *ptr, const struct mail *mail)
{
	struct worker *w = ptr;
	struct hold *hold = &neigh_worker(w)->hold;
	enum hold_verdict verdict = (enum hold_verdict)mail->arg[3];
	uint32_t index = (uint32_t)mail->arg[4];
	const struct adj *adj = &neigh_table(w->dp)->adjs[index];
	struct hold_slot *slot;
	struct neigh_key key;
	unsigned int pos;

	memcpy(&key, mail->arg, sizeof(key));
	pos = hold_position(hold, &key);
	if (hold->index[pos] == 0)
		return;
	slot = &hold->slots[hold->index[pos] - 1];
	if (verdict == HOLD_RELEASE && (adj->kind != ADJ_KIND_NEIGH || adj->link != key.link ||
					       !ip_addr_is_equal(&adj->next_hop, &key.addr))) {
		hold_tell(w, slot);
		return;
	}
	hold_finish(w, hold, slot, verdict, index);
}

static void hold_mail_finish_link(void *ptr, const struct mail *mail)
{
	struct worker *w = ptr;
	struct hold *hold = &neigh_worker(w)->hold;

	for (unsigned int i = 0; i < HOLD_SLOTS && hold->n_slots > 0; i++) {
		struct hold_slot *slot = &hold->slots[i];

		if (slot->key.link != 0 && slot->key.link == mail->arg[0])
			hold_finish(w, hold, slot, HOLD_LINK_DOWN, 0);
	}
}

static void hold_mail_remind(void *ptr, const struct mail *mail)
{
	struct worker *w = ptr;
	struct hold *hold = &neigh_worker(w)->hold;

	for (unsigned int i = 0; i < HOLD_SLOTS && hold->n_slots > 0; i++) {
		if (hold->slots[i].key.link != 0)
			hold_tell(w, &hold->slots[i]);
	}
}

/* Control thread. */

void hold_mail_verdict(struct dp *dp, struct worker *w, const struct neigh_key *key,
	enum hold_verdict verdict, uint32_t adj)
{
	struct mail mail = { .fn = hold_mail_finish };

	memcpy(mail.arg, key, sizeof(*key));
	mail.arg[3] = verdict;
	mail.arg[4] = adj;
	if (w != NULL)
		dp_mail(dp, w, &mail);
	else
		dp_mail_all(dp, &mail);
}

void hold_mail_link_down(struct dp *dp, uint16_t link)
{
	struct mail mail = { .fn = hold_mail_finish_link, .arg = { link } };

	dp_mail_all(dp, &mail);
}

void hold_mail_age(struct dp *dp)
{
	struct mail mail = { .fn = hold_mail_remind };

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct hold *hold = &neigh_worker(dp->workers[i])->hold;

		if (__atomic_load_n(&hold->n_slots, __ATOMIC_RELAXED) > 0)
			dp_mail(dp, dp->workers[i], &mail);
	}
}

int hold_worker_init(struct dp *dp, struct worker *w)
{
	struct hold *hold = &neigh_worker(w)->hold;

	/*
	 * All queues of weir together may hold half of the buffers; these get a quarter, divided
	 * among the workers made so far: the last one's turn leaves every share right.
	 */
	for (unsigned int i = 0; i < dp->n_workers; i++)
		neigh_worker(dp->workers[i])->hold.n_held_max = dp->pool->size / 4 / dp->n_workers;
	hold->seed = (uint32_t)rte_rand();
	for (unsigned int i = 0; i < HOLD_SLOTS; i++)
		hold->free[i] = (uint16_t)i;
	return 0;
}

void hold_worker_fini(struct dp *dp, struct worker *w)
{
	struct hold *hold = &neigh_worker(w)->hold;

	for (unsigned int i = 0; i < HOLD_SLOTS; i++) {
		struct hold_slot *slot = &hold->slots[i];

		while (slot->n > 0)
			worker_free_dropped(w, hold_pop(w, hold, slot), &dp_module, DP_DROP_STOPPED,
				hold->stage);
	}
}

void neigh_tell_use(struct worker *w, uint32_t adj)
{
	struct use_told *told = &neigh_worker(w)->use_told[adj % USE_TOLD_SIZE];
	struct mail mail = { .fn = neigh_mail_used, .arg = { adj } };

	if (told->adj == adj && w->now - told->at < w->dp->tsc_hz / 10)
		return;
	if (!worker_tell(w, &mail))
		return;
	told->adj = adj;
	told->at = w->now;
}

static void hold_format(const struct trace_record *record, char *buf, size_t size)
{
	char text[IP_ADDR_TEXT_MAX];
	struct ip_addr addr = ip_addr_v4(record->meta.next_hop_be);

	if (record->exit != STAGE_CONSUMED)
		snprintf(buf, size, "no room to wait for adj %u", record->meta.adj);
	else if (record->meta.ethertype == RTE_ETHER_TYPE_IPV6)
		snprintf(buf, size, "waits for the next hop of adj %u", record->meta.adj);
	else
		snprintf(buf, size, "waits for next hop %s adj %u", ip_addr_text(&addr, text),
			record->meta.adj);
}

const struct stage hold_stage = {
	.name = "neigh_hold",
	.help = "holds packets until their next hop is resolved",
	.run = hold_run,
	.format = hold_format,
};
