/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The words of the contract that weir does not know yet. They are refused with an error that says
 * so; a module that brings one of them takes its row away from here.
 */
#include "app.h"

static const struct section pending_sections[] = {
	{ .key = NULL },
};

#define PENDING(object_, verb_, help_)                                                             \
	{                                                                                          \
		.object = (object_), .verb = (verb_), .help = (help_)                              \
	}

static const struct command pending_commands[] = {
	PENDING("xdp", "show", "attached XDP programs"),
	PENDING("xdp", "attach", "attaches an XDP program"),
	PENDING("xdp", "detach", "detaches an XDP program"),
	PENDING("capture", "start", "captures packets"),
	PENDING("config", "load", "replaces the running configuration"),
	PENDING("config", "reload", "reads the configuration file again"),
	PENDING("config", "rollback", "returns to the configuration of before"),
	PENDING("config", "commit", "keeps a configuration loaded with confirm"),
	{ .object = NULL },
};

struct module pending_module = {
	.name = "pending",
	.sections = pending_sections,
	.commands = pending_commands,
};
