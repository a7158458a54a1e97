/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One JSON-RPC 2.0 request from its line to its answer, and the call_*() functions with which
 * commands answer. Batch arrays are not supported: a connection carries any number of lines.
 *
 * A request lives on the heap from the moment its command is known until it is answered. It is
 * on its client's list only while deferred; then it ends by call_finish() or request_cancel(),
 * whichever is first. Both may happen inside the command's own run(), so a running request is
 * only marked and is freed when run() is back. Control thread only.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ctl/ctl_priv.h"

/* A request as it came, not yet judged. Borrowed from the parsed line. */
struct rpc {
	const char *method;
	const json_t *params; /* NULL: none */
	json_t *id;	      /* NULL: no answer is wanted */
};

/* Answers */

/* Text for a person as JSON: of bearable length, valid UTF-8 whatever it was made from. */
static json_t *message_json(const char *text)
{
	size_t len = strnlen(text, CTL_MESSAGE_MAX);
	char copy[CTL_MESSAGE_MAX + 1] = { 0 };
	json_t *json;

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++)
		copy[i] = (unsigned char)text[i] < 0x20 && text[i] != '\n' ? ' ' : text[i];
	json = json_stringn(copy, len);
	if (json != NULL)
		return json;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
	return json_stringn(copy, len);
}

static json_t *answer_create(json_t *id, const char *key, json_t *value)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "jsonrpc", json_string("2.0"));
	json_object_set_new(answer, "id", id != NULL ? json_incref(id) : json_null());
	json_object_set_new(answer, key, value);
	return answer;
}

json_t *request_error(json_t *id, int code, const char *message)
{
	return answer_create(id, "error",
		json_pack("{s:i, s:o}", "code", code, "message", message_json(message)));
}

static json_t *request_failure(json_t *id, int err, const char *message)
{
	return answer_create(id, "error",
		json_pack("{s:i, s:o, s:{s:i}}", "code", RPC_COMMAND_FAILED, "message",
			message_json(message), "data", "errno", -err));
}

/* A list of arguments that ended early: how many of them were done. */
static void answer_set_index(json_t *answer, size_t index)
{
	json_t *error = json_object_get(answer, "error"), *data = json_object_get(error, "data");

	if (data == NULL) {
		data = json_object();
		json_object_set_new(error, "data", data);
	}
	json_object_set_new(data, "index", json_integer((json_int_t)index));
}

/* The life of a request */

static struct request *request_create(
	struct ctl *ctl, struct client *client, const struct command *command, json_t *id)
{
	struct request *request = mem_zalloc(sizeof(*request));

	request->call.ctx = ctl->ctx;
	request->ctl = ctl;
	request->client = client;
	request->command = command;
	request->id = id != NULL ? json_incref(id) : NULL;
	return request;
}

/* Unless the last run() kept them. */
static void request_free_args(struct request *request)
{
	if (!request->call.keeps_args)
		schema_free(request->command->args, request->args);
	request->call.keeps_args = false;
	request->args = NULL;
}

static void request_destroy(struct request *request)
{
	request_free_args(request);
	json_decref(request->id);
	json_decref(request->bulk);
	json_decref(request->common);
	json_decref(request->call.result);
	if (request->call.rows != NULL)
		request->call.rows->destroy(request->call.rows);
	free(request->call.error);
	free(request);
}

/* In a sequence nothing is done after the first failure, also that of a request without id. */
static void sequence_fail(struct client *client)
{
	if (client != NULL && client->is_sequence)
		client->has_failed = true;
}

/* Where nobody reads row by row, and nobody can wait for what others have to bring. */
static int rows_collect(struct call *call, const struct command *command)
{
	struct row_source *rows = call->rows;
	bool is_busy = true;

	call->result = json_array();
	while (is_busy) {
		json_t *row;

		is_busy = false;
		while ((row = rows->next(rows, &is_busy)) != NULL)
			json_array_append_new(call->result, row);
		if (is_busy && rows->is_waiting)
			return call_fail(call, -ECANCELED,
				"%s %s needs a connection that waits for it", command->object,
				command->verb);
	}
	return 0;
}

