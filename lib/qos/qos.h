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

/*
 * Where a packet that is about to leave would wait: in which queue of the qdiscs of its link, and of those that the link
 * stands on as a VLAN. w: as the worker that has its connection. NULL: in none. New reference. Control thread.
 */
json_t *qos_queues_json(const struct dp *dp, const struct worker *w, struct rte_mbuf *m);

extern struct module qos_module;
extern const struct stage qdisc_due_stage, qdisc_classify_stage, qdisc_stage;
