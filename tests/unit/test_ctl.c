/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control socket against lines and bytes of every kind: what is answered, what ends a
 * connection, and that nobody is kept waiting by somebody else. What is only a question of one line
 * goes through ctl_serve_line(); the rest talks to a real socket served by a thread.
 */
#include "ctl_peer.h"

/* Lines by themselves */

static const struct line_row {
	const char *name, *line;
	int code;	  /* of the error; 0: a result, 1: no answer at all */
	const char *want; /* within the answer */
} line_rows[] = {
	{ "garbage", "hello", -32700, "\"id\":null" },
	{ "empty", "", -32700, NULL },
	{ "half an object", "{\"jsonrpc\":\"2.0\",", -32700, NULL },
	{ "not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", -32700, NULL },
	{ "a NUL within", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\\u0000b\"}", -32700, NULL },
	{ "a key twice", "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"slow.state\"}",
		-32700, NULL },
	{ "a number", "5", -32600, "\"id\":null" },
	{ "a batch", "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.state\"}]", -32600,
		"batch" },
	{ "an empty batch", "[]", -32600, NULL },
	{ "no version", "{\"id\":1,\"method\":\"slow.state\"}", -32600, "\"id\":1" },
	{ "another version", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"slow.state\"}", -32600,
		NULL },
	{ "no method", "{\"jsonrpc\":\"2.0\",\"id\":1}", -32600, NULL },
	{ "method is a number", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}", -32600, NULL },
	{ "params is a string",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.state\",\"params\":\"x\"}", -32600,
		NULL },
	{ "id is an object", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"slow.state\"}", -32600,
		"\"id\":null" },
	{ "no such method", "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"no.such\"}", -32601,
		"\"id\":\"a\"" },
	{ "not yet", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"planned.show\"}", -32601,
		"planned show is in the contract but not yet in weir" },
	{ "params by position",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":[1]}", -32602,
		NULL },
	{ "unknown parameter",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":{\"x\":1}}",
		-32602, "x" },
	{ "a parameter where there are none",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.state\",\"params\":{\"x\":1}}",
		-32602, "x" },
	{ "wrong type",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.set\","
		"\"params\":{\"dev\":\"a\",\"mtu\":{}}}",
		-32602, "mtu" },
	{ "out of range",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.set\","
		"\"params\":{\"dev\":\"a\",\"mtu\":9001}}",
		-32602, "mtu" },
	{ "missing parameter", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.set\"}", -32602,
		"dev" },
	{ "a command that fails", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fail.now\"}", -32000,
		"\"errno\":101" },
	{ "deferred without a connection",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.wait\"}", -32000,
		"\"errno\":125" },
	{ "no params", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\"}", 0,
		"\"ifname\"" },
	{ "empty params array",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":[]}", 0, NULL },
	{ "a null id", "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"slow.state\"}", 0,
		"\"id\":null" },
	{ "a fraction as id", "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"slow.state\"}", 0,
		"\"id\":1.5" },
	{ "blanks around", "  {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.state\"}\t\r", 0,
		NULL },
	{ "finished while it runs", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sync.finish\"}", 0,
		"\"result\":\"at once\"" },
	{ "notification", "{\"jsonrpc\":\"2.0\",\"method\":\"slow.state\"}", 1, NULL },
	{ "notification to nobody", "{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}", 1, NULL },
	{ "notification with bad params",
		"{\"jsonrpc\":\"2.0\",\"method\":\"thing.set\",\"params\":{\"x\":1}}", 1, NULL },
	{ "notification that fails", "{\"jsonrpc\":\"2.0\",\"method\":\"fail.now\"}", 1, NULL },
};

/* ctl_serve_line() without any thread. */
static char *serve_alone(const char *line, size_t len, struct world *world)
{
	struct ctl *ctl;
	char *text;

	world->base = event_base_new();
	ck_assert_int_eq(ctl_create(world->base, world, fixture_tables, &ctl), 0);
	text = ctl_serve_line(ctl, line, len);
	ctl_destroy(ctl);
	event_base_free(world->base);
	return text;
}

