/* SPDX-License-Identifier: BSD-3-Clause */

/* Clones of packets; see clone.h. Run by workers. */
#include "dp/clone.h"

#include "dp/worker.h"

/* What is known of the packet holds for the clone; its way is not traced. */
static struct rte_mbuf *clone_finish(struct worker *w, struct rte_mbuf *clone, struct rte_mbuf *m)
{
	*pkt_meta(clone) = *pkt_meta(m);
	pkt_meta(clone)->trace = 0;
	w->stats.cloned++;
	return clone;
}

struct rte_mbuf *pkt_clone(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, w->pool);

	return clone != NULL ? clone_finish(w, clone, m) : NULL;
}

/* The bytes behind the first n, shared. NULL with *err 0: there are none. */
static struct rte_mbuf *clone_rest(struct worker *w, struct rte_mbuf *m, uint16_t n, int *err)
{
	struct rte_mbuf *rest;

	*err = 0;
	if (m->pkt_len == n)
		return NULL;
	rest = rte_pktmbuf_clone(m, w->pool);
	if (rest == NULL) {
		*err = -ENOMEM;
		return NULL;
	}
	/* The headers that go lie in the first segment; when nothing else does, it goes, too. */
	if (rest->data_len > n) {
		rte_pktmbuf_adj(rest, n);
		return rest;
	}
	m = rest->next;
	m->pkt_len = rest->pkt_len - rest->data_len;
	m->nb_segs = rest->nb_segs - 1;
	rest->next = NULL;
	rest->nb_segs = 1;
	rte_pktmbuf_free(rest);
	return m;
}

struct rte_mbuf *pkt_clone_with_header(struct worker *w, struct rte_mbuf *m, uint16_t n_cut,
	const void *header, uint16_t header_len)
{
	struct rte_mbuf *head, *rest;
	int err;

	RTE_ASSERT(m->data_len >= n_cut);
	rest = clone_rest(w, m, n_cut, &err);
	if (err < 0)
		return NULL;
	head = rte_pktmbuf_alloc(w->pool);
	if (head == NULL) {
		rte_pktmbuf_free(rest);
		return NULL;
	}
	memcpy(rte_pktmbuf_append(head, header_len), header, header_len);
	head->port = m->port;
	head->vlan_tci = m->vlan_tci;
	head->ol_flags = m->ol_flags & RTE_MBUF_F_RX_VLAN;
	if (rest != NULL) {
		head->next = rest;
		head->nb_segs = (uint16_t)(rest->nb_segs + 1);
		head->pkt_len += rest->pkt_len;
	}
	return clone_finish(w, head, m);
}
