/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The trace has a step for every stage of the pipeline: packets of every kind are traced, and the
 * stages that printed a step are compared with the table. Then: what the steps say, also of packets
 * that end on the way; over workers, in order, and nothing but what this trace has picked.
 *
 *	lan (p0, worker 0, steered in software)   wan (p1, worker 1)
 */
#include "kit6.h"
#include "kit_qdisc.h"

#include "base/mem.h"
#include "flow/flow.h"
#include "link/steer.h"
#include "nat/nat.h"

static const char trace_config[] =
	"sysctl: { addrconf: { dad_transmits = 0; }; ipv6: { icmp: { ratelimit = 0; }; }; };\n"
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; steering = \"software\";\n"
	"    mac = \"" LAN_MAC "\"; addresses = [ \"192.0.2.1/24\", \"" LAN6 "/64\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\"; mtu = 1280;\n"
	"    addresses = [ \"198.51.100.1/24\", \"" WAN6 "/64\" ]; } );\n"
	"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"
	"  { to = \"" HOST6 "\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"" PEER6 "\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; } );\n"
	"routes = ( { to = \"default\"; via = \"198.51.100.10\"; },\n"
	"  { to = \"::/0\"; via = \"" PEER6 "\"; } );\n";

/* Which stages have printed a step. */
static bool was_seen[STAGE_MAX];

static bool is_armed(const struct bench *b)
{
	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		if (b->dp->workers[i]->trace == NULL)
			return false;
	return true;
}

static bool is_disarmed(const struct bench *b)
{
	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		if (b->dp->workers[i]->trace != NULL)
			return false;
	return true;
}

static void wait_until(struct bench *b, bool (*is_so)(const struct bench *b))
{
	for (unsigned int i = 0; !is_so(b); i++) {
		REQUIRE_MSG(i < 100000, "the trace does not start or end");
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
}

static void trace_start_filter(
	struct bench *b, struct client *client, unsigned int count, const char *filter)
{
	char line[160];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"trace.start\", "
		"\"params\": {\"count\": %u, \"filter\": \"%s\"}}",
		count, filter);
	bench_write(client, line);
	wait_until(b, is_armed);
}

static void trace_start(struct bench *b, struct client *client, unsigned int count)
{
	trace_start_filter(b, client, count, "");
}

static void trace_end(struct bench *b, struct client *client, unsigned int count)
{
	json_t *end = bench_read(b, client);

	ck_assert_int_eq(json_int_at(end, "result.packets"), count);
	json_decref(end);
	wait_until(b, is_disarmed);
}

/* The next packet's steps as "stage stage ...": heap. Every one of them says something. */
static char *trace_way(struct bench *b, struct client *client, unsigned int number)
{
	json_t *event = bench_read(b, client), *step;
	char *way = NULL;
	size_t i, len;
	FILE *out = open_memstream(&way, &len);

	ck_assert_int_eq(json_int_at(event, "params.packet"), number);
	json_array_foreach(json_at(event, "params.steps"), i, step) {
		const char *node = json_text_at(step, "node");

		ck_assert_msg(json_text_at(step, "decision")[0] != '\0', "%s says nothing", node);
		was_seen[dp_stage_index(b->dp, node)] = true;
		fprintf(out, "%s%s", i > 0 ? " " : "", node);
	}
	fclose(out);
	json_decref(event);
	return way;
}

/* Sends a frame to lan under a trace of its own, up to `ms` later. */
static void see(struct bench *b, struct client *client, const struct frame *frame, unsigned int ms)
{
	trace_start(b, client, 1);
	bench_push(b, LAN, frame);
	bench_advance(b, ms);
	free(trace_way(b, client, 1));
	trace_end(b, client, 1);
}

static void see_ip4(struct bench *b, struct client *client, const struct ip4_spec *spec)
{
	struct frame frame;

	frame_ip4(&frame, spec);
	see(b, client, &frame, 0);
}

static void see_ip6(struct bench *b, struct client *client, const struct ip6_spec *spec)
{
	struct frame frame;

	frame_ip6(&frame, spec);
	see(b, client, &frame, 0);
}

