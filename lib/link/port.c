/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Links of kind port: an ethdev. Probes the device string, configures queues, starts the port and
 * gives its queues to workers. Control thread; what workers read is published by pointer and the
 * old retired.
 *
 * Receive queue q of a port goes to worker (ifindex - 1 + q) modulo the number of workers. Where the
 * driver has RSS it is given our key and table (steer.h), and both are read back: what it did not
 * take it is not trusted with. Every worker gets a
 * transmit queue of its own while the device has enough; the others hand over to the owner of one. Some drivers cannot do what others can; port_quirks lists them.
 */
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

enum {
	PORT_RX_DESC = 1024,
	PORT_TX_DESC = 1024,
	PORT_FRAME_OVERHEAD = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN,
};

enum port_quirk {
	/* The kernel's end of a tap has the port's MAC address: ours must be another. */
	QUIRK_MAC_IS_PEERS = 1 << 0,
	/* Carrier and MTU go by interface name, which fails once the tap was moved to a namespace. */
	QUIRK_BY_NAME = 1 << 1,
	/* Received packets keep the port number they had before. */
	QUIRK_UNMARKED = 1 << 3,
	/* As many transmit as receive queues, or configuring fails. */
	QUIRK_EVEN_QUEUES = 1 << 2,
	/* Gives packets of any length, whatever it was configured for. */
	QUIRK_ANY_LENGTH = 1 << 4,
};

static const struct {
	const char *driver;
	unsigned int quirks;
} port_quirks[] = {
	{ "net_tap", QUIRK_MAC_IS_PEERS | QUIRK_BY_NAME | QUIRK_EVEN_QUEUES },
	{ "net_ring", QUIRK_UNMARKED | QUIRK_ANY_LENGTH },
};

static unsigned int port_quirks_of(uint16_t port)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port, &info) != 0)
		return 0;
	for (unsigned int i = 0; i < RTE_DIM(port_quirks); i++)
		if (strcmp(port_quirks[i].driver, info.driver_name) == 0)
			return port_quirks[i].quirks;
	return 0;
}

/* Finds the port that a device string made or names. */
static int port_probe(const char *device, uint16_t *out)
{
	struct rte_dev_iterator iterator;
	char name[RTE_DEV_NAME_MAX_LEN];
	uint16_t port;
	int err;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (rte_eth_dev_get_port_by_name(name, out) == 0)
		return 0; /* already there: found at start, or a link of before */
	err = rte_dev_probe(device);
	if (err < 0)
		return err;
	if (rte_eth_dev_get_port_by_name(name, out) == 0)
		return 0;
	RTE_ETH_FOREACH_MATCHING_DEV(port, device, &iterator)
	{
		rte_eth_iterator_cleanup(&iterator);
		*out = port;
		return 0;
	}
	return -ENODEV;
}

enum {
	RSS_TYPES = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |
		    RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP,
};

/* Drivers say no to the whole when they lack a part: that is left out then, and done in software. */
static int port_try_configure(
	uint16_t port, uint16_t n_rx, uint16_t n_tx, struct rte_eth_conf *conf)
{
	int err = rte_eth_dev_configure(port, n_rx, n_tx, conf);

	if (err < 0 && conf->intr_conf.rxq) {
		conf->intr_conf.rxq = 0;
		err = rte_eth_dev_configure(port, n_rx, n_tx, conf);
	}
	if (err == -EINVAL && conf->rxmode.mtu != RTE_ETHER_MTU) {
		conf->rxmode.mtu = RTE_ETHER_MTU;
		err = rte_eth_dev_configure(port, n_rx, n_tx, conf);
	}
	return err;
}

/* Can a packet of this MTU be larger than a buffer? */
static bool port_needs_scatter(const struct dp *dp, uint16_t mtu)
{
	return mtu + RTE_ETHER_HDR_LEN >
	       rte_pktmbuf_data_room_size(dp->pool) - RTE_PKTMBUF_HEADROOM;
}

