/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules and links that come and go: names hold for links that were not there when the rules were compiled, what
 * passes before that is dropped by name, and a link that a rule names stays. The thread that compiles can be
 * held up here (shut_gate()), so that what happens meanwhile happens for certain.
 *
 *	10.7.0.10 -- 7 -- lan.7 or x, on lan (p0) --- weir --- wan (p1) --- 198.51.100.10, default
 */
#include "kit.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* The gate that threads pass before they do anything, if it was shut when they began */

struct gated {
	void *(*run)(void *arg);
	void *arg;
	bool waits;
};

static sem_t gate;
static bool is_shut;
static bool is_hasty;		     /* threads end before who began them goes on */
static unsigned int n_begun;	     /* threads since the rules were started */
static _Atomic unsigned int n_ended; /* of these */

int __real_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);
int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);

/* Not for ever: a test that failed leaves it shut, and the end of its bench waits for the thread. */
static void gate_pass(void)
{
	struct timespec end;

	timespec_get(&end, TIME_UTC);
	end.tv_sec += 20;
	(void)sem_timedwait(&gate, &end);
}

static void *gated_run(void *arg)
{
	struct gated gated = *(struct gated *)arg;
	void *result;

	free(arg);
	if (gated.waits)
		gate_pass();
	result = gated.run(gated.arg);
	n_ended++;
	return result;
}

int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
	struct gated *gated = mem_zalloc(sizeof(*gated));
	int err;

	*gated = (struct gated){ .run = run, .arg = arg, .waits = is_shut };
	n_begun++;
	err = __real_pthread_create(thread, attr, gated_run, gated);
	while (is_hasty && err == 0 && n_ended < n_begun)
		usleep(100);
	return err;
}

static void shut_gate(void)
{
	sem_init(&gate, 0, 0);
	is_shut = true;
}

/* One thread at a time is under way. */
static void open_gate(void)
{
	if (is_shut)
		sem_post(&gate);
	is_shut = false;
}

static struct bench *rules_start(const char *rules)
{
	char *config = mem_printf("%sfirewall: { %s };\n", router_config, rules);
	struct bench *b;

	is_shut = is_hasty = false;
	b = bench_start(config);
	n_begun = 0;
	n_ended = 0;
	free(config);
	return b;
}

/* Until no thread has anything left to do, and none will begin. */
static void settle(struct bench *b)
{
	unsigned int n;

	open_gate();
	bench_run(b);
	do {
		n = n_begun;
		for (unsigned int i = 0; n_ended < n_begun; i++) {
			ck_assert_msg(i < 20000, "the thread does not end");
			usleep(1000);
		}
		bench_run(b);
	} while (n_begun != n);
}

/* Links, packets, answers */

static void add_link(struct bench *b, const char *name)
{
	char *params = mem_printf("{\"name\": \"%s\", \"type\": \"vlan\", \"parent\": \"lan\", "
				  "\"vid\": 7, \"addresses\": [\"10.7.0.1/24\"]}",
		name);

	json_decref(bench_call_only(b, "link.add", params));
	free(params);
}

static void del_link(struct bench *b, const char *name)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", name);

	json_decref(bench_call_only(b, "link.del", params));
	free(params);
}

static int64_t index_of(struct bench *b, const char *name)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", name);
	json_t *links = bench_call_only(b, "link.show", params);
	int64_t ifindex = json_int_at(links, "0.ifindex");

	json_decref(links);
	free(params);
	return ifindex;
}

/* From the host in the VLAN to the far side; the answer with the ports exchanged. */
static void push_out(struct bench *b, uint16_t sport, uint16_t dport)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src = "10.7.0.10",
				  .dst = "198.51.100.10",
				  .sport = sport,
				  .dport = dport });
	frame_tag(&frame, 0x8100, 7);
	bench_push(b, LAN, &frame);
}

static void push_in(struct bench *b, uint16_t sport, uint16_t dport)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = PEER_MAC,
				  .dst_mac = WAN_MAC,
				  .src = "198.51.100.10",
				  .dst = "10.7.0.10",
				  .sport = sport,
				  .dport = dport });
	bench_push(b, WAN, &frame);
}

/* Announcements of the link and questions for the host are out of the way then. */
static void learn_host(struct bench *b, const char *dev)
{
	char *params = mem_printf(
		"{\"to\": \"10.7.0.10\", \"lladdr\": \"" HOST_MAC "\", \"dev\": \"%s\"}", dev);

	json_decref(bench_call(b, "neigh.replace", params));
	bench_discard(b);
	free(params);
}