/* Forwarded by each way and owner; too large; no more TTL; to us; in fragments. */
static void see_all_ip4(struct bench *b, struct client *client)
{
	static const uint8_t nop[4] = { 1, 1, 1, 1 };

	for (uint16_t i = 0; i < 8; i++)
		see_ip4(b, client,
			&(struct ip4_spec){
				.src = "192.0.2.10", .dst = "8.8.8.8", .sport = 1000 + i });
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10",
			.dst = "8.8.8.8",
			.options = nop,
			.options_len = sizeof(nop) });
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 1400 });
	see_ip4(b, client, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "8.8.8.8", .ttl = 1 });
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10",
			.dst = "192.0.2.1",
			.proto = IPPROTO_ICMP,
			.icmp_type = 8 });
}

static void see_all_ip6(struct bench *b, struct client *client)
{
	struct frame frame;

	see_ip6(b, client, &(struct ip6_spec){ .hop_limit = 64 });
	see_ip6(b, client, &(struct ip6_spec){ .hop_limit = 1 });
	see_ip6(b, client,
		&(struct ip6_spec){ .dst = LAN6, .proto = IPPROTO_ICMPV6, .icmp_type = 128 });
	/* The reply leaves by wan, whose MTU is smaller. */
	see_ip6(b, client,
		&(struct ip6_spec){ .src = PEER6,
			.dst = LAN6,
			.proto = IPPROTO_ICMPV6,
			.icmp_type = 128,
			.payload_len = 1300 });
	see_ip6(b, client,
		&(struct ip6_spec){ .dst = LAN6,
			.ext = "\x11\x00\x00\x01\0\0\0\x07",
			.ext_len = 8,
			.ext_proto = IPPROTO_FRAGMENT,
			.payload_len = 1 });
	frame_nd(&frame, &(struct nd_spec){ .target = LAN6, .lladdr = HOST_MAC });
	see(b, client, &frame, 0);
}

/* What waits and goes on later: for its other half, which never comes, and for a next hop. */
static void see_all_held(struct bench *b, struct client *client)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .fragment = RTE_IPV4_HDR_MF_FLAG,
				  .payload_len = 64 });
	see(b, client, &frame, 5000);
	trace_start(b, client, 1);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.20\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	free(trace_way(b, client, 1));
	trace_end(b, client, 1);
}

/* The same packets where connections are tracked, and the second ones of their connections. */
static void see_all_tracked(struct bench *b, struct client *client)
{
	ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	for (unsigned int i = 0; i < 2; i++) {
		see_all_ip4(b, client);
		see_all_ip6(b, client);
	}
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10",
			.dst = "8.8.8.8",
			.fragment = RTE_IPV4_HDR_MF_FLAG,
			.payload_len = 64 });
	ck_assert_int_eq(flow_set_tracking(b->dp, 0, false), 0);
}

static const char rules[] =
	"firewall: { prerouting: { rules = ( { proto = \"udp\"; dport = 7777; action = \"dnat\"; "
	"to = "
	"\"198.51.100.10\"; }, { proto = \"icmp\"; action = \"notrack\"; } ); };\n"
	"  forward: { rules = ( { proto = \"tcp\"; dport = 81; action = \"reject\"; to = "
	"\"tcp-reset\"; },\n"
	"    { proto = \"udp\"; dport = 7777; rate = \"8kbit\"; action = \"accept\"; } ); };\n"
	"  postrouting: { rules = ( { out = \"wan\"; action = \"masquerade\"; } ); }; };";

/* What rules decide: to translate, refuse and police; and of what is made here, an untracked answer. */
static void see_ruled(void)
{
	char *config = mem_printf("%s %s", trace_config, rules);
	struct bench *b = bench_create(config, 2, 8192);
	struct client *client = bench_connect(b);

	bench_advance(b, 2000);
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10", .dst = "192.0.2.1", .dport = 7777 });
	see_ip4(b, client,
		&(struct ip4_spec){
			.src = "192.0.2.10", .dst = "8.8.8.8", .proto = IPPROTO_TCP, .dport = 81 });
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10",
			.dst = "192.0.2.1",
			.proto = IPPROTO_ICMP,
			.icmp_type = 8 });
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
	free(config);
}

/* Of a VLAN, through the port that it is on. */
static void see_tagged(void)
{
	static const char vlan[] =
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7;\n"
		"    addresses = [ \"192.0.2.1/24\" ]; } );\n";
	struct bench *b = bench_create(vlan, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;

	bench_advance(b, 2000);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "192.0.2.1" });
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
	see(b, client, &frame, 0);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}

static const char policed[] =
	"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
	"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7; } );\n"
	"policers = ( { link = \"lan\"; rate = \"1kbit\"; burst = 3000; excess_burst = 2000;\n"
	"    yellow = \"dscp\"; yellow_dscp = \"ef\"; },\n"
	"  { link = \"lan.7\"; rate = \"1kbit\"; burst = 2000; } );\n";

