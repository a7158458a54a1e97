/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rule keys: what each value means, which are refused and in what words, and compiled tables against a
 * linear scan with the plain evaluator, over random rules and packets at the edges of their values.
 */
#include "match/match.h"
#include "base/mem.h"
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>

struct rule_conf {
	struct object_head head;
	struct match_conf match;
};

static const struct object rule_object = {
	.name = "rule",
	.size = sizeof(struct rule_conf),
	.fields = (const struct field[]){ MATCH_FIELDS(struct rule_conf, match),
		{ .type = FIELD_END } },
};

static const struct match_links links = {
	.names = { [1] = "wan",
		[2] = "lan",
		[3] = "eth0",
		[4] = "eth1",
		[7] = "eth10",
		[9] = "lan.100" },
};

static bool link_is_known(void *ctx, const char *name)
{
	const struct match_links *known = ctx;

	for (unsigned int i = 1; i < LINK_MAX; i++)
		if (strcmp(known->names[i], name) == 0)
			return true;
	return false;
}

/* Decodes and parses; the problems are what diag says. */
static int parse_text(const char *text, struct match_spec *spec, struct diag *diag)
{
	struct node *root = node_read_text(text, strlen(text), diag);
	struct match_source source = { .root = root,
		.path = "",
		.diag = diag,
		.has_link = link_is_known,
		.ctx = (void *)(uintptr_t)&links };
	struct rule_conf *conf;
	int err;

	ck_assert_msg(root != NULL, "syntax: %s", text);
	conf = schema_decode_loose(&rule_object, root, "", diag);
	err = match_spec_parse(&conf->match, &source, spec);
	schema_free(&rule_object, conf);
	node_destroy(root);
	return err;
}

static struct match_spec parse_good(const char *text)
{
	struct match_spec spec;
	struct diag diag;

	diag_init(&diag, NULL);
	if (parse_text(text, &spec, &diag) < 0 || diag.n_entries > 0)
		ck_abort_msg("%s: %s", text, diag_text(&diag));
	diag_fini(&diag);
	return spec;
}

static struct match_table *compile(
	const struct match_spec *const *specs, unsigned int n, uint8_t family)
{
	struct match_table *table = NULL;

	ck_assert_int_eq(match_compile(specs, n, family, &links, &table), 0);
	return table;
}

/* A packet in words: family from its addresses. */
static struct match_key key_of(const char *src, const char *dst)
{
	struct match_key key = { .has_l4 = true, .state = MATCH_NEW };
	struct ip_addr a, b;

	ck_assert_int_eq(ip_addr_parse(src, &a), 0);
	ck_assert_int_eq(ip_addr_parse(dst, &b), 0);
	key.family = a.family;
	if (a.family == AF_INET) {
		key.src.v4 = ntohl(a.v4_be);
		key.dst.v4 = ntohl(b.v4_be);
	} else {
		memcpy(key.src.v6, a.bytes, 16);
		memcpy(key.dst.v6, b.bytes, 16);
	}
	return key;
}

/* What one rule says of a packet: by the evaluator, and by a table of it alone. */
static bool rule_matches(const struct match_spec *spec, const struct match_key *key)
{
	struct match_table *table = compile(&spec, 1, key->family);
	bool is_match = match_first(table, key, 0) == 0;

	ck_assert_int_eq(match_spec_matches(spec, key, &links), is_match);
	ck_assert_uint_eq(match_first(table, key, 1), 1);
	match_table_free(table);
	return is_match;
}

enum { YES = 1, NO = 0 };

#define V4(...)                                                                                    \
	"10.0.0.1", "192.0.2.9",                                                                   \
	{                                                                                          \
		.has_l4 = true, __VA_ARGS__                                                        \
	}
/* A later one, without ports. */
#define FRAGMENT(...)                                                                              \
	"10.0.0.1", "192.0.2.9",                                                                   \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define V6(...)                                                                                    \
	"2001:db8::1", "2001:db8:1::9",                                                            \
	{                                                                                          \
		.has_l4 = true, __VA_ARGS__                                                        \
	}

