/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What LACP (lacp.h) needs to talk: frames of Slow Protocols that members of bonds receive come from the stage
 * `lacp_input` through a ring of each worker, and are looked at every tick; what the machines want to say leaves by
 * the member that it is about. Control thread, but for the stage.
 *
 * Each member has a share of each ring, and so of the control thread's time: more than that is a flood, which is dropped
 * by name (lacp_full) and costs nobody else anything, least of all the LACPDUs of other members.
 */
#include "link/bond_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "dp/trace.h"

enum {
	SLOW_SHARE = 8,	 /* frames of a member that wait at a worker; LACP sends three a second */
	SLOW_RING = 512, /* frames that wait at a worker; a power of two */
	SYSTEM_PRIORITY = 65535, /* Linux's defaults */
	PORT_PRIORITY = 255,
};
static_assert(
	SLOW_RING > SLOW_SHARE * RTE_MAX_ETHPORTS, "members are ports: there is room for all");

/* Sending */

/* The address that a member's frames come from; LACP asks for one of its own. */
static void slow_send(struct dp *dp, const struct link *link, const uint8_t *payload)
{
	const uint16_t len = RTE_ETHER_HDR_LEN + LACP_PDU_LEN;
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pool);
	char *data = m == NULL ? NULL : rte_pktmbuf_append(m, len);
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)data;

	if (data == NULL) {
		log_warn("link", "no packet buffer for an LACPDU dev=%s", link->name);
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(&ether->dst_addr, &lacp_destination, sizeof(ether->dst_addr));
	memcpy(&ether->src_addr, &link->mac, sizeof(ether->src_addr));
	ether->ether_type = RTE_BE16(LACP_ETHER_TYPE);
	memcpy(ether + 1, payload, LACP_PDU_LEN);
	*pkt_meta(m) = (struct pkt_meta){
		.out_link = link->ifindex,
		.ns = link->ns,
		.flags = PKT_ORIGINATED,
		.l3_off = sizeof(*ether),
		.ethertype = LACP_ETHER_TYPE,
	};
	dp_originate(dp, link_worker(dp, link), m, dp_stage_index(dp, "tx"));
}

static void pdu_send(struct dp *dp, const struct link *link, const struct lacp_pdu *pdu)
{
	uint8_t payload[LACP_PDU_LEN];

	lacp_pdu_build(pdu, payload);
	slow_send(dp, link, payload);
}

/* Members */

void bond_lacp_start(struct dp *dp, struct bond *bond)
{
	const struct link_conf *conf = bond->link->conf;
	const struct lacp_conf lacp = {
		.system = bond->link->mac,
		.system_priority = SYSTEM_PRIORITY,
		.is_active = conf->is_lacp_active,
		.is_fast = conf->lacp_rate,
		.ad_select = (enum lacp_ad_select)conf->ad_select,
	};

	lacp_group_init(&bond->lacp, &lacp);
}

int bond_lacp_join(struct bond *bond, struct bond_member *member)
{
	if (bond->link->conf->mode != BOND_802_3AD)
		return 0;
	return lacp_port_add(&bond->lacp, &member->lacp, member->link->ifindex, PORT_PRIORITY);
}

void bond_lacp_leave(struct dp *dp, struct bond *bond, struct bond_member *member)
{
	struct lacp_pdu last;

	if (member->lacp.group != NULL && lacp_port_remove(&member->lacp, dp->now_ns, &last) &&
		bond->link->is_open)
		pdu_send(dp, member->link, &last);
}