static int64_t packets_of(struct bench *b, unsigned int index)
{
	json_t *rows = bench_call(b, "firewall.show", "{\"hook\": \"forward\"}");
	char *path = mem_printf("%u.packets", index);
	int64_t n = json_int_at(rows, path);

	json_decref(rows);
	free(path);
	return n;
}

/* NULL: it went well; else what was wrong. Heap. */
static char *end_load(struct bench *b, struct client *client, char *path)
{
	json_t *message = bench_read(b, client), *error = json_object_get(message, "error");
	char *text = NULL;

	if (error != NULL)
		text = mem_strdup(json_text_at(error, "message"));
	json_decref(message);
	unlink(path);
	free(path);
	return text;
}

static void load_well(struct bench *b, struct client *client, const char *text)
{
	char *problem = end_load(b, client, rules_load_begin(client, text));

	ck_assert_msg(problem == NULL, "%s", problem);
}

/* Tests */

#define POLICY(policy, rules) "forward: { policy = \"" policy "\"; rules = ( " rules " ); };"

/* What one rule, and a policy that is its opposite, say of a VLAN that comes later. */
static const struct {
	const char *rule, *link;
	bool is_accept, matches;
} names[] = {
	{ "in = \"lan.*\"", "lan.7", true, true },
	{ "in = \"lan.*\"", "lan.7", false, true },
	{ "in = \"lan.*\"", "x", true, false },
	{ "in = \"!wan\"", "x", true, true },
	{ "in = \"!wan\"", "x", false, true },
	{ "in = \"!lan*\"", "lan.7", true, false },
	{ "in = \"!lan*\"", "x", false, true },
	{ "in = [ \"dmz\", \"x*\" ]", "x", true, true },
};

START_TEST(a_rule_holds_for_links_that_come_and_go)
{
	bool is_accept = names[_i].is_accept, passes = names[_i].matches == is_accept;
	char *rules = mem_printf("forward: { policy = \"%s\"; rules = ( { %s; action = \"%s\"; } "
				 "); };",
		is_accept ? "drop" : "accept", names[_i].rule, is_accept ? "accept" : "drop");
	struct bench *b = rules_start(rules);
	struct drops drops;

	for (uint16_t round = 0; round < 3; round++) {
		add_link(b, names[_i].link);
		settle(b);
		bench_discard(b);
		drops = drops_take(b);
		push_out(b, (uint16_t)(1000 + round), 2000);
		ck_assert_uint_eq(bench_count(b, WAN), passes);
		drops_expect(b, &drops, "firewall_drop_forward", !passes);
		del_link(b, names[_i].link);
		settle(b);
	}
	free(rules);
	bench_destroy(b);
}
END_TEST

/* What becomes of packets of lan.7 once the rules know it, and of those from dmz. */
static const struct {
	const char *rules;
	bool asks_for_links, passes, others_pass;
} meanwhile[] = {
	{ POLICY("accept", "{ in = \"lan.*\"; action = \"drop\"; }"), true, false, true },
	{ POLICY("accept", "{ out = \"lan.*\"; action = \"drop\"; }"), true, true, true },
	{ POLICY("accept", "{ in = \"!wan\"; action = \"drop\"; }"), true, false, false },
	{ POLICY("drop", "{ in = \"!wan\"; action = \"accept\"; }"), true, true, true },
	{ "input: { rules = ( { in = \"wan\"; action = \"drop\"; } ); };", true, true, true },
	{ POLICY("accept", "{ proto = \"tcp\"; action = \"drop\"; }"), false, true, true },
};

static void push_of_others(struct bench *b)
{
	struct frame frame;

	frame_ip4(&frame, &(struct ip4_spec){ .src_mac = DMZ_HOST,
				  .dst_mac = DMZ_MAC,
				  .src = "203.0.113.10",
				  .dst = "198.51.100.10" });
	bench_push(b, DMZ, &frame);
}

