/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control socket's frame: the index of methods and the turns in which clients are served.
 *
 * Clients with something to do stand in a queue. A timer of length zero serves them, one slice
 * each, for at most CTL_TURN_MS, and arms itself again if work is left: the event loop looks at
 * its other descriptors and timers in between, so neither many clients nor many requests of one
 * delay them. What a single command costs is the command's own affair.
 *
 * Control thread only; nothing here is locked.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/ctl_priv.h"

static int method_compare(const void *a, const void *b)
{
	return strcmp(((const struct method *)a)->name, ((const struct method *)b)->name);
}

const struct command *ctl_command(const struct ctl *ctl, const char *method)
{
	/* bsearch() only reads the key; the cast gives it the type of the array's items. */
	const struct method key = { .name = (char *)(uintptr_t)method };
	const struct method *found;

	found = bsearch(&key, ctl->methods, ctl->n_methods, sizeof(key), method_compare);
	return found != NULL ? found->command : NULL;
}

static void ctl_add_table(struct ctl *ctl, const struct command *table)
{
	for (; table->object != NULL; table++) {
		ctl->methods = mem_realloc(ctl->methods, ctl->n_methods + 1, sizeof(*ctl->methods));
		ctl->methods[ctl->n_methods++] = (struct method){
			.name = mem_printf("%s.%s", table->object, table->verb),
			.command = table,
		};
	}
}

/* -EEXIST when two rows have the same words: the second could never be called. */
static int ctl_index(struct ctl *ctl)
{
	for (const struct command *const *table = ctl->tables; *table != NULL; table++)
		ctl_add_table(ctl, *table);
	ctl_add_table(ctl, ctl_rpc_commands);
	qsort(ctl->methods, ctl->n_methods, sizeof(*ctl->methods), method_compare);
	for (size_t i = 1; i < ctl->n_methods; i++)
		if (strcmp(ctl->methods[i - 1].name, ctl->methods[i].name) == 0)
			return -EEXIST;
	return 0;
}

uint64_t ctl_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void ctl_on_turn(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval at_once = { 0, 0 };
	struct ctl *ctl = arg;
	uint64_t deadline_us = ctl_now_us() + CTL_TURN_MS * 1000;

	/* Those that become ready meanwhile stand behind these and wait for the next turn. */
	for (unsigned int n = ctl->n_ready; n > 0 && ctl->n_ready > 0; n--) {
		struct client *client = TAILQ_FIRST(&ctl->ready);

		TAILQ_REMOVE(&ctl->ready, client, ready_link);
		ctl->n_ready--;
		client->is_ready = false;
		client_serve(client, deadline_us);
		if (ctl_now_us() >= deadline_us)
			break;
	}
	if (ctl->n_ready > 0)
		event_add(ctl->turn, &at_once);
}

static void ctl_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *ctl = arg;
	struct client *client = TAILQ_FIRST(&ctl->clients);
	time_t now = (time_t)(ctl_now_us() / 1000000);

	while (client != NULL) {
		struct client *next = TAILQ_NEXT(client, link);

		client_tick(client, now);
		client = next;
	}
	ctl_listen_resume(ctl);
}

int ctl_create(
	struct event_base *base, void *ctx, const struct command *const *tables, struct ctl **out)
{
	const struct timeval second = { 1, 0 };
	struct ctl *ctl = mem_zalloc(sizeof(*ctl));
	int err;

	ctl->base = base;
	ctl->ctx = ctx;
	ctl->tables = tables;
	TAILQ_INIT(&ctl->clients);
	TAILQ_INIT(&ctl->ready);
	err = ctl_index(ctl);
	if (err < 0)
		goto err_destroy;
	err = -ENOMEM;
	ctl->line = malloc(CTL_LINE_MAX);
	ctl->turn = evtimer_new(base, ctl_on_turn, ctl);
	ctl->tick = event_new(base, -1, EV_PERSIST, ctl_on_tick, ctl);
	if (ctl->line == NULL || ctl->turn == NULL || ctl->tick == NULL)
		goto err_destroy;
	if (event_add(ctl->tick, &second) < 0)
		goto err_destroy;
	/* libevent writes with writev(2): a client that left must not end the process. */
	signal(SIGPIPE, SIG_IGN);
	*out = ctl;
	return 0;

err_destroy:
	ctl_destroy(ctl);
	return err;
}

void ctl_destroy(struct ctl *ctl)
{
	if (ctl == NULL)
		return;
	ctl_listen_stop(ctl);
	while (!TAILQ_EMPTY(&ctl->clients))
		client_destroy(TAILQ_FIRST(&ctl->clients));
	if (ctl->turn != NULL)
		event_free(ctl->turn);
	if (ctl->tick != NULL)
		event_free(ctl->tick);
	for (size_t i = 0; i < ctl->n_methods; i++)
		free(ctl->methods[i].name);
	free(ctl->methods);
	free(ctl->line);
	json_decref(ctl->list);
	free(ctl);
}

char *ctl_serve_line(struct ctl *ctl, const char *line, size_t len)
{
	json_t *answer;
	char *text;

	if (len > CTL_LINE_MAX)
		answer = request_error(NULL, RPC_INVALID_REQUEST, "the request line is over 1 MiB");
	else
		answer = request_serve(ctl, NULL, line, len);
	if (answer == NULL)
		return NULL;
	text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(answer);
	return text;
}