/* The fields of key except for family and addresses. */
static const struct value_row {
	const char *rule;
	const char *src, *dst;
	struct match_key key;
	bool want;
} value_rows[] = {
	{ "", V4(), YES },
	{ "", V6(), YES },
	/* Links */
	{ "in = \"lan\";", V4(.in = 2), YES },
	{ "in = \"lan\";", V4(.in = 9), NO },
	{ "in = \"lan\";", V4(.in = 0), NO },
	{ "in = \"!lan\";", V4(.in = 2), NO },
	{ "in = \"!lan\";", V4(.in = 1), YES },
	{ "in = \"!lan\";", V4(.in = 0), YES },
	{ "in = \"!lan\";", V4(.in = 1023), YES },
	{ "in = \"eth*\";", V4(.in = 3), YES },
	{ "in = \"eth*\";", V4(.in = 7), YES },
	{ "in = \"eth*\";", V4(.in = 5), NO },
	{ "in = \"eth1*\";", V4(.in = 3), NO },
	{ "in = \"eth1*\";", V4(.in = 4), YES },
	{ "in = \"none*\";", V4(.in = 4), NO },
	{ "in = \"!eth*\";", V4(.in = 7), NO },
	{ "in = \"!eth*\";", V4(.in = 2), YES },
	{ "in = [ \"wan\", \"lan\" ];", V4(.in = 1), YES },
	{ "in = [ \"wan\", \"lan\" ];", V4(.in = 3), NO },
	{ "in = [ \"!wan\", \"!lan\" ];", V4(.in = 2), NO },
	{ "in = \"wan,lan\";", V4(.in = 2), YES },
	{ "out = \"lan.100\";", V4(.out = 9), YES },
	{ "out = \"lan.100\";", V4(.in = 9), NO },
	{ "out = \"lan\"; in = \"wan\";", V6(.in = 1, .out = 2), YES },
	{ "out = \"lan\"; in = \"wan\";", V6(.in = 2, .out = 1), NO },
	/* Addresses */
	{ "src = \"10.0.0.1\";", V4(), YES },
	{ "src = \"10.0.0.0\";", V4(), NO },
	{ "src = \"10.0.0.2\";", V4(), NO },
	{ "dst = \"10.0.0.1\";", V4(), NO },
	{ "dst = \"192.0.2.0/24\";", V4(), YES },
	{ "dst = \"192.0.2.77/24\";", V4(), YES },
	{ "dst = \"192.0.2.0/29\";", V4(), NO },
	{ "src = \"0.0.0.0/0\";", V4(), YES },
	{ "src = \"!0.0.0.0/0\";", V4(), NO },
	{ "src = \"0.0.0.0/0\";", V6(), NO },
	{ "src = \"::/0\";", V6(), YES },
	{ "src = \"::/0\";", V4(), NO },
	{ "src = \"10.0.0.1-10.0.0.9\";", V4(), YES },
	{ "src = \"10.0.0.2-10.0.0.9\";", V4(), NO },
	{ "src = \"9.255.255.255-10.0.0.1\";", V4(), YES },
	{ "src = \"0.0.0.0-255.255.255.255\";", V4(), YES },
	{ "src = \"!10.0.0.1\";", V4(), NO },
	{ "src = \"!10.0.0.2\";", V4(), YES },
	{ "src = \"!10.0.0.2\";", V6(), NO },
	{ "src = [ \"10.1.0.0/16\", \"10.0.0.0/30\" ];", V4(), YES },
	{ "src = [ \"10.1.0.0/16\", \"10.0.0.0/30\", \"10.0.0.0/8\" ];", V4(), YES },
	{ "src = [ \"!10.1.0.0/16\", \"!10.0.0.0/30\" ];", V4(), NO },
	{ "src = \"!10.1.0.0/16,10.2.0.0/16\";", V4(), YES },
	{ "src = [ \"10.0.0.1\", \"2001:db8::/64\" ];", V4(), YES },
	{ "src = [ \"10.0.0.1\", \"2001:db8::/64\" ];", V6(), YES },
	{ "src = [ \"10.0.0.1\", \"2001:db8::/64\" ]; dst = \"192.0.2.9\";", V6(), NO },
	{ "src = \"2001:db8::1\";", V6(), YES },
	{ "src = \"2001:db8::-2001:db8::1\";", V6(), YES },
	{ "src = \"2001:db8::2-2001:db8::ffff\";", V6(), NO },
	{ "src = \"!2001:db8::/32\";", V6(), NO },
	{ "dst = \"2001:db8:1::/127\";", V6(), NO },
	{ "dst = \"2001:db8:1::8/127\";", V6(), YES },
	/* Protocols and ports */
	{ "proto = \"tcp\";", V4(.proto = 6), YES },
	{ "proto = \"tcp\";", V4(.proto = 17), NO },
	{ "proto = 47;", V4(.proto = 47), YES },
	{ "proto = \"0\";", V4(.proto = 0), YES },
	{ "proto = 255;", V4(.proto = 255), YES },
	{ "proto = ( \"udp\", 6 );", V4(.proto = 6), YES },
	{ "proto = \"!tcp\";", V4(.proto = 6), NO },
	{ "proto = \"!tcp\";", FRAGMENT(.proto = 255), YES },
	{ "proto = \"icmp\";", V4(.proto = 1), YES },
	{ "proto = \"icmp\";", V6(.proto = 1), NO },
	{ "proto = \"!icmp\";", V6(.proto = 6), YES },
	{ "proto = [ \"icmp\", \"icmpv6\" ];", V6(.proto = 58), YES },
	{ "proto = \"icmpv6\";", V4(.proto = 58), NO },
	{ "proto = \"tcp\"; dport = 80;", V4(.proto = 6, .dport = 80), YES },
	{ "proto = \"tcp\"; dport = 80;", V4(.proto = 6, .dport = 81), NO },
	{ "proto = \"tcp\"; dport = 80;", V4(.proto = 6, .sport = 80), NO },
	{ "proto = \"tcp\"; dport = 80;", V4(.proto = 17, .dport = 80), NO },
	{ "proto = \"tcp\"; dport = 80;", FRAGMENT(.proto = 6, .dport = 80), NO },
	{ "proto = \"tcp\"; dport = \"!80\";", V4(.proto = 6, .dport = 80), NO },
	{ "proto = \"tcp\"; dport = \"!80\";", V4(.proto = 6, .dport = 65535), YES },
	{ "proto = \"tcp\"; dport = \"!80\";", FRAGMENT(.proto = 6), NO },
	{ "proto = \"tcp\"; dport = 0;", V4(.proto = 6, .dport = 0), YES },
	{ "proto = \"tcp\"; dport = \"0\";", FRAGMENT(.proto = 6), NO },
	{ "proto = \"tcp\"; dport = 65535;", V4(.proto = 6, .dport = 65535), YES },
	{ "proto = \"tcp\"; dport = \"0-65535\";", V4(.proto = 6, .dport = 65535), YES },
	{ "proto = \"tcp\"; dport = \"0-65535\";", FRAGMENT(.proto = 6), NO },
	{ "proto = \"tcp\"; dport = \"!0-65535\";", V4(.proto = 6, .dport = 9), NO },
	{ "proto = \"udp\"; sport = \"1000-2000\";", V6(.proto = 17, .sport = 999), NO },
	{ "proto = \"udp\"; sport = \"1000-2000\";", V6(.proto = 17, .sport = 1000), YES },
	{ "proto = \"udp\"; sport = \"1000-2000\";", V6(.proto = 17, .sport = 2000), YES },
	{ "proto = \"udp\"; sport = \"1000-2000\";", V6(.proto = 17, .sport = 2001), NO },
	{ "proto = \"udp\"; sport = ( 80, \"90-99\" );", V6(.proto = 17, .sport = 99), YES },
	{ "proto = \"udp\"; sport = ( 80, \"90-99\" );", V6(.proto = 17, .sport = 80), YES },
	{ "proto = \"udp\"; sport = ( 80, \"90-99\" );", V6(.proto = 17, .sport = 85), NO },
	{ "proto = \"udp\"; sport = \"!80,90-99\";", V6(.proto = 17, .sport = 85), YES },
	{ "proto = \"udp\"; sport = \"!80,90-99\";", V6(.proto = 17, .sport = 95), NO },
	{ "proto = \"udp\"; sport = \"0x50\";", V6(.proto = 17, .sport = 80), YES },
	/* ICMP */
	{ "proto = \"icmp\"; icmp_type = \"echo-request\";", V4(.proto = 1, .icmp = 0x800), YES },
	{ "proto = \"icmp\"; icmp_type = \"echo-request\";", V4(.proto = 1, .icmp = 0x8ff), YES },
	{ "proto = \"icmp\"; icmp_type = \"echo-request\";", V4(.proto = 1, .icmp = 0), NO },
	{ "proto = \"icmp\"; icmp_type = \"echo-request\";", FRAGMENT(.proto = 1), NO },
	{ "proto = \"icmp\"; icmp_type = 0;", FRAGMENT(.proto = 1), NO },
	{ "proto = \"icmp\"; icmp_type = 255;", V4(.proto = 1, .icmp = 0xffff), YES },
	{ "proto = \"icmp\"; icmp_type = \"3/4\";", V4(.proto = 1, .icmp = 0x304), YES },
	{ "proto = \"icmp\"; icmp_type = \"3/4\";", V4(.proto = 1, .icmp = 0x303), NO },
	{ "proto = \"icmp\"; icmp_type = \"!3/4\";", V4(.proto = 1, .icmp = 0x303), YES },
	{ "proto = \"icmp\"; icmp_type = \"destination-unreachable/4\";",
		V4(.proto = 1, .icmp = 0x304), YES },
	{ "proto = \"icmp\"; icmp_type = ( \"time-exceeded\", 3 );", V4(.proto = 1, .icmp = 0xb00),
		YES },
	{ "proto = \"icmpv6\"; icmp_type = \"echo-request\";", V6(.proto = 58, .icmp = 0x8000),
		YES },
	{ "proto = \"icmpv6\"; icmp_type = \"time-exceeded\";", V6(.proto = 58, .icmp = 0x301),
		YES },
	{ "proto = \"icmpv6\"; icmp_type = \"packet-too-big\";", V6(.proto = 58, .icmp = 0x201),
		YES },
	/* TCP flags */
	{ "proto = \"tcp\"; tcp_flags = \"syn\";", V4(.proto = 6, .tcp_flags = 0x12), YES },
	{ "proto = \"tcp\"; tcp_flags = \"syn\";", V4(.proto = 6, .tcp_flags = 0x10), NO },
	{ "proto = \"tcp\"; tcp_flags = \"syn,ack\";", V4(.proto = 6, .tcp_flags = 0x10), YES },
	{ "proto = \"tcp\"; tcp_flags = [ \"syn\", \"ack\" ];", V4(.proto = 6, .tcp_flags = 0x10),
		YES },
	{ "proto = \"tcp\"; tcp_flags = \"!syn,ack\";", V4(.proto = 6, .tcp_flags = 0x10), NO },
	{ "proto = \"tcp\"; tcp_flags = \"!syn,ack\";", V4(.proto = 6, .tcp_flags = 0x04), YES },
	{ "proto = \"tcp\"; tcp_flags = \"!syn\";", FRAGMENT(.proto = 6), NO },
	{ "proto = \"tcp\"; tcp_flags = \"syn/syn,ack,rst,fin\";",
		V4(.proto = 6, .tcp_flags = 0xc2), YES },
	{ "proto = \"tcp\"; tcp_flags = \"syn/syn,ack,rst,fin\";",
		V4(.proto = 6, .tcp_flags = 0x12), NO },
	{ "proto = \"tcp\"; tcp_flags = \"!syn/syn,ack,rst,fin\";",
		V4(.proto = 6, .tcp_flags = 0x12), YES },
	{ "proto = \"tcp\"; tcp_flags = \"none/all\";", V4(.proto = 6, .tcp_flags = 0), YES },
	{ "proto = \"tcp\"; tcp_flags = \"none/all\";", V4(.proto = 6, .tcp_flags = 0x20), NO },
	{ "proto = \"tcp\"; tcp_flags = \"none/all\";", V4(.proto = 6, .tcp_flags = 0xc0), YES },
	{ "proto = \"tcp\"; tcp_flags = \"ecn,cwr/ecn,cwr\";", V4(.proto = 6, .tcp_flags = 0xc0),
		YES },
	{ "proto = \"tcp\"; tcp_flags = \"ecn,cwr/ecn,cwr\";", V4(.proto = 6, .tcp_flags = 0x80),
		NO },
	/* State */
	{ "state = \"new\";", V4(.state = MATCH_NEW), YES },
	{ "state = \"new\";", V4(.state = MATCH_RELATED), NO },
	{ "state = \"!new\";", V4(.state = MATCH_UNTRACKED), YES },
	{ "state = [ \"established\", \"related\" ];", V4(.state = MATCH_RELATED), YES },
	{ "state = \"established,related\";", V4(.state = MATCH_ESTABLISHED), YES },
	{ "state = \"established,related\";", V4(.state = MATCH_INVALID), NO },
	{ "state = \"untracked\";", V4(.state = MATCH_UNTRACKED), YES },
	{ "state = \"invalid\";", V4(.state = MATCH_INVALID), YES },
	/* Mark */
	{ "mark = 16;", V4(.mark = 0x10), YES },
	{ "mark = 16;", V4(.mark = 0x110), NO },
	{ "mark = \"0x10/0xff\";", V4(.mark = 0x110), YES },
	{ "mark = \"0x10/0xff\";", V4(.mark = 0x111), NO },
	{ "mark = \"!0x10/0xff\";", V4(.mark = 0x110), NO },
	{ "mark = \"!0x10/0xff\";", V4(.mark = 0x111), YES },
	{ "mark = \"0xffffffff\";", V4(.mark = 0xffffffff), YES },
	{ "mark = 4294967295L;", V4(.mark = 0xffffffff), YES },
	{ "mark = \"0x80000000/0x80000000\";", V4(.mark = 0xffffffff), YES },
	{ "mark = [ \"0x1/0xf\", \"0x2/0xf\" ];", V4(.mark = 0xf2), YES },
	{ "mark = [ \"0x1/0xf\", \"0x2/0xf\" ];", V4(.mark = 0xf3), NO },
	{ "mark = \"!0\";", V4(.mark = 0), NO },
	/* DSCP */
	{ "dscp = \"ef\";", V4(.dscp = 46), YES },
	{ "dscp = \"ef\";", V4(.dscp = 45), NO },
	{ "dscp = \"cs0\";", V4(.dscp = 0), YES },
	{ "dscp = 63;", V6(.dscp = 63), YES },
	{ "dscp = [ \"af11\", \"af43\" ];", V6(.dscp = 38), YES },
	{ "dscp = \"!be\";", V6(.dscp = 0), NO },
};