/* What a request has brought; its answer is the next that its client is sent. */
static json_t *request_take_result(struct request *request)
{
	struct call *call = &request->call;
	json_t *result = call->result;

	call->result = NULL;
	if (call->rows == NULL || request->client == NULL)
		return result != NULL ? result : json_null();
	request->client->rows = call->rows;
	call->rows = NULL;
	return json_array();
}

/* Ends a request that has run. Returns its answer, or NULL when none is wanted. */
static json_t *request_end(struct request *request, int err)
{
	struct call *call = &request->call;
	json_t *answer = NULL;

	if (err >= 0 && call->rows != NULL && request->client == NULL)
		err = rows_collect(call, request->command);
	if (!request->command->is_read_only)
		log_info("ctl", "command=%s.%s err=%d", request->command->object,
			request->command->verb, err);
	if (err < 0)
		sequence_fail(request->client);
	if (request->id != NULL && err < 0 && call->is_refused) {
		answer = request_error(request->id, RPC_INVALID_PARAMS, call->error);
	} else if (request->id != NULL && err < 0) {
		answer = request_failure(
			request->id, err, call->error != NULL ? call->error : strerror(-err));
	} else if (request->id != NULL) {
		answer = answer_create(request->id, "result", request_take_result(request));
	}
	if (request->bulk != NULL && err < 0 && answer != NULL)
		answer_set_index(answer, request->next);
	request_destroy(request);
	return answer;
}

static void request_unlink(struct request *request)
{
	LIST_REMOVE(request, link);
	if (request->client->bulk == request)
		request->client->bulk = NULL;
	request->client->n_requests--;
	request->client->n_streams -= request->command->is_stream;
}

void request_cancel(struct request *request)
{
	struct call *call = &request->call;

	request_unlink(request);
	/* An owner that answers from within its cancel is not heard: the call is gone. */
	request->is_finished = true;
	if (call->cancel != NULL)
		call->cancel(call, call->owner);
	request_destroy(request);
}

static void request_park(struct request *request)
{
	LIST_INSERT_HEAD(&request->client->requests, request, link);
	request->client->n_requests++;
	request->client->n_streams += request->command->is_stream;
}

/* A call that was deferred where nobody can wait for it. */
static json_t *request_give_up(struct request *request)
{
	struct call *call = &request->call;

	request->is_finished = true;
	if (call->cancel != NULL)
		call->cancel(call, call->owner);
	call_fail(call, -ECANCELED, "%s %s needs a connection that waits for it",
		request->command->object, request->command->verb);
	return request_end(request, -ECANCELED);
}

static json_t *request_run(struct request *request)
{
	struct call *call = &request->call;
	int err;

	request->is_running = true;
	err = request->command->run(call, request->args);
	request->is_running = false;
	if (request->is_finished)
		return request_end(request, request->err);
	if (err < 0 || !call->is_deferred)
		return request_end(request, err);
	if (request->client == NULL || request->client->is_deaf)
		return request_give_up(request);
	request_park(request);
	return NULL;
}

/* From the line to the command */

/* The first problems only: a megabyte of unknown keys is not worth as many complaints. */
static char *diag_first_text(const struct diag *diag)
{
	struct diag first = *diag;

	if (first.n_entries > CTL_PROBLEMS_MAX)
		first.n_entries = CTL_PROBLEMS_MAX;
	return diag_text(&first);
}

static int decode_args(struct request *request, const json_t *params, char **why)
{
	const struct object *args = request->command->args;
	const char *key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)params));
	struct diag diag;
	struct node *node;

	if (args == NULL && key == NULL)
		return 0;
	if (args == NULL) {
		*why = mem_printf("%.64s: unknown parameter; %s %s takes none", key,
			request->command->object, request->command->verb);
		return -EINVAL;
	}
	node = key != NULL ? node_from_json(params) : NULL;
	diag_init(&diag, NULL);
	request->args = schema_decode(args, node, "", &diag);
	if (request->args == NULL)
		*why = diag_first_text(&diag);
	diag_fini(&diag);
	node_destroy(node);
	return request->args != NULL ? 0 : -EINVAL;
}

/* Lists of arguments */