/* How many queues to ask for, and whether frames larger than a packet buffer may come. */
static int port_configure(const struct dp *dp, struct link *link, uint16_t *n_rx, uint16_t *n_tx)
{
	struct rte_eth_conf conf = { .rxmode = { .mtu = link->mtu } };
	uint8_t key[STEER_KEY_MAX];
	struct rte_eth_dev_info info;
	int err;

	err = rte_eth_dev_info_get(link->port, &info);
	if (err < 0)
		return err;
	if (info.max_rx_queues < *n_rx || info.max_tx_queues == 0)
		return -ERANGE;
	*n_tx = (uint16_t)RTE_MIN(dp->n_workers, (unsigned int)info.max_tx_queues);
	if (port_quirks_of(link->port) & QUIRK_EVEN_QUEUES)
		*n_tx = *n_rx;
	if (port_needs_scatter(dp, link->mtu))
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if (link->strips_vlans)
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	conf.txmode.offloads |= info.tx_offload_capa &
				(RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
	link->inserts_vlans = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
	conf.rxmode.mtu = RTE_MIN(conf.rxmode.mtu, (uint32_t)info.max_mtu);
	if (*n_rx > 1 && info.hash_key_size <= STEER_KEY_MAX)
		link->rss_types = info.flow_type_rss_offloads & RSS_TYPES;
	conf.rxmode.mq_mode = link->rss_types != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE;
	conf.rx_adv_conf.rss_conf.rss_hf = link->rss_types;
	conf.rx_adv_conf.rss_conf.rss_key = link->rss_types != 0 ? key : NULL;
	conf.rx_adv_conf.rss_conf.rss_key_len = link->rss_types != 0 ? info.hash_key_size : 0;
	steer_key(key, sizeof(key));
	conf.intr_conf.rxq = dp->workers[0]->is_adaptive;
	return port_try_configure(link->port, *n_rx, *n_tx, &conf);
}

static int port_setup_queues(
	const struct dp *dp, const struct link *link, uint16_t n_rx, uint16_t n_tx)
{
	uint16_t rx_desc = PORT_RX_DESC, tx_desc = PORT_TX_DESC;
	unsigned int socket = rte_socket_id();
	int err;

	err = rte_eth_dev_adjust_nb_rx_tx_desc(link->port, &rx_desc, &tx_desc);
	for (uint16_t q = 0; q < n_rx && err == 0; q++)
		err = rte_eth_rx_queue_setup(link->port, q, rx_desc, socket, NULL, dp->pool);
	for (uint16_t q = 0; q < n_tx && err == 0; q++)
		err = rte_eth_tx_queue_setup(link->port, q, tx_desc, socket, NULL);
	return err;
}

static void port_choose_mac(struct link *link)
{
	bool is_peers = (port_quirks_of(link->port) & QUIRK_MAC_IS_PEERS) != 0;
	struct rte_ether_addr mac;

	if (mac_addr_is_zero(&link->conf->mac)) {
		rte_eth_macaddr_get(link->port, &mac);
		memcpy(link->mac.bytes, mac.addr_bytes, sizeof(link->mac.bytes));
		if (is_peers)
			link->mac.bytes[5] ^= 1;
		return;
	}
	link->mac = link->conf->mac;
	memcpy(mac.addr_bytes, link->mac.bytes, sizeof(mac.addr_bytes));
	/* A driver without the call filters nothing: the address then holds in software. */
	if (!is_peers)
		rte_eth_dev_default_mac_addr_set(link->port, &mac);
}

/* The worker that polls a receive queue of a link. */
static unsigned int queue_worker(const struct dp *dp, const struct link *link, unsigned int queue)
{
	return (link->ifindex - 1u + queue) % dp->n_workers;
}

/* Which queue takes the packets of that bucket? -1: its owner polls none of this port. */
static int bucket_queue(const struct dp *dp, const struct link *link, unsigned int bucket)
{
	unsigned int owner = link_state(dp)->steer->owner[bucket];

	for (unsigned int q = 0; q < (unsigned int)link->conf->queues; q++)
		if (queue_worker(dp, link, q) == owner)
			return (int)q;
	return -1;
}

enum { RETA_MAX = 512 }; /* the largest RSS table that is handled */

/* The RSS table: bucket i modulo STEER_BUCKETS is entry i. */
static int port_set_reta(const struct dp *dp, const struct link *link, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 want[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE],
		got[RTE_DIM(want)];
	int err;

	memset(want, 0, sizeof(want));
	for (unsigned int i = 0; i < size; i++) {
		int queue = bucket_queue(dp, link, i % STEER_BUCKETS);

		if (queue < 0)
			return -ENOENT;
		want[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
		want[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			(uint16_t)queue;
	}
	memcpy(got, want, sizeof(got));
	err = rte_eth_dev_rss_reta_update(link->port, want, size);
	if (err == 0)
		err = rte_eth_dev_rss_reta_query(link->port, got, size);
	for (unsigned int i = 0; err == 0 && i < size / RTE_ETH_RETA_GROUP_SIZE; i++)
		if (memcmp(want[i].reta, got[i].reta, sizeof(want[i].reta)) != 0)
			err = -EIO;
	return err;
}

/* Does the port hash what we asked for, with our key? */
static bool port_has_key(const struct link *link, unsigned int key_len, uint64_t types)
{
	uint8_t want[STEER_KEY_MAX], got[STEER_KEY_MAX] = { 0 };
	struct rte_eth_rss_conf conf = { .rss_key = got, .rss_key_len = (uint8_t)key_len };

	steer_key(want, key_len);
	return rte_eth_dev_rss_hash_conf_get(link->port, &conf) == 0 &&
	       memcmp(want, got, key_len) == 0 && (conf.rss_hf & types) == types;
}

void port_program_steering(struct dp *dp, struct link *link)
{
	struct rte_eth_dev_info info;

	link->is_hw_steered = false;
	if (link->rss_types == 0 || rte_eth_dev_info_get(link->port, &info) != 0)
		return;
	/* Fewer entries than buckets cannot tell all of them apart. */
	if (info.reta_size % STEER_BUCKETS != 0 || info.reta_size == 0 || info.reta_size > RETA_MAX)
		return;
	link->is_hw_steered = port_set_reta(dp, link, info.reta_size) == 0 &&
			      port_has_key(link, info.hash_key_size, link->rss_types);
	log_info("link", "hardware steering link=%s is=%d", link->name, link->is_hw_steered);
}

/* Connections have to come to their owners; what is forwarded by itself may be forwarded by anybody. */
static bool needs_sw_steering(const struct dp *dp, const struct link *link)
{
	if (dp->n_workers == 1 || link->conf->steering == LINK_STEERING_HARDWARE)
		return false;
	return link->conf->steering == LINK_STEERING_SOFTWARE ||
	       (link_state(dp)->is_tracked[link->ns] && !link->is_hw_steered);
}

void port_follow_exit(struct dp *dp, const struct link *link)
{
	if (link->ops != &port_ops)
		return;
	__atomic_store_n(&link_state(dp)->table[link->ifindex].way, (uint16_t)polls_way(link),
		__ATOMIC_RELAXED);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		polls_follow_exit(dp, dp->workers[i], link);
}

void link_follow_steering(struct dp *dp, struct link *link)
{
	bool is_steered = needs_sw_steering(dp, link);

	if (link->is_sw_steered == is_steered)
		return;
	link->is_sw_steered = is_steered;
	port_follow_exit(dp, link);
	log_info("link", "software steering link=%s is=%d", link->name, is_steered);
}

void port_follow_promiscuous(const struct link *link)
{
	/* A driver without the call passes everything. */
	if (link->conf->is_promiscuous || link->n_promiscuous > 0 || link->has_full_filter)
		(void)rte_eth_promiscuous_enable(link->port);
	else
		(void)rte_eth_promiscuous_disable(link->port);
}

/* Devices that filter, and have no room for another address, are made to pass all. */
static void port_accept_mac(
	struct dp *dp, struct link *link, const struct mac_addr *mac, bool is_wanted)
{
	struct rte_ether_addr addr;

	(void)dp;
	memcpy(addr.addr_bytes, mac->bytes, sizeof(addr.addr_bytes));
	if (!is_wanted) {
		(void)rte_eth_dev_mac_addr_remove(link->port, &addr);
		return;
	}
	if (rte_eth_dev_mac_addr_add(link->port, &addr, 0) < 0) {
		link->has_full_filter = true;
		port_follow_promiscuous(link);
	}
}

static void port_assign_queues(struct dp *dp, struct link *link, uint16_t n_rx, uint16_t n_tx)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct link_worker *lw = worker_slot(dp->workers[i], &link_module);

		lw->input_link[link->port] = link->ifindex;
		lw->tx[link->port].queue = i < n_tx ? (uint16_t)i : LINK_NO_QUEUE;
		lw->tx[link->port].owner = (uint16_t)(i % n_tx);
	}
	port_program_steering(dp, link);
	link->is_sw_steered = needs_sw_steering(dp, link);
	for (uint16_t q = 0; q < n_rx; q++)
		polls_add(dp, dp->workers[queue_worker(dp, link, q)], link, q,
			(port_quirks_of(link->port) & QUIRK_UNMARKED) != 0);
}

static bool port_has_carrier(const struct dp *dp, const struct link *link)
{
	struct rte_eth_link status;

	(void)dp;
	if (port_quirks_of(link->port) & QUIRK_BY_NAME)
		return true;
	if (rte_eth_link_get_nowait(link->port, &status) != 0)
		return true;
	return status.link_status == RTE_ETH_LINK_UP;
}

static int port_open(struct dp *dp, struct link *link, const char *path, struct diag *diag)
{
	uint16_t n_rx = (uint16_t)link->conf->queues, n_tx = 0;
	char *at = mem_printf("%s.device", path);
	int err;

	err = port_probe(link->conf->device, &link->port);
	if (err < 0) {
		diag_error(diag, 0, at, "cannot open device \"%s\": %s", link->conf->device,
			strerror(-err));
		goto out;
	}
	err = port_configure(dp, link, &n_rx, &n_tx);
	if (err == 0)
		err = port_setup_queues(dp, link, n_rx, n_tx);
	if (err < 0) {
		diag_error(diag, 0, at, "cannot configure %u receive queues: %s", n_rx,
			strerror(-err));
		goto err_close;
	}
	err = rte_eth_dev_set_mtu(link->port, link->mtu);
	if (err < 0 && err != -ENOTSUP) {
		/* It would drop what is larger than it takes, without a word. */
		diag_error(diag, 0, at, "the device takes no MTU of %u: %s", link->mtu,
			strerror(-err));
		goto err_close;
	}
	port_choose_mac(link);
	err = rte_eth_dev_start(link->port);
	if (err < 0) {
		diag_error(diag, 0, at, "cannot start device: %s", strerror(-err));
		goto err_close;
	}
	if (link->conf->is_promiscuous)
		port_follow_promiscuous(link);
	/* Neighbour discovery asks by multicast. A driver without filters passes everything anyway. */
	(void)rte_eth_allmulticast_enable(link->port);
	link->is_running = port_has_carrier(dp, link);
	link->is_open = true;
	port_assign_queues(dp, link, n_rx, n_tx);
	free(at);
	return 0;

err_close:
	rte_eth_dev_close(link->port);
out:
	free(at);
	return err;
}

void port_detach(struct dp *dp, const struct link *link)
{
	for (unsigned int i = 0; i < dp->n_workers; i++)
		polls_remove(dp, dp->workers[i], link);
}

int port_restart(struct dp *dp, struct link *link)
{
	struct rte_eth_dev_info info;
	uint16_t n_rx, n_tx = 0;
	int err;

	err = rte_eth_dev_info_get(link->port, &info);
	if (err < 0)
		return err;
	n_rx = info.nb_rx_queues;
	rte_eth_dev_stop(link->port);
	err = port_configure(dp, link, &n_rx, &n_tx);
	if (err == 0)
		err = port_setup_queues(dp, link, n_rx, n_tx);
	if (err == 0)
		err = rte_eth_dev_set_mtu(link->port, link->mtu);
	if (err == 0 || err == -ENOTSUP)
		err = rte_eth_dev_start(link->port);
	if (err == 0)
		port_assign_queues(dp, link, n_rx, n_tx);
	return err;
}

static void port_close(struct dp *dp, struct link *link)
{
	if (!link->is_open)
		return;
	link->is_open = false;
	port_detach(dp, link);
	rte_eth_dev_stop(link->port);
	rte_eth_dev_close(link->port);
}

static void port_mtu_range(
	const struct dp *dp, const struct link *link, uint16_t *min, uint16_t *max)
{
	struct rte_eth_dev_info info = { .max_mtu = UINT16_MAX };

	(void)dp;
	rte_eth_dev_info_get(link->port, &info);
	*min = RTE_MAX(info.min_mtu, (uint16_t)LINK_MTU_MIN);
	*max = RTE_MIN(info.max_mtu, (uint16_t)LINK_MTU_MAX);
	/* Some drivers only tell their longest frame; ethdev then checks as this does. */
	if (info.max_mtu == UINT16_MAX && info.max_rx_pktlen > PORT_FRAME_OVERHEAD)
		*max = (uint16_t)RTE_MIN(info.max_rx_pktlen - PORT_FRAME_OVERHEAD, (uint32_t)*max);
}

/* Was the port started for packets that fit into a buffer, and can it take larger ones? */
static bool port_must_learn_to_scatter(const struct dp *dp, const struct link *link, uint16_t mtu)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;

	if (!port_needs_scatter(dp, mtu) || (port_quirks_of(link->port) & QUIRK_ANY_LENGTH))
		return false;
	return rte_eth_dev_info_get(link->port, &info) == 0 &&
	       rte_eth_dev_conf_get(link->port, &conf) == 0 &&
	       (info.rx_offload_capa & ~conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER);
}