START_TEST(value_means_what_nft_means)
{
	const struct value_row *row = &value_rows[_i];
	struct match_key key = row->key, addresses = key_of(row->src, row->dst);
	struct match_spec spec = parse_good(row->rule);

	key.family = addresses.family;
	key.src = addresses.src;
	key.dst = addresses.dst;
	ck_assert_msg(rule_matches(&spec, &key) == row->want, "%s", row->rule);
	match_spec_fini(&spec);
}
END_TEST

#define ADDRESSES                                                                                  \
	"must be an address, a prefix such as \"10.0.0.0/8\", or a range such as "                 \
	"\"10.0.0.1-10.0.0.9\""
#define PORTS	   "must be a port from 0 to 65535, or a range such as \"1000-2000\""
#define LINKS	   "must be the name of a link, or the start of one followed by a *"
#define PORTS_NEED "needs proto, which must be tcp, udp, sctp, udplite or dccp"
#define FLAGS                                                                                      \
	"must be flags of fin, syn, rst, psh, ack, urg, ecn, cwr, none, all, such as \"syn\" or "  \
	"\"syn/syn,ack,rst,fin\""
#define TYPES                                                                                      \
	"must be a type such as \"echo-request\" or 0 to 255, or a type and code such as \"3/4\""
#define MARKS "must be a number from 0 to 4294967295, or one with a mask such as \"0x10/0xff\""
#define PROTOS                                                                                     \
	"must be tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah, or a number from 0 "   \
	"to 255"
