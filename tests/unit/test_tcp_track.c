/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP connections told as scripts: who sends what, and what must be thought of it. Sequence and
 * acknowledgement numbers count from the ends' initial ones; every script runs with several of
 * these, so that numbers wrap and change sign on the way, and both with and without the quick path,
 * which may make no difference. Timeouts are Linux's defaults.
 */
#include <string.h>

#include "suite.h"

#include "flow/tcp_track.h"

enum { F = RTE_TCP_FIN_FLAG, S = RTE_TCP_SYN_FLAG, R = RTE_TCP_RST_FLAG, P = RTE_TCP_PSH_FLAG };
enum { A = RTE_TCP_ACK_FLAG, U = RTE_TCP_URG_FLAG, E = RTE_TCP_ECE_FLAG, W = RTE_TCP_CWR_FLAG };
enum { STEPS_MAX = 14, ZERO = 0x40000000 }; /* ZERO: the number itself is 0 */

enum { LOOSE_OFF = 1 << 0, LIBERAL = 1 << 1, IGNORE_RST = 1 << 2, MANY_RETRANS = 1 << 3 };

struct options {
	uint8_t len;
	uint8_t bytes[40];
};

static const struct options scale_7 = { 4, { 1, 3, 3, 7 } };
static const struct options scale_200 = { 4, { 1, 3, 3, 200 } };
/* Both, with padding in front, between and behind; and both behind the end of the options. */
static const struct options padded = { 12, { 1, 3, 3, 7, 1, 1, 1, 4, 2, 1, 0, 0 } };
static const struct options ended = { 12, { 1, 2, 4, 5, 180, 0, 3, 3, 7, 4, 2, 0 } };
static const struct options sack_ok = { 4, { 1, 1, 4, 2 } };
static const struct options timestamps = { 12, { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 } };

struct step {
	unsigned int dir;
	uint8_t flags;
	int32_t seq, ack, len;
	uint16_t win;
	enum tcp_verdict verdict;
	enum tcp_reason reason;
	enum tcp_state state;
	enum tcp_timeout timeout;
	const struct options *options;
	int32_t sack; /* not 0: a block of 10 bytes that ends there */
};

/* An accepted segment, and one that is not. */
#define YES(d, f, s, a, l, w, st, t)                                                               \
	{                                                                                          \
		.dir = FLOW_##d, .flags = (f), .seq = (s), .ack = (a), .len = (l), .win = (w),     \
		.state = TCP_STATE_##st, .timeout = TCP_TIMEOUT_##t                                \
	}
#define SYN(d, f, s, a, w, st, t, opt)                                                             \
	{                                                                                          \
		.dir = FLOW_##d, .flags = (f), .seq = (s), .ack = (a), .win = (w),                 \
		.state = TCP_STATE_##st, .timeout = TCP_TIMEOUT_##t, .options = (opt)              \
	}
#define NOT(d, f, s, a, l, w, v, why, st)                                                          \
	{                                                                                          \
		.dir = FLOW_##d, .flags = (f), .seq = (s), .ack = (a), .len = (l), .win = (w),     \
		.verdict = TCP_##v, .reason = TCP_REASON_##why, .state = TCP_STATE_##st,           \
		.timeout = TCP_TIMEOUT_KEEP                                                        \
	}

/* Three-way handshake with windows of 1000 and no options; the next numbers are 1 on both sides. */
#define OPENING                                                                                    \
	YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),                                           \
		YES(REPLY, S | A, 0, 1, 0, 1000, SYN_RECV, SYN_RECV)
#define OPEN OPENING, YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED)

/* The client closes up to LAST_ACK: FIN, its ACK, FIN. */
#define CLOSING                                                                                    \
	OPEN, YES(ORIG, F | A, 1, 1, 0, 1000, FIN_WAIT, FIN_WAIT),                                 \
		YES(REPLY, A, 1, 2, 0, 1000, CLOSE_WAIT, CLOSE_WAIT),                              \
		YES(REPLY, F | A, 1, 2, 0, 1000, LAST_ACK, LAST_ACK)

