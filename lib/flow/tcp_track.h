/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a TCP connection allows its next segment to be, seen from the middle: a state machine over both
 * directions and the sequence windows of both ends. Behaves as Linux's nf_conntrack does, so that
 * what users know of it (states, sysctls, what is `invalid`) holds here.
 *
 * Sources: RFC 9293 (states, sequence numbers), RFC 7323 (window scale), RFC 2018 (SACK), RFC 5961
 * (blind RST and SYN, challenge ACK), Guido van Rooij, "Real Stateful TCP Packet Filtering in IP
 * Filter" (the four bounds of a segment that is in window).
 *
 * Pure functions on the caller's memory, called by the worker that owns the connection. Numbers are
 * in host order, windows in bytes. Header lengths have been checked by the parser; options are
 * checked here. Checksums are not.
 */
#include <assert.h>
#include <nmmintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "flow/flow.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_tcp.h>

/* States under nf_conntrack's names: what both ends together are in. */
enum tcp_state {
	TCP_STATE_NONE,
	TCP_STATE_SYN_SENT,
	TCP_STATE_SYN_RECV,
	TCP_STATE_ESTABLISHED,
	TCP_STATE_FIN_WAIT,   /* one FIN seen */
	TCP_STATE_CLOSE_WAIT, /* and something after it acknowledged */
	TCP_STATE_LAST_ACK,   /* FINs seen in both directions */
	TCP_STATE_TIME_WAIT,
	TCP_STATE_CLOSE,
	TCP_STATE_SYN_SENT2, /* SYNs seen in both directions */
	TCP_N_STATES,
};

/* How long a connection may be silent: the sysctls nf_conntrack_tcp_timeout_*. */
enum tcp_timeout {
	TCP_TIMEOUT_SYN_SENT,
	TCP_TIMEOUT_SYN_RECV,
	TCP_TIMEOUT_ESTABLISHED,
	TCP_TIMEOUT_FIN_WAIT,
	TCP_TIMEOUT_CLOSE_WAIT,
	TCP_TIMEOUT_LAST_ACK,
	TCP_TIMEOUT_TIME_WAIT,
	TCP_TIMEOUT_CLOSE,
	TCP_TIMEOUT_MAX_RETRANS,
	TCP_TIMEOUT_UNACKNOWLEDGED,
	TCP_N_TIMEOUTS,
	TCP_TIMEOUT_KEEP = TCP_N_TIMEOUTS, /* the connection expires when it would have anyway */
};

/* What a segment is to the state machine, by its flags. RST wins over SYN over FIN over ACK. */
enum tcp_class {
	TCP_CLASS_SYN,
	TCP_CLASS_SYNACK,
	TCP_CLASS_FIN,
	TCP_CLASS_ACK,
	TCP_CLASS_RST,
	TCP_CLASS_NONE,
	TCP_N_CLASSES,
};

enum tcp_verdict {
	TCP_ACCEPT,	 /* belongs to the connection */
	TCP_ACCEPT_LAST, /* and ends it: delete it once the segment has passed (refused connection) */
	TCP_IGNORE,	 /* let it pass; it proves nothing, state and timeout stay */
	TCP_INVALID,	 /* is `invalid` to the rules */
	TCP_REPEAT,	 /* delete the connection, this is the first segment of the next one */
};

/* Why a segment is ignored or invalid: member, name in counters and traces, what it means. */
#define TCP_REASONS(X)                                                                             \
	X(NONE, "none", "nothing is wrong")                                                        \
	X(FLAGS, "tcp_flags", "no TCP sends this combination of flags")                            \
	X(STATE, "tcp_state", "the connection's state does not allow such a segment")              \
	X(PICKUP, "tcp_pickup", "begins no connection, and tcp_loose is off")                      \
	X(RST, "tcp_rst", "reset from below what is acknowledged already")                         \
	X(SEQ_OVER, "tcp_seq_over", "sequence number beyond the receiver's window")                \
	X(ACK_OVER, "tcp_ack_over", "acknowledges what was never sent")                            \
	X(SEQ_UNDER, "tcp_seq_under", "repeats what is acknowledged since long")                   \
	X(ACK_UNDER, "tcp_ack_under", "acknowledgement delayed by more than a window")             \
	X(OVERSHOT, "tcp_overshot", "somewhat more than the receiver's window")                    \
	X(UNSYNCED, "tcp_unsynced", "may be of a connection that both ends know better")           \
	X(CHALLENGE, "tcp_challenge", "challenge ACK to a SYN that was let through")