void bond_lacp_follow_line(struct dp *dp, struct bond_member *member)
{
	struct rte_eth_link status = { .link_duplex = RTE_ETH_LINK_FULL_DUPLEX };
	struct lacp_line line = { .is_up = member->is_usable };

	if (member->lacp.group == NULL)
		return;
	if (rte_eth_link_get_nowait(member->link->port, &status) == 0 &&
		status.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		line.speed_mbps = status.link_speed;
	line.is_full_duplex = status.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	lacp_port_set_link(&member->lacp, &line, dp->now_ns);
}

void bond_lacp_tick(struct dp *dp, struct bond *bond)
{
	struct lacp_pdu pdu;

	if (bond->link->conf->mode != BOND_802_3AD)
		return;
	lacp_group_tick(&bond->lacp, dp->now_ns);
	for (unsigned int i = 0; i < bond->n_members; i++)
		if (lacp_port_take_tx(&bond->members[i]->lacp, dp->now_ns, &pdu))
			pdu_send(dp, bond->members[i]->link, &pdu);
	if (lacp_group_take_changed(&bond->lacp))
		bond_follow(dp, bond);
}

static void slow_take(struct dp *dp, struct link_slow *slow)
{
	struct link *link = link_by_index(dp, slow->ifindex);
	struct bond *bond = link != NULL && link->master != NULL ? bond_of(link->master) : NULL;
	struct bond_member *member = bond != NULL ? bond_member_of(bond, link) : NULL;
	enum lacp_error error;

	/* It may have left since; other modes do not talk. */
	if (member == NULL || member->lacp.group == NULL)
		return;
	if (lacp_port_input(&member->lacp, slow->payload, slow->len, dp->now_ns, &error) ==
		LACP_INPUT_ANSWER)
		slow_send(dp, link, slow->payload);
}

void bond_lacp_read(struct dp *dp)
{
	struct link_slow slow;

	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct link_worker *lw = worker_slot(dp->workers[i], &link_module);

		for (unsigned int n = 0; n < SLOW_RING; n++) {
			if (rte_ring_sc_dequeue_elem(lw->slow, &slow, sizeof(slow)) != 0)
				break;
			/* Of how many there are, not of what is in them: relaxed. */
			__atomic_store_n(&lw->slow_taken[slow.ifindex],
				lw->slow_taken[slow.ifindex] + 1, __ATOMIC_RELAXED);
			slow_take(dp, &slow);
		}
	}
}

/* Datapath: what members receive */

static bool slow_has_share(const struct link_worker *lw, uint16_t ifindex)
{
	return lw->slow_put[ifindex] - __atomic_load_n(&lw->slow_taken[ifindex], __ATOMIC_RELAXED) <
	       SLOW_SHARE;
}

static unsigned int lacp_input_one(
	struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	struct link_worker *lw = ctx;
	struct link_slow slow = { .ifindex = meta->in_link };
	const void *payload;

	slow.len =
		(uint16_t)RTE_MIN(m->pkt_len - RTE_ETHER_HDR_LEN, (uint32_t)sizeof(slow.payload));
	payload = rte_pktmbuf_read(m, RTE_ETHER_HDR_LEN, slow.len, slow.payload);
	if (payload != slow.payload)
		memcpy(slow.payload, payload, slow.len);
	if (!slow_has_share(lw, slow.ifindex) ||
		rte_ring_sp_enqueue_elem(lw->slow, &slow, sizeof(slow)) != 0)
		return link_drop_received(lw, meta, LINK_DROP_SLOW_FULL);
	lw->slow_put[slow.ifindex]++;
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

static void lacp_input_run(struct worker *w, struct stage_node *node)
{
	stage_each(w, node, STAGE_DROP, lacp_input_one, worker_slot(w, &link_module));
}

static void lacp_input_format(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "for the control thread");
}

const struct stage lacp_input_stage = {
	.name = "lacp_input",
	.help = "takes in LACP of members of bonds",
	.run = lacp_input_run,
	.format = lacp_input_format,
};

int bond_worker_init(struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	lw->slow = worker_ring_create(
		w, "lacp", sizeof(struct link_slow), SLOW_RING, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return lw->slow == NULL ? -ENOMEM : 0;
}

void bond_worker_fini(struct worker *w)
{
	struct link_worker *lw = worker_slot(w, &link_module);

	rte_ring_free(lw->slow);
}
