/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The weirctl program itself, run against a control socket in this process: its grammar, what it
 * prints, its exit codes, batches. WEIRCTL is the path of the program.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "ctl_fixture.h"

enum { WORDS_MAX = 64 };

/* What a run of the program left behind. */
struct run {
	int code; /* exit code; -1: ended by a signal */
	char *out, *err;
};

static char *read_all(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)len + 1);

	ck_assert_int_eq(pread(fd, text, (size_t)len, 0), len);
	close(fd);
	return text;
}

/*
 * Starts weirctl with words divided by blanks ('_' stands for a blank within a word, '' for an empty
 * word). --complete has to stand in front of the socket.
 */
static pid_t weirctl_start(const struct server *server, const char *line, int in, int out, int err)
{
	bool is_completion = strncmp(line, "--complete", strlen("--complete")) == 0;
	char *copy = strdup(line), *save = NULL, *argv[WORDS_MAX] = { "weirctl", "--complete" };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int n = 1 + is_completion;

	argv[n++] = "-S";
	argv[n++] = (char *)(uintptr_t)server->path;
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		for (char *blank = strchr(w, '_'); blank != NULL; blank = strchr(blank, '_'))
			*blank = ' ';
		if (strcmp(w, "--complete") != 0)
			argv[n++] = strcmp(w, "''") == 0 ? "" : w;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, err, 2);
	ck_assert_int_eq(posix_spawn(&pid, WEIRCTL, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	return pid;
}

static int exit_code_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct run weirctl_run(const struct server *server, const char *line, const char *input)
{
	int in = memfd_create("in", 0), out = memfd_create("out", 0), err = memfd_create("err", 0);
	struct run run;

	if (input != NULL)
		ck_assert_int_eq(pwrite(in, input, strlen(input), 0), (ssize_t)strlen(input));
	run.code = exit_code_of(weirctl_start(server, line, in, out, err));
	close(in);
	run.out = read_all(out);
	run.err = read_all(err);
	return run;
}

static void run_fini(struct run *run)
{
	free(run->out);
	free(run->err);
}

static const struct run_row {
	const char *line;  /* what follows -S PATH */
	const char *input; /* standard input */
	int code;
	const char *out; /* all of it; NULL: see has */
	const char *has; /* within the output */
	const char *err; /* within the one line of error; NULL: there is none */
} run_rows[] = {
	/* Tables; what must not reach a terminal is escaped. */
	{ "thing show", NULL, 0,
		"NAME                  MTU  FLAGS\n"
		"lan                  1500  UP,LOWER_UP\n"
		"w\\x1b[2Jn\\u202e\\x9b    68  -\n",
		NULL, NULL },
	{ "-s thing show dev eth0", NULL, 0, NULL, "eth0                 1500  UP,LOWER_UP   7\n",
		NULL },
	{ "big show 2", NULL, 0, "row  text\n  0  as wide as\n  1  as wide as\n", NULL, NULL },
	{ "big show 0", NULL, 0, "", NULL, NULL },
	{ "place show", NULL, 0,
		"at         cost  ratio\n"
		"192.0.2.1     -    1.5\n"
		"10.0.0.1      7     10\n",
		NULL, NULL },
	{ "slow state", NULL, 0, "waiting 0\ncancelled 0\nnotes 0\n", NULL, NULL },
	{ "text", NULL, 0, "first\nsecond\\x1b[2J\n", NULL, NULL },
	{ "sync finish", NULL, 0, "at once\n", NULL, NULL },
	{ "note add", NULL, 0, "", NULL, NULL },
	/* JSON */
	{ "-j big show 1", NULL, 0, "[{\"row\": 0, \"text\": \"as wide as\"}]\n", NULL, NULL },
	{ "-j -p big show 1", NULL, 0, NULL, "\n        \"row\": 0", NULL },
	{ "-jp big show 0", NULL, 0, "[]\n", NULL, NULL },
	{ "-j thing", NULL, 0, NULL, "\"w\\u001B[2Jn\\u202E\\u009B\"", NULL },
	/* Words */
	{ "th sh", NULL, 0, NULL, "UP,LOWER_UP", NULL },
	{ "thing list", NULL, 0, NULL, "UP,LOWER_UP", NULL },
	{ "thing show wan", NULL, 0, NULL, "wan", NULL },
	{ "big 1", NULL, 0, NULL, "as wide as", NULL },
	{ "planned", NULL, 1, "", NULL, "planned show is in the contract but not yet in weir" },
	{ "planned show dev x", NULL, 1, "", NULL, "not yet in weir" },
	{ "note add tcp and dst port 80", NULL, 0, "tcp and dst port 80\n", NULL, NULL },
	{ "note add two_words text", NULL, 0, "two words text\n", NULL, NULL },
	{ "note add text te x", NULL, 0, "te x\n", NULL, NULL },
	{ "-j thing set a up", NULL, 0, NULL, "\"state\": \"up\"", NULL },
	{ "-j thing set dev m up", NULL, 0, NULL, "\"dev\": \"m\"", NULL },
	{ "-j thing set m mt 1400", NULL, 0, NULL, "\"mtu\": 1400", NULL },
	{ "-j thing set a nomaster", NULL, 0, NULL, "\"nomaster\": true", NULL },
	{ "-j thing set a state down", NULL, 0, NULL, "\"state\": \"down\"", NULL },
	{ "-j thing set a -mtu 1400", NULL, 0, NULL, "\"mtu\": 1400", NULL },
	{ "-j thing set a tags x,y tags z", NULL, 0, NULL, "[\"x\", \"y\", \"z\"]", NULL },
	{ "-j thing set a hops via G weight 2 hop via H mtu 99", NULL, 0, NULL, "\"weight\": 2",
		NULL },
	{ "-j thing set a hops via G weight 2 hop via H mtu 99", NULL, 0, NULL, "\"mtu\": 99",
		NULL },
	{ "-j thing set a file /etc/../x", NULL, 0, NULL, "\"file\": \"/etc/../x\"", NULL },
	{ "-j thing set a file ../x", NULL, 0, NULL, "\"file\": \"/", NULL },
	{ "-j thing set a file ../x", NULL, 0, NULL, "/../x\"", NULL },
	{ "-n red thing", NULL, 0, NULL, "lan", NULL },
	{ "-n default slow state", NULL, 0, NULL, "waiting 0", NULL },
	{ "help thing set", NULL, 0, NULL, "[dev] DEV", NULL },
	{ "thing help", NULL, 0, NULL, "statistics", NULL },
	{ "--version", NULL, 0, "weirctl " WEIR_VERSION "\n", NULL, NULL },
	{ "--help", NULL, 0, NULL, "usage: weirctl", NULL },
	/* Bad usage */
	{ "", NULL, 2, "", NULL, "OBJECT" },
	{ "nothing", NULL, 2, "", NULL, "unknown object 'nothing'" },
	{ "t", NULL, 2, "", NULL, "ambiguous object 't'; it may mean thing, text" },
	{ "thing frob", NULL, 2, "", NULL, "unknown verb 'frob'; there are show, set" },
	{ "slow", NULL, 2, "", NULL, "a verb is missing; there are wait, finish, state" },
	{ "thing show x y", NULL, 2, "", NULL, "unknown argument 'y'" },
	{ "thing set a m 5", NULL, 2, "", NULL, "ambiguous argument 'm'" },
	{ "thing set", NULL, 2, "", NULL, "'dev' is missing" },
	{ "thing set a mtu", NULL, 2, "", NULL, "'mtu' needs a value" },
	{ "thing set a later", NULL, 2, "", NULL,
		"'later' is in the contract but not yet in weir" },
	{ "thing set a later on", NULL, 2, "", NULL, "'later' is in the contract but not yet" },
	{ "thing set a up down", NULL, 2, "", NULL, "'state' is given twice" },
	{ "thing set a mtu many", NULL, 2, "", NULL, "mtu" },
	{ "thing set a mtu 67", NULL, 2, "", NULL, "mtu" },
	{ "slow state x", NULL, 2, "", NULL, "it takes none" },
	{ "-n red slow state", NULL, 2, "", NULL, "no namespaces" },
	{ "-n blue thing", NULL, 2, "", NULL, "-n blue: no namespace of that name" },
	{ "-n blue -b -", "note add 1\n", 2, "", NULL, "no namespace of that name" },
	{ "-x", NULL, 2, "", NULL, "unknown option" },
	{ "-w never thing", NULL, 2, "", NULL, "-w never" },
	{ "-b - thing", NULL, 2, "", NULL, "either" },
	/* Failures */
	{ "fail now", NULL, 1, "", NULL, "no way to  [1m?" },
	{ "-S /nonexistent thing", NULL, 1, "", NULL, "cannot reach the daemon at /nonexistent" },
	/* Streams */
	{ "watch ticks", NULL, 0, "tick 1 load - \ntick 2 load - \ntick 3 load - \n", NULL, NULL },
	{ "-j watch ticks", NULL, 0, NULL, "{\"tick\": 3, \"load\": \"-\"}\n", NULL },
	/* Batches */
	{ "-b -", "", 0, "", NULL, NULL },
	{ "-b -", "# a comment\n\n  note add 'a  b' \"c\\\"d\" e\\ f # end\nnote add last", 0,
		"a  b c\"d e f\nlast\n", NULL, NULL },
	{ "-b -", "note add 1\nfail now\nnote add 2\n", 1, "1\n", NULL, "stdin:2: no way" },
	{ "-b -", "note add 1\nthing frob\nnote add 2\n", 2, "1\n", NULL, "stdin:2: unknown verb" },
	{ "-b -", "fail now\nthing frob\n", 1, "", NULL, "stdin:1: no way" },
	{ "-b -", "note add 'open\n", 2, "", NULL, "stdin:1: a quote" },
	{ "-b -", "watch ticks\nnote add after\n", 0, NULL, "tick 3 load - \nafter\n", NULL },
	/* Completion; what would harm a terminal or need quotes is left out, as is what is not there. */
	{ "--complete th", NULL, 0, "thing\n", NULL, NULL },
	{ "--complete r", NULL, 0, "", NULL, NULL },
	{ "--complete thing ''", NULL, 0, "show\nset\n", NULL, NULL },
	{ "--complete planned ''", NULL, 0, "", NULL, NULL },
	{ "--complete thing show ''", NULL, 0, "lan\ndev\nnetns\nstatistics\n", NULL, NULL },
	{ "--complete thing show dev ''", NULL, 0, "lan\n", NULL, NULL },
	{ "--complete thing show x y ''", NULL, 0, "", NULL, NULL },
	{ "--complete thing set a st", NULL, 0, "state\n", NULL, NULL },
	{ "--complete thing set a mtu ''", NULL, 0, "", NULL, NULL },
	{ "--complete thing set a state ''", NULL, 0, "up\ndown\n", NULL, NULL },
	{ "--complete thing set a l", NULL, 0, "", NULL, NULL },
	{ "--complete thing set a hops ''", NULL, 0, NULL, "via\nweight\n", NULL },
	{ "--complete thing set a hops via G ''", NULL, 0, NULL, "weight\nup\ndown\nmtu\n", NULL },
	{ "--complete thing set a file /etc/hostn", NULL, 0, "/etc/hostname\n", NULL, NULL },
	{ "--complete note add x ''", NULL, 0, "", NULL, NULL },
	{ "--complete watch ticks ''", NULL, 0, "", NULL, NULL },
	{ "--complete big ''", NULL, 0, "show\ncount\n", NULL, NULL },
	{ "--complete help th", NULL, 0, "thing\n", NULL, NULL },
	{ "--complete help thing s", NULL, 0, "show\nset\n", NULL, NULL },
	{ "--complete -n r", NULL, 0, "red\n", NULL, NULL },
	{ "--complete -n blue thing ''", NULL, 0, "", NULL, NULL },
	{ "--complete -S /nonexistent th", NULL, 0, "", NULL, NULL },
	{ "completion bash", NULL, 0, NULL, "complete -F _weirctl weirctl\n", NULL },
	{ "completion sh", NULL, 2, "", NULL, "there is: bash" },
	{ "help top", NULL, 0, NULL, "a live view", NULL },
	{ "top now", NULL, 2, "", NULL, "unknown argument 'now'" },
	{ "-b /nonexistent", NULL, 1, "", NULL, "/nonexistent: No such file" },
	{ "-j -b -", "big show 0\nnote add x\n", 0, "[]\n\"x\"\n", NULL, NULL },
};

START_TEST(words_give_output_and_exit_code)
{
	const struct run_row *row = &run_rows[_i];
	struct server server;
	struct run run;

	server_start(&server);
	run = weirctl_run(&server, row->line, row->input);
	server_stop(&server);
	ck_assert_msg(
		run.code == row->code, "%s: exit %d\n%s%s", row->line, run.code, run.out, run.err);
	ck_assert_msg(
		row->out == NULL || strcmp(run.out, row->out) == 0, "%s:\n%s", row->line, run.out);
	ck_assert_msg(row->has == NULL || strstr(run.out, row->has) != NULL, "%s:\n%s", row->line,
		run.out);
	if (row->err == NULL) {
		ck_assert_str_eq(run.err, "");
	} else {
		ck_assert_msg(strstr(run.err, row->err) != NULL, "%s:\n%s", row->line, run.err);
		ck_assert_ptr_eq(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
	}
	run_fini(&run);
}
END_TEST

START_TEST(a_batch_of_ten_thousand_lines_is_done_in_order)
{
	enum { N = 10000 };
	char *input = calloc(N, 32), *want = calloc(N, 32);
	size_t in_len = 0, want_len = 0;
	struct server server;
	struct run run;

	for (int i = 0; i < N; i++) {
		in_len += (size_t)sprintf(input + in_len, "note add line %d\n", i);
		want_len += (size_t)sprintf(want + want_len, "line %d\n", i);
	}
	server_start(&server);
	run = weirctl_run(&server, "-b -", input);
	ck_assert_int_eq(run.code, 0);
	ck_assert_msg(strcmp(run.out, want) == 0, "%.200s", run.out);
	server_stop(&server);
	ck_assert_uint_eq(server.world.n_notes, N);
	run_fini(&run);
	free(input);
	free(want);
}
END_TEST

START_TEST(lines_after_a_failure_are_not_done)
{
	char *input = calloc(1, 64 << 10);
	struct server server;
	struct run run;

	strcpy(input, "note add 1\nfail now\n");
	for (int i = 0; i < 2000; i++)
		strcat(input, "note add 2\n");
	server_start(&server);
	run = weirctl_run(&server, "-b -", input);
	server_stop(&server);
	ck_assert_int_eq(run.code, 1);
	ck_assert_uint_eq(server.world.n_notes, 1);
	run_fini(&run);
	free(input);
}
END_TEST

/* Reads from a pipe until what came ends in want. */
static void expect(int fd, const char *want)
{
	char text[4096] = "";
	size_t len = 0, want_len = strlen(want);

	while (len < want_len || strcmp(text + len - want_len, want) != 0) {
		ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);

		ck_assert_msg(n > 0, "got only: %s", text);
		len += (size_t)n;
		text[len] = '\0';
	}
}

START_TEST(a_line_of_a_batch_is_answered_before_the_next_is_there)
{
	int in[2], out[2], err = memfd_create("err", 0);
	struct server server;
	pid_t pid;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	server_start(&server);
	pid = weirctl_start(&server, "-b -", in[0], out[1], err);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(write(in[1], "note add ping\n", 14), 14);
		expect(out[0], "ping\n");
	}
	close(in[1]);
	ck_assert_int_eq(exit_code_of(pid), 0);
	server_stop(&server);
	close(in[0]);
	close(out[0]);
	close(out[1]);
	close(err);
}
END_TEST

static const char *const interrupted_lines[] = { "-w 0.05 sync finish", "watch idle" };

START_TEST(interrupt_ends_what_goes_on_forever)
{
	int out[2], in = memfd_create("in", 0), err = memfd_create("err", 0);
	struct server server;
	char byte[1];
	pid_t pid;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	server_start(&server);
	pid = weirctl_start(&server, interrupted_lines[_i], in, out[1], err);
	close(out[1]);
	if (_i == 0)
		expect(out[0], "at once\nat once\nat once\n");
	else
		ck_assert_int_eq(read(out[0], byte, 1), 1);
	kill(pid, SIGINT);
	ck_assert_int_eq(exit_code_of(pid), 0);
	close(out[0]);
	close(in);
	close(err);
	server_stop(&server);
}
END_TEST

SUITE_MAIN("weirctl", LOOP_TEST(words_give_output_and_exit_code, run_rows),
	PLAIN_TEST(a_batch_of_ten_thousand_lines_is_done_in_order),
	PLAIN_TEST(lines_after_a_failure_are_not_done),
	PLAIN_TEST(a_line_of_a_batch_is_answered_before_the_next_is_there),
	LOOP_TEST(interrupt_ends_what_goes_on_forever, interrupted_lines))
