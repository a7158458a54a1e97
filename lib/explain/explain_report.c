/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Puts into words what a made-up packet met with: its steps from the worker's trace, each with what is
 * known of it (the rule and its line, the translation, the route), and a summary of them. Nothing is
 * decided here; what is not in the trace is read from where the packet's stages had it: its flow_first,
 * and the adjacency that they found. Control thread.
 */
#include "explain/explain_priv.h"

#include "base/mem.h"
#include "fib/fib.h"
#include "firewall/firewall.h"

enum { DECISION_MAX = 256 };

struct report {
	const struct explain_run *run;
	const struct trace_record *records, *last;
	unsigned int n;
	const struct flow_first *first; /* NULL: no hook was asked */
};

static const char *stage_of(const struct report *report, const struct trace_record *record)
{
	return report->run->dp->stages[record->stage]->name;
}

static bool has_passed(const struct report *report, const char *stage)
{
	for (unsigned int i = 0; i < report->n; i++)
		if (strcmp(stage_of(report, &report->records[i]), stage) == 0)
			return true;
	return false;
}

static int hook_of(const char *stage)
{
	static const char *const names[HOOK_N] = {
		[HOOK_PREROUTING] = "prerouting",
		[HOOK_INPUT] = "input",
		[HOOK_FORWARD] = "forward",
		[HOOK_OUTPUT] = "output",
		[HOOK_POSTROUTING] = "postrouting",
	};

	for (int hook = 0; hook < HOOK_N; hook++)
		if (strcmp(names[hook], stage) == 0)
			return hook;
	return -1;
}

static struct report report_of(const struct explain_run *run)
{
	static const struct pkt_meta first; /* one packet: the first flow_first is its own */
	struct report report = { .run = run, .records = run->trace->records };

	report.n = atomic_load_explicit(&run->trace->head, memory_order_relaxed);
	report.last = &report.records[report.n - 1];
	if (has_passed(&report, "prerouting"))
		report.first = flow_first(run->w, &first);
	return report;
}

/* Addresses */

static struct ip_addr addr_of(uint8_t family, const union flow_addr *addr)
{
	return family == AF_INET6 ? ip_addr_v6(addr->bytes) : ip_addr_v4(addr->v4_be);
}

static struct flow_tuple tuple_of(const struct explain_packet *packet)
{
	struct flow_tuple tuple = {
		.sport_be = rte_cpu_to_be_16(packet->sport),
		.dport_be = rte_cpu_to_be_16(packet->dport),
	};

	memcpy(tuple.src.bytes, packet->src.bytes, sizeof(tuple.src.bytes));
	memcpy(tuple.dst.bytes, packet->dst.bytes, sizeof(tuple.dst.bytes));
	return tuple;
}

/* As the packet leaves, as far as that was decided. */
static struct flow_tuple tuple_sent(const struct report *report)
{
	return report->first != NULL ? flow_invert(&report->first->reply)
				     : tuple_of(&report->run->packet);
}

static struct ip_addr destination(const struct report *report)
{
	struct flow_tuple sent = tuple_sent(report);

	return addr_of(report->run->packet.dst.family, &sent.dst);
}

static json_t *tuple_json(const struct explain_packet *packet, const struct flow_tuple *tuple)
{
	char src_text[IP_ADDR_TEXT_MAX], dst_text[IP_ADDR_TEXT_MAX];
	struct ip_addr src = addr_of(packet->dst.family, &tuple->src);
	struct ip_addr dst = addr_of(packet->dst.family, &tuple->dst);
	json_t *json = json_pack("{s:s, s:s}", "src", ip_addr_text(&src, src_text), "dst",
		ip_addr_text(&dst, dst_text));

	if (!parse_has_ports(packet->proto))
		return json;
	json_object_set_new(json, "sport", json_integer(rte_be_to_cpu_16(tuple->sport_be)));
	json_object_set_new(json, "dport", json_integer(rte_be_to_cpu_16(tuple->dport_be)));
	return json;
}

