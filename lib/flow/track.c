/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One packet more of a connection: what it does to the connection's state, by protocol. UDP, ICMP queries
 * and unknown protocols as nf_conntrack has them, TCP in tcp_track.c. Run by the owning worker.
 */
#include "flow/flow_priv.h"

/* After that an answered UDP connection is a stream. */
enum { UDP_STREAM_TICKS = 2000 / FLOW_TICK_MS };

static struct tcp_segment read_segment(const struct rte_mbuf *m, const struct pkt_meta *meta)
{
	const struct rte_tcp_hdr *tcp = pkt_l4(m, meta);

	return tcp_segment_read(tcp, pkt_l4_len(meta) - (tcp->data_off >> 4) * 4u);
}

static enum flow_drop tcp_drop(enum tcp_reason reason)
{
	switch (reason) {
	case TCP_REASON_FLAGS:
		return FLOW_DROP_TCP_FLAGS;
	case TCP_REASON_NONE:
	case TCP_REASON_STATE:
	case TCP_REASON_PICKUP:
	case TCP_REASON_UNSYNCED:
	case TCP_REASON_CHALLENGE:
		return FLOW_DROP_TCP_STATE;
	case TCP_REASON_RST:
	case TCP_REASON_SEQ_OVER:
	case TCP_REASON_ACK_OVER:
	case TCP_REASON_SEQ_UNDER:
	case TCP_REASON_ACK_UNDER:
	case TCP_REASON_OVERSHOT:
		return FLOW_DROP_TCP_WINDOW;
	case TCP_N_REASONS:
		break;
	}
	return FLOW_DROP_TCP_STATE;
}

static void set_invalid(const struct flow_worker *fw, struct flow_first *f, enum flow_drop reason)
{
	f->invalid = (uint16_t)(fw->drop_base + reason);
}

/* An invalid segment leaves no more time than it says, and only where there was plenty. */
static void tcp_shorten(
	struct flow_table *table, uint32_t index, enum flow_timeout timeout, uint32_t now)
{
	uint32_t plenty = (uint32_t)(TCP_SHORTEN_NS / 1000000 / FLOW_TICK_MS);

	if (flow_table_left(table, index, now) > plenty)
		flow_table_set_timeout(table, index, timeout, now);
}

static enum flow_verdict_of_packet update_tcp(struct flow_worker *fw, struct flow_table *table,
	uint32_t ref, const struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f)
{
	struct tcp_track *tcp = &flow_hot_at(table, ref >> 1)->tcp;
	struct tcp_segment segment = read_segment(m, meta);
	struct tcp_result result = tcp_track_update(
		tcp, &table->cold[ref >> 1].tcp, &table->times->tcp, &segment, ref & 1);
	uint32_t now = flow_now(fw);

	if (result.verdict == TCP_REPEAT)
		return FLOW_OVER;
	if (result.verdict == TCP_INVALID) {
		set_invalid(fw, f, tcp_drop((enum tcp_reason)result.reason));
		if (result.timeout != TCP_TIMEOUT_KEEP)
			tcp_shorten(table, ref >> 1, (enum flow_timeout)result.timeout, now);
		return FLOW_INVALID;
	}
	/* What is let through without proof says nothing about windows. */
	if (unlikely(meta->flags & PKT_FRAGMENT) && result.verdict == TCP_ACCEPT)
		tcp_track_be_liberal(tcp);
	if (tcp_track_has_reply(tcp))
		flow_verdict_at(table, ref >> 1)->status |= FLOW_SEEN_REPLY;
	if (tcp_track_is_assured(tcp))
		flow_table_assure(table, ref >> 1);
	/* What was refused is over, but its refusal has yet to be translated. */
	if (result.verdict == TCP_ACCEPT_LAST)
		result.timeout = TCP_TIMEOUT_CLOSE;
	if (result.timeout != TCP_TIMEOUT_KEEP)
		flow_table_set_timeout(table, ref >> 1, (enum flow_timeout)result.timeout, now);
	return FLOW_PASS;
}

