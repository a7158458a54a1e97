/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The stage "arp_input" (RFC 826, RFC 5227): parse sends it every frame of ethertype ARP that is
 * addressed to the link or to everybody. Runs on workers; reads the published table of our
 * addresses, writes only its worker's state.
 *
 * A request for an address of the link is answered here at once, in the request's own buffer, so
 * that answers do not depend on the control thread. What a frame says about its sender goes to the
 * control thread by mail, which decides what is learned (arp.c).
 *
 * Addresses of other links of ours are not answered for: each is where it was configured. The
 * sender's MAC in the packet may differ from the frame's source (proxies, VRRP), as in Linux.
 */
#include "neigh/neigh_priv.h"

#include <rte_ether.h>

#include "dp/trace.h"
#include "net/parse.h"

enum { ARP_EXIT_TX = 1 };

/* What a pass over the lane needs. */
struct arp_run {
	struct stage_node *node;
	const struct link_dp *links;
	const struct arp_own *own;
};

/* The packet's fields, in host byte order but for the addresses. */
struct arp_fields {
	uint32_t sender_be, target_be;
	struct mac_addr sender_mac, target_mac;
	bool is_reply;
};

/* Reads and checks the fixed fields. NEIGH_N_DROPS: all well. */
static enum neigh_drop arp_read(
	struct rte_mbuf *m, const struct pkt_meta *meta, struct arp_fields *out)
{
	struct rte_arp_hdr arp;

	if (!parse_has(m, meta->l3_off + sizeof(arp)))
		return NEIGH_DROP_ARP_TRUNCATED;
	memcpy(&arp, rte_pktmbuf_mtod_offset(m, const void *, meta->l3_off), sizeof(arp));
	if (arp.arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER))
		return NEIGH_DROP_ARP_BAD_HARDWARE;
	if (arp.arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return NEIGH_DROP_ARP_BAD_PROTOCOL;
	if (arp.arp_hlen != RTE_ETHER_ADDR_LEN || arp.arp_plen != sizeof(uint32_t))
		return NEIGH_DROP_ARP_BAD_LENGTH;
	if (arp.arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) &&
		arp.arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return NEIGH_DROP_ARP_BAD_OPCODE;
	out->is_reply = arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
	out->sender_be = arp.arp_data.arp_sip;
	out->target_be = arp.arp_data.arp_tip;
	memcpy(&out->sender_mac, &arp.arp_data.arp_sha, sizeof(out->sender_mac));
	memcpy(&out->target_mac, &arp.arp_data.arp_tha, sizeof(out->target_mac));
	return NEIGH_N_DROPS;
}

/* May somebody have this address? 0/8 (but for a probe's 0), 127/8 and 224/3 are nobody's. */
static bool arp_is_unicast(uint32_t addr_be)
{
	uint8_t first = *(const uint8_t *)&addr_be;

	return first != 0 && first != 127 && first < 224;
}

static enum neigh_drop arp_check_sender(const struct arp_fields *arp)
{
	const uint8_t *mac = arp->sender_mac.bytes;

	if ((mac[0] & 1) || mac_addr_is_zero(&arp->sender_mac))
		return NEIGH_DROP_ARP_BAD_SENDER_MAC;
	/* RFC 5227 2.1.1: a probe is a request whose sender is 0.0.0.0. */
	if (arp->sender_be == 0 && !arp->is_reply)
		return NEIGH_N_DROPS;
	return arp_is_unicast(arp->sender_be) ? NEIGH_N_DROPS : NEIGH_DROP_ARP_BAD_SENDER_IP;
}

/* Our own address in that namespace, or NULL; the one on that link if there are several. */
static const struct arp_own_row *arp_own_find(
	const struct arp_own *own, uint32_t addr_be, uint16_t ns, uint16_t link)
{
	const struct arp_own_row *found = NULL;
	uint32_t low = 0, high = own == NULL ? 0 : own->n;
	uint32_t n = high;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (own->rows[middle].addr_be < addr_be)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && own->rows[low].addr_be == addr_be; low++) {
		if (own->rows[low].ns != ns)
			continue;
		found = &own->rows[low];
		if (found->link == link)
			break;
	}
	return found;
}

