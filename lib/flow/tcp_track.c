/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The long way of a TCP segment through its connection's state; tcp_track_quick() in the header is
 * the short one. Called on the worker that owns the connection; nothing here is shared.
 *
 * A segment passes four checks in turn, as in nf_conntrack:
 *
 *   flags     is there a TCP that sends this combination?
 *   state     what the table says: a next state, INVALID, or IGNORE
 *   details   what the table cannot express: reopening, challenges, resets (judge_* below)
 *   window    the four bounds of van Rooij's paper (judge_window)
 *
 * We are in the middle: a segment that we see may never arrive, and the two ends may agree on a
 * connection that we have not heard of (ours is stale: we were restarted, an end was). Therefore a SYN
 * in the middle of a connection is neither believed nor stopped. It is noted and let through (IGNORE);
 * if the answer is a SYN/ACK for it, that connection replaces ours; if it is an ACK, it was a challenge
 * (RFC 5961 4), and the reset that answers that is let through as well.
 *
 * Not handled here: checksums, sequence numbers that change on their way, who deletes the connection.
 */
#include "flow/tcp_options.h"

/* Next state, or: */
enum { INVALID = TCP_N_STATES, IGNORE };

#define NO TCP_STATE_NONE
#define SS TCP_STATE_SYN_SENT
#define SR TCP_STATE_SYN_RECV
#define ES TCP_STATE_ESTABLISHED
#define FW TCP_STATE_FIN_WAIT
#define CW TCP_STATE_CLOSE_WAIT
#define LA TCP_STATE_LAST_ACK
#define TW TCP_STATE_TIME_WAIT
#define CL TCP_STATE_CLOSE
#define S2 TCP_STATE_SYN_SENT2
#define IV INVALID
#define IG IGNORE

/*
 * By direction, class, state. FIN is believed when it is seen and ACK of a FIN is not told from other
 * ACKs: the receiver may never get what we see, but timeouts of closing states are short either way.
 */