START_TEST(a_line_gets_the_standard_answer)
{
	const struct line_row *row = &line_rows[_i];
	struct world world = { .n_notes = 0 };
	char *text = serve_alone(row->line, strlen(row->line), &world);
	json_t *answer;

	if (row->code == 1) {
		ck_assert_ptr_null(text);
		return;
	}
	ck_assert_ptr_nonnull(text);
	answer = json_loads(text, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
	ck_assert_msg(answer_code(answer) == row->code, "%s: %s", row->name, text);
	ck_assert_msg((json_object_get(answer, "result") != NULL) == (row->code == 0), "%s", text);
	ck_assert_msg(
		row->want == NULL || strstr(text, row->want) != NULL, "%s: %s", row->name, text);
	json_decref(answer);
	free(text);
}
END_TEST

START_TEST(notification_is_done_and_not_answered)
{
	static const char line[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"note.add\",\"params\":{\"text\":\"x\"}}";
	struct world world = { .n_notes = 0 };

	ck_assert_ptr_null(serve_alone(line, sizeof(line) - 1, &world));
	ck_assert_uint_eq(world.n_notes, 1);
}
END_TEST

START_TEST(deep_nesting_is_a_parse_error)
{
	static char line[CTL_LINE_MAX];
	struct world world = { .n_notes = 0 };
	size_t len;
	char *text;

	memset(line, '[', sizeof(line));
	text = serve_alone(line, sizeof(line), &world);
	ck_assert_ptr_nonnull(strstr(text, "-32700"));
	free(text);
	/* As deep as the parser goes: refused by the parameters' rules, not by the stack. */
	len = (size_t)snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,"
		"\"method\":\"thing.set\",\"params\":{\"dev\":");
	memset(line + len, '[', 2000);
	memset(line + len + 2000, ']', 2000);
	strcpy(line + len + 4000, "}}");
	text = serve_alone(line, strlen(line), &world);
	ck_assert_msg(strstr(text, "-32602") != NULL, "%s", text);
	free(text);
}
END_TEST

START_TEST(a_megabyte_of_unknown_parameters_is_refused_briefly)
{
	static char line[CTL_LINE_MAX];
	struct world world = { .n_notes = 0 };
	size_t len = (size_t)snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.set\",\"params\":{");
	char *text;

	for (int i = 0; len < sizeof(line) - 64; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "\"k%d\":%d,", i, i);
	len += (size_t)snprintf(line + len, sizeof(line) - len, "\"z\":1}}");
	text = serve_alone(line, len, &world);
	ck_assert_msg(strstr(text, "-32602") != NULL, "%.200s", text);
	ck_assert_uint_lt(strlen(text), 64 << 10);
	free(text);
}
END_TEST

/* Bytes on the socket */

START_TEST(a_line_may_come_in_pieces)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"slow.state\"}\r\n\n";
	struct server server;
	struct peer peer, other;
	json_t *answer;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		peer_send(&peer, line + i, 1);
		/* The other's answer shows that the server saw the piece, and serves others. */
		json_decref(peer_ask(&other, (int)i, "slow.state", "{}"));
	}
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_id(answer), 9);
	json_decref(answer);
	json_decref(peer_ask(&peer, 10, "slow.state", "{}"));
	peer_close(&peer);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(the_longest_line_is_served_and_a_longer_one_ends_the_connection)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.state\"}";
	char *line = malloc(CTL_LINE_MAX + 2);
	struct server server;
	struct peer peer;
	json_t *answer;

	server_start(&server);
	peer = peer_open(&server);
	memset(line, ' ', CTL_LINE_MAX + 2);
	memcpy(line, request, sizeof(request) - 1);
	line[CTL_LINE_MAX] = '\n';
	peer_send(&peer, line, CTL_LINE_MAX + 1);
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_id(answer), 1);
	json_decref(answer);

	line[CTL_LINE_MAX] = ' ';
	line[CTL_LINE_MAX + 1] = '\n';
	peer_send(&peer, line, CTL_LINE_MAX + 2);
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_code(answer), -32600);
	json_decref(answer);
	ck_assert_ptr_null(peer_recv(&peer));
	peer_close(&peer);
	free(line);
	server_stop(&server);
}
END_TEST

START_TEST(ten_thousand_requests_at_once_are_answered_in_order)
{
	enum { N = 10000 };
	struct server server;
	struct peer peer, other;
	size_t len = 0;
	char *text = malloc(N * 80);

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	for (int i = 0; i < N; i++)
		len += (size_t)sprintf(text + len,
			"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"slow.state\"}\n", i);
	/* Nobody reads meanwhile: it all fits the two sockets and the server's buffers. */
	peer_send(&peer, text, len);
	json_decref(peer_ask(&other, 1, "slow.state", "{}"));
	for (int i = 0; i < N; i++) {
		json_t *answer = peer_recv(&peer);

		ck_assert_int_eq(answer_id(answer), i);
		ck_assert_ptr_nonnull(json_object_get(answer, "result"));
		json_decref(answer);
	}
	peer_close(&peer);
	peer_close(&other);
	free(text);
	server_stop(&server);
}
END_TEST