static void arp_tell(struct worker *w, const struct pkt_meta *meta, const struct arp_fields *arp,
	unsigned int flags)
{
	struct neigh_heard heard;

	memset(&heard, 0, sizeof(heard));
	heard.key.addr = ip_addr_v4(arp->sender_be);
	heard.key.link = meta->in_link;
	heard.key.ns = meta->ns;
	heard.mac = arp->sender_mac;
	heard.flags = (uint8_t)flags;
	heard_tell(w, &heard, arp_mail_heard);
}

/* Turns the request that lies at l2 (with l3_off bytes in front of the ARP packet) into its reply. */
static void arp_write_reply(
	uint8_t *l2, uint16_t l3_off, const struct arp_fields *arp, uint64_t own_mac)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)l2;
	struct rte_arp_hdr *reply = (struct rte_arp_hdr *)(l2 + l3_off);

	memcpy(&ether->dst_addr, &arp->sender_mac, RTE_ETHER_ADDR_LEN);
	memcpy(&ether->src_addr, &own_mac, RTE_ETHER_ADDR_LEN);
	reply->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	memcpy(&reply->arp_data.arp_sha, &own_mac, RTE_ETHER_ADDR_LEN);
	reply->arp_data.arp_sip = arp->target_be;
	memcpy(&reply->arp_data.arp_tha, &arp->sender_mac, RTE_ETHER_ADDR_LEN);
	reply->arp_data.arp_tip = arp->sender_be;
}

/* The request's buffer is shared (a flooded frame, a capture): the answer needs one of its own. */
static struct rte_mbuf *arp_copy(struct worker *w, struct rte_mbuf *m, uint16_t len)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(w->pool);
	char *data = copy == NULL ? NULL : rte_pktmbuf_append(copy, len);

	if (data == NULL) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	memcpy(data, rte_pktmbuf_mtod(m, const void *), len);
	*pkt_meta(copy) = *pkt_meta(m);
	return copy;
}

static unsigned int arp_answer(struct worker *w, const struct arp_run *run, struct rte_mbuf *m,
	struct pkt_meta *meta, const struct arp_fields *arp)
{
	uint16_t len = (uint16_t)(meta->l3_off + sizeof(struct rte_arp_hdr));
	uint64_t own_mac = run->links[meta->in_link].match;
	bool is_in_place = pkt_writable(m) && m->nb_segs == 1;
	struct rte_mbuf *reply = is_in_place ? m : arp_copy(w, m, len);

	if (reply == NULL)
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ARP_NO_BUFFER);
	/* The request ends here and the reply begins, whichever buffer it is in. */
	w->stats.consumed++;
	w->stats.originated++;
	if (is_in_place)
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_data_len(m) - len));
	arp_write_reply(rte_pktmbuf_mtod(reply, uint8_t *), meta->l3_off, arp, own_mac);
	pkt_meta(reply)->out_link = meta->in_link;
	pkt_meta(reply)->flags = PKT_ORIGINATED;
	if (is_in_place)
		return ARP_EXIT_TX;
	rte_pktmbuf_free(m);
	/* Not pushed: the loop keeps the end of that lane in a register. */
	worker_inject(w, w, reply, run->node->next[ARP_EXIT_TX]->index);
	return STAGE_CONSUMED;
}

static unsigned int arp_heard_flags(const struct arp_fields *arp, const struct pkt_meta *meta)
{
	unsigned int flags = 0;

	if (arp->is_reply)
		flags |= ARP_HEARD_REPLY;
	if (!(meta->flags & (PKT_LINK_BROADCAST | PKT_LINK_MULTICAST)))
		flags |= ARP_HEARD_UNICAST;
	/* Linux: a gratuitous reply also names its own MAC as the target. */
	if (arp->sender_be == arp->target_be &&
		(!arp->is_reply ||
			memcmp(&arp->sender_mac, &arp->target_mac, sizeof(arp->sender_mac)) == 0))
		flags |= ARP_HEARD_GRATUITOUS;
	return flags;
}