static int port_set_mtu(const struct dp *dp, const struct link *link, uint16_t mtu)
{
	bool is_by_name = (port_quirks_of(link->port) & QUIRK_BY_NAME) != 0;
	int err;

	if (!is_by_name && port_must_learn_to_scatter(dp, link, mtu))
		return -EBUSY;
	err = rte_eth_dev_set_mtu(link->port, mtu);
	/* A tap that was moved to a namespace would not start again. */
	if (is_by_name)
		return err == -ENODEV ? -ENOTSUP : err;
	/* Some drivers say -EBUSY, others -EINVAL. */
	return err == 0 || err == -ENOTSUP ? err : -EBUSY;
}

/* Names of offloads, joined by '+'. */
static void offloads_text(
	uint64_t offloads, const char *(*name)(uint64_t offload), char *text, size_t size)
{
	size_t len = 0;

	snprintf(text, size, "none");
	for (uint64_t left = offloads; left != 0 && len < size; left &= left - 1)
		len += (size_t)snprintf(
			text + len, size - len, "%s%s", len > 0 ? "+" : "", name(left & -left));
}

static void port_log(const struct link *link)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	char rx[256], tx[256];

	if (rte_eth_dev_info_get(link->port, &info) != 0 ||
		rte_eth_dev_conf_get(link->port, &conf) != 0)
		return;
	offloads_text(conf.rxmode.offloads, rte_eth_dev_rx_offload_name, rx, sizeof(rx));
	offloads_text(conf.txmode.offloads, rte_eth_dev_tx_offload_name, tx, sizeof(tx));
	log_notice("link",
		"port link=%s driver=%s rx_queues=%u tx_queues=%u rx_offloads=%s tx_offloads=%s",
		link->name, info.driver_name, info.nb_rx_queues, info.nb_tx_queues, rx, tx);
}

static json_t *port_info(const struct link *link)
{
	/* Who steers what this link receives. */
	const char *steering = "none";

	if (link->is_sw_steered)
		steering = "software";
	else if (link->is_hw_steered || link->conf->steering == LINK_STEERING_HARDWARE)
		steering = "hardware";
	return json_pack("{s:s, s:s, s:b, s:b}", "device", link->conf->device, "steering", steering,
		"rx_vlan_offload", port_strips_vlans(link), "tx_vlan_offload", link->inserts_vlans);
}

static void port_hw_stats(const struct link *link, struct rte_eth_stats *out)
{
	rte_eth_stats_get(link->port, out);
}

const struct link_ops port_ops = {
	.name = "port",
	.kind = LINK_KIND_PORT,
	.open = port_open,
	.close = port_close,
	.mtu_range = port_mtu_range,
	.set_mtu = port_set_mtu,
	.has_carrier = port_has_carrier,
	.accept_mac = port_accept_mac,
	.log = port_log,
	.info = port_info,
	.hw_stats = port_hw_stats,
};
