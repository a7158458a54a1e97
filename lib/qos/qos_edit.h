/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Commands that change qdiscs, and their arguments; rows are in qos_ctl.c. Control thread. */
#include "qos/qos_priv.h"

struct qdisc_del_args {
	struct object_head head;
	char *dev;
	char *parent; /* NULL: the root */
};

struct class_args {
	struct qdisc_class_conf class; /* the same settings at the same places */
	char *dev;
};

struct class_del_args {
	struct object_head head;
	char *dev;
	char *name;
};

struct filter_args {
	struct qdisc_filter_conf filter;
	char *dev;
	char *parent;
	int64_t index; /* where among the others; -1: behind them */
};

struct filter_del_args {
	struct object_head head;
	char *dev;
	char *parent;
	int64_t index;
};

extern const struct object class_args_object, filter_args_object;

int qdisc_add(struct call *call, const void *args);
int qdisc_replace(struct call *call, const void *args);
int qdisc_change(struct call *call, const void *args);
int qdisc_del(struct call *call, const void *args);
int class_add(struct call *call, const void *args);
int class_replace(struct call *call, const void *args);
int class_change(struct call *call, const void *args);
int class_del(struct call *call, const void *args);
int filter_add(struct call *call, const void *args);
int filter_del(struct call *call, const void *args);