/* Between the event and the swap, in either direction. Who does not ask for links is not kept waiting. */
START_TEST(nothing_passes_by_a_link_that_the_rules_do_not_know)
{
	bool waits = meanwhile[_i].asks_for_links;
	struct bench *b = rules_start(meanwhile[_i].rules);
	struct drops drops;

	shut_gate();
	add_link(b, "lan.7");
	learn_host(b, "lan.7");
	for (uint16_t i = 0; i < 3; i++) {
		drops = drops_take(b);
		push_out(b, (uint16_t)(1000 + i), 2000);
		ck_assert_uint_eq(bench_count(b, WAN), !waits);
		push_in(b, (uint16_t)(3000 + i), 2000);
		ck_assert_uint_eq(bench_count(b, LAN), !waits);
		drops_expect(b, &drops, "firewall_link_unknown", waits ? 2 : 0);
		bench_advance(b, 50);
	}
	ck_assert_uint_eq(n_begun, waits);
	drops = drops_take(b);
	push_of_others(b);
	ck_assert_uint_eq(bench_count(b, WAN), meanwhile[_i].others_pass);
	drops_expect(b, &drops, "firewall_drop_forward", !meanwhile[_i].others_pass);
	settle(b);
	drops = drops_take(b);
	push_out(b, 1100, 2000);
	ck_assert_uint_eq(bench_count(b, WAN), meanwhile[_i].passes);
	drops_expect(b, &drops, "firewall_drop_forward", !meanwhile[_i].passes);
	bench_destroy(b);
}
END_TEST

START_TEST(explain_says_that_the_rules_do_not_know_the_link)
{
	struct bench *b = rules_start(POLICY("accept", "{ in = \"lan.*\"; action = \"drop\"; }"));
	struct client *client = bench_connect(b);
	json_t *answer, *step;

	shut_gate();
	add_link(b, "lan.7");
	learn_host(b, "lan.7");
	bench_write(client,
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"explain.packet\", \"params\": "
		"{\"iif\": \"lan.7\", \"src\": \"10.7.0.10\", \"dst\": \"198.51.100.10\", "
		"\"proto\": \"udp\"}}");
	answer = bench_read(b, client);
	ck_assert_str_eq(json_text_at(answer, "result.reason"), "firewall_link_unknown");
	ck_assert_uint_eq(json_array_size(json_at(answer, "result.rules")), 0);
	step = json_at(answer, "result.steps");
	step = json_array_get(step, json_array_size(step) - 2); /* the last is the drop */
	ck_assert_str_eq(json_text_at(step, "node"), "prerouting");
	ck_assert_ptr_nonnull(strstr(json_text_at(step, "decision"), "no rule was asked"));
	json_decref(answer);
	open_gate();
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* The rules that run accept what comes in by that index. */
START_TEST(an_index_that_is_used_again_does_not_bring_its_rules)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
	struct drops drops;
	int64_t ifindex;

	add_link(b, "lan.7");
	settle(b);
	ifindex = index_of(b, "lan.7");
	shut_gate();
	del_link(b, "lan.7");
	add_link(b, "x");
	for (unsigned int i = 0; i < 2000 && index_of(b, "x") != ifindex; i++) {
		del_link(b, "x");
		add_link(b, "x");
	}
	ck_assert_int_eq(index_of(b, "x"), ifindex);
	bench_run(b);
	bench_discard(b);
	drops = drops_take(b);
	push_out(b, 1000, 2000);
	drops_expect(b, &drops, "firewall_link_unknown", 1);
	settle(b);
	drops = drops_take(b);
	push_out(b, 1000, 2000);
	drops_expect(b, &drops, "firewall_drop_forward", 1);
	ck_assert_uint_eq(bench_count(b, WAN), 0);
	bench_destroy(b);
}
END_TEST

/* One while the first is compiled for, and one for all that came meanwhile. */
START_TEST(many_links_need_few_compiles)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
	char params[96];

	shut_gate();
	for (unsigned int i = 0; i < 50; i++) {
		snprintf(params, sizeof(params),
			"{\"name\": \"lan.%u\", \"type\": \"vlan\", \"parent\": \"lan\", \"vid\": "
			"%u}",
			i, i + 1);
		json_decref(bench_call(b, "link.add", params));
	}
	settle(b);
	ck_assert_uint_eq(n_begun, 2);
	/* lan.6 */
	push_out(b, 1000, 2000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	bench_advance(b, 100);
	ck_assert_uint_eq(n_begun, 2);
	bench_destroy(b);
}
END_TEST

#define BY_NAME(link) POLICY("drop", "{ in = \"" link "\"; action = \"accept\"; }")

