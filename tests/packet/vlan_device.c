/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Makes net_ring ports devices that take customer tags off and put them on, as NICs do: for a second run of
 * test_vlan.c, which must see the same bytes. The outermost tag only, and not before it is switched on.
 */
#include "vlan_device.h"

#include <rte_ethdev.h>

unsigned int vlan_device_n_stripped, vlan_device_n_inserted;
static bool strips[RTE_MAX_ETHPORTS];

enum { QUEUES_MAX = 4 };

#define STRIP  RTE_ETH_RX_OFFLOAD_VLAN_STRIP
#define INSERT RTE_ETH_TX_OFFLOAD_VLAN_INSERT

static uint16_t on_receive(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, uint16_t max, void *ctx)
{
	for (uint16_t i = 0; strips[port] && i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		/* A copy of one segment: what is shared stays as it is. */
		if (m->nb_segs > 1 || rte_mbuf_refcnt_read(m) > 1 || m->data_len < 18 ||
			rte_vlan_strip(m) != 0)
			continue;
		vlan_device_n_stripped++;
	}
	return n;
}

static uint16_t on_send(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, void *ctx)
{
	for (uint16_t i = 0; i < n; i++) {
		if (!(pkts[i]->ol_flags & RTE_MBUF_F_TX_VLAN))
			continue;
		if (rte_vlan_insert(&pkts[i]) != 0)
			abort();
		vlan_device_n_inserted++;
	}
	return n;
}

int __real_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(
	uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(
	uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf);
int __real_rte_eth_dev_start(uint16_t port);
int __wrap_rte_eth_dev_start(uint16_t port);
int __wrap_rte_eth_dev_set_vlan_offload(uint16_t port, int offload);

int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
	int err = __real_rte_eth_dev_info_get(port, info);

	info->rx_offload_capa |= STRIP;
	info->tx_offload_capa |= INSERT;
	return err;
}

int __wrap_rte_eth_dev_configure(
	uint16_t port, uint16_t n_rx, uint16_t n_tx, const struct rte_eth_conf *conf)
{
	struct rte_eth_conf less = *conf;

	strips[port] = (conf->rxmode.offloads & STRIP) != 0;
	less.rxmode.offloads &= ~STRIP;
	less.txmode.offloads &= ~INSERT;
	return __real_rte_eth_dev_configure(port, n_rx, n_tx, &less);
}

/* Ports of earlier benches have them still. */
int __wrap_rte_eth_dev_start(uint16_t port)
{
	static bool has_callbacks[RTE_MAX_ETHPORTS][QUEUES_MAX];
	struct rte_eth_dev_info info;
	int err = __real_rte_eth_dev_start(port);

	__real_rte_eth_dev_info_get(port, &info);
	for (uint16_t q = 0; q < info.nb_rx_queues && q < QUEUES_MAX; q++) {
		if (has_callbacks[port][q])
			continue;
		has_callbacks[port][q] = true;
		rte_eth_add_rx_callback(port, q, on_receive, NULL);
		rte_eth_add_tx_callback(port, q, on_send, NULL);
	}
	return err;
}

int __wrap_rte_eth_dev_set_vlan_offload(uint16_t port, int offload)
{
	strips[port] = (offload & RTE_ETH_VLAN_STRIP_OFFLOAD) != 0;
	return 0;
}
