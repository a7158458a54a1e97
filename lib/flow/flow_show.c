/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections as rows and as lines, in the words of conntrack(8): made from copies (struct flow_info), so
 * nothing here touches a table. Control thread.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "flow/flow_priv.h"

/* Those that conntrack(8) knows by name; IPPROTO_ICMPV6 twice, the first is what is shown. */
static const struct proto_name {
	uint8_t proto;
	const char *name;
} proto_names[] = {
	{ IPPROTO_TCP, "tcp" },
	{ IPPROTO_UDP, "udp" },
	{ IPPROTO_UDPLITE, "udplite" },
	{ IPPROTO_SCTP, "sctp" },
	{ IPPROTO_DCCP, "dccp" },
	{ IPPROTO_ICMP, "icmp" },
	{ IPPROTO_ICMPV6, "icmpv6" },
	{ IPPROTO_ICMPV6, "ipv6-icmp" },
	{ IPPROTO_GRE, "gre" },
	{ IPPROTO_ESP, "esp" },
	{ IPPROTO_AH, "ah" },
};

int flow_proto_parse(const char *text)
{
	char *end;
	unsigned long proto;

	for (unsigned int i = 0; i < RTE_DIM(proto_names); i++)
		if (strcmp(proto_names[i].name, text) == 0)
			return proto_names[i].proto;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	proto = strtoul(text, &end, 10);
	return *end == '\0' && proto <= UINT8_MAX ? (int)proto : -EINVAL;
}

static const char *proto_name(uint8_t proto)
{
	for (unsigned int i = 0; i < RTE_DIM(proto_names); i++)
		if (proto_names[i].proto == proto)
			return proto_names[i].name;
	return NULL;
}

static json_t *proto_json(uint8_t proto)
{
	const char *name = proto_name(proto);

	return name != NULL ? json_string(name) : json_sprintf("%u", proto);
}

static const char *addr_text(const struct flow_info *info, const union flow_addr *addr,
	char buf[static IP_ADDR_TEXT_MAX])
{
	struct ip_addr ip =
		info->family == AF_INET ? ip_addr_v4(addr->v4_be) : ip_addr_v6(addr->bytes);

	return ip_addr_text(&ip, buf);
}

/* What stands in a tuple's place of ports. */
struct tuple_word {
	const char *key;
	unsigned int value;
};

static unsigned int tuple_words(
	const struct flow_info *info, enum flow_dir dir, struct tuple_word words[static 3])
{
	unsigned int first = rte_be_to_cpu_16(info->tuple[dir].sport_be);
	unsigned int second = rte_be_to_cpu_16(info->tuple[dir].dport_be);

	if (flow_is_icmp(info->proto)) {
		words[0] = (struct tuple_word){ "type", second >> 8 };
		words[1] = (struct tuple_word){ "code", second & 0xff };
		words[2] = (struct tuple_word){ "id", first };
		return 3;
	}
	if (!parse_has_ports(info->proto))
		return 0;
	words[0] = (struct tuple_word){ "sport", first };
	words[1] = (struct tuple_word){ "dport", second };
	return 2;
}

static json_t *tuple_json(const struct flow_info *info, enum flow_dir dir)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	struct tuple_word words[3];
	unsigned int n = tuple_words(info, dir, words);
	json_t *json = json_pack("{s:s, s:s}", "src", addr_text(info, &info->tuple[dir].src, src),
		"dst", addr_text(info, &info->tuple[dir].dst, dst));

	for (unsigned int i = 0; i < n; i++)
		json_object_set_new(json, words[i].key, json_integer(words[i].value));
	json_object_set_new(json, "packets", json_integer((json_int_t)info->packets[dir]));
	json_object_set_new(json, "bytes", json_integer((json_int_t)info->bytes[dir]));
	return json;
}

static json_t *status_json(uint16_t status)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{ FLOW_SEEN_REPLY, "SEEN_REPLY" },
		{ FLOW_ASSURED, "ASSURED" },
		{ FLOW_SRC_NAT, "SRC_NAT" },
		{ FLOW_DST_NAT, "DST_NAT" },
	};
	json_t *json = json_array();

	if (!(status & FLOW_SEEN_REPLY))
		json_array_append_new(json, json_string("UNREPLIED"));
	for (unsigned int i = 0; i < RTE_DIM(names); i++)
		if (status & names[i].bit)
			json_array_append_new(json, json_string(names[i].name));
	return json;
}

json_t *flow_to_json(const struct flow_info *info)
{
	/* There is one namespace only, so far. */
	return json_pack("{s:o, s:s, s:I, s:o, s:o, s:o, s:I, s:s, s:i}", "proto",
		proto_json(info->proto), "state", tcp_state_name((enum tcp_state)info->tcp_state),
		"timeout", (json_int_t)(info->left_ms / 1000), "orig", tuple_json(info, FLOW_ORIG),
		"reply", tuple_json(info, FLOW_REPLY), "status", status_json(info->status), "mark",
		(json_int_t)info->mark, "namespace", "default", "worker", info->worker);
}

static void put_tuple(FILE *out, const struct flow_info *info, enum flow_dir dir)
{
	char buf[IP_ADDR_TEXT_MAX];
	struct tuple_word words[3];
	unsigned int n = tuple_words(info, dir, words);

	fprintf(out, " src=%s", addr_text(info, &info->tuple[dir].src, buf));
	fprintf(out, " dst=%s", addr_text(info, &info->tuple[dir].dst, buf));
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, " %s=%u", words[i].key, words[i].value);
	if (info->is_ended)
		fprintf(out, " packets=%" PRIu64 " bytes=%" PRIu64, info->packets[dir],
			info->bytes[dir]);
}

char *flow_text(const struct flow_info *info)
{
	const char *name = proto_name(info->proto);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return mem_strdup("");
	fprintf(out, "%9s %-8s %u", info->is_ended ? "[DESTROY]" : "[NEW]",
		name != NULL ? name : "unknown", info->proto);
	if (!info->is_ended)
		fprintf(out, " %" PRIu64, info->left_ms / 1000);
	if (!info->is_ended && info->proto == IPPROTO_TCP)
		fprintf(out, " %s", tcp_state_name((enum tcp_state)info->tcp_state));
	put_tuple(out, info, FLOW_ORIG);
	if (!(info->status & FLOW_SEEN_REPLY))
		fputs(" [UNREPLIED]", out);
	put_tuple(out, info, FLOW_REPLY);
	if (info->status & FLOW_ASSURED)
		fputs(" [ASSURED]", out);
	if (info->mark != 0)
		fprintf(out, " mark=%" PRIu32, info->mark);
	fclose(out);
	return text;
}