#define BACKWARDS "is a range that ends before it begins"

static const struct error_row {
	const char *rule;
	const char *want;
} error_rows[] = {
	{ "in = \"none\";", "in: there is no link \"none\"" },
	{ "in = \"\";", "in: " LINKS },
	{ "in = \"eth*0\";", "in: " LINKS },
	{ "in = \"a-name-that-is-too-long\";", "in: " LINKS },
	{ "out = \"*\";", "out: asks for any link: leave the key out" },
	{ "out = [ \"lan\", \"none\" ];", "out[1]: there is no link \"none\"" },
	{ "in = [ \"!lan\", \"wan\" ];",
		"in[1]: is negated in part: either all values of a list begin "
		"with \"!\" or none" },
	{ "in = [];", "in: is an empty list: leave the key out" },
	{ "src = \"10.0.0\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.0/33\";", "src: " ADDRESSES },
	{ "src = \"\";", "src: " ADDRESSES },
	{ "src = \"!\";", "src: " ADDRESSES },
	{ "src = \"! 10.0.0.1\";", "src: " ADDRESSES },
	{ "src = \"!!10.0.0.1\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.1,!10.0.0.2\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.1,\";", "src: " ADDRESSES },
	{ "src = \"default\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.1-\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.1-::1\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.0/8-11.0.0.0/8\";", "src: " ADDRESSES },
	{ "src = \"10.0.0.9-10.0.0.1\";", "src: " BACKWARDS },
	{ "src = 10;", "src: " ADDRESSES },
	{ "src = true;", "src[0]: must be a string" },
	{ "src = \"10.0.0.1\"; dst = \"::1\";", "dst: is of another address family than src" },
	{ "proto = \"tpc\";", "proto: " PROTOS },
	{ "proto = 256;", "proto: " PROTOS },
	{ "proto = -1;", "proto: " PROTOS },
	{ "proto = \"TCP\";", "proto: " PROTOS },
	{ "proto = \"6-17\";", "proto: " PROTOS },
	{ "proto = \"icmp\"; src = \"::1\";",
		"proto: icmp is for IPv4 and icmpv6 for IPv6, unlike the address" },
	{ "proto = \"icmpv6\"; dst = \"10.0.0.1\";",
		"proto: icmp is for IPv4 and icmpv6 for IPv6, unlike the address" },
	{ "dport = 80;", "dport: " PORTS_NEED },
	{ "sport = 80; proto = \"icmp\";", "sport: " PORTS_NEED },
	{ "sport = 80; proto = \"!tcp\";", "sport: " PORTS_NEED },
	{ "sport = 80; proto = [ \"tcp\", \"esp\" ];", "sport: " PORTS_NEED },
	{ "proto = \"tcp\"; dport = 65536;", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = -1;", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \"+1\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \" 1\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \"1-\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \"1-2-3\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \"18446744073709551617\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = \"ssh\";", "dport: " PORTS },
	{ "proto = \"tcp\"; dport = ( 80, \"90-80\" );", "dport[1]: " BACKWARDS },
	{ "proto = \"tpc\"; dport = 80;", "proto: " PROTOS },
	{ "icmp_type = \"echo-request\";",
		"icmp_type: needs proto, which must be either icmp or icmpv6" },
	{ "icmp_type = 8; proto = \"tcp\";",
		"icmp_type: needs proto, which must be either icmp or icmpv6" },
	{ "icmp_type = 8; proto = [ \"icmp\", \"icmpv6\" ];",
		"icmp_type: needs proto, which must be either icmp or icmpv6" },
	{ "icmp_type = \"packet-too-big\"; proto = \"icmp\";", "icmp_type: " TYPES },
	{ "icmp_type = 256; proto = \"icmp\";", "icmp_type: " TYPES },
	{ "icmp_type = \"3/256\"; proto = \"icmp\";", "icmp_type: " TYPES },
	{ "icmp_type = \"3/\"; proto = \"icmp\";", "icmp_type: " TYPES },
	{ "tcp_flags = \"syn\";", "tcp_flags: needs proto, which must be tcp" },
	{ "tcp_flags = \"syn\"; proto = \"udp\";", "tcp_flags: needs proto, which must be tcp" },
	{ "tcp_flags = \"sin\"; proto = \"tcp\";", "tcp_flags: " FLAGS },
	{ "tcp_flags = 2; proto = \"tcp\";", "tcp_flags: " FLAGS },
	{ "tcp_flags = \"/syn\"; proto = \"tcp\";", "tcp_flags: " FLAGS },
	{ "tcp_flags = \"syn/\"; proto = \"tcp\";", "tcp_flags: " FLAGS },
	{ "tcp_flags = \"none\"; proto = \"tcp\";",
		"tcp_flags: none and all need the flags that are looked at: \"none/syn,ack\"" },
	{ "tcp_flags = \"syn/ack\"; proto = \"tcp\";",
		"tcp_flags: asks for a flag that is not behind the /" },
	{ "tcp_flags = \"none/none\"; proto = \"tcp\";",
		"tcp_flags: asks for a flag that is not behind the /" },
	{ "state = \"old\";", "state: must be new, established, related, invalid or untracked" },
	{ "state = 1;", "state: must be new, established, related, invalid or untracked" },
	{ "mark = \"0x10/\";", "mark: " MARKS },
	{ "mark = -1;", "mark: " MARKS },
	{ "mark = \"0x100000000\";", "mark: " MARKS },
	{ "mark = \"0x100/0xff\";", "mark: asks for a bit that its mask does not have" },
	{ "mark = [ \"1\", \"0x10/0xff\" ];",
		"mark[1]: must have the same mask as the value before it" },
	{ "dscp = 64;",
		"dscp: must be cs0 to cs7, af11 to af43, ef, va, be, df, lephb, or a number "
		"from 0 to 63" },
	{ "dscp = \"af44\"; src = \"x\";",
		"src: " ADDRESSES "; dscp: must be cs0 to cs7, af11 to af43, ef, va, be, df, "
		"lephb, or a number from 0 to 63" },
};

