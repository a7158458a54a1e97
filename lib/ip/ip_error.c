/* SPDX-License-Identifier: BSD-3-Clause */

/* What the ICMP errors, and other packets made here, of both families have in common. Run by the owning worker. */
#include "ip/ip_priv.h"

/* Copies len bytes of the failed packet, from its IP header on, behind what is already in error. */
static void error_quote(
	struct rte_mbuf *error, const struct rte_mbuf *m, const struct pkt_meta *meta, uint16_t len)
{
	void *to = rte_pktmbuf_append(error, len);
	const void *from = rte_pktmbuf_read(m, meta->l3_off, len, to);

	if (from != to)
		memcpy(to, from, len);
}

struct rte_mbuf *ip_error_new(struct worker *w, const struct ip_error_form *form,
	const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	struct rte_mbuf *error = rte_pktmbuf_alloc(w->pool);
	uint16_t header_len = (uint16_t)(form->ip_header_len + sizeof(struct rte_icmp_hdr));
	uint16_t quote_len = RTE_MIN(meta->l3_len, (uint16_t)(form->max_len - header_len));

	if (error == NULL)
		return NULL;
	rte_pktmbuf_append(error, (uint16_t)(RTE_ETHER_HDR_LEN + header_len));
	error_quote(error, m, meta, quote_len);
	*pkt_meta(error) = (struct pkt_meta){
		.in_link = meta->in_link,
		.ns = meta->ns,
		.flags = PKT_ORIGINATED | PKT_L4_PRESENT,
		.l3_off = RTE_ETHER_HDR_LEN,
		.l3 = rte_pktmbuf_mtod_offset(error, void *, RTE_ETHER_HDR_LEN),
		.l4_off = RTE_ETHER_HDR_LEN + form->ip_header_len,
		.l3_len = (uint16_t)(header_len + quote_len),
		.ethertype = form->ethertype,
		.proto = form->proto,
		.trace = meta->trace,
	};
	return error;
}

uint8_t ip_hop_limit(const struct worker *w, uint16_t ethertype)
{
	const struct ip_worker *ip_worker = worker_slot(w, &ip_module);

	return (uint8_t)(ethertype == RTE_ETHER_TYPE_IPV4 ? ip_worker->sysctl->default_ttl
							  : ip_worker->sysctl6->hop_limit);
}

void ip_send(struct worker *w, struct rte_mbuf *m)
{
	const struct ip_worker *ip_worker = worker_slot(w, &ip_module);
	const struct pkt_meta *meta = pkt_meta(m);
	unsigned int stage = meta->ethertype == RTE_ETHER_TYPE_IPV4 ? ip_worker->output_stage
								    : ip_worker->output6_stage;

	w->stats.originated++;
	if (ip_is_tracked(ip_worker, meta))
		stage = ip_worker->track_stage;
	else if (w->room > 0) {
		w->room--;
		stage_push(&w->pending, &w->nodes[stage], m);
		return;
	}
	worker_inject(w, w, m, stage);
}