static void make_policed(struct frame *frame, uint16_t vid)
{
	frame_ip4(frame, &(struct ip4_spec){
				 .src = "192.0.2.10", .dst = "8.8.8.8", .payload_len = 1400 - 42 });
	if (vid != 0)
		frame_tag(frame, RTE_ETHER_TYPE_VLAN, vid);
}

/* Of a policed VLAN on a policed port. */
static void see_policed(void)
{
	struct bench *b = bench_create(policed, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;

	bench_advance(b, 2000);
	make_policed(&frame, 7);
	see(b, client, &frame, 0);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}

/* Answers of a VLAN with a qdisc, which one worker hands to the other, and which go down when they come out. */
static void see_shaped(void)
{
	static const char vlan[] =
		"links = ( { name = \"wan\"; device = \"net_ring_p1\"; },\n"
		"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"lan.7\"; type = \"vlan\"; parent = \"lan\"; vid = 7;\n"
		"    addresses = [ \"192.0.2.1/24\" ]; } );\n"
		"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC
		"\"; dev = \"lan.7\"; } );\n"
		"qdiscs = ( { link = \"lan.7\"; kind = \"pfifo\"; } );\n";
	struct bench *b = bench_create(vlan, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;
	char *way;

	bench_advance(b, 2000);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10",
				  .dst = "192.0.2.1",
				  .proto = IPPROTO_ICMP,
				  .icmp_type = 8 });
	frame_tag(&frame, RTE_ETHER_TYPE_VLAN, 7);
	trace_start(b, client, 1);
	bench_push(b, LAN, &frame);
	way = trace_way(b, client, 1);
	ck_assert_msg(
		strstr(way, " tx qdisc_classify handover qdisc qdisc_due tx_queued tx") != NULL,
		"%s", way);
	free(way);
	trace_end(b, client, 1);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}

/* Through a bridge to us, and the answer back by it. */
static void see_bridged(void)
{
	static const char bridge[] =
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"br0\"; type = \"bridge\"; members = ( \"lan\" );\n"
		"    addresses = [ \"192.0.2.1/24\" ]; } );\n"
		"neighbors = ( { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC
		"\"; dev = \"br0\"; } );\n";
	struct bench *b = bench_create(bridge, 2, 8192);
	struct client *client = bench_connect(b);

	bench_advance(b, 2000);
	see_ip4(b, client,
		&(struct ip4_spec){ .src = "192.0.2.10",
			.dst = "192.0.2.1",
			.proto = IPPROTO_ICMP,
			.icmp_type = 8 });
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}

