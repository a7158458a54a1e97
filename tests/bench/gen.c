/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A traffic source for benchmarks, inside the worker of whatever program is measured: preloaded
 * (LD_PRELOAD), it hooks a receive callback into every queue of net_null ports as they start and
 * writes headers into the recycled packets that the driver gives. So weir and testpmd get the same
 * packets from the same device, and there can be millions of different ones: a packet costs a few
 * bytes of table that are read in order, where a capture costs an mbuf.
 *
 * BENCH_GEN names a file: records of struct record, taken round and round. Packet lengths come from
 * the records. BENCH_GEN_COST names a file that is rewritten about once a second with what writing
 * costs: TSC cycles per packet. With BENCH_GEN_STATIONS every IPv4 address has a MAC address of its own, and
 * ports with odd numbers send what others receive. Instead of all that BENCH_FLOWS asks for connections
 * (gen_flows.c).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "gen.h"

/* As scripts/bench writes it. All in network order but the length. */
struct record {
	uint8_t src[16], dst[16]; /* IPv4 in the first four bytes */
	uint16_t sport, dport;
	uint16_t len; /* of the frame, without FCS */
	uint8_t is_ip6, proto;
};

/* Per queue: one thread polls it. */
struct source {
	const struct record *records;
	size_t n, next;
	uint64_t packets, cycles, told;
	bool has_stations, is_swapped;
};

static const uint8_t ether[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xaa };

static void write_ip4(uint8_t *at, const struct record *r)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(r->len - RTE_ETHER_HDR_LEN)),
		.time_to_live = 64,
		.next_proto_id = r->proto };
	memcpy(&ip->src_addr, r->src, 4);
	memcpy(&ip->dst_addr, r->dst, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void write_ip6(uint8_t *at, const struct record *r)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;

	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(r->len - RTE_ETHER_HDR_LEN - sizeof(*ip)));
	ip->proto = r->proto;
	ip->hop_limits = 64;
	memcpy(ip->src_addr, r->src, 16);
	memcpy(ip->dst_addr, r->dst, 16);
}

static void write_packet(struct rte_mbuf *m, const struct record *r)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_udp_hdr *l4;

	memcpy(at, ether, sizeof(ether));
	at[12] = r->is_ip6 ? 0x86 : 0x08;
	at[13] = r->is_ip6 ? 0xdd : 0x00;
	if (r->is_ip6)
		write_ip6(at + RTE_ETHER_HDR_LEN, r);
	else
		write_ip4(at + RTE_ETHER_HDR_LEN, r);
	l4 = (struct rte_udp_hdr *)(at + RTE_ETHER_HDR_LEN +
				    (r->is_ip6 ? sizeof(struct rte_ipv6_hdr)
					       : sizeof(struct rte_ipv4_hdr)));
	l4->src_port = r->sport;
	l4->dst_port = r->dport;
	l4->dgram_len = rte_cpu_to_be_16((uint16_t)(r->len - ((uint8_t *)l4 - at)));
	l4->dgram_cksum = 0;
	m->data_len = r->len;
	m->pkt_len = r->len;
}

/* Stations: 02:00 and the IPv4 address. */
static void write_stations(struct rte_mbuf *m, bool is_swapped)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(at + RTE_ETHER_HDR_LEN);
	uint32_t src = ip->src_addr;

	if (is_swapped) {
		ip->src_addr = ip->dst_addr;
		ip->dst_addr = src;
	}
	at[1] = at[7] = 0;
	memcpy(at + 2, &ip->dst_addr, 4);
	memcpy(at + 8, &ip->src_addr, 4);
}

static void source_tell(struct source *source)
{
	const char *name = getenv("BENCH_GEN_COST");
	FILE *out = name != NULL ? fopen(name, "we") : NULL;

	if (out == NULL)
		return;
	fprintf(out, "%.1f\n", (double)source->cycles / (double)source->packets);
	fclose(out);
}

static uint16_t on_receive(
	uint16_t port, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, uint16_t max, void *ctx)
{
	struct source *source = ctx;
	uint64_t start = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++) {
		const struct record *r = &source->records[source->next];

		write_packet(pkts[i], r);
		if (source->has_stations)
			write_stations(pkts[i], source->is_swapped);
		if (++source->next == source->n)
			source->next = 0;
	}
	source->packets += n;
	source->cycles += rte_rdtsc() - start;
	if (start - source->told > rte_get_tsc_hz()) {
		source->told = start;
		source_tell(source);
	}
	return n;
}

static void source_add(uint16_t port, uint16_t queue, uint16_t n_queues)
{
	const char *name = getenv("BENCH_GEN");
	struct source *source = calloc(1, sizeof(*source));
	int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;

	if (source == NULL || fd < 0 || fstat(fd, &st) != 0) {
		fprintf(stderr, "bench generator: cannot read BENCH_GEN\n");
		exit(1);
	}
	source->records =
		mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (source->records == MAP_FAILED)
		exit(1);
	source->n = (size_t)st.st_size / sizeof(struct record);
	source->next = source->n / n_queues * queue;
	source->has_stations = getenv("BENCH_GEN_STATIONS") != NULL;
	source->is_swapped = port & 1;
	rte_eth_add_rx_callback(port, queue, on_receive, source);
}

int rte_eth_dev_start(uint16_t port)
{
	int (*real)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_start");
	struct rte_eth_dev_info info;
	int err = real(port);

	if (err != 0 || rte_eth_dev_info_get(port, &info) != 0 ||
		strcmp(info.driver_name, "net_null") != 0)
		return err;
	if (flows_are_wanted()) {
		flows_add(port);
		return 0;
	}
	for (uint16_t q = 0; q < info.nb_rx_queues; q++)
		source_add(port, q, info.nb_rx_queues);
	return 0;
}
