/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rule keys: what each value means, which are refused and in what words. Random ones are in
 * test_match_random.c.
 */
#include "match_fixture.h"

#include <errno.h>

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

	ck_assert_uint_eq(spec.lists[MATCH_DPORT].n, 2);
	ck_assert_uint_eq((unsigned int)spec.lists[MATCH_DPORT].ranges[0].first, 8);
	ck_assert_uint_eq((unsigned int)spec.lists[MATCH_DPORT].ranges[0].last, 11);
	ck_assert_uint_eq((unsigned int)spec.lists[MATCH_DPORT].ranges[1].first, 20);
	ck_assert_uint_eq((unsigned int)spec.lists[MATCH_DPORT].ranges[1].last, 40);
	ck_assert_uint_eq(spec.lists[MATCH_SRC].n, 2);
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

SUITE_MAIN("match", LOOP_TEST(value_means_what_nft_means, value_rows),
	LOOP_TEST(wrong_value_is_refused_in_words, error_rows), PLAIN_TEST(error_names_the_line),
	LOOP_TEST(text_is_what_was_written_in_the_order_of_keys, text_rows),
	PLAIN_TEST(values_that_touch_become_one_range), PLAIN_TEST(no_rules_match_nothing),
	PLAIN_TEST(keys_that_no_rule_asks_for_cost_nothing), PLAIN_TEST(too_much_is_refused))