static const uint8_t next_states[2][TCP_N_CLASSES][TCP_N_STATES] = {
	[FLOW_ORIG] = {
		/*                    NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[TCP_CLASS_SYN] =    { SS, SS, IG, IG, IG, IG, IG, SS, SS, S2 },
		[TCP_CLASS_SYNACK] = { IV, IV, SR, IV, IV, IV, IV, IV, IV, SR },
		[TCP_CLASS_FIN] =    { IV, IV, FW, FW, LA, LA, LA, TW, CL, IV },
		[TCP_CLASS_ACK] =    { ES, IV, ES, ES, CW, CW, TW, TW, CL, IV },
		[TCP_CLASS_RST] =    { IV, CL, CL, CL, CL, CL, CL, CL, CL, CL },
		[TCP_CLASS_NONE] =   { IV, IV, IV, IV, IV, IV, IV, IV, IV, IV },
	},
	[FLOW_REPLY] = {
		/*                    NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[TCP_CLASS_SYN] =    { IV, S2, IV, IV, IV, IV, IV, SS, IV, S2 },
		[TCP_CLASS_SYNACK] = { IV, SR, IG, IG, IG, IG, IG, IG, IG, SR },
		[TCP_CLASS_FIN] =    { IV, IV, FW, FW, LA, LA, LA, TW, CL, IV },
		[TCP_CLASS_ACK] =    { IV, IG, SR, ES, CW, CW, TW, TW, CL, IG },
		[TCP_CLASS_RST] =    { IV, CL, CL, CL, CL, CL, CL, CL, CL, CL },
		[TCP_CLASS_NONE] =   { IV, IV, IV, IV, IV, IV, IV, IV, IV, IV },
	},
};

#undef NO
#undef SS
#undef SR
#undef ES
#undef FW
#undef CW
#undef LA
#undef TW
#undef CL
#undef S2
#undef IV
#undef IG

static struct tcp_result result(
	enum tcp_verdict verdict, enum tcp_reason reason, enum tcp_timeout timeout)
{
	return (struct tcp_result){ .verdict = verdict, .reason = reason, .timeout = timeout };
}

static struct tcp_result result_keep(enum tcp_verdict verdict, enum tcp_reason reason)
{
	return result(verdict, reason, TCP_TIMEOUT_KEEP);
}

/* PSH, ECE and CWR go with everything; of the rest (RFC 9293 3.10.7) these, a bit for each value. */
static bool flags_are_sane(uint8_t flags)
{
	enum { F = RTE_TCP_FIN_FLAG, S = RTE_TCP_SYN_FLAG, R = RTE_TCP_RST_FLAG };
	enum { A = RTE_TCP_ACK_FLAG, U = RTE_TCP_URG_FLAG };
	const uint64_t sane = UINT64_C(1) << S | UINT64_C(1) << (S | U) | UINT64_C(1) << (S | A) |
			      UINT64_C(1) << R | UINT64_C(1) << (R | A) | UINT64_C(1) << A |
			      UINT64_C(1) << (A | U) | UINT64_C(1) << (F | A) |
			      UINT64_C(1) << (F | A | U);

	return (sane >> (flags & (F | S | R | A | U)) & 1) != 0;
}

static enum tcp_class segment_class(const struct tcp_segment *seg)
{
	if (seg->flags & RTE_TCP_RST_FLAG)
		return TCP_CLASS_RST;
	if (seg->flags & RTE_TCP_SYN_FLAG)
		return seg->flags & RTE_TCP_ACK_FLAG ? TCP_CLASS_SYNACK : TCP_CLASS_SYN;
	if (seg->flags & RTE_TCP_FIN_FLAG)
		return TCP_CLASS_FIN;
	return seg->flags & RTE_TCP_ACK_FLAG ? TCP_CLASS_ACK : TCP_CLASS_NONE;
}

/* What is known of an end from its SYN or SYN/ACK. */
static void side_begin(struct tcp_track *track, const struct tcp_segment *seg, unsigned int dir)
{
	const uint16_t from_syn = TCP_SIDE_SCALE | TCP_SIDE_HAS_SCALE | TCP_SIDE_HAS_SACK;
	struct tcp_side *side = &track->side[dir];
	uint16_t *flags = &track->side_flags[dir], *other = &track->side_flags[dir ^ 1];

	side->end = side->max_end = seg->end;
	side->max_win = seg->win == 0 ? 1 : seg->win;
	/* A new beginning: of what was before only these remain. */
	*flags &= TCP_SIDE_IS_LIBERAL | TCP_SIDE_ZERO_WINDOW | TCP_SIDE_SEEN | TCP_SIDE_ASSURED;
	*flags |= tcp_options_of_syn(seg) & from_syn;
	/* RFC 7323 2.2: windows are scaled only if both have said so. */
	if (dir == FLOW_REPLY && !(*flags & *other & TCP_SIDE_HAS_SCALE)) {
		*flags &= ~TCP_SIDE_SCALE;
		*other &= ~TCP_SIDE_SCALE;
	}
}

/* What is known of an end whose first segment is one in the middle of a connection. */
static void side_pick_up(
	struct tcp_track *track, const struct tcp_segment *seg, uint32_t sack, unsigned int dir)
{
	struct tcp_side *side = &track->side[dir], *other = &track->side[dir ^ 1];
	uint32_t win = (uint32_t)seg->win << (track->side_flags[dir] & TCP_SIDE_SCALE);

	side->end = seg->end;
	side->max_win = win == 0 ? 1 : win;
	side->max_end = seg->end + side->max_win;
	if (other->max_win == 0)
		other->end = other->max_end = sack;
	else if (sack == other->end + 1)
		other->end++; /* the answer to a keepalive, which is one byte below */
}

/*
 * First contact with an end, or a new attempt by it (RFC 9293 3.4.3: it has only to use higher
 * sequence numbers). True: it was a SYN that answers a SYN, there is nothing more to check.
 */
static bool side_meet(
	struct tcp_track *track, const struct tcp_segment *seg, uint32_t sack, unsigned int dir)
{
	const struct tcp_side *side = &track->side[dir];
	bool is_syn = (seg->flags & RTE_TCP_SYN_FLAG) != 0;
	bool has_ack = (seg->flags & RTE_TCP_ACK_FLAG) != 0;
	bool is_opening = track->state == TCP_STATE_SYN_SENT || track->state == TCP_STATE_SYN_RECV;

	if (side->max_win == 0) {
		if (!is_syn) {
			side_pick_up(track, seg, sack, dir);
			return false;
		}
		side_begin(track, seg, dir);
		return !has_ack;
	}
	if (!is_syn || !is_opening || !tcp_seq_is_before(side->end, seg->end))
		return false;
	side_begin(track, seg, dir);
	return dir == FLOW_REPLY && !has_ack;
}

/* The numbers of a segment as the window checks take them. */
struct window_view {
	uint32_t seq, end, ack, sack;
};

/*
 * The bounds of the paper, I to IV. Beyond them: out of the window is invalid, below it is old and
 * ignored. A liberal side (or be_liberal) is let through, but moves nothing.
 */
static enum tcp_reason window_reason(
	struct tcp_track *track, const struct window_view *view, unsigned int dir)
{
	struct tcp_side *sender = &track->side[dir], *receiver = &track->side[dir ^ 1];
	bool is_above_old = !tcp_seq_is_before(view->end, sender->end - receiver->max_win);
	bool is_ack_recent =
		!tcp_seq_is_before(view->sack, receiver->end - tcp_side_ack_window(sender));
	bool is_ack_sent = !tcp_seq_is_before(receiver->end, view->sack);

	if (tcp_seq_is_before(sender->max_end, view->seq)) {
		uint32_t overshot = view->end - sender->max_end + 1;

		if (receiver->max_win == 0 || !is_above_old || !is_ack_recent || !is_ack_sent ||
			overshot > receiver->max_win)
			return TCP_REASON_SEQ_OVER;
		/* Some ends take more than they offer. Its ACK must not be refused then. */
		sender->end = view->end;
		track->side_flags[dir] |= TCP_SIDE_UNACKED;
		return TCP_REASON_OVERSHOT;
	}
	if (!is_ack_sent)
		return TCP_REASON_ACK_OVER;
	if (receiver->max_win != 0 && !is_above_old)
		return TCP_REASON_SEQ_UNDER;
	return is_ack_recent ? TCP_REASON_NONE : TCP_REASON_ACK_UNDER;
}

/*
 * Moves the windows on by a segment that is in window. sack is what it acknowledges with SACK, win is scaled,
 * has_ack whether it acknowledges anything at all.
 */
static void track_advance(struct tcp_track *track, const struct window_view *view, uint32_t win,
	bool has_ack, unsigned int dir)
{
	struct tcp_side *sender = &track->side[dir], *receiver = &track->side[dir ^ 1];
	uint16_t *flags = &track->side_flags[dir];
	uint32_t seen_win = win + (view->sack - view->ack);

	if (sender->max_win < seen_win)
		sender->max_win = seen_win;
	if (tcp_seq_is_before(sender->end, view->end)) {
		sender->end = view->end;
		*flags |= TCP_SIDE_UNACKED;
	}
	if (has_ack &&
		(!(*flags & TCP_SIDE_ACKED) || tcp_seq_is_before(sender->max_ack, view->ack))) {
		sender->max_ack = view->ack;
		*flags |= TCP_SIDE_ACKED;
	}
	/* It may have begun in the window and ended beyond: the window was larger than we knew. */
	if (receiver->max_win != 0 && tcp_seq_is_before(sender->max_end, view->end))
		receiver->max_win += view->end - sender->max_end;
	/* A closed window still takes a probe of one byte (RFC 9293 3.8.6.1). */
	if (!tcp_seq_is_before(view->sack + win, receiver->max_end))
		receiver->max_end = view->sack + win + (win == 0);
	if (view->ack == receiver->end)
		track->side_flags[dir ^ 1] &= (uint16_t)~TCP_SIDE_UNACKED;
}

/* Notes which side has just closed its window; the other one has not. */
static void track_note_window(
	struct tcp_track *track, const struct tcp_segment *seg, unsigned int dir)
{
	track->side_flags[FLOW_ORIG] &= (uint16_t)~TCP_SIDE_ZERO_WINDOW;
	track->side_flags[FLOW_REPLY] &= (uint16_t)~TCP_SIDE_ZERO_WINDOW;
	if (seg->win == 0)
		track->side_flags[dir] |= TCP_SIDE_ZERO_WINDOW;
}

/* Counts ACKs that come again and again, the sign of an end that is gone. */
static void track_count_retrans(
	struct tcp_track *track, const struct tcp_segment *seg, unsigned int dir)
{
	uint16_t hash = tcp_ack_hash(
		rte_cpu_to_be_64((uint64_t)seg->seq << 32 | seg->ack), rte_cpu_to_be_16(seg->win));

	if (track->last_dir == dir && track->last_end == seg->end && track->last_hash == hash) {
		track->n_retrans += track->n_retrans < UINT8_MAX;
		return;
	}
	track->last_end = seg->end;
	track->last_hash = hash;
	track->n_retrans = 0;
	track_note_window(track, seg, dir);
}

/* Is the segment in window? Moves the windows on if so. */
static struct tcp_result judge_window(struct tcp_track *track, const struct tcp_sysctl *conf,
	const struct tcp_segment *seg, unsigned int dir)
{
	struct window_view view = { seg->seq, seg->end, seg->ack, seg->ack };
	bool has_ack = (seg->flags & RTE_TCP_ACK_FLAG) != 0;
	bool is_reset = (seg->flags & RTE_TCP_RST_FLAG) != 0;
	uint32_t win = seg->win;
	enum tcp_reason reason;

	if (track->side_flags[dir ^ 1] & TCP_SIDE_HAS_SACK)
		view.sack = tcp_options_sack(seg);
	if (side_meet(track, seg, view.sack, dir))
		return result_keep(TCP_ACCEPT, TCP_REASON_NONE);
	/* Nothing acknowledged, or a reset that says so with a zero: as good as all. */
	if (!has_ack || (is_reset && seg->ack == 0))
		view.ack = view.sack = track->side[dir ^ 1].end;
	/* A reset that refuses a SYN carries no sequence number (RFC 9293 3.10.7.1). */
	if (is_reset && seg->seq == 0 && track->state == TCP_STATE_SYN_SENT)
		view.seq = view.end = track->side[dir].end;
	reason = window_reason(track, &view, dir);
	if (reason != TCP_REASON_NONE) {
		if (conf->be_liberal || (track->side_flags[dir] & TCP_SIDE_IS_LIBERAL))
			return result_keep(TCP_ACCEPT, TCP_REASON_NONE);
		return result_keep(reason == TCP_REASON_SEQ_OVER || reason == TCP_REASON_ACK_OVER
					   ? TCP_INVALID
					   : TCP_IGNORE,
			reason);
	}
	if (!(seg->flags & RTE_TCP_SYN_FLAG))
		win <<= track->side_flags[dir] & TCP_SIDE_SCALE;
	track_advance(track, &view, win, has_ack, dir);
	if (segment_class(seg) == TCP_CLASS_ACK)
		track_count_retrans(track, seg, dir);
	return result_keep(TCP_ACCEPT, TCP_REASON_NONE);
}

/*
 * A SYN/ACK for a SYN that we had let through unsynced: both ends have agreed on a new connection,
 * with a side that we know from that SYN and one that we are about to learn.
 */
static void track_resync(struct tcp_track *track, struct tcp_track_rare *rare, unsigned int dir)
{
	const uint16_t kept = TCP_SIDE_SEEN | TCP_SIDE_ASSURED | TCP_SIDE_ZERO_WINDOW;
	struct tcp_side *other = &track->side[dir ^ 1];
	uint16_t *flags = &track->side_flags[dir], *other_flags = &track->side_flags[dir ^ 1];

	other->end = other->max_end = track->last_end;
	other->max_win = rare->syn_win == 0 ? 1 : rare->syn_win;
	*other_flags = (*other_flags & kept) | rare->syn_flags;
	track->side[dir] = (struct tcp_side){ 0 };
	*flags &= kept;
	rare->is_challenged = false;
}

static bool answers_unsynced_syn(const struct tcp_track *track, const struct tcp_segment *seg,
	enum tcp_class class, unsigned int dir)
{
	return class == TCP_CLASS_SYNACK && track->last_class == TCP_CLASS_SYN &&
	       track->last_dir != dir && seg->ack == track->last_end;
}

/* Notes what is let through although it does not fit, for the answers to it. */
static struct tcp_result track_note_unsynced(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_segment *seg, enum tcp_class class, unsigned int dir)
{
	track->last_class = class;
	track->last_dir = dir;
	track->last_end = seg->end;
	track_note_window(track, seg, dir);
	rare->syn_win = seg->win;
	if (class == TCP_CLASS_SYN && dir == FLOW_ORIG) {
		rare->syn_flags = tcp_options_of_syn(seg);
		rare->is_simultaneous = false;
		/* The ACK of a FIN is what LAST_ACK waits for; a challenge is not one. */
		rare->is_challenged = track->state == TCP_STATE_LAST_ACK;
	}
	if (class == TCP_CLASS_ACK && dir == FLOW_REPLY && track->state == TCP_STATE_SYN_SENT)
		rare->challenge_ack = seg->ack;
	return result_keep(TCP_IGNORE, TCP_REASON_UNSYNCED);
}

/* What a reset is, by its sequence number (RFC 9293 3.10.7.4, RFC 5961 3). */
enum reset {
	RESET_INVALID,
	RESET_IN_WINDOW, /* closes if it is in window */
	RESET_INEXACT,	 /* might be blind: the receiver will challenge it */
	RESET_CLOSES,	 /* whatever the window says */
};

static bool is_established(const struct tcp_track *track)
{
	return track->state == TCP_STATE_ESTABLISHED && tcp_track_is_assured(track);
}

/* A reset measured by what the other end has acknowledged. */
static enum reset reset_by_max_ack(const struct tcp_track *track, const struct tcp_sysctl *conf,
	const struct tcp_segment *seg, unsigned int dir)
{
	uint32_t max_ack = track->side[dir ^ 1].max_ack;

	/* Without a number: the answer to a SYN that was let through. */
	if (seg->seq == 0 && !is_established(track))
		return RESET_IN_WINDOW;
	if (tcp_seq_is_before(seg->seq, max_ack) && !conf->ignore_invalid_rst)
		return RESET_INVALID;
	if (!is_established(track) || seg->seq == max_ack)
		return RESET_IN_WINDOW;
	/* Right behind the sender's own last segment, which may not have arrived yet. */
	if (track->last_class == TCP_CLASS_ACK && track->last_dir == dir &&
		seg->seq == track->last_end)
		return RESET_IN_WINDOW;
	return RESET_INEXACT;
}

/* Does it refuse a segment that was let through unsynced, or half of a connection? */
static bool reset_refuses_unsynced(
	const struct tcp_track *track, const struct tcp_segment *seg, unsigned int dir)
{
	bool is_of_syn = tcp_track_has_reply(track) && track->last_class == TCP_CLASS_SYN;
	bool is_of_ack = !tcp_track_is_assured(track) && track->last_class == TCP_CLASS_ACK;

	return (is_of_syn || is_of_ack) && track->last_dir != dir && seg->ack == track->last_end;
}

static enum reset judge_reset(const struct tcp_track *track, const struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg, unsigned int dir)
{
	enum reset reset = RESET_IN_WINDOW;

	/* Nothing is lost with a connection that is closing; its ports may be in use again. */
	if (tcp_track_is_closing(track))
		return RESET_CLOSES;
	if (track->last_class == TCP_CLASS_ACK && track->last_dir == FLOW_REPLY &&
		dir == FLOW_ORIG && track->state == TCP_STATE_SYN_SENT &&
		seg->seq == rare->challenge_ack)
		return RESET_CLOSES;
	if ((track->side_flags[dir ^ 1] & TCP_SIDE_ACKED) && track->last_class != TCP_CLASS_SYN) {
		reset = reset_by_max_ack(track, conf, seg, dir);
		if (reset != RESET_INEXACT)
			return reset;
	}
	return reset_refuses_unsynced(track, seg, dir) ? RESET_CLOSES : reset;
}

/*
 * A SYN after the end. It begins the next connection (RFC 9293 3.6.1 lets TIME-WAIT be left so) if
 * ours was closed by FIN or by a reset of the same end.
 */
static bool may_reopen(const struct tcp_track *track, unsigned int dir)
{
	return ((track->side_flags[0] | track->side_flags[1]) & TCP_SIDE_CLOSED_FIRST) ||
	       (track->last_dir == dir && track->last_class == TCP_CLASS_RST);
}

/* An ACK in LAST_ACK that answers a SYN of the other direction instead of the FIN. */
static bool is_challenge(const struct tcp_track *track, const struct tcp_track_rare *rare,
	enum tcp_class class, unsigned int dir)
{
	return track->state == TCP_STATE_LAST_ACK && class == TCP_CLASS_ACK &&
	       track->last_dir != dir && track->last_class == TCP_CLASS_SYN && rare->is_challenged;
}

/*
 * A FIN or reset out of window, and one of the other end before: the ends may well be done with each
 * other. The connection shall not stay for days because we believe neither.
 */
static struct tcp_result track_refuse(
	struct tcp_track *track, enum tcp_reason reason, enum tcp_class class, unsigned int dir)
{
	if (!tcp_track_is_assured(track) || (class != TCP_CLASS_RST && class != TCP_CLASS_FIN))
		return result_keep(TCP_INVALID, reason);
	if (track->last_dir != dir &&
		(track->last_class == TCP_CLASS_FIN || track->last_class == TCP_CLASS_RST))
		return result(TCP_INVALID, reason, TCP_TIMEOUT_UNACKNOWLEDGED);
	track->last_class = class;
	track->last_dir = dir;
	return result_keep(TCP_INVALID, reason);
}

/* The timeout after an accepted segment, where tcp_track_timeout() does not know enough. */
static enum tcp_timeout timeout_after(const struct tcp_track *track, const struct tcp_sysctl *conf,
	enum tcp_class class, enum tcp_state old_state)
{
	enum tcp_timeout timeout = tcp_track_timeout(track, conf);

	if (tcp_track_has_reply(track))
		return timeout;
	/* Else the same SYN, sent again and again, would hold a dead connection's ports for ever. */
	if (class == TCP_CLASS_SYN && old_state == TCP_STATE_SYN_SENT)
		return TCP_TIMEOUT_KEEP;
	/* Picked up, and nobody has answered yet. */
	if (track->state == TCP_STATE_ESTABLISHED &&
		conf->timeout_ns[timeout] > conf->timeout_ns[TCP_TIMEOUT_UNACKNOWLEDGED])
		return TCP_TIMEOUT_UNACKNOWLEDGED;
	return timeout;
}

/* The segment has passed all checks: the connection takes its next state. */
static struct tcp_result track_accept(struct tcp_track *track, const struct tcp_sysctl *conf,
	enum tcp_state old_state, enum tcp_state new_state, enum tcp_class class, unsigned int dir)
{
	enum tcp_timeout timeout;

	track->last_class = class;
	track->last_dir = dir;
	track->state = new_state;
	if (new_state == TCP_STATE_FIN_WAIT && old_state != new_state)
		track->side_flags[dir] |= TCP_SIDE_CLOSED_FIRST;
	timeout = timeout_after(track, conf, class, old_state);
	/* Refused before it began: nothing worth keeping. */
	if (!tcp_track_has_reply(track) && class == TCP_CLASS_RST)
		return result_keep(TCP_ACCEPT_LAST, TCP_REASON_NONE);
	if (tcp_track_has_reply(track) && new_state == TCP_STATE_ESTABLISHED &&
		(old_state == TCP_STATE_SYN_RECV || old_state == TCP_STATE_ESTABLISHED))
		track->side_flags[FLOW_ORIG] |= TCP_SIDE_ASSURED;
	return result(TCP_ACCEPT, TCP_REASON_NONE, timeout);
}

/* All checks but that of flags. `seen reply` is as of before this segment. */
static struct tcp_result track_judge(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg, unsigned int dir)
{
	enum tcp_class class = segment_class(seg);
	enum tcp_state old_state = track->state;
	unsigned int new_state = next_states[dir][class][old_state];
	struct tcp_result window;

	if (new_state == INVALID)
		return result_keep(TCP_INVALID, TCP_REASON_STATE);
	if (new_state == TCP_STATE_SYN_SENT && old_state >= TCP_STATE_TIME_WAIT) {
		if (may_reopen(track, dir))
			return result_keep(TCP_REPEAT, TCP_REASON_NONE);
		new_state = IGNORE;
	}
	if (new_state == IGNORE) {
		if (!answers_unsynced_syn(track, seg, class, dir))
			return track_note_unsynced(track, rare, seg, class, dir);
		track_resync(track, rare, dir);
		old_state = TCP_STATE_SYN_SENT;
		new_state = TCP_STATE_SYN_RECV;
	}
	if (is_challenge(track, rare, class, dir)) {
		rare->is_challenged = false;
		return result_keep(TCP_IGNORE, TCP_REASON_CHALLENGE);
	}
	if (new_state == TCP_STATE_SYN_SENT2)
		rare->is_simultaneous = true;
	/* Both SYNs were answered: this ACK is the second answer. */
	if (new_state == TCP_STATE_SYN_RECV && dir == FLOW_REPLY && class == TCP_CLASS_ACK &&
		rare->is_simultaneous)
		new_state = TCP_STATE_ESTABLISHED;
	if (class == TCP_CLASS_RST) {
		switch (judge_reset(track, rare, conf, seg, dir)) {
		case RESET_INVALID:
			return result_keep(TCP_INVALID, TCP_REASON_RST);
		case RESET_CLOSES:
			return track_accept(track, conf, old_state, new_state, class, dir);
		case RESET_INEXACT:
			new_state = old_state;
			break;
		case RESET_IN_WINDOW:
			break;
		}
	}
	window = judge_window(track, conf, seg, dir);
	if (window.verdict == TCP_INVALID)
		return track_refuse(track, window.reason, class, dir);
	if (window.verdict == TCP_IGNORE)
		return window;
	return track_accept(track, conf, old_state, new_state, class, dir);
}

/* What tcp_track_quick() asks of every segment, found out when something out of the ordinary has happened. */
static void track_set_steady(struct tcp_track *track)
{
	unsigned int of_both = track->side_flags[0] & track->side_flags[1];
	unsigned int of_any = track->side_flags[0] | track->side_flags[1];
	bool is_steady = is_established(track) && track->last_class == TCP_CLASS_ACK &&
			 track->side[0].max_win != 0 && track->side[1].max_win != 0 &&
			 (of_both & TCP_SIDE_ACKED) && !(of_any & TCP_SIDE_ZERO_WINDOW);

	for (unsigned int dir = 0; dir < 2; dir++) {
		track->side_flags[dir] &= (uint16_t)~TCP_SIDE_STEADY;
		track->side_flags[dir] |= is_steady ? TCP_SIDE_STEADY : 0;
	}
}

struct tcp_result tcp_track_update(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg, unsigned int dir)
{
	struct tcp_result result_of;

	if (!flags_are_sane(seg->flags))
		return result_keep(TCP_INVALID, TCP_REASON_FLAGS);
	result_of = track_judge(track, rare, conf, seg, dir);
	if (result_of.verdict == TCP_ACCEPT || result_of.verdict == TCP_IGNORE)
		track->side_flags[dir] |= TCP_SIDE_SEEN;
	track_set_steady(track);
	return result_of;
}

struct tcp_result tcp_track_new(struct tcp_track *track, struct tcp_track_rare *rare,
	const struct tcp_sysctl *conf, const struct tcp_segment *seg)
{
	enum tcp_class class = segment_class(seg);

	if (!flags_are_sane(seg->flags))
		return result_keep(TCP_INVALID, TCP_REASON_FLAGS);
	if (next_states[FLOW_ORIG][class][TCP_STATE_NONE] == INVALID)
		return result_keep(TCP_INVALID, TCP_REASON_STATE);
	if (class != TCP_CLASS_SYN && !conf->loose)
		return result_keep(TCP_INVALID, TCP_REASON_PICKUP);
	*rare = (struct tcp_track_rare){ 0 };
	*track = (struct tcp_track){ .last_class = TCP_CLASS_NONE };
	/* No ACK has opened a window yet. */
	track->side_flags[FLOW_ORIG] = TCP_SIDE_ZERO_WINDOW;
	if (class == TCP_CLASS_SYN) {
		side_begin(track, seg, FLOW_ORIG);
	} else {
		side_pick_up(track, seg, 0, FLOW_ORIG); /* of the other end nothing is believed */
		/* Neither scale nor SACK were seen: windows are not held against them. */
		track->side_flags[FLOW_ORIG] |= TCP_SIDE_HAS_SACK | TCP_SIDE_IS_LIBERAL;
		track->side_flags[FLOW_REPLY] |= TCP_SIDE_HAS_SACK | TCP_SIDE_IS_LIBERAL;
	}
	return tcp_track_update(track, rare, conf, seg, FLOW_ORIG);
}

const char *tcp_state_name(enum tcp_state state)
{
	static const char *const names[TCP_N_STATES] = { "NONE", "SYN_SENT", "SYN_RECV",
		"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
		"SYN_SENT2" };

	return names[state];
}

const char *tcp_reason_name(enum tcp_reason reason)
{
#define REASON_NAME(member, name, help) name,
	static const char *const names[TCP_N_REASONS] = { TCP_REASONS(REASON_NAME) };
#undef REASON_NAME

	return names[reason];
}