static void end_text(const struct explain_packet *packet, const union flow_addr *flow_addr,
	uint16_t port_be, char *buf, size_t size)
{
	struct ip_addr addr = addr_of(packet->dst.family, flow_addr);
	char text[IP_ADDR_TEXT_MAX];

	if (!parse_has_ports(packet->proto))
		snprintf(buf, size, "%s", ip_addr_text(&addr, text));
	else
		snprintf(buf, size, addr.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
			ip_addr_text(&addr, text), rte_be_to_cpu_16(port_be));
}

static void tuple_text(
	const struct explain_packet *packet, const struct flow_tuple *tuple, char *buf, size_t size)
{
	char src[64], dst[64];

	end_text(packet, &tuple->src, tuple->sport_be, src, sizeof(src));
	end_text(packet, &tuple->dst, tuple->dport_be, dst, sizeof(dst));
	snprintf(buf, size, "%s to %s", src, dst);
}

/* Where it goes */

/* The adjacency that it leaves by; NULL: it has none. */
static const struct adj *adj_of(const struct report *report, const struct pkt_meta *meta)
{
	if (meta->adj < ADJ_FIRST_DYNAMIC || meta->adj >= ADJ_MAX)
		return NULL;
	return &adj_table(report->run->dp)[meta->adj];
}

/* On a connected network the destination is its own next hop. */
static struct ip_addr next_hop(const struct report *report, const struct adj *adj)
{
	return adj->kind == ADJ_KIND_NEIGH ? adj->next_hop : destination(report);
}

static json_t *route_json(const struct report *report)
{
	const struct explain_run *run = report->run;
	struct ip_addr dst = destination(report);
	const struct route *route;

	if (!has_passed(report, "flow_route") && !has_passed(report, "ip4_forward") &&
		!has_passed(report, "ip6_forward"))
		return json_null();
	route = fib_lookup(run->dp, run->packet.link->ns, &dst, run->packet.link->ifindex);
	return route != NULL ? route_to_json(run->dp, route) : json_null();
}

static json_t *neighbour_json(const struct report *report, const struct adj *adj)
{
	const struct dp *dp = report->run->dp;
	struct ip_addr addr = next_hop(report, adj);
	const struct neigh *neigh = neigh_lookup(dp, adj->link, &addr);
	char text[IP_ADDR_TEXT_MAX];

	if (neigh != NULL)
		return neigh_to_json(dp, neigh);
	return json_pack("{s:s, s:s, s:[s]}", "dst", ip_addr_text(&addr, text), "dev",
		link_name(dp, adj->link), "state", "NONE");
}

/* Steps in words. False: the stage's own words do. */

static const char *text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

/* "rule 2 \"outward\": accept (/etc/weir/weir.conf:29), for: in lan" */
static bool say_rule(const struct report *report, int hook, char *buf, size_t size)
{
	json_t *rule = firewall_rule_json(report->run->dp, report->run->packet.link->ns,
		(enum firewall_hook)hook, report->first->rule[hook]);
	const char *name = text_at(rule, "name"), *to = text_at(rule, "to");
	const char *spec = text_at(rule, "spec");
	char place[128] = "";

	if (json_object_get(rule, "line") != NULL)
		snprintf(place, sizeof(place), " (%s:%d)", text_at(rule, "file"),
			(int)json_integer_value(json_object_get(rule, "line")));
	if (report->first->rule[hook] == FLOW_NO_RULE)
		snprintf(buf, size, "policy: %s%s", text_at(rule, "action"), place);
	else
		snprintf(buf, size, "rule %d%s%s%s: %s%s%s%s, for: %s",
			(int)json_integer_value(json_object_get(rule, "index")),
			name[0] != '\0' ? " \"" : "", name, name[0] != '\0' ? "\"" : "",
			text_at(rule, "action"), to[0] != '\0' ? " " : "", to, place,
			spec[0] != '\0' ? spec : "all packets");
	json_decref(rule);
	return true;
}