static void update_udp(struct flow_worker *fw, struct flow_table *table, uint32_t index)
{
	uint32_t now = flow_now(fw);

	if (!(flow_verdict_at(table, index)->status & FLOW_SEEN_REPLY) ||
		(int32_t)(now - flow_hot_at(table, index)->udp_stream_at) < 0) {
		flow_table_set_timeout(table, index, FLOW_TIMEOUT_UDP, now);
		return;
	}
	flow_table_set_timeout(table, index, FLOW_TIMEOUT_UDP_STREAM, now);
	flow_table_assure(table, index);
}

enum flow_verdict_of_packet flow_update(struct flow_worker *fw, struct flow_table *table,
	uint32_t ref, const struct rte_mbuf *m, const struct pkt_meta *meta, struct flow_first *f)
{
	struct flow_verdict *verdict = flow_verdict_at(table, ref >> 1);

	/* Behind the first fragment of a segment there is no more to learn. */
	if (verdict->proto == IPPROTO_TCP)
		return meta->flags & PKT_FRAGMENT_LATER ? FLOW_PASS
							: update_tcp(fw, table, ref, m, meta, f);
	if ((ref & 1) == FLOW_REPLY)
		verdict->status |= FLOW_SEEN_REPLY;
	if (verdict->proto == IPPROTO_UDP || verdict->proto == IPPROTO_UDPLITE) {
		update_udp(fw, table, ref >> 1);
		return FLOW_PASS;
	}
	flow_hot_at(table, ref >> 1)->last_seen = flow_now(fw);
	/* Answered queries are over; anything else that is answered goes on. */
	if ((ref & 1) == FLOW_REPLY && !flow_is_icmp(verdict->proto))
		flow_table_assure(table, ref >> 1);
	return FLOW_PASS;
}

static enum flow_timeout first_timeout(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return FLOW_TIMEOUT_UDP;
	case IPPROTO_ICMP:
		return FLOW_TIMEOUT_ICMP;
	case IPPROTO_ICMPV6:
		return FLOW_TIMEOUT_ICMPV6;
	default:
		return FLOW_TIMEOUT_GENERIC;
	}
}

enum flow_drop flow_begin(struct flow_worker *fw, const struct rte_mbuf *m,
	const struct pkt_meta *meta, const struct flow_first *f, struct flow_begin *begin)
{
	struct tcp_segment segment;
	struct tcp_result result;

	*begin = (struct flow_begin){ .timeout = first_timeout(f->proto) };
	if (!flow_may_begin(f->proto, &f->orig))
		return FLOW_DROP_ICMP;
	if (f->proto != IPPROTO_TCP || !f->has_l4)
		return FLOW_N_DROPS;
	segment = read_segment(m, meta);
	result = tcp_track_new(&begin->tcp, &begin->rare, &fw->state->times.tcp, &segment);
	if (result.verdict == TCP_INVALID)
		return tcp_drop((enum tcp_reason)result.reason);
	begin->timeout = (enum flow_timeout)result.timeout;
	return FLOW_N_DROPS;
}

void flow_begin_at(struct flow_worker *fw, struct flow_table *table, uint32_t index,
	const struct flow_first *f, const struct flow_begin *begin)
{
	struct flow_hot *hot = flow_hot_at(table, index);

	if (f->proto == IPPROTO_TCP) {
		hot->tcp = begin->tcp;
		table->cold[index].tcp = begin->rare;
	} else {
		hot->udp_stream_at = flow_now(fw) + UDP_STREAM_TICKS;
	}
}

void flow_count(struct flow_table *table, uint32_t ref, uint32_t bytes)
{
	unsigned int dir = ref & 1;
	uint64_t *count = &flow_hot_at(table, ref >> 1)->count[dir];
	struct flow_cold *cold = &table->cold[ref >> 1];
	uint32_t sum = (uint32_t)*count + bytes, packets = (uint32_t)(*count >> 32) + 1;

	*count = (uint64_t)packets << 32 | sum;
	cold->bytes_high[dir] += sum < bytes;
	cold->packets_high[dir] += packets == 0;
}
