/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clones of packets (lib/dp/clone.h): whose bytes they have, that these are shared, that what stands in front
 * is their own, and that nothing is left of them when they are freed or no buffer is.
 */
#include "dp/clone.h"

#include "dp/worker.h"
#include "kit.h"

static struct bench *b;
static struct worker *w;

static void start(void)
{
	b = bench_start(router_config);
	w = b->dp->workers[0];
}

/* A packet of n counting bytes, in segments of seg_len. */
static struct rte_mbuf *make(uint32_t n, uint16_t seg_len)
{
	struct frame frame = { .len = n };
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < n; i++)
		frame.bytes[i] = (uint8_t)i;
	bench_send_segs(b, LAN, &frame, seg_len);
	REQUIRE(rte_ring_dequeue(b->rx[LAN], (void **)&m) == 0);
	*pkt_meta(m) = (struct pkt_meta){ .out_link = 77, .trace = 5 };
	m->vlan_tci = 0xa007;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN;
	return m;
}

static void check_bytes(const struct rte_mbuf *m, uint32_t from, uint32_t n, uint32_t off)
{
	uint8_t got[2048];
	const uint8_t *bytes = rte_pktmbuf_read(m, off, n, got);

	ck_assert_ptr_nonnull(bytes);
	for (uint32_t i = 0; i < n; i++)
		REQUIRE_MSG(bytes[i] == (uint8_t)(from + i), "byte %u", i);
}

static const uint16_t seg_lens[] = { 2000, 64, 16, 17 };

START_TEST(a_clone_has_the_bytes_and_what_is_known_of_them)
{
	struct rte_mbuf *m, *clone;
	uint64_t n_before;

	start();
	n_before = w->stats.cloned;
	m = make(200, seg_lens[_i]);
	clone = pkt_clone(w, m);
	ck_assert_ptr_nonnull(clone);
	ck_assert(!pkt_writable(m));
	ck_assert(!pkt_writable(clone));
	ck_assert_uint_eq(pkt_meta(clone)->out_link, 77);
	ck_assert_uint_eq(pkt_meta(clone)->trace, 0);
	ck_assert_uint_eq(clone->pkt_len, 200);
	check_bytes(clone, 0, 200, 0);
	ck_assert_uint_eq(clone->vlan_tci, 0xa007);
	rte_pktmbuf_free(clone);
	ck_assert(pkt_writable(m));
	ck_assert_uint_eq(w->stats.cloned, n_before + 1);
	w->stats.cloned = n_before;
	rte_pktmbuf_free(m);
	bench_destroy(b);
}
END_TEST

static const struct {
	uint32_t n;
	uint16_t seg_len, n_cut, header_len;
} headers[] = {
	{ 200, 2000, 12, 12 },
	{ 200, 2000, 16, 12 },
	{ 200, 2000, 0, 18 },
	{ 200, 2000, 127, 127 },
	{ 200, 64, 16, 16 },
	{ 200, 16, 16, 16 }, /* all that is cut is a segment */
	{ 200, 17, 16, 12 },
	{ 16, 2000, 16, 12 }, /* nothing is left behind the header */
	{ 17, 2000, 16, 12 },
	{ 32, 16, 16, 127 },
};

START_TEST(a_clone_with_a_header_has_that_and_the_rest)
{
	uint16_t n_cut = headers[_i].n_cut, header_len = headers[_i].header_len;
	uint32_t n_rest = headers[_i].n - n_cut;
	struct rte_mbuf *m, *clone;
	uint8_t header[127];

	start();
	for (unsigned int i = 0; i < sizeof(header); i++)
		header[i] = (uint8_t)(100 + i);
	m = make(headers[_i].n, headers[_i].seg_len);
	clone = pkt_clone_with_header(w, m, n_cut, header, header_len);
	w->stats.cloned--;
	ck_assert_ptr_nonnull(clone);
	rte_mbuf_sanity_check(clone, 1);
	rte_mbuf_sanity_check(m, 1);
	ck_assert(pkt_writable(clone));
	ck_assert_uint_eq(clone->data_off, RTE_PKTMBUF_HEADROOM);
	ck_assert_uint_eq(clone->data_len, header_len);
	ck_assert_uint_eq(clone->pkt_len, header_len + n_rest);
	check_bytes(clone, 100, header_len, 0);
	if (n_rest > 0)
		check_bytes(clone, n_cut, n_rest, header_len);
	ck_assert_uint_eq(pkt_meta(clone)->out_link, 77);
	ck_assert_uint_eq(pkt_meta(clone)->trace, 0);
	ck_assert_uint_eq(clone->vlan_tci, 0xa007);
	ck_assert(clone->ol_flags & RTE_MBUF_F_RX_VLAN);
	/* The one it was made of is as it was. */
	check_bytes(m, 0, headers[_i].n, 0);
	/* Either may go first. */
	rte_pktmbuf_free(_i % 2 ? m : clone);
	if (_i % 2 && n_rest > 0)
		check_bytes(clone, n_cut, n_rest, header_len);
	rte_pktmbuf_free(_i % 2 ? clone : m);
	bench_destroy(b);
}
END_TEST

START_TEST(a_clone_of_a_clone_is_one)
{
	struct rte_mbuf *m, *first, *second;

	start();
	m = make(200, 64);
	first = pkt_clone(w, m);
	second = pkt_clone_with_header(w, first, 16, "sixteen bytes...", 16);
	w->stats.cloned -= 2;
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(first);
	check_bytes(second, 16, 184, 16);
	rte_pktmbuf_free(second);
	bench_destroy(b);
}
END_TEST

/* However few buffers are left: all or nothing. */
START_TEST(without_buffers_there_is_no_clone_and_nothing_leaks)
{
	struct rte_mbuf **buffers, *m, *clone;
	unsigned int n, n_made = 0;

	start();
	for (unsigned int n_left = 0; n_left < 6; n_left++) {
		m = make(200, 64); /* four segments */
		buffers = bench_take_buffers(b, &n);
		for (unsigned int i = 0; i < n_left; i++)
			rte_pktmbuf_free(buffers[--n]);
		clone = n_left % 2 ? pkt_clone(w, m)
				   : pkt_clone_with_header(w, m, 16, "sixteen bytes...", 16);
		n_made += clone != NULL;
		ck_assert((clone != NULL) == (n_left >= 5));
		rte_pktmbuf_free(clone);
		ck_assert_uint_eq(rte_mempool_avail_count(b->dp->pool), n_left);
		bench_give_buffers(buffers, n);
		rte_pktmbuf_free(m);
	}
	w->stats.cloned -= n_made;
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("clone", LOOP_TEST(a_clone_has_the_bytes_and_what_is_known_of_them, seg_lens),
	LOOP_TEST(a_clone_with_a_header_has_that_and_the_rest, headers),
	PLAIN_TEST(a_clone_of_a_clone_is_one),
	PLAIN_TEST(without_buffers_there_is_no_clone_and_nothing_leaks))