/* Somebody sends from an address of ours: ourselves, or somebody who should not. */
static unsigned int arp_from_us(struct worker *w, const struct arp_run *run, struct pkt_meta *meta,
	const struct arp_fields *arp, const struct arp_own_row *sender)
{
	uint64_t mac = run->links[sender->link].match;

	if (memcmp(&mac, &arp->sender_mac, sizeof(arp->sender_mac)) == 0)
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ARP_OWN);
	arp_tell(w, meta, arp, ARP_HEARD_CONFLICT);
	return pkt_drop(meta, &neigh_module, NEIGH_DROP_ARP_CONFLICT);
}

static unsigned int arp_pkt(struct worker *w, void *ctx, struct rte_mbuf *m, struct pkt_meta *meta)
{
	const struct arp_run *run = ctx;
	const struct arp_own_row *sender, *target;
	struct arp_fields arp;
	unsigned int flags;
	enum neigh_drop reason = arp_read(m, meta, &arp);

	if (reason == NEIGH_N_DROPS)
		reason = arp_check_sender(&arp);
	if (reason != NEIGH_N_DROPS)
		return pkt_drop(meta, &neigh_module, reason);
	sender = arp_own_find(run->own, arp.sender_be, meta->ns, meta->in_link);
	if (sender != NULL)
		return arp_from_us(w, run, meta, &arp, sender);

	target = arp_own_find(run->own, arp.target_be, meta->ns, meta->in_link);
	flags = arp_heard_flags(&arp, meta);
	if (target != NULL && target->link == meta->in_link)
		flags |= ARP_HEARD_FOR_US;
	if (arp.sender_be != 0)
		arp_tell(w, meta, &arp, flags);
	if ((flags & ARP_HEARD_FOR_US) && !arp.is_reply)
		return arp_answer(w, run, m, meta, &arp);
	if (!(flags & (ARP_HEARD_FOR_US | ARP_HEARD_GRATUITOUS)))
		return pkt_drop(meta, &neigh_module, NEIGH_DROP_ARP_NOT_FOR_US);
	w->stats.consumed++;
	rte_pktmbuf_free(m);
	return STAGE_CONSUMED;
}

static void arp_run(struct worker *w, struct stage_node *node)
{
	const struct neigh_table *table = neigh_table(w->dp);
	struct arp_run run = {
		.node = node,
		.links = link_dp_table(w->dp),
		/* Pairs with the release in arp_own_publish(). */
		.own = atomic_load_explicit(&table->own, memory_order_acquire),
	};

	stage_each(w, node, ARP_EXIT_TX, arp_pkt, &run);
}

static void arp_format(const struct trace_record *record, char *buf, size_t size)
{
	struct ip_addr sender, target;
	char text[2][IP_ADDR_TEXT_MAX];
	struct rte_arp_hdr arp;

	if (record->bytes_len < record->meta.l3_off + sizeof(arp)) {
		snprintf(buf, size, "%s", record->exit == STAGE_CONSUMED ? "noted" : "too short");
		return;
	}
	memcpy(&arp, record->bytes + record->meta.l3_off, sizeof(arp));
	sender = ip_addr_v4(arp.arp_data.arp_sip);
	target = ip_addr_v4(arp.arp_data.arp_tip);
	if (record->exit == ARP_EXIT_TX)
		snprintf(buf, size, "answer to %s: we have %s", ip_addr_text(&target, text[0]),
			ip_addr_text(&sender, text[1]));
	else
		snprintf(buf, size, "ARP opcode %u from %s for %s",
			rte_be_to_cpu_16(arp.arp_opcode), ip_addr_text(&sender, text[0]),
			ip_addr_text(&target, text[1]));
}

const struct stage arp_stage = {
	.name = "arp_input",
	.help = "checks ARP, answers for our addresses, tells what it heard",
	.run = arp_run,
	.exits = { [ARP_EXIT_TX] = { "tx", "tx" } },
	.format = arp_format,
};
