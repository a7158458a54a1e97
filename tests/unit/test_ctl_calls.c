/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control socket's calls that take time (deferred ones, streams, sequences), their ends, the
 * limits on how many there may be, and the socket's file.
 */
#include <fcntl.h>

#include "ctl_peer.h"

/* Calls that take time */

START_TEST(a_deferred_call_is_answered_when_finished)
{
	struct server server;
	struct peer peer, other;
	json_t *answer;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	peer_request(&peer, 1, "slow.wait", "{}");
	json_decref(peer_ask(&peer, 2, "slow.state", "{}"));
	json_decref(peer_ask(&other, 3, "slow.finish", "{}"));
	answer = peer_recv(&peer);
	ck_assert_int_eq(answer_id(answer), 1);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "result")), "waited");
	json_decref(answer);
	peer_close(&peer);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(a_deferred_call_whose_client_leaves_is_cancelled)
{
	struct server server;
	struct peer peer, half, other;

	server_start(&server);
	peer = peer_open(&server);
	half = peer_open(&server);
	other = peer_open(&server);
	peer_request(&peer, 1, "slow.wait", "{}");
	peer_request(&half, 1, "slow.wait", "{}");
	shutdown(half.fd, SHUT_WR);
	wait_for_state(&other, "waiting", 2);
	peer_close(&peer);
	wait_for_state(&other, "cancelled", 1);
	ck_assert_int_eq(slow_state_of(&other, "waiting"), 1);
	/* One that had only stopped sending before is noticed too. */
	peer_close(&half);
	wait_for_state(&other, "cancelled", 2);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(calls_that_still_wait_are_cancelled_at_the_end)
{
	struct server server;
	struct peer peer, other;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	/* In this order: once the last one waits, the first one does. */
	peer_request(&peer, 1, "watch.idle", "{}");
	peer_request(&peer, 2, "slow.wait", "{}");
	wait_for_state(&other, "waiting", 1);
	server_stop(&server);
	ck_assert_uint_eq(server.world.n_cancelled, 2);
	peer_close(&peer);
	peer_close(&other);
}
END_TEST

START_TEST(unfinished_calls_of_a_client_are_bounded)
{
	struct server server;
	struct peer peer, other;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	for (int i = 0; i < 100; i++)
		peer_request(&peer, i, "slow.wait", "{}");
	wait_for_state(&other, "waiting", 64);
	for (int i = 0; i < 100; i++)
		json_decref(peer_ask(&other, i, "slow.state", "{}"));
	ck_assert_int_eq(slow_state_of(&other, "waiting"), 64);
	json_decref(peer_ask(&other, 1, "slow.finish", "{}"));
	wait_for_state(&other, "waiting", 64);
	peer_close(&peer);
	wait_for_state(&other, "waiting", 0);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(a_stream_notifies_and_ends)
{
	struct server server;
	struct peer peer;
	json_t *message;

	server_start(&server);
	peer = peer_open(&server);
	peer_request(&peer, 5, "watch.ticks", "{}");
	for (int i = 1; i <= 3; i++) {
		message = peer_recv(&peer);
		ck_assert_str_eq(
			json_string_value(json_object_get(message, "method")), "watch.ticks");
		ck_assert_ptr_null(json_object_get(message, "id"));
		ck_assert_int_eq(json_integer_value(json_object_get(
					 json_object_get(message, "params"), "tick")),
			i);
		json_decref(message);
	}
	message = peer_recv(&peer);
	ck_assert_int_eq(answer_id(message), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(message, "result")), 3);
	json_decref(message);
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

START_TEST(a_stream_that_is_not_read_is_cut_off)
{
	struct server server;
	struct peer deaf, other;

	server_start(&server);
	deaf = peer_open(&server);
	other = peer_open(&server);
	peer_request(&deaf, 1, "watch.flood", "{}");
	wait_for_state(&other, "cancelled", 1);
	peer_close(&deaf);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(streams_of_a_client_are_bounded)
{
	struct server server;
	struct peer peer;
	json_t *answer = NULL;

	server_start(&server);
	peer = peer_open(&server);
	for (int i = 0; i < 17; i++)
		peer_request(&peer, i, "watch.idle", "{}");
	do {
		json_decref(answer);
		answer = peer_recv(&peer);
	} while (json_object_get(answer, "method") != NULL);
	ck_assert_int_eq(answer_id(answer), 16);
	ck_assert_int_eq(answer_errno(answer), EBUSY);
	json_decref(answer);
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

START_TEST(a_sequence_is_done_in_order_and_stops_at_the_first_failure)
{
	static const struct {
		const char *method;
		int want_errno; /* 0: a result */
	} rows[] = {
		{ "rpc.sequence", 0 },
		{ "watch.ticks", 0 },
		{ "note.add", 0 },
		{ "fail.now", ENETUNREACH },
		{ "note.add", ECANCELED },
		{ "no.such", -1 },
	};
	const int n = (int)(sizeof(rows) / sizeof(rows[0]));
	struct server server;
	struct peer peer, other;

	server_start(&server);
	peer = peer_open(&server);
	other = peer_open(&server);
	for (int i = 0; i < n; i++)
		peer_request(&peer, i, rows[i].method, "{}");
	for (int i = 0; i < n; i++) {
		json_t *answer = peer_recv(&peer);

		while (json_object_get(answer, "method") != NULL) {
			json_decref(answer);
			answer = peer_recv(&peer);
		}
		ck_assert_int_eq(answer_id(answer), i);
		ck_assert_int_eq(
			(int)answer_errno(answer), rows[i].want_errno < 0 ? 0 : rows[i].want_errno);
		json_decref(answer);
	}
	ck_assert_int_eq(slow_state_of(&other, "notes"), 1);
	peer_close(&peer);
	peer_close(&other);
	server_stop(&server);
}
END_TEST

START_TEST(too_many_clients_are_told_so)
{
	struct peer *peers = calloc(CTL_CLIENTS_MAX + 1, sizeof(*peers));
	struct server server;
	json_t *answer;

	server_start(&server);
	for (int i = 0; i <= CTL_CLIENTS_MAX; i++)
		peers[i] = peer_open(&server);
	answer = peer_recv(&peers[CTL_CLIENTS_MAX]);
	ck_assert_int_eq(answer_code(answer), -32000);
	json_decref(answer);
	ck_assert_ptr_null(peer_recv(&peers[CTL_CLIENTS_MAX]));
	json_decref(peer_ask(&peers[0], 1, "slow.state", "{}"));
	for (int i = 0; i <= CTL_CLIENTS_MAX; i++)
		peer_close(&peers[i]);
	free(peers);
	server_stop(&server);
}
END_TEST

/* The socket itself */

START_TEST(the_socket_has_its_mode_and_its_file_goes_with_it)
{
	struct server server;
	struct stat st;

	server_start(&server);
	ck_assert_int_eq(stat(server.path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	server_stop(&server); /* checks that the file is gone */
}
END_TEST

START_TEST(a_living_socket_is_left_alone)
{
	struct server server;
	struct world world = { .n_notes = 0 };
	struct peer peer;
	struct ctl *ctl;

	server_start(&server);
	world.base = event_base_new();
	ck_assert_int_eq(ctl_create(world.base, &world, fixture_tables, &ctl), 0);
	ck_assert_int_eq(ctl_listen(ctl, server.path, NULL), -EADDRINUSE);
	ctl_destroy(ctl);
	event_base_free(world.base);
	peer = peer_open(&server);
	json_decref(peer_ask(&peer, 1, "slow.state", "{}"));
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

/* ctl_listen() on a path that prepare() has put something at; then all is cleaned up. */
static int listen_at(const char *dir, const char *name, const char *group)
{
	struct world world = { .base = event_base_new() };
	char path[128];
	struct ctl *ctl;
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(ctl_create(world.base, &world, fixture_tables, &ctl), 0);
	err = ctl_listen(ctl, path, group);
	ctl_destroy(ctl);
	event_base_free(world.base);
	return err;
}

START_TEST(what_stands_at_the_path_decides)
{
	char dir[] = "/tmp/weir-ctl-XXXXXX", path[64], name[200];
	struct sockaddr_un sun;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dead", dir);
	address_of(path, &sun);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	ck_assert_int_eq(listen_at(dir, "dead", NULL), 0);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(listen_at(dir, "fresh", "root"), 0);
	ck_assert_int_eq(listen_at(dir, "fresh", "no-such-group"), -ENOENT);

	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(listen_at(dir, "dead", NULL), -EEXIST);
	ck_assert_int_eq(listen_at(dir, "dead/below", NULL), -ENOTDIR);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(listen_at(dir, name, NULL), -ENAMETOOLONG);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_command_twice_is_refused)
{
	static const struct command *const tables[] = { fixture_commands, fixture_commands, NULL };
	struct event_base *base = event_base_new();
	struct ctl *ctl = NULL;

	ck_assert_int_eq(ctl_create(base, NULL, tables, &ctl), -EEXIST);
	ck_assert_ptr_null(ctl);
	event_base_free(base);
}
END_TEST

START_TEST(the_list_has_every_command_with_its_rows)
{
	struct server server;
	struct peer peer;
	json_t *answer, *list, *row;
	const json_t *found[2] = { NULL, NULL };
	size_t i;

	server_start(&server);
	peer = peer_open(&server);
	answer = peer_ask(&peer, 1, "rpc.list", "{}");
	list = json_object_get(answer, "result");
	json_array_foreach(list, i, row) {
		const char *object = json_string_value(json_object_get(row, "object"));

		if (strcmp(object, "planned") == 0)
			found[0] = row;
		if (strcmp(object, "thing") == 0 && found[1] == NULL)
			found[1] = row;
	}
	/* Ours, without the closing row, and the protocol's own two. */
	ck_assert_uint_eq(i, sizeof(fixture_commands) / sizeof(fixture_commands[0]) - 1 + 2);
	ck_assert(json_is_false(json_object_get(found[0], "available")));
	ck_assert(json_is_true(json_object_get(found[1], "available")));
	ck_assert(json_is_true(json_object_get(found[1], "read_only")));
	ck_assert(json_is_false(json_object_get(found[1], "stream")));
	ck_assert_str_eq(json_string_value(json_object_get(found[1], "verb")), "show");
	ck_assert_uint_eq(json_array_size(json_object_get(found[1], "args")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(found[1], "columns")), 4);
	json_decref(answer);
	peer_close(&peer);
	server_stop(&server);
}
END_TEST

SUITE_MAIN("ctl calls", PLAIN_TEST(a_deferred_call_is_answered_when_finished),
	PLAIN_TEST(a_deferred_call_whose_client_leaves_is_cancelled),
	PLAIN_TEST(calls_that_still_wait_are_cancelled_at_the_end),
	PLAIN_TEST(unfinished_calls_of_a_client_are_bounded),
	PLAIN_TEST(a_stream_notifies_and_ends), PLAIN_TEST(a_stream_that_is_not_read_is_cut_off),
	PLAIN_TEST(streams_of_a_client_are_bounded),
	PLAIN_TEST(a_sequence_is_done_in_order_and_stops_at_the_first_failure),
	PLAIN_TEST(too_many_clients_are_told_so),
	PLAIN_TEST(the_socket_has_its_mode_and_its_file_goes_with_it),
	PLAIN_TEST(a_living_socket_is_left_alone), PLAIN_TEST(what_stands_at_the_path_decides),
	PLAIN_TEST(a_command_twice_is_refused),
	PLAIN_TEST(the_list_has_every_command_with_its_rows))
