/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The checksum of a packet that may lie in several segments. Pure function, any thread.
 *
 * Each segment is summed for itself; one that begins at an odd byte of the data has its bytes in
 * the other halves of the words, so its sum is swapped (RFC 1071 2 B).
 */
#include "net/checksum.h"

uint16_t checksum_mbuf_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t done = 0;
	uint64_t sum = 0;

	while (off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	for (; done < len; m = m->next, off = 0) {
		uint32_t n = RTE_MIN(len - done, m->data_len - off);
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, off), n);

		sum += done & 1 ? rte_bswap16(part) : part;
		done += n;
	}
	return checksum_fold(sum);
}