/* Runs for one item. On failure the call has the error's text. */
static int bulk_run_item(struct request *request, json_t *item)
{
	struct call *call = &request->call;
	const char *name = request->command->bulk;
	char *why = NULL, *text;
	int err = -EINVAL;

	if (json_is_object(item) && request->common != NULL)
		json_object_update_missing(item, request->common);
	if (!json_is_object(item))
		return call_refuse(call, "%s[%zu]: must be an object", name, request->next);
	if (decode_args(request, item, &why) < 0) {
		call_refuse(call, "%s[%zu].%s", name, request->next, why);
		free(why);
		return err;
	}
	err = request->command->run(call, request->args);
	request_free_args(request);
	json_decref(call->result);
	call->result = NULL;
	if (err >= 0)
		return 0;
	text = mem_printf("%s[%zu]: %s", name, request->next,
		call->error != NULL ? call->error : strerror(-err));
	call_fail(call, err, "%s", text);
	free(text);
	return err;
}

/* True when there is no more to do; the outcome is in request->err then. */
static bool bulk_run(struct request *request, uint64_t deadline_us)
{
	size_t n = json_array_size(request->bulk);

	for (; request->next < n; request->next++) {
		if (request->next % CTL_BULK_SLICE == 0 && ctl_now_us() >= deadline_us)
			return false;
		request->err = bulk_run_item(request, json_array_get(request->bulk, request->next));
		if (request->err < 0)
			return true;
		/* Freed as it goes: all at once would take too long at the end. */
		json_array_set_new(request->bulk, request->next, json_null());
	}
	request->call.result = json_pack("{s:I}", "done", (json_int_t)n);
	return true;
}

bool request_continue(struct request *request, uint64_t deadline_us)
{
	struct client *client = request->client;
	json_t *answer;

	if (!bulk_run(request, deadline_us))
		return false;
	request_unlink(request);
	answer = request_end(request, request->err);
	if (answer != NULL)
		client_send(client, answer);
	return true;
}

/* Takes the list out of the params; what is beside it counts for all its items. */
static json_t *bulk_start(struct request *request, const json_t *params)
{
	const char *name = request->command->bulk;

	request->bulk = json_incref(json_object_get(params, name));
	if (!json_is_array(request->bulk)) {
		call_refuse(&request->call, "%s: must be a list", name);
		return request_end(request, -EINVAL);
	}
	if (json_object_size(params) > 1) {
		request->common = json_copy((json_t *)(uintptr_t)params);
		json_object_del(request->common, name);
	}
	if (request->client == NULL) {
		bulk_run(request, UINT64_MAX);
		return request_end(request, request->err);
	}
	/* Everything happens in the client's next turns. */
	request_park(request);
	request->client->bulk = request;
	client_mark_ready(request->client);
	return NULL;
}

/* Refuses what the client's state does not allow now; NULL: go on. */
static json_t *refuse_call(
	const struct client *client, const struct command *command, const struct rpc *rpc)
{
	char text[128];

	if (command->run == NULL) {
		snprintf(text, sizeof(text), "%s %s is in the contract but not yet in weir",
			command->object, command->verb);
		return request_error(rpc->id, RPC_METHOD_NOT_FOUND, text);
	}
	if (client == NULL)
		return NULL;
	if (client->has_failed)
		return request_failure(
			rpc->id, -ECANCELED, "not run: an earlier request of the sequence failed");
	if (command->is_stream && client->n_streams >= CTL_STREAMS_MAX)
		return request_failure(rpc->id, -EBUSY, "too many streams on this connection");
	return NULL;
}

static json_t *serve_rpc(struct ctl *ctl, struct client *client, const struct rpc *rpc)
{
	const struct command *command = ctl_command(ctl, rpc->method);
	struct request *request;
	char *why = NULL;
	json_t *answer;

	if (command == NULL)
		return request_error(rpc->id, RPC_METHOD_NOT_FOUND, "no such method; see rpc.list");
	answer = refuse_call(client, command, rpc);
	if (answer != NULL)
		return answer;
	if (json_array_size(rpc->params) > 0)
		return request_error(rpc->id, RPC_INVALID_PARAMS, "params must be given by name");
	request = request_create(ctl, client, command, rpc->id);
	if (command->bulk != NULL && json_object_get(rpc->params, command->bulk) != NULL)
		return bulk_start(request, rpc->params);
	if (decode_args(request, rpc->params, &why) == 0)
		return request_run(request);
	answer = request_error(rpc->id, RPC_INVALID_PARAMS, why);
	free(why);
	request_destroy(request);
	return answer;
}

