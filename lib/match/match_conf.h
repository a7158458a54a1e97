/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The keys of a rule as rows of a field table, for every object whose rules ask about packets:
 * those of the firewall, filters of qdiscs. Such an object's struct holds a struct match_conf, its
 * table MATCH_FIELDS(struct, member). What the values mean is checked by match_spec_parse().
 */
#include "schema/schema.h"

/* Each a list of char *, as written. n 0: the rule does not ask. */
struct match_conf {
	struct field_list in, out, src, dst, proto, sport, dport, icmp_type, tcp_flags, state, mark,
		dscp;
};

#define MATCH_FIELD(owner, member, key, example_text, help_text)                                   \
	{                                                                                          \
		.name = #key, .type = FIELD_LIST, .item = FIELD_STRING, .flags = FIELD_DIGITS,     \
		.offset = offsetof(owner, member.key), .example = (example_text),                  \
		.help = (help_text)                                                                \
	}

/* clang-format off */
#define MATCH_FIELDS(owner, member)                                                                 \
	MATCH_FIELD(owner, member, in, "lan",                                                       \
		"link that the packet came in by; with a * at the end: any whose name begins so"), \
	MATCH_FIELD(owner, member, out, "wan",                                                      \
		"link that the packet leaves by, written as for `in`"),                            \
	MATCH_FIELD(owner, member, src, "192.168.1.0/24",                                           \
		"source: address, prefix, or range FIRST-LAST"),                                   \
	MATCH_FIELD(owner, member, dst, "10.0.0.1-10.0.0.9",                                        \
		"destination, written as for `src`"),                                              \
	MATCH_FIELD(owner, member, proto, "tcp",                                                    \
		"protocol: tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah, or 0 to 255"), \
	MATCH_FIELD(owner, member, sport, "1024-65535",                                             \
		"source port or range FIRST-LAST; `proto` must name protocols that have ports"),   \
	MATCH_FIELD(owner, member, dport, "80",                                                     \
		"destination port or range, written as for `sport`"),                              \
	MATCH_FIELD(owner, member, icmp_type, "echo-request",                                       \
		"ICMP type in nft's words or 0 to 255, then /CODE if that matters; `proto` must be " \
		"icmp or icmpv6"),                                                                 \
	MATCH_FIELD(owner, member, tcp_flags, "syn/syn,ack,rst,fin",                                \
		"TCP flags: any of those listed is set; SET/MASK: of the flags in MASK exactly "   \
		"those in SET are; fin, syn, rst, psh, ack, urg, ecn, cwr; none and all may stand " \
		"for no flag and the first six; `proto` must be tcp"),                             \
	MATCH_FIELD(owner, member, state, "new",                                                    \
		"of the connection: new, established, related, invalid or untracked"),             \
	MATCH_FIELD(owner, member, mark, "0x10/0xff",                                               \
		"mark, with /MASK only those bits of it"),                                         \
	MATCH_FIELD(owner, member, dscp, "ef",                                                      \
		"DSCP: cs0 to cs7, af11 to af43, ef, va, be, df, lephb, or 0 to 63")
/* clang-format on */
