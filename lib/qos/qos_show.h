/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What `qdisc show`, `class show` and `filter show` answer, in the shapes of `tc -s -j`. Control thread. */
#include "qos/qos_priv.h"

struct qos_show_args {
	struct object_head head;
	char *dev; /* NULL: all links */
};

int qdisc_show(struct call *call, const void *args);
int class_show(struct call *call, const void *args);
int filter_show(struct call *call, const void *args);
extern const struct column qdisc_columns[], class_columns[], filter_columns[];