START_TEST(a_file_may_name_a_link_that_came_while_it_was_read)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"drop\"; }"));
	struct client *client = bench_connect(b);
	char *path, *problem;

	shut_gate();
	path = rules_load_begin(client, BY_NAME("lan.7"));
	while (n_begun == 0) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
	add_link(b, "lan.7");
	bench_run(b);
	open_gate();
	problem = end_load(b, client, path);
	ck_assert_msg(problem == NULL, "%s", problem);
	settle(b);
	bench_discard(b);
	push_out(b, 1000, 2000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* It must not end with rules that name what is not there. */
START_TEST(a_file_may_not_name_a_link_that_went_while_it_was_read)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
	struct client *client = bench_connect(b);
	char *path, *problem;

	add_link(b, "lan.7");
	settle(b);
	shut_gate();
	n_begun = 0;
	n_ended = 0;
	path = rules_load_begin(client, BY_NAME("lan.7"));
	while (n_begun == 0) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
	del_link(b, "lan.7");
	open_gate();
	problem = end_load(b, client, path);
	ck_assert_ptr_nonnull(problem);
	ck_assert_msg(strstr(problem, "there is no link \"lan.7\"") != NULL, "%s", problem);
	free(problem);
	/* Those that ran go on, for the links of now. */
	add_link(b, "lan.8");
	settle(b);
	bench_discard(b);
	push_out(b, 1000, 2000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(what_was_wrong_with_a_file_is_told_however_soon_it_was_found)
{
	struct bench *b = rules_start(POLICY("drop", "{ action = \"accept\"; }"));
	struct client *client = bench_connect(b);
	char *problem;

	is_hasty = true;
	problem = end_load(b, client, rules_load_begin(client, BY_NAME("nil")));
	ck_assert_ptr_nonnull(problem);
	ck_assert_ptr_nonnull(strstr(problem, "there is no link \"nil\""));
	free(problem);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* `link add` and `firewall load` right behind it: the rules that ran are being compiled then. */
START_TEST(a_file_waits_for_a_compile_that_is_under_way)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"drop\"; }"));
	struct client *client = bench_connect(b);
	char *path, *problem;

	shut_gate();
	add_link(b, "lan.7");
	bench_run(b);
	ck_assert_uint_eq(n_begun, 1);
	path = rules_load_begin(client, BY_NAME("lan.7"));
	for (unsigned int i = 0; i < 10; i++) {
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
	}
	/* One may wait. */
	bench_expect_error(
		b, "firewall.load", "{\"file\": \"/nowhere\"}", "rules are being loaded already");
	open_gate();
	problem = end_load(b, client, path);
	ck_assert_msg(problem == NULL, "%s", problem);
	settle(b);
	bench_discard(b);
	push_out(b, 1000, 2000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Which direction has the first packet then: the client of a download has nothing to say before an answer comes. */
static void (*const first_pushes[])(
	struct bench *b, uint16_t sport, uint16_t dport) = { push_out, push_in };

START_TEST(a_connection_goes_on_when_its_link_comes_back)
{
	bool is_answer = first_pushes[_i] == push_in;
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
	struct drops drops;

	add_link(b, "lan.7");
	settle(b);
	learn_host(b, "lan.7");
	push_out(b, 1000, 2000);
	del_link(b, "lan.7");
	settle(b);
	add_link(b, "lan.7");
	settle(b);
	learn_host(b, "lan.7");
	drops = drops_take(b);
	first_pushes[_i](b, is_answer ? 2000 : 1000, is_answer ? 1000 : 2000);
	ck_assert_uint_eq(bench_count(b, is_answer ? LAN : WAN), 1);
	push_in(b, 2000, 1000);
	push_out(b, 1000, 2000);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	drops_expect_none(b, &drops);
	bench_destroy(b);
}
END_TEST

START_TEST(a_connection_is_judged_by_the_link_that_it_comes_by_now)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
	struct drops drops;

	add_link(b, "lan.7");
	settle(b);
	learn_host(b, "lan.7");
	push_out(b, 1000, 2000);
	push_in(b, 2000, 1000);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	del_link(b, "lan.7");
	add_link(b, "x");
	settle(b);
	learn_host(b, "x");
	drops = drops_take(b);
	push_out(b, 1000, 2000);
	push_in(b, 2000, 1000);
	drops_expect(b, &drops, "firewall_drop_forward", 2);
	bench_expect_nothing(b);
	bench_destroy(b);
}
END_TEST

/* With and without a name, the policy's as well; and what a limit has given stays given. */
START_TEST(counters_and_limits_go_on)
{
	struct bench *b = rules_start(POLICY("drop",
		"{ name = \"named\"; in = \"lan.*\"; dport = 53; proto = \"udp\"; action = "
		"\"mark\"; to = 1; }, { in = \"!wan\"; limit = \"1/day burst 2\"; action = "
		"\"accept\"; }"));

	add_link(b, "lan.7");
	settle(b);
	bench_discard(b);
	for (uint16_t i = 0; i < 3; i++)
		push_out(b, (uint16_t)(1000 + i), 53);
	ck_assert_uint_eq(bench_count(b, WAN), 2);
	for (unsigned int round = 0; round < 3; round++) {
		del_link(b, "lan.7");
		settle(b);
		add_link(b, "lan.7");
		settle(b);
		bench_advance(b, 50);
	}
	bench_discard(b);
	push_out(b, 2000, 53);
	ck_assert_uint_eq(bench_count(b, WAN), 0);
	ck_assert_int_eq(packets_of(b, 0), 4);
	ck_assert_int_eq(packets_of(b, 1), 2);
	ck_assert_int_eq(packets_of(b, 2), 2);
	bench_destroy(b);
}
END_TEST

static const struct {
	const char *rules, *problem; /* NULL: it may go */
} users[] = {
	{ POLICY("accept", "{ name = \"web\"; in = \"lan.7\"; action = \"accept\"; }"),
		"rules name it: forward 0 (web)" },
	{ POLICY("accept", "{ action = \"accept\"; }, { out = \"!lan.7\"; action = \"drop\"; }"),
		"rules name it: forward 1" },
	{ "input: { rules = ( { in = [ \"wan\", \"lan.7\" ]; action = \"drop\"; } ); };",
		"rules name it: input 0" },
	{ "postrouting: { rules = ( { out = \"wan,lan.7,dmz\"; action = \"masquerade\"; } ); };",
		"rules name it: postrouting 0" },
	{ POLICY("accept", "{ in = \"lan.*\"; action = \"accept\"; }"), NULL },
	{ POLICY("accept", "{ in = \"lan.7*\"; action = \"accept\"; }"), NULL },
	{ POLICY("accept", "{ in = \"lan\"; out = \"wan,dmz\"; action = \"accept\"; }"), NULL },
};

START_TEST(a_link_that_a_rule_names_stays)
{
	struct bench *b = rules_start(POLICY("drop", "{ action = \"accept\"; }"));
	struct client *client = bench_connect(b);

	add_link(b, "lan.7");
	load_well(b, client, users[_i].rules);
	if (users[_i].problem != NULL) {
		bench_expect_error(b, "link.del", "{\"dev\": \"lan.7\"}", users[_i].problem);
		ck_assert_int_gt(index_of(b, "lan.7"), 0);
		/* Not for ever. */
		load_well(b, client, "forward: { policy = \"drop\"; };");
	}
	del_link(b, "lan.7");
	settle(b);
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

/* Rules of a file outlive those that they replaced, however often they are compiled. */
START_TEST(loaded_rules_are_compiled_again_and_replaced)
{
	struct bench *b = rules_start(POLICY("drop", "{ in = \"lan.*\"; action = \"drop\"; }"));
	struct client *client = bench_connect(b);

	for (uint16_t round = 0; round < 3; round++) {
		load_well(b, client, POLICY("drop", "{ in = \"lan.*\"; action = \"accept\"; }"));
		add_link(b, "lan.7");
		settle(b);
		bench_advance(b, 100);
		bench_discard(b);
		push_out(b, (uint16_t)(1000 + round), 2000);
		ck_assert_uint_eq(bench_count(b, WAN), 1);
		del_link(b, "lan.7");
		settle(b);
		bench_advance(b, 100);
	}
	/* And it may end with a compile under way, and a file that waits for it. */
	shut_gate();
	add_link(b, "lan.7");
	bench_run(b);
	ck_assert_uint_gt(n_begun, n_ended);
	open_gate();
	bench_discard(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

PACKET_MAIN("firewall_links", LOOP_TEST(a_rule_holds_for_links_that_come_and_go, names),
	LOOP_TEST(nothing_passes_by_a_link_that_the_rules_do_not_know, meanwhile),
	PLAIN_TEST(explain_says_that_the_rules_do_not_know_the_link),
	PLAIN_TEST(an_index_that_is_used_again_does_not_bring_its_rules),
	PLAIN_TEST(many_links_need_few_compiles),
	PLAIN_TEST(a_file_may_name_a_link_that_came_while_it_was_read),
	PLAIN_TEST(a_file_may_not_name_a_link_that_went_while_it_was_read),
	PLAIN_TEST(what_was_wrong_with_a_file_is_told_however_soon_it_was_found),
	PLAIN_TEST(a_file_waits_for_a_compile_that_is_under_way),
	LOOP_TEST(a_connection_goes_on_when_its_link_comes_back, first_pushes),
	PLAIN_TEST(a_connection_is_judged_by_the_link_that_it_comes_by_now),
	PLAIN_TEST(counters_and_limits_go_on), LOOP_TEST(a_link_that_a_rule_names_stays, users),
	PLAIN_TEST(loaded_rules_are_compiled_again_and_replaced))