/* As diag_text(), without the lines. */
static char *problems(const struct diag *diag)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (unsigned int i = 0; i < diag->n_entries; i++)
		fprintf(out, "%s%s: %s", i > 0 ? "; " : "", diag->entries[i].path,
			diag->entries[i].text);
	fclose(out);
	return text;
}

START_TEST(wrong_value_is_refused_in_words)
{
	const struct error_row *row = &error_rows[_i];
	struct match_spec spec;
	struct diag diag;
	char *text;

	diag_init(&diag, NULL);
	ck_assert_msg(parse_text(row->rule, &spec, &diag) == -EINVAL, "%s", row->rule);
	text = problems(&diag);
	ck_assert_str_eq(text, row->want);
	free(text);
	ck_assert(!spec.has_v4 && !spec.has_v6);
	match_spec_fini(&spec);
	diag_fini(&diag);
}
END_TEST

START_TEST(error_names_the_line)
{
	struct match_spec spec;
	struct diag diag;

	diag_init(&diag, NULL);
	ck_assert_int_eq(
		parse_text("proto = \"tcp\";\ndport = ( 1,\n 70000 );", &spec, &diag), -EINVAL);
	ck_assert_uint_eq(diag.n_entries, 1);
	ck_assert_str_eq(diag.entries[0].path, "dport[1]");
	ck_assert_int_eq(diag.entries[0].line, 3);
	diag_fini(&diag);
}
END_TEST

