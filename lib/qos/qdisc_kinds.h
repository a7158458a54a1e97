/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What single kinds of qdiscs have beyond struct qdisc_ops: defaults, and figures to show. */
#include "qos/qdisc.h"

enum {
	BFIFO_LIMIT = QDISC_LIMIT * 1514, /* bytes */
	PRIO_BANDS = 3,
};

/* What a tbf of that configuration holds at most, in bytes, as tc(8) computes it of a latency. */
uint64_t tbf_limit(const struct qdisc_conf *conf);
