/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A module is a folder under lib/: its settings, commands, sysctls, drop reasons, stages and
 * state. app/weir/modules.c lists them in the order of the floors; start goes down that list, stop
 * goes up. Everything here runs on the control thread.
 */
#include <stdio.h>

#include "dp/event.h"
#include "schema/command.h"
#include "schema/counter.h"

struct dp;
struct worker;
struct config;

/* One row of a module's list of drop reasons; the index in the list is the module's own enum. */
struct drop_reason {
	const char *name; /* "ip4_ttl_exceeded": unique in weir */
	const char *help; /* one sentence: what the packet had that led here */
};

/*
 * A key of the configuration file and what is done with it. A list section is decoded item by
 * item and applied in the order of the file.
 */
struct section {
	const char *key;  /* NULL closes a table */
	const char *help; /* one sentence, no final dot; NULL: that of the object */
	const struct object *object;
	bool is_list;	 /* `key = ( {...}, ... )`, else `key: { ... }` */
	bool is_pending; /* in the contract, not yet in weir: refused with an error that says so */
	enum field_type item; /* object NULL: a list of scalars of this type */
	/* Finds what no single field shows: dangling names, duplicates. Changes nothing. */
	void (*check)(const struct config *config, struct diag *diag);
	/*
	 * Makes one object real. On failure says why in diag, with path (that of the object, like
	 * "links[0]"), and returns -errno. NULL: read by the boot ladder, nothing to apply. A list of
	 * scalars is never applied.
	 */
	int (*apply)(struct dp *dp, const void *object, const char *path, struct diag *diag);
	/* Prints the running state of this section as configuration text (config show). */
	void (*print)(struct dp *dp, FILE *out);
};

/* Tunables under `sysctl: { NAME: { ... } }`; also "NAME.field" on the command line. */
struct sysctl_group {
	const char *name;	     /* "ipv4" */
	const struct object *object; /* NULL: in the contract, not yet in weir */
	size_t offset;		     /* of the decoded object (by value) in the module's dp slot */
	/*
	 * Asked before values take the place of those that are there. -errno with the reason in diag:
	 * they cannot be had, and those that are there stay. NULL: any that the rows allow will do.
	 */
	int (*apply)(struct dp *dp, const void *values, struct diag *diag);
};

struct module {
	const char *name;
	const struct section *sections;	      /* NULL: none */
	const struct command *commands;	      /* NULL: none */
	const struct sysctl_group *sysctls;   /* closed by name NULL; NULL: none */
	const struct counter_table *counters; /* closed by command NULL; NULL: none */
	const struct drop_reason *drops;      /* n_drops rows */
	unsigned int n_drops;
	unsigned int drop_base;	  /* set by dp_create(): id of drops[0] */
	unsigned int id;	  /* set by dp_create(): slot in struct dp and worker */
	size_t state_size;	  /* of the control state; zeroed, at dp->slot[id] */
	size_t worker_state_size; /* per worker; zeroed hugepage memory, at w->slot[id] */
	/* Adds fields to objects of lower floors. Once per process, before anything is decoded. */
	void (*extend)(void);
	/* Any of these may be NULL. A failing init has undone what it did. */
	int (*init)(struct dp *dp);
	void (*fini)(struct dp *dp);
	int (*worker_init)(struct dp *dp, struct worker *w);
	/* Frees what the worker's slot holds, packets included; the worker no longer runs. */
	void (*worker_fini)(struct dp *dp, struct worker *w);
	/* Adds what the module knows of a worker to its row of `worker show`. */
	void (*worker_show)(const struct dp *dp, const struct worker *w, json_t *row);
	/* A lower floor tells what happened (event.h). */
	void (*event)(struct dp *dp, enum event_kind kind, const void *subject);
	/* A lower floor is asked to let it happen (dp_judge()): finds what speaks against it. */
	void (*judge)(struct dp *dp, enum event_kind kind, const void *subject, struct diag *found);
	/* Called about every 10 ms. */
	void (*tick)(struct dp *dp, uint64_t now_ns);
};