static const struct text_row {
	const char *rule;
	const char *want;
} text_rows[] = {
	{ "", "" },
	{ "in = \"lan\"; out = \"!wan\";", "in lan out != wan" },
	{ "dport = ( 80, \"90-99\" ); proto = \"tcp\";", "proto tcp dport { 80, 90-99 }" },
	{ "src = [ \"!10.0.0.0/8\", \"!192.168.0.0/16\" ];",
		"src != { 10.0.0.0/8, 192.168.0.0/16 }" },
	{ "state = \"established,related\"; mark = \"0x1/0xf\"; dscp = \"ef\";",
		"state established,related mark 0x1/0xf dscp ef" },
};

START_TEST(text_is_what_was_written_in_the_order_of_keys)
{
	struct match_spec spec = parse_good(text_rows[_i].rule);

	ck_assert_str_eq(spec.text, text_rows[_i].want);
	match_spec_fini(&spec);
}
END_TEST

START_TEST(values_that_touch_become_one_range)
{
	struct match_spec spec =
		parse_good("proto = \"tcp\"; dport = \"10,8-9,20-30,25-40,11\"; src = "
			   "\"255.255.255.255,255.255.255.254,0.0.0.0/1\";");

	ck_assert_uint_eq(spec.keys[MATCH_DPORT].n, 2);
	ck_assert_uint_eq((unsigned int)spec.keys[MATCH_DPORT].ranges[0].first, 8);
	ck_assert_uint_eq((unsigned int)spec.keys[MATCH_DPORT].ranges[0].last, 11);
	ck_assert_uint_eq((unsigned int)spec.keys[MATCH_DPORT].ranges[1].first, 20);
	ck_assert_uint_eq((unsigned int)spec.keys[MATCH_DPORT].ranges[1].last, 40);
	ck_assert_uint_eq(spec.keys[MATCH_SRC].n, 2);
	match_spec_fini(&spec);
}
END_TEST

START_TEST(no_rules_match_nothing)
{
	struct match_key key = key_of("10.0.0.1", "10.0.0.2");
	struct match_table *table = compile(NULL, 0, AF_INET);

	ck_assert_uint_eq(match_first(table, &key, 0), 0);
	ck_assert_uint_eq(match_table_stats(table)->n_rules, 0);
	match_table_free(table);
}
END_TEST

START_TEST(keys_that_no_rule_asks_for_cost_nothing)
{
	struct match_spec spec = parse_good("proto = \"tcp\";");
	const struct match_spec *specs[] = { &spec };
	struct match_table *table = compile(specs, 1, AF_INET);

	ck_assert_uint_eq(match_table_stats(table)->n_dimensions, 1);
	ck_assert_uint_eq(match_table_stats(table)->n_vectors, 2);
	match_table_free(table);
	match_spec_fini(&spec);
}
END_TEST

START_TEST(too_much_is_refused)
{
	static const struct match_spec *many[MATCH_RULES_MAX + 1];
	static struct match_spec masks[33];
	struct match_table *table = NULL;
	char text[64];

	for (unsigned int i = 0; i < 33; i++) {
		snprintf(text, sizeof(text), "mark = \"0/%u\";", i + 1);
		masks[i] = parse_good(text);
		many[i] = &masks[i];
	}
	ck_assert_int_eq(match_compile(many, 32, AF_INET, &links, &table), 0);
	match_table_free(table);
	ck_assert_int_eq(match_compile(many, 33, AF_INET, &links, &table), -E2BIG);
	for (unsigned int i = 33; i <= MATCH_RULES_MAX; i++)
		many[i] = &masks[0];
	ck_assert_int_eq(match_compile(many, MATCH_RULES_MAX + 1, AF_INET, &links, &table), -E2BIG);
	for (unsigned int i = 0; i < 33; i++)
		match_spec_fini(&masks[i]);
}
END_TEST

/* Random rules and packets */

static uint64_t random_state = 88172645463325252;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16) % n;
}

static void conf_add(struct field_list *list, char *text)
{
	list->items = mem_realloc(list->items, list->n + 1, sizeof(char *));
	((char **)list->items)[list->n++] = text;
}

/* Values near to each other, so that rules overlap; some from anywhere. */
static char *random_address(uint8_t family, const char *bang)
{
	unsigned int kind = random_below(4), a = random_below(4), b = random_below(256);

	if (family == AF_INET6 && kind == 0)
		return mem_printf("%s2001:db8:%u::/%u", bang, a, 33 + random_below(16));
	if (family == AF_INET6 && kind == 1)
		return mem_printf("%s2001:db8::%x-2001:db8::%x", bang, b, b + random_below(300));
	if (family == AF_INET6)
		return mem_printf("%s2001:db8::%x", bang, b);
	if (kind == 0)
		return mem_printf("%s10.%u.0.0/%u", bang, a, 8 + random_below(17));
	if (kind == 1)
		return mem_printf("%s10.0.0.%u-10.0.%u.255", bang, b, random_below(3));
	return kind == 2 ? mem_printf("%s10.0.0.%u", bang, b)
			 : mem_printf("%s%u.%u.%u.0/24", bang, random_below(256), a, b);
}