/* LACP of a member of a bond. */
static void see_bonded(void)
{
	static const char bond[] =
		"links = ( { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\"; },\n"
		"  { name = \"bond0\"; type = \"bond\"; mode = \"802.3ad\"; members = ( \"lan\" ); "
		"} );\n";
	struct bench *b = bench_create(bond, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;

	frame_ether_type(&frame, RTE_ETHER_TYPE_SLOW, 110);
	see(b, client, &frame, 0);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}

/* One source only ends connections; and weir begins none itself that a rule could lead elsewhere. */
static bool has_packets(const struct stage *stage)
{
	return stage != &flow_age_stage && stage != &flow_take_stage && stage != &nat_output_stage;
}

START_TEST(every_stage_of_the_pipeline_has_a_step)
{
	struct bench *b = bench_create(trace_config, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;

	memset(was_seen, 0, sizeof(was_seen));
	bench_advance(b, 2000);
	see_all_ip4(b, client);
	see_all_ip6(b, client);
	see_all_held(b, client);
	see_all_tracked(b, client);
	frame_arp(&frame, HOST_MAC, ANY_MAC, RTE_ARP_OP_REQUEST, HOST_MAC, "192.0.2.10", NO_MAC,
		"192.0.2.1");
	see(b, client, &frame, 0);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
	see_ruled();
	see_tagged();
	see_policed();
	see_shaped();
	see_bridged();
	see_bonded();
	for (unsigned int i = 0; pipeline[i] != NULL; i++) {
		ck_assert_msg(pipeline[i]->format != NULL, "%s has no format", pipeline[i]->name);
		ck_assert_msg(was_seen[i] || !has_packets(pipeline[i]),
			"no packet here has a step of %s", pipeline[i]->name);
	}
}
END_TEST

/* Every kind of end and of decision: what is sent to lan, and what the named stage says of it. */
#define IP6_LIMIT "ip6_hop_limit_exceeded: the hop limit ran out here; ICMPv6 type 3 code 0 sent"
#define IP4_TTL	  "ip4_ttl_exceeded: the time to live ran out here; "

static const struct {
	const char *node, *decision;
	const char *sysctl, *value; /* set before, or NULL */
	struct ip4_spec spec;
	bool is_ip6; /* instead: an IPv6 packet with hop limit 1 */
	bool is_tracked;
} decisions[] = {
	{ "ip4_error", IP4_TTL "ICMP type 11 code 0 sent", .spec = { .ttl = 1 } },
	{ "ip4_error", IP4_TTL "no ICMP error about such a packet",
		.spec = { .ttl = 1, .proto = IPPROTO_ICMP, .icmp_type = 3 } },
	{ "ip4_error", IP4_TTL "no ICMP error beyond the rate limit", "ipv4.icmp_msgs_per_sec", "0",
		.spec = { .ttl = 1 } },
	{ "drop", "ip4_ttl_exceeded, at ip4_error", .spec = { .ttl = 1 } },
	{ "ip6_error", IP6_LIMIT, .is_ip6 = true },
	{ "tcp_reset",
		"ip4_no_listener: a port that nothing here listens to; answered with a reset",
		.spec = { .dst = "192.0.2.1", .proto = IPPROTO_TCP } },
	{ "ip4_local", "nothing listens here", .spec = { .dst = "192.0.2.1" } },
	{ "ip4_local", "echo request, answered",
		.spec = { .dst = "192.0.2.1", .proto = IPPROTO_ICMP, .icmp_type = 8 } },
	{ "ip4_local", "echo request, answered", .is_tracked = true,
		.spec = { .dst = "192.0.2.1", .proto = IPPROTO_ICMP, .icmp_type = 8 } },
	{ "ip4_input",
		"ip4_martian_source: source address in 0/8, 127/8, multicast or reserved; "
		"127.0.0.1 to 8.8.8.8, TTL 64",
		.spec = { .src = "127.0.0.1" } },
	{ "ip4_reassemble", "waits for the others",
		.spec = { .dst = "192.0.2.1",
			.fragment = RTE_IPV4_HDR_MF_FLAG,
			.payload_len = 64 } },
	{ "flow_fragment", "waits for the first fragment", .is_tracked = true,
		.spec = { .fragment = 8, .payload_len = 64 } },
};

/* What that stage has said of the next packet. Heap. */
static char *trace_decision(struct bench *b, struct client *client, const char *node)
{
	json_t *event = bench_read(b, client), *step;
	char *decision = NULL;
	size_t i;

	json_array_foreach(json_at(event, "params.steps"), i, step)
		if (decision == NULL && strcmp(json_text_at(step, "node"), node) == 0)
			decision = mem_strdup(json_text_at(step, "decision"));
	ck_assert_msg(
		decision != NULL, "no step of %s: %s", node, json_text_at(event, "params.text"));
	json_decref(event);
	return decision;
}

#define METER_RED "meter_red: red for the policer of its link: beyond its rates; "

/* What policers say of one frame after the other: in the VLAN, or (0) not. */
static const struct {
	uint16_t vid;
	const char *node, *decision;
} colors[] = {
	{ 7, "meter_port", "green for the policer of lan" },
	{ 0, "meter_port", "green for the policer of lan" },
	{ 0, "meter_port", "yellow for the policer of lan, gets another DSCP" },
	{ 0, "meter_port", METER_RED "link lan" },
	{ 7, "meter_port", METER_RED "link lan" },
};

static char *trace_color(struct bench *b, struct client *client, uint16_t vid, const char *node)
{
	struct frame frame;
	char *decision;

	trace_start(b, client, 1);
	make_policed(&frame, vid);
	bench_push(b, LAN, &frame);
	decision = trace_decision(b, client, node);
	trace_end(b, client, 1);
	return decision;
}

START_TEST(the_colour_of_a_packet_is_told)
{
	struct bench *b = bench_create(policed, 1, 8192);
	struct client *client = bench_connect(b);
	char *decision;

	bench_advance(b, 2000);
	for (unsigned int i = 0; i < RTE_DIM(colors); i++) {
		decision = trace_color(b, client, colors[i].vid, colors[i].node);
		ck_assert_str_eq(decision, colors[i].decision);
		free(decision);
	}
	json_decref(bench_call(b, "policer.del", "{\"dev\": \"lan\"}"));
	decision = trace_color(b, client, 7, "meter");
	ck_assert_str_eq(decision, METER_RED "link lan.7");
	free(decision);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

static void make_decided(struct frame *frame, unsigned int i)
{
	struct ip4_spec spec = decisions[i].spec;

	if (decisions[i].is_ip6) {
		frame_ip6(frame, &(struct ip6_spec){ .hop_limit = 1 });
		return;
	}
	spec.src = spec.src != NULL ? spec.src : "192.0.2.10";
	spec.dst = spec.dst != NULL ? spec.dst : "8.8.8.8";
	frame_ip4(frame, &spec);
}

START_TEST(a_step_says_what_its_stage_decided)
{
	struct bench *b = bench_create(trace_config, 1, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;
	char *decision;

	bench_advance(b, 2000);
	if (decisions[_i].sysctl != NULL)
		bench_sysctl(b, decisions[_i].sysctl, decisions[_i].value);
	if (decisions[_i].is_tracked)
		ck_assert_int_eq(flow_set_tracking(b->dp, 0, true), 0);
	trace_start(b, client, 1);
	make_decided(&frame, (unsigned int)_i);
	bench_push(b, LAN, &frame);
	bench_advance(b, 5000);
	decision = trace_decision(b, client, decisions[_i].node);
	ck_assert_str_eq(decision, decisions[_i].decision);
	free(decision);
	trace_end(b, client, 1);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(the_end_of_a_packet_that_waited_is_told)
{
	struct bench *b = bench_create(trace_config, 1, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;
	char *decision;

	bench_advance(b, 2000);
	trace_start(b, client, 1);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame);
	json_decref(bench_call(b, "link.set", "{\"dev\": \"wan\", \"state\": \"down\"}"));
	decision = trace_decision(b, client, "drop");
	ck_assert_str_eq(decision, "neigh_link_down, at neigh_hold");
	free(decision);
	trace_end(b, client, 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* A trace still runs when its packet, which waits, ends with weir. */
START_TEST(a_packet_that_waits_at_the_end_is_no_longer_told)
{
	struct bench *b = bench_create(trace_config, 1, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;

	bench_advance(b, 2000);
	trace_start(b, client, 1);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame);
	client_close(client);
	bench_destroy(b);
	ck_assert_uint_eq(bench_stopped(), 1);
}
END_TEST

/* A packet of lan whose bucket is that worker's. */
static void make_owned(struct frame *frame, unsigned int worker)
{
	struct steer steer;
	uint16_t sport = 1000;

	steer_init(&steer, 2);
	do
		frame_ip4(frame, &(struct ip4_spec){
					 .src = "192.0.2.10", .dst = "8.8.8.8", .sport = sport++ });
	while (steer.owner[steer_bucket(&steer, frame->bytes)] != worker);
}

/* The packet's three passes, with so many ticks of the control plane after each. */
static void pass_over(struct bench *b, const struct frame *frame, unsigned int n_ticks)
{
	bench_send(b, LAN, frame);
	for (unsigned int i = 0; i < 3; i++) {
		worker_pass(b->dp->workers[i % 2]);
		for (unsigned int t = 0; t < n_ticks; t++)
			dp_tick(b->dp, b->now_ns);
	}
}

START_TEST(a_trace_follows_a_packet_to_its_owner_and_back)
{
	struct bench *b = bench_create(trace_config, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;
	char *way;

	bench_advance(b, 2000);
	trace_start(b, client, 4);
	make_owned(&frame, 0);
	bench_push(b, LAN, &frame);
	way = trace_way(b, client, 1);
	ck_assert_str_eq(way, "rx steer plain ip4_forward tx");
	free(way);
	/* A ring port has one transmit queue, worker 0's. */
	make_owned(&frame, 1);
	bench_push(b, LAN, &frame);
	way = trace_way(b, client, 2);
	ck_assert_str_eq(way, "rx steer handover plain ip4_forward tx handover tx");
	free(way);
	/* Whether all of it is read at once, or each part when it comes. */
	for (unsigned int i = 0; i < 2; i++) {
		pass_over(b, &frame, 3 * i);
		way = trace_way(b, client, 3 + i);
		ck_assert_str_eq(way, "rx steer handover plain ip4_forward tx handover tx");
		free(way);
	}
	trace_end(b, client, 4);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_packet_of_an_earlier_trace_is_none_of_the_next)
{
	struct bench *b = bench_create(trace_config, 2, 8192);
	struct client *client = bench_connect(b);
	struct frame frame;
	char *way;

	bench_advance(b, 2000);
	trace_start(b, client, 1);
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.10", .dst = "198.51.100.20" });
	bench_push(b, LAN, &frame);
	/* Told while it still waits; more than the trace lingers would have it given up. */
	json_decref(bench_call(
		b, "sysctl.set", "{\"name\": \"neigh.retrans_time\", \"value\": \"10s\"}"));
	bench_advance(b, 4500);
	free(trace_way(b, client, 1));
	trace_end(b, client, 1);
	trace_start(b, client, 1);
	json_decref(bench_call(b, "neigh.replace",
		"{\"to\": \"198.51.100.20\", \"lladdr\": \"" PEER_MAC "\", \"dev\": \"wan\"}"));
	bench_run(b);
	make_owned(&frame, 0);
	bench_push(b, LAN, &frame);
	way = trace_way(b, client, 1);
	ck_assert_str_eq(way, "rx steer plain ip4_forward tx");
	free(way);
	trace_end(b, client, 1);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(what_lies_in_a_fresh_buffer_is_not_believed)
{
	struct bench *b = bench_create(trace_config, 2, 8192);
	struct client *client = bench_connect(b);
	struct rte_mbuf **all;
	struct frame frame;
	unsigned int n;
	char *way;

	bench_advance(b, 2000);
	/* Every buffer looks as if it were the first packet of the trace to come. */
	all = bench_take_buffers(b, &n);
	for (unsigned int i = 0; i < n; i++)
		pkt_meta(all[i])->trace = 1;
	bench_give_buffers(all, n);
	trace_start_filter(b, client, 1, "tcp");
	make_owned(&frame, 1);
	bench_push(b, LAN, &frame);
	frame_ip4(&frame, &(struct ip4_spec){
				  .src = "192.0.2.10", .dst = "192.0.2.1", .proto = IPPROTO_TCP });
	bench_push(b, LAN, &frame);
	way = trace_way(b, client, 1);
	ck_assert_ptr_nonnull(strstr(way, "ip4_local"));
	free(way);
	trace_end(b, client, 1);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* It is told when it is out, with the time for which it has waited: a burst of two packets of 1000 bytes, 1 ms for each. */
START_TEST(the_wait_of_a_packet_in_a_qdisc_is_told)
{
	struct bench *b = qdisc_start(NULL, "{ link = \"wan\"; kind = \"tbf\"; rate = \"8mbit\"; "
					    "burst = 2000; limit = 9000; }");
	struct client *client = bench_connect(b);
	json_t *event, *steps;
	const char *said;
	size_t n;

	numbered_send(b, 1, 1000);
	numbered_send(b, 2, 1000);
	bench_run(b);
	trace_start(b, client, 1);
	numbered_send(b, 3, 1000);
	bench_run(b);
	for (unsigned int i = 0; i < 10; i++)
		dp_tick(b->dp, b->now_ns);
	ck_assert_uint_eq(client->len, 0);
	qdisc_step(b);
	event = bench_read(b, client);
	steps = json_at(event, "params.steps");
	n = json_array_size(steps);
	ck_assert_uint_gt(n, 2);
	said = json_text_at(json_array_get(steps, n - 2), "decision");
	ck_assert_str_eq(said, "link wan, queue 0");
	said = json_text_at(json_array_get(steps, n - 1), "decision");
	ck_assert_ptr_eq(strstr(said, "leaves the qdisc of link wan after 1000 us"), said);
	json_decref(event);
	trace_end(b, client, 1);
	client_close(client);
	bench_discard(b);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("trace", PLAIN_TEST(every_stage_of_the_pipeline_has_a_step),
	LOOP_TEST(a_step_says_what_its_stage_decided, decisions),
	PLAIN_TEST(the_colour_of_a_packet_is_told),
	PLAIN_TEST(the_wait_of_a_packet_in_a_qdisc_is_told),
	PLAIN_TEST(the_end_of_a_packet_that_waited_is_told),
	PLAIN_TEST(a_packet_that_waits_at_the_end_is_no_longer_told),
	PLAIN_TEST(a_trace_follows_a_packet_to_its_owner_and_back),
	PLAIN_TEST(a_packet_of_an_earlier_trace_is_none_of_the_next),
	PLAIN_TEST(what_lies_in_a_fresh_buffer_is_not_believed))
