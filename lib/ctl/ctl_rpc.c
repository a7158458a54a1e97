/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The protocol's own two commands. `rpc.list` describes every command with its parameters, the
 * columns of its table and its flags; weirctl knows nothing but this answer. `rpc.sequence` makes
 * the connection a batch: from then on requests are done strictly one after the other, also where
 * answers come late, and none after the first that failed, so that a client can send thousands
 * without waiting and still know that what followed an error was not done.
 *
 * Control thread only.
 */
#include <errno.h>

#include "ctl/ctl_priv.h"

static json_t *columns_json(const struct column *columns)
{
	json_t *rows = json_array();

	for (; columns != NULL && columns->title != NULL; columns++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:b}", "path", columns->path, "title",
				      columns->title, "detail", columns->is_detail));
	return rows;
}

static json_t *command_json(const struct command *command)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s*, s:b, s:b, s:b}", "object",
		command->object, "verb", command->verb, "help",
		command->help != NULL ? command->help : "", "args",
		command->args != NULL ? schema_describe(command->args) : json_array(), "columns",
		columns_json(command->columns), "bulk", command->bulk, "read_only",
		command->is_read_only, "stream", command->is_stream, "available",
		command->run != NULL);
}

static void list_add(json_t *list, const struct command *table)
{
	for (; table->object != NULL; table++)
		json_array_append_new(list, command_json(table));
}

static int rpc_list(struct call *call, const void *args)
{
	struct ctl *ctl = request_of(call)->ctl;

	if (ctl->list == NULL) {
		ctl->list = json_array();
		for (const struct command *const *table = ctl->tables; *table != NULL; table++)
			list_add(ctl->list, *table);
		list_add(ctl->list, ctl_rpc_commands);
	}
	call->result = json_incref(ctl->list);
	return 0;
}

static int rpc_sequence(struct call *call, const void *args)
{
	struct client *client = request_of(call)->client;

	if (client == NULL)
		return call_fail(call, -EINVAL, "a sequence needs a connection");
	client->is_sequence = true;
	return 0;
}

static const struct column list_columns[] = {
	{ .path = "object", .title = "OBJECT" },
	{ .path = "verb", .title = "VERB" },
	{ .path = "available", .title = "AVAILABLE" },
	{ .path = "args.name", .title = "ARGUMENTS" },
	{ .path = "help", .title = "WHAT IT DOES", .is_detail = true },
	{ .title = NULL },
};

const struct command ctl_rpc_commands[] = {
	{ .object = "rpc",
		.verb = "list",
		.help = "all commands with their arguments and columns",
		.columns = list_columns,
		.run = rpc_list,
		.is_read_only = true },
	{ .object = "rpc",
		.verb = "sequence",
		.help = "from here on one request at a time, and none after the first that fails",
		.run = rpc_sequence,
		.is_read_only = true },
	{ .object = NULL },
};