#define TCP_REASON_MEMBER(member, name, help) TCP_REASON_##member,
enum tcp_reason { TCP_REASONS(TCP_REASON_MEMBER) TCP_N_REASONS };
#undef TCP_REASON_MEMBER

/* The sysctls nf_conntrack_tcp_*. Written by the control thread, read by workers. */
struct tcp_sysctl {
	uint64_t timeout_ns[TCP_N_TIMEOUTS];
	int64_t max_retrans;	 /* that many equal ACKs: TCP_TIMEOUT_MAX_RETRANS */
	bool loose;		 /* connections may be picked up in the middle */
	bool be_liberal;	 /* only resets have to be in window */
	bool ignore_invalid_rst; /* a reset below the acknowledged is not invalid */
};

/* What one end has sent. */
struct tcp_side {
	uint32_t end;	  /* highest sequence number + 1 */
	uint32_t max_end; /* highest that the other end's window allows */
	uint32_t max_win; /* largest window it has offered, scaled; 0: nothing seen of this end */
	uint32_t max_ack; /* highest acknowledgement, if TCP_SIDE_ACKED */
};

enum tcp_side_flag {
	TCP_SIDE_SCALE = 0xf,		/* mask: how far its windows are to be shifted */
	TCP_SIDE_HAS_SCALE = 1 << 4,	/* its SYN had a window scale option */
	TCP_SIDE_HAS_SACK = 1 << 5,	/* its SYN permits SACK */
	TCP_SIDE_ACKED = 1 << 6,	/* max_ack is known */
	TCP_SIDE_UNACKED = 1 << 7,	/* sent what is not acknowledged */
	TCP_SIDE_CLOSED_FIRST = 1 << 8, /* its FIN was the first */
	TCP_SIDE_IS_LIBERAL = 1 << 9,	/* picked up: its scale is not known */
	TCP_SIDE_ZERO_WINDOW = 1 << 10, /* sent the last ACK, and that closed the window */
	TCP_SIDE_SEEN = 1 << 11,	/* has taken part (the reply side: `seen reply`) */
	TCP_SIDE_ASSURED = 1 << 12,	/* on the original side: the connection is */
	TCP_SIDE_STEADY = 1 << 13, /* on both sides: what tcp_track_quick() asks of a connection */
};

/* A connection. Lives in the flow's hot line: everything that ordinary segments touch. */
struct tcp_track {
	struct tcp_side side[2]; /* by enum flow_dir of what it sends */
	uint16_t side_flags[2];	 /* enum tcp_side_flag */
	uint32_t last_end;	 /* of the last ACK or ignored segment */
	uint16_t last_hash;	 /* of seq, ack and window of that: is this the same again? */
	uint8_t state : 4;	 /* enum tcp_state */
	uint8_t last_class : 3;	 /* enum tcp_class of the last segment */
	uint8_t last_dir : 1;	 /* and its direction */
	uint8_t n_retrans;	 /* how often the last ACK came again; stops at 255 */
};
static_assert(sizeof(struct tcp_side) == 16, "four sequence numbers");
static_assert(sizeof(struct tcp_track) == 44, "no holes; the rest of the line is the flow's");
static_assert(TCP_N_STATES <= 16 && TCP_N_CLASSES <= 8, "widths of the bit fields");

/* What only SYNs and challenges need. Lives in the flow's cold line. */
struct tcp_track_rare {
	uint32_t challenge_ack; /* acknowledged by the ACK that answered our SYN */
	uint16_t syn_win;	/* window of the SYN that was let through unsynced */
	uint16_t syn_flags;	/* its scale and options, as tcp_track.side_flags */
	bool is_challenged;	/* an ACK in LAST_ACK may answer that SYN, not the FIN */
	bool is_simultaneous;	/* SYNs crossed */
};
static_assert(sizeof(struct tcp_track_rare) <= 16, "as little as possible of the cold line");

