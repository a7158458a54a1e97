/* SPDX-License-Identifier: BSD-3-Clause */

/* The command `explain`: reads what packet is meant, and answers with what it met with. Control thread. */
#include "explain/explain_priv.h"

#include "base/mem.h"
#include "flow/flow_walk.h"
#include "link/link_kind.h"

#include <netinet/icmp6.h>
#include <rte_icmp.h>
#include <rte_tcp.h>

enum { DEFAULT_SPORT = 40000 };

struct explain_args {
	struct object_head head;
	char *iif, *proto, *tcp_flags;
	struct ip_addr src, dst;
	int64_t sport, dport, icmp_type, icmp_code, ttl, dscp, len;
	bool is_whole;
};

#define EXPLAIN_NUMBER(name_, max_, def_, help_)                                                   \
	{                                                                                          \
		.name = #name_, .type = FIELD_INT, .offset = offsetof(struct explain_args, name_), \
		.max = (max_), .def = (def_), .help = (help_)                                      \
	}

static const struct object explain_object = {
	.name = "explain",
	.size = sizeof(struct explain_args),
	.fields =
		(const struct field[]){
			{ .name = "iif",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct explain_args, iif),
				.complete = "link.show:ifname",
				.example = "lan",
				.help = "link that the packet comes in by" },
			{ .name = "src",
				.type = FIELD_ADDR,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct explain_args, src),
				.example = "192.0.2.10",
				.help = "source" },
			{ .name = "dst",
				.type = FIELD_ADDR,
				.flags = FIELD_REQUIRED,
				.offset = offsetof(struct explain_args, dst),
				.example = "198.51.100.10",
				.help = "destination" },
			{ .name = "proto",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_DIGITS,
				.offset = offsetof(struct explain_args, proto),
				.example = "tcp",
				.help = "a protocol's name, or its number" },
			EXPLAIN_NUMBER(sport, UINT16_MAX, NULL, "source port; 40000 unless given"),
			EXPLAIN_NUMBER(dport, UINT16_MAX, NULL, "destination port"),
			EXPLAIN_NUMBER(icmp_type, UINT8_MAX, NULL,
				"ICMP type; that of an echo request unless given"),
			EXPLAIN_NUMBER(icmp_code, UINT8_MAX, NULL, "ICMP code"),
			{ .name = "tcp_flags",
				.type = FIELD_STRING,
				.offset = offsetof(struct explain_args, tcp_flags),
				.example = "syn,ack",
				.help = "TCP flags of fin, syn, rst, psh, ack, urg, ecn, cwr; syn "
					"unless given" },
			EXPLAIN_NUMBER(ttl, UINT8_MAX, "64", "time to live, or hop limit"),
			EXPLAIN_NUMBER(dscp, 63, "0", "DSCP"),
			EXPLAIN_NUMBER(len, LINK_MTU_MAX, NULL,
				"bytes of the IP packet; those of its headers unless given"),
			{ .name = "df",
				.type = FIELD_BOOL,
				.offset = offsetof(struct explain_args, is_whole),
				.help = "IPv4: it must not be fragmented" },
			{ .type = FIELD_END },
		},
};

static bool is_given(const struct explain_args *a, const char *name)
{
	return object_has(&explain_object, a, name);
}

static bool flag_add(const char *name, size_t len, uint8_t *flags)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ecn",
		"cwr" };

	for (unsigned int i = 0; i < RTE_DIM(names); i++)
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0) {
			*flags |= (uint8_t)(1 << i);
			return true;
		}
	return false;
}

static int read_flags(struct call *call, const char *text, uint8_t *flags)
{
	*flags = 0;
	for (const char *at = text; *at != '\0';) {
		size_t len = strcspn(at, ",");

		if (!flag_add(at, len, flags))
			return call_refuse(call,
				"tcp_flags: %.*s: must be of fin, syn, rst, psh, ack, urg, ecn, "
				"cwr",
				(int)len, at);
		at += len + (at[len] == ',');
	}
	return 0;
}

/* What only some protocols have. */
static int check_fields(
	struct call *call, const struct explain_args *a, const struct explain_packet *packet)
{
	const struct {
		const char *field;
		bool is_possible;
		const char *of;
	} rows[] = {
		{ "sport", parse_has_ports(packet->proto), "protocols with ports" },
		{ "dport", parse_has_ports(packet->proto), "protocols with ports" },
		{ "icmp_type", flow_is_icmp(packet->proto), "icmp and icmpv6" },
		{ "icmp_code", flow_is_icmp(packet->proto), "icmp and icmpv6" },
		{ "tcp_flags", packet->proto == IPPROTO_TCP, "tcp" },
		{ "df", packet->dst.family == AF_INET, "IPv4" },
	};

	for (unsigned int i = 0; i < RTE_DIM(rows); i++)
		if (is_given(a, rows[i].field) && !rows[i].is_possible)
			return call_refuse(call, "%s: only of %s", rows[i].field, rows[i].of);
	return 0;
}