static const char *state_name(uint8_t state)
{
	switch ((enum flow_state)state) {
	case FLOW_STATE_NEW:
		return "new";
	case FLOW_STATE_ESTABLISHED:
		return "established";
	case FLOW_STATE_RELATED:
		return "related";
	case FLOW_STATE_INVALID:
		return "invalid";
	case FLOW_STATE_UNTRACKED:
		return "untracked";
	}
	return "new";
}

static bool say_state(const struct report *report, char *buf, size_t size)
{
	const struct flow_first *f = report->first;

	if (f == NULL)
		return false;
	snprintf(buf, size, "state %s%s%s", state_name(f->state), f->invalid != 0 ? ": " : "",
		f->invalid != 0 ? report->run->dp->reasons[f->invalid]->help : "");
	return true;
}

static bool say_translation(const struct report *report, unsigned int bit, const char *what,
	bool is_source, char *buf, size_t size)
{
	struct flow_tuple sent = tuple_sent(report);
	char text[64];

	if (!(report->first->status & bit)) {
		snprintf(buf, size, "%s stays", what);
		return true;
	}
	end_text(&report->run->packet, is_source ? &sent.src : &sent.dst,
		is_source ? sent.sport_be : sent.dport_be, text, sizeof(text));
	snprintf(buf, size, "%s becomes %s", what, text);
	return true;
}

static bool say_route(
	const struct report *report, const struct trace_record *record, char *buf, size_t size)
{
	const struct adj *adj = adj_of(report, &record->meta);
	struct ip_addr addr;
	char text[IP_ADDR_TEXT_MAX];

	if (adj == NULL)
		return false;
	addr = next_hop(report, adj);
	snprintf(buf, size, "next hop %s, out of link %s, MTU %u", ip_addr_text(&addr, text),
		link_name(report->run->dp, adj->link), adj->mtu);
	return true;
}

static bool say_error(const struct trace_record *record, char *buf, size_t size)
{
	snprintf(buf, size, "the sender would be told by ICMP type %u code %u",
		record->meta.icmp_type, record->meta.icmp_code);
	return true;
}

static bool say(
	const struct report *report, const struct trace_record *record, char *buf, size_t size)
{
	const char *stage = stage_of(report, record);
	int hook = hook_of(stage);

	if (hook >= 0 && record->extra.arg[1] == FIREWALL_NOT_ASKED)
		return false;
	if (hook >= 0)
		return say_rule(report, hook, buf, size);
	if (strcmp(stage, "ip4_error") == 0 || strcmp(stage, "ip6_error") == 0)
		return say_error(record, buf, size);
	if (strcmp(stage, "tcp_reset") == 0)
		return snprintf(buf, size, "the sender would be told by a TCP reset") > 0;
	if (strcmp(stage, "neigh_hold") == 0)
		return say_route(report, record, buf, size);
	if (strcmp(stage, "ip4_fragment") == 0)
		return snprintf(buf, size, "would be cut into fragments") > 0;
	if (record->exit == STAGE_DROP)
		return false;
	if (strcmp(stage, "nat_dst") == 0)
		return say_translation(report, FLOW_DST_NAT, "destination", false, buf, size);
	if (strcmp(stage, "nat_src") == 0)
		return say_translation(report, FLOW_SRC_NAT, "source", true, buf, size);
	if (strcmp(stage, "flow_route") == 0 || strcmp(stage, "ip4_forward") == 0 ||
		strcmp(stage, "ip6_forward") == 0)
		return say_route(report, record, buf, size);
	if (strcmp(stage, "track") == 0)
		return say_state(report, buf, size);
	if (strcmp(stage, "flow_forward") == 0)
		return snprintf(buf, size, "translated as its connection says") > 0;
	if (strcmp(stage, "flow_commit") == 0)
		return snprintf(buf, size,
			       has_passed(report, "flow_forward") ? "would begin a connection"
								  : "begins no connection") > 0;
	return false;
}

