/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The options of a TCP segment (RFC 9293 3.1), as far as connections are tracked by them. For tcp_track.c
 * alone, and in line: who acknowledges by SACK has them in every segment. options_len is of the packet's
 * real length, what is in it may be anything.
 */
#include "flow/tcp_track.h"

enum { TCP_SCALE_MAX = 14 }; /* RFC 7323 2.3 */

enum tcp_option {
	TCP_OPTION_END,
	TCP_OPTION_NOP,
	TCP_OPTION_SCALE = 3,
	TCP_OPTION_SACK_PERMITTED,
	TCP_OPTION_SACK
};

/*
 * Steps through options: the next one's kind, with its value of *value_len bytes, or TCP_OPTION_END at
 * the end or at the first that does not fit. *at begins at 0.
 */
static inline uint8_t tcp_option_next(const struct tcp_segment *seg, unsigned int *at,
	const uint8_t **value, unsigned int *value_len)
{
	while (*at < seg->options_len && seg->options[*at] == TCP_OPTION_NOP)
		(*at)++;
	if (seg->options_len - *at < 2 || seg->options[*at] == TCP_OPTION_END)
		return TCP_OPTION_END;

	const uint8_t *option = &seg->options[*at];

	if (option[1] < 2 || option[1] > seg->options_len - *at)
		return TCP_OPTION_END;
	*at += option[1];
	*value = option + 2;
	*value_len = option[1] - 2u;
	return option[0];
}

/* Scale and options of a SYN, as side flags. */
static inline uint16_t tcp_options_of_syn(const struct tcp_segment *seg)
{
	uint16_t flags = 0;
	unsigned int at = 0, len = 0;
	const uint8_t *value = NULL;
	uint8_t kind;

	while ((kind = tcp_option_next(seg, &at, &value, &len)) != TCP_OPTION_END) {
		if (kind == TCP_OPTION_SACK_PERMITTED && len == 0) {
			flags |= TCP_SIDE_HAS_SACK;
		} else if (kind == TCP_OPTION_SCALE && len == 1) {
			flags &= ~TCP_SIDE_SCALE;
			flags |= value[0] > TCP_SCALE_MAX ? TCP_SCALE_MAX : value[0];
			flags |= TCP_SIDE_HAS_SCALE;
		}
	}
	return flags;
}

/* The highest byte that the segment acknowledges, SACK blocks (RFC 2018 3) included. */
static inline uint32_t tcp_options_sack(const struct tcp_segment *seg)
{
	uint32_t sack = seg->ack;
	unsigned int at = 0, len = 0;
	const uint8_t *value = NULL;
	uint8_t kind;

	if (seg->options_len == 0 ||
		(seg->options_len == 12 && tcp_options_are_timestamps(seg->options)))
		return sack;
	while ((kind = tcp_option_next(seg, &at, &value, &len)) != TCP_OPTION_END) {
		if (kind != TCP_OPTION_SACK || len % 8 != 0)
			continue;
		for (unsigned int i = 0; i < len; i += 8) {
			rte_be32_t edge_be;

			memcpy(&edge_be, value + i + 4, sizeof(edge_be));
			if (tcp_seq_is_before(sack, rte_be_to_cpu_32(edge_be)))
				sack = rte_be_to_cpu_32(edge_be);
		}
	}
	return sack;
}