static char *random_value(enum match_key_id id, uint8_t family, const char *bang)
{
	static const char *const names[] = { "wan", "lan", "eth0", "eth*", "lan*", "gone" };
	static const char *const flags[] = { "syn", "ack", "syn/syn,ack", "none/all", "fin,rst" };
	static const char *const states[] = { "new", "established", "related", "invalid",
		"untracked" };

	switch (id) {
	case MATCH_IN:
	case MATCH_OUT:
		return mem_printf("%s%s", bang, names[random_below(6)]);
	case MATCH_SRC:
	case MATCH_DST:
		return random_address(family, bang);
	case MATCH_SPORT:
	case MATCH_DPORT:
		if (random_below(3) == 0)
			return mem_printf(
				"%s%u-%u", bang, random_below(100), 100 + random_below(65000));
		return mem_printf("%s%u", bang, random_below(200));
	case MATCH_ICMP_TYPE:
		return random_below(2)
			       ? mem_printf("%s%u", bang, random_below(12))
			       : mem_printf("%s%u/%u", bang, random_below(12), random_below(4));
	case MATCH_TCP_FLAGS:
		return mem_printf("%s%s", bang, flags[random_below(5)]);
	case MATCH_STATE:
		return mem_printf("%s%s", bang, states[random_below(5)]);
	case MATCH_MARK:
		return mem_printf("%s%u/0xf", bang, random_below(16));
	case MATCH_DSCP:
		return mem_printf("%s%u", bang, random_below(64));
	case MATCH_PROTO:
	case MATCH_N_KEYS:
		break;
	}
	return mem_printf("%s%u", bang, IPPROTO_ICMPV6 + 1 + random_below(197));
}

static void random_list(struct field_list *list, enum match_key_id id, uint8_t family)
{
	const char *bang = random_below(4) == 0 ? "!" : "";
	unsigned int n = random_below(3) == 0 ? 1 + random_below(6) : 1;

	for (unsigned int i = 0; i < n; i++)
		conf_add(list, random_value(id, family, bang));
}

/* Each key is asked for with a chance of one in `rarity`. */
static void random_conf(struct match_conf *conf, unsigned int rarity)
{
	uint8_t family = random_below(2) ? AF_INET : AF_INET6;
	unsigned int proto = random_below(6);

	if (random_below(rarity) == 0)
		random_list(&conf->in, MATCH_IN, family);
	if (random_below(rarity) == 0)
		random_list(&conf->out, MATCH_OUT, family);
	if (random_below(rarity) == 0)
		random_list(&conf->src, MATCH_SRC, family);
	if (random_below(rarity) == 0)
		random_list(&conf->dst, MATCH_DST, family);
	if (random_below(rarity) == 0)
		random_list(&conf->state, MATCH_STATE, family);
	if (random_below(rarity) == 0)
		random_list(&conf->mark, MATCH_MARK, family);
	if (random_below(rarity) == 0)
		random_list(&conf->dscp, MATCH_DSCP, family);
	if (proto == 0)
		random_list(&conf->proto, MATCH_PROTO, family);
	if (proto == 1)
		conf_add(&conf->proto, mem_strdup(family == AF_INET6 ? "icmpv6" : "icmp"));
	if (proto == 1 && random_below(2))
		random_list(&conf->icmp_type, MATCH_ICMP_TYPE, family);
	if (proto >= 2 && proto <= 4)
		conf_add(&conf->proto, mem_strdup(proto == 2 ? "udp" : "tcp"));
	if (proto == 4 && random_below(2))
		random_list(&conf->tcp_flags, MATCH_TCP_FLAGS, family);
	if (proto >= 2 && proto <= 4 && random_below(2))
		random_list(&conf->sport, MATCH_SPORT, family);
	if (proto >= 2 && proto <= 4 && random_below(2))
		random_list(&conf->dport, MATCH_DPORT, family);
}

static void conf_fini(struct match_conf *conf)
{
	struct field_list *lists = (struct field_list *)conf;

	for (size_t k = 0; k < sizeof(*conf) / sizeof(*lists); k++) {
		for (unsigned int i = 0; i < lists[k].n; i++)
			free(((char **)lists[k].items)[i]);
		free(lists[k].items);
	}
}

struct rules {
	struct match_spec *own;
	const struct match_spec **specs;
	unsigned int n;
};

static void rules_add(struct rules *rules, const struct match_conf *conf)
{
	struct match_source source = { .path = "" };
	struct diag diag;

	diag_init(&diag, NULL);
	source.diag = &diag;
	if (match_spec_parse(conf, &source, &rules->own[rules->n]) < 0)
		ck_abort_msg("%s", diag_text(&diag));
	rules->specs[rules->n] = &rules->own[rules->n];
	rules->n++;
	diag_fini(&diag);
}

static struct rules rules_init(unsigned int n_max)
{
	return (struct rules){ .own = mem_zalloc(n_max * sizeof(struct match_spec)),
		.specs = mem_zalloc(n_max * sizeof(struct match_spec *)) };
}

static struct rules random_rules(unsigned int n, unsigned int rarity)
{
	struct rules rules = rules_init(n);

	while (rules.n < n) {
		struct match_conf conf = { 0 };

		random_conf(&conf, rarity);
		rules_add(&rules, &conf);
		conf_fini(&conf);
	}
	return rules;
}

static void rules_fini(struct rules *rules)
{
	for (unsigned int i = 0; i < rules->n; i++)
		match_spec_fini(&rules->own[i]);
	free(rules->own);
	free(rules->specs);
}

/* A value at or next to the end of a range that a rule asks for; else one from anywhere. */
static unsigned __int128 random_edge(const struct match_list *list, uint32_t bound)
{
	const struct match_range *range;

	if (list->n == 0)
		return random_below(bound);
	range = &list->ranges[random_below(list->n)];
	return (random_below(2) ? range->first : range->last) + random_below(3) - 1;
}

static void edge_address(const struct match_list *v4, const struct match_list *v6, uint8_t family,
	uint8_t bytes[static 16])
{
	unsigned __int128 value = random_edge(family == AF_INET6 ? v6 : v4, UINT32_MAX);
	uint32_t word = (uint32_t)value;

	if (family == AF_INET)
		memcpy(bytes, &word, sizeof(word));
	for (int i = 15; family == AF_INET6 && i >= 0; i--, value >>= 8)
		bytes[i] = (uint8_t)value;
}

