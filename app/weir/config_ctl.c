/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * `config show|check`. Control thread. check reads a file on the daemon's side; a relative path
 * counts from the directory of the running configuration's file. weirctl sends absolute ones.
 */
#include <stdlib.h>

#include "app.h"
#include "base/mem.h"

static int config_show(struct call *call, const void *args)
{
	char *text = conf_print(call->ctx);

	if (text == NULL)
		return call_fail(call, -ENOMEM, "out of memory");
	call->result = json_string(text);
	free(text);
	return 0;
}

struct config_check_args {
	struct object_head head;
	char *file;
};

static const struct object config_check_args = {
	.name = "config",
	.size = sizeof(struct config_check_args),
	.fields =
		(const struct field[]){
			{ .name = "file",
				.type = FIELD_STRING,
				.flags = FIELD_REQUIRED | FIELD_POSITIONAL | FIELD_FILE,
				.offset = offsetof(struct config_check_args, file),
				.max = 4095,
				.help = "the file; a relative path counts from the running "
					"configuration" },
			{ .type = FIELD_END },
		},
};

static int config_check(struct call *call, const void *args)
{
	const struct config_check_args *a = args;
	const struct dp *dp = call->ctx;
	char *path = conf_path(dp->config, a->file), *text = NULL;
	struct config *config;
	struct diag diag;
	size_t len;
	FILE *out;
	int err = 0;

	diag_init(&diag, path);
	config = conf_read_file(modules, path, &diag);
	if (config != NULL) {
		call->result = json_pack("{s:s, s:b}", "file", path, "valid", 1);
	} else {
		out = open_memstream(&text, &len);
		diag_print(&diag, out);
		fclose(out);
		while (len > 0 && text[len - 1] == '\n')
			text[--len] = '\0';
		err = call_refuse(call, "%s", text);
		free(text);
	}
	conf_destroy(config);
	diag_fini(&diag);
	free(path);
	return err;
}

const struct command config_commands[] = {
	{ .object = "config",
		.verb = "show",
		.help = "the running configuration, as a file that weir accepts",
		.run = config_show,
		.is_read_only = true },
	{ .object = "config",
		.verb = "check",
		.help = "what is wrong with a configuration file, if anything",
		.args = &config_check_args,
		.run = config_check,
		.is_read_only = true },
	{ .object = NULL },
};