/* A segment: its header's numbers, and where its options are (valid as long as the packet). */
struct tcp_segment {
	uint32_t seq, ack;
	uint32_t end; /* seq + payload, SYN and FIN counted as one each */
	uint16_t win; /* as sent, not scaled */
	uint8_t flags;
	uint8_t options_len;
	const uint8_t *options;
};

/* What became of a segment. */
struct tcp_result {
	uint8_t verdict; /* enum tcp_verdict */
	uint8_t reason;	 /* enum tcp_reason: of TCP_IGNORE and TCP_INVALID */
	/*
	 * enum tcp_timeout that begins anew now, or TCP_TIMEOUT_KEEP. An invalid segment can only
	 * shorten: what would live for more than TCP_SHORTEN_NS shall live no longer than that timeout.
	 */
	uint8_t timeout;
};

#define TCP_SHORTEN_NS UINT64_C(120000000000)

/*
 * The first segment of a connection, of the original direction: TCP_ACCEPT, or TCP_INVALID if it
 * cannot begin one. Initialises both structures.
 */
struct tcp_result tcp_track_new(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg);

/*
 * A further segment. `rare` is read and written for SYNs, resets and what is out of the ordinary
 * only, never for ACKs, data and FINs that follow the rules in an established connection.
 */
struct tcp_result tcp_track_update(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg, unsigned int dir);

/* Names for counters, traces and `conntrack list`. Any thread. */
const char *tcp_state_name(enum tcp_state state);
const char *tcp_reason_name(enum tcp_reason reason);

static inline bool tcp_track_has_reply(const struct tcp_track *track)
{
	return (track->side_flags[FLOW_REPLY] & TCP_SIDE_SEEN) != 0;
}

static inline bool tcp_track_is_assured(const struct tcp_track *track)
{
	return (track->side_flags[FLOW_ORIG] & TCP_SIDE_ASSURED) != 0;
}

/* May go early when the table is full, although assured: it is closing. */
static inline bool tcp_track_is_closing(const struct tcp_track *track)
{
	return track->state >= TCP_STATE_FIN_WAIT && track->state <= TCP_STATE_CLOSE;
}

/*
 * Reads a header whose length field the parser has checked against the packet; payload_len bytes
 * follow the options. A length field below 5 (no parser lets it pass) means no options.
 */
static inline struct tcp_segment tcp_segment_read(
	const struct rte_tcp_hdr *header, uint32_t payload_len)
{
	uint8_t flags = header->tcp_flags;
	unsigned int header_len = (header->data_off >> 4) * 4u;
	uint32_t seq = rte_be_to_cpu_32(header->sent_seq);
	uint32_t n_controls = 0;

	if (unlikely(flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)))
		n_controls = !!(flags & RTE_TCP_SYN_FLAG) + !!(flags & RTE_TCP_FIN_FLAG);
	return (struct tcp_segment){
		.seq = seq,
		.ack = rte_be_to_cpu_32(header->recv_ack),
		.end = seq + payload_len + n_controls,
		.win = rte_be_to_cpu_16(header->rx_win),
		.flags = flags,
		.options_len = header_len > sizeof(*header) ? header_len - sizeof(*header) : 0,
		.options = (const uint8_t *)(header + 1),
	};
}

/*
 * What follows cannot be judged by windows any more: a segment came in fragments, of which only the first has
 * a header, so where it ends is not known.
 */
static inline void tcp_track_be_liberal(struct tcp_track *track)
{
	track->side_flags[0] |= TCP_SIDE_IS_LIBERAL;
	track->side_flags[1] |= TCP_SIDE_IS_LIBERAL;
}

static inline bool tcp_seq_is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Do options begin as those of RFC 7323 appendix A do, 12 bytes that are timestamps and nothing else? */
static inline bool tcp_options_are_timestamps(const void *options)
{
	static const uint8_t timestamps[4] = { 1, 1, 8, 10 };

	return memcmp(options, timestamps, sizeof(timestamps)) == 0;
}

/* The oldest acknowledgement that is still believed: van Rooij's 66000, or the largest window. */
static inline uint32_t tcp_side_ack_window(const struct tcp_side *sender)
{
	const uint32_t least = 66000;

	return sender->max_win > least ? sender->max_win : least;
}