/* A packet that nearly, or just, matches that rule. */
static struct match_key random_key(const struct match_spec *spec, uint8_t family)
{
	const struct match_list *keys = spec->keys;
	struct match_key key = {
		.family = family,
		.in = (uint16_t)random_below(11),
		.out = (uint16_t)random_below(11),
		.sport = (uint16_t)random_edge(&keys[MATCH_SPORT], 65536),
		.dport = (uint16_t)random_edge(&keys[MATCH_DPORT], 65536),
		.icmp = (uint16_t)random_edge(&keys[MATCH_ICMP_TYPE], 4096),
		.proto = (uint8_t)random_edge(&keys[MATCH_PROTO], 256),
		.tcp_flags = (uint8_t)random_edge(&keys[MATCH_TCP_FLAGS], 256),
		.state = (uint8_t)(1 << random_below(5)),
		.mark = (uint32_t)random_edge(&keys[MATCH_MARK], 64),
		.dscp = (uint8_t)random_edge(&keys[MATCH_DSCP], 64) & 63,
		.has_l4 = random_below(8) > 0,
	};

	if (random_below(2) && keys[MATCH_PROTO].n > 0)
		key.proto = (uint8_t)keys[MATCH_PROTO].ranges[0].first;
	edge_address(&keys[MATCH_SRC], &spec->src6, family, key.src.v6);
	edge_address(&keys[MATCH_DST], &spec->dst6, family, key.dst.v6);
	return key;
}

static unsigned int scan(const struct rules *rules, const struct match_key *key, unsigned int from)
{
	while (from < rules->n && !match_spec_matches(rules->specs[from], key, &links))
		from++;
	return from;
}

/* Every rule that matches, one after the other. Returns how many. */
static unsigned int compare(
	const struct rules *rules, const struct match_table *table, const struct match_key *key)
{
	unsigned int n = 0;

	for (unsigned int from = 0; from <= rules->n; n++) {
		unsigned int want = scan(rules, key, from);

		ck_assert_uint_eq(match_first(table, key, from), want);
		from = want + 1;
	}
	return n - 1;
}

START_TEST(table_finds_what_a_linear_scan_finds)
{
	unsigned int n_matches = 0;

	for (unsigned int round = 0; round < 1500; round++) {
		uint8_t family = round % 2 ? AF_INET6 : AF_INET;
		struct rules rules =
			random_rules(1 + random_below(round % 10 ? 12 : 300), 1 + round % 7);
		struct match_table *table = compile(rules.specs, rules.n, family);

		for (unsigned int i = 0; i < 40; i++) {
			struct match_key key =
				random_key(rules.specs[random_below(rules.n)], family);

			n_matches += compare(&rules, table, &key);
		}
		match_table_free(table);
		rules_fini(&rules);
	}
	/* Or nothing was compared. */
	ck_assert_uint_gt(n_matches, 10000);
}
END_TEST

enum { N_MANY = 10000 };

static void check_many(const char *what, const struct rules *rules, size_t size_max)
{
	for (unsigned int k = 0; k < 2; k++) {
		uint8_t family = k ? AF_INET6 : AF_INET;
		struct match_table *table = compile(rules->specs, rules->n, family);
		const struct match_stats *stats = match_table_stats(table);
		unsigned int n_matches = 0;

		printf("%s, IPv%c: %u rules, %zu KiB, %u vectors, %" PRIu64 " ms\n", what,
			k ? '6' : '4', stats->n_rules, stats->size / 1024, stats->n_vectors,
			stats->build_ns / 1000000);
		ck_assert_uint_lt(stats->size, size_max);
		for (unsigned int i = 0; i < 60; i++) {
			struct match_key key =
				random_key(rules->specs[random_below(rules->n)], family);

			n_matches += compare(rules, table, &key);
		}
		ck_assert(k == 1 || n_matches > 0);
		match_table_free(table);
	}
}

START_TEST(ten_thousand_random_rules)
{
	struct rules rules = random_rules(N_MANY, 3);

	check_many("random", &rules, 64 << 20);
	rules_fini(&rules);
}
END_TEST

START_TEST(ten_thousand_hosts_and_ports)
{
	struct rules rules = rules_init(N_MANY);

	for (unsigned int i = 0; i < N_MANY; i++) {
		struct match_conf conf = { 0 };

		conf_add(&conf.proto, mem_strdup("tcp"));
		conf_add(&conf.src, mem_printf("10.%u.%u.%u", i % 7, i / 256, i % 256));
		conf_add(&conf.dport, mem_printf("%u", 1 + i * 6));
		rules_add(&rules, &conf);
		conf_fini(&conf);
	}
	check_many("hosts and ports", &rules, 8 << 20);
	rules_fini(&rules);
}
END_TEST

SUITE_MAIN("match", LOOP_TEST(value_means_what_nft_means, value_rows),
	LOOP_TEST(wrong_value_is_refused_in_words, error_rows), PLAIN_TEST(error_names_the_line),
	LOOP_TEST(text_is_what_was_written_in_the_order_of_keys, text_rows),
	PLAIN_TEST(values_that_touch_become_one_range), PLAIN_TEST(no_rules_match_nothing),
	PLAIN_TEST(keys_that_no_rule_asks_for_cost_nothing), PLAIN_TEST(too_much_is_refused),
	PLAIN_TEST(table_finds_what_a_linear_scan_finds), PLAIN_TEST(ten_thousand_random_rules),
	PLAIN_TEST(ten_thousand_hosts_and_ports))