/* What is wrong with a request as such; NULL: nothing. */
static const char *rpc_read(const json_t *json, struct rpc *rpc)
{
	const char *version = json_string_value(json_object_get(json, "jsonrpc"));
	json_t *id = json_object_get(json, "id");

	if (json_is_array(json))
		return "batch arrays are not supported: send one request a line";
	if (!json_is_object(json))
		return "a request is an object";
	if (id != NULL && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "id must be a string, a number or null";
	rpc->id = id;
	if (version == NULL || strcmp(version, "2.0") != 0)
		return "jsonrpc must be \"2.0\"";
	rpc->method = json_string_value(json_object_get(json, "method"));
	if (rpc->method == NULL)
		return "method must be a string";
	rpc->params = json_object_get(json, "params");
	if (rpc->params != NULL && !json_is_object(rpc->params) && !json_is_array(rpc->params))
		return "params must be an object";
	return NULL;
}

static json_t *serve_json(struct ctl *ctl, struct client *client, const json_t *json)
{
	struct rpc rpc = { .id = NULL };
	const char *why = rpc_read(json, &rpc);
	json_t *answer;

	answer = why != NULL ? request_error(rpc.id, RPC_INVALID_REQUEST, why)
			     : serve_rpc(ctl, client, &rpc);
	if (json_object_get(answer, "error") != NULL)
		sequence_fail(client);
	if (why != NULL)
		return answer;
	if (answer != NULL && rpc.id == NULL) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

json_t *request_serve(struct ctl *ctl, struct client *client, const char *line, size_t len)
{
	json_error_t error;
	json_t *json = json_loadb(line, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	json_t *answer;
	char *text;

	if (json == NULL) {
		sequence_fail(client);
		text = mem_printf("byte %d: %s", error.position, error.text);
		answer = request_error(NULL, RPC_PARSE_ERROR, text);
		free(text);
	} else {
		answer = serve_json(ctl, client, json);
		json_decref(json);
	}
	return answer;
}

/* What commands call */

static void call_set_error(struct call *call, const char *fmt, va_list ap)
{
	free(call->error);
	if (vasprintf(&call->error, fmt, ap) < 0)
		call->error = mem_strdup("out of memory");
}

int call_fail(struct call *call, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call_set_error(call, fmt, ap);
	va_end(ap);
	return err;
}

int call_refuse(struct call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call_set_error(call, fmt, ap);
	va_end(ap);
	call->is_refused = true;
	return -EINVAL;
}

void call_defer(struct call *call, void (*cancel)(struct call *call, void *owner), void *owner)
{
	call->is_deferred = true;
	call->cancel = cancel;
	call->owner = owner;
}

void call_notify(struct call *call, json_t *event)
{
	struct request *request = request_of(call);
	json_t *message;

	if (request->client == NULL || request->is_finished) {
		json_decref(event);
		return;
	}
	message = json_object();
	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "method",
		json_sprintf("%s.%s", request->command->object, request->command->verb));
	json_object_set_new(message, "params", event);
	client_notify(request->client, message);
}

void row_source_wake(struct row_source *source)
{
	source->is_waiting = false;
	if (source->reader != NULL)
		client_mark_ready(source->reader);
}

bool call_is_behind(const struct call *call)
{
	const struct request *request =
		(const struct request *)((const char *)call - offsetof(struct request, call));

	return request->client != NULL && client_is_behind(request->client);
}

void call_finish(struct call *call, int err)
{
	struct request *request = request_of(call);
	struct client *client = request->client;
	json_t *answer;

	if (request->is_finished)
		return;
	if (request->is_running) {
		request->is_finished = true;
		request->err = err;
		return;
	}
	request_unlink(request);
	answer = request_end(request, err);
	if (answer != NULL)
		client_send(client, answer);
	/* It may have waited for this one. */
	client_mark_ready(client);
}
