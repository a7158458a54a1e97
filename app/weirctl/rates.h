/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Counters at two moments, and what happened between them: the numbers of `top`. */
#include "weirctl.h"

struct sample {
	double at_s;				 /* monotonic */
	json_t *links, *workers, *drops, *graph; /* as their show commands answer */
};

/* Asks for all counters. False: the connection is gone, or was interrupted. */
bool sample_take(struct session *session, struct sample *out);
void sample_fini(struct sample *sample);

/*
 * {period, links[], workers[], drops[], stages[]}: rates a second, drops by rate and busy stages by
 * share of cycles, the greatest first. New reference.
 */
json_t *rates_between(const struct sample *old, const struct sample *now);
