/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of keys: what each is called, where it lies in a configuration and in a packet's key, how
 * wide it is; and the words for its values, which are those of nft. Constant, any thread.
 */
#include "match/match_priv.h"

/* A row of names for one value each. */
static const struct match_name proto_names[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
	{ "icmpv6", IPPROTO_ICMPV6 },
	{ "sctp", IPPROTO_SCTP },
	{ "udplite", IPPROTO_UDPLITE },
	{ "dccp", IPPROTO_DCCP },
	{ "gre", IPPROTO_GRE },
	{ "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },
	{ 0 },
};

/* https://www.iana.org/assignments/icmp-parameters */
const struct match_name match_icmp_names[] = {
	{ "echo-reply", 0 },
	{ "destination-unreachable", 3 },
	{ "source-quench", 4 },
	{ "redirect", 5 },
	{ "echo-request", 8 },
	{ "router-advertisement", 9 },
	{ "router-solicitation", 10 },
	{ "time-exceeded", 11 },
	{ "parameter-problem", 12 },
	{ "timestamp-request", 13 },
	{ "timestamp-reply", 14 },
	{ "info-request", 15 },
	{ "info-reply", 16 },
	{ "address-mask-request", 17 },
	{ "address-mask-reply", 18 },
	{ 0 },
};

/* https://www.iana.org/assignments/icmpv6-parameters */
const struct match_name match_icmpv6_names[] = {
	{ "destination-unreachable", 1 },
	{ "packet-too-big", 2 },
	{ "time-exceeded", 3 },
	{ "parameter-problem", 4 },
	{ "echo-request", 128 },
	{ "echo-reply", 129 },
	{ "mld-listener-query", 130 },
	{ "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },
	{ "nd-router-solicit", 133 },
	{ "nd-router-advert", 134 },
	{ "nd-neighbor-solicit", 135 },
	{ "nd-neighbor-advert", 136 },
	{ "nd-redirect", 137 },
	{ "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 },
	{ "ind-neighbor-advert", 142 },
	{ "mld2-listener-report", 143 },
	{ 0 },
};

/* RFC 9293 section 3.1. */
static const struct match_name tcp_flag_names[] = {
	{ "fin", 0x01 },
	{ "syn", 0x02 },
	{ "rst", 0x04 },
	{ "psh", 0x08 },
	{ "ack", 0x10 },
	{ "urg", 0x20 },
	{ "ecn", 0x40 },
	{ "cwr", 0x80 },
	{ "none", 0x00 },
	{ "all", 0x3f },
	{ 0 },
};

static const struct match_name state_names[] = {
	{ "new", MATCH_NEW },
	{ "established", MATCH_ESTABLISHED },
	{ "related", MATCH_RELATED },
	{ "invalid", MATCH_INVALID },
	{ "untracked", MATCH_UNTRACKED },
	{ 0 },
};

/* RFC 2474, 2597, 3246, 5865 (va), 8622 (lephb). cs0 is also called be and df. */
static const struct match_name dscp_names[] = {
	{ "cs0", 0 },
	{ "be", 0 },
	{ "df", 0 },
	{ "lephb", 1 },
	{ "cs1", 8 },
	{ "af11", 10 },
	{ "af12", 12 },
	{ "af13", 14 },
	{ "cs2", 16 },
	{ "af21", 18 },
	{ "af22", 20 },
	{ "af23", 22 },
	{ "cs3", 24 },
	{ "af31", 26 },
	{ "af32", 28 },
	{ "af33", 30 },
	{ "cs4", 32 },
	{ "af41", 34 },
	{ "af42", 36 },
	{ "af43", 38 },
	{ "cs5", 40 },
	{ "va", 44 },
	{ "ef", 46 },
	{ "cs6", 48 },
	{ "cs7", 56 },
	{ 0 },
};

int64_t match_name_value(const struct match_name *names, const char *text, size_t len)
{
	for (; names != NULL && names->name != NULL; names++)
		if (strlen(names->name) == len && memcmp(names->name, text, len) == 0)
			return names->value;
	return -1;
}

const char *match_name_of(const struct match_name *names, uint32_t value)
{
	for (; names != NULL && names->name != NULL; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

const struct match_list *match_spec_list(
	const struct match_spec *spec, enum match_key_id id, uint8_t family)
{
	if (family == AF_INET6 && id == MATCH_SRC)
		return &spec->src6;
	if (family == AF_INET6 && id == MATCH_DST)
		return &spec->dst6;
	return &spec->keys[id];
}

#define KEY(name_text, member, value)                                                              \
	.name = name_text, .conf_offset = offsetof(struct match_conf, member),                     \
	.key_offset = offsetof(struct match_key, value)

static const char addresses_allowed[] = "an address, a prefix such as \"10.0.0.0/8\", or a range "
					"such as \"10.0.0.1-10.0.0.9\"";
static const char ports_allowed[] = "a port from 0 to 65535, or a range such as \"1000-2000\"";
static const char links_allowed[] = "the name of a link, or the start of one followed by a *";

const struct match_key_row match_keys[MATCH_N_KEYS] = {
	[MATCH_IN] = { KEY("in", in, in), .bits = 10, .allowed = links_allowed },
	[MATCH_OUT] = { KEY("out", out, out), .bits = 10, .allowed = links_allowed },
	[MATCH_SRC] = { KEY("src", src, src), .bits = 32, .allowed = addresses_allowed },
	[MATCH_DST] = { KEY("dst", dst, dst), .bits = 32, .allowed = addresses_allowed },
	[MATCH_PROTO] = { KEY("proto", proto, proto), .bits = 8, .max = 255, .names = proto_names,
		.allowed = "tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah, or a number "
			   "from 0 to 255" },
	[MATCH_SPORT] = { KEY("sport", sport, sport), .bits = 16, .max = 65535, .is_l4 = true,
		.has_ranges = true, .allowed = ports_allowed },
	[MATCH_DPORT] = { KEY("dport", dport, dport), .bits = 16, .max = 65535, .is_l4 = true,
		.has_ranges = true, .allowed = ports_allowed },
	[MATCH_ICMP_TYPE] = { KEY("icmp_type", icmp_type, icmp), .bits = 16, .max = 255,
		.is_l4 = true,
		.allowed = "a type such as \"echo-request\" or 0 to 255, or a type and code such "
			   "as \"3/4\"" },
	[MATCH_TCP_FLAGS] = { KEY("tcp_flags", tcp_flags, tcp_flags), .bits = 8, .is_l4 = true,
		.names = tcp_flag_names,
		.allowed = "flags of fin, syn, rst, psh, ack, urg, ecn, cwr, none, all, such as "
			   "\"syn\" or \"syn/syn,ack,rst,fin\"" },
	[MATCH_STATE] = { KEY("state", state, state), .bits = 5, .names = state_names,
		.allowed = "new, established, related, invalid or untracked" },
	[MATCH_MARK] = { KEY("mark", mark, mark), .bits = 32, .max = UINT32_MAX,
		.allowed = "a number from 0 to 4294967295, or one with a mask such as "
			   "\"0x10/0xff\"" },
	[MATCH_DSCP] = { KEY("dscp", dscp, dscp), .bits = 6, .max = 63, .names = dscp_names,
		.allowed = "cs0 to cs7, af11 to af43, ef, va, be, df, lephb, or a number from 0 to "
			   "63" },
};
