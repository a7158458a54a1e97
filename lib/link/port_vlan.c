/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Customer tags that devices take off by themselves: switched on when the first VLAN comes to stand on a port.
 * Control thread.
 *
 * A frame whose tag the device has taken off looks untagged to who does not know, so first all workers send what
 * the port receives to `l2`, and a grace period later the device is told. The other way round there is no such
 * order, since frames wait in its queues: a port that strips goes on until it is closed.
 */
#include "base/log.h"
#include "link/link_priv.h"

bool port_strips_vlans(const struct link *link)
{
	int offload = link->strips_vlans ? rte_eth_dev_get_vlan_offload(link->port) : 0;

	return offload > 0 && (offload & RTE_ETH_VLAN_STRIP_OFFLOAD) != 0;
}

static void strip_begin(void *ptr, uint64_t ifindex)
{
	struct link *link = link_by_index(ptr, (uint16_t)ifindex);
	int offload, err;

	/* It may be gone, and its index another link's. */
	if (link == NULL || link->ops != &port_ops || !link->strips_vlans || link->is_paused)
		return;
	offload = rte_eth_dev_get_vlan_offload(link->port);
	err = offload < 0 ? offload
			  : rte_eth_dev_set_vlan_offload(
				    link->port, offload | RTE_ETH_VLAN_STRIP_OFFLOAD);
	if (err < 0)
		log_info("link", "VLAN tags are taken off in software link=%s error=%s", link->name,
			strerror(-err));
	else
		log_info("link", "VLAN tags are taken off by the device link=%s", link->name);
}

void port_strip_vlans(struct dp *dp, struct link *link)
{
	struct rte_eth_dev_info info;

	if (link->strips_vlans || rte_eth_dev_info_get(link->port, &info) != 0 ||
		!(info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP))
		return;
	link->strips_vlans = true;
	port_follow_exit(dp, link);
	dp_retire(dp, strip_begin, dp, link->ifindex);
}