/* Is it the same ACK again? Its sequence and acknowledgement numbers as in the packet, its window likewise. */
static inline uint16_t tcp_ack_hash(uint64_t numbers, rte_be16_t win_be)
{
	return (uint16_t)_mm_crc32_u64(win_be, numbers);
}

/*
 * Length of a header that is an ACK's, perhaps with data, opens a window and has no options but the timestamps of
 * RFC 7323 appendix A. 0: it is something else.
 */
static inline uint32_t tcp_plain_ack_len(const struct rte_tcp_hdr *header)
{
	const unsigned int unlike_ack =
		RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;
	const unsigned int plain = 5 << 4 | RTE_TCP_ACK_FLAG << 8;
	const unsigned int timed = 8 << 4 | RTE_TCP_ACK_FLAG << 8;
	uint16_t word; /* data offset, then flags */

	memcpy(&word, &header->data_off, sizeof(word));
	word &= 0xf0 | unlike_ack << 8;
	if (unlikely(header->rx_win == 0))
		return 0;
	if (likely(word == plain))
		return 20;
	return word == timed && tcp_options_are_timestamps(header + 1) ? 32 : 0;
}

static_assert(
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of several fields, lower ones first");

/*
 * tcp_track.last_end and all behind it as one word, after an ordinary ACK: written at once, and compared
 * at once. n_retrans, at its top, is 0.
 */
static inline uint64_t tcp_track_last(
	uint32_t end, const struct rte_tcp_hdr *header, unsigned int dir)
{
	static const uint64_t ack[2] = {
		(uint64_t)(TCP_STATE_ESTABLISHED | TCP_CLASS_ACK << 4) << 48,
		(uint64_t)(TCP_STATE_ESTABLISHED | TCP_CLASS_ACK << 4 | 1 << 7) << 48,
	};
	uint64_t numbers;

	memcpy(&numbers, &header->sent_seq, sizeof(numbers));
	return ack[dir] | (uint64_t)tcp_ack_hash(numbers, header->rx_win) << 32 | end;
}
static_assert(offsetof(struct tcp_track, last_end) == sizeof(struct tcp_track) - 8 &&
		      offsetof(struct tcp_track, last_hash) == sizeof(struct tcp_track) - 4 &&
		      offsetof(struct tcp_track, n_retrans) == sizeof(struct tcp_track) - 1,
	"tcp_track_last()");

/*
 * The common case: an ACK, with or without data, in window, of an established and assured
 * connection. False: not that case, nothing has changed, ask tcp_track_update(). True: accepted,
 * exactly as tcp_track_update() would have; the timeout is tcp_track_timeout()'s. Of l4_len bytes
 * there may be less than a header: what is read behind them comes to nothing.
 *
 * The four numbers of a side are one vector, and a segment is one that can be compared with it: of
 * sequence numbers, too, the difference is positive if they are new. No branch but the one that leaves.
 */
static inline bool tcp_track_quick(struct tcp_track *track, const struct rte_tcp_hdr *header,
	uint32_t l4_len, unsigned int dir)
{
	/* Of the 16 bytes behind the ports: seq twice, window, ack. */
	const __m128i order = _mm_setr_epi8(3, 2, 1, 0, 3, 2, 1, 0, 11, 10, -1, -1, 7, 6, 5, 4);
	const __m128i zero = _mm_setzero_si128();
	__m128i *sender = (__m128i *)&track->side[dir],
		*receiver = (__m128i *)&track->side[dir ^ 1];
	const uint32_t flags = track->side_flags[dir], header_len = tcp_plain_ack_len(header);
	uint32_t len = l4_len - header_len, gained, unacked;
	__m128i sent, received, segment, lens, gain, edge;
	uint64_t last, last_before;

	if (unlikely(!(flags & TCP_SIDE_STEADY)) || unlikely(header_len == 0) ||
		unlikely(l4_len < header_len))
		return false;
	sent = _mm_loadu_si128(sender);
	received = _mm_loadu_si128(receiver);
	segment = _mm_loadu_si128(
		(const __m128i *)(const void *)((const uint8_t *)header +
						offsetof(struct rte_tcp_hdr, sent_seq)));
	segment = _mm_shuffle_epi8(segment, order);
	lens = _mm_cvtsi32_si128((int)len);
	segment = _mm_add_epi32(segment, _mm_unpacklo_epi32(lens, lens));
	segment = _mm_blend_epi16(segment,
		_mm_sll_epi32(segment, _mm_cvtsi32_si128((int)(flags & TCP_SIDE_SCALE))), 0x30);
	/* end, max_end, max_win, max_ack by how much they were below the segment's. */
	gain = _mm_sub_epi32(segment, sent);
	gained = (uint32_t)_mm_cvtsi128_si32(gain);
	gain = _mm_max_epi32(gain, zero);
	/* Lanes 0 and 1: what it acknowledges, how far the window goes that it opens; both less the other side's. */
	edge = _mm_add_epi32(_mm_shuffle_epi32(segment, 0xff),
		_mm_blend_epi16(zero, _mm_srli_si128(segment, 4), 0x0c));
	edge = _mm_sub_epi32(edge, received);
	unacked = (uint32_t)-_mm_cvtsi128_si32(edge);
	/* An end beyond the window makes a window larger; that is left to the other function. */
	if (unlikely(_mm_extract_epi32(gain, 1) != 0) ||
		unlikely((int32_t)(gained + track->side[dir ^ 1].max_win) < 0) ||
		unlikely(unacked > tcp_side_ack_window(&track->side[dir])))
		return false;
	_mm_storeu_si128(sender, _mm_add_epi32(sent, gain));
	edge = _mm_blend_epi16(zero, _mm_max_epi32(edge, zero), 0x0c);
	_mm_storeu_si128(receiver, _mm_add_epi32(received, edge));
	static_assert(TCP_SIDE_UNACKED == 1 << 7, "to where the sign is moved");
	track->side_flags[dir] = (uint16_t)(flags | (-gained >> 24 & TCP_SIDE_UNACKED));
	track->side_flags[dir ^ 1] &= (uint16_t) ~((unacked == 0) << 7);
	last = tcp_track_last((uint32_t)_mm_cvtsi128_si32(segment), header, dir);
	memcpy(&last_before, &track->last_end, sizeof(last_before));
	/* Is it the last one again, whatever n_retrans? */
	if (unlikely((last_before ^ last) << 8 == 0))
		track->n_retrans += track->n_retrans < UINT8_MAX;
	else
		memcpy(&track->last_end, &last, sizeof(last));
	return true;
}
static_assert(offsetof(struct tcp_side, end) == 0 && offsetof(struct tcp_side, max_end) == 4 &&
		      offsetof(struct tcp_side, max_win) == 8 &&
		      offsetof(struct tcp_side, max_ack) == 12,
	"lanes of tcp_track_quick()");

/* The timeout that begins anew with the segment just accepted. */
static inline enum tcp_timeout tcp_track_timeout(
	const struct tcp_track *track, const struct tcp_sysctl *conf)
{
	unsigned int flags = track->side_flags[0] | track->side_flags[1];
	enum tcp_timeout plain = track->state == TCP_STATE_SYN_SENT2
					 ? TCP_TIMEOUT_SYN_SENT
					 : (enum tcp_timeout)(track->state - TCP_STATE_SYN_SENT);
	uint64_t plain_ns = conf->timeout_ns[plain];

	if (track->n_retrans >= conf->max_retrans &&
		plain_ns > conf->timeout_ns[TCP_TIMEOUT_MAX_RETRANS])
		return TCP_TIMEOUT_MAX_RETRANS;
	if (track->last_class == TCP_CLASS_RST)
		return TCP_TIMEOUT_CLOSE;
	if ((flags & TCP_SIDE_UNACKED) && plain_ns > conf->timeout_ns[TCP_TIMEOUT_UNACKNOWLEDGED])
		return TCP_TIMEOUT_UNACKNOWLEDGED;
	if ((flags & TCP_SIDE_ZERO_WINDOW) && plain_ns > conf->timeout_ns[TCP_TIMEOUT_MAX_RETRANS])
		return TCP_TIMEOUT_MAX_RETRANS;
	return plain;
}
