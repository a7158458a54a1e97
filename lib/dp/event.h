/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What happened in the control plane, told upwards: a lower floor publishes, higher floors react
 * (module->event, called in the order of app/weir/modules.c, on the control thread, at once).
 */
struct diag;
struct dp;

enum event_kind {
	EVENT_LINK_NEW,	     /* const struct link * */
	EVENT_LINK_CHANGED,  /* const struct link *: up, down, carrier, mac or mtu */
	EVENT_LINK_DELETED,  /* const struct link *: still complete, about to go */
	EVENT_LINK_MOVED,    /* const struct link *: its frames leave by another port from now on */
	EVENT_ADDR_NEW,	     /* const struct ns_addr * */
	EVENT_ADDR_DELETED,  /* const struct ns_addr * */
	EVENT_NEIGH_CHANGED, /* const struct neigh *: any change of state or link-layer address */
	EVENT_ROUTE_NEW,     /* const struct route * */
	EVENT_ROUTE_DELETED, /* const struct route * */
	EVENT_FLOW_NEW,	     /* const struct flow_info *; these three only after flow_listen() */
	EVENT_FLOW_ENDED,    /* const struct flow_info * */
	EVENT_FLOW_LOST,     /* const uint64_t *: so many of the two above were not told */
};

void dp_publish(struct dp *dp, enum event_kind kind, const void *subject);

/*
 * Asks those above before something happens that a user wants and that could be refused: what speaks
 * against it is in `found` (module->judge, in the same order and on the same thread). Asked today:
 * EVENT_LINK_DELETED. What has to happen is not asked about, such as the end of all links at the end.
 */
void dp_judge(struct dp *dp, enum event_kind kind, const void *subject, struct diag *found);