START_TEST(a_client_that_never_reads_is_no_longer_read)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big.show\","
				   "\"params\":{\"count\":100000}}\n";
	struct server server;
	struct peer deaf, other;
	unsigned int n = 0;

	server_start(&server);
	deaf = peer_open(&server);
	other = peer_open(&server);
	/* Once nothing more can be sent, its input is left alone. */
	while (send(deaf.fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		if (++n % 1000 == 0)
			json_decref(peer_ask(&other, 1, "slow.state", "{}"));
		ck_assert_uint_lt(n, 1000000);
	}
	for (int i = 0; i < 100; i++)
		json_decref(peer_ask(&other, i, "slow.state", "{}"));
	peer_close(&deaf);
	json_decref(peer_ask(&other, 1, "slow.state", "{}"));
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(a_client_that_leaves_its_answers_unread_is_done_with)
{
	struct server server;
	struct peer rude, other;

	server_start(&server);
	other = peer_open(&server);
	/* Each has answers and a request left when it goes; the request is still done. */
	for (int i = 0; i < 16; i++) {
		rude = peer_open(&server);
		peer_request(&rude, 1, "lump.show", "{}");
		peer_request(&rude, 2, "note.add", "{}");
		ck_assert_int_eq(recv(rude.fd, rude.buf, 1, 0), 1);
		ck_assert_int_eq(slow_state_of(&other, "notes"), i);
		peer_close(&rude);
		wait_for_state(&other, "notes", i + 1);
	}
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(a_long_answer_is_complete)
{
	enum { N = 100000 };
	struct server server;
	struct peer peer;
	json_t *answer, *rows;
	char params[32];

	server_start(&server);
	peer = peer_open(&server);
	snprintf(params, sizeof(params), "{\"count\":%d}", N);
	peer_request(&peer, 1, "big.show", params);
	peer_request(&peer, 2, "slow.state", "{}");
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_id(answer), 1);
	rows = json_object_get(answer, "result");
	ck_assert_uint_eq(json_array_size(rows), N);
	for (size_t i = 0; i < N; i++)
		ck_assert_int_eq(
			json_integer_value(json_object_get(json_array_get(rows, i), "row")),
			(int)i);
	json_decref(answer);
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_id(answer), 2);
	json_decref(answer);
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

START_TEST(a_client_that_only_stops_sending_gets_its_answers)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow.wait\"}\n"
				   "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"slow.finish\"}\n"
				   "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"slow.state\"}";
	struct server server;
	struct peer peer;

	server_start(&server);
	peer = peer_open(&server);
	peer_send(&peer, text, sizeof(text) - 1);
	shutdown(peer.fd, SHUT_WR);
	for (int i = 1; i <= 3; i++) {
		json_t *answer = peer_recv(&peer);

		ck_assert_ptr_nonnull(json_object_get(answer, "result"));
		ck_assert_int_eq(answer_id(answer), i);
		json_decref(answer);
	}
	ck_assert_ptr_null(peer_recv(&peer));
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

START_TEST(what_a_client_sent_before_it_left_is_done)
{
	struct server server;
	struct peer peer, other;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	for (int i = 0; i < 500; i++)
		peer_request(&peer, i, "note.add", "{\"text\":\"x\"}");
	peer_close(&peer);
	wait_for_state(&other, "notes", 500);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

SUITE_MAIN("ctl", LOOP_TEST(a_line_gets_the_standard_answer, line_rows),
	PLAIN_TEST(notification_is_done_and_not_answered),
	PLAIN_TEST(deep_nesting_is_a_parse_error),
	PLAIN_TEST(a_megabyte_of_unknown_parameters_is_refused_briefly),
	PLAIN_TEST(a_line_may_come_in_pieces),
	PLAIN_TEST(the_longest_line_is_served_and_a_longer_one_ends_the_connection),
	PLAIN_TEST(ten_thousand_requests_at_once_are_answered_in_order),
	PLAIN_TEST(a_client_that_never_reads_is_no_longer_read),
	PLAIN_TEST(a_client_that_leaves_its_answers_unread_is_done_with),
	PLAIN_TEST(a_long_answer_is_complete),
	PLAIN_TEST(a_client_that_only_stops_sending_gets_its_answers),
	PLAIN_TEST(what_a_client_sent_before_it_left_is_done))