static int check_family(struct call *call, const struct explain_packet *packet)
{
	bool is_ip6 = packet->dst.family == AF_INET6;

	if (packet->src.family != packet->dst.family)
		return call_refuse(call, "src: must be of the same family as dst");
	if (packet->proto == (is_ip6 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return call_refuse(call, "proto: %s has %s", is_ip6 ? "IPv6" : "IPv4",
			is_ip6 ? "icmpv6" : "icmp");
	return 0;
}

static int read_proto(
	struct call *call, const struct explain_args *a, struct explain_packet *packet)
{
	int proto = flow_proto_parse(a->proto);
	int err;

	if (proto < 0)
		return call_refuse(
			call, "proto: %s: must be a protocol's name or 0 to 255", a->proto);
	packet->proto = (uint8_t)proto;
	packet->proto_text = a->proto;
	err = check_family(call, packet);
	if (err == 0)
		err = check_fields(call, a, packet);
	if (err < 0 || a->tcp_flags == NULL)
		return err;
	return read_flags(call, a->tcp_flags, &packet->tcp_flags);
}

static int read_len(struct call *call, const struct explain_args *a, struct explain_packet *packet)
{
	uint32_t least = explain_headers_len(packet);

	if (is_given(a, "len") && a->len < least)
		return call_refuse(call, "len: such a packet has at least %u bytes", least);
	packet->len = (uint16_t)a->len;
	return 0;
}

/* What a member of a bond receives comes in by the bond, if at all; of what a bridge's does, part is switched. */
static int read_master(struct call *call, struct explain_packet *packet)
{
	const struct link *link = packet->link, *master = link->master;

	if (master == NULL)
		return 0;
	if (master->ops->kind == LINK_KIND_BRIDGE)
		return call_refuse(call,
			"iif: %s is a member of %s: what is routed comes in by that, or by the "
			"link of its VLAN on it",
			link->name, master->name);
	if (!link->is_collecting)
		return call_refuse(call,
			"iif: %s takes nothing by its member %s now (bond_inactive)", master->name,
			link->name);
	packet->link = link->master;
	return 0;
}

static int read_packet(
	struct call *call, const struct explain_args *a, struct explain_packet *packet)
{
	int err;

	*packet = (struct explain_packet){
		.link = link_by_name(call->ctx, a->iif),
		.src = a->src,
		.dst = a->dst,
		.ttl = (uint8_t)a->ttl,
		.dscp = (uint8_t)a->dscp,
		.tcp_flags = RTE_TCP_SYN_FLAG,
		.icmp_code = (uint8_t)a->icmp_code,
		.is_whole = a->is_whole,
		.dport = (uint16_t)a->dport,
	};
	if (packet->link == NULL)
		return call_refuse(call, "iif: no link %s", a->iif);
	err = read_master(call, packet);
	if (err == 0)
		err = read_proto(call, a, packet);
	if (err < 0)
		return err;
	if (parse_has_ports(packet->proto))
		packet->sport = is_given(a, "sport") ? (uint16_t)a->sport : DEFAULT_SPORT;
	if (is_given(a, "icmp_type"))
		packet->icmp_type = (uint8_t)a->icmp_type;
	else if (flow_is_icmp(packet->proto))
		packet->icmp_type = packet->proto == IPPROTO_ICMP ? RTE_IP_ICMP_ECHO_REQUEST
								  : ICMP6_ECHO_REQUEST;
	return read_len(call, a, packet);
}

/* The answer waits until the worker has said whether it knows the packet's connection. */
struct pending {
	struct call *call;
	struct flow_walk *walk;
	json_t *result;
};

static void pending_destroy(struct pending *pending)
{
	flow_walk_destroy(pending->walk);
	json_decref(pending->result);
	free(pending);
}

static void pending_cancel(struct call *call, void *owner)
{
	pending_destroy(owner);
}

static void pending_answered(struct flow_walk *walk)
{
	struct pending *pending = walk->owner;
	struct call *call = pending->call;

	explain_add_connection(pending->result, walk->n > 0 ? &walk->rows[0] : NULL);
	call->result = json_incref(pending->result);
	pending_destroy(pending);
	call_finish(call, 0);
}

/* False: nothing is tracked, there is nobody to ask. Takes result, if not. */
static bool ask_worker(struct call *call, const struct explain_run *run, json_t *result)
{
	const struct flow_first *first = explain_first(run);
	struct pending *pending;

	if (first == NULL)
		return false;
	pending = mem_zalloc(sizeof(*pending));
	pending->call = call;
	pending->walk = flow_lookup_create(run->dp, run->w->id, first, pending_answered, pending);
	if (!flow_walk_step(pending->walk)) {
		pending_destroy(pending);
		return false;
	}
	pending->result = result;
	call_defer(call, pending_cancel, pending);
	return true;
}

static int explain(struct call *call, const void *args)
{
	struct explain_packet packet;
	struct explain_run run;
	json_t *result;
	int err = read_packet(call, args, &packet);

	if (err < 0)
		return err;
	err = explain_run(call->ctx, &packet, &run);
	if (err == -ENOBUFS)
		return call_fail(call, err, "no packet buffer is free, or none is as long");
	if (err < 0)
		return call_fail(call, err, "no memory for a worker to try it on");
	result = explain_report(&run);
	if (!ask_worker(call, &run, result))
		call->result = result;
	explain_fini(&run);
	return 0;
}

const struct command explain_commands[] = {
	{ .object = "explain",
		.verb = "packet",
		.help = "what would happen to a packet, and why; changes nothing",
		.args = &explain_object,
		.run = explain,
		.is_read_only = true },
	{ .object = NULL },
};