static json_t *steps_json(const struct report *report)
{
	json_t *steps = json_array();
	char decision[DECISION_MAX];

	for (unsigned int i = 0; i < report->n; i++) {
		const struct trace_record *record = &report->records[i];
		json_t *step = trace_step_json(report->run->dp, record);

		if (say(report, record, decision, sizeof(decision)))
			json_object_set_new(step, "decision", json_string(decision));
		json_array_append_new(steps, step);
	}
	return steps;
}

/* Summary */

enum verdict { FORWARDED, LOCAL, DROPPED, REJECTED, HELD };

static const char *const verdict_names[] = {
	[FORWARDED] = "forwarded",
	[LOCAL] = "local",
	[DROPPED] = "dropped",
	[REJECTED] = "rejected",
	[HELD] = "held",
};

/* Stages behind which a packet is ours. */
static bool is_ours(const struct report *report)
{
	return has_passed(report, "ip4_local") || has_passed(report, "ip6_local");
}

static bool is_error(const char *stage)
{
	return strcmp(stage, "ip4_error") == 0 || strcmp(stage, "ip6_error") == 0 ||
	       strcmp(stage, "tcp_reset") == 0;
}

static enum verdict verdict_of(const struct report *report)
{
	const char *stage = stage_of(report, report->last);

	if (strcmp(stage, "drop") == 0)
		return DROPPED;
	if (strcmp(stage, "neigh_hold") == 0)
		return HELD;
	if (strcmp(stage, "tx") == 0 || strcmp(stage, "ip4_fragment") == 0)
		return FORWARDED;
	/* Whoever leaves a hook to be answered was refused by a rule. */
	if (is_error(stage) && !is_ours(report))
		return hook_of(stage_of(report, report->last - 1)) >= 0 ? REJECTED : DROPPED;
	return LOCAL;
}

static bool has_reason(const struct report *report)
{
	const char *stage = stage_of(report, report->last);

	return strcmp(stage, "drop") == 0 || is_error(stage);
}

static void put_reason(const struct report *report, json_t *json)
{
	const struct drop_reason *reason;

	if (!has_reason(report))
		return;
	reason = report->run->dp->reasons[report->last->meta.drop_reason];
	json_object_set_new(json, "reason", json_string(reason->name));
	json_object_set_new(json, "reason_help", json_string(reason->help));
}

/* What the sender would be sent. */
static void put_answer(const struct report *report, json_t *json)
{
	const char *stage = stage_of(report, report->last);
	const struct pkt_meta *meta = &report->last->meta;

	if (strcmp(stage, "tcp_reset") == 0)
		json_object_set_new(json, "answer", json_pack("{s:s}", "kind", "tcp_reset"));
	else if (is_error(stage))
		json_object_set_new(json, "answer",
			json_pack("{s:s, s:i, s:i}", "kind", "icmp", "type", (int)meta->icmp_type,
				"code", (int)meta->icmp_code));
	else if (verdict_of(report) == LOCAL)
		json_object_set_new(json, "answer", json_pack("{s:s}", "kind", "reply"));
}

static json_t *rules_json(const struct report *report)
{
	json_t *rules = json_array();

	for (unsigned int i = 0; i < report->n; i++) {
		int hook = hook_of(stage_of(report, &report->records[i]));

		if (hook >= 0 && report->records[i].extra.arg[1] != FIREWALL_NOT_ASKED)
			json_array_append_new(rules,
				firewall_rule_json(report->run->dp, report->run->packet.link->ns,
					(enum firewall_hook)hook, report->first->rule[hook]));
	}
	return rules;
}

static void put_connection(const struct report *report, json_t *json)
{
	struct flow_tuple sent = tuple_sent(report);
	const struct explain_packet *packet = &report->run->packet;

	if (report->first == NULL)
		return;
	json_object_set_new(json, "state", json_string(state_name(report->first->state)));
	json_object_set_new(json, "mark", json_integer(report->first->mark));
	json_object_set_new(json, "rules", rules_json(report));
	if (report->first->status & FLOW_NAT)
		json_object_set_new(json, "nat",
			json_pack("{s:o, s:o}", "before", tuple_json(packet, &report->first->orig),
				"after", tuple_json(packet, &sent)));
}