static const struct script {
	const char *name;
	unsigned int conf;
	bool is_assured; /* at the end */
	struct step steps[STEPS_MAX];
} scripts[] = {
	{ "connection opens, carries data both ways, closes", 0, true,
		{ CLOSING, YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT) } },
	{ "data waits for its acknowledgement with the short timeout", 0, true,
		{ OPEN, YES(ORIG, P | A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 101, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, P | A, 1, 101, 200, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 101, 201, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "both ends close at once", 0, true,
		{ OPEN, YES(ORIG, F | A, 1, 1, 0, 1000, FIN_WAIT, FIN_WAIT),
			YES(REPLY, F | A, 1, 1, 0, 1000, LAST_ACK, LAST_ACK),
			YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			YES(REPLY, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT) } },
	{ "half-closed connection goes on carrying data the other way", 0, true,
		{ OPEN, YES(ORIG, F | A, 1, 1, 0, 1000, FIN_WAIT, FIN_WAIT),
			YES(REPLY, A, 1, 2, 500, 1000, CLOSE_WAIT, CLOSE_WAIT),
			YES(ORIG, A, 2, 501, 0, 1000, CLOSE_WAIT, CLOSE_WAIT),
			YES(REPLY, A, 501, 2, 500, 1000, CLOSE_WAIT, CLOSE_WAIT),
			YES(REPLY, F | A, 1001, 2, 0, 1000, LAST_ACK, LAST_ACK) } },
	{ "SYNs cross, each is answered by a SYN/ACK", 0, true,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			YES(REPLY, S, 0, 0, 0, 1000, SYN_SENT2, KEEP),
			YES(ORIG, S | A, 0, 1, 0, 1000, SYN_RECV, SYN_RECV),
			NOT(REPLY, S | A, 0, 1, 0, 1000, IGNORE, UNSYNCED, SYN_RECV),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "SYNs cross, the last answer is an ACK", 0, true,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			YES(REPLY, S, 0, 0, 0, 1000, SYN_SENT2, KEEP),
			YES(ORIG, S | A, 0, 1, 0, 1000, SYN_RECV, SYN_RECV),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "repeated SYN does not hold the connection", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, KEEP) } },
	{ "new attempt with a higher sequence number replaces the first", 0, true,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			YES(ORIG, S, 70000, 0, 0, 1000, SYN_SENT, KEEP),
			YES(REPLY, S | A, 0, 70001, 0, 1000, SYN_RECV, SYN_RECV),
			YES(ORIG, A, 70001, 1, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "refused connection is over at once", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			NOT(REPLY, R | A, ZERO, 1, 0, 0, ACCEPT_LAST, NONE, CLOSE) } },
	{ "reset that refuses another SYN is invalid", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			NOT(REPLY, R | A, ZERO, 3, 0, 0, INVALID, ACK_OVER, SYN_SENT) } },
	{ "SYN/ACK for another SYN is invalid", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			NOT(REPLY, S | A, 0, 2, 0, 1000, INVALID, ACK_OVER, SYN_SENT) } },
	{ "nobody but the answerer finishes the handshake", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			NOT(ORIG, A, 1, 1, 0, 1000, INVALID, STATE, SYN_SENT),
			NOT(ORIG, S | A, 0, 1, 0, 1000, INVALID, STATE, SYN_SENT),
			NOT(ORIG, F | A, 1, 1, 0, 1000, INVALID, STATE, SYN_SENT) } },
	{ "acknowledging beyond the SYN/ACK is invalid", 0, false,
		{ OPENING, NOT(ORIG, A, 1, 2, 0, 1000, INVALID, ACK_OVER, SYN_RECV) } },
	{ "repeated SYN and SYN/ACK are let through", 0, false,
		{ OPENING, NOT(ORIG, S, 0, 0, 0, 1000, IGNORE, UNSYNCED, SYN_RECV),
			YES(REPLY, S | A, 0, 1, 0, 1000, SYN_RECV, SYN_RECV) } },

	/* Windows. */
	{ "up to the window and no more", 0, true,
		{ OPEN, YES(ORIG, A, 1, 1, 1000, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1001, 1, 0, 1000, ESTABLISHED, UNACKNOWLEDGED),
			NOT(ORIG, A, 2500, 1, 100, 1000, INVALID, SEQ_OVER, ESTABLISHED),
			NOT(ORIG, A, 1002, 1, 1000, 1000, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "somewhat beyond the window is ignored, and may be acknowledged", 0, true,
		{ OPEN, YES(ORIG, A, 1, 1, 1000, 1000, ESTABLISHED, UNACKNOWLEDGED),
			NOT(ORIG, A, 1002, 1, 500, 1000, IGNORE, OVERSHOT, ESTABLISHED),
			YES(REPLY, A, 1, 1502, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "what was never sent cannot be acknowledged", 0, true,
		{ OPEN, NOT(REPLY, A, 1, 2, 0, 1000, INVALID, ACK_OVER, ESTABLISHED),
			NOT(ORIG, A, 1, 1000000, 0, 1000, INVALID, ACK_OVER, ESTABLISHED) } },
	{ "old data is ignored below the window", 0, true,
		{ OPEN, YES(ORIG, A, 1, 1, 1000, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 1001, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 1001, 1, 1000, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 901, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			NOT(ORIG, A, 900, 1, 100, 1000, IGNORE, SEQ_UNDER, ESTABLISHED) } },
	{ "acknowledgement older than 66000 bytes is ignored", 0, true,
		{ SYN(ORIG, S, 0, 0, 60000, SYN_SENT, SYN_SENT, NULL),
			SYN(REPLY, S | A, 0, 1, 60000, SYN_RECV, SYN_RECV, NULL),
			YES(ORIG, A, 1, 1, 0, 60000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 1, 1, 40000, 60000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 40001, 0, 60000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 40001, 1, 40000, 60000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 14001, 0, 60000, ESTABLISHED, UNACKNOWLEDGED),
			NOT(REPLY, A, 1, 14000, 0, 60000, IGNORE, ACK_UNDER, ESTABLISHED) } },
	{ "windows are scaled when both sides say so", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, &scale_7),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, &scale_7),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 128001, 1, 1, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 128001, 1, 1, 1000, ESTABLISHED, UNACKNOWLEDGED) } },
	{ "one side without window scale means none", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, &scale_7),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, NULL),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			NOT(REPLY, A, 2100, 1, 1, 1000, INVALID, SEQ_OVER, ESTABLISHED),
			NOT(ORIG, A, 2100, 1, 1, 1000, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "only the answerer offers a scale: none", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, NULL),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, &scale_7),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			NOT(ORIG, A, 2100, 1, 1, 1000, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "padding between options hides none of them", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, &padded),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, &padded),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 128001, 1, 1, 1000, ESTABLISHED, UNACKNOWLEDGED),
			{ .dir = FLOW_REPLY,
				.flags = A,
				.seq = 1,
				.ack = 1,
				.win = 1000,
				.sack = 128003,
				.verdict = TCP_INVALID,
				.reason = TCP_REASON_ACK_OVER,
				.state = TCP_STATE_ESTABLISHED,
				.timeout = TCP_TIMEOUT_KEEP } } },
	{ "what stands behind the end of the options does not count", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, &ended),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, &ended),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			NOT(REPLY, A, 2100, 1, 1, 1000, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "scale beyond 14 is 14", 0, true,
		{ SYN(ORIG, S, 0, 0, 1, SYN_SENT, SYN_SENT, &scale_200),
			SYN(REPLY, S | A, 0, 1, 1, SYN_RECV, SYN_RECV, &scale_200),
			YES(ORIG, A, 1, 1, 0, 1, ESTABLISHED, ESTABLISHED),
			NOT(REPLY, A, 16386, 1, 1, 1, IGNORE, OVERSHOT, ESTABLISHED),
			NOT(REPLY, A, 50000, 1, 1, 1, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "SACK of data not seen is beyond the bound", 0, true,
		{ SYN(ORIG, S, 0, 0, 1000, SYN_SENT, SYN_SENT, &sack_ok),
			SYN(REPLY, S | A, 0, 1, 1000, SYN_RECV, SYN_RECV, &sack_ok),
			YES(ORIG, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 101, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			{ .dir = FLOW_REPLY,
				.flags = A,
				.seq = 1,
				.ack = 1,
				.win = 1000,
				.sack = 201,
				.state = TCP_STATE_ESTABLISHED,
				.timeout = TCP_TIMEOUT_UNACKNOWLEDGED },
			{ .dir = FLOW_REPLY,
				.flags = A,
				.seq = 1,
				.ack = 1,
				.win = 1000,
				.sack = 202,
				.verdict = TCP_INVALID,
				.reason = TCP_REASON_ACK_OVER,
				.state = TCP_STATE_ESTABLISHED,
				.timeout = TCP_TIMEOUT_KEEP } } },
	{ "SACK means nothing where it was not permitted", 0, true,
		{ OPEN, { .dir = FLOW_REPLY,
				.flags = A,
				.seq = 1,
				.ack = 1,
				.win = 1000,
				.sack = 202,
				.state = TCP_STATE_ESTABLISHED,
				.timeout = TCP_TIMEOUT_ESTABLISHED } } },
	{ "keepalive and its answer", 0, true,
		{ OPEN, YES(ORIG, A, 0, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 0, 1, 1, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "closed window takes a probe of one byte and has a short timeout", 0, true,
		{ OPEN, YES(ORIG, A, 1, 1, 1000, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 1001, 0, 0, ESTABLISHED, MAX_RETRANS),
			YES(ORIG, A, 1001, 1, 1, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 1001, 0, 0, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 1, 1002, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "the third repetition shortens the timeout, news restore it", 0, true,
		{ OPEN, YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, MAX_RETRANS),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, MAX_RETRANS),
			YES(REPLY, A, 1, 101, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "max_retrans is a setting", MANY_RETRANS, true,
		{ OPEN, YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED) } },
	{ "be_liberal lets out of window pass", LIBERAL, true,
		{ OPEN, YES(ORIG, A, 500000, 1, 100, 1000, ESTABLISHED, ESTABLISHED),
			YES(REPLY, A, 1, 900000, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "be_liberal still checks resets", LIBERAL, true,
		{ OPEN, NOT(ORIG, R, 0, 0, 0, 0, INVALID, RST, ESTABLISHED) } },

	/* Resets. */
	{ "exact reset closes", 0, true,
		{ OPEN, YES(REPLY, A, 1, 1, 10, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, R, 1, 0, 0, 0, CLOSE, CLOSE) } },
	{ "reset behind the sender's last segment closes", 0, true,
		{ OPEN, YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 1, 1, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, R | A, 101, 1, 0, 0, CLOSE, CLOSE) } },
	{ "reset elsewhere in the window awaits a challenge", 0, true,
		{ OPEN, YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, R, 500, 0, 0, 0, ESTABLISHED, CLOSE),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, UNACKNOWLEDGED) } },
	{ "blind reset below is invalid", 0, true,
		{ OPEN, NOT(REPLY, R, 0, 0, 0, 0, INVALID, RST, ESTABLISHED) } },
	{ "blind reset above is invalid", 0, true,
		{ OPEN, NOT(REPLY, R, 50000, 0, 0, 0, INVALID, SEQ_OVER, ESTABLISHED) } },
	{ "ignore_invalid_rst leaves old resets to the window", IGNORE_RST, true,
		{ OPEN, YES(REPLY, R, 0, 0, 0, 0, ESTABLISHED, CLOSE) } },
	{ "what is closing takes any reset", 0, true,
		{ CLOSING, YES(ORIG, R, 900000, 0, 0, 0, CLOSE, CLOSE) } },
	{ "invalid FIN and then reset shorten the timeout", 0, true,
		{ OPEN, NOT(ORIG, F | A, 90000, 1, 0, 1000, INVALID, SEQ_OVER, ESTABLISHED),
			{ .dir = FLOW_REPLY,
				.flags = R,
				.seq = 90000,
				.verdict = TCP_INVALID,
				.reason = TCP_REASON_SEQ_OVER,
				.state = TCP_STATE_ESTABLISHED,
				.timeout = TCP_TIMEOUT_UNACKNOWLEDGED } } },

	/* SYNs in the middle, RFC 5961 4. */
	{ "SYN of the client is let through and changes nothing", 0, true,
		{ OPEN, NOT(ORIG, S, 5000, 0, 0, 1000, IGNORE, UNSYNCED, ESTABLISHED),
			YES(REPLY, A, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED),
			YES(ORIG, A, 1, 1, 10, 1000, ESTABLISHED, UNACKNOWLEDGED) } },
	{ "SYN of the server is invalid", 0, true,
		{ OPEN, NOT(REPLY, S, 5000, 0, 0, 1000, INVALID, STATE, ESTABLISHED) } },
	{ "SYN/ACK of the client is invalid", 0, true,
		{ OPEN, NOT(ORIG, S | A, 5000, 1, 0, 1000, INVALID, STATE, ESTABLISHED) } },
	{ "stray SYN/ACK of the server is let through", 0, true,
		{ OPEN, NOT(REPLY, S | A, 5000, 1, 0, 1000, IGNORE, UNSYNCED, ESTABLISHED) } },
	{ "SYN/ACK for a SYN that was let through begins anew", 0, true,
		{ OPEN, NOT(ORIG, S, 500000, 0, 0, 1000, IGNORE, UNSYNCED, ESTABLISHED),
			YES(REPLY, S | A, 900000, 500001, 0, 1000, SYN_RECV, SYN_RECV),
			YES(ORIG, A, 500001, 900001, 0, 1000, ESTABLISHED, ESTABLISHED),
			NOT(ORIG, A, 1, 1, 0, 1000, IGNORE, SEQ_UNDER, ESTABLISHED) } },
	{ "reset for a SYN that was let through closes", 0, true,
		{ OPEN, NOT(ORIG, S, 500000, 0, 0, 1000, IGNORE, UNSYNCED, ESTABLISHED),
			YES(REPLY, R | A, ZERO, 500001, 0, 0, CLOSE, CLOSE) } },
	{ "challenge ACK is not that of the last FIN", 0, true,
		{ CLOSING, NOT(ORIG, S, 500000, 0, 0, 1000, IGNORE, UNSYNCED, LAST_ACK),
			NOT(REPLY, A, 2, 2, 0, 1000, IGNORE, CHALLENGE, LAST_ACK),
			YES(ORIG, R, 2, 0, 0, 0, CLOSE, CLOSE) } },
	{ "challenge ACK to a first SYN, and the reset it asks for", 0, false,
		{ YES(ORIG, S, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			NOT(REPLY, A, 40000, 77777, 0, 1000, IGNORE, UNSYNCED, SYN_SENT),
			NOT(ORIG, R, 77778, 0, 0, 0, INVALID, SEQ_OVER, SYN_SENT),
			YES(ORIG, R, 77777, 0, 0, 0, CLOSE, CLOSE) } },

	/* After the end. */
	{ "SYN reopens a connection in TIME_WAIT", 0, true,
		{ CLOSING, YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			NOT(ORIG, S, 70000, 0, 0, 1000, REPEAT, NONE, TIME_WAIT) } },
	{ "so does one of the other end", 0, true,
		{ CLOSING, YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			NOT(REPLY, S, 70000, 0, 0, 1000, REPEAT, NONE, TIME_WAIT) } },
	{ "SYN reopens what its sender has reset", 0, true,
		{ OPEN, YES(ORIG, R, 1, 0, 0, 0, CLOSE, CLOSE),
			NOT(ORIG, S, 70000, 0, 0, 1000, REPEAT, NONE, CLOSE) } },
	{ "SYN does not reopen what the other end has reset", 0, true,
		{ OPEN, YES(REPLY, R, 1, 0, 0, 0, CLOSE, CLOSE),
			NOT(ORIG, S, 70000, 0, 0, 1000, IGNORE, UNSYNCED, CLOSE) } },
	{ "repeated FIN and ACK in TIME_WAIT", 0, true,
		{ CLOSING, YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			YES(REPLY, F | A, 1, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			YES(ORIG, A, 2, 2, 0, 1000, TIME_WAIT, TIME_WAIT),
			NOT(REPLY, S | A, 0, 1, 0, 1000, IGNORE, UNSYNCED, TIME_WAIT) } },

	/* Picking up in the middle. */
	{ "picked up, and assured by the second segment after an answer", 0, true,
		{ YES(ORIG, A, 0, 0, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 0, 100, 50, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 100, 50, 0, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "picked up connections are not held to windows", 0, true,
		{ YES(ORIG, A, 0, 0, 100, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(REPLY, A, 0, 100, 50, 1000, ESTABLISHED, UNACKNOWLEDGED),
			YES(ORIG, A, 900000, 50, 100, 1000, ESTABLISHED, ESTABLISHED) } },
	{ "loose off: only a SYN begins", LOOSE_OFF, false,
		{ NOT(ORIG, A, 0, 0, 100, 1000, INVALID, PICKUP, NONE) } },
	{ "loose off: a SYN begins", LOOSE_OFF, true, { OPEN } },
	{ "SYN/ACK begins nothing", 0, false,
		{ NOT(ORIG, S | A, 0, 0, 0, 1000, INVALID, STATE, NONE) } },
	{ "FIN begins nothing", 0, false,
		{ NOT(ORIG, F | A, 0, 0, 0, 1000, INVALID, STATE, NONE) } },
	{ "reset begins nothing", 0, false, { NOT(ORIG, R, 0, 0, 0, 0, INVALID, STATE, NONE) } },
	{ "bad flags begin nothing", 0, false,
		{ NOT(ORIG, S | F, 0, 0, 0, 1000, INVALID, FLAGS, NONE) } },
	{ "bad flags are invalid in the middle", 0, true,
		{ OPEN, NOT(ORIG, 0, 1, 0, 0, 1000, INVALID, FLAGS, ESTABLISHED),
			NOT(ORIG, F, 1, 0, 0, 1000, INVALID, FLAGS, ESTABLISHED) } },
	{ "a SYN may ask for ECN", 0, true,
		{ YES(ORIG, S | E | W, 0, 0, 0, 1000, SYN_SENT, SYN_SENT),
			YES(REPLY, S | A | E, 0, 1, 0, 1000, SYN_RECV, SYN_RECV),
			YES(ORIG, A | W, 1, 1, 0, 1000, ESTABLISHED, ESTABLISHED) } },
};

static const uint32_t initial[][2] = {
	{ 1000000, 5000000 },
	{ UINT32_C(0xfffffff0), UINT32_C(0xffffff9c) },
	{ UINT32_C(0x7ffffff0), UINT32_C(0x7fffffff) },
	{ UINT32_C(0xffffffff), UINT32_C(0x80000000) },
};

static struct tcp_sysctl conf_make(unsigned int bits)
{
	const uint64_t s = 1000000000;

	return (struct tcp_sysctl){
		.timeout_ns = {
			[TCP_TIMEOUT_SYN_SENT] = 120 * s,
			[TCP_TIMEOUT_SYN_RECV] = 60 * s,
			[TCP_TIMEOUT_ESTABLISHED] = 432000 * s,
			[TCP_TIMEOUT_FIN_WAIT] = 120 * s,
			[TCP_TIMEOUT_CLOSE_WAIT] = 60 * s,
			[TCP_TIMEOUT_LAST_ACK] = 30 * s,
			[TCP_TIMEOUT_TIME_WAIT] = 120 * s,
			[TCP_TIMEOUT_CLOSE] = 10 * s,
			[TCP_TIMEOUT_MAX_RETRANS] = 300 * s,
			[TCP_TIMEOUT_UNACKNOWLEDGED] = 300 * s,
		},
		.max_retrans = bits & MANY_RETRANS ? 30 : 3,
		.loose = !(bits & LOOSE_OFF),
		.be_liberal = bits & LIBERAL,
		.ignore_invalid_rst = bits & IGNORE_RST,
	};
}

/* Builds the header as it would come in, followed by the options alone: reads beyond are found. */
static struct rte_tcp_hdr *header_make(const struct step *step, const uint32_t isn[2])
{
	struct options options = step->options ? *step->options : (struct options){ 0 };
	struct rte_tcp_hdr *header;

	if (step->sack != 0) {
		rte_be32_t edges[2] = { rte_cpu_to_be_32(isn[!step->dir] + step->sack - 10),
			rte_cpu_to_be_32(isn[!step->dir] + step->sack) };

		options = (struct options){ 12, { 1, 1, 5, 10 } };
		memcpy(options.bytes + 4, edges, sizeof(edges));
	}
	header = calloc(1, sizeof(*header) + options.len);
	ck_assert_ptr_nonnull(header);
	header->sent_seq = rte_cpu_to_be_32(step->seq == ZERO ? 0 : isn[step->dir] + step->seq);
	header->recv_ack = rte_cpu_to_be_32(step->flags & A ? isn[!step->dir] + step->ack : 0);
	header->data_off = (5 + options.len / 4) << 4;
	header->tcp_flags = step->flags;
	header->rx_win = rte_cpu_to_be_16(step->win);
	memcpy(header + 1, options.bytes, options.len);
	return header;
}

/* Two of Linux's defaults are equal: which of these is told depends on the numbers. */
static bool timeouts_are_equal(
	const struct tcp_sysctl *conf, enum tcp_timeout a, enum tcp_timeout b)
{
	return a == b || (a != TCP_TIMEOUT_KEEP && b != TCP_TIMEOUT_KEEP &&
				 conf->timeout_ns[a] == conf->timeout_ns[b]);
}

struct connection {
	struct tcp_track track;
	struct tcp_track_rare rare;
	bool has_begun;
	unsigned int n_quick;
};

/* A segment with len bytes of data. */
static struct tcp_result connection_send(struct connection *conn, const struct tcp_sysctl *conf,
	const struct rte_tcp_hdr *header, uint32_t len, unsigned int dir, bool may_be_quick)
{
	struct tcp_segment seg = tcp_segment_read(header, len);

	if (!conn->has_begun) {
		conn->has_begun = true;
		return tcp_track_new(&conn->track, &conn->rare, conf, &seg);
	}
	if (may_be_quick &&
		tcp_track_quick(&conn->track, header, (header->data_off >> 4) * 4u + len, dir)) {
		conn->n_quick++;
		return (struct tcp_result){ .verdict = TCP_ACCEPT,
			.timeout = tcp_track_timeout(&conn->track, conf) };
	}
	return tcp_track_update(&conn->track, &conn->rare, conf, &seg, dir);
}

static void script_run(const struct script *script, const uint32_t isn[2], bool may_be_quick)
{
	struct tcp_sysctl conf = conf_make(script->conf);
	struct connection conn = { 0 };

	for (const struct step *step = script->steps;
		step < script->steps + STEPS_MAX && (step->flags != 0 || step->verdict != 0);
		step++) {
		struct rte_tcp_hdr *header = header_make(step, isn);
		struct tcp_result got =
			connection_send(&conn, &conf, header, step->len, step->dir, may_be_quick);

		ck_assert_msg(got.verdict == step->verdict && got.reason == step->reason &&
				      timeouts_are_equal(&conf, got.timeout, step->timeout) &&
				      conn.track.state == step->state,
			"%s, step %zu: verdict %d %s, timeout %d, state %s", script->name,
			step - script->steps, got.verdict, tcp_reason_name(got.reason), got.timeout,
			tcp_state_name(conn.track.state));
		free(header);
	}
	ck_assert_msg(tcp_track_is_assured(&conn.track) == script->is_assured, "%s", script->name);
}

START_TEST(script_goes_as_told)
{
	for (size_t i = 0; i < sizeof(initial) / sizeof(initial[0]); i++) {
		script_run(&scripts[_i], initial[i], false);
		script_run(&scripts[_i], initial[i], true);
	}
}
END_TEST

/* All 64 combinations: those without a purpose are refused, whatever PSH, ECE and CWR say. */
START_TEST(only_sane_flags_pass)
{
	const uint8_t sane[] = { S, S | U, S | A, R, R | A, F | A, F | A | U, A, A | U };
	struct tcp_sysctl conf = conf_make(0);

	for (unsigned int flags = 0; flags < 256; flags++) {
		struct rte_tcp_hdr header = {
			.data_off = 5 << 4, .tcp_flags = flags, .rx_win = RTE_BE16(1000)
		};
		struct connection conn = { 0 };
		bool is_sane = false;

		for (size_t i = 0; i < sizeof(sane); i++)
			is_sane |= (flags & ~(P | E | W)) == sane[i];
		ck_assert_msg((connection_send(&conn, &conf, &header, 0, 0, false).reason !=
				      TCP_REASON_FLAGS) == is_sane,
			"flags %#x", flags);
	}
}
END_TEST

static void connection_open(struct connection *conn, const struct tcp_sysctl *conf,
	const uint32_t isn[2], const struct options *options)
{
	const struct step open[] = { SYN(ORIG, S, 0, 0, 5000, SYN_SENT, SYN_SENT, options),
		SYN(REPLY, S | A, 0, 1, 5000, SYN_RECV, SYN_RECV, options),
		YES(ORIG, A, 1, 1, 0, 5000, ESTABLISHED, ESTABLISHED) };

	*conn = (struct connection){ 0 };
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		struct rte_tcp_hdr *header = header_make(&open[i], isn);

		ck_assert_int_eq(connection_send(conn, conf, header, 0, open[i].dir, false).verdict,
			TCP_ACCEPT);
		free(header);
	}
}

START_TEST(plain_and_timestamped_segments_are_quick)
{
	struct tcp_sysctl conf = conf_make(0);
	const struct step step = { .dir = FLOW_ORIG,
		.flags = A | P,
		.seq = 1,
		.ack = 1,
		.win = 5000,
		.options = _i ? &timestamps : NULL };
	struct connection conn;
	struct rte_tcp_hdr *header = header_make(&step, initial[0]);

	connection_open(&conn, &conf, initial[0], &sack_ok);
	ck_assert(tcp_track_quick(
		&conn.track, header, (header->data_off >> 4) * 4u + 100, FLOW_ORIG));
	free(header);
}
END_TEST

/* The cold line stays untouched: there is none. */
START_TEST(ordinary_segments_do_without_the_rare_part)
{
	const struct step rest[] = { YES(ORIG, A | P, 1, 1, 100, 5000, ESTABLISHED, ESTABLISHED),
		YES(REPLY, A, 1, 101, 0, 5000, ESTABLISHED, ESTABLISHED),
		YES(ORIG, A, 900000, 101, 0, 5000, ESTABLISHED, ESTABLISHED),
		YES(ORIG, F | A, 101, 1, 0, 5000, ESTABLISHED, ESTABLISHED),
		YES(REPLY, A, 1, 102, 0, 5000, ESTABLISHED, ESTABLISHED),
		YES(REPLY, F | A, 1, 102, 0, 5000, ESTABLISHED, ESTABLISHED),
		YES(ORIG, A, 102, 2, 0, 5000, ESTABLISHED, ESTABLISHED) };
	struct tcp_sysctl conf = conf_make(0);
	struct connection conn;

	connection_open(&conn, &conf, initial[0], NULL);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		struct rte_tcp_hdr *header = header_make(&rest[i], initial[0]);
		struct tcp_segment seg = tcp_segment_read(header, rest[i].len);

		tcp_track_update(&conn.track, NULL, &conf, &seg, rest[i].dir);
		free(header);
	}
	ck_assert_int_eq(conn.track.state, TCP_STATE_TIME_WAIT);
}
END_TEST

static uint32_t random_next(uint64_t *state)
{
	/* Marsaglia's xorshift64. */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 32;
}

/* Mostly plausible, sometimes far off, with options that may be anything. */
static struct step random_step(uint64_t *random, const struct connection *conn,
	const uint32_t isn[2], struct options *options)
{
	static const uint8_t flags[] = { A, A, A, A, A, A, A, P | A, P | A, P | A, S, S | A, F | A,
		R };
	static const int32_t off[] = { 0, 0, 0, 0, 0, 0, 0, 1, -1, 500, -500, 4000, 6000, -70000 };
	unsigned int dir = random_next(random) % 2;
	const struct tcp_track *track = &conn->track;
	uint32_t n_off = sizeof(off) / sizeof(off[0]);

	options->len = random_next(random) % 4 ? 0 : random_next(random) % 11 * 4;
	for (unsigned int i = 0; i < options->len; i++)
		options->bytes[i] = random_next(random) % 12;
	if (random_next(random) % 4 == 0)
		*options = timestamps;
	return (struct step){
		.dir = dir,
		.flags = random_next(random) % 50 ? flags[random_next(random) % sizeof(flags)]
						  : random_next(random),
		.seq = track->side[dir].end - isn[dir] + off[random_next(random) % n_off],
		.ack = track->side[!dir].end - isn[!dir] + off[random_next(random) % n_off],
		.len = random_next(random) % 3 * 600,
		.win = random_next(random) % 8 ? 5000 : random_next(random) % 6000,
		.options = options,
		.sack = random_next(random) % 16 ? 0
						 : (int32_t)(track->side[!dir].end - isn[!dir]) - 5,
	};
}

static bool is_alike(const struct tcp_result *a, const struct tcp_result *b)
{
	return a->verdict == b->verdict && a->reason == b->reason && a->timeout == b->timeout;
}

static bool is_same(const struct connection *a, const struct connection *b)
{
	return memcmp(&a->track, &b->track, sizeof(a->track)) == 0 &&
	       memcmp(&a->rare, &b->rare, sizeof(a->rare)) == 0;
}

START_TEST(quick_path_agrees_with_the_full_one)
{
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15) + _i;
	struct tcp_sysctl conf = conf_make(_i % 8);
	unsigned int n_quick = 0, n_other = 0;

	for (int round = 0; round < 2000; round++) {
		const uint32_t isn[2] = { random_next(&random), random_next(&random) };
		struct connection quick, full;

		connection_open(&quick, &conf, isn, round % 2 ? &sack_ok : &scale_7);
		full = quick;
		for (int i = 0; i < 40; i++) {
			struct options options;
			struct step step = random_step(&random, &full, isn, &options);
			struct rte_tcp_hdr *header = header_make(&step, isn);
			struct tcp_result a =
				connection_send(&quick, &conf, header, step.len, step.dir, true);
			struct tcp_result b =
				connection_send(&full, &conf, header, step.len, step.dir, false);

			/* Each ck_assert is a write to a file, even when all is well. */
			if (!is_alike(&a, &b) || !is_same(&quick, &full) ||
				full.track.state >= TCP_N_STATES)
				ck_abort_msg("round %d, segment %d", round, i);
			free(header);
			n_other++;
		}
		n_quick += quick.n_quick;
	}
	ck_assert_uint_gt(n_quick, 2000);
	ck_assert_uint_gt(n_other - n_quick, 2000);
}
END_TEST

SUITE_MAIN("tcp_track", LOOP_TEST(script_goes_as_told, scripts), PLAIN_TEST(only_sane_flags_pass),
	{ plain_and_timestamped_segments_are_quick, 2 },
	PLAIN_TEST(ordinary_segments_do_without_the_rare_part),
	{ quick_path_agrees_with_the_full_one, 16 })
