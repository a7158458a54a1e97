/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Traffic control: what a link sends when. A link with a qdisc of its own is shaped: on their way down from it packets
 * leave `tx` for `qdisc_classify`, wait in the qdisc at its owner, one worker, and go on from there. Links without
 * one have nothing to do with any of this.
 */
#include "dp/dp.h"

struct config;

/* Has a qdisc of the configuration a class, or a band, of that name? For checks. */
bool qos_class_is_configured(const struct config *config, const char *name);

extern struct module qos_module;
extern const struct stage qdisc_due_stage, qdisc_classify_stage, qdisc_stage;