static void put_way(const struct report *report, json_t *json)
{
	const struct explain_worker *end = worker_slot(report->run->w, &explain_module);
	const struct adj *adj = adj_of(report, &report->last->meta);
	struct ip_addr addr;
	char text[IP_ADDR_TEXT_MAX];

	json_object_set_new(json, "route", route_json(report));
	if (adj == NULL)
		return;
	addr = next_hop(report, adj);
	json_object_set_new(json, "next_hop", json_string(ip_addr_text(&addr, text)));
	json_object_set_new(json, "neighbour", neighbour_json(report, adj));
	json_object_set_new(json, "out", json_string(link_name(report->run->dp, adj->link)));
	json_object_set_new(json, "mtu", json_integer(adj->mtu));
	json_object_set_new(
		json, "is_fragmented", json_boolean(has_passed(report, "ip4_fragment")));
	if (end->queues != NULL)
		json_object_set(json, "queues", end->queues);
}

/* The same for people */

static void print_verdict(const struct report *report, const json_t *json, FILE *out)
{
	const struct adj *adj = adj_of(report, &report->last->meta);
	enum verdict verdict = verdict_of(report);

	fprintf(out, "verdict: %s", verdict_names[verdict]);
	if (verdict == FORWARDED && adj != NULL)
		fprintf(out, ", out of link %s%s", link_name(report->run->dp, adj->link),
			has_passed(report, "ip4_fragment") ? " in fragments" : "");
	else if (verdict == HELD)
		fprintf(out, " until its next hop is resolved");
	else if (has_reason(report))
		fprintf(out, ", %s: %s", text_at(json, "reason"), text_at(json, "reason_help"));
	fputc('\n', out);
}

static void print_queues(const json_t *json, FILE *out)
{
	const json_t *queue;
	size_t i;

	json_array_foreach(json_object_get(json, "queues"), i, queue)
		fprintf(out, "queue: of link %s, %s %s, class %s\n", text_at(queue, "dev"),
			text_at(queue, "kind"), text_at(queue, "handle"), text_at(queue, "class"));
}

static void put_text(const struct report *report, json_t *json)
{
	const struct explain_packet *packet = &report->run->packet;
	struct flow_tuple tuple = tuple_of(packet);
	char buf[DECISION_MAX], *text;
	const json_t *step;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	tuple_text(packet, &tuple, buf, sizeof(buf));
	fprintf(out, "%s, %s, in by link %s\n", packet->proto_text, buf, packet->link->name);
	json_array_foreach(json_object_get(json, "steps"), i, step)
		fprintf(out, "  %-14s > %-12s %s\n", text_at(step, "node"), text_at(step, "exit"),
			text_at(step, "decision"));
	print_verdict(report, json, out);
	print_queues(json, out);
	fclose(out);
	json_object_set_new(json, "text", json_string(text));
	free(text);
}

json_t *explain_report(const struct explain_run *run)
{
	struct report report = report_of(run);
	json_t *json = json_pack("{s:s}", "verdict", verdict_names[verdict_of(&report)]);

	put_reason(&report, json);
	put_answer(&report, json);
	put_connection(&report, json);
	put_way(&report, json);
	json_object_set_new(json, "steps", steps_json(&report));
	put_text(&report, json);
	return json;
}

const struct flow_first *explain_first(const struct explain_run *run)
{
	return report_of(run).first;
}

void explain_add_connection(json_t *answer, const struct flow_info *info)
{
	json_t *text;
	char *line;

	if (info == NULL)
		return;
	line = flow_text(info);
	text = json_sprintf(
		"There is such a connection, whose packets pass as was decided for it:\n"
		"%s\nWere it a new one:\n%s",
		line, text_at(answer, "text"));
	json_object_set_new(answer, "connection", flow_to_json(info));
	json_object_set_new(answer, "text", text);
	free(line);
}
